/* policies.c - the policies of a request's workspace: which apply, and their meters in shared memory.
 * Meters appear with their first use; see limit/policy_meter.h for how they come and go. */
#include <errno.h>

#include "limit/policy_meter.h"
#include "policy/policy_match.h"
#include "shm/counters.h"
#include "worker/request.h"

static struct ag_meter_def
def_of(const struct ag_req_policy *p)
{
	return (struct ag_meter_def){
		.id = p->meter_id,
		.kind = (enum ag_meter_kind)p->row->kind,
		.unit = (enum ag_unit)p->row->unit,
		.level = AG_LEVEL_POLICY,
		.limit = p->row->limit,
		.alert_at = p->row->alert_at,
		.window_us = p->row->window_us,
		.period_kind = (enum ag_period_kind)p->row->period_kind,
		.period_days = p->row->period_days,
		.anchor_day = p->row->anchor_day,
		.enforcement = (enum ag_enforcement)p->row->enforcement,
		.on_exhaust = (enum ag_exhaust)p->row->on_exhaust,
		.owner = p->row->id,
		.name = p->value_key,
	};
}

static struct ag_str
uuid_of(struct ag_req *r, const struct ag_cat_policy *row, const char *before, const char *behind,
    struct ag_str rest)
{
	char uuid[AG_UUID_TEXT];
	struct ag_str out;
	struct ag_buf b;

	ag_uuid_text(row->uuid, uuid);
	ag_buf_init(&b, 16384);
	ag_buf_puts(&b, before);
	ag_buf_puts(&b, uuid);
	ag_buf_puts(&b, behind);
	ag_buf_put_str(&b, rest);
	out = ag_arena_dup(&r->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return out;
}

static enum ag_verdict
use_meter(struct ag_req *r, struct ag_req_policy *p, struct ag_str *out_detail)
{
	struct ag_meter_def def = def_of(p);
	int rc = ag_policy_meter_use(r->w->shm, &def, &p->meter_ix);

	if (rc == 0)
		return AG_ALLOW;
	if (rc == -ENOSPC) {
		ag_count(AG_CNT_policy_meters_full);
		*out_detail = uuid_of(r, p->row, "the table of limits has no room for another value of policy ",
		    ", see max_meters", AG_STR_NONE);
	} else {
		*out_detail = uuid_of(r, p->row, "the meter of policy ", " cannot be reached", AG_STR_NONE);
	}
	return AG_DENY_NO_CAPACITY;
}

/* Behind the other meters, which refuse first.  One that is made and then refused by another stays
 * blank, and is cleared away. */
static enum ag_verdict
add_policy(struct ag_req *r, const struct ag_cat_policy *row, const struct ag_policy_key *key,
    struct ag_str *out_detail)
{
	struct ag_req_policy *p = &r->policy[r->n_policies];
	enum ag_verdict v;

	if (r->n_meters == AG_HOLDS_MAX) {
		*out_detail = uuid_of(r, row, "policy ", "", AG_STR_NONE);
		return AG_DENY_TOO_MANY_LIMITS;
	}
	*p = (struct ag_req_policy){ .row = row, .meter_id = key->id,
		.value_key = ag_arena_dup(&r->arena, ag_str_n(key->text, key->n)) };
	v = use_meter(r, p, out_detail);
	if (v != AG_ALLOW)
		return v;
	r->n_policies++;
	r->meters[r->n_meters++] = p->meter_ix;
	return AG_ALLOW;
}

enum ag_verdict
ag_req_policies(struct ag_req *r, struct ag_str *out_detail)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	struct ag_policy_subject subject = {
		.cat = cat, .ws = r->ws, .provider = r->target.provider,
		.family = ag_str(r->target.family->name), .model = r->target.model,
		.endpoint = r->endpoint, .key_uuid = r->key.uuid, .metadata = r->metadata,
	};
	enum ag_verdict v = AG_ALLOW;
	struct ag_policy_facts facts;
	struct ag_policy_key key;
	uint32_t n;
	const struct ag_cat_policy *row = ag_catalog_policies(cat, r->ws, &n);

	r->n_policies = 0;
	if (n == 0)
		return AG_ALLOW;
	ag_policy_facts_init(&facts, &subject);
	for (uint32_t i = 0; i < n && v == AG_ALLOW; i++)
		if (ag_policy_match(cat, &row[i], &facts, &key))
			v = add_policy(r, &row[i], &key, out_detail);
	ag_policy_facts_fini(&facts);
	return v;
}

enum ag_verdict
ag_req_policies_again(struct ag_req *r, bool *out_moved, struct ag_str *out_detail)
{
	uint32_t first = r->n_meters - r->n_policies;

	*out_moved = false;
	for (uint32_t i = 0; i < r->n_policies; i++) {
		struct ag_req_policy *p = &r->policy[i];
		bool was_going = ag_policy_meter_is_going(ag_metertab_at(r->w->shm, p->meter_ix), p->meter_id);
		enum ag_verdict v;

		if (!was_going)
			continue;
		v = use_meter(r, p, out_detail);
		if (v != AG_ALLOW)
			return v;
		r->meters[first + i] = p->meter_ix;
		*out_moved = true;
	}
	return AG_ALLOW;
}

bool
ag_req_policies_held(const struct ag_req *r, const struct ag_inflight *slot)
{
	uint32_t n = ag_a32_get(&slot->progress);

	for (uint32_t i = 0; i < r->n_policies; i++) {
		bool is_held = false;

		for (uint32_t h = 0; h < n && !is_held; h++)
			is_held = slot->holds[h].meter_id == r->policy[i].meter_id;
		if (!is_held)
			return false;
	}
	return true;
}

struct ag_str
ag_req_policy_name(struct ag_req *r, uint32_t meter_ix)
{
	for (uint32_t i = 0; i < r->n_policies; i++)
		if (r->policy[i].meter_ix == meter_ix)
			return uuid_of(r, r->policy[i].row, "", "\n", r->policy[i].value_key);
	return AG_STR_NONE;
}
