/* The configuration: what is read, what is refused and in which words, what a reload takes over. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "conf/conf.h"
#include "conf/directive.h"
#include "conf/lex.h"
#include "tap.h"

#define DB "database dbname=x\n"

static char dir[] = "/tmp/ag-conf-XXXXXX";
static char path[64];

static void
write_conf(const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static struct ag_conf *
load(const char *text, struct ag_err *err)
{
	err->text[0] = '\0';
	write_conf(text);
	return ag_conf_load(path, err);
}

/* The message without the path before it. */
static void
is_refused(const char *text, const char *want, const char *name)
{
	struct ag_err err;
	struct ag_conf *conf = load(text, &err);
	const char *got = err.text;

	if (strncmp(got, path, strlen(path)) == 0)
		got += strlen(path);
	is_str(conf ? "accepted" : got, want, name);
	ag_conf_free(conf);
}

static void
the_defaults_stand_and_are_within_their_ranges(void)
{
	struct ag_err err;
	struct ag_conf *conf = ag_conf_load(NULL, &err);

	if (!ok(conf != NULL, "defaults load without a file"))
		return;
	is_str(conf->listen.addr[0], "127.0.0.1:8787", "default listener");
	is_i64(conf->journal_sync, 200 * AG_US_PER_MS, "durations are in microseconds");
	is_i64((int64_t)conf->journal_max, INT64_C(4) << 30, "sizes are in bytes");
	is_i64(conf->unpriced_flat_usd, 100000000, "dollars are in nano-USD");
	is_i64(conf->log_level, AG_LOG_INFO, "enumerations carry their enumerator");
	ok(conf->workers >= 1 && conf->workers <= AG_WORKERS_MAX, "workers 0 became the cores there are");
	ok(conf->govern, "govern is on");
	is_str(conf->tls_certificate, "", "what is not set is empty, not NULL");
	ag_conf_free(conf);
}

static void
a_file_is_read_with_quotes_comments_and_units(void)
{
	struct ag_err err;
	struct ag_conf *conf = load("# head\n\n  workers 3   # three\n"
	    "listen 127.0.0.1:0\r\nlisten [::1]:8443 tls\n"
	    "tls_certificate /c\ntls_certificate_key /k\n"
	    "database \"host=/tmp password='a \\\"b\\\\ # c'\"\n"
	    "ring_size 64k\nkeepalive_timeout 0\nstream_idle_timeout 1500ms\n"
	    "full_ring serve\ngovern off\nunpriced_flat_usd 0.25\nmaster_key_file \"\"", &err);

	if (!ok(conf != NULL, "the file is accepted: %s", err.text))
		return;
	is_i64(conf->workers, 3, "a number, with a comment behind it");
	is_i64(conf->listen.n, 2, "listen may be given twice, and replaces the default");
	ok(conf->listen.is_tls[1] && !conf->listen.is_tls[0], "tls is the listener's it stands beside");
	is_str(conf->database, "host=/tmp password='a \"b\\ # c'", "quotes keep blanks, \\\" and \\\\");
	is_i64((int64_t)conf->ring_size, 65536, "64k");
	is_i64(conf->keepalive_timeout, 0, "zero needs no unit");
	is_i64(conf->stream_idle_timeout, 1500000, "1500ms");
	is_i64(conf->full_ring, AG_FULL_RING_SERVE, "full_ring serve");
	ok(!conf->govern, "govern off");
	is_i64(conf->unpriced_flat_usd, 250000000, "0.25 dollars");
	ag_conf_free(conf);
}

