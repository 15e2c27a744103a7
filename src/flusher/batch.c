#include "flusher/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "flusher/meta.h"
#include "shm/ring.h"

#define ROWS_MAX   ((size_t)256 << 20)
#define ROWS_WANT  ((size_t)16 << 20) /* a batch of this many bytes is complete */

void
ag_batch_init(struct ag_batch *b, struct ag_streams *streams, uint32_t limit_max)
{
	memset(b, 0, sizeof(*b));
	b->streams = streams;
	b->limit = b->limit_max = limit_max;
	for (int shape = 0; shape < AG_ROW_SHAPES; shape++)
		ag_buf_init(&b->rows[shape], ROWS_MAX);
	ag_buf_init(&b->object_ids, ROWS_MAX);
	ag_rollup_init(&b->rollup);
	ag_batch_set_metadata(b, "");
	ag_batch_reset(b);
}

void
ag_batch_fini(struct ag_batch *b)
{
	for (int shape = 0; shape < AG_ROW_SHAPES; shape++)
		ag_buf_fini(&b->rows[shape]);
	ag_rollup_fini(&b->rollup);
	free(b->advance);
	free(b->gaps);
	free(b->objects);
	ag_buf_fini(&b->object_ids);
}

void
ag_batch_set_limit(struct ag_batch *b, uint32_t limit_max)
{
	b->limit_max = limit_max;
	if (!b->is_bisecting || b->limit > limit_max)
		b->limit = limit_max;
}

void
ag_batch_set_metadata(struct ag_batch *b, const char *list)
{
	ag_meta_keys(&b->meta, ag_str(list));
}

void
ag_batch_reset(struct ag_batch *b)
{
	for (size_t i = 0; i < b->streams->n; i++)
		b->streams->at[i].is_in_batch = false;
	for (int shape = 0; shape < AG_ROW_SHAPES; shape++) {
		ag_buf_reset(&b->rows[shape]);
		ag_row_put_header(&b->rows[shape]);
		b->n_rows_of[shape] = 0;
	}
	ag_rollup_reset(&b->rollup);
	b->n_advance = b->n_gaps = b->n_objects = 0;
	ag_buf_reset(&b->object_ids);
	b->n_records = b->n_rows = 0;
	b->is_quarantine = false;
	b->is_cut = false;
}

static void *
grow(void *p, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return p;
	p = reallocarray(p, *cap ? *cap * 2 : 16, size);
	if (p)
		*cap = *cap ? *cap * 2 : 16;
	return p;
}

static bool
note_gap(struct ag_batch *b, const struct ag_stream *s, uint64_t last, uint64_t seq)
{
	struct ag_gap *p = grow(b->gaps, b->n_gaps, &b->cap_gaps, sizeof(*p));

	if (!p)
		return false;
	b->gaps = p;
	b->gaps[b->n_gaps++] = (struct ag_gap){ .boot_id = s->boot_id, .worker = s->worker,
		.from_seq = last + 1, .to_seq = seq - 1 };
	return true;
}

static int
note_object(struct ag_batch *b, const struct ag_record *rec)
{
	struct ag_str id = ag_record_string(rec, AG_RS_UPSTREAM_ID);
	struct ag_batch_object *p = grow(b->objects, b->n_objects, &b->cap_objects, sizeof(*p));
	size_t off = b->object_ids.n;
	char *text = ag_buf_reserve(&b->object_ids, id.n + 1);

	if (p)
		b->objects = p;
	if (!p || !text)
		return -ENOMEM;
	ag_text_clean(id, text);
	ag_buf_commit(&b->object_ids, id.n);
	p[b->n_objects++] = (struct ag_batch_object){ .integration_id = rec->integration_id,
		.workspace_id = rec->workspace_id, .key_id = rec->key_id, .at_us = rec->received_at_us,
		.off = off, .len = id.n, .kind = rec->object };
	return 0;
}

static bool
is_condemned(const struct ag_batch *b, uint64_t boot_id, const struct ag_record *rec)
{
	return b->condemned.is_set && b->condemned.boot_id == boot_id &&
	    b->condemned.worker == rec->worker && b->condemned.seq == rec->seq;
}

static void
put_aside(struct ag_batch *b, uint64_t boot_id, const struct ag_record *rec, const char *reason)
{
	memcpy(b->put_aside, rec, rec->len);
	b->put_aside_of = (struct ag_advance){ .boot_id = boot_id, .worker = rec->worker,
		.now = rec->seq };
	/* It is a parameter itself: a message that was cut inside a character would be refused. */
	memset(b->reason, 0, sizeof(b->reason));
	ag_text_clean(ag_str_n(reason, strnlen(reason, sizeof(b->reason) - 1)), b->reason);
	b->is_quarantine = true;
}

