#include "worker/view.h"

#include <errno.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/locked.h"
#include "base/log.h"
#include "base/num.h"
#include "provider/oauth.h"
#include "shm/catalog_area.h"
#include "shm/counters.h"
#include "worker/origin.h"
#include "worker/tokens.h"

#define SECRET_PAGE 16384

/* Locked pages, filled from the front. */
struct secret_page {
	struct secret_page *next;
	size_t used;
	char *mem; /* SECRET_PAGE bytes, locked */
};

struct ag_view {
	unsigned refs;
	struct ag_catalog *cat;       /* owned reference */
	struct ag_dest *dest;         /* owned: one per integration */
	struct ag_arena arena;        /* texts of dest */
	struct secret_page *secrets;  /* owned */
};

int
ag_view_load(struct ag_worker *w, struct ag_view **out)
{
	struct ag_view *v = calloc(1, sizeof(*v));
	struct ag_err err = { "" };
	struct ag_buf blob;
	uint32_t generation;
	int rc;

	if (!v)
		return -ENOMEM;
	v->refs = 1;
	ag_arena_init(&v->arena, (size_t)16 << 20);
	ag_buf_init(&blob, w->shm->hdr->sizes.catalog_bytes);
	rc = ag_catalog_copy(w->shm, &blob, &generation);
	if (rc == 0) {
		rc = ag_catalog_load(&blob, generation, &v->cat, &err);
		if (rc < 0)
			ag_error("could not load catalogue generation %u: %s, keeping the last one",
			    generation, err.text);
	}
	ag_buf_fini(&blob);
	if (rc == 0) {
		v->dest = calloc(ag_catalog_n_integrations(v->cat) + 1, sizeof(*v->dest));
		rc = v->dest ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		ag_view_unref(v);
		return rc;
	}
	ag_count(AG_CNT_catalog_loaded);
	*out = v;
	return 0;
}

struct ag_view *
ag_view_ref(struct ag_view *v)
{
	v->refs++;
	return v;
}

void
ag_view_unref(struct ag_view *v)
{
	if (!v || --v->refs > 0)
		return;
	while (v->secrets) {
		struct secret_page *page = v->secrets;

		v->secrets = page->next;
		ag_locked_free(page->mem, SECRET_PAGE);
		free(page);
	}
	for (uint32_t i = 0; v->dest && i < ag_catalog_n_integrations(v->cat); i++)
		ag_token_unref(v->dest[i].token);
	free(v->dest);
	ag_arena_fini(&v->arena);
	ag_catalog_unref(v->cat);
	free(v);
}

const struct ag_catalog *
ag_view_catalog(const struct ag_view *v)
{
	return v->cat;
}

static char *
secret_alloc(struct ag_view *v, size_t n)
{
	struct secret_page *page = v->secrets;
	char *at;

	if (n > SECRET_PAGE)
		return NULL;
	if (!page || SECRET_PAGE - page->used < n) {
		page = calloc(1, sizeof(*page));
		if (!page)
			return NULL;
		page->mem = ag_locked_new(SECRET_PAGE);
		if (!page->mem) {
			free(page);
			return NULL;
		}
		page->next = v->secrets;
		v->secrets = page;
	}
	at = page->mem + page->used;
	page->used += n;
	return at;
}

static void
uuid_aad(const uint8_t uuid[16], struct ag_buf *out)
{
	char text[AG_UUID_TEXT];

	ag_uuid_text(uuid, text);
	ag_buf_puts(out, "integration:");
	ag_buf_puts(out, text);
	ag_buf_puts(out, ":key");
}

/* The machine's own identity goes to its cloud, or where the operator trusts: an administrator who names another
 * host would be shown it. */
static int
open_identity(struct ag_worker *w, struct ag_dest *d, enum ag_oauth kind, bool is_custom, const struct ag_url *url)
{
	if (is_custom && !ag_host_is_trusted(ag_str(w->conf->trusted_hosts), url->host, url->port))
		return 0;
	d->token = ag_token_source(w->tokens, kind, AG_STR(""), d->config);
	return d->token ? 0 : -ENOMEM;
}

