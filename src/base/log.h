/* log.h - one line a message, to a file or standard error.
 *
 * error: someone must act; warn: degraded, the text ends with what we do instead; notice:
 * lifecycle; info; debug.  Lower case, no full stop, no function names, never a body or a
 * secret.  Form: "2026-05-03T17:08:55.000Z worker/3[812] warn: text key=value".
 * Keeps errno.  One write a line, so that lines of several processes do not mix. */
#ifndef AG_BASE_LOG_H
#define AG_BASE_LOG_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

enum ag_log_level {
	AG_LOG_ERROR,
	AG_LOG_WARN,
	AG_LOG_NOTICE,
	AG_LOG_INFO,
	AG_LOG_DEBUG,
};

extern enum ag_log_level ag_log_level; /* messages above it are dropped */

/* path NULL or "stderr": standard error.  Keeps the old target when it fails. */
int ag_log_open(const char *path, struct ag_err *err) AG_MUST_CHECK;
int ag_log_reopen(void); /* after a rotation; -errno, the old file stays in use */
void ag_log_set_ident(const char *ident); /* "worker/3"; copied */
int ag_log_fd(void); /* for the crash path and for children that inherit it */

void ag_log(enum ag_log_level level, const char *fmt, ...) AG_PRINTF(2, 3);

#define ag_error(...)  ag_log(AG_LOG_ERROR, __VA_ARGS__)
#define ag_warn(...)   ag_log(AG_LOG_WARN, __VA_ARGS__)
#define ag_notice(...) ag_log(AG_LOG_NOTICE, __VA_ARGS__)
#define ag_info(...)   ag_log(AG_LOG_INFO, __VA_ARGS__)
#define ag_debug(...)                                        \
	do {                                                 \
		if (AG_UNLIKELY(ag_log_level >= AG_LOG_DEBUG)) \
			ag_log(AG_LOG_DEBUG, __VA_ARGS__);   \
	} while (0)

/* For what a client can provoke: at most `burst` lines a minute, then one that counts the rest.
 * struct ag_log_limit is static at the call site. */
struct ag_log_limit {
	long long window_at_us;
	unsigned n, dropped;
};
bool ag_log_allowed(struct ag_log_limit *limit, unsigned burst);

#endif
