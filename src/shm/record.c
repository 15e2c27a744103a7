/* record.c - putting a ledger record together and taking it apart; declared in ring.h. */
#include <assert.h>
#include <stddef.h>

#include "base/hash.h"
#include "shm/ring.h"

#define STR_MAX  512u /* of one string other than the metadata */
#define CRC_FROM offsetof(struct ag_record, version)

static size_t
round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/* At most max bytes, never half a UTF-8 character: PostgreSQL would refuse the row. */
static size_t
cut_utf8(struct ag_str s, size_t max)
{
	size_t n = s.n;

	if (n <= max)
		return n;
	n = max;
	while (n > 0 && ((uint8_t)s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

/* Lengths that fit into room: metadata comes last, whole or as an empty object. */
static void
fit_strings(const struct ag_str strs[AG_RS_COUNT], size_t room, struct ag_str out[AG_RS_COUNT])
{
	struct ag_str meta = strs[AG_RS_METADATA];
	size_t left = room - 2;

	for (size_t i = 0; i < AG_RS_COUNT; i++) {
		if (i == AG_RS_METADATA)
			continue;
		out[i] = ag_str_n(strs[i].p, cut_utf8(strs[i], left < STR_MAX ? left : STR_MAX));
		left -= out[i].n;
	}
	out[AG_RS_METADATA] = meta.n <= left + 2 ? meta : AG_STR("{}");
}

size_t
ag_record_build(const struct ag_record *fixed, const struct ag_charge *charges,
    uint16_t n_charges, const struct ag_str strs[AG_RS_COUNT], uint8_t *out, size_t cap)
{
	struct ag_record rec = *fixed;
	size_t charge_bytes = n_charges * sizeof(*charges);
	size_t at = sizeof(rec) + charge_bytes;
	struct ag_str fit[AG_RS_COUNT];

	assert(cap >= at + 16 && cap <= UINT32_MAX);
	fit_strings(strs, (cap & ~(size_t)7) - at, fit);
	if (n_charges > 0)
		memcpy(out + sizeof(rec), charges, charge_bytes);
	for (size_t i = 0; i < AG_RS_COUNT; i++) {
		if (fit[i].n > 0)
			memcpy(out + at, fit[i].p, fit[i].n);
		at += fit[i].n;
		rec.str_len[i] = (uint16_t)fit[i].n;
	}
	memset(out + at, 0, round8(at) - at);
	rec.len = (uint32_t)round8(at);
	rec.version = AG_RECORD_VERSION;
	rec.n_charges = n_charges;
	memcpy(out, &rec, sizeof(rec));
	return rec.len;
}

size_t
ag_record_fixed_bytes(uint16_t version)
{
	switch (version) {
	case 1:
		return offsetof(struct ag_record, config_id);
	case 2:
		return offsetof(struct ag_record, price_adjustment_id);
	case AG_RECORD_VERSION:
		return sizeof(struct ag_record);
	default:
		return 0;
	}
}

/* All but the checksum, which a draft does not have yet. */
bool
ag_record_is_shaped(const struct ag_record *rec, size_t room)
{
	size_t want, fixed;

	if (room < ag_record_fixed_bytes(1) || rec->len > room)
		return false;
	fixed = ag_record_fixed_bytes(rec->version);
	if (fixed == 0 || rec->len < fixed)
		return false;
	want = fixed + rec->n_charges * sizeof(struct ag_charge);
	for (size_t i = 0; i < AG_RS_COUNT; i++)
		want += rec->str_len[i];
	return round8(want) == rec->len;
}

static uint32_t
record_crc(const struct ag_record *rec)
{
	return ag_crc32c(0, (const uint8_t *)rec + CRC_FROM, rec->len - CRC_FROM);
}

bool
ag_record_is_valid(const struct ag_record *rec, size_t room)
{
	return ag_record_is_shaped(rec, room) && rec->crc == record_crc(rec);
}

void
ag_record_seal(struct ag_record *rec)
{
	rec->crc = record_crc(rec);
}

int64_t
ag_record_config_id(const struct ag_record *rec)
{
	return rec->version >= 2 ? rec->config_id : 0;
}

int64_t
ag_record_price_adjustment_id(const struct ag_record *rec)
{
	return rec->version >= 3 ? rec->price_adjustment_id : 0;
}

const struct ag_charge *
ag_record_charges(const struct ag_record *rec)
{
	return (const void *)((const uint8_t *)rec + ag_record_fixed_bytes(rec->version));
}

struct ag_str
ag_record_string(const struct ag_record *rec, enum ag_record_str which)
{
	const char *p = (const char *)(ag_record_charges(rec) + rec->n_charges);

	for (size_t i = 0; i < (size_t)which; i++)
		p += rec->str_len[i];
	return ag_str_n(p, rec->str_len[which]);
}
