/* text.c - the same for people: processes, counters; meters, holds and rings on request. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/money.h"
#include "limit/meter.h"
#include "shm/counters.h"
#include "shm/metertab.h"
#include "tools/aigatestat/stat.h"

#define NAME_OF(names, i) ((i) < AG_ARRAY_LEN(names) && (names)[i] ? (names)[i] : "unknown")

const char *
stat_level_name(uint32_t level)
{
	static const char *const names[] = { [AG_LEVEL_KEY] = "key",
		                                 [AG_LEVEL_WORKSPACE] = "workspace",
		                                 [AG_LEVEL_GRANT] = "grant",
		                                 [AG_LEVEL_PROVIDER] = "provider",
		                                 [AG_LEVEL_ORG] = "organisation",
		                                 [AG_LEVEL_POLICY] = "policy" };

	return NAME_OF(names, level);
}

const char *
stat_enforcement_name(uint32_t enforcement)
{
	static const char *const names[] = { [AG_ENFORCE_STRICT] = "strict",
		                                 [AG_ENFORCE_ADAPTIVE] = "adaptive",
		                                 [AG_ENFORCE_SHADOW] = "shadow" };

	return NAME_OF(names, enforcement);
}

const char *
stat_kind_name(uint32_t kind)
{
	static const char *const names[] = { [AG_METER_FREE] = "free", [AG_METER_BUDGET] = "budget",
		                                 [AG_METER_RATE] = "rate", [AG_METER_GAUGE] = "gauge" };

	return NAME_OF(names, kind);
}

const char *
stat_unit_name(uint32_t unit)
{
	static const char *const names[] = { [AG_UNIT_NUSD] = "nusd", [AG_UNIT_TOKENS] = "tokens",
		                                 [AG_UNIT_REQUESTS] = "requests" };

	return NAME_OF(names, unit);
}

const char *
stat_inflight_name(uint32_t state)
{
	static const char *const names[] = { [AG_INFLIGHT_FREE] = "free",
		                                 [AG_INFLIGHT_TAKING] = "taking",
		                                 [AG_INFLIGHT_HELD] = "held",
		                                 [AG_INFLIGHT_SENT] = "sent",
		                                 [AG_INFLIGHT_RECORDING] = "recording",
		                                 [AG_INFLIGHT_SETTLING] = "settling",
		                                 [AG_INFLIGHT_RELEASING] = "releasing",
		                                 [AG_INFLIGHT_RETRYING] = "retrying" };

	return NAME_OF(names, state);
}

const char *
stat_role_name(uint32_t role)
{
	static const char *const names[] = { [AG_ROLE_NONE] = "none", [AG_ROLE_CONTROL] = "control",
		                                 [AG_ROLE_FLUSHER] = "flusher",
		                                 [AG_ROLE_WORKER] = "worker",
		                                 [AG_ROLE_TELEMETRY] = "telemetry" };

	return NAME_OF(names, role);
}

bool
stat_is_wanted(const struct stat_options *o, const char *name)
{
	for (int i = 0; i < o->n_names; i++) {
		if (strcmp(o->names[i], name) == 0)
			return true;
	}
	return o->n_names == 0;
}

static void
put_processes(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us)
{
	ag_buf_printf(b, "%-11s %8s %6s %9s %11s %9s %8s\n", "process", "pid", "forks", "in flight",
	              "connections", "catalogue", "beat");
	for (uint32_t i = 0; i < AG_PROC_WORKER(shm->hdr->sizes.workers); i++) {
		const struct ag_proc_slot *p = ag_shm_proc(shm, i);
		const char *role = stat_role_name(ag_a32_get(&p->role));
		int64_t beat_us = now_us - ag_a64_get(&p->heartbeat_us);
		char name[32];

		if (i == AG_PROC_TELEMETRY && ag_a32_get(&p->role) == AG_ROLE_NONE)
			continue;
		if (i < AG_PROC_WORKER(0))
			snprintf(name, sizeof(name), "%s", role);
		else
			snprintf(name, sizeof(name), "%s %u", role, i - AG_PROC_WORKER(0));
		ag_buf_printf(b, "%-11s %8u %6u %9u %11u %9u %7llds\n", name, ag_a32_get(&p->pid),
		              ag_a32_get(&p->incarnation), ag_a32_get(&p->inflight),
		              ag_a32_get(&p->connections), ag_a32_get(&p->catalog_gen),
		              (long long)(beat_us > 0 ? beat_us / 1000000 : 0));
	}
	ag_buf_putc(b, '\n');
}

static void
put_counters(struct ag_buf *b, const struct ag_shm *shm, const struct stat_options *o,
             const int64_t *before)
{
	for (unsigned c = 0; c < AG_COUNTERS; c++) {
		int64_t v = ag_counter_sum(shm, (enum ag_counter)c);

		if (!stat_is_wanted(o, ag_counter_defs[c].name) ||
		    (v == 0 && !o->want_all && o->n_names == 0))
			continue;
		ag_buf_printf(b, "%-24s %16lld", ag_counter_defs[c].name, (long long)v);
		if (before)
			ag_buf_printf(b, " %12lld/s", (long long)((v - before[c]) / (int64_t)o->every_s));
		ag_buf_printf(b, "  %s\n", ag_counter_defs[c].brief);
	}
}

static void
put_amount(struct ag_buf *b, uint32_t unit, int64_t v)
{
	char text[40] = "$";

	if (unit == AG_UNIT_NUSD)
		ag_fmt_usd(text + 1, sizeof(text) - 1, v);
	else
		snprintf(text, sizeof(text), "%lld", (long long)v);
	ag_buf_printf(b, " %18s", text);
}

static void
put_meters(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us)
{
	struct ag_meter_walk walk = { 0 };
	uint32_t i;

	ag_buf_printf(b, "\n%-12s %8s %-7s %-9s %18s %18s %18s\n", "level", "meter", "kind", "unit",
	              "limit", "used", "held");
	while (ag_metertab_walk(shm, &walk, &i)) {
		const struct ag_meter *m = &shm->meters[i];
		uint32_t kind = ag_a32_observe(&m->kind), unit = ag_a32_get(&m->unit);
		struct ag_meter_state s;

		if (kind == AG_METER_FREE || ag_a64_get(&m->id) <= 0)
			continue;
		ag_meter_read(m, 0, now_us, &s);
		ag_buf_printf(b, "%-12s %8lld %-7s %-9s", stat_level_name(ag_a32_get(&m->level)),
		              (long long)ag_a64_get(&m->id), stat_kind_name(kind), stat_unit_name(unit));
		put_amount(b, unit, s.limit);
		put_amount(b, unit, s.used);
		put_amount(b, unit, kind == AG_METER_RATE ? 0 : s.held);
		ag_buf_puts(b, ag_a32_get(&m->suspect) ? "  suspect\n" : "\n");
	}
}

static void
put_inflight(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_printf(b, "\n%-8s %6s %-10s %10s %18s\n", "worker", "slot", "state", "meter", "held");
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		for (uint32_t i = 0; i < shm->hdr->sizes.inflight; i++) {
			const struct ag_inflight *slot = ag_shm_inflight(shm, w, i);
			uint32_t state = ag_a32_get(&slot->state), n = ag_a32_get(&slot->n_holds);

			if (state == AG_INFLIGHT_FREE)
				continue;
			ag_buf_printf(b, "%-8u %6u %-10s", w, i, stat_inflight_name(state));
			for (uint32_t h = 0; h < n && h < AG_HOLDS_MAX; h++) {
				if (h > 0)
					ag_buf_printf(b, "%26s", "");
				ag_buf_printf(b, " %10lld", (long long)slot->holds[h].meter_id);
				put_amount(b, slot->holds[h].unit, slot->holds[h].amount);
				ag_buf_putc(b, '\n');
			}
			if (n == 0)
				ag_buf_putc(b, '\n');
		}
	}
}

static void
put_rings(struct ag_buf *b, const struct ag_shm *shm)
{
	ag_buf_printf(b, "\n%-8s %14s %14s %14s %14s %8s\n", "ring", "last", "safe", "stored", "bytes waiting",
	              "full");
	for (uint32_t w = 0; w < shm->hdr->sizes.workers; w++) {
		const struct ag_ring_hdr *ring = ag_shm_ring(shm, w);
		int64_t next = ag_a64_get(&ring->next_seq);
		int64_t waiting = ag_a64_get(&ring->head) - ag_a64_get(&ring->tail);

		ag_buf_printf(b, "%-8u %14lld %14lld %14lld %14lld %7lld%%\n", w, (long long)(next > 0 ? next - 1 : 0),
		              (long long)ag_a64_get(&ring->safe_seq), (long long)ag_a64_get(&ring->stored_seq),
		              (long long)waiting, (long long)(waiting * 100 / (int64_t)shm->hdr->sizes.ring_bytes));
	}
}

void
stat_put_text(struct ag_buf *b, const struct ag_shm *shm, const struct stat_options *o,
              int64_t now_us, const int64_t *before)
{
	if (o->n_names == 0) {
		if (ag_a32_observe(&shm->hdr->state) != AG_SHM_READY)
			ag_buf_puts(b, "the segment is cold: limits are being loaded\n");
		if (ag_a64_get(&shm->hdr->pg_down_since_us) != 0)
			ag_buf_puts(b, "postgresql does not answer: records wait in the journal\n");
		put_processes(b, shm, now_us);
	}
	put_counters(b, shm, o, before);
	if (o->want_meters)
		put_meters(b, shm, now_us);
	if (o->want_inflight)
		put_inflight(b, shm);
	if (o->want_rings)
		put_rings(b, shm);
}
