/* Messages survive any cut, and no byte of one can change unnoticed. */
#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "http/eventstream.h"
#include "tests/unit/tap.h"

struct seen {
	struct ag_buf text; /* "kind name payload;" of each message */
	int calls;
};

static int
test_on_message(void *arg, const struct ag_eventstream_message *m)
{
	struct seen *s = arg;

	s->calls++;
	ag_buf_printf(&s->text, "%d %.*s %.*s%.*s;", (int)m->kind, AG_STR_ARG(m->name), AG_STR_ARG(m->payload),
	    AG_STR_ARG(m->text));
	return 0;
}

#define HEADER(name, value) { { name, sizeof(name) - 1 }, { value, sizeof(value) - 1 } }
static const struct ag_eventstream_header event[] = {
	HEADER(":event-type", "contentBlockDelta"), HEADER(":content-type", "application/json"),
	HEADER(":message-type", "event") };
static const struct ag_eventstream_header exception[] = {
	HEADER(":exception-type", "throttlingException"), HEADER(":message-type", "exception") };
static const struct ag_eventstream_header error[] = {
	HEADER(":error-code", "boom"), HEADER(":error-message", "it broke"), HEADER(":message-type", "error") };

#define WANT "0 contentBlockDelta {\"a\":1};0 contentBlockDelta ;1 throttlingException {};2 boom it broke;"

static void
put_all(struct ag_buf *b)
{
	ag_buf_init(b, 1 << 20);
	ag_eventstream_put(b, event, 3, AG_STR("{\"a\":1}"));
	ag_eventstream_put(b, event, 3, AG_STR_NONE);
	ag_eventstream_put(b, exception, 2, AG_STR("{}"));
	ag_eventstream_put(b, error, 3, AG_STR_NONE);
}

/* Feeds b in pieces that begin at cut[]; returns what the last feed returned. */
static int
feed(const char *p, size_t n, const size_t *cut, size_t cuts, struct seen *seen, bool *out_open)
{
	struct ag_eventstream s;
	size_t at = 0;
	int rc = 0;

	ag_buf_init(&seen->text, 1 << 20);
	seen->calls = 0;
	ag_eventstream_init(&s, AG_EVENTSTREAM_MESSAGE_MAX);
	for (size_t i = 0; i <= cuts && rc == 0; i++) {
		size_t end = i < cuts ? cut[i] : n;
		char *piece = malloc(end - at + 1); /* its own memory: a read behind it is seen */

		memcpy(piece, p + at, end - at);
		rc = ag_eventstream_feed(&s, piece, end - at, test_on_message, seen);
		free(piece);
		at = end;
	}
	*out_open = rc == 0 && ag_eventstream_is_open(&s);
	ag_eventstream_fini(&s);
	ag_buf_putc(&seen->text, '\0');
	return rc;
}

static void
any_cut_tells_the_same(void)
{
	struct ag_buf b;
	struct seen seen;
	bool is_open;
	int wrong = 0;

	put_all(&b);
	(void)feed(b.p, b.n, NULL, 0, &seen, &is_open);
	is_str(seen.text.p, WANT, "whole, each message is told");
	ag_buf_fini(&seen.text);
	for (size_t i = 0; i <= b.n; i++)
		for (size_t j = i; j <= b.n; j += 7) {
			size_t cut[2] = { i, j };

			if (feed(b.p, b.n, cut, 2, &seen, &is_open) != 0 || is_open ||
			    strcmp(seen.text.p, WANT) != 0)
				wrong++;
			ag_buf_fini(&seen.text);
		}
	is_i64(wrong, 0, "cut in three anywhere, the messages are the same");
	ag_buf_fini(&b);
}

static void
no_byte_changes_unnoticed(void)
{
	struct ag_buf b;
	struct seen seen;
	bool is_open;
	int unnoticed = 0;

	put_all(&b);
	for (size_t i = 0; i < b.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] = (char)(b.p[i] ^ (1 << bit));
			if (feed(b.p, b.n, NULL, 0, &seen, &is_open) == 0)
				unnoticed++;
			ag_buf_fini(&seen.text);
			b.p[i] = (char)(b.p[i] ^ (1 << bit));
		}
	is_i64(unnoticed, 0, "every flipped bit is found");
	ag_buf_fini(&b);
}

static void
a_cut_stream_is_open(void)
{
	struct ag_buf b;
	struct seen seen;
	bool is_open;

	put_all(&b);
	is_i64(feed(b.p, b.n - 1, NULL, 0, &seen, &is_open), 0, "what came is taken");
	ok(is_open, "and the rest is missed");
	is_i64(seen.calls, 3, "the whole ones were told");
	ag_buf_fini(&seen.text);
	ag_buf_fini(&b);
}

static void
lengths_are_not_believed(void)
{
	static const uint8_t huge[] = { 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	static const uint8_t tiny[] = { 0, 0, 0, 15, 0, 0, 0, 0 };
	static const uint8_t heads[] = { 0, 0, 0, 32, 0, 0, 0, 17 };
	const uint8_t *const all[] = { huge, tiny, heads };
	static const int want[] = { -EMSGSIZE, -EBADMSG, -EBADMSG };
	struct seen seen;
	bool is_open;

	for (size_t i = 0; i < 3; i++) {
		char p[64] = { 0 };
		uint32_t crc = ag_crc32(0, all[i], 8);

		memcpy(p, all[i], 8);
		for (int k = 0; k < 4; k++)
			p[8 + k] = (char)(crc >> (24 - 8 * k));
		is_i64(feed(p, sizeof(p), NULL, 0, &seen, &is_open), want[i], "an impossible length is refused");
		ag_buf_fini(&seen.text);
	}
}

int
main(void)
{
	is_i64(ag_crc32(0, "123456789", 9), 0xcbf43926, "the checksum's own check value");
	any_cut_tells_the_same();
	no_byte_changes_unnoticed();
	a_cut_stream_is_open();
	lengths_are_not_believed();
	return done();
}
