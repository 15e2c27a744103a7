/* The access log: lines are JSON whatever a client sent, in files that come and go. */
#include "telemetry/access.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "shm/counters.h"
#include "shm/event_ring.h"
#include "tap.h"
#include "telemetry/json.h"

static char dir[] = "/tmp/ag-access-XXXXXX";
static char path[64], rotated[64];
static struct ag_a64 counters[AG_COUNTERS];

static void
is_text(struct ag_str in, const char *want, const char *name)
{
	struct ag_buf b;

	ag_buf_init(&b, 65536);
	ag_json_put_text(&b, in);
	ag_buf_putc(&b, '\0');
	is_str(b.p, want, name);
	ag_buf_fini(&b);
}
#define TEXT(bytes, want, name) is_text(AG_STR(bytes), want, name)

static void
any_bytes_become_text(void)
{
	TEXT("plain", "plain", "plain text stays");
	TEXT("a\"b\\c", "a\\\"b\\\\c", "quotes and backslashes are escaped");
	TEXT("\x01\n\x1f\x7f", "\\u0001\\n\\u001f\x7f", "control bytes are escaped");
	TEXT("a\0b", "a\\u0000b", "a NUL is");
	TEXT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "UTF-8 stays");
	TEXT("\xff", "\\ufffd", "a byte that never begins");
	TEXT("\x80" "a", "\\ufffda", "one that only continues");
	TEXT("\xc3", "\\ufffd", "half a character at the end");
	TEXT("\xc3(", "\\ufffd(", "half a character, then another");
	TEXT("\xc0\xaf", "\\ufffd\\ufffd", "too long for what it says");
	TEXT("\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd", "too long, of three");
	TEXT("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd", "half a pair");
	TEXT("\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd", "too long, of four");
	TEXT("\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd", "past the last one");
	TEXT("\xf0\x9f\x98", "\\ufffd\\ufffd\\ufffd", "three of four");
}

static const struct ag_event *
event_of(uint16_t status, struct ag_str agent)
{
	static union { struct ag_event e; uint8_t bytes[AG_EVENT_MAX]; } out;
	static uint8_t number;
	struct ag_event fixed = { .kind = AG_EVENT_REQUEST, .status = status, .received_at_us = 1000000,
		.finished_at_us = 1000700 };
	struct ag_str strs[AG_ES_COUNT] = { [AG_ES_METHOD] = AG_STR("POST"), [AG_ES_AGENT] = agent };

	fixed.request_id[15] = number++;
	ag_event_build(&fixed, strs, NULL, NULL, &out.e);
	return &out.e;
}

static void
every_byte_leaves_a_line_that_parses(void)
{
	bool is_good = true;

	for (int c = 0; c < 65536; c++) {
		char agent[4] = { 'x', (char)(c >> 8), (char)c, 'x' };
		struct json_tokener *tok = json_tokener_new_ex(8);
		struct json_object *o = NULL;
		struct ag_buf b;

		ag_buf_init(&b, 65536);
		ag_access_put_line(&b, event_of(200, ag_str_n(agent, sizeof(agent))));
		json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
		o = json_tokener_parse_ex(tok, b.p, (int)b.n);
		is_good = is_good && o && b.p[b.n - 1] == '\n' && !memchr(b.p, '\n', b.n - 1) &&
		    json_object_object_get_ex(o, "user_agent", NULL);
		json_object_put(o);
		json_tokener_free(tok);
		ag_buf_fini(&b);
	}
	ok(is_good, "every pair of bytes in a user-agent is one line of JSON");
}

static size_t
lines_of(const char *file)
{
	struct ag_err err;
	struct ag_buf b;
	size_t n = 0;

	ag_buf_init(&b, 1 << 20);
	if (ag_file_slurp(file, &b, &err) == 0)
		for (size_t i = 0; i < b.n; i++)
			n += b.p[i] == '\n';
	ag_buf_fini(&b);
	return n;
}

static void
a_file_that_was_moved_is_made_anew(void)
{
	struct ag_access a;

	ag_access_init(&a, path);
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_write(&a);
	is_i64((int64_t)lines_of(path), 2, "two lines");
	if (rename(path, rotated) != 0)
		abort();
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_reopen(&a);
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_write(&a);
	is_i64((int64_t)lines_of(rotated), 3, "what came before goes where it belongs");
	is_i64((int64_t)lines_of(path), 1, "what comes behind into the new one");
	ag_access_fini(&a);
}

static void
a_part_is_kept_and_all_errors(void)
{
	struct ag_access a;
	uint64_t kept;

	ag_access_init(&a, path);
	for (int i = 0; i < 200; i++)
		ag_access_take(&a, event_of(200, AG_STR_NONE), 0);
	is_i64((int64_t)a.n_lines, 0, "of nothing nothing");
	ag_access_take(&a, event_of(429, AG_STR_NONE), 0);
	ag_access_take(&a, event_of(0, AG_STR_NONE), 0);
	is_i64((int64_t)a.n_lines, 2, "but errors and those who had no answer");
	for (int i = 0; i < 256; i++)
		ag_access_take(&a, event_of(200, AG_STR_NONE), 500000);
	kept = a.n_lines - 2;
	ok(kept > 64 && kept < 192, "of a half about half");
	ag_access_fini(&a);
}

static void
what_cannot_be_written_is_counted(void)
{
	struct ag_access a;
	int64_t before = ag_a64_get(&counters[AG_CNT_access_dropped]);

	ag_access_init(&a, "/dev/full");
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_write(&a);
	ag_access_fini(&a);
	ag_access_init(&a, "/nowhere/at/all");
	ag_access_take(&a, event_of(200, AG_STR_NONE), 1000000);
	ag_access_write(&a);
	ag_access_fini(&a);
	is_i64(ag_a64_get(&counters[AG_CNT_access_dropped]) - before, 2, "a full disk, a missing directory");
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(rotated, sizeof(rotated), "%s/log.1", dir);
	ag_counters_mine = counters;
	any_bytes_become_text();
	every_byte_leaves_a_line_that_parses();
	a_file_that_was_moved_is_made_anew();
	a_part_is_kept_and_all_errors();
	what_cannot_be_written_is_counted();
	unlink(path);
	unlink(rotated);
	rmdir(dir);
	return done();
}
