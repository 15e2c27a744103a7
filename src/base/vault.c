#include "aigated/vault.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/num.h"

#define SEAL_VERSION 1
#define SEAL_NONCE   12
#define SEAL_TAG     16
#define SEAL_HEAD    (1 + 4 + SEAL_NONCE)
#define KEY_DIGITS   ((size_t)2 * AG_MASTER_KEY_LEN)

static_assert(SEAL_HEAD + SEAL_TAG == AG_SEAL_OVERHEAD, "the sealed form is frozen");

/* ---- the key file ------------------------------------------------------------------------ */

static void
set_id(struct ag_master_key *mk)
{
	uint8_t hash[AG_SHA256_LEN];

	ag_sha256(mk->key, sizeof(mk->key), hash);
	memcpy(mk->id, hash, sizeof(mk->id));
	ag_mem_wipe(hash, sizeof(hash));
}

static int
parse_key(const char *text, size_t n, struct ag_master_key *out)
{
	struct ag_master_key mk;

	if (n == KEY_DIGITS + 1 && text[KEY_DIGITS] == '\n')
		n--;
	if (n != KEY_DIGITS)
		return -EINVAL;
	for (size_t i = 0; i < AG_MASTER_KEY_LEN; i++) {
		int hi = ag_hex_value(text[2 * i]), lo = ag_hex_value(text[2 * i + 1]);

		if (hi < 0 || lo < 0) {
			ag_mem_wipe(&mk, sizeof(mk));
			return -EINVAL;
		}
		mk.key[i] = (uint8_t)(hi << 4 | lo);
	}
	set_id(&mk);
	*out = mk;
	ag_mem_wipe(&mk, sizeof(mk));
	return 0;
}

