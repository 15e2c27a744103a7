#include "control/secret_fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/fd.h"
#include "base/hash.h"
#include "conf/conf.h"
#include "control/custom_host.h"

#define FETCH_MS 3000L

static const char *
text_of(struct json_object *obj, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(obj, name, &v) && json_object_is_type(v, json_type_string) &&
	    json_object_get_string_len(v) > 0 ? json_object_get_string(v) : NULL;
}

/* The same member under its short and its long name. */
static const char *
either(struct json_object *obj, const char *name, const char *other)
{
	const char *v = text_of(obj, name);

	return v ? v : text_of(obj, other);
}

/* ---- what may be fetched ---- */

static int
check_vault(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_err *err)
{
	const char *addr = text_of(at->auth, "vault_addr");
	struct ag_err why = { "" };

	if (!addr)
		return ag_err_set(err, -EINVAL, "auth_config.vault_addr: is required");
	if (ag_custom_host_check(ag_str(addr), ag_str(conf->trusted_hosts), &why) < 0)
		return ag_err_set(err, -EINVAL, "auth_config.vault_addr: %.200s", why.text);
	if (text_of(at->auth, "vault_role"))
		return ag_err_set(err, -EINVAL, "auth_config.vault_role: logging in by Kubernetes is not implemented by "
		    "this gateway");
	if (!text_of(at->auth, "vault_token") && (!either(at->auth, "role_id", "vault_role_id") ||
	    !either(at->auth, "secret_id", "vault_secret_id")))
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

/* ---- Vault ---- */

struct connecting {
	const struct ag_conf *conf;
	bool is_trusted;
	bool led_inwards;
};

static curl_socket_t
on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct connecting *c = arg;

	(void)purpose;
	if (!c->is_trusted && ag_sockaddr_is_inner(&to->addr)) {
		c->led_inwards = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t
on_body(char *p, size_t size, size_t n, void *arg)
{
	struct ag_buf *b = arg;

	ag_buf_put(b, p, size * n);
	return b->failed ? 0 : size * n;
}

static bool
host_is_trusted(const struct ag_conf *conf, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;
	bool trusted = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    ag_host_is_trusted(ag_str(conf->trusted_hosts), ag_str(host), (uint16_t)atol(port));

	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return trusted;
}

static struct curl_slist *
headers_of(const struct ag_secret_at *at, const char *token)
{
	const char *space = text_of(at->auth, "vault_namespace");
	struct curl_slist *list = curl_slist_append(NULL, "expect:");
	char line[2048];

	snprintf(line, sizeof(line), "x-vault-token: %.1900s", token ? token : "");
	if (token)
		list = curl_slist_append(list, line);
	snprintf(line, sizeof(line), "x-vault-namespace: %.255s", space ? space : "");
	if (space)
		list = curl_slist_append(list, line);
	ag_mem_wipe(line, sizeof(line));
	return list;
}

/* One request; the answer as JSON, the caller's. */
static int
ask(const struct ag_conf *conf, const struct ag_secret_at *at, const char *path, const char *token,
    const char *post, struct json_object **out, struct ag_err *err)
{
	const char *addr = text_of(at->auth, "vault_addr");
	struct connecting to = { .conf = conf, .is_trusted = host_is_trusted(conf, addr) };
	struct curl_slist *headers = headers_of(at, token);
	CURL *curl = curl_easy_init();
	size_t n = strlen(addr);
	long status = 0;
	struct ag_buf body;
	char url[4096];
	CURLcode rc;

	*out = NULL;
	ag_buf_init(&body, AG_SECRET_MAX + 4096);
	if (n > 0 && addr[n - 1] == '/')
		n--;
	snprintf(url, sizeof(url), "%.*s/v1/%.2000s", (int)(n < 2000 ? n : 2000), addr, path);
	if (!curl)
		return ag_err_set(err, -ENOMEM, "out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, FETCH_MS);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &to);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	if (conf->upstream_ca_file[0])
		curl_easy_setopt(curl, CURLOPT_CAINFO, conf->upstream_ca_file);
	if (post)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post);
	rc = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	ag_buf_putc(&body, '\0');
	if (rc == CURLE_OK && status == 200 && !body.failed)
		*out = json_tokener_parse(body.p);
	if (body.p)
		ag_mem_wipe(body.p, body.n);
	ag_buf_fini(&body);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	if (*out)
		return 0;
	if (to.led_inwards)
		return ag_err_set(err, -EACCES, "the vault's address leads inwards; see directive trusted_hosts");
	if (rc != CURLE_OK)
		return ag_err_set(err, -EIO, "could not reach the vault: %s", curl_easy_strerror(rc));
	if (status != 200)
		return ag_err_set(err, -EIO, "the vault answered %ld", status);
	return ag_err_set(err, -EIO, "the vault's answer is no JSON");
}

/* By role and secret; the token is the caller's JSON. */
static int
log_in(const struct ag_conf *conf, const struct ag_secret_at *at, struct json_object **out_answer,
    const char **out_token, struct ag_err *err)
{
	struct json_object *body = json_object_new_object(), *auth = NULL;
	int rc;

	json_object_object_add(body, "role_id", json_object_new_string(either(at->auth, "role_id", "vault_role_id")));
	json_object_object_add(body, "secret_id",
	    json_object_new_string(either(at->auth, "secret_id", "vault_secret_id")));
	rc = ask(conf, at, "auth/approle/login", NULL, json_object_to_json_string(body), out_answer, err);
	json_object_put(body);
	if (rc < 0)
		return rc;
	json_object_object_get_ex(*out_answer, "auth", &auth);
	*out_token = auth ? text_of(auth, "client_token") : NULL;
	return *out_token ? 0 : ag_err_set(err, -EIO, "the vault gave no token for the role");
}

static struct json_object *
only_member(struct json_object *obj)
{
	struct json_object *only = NULL;

	json_object_object_foreach(obj, name, v) {
		(void)name;
		only = v;
	}
	return only;
}

/* The member meant; without a name the only one. */
static int
pick(struct json_object *obj, const char *key, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *v = NULL;

	if (!json_object_is_type(obj, json_type_object))
		return ag_err_set(err, -EINVAL, "the secret is no JSON object");
	if (key && !json_object_object_get_ex(obj, key, &v))
		return ag_err_set(err, -ENOENT, "the secret has no member \"%.64s\"", key);
	if (!key && json_object_object_length(obj) != 1)
		return ag_err_set(err, -EINVAL, "the secret has %d members: secret_key has to name one",
		    json_object_object_length(obj));
	if (!key)
		v = only_member(obj);
	if (!json_object_is_type(v, json_type_string) || json_object_get_string_len(v) == 0)
		return ag_err_set(err, -EINVAL, "the member of the secret is no text");
	ag_buf_put(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
	return out->failed ? ag_err_set(err, -EMSGSIZE, "the secret is too long") : 0;
}

static int
fetch_vault(const struct ag_conf *conf, const struct ag_secret_at *at, struct ag_buf *out, struct ag_err *err)
{
	struct json_object *login = NULL, *answer = NULL, *data = NULL, *inner = NULL;
	const char *token = text_of(at->auth, "vault_token");
	int rc = token ? 0 : log_in(conf, at, &login, &token, err);

	if (rc == 0)
		rc = ask(conf, at, at->path, token, NULL, &answer, err);
	if (rc == 0) {
		json_object_object_get_ex(answer, "data", &data);
		if (!data || !json_object_object_get_ex(data, "data", &inner))
			rc = ag_err_set(err, -EIO, "the vault's answer holds no secret of KV version 2; is it the path "
			    "with /data/ in it?");
		else
			rc = pick(inner, at->key, out, err);
	}
	json_object_put(login);
	json_object_put(answer);
	return rc;
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
	rc = obj ? pick(obj, at->key, out, err) : ag_err_set(err, -EINVAL, "the secret is no JSON object");
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
	if (strcmp(at->manager, "hashicorp_vault") == 0)
		return fetch_vault(conf, at, out, err);
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
