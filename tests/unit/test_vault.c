/* The vault: key files, and secrets that open only where they belong. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aigated/vault.h"
#include "tap.h"

static char dir[] = "/tmp/ag-vault-XXXXXX";
static char path[64];

static void
write_key(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, mode) < 0)
		abort();
}

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static void
a_key_file_is_read_only_when_it_is_exact_and_private(void)
{
	struct ag_master_key mk = { .id = { 9, 9, 9, 9 } };
	struct ag_err err = { "" };

	write_key(DIGITS "\n", 0600);
	is_i64(ag_vault_load(path, false, &mk, &err), 0, "64 digits and a newline");
	ok(mk.key[0] == 0 && mk.key[31] == 0x1f, "in order, either case");
	/* printf '00 01 .. 1f' | xxd -r -p | sha256sum */
	ok(memcmp(mk.id, "\x63\x0d\xcd\x29", 4) == 0, "the id is the head of the key's SHA-256");
	write_key(DIGITS, 0400);
	is_i64(ag_vault_load(path, false, &mk, &err), 0, "without a newline, read-only");
	write_key(DIGITS "\n\n", 0600);
	is_i64(ag_vault_load(path, false, &mk, &err), -EINVAL, "two newlines are too many");
	write_key("0" DIGITS, 0600);
	is_i64(ag_vault_load(path, false, &mk, &err), -EINVAL, "a digit too many");
	write_key("g" DIGITS "\n", 0600);
	is_i64(ag_vault_load(path, false, &mk, &err), -EINVAL, "not a digit");
	ok(!strstr(err.text, "0102"), "the message shows nothing of the key: %s", err.text);
	write_key(DIGITS "\n", 0640);
	is_i64(ag_vault_load(path, false, &mk, &err), -EPERM, "open to the group");
	write_key(DIGITS "\n", 0604);
	is_i64(ag_vault_load(path, false, &mk, &err), -EPERM, "open to the world");
	unlink(path);
	is_i64(ag_vault_load(path, false, &mk, &err), -ENOENT, "not there");
	is_i64(ag_vault_load(dir, false, &mk, &err), -EINVAL, "a directory");
	ok(mk.key[31] == 0x1f, "no failure wrote anything");
}

static void
a_new_key_is_made_only_when_asked_for(void)
{
	struct ag_master_key a, b;
	struct ag_err err;
	struct stat st;

	is_i64(ag_vault_load(path, true, &a, &err), 0, "made when it is not there");
	ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 65, "mode 0600, 65 bytes");
	is_i64(ag_vault_load(path, true, &b, &err), 0, "and read the next time");
	ok(memcmp(&a, &b, sizeof(a)) == 0, "the same key");
	unlink(path);
	is_i64(ag_vault_load(path, true, &b, &err), 0, "made again");
	ok(memcmp(a.key, b.key, sizeof(a.key)) != 0, "another key");
	unlink(path);
}

static void
what_is_sealed_opens_only_in_its_place(void)
{
	struct ag_master_key mk = { .key = { 1, 2, 3 }, .id = { 4, 5, 6, 7 } }, other = mk;
	struct ag_str aad = AG_STR("integration:1:key"), plain = AG_STR("sk-secret");
	struct ag_buf sealed, again, out;

	ag_buf_init(&sealed, 4096);
	ag_buf_init(&again, 4096);
	ag_buf_init(&out, 4096);
	ag_buf_puts(&out, "kept");
	is_i64(ag_vault_seal(&mk, aad, plain, &sealed), 0, "sealed");
	is_i64((int64_t)sealed.n, (int64_t)plain.n + AG_SEAL_OVERHEAD, "its length");
	ok(sealed.p[0] == 1 && memcmp(sealed.p + 1, mk.id, 4) == 0, "version and key id lead");
	ok(!memmem(sealed.p, sealed.n, plain.p, plain.n), "the plain text does not show");
	is_i64(ag_vault_seal(&mk, aad, plain, &again), 0, "sealed again");
	ok(!ag_str_eq(ag_buf_str(&sealed), ag_buf_str(&again)), "never the same bytes twice");
	is_i64(ag_vault_open(&mk, AG_STR("integration:2:key"), ag_buf_str(&sealed), &out), -EBADMSG,
	    "another place");
	other.key[31] ^= 1;
	is_i64(ag_vault_open(&other, aad, ag_buf_str(&sealed), &out), -EBADMSG, "another key, same id");
	is_i64(ag_vault_open(&mk, aad, ag_str_n(sealed.p, 32), &out), -EBADMSG, "too short");
	ok(ag_str_eq(ag_buf_str(&out), AG_STR("kept")), "failures leave the output alone");
	is_i64(ag_vault_open(&mk, aad, ag_buf_str(&sealed), &out), 0, "opened");
	ok(ag_str_eq(ag_buf_str(&out), AG_STR("keptsk-secret")), "appended");
	ag_buf_fini(&sealed);
	ag_buf_fini(&again);
	ag_buf_wipe(&out);
}

static void
every_flipped_bit_is_noticed(void)
{
	struct ag_master_key mk = { .key = { 7 } };
	struct ag_buf sealed, out;
	unsigned noticed = 0;

	ag_buf_init(&sealed, 256);
	ag_buf_init(&out, 256);
	if (ag_vault_seal(&mk, AG_STR_NONE, AG_STR("abc"), &sealed) < 0)
		abort();
	for (size_t bit = 0; bit < sealed.n * 8; bit++) {
		sealed.p[bit / 8] = (char)(sealed.p[bit / 8] ^ (1 << bit % 8));
		noticed += ag_vault_open(&mk, AG_STR_NONE, ag_buf_str(&sealed), &out) == -EBADMSG && out.n == 0;
		sealed.p[bit / 8] = (char)(sealed.p[bit / 8] ^ (1 << bit % 8));
	}
	is_i64(noticed, (int64_t)sealed.n * 8, "each of them");
	is_i64(ag_vault_open(&mk, AG_STR_NONE, ag_buf_str(&sealed), &out), 0, "whole again, it opens");
	ag_buf_fini(&sealed);
	ag_buf_fini(&out);
}

static void
nothing_and_no_room_are_no_accidents(void)
{
	struct ag_master_key mk = { .key = { 7 } };
	struct ag_buf sealed, out, tiny;

	ag_buf_init(&sealed, 256);
	ag_buf_init(&out, 256);
	ag_buf_init(&tiny, 8);
	is_i64(ag_vault_seal(&mk, AG_STR("x"), AG_STR_NONE, &sealed), 0, "an empty secret is sealed");
	is_i64(ag_vault_open(&mk, AG_STR("x"), ag_buf_str(&sealed), &out), 0, "and opened");
	is_i64((int64_t)out.n, 0, "to nothing");
	is_i64(ag_vault_seal(&mk, AG_STR("x"), AG_STR("y"), &tiny), -ENOBUFS, "a full buffer is said");
	ag_buf_fini(&sealed);
	ag_buf_fini(&out);
	ag_buf_fini(&tiny);
}

int
main(void)
{
	if (!mkdtemp(dir))
		return 99;
	snprintf(path, sizeof(path), "%s/key", dir);
	a_key_file_is_read_only_when_it_is_exact_and_private();
	a_new_key_is_made_only_when_asked_for();
	what_is_sealed_opens_only_in_its_place();
	every_flipped_bit_is_noticed();
	nothing_and_no_room_are_no_accidents();
	rmdir(dir);
	return done();
}
