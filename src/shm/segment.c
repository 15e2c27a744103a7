#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigated/explain.h"
#include "aigated/record.h"
#include "base/clock.h"
#include "base/fd.h"
#include "shm/objtab.h"

#define AREA_ALIGN     4096u
#define INFLIGHT_MAX   65536u
#define KEYS_MAX       (1u << 26)
#define METERS_MAX     (1u << 26)
#define BLOB_UNITS_MAX (1u << 30)
#define COUNTERS_MAX   4096u
#define OBJECTS_MAX    (1u << 28)
#define RING_MIN       (UINT64_C(64) << 10)
#define RING_MAX       (UINT64_C(1) << 32)
#define CATALOG_MIN    UINT64_C(4096)
#define CATALOG_MAX    (UINT64_C(1) << 32)

/* The offsets of a segment, computed from its sizes alone: the creator stores them, everybody
 * else checks that what is stored is what he would have computed. */
struct plan {
	uint64_t procs, counters, keys, blobs, meters, meter_bits, catalog, inflight, rings, explain, learned;
	uint64_t objects, bodies, total;
	uint64_t counters_stride; /* words */
	uint64_t catalog_stride;
	uint64_t ring_stride;
};

static bool
is_power_of_two(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

static uint64_t
round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

static int
check_range(const char *what, uint64_t v, uint64_t min, uint64_t max, bool want_power,
    struct ag_err *err)
{
	if (v < min || v > max)
		return ag_err_set(err, -EINVAL, "shared memory: %s is %" PRIu64 ", allowed are %" PRIu64
		    " to %" PRIu64, what, v, min, max);
	if (want_power && !is_power_of_two(v))
		return ag_err_set(err, -EINVAL, "shared memory: %s is %" PRIu64
		    ", which is not a power of two", what, v);
	return 0;
}

static int
check_sizes(const struct ag_shm_sizes *s, struct ag_err *err)
{
	int rc = check_range("workers", s->workers, 1, AG_WORKERS_MAX, false, err);

	if (rc == 0)
		rc = check_range("inflight", s->inflight, 1, INFLIGHT_MAX, false, err);
	if (rc == 0)
		rc = check_range("keys", s->keys, 16, KEYS_MAX, true, err);
	if (rc == 0)
		rc = check_range("meters", s->meters, 16, METERS_MAX, true, err);
	if (rc == 0)
		rc = check_range("blob_units", s->blob_units, 32, BLOB_UNITS_MAX, false, err);
	if (rc == 0)
		rc = check_range("counters", s->counters, 1, COUNTERS_MAX, false, err);
	if (rc == 0)
		rc = check_range("objects", s->objects, AG_OBJTAB_WAYS, OBJECTS_MAX, true, err);
	if (rc == 0)
		rc = check_range("ring_bytes", s->ring_bytes, RING_MIN, RING_MAX, true, err);
	if (rc == 0)
		rc = s->body_ring_bytes == 0 ? 0
		    : check_range("body_ring_bytes", s->body_ring_bytes, RING_MIN, RING_MAX, true, err);
	if (rc == 0)
		rc = check_range("catalog_bytes", s->catalog_bytes, CATALOG_MIN, CATALOG_MAX, false, err);
	return rc;
}

/* Puts n items of size bytes at *at, which moves past them; false on overflow. */
static bool
plan_area(uint64_t *at, uint64_t n, uint64_t size, uint64_t *out_off)
{
	uint64_t bytes, end;

	if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(*at, bytes, &end) ||
	    end > UINT64_MAX - AREA_ALIGN)
		return false;
	*out_off = *at;
	*at = round_up(end, AREA_ALIGN);
	return true;
}

