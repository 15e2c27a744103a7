/* shadow.h - what budgets in shadow would have refused, from shared memory to table shadow_state. */
#ifndef AG_CONTROL_SHADOW_H
#define AG_CONTROL_SHADOW_H

#include "control/control.h"

/* Each tick: stores the counters that rose, when any did.  Without PostgreSQL later. */
void ag_shadow_tick(struct ag_control *ctl);

#endif
