"""ffctl replay, driven from outside, and compared with an independent count."""
import csv
import datetime
import json
import os
import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import time
import unittest

from harness import DAY, HOUR, INT64_MAX, ROOT, Case, Count, exact, only_on, read_policy

T = 1700000000000
SAMPLES = ROOT / "samples"
TRACE = ROOT.parent / "shared" / "data" / "AzureLLMInferenceTrace_code.csv"


def parse_time(text):
    """YYYY-MM-DD HH:MM:SS.fraction in UTC, cut to milliseconds."""
    whole, _, fraction = text.partition(".")
    moment = datetime.datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 1000 + int((fraction + "000")[:3])


class Replay(Case):
    def replay(self, path, *arguments, status=0, **named):
        began = time.monotonic()
        answer = self.one("replay", path, *arguments, status=status, **named)
        took = time.monotonic() - began
        self.assertEqual(set(answer), {"lines", "accepted", "soft_breaches", "refused", "replayed", "invalid",
                                       "amounts", "seconds", "per_second"})
        self.assertEqual(answer["lines"], sum(answer[name] for name in ("accepted", "refused", "replayed", "invalid")))
        rounded = 0.001
        self.assertLessEqual(float(answer["seconds"]), took + rounded)
        self.assertGreaterEqual((float(answer["per_second"]) + rounded) * took, answer["lines"])
        del answer["seconds"], answer["per_second"]
        answer["amounts"] = {dim: exact(n) for dim, n in answer["amounts"].items()}
        return answer

    def counts(self, *arguments, **named):
        answer = self.replay(*arguments, **named)
        return tuple(answer[name] for name in ("accepted", "refused", "replayed", "invalid"))

    def usage(self, budget="b", now=T):
        status = self.one("--now", now, "budget", "status", budget)
        return {dim: exact(n) for dim, n in status["usage"].items()}

    def check_books(self, count):
        """The store's books are those of the model."""
        for name, budget in count.budgets.items():
            budget.advance(count.latest)
            status = self.one("--now", count.latest, "budget", "status", name)
            self.assertEqual({dim: exact(n) for dim, n in status["usage"].items()}, budget.usage, name)
            self.assertEqual((status["breach_count"], status["soft_breach_count"]),
                             (budget.breaches, budget.soft_breaches), name)
            self.assertEqual(status["next_reset_at"], budget.next if budget.interval else None, name)
            self.assertEqual((status["last_breach_at"], status["last_breach_dim"]), budget.last, name)
            self.assertEqual(status["updated_at"], budget.updated, name)


