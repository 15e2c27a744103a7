# common.sh - what run and streams share, to be sourced: checks, a private directory, processes that end with the
# script, PostgreSQL, simulated providers, gateways.  Expects $here, $top, $keep, $gateway_core and $load_core.

die()
{
	echo "bench: $*" >&2
	exit 1
}

# ---- what must be there --------------------------------------------------------------------

need()
{
	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || die "cannot find $1: install the package $2"
}

PATH=$PATH:/usr/sbin:/sbin
need nginx nginx-light
need python3 python3
need openssl openssl
need taskset util-linux
need setpriv util-linux
pg_bin=$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -1 | xargs -r dirname)
[ -n "$pg_bin" ] || die "cannot find initdb: install the package postgresql"
[ "$(nproc --all)" -gt 1 ] || die "one processor is not enough: the load would share the gateway's"

build=${AIGATED_BUILD:-$top/build}
[ -x "$build/aigated" ] || build=$top
for program in aigated aigatectl aigate-mock; do
	[ -x "$build/$program" ] || die "cannot find $program: build first, or set AIGATED_BUILD"
done
export AIGATE_SHARE_DIR=${AIGATE_SHARE_DIR:-$top}

# ---- a place, and its end ------------------------------------------------------------------

dir=$(mktemp -d /tmp/aigate-bench.XXXXXX)
chmod 755 "$dir"
pids=()
segments=()

# Last started, first ended; PostgreSQL by its fast shutdown, nginx by its own.
finish()
{
	local status=$? i

	trap - EXIT INT TERM
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill -s "${pids[i]#*:}" "${pids[i]%:*}" 2>/dev/null || true
		wait "${pids[i]%:*}" 2>/dev/null || true
	done
	for i in "${segments[@]}"; do
		rm -f "/dev/shm$i"
	done
	if [ -n "$keep" ] || [ $status -ne 0 ]; then
		echo "bench: logs are in $dir" >&2
	else
		rm -rf "$dir"
	fi
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

# start signal core command...: in the background, ended by that signal; its pid is in $started.
start()
{
	local sig=$1 core=$2

	shift 2
	taskset -c "$core" "$@" </dev/null >>"$dir/output" 2>&1 &
	started=$!
	pids+=("$started:$sig")
}

# await what command...: until it succeeds.
await()
{
	local what=$1 deadline=$((SECONDS + 30))

	shift
	until "$@" >/dev/null 2>&1; do
		kill -0 "$started" 2>/dev/null || die "$what ended: $(tail -5 "$dir/output")"
		[ $SECONDS -lt $deadline ] || die "$what did not come up: $(tail -5 "$dir/output")"
		sleep 0.05
	done
}

free_ports()
{
	python3 -c 'import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))' "$1"
}

# Nothing of ours runs as root.
account=$(id -un)
as_account=()
if [ "$(id -u)" = 0 ]; then
	account=nobody
	as_account=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
fi

# ---- PostgreSQL ----------------------------------------------------------------------------

mkdir "$dir/pg" && chown "$account" "$dir/pg"
(cd "$dir/pg" && "${as_account[@]}" "$pg_bin/initdb" -D "$dir/pg/data" -U aigate -A trust -E UTF8 \
	--locale=C --no-instructions) >"$dir/initdb.log" 2>&1 || die "initdb: $(tail -3 "$dir/initdb.log")"
start INT "$load_core" "${as_account[@]}" "$pg_bin/postgres" -D "$dir/pg/data" \
	-c listen_addresses= -c unix_socket_directories="$dir/pg" -c shared_buffers=128MB \
	-c max_wal_size=4GB -c log_min_messages=warning
postgres_pid=$started
await PostgreSQL "$pg_bin/pg_isready" -q -h "$dir/pg" -U aigate -d postgres

# ---- providers -----------------------------------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
	-keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
chmod 644 "$dir/ca.pem"

# mock name options...
mock()
{
	local name=$1

	shift
	start TERM "$load_core" "$build/aigate-mock" --fast --port-file "$dir/$name.port" "$@"
	await aigate-mock test -s "$dir/$name.port"
}

# ---- aigated -------------------------------------------------------------------------------

ctl()
{
	"$build/aigatectl" -c "$dir/$gateway/conf" "$@" 2>>"$dir/output"
}

# gateway name lines-of-configuration: started, with what tenants() makes; leaves $gateway_pid, $port and $key, what
# tenants() printed.
gateway()
{
	gateway=$1
	mkdir "$dir/$gateway" "$dir/$gateway/run" "$dir/$gateway/journal"
	"$pg_bin/createdb" -h "$dir/pg" -U aigate "$gateway"
	openssl rand -hex 32 >"$dir/$gateway/master.key"
	chmod 600 "$dir/$gateway/master.key"
	segments+=("/aigate-bench-$$-$gateway")
	cat >"$dir/$gateway/conf" <<-END
		listen 127.0.0.1:0
		user $account
		workers 1
		run_dir $dir/$gateway/run
		log_file $dir/$gateway/log
		database "host=$dir/pg dbname=$gateway user=aigate"
		master_key_file $dir/$gateway/master.key
		journal_dir $dir/$gateway/journal
		shm_name /aigate-bench-$$-$gateway
		upstream_keepalive 256
		upstream_ca_file $dir/ca.pem
		trusted_hosts 127.0.0.1
		keepalive_requests 100000000
		$2
	END
	chown -R "$account" "$dir/$gateway"
	ctl db migrate >>"$dir/output" || die "db migrate: $(tail -3 "$dir/output")"
	ctl bootstrap --organisation Bench >/dev/null || die "bootstrap: $(tail -3 "$dir/output")"
	start TERM "$gateway_core" "$build/aigated" -f -c "$dir/$gateway/conf"
	await "aigated ($gateway)" ctl workspace list # not before keys and limits are loaded
	await "aigated ($gateway)" test -s "$dir/$gateway/run/ports"
	gateway_pid=$started
	key=$(tenants) || die "could not make the tenants of $gateway: $(tail -3 "$dir/output")"
	read -r _ port _ <"$dir/$gateway/run/ports"
}
