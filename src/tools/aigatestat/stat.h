/* stat.h - aigatestat: what its files share.  Reads the segment, changes nothing, needs no daemon. */
#ifndef AIGATESTAT_STAT_H
#define AIGATESTAT_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "shm/segment.h"

struct stat_options {
	const char *segment;      /* "/aigated" */
	bool is_json;
	bool want_meters;
	bool want_inflight;       /* requests in flight, with their holds */
	bool want_rings;
	bool want_all;            /* counters that stand at 0 too */
	uint32_t every_s;         /* 0: once */
	char *const *names;       /* counters to show; NULL all */
	int n_names;
};

const char *stat_level_name(uint32_t level);
const char *stat_kind_name(uint32_t kind);
const char *stat_unit_name(uint32_t unit);
const char *stat_enforcement_name(uint32_t enforcement);
const char *stat_inflight_name(uint32_t state);
const char *stat_role_name(uint32_t role);
/* Whether the user asked for a counter of this name. */
bool stat_is_wanted(const struct stat_options *o, const char *name);

void stat_put_json(struct ag_buf *b, const struct ag_shm *shm, int64_t now_us);
/* before: counters at the last turn, or NULL; rates are then shown a second. */
void stat_put_text(struct ag_buf *b, const struct ag_shm *shm, const struct stat_options *o,
                   int64_t now_us, const int64_t *before);

#endif
