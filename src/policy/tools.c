#include "policy/tools.h"

#include "provider/figure.h"

enum run {
	BY_CLIENT,  /* the provider asks for it, and that is all */
	FREE,       /* run by the provider, for its tokens */
	SEARCH,     /* for the fee a search that the price has */
	FEE,        /* for another */
};

struct kind {
	const char *name; /* "" ends a list */
	enum run run;
	enum { WHOLE, DATED, LIMITED } match; /* its date follows; and max_uses limits it */
};

/* Code is billed by the time its container runs, and free beside a search; an answer tells neither. */
static const struct kind anthropic_kinds[] = {
	{ "custom", BY_CLIENT, WHOLE }, { "bash_", BY_CLIENT, DATED }, { "text_editor_", BY_CLIENT, DATED },
	{ "computer_", BY_CLIENT, DATED }, { "memory_", BY_CLIENT, DATED }, { "web_search_", SEARCH, LIMITED },
	{ "web_fetch_", FREE, LIMITED }, { "tool_search_", FREE, DATED }, { "mcp_toolset", FREE, WHOLE }, { "", FEE, WHOLE } };
/* Searching files is billed by the call, containers by the session, pictures by tokens of another model. */
static const struct kind responses_kinds[] = {
	{ "function", BY_CLIENT, WHOLE }, { "custom", BY_CLIENT, WHOLE }, { "local_shell", BY_CLIENT, WHOLE },
	{ "apply_patch", BY_CLIENT, WHOLE }, { "computer", BY_CLIENT, WHOLE },
	{ "computer_use_preview", BY_CLIENT, WHOLE }, { "namespace", BY_CLIENT, WHOLE },
	{ "tool_search", FREE, WHOLE }, { "mcp", FREE, WHOLE }, { "web_search", SEARCH, WHOLE },
	{ "web_search_", SEARCH, DATED }, { "", FEE, WHOLE } };
static const struct kind gemini_kinds[] = {
	{ "functionDeclarations", BY_CLIENT, WHOLE }, { "function_declarations", BY_CLIENT, WHOLE },
	{ "computerUse", BY_CLIENT, WHOLE }, { "computer_use", BY_CLIENT, WHOLE },
	{ "googleSearch", SEARCH, WHOLE }, { "google_search", SEARCH, WHOLE },
	{ "googleSearchRetrieval", SEARCH, WHOLE }, { "google_search_retrieval", SEARCH, WHOLE },
	{ "urlContext", FREE, WHOLE }, { "url_context", FREE, WHOLE },
	{ "codeExecution", FREE, WHOLE }, { "code_execution", FREE, WHOLE }, { "", FEE, WHOLE } };

static const struct kind *
kind_of(const struct kind *kinds, struct ag_str name)
{
	for (; kinds->name[0] != '\0'; kinds++) {
		struct ag_str k = ag_str(kinds->name);

		if (kinds->match != WHOLE ? ag_str_starts(name, k) : ag_str_eq(name, k))
			break;
	}
	return kinds;
}

static void
add_unknown(struct ag_tools *t)
{
	t->is_run = true;
	t->n_unlimited++;
	t->fee = AG_STR("(unreadable)");
}

/* uses: at most so often, 0 no limit. */
static void
add(struct ag_tools *t, const struct kind *kind, struct ag_str name, uint64_t uses)
{
	if (kind->run == BY_CLIENT)
		return;
	t->is_run = true;
	t->is_searching |= kind->run == SEARCH;
	if (kind->run == FEE)
		t->fee = name;
	t->n_unlimited += uses == 0;
	if (__builtin_add_overflow(t->uses, uses, &t->uses))
		t->uses = UINT64_MAX;
}

static void
read_typed(struct ag_str tools, const struct kind *kinds, bool may_lack, struct ag_tools *t)
{
	static const struct ag_str names[2] = { { "type", 4 }, { "max_uses", 8 } };
	struct ag_json_value v, f[2];
	struct ag_json_fault fault;
	struct ag_json_iter it;
	int rc;

	ag_json_iter_init(&it, tools);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		struct ag_str object = ag_json_raw(tools, v), type;
		const struct kind *kind;
		uint64_t uses = 0;

		if (v.type != AG_JSON_OBJECT || ag_figure_scan(object, names, 2, f, &fault) < 0) {
			add_unknown(t);
			continue;
		}
		type = f[0].type == AG_JSON_STRING ? ag_figure_inside(object, f[0]) : AG_STR_NONE;
		if (f[0].type == AG_JSON_ABSENT && may_lack)
			continue;
		if (type.n == 0) {
			add_unknown(t);
			continue;
		}
		kind = kind_of(kinds, type);
		if (kind->match != LIMITED || f[1].type != AG_JSON_NUMBER ||
		    ag_json_u64(ag_json_raw(object, f[1]), &uses) < 0)
			uses = 0;
		add(t, kind, type, uses);
		if (kind->match == LIMITED && f[1].type == AG_JSON_ABSENT && t->n_open++ < AG_TOOLS_OPEN)
			t->open[t->n_open - 1] = v.off + 1;
	}
	if (rc < 0)
		add_unknown(t);
}

void
ag_tools_anthropic(struct ag_str tools, struct ag_tools *out)
{
	*out = (struct ag_tools){ 0 };
	read_typed(tools, anthropic_kinds, true, out);
}

void
ag_tools_responses(struct ag_str tools, struct ag_tools *out)
{
	*out = (struct ag_tools){ 0 };
	read_typed(tools, responses_kinds, false, out);
}

/* A tool is known by its members. */
static void
read_gemini(struct ag_str tool, struct ag_tools *t)
{
	struct ag_json_value member;
	struct ag_json_iter it;
	struct ag_str key;
	int rc;

	ag_json_iter_init(&it, tool);
	while ((rc = ag_json_object_next(&it, &member)) == 1) {
		if (ag_json_string_plain(ag_str_n(tool.p + member.key_off, member.key_len), &key))
			add(t, kind_of(gemini_kinds, key), key, 0);
		else
			add_unknown(t);
	}
	if (rc < 0)
		add_unknown(t);
}

void
ag_tools_gemini(struct ag_str tools, struct ag_tools *out)
{
	struct ag_json_iter it;
	struct ag_json_value v;
	int rc;

	*out = (struct ag_tools){ 0 };
	/* One alone is read there without its array too. */
	if (tools.n > 0 && tools.p[0] == '{') {
		read_gemini(tools, out);
		return;
	}
	ag_json_iter_init(&it, tools);
	while ((rc = ag_json_array_next(&it, &v)) == 1) {
		if (v.type == AG_JSON_OBJECT)
			read_gemini(ag_json_raw(tools, v), out);
		else
			add_unknown(out);
	}
	if (rc < 0)
		add_unknown(out);
}
