#include "tools/mock/answer.h"

#include <assert.h>
#include <stdlib.h>

#define KEEP_BYTES  (64u * 1024u)
#define KEEP_PIECES 512u
#define PIECES_MAX  (4u * 1024u * 1024u)

void
mock_answer_init(struct mock_answer *a)
{
	*a = (struct mock_answer){0};
	ag_buf_init(&a->out, MOCK_OUT_MAX);
}

void
mock_answer_fini(struct mock_answer *a)
{
	ag_buf_fini(&a->out);
	free(a->piece);
	a->piece = NULL;
	a->pieces = a->pieces_cap = 0;
}

void
mock_answer_reset(struct mock_answer *a)
{
	struct mock_answer fresh = {.out = a->out, .piece = a->piece, .pieces_cap = a->pieces_cap};

	ag_buf_reset(&fresh.out);
	*a = fresh;
}

void
mock_answer_trim(struct mock_answer *a)
{
	mock_answer_reset(a);
	if (a->out.cap > KEEP_BYTES)
		ag_buf_shrink(&a->out);
	if (a->pieces_cap > KEEP_PIECES) {
		free(a->piece);
		a->piece = NULL;
		a->pieces_cap = 0;
	}
}

static void
add_piece(struct mock_answer *a, int32_t chunks, bool is_event)
{
	if (a->pieces == a->pieces_cap) {
		size_t cap = a->pieces_cap ? a->pieces_cap * 2 : 64;
		struct mock_piece *p =
			cap <= PIECES_MAX ? realloc(a->piece, cap * sizeof(*p)) : NULL;

		if (!p) {
			a->failed = true;
			return;
		}
		a->piece = p;
		a->pieces_cap = cap;
	}
	a->piece[a->pieces++] =
		(struct mock_piece){.end = a->out.n, .chunks = chunks, .is_event = is_event};
	a->failed |= a->out.failed;
}

static const char *
reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 404:
		return "Not Found";
	case 413:
		return "Content Too Large";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 503:
		return "Service Unavailable";
	default:
		return "Status";
	}
}

void
mock_answer_head(struct mock_answer *a, int status, const char *content_type, struct ag_str headers,
		 size_t body_n)
{
	assert(a->pieces == 0);
	a->status = status;
	a->closes |= a->framing == MOCK_FRAME_EOF;
	ag_buf_printf(&a->out, "HTTP/1.1 %d %s\r\ncontent-type: %s\r\n", status, reason(status),
		      content_type);
	if (a->framing == MOCK_FRAME_LENGTH)
		ag_buf_printf(&a->out, "content-length: %zu\r\n", body_n);
	else if (a->framing == MOCK_FRAME_CHUNKED)
		ag_buf_puts(&a->out, "transfer-encoding: chunked\r\n");
	if (a->closes)
		ag_buf_puts(&a->out, "connection: close\r\n");
	ag_buf_put_str(&a->out, headers);
	ag_buf_puts(&a->out, "\r\n");
	a->head_n = a->out.n;
	add_piece(a, 0, false);
}

void
mock_answer_put(struct mock_answer *a, struct ag_str payload, int32_t chunks, bool is_event)
{
	if (payload.n == 0)
		return;
	a->payload_n += payload.n;
	if (a->framing == MOCK_FRAME_CHUNKED) {
		ag_buf_printf(&a->out, "%zx\r\n", payload.n);
		ag_buf_put_str(&a->out, payload);
		ag_buf_puts(&a->out, "\r\n");
	} else {
		ag_buf_put_str(&a->out, payload);
	}
	add_piece(a, chunks, is_event);
}

void
mock_answer_end(struct mock_answer *a)
{
	if (a->framing == MOCK_FRAME_CHUNKED) {
		ag_buf_puts(&a->out, "0\r\n\r\n");
		add_piece(a, -1, false);
	}
}

void
mock_answer_whole(struct mock_answer *a, int status, const char *content_type,
		  struct ag_str headers, struct ag_str body)
{
	mock_answer_head(a, status, content_type, headers, body.n);
	mock_answer_put(a, body, -1, false);
	mock_answer_end(a);
}
