#!/usr/bin/env python3
"""Breaks the rules of core/ one by one and shows that the tests notice, and by which statements' cases.

usage: tools/mutants.py [--jobs N] [--only TEXT] [LIST]

LIST (tools/mutants.txt) tells of each mutant what it breaks, the file, the lines that go (-) and those that come (+):

    usage may not equal the hard limit
    core/report.c
    -if (delta > limit - current)
    +if (delta >= limit - current)

Lines are compared without the blanks around them; those of one mutant follow each other in the file, and stand there
exactly once. A mutant that is not noticed, does not compile, or whose lines are not found fails the run.

The tree is copied, and what stands is left alone. Each worker builds its copy once; after that a mutant costs one
object, a link, and the tests up to the first case that fails.
"""
import argparse
import concurrent.futures
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True
import cases  # noqa: E402

TOP = Path(__file__).resolve().parent.parent
RUNS = [
    ["bin/ff-core-tests"],
    ["bin/ff-conformance", "--store", "sqlite::memory:"],
    ["bin/ff-conformance", "--store", "sqlite:store?durability=none"],
]


class Mutant(NamedTuple):
    title: str
    file: str
    old: list
    new: list


def read_mutants(path):
    mutants = []
    for block in re.split(r"\n\s*\n", Path(path).read_text(encoding="utf-8")):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        old = [line[1:].strip() for line in lines[2:] if line.startswith("-")]
        new = [line[1:].strip() for line in lines[2:] if line.startswith("+")]
        if len(lines) < 3 or not old or len(old) + len(new) != len(lines) - 2:
            sys.exit(f"{path}: this is no mutant:\n{block}")
        mutants.append(Mutant(lines[0].strip(), lines[1].strip(), old, new))
    return mutants


def mutated(mutant, text):
    """The file's text with the mutant in it; an error where its lines are not there exactly once."""
    lines = text.split("\n")
    bare = [line.strip() for line in lines]
    size = len(mutant.old)
    places = [i for i in range(len(lines) - size + 1) if bare[i : i + size] == mutant.old]
    if len(places) != 1:
        raise ValueError(f"its lines stand {len(places)} times in {mutant.file}")
    return "\n".join(lines[: places[0]] + mutant.new + lines[places[0] + size :])


class Unbuilt(Exception):
    """What a tree that does not build says."""


def build(tree, program):
    ninja = ["cmake", "--build", str(tree / "build"), "-j", "1", "--target", Path(program).name]
    made = subprocess.run(ninja, capture_output=True, text=True, errors="replace", check=False)
    if made.returncode != 0:
        raise Unbuilt(made.stdout[-2000:])


def prepare(tree):
    """A copy of what the tests need, built once."""
    junk = shutil.ignore_patterns("build", "build-*", ".git", "__pycache__")
    shutil.copytree(TOP, tree, ignore=junk, symlinks=True)
    configure = ["cmake", "-S", str(tree), "-B", str(tree / "build"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug"]
    subprocess.run([*configure, "-DCMAKE_C_FLAGS_DEBUG=-O0"], stdout=subprocess.DEVNULL, check=True)
    try:
        for run in RUNS:
            build(tree, run[0])
    except Unbuilt as fault:
        sys.exit(f"the tree does not build:\n{fault}")


def first_failure(tree, seconds_max):
    """What notices first: (statements, case), or None where every run passes. No case may take longer than that. A program
    is built when it is its turn: most mutants are noticed by the first."""
    for run in RUNS:
        build(tree, run[0])
        with tempfile.TemporaryDirectory(prefix="ff-mutant-") as scratch:
            with subprocess.Popen(
                [str(tree / "build" / run[0]), *run[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                cwd=scratch,
                env={**os.environ, "TMPDIR": scratch},
            ) as program:
                found = watch(program, Path(run[0]).name, seconds_max)
        if found:
            return found
    return None


def watch(program, name, seconds_max):
    def start_timer():
        timer = threading.Timer(seconds_max, program.kill)
        timer.start()
        return timer

    timer = start_timer()
    try:
        for line in program.stdout:
            case = cases.tap_case(line)
            if not case:
                continue
            timer.cancel()
            timer = start_timer()
            if case.status == cases.FAILED:
                program.kill()
                return case.ids, case.name
        code = program.wait()
    finally:
        timer.cancel()
    if code == 0:
        return None
    return (), f"{name} hangs" if code == -signal.SIGKILL else f"{name} ends with {code}"


def try_mutant(mutant, tree, seconds_max):
    """(noticed, one line about it). The tree is as before when this returns."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutated(mutant, text), encoding="utf-8")
        found = first_failure(tree, seconds_max)
        if not found:
            return False, "SURVIVES: no case notices it"
        ids, case = found
        return True, f"{' '.join(ids) or '(no statement)'}: {case}"
    except ValueError as fault:
        return False, str(fault)
    except Unbuilt as fault:
        return False, f"does not compile:\n{fault}"
    finally:
        path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Breaks the rules of core/ and shows that the tests notice.")
    parser.add_argument("list", nargs="?", default=TOP / "tools" / "mutants.txt")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only mutants whose title or file holds this text")
    options = parser.parse_args()
    mutants = [m for m in read_mutants(options.list) if options.only in m.title or options.only in m.file]
    if not mutants:
        sys.exit("there is no such mutant")
    with tempfile.TemporaryDirectory(prefix="ff-mutants-") as scratch:
        trees = queue.Queue()
        jobs = max(1, min(options.jobs, len(mutants)))
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            paths = [Path(scratch) / str(i) for i in range(jobs)]
            list(pool.map(prepare, paths))
            for path in paths:
                trees.put(path)
            started = time.monotonic()
            if first_failure(paths[0], 600):
                sys.exit("the tests fail without any mutant; mend that first")
            seconds_max = 2 + time.monotonic() - started  # a case is not longer than all of them

            def one(mutant):
                tree = trees.get()
                try:
                    return try_mutant(mutant, tree, seconds_max)
                finally:
                    trees.put(tree)

            survived = 0
            for i, (mutant, (noticed, told)) in enumerate(zip(mutants, pool.map(one, mutants)), 1):
                survived += not noticed
                print(f"{'ok' if noticed else 'not ok'} {i} - {mutant.title} ({mutant.file}): {told}", flush=True)
    print(f"{len(mutants) - survived} of {len(mutants)} mutants caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
