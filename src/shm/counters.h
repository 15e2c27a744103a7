/* counters.h - one row each in tbl/counters.h; each process writes its own copy, readers sum. */
#ifndef AG_SHM_COUNTERS_H
#define AG_SHM_COUNTERS_H

#include "shm/segment.h"

enum ag_counter {
#define X(name, kind, level, brief, text) AG_CNT_##name,
#include "aigated/tbl/counters.h"
#undef X
	AG_COUNTERS
};

enum ag_counter_kind { AG_COUNTER_COUNTER, AG_COUNTER_GAUGE };

struct ag_counter_def {
	const char *name;
	enum ag_counter_kind kind;
	const char *level; /* "INFO", "DIAG" */
	const char *brief;
	const char *text;
};
extern const struct ag_counter_def ag_counter_defs[AG_COUNTERS];

/* The calling process's row; set once after the fork. NULL-safe before that (a scratch row). */
extern struct ag_a64 *ag_counters_mine;
void ag_counters_use(const struct ag_shm *shm, uint32_t proc_ix);

static inline void
ag_count(enum ag_counter c)
{
	/* The only writer of this copy: a plain load and store would do, but keep it one word. */
	ag_a64_set(&ag_counters_mine[c], ag_a64_get(&ag_counters_mine[c]) + 1);
}

static inline void
ag_count_add(enum ag_counter c, int64_t n)
{
	ag_a64_set(&ag_counters_mine[c], ag_a64_get(&ag_counters_mine[c]) + n);
}

int64_t ag_counter_sum(const struct ag_shm *shm, enum ag_counter c);

#endif
