/* What is asked of a token endpoint, and what is believed of its answer. */
#include "provider/oauth.h"
#include "tests/unit/tap.h"

static struct ag_buf url, form;

static void
begin(void)
{
	ag_buf_init(&url, 4096);
	ag_buf_init(&form, 65536);
}

static void
end(void)
{
	ag_buf_fini(&url);
	ag_buf_wipe(&form);
}

static bool
is_in(const struct ag_buf *b, const char *text)
{
	return memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static void
an_application_shows_its_secret_escaped(void)
{
	struct ag_err err = { "" };
	struct ag_str config = AG_STR("{\"azure_entra_tenant_id\":\"t-1\",\"azure_entra_client_id\":\"c-1\"}");

	begin();
	is_i64(ag_oauth_ask(AG_OAUTH_CLIENT, AG_STR("s3cr&t=~"), config, 0, &url, &form, &err), 0, "asked");
	ag_buf_putc(&url, '\0');
	is_str(url.p, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token", "at the tenant's endpoint");
	ok(is_in(&form, "client_secret=s3cr%26t%3D~") && is_in(&form, "grant_type=client_credentials") &&
	    is_in(&form, "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"), "by a form");
	end();
	begin();
	ok(ag_oauth_ask(AG_OAUTH_CLIENT, AG_STR("x"), AG_STR("{\"azure_entra_tenant_id\":\"t\"}"), 0, &url, &form,
	       &err) < 0, "without a client nothing is asked");
	is_str(err.text, "configurations.azure_entra_client_id is not set", "by its name");
	end();
}

static void
an_account_that_cannot_sign_is_named_without_its_text(void)
{
	static const char *const bad[] = { "no json", "{}", "{\"client_email\":\"a@b\"}",
		"{\"client_email\":\"a@b\",\"private_key\":\"-----BEGIN TOP SECRET\"}" };

	for (size_t i = 0; i < 4; i++) {
		struct ag_err err = { "" };

		begin();
		ok(ag_oauth_ask(AG_OAUTH_JWT_BEARER, ag_str(bad[i]), AG_STR_NONE, 0, &url, &form, &err) < 0 &&
		    err.text[0] && !strstr(err.text, "TOP SECRET"), "%s", err.text);
		end();
	}
}

static void
answers_are_read_strictly(void)
{
	static const struct { int status; const char *body; const char *token; int64_t life; const char *why; } rows[] = {
		{ 200, "{\"access_token\":\"ya29.a\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", "ya29.a", 3599, "" },
		{ 200, "{\"access_token\":\"a\",\"expires_in\":\"7200\"}", "a", 7200, "" },
		{ 200, "{\"access_token\":\"a\"}", "a", 300, "" },
		{ 200, "{\"access_token\":\"a\",\"expires_in\":99999999999}", "a", 86400, "" },
		{ 200, "{\"access_token\":\"a\",\"expires_in\":0}", "a", 1, "" },
		{ 200, "{\"access_token\":\"a\\r\\nx: y\"}", NULL, 0, "without an access token" },
		{ 200, "{\"access_token\":\"\"}", NULL, 0, "without an access token" },
		{ 200, "[]", NULL, 0, "no JSON object" },
		{ 400, "{\"error\":\"invalid_grant\",\"error_description\":\"for sk-secret\"}", NULL, 0, "400 invalid_grant" },
		{ 500, "{\"error\":\"Look: sk-secret\"}", NULL, 0, "answered 500" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_err err = { "" };
		struct ag_buf token;
		int64_t life = 0;
		int rc;

		ag_buf_init(&token, 4096);
		rc = ag_oauth_answer(rows[i].status, ag_str(rows[i].body), &token, &life, &err);
		ok(rows[i].token ? rc == 0 && ag_str_eq(ag_buf_str(&token), ag_str(rows[i].token)) && life == rows[i].life
		    : rc < 0 && strstr(err.text, rows[i].why) && !strstr(err.text, "sk-secret"), "%s", rows[i].body);
		ag_buf_fini(&token);
	}
}

/* The place is the operator's; what is asked there depends on whose cloud it is. */
static void
a_machine_is_asked_who_it_is(void)
{
	static const struct { enum ag_oauth kind; const char *config, *url, *header; } rows[] = {
		{ AG_OAUTH_AZURE_MANAGED, "{}", "http://m/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
		  "https%3A%2F%2Fcognitiveservices.azure.com", "Metadata: true" },
		{ AG_OAUTH_AZURE_MANAGED, "{\"azure_managed_client_id\":\"id-1\"}", "http://m/metadata/identity/oauth2/token?"
		  "api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=id-1", "Metadata: true" },
		{ AG_OAUTH_GOOGLE_WORKLOAD, "{}", "http://m/computeMetadata/v1/instance/service-accounts/default/token",
		  "Metadata-Flavor: Google" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(rows); i++) {
		struct ag_err err = { "" };
		struct ag_buf place, none;

		ag_buf_init(&place, 4096);
		ag_buf_init(&none, 65536);
		ag_buf_puts(&place, "http://m");
		ok(ag_oauth_ask(rows[i].kind, AG_STR(""), ag_str(rows[i].config), 0, &place, &none, &err) == 0 && none.n == 0 &&
		    ag_str_eq(ag_buf_str(&place), ag_str(rows[i].url)), "%s", rows[i].url);
		is_str(ag_oauth_header(rows[i].kind), rows[i].header, "... with a header that no page can send");
		ag_buf_fini(&place);
		ag_buf_fini(&none);
	}
	ok(!ag_oauth_header(AG_OAUTH_CLIENT) && !ag_oauth_header(AG_OAUTH_JWT_BEARER), "a token endpoint is posted to");
}

static void
each_region_has_its_host(void)
{
	static const char *const rows[][2] = {
		{ "europe-west4", "https://europe-west4-aiplatform.googleapis.com" },
		{ "global", "https://aiplatform.googleapis.com" }, { "eu", "https://aiplatform.eu.rep.googleapis.com" },
		{ "us", "https://aiplatform.us.rep.googleapis.com" } };
	const struct ag_provider *p = ag_provider_find(AG_STR("vertex-ai"));

	for (size_t i = 0; i < 4; i++) {
		char config[128];

		begin();
		snprintf(config, sizeof(config), "{\"vertex_region\":\"%s\"}", rows[i][0]);
		is_i64(ag_provider_expand(p, p->base_url, ag_str(config), AG_STR_NONE, AG_STR_NONE, &url, NULL), 0,
		    "a region");
		ag_buf_putc(&url, '\0');
		is_str(url.p, rows[i][1], rows[i][0]);
		end();
	}
	begin();
	ok(ag_provider_expand(p, p->base_url, AG_STR("{\"vertex_region\":\"evil.example/\"}"), AG_STR_NONE, AG_STR_NONE,
	       &url, NULL) < 0, "what is no region is no part of a host");
	end();
}

static void
a_model_decides_who_serves_it(void)
{
	const struct ag_provider *p = ag_provider_find(AG_STR("vertex-ai"));

	is_i64(ag_provider_serve(p, AG_EP_CHAT, AG_STR("gemini-2.5-pro"))->endpoint, AG_EP_GENERATE, "Google's own");
	is_i64(ag_provider_serve(p, AG_EP_CHAT, AG_STR("claude-opus-4-5@20251101"))->endpoint, AG_EP_MESSAGES,
	    "Anthropic's");
	is_i64(ag_provider_serve(p, AG_EP_MESSAGES, AG_STR("meta/llama-4-maas"))->endpoint, AG_EP_CHAT, "others'");
}

int
main(void)
{
	an_application_shows_its_secret_escaped();
	an_account_that_cannot_sign_is_named_without_its_text();
	answers_are_read_strictly();
	a_machine_is_asked_who_it_is();
	each_region_has_its_host();
	a_model_decides_who_serves_it();
	return done();
}
