/* framing.h - how the bytes of a stream are cut into events. */
#ifndef AG_TRANSLATE_FRAMING_H
#define AG_TRANSLATE_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/str.h"

/* Views are good during the call only. */
struct ag_stream_event {
	struct ag_str name; /* "event:" line or :event-type header; n 0: none */
	struct ag_str data; /* JSON text; of an :message-type error plain text */
	bool is_exception;  /* Amazon's :message-type exception or error; name: its type or code */
};

typedef int ag_stream_fn(void *arg, const struct ag_stream_event *ev);

/* State is plain memory of state_bytes, zeroed by the caller.  Pieces may be cut anywhere. */
struct ag_framing {
	const char *content_type; /* of an answer that is framed so */
	size_t state_bytes;
	void (*init)(void *state, size_t max_event_bytes);
	void (*fini)(void *state);
	/* 0, -EMSGSIZE (an event above the ceiling), -EBADMSG (not that framing), -ENOMEM, or what fn
	 * returned; after anything but 0 good for fini only. */
	int (*feed)(void *state, struct ag_str piece, ag_stream_fn *fn, void *arg) AG_MUST_CHECK;
	/* At the end of the bytes: was an unfinished event left? */
	bool (*is_cut)(void *state);
};

extern const struct ag_framing ag_framing_sse, ag_framing_eventstream;

#endif
