/* price_kinds.h - names of the kinds that prices are multiplied by, and the multiples as the database keeps
 * them: {"response_token": 500000}, in millionths; a kind that is missing was not said.  Pure. */
#ifndef AG_POLICY_PRICE_KINDS_H
#define AG_POLICY_PRICE_KINDS_H

#include "aigated/catalog.h"
#include "base/attr.h"
#include "base/str.h"

/* As the admin API has it: "image.default".  AG_PK_COUNT: there is no such kind. */
enum ag_price_kind ag_price_kind_find(struct ag_str name);
const char *ag_price_kind_name(enum ag_price_kind kind);

/* No kind is said. */
void ag_price_multiples_none(struct ag_price_multiples *out);
/* -EINVAL: not what the database keeps. */
int ag_price_multiples_read(struct ag_str json, struct ag_price_multiples *out) AG_MUST_CHECK;

/* What a unit price counts, by its word in the price list; n 0: nothing. */
enum ag_price_unit ag_price_unit_find(struct ag_str word);

#endif
