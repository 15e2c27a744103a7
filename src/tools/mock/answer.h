/* answer.h - an answer as the bytes to be sent, cut into pieces.
 *
 * Rendered whole before the first byte goes, so that sending is only a matter of when.  A piece
 * is the head, the body, or one event of a stream; `chunks` of a piece tells how many content
 * chunks have gone once it is sent, or -1 where no fault may set in. */
#ifndef AG_MOCK_ANSWER_H
#define AG_MOCK_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define MOCK_OUT_MAX (128u * 1024u * 1024u)

enum mock_framing {
	MOCK_FRAME_LENGTH,
	MOCK_FRAME_CHUNKED,
	MOCK_FRAME_EOF, /* the end of the connection ends the body */
};

struct mock_piece {
	size_t end; /* offset in out behind its last byte */
	int32_t chunks;
	bool is_event; /* chunk_delay_ms goes before it */
};

struct mock_answer {
	struct ag_buf out;
	struct mock_piece *piece; /* owned */
	size_t pieces, pieces_cap;
	size_t head_n;
	size_t payload_n; /* body bytes, framing left out */
	size_t usage_end; /* the usage has gone when so many bytes have; 0: none */
	int64_t prompt_tokens, completion_tokens; /* what the provider would bill */
	int64_t usage_prompt, usage_completion;   /* what the usage in the answer says, if > 0 */
	enum mock_framing framing;
	int status;
	bool is_stream, closes, failed;
};

void mock_answer_init(struct mock_answer *a);
void mock_answer_fini(struct mock_answer *a);
void mock_answer_reset(struct mock_answer *a);
/* Gives back memory that an ordinary answer does not need. */
void mock_answer_trim(struct mock_answer *a);

/* headers: complete lines, each with its CRLF.  body_n counts for MOCK_FRAME_LENGTH only. */
void mock_answer_head(struct mock_answer *a, int status, const char *content_type,
		      struct ag_str headers, size_t body_n);
void mock_answer_put(struct mock_answer *a, struct ag_str payload, int32_t chunks, bool is_event);
/* After the last payload. */
void mock_answer_end(struct mock_answer *a);

/* Head and body in one go. */
void mock_answer_whole(struct mock_answer *a, int status, const char *content_type,
		       struct ag_str headers, struct ag_str body);

#endif
