#include "master/dump.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"

enum { COUNTER, GAUGE };
enum { INFO, DIAG };

static const struct row {
	const char *name;
	int kind, level;
	const char *brief, *text;
} rows[] = {
#define X(n, k, l, b, t) { #n, k, l, b, t },
#include "aigated/tbl/counters.h"
#undef X
};

static const struct {
	const char *name, *brief, *text;
} histograms[] = {
#define H(n, b, t) { #n, b, t },
#include "aigated/tbl/histograms.h"
#undef H
};

/* New sentence, new line. */
static void
put_sentences(const char *text)
{
	for (; *text; text++) {
		if (*text == '.' && text[1] == ' ') {
			puts(".");
			text += strspn(text + 1, " ");
		} else if (*text == '\\') {
			fputs("\\e", stdout);
		} else {
			putchar(*text);
		}
	}
	putchar('\n');
}

static void
dump_counters(void)
{
	puts(".\\\" Written by aigated --dump-man=counters from include/aigated/tbl/counters.h.\n"
	     ".Dd $Mdocdate$\n"
	     ".Dt AIGATED-COUNTERS 7\n"
	     ".Os\n"
	     ".Sh NAME\n"
	     ".Nm aigated-counters\n"
	     ".Nd counters kept by aigated\n"
	     ".Sh DESCRIPTION\n"
	     "Every process of\n"
	     ".Xr aigated 8\n"
	     "counts in a row of its own in shared memory.\n"
	     "The values shown are sums over all processes since the segment was created;\n"
	     "they survive restarts.\n"
	     "Prometheus sees each name with the prefix\n"
	     ".Ql aigated_\n"
	     "and counters with the suffix\n"
	     ".Ql _total ,\n"
	     "on the listener of\n"
	     ".Cm metrics_listen .\n"
	     "A gauge may fall, a counter never does.\n"
	     ".Bl -tag -width Ds");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf(".It Va %s Pq %s%s\n%s.\n", rows[i].name, rows[i].kind == GAUGE ? "gauge" : "counter",
		    rows[i].level == DIAG ? ", for diagnosis" : "", rows[i].brief);
		if (rows[i].text[0])
			put_sentences(rows[i].text);
	}
	puts(".El\n"
	     ".Sh HISTOGRAMS\n"
	     "Times are kept in buckets whose bounds are 2, 3, 4, 6, 8, 12 ... microseconds, two an octave\n"
	     "up to 134 seconds.\n"
	     "Prometheus sees them in seconds, as\n"
	     ".Ql aigated_request_seconds\n"
	     "and the like.\n"
	     ".Bl -tag -width Ds");
	for (size_t i = 0; i < sizeof(histograms) / sizeof(histograms[0]); i++) {
		printf(".It Va %s\n%s.\n", histograms[i].name, histograms[i].brief);
		if (histograms[i].text[0])
			put_sentences(histograms[i].text);
	}
	puts(".El\n"
	     ".Sh SEE ALSO\n"
	     ".Xr aigatestat 1 ,\n"
	     ".Xr aigated 8");
}

int
ag_dump_man(const char *what)
{
	if (strcmp(what, "counters") == 0)
		dump_counters();
	else if (strcmp(what, "directives") == 0)
		ag_conf_print_mdoc(stdout);
	else
		return -EINVAL;
	return 0;
}
