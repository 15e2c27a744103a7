/* eventstream.h - application/vnd.amazon.eventstream, taken apart as the bytes pass.
 *
 * Pieces are fed as they arrive, cut anywhere; each message is told once, when it is whole and both of
 * its checksums hold.  Lengths are believed only after the prelude's own checksum.
 * Format: Amazon's event stream encoding, as its SDKs read it. */
#ifndef AG_HTTP_EVENTSTREAM_H
#define AG_HTTP_EVENTSTREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/str.h"

#define AG_EVENTSTREAM_MESSAGE_MAX ((size_t)24 << 20)
#define AG_EVENTSTREAM_HEADERS_MAX ((size_t)128 << 10)
#define AG_EVENTSTREAM_OVERHEAD    16u /* bytes of a message that are neither header nor payload */

enum ag_eventstream_kind {
	AG_EVENTSTREAM_EVENT,
	AG_EVENTSTREAM_EXCEPTION, /* modelled: name is its type, payload its JSON */
	AG_EVENTSTREAM_ERROR,     /* not modelled: name is its code, text its message, no payload */
};

/* Views are good during the callback only. */
struct ag_eventstream_message {
	enum ag_eventstream_kind kind;
	struct ag_str name;
	struct ag_str text;
	struct ag_str content_type;
	struct ag_str payload;
};

/* Returning anything but 0 ends ag_eventstream_feed() at once with that value; the decoder is not
 * touched again: it may have been freed. */
typedef int ag_eventstream_fn(void *arg, const struct ag_eventstream_message *m);

struct ag_eventstream {
	struct ag_buf carry; /* the unfinished message */
	size_t want;         /* its length once the prelude is checked, else 0 */
	size_t max;
};

void ag_eventstream_init(struct ag_eventstream *s, size_t max_message_bytes);
void ag_eventstream_fini(struct ag_eventstream *s);

/* 0, what fn returned, or: -EBADMSG a checksum or a header is wrong, -EMSGSIZE a message above
 * the ceiling, -ENOMEM.  After anything but 0 the decoder is good for ag_eventstream_fini() only. */
int ag_eventstream_feed(struct ag_eventstream *s, const char *p, size_t n, ag_eventstream_fn *fn,
    void *arg) AG_MUST_CHECK;

/* Whether a message was begun and has not ended: the stream was cut. */
static inline bool
ag_eventstream_is_open(const struct ag_eventstream *s)
{
	return s->carry.n > 0;
}

/* Appends one message as the other end would send it: headers of type string, in order. */
struct ag_eventstream_header {
	struct ag_str name, value;
};
void ag_eventstream_put(struct ag_buf *out, const struct ag_eventstream_header *header, size_t n_headers,
    struct ag_str payload);

#endif
