/* plan.h - from what a file says and what stands to the calls that make one of the other.
 *
 * live.c reads what stands and gives it the form of the file: workspaces by slug, configs and guardrails by name,
 * persons by address.  compare.c tells what differs.  plan.c makes steps, apply.c shows and takes them. */
#ifndef AIGATECTL_PLAN_H
#define AIGATECTL_PLAN_H

#include "tools/aigatectl/noun.h"

#define CTL_NOUNS_MAX 32

struct ctl_live {
	struct json_object *of[CTL_NOUNS_MAX]; /* owned: arrays by number of the noun; an object of single ones */
	struct json_object *names;             /* owned: what the API calls a thing -> what the file does */
	struct json_object *handles;           /* owned: "noun\nworkspace\nname" -> what the API calls it */
	struct json_object *invites;           /* owned: those that wait, where users are read */
	char organisation_id[40];
};

enum ctl_step_op { CTL_STEP_CREATE, CTL_STEP_UPDATE, CTL_STEP_DELETE };

struct ctl_step {
	enum ctl_step_op op;
	const struct ctl_noun *noun;
	char *label, *path, *workspace;  /* owned; workspace: where names in the body are looked up */
	const char *method;
	char etag[CTL_ETAG_MAX];         /* of what the step was planned on, "" none */
	struct json_object *body;        /* owned; NULL none */
	struct json_object *changes;     /* owned: [{member, from, to} or {member, secret}] */
	struct json_object *at;          /* borrowed: item of the file, NULL none */
	bool has_name;                   /* what it makes is known by body.name */
};

struct ctl_plan {
	struct ctl *ctl;
	const char *path;                /* of the file, for messages */
	struct json_object *file;        /* owned */
	struct ctl_live live;
	struct ctl_step *v;              /* owned */
	size_t n, cap;
	struct json_object *late;        /* owned: [[item, defaults]] of workspaces, for the end */
	unsigned n_same;
	bool is_pruning, resends_secrets;
};

/* ---- live.c ---- */

/* Reads the nouns whose plural is a member of file; all when file is NULL, with all they hold. */
enum ctl_exit ctl_live_read(struct ctl *ctl, struct json_object *file, struct ctl_live *live);
void ctl_live_fini(struct ctl_live *live);
/* One thing in the form of the file; in place. */
void ctl_live_normal(const struct ctl_live *live, const struct ctl_noun *noun, struct json_object *o);
void ctl_live_learn(struct ctl_live *live, const struct ctl_noun *noun, const char *workspace, const char *name,
                    const char *handle);
/* The other way: names in a body become what the API calls them; in place. */
void ctl_live_refer(const struct ctl_live *live, const char *workspace, struct json_object *body);
/* Grants, models and members of one, added to it as members; `whole` NULL: all, else those it names. */
enum ctl_exit ctl_live_subs(struct ctl *ctl, const struct ctl_live *live, const struct ctl_noun *noun,
                            struct json_object *o, struct json_object *whole);
/* uuid of a person, by address or as it is; NULL. */
const char *ctl_live_user(const struct ctl_live *live, const char *email);

/* ---- compare.c ---- */

/* Nothing: absent, null, "", [] and {}. */
bool ctl_is_nothing(struct json_object *o);
/* Whether the member `name` says what stands already. */
bool ctl_is_same(const char *name, struct json_object *want, struct json_object *have);
/* What `want` says of member `name` and `have` does not; adds to changes. */
void ctl_compare(const struct ctl_noun *noun, const char *name, struct json_object *want, struct json_object *have,
                 bool resends_secrets, struct json_object *changes);

/* ---- plan.c ---- */

enum ctl_exit ctl_plan_make(struct ctl_plan *plan);
void ctl_plan_fini(struct ctl_plan *plan);
/* Body and changes are taken; path and label copied. */
struct ctl_step *ctl_plan_add(struct ctl_plan *plan, enum ctl_step_op op, const struct ctl_noun *noun,
                              const char *label, const char *method, const char *path, struct json_object *body);
/* plan_subs.c: of an item that stands (have) or will (NULL). */
enum ctl_exit ctl_plan_subs(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *want,
                            struct json_object *have);

/* plan_users.c: all the file says of persons, and what stands. */
enum ctl_exit ctl_plan_users(struct ctl_plan *plan, const struct ctl_noun *noun, struct json_object *users,
                             struct json_object *said);
/* Whether the file has the person among its users. */
bool ctl_plan_has_user(const struct ctl_plan *plan, const char *email);

#endif