class Formats(Replay):
    """One budget of 10 and three lines of 4: two are accepted and one is refused, whatever the dress."""

    def setUp(self):
        super().setUp()
        self.one("--now", T, "budget", "create", "b", "--limit", "x=10")

    def check(self, content, name="log", expected=(2, 1, 0, 0), status=0):
        path = self.write(name, content)
        self.assertEqual(self.counts(path, "--budget", "b", "--dim", "x=n", status=status), expected)
        self.assertEqual(self.usage(), {"x": 8})

    def test_plain(self):
        self.check("id,n\na,4\nb,4\nc,4\n")

    def test_windows(self):
        self.check("id,n\r\na,4\r\nb,4\r\nc,4\r\n")

    def test_byte_order_mark(self):
        self.check(b"\xef\xbb\xbfn,id\n4,a\n4,b\n4,c\n")

    def test_byte_order_mark_before_a_quoted_header(self):
        self.check(b'\xef\xbb\xbf"n","id"\r\n4,a\r\n4,b\r\n4,c')

    def test_no_last_newline(self):
        self.check("id,n\na,4\nb,4\nc,4")

    def test_quotes(self):
        self.check('"id","n"\n"a, b","4"\n"say ""hi""",4\n"two\nlines\r\nthree",4\n')

    def test_blank_lines(self):
        self.check("\n\nid,n\n\na,4\n\r\nb,4\n  \nc,4\n\n")

    def test_blanks_around_numbers(self):
        self.check("id,n\na, 4\nb,4 \nc,\t4\n")

    def test_column_names_are_exact(self):
        path = self.write("log", "N,n ,n\n1,1,4\n1,1,4\n1,1,4\n")
        self.assertEqual(self.counts(path, "--budget", "b", "--dim", "x=n"), (2, 1, 0, 0))

    def test_json_lines(self):
        self.check('{"n":4}\n{"n":"4","m":[1.5e3,{"n":9}]}\n\n{"m":"\\"n\\":7","k":"\\\\u0000\\u000a","n":4}', name="log.jsonl")

    def test_json_lines_without_an_ending_that_says_so(self):
        self.check(' \n{"n":4}\r\n{"n":4}\n{"n":4}\n')

    def test_the_name_tells_the_format(self):
        for name in ("log.jsonl", "log.ndjson", "LOG.JSONL"):
            path = self.write(name, '4\n{"n":4}\n')
            self.assertEqual(self.counts(path, "--budget", name, "--dim", "x=n", status=1), (1, 0, 0, 1))
        self.check("{id},n\na,4\nb,4\nc,4\n", name="log.csv")

    def test_json_lines_with_a_mark(self):
        self.check(b'\xef\xbb\xbf{"n":4}\n{"n":4}\n{"n":4}\n')

    def test_stdin(self):
        for text in ("n\n4\n4\n4\n", '{"n":4}\n{"n":4}\n{"n":4}\n'):
            answer = self.counts("-", "--budget", "b", "--dim", "x=n", stdin=text)
            self.assertEqual(sum(answer), 3)
        self.assertEqual(self.usage(), {"x": 8})

    def test_bad_lines_are_named_and_the_rest_goes_on(self):
        bad = ['b,x', 'c', 'd,1,2', 'e,-1', 'f,1.0', 'g,', 'i,9223372036854775808', 'j,18446744073709551616',
               'k,1e1', 'l,4"4', 'm,"4"4', 'n,4\0', 'o,\0', '\0', f'p,{4:064}']
        path = self.write("log.csv", "id,n\na,4\n" + "\n".join(bad) + "\nz,4\n")
        done = self.run_raw("replay", path, "--budget", "b", "--dim", "x=n")
        self.assertEqual(done.returncode, 1)
        named = [line for line in done.stderr.splitlines() if "data line" in line]
        self.assertEqual(len(named), len(bad), done.stderr)
        for number in range(2, 2 + len(bad)):
            self.assertTrue(any(f"data line {number} (line {number + 1} of the file): " in line for line in named),
                            (number, named))
        self.assertEqual(self.usage(), {"x": 8})
        self.assertEqual(self.counts(path, "--budget", "b", "--dim", "x=n", status=1), (0, 2, 0, len(bad)))

    def test_a_quote_that_is_never_closed_is_one_record(self):
        lines = ["a,4", "b,4", '"c,4'] + ["d,0"] * 30000 + ["e,4"]
        self.check("id,n\n" + "\n".join(lines) + "\n", expected=(2, 0, 0, 1), status=1)

    def test_a_quote_in_the_wrong_place_ends_its_record_with_its_line(self):
        self.check('id,n\na,4\n"two\nz,1\nthree"x,4\nb,4\n"no,4\nz,1\nn"o,4\n', expected=(2, 0, 0, 2), status=1)

    def test_a_record_longer_than_memory_allows(self):
        """What is in its quotes is no record, however long it is, and the lines are still counted."""
        quoted = "aaaaaaa\n5,z\n" * 90000
        long = ["b" * (5 << 20) + ",4", '"' + "d\n" * (2 << 20) + '",4', f'"{quoted}""{quoted}""","4"',
                f'"{"b" * (3 << 20)}",4\r', f'wrong"{"b" * (3 << 20)},4', f'"wrong"b"{"b" * (3 << 20)},4',
                f'"wrong"b,"{"b" * (3 << 20)}']
        lines = ["id,n", "a,4", *long, "c,4", '"e"4']
        path = self.write("log", "\n".join(lines) + "\n")
        done = self.run_raw("--json", "replay", path, "--budget", "b", "--dim", "x=n")
        answer = json.loads(done.stdout)
        self.assertEqual((answer["accepted"], answer["invalid"], answer["amounts"]), (2, 8, {"x": 8}))
        told = done.stderr.splitlines()
        self.assertEqual([line.endswith("it is longer than 1 MiB") for line in told], [True] * 7 + [False], told)
        at = 1 + "\n".join(lines[:-1]).count("\n") + 1
        self.assertIn(f"data line 10 (line {at} of the file): ", told[-1])

    def test_a_long_quote_that_is_never_closed(self):
        self.check("id,n\na,4\nb,4\n" + '"' + "d,4\n" * (1 << 20), expected=(2, 0, 0, 1), status=1)

    def test_records_of_the_longest_size(self):
        def record(size):
            return f'"{"x" * 7}\n{"y" * (size - 13)}",4\n'

        self.assertEqual(len(record(1 << 20)), 1 << 20)
        self.check("id,n\n" + record(1 << 20) + record((1 << 20) + 1) + record(1 << 20), expected=(2, 0, 0, 1), status=1)

    def test_a_json_line_longer_than_memory_allows(self):
        long = json.dumps({"n": 4, "m": '{"n":4}"' * (1 << 18)})
        self.check(f'{{"n":4}}\n{long}\n{{"n":4}}\n{long}', expected=(2, 0, 0, 2), status=1)

    def test_bad_json_lines(self):
        many = ",".join(f'"m{i}":1' for i in range(1023))
        bad = ['{"n":4', '[4]', '{"n":4}x', '{"n":4,"n":4}', '{"n":4.0}', '{"n":1e1}', '{"n":-1}', '{"n":null}', '{}',
               '{"n":true}', '{"n":[4]}', '{"n":9007199254740993}', '{"n":"9223372036854775808"}', '{"n":04}x',
               '{"N":4}', '{"n":"4\\u0000"}', '{"n":"4\\uzzzz"}', '{"n":"4\\u000g"}', 'nonsense', '{"n":4,"m":"a\tb"}',
               '{"n":4,"m":"\x1f"}', '{\x01"n":4}', '{"n":4\x0c}', '\x0b{"n":4}', f'{{"n":4,{many},"m":1}}']
        path = self.write("log", '{"n":4}\n' + "\n".join(bad) + f'\n{{"n":4,{many}}}\n')
        done = self.run_raw("replay", path, "--budget", "b", "--dim", "x=n")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.count("data line"), len(bad), done.stderr)
        self.assertEqual(self.usage(), {"x": 8})

    def test_large_amounts(self):
        numbers = [2**53, str(2**53 + 1), str(INT64_MAX - 2**54 - 1)]
        path = self.write("log", "".join(json.dumps({"n": n}) + "\n" for n in numbers))
        answer = self.replay(path, "--budget", "big", "--dim", "x=n")
        self.assertEqual(answer["amounts"], {"x": INT64_MAX})
        self.assertEqual(self.counts(self.write("one", "n\n1\n"), "--budget", "big", "--dim", "x=n", status=1),
                         (0, 0, 0, 1))
        path = self.write("more", "who,n\n" + "".join(f"{who},{INT64_MAX}\n" for who in "cde"))
        self.assertEqual(self.replay(path, "--budget-from", "who", "--dim", "x=n")["amounts"], {"x": 2**64 - 1})

    def test_what_is_wrong_with_the_file_as_a_whole(self):
        for content in ("", "\n\n", "id,m\na,4\n", "n,n\n1,2\n", 'n,"m\n4,4\n'):
            with self.subTest(content):
                path = self.write("log", content)
                self.assertEqual(self.error("replay", path, "--budget", "b", "--dim", "x=n"), "invalid")
        self.assertEqual(self.error("replay", str(self.dir / "none"), "--budget", "b", "--dim", "x=n"), "not_found")
        self.assertEqual(self.error("replay", str(self.dir), "--budget", "b", "--dim", "x=n"), "io")
        self.assertEqual(self.counts(self.write("log", "n\n"), "--budget", "b", "--dim", "x=n"), (0, 0, 0, 0))
        self.assertEqual(self.counts(self.write("log.jsonl", ""), "--budget", "b", "--dim", "x=n"), (0, 0, 0, 0))

    def test_wrong_usage(self):
        path = self.write("log", "n,t\n4,5\n")
        for wrong in ([], ["--budget", "b"], ["--dim", "x=n"], ["--dim", "x", "--budget", "b"],
                      ["--dim", "x=n", "--budget", "b", "--budget-from", "n"],
                      ["--dim", "x=n", "--budget", "b", "--key-prefix", "p", "--key-from", "n"],
                      ["--dim", "x=n", "--budget", "b", "--quota", "q"],
                      ["--dim", "x=n", "--budget", "b", "--execution-from", "n"],
                      ["--dim", "x=n", "--budget", "b", "--lease", "1s"],
                      ["--dim", "x=n", "--budget", "b", "--quota", "q", "--execution-from", "n", "--lease", "1"],
                      ["--dim", "x=n", "--budget", "b", "--batch", "0"],
                      ["--dim", "x=n", "--budget", "b", "--batch", "65537"],
                      ["--dim", "x=n", "--budget", "b", "--threads", "65"],
                      ["--dim", "x=n", "--dim", "x=t", "--budget", "b"]):
            with self.subTest(wrong):
                self.assertEqual(self.run_raw("replay", path, *wrong).returncode, 2)


    def test_dimensions_that_are_no_names(self):
        path = self.write("log", "n\n4\n")
        for name in (b"", b"\xff", b"\xc3", b"a\x01", b"\x7f", b"d" * 65):
            with self.subTest(name):
                done = self.run_raw("--json", "replay", path, "--budget", "new", "--dim", os.fsdecode(name + b"=n"),
                                    "--dim", "x=n")
                self.assertEqual((done.returncode, json.loads(done.stdout)["error"]["code"]), (2, "invalid"))
                self.assertIn("--dim: ", done.stderr)
        many = [word for i in range(65) for word in ("--dim", f"d{i}=n")]
        self.assertEqual(self.run_raw("replay", path, "--budget", "new", *many).returncode, 2)
        self.assertEqual(self.error("budget", "status", "new"), "not_found")
        self.assertEqual(self.replay(path, "--budget", "new", *many[2:])["accepted"], 1)
        self.assertEqual(self.replay(path, "--budget", "new", "--dim", f"{'é' * 32}=n")["amounts"], {"é" * 32: 4})


