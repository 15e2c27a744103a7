/* script.h - what an answer shall do, and the rules that say so.
 *
 * A mock_do is a set of keys.  It comes from three places, later ones winning key by key: the
 * command line (--do), the first matching rule, the `user` member of the request
 * ("mock: delay_ms=50 tokens=20").  Text values are borrowed: from the rule, or from the
 * request, so a mock_do must not outlive the turn that made it. */
#ifndef AG_MOCK_SCRIPT_H
#define AG_MOCK_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/list.h"
#include "base/str.h"

#define MOCK_NAME_MAX 64

/* KEY, name, kind, largest value */
#define MOCK_KEYS(X)                                                                               \
	X(STATUS, status, NUM, 599)                                                                \
	X(RETRY_AFTER, retry_after, NUM, 1000000)                                                  \
	X(DELAY_MS, delay_ms, NUM, 86400000)                                                       \
	X(CHUNK_DELAY_MS, chunk_delay_ms, NUM, 86400000)                                           \
	X(TOKENS, tokens, NUM, 1000000000)                                                         \
	X(PROMPT_TOKENS, prompt_tokens, NUM, 1000000000000)                                        \
	X(CACHED_TOKENS, cached_tokens, NUM, 1000000000000)                                        \
	X(CACHE_WRITE_TOKENS, cache_write_tokens, NUM, 1000000000000)                              \
	X(REASONING_TOKENS, reasoning_tokens, NUM, 1000000000)                                     \
	X(CACHE_WRITE_1H_TOKENS, cache_write_1h_tokens, NUM, 1000000000000)                        \
	X(AUDIO_PROMPT_TOKENS, audio_prompt_tokens, NUM, 1000000000)                               \
	X(AUDIO_TOKENS, audio_tokens, NUM, 1000000000)                                             \
	X(IMAGE_PROMPT_TOKENS, image_prompt_tokens, NUM, 1000000000)                               \
	X(TOOL_PROMPT_TOKENS, tool_prompt_tokens, NUM, 1000000000)                                 \
	X(SEARCHES, searches, NUM, 1000000000)                                                     \
	X(SECONDS, seconds, NUM, 1000000000)                                                       \
	X(TOOL_CALLS, tool_calls, NUM, 16)                                                         \
	X(IGNORE_MAX, ignore_max, FLAG, 1)                                                         \
	X(NO_USAGE, no_usage, FLAG, 1)                                                             \
	X(USAGE_ZERO, usage_zero, FLAG, 1)                                                         \
	X(USAGE_NEGATIVE, usage_negative, FLAG, 1)                                                 \
	X(CLOSE_BEFORE_HEAD, close_before_head, FLAG, 1)                                           \
	X(RESET_BEFORE_HEAD, reset_before_head, FLAG, 1)                                           \
	X(HANG_BEFORE_HEAD, hang_before_head, FLAG, 1)                                             \
	X(CUT_AFTER_CHUNKS, cut_after_chunks, NUM, 1000000)                                        \
	X(CUT_AFTER_BYTES, cut_after_bytes, NUM, 1000000000)                                       \
	X(RESET_AFTER_CHUNKS, reset_after_chunks, NUM, 1000000)                                    \
	X(STALL_AFTER_CHUNKS, stall_after_chunks, NUM, 1000000)                                    \
	X(ERROR_AFTER_CHUNKS, error_after_chunks, NUM, 1000000)                                    \
	X(NO_DONE, no_done, FLAG, 1)                                                               \
	X(BODY_BYTES, body_bytes, NUM, 67108864)                                                   \
	X(CHUNKS, chunks, NUM, 1000000)                                                            \
	X(GARBAGE_CHUNK, garbage_chunk, FLAG, 1)                                                   \
	X(SPLIT_WRITES, split_writes, FLAG, 1)                                                     \
	X(CHUNKED, chunked, FLAG, 1)                                                               \
	X(UNTIL_EOF, until_eof, FLAG, 1)                                                           \
	X(ANY_BODY, any_body, FLAG, 1)                                                             \
	X(WAIT, wait, TEXT, MOCK_NAME_MAX - 1)                                                     \
	X(MODEL_SERVED, model_served, TEXT, 1024)                                                  \
	X(SERVICE_TIER, service_tier, TEXT, 64)                                                    \
	X(ERROR_TYPE, error_type, TEXT, 256)                                                       \
	X(ERROR_CODE, error_code, TEXT, 256)                                                       \
	X(ERROR_MESSAGE, error_message, TEXT, 65536)                                               \
	X(TEXT, text, TEXT, 16777216)                                                              \
	X(THINKING, thinking, TEXT, 16777216)                                                      \
	X(FINISH, finish, TEXT, 64)                                                                \
	X(TOOL_NAME, tool_name, TEXT, 256)                                                         \
	X(TOOL_ARGS, tool_args, TEXT, 1048576)                                                     \
	X(BODY, body, TEXT, 33554432)                                                              \
	X(BODY_FILE, body_file, TEXT, 4096)                                                        \
	X(HEADERS, headers, TEXT, 4096)                                                            \
	X(CONTENT_TYPE, content_type, TEXT, 256)

enum mock_key {
#define X(key, name, kind, max) MOCK_KEY_##key,
	MOCK_KEYS(X)
#undef X
		MOCK_KEY_COUNT,
};

struct mock_do {
	uint64_t is_set; /* bit per key */
	int64_t num[MOCK_KEY_COUNT];
	struct ag_str text[MOCK_KEY_COUNT];
};

static inline bool
mock_do_has(const struct mock_do *d, enum mock_key key)
{
	return (d->is_set >> key) & 1;
}

static inline int64_t
mock_do_num(const struct mock_do *d, enum mock_key key, int64_t absent)
{
	return mock_do_has(d, key) ? d->num[key] : absent;
}

static inline bool
mock_do_flag(const struct mock_do *d, enum mock_key key)
{
	return mock_do_num(d, key, 0) != 0;
}

static inline struct ag_str
mock_do_text(const struct mock_do *d, enum mock_key key, struct ag_str absent)
{
	return mock_do_has(d, key) ? d->text[key] : absent;
}

/* "delay_ms=50 no_usage": adds to out, borrowing from words.  -EINVAL, out then half-filled. */
int mock_do_parse(struct ag_str words, struct mock_do *out, struct ag_err *err) AG_MUST_CHECK;
/* Keys of `over` win. */
void mock_do_overlay(struct mock_do *d, const struct mock_do *over);

/* The rules, in the order in which they came. */
struct mock_script {
	struct ag_list rules;
	unsigned n;
};

void mock_script_init(struct mock_script *s);
void mock_script_clear(struct mock_script *s);
/* {"match":{"model":,"path":},"times":,"do":{}}; match values may end in '*'. */
int mock_script_add(struct mock_script *s, struct ag_str json, struct ag_err *err) AG_MUST_CHECK;
/* What mock_script_take() would return; nothing is used up. */
const struct mock_do *mock_script_look(const struct mock_script *s, struct ag_str model,
				       struct ag_str path);
/* The first rule that matches and has times left, used up by one; NULL when there is none. */
const struct mock_do *mock_script_take(struct mock_script *s, struct ag_str model,
				       struct ag_str path);

#endif
