#!/bin/sh
# postgres.sh ROUND_TRIP_MS OPTION…: `ff-bench run OPTION…` on a PostgreSQL server that is there for it alone, and so far away.
#
# The server has the settings of Debian's package as far as they cost something: it syncs, and vacuums by itself. Its files
# lie in $TMPDIR or /tmp, which has to be on the disk that is to be measured: the rows cannot tell where a server's are, so a
# folder in memory is refused. What delays is tools/proxy.py.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
if [ -z "${FF_BENCH_BESIDE:-}" ]; then
	case ${1:-} in
	'' | *[!0-9.]*)
		echo 'usage: bench/postgres.sh ROUND_TRIP_MS OPTION…' >&2
		exit 2
		;;
	esac
	case $(stat -f -c %T "${TMPDIR:-/tmp}") in
	tmpfs | ramfs)
		echo "bench/postgres.sh: '${TMPDIR:-/tmp}' lies in memory, where durability costs nothing; set another TMPDIR" >&2
		exit 1
		;;
	esac
	FF_BENCH_BESIDE=1 exec "$here/../tools/with-postgres.sh" -c fsync=on -c autovacuum=on -c shared_buffers=128MB \
		-c max_wal_size=1GB "$here/postgres.sh" "$@"
fi

round_trip_ms=$1
shift
# shellcheck disable=SC2317 # called by the traps
stop() {
	exec 3>&- # the proxy ends with its input
	[ -z "${proxy:-}" ] || wait "$proxy" || true
	rm -rf "$folder"
}
folder=$(mktemp -d "${TMPDIR:-/tmp}/ff-bench-postgres-XXXXXX")
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if [ "$round_trip_ms" != 0 ]; then
	mkfifo "$folder/in" "$folder/out"
	python3 "$here/../tools/proxy.py" --raw --round-trip-ms "$round_trip_ms" --to "$PGHOST:$PGPORT" \
		<"$folder/in" >"$folder/out" &
	proxy=$!
	exec 3>"$folder/in"
	read -r _ _ PGPORT <"$folder/out"
fi
"${FF_BENCH:-$here/../build/bin/ff-bench}" run --store postgres "$@"
