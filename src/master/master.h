/* master.h - the process that starts the others and keeps them alive.
 *
 * It parses no byte from the network, links no provider, follows no offset in shared memory but the
 * process slots.  struct ag_master has one owner, main(); children get a copy by fork. */
#ifndef AG_MASTER_MASTER_H
#define AG_MASTER_MASTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "aigated/role.h"
#include "aigated/vault.h"
#include "conf/conf.h"
#include "master/backoff.h"
#include "sandbox/sandbox.h"
#include "shm/event_ring.h"
#include "shm/segment.h"

#define AG_CHILDREN_MAX (3u + AG_WORKERS_MAX)

struct ag_child {
	enum ag_role role;
	uint32_t proc_ix;
	uint32_t worker_ix;
	char name[16];             /* "worker/3" */
	pid_t pid;                 /* 0: waits for start_at_us */
	int64_t started_at_us;     /* monotonic */
	int64_t start_at_us;       /* monotonic: not before */
	struct ag_backoff backoff;
	int64_t beat_us;           /* last heartbeat seen, */
	int64_t beat_seen_at_us;   /* and when it was new (monotonic) */
	bool has_served;
	bool was_killed;           /* by us, for its silence */
	bool wants_hup, wants_usr1; /* came while it could not take them yet */
};

/* Stages of leaving: what is told to go, in this order, once the one before is gone. */
enum ag_stage {
	AG_STAGE_RUN,
	AG_STAGE_WORKERS,
	AG_STAGE_FLUSHER, /* and telemetry */
	AG_STAGE_CONTROL,
	AG_STAGE_GONE,
};

struct ag_master {
	struct ag_conf *conf;      /* owned */
	bool is_foreground;
	struct ag_account account;
	struct ag_master_key *key; /* owned: a locked page; NULL without master_key_file */
	struct ag_shm shm;
	struct ag_event_area *events; /* owned: what workers tell telemetry; NULL: there is none */
	int shm_lock_fd;           /* the segment's lock; see open_segment() */
	int n_listen;
	int listen_fds[AG_LISTEN_MAX];
	uint8_t listen_is_tls[AG_LISTEN_MAX];
	int control_fd, operator_fd, metrics_fd;
	int pid_fd;                /* locked as long as we live */
	int life_fds[2];           /* children read [0], see EOF when we are gone */
	int ready_fd;              /* the waiting parent of a daemon, -1 */
	bool is_ready;             /* was said */
	sigset_t signals;          /* blocked, taken by sigtimedwait() */
	struct ag_child children[AG_CHILDREN_MAX];
	uint32_t n_children;
	enum ag_stage stage;
	int64_t stage_deadline_us; /* monotonic */
	bool had_to_kill;
	int64_t last_turn_us;      /* monotonic */
};

/* Everything up to the first fork; -errno and err. */
int ag_master_start(struct ag_master *m, struct ag_err *err) AG_MUST_CHECK;
/* Until all children are gone; returns the exit status. */
int ag_master_supervise(struct ag_master *m);
/* Takes half-started ones. Removes the pid file, the sockets and the file of ports. */
void ag_master_stop(struct ag_master *m);

/* Are the files it names there, and can the account read them?  For -t and for the start. */
int ag_master_check_files(const struct ag_conf *conf, struct ag_err *err) AG_MUST_CHECK;
/* The key of conf->master_key_file, which must belong to root or to the account. */
int ag_master_load_key(const struct ag_conf *conf, const struct ag_account *account,
    struct ag_master_key *out, struct ag_err *err) AG_MUST_CHECK;

#endif
