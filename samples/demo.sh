#!/bin/sh
# Replays the sample day against the sample policy on every embedded store, twice, and shows what came of it.
#
#     samples/demo.sh build/bin/ffctl [DIRECTORY]
#
# The stores are made in DIRECTORY (default: a new one below $TMPDIR), and stay there to be looked at.
set -eu

ffctl=${1:?usage: samples/demo.sh FFCTL [DIRECTORY]}
here=$(cd "$(dirname "$0")" && pwd)
dir=${2:-$(mktemp -d "${TMPDIR:-/tmp}/ff-demo.XXXXXX")}
mkdir -p "$dir"
end_of_day=1741737599999 # 2025-03-11 23:59:59.999 UTC, in milliseconds since 1970

say() {
	printf '\n== %s\n' "$*"
}

# The command is shown as it could be typed, and run.
show() {
	printf '$ ffctl' && printf ' %s' "$@" && printf '\n'
	"$ffctl" "$@"
}

# A refusal is an answer, told by status 3.
show_answer() {
	show "$@" || [ $? -eq 3 ]
}

replay_day() {
	"$ffctl" "$@" replay "$here/day.csv" --policy "$here/policy.json" --budget-from team \
		--dim prompt_tokens=prompt_tokens --dim completion_tokens=completion_tokens --dim cost=cost_microusd \
		--time-from time --key-prefix day-
}

# A line of the log may need admission first: the hour after 18:00, and a quota of requests a minute for all teams.
replay_hour() {
	grep -e '^time,' -e '^2025-03-11 18:' "$here/day.csv" |
		"$ffctl" "$@" replay - --budget hour --dim calls_cost=cost_microusd --time-from time \
			--quota gateway --execution-from execution
}

run_store() {
	name=$1
	store=$1:$dir/$1
	say "$name: the day's 4,000 calls, against the budgets of policy.json"
	replay_day --store "$store"

	say "$name: the same again, with the same keys"
	"$ffctl" --store "$store" --now "$end_of_day" --json budget list >"$dir/before"
	replay_day --store "$store"
	"$ffctl" --store "$store" --now "$end_of_day" --json budget list >"$dir/after"
	cmp "$dir/before" "$dir/after"
	echo "The books are what they were."

	say "$name: the budgets at the end of the day (the mark in a bar is the soft limit)"
	show --store "$store" --now "$end_of_day" budget list

	say "$name: one busy hour, where every call asks the quota 'gateway' for admission first"
	replay_hour --store "$store"
	show --store "$store" --now 1741719599999 quota status gateway

	say "$name: the ledger: what an execution spent is taken back when it is called off"
	show --store "$store" --now "$end_of_day" budget create agents --limit cost=1000:800
	show --store "$store" --now "$end_of_day" spend agents --execution run-1 cost=700 --key call-1
	show_answer --store "$store" --now "$end_of_day" spend agents --execution run-2 cost=400 --key call-2
	show --store "$store" --now "$end_of_day" release agents --execution run-1
	show_answer --store "$store" --now "$end_of_day" spend agents --execution run-2 cost=400 --key call-2 --retry-refused
}

first=
agree=
backends=$("$ffctl" --store "sqlite:$dir/sqlite" --json backends)
for name in sqlite lmdb; do
	case $backends in
	*"\"name\":\"$name\""*) ;;
	*) continue ;;
	esac
	run_store "$name"
	"$ffctl" --store "$name:$dir/$name" --now "$end_of_day" export "$dir/$name.jsonl" 2>/dev/null
	if [ -z "$first" ]; then
		first=$name
	elif cmp "$dir/$first.jsonl" "$dir/$name.jsonl"; then
		agree="$agree $name"
	else
		echo "$first and $name do not agree: see $dir" >&2
		exit 1
	fi
done
rm -f "$dir/before" "$dir/after"

say "Done"
if [ -n "$agree" ]; then
	echo "$first and$agree agree to the last byte of their exports."
else
	echo "There is one embedded store, $first: no other to compare it with."
fi
cat <<END

To try next:
  export FF_STORE=$first:$dir/$first
  $ffctl --now $end_of_day budget status support
  $ffctl --now $end_of_day report support cost=1000000; echo "status \$?"
  $ffctl --json --now $end_of_day budget list
  $ffctl export | head
  $ffctl help replay
The stores stay in $dir until you remove it.
END
