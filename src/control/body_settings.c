#include "control/body_settings.h"

#include "aigated/body.h"
#include "base/json.h"
#include "base/pattern.h"
#include "control/field.h"
#include "control/user_keys.h"

static int
read_mode(struct ag_call *c, struct json_object *settings, struct ag_body_settings *out)
{
	static const char *const modes[] = { "off", "on_request", "on", "enforced" };
	bool debug_log = false, is_known = false;
	enum ag_field debug = ag_field_bool(c, settings, "settings.debug_log", &debug_log);
	enum ag_field mode = ag_field_text(c, settings, "settings.body_log", 16, &out->body_log);

	if (debug == AG_FIELD_BAD || mode == AG_FIELD_BAD)
		return -1;
	if (mode == AG_FIELD_NULL)
		out->body_log = "off";
	for (size_t i = 0; i < AG_ARRAY_LEN(modes); i++)
		is_known = is_known || (out->body_log && strcmp(out->body_log, modes[i]) == 0);
	if (out->body_log && !is_known)
		return ag_call_invalid(c, "settings.body_log: must be off, on_request, on or enforced, not \"%s\"",
		    out->body_log);
	/* What is read back says both. */
	if (debug == AG_FIELD_SET && out->body_log && debug_log != (strcmp(out->body_log, "off") != 0))
		return ag_call_invalid(c, "settings.debug_log: contradicts settings.body_log; give one of them");
	if (debug == AG_FIELD_SET && !out->body_log)
		out->body_log = debug_log ? "on" : "off";
	if (out->body_log && strcmp(out->body_log, "off") != 0 && c->ctl->ctx->shm->hdr->sizes.body_ring_bytes == 0)
		return ag_call_invalid(c, "settings.%s: bodies are not kept by this gateway: its directive body_ring is 0",
		    mode == AG_FIELD_SET ? "body_log" : "debug_log");
	return 0;
}

static struct ag_str
text_at(struct json_object *list, size_t i)
{
	struct json_object *v = ag_json_at(list, i);

	return json_object_is_type(v, json_type_string)
	    ? ag_str_n(json_object_get_string(v), (size_t)json_object_get_string_len(v)) : AG_STR_NONE;
}

static int
check_kinds(struct ag_call *c, struct json_object *list)
{
	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct ag_str kind = text_at(list, i);

		if (!ag_str_eq(kind, AG_STR("email")) && !ag_str_eq(kind, AG_STR("card")) &&
		    !ag_str_eq(kind, AG_STR("phone")))
			return ag_call_invalid(c, "settings.redact: must be a list of email, card and phone; credentials"
			    " are taken out always");
	}
	return 0;
}

static int
check_patterns(struct ag_call *c, struct json_object *list)
{
	if (ag_json_len(list) > AG_BODY_PATTERNS_MAX)
		return ag_call_invalid(c, "settings.redact_patterns: must be at most %u",
		    AG_BODY_PATTERNS_MAX);
	for (size_t i = 0; i < ag_json_len(list); i++) {
		struct ag_str text = text_at(list, i);
		struct ag_pattern *p = NULL;
		struct ag_err err = { "" };
		unsigned steps;

		if (text.n == 0)
			return ag_call_invalid(c, "settings.redact_patterns[%zu]: must be a regular expression", i);
		if (ag_pattern_compile(text, &p, &err) < 0)
			return ag_call_invalid(c, "settings.redact_patterns[%zu]: %s", i, err.text);
		steps = ag_pattern_steps(p);
		ag_pattern_free(p);
		if (steps > AG_BODY_STEPS_MAX)
			return ag_call_invalid(c, "settings.redact_patterns[%zu]: is too big: %u steps, allowed are %u", i,
			    steps, AG_BODY_STEPS_MAX);
	}
	return 0;
}

int
ag_body_settings_read(struct ag_call *c, struct ag_body_settings *out)
{
	static const char *const served[] = { "debug_log", "body_log", "redact", "redact_patterns" };
	struct json_object *settings = NULL;

	if (ag_field_object(c, c->body, "settings", &settings) == AG_FIELD_BAD)
		return -1;
	if (!settings)
		return 0;
	ag_json_foreach(settings, name, value) {
		bool is_served = !value || ag_user_keys_is_setting(name);

		for (size_t i = 0; i < AG_ARRAY_LEN(served); i++)
			is_served = is_served || strcmp(name, served[i]) == 0;
		if (!is_served)
			return ag_call_invalid(c, "settings.%.64s: there is no such setting", name);
	}
	if (read_mode(c, settings, out) < 0 ||
	    ag_field_array(c, settings, "settings.redact", &out->redact) == AG_FIELD_BAD ||
	    ag_field_array(c, settings, "settings.redact_patterns", &out->patterns) == AG_FIELD_BAD ||
	    (out->redact && check_kinds(c, out->redact) < 0))
		return -1;
	return out->patterns ? check_patterns(c, out->patterns) : 0;
}
