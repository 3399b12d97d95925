"""What the tests of ffctl share: running it, and an independent model of budgets to count with."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FFCTL = os.environ.get("FFCTL", str(ROOT / "build" / "bin" / "ffctl"))
SCHEME = os.environ.get("FF_TEST_SCHEME", "sqlite")
IN_FILES = SCHEME != "postgres"  # whose stores are schemas of the server that libpq's variables lead to

INT64_MAX = 2**63 - 1
HOUR = 3600000
DAY = 24 * HOUR


def only_on(scheme):
    """Decorates a test of one kind of store: on others there is no such test."""
    return lambda test: test if scheme == SCHEME else None


def only_in_files(test):
    """Decorates a test of a store in files."""
    return test if IN_FILES else None


class Case(unittest.TestCase):
    """A test with a directory and a store of its own."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ffctl-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.store = self.uri("store")

    def uri(self, name, query=""):
        """The store of this name that belongs to the test; the query is "durability=none" or the like."""
        if IN_FILES:
            return f"{SCHEME}:{self.dir}/{name}{query and '?'}{query}"
        return f"{SCHEME}:///?{query}{query and '&'}schema={self.dir.name}_{name}"

    def environment(self):
        own = ("FF_STORE", "FF_BACKEND_PATH", "NO_COLOR")  # of who runs the tests
        return {name: value for name, value in os.environ.items() if name not in own} | {"LC_ALL": "C.UTF-8"}

    def command(self, *arguments, store=None):
        return [FFCTL, "--store", store or self.store, *map(str, arguments)]

    def run_raw(self, *arguments, store=None, stdin=None):
        """Runs ffctl: what subprocess.run answers, with text. stdin is what is to be read there, or a descriptor."""
        given = {"stdin" if isinstance(stdin, int) else "input": stdin}
        return subprocess.run(self.command(*arguments, store=store), **given, capture_output=True,
                              env=self.environment(), cwd=self.dir, timeout=120,
                              text=not isinstance(stdin, bytes))

    def broken(self, content):
        """A descriptor from which the content can be read, and then nothing: EIO, as a terminal has it that was left."""
        reading, writing = os.openpty()
        self.addCleanup(os.close, reading)
        os.write(writing, content.encode())
        os.close(writing)
        return reading

    def lines(self, *arguments, status=0, store=None, stdin=None):
        """Runs ffctl with --json, checks its exit status, and answers the objects that it printed."""
        done = self.run_raw("--json", *arguments, store=store, stdin=stdin)
        self.assertEqual(done.returncode, status, (arguments, done.stdout, done.stderr))
        text = done.stdout.decode() if isinstance(done.stdout, bytes) else done.stdout
        return [json.loads(line, parse_float=str) for line in text.splitlines()]

    def one(self, *arguments, **named):
        """The one object that a command prints."""
        answer = self.lines(*arguments, **named)
        self.assertEqual(len(answer), 1, answer)
        return answer[0]

    def said(self, *arguments, status=0, **named):
        """What a command says to people."""
        done = self.run_raw(*arguments, **named)
        self.assertEqual((done.returncode, done.stderr), (status, ""), (arguments, done.stdout))
        return done.stdout

    def error(self, *arguments, status=1, **named):
        """The code of the error that a command answers."""
        fields = self.one(*arguments, status=status, **named)["error"]
        self.assertEqual(set(fields), {"code", "entity", "message", "retryable", "backend", "native_code"})
        self.assertTrue(fields["message"])
        self.assertNotIn("", (fields["entity"], fields["backend"], fields["native_code"]))
        return fields["code"]

    def write(self, name, content):
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)


def exact(value):
    """An integer of our JSON: a number up to 2^53, a string above it."""
    if isinstance(value, str):
        assert int(value) > 2**53, value
    else:
        assert isinstance(value, int) and value <= 2**53, value
    return int(value)


class Budget:
    """One budget, by the contract and by nothing else."""

    def __init__(self, limits, interval=0, advisory=False, created=0):
        self.limits = limits  # dimension: (hard, soft)
        self.interval = interval
        self.advisory = advisory
        self.next = created + interval
        self.updated = created
        self.last = (None, None)  # breach: when, and of which dimension
        self.usage = {}
        self.breaches = self.soft_breaches = 0

    def advance(self, now):
        if self.interval and now >= self.next:
            self.next += ((now - self.next) // self.interval + 1) * self.interval
            self.updated = self.next - self.interval
            self.last = (None, None)
            self.usage = dict.fromkeys(self.usage, 0)

    def report(self, now, amounts):
        """'refused', 'ok', 'soft' or 'over'."""
        self.advance(now)
        over = [dim for dim, n in amounts.items()
                if 0 < self.limits.get(dim, (0, 0))[0] < self.usage.get(dim, 0) + n]
        if over:
            self.breaches += 1
            self.last = (now, min(over, key=str.encode))
            self.updated = now
            if not self.advisory:
                return "refused"
        for dim, n in amounts.items():
            self.usage[dim] = self.usage.get(dim, 0) + n
        if over:
            return "over"
        if any(0 < self.limits.get(dim, (0, 0))[1] < self.usage[dim] for dim in amounts):
            self.soft_breaches += 1
            self.updated = now
            return "soft"
        return "ok"


class Count:
    """What a replay's summary should say."""

    def __init__(self, policy, reports, created=None):
        """policy: {id: arguments of Budget}; reports: (time, budget, amounts), in order."""
        first = reports[0][0] if created is None else created
        self.budgets = {name: Budget(created=first, **how) for name, how in policy.items()}
        self.outcomes = {"ok": 0, "soft": 0, "over": 0, "refused": 0}
        self.amounts = {}
        self.latest = 0
        for time, name, amounts in reports:
            self.latest = max(self.latest, time)
            outcome = self.budgets.setdefault(name, Budget({})).report(self.latest, amounts)
            self.outcomes[outcome] += 1
            for dim, n in amounts.items():
                self.amounts[dim] = self.amounts.get(dim, 0) + (n if outcome != "refused" else 0)

    def summary(self):
        return {
            "lines": sum(self.outcomes.values()),
            "accepted": sum(self.outcomes.values()) - self.outcomes["refused"],
            "soft_breaches": self.outcomes["soft"],
            "refused": self.outcomes["refused"],
            "replayed": 0,
            "invalid": 0,
            "amounts": self.amounts,
        }


def read_policy(path):
    """The policy file as arguments of Budget."""
    units = {"ms": 1, "s": 1000, "m": 60000, "h": HOUR, "d": DAY}

    def duration(text):
        digits = text.rstrip("mshd")
        return int(digits) * units[text[len(digits):]]

    return {
        budget["budget_id"]: {
            "limits": {dim: (limit.get("hard", 0), limit.get("soft", 0)) for dim, limit in
                       budget.get("limits", {}).items()},
            "interval": duration(budget.get("reset_every", "0s")),
            "advisory": budget.get("mode") == "advisory",
        }
        for budget in json.loads(pathlib.Path(path).read_text())["budgets"]
    }
