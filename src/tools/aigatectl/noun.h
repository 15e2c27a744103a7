/* noun.h - the nouns of the admin API in one table: where each is listed, made, changed and deleted, what it
 * is known by and what may be said of it.  Generic commands, completion, apply and export all read it. */
#ifndef AIGATECTL_NOUN_H
#define AIGATECTL_NOUN_H

#include "tools/aigatectl/ctl.h"

enum ctl_verb {
	CTL_VERB_LIST = 1,
	CTL_VERB_SHOW = 2,
	CTL_VERB_CREATE = 4,
	CTL_VERB_UPDATE = 8,
	CTL_VERB_DELETE = 16,
	CTL_VERBS = 31,
};

enum ctl_home {
	CTL_HOME_ORG,       /* of the organisation */
	CTL_HOME_WORKSPACE, /* of the workspace that `workspace_id` names */
	CTL_HOME_EITHER,    /* of a workspace, or of the organisation where none is named */
	CTL_HOME_QUERY,     /* of a workspace, which every call names in its query */
	CTL_HOME_PARENT,    /* below another noun: path holds a {} for its name */
};

struct ctl_noun {
	const char *name;     /* word of the commands */
	const char *plural;   /* member of the file; NULL: is in no file */
	const char *path;     /* one of them is at path/handle */
	const char *make;     /* POST there; NULL: path */
	const char *list;     /* member of the list's answer; NULL: there is exactly one, at path */
	const char *identity; /* member that tells them apart where they are at home */
	const char *handle;   /* member that stands in the path of one */
	const char *wrap;     /* create: the body is {wrap: [one]}; NULL: it is the one */
	const char *parent;   /* option that names the parent, with CTL_HOME_PARENT */
	enum ctl_home home;
	unsigned verbs;       /* enum ctl_verb */
	bool is_short;        /* the list leaves members out: each is read alone */
	bool is_upsert;       /* created and updated alike: PUT path {wrap: [one]} */
	/* Words separated by blanks. */
	const char *members;  /* that may be written; the order of an export */
	const char *fixed;    /* that are said once and for all */
	const char *secrets;  /* with dots: go in, and come out masked or not at all */
	const char *subs;     /* of members: what is kept below the noun */
	const char *columns;  /* of a list in a table */
};

/* In the order in which they depend on one another; NULL behind the last. */
const struct ctl_noun *ctl_noun_at(size_t i);
const struct ctl_noun *ctl_noun_find(const char *name);
const char *ctl_verb_name(enum ctl_verb verb);
/* Whether `word` is one of the words. */
bool ctl_has_word(const char *words, const char *word, size_t n);

/* " --option" of each that it takes with that verb. */
void ctl_noun_options(const struct ctl_noun *noun, enum ctl_verb verb, struct ag_buf *b);
/* What of the API's path a person means by a name; home as for ctl_noun_path().  The text is the caller's. */
enum ctl_exit ctl_noun_handle(struct ctl *ctl, const struct ctl_noun *noun, const char *home, const char *name,
                              char **out);
/* What comes of `aigatectl NOUN VERB ...` where there is no command of that name.  False: no such noun or
 * verb. */
bool ctl_noun_run(struct ctl *ctl, int argc, char **argv, enum ctl_exit *out);

/* All of a noun at home in `workspace` (CTL_HOME_QUERY, else NULL) or below `parent`; the array is the caller's. */
enum ctl_exit ctl_noun_list(struct ctl *ctl, const struct ctl_noun *noun, const char *home,
                            struct json_object **out);
/* Path of one, or of all with handle NULL; valid until the next call. */
const char *ctl_noun_path(const struct ctl_noun *noun, const char *home, const char *handle);

/* The masks the daemon shows for a secret and `secret` agree as far as they tell. */
bool ctl_is_masked_as(const char *secret, const char *mask);

#endif
