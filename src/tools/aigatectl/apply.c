/* apply.c - apply: shows what a file changes, and changes it. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "tools/aigatectl/plan.h"
#include "tools/aigatectl/tree.h"

#define VALUE_MAX 160

/* One at a time, from the reading of what stands to the last call: the lock is on the directory of the socket
 * and ends with us. */
static enum ctl_exit
lock(struct ctl *ctl, int *out_fd)
{
	char path[256], *slash;
	enum ctl_exit status = ctl_socket_path(ctl, path, sizeof(path));
	int fd;

	if (status != CTL_OK)
		return status;
	slash = strrchr(path, '/');
	if (slash && slash != path)
		*slash = '\0';
	fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return ctl_fail(CTL_UNREACHABLE, "could not open %s: %s", slash ? path : ".", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ctl_say("waiting for another apply to end");
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
	}
	*out_fd = fd;
	return CTL_OK;
}

/* What is told once. */
struct told {
	struct json_object *keys, *invites; /* owned: [{workspace, name, id, key}], [{email, invite_link}] */
};

/* ---- showing ---- */

static const char *
op_name(enum ctl_step_op op)
{
	switch (op) {
	case CTL_STEP_CREATE: return "create";
	case CTL_STEP_UPDATE: return "update";
	case CTL_STEP_DELETE: return "delete";
	}
	return "";
}

static void
put_value(struct ag_buf *b, struct json_object *value)
{
	const char *text;

	if (!value) {
		ag_buf_puts(b, "nothing");
		return;
	}
	text = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	ag_buf_printf(b, "%.*s%s", VALUE_MAX, text, strlen(text) > VALUE_MAX ? "..." : "");
}

/* Limits that stand come with what is used of them, which is no part of the change. */
static struct json_object *
as_said(const char *name, struct json_object *value)
{
	static const char *const told[] = { "current_usage", "held", "remaining", "next_usage_reset_at", "status",
		"bound", "would_refuse", "last_reset_at" };
	const char *dot = strrchr(name, '.');

	if (strcmp(dot ? dot + 1 : name, "usage_limits") != 0)
		return value;
	for (size_t i = 0; i < AG_ARRAY_LEN(told); i++) {
		if (json_object_is_type(value, json_type_object))
			json_object_object_del(value, told[i]);
		for (size_t k = 0; json_object_is_type(value, json_type_array) &&
		    k < ag_json_len(value); k++)
			if (json_object_is_type(ag_json_at(value, k), json_type_object))
				json_object_object_del(ag_json_at(value, k), told[i]);
	}
	return value;
}

static void
show_step(const struct ctl_step *step)
{
	static const char mark[] = { [CTL_STEP_CREATE] = '+', [CTL_STEP_UPDATE] = '~', [CTL_STEP_DELETE] = '-' };
	struct ag_buf b;

	printf("%c %s\n", mark[step->op], step->label);
	for (size_t i = 0; i < ag_json_len(step->changes); i++) {
		struct json_object *one = ag_json_at(step->changes, i);
		const char *name = ctl_json_text(one, "member");

		ag_buf_init(&b, 4096);
		if (ctl_json_at(one, "secret")) {
			ag_buf_puts(&b, "changed");
		} else {
			put_value(&b, as_said(name, ctl_json_at(one, "from")));
			ag_buf_puts(&b, " -> ");
			put_value(&b, ctl_json_at(one, "to"));
		}
		printf("    %s: %.*s\n", name, (int)b.n, b.p);
		ag_buf_fini(&b);
	}
}

static void
count(const struct ctl_plan *plan, unsigned n[3])
{
	memset(n, 0, 3 * sizeof(*n));
	for (size_t i = 0; i < plan->n; i++)
		n[plan->v[i].op]++;
}

static void
show(const struct ctl_plan *plan, bool is_dry_run)
{
	unsigned n[3];

	count(plan, n);
	for (size_t i = 0; i < plan->n; i++)
		show_step(&plan->v[i]);
	if (plan->n == 0)
		printf("nothing to do: %u as the file says\n", plan->n_same);
	else
		printf("%s: %u to create, %u to change, %u to delete, %u as the file says\n", is_dry_run ? "dry run" : "plan",
		       n[CTL_STEP_CREATE], n[CTL_STEP_UPDATE], n[CTL_STEP_DELETE], plan->n_same);
	fflush(stdout);
}

