/* reply.h - what an answer says, whatever the format: text, thinking, calls of tools, figures.
 *
 * Made of the script and of what the request asks for: a text by a schema when one is given, a call when
 * the request forces one.  Figures are those of the provider's own counters, not yet named. */
#ifndef AG_MOCK_REPLY_H
#define AG_MOCK_REPLY_H

#include "tools/mock/format.h"

#define MOCK_CALLS_MAX 16

enum mock_finish { MOCK_FINISH_STOP, MOCK_FINISH_LENGTH, MOCK_FINISH_CALLS };

struct mock_call {
	struct ag_str name, args; /* args: a JSON object */
	char id[48];
};

struct mock_figures {
	int64_t in, out; /* in: without or with what was cached, as the provider counts */
	int64_t cached, written, written_1h, reasoning;
	int64_t audio_in, audio_out, image_in, tool_in, searches;
};

struct mock_reply {
	struct ag_str text, thinking; /* n 0: none */
	struct mock_call call[MOCK_CALLS_MAX];
	unsigned calls;
	int64_t slices;      /* pieces of the text in a stream */
	int64_t error_after; /* slices; -1: never */
	enum mock_finish finish;
	bool has_usage;
	struct mock_figures n;
	struct ag_buf store; /* what the texts point into where the script has none */
};

/* id_prefix: what the ids of calls begin with. */
void mock_reply_init(struct mock_reply *r, const struct mock_job *job, const char *id_prefix);
void mock_reply_fini(struct mock_reply *r);

/* Piece k of the text, never cut inside a character. */
struct ag_str mock_reply_slice(const struct mock_reply *r, int64_t k);
/* The calls alone, for whoever renders the text himself. */
void mock_reply_calls(struct mock_reply *r, const struct mock_job *job, const char *id_prefix);
/* The word of the script, or of names[] by what the reply is. */
struct ag_str mock_reply_finish(const struct mock_reply *r, const struct mock_job *job,
				const char *const names[3]);
/* Tells the tally what was billed and what the usage, if any, says. */
void mock_reply_count(const struct mock_reply *r, struct mock_answer *a, int64_t in, int64_t out);

/* "text", quoted and escaped; p NULL: null. */
void mock_put_text(struct ag_buf *out, struct ag_str s);
/* A member with its name, ',' before it. */
void mock_put_num(struct ag_buf *out, const char *name, int64_t v);

/* One event of a stream: "event: name" when there is a name, then "data: ", and eol twice. */
void mock_put_event(struct mock_answer *a, const char *name, const struct ag_buf *data,
		    const char *eol, int32_t chunks);
/* Head and body of an answer that is not a stream; type NULL: JSON. */
void mock_put_whole(const struct mock_job *job, struct mock_answer *a, int status, const char *type,
		    struct ag_str headers, const struct ag_buf *body);
/* The head of a stream. */
void mock_put_stream(const struct mock_job *job, struct mock_answer *a, const char *type,
		     struct ag_str headers);
enum mock_framing mock_framing_of(const struct mock_job *job, bool wants_chunks);

#endif