class Columns(Replay):
    def test_budget_and_key_from_columns(self):
        path = self.write("log", "who,key,n,m\nanna,k1,1,10\nbob,k1,2,20\nanna,k1,1,10\nanna,,1,1\n,k,1,1\nanna,k1,2,10\n"
                          "an\0na,k2,1,1\n")
        args = (path, "--budget-from", "who", "--key-from", "key", "--dim", "x=n", "--dim", "a=b=m")
        answer = self.one("replay", path, "--budget-from", "who", "--key-from", "key", "--dim", "x=n", "--dim", "y=m",
                          status=1)
        self.assertEqual([answer[name] for name in ("lines", "accepted", "replayed", "invalid")], [7, 2, 1, 4])
        self.assertEqual(answer["amounts"], {"x": 3, "y": 30})
        # --dim splits at its first '=': the column is 'b=m', which the header lacks.
        self.assertEqual(self.error("replay", *args), "invalid")

    def test_blanks_and_lone_carriage_returns_belong_to_a_cell(self):
        log = self.write("log", "note,who,n\na\rb, b ,1\n\r, c,2\n")
        self.assertEqual(self.counts(log, "--budget-from", "who", "--dim", "x=n"), (2, 0, 0, 0))
        for name, charged in ((" b ", 1), (" c", 2)):
            self.one("budget", "create", name)
            self.assertEqual(self.usage(name), {"x": charged})

    def test_require_budget(self):
        self.one("budget", "create", "anna")
        path = self.write("log", "who,n\nanna,1\nbob,2\n")
        self.assertEqual(self.counts(path, "--require-budget", "--budget-from", "who", "--dim", "x=n", status=1),
                         (1, 0, 0, 1))

    def test_budget_ids_that_are_json_numbers_and_odd_texts(self):
        path = self.write("log", '{"who":42,"n":1}\n{"who":"it\'s 100% \\"é\\", ok","n":2}\n{"who":["x"],"n":1}\n')
        self.assertEqual(self.counts(path, "--budget-from", "who", "--dim", "x=n", status=1), (2, 0, 0, 1))
        for name in ("42", 'it\'s 100% "é", ok'):
            self.one("budget", "create", name)
        self.assertEqual(self.usage("42"), {"x": 1})
        self.assertEqual(self.usage('it\'s 100% "é", ok'), {"x": 2})

    def test_bare_numbers_that_json_does_not_hold_are_refused_in_every_column(self):
        good = {"who": "4", "key": '"k"', "t": str(T), "n": "1", "e": "4"}
        bad = [str(2**53 + 1), str(2**64), "1e2", "1.5", "1.0", "007", "1.", "-.5", "00"]
        lines = [good, *({**good, column: number} for column in good for number in bad), {**good, "e": str(2**53)}]
        log = self.write("log", "".join("{" + ",".join(f'"{name}":{value}' for name, value in line.items()) + "}\n"
                                        for line in lines))
        self.one("quota", "create", "q", "--window", "60s", "--max", 1000, "--concurrency", 0)
        done = self.run_raw("--json", "replay", log, "--budget-from", "who", "--key-from", "key", "--dim", "x=n",
                            "--time-from", "t", "--quota", "q", "--execution-from", "e")
        answer = json.loads(done.stdout)
        self.assertEqual([answer[name] for name in ("accepted", "replayed", "invalid", "amounts")],
                         [1, 1, len(good) * len(bad), {"x": 1}], done.stderr)
        for column in good:
            for number in bad[:2]:
                self.assertIn(f"column '{column}': {number} is above 2^53 and has to be written as a string", done.stderr)
        self.assertEqual(done.stderr.count("it is no JSON"), 4 * len(good))

    def test_numbers_of_other_columns_are_as_json_has_them(self):
        numbers = ["0", "-0", "1.5", "0.5e-3", "1E+9", "-10.25", "9007199254740993", "1e400"]
        log = self.write("log.jsonl", "".join(f'{{"n":1,"m":[{number}]}}\n' for number in numbers))
        self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n"), (len(numbers), 0, 0, 0))

    def test_times(self):
        same = ["1700000000999", "2023-11-14 22:13:20.999", "2023-11-14T22:13:20.9999999Z", "2023-11-14 22:13:20.999Z",
                "2023-11-15T00:13:20.9991+02:00", "2023-11-14T16:43:20.999-05:30", "2023-11-14t22:13:20.999z"]
        for text in same:
            with self.subTest(text):
                store = self.uri(same.index(text))
                self.one("--now", T, "budget", "create", "b", "--limit", "x=1", store=store)
                log = self.write("log", f'time,n\n"{text}",2\n')
                self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--time-from", "time", store=store),
                                 (0, 1, 0, 0))
                self.assertEqual(self.one("--now", T, "budget", "status", "b", store=store)["last_breach_at"], T + 999)

    def test_times_at_their_edges(self):
        edges = {"0": 0, "1970-01-01 00:00:00": 0, "1970-01-01T23:59:00+23:59": 0, "1972-02-29 00:00:00": 68169600000,
                 "2016-12-31 23:59:60Z": 1483228800000, "9999-12-31 23:59:59.999": 253402300799999,
                 str(INT64_MAX): INT64_MAX}
        for i, (text, ms) in enumerate(edges.items()):
            with self.subTest(text):
                store = self.uri(i)
                self.one("--now", 0, "budget", "create", "b", "--limit", "x=1", store=store)
                log = self.write("log", f"time,n\n{text},2\n")
                self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--time-from", "time", store=store),
                                 (0, 1, 0, 0))
                self.assertEqual(exact(self.one("--now", 0, "budget", "status", "b", store=store)["last_breach_at"]), ms)

    def test_bad_times(self):
        bad = ["", "x", "-1", "2023-11-14", "2023-02-29 00:00:00", "2023-13-01 00:00:00", "2023-11-14 24:00:00",
               "2023-11-14 22:13:20.", "2023-11-14 22:13", "2023-11-14 22:13:20+2", "1969-12-31 23:59:59",
               "9223372036854775808", "1.5", "2023-11-14 22:13:20.5x", "2023-11-14  22:13:20", "2023-11-14 22:13:20 Z",
               "2023-00-14 22:13:20", "2023-11-00 22:13:20", "2023-11-31 22:13:20", "2023-11-14 22:60:20", "2023-11-14 22:13:61",
               "2023-11-14 22:13:20+24:00", "2023-11-14 22:13:20+00:60", "2023-11-14 22:13:20Zx", "2023-11-14 22:13:20+02:00x",
               "1970-01-01 00:00:00+00:01", "2023-11-14T22:13:20", "2023-11-14t22:13:20.5"]
        log = self.write("log", "time,n\n" + "".join(f"{text},2\n" for text in bad) + "2024-02-29 00:00:00,2\n")
        self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--time-from", "time", status=1),
                         (1, 0, 0, len(bad)))


