/* chat_check.h - a chat against what a provider's protocol has a place for, object by object.
 *
 * Each build says so in one table; what is in neither of its columns is refused by name before a byte is
 * written.  What all of them know (roles, texts, names of functions) is said here, once. */
#ifndef AG_TRANSLATE_CHAT_CHECK_H
#define AG_TRANSLATE_CHAT_CHECK_H

#include "translate/fields.h"
#include "translate/protocol.h"

struct ag_chat_fields {
	struct ag_fields chat;
	struct ag_fields message;
	struct ag_fields part;      /* beside its type and what the type names */
	struct ag_fields image;     /* image_url, beside url */
	struct ag_fields file;
	struct ag_fields tool;      /* beside type and function */
	struct ag_fields function;  /* beside name, description, parameters */
	struct ag_fields call;      /* beside id, type and function */
	struct ag_fields schema;    /* response_format.json_schema, beside schema */
	unsigned stops_max;         /* 0: as many as there are */
	unsigned n_max;             /* choices */
};

/* What the members of a chat are. */
extern const struct ag_kind ag_chat_kinds[];

/* -EINVAL with err: what is asked for and not taken.  by: NULL, the family's name. */
int ag_chat_check(const struct ag_build_in *in, const struct ag_chat_fields *f, const char *by,
    struct ag_err *err) AG_MUST_CHECK;

/* -EINVAL with err: there is no such service_tier at the provider's. */
int ag_chat_refuse_tier(const struct ag_build_in *in, struct ag_err *err) AG_MUST_CHECK;

/* "temperature", "top_p" or "top_k"; NULL: not said, or to a model that takes none. */
struct json_object *ag_chat_sampling(const struct ag_build_in *in, const char *name);

/* Is the tool one of those that may be called?  choice: tool_choice, or none. */
bool ag_chat_is_allowed(struct json_object *choice, struct ag_str name);

#endif
