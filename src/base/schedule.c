#include "base/schedule.h"

#include <linux/sched.h>
#include <linux/sched/types.h> /* and not <sched.h>, which has its own struct sched_param */
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

#define TURN_NS UINT64_C(100000) /* the shortest that Linux grants */

/* The nice value stays what it is. */
static void
schedule(uint32_t policy, uint64_t turn_ns)
{
	struct sched_attr a = { .size = sizeof(a) };

	if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
		return;
	if (a.sched_policy != SCHED_NORMAL) /* somebody has decided otherwise, chrt(1) or systemd */
		return;
	a.size = sizeof(a);
	a.sched_policy = policy;
	a.sched_runtime = turn_ns;
	a.sched_flags = 0;
	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
		ag_debug("the kernel would not schedule us otherwise");
}

void
ag_schedule_for_latency(void)
{
	schedule(SCHED_NORMAL, TURN_NS);
}

void
ag_schedule_for_throughput(void)
{
	schedule(SCHED_BATCH, 0);
}
