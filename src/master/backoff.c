#include "master/backoff.h"

int64_t
ag_backoff_next(struct ag_backoff *b, int64_t lived_us, bool has_served)
{
	int64_t delay = AG_BACKOFF_FIRST_US;

	if (has_served && lived_us >= AG_BACKOFF_STABLE_US)
		b->early_deaths = 0;
	if (!has_served || lived_us < AG_BACKOFF_EARLY_US)
		b->early_deaths += b->early_deaths < UINT32_MAX;
	if (b->early_deaths < 2)
		return 0;
	for (uint32_t i = 2; i < b->early_deaths && delay < AG_BACKOFF_MAX_US; i++)
		delay *= 2;
	return delay < AG_BACKOFF_MAX_US ? delay : AG_BACKOFF_MAX_US;
}
