/* objects.h - objects that a provider keeps: which of them a request makes or names.
 *
 * Workspaces that share an integration share its account.  What a request makes there is noted as its
 * workspace's (shm/objtab.h), and nobody else may name it.  Here stands how paths and bodies are read for
 * that: one table of what is known of providers' paths; a path that is not in it is known to nobody.
 * Pure. */
#ifndef AG_POLICY_OBJECTS_H
#define AG_POLICY_OBJECTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "provider/provider.h"
#include "shm/objtab.h"

enum ag_object_use {
	AG_OBJECTS_UNKNOWN, /* nobody here knows whose objects it may show */
	AG_OBJECTS_NONE,    /* keeps nothing, shows nothing that is kept */
	AG_OBJECTS_MAKE,    /* makes one: the id is the answer's */
	AG_OBJECTS_LIST,    /* shows all there are in the account */
	AG_OBJECTS_ONE,     /* the one of this id, or what is in it */
};

enum ag_object_work {
	AG_WORK_COUNTED,    /* the answer tells what it cost */
	AG_WORK_FREE,       /* costs nothing: reading, deleting, sending a file */
	AG_WORK_UNCOUNTED,  /* costs, now or later, and no answer tells how much */
};

struct ag_object_call {
	enum ag_object_use use;
	enum ag_object_work work;
	struct ag_str id;           /* ONE; in the path */
	enum ag_object_kind becomes; /* MAKE: kept or fleeting; ONE: gone, when it is deleted */
	bool brings;                /* ONE: others may come with it: ag_object_come_with() */
};

/* A path behind /v1 without its query; has_model: the body names the model that is to do the work. */
void ag_object_call_read(const struct ag_provider *family, struct ag_str method, struct ag_str path,
    bool has_model, struct ag_object_call *out);

/* Calls fn for each id of a kept object that a JSON body names, however deep, decoded: b holds it.  Stops
 * at the first that fn does not return 0 for and returns that; -EINVAL: cannot be read, which names any. */
typedef int ag_object_fn(void *arg, struct ag_str id);
int ag_object_ids(struct ag_str body, struct ag_buf *b, ag_object_fn *fn, void *arg) AG_MUST_CHECK;

/* Whether the part of a form that has this name names one: "file_ids[]". */
bool ag_object_is_naming(struct ag_str member);

/* The ids of objects that come with one of the workspace's own, in the whole answer about it: what a batch
 * has written, the file that an upload has become. */
void ag_object_come_with(struct ag_str answer, ag_object_fn *fn, void *arg);
/* Those of the items that a stored answer holds, each of which can be named alone: of the whole answer, or
 * of the event that ends an item. */
void ag_object_items(struct ag_str answer, ag_object_fn *fn, void *arg);
void ag_object_item(struct ag_str event, ag_object_fn *fn, void *arg);

#endif