static struct json_object *
report_new(const struct ctl_plan *plan, size_t n_done, const struct told *told)
{
	struct json_object *report = json_object_new_object(), *steps = json_object_new_array();

	for (size_t i = 0; i < plan->n; i++) {
		const struct ctl_step *step = &plan->v[i];
		struct json_object *one = json_object_new_object();

		for (size_t k = 0; k < ag_json_len(step->changes); k++) {
			struct json_object *change = ag_json_at(step->changes, k);

			as_said(ctl_json_text(change, "member"), ctl_json_at(change, "from"));
		}
		json_object_object_add(one, "action", json_object_new_string(op_name(step->op)));
		json_object_object_add(one, "what", json_object_new_string(step->label));
		json_object_object_add(one, "members", json_object_get(step->changes));
		json_object_object_add(one, "done", json_object_new_boolean(i < n_done));
		json_object_array_add(steps, one);
	}
	json_object_object_add(report, "changes", steps);
	json_object_object_add(report, "unchanged", json_object_new_int64(plan->n_same));
	json_object_object_add(report, "keys", json_object_get(told->keys));
	json_object_object_add(report, "invites", json_object_get(told->invites));
	return report;
}

/* ---- doing ---- */

static bool
is_confirmed(void)
{
	char line[16] = "";

	if (!isatty(STDIN_FILENO)) {
		ctl_fail(CTL_USAGE, "deleting needs a yes: from a terminal, or --yes");
		return false;
	}
	fputs("delete what the file does not name? type yes: ", stderr);
	if (fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0)
		return true;
	ctl_fail(CTL_FAILED, "nothing was changed");
	return false;
}

static void
learn(struct ctl_plan *plan, const struct ctl_step *step, struct json_object *answer, struct told *told)
{
	struct json_object *one;

	if (ctl_json_text(answer, "invite_link")[0]) {
		one = json_object_new_object();
		json_object_object_add(one, "email", json_object_new_string(ctl_json_text(answer, "email")));
		json_object_object_add(one, "invite_link", json_object_new_string(ctl_json_text(answer, "invite_link")));
		json_object_array_add(told->invites, one);
	}

	if (step->has_name && strcmp(step->noun->identity, "name") == 0 && ctl_json_text(answer, step->noun->handle)[0])
		ctl_live_learn(&plan->live, step->noun, step->workspace, ctl_json_text(step->body, "name"),
		               ctl_json_text(answer, step->noun->handle));
	if (strcmp(step->noun->name, "key") != 0 || !ctl_json_text(answer, "key")[0])
		return;
	one = json_object_new_object();
	json_object_object_add(one, "workspace", json_object_new_string(step->workspace));
	json_object_object_add(one, "name", json_object_new_string(ctl_json_text(step->body, "name")));
	json_object_object_add(one, "id", json_object_new_string(ctl_json_text(answer, "id")));
	json_object_object_add(one, "key", json_object_new_string(ctl_json_text(answer, "key")));
	json_object_array_add(told->keys, one);
}

/* Stops at the first that fails; what was done stands, and another run goes on from there. */
static enum ctl_exit
take_steps(struct ctl_plan *plan, struct told *told, size_t *out_done)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct ctl_step *step = &plan->v[i];
		struct json_object *answer = NULL;
		enum ctl_exit status;

		if (step->body)
			ctl_live_refer(&plan->live, step->workspace, step->body);
		status = ctl_api_if(plan->ctl, step->method, step->path, step->body, step->etag, NULL, &answer);
		if (status == CTL_OK)
			learn(plan, step, answer, told);
		ctl_tree_wipe(answer);
		json_object_put(answer);
		if (status != CTL_OK) {
			ctl_tree_fail(plan->path, step->at, "%s: could not %s it; %zu of %zu changes are made, run it again for "
			              "the rest", step->label, op_name(step->op), i, plan->n);
			return status;
		}
		*out_done = i + 1;
	}
	return CTL_OK;
}