static int
plan_make(const struct ag_shm_sizes *s, struct plan *out, struct ag_err *err)
{
	struct plan p = { 0 };
	uint64_t at = round_up(sizeof(struct ag_shm_hdr), AG_CACHELINE);
	uint64_t procs = AG_PROC_WORKER(s->workers);
	int rc = check_sizes(s, err);

	if (rc < 0)
		return rc;
	p.counters_stride = round_up(s->counters * sizeof(struct ag_a64), AG_CACHELINE) / 8;
	p.catalog_stride = round_up(s->catalog_bytes, AG_CACHELINE);
	p.ring_stride = sizeof(struct ag_ring_hdr) + s->ring_bytes;
	if (!plan_area(&at, procs, sizeof(struct ag_proc_slot), &p.procs) ||
	    !plan_area(&at, procs, p.counters_stride * 8, &p.counters) ||
	    !plan_area(&at, s->keys, sizeof(struct ag_key_slot), &p.keys) ||
	    !plan_area(&at, s->blob_units, 64, &p.blobs) ||
	    !plan_area(&at, s->meters, sizeof(struct ag_meter), &p.meters) ||
	    !plan_area(&at, ((uint64_t)s->meters + 63) / 64, sizeof(struct ag_a64), &p.meter_bits) ||
	    !plan_area(&at, 1, sizeof(struct ag_catalog_hdr) + 2 * p.catalog_stride, &p.catalog) ||
	    !plan_area(&at, (uint64_t)s->workers * s->inflight, sizeof(struct ag_inflight),
	        &p.inflight) ||
	    !plan_area(&at, s->workers, p.ring_stride, &p.rings) ||
	    !plan_area(&at, s->workers, sizeof(struct ag_explain_ring), &p.explain) ||
	    !plan_area(&at, AG_LEARNED_SLOTS, sizeof(struct ag_learned), &p.learned) ||
	    !plan_area(&at, s->objects, sizeof(struct ag_a128), &p.objects) ||
	    !plan_area(&at, s->body_ring_bytes ? s->workers : 0,
	        sizeof(struct ag_body_ring_hdr) + s->body_ring_bytes, &p.bodies) || at > INT64_MAX)
		return ag_err_set(err, -EOVERFLOW, "shared memory: the sizes asked for overflow");
	p.total = at;
	*out = p;
	return 0;
}

int
ag_shm_layout_size(const struct ag_shm_sizes *sizes, uint64_t *out_bytes, struct ag_err *err)
{
	struct plan p;
	int rc = plan_make(sizes, &p, err);

	if (rc == 0)
		*out_bytes = p.total;
	return rc;
}

static void
shm_point(struct ag_shm *shm, const struct plan *p)
{
	uint8_t *base = (uint8_t *)shm->hdr;

	shm->procs = (void *)(base + p->procs);
	shm->counters = (void *)(base + p->counters);
	shm->keys = (void *)(base + p->keys);
	shm->blobs = base + p->blobs;
	shm->meters = (void *)(base + p->meters);
	shm->meter_bits = (void *)(base + p->meter_bits);
	shm->catalog = (void *)(base + p->catalog);
	shm->catalog_area[0] = base + p->catalog + sizeof(struct ag_catalog_hdr);
	shm->catalog_area[1] = shm->catalog_area[0] + p->catalog_stride;
	shm->inflight = (void *)(base + p->inflight);
	shm->rings = base + p->rings;
	shm->explain = (void *)(base + p->explain);
	shm->learned = (void *)(base + p->learned);
	shm->objects = (void *)(base + p->objects);
	shm->bodies = base + p->bodies;
	shm->ring_stride = p->ring_stride;
	shm->counters_stride = p->counters_stride;
}

static bool
hdr_matches_plan(const struct ag_shm_hdr *h, const struct plan *p)
{
	return h->total_size == p->total && h->procs_off == p->procs &&
	    h->counters_off == p->counters && h->keys_off == p->keys && h->blobs_off == p->blobs &&
	    h->meters_off == p->meters && h->meter_bits_off == p->meter_bits &&
	    h->catalog_off == p->catalog && h->inflight_off == p->inflight && h->rings_off == p->rings &&
	    h->learned_off == p->learned &&
	    h->objects_off == p->objects && h->bodies_off == p->bodies;
}

static uint64_t
hdr_magic(const struct ag_shm_hdr *h)
{
	return __atomic_load_n(&h->magic, __ATOMIC_ACQUIRE); /* with hdr_publish() */
}

static void
hdr_publish(struct ag_shm_hdr *h)
{
	__atomic_store_n(&h->magic, AG_SHM_MAGIC, __ATOMIC_RELEASE);
}

/* Is this header one we can work with, in a file of file_bytes? */
static int
hdr_check(const char *name, const struct ag_shm_hdr *h, uint64_t file_bytes, struct plan *out_plan,
    struct ag_err *err)
{
	struct ag_err why;

