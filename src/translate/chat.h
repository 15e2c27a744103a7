/* chat.h - the middle of a translation, a chat in OpenAI's form: what every protocol's parse puts into it,
 * and every build asks of it. */
#ifndef AG_TRANSLATE_CHAT_H
#define AG_TRANSLATE_CHAT_H

#include "translate/tree.h"

/* "data:TYPE;base64,DATA" as a member. */
void ag_chat_put_data_url(struct json_object *obj, const char *key, struct ag_str type, struct ag_str data);
/* Takes parts over.  One part that is nothing but text stands as text. */
void ag_chat_put_content(struct json_object *message, struct json_object *parts);
/* A message of these parts, which it takes over, at the end of messages. */
void ag_chat_push(struct json_object *messages, const char *role, struct json_object *parts);
/* {"type":"function","function":{"name":name}}: a tool, by its name. */
struct json_object *ag_chat_function(struct ag_str name);
/* A call's arguments, which are a text in a chat: the object's text, "{}" for none.  Good as long as args. */
struct ag_str ag_chat_arguments(struct json_object *args);
/* Opens a client's body and the chat that comes of it, with an empty `messages`, which is borrowed.  -EINVAL
 * or -ENOMEM with err: nothing is open. */
int ag_chat_open(struct ag_str text, struct json_object **out_body, struct json_object **out_chat,
    struct json_object **out_messages, struct ag_err *err) AG_MUST_CHECK;
/* The chat is whole: 0 and it is handed out; else rc, or -ENOMEM when memory ran out, and it is freed. */
int ag_chat_done(struct json_object *chat, int rc, struct json_object **out_chat,
    struct ag_err *err) AG_MUST_CHECK;

static inline bool
ag_chat_is_role(struct json_object *message, const char *role)
{
	return ag_tree_is(message, "role", role);
}

static inline bool
ag_chat_is_system(struct json_object *message)
{
	return ag_chat_is_role(message, "system") || ag_chat_is_role(message, "developer");
}

#endif
