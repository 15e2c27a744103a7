/* Characters: each code point is one, and nothing else is, as a plain decoder has it. */
#include "base/utf8.h"

#include "tap.h"

/* The slow way: decode by the bits, then ask what was decoded. */
static size_t
plain_len(const uint8_t *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3
	    : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
	uint32_t c;

	if (len == 0 || len > n)
		return 0;
	c = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : len;
}

static bool
agrees(const uint8_t *p, size_t n)
{
	return ag_utf8_len(ag_str_n((const char *)p, n)) == plain_len(p, n);
}

static void
it_agrees_with_a_plain_decoder(void)
{
	static const uint8_t edge[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff };
	bool is_good = true;

	for (unsigned i = 0; i < 65536; i++) {
		uint8_t p[4] = { (uint8_t)(i >> 8), (uint8_t)i };

		for (size_t j = 0; j < sizeof(edge) * sizeof(edge); j++) {
			p[2] = edge[j / sizeof(edge)];
			p[3] = edge[j % sizeof(edge)];
			for (size_t n = 1; n <= sizeof(p); n++)
				is_good = is_good && agrees(p, n);
		}
	}
	ok(is_good, "every first pair, before every edge, whole and cut");
}

int
main(void)
{
	it_agrees_with_a_plain_decoder();
	ok(ag_utf8_len(AG_STR("\xf4\x8f\xbf\xbf")) == 4, "the last code point is one");
	ok(ag_utf8_len(ag_str_n("\0", 1)) == 1, "so is NUL");
	return done();
}
