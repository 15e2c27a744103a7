/* dump.h - the generated parts of the manual, written while building. */
#ifndef AG_MASTER_DUMP_H
#define AG_MASTER_DUMP_H

/* what: "counters" (all of aigated-counters(7)) or "directives" (the list of aigated.conf(5)).
 * -EINVAL when it is neither. */
int ag_dump_man(const char *what);

#endif
