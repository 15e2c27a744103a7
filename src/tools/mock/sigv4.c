#include "tools/mock/sigv4.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"

#define CANONICAL_MAX (1024u * 1024u)
#define NAMES_MAX 64
#define SKEW_S 300

static const struct ag_str algorithm = AG_STR("AWS4-HMAC-SHA256 ");

struct claim {
	struct ag_str akid, date, region, service, names, signature,
		scope; /* scope: date/region/service/aws4_request */
};

static struct ag_str
upto(struct ag_str s, char c)
{
	const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

	return at ? ag_str_n(s.p, (size_t)(at - s.p)) : s;
}

static bool
take_part(struct ag_str *rest, const char *name, struct ag_str *out)
{
	struct ag_str part = ag_str_trim(upto(*rest, ','));
	size_t n = strlen(name);

	*rest = ag_str_skip(*rest, upto(*rest, ',').n + 1);
	if (!ag_str_starts(part, ag_str(name)))
		return false;
	*out = ag_str_skip(part, n);
	return out->n > 0;
}

/* Exactly as AWS writes it: Credential=A/D/R/S/aws4_request, SignedHeaders=a;b, Signature=hex */
static bool
parse_claim(struct ag_str v, struct claim *c)
{
	struct ag_str rest = ag_str_skip(v, algorithm.n), credential,
		      *at[] = {&c->akid, &c->date, &c->region, &c->service};

	if (!ag_str_starts(v, algorithm) || !take_part(&rest, "Credential=", &credential) ||
	    !take_part(&rest, "SignedHeaders=", &c->names) ||
	    !take_part(&rest, "Signature=", &c->signature) || rest.n > 0)
		return false;
	for (size_t i = 0; i < AG_ARRAY_LEN(at); i++) {
		if (i == 1)
			c->scope = credential;
		*at[i] = upto(credential, '/');
		credential = ag_str_skip(credential, at[i]->n + 1);
	}
	for (size_t i = 0; i < c->signature.n; i++)
		if (!strchr("0123456789abcdef", c->signature.p[i]))
			return false;
	return ag_str_eq(credential, AG_STR("aws4_request")) && c->date.n == 8 &&
	       c->signature.n == 64 && c->akid.n >= 16;
}

struct ag_str
mock_sigv4_akid(struct ag_str v)
{
	struct claim c;

	return parse_claim(v, &c) ? c.akid : AG_STR_NONE;
}

static bool
is_signed(const struct claim *c, struct ag_str name)
{
	struct ag_str rest = c->names;

	while (rest.n > 0) {
		struct ag_str one = upto(rest, ';');

		rest = ag_str_skip(rest, one.n + 1);
		if (ag_str_ieq(one, name))
			return true;
	}
	return false;
}

/* Names sorted and in lower case; host, date and every x-amz-* header among them. */
static const char *
names_flaw(const struct mock_job *job, const struct claim *c)
{
	struct ag_str rest = ag_str_n(job->in->p, job->req->head_n), last = AG_STR_NONE,
		      names = c->names;

	while (names.n > 0) {
		struct ag_str one = upto(names, ';');
		int order =
			last.n > 0 ? memcmp(last.p, one.p, last.n < one.n ? last.n : one.n) : -1;

		names = ag_str_skip(names, one.n + 1);
		for (size_t i = 0; i < one.n; i++)
			if (isupper((unsigned char)one.p[i]))
				return "SignedHeaders are not in lower case";
		if (order > 0 || (order == 0 && last.n >= one.n))
			return "SignedHeaders are not sorted";
		last = one;
	}
	if (!is_signed(c, AG_STR("host")) || !is_signed(c, AG_STR("x-amz-date")))
		return "'Host' and 'X-Amz-Date' must be signed headers";
	while (rest.n > 0) {
		struct ag_str line = upto(rest, '\n'), name = upto(line, ':');

		rest = ag_str_skip(rest, line.n + 1);
		if (name.n > 6 && strncasecmp(name.p, "x-amz-", 6) == 0 && !is_signed(c, name))
			return "There are headers x-amz-* that are not signed";
	}
	return NULL;
}

static void
put_hash(struct ag_buf *out, struct ag_str s)
{
	uint8_t hash[AG_SHA256_LEN];

	ag_sha256(s.p ? s.p : "", s.n, hash);
	ag_buf_put_hex(out, hash, sizeof(hash));
}

static void
put_encoded(struct ag_buf *out, struct ag_str path)
{
	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if (isalnum(c) || strchr("-_.~/", c))
			ag_buf_putc(out, (char)c);
		else
			ag_buf_printf(out, "%%%02X", c);
	}
}

static int
compare(const void *a, const void *b)
{
	const struct ag_str *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);

	return order ? order : x->n < y->n ? -1 : x->n > y->n;
}

