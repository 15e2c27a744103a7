/* guard.h - whether a request passes the checks of a guardrail.
 *
 * Pure: bytes of catalog/guard.h and a request's facts in; a verdict, and what is told of it, out.
 * A check passes, fails, or cannot be decided (an error): then it fails or passes as its parameter
 * failOnError says, else as the gateway is told to.  What the metadata has as null it does not have. */
#ifndef AG_POLICY_GUARD_H
#define AG_POLICY_GUARD_H

#include "aigated/record.h"
#include "catalog/guard.h"

/* Everything borrowed. */
struct ag_guard_subject {
	struct ag_str model;       /* as the provider is asked for it */
	struct ag_str slug;        /* of its provider: a list may name "@slug/model" too */
	struct ag_str metadata;    /* merged: a JSON object, or empty */
	enum ag_endpoint endpoint; /* AG_EP_NONE: any of them will do, for a list of models */
	bool is_stream;
	bool errors_pass;          /* of checks that do not say so themselves */
};

/* Whether the request may go on as far as this guardrail is concerned: it does not deny, or passes. */
bool ag_guard_allows(const struct ag_guard *g, const struct ag_guard_subject *s);
/* The verdict; appends the result as a JSON object, made at the time `at` (ISO 8601). */
bool ag_guard_report(const struct ag_guard *g, const struct ag_guard_subject *s, const char *at,
    struct ag_buf *out);

#endif
