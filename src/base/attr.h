/* attr.h - compiler attributes and small macros used everywhere. */
#ifndef AG_BASE_ATTR_H
#define AG_BASE_ATTR_H

#include <stddef.h>

#define AG_MUST_CHECK      __attribute__((warn_unused_result))
#define AG_PRINTF(fmt, va) __attribute__((format(printf, fmt, va)))
#define AG_NORETURN        __attribute__((noreturn))
#define AG_FALLTHROUGH     __attribute__((fallthrough)) /* clang reads no comments */
/* What clang's analyzer cannot know, and would follow into the impossible. */
#ifdef __clang_analyzer__
#define AG_KNOWN(x) do { if (!(x)) __builtin_unreachable(); } while (0)
#else
#define AG_KNOWN(x) ((void)0)
#endif
#define AG_LIKELY(x)       __builtin_expect(!!(x), 1)
#define AG_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define AG_ARRAY_LEN(a)    (sizeof(a) / sizeof((a)[0]))
#define AG_CACHELINE       64
#define AG_ALIGNED(n)      __attribute__((aligned(n)))

#define AG_CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* A local that cleans itself up: AG_AUTO(ag_fd) int fd = ...; needs ag_fd_cleanup(int *). */
#define AG_AUTO(noun) __attribute__((cleanup(noun##_cleanup)))

#endif