static void
mistakes_name_file_line_directive_and_range(void)
{
	static const struct {
		const char *text, *want, *name;
	} cases[] = {
		{ DB "workers 99\n", ":2: directive \"workers\": value \"99\" is outside 0..64", "range" },
		{ DB "workers 99999999999999999999\n",
		  ":2: directive \"workers\": value \"99999999999999999999\" is outside 0..64", "overflow" },
		{ DB "workers -1\n", ":2: directive \"workers\": value \"-1\" is not a whole number", "sign" },
		{ DB "ring_size 1k\n", ":2: directive \"ring_size\": value \"1k\" is outside 64k..1g", "size" },
		{ DB "ring_size 9999999999t\n",
		  ":2: directive \"ring_size\": value \"9999999999t\" is outside 64k..1g", "size overflows" },
		{ DB "journal_sync 5\n",
		  ":2: directive \"journal_sync\": value \"5\" is not a duration with its unit, such as 200ms, 5s, 1m, 1h or 1d",
		  "duration without unit" },
		{ DB "journal_sync 11s\n", ":2: directive \"journal_sync\": value \"11s\" is outside 0..10s",
		  "duration" },
		{ DB "govern yes\n", ":2: directive \"govern\": value \"yes\" is not on or off", "bool" },
		{ DB "full_ring drop\n", ":2: directive \"full_ring\": value \"drop\" is not refuse or serve",
		  "enumeration" },
		{ DB "unpriced_flat_usd 1001\n",
		  ":2: directive \"unpriced_flat_usd\": value \"1001\" is outside 0..1000", "dollars" },
		{ DB "unpriced_flat_usd -1\n",
		  ":2: directive \"unpriced_flat_usd\": value \"-1\" is outside 0..1000", "negative dollars" },
		{ DB "\nworker 1\n", ":3: unknown directive \"worker\"", "unknown directive" },
		{ DB "workers 1\nworkers 1\n",
		  ":3: directive \"workers\": given a second time, first in line 2", "repeated" },
		{ DB "workers\n", ":2: directive \"workers\": has no value", "empty" },
		{ DB "workers \"\"\n", ":2: directive \"workers\": has no value", "empty quotes" },
		{ DB "workers 1 2\n",
		  ":2: directive \"workers\": takes one value; a value with blanks stands in double quotes", "two" },
		{ DB "run_dir here\n", ":2: directive \"run_dir\": value \"here\" is not an absolute path", "path" },
		{ DB "listen 127.0.0.1:80 ssl\n",
		  ":2: directive \"listen\": an address may be followed by tls, not by \"ssl\"", "listen word" },
		{ DB "listen 80\n",
		  ":2: directive \"listen\": value \"80\" is not ADDRESS:PORT with a port of 0..65535", "no host" },
		{ DB "listen 127.0.0.1:65536\n",
		  ":2: directive \"listen\": value \"127.0.0.1:65536\" is not ADDRESS:PORT with a port of 0..65535",
		  "port" },
		{ DB "listen localhost:80\n",
		  ":2: directive \"listen\": value \"localhost:80\" does not begin with a numeric address: 127.0.0.1, [::1] or *",
		  "name" },
		{ DB "listen 127.0.0.1:1 tls\n",
		  ": directive \"tls_certificate\": is missing, but a listener speaks tls", "tls alone" },
		{ DB "shm_name aigated\n",
		  ": directive \"shm_name\": is not a slash followed by 1 to 199 characters without another slash",
		  "segment name" },
		{ DB "alert_webhook ftp://h/\nalert_secret_file /s\n",
		  ": directive \"alert_webhook\": is no URL that begins with https:// or http://", "odd webhook" },
		{ DB "alert_webhook https://h/\n",
		  ": directive \"alert_secret_file\": is missing, but alerts go to alert_webhook", "unsigned alerts" },
		{ "workers 1\n", ": directive \"database\": is missing; it has no default", "no database" },
		{ DB "log_file \"x\n", ":2: quote in column 10 is not closed", "open quote" },
		{ DB "log_file \"\\n\"\n",
		  ":2: a backslash in quotes stands only before \" or \\, in column 11", "escape" },
		{ DB "log_file a\"b\n", ":2: quote inside a word in column 11", "quote in word" },
		{ DB "log_file \"a\"b\n", ":2: no blank after the closing quote in column 12", "after quote" },
		{ DB "log_file \001\n", ":2: control character 0x01 in column 10", "control character" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++)
		is_refused(cases[i].text, cases[i].want, cases[i].name);
}

static void
long_lines_and_too_many_listeners_are_refused(void)
{
	static char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), DB "user ");

	memset(text + n, 'a', 5000);
	is_refused(text, ":2: line is longer than 4095 bytes", "long line");
	n = (size_t)snprintf(text, sizeof(text), DB);
	for (int i = 0; i <= AG_LISTEN_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "listen 127.0.0.1:%d\n", i + 1);
	is_refused(text, ":18: directive \"listen\": given more than 16 times", "too many listeners");
}

