#include "control/secret_fetch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/json.h"
#include "conf/conf.h"
#include "control/custom_host.h"

const char *
ag_secret_text(struct json_object *obj, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, name, &v) && json_object_is_type(v, json_type_string) &&
	    json_object_get_string_len(v) > 0 ? json_object_get_string(v) : NULL;
}

const char *
ag_secret_either(struct json_object *obj, const char *name, const char *other)
{
	const char *v = ag_secret_text(obj, name);

	return v ? v : ag_secret_text(obj, other);
}

/* ---- what may be fetched ---- */

static int
check_vault(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_err *err)
{
	const char *addr = ag_secret_text(at->auth, "vault_addr");
	struct ag_err why = { "" };

	if (!addr)
		return ag_err_set(err, -EINVAL, "auth_config.vault_addr: is required");
	if (ag_custom_host_check(ag_str(addr), ag_str(conf->trusted_hosts), &why) < 0)
		return ag_err_set(err, -EINVAL, "auth_config.vault_addr: %.200s", why.text);
	if (ag_secret_text(at->auth, "vault_role"))
		return ag_err_set(err, -EINVAL, "auth_config.vault_role: logging in by Kubernetes is not implemented by "
		    "this gateway");
	if (!ag_secret_text(at->auth, "vault_token") && (!ag_secret_either(at->auth, "role_id", "vault_role_id") ||
	    !ag_secret_either(at->auth, "secret_id", "vault_secret_id")))
		return ag_err_set(err, -EINVAL, "auth_config: needs vault_token, or role_id and secret_id");
	if (strpbrk(at->path, "?#\\\r\n \t") || strstr(at->path, "..") || at->path[0] == '/')
		return ag_err_set(err, -EINVAL, "secret_path: must be a path such as secret/data/openai");
	return 0;
}

static int
check_file(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_err *err)
{
	if (!conf->credential_dir[0])
		return ag_err_set(err, -EINVAL, "manager_type: file needs the directive credential_dir");
	if (at->path[0] == '.' || strchr(at->path, '/'))
		return ag_err_set(err, -EINVAL, "secret_path: must be the name of a file in credential_dir");
	return 0;
}

int
ag_secret_check(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_err *err)
{
	if (strcmp(at->manager, "hashicorp_vault") == 0)
		return check_vault(conf, at, err);
	if (strcmp(at->manager, "file") == 0)
		return check_file(conf, at, err);
	if (strcmp(at->manager, "environment") == 0)
		return ag_str_starts(ag_str(at->path), AG_STR(AG_SECRET_ENV_PREFIX)) ? 0
		    : ag_err_set(err, -EINVAL, "secret_path: must be a variable whose name begins with "
		    AG_SECRET_ENV_PREFIX);
	if (strcmp(at->manager, "aws_sm") == 0 || strcmp(at->manager, "azure_kv") == 0)
		return ag_err_set(err, -EINVAL, "manager_type: %s is not implemented by this gateway", at->manager);
	return ag_err_set(err, -EINVAL, "manager_type: must be hashicorp_vault, file or environment, not \"%.40s\"",
	    at->manager);
}

bool
ag_secret_is_remote(const char *manager)
{
	return strcmp(manager, "hashicorp_vault") == 0;
}

static void
wipe_text(struct json_object *v)
{
	union { const char *in; char *out; } p = { json_object_get_string(v) };

	ag_mem_wipe(p.out, (size_t)json_object_get_string_len(v));
}

static void
wipe_texts(struct json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		wipe_text(v);
	for (size_t i = 0; i < ag_json_len(v); i++)
		wipe_texts(ag_json_at(v, i));
	if (!json_object_is_type(v, json_type_object))
		return;
	ag_json_foreach(v, name, inner) {
		(void)name;
		wipe_texts(inner);
	}
}

void
ag_secret_json_put(struct json_object *obj)
{
	wipe_texts(obj);
	json_object_put(obj);
}

/* ---- members ---- */

static struct json_object *
only_member(struct json_object *obj)
{
	struct json_object *only = NULL;

	ag_json_foreach(obj, name, v) {
		(void)name;
		only = v;
	}
	return only;
}

int
ag_secret_pick(struct json_object *obj, const char *key, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(obj, json_type_object))
		return ag_err_set(err, -EINVAL, "the secret is no JSON object");
	if (key && !json_object_object_get_ex(obj, key, &v))
		return ag_err_set(err, -ENOENT, "the secret has no member \"%.64s\"", key);
	if (!key && ag_json_members(obj) != 1)
		return ag_err_set(err, -EINVAL, "the secret has %zu members: secret_key has to name one",
		    ag_json_members(obj));
	if (!key)
		v = only_member(obj);
	if (!json_object_is_type(v, json_type_string) || json_object_get_string_len(v) == 0)
		return ag_err_set(err, -EINVAL, "the member of the secret is no text");
	ag_buf_put(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
	return out->failed ? ag_err_set(err, -EMSGSIZE, "the secret is too long") : 0;
}

/* ---- files and variables ---- */

static int
read_file(const struct ag_conf *conf, const char *name, struct ag_buf *out, struct ag_err *err)
{
	AG_AUTO(ag_fd) int dir = open(conf->credential_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AG_AUTO(ag_fd) int fd = dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ag_err_set(err, -ENOENT, "could not open \"%.100s\" in credential_dir: %s", name,
		    fd < 0 ? strerror(errno) : "not a regular file");
	while (n > 0 && !out->failed) {
		char *at = ag_buf_reserve(out, 4096);

		n = at ? read(fd, at, 4096) : -1;
		if (n > 0)
			ag_buf_commit(out, (size_t)n);
	}
	if (n < 0 || out->failed)
		return ag_err_set(err, -EIO, "could not read \"%.100s\" in credential_dir: it is too long, or %s", name,
		    strerror(errno));
	return 0;
}

/* A text, or a member of the JSON object it is. */
static int
take_text(const struct ag_secret_at *at, struct ag_str text, struct ag_buf *out, struct ag_err *err)
{
	struct json_tokener *tok;
	struct json_object *obj;
	int rc;

	text = ag_str_trim(text);
	while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
		text.n--;
	if (!at->key && !at->is_json) {
		ag_buf_put_str(out, text);
		return text.n == 0 ? ag_err_set(err, -EINVAL, "the secret is empty") : 0;
	}
	tok = json_tokener_new_ex(8);
	obj = tok ? json_tokener_parse_ex(tok, text.p, (int)text.n) : NULL;
	rc = obj ? ag_secret_pick(obj, at->key, out, err) : ag_err_set(err, -EINVAL, "the secret is no JSON object");
	json_object_put(obj);
	json_tokener_free(tok);
	return rc;
}

int
ag_secret_fetch(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_buf *out,
    struct ag_err *err)
{
	const char *value;
	struct ag_buf text;
	int rc = ag_secret_check(conf, at, err);

	if (rc < 0)
		return rc;
	assert(!ag_secret_is_remote(at->manager));
	ag_buf_init(&text, AG_SECRET_MAX);
	if (strcmp(at->manager, "environment") == 0) {
		value = getenv(at->path);
		rc = value ? take_text(at, ag_str(value), out, err)
		           : ag_err_set(err, -ENOENT, "the variable \"%.100s\" is not set", at->path);
	} else {
		rc = read_file(conf, at->path, &text, err);
		if (rc == 0)
			rc = take_text(at, ag_buf_str(&text), out, err);
	}
	if (text.p)
		ag_mem_wipe(text.p, text.n);
	ag_buf_fini(&text);
	return rc;
}
