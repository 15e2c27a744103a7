/* crash_point.h - places between two steps where a test may let the process die.
 *
 * Nothing in a normal build.  Built with -DAG_CRASH_POINTS (tests/stress only), the n-th point
 * passed after ag_crash_countdown was set to n ends the process by SIGKILL. */
#ifndef AG_SHM_CRASH_POINT_H
#define AG_SHM_CRASH_POINT_H

#ifdef AG_CRASH_POINTS
extern int ag_crash_countdown; /* 0: never */
void ag_crash_point(void);
#define AG_CRASH_POINT() ag_crash_point()
#else
#define AG_CRASH_POINT() ((void)0)
#endif

#endif
