/* responses_item.h - what a response and its items look like; responses_write.c decides when they are told.
 *
 * Output is a row of items, each at the place that is its output_index.  Owner: the writer's state. */
#ifndef AG_TRANSLATE_RESPONSES_ITEM_H
#define AG_TRANSLATE_RESPONSES_ITEM_H

#include "translate/protocol.h"

enum ag_resp_kind { AG_RESP_NONE, AG_RESP_REASONING, AG_RESP_MESSAGE, AG_RESP_TOOL, AG_RESP_IMAGE };

struct ag_resp_item {
	enum ag_resp_kind kind;
	uint32_t tool;
	bool is_open, has_part, is_refusal;
	uint32_t n_parts, n_notes;  /* parts that are closed; notes of the open one */
	struct ag_buf text;         /* of the open part, the summary or the arguments, decoded */
	struct ag_buf parts;        /* JSON, elements; of an image its base64 */
	struct ag_buf notes, logprobs; /* JSON, elements: of the open part */
	struct ag_buf call_id, name, proof; /* proof: of thinking or of a call, decoded */
};

struct ag_resp_state {
	const struct ag_writer_in *in;
	struct ag_resp_item *item;  /* owned; its place is output_index */
	uint32_t n_items;
	uint64_t seq;
	enum ag_finish finish;
	struct ag_usage usage;
	bool has_usage, has_failed;
};

/* is_added: as it is told when it begins, empty. */
void ag_resp_put_item(const struct ag_resp_state *s, uint32_t ix, const char *key, bool is_added, struct ag_buf *b);
void ag_resp_put_id(const struct ag_resp_state *s, uint32_t ix, const char *key, struct ag_buf *b);
/* The open part. */
void ag_resp_put_part(const struct ag_resp_item *it, const char *key, bool is_added, struct ag_buf *b);
/* elements: JSON, with their commas. */
void ag_resp_put_list(struct ag_buf *b, const char *key, const struct ag_buf *elements);
/* n 0: nothing is missing. */
struct ag_str ag_resp_why_incomplete(const struct ag_resp_state *s);
/* The whole response.  error: what it failed with, NULL: it did not. */
void ag_resp_put(const struct ag_resp_state *s, const char *key, const char *status, const struct ag_piece *error,
    struct ag_buf *b);

#endif
