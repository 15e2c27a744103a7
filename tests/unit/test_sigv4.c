/* Vectors: the signing key of AWS's documentation (secret wJalr..., 20150830, us-east-1, iam), and a
 * request to Bedrock that two independent implementations agree on. */
#include "base/str.h"
#include "provider/sigv4.h"
#include "tests/unit/tap.h"

#define BODY "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}"

static struct ag_sigv4_in
request(const char *path)
{
	struct ag_sigv4_in in = {
		.access_key = AG_STR("AKIDEXAMPLE"),
		.secret_key = AG_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
		.region = AG_STR("us-east-1"), .service = AG_STR("bedrock"), .method = AG_STR("POST"),
		.host = AG_STR("bedrock-runtime.us-east-1.amazonaws.com"), .path = ag_str(path),
		.content_type = AG_STR("application/json"), .wall_s = 1795435200, /* 2026-11-23 12:00 */
	};

	ag_sha256(BODY, sizeof(BODY) - 1, in.body_hash);
	return in;
}

static const char *
hex(const uint8_t *p, size_t n)
{
	static char text[2 * AG_SHA256_LEN + 1];

	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	return text;
}

static const char *
sign(struct ag_sigv4_key *key, const struct ag_sigv4_in *in)
{
	static char text[4096];
	struct ag_buf out;

	ag_buf_init(&out, sizeof(text));
	ok(ag_sigv4_headers(key, in, &out) == 0, "signed");
	(void)ag_str_copy(ag_buf_str(&out), text, sizeof(text));
	ag_buf_fini(&out);
	return text;
}

static void
a_documented_key_is_derived(void)
{
	struct ag_sigv4_key key = { 0 };
	struct ag_sigv4_in in = request("/");

	in.service = AG_STR("iam");
	in.wall_s = 1440938160; /* 2015-08-30 12:36 */
	(void)sign(&key, &in);
	is_str(hex(key.key, AG_SHA256_LEN), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9",
	    "the signing key of the documentation");
}

static void
a_request_is_signed(void)
{
	struct ag_sigv4_key key = { 0 };
	struct ag_sigv4_in in = request("/model/amazon.nova-pro-v1%3A0/converse");
	const char *lines = sign(&key, &in);

	is_str(hex(in.body_hash, AG_SHA256_LEN), "c3335e07d6e89650bf94cb98664be69f8774dbc3198df221f113db0a59ea14f0",
	    "hash of the body");
	is_str(hex(key.key, AG_SHA256_LEN), "0810651a958ef9849fcfbd1303e85b6381604aac54724fed4929aecdb566fbb1",
	    "signing key");
	is_str(lines,
	    "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/us-east-1/bedrock/aws4_request, "
	    "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, "
	    "Signature=bbb5b484e1e7996ecfa8dd88dd4c783e04fb7bdf8955f67e10b3f92f55303942\r\n"
	    "x-amz-content-sha256: c3335e07d6e89650bf94cb98664be69f8774dbc3198df221f113db0a59ea14f0\r\n"
	    "x-amz-date: 20261123T120000Z\r\n",
	    "the lines of the request");
}

static void
a_session_token_is_signed_too(void)
{
	struct ag_sigv4_key key = { 0 };
	struct ag_sigv4_in in = request("/model/amazon.nova-pro-v1%3A0/converse-stream");
	const char *lines;

	in.session_token = AG_STR("TOKENEXAMPLE==");
	lines = sign(&key, &in);
	ok(strstr(lines, "394a7c83c85a3479133ec0f9d45aabe6881b04af06c86149282cbcc5d763bc30") != NULL,
	    "signature with a token");
	ok(strstr(lines, "x-amz-security-token: TOKENEXAMPLE==\r\n") != NULL, "the token is sent");
}

static void
the_key_is_made_anew_when_the_day_turns(void)
{
	struct ag_sigv4_key kept = { 0 }, fresh = { 0 };
	struct ag_sigv4_in in = request("/");
	char want[4096];

	(void)sign(&kept, &in);
	in.wall_s += 86400;
	(void)ag_str_copy(ag_str(sign(&fresh, &in)), want, sizeof(want));
	is_str(sign(&kept, &in), want, "tomorrow's signature does not use today's key");
}

static void
the_query_is_sorted(void)
{
	struct ag_sigv4_key key = { 0 };
	struct ag_sigv4_in in = request("/");
	char want[4096];

	in.query = AG_STR("a=1&b&c=3");
	(void)ag_str_copy(ag_str(sign(&key, &in)), want, sizeof(want));
	in.query = AG_STR("c=3&b=&a=1");
	is_str(sign(&key, &in), want, "the order of the query's parts does not count");
	in.query = AG_STR("c=4&b=&a=1");
	ok(strcmp(sign(&key, &in), want) != 0, "their values do");
}

int
main(void)
{
	a_documented_key_is_derived();
	a_request_is_signed();
	a_session_token_is_signed_too();
	the_key_is_made_anew_when_the_day_turns();
	the_query_is_sorted();
	return done();
}
