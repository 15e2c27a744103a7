/* head_name.c - which of the names that somebody acts on a header has. */
#include "base/attr.h"
#include "http/head.h"

static const struct ag_str texts[AG_HN_COUNT] = {
	[AG_HN_TE] = { "te", 2 },
	[AG_HN_VIA] = { "via", 3 },
	[AG_HN_HOST] = { "host", 4 },
	[AG_HN_COOKIE] = { "cookie", 6 },
	[AG_HN_EXPECT] = { "expect", 6 },
	[AG_HN_ORIGIN] = { "origin", 6 },
	[AG_HN_API_KEY] = { "api-key", 7 },
	[AG_HN_BAGGAGE] = { "baggage", 7 },
	[AG_HN_REFERER] = { "referer", 7 },
	[AG_HN_TRAILER] = { "trailer", 7 },
	[AG_HN_UPGRADE] = { "upgrade", 7 },
	[AG_HN_FORWARDED] = { "forwarded", 9 },
	[AG_HN_X_API_KEY] = { "x-api-key", 9 },
	[AG_HN_X_REAL_IP] = { "x-real-ip", 9 },
	[AG_HN_CONNECTION] = { "connection", 10 },
	[AG_HN_KEEP_ALIVE] = { "keep-alive", 10 },
	[AG_HN_SET_COOKIE] = { "set-cookie", 10 },
	[AG_HN_TRACESTATE] = { "tracestate", 10 },
	[AG_HN_TRACEPARENT] = { "traceparent", 11 },
	[AG_HN_CONTENT_TYPE] = { "content-type", 12 },
	[AG_HN_AUTHORIZATION] = { "authorization", 13 },
	[AG_HN_CONTENT_LENGTH] = { "content-length", 14 },
	[AG_HN_HTTP2_SETTINGS] = { "http2-settings", 14 },
	[AG_HN_OPENAI_PROJECT] = { "openai-project", 14 },
	[AG_HN_X_GOOG_API_KEY] = { "x-goog-api-key", 14 },
	[AG_HN_ACCEPT_ENCODING] = { "accept-encoding", 15 },
	[AG_HN_X_FORWARDED_FOR] = { "x-forwarded-for", 15 },
	[AG_HN_PROXY_CONNECTION] = { "proxy-connection", 16 },
	[AG_HN_X_FORWARDED_HOST] = { "x-forwarded-host", 16 },
	[AG_HN_TRANSFER_ENCODING] = { "transfer-encoding", 17 },
	[AG_HN_X_FORWARDED_PROTO] = { "x-forwarded-proto", 17 },
	[AG_HN_X_AIGATE_CLIENT_IP] = { "x-aigate-client-ip", 18 },
	[AG_HN_PROXY_AUTHENTICATE] = { "proxy-authenticate", 18 },
	[AG_HN_OPENAI_ORGANIZATION] = { "openai-organization", 19 },
	[AG_HN_PROXY_AUTHORIZATION] = { "proxy-authorization", 19 },
};

/* Length and first letter leave one candidate, two at most. */
static const uint8_t first_of_length[] = {
	[2] = AG_HN_TE, [3] = AG_HN_VIA, [4] = AG_HN_HOST, [6] = AG_HN_COOKIE, [7] = AG_HN_API_KEY,
	[9] = AG_HN_FORWARDED, [10] = AG_HN_CONNECTION, [11] = AG_HN_TRACEPARENT, [12] = AG_HN_CONTENT_TYPE,
	[13] = AG_HN_AUTHORIZATION, [14] = AG_HN_CONTENT_LENGTH, [15] = AG_HN_ACCEPT_ENCODING,
	[16] = AG_HN_PROXY_CONNECTION, [17] = AG_HN_TRANSFER_ENCODING, [18] = AG_HN_X_AIGATE_CLIENT_IP,
	[19] = AG_HN_OPENAI_ORGANIZATION,
};

enum ag_http_name
ag_http_name_of(struct ag_str name)
{
	size_t id = name.n < AG_ARRAY_LEN(first_of_length) ? first_of_length[name.n] : AG_HN_OTHER;

	for (; id != AG_HN_OTHER && id < AG_HN_COUNT && texts[id].n == name.n; id++)
		if (((texts[id].p[0] ^ name.p[0]) & ~0x20) == 0 && ag_str_ieq(texts[id], name))
			return (enum ag_http_name)id;
	return AG_HN_OTHER;
}
