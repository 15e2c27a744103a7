/* Amazon's event streams: the same messages however they are cut, and none that was not sealed by
 * its checksums.  The first byte says how large the pieces are; the second, odd, that the checksums
 * are put right first, so that the fuzzer gets behind them. */
#include "http/eventstream.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "fuzz.h"

#define MESSAGE_MAX 1024

static int
on_message(void *arg, const struct ag_eventstream_message *m)
{
	struct ag_buf *told = arg;

	must(m->payload.n <= MESSAGE_MAX && m->name.n <= MESSAGE_MAX);
	ag_buf_putc(told, (char)m->kind);
	ag_buf_put_str(told, m->name);
	ag_buf_putc(told, '\1');
	ag_buf_put_str(told, m->text);
	ag_buf_putc(told, '\2');
	ag_buf_put_str(told, m->payload);
	return 0;
}

static int
run(const char *p, size_t n, size_t step, struct ag_buf *told)
{
	struct ag_eventstream s;
	int rc = 0;

	ag_buf_init(told, 1 << 24);
	ag_eventstream_init(&s, MESSAGE_MAX);
	for (size_t at = 0; at < n && rc == 0; at += step)
		rc = ag_eventstream_feed(&s, p + at, step < n - at ? step : n - at, on_message, told);
	must(rc == 0 || rc == -EBADMSG || rc == -EMSGSIZE);
	ag_eventstream_fini(&s);
	return rc;
}

static void
put_u32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (24 - 8 * i));
}

static void
seal(char *p, size_t n)
{
	while (n >= AG_EVENTSTREAM_OVERHEAD) {
		size_t total = ((size_t)(unsigned char)p[2] << 8) | (unsigned char)p[3];

		if (total < AG_EVENTSTREAM_OVERHEAD || total > n)
			total = n < MESSAGE_MAX ? n : MESSAGE_MAX;
		put_u32(p, (uint32_t)total);
		p[4] = p[5] = 0;
		put_u32(p + 8, ag_crc32(0, p, 8));
		put_u32(p + total - 4, ag_crc32(0, p, total - 4));
		p += total;
		n -= total;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_buf whole, cut;
	char *copy;
	size_t n;
	int rc, cut_rc;

	if (size < 3)
		return 0;
	n = size - 2;
	copy = malloc(n);
	must(copy);
	memcpy(copy, data + 2, n);
	if (data[1] & 1)
		seal(copy, n);
	rc = run(copy, n, n, &whole);
	cut_rc = run(copy, n, 1u + data[0] % 32, &cut);
	must(rc == cut_rc);
	must(ag_str_eq(ag_buf_str(&whole), ag_buf_str(&cut)));
	ag_buf_fini(&whole);
	ag_buf_fini(&cut);
	free(copy);
	return 0;
}
