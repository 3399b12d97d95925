"""What every peer's run has in common: a server that lives in a temporary folder and is stopped by its process id, what
processes cost, and the row that a run becomes."""
import array
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = TOP / "build-peers"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.05
START_SECONDS = 60
WARNINGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]


class Missing(Exception):
    """What a peer needs is not there, or a command of its failed: the peer is left out, and the reason is told."""


class WrongBooks(Exception):
    """A store does not hold what was accepted."""


def say(text):
    print(f"==> {text}", file=sys.stderr, flush=True)


# ---- what is installed and built ---------------------------------------------------------------------------------


def need(purpose, *commands):
    """Has ./run install the packages of a purpose, unless the commands that it is for are there."""
    if commands and all(shutil.which(command) for command in commands):
        return
    done = subprocess.run([TOP / "run", "need", purpose], stdout=sys.stderr, check=False)
    if done.returncode:
        raise Missing(f"'./run need {purpose}' failed")


def must_run(words, where=TOP, **environment):
    """Runs a command that has to succeed, and answers what it printed."""
    words = [str(word) for word in words]
    done = subprocess.run(
        words, cwd=where, env=os.environ | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise Missing(f"'{' '.join(words)}' failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def compile_c(source, name, *libraries):
    """The program of one C file; made anew where the file is newer."""
    source, program = HERE / source, BUILD / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(exist_ok=True)
        say(f"building {program.relative_to(TOP)}")
        flags = must_run(["pkg-config", "--cflags", "--libs", *libraries]).split()
        must_run([os.environ.get("CC", "cc"), *WARNINGS, source, "-o", program, "-pthread", *flags])
    return program


# ---- folders and servers -----------------------------------------------------------------------------------------


@contextmanager
def scratch(parent):
    """A folder that goes with its contents. A disk in memory would make durability free, so it is refused."""
    folder = Path(tempfile.mkdtemp(prefix="ff-peer-", dir=parent))
    try:
        kind = filesystem(folder)
        if kind in ("tmpfs", "ramfs"):
            raise Missing(f"'{folder.parent}' lies in memory ({kind}), where durability costs nothing; name another --folder")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filesystem(folder):
    """The kind of the file system that a folder lies on."""
    return must_run(["findmnt", "-n", "-o", "FSTYPE", "--target", folder]).strip()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def server(words, port, log, stop=signal.SIGTERM, **options):
    """A server from when it takes connections until the block ends; answers its process."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(word) for word in words], stdout=output, stderr=output, stdin=subprocess.DEVNULL, **options
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not takes_connections(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Missing(f"'{words[0]}' did not start: {Path(log).read_text(errors='replace')[-2000:]}")
            time.sleep(POLL_SECONDS)
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def takes_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


# ---- what processes cost -----------------------------------------------------------------------------------------


def family(pid):
    """A process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def cpu_seconds(pid):
    """Of a process, its children, and those that have ended."""
    ticks = 0
    for number, one in enumerate(family(pid)):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15] if number == 0 else fields[11:13]))
    return ticks / TICKS_PER_SECOND


