#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "conf/directive.h"
#include "conf/lex.h"
#include "conf/listen.h"

#define CONF_FILE_MAX (1u << 20)
#define DIRECTIVES_MAX 128
#define BODY_RING_MIN (UINT64_C(64) << 10)
#define BLOB_UNITS_PER_KEY 4 /* 256 bytes of metadata a key, on average */

/* ---- what no single row can check -------------------------------------------------------- */

static int
mistake(const struct ag_conf *conf, struct ag_err *err, const char *directive, const char *what)
{
	return ag_err_set(err, -EINVAL, "%s: directive \"%s\": %s", conf->path ? conf->path : "defaults",
	    directive, what);
}

static int
check_tls(const struct ag_conf *conf, struct ag_err *err)
{
	for (uint32_t i = 0; i < conf->listen.n; i++) {
		if (!conf->listen.is_tls[i])
			continue;
		if (!conf->tls_certificate[0])
			return mistake(conf, err, "tls_certificate", "is missing, but a listener speaks tls");
		if (!conf->tls_certificate_key[0])
			return mistake(conf, err, "tls_certificate_key", "is missing, but a listener speaks tls");
	}
	return 0;
}

static int
check_shm_name(const struct ag_conf *conf, struct ag_err *err)
{
	const char *name = conf->shm_name;
	size_t n;

	assert(name); /* each directive has a default */
	n = strlen(name);
	if (n < 2 || n > 200 || name[0] != '/' || strchr(name + 1, '/') || strcmp(name, "/.") == 0 ||
	    strcmp(name, "/..") == 0)
		return mistake(conf, err, "shm_name",
		    "is not a slash followed by 1 to 199 characters without another slash");
	return 0;
}

static int
check_alerts(const struct ag_conf *conf, struct ag_err *err)
{
	struct ag_str url = ag_str(conf->alert_webhook);

	if (url.n == 0)
		return 0;
	if (!ag_str_starts(url, AG_STR("https://")) && !ag_str_starts(url, AG_STR("http://")))
		return mistake(conf, err, "alert_webhook", "is no URL that begins with https:// or http://");
	if (!conf->alert_secret_file[0])
		return mistake(conf, err, "alert_secret_file", "is missing, but alerts go to alert_webhook");
	return 0;
}

static int
check_metrics(const struct ag_conf *conf, struct ag_err *err)
{
	struct sockaddr_storage sa;
	struct ag_err why;
	socklen_t len;

	if (conf->metrics_listen[0] && ag_listen_parse(conf->metrics_listen, &sa, &len, &why) < 0)
		return mistake(conf, err, "metrics_listen", why.text);
	return 0;
}

static int
check_otlp(const struct ag_conf *conf, struct ag_err *err)
{
	struct ag_str url = ag_str(conf->otlp_endpoint);

	if (url.n == 0)
		return 0;
	if (!ag_str_starts(url, AG_STR("https://")) && !ag_str_starts(url, AG_STR("http://")))
		return mistake(conf, err, "otlp_endpoint", "is no URL that begins with https:// or http://");
	if (url.n > 1000 || strpbrk(url.p, "?#@"))
		return mistake(conf, err, "otlp_endpoint",
		    "is too long, or holds a query or a password; secrets stand in otlp_headers_file");
	return 0;
}

