#!/bin/sh
# Every header compiles alone and twice, but for the tables in include/aigated/tbl, which are
# included for their rows.
set -eu
cd "${srcdir:-.}"

flags="-std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc -mcx16 -Wall -Wextra -fsyntax-only"
bad=0
n=0
for header in $(find src include/aigated -name '*.h' ! -path 'include/aigated/tbl/*' | sort); do
	name=${header#src/}
	name=${name#include/}
	n=$((n + 1))
	# shellcheck disable=SC2086 # flags are words
	if ! printf '#include "%s"\n#include "%s"\n' "$name" "$name" |
	    ${CC:-cc} $flags ${AG_LIB_CFLAGS:-} -x c -; then
		echo "$header does not compile alone"
		bad=$((bad + 1))
	fi
done
echo "$n headers checked, $bad do not compile alone"
test "$bad" -eq 0 && test "$n" -gt 0
