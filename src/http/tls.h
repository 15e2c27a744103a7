/* tls.h - TLS contexts: 1.2 and up, AES-128-GCM preferred, ALPN "http/1.1".
 *
 * Made after the fork, one of each kind a worker; the caller frees with SSL_CTX_free(), which
 * open connections outlive. */
#ifndef AG_HTTP_TLS_H
#define AG_HTTP_TLS_H

#include <stddef.h>

#include <openssl/types.h>

#include "base/attr.h"
#include "base/err.h"

/* cert_path: PEM, leaf first.  NULL and *err when a file cannot be read or they do not match. */
SSL_CTX *ag_tls_server_new(const char *cert_path, const char *key_path,
    struct ag_err *err) AG_MUST_CHECK;

/* Verifies the peer; against ca_file (PEM) only, or against the system's store when NULL. */
SSL_CTX *ag_tls_client_new(const char *ca_file, struct ag_err *err) AG_MUST_CHECK;

/* The key that seals session tickets, the same in all workers so that a client may come back
 * to any.  Without this call each context makes its own. */
#define AG_TLS_TICKET_KEY_LEN 80
int ag_tls_server_ticket_key(SSL_CTX *ctx, const unsigned char key[AG_TLS_TICKET_KEY_LEN]);

#endif
