/* stress.h - processes that race and die on a real segment. */
#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/segment.h"

/* AG_STRESS_OPS, or what the test asks for by itself. */
int64_t stress_ops(int64_t by_default);

/* A generator per process: same seed, same run, as far as the scheduler allows. */
uint64_t stress_random(uint64_t below);
void stress_seed(uint64_t seed);

/* Zeroed memory that children share. */
void *stress_shared(size_t bytes);

/* Child: runs fn and exits with its result.  crash_at > 0: dies by SIGKILL at that crash point. */
pid_t stress_fork(int (*fn)(void *arg), void *arg, int crash_at);
/* True when it died of SIGKILL, false when it ended with 0; anything else fails the test program. */
bool stress_reap(pid_t pid);
bool stress_has_ended(pid_t pid); /* looks only: it is still to be reaped */
/* The same for whichever ends first; which is told. */
bool stress_reap_any(pid_t *out_pid);

#endif
