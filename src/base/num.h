/* num.h - numbers from and to text, without surprises: no sign, blank, exponent or overflow
 * slips through. */
#ifndef AG_BASE_NUM_H
#define AG_BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

#define AG_U64_DIGITS 20

/* Decimal digits only, no sign.  -EINVAL not a number, -ERANGE above max. */
int ag_parse_u64(struct ag_str s, uint64_t max, uint64_t *out) AG_MUST_CHECK;
/* An optional leading minus. */
int ag_parse_i64(struct ag_str s, int64_t min, int64_t max, int64_t *out) AG_MUST_CHECK;

/* "0.0025" times 10^scale as an exact integer; digits below 10^-scale must be zero (-EDOM if
 * not).  Accepts an optional exponent ("1e-7"), as JSON writers emit it.  Never through a
 * double. */
int ag_parse_decimal(struct ag_str s, int scale, int64_t max, int64_t *out) AG_MUST_CHECK;

/* Writes v / 10^scale without trailing zeros ("100", "0.0127392") to out; returns the length,
 * without NUL.  cap >= 32. */
size_t ag_fmt_decimal(char *out, size_t cap, int64_t v, int scale);

/* What a hexadecimal digit of either case stands for; -1: it is none. */
int ag_hex_value(char c);

/* At most AG_U64_DIGITS bytes, no NUL; returns the length. */
size_t ag_fmt_u64(char *out, uint64_t v);

#endif
