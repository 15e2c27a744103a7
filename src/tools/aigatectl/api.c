/* api.c - calls of the admin API over the operators' socket. */
#include <curl/curl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conf/conf.h"
#include "tools/aigatectl/ctl.h"

#define ANSWER_MAX  (64u << 20)
#define JSON_DEPTH  32
#define TIMEOUT_S   60L
#define RELOAD_TRIES 500 /* of 20 ms */

void
ctl_put_segment(struct ag_buf *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (; *text; text++) {
		if (strchr(plain, *text))
			ag_buf_putc(b, *text);
		else
			ag_buf_printf(b, "%%%02X", (unsigned)(unsigned char)*text);
	}
}

const char *
ctl_path(const char *before, const char *segment, const char *after)
{
	static char path[2048];
	struct ag_buf b;

	ag_buf_init(&b, sizeof(path) - 1);
	ag_buf_puts(&b, before);
	ctl_put_segment(&b, segment);
	ag_buf_puts(&b, after);
	/* Too long to be anybody's name: the server will say that it knows none of it. */
	ag_str_copy(b.failed ? AG_STR("/") : ag_buf_str(&b), path, sizeof(path));
	ag_buf_fini(&b);
	return path;
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct ag_buf *b = arg;

	ag_buf_put(b, p, size * n);
	return b->failed ? 0 : size * n;
}

enum ctl_exit
ctl_socket_path(struct ctl *ctl, char *out, size_t cap)
{
	const struct ag_conf *conf;
	int n;

	if (ctl->socket) {
		n = snprintf(out, cap, "%s", ctl->socket);
	} else {
		conf = ctl_conf(ctl);
		if (!conf)
			return CTL_BAD_FILE;
		n = snprintf(out, cap, "%s/operator.sock", conf->run_dir);
	}
	if (n < 0 || (size_t)n >= cap)
		return ctl_fail(CTL_BAD_FILE, "the path of the operators' socket is too long");
	return CTL_OK;
}

static struct curl_slist *
headers_of(const struct ctl *ctl)
{
	struct curl_slist *list = curl_slist_append(NULL, "content-type: application/json");
	char line[512];

	list = curl_slist_append(list, "expect:");
	if (ctl->organisation) {
		snprintf(line, sizeof(line), "x-aigate-organisation: %s", ctl->organisation);
		list = curl_slist_append(list, line);
	}
	return list;
}

/* Conditions of a call, and the version its answer is of. */
struct condition {
	const char *if_match;
	char etag[CTL_ETAG_MAX];
};

static size_t
on_header(char *p, size_t size, size_t n, void *arg)
{
	struct condition *cond = arg;
	struct ag_str line = ag_str_n(p, size * n);

	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == '\n'))
		line.n--;
	if (line.n > 5 && strncasecmp(line.p, "etag:", 5) == 0)
		ag_str_copy(ag_str_trim(ag_str_skip(line, 5)), cond->etag, sizeof(cond->etag));
	return size * n;
}

static void
set_condition(CURL *curl, struct curl_slist **headers, struct condition *cond)
{
	char line[CTL_ETAG_MAX + 16];

	if (!cond)
		return;
	if (cond->if_match && cond->if_match[0]) {
		snprintf(line, sizeof(line), "if-match: %s", cond->if_match);
		*headers = curl_slist_append(*headers, line);
	}
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, cond);
}

static enum ctl_exit
perform(struct ctl *ctl, const char *method, const char *path, struct json_object *body,
        bool must_run, struct condition *cond, struct ag_buf *answer, long *out_status)
{
	enum ctl_exit result = CTL_OK;
	struct curl_slist *headers;
	char url[2304], where[108];
	CURLcode rc;
	CURL *curl;

	result = ctl_socket_path(ctl, where, sizeof(where));
	if (result != CTL_OK)
		return result;
	curl = curl_easy_init();
	headers = headers_of(ctl);
	if (!curl || !headers)
		abort();
	snprintf(url, sizeof(url), "http://localhost%s", path);
	set_condition(curl, &headers, cond);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, where);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json_object_to_json_string(body));
	rc = curl_easy_perform(curl);
	if (rc != CURLE_OK && !must_run && rc == CURLE_COULDNT_CONNECT)
		result = CTL_UNREACHABLE;
	else if (rc != CURLE_OK)
		result = ctl_fail(CTL_UNREACHABLE,
		                  "could not reach the daemon at %s: %s; is aigated running?", where,
		                  rc == CURLE_COULDNT_CONNECT ? "nobody listens, or no permission"
		                                              : curl_easy_strerror(rc));
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return result;
}

