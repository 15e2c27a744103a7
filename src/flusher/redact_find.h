/* redact_find.h - what is built in: credentials, e-mail addresses, card and telephone numbers.
 *
 * Pure functions over bytes.  Each byte is looked at a bounded number of times. */
#ifndef AG_FLUSHER_REDACT_FIND_H
#define AG_FLUSHER_REDACT_FIND_H

#include "flusher/redact.h"

/* found() gets each span [from, to) of the kinds asked for; spans may overlap. */
void ag_redact_find(struct ag_str text, unsigned kinds,
    void (*found)(void *arg, size_t from, size_t to, enum ag_redact_kind kind), void *arg);

#endif
