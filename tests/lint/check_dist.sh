#!/bin/sh
# What is built, installed or shipped stands in a local.mk: a migration that none names is installed nowhere.
set -eu
cd "${srcdir:-.}"

named=$(find . -path ./build -prune -o -name 'local.mk' -print -o -name '*.mk' -print | xargs cat; cat Makefile.am)
status=0
for file in $(find src include sql data etc man -type f \
	\( -name '*.[ch]' -o -name '*.inc' -o -name '*.sql' -o -name '*.tsv' -o -name '*.conf' -o -name '*.[1-9]' \
	-o -name '*.in' -o -name '*.md' \) | sort); do
	case $named in
	*"$file"*) ;;
	*)
		echo "$file: stands in no local.mk"
		status=1
		;;
	esac
done
exit $status
