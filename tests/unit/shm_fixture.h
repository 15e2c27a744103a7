/* shm_fixture.h - a small segment of its own for each test program, gone when it ends. */
#ifndef TESTS_UNIT_SHM_FIXTURE_H
#define TESTS_UNIT_SHM_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "limit/meter.h"
#include "shm/histogram.h"
#include "shm/metertab.h"
#include "shm/segment.h"

static inline struct ag_shm_sizes
fixture_sizes(void)
{
	return (struct ag_shm_sizes){
		.workers = 2,
		.inflight = 8,
		.keys = 64,
		.meters = 64,
		.blob_units = 128,
		.counters = AG_COUNTER_CELLS,
		.objects = 64,
		.ring_bytes = 65536,
		.catalog_bytes = 65536,
	};
}

static inline const char *
fixture_name(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "/aigated-test-%ld", (long)getpid());
	return name;
}

/* Unlinked at once: it lives as long as it is mapped. */
static inline struct ag_shm
fixture_open(const struct ag_shm_sizes *sizes)
{
	struct ag_shm shm;
	struct ag_err err;
	bool is_fresh;

	if (ag_shm_open(fixture_name(), sizes, true, &shm, &is_fresh, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(99);
	}
	ag_shm_unlink(fixture_name());
	return shm;
}

static inline struct ag_shm
fixture_shm(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();

	return fixture_open(&sizes);
}

static inline uint32_t
fixture_meter(const struct ag_shm *shm, const struct ag_meter_def *def)
{
	uint32_t ix;
	bool is_new;

	if (ag_metertab_put(shm, def, &ix, &is_new) < 0)
		abort();
	return ix;
}

#endif
