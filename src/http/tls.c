#include "http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/str.h"

/* One read takes several records of a long answer; given back when the connection is idle. */
#define READ_AHEAD_BYTES 32768

static const unsigned char alpn_http11[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

static const char ciphers_12[] =
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char ciphers_13[] =
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static const char *
reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	return text ? text : "no reason given";
}

static SSL_CTX *
context_new(const SSL_METHOD *method, struct ag_err *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(method);
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_cipher_list(ctx, ciphers_12) ||
	    !SSL_CTX_set_ciphersuites(ctx, ciphers_13)) {
		ag_err_set(err, -1, "could not make a TLS context: %s", reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD_BYTES);
	return ctx;
}

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	for (unsigned i = 0; i < in_len; i += in[i] + 1u) {
		if (in_len - i < sizeof(alpn_http11) ||
		    memcmp(in + i, alpn_http11, sizeof(alpn_http11)) != 0)
			continue;
		*out = in + i + 1;
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

SSL_CTX *
ag_tls_server_new(const char *cert_path, const char *key_path, struct ag_err *err)
{
	SSL_CTX *ctx = context_new(TLS_server_method(), err);

	if (!ctx)
		return NULL;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1) {
		ag_err_set(err, -1, "could not use certificate \"%s\": %s", cert_path, reason());
	} else if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1 ||
	           SSL_CTX_check_private_key(ctx) != 1) {
		ag_err_set(err, -1, "could not use private key \"%s\": %s", key_path, reason());
	} else {
		SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
		/* Tickets only: nothing is kept here for a client that may not come back. */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"aigated", 7);
		SSL_CTX_set_num_tickets(ctx, 1);
		return ctx;
	}
	SSL_CTX_free(ctx);
	return NULL;
}

SSL_CTX *
ag_tls_client_new(const char *ca_file, struct ag_err *err)
{
	SSL_CTX *ctx = context_new(TLS_client_method(), err);

	if (!ctx)
		return NULL;
	if (ca_file ? SSL_CTX_load_verify_file(ctx, ca_file) != 1
	            : SSL_CTX_set_default_verify_paths(ctx) != 1) {
		ag_err_set(err, -1, "could not load trusted certificates \"%s\": %s",
		    ca_file ? ca_file : "of the system", reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	/* This call returns 0 for success, unlike its neighbours. */
	if (SSL_CTX_set_alpn_protos(ctx, alpn_http11, sizeof(alpn_http11)) != 0) {
		ag_err_set(err, -1, "could not make a TLS context: %s", reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* The owner of the connections keeps the sessions, a place each. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	return ctx;
}

int
ag_tls_server_ticket_key(SSL_CTX *ctx, const unsigned char key[AG_TLS_TICKET_KEY_LEN])
{
	unsigned char copy[AG_TLS_TICKET_KEY_LEN];
	long rc;

	memcpy(copy, key, sizeof(copy));
	rc = SSL_CTX_set_tlsext_ticket_keys(ctx, copy, sizeof(copy));
	ag_mem_wipe(copy, sizeof(copy));
	return rc == 1 ? 0 : -1;
}