	if (hdr_magic(h) != AG_SHM_MAGIC)
		return ag_err_set(err, -EPROTO, "segment \"%s\" is not one of aigated's, or half made",
		    name);
	if (h->layout != AG_SHM_LAYOUT)
		return ag_err_set(err, -EPROTO, "segment \"%s\" has layout %u, this program needs %u",
		    name, h->layout, AG_SHM_LAYOUT);
	if (h->hdr_size != sizeof(*h))
		return ag_err_set(err, -EPROTO, "segment \"%s\" has a header of %u bytes, "
		    "this program needs %zu", name, h->hdr_size, sizeof(*h));
	if (plan_make(&h->sizes, out_plan, &why) < 0)
		return ag_err_set(err, -EPROTO, "segment \"%s\" is damaged: %.160s", name, why.text);
	if (!hdr_matches_plan(h, out_plan) || h->total_size != file_bytes)
		return ag_err_set(err, -EPROTO, "segment \"%s\" is damaged: its offsets do not fit "
		    "its sizes (%" PRIu64 " bytes in the header, %" PRIu64 " in the file)",
		    name, h->total_size, file_bytes);
	return 0;
}

static int
sizes_compare(const char *name, const struct ag_shm_sizes *have, const struct ag_shm_sizes *want,
    struct ag_err *err)
{
	const struct { const char *what; uint64_t have, want; } rows[] = {
		{ "workers", have->workers, want->workers },
		{ "requests in flight per worker", have->inflight, want->inflight },
		{ "key slots", have->keys, want->keys },
		{ "meters", have->meters, want->meters },
		{ "units of key metadata", have->blob_units, want->blob_units },
		{ "counters", have->counters, want->counters },
		{ "places for objects of providers", have->objects, want->objects },
		{ "bytes of usage ring", have->ring_bytes, want->ring_bytes },
		{ "bytes of a ring of bodies", have->body_ring_bytes, want->body_ring_bytes },
		{ "bytes of catalogue", have->catalog_bytes, want->catalog_bytes },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		if (rows[i].have != rows[i].want)
			return ag_err_set(err, -EPROTO, "segment \"%s\" was made for %" PRIu64
			    " %s, the configuration asks for %" PRIu64, name, rows[i].have,
			    rows[i].what, rows[i].want);
	}
	return 0;
}

