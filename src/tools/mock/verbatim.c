/* verbatim.c - answers that a script gives whole, and paths that are nobody's. */
#include <stdio.h>

#include "tools/mock/anthropic.h"

#define EVENT_MAX (40u * 1024u * 1024u)

void
mock_put_base64(struct ag_buf *out, const unsigned char *p, size_t n)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): n bytes are set */
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
			     (left > 2 ? (uint32_t)p[i + 2] : 0);

		ag_buf_putc(out, set[v >> 18]);
		ag_buf_putc(out, set[(v >> 12) & 63]);
		ag_buf_putc(out, left > 1 ? set[(v >> 6) & 63] : '=');
		ag_buf_putc(out, left > 2 ? set[v & 63] : '=');
	}
}

static int
sextet(char c)
{
	static const char table[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at;

	c = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
	at = c ? strchr(table, c) : NULL;

	return at ? (int)(at - table) : -1;
}

void
mock_decode_base64(struct ag_str text, struct ag_buf *out)
{
	unsigned bits = 0, n = 0;

	for (size_t i = 0; i < text.n; i++) {
		int v = sextet(text.p[i]);

		if (v < 0)
			continue;
		bits = bits << 6 | (unsigned)v;
		n += 6;
		if (n >= 8) {
			n -= 8;
			ag_buf_putc(out, (char)(bits >> n & 255));
		}
	}
}

static void
read_body_file(struct ag_str name, struct ag_buf *out)
{
	char path[4097];
	struct ag_buf raw;
	FILE *f;
	size_t got;

	ag_str_copy(name, path, sizeof(path));
	f = fopen(path, "r");
	if (!f) {
		out->failed = true;
		return;
	}
	ag_buf_init(&raw, EVENT_MAX);
	do {
		char *at = ag_buf_reserve(&raw, 65536);

		got = at ? fread(at, 1, 65536, f) : 0;
		ag_buf_commit(&raw, got);
	} while (got > 0);
	fclose(f);
	if (name.n > 4 && ag_str_eq(ag_str_skip(name, name.n - 4), AG_STR(".b64")))
		mock_decode_base64(ag_buf_str(&raw), out);
	else
		ag_buf_put_str(out, ag_buf_str(&raw));
	ag_buf_fini(&raw);
}

/* Where the first event ends, behind its empty line. */
static size_t
event_end(struct ag_str body)
{
	const char *lf = memmem(body.p, body.n, "\n\n", 2),
		   *crlf = memmem(body.p, body.n, "\r\n\r\n", 4);

	if (crlf && (!lf || crlf < lf))
		return (size_t)(crlf - body.p) + 4;
	return lf ? (size_t)(lf - body.p) + 2 : body.n;
}

/* "name: value" lines of the script. */
static void
put_scripted_headers(struct ag_str lines, struct ag_buf *out)
{
	while (lines.n > 0) {
		const char *lf = memchr(lines.p, '\n', lines.n);
		struct ag_str one = ag_str_n(lines.p, lf ? (size_t)(lf - lines.p) : lines.n);

		ag_buf_put_str(out, one);
		ag_buf_puts(out, "\r\n");
		lines = ag_str_skip(lines, one.n + 1);
	}
}

/* A stream goes event by event. */
void
mock_openai_verbatim(const struct mock_job *job, struct mock_answer *a)
{
	const struct mock_do *d = job->what;
	struct ag_str body = mock_do_text(d, MOCK_KEY_BODY, AG_STR_NONE);
	struct ag_str type = mock_do_text(d, MOCK_KEY_CONTENT_TYPE, AG_STR("application/json"));
	char content_type[260];
	struct ag_buf headers, file;
	int32_t chunks = 0;

	ag_buf_init(&file, EVENT_MAX);
	if (mock_do_has(d, MOCK_KEY_BODY_FILE)) {
		read_body_file(mock_do_text(d, MOCK_KEY_BODY_FILE, AG_STR_NONE), &file);
		a->failed |= file.failed;
		body = ag_buf_str(&file);
	}
	ag_str_copy(type, content_type, sizeof(content_type));
	a->prompt_tokens = mock_do_num(d, MOCK_KEY_PROMPT_TOKENS, 0);
	a->completion_tokens = mock_do_num(d, MOCK_KEY_TOKENS, 0);
	a->is_stream = ag_str_starts(type, AG_STR("text/event-stream"));
	a->framing = mock_framing_of(job, a->is_stream);
	a->closes = job->closes;
	ag_buf_init(&headers, 8192);
	mock_openai_headers(job, &headers);
	put_scripted_headers(mock_do_text(d, MOCK_KEY_HEADERS, AG_STR_NONE), &headers);
	mock_answer_head(a, (int)mock_do_num(d, MOCK_KEY_STATUS, 200), content_type,
			 ag_buf_str(&headers), body.n);
	ag_buf_fini(&headers);
	while (body.n > 0) {
		struct ag_str part = ag_str_n(body.p, a->is_stream ? event_end(body) : body.n);

		mock_answer_put(a, part, ++chunks, a->is_stream);
		body = ag_str_skip(body, part.n);
	}
	mock_answer_end(a);
	ag_buf_fini(&file);
}

bool
mock_put_scripted(const struct mock_job *job,
		  void (*refuse)(const struct mock_job *job, const struct mock_error *e,
				 struct mock_answer *a),
		  struct mock_answer *a)
{
	struct mock_error e = {.status = (int)mock_do_num(job->what, MOCK_KEY_STATUS, 200),
			       .retry_after = mock_do_num(job->what, MOCK_KEY_RETRY_AFTER, -1)};

	if (mock_do_has(job->what, MOCK_KEY_BODY) || mock_do_has(job->what, MOCK_KEY_BODY_FILE))
		mock_openai_verbatim(job, a);
	else if (e.status >= 300)
		refuse(job, &e, a);
	else
		return false;
	return true;
}

/* ---- any path: what the script says, whole ---- */

static int
scripted_route(struct ag_str method, struct ag_str path, enum mock_endpoint *out,
	       struct ag_str *out_id)
{
	(void)method;
	(void)path;
	*out_id = AG_STR_NONE;
	*out = MOCK_EP_MODEL;
	return 0;
}

static void
scripted_render(const struct mock_job *job, struct mock_answer *a)
{
	mock_openai_verbatim(job, a);
}

const struct mock_format mock_format_scripted = {
	.name = "scripted",
	.route = scripted_route,
	.key = mock_key_any,
	.key_headers = ~0u,
	.render = scripted_render,
	.refuse = mock_anthropic_refuse,
	.id = mock_anthropic_id,
};
