#include "flusher/redact.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define ALL (1u << AG_REDACT_EMAIL | 1u << AG_REDACT_CARD | 1u << AG_REDACT_PHONE)

static struct ag_redaction redaction;
static struct ag_buf out;
static unsigned taken;

static const char *
redacted(const char *text, const struct ag_redact_rules *rules, bool is_cut)
{
	ag_buf_reset(&out);
	taken = 0;
	if (ag_redaction_begin(&redaction, ag_str(text), is_cut, rules) < 0)
		abort();
	while (!ag_redaction_step(&redaction))
		;
	ag_redaction_write(&redaction, &out, &taken);
	ag_buf_putc(&out, '\0');
	return out.p;
}

static void
gives(const char *text, unsigned kinds, const char *want)
{
	struct ag_redact_rules rules = { .kinds = kinds };
	const char *got = redacted(text, &rules, false);

	ok(strcmp(got, want) == 0, "%s gives %s", text, got);
}

static void
addresses_go(void)
{
	gives("write to ada@example.com.", ALL, "write to [email].");
	gives("<ada.l+x@mail.example.co.uk>, b@c", ALL, "<[email]>, b@c");
	gives("{\"a\":\"x\\nada@example.com\\n\"}", ALL, "{\"a\":\"x\\n[email]\\n\"}");
	gives("@handle and a @ b.c", ALL, "@handle and a @ b.c");
	gives("user@localhost, npm i @scope/pkg@1.2.3", ALL, "user@localhost, npm i @scope/pkg@1.2.3");
	gives("j\xc3\xb6rg@m\xc3\xbcller.example!", ALL, "[email]!");
	gives("ada@example.com", 0, "ada@example.com");
	gives("@a@b@c.de@", ALL, "@a@[email]@");
}

static void
card_numbers_go(void)
{
	gives("4111111111111111", ALL, "[card]");
	gives("4111 1111 1111 1111 12/27", ALL, "[card] 12/27");
	gives("\"5500-0055-5555-5559\"", ALL, "\"[card]\"");
	gives("3782 822463 10005,", ALL, "[card],");
	gives("4111111111111112", ALL, "4111111111111112");          /* Luhn says no */
	gives("1763900000003", ALL, "1763900000003");                /* a time */
	gives("0.4111111111111111", ALL, "0.4111111111111111");      /* a fraction */
	gives("41111111111111111111111", ALL, "41111111111111111111111");
	gives("4111111111111111", 1u << AG_REDACT_EMAIL, "4111111111111111");
	gives("7 4111111111111111", ALL, "7 [card]");
}

static void
telephone_numbers_go(void)
{
	gives("call +49 30 1234567 now", ALL, "call [phone] now");
	gives("+1 (555) 123-4567.", ALL, "[phone].");
	gives("0049 30 1234567", ALL, "[phone]");
	gives("(555) 123-4567, 555.123.4567, 555-123-4567", ALL, "[phone], [phone], [phone]");
	gives("\\n+14155550100\\n", ALL, "\\n[phone]\\n");
	gives("2026-11-23, 1+1=2, 10.0.0.1, 123-45", ALL, "2026-11-23, 1+1=2, 10.0.0.1, 123-45");
	gives("0.0012345678901", ALL, "0.0012345678901");
	gives("+12", ALL, "+12");
}

