/* schedule.h - how a process asks the kernel to share the core with the others of the gateway.
 *
 * Source: sched(7), sched_setattr(2); the length of a turn is heeded by Linux 6.12 and later, earlier ones
 * take no notice of it.  A wish: needs no privilege, never raises a priority, and what the kernel refuses
 * is left as it was. */
#ifndef AG_BASE_SCHEDULE_H
#define AG_BASE_SCHEDULE_H

/* Somebody waits for every answer: the core soon, and for short turns. */
void ag_schedule_for_latency(void);
/* Nobody waits: as much of the core as anybody, but what wakes up here pushes nobody off it.  Threads that
 * are started later do the same. */
void ag_schedule_for_throughput(void);

#endif
