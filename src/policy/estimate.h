/* estimate.h - the most a request can use, before it is sent.
 *
 * Input: no tokenizer of the spoken families makes more tokens than there are bytes of UTF-8, and
 * a JSON body has at least as many bytes as its decoded texts plus the providers' per-message
 * overhead (a message's braces and names are longer than the 8 tokens it may add).  So the
 * bytes of the body bound the text; media given by reference or compressed do not show in bytes
 * and are bounded per part; all is capped by the context window when the catalogue knows it.
 * Output: choices times the output limit in force. */
#ifndef AG_POLICY_ESTIMATE_H
#define AG_POLICY_ESTIMATE_H

#include <stdbool.h>

#include "aigated/catalog.h"
#include "aigated/record.h"
#include "base/str.h"

/* What is known of the request. */
struct ag_estimate_in {
	enum ag_endpoint endpoint;
	uint64_t body_bytes;
	struct ag_str messages;      /* raw JSON array, or none */
	struct ag_str input;         /* of embeddings: raw JSON, or none */
	struct ag_str tools;         /* raw JSON array, or none */
	bool is_searching;           /* the provider will read pages that nobody here has seen */
	uint64_t calls;              /* of tools that the provider runs: each reads the prompt once more */
	uint64_t media;              /* tokens that the bytes do not bound, found elsewhere: media.h */
	uint64_t choices;            /* answers made: n or best_of, times the prompts; at least 1 */
	uint64_t client_limit;       /* max_tokens or max_completion_tokens, 0 none */
	const struct ag_cat_price *price; /* NULL: nothing known of the model */
	uint64_t default_limit, default_limit_reasoning; /* configuration */
};

struct ag_estimate {
	uint64_t input;       /* tokens, an upper bound */
	uint64_t limit;       /* output limit per choice in force or to be written; 0: no output */
	uint64_t choices;     /* at least 1 */
	uint64_t output;      /* choices * limit */
	uint64_t text_bytes;  /* for the practical estimate when usage stays unknown */
	uint64_t thinking;    /* of the limit, what thinking needs: fitting leaves it, and room for an answer */
	bool must_write_limit; /* the client gave none, or one above what is held */
	bool is_fixed;        /* nobody can be told a lower limit: what is held is held or refused */
	bool has_server_tools; /* tools that the provider runs itself, for a fee */
	bool may_name_objects; /* something in it may be a name of what the provider keeps: objects.h */
};

void ag_estimate(const struct ag_estimate_in *in, struct ag_estimate *out);
/* Another limit for each choice. */
void ag_estimate_set_limit(struct ag_estimate *e, uint64_t limit);

#endif
