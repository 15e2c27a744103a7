/* traceparent and tracestate: what is a trace, what is none, what is written. */
#include "http/trace_context.h"
#include "tap.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static void
is_parent(const char *value, bool want, const char *name)
{
	struct ag_trace_parent p;

	ok(ag_trace_parent_parse(ag_str(value), &p) == want, "%s", name);
}

static void
a_traceparent_is_taken_apart(void)
{
	struct ag_trace_parent p = { .flags = 0xff };

	ok(ag_trace_parent_parse(AG_STR("00-" TRACE "-" SPAN "-01"), &p), "version 00");
	ok(ag_str_eq(p.trace_id, AG_STR(TRACE)), "its trace");
	ok(ag_str_eq(p.parent_id, AG_STR(SPAN)), "its parent");
	is_i64(p.flags, AG_TRACE_SAMPLED, "its flags");
	ok(ag_trace_parent_parse(AG_STR("00-" TRACE "-" SPAN "-fe"), &p), "flags nobody defined");
	is_i64(p.flags, AG_TRACE_RANDOM, "are left out");
}

static void
what_names_no_trace_is_refused(void)
{
	is_parent("", false, "nothing");
	is_parent("00-" TRACE "-" SPAN, false, "without flags");
	is_parent("00-" TRACE "-" SPAN "-0", false, "one digit of flags");
	is_parent("00-" TRACE "-" SPAN "-01-", false, "version 00 with more");
	is_parent("00-" TRACE "-" SPAN "-01-extra", false, "version 00 with more behind a dash");
	is_parent("cc-" TRACE "-" SPAN "-01", true, "a later version");
	is_parent("cc-" TRACE "-" SPAN "-01-what-the-future-holds", true, "a later version with more");
	is_parent("cc-" TRACE "-" SPAN "-01.what", false, "a later version with more, but no dash");
	is_parent("ff-" TRACE "-" SPAN "-01", false, "version ff");
	is_parent("0x-" TRACE "-" SPAN "-01", false, "a version that is no number");
	is_parent("00_" TRACE "-" SPAN "-01", false, "another separator, first");
	is_parent("00-" TRACE "_" SPAN "-01", false, "second");
	is_parent("00-" TRACE "-" SPAN "_01", false, "third");
	is_parent("00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false, "upper case");
	is_parent("00-" TRACE "-00F067AA0BA902B7-01", false, "upper case in the parent");
	is_parent("00-00000000000000000000000000000000-" SPAN "-01", false, "no trace");
	is_parent("00-" TRACE "-0000000000000000-01", false, "no parent");
	is_parent("00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01", false, "no digit in the trace");
	is_parent("00-" TRACE "-00f067aa0ba902b -01", false, "a blank in the parent");
	is_parent("00-" TRACE "-" SPAN "-0g", false, "no digit in the flags");
	is_parent("00-" TRACE "-" SPAN "-01 ", false, "a blank behind");
}

static void
what_is_written_reads_as_it_was(void)
{
	struct ag_trace_parent p = { .trace_id = AG_STR(TRACE), .parent_id = AG_STR(SPAN), .flags = 3 };
	struct ag_buf b;

	ag_buf_init(&b, 256);
	ag_trace_parent_put(&b, &p);
	ok(ag_str_eq(ag_buf_str(&b), AG_STR("00-" TRACE "-" SPAN "-03")), "it is version 00");
	ag_buf_fini(&b);
}

static void
is_state(const char *value, bool want, const char *name)
{
	ok(ag_trace_state_is_valid(ag_str(value)) == want, "tracestate %s", name);
}

static void
a_tracestate_has_members(void)
{
	char many[256] = "";

	is_state("congo=t61rcWkgMzE", true, "of one member");
	is_state("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", true, "of two");
	is_state(" rojo=1 ,\t, fw529a3039@dt=a b", true, "with blanks and an empty member");
	is_state("0a-_*/=!\"#$%&'()*+-./:;<>?@[\\]^_`{|}~", true, "of odd characters");
	is_state("", false, "of nothing");
	is_state(",,", false, "of empty members");
	is_state("congo", false, "without a value");
	is_state("congo=", false, "with an empty value");
	is_state("=1", false, "without a key");
	is_state("Congo=1", false, "in upper case");
	is_state("@a=1", false, "that begins with a sign");
	is_state("a=b=c", false, "with two values");
	is_state("a=\x01", false, "with a control byte");
	is_state("a=\xc3\xa4", false, "outside ASCII");
	for (size_t i = 0; i < 32; i++)
		strcat(many, "a=1,");
	is_state(many, true, "of 32 members");
	strcat(many, "a=1");
	is_state(many, false, "of 33");
}

static void
is_trace(const char *text, const char *want, const char *name)
{
	char out[AG_TRACE_ID_LEN + 1] = "";

	is_str(ag_trace_id_of(ag_str(text), out) ? out : "none", want, name);
}

static void
an_id_of_the_client_may_be_a_trace(void)
{
	is_trace(TRACE, TRACE, "32 digits are");
	is_trace("4BF92F35-77b3-4da6-a3ce-929d0e0e4736", TRACE, "a UUID is");
	is_trace("4bf92f3577b3-4da6-a3ce-929d0e0e47361234", "none", "dashes elsewhere are not");
	is_trace("4bf92f35577b3-4da6-a3ce-929d0e0e4736", "none", "nor one too late");
	is_trace("checkout-7", "none", "a name is not");
	is_trace("00000000000000000000000000000000", "none", "zeros are not");
	is_trace("4bf92f35-77b3-4da6-a3ce-929d0e0e47", "none", "nor what is too short");
	ok(ag_span_id_is_valid(AG_STR(SPAN)), "16 digits may be a span");
	ok(!ag_span_id_is_valid(AG_STR("00F067AA0BA902B7")) && !ag_span_id_is_valid(AG_STR("0000000000000000")) &&
	    !ag_span_id_is_valid(AG_STR("span-1")) && !ag_span_id_is_valid(AG_STR_NONE), "nothing else is");
}

int
main(void)
{
	a_traceparent_is_taken_apart();
	what_names_no_trace_is_refused();
	what_is_written_reads_as_it_was();
	a_tracestate_has_members();
	an_id_of_the_client_may_be_a_trace();
	return done();
}
