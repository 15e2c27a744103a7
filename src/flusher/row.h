/* row.h - a record as a binary COPY row of aigate.ledger, in one of two shapes: row_columns.h. */
#ifndef AG_FLUSHER_ROW_H
#define AG_FLUSHER_ROW_H

#include "aigated/record.h"
#include "base/buf.h"
#include "flusher/meta.h"

enum ag_row_shape { AG_ROW_LEAN, AG_ROW_FULL, AG_ROW_SHAPES };

/* Lean when all that a lean row leaves out would be the default. */
enum ag_row_shape ag_row_shape(const struct ag_record *rec);

/* Appends the row; meta gets the values of its keys (in out: valid until it grows).
 * NULL on success, else why the record can be no row (static text); out is unchanged then. */
const char *ag_row_put(struct ag_buf *out, enum ag_row_shape shape, uint64_t boot_id,
    const struct ag_record *rec, struct ag_meta *meta) AG_MUST_CHECK;

void ag_row_put_header(struct ag_buf *out);
void ag_row_put_trailer(struct ag_buf *out);

#endif