static int
map_fd(const char *name, int fd, int prot, struct ag_shm *out, struct ag_err *err)
{
	struct ag_shm shm = { .fd = fd };
	struct plan plan;
	struct stat st;
	void *mem;
	int rc;

	if (fstat(fd, &st) < 0)
		return ag_err_set(err, -errno, "could not examine segment \"%s\": %m", name);
	if (st.st_size < (off_t)sizeof(struct ag_shm_hdr))
		return ag_err_set(err, -EPROTO, "segment \"%s\" is half made: %lld bytes", name,
		    (long long)st.st_size);
	mem = mmap(NULL, (size_t)st.st_size, prot, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return ag_err_set(err, -errno, "could not map segment \"%s\": %m", name);
	shm.hdr = mem;
	shm.bytes = (uint64_t)st.st_size;
	rc = hdr_check(name, shm.hdr, shm.bytes, &plan, err);
	if (rc < 0) {
		munmap(mem, (size_t)st.st_size);
		return rc;
	}
	shm_point(&shm, &plan);
	madvise(mem, (size_t)st.st_size, MADV_HUGEPAGE); /* a wish: fewer TLB misses in big tables */
	*out = shm;
	return 0;
}

static int
hdr_fill(struct ag_shm_hdr *h, const struct ag_shm_sizes *sizes, const struct plan *p)
{
	uint64_t id = 0;

	/* Below 2^63, so that PostgreSQL's bigint holds it. */
	while (id == 0) {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			return -errno;
		id &= INT64_MAX;
	}
	h->layout = AG_SHM_LAYOUT;
	h->hdr_size = sizeof(*h);
	h->total_size = p->total;
	h->sizes = *sizes;
	h->procs_off = p->procs;
	h->counters_off = p->counters;
	h->keys_off = p->keys;
	h->blobs_off = p->blobs;
	h->meters_off = p->meters;
	h->meter_bits_off = p->meter_bits;
	h->catalog_off = p->catalog;
	h->inflight_off = p->inflight;
	h->rings_off = p->rings;
	h->learned_off = p->learned;
	h->objects_off = p->objects;
	h->bodies_off = p->bodies;
	h->boot_id = id;
	ag_a32_set(&h->state, AG_SHM_COLD);
	ag_a64_set(&h->created_at_us, ag_clock_wall_us());
	hdr_publish(h);
	return 0;
}

/* An empty, locked file becomes a segment.  The pages are reserved now: a full /dev/shm is an
 * error message at start instead of a SIGBUS in the middle of a request. */
static int
segment_make(const char *name, int fd, const struct ag_shm_sizes *sizes, struct ag_err *err)
{
	struct plan p;
	void *mem;
	int rc = plan_make(sizes, &p, err);

	if (rc < 0)
		return rc;
	rc = ftruncate(fd, (off_t)p.total) < 0 ? errno : posix_fallocate(fd, 0, (off_t)p.total);
	if (rc != 0) {
		errno = rc;
		return ag_err_set(err, -rc, "could not reserve %" PRIu64
		    " bytes of shared memory for segment \"%s\": %m", p.total, name);
	}
	mem = mmap(NULL, sizeof(struct ag_shm_hdr), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return ag_err_set(err, -errno, "could not map segment \"%s\": %m", name);
	rc = hdr_fill(mem, sizes, &p);
	munmap(mem, sizeof(struct ag_shm_hdr));
	if (rc < 0)
		return ag_err_set(err, rc, "could not get random bytes for segment \"%s\"", name);
	return 0;
}

/* Opens (making it when absent) and locks; -EAGAIN when the name came to mean another file while
 * we waited for the lock. */
static int
open_locked(const char *name, int *out_fd, struct stat *out_st, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	AG_AUTO(ag_fd) int again = -1;
	struct stat st, st_again;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open segment \"%s\": %m", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return ag_err_set(err, -EBUSY, "segment \"%s\" is in use by another master "
			    "or by processes it left", name);
		return ag_err_set(err, -errno, "could not lock segment \"%s\": %m", name);
	}
	again = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	if (again < 0 || fstat(fd, &st) < 0 || fstat(again, &st_again) < 0 ||
	    st.st_ino != st_again.st_ino)
		return -EAGAIN;
	/* A stranger who may write to it could give himself any key and any budget. */
	if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return ag_err_set(err, -EPERM, "segment \"%s\" belongs to user %u with mode %03o; "
		    "it must be ours with mode 600", name, (unsigned)st.st_uid,
		    (unsigned)st.st_mode & 0777);
	*out_st = st;
	*out_fd = fd;
	fd = -1;
	return 0;
}

/* Does the file hold a segment we can go on with?  0, -ENODATA when it is empty or half made,
 * -EPROTO. */
static int
segment_fits(const char *name, int fd, const struct stat *st, const struct ag_shm_sizes *sizes,
    struct ag_err *err)
{
	struct ag_shm shm;
	uint64_t magic = 0;
	int rc;

	if (st->st_size < (off_t)sizeof(struct ag_shm_hdr) ||
	    pread(fd, &magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) || magic == 0)
		return -ENODATA;
	rc = map_fd(name, fd, PROT_READ | PROT_WRITE, &shm, err);
	if (rc < 0)
		return rc;
	rc = sizes_compare(name, &shm.hdr->sizes, sizes, err);
	munmap(shm.hdr, shm.bytes);
	return rc;
}

/* What would be lost with the segment: records that no flusher took, and requests that were sent and
 * have no record yet.  A segment of another layout cannot be asked. */
static int
segment_is_paid(const char *name, int fd, struct ag_err *err)
{
	struct ag_shm shm;
	struct ag_err why;
	unsigned rings = 0, sent = 0;

	if (map_fd(name, fd, PROT_READ | PROT_WRITE, &shm, &why) < 0)
		return 0;
	for (uint32_t w = 0; w < shm.hdr->sizes.workers; w++) {
		const struct ag_ring_hdr *ring = ag_shm_ring(&shm, w);

		rings += ag_a64_observe(&ring->head) != ag_a64_observe(&ring->tail);
		for (uint32_t i = 0; i < shm.hdr->sizes.inflight; i++) {
			uint32_t state = ag_a32_observe(&ag_shm_inflight(&shm, w, i)->state);

			sent += state == AG_INFLIGHT_SENT || state == AG_INFLIGHT_RECORDING ||
			    state == AG_INFLIGHT_RETRYING;
		}
	}
	munmap(shm.hdr, shm.bytes);
	if (rings == 0 && sent == 0)
		return 0;
	return ag_err_set(err, -EBUSY, "segment \"%s\" is not replaced: %u usage rings hold records that are "
	    "stored nowhere else and %u requests wait to be charged; start once with its old sizes", name, rings,
	    sent);
}

/* One try of ag_shm_open(): -EAGAIN means begin again. */
static int
open_once(const char *name, const struct ag_shm_sizes *sizes, bool may_replace, struct ag_shm *out,
    bool *out_is_fresh, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = -1;
	struct stat st = { 0 };
	bool is_fresh = false;
	int rc = open_locked(name, &fd, &st, err);

	if (rc < 0)
		return rc;
	rc = segment_fits(name, fd, &st, sizes, err);
	if (rc == -EPROTO && (!may_replace || segment_is_paid(name, fd, err) < 0))
		return may_replace ? -EBUSY : rc;
	if (rc == -EPROTO || (rc == -ENODATA && st.st_size > 0)) {
		/* Not truncated: a process of the old master may still have it mapped. */
		shm_unlink(name);
		return -EAGAIN;
	}
	if (rc == -ENODATA) {
		rc = segment_make(name, fd, sizes, err);
		if (rc < 0)
			shm_unlink(name);
		is_fresh = true;
	}
	if (rc == 0)
		rc = map_fd(name, fd, PROT_READ | PROT_WRITE, out, err);
	if (rc == 0) {
		*out_is_fresh = is_fresh;
		fd = -1; /* out's now */
	}
	return rc;
}

int
ag_shm_open(const char *name, const struct ag_shm_sizes *sizes, bool may_replace,
    struct ag_shm *out, bool *out_is_fresh, struct ag_err *err)
{
	uint64_t bytes;
	int rc = ag_shm_layout_size(sizes, &bytes, err);

	if (rc < 0)
		return rc;
	for (int tries = 0; tries < 16; tries++) {
		rc = open_once(name, sizes, may_replace, out, out_is_fresh, err);
		if (rc != -EAGAIN)
			return rc;
	}
	return ag_err_set(err, -EBUSY, "segment \"%s\" keeps being replaced by others", name);
}

int
ag_shm_map(int fd, struct ag_shm *out, struct ag_err *err)
{
	return map_fd("(inherited)", fd, PROT_READ | PROT_WRITE, out, err);
}

int
ag_shm_attach(const char *name, struct ag_shm *out, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open segment \"%s\": %m", name);
	rc = map_fd(name, fd, PROT_READ, out, err);
	if (rc == 0)
		out->fd = -1;
	return rc;
}

