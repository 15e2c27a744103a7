#include "tools/mock/control.h"

#include <errno.h>

#include <json-c/json.h>

#include "base/num.h"
#include "tools/mock/conn.h"
#include "tools/mock/mock.h"

static int
control_script(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	int rc;

	/* Ready answers cannot follow a script: better refused than ignored. */
	if (c->mock->is_fast)
		return ag_err_set(err, -EINVAL, "there are no scripts in fast mode");
	rc = mock_script_add(&c->mock->script, mock_req_body(&c->req, &c->in), err);
	if (rc == 0)
		ag_buf_printf(out, "{\"rules\":%u}", c->mock->script.n);
	return rc;
}

static int
control_clear(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	(void)err;
	mock_script_clear(&c->mock->script);
	ag_buf_puts(out, "{\"rules\":0}");
	return 0;
}

static int
control_release(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	json_object *o = mock_json_parse(mock_req_body(&c->req, &c->in)), *v = NULL;
	struct ag_str name = AG_STR_NONE;

	if (!o)
		return ag_err_set(err, -EINVAL, "body is not a JSON object");
	json_object_object_get_ex(o, "name", &v);
	if (json_object_is_type(v, json_type_string))
		name = ag_str(json_object_get_string(v));
	ag_buf_printf(out, "{\"released\":%u}", mock_conn_release(c->mock, name));
	json_object_put(o);
	return 0;
}

static int
control_reset(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	(void)err;
	mock_tally_reset(&c->mock->tally);
	ag_buf_puts(out, "{}");
	return 0;
}

static int
control_stats(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	(void)err;
	mock_tally_put_stats(&c->mock->tally, out);
	return 0;
}

static int
control_log(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	static const struct ag_str since = AG_STR("since=");
	struct ag_str target = mock_span_str(c->req.target, &c->in);
	const char *query = memchr(target.p, '?', target.n);
	struct ag_str arg =
		query ? ag_str_skip(target, (size_t)(query - target.p) + 1) : AG_STR_NONE;
	uint64_t n = 0;

	if (arg.n > 0 && (!ag_str_starts(arg, since) ||
			  ag_parse_u64(ag_str_skip(arg, since.n), UINT64_MAX, &n) < 0))
		return ag_err_set(err, -EINVAL, "the query is not since=NUMBER");
	if (!c->mock->tally.log)
		return ag_err_set(err, -EINVAL, "there is no log in fast mode");
	mock_tally_put_log(&c->mock->tally, n, out);
	return 0;
}

static int
control_last(struct mock_conn *c, struct ag_buf *out, struct ag_err *err)
{
	(void)err;
	mock_tally_put_last(&c->mock->tally, out);
	return 0;
}

static const struct {
	const char *method;
	struct ag_str verb;
	int (*run)(struct mock_conn *c, struct ag_buf *out, struct ag_err *err);
} commands[] = {
	{"POST", AG_STR("script"), control_script},   {"DELETE", AG_STR("script"), control_clear},
	{"POST", AG_STR("release"), control_release}, {"POST", AG_STR("reset"), control_reset},
	{"GET", AG_STR("stats"), control_stats},      {"GET", AG_STR("log"), control_log},
	{"GET", AG_STR("last"), control_last},
};

void
mock_control(struct mock_conn *c, struct ag_str verb)
{
	struct ag_str method = mock_span_str(c->req.method, &c->in);
	struct ag_err err = {.text = "there is no such command"};
	int rc = -ENOENT;
	struct ag_buf out;

	ag_buf_init(&out, MOCK_OUT_MAX);
	for (size_t i = 0; i < AG_ARRAY_LEN(commands); i++)
		if (ag_str_eq(verb, commands[i].verb) &&
		    ag_str_eq(method, ag_str(commands[i].method)))
			rc = commands[i].run(c, &out, &err);
	if (rc < 0) {
		ag_buf_reset(&out);
		ag_buf_puts(&out, "{\"error\":\"");
		ag_buf_put_json(&out, ag_str(err.text));
		ag_buf_puts(&out, "\"}");
	}
	ag_buf_putc(&out, '\n');
	mock_answer_whole(&c->answer,
			  rc == 0         ? 200
			  : rc == -ENOENT ? 404
					  : 400,
			  "application/json", AG_STR_NONE, ag_buf_str(&out));
	ag_buf_fini(&out);
}
