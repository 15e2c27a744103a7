#!/bin/sh
# Every #include "layer/..." must be allowed by tests/lint/layers.  Arrows point down only.
set -eu
cd "${srcdir:-.}"

find src include/aigated -name '*.[ch]' | sort | xargs grep -Hn '^[[:space:]]*#[[:space:]]*include "' |
awk -v table=tests/lint/layers '
BEGIN {
	while ((getline line < table) > 0) {
		if (line ~ /^#/ || line !~ /:/)
			continue
		layer = line
		sub(/:.*/, "", layer)
		sub(/^[^:]*:/, "", line)
		known[layer] = 1
		n = split(line, below, " ")
		for (i = 1; i <= n; i++)
			may[layer, below[i]] = 1
	}
}
{
	split($0, part, ":")
	file = part[1]
	from = file
	sub(/^src\//, "", from)
	sub(/^include\//, "", from)
	sub(/\/.*/, "", from)
	to = $0
	sub(/^[^"]*"/, "", to)
	sub(/".*/, "", to)
	checked++
	if (to !~ /\//) {
		printf "%s:%s: \"%s\" names no layer\n", file, part[2], to
		bad++
		next
	}
	sub(/\/.*/, "", to)
	if (!(from in known)) {
		printf "%s:%s: layer \"%s\" is not in %s\n", file, part[2], from, table
		bad++
	} else if (from != to && to != "aigated" && !((from, to) in may)) {
		printf "%s:%s: %s may not include %s\n", file, part[2], from, to
		bad++
	}
}
END {
	printf "%d includes checked, %d against the layers\n", checked, bad
	exit bad > 0 || checked == 0
}'
