/* json_skip.h - jumping over a JSON string or a bracketed value, 64 bytes at a time.
 * Internal to json_*.c.  One set of functions per instruction set, all with the same results. */
#ifndef AG_HTTP_JSON_SKIP_H
#define AG_HTTP_JSON_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_skip {
	/* at: behind the opening quote.  Returns the offset behind the closing one, or 0 with
	 * *out_why.  *out_has_escape: a backslash stood between them. */
	size_t (*string)(const char *p, size_t at, size_t n, bool *out_has_escape,
	    const char **out_why);
	/* at: at the opening bracket.  Returns the offset behind its closing one, or 0 with
	 * *out_why.  max_depth (<= AG_JSON_DEPTH_MAX) counts this bracket. */
	size_t (*nested)(const char *p, size_t at, size_t n, unsigned max_depth,
	    uint32_t *out_n_children, const char **out_why);
};

/* The set in use; chosen at the first call. */
const struct json_skip *json_skip_get(void);

#endif
