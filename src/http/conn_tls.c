#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "http/conn_impl.h"

#define RECORD_MAX 16384 /* clear text of one TLS record */

/* ---- the BIO ---- */

static int
bio_write(BIO *bio, const char *p, int n)
{
	struct ag_conn *c = BIO_get_data(bio);

	assert(c->sink);
	ag_buf_put(c->sink, p, (size_t)n);
	return c->sink->failed ? -1 : n;
}

static int
bio_read(BIO *bio, char *p, int n)
{
	struct ag_conn *c = BIO_get_data(bio);
	ssize_t got;

	BIO_clear_retry_flags(bio);
	if (c->has_eof)
		return 0;
	if (!c->may_recv) {
		BIO_set_retry_read(bio);
		return -1;
	}
	do
		got = recv(c->fd, p, (size_t)n, 0);
	while (got < 0 && errno == EINTR);
	/* Less than was asked for: the socket is empty, and its next bytes make an event. */
	c->may_recv = got == n;
	if (got > 0)
		return (int)got;
	if (got == 0) {
		c->has_eof = true;
		return 0;
	}
	if (errno == EAGAIN)
		BIO_set_retry_read(bio);
	else
		c->read_error = -errno;
	return -1;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	struct ag_conn *c = BIO_get_data(bio);

	(void)num;
	(void)ptr;
	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return c->has_eof;
	default:
		return 0;
	}
}

static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method; /* made once a process, never freed */

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
		if (method) {
			BIO_meth_set_write(method, bio_write);
			BIO_meth_set_read(method, bio_read);
			BIO_meth_set_ctrl(method, bio_ctrl);
		}
	}
	return method;
}

/* ---- beginning and end ---- */

static int
expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char *name; /* the library's macro wants it without const, and copies it */

	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host))
		return 0; /* an address is not sent as a name */
	ERR_clear_error();
	memcpy(&name, &host, sizeof(name));
	return SSL_set_tlsext_host_name(ssl, name) && SSL_set1_host(ssl, host) ? 0 : -EINVAL;
}

int
conn_tls_init(struct ag_conn *c, const struct ag_conn_conf *conf, bool is_server)
{
	BIO *bio = bio_method() ? BIO_new(bio_method()) : NULL;

	c->ssl = SSL_new(conf->tls);
	if (!bio || !c->ssl) {
		BIO_free(bio);
		return -ENOMEM;
	}
	BIO_set_data(bio, c);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	/* The handshake's first flight may be there before the first event is. */
	c->may_recv = true;
	if (is_server) {
		SSL_set_accept_state(c->ssl);
		return 0;
	}
	SSL_set_connect_state(c->ssl);
	if (conf->session && !SSL_set_session(c->ssl, conf->session))
		ERR_clear_error(); /* a session that does not fit costs a full handshake, no more */
	return conf->host ? expect_host(c->ssl, conf->host) : 0;
}

void
conn_tls_fini(struct ag_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
}

void
conn_tls_notify(struct ag_conn *c)
{
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
}

/* ---- handshake ---- */

static int
handshake_failed(struct ag_conn *c, const char **out_why)
{
	long verdict = SSL_get_verify_result(c->ssl);
	unsigned long code = ERR_peek_error();

	if (c->read_error < 0) {
		*out_why = "connection failed in the TLS handshake";
		return c->read_error;
	}
	if (verdict != X509_V_OK) {
		c->tls_why = X509_verify_cert_error_string(verdict);
		*out_why = "certificate not accepted";
		return -EKEYREJECTED;
	}
	if (c->has_eof) {
		*out_why = "connection closed in the TLS handshake";
		return -ECONNRESET;
	}
	c->tls_why = code ? ERR_reason_error_string(code) : NULL;
	*out_why = "TLS handshake failed";
	return -EPROTO;
}

