#!/usr/bin/env python3
"""Kills replays with SIGKILL, runs them again until they end, and checks that the books are exact.

usage: tools/crash.py FFCTL [--kills N] [--lines N] [--seed N] [--scheme sqlite]

The usage log is made up here, with its own time, several budgets, both modes, and limits that refuse a part. What the
store must hold in the end is worked out by a model of a few lines that knows nothing of the engine; and one more replay
must find every line already done.
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
KILLS_A_STORE = 3
POLICY = {
    "budgets": [
        {"budget_id": "search", "limits": {"tokens": {"hard": 60_000, "soft": 40_000}, "cents": {"hard": 900}}},
        {"budget_id": "mail", "reset_every": "1h", "limits": {"tokens": {"hard": 6_000, "soft": 5_000}}},
        {"budget_id": "lab", "mode": "advisory", "limits": {"cents": {"hard": 500, "soft": 100}}},
    ]
}


def make_log(path, lines, rng):
    """Writes the log and returns its rows."""
    rows = []
    time_ms = START_MS
    for _ in range(lines):
        time_ms += rng.randrange(2 * 20 * HOUR_MS // lines)
        team = rng.choice([budget["budget_id"] for budget in POLICY["budgets"]])
        rows.append((time_ms, team, {"tokens": rng.randrange(200), "cents": rng.randrange(4)}))
    with open(path, "w", encoding="utf-8") as log:
        log.write("time,team,tokens,cents\n")
        log.writelines(f"{at},{team},{use['tokens']},{use['cents']}\n" for at, team, use in rows)
    return rows


def model(rows):
    """What the budgets must hold after the log."""
    first = rows[0][0]
    books = {}
    for budget in POLICY["budgets"]:
        interval = HOUR_MS if "reset_every" in budget else 0
        books[budget["budget_id"]] = {
            "usage": {},
            "breach_count": 0,
            "soft_breach_count": 0,
            "next_reset_at": first + interval if interval else None,
        }
    policies = {budget["budget_id"]: budget for budget in POLICY["budgets"]}
    for at, team, use in rows:
        book, policy = books[team], policies[team]
        if book["next_reset_at"] is not None and at >= book["next_reset_at"]:
            book["usage"] = dict.fromkeys(book["usage"], 0)
            book["next_reset_at"] += HOUR_MS * ((at - book["next_reset_at"]) // HOUR_MS + 1)
        after = {dim: book["usage"].get(dim, 0) + amount for dim, amount in use.items()}
        over = {
            kind: any(0 < policy["limits"].get(dim, {}).get(kind, 0) < total for dim, total in after.items())
            for kind in ("hard", "soft")
        }
        if over["hard"]:
            book["breach_count"] += 1
        if over["hard"] and policy.get("mode") != "advisory":
            continue
        book["usage"].update(after)
        book["soft_breach_count"] += over["soft"] and not over["hard"]
    last = rows[-1][0]
    for book in books.values():
        if book["next_reset_at"] is not None and last >= book["next_reset_at"]:
            book["usage"] = dict.fromkeys(book["usage"], 0)
            book["next_reset_at"] += HOUR_MS * ((last - book["next_reset_at"]) // HOUR_MS + 1)
    return books


class Store:
    def __init__(self, ffctl, uri, folder):
        self.base = [ffctl, "--store", uri, "--json"]
        self.replay_words = ["replay", str(folder / "log.csv"), "--policy", str(folder / "policy.json")]
        self.replay_words += ["--budget-from", "team", "--dim", "tokens=tokens", "--dim", "cents=cents"]
        self.replay_words += ["--time-from", "time", "--key-prefix", "line-", "--batch", "8"]

    def ask(self, *words):
        done = subprocess.run([*self.base, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(words)} ends with {done.returncode}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def replay(self):
        return self.ask(*self.replay_words)

    def killed_replay(self, seconds):
        """True where it was killed, False where it ended before."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        with subprocess.Popen([*self.base, *self.replay_words], **quiet) as program:
            time.sleep(seconds)
            program.kill()
            fault = program.stderr.read()
            program.wait()
        if program.returncode > 0:
            sys.exit(f"a replay after a kill ends with {program.returncode}: {fault.decode()}")
        return program.returncode < 0


def check_books(store, rows):
    faults = []
    for name, book in model(rows).items():
        status = store.ask("--now", str(rows[-1][0]), "budget", "status", name)
        for field, expected in book.items():
            if status[field] != expected:
                faults.append(f"budget '{name}': {field} is {status[field]}, it should be {expected}")
    again = store.replay()
    if again["replayed"] != len(rows) or again["accepted"] or again["refused"]:
        faults.append(f"a second replay is not without effect: {again}")
    if not store.ask("check")["ok"]:
        faults.append("check finds problems")
    return faults


def main():
    parser = argparse.ArgumentParser(description="Kills a replay again and again and checks the books.")
    parser.add_argument("ffctl")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scheme", default="sqlite")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="ff-crash-") as scratch:
        folder = Path(scratch)
        rows = make_log(folder / "log.csv", options.lines, rng)
        (folder / "policy.json").write_text(json.dumps(POLICY), encoding="utf-8")

        calm = Store(options.ffctl, f"{options.scheme}:{folder / 'calm'}", folder)
        started = time.monotonic()
        calm.replay()
        whole = time.monotonic() - started

        faults = [f"without a kill: {fault}" for fault in check_books(calm, rows)]
        kills, stores, halves = 0, 0, 0
        while kills < options.kills and stores < options.kills and not faults:
            stores += 1
            store = Store(options.ffctl, f"{options.scheme}:{folder / f'killed-{stores}'}", folder)
            kills += sum(store.killed_replay(rng.uniform(0.05, 0.4) * whole) for _ in range(KILLS_A_STORE))
            done = store.replay()["replayed"]
            halves += 0 < done < len(rows)
            whole *= 1.4 if done == 0 else 0.7 if done == len(rows) else 1  # disks change their pace
            faults += [f"store {stores}: {fault}" for fault in check_books(store, rows)]
        if not faults and halves < stores / 4:
            faults.append(f"only on {halves} of {stores} stores did the kills hit the middle of the work")
    for fault in faults:
        print(fault)
    print(
        f"{options.scheme}: {kills} kills in replays of {len(rows)} lines on {stores} stores, {halves} of them half done "
        f"(seed {options.seed}); the books are {'wrong' if faults else 'exact'}"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
