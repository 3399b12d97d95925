#!/usr/bin/env python3
"""Breaks the rules of core/ one by one and shows that the tests notice, and by which statements' cases.

usage: tools/mutants.py [--jobs N] [--only TEXT] [--find] [LIST]

LIST (tools/mutants.txt) tells of each mutant what it breaks, the file, the case that notices it, the lines that go (-) and
those that come (+):

    usage may not equal the hard limit
    core/report.c
    by report_up_to_the_hard_limit
    -if (delta > limit - current)
    +if (delta >= limit - current)

Lines are compared without the blanks around them; those of one mutant follow each other in the file, and stand there
exactly once. A mutant that is not noticed by its case, does not compile, or whose lines are not found fails the run. With
--find only those are tried of which the list names no case, by all cases. The one is written into it whose name shares most
words with the title, or else the one that the fewest of these mutants make fail.

The tree is copied, and what stands is left alone. Each worker builds its copy once; after that a mutant costs one
object, a link, and its case.
"""
import argparse
import collections
import concurrent.futures
import itertools
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


class Run(NamedTuple):
    program: str
    options: tuple
    choose: tuple  # in front of a case's name: the program runs it alone


RUNS = [
    Run("ff-conformance", ("--store", "sqlite::memory:"), ("--filter",)),
    Run("ff-core-tests", (), ()),
    Run("ff-conformance", ("--store", "sqlite:store?durability=none"), ("--filter",)),
]


TRIES = 3  # where threads or hashes decide, a case may meet its mutant by chance only


class Mutant(NamedTuple):
    title: str
    file: str
    by: str  # a case, or "" where none is known
    old: list
    new: list


