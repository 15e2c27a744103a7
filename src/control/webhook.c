#include "control/webhook.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/curl_loop.h"

#define TIMEOUT_MS 15000L
#define CONNECT_MS 5000L
#define SECRET_MAX 4096u

struct ag_webhooks {
	struct ag_curl_loop *loop; /* owned */
};

struct ag_webhook {
	struct ag_webhooks *w;    /* borrowed */
	CURL *curl;               /* owned */
	struct curl_slist *headers; /* owned */
	ag_webhook_done done;
	void *arg;
};

/* ---- signature ---- */

int
ag_webhook_sign(struct ag_str secret, int64_t now_s, struct ag_str body, char out[AG_SIGNATURE_MAX])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;
	struct ag_buf text;
	int rc = -EIO, at;

	ag_buf_init(&text, body.n + 32);
	ag_buf_printf(&text, "%lld.", (long long)now_s);
	ag_buf_put_str(&text, body);
	if (!text.failed && HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)text.p,
	        text.n, mac, &n) && n == 32) {
		at = snprintf(out, AG_SIGNATURE_MAX, "t=%lld,v1=", (long long)now_s);
		for (unsigned int i = 0; i < n; i++)
			at += snprintf(out + at, AG_SIGNATURE_MAX - (size_t)at, "%02x", mac[i]);
		rc = 0;
	}
	ag_buf_fini(&text);
	return rc;
}

/* Without the line feed at its end. */
static int
read_secret(const char *path, char out[SECRET_MAX], size_t *out_n, struct ag_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not open alert_secret_file: %s", strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO)) {
		close(fd);
		return ag_err_set(err, -EPERM, "alert_secret_file is no file, or open to everybody");
	}
	n = read(fd, out, SECRET_MAX);
	close(fd);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	if (n <= 0 || n == (ssize_t)SECRET_MAX) {
		ag_mem_wipe(out, SECRET_MAX);
		return ag_err_set(err, -EINVAL, "alert_secret_file is empty or too long");
	}
	*out_n = (size_t)n;
	return 0;
}

static int
signature_header(const char *secret_file, struct ag_str body, char *out, size_t cap, struct ag_err *err)
{
	char secret[SECRET_MAX], value[AG_SIGNATURE_MAX];
	size_t n = 0;
	int rc = read_secret(secret_file, secret, &n, err);

	if (rc < 0)
		return rc;
	rc = ag_webhook_sign(ag_str_n(secret, n), ag_clock_wall_us() / AG_US_PER_SEC, body, value);
	ag_mem_wipe(secret, sizeof(secret));
	if (rc < 0)
		return ag_err_set(err, rc, "could not sign");
	snprintf(out, cap, "x-aigate-signature: %s", value);
	return 0;
}

/* ---- posting ---- */

static void
hook_free(struct ag_webhook *h)
{
	ag_curl_loop_remove(h->w->loop, h->curl);
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->headers);
	free(h);
}

static void
hook_on_done(CURL *curl, CURLcode rc, void *arg)
{
	struct ag_webhook *h = arg;
	ag_webhook_done done = h->done;
	void *done_arg = h->arg;
	char why[160] = "";
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (rc != CURLE_OK)
		snprintf(why, sizeof(why), "%s", curl_easy_strerror(rc));
	else if (status < 200 || status > 299)
		snprintf(why, sizeof(why), "answered %ld", status);
	hook_free(h);
	done(done_arg, why[0] ? why : NULL);
}

struct ag_webhooks *
ag_webhooks_new(struct event_base *base)
{
	struct ag_webhooks *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = ag_curl_loop_new(base);
	if (!w->loop) {
		free(w);
		return NULL;
	}
	return w;
}

void
ag_webhooks_free(struct ag_webhooks *w)
{
	if (!w)
		return;
	ag_curl_loop_free(w->loop);
	free(w);
}

static size_t
ignore_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p;
	(void)arg;
	return size * n;
}

static void
set_options(struct ag_webhook *h, const char *url, struct ag_str body)
{
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)body.n);
	curl_easy_setopt(h->curl, CURLOPT_COPYPOSTFIELDS, body.p);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "aigated/" PACKAGE_VERSION);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, ignore_body);
}

int
ag_webhook_post(struct ag_webhooks *w, const char *url, const char *secret_file, struct ag_str body,
    ag_webhook_done done, void *arg, struct ag_webhook **out, struct ag_err *err)
{
	char signature[AG_SIGNATURE_MAX + 32];
	struct ag_webhook *h;
	int rc = signature_header(secret_file, body, signature, sizeof(signature), err);

	if (rc < 0)
		return rc;
	h = calloc(1, sizeof(*h));
	if (!h)
		return ag_err_set(err, -ENOMEM, "out of memory");
	*h = (struct ag_webhook){ .w = w, .done = done, .arg = arg, .curl = curl_easy_init() };
	h->headers = curl_slist_append(NULL, "content-type: application/json");
	h->headers = curl_slist_append(h->headers, "expect:");
	h->headers = curl_slist_append(h->headers, signature);
	if (!h->curl || !h->headers) {
		curl_easy_cleanup(h->curl);
		curl_slist_free_all(h->headers);
		free(h);
		return ag_err_set(err, -ENOMEM, "out of memory");
	}
	set_options(h, url, body);
	if (ag_curl_loop_add(w->loop, h->curl, hook_on_done, h) < 0) {
		hook_free(h);
		return ag_err_set(err, -EIO, "libcurl did not take the request");
	}
	*out = h;
	return 0;
}

void
ag_webhook_cancel(struct ag_webhook *h)
{
	if (h)
		hook_free(h);
}
