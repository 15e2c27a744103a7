/* media.c - reading what pictures, speech and transcripts cost: tokens where they are told; else units,
 * the pictures made and the seconds heard.  Streams are of typed events, whose last has the usage. */
#include "provider/figure.h"
#include "provider/provider.h"

enum { M_DATA, M_USAGE, M_DURATION, M_N };

/* {"type":"duration","seconds":9} */
static uint64_t
seconds_of(struct ag_str text, struct ag_json_value usage)
{
	static const struct ag_str name = { "seconds", 7 };
	struct ag_str raw = ag_json_raw(text, usage);
	struct ag_json_value v;
	struct ag_json_fault fault;

	if (usage.type != AG_JSON_OBJECT || ag_figure_scan(raw, &name, 1, &v, &fault) < 0)
		return 0;
	return ag_figure_or(raw, v, 0);
}

static void
on_body(const struct ag_provider *p, struct ag_str body, struct ag_answer *a)
{
	static const struct ag_str names[M_N] = {
		[M_DATA] = { "data", 4 }, [M_USAGE] = { "usage", 5 }, [M_DURATION] = { "duration", 8 },
	};
	static struct ag_json_fields fields = AG_JSON_FIELDS(names);
	struct ag_json_value f[M_N];
	struct ag_json_fault fault;
	uint64_t seconds;

	if (body.n == 0 || ag_json_scan(body, &fields, f, &fault) < 0) {
		a->has_done = true; /* plain text, subtitles */
		return;
	}
	ag_openai_on_body(p, body, a);
	if (f[M_DATA].type == AG_JSON_ARRAY)
		a->usage.units = f[M_DATA].n_children;
	seconds = seconds_of(body, f[M_USAGE]);
	if (seconds == 0)
		seconds = ag_figure_or(body, f[M_DURATION], 0);
	if (seconds > 0)
		a->usage.units = seconds;
}

/* "image_generation.completed", "transcript.text.done", "speech.audio.done" end; "error" too. */
static bool
on_event(const struct ag_provider *p, struct ag_str name, struct ag_str data, struct ag_answer *a)
{
	static const struct ag_str type = { "type", 4 };
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str word;
	bool is_withheld = ag_openai_on_event(p, name, data, a);

	if (ag_figure_scan(data, &type, 1, &v, &fault) < 0)
		return is_withheld;
	word = ag_figure_inside(data, v);
	if (ag_str_eq(word, AG_STR("error")))
		a->has_error = true;
	if ((word.n > 10 && ag_str_eq(ag_str_skip(word, word.n - 10), AG_STR(".completed"))) ||
	    (word.n > 5 && ag_str_eq(ag_str_skip(word, word.n - 5), AG_STR(".done")))) {
		a->has_done = true;
		a->usage.units += ag_str_starts(word, AG_STR("image_"));
	}
	return false;
}

const struct ag_wire ag_wire_media = { .on_body = on_body, .on_event = on_event, .on_error = ag_openai_on_error };
