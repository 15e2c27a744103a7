/* policy_match.h - whether a policy applies to a request, and to which of its meters.
 *
 * Pure: a catalogue, a request's facts, a policy in; yes or no, a value key and a meter id out.
 * All conditions must hold; of a condition's values one must; a hit among its excludes, or a fact
 * that the request does not have, and the policy does not apply.  The same holds for what it groups by.
 *
 * The value key is for people: "key:value" joined by "-", "default" without groups.  The id is made
 * of the policy and of a form of the same parts in which no value can pass for two. */
#ifndef AG_POLICY_POLICY_MATCH_H
#define AG_POLICY_POLICY_MATCH_H

#include "aigated/record.h"
#include "catalog/catalog.h"
#include "base/buf.h"
#include "catalog/rules.h"
#include "http/json_scan.h"

#define AG_POLICY_KEY_MAX  8192u /* bytes of a value key */
#define AG_POLICY_META_MAX 64u   /* members of the metadata that are looked at */
#define AG_POLICY_UUID     37u

/* What is known of a request once its target is chosen.  Everything borrowed.  Before that, for those
 * who only ask what would bind them: provider NULL, family and model empty, AG_EP_NONE. */
struct ag_policy_subject {
	const struct ag_catalog *cat;
	const struct ag_cat_workspace *ws;
	const struct ag_cat_provider *provider;
	struct ag_str family;        /* "openai" */
	struct ag_str model;         /* as the provider is asked for it */
	enum ag_endpoint endpoint;
	const uint8_t *key_uuid;     /* 16 bytes */
	struct ag_str metadata;      /* merged: a JSON object, or empty */
};

/* The same, as texts to compare: made once for all policies of a request. */
struct ag_policy_facts {
	char key[AG_POLICY_UUID], workspace[AG_POLICY_UUID], org[AG_POLICY_UUID];
	char provider[AG_POLICY_UUID];
	struct ag_str slug, family, endpoint, workspace_slug;
	char model[640];             /* "@family/model" */
	size_t model_len;            /* 0: too long to be compared, as good as absent */
	struct { struct ag_str name, value; } meta[AG_POLICY_META_MAX];
	uint32_t n_meta;
	struct ag_buf decoded;       /* names and values that were written with escapes */
};

void ag_policy_facts_init(struct ag_policy_facts *f, const struct ag_policy_subject *s);
void ag_policy_facts_fini(struct ag_policy_facts *f);

struct ag_policy_key {
	char text[AG_POLICY_KEY_MAX];
	size_t n;
	int64_t id;                  /* at least AG_METER_DERIVED */
};

/* Whether the policy applies; out is written then. */
bool ag_policy_match(const struct ag_catalog *cat, const struct ag_cat_policy *p,
    const struct ag_policy_facts *f, struct ag_policy_key *out);

enum ag_policy_binding {
	AG_POLICY_APART,   /* it does not apply, whatever else the request has */
	AG_POLICY_BINDS,   /* it applies; out of ag_policy_binds() is written */
	AG_POLICY_DEPENDS, /* on what is not known: named in depends, "metadata.user,model" */
};
enum ag_policy_binding ag_policy_binds(const struct ag_catalog *cat, const struct ag_cat_policy *p,
    const struct ag_policy_facts *f, struct ag_policy_key *out, struct ag_buf *depends);

void ag_policy_uuid_text(const uint8_t uuid[16], char out[AG_POLICY_UUID]);

/* How a request's endpoint is called in a condition ("chatComplete"); NULL: it has no name. */
const char *ag_policy_endpoint(enum ag_endpoint e);

#endif
