/* Whatever a provider says: a reader tells START first and END or ERROR last, each once; every writer
 * makes of it what does not depend on how it was cut; and whole bodies do no harm.
 * First byte: the protocol; second: the size of the pieces. */
#include "translate/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "fuzz.h"

#define OUT_MAX   ((size_t)1 << 22)
#define EVENT_MAX ((size_t)1 << 16)

/* The endpoints of all protocols that are spoken. */
static const enum ag_endpoint endpoints[] = { AG_EP_CHAT, AG_EP_MESSAGES, AG_EP_GENERATE, AG_EP_RESPONSES,
	AG_EP_CONVERSE, AG_EP_COHERE_CHAT, AG_EP_COMPLETION };

struct side {
	const struct ag_writer *w;
	void *state;
	struct ag_buf out;
};

struct run {
	const struct ag_protocol *from;
	struct side side[AG_ARRAY_LEN(endpoints)];
	void *reader;
	struct ag_answer a;
	struct ag_piece_sink sink;
	unsigned started, ended;
	bool has_failed;
};

static int
on_piece(void *arg, const struct ag_piece *p)
{
	struct run *r = arg;

	must(r->ended == 0);
	must((p->kind == AG_PIECE_START || p->kind == AG_PIECE_ERROR) || r->started == 1);
	r->started += p->kind == AG_PIECE_START;
	r->ended += p->kind == AG_PIECE_END || p->kind == AG_PIECE_ERROR;
	must(r->started <= 1);
	for (size_t i = 0; i < AG_ARRAY_LEN(r->side); i++)
		if (r->side[i].w && r->side[i].w->piece(r->side[i].state, p, &r->side[i].out) < 0) {
			r->has_failed = true;
			return -1;
		}
	return 0;
}

static int
on_event(void *arg, const struct ag_stream_event *ev)
{
	struct run *r = arg;

	return r->from->reader->event(r->reader, ag_provider_at(0), ev, &r->a, &r->sink);
}

static void
run_init(struct run *r, const struct ag_protocol *from, const struct ag_writer_in *in)
{
	*r = (struct run){ .from = from, .sink = { on_piece, r } };
	r->reader = calloc(1, from->reader->state_bytes + 1);
	for (size_t i = 0; i < AG_ARRAY_LEN(endpoints); i++) {
		const struct ag_protocol *p = ag_protocol_of(endpoints[i]);
		struct side *s = &r->side[i];

		ag_buf_init(&s->out, OUT_MAX);
		if (!p || !p->writer)
			continue;
		s->w = p->writer;
		s->state = calloc(1, s->w->state_bytes + 1);
		must(s->state != NULL);
		s->w->init(s->state, in);
	}
	must(r->reader != NULL);
}

static void
run_fini(struct run *r)
{
	if (r->from->reader->fini)
		r->from->reader->fini(r->reader);
	free(r->reader);
	for (size_t i = 0; i < AG_ARRAY_LEN(r->side); i++) {
		if (r->side[i].w && r->side[i].w->fini)
			r->side[i].w->fini(r->side[i].state);
		free(r->side[i].state);
		ag_buf_fini(&r->side[i].out);
	}
}

static int
run_stream(struct run *r, struct ag_str body, size_t step)
{
	const struct ag_framing *f = r->from->framing;
	void *state = calloc(1, f->state_bytes);
	int rc = 0;

	must(state != NULL);
	f->init(state, EVENT_MAX);
	for (size_t at = 0; at < body.n && rc == 0; at += step)
		rc = f->feed(state, ag_str_n(body.p + at, step < body.n - at ? step : body.n - at), on_event, r);
	if (rc == 0 && !f->is_cut(state) && !r->a.has_error)
		rc = r->from->reader->eof(r->reader, &r->a, &r->sink);
	f->fini(state);
	free(state);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_writer_in in = { .id = AG_STR("id"), .model = AG_STR("m"), .created_s = 1, .is_stream = true,
		.wants_usage = true };
	const struct ag_protocol *from;
	struct run whole, cut, body;
	struct ag_client_error e;
	struct ag_buf mem;
	struct ag_str text;
	int rc;

	if (size < 3)
		return 0;
	from = ag_protocol_of(endpoints[data[0] % AG_ARRAY_LEN(endpoints)]);
	if (!from || !from->reader)
		return 0;
	text = ag_str_n((const char *)data + 2, size - 2);
	run_init(&whole, from, &in);
	run_init(&cut, from, &in);
	rc = run_stream(&whole, text, text.n);
	must((rc == 0) == (run_stream(&cut, text, 1u + data[1] % 32) == 0) || whole.has_failed);
	for (size_t i = 0; rc == 0 && i < AG_ARRAY_LEN(endpoints); i++)
		must(ag_str_eq(ag_buf_str(&whole.side[i].out), ag_buf_str(&cut.side[i].out)));
	run_fini(&whole);
	run_fini(&cut);
	in.is_stream = false;
	run_init(&body, from, &in);
	(void)!from->reader->body(body.reader, ag_provider_at(0), text, &body.a, &body.sink);
	run_fini(&body);
	ag_buf_init(&mem, OUT_MAX);
	from->read_error(400 + data[1], text, &mem, &e);
	must(e.status >= 400 && e.status < 600 && e.type.n > 0);
	ag_buf_fini(&mem);
	return 0;
}
