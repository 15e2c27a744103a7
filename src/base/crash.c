#include "base/crash.h"

#include <assert.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/log.h"

extern const char __executable_start[], etext[]; /* by the linker */

static char *last_words; /* borrowed: shared memory */
static size_t last_cap, last_len;

/* A stack overflow is a crash too: the handler stands on a stack of its own. */
static char alt_stack[65536];

void
ag_crash_note(const char *text)
{
	if (!last_words)
		return;
	while (*text && last_len + 1 < last_cap)
		last_words[last_len++] = *text++;
	last_words[last_len] = '\0';
}

static void
note_hex(uintptr_t v)
{
	char out[2 + 2 * sizeof(v) + 1];
	size_t at = sizeof(out) - 1;

	out[at] = '\0';
	do {
		out[--at] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v);
	out[--at] = 'x';
	out[--at] = '0';
	ag_crash_note(out + at);
}

static void
note_dec(unsigned v)
{
	char out[12];
	size_t at = sizeof(out) - 1;

	out[at] = '\0';
	do {
		out[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	ag_crash_note(out + at);
}

/* For addr2line: relative to the executable, wherever it was loaded. */
static void
note_pc(const ucontext_t *uc)
{
	uintptr_t pc = 0, start = (uintptr_t)__executable_start;

#if defined(__x86_64__)
	pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	pc = (uintptr_t)uc->uc_mcontext.pc;
#else
	(void)uc;
#endif
	if (pc < start || pc >= (uintptr_t)etext)
		return;
	ag_crash_note(" pc=aigated+");
	note_hex(pc - start);
}

static void
crash_on_signal(int sig, siginfo_t *info, void *uc)
{
	if (last_len > 0)
		ag_crash_note("; ");
	ag_crash_note("signal ");
	note_dec((unsigned)sig);
	if (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL) {
		ag_crash_note(" address=");
		note_hex((uintptr_t)info->si_addr);
		note_pc(uc);
	}
	/* SA_RESETHAND: the second one has the default action. */
	raise(sig);
}

void
ag_crash_install(char *words, size_t cap)
{
	static const int signals[] = { SIGABRT,
#ifndef __SANITIZE_ADDRESS__ /* which has a better story to tell */
		SIGSEGV, SIGBUS, SIGFPE, SIGILL,
#endif
	};
	struct sigaction sa = { .sa_sigaction = crash_on_signal };
	const stack_t ss = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };

	last_words = words;
	last_cap = cap;
	last_len = 0;
	words[0] = '\0';
	sigaltstack(&ss, NULL);
	sigemptyset(&sa.sa_mask);
	sa.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND);
	for (size_t i = 0; i < AG_ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

/* Takes the place of the C library's, which would tell standard error alone. */
void
__assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
	(void)function;
	ag_crash_note("assertion \"");
	ag_crash_note(assertion);
	ag_crash_note("\" failed at ");
	ag_crash_note(file);
	ag_crash_note(":");
	note_dec(line);
	ag_error("assertion \"%s\" failed at %s:%u", assertion, file, line);
	abort();
}
