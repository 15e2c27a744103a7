#include <errno.h>

#include "shm/catalog_area.h"
#include "shm_fixture.h"
#include "tap.h"

int
main(void)
{
	struct ag_shm shm = fixture_shm();
	struct ag_buf copy;
	uint32_t generation = 0;
	static char big[70000];

	ag_buf_init(&copy, 1 << 20);
	is_i64(ag_catalog_copy(&shm, &copy, &generation), -ENOENT, "nothing was published yet");
	is_i64(ag_catalog_publish(&shm, "hello", 5, &generation), 0, "published");
	is_i64(generation, 1, "as generation 1");
	is_i64(ag_catalog_generation(&shm), 1, "which all see");
	is_i64(ag_catalog_copy(&shm, &copy, &generation), 0, "copied");
	ok(ag_str_eq(ag_buf_str(&copy), AG_STR("hello")), "whole");
	is_i64(ag_catalog_publish(&shm, big, sizeof(big), &generation), -ENOSPC, "too big for an area");
	is_i64(ag_catalog_copy(&shm, &copy, &generation), 0, "the old one stays");
	memset(big, 'x', sizeof(big));
	is_i64(ag_catalog_publish(&shm, big, 65536, &generation), 0, "one that fills the area");
	is_i64(ag_catalog_copy(&shm, &copy, &generation), 0, "is copied");
	ok(generation == 2 && copy.n == 65536 && memcmp(copy.p, big, copy.n) == 0, "whole");
	/* control dies while writing generation 3, then while writing 4 */
	ag_a32_set(&shm.catalog->writing, 3);
	is_i64(ag_catalog_copy(&shm, &copy, &generation), 0, "a writer in the other area harms nobody");
	ag_a32_set(&shm.catalog->writing, 4);
	is_i64(ag_catalog_copy(&shm, &copy, &generation), -EAGAIN, "one in this area does");
	is_i64(ag_catalog_publish(&shm, "", 0, &generation), 0, "the next control publishes");
	is_i64(ag_catalog_copy(&shm, &copy, &generation), 0, "copied");
	ok(generation == 3 && copy.n == 0, "an empty one is one too");
	ag_buf_fini(&copy);
	ag_shm_unmap(&shm);
	return done();
}
