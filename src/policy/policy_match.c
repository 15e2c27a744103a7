#include "policy/policy_match.h"

#include <stdio.h>

#include "base/attr.h"
#include "base/hash.h"

const char *
ag_policy_endpoint(enum ag_endpoint e)
{
	static const char *const names[AG_EP_RECORDED] = {
#define X(name, number, text) [number] = text,
#include "aigated/tbl/endpoints.h"
#undef X
	};

	return e < AG_EP_RECORDED ? names[e] : NULL;
}

/* ---- facts ---- */

void
ag_policy_uuid_text(const uint8_t uuid[16], char out[AG_POLICY_UUID])
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = hex[uuid[i] >> 4];
		out[at++] = hex[uuid[i] & 15];
	}
	out[at] = '\0';
}

/* A raw JSON string as it reads; false: not a proper one. */
static bool
read_string(struct ag_policy_facts *f, struct ag_str raw, struct ag_str *out)
{
	size_t from = f->decoded.n;

	if (ag_json_string_plain(raw, out))
		return true;
	/* Decoded it is never longer: with room for all of it, nothing moves. */
	if (ag_json_string_decode(raw, &f->decoded) < 0)
		return false;
	*out = ag_str_n(f->decoded.p + from, f->decoded.n - from);
	return true;
}

/* Scalars only, null is none: what a policy can compare. */
static void
read_metadata(struct ag_policy_facts *f, struct ag_str text)
{
	struct ag_json_iter it;
	struct ag_json_value v;

	if (text.n == 0)
		return;
	if (memchr(text.p, '\\', text.n) && !ag_buf_reserve(&f->decoded, text.n))
		return;
	ag_json_iter_init(&it, text);
	while (f->n_meta < AG_POLICY_META_MAX && ag_json_object_next(&it, &v) == 1) {
		struct ag_str name, value = ag_json_raw(it.text, v);

		if (v.type == AG_JSON_NULL || v.type == AG_JSON_OBJECT || v.type == AG_JSON_ARRAY ||
		    !read_string(f, ag_str_n(it.text.p + v.key_off, v.key_len), &name) ||
		    (v.type == AG_JSON_STRING && !read_string(f, value, &value)))
			continue;
		f->meta[f->n_meta].name = name;
		f->meta[f->n_meta++].value = value;
	}
}

void
ag_policy_facts_init(struct ag_policy_facts *f, const struct ag_policy_subject *s)
{
	int n;

	ag_policy_uuid_text(s->key_uuid, f->key);
	ag_policy_uuid_text(s->ws->uuid, f->workspace);
	ag_policy_uuid_text(ag_catalog_org_at(s->cat, s->ws->org_ix)->uuid, f->org);
	f->provider[0] = '\0';
	if (s->provider)
		ag_policy_uuid_text(s->provider->uuid, f->provider);
	f->workspace_slug = ag_catalog_text(s->cat, s->ws->slug);
	f->slug = s->provider ? ag_catalog_text(s->cat, s->provider->slug) : AG_STR_NONE;
	f->family = s->family;
	f->endpoint = ag_str(ag_policy_endpoint(s->endpoint));
	n = snprintf(f->model, sizeof(f->model), "@%.*s/%.*s", AG_STR_ARG(s->family),
	    AG_STR_ARG(s->model));
	f->model_len = s->model.n > 0 && n > 0 && (size_t)n < sizeof(f->model) ? (size_t)n : 0;
	f->n_meta = 0;
	ag_buf_init(&f->decoded, 4096);
	read_metadata(f, s->metadata);
}

void
ag_policy_facts_fini(struct ag_policy_facts *f)
{
	ag_buf_fini(&f->decoded);
}

/* ---- conditions ---- */

/* p NULL: the request has no such thing. */
static struct ag_str
fact_of(const struct ag_policy_facts *f, enum ag_rule_key key, struct ag_str name)
{
	switch (key) {
	case AG_RULE_API_KEY:
		return ag_str(f->key);
	case AG_RULE_METADATA:
		for (uint32_t i = 0; i < f->n_meta; i++)
			if (ag_str_eq(f->meta[i].name, name))
				return f->meta[i].value;
		break;
	case AG_RULE_WORKSPACE:
		return ag_str(f->workspace);
	case AG_RULE_ORG:
		return ag_str(f->org);
	case AG_RULE_VIRTUAL_KEY:
		return f->slug;
	case AG_RULE_PROVIDER:
		return f->family;
	case AG_RULE_MODEL:
		return ag_str_n(f->model_len > 0 ? f->model : NULL, f->model_len);
	case AG_RULE_ENDPOINT:
		return f->endpoint;
	case AG_RULE_KEYS:
		break;
	}
	return AG_STR_NONE;
}

