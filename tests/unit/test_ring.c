#include <errno.h>

#include "shm/ring.h"
#include "shm_fixture.h"
#include "tap.h"

static struct ag_shm shm;

static const struct ag_record *
record_of(size_t metadata_bytes, int64_t key_id)
{
	static uint8_t out[AG_RECORD_MAX] AG_ALIGNED(8);
	static char metadata[AG_RECORD_MAX];
	struct ag_record fixed = { .key_id = key_id, .attempt = 1 };
	struct ag_charge charge = { .meter_id = 9, .amount = key_id, .unit = AG_UNIT_NUSD };
	struct ag_str strs[AG_RS_COUNT] = { [AG_RS_PROVIDER] = AG_STR("openai") };

	memset(metadata, 'm', sizeof(metadata));
	strs[AG_RS_METADATA] = ag_str_n(metadata, metadata_bytes);
	ag_record_build(&fixed, &charge, 1, strs, out, sizeof(out));
	return (const void *)out;
}

/* What an earlier program left: without price_adjustment_id, before 2 without config_id. */
static size_t
make_version(uint16_t version, uint8_t *out, size_t n)
{
	struct ag_record *rec = (void *)out;
	size_t fixed = ag_record_fixed_bytes(version);

	memmove(out + fixed, out + sizeof(*rec), n - sizeof(*rec));
	rec->version = version;
	rec->len = (uint32_t)(n - (sizeof(*rec) - fixed));
	ag_record_seal(rec);
	return rec->len;
}

static void
a_record_of_the_version_before_is_read(void)
{
	uint8_t out[AG_RECORD_MAX] AG_ALIGNED(8), second[AG_RECORD_MAX] AG_ALIGNED(8);
	struct ag_record fixed = { .key_id = 5, .price_ppm = 7, .config_id = 9, .price_adjustment_id = 11 };
	struct ag_record *rec = (void *)out, *of_2 = (void *)second;
	struct ag_charge charges[2] = { { .meter_id = 1, .amount = 10 }, { .meter_id = 2, .amount = 20 } };
	struct ag_str strs[AG_RS_COUNT] = {
		[AG_RS_REQUESTED_MODEL] = AG_STR("gpt"), [AG_RS_METADATA] = AG_STR("{\"a\":\"b\"}") };
	size_t n = ag_record_build(&fixed, charges, 2, strs, out, sizeof(out));

	is_i64(ag_record_config_id(rec), 9, "now it has a config");
	is_i64(ag_record_price_adjustment_id(rec), 11, "and multiples of its price");
	memcpy(second, out, n);
	ok(ag_record_is_valid(of_2, make_version(2, second, n)), "version 2 is valid as it stands");
	ok(ag_record_config_id(of_2) == 9 && ag_record_price_adjustment_id(of_2) == 0, "without multiples");
	is_i64(ag_record_charges(of_2)[1].amount, 20, "its charges");
	n = make_version(1, out, n);
	ok(ag_record_is_valid(rec, n) && rec->price_ppm == 7, "version 1 is valid as it stands");
	ok(ag_record_config_id(rec) == 0 && ag_record_price_adjustment_id(rec) == 0, "without either");
	is_i64(ag_record_charges(rec)[1].amount, 20, "its charges");
	ok(ag_str_eq(ag_record_string(rec, AG_RS_REQUESTED_MODEL), AG_STR("gpt")) &&
	    ag_str_eq(ag_record_string(rec, AG_RS_METADATA), AG_STR("{\"a\":\"b\"}")), "its strings");
	rec->version = AG_RECORD_VERSION + 1;
	ag_record_seal(rec);
	ok(!ag_record_is_valid(rec, n), "a version of the future is none");
}

static void
a_record_keeps_its_parts(void)
{
	uint8_t out[AG_RECORD_MAX] AG_ALIGNED(8);
	struct ag_record fixed = { .key_id = 5 };
	struct ag_charge charges[2] = { { .meter_id = 1, .amount = 10 }, { .meter_id = 2, .amount = 20 } };
	struct ag_str strs[AG_RS_COUNT] = {
		[AG_RS_REQUESTED_MODEL] = AG_STR("gpt"), [AG_RS_METADATA] = AG_STR("{\"a\":\"b\"}") };
	size_t n = ag_record_build(&fixed, charges, 2, strs, out, sizeof(out));
	struct ag_record *rec = (void *)out;

	ok(n == rec->len && n % 8 == 0, "length is a multiple of 8");
	ok(ag_record_is_shaped(rec, n), "it has shape");
	ok(!ag_record_is_valid(rec, n), "but no checksum yet");
	ag_record_seal(rec);
	ok(ag_record_is_valid(rec, n), "sealed it is valid");
	ok(!ag_record_is_valid(rec, n - 8), "not in too little room");
	is_i64(ag_record_charges(rec)[1].amount, 20, "second charge");
	ok(ag_str_eq(ag_record_string(rec, AG_RS_REQUESTED_MODEL), AG_STR("gpt")), "model");
	ok(ag_str_eq(ag_record_string(rec, AG_RS_METADATA), AG_STR("{\"a\":\"b\"}")), "metadata");
	is_i64((int64_t)ag_record_string(rec, AG_RS_TRACE_ID).n, 0, "an absent string is empty");
	for (size_t i = 8; i < n; i += 31) {
		out[i] ^= 4;
		if (ag_record_is_valid(rec, n))
			break;
		out[i] ^= 4;
		if (i + 31 >= n)
			ok(true, "no flipped bit goes unseen");
	}
}

