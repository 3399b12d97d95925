#!/usr/bin/env python3
"""Writes the tables of figures in performance.md and scaling.md from the JSON files beside them, which bench/publish makes.

usage: docs/tables.py [--check]

A table stands between the lines '<!-- NAME -->' and '<!-- end -->'. A figure that misses what is aimed at is bold, as it is shown. With
--check nothing is written, and the status is 1 where a page does not say what the files do.
"""
import json
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
STORES = ("sqlite", "lmdb")


class Rows:
    """The rows of a file. What is asked for has to be one of them, and no more."""

    def __init__(self, name):
        self.name = name
        self.rows = json.loads((DOCS / name).read_text(encoding="utf-8"))["rows"]

    def __call__(self, workload, store, **facts):
        asked = {"workload": workload, "store": store} | facts
        found = [row for row in self.rows if all(row[fact] == value for fact, value in asked.items())]
        if len(found) != 1:
            sys.exit(f"docs/tables.py: {self.name} has {len(found)} rows of {asked}")
        return found[0]


performance, looks = Rows("performance.json"), Rows("performance-looks.json")
growth, scaling = Rows("growth.json"), Rows("scaling.json")

# ---- cells -------------------------------------------------------------------------------------------------------


def marked(text, good):
    return text if good else f"**{text}**"


def speed(row, least=0):
    return marked(f"{row['per_second']:,.0f}", row["per_second"] >= least)


def mean(row):
    """As a peer's speed is told: over all of the time, where ours is otherwise the median of slices."""
    return row["per_second"] if row["peer"] else row["ops"] / row["seconds"]


def ratio(row, least=0):
    return marked(f"{row['ratio']:.2f}", round(row["ratio"], 2) >= least)


def beside_floor(row, least=0, rate=0):
    return f"{speed(row, rate)} · {ratio(row, least)}"


def slower(row, most=float("inf")):
    """What the slowest hundredth takes beside a tick, and how many times what it took before."""
    times = 1 / row["ratio"]
    return f"{row['latency_us']['p99'] / 1000:.2f} ms, " + marked(f"{times:.1f} ×", round(times, 1) <= most)


# ---- tables ------------------------------------------------------------------------------------------------------


def bars(cells):
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def table(heads, lines):
    """`heads`: words between bars. `lines`: lists of cells, all texts."""
    rule = "|" + "---|" * len(heads)
    return "\n".join([bars(heads), rule, *map(bars, lines)])


def by_store(label, cell, stores=STORES):
    return [label, *(cell(store) if store in stores else "" for store in STORES)]


def floor_table():
    def line(label, workload, least, rates=(0, 0), **facts):
        def cell(store):
            row = performance(workload, store, peer=False, **facts)
            return beside_floor(row, least, dict(zip(STORES, rates))[store])

        return by_store(label, cell)

    return table(
        ["work", "SQLite", "LMDB"],
        [
            line("one caller, one report a commit, durability full", "single", 0.9),
            line("the same, durability none", "single-none", 0.85),
            [
                "… with a writable map, on both sides",
                "",
                beside_floor(performance("single-none", "lmdb?write_map=1"), 0.8),
            ],
            line("64 threads, plain calls (floor: batches of 64)", "crowd-64", 0.6),
            line("64 threads, one budget", "hot", 0.6),
            line("64 threads, a million budgets, few of them popular", "zipf", 0.6),
            line("512 threads (floor: batches of 512)", "crowd-512", 0),
            line("batches of 8,192, ordered keys, 1 budget", "batch-1", 0.8, (400_000, 1_500_000)),
            line("… 100 budgets", "batch-100", 0.8, (350_000, 1_000_000)),
            line("… 5,000 budgets", "batch-5000", 0.8, (150_000, 500_000)),
            line("… random keys, 2 million in the store", "batch-random", 0.9),
            line("batches of 8,192 of keys that are known: replays", "replays", 0),
            line("batches of 8,192 on budgets that are full: refusals", "refusals", 0),
            by_store(
                "batches of 65,536, no keys, 2 dimensions, 100 budgets",
                lambda store: speed(performance("batch-no-keys", store), 4_000_000),
            ),
        ],
    )


