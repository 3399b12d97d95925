#!/bin/sh
# A host that is built by pkg-config: usage: pkg-config.sh CC PREFIX LIBDIR MAIN.C
set -eu
cc=$1 prefix=$2 libdir=$3 source=$4
export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$prefix" "$scratch/moved" # ff.pc must not know where it was
PKG_CONFIG_PATH="$scratch/moved/$libdir/pkgconfig"
# shellcheck disable=SC2046 # lists of options
"$cc" -std=c11 -o "$scratch/host" "$source" $(pkg-config --cflags --libs ff)
LD_LIBRARY_PATH="$scratch/moved/$libdir" "$scratch/host"