static const struct ctl_column key_columns[] = {
	{ "workspace", "workspace", NULL },
	{ "name", "name", NULL },
	{ "id", "id", NULL },
	{ "key", "key", NULL },
};

static const struct ctl_column invite_columns[] = {
	{ "invited", "email", NULL },
	{ "link", "invite_link", NULL },
};

static void
tell(const struct ctl_plan *plan, const struct told *told, size_t n_done)
{
	struct json_object *report;

	if (plan->ctl->output != CTL_OUT_TABLE) {
		report = report_new(plan, n_done, told);
		ctl_print_tree(plan->ctl, report);
		json_object_put(report);
	} else {
		if (ag_json_len(told->keys) > 0)
			ctl_print_list(plan->ctl, told->keys, told->keys, key_columns, AG_ARRAY_LEN(key_columns));
		if (ag_json_len(told->invites) > 0)
			ctl_print_list(plan->ctl, told->invites, told->invites, invite_columns,
			    AG_ARRAY_LEN(invite_columns));
	}
	if (ag_json_len(told->keys) > 0)
		ctl_say("keep the keys now: they are not stored and will not be shown again");
	if (ag_json_len(told->invites) > 0)
		ctl_say("give them their links: what stands behind the # is told only now");
}

static enum ctl_exit
carry_out(struct ctl_plan *plan, bool is_dry_run, bool is_yes)
{
	struct told told = { json_object_new_array(), json_object_new_array() };
	enum ctl_exit status = CTL_OK;
	size_t n_done = 0;
	unsigned n[3];

	if (plan->ctl->output == CTL_OUT_TABLE)
		show(plan, is_dry_run);
	count(plan, n);
	if (is_dry_run)
		status = plan->n > 0 ? CTL_DIFFERS : CTL_OK;
	else if (n[CTL_STEP_DELETE] > 0 && !is_yes && !is_confirmed())
		status = CTL_USAGE;
	else
		status = take_steps(plan, &told, &n_done);
	tell(plan, &told, n_done);
	if (status == CTL_OK && plan->n > 0 && plan->ctl->output == CTL_OUT_TABLE)
		printf("done\n");
	ctl_tree_wipe(told.keys);
	ctl_tree_wipe(told.invites);
	json_object_put(told.keys);
	json_object_put(told.invites);
	return status;
}

enum ctl_exit
ctl_apply(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_plan plan = { .ctl = ctl };
	const char *file = NULL;
	bool is_dry_run = false, is_yes = false;
	const struct ctl_opt opts[] = { { "file", CTL_OPT_TEXT, &file },
		                            { "f", CTL_OPT_TEXT, &file },
		                            { "dry-run", CTL_OPT_FLAG, &is_dry_run },
		                            { "prune", CTL_OPT_FLAG, &plan.is_pruning },
		                            { "yes", CTL_OPT_FLAG, &is_yes },
		                            { "resend-secrets", CTL_OPT_FLAG, &plan.resends_secrets },
		                            { NULL, CTL_OPT_END, NULL } };
	enum ctl_exit status = ctl_args(ctl, argc, argv, opts, NULL, 0);
	int fd = -1;

	if (status != CTL_OK)
		return status;
	if (!file)
		return ctl_fail(CTL_USAGE, "which file?  Give -f FILE");
	plan.path = strcmp(file, "-") == 0 ? "standard input" : file;
	status = ctl_tree_read(file, &plan.file);
	if (status != CTL_OK)
		return status;
	status = ctl_tree_secrets(plan.path, plan.file);
	if (status == CTL_OK && !is_dry_run)
		status = lock(ctl, &fd);
	if (status == CTL_OK)
		status = ctl_plan_make(&plan);
	if (status == CTL_OK)
		status = carry_out(&plan, is_dry_run, is_yes);
	ctl_plan_fini(&plan);
	ag_fd_close(&fd);
	return status;
}
