/* media.c - pictures, speech and transcripts: fields out of JSON or out of the parts of a form, a hold by
 * tokens or by the unit of the price, and what was used where an answer does not say so. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "provider/figure.h"
#include "worker/form.h"
#include "worker/request.h"

#define IMAGE_TOKENS_OUT  16384u /* the dearest picture of any spoken model, in its own tokens */
#define PARTIAL_IMAGES    3u
#define BYTES_A_SECOND_MIN 750u  /* of the thriftiest codec spoken: a bound for what a file may last */
#define BYTES_A_SECOND    4000u  /* of usual ones: where nobody told */
#define SPEECH_TOKENS_A_CHARACTER 4u

enum { M_MODEL, M_N, M_QUALITY, M_SIZE, M_STREAM, M_INPUT, M_FILE, M_URL, M_FILE_URL, M_FILE_ID, M_FIELDS };
static const struct ag_str names[M_FIELDS] = {
	[M_MODEL] = { "model", 5 }, [M_N] = { "n", 1 }, [M_QUALITY] = { "quality", 7 }, [M_SIZE] = { "size", 4 },
	[M_STREAM] = { "stream", 6 }, [M_INPUT] = { "input", 5 }, [M_FILE] = { "file", 4 },
	[M_URL] = { "url", 3 }, [M_FILE_URL] = { "file_url", 8 }, [M_FILE_ID] = { "file_id", 7 },
};

/* Values as text, wherever they stood. */
struct form {
	struct ag_str v[M_FIELDS];
	size_t model_off;    /* of a form: where the model's name stands in the body */
	bool is_form;
	bool has_file;       /* the sound itself, not where it is */
};

static enum ag_verdict
bad(struct ag_req *r, struct ag_str *out_detail, const char *why, const char *field)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "Invalid request body: %s: \"%s\"", why, field);

	*out_detail = ag_arena_dup(&r->arena, ag_str_n(text, n < 0 ? 0 : (size_t)n));
	return AG_DENY_BAD_REQUEST;
}

/* ---- a form (RFC 7578) ---- */

struct parts {
	struct ag_str body;
	struct form *form;
};

static int
take_part(void *arg, const struct ag_form_part *part, struct ag_str value)
{
	struct parts *parts = arg;
	struct form *out = parts->form;

	for (int i = 0; i < M_FIELDS; i++) {
		if (!ag_str_ieq(part->name, names[i]))
			continue;
		if (out->v[i].p)
			return -EEXIST; /* which of two would count nobody knows */
		out->v[i] = value;
		if (i == M_MODEL)
			out->model_off = (size_t)(value.p - parts->body.p);
		if (i == M_FILE)
			out->has_file = part->is_file;
	}
	return 0;
}

static int
read_form(struct ag_str body, struct ag_str boundary, struct form *out)
{
	struct parts parts = { .body = body, .form = out };

	out->is_form = true;
	return ag_form_each(body, boundary, take_part, &parts);
}

/* ---- JSON ---- */

static int
read_json(struct ag_req *r, struct ag_str body, struct form *out, struct ag_json_fault *fault)
{
	struct ag_json_value f[M_FIELDS];

	if (body.n > UINT32_MAX || ag_figure_scan(body, names, M_FIELDS, f, fault) < 0)
		return -EINVAL;
	for (int i = 0; i < M_FIELDS; i++) {
		struct ag_str raw = ag_json_raw(body, f[i]);

		if (f[i].type == AG_JSON_ABSENT || f[i].type == AG_JSON_NULL)
			continue;
		if (f[i].type != AG_JSON_STRING)
			out->v[i] = raw;
		else if (!ag_json_string_plain(raw, &out->v[i]))
			out->v[i] = i == M_INPUT ? ag_str_n(raw.p + 1, raw.n - 2) : AG_STR("\\");
	}
	r->field[AG_F_MODEL] = f[M_MODEL];
	return 0;
}

/* ---- admission ---- */

static bool
is_json(const struct ag_http_head *head)
{
	struct ag_str v = ag_http_header_get(head, AG_STR("content-type"));

	return v.n >= 16 && ag_str_ieq(ag_str_n(v.p, 16), AG_STR("application/json"));
}

