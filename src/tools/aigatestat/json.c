/* json.c - all of it as one JSON object, for tests and other programs. */
#include <string.h>

#include "base/clock.h"
#include "limit/holds.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "tools/aigatestat/stat.h"

static void
put_member(struct ag_buf *b, const char *name, int64_t value)
{
	if (b->p[b->n - 1] != '{')
		ag_buf_putc(b, ',');
	ag_buf_printf(b, "\"%s\":%lld", name, (long long)value);
}

static void
put_text(struct ag_buf *b, const char *name, struct ag_str text)
{
	if (b->p[b->n - 1] != '{')
		ag_buf_putc(b, ',');
	ag_buf_printf(b, "\"%s\":\"", name);
	ag_buf_put_json(b, text);
	ag_buf_putc(b, '"');
}

/* Between the rows of an array. */
static void
open_row(struct ag_buf *b)
{
	ag_buf_puts(b, b->p[b->n - 1] == '[' ? "{" : ",{");
}

static void
put_segment(struct ag_buf *b, const struct ag_shm *shm)
{
	const struct ag_shm_hdr *hdr = shm->hdr;

	ag_buf_puts(b, "{\"segment\":{");
	put_text(b, "state", ag_a32_get(&hdr->state) == AG_SHM_READY ? AG_STR("ready") : AG_STR("cold"));
	ag_buf_printf(b, ",\"boot_id\":%llu", (unsigned long long)hdr->boot_id);
	put_member(b, "bytes", (int64_t)hdr->total_size);
	put_member(b, "workers", hdr->sizes.workers);
	put_member(b, "created_at_us", ag_a64_get(&hdr->created_at_us));
	put_member(b, "pg_down_since_us", ag_a64_get(&hdr->pg_down_since_us));
	put_member(b, "intake_closed", ag_a32_get(&hdr->intake_closed));
	put_member(b, "ledger_ready", ag_a32_get(&hdr->ledger_ready));
	put_member(b, "key_epoch", ag_a32_get(&hdr->key_epoch));
	put_member(b, "catalog_generation", ag_a32_get(&shm->catalog->generation));
	ag_buf_putc(b, '}');
}

static void
put_processes(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_puts(b, ",\"processes\":[");
	for (uint32_t i = 0; i < AG_PROC_WORKER(shm->hdr->sizes.workers); i++) {
		const struct ag_proc_slot *p = ag_shm_proc(shm, i);
		uint32_t role = ag_a32_get(&p->role);

		if (i == AG_PROC_TELEMETRY && role == AG_ROLE_NONE)
			continue;
		open_row(b);
		put_text(b, "role", ag_str(stat_role_name(role)));
		put_member(b, "index", i < AG_PROC_WORKER(0) ? 0 : i - AG_PROC_WORKER(0));
		put_member(b, "pid", ag_a32_get(&p->pid));
		put_member(b, "incarnation", ag_a32_get(&p->incarnation));
		put_member(b, "is_serving", ag_a32_get(&p->is_serving));
		put_member(b, "heartbeat_us", ag_a64_get(&p->heartbeat_us));
		put_member(b, "started_at_us", ag_a64_get(&p->started_at_us));
		put_member(b, "inflight", ag_a32_get(&p->inflight));
		put_member(b, "connections", ag_a32_get(&p->connections));
		put_member(b, "catalog_generation", ag_a32_get(&p->catalog_gen));
		ag_buf_putc(b, '}');
	}
	ag_buf_putc(b, ']');
}

static void
put_counters(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_puts(b, ",\"counters\":{");
	for (unsigned c = 0; c < AG_COUNTERS; c++)
		put_member(b, ag_counter_defs[c].name, ag_counter_sum(shm, (enum ag_counter)c));
	ag_buf_putc(b, '}');
}

/* A time of "never" is null: no program should take 292,000 years for a date. */
static void
put_time(struct ag_buf *b, const char *name, int64_t at_us)
{
	if (at_us == INT64_MAX)
		ag_buf_printf(b, ",\"%s\":null", name);
	else
		put_member(b, name, at_us);
}

