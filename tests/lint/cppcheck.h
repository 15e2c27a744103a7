/* cppcheck.h - what cppcheck must know of macros in headers it does not read. */
#define json_object_object_foreach(o, k, v) \
	for (char *k = 0; k;) for (struct json_object *v = 0; v;)
