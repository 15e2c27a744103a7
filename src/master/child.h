/* child.h - starting one child and telling it things. */
#ifndef AG_MASTER_CHILD_H
#define AG_MASTER_CHILD_H

#include "master/master.h"

/* Fills in the row for a role; it starts when it is due. */
void ag_child_init(struct ag_child *c, enum ag_role role, uint32_t worker_ix);

/* Forks.  0 and c->pid set, or -errno; never returns in the child. */
int ag_child_spawn(struct ag_master *m, struct ag_child *c) AG_MUST_CHECK;

/* c is dead and reaped: takes its place in shared memory back and logs how it went. */
void ag_child_bury(struct ag_master *m, struct ag_child *c, int wait_status);

void ag_child_signal(struct ag_child *c, int sig); /* nothing when it does not run */

#endif
