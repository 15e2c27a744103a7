/* chunk.h - the chunked transfer coding, decoded in place.
 *
 * The decoder holds a few words and no bytes.  Strict: hexadecimal sizes of at most 16 digits,
 * exact CRLF, extensions and trailers bounded, looked at for control bytes and discarded. */
#ifndef AG_HTTP_CHUNK_H
#define AG_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"
#include "http/parse.h"

#define AG_CHUNK_EXT_MAX     256  /* bytes of one chunk's extensions */
#define AG_CHUNK_TRAILER_MAX 8192 /* bytes of all trailers */

struct ag_chunk_dec {
	uint64_t left;   /* payload bytes of the current chunk still to come */
	uint32_t n_line; /* digits, extension bytes or trailer bytes so far */
	uint8_t state;
};

void ag_chunk_dec_init(struct ag_chunk_dec *d);

/* Looks at p[0..n), says in *out_used how many bytes it is through with and in *out_payload
 * where among them one run of payload stands (empty: none).
 * MORE: call again with the rest, p + *out_used; with nothing left, when bytes arrive.
 * DONE: the last chunk and the trailers have ended; what follows belongs to the next message.
 * At least one byte is used when n > 0, so a loop over a piece ends:
 *
 *	while (n > 0 && (rc = ag_chunk_decode(&d, p, n, &used, &run)) != AG_PARSE_BAD) {
 *		take(run);
 *		p += used; n -= used;
 *		if (rc == AG_PARSE_DONE) break;
 *	} */
enum ag_parse ag_chunk_decode(struct ag_chunk_dec *d, const char *p, size_t n, size_t *out_used,
    struct ag_str *out_payload) AG_MUST_CHECK;

/* Encoding: head, payload, AG_CHUNK_END; after the last chunk AG_CHUNK_LAST.
 * n > 0: a chunk of no bytes would end the body. */
#define AG_CHUNK_HEAD_MAX 18
#define AG_CHUNK_END  "\r\n"
#define AG_CHUNK_LAST "0\r\n\r\n"

size_t ag_chunk_head(char out[AG_CHUNK_HEAD_MAX], uint64_t n); /* "1f4\r\n", no NUL; its length */

#endif
