/* settle.h - the settlement matrix: what an attempt costs whom, for each way it can end.
 *
 * One table (settle.c), one test per row.  Principles: absent usage is not zero; a client that
 * leaves pays for what the provider generated for it; a fault of the provider before the first
 * byte is not the customer's, but what the provider may bill for it is recorded as cost.
 *
 * What is charged for unknown usage is the operator's to say (directive unknown_usage), but for an
 * attempt of which nothing was seen: that is charged its hold. */
#ifndef AG_POLICY_SETTLE_H
#define AG_POLICY_SETTLE_H

#include <stdbool.h>

#include "aigated/catalog.h"
#include "aigated/record.h"
#include "provider/provider.h"

struct ag_settle_in {
	enum ag_outcome outcome;
	const struct ag_answer *answer;
	const struct ag_cat_price *price; /* NULL: unpriced */
	const struct ag_price_multiples *multiples; /* NULL: the price as it stands */
	int64_t flat_nusd;                /* for unpriced models, 0 when none is configured */
	struct ag_amounts held;           /* what is held now */
	bool is_capped;                   /* but of a whole answer no more than that is charged */
	bool charges_hold;                /* of unknown usage all that is held is charged */
	uint64_t est_input, est_output;   /* bounds used for the hold */
	uint64_t est_units;               /* pictures, characters, seconds asked for, where they are paid; else 0 */
	uint64_t request_text_bytes;      /* what the input estimate is made from */
	int64_t waited_us;                /* since it was sent */
	bool is_own_timeout;              /* the client chose how long it waits: giving up is leaving */
	uint32_t searches;                /* paid calls that the request makes and usage does not tell */
};

struct ag_settle_out {
	struct ag_usage usage;    /* with its source */
	int64_t cost_nusd;        /* what the provider will bill, as far as known */
	int64_t charged_nusd;
	struct ag_amounts actual; /* to settle the meters with */
};

/* Tokens of output an answer that still comes has taken so far, by the figures that would settle it. */
uint64_t ag_settle_output_seen(const struct ag_answer *answer);

void ag_settle(const struct ag_settle_in *in, struct ag_settle_out *out);

#endif
