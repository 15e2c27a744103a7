#include "provider/oauth.h"

#include <errno.h>

#include "provider/figure.h"
#include "provider/jwt.h"

#define URL_MAX_BYTES  2048u
#define TEXT_MAX_BYTES 16384u
#define JWT_LIFE_S     3600
#define JWT_SKEW_S     10    /* of clocks, in the issuer's favour */
#define LIFE_UNTOLD_S  300
#define LIFE_MAX_S     86400
#define ENTRA_HOST     "https://login.microsoftonline.com"
#define ENTRA_SCOPE    "https://cognitiveservices.azure.com/.default"
#define GOOGLE_SCOPE   "https://www.googleapis.com/auth/cloud-platform"

/* A string member, decoded; -ENOENT: it is not there. */
static int
put_text(struct ag_str text, struct ag_json_value v, struct ag_buf *out)
{
	if (v.type != AG_JSON_STRING)
		return -ENOENT;
	if (ag_json_string_decode(ag_json_raw(text, v), out) < 0 || out->failed)
		return -EINVAL;
	return out->n > 0 ? 0 : -ENOENT;
}

static void
put_form(struct ag_buf *out, const char *name, struct ag_str value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (out->n > 0)
		ag_buf_putc(out, '&');
	ag_buf_puts(out, name);
	ag_buf_putc(out, '=');
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		    c == '.' || c == '_' || c == '~') {
			ag_buf_putc(out, (char)c);
		} else {
			ag_buf_putc(out, '%');
			ag_buf_putc(out, hex[c >> 4]);
			ag_buf_putc(out, hex[c & 15]);
		}
	}
}

/* ---- service accounts -------------------------------------------------------------------- */

enum { S_EMAIL, S_KEY, S_KEY_ID, S_URI, S_N };

struct account {
	struct ag_buf text[S_N];
};

static int
read_account(struct ag_str secret, struct account *a, struct ag_err *err)
{
	static const struct ag_str names[S_N] = { [S_EMAIL] = { "client_email", 12 },
		[S_KEY] = { "private_key", 11 }, [S_KEY_ID] = { "private_key_id", 14 }, [S_URI] = { "token_uri", 9 } };
	struct ag_json_value v[S_N];
	struct ag_json_fault fault;

	if (ag_figure_scan(secret, names, S_N, v, &fault) < 0)
		return ag_err_set(err, -EINVAL, "the credential is not the JSON of a service account");
	for (int i = 0; i < S_N; i++) {
		int rc = put_text(secret, v[i], &a->text[i]);

		if (rc == -EINVAL || (rc < 0 && i <= S_KEY))
			return ag_err_set(err, -EINVAL, "the service account's %s is missing or cannot be read",
			    names[i].p);
	}
	if (a->text[S_URI].n == 0)
		ag_buf_puts(&a->text[S_URI], AG_OAUTH_GOOGLE_URI);
	return 0;
}