static bool
is_hit(const struct ag_policy_facts *f, enum ag_rule_key key, struct ag_str fact, struct ag_str want)
{
	switch (key) {
	case AG_RULE_MODEL:
		if (want.n > 0 && want.p[want.n - 1] == '*')
			return ag_str_starts(fact, ag_str_n(want.p, want.n - 1));
		return ag_str_eq(fact, want);
	case AG_RULE_API_KEY:
	case AG_RULE_ORG:
		return ag_str_ieq(fact, want);
	case AG_RULE_WORKSPACE:
		return ag_str_ieq(fact, want) || ag_str_eq(f->workspace_slug, want);
	case AG_RULE_METADATA:
	case AG_RULE_VIRTUAL_KEY:
	case AG_RULE_PROVIDER:
	case AG_RULE_ENDPOINT:
	case AG_RULE_KEYS:
		break;
	}
	return ag_str_eq(fact, want);
}

/* Reads n texts off *left, all of them; whether one hits. */
static bool
any_hits(const struct ag_policy_facts *f, enum ag_rule_key key, struct ag_str fact,
    struct ag_str *left, uint32_t n)
{
	bool has_hit = false;
	struct ag_str want;

	for (uint32_t i = 0; i < n && ag_rule_text(left, &want); i++)
		has_hit = has_hit || is_hit(f, key, fact, want);
	return has_hit;
}

static bool
conditions_hold(const struct ag_catalog *cat, const struct ag_cat_policy *p,
    const struct ag_policy_facts *f)
{
	struct ag_str left = ag_catalog_text(cat, p->conditions);

	for (uint32_t i = 0; i < p->n_conditions; i++) {
		struct ag_rule_head h;
		struct ag_str fact;
		bool is_in, is_out;

		if (!ag_rule_condition(&left, &h))
			return false; /* cannot be: checked when the catalogue was loaded */
		fact = fact_of(f, h.key, h.name);
		is_in = any_hits(f, h.key, fact, &left, h.n_values) || h.is_any;
		is_out = any_hits(f, h.key, fact, &left, h.n_excludes);
		if (!fact.p || !is_in || is_out)
			return false;
	}
	return true;
}

/* ---- value key and id ---- */

static bool
put(struct ag_policy_key *k, struct ag_str s)
{
	if (s.n > sizeof(k->text) - k->n)
		return false;
	if (s.n > 0)
		memcpy(k->text + k->n, s.p, s.n);
	k->n += s.n;
	return true;
}

static const char *
key_name(enum ag_rule_key key)
{
	static const char *const names[AG_RULE_KEYS] = { [AG_RULE_API_KEY] = "api_key",
		[AG_RULE_METADATA] = "metadata.", [AG_RULE_WORKSPACE] = "workspace_id",
		[AG_RULE_ORG] = "organisation_id", [AG_RULE_VIRTUAL_KEY] = "virtual_key",
		[AG_RULE_PROVIDER] = "provider", [AG_RULE_MODEL] = "model",
		[AG_RULE_ENDPOINT] = "endpoint_type" };

	return names[key];
}

/* What a group counts by: of a provider its id, of a model "family.model". */
static bool
put_value(struct ag_policy_key *k, const struct ag_policy_facts *f, enum ag_rule_key key,
    struct ag_str name)
{
	struct ag_str fact = fact_of(f, key, name);

	if (!fact.p)
		return false;
	if (key == AG_RULE_VIRTUAL_KEY)
		return put(k, ag_str(f->provider));
	if (key != AG_RULE_MODEL)
		return put(k, fact);
	return put(k, f->family) && put(k, AG_STR(".")) &&
	    put(k, ag_str_skip(fact, f->family.n + 2));
}

