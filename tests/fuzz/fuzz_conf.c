/* The configuration reader: whatever the file says, it is refused, or it prints and reads back. */
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/ag-fuzz-conf-XXXXXX";

static void
remove_file(void)
{
	unlink(path);
}

static FILE *
open_file(void)
{
	static int fd = -1;

	if (fd < 0) {
		fd = mkstemp(path);
		if (fd < 0)
			abort();
		atexit(remove_file);
		ag_log_level = AG_LOG_ERROR;
	}
	return fopen(path, "w");
}

static struct ag_conf *
load(const void *text, size_t n)
{
	FILE *f = open_file();
	struct ag_err err;

	if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
		abort();
	return ag_conf_load(path, &err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ag_conf *conf = load(data, size);
	struct ag_shm_sizes sizes;
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (!conf)
		return 0;
	ag_conf_shm_sizes(conf, &sizes);
	f = open_memstream(&text, &n);
	if (!f)
		abort();
	ag_conf_print(conf, f);
	fclose(f);
	ag_conf_free(conf);
	conf = load(text, n);
	if (!conf)
		abort(); /* what -T prints must be accepted */
	ag_conf_free(conf);
	free(text);
	return 0;
}

#ifndef AG_FUZZING
/* Replays the corpus. */
int
main(void)
{
	static uint8_t data[1 << 16];
	const char *srcdir = getenv("srcdir");
	char pattern[512];
	glob_t found = { 0 };

	snprintf(pattern, sizeof(pattern), "%s/tests/fuzz/corpus/conf/*", srcdir ? srcdir : ".");
	if (glob(pattern, 0, NULL, &found) != 0)
		return 99;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "rb");
		size_t n;

		if (!f)
			return 99;
		n = fread(data, 1, sizeof(data), f);
		fclose(f);
		LLVMFuzzerTestOneInput(data, n);
	}
	printf("ok 1 - %zu inputs replayed\n1..1\n", found.gl_pathc);
	globfree(&found);
	return 0;
}
#endif
