/* The field scan: all instruction sets agree; what is found is what walking the members finds;
 * decoding and numbers survive whatever they are given. */
#include "http/json_scan.h"

#include <string.h>

#include "fuzz.h"

#define N_FIELDS 6

static const struct ag_str fields[N_FIELDS] = {
	{ "model", 5 }, { "stream", 6 }, { "max_tokens", 10 }, { "messages", 8 }, { "tools", 5 }, { "n", 1 },
};

static int
scan_as(enum ag_json_impl impl, struct ag_str text, struct ag_json_value *v, struct ag_json_fault *fault)
{
	must(ag_json_use(impl));
	return ag_json_scan(text, fields, N_FIELDS, v, fault);
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
			if (!ag_json_string_eq(ag_str_n(text.p + v.key_off, v.key_len), fields[i]))
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
	if (rc == 0)
		walk(text, v);
	use_value(text);
	return 0;
}