/* Sorted; a name without a value ends in '='. */
static void
put_query(struct ag_buf *out, struct ag_str query)
{
	struct ag_str part[NAMES_MAX];
	size_t n = 0;

	while (query.n > 0 && n < NAMES_MAX) {
		part[n] = upto(query, '&');
		query = ag_str_skip(query, part[n].n + 1);
		n++;
	}
	if (n > 1)
		qsort(part, n, sizeof(part[0]), compare);
	for (size_t i = 0; i < n; i++) {
		ag_buf_puts(out, i > 0 ? "&" : "");
		ag_buf_put_str(out, part[i]);
		if (!memchr(part[i].p, '=', part[i].n))
			ag_buf_putc(out, '=');
	}
}

static void
put_value(struct ag_buf *out, struct ag_str v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] != ' ' || i == 0 || v.p[i - 1] != ' ')
			ag_buf_putc(out, v.p[i]);
}

static void
put_canonical(struct ag_buf *out, const struct mock_job *job, const struct claim *c)
{
	struct ag_str names = c->names;

	ag_buf_puts(out, "POST\n");
	put_encoded(out, job->path);
	ag_buf_putc(out, '\n');
	put_query(out, job->query);
	ag_buf_putc(out, '\n');
	while (names.n > 0) {
		struct ag_str one = upto(names, ';');

		names = ag_str_skip(names, one.n + 1);
		ag_buf_put_str(out, one);
		ag_buf_putc(out, ':');
		put_value(out, mock_req_header(job->req, job->in, one));
		ag_buf_putc(out, '\n');
	}
	ag_buf_putc(out, '\n');
	ag_buf_put_str(out, c->names);
	ag_buf_putc(out, '\n');
	put_hash(out, job->body);
}

static bool
signature_matches(const struct mock_job *job, const struct claim *c, struct ag_str date)
{
	const struct ag_str part[] = {c->date, c->region, c->service, AG_STR("aws4_request")};
	struct ag_buf canonical, b;
	uint8_t key[AG_SHA256_LEN];
	bool is_well;

	ag_buf_init(&canonical, CANONICAL_MAX);
	ag_buf_init(&b, CANONICAL_MAX);
	put_canonical(&canonical, job, c);
	ag_buf_puts(&b, "AWS4");
	ag_buf_put_str(&b, job->aws_secret);
	ag_hmac_sha256(b.p, b.n, part[0].p, part[0].n, key);
	for (size_t i = 1; i < AG_ARRAY_LEN(part); i++)
		ag_hmac_sha256(key, sizeof(key), part[i].p, part[i].n, key);
	ag_buf_reset(&b);
	ag_buf_puts(&b, "AWS4-HMAC-SHA256\n");
	ag_buf_put_str(&b, date);
	ag_buf_putc(&b, '\n');
	ag_buf_put_str(&b, c->scope);
	ag_buf_putc(&b, '\n');
	put_hash(&b, ag_buf_str(&canonical));
	ag_hmac_sha256(key, sizeof(key), b.p, b.n, key);
	ag_buf_reset(&b);
	ag_buf_put_hex(&b, key, sizeof(key));
	is_well = ag_str_eq(ag_buf_str(&b), c->signature);
	ag_buf_fini(&b);
	ag_buf_fini(&canonical);
	return is_well;
}

static bool
is_date(struct ag_str v, int64_t now, bool *is_near)
{
	struct tm tm = {0};
	char text[20];
	const char *end;

	if (v.n != 16 || !ag_str_copy(v, text, sizeof(text)))
		return false;
	end = strptime(text, "%Y%m%dT%H%M%SZ", &tm);
	*is_near = end && llabs((long long)timegm(&tm) - now) <= SKEW_S;
	return end && *end == 0;
}

const char *
mock_sigv4_flaw(const struct mock_job *job, const char **out_type, char *out, size_t cap)
{
	struct ag_str hash = mock_req_header(job->req, job->in, AG_STR("x-amz-content-sha256"));
	struct ag_str date = mock_req_header(job->req, job->in, AG_STR("x-amz-date"));
	bool is_near = false;
	const char *flaw;
	struct claim c;

	*out_type = "IncompleteSignatureException";
	if (!parse_claim(mock_span_str(job->req->header[MOCK_H_AUTHORIZATION], job->in), &c))
		return "Authorization header is not of the form of AWS4-HMAC-SHA256.";
	if (!is_date(date, job->wall_us / 1000000, &is_near))
		return "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.";
	*out_type = "InvalidSignatureException";
	if (!ag_str_starts(date, c.date) || !ag_str_eq(c.service, AG_STR("bedrock"))) {
		snprintf(
			out, cap,
			"Credential should be scoped to a valid date and to correct service: 'bedrock'.");
		return out;
	}
	if (!is_near)
		return "Signature expired.";
	flaw = names_flaw(job, &c);
	if (!flaw && hash.n > 0) {
		struct ag_buf b;

		ag_buf_init(&b, 128);
		put_hash(&b, job->body);
		if (!ag_str_eq(ag_buf_str(&b), hash))
			flaw = "x-amz-content-sha256 is not the hash of the body";
		ag_buf_fini(&b);
	}
	if (!flaw && job->aws_secret.n > 0 && !signature_matches(job, &c, date))
		flaw = "The request signature we calculated does not match the signature you provided.";
	return flaw;
}
