/* bootstrap.c - the first organisation and the first admin key: what nobody can ask the API for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/scope.h"
#include "tools/aigatectl/ctl.h"

#define KEY_PREFIX "ag-"
#define KEY_RANDOM 43 /* of 62 letters: 256 bits */
#define KEY_LEN    (sizeof(KEY_PREFIX) - 1 + KEY_RANDOM)

static void
key_make(char out[KEY_LEN + 1])
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t n = sizeof(KEY_PREFIX) - 1;

	memcpy(out, KEY_PREFIX, n);
	while (n < KEY_LEN) {
		unsigned char byte;

		if (getrandom(&byte, 1, 0) != 1) {
			if (errno == EINTR)
				continue;
			abort();
		}
		/* 248 is the largest multiple of 62: what is above would favour some letters */
		if (byte < 248)
			out[n++] = letters[byte % 62];
	}
	out[n] = '\0';
}

/* "Acme Inc." as "acme-inc" */
static void
slug_of(const char *name, char *out, size_t cap)
{
	size_t n = 0;

	for (; *name && n + 1 < cap; name++) {
		char c = *name;

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			out[n++] = c;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
}

/* All scopes an admin key may hold, as an array of PostgreSQL. */
static void
put_scopes(struct ag_buf *b)
{
	ag_buf_putc(b, '{');
	for (unsigned s = 0; s < AG_SCOPES; s++) {
		if (!(ag_scope_flags((enum ag_scope)s) & AG_SCOPE_OF_A))
			continue;
		if (b->n > 1)
			ag_buf_putc(b, ',');
		ag_buf_puts(b, ag_scope_name((enum ag_scope)s));
	}
	ag_buf_puts(b, "}");
	ag_buf_putc(b, '\0');
}

static enum ctl_exit
organisation_insert(PGconn *db, const char *name, const char *slug, bool may_exist, char *out_id,
                    size_t cap)
{
	const char *values[] = { slug, name };
	PGresult *res = PQexecParams(db,
	                             "WITH o AS (INSERT INTO aigate.organisation (slug, name)"
	                             " VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING *),"
	                             " a AS (INSERT INTO aigate.audit_log (organisation_id, actor_kind,"
	                             " action, object_kind, object_uuid, after) SELECT id, 'operator',"
	                             " 'create', 'organisation', uuid, jsonb_build_object('slug', slug,"
	                             " 'name', name) FROM o) SELECT id FROM o",
	                             2, NULL, values, NULL, NULL, 0);
	enum ctl_exit status = ctl_db_check(db, res, "make the organisation");
	bool is_new = status == CTL_OK && PQntuples(res) == 1;

	if (status == CTL_OK && !is_new && !may_exist)
		status = ctl_fail(CTL_FAILED,
		                  "organisation \"%s\" is there already; --new-key makes another admin key for it",
		                  name);
	if (status == CTL_OK && !is_new) {
		PQclear(res);
		res = PQexecParams(db, "SELECT id FROM aigate.organisation WHERE slug = $1", 1, NULL,
		                   values, NULL, NULL, 0);
		status = ctl_db_check(db, res, "find the organisation");
	}
	if (status == CTL_OK)
		ag_str_copy(ag_str(PQgetvalue(res, 0, 0)), out_id, cap);
	PQclear(res);
	return status;
}

static enum ctl_exit
key_insert(PGconn *db, const char *organisation_id, const char *key)
{
	uint8_t hash[AG_SHA256_LEN];
	char mask[16];
	struct ag_buf scopes, hex;
	const char *values[4];
	enum ctl_exit status;
	PGresult *res;

	ag_sha256(key, strlen(key), hash);
	snprintf(mask, sizeof(mask), "%.2s*****%s", key, key + strlen(key) - 3);
	ag_buf_init(&scopes, 64u << 10);
	put_scopes(&scopes);
	ag_buf_init(&hex, 128);
	ag_buf_puts(&hex, "\\x");
	ag_buf_put_hex(&hex, hash, sizeof(hash));
	ag_buf_putc(&hex, '\0');
	if (scopes.failed || hex.failed)
		abort();
	values[0] = organisation_id;
	values[1] = hex.p;
	values[2] = mask;
	values[3] = scopes.p;
	res = PQexecParams(db,
	                   "WITH k AS (INSERT INTO aigate.api_key (organisation_id, kind, name, key_hash,"
	                   " key_mask, scopes, creation_mode) VALUES ($1, 'organisation-service',"
	                   " 'first admin key', $2::bytea, $3, $4::text[], 'auto') RETURNING *)"
	                   " INSERT INTO aigate.audit_log (organisation_id, actor_kind, action, object_kind,"
	                   " object_uuid, after) SELECT organisation_id, 'operator', 'create', 'api_key', uuid,"
	                   " jsonb_build_object('name', name, 'type', kind, 'key', key_mask) FROM k",
	                   4, NULL, values, NULL, NULL, 0);
	status = ctl_db_check(db, res, "store the admin key");
	PQclear(res);
	ag_buf_fini(&scopes);
	ag_buf_fini(&hex);
	return status;
}

enum ctl_exit
ctl_bootstrap(struct ctl *ctl, int argc, char **argv)
{
	const char *name = NULL;
	bool is_new_key = false;
	const struct ctl_opt opts[] = { { "organisation", CTL_OPT_TEXT, &name },
		                            { "new-key", CTL_OPT_FLAG, &is_new_key },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);
	char slug[64], id[32], key[KEY_LEN + 1];

	if (status != CTL_OK)
		return status;
	if (!name)
		name = ctl->organisation;
	slug_of(name ? name : "", slug, sizeof(slug));
	if (!slug[0])
		return ctl_fail(CTL_USAGE, "bootstrap needs the --organisation's name, with a letter in it");
	status = ctl_db_open(ctl);
	if (status == CTL_OK)
		status = ctl_db_exec(ctl->db, "BEGIN", "begin");
	if (status == CTL_OK)
		status = organisation_insert(ctl->db, name, slug, is_new_key, id, sizeof(id));
	key_make(key);
	if (status == CTL_OK)
		status = key_insert(ctl->db, id, key);
	if (status == CTL_OK)
		status = ctl_db_exec(ctl->db, "COMMIT", "commit");
	if (status == CTL_OK && ctl->output == CTL_OUT_JSON)
		printf("{\"organisation\": \"%s\", \"key\": \"%s\"}\n", slug, key);
	else if (status == CTL_OK)
		printf("organisation  %s\nadmin key     %s\n", slug, key);
	if (status == CTL_OK)
		ctl_say("keep the key now: it is not stored and will not be shown again");
	if (status == CTL_OK)
		ctl_reload(ctl);
	ag_mem_wipe(key, sizeof(key));
	return status;
}
