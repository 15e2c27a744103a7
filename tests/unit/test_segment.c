#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "shm_fixture.h"
#include "tap.h"

static bool
has(const struct ag_err *err, const char *text)
{
	bool found = strstr(err->text, text) != NULL;

	if (!found)
		printf("# message: %s\n", err->text);
	return found;
}

static void
a_segment_survives_its_master(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm shm, tool;
	struct ag_err err;
	uint64_t boot_id;
	bool is_fresh;

	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "made");
	ok(is_fresh, "it is fresh");
	ok(shm.hdr->boot_id > 0 && shm.hdr->boot_id <= INT64_MAX, "it has an identity");
	is_i64(ag_a32_get(&shm.hdr->state), AG_SHM_COLD, "it is cold");
	boot_id = shm.hdr->boot_id;
	ag_a64_set(&shm.meters[3].limit, 77);
	memset(ag_shm_ring_data(&shm, 1), 1, sizes.ring_bytes);
	is_i64(ag_shm_attach(fixture_name(), &tool, &err), 0, "a tool attaches");
	is_i64(ag_a64_get(&tool.meters[3].limit), 77, "and sees the same");
	ag_shm_unmap(&tool);
	ag_shm_unmap(&shm);

	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "opened again");
	ok(!is_fresh && shm.hdr->boot_id == boot_id, "the same segment");
	is_i64(ag_a64_get(&shm.meters[3].limit), 77, "with what stood in it");

	sizes.workers = 3;
	ag_a64_set(&ag_shm_ring(&shm, 1)->head, 4096);
	ag_a32_set(&ag_shm_inflight(&shm, 0, 0)->state, AG_INFLIGHT_SENT);
	ag_shm_unmap(&shm);
	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), -EPROTO, "other sizes are refused");
	ok(has(&err, "was made for 2 workers, the configuration asks for 3"), "by name");
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &shm, &is_fresh, &err), -EBUSY,
	    "nor is it replaced while it holds what is stored nowhere else");
	ok(has(&err, "1 usage rings") && has(&err, "1 requests"), "by number");
	sizes.workers = 2;
	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "with its sizes it goes on");
	ok(!is_fresh && shm.hdr->boot_id == boot_id, "as the same");
	ag_a64_set(&ag_shm_ring(&shm, 1)->tail, 4096);
	ag_a32_set(&ag_shm_inflight(&shm, 0, 0)->state, AG_INFLIGHT_FREE);
	ag_shm_unmap(&shm);
	sizes.workers = 3;
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &shm, &is_fresh, &err), 0, "or replaced when allowed");
	ok(is_fresh && shm.hdr->boot_id != boot_id, "by a new one");
	ag_shm_unmap(&shm);
	is_i64(ag_shm_unlink(fixture_name()), 0, "unlinked");
	is_i64(ag_shm_attach(fixture_name(), &tool, &err), -ENOENT, "and gone");
}

static void
damage_is_refused_by_name(void)
{
	char want[64];
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm shm;
	struct ag_err err;
	bool is_fresh;

	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "made");
	shm.hdr->layout = 99;
	ag_shm_unmap(&shm);
	is_i64(ag_shm_attach(fixture_name(), &shm, &err), -EPROTO, "another layout is refused");
	snprintf(want, sizeof(want), "has layout 99, this program needs %u", AG_SHM_LAYOUT);
	ok(has(&err, want), "naming both");
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &shm, &is_fresh, &err), 0, "replaced");
	shm.hdr->meters_off += 64;
	ag_shm_unmap(&shm);
	is_i64(ag_shm_attach(fixture_name(), &shm, &err), -EPROTO, "a wrong offset is refused");
	ok(has(&err, "is damaged"), "as damage");
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &shm, &is_fresh, &err), 0, "replaced");
	shm.hdr->magic = 0;
	ag_shm_unmap(&shm);
	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "a half-made one is made anew");
	ok(is_fresh, "it is fresh");
	ag_shm_unmap(&shm);
	ag_shm_unlink(fixture_name());
}

static void
one_master_at_a_time(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm shm, second, child;
	struct ag_err err;
	bool is_fresh;
	int status;
	pid_t pid;

	is_i64(ag_shm_open(fixture_name(), &sizes, false, &shm, &is_fresh, &err), 0, "made");
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &second, &is_fresh, &err), -EBUSY, "a second master is refused");
	pid = fork();
	if (pid == 0) {
		if (ag_shm_map(shm.fd, &child, &err) < 0)
			_exit(1);
		ag_a32_add(&child.hdr->key_epoch, 5);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child maps the descriptor");
	is_i64(ag_a32_get(&shm.hdr->key_epoch), 5, "and writes to it");
	ag_shm_unmap(&shm);
	ag_shm_unlink(fixture_name());
}

static void
a_stranger_cannot_leave_one_for_us(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_shm shm;
	struct ag_err err;
	bool is_fresh;
	int fd = shm_open(fixture_name(), O_RDWR | O_CREAT, 0600);

	ok(fd >= 0 && fchmod(fd, 0666) == 0, "a file of mode 666 lies there");
	close(fd);
	is_i64(ag_shm_open(fixture_name(), &sizes, true, &shm, &is_fresh, &err), -EPERM, "it is not used");
	ag_shm_unlink(fixture_name());
}

static void
sizes_are_checked(void)
{
	struct ag_shm_sizes sizes = fixture_sizes();
	struct ag_err err;
	uint64_t bytes;

	is_i64(ag_shm_layout_size(&sizes, &bytes, &err), 0, "good sizes");
	sizes.keys = 100;
	is_i64(ag_shm_layout_size(&sizes, &bytes, &err), -EINVAL, "100 keys is no power of two");
	ok(has(&err, "keys is 100, which is not a power of two"), "named");
	sizes = fixture_sizes();
	sizes.workers = 65;
	is_i64(ag_shm_layout_size(&sizes, &bytes, &err), -EINVAL, "65 workers are too many");
	ok(has(&err, "workers is 65, allowed are 1 to 64"), "named");
}

static void
counters_are_summed_over_processes(void)
{
	struct ag_shm shm = fixture_shm();

	ag_count(AG_CNT_req_total);
	is_i64(ag_counter_sum(&shm, AG_CNT_req_total), 0, "counting before a row was chosen goes nowhere");
	ag_counters_use(&shm, AG_PROC_CONTROL);
	ag_count(AG_CNT_req_total);
	ag_counters_use(&shm, AG_PROC_WORKER(1));
	ag_count_add(AG_CNT_req_total, 41);
	is_i64(ag_counter_sum(&shm, AG_CNT_req_total), 42, "rows are summed");
	is_i64(ag_counter_sum(&shm, AG_CNT_req_bad), 0, "each counter for itself");
	is_str(ag_counter_defs[AG_CNT_req_total].name, "req_total", "a counter has its name");
	ag_shm_unmap(&shm);
}

int
main(void)
{
	a_segment_survives_its_master();
	damage_is_refused_by_name();
	one_master_at_a_time();
	a_stranger_cannot_leave_one_for_us();
	sizes_are_checked();
	counters_are_summed_over_processes();
	return done();
}
