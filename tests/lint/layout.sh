#!/bin/sh
# What of the layout can be held by a machine: no blanks at line ends, lines below 120 columns (100
# is the aim; a message may be longer than its line), functions of at most 80 lines, of tests too; trees
# of json-c are walked with base/json.h.
cd "${srcdir:-.}" || exit 1
bad=0

for file in $(find src include tests -name '*.[ch]' | sort); do
	expand -t 8 "$file" | awk -v file="$file" '
		function complain(line, what) { print file ":" line ": " what; bad = 1 }
		/[ \t]$/ { complain(NR, "blanks at the end of the line") }
		length > 120 && !/"/ && file !~ /^tests/ { complain(NR, "longer than 120 columns") }
		/^\{/ { begun = NR }
		/^\}/ && begun {
			if (NR - begun - 1 > 80)
				complain(begun, "a function of " NR - begun - 1 " lines")
			begun = 0
		}
		END { exit bad }' || bad=1
done

walkers='json_object_object_foreach|json_object_array_length|json_object_array_get_idx|json_object_object_length'
if grep -rnE --include='*.[ch]' "\\b($walkers)\\b" src include | grep -v '^src/base/json\.h:'; then
	echo "these end the process at a node of another kind: base/json.h has those that do not"
	bad=1
fi
exit $bad