void
ag_shm_unmap(struct ag_shm *shm)
{
	if (shm->hdr)
		munmap(shm->hdr, shm->bytes);
	ag_fd_close(&shm->fd);
	*shm = (struct ag_shm){ .fd = -1 };
}

int
ag_shm_unlink(const char *name)
{
	return shm_unlink(name) < 0 ? -errno : 0;
}

struct ag_proc_slot *
ag_shm_proc(const struct ag_shm *shm, uint32_t proc_ix)
{
	assert(proc_ix < AG_PROC_WORKER(shm->hdr->sizes.workers));
	return &shm->procs[proc_ix];
}

struct ag_a64 *
ag_shm_counter_row(const struct ag_shm *shm, uint32_t proc_ix)
{
	assert(proc_ix < AG_PROC_WORKER(shm->hdr->sizes.workers));
	return &shm->counters[proc_ix * shm->counters_stride];
}

struct ag_inflight *
ag_shm_inflight(const struct ag_shm *shm, uint32_t worker_ix, uint32_t ix)
{
	assert(worker_ix < shm->hdr->sizes.workers && ix < shm->hdr->sizes.inflight);
	return &shm->inflight[(size_t)worker_ix * shm->hdr->sizes.inflight + ix];
}

struct ag_ring_hdr *
ag_shm_ring(const struct ag_shm *shm, uint32_t worker_ix)
{
	assert(worker_ix < shm->hdr->sizes.workers);
	return (void *)(shm->rings + worker_ix * shm->ring_stride);
}

struct ag_explain_ring *
ag_shm_explain(const struct ag_shm *shm, uint32_t worker_ix)
{
	assert(worker_ix < shm->hdr->sizes.workers);
	return &shm->explain[worker_ix];
}

uint8_t *
ag_shm_ring_data(const struct ag_shm *shm, uint32_t worker_ix)
{
	return (uint8_t *)ag_shm_ring(shm, worker_ix) + sizeof(struct ag_ring_hdr);
}
