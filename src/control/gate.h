/* gate.h - who may still try keys: failed authentications by the address they came from, in constant memory.
 *
 * An address has a number of failures a minute, and as many at once.  When they are used up keys from there are
 * not looked at until one comes back; but a key that was right from there within the last hour is, so that
 * nobody is shut out by a neighbour behind the same address.  IPv6 counts by /64: a client has all of it.
 * Where the tables have no room for one more address, or key, the one that matters least is forgotten. */
#ifndef AG_CONTROL_GATE_H
#define AG_CONTROL_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct ag_gate;

struct ag_gate *ag_gate_new(void); /* NULL: no memory */
void ag_gate_free(struct ag_gate *g); /* NULL-safe */

/* One try: by which key (its SHA-256; NULL: another secret than a key) from where. */
struct ag_gate_try {
	const char *address;    /* text; what is no address counts as one */
	const uint8_t *hash;
	uint64_t per_minute;    /* failures; 0: any number */
	int64_t now_us;         /* monotonic */
};

/* May it be looked at?  false: not now, *out_wait_us until it may. */
bool ag_gate_opens(struct ag_gate *g, const struct ag_gate_try *t, int64_t *out_wait_us);
void ag_gate_failed(struct ag_gate *g, const struct ag_gate_try *t);
void ag_gate_passed(struct ag_gate *g, const struct ag_gate_try *t);

#endif
