/* anthropic.h - what the files of the Messages protocol share, and others that carry it. */
#ifndef AG_TRANSLATE_ANTHROPIC_H
#define AG_TRANSLATE_ANTHROPIC_H

#include "translate/protocol.h"

extern const struct ag_reader ag_anthropic_reader;
extern const struct ag_writer ag_anthropic_writer;

int ag_anthropic_parse(const struct ag_parse_in *in, struct json_object **out_chat, struct ag_err *err) AG_MUST_CHECK;
int ag_anthropic_build(const struct ag_build_in *in, struct ag_buf *out, struct ag_err *err) AG_MUST_CHECK;
void ag_anthropic_read_error(int status, struct ag_str body, struct ag_buf *mem, struct ag_client_error *out);
void ag_anthropic_write_error(const struct ag_client_error *e, bool is_event, struct ag_buf *out);

/* How a model thinks, as its name tells. */
enum ag_thinking {
	AG_THINKING_NONE,
	AG_THINKING_BUDGET,   /* {"type":"enabled","budget_tokens"} */
	AG_THINKING_ADAPTIVE, /* {"type":"adaptive"} and output_config.effort */
};

struct ag_claude {
	unsigned major, minor;   /* 4, 5 of claude-sonnet-4-5-20250929; 0: not known, taken for new */
	enum ag_thinking thinking;
	bool is_always_thinking; /* cannot be switched off, nor a tool be forced */
	bool has_sampling;       /* takes temperature, top_p, top_k */
	bool has_schema;         /* takes output_config.format */
	bool has_xhigh;
};

/* model: with whatever a platform puts before or behind it. */
struct ag_claude ag_claude_of(struct ag_str model, uint32_t model_flags);

/* Puts `thinking`, for an effort in OpenAI's words or as the client said it itself.  *out_effort: what
 * output_config is to hold, n 0: nothing.  is_forced: a tool must be called.  *out_thinking: it thinks, as far
 * as the request says so.  -EINVAL with err, if strict: it cannot. */
int ag_claude_put_thinking(const struct ag_claude *c, const struct ag_build_in *in, bool is_forced,
    struct ag_buf *b, bool *out_thinking, struct ag_str *out_effort, struct ag_err *err) AG_MUST_CHECK;

/* -EINVAL with err: strictness is asked for, and what is said of sampling would be left out. */
int ag_claude_check_sampling(const struct ag_claude *c, const struct ag_build_in *in, bool is_thinking,
    struct ag_err *err) AG_MUST_CHECK;

/* As `thinking` of a protocol: a budget has to be below the limit, and has a minimum. */
uint64_t ag_claude_needs(const struct ag_build_in *in);

/* Adds "anthropic_version", leaves out model and stream: as platforms that carry the protocol have it. */
int ag_anthropic_build_as(const struct ag_build_in *in, const char *version, struct ag_buf *out,
    struct ag_err *err) AG_MUST_CHECK;

#endif
