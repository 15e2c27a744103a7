/* daemon.h - leaving the terminal, and telling whoever started us that we serve. */
#ifndef AG_MASTER_DAEMON_H
#define AG_MASTER_DAEMON_H

#include <stdbool.h>

#include "base/err.h"

/* Forks twice.  Returns in the daemon alone; the first process waits until ag_daemon_ready() and
 * exits 0, or until the daemon is gone and exits 1.  *out_ready_fd: for ag_daemon_ready(). */
int ag_daemon_start(int *out_ready_fd, struct ag_err *err) AG_MUST_CHECK;

/* Nobody may read what we write to the terminal we came from, and nobody may wait for its end. */
void ag_daemon_detach(bool keeps_stderr);

/* The children serve: lets the waiting process go, detaches from the terminal and, under systemd,
 * says READY=1.  ready_fd is -1 in the foreground and is closed. */
void ag_daemon_ready(int *ready_fd, bool keeps_stderr);

/* One state to systemd ("RELOADING=1", "STOPPING=1"); nothing without NOTIFY_SOCKET. */
void ag_daemon_notify(const char *state);

#endif
