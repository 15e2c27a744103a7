/* readback.h - everything that binds one API key, as it stands, for the key's holder to read.
 *
 * Reads shared memory and the catalogue; takes nothing, changes nothing.  What a worker answers to
 * GET /v1/limits and control to GET /v1/usage and GET /v1/api-keys/{id}/limits:
 *
 *   "status": "active",              worst of what binds every request of the key; of grants and
 *                                    providers it counts when it binds all that can be called
 *   "limits": [{
 *     "scope": "api_key",            or workspace, integration (its grant), provider, organisation,
 *                                    policy
 *     "name": "...",                 key, policy: its id; others: slug; organisation: its name
 *     "value_key": "model:openai.x", of a policy: what is counted apart; not there when that depends
 *                                    on the request: then used, held, remaining are null and
 *     "depends_on": ["model"],       says on what of it
 *     "kind": "budget",              or rate, concurrency
 *     "type": "cost",                what is counted: cost (US dollars), tokens, requests
 *     "period": "monthly",           budgets: none, weekly, monthly, days (then "period_days": N)
 *     "enforcement": "adaptive",     budgets: strict, adaptive (then "on_exhaust": cut or finish), shadow
 *     "bound": 0.02,                 budgets: by how much what is in flight can still pass the limit,
 *                                    at most; strict 0, shadow null
 *     "would_refuse": 3,             shadow: requests strict would have refused
 *     "unit": "rpm", "window_s": 60, rates; a rate of tokens has the same units
 *     "limit": 12.5,                 null: counted, not limited
 *     "used": 0.00042,               budgets: settled; rates: admitted in the window ending now;
 *                                    concurrency: open now
 *     "held": 0.01,                  budgets: reserved by requests in flight
 *     "remaining": 12.48958,         limit - used - held, never negative
 *     "alert_threshold": 10,         only where there is one
 *     "resets_at": "2026-12-01T...", budgets: next period, null never; rates: when the window is
 *                                    empty if nothing more comes
 *     "status": "active"             exhausted: a budget is used up (limit/alert.h); limited:
 *                                    nothing is left now, waiting helps
 *   }]
 *
 * Amounts are exact decimals. */
#ifndef AG_POLICY_READBACK_H
#define AG_POLICY_READBACK_H

#include "aigated/shm_layout.h"
#include "base/buf.h"
#include "catalog/catalog.h"
#include "policy/route.h"
#include "shm/segment.h"

/* What is known of the requests that are asked about. */
struct ag_readback_about {
	struct ag_str metadata;         /* merged (policy/metadata.h), or empty */
	const struct ag_target *target; /* NULL: any */
};

/* Appends the two members above, without braces around them.  cat may be NULL: the key's own
 * limits alone.  A list longer than the buffer's ceiling fails the buffer. */
void ag_readback_put(struct ag_buf *out, const struct ag_shm *shm, const struct ag_catalog *cat,
    const struct ag_key *key, const struct ag_readback_about *about, int64_t now_us);

#endif
