/* vault.h - provider credentials at rest: AES-256-GCM under the master key.
 *
 * Sealed form: version byte 1, key id (first 4 bytes of SHA-256 of the master key), 12 random nonce
 * bytes, ciphertext, 16 tag bytes.  The additional data binds a secret to what it belongs to
 * ("integration:<uuid>:key"), so that a row copied to another place does not open.
 * Opened only in workers, into locked memory; the plain text is wiped by whoever opened it.
 * Implementation: src/base/vault.c (leaf: OpenSSL only). */
#ifndef AIGATED_VAULT_H
#define AIGATED_VAULT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define AG_MASTER_KEY_LEN 32
#define AG_SEAL_OVERHEAD  33

struct ag_master_key {
	uint8_t key[AG_MASTER_KEY_LEN]; /* in locked, undumpable memory of its owner */
	uint8_t id[4];
};

/* Reads 64 hex digits (and one newline) from path; refuses a file others can read.  With
 * may_create makes a new random key, mode 0600, when the file does not exist. */
int ag_vault_load(const char *path, bool may_create, struct ag_master_key *out,
    struct ag_err *err) AG_MUST_CHECK;

int ag_vault_seal(const struct ag_master_key *mk, struct ag_str aad, struct ag_str plain,
    struct ag_buf *out) AG_MUST_CHECK;

/* -EBADMSG: wrong key, wrong place or damaged; out is then unchanged. */
int ag_vault_open(const struct ag_master_key *mk, struct ag_str aad, struct ag_str sealed,
    struct ag_buf *out) AG_MUST_CHECK;

#endif
