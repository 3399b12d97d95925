#!/usr/bin/env python3
"""What is seen from outside: usage: exports.py HEADERS LIBRARY PROGRAM...

The library has the names that its headers declare, and no other. The programs, which load modules, have the names that
modules call.
"""
import os
import pathlib
import re
import subprocess
import sys

DECLARED = re.compile(r"^FF_API [^;(]*?\b(\w+)\(", re.M)
# Num: Value Size Type Bind Vis Ndx Name
VISIBLE = re.compile(r"^\s*\d+: +[0-9a-f]+ +\S+ +(?:FUNC|OBJECT) +(?:GLOBAL|WEAK|UNIQUE) +DEFAULT +\d+ +([^\s@]+)", re.M)
AUTHORS = {"backend.h", "common.h", "error.h", "kv.h", "sql.h"}


def declared(headers):
    return {name for header in headers for name in DECLARED.findall(header.read_text("utf-8"))}


def visible(file, *options):
    listed = subprocess.run(["readelf", "-W", *options, file], capture_output=True, text=True, check=True).stdout
    return {name for name in VISIBLE.findall(listed) if not name.startswith("_")}


headers = [path for path in pathlib.Path(sys.argv[1]).glob("*.h") if path.name != "conformance.h"]
library, *programs = sys.argv[2:]
everything = declared(headers)
for_authors = declared(path for path in headers if path.name in AUTHORS)
assert len(everything) > 50 and 20 < len(for_authors) < len(everything)
name_of = os.path.basename
checks = [(f"{name_of(library)} exports what the headers declare", everything - visible(library, "--syms")),
          (f"{name_of(library)} exports nothing else", visible(library, "--syms") - everything)]
checks += [(f"{name_of(program)} exports what modules call", for_authors - visible(program, "--dyn-syms"))
           for program in programs]
for number, (name, faults) in enumerate(checks, 1):
    for fault in sorted(faults):
        print(f"# {fault}")
    print(f"{'not ok' if faults else 'ok'} {number} - exports: {name}")
print(f"1..{len(checks)}")
sys.exit(any(faults for _, faults in checks))
