#include "provider/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PART_MAX     256u /* of region and service */
#define QUERY_PARTS  32u
#define CANONICAL_MAX ((size_t)1 << 16)

static void
hmac(const uint8_t key[AG_SHA256_LEN], struct ag_str s, uint8_t out[AG_SHA256_LEN])
{
	ag_hmac_sha256(key, AG_SHA256_LEN, s.p, s.n, out);
}

/* "AWS4" + secret, then date, region, service, the constant: each keyed by the one before. */
static int
renew_key(struct ag_sigv4_key *k, const struct ag_sigv4_in *in, const char *date)
{
	char first[4 + PART_MAX];
	uint8_t a[AG_SHA256_LEN], b[AG_SHA256_LEN];

	if (strcmp(k->date, date) == 0)
		return 0;
	if (in->secret_key.n > PART_MAX)
		return -EINVAL;
	memcpy(first, "AWS4", 4);
	memcpy(first + 4, in->secret_key.p, in->secret_key.n);
	ag_hmac_sha256(first, 4 + in->secret_key.n, date, strlen(date), a);
	hmac(a, in->region, b);
	hmac(b, in->service, a);
	hmac(a, AG_STR("aws4_request"), k->key);
	ag_mem_wipe(first, sizeof(first));
	ag_mem_wipe(a, sizeof(a));
	ag_mem_wipe(b, sizeof(b));
	memcpy(k->date, date, sizeof(k->date));
	return 0;
}

static void
put_encoded_path(struct ag_buf *b, struct ag_str path)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < path.n; i++) {
		unsigned char c = (unsigned char)path.p[i];

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '/' || c == '-' || c == '_' || c == '.' || c == '~') {
			ag_buf_putc(b, (char)c);
		} else {
			ag_buf_putc(b, '%');
			ag_buf_putc(b, hex[c >> 4]);
			ag_buf_putc(b, hex[c & 15]);
		}
	}
}

static int
by_bytes(const void *pa, const void *pb)
{
	const struct ag_str *a = pa, *b = pb;
	int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return c != 0 ? c : (a->n > b->n) - (a->n < b->n);
}

static int
put_sorted_query(struct ag_buf *b, struct ag_str query)
{
	struct ag_str part[QUERY_PARTS];
	size_t n = 0;

	while (query.n > 0) {
		const char *amp = memchr(query.p, '&', query.n);
		size_t len = amp ? (size_t)(amp - query.p) : query.n;

		if (n == QUERY_PARTS)
			return -EINVAL;
		part[n++] = ag_str_n(query.p, len);
		query = ag_str_skip(query, amp ? len + 1 : len);
	}
	if (n > 1)
		qsort(part, n, sizeof(part[0]), by_bytes);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			ag_buf_putc(b, '&');
		ag_buf_put_str(b, part[i]);
		if (!memchr(part[i].p, '=', part[i].n))
			ag_buf_putc(b, '=');
	}
	return 0;
}

static void
put_line(struct ag_buf *b, const char *name, struct ag_str value)
{
	ag_buf_puts(b, name);
	ag_buf_put_str(b, value);
	ag_buf_putc(b, '\n');
}

/* Names are in the order that the algorithm wants them: by their bytes. */
static const char *
signed_headers(const struct ag_sigv4_in *in)
{
	static const char with[] = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token";
	static const char without[] = "content-type;host;x-amz-content-sha256;x-amz-date";
	const char *names = in->session_token.n > 0 ? with : without;

	return in->content_type.n > 0 ? names : names + sizeof("content-type;") - 1;
}

static int
hash_canonical(const struct ag_sigv4_in *in, const char *amz_date, uint8_t out[AG_SHA256_LEN])
{
	struct ag_buf b;
	int rc;

	ag_buf_init(&b, CANONICAL_MAX);
	ag_buf_put_str(&b, in->method);
	ag_buf_putc(&b, '\n');
	put_encoded_path(&b, in->path);
	ag_buf_putc(&b, '\n');
	rc = put_sorted_query(&b, in->query);
	ag_buf_putc(&b, '\n');
	if (in->content_type.n > 0)
		put_line(&b, "content-type:", in->content_type);
	put_line(&b, "host:", in->host);
	ag_buf_puts(&b, "x-amz-content-sha256:");
	ag_buf_put_hex(&b, in->body_hash, AG_SHA256_LEN);
	put_line(&b, "\nx-amz-date:", ag_str(amz_date));
	if (in->session_token.n > 0)
		put_line(&b, "x-amz-security-token:", in->session_token);
	put_line(&b, "\n", ag_str(signed_headers(in)));
	ag_buf_put_hex(&b, in->body_hash, AG_SHA256_LEN);
	if (rc == 0 && b.failed)
		rc = -EINVAL;
	if (rc == 0)
		ag_sha256(b.p, b.n, out);
	ag_buf_wipe(&b);
	return rc;
}

int
ag_sigv4_headers(struct ag_sigv4_key *key, const struct ag_sigv4_in *in, struct ag_buf *out)
{
	char amz_date[20], date[9], scope[2 * PART_MAX + 32];
	uint8_t hash[AG_SHA256_LEN], signature[AG_SHA256_LEN];
	time_t t = (time_t)in->wall_s;
	struct ag_buf to_sign;
	struct tm tm;
	int rc;

	if (in->region.n > PART_MAX || in->service.n > PART_MAX || !gmtime_r(&t, &tm))
		return -EINVAL;
	(void)strftime(amz_date, sizeof(amz_date), "%Y%m%dT%H%M%SZ", &tm);
	(void)ag_str_copy(ag_str_n(amz_date, 8), date, sizeof(date));
	rc = renew_key(key, in, date);
	if (rc == 0)
		rc = hash_canonical(in, amz_date, hash);
	if (rc < 0)
		return rc;
	(void)snprintf(scope, sizeof(scope), "%s/%.*s/%.*s/aws4_request", date, AG_STR_ARG(in->region),
	    AG_STR_ARG(in->service));
	ag_buf_init(&to_sign, 1024);
	ag_buf_printf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n", amz_date, scope);
	ag_buf_put_hex(&to_sign, hash, sizeof(hash));
	if (!to_sign.failed)
		hmac(key->key, ag_buf_str(&to_sign), signature);
	rc = to_sign.failed ? -EINVAL : 0;
	ag_buf_fini(&to_sign);
	if (rc < 0)
		return rc;
	ag_buf_printf(out, "authorization: AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%s, Signature=",
	    AG_STR_ARG(in->access_key), scope, signed_headers(in));
	ag_buf_put_hex(out, signature, sizeof(signature));
	ag_buf_puts(out, "\r\nx-amz-content-sha256: ");
	ag_buf_put_hex(out, in->body_hash, AG_SHA256_LEN);
	ag_buf_printf(out, "\r\nx-amz-date: %s\r\n", amz_date);
	if (in->session_token.n > 0)
		ag_buf_printf(out, "x-amz-security-token: %.*s\r\n", AG_STR_ARG(in->session_token));
	return out->failed ? -EINVAL : 0;
}
