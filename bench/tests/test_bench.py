"""ff-bench from outside: its command line, what it measures on each store, and what it makes of the rows."""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
FF_BENCH = os.environ.get("FF_BENCH", str(ROOT / "build" / "bin" / "ff-bench"))
SCHEME = os.environ.get("FF_TEST_SCHEME", "sqlite")
README = ROOT / "bench" / "README.md"

# Where the other side is the floor, and where it is not.
FLOORED = {"single", "single-none", "crowd-64", "crowd-512", "hot", "zipf", "batch-1", "batch-100", "batch-5000",
           "batch-random", "batch-no-keys", "replays", "refusals"}
# Whose operations are reads beside a writer, while that warms up, too.
READS = {"status", "status-batch"}


def psql(statement):
    """What the server of with-postgres.sh answers."""
    words = [os.environ["FF_POSTGRES_BIN"] + "/psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def setUpModule():
    """Schemas are looked for in a database of one's own, for other tests may share the server."""
    if SCHEME == "postgres":
        name = f"bench_{os.getpid()}"
        psql(f"CREATE DATABASE {name} TEMPLATE template0")
        os.environ["PGDATABASE"] = name


def schemas():
    return psql("SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname !~ '^(public|information_schema)$'")


class Case(unittest.TestCase):
    """A test with a folder of its own, in which ff-bench runs."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ff-bench-test-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def stores(self):
        """What ff-bench has made and not taken away again."""
        here = [entry.name for entry in self.dir.iterdir()]
        return here + schemas() if SCHEME == "postgres" else here

    def bench(self, *arguments, status=0, **named):
        """Runs ff-bench and checks its exit status."""
        done = subprocess.run([FF_BENCH, *map(str, arguments)], capture_output=True, text=True, cwd=self.dir,
                              timeout=600, env=os.environ | {"LC_ALL": "C.UTF-8"} | named)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        return done

    def rows(self, *arguments, status=0):
        """The rows of a small run on the store of this test."""
        done = self.bench("run", "--quick", "--seconds", "0.02", "--pairs", "2", "--store", SCHEME, "--json", "-",
                          *arguments, status=status)
        self.assertEqual(done.stderr == "", status == 0, done.stderr)
        return json.loads(done.stdout)["rows"]

    def names(self):
        return [line.split()[0] for line in self.bench("list").stdout.splitlines()]

    def write(self, name, rows):
        (self.dir / name).write_text(json.dumps({"version": 1, "rows": rows}))


def fields_of_readme():
    """The names in the first column of the table of a row's fields."""
    names = set()
    for line in README.read_text().split("\n| field |")[1].splitlines():
        if line.startswith("| `"):
            names.update(line.split("|")[1].replace("`", "").replace(",", "").split())
    return names


class CommandLine(Case):
    def test_wrong_usage_says_what_is_wrong_and_makes_nothing(self):
        (self.dir / "there").touch()
        wrong = {
            (): "a command is missing",
            ("fly",): "'fly'",
            ("run", "--fast", "1"): "'--fast'",
            ("run", "--seconds"): "'--seconds' wants a value",
            ("run", "--seconds", "0"): "'0' is no value of '--seconds'",
            ("run", "--pairs", "many"): "'many'",
            ("run", "--threads", "5000"): "'5000'",
            ("run", "--processes", "0"): "'0'",
            ("run", "--batch", "-1"): "'-1'",
            ("run", "--keys", "sorted"): "'sorted'",
            ("run", "--rate", "1x"): "'1x'",
            ("run", "--workload", "idle"): "'idle'",
            ("run", "--canary", "bird"): "'bird'",
            ("run", "--floor", "none"): "'none'",
            ("run", "--store", "tape:x"): "'tape:x'",
            ("run", "--store", ":x"): "':x'",
            ("run", "--store", "sqlite:there"): "'there' exists",
            ("run", "--store", "sqlite:?durability=some"): "durability",
            ("run", "--quick", "--workload", "single", "--store", "sqlite::memory:"): "'sqlite::memory:' is in memory",
            ("run", "--quick", "--workload", "single", "--store", "sqlite::memory:?durability=none"): "is in memory",
            ("run", "--quick", "--workload", "single", "--store", "sqlite:%3Amemory:"): "percent sign",
            ("run", "file.json"): "'file.json'",
            ("list", "all"): "no file",
            ("compare", "a.json"): "two files",
            ("merge", "a.json"): "-o FILE",
            ("plot", "a.json"): "-o FILE",
        }
        for arguments, words in wrong.items():
            with self.subTest(arguments):
                done = self.bench(*arguments, status=2)
                self.assertIn(words, done.stderr.splitlines()[0])
                self.assertIn("usage:", done.stderr)
                self.assertEqual(done.stdout, "")
        self.assertEqual([entry.name for entry in self.dir.iterdir()], ["there"])

    def test_help_and_list(self):
        help_text = self.bench("help").stdout
        for arguments in (("--help",), ("-h",), ("run", "--help"), ("compare", "-h")):
            self.assertEqual(self.bench(*arguments).stdout, help_text)
        for option in ("--store", "--workload", "--seconds", "--threads", "--batch", "--keys", "--json", "--pairs", "--processes",
                       "--rate", "--budgets", "--floor", "--label", "--seed", "--quick"):
            self.assertIn(option, help_text)
        names = self.names()
        self.assertEqual(len(names), len(set(names)))
        self.assertLess(FLOORED, set(names))

    def test_what_cannot_be_read_is_named(self):
        whole = json.dumps({"version": 1, "rows": [row_of(0.9)]})
        (self.dir / "folder").mkdir()
        self.write("good", [row_of(0.9)])
        wrong = {
            None: "cannot read 'bad': No such file or directory",
            "": "'bad' is no JSON, or not the whole of it: byte 1",
            whole[:-9]: f"'bad' is no JSON, or not the whole of it: byte {len(whole) - 8}",
            whole + "]": f"'bad' is no JSON, or not the whole of it: byte {len(whole) + 1}",
            whole + "\0": f"'bad' is no JSON: byte {len(whole) + 1} is zero",
            '{"version": 2, "rows": []}': "'bad' holds no rows of ff-bench, version 1",
            '{"version": 1, "rows": {}}': "'bad' holds no rows of ff-bench, version 1",
            "[]": "'bad' holds no rows of ff-bench, version 1",
        } | {json.dumps({"version": 1, "rows": [row_of(0.9), row]}): f"{words} in 'bad'{what}" for row, words, what in (
            (7, "row 2", " names no workload, or no store"),
            (row_of(0.9, store=""), "row 2", " names no workload, or no store"),
            (row_of(0.9, workload=1), "'workload' of row 2", " is no text"),
            (row_of(0.9, per_second="1"), "'per_second' of row 2", " is no number"),
            (row_of(0.9, latency_us=[1]), "'latency_us' of row 2", " is no object"),
            (row_of(0.9, latency_us={"p50": "1"}), "'p50' of row 2", " is no number"),
        )}
        for text, words in wrong.items():
            if text is not None:
                (self.dir / "bad").write_text(text)
            for command in (("compare", "bad", "good"), ("compare", "good", "bad"), ("merge", "good", "bad", "-o", "to"),
                            ("plot", "bad", "-o", "to")):
                with self.subTest(command, text=text):
                    done = self.bench(*command, status=1)
                    self.assertEqual((done.stdout, done.stderr), ("", f"ff-bench: {words}\n"))
        self.assertIn("'folder': Is a directory", self.bench("plot", "folder", "-o", "to", status=1).stderr)
        self.assertFalse((self.dir / "to").exists())

    def test_what_cannot_be_written_is_an_error(self):
        self.write("a.json", [row_of(0.9)])
        quick = ("run", "--quick", "--store", "sqlite", "--workload", "single")
        for arguments in (("help",), ("list",), ("compare", "a.json", "a.json"), quick, (*quick, "--json", "-")):
            with self.subTest(arguments), open("/dev/full", "w") as full:
                done = subprocess.run([FF_BENCH, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=self.dir)
                self.assertEqual((done.returncode, done.stderr),
                                 (1, "ff-bench: cannot write to stdout: No space left on device\n"))

    def test_a_table_that_nobody_gets_is_an_error(self):
        quick = [FF_BENCH, "run", "--quick", "--store", "lmdb", "--workload", "single"]
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *quick], stderr=subprocess.PIPE, text=True, cwd=self.dir)
        self.assertEqual((done.returncode, done.stderr), (1, "ff-bench: cannot write to stdout: Bad file descriptor\n"))

    def test_the_table_is_utf8_whatever_the_locale(self):
        for locale in ("C", "xx_YY.UTF-8", ""):
            done = self.bench("run", "--quick", "--store", "sqlite", "--workload", "single", LC_ALL=locale, LANG="")
            self.assertIn("P50 µs", done.stdout, locale)

    def test_a_place_that_cannot_be_written_is_told_before_the_work(self):
        self.write("a.json", [row_of(0.9)])
        for arguments in (("run", "--store", "sqlite", "--seconds", "100000", "--json", "none/b.json"),
                          ("plot", "a.json", "-o", "none/a.svg")):
            done = self.bench(*arguments, status=1)
            self.assertRegex(done.stderr, "^ff-bench: cannot write 'none/.*': No such file or directory\n$")
            self.assertEqual(done.stdout, "")
        self.assertEqual(self.stores(), ["a.json"])

    def test_rows_go_where_a_link_leads(self):
        (self.dir / "link").symlink_to("rows.json")
        self.bench("run", "--quick", "--store", "sqlite", "--workload", "single", "--json", "link")
        self.assertTrue((self.dir / "link").is_symlink())
        self.assertEqual(len(json.loads((self.dir / "rows.json").read_text())["rows"]), 1)


