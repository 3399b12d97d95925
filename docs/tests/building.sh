#!/bin/sh
# Builds the program of docs/embedding.md in each way that the page shows, and runs it.
# usage: building.sh SOURCE BUILD LIBDIR
set -eu
source=$1 build=$2 libdir=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0
status=0

block() {
	awk -v language="$1" -v n="$2" -f "$source/docs/tests/block.awk" "$source/docs/embedding.md"
}

# runs NAME PROGRAM: it answers each of its calls.
runs() {
	number=$((number + 1))
	if [ "$("$2" "sqlite:$folder/$number.db" | grep -c '^[ab]-[1-4] ')" -eq 8 ]; then
		echo "ok $number - docs/embedding.md: $1"
	else
		echo "not ok $number - docs/embedding.md: $1"
		status=1
	fi
}

cd "$folder"
block c 1 >program.c
ln -s "$source" ff
ln -s "$source/include" include
ln -s "$build" build

cmake --install build --prefix "$folder/prefix" >/dev/null
PKG_CONFIG_PATH=$folder/prefix/$libdir/pkgconfig
export PKG_CONFIG_PATH
block sh 1 | sh -e
runs "by pkg-config" ./program
rm program

block sh 2 | sh -e
runs "by hand" ./program

# Each block of CMake, in the least that a project is.
for n in 1 2; do
	{
		echo 'cmake_minimum_required(VERSION 3.25)'
		echo 'project(program C)'
		echo 'add_executable(program program.c)'
		block cmake "$n"
		echo 'if(FF_TESTS)'
		echo '	message(FATAL_ERROR "the tests of ff would be built")'
		echo 'endif()'
	} >CMakeLists.txt
	cmake -S . -B "by-cmake-$n" -DCMAKE_PREFIX_PATH="$folder/prefix" >"log-$n" 2>&1 || cat "log-$n"
	cmake --build "by-cmake-$n" --target program -j 2 >"log-$n" 2>&1 || cat "log-$n"
	runs "by CMake, block $n" "by-cmake-$n/program"
done
echo "1..$number"
exit $status
