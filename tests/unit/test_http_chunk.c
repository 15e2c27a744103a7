#include "http/chunk.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/buf.h"
#include "tap.h"

/* Decodes text given in pieces of the sizes a, then the rest in pieces of b.  Returns the verdict;
 * the payload is in *out and *out_used says how many bytes were taken in all. */
static enum ag_parse
decode(struct ag_str text, size_t a, size_t b, struct ag_buf *out, size_t *out_used)
{
	struct ag_chunk_dec d;
	enum ag_parse rc = AG_PARSE_MORE;
	size_t at = 0;

	ag_chunk_dec_init(&d);
	ag_buf_reset(out);
	while (at < text.n && rc == AG_PARSE_MORE) {
		size_t piece = at == 0 ? a : b, used;
		char *copy, *p;

		if (piece > text.n - at)
			piece = text.n - at;
		p = copy = malloc(piece);
		memcpy(copy, text.p + at, piece);
		at += piece;
		while (piece > 0 && rc == AG_PARSE_MORE) {
			struct ag_str run;

			rc = ag_chunk_decode(&d, p, piece, &used, &run);
			if (used == 0 || used > piece || (run.n && (run.p < p || run.p + run.n > p + used)))
				abort();
			ag_buf_put_str(out, run);
			p += used;
			piece -= used;
		}
		at -= piece;
		free(copy);
	}
	*out_used = at;
	return rc;
}

/* In one piece, byte by byte, and cut in two at each position. */
static bool
always(struct ag_str text, enum ag_parse want, const char *payload, size_t want_used)
{
	struct ag_buf out;
	bool is_right = true;
	size_t used;

	ag_buf_init(&out, 1 << 20);
	for (size_t cut = 1; cut <= text.n + 1; cut++) {
		size_t a = cut > text.n ? 1 : cut, b = cut > text.n ? 1 : text.n;
		enum ag_parse rc = decode(text, a, b, &out, &used);

		is_right = is_right && rc == want;
		if (want != AG_PARSE_BAD)
			is_right = is_right && ag_str_eq(ag_buf_str(&out), ag_str(payload)) &&
			           used == want_used;
	}
	ag_buf_fini(&out);
	return is_right;
}

static void
bodies_are_decoded_wherever_they_are_cut(void)
{
	static const char body[] = "5\r\nhello\r\n06;ext=\"v\"\r\n world\r\nA\r\n0123456789\r\n"
	                           "0\r\nX-Trailer: a\r\nY: b\r\n\r\n";
	struct ag_str text = ag_str(body);

	ok(always(text, AG_PARSE_DONE, "hello world0123456789", text.n), "payload and exact end");
	ok(always(AG_STR("0\r\n\r\n"), AG_PARSE_DONE, "", 5), "an empty body");
	ok(always(AG_STR("1\r\na\r\n0\r\n\r\nGET / HTTP"), AG_PARSE_DONE, "a", 11),
	    "what follows is left alone");
	ok(always(AG_STR("5\r\nhel"), AG_PARSE_MORE, "hel", 6), "an unfinished body wants more");
	ok(always(AG_STR("0000000000000001\r\na\r\n0\r\n\r\n"), AG_PARSE_DONE, "a", 26), "16 digits");
	ok(always(AG_STR("ffffffffffffffff\r\na"), AG_PARSE_MORE, "a", 19), "the largest size");
}

