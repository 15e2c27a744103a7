#include "flusher/body_batch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "flusher/meta.h"

#define BATCH_BYTES ((size_t)4 << 20)  /* a batch of this many is complete */
#define TEXTS_MAX   ((size_t)64 << 20)

void
ag_body_batch_init(struct ag_body_batch *b, const struct ag_shm *shm)
{
	memset(b, 0, sizeof(*b));
	b->n_rings = shm->hdr->sizes.body_ring_bytes ? shm->hdr->sizes.workers : 0;
	for (uint32_t w = 0; w < b->n_rings; w++)
		b->ring[w] = ag_body_ring_of(shm, w);
	ag_redaction_init(&b->redaction);
	ag_buf_init(&b->texts, TEXTS_MAX);
}

static void
empty(struct ag_body_batch *b)
{
	for (size_t i = 0; i < b->n_rules; i++)
		ag_redact_rules_fini(&b->rules[i].redact);
	b->n = b->n_rules = b->at = 0;
	b->part = 0;
	b->is_begun = false;
	ag_buf_reset(&b->texts);
	ag_buf_shrink(&b->texts);
}

void
ag_body_batch_fini(struct ag_body_batch *b)
{
	empty(b);
	ag_redaction_fini(&b->redaction);
	ag_buf_fini(&b->texts);
}

/* ---- from the rings ---------------------------------------------------------------------- */

bool
ag_body_batch_is_waiting(const struct ag_body_batch *b)
{
	for (uint32_t w = 0; w < b->n_rings; w++)
		if (ag_a64_observe(&b->ring[w].hdr->head) != ag_a64_get(&b->ring[w].hdr->tail))
			return true;
	return false;
}

void
ag_body_batch_take(struct ag_body_batch *b)
{
	size_t bytes = 0;

	empty(b);
	for (uint32_t i = 0; i < b->n_rings; i++) {
		uint32_t w = (b->first_ring + i) % b->n_rings;
		uint64_t cursor = (uint64_t)ag_a64_get(&b->ring[w].hdr->tail);
		const struct ag_body *body;

		while (b->n < AG_BODY_BATCH_MAX && bytes < BATCH_BYTES &&
		    (body = ag_body_ring_peek(&b->ring[w], &cursor)) != NULL) {
			b->row[b->n++] = (struct ag_body_row){ .body = body };
			bytes += body->len;
		}
		b->cursor[w] = cursor; /* behind damage, too */
	}
	if (b->n_rings > 0)
		b->first_ring = (b->first_ring + 1) % b->n_rings;
}

void
ag_body_batch_release(struct ag_body_batch *b)
{
	for (uint32_t w = 0; w < b->n_rings; w++)
		ag_body_ring_release(&b->ring[w], b->cursor[w]);
	empty(b);
}

/* ---- rules --------------------------------------------------------------------------------- */

void
ag_body_batch_rule(struct ag_body_batch *b, int64_t workspace_id, bool is_off, unsigned kinds,
    struct ag_str pattern)
{
	struct ag_body_rules *r = b->n_rules > 0 ? &b->rules[b->n_rules - 1] : NULL;
	struct ag_err err = { "" };

	if (!r || r->workspace_id != workspace_id) {
		if (b->n_rules == AG_BODY_RULES_MAX)
			return;
		r = &b->rules[b->n_rules++];
		*r = (struct ag_body_rules){ .workspace_id = workspace_id, .is_off = is_off };
		r->redact.kinds = kinds;
	}
	if (pattern.n == 0)
		return;
	/* What was to go out and cannot be found must not stay in. */
	if (r->redact.n_patterns == AG_BODY_PATTERNS_MAX ||
	    ag_pattern_compile(pattern, &r->redact.pattern[r->redact.n_patterns], &err) < 0)
		r->is_off = true;
	else
		r->redact.n_patterns++;
}

static const struct ag_body_rules *
rules_find(const struct ag_body_batch *b, int64_t workspace_id)
{
	for (size_t i = 0; i < b->n_rules; i++)
		if (b->rules[i].workspace_id == workspace_id)
			return &b->rules[i];
	return NULL;
}

size_t
ag_body_batch_drop_unwanted(struct ag_body_batch *b)
{
	size_t kept = 0, n = b->n;

	for (size_t i = 0; i < n; i++) {
		const struct ag_body_rules *r = rules_find(b, b->row[i].body->workspace_id);

		if (r && !r->is_off)
			b->row[kept++] = b->row[i];
	}
	b->n = kept;
	return n - kept;
}

/* ---- redaction ------------------------------------------------------------------------------ */

/* A text that was cut may end in the middle of a character. */
static struct ag_str
whole_characters(struct ag_str s)
{
	for (size_t n = 1; n <= 3 && n <= s.n; n++) {
		uint8_t c = (uint8_t)s.p[s.n - n];

		if (c >= 0xc0)
			return ag_str_n(s.p, s.n - n);
		if (c < 0x80)
			break;
	}
	return s;
}

/* What is no text has no words to take out, and is not kept. */
static int
begin_part(struct ag_body_batch *b)
{
	struct ag_body_row *row = &b->row[b->at];
	const struct ag_body *body = row->body;
	struct ag_str text = b->part == 0 ? ag_body_request(body) : ag_body_response(body);
	bool is_cut = text.n < (b->part == 0 ? body->request_bytes : body->response_bytes);

	if (is_cut)
		text = whole_characters(text);
	row->part[b->part].is_cut = is_cut;
	row->part[b->part].is_text = ag_text_is_clean(text);
	if (!row->part[b->part].is_text)
		text.n = 0;
	b->is_begun = true;
	return ag_redaction_begin(&b->redaction, text, is_cut && text.n > 0,
	    &rules_find(b, body->workspace_id)->redact);
}

static void
end_part(struct ag_body_batch *b)
{
	struct ag_body_row *row = &b->row[b->at];
	size_t off = b->texts.n;

	ag_redaction_write(&b->redaction, &b->texts, &row->taken);
	row->part[b->part].off = off;
	row->part[b->part].len = b->texts.n - off;
	b->is_begun = false;
	b->at += b->part;
	b->part ^= 1;
}

int
ag_body_batch_redact(struct ag_body_batch *b, int64_t until_us)
{
	while (b->at < b->n) {
		if (!b->is_begun && begin_part(b) < 0)
			return -ENOMEM;
		if (ag_redaction_step(&b->redaction))
			end_part(b);
		if (b->at < b->n && ag_clock_mono_us() >= until_us)
			return 0;
	}
	return b->texts.failed ? -ENOMEM : 1;
}