def number_of(path, name):
    found = re.search(rf"^{name}:\s+(\d+)", path.read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def memory_bytes(pid):
    """The most that one process held; of several, what they hold now, where shared pages count once."""
    try:
        members = family(pid)
        if len(members) == 1:
            return 1024 * number_of(Path(f"/proc/{pid}/status"), "VmHWM")
        return 1024 * sum(number_of(Path(f"/proc/{one}/smaps_rollup"), "Pss") for one in members)
    except OSError:
        return 0  # it has just ended


def bytes_written(pid):
    """Towards the disk, by one process and those of its children that have ended."""
    return number_of(Path(f"/proc/{pid}/io"), "write_bytes")


class Cost:
    """What a client and, where there is one, its server cost while the client runs."""

    def __init__(self, server_pid=None):
        self.server_pid = server_pid
        self.client_cpu_seconds = self.server_cpu_seconds = 0.0
        self.peak_memory_bytes = self.bytes_written = 0

    def run(self, words, waits=True, **environment):
        """Runs a client to its end and answers what it printed. One that waits says "ready" when it has made its tables and
        connections, and begins when it is given a line: what comes before is not counted."""
        words = [str(word) for word in words]
        with tempfile.TemporaryFile() as errors:
            client = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=os.environ | environment
            )
            try:
                if waits:
                    client.stdout.readline()
                    os.sync()  # what was written so far goes to the disk now, and not while this is measured
                before = self.used_so_far(client.pid)
                if waits:
                    client.stdin.write(b"\n")
                client.stdin.close()
                status = self.watch(client)
            except BrokenPipeError:
                status = client.wait()
            finally:
                if client.returncode is None:
                    client.kill()
                    client.wait()
            said = client.stdout.read().decode(errors="replace")
            client.stdout.close()
            errors.seek(0)
            complaints = errors.read().decode(errors="replace").strip()[-2000:]
        if status:
            raise Missing(f"'{' '.join(words)}' failed: {complaints}")
        if complaints:
            print(complaints, file=sys.stderr)
        self.client_cpu_seconds -= before[0]
        self.server_cpu_seconds -= before[1]
        self.bytes_written -= before[2]
        return said

    def used_so_far(self, client_pid):
        """CPU of the client and of the server, and what was written."""
        if not self.server_pid:
            return cpu_seconds(client_pid), 0.0, bytes_written(client_pid)
        return cpu_seconds(client_pid), cpu_seconds(self.server_pid), bytes_written(self.server_pid)

    def watch(self, client):
        """Waits for the client, looking meanwhile at the memory of the one that is measured."""
        pid = self.server_pid or client.pid
        while True:
            ended = os.waitid(os.P_PID, client.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            self.peak_memory_bytes = max(self.peak_memory_bytes, memory_bytes(pid))
            if ended:
                break
            time.sleep(POLL_SECONDS)
        _, self.server_cpu_seconds, self.bytes_written = self.used_so_far(client.pid)
        _, status, used = os.wait4(client.pid, 0)
        client.returncode = os.waitstatus_to_exitcode(status)
        self.client_cpu_seconds = used.ru_utime + used.ru_stime
        return client.returncode


# ---- rows --------------------------------------------------------------------------------------------------------


def latency_us(sorted_us):
    """The percentiles, each the least latency that so many reports did not exceed."""
    last = len(sorted_us) - 1

    def at(percent):
        return round(sorted_us[max(0, min(last, -(-len(sorted_us) * percent // 100000) - 1))], 3)

    return {name: at(percent) for name, percent in PERCENTILES.items()}


PERCENTILES = {"p1": 1000, "p50": 50000, "p99": 99000, "p999": 99900, "p100": 100000}  # in thousandths of a percent


def read_latencies(path):
    values = array.array("d")
    values.frombytes(Path(path).read_bytes())
    return sorted(values)


def check_books(title, answer, expected=None):
    """Accepted = usage; where a run was made to be refused, the numbers that it must have come to."""
    expected = expected or {"usage": answer["accepted"], "refused": 0, "replayed": 0}
    for field, number in expected.items():
        if answer[field] != number:
            raise WrongBooks(f"{title}: '{field}' is {answer[field]}, not {number}: {json.dumps(answer)}")


def measured(answer, cost, latencies):
    """What one run came to, in fields of a row (bench/README.md)."""
    ops = answer["accepted"]
    client, server_cpu = cost.client_cpu_seconds, cost.server_cpu_seconds
    return {
        "ops": ops,
        "seconds": round(answer["seconds"], 6),
        "per_second": round(ops / answer["seconds"], 1),
        "latency_us": latency_us(latencies),
        "cpu_us_per_op": round((client + server_cpu) * 1e6 / ops, 3),
        "bytes_written_per_op": None if cost.bytes_written is None else round(cost.bytes_written / ops, 1),
        "peak_memory_bytes": cost.peak_memory_bytes,
        "books": "ok",
        "extra": {
            "client_cpu_us_per_op": round(client * 1e6 / ops, 3),
            "client_cores": round(client / answer["seconds"], 3),
            "failed": answer["failed"],
        },
    }


def middle(runs):
    """The run whose throughput is the median (the lower of two), with the ends of all beside it."""
    ordered = sorted(runs, key=lambda run: run["per_second"])
    row = ordered[(len(ordered) - 1) // 2]
    ends = {"per_second_min": ordered[0]["per_second"], "per_second_max": ordered[-1]["per_second"]}
    return row | {"extra": row["extra"] | {"runs": len(runs)} | ends}


def machine(folder):
    """The machine, as ff-bench tells of it."""
    cpus = re.findall(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cores": os.cpu_count(),
        "cpu": cpus[0] if cpus else "",
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": os.uname().release,
        "filesystem": filesystem(folder),
    }
