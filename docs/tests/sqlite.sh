#!/bin/sh
# Runs the queries of docs/sqlite.md against a store that the engine made, at a fixed time, and copies it as told there.
# usage: sqlite.sh FFCTL DOCS_FOLDER
set -eu
ffctl=$1
docs=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
store=$folder/ff.db
now=1700000000000
status=0
number=0

# at OFFSET_MS ARGUMENT…: ffctl at that time. A refusal (3) is an answer.
at() {
	when=$((now + $1))
	shift
	"$ffctl" --store "sqlite:$store" --json --now "$when" "$@" >>"$folder/log" 2>&1 || [ $? -eq 3 ] || {
		cat "$folder/log" >&2
		echo "not ok - ffctl $*"
		exit 1
	}
}

# query N NAME: runs the N-th query of the page at `now` and compares it with standard input.
query() {
	number=$((number + 1))
	awk -v language=sql -v n="$1" -f "$docs/tests/block.awk" "$docs/sqlite.md" |
		sed "s/unixepoch() \* 1000/$now/g" >"$folder/query.sql"
	cat >"$folder/expected"
	if sqlite3 -readonly -batch -header "$store" <"$folder/query.sql" >"$folder/got" 2>&1 &&
		diff "$folder/expected" "$folder/got" >&2; then
		echo "ok $number - docs/sqlite.md: $2"
	else
		echo "not ok $number - docs/sqlite.md: $2"
		status=1
	fi
}

# Plain: near its limit, warned and refused. Due: its reset has passed unwritten. Reset: its usage is of an earlier
# period. Free: no policy. Big: limits above 2^53, which the policy holds as texts. Mild: advisory.
at -7200000 budget create plain --limit tokens=1000:800 --limit cents=0
at -7200000 budget create due --limit tokens=100 --reset-every 1h
at -7200000 budget create reset --limit tokens=100
at -7200000 budget create big --limit tokens=9223372036854775807
at -7200000 budget create mild --mode advisory --limit tokens=10
at -86400000 report free tokens=7 --key expired
at -84600000 report free tokens=1 --key soon
at -7200000 report plain tokens=700 cents=5 --key k1
at -7100000 report plain tokens=200 --key k2
at -7000000 report plain tokens=101 --key k3
at -7000000 report due tokens=95
at -7000000 report due tokens=6
at -7000000 report reset tokens=95
at -6000000 budget reset reset
at -5000000 report big tokens=9007199254740993
at -5000000 report mild tokens=11
at -5000000 quota create calls --window 2h --max 3 --concurrency 2
at -7300000 quota create slow --window 1h --max 1 --concurrency 0
at -7300000 quota admit slow --execution old
at -5000000 quota admit calls --execution a
at -4000000 quota admit calls --execution b --lease 60s
at -3000000 quota admit loose --execution c --window 2h --max 5 --concurrency 5

query 1 'usage now' <<END
budget_id|dimension|used|hard_limit
big|tokens|9007199254740993|9223372036854775807
due|tokens|0|100
free|tokens|8|
mild|tokens|11|10
plain|cents|5|0
plain|tokens|900|1000
reset|tokens|0|100
END
query 2 'who is near a limit' <<END
budget_id|dimension|used|hard_limit|percent
mild|tokens|11|10|110
plain|tokens|900|1000|90
END
query 3 'breaches' <<END
budget_id|mode|hard|soft|last_dimension|last_at
plain|strict|1|1|tokens|2023-11-14 20:16:40
due|strict|1|0||
mild|advisory|1|0|tokens|2023-11-14 20:50:00
END
query 4 'keys about to expire' <<END
budget_id|dedup_key|used_at|minutes_left
free|soon|2023-11-13 22:43:20|30
END
query 5 'quotas' <<END
quota_policy_id|in_window|max_in_window|active|max_active
calls|2|3|1|2
slow|0|1|1|0
END

number=$((number + 1))
at 0 export "$folder/export"
sqlite3 "$store" "VACUUM INTO '$folder/copy.db'"
store=$folder/copy.db
at 0 export "$folder/export-of-copy"
if diff "$folder/export" "$folder/export-of-copy" >&2; then
	echo "ok $number - docs/sqlite.md: a copy"
else
	echo "not ok $number - docs/sqlite.md: a copy"
	status=1
fi
echo "1..$number"
exit $status
