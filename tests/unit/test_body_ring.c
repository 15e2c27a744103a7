#include "shm/body_ring.h"

#include <string.h>

#include "shm_fixture.h"
#include "tap.h"

static struct ag_shm shm;

static bool
push(struct ag_body_ring *r, size_t request, size_t response, uint32_t n)
{
	struct ag_body *b = ag_body_ring_reserve(r, request, response);

	if (!b)
		return false;
	b->attempt = n;
	memset(b + 1, (int)(n & 0xff), request + response);
	ag_body_ring_commit(r, b);
	return true;
}

static void
start_again(struct ag_body_ring *r)
{
	ag_a64_set(&r->hdr->head, 0);
	ag_a64_set(&r->hdr->tail, 0);
}

static void
bodies_come_out_as_they_went_in(void)
{
	struct ag_body_ring r = ag_body_ring_of(&shm, 1);
	uint64_t cursor = 0;
	const struct ag_body *b;

	start_again(&r);
	ok(push(&r, 5, 7, 3) && push(&r, 0, 0, 4), "two entries, one without a byte");
	b = ag_body_ring_peek(&r, &cursor);
	ok(b && b->attempt == 3 && ag_body_request(b).n == 5 && ag_body_response(b).n == 7 &&
	    ag_body_response(b).p[6] == 3, "the first");
	b = ag_body_ring_peek(&r, &cursor);
	ok(b && b->attempt == 4 && b->request_len == 0, "the second");
	ok(!ag_body_ring_peek(&r, &cursor), "no third");
}

static void
what_was_not_committed_is_not_there(void)
{
	struct ag_body_ring r = ag_body_ring_of(&shm, 0);
	uint64_t cursor = 0;

	start_again(&r);
	ok(ag_body_ring_reserve(&r, 100, 100) != NULL, "reserved, and its maker dies");
	ok(!ag_body_ring_peek(&r, &cursor), "nobody sees it");
	ok(push(&r, 1, 1, 9), "its successor pushes");
	ok(ag_body_ring_peek(&r, &cursor)->attempt == 9, "and is seen");
}

/* Lengths that bring every place of the end about, with the reader close behind and far behind. */
static void
nothing_is_overwritten_and_order_is_kept(void)
{
	struct ag_body_ring r = ag_body_ring_of(&shm, 0);
	uint64_t cursor = 0;
	uint32_t pushed = 0, read = 0, refused = 0;
	bool is_good = true;

	start_again(&r);
	for (uint32_t i = 0; i < 200000; i++) {
		const struct ag_body *b;

		if (push(&r, i * 7919 % 9000, i * 104729 % 3000, pushed)) {
			pushed++;
			continue;
		}
		refused++;
		for (uint32_t k = 0; k <= i % 5 && (b = ag_body_ring_peek(&r, &cursor)) != NULL; k++) {
			const char *p = (const char *)(b + 1);

			for (uint32_t at = 0; at < b->request_len + b->response_len; at++)
				is_good = is_good && p[at] == (char)(read & 0xff);
			is_good = is_good && b->attempt == read++;
		}
		ag_body_ring_release(&r, cursor);
	}
	ok(is_good, "every byte of %u entries", read);
	ok(refused > 1000 && pushed - read < 40, "a full ring refuses, and goes on when it is read");
}

static void
the_longest_body_fits_wherever_the_head_stands(void)
{
	struct ag_body_ring r = ag_body_ring_of(&shm, 0);
	size_t longest = ag_body_ring_longest(&r);
	bool is_good = longest > 10000;

	for (int64_t at = 0; at < 65536; at += 16) {
		ag_a64_set(&r.hdr->head, at);
		ag_a64_set(&r.hdr->tail, at);
		is_good = is_good && ag_body_ring_reserve(&r, longest, longest) != NULL;
	}
	ok(is_good, "%zu bytes of each", longest);
	ok(!ag_body_ring_reserve(&r, SIZE_MAX, 16) && !ag_body_ring_reserve(&r, 65536, 0), "what never fits is refused");
}

static void
a_damaged_ring_is_given_up(void)
{
	struct ag_body_ring r = ag_body_ring_of(&shm, 0);
	uint64_t cursor = 0;

	start_again(&r);
	push(&r, 64, 64, 1);
	((struct ag_body *)(void *)r.data)->request_len = 60000;
	ok(!ag_body_ring_peek(&r, &cursor) && cursor == (uint64_t)ag_a64_get(&r.hdr->head),
	    "lengths that leave the entry");
	start_again(&r);
	push(&r, 64, 64, 1);
	((struct ag_body *)(void *)r.data)->len = 0;
	cursor = 0;
	ok(!ag_body_ring_peek(&r, &cursor), "an entry of no length does not hold the reader");
}

static void
a_segment_may_have_none(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm none = fixture_open(&sizes);
	struct ag_body_ring r = ag_body_ring_of(&none, 1);
	uint64_t cursor = 0;

	ok(!r.hdr && !ag_body_ring_reserve(&r, 1, 1) && !ag_body_ring_peek(&r, &cursor) &&
	    ag_body_ring_longest(&r) == 0, "body_ring 0");
	ag_shm_unmap(&none);
}

int
main(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();

	sizes.body_ring_bytes = 65536;
	shm = fixture_open(&sizes);
	bodies_come_out_as_they_went_in();
	what_was_not_committed_is_not_there();
	nothing_is_overwritten_and_order_is_kept();
	the_longest_body_fits_wherever_the_head_stands();
	a_damaged_ring_is_given_up();
	a_segment_may_have_none();
	return done();
}
