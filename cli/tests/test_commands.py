"""Every command of ffctl but replay, driven from outside."""
import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import unittest

from harness import FFCTL, HOUR, IN_FILES, INT64_MAX, SCHEME, Case, exact, only_in_files, only_on

T = 1700000000000


class CommandLine(Case):
    def usage(self, *arguments):
        done = self.run_raw(*arguments)
        self.assertEqual(done.returncode, 2, (arguments, done.stdout, done.stderr))
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^ffctl: .+\nusage:")
        return done.stderr

    def test_wrong_usage_is_2_and_lists_what_there_is(self):
        self.assertIn("--retry-refused", self.usage("report", "b", "x=1", "--nonsense"))
        self.assertIn("budget create", self.usage("nonsense"))
        self.assertIn("budget create", self.usage())
        for wrong in (["budget"], ["budget", "nonsense"], ["report", "b", "x"], ["report", "b", "x="], ["report", "b", "x=-1"],
                      ["report", "b", "x=1.0"], ["report", "b", "x=1e3"], ["report", "b", "x=+1"],
                      ["report", "b", "x= 1"], ["report", "b", "x=0x10"], ["report", "b", "x=1", "--key"],
                      ["report", "b", "x=1", "--key", "a", "--key", "b"], ["report", "b", "x=1", "--execution", "e"],
                      ["report", "-x", "x=1"], ["spend", "b", "x=1"], ["release", "b"],
                      ["budget", "create", "b", "--limit", "x"], ["budget", "create", "b", "--limit", "x=1:"],
                      ["budget", "create", "b", "--limit", "x=1:2:3"], ["budget", "create", "b", "--scope", "x"],
                      ["budget", "list", "--limit", "0"], ["budget", "list", "--limit", "x"],
                      ["quota", "create", "q", "--window", "1500ms", "--max", "1", "--concurrency", "1"],
                      ["quota", "create", "q", "--max", "1", "--concurrency", "1"],
                      ["quota", "create", "q", "--window", "1s", "--concurrency", "1"],
                      ["quota", "create", "q", "--window", "1s", "--max", "1"], ["quota", "release", "q"],
                      ["quota", "create", "q", "--window", "1s", "--max", "x", "--concurrency", "1"],
                      ["quota", "create", "q", "--window", "1s", "--max", "1", "--concurrency", "x"],
                      ["quota", "admit", "q"], ["quota", "admit", "q", "--execution", "e", "--max", "1"],
                      ["quota", "admit", "q", "--execution", "e", "--lease", "5"],
                      ["quota", "admit", "q", "--execution", "e", "--jitter", str(INT64_MAX + 1)],
                      ["--now", "x", "tick"], ["--now", str(INT64_MAX + 1), "tick"], ["--key-ttl", "0s", "tick"],
                      ["--key-ttl", "x", "tick"], ["--json=1", "tick"], ["tick", "--limit"], ["tick", "--limit", "x"],
                      ["--store", "a:b", "--store", "a:b", "tick"], ["replay", "f"], ["help", "budget"]):
            with self.subTest(wrong):
                self.usage(*wrong)
        self.assertEqual(list(self.dir.iterdir()), [], "wrong usage made a store")

    def test_every_command_takes_so_many_arguments(self):
        execution, limits = ("--execution", "e"), ("--window", "1s", "--max", "1", "--concurrency", "1")
        for command, least, most, *options in (
                ("budget create", 1, 1), ("budget status", 1, 1), ("budget list", 0, 0), ("budget reset", 1, 1),
                ("report", 2, None), ("spend", 2, None, *execution), ("release", 1, 1, *execution),
                ("quota create", 1, 1, *limits), ("quota status", 1, 1), ("quota list", 0, 0),
                ("quota admit", 1, 1, *execution), ("quota release", 1, 1, *execution),
                ("replay", 1, 1, "--budget", "b", "--dim", "x=n"), ("tick", 0, 0), ("export", 0, 1), ("import", 1, 1),
                ("check", 0, 0), ("backends", 0, 0), ("help", 0, 2)):
            with self.subTest(command):
                if least:
                    self.assertIn("lacks an argument", self.usage(*command.split(), *options, *["x=1"] * (least - 1)))
                if most is not None:
                    self.assertIn("one argument too many", self.usage(*command.split(), *options, *["x=1"] * (most + 1)))
        self.assertEqual(list(self.dir.iterdir()), [], "wrong usage made a store")

    def test_durations(self):
        for wrong in ("60", "s", "1 s", "1.5h", "-1s", "1w", "1S", "", "1sm"):
            with self.subTest(wrong):
                self.usage("budget", "create", "b", "--reset-every", wrong)
        for i, (text, ms) in enumerate({"1500ms": 1500, "60s": 60000, "5m": 300000, "1h": 3600000,
                                        "1d": 86400000}.items()):
            self.one("budget", "create", f"b{i}", "--reset-every", text)
            self.assertEqual(self.one("budget", "status", f"b{i}")["reset_interval_ms"], ms)
        self.assertEqual(self.error("budget", "create", "b", "--reset-every", "99999999999999999999d"), "invalid")

    def test_wrong_usage_with_json_is_an_error_object(self):
        self.assertEqual(self.error("report", "b", "x=y", status=2), "invalid")
        self.assertEqual(self.error("report", "b", "--nonsense", status=2), "invalid")

    def test_json_counts_where_it_is_an_option(self):
        self.one("budget", "create", "--", "--json")
        for arguments in (["budget", "status", "--", "--json"], ["report", "b", "x=1", "--key", "--json"],
                          ["report", "b", "x=1", "--key=--json"]):
            done = self.run_raw(*arguments)
            self.assertEqual((done.returncode, done.stdout[:1] == "{"), (0, False), (arguments, done.stdout))
        for arguments in (["report", "--nonsense", "--", "--json"], ["report", "b", "--key", "--json", "--nonsense"],
                          ["report", "b", "x=1", "--", "--json"]):
            self.usage(*arguments)
        for arguments in (["budget", "status", "none", "--json"], ["report", "--json", "b", "x=1", "--nonsense"],
                          ["report", "b", "x=y", "--json"], ["report", "b", "--json"], ["nonsense", "--json"]):
            done = self.run_raw(*arguments)
            self.assertIn("error", json.loads(done.stdout), arguments)

    def test_help_and_version(self):
        for arguments in (["help"], ["--help"], ["-h"], ["help", "report"], ["report", "--help"],
                          ["help", "budget", "create"], ["budget", "create", "-h"]):
            done = self.run_raw(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""), arguments)
            self.assertIn("usage: ffctl", done.stdout)
            self.assertIn("--key-ttl DURATION", done.stdout)
        self.assertIn("DIM=HARD[:SOFT]", self.run_raw("help", "budget", "create").stdout)
        for words in (".jsonl", "a commit of its own"):
            self.assertIn(words, self.run_raw("help", "replay").stdout)
        self.assertEqual(self.run_raw("help", "nonsense").returncode, 2)
        self.assertRegex(self.run_raw("--version").stdout, r"^ffctl \d+\.\d+\.\d+, library \d+\.\d+\.\d+\n$")

    def test_help_names_the_fields_of_json(self):
        log, execution = self.write("log.csv", "n\n1\n"), ("--execution", "e")
        for command, *more in (
                ("budget create", "b"), ("budget status", "b"), ("budget list",), ("budget reset", "b"), ("report", "b", "x=1"),
                ("spend", "b", *execution, "x=1"), ("release", "b", *execution),
                ("quota create", "q", "--window", "1s", "--max", "1", "--concurrency", "1"), ("quota status", "q"),
                ("quota list",), ("quota admit", "q", *execution), ("quota release", "q", *execution),
                ("replay", log, "--budget", "b", "--dim", "x=n"), ("tick",), ("check",), ("backends",)):
            with self.subTest(command):
                self.assertEqual(self.fields_in_help(command), set(self.lines(*command.split(), *more)[0]))
        export = self.write("export", self.run_raw("export").stdout)
        self.assertEqual(self.fields_in_help("import"), set(self.one("import", export, store=self.uri("other"))))

    def fields_in_help(self, command):
        text = self.run_raw("help", *command.split()).stdout.partition("fields with --json: ")[2].partition("\n\n")[0]
        return set(re.sub(r"\(.*?\)", "", text, flags=re.S).replace(" ", "").replace("\n", "").split(","))

    def test_options_stand_anywhere_and_end_at_two_dashes(self):
        self.one("budget", "--scope", "a:b", "create", "x")
        self.one("--scope=a:b", "budget", "create", "y")
        self.one("budget", "create", "--", "--limit")
        ids = [status["budget_id"] for status in self.lines("budget", "list")]
        self.assertEqual(ids, ["--limit", "x", "y"])

    def test_store_from_the_environment_then_ff_db(self):
        def run(**more):
            return subprocess.run([FFCTL, "budget", "create", "b"], cwd=self.dir, env=self.environment() | more, check=True,
                                  capture_output=True)

        run(FF_STORE=self.store)
        self.assertEqual((self.dir / "store").exists(), IN_FILES)
        self.assertEqual([budget["budget_id"] for budget in self.lines("--json", "budget", "list")], ["b"])
        if SCHEME == "sqlite":
            run(FF_STORE="")
            self.assertTrue((self.dir / "ff.db").exists())

    def test_a_missing_store(self):
        for arguments in (["budget", "status", "b"], ["budget", "list"], ["quota", "status", "q"], ["quota", "list"],
                          ["export"], ["check"]):
            self.assertEqual(self.error(*arguments), "not_found", arguments)
        self.assertEqual(list(self.dir.iterdir()), [])
        if not IN_FILES:
            return
        self.one("budget", "create", "b", store=f"{SCHEME}:{self.dir}/new/store")
        self.assertTrue((self.dir / "new").is_dir())
        self.assertNotEqual(self.run_raw("budget", "create", "b", store=f"{SCHEME}:{self.dir}/no/no/store").returncode, 0)
        self.one("budget", "create", "b", store=f"{SCHEME}://{self.dir}/slashes/store")
        self.one("budget", "create", "b", store=f"{SCHEME}:{self.dir}/%61 b/store")
        self.one("budget", "create", "b", store=f"trace+{SCHEME}:{self.dir}/%C3%A9/store?trace_file={self.dir}/trace")
        before = sorted(os.listdir(self.dir))
        for store in (f"nonsense:{self.dir}/more/store", f"{SCHEME}:{self.dir}/more/store?nonsense=1",
                      f"{SCHEME}:{self.dir}/more/no/store"):
            self.assertEqual(self.run_raw("budget", "create", "b", store=store).returncode, 1)
            self.assertEqual(sorted(os.listdir(self.dir)), before, store)

    def test_a_bad_store(self):
        for wrong in ("nonsense:x", "nonsense", " "):
            self.assertEqual(self.error("budget", "list", store=wrong), "invalid")
        log, execution = self.write("log", "n\n"), ("--execution", "e")
        for arguments in (["budget", "create", "b"], ["budget", "status", "b"], ["budget", "list"], ["budget", "reset", "b"],
                          ["report", "b", "x=1"], ["spend", "b", "x=1", *execution], ["release", "b", *execution],
                          ["quota", "create", "q", "--window", "1s", "--max", "1", "--concurrency", "1"],
                          ["quota", "status", "q"], ["quota", "list"], ["quota", "admit", "q", *execution],
                          ["quota", "release", "q", *execution], ["replay", log, "--budget", "b", "--dim", "x=n"], ["tick"],
                          ["export"], ["export", self.dir / "export"], ["import", log], ["check"], ["backends"]):
            self.assertEqual(self.error(*arguments, store="nonsense:x"), "invalid", arguments)
        os.unlink(log)
        self.assertEqual(self.run_raw("--store=", "budget", "list", store=None).returncode, 2, "given twice")
        done = subprocess.run([FFCTL, "--store=", "budget", "create", "b"], capture_output=True, cwd=self.dir)
        self.assertEqual((done.returncode, list(self.dir.iterdir())), (1, []))
        self.assertEqual(self.error("budget", "list", store=self.uri("store", "nonsense=1")), "invalid")

    def test_errors_for_people(self):
        self.one("budget", "create", "b")
        for query, said in (
                ("slot=commit&error=io", "injected fault at 'commit' (io)"),
                ("slot=commit&error=busy&mode=always&native_code=5",
                 "contention outlived 3 attempts: injected fault at 'commit'"
                 " (busy; fault 5; the same call may succeed if sent again)")):
            done = self.run_raw("report", "b", "x=1", store="fault+" + self.uri("store", query))
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", f"ffctl: {said}\n"))

    def test_no_colours_but_on_a_terminal(self):
        self.one("budget", "create", "b", "--limit", "x=10:5")
        self.one("report", "b", "x=6")
        self.assertNotIn("\033", self.run_raw("budget", "status", "b").stdout)

        def on_terminal(**more):
            master, slave = os.openpty()
            with os.fdopen(master, "rb", buffering=0) as terminal:
                subprocess.run(self.command("budget", "status", "b"), stdout=slave, check=True,
                               env=self.environment() | {"TERM": "xterm"} | more)
                os.close(slave)
                text = b""
                try:
                    while more_text := terminal.read(65536):
                        text += more_text
                except OSError:
                    pass
                return text

        self.assertIn(b"33m", on_terminal())  # yellow
        self.one("report", "b", "x=4")
        self.assertIn(b"31m", on_terminal())  # red
        self.assertNotIn(b"\033", on_terminal(NO_COLOR="1"))

    def test_the_locale_chooses_the_bars(self):
        self.one("budget", "create", "größe", "--limit", "x=1")
        unset = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "LC_CTYPE", "LANG")}
        for variables, blocks in (({}, True), ({"LANG": ""}, True), ({"LC_ALL": "C"}, False), ({"LANG": "POSIX"}, False),
                                  ({"LANG": "xx_YY.UTF-8"}, True), ({"LC_ALL": "xx_YY.utf8"}, True),
                                  ({"LANG": "C", "LC_CTYPE": "xx_YY.UTF-8@euro"}, True),
                                  ({"LANG": "xx_YY.ISO-8859-1"}, False), ({"LANG": "xx_YY"}, False)):
            done = subprocess.run(self.command("budget", "list"), env=unset | variables, cwd=self.dir, capture_output=True)
            self.assertEqual(("größe".encode() in done.stdout, "░".encode() in done.stdout), (blocks, blocks), variables)

    def test_stdout_that_cannot_be_written_is_an_error(self):
        self.one("budget", "create", "b")
        with open("/dev/full", "w") as full:
            done = subprocess.run(self.command("budget", "list"), stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stdout", done.stderr)
        for i in range(20):  # a buffer that is full by chance at the end leaves nothing for the last write to fail at
            self.one("budget", "create", f"b{i}" + "x" * i)
            with open("/dev/full", "w") as full:
                done = subprocess.run(self.command("--json", "budget", "list"), stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertRegex(done.stderr, r"^ffctl: cannot write to stdout(: No space left on device)?\n$")

    def test_standard_streams_that_are_closed_are_not_the_stores(self):
        def closed(streams, *arguments):
            return subprocess.run(["sh", "-c", f'exec "$@" {streams}', "sh", *self.command(*arguments)],
                                  env=self.environment(), cwd=self.dir, capture_output=True, text=True, timeout=120)

        log = self.write("log", "n\n" + "1\n" * 50)
        for i in range(50):  # so much that it is written while the store is open
            self.one("budget", "create", f"b{i}")
        for arguments in (["budget", "list"], ["export"], ["replay", log, "--budget", "b", "--dim", "x=n"], ["help"]):
            for streams in (">&-", ">&- <&-"):
                done = closed(streams, *arguments)
                self.assertEqual((done.returncode, "stdout" in done.stderr), (1, True), (arguments, done.stderr))
            self.assertEqual(closed(">&- <&- 2>&-", *arguments).returncode, 1, arguments)
        for arguments in (["import", "-"], ["replay", "-", "--budget", "b", "--dim", "x=n"]):
            self.store = self.uri(arguments[0])
            done = closed("<&-", *arguments)
            self.assertEqual(done.returncode, 1, (arguments, done.stdout))
            self.assertIn("cannot read '-': Bad file descriptor", done.stderr)
        self.store = self.uri("store")
        self.assertEqual(self.run_raw("budget", "list").stdout, closed("2>&-", "budget", "list").stdout)
        self.assertEqual(self.one("check"), {"ok": True, "problems": []})


class Budgets(Case):
    def test_create(self):
        create = ("budget", "create", "team", "--limit", "tokens=100:80", "--limit", "a=b=3")
        self.assertEqual(self.one(*create), {"result": "created", "same": True, "budget_id": "team"})
        self.assertEqual(self.one(*create), {"result": "already_satisfied", "same": True, "budget_id": "team"})
        self.assertEqual(self.one("budget", "create", "team"),
                         {"result": "already_satisfied", "same": False, "budget_id": "team"})

    def test_create_refuses(self):
        for wrong in (["", ], ["b" * 129], ["b\n"], ["b", "--limit", "x=1:2"], ["b", "--limit", "=3"],
                      ["b", "--mode", "lenient"], ["b", "--limit", "x=1", "--limit", "x=2"],
                      ["b", "--limit", f"x={INT64_MAX + 1}"], ["b", "--limit", "x=99999999999999999999"],
                      ["b", "--scope", f"{'s' * 65}:x"], ["b", "--on-hard", "h" * 65]):
            with self.subTest(wrong):
                self.assertEqual(self.error("budget", "create", *wrong), "invalid")

    def test_status(self):
        self.one("--now", T, "budget", "create", "b", "--scope", "team:x:y", "--mode", "strict", "--limit",
                 "tokens=100:80", "--limit", f"cost={INT64_MAX}", "--reset-every", "1h", "--on-hard", "stop",
                 "--on-soft", "warn")
        self.one("--now", T + 1, "report", "b", "tokens=90", "other=0")
        self.one("--now", T + 2, "report", "b", "tokens=11", status=3)
        self.assertEqual(self.one("--now", T + 3, "budget", "status", "b"), {
            "budget_id": "b", "scope_type": "team", "scope_id": "x:y", "enforcement_mode": "strict",
            "on_hard_limit": "stop", "on_soft_limit": "warn", "reset_interval_ms": 3600000,
            "usage": {"other": 0, "tokens": 90}, "hard_limits": {"cost": str(INT64_MAX), "tokens": 100},
            "soft_limits": {"cost": 0, "tokens": 80}, "breach_count": 1, "soft_breach_count": 1,
            "last_breach_at": T + 2, "last_breach_dim": "tokens", "next_reset_at": T + 3600000, "created_at": T,
            "updated_at": T + 2})
        again = self.one("--now", T + 3600000, "budget", "status", "b")
        self.assertEqual((again["usage"], again["last_breach_at"], again["last_breach_dim"], again["next_reset_at"]),
                         ({"other": 0, "tokens": 0}, None, None, T + 7200000))
        self.one("budget", "create", "plain")
        plain = self.one("budget", "status", "plain")
        self.assertEqual((plain["next_reset_at"], plain["scope_type"], plain["usage"]), (None, "", {}))
        self.assertEqual(self.error("budget", "status", "none"), "not_found")

    def test_names_of_any_kind_come_back_as_they_were(self):
        for name in ("it's", 'say "hi"', "100%", "%s%n", "größe", "日本", "a b", "back\\slash", "x" * 128, "?#&"):
            self.one("budget", "create", name, "--limit", f"{name[:64]}=7", "--scope", f"{name[:64]}:{name}")
            self.one("report", name, f"{name[:64]}=5", "--key", name)
            status = self.one("budget", "status", name)
            self.assertEqual((status["budget_id"], status["scope_id"], status["usage"], status["hard_limits"]),
                             (name, name, {name[:64]: 5}, {name[:64]: 7}))
            self.assertTrue(self.run_raw("budget", "status", name).stdout)

    def test_list_goes_by_bytes_and_page_by_page(self):
        names = [f"b{i:02}" for i in range(12)] + ["B", "é", "z"]
        for name in names:
            self.one("budget", "create", name)
        in_order = sorted(names, key=str.encode)
        listed = [status["budget_id"] for status in self.lines("budget", "list")]
        self.assertEqual(listed, in_order)
        some = [status["budget_id"] for status in self.lines("budget", "list", "--after", "b03", "--limit", "5")]
        self.assertEqual(some, in_order[5:10])
        self.assertEqual(self.lines("budget", "list", "--after", "é"), [])

    def test_lists_longer_than_a_page(self):
        names = [f"b{i:04}" for i in range(1003)]
        policy = self.write("policy.json", json.dumps({"budgets": [{"budget_id": name} for name in names],
                                                       "quotas": [{"quota_policy_id": name} for name in names]}))
        self.one("replay", self.write("log", "n\n"), "--policy", policy, "--budget", "b", "--dim", "x=n")
        for thing, name in (("budget", "budget_id"), ("quota", "quota_policy_id")):
            self.assertEqual([status[name] for status in self.lines(thing, "list")], names)
            some = self.lines(thing, "list", "--after", names[0], "--limit", 1001)
            self.assertEqual([status[name] for status in some], names[1:1002])

    def test_reset(self):
        self.one("--now", T, "budget", "create", "b", "--limit", "x=10", "--reset-every", "1m")
        self.one("--now", T, "report", "b", "x=10")
        self.assertEqual(self.one("--now", T + 5, "budget", "reset", "b"),
                         {"result": "reset", "next_reset_at": T + 60005})
        self.assertEqual(self.one("--now", T + 6, "budget", "status", "b")["usage"], {"x": 0})
        self.one("budget", "create", "never")
        self.assertEqual(self.one("budget", "reset", "never"), {"result": "reset", "next_reset_at": None})
        self.assertEqual(self.error("budget", "reset", "none"), "not_found")

    def test_bars_for_people(self):
        now = ("--now", T)
        self.one(*now, "budget", "create", "b", "--scope", "team:42", "--on-hard", "stop", "--on-soft", "warn",
                 "--reset-every", "1h", "--limit", "x=1000000:500000", "--limit", "y=0")
        self.one(*now, "budget", "create", "a", "--mode", "advisory")
        self.one(*now, "report", "b", "x=600000", "free=1234567")
        self.one(*now, "report", "b", "x=600000", status=3)
        created = f"2023-11-14 22:13:20Z ({T})"
        bar = "█" * 10 + "┃█" + "░" * 8
        text = self.said(*now, "budget", "status", "b")
        self.assertEqual(text.split("DIMENSION")[0], "budget      b\nscope       team:42\nmode        strict\n"
                         "hints       hard 'stop', soft 'warn'\n"
                         f"resets      1h, next 2023-11-14 23:13:20Z ({T + HOUR})\n"
                         f"breaches    1 hard, 1 soft; last hard one of 'x' at {created}\n"
                         f"created     {created}\nupdated     {created}\n")
        self.assertRegex(text, rf"\nfree +1,234,567 +- +- *\nx +600,000 +1,000,000 +500,000 +{bar}\ny +0 +- +- *\n$")
        self.assertTrue(self.said(*now, "budget", "status", "a").startswith(
            "budget      a\nmode        advisory\nresets      never, next never\nbreaches    0 hard, 0 soft\ncreated "))
        self.assertRegex(self.said(*now, "budget", "list"), r"\na +advisory +never +0 +0 *\nb +strict +1h +1 +1 +free "
                         rf"+1,234,567 +- +- *\n +x +600,000 +1,000,000 +500,000 +{bar}\n +y +0 ")
        self.one(*now, "budget", "create", "large", "--mode", "advisory", "--limit", f"x={INT64_MAX}", "--limit", "y=10")
        self.one(*now, "report", "large", f"x={2**62}", "y=11", "z=0")
        self.assertRegex(self.said(*now, "budget", "status", "large"), r"\nx .+ █{10}░{10}\ny +11 +10 +- +█{20}\+\nz ")


class Usage(Case):
    def report(self, *arguments, status=0):
        return self.one("report", "b", *arguments, status=status)

    def test_outcomes(self):
        self.one("budget", "create", "b", "--limit", "x=10:8")
        plain = {"replayed": False, "dimension": None, "current_usage": None, "limit": None}
        self.assertEqual(self.report("x=8"), {"outcome": "ok", "applied": True} | plain)
        self.assertEqual(self.report("x=1"), {"outcome": "soft_breach", "applied": True, "replayed": False,
                                              "dimension": "x", "current_usage": 9, "limit": 8})
        self.assertEqual(self.report("x=2", status=3), {"outcome": "hard_breach", "applied": False, "replayed": False,
                                                        "dimension": "x", "current_usage": 9, "limit": 10})

    def test_an_advisory_breach_is_applied(self):
        self.one("budget", "create", "b", "--mode", "advisory", "--limit", "x=10:8")
        self.assertEqual(self.report("x=11"), {"outcome": "hard_breach", "applied": True, "replayed": False,
                                               "dimension": "x", "current_usage": 0, "limit": 10})

    def test_keys(self):
        self.one("budget", "create", "b", "--limit", "x=10")
        self.report("x=6", "--key", "k")
        self.assertTrue(self.report("x=6", "--key", "k")["replayed"])
        self.assertEqual(self.error("report", "b", "x=7", "--key", "k"), "key_conflict")
        self.assertFalse(self.report("x=6", "--key", "r", status=3)["replayed"])
        self.assertTrue(self.report("x=6", "--key", "r", status=3)["replayed"])
        self.one("budget", "reset", "b")
        self.assertTrue(self.report("x=6", "--key", "r", status=3)["replayed"])
        self.assertEqual(self.report("x=6", "--key", "r", "--retry-refused")["applied"], True)

    def test_an_empty_key_is_none_and_is_refused(self):
        done = self.run_raw("report", "b", "x=1", "--key", "")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("--key is empty", done.stderr)
        self.assertEqual(self.run_raw("spend", "b", "x=1", "--execution", "e", "--key", "").returncode, 2)

    def test_key_ttl(self):
        self.one("--now", T, "--key-ttl", "1m", "report", "b", "x=1", "--key", "k")
        self.assertTrue(self.one("--now", T + 59999, "report", "b", "x=1", "--key", "k")["replayed"])
        self.assertFalse(self.one("--now", T + 60000, "report", "b", "x=1", "--key", "k")["replayed"])

    def test_require_budget(self):
        self.assertEqual(self.error("--require-budget", "report", "b", "x=1", "--require-budget"), "not_found")
        self.assertTrue(self.report("x=1")["applied"])

    def test_amounts(self):
        self.one("budget", "create", "b", "--limit", "a=b=3")
        self.report("a=b=3")
        self.report("a=b=1", status=3)
        self.report(f"x={2**53 + 1}", "zero=0")
        status = self.one("budget", "status", "b")
        self.assertEqual(status["usage"], {"a=b": 3, "x": str(2**53 + 1), "zero": 0})
        self.assertEqual(self.one("report", "c", f"x={INT64_MAX}")["outcome"], "ok")
        self.assertEqual(self.error("report", "c", "x=1"), "overflow")
        for wrong in (f"x={INT64_MAX + 1}", "x=18446744073709551615", "x=18446744073709551616", "=3"):
            with self.subTest(wrong):
                self.assertEqual(self.error("report", "c", wrong), "invalid")
        self.assertEqual(self.error("report", "c", "x=1", "x=2"), "invalid")
        self.assertEqual(self.error("report", "c", *(f"d{i}=1" for i in range(65))), "invalid")

    def test_breaches_above_2_to_53(self):
        self.one("budget", "create", "b", "--limit", f"x={INT64_MAX}:{2**53}")
        answer = self.report(f"x={INT64_MAX - 1}")
        self.assertEqual((exact(answer["current_usage"]), exact(answer["limit"])), (INT64_MAX - 1, 2**53))
        answer = self.report("x=2", status=3)
        self.assertEqual((answer["current_usage"], answer["limit"]), (str(INT64_MAX - 1), str(INT64_MAX)))

    def test_ledger(self):
        self.one("budget", "create", "b", "--limit", "x=10")
        spend = ("spend", "b", "--execution", "e", "x=6", "y=1", "--key", "k")
        self.assertEqual(self.one(*spend)["outcome"], "ok")
        again = self.one(*spend)
        self.assertEqual((again["outcome"], again["applied"], again["replayed"]), ("already_applied", True, True))
        refused = ("spend", "b", "--execution", "f", "x=5", "--key", "r")
        self.assertEqual(self.one(*refused, status=3)["outcome"], "hard_breach")
        self.assertEqual(self.one("release", "b", "--execution", "e"),
                         {"result": "released", "released": {"x": 6, "y": 1}})
        self.assertTrue(self.one(*refused, status=3)["replayed"])
        self.assertEqual(self.one(*refused, "--retry-refused")["outcome"], "ok")
        self.one("release", "b", "--execution", "f")
        self.assertEqual(self.one("release", "b", "--execution", "e"), {"result": "released", "released": {}})
        self.assertEqual(self.one("budget", "status", "b")["usage"], {"x": 0, "y": 0})

    def test_answers_for_people(self):
        create = ("budget", "create", "b", "--limit", "x=10000:8000")
        self.assertEqual(self.said(*create), "budget 'b' created\n")
        self.assertEqual(self.said(*create), "budget 'b' exists already, with the same policy\n")
        self.assertEqual(self.said("budget", "create", "b"),
                         "budget 'b' exists already, with another policy, and stays as it is\n")
        again = " (decided before, under this key; nothing was changed)\n"
        self.assertEqual(self.said("report", "b", "x=8000", "--key", "k"), "charged\n")
        self.assertEqual(self.said("report", "b", "x=8000", "--key", "k"), "charged" + again)
        self.assertEqual(self.said("spend", "b", "--execution", "e", "x=1500"),
                         "charged; 'x' is at 9,500, over its soft limit of 8,000\n")
        refused = "refused; 'x' was at 9,500, and its hard limit is 10,000"
        self.assertEqual(self.said("report", "b", "x=501", "--key", "r", status=3), refused + "\n")
        self.assertEqual(self.said("report", "b", "x=501", "--key", "r", status=3), refused + again)
        self.assertEqual(self.said("release", "b", "--execution", "e"), "released:\n  x  1,500\n")
        self.assertEqual(self.said("release", "b", "--execution", "e"), "nothing was recorded in this period\n")
        self.assertEqual(self.said("budget", "reset", "b"), "budget 'b' is reset; the next reset: none\n")
        self.said("budget", "create", "a", "--mode", "advisory", "--limit", "x=10")
        self.assertEqual(self.said("report", "a", "x=11"),
                         "charged over the limit (advisory); 'x' was at 0, and its hard limit is 10\n")

    def test_tick(self):
        self.one("--now", T, "budget", "create", "b", "--reset-every", "1m")
        self.one("--now", T, "--key-ttl", "1s", "report", "b", "x=1", "--key", "k")
        self.one("--now", T, "spend", "b", "--execution", "e", "x=1", "y=1")
        done = {"resets": 1, "failed": 0, "purged_keys": 1, "purged_admissions": 0, "purged_ledger_rows": 2}
        self.assertEqual(self.one("--now", T + 60000, "tick"), done)
        self.assertEqual(self.one("--now", T + 60000, "tick", "--limit", "5"), dict.fromkeys(done, 0))
        self.one("--now", T, "budget", "create", "c", "--reset-every", "2m")
        self.assertEqual([self.one("--now", T + 120000, "tick", "--limit", 1)["resets"] for _ in range(3)], [1, 1, 0])
        self.one("--now", T + 120000, "spend", "b", "--execution", "e", "x=1", "y=1")
        self.assertRegex(self.said("--now", T + 180000, "tick"),
                         r"^resets +1\nfailed +0\npurged keys +0\npurged admissions +0\npurged ledger rows +2\n$")


class Quotas(Case):
    def admit(self, execution, *arguments, now=T, status=0):
        return self.one("--now", now, "quota", "admit", "q", "--execution", execution, *arguments, status=status)

    def create(self, window="60s", most=2, concurrency=0):
        return self.one("--now", T, "quota", "create", "q", "--window", window, "--max", most, "--concurrency",
                        concurrency)

    def test_create(self):
        self.assertEqual(self.create(), {"result": "created", "same": True, "quota_policy_id": "q"})
        self.assertEqual(self.create(), {"result": "already_satisfied", "same": True, "quota_policy_id": "q"})
        self.assertEqual(self.create(most=3), {"result": "already_satisfied", "same": False, "quota_policy_id": "q"})
        self.assertEqual(self.error("quota", "create", "p", "--window", "0s", "--max", 1, "--concurrency", 0), "invalid")

    def test_answers_for_people(self):
        def admit(execution, status=0):
            return self.said("--now", T, "quota", "admit", "q", "--execution", execution, status=status)
        self.assertEqual(self.said("quota", "create", "q", "--window", "2s", "--max", 2, "--concurrency", 1),
                         "quota policy 'q' created\n")
        self.assertEqual(admit("a"), "admitted\n")
        self.assertEqual(admit("a"), "admitted already\n")
        self.assertEqual(admit("b", status=3), "not admitted; every slot is held\n")
        release = ("--now", T, "quota", "release", "q", "--execution", "a")
        self.assertEqual(self.said(*release), "released\n")
        self.assertEqual(self.said(*release), "it held no slot\n")
        self.assertEqual(admit("b"), "admitted\n")
        self.assertEqual(admit("c", status=3), "not admitted; the window is full, try again in 2,000 ms\n")

    def test_window(self):
        self.create()
        self.assertEqual(self.admit("a"), {"outcome": "admitted", "retry_after_ms": None})
        self.assertEqual(self.admit("a", now=T + 1)["outcome"], "already_admitted")
        self.assertEqual(self.admit("b", now=T + 10)["outcome"], "admitted")
        self.assertEqual(self.admit("c", now=T + 20, status=3),
                         {"outcome": "rate_exceeded", "retry_after_ms": 60000 - 20})
        self.assertEqual(self.admit("c", now=T + 59999, status=3)["retry_after_ms"], 1)
        self.assertEqual(self.admit("c", now=T + 60000)["outcome"], "admitted")
        jittered = self.admit("d", "--jitter", "1000", now=T + 60000, status=3)["retry_after_ms"]
        self.assertTrue(10 <= jittered <= 1010, jittered)

    def test_concurrency_release_and_lease(self):
        self.create(window="0s", most=0, concurrency=1)
        self.assertEqual(self.admit("a", "--lease", "5s")["outcome"], "admitted")
        self.assertEqual(self.admit("b", status=3), {"outcome": "concurrency_exceeded", "retry_after_ms": None})
        release = ("--now", T, "quota", "release", "q", "--execution")
        self.assertEqual(self.one(*release, "b"), {"result": "released", "held": False})
        self.assertEqual(self.one(*release, "a"), {"result": "released", "held": True})
        self.assertEqual(self.one(*release, "a"), {"result": "released", "held": False})
        self.assertEqual(self.admit("b", "--lease", "5s")["outcome"], "admitted")
        self.assertEqual(self.admit("a", now=T + 5000)["outcome"], "admitted")

    def test_limits_of_the_call(self):
        self.assertEqual(self.error("quota", "admit", "none", "--execution", "e"), "not_found")
        own = ("--window", "10s", "--max", "1", "--concurrency", "0")
        self.assertEqual(self.admit("a", *own)["outcome"], "admitted")
        self.assertEqual(self.admit("b", *own, status=3)["outcome"], "rate_exceeded")

    def test_status_and_list(self):
        self.create(concurrency=9)
        self.admit("a")
        expected = {"quota_policy_id": "q", "window_seconds": 60, "max_requests_per_window": 2, "max_concurrent": 9,
                    "in_window": 1, "active": 1, "next_admission_at": None}
        self.assertEqual(self.one("--now", T, "quota", "status", "q"), expected)
        self.admit("b", now=T + 5)
        full = self.one("--now", T + 5, "quota", "status", "q")
        self.assertEqual((full["in_window"], full["next_admission_at"]), (2, T + 60000))
        self.one("quota", "create", "p", "--window", "1m", "--max", INT64_MAX, "--concurrency", 0)
        listed = self.lines("--now", T + 5, "quota", "list")
        self.assertEqual([quota["quota_policy_id"] for quota in listed], ["p", "q"])
        self.assertEqual(listed[0]["max_requests_per_window"], str(INT64_MAX))
        self.assertEqual(len(self.lines("quota", "list", "--limit", "1", "--after", "p")), 1)
        self.assertEqual(self.error("quota", "status", "none"), "not_found")
        self.assertRegex(self.run_raw("--now", T + 5, "quota", "status", "q").stdout, r"q +1m +2 +2 +█{20} +2 +9 +█{4}░{16} ")

    def test_when_the_next_is_admitted_as_people_read_it(self):
        self.one("quota", "create", "free", "--window", "60s", "--max", 2, "--concurrency", 0)
        self.assertRegex(self.run_raw("quota", "status", "free").stdout, r" now\n$")
        self.create(concurrency=1, most=2)
        shown = ("--now", T + 5, "quota", "status", "q")
        self.assertRegex(self.run_raw(*shown).stdout, r" now\n$")
        self.admit("a")
        self.assertRegex(self.run_raw(*shown).stdout, r" when a slot is free\n$")
        self.assertIsNone(self.one(*shown)["next_admission_at"])
        self.one("--now", T, "quota", "release", "q", "--execution", "a")
        self.admit("b")
        self.assertRegex(self.run_raw(*shown).stdout, rf" \({T + 60000}\), and a slot free\n$")
        self.one("--now", T, "quota", "release", "q", "--execution", "b")
        self.assertRegex(self.run_raw(*shown).stdout, rf" \({T + 60000}\)\n$")


class Store(Case):
    def fill(self):
        self.one("--now", T, "budget", "create", "b", "--limit", "x=10:5", "--scope", "a:b")
        self.one("--now", T, "spend", "b", "--execution", "e", "x=6", "--key", "k")
        self.one("--now", T, "quota", "create", "q", "--window", "60s", "--max", 2, "--concurrency", 3)
        self.one("--now", T, "quota", "admit", "q", "--execution", "e")

    def test_export_and_import(self):
        self.fill()
        path = str(self.dir / "export.jsonl")
        written = self.run_raw("--now", T, "export", path)
        self.assertEqual((written.returncode, written.stdout), (0, ""), written.stderr)
        text = self.run_raw("--now", T, "export").stdout
        self.assertEqual(self.run_raw("--now", T, "export", "-").stdout, text)
        with open(path) as file:
            self.assertEqual(file.read(), text)
        lines = text.splitlines()
        self.assertTrue(lines and all(isinstance(json.loads(line), dict) for line in lines))
        other = self.uri("other")
        self.assertEqual(self.one("import", path, store=other), {"imported": len(lines)})
        self.assertEqual(self.run_raw("--now", T, "export", store=other).stdout, text)
        third = self.uri("third")
        cut = "".join(text.splitlines(keepends=True)[:-1])  # as a pipe hands it on whose writer failed
        self.assertEqual(self.error("import", "-", store=third, stdin=cut), "invalid")
        self.assertEqual(self.said("import", "-", store=third, stdin=text[:-1]), f"{len(lines)} lines imported\n")
        self.assertEqual(self.one("--now", T, "budget", "status", "b"),
                         self.one("--now", T, "budget", "status", "b", store=third))
        self.assertEqual(self.error("import", path, store=other), "invalid")
        self.assertEqual(self.error("import", str(self.dir / "none"), store=other), "not_found")
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".part")], [])

    def test_export_leaves_the_old_file_where_it_fails(self):
        path = self.write("export.jsonl", "old")
        self.assertEqual(self.error("export", path), "not_found")
        with open(path) as file:
            self.assertEqual(file.read(), "old")
        self.fill()
        self.assertEqual(self.error("export", "/dev/full"), "full")
        self.assertEqual(self.run_raw("export", "/dev/null").returncode, 0)
        self.assertTrue(os.path.exists("/dev/null") and not os.path.isfile("/dev/null"))

    @only_in_files
    def test_export_replaces_exports_only(self):
        self.fill()
        path = self.write("export.jsonl", "")
        for _ in range(2):
            self.assertEqual(self.run_raw("--now", T, "export", path).returncode, 0)
        own = next(os.path.join(at, name) for at, _, names in os.walk(self.dir) for name in names
                   if name not in ("export.jsonl",) and os.path.getsize(os.path.join(at, name)) > 4096)
        self.assertEqual(self.error("export", own), "invalid")
        self.assertEqual(self.one("check"), {"ok": True, "problems": []})

    def test_export_leaves_what_is_no_export(self):
        self.fill()
        text = self.run_raw("--now", T, "export").stdout
        first = text.splitlines()[0]
        for content in ('{"budgets":[]}\n', "{", "{}\n", first, first[:-1] + ',"more":1}\n', first[1:] + "\n", "\n" + first,
                        '{"table":"ff_budget_policy"}\n', '{"lines":1,"table":"end"}\n', "[" + first + "]\n", "x" * (2 << 20)):
            with self.subTest(content[:80]):
                path = self.write("there.json", content)
                self.assertEqual(self.error("export", path), "invalid")
                with open(path) as file:
                    self.assertEqual(file.read(), content)
        for content in ("", first + "\n", first + "\nnonsense\n", '{"lines":0,"table":"end"}\n'):  # the last is of an empty store
            path = self.write("there.json", content)
            self.assertEqual(self.run_raw("--now", T, "export", path).returncode, 0)
            with open(path) as file:
                self.assertEqual(file.read(), text)

    def test_export_replaces_one_of_a_quota_alone(self):
        self.one("--now", T, "quota", "create", "q", "--window", "60s", "--max", 2, "--concurrency", 3)
        self.one("--now", T, "quota", "admit", "q", "--execution", "e")
        for _ in range(2):
            self.assertEqual(self.run_raw("--now", T, "export", self.dir / "export.jsonl").returncode, 0)

    def test_export_into_what_a_link_leads_to(self):
        self.run_raw("report", "b", "t=1")
        target, link = self.dir / "kept.jsonl", self.dir / "link"
        link.symlink_to(target)
        for _ in range(2):
            target.write_text("")
            self.assertEqual(self.run_raw("--now", T, "export", link).returncode, 0)
            self.assertTrue(link.is_symlink())
            self.assertIn('"table"', target.read_text())

    def test_export_into_what_a_link_leads_to_that_is_not_there(self):
        self.run_raw("report", "b", "t=1")
        (self.dir / "below").mkdir()
        (self.dir / "link").symlink_to("below/next")
        (self.dir / "below" / "next").symlink_to("kept.jsonl")
        self.assertEqual(self.run_raw("export", self.dir / "link").returncode, 0)
        self.assertTrue((self.dir / "link").is_symlink() and (self.dir / "below" / "next").is_symlink())
        self.assertIn('"table"', (self.dir / "below" / "kept.jsonl").read_text())
        (self.dir / "below" / "far").symlink_to(self.dir / "far.jsonl")
        self.assertEqual(self.run_raw("export", self.dir / "below" / "far").returncode, 0)
        self.assertIn('"table"', (self.dir / "far.jsonl").read_text())
        (self.dir / "round").symlink_to("round")
        self.assertEqual(self.error("export", self.dir / "round"), "io")

    def test_export_into_a_file_without_a_name(self):
        self.run_raw("report", "b", "t=1")
        (self.dir / "link").symlink_to("/proc/self/fd/1")
        with tempfile.TemporaryFile("w+") as file:
            done = subprocess.run(self.command("export", self.dir / "link"), env=self.environment(), cwd=self.dir, stdout=file,
                                  timeout=120)
            file.seek(0)
            self.assertIn('"table"', file.read())
        self.assertEqual(done.returncode, 0)
        self.assertTrue((self.dir / "link").is_symlink())

    def test_import_of_no_lines_gives_up_one_that_failed(self):
        self.assertEqual(self.error("import", self.write("wrong.jsonl", "hello\n")), "invalid")
        self.assertEqual(self.error("report", "b", "t=1"), "misuse")
        self.assertEqual(self.run_raw("import", "/dev/null").returncode, 0)
        self.assertEqual(self.run_raw("report", "b", "t=1").returncode, 0)

    def test_import_of_what_an_export_that_failed_has_written(self):
        for arguments, stdin in ((["-"], ""), ([self.write("empty.jsonl", "")], None)):
            self.assertEqual(self.error("import", *arguments, stdin=stdin), "invalid")
            self.assertEqual(self.error("check"), "not_found")  # no store was made for it

    def test_import_of_what_cannot_be_read_begins_none(self):
        self.assertEqual(self.error("import", self.dir), "io")
        self.assertEqual(self.run_raw("report", "b", "t=1").returncode, 0)

    def test_import_of_what_cannot_be_read_to_its_end(self):
        self.fill()
        text = self.run_raw("export").stdout
        self.assertEqual(self.error("import", "-", store=self.uri("other"), stdin=self.broken(text)), "io")

    def test_export_writes_to_no_file_that_is_there(self):
        self.fill()
        there = {f"export.jsonl{end}": f"mine{end}" for end in (".part", ".0.part", ".1.part")}
        for name, content in there.items():
            self.write(name, content)
        old = os.umask(0o026)
        self.addCleanup(os.umask, old)
        for _ in range(2):
            self.assertEqual(self.run_raw("--now", T, "export", self.dir / "export.jsonl").returncode, 0)
        for name, content in there.items():
            self.assertEqual((self.dir / name).read_text(), content)
        self.assertEqual(sorted(path.name for path in self.dir.glob("export*")), ["export.jsonl", *sorted(there)])
        self.assertEqual((self.dir / "export.jsonl").stat().st_mode & 0o777, 0o640)

    def test_export_keeps_the_rights_of_what_it_replaces(self):
        self.fill()
        export = self.dir / "export.jsonl"
        for mode in (0o600, 0o660, 0o444):
            self.assertEqual(self.run_raw("export", export).returncode, 0)
            export.chmod(mode)
            self.assertEqual(self.run_raw("export", export).returncode, 0)
            self.assertEqual(export.stat().st_mode & 0o7777, mode)

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away, so this user does not claim it")
    def test_export_keeps_whose_it_is(self):
        self.fill()
        export = self.dir / "export.jsonl"
        self.assertEqual(self.run_raw("export", export).returncode, 0)
        os.chown(export, 1234, 4321)
        export.chmod(0o640)
        self.assertEqual(self.run_raw("export", export).returncode, 0)
        there = export.stat()
        self.assertEqual((there.st_uid, there.st_gid, there.st_mode & 0o7777), (1234, 4321, 0o640))

    def test_export_that_fails_leaves_no_part(self):
        log = self.write("log", "n\n" + "1\n" * 2000)
        self.one("replay", log, "--budget", "b", "--dim", "x=n", "--key-prefix", "k")
        limit = (64 * 1024,) * 2
        done = subprocess.run(self.command("export", self.dir / "export.jsonl"), env=self.environment(), cwd=self.dir,
                              capture_output=True, text=True, timeout=120,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot write", done.stderr)
        self.assertEqual(list(self.dir.glob("export*")), [])

    def test_export_that_is_interrupted_leaves_no_part(self):
        log = self.write("log", "n\n" + "1\n" * 20000)
        self.one("replay", log, "--budget", "b", "--dim", "x=n", "--key-prefix", "k")

        def end_of_one_that_gets(number, handler):
            path = self.write("export.jsonl", "")
            with subprocess.Popen(self.command("export", path), env=self.environment(), cwd=self.dir, stderr=subprocess.DEVNULL,
                                  preexec_fn=lambda: signal.signal(number, handler)) as export:
                while export.poll() is None and not list(self.dir.glob("*.part")):
                    pass
                export.send_signal(number)
                return export.wait(timeout=120)

        self.assertEqual(end_of_one_that_gets(signal.SIGHUP, signal.SIG_IGN), 0)  # as nohup has it
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            ended = 0
            while ended != -number:  # until one was met in the middle
                ended = end_of_one_that_gets(number, signal.SIG_DFL)
                self.assertIn(ended, (0, -number))
            self.assertEqual([entry.name for entry in self.dir.glob("export*")], ["export.jsonl"])
            self.assertEqual((self.dir / "export.jsonl").read_text(), "")

    @only_in_files
    def test_file_size_limit(self):
        self.fill()
        line = {"budget": "b", "x": 0}
        log = self.write("log.jsonl", "".join(json.dumps(line) + "\n" for _ in range(20000)))
        limit = (200 * 1024,) * 2
        replay = self.command("--json", "replay", log, "--budget-from", "budget", "--dim", "x=x", "--key-prefix", "k")
        done = subprocess.run(replay, env=self.environment(), cwd=self.dir, capture_output=True, text=True,
                              timeout=120, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["error"]["code"], "full")
        self.assertEqual(self.one("check"), {"ok": True, "problems": []})

    def test_check(self):
        self.fill()
        self.assertEqual(self.one("check"), {"ok": True, "problems": []})
        self.assertEqual(self.said("check"), "the store is sound\n")

    @only_on("sqlite")
    def test_check_finds_damage(self):
        import sqlite3
        self.fill()
        with sqlite3.connect(self.dir / "store") as database:
            database.execute("UPDATE ff_budget_policy SET policy_json = '{\"hard_limits\":'")
        answer = self.one("check", status=1)
        self.assertFalse(answer["ok"])
        self.assertTrue(any("'b'" in problem for problem in answer["problems"]), answer)
        self.assertEqual(self.said("check", status=1), "\n".join([*answer["problems"], "the store has problems\n"]))
        self.assertEqual(self.error("budget", "status", "b"), "corrupt")
        self.assertEqual(self.error("report", "b", "x=1"), "corrupt")

    def test_backends(self):
        def of(scheme, **named):
            backends = {backend["name"]: backend for backend in self.lines("backends", **named)}
            self.assertEqual(set(backends[scheme]), {"name", "schemes", "capabilities", "version"})
            return backends[scheme]

        self.assertIn("DURABLE_COMMIT", of(SCHEME)["capabilities"])
        self.assertEqual(list(self.dir.iterdir()), [], "backends made a store")
        self.fill()
        opened = of(SCHEME)
        self.assertIn(SCHEME, opened["schemes"])
        self.assertRegex(opened["version"], r"\d")
        weak = of(SCHEME, store=self.uri("store", "durability=none"))
        self.assertNotIn("DURABLE_COMMIT", weak["capabilities"])
        row = " +".join(re.escape(of if isinstance(of, str) else " ".join(of)) for of in (
            opened["name"], opened["schemes"], opened["version"], opened["capabilities"]))
        self.assertRegex(self.said("backends"), rf"(?m)^{row}$")

    @only_on("sqlite")
    def test_backends_are_told_where_the_store_cannot_be_opened(self):
        for store in ("none:x", f"sqlite:{self.write('file', 'no database, whatever it is called, and long enough')}"):
            self.error("backends", store=store)
            done = self.run_raw("backends", store=store)
            self.assertEqual(done.returncode, 1)
            self.assertIn("ffctl: ", done.stderr)
            self.assertRegex(done.stdout, r"(?m)^sqlite ")

    @only_on("sqlite")
    def test_backends_of_a_store_in_memory(self):
        backends = {backend["name"]: backend for backend in self.lines("backends", store="sqlite::memory:")}
        self.assertEqual(backends["sqlite"]["capabilities"], [])
        self.assertRegex(backends["sqlite"]["version"], r"\d")


if __name__ == "__main__":
    unittest.main()