class Time(Replay):
    def test_the_policy_begins_at_the_first_line(self):
        policy = self.write("policy.json", json.dumps({"budgets": [
            {"budget_id": "b", "reset_every": "1h", "limits": {"x": {"hard": 10}}}]}))
        log = self.write("log", f"t,n\nnonsense,1\n{T},10\n{T + HOUR - 1},1\n{T + HOUR},10\n{T + 5 * HOUR + 7},3\n")
        self.assertEqual(self.counts(log, "--policy", policy, "--budget", "b", "--dim", "x=n", "--time-from", "t",
                                     status=1), (3, 1, 0, 1))
        status = self.one("--now", T + 5 * HOUR + 8, "budget", "status", "b")
        self.assertEqual((status["created_at"], status["usage"], status["next_reset_at"], status["breach_count"]),
                         (T, {"x": 3}, T + 6 * HOUR, 1))

    def test_a_line_at_fault_begins_no_budget(self):
        policy = self.write("policy.json", '{"budgets":[{"budget_id":"b","reset_every":"1h"}]}')
        log = self.write("log", f"t,n\n1,x\n{T},1\n")
        self.assertEqual(self.counts(log, "--policy", policy, "--budget", "b", "--dim", "x=n", "--time-from", "t",
                                     "--key-prefix", "p", status=1), (1, 0, 0, 1))
        status = self.one("--now", T, "budget", "status", "b")
        self.assertEqual((status["created_at"], status["next_reset_at"]), (T, T + HOUR))
        self.assertIn("of the first line without a fault", self.run_raw("help", "replay").stdout)

    def test_time_does_not_go_back(self):
        self.one("--now", T, "budget", "create", "b", "--limit", "x=10", "--reset-every", "1h")
        log = self.write("log", f"t,n\n{T},10\n{T + HOUR},10\n{T + 1},1\n{T + HOUR},0\n")
        for batch in (1, 256):
            store = self.store + str(batch)
            self.one("--now", T, "budget", "create", "b", "--limit", "x=10", "--reset-every", "1h", store=store)
            self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--time-from", "t", "--batch", batch,
                                         store=store), (3, 1, 0, 0))

    def test_data_that_spans_more_than_keys_are_honoured(self):
        lines = [T + i * 10 * HOUR for i in range(10)]
        log = self.write("log", "t,n\n" + "".join(f"{ms},1\n" for ms in lines))
        arguments = (log, "--budget", "b", "--dim", "x=n", "--time-from", "t", "--key-prefix", "p")
        done = self.run_raw("replay", *arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn("data line 4", done.stderr)
        self.assertIn("--key-ttl 91h", done.stderr)
        behind = self.write("more", "t,n\n" + "".join(f"{ms},1\n" for ms in (T, lines[3], "x", lines[9], lines[5])) + '"')
        self.assertIn("--key-ttl 91h", self.run_raw("replay", behind, *arguments[1:]).stderr)
        self.assertEqual(self.error("replay", *arguments), "invalid")
        self.assertEqual(self.error("replay", *arguments, "--key-ttl", "90h"), "invalid")
        self.assertEqual(self.error("replay", *arguments[:-2], "--key-from", "t"), "invalid")
        first = self.replay(*arguments, "--key-ttl", "91h")
        self.assertEqual((first["accepted"] + first["replayed"], first["invalid"]), (10, 0))
        self.assertEqual(self.counts(*arguments, "--key-ttl", "91h"), (0, 0, 10, 0))
        # Without keys there is nothing to remember.
        self.assertEqual(self.counts(log, "--budget", "c", "--dim", "x=n", "--time-from", "t"), (10, 0, 0, 0))

    def test_a_tick_between_two_runs_goes_by_its_own_clock(self):
        log = self.write("log", f"t,n\n{T},1\n{T + 1},1\n")
        arguments = (log, "--budget", "b", "--dim", "x=n", "--time-from", "t", "--key-prefix", "p")
        self.assertEqual(self.counts(*arguments), (2, 0, 0, 0))
        self.assertEqual(self.one("--now", T + DAY - 1, "tick")["purged_keys"], 0)
        self.assertEqual(self.counts(*arguments), (0, 0, 2, 0))
        self.assertEqual(self.one("tick")["purged_keys"], 2)
        self.assertEqual(self.counts(*arguments), (2, 0, 0, 0))
        self.assertIn("between runs of old data it wants --now", self.run_raw("help", "replay").stdout)

    def test_a_day_to_the_millisecond_is_honoured(self):
        log = self.write("log", f"t,n\n{T},1\n{T + DAY - 1},1\n")
        arguments = (log, "--budget", "b", "--dim", "x=n", "--time-from", "t", "--key-prefix", "p")
        self.assertEqual(self.counts(*arguments), (2, 0, 0, 0))
        self.assertEqual(self.counts(*arguments), (0, 0, 2, 0))


class Policies(Replay):
    def refuse(self, policy, *words):
        path = self.write("policy.json", policy if isinstance(policy, str) else json.dumps(policy))
        log = self.write("log", "n\n1\n")
        fields = self.one("replay", log, "--policy", path, "--budget", "b", "--dim", "x=n", status=1)["error"]
        self.assertEqual(fields["code"], "invalid", fields)
        for word in words:
            self.assertIn(word, fields["message"])

    def test_unknown_and_wrong_fields_are_named(self):
        self.refuse({"budget": []}, "'budget'", "policy.json")
        self.refuse({"budgets": [{"budget_id": "b", "limit": {}}]}, "'limit'", "budgets[0]")
        self.refuse({"budgets": [{"budget_id": "b", "limit": {}}], "quotas": [{"quota_policy_id": "q"}]}, "'limit'")
        self.refuse({"budgets": [{"budget_id": "b"}, {"budget_id": "c", "limits": {"x": {"max": 1}}}]}, "'max'", "'c'")
        self.refuse({"quotas": [{"quota_policy_id": "q", "max": 1}]}, "'max'", "quotas[0]")
        self.refuse({"budgets": [{"scope": "a:b"}]}, "'budget_id'")
        self.refuse({"quotas": [{}]}, "'quota_policy_id'")
        self.refuse({"budgets": {}}, "'budgets'")
        for name, value in (("budget_id", 7), ("scope", None), ("mode", []), ("reset_every", None), ("limits", 7),
                            ("limits", [])):
            self.refuse({"budgets": [{"budget_id": "b", name: value}]}, f"'{name}'", "budgets[0]")
        self.refuse({"budgets": [{"budget_id": "b", "limits": {"x": 7}}]}, "'x'", "'b'")
        self.refuse({"quotas": [{"quota_policy_id": "q"}, {"quota_policy_id": "r", "window": None}]}, "'window'", "quotas[1]")
        self.refuse({"budgets": [7]}, "budgets[0]")
        self.refuse({"budgets": [{"budget_id": "b", "scope": "x"}]}, "'scope'")
        self.refuse({"budgets": [{"budget_id": "b", "reset_every": 60}]}, "'reset_every'")
        self.refuse({"budgets": [{"budget_id": "b", "reset_every": "1 h"}]}, "'reset_every'")
        self.refuse({"quotas": [{"quota_policy_id": "q", "window": "1500ms"}]}, "'window'")
        for number in ("1.0", "1e3", "-1", str(2**53 + 1), "true", '"x"', "null"):
            self.refuse('{"budgets":[{"budget_id":"b","limits":{"x":{"hard":%s}}}]}' % number, "'hard'")
        for number in (2**53 + 1, 2**64):
            self.refuse('{"budgets":[{"budget_id":"b","limits":{"x":{"hard":%d}}}]}' % number, "'hard'", "2^53", "string")
        for number in ("007", "1.", "-.5", "-01", "1.e5"):
            self.refuse('{"budgets":[{"budget_id":"b","limits":{"x":{"hard":%s}}}]}' % number, "no JSON")
        for broken in ("", "nonsense", "[]", "{}{}", '{"budgets":[],"budgets":[]}', '{"budgets":[]} x',
                       '{"budgets":[{"budget_id":"a\\u0000b"}]}'):
            self.refuse(broken)
        self.refuse({"budgets": [{"budget_id": "b", "limits": {"x": {"hard": 1, "soft": 2}}}]}, "'b'")
        self.refuse({"budgets": [{"budget_id": "b", "mode": "lenient"}]}, "'b'")
        arguments = ("replay", self.write("log", "n\n1\n"), "--budget", "b", "--dim", "x=n", "--policy")
        self.assertEqual(self.error(*arguments, self.dir / "none"), "not_found")
        self.assertEqual(self.error(*arguments, self.dir), "io")
        self.assertFalse((self.dir / "store").exists(), "a policy that is refused made a store")

    def test_a_policy_is_refused_whole(self):
        self.one("budget", "create", "there")
        good = {"budget_id": "good"}
        self.refuse({"budgets": [good, {"budget_id": "b", "limits": {"x": {"hard": 1, "soft": 2}}}]}, "'b'")
        self.refuse({"budgets": [good, {"budget_id": "b", "reset_every": f"{INT64_MAX}ms"}]}, "'b'")
        self.refuse({"budgets": [good],
                     "quotas": [{"quota_policy_id": "q"}, {"quota_policy_id": "r", "max_requests": 1}]}, "'r'")
        self.assertEqual([status["budget_id"] for status in self.lines("budget", "list")], ["there"])
        self.assertEqual(self.lines("quota", "list"), [])

    def test_a_policy_is_created_in_one_commit(self):
        policy = self.write("policy.json", json.dumps({"budgets": [{"budget_id": "a"}, {"budget_id": "b"}],
                                                       "quotas": [{"quota_policy_id": "q"}]}))
        log = self.write("log", "n\n")
        store = "fault+" + self.uri("store", "slot=commit&error=io")
        done = self.run_raw("replay", log, "--policy", policy, "--budget", "b", "--dim", "x=n", store=store)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "ffctl: injected fault at 'commit' (io)\n"))
        self.assertEqual(self.lines("budget", "list"), [])
        store = "fault+" + self.uri("store", "slot=commit&nth=2&error=io")
        self.assertEqual(self.counts(log, "--policy", policy, "--budget", "b", "--dim", "x=n", store=store),
                         (0, 0, 0, 0))
        self.assertEqual(len(self.lines("budget", "list")), 2)
        self.one("quota", "status", "q")

    def test_a_budget_that_is_listed_twice(self):
        policy = self.write("policy.json",
                            '{"budgets":[{"budget_id":"b","limits":{"x":{"hard":9}}},{"budget_id":"b"}]}')
        done = self.run_raw("replay", self.write("log", "n\n5\n"), "--policy", policy, "--budget", "b", "--dim", "x=n")
        self.assertEqual((done.returncode, done.stderr.count("'b' exists with another policy")), (0, 1))
        self.assertEqual(self.one("budget", "status", "b")["hard_limits"], {"x": 9})

    def test_every_field(self):
        policy = self.write("policy.json", json.dumps({
            "budgets": [{"budget_id": "b", "scope": "team:a:b", "mode": "advisory", "reset_every": "90s",
                         "on_hard_limit": "h", "on_soft_limit": "s",
                         "limits": {"x": {"hard": str(INT64_MAX), "soft": 2**53}, "y": {"soft": 3}, "z": {}}},
                        {"budget_id": "c"}],
            "quotas": [{"quota_policy_id": "q", "window": "2m", "max_requests": 3, "max_concurrent": 4}]}))
        log = self.write("log", "n\n1\n")
        arguments = ("--policy", policy, "--budget", "b", "--dim", "x=n")
        self.assertEqual(self.counts(log, *arguments), (1, 0, 0, 0))
        status = self.one("budget", "status", "b")
        self.assertEqual(
            {name: status[name] for name in ("scope_type", "scope_id", "enforcement_mode", "reset_interval_ms",
                                             "on_hard_limit", "on_soft_limit", "hard_limits", "soft_limits")},
            {"scope_type": "team", "scope_id": "a:b", "enforcement_mode": "advisory", "reset_interval_ms": 90000,
             "on_hard_limit": "h", "on_soft_limit": "s", "hard_limits": {"x": str(INT64_MAX), "y": 0, "z": 0},
             "soft_limits": {"x": 2**53, "y": 3, "z": 0}})
        self.one("budget", "status", "c")
        again = self.run_raw("replay", log, *arguments)
        self.assertEqual((again.returncode, again.stderr), (0, ""))

    def test_a_policy_that_differs_is_said_and_left(self):
        self.one("budget", "create", "b", "--limit", "x=1")
        self.one("quota", "create", "q", "--window", "1s", "--max", 1, "--concurrency", 0)
        policy = self.write("policy.json", '{"budgets":[{"budget_id":"b","limits":{"x":{"hard":9}}},{"budget_id":"c"}],'
                            '"quotas":[{"quota_policy_id":"p"},{"quota_policy_id":"q"}]}')
        done = self.run_raw("replay", self.write("log", "n\n5\n"), "--policy", policy, "--budget", "b", "--dim", "x=n")
        self.assertEqual((done.returncode, done.stderr), (0, "".join(
            f"ffctl: {what} exists with another policy, and stays as it is\n" for what in ("budget 'b'", "quota policy 'q'"))))
        self.assertEqual(self.one("budget", "status", "b")["hard_limits"], {"x": 1})


