/* main.c - aigatestat: counters, meters and processes of a running gateway. */
#include <errno.h>
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
	"usage: aigatestat [-am] [-s segment] [-w seconds] [counter ...]\n"
	"       aigatestat [-s segment] --json\n";

static int
fail(const char *text)
{
	fprintf(stderr, "aigatestat: %s\n", text);
	return 1;
}

static bool
is_letter(const char *arg, char letter, const char *word)
{
	return strcmp(arg, word) == 0 || (arg[0] == '-' && arg[1] == letter && arg[2] == '\0');
}

/* < 0: makes no sense. */
static int
parse(int argc, char **argv, struct stat_options *o)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		uint64_t seconds;

		if (is_letter(argv[i], 'j', "--json"))
			o->is_json = true;
		else if (is_letter(argv[i], 'm', "--meters"))
			o->want_meters = true;
		else if (is_letter(argv[i], 'a', "--all"))
			o->want_all = true;
		else if (is_letter(argv[i], 's', "--segment") && i + 1 < argc)
			o->segment = argv[++i];
		else if (is_letter(argv[i], 'w', "--watch") && i + 1 < argc &&
		         ag_parse_u64(ag_str(argv[i + 1]), 86400, &seconds) == 0 && seconds > 0)
			o->every_s = (uint32_t)seconds, i++;
		else
			return -EINVAL;
	}
	o->names = argv + i;
	o->n_names = argc - i;
	for (; i < argc; i++) {
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
