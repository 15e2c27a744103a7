#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/num.h"
#include "master/daemon.h"
#include "master/master.h"
#include "master/predecessor.h"
#include "master/sockets.h"

#define FDS_BESIDE_CONNECTIONS 512 /* log, sockets, libraries, kept provider connections of few hosts */

/* ---- directories ------------------------------------------------------------------------- */

/* Makes path and what leads to it; only what we made is given to the account. */
static int
make_dir(const char *directive, const char *path, const struct ag_account *a, struct ag_err *err)
{
	char part[512];
	struct stat st;

	if (!ag_str_copy(ag_str(path), part, sizeof(part)))
		return ag_err_set(err, -ENAMETOOLONG, "directive \"%s\": path is longer than %zu bytes",
		    directive, sizeof(part) - 1);
	for (size_t i = 1;; i++) {
		bool is_last = part[i] == '\0';

		if (part[i] != '/' && !is_last)
			continue;
		part[i] = '\0';
		if (mkdir(part, is_last ? 0750 : 0755) == 0) {
			if (is_last && a->must_switch && chown(part, a->uid, a->gid) < 0)
				return ag_err_set(err, -errno, "directive \"%s\": could not give \"%s\" to \"%s\": %s",
				    directive, part, a->name, strerror(errno));
		} else if (errno != EEXIST) {
			return ag_err_set(err, -errno, "directive \"%s\": could not make directory \"%s\": %s",
			    directive, part, strerror(errno));
		}
		if (is_last)
			break;
		part[i] = '/';
	}
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return ag_err_set(err, -ENOTDIR, "directive \"%s\": \"%s\" is not a directory", directive, path);
	return 0;
}

static int
check_dir(const char *directive, const char *path, struct ag_err *err)
{
	if (access(path, R_OK | W_OK | X_OK) < 0)
		return ag_err_set(err, -errno, "directive \"%s\": cannot write to directory \"%s\": %s",
		    directive, path, strerror(errno));
	return 0;
}

/* ---- files the configuration names ------------------------------------------------------- */

