/* command.h - a program of the operator's, run with a text on its standard input.
 *
 * posix_spawn, no shell, no arguments, a process group of its own; standard output goes nowhere,
 * standard error where ours goes.  It has 30 seconds, then its group is killed. */
#ifndef AG_CONTROL_COMMAND_H
#define AG_CONTROL_COMMAND_H

#include "base/attr.h"
#include "base/str.h"

struct event_base;
struct ag_command;

/* Called once from the loop; why_not NULL: it ended with status 0.  The handle is gone by then. */
typedef void (*ag_command_done)(void *arg, const char *why_not);

/* -errno: it did not start.  text: at most what a pipe holds (-EMSGSIZE). */
int ag_command_run(struct event_base *base, const char *path, struct ag_str text, ag_command_done done,
    void *arg, struct ag_command **out) AG_MUST_CHECK;
/* Kills it; NULL-safe. */
void ag_command_cancel(struct ag_command *c);

#endif
