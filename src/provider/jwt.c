#include "provider/jwt.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define SIGNATURE_MAX 1024u /* bytes: an RSA key of 8192 bits */

void
ag_base64url_put(struct ag_buf *out, const void *p, size_t n)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *u = p;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		unsigned v = (unsigned)u[i] << 16 | (left > 1 ? (unsigned)u[i + 1] << 8 : 0) |
		    (left > 2 ? u[i + 2] : 0);

		ag_buf_putc(out, digit[v >> 18]);
		ag_buf_putc(out, digit[v >> 12 & 63]);
		if (left > 1)
			ag_buf_putc(out, digit[v >> 6 & 63]);
		if (left > 2)
			ag_buf_putc(out, digit[v & 63]);
	}
}

static int
no_passphrase(char *buf, int size, int is_writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1; /* OpenSSL's own would ask on the terminal */
}

static EVP_PKEY *
read_key(struct ag_str pem)
{
	BIO *bio = pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key;
}

int
ag_jwt_rs256(struct ag_str header, struct ag_str payload, struct ag_str pem, struct ag_buf *out,
    struct ag_err *err)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof(signature), at = out->n;
	EVP_PKEY *key = read_key(pem);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_signed;

	ag_base64url_put(out, header.p, header.n);
	ag_buf_putc(out, '.');
	ag_base64url_put(out, payload.p, payload.n);
	is_signed = key && ctx && !out->failed && (size_t)EVP_PKEY_get_size(key) <= sizeof(signature) &&
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, signature, &n, (const unsigned char *)out->p + at, out->n - at) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	if (!is_signed)
		return ag_err_set(err, -EINVAL, "cannot sign a token: the private key is no RSA key in PEM form");
	ag_buf_putc(out, '.');
	ag_base64url_put(out, signature, n);
	return out->failed ? -ENOMEM : 0;
}
