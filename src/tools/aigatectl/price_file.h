/* price_file.h - data/prices.tsv: read, checked, held in memory.
 *
 * One row of PRICE_NUMBERS is a column of the file and of aigate.price.  Amounts are exact
 * integers in pico-USD; what is empty in the file is -1 here. */
#ifndef AIGATECTL_PRICE_FILE_H
#define AIGATECTL_PRICE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

/* X(IDENT, name in the file, column in the database, decimals between the file's unit and ours) */
#define PRICE_NUMBERS(X)                                    \
	X(IN, "in", "in_pusd", 6)                               \
	X(CACHED_IN, "cached_in", "cached_in_pusd", 6)          \
	X(CACHE_W_5M, "cache_w_5m", "cache_w_5m_pusd", 6)       \
	X(CACHE_W_1H, "cache_w_1h", "cache_w_1h_pusd", 6)       \
	X(OUT, "out", "out_pusd", 6)                            \
	X(REASONING, "reasoning", "reasoning_pusd", 6)          \
	X(AUDIO_IN, "audio_in", "audio_in_pusd", 6)             \
	X(AUDIO_OUT, "audio_out", "audio_out_pusd", 6)          \
	X(IMAGE_IN, "image_in", "image_in_pusd", 6)             \
	X(IMAGE_OUT, "image_out", "image_out_pusd", 6)          \
	X(T_IN, "t_in", "t_in_pusd", 6)                         \
	X(T_CACHED_IN, "t_cached_in", "t_cached_in_pusd", 6)    \
	X(T_CACHE_W_5M, "t_cache_w_5m", "t_cache_w_5m_pusd", 6) \
	X(T_OUT, "t_out", "t_out_pusd", 6)                      \
	X(BATCH_IN, "batch_in", "batch_in_pusd", 6)             \
	X(BATCH_CACHED_IN, "batch_cached_in", "batch_cached_in_pusd", 6) \
	X(BATCH_OUT, "batch_out", "batch_out_pusd", 6)          \
	X(FLEX_IN, "flex_in", "flex_in_pusd", 6)                \
	X(FLEX_CACHED_IN, "flex_cached_in", "flex_cached_in_pusd", 6) \
	X(FLEX_OUT, "flex_out", "flex_out_pusd", 6)             \
	X(PRIO_IN, "prio_in", "prio_in_pusd", 6)                \
	X(PRIO_CACHED_IN, "prio_cached_in", "prio_cached_in_pusd", 6) \
	X(PRIO_OUT, "prio_out", "prio_out_pusd", 6)             \
	X(UNIT_PRICE, "unit_price", "unit_pusd", 12)            \
	X(SEARCH, "search_per_1k", "search_pusd", 9)            \
	X(REQUEST, "request", "request_pusd", 12)               \
	X(TIER_GT, "tier_gt", "tier_gt", 0)                     \
	X(CONTEXT, "context", "context_window", 0)              \
	X(MAX_OUTPUT, "max_output", "max_output", 0)

enum price_number {
#define X(ident, name, column, decimals) PRICE_##ident,
	PRICE_NUMBERS(X)
#undef X
	PRICE_NUMBERS_N
};

struct price_row {
	unsigned line;
	struct ag_str family, model, mode, effective_from, unit, waived; /* borrowed from the text */
	int64_t v[PRICE_NUMBERS_N];                                      /* -1: none */
	bool tier_is_ge;
	unsigned flags;                                                  /* AG_MF_... */
};

struct price_file {
	const char *path;       /* borrowed */
	struct ag_buf text;     /* owned */
	char version[32];       /* "2026-11-23": from "# version:" */
	struct price_row *rows; /* owned, sorted by family, model, effective_from */
	size_t n, cap;
	unsigned mistakes;      /* each was written to `complaints` */
};

/* Reads all of it and checks every row; mistakes are counted and told one a line.  < 0 only when
 * nothing could be read at all. */
int price_file_load(const char *path, FILE *complaints, struct price_file *out, struct ag_err *err)
    AG_MUST_CHECK;
void price_file_fini(struct price_file *pf);

static inline void
price_file_cleanup(struct price_file *pf)
{
	price_file_fini(pf);
}

#endif
