/* objects.c - what a provider keeps belongs to the workspace that made it: nobody else may name it.
 *
 * Paths and bodies are read by policy/objects.c, owners stand in shm/objtab.c; what is new is noted when an
 * answer is settled, and stored with its record.  A worker that dies before leaves an object to nobody. */
#include <errno.h>

#include "base/log.h"
#include "policy/objects.h"
#include "shm/counters.h"
#include "worker/form.h"
#include "worker/request.h"

static uint64_t
tag_of(const struct ag_req *r, struct ag_str id)
{
	return ag_objtab_tag(r->target.integration->id, id);
}

/* ---- admission --------------------------------------------------------------------------- */

struct naming {
	struct ag_req *r;
	struct ag_str *out_detail;
};

/* An address that everybody can read is no object of the account. */
static bool
is_public(struct ag_str id)
{
	return (ag_str_starts(id, AG_STR("https://")) || ag_str_starts(id, AG_STR("http://"))) &&
	    !memmem(id.p, id.n, "googleapis.com", 14);
}

static int
check_id(void *arg, struct ag_str id)
{
	struct naming *n = arg;

	if (id.n == 0 || is_public(id) || ag_objtab_owner(n->r->w->shm, tag_of(n->r, id)) == n->r->ws->id)
		return 0;
	*n->out_detail = ag_arena_dup(&n->r->arena, ag_str_n(id.p, id.n < 128 ? id.n : 128));
	return -EACCES;
}

static int
check_part(void *arg, const struct ag_form_part *part, struct ag_str value)
{
	return !part->is_file && ag_object_is_naming(part->name) ? check_id(arg, value) : 0;
}

static enum ag_verdict
check_body(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct ag_str boundary = ag_form_boundary(ag_http_header_get(head, AG_STR("content-type")));
	struct naming n = { .r = r, .out_detail = out_detail };
	struct ag_buf b;
	int rc;

	if (r->body_len == 0)
		return AG_ALLOW;
	if (boundary.n > 0) {
		rc = ag_form_each(ag_req_body(r), boundary, check_part, &n);
	} else if (r->is_passed && !ag_passed_is_json(head, ag_req_body(r))) {
		return AG_DENY_BAD_CONTENT_TYPE; /* what it names nobody here could read */
	} else {
		ag_buf_init(&b, 4096);
		rc = ag_object_ids(ag_req_body(r), &b, check_id, &n);
		ag_buf_fini(&b);
	}
	if (rc == -EACCES)
		return AG_DENY_OBJECT_UNKNOWN;
	if (rc < 0) {
		*out_detail = AG_STR("Invalid request body: what it names cannot be read");
		return AG_DENY_BAD_REQUEST;
	}
	return AG_ALLOW;
}

static struct ag_str
path_of(const struct ag_http_head *head)
{
	return head->path.n > 3 ? ag_str_skip(head->path, 3) : head->path; /* behind /v1 */
}

void
ag_objects_read_path(struct ag_req *r, const struct ag_http_head *head)
{
	struct ag_object_call call;

	ag_object_call_read(r->target.family, head->method_str, path_of(head), r->requested_model.n > 0, &call);
	r->object.use = call.use;
	r->object.work = call.work;
	r->object.becomes = call.becomes;
	r->object.brings = call.brings;
	r->object.id = call.id.n > 0 ? ag_req_unescape(r, call.id) : AG_STR_NONE;
	r->object.what = ag_arena_dup(&r->arena, head->path);
}

enum ag_verdict
ag_objects_check(struct ag_req *r, const struct ag_http_head *head, struct ag_str *out_detail)
{
	struct naming n = { .r = r, .out_detail = out_detail };

	if (r->target.integration->flags & AG_CAT_INTEGRATION_SHARED)
		return AG_ALLOW;
	if (r->is_passed) {
		*out_detail = r->object.what;
		if (r->object.use == AG_OBJECTS_UNKNOWN)
			return AG_DENY_OBJECT_PATH;
		if (r->object.use == AG_OBJECTS_LIST)
			return AG_DENY_OBJECT_LIST;
		if (r->object.use == AG_OBJECTS_ONE && (r->object.id.n == 0 || check_id(&n, r->object.id) != 0)) {
			*out_detail = r->object.id;
			return AG_DENY_OBJECT_UNKNOWN;
		}
		*out_detail = AG_STR_NONE;
	}
	return check_body(r, head, out_detail);
}

/* ---- settlement -------------------------------------------------------------------------- */

/* 1: it was nobody's before. */
static int
note(struct ag_req *r, struct ag_str id, enum ag_object_kind kind)
{
	static struct ag_log_limit limit;
	int rc = ag_objtab_put(r->w->shm, tag_of(r, id), r->ws->id, kind, r->rec.received_at_us);

	if (rc >= 0)
		return rc;
	ag_count(AG_CNT_objects_unowned);
	if (ag_log_allowed(&limit, 5))
		ag_warn("could not note who made an object of a provider: %s trace=%.*s",
		    rc == -ENOSPC ? "the table is full, see directive max_objects" : rc == -EEXIST
		    ? "the provider answered the id of another workspace's" : "the workspace's number is too large",
		    AG_STR_ARG(r->trace_id));
	return rc;
}

static int
note_with(void *arg, struct ag_str id)
{
	struct ag_req *r = arg;

	if (id.n < sizeof(r->answer.id) && note(r, id, AG_OBJECT_KEPT) == 1 && r->object.becomes == AG_OBJECT_NONE) {
		/* One a record: what finds no place there is found again when the object is read again. */
		r->object.becomes = AG_OBJECT_KEPT;
		(void)ag_str_copy(id, r->answer.id, sizeof(r->answer.id));
	}
	return 0;
}

/* An item goes when the answer does that it is part of; not stored in PostgreSQL. */
static int
note_item(void *arg, struct ag_str id)
{
	(void)!note(arg, id, AG_OBJECT_FLEETING);
	return 0;
}

void
ag_objects_read_answer(struct ag_req *r, struct ag_str body)
{
	if (r->rec.status / 100 != 2)
		return;
	if (r->endpoint == AG_EP_RESPONSES)
		ag_object_items(body, note_item, r);
	else
		ag_object_come_with(body, note_with, r);
}

void
ag_objects_read_event(struct ag_req *r, struct ag_str name, struct ag_str data)
{
	if (ag_str_eq(name, AG_STR("response.output_item.done")))
		ag_object_item(data, note_item, r);
}

void
ag_objects_settle(struct ag_req *r)
{
	struct ag_str id = ag_str(r->answer.id);

	if (r->rec.status / 100 != 2)
		return;
	if (r->object.becomes == AG_OBJECT_GONE) {
		ag_objtab_remove(r->w->shm, tag_of(r, r->object.id), r->ws->id);
		(void)ag_str_copy(r->object.id, r->answer.id, sizeof(r->answer.id));
		r->rec.object = AG_OBJECT_GONE;
	} else if (id.n > 0 && note(r, id, r->object.becomes) >= 0) {
		r->rec.object = (uint8_t)r->object.becomes;
	}
}
