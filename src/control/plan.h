/* plan.h - what one change will publish, made ready before the commit and applied after it.
 *
 * Everything that can fail (a full key table, a full meter table, a catalogue that does not fit)
 * fails while the transaction can still be rolled back: new meters get their slots, the catalogue is
 * built from what the transaction sees.  After the commit only stores into shared memory are left. */
#ifndef AG_CONTROL_PLAN_H
#define AG_CONTROL_PLAN_H

#include <stdbool.h>

#include "aigated/shm_layout.h"
#include "base/buf.h"
#include "base/err.h"
#include "shm/metertab.h"

struct ag_control;

struct ag_plan_meter {
	struct ag_meter_def def;
	uint32_t ix;
	bool is_new;      /* the slot was taken by this plan */
};

struct ag_plan_key {
	struct ag_key key;
	char *metadata;   /* owned; NULL none */
};

struct ag_plan {
	struct ag_plan_meter *meters;  /* owned */
	size_t n_meters, cap_meters;
	struct ag_plan_key *keys;      /* owned */
	size_t n_keys, cap_keys;
	int64_t *gone_keys;            /* owned: ids */
	size_t n_gone_keys, cap_gone_keys;
	int64_t *gone_formers;         /* owned: ids of keys whose former secret goes */
	size_t n_gone_formers, cap_gone_formers;
	int64_t *gone_meters;          /* owned: ids, freed last */
	size_t n_gone_meters, cap_gone_meters;
	struct ag_buf blob;            /* the next catalogue, when has_catalog */
	bool has_catalog;
};

void ag_plan_init(struct ag_plan *p);
/* Gives back what was taken for a plan that is not applied; harmless afterwards. */
void ag_plan_abandon(struct ag_plan *p, struct ag_control *ctl);
void ag_plan_fini(struct ag_plan *p);

/* Index the meter has, or takes a slot for it.  -ENOSPC, -ENOMEM. */
int ag_plan_meter(struct ag_plan *p, struct ag_control *ctl, const struct ag_meter_def *def,
    uint32_t *out_ix, struct ag_err *err) AG_MUST_CHECK;
int ag_plan_meter_gone(struct ag_plan *p, int64_t meter_id) AG_MUST_CHECK;
int ag_plan_key(struct ag_plan *p, struct ag_control *ctl, const struct ag_key *key,
    struct ag_str metadata, struct ag_err *err) AG_MUST_CHECK;
int ag_plan_key_gone(struct ag_plan *p, int64_t key_id) AG_MUST_CHECK;
int ag_plan_former_gone(struct ag_plan *p, int64_t key_id) AG_MUST_CHECK;

/* After the commit: limits, keys, catalogue, then what is gone. */
int ag_plan_apply(struct ag_plan *p, struct ag_control *ctl, struct ag_err *err) AG_MUST_CHECK;

#endif