static void
strings_that_do_not_fit_are_cut(void)
{
	uint8_t out[AG_RECORD_MAX] AG_ALIGNED(8);
	static char umlauts[2000], metadata[3000];
	struct ag_record fixed = { 0 };
	struct ag_charge charges[AG_HOLDS_MAX] = { { 0 } };
	struct ag_str strs[AG_RS_COUNT];
	const struct ag_record *rec = (const void *)out;
	struct ag_str model;

	memset(metadata, ' ', sizeof(metadata));
	umlauts[0] = 'x';
	for (size_t i = 1; i + 1 < sizeof(umlauts); i += 2)
		memcpy(umlauts + i, "\xc3\xa4", 2);
	for (size_t i = 0; i < AG_RS_COUNT; i++)
		strs[i] = ag_str_n(umlauts, 1999);
	strs[AG_RS_METADATA] = ag_str_n(metadata, sizeof(metadata));
	ag_record_build(&fixed, charges, AG_HOLDS_MAX, strs, out, sizeof(out));
	ok(ag_record_is_shaped(rec, AG_RECORD_MAX), "all of it too long: still a record");
	model = ag_record_string(rec, AG_RS_REQUESTED_MODEL);
	ok(model.n == 511 && (uint8_t)model.p[510] == 0xa4, "cut between characters");
	ok(ag_str_eq(ag_record_string(rec, AG_RS_METADATA), AG_STR("{}")), "metadata is whole or {}");
}

static void
records_come_out_as_they_went_in(void)
{
	struct ag_ring r = ag_ring_of(&shm, 0);
	uint64_t cursor = 0, last = 0;
	int64_t pushed = 0, seen = 0;
	bool good = true, is_corrupt;

	is_i64((int64_t)ag_ring_next_seq(&r), 1, "numbers begin at 1");
	for (int round = 0; round < 400 && good; round++) {
		const struct ag_record *rec;

		while (ag_ring_push(&r, record_of((size_t)(pushed * 37 % 1500), pushed)) == 0)
			pushed++;
		while (good && (rec = ag_ring_peek(&r, &cursor, &is_corrupt)) != NULL) {
			good = rec->seq == last + 1 && rec->key_id == seen &&
			    ag_record_charges(rec)->amount == seen &&
			    ag_str_eq(ag_record_string(rec, AG_RS_PROVIDER), AG_STR("openai"));
			last = rec->seq;
			if (++seen % 3 == 0)
				break; /* leave some, so that the ends fall everywhere */
		}
		ag_ring_release(&r, cursor, last);
	}
	ok(good && seen > 1000, "%lld records through a ring of 64 KiB", (long long)seen);
}

static void
room_is_a_promise(void)
{
	struct ag_ring r = ag_ring_of(&shm, 1);
	uint64_t cursor = 0;
	bool good = true, is_corrupt;

	for (int round = 0; round < 300 && good; round++) {
		const struct ag_record *rec = record_of((size_t)(round * 61 % 2000), 1);
		uint64_t room = ag_ring_room(&r), n = room / AG_RECORD_MAX;

		for (uint64_t i = 0; i < n && good; i++)
			good = ag_ring_push(&r, rec) == 0;
		while (ag_ring_peek(&r, &cursor, &is_corrupt))
			;
		ag_ring_release(&r, cursor, ag_ring_next_seq(&r) - 1);
	}
	ok(good, "what room says can be pushed, can");
	while (ag_ring_push(&r, record_of(100, 1)) == 0)
		;
	is_i64((int64_t)ag_ring_room(&r), 0, "a full ring has no room");
	is_i64(ag_ring_push(&r, record_of(100, 1)), -ENOSPC, "and refuses");
}

static void
damage_is_seen(void)
{
	struct ag_ring r = ag_ring_of(&shm, 1);
	uint64_t cursor = (uint64_t)ag_a64_get(&r.hdr->tail);
	bool is_corrupt = false;

	r.data[(cursor & r.mask) + 100] ^= 1;
	ok(ag_ring_peek(&r, &cursor, &is_corrupt) == NULL && is_corrupt, "a flipped bit is reported");
	r.data[(cursor & r.mask) + 100] ^= 1;
	ok(ag_ring_peek(&r, &cursor, &is_corrupt) != NULL && !is_corrupt, "the cursor stayed before it");
}

static void
numbers_go_on_after_a_death(void)
{
	struct ag_ring r = ag_ring_of(&shm, 0);
	uint64_t next = ag_ring_next_seq(&r), at;

	ag_a64_set(&r.hdr->next_seq, (int64_t)next + 1); /* died between counting and publishing */
	ag_ring_recover(&r);
	is_i64((int64_t)ag_ring_next_seq(&r), (int64_t)next, "a number that was not published is used again");
	ag_ring_release(&r, (uint64_t)ag_a64_get(&r.hdr->head), next - 1);
	ag_ring_recover(&r);
	is_i64((int64_t)ag_ring_next_seq(&r), (int64_t)next, "also when the ring is empty");
	is_i64(ag_ring_prepare(&r, record_of(5, 1), &at), 0, "prepared");
	is_i64((int64_t)ag_ring_next_seq(&r), (int64_t)next, "is not pushed");
	ag_ring_commit(&r, at);
	ag_ring_commit(&r, at);
	is_i64((int64_t)ag_ring_next_seq(&r), (int64_t)next + 1, "committed twice is pushed once");
}

int
main(void)
{
	shm = fixture_shm();
	a_record_of_the_version_before_is_read();
	a_record_keeps_its_parts();
	strings_that_do_not_fit_are_cut();
	records_come_out_as_they_went_in();
	room_is_a_promise();
	damage_is_seen();
	numbers_go_on_after_a_death();
	ag_shm_unmap(&shm);
	return done();
}
