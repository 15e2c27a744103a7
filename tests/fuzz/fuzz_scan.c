/* The field scan: all instruction sets agree; what is found is what walking the members finds, and what
 * is found inside an object in passing is what a scan of that object alone finds;
 * decoding and numbers survive whatever they are given. */
#include "http/json_scan.h"

#include <stdbool.h>
#include <string.h>

#include "fuzz.h"

#define N_FIELDS 6

static const struct ag_str names[N_FIELDS] = {
	{ "model", 5 }, { "stream", 6 }, { "max_tokens", 10 }, { "messages", 8 }, { "tools", 5 }, { "n", 1 },
};
static struct ag_json_fields fields = AG_JSON_FIELDS(names);

static int
scan_as(enum ag_json_impl impl, struct ag_str text, struct ag_json_value *v, struct ag_json_fault *fault)
{
	must(ag_json_use(impl));
	return ag_json_scan(text, &fields, v, fault);
}

static void
use_value(struct ag_str raw)
{
	struct ag_buf b;
	struct ag_str plain;
	uint64_t n;

	ag_buf_init(&b, 1 << 20);
	if (ag_json_string_decode(raw, &b) == 0) {
		must(ag_json_string_eq(raw, ag_buf_str(&b)));
		if (ag_json_string_plain(raw, &plain))
			must(ag_str_eq(plain, ag_buf_str(&b)));
	}
	ag_buf_fini(&b);
	(void)!ag_json_u64(raw, &n);
	(void)ag_json_array_count(raw);
}

/* Every member is one that scan found, or none of ours. */
static void
walk(struct ag_str text, const struct ag_json_value *found)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc, n_ours = 0, n_found = 0;

	ag_json_iter_init(&it, text);
	while ((rc = ag_json_object_next(&it, &v)) == 1) {
		must((size_t)v.off + v.len <= text.n && v.len > 0);
		use_value(ag_json_raw(text, v));
		for (int i = 0; i < N_FIELDS; i++) {
			if (!ag_json_string_eq(ag_str_n(text.p + v.key_off, v.key_len), names[i]))
				continue;
			must(found[i].type == v.type && found[i].off == v.off && found[i].len == v.len);
			n_ours++;
		}
	}
	must(rc == 0);
	for (int i = 0; i < N_FIELDS; i++)
		n_found += found[i].type != AG_JSON_ABSENT;
	must(n_ours == n_found);
}

#define N_INNER 2

static const struct ag_str inner_names[N_INNER] = { { "n", 1 }, { "model", 5 } };
static struct ag_json_fields inner_fields = AG_JSON_FIELDS(inner_names);
static const struct ag_json_inner inner[] = { { 3, N_FIELDS, &inner_fields }, { 4, N_FIELDS + N_INNER, &inner_fields } };
static struct ag_json_fields outer_fields = AG_JSON_FIELDS_INNER(names, inner);

/* The same scan, looking into two of the fields. */
static void
look_inside(struct ag_str text, int rc, const struct ag_json_value *found)
{
	struct ag_json_value v[N_FIELDS + 2 * N_INNER], own[N_INNER];
	struct ag_json_fault fault = { 0 };

	must(ag_json_scan(text, &outer_fields, v, &fault) == rc);
	for (int i = 0; rc == 0 && i < N_FIELDS; i++)
		must(found[i].type == v[i].type && found[i].off == v[i].off && found[i].len == v[i].len &&
		     found[i].n_children == v[i].n_children && found[i].depth == v[i].depth);
	for (size_t k = 0; rc == 0 && k < sizeof(inner) / sizeof(inner[0]); k++) {
		const struct ag_json_value *outer = &v[inner[k].field], *in = v + inner[k].at;
		bool is_good;

		if (outer->type != AG_JSON_OBJECT)
			continue;
		is_good = ag_json_scan(ag_json_raw(text, *outer), &inner_fields, own, &fault) == 0;
		for (int i = 0; i < N_INNER; i++)
			must(is_good && own[i].type != AG_JSON_ABSENT
			         ? in[i].type == own[i].type && in[i].off == outer->off + own[i].off && in[i].len == own[i].len
			         : in[i].type == AG_JSON_ABSENT);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_str text = { (const char *)data, size };
	struct ag_json_value v[N_FIELDS], other[N_FIELDS];
	struct ag_json_fault fault = { 0 }, other_fault = { 0 };
	int rc = scan_as(AG_JSON_PORTABLE, text, v, &fault);

	for (enum ag_json_impl impl = AG_JSON_SSE2; impl <= AG_JSON_AVX2; impl++) {
		if (!ag_json_use(impl))
			continue;
		must(scan_as(impl, text, other, &other_fault) == rc);
		if (rc < 0) {
			must(strcmp(fault.why, other_fault.why) == 0 && fault.at == other_fault.at);
			continue;
		}
		for (int i = 0; i < N_FIELDS; i++)
			must(v[i].type == other[i].type &&
			     (v[i].type == AG_JSON_ABSENT ||
			         (v[i].off == other[i].off && v[i].len == other[i].len &&
			             v[i].n_children == other[i].n_children)));
	}
	look_inside(text, rc, v);
	if (rc == 0)
		walk(text, v);
	use_value(text);
	return 0;
}
