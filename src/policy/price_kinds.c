#include "policy/price_kinds.h"

#include <errno.h>

#include "policy/read_json.h"

static const char *const names[AG_PK_COUNT] = {
#define X(name, text) [AG_PK_##name] = text,
#include "aigated/tbl/price_kinds.h"
#undef X
};

enum ag_price_kind
ag_price_kind_find(struct ag_str name)
{
	for (enum ag_price_kind kind = 0; kind < AG_PK_COUNT; kind++)
		if (ag_str_eq(ag_str(names[kind]), name))
			return kind;
	return AG_PK_COUNT;
}

const char *
ag_price_kind_name(enum ag_price_kind kind)
{
	return names[kind];
}

void
ag_price_multiples_none(struct ag_price_multiples *out)
{
	for (int i = 0; i < AG_PK_COUNT; i++)
		out->ppm[i] = AG_PPM_NONE;
}

int
ag_price_multiples_read(struct ag_str json, struct ag_price_multiples *out)
{
	struct ag_price_multiples m;
	struct ag_read_fault fault;
	struct ag_read_value value;
	struct ag_read_iter it;
	uint64_t ppm = 0;
	int rc = ag_read_object(&it, json, "", &fault);

	ag_price_multiples_none(&m);
	while (rc == 0 && (rc = ag_read_next(&it, &value, &fault)) == 1) {
		enum ag_price_kind kind = ag_price_kind_find(ag_str(value.name));

		if (kind == AG_PK_COUNT)
			return -EINVAL;
		rc = ag_read_uint(&value, 0, AG_PPM_MAX, &ppm, &fault);
		if (rc == 0)
			m.ppm[kind] = (uint32_t)ppm;
	}
	if (rc < 0)
		return rc;
	*out = m;
	return 0;
}

enum ag_price_unit
ag_price_unit_find(struct ag_str word)
{
	static const struct { const char *word; enum ag_price_unit unit; } rows[] = {
		{ "image", AG_PU_IMAGE }, { "image_in", AG_PU_IMAGE }, { "pixel", AG_PU_PIXEL },
		{ "second", AG_PU_SECOND }, { "character", AG_PU_CHARACTER }, { "search_unit", AG_PU_SEARCH },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++)
		if (ag_str_eq(word, ag_str(rows[i].word)))
			return rows[i].unit;
	return word.n > 0 ? AG_PU_OTHER : AG_PU_NONE;
}
