/* objtab.h - which workspace made which object (a file, a batch, a stored answer) of a provider's account.
 *
 * Workspaces that share an integration share its account there, and the provider knows nothing of them.
 * So a worker notes who made what, by the id the provider answered, and nobody else may name it.
 *
 * One 128-bit word an object: the tag of (integration, id), and owner, hour and kind; it changes as one,
 * so nobody can die half-way.  A tag may stand in AG_OBJTAB_WAYS places.  Kept objects are never pushed
 * out; fleeting ones make room for newer, the oldest first.  What does not stand here belongs to nobody:
 * whatever is lost (a death before the note, a full table) is refused to all, never open to all.
 *
 * W: workers, and control when the segment is cold (from aigate.provider_object).  R: workers. */
#ifndef AG_SHM_OBJTAB_H
#define AG_SHM_OBJTAB_H

#include "shm/segment.h"

#define AG_OBJTAB_WAYS 8u

/* What becomes of an object with an answer; in records too. */
enum ag_object_kind {
	AG_OBJECT_NONE = 0,
	AG_OBJECT_KEPT = 1,     /* made, and there until it is deleted */
	AG_OBJECT_FLEETING = 2, /* made, and deleted by the provider some day: answers that are stored */
	AG_OBJECT_GONE = 3,     /* deleted */
};

/* Never 0.  A cryptographic hash: ids are not secret, and none may be found that reads like another's. */
uint64_t ag_objtab_tag(int64_t integration_id, struct ag_str id);

/* 1; 0 it stood there as the workspace's; -EEXIST it is another's; -ENOSPC the places of its tag
 * are taken by kept objects; -ERANGE the workspace's number has no room in the word. */
int ag_objtab_put(const struct ag_shm *shm, uint64_t tag, int64_t workspace_id, enum ag_object_kind kind,
    int64_t now_us) AG_MUST_CHECK;
/* workspace.id, 0: nobody's. */
int64_t ag_objtab_owner(const struct ag_shm *shm, uint64_t tag);
/* Gone, if it was the workspace's. */
void ag_objtab_remove(const struct ag_shm *shm, uint64_t tag, int64_t workspace_id);

#endif
