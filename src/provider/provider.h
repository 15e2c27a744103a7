/* provider.h - what the gateway must know of a provider family: where it lives, how it is
 * authenticated, which paths it serves, and how its answers tell what they cost.
 *
 * registry.c is the table; a family that speaks its own protocol has a file of its own.  All
 * functions are pure over bytes; nothing here does I/O.  Format: the providers' published API
 * descriptions. */
#ifndef AG_PROVIDER_PROVIDER_H
#define AG_PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "aigated/record.h"
#include "aigated/usage.h"
#include "base/str.h"

enum ag_auth {
	AG_AUTH_NONE,
	AG_AUTH_BEARER, /* Authorization: Bearer KEY */
	AG_AUTH_API_KEY, /* api-key: KEY */
};

#define AG_PF_INCLUDE_USAGE 1u /* takes stream_options.include_usage */
#define AG_PF_CUSTOM_HOST   2u /* has no public host: custom_host is required */
#define AG_PF_REASONING_OUTSIDE 4u /* completion_tokens excludes reasoning when the total says so */
#define AG_PF_COST_IN_USAGE 8u /* usage.cost is the charge, in USD */
#define AG_PF_MAX_COMPLETION 16u /* knows max_completion_tokens */

/* What an answer told about itself; grows while a stream passes. */
struct ag_answer {
	struct ag_usage usage;
	bool has_usage;
	bool has_done;         /* the terminator came */
	bool has_error;        /* an error event came in the stream */
	uint64_t content_events; /* events with content seen */
	uint64_t content_bytes; /* bytes of their text, about: bounds the tokens received */
	char model[128];       /* model that served, "" unknown */
	char id[96];
	char finish_reason[32];
	char error_type[64];
};

struct ag_provider {
	const char *name;      /* as in ai_provider_id */
	const char *base_url;  /* NULL: custom_host required */
	enum ag_auth auth;
	uint32_t flags;        /* AG_PF_... */
	const char *chat, *completion, *embedding; /* paths behind the base, NULL: not served */
	/* A whole answer body of a 2xx. */
	void (*on_body)(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
	/* One event of a stream; true: the event only carries usage that nobody asked for, so it may
	 * be withheld. */
	bool (*on_event)(const struct ag_provider *p, struct ag_str data, struct ag_answer *a);
	/* Error body: type and message for the log and the ledger. */
	void (*on_error)(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
};

/* NULL: not a family we speak. */
const struct ag_provider *ag_provider_find(struct ag_str name);
const struct ag_provider *ag_provider_at(uint32_t ix); /* NULL behind the last */

/* Path behind the base URL for an endpoint; NULL: the family does not serve it. */
const char *ag_provider_path(const struct ag_provider *p, enum ag_endpoint ep);

/* OpenAI format, shared by every compatible family. */
void ag_openai_on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);
bool ag_openai_on_event(const struct ag_provider *p, struct ag_str data, struct ag_answer *a);
void ag_openai_on_error(const struct ag_provider *p, struct ag_str body, struct ag_answer *a);

#endif