static int
check_whole(const struct ag_conf *conf, struct ag_err *err)
{
	int rc = check_shm_name(conf, err);

	if (rc == 0)
		rc = check_tls(conf, err);
	if (rc == 0)
		rc = check_alerts(conf, err);
	if (rc == 0)
		rc = check_metrics(conf, err);
	if (rc == 0)
		rc = check_otlp(conf, err);
	if (rc == 0 && conf->path && !conf->database[0])
		rc = mistake(conf, err, "database", "is missing; it has no default");
	return rc;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct reading {
	struct ag_conf *conf;
	unsigned given_line[DIRECTIVES_MAX]; /* 0: not yet */
	unsigned line;
	struct ag_lex lex;
};

static int
take_line(struct reading *r, struct ag_str line, struct ag_err *err)
{
	const struct ag_directive *d;
	struct ag_err why;
	size_t ix;

	if (ag_lex_line(&r->lex, line, &why) < 0)
		return ag_err_set(err, -EINVAL, "%s:%u: %s", r->conf->path, r->line, why.text);
	if (r->lex.n == 0)
		return 0;
	d = ag_directive_find(r->lex.word[0]);
	if (!d)
		return ag_err_set(err, -EINVAL, "%s:%u: unknown directive \"%.*s\"", r->conf->path, r->line,
		    r->lex.word[0].n > 64 ? 64 : (int)r->lex.word[0].n, r->lex.word[0].p);
	ix = (size_t)(d - ag_directives);
	if (r->given_line[ix] && d->type != AG_DT_LISTEN)
		return ag_err_set(err, -EINVAL, "%s:%u: directive \"%s\": given a second time, first in line %u",
		    r->conf->path, r->line, d->name, r->given_line[ix]);
	if (!r->given_line[ix] && d->type == AG_DT_LISTEN)
		ag_directive_fini(d, r->conf); /* the first one replaces the default */
	r->given_line[ix] = r->line;
	if (ag_directive_set(d, r->conf, r->lex.word + 1, r->lex.n - 1, &why) < 0)
		return ag_err_set(err, -EINVAL, "%s:%u: directive \"%s\": %s", r->conf->path, r->line, d->name,
		    why.text);
	return 0;
}

static int
read_text(struct ag_conf *conf, struct ag_str text, struct ag_err *err)
{
	struct reading *r = calloc(1, sizeof(*r));
	int rc = 0;

	assert(ag_directive_count <= DIRECTIVES_MAX);
	if (!r)
		return ag_err_set(err, -ENOMEM, "out of memory");
	r->conf = conf;
	while (rc == 0 && text.n > 0) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		r->line++;
		rc = take_line(r, ag_str_n(text.p, n), err);
		text = ag_str_skip(text, end ? n + 1 : n);
	}
	ag_mem_wipe(r, sizeof(*r)); /* the connection string was in it */
	free(r);
	return rc;
}

static int
read_file(struct ag_conf *conf, const char *path, struct ag_err *err)
{
	struct ag_buf text;
	int rc;

	/* Absolute, so that a daemon that moved to / finds it again at HUP. */
	conf->path = realpath(path, NULL);
	if (!conf->path)
		return ag_err_set(err, -errno, "could not open configuration file \"%s\": %s", path,
		    strerror(errno));
	ag_buf_init(&text, CONF_FILE_MAX);
	rc = ag_file_slurp(conf->path, &text, err);
	if (rc == 0)
		rc = read_text(conf, ag_buf_str(&text), err);
	ag_buf_wipe(&text);
	return rc;
}

/* ---- the object -------------------------------------------------------------------------- */

/* One a core of those this process may use. */
static uint32_t
cores(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < 1 ? 1 : (uint32_t)n > AG_WORKERS_MAX ? AG_WORKERS_MAX : (uint32_t)n;
}