static struct json_object *
parse(const struct ag_buf *b)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *o = NULL;

	if (!tok)
		abort();
	if (b->n > 0 && b->n <= INT32_MAX) {
		o = json_tokener_parse_ex(tok, b->p, (int)b->n);
		if (json_tokener_get_error(tok) != json_tokener_success) {
			json_object_put(o);
			o = NULL;
		}
	}
	json_tokener_free(tok);
	return o;
}

static const char *
error_text(struct json_object *o)
{
	static const char *const places[] = { "error.message", "data.message", "message" };

	for (size_t i = 0; i < AG_ARRAY_LEN(places); i++) {
		const char *text = ctl_json_text(o, places[i]);

		if (text[0])
			return text;
	}
	return "no reason given";
}

static enum ctl_exit
call(struct ctl *ctl, const char *method, const char *path, struct json_object *body,
     bool must_run, struct condition *cond, struct json_object **out_answer)
{
	enum ctl_exit result;
	struct json_object *o;
	struct ag_buf answer;
	long status = 0;

	ag_buf_init(&answer, ANSWER_MAX);
	result = perform(ctl, method, path, body, must_run, cond, &answer, &status);
	if (result != CTL_OK) {
		ag_buf_wipe(&answer);
		return result;
	}
	o = parse(&answer);
	if (status < 200 || status > 299)
		result = ctl_fail(status == 503 ? CTL_UNREACHABLE : CTL_FAILED, "%s (status %ld)",
		                  error_text(o), status);
	else if (!o)
		result = ctl_fail(CTL_FAILED, "the daemon's answer to %s %s is no JSON", method, path);
	ag_buf_wipe(&answer);
	if (result == CTL_OK && out_answer)
		*out_answer = o;
	else
		json_object_put(o);
	return result;
}

enum ctl_exit
ctl_api(struct ctl *ctl, const char *method, const char *path, struct json_object *body,
        struct json_object **out_answer)
{
	return call(ctl, method, path, body, true, NULL, out_answer);
}

enum ctl_exit
ctl_api_if(struct ctl *ctl, const char *method, const char *path, struct json_object *body,
           const char *if_match, char out_etag[CTL_ETAG_MAX], struct json_object **out_answer)
{
	struct condition cond = { .if_match = if_match };
	enum ctl_exit status = call(ctl, method, path, body, true, &cond, out_answer);

	if (status == CTL_OK && out_etag)
		memcpy(out_etag, cond.etag, sizeof(cond.etag));
	return status;
}

/* The call only asks for it: a new time of loading tells that it is done. */
static bool
was_loaded(struct ctl *ctl, const char *before)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	for (int tries = 0; tries < RELOAD_TRIES; tries++) {
		struct json_object *now = NULL;
		bool is_new = call(ctl, "GET", "/v1/operator/status", NULL, false, NULL, &now) == CTL_OK &&
		              json_object_get_boolean(ctl_json_at(now, "is_loaded")) &&
		              strcmp(ctl_json_text(now, "loaded_at"), before) != 0;

		json_object_put(now);
		if (is_new)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

void
ctl_reload(struct ctl *ctl)
{
	struct json_object *before = NULL;

	/* With --database alone there may be no daemon, and no configuration to find it by. */
	if (!ctl->socket && !ctl->conf && (ctl->database || access(ctl->conf_path, R_OK) < 0))
		return;
	if (call(ctl, "GET", "/v1/operator/status", NULL, false, NULL, &before) != CTL_OK)
		return;
	if (call(ctl, "POST", "/v1/operator/reload", NULL, false, NULL, NULL) != CTL_OK ||
	    !was_loaded(ctl, ctl_json_text(before, "loaded_at")))
		ctl_say("the daemon did not take it over yet; it will as soon as it can");
	json_object_put(before);
}
