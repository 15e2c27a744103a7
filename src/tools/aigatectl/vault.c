/* vault.c - vault rekey: all sealed credentials under a new master key.
 *
 * May die at any instruction and be run again.  Order: the new key stands, synced, in FILE.new; all rows are
 * sealed anew in one transaction; FILE is linked to FILE.old; FILE.new is renamed to FILE.  Each row says
 * which key sealed it, so whoever runs it again sees where it was left.  The daemon holds the old key for
 * as long as it runs, so it has to be stopped. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "aigated/vault.h"
#include "base/fd.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "tools/aigatectl/ctl.h"

#define SEALED_MAX (256u << 10)

struct rekey {
	struct ctl *ctl;
	char path[PATH_MAX], fresh_path[PATH_MAX], old_path[PATH_MAX];
	struct ag_master_key old, fresh;
	unsigned sealed, already;
};

static enum ctl_exit
check_stopped(struct ctl *ctl, const struct ag_conf *conf)
{
	AG_AUTO(ag_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int n = ctl->socket ? snprintf(at.sun_path, sizeof(at.sun_path), "%s", ctl->socket)
	                    : snprintf(at.sun_path, sizeof(at.sun_path), "%s/operator.sock", conf->run_dir);

	if (fd < 0 || n < 0 || (size_t)n >= sizeof(at.sun_path))
		return ctl_fail(CTL_BAD_FILE, "the path of the operators' socket is too long");
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return ctl_fail(CTL_FAILED, "the daemon runs, and holds the old key while it does: stop it first, "
		                            "on every machine that shares the database");
	return CTL_OK;
}

static enum ctl_exit
name_files(struct rekey *r, const struct ag_conf *conf)
{
	const char *path = conf->master_key_file;

	if (!path || !path[0])
		return ctl_fail(CTL_BAD_FILE, "%s: directive \"master_key_file\" is not given", r->ctl->conf_path);
	if (strlen(path) + 5 >= sizeof(r->path))
		return ctl_fail(CTL_BAD_FILE, "the name of the master key file is too long");
	snprintf(r->path, sizeof(r->path), "%s", path);
	snprintf(r->fresh_path, sizeof(r->fresh_path), "%.*s.new", PATH_MAX - 8, path);
	snprintf(r->old_path, sizeof(r->old_path), "%.*s.old", PATH_MAX - 8, path);
	return CTL_OK;
}

/* Both keys; the new one is made unless an earlier run left it. */
static enum ctl_exit
load_keys(struct rekey *r)
{
	struct ag_err err = { "" };
	struct stat st;

	if (ag_vault_load(r->path, false, &r->old, &err) < 0 || ag_vault_load(r->fresh_path, true, &r->fresh, &err) < 0)
		return ctl_fail(CTL_BAD_FILE, "%s", err.text);
	/* Whoever reads the one must be able to read the other. */
	if (stat(r->path, &st) < 0 || chown(r->fresh_path, st.st_uid, st.st_gid) < 0)
		return ctl_fail(CTL_FAILED, "could not give \"%s\" the owner of \"%s\": %s", r->fresh_path, r->path,
		                strerror(errno));
	return CTL_OK;
}

static bool
is_under(struct ag_str sealed, const struct ag_master_key *mk)
{
	return sealed.n > AG_SEAL_OVERHEAD && memcmp(sealed.p + 1, mk->id, sizeof(mk->id)) == 0;
}

static enum ctl_exit
store(struct rekey *r, const char *sql, const char *id, const struct ag_buf *sealed)
{
	const char *values[] = { id, sealed->p };
	int lengths[] = { 0, (int)sealed->n }, formats[] = { 0, 1 };
	PGresult *res = PQexecParams(r->ctl->db, sql, 2, NULL, values, lengths, formats, 0);
	enum ctl_exit status = ctl_db_check(r->ctl->db, res, "store a credential");

	PQclear(res);
	return status;
}

/* "before:%s:after" with the uuid in it. */
static void
put_aad(char *out, size_t cap, const char *form, const char *uuid)
{
	const char *hole = strstr(form, "%s");

	snprintf(out, cap, "%.*s%s%s", (int)(hole - form), form, uuid, hole + 2);
}

/* What is sealed, for what: one row a column. */
static const struct sealed {
	const char *what, *aad, *lock, *select, *update;
} sealed_columns[] = {
	{ "integration", "integration:%s:key", "LOCK TABLE aigate.integration IN EXCLUSIVE MODE",
	  "SELECT id::text, uuid::text, name, sealed_key FROM aigate.integration"
	  " WHERE sealed_key IS NOT NULL ORDER BY id",
	  "UPDATE aigate.integration SET sealed_key = $2::bytea WHERE id = $1::bigint" },
	{ "secret reference", "secret_reference:%s:auth", "LOCK TABLE aigate.secret_reference IN EXCLUSIVE MODE",
	  "SELECT id::text, uuid::text, name, sealed_auth FROM aigate.secret_reference"
	  " WHERE status = 'active' ORDER BY id",
	  "UPDATE aigate.secret_reference SET sealed_auth = $2::bytea WHERE id = $1::bigint" },
};

