/* export_file.c - GET .../download gives an address that carries its own proof and ends in an hour;
 * GET .../file is that address.  Who holds it needs no key, as with any signed address. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "control/exports.h"
#include "control/handlers.h"
#include "control/sql_logs.h"

#define VALID_S 3600
#define KEY_LEN 32
#define SIGNATURE_LEN 64 /* hexadecimal digits */

struct stored {
	char uuid[AG_UUID_LEN];
	char format[8], status[16];
	uint8_t key[KEY_LEN];
};

static int
sign(const uint8_t key[KEY_LEN], const char *uuid, int64_t until_s, char out[SIGNATURE_LEN + 1])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	char text[96];
	int len = snprintf(text, sizeof(text), "%s:%lld", uuid, (long long)until_s);

	if (!HMAC(EVP_sha256(), key, KEY_LEN, (const unsigned char *)text, (size_t)len, mac, &n) || n != 32)
		return -1;
	for (unsigned int i = 0; i < n; i++)
		snprintf(out + 2 * (size_t)i, 3, "%02x", mac[i]);
	return 0;
}

static int
find(struct ag_call *c, struct stored *out)
{
	AG_AUTO(ag_pgres) PGresult *res = NULL;
	struct ag_pg_args a = { 0 };
	size_t n = 0;

	ag_pg_arg_text(&a, c->arg[0]);
	res = ag_call_sql(c, SQL_EXPORT_FILE, &a);
	if (!res)
		return -1;
	if (PQntuples(res) == 0)
		return ag_call_not_found(c, "export", c->arg[0]);
	ag_str_copy(ag_pg_text(res, 0, 0), out->uuid, sizeof(out->uuid));
	ag_str_copy(ag_pg_text(res, 0, 1), out->format, sizeof(out->format));
	ag_str_copy(ag_pg_text(res, 0, 2), out->status, sizeof(out->status));
	if (ag_pg_bytea(res, 0, 3, out->key, sizeof(out->key), &n) < 0 || n != KEY_LEN)
		return ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	return 0;
}

void
ag_export_download(struct ag_call *c)
{
	int64_t until_s = ag_clock_wall_us() / AG_US_PER_SEC + VALID_S;
	struct json_object *known = ag_export_find(c, SQL_EXPORT_GET), *filters, *fields, *answer;
	char signature[SIGNATURE_LEN + 1], url[640];
	struct stored s;
	int rc;

	if (!known)
		return;
	json_object_object_get_ex(known, "filters", &filters);
	json_object_object_get_ex(known, "requested_data", &fields);
	rc = ag_export_may_see(c, filters, fields);
	json_object_put(known);
	if (rc < 0 || find(c, &s) < 0)
		return;
	if (strcmp(s.status, "success") != 0) {
		ag_call_invalid(c, "the export is %s: there is nothing to download", s.status);
	} else if (sign(s.key, s.uuid, until_s, signature) < 0) {
		ag_call_fail(c, 500, "AB04", "internal error, trace %s", c->trace_id);
	} else {
		snprintf(url, sizeof(url), "%s/v1/logs/exports/%s/file?expires=%lld&signature=%s", c->base_url, s.uuid,
		    (long long)until_s, signature);
		answer = json_object_new_object();
		json_object_object_add(answer, "signed_url", json_object_new_string(url));
		ag_call_ok(c, answer);
	}
	ag_mem_wipe(&s, sizeof(s));
}

/* < 0: answered.  Unknown, forged and over are not told apart but for the last. */
static int
check(struct ag_call *c, struct stored *s)
{
	const char *expires = ag_call_query(c, "expires"), *signature = ag_call_query(c, "signature");
	char right[SIGNATURE_LEN + 1];
	int64_t until_s;

	if (!expires || !signature || strlen(signature) != SIGNATURE_LEN ||
	    ag_parse_i64(ag_str(expires), 0, INT64_MAX, &until_s) < 0)
		return ag_call_fail(c, 401, "AB05", "expires, signature: ask for a new address with .../download");
	if (find(c, s) < 0) {
		if (c->status == 404) {
			json_object_put(c->answer);
			c->answer = NULL;
			c->status = 0;
			ag_call_fail(c, 401, "AB05", "signature: does not fit");
		}
		return -1;
	}
	if (sign(s->key, s->uuid, until_s, right) < 0 || CRYPTO_memcmp(right, signature, SIGNATURE_LEN) != 0)
		return ag_call_fail(c, 401, "AB05", "signature: does not fit");
	if (until_s <= ag_clock_wall_us() / AG_US_PER_SEC)
		return ag_call_fail(c, 401, "AB05", "expires: the address is no longer good");
	return 0;
}

void
ag_export_file(struct ag_call *c)
{
	struct ag_call_file file = { .fd = -1 };
	char path[1024];
	struct stat st;
	struct stored s;

	if (check(c, &s) == 0) {
		ag_export_path(c->ctl, s.uuid, s.format, false, path, sizeof(path));
		if (strcmp(s.status, "success") == 0)
			file.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (file.fd < 0 || fstat(file.fd, &st) < 0 || !S_ISREG(st.st_mode)) {
			if (file.fd >= 0)
				close(file.fd);
			ag_call_not_found(c, "file of export", s.uuid);
		} else {
			file.bytes = st.st_size;
			file.type = s.format[0] == 'c' ? "text/csv; charset=utf-8" : "application/jsonl";
			snprintf(file.name, sizeof(file.name), "%s.%s", s.uuid, s.format);
			ag_call_ok_file(c, &file);
		}
	}
	ag_mem_wipe(&s, sizeof(s));
}