class Run(Case):
    def test_every_workload_measures_and_has_right_books(self):
        began = time.monotonic()
        rows = self.rows()
        took = time.monotonic() - began
        self.assertLess(sum(row["seconds"] or 0 for row in rows if row["workload"] not in READS), took)
        self.assertLessEqual(set(self.names()), {row["workload"] for row in rows})
        for row in rows:
            with self.subTest(row["workload"]):
                self.check_row(row)
        self.assertEqual(self.stores(), [])

    def check_row(self, row):
        self.assertEqual(set(row), fields_of_readme())
        self.assertEqual((row["store"], row["backend"], row["peer"], row["size"], row["books"]),
                         (SCHEME, SCHEME, False, "quick", "ok"))
        self.assertGreater(row["per_second"], 0)
        for field in ("processes", "threads", "batch", "existing_keys", "budgets", "dimensions", "ops", "pairs"):
            self.assertIs(type(row[field]), int, field)
        self.assertGreater(row["ops"], 0)
        latency = row["latency_us"]
        self.assertEqual(list(latency), ["p1", "p50", "p99", "p999", "p100"])
        self.assertEqual(list(latency.values()), sorted(latency.values()))
        if SCHEME != "postgres":  # the tests' server syncs nothing
            relaxed = row["workload"] == "single-none" or row["workload"].startswith(("budgets-", "admission-"))
            self.assertEqual(row["durability"], "none" if relaxed else "full")
        if row["workload"] in ("day", "purge"):
            extra = row["extra"]
            self.assertGreater(row["ratio"], 0)
            self.assertGreater(extra["per_second_alone"], 0)
            self.assertLessEqual(extra["p99_before_us"], extra["p100_before_us"])
            for name, longest_us in (("before", extra["p100_before_us"]), ("beside", latency["p100"])):
                self.assertGreater(extra[f"longest_{name}_ms"], 0)
                self.assertLessEqual(extra[f"longest_{name}_ms"], 1.001e-3 * longest_us)
        if row["seconds"] is not None:
            self.assertGreater(row["per_second"], 0.99 * row["ops"] / row["seconds"])  # of two rates it is the middle
        if row["seconds"] is not None and row["threads"] == 1 and row["workload"] not in READS:
            mean_us = 1e6 * row["seconds"] / (row["ops"] / row["batch"])
            self.assertLess(0.98 * latency["p1"], mean_us)
            self.assertLess(mean_us, 1.001 * latency["p100"])
        self.assertEqual(row["round_trip_ms"] is None, SCHEME != "postgres")
        self.assertGreater(row["engine_memory_bytes"], 0)
        self.assertGreater(row["peak_memory_bytes"], row["engine_memory_bytes"])
        self.assertEqual(row["against"] == "floor", row["workload"] in FLOORED)
        if row["against"] == "floor":
            self.assertEqual(row["floor_per_second"], row["against_per_second"])
            self.assertEqual(row["pairs"], 2)
            self.assertLessEqual(row["ratio_min"], row["ratio_q1"])
            self.assertLessEqual(row["ratio_q1"], row["ratio"])
            self.assertLessEqual(row["ratio"], row["ratio_q3"])
            self.assertLessEqual(row["ratio_q3"], row["ratio_max"])
        else:
            self.assertEqual([row[name] for name in row if name.startswith("floor_")], [None] * 3)

    def test_options_change_the_workload(self):
        place = "///?schema=mine&" if SCHEME == "postgres" else f"{self.dir}/store?"
        store = f"{SCHEME}:{place}durability=none&busy_timeout_ms=5000"
        done = self.bench("run", "--quick", "--store", store, "--workload", "single", "--threads", "3", "--batch", "7",
                          "--keys", "random", "--budgets", "5", "--label", "mine", "--json", "rows.json")
        self.assertIn("single", done.stdout)
        document = json.loads((self.dir / "rows.json").read_text())
        row = document["rows"][0]
        self.assertEqual([row[name] for name in ("durability", "threads", "batch", "keys", "budgets")],
                         ["none", 3, 7, "random", 5])
        self.assertEqual((document["version"], document["label"]), (1, "mine"))
        self.assertEqual(set(document["machine"]), {"cores", "cpu", "memory_bytes", "kernel", "filesystem"})
        self.assertEqual(row["ops"] % 7, 0)
        head, line = (re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines())
        cells, latency = dict(zip(head, line)), row["latency_us"]
        if row["bytes_written_per_op"]:  # else the line has a cell less
            self.assertEqual(cells["TO"], "floor")
        numbers = {"PER SECOND": row["per_second"], "OTHER SIDE": row["floor_per_second"], "P50 µs": latency["p50"],
                   "P99": latency["p99"], "P100": latency["p100"], "CPU µs": row["cpu_us_per_op"]}
        for name, number in numbers.items():
            self.assertAlmostEqual(float(cells[name].replace(",", "")), number, delta=0.006 + 0.006 * number, msg=name)
        self.assertEqual(cells["RATIO"], f"{row['ratio']:.2f} ({row['ratio_q1']:.2f}–{row['ratio_q3']:.2f})")
        self.assertEqual(self.stores(), ["rows.json"])

    def test_what_a_workload_cannot_do_its_row_does_not_say(self):
        words = ("--threads", "3", "--batch", "7", "--budgets", "9", "--keys", "none")
        for workload, own in (("mixed", (3, 1, 9, "none")), ("spend", (1, 7, 9, "none")), ("day", (1, 1, 1024, "none")),
                              ("purge", (1, 1, 9, "ordered")), ("admission-1k", (1, 1, 0, "none")), ("keys-1k", (3, 7, 9, "ordered")),
                              ("replays", (3, 7, 9, "random"))):
            with self.subTest(workload):
                row, = self.rows("--workload", workload, *words)
                self.assertEqual(tuple(row[name] for name in ("threads", "batch", "budgets", "keys")), own)

    def test_a_store_stays_as_large_as_it_is_called(self):
        for batch, against_most in ((256, 100 + 256), (7, 150)):  # of seven there is one to warm up
            row, = self.rows("--workload", "keys-1k", "--pairs", "9", "--batch", batch, "--seconds", "0.5")
            self.assertLess(1000, row["extra"]["keys_max"])
            self.assertLessEqual(row["extra"]["keys_max"], 1500)
            self.assertLess(100, row["extra"]["against_keys_max"])
            self.assertLessEqual(row["extra"]["against_keys_max"], against_most)

    def test_what_it_took_to_fill_the_store_is_not_the_engines_memory(self):
        words = ("run", "--seconds", "0.001", "--pairs", "1", "--store", SCHEME, "--workload", "single-none", "--budgets", "8192")
        for processes in (1, 2):
            row, = json.loads(self.bench(*words, "--processes", processes, "--json", "-").stdout)["rows"]
            self.assertLess(row["engine_memory_bytes"], 4 << 20)

    def test_the_file_system_is_the_stores(self):
        if SCHEME == "postgres":
            return
        os.mkdir(self.dir / "elsewhere")
        memory = [("/dev/shm/", "tmpfs")] if os.path.ismount("/dev/shm") else []
        for path, kind in (*memory, (f"{self.dir}/elsewhere/", None), ("", None)):
            name = f"{path}ff-bench-test-{os.getpid()}"
            done = self.bench("run", "--quick", "--seconds", "0.001", "--store", f"{SCHEME}:{name}", "--workload", "single",
                              "--json", "-")
            document = json.loads(done.stdout)
            self.assertEqual(document["machine"]["filesystem"], kind or self.file_system())
            self.assertEqual(document["rows"][0]["filesystem"], kind or self.file_system())
        self.assertEqual(self.stores(), ["elsewhere"])

    @unittest.skipUnless(os.path.ismount("/dev/shm"), "/dev/shm is not in memory")
    def test_a_store_in_memory_is_told_of(self):
        words = ("run", "--seconds", "0.01", "--pairs", "2", "--workload", "single", "--json", "rows.json")
        on_disk, in_memory = SCHEME, f"{SCHEME}:/dev/shm/ff-bench-test-{os.getpid()}"
        if SCHEME != "postgres":
            done = self.bench(*words, "--store", on_disk, "--store", in_memory)
            warnings = [line for line in done.stderr.splitlines() if "lies in memory (tmpfs)" in line]
            rows = json.loads((self.dir / "rows.json").read_text())["rows"]
            marked = ["single, in memory  " in line for line in done.stdout.splitlines()[1:]]
            self.assertEqual(marked, [row["filesystem"] == "tmpfs" for row in rows])
            self.assertEqual((len(warnings), rows[1]["filesystem"]), (sum(marked), "tmpfs"))
            self.assertEqual(self.bench(*words, "--quick", "--store", in_memory).stderr, "")
        done = subprocess.run([ROOT / "bench/postgres.sh", "0", *words], capture_output=True, text=True, cwd=self.dir,
                              env=os.environ | {"TMPDIR": "/dev/shm"})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("'/dev/shm' lies in memory", done.stderr)

    def file_system(self):
        done = self.bench("run", "--quick", "--seconds", "0.001", "--store", SCHEME, "--workload", "single", "--json", "-")
        return json.loads(done.stdout)["machine"]["filesystem"]

    def test_an_open_loop_has_a_rate_and_no_floor(self):
        row, = self.rows("--workload", "crowd-64", "--rate", "2000")
        self.assertEqual((row["loop"], row["rate"], row["against"], row["ratio"]), ("open", 2000, None, None))
        self.assertLess(row["per_second"], 2400)
        self.assertEqual(row["books"], "ok")

    def test_an_open_loop_that_does_not_keep_up_is_told_of(self):
        words = ("run", "--store", SCHEME, "--seconds", "1", "--pairs", "1", "--json", "rows.json")
        for workload, rate, told in (("single-none", 10, False), ("single", 1e8, True), ("batch-1", 1e8, True), ("mixed", 1e8, True)):
            done = self.bench(*words, "--workload", workload, "--rate", rate)
            self.assertEqual(f"'{workload}' on {SCHEME} did not keep up: {rate:.0f} a second were due, and " in done.stderr, told)
            self.assertIn(f"{workload}, {rate:g}/s due  ", done.stdout)
            row, = json.loads((self.dir / "rows.json").read_text())["rows"]
            if told:  # all was due when it began
                self.assertGreater(row["latency_us"]["p100"], 9e5 * row["seconds"])

    def test_batches_in_an_open_loop_come_when_they_are_due(self):
        row, = self.rows("--workload", "batch-1", "--batch", "64", "--rate", "4000")
        self.assertEqual((row["loop"], row["rate"], row["books"]), ("open", 4000, "ok"))
        self.assertLess(row["per_second"], 4400)

    def test_where_no_loop_is_open_the_row_says_so(self):
        for workload in ("spend", "admission-1k", "status", "budgets-1k"):
            for row in self.rows("--workload", workload, "--rate", "2000"):
                self.assertEqual((row["loop"], row["rate"]), ("closed", None), workload)

    def test_the_other_floors_do_the_same(self):
        workloads = [word for name in sorted(FLOORED) for word in ("--workload", name)]
        for kind in ("unseen", "plain"):
            for row in self.rows("--floor", kind, *workloads):
                self.assertEqual((row["against"], row["books"]), (f"{kind} floor", "ok"), row["workload"])
                self.assertGreater(row["floor_per_second"], 0)

    def test_an_interrupted_run_leaves_nothing(self):
        child = subprocess.Popen([FF_BENCH, "run", "--store", SCHEME, "--workload", "single", "--seconds", "100000"],
                                 cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while child.poll() is None and not (schemas() if SCHEME == "postgres" else list(self.dir.glob("ff-bench-*/*"))):
            pass
        child.kill()
        self.assertEqual(child.wait(timeout=60), -signal.SIGKILL)
        while self.stores():  # until the test's time is over
            pass

    def test_several_processes_share_the_books(self):
        row, = self.rows("--workload", "hot", "--processes", "3", "--threads", "2")
        self.assertEqual((row["processes"], row["threads"], row["budgets"], row["books"]), (3, 2, 1, "ok"))
        self.assertEqual((row["ops"] % 12, row["against"]), (0, "floor"))  # two slices, and a call of each thread of each process
        self.assertGreater(row["cpu_us_per_op"], 0)
        self.assertGreater(row["engine_memory_bytes"], 0)
        self.assertGreater(row["peak_memory_bytes"], row["engine_memory_bytes"])
        row, = self.rows("--workload", "mixed", "--processes", "3")
        self.assertEqual(row["processes"], 1)

    def test_wrong_books_of_several_processes_fail(self):
        self.check_canary("hot", "books", "wrong books", "--processes", "2")
        self.check_canary("hot", "floor-books", "of the floor", "--processes", "2")

    def test_a_process_that_ends_fails_the_run(self):
        for place, side in ((-1, "floor"), (-3, "engine")):
            with self.subTest(side):
                run = subprocess.Popen([FF_BENCH, "run", "--store", SCHEME, "--workload", "hot", "--processes", "2",
                                        "--seconds", "100000"], cwd=self.dir, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
                self.addCleanup(run.kill)
                children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children")
                # Two of each side, and one that waits for the end.
                while run.poll() is None and len(found := children.read_text().split()) < 5:
                    pass
                os.kill(int(found[place]), signal.SIGKILL)
                self.assertIn("one of 2 processes has ended", run.communicate(timeout=60)[1])
                self.assertEqual(run.returncode, 1)
                while self.stores():
                    pass

    def test_wrong_books_fail(self):
        for workload in sorted(set(self.names())):
            with self.subTest(workload):
                if workload in FLOORED:
                    self.check_canary(workload, "floor-books", "of the floor")
                self.check_canary(workload, "books", "wrong books")
        for workload in ("keys-1k", "admission-1k"):  # whose other side is the engine
            self.check_canary(workload, "floor-books", "wrong books")

    def test_keys_that_are_lost_fail(self):
        for workload in ("single", "crowd-64", "batch-100", "batch-random", "status", "keys-1k", "day"):
            with self.subTest(workload):
                told = self.check_canary(workload, "keys", f"wrong books of {SCHEME}")
                self.assertEqual("of the floor" in told, workload in FLOORED)
        self.check_canary("hot", "keys", "of the floor", "--processes", "2")

    def test_work_that_was_refused_is_no_work(self):
        for workload in ("single", "crowd-64", "batch-no-keys", "replays"):
            with self.subTest(workload):
                told = self.check_canary(workload, "refusals", "were to be accepted")
                for side in (SCHEME, "the floor"):
                    self.assertRegex(told, f"wrong books of {side}: [0-9]+ [a-z]+ were to be accepted")

    def check_canary(self, workload, kind, words, *arguments):
        done = self.bench("run", "--quick", "--seconds", "0.001", "--pairs", "1", "--store", SCHEME, "--workload",
                          workload, "--canary", kind, "--json", "-", *arguments, status=1)
        self.assertIn(words, done.stderr)
        self.assertIn(workload, done.stderr)
        self.assertIn("wrong", {row["books"] for row in json.loads(done.stdout)["rows"]})
        self.assertEqual(self.stores(), [])
        return done.stderr


class Sweeper(Case):
    """What takes the stores away where a run is killed."""

    SIGNALS = (signal.SIGQUIT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def begin(self):
        """In the run's process: no core, and no signal ignored, as in the background of a shell or under nohup."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def start(self, *stores):
        """A run that has made its first store, in a process group of its own."""
        words = [word for store in stores for word in ("--store", store)]
        run = subprocess.Popen([FF_BENCH, "run", *words, "--workload", "single", "--seconds", "100000"], cwd=self.dir,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=self.begin)
        self.addCleanup(run.kill)
        while run.poll() is None and not any(self.dir.glob("**/*.floor")):
            time.sleep(0.01)
        return run

    def wait_for(self, rest):
        while sorted(self.stores()) != rest:  # until the test's time is over
            time.sleep(0.01)

    def test_one_that_cannot_be_removed_does_not_keep_the_others(self):
        run = self.start("lmdb:one", "sqlite:two")
        for unexpected in ("one/x", "one.base/x", "two.base"):
            (self.dir / unexpected).mkdir(parents=True)
        run.kill()
        self.wait_for(["one", "one.base"])
        self.assertEqual([entry.name for entry in (self.dir / "one").iterdir()], ["x"])
        self.assertIn("'one.base': Directory not empty", run.communicate(timeout=60)[1])

    def test_a_signal_to_all_does_not_reach_it(self):
        for number in self.SIGNALS:
            with self.subTest(number):
                run = self.start("sqlite")
                os.killpg(run.pid, number)
                run.communicate(timeout=60)
                self.assertEqual(run.returncode, -number)
                self.wait_for([])


class Module(Case):
    """Stores of a backend that ff-bench knows nothing of."""
    MODULE = os.environ.get("FF_TEST_MODULE", "")

    def rows_of_module(self, *arguments, status=0, **named):
        done = self.bench("run", "--quick", "--seconds", "0.02", "--pairs", "2", "--json", "-", *arguments, status=status,
                          **named)
        return done, json.loads(done.stdout)["rows"]

    def test_every_workload_runs_without_a_floor(self):
        for workload in self.names():
            with self.subTest(workload):
                _, rows = self.rows_of_module("--module", self.MODULE, "--store", "memory", "--workload", workload)
                self.assertEqual(rows[0]["workload"], workload)
                for row in rows:
                    self.assertEqual((row["store"], row["backend"], row["books"], row["floor_per_second"]),
                                     ("memory", "memory", "ok", None))
                    self.assertGreater(row["ops"], 0)
                if workload in FLOORED:
                    self.assertEqual((rows[0]["against"], rows[0]["ratio"]), (None, None))
        self.assertEqual(self.stores(), [])

    def test_a_store_that_outlives_its_path_is_told_of(self):
        done = self.bench("run", "--quick", "--module", self.MODULE, "--store", "memory", "--workload", "single", "--workload",
                          "hot", status=1)
        self.assertIn("the store was there already", done.stderr)

    def test_the_durability_is_what_the_store_gives(self):
        _, (row,) = self.rows_of_module("--module", self.MODULE, "--store", "memory", "--workload", "single")
        self.assertEqual(row["durability"], "none")
        done = self.bench("run", "--module", self.MODULE, "--store", "memory:?durability=full", "--workload", "single", status=1)
        self.assertIn("durability", done.stderr)  # this one takes no such parameter

    def test_wrong_books_fail(self):
        done, (row,) = self.rows_of_module("--module", self.MODULE, "--store", "memory", "--workload", "hot", "--canary", "books",
                                           status=1)
        self.assertIn("wrong books", done.stderr)
        self.assertEqual(row["books"], "wrong")

    def test_a_store_for_one_process_is_not_measured_by_several(self):
        done = self.bench("run", "--quick", "--module", self.MODULE, "--store", "memory", "--workload", "hot", "--processes", "2",
                          status=1)
        self.assertEqual(done.stderr, "ff-bench: a store of 'memory' is for one process, and not for 2\n")

    def test_a_module_is_found_by_its_scheme(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(self.MODULE, pathlib.Path(folder) / "ff_backend_memory.so")
            _, (row,) = self.rows_of_module("--store", "memory", "--workload", "single", FF_BACKEND_PATH=folder)
        self.assertEqual(row["backend"], "memory")

    def test_what_lies_at_the_path_goes(self):
        run = subprocess.Popen([FF_BENCH, "run", "--module", self.MODULE, "--store", "memory:here", "--workload", "single",
                                "--seconds", "100000"], cwd=self.dir, stdout=subprocess.DEVNULL)
        self.addCleanup(run.kill)
        children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children")
        while run.poll() is None and not children.read_text():  # that waits for the end
            pass
        (self.dir / "here" / "below").mkdir(parents=True)
        (self.dir / "here" / "below" / "file").touch()
        run.kill()
        self.assertEqual(run.wait(timeout=60), -signal.SIGKILL)
        while self.stores():  # until the test's time is over
            pass

    def test_no_module_is_wrong_usage(self):
        for arguments, words in ((("--module", "gone.so"), "gone.so"),
                                 (("--module", self.MODULE, "--store", "trace+memory:x"), "'trace+memory:x'"),
                                 (("--store", "memory:x"), "'memory:x'")):
            done = self.bench("run", *arguments, status=2)
            self.assertIn(words, done.stderr.splitlines()[0])


class Server(Case):
    """What only stores on a server have."""

    def test_a_schema_that_exists_is_left_alone(self):
        for name in ("there", "there.floor", "there.base"):
            psql(f'CREATE SCHEMA "{name}"')
            done = self.bench("run", "--store", "postgres:///?schema=there", "--workload", "single", status=2)
            self.assertIn(f"'{name}' exists", done.stderr.splitlines()[0])
            self.assertEqual(self.stores(), [name])
            psql(f'DROP SCHEMA "{name}"')

    def test_a_schema_is_a_name(self):
        for name in ("", "a%20b", "a'b", "x" * 48):
            done = self.bench("run", "--store", f"postgres:///?schema={name}", status=2)
            self.assertIn("a schema that is no name", done.stderr.splitlines()[0])

    def test_a_server_that_is_not_there_is_named(self):
        done = self.bench("run", "--store", "postgres://127.0.0.1:1/ff", "--workload", "single", status=1)
        self.assertRegex(done.stderr, "^ff-bench: the floor cannot connect: .*port 1 failed")

    def test_the_way_to_the_server_is_in_the_row(self):
        words = [sys.executable, ROOT / "tools/proxy.py", "--raw", "--round-trip-ms", "20", "--to",
                 f"{os.environ['PGHOST']}:{os.environ['PGPORT']}"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
            port = proxy.stdout.readline().split()[-1]
            row, = self.rows("--workload", "single", "--store", f"postgres://127.0.0.1:{port}/")[1:]
            proxy.stdin.close()
        self.assertGreaterEqual(row["round_trip_ms"], 20)
        self.assertGreaterEqual(row["latency_us"]["p1"], 40000)  # there and back twice
        near, far = row | {"round_trip_ms": 0.1}, row
        self.write("near.json", [near])
        self.write("far.json", [far])
        self.assertIn("1 rows of", self.bench("compare", "near.json", "far.json", status=1).stderr)


def row_of(ratio, spread=0.01, **fields):
    return {"workload": "single", "store": "sqlite", "durability": "full", "keys": "none", "loop": "closed",
            "size": "full", "threads": 1, "batch": 1, "existing_keys": 0, "budgets": 1, "per_second": 1000 * ratio,
            "pairs": 15, "ratio": ratio, "ratio_min": ratio - 2 * spread, "ratio_q1": ratio - spread,
            "ratio_q3": ratio + spread, "ratio_max": ratio + 2 * spread} | fields


class Rows(Case):
    def compare(self, a, b, word):
        self.write("a.json", [a])
        self.write("b.json", [b])
        done = self.bench("compare", "a.json", "b.json", status=0 if word in ("same", "faster") else 1)
        self.assertEqual(done.stdout.splitlines()[1].split()[-1], word)

    def test_compare_minds_the_spread(self):
        self.compare(row_of(0.9), row_of(0.9), "same")
        self.compare(row_of(0.9), row_of(0.8), "slower")
        self.compare(row_of(0.8), row_of(0.9), "faster")
        for a, b in ((0.9, 0.8), (0.8, 0.9)):
            self.compare(row_of(a, spread=0.1), row_of(b), "same")
            self.compare(row_of(a), row_of(b, spread=0.1), "same")
        for a, b in ((0.9, 0.89), (0.89, 0.9)):
            self.compare(row_of(a, spread=0.001), row_of(b, spread=0.001), "same")
        self.compare(row_of(0.9, pairs=2), row_of(0.8, pairs=2), "same")
        self.compare(row_of(0.9, pairs=2), row_of(0.6, pairs=2), "slower")
        for a, b, word in ((10, 10, "slower"), (9, 15, "same"), (15, 9, "same")):
            self.compare(row_of(0.9, pairs=a), row_of(0.8, pairs=b), word)
        alone = {name: None for name in ("ratio", "ratio_min", "ratio_q1", "ratio_q3", "ratio_max")} | {"pairs": 0}
        for rate, word in ((800, "same"), (700, "slower"), (1200, "faster")):
            self.compare(row_of(0.9, per_second=900) | alone, row_of(0.9, per_second=rate) | alone, word)

    def test_compare_shows_both_and_minds_every_row(self):
        hot = row_of(0.5, workload="hot")
        self.write("a.json", [row_of(0.8, per_second=1000), hot])
        self.write("b.json", [row_of(0.4, per_second=250), hot])
        lines = self.bench("compare", "a.json", "b.json", status=1).stdout.splitlines()[1:]
        self.assertEqual(lines[0].split(), ["single", "sqlite", "1000", "250", "0.80", "0.40", "0.50", "ratio", "slower"])
        self.assertEqual(lines[1].split()[-1], "same")

    def test_compare_leaves_out_rows_without_a_like(self):
        others = {"workload": "hot", "store": "lmdb", "durability": "none", "keys": "random", "loop": "open", "size": "quick",
                  "against": "floor", "threads": 2, "processes": 2, "batch": 2, "existing_keys": 1, "budgets": 2, "dimensions": 2,
                  "rate": 100, "round_trip_ms": 0.1}
        self.write("a.json", [row_of(0.9)])
        self.write("b.json", [row_of(0.9), *(row_of(0.1, **{name: value}) for name, value in others.items())])
        for files in (("a.json", "b.json"), ("b.json", "a.json")):
            done = self.bench("compare", *files)
            self.assertEqual(len(done.stdout.splitlines()), 2)
            self.assertEqual(done.stderr, f"ff-bench: {len(others)} rows of 'b.json' have none like them in 'a.json'\n")

    def test_compare_takes_no_row_in_memory_for_one_on_a_disk(self):
        for other, alike in (("ramfs", True), ("ext4", False), (None, False)):
            self.write("a.json", [row_of(0.9, filesystem="tmpfs")])
            self.write("b.json", [row_of(0.9, filesystem=other)])
            self.assertEqual(bool(self.bench("compare", "a.json", "b.json", status=0 if alike else 1).stdout), alike, other)

    def test_compare_takes_no_arrival_rate_for_another(self):
        self.write("a.json", [row_of(0.9, loop="open", rate=100)])
        self.write("b.json", [row_of(0.9, loop="open", rate=200)])
        done = self.bench("compare", "a.json", "b.json", status=1)
        self.assertEqual(done.stdout, "")
        self.assertIn("there is nothing to compare in 'a.json' and 'b.json'", done.stderr)

    def test_compare_says_where_it_cannot_tell(self):
        unknown = {"per_second": None, "ratio": None}
        self.compare(row_of(0.9), row_of(0.9) | unknown, "unknown")
        self.compare(row_of(0.9) | unknown, row_of(0.9), "unknown")
        for a, b in (({}, {"ratio": None}), ({"ratio": None}, {})):  # by the rates
            self.compare(row_of(0.9, per_second=900) | a, row_of(0.6, per_second=900) | b, "same")
        self.compare(row_of(0.9), row_of(0.9, books="wrong"), "wrong")
        self.compare(row_of(0.9, books="wrong"), row_of(0.9), "wrong")
        no_spread = {name: None for name in ("ratio_min", "ratio_q1", "ratio_q3", "ratio_max")}
        self.compare(row_of(0.9), row_of(0.8) | no_spread, "same")
        self.compare(row_of(0.9), row_of(0.6) | no_spread, "slower")

    def test_compare_takes_the_first_of_rows_that_are_alike(self):
        self.write("a.json", [row_of(0.9)])
        self.write("b.json", [row_of(0.9), row_of(0.1)])
        for files in (("a.json", "b.json"), ("b.json", "a.json")):
            done = self.bench("compare", *files)
            self.assertEqual(len(done.stdout.splitlines()), 2)
            self.assertEqual(done.stderr, "ff-bench: 1 rows of 'b.json' are left out, for earlier ones in it are like them\n")

    def test_compare_judges_by_the_rate_too_where_the_other_side_is_no_floor(self):
        for against, word in (("100,000 keys", "slower"), ("plain floor", "same")):
            self.compare(row_of(0.9, against=against, per_second=1000), row_of(0.9, against=against, per_second=700), word)
            self.compare(row_of(0.9, against=against, per_second=1000), row_of(0.9, against=against, per_second=900), "same")

    def test_compare_takes_one_distance_for_another_where_they_measure_alike(self):
        for a, b, alike in ((0.05, 0.4, True), (10.2, 11.5, True), (0.05, 1.1, False), (1.1, 10.2, False), (0, 0.6, True),
                            (0.64, 0, False), (10, 13.1, True), (10, 13.2, False), (None, 0.1, False)):
            self.write("a.json", [row_of(0.9, round_trip_ms=a, processes=1)])
            self.write("b.json", [row_of(0.9, round_trip_ms=b)])
            lines = self.bench("compare", "a.json", "b.json", status=0 if alike else 1).stdout.splitlines()
            self.assertEqual(len(lines), 2 if alike else 0, (a, b))

    def test_compare_warns_of_two_machines(self):
        machine = {"cpu": "one", "cores": 2, "memory_bytes": 2**34, "kernel": "6.1"}
        for other in ({}, {"cpu": "two"}, {"cores": 4}, {"memory_bytes": 2**33}, {"kernel": None}):
            for name, own in (("a.json", machine), ("b.json", machine | other)):
                document = {"version": 1, "machine": own, "rows": [row_of(0.9)]}
                (self.dir / name).write_text(json.dumps(document))
            done = self.bench("compare", "a.json", "b.json")
            self.assertEqual([part for part in machine if f"by their '{part}'" in done.stderr], list(other))
            self.assertEqual(bool(done.stderr), bool(other))

    def test_merge_keeps_every_row(self):
        self.write("a.json", [row_of(0.9)])
        self.write("b.json", [row_of(0.5, store="redis", peer=True), row_of(0.6)])
        self.bench("merge", "a.json", "b.json", "-o", "c.json")
        merged = json.loads((self.dir / "c.json").read_text())["rows"]
        self.assertEqual(merged, [row_of(0.9), row_of(0.5, store="redis", peer=True), row_of(0.6)])

    def test_merge_says_of_each_row_when_and_where_it_was_measured(self):
        machine = {"cores": 2, "kernel": "6.1", "filesystem": "ext4"}
        of_all = {"version": 1, "label": None, "ff_version": "0.1.0"}
        own = {"date": "2026-01-02T00:00:00Z", "ff_version": "0.2.0", "filesystem": "xfs"}
        files = {
            "a.json": of_all | {"date": "2026-01-01T00:00:00Z", "machine": machine, "rows": [
                row_of(1, 0.125), row_of(0.75, 0.125, **own), row_of(0.5, 0.125, round_trip_ms=1)]},
            "b.json": of_all | {"date": "2026-01-03T00:00:00Z", "machine": machine | {"kernel": "6.2", "filesystem": "tmpfs"},
                                "rows": [row_of(0.25, 0.125)]},
        }
        for name, document in files.items():
            (self.dir / name).write_text(json.dumps(document))
        early, late = ({"date": f"2026-01-0{day}T00:00:00Z", "ff_version": "0.1.0"} for day in (1, 3))
        expected = of_all | {"date": None, "machine": {"cores": 2, "kernel": None, "filesystem": None}, "rows": [
            row_of(1, 0.125) | early | {"filesystem": "ext4"}, row_of(0.75, 0.125, **own),
            row_of(0.5, 0.125, round_trip_ms=1) | early, row_of(0.25, 0.125) | late | {"filesystem": "tmpfs"}]}
        # Once more, and what is in it already comes to the same.
        for others in (("a.json", "b.json"), ("c.json", "b.json", "a.json", "c.json")):
            self.bench("merge", *others, "-o", "c.json")
            self.assertEqual(json.loads((self.dir / "c.json").read_text()), expected)
        self.bench("merge", "a.json", "a.json", "-o", "d.json")
        self.assertEqual(json.loads((self.dir / "d.json").read_text()) | {"rows": []}, files["a.json"] | {"rows": []})
        self.assertIn("single, in memory", self.bench("compare", "b.json", "b.json").stdout)

    def test_what_is_published_can_be_read(self):
        for name in ("performance.json", "performance-looks.json", "growth.json"):
            published = json.loads((ROOT / "docs" / name).read_text())["rows"]
            self.bench("merge", ROOT / "docs" / name, "-o", "a.json")
            merged = json.loads((self.dir / "a.json").read_text())["rows"]
            self.assertEqual([row | old for row, old in zip(merged, published, strict=True)], merged)
            self.assertTrue(all(row["date"] and row["ff_version"] for row in merged))
            done = self.bench("compare", ROOT / "docs" / name, "a.json")
            self.assertEqual({line.split()[-1] for line in done.stdout.splitlines()[1:]}, {"same"})
            self.assertEqual((len(done.stdout.splitlines()) - 1, done.stderr), (len(published), ""))
            if shutil.which("gnuplot"):
                self.bench("plot", "a.json", "-o", "a.svg")

    def test_plot_without_gnuplot_says_so(self):
        self.write("a.json", [row_of(0.9)])
        done = self.bench("plot", "a.json", "-o", "a.svg", status=1, PATH=str(self.dir))
        self.assertIn("gnuplot is not installed", done.stderr)
        self.assertFalse((self.dir / "a.svg").exists())

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_plot_draws_what_is_there(self):
        latency = {"latency_us": {"p1": 1, "p50": 2, "p99": 3, "p999": 4, "p100": 5}, "floor_per_second": 1200}
        growth = [row_of(1, workload=f"keys-{n}", existing_keys=n) for n in (1000, 100000)]
        self.write("a.json", [row_of(0.9, **latency), row_of(0.5, store="it's \"a\" peer"), *growth])
        self.bench("plot", "a.json", "-o", "the rows.svg")
        drawn = xml.etree.ElementTree.parse(self.dir / "the rows.svg").getroot()
        texts = {"".join(text.itertext()).strip() for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
        self.assertLessEqual({"single, sqlite", "single, it's  a  peer", "floor", "keys-sqlite"}, texts)

        os.mkfifo(self.dir / "pipe")
        with subprocess.Popen(["cat", "pipe"], cwd=self.dir, stdout=subprocess.PIPE, text=True) as reader:
            self.addCleanup(reader.kill)
            subprocess.run([FF_BENCH, "plot", "a.json", "-o", "pipe"], cwd=self.dir, check=True, timeout=60)
            self.assertIn("</svg>", reader.communicate(timeout=60)[0])

        def fill_disk():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        done = subprocess.run([FF_BENCH, "plot", "a.json", "-o", "cut.svg"], capture_output=True, text=True, cwd=self.dir,
                              preexec_fn=fill_disk, restore_signals=False)  # without SIGXFSZ
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("could not write the whole of 'cut.svg'", done.stderr)
        self.write("b.json", [row_of(0.5, workload="spend", floor_per_second=None)])
        self.bench("plot", "b.json", "-o", "b.svg")

    def test_plot_hands_over_each_row_once(self):
        (self.dir / "gnuplot").write_text("#!/bin/sh\n/bin/cat >commands\necho '</svg>' >a.svg\n")
        (self.dir / "gnuplot").chmod(0o755)
        latency = {"p1": 1, "p50": 2, "p99": 3, "p999": 4, "p100": 5}
        self.write("a.json", [
            row_of(0.5, latency_us=latency, floor_per_second=1200), row_of(0.5, workload="batch-1", batch=64, latency_us=latency),
            row_of(0.25, store="redis", peer=True, per_second=7, latency_us=latency | {"p999": None}), row_of(1, per_second=None),
            row_of(1, workload="keys-1k", existing_keys=1000, extra={"keys_max": 9000}), row_of(0.5, workload="keys-1m", existing_keys=1000000),
            row_of(1, workload="keys-1k", existing_keys=1000, store="lmdb"),
            row_of(1, workload="budgets-1k", budgets=1000, ops=8000), row_of(0.1, workload="budgets-1m", budgets=1000000)])
        self.bench("plot", "a.json", "-o", "a.svg", PATH=str(self.dir))
        commands = (self.dir / "commands").read_text()
        data = dict(re.findall(r"(\$\w+) << EOD\n((?:.*\n)*?)EOD\n", commands))
        self.assertEqual(data["$throughput"], '"single, sqlite" 500 1200\n"batch-1, sqlite" 500 NaN\n"single, redis" 7 NaN\n')
        points = "1.0101 1\n2 2\n100 3\n"
        self.assertEqual(data["$latency"], f'"single, sqlite"\n{points}1000 4\n\n\n"single, redis"\n{points}1000 NaN\n')
        self.assertEqual([data[f"$growth{i}"] for i in range(6)],
                         ["5000 1000\n1000000 2000\n", "1000 1000\n", "", "", "1000 1000\n1000000 10000\n", ""])
        self.assertEqual([word for word in commands.split() if word.startswith("$growth")][6:], ["$growth0", "$growth4"])
        self.assertIn("layout 3,1", commands)
        self.assertIn("[i=0:1]", commands)

    def test_plot_needs_something_to_draw(self):
        for rows in ([], [row_of(1, per_second=None)], [row_of(1, workload="keys-1k", existing_keys=1000)],
                     [row_of(1, workload=f"keys-{n}", existing_keys=None) for n in (1, 2)]):
            self.write("a.json", rows)
            done = self.bench("plot", "a.json", "-o", "a.svg", status=1)
            self.assertEqual(done.stderr, "ff-bench: 'a.json' has no rows to draw\n")
            self.assertFalse((self.dir / "a.svg").exists())


if __name__ == "__main__":
    unittest.main()
