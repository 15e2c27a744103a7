#include "base/num.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

int
ag_parse_u64(struct ag_str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int
ag_parse_i64(struct ag_str s, int64_t min, int64_t max, int64_t *out)
{
	bool is_negative = s.n > 0 && s.p[0] == '-';
	uint64_t magnitude;
	int64_t v;
	int rc = ag_parse_u64(is_negative ? ag_str_skip(s, 1) : s, (uint64_t)INT64_MAX, &magnitude);

	if (rc < 0)
		return rc;
	v = is_negative ? -(int64_t)magnitude : (int64_t)magnitude;
	if (v < min || v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int
ag_parse_decimal(struct ag_str s, int scale, int64_t max, int64_t *out)
{
	int64_t exponent = 0, v = 0;
	int shift;
	bool is_negative = s.n > 0 && s.p[0] == '-', saw_point = false, saw_digit = false;
	size_t i = is_negative ? 1 : 0;
	int fraction = 0;

	for (; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++) {
		char c = s.p[i];

		if (c == '.' && !saw_point) {
			saw_point = true;
			continue;
		}
		if (c < '0' || c > '9')
			return -EINVAL;
		saw_digit = true;
		if (saw_point && c == '0') {
			/* Trailing zeros must not overflow: count them only when a digit follows. */
			size_t k = i;

			while (k < s.n && s.p[k] == '0')
				k++;
			if (k == s.n || s.p[k] == 'e' || s.p[k] == 'E') {
				i = k - 1;
				continue;
			}
		}
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, c - '0', &v))
			return -ERANGE;
		fraction += saw_point;
	}
	if (!saw_digit)
		return -EINVAL;
	if (i < s.n) {
		struct ag_str e = ag_str_skip(s, i + 1);

		if (e.n > 0 && e.p[0] == '+')
			e = ag_str_skip(e, 1);
		if (ag_parse_i64(e, -64, 64, &exponent) < 0)
			return -EINVAL;
	}
	shift = scale - fraction + (int)exponent;
	for (; shift > 0 && v != 0; shift--)
		if (__builtin_mul_overflow(v, 10, &v))
			return -ERANGE;
	for (; shift < 0 && v != 0; shift++) {
		if (v % 10 != 0)
			return -EDOM;
		v /= 10;
	}
	if (v > max)
		return -ERANGE;
	*out = is_negative ? -v : v;
	return 0;
}

size_t
ag_fmt_u64(char *out, uint64_t v)
{
	/* Two digits a division. */
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
	                            "25262728293031323334353637383940414243444546474849"
	                            "50515253545556575859606162636465666768697071727374"
	                            "75767778798081828384858687888990919293949596979899";
	static const uint64_t power[AG_U64_DIGITS] = {
		1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
		10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
		1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
		10000000000000000000u,
	};
	/* Bits times log10(2), which is one digit too few at most. */
	size_t n = (size_t)(64 - __builtin_clzll(v | 1)) * 1233 >> 12, at;

	n += v >= power[n] || n == 0;
	for (at = n; at >= 2; v /= 100) {
		at -= 2;
		memcpy(out + at, pairs + v % 100 * 2, 2);
	}
	if (at == 1)
		out[0] = (char)('0' + v);
	return n;
}

size_t
ag_fmt_decimal(char *out, size_t cap, int64_t v, int scale)
{
	uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	uint64_t unit = 1;
	int n;

	assert(cap >= 32 && scale >= 0 && scale <= 18);
	for (int i = 0; i < scale; i++)
		unit *= 10;
	n = snprintf(out, cap, "%s%llu", v < 0 ? "-" : "", (unsigned long long)(magnitude / unit));
	if (magnitude % unit != 0) {
		n += snprintf(out + n, cap - (size_t)n, ".%0*llu", scale,
		    (unsigned long long)(magnitude % unit));
		while (out[n - 1] == '0')
			n--;
		out[n] = '\0';
	}
	return (size_t)n;
}

int
ag_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
