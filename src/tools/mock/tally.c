#include "tools/mock/tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"

#define LAST_MAX (16u * 1024u * 1024u)

int
mock_tally_init(struct mock_tally *t, bool has_log)
{
	*t = (struct mock_tally){0};
	ag_buf_init(&t->last_head, LAST_MAX);
	ag_buf_init(&t->last_body, LAST_MAX);
	/* Pages of the ring cost nothing until they are written. */
	t->log = has_log ? calloc(MOCK_LOG_MAX, sizeof(*t->log)) : NULL;
	t->model = calloc(MOCK_MODELS_MAX, sizeof(*t->model));
	return t->model && (t->log || !has_log) ? 0 : -ENOMEM;
}

void
mock_tally_fini(struct mock_tally *t)
{
	free(t->log);
	free(t->model);
	ag_buf_fini(&t->last_head);
	ag_buf_fini(&t->last_body);
}

void
mock_tally_reset(struct mock_tally *t)
{
#define X(field) t->field = 0;
	MOCK_COUNTERS(X)
#undef X
	t->max_inflight = t->inflight;
	t->last_violation[0] = 0;
	t->log_n = 0;
	t->epoch++;
	memset(t->model, 0, MOCK_MODELS_MAX * sizeof(*t->model));
	ag_buf_reset(&t->last_head);
	ag_buf_reset(&t->last_body);
}

void
mock_tally_violation(struct mock_tally *t, const char *why)
{
	t->strict_violations++;
	ag_str_copy(ag_str(why), t->last_violation, sizeof(t->last_violation));
}

void
mock_tally_inflight(struct mock_tally *t, int by)
{
	t->inflight += (uint64_t)(int64_t)by;
	if (t->inflight > t->max_inflight)
		t->max_inflight = t->inflight;
}

void
mock_tally_model(struct mock_tally *t, struct ag_str model)
{
	struct ag_str name = ag_str_n(model.p, model.n < 95 ? model.n : 95);
	uint64_t at = ag_fnv1a(name);

	if (name.n == 0)
		return;
	for (unsigned i = 0; i < MOCK_MODELS_MAX; i++, at++) {
		struct mock_model_count *m = &t->model[at % MOCK_MODELS_MAX];

		if (m->name[0] == 0)
			ag_str_copy(name, m->name, sizeof(m->name));
		else if (!ag_str_eq(ag_str(m->name), name))
			continue;
		m->n++;
		return;
	}
}

void
mock_tally_last(struct mock_tally *t, struct ag_str head, struct ag_str body)
{
	ag_buf_reset(&t->last_head);
	ag_buf_reset(&t->last_body);
	ag_buf_put_str(&t->last_head, head);
	ag_buf_put_str(&t->last_body, ag_str_n(body.p, body.n < LAST_MAX ? body.n : LAST_MAX));
}

struct mock_log_entry *
mock_tally_log(struct mock_tally *t)
{
	struct mock_log_entry *e;

	if (!t->log)
		return NULL;
	e = &t->log[t->log_n++ % MOCK_LOG_MAX];
	*e = (struct mock_log_entry){.n = t->log_n, .outcome = "open", .max_tokens = -1};
	return e;
}

struct mock_log_entry *
mock_tally_entry(struct mock_tally *t, uint64_t n, uint32_t epoch)
{
	struct mock_log_entry *e;

	if (!t->log || n == 0 || epoch != t->epoch)
		return NULL;
	e = &t->log[(n - 1) % MOCK_LOG_MAX];
	return e->n == n ? e : NULL;
}