def read_mutants(path):
    mutants = []
    for block in re.split(r"\n\s*\n", Path(path).read_text(encoding="utf-8")):
        lines = [line.strip() for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        title, file, *rest = lines if len(lines) > 2 else (*lines, "", "")
        by = rest.pop(0)[3:] if rest[0].startswith("by ") else ""
        old = [line[1:].strip() for line in rest if line.startswith("-")]
        new = [line[1:].strip() for line in rest if line.startswith("+")]
        if not old or len(old) + len(new) != len(rest):
            sys.exit(f"{path}: this is no mutant:\n{block}")
        mutants.append(Mutant(title, file, by, old, new))
    return mutants


def write_by(path, found):
    """Writes into the list which case notices a mutant; `found` has those of titles."""
    lines = []
    for line in Path(path).read_text(encoding="utf-8").split("\n"):
        title = lines[-2] if len(lines) > 1 else ""
        if title in found:
            lines.append(f"by {found.pop(title)}")
            if line.startswith("by "):
                continue
        lines.append(line)
    Path(path).write_text("\n".join(lines), encoding="utf-8")


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
    ninja = ["cmake", "--build", str(tree / "build"), "-j", "1", "--target", program]
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
            build(tree, run.program)
    except Unbuilt as fault:
        sys.exit(f"the tree does not build:\n{fault}")


def list_cases(tree):
    """The names of each program's cases, in their order."""
    names = {}
    for program in {run.program for run in RUNS}:
        listed = subprocess.run([tree / "build/bin" / program, "--list"], capture_output=True, text=True, check=True)
        names[program] = [line.split("\t")[0] for line in listed.stdout.splitlines()]
    counts = collections.Counter(itertools.chain(*names.values()))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        sys.exit(f"two cases are called '{twice[0]}', so that its mutants do not tell which of them notices")
    return names


def failures(tree, names, seconds_max, by=""):
    """The cases that fail, as they come, of the first program where any does: (statements, case). Only `by` is run where it
    is named. No case may take longer than that. A program is built when it is its turn."""
    found = False
    for run in RUNS:
        expected = [name for name in names[run.program] if by in name]
        if found or not expected:
            continue
        build(tree, run.program)
        with tempfile.TemporaryDirectory(prefix="ff-mutant-") as scratch:
            with subprocess.Popen(
                [str(tree / "build/bin" / run.program), *run.options, *((*run.choose, by) if by else ())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                errors="replace",
                cwd=scratch,
                env={**os.environ, "TMPDIR": scratch},
            ) as program:
                for ids, case in watch(program, expected, seconds_max):
                    if by in ("", case):
                        found = True
                        yield ids, case


def watch(program, names, seconds_max):
    """Those of these cases that fail, and the one that is under way when the program crashes or hangs."""

    def start_timer():
        timer = threading.Timer(seconds_max, program.kill)
        timer.start()
        return timer

    done = failed = 0
    timer = start_timer()
    try:
        for line in program.stdout:
            case = cases.tap_case(line)
            if not case:
                continue
            timer.cancel()
            timer = start_timer()
            done += 1
            if case.status == cases.FAILED:
                failed += 1
                yield case.ids, case.name.split()[0]
        code = program.wait()
        if code < 0 or (code > 0 and not failed):
            yield (), names[min(done, len(names) - 1)]
    finally:
        timer.cancel()
        program.kill()


def try_mutant(mutant, tree, names, seconds_max):
    """(what fails by it: (statements, case), and what is wrong with the mutant itself). The tree is as before when this
    returns."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutated(mutant, text), encoding="utf-8")
        for _ in range(TRIES):
            found = list(failures(tree, names, seconds_max, mutant.by))
            if found:
                break
        return found, ""
    except ValueError as fault:
        return [], str(fault)
    except Unbuilt as fault:
        return [], f"does not compile:\n{fault}"
    finally:
        path.write_text(text, encoding="utf-8")


def tell(number, mutant, found, fault):
    ids, case = found[0] if found else ((), "")
    noticed = f"{' '.join(ids) or '(no statement)'}: {case}"
    survives = f"SURVIVES: {mutant.by or 'no case'} does not fail"
    print(
        f"{'ok' if found else 'not ok'} {number} - {mutant.title} ({mutant.file}): {noticed if found else fault or survives}",
        flush=True,
    )


def words_of(text):
    return {word.rstrip("s") for word in re.findall(r"[a-z]{4,}", text.lower())}


def choose(mutants, found):
    """Which case each is to be noticed by: one that is about the same, or about little else."""
    often = collections.Counter(case for failed in found for _, case in failed)
    chosen = {}
    for mutant, failed in zip(mutants, found):
        names = [case for _, case in failed]
        shared = {name: len(words_of(name) & words_of(mutant.title)) for name in names}
        if names:
            chosen[mutant.title] = min(names, key=lambda name: (-shared[name], often[name]))
    return chosen


def main():
    parser = argparse.ArgumentParser(description="Breaks the rules of core/ and shows that the tests notice.")
    parser.add_argument("list", nargs="?", default=TOP / "tools" / "mutants.txt")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only mutants whose title or file holds this text")
    parser.add_argument("--find", action="store_true", help="try those that have no case, and write one into the list")
    options = parser.parse_args()
    mutants = [m for m in read_mutants(options.list) if options.only in m.title or options.only in m.file]
    mutants = [m for m in mutants if not options.find or not m.by]
    mutants.sort(key=lambda m: m.file)  # or the one that is mended is compiled again, besides the one that is broken
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
            names = list_cases(paths[0])
            started = time.monotonic()
            if list(failures(paths[0], names, 600)):
                sys.exit("the tests fail without any mutant; mend that first")
            seconds_max = 2 + time.monotonic() - started  # a case is not longer than all of them

            def one(mutant):
                tree = trees.get()
                try:
                    return try_mutant(mutant, tree, names, seconds_max)
                finally:
                    trees.put(tree)

            found = []
            for i, (mutant, (failed, fault)) in enumerate(zip(mutants, pool.map(one, mutants)), 1):
                found.append(failed)
                tell(i, mutant, failed, fault)
    caught = sum(bool(failed) for failed in found)
    print(f"{caught} of {len(mutants)} mutants caught")
    if options.find:
        write_by(options.list, choose(mutants, found))
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