static void
put_meters(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us)
{
	struct ag_meter_walk walk = { 0 };
	uint32_t i;

	ag_buf_puts(b, ",\"meters\":[");
	while (ag_metertab_walk(shm, &walk, &i)) {
		const struct ag_meter *m = &shm->meters[i];
		uint32_t kind = ag_a32_observe(&m->kind);
		struct ag_meter_state s;

		if (kind == AG_METER_FREE || ag_a64_get(&m->id) <= 0)
			continue;
		ag_meter_read(m, 0, now_us, &s);
		open_row(b);
		put_member(b, "id", ag_a64_get(&m->id));
		put_member(b, "index", i);
		put_text(b, "kind", ag_str(stat_kind_name(kind)));
		put_text(b, "unit", ag_str(stat_unit_name(ag_a32_get(&m->unit))));
		put_text(b, "level", ag_str(stat_level_name(ag_a32_get(&m->level))));
		put_member(b, "limit", s.limit);
		put_member(b, "used", s.used);
		put_member(b, "remaining", s.remaining);
		put_member(b, "suspect", ag_a32_get(&m->suspect));
		if (kind == AG_METER_BUDGET) {
			put_member(b, "settled", s.settled);
			put_member(b, "held", s.held);
			put_member(b, "period", s.period);
			put_text(b, "enforcement", ag_str(stat_enforcement_name(ag_meter_enforcement(m))));
			if (ag_meter_enforcement(m) == AG_ENFORCE_ADAPTIVE)
				put_member(b, "bound", ag_holds_bound(shm, i));
			if (ag_meter_enforcement(m) == AG_ENFORCE_SHADOW)
				put_member(b, "would_refuse", ag_a64_get(&m->mode.would_refuse));
		}
		if (kind == AG_METER_RATE)
			put_member(b, "window_us", ag_a64_get(&m->window_us));
		put_time(b, "resets_at_us", s.resets_at_us);
		ag_buf_putc(b, '}');
	}
	ag_buf_putc(b, ']');
}

static void
put_holds(struct ag_buf *b, const struct ag_inflight *slot)
{
	uint32_t n = ag_a32_get(&slot->n_holds);

	ag_buf_puts(b, ",\"holds\":[");
	for (uint32_t h = 0; h < n && h < AG_HOLDS_MAX; h++) {
		open_row(b);
		put_member(b, "meter_id", slot->holds[h].meter_id);
		put_member(b, "amount", slot->holds[h].amount);
		put_text(b, "unit", ag_str(stat_unit_name(slot->holds[h].unit)));
		ag_buf_putc(b, '}');
	}
	ag_buf_putc(b, ']');
}

static void
put_inflight(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_puts(b, ",\"inflight\":[");
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		for (uint32_t i = 0; i < shm->hdr->sizes.inflight; i++) {
			const struct ag_inflight *slot = ag_shm_inflight(shm, w, i);
			uint32_t state = ag_a32_get(&slot->state);

			if (state == AG_INFLIGHT_FREE)
				continue;
			open_row(b);
			put_member(b, "worker", w);
			put_member(b, "slot", i);
			put_text(b, "state", ag_str(stat_inflight_name(state)));
			put_holds(b, slot);
			ag_buf_putc(b, '}');
		}
	}
	ag_buf_putc(b, ']');
}

static void
put_rings(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_puts(b, ",\"rings\":[");
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		const struct ag_ring_hdr *ring = ag_shm_ring(shm, w);
		int64_t next = ag_a64_get(&ring->next_seq);

		open_row(b);
		put_member(b, "worker", w);
		put_member(b, "last_seq", next > 0 ? next - 1 : 0);
		put_member(b, "safe_seq", ag_a64_get(&ring->safe_seq));
		put_member(b, "stored_seq", ag_a64_get(&ring->stored_seq));
		put_member(b, "next_seq", next);
		put_member(b, "head", ag_a64_get(&ring->head));
		put_member(b, "tail", ag_a64_get(&ring->tail));
		put_member(b, "bytes_waiting", ag_a64_get(&ring->head) - ag_a64_get(&ring->tail));
		ag_buf_putc(b, '}');
	}
	ag_buf_putc(b, ']');
}

void
stat_put_json(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us)
{
	put_segment(b, shm);
	put_processes(b, shm);
	put_counters(b, shm);
	put_meters(b, shm, now_us);
	put_inflight(b, shm);
	put_rings(b, shm);
	ag_buf_puts(b, "}\n");
}
