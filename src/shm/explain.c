#include "shm/explain.h"

#include <stddef.h>

#include "shm/words.h"

static void
put(struct ag_a64 *n, struct ag_a64 *seq, struct ag_a64 *word, const void *from, size_t bytes)
{
	int64_t number = ag_a64_get(n);

	ag_a64_set(seq, 2 * number + 1);
	atomic_thread_fence(memory_order_release); /* (A) with (D): odd before any word */
	ag_words_write(word, from, bytes);
	ag_a64_publish(seq, 2 * number + 2);       /* (B) with (C) */
	ag_a64_publish(n, number + 1);
}

void
ag_explain_put(const struct ag_shm *shm, uint32_t worker_ix, const struct ag_explain *e)
{
	struct ag_explain_ring *r = ag_shm_explain(shm, worker_ix);
	struct ag_explain_slot *s = &r->full[ag_a64_get(&r->n_full) % AG_EXPLAIN_FULL];

	put(&r->n_full, &s->seq, s->word, e, offsetof(struct ag_explain, meter) +
	    e->brief.n_meters * sizeof(e->meter[0]));
}

void
ag_explain_put_brief(const struct ag_shm *shm, uint32_t worker_ix, const struct ag_explain_brief *e)
{
	struct ag_explain_ring *r = ag_shm_explain(shm, worker_ix);
	struct ag_explain_brief_slot *s = &r->brief[ag_a64_get(&r->n_brief) % AG_EXPLAIN_BRIEF];

	put(&r->n_brief, &s->seq, s->word, e, sizeof(*e));
}

/* ---- reading ---- */

/* false: never written, or being written just now. */
static bool
copy(const struct ag_a64 *seq, const struct ag_a64 *word, void *out, size_t bytes)
{
	int64_t before = ag_a64_observe(seq); /* (C) with (B) */

	if (before == 0 || (before & 1))
		return false;
	ag_words_read(out, word, bytes);
	atomic_thread_fence(memory_order_acquire); /* (D) with (A) */
	return ag_a64_get(seq) == before;
}

static bool
is_meant(const struct ag_explain_brief *b, const uint8_t *request_id, uint64_t trace_hash)
{
	return (request_id && memcmp(b->request_id, request_id, sizeof(b->request_id)) == 0) ||
	    b->trace_hash == trace_hash;
}

static bool
find_full(const struct ag_explain_ring *r, const uint8_t *request_id, uint64_t hash,
    struct ag_explain *out)
{
	struct ag_explain_brief b;
	bool has_found = false;

	for (uint32_t i = 0; i < AG_EXPLAIN_FULL; i++) {
		const struct ag_explain_slot *s = &r->full[i];
		struct ag_explain e;

		if (!copy(&s->seq, s->word, &b, sizeof(b)) || !is_meant(&b, request_id, hash) ||
		    b.at_us < out->brief.at_us || !copy(&s->seq, s->word, &e, sizeof(e)) ||
		    !is_meant(&e.brief, request_id, hash))
			continue;
		*out = e;
		has_found = true;
	}
	return has_found;
}

static bool
find_brief(const struct ag_explain_ring *r, const uint8_t *request_id, uint64_t hash,
    struct ag_explain *out)
{
	struct ag_explain_brief b;
	bool has_found = false;

	for (uint32_t i = 0; i < AG_EXPLAIN_BRIEF; i++) {
		const struct ag_explain_brief_slot *s = &r->brief[i];

		if (!copy(&s->seq, s->word, &b, sizeof(b)) || !is_meant(&b, request_id, hash) ||
		    b.at_us < out->brief.at_us)
			continue;
		*out = (struct ag_explain){ .brief = b, .refused = AG_NONE_IX };
		has_found = true;
	}
	return has_found;
}

int
ag_explain_find(const struct ag_shm *shm, const uint8_t *request_id, struct ag_str trace,
    struct ag_explain *out)
{
	uint64_t hash = ag_fnv1a(trace);
	int found = 0;

	*out = (struct ag_explain){ .refused = AG_NONE_IX };
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		const struct ag_explain_ring *r = ag_shm_explain(shm, w);

		if (find_full(r, request_id, hash, out))
			found = 2;
		if (find_brief(r, request_id, hash, out))
			found = 1;
	}
	if (out->brief.n_meters > AG_HOLDS_MAX || out->trace_len > sizeof(out->trace) ||
	    out->model_len > sizeof(out->model) || out->detail_len > sizeof(out->detail))
		return 0; /* damaged */
	return found;
}
