/* limits.h - usage_limits and rate_limits: from JSON to meters and back.
 *
 * The JSON an admin gave stands, normalised, beside its owner; each limit in it has one meter.  They
 * find each other by what they are: a budget by unit and period, a rate by unit and window,
 * which is why one owner cannot have two of the same. */
#ifndef AG_CONTROL_LIMITS_H
#define AG_CONTROL_LIMITS_H

#include "control/call.h"

/* A limit as wanted. */
struct ag_limit {
	enum ag_meter_kind kind;
	enum ag_unit unit;
	int64_t limit;        /* INT64_MAX: counted, not limited */
	int64_t alert_at;     /* INT64_MAX none */
	int64_t window_us;    /* rates */
	enum ag_period_kind period_kind;
	uint32_t period_days;
	int32_t anchor_day;   /* of AG_PERIOD_DAYS; INT32_MIN: today, or as it stands */
	enum ag_enforcement enforcement; /* budgets */
	enum ag_exhaust on_exhaust;
};

struct ag_limits {
	struct ag_limit row[AG_KEY_METERS_MAX];
	uint32_t n;
};

/* Which shape an owner's usage_limits have. */
enum ag_limits_shape { AG_LIMITS_OBJECT, AG_LIMITS_ARRAY, AG_LIMITS_ARRAY_OF_ONE };

/* Members of a body.  *out_norm: what to store (owned by the caller; NULL for null or none).
 * AG_FIELD_BAD: answered. */
int ag_limits_usage_member(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_limits_shape shape, bool *out_present, struct json_object **out_norm) AG_MUST_CHECK;
int ag_limits_rate_member(struct ag_call *c, struct json_object *obj, const char *path,
    enum ag_limits_shape shape, bool *out_present, struct json_object **out_norm) AG_MUST_CHECK;

/* The limit a policy's body says, its members standing in the body itself.  < 0: answered. */
int ag_limits_policy_usage(struct ag_call *c, struct json_object *obj,
    struct ag_limit *out) AG_MUST_CHECK;
int ag_limits_policy_rate(struct ag_call *c, struct json_object *obj,
    struct ag_limit *out) AG_MUST_CHECK;
/* What they are called, in the API and in PostgreSQL. */
extern const char *const ag_enforcement_names[];
extern const char *const ag_exhaust_names[];
/* Members enforcement, on_exhaust, bound and would_refuse of a budget that is shown; ix: its meter's slot,
 * AG_NONE_IX none. */
void ag_limits_add_mode(struct json_object *obj, const struct ag_shm *shm, uint32_t ix,
    enum ag_enforcement mode, enum ag_exhaust on_exhaust, enum ag_unit unit);
/* An amount as the API shows it: dollars, tokens, requests. */
struct json_object *ag_limits_amount(int64_t v, enum ag_unit unit);

/* Stored JSON (as the members above made it; NULL none) as limits.  -E2BIG: more than there may be. */
int ag_limits_from_stored(struct json_object *usage, struct json_object *rates,
    struct ag_limits *out) AG_MUST_CHECK;

/* In the answer `obj` of an owner: usage_limits get current_usage (settled), held, remaining,
 * next_usage_reset_at and status (exhausted: see limit/alert.h); inner members go.  meters: rows of
 * SQL_METERS_OF for this scope id, or NULL.  Returns whether a budget is used up. */
bool ag_limits_decorate(struct ag_call *c, struct json_object *obj, const PGresult *meters,
    int64_t scope_id);

#endif
