#!/bin/sh
# with-postgres.sh [-o] [-c NAME=VALUE]… COMMAND…: runs a command beside a PostgreSQL server that is there for it alone.
#
# The server lies in a temporary folder, listens on a free port of 127.0.0.1, and goes with the command, also where that
# fails or is interrupted. libpq's variables (PGHOST, PGPORT, PGUSER, PGDATABASE) lead to it, so postgres:/// is a store
# of it. A command that runs within another with-postgres.sh shares its server, unless it wants settings of its own. The
# server does not sync to its disk (fsync=off), unless a setting says so: tests that are about that ask for it.
#
# Where the machine has no server this is one skipped case, which fails where FF_CI=1 (tools/cases.py). With -o the
# command runs without one.
set -eu

optional=
if [ "${1:-}" = -o ]; then
	optional=1
	shift
fi
settings=
while [ "${1:-}" = -c ]; do
	settings="$settings
$2"
	shift 2
done
if [ -n "${FF_POSTGRES:-}" ] && [ -z "$settings" ]; then
	exec "$@"
fi

bin=
for folder in /usr/lib/postgresql/*/bin $(pg_config --bindir 2>/dev/null); do
	[ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && bin=$folder
done
if [ -z "$bin" ] && [ -n "$optional" ]; then
	exec "$@"
elif [ -z "$bin" ]; then
	echo "==> SKIPPED: there is no PostgreSQL server on this machine (package postgresql)" >&2
	printf '1..1\nok 1 - %s # SKIP there is no PostgreSQL server on this machine (package postgresql)\n' "$(basename "$1")"
	exit 0
fi

# A server refuses to be root's.
as_user=
folder=$(mktemp -d "${TMPDIR:-/tmp}/ff-postgres-XXXXXX")
if [ "$(id -u)" -eq 0 ]; then
	user=postgres
	id "$user" >/dev/null 2>&1 || user=nobody
	as_user="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
	chown "$user" "$folder"
fi

# shellcheck disable=SC2317 # called by the traps
stop() {
	status=$?
	trap - EXIT HUP INT TERM
	if [ -f "$folder/data/postmaster.pid" ]; then
		$as_user "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
	fi
	[ -z "${child:-}" ] || kill "$child" 2>/dev/null || true
	rm -rf "$folder" "$folder.log"
	exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

cd /
$as_user "$bin/initdb" -D "$folder/data" -U ff -A trust -E UTF8 --locale=C -N >"$folder.log" 2>&1 || {
	cat "$folder.log" >&2
	exit 1
}
cat >>"$folder/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$folder'
max_connections = 400
shared_buffers = 64MB
fsync = off
autovacuum = off
max_wal_size = 256MB
wal_level = replica
$settings
END
port=
for _ in 1 2 3 4 5; do
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	$as_user "$bin/pg_ctl" -D "$folder/data" -o "-p $port" -l "$folder/log" -w start >/dev/null 2>&1 && break
	port=
done
[ -n "$port" ] || {
	cat "$folder/log" >&2
	exit 1
}
export FF_POSTGRES="$folder" FF_POSTGRES_BIN="$bin" FF_POSTGRES_AS="$as_user" PGHOST=127.0.0.1 PGPORT="$port" PGUSER=ff PGDATABASE=ff
unset PGPASSWORD PGSERVICE PGOPTIONS PGSSLMODE PGCONNECT_TIMEOUT
"$bin/createdb" -h 127.0.0.1 -p "$port" -U ff -T template0 ff
cd "$OLDPWD"
# In the background, so that a signal is not held back until the command ends.
"$@" &
child=$!
status=0
wait "$child" || status=$?
child=
exit "$status"
