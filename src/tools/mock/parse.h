/* parse.h - one HTTP/1.1 request, read strictly, in place, as its bytes arrive.
 *
 * Written apart from the gateway's own parser on purpose: what one of them misreads the other
 * notices.  Everything the standard lets a server refuse is refused: bare LF, folded lines, a
 * length given twice, codings other than chunked, chunk extensions, trailers.
 * Owner: a connection.  Nothing here does I/O. */
#ifndef AG_MOCK_PARSE_H
#define AG_MOCK_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define MOCK_HEAD_MAX (64u * 1024u)
#define MOCK_BODY_MAX (64u * 1024u * 1024u)
#define MOCK_IN_MAX (2u * MOCK_BODY_MAX)

enum mock_parse {
	MOCK_PARSE_MORE, /* bytes are missing */
	MOCK_PARSE_DONE, /* the request stands in in->p[0 .. req->end) */
	MOCK_PARSE_BAD,  /* req->bad says why; the connection cannot be used any more */
};

enum mock_header {
	MOCK_H_AUTHORIZATION,
	MOCK_H_CONTENT_TYPE,
	MOCK_H_CLIENT_REQUEST_ID,
	MOCK_H_REQUEST_ID,
	MOCK_H_X_API_KEY,
	MOCK_H_API_KEY,
	MOCK_H_GOOG_API_KEY,
	MOCK_H_ANTHROPIC_VERSION,
	MOCK_H_COUNT,
};

enum mock_phase {
	MOCK_PHASE_LINE,
	MOCK_PHASE_HEADERS,
	MOCK_PHASE_LENGTH,
	MOCK_PHASE_CHUNK_SIZE,
	MOCK_PHASE_CHUNK_DATA,
	MOCK_PHASE_CHUNK_END,
	MOCK_PHASE_LAST,
};

/* A piece of the input, as offsets: the buffer may move while the body arrives. */
struct mock_span {
	uint32_t at, n;
};

struct mock_req {
	enum mock_phase phase;
	size_t scan;     /* everything before it is parsed */
	size_t head_n;   /* bytes of the head with its empty line */
	size_t end;      /* bytes of the whole request */
	uint64_t length; /* content-length, or what is left of a chunk */
	unsigned headers;
	struct mock_span method, target, header[MOCK_H_COUNT];
	struct ag_buf chunks; /* body taken out of its chunks */
	bool has_length, has_host, is_chunked, is_http10, keep_alive, expects_continue;
	int bad_status;
	const char *bad;       /* static text */
	const char *violation; /* a header that must not reach a provider; static text */
};

void mock_req_init(struct mock_req *req);
void mock_req_fini(struct mock_req *req);
/* Ready for the next request; memory kept when small. */
void mock_req_reset(struct mock_req *req);

/* in->p[0] is the first byte of the request and stays so until it is done. */
enum mock_parse mock_req_parse(struct mock_req *req, const struct ag_buf *in);

/* The value of any header of a parsed head, the first of that name; n 0: it is not there. */
struct ag_str mock_req_header(const struct mock_req *req, const struct ag_buf *in,
			      struct ag_str name);

static inline struct ag_str
mock_span_str(struct mock_span s, const struct ag_buf *in)
{
	return ag_str_n(in->p + s.at, s.n);
}

/* Valid when the request is done. */
struct ag_str mock_req_body(const struct mock_req *req, const struct ag_buf *in);

#endif
