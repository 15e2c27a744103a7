/* What is let go of is overwritten. */
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool left_clean = true;
static int freed;

static void
spy_free(void *p)
{
	const char *bytes = p;

	for (size_t i = 0; p && i < malloc_usable_size(p); i++)
		left_clean = left_clean && bytes[i] == 0;
	freed += p != NULL;
	free(p);
}

#define free spy_free
#include "base/wiping.c"
#undef free
#include "tap.h"

static void
contents_move_along(void)
{
	char *p = ag_wiping_realloc(NULL, 8), *q;

	memcpy(p, "secret!", 8);
	q = ag_wiping_realloc(p, 4096);
	is_str(q, "secret!", "into more room");
	memset(q + 8, 'x', 4088);
	q = ag_wiping_realloc(q, 4);
	ok(memcmp(q, "secr", 4) == 0, "as much as fits into less");
	ag_wiping_free(q);
	is_i64(freed, 3, "each piece is let go of once");
	ok(left_clean, "and nothing is left in it");
}

static void
pieces_may_come_from_elsewhere(void)
{
	char *p = malloc(16);

	memset(p, 'x', 16);
	ag_wiping_free(p);
	ok(left_clean, "from malloc()");
	ag_wiping_free(NULL);
	p = ag_wiping_realloc(NULL, 0);
	ok(p != NULL, "nothing is something, as malloc() has it");
	free(p);
}

int
main(void)
{
	contents_move_along();
	pieces_may_come_from_elsewhere();
	return done();
}