/* Row and sums of one record; *out_refusal says why it can be no row. */
static int
take_record(struct ag_batch *b, uint64_t boot_id, const struct ag_record *rec,
    const char **out_refusal)
{
	bool is_kept = is_condemned(b, boot_id, rec);
	enum ag_row_shape shape = ag_row_shape(rec);
	struct ag_buf *rows = &b->rows[shape];

	*out_refusal = is_kept ? b->condemned.reason : ag_row_put(rows, shape, boot_id, rec, &b->meta);
	if (rows->failed)
		return -ENOMEM;
	if (!*out_refusal) {
		b->n_rows++;
		b->n_rows_of[shape]++;
		if (ag_rollup_add_usage(&b->rollup, rec, &b->meta) < 0)
			return -ENOMEM;
		if (rec->object != 0 && note_object(b, rec) < 0)
			return -ENOMEM;
		return ag_rollup_add_charges(&b->rollup, rec);
	}
	if (b->n_records > 0)
		return 0;
	put_aside(b, boot_id, rec, *out_refusal);
	if (is_kept && b->condemned.drop_charges)
		return 0;
	return ag_rollup_add_charges(&b->rollup, rec);
}

static size_t
rows_bytes(const struct ag_batch *b)
{
	return b->rows[AG_ROW_LEAN].n + b->rows[AG_ROW_FULL].n;
}

enum ag_batch_add
ag_batch_add(struct ag_batch *b, uint64_t boot_id, const struct ag_record *rec)
{
	struct ag_stream *s = ag_streams_get(b->streams, boot_id, rec->worker);
	struct ag_advance *advance;
	const char *refusal;
	uint64_t last;

	if (!s)
		return AG_BATCH_FAILED;
	last = s->is_in_batch ? s->taken : s->stored;
	if (rec->seq <= last)
		return AG_BATCH_SKIPPED;
	/* An empty batch always takes one, so that no order of records can bring it to a stop. */
	if (b->is_quarantine || b->n_records >= b->limit || rows_bytes(b) >= ROWS_WANT ||
	    (b->n_records > 0 && b->is_bisecting && rec->seq > s->until)) {
		b->is_cut = true;
		return AG_BATCH_FULL;
	}
	advance = grow(b->advance, b->n_advance, &b->cap_advance, sizeof(*advance));
	if (!advance)
		return AG_BATCH_FAILED;
	b->advance = advance;
	if (take_record(b, boot_id, rec, &refusal) < 0)
		return AG_BATCH_FAILED;
	if (refusal && !b->is_quarantine) {
		b->is_cut = true;
		return AG_BATCH_FULL;
	}
	if (rec->seq != last + 1 && !note_gap(b, s, last, rec->seq))
		return AG_BATCH_FAILED;
	if (!s->is_in_batch) {
		s->is_in_batch = true;
		b->advance[b->n_advance++] = (struct ag_advance){ .boot_id = boot_id,
			.worker = s->worker, .was = s->stored };
	}
	s->taken = rec->seq;
	b->n_records++;
	return AG_BATCH_ADDED;
}

bool
ag_batch_seal(struct ag_batch *b)
{
	bool is_whole = true;

	for (int shape = 0; shape < AG_ROW_SHAPES; shape++) {
		ag_row_put_trailer(&b->rows[shape]);
		is_whole = is_whole && !b->rows[shape].failed;
	}
	for (size_t i = 0; i < b->n_advance; i++) {
		struct ag_advance *a = &b->advance[i];

		a->now = ag_streams_get(b->streams, a->boot_id, a->worker)->taken;
	}
	return is_whole;
}

/* ---- what became of it -------------------------------------------------------------------- */

static void
stop_bisecting_when_done(struct ag_batch *b)
{
	for (size_t i = 0; i < b->streams->n; i++) {
		if (b->streams->at[i].until > b->streams->at[i].stored)
			return;
	}
	b->is_bisecting = false;
	b->limit = b->limit_max;
}

void
ag_batch_stored(struct ag_batch *b)
{
	for (size_t i = 0; i < b->n_advance; i++) {
		struct ag_advance *a = &b->advance[i];
		struct ag_stream *s = ag_streams_get(b->streams, a->boot_id, a->worker);

		if (s->stored < a->now)
			s->stored = a->now;
	}
	if (b->is_quarantine)
		b->condemned.is_set = false;
	if (!b->is_bisecting)
		return;
	b->limit = b->limit > b->limit_max / 2 ? b->limit_max : b->limit * 2;
	stop_bisecting_when_done(b);
}

static void
condemn(struct ag_batch *b, const char *reason)
{
	const struct ag_advance *a = &b->advance[0];

	assert(b->n_records == 1 && b->n_advance == 1);
	/* Refused in quarantine too: then it is what it charges that cannot be stored. */
	b->condemned.drop_charges = b->is_quarantine;
	b->condemned.is_set = true;
	b->condemned.boot_id = a->boot_id;
	b->condemned.worker = a->worker;
	b->condemned.seq = a->now;
	ag_str_copy(ag_str(reason), b->condemned.reason, sizeof(b->condemned.reason));
	if (b->condemned.drop_charges)
		ag_error("charges of a record cannot be stored, putting it aside without them: boot=%lld "
		    "worker=%u seq=%llu", (long long)a->boot_id, a->worker, (unsigned long long)a->now);
}

void
ag_batch_refused(struct ag_batch *b, const char *reason)
{
	if (b->n_records <= 1) {
		if (b->n_records == 1)
			condemn(b, reason);
		b->limit = 1;
	} else {
		b->limit = (uint32_t)(b->n_records / 2);
	}
	if (b->is_bisecting)
		return;
	b->is_bisecting = true;
	for (size_t i = 0; i < b->n_advance; i++) {
		struct ag_advance *a = &b->advance[i];

		ag_streams_get(b->streams, a->boot_id, a->worker)->until = a->now;
	}
}
