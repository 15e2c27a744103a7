/* money.h - money without floating point.
 *
 * Amounts: int64 nano-USD (ceiling 9.2 billion dollars).  Prices: int64 pico-USD per token or
 * unit.  Products are summed in 128-bit pico-USD and rounded up once, to nano-USD. */
#ifndef AG_BASE_MONEY_H
#define AG_BASE_MONEY_H

#include <stdint.h>

#include "base/attr.h"
#include "base/str.h"

#define AG_NUSD_PER_USD  INT64_C(1000000000)
#define AG_PUSD_PER_NUSD 1000
#define AG_NUSD_MAX      (INT64_MAX / 4)  /* room to add a few without a check */

/* A sum of products in pico-USD. */
struct ag_pusd {
	__int128 v;
};

/* sum += count * price; counts and prices are >= 0. */
static inline void
ag_pusd_add(struct ag_pusd *sum, uint64_t count, int64_t price_pusd)
{
	sum->v += (__int128)count * price_pusd;
}

/* sum = ceil(sum * num / den), for mark-ups and uplifts; den > 0. */
void ag_pusd_scale(struct ag_pusd *sum, int64_t num, int64_t den);

/* Rounded up; saturates at AG_NUSD_MAX, never negative. */
int64_t ag_pusd_to_nusd(struct ag_pusd sum);

/* "100", "100.0", "0.0000001" dollars as nano-USD, exact; -EDOM below one nano-dollar. */
int ag_parse_usd(struct ag_str s, int64_t max_nusd, int64_t *out_nusd) AG_MUST_CHECK;

/* Dollars without trailing zeros; cap >= 32; returns the length. */
size_t ag_fmt_usd(char *out, size_t cap, int64_t nusd);

#endif