/* SHA-256 of policy, texts, lengths of the parts: the lengths tell apart what reads alike. */
static int64_t
derived_id(int64_t policy_id, const struct ag_policy_key *k, const uint32_t *lengths, uint32_t n)
{
	uint8_t message[AG_POLICY_KEY_MAX + 8 + 4 * AG_RULE_GROUPS_MAX], digest[AG_SHA256_LEN];
	size_t at = 0;
	uint64_t h;

	memcpy(message, &policy_id, 8);
	at = 8;
	memcpy(message + at, lengths, n * sizeof(*lengths));
	at += n * sizeof(*lengths);
	memcpy(message + at, k->text, k->n);
	ag_sha256(message, at + k->n, digest);
	memcpy(&h, digest, sizeof(h));
	return (int64_t)(h >> 2) | AG_METER_DERIVED;
}

bool
ag_policy_match(const struct ag_catalog *cat, const struct ag_cat_policy *p,
    const struct ag_policy_facts *f, struct ag_policy_key *out)
{
	struct ag_str left = ag_catalog_text(cat, p->groups);
	uint32_t lengths[AG_RULE_GROUPS_MAX] = { 0 };

	if (!conditions_hold(cat, p, f))
		return false;
	out->n = 0;
	for (uint32_t i = 0; i < p->n_groups; i++) {
		enum ag_rule_key key;
		struct ag_str name;
		size_t from = out->n;

		if (!ag_rule_group(&left, &key, &name) ||
		    (i > 0 && !put(out, AG_STR("-"))) || !put(out, ag_str(key_name(key))) ||
		    !put(out, name) || !put(out, AG_STR(":")) || !put_value(out, f, key, name))
			return false;
		lengths[i] = (uint32_t)(out->n - from);
	}
	if (p->n_groups == 0 && !put(out, AG_STR("default")))
		return false;
	out->id = derived_id(p->id, out, lengths, p->n_groups);
	return true;
}

/* ---- what would bind ---- */

/* Once each, however many rules ask for it. */
static void
note_dependence(struct ag_buf *depends, enum ag_rule_key key, struct ag_str name)
{
	char text[AG_RULE_TEXT_MAX + 16];
	struct ag_str left = ag_buf_str(depends);
	int n = snprintf(text, sizeof(text), "%s%.*s", key_name(key), AG_STR_ARG(name));
	struct ag_str one = ag_str_n(text, n > 0 && (size_t)n < sizeof(text) ? (size_t)n : 0);

	while (left.n > 0) {
		const char *comma = memchr(left.p, ',', left.n);
		size_t len = comma ? (size_t)(comma - left.p) : left.n;

		if (ag_str_eq(ag_str_n(left.p, len), one))
			return;
		left = ag_str_skip(left, len + (comma != NULL));
	}
	if (depends->n > 0)
		ag_buf_putc(depends, ',');
	ag_buf_put_str(depends, one);
}

enum ag_policy_binding
ag_policy_binds(const struct ag_catalog *cat, const struct ag_cat_policy *p,
    const struct ag_policy_facts *f, struct ag_policy_key *out, struct ag_buf *depends)
{
	struct ag_str left = ag_catalog_text(cat, p->conditions);

	depends->n = 0;
	for (uint32_t i = 0; i < p->n_conditions; i++) {
		struct ag_rule_head h;
		struct ag_str fact;
		bool is_in, is_out;

		if (!ag_rule_condition(&left, &h))
			return AG_POLICY_APART;
		fact = fact_of(f, h.key, h.name);
		is_in = any_hits(f, h.key, fact, &left, h.n_values) || h.is_any;
		is_out = any_hits(f, h.key, fact, &left, h.n_excludes);
		if (!fact.p)
			note_dependence(depends, h.key, h.name);
		else if (!is_in || is_out)
			return AG_POLICY_APART;
	}
	left = ag_catalog_text(cat, p->groups);
	for (uint32_t i = 0; i < p->n_groups; i++) {
		enum ag_rule_key key;
		struct ag_str name;

		if (!ag_rule_group(&left, &key, &name))
			return AG_POLICY_APART;
		if (!fact_of(f, key, name).p)
			note_dependence(depends, key, name);
	}
	if (depends->n > 0)
		return AG_POLICY_DEPENDS;
	return ag_policy_match(cat, p, f, out) ? AG_POLICY_BINDS : AG_POLICY_APART;
}
