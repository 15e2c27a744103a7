# packages.sh - Debian packages the project builds, runs and is tested with.  Sourced by quickstart
# and runtests.

BUILD_PACKAGES="gcc make autoconf automake pkg-config libc6-dev libevent-dev libjson-c-dev
	libpq-dev libcurl4-openssl-dev libssl-dev libyaml-dev"
RUN_PACKAGES="libyaml-0-2 postgresql curl ca-certificates util-linux procps python3 python3-venv"
TEST_PACKAGES="nodejs npm clang libclang-rt-14-dev openssl mandoc"

is_installed() {
	case $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) in
	*' installed') return 0 ;;
	esac
	# Brought by other means than Debian's own package.
	case $1 in
	nodejs) command -v node >/dev/null ;;
	npm | gcc | make | clang | curl) command -v "$1" >/dev/null ;;
	pkg-config) command -v pkg-config >/dev/null ;;
	*) return 1 ;;
	esac
}

# need_packages NAME...: installs what is missing, or says what is and fails.
need_packages() {
	local missing="" name sudo=""

	if ! command -v dpkg-query >/dev/null; then
		echo "this is no Debian: make sure that you have what these packages hold:"
		echo "  $*"
		return 0
	fi
	for name in "$@"; do
		is_installed "$name" || missing="$missing $name"
	done
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "these packages are missing; install them as root, then try again:" >&2
			echo "  apt-get install$missing" >&2
			return 1
		fi
		sudo=sudo
	fi
	echo "installing$missing"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q update >/dev/null || return 1
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install \
		$missing >/dev/null
}

# take_program PACKAGE PATH DIR: a program out of a package, into DIR, where installing the package would
# start a service that nobody asked for.  Fails when it cannot be had; what is there already is enough.
take_program() {
	local package=$1 path=$2 dir=$3 name=${2##*/} sudo="" tmp status=1

	command -v "$name" >/dev/null || [ -x "$dir/$name" ] && return 0
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
	tmp=$(mktemp -d) && chmod 755 "$tmp" || return 1
	[ "$(id -u)" = 0 ] || sudo=sudo
	if (cd "$tmp" && { apt-get -q download "$package" ||
		{ $sudo apt-get -q update && apt-get -q download "$package"; }; } >/dev/null 2>&1 &&
		dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x ".$path"); then
		mkdir -p "$dir" && mv "$tmp$path" "$dir/$name" && status=0
	fi
	rm -rf "$tmp"
	return $status
}

# configure_in DIR [configure options]: once.
configure_in() {
	local dir=$1

	shift
	[ -x "$TOP/configure" ] && [ "$TOP/configure" -nt "$TOP/configure.ac" ] ||
		(cd "$TOP" && autoreconf -i) || return 1
	mkdir -p "$dir" && cd "$dir" || return 1
	if [ ! -f Makefile ]; then
		"$TOP/configure" "$@" || return 1
	fi
	cd "$TOP" || return 1
}

# build_in DIR [configure options]: configures once, then makes what is out of date.
build_in() {
	configure_in "$@" && make -C "$1" -j"$(nproc)"
}
