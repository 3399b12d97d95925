#!/usr/bin/env python3
"""Holds the table "who includes what" of docs/architecture.md: usage: layers.py TOP_FOLDER"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)', re.M)
STORAGE = re.compile(r"sqlite|lmdb|libpq|postgres|redis|valkey", re.I)
STANDARD = "backends/support/standard.h"  # what else a program includes
top = pathlib.Path(sys.argv[1])


def sources(folder):
    """The C files of a folder; its tests may look behind the walls."""
    return [path for path in sorted((top / folder).rglob("*.[ch]")) if "tests" not in path.relative_to(top).parts]


def includes(folder):
    return [(path, *found) for path in sources(folder) for found in INCLUDE.findall(path.read_text("utf-8"))]


def strangers(folder, *others):
    """Headers in quotes that are not there, or lie neither in the folder nor in the others."""
    near = [(top / name).resolve() for name in (folder, *others)]
    quoted = [(path, name, (path.parent / name).resolve()) for path, quote, name in includes(folder) if quote == '"']
    return [f"{path}: {name}" for path, name, header in quoted
            if not header.exists() or not any(header.is_relative_to(place) for place in near)]


def storage(folder):
    return [f"{path}: {name}" for path, _, name in includes(folder) if STORAGE.search(name)]


def mentions(folder):
    return [str(path) for path in sources(folder) if STORAGE.search(path.read_text("utf-8"))]


def beyond_the_library(folder):
    """What public headers may include: one another, and C's own headers."""
    return [f"{path}: {name}" for path, _, name in includes(folder)
            if not re.fullmatch(r"ff/\w+\.h|std\w+\.h|inttypes\.h|string\.h", name)]


backends = sorted(str(path.relative_to(top)) for path in (top / "backends").iterdir() if path.is_dir())
checks = [
    ("core/ includes <ff/…> and its own headers", strangers("core")),
    ("core/ names no storage", mentions("core")),
    ("cli/ includes <ff/…> and its own headers, and no storage", strangers("cli", STANDARD) + storage("cli")),
    ("conformance/ includes <ff/…> and its own headers, and no storage",
     [fault for fault in strangers("conformance", STANDARD) if "criterion_tests.h" not in fault] + storage("conformance")),
    ("bench/ includes <ff/…> and its own headers; only its floors and peers know a storage",
     strangers("bench", STANDARD) + [fault for fault in storage("bench") if "/floors/" not in fault and "/peers/" not in fault]),
    ("a backend includes nothing of core/ or of another", [fault for name in backends
                                                              for fault in strangers(name, "backends/support")]),
    ("public headers include one another and C's", beyond_the_library("include")),
]
assert all(sources(folder) for folder in ("core", "cli", "conformance", "bench", "include")) and backends
for number, (name, faults) in enumerate(checks, 1):
    for fault in faults:
        print(f"# {fault}")
    print(f"{'not ok' if faults else 'ok'} {number} - layers: {name}")
print(f"1..{len(checks)}")
sys.exit(any(faults for _, faults in checks))