static int
put_assertion(const struct account *a, int64_t now_s, struct ag_buf *form, struct ag_err *err)
{
	struct ag_buf head, claims, jwt;
	int rc;

	ag_buf_init(&head, TEXT_MAX_BYTES);
	ag_buf_init(&claims, TEXT_MAX_BYTES);
	ag_buf_init(&jwt, 4 * TEXT_MAX_BYTES);
	ag_buf_puts(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
	if (a->text[S_KEY_ID].n > 0) {
		ag_buf_puts(&head, ",\"kid\":\"");
		ag_buf_put_json(&head, ag_buf_str(&a->text[S_KEY_ID]));
		ag_buf_putc(&head, '"');
	}
	ag_buf_putc(&head, '}');
	ag_buf_puts(&claims, "{\"iss\":\"");
	ag_buf_put_json(&claims, ag_buf_str(&a->text[S_EMAIL]));
	ag_buf_puts(&claims, "\",\"scope\":\"" GOOGLE_SCOPE "\",\"aud\":\"");
	ag_buf_put_json(&claims, ag_buf_str(&a->text[S_URI]));
	ag_buf_printf(&claims, "\",\"iat\":%lld,\"exp\":%lld}", (long long)(now_s - JWT_SKEW_S),
	    (long long)(now_s - JWT_SKEW_S + JWT_LIFE_S));
	rc = head.failed || claims.failed ? ag_err_set(err, -ENOMEM, "out of memory")
	    : ag_jwt_rs256(ag_buf_str(&head), ag_buf_str(&claims), ag_buf_str(&a->text[S_KEY]), &jwt, err);
	if (rc == 0) {
		put_form(form, "grant_type", AG_STR("urn:ietf:params:oauth:grant-type:jwt-bearer"));
		put_form(form, "assertion", ag_buf_str(&jwt));
	}
	ag_buf_fini(&head);
	ag_buf_fini(&claims);
	ag_buf_wipe(&jwt);
	return rc;
}

static int
ask_jwt(struct ag_str secret, int64_t now_s, struct ag_buf *url, struct ag_buf *form, struct ag_err *err)
{
	struct account a;
	int rc;

	for (int i = 0; i < S_N; i++)
		ag_buf_init(&a.text[i], i == S_URI ? URL_MAX_BYTES : TEXT_MAX_BYTES);
	rc = read_account(secret, &a, err);
	if (rc == 0)
		rc = put_assertion(&a, now_s, form, err);
	if (rc == 0)
		ag_buf_put_str(url, ag_buf_str(&a.text[S_URI]));
	for (int i = 0; i < S_N; i++)
		ag_buf_wipe(&a.text[i]);
	return rc;
}

/* ---- applications of Entra --------------------------------------------------------------- */

enum { E_TENANT, E_CLIENT, E_AUTHORITY, E_SCOPE, E_N };

static int
ask_client(struct ag_str secret, struct ag_str config, struct ag_buf *url, struct ag_buf *form,
    struct ag_err *err)
{
	static const struct ag_str names[E_N] = { [E_TENANT] = { "azure_entra_tenant_id", 21 },
		[E_CLIENT] = { "azure_entra_client_id", 21 }, [E_AUTHORITY] = { "azure_entra_authority_host", 26 },
		[E_SCOPE] = { "azure_entra_scope", 17 } };
	struct ag_json_value v[E_N];
	struct ag_json_fault fault;
	struct ag_str text[E_N] = { [E_AUTHORITY] = AG_STR(ENTRA_HOST), [E_SCOPE] = AG_STR(ENTRA_SCOPE) };

	if (config.n == 0 || ag_figure_scan(config, names, E_N, v, &fault) < 0)
		return ag_err_set(err, -EINVAL, "configurations.azure_entra_tenant_id is not set");
	for (int i = 0; i < E_N; i++) {
		struct ag_str one = AG_STR_NONE;

		if (v[i].type == AG_JSON_STRING)
			(void)ag_json_string_plain(ag_json_raw(config, v[i]), &one);
		if (one.n > 0)
			text[i] = one;
		else if (i <= E_CLIENT)
			return ag_err_set(err, -EINVAL, "configurations.%s is not set", names[i].p);
	}
	if (secret.n == 0)
		return ag_err_set(err, -EINVAL, "the client secret is not set");
	while (text[E_AUTHORITY].n > 0 && text[E_AUTHORITY].p[text[E_AUTHORITY].n - 1] == '/')
		text[E_AUTHORITY].n--;
	ag_buf_put_str(url, text[E_AUTHORITY]);
	ag_buf_putc(url, '/');
	ag_buf_put_str(url, text[E_TENANT]);
	ag_buf_puts(url, "/oauth2/v2.0/token");
	put_form(form, "grant_type", AG_STR("client_credentials"));
	put_form(form, "client_id", text[E_CLIENT]);
	put_form(form, "scope", text[E_SCOPE]);
	put_form(form, "client_secret", secret);
	return 0;
}

/* ---- the machine itself ------------------------------------------------------------------ */

const char *
ag_oauth_header(enum ag_oauth kind)
{
	switch (kind) {
	case AG_OAUTH_AZURE_MANAGED:
		return "Metadata: true";
	case AG_OAUTH_GOOGLE_WORKLOAD:
		return "Metadata-Flavor: Google";
	case AG_OAUTH_NONE:
	case AG_OAUTH_JWT_BEARER:
	case AG_OAUTH_CLIENT:
		break;
	}
	return NULL;
}

/* azure_managed_client_id: which identity of several; a word. */
static int
ask_managed(struct ag_str config, struct ag_buf *url)
{
	static const struct ag_str name = { "azure_managed_client_id", 23 };
	struct ag_json_value v;
	struct ag_json_fault fault;
	struct ag_str id = AG_STR_NONE;

	ag_buf_puts(url, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com");
	if (config.n > 0 && ag_figure_scan(config, &name, 1, &v, &fault) == 0 && v.type == AG_JSON_STRING)
		(void)ag_json_string_plain(ag_json_raw(config, v), &id);
	if (id.n > 0) {
		ag_buf_puts(url, "&client_id=");
		ag_buf_put_str(url, id);
	}
	return 0;
}

int
ag_oauth_ask(enum ag_oauth kind, struct ag_str secret, struct ag_str config, int64_t now_s,
    struct ag_buf *url, struct ag_buf *form, struct ag_err *err)
{
	int rc = -EINVAL;

	/* No reallocation: it would leave copies behind. */
	(void)ag_buf_reserve(form, TEXT_MAX_BYTES);
	switch (kind) {
	case AG_OAUTH_JWT_BEARER:
		rc = ask_jwt(secret, now_s, url, form, err);
		break;
	case AG_OAUTH_CLIENT:
		rc = ask_client(secret, config, url, form, err);
		break;
	case AG_OAUTH_AZURE_MANAGED:
		rc = ask_managed(config, url);
		break;
	case AG_OAUTH_GOOGLE_WORKLOAD:
		ag_buf_puts(url, "/computeMetadata/v1/instance/service-accounts/default/token");
		rc = 0;
		break;
	case AG_OAUTH_NONE:
		break;
	}
	if (rc == 0 && (url->failed || form->failed))
		rc = ag_err_set(err, -ENOMEM, "the token request is too large");
	return rc;
}

/* ---- the answer -------------------------------------------------------------------------- */

enum { A_TOKEN, A_LIFE, A_TYPE, A_ERROR, A_N };

/* A word of the protocol's ("invalid_grant"), or nothing. */
static void
read_word(struct ag_str body, struct ag_json_value v, char *out, size_t cap)
{
	ag_figure_text(body, v, out, cap);
	for (size_t i = 0; out[i]; i++)
		if (!((out[i] >= 'a' && out[i] <= 'z') || out[i] == '_'))
			out[0] = '\0';
}

/* A header's value must not end before its line does. */
static bool
is_token(struct ag_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0;
}

static int64_t
read_life(struct ag_str body, struct ag_json_value v)
{
	struct ag_str text;
	uint64_t life;

	/* Some write the number as text. */
	if (v.type == AG_JSON_STRING) {
		text = ag_figure_inside(body, v);
		if (ag_json_u64(text, &life) < 0)
			return LIFE_UNTOLD_S;
	} else if (!ag_figure_read(body, v, &life)) {
		return LIFE_UNTOLD_S;
	}
	return life == 0 ? 1 : life > LIFE_MAX_S ? LIFE_MAX_S : (int64_t)life;
}

int
ag_oauth_answer(int status, struct ag_str body, struct ag_buf *token, int64_t *out_life_s, struct ag_err *err)
{
	static const struct ag_str names[A_N] = { [A_TOKEN] = { "access_token", 12 }, [A_LIFE] = { "expires_in", 10 },
		[A_TYPE] = { "token_type", 10 }, [A_ERROR] = { "error", 5 } };
	struct ag_json_value v[A_N];
	struct ag_json_fault fault;
	char word[48] = "";
	size_t at = token->n;

	if (ag_figure_scan(body, names, A_N, v, &fault) < 0)
		return ag_err_set(err, -EACCES, "the token endpoint answered %d and no JSON object", status);
	if (status != 200) {
		read_word(body, v[A_ERROR], word, sizeof(word));
		return ag_err_set(err, -EACCES, "the token endpoint answered %d%s%s", status, word[0] ? " " : "", word);
	}
	if (put_text(body, v[A_TOKEN], token) < 0 || !is_token(ag_str_n(token->p + at, token->n - at)))
		return ag_err_set(err, -EACCES, "the token endpoint answered 200 without an access token");
	*out_life_s = read_life(body, v[A_LIFE]);
	return 0;
}
