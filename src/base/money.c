#include "base/money.h"

#include <assert.h>

#include "base/num.h"

void
ag_pusd_scale(struct ag_pusd *sum, int64_t num, int64_t den)
{
	assert(den > 0 && num >= 0);
	if (num == den)
		return;
	sum->v = (sum->v * num + den - 1) / den;
}

int64_t
ag_pusd_to_nusd(struct ag_pusd sum)
{
	__int128 nusd;

	if (sum.v <= 0)
		return 0;
	/* What one request costs fits in half, where a division by a constant is a multiplication. */
	if (AG_LIKELY(sum.v <= INT64_MAX - AG_PUSD_PER_NUSD)) {
		int64_t small = (int64_t)sum.v;

		return (small + AG_PUSD_PER_NUSD - 1) / AG_PUSD_PER_NUSD;
	}
	nusd = (sum.v + AG_PUSD_PER_NUSD - 1) / AG_PUSD_PER_NUSD;
	return nusd > AG_NUSD_MAX ? AG_NUSD_MAX : (int64_t)nusd;
}

int
ag_parse_usd(struct ag_str s, int64_t max_nusd, int64_t *out_nusd)
{
	return ag_parse_decimal(s, 9, max_nusd, out_nusd);
}

size_t
ag_fmt_usd(char *out, size_t cap, int64_t nusd)
{
	return ag_fmt_decimal(out, cap, nusd, 9);
}