static uint64_t
characters(struct ag_str s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static bool
is_heard(const struct ag_req *r)
{
	return r->endpoint == AG_EP_TRANSCRIPTION || r->endpoint == AG_EP_TRANSLATION;
}

/* What units the request may use at most, in r->media. */
static enum ag_verdict
take_form(struct ag_req *r, const struct form *f, struct ag_str *out_detail)
{
	struct ag_str model = f->v[M_MODEL];
	uint64_t n = 1;

	for (size_t i = 0; i < model.n; i++)
		if ((unsigned char)model.p[i] < 0x20)
			return bad(r, out_detail, "not a model's name", "model");
	if (model.n == 0 || model.n > 255 || memchr(model.p, '\\', model.n))
		return bad(r, out_detail, "a model's name is required", "model");
	if (f->v[M_N].n > 0 && (ag_parse_u64(f->v[M_N], 128, &n) < 0 || n == 0))
		return bad(r, out_detail, "not a number from 1 to 128", "n");
	/* How long a sound is that nobody here has seen nobody here can say. */
	if (is_heard(r) && (!f->has_file || f->v[M_URL].p || f->v[M_FILE_URL].p || f->v[M_FILE_ID].p))
		return bad(r, out_detail, "a file in a form is required, and no address of one", "file");
	r->requested_model = ag_arena_dup(&r->arena, model);
	r->is_stream = ag_str_eq(f->v[M_STREAM], AG_STR("true"));
	r->media.model_off = f->model_off;
	r->media.model_len = f->is_form ? model.n : 0;
	r->media.images = n;
	r->media.characters = characters(f->v[M_INPUT]);
	r->media.file_bytes = f->v[M_FILE].n;
	r->media.quality = ag_arena_dup(&r->arena, f->v[M_QUALITY]);
	r->media.size = ag_arena_dup(&r->arena, f->v[M_SIZE]);
	return AG_ALLOW;
}

enum ag_verdict
ag_media_scan(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str boundary = ag_form_boundary(ag_http_header_get(head, AG_STR("content-type")));
	struct ag_json_fault fault = { .why = "not well-formed", .field = -1 };
	struct form f = { .v = { { NULL, 0 } } };
	int rc;

	if (is_json(head)) {
		rc = read_json(r, ag_req_body(r), &f, &fault);
	} else if (boundary.n > 0) {
		r->is_raw_body = true;
		rc = read_form(ag_req_body(r), boundary, &f);
		fault.why = rc == -EEXIST ? "duplicate field" : "not a proper form";
	} else {
		return AG_DENY_BAD_CONTENT_TYPE;
	}
	if (rc < 0)
		return bad(r, out_detail, fault.why, fault.field >= 0 ? names[fault.field].p : "body");
	return take_form(r, &f, out_detail);
}

/* "1024x1792" -> 1835008; 0: it is no size. */
static uint64_t
pixels_of(struct ag_str size)
{
	const char *x = size.n > 0 ? memchr(size.p, 'x', size.n) : NULL;
	uint64_t w, h;

	if (!x || ag_parse_u64(ag_str_n(size.p, (size_t)(x - size.p)), 65536, &w) < 0 ||
	    ag_parse_u64(ag_str_skip(size, (size_t)(x - size.p) + 1), 65536, &h) < 0)
		return 0;
	return w * h;
}

static bool
is_image(const struct ag_req *r)
{
	return r->endpoint == AG_EP_IMAGE || r->endpoint == AG_EP_IMAGE_EDIT || r->endpoint == AG_EP_IMAGE_VARIATION;
}

static const struct ag_cat_price *
find_priced(const struct ag_req *r, const struct ag_cat_price *own, const char *attributes)
{
	const struct ag_catalog *cat = ag_view_catalog(r->view);
	struct ag_str model = own ? ag_catalog_text(cat, own->model) : r->target.model;
	char name[400];
	int n = snprintf(name, sizeof(name), "%.*s@%s", AG_STR_ARG(model), attributes);

	return n < 0 || (size_t)n >= sizeof(name) ? NULL : ag_catalog_price(cat, ag_str(r->target.family->name),
	    ag_str_n(name, (size_t)n), r->rec.received_at_us);
}

/* The price of one picture stands under its quality and size; a model paid by tokens has its own, and so
 * has one whose price was agreed. */
static void
find_image_price(struct ag_req *r)
{
	struct ag_str size = pixels_of(r->media.size) > 0 ? r->media.size : AG_STR("1024x1024");
	struct ag_str quality = r->media.quality.n > 0 ? r->media.quality : AG_STR("standard");
	const struct ag_cat_price *own = r->target.price, *p;
	char attributes[300];

	r->media.pixels = pixels_of(size);
	if (own && (own->unit == AG_PU_NONE || own->family.len == 0))
		return;
	snprintf(attributes, sizeof(attributes), "quality=%.*s;size=%.*s", AG_STR_ARG(quality), AG_STR_ARG(size));
	p = find_priced(r, own, attributes);
	if (!p) {
		snprintf(attributes, sizeof(attributes), "size=%.*s", AG_STR_ARG(size));
		p = find_priced(r, own, attributes);
	}
	if (p) {
		r->target.price = p;
		r->target.multiples = ag_route_multiples(r->target.integration, p);
	}
}

/* Units of its price that the request may use at most; of speech and files. */
static uint64_t
units_at_most(const struct ag_req *r)
{
	uint32_t unit = r->target.price ? r->target.price->unit : AG_PU_NONE;

	switch ((enum ag_price_unit)unit) {
	case AG_PU_IMAGE:
		return r->media.images;
	case AG_PU_PIXEL:
		return r->media.images * r->media.pixels;
	case AG_PU_SECOND:
		return r->endpoint == AG_EP_SPEECH ? r->media.characters / 4 + 1
		    : r->media.file_bytes / BYTES_A_SECOND_MIN + 1;
	case AG_PU_CHARACTER:
		return r->media.characters;
	case AG_PU_NONE:
	case AG_PU_OTHER:
	case AG_PU_SEARCH:
		break;
	}
	return 0;
}

enum ag_verdict
ag_media_estimate(struct ag_req *r)
{
	const struct ag_cat_price *p;
	uint64_t units;

	if (is_image(r))
		find_image_price(r);
	p = r->target.price;
	r->est = (struct ag_estimate){ .input = r->body_len - r->media.file_bytes,
		.text_bytes = r->body_len - r->media.file_bytes, .choices = 1, .is_fixed = true,
		.may_name_objects = r->endpoint != AG_EP_SPEECH };
	if (is_image(r)) {
		if (r->endpoint != AG_EP_IMAGE)
			r->est.input = 16 * 49152; /* the pictures given, of which there are 16 at most */
		ag_estimate_set_limit(&r->est, r->media.images * IMAGE_TOKENS_OUT + PARTIAL_IMAGES * 1024);
	} else if (r->endpoint == AG_EP_SPEECH) {
		ag_estimate_set_limit(&r->est, r->media.characters * SPEECH_TOKENS_A_CHARACTER + 64);
	} else {
		r->est.input += r->media.file_bytes / BYTES_A_SECOND_MIN * 10; /* ten tokens a second of sound */
		ag_estimate_set_limit(&r->est, p && p->max_output > 0 ? p->max_output : 16384);
	}
	if (p && p->unit != AG_PU_NONE && p->p[AG_PI_IN] <= 0 && p->p[AG_PI_OUT] <= 0)
		r->est.output = r->est.limit = 0;
	if (!p)
		return AG_ALLOW;
	r->bound = ag_price_bound(p, r->target.multiples, r->est.input, AG_TIER_STANDARD, 0);
	units = units_at_most(r);
	if (p->p[AG_PI_UNIT] > 0) {
		int64_t unit = ag_price_item_pusd(p, r->target.multiples, AG_PI_UNIT), fixed;

		if (units > INT64_MAX || __builtin_mul_overflow((int64_t)units, unit, &fixed))
			fixed = INT64_MAX / 4;
		r->bound.fixed_pusd += fixed;
	}
	return AG_ALLOW;
}

void
ag_media_edit(struct ag_req *r)
{
	if (ag_str_eq(r->target.model, r->requested_model))
		return;
	if (r->media.model_len > 0)
		ag_edit_add(r, r->media.model_off, r->media.model_len, r->target.model);
	else
		ag_edit_model(r);
}

/* ---- settlement ---- */

static bool
has_token_price(const struct ag_cat_price *p)
{
	return p->p[AG_PI_IN] > 0 || p->p[AG_PI_OUT] > 0 || p->p[AG_PI_AUDIO_OUT] > 0 || p->p[AG_PI_IMAGE_OUT] > 0;
}

/* Units of the price, told: those that the answer counts, 0 it does not.  0: it is not paid by them. */
static uint64_t
units_of(const struct ag_req *r, uint64_t told)
{
	uint32_t unit = r->target.price ? r->target.price->unit : AG_PU_NONE;

	switch ((enum ag_price_unit)unit) {
	case AG_PU_IMAGE:
		return told > 0 ? told : r->media.images;
	case AG_PU_PIXEL:
		return (told > 0 ? told : r->media.images) * r->media.pixels;
	case AG_PU_SECOND:
		if (r->endpoint == AG_EP_SPEECH)
			return r->media.characters / 12 + 1;
		return told > 0 ? told : r->media.file_bytes / BYTES_A_SECOND + 1;
	case AG_PU_CHARACTER:
		return r->media.characters;
	case AG_PU_NONE:
	case AG_PU_OTHER:
	case AG_PU_SEARCH:
		break;
	}
	return 0;
}

uint64_t
ag_media_settle(struct ag_req *r, bool is_whole)
{
	struct ag_usage *u = &r->answer.usage;
	uint64_t told = u->units, units = units_of(r, is_whole ? told : 0);

	if (r->answer.has_usage && (units == 0 || has_token_price(r->target.price))) {
		if (is_image(r) && u->output_image == 0)
			u->output_image = u->output_total - u->reasoning;
		u->units = 0; /* paid by tokens */
		return 0;
	}
	if (units == 0)
		return 0;
	r->answer.has_usage = is_whole;
	r->answer.reported_bytes = r->answer.content_bytes;
	u->units = units;
	u->provider_cost_nusd = -1;
	return units;
}
