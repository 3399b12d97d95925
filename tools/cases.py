#!/usr/bin/env python3
"""The cases of a test run, out of the file that `ctest --output-junit` wrote.

As a program, tools/cases.py RESULTS.xml names what failed and ends with the line "N passed, N failed, N skipped".
A test of ctest's is a program with many cases; what counts are the cases: the lines of TAP, of Criterion and of
Python's unittest in its output. A program that prints none of them is one case. With FF_CI=1 in the environment a case
that was skipped because the machine lacks something (a server, a package) fails.
"""
import os
import re
import sys
import xml.etree.ElementTree
from typing import NamedTuple

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

TAP = re.compile(r"^(not )?ok\b(?: +\d+)?(?: +-)? +(.*?)(?: *# *SKIP\b *(.*))?$")
CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
UNITTEST = re.compile(r"^Ran (\d+) tests? in ")
UNITTEST_END = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$")
UNITTEST_SKIP = re.compile(r"\.\.\. skipped '(.*)'$")
ID = re.compile(r"FF-[A-Z]+-\d+")
# Reasons to skip that are no lack of the machine's: capabilities by their names, and data that is not shipped.
EXPECTED_SKIP = re.compile(r"^[A-Z_]+(?: [A-Z_]+)*$|does not claim|beside the repository")


class Case(NamedTuple):
    name: str
    status: str
    ids: tuple = ()
    reason: str = ""


def tap_case(line):
    """The case that a line of TAP tells of, or None where it is none."""
    match = TAP.match(line.rstrip())
    if not match:
        return None
    bad, name, reason = match.groups()
    status = FAILED if bad else SKIPPED if reason is not None else PASSED
    return Case(name, status, tuple(ID.findall(name)), reason or "")


def counted(program, passed, failed, reasons):
    """Cases of which only the numbers are known."""
    return (
        [Case(program, PASSED)] * passed
        + [Case(program, FAILED)] * failed
        + [Case(program, SKIPPED, (), reason) for reason in reasons]
    )


def unittest_cases(program, lines):
    ran, result = 0, ""
    reasons = []
    for line in lines:
        if UNITTEST.match(line):
            ran += int(UNITTEST.match(line).group(1))
        elif UNITTEST_END.match(line):
            result = UNITTEST_END.match(line).group(1) or ""
        elif UNITTEST_SKIP.search(line):
            reasons.append(UNITTEST_SKIP.search(line).group(1))
    number = {word: int(count) for word, count in re.findall(r"(\w+)=(\d+)", result)}
    reasons += ["no reason given"] * (number.get("skipped", 0) - len(reasons))
    failed = number.get("failures", 0) + number.get("errors", 0)
    return counted(program, max(0, ran - failed - len(reasons)), failed, reasons)


def cases_of(program, status, output):
    """The cases of one program, by its output and the status that ctest gave it."""
    lines = output.splitlines()
    cases = [case for case in map(tap_case, lines) if case]
    if not cases:
        for tested, passing, failing, crashing in CRITERION.findall(output):
            skipped = int(tested) - int(passing) - int(failing) - int(crashing)
            cases += counted(program, int(passing), int(failing) + int(crashing), [""] * skipped)
    if not cases:
        cases = unittest_cases(program, lines)
    if status != PASSED and not any(case.status == status for case in cases):
        cases.append(Case(program, status, (), "" if status == SKIPPED else "the program as a whole failed"))
    return cases or [Case(program, status)]


def read_results(path):
    """[(program, cases)] of a whole run."""
    programs = []
    for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        status = {"run": PASSED, "fail": FAILED}.get(test.get("status"), SKIPPED)
        output = test.findtext("system-out") or ""
        programs.append((test.get("name"), cases_of(test.get("name"), status, output)))
    return programs


def main(path):
    strict = os.environ.get("FF_CI") == "1"
    count = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for program, cases in read_results(path):
        for case in cases:
            status = case.status
            if strict and status == SKIPPED and not EXPECTED_SKIP.search(case.reason):
                status = FAILED
            count[status] += 1
            if status == FAILED:
                print(f"failed: {program}: {case.name} {case.reason}".rstrip())
    print(f"{count[PASSED]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped")
    return 1 if count[FAILED] or not count[PASSED] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: tools/cases.py RESULTS.xml")
    sys.exit(main(sys.argv[1]))