/* The length of the UTF-8 sequence at p, 0 when there is none. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	size_t len = p[0] < 0x80                   ? 1
		     : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
		     : (p[0] & 0xf0) == 0xe0       ? 3
		     : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
						   : 0;

	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((len == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))) ||
	    (len == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))))
		return 0;
	return len;
}

/* A JSON string of bytes that may be anything: what is not UTF-8 becomes U+FFFD. */
static void
put_text(struct ag_buf *out, struct ag_str s)
{
	size_t from = 0, i = 0;

	ag_buf_putc(out, '"');
	while (i < s.n) {
		size_t len = utf8_len((const unsigned char *)s.p + i, s.n - i);

		if (len > 0) {
			i += len;
			continue;
		}
		ag_buf_put_json(out, ag_str_n(s.p + from, i - from));
		ag_buf_puts(out, "\xef\xbf\xbd");
		from = ++i;
	}
	ag_buf_put_json(out, ag_str_n(s.p ? s.p + from : NULL, s.n - from));
	ag_buf_putc(out, '"');
}

static void
put_member(struct ag_buf *out, const char *name, const char *text)
{
	ag_buf_printf(out, ",\"%s\":", name);
	put_text(out, ag_str(text));
}

void
mock_tally_put_stats(const struct mock_tally *t, struct ag_buf *out)
{
	const char *comma = "";

	ag_buf_putc(out, '{');
#define X(field) ag_buf_printf(out, "\"" #field "\":%llu,", (unsigned long long)t->field);
	MOCK_COUNTERS(X)
	MOCK_GAUGES(X)
#undef X
	ag_buf_printf(out, "\"logged\":%llu", (unsigned long long)t->log_n);
	put_member(out, "last_violation", t->last_violation);
	ag_buf_puts(out, ",\"models\":{");
	for (unsigned i = 0; i < MOCK_MODELS_MAX; i++) {
		if (t->model[i].n == 0)
			continue;
		ag_buf_puts(out, comma);
		put_text(out, ag_str(t->model[i].name));
		ag_buf_printf(out, ":%llu", (unsigned long long)t->model[i].n);
		comma = ",";
	}
	ag_buf_puts(out, "}}");
}

static void
put_entry(const struct mock_log_entry *e, struct ag_buf *out)
{
	ag_buf_printf(out,
		      "{\"n\":%llu,\"t_us\":%lld,\"done_us\":%lld,\"stream\":%s,\"status\":%d,"
		      "\"completed\":%s,\"usage_sent\":%s,\"chunks_sent\":%d,"
		      "\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"body_bytes\":%llu,",
		      (unsigned long long)e->n, (long long)e->t_us, (long long)e->done_us,
		      e->stream ? "true" : "false", e->status, e->is_completed ? "true" : "false",
		      e->is_usage_sent ? "true" : "false", e->chunks_sent,
		      (long long)e->prompt_tokens, (long long)e->completion_tokens,
		      (unsigned long long)e->body_bytes);
	if (e->max_tokens < 0)
		ag_buf_puts(out, "\"max_tokens\":null");
	else
		ag_buf_printf(out, "\"max_tokens\":%lld", (long long)e->max_tokens);
	put_member(out, "outcome", e->outcome);
	put_member(out, "model", e->model);
	put_member(out, "path", e->path);
	put_member(out, "id", e->id);
	put_member(out, "client_request_id", e->client_request_id);
	put_member(out, "request_id", e->request_id);
	put_member(out, "key_hint", e->key_hint);
	ag_buf_putc(out, '}');
}

void
mock_tally_put_log(const struct mock_tally *t, uint64_t since, struct ag_buf *out)
{
	uint64_t from = t->log_n > MOCK_LOG_MAX ? t->log_n - MOCK_LOG_MAX : 0;
	const char *comma = "";

	ag_buf_putc(out, '[');
	for (uint64_t n = since > from ? since : from; t->log && n < t->log_n; n++) {
		ag_buf_puts(out, comma);
		put_entry(&t->log[n % MOCK_LOG_MAX], out);
		comma = ",\n";
	}
	ag_buf_putc(out, ']');
}

void
mock_tally_put_last(const struct mock_tally *t, struct ag_buf *out)
{
	ag_buf_puts(out, "{\"head\":");
	put_text(out, ag_buf_str(&t->last_head));
	ag_buf_puts(out, ",\"body\":");
	put_text(out, ag_buf_str(&t->last_body));
	ag_buf_printf(out, ",\"body_bytes\":%zu}", t->last_body.n);
}
