/* translate.h - what a translated request has beside its own: translate.c and translate_answer.c. */
#ifndef AG_WORKER_TRANSLATE_H
#define AG_WORKER_TRANSLATE_H

#include "translate/protocol.h"
#include "worker/request.h"

#define AG_XLATE_EVENT_MAX ((size_t)24 << 20) /* one event of a stream */
#define AG_XLATE_OUT_MAX   ((size_t)96 << 20) /* what one answer becomes; of streams what one read brings */

struct ag_xlate {
	const struct ag_protocol *client, *upstream; /* NULL: an exchange */
	const struct ag_exchange *exchange;
	struct json_object *chat, *request;  /* owned; NULL when no more needed */
	struct ag_buf body;                  /* for the provider */
	uint64_t limit;                      /* that body was built for */
	bool is_strict;
	struct ag_writer_in in;
	struct ag_piece_sink sink;
	void *reader, *writer, *framing;     /* owned states */
	bool is_events;                      /* the answer comes as events */
	bool has_head;                       /* of the answer: sent or pending */
	bool has_ended;                      /* the reader told the end: the answer is whole */
	struct ag_buf out;                   /* written and not sent */
	struct ag_buf passed;                /* header lines of the provider that go through */
	struct ag_buf acc;                   /* an answer that is read when it is whole */
	bool has_retry_after;
	/* an error that came instead of an answer */
	char error_type[64], error_code[64];
	struct ag_buf error_text;
	uint32_t cut_by;                     /* meter of an adaptive budget that has no more */
};

#endif
