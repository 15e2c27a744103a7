/* control.h - the control process: what its files share.
 *
 * One process, one thread, one libpq connection.  PostgreSQL is the truth; the key table, the
 * catalogue and the limits in shared memory are what it says, published here and nowhere else. */
#ifndef AG_CONTROL_CONTROL_H
#define AG_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "aigated/role.h"
#include "base/err.h"
#include "base/list.h"

struct event;
struct event_base;
struct evhttp;
struct ag_alerts;
struct ag_exports;
struct ag_gate;
struct ag_keytab_writer;
struct ag_metrics;
struct ag_pg;
struct ag_throttle;
struct ag_reader;
struct ag_secret_asks;

struct ag_control {
	struct ag_role_ctx *ctx;          /* borrowed */
	struct event_base *base;          /* owned */
	struct ag_pg *pg;                 /* owned */
	struct ag_keytab_writer *keys;    /* owned */
	struct ag_alerts *alerts;         /* owned */
	struct ag_throttle *throttle;     /* owned */
	struct ag_gate *gate;             /* owned: failed authentications */
	struct ag_reader *reports;        /* owned: what takes long to read, beside pg */
	struct ag_exports *exports;       /* owned */
	struct ag_secret_asks *asks;      /* owned: of vaults */
	struct ag_list refreshes;         /* secret_refresh.c: answers of vaults that are waited for */
	struct ag_metrics *metrics;       /* owned */
	struct evhttp *workers;           /* owned: requests forwarded by workers */
	struct evhttp *operators;         /* owned: aigatectl */
	struct event *tick;               /* owned: once a second */
	struct event *loader;             /* owned: tries to load until it worked */
	bool is_loaded;     /* shared memory agrees with PostgreSQL, as far as we know */
	bool is_draining;
	uint32_t freed_meters; /* slots given back since the last sweep */
	uint32_t idle_sweeps;
	int64_t loaded_at_us;
	int64_t rotations_at_us; /* monotonic: when to look whether keys are due for new secrets */
	int64_t secrets_at_us; /* monotonic: when to look whether secrets kept elsewhere are to be read */
	uint32_t shadow_noted; /* hdr.would_refuse when shadow.c had stored all */
	uint32_t values_noted; /* hdr.policy_made when policy_values.c had noted all */
};

/* Why an admin call cannot be served now, or NULL. */
const char *ag_control_why_not(const struct ag_control *ctl);
/* Loads everything from PostgreSQL now; what it publishes is seen by the next request. */
int ag_control_load(struct ag_control *ctl, struct ag_err *err) AG_MUST_CHECK;
/* A commit whose outcome is unknown, or a step behind it that failed: load everything anew. */
void ag_control_must_load(struct ag_control *ctl, const char *why);

#endif
