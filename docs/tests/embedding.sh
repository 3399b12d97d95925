#!/bin/sh
# Runs the program of docs/embedding.md, twice on one store: two threads share a limit, and a second run charges nothing.
# usage: embedding.sh PROGRAM
set -eu
program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0
status=0

# says NAME COUNT PATTERN: so many lines of the output have it.
says() {
	number=$((number + 1))
	if [ "$(grep -c "$3" "$folder/output")" -eq "$2" ]; then
		echo "ok $number - docs/embedding.md: $1"
	else
		cat "$folder/output" >&2
		echo "not ok $number - docs/embedding.md: $1"
		status=1
	fi
}

for run in first second; do
	"$program" "sqlite:$folder/usage.db" >"$folder/output" 2>&1 || status=1
	says "$run run: every call is answered" 8 '^[ab]-[1-4] '
	says "$run run: six calls are accepted" 6 ' accepted'
	says "$run run: one of them over the soft limit" 1 ', over the soft limit$'
	says "$run run: two are refused" 2 ' refused: 900 of 1000 used$'
done
if "$program" "sqlite:$folder" >"$folder/output" 2>&1; then
	status=1
fi
says "a store that cannot be opened is one line of text" 1 '.'
echo "1..$number"
exit $status