def looks_table():
    def line(label, against):
        return by_store(
            label,
            lambda store: ", ".join(
                ratio(looks(workload, store, against=against)) for workload in ("batch-1", "batch-100", "batch-5000")
            ),
        )

    return table(
        ["floor", "SQLite", "LMDB"],
        [
            line("remembers each budget within a batch, sorts keys by their bytes and appends (`--floor looks`)", "floor"),
            line("the same, and reads no key before it writes it, as the engine does (`--floor unseen`)", "unseen floor"),
        ],
    )


def more_table():
    def one(workload, store, **facts):
        return performance(workload, store, **facts)

    alone, counts = "the writer alone", "the writer beside a thread that counts"
    reads = dict(zip(STORES, (100_000, 500_000)))
    return table(
        ["more", "SQLite", "LMDB"],
        [
            by_store(
                "status reads a second beside a writer, one thread: single reports, batches",
                lambda s: f"{speed(one('status', s), reads[s])}, {speed(one('status-batch', s), reads[s])}",
            ),
            by_store(
                "what a writer of batches keeps of its speed meanwhile",
                lambda s: ratio(one("status-batch-writer", s, against=alone), 0.9),
            ),
            by_store(
                "what a writer of single reports keeps, and to one beside a thread that only counts",
                lambda s: ", ".join(
                    (ratio(one("status-writer", s, against=alone), 0.9), ratio(one("status-writer", s, against=counts)))
                ),
            ),
            by_store(
                "the speed of an admission with a million entries in the window to that with a thousand",
                lambda s: ratio(one("admission-1m", s), 1 / 1.3),
            ),
            by_store("purging expired keys, a second, beside reports", lambda s: speed(one("purge", s), 500_000)),
            by_store(
                "scheduled resets, a second, 100,000 due at once: alone, and beside reports",
                lambda s: f"{one('day', s)['extra']['per_second_alone']:,.0f}, {speed(one('day', s), 100_000)}",
            ),
            by_store(
                "99th percentile of a report beside those resets, to that before", lambda s: slower(one("day", s), 2)
            ),
            by_store("99th percentile of a report beside a purge, to that before", lambda s: slower(one("purge", s))),
            by_store(
                "the longest that a report took beside a tick: resets, purge",
                lambda s: ", ".join(
                    marked(f"{longest:.1f} ms", longest <= 5)
                    for longest in (one(work, s)["extra"]["longest_beside_ms"] for work in ("day", "purge"))
                ),
            ),
            by_store(
                "the engine's own memory with batches of 8,192 on 100 budgets, without SQLite's cache and LMDB's map",
                lambda s: f"{one('batch-100', s)['engine_memory_bytes'] / 2**20:.1f} MiB",
            ),
        ],
    )


def peers_table():
    def line(label, callers, durable, rows):
        return [label, callers, durable, ", ".join(f"{mean(row):,.0f}" for row in rows)]

    def peer(store, durability, *works):
        return [performance(work, store, durability=durability, **facts) for work, facts in works]

    def ours(store):
        return [performance(work, store, peer=False) for work in ("single", "crowd-64", "crowd-512")]

    redis = (("crowd-64", {}), ("crowd-512", {}))
    return table(
        ["", "callers", "durable", "reports a second"],
        [
            line("ff on SQLite", "1, 64, 512", "yes", ours("sqlite")),
            line("ff on LMDB", "1, 64, 512", "yes", ours("lmdb")),
            line(
                "a Lua script in Redis",
                "1, 50, 50 with 16 under way each",
                "no",
                peer("redis-lua", "none", ("single-none", {}), *redis),
            ),
            line(
                "the same, appendfsync always",
                "1, 50, 50 with 16 under way each",
                "yes",
                peer("redis-lua", "full", ("single", {}), *redis),
            ),
            line(
                "rate-limiter-flexible on Redis",
                "64 under way",
                "no",
                peer("rate-limiter-flexible-redis", "none", ("crowd-64", {})),
            ),
            line(
                "FlowFabric's SQLite backend",
                "1, 4, 64",
                "yes",
                peer(
                    "flowfabric-sqlite", "full", ("single", {}), ("crowd-64", {"threads": 4}), ("crowd-64", {"threads": 64})
                ),
            ),
            line(
                "a loop as many would write it, SQLite in WAL", "1", "yes", peer("sqlite-naive-wal", "full", ("single", {}))
            ),
        ],
    )


