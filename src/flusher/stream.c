#include "flusher/stream.h"

#include <stdlib.h>

void
ag_streams_fini(struct ag_streams *s)
{
	free(s->at);
	*s = (struct ag_streams){ 0 };
}

static bool
stream_is(const struct ag_stream *st, uint64_t boot_id, uint32_t worker)
{
	return st->worker == worker && st->boot_id == boot_id;
}

struct ag_stream *
ag_streams_get(struct ag_streams *s, uint64_t boot_id, uint32_t worker)
{
	/* Records come in runs of one stream, so that looking at the last one is nearly always
	 * enough; the newest streams stand at the end. */
	if (s->last < s->n && stream_is(&s->at[s->last], boot_id, worker))
		return &s->at[s->last];
	for (size_t i = s->n; i-- > 0;) {
		if (stream_is(&s->at[i], boot_id, worker)) {
			s->last = i;
			return &s->at[i];
		}
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct ag_stream *p = reallocarray(s->at, cap, sizeof(*p));

		if (!p)
			return NULL;
		s->at = p;
		s->cap = cap;
	}
	s->at[s->n] = (struct ag_stream){ .boot_id = boot_id, .worker = worker };
	s->last = s->n++;
	return &s->at[s->last];
}
