#!/bin/sh
# Each header alone, and what its macros make of a caller's line, without a warning: usage: headers.sh CC CXX INCLUDE
# Where CXX is empty there is no compiler for C++ here.
set -eu
cc=$1 cxx=$2 include=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What the macros are used for; the headers of backends have none but FF_BACKEND_PLUGIN.
begin_all() {
	cat <<-END
		#include <ff/conformance.h>
		#include <ff/kv.h>
		#include <ff/sql.h>
		size_t begin_all(ff_test *test);
		size_t begin_all(ff_test *test)
		{
			ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
			ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
			ff_quota_spec quota = FF_QUOTA_SPEC_INIT;
			ff_admission admission = FF_ADMISSION_INIT;
			FF_REQUIRE(test, FF_CHECK_EQ_INT(test, options.size, sizeof(options)));
			FF_REQUIRE_OK(test, FF_OK);
			FF_CHECK_CODE(test, FF_E_BUSY, FF_E_BUSY);
			FF_CHECK_STR(test, "", "");
			return options.size + budget.size + quota.size + admission.size;
		}
	END
}

# compile LANGUAGE COMPILER OPTION…: everything here, in that language
compile() {
	language=$1
	shift
	for header in "$include"/ff/*.h; do
		echo "#include <ff/${header##*/}>" >"$scratch/alone"
		"$@" -x "$language" -I "$include" -fsyntax-only "$scratch/alone"
	done
	begin_all >"$scratch/all"
	"$@" -x "$language" -I "$include" -fsyntax-only "$scratch/all"
}

strict='-pedantic-errors -Werror -Wall -Wextra -Wconversion -Wsign-conversion -Wcast-qual -Wshadow'
# shellcheck disable=SC2086 # a list of options
compile c "$cc" -std=c11 $strict -Wc++-compat -Wstrict-prototypes
for standard in c++11 c++14 c++17 c++20; do
	# shellcheck disable=SC2086
	[ -z "$cxx" ] || compile c++ "$cxx" -std=$standard $strict -Wold-style-cast
done
