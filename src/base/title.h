/* title.h - what ps shows: "aigated: worker 3 (serving)".
 *
 * Writes over the memory of argv and the environment, so ag_title_init() runs first in main();
 * it moves the environment away.  One owner: the process.  Cannot fail: without room the title is
 * cut. */
#ifndef AG_BASE_TITLE_H
#define AG_BASE_TITLE_H

void ag_title_init(int argc, char **argv);
/* "worker 3", "master": after a fork, once; the state is empty again. */
void ag_title_set(const char *who);
/* "serving", "draining": by the role, whenever it changes. */
void ag_title_state(const char *state);

#endif
