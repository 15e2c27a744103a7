/* main.c - aigatestat: counters, meters and processes of a running gateway. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "shm/counters.h"
#include "tools/aigatestat/stat.h"

#define OUT_MAX (512u << 20)

static const char usage_text[] =
	"usage: aigatestat [-aimr] [-s segment] [-w seconds] [counter ...]\n"
	"       aigatestat [-s segment] -j\n";

static int
fail(const char *text)
{
	fprintf(stderr, "aigatestat: %s\n", text);
	return 1;
}

static const struct option long_options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "inflight", no_argument, NULL, 'i' },
	{ "json", no_argument, NULL, 'j' },
	{ "meters", no_argument, NULL, 'm' },
	{ "rings", no_argument, NULL, 'r' },
	{ "segment", required_argument, NULL, 's' },
	{ "watch", required_argument, NULL, 'w' },
	{ 0 },
};

static bool
parse_option(int letter, struct stat_options *o)
{
	uint64_t seconds;

	switch (letter) {
	case 'a':
		o->want_all = true;
		return true;
	case 'i':
		o->want_inflight = true;
		return true;
	case 'j':
		o->is_json = true;
		return true;
	case 'm':
		o->want_meters = true;
		return true;
	case 'r':
		o->want_rings = true;
		return true;
	case 's':
		o->segment = optarg;
		return true;
	case 'w':
		if (ag_parse_u64(ag_str(optarg), 86400, &seconds) < 0 || seconds == 0)
			return false;
		o->every_s = (uint32_t)seconds;
		return true;
	default:
		return false;
	}
}

/* < 0: makes no sense. */
static int
parse(int argc, char **argv, struct stat_options *o)
{
	int letter;

	while ((letter = getopt_long(argc, argv, "aijmrs:w:", long_options, NULL)) != -1)
		if (!parse_option(letter, o))
			return -EINVAL;
	o->names = argv + optind;
	o->n_names = argc - optind;
	for (int i = optind; i < argc; i++) {
		size_t c = 0;

		while (c < AG_COUNTERS && strcmp(ag_counter_defs[c].name, argv[i]) != 0)
			c++;
		if (c == AG_COUNTERS) {
			fprintf(stderr, "aigatestat: there is no counter \"%s\"\n", argv[i]);
			return -ENOENT;
		}
	}
	return o->is_json && o->every_s ? -EINVAL : 0;
}

static int
show(const struct ag_shm *shm, const struct stat_options *o, const int64_t *before)
{
	int64_t now_us = ag_clock_wall_us();
	struct ag_buf b;
	bool is_written;

	ag_buf_init(&b, OUT_MAX);
	if (o->is_json)
		stat_put_json(&b, shm, now_us);
	else
		stat_put_text(&b, shm, o, now_us, before);
	is_written = !b.failed && fwrite(b.p, 1, b.n, stdout) == b.n && fflush(stdout) == 0;
	ag_buf_fini(&b);
	return is_written ? 0 : fail("could not write the result");
}

static int
watch(const struct ag_shm *shm, const struct stat_options *o)
{
	int64_t before[AG_COUNTERS];
	int rc;

	do {
		struct timespec pause = { .tv_sec = o->every_s };

		for (unsigned c = 0; c < AG_COUNTERS; c++)
			before[c] = ag_counter_sum(shm, (enum ag_counter)c);
		while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
			;
		rc = show(shm, o, before);
	} while (rc == 0);
	return rc;
}

int
main(int argc, char **argv)
{
	struct stat_options o = { .segment = "/aigated" };
	struct ag_err err = { "" };
	struct ag_shm shm;
	int rc = parse(argc, argv, &o);

	if (rc < 0) {
		if (rc == -EINVAL)
			fputs(usage_text, stderr);
		return 2;
	}
	if (ag_shm_attach(o.segment, &shm, &err) < 0)
		return fail(err.text);
	rc = o.every_s ? watch(&shm, &o) : show(&shm, &o, NULL);
	ag_shm_unmap(&shm);
	return rc;
}