class Again(Replay):
    """Keys: run again whatever happened."""

    def log(self, count):
        rng = random.Random(7)
        rows, now = [], T
        for _ in range(count):
            now += rng.randrange(20000)
            rows.append((now, rng.choice("abc"), rng.randrange(60)))
        text = "t,who,n\n" + "".join(f"{t},{who},{n}\n" for t, who, n in rows)
        policy = {who: {"limits": {"x": (900, 700)}, "interval": HOUR // 4} for who in "ab"}
        file = {"budgets": [{"budget_id": who, "reset_every": "15m", "limits": {"x": {"hard": 900, "soft": 700}}}
                            for who in "ab"] + [{"budget_id": "c"}]}
        self.policy = self.write("policy.json", json.dumps(file))
        policy["c"] = {"limits": {}}
        return text, Count(policy, [(t, who, {"x": n}) for t, who, n in rows])

    def arguments(self, *more):
        return ("--policy", self.policy, "--budget-from", "who", "--dim", "x=n", "--time-from", "t", "--key-prefix",
                "p", *more)

    def test_batches_of_any_size_give_the_same_and_a_second_run_nothing(self):
        text, count = self.log(4000)
        path = self.write("log", text)
        self.assertGreater(count.outcomes["refused"], 100)
        self.assertGreater(count.outcomes["soft"], 100)
        for batch in (1, 7, 256, 65536):
            with self.subTest(batch):
                self.store = self.uri(batch)
                self.assertEqual(self.replay(path, *self.arguments("--batch", batch)), count.summary())
                self.check_books(count)
                before = self.lines("--now", count.latest, "budget", "list")
                self.assertEqual(self.counts(path, *self.arguments()), (0, 0, 4000, 0))
                self.assertEqual(self.lines("--now", count.latest, "budget", "list"), before)

    def test_killed_and_run_again(self):
        text, count = self.log(3000)
        path = self.write("log", text)
        lines = text.splitlines(keepends=True)
        for part in (500, 1700, 2999):
            with self.subTest(part):
                self.store = self.uri(part)
                # It waits for the rest of the lines, in the middle of a batch, when it is killed.
                process = subprocess.Popen(self.command("replay", "-", *self.arguments("--batch", 16)),
                                           stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                           env=self.environment())
                process.stdin.write("".join(lines[:part]))
                process.stdin.flush()
                self.wait_for_usage("c")
                process.send_signal(signal.SIGKILL)
                process.communicate()
                self.assertEqual(process.returncode, -signal.SIGKILL)
                done = self.replay(path, *self.arguments())
                self.assertGreater(done["replayed"], 0)
                self.assertGreater(done["accepted"], 0)
                self.assertEqual(done["lines"], 3000)
                self.check_books(count)
                self.assertEqual(self.counts(path, *self.arguments()), (0, 0, 3000, 0))

    def wait_for_usage(self, budget, wanted=None):
        for _ in range(400):
            done = self.run_raw("--json", "budget", "status", budget)
            usage = json.loads(done.stdout)["usage"] if done.returncode == 0 else {}
            if usage == wanted if wanted else any(usage.values()):
                return
            time.sleep(0.025)
        self.fail(f"what was charged is {usage}")

    def test_lines_of_a_pipe_are_not_kept_waiting(self):
        self.one("budget", "create", "b")
        with subprocess.Popen(self.command("replay", "-", "--budget", "b", "--dim", "x=n", "--key-prefix", "k"),
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.environment(), bufsize=0) as process:
            self.addCleanup(process.kill)
            process.stdin.write(b"n\n")
            for count in (1, 2, 4):  # which are fewer than a batch
                process.stdin.write(b"1\n" * count)
                self.wait_for_usage("b", {"x": 2 * count - 1})
            process.stdin.close()
            self.assertEqual(process.wait(60), 0)

    def test_killed_at_any_time(self):
        text, count = self.log(3000)
        path = self.write("log", text)
        for i in range(6):
            self.store = self.uri(f"kill{i}")
            for wait in (0.004 * (i + 1), 0.003 * (i + 1)):
                process = subprocess.Popen(self.command("replay", path, *self.arguments("--batch", 4)),
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.environment())
                time.sleep(wait)
                process.kill()
                process.wait()
            done = self.replay(path, *self.arguments())
            self.assertEqual(done["lines"], 3000)
            self.check_books(count)

    def test_threads_never_pass_a_limit(self):
        rows = 5000
        path = self.write("log", "n\n" + "7\n" * rows)
        self.one("budget", "create", "b", "--limit", "x=20000")
        answer = self.replay(path, "--budget", "b", "--dim", "x=n", "--threads", 4, "--batch", 16, "--key-prefix", "p")
        self.assertEqual((answer["accepted"], answer["refused"]), (20000 // 7, rows - 20000 // 7))
        self.assertEqual(self.usage(), {"x": 20000 // 7 * 7})
        self.assertEqual(self.counts(path, "--budget", "b", "--dim", "x=n", "--threads", 4, "--key-prefix", "p"),
                         (0, 0, rows, 0))

    def test_processes_never_pass_a_limit(self):
        """Four at once on one budget; two of them bring the same lines."""
        rows = 1500
        path = self.write("log", "n\n" + "7\n" * rows)
        self.one("budget", "create", "b", "--limit", "x=30000")
        arguments = ("replay", path, "--budget", "b", "--dim", "x=n", "--threads", 4, "--batch", 8)
        running = [subprocess.Popen(self.command("--json", *arguments, "--key-prefix", prefix), stdout=subprocess.PIPE,
                                    text=True, env=self.environment()) for prefix in ("p", "p", "q", "r")]
        answers = [json.loads(process.communicate()[0]) for process in running]
        self.assertEqual([process.returncode for process in running], [0] * 4, answers)
        fits = 30000 // 7
        total = {name: sum(answer[name] for answer in answers) for name in ("accepted", "refused", "replayed")}
        self.assertEqual(total, {"accepted": fits, "refused": 3 * rows - fits, "replayed": rows})
        self.assertEqual(self.usage(), {"x": fits * 7})
        self.assertEqual(self.one("budget", "status", "b")["breach_count"], total["refused"])

    def test_memory_is_constant(self):
        def peak(lines):
            with open(self.dir / "log.csv", "w") as log:
                log.write("n,note\n")
                for _ in range(lines // 1000):
                    log.write(f"1,{'x' * 200}\n" * 1000)
            store = self.uri(f"store{lines}", "durability=none")
            code = ("import resource,subprocess,sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); "
                    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
            command = self.command("replay", self.dir / "log.csv", "--budget", "b", "--dim", "x=n", "--batch", "64",
                                   store=store)
            # AddressSanitizer keeps what was freed: as little as it can.
            environment = self.environment() | {"ASAN_OPTIONS": "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")}
            return int(subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True,
                                      env=environment, text=True).stdout)

        small, large = peak(2000), peak(200000)
        self.assertLess(large, small + 8192, "kilobytes for a hundred times the lines")

    @only_on("sqlite")
    def test_a_store_error_stops_and_tells_the_line(self):
        import sqlite3
        self.one("budget", "create", "b")
        holder = sqlite3.connect(self.dir / "store", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        path = self.write("log", "n\n" + "1\n" * 100)
        arguments = (path, "--budget", "b", "--dim", "x=n", "--key-prefix", "p")
        store = self.store + "?busy_timeout_ms=10"
        fields = self.one("replay", *arguments, status=1, store=store)["error"]
        self.assertEqual((fields["code"], fields["retryable"]), ("busy", True))
        self.assertIn("data line 1", fields["message"])
        holder.execute("ROLLBACK")
        self.assertEqual(self.counts(*arguments, store=store), (100, 0, 0, 0))

    def test_a_store_error_amid_the_lines(self):
        """Nothing behind it is charged; what was before is told to people, and a later run with keys goes on from there."""
        arguments = (self.write("log", "n\n" + "1\n" * 100), "--budget", "b", "--dim", "x=n", "--key-prefix", "p", "--batch", 10)
        self.one("budget", "create", "b")
        done = self.run_raw("replay", *arguments, store="fault+" + self.uri("store", "slot=commit&nth=4&error=io"))
        self.assertEqual((done.returncode, done.stderr), (1, "ffctl: data line 31: injected fault at 'commit' (io)\n"))
        self.assertIn("\n30 lines in ", done.stdout)
        self.assertEqual(self.usage(), {"x": 30})
        always = "fault+" + self.uri("store", "slot=commit&mode=always&error=io")
        self.assertEqual(self.error("replay", *arguments, "--threads", 4, store=always), "io")
        with subprocess.Popen(self.command("replay", "-", *arguments[1:-1], 1, store=always), stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, env=self.environment()) as process:
            process.stdin.write("n\n" + "2\n" * 40)  # and what may follow is not waited for
            process.stdin.flush()
            self.assertEqual(process.wait(timeout=60), 1)
        self.assertEqual(self.counts(*arguments), (70, 0, 30, 0))

    def test_a_log_that_cannot_be_read_to_its_end(self):
        for content in ("n\n1\n2\n4\n", '{"n":1}\n{"n":2}\n{"n":4}\n', '"n"\n1\n2\n"4\n'):
            self.assertEqual(self.error("replay", "-", "--budget", "b", "--dim", "x=n", stdin=self.broken(content)), "io")

    @only_on("sqlite")
    def test_a_damaged_budget_is_the_fault_of_its_lines(self):
        import sqlite3
        self.one("budget", "create", "bad")
        with sqlite3.connect(self.dir / "store") as database:
            database.execute("UPDATE ff_budget_policy SET policy_json = 'x'")
        path = self.write("log", "who,n\na,1\nbad,1\na,1\n")
        self.assertEqual(self.counts(path, "--budget-from", "who", "--dim", "x=n", status=1), (2, 0, 0, 1))


class Quota(Replay):
    def test_lines_ask_for_admission(self):
        policy = self.write("policy.json", json.dumps({
            "budgets": [{"budget_id": "b", "limits": {"x": {"hard": 100}}}],
            "quotas": [{"quota_policy_id": "q", "window": "10s", "max_requests": 3}]}))
        rng = random.Random(3)
        now, rows = T, []
        for i in range(400):
            now += rng.randrange(4000)
            rows.append((now, f"e{rng.randrange(i + 1) if i % 7 == 0 else i}", rng.randrange(3)))
        log = self.write("log", "t,e,n\n" + "".join(f"{t},{e},{n}\n" for t, e, n in rows))
        # The model: an exact sliding window; an execution that has an entry in it is admitted already.
        window, used, expected = [], 0, {"accepted": 0, "refused": 0}
        for t, e, n in rows:
            window = [(since, who) for since, who in window if t < since + 10000]
            if all(who != e for _, who in window):
                if len(window) == 3:
                    expected["refused"] += 1
                    continue
                window.append((t, e))
            accepted = used + n <= 100
            used += n if accepted else 0
            expected["accepted" if accepted else "refused"] += 1
        self.assertGreater(expected["refused"], 50)
        for batch in (1, 256):
            store = self.store + str(batch)
            answer = self.replay(log, "--policy", policy, "--budget", "b", "--dim", "x=n", "--time-from", "t",
                                 "--quota", "q", "--execution-from", "e", "--batch", batch, store=store)
            self.assertEqual({name: answer[name] for name in expected}, expected)
            self.assertEqual(answer["amounts"], {"x": used})

    def test_leases(self):
        log = self.write("log", f"t,e,n\n{T},a,1\n{T + 4999},b,1\n{T + 5000},c,1\n")
        for quota, lease, row in (("leased", ["--lease", "5s"], "2 +0 +1 +0 +0 +█{13}░{7} +not admitted 1"),
                                  ("held", [], "1 +0 +2 +0 +0 +█{6}░{14} +not admitted 2")):
            self.one("--now", T, "quota", "create", quota, "--window", "0s", "--max", 0, "--concurrency", 1)
            done = self.run_raw("replay", log, "--budget", "b", "--dim", "x=n", "--time-from", "t", "--quota", quota,
                                "--execution-from", "e", *lease)
            self.assertRegex(done.stdout, rf"(?m)^b +3 +{row}$")

    def test_a_store_error_amid_the_lines(self):
        """A commit takes a line's report with the next line's admission, so the last commit is the last line's."""
        log = self.write("log", "e,n\na,1\nb,1\nc,1\n")
        for nth, line, charged in ((3, 2, 1), (4, 3, 2)):
            self.store = self.uri(nth)
            self.one("budget", "create", "b")
            self.one("quota", "create", "q", "--window", "60s", "--max", 9, "--concurrency", 0)
            done = self.run_raw("replay", log, "--budget", "b", "--dim", "x=n", "--quota", "q", "--execution-from", "e",
                                store="fault+" + self.uri(nth, f"slot=commit&nth={nth}&error=io"))
            self.assertEqual((done.returncode, done.stderr), (1, f"ffctl: data line {line}: injected fault at 'commit' (io)\n"))
            self.assertEqual(self.usage(), {"x": charged})
            self.assertRegex(done.stdout, rf"(?m)^b +{charged} +{charged} ", "and so many are told")

    def test_an_unknown_quota_and_a_bad_execution(self):
        log = self.write("log", "e,n\na,1\n,1\n")
        self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--quota", "none", "--execution-from", "e",
                                     status=1), (0, 0, 0, 2))
        self.one("quota", "create", "q", "--window", "60s", "--max", 5, "--concurrency", 0)
        self.assertEqual(self.counts(log, "--budget", "b", "--dim", "x=n", "--quota", "q", "--execution-from", "e",
                                     status=1), (1, 0, 0, 1))
        self.assertEqual(self.counts(log, "--budget", "none", "--dim", "x=n", "--quota", "q", "--execution-from", "e",
                                     "--require-budget", status=1), (0, 0, 0, 2))


class Sample(Replay):
    """The day that ships with the project."""

    ARGUMENTS = ("--policy", SAMPLES / "policy.json", "--budget-from", "team", "--dim", "prompt_tokens=prompt_tokens",
                 "--dim", "completion_tokens=completion_tokens", "--dim", "cost=cost_microusd", "--time-from", "time",
                 "--key-prefix", "day-")

    def test_the_generator_writes_the_day(self):
        made = subprocess.run([sys.executable, str(SAMPLES / "make_day.py")], capture_output=True, check=True).stdout
        self.assertEqual(made, (SAMPLES / "day.csv").read_bytes())

    def test_totals(self):
        with open(SAMPLES / "day.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        count = Count(read_policy(SAMPLES / "policy.json"),
                      [(parse_time(row["time"]), row["team"], {"prompt_tokens": int(row["prompt_tokens"]),
                                                               "completion_tokens": int(row["completion_tokens"]),
                                                               "cost": int(row["cost_microusd"])}) for row in rows])
        self.assertTrue(all(count.outcomes.values()), count.outcomes)
        self.assertEqual(self.replay(SAMPLES / "day.csv", *self.ARGUMENTS), count.summary())
        self.check_books(count)
        self.assertEqual(self.counts(SAMPLES / "day.csv", *self.ARGUMENTS), (0, 0, len(rows), 0))
        self.check_books(count)

    def test_the_table_tells_who_was_refused_and_why(self):
        done = self.run_raw("replay", SAMPLES / "day.csv", *self.ARGUMENTS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^support +900 .*[█▓░]+ +cost \d+")
        self.assertRegex(done.stdout, r"4,000 lines in [\d.]+ s")
        self.assertRegex(done.stdout, r"\ncharged: prompt_tokens [\d,]+, completion_tokens [\d,]+, cost [\d,]+\n$")

    @only_on("sqlite")
    def test_the_demo(self):
        done = subprocess.run(["sh", str(SAMPLES / "demo.sh"), self.command()[0]], capture_output=True, text=True,
                              env=self.environment() | {"TMPDIR": str(self.dir)}, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("4,000 replayed", done.stdout)
        # What README.md shows of it is what it prints.
        shown = (ROOT / "README.md").read_text().split("$ ./run demo\n")[1].split("…\n")[0]
        self.assertIn(shown, done.stdout)


class Shown(Replay):
    """What people see of a replay."""

    def test_progress_on_a_terminal(self):
        def shown(lines, *arguments):
            master, slave = os.openpty()
            command = self.command(*arguments, "replay", "-", "--budget", "b", "--dim", "x=n", "--batch", 1)
            with os.fdopen(master, "rb", buffering=0) as terminal, \
                    subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=slave, bufsize=0,
                                     env=self.environment()) as process:
                os.close(slave)
                process.stdin.write(b"n\n")
                text = b""
                for _ in range(lines):  # until there is something to be seen
                    process.stdin.write(b"1\n")
                    if select.select([terminal], [], [], 0.01)[0]:
                        text += terminal.read(65536)
                        break
                process.stdin.close()
                try:
                    while more := terminal.read(65536):
                        text += more
                except OSError:  # the other end is closed
                    pass
            return text

        self.assertRegex(shown(1000), rb"^(\r\x1b\[K[\d,]+ lines, [\d,]+/s)+\r\x1b\[K$")
        self.assertEqual(shown(40, "--json"), b"")

    def test_a_table_of_more_budgets_than_it_holds(self):
        names = [f"b{i}" for i in range(1003)] + ["b0"]
        log = self.write("log", "who,n\n" + "".join(f"{name},1\n" for name in names))
        text = self.run_raw("replay", log, "--budget-from", "who", "--dim", "x=n").stdout
        self.assertEqual(len(re.findall(r"(?m)^b\d+ +\d", text)), 1000)
        self.assertRegex(text, r"(?m)^b0 +2 +2 ")
        self.assertRegex(text, r"(?m)^\(others\) +3 +3 ")
        self.assertRegex(text, r"\n1,004 lines in ")

    def test_the_bar_shows_every_share(self):
        for mode, limit, accepted, warned, bar in (("strict", "99:98", 99, 1, "█" * 18 + "▓░"),
                                                   ("strict", "1", 1, 0, "█" + "░" * 19),
                                                   ("advisory", "1", 100, 99, "█" + "▓" * 19)):
            name = mode + limit
            self.one("budget", "create", name, "--mode", mode, "--limit", f"x={limit}")
            text = self.run_raw("replay", self.write("log", "n\n" + "1\n" * 100), "--budget", name, "--dim", "x=n").stdout
            self.assertRegex(text, rf"(?m)^{name} +100 +{accepted} +{warned} +{100 - accepted} +0 +0 +{bar} +x \d+$")
            self.assertIn(f": {accepted} accepted ({warned} warned), {100 - accepted} refused, ", text)


@unittest.skipUnless(TRACE.exists(), f"there is no {TRACE.name} beside the repository")
class Trace(Replay):
    """Real requests, where they are at hand."""

    def setUp(self):
        super().setUp()
        with open(TRACE, newline="") as file:
            self.rows = [(parse_time(row["TIMESTAMP"]), row["GeneratedTokens"],
                          {"in": int(row["ContextTokens"]), "out": int(row["GeneratedTokens"])})
                         for row in csv.DictReader(file)]

    def policy(self, budgets):
        """The file of the arguments of Budget."""
        return self.write("policy.json", json.dumps({"budgets": [
            {"budget_id": name, "mode": "advisory" if how.get("advisory") else "strict",
             "reset_every": f"{how.get('interval', 0)}ms",
             "limits": {dim: {"hard": hard, "soft": soft} for dim, (hard, soft) in how["limits"].items()}}
            for name, how in budgets.items()]}))

    ARGUMENTS = ("--dim", "in=ContextTokens", "--dim", "out=GeneratedTokens", "--time-from", "TIMESTAMP")

    def test_real_requests(self):
        policy = {"code": {"limits": {"in": (1500000, 1200000), "out": (20000, 15000)}, "interval": 600000}}
        count = Count(policy, [(time, "code", amounts) for time, _, amounts in self.rows])
        self.assertTrue(count.outcomes["refused"] and count.outcomes["soft"] and count.outcomes["ok"], count.outcomes)
        arguments = ("--policy", self.policy(policy), "--budget", "code", *self.ARGUMENTS, "--key-prefix", "azure-")
        for batch in (1, 256):
            self.store = self.uri(batch)
            self.assertEqual(self.replay(TRACE, *arguments, "--batch", batch), count.summary())
            self.check_books(count)
            self.assertEqual(self.counts(TRACE, *arguments), (0, 0, len(self.rows), 0))

    def test_real_requests_to_many_budgets(self):
        """A budget for each number of tokens generated; most of those up to 60 have limits, periods or a mode."""
        policy = {str(n): {"limits": {"in": (5000 * (n % 9), min(900 * (n % 4), 5000 * (n % 9)))},
                           "interval": n % 5 * 7001, "advisory": n % 7 == 0} for n in range(60)}
        count = Count(policy, self.rows)
        self.assertTrue(all(count.outcomes.values()), count.outcomes)
        arguments = ("--policy", self.policy(policy), "--budget-from", "GeneratedTokens", *self.ARGUMENTS, "--key-from",
                     "TIMESTAMP")
        self.assertEqual(self.replay(TRACE, *arguments), count.summary())
        charged = {}
        for line in self.run_raw("--now", count.latest, "export").stdout.splitlines():
            row = json.loads(line)
            if row.get("table") == "ff_budget_usage":
                charged.setdefault(row["budget_id"], {})[row["dimensions_key"]] = exact(row["current_value"])
        for budget in count.budgets.values():
            budget.advance(count.latest)
        self.assertEqual(charged, {name: budget.usage for name, budget in count.budgets.items() if budget.usage})
        count.budgets = {name: count.budgets[name] for name in policy}
        self.check_books(count)
        self.assertEqual(self.counts(TRACE, *arguments), (0, 0, len(self.rows), 0))


if __name__ == "__main__":
    unittest.main()
