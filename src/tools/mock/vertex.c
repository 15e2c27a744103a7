/* vertex.c - Google Cloud: the publishers' paths, and token endpoints of those who hand out tokens. */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/num.h"
#include "tools/mock/anthropic.h"
#include "tools/mock/google.h"

/* /v1/projects/P/locations/L/publishers/NAME/models/M:verb, perhaps below a prefix. */
static bool
is_publisher(struct ag_str path, struct ag_str publisher)
{
	static const char *const in_order[] = {"/projects/", "/locations/", "/publishers/"};
	struct ag_str at = path;

	for (size_t i = 0; i < AG_ARRAY_LEN(in_order); i++) {
		const char *found = memmem(at.p, at.n, in_order[i], strlen(in_order[i]));

		if (!found)
			return false;
		at = ag_str_skip(at, (size_t)(found - at.p) + strlen(in_order[i]));
	}
	return ag_str_starts(at, publisher);
}

static int
vertex_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	     struct ag_str *out_id)
{
	return is_publisher(path, AG_STR("google/models/"))
		       ? mock_google_route(method, path, out, out_id)
		       : 404;
}

const struct mock_format mock_format_vertex = {
	.name = "vertex",
	.route = vertex_route,
	.key = mock_key_bearer,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = mock_vertex_read,
	.render = mock_google_render,
	.refuse = mock_google_refuse,
	.id = mock_google_id,
};

/* ---- Claude ---- */

static int
claude_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	     struct ag_str *out_id)
{
	static const struct ag_str mark = AG_STR("anthropic/models/");
	const char *at = memmem(path.p, path.n, mark.p, mark.n);
	struct ag_str id = at ? ag_str_skip(path, (size_t)(at - path.p) + mark.n) : AG_STR_NONE;
	const char *colon = id.n > 0 ? memchr(id.p, ':', id.n) : NULL;
	struct ag_str verb = colon ? ag_str_skip(id, (size_t)(colon - id.p) + 1) : AG_STR_NONE;
	bool is_count;

	if (!is_publisher(path, mark) || (!ag_str_eq(verb, AG_STR("rawPredict")) &&
					  !ag_str_eq(verb, AG_STR("streamRawPredict"))))
		return 404;
	*out_id = ag_str_n(id.p, (size_t)(colon - id.p));
	is_count = ag_str_eq(*out_id, AG_STR("count-tokens"));
	*out = is_count ? MOCK_EP_COUNT_TOKENS : MOCK_EP_CHAT;
	return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
}

static int
claude_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
	    struct mock_fault *fault)
{
	int rc = mock_anthropic_read_as(MOCK_CLAUDE_VERTEX, job, ep, out, fault);
	bool streams = memmem(job->path.p, job->path.n, ":streamRaw", 10) != NULL;

	if (rc == 0 && out->stream && !streams) {
		mock_facts_fini(out);
		snprintf(fault->message, sizeof(fault->message),
			 "stream: rawPredict does not stream");
		return -EINVAL;
	}
	if (rc == 0)
		out->stream = streams;
	return rc;
}

const struct mock_format mock_format_vertex_claude = {
	.name = "vertex-claude",
	.route = claude_route,
	.key = mock_key_bearer,
	.key_headers = 1u << MOCK_H_AUTHORIZATION,
	.read = claude_read,
	.render = mock_anthropic_render,
	.refuse = mock_anthropic_refuse,
	.id = mock_anthropic_id,
};

/* ---- tokens ---- */

#define FORM_MAX (64u * 1024u)

static int
oauth_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	    struct ag_str *out_id)
{
	(void)path;
	*out_id = AG_STR_NONE;
	*out = MOCK_EP_TOKEN;
	return ag_str_eq(method, AG_STR("POST")) ? 0 : 405;
}

/* A field of a form, decoded; false when it is not there. */
static bool
form_field(struct ag_str form, const char *name, struct ag_buf *out)
{
	ag_buf_reset(out);
	while (form.n > 0) {
		const char *amp = memchr(form.p, '&', form.n);
		struct ag_str pair = ag_str_n(form.p, amp ? (size_t)(amp - form.p) : form.n);
		size_t n = strlen(name);

		form = ag_str_skip(form, pair.n + 1);
		if (pair.n <= n || pair.p[n] != '=' || memcmp(pair.p, name, n) != 0)
			continue;
		for (size_t i = n + 1; i < pair.n; i++) {
			bool is_coded = pair.p[i] == '%' && i + 2 < pair.n;
			int hi = is_coded ? ag_hex_value(pair.p[i + 1]) : -1;
			int lo = is_coded ? ag_hex_value(pair.p[i + 2]) : -1;
			char c = pair.p[i] == '+' ? ' ' : pair.p[i];

			if (hi >= 0 && lo >= 0) {
				c = (char)(hi * 16 + lo);
				i += 2;
			}
			ag_buf_putc(out, c);
		}
		return true;
	}
	return false;
}

