/* fuzz.h - what fuzz targets share.  A target is a file with LLVMFuzzerTestOneInput(): linked with
 * replay.c it runs over its corpus in `make check`, with libFuzzer (--enable-fuzzing) it searches. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert(): a broken promise ends the run whatever the build. */
#define must(x)                                                                   \
	do {                                                                      \
		if (!(x)) {                                                       \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                  \
		}                                                                 \
	} while (0)

#endif
