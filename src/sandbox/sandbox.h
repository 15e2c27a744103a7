/* sandbox.h - who runs as whom, keeps which descriptors and may hold which secret.
 *
 * One row per role; the master applies it in the child, before the role's main function.  The
 * account is changed once, in the master, before the first fork. */
#ifndef AG_SANDBOX_SANDBOX_H
#define AG_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "aigated/shm_layout.h"
#include "base/err.h"

struct ag_sandbox_row {
	enum ag_role role;
	bool may_hold_master_key; /* else it is wiped in the child */
	bool keeps_client_sockets;
	bool keeps_admin_sockets;
};

const struct ag_sandbox_row *ag_sandbox_row(enum ag_role role);

struct ag_account {
	char name[64];
	uid_t uid;
	gid_t gid;
	bool must_switch; /* started as root */
};

/* The account of directive user when started as root, else the one we are.  -ENOENT, -EPERM. */
int ag_account_find(const char *user, struct ag_account *out, struct ag_err *err) AG_MUST_CHECK;
/* Groups, gid, uid, in this order, and checks that there is no way back. */
int ag_account_become(const struct ag_account *account, struct ag_err *err) AG_MUST_CHECK;

/* For good, inherited by all children: no new privileges, no core file, no debugger but root's. */
int ag_sandbox_harden(struct ag_err *err) AG_MUST_CHECK;

/* Raises the limit of open files to want; returns what it is then. */
uint64_t ag_sandbox_raise_nofile(uint64_t want);

#endif
