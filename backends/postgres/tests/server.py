"""PostgreSQL servers that a test may crash, restart and promote: on loopback, in a temporary folder, stopped by pid."""
import atexit
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",  # it writes to the log when it likes
    "fsync": "off",  # the machine is not what is crashed here
    "max_connections": "100",
    "max_wal_senders": "4",
    "log_min_messages": "fatal",
}


# A test that is ended from outside leaves no server behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))


def find_programs():
    """The newest folder of server programs, or None."""
    folders = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    on_path = shutil.which("initdb")
    folders.sort(key=lambda path: int(path.split("/")[4]))
    found = folders[-1] if folders else on_path
    return Path(found).parent if found else None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def unprivileged():
    """PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class Server:
    def __init__(self, settings=None, of=None):
        """An empty cluster, or a streaming standby of another server."""
        self.programs = find_programs()
        self.identity = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="ff-network-"))
        if self.identity:
            os.chown(self.folder, self.identity["user"], self.identity["group"])
        self.data = self.folder / "data"
        atexit.register(self.close)
        self.port = free_port()
        self.settings = {**SETTINGS, **(settings or {})}
        if of:
            self.run(self.programs / "pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync",
                     "-d", f"host=127.0.0.1 port={of.port} user=ff application_name=standby")
        else:
            self.initialize()
        self.start()

    def initialize(self):
        self.run(self.programs / "initdb", "-D", self.data, "-U", "ff", "-A", "trust", "-E", "UTF8", "--locale=C",
                 "--no-sync")
        self.trust_but("host all locked 127.0.0.1/32 scram-sha-256", "hostssl all sealed 127.0.0.1/32 trust",
                       "host all sealed 127.0.0.1/32 reject")

    def trust_but(self, *rules):
        """These come before the rule that lets everybody in."""
        file = self.data / "pg_hba.conf"
        file.write_text("\n".join(rules) + "\n" + file.read_text())

    def encrypt(self, *names):
        """Certificates that sign themselves, each for a name of this host; the first is the server's. Their files."""
        for name in names:
            self.run("openssl", "req", "-new", "-x509", "-nodes", "-days", "2", "-newkey", "rsa:2048", "-subj",
                     f"/CN={name}", "-keyout", self.data / f"{name}.key", "-out", self.data / f"{name}.crt")
        self.settings.update(ssl="on")
        self.show(names[0])
        return [self.data / f"{name}.crt" for name in names]

    def show(self, name):
        """The certificate for this name."""
        self.settings.update(ssl_cert_file=f"{name}.crt", ssl_key_file=f"{name}.key")
        self.stop()
        self.start()

    def run(self, program, *words):
        # The server keeps what it inherits open, so its output is a file and never a pipe that is read to its end.
        with open(self.folder.with_suffix(".log"), "ab+") as log:
            done = subprocess.run([program, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  cwd="/", check=False, **self.identity)
            if done.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{program} ends with {done.returncode}:\n{log.read().decode()}")

    def control(self, *words):
        log = self.folder / "server.log"
        self.run(self.programs / "pg_ctl", "-D", self.data, "-w", "-t", "30", "-l", log, *words)

    def start(self):
        words = [f"-c {name}='{value}'" for name, value in self.settings.items()]
        self.control("start", "-o", " ".join([f"-p {self.port} -k {self.folder}", *words]))

    def restart(self):
        """As after a crash: nobody says goodbye, and the log is played again."""
        self.control("restart", "-m", "immediate")

    def stop(self):
        self.control("stop", "-m", "immediate")

    def promote(self):
        self.control("promote")

    def close(self):
        atexit.unregister(self.close)
        if (self.data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".log").unlink(missing_ok=True)

    def uri(self, port=None, user="ff", database="postgres", **params):
        query = "&".join(f"{name}={value}" for name, value in params.items())
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}" + (f"?{query}" if query else "")


class Psql:
    """A session of a person."""

    def __init__(self, server):
        words = [server.programs / "psql", "-XqtA", "-h", "127.0.0.1", "-p", str(server.port), "-U", "ff", "postgres"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, sql):
        """The lines that it answers."""
        self.process.stdin.write(f"{sql};\n\\echo .\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) != ".\n":
            if not line:
                raise RuntimeError(f"psql ended at: {sql}")
            lines.append(line.rstrip("\n"))
        return lines

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
