/* server.h - HTTP on the two inherited unix sockets, and the table of endpoints. */
#ifndef AG_CONTROL_SERVER_H
#define AG_CONTROL_SERVER_H

#include "control/control.h"

int ag_server_start(struct ag_control *ctl, struct ag_err *err) AG_MUST_CHECK;
/* No new connections; those that stand may finish. */
void ag_server_drain(struct ag_control *ctl);
void ag_server_stop(struct ag_control *ctl);

#endif
