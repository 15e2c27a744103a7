#include "shm/record_name.h"

#include "base/attr.h"

static const char *const endpoint_names[] = {
	[AG_EP_NONE] = "none",
#define X(name, number, text) [number] = text,
#include "aigated/tbl/endpoints.h"
#undef X
};

static const char *const outcome_names[] = {
	[AG_OUT_ANSWERED] = "answered",
	[AG_OUT_CONNECT_FAILED] = "connect_failed",
	[AG_OUT_UPSTREAM_4XX] = "upstream_4xx",
	[AG_OUT_UPSTREAM_429] = "upstream_429",
	[AG_OUT_UPSTREAM_5XX] = "upstream_5xx",
	[AG_OUT_TIMEOUT_FIRST_BYTE] = "timeout_first_byte",
	[AG_OUT_TIMEOUT_STREAM] = "timeout_stream",
	[AG_OUT_CLIENT_LEFT_BEFORE] = "client_left_before",
	[AG_OUT_CLIENT_LEFT_DURING] = "client_left_during",
	[AG_OUT_UPSTREAM_BROKE_BEFORE] = "upstream_broke_before",
	[AG_OUT_UPSTREAM_BROKE_DURING] = "upstream_broke_during",
	[AG_OUT_WORKER_DIED] = "worker_died",
	[AG_OUT_BUDGET_CUT] = "budget_cut",
};

static const char *const source_names[] = {
	[AG_USAGE_NONE] = "none",
	[AG_USAGE_REPORTED] = "reported",
	[AG_USAGE_PARTIAL] = "partial",
	[AG_USAGE_ESTIMATED] = "estimated",
	[AG_USAGE_UNKNOWN] = "unknown",
};

static const char *const tier_names[] = {
	[AG_TIER_STANDARD] = "standard",
	[AG_TIER_BATCH] = "batch",
	[AG_TIER_FLEX] = "flex",
	[AG_TIER_PRIORITY] = "priority",
	[AG_TIER_PROVISIONED] = "provisioned",
	[AG_TIER_FAST] = "fast",
};

static struct ag_str
name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n && names[i] ? ag_str(names[i]) : AG_STR("other");
}

struct ag_str
ag_endpoint_name(unsigned endpoint)
{
	return name_of(endpoint_names, AG_ARRAY_LEN(endpoint_names), endpoint);
}

struct ag_str
ag_outcome_name(unsigned outcome)
{
	return name_of(outcome_names, AG_ARRAY_LEN(outcome_names), outcome);
}

struct ag_str
ag_usage_source_name(unsigned source)
{
	return name_of(source_names, AG_ARRAY_LEN(source_names), source);
}

struct ag_str
ag_service_tier_name(unsigned tier)
{
	return name_of(tier_names, AG_ARRAY_LEN(tier_names), tier);
}
