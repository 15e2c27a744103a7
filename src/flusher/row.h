/* row.h - a record as a binary COPY row of aigate.ledger. */
#ifndef AG_FLUSHER_ROW_H
#define AG_FLUSHER_ROW_H

#include "aigated/record.h"
#include "base/buf.h"
#include "flusher/meta.h"

/* Appends the row; meta gets the values of its keys (in out: valid until it grows).
 * NULL on success, else why the record can be no row (static text); out is unchanged then. */
const char *ag_row_put(struct ag_buf *out, uint64_t boot_id, const struct ag_record *rec,
    struct ag_meta *meta) AG_MUST_CHECK;

void ag_row_put_header(struct ag_buf *out);
void ag_row_put_trailer(struct ag_buf *out);

#endif