static void
credentials_go_whatever_is_asked_for(void)
{
	gives("Authorization: Bearer abc123def456", 0, "Authorization: Bearer [secret]");
	gives("curl -H 'x: bearer 0123456789'", 0, "curl -H 'x: bearer [secret]'");
	gives("the bearer documents say basic understanding", 0, "the bearer documents say basic understanding");
	gives("sk-proj-abcdefghijklmnopqrstuv", 0, "[secret]");
	gives("key ag-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg!", 0, "key [secret]!");
	gives("ask-me-anything-about-sk-ating", 0, "ask-me-anything-about-sk-ating");
	gives("AKIAIOSFODNN7EXAMPLE0", 0, "[secret]");
	gives("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", 0, "[secret]");
	gives("{\"api_key\": \"s3cr3t\", \"n\": 1}", 0, "{\"api_key\": \"[secret]\", \"n\": 1}");
	gives("{\"clientSecret\":\"a\\\"b\\\\cdef\"}", 0, "{\"clientSecret\":\"[secret]\"}");
	gives("{\"arguments\":\"{\\\"password\\\":\\\"hunter2!\\\",\\\"a\\\":1}\"}", 0,
	    "{\"arguments\":\"{\\\"password\\\":\\\"[secret]\\\",\\\"a\\\":1}\"}");
	gives("password=hunter2hunter2&user=ada", 0, "password=[secret]&user=ada");
	gives("{\"token\":\" international\",\"max_tokens\":123456}", 0,
	    "{\"token\":\" international\",\"max_tokens\":123456}");
	gives("\\n-----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY-----\\nx", 0,
	    "\\n[secret]\\nx");
	gives("-----BEGIN CERTIFICATE-----", 0, "-----BEGIN CERTIFICATE-----");
	gives("\\nsk-abcdefghijklmnop0123", 0, "\\n[secret]");
}

static void
patterns_of_a_workspace_go(void)
{
	struct ag_redact_rules rules = { .kinds = 1u << AG_REDACT_EMAIL };
	struct ag_err err = { "" };
	static char text[200001];

	if (ag_pattern_compile(AG_STR("PRJ-[0-9]+"), &rules.pattern[0], &err) < 0 ||
	    ag_pattern_compile(AG_STR("geheim|geheimnis"), &rules.pattern[1], &err) < 0)
		abort();
	rules.n_patterns = 2;
	ok(strcmp(redacted("PRJ-17 PRJ-x PRJ-8", &rules, false), "[redacted] PRJ-x [redacted]") == 0 && taken == 2,
	    "each match, as long as it is");
	ok(strcmp(redacted("ein geheimnis: a@b.example", &rules, false), "ein [redacted]: [email]") == 0,
	    "the longer of two, beside what is built in");
	ok(strcmp(redacted("PRJ-", &rules, false), "PRJ-") == 0 && taken == 0, "nothing to take");
	memset(text, 'x', sizeof(text) - 1);
	for (size_t at = 0; at + 20 < sizeof(text); at += 8189) /* over the edges of steps, too */
		memcpy(text + at, " PRJ-123456 ", 12);
	redacted(text, &rules, false);
	ok(taken == 25 && !strstr(out.p, "123456"), "in a long text: %u", taken);
	ag_redact_rules_fini(&rules);
}

/* The last words of what was cut may be half a key. */
static void
a_cut_text_ends_before_its_last_words(void)
{
	struct ag_redact_rules rules = { .kinds = ALL };
	static char text[2000];

	ok(strcmp(redacted("{\"a\":\"b\",\"c\":\"mail ada@exam", &rules, true), "{\"a\":\"b\",\"c\":\"") == 0,
	    "back to the structure");
	ok(strcmp(redacted("{\"a\":\"b\"}", &rules, true), "{\"a\":\"b\"}") == 0, "which may be the end");
	memset(text, 'a', sizeof(text) - 1);
	redacted(text, &rules, true);
	ok(strlen(out.p) == sizeof(text) - 1 - 256, "a bounded piece where there is none");
	ok(strcmp(redacted("{\"secret\":\"abcdefghij", &rules, true), "{\"secret\":\"") == 0,
	    "half a credential goes whole");
	ok(strcmp(redacted("", &rules, true), "") == 0, "nothing");
}

int
main(void)
{
	ag_redaction_init(&redaction);
	ag_buf_init(&out, 1 << 20);
	addresses_go();
	card_numbers_go();
	telephone_numbers_go();
	credentials_go_whatever_is_asked_for();
	patterns_of_a_workspace_go();
	a_cut_text_ends_before_its_last_words();
	ag_redaction_fini(&redaction);
	ag_buf_fini(&out);
	return done();
}
