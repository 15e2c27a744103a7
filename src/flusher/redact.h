/* redact.h - what is taken out of a body before it is written down.
 *
 * Credentials always: bearer and basic tokens, keys of known makes (ours among them), JWTs,
 * private keys, values of members such as "api_key" or "password".  By choice: e-mail
 * addresses, card numbers (13 to 19 digits that pass Luhn's check), telephone numbers (with +
 * or 00 and the country, or written in the groups of North America), and what a workspace's own
 * patterns match.  Each is replaced by its name in brackets.  What a body tells piece by piece
 * (a stream that breaks an address over several events) is not recognised.
 *
 * A redaction goes in steps of bounded length, so that whoever runs it can do other things
 * between. */
#ifndef AG_FLUSHER_REDACT_H
#define AG_FLUSHER_REDACT_H

#include "aigated/body.h"
#include "base/buf.h"
#include "base/pattern.h"
#include "base/str.h"

enum ag_redact_kind {
	AG_REDACT_NONE, AG_REDACT_SECRET, AG_REDACT_EMAIL, AG_REDACT_CARD, AG_REDACT_PHONE, AG_REDACT_PATTERN,
	AG_REDACT_KINDS
};

struct ag_redact_rules {
	unsigned kinds;                /* 1 << enum ag_redact_kind; secrets whether said or not */
	struct ag_pattern *pattern[AG_BODY_PATTERNS_MAX]; /* owned */
	unsigned n_patterns;
};

void ag_redact_rules_fini(struct ag_redact_rules *r);

struct ag_redaction {
	struct ag_str text;            /* borrowed */
	const struct ag_redact_rules *rules; /* borrowed */
	bool is_cut;
	uint8_t *kind;                 /* owned: of each byte */
	uint32_t *began;               /* owned */
	size_t cap;
	unsigned pass;                 /* 0: what is built in; then the patterns */
	size_t at;                     /* of a pattern: how far */
	unsigned n_taken;
};

void ag_redaction_init(struct ag_redaction *r);
void ag_redaction_fini(struct ag_redaction *r);
/* is_cut: more of it was there; the last words are given up, since they may be half of something.
 * -ENOMEM. */
int ag_redaction_begin(struct ag_redaction *r, struct ag_str text, bool is_cut,
    const struct ag_redact_rules *rules) AG_MUST_CHECK;
/* One step; true: that was the last. */
bool ag_redaction_step(struct ag_redaction *r) AG_MUST_CHECK;
/* The text with all that was found replaced, appended to out; how often is added to *io_taken. */
void ag_redaction_write(struct ag_redaction *r, struct ag_buf *out, unsigned *io_taken);

#endif