static char *
printed(const struct ag_conf *conf)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	ag_conf_print(conf, f);
	fclose(f);
	return text;
}

static void
what_is_printed_reads_back_to_the_same(void)
{
	struct ag_err err;
	struct ag_conf *conf = load("listen *:80\nlisten [::1]:1 tls\ntls_certificate \"/a b\"\n"
	    "tls_certificate_key /k\\x\ndatabase \"host=h password='s t' user=u\"\n"
	    "keepalive_requests 4294967295\njournal_max 1t\nkeepalive_timeout 90m\n"
	    "unpriced_flat_usd 0.000000001\ntrusted_hosts \"a, b\"\nlog_level debug\n", &err);
	char *once, *twice;

	if (!ok(conf != NULL, "accepted: %s", err.text))
		return;
	once = printed(conf);
	ag_conf_free(conf);
	conf = load(once, &err);
	if (!ok(conf != NULL, "what was printed is accepted: %s", err.text))
		return;
	twice = printed(conf);
	is_str(twice, once, "and prints the same again");
	ok(strstr(once, "keepalive_timeout 90m\n") != NULL, "the largest unit that divides");
	ok(strstr(once, "tls_certificate_key \"/k\\\\x\"\n") != NULL, "a backslash is written in quotes");
	for (size_t i = 0; i < ag_directive_count; i++)
		if (!strstr(once, ag_directives[i].name))
			ok(false, "\"%s\" is printed", ag_directives[i].name);
	free(once);
	free(twice);
	ag_conf_free(conf);
}

/* "cret" in anything but the name of a directive. */
static bool
tells_a_secret(const char *text)
{
	while ((text = strstr(text, "cret")) != NULL) {
		if (strncmp(text, "cret_file", 9) != 0)
			return true;
		text++;
	}
	return false;
}

static void
passwords_are_masked(void)
{
	static const struct {
		const char *database, *want;
	} cases[] = {
		{ "host=h password=secret user=u", "host=h password=**** user=u" },
		{ "password = 'se cr\\\\'et' x=y", "password = **** x=y" },
		{ "sslpassword=secret", "sslpassword=****" },
		{ "postgresql://u:se@cret@h/db?sslpassword=secret&x=1",
		  "postgresql://u:****@h/db?sslpassword=****&x=1" },
		{ "postgres://u@h/db", "postgres://u@h/db" },
		{ "dbname=x", "dbname=x" },
	};

	for (size_t i = 0; i < AG_ARRAY_LEN(cases); i++) {
		char text[256], want[256];
		struct ag_err err;
		struct ag_conf *conf;
		char *got;

		snprintf(text, sizeof(text), "database \"%s\"\n", cases[i].database);
		conf = load(text, &err);
		if (!ok(conf != NULL, "accepted: %s", err.text))
			continue;
		got = printed(conf);
		ok(!tells_a_secret(got), "nothing of the secret in \"%s\"", cases[i].want);
		snprintf(want, sizeof(want), strchr(cases[i].want, ' ') ? "database \"%s\"\n" : "database %s\n",
		    cases[i].want);
		ok(strstr(got, want) != NULL, "shown as \"%s\"", cases[i].want);
		free(got);
		ag_conf_free(conf);
	}
}

static void
a_reload_takes_over_what_may_change(void)
{
	struct ag_err err;
	struct ag_conf *conf = load(DB "max_body 1m\nlog_level info\nworkers 2\nuser alice\n", &err);
	const char *user;

	if (!ok(conf != NULL, "accepted: %s", err.text))
		return;
	user = conf->user;
	write_conf(DB "max_body 2m\nlog_level error\nworkers 4\nuser alice\ntrusted_hosts a\n");
	is_i64(ag_conf_reload(conf, &err), 0, "a good file is taken");
	is_i64((int64_t)conf->max_body, 2 << 20, "a NEW row changes");
	is_i64(conf->log_level, AG_LOG_ERROR, "a NOW row changes");
	is_str(conf->trusted_hosts, "a", "a text changes");
	is_i64(conf->workers, 2, "a RESTART row stays");
	ok(conf->user == user, "a text that did not change stays where it is");
	write_conf(DB "max_body 3m\nlog_level loud\n");
	ok(ag_conf_reload(conf, &err) < 0, "a bad file is refused: %s", err.text);
	is_i64((int64_t)conf->max_body, 2 << 20, "and nothing changed");
	ag_conf_free(conf);
}

