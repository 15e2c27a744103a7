/* tree.h - YAML and JSON files as one json-c tree that remembers its lines, and back to YAML. */
#ifndef AIGATECTL_TREE_H
#define AIGATECTL_TREE_H

#include "tools/aigatectl/ctl.h"

/* A file ("-" standard input) that holds one mapping; JSON when it is named .json, else YAML, of which
 * JSON is nearly all a part.  What is wrong is said as "FILE:LINE: what".  out_tree is the caller's. */
enum ctl_exit ctl_tree_read(const char *path, struct json_object **out_tree);
/* The line a mapping, sequence or text began at; 0 when it is not known (JSON). */
int ctl_tree_line(struct json_object *o);
/* "FILE:LINE: text", or "FILE: text" where the line is not known. */
enum ctl_exit ctl_tree_fail(const char *path, struct json_object *at, const char *fmt, ...) AG_PRINTF(3, 4);

/* Puts what {env: NAME} and {file: PATH} stand for in their place, below `o`.  One that is `optional` and
 * not there is taken out with its member. */
enum ctl_exit ctl_tree_secrets(const char *path, struct json_object *o);
/* Overwrites every text below `o`: credentials have been in there. */
void ctl_tree_wipe(struct json_object *o);

void ctl_yaml_put(struct ag_buf *b, struct json_object *o);

#endif
