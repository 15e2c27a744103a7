/* directive.h - the rows of tbl/directives.h at run time: how a value of each type is read,
 * compared, moved and written.  Used by src/conf only.
 *
 * A field of type char * is owned by its struct ag_conf and never NULL: not set is "". */
#ifndef AG_CONF_DIRECTIVE_H
#define AG_CONF_DIRECTIVE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "conf/conf.h"

enum ag_directive_type {
	AG_DT_STRING,
	AG_DT_PATH,
	AG_DT_LISTEN,
	AG_DT_SIZE,
	AG_DT_UINT,
	AG_DT_DURATION,
	AG_DT_BOOL,
	AG_DT_USD,
	AG_DT_RATIO,
	AG_DT_ENUM_LOG_LEVEL,
	AG_DT_ENUM_FULL_RING,
	AG_DT_ENUM_UNPRICED,
	AG_DT_ENUM_UNKNOWN,
	AG_DT_ENUM_TIER,
	AG_DT_ENUM_PARTITION,
};

enum ag_reload_class { AG_RELOAD_NOW, AG_RELOAD_NEW, AG_RELOAD_RESTART };

struct ag_directive {
	const char *name;
	enum ag_directive_type type;
	size_t offset; /* of the field in struct ag_conf */
	const char *def, *min, *max;
	enum ag_reload_class reload;
	const char *text;
};

#define AG_DIRECTIVES ag_directive_count
extern const struct ag_directive ag_directives[];
extern const size_t ag_directive_count;

/* NULL when there is no such directive. */
const struct ag_directive *ag_directive_find(struct ag_str name);

/* Reads words into the field of conf; a LISTEN adds to it.  -EINVAL and err ("value \"99\" is
 * outside 0..64"), the field is then unchanged. */
int ag_directive_set(const struct ag_directive *d, struct ag_conf *conf,
    const struct ag_str *words, size_t n, struct ag_err *err) AG_MUST_CHECK;
/* The default; cannot fail but for memory. */
int ag_directive_reset(const struct ag_directive *d, struct ag_conf *conf) AG_MUST_CHECK;

bool ag_directive_eq(const struct ag_directive *d, const struct ag_conf *a, const struct ag_conf *b);
void ag_directive_swap(const struct ag_directive *d, struct ag_conf *a, struct ag_conf *b);
void ag_directive_fini(const struct ag_directive *d, struct ag_conf *conf);

/* The value as it would be written in a file, without the name; a LISTEN by its index. */
void ag_directive_put(const struct ag_directive *d, const struct ag_conf *conf, uint32_t ix,
    struct ag_buf *out);

/* "path", "on | off", "error | warn | ...": for the manual. */
const char *ag_directive_syntax(const struct ag_directive *d);

#endif