static void
a_reload_checks_old_and_new_rows_together(void)
{
	struct ag_err err;
	struct ag_conf *conf = load(DB "listen 127.0.0.1:1 tls\ntls_certificate /c\ntls_certificate_key /k\n"
	    "max_body 1m\n", &err);

	if (!ok(conf != NULL, "accepted: %s", err.text))
		return;
	write_conf(DB "listen 127.0.0.1:1\nmax_body 2m\n");
	ok(ag_conf_reload(conf, &err) < 0, "a listener that stays tls keeps its certificate: %s", err.text);
	is_str(conf->tls_certificate, "/c", "the certificate is still there");
	is_i64((int64_t)conf->max_body, 1 << 20, "and nothing else changed");
	ok(conf->listen.is_tls[0], "the listener is as it was");
	ag_conf_free(conf);
}

static void
sizes_are_rounded_for_the_segment(void)
{
	struct ag_err err;
	struct ag_conf *conf = load(DB "workers 3\nmax_keys 1000\nmax_meters 100\nring_size 65537\n", &err);
	struct ag_shm_sizes s;

	if (!ok(conf != NULL, "accepted: %s", err.text))
		return;
	ag_conf_shm_sizes(conf, &s);
	is_i64(s.workers, 3, "workers");
	is_i64(s.keys, 2048, "key slots: a power of two, at least twice the keys");
	is_i64(s.meters, 128, "meters: a power of two");
	is_i64((int64_t)s.ring_bytes, 131072, "ring: a power of two");
	ok(s.counters > 20 && s.blob_units >= 1000, "counters and metadata have room");
	ag_conf_free(conf);
}

/* Each row is in the sample, as a comment with its default, so that the sample cannot fall behind. */
static void
the_sample_shows_every_directive(void)
{
	struct ag_conf *conf;
	struct ag_buf text;
	struct ag_err err;
	char file[512], want[512];
	const char *srcdir = getenv("srcdir");

	snprintf(file, sizeof(file), "%s/etc/aigated.conf", srcdir ? srcdir : ".");
	ag_buf_init(&text, 1 << 20);
	if (ok(ag_file_slurp(file, &text, &err) == 0, "the sample is there"))
		ag_buf_putc(&text, '\0');
	for (size_t i = 0; i < ag_directive_count && text.p; i++) {
		snprintf(want, sizeof(want), "\n#%s %s\n", ag_directives[i].name,
		    ag_directives[i].def[0] ? ag_directives[i].def : "\"\"");
		if (strcmp(ag_directives[i].name, "database") == 0)
			snprintf(want, sizeof(want), "\ndatabase ");
		ok(strstr(text.p, want) != NULL, "the sample has \"%s\"", ag_directives[i].name);
	}
	err.text[0] = '\0';
	conf = ag_conf_load(file, &err);
	ok(conf != NULL, "the sample is accepted: %s", err.text);
	ag_conf_free(conf);
	ag_buf_fini(&text);
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 99;
	snprintf(path, sizeof(path), "%s/aigated.conf", dir);
	ag_log_level = AG_LOG_ERROR;
	the_defaults_stand_and_are_within_their_ranges();
	a_file_is_read_with_quotes_comments_and_units();
	mistakes_name_file_line_directive_and_range();
	long_lines_and_too_many_listeners_are_refused();
	what_is_printed_reads_back_to_the_same();
	passwords_are_masked();
	a_reload_takes_over_what_may_change();
	a_reload_checks_old_and_new_rows_together();
	sizes_are_rounded_for_the_segment();
	the_sample_shows_every_directive();
	unlink(path);
	rmdir(dir);
	return done();
}
