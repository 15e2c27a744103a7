#include "http/eventstream.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"

#define PRELUDE 12u /* two lengths and their checksum */

static uint32_t
get_u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static size_t
get_u16(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (size_t)u[0] << 8 | u[1];
}

void
ag_eventstream_init(struct ag_eventstream *s, size_t max_message_bytes)
{
	*s = (struct ag_eventstream){ .max = max_message_bytes };
	ag_buf_init(&s->carry, max_message_bytes);
}

void
ag_eventstream_fini(struct ag_eventstream *s)
{
	ag_buf_fini(&s->carry);
}

/* ---- one message ------------------------------------------------------------------------- */

enum { T_TRUE, T_FALSE, T_BYTE, T_SHORT, T_INT, T_LONG, T_BYTES, T_STRING, T_TIME, T_UUID, T_COUNT };

/* One header off the front of *rest. */
static int
take_header(struct ag_str *rest, struct ag_str *out_name, int *out_type, struct ag_str *out_value)
{
	static const uint8_t fixed[T_COUNT] = { [T_BYTE] = 1, [T_SHORT] = 2, [T_INT] = 4, [T_LONG] = 8,
		[T_TIME] = 8, [T_UUID] = 16 };
	size_t name_n, type, n;

	name_n = (unsigned char)rest->p[0];
	if (name_n == 0 || rest->n < 1 + name_n + 1)
		return -EBADMSG;
	*out_name = ag_str_n(rest->p + 1, name_n);
	type = (unsigned char)rest->p[1 + name_n];
	if (type >= T_COUNT)
		return -EBADMSG;
	*rest = ag_str_skip(*rest, 1 + name_n + 1);
	n = fixed[type];
	if (type == T_BYTES || type == T_STRING) {
		if (rest->n < 2)
			return -EBADMSG;
		n = get_u16(rest->p);
		*rest = ag_str_skip(*rest, 2);
	}
	if (rest->n < n)
		return -EBADMSG;
	*out_type = (int)type;
	*out_value = ag_str_n(rest->p, n);
	*rest = ag_str_skip(*rest, n);
	return 0;
}

static int
read_headers(struct ag_str rest, struct ag_eventstream_message *m)
{
	struct ag_str kind = AG_STR("event"), event = AG_STR_NONE, exception = AG_STR_NONE, code = AG_STR_NONE;

	while (rest.n > 0) {
		struct ag_str name, value;
		int type, rc = take_header(&rest, &name, &type, &value);

		if (rc < 0)
			return rc;
		if (type != T_STRING)
			continue;
		if (ag_str_eq(name, AG_STR(":message-type")))
			kind = value;
		else if (ag_str_eq(name, AG_STR(":event-type")))
			event = value;
		else if (ag_str_eq(name, AG_STR(":exception-type")))
			exception = value;
		else if (ag_str_eq(name, AG_STR(":error-code")))
			code = value;
		else if (ag_str_eq(name, AG_STR(":error-message")))
			m->text = value;
		else if (ag_str_eq(name, AG_STR(":content-type")))
			m->content_type = value;
	}
	if (ag_str_eq(kind, AG_STR("exception"))) {
		m->kind = AG_EVENTSTREAM_EXCEPTION;
		m->name = exception;
	} else if (ag_str_eq(kind, AG_STR("error"))) {
		m->kind = AG_EVENTSTREAM_ERROR;
		m->name = code;
	} else if (ag_str_eq(kind, AG_STR("event"))) {
		m->kind = AG_EVENTSTREAM_EVENT;
		m->name = event;
	} else {
		return -EBADMSG;
	}
	return 0;
}

/* The length of the message whose prelude stands at p. */
static int
check_prelude(const struct ag_eventstream *s, const char *p, size_t *out_total)
{
	size_t total = get_u32(p), headers = get_u32(p + 4);

	if (ag_crc32(0, p, 8) != get_u32(p + 8))
		return -EBADMSG;
	if (total > s->max || headers > AG_EVENTSTREAM_HEADERS_MAX)
		return -EMSGSIZE;
	if (total < AG_EVENTSTREAM_OVERHEAD || headers > total - AG_EVENTSTREAM_OVERHEAD)
		return -EBADMSG;
	*out_total = total;
	return 0;
}

