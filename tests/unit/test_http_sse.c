#include "http/sse.h"

#include <errno.h>
#include <stdlib.h>

#include "base/attr.h"
#include "tap.h"

/* What was told, written down: "[event|data]" for each block with data, "(event)" without. */
struct notes {
	struct ag_buf seen, raw;
	uint64_t at;       /* where the next block must start */
	bool has_gap;
	int n, stop_after; /* 0: never */
	int n_in_piece;
};

static int
note(void *arg, const struct ag_sse_event *ev)
{
	struct notes *notes = arg;

	ag_buf_puts(&notes->seen, ev->has_data ? "[" : "(");
	ag_buf_put_str(&notes->seen, ev->event);
	if (ev->has_data) {
		ag_buf_putc(&notes->seen, '|');
		ag_buf_put_str(&notes->seen, ev->data);
	}
	ag_buf_puts(&notes->seen, ev->has_data ? "]" : ")");
	ag_buf_put_str(&notes->raw, ev->raw);
	notes->has_gap |= ev->at != notes->at;
	notes->at = ev->at + ev->raw.n;
	notes->n_in_piece += ev->is_in_piece;
	return ++notes->n == notes->stop_after ? -ECANCELED : 0;
}

static void
notes_init(struct notes *notes)
{
	*notes = (struct notes){ 0 };
	ag_buf_init(&notes->seen, 1 << 20);
	ag_buf_init(&notes->raw, 1 << 20);
}

static void
notes_fini(struct notes *notes)
{
	ag_buf_fini(&notes->seen);
	ag_buf_fini(&notes->raw);
}

static int
feed_copy(struct ag_sse *s, const char *p, size_t n, struct notes *notes)
{
	char *copy = malloc(n ? n : 1);
	int rc;

	memcpy(copy, p, n);
	rc = ag_sse_feed(s, copy, n, note, notes);
	free(copy);
	return rc;
}

/* Fed in pieces of a, then of b bytes. */
static bool
tells(struct ag_str stream, size_t a, size_t b, const char *want, bool is_partial)
{
	struct ag_sse s;
	struct notes notes;
	struct ag_str rest = AG_STR_NONE;
	bool is_right;

	notes_init(&notes);
	ag_sse_init(&s, 1 << 20);
	for (size_t at = 0, piece = a; at < stream.n; at += piece, piece = b) {
		if (piece > stream.n - at)
			piece = stream.n - at;
		if (feed_copy(&s, stream.p + at, piece, &notes) != 0)
			ok(false, "feeding works");
	}
	is_right = ag_str_eq(ag_buf_str(&notes.seen), ag_str(want)) &&
	           ag_sse_finish(&s, &rest) == is_partial && !notes.has_gap;
	/* Raw bytes and rest together are the stream, without hole or overlap. */
	ag_buf_put_str(&notes.raw, rest);
	is_right = is_right && ag_str_eq(ag_buf_str(&notes.raw), stream);
	if (!is_right)
		printf("# cut %zu/%zu: %.*s\n", a, b, (int)notes.seen.n, notes.seen.p);
	ag_sse_fini(&s);
	notes_fini(&notes);
	return is_right;
}

static void
always_tells(struct ag_str stream, const char *want, bool is_partial, const char *what)
{
	bool is_right = tells(stream, 1, 1, want, is_partial);

	for (size_t cut = 1; cut <= stream.n; cut++)
		is_right = tells(stream, cut, stream.n, want, is_partial) && is_right;
	ok(is_right, "%s", what);
}

