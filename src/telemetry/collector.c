#include "telemetry/collector.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "conf/conf.h"
#include "http/curl_loop.h"

#define ANSWER_MAX     65536u
#define HEADERS_MAX    16384u /* bytes of the headers file */
#define CONNECT_MS     5000L
#define RETRY_AFTER_US (10 * AG_US_PER_MIN) /* longer is not waited */

struct ag_collector {
	const struct ag_conf *conf; /* borrowed */
	struct ag_curl_loop *loop;  /* owned */
	CURL *curl;                 /* owned: keeps the connection */
	struct curl_slist *headers; /* owned while under way; secrets in it */
	struct ag_buf answer;
	char url[2048];
	bool is_under_way;
	ag_collector_done done;
	void *arg;
};

/* ---- headers ----------------------------------------------------------------------------- */

static void
wipe_headers(struct ag_collector *c)
{
	for (struct curl_slist *h = c->headers; h; h = h->next)
		ag_mem_wipe(h->data, strlen(h->data));
	curl_slist_free_all(c->headers);
	c->headers = NULL;
}

static bool
add_header(struct ag_collector *c, const char *line)
{
	struct curl_slist *more = curl_slist_append(c->headers, line);

	if (more)
		c->headers = more;
	return more != NULL;
}

/* "Name: value", nothing that could become two lines or another request. */
static bool
is_header(const char *line)
{
	const char *p = line;

	while (isalnum((unsigned char)*p) || (*p && strchr("!#$%&'*+-.^_`|~", *p)))
		p++;
	if (p == line || *p++ != ':')
		return false;
	for (; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static int
add_lines(struct ag_collector *c, char *text, const char *path, struct ag_err *err)
{
	char *rest = text, *line;

	for (int number = 1; (line = strsep(&rest, "\n")) != NULL; number++) {
		size_t n = strlen(line);

		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!is_header(line))
			return ag_err_set(err, -EINVAL, "otlp_headers_file \"%.150s\": line %d is no header", path,
			    number);
		if (!add_header(c, line))
			return ag_err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int
read_headers(struct ag_collector *c, const char *path, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char text[HEADERS_MAX];
	struct stat st;
	ssize_t n;
	int rc;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open otlp_headers_file \"%.150s\": %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO))
		return ag_err_set(err, -EPERM, "otlp_headers_file \"%.150s\" is no file, or open to everybody", path);
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return ag_err_set(err, -errno, "could not read otlp_headers_file \"%.150s\": %s", path, strerror(errno));
	if (n == (ssize_t)sizeof(text) || memchr(text, '\0', (size_t)n)) {
		rc = ag_err_set(err, -EINVAL, "otlp_headers_file \"%.150s\" is too long, or no text", path);
	} else {
		text[n] = '\0';
		rc = add_lines(c, text, path, err);
	}
	ag_mem_wipe(text, sizeof(text));
	return rc;
}

/* Anew for each request: whoever rotates the token need not tell. */
static int
make_headers(struct ag_collector *c, struct ag_err *err)
{
	wipe_headers(c);
	if (!add_header(c, "content-type: application/json") || !add_header(c, "expect:"))
		return ag_err_set(err, -ENOMEM, "out of memory");
	return c->conf->otlp_headers_file[0] ? read_headers(c, c->conf->otlp_headers_file, err) : 0;
}

/* ---- an answer --------------------------------------------------------------------------- */

static size_t
collector_on_body(char *p, size_t size, size_t n, void *arg)
{
	struct ag_collector *c = arg;

	if (c->answer.n + size * n <= ANSWER_MAX)
		ag_buf_put(&c->answer, p, size * n);
	return size * n; /* what is too long is not read, but taken */
}

/* Those that OTLP says may be tried again. */
static bool
is_temporary(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

static void
collector_on_done(CURL *curl, CURLcode rc, void *arg)
{
	struct ag_collector *c = arg;
	struct ag_collect_result r = { .what = AG_COLLECT_LATER };
	curl_off_t after_s = 0;
	char why[96];
	long status = 0;

	ag_curl_loop_remove(c->loop, curl);
	wipe_headers(c);
	c->is_under_way = false;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after_s);
	if (rc != CURLE_OK) {
		snprintf(why, sizeof(why), "%s", curl_easy_strerror(rc));
	} else if (status >= 200 && status <= 299) {
		r.what = AG_COLLECTED;
		r.answer = ag_buf_str(&c->answer);
	} else {
		snprintf(why, sizeof(why), "the collector answered %ld", status);
		if (!is_temporary(status))
			r.what = AG_COLLECT_REFUSED;
		else if (after_s > 0)
			r.retry_after_us = after_s < RETRY_AFTER_US / AG_US_PER_SEC ? after_s * AG_US_PER_SEC
			    : RETRY_AFTER_US;
	}
	r.why = why;
	c->done(c->arg, &r);
}

/* ---- a request --------------------------------------------------------------------------- */

struct ag_collector *
ag_collector_new(struct event_base *base, const struct ag_conf *conf, ag_collector_done done, void *arg)
{
	struct ag_collector *c = calloc(1, sizeof(*c));
	struct ag_str base_url = ag_str(conf->otlp_endpoint);

	if (!c)
		return NULL;
	while (base_url.n > 0 && base_url.p[base_url.n - 1] == '/')
		base_url.n--;
	c->conf = conf;
	c->done = done;
	c->arg = arg;
	ag_buf_init(&c->answer, ANSWER_MAX);
	snprintf(c->url, sizeof(c->url), "%.*s/v1/traces", AG_STR_ARG(base_url));
	c->loop = ag_curl_loop_new(base);
	c->curl = c->loop ? curl_easy_init() : NULL;
	if (!c->curl) {
		ag_collector_free(c);
		return NULL;
	}
	return c;
}

void
ag_collector_free(struct ag_collector *c)
{
	if (!c)
		return;
	if (c->is_under_way)
		ag_curl_loop_remove(c->loop, c->curl);
	if (c->curl)
		curl_easy_cleanup(c->curl);
	wipe_headers(c);
	ag_curl_loop_free(c->loop);
	ag_buf_fini(&c->answer);
	free(c);
}

static void
set_options(struct ag_collector *c, struct ag_str body)
{
	CURL *curl = c->curl;

	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, c->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "aigated/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(c->conf->otlp_timeout / AG_US_PER_MS));
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collector_on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	if (c->conf->otlp_ca_file[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, c->conf->otlp_ca_file);
}

int
ag_collector_post(struct ag_collector *c, struct ag_str body, struct ag_err *err)
{
	int rc = make_headers(c, err);

	if (rc == 0) {
		ag_buf_reset(&c->answer);
		set_options(c, body);
		if (ag_curl_loop_add(c->loop, c->curl, collector_on_done, c) < 0)
			rc = ag_err_set(err, -ENOMEM, "libcurl did not take the request");
	}
	if (rc < 0)
		wipe_headers(c);
	c->is_under_way = rc == 0;
	return rc;
}
