#include "base/str.h"

#include <openssl/crypto.h>

struct ag_str
ag_str_trim(struct ag_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
ag_str_copy(struct ag_str s, char *out, size_t cap)
{
	size_t n = s.n < cap ? s.n : cap - 1;

	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n == s.n;
}

bool
ag_mem_eq_secret(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

void
ag_mem_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