/* Base64url without padding into JSON. */
static json_object *
jwt_part(struct ag_str part)
{
	struct ag_buf b;
	json_object *o;

	ag_buf_init(&b, FORM_MAX);
	mock_decode_base64(part, &b);
	o = mock_json_parse(ag_buf_str(&b));
	ag_buf_fini(&b);
	return o;
}

/* What is wrong with an assertion; NULL: its form is well.  The signature is not looked into. */
static const char *
jwt_flaw(struct ag_str jwt, int64_t now)
{
	const char *first = memchr(jwt.p, '.', jwt.n),
		   *last = jwt.n > 0 ? memrchr(jwt.p, '.', jwt.n) : NULL;
	struct json_object *head, *claims;
	const char *flaw = NULL;

	if (!first || first == last || memchr(jwt.p, '=', jwt.n) || last + 1 == jwt.p + jwt.n)
		return "Invalid JWT: it is not three parts of base64url";
	head = jwt_part(ag_str_n(jwt.p, (size_t)(first - jwt.p)));
	claims = jwt_part(ag_str_n(first + 1, (size_t)(last - first) - 1));
	if (!mock_is(head, "alg", "RS256") || !mock_is(head, "typ", "JWT"))
		flaw = "Invalid JWT: header";
	else if (!mock_get_str(claims, "iss").n || !mock_get_str(claims, "scope").n ||
		 !mock_get_str(claims, "aud").n)
		flaw = "Invalid JWT: iss, scope and aud are required";
	else if (mock_get_int(claims, "iat", 0) > now + 60 ||
		 mock_get_int(claims, "exp", 0) <= now ||
		 mock_get_int(claims, "exp", 0) > mock_get_int(claims, "iat", 0) + 3600)
		flaw = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.";
	json_object_put(head);
	json_object_put(claims);
	return flaw;
}

static const char *
token_flaw(struct ag_str form, int64_t now, struct ag_buf *b)
{
	static const char *const client[] = {"client_id", "client_secret", "scope"};

	if (!form_field(form, "grant_type", b))
		return "grant_type is missing";
	if (ag_str_eq(ag_buf_str(b), AG_STR("urn:ietf:params:oauth:grant-type:jwt-bearer")))
		return form_field(form, "assertion", b) ? jwt_flaw(ag_buf_str(b), now)
							: "assertion is missing";
	if (!ag_str_eq(ag_buf_str(b), AG_STR("client_credentials")))
		return "grant_type is not known";
	for (size_t i = 0; i < AG_ARRAY_LEN(client); i++)
		if (!form_field(form, client[i], b) || b->n == 0)
			return "client_id, client_secret and scope are required";
	return NULL;
}

static int
oauth_read(const struct mock_job *job, enum mock_endpoint ep, struct mock_facts *out,
	   struct mock_fault *fault)
{
	struct ag_str type = mock_span_str(job->req->header[MOCK_H_CONTENT_TYPE], job->in);
	const char *flaw = "content-type is not application/x-www-form-urlencoded";
	struct ag_buf b;

	ag_buf_init(&b, FORM_MAX);
	if (ag_str_starts(type, AG_STR("application/x-www-form-urlencoded")))
		flaw = token_flaw(job->body, job->wall_us / 1000000, &b);
	ag_buf_fini(&b);
	*out = (struct mock_facts){
		.endpoint = ep, .max_tokens = -1, .n = 1, .body_bytes = job->body.n};
	if (flaw)
		snprintf(fault->message, sizeof(fault->message), "%s", flaw);
	return flaw ? -EINVAL : 0;
}

static void
oauth_refuse(const struct mock_job *job, const struct mock_error *e, struct mock_answer *a)
{
	struct ag_buf b;

	ag_buf_init(&b, FORM_MAX);
	ag_buf_puts(&b, e->status < 500 ? "{\"error\":\"invalid_grant\",\"error_description\":"
					: "{\"error\":\"internal_failure\",\"error_description\":");
	mock_put_text(&b, e->message.n > 0 ? e->message : AG_STR("scripted"));
	ag_buf_putc(&b, '}');
	mock_put_whole(job, a, e->status, NULL, AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

static void
oauth_render(const struct mock_job *job, struct mock_answer *a)
{
	struct mock_error e = {.status = (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200),
			       .retry_after = -1};
	struct ag_buf b;

	if (e.status >= 300) {
		oauth_refuse(job, &e, a);
		return;
	}
	ag_buf_init(&b, FORM_MAX);
	ag_buf_printf(&b,
		      "{\"access_token\":\"%s%llu\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
		      "ya29.mock-", (unsigned long long)job->serial);
	mock_put_whole(job, a, 200, NULL, AG_STR_NONE, &b);
	ag_buf_fini(&b);
}

const struct mock_format mock_format_oauth = {
	.name = "oauth",
	.route = oauth_route,
	.read = oauth_read,
	.render = oauth_render,
	.refuse = oauth_refuse,
	.id = mock_google_id,
};
