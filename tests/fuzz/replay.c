/* Runs a target over each file of tests/fuzz/corpus/FUZZ_NAME and over each beginning of it. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

#define FILE_MAX 65536

static size_t
read_file(const char *path, uint8_t *out)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	must(f);
	n = fread(out, 1, FILE_MAX, f);
	fclose(f);
	return n;
}

static void
run_exact(const uint8_t *data, size_t n)
{
	/* Memory that ends where the input ends, for the sanitizer. */
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, data, n);
	must(LLVMFuzzerTestOneInput(copy, n) == 0);
	free(copy);
}

int
main(void)
{
	static uint8_t data[FILE_MAX];
	const char *srcdir = getenv("srcdir");
	char dir[1024], path[2048];
	struct dirent *entry;
	int n_files = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", FUZZ_NAME);
	d = opendir(dir);
	if (!d) {
		fprintf(stderr, "could not open corpus \"%s\"\n", dir);
		return 1;
	}
	while ((entry = readdir(d)) != NULL) {
		size_t n;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		n = read_file(path, data);
		for (size_t i = n > 2000 ? n - 2000 : 0; i <= n; i++)
			run_exact(data, i);
		n_files++;
	}
	closedir(d);
	printf("%sok 1 - %s: %d files\n1..1\n", n_files > 0 ? "" : "not ", FUZZ_NAME, n_files);
	return n_files > 0 ? 0 : 1;
}