static struct ag_conf *
load_unchecked(const char *path, struct ag_err *err)
{
	struct ag_conf *conf = calloc(1, sizeof(*conf));

	if (!conf) {
		ag_err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < ag_directive_count; i++) {
		int rc = ag_directive_reset(&ag_directives[i], conf);

		if (rc == -ENOMEM || (rc < 0 && ag_directives[i].type == AG_DT_LISTEN)) {
			ag_conf_free(conf);
			ag_err_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
		assert(rc == 0); /* a default outside its own range */
	}
	if (path && read_file(conf, path, err) < 0) {
		ag_conf_free(conf);
		return NULL;
	}
	if (conf->workers == 0)
		conf->workers = cores();
	return conf;
}

struct ag_conf *
ag_conf_load(const char *path, struct ag_err *err)
{
	struct ag_conf *conf = load_unchecked(path, err);

	if (conf && check_whole(conf, err) < 0) {
		ag_conf_free(conf);
		return NULL;
	}
	return conf;
}

void
ag_conf_free(struct ag_conf *conf)
{
	if (!conf)
		return;
	for (size_t i = 0; i < ag_directive_count; i++)
		ag_directive_fini(&ag_directives[i], conf);
	free(conf->path);
	free(conf);
}

/* ---- reload ------------------------------------------------------------------------------ */

/* Exchanges what a reload must not change: rows that need a restart, and rows that did not change
 * (whoever borrowed such a string may keep it).  Done twice it undoes itself when `keep` is kept. */
static void
swap_kept(struct ag_conf *conf, struct ag_conf *fresh, const uint8_t *keep)
{
	char *path = conf->path;

	for (size_t i = 0; i < ag_directive_count; i++)
		if (keep[i])
			ag_directive_swap(&ag_directives[i], conf, fresh);
	conf->path = fresh->path;
	fresh->path = path;
}

static void
tell_restart(const struct ag_conf *conf, const struct ag_conf *fresh)
{
	for (size_t i = 0; i < ag_directive_count; i++) {
		const struct ag_directive *d = &ag_directives[i];

		if (d->reload == AG_RELOAD_RESTART && !ag_directive_eq(d, conf, fresh))
			ag_warn("directive \"%s\" changed but takes effect only at a restart, "
			    "keeping the old value", d->name);
	}
}

int
ag_conf_reload(struct ag_conf *conf, struct ag_err *err)
{
	uint8_t keep[DIRECTIVES_MAX] = { 0 };
	struct ag_conf *fresh, tmp;
	int rc;

	if (!conf->path)
		return ag_err_set(err, -EINVAL, "the configuration did not come from a file");
	fresh = ag_conf_load(conf->path, err);
	if (!fresh)
		return -EINVAL;
	tell_restart(conf, fresh);
	for (size_t i = 0; i < ag_directive_count; i++)
		keep[i] = ag_directives[i].reload == AG_RELOAD_RESTART ||
		    ag_directive_eq(&ag_directives[i], conf, fresh);
	swap_kept(conf, fresh, keep);
	rc = check_whole(fresh, err); /* old rows and new rows must agree as well */
	if (rc < 0) {
		swap_kept(conf, fresh, keep);
	} else {
		tmp = *conf;
		*conf = *fresh;
		*fresh = tmp;
	}
	ag_conf_free(fresh);
	return rc;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static uint64_t
round_up_pow2(uint64_t v)
{
	uint64_t p = 1;

	while (p < v)
		p <<= 1; /* rows are bounded far below 2^63 */
	return p;
}

void
ag_conf_shm_sizes(const struct ag_conf *conf, struct ag_shm_sizes *out)
{
	enum {
		N_COUNTERS = 0
#define X(name, kind, level, brief, text) +1
#include "aigated/tbl/counters.h"
#undef X
#define H(name, brief, text) +AG_HIST_CELLS
#include "aigated/tbl/histograms.h"
#undef H
	};

	*out = (struct ag_shm_sizes){
		.workers = conf->workers,
		.inflight = conf->max_inflight,
		.keys = (uint32_t)round_up_pow2(2 * (uint64_t)conf->max_keys),
		.meters = (uint32_t)round_up_pow2(conf->max_meters),
		.blob_units = conf->max_keys * BLOB_UNITS_PER_KEY,
		.counters = N_COUNTERS,
		.objects = (uint32_t)round_up_pow2(conf->max_objects),
		.ring_bytes = round_up_pow2(conf->ring_size),
		.body_ring_bytes = conf->body_ring == 0 ? 0
		    : round_up_pow2(conf->body_ring < BODY_RING_MIN ? BODY_RING_MIN : conf->body_ring),
		.catalog_bytes = (conf->catalog_size + 63) / 64 * 64,
	};
}