int
conn_tls_handshake(struct ag_conn *c, const char **out_why)
{
	int rc, sent, failure = 0;

	ERR_clear_error();
	conn_sink_open(c);
	rc = SSL_do_handshake(c->ssl);
	if (rc != 1 && SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ)
		failure = handshake_failed(c, out_why);
	/* Also after a failure: the alert tells the peer why. */
	sent = conn_sink_close(c);
	if (failure < 0)
		return failure;
	if (sent < 0) {
		*out_why = "connection failed in the TLS handshake";
		return sent;
	}
	c->has_more = rc == 1 && SSL_has_pending(c->ssl);
	return rc == 1;
}

/* ---- bytes ---- */

static ssize_t
read_failed(struct ag_conn *c)
{
	switch (SSL_get_error(c->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		break;
	}
	if (c->read_error == 0) {
		unsigned long code = ERR_peek_error();

		c->read_error = c->has_eof ? -ECONNRESET : -EPROTO;
		c->tls_why = c->has_eof ? "closed without close_notify"
		                        : code ? ERR_reason_error_string(code) : NULL;
	}
	return c->read_error;
}

ssize_t
conn_tls_read(struct ag_conn *c, void *p, size_t n)
{
	ssize_t rc;
	size_t got;
	int sent;

	if (c->read_error < 0)
		return c->read_error;
	ERR_clear_error();
	conn_sink_open(c);
	rc = SSL_read_ex(c->ssl, p, n, &got) ? (ssize_t)got : read_failed(c);
	sent = conn_sink_close(c); /* key updates and alerts; a failure shows at the next write */
	(void)sent;
	c->has_more = rc > 0 && SSL_has_pending(c->ssl);
	return rc;
}

static int
encrypt(struct ag_conn *c, const void *p, size_t n)
{
	size_t done;

	if (n == 0)
		return 0;
	ERR_clear_error();
	if (SSL_write_ex(c->ssl, p, n, &done) && done == n)
		return 0;
	return c->sink->failed ? -ENOMEM : -EPROTO;
}

int
conn_tls_encrypt(struct ag_conn *c, const struct iovec *iov, int n_iov)
{
	static _Thread_local char stage[RECORD_MAX]; /* small pieces share a record */
	size_t staged = 0, n_staged = 0;
	int rc = 0;

	for (int i = 0; i < n_iov && rc == 0; i++) {
		const char *p = iov[i].iov_base;
		size_t n = iov[i].iov_len;

		while (n > 0 && rc == 0) {
			size_t take = n;

			if (staged == 0 && n >= RECORD_MAX) {
				take -= n % RECORD_MAX;
				rc = encrypt(c, p, take);
			} else {
				if (take > RECORD_MAX - staged)
					take = RECORD_MAX - staged;
				memcpy(stage + staged, p, take);
				staged += take;
				n_staged = staged > n_staged ? staged : n_staged;
			}
			p += take;
			n -= take;
			if (staged == RECORD_MAX) {
				rc = encrypt(c, stage, staged);
				staged = 0;
			}
		}
	}
	if (rc == 0)
		rc = encrypt(c, stage, staged);
	/* What we send as a client begins with a credential. */
	if (!SSL_is_server(c->ssl))
		ag_mem_wipe(stage, n_staged);
	return rc;
}

/* ---- what the owner may ask ---- */

const char *
ag_conn_tls_error(const struct ag_conn *c)
{
	return c->tls_why ? c->tls_why : "";
}

SSL_SESSION *
ag_conn_tls_session_get(const struct ag_conn *c)
{
	SSL_SESSION *session = c->ssl ? SSL_get1_session(c->ssl) : NULL;

	if (session && !SSL_SESSION_is_resumable(session)) {
		SSL_SESSION_free(session);
		return NULL;
	}
	return session;
}

bool
ag_conn_tls_is_resumed(const struct ag_conn *c)
{
	return c->ssl && SSL_session_reused(c->ssl);
}

SSL *
ag_conn_ssl(const struct ag_conn *c)
{
	return c->ssl;
}
