/* role.h - what the master hands to a role's main function, and what it expects of it.
 *
 * A role runs in a forked child that has already: its process slot (pid, incarnation) filled in,
 * its title set, log identity set, signals blocked, descriptors it must not have closed, the
 * privileges dropped.  It makes its own event_base, libpq, libcurl and TLS contexts.
 *
 * Every role: watches ctx->life_fd; EOF on it means the master is gone: leave, draining.
 * SIGTERM, SIGQUIT: drain (finish what is in flight, at most shutdown_timeout), then return 0.
 * SIGINT: leave at once.  SIGHUP: re-read the configuration file and take over what may change.
 * SIGUSR1: reopen the log.  Beats its heartbeat once a second; sets is_serving when ready.
 * Returns the exit status. */
#ifndef AIGATED_ROLE_H
#define AIGATED_ROLE_H

#include <stdint.h>

struct ag_conf;
struct ag_shm;
struct ag_event_area;
struct ag_master_key;

struct ag_role_ctx {
	struct ag_conf *conf;             /* owned by the process: a private copy after the fork */
	struct ag_shm *shm;               /* mapped */
	uint32_t proc_ix;                 /* row in procs[] and counters */
	uint32_t worker_ix;               /* workers only */
	uint32_t incarnation;
	int life_fd;                      /* read end of the master's pipe */
	int n_listen;                     /* workers: */
	const int *listen_fds;            /*   inherited listening sockets, non-blocking, */
	const uint8_t *listen_is_tls;     /*   and whether TLS is spoken on each */
	int control_fd;                   /* control: listening unix socket for workers (run_dir/control.sock) */
	int operator_fd;                  /* control: listening unix socket for aigatectl (run_dir/operator.sock) */
	int metrics_fd;                   /* control: listening TCP socket for Prometheus, -1 none */
	struct ag_event_area *events;     /* workers and telemetry: event_ring.h; NULL: there is no telemetry */
	const struct ag_master_key *master_key; /* workers and control; NULL elsewhere */
};

int ag_worker_main(struct ag_role_ctx *ctx);
int ag_flusher_main(struct ag_role_ctx *ctx);
int ag_control_main(struct ag_role_ctx *ctx);
int ag_telemetry_main(struct ag_role_ctx *ctx);

#endif
