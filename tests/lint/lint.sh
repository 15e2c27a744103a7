#!/bin/sh
# make lint: clang-format, clang-tidy, cppcheck and mandoc.  A tool that is not installed is skipped
# by name, a complaint fails.  LINT_ALL=1 formats all files instead of those changed since main.
set -u
cd "${srcdir:-.}" || exit 1
build=${builddir:-.}
bad=0

has()
{
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "lint: skipped $1: not installed"
	return 1
}

complain()
{
	echo "lint: $1 complains"
	bad=1
}

sources()
{
	find src include/aigated tests -name '*.[ch]' ! -path '*/tbl/*' | sort
}

changed()
{
	if [ -z "${LINT_ALL:-}" ] && base=$(git merge-base HEAD "${LINT_BASE:-main}" 2>/dev/null); then
		git diff --name-only --diff-filter=d "$base" -- '*.c' '*.h' | grep -v '/tbl/'
	else
		sources
	fi
}

if has clang-format; then
	changed | xargs -r clang-format --dry-run --Werror --ferror-limit=3 || complain clang-format
fi

flags="-std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc -Itests/unit -mcx16 ${AG_LIB_CFLAGS:-}"
flags="$flags -DPACKAGE_VERSION=\"0\" -DAG_SYSCONFDIR=\"/etc\" -DAG_DATADIR=\"/usr/share\""
flags="$flags -DAG_LOCALSTATEDIR=\"/var\""
if has clang-tidy; then
	# shellcheck disable=SC2086
	changed | grep '\.c$' | xargs -r -n 8 sh -c 'clang-tidy --quiet --warnings-as-errors="*" "$@" -- '"'$(
	    printf '%s' "$flags" | sed "s/ /' '/g")'" sh || complain clang-tidy
fi

if has cppcheck; then
	# shellcheck disable=SC2086
	cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability \
	    --suppress=normalCheckLevelMaxBranches --suppress=missingIncludeSystem \
	    -Iinclude -Isrc -D_GNU_SOURCE src || complain cppcheck
fi

if has mandoc; then
	for page in man/*.[1-9] "$build"/man/*.[1-9]; do
		[ -f "$page" ] || continue
		mandoc -T lint -W warning "$page" || complain "mandoc on $page"
	done
fi
exit $bad