static const struct {
	const char *what;
	struct ag_str text;
} attempts[] = {
	{ "17 digits", AG_STR("00000000000000001\r\na\r\n0\r\n\r\n") },
	{ "no digit", AG_STR("\r\na\r\n") },
	{ "an extension without a size", AG_STR(";a\r\n") },
	{ "0x in front", AG_STR("0x5\r\nhello\r\n0\r\n\r\n") },
	{ "a sign", AG_STR("+5\r\nhello\r\n0\r\n\r\n") },
	{ "a minus", AG_STR("-1\r\n") },
	{ "a blank in front", AG_STR(" 5\r\nhello\r\n0\r\n\r\n") },
	{ "a blank behind", AG_STR("5 \r\nhello\r\n0\r\n\r\n") },
	{ "a letter that is no digit", AG_STR("5g\r\nhello\r\n") },
	{ "bare LF behind the size", AG_STR("5\nhello\r\n0\r\n\r\n") },
	{ "bare LF in an extension", AG_STR("5;a\nb\r\nhello\r\n0\r\n\r\n") },
	{ "bare CR behind the size", AG_STR("5\rhello\r\n") },
	{ "no line end behind the payload", AG_STR("5\r\nhello0\r\n\r\n") },
	{ "LF behind the payload", AG_STR("5\r\nhello\n0\r\n\r\n") },
	{ "CR X behind the payload", AG_STR("5\r\nhello\rX0\r\n\r\n") },
	{ "payload longer than its size", AG_STR("4\r\nhello\r\n0\r\n\r\n") },
	{ "control byte in an extension", AG_STR("5;\001\r\nhello\r\n") },
	{ "NUL in an extension", AG_STR("5;\0\r\nhello\r\n") },
	{ "bare LF in the trailers", AG_STR("0\r\nX: a\nY: b\r\n\r\n") },
	{ "bare LF at the end", AG_STR("0\r\n\n") },
	{ "CR X at the end", AG_STR("0\r\n\rX") },
	{ "NUL in a trailer", AG_STR("0\r\nX: \0\r\n\r\n") },
	{ "a folded trailer", AG_STR("0\r\nX: a\r\n b\r\n\r\n") },
};

static void
anything_inexact_is_refused(void)
{
	for (size_t i = 0; i < AG_ARRAY_LEN(attempts); i++)
		ok(always(attempts[i].text, AG_PARSE_BAD, NULL, 0), "refused: %s", attempts[i].what);
}

static enum ag_parse
decode_padded(const char *head, char fill, size_t n, const char *tail)
{
	struct ag_buf text, out;
	enum ag_parse rc;
	size_t used;

	ag_buf_init(&text, 1 << 20);
	ag_buf_init(&out, 1 << 20);
	ag_buf_puts(&text, head);
	for (size_t i = 0; i < n; i++)
		ag_buf_putc(&text, fill);
	ag_buf_puts(&text, tail);
	rc = decode(ag_buf_str(&text), text.n, text.n, &out, &used);
	ag_buf_fini(&text);
	ag_buf_fini(&out);
	return rc;
}

static void
what_is_discarded_has_a_ceiling(void)
{
	ok(decode_padded("1;", 'a', AG_CHUNK_EXT_MAX, "\r\nx\r\n0\r\n\r\n") == AG_PARSE_DONE,
	    "the longest extension");
	ok(decode_padded("1;", 'a', AG_CHUNK_EXT_MAX + 1, "\r\nx\r\n0\r\n\r\n") == AG_PARSE_BAD,
	    "one byte more");
	ok(decode_padded("0\r\n", 'a', AG_CHUNK_TRAILER_MAX, "\r\n\r\n") == AG_PARSE_DONE,
	    "the longest trailer");
	ok(decode_padded("0\r\n", 'a', AG_CHUNK_TRAILER_MAX + 1, "\r\n\r\n") == AG_PARSE_BAD,
	    "one byte more");
}

static void
heads_are_written_in_hexadecimal(void)
{
	static const struct {
		uint64_t n;
		const char *head;
	} table[] = {
		{ 1, "1\r\n" }, { 15, "f\r\n" }, { 16, "10\r\n" }, { 500, "1f4\r\n" },
		{ 0x100000, "100000\r\n" }, { UINT64_MAX, "ffffffffffffffff\r\n" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(table); i++) {
		char head[AG_CHUNK_HEAD_MAX];
		size_t n = ag_chunk_head(head, table[i].n);

		ok(ag_str_eq(ag_str_n(head, n), ag_str(table[i].head)), "head of %llu bytes",
		    (unsigned long long)table[i].n);
	}
}

int
main(void)
{
	bodies_are_decoded_wherever_they_are_cut();
	anything_inexact_is_refused();
	what_is_discarded_has_a_ceiling();
	heads_are_written_in_hexadecimal();
	return done();
}