static int
check_readable(const char *directive, const char *path, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = path[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

	if (path[0] && fd < 0)
		return ag_err_set(err, -errno, "directive \"%s\": could not open file \"%s\": %s", directive,
		    path, strerror(errno));
	return 0;
}

/* As the telemetry process will open it; a file that is made for it here is what it needs anyway. */
static int
check_access_log(const struct ag_conf *conf, struct ag_err *err)
{
	char dir[512];
	char *slash;

	if (!conf->access_log[0])
		return 0;
	if (access(conf->access_log, F_OK) == 0) {
		if (access(conf->access_log, W_OK) == 0)
			return 0;
	} else if (ag_str_copy(ag_str(conf->access_log), dir, sizeof(dir))) {
		slash = strrchr(dir, '/');
		slash[slash == dir] = '\0';
		if (access(dir, W_OK | X_OK) == 0)
			return 0;
	} else {
		errno = ENAMETOOLONG;
	}
	return ag_err_set(err, -errno, "directive \"access_log\": cannot write to \"%.300s\": %s",
	    conf->access_log, strerror(errno));
}

int
ag_master_check_files(const struct ag_conf *conf, struct ag_err *err)
{
	int rc = check_readable("tls_certificate", conf->tls_certificate, err);

	if (rc == 0)
		rc = check_readable("tls_certificate_key", conf->tls_certificate_key, err);
	if (rc == 0)
		rc = check_readable("upstream_ca_file", conf->upstream_ca_file, err);
	if (rc == 0)
		rc = check_access_log(conf, err);
	if (rc == 0)
		rc = check_readable("otlp_headers_file", conf->otlp_headers_file, err);
	if (rc == 0)
		rc = check_readable("otlp_ca_file", conf->otlp_ca_file, err);
	return rc;
}

static int
check_key_owner(const struct ag_conf *conf, const struct ag_account *a, struct ag_err *err)
{
	struct stat st;

	if (stat(conf->master_key_file, &st) < 0)
		return 0; /* opening it says why */
	if (st.st_uid != 0 && st.st_uid != a->uid)
		return ag_err_set(err, -EPERM,
		    "directive \"master_key_file\": file \"%s\" belongs to uid %lu, neither to root nor to \"%s\"",
		    conf->master_key_file, (unsigned long)st.st_uid, a->name);
	return 0;
}

int
ag_master_load_key(const struct ag_conf *conf, const struct ag_account *a, struct ag_master_key *out,
    struct ag_err *err)
{
	struct ag_err why;
	int rc = check_key_owner(conf, a, err);

	if (rc < 0)
		return rc;
	rc = ag_vault_load(conf->master_key_file, false, out, &why);
	if (rc < 0)
		return ag_err_set(err, rc, "directive \"master_key_file\": %.200s", why.text);
	return 0;
}

/* ---- the master key ---------------------------------------------------------------------- */

static int
load_key(struct ag_master *m, struct ag_err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mem;

	if (!m->conf->master_key_file[0])
		return 0;
	mem = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return ag_err_set(err, -ENOMEM, "out of memory");
	m->key = mem;
	madvise(mem, page, MADV_DONTDUMP);
	if (mlock(mem, page) < 0)
		ag_warn("could not lock the master key in memory: %s, it may be swapped out", strerror(errno));
	return ag_master_load_key(m->conf, &m->account, m->key, err);
}

/* ---- pid file ---------------------------------------------------------------------------- */

static int
take_pid_file(struct ag_master *m, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = -1;
	char path[512], text[32];
	int n;

	snprintf(path, sizeof(path), "%s/aigated.pid", m->conf->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return ag_err_set(err, -errno, "could not open pid file \"%s\": %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return ag_err_set(err, -EBUSY, "run_dir \"%s\" is in use by another master", m->conf->run_dir);
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || ag_fd_write_all(fd, text, (size_t)n) < 0)
		return ag_err_set(err, -EIO, "could not write pid file \"%s\"", path);
	m->pid_fd = fd;
	fd = -1;
	return 0;
}

/* ---- start ------------------------------------------------------------------------------- */

/* What only root may do, then root no more. */
static int
start_privileged(struct ag_master *m, struct ag_err *err)
{
	uint64_t want = (uint64_t)m->conf->max_connections + m->conf->max_inflight +
	    m->conf->upstream_keepalive + FDS_BESIDE_CONNECTIONS, have;
	int rc;

	ag_log_level = (enum ag_log_level)m->conf->log_level;
	rc = ag_log_open(m->conf->log_file, err);
	if (rc == 0 && m->account.must_switch && ag_log_fd() != STDERR_FILENO &&
	    fchown(ag_log_fd(), m->account.uid, m->account.gid) < 0)
		rc = ag_err_set(err, -errno, "could not give the log file to \"%s\": %s", m->account.name,
		    strerror(errno));
	if (rc == 0)
		rc = make_dir("run_dir", m->conf->run_dir, &m->account, err);
	if (rc == 0)
		rc = make_dir("journal_dir", m->conf->journal_dir, &m->account, err);
	if (rc == 0)
		rc = ag_sockets_listen(m->conf, m->listen_fds, m->listen_is_tls, &m->n_listen, err);
	if (rc == 0)
		rc = ag_sockets_listen_metrics(m->conf, &m->metrics_fd, err);
	if (rc == 0)
		rc = load_key(m, err);
	if (rc < 0)
		return rc;
	have = ag_sandbox_raise_nofile(want);
	if (have < want)
		ag_warn("a process may open %" PRIu64 " files, max_connections and max_inflight ask for %" PRIu64
		    ", connections beyond are refused", have, want);
	rc = ag_account_become(&m->account, err);
	if (rc == 0)
		rc = ag_sandbox_harden(err);
	return rc;
}

static void
log_in_force(const struct ag_master *m, bool is_fresh)
{
	const struct ag_shm_sizes *s = &m->shm.hdr->sizes;
	const struct ag_conf *c = m->conf;

	ag_notice("segment \"%s\" %s: layout %u, %" PRIu64 " KiB, boot %016" PRIx64, c->shm_name,
	    is_fresh ? "created" : "attached again", m->shm.hdr->layout, m->shm.bytes / 1024,
	    m->shm.hdr->boot_id);
	ag_notice("sizes: workers=%u inflight=%u key_slots=%u meters=%u ring_bytes=%" PRIu64
	    " body_ring_bytes=%" PRIu64 " catalog_bytes=%" PRIu64 " objects=%u", s->workers, s->inflight, s->keys,
	    s->meters, s->ring_bytes, s->body_ring_bytes, s->catalog_bytes, s->objects);
	ag_notice("limits: max_connections=%u max_head=%" PRIu64 " max_body=%" PRIu64 " journal_max=%" PRIu64
	    " full_ring=%s govern=%s", c->max_connections, c->max_head, c->max_body, c->journal_max,
	    c->full_ring == AG_FULL_RING_SERVE ? "serve" : "refuse", c->govern ? "on" : "off");
	ag_sockets_log(m->listen_fds, m->listen_is_tls, m->n_listen, m->metrics_fd);
	if (!m->key)
		ag_warn("directive \"master_key_file\" is not set, provider credentials can be neither stored "
		    "nor used");
	if (!c->govern)
		ag_warn("govern is off: no meter is taken and nothing is recorded, relaying for measurements only");
}

/* A mapping keeps the open file it was made from, and with it the file's lock.  Children inherit
 * the mapping, and a lock that outlives the master would keep the next one out: so the segment is
 * mapped a second time, from a file without the lock, and the first mapping goes. */
static int
part_lock_from_mapping(struct ag_master *m, struct ag_err *err)
{
	struct ag_shm locked = m->shm;
	int fd = shm_open(m->conf->shm_name, O_RDWR | O_CLOEXEC, 0), rc;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open segment \"%s\": %s", m->conf->shm_name,
		    strerror(errno));
	rc = ag_shm_map(fd, &m->shm, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	if (m->shm.hdr->boot_id != locked.hdr->boot_id)
		return ag_err_set(err, -EBUSY, "segment \"%s\" was replaced by somebody", m->conf->shm_name);
	m->shm_lock_fd = locked.fd;
	locked.fd = -1;
	ag_shm_unmap(&locked);
	return 0;
}

static int
open_segment(struct ag_master *m, struct ag_err *err)
{
	struct ag_shm_sizes sizes;
	bool is_fresh = false;
	int rc = ag_predecessor_wait(m->conf->shm_name, m->conf->shutdown_timeout + 2 * AG_US_PER_SEC, err);

	if (rc < 0)
		return rc;
	ag_conf_shm_sizes(m->conf, &sizes);
	rc = ag_shm_open(m->conf->shm_name, &sizes, m->conf->shm_replace, &m->shm, &is_fresh, err);
	if (rc == 0)
		rc = part_lock_from_mapping(m, err);
	if (rc < 0)
		return rc;
	log_in_force(m, is_fresh);
	return 0;
}

/* Mapped before anybody is forked, so that workers and telemetry find each other in it. */
static int
open_events(struct ag_master *m, struct ag_err *err)
{
	if (!m->conf->access_log[0] && !m->conf->otlp_endpoint[0])
		return 0;
	m->events = ag_event_area_new(m->shm.hdr->sizes.workers, m->conf->telemetry_buffer, err);
	return m->events ? 0 : -ENOMEM;
}

int
ag_master_start(struct ag_master *m, struct ag_err *err)
{
	const struct ag_conf *c = m->conf;
	int rc = ag_account_find(c->user, &m->account, err);

	if (rc == 0 && !m->is_foreground)
		rc = ag_daemon_start(&m->ready_fd, err);
	if (rc == 0)
		rc = start_privileged(m, err);
	if (rc < 0)
		return rc;
	ag_log_set_ident("master");
	ag_notice("aigated " PACKAGE_VERSION " starting: configuration \"%s\", account uid=%lu", c->path,
	    (unsigned long)geteuid());
	if ((rc = ag_master_check_files(c, err)) < 0 || (rc = check_dir("run_dir", c->run_dir, err)) < 0 ||
	    (rc = check_dir("journal_dir", c->journal_dir, err)) < 0 || (rc = take_pid_file(m, err)) < 0 ||
	    (rc = open_segment(m, err)) < 0 || (rc = open_events(m, err)) < 0 ||
	    (rc = ag_sockets_listen_unix(c->run_dir, "control.sock", &m->control_fd, err)) < 0 ||
	    (rc = ag_sockets_listen_unix(c->run_dir, "operator.sock", &m->operator_fd, err)) < 0 ||
	    (rc = ag_sockets_write_ports(c->run_dir, m->listen_fds, m->listen_is_tls, m->n_listen,
	         m->metrics_fd, err)) < 0)
		return rc;
	if (pipe2(m->life_fds, O_CLOEXEC) < 0)
		return ag_err_set(err, -errno, "could not make a pipe: %s", strerror(errno));
	return 0;
}

/* ---- stop -------------------------------------------------------------------------------- */

static void
remove_in(const char *run_dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	unlink(path);
}

void
ag_master_stop(struct ag_master *m)
{
	for (int i = 0; i < m->n_listen; i++)
		ag_fd_close(&m->listen_fds[i]);
	/* Only who holds the pid file may remove what stands beside it. */
	if (m->pid_fd >= 0) {
		remove_in(m->conf->run_dir, "ports");
		remove_in(m->conf->run_dir, "control.sock");
		remove_in(m->conf->run_dir, "operator.sock");
		remove_in(m->conf->run_dir, "aigated.pid");
	}
	ag_fd_close(&m->control_fd);
	ag_fd_close(&m->operator_fd);
	ag_fd_close(&m->metrics_fd);
	ag_fd_close(&m->life_fds[0]);
	ag_fd_close(&m->life_fds[1]);
	ag_fd_close(&m->ready_fd);
	if (m->key) {
		ag_mem_wipe(m->key, sizeof(*m->key));
		munmap(m->key, (size_t)sysconf(_SC_PAGESIZE));
	}
	ag_event_area_free(m->events);
	ag_shm_unmap(&m->shm); /* the segment stays: meters and unflushed usage survive */
	ag_fd_close(&m->shm_lock_fd);
	ag_fd_close(&m->pid_fd);
}
