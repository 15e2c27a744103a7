/* json_skip_impl.h - the body of json_skip.c, included once for each instruction set with
 * NAME(x)   the function's name in this set
 * TARGET    its target attribute
 * LOAD(p)   the bitmaps of the 64 bytes at p
 * defined.  No guard: that is the point. */

TARGET static struct bits
NAME(bits_at)(const char *p, size_t at, size_t n)
{
	char tail[BLOCK];

	if (n - at >= BLOCK)
		return LOAD(p + at);
	/* Blanks mean nothing, inside a string or out. */
	memset(tail, ' ', sizeof(tail));
	memcpy(tail, p + at, n - at);
	return LOAD(tail);
}

TARGET static size_t
NAME(skip_string)(const char *p, size_t at, size_t n, bool *out_has_escape, const char **out_why)
{
	uint64_t escape_carry = 0;
	bool has_escape = false;

	for (; at < n; at += BLOCK) {
		struct bits b = NAME(bits_at)(p, at, n);
		uint64_t quote = b.quote & ~escaped_bits(b.backslash, &escape_carry);
		uint64_t inside = quote ? below_lowest(quote) : ~UINT64_C(0);

		has_escape |= (b.backslash & inside) != 0;
		if (b.control & inside) {
			*out_why = "control byte in a string";
			return 0;
		}
		if (quote) {
			*out_has_escape = has_escape;
			return at + (size_t)__builtin_ctzll(quote) + 1;
		}
	}
	*out_why = "unterminated string";
	return 0;
}

TARGET static size_t
NAME(skip_nested)(const char *p, size_t at, size_t n, unsigned max_depth, uint32_t *out_n_children,
    const char **out_why)
{
	struct nest nest = { .max = max_depth };
	uint64_t escape_carry = 0, string_carry = 0;

	for (; at < n; at += BLOCK) {
		struct bits b = NAME(bits_at)(p, at, n);
		uint64_t quote = b.quote & ~escaped_bits(b.backslash, &escape_carry);
		uint64_t in_string = (quote ? prefix_xor(quote) : 0) ^ string_carry;
		uint64_t bracket = b.bracket & ~in_string, seen = ~UINT64_C(0);
		unsigned i = 0;
		bool is_over = false;

		string_carry = in_string >> 63 ? ~UINT64_C(0) : 0;
		while (bracket && !is_over) {
			i = (unsigned)__builtin_ctzll(bracket);
			is_over = nest_step(&nest, p[at + i]);
			if (is_over)
				seen = below_lowest(bracket);
			bracket &= bracket - 1;
		}
		if (AG_UNLIKELY((b.control | (b.backslash & ~in_string)) & seen) &&
		    (*out_why = block_fault(p + at, n - at, &b, in_string, seen)) != NULL)
			return 0;
		if (is_over) {
			*out_why = nest.why;
			*out_n_children = nest.n_children;
			return nest.why ? 0 : at + i + 1;
		}
	}
	*out_why = string_carry ? "unterminated string" : "unbalanced brackets";
	return 0;
}

static const struct json_skip NAME(skip) = { NAME(skip_string), NAME(skip_nested) };

#undef NAME
#undef TARGET
#undef LOAD
