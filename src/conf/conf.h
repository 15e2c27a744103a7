/* conf.h - the configuration: read, checked, explained.  One table: tbl/directives.h.
 *
 * File: one directive a line, `name value ...`, # comments, "double quotes" with \" and \\.  A mistake
 * is reported as "file:line: directive \"x\": ..." with the allowed range; all of the file is
 * checked before anything takes effect.  Unknown, repeated (but for listen) and empty directives
 * are refused; `name ""` is allowed for texts that are not set by default.  Paths are absolute. */
#ifndef AG_CONF_CONF_H
#define AG_CONF_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "aigated/shm_layout.h"

#define AG_LISTEN_MAX 16

struct ag_conf_listen {
	char *addr[AG_LISTEN_MAX];   /* owned: "127.0.0.1:8787", "[::1]:80", "*:80" */
	uint8_t is_tls[AG_LISTEN_MAX];
	uint32_t n;
};

enum ag_full_ring { AG_FULL_RING_REFUSE, AG_FULL_RING_SERVE };
enum ag_partition { AG_PARTITION_MONTH, AG_PARTITION_DAY };
enum ag_unpriced { AG_UNPRICED_REFUSE, AG_UNPRICED_FLAT };
enum ag_unknown_usage { AG_UNKNOWN_ESTIMATE, AG_UNKNOWN_HOLD };
enum ag_assumed_tier { AG_ASSUME_PRIORITY, AG_ASSUME_STANDARD };

#define AG_CONF_C_STRING char *
#define AG_CONF_C_PATH char *
#define AG_CONF_C_LISTEN struct ag_conf_listen
#define AG_CONF_C_SIZE uint64_t
#define AG_CONF_C_UINT uint32_t
#define AG_CONF_C_DURATION int64_t
#define AG_CONF_C_BOOL bool
#define AG_CONF_C_USD int64_t
#define AG_CONF_C_RATIO uint32_t
#define AG_CONF_C_ENUM_LOG_LEVEL uint32_t
#define AG_CONF_C_ENUM_FULL_RING uint32_t
#define AG_CONF_C_ENUM_UNPRICED uint32_t
#define AG_CONF_C_ENUM_UNKNOWN uint32_t
#define AG_CONF_C_ENUM_TIER uint32_t
#define AG_CONF_C_ENUM_PARTITION uint32_t

#define AG_RATIO_ONE 1000000u

/* Fields carry the names of the directives; durations in us, sizes in bytes, USD in nano-USD.
 * A text is never NULL: not set is "".  workers is never 0 here: the cores were counted. */
struct ag_conf {
	char *path; /* owned: file it came from */
#define D(name, type, def, min, max, reload, text) AG_CONF_C_##type name;
#include "aigated/tbl/directives.h"
#undef D
};

/* NULL and err on any mistake, a missing database included. path NULL: defaults only. */
struct ag_conf *ag_conf_load(const char *path, struct ag_err *err);
void ag_conf_free(struct ag_conf *conf);

/* Re-reads conf->path and takes over the rows that may change while running (NOW, NEW); values
 * of RESTART rows that differ are logged as needing a restart.  On a mistake nothing changes.
 * Texts that did not change stay where they are: what was borrowed of them stays valid. */
int ag_conf_reload(struct ag_conf *conf, struct ag_err *err) AG_MUST_CHECK;

/* Sizes of the segment this configuration asks for (counters from tbl/counters.h). */
void ag_conf_shm_sizes(const struct ag_conf *conf, struct ag_shm_sizes *out);

/* The configuration in force, as a file that would be accepted; passwords in the connection
 * string are masked. */
void ag_conf_print(const struct ag_conf *conf, FILE *out);
/* The rows of the table as mdoc, for aigated.conf(5). */
void ag_conf_print_mdoc(FILE *out);

#endif