/* The line that authenticates us, built once where it will stay. */
static int
open_auth(struct ag_worker *w, struct ag_view *v, const struct ag_cat_integration *i,
    const struct ag_provider *family, struct ag_dest *d, enum ag_oauth oauth)
{
	struct ag_str sealed = ag_catalog_text(v->cat, i->sealed_key);
	static const char *const prefixes[] = { [AG_AUTH_BEARER] = "authorization: Bearer ",
		[AG_AUTH_API_KEY] = "api-key: ", [AG_AUTH_X_API_KEY] = "x-api-key: ",
		[AG_AUTH_GOOG_API_KEY] = "x-goog-api-key: ", [AG_AUTH_SIGN] = "" };
	const char *prefix;
	bool is_signing;
	struct ag_buf aad, plain;
	size_t len;
	char *at;
	int rc;

	if (family->auth == AG_AUTH_NONE || sealed.n == 0 || !w->ctx->master_key)
		return 0;
	ag_buf_init(&aad, 256);
	ag_buf_init(&plain, 8192);
	uuid_aad(i->uuid, &aad);
	rc = ag_vault_open(w->ctx->master_key, ag_buf_str(&aad), sealed, &plain);
	if (rc == 0 && oauth != AG_OAUTH_NONE) {
		d->token = ag_token_source(w->tokens, oauth, ag_str_trim(ag_buf_str(&plain)), d->config);
		rc = d->token ? 0 : -ENOMEM;
	} else if (rc == 0) {
		is_signing = family->is_signing && family->is_signing(ag_buf_str(&plain));
		prefix = prefixes[family->auth == AG_AUTH_SIGN && !is_signing ? AG_AUTH_BEARER : family->auth];
		len = strlen(prefix) + plain.n + 2;
		at = secret_alloc(v, len);
		if (at) {
			memcpy(at, prefix, strlen(prefix));
			memcpy(at + strlen(prefix), plain.p, plain.n);
			memcpy(at + len - 2, "\r\n", 2);
			/* Where requests are signed the credential itself is never sent. */
			if (!is_signing)
				d->auth_line = ag_str_n(at, len);
			d->secret = ag_str_trim(ag_str_n(at + strlen(prefix), plain.n));
			if (is_signing)
				(void)family->hide(d->secret, d->hidden);
			else
				d->hidden[0] = d->secret;
		} else {
			rc = -ENOMEM;
		}
	}
	ag_buf_wipe(&plain);
	ag_buf_fini(&aad);
	return rc;
}

/* "name: value\n" lines, checked by control, to lines with CRLF. */
static struct ag_str
header_lines(struct ag_view *v, struct ag_str text)
{
	struct ag_buf b;
	struct ag_str out;

	ag_buf_init(&b, 16384);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			ag_buf_putc(&b, '\r');
		ag_buf_putc(&b, text.p[i]);
	}
	/* Half a line would take what follows it, the credential too, for its end. */
	out = b.failed ? AG_STR_NONE : ag_arena_dup(&v->arena, ag_buf_str(&b));
	ag_buf_fini(&b);
	return out;
}

int
ag_view_dest(struct ag_worker *w, struct ag_view *v, const struct ag_cat_integration *i,
    const struct ag_provider *family, struct ag_dest **out)
{
	struct ag_dest *d = &v->dest[ag_catalog_integration_ix(v->cat, i)];
	struct ag_str url = ag_catalog_text(v->cat, i->base_url);
	enum ag_oauth oauth;
	struct ag_url parsed;
	struct ag_buf own;
	int rc;

	if (d->is_ready) {
		*out = d;
		return 0;
	}
	d->config = ag_catalog_text(v->cat, i->config);
	ag_buf_init(&own, 4096);
	rc = url.n > 0 ? 0 : ag_provider_expand(family, family->base_url, d->config, AG_STR_NONE, AG_STR_NONE,
	    &own, NULL);
	if (url.n == 0)
		url = ag_arena_dup(&v->arena, ag_buf_str(&own));
	ag_buf_fini(&own);
	if (rc < 0 || ag_url_parse(url, &parsed) < 0)
		return -EINVAL;
	d->origin = ag_origin_get(w->origins, &parsed);
	if (!d->origin)
		return -ENOMEM;
	d->path_prefix = ag_arena_dup(&v->arena, parsed.path);
	d->host_header = ag_arena_dup(&v->arena, parsed.authority);
	d->header_lines = header_lines(v, ag_catalog_text(v->cat, i->headers));
	oauth = family->oauth ? family->oauth(d->config) : AG_OAUTH_NONE;
	rc = ag_oauth_header(oauth) ? open_identity(w, d, oauth, ag_catalog_text(v->cat, i->base_url).n > 0, &parsed)
	    : open_auth(w, v, i, family, d, oauth);
	if (rc < 0)
		return rc;
	d->is_ready = true;
	*out = d;
	return 0;
}