static int
check_owner(int fd, const char *path, struct ag_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ag_err_set(err, -errno, "could not examine master key file \"%s\": %s", path,
		    strerror(errno));
	if (!S_ISREG(st.st_mode))
		return ag_err_set(err, -EINVAL, "master key file \"%s\" is not a regular file", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return ag_err_set(err, -EPERM,
		    "master key file \"%s\" is open to others: mode %04o, at most 0600 is allowed", path,
		    (unsigned)(st.st_mode & 07777));
	/* Root reads it for an account that it knows and we do not. */
	if (st.st_uid != geteuid() && st.st_uid != 0 && geteuid() != 0)
		return ag_err_set(err, -EPERM,
		    "master key file \"%s\" belongs to uid %lu, neither to root nor to this account", path,
		    (unsigned long)st.st_uid);
	return 0;
}

/* Up to cap bytes; what does not fit is seen by the caller as too long. */
static int
read_some(int fd, char *text, size_t cap, size_t *out_n)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t got = read(fd, text + n, cap - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*out_n = n;
	return 0;
}

static int
load_key(int fd, const char *path, struct ag_master_key *out, struct ag_err *err)
{
	char text[KEY_DIGITS + 2];
	size_t n = 0;
	int rc = check_owner(fd, path, err);

	if (rc < 0)
		return rc;
	rc = read_some(fd, text, sizeof(text), &n);
	if (rc < 0)
		ag_err_set(err, rc, "could not read master key file \"%s\": %s", path, strerror(-rc));
	else if (parse_key(text, n, out) < 0)
		rc = ag_err_set(err, -EINVAL,
		    "master key file \"%s\" does not hold exactly %zu hexadecimal digits", path, KEY_DIGITS);
	ag_mem_wipe(text, sizeof(text));
	return rc;
}

/* The name must survive a power cut as well as the bytes. */
static int
sync_parent(const char *path)
{
	char copy[PATH_MAX];
	AG_AUTO(ag_fd) int fd = -1;

	if (!ag_str_copy(ag_str(path), copy, sizeof(copy)))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int
write_new_key(int fd, struct ag_master_key *mk)
{
	char text[KEY_DIGITS + 1];
	int rc;

	if (RAND_bytes(mk->key, sizeof(mk->key)) != 1)
		return -EIO;
	for (size_t i = 0; i < AG_MASTER_KEY_LEN; i++) {
		text[2 * i] = "0123456789abcdef"[mk->key[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[mk->key[i] & 15];
	}
	text[KEY_DIGITS] = '\n';
	rc = ag_fd_write_all(fd, text, sizeof(text));
	ag_mem_wipe(text, sizeof(text));
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

static int
create_key(const char *path, struct ag_master_key *out, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct ag_master_key mk;
	int rc;

	if (fd < 0)
		return ag_err_set(err, -errno, "could not create master key file \"%s\": %s", path,
		    strerror(errno));
	rc = write_new_key(fd, &mk);
	if (rc == 0)
		rc = sync_parent(path);
	if (rc < 0) {
		unlink(path);
		ag_err_set(err, rc, "could not write master key file \"%s\": %s", path, strerror(-rc));
	} else {
		set_id(&mk);
		*out = mk;
	}
	ag_mem_wipe(&mk, sizeof(mk));
	return rc;
}

int
ag_vault_load(const char *path, bool may_create, struct ag_master_key *out, struct ag_err *err)
{
	AG_AUTO(ag_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return load_key(fd, path, out, err);
	if (errno != ENOENT || !may_create)
		return ag_err_set(err, -errno, "could not open master key file \"%s\": %s", path,
		    strerror(errno));
	return create_key(path, out, err);
}

/* ---- sealing ----------------------------------------------------------------------------- */

static inline const uint8_t *
bytes(struct ag_str s)
{
	return (const uint8_t *)s.p;
}

static inline void
ag_cipher_cleanup(EVP_CIPHER_CTX **ctx)
{
	EVP_CIPHER_CTX_free(*ctx); /* wipes the key schedule */
}

static bool
seal_bytes(EVP_CIPHER_CTX *ctx, const struct ag_master_key *mk, struct ag_str aad,
    struct ag_str plain, uint8_t *at)
{
	uint8_t *nonce = at + 5, *text = at + SEAL_HEAD, *tag = text + plain.n;
	int n = 0;

	at[0] = SEAL_VERSION;
	memcpy(at + 1, mk->id, sizeof(mk->id));
	return RAND_bytes(nonce, SEAL_NONCE) == 1 &&
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, mk->key, nonce) == 1 &&
	    (aad.n == 0 || EVP_EncryptUpdate(ctx, NULL, &n, bytes(aad), (int)aad.n) == 1) &&
	    (plain.n == 0 || EVP_EncryptUpdate(ctx, text, &n, bytes(plain), (int)plain.n) == 1) &&
	    EVP_EncryptFinal_ex(ctx, tag, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, SEAL_TAG, tag) == 1;
}

int
ag_vault_seal(const struct ag_master_key *mk, struct ag_str aad, struct ag_str plain,
    struct ag_buf *out)
{
	AG_AUTO(ag_cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	char *at;

	if (!ctx)
		return -ENOMEM;
	if (plain.n > INT_MAX / 2 || aad.n > INT_MAX / 2)
		return -EMSGSIZE;
	at = ag_buf_reserve(out, plain.n + AG_SEAL_OVERHEAD);
	if (!at)
		return -ENOBUFS;
	if (!seal_bytes(ctx, mk, aad, plain, (uint8_t *)at)) {
		ag_mem_wipe(at, plain.n + AG_SEAL_OVERHEAD);
		return -EIO;
	}
	ag_buf_commit(out, plain.n + AG_SEAL_OVERHEAD);
	return 0;
}

static bool
open_bytes(EVP_CIPHER_CTX *ctx, const struct ag_master_key *mk, struct ag_str aad,
    struct ag_str sealed, uint8_t *at)
{
	const uint8_t *nonce = bytes(sealed) + 5, *text = bytes(sealed) + SEAL_HEAD;
	size_t plain_n = sealed.n - AG_SEAL_OVERHEAD;
	uint8_t tag[SEAL_TAG];
	int n = 0;

	memcpy(tag, text + plain_n, sizeof(tag));
	return EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, mk->key, nonce) == 1 &&
	    (aad.n == 0 || EVP_DecryptUpdate(ctx, NULL, &n, bytes(aad), (int)aad.n) == 1) &&
	    (plain_n == 0 || EVP_DecryptUpdate(ctx, at, &n, text, (int)plain_n) == 1) &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SEAL_TAG, tag) == 1 &&
	    EVP_DecryptFinal_ex(ctx, at + plain_n, &n) == 1;
}

int
ag_vault_open(const struct ag_master_key *mk, struct ag_str aad, struct ag_str sealed,
    struct ag_buf *out)
{
	AG_AUTO(ag_cipher) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	size_t plain_n;
	char none, *at = &none; /* an empty secret needs no room */

	if (!ctx)
		return -ENOMEM;
	if (aad.n > INT_MAX / 2 || sealed.n > INT_MAX / 2)
		return -EMSGSIZE;
	if (sealed.n < AG_SEAL_OVERHEAD || bytes(sealed)[0] != SEAL_VERSION ||
	    memcmp(sealed.p + 1, mk->id, sizeof(mk->id)) != 0)
		return -EBADMSG;
	plain_n = sealed.n - AG_SEAL_OVERHEAD;
	if (plain_n > 0)
		at = ag_buf_reserve(out, plain_n);
	if (!at)
		return -ENOBUFS;
	if (!open_bytes(ctx, mk, aad, sealed, (uint8_t *)at)) {
		ag_mem_wipe(at, plain_n);
		return -EBADMSG;
	}
	ag_buf_commit(out, plain_n);
	return 0;
}
