/* access.h - the access log: a line of JSON a request, in a file that others rotate.
 *
 * Owner: the telemetry process.  Lines are gathered and written together; what the file does not take
 * is dropped and counted, since nobody may wait for it. */
#ifndef AG_TELEMETRY_ACCESS_H
#define AG_TELEMETRY_ACCESS_H

#include "aigated/event.h"
#include "base/buf.h"

struct ag_access {
	const char *path;    /* borrowed: configuration; "": there is no access log */
	int fd;              /* -1: it could not be opened, tried again at the next tick */
	struct ag_buf lines; /* not yet written */
	uint64_t n_lines;    /* in it */
	bool is_cut;         /* the file ends within a line */
	bool has_failed;     /* since the last success */
};

void ag_access_init(struct ag_access *a, const char *path);
void ag_access_fini(struct ag_access *a);
/* An AG_EVENT_REQUEST, if its turn has come: sample in millionths. */
void ag_access_take(struct ag_access *a, const struct ag_event *e, uint32_t sample);
void ag_access_write(struct ag_access *a); /* what was gathered */
void ag_access_reopen(struct ag_access *a);

/* The line, with its line feed; see ACCESS LOG in aigated(8). */
void ag_access_put_line(struct ag_buf *b, const struct ag_event *e);

#endif
