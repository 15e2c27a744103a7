/* Runs a target over each file of tests/fuzz/corpus/FUZZ_NAME, over each beginning of it, and, for each JSON
 * value in it, over the file with a value of every other kind in that place: a fuzzer finds these by luck only. */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
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

/* Past the string, the array, the object or the word that starts at i. */
static size_t
value_end(const uint8_t *s, size_t n, size_t i)
{
	size_t depth = 0;
	bool in_text = false;

	for (; i < n; i++) {
		if (in_text) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				in_text = false;
		} else if (s[i] == '"') {
			in_text = true;
		} else if (s[i] == '{' || s[i] == '[') {
			depth++;
		} else if (s[i] == '}' || s[i] == ']') {
			if (depth == 0)
				return i;
			depth--;
		} else if (depth == 0 && (s[i] == ',' || s[i] == ':' || isspace(s[i]))) {
			return i;
		}
		if (depth == 0 && !in_text && strchr("\"}]", s[i]))
			return i + 1;
	}
	return n;
}

static void
run_with(const uint8_t *data, size_t n, size_t from, size_t to, const char *instead)
{
	static uint8_t whole[FILE_MAX + 64];
	size_t n_instead = strlen(instead);

	memcpy(whole, data, from);
	memcpy(whole + from, instead, n_instead);
	memcpy(whole + from + n_instead, data + to, n - to);
	run_exact(whole, n - (to - from) + n_instead);
}

/* Bytes that are no JSON at all are only varied a little more. */
static void
run_retyped(const uint8_t *data, size_t n)
{
	static const char *const kinds[] = { "null", "true", "-7", "1.5", "\"\"", "\"x\"", "[]", "[null]", "[\"x\"]", "[[]]",
		"[{}]", "{}", "{\"x\":null}", "{\"x\":\"y\"}", "{\"x\":[]}" };
	size_t end;

	for (size_t i = 1; i < n; i++) {
		if (!strchr(":[,", data[i - 1]))
			continue;
		while (i < n && isspace(data[i]))
			i++;
		end = value_end(data, n, i);
		if (end == i || (end < n && data[end] == ':'))
			continue;
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			run_with(data, n, i, end, kinds[k]);
		if (data[i] == '"')
			i = end;
	}
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
		run_retyped(data, n);
		n_files++;
	}
	closedir(d);
	printf("%sok 1 - %s: %d files\n1..1\n", n_files > 0 ? "" : "not ", FUZZ_NAME, n_files);
	return n_files > 0 ? 0 : 1;
}
