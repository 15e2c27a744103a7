#include "translate/chat.h"

#include <errno.h>

#include "base/json.h"

#define MEDIA_MAX ((size_t)64 << 20)

void
ag_chat_put_data_url(struct json_object *obj, const char *key, struct ag_str type, struct ag_str data)
{
	struct ag_buf b;

	ag_buf_init(&b, MEDIA_MAX);
	ag_buf_puts(&b, "data:");
	ag_buf_put_str(&b, type);
	ag_buf_puts(&b, ";base64,");
	ag_buf_put_str(&b, data);
	ag_tree_put_str(obj, key, ag_buf_str(&b));
	ag_buf_fini(&b);
}

void
ag_chat_put_content(struct json_object *message, struct json_object *parts)
{
	struct json_object *only = ag_json_len(parts) == 1 ? ag_json_at(parts, 0) : NULL;

	if (only && ag_tree_is(only, "type", "text") && ag_json_members(only) == 2) {
		ag_tree_share(message, "content", ag_tree_get(only, "text"));
		json_object_put(parts);
	} else {
		ag_tree_put(message, "content", parts);
	}
}

void
ag_chat_push(struct json_object *messages, const char *role, struct json_object *parts)
{
	struct json_object *m = ag_tree_new();

	ag_tree_put_str(m, "role", ag_str(role));
	ag_chat_put_content(m, parts);
	ag_tree_push(messages, m);
}

struct json_object *
ag_chat_function(struct ag_str name)
{
	struct json_object *one = ag_tree_new(), *fn = ag_tree_new();

	ag_tree_put_str(one, "type", AG_STR("function"));
	ag_tree_put_str(fn, "name", name);
	ag_tree_put(one, "function", fn);
	return one;
}

struct ag_str
ag_chat_arguments(struct json_object *args)
{
	if (!args)
		return AG_STR("{}");
	return ag_str(json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

int
ag_chat_open(struct ag_str text, struct json_object **out_body, struct json_object **out_chat,
    struct json_object **out_messages, struct ag_err *err)
{
	struct json_object *body, *chat, *messages;
	int rc = ag_tree_parse(text, &body, err);

	if (rc < 0)
		return rc;
	chat = ag_tree_new();
	messages = ag_tree_new_array();
	if (!chat || !messages) {
		json_object_put(body);
		json_object_put(chat);
		json_object_put(messages);
		(void)ag_tree_is_short();
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	ag_tree_put(chat, "messages", messages);
	*out_body = body;
	*out_chat = chat;
	*out_messages = messages;
	return 0;
}

int
ag_chat_done(struct json_object *chat, int rc, struct json_object **out_chat, struct ag_err *err)
{
	if (ag_tree_is_short() && rc == 0)
		rc = ag_err_set(err, -ENOMEM, "out of memory");
	if (rc < 0) {
		json_object_put(chat);
		return rc;
	}
	*out_chat = chat;
	return 0;
}
