/* record_name.h - the words that the numbers of a record stand for, in the ledger and in telemetry.
 * A number of a newer program is "other". */
#ifndef AG_SHM_RECORD_NAME_H
#define AG_SHM_RECORD_NAME_H

#include "aigated/record.h"

struct ag_str ag_endpoint_name(unsigned endpoint);     /* enum ag_endpoint */
struct ag_str ag_outcome_name(unsigned outcome);       /* enum ag_outcome */
struct ag_str ag_usage_source_name(unsigned source);   /* enum ag_usage_source */
struct ag_str ag_service_tier_name(unsigned tier);     /* enum ag_service_tier */

#endif
