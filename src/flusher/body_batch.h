/* body_batch.h - bodies of one statement: entries of the rings, what is taken out of them, what
 * is left.
 *
 * take -> rules -> redact, a slice at a time -> params.h -> release.  The entries stay in their
 * rings until they are released; what is redacted is a copy. */
#ifndef AG_FLUSHER_BODY_BATCH_H
#define AG_FLUSHER_BODY_BATCH_H

#include "flusher/redact.h"
#include "shm/body_ring.h"

#define AG_BODY_BATCH_MAX 128u
#define AG_BODY_RULES_MAX 64u

/* What one workspace wants of its bodies. */
struct ag_body_rules {
	int64_t workspace_id;
	bool is_off;                 /* none, any more; or of its patterns one cannot be used */
	struct ag_redact_rules redact;
};

struct ag_body_row {
	const struct ag_body *body;  /* borrowed: ring */
	struct { size_t off, len; bool is_text, is_cut; } part[2]; /* request, answer; in texts */
	unsigned taken;              /* how often something was taken out */
};

struct ag_body_batch {
	struct ag_body_ring ring[AG_WORKERS_MAX];
	uint32_t n_rings, first_ring; /* first_ring: whose turn it is to come first */
	uint64_t cursor[AG_WORKERS_MAX];
	struct ag_body_row row[AG_BODY_BATCH_MAX];
	size_t n;
	struct ag_body_rules rules[AG_BODY_RULES_MAX];
	size_t n_rules;
	struct ag_buf texts;
	/* where redaction stands */
	struct ag_redaction redaction;
	size_t at;                   /* row */
	unsigned part;
	bool is_begun;
};

void ag_body_batch_init(struct ag_body_batch *b, const struct ag_shm *shm);
void ag_body_batch_fini(struct ag_body_batch *b);

bool ag_body_batch_is_waiting(const struct ag_body_batch *b); /* something is in the rings */
/* Empties it and fills it from the rings. */
void ag_body_batch_take(struct ag_body_batch *b);

/* A row of AG_SQL_BODY_RULES; those of one workspace follow each other. */
void ag_body_batch_rule(struct ag_body_batch *b, int64_t workspace_id, bool is_off, unsigned kinds,
    struct ag_str pattern);
/* After the rules: without what no workspace wants.  How many went. */
size_t ag_body_batch_drop_unwanted(struct ag_body_batch *b);

/* Goes on until it is done (1) or that moment has come (0).  -ENOMEM. */
int ag_body_batch_redact(struct ag_body_batch *b, int64_t until_us) AG_MUST_CHECK;

/* Stored or given up. */
void ag_body_batch_release(struct ag_body_batch *b);

#endif
