#!/bin/sh
# make lint: layout, clang-tidy, cppcheck, shellcheck and mandoc.  A tool that is not installed is
# skipped by name; a complaint fails.  LINT_BASE=main looks with clang-tidy, the slow one, only at
# what differs from there.
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

units()
{
	if [ -n "${LINT_BASE:-}" ]; then
		git diff --name-only --diff-filter=d "$LINT_BASE" -- 'src/*.c'
	else
		find src -name '*.c' | sort
	fi
}

srcdir=. tests/lint/layout.sh || complain layout

if has clang-tidy; then
	printf '%s\n' -std=gnu17 -D_GNU_SOURCE -Iinclude -Isrc -mcx16 ${AG_LIB_CFLAGS:-} \
	    '-DPACKAGE_VERSION="0"' '-DAG_SYSCONFDIR="/etc"' '-DAG_DATADIR="/usr/share"' \
	    '-DAG_LOCALSTATEDIR="/var"' >"$build/tidy.flags"
	# Warnings counted in system headers are no news.
	units | xargs -r -n 8 -P "$(nproc)" sh -c 'flags=$1; shift
		IFS="
"
		clang-tidy --quiet --warnings-as-errors="*" "$@" -- $(cat "$flags") 2>&1' sh \
	    "$build/tidy.flags" >"$build/tidy.log" || {
		grep -v 'warnings generated' "$build/tidy.log"
		complain clang-tidy
	}
fi

if has cppcheck; then
	# It stumbles over attributes behind pointers to functions.
	cppcheck --quiet -j "$(nproc)" --std=c11 --language=c --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability --suppress=normalCheckLevelMaxBranches \
	    --suppress=missingIncludeSystem --suppressions-list=tests/lint/cppcheck.supp \
	    --include=tests/lint/cppcheck.h -Iinclude -Isrc -D_GNU_SOURCE '-D__attribute__(x)=' src || complain cppcheck
fi

if has shellcheck; then
	shellcheck -x runtests tests/lint/*.sh || complain shellcheck
fi

if has mandoc; then
	for page in man/*.[1-9] "$build"/man/*.[1-9]; do
		[ -f "$page" ] || continue
		mandoc -T lint -W warning "$page" || complain "mandoc on $page"
	done
fi
exit $bad
