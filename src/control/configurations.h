/* configurations.h - the settings of an integration that only some providers know. */
#ifndef AG_CONTROL_CONFIGURATIONS_H
#define AG_CONTROL_CONFIGURATIONS_H

#include "control/call.h"

/* Is it one of them?  *out_rc < 0: it is, and its value cannot be: answered. */
bool ag_configurations_knows(struct ag_call *c, const char *name, struct json_object *value, int *out_rc);

/* false: it is the machine's own identity that requests are made with. */
bool ag_configurations_need_key(const char *family, struct json_object *conf);

/* What the family's address needs is there.  < 0: answered. */
int ag_configurations_fit(struct ag_call *c, const char *family, struct json_object *conf,
    const char *custom_host);

/* A setting that is on (1) or off (0, also when absent), written as a boolean or its name in text; -1: it is
 * neither. */
int ag_configurations_switch(struct json_object *conf, const char *name);

#endif