static int
tell(const char *p, size_t total, ag_eventstream_fn *fn, void *arg)
{
	struct ag_eventstream_message m = { 0 };
	size_t headers = get_u32(p + 4);
	int rc;

	if (ag_crc32(0, p, total - 4) != get_u32(p + total - 4))
		return -EBADMSG;
	m.payload = ag_str_n(p + PRELUDE + headers, total - AG_EVENTSTREAM_OVERHEAD - headers);
	rc = read_headers(ag_str_n(p + PRELUDE, headers), &m);
	return rc < 0 ? rc : fn(arg, &m);
}

/* ---- the stream -------------------------------------------------------------------------- */

/* Moves from the piece into the carry what is missing to `upto` bytes of it. */
static int
carry_upto(struct ag_eventstream *s, size_t upto, const char **p, size_t *n)
{
	size_t take = upto > s->carry.n ? upto - s->carry.n : 0;

	if (take > *n)
		take = *n;
	ag_buf_put(&s->carry, *p, take);
	*p += take;
	*n -= take;
	return s->carry.failed ? -ENOMEM : 0;
}

/* Goes on with the message that an earlier piece began; the carry is empty when it was told. */
static int
feed_carry(struct ag_eventstream *s, const char **p, size_t *n, ag_eventstream_fn *fn, void *arg)
{
	int rc;

	if (s->want == 0) {
		rc = carry_upto(s, PRELUDE, p, n);
		if (rc < 0 || s->carry.n < PRELUDE)
			return rc;
		rc = check_prelude(s, s->carry.p, &s->want);
		if (rc < 0)
			return rc;
	}
	rc = carry_upto(s, s->want, p, n);
	if (rc < 0 || s->carry.n < s->want)
		return rc;
	rc = tell(s->carry.p, s->want, fn, arg);
	if (rc != 0)
		return rc;
	s->want = 0;
	ag_buf_reset(&s->carry);
	return 0;
}

int
ag_eventstream_feed(struct ag_eventstream *s, const char *p, size_t n, ag_eventstream_fn *fn, void *arg)
{
	int rc;

	if (s->carry.n > 0) {
		rc = feed_carry(s, &p, &n, fn, arg);
		if (rc != 0 || s->carry.n > 0)
			return rc;
	}
	/* Messages that stand whole in the piece are not copied. */
	while (n >= PRELUDE) {
		size_t total;

		rc = check_prelude(s, p, &total);
		if (rc < 0)
			return rc;
		if (n < total)
			break;
		rc = tell(p, total, fn, arg);
		if (rc != 0)
			return rc;
		p += total;
		n -= total;
	}
	ag_buf_put(&s->carry, p, n);
	return s->carry.failed ? -ENOMEM : 0;
}

/* ---- the other end ----------------------------------------------------------------------- */

static void
put_u32(char *p, size_t v)
{
	p[0] = (char)(v >> 24);
	p[1] = (char)(v >> 16);
	p[2] = (char)(v >> 8);
	p[3] = (char)v;
}

void
ag_eventstream_put(struct ag_buf *out, const struct ag_eventstream_header *header, size_t n_headers,
    struct ag_str payload)
{
	size_t headers = 0, total, at = PRELUDE;
	char *p;

	for (size_t i = 0; i < n_headers; i++)
		headers += 4 + header[i].name.n + header[i].value.n;
	total = AG_EVENTSTREAM_OVERHEAD + headers + payload.n;
	p = ag_buf_reserve(out, total);
	if (!p)
		return;
	put_u32(p, total);
	put_u32(p + 4, headers);
	put_u32(p + 8, ag_crc32(0, p, 8));
	for (size_t i = 0; i < n_headers; i++) {
		struct ag_str name = header[i].name, value = header[i].value;

		p[at++] = (char)name.n;
		memcpy(p + at, name.p, name.n);
		at += name.n;
		p[at++] = T_STRING;
		p[at++] = (char)(value.n >> 8);
		p[at++] = (char)value.n;
		if (value.n > 0)
			memcpy(p + at, value.p, value.n);
		at += value.n;
	}
	if (payload.n > 0)
		memcpy(p + at, payload.p, payload.n);
	put_u32(p + total - 4, ag_crc32(0, p, total - 4));
	ag_buf_commit(out, total);
}