static void
events_are_told_wherever_they_are_cut(void)
{
	always_tells(AG_STR("data: a\n\ndata: b\n\n"), "[|a][|b]", false, "LF");
	always_tells(AG_STR("data: a\r\n\r\ndata: b\r\n\r\n"), "[|a][|b]", false, "CRLF");
	always_tells(AG_STR("data: a\r\rdata: b\r\r"), "[|a][|b]", false, "CR");
	always_tells(AG_STR("data: a\n\r\ndata: b\r\n\n"), "[|a][|b]", false, "mixed line ends");
	always_tells(AG_STR("event: message_start\ndata: {\"a\":1}\n\n"), "[message_start|{\"a\":1}]",
	    false, "a named event");
	always_tells(AG_STR("data: a\ndata: b\ndata:\ndata:c\n\n"), "[|a\nb\n\nc]", false,
	    "several data lines are joined");
	always_tells(AG_STR("data:\ndata: x\n\n"), "[|\nx]", false, "an empty first data line counts");
	always_tells(AG_STR("data\n\n"), "[|]", false, "data without a colon is empty data");
	always_tells(AG_STR("data:  a \n\n"), "[| a ]", false, "one blank is dropped, not two");
	always_tells(AG_STR(": ping\n\ndata: a\n\n"), "()[|a]", false, "comments are relayed");
	always_tells(AG_STR(": data: no\nid: 7\nretry: 9\ndatum: x\ndata: a\n\n"), "[|a]", false,
	    "other fields are no data");
	always_tells(AG_STR("event: x\n\n"), "(x)", false, "an event without data");
	always_tells(AG_STR("\xef\xbb\xbf" "data: a\n\n"), "[|a]", false, "a byte order mark");
	always_tells(AG_STR("data: a\n\n\n\ndata: b\n\n"), "[|a]()()[|b]", false, "blank lines");
	always_tells(AG_STR("data: a\n\ndata: [DONE]\n"), "[|a]", true, "an unfinished event is left");
	always_tells(AG_STR("data: a\n\ndata: cu"), "[|a]", true, "a cut line is left");
	always_tells(AG_STR("event: a\nevent: b\ndata: x\n\n"), "[b|x]", false, "the last name wins");
}

static void
whole_events_are_not_copied(void)
{
	struct ag_sse s;
	struct notes notes;
	static const char text[] = "data: a\n\ndata: b\n\ndata: c";

	notes_init(&notes);
	ag_sse_init(&s, 1 << 20);
	is_i64(feed_copy(&s, text, sizeof(text) - 1, &notes), 0, "two events and a half");
	is_i64(notes.n_in_piece, 2, "both are told in place");
	is_i64((int64_t)s.carry.n, 7, "only the tail is carried");
	is_i64(feed_copy(&s, "\n\n", 2, &notes), 0, "the rest of it");
	is_i64(notes.n_in_piece, 2, "the third was put together");
	is_i64(notes.n, 3, "and told");
	is_i64((int64_t)s.carry.n, 0, "nothing is kept");
	ag_sse_fini(&s);
	notes_fini(&notes);
}

static void
a_callback_may_stop_and_free(void)
{
	struct ag_sse s;
	struct notes notes;

	notes_init(&notes);
	notes.stop_after = 2;
	ag_sse_init(&s, 1 << 20);
	is_i64(feed_copy(&s, "data: a\n\ndata: b\n\ndata: c\n\n", 27, &notes), -ECANCELED,
	    "the callback's word is handed on");
	is_i64(notes.n, 2, "and nothing is told after it");
	ag_sse_fini(&s);
	notes_fini(&notes);
}

static void
an_event_has_a_ceiling(void)
{
	struct ag_sse s;
	struct notes notes;
	char line[100];

	memset(line, 'x', sizeof(line));
	notes_init(&notes);
	ag_sse_init(&s, 64);
	is_i64(feed_copy(&s, line, 64, &notes), 0, "as much as fits");
	is_i64(feed_copy(&s, line, 1, &notes), -EMSGSIZE, "one byte more does not");
	is_i64(feed_copy(&s, "\n\n", 2, &notes), -EMSGSIZE, "and stays refused");
	ag_sse_fini(&s);
	ag_sse_init(&s, 64);
	line[98] = line[99] = '\n';
	is_i64(feed_copy(&s, line, 100, &notes), -EMSGSIZE, "nor does a whole one in one piece");
	is_i64(notes.n, 0, "none of them was told");
	ag_sse_fini(&s);
	notes_fini(&notes);
}

int
main(void)
{
	events_are_told_wherever_they_are_cut();
	whole_events_are_not_copied();
	a_callback_may_stop_and_free();
	an_event_has_a_ceiling();
	return done();
}