/* One row: id, uuid, name, what is sealed. */
static enum ctl_exit
seal_anew(struct rekey *r, const struct sealed *what, const PGresult *res, int row)
{
	struct ag_str sealed = ag_str_n(PQgetvalue(res, row, 3), (size_t)PQgetlength(res, row, 3));
	bool is_done = is_under(sealed, &r->fresh);
	enum ctl_exit status = CTL_OK;
	struct ag_buf plain, anew;
	char aad[96];

	put_aad(aad, sizeof(aad), what->aad, PQgetvalue(res, row, 1));
	ag_buf_init(&plain, SEALED_MAX);
	ag_buf_init(&anew, SEALED_MAX);
	if (ag_vault_open(is_done ? &r->fresh : &r->old, ag_str(aad), sealed, &plain) < 0)
		status = ctl_fail(CTL_FAILED, "the credential of %s \"%s\" (%s) opens with neither key; nothing "
		                  "was changed", what->what, PQgetvalue(res, row, 2), PQgetvalue(res, row, 1));
	else if (is_done)
		r->already++;
	else if (ag_vault_seal(&r->fresh, ag_str(aad), ag_buf_str(&plain), &anew) < 0)
		status = ctl_fail(CTL_FAILED, "could not seal a credential; nothing was changed");
	else
		status = store(r, what->update, PQgetvalue(res, row, 0), &anew);
	if (status == CTL_OK && !is_done)
		r->sealed++;
	ag_mem_wipe(plain.p, plain.n);
	ag_buf_fini(&plain);
	ag_buf_fini(&anew);
	return status;
}

static enum ctl_exit
seal_column(struct rekey *r, const struct sealed *what)
{
	enum ctl_exit status = ctl_db_exec(r->ctl->db, what->lock, "lock the credentials");
	PGresult *res = NULL;

	if (status == CTL_OK) {
		res = PQexecParams(r->ctl->db, what->select, 0, NULL, NULL, NULL, NULL, 1);
		status = ctl_db_check(r->ctl->db, res, "read the credentials");
	}
	for (int i = 0; status == CTL_OK && i < PQntuples(res); i++)
		status = seal_anew(r, what, res, i);
	PQclear(res);
	return status;
}

static enum ctl_exit
seal_all(struct rekey *r)
{
	enum ctl_exit status = ctl_db_open(r->ctl);

	if (status == CTL_OK)
		status = ctl_db_exec(r->ctl->db, "BEGIN", "begin");
	for (size_t i = 0; status == CTL_OK && i < AG_ARRAY_LEN(sealed_columns); i++)
		status = seal_column(r, &sealed_columns[i]);
	if (status == CTL_OK)
		status = ctl_db_exec(r->ctl->db, "INSERT INTO aigate.audit_log (actor_kind, action, object_kind)"
		                     " VALUES ('operator', 'rekey', 'integration')", "leave a trace");
	/* A commit cut off may stand or not: the next run sees which. */
	return status == CTL_OK ? ctl_db_exec(r->ctl->db, "COMMIT", "commit; run it again") : status;
}

static enum ctl_exit
put_in_place(struct rekey *r)
{
	char copy[PATH_MAX];
	AG_AUTO(ag_fd) int dir = -1;

	if ((unlink(r->old_path) < 0 && errno != ENOENT) || link(r->path, r->old_path) < 0 ||
	    rename(r->fresh_path, r->path) < 0)
		return ctl_fail(CTL_FAILED, "could not put \"%s\" in place: %s; the credentials are under it already, "
		                "run it again", r->fresh_path, strerror(errno));
	memcpy(copy, r->path, sizeof(copy));
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return ctl_fail(CTL_FAILED, "could not sync the directory of \"%s\": %s", r->path, strerror(errno));
	return CTL_OK;
}

enum ctl_exit
ctl_vault_rekey(struct ctl *ctl, int argc, char **argv)
{
	enum ctl_exit status = ctl_args(ctl, argc, argv, NULL, NULL, 0);
	struct rekey *r = calloc(1, sizeof(*r));
	const struct ag_conf *conf;

	if (!r)
		abort();
	r->ctl = ctl;
	conf = status == CTL_OK ? ctl_conf(ctl) : NULL;
	if (status == CTL_OK && !conf)
		status = CTL_BAD_FILE;
	if (status == CTL_OK)
		status = check_stopped(ctl, conf);
	if (status == CTL_OK)
		status = name_files(r, conf);
	if (status == CTL_OK)
		status = load_keys(r);
	if (status == CTL_OK)
		status = seal_all(r);
	if (status == CTL_OK)
		status = put_in_place(r);
	if (status == CTL_OK) {
		ctl_say("%u credentials sealed anew, %u were already; \"%s\" is the new key", r->sealed, r->already,
		        r->path);
		ctl_say("\"%s\" opens copies of the database made before now: keep it with them, or destroy it",
		        r->old_path);
	}
	ag_mem_wipe(r, sizeof(*r));
	free(r);
	return status;
}
