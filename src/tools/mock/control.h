/* control.h - the paths below /_mock/: script, release, reset, stats, log, last. */
#ifndef AG_MOCK_CONTROL_H
#define AG_MOCK_CONTROL_H

#include "base/str.h"

struct mock_conn;

/* verb: the path behind "/_mock/".  Leaves a whole answer in c->answer. */
void mock_control(struct mock_conn *c, struct ag_str verb);

#endif
