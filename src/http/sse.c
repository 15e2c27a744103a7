#include "http/sse.h"

#include <errno.h>
#include <string.h>

#include "http/bytes.h"

/* Below this the carry's memory is kept for the next cut event. */
#define CARRY_KEEP 4096

void
ag_sse_init(struct ag_sse *s, size_t max_event_bytes)
{
	*s = (struct ag_sse){ 0 };
	ag_buf_init(&s->carry, max_event_bytes);
	ag_buf_init(&s->joined, max_event_bytes);
}

void
ag_sse_fini(struct ag_sse *s)
{
	ag_buf_fini(&s->carry);
	ag_buf_fini(&s->joined);
}

/* The end of the block that the bytes from p on continue: just behind its blank line, or NULL
 * when that has not come yet.  The state carries over from piece to piece. */
static const char *
find_block_end(struct ag_sse *s, const char *p, const char *end)
{
	while (p < end) {
		bool is_blank;

		if (s->has_cr) {
			s->has_cr = false;
			if (*p == '\n') {
				p++;
				continue;
			}
		}
		if (*p != '\n' && *p != '\r') {
			s->is_line_open = true;
			p = bytes_find_eol(p, end);
			if (p == end)
				return NULL;
		}
		is_blank = !s->is_line_open;
		s->is_line_open = false;
		s->has_cr = *p++ == '\r';
		if (!is_blank)
			continue;
		if (s->has_cr && p < end && *p == '\n') {
			s->has_cr = false;
			p++;
		}
		return p;
	}
	return NULL;
}

/* data: lines are kept as a view while there is one, and joined from the second on. */
static int
add_data(struct ag_sse *s, struct ag_sse_event *ev, struct ag_str value)
{
	if (!ev->has_data) {
		ev->has_data = true;
		ev->data = value;
		return 0;
	}
	if (s->joined.n == 0)
		ag_buf_put_str(&s->joined, ev->data);
	ag_buf_putc(&s->joined, '\n');
	ag_buf_put_str(&s->joined, value);
	ev->data = ag_buf_str(&s->joined);
	return s->joined.failed ? -ENOMEM : 0;
}

static int
take_field(struct ag_sse *s, struct ag_sse_event *ev, struct ag_str line)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct ag_str name = colon ? ag_str_n(line.p, (size_t)(colon - line.p)) : line;
	struct ag_str value = colon ? ag_str_skip(line, name.n + 1) : ag_str_n(line.p + line.n, 0);

	if (value.n > 0 && value.p[0] == ' ')
		value = ag_str_skip(value, 1);
	if (ag_str_eq(name, AG_STR("data")))
		return add_data(s, ev, value);
	if (ag_str_eq(name, AG_STR("event")))
		ev->event = value;
	return 0;
}

static int
take_lines(struct ag_sse *s, struct ag_sse_event *ev)
{
	const char *p = ev->raw.p, *end = p + ev->raw.n;

	ag_buf_reset(&s->joined);
	if (ev->at == 0 && ev->raw.n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	while (p < end) {
		const char *eol = bytes_find_eol(p, end);
		int rc = 0;

		if (eol > p && *p != ':')
			rc = take_field(s, ev, ag_str_n(p, (size_t)(eol - p)));
		if (rc < 0)
			return rc;
		p = eol + 1;
	}
	return 0;
}

static int
tell(struct ag_sse *s, struct ag_str raw, bool is_in_piece, ag_sse_fn *fn, void *arg)
{
	struct ag_sse_event ev = { .raw = raw, .is_in_piece = is_in_piece, .at = s->at };
	int rc = take_lines(s, &ev);

	s->at += raw.n;
	return rc < 0 ? rc : fn(arg, &ev);
}

/* The block that was begun in the carry ends in this piece. */
static int
tell_carried(struct ag_sse *s, ag_sse_fn *fn, void *arg)
{
	int rc = tell(s, ag_buf_str(&s->carry), false, fn, arg);

	if (rc != 0)
		return rc;
	ag_buf_reset(&s->carry);
	if (s->carry.cap > CARRY_KEEP)
		ag_buf_shrink(&s->carry);
	if (s->joined.cap > CARRY_KEEP) {
		ag_buf_reset(&s->joined);
		ag_buf_shrink(&s->joined);
	}
	return 0;
}

static int
carry(struct ag_sse *s, const char *p, size_t n)
{
	if (n > s->carry.max - s->carry.n) {
		s->carry.failed = true;
		return -EMSGSIZE;
	}
	ag_buf_put(&s->carry, p, n);
	return s->carry.failed ? -ENOMEM : 0;
}

int
ag_sse_feed(struct ag_sse *s, const char *p, size_t n, ag_sse_fn *fn, void *arg)
{
	const char *end = p + n, *block_end;
	int rc = s->carry.failed ? -EMSGSIZE : 0;

	while (rc == 0 && (block_end = find_block_end(s, p, end)) != NULL) {
		struct ag_str raw = ag_str_n(p, (size_t)(block_end - p));

		p = block_end;
		if (s->carry.n > 0) {
			rc = carry(s, raw.p, raw.n);
			if (rc == 0)
				rc = tell_carried(s, fn, arg);
		} else if (raw.n > s->carry.max) {
			s->carry.failed = true;
			rc = -EMSGSIZE;
		} else {
			rc = tell(s, raw, true, fn, arg);
		}
	}
	if (rc == 0 && p < end)
		rc = carry(s, p, (size_t)(end - p));
	return rc;
}

bool
ag_sse_finish(const struct ag_sse *s, struct ag_str *out_rest)
{
	bool is_line_end = s->carry.n == 1 && (s->carry.p[0] == '\n' || s->carry.p[0] == '\r');

	if (out_rest)
		*out_rest = ag_buf_str(&s->carry);
	return s->carry.n > 0 && !is_line_end;
}
