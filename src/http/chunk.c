#include "http/chunk.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "http/bytes.h"

#define SIZE_DIGITS_MAX 16

enum {
	S_SIZE,         /* digits of a chunk size */
	S_EXT,          /* an extension, up to CR */
	S_SIZE_LF,      /* LF behind size or extension */
	S_DATA,
	S_DATA_CR,
	S_DATA_LF,
	S_TRAILER,      /* first byte of a trailer line or of the blank line */
	S_TRAILER_LINE, /* inside a trailer line */
	S_TRAILER_LF,
	S_LAST_LF,      /* LF of the blank line */
	S_DONE,
	S_BAD,
};

void
ag_chunk_dec_init(struct ag_chunk_dec *d)
{
	*d = (struct ag_chunk_dec){ .state = S_SIZE };
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint8_t
step_size(struct ag_chunk_dec *d, char c)
{
	int digit = hex_value(c);

	if (digit >= 0) {
		if (d->n_line == SIZE_DIGITS_MAX)
			return S_BAD;
		d->left = d->left << 4 | (unsigned)digit;
		d->n_line++;
		return S_SIZE;
	}
	if (d->n_line == 0)
		return S_BAD;
	d->n_line = 0;
	return c == '\r' ? S_SIZE_LF : c == ';' ? S_EXT : S_BAD;
}

static uint8_t
step_ext(struct ag_chunk_dec *d, char c)
{
	if (c == '\r')
		return S_SIZE_LF;
	return ++d->n_line > AG_CHUNK_EXT_MAX || byte_is_ctl(c) ? S_BAD : S_EXT;
}

static uint8_t
step_size_lf(struct ag_chunk_dec *d, char c)
{
	d->n_line = 0;
	if (c != '\n')
		return S_BAD;
	return d->left > 0 ? S_DATA : S_TRAILER;
}

/* A trailer is thrown away, but a line that starts with a blank or a colon, or holds control
 * bytes, tells of a peer that reads this text otherwise than we do. */
static uint8_t
step_trailer(struct ag_chunk_dec *d, char c)
{
	bool is_first = d->state == S_TRAILER;

	if (c == '\r')
		return is_first ? S_LAST_LF : S_TRAILER_LF;
	if (is_first && (c == ' ' || c == '\t' || c == ':'))
		return S_BAD;
	return ++d->n_line > AG_CHUNK_TRAILER_MAX || byte_is_ctl(c) ? S_BAD : S_TRAILER_LINE;
}

/* Every state but S_DATA takes one byte. */
static uint8_t
step(struct ag_chunk_dec *d, char c)
{
	switch (d->state) {
	case S_SIZE:
		return step_size(d, c);
	case S_EXT:
		return step_ext(d, c);
	case S_SIZE_LF:
		return step_size_lf(d, c);
	case S_DATA_CR:
		return c == '\r' ? S_DATA_LF : S_BAD;
	case S_DATA_LF:
		return c == '\n' ? S_SIZE : S_BAD;
	case S_TRAILER:
	case S_TRAILER_LINE:
		return step_trailer(d, c);
	case S_TRAILER_LF:
		return c == '\n' ? S_TRAILER : S_BAD;
	case S_LAST_LF:
		return c == '\n' ? S_DONE : S_BAD;
	default:
		return S_BAD;
	}
}

enum ag_parse
ag_chunk_decode(struct ag_chunk_dec *d, const char *p, size_t n, size_t *out_used,
    struct ag_str *out_payload)
{
	size_t i = 0;

	*out_payload = AG_STR_NONE;
	assert(d->state != S_DONE);
	while (i < n && d->state != S_DATA && d->state < S_DONE)
		d->state = step(d, p[i++]);
	if (d->state == S_DATA && i < n) {
		size_t run = d->left < n - i ? (size_t)d->left : n - i;

		*out_payload = ag_str_n(p + i, run);
		d->left -= run;
		i += run;
		if (d->left == 0)
			d->state = S_DATA_CR;
	}
	/* What ends the chunk goes with its payload, so that a piece which ends here is used up. */
	while (i < n && (d->state == S_DATA_CR || d->state == S_DATA_LF))
		d->state = step(d, p[i++]);
	*out_used = i;
	if (d->state == S_BAD)
		return AG_PARSE_BAD;
	return d->state == S_DONE ? AG_PARSE_DONE : AG_PARSE_MORE;
}

size_t
ag_chunk_head(char out[AG_CHUNK_HEAD_MAX], uint64_t n)
{
	static const char digit[16] = "0123456789abcdef";
	int shift = n > 0 ? (63 - __builtin_clzll(n)) / 4 * 4 : 0;
	size_t len = 0;

	assert(n > 0);
	for (; shift >= 0; shift -= 4)
		out[len++] = digit[n >> shift & 15];
	out[len++] = '\r';
	out[len++] = '\n';
	return len;
}
