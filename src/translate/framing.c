#include "translate/framing.h"

#include "http/eventstream.h"
#include "http/sse.h"

struct sse_state {
	struct ag_sse sse;
	ag_stream_fn *fn;
	void *arg;
};

static void
sse_init(void *state, size_t max_event_bytes)
{
	struct sse_state *s = state;

	ag_sse_init(&s->sse, max_event_bytes);
}

static void
sse_fini(void *state)
{
	struct sse_state *s = state;

	ag_sse_fini(&s->sse);
}

static int
sse_on_event(void *arg, const struct ag_sse_event *ev)
{
	struct sse_state *s = arg;
	struct ag_stream_event out = { .name = ev->event, .data = ev->data };

	return ev->has_data ? s->fn(s->arg, &out) : 0;
}

static int
sse_feed(void *state, struct ag_str piece, ag_stream_fn *fn, void *arg)
{
	struct sse_state *s = state;

	s->fn = fn;
	s->arg = arg;
	return ag_sse_feed(&s->sse, piece.p, piece.n, sse_on_event, s);
}

static bool
sse_is_cut(void *state)
{
	struct sse_state *s = state;

	return ag_sse_finish(&s->sse, NULL);
}

const struct ag_framing ag_framing_sse = {
	.content_type = "text/event-stream",
	.state_bytes = sizeof(struct sse_state),
	.init = sse_init,
	.fini = sse_fini,
	.feed = sse_feed,
	.is_cut = sse_is_cut,
};

struct aws_state {
	struct ag_eventstream stream;
	ag_stream_fn *fn;
	void *arg;
};

static void
aws_init(void *state, size_t max_event_bytes)
{
	struct aws_state *s = state;

	ag_eventstream_init(&s->stream, max_event_bytes);
}

static void
aws_fini(void *state)
{
	struct aws_state *s = state;

	ag_eventstream_fini(&s->stream);
}

static int
aws_on_message(void *arg, const struct ag_eventstream_message *m)
{
	struct aws_state *s = arg;
	struct ag_stream_event ev = { .name = m->name, .data = m->payload,
		.is_exception = m->kind != AG_EVENTSTREAM_EVENT };

	if (m->kind == AG_EVENTSTREAM_ERROR)
		ev.data = m->text;
	return s->fn(s->arg, &ev);
}

static int
aws_feed(void *state, struct ag_str piece, ag_stream_fn *fn, void *arg)
{
	struct aws_state *s = state;

	s->fn = fn;
	s->arg = arg;
	return ag_eventstream_feed(&s->stream, piece.p, piece.n, aws_on_message, s);
}

static bool
aws_is_cut(void *state)
{
	struct aws_state *s = state;

	return ag_eventstream_is_open(&s->stream);
}

const struct ag_framing ag_framing_eventstream = {
	.content_type = "application/vnd.amazon.eventstream",
	.state_bytes = sizeof(struct aws_state),
	.init = aws_init,
	.fini = aws_fini,
	.feed = aws_feed,
	.is_cut = aws_is_cut,
};
