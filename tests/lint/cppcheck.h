/* cppcheck.h - what cppcheck must know of macros in headers it does not read. */
#define ag_json_foreach(o, k, v) \
	for (const char *k = 0; k;) for (struct json_object *v = 0; v;)
