/* pgbin.h - values in PostgreSQL's binary format: COPY rows and array parameters.
 *
 * ag_pgw writes into room the caller has reserved: no checks, the caller knows the worst case. */
#ifndef AG_FLUSHER_PGBIN_H
#define AG_FLUSHER_PGBIN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define AG_PG_EPOCH_US (INT64_C(946684800) * 1000000) /* 2000-01-01, in wall microseconds */

struct ag_pgw {
	char *p;
};

static inline void
ag_pgw_raw(struct ag_pgw *w, const void *p, size_t n)
{
	if (n)
		memcpy(w->p, p, n);
	w->p += n;
}

static inline void
ag_pgw_u16(struct ag_pgw *w, uint16_t v)
{
	v = htobe16(v);
	ag_pgw_raw(w, &v, sizeof(v));
}

static inline void
ag_pgw_u32(struct ag_pgw *w, uint32_t v)
{
	v = htobe32(v);
	ag_pgw_raw(w, &v, sizeof(v));
}

static inline void
ag_pgw_u64(struct ag_pgw *w, uint64_t v)
{
	v = htobe64(v);
	ag_pgw_raw(w, &v, sizeof(v));
}

/* ---- fields: length, then value ---- */

static inline void
ag_pgw_null(struct ag_pgw *w)
{
	ag_pgw_u32(w, UINT32_MAX);
}

static inline void
ag_pgw_int2(struct ag_pgw *w, int16_t v)
{
	ag_pgw_u32(w, 2);
	ag_pgw_u16(w, (uint16_t)v);
}

static inline void
ag_pgw_int4(struct ag_pgw *w, int32_t v)
{
	ag_pgw_u32(w, 4);
	ag_pgw_u32(w, (uint32_t)v);
}

static inline void
ag_pgw_int8(struct ag_pgw *w, int64_t v)
{
	ag_pgw_u32(w, 8);
	ag_pgw_u64(w, (uint64_t)v);
}

static inline void
ag_pgw_bool(struct ag_pgw *w, int v)
{
	ag_pgw_u32(w, 1);
	*w->p++ = v ? 1 : 0;
}

static inline void
ag_pgw_time(struct ag_pgw *w, int64_t wall_us)
{
	ag_pgw_int8(w, wall_us - AG_PG_EPOCH_US);
}

static inline void
ag_pgw_bytes(struct ag_pgw *w, const void *p, size_t n)
{
	ag_pgw_u32(w, (uint32_t)n);
	ag_pgw_raw(w, p, n);
}

/* ---- one-dimensional arrays: head, then n fields ---- */

enum ag_pg_type {
	AG_PG_BOOL = 16,
	AG_PG_BYTEA = 17,
	AG_PG_INT8 = 20,
	AG_PG_INT2 = 21,
	AG_PG_INT4 = 23,
	AG_PG_TEXT = 25,
	AG_PG_TIMESTAMPTZ = 1184,
	AG_PG_UUID = 2950,
};
#define AG_PG_ARRAY_HEAD 20u

static inline void
ag_pgw_array(struct ag_pgw *w, enum ag_pg_type type, uint32_t n)
{
	ag_pgw_u32(w, 1);
	ag_pgw_u32(w, 0);
	ag_pgw_u32(w, (uint32_t)type);
	ag_pgw_u32(w, n);
	ag_pgw_u32(w, 1);
}

#endif
