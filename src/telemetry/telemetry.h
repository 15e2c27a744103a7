/* telemetry.h - the state of the telemetry process, shared by its files and by nobody else. */
#ifndef AG_TELEMETRY_TELEMETRY_H
#define AG_TELEMETRY_TELEMETRY_H

#include <event2/event.h>

#include "aigated/role.h"
#include "conf/conf.h"
#include "shm/event_ring.h"
#include "shm/segment.h"
#include "telemetry/access.h"
#include "telemetry/export.h"

struct ag_telemetry {
	struct ag_role_ctx *ctx;    /* borrowed */
	struct event_base *base;    /* owned */
	struct ag_event_ring ring[AG_WORKERS_MAX];
	uint32_t n_rings;
	struct ag_access access;
	struct ag_export *export;   /* owned; NULL without otlp_endpoint */
	struct event *ev_tick, *ev_second, *ev_life, *ev_signal[5]; /* owned */
	bool is_leaving, is_orphaned;
	int64_t leave_by_us;        /* monotonic */
	int64_t turn_ends_us;       /* monotonic: signals and timers come before more events */
};

#endif
