/* crash.h - the last words of a process.
 *
 * SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT write what is known (signal, address, failed
 * assertion) into memory that outlives the process, then die of the signal as if it had not been
 * caught.  Everything here is async-signal-safe.  Words: shared memory, W: this process R: master. */
#ifndef AG_BASE_CRASH_H
#define AG_BASE_CRASH_H

#include <stddef.h>

/* words: cap bytes in shared memory, ended by NUL at all times. */
void ag_crash_install(char *words, size_t cap);

/* Adds text to the last words: for whoever is about to abort() and knows why. */
void ag_crash_note(const char *text);

#endif