def growth_table():
    def line(label, *workloads, least=0):
        return by_store(
            label,
            lambda store: ", ".join(ratio(growth(work, store), least if work == workloads[-1] else 0) for work in workloads),
        )

    return table(
        ["speed in a large store to that in a small one", "SQLite", "LMDB"],
        [
            line("batches of 8,192, ordered keys: 1 million against 0.1 million keys, 10 million", "keys-1m", "keys-10m", least=1),
            line("the same, random keys: 1 million against 0.1 million", "random-1m"),
            line(
                "single reports without durability: 10,000 against 1,000 budgets, 100,000, a million",
                "budgets-10k",
                "budgets-100k",
                "budgets-1m",
                least=0.5,
            ),
        ],
    )


DISTANCES = ("on the same machine", "1 ms away", "10 ms away")


def is_away(row, distance):
    """The way through the proxy takes some of its own."""
    away = row["round_trip_ms"]
    return away is not None and min(range(3), key=lambda i: abs(away - (0, 1, 10)[i])) == distance


def at(distance, workload, store, **facts):
    asked = {"workload": workload, "store": store} | facts
    found = [
        row
        for row in scaling.rows
        if is_away(row, distance) and all(row[fact] == value for fact, value in asked.items())
    ]
    if len(found) != 1:
        sys.exit(f"docs/tables.py: scaling.json has {len(found)} rows of {asked} {DISTANCES[distance]}")
    return found[0]


PEER_WORKS = {
    "one client": {"workload": "single"},
    "16 clients, one budget": {"workload": "hot"},
    "16 clients, 1,000 budgets": {"workload": "crowd-64", "threads": 16},
    "64 clients, 1,000 budgets": {"workload": "crowd-64", "threads": 64},
}


def of_peer(distance, label):
    return at(distance, store="postgres-pgbench", **PEER_WORKS[label])


def scaling_table():
    def line(label, peer, least, **facts):
        cells = []
        for distance in range(3):
            row = at(distance, store="postgres", **facts)
            times = mean(row) / mean(of_peer(distance, peer))
            text = f"{times:,.1f} ×" if times < 100 else f"{times:,.0f} ×"
            cells.append(f"{mean(row):,.0f} · {ratio(row, 0.7)} · " + marked(text, distance > 0 or round(times, 1) >= least))
        return [label, *cells]

    hot, thousand = "16 clients, one budget", "16 clients, 1,000 budgets"
    return table(
        ["callers", *DISTANCES],
        [
            line("one thread, call after call", "one client", 0, workload="single"),
            line("batches of 8,192, one budget", "one client", 200, workload="batch-1"),
            line("batches of 8,192, 100 budgets", "one client", 200, workload="batch-100"),
            line("16 threads, one budget", hot, 20, workload="hot", processes=1),
            line("4 processes × 4 threads, one budget", hot, 8, workload="hot", processes=4),
            line("16 threads, 1,000 budgets", thousand, 10, workload="crowd-64", threads=16),
            line("the same, few of them popular", thousand, 10, workload="zipf"),
            line("64 threads, 1,000 budgets", thousand, 10, workload="crowd-64", threads=64),
        ],
    )


def scaling_peer_table():
    near_only = "64 clients, 1,000 budgets"  # bench/peers/run says why
    return table(
        ["the peer, a second", *DISTANCES],
        [
            [label, *(f"{mean(of_peer(distance, label)):,.0f}" if label != near_only or not distance else "" for distance in range(3))]
            for label in PEER_WORKS
        ],
    )


PAGES = {
    "performance.md": {
        "floor": floor_table,
        "looks": looks_table,
        "more": more_table,
        "peers": peers_table,
        "growth": growth_table,
    },
    "scaling.md": {"callers": scaling_table, "peer": scaling_peer_table},
}


def set_tables(page, tables):
    """The text of a page with its tables as they should be."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, make in tables.items():
        between = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, found = between.subn(lambda match, make=make: match[1] + make() + match[2], text)
        if found != 1:
            sys.exit(f"docs/tables.py: docs/{page} has {found} places for the table '{name}'")
    return text


def main(words):
    if words not in ([], ["--check"]):
        sys.exit(__doc__)
    wrong = 0
    for page, tables in PAGES.items():
        path, text = DOCS / page, set_tables(page, tables)
        if not words:
            path.write_text(text, encoding="utf-8")
        elif text != path.read_text(encoding="utf-8"):
            print(f"docs/{page} does not say what the JSON files do: run docs/tables.py", file=sys.stderr)
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
