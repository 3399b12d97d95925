#!/usr/bin/env python3
"""The scripts that judge a run must themselves be able to say no."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.sax.saxutils import escape

sys.dont_write_bytecode = True
TOOLS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS))
import cases  # noqa: E402
import mutants  # noqa: E402

PASSING = "ok 1 - at_limit [FF-RU-9 FF-RU-1] (sqlite::memory:)\n"
FAILING = "not ok 2 - over_limit [FF-RU-10] (sqlite::memory:)\n"
SKIPPED = "ok 3 - two_writers [FF-RU-13] (sqlite::memory:) # SKIP SECOND MULTI_PROCESS\n"


def statuses(program_status, output):
    return [case.status for case in cases.cases_of("program", program_status, output)]


class Cases(unittest.TestCase):
    def test_tap(self):
        self.assertEqual(cases.tap_case(PASSING).ids, ("FF-RU-9", "FF-RU-1"))
        self.assertEqual(cases.tap_case(FAILING).status, cases.FAILED)
        self.assertEqual(cases.tap_case(SKIPPED).reason, "SECOND MULTI_PROCESS")
        self.assertIsNone(cases.tap_case("okay"))
        self.assertIsNone(cases.tap_case("# ok 1 - a note"))

    def test_a_crash_after_passed_cases_is_a_failure(self):
        self.assertEqual(statuses(cases.FAILED, PASSING), [cases.PASSED, cases.FAILED])

    def test_a_failed_case_counts_though_the_program_ends_well(self):
        self.assertEqual(statuses(cases.PASSED, PASSING + FAILING), [cases.PASSED, cases.FAILED])

    def test_unittest(self):
        output = "test_a (m.T) ... ok\ntest_b (m.T) ... skipped 'no server'\nRan 4 tests in 0.1s\n\n"
        found = cases.cases_of("program", cases.FAILED, output + "FAILED (failures=1, errors=1, skipped=1)\n")
        self.assertEqual(sorted(case.status for case in found), ["failed", "failed", "passed", "skipped"])
        self.assertIn("no server", [case.reason for case in found])

    def test_criterion(self):
        line = "[====] Synthesis: Tested: 3 | Passing: 1 | Failing: 1 | Crashing: 1\n"
        self.assertEqual(statuses(cases.FAILED, line), [cases.PASSED, cases.FAILED, cases.FAILED])

    def test_a_program_without_cases_is_one(self):
        self.assertEqual(statuses(cases.PASSED, "done\n"), [cases.PASSED])


class Programs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.results = Path(folder.name) / "tests.xml"
        self.semantics = Path(folder.name) / "semantics.md"
        self.semantics.write_text("- FF-RU-1 a\n- FF-RU-9 b, not FF-RU-77\n", encoding="utf-8")

    def write(self, output, status="run"):
        self.results.write_text(
            f'<testsuite><testcase name="p" status="{status}"><system-out>{escape(output)}</system-out>'
            "</testcase></testsuite>",
            encoding="utf-8",
        )

    def run_tool(self, *words, **env):
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=False, env={**os.environ, "FF_CI": "", **env}
        )
        return done.returncode, done.stdout

    def closing_line(self, **env):
        code, said = self.run_tool(str(TOOLS / "cases.py"), str(self.results), **env)
        return code, said.splitlines()[-1]

    def ids(self):
        return self.run_tool(str(TOOLS / "ids"), str(self.semantics), str(self.results))

    def test_closing_line(self):
        self.write(PASSING)
        self.assertEqual(self.closing_line(), (0, "1 passed, 0 failed, 0 skipped"))
        self.write(PASSING + FAILING + SKIPPED)
        self.assertEqual(self.closing_line(), (1, "1 passed, 1 failed, 1 skipped"))

    def test_nothing_passed_is_a_failure(self):
        self.results.write_text("<testsuite></testsuite>", encoding="utf-8")
        self.assertEqual(self.closing_line(), (1, "0 passed, 0 failed, 0 skipped"))

    def test_skips_where_nothing_may_be_missing(self):
        self.write(PASSING + SKIPPED)
        self.assertEqual(self.closing_line(FF_CI="1"), (0, "1 passed, 0 failed, 1 skipped"))
        self.write(PASSING + "ok 2 - x [FF-RU-1] # SKIP there is no sqlite3\n")
        self.assertEqual(self.closing_line(FF_CI="1"), (1, "1 passed, 1 failed, 0 skipped"))

    def test_ids(self):
        self.write(PASSING)
        self.assertEqual(self.ids()[0], 0)

    def test_an_id_without_a_passed_case(self):
        self.write(PASSING.replace("FF-RU-9 ", ""))
        code, said = self.ids()
        self.assertEqual(code, 1)
        self.assertIn("FF-RU-9 has no passed case", said)
        self.write(PASSING.replace("ok 1", "not ok 1"))
        self.assertEqual(self.ids()[0], 1)

    def test_an_id_that_is_no_statement(self):
        self.write(PASSING + PASSING.replace("FF-RU-9", "FF-RU-77"))
        code, said = self.ids()
        self.assertEqual(code, 1)
        self.assertIn("FF-RU-77", said)


class Mutants(unittest.TestCase):
    def watch(self, script, seconds_max):
        with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as program:
            return list(mutants.watch(program, ["at_limit", "over_limit"], seconds_max))

    def test_each_case_has_its_time_and_what_else_is_printed_gives_none(self):
        case = f"sleep 0.3; echo '{PASSING.strip()}'; "
        self.assertEqual(self.watch(3 * case, 1), [])
        hangs = "for i in 1 2 3 4 5 6 7 8; do sleep 0.3; echo '# a note'; done"
        self.assertEqual(self.watch(hangs, 1), [((), "at_limit")])
        self.assertEqual(self.watch(case + hangs, 1), [((), "over_limit")])

    def test_cases_that_fail_or_end_the_program(self):
        passes, fails = f"echo '{PASSING.strip()}'; ", f"echo '{FAILING.strip()}'; "
        failed = (("FF-RU-10",), "over_limit")
        self.assertEqual(self.watch(passes + fails + fails + "exit 1", 9), [failed, failed])
        self.assertEqual(self.watch(passes + "exit 3", 9), [((), "over_limit")])
        self.assertEqual(self.watch(2 * passes + "exit 3", 9), [((), "over_limit")])
        self.assertEqual(self.watch(fails + "kill -9 $$", 9), [failed, ((), "over_limit")])

    def test_the_case_that_is_chosen(self):
        titles = ("1", "2", "3", "the hard limit is not looked at")
        found = ("a c", "b a", "", "a c d_at_hard_limits")
        self.assertEqual(
            mutants.choose(
                [mutants.Mutant(title, "f.c", "", [], []) for title in titles],
                [[((), case) for case in cases.split()] for cases in found],
            ),
            {"1": "c", "2": "b", "the hard limit is not looked at": "d_at_hard_limits"},
        )

    def test_cases_of_one_name_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder)
            (tree / "build/bin").mkdir(parents=True)
            for program, case in (("ff-conformance", "a"), ("ff-core-tests", "b")):
                listing = tree / "build/bin" / program
                listing.write_text(f"#!/bin/sh\nprintf '{case}\\tFF-RU-1\\nc_{case}\\t\\n'\n", encoding="utf-8")
                listing.chmod(0o755)
            self.assertEqual(mutants.list_cases(tree), {"ff-conformance": ["a", "c_a"], "ff-core-tests": ["b", "c_b"]})
            listing.write_text("#!/bin/sh\nprintf 'b\\t\\na\\t\\n'\n", encoding="utf-8")
            with self.assertRaisesRegex(SystemExit, "two cases are called 'a'"):
                mutants.list_cases(tree)

    def test_lines_are_replaced_where_they_stand_once(self):
        mutant = mutants.Mutant("t", "f.c", "", ["a;", "b;"], ["c;"])
        self.assertEqual(mutants.mutated(mutant, "\ta;\nx;\n\ta;\n\tb;\n"), "\ta;\nx;\nc;\n")

    def test_lines_that_are_missing_or_stand_twice(self):
        for text in ("b;\na;\n", "a;\nb;\na;\nb;\n"):
            with self.assertRaises(ValueError):
                mutants.mutated(mutants.Mutant("t", "f.c", "", ["a;", "b;"], []), text)

    def test_the_list_can_be_read(self):
        listed = mutants.read_mutants(TOOLS / "mutants.txt")
        self.assertEqual(len({mutant.title for mutant in listed}), len(listed))
        self.assertGreaterEqual(len(listed), 40)
        self.assertEqual([mutant.title for mutant in listed if not mutant.by], [])

    def test_what_was_found_is_written_into_the_list(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list"
            path.write_text("# words\n\na\nf.c\nby old\n-x;\n\nb\ng.c\n-y;\n+z;\n", encoding="utf-8")
            mutants.write_by(path, {"a": "case_1", "b": "case_2"})
            self.assertEqual(
                mutants.read_mutants(path),
                [mutants.Mutant("a", "f.c", "case_1", ["x;"], []), mutants.Mutant("b", "g.c", "case_2", ["y;"], ["z;"])],
            )
            self.assertTrue(path.read_text(encoding="utf-8").startswith("# words\n\na\nf.c\nby case_1\n-x;"))

    def test_each_of_the_list_fits_the_code(self):
        for mutant in mutants.read_mutants(TOOLS / "mutants.txt"):
            with self.subTest(mutant.title):
                mutants.mutated(mutant, (TOOLS.parent / mutant.file).read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
