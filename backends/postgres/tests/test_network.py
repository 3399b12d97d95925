"""A network is a network: the store on PostgreSQL while connections, servers and machines fail.

A real server is started in a temporary folder. What may be charged is what callers were told: a key once and no more,
whatever was sent again; a call without a key as often as it answered, and where it answered commit_unknown, perhaps.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

from server import Psql, Server, find_programs

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
from proxy import HEAD, PIECE, SIDES, Framing, Proxy  # noqa: E402

DOCS = Path(__file__).resolve().parents[3] / "docs" / "postgres.md"
CUTS = ("before", "middle", "after")
MISSING = "there is no PostgreSQL server here (Debian's package postgresql-15)"
SERVERS = {}
NOTES = []  # what the tests saw, printed at the end: each run sees something else


def setUpModule():
    if find_programs():
        SERVERS["main"] = Server()


def tearDownModule():
    for server in SERVERS.values():
        server.close()
    for note in NOTES:
        print(note, file=sys.stderr)


class Host:
    """The program of host.c."""

    def __init__(self, uri):
        self.process = subprocess.Popen(
            [os.environ["FF_HOST"], uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the host ended with {self.process.wait()} at {words}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@unittest.skipUnless(find_programs(), MISSING)
class NetworkTest(unittest.TestCase):
    schemas = 0

    def setUp(self):
        self.server = SERVERS["main"]
        NetworkTest.schemas += 1
        self.schema = f"net{NetworkTest.schemas}"
        self.proxy = self.make_proxy()

    def make_proxy(self):
        made = Proxy("127.0.0.1", self.server.port)
        self.addCleanup(made.close)
        return made

    def uri(self, port=None, **params):
        return self.server.uri(port or self.proxy.port, **{"schema": self.schema, **params})

    def host(self, port=None, **params):
        """One whose engine is open."""
        made = Host(self.uri(port, **params))
        self.addCleanup(made.close)
        self.ok(made.ask("open"))
        return made

    def psql(self):
        made = Psql(self.server)
        self.addCleanup(made.close)
        return made

    def trigger(self, body, when=""):
        """Where a usage is written, or at that commit."""
        self.psql().ask(f"CREATE FUNCTION {self.schema}.f() RETURNS trigger LANGUAGE plpgsql AS"
                        f" $$BEGIN {body} RETURN NULL; END$$; CREATE CONSTRAINT TRIGGER t AFTER INSERT OR UPDATE ON"
                        f" {self.schema}.ff_budget_usage {when} FOR EACH ROW EXECUTE FUNCTION {self.schema}.f()")

    def let_in(self, role):
        """A new one, which may do what docs/postgres.md says that it must."""
        self.psql().ask(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {self.schema} TO {role};"
                        f" GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {self.schema} TO {role}")

    def forbid_to_emit(self):
        """Only the role that owns the server may write to the log what makes a commit last."""
        emit = "EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text)"
        person = self.psql()
        person.ask(f"REVOKE {emit} FROM PUBLIC")
        self.addCleanup(person.ask, f"GRANT {emit} TO PUBLIC")

    def wait_until(self, holds):
        """For a minute and more: then this fails, and leaves nothing running."""
        with contextlib.closing(Psql(self.server)) as person:  # for this wait alone: the server has room for a hundred
            for _ in range(6000):
                if holds():
                    return
                person.ask("SELECT pg_sleep(0.01)")
        self.fail("what was waited for did not come")

    def stop_writers(self):
        """Those of the server's processes that would make a commit last by themselves."""
        for pid in self.psql().ask("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('walwriter',"
                                   " 'background writer', 'checkpointer')"):
            os.kill(int(pid), signal.SIGSTOP)
            self.addCleanup(os.kill, int(pid), signal.SIGCONT)

    def all_lasts(self):
        return self.psql().ask("SELECT pg_current_wal_insert_lsn() = pg_current_wal_flush_lsn()") == ["t"]

    def used(self, budget):
        """What the table says, whatever the engine would."""
        if not hasattr(self, "reader"):
            self.reader = self.psql()
        sql = f"SELECT current_value FROM {self.schema}.ff_budget_usage WHERE budget_id = '{budget}'"
        return int((self.reader.ask(sql) or [0])[0])

    def ffctl(self, uri, *words):
        done = subprocess.run([os.environ["FFCTL"], "--store", uri, "--json", *words], capture_output=True, text=True,
                              check=False)
        return done.returncode, json.loads(done.stdout)

    def ok(self, answer):
        self.assertEqual(answer["code"], "ok", answer)
        return answer

    def assert_error(self, answer, code, retryable, message=None):
        self.assertEqual((answer["code"], answer["retryable"]), (code, retryable), answer)
        self.assertNotIn("\n", answer["message"])
        self.assertRegex(answer["message"], "[^ :]$")  # the reason, too
        if message:
            self.assertIn(message, answer["message"])


class Cuts(NetworkTest):
    """The connection is cut at each message of a report."""

    def renew(self, host, cold=False):
        """A new connection, used before or not, so that each report takes the same messages."""
        self.proxy.heal()
        self.proxy.cut()
        self.ok(host.ask("open") if cold else host.ask("report", "warm", "-", 1))

    def messages_of(self, host, *report, cold=False):
        """How many messages a report takes from each side."""
        self.ok(host.ask("report", "warm", "-", 1))
        self.renew(host, cold)
        before = dict(self.proxy.counts)
        self.ok(host.ask(*report))
        return {side: self.proxy.counts[side] - before[side] for side in SIDES}

    def places(self, messages):
        return [(side, at) for side in SIDES for at in range(1, messages[side] + 1)]

    def make_known(self, host, name):
        """A budget whose rows the engine remembers, so that a report on it takes one round trip."""
        self.ok(host.ask("create", name, 0))
        self.ok(host.ask("report", name, "-", 1))

    def check_key(self, host, name, told, used):
        """The call that was cut has an answer or an error; sent again, it is charged once."""
        if told["code"] != "ok":
            self.assertIn(told["code"], ("io", "commit_unknown"), told)
            self.assertTrue(told["retryable"], told)
        self.proxy.heal()
        again = self.ok(host.ask("report", name, "key", 5))
        self.assertTrue(again["applied"], again)
        if told["code"] == "ok":
            self.assertTrue(told["applied"], told)
            self.assertTrue(again["replayed"], again)
        self.assertEqual(self.used(name), used)

    def sweep(self, refuse=0, cold=False, cuts=CUTS, known=False):
        host = self.host()
        for name in ("warm", "count") if known else ():
            self.make_known(host, name)
        messages = self.messages_of(host, "report", "count", "key", 5, cold=cold)
        codes = {}
        for side, at in self.places(messages):
            for cut in cuts:
                name = f"b-{side}-{at}-{cut}"
                if known:
                    self.make_known(host, name)
                self.renew(host, cold)
                with self.subTest(side=side, message=at, of=messages[side], cut=cut):
                    fired = self.proxy.fired
                    self.proxy.arm(side, at, cut, refuse)
                    told = host.ask("report", name, "key", 5)
                    self.assertEqual(self.proxy.fired, fired + 1, "it was cut")
                    codes[told["code"]] = codes.get(told["code"], 0) + 1
                    self.check_key(host, name, told, 5 + known)
        NOTES.append(f"cut {sum(codes.values())} times, at each of {messages}: {codes}")
        return codes

    def test_a_keyed_report_is_charged_once(self):
        codes = self.sweep()
        self.assertNotIn("commit_unknown", codes, "the key can be read, so it is known")

    def test_so_it_is_in_one_round_trip(self):
        codes = self.sweep(known=True)
        self.assertNotIn("commit_unknown", codes, "the key can be read, so it is known")

    def test_a_connection_lost_while_idle_is_no_commit_unknown(self):
        host = self.host()
        self.make_known(host, "b")
        for key in ("-", "one", "-", "two", "three"):
            self.proxy.cut()
            self.ok(host.ask("report", "b", key, 5))
        self.assertEqual(self.used("b"), 26)

    def test_so_it_is_on_a_new_connection(self):
        self.sweep(cold=True, cuts=("middle",))

    def test_so_it_is_where_nobody_can_be_asked(self):
        codes = self.sweep(refuse=-1)
        self.assertIn("commit_unknown", codes)

    def round_trips_of(self, host, *words):
        before = self.proxy.round_trips
        self.ok(host.ask(*words))
        return self.proxy.round_trips - before

    def test_a_report_takes_one_round_trip_or_two(self):
        host, other = self.host(), self.host()
        self.ok(host.ask("create", "b", 0))
        for first, second in (("-", "-"), ("key", "other")):
            self.ok(host.ask("report", "nowhere", first, 5))
            self.assertEqual(self.round_trips_of(host, "report", "nowhere", second, 5), 2)
        self.ok(host.ask("report", "b", "-", 5))
        for key in ("new", "newer"):
            self.assertEqual(self.round_trips_of(host, "report", "b", key, 5), 1)
        self.assertEqual(self.round_trips_of(host, "report", "b", "-", 5), 2, "nobody could tell what became of it")
        self.assertEqual(self.round_trips_of(host, "report", "b", "late", 5, 60000), 2, "it has a deadline")
        # What another has written is found out in vain once, and looked for from then on. The rollback between is not
        # waited for, and counts where its answer comes before the next is sent.
        self.ok(other.ask("report", "b", "-", 5))
        self.assertIn(self.round_trips_of(host, "report", "b", "a", 5), (3, 4))
        self.assertEqual(self.round_trips_of(host, "report", "b", "b", 5), 2)
        self.assertEqual(self.used("b"), 40)

    def test_without_a_key_the_answer_is_true(self):
        host = self.host()
        messages = self.messages_of(host, "report", "count", "-", 5)
        seen = set()
        for side, at in self.places(messages):
            for cut in CUTS:
                name = f"b-{side}-{at}-{cut}"
                self.renew(host)
                with self.subTest(side=side, message=at, of=messages[side], cut=cut):
                    fired = self.proxy.fired
                    self.proxy.arm(side, at, cut)
                    told = host.ask("report", name, "-", 5)
                    self.assertEqual(self.proxy.fired, fired + 1, "it was cut")
                    used = self.used(name)
                    seen.add((told["code"], used))
                    if told["code"] == "ok":
                        self.assertEqual(used, 5)
                    elif told["code"] == "commit_unknown":
                        self.assertIn(used, (0, 5))
                        self.assertFalse(told["retryable"], "sent again it may be charged twice")
                    else:
                        self.assertEqual((told["code"], used), ("io", 0), told)
        NOTES.append(f"without keys, what was told and what was used: {sorted(seen)}")
        self.assertIn(("commit_unknown", 5), seen)
        self.assertIn(("ok", 5), seen)

    def lose_server(self, person, severity, state):
        """As a pooler that has lost it, when it has done what it was asked, and tells in words of its own."""
        busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ff' AND state = 'active'"
        self.wait_until(lambda: person.ask(busy) == ["0"])
        fields = f"S{severity}\0V{severity}\0C{state}\0Mserver conn crashed?\0\0".encode()
        for link in list(self.proxy.links):
            link.sockets["client"].sendall(HEAD.pack(b"E", 4 + len(fields)) + fields)
            self.proxy.drop(link)

    def test_a_pooler_that_has_lost_the_server(self):
        host, person = self.host(), self.psql()
        messages = self.messages_of(host, "report", "count", "-", 5)["server"]
        seen = set()
        words = (("FATAL", "08P01"), ("FATAL", "57P01"), ("ERROR", "58000"))
        for at, said in ((at, said) for at in range(1, messages + 1) for said in words):
            name = f"b-{at}-{said[1]}"
            self.renew(host)
            with self.subTest(message=at, of=messages, said=said):
                self.proxy.arm("server", at, "call", call=lambda said=said: self.lose_server(person, *said))
                told = host.ask("report", name, "-", 5)
                self.assertIn((told["code"], self.used(name)), {("io", 0), ("commit_unknown", 5), ("ok", 5)}, told)
                seen.add(told["code"])
        self.assertIn("commit_unknown", seen)

    def test_a_commit_that_was_answered_is_done(self):
        host = self.host(durability="normal")
        messages = self.messages_of(host, "report", "count", "-", 5)["server"]
        for at, code in ((messages - 1, "commit_unknown"), (messages, "ok")):
            self.renew(host)
            self.proxy.arm("server", at, "before")
            self.assertEqual(host.ask("report", f"b-{at}", "-", 5)["code"], code)
            self.assertEqual(self.used(f"b-{at}"), 5)

    def kill(self, person, done):
        person.ask("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ff'")
        done.set()

    def test_a_terminated_backend_at_each_message(self):
        host, person = self.host(), self.psql()
        messages = self.messages_of(host, "report", "count", "key", 5)
        for side, at in self.places(messages):
            name = f"b-{side}-{at}"
            self.renew(host)
            with self.subTest(side=side, message=at, of=messages[side]):
                fired = self.proxy.fired
                killed = threading.Event()
                self.proxy.arm(side, at, "call", call=lambda done=killed: self.kill(person, done))
                told = host.ask("report", name, "key", 5)
                self.assertEqual(self.proxy.fired, fired + 1)
                # The report may be answered before, and the next connection is to live.
                self.assertTrue(killed.wait(60))
                self.check_key(host, name, told, 5)

    def test_the_schema_is_made_once_wherever_it_is_cut(self):
        before = dict(self.proxy.counts)
        self.host().close()
        messages = {side: self.proxy.counts[side] - before[side] for side in SIDES}
        for side, at in self.places(messages):
            with self.subTest(side=side, message=at):
                self.schema = f"made_{side}_{at}"
                host = Host(self.uri())
                self.addCleanup(host.close)
                self.proxy.arm(side, at, "middle")
                told = host.ask("open")
                if told["code"] != "ok":
                    self.assert_error(told, "io", True)
                self.proxy.heal()
                self.ok(host.ask("open"))
                self.ok(host.ask("report", "b", "key", 5))
                self.assertEqual(self.used("b"), 5)
                host.close()


class Silence(NetworkTest):
    """Nothing comes any more, and no connection ends."""

    def one(self, side, at, results, deadline_ms=0):
        proxy = self.make_proxy()
        host = self.host(proxy.port, statement_timeout_ms=200, connect_timeout=1)
        name = f"b-{side}-{at}"
        self.ok(host.ask("report", name, "first", 5))
        proxy.arm(side, at, "silence")
        told = host.ask("report", name, "key", 5, deadline_ms)
        proxy.heal()
        again = host.ask("report", name, "key", 5)
        results[side, at] = (told, again)

    def test_a_call_ends_by_the_statement_timeout(self):
        host = self.host()
        self.ok(host.ask("report", "b", "first", 5))
        before = self.proxy.counts["server"]
        self.ok(host.ask("report", "b", "key", 5))
        committed = self.proxy.counts["server"] - before - 1  # the last says that the server is ready
        results = {}
        places = [("client", 1), ("client", 20), ("server", 1), ("server", 20), ("server", committed)]
        # COMMIT is on the way before its deadline passes, and from then on nobody is told that nothing was done.
        deadlines = {("server", committed): 2000}
        threads = [threading.Thread(target=self.one, args=(*place, results, deadlines.get(place, 0)))
                   for place in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(results), sorted(places))
        for place, (told, again) in results.items():
            with self.subTest(place=place):
                self.assertIn(told["code"], ("io", "commit_unknown"), told)
                self.assertTrue(told["retryable"], told)
                if place[0] == "server":
                    self.assertIn("nobody answered", told["message"])
                self.assertTrue(self.ok(again)["applied"])
                self.assertEqual(self.used(f"b-{place[0]}-{place[1]}"), 10)


class Sessions(NetworkTest):
    """What waits is seen in the server. Nothing else would end it: statements may take for ever."""

    def setUp(self):
        super().setUp()
        self.host().close()  # the schema
        self.person = self.psql()

    def patient_host(self, port=None):
        return self.host(port, statement_timeout_ms=0, busy_timeout_ms=600000, connect_timeout=0)

    def sessions(self, which):
        """Of the engine, in the server."""
        sql = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ff' AND {which}"
        return int(self.person.ask(sql)[0])

    def wait_for_sessions(self, count, which="true"):
        self.wait_until(lambda: self.sessions(which) == count)

    def ask(self, host, *words):
        """In a thread; the list gets the answer."""
        answers = []
        thread = threading.Thread(target=lambda: answers.append(host.ask(*words)))
        thread.start()
        return thread, answers


class Durability(Sessions):
    """A commit is answered when it lasts, and others do not wait for that, unless they answer by it. It waits as long as
    the proxy holds back what comes behind COMMIT."""

    def setUp(self):
        super().setUp()
        self.writer, self.other = self.patient_host(), self.patient_host(self.server.port)
        self.goes_on = threading.Event()
        self.addCleanup(self.goes_on.set)

    def set_up_server(self, setting):
        self.person.ask(f"ALTER SYSTEM SET {setting}")
        self.person.ask("SELECT pg_reload_conf()")

    def hold(self, key):
        """A report whose commit is done and waits; as in `ask`. With a deadline, so that it loads whatever it has."""
        words = [("report", "b", key and f"{key}{number}", 5, 600000) for number in range(3)]
        if key == "-":
            words = [("report", "b", "-", 5)] * 3
        for warm in words[:2]:
            before = self.proxy.counts["client"]
            self.ok(self.writer.ask(*warm))
        messages = self.proxy.counts["client"] - before
        self.stop_writers()
        reached = threading.Event()
        self.proxy.arm("client", messages - 3, "call", call=lambda: (reached.set(), self.goes_on.wait()))
        thread, answers = self.ask(self.writer, *words[2])
        self.assertTrue(reached.wait(60))
        self.wait_until(lambda: self.used("b") == 15)
        self.assertFalse(self.all_lasts())
        return thread, answers

    def go_on(self, thread):
        self.goes_on.set()
        thread.join()

    def terminate(self):
        self.person.ask("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ff'"
                        " AND state = 'active'")

    def test_no_lock_is_held_meanwhile(self):
        thread, answers = self.hold("-")
        self.ok(self.other.ask("report", "b", "-", 5))
        self.assertEqual((self.used("b"), answers), (20, []))
        self.go_on(thread)
        self.ok(answers[0])

    def test_a_replay_makes_last_what_it_replays(self):
        thread, answers = self.hold("key")
        self.assertTrue(self.ok(self.other.ask("report", "b", "key2", 5))["replayed"])
        self.assertTrue(self.all_lasts())
        self.assertEqual(answers, [])
        self.go_on(thread)
        self.assertFalse(self.ok(answers[0])["replayed"])
        self.assertEqual(self.used("b"), 15)

    def test_a_replay_that_cannot_make_it_last(self):
        self.let_in("app")
        other = self.host(self.server.port, user="app")
        self.forbid_to_emit()
        thread, answers = self.hold("key")
        self.assert_error(other.ask("report", "b", "key2", 5), "io", True)
        self.go_on(thread)
        self.ok(answers[0])
        self.assertTrue(self.ok(other.ask("report", "b", "key2", 5))["replayed"])
        self.assertEqual(self.used("b"), 15)

    def test_a_replay_of_what_lasts_writes_nothing(self):
        end = "SELECT pg_current_wal_insert_lsn()"
        self.stop_writers()
        for _ in range(2):  # a key that was taken for fresh in vain, and what it had written
            self.ok(self.other.ask("report", "b", "key", 5))
        before = self.person.ask(end)
        self.assertTrue(self.ok(self.other.ask("report", "b", "key", 5))["replayed"])
        self.assertEqual(self.person.ask(end), before)

    def test_a_session_that_ends_meanwhile(self):
        thread, answers = self.hold("-")
        self.terminate()
        self.go_on(thread)
        self.assert_error(answers[0], "commit_unknown", False)
        self.assertEqual(self.used("b"), 15)

    def test_a_key_that_is_found_is_made_to_last(self):
        thread, answers = self.hold("key")
        self.terminate()
        self.go_on(thread)
        self.assertFalse(self.ok(answers[0])["replayed"])
        self.assertTrue(self.all_lasts())
        self.assertEqual(self.used("b"), 15)

    def shown_to_new(self, setting):
        with contextlib.closing(Psql(self.server)) as session:
            return session.ask(f"SHOW {setting}")

    def test_locks_are_kept_where_a_standby_is_waited_for(self):
        self.ok(self.writer.ask("report", "b", "-", 5))
        self.addCleanup(self.set_up_server, "synchronous_standby_names = ''")
        self.set_up_server("synchronous_standby_names = 'nobody'")
        # What a new session has, older ones are about to have.
        self.wait_until(lambda: self.shown_to_new("synchronous_standby_names") == ["nobody"])
        self.writer.ask("start", "b", 1, "-")  # until one waits
        self.wait_for_sessions(1, "wait_event = 'SyncRep'")
        thread, answers = self.ask(self.other, "report", "b", "-", 5)
        self.wait_for_sessions(1, "wait_event_type = 'Lock'")
        self.set_up_server("synchronous_standby_names = ''")
        thread.join()
        self.ok(answers[0])
        told = self.writer.ask("stop")
        self.assertEqual(self.used("b"), 5 + told["applied"] + 5)


class Deadlines(Sessions):
    """A call with a deadline waits no longer than that, and the server does not go on for it."""

    WAIT_MS = 200

    def lock(self):
        """Until the answer is called."""
        holder = self.psql()
        holder.ask(f"BEGIN; LOCK TABLE {self.schema}.ff_budget_usage IN ACCESS EXCLUSIVE MODE")
        return lambda: holder.ask("ROLLBACK")

    def assert_not_charged(self, host, budget):
        again = self.ok(host.ask("report", budget, "key", 5))
        self.assertFalse(again["replayed"], again)
        self.assertEqual(self.used(budget), 5)

    def test_a_lock_that_another_session_holds(self):
        host = self.patient_host()
        unlock = self.lock()
        told = host.ask("report", "b", "key", 5, self.WAIT_MS)
        self.assert_error(told, "deadline", True)
        self.wait_for_sessions(0)  # none of ours waits for the lock any more
        unlock()
        self.assert_not_charged(host, "b")

    def test_the_lock_of_a_batch_of_another_host(self):
        first, second = self.patient_host(), self.patient_host()
        unlock = self.lock()
        thread, answers = self.ask(first, "report", "b", "first", 5)
        self.wait_for_sessions(1, "wait_event_type = 'Lock'")
        self.assert_error(second.ask("report", "b", "key", 5, self.WAIT_MS), "deadline", True)
        self.wait_for_sessions(1)
        unlock()
        thread.join()
        self.ok(answers[0])
        self.assertFalse(self.ok(second.ask("report", "b", "key", 5))["replayed"])
        self.assertEqual(self.used("b"), 10)

    def assert_neighbour_is_decided(self, host, budget):
        """The connection of both is given up by the first, however late, and the second waits on one of its own."""
        unlock = self.lock()
        own = self.proxy.accepted + (1 if self.sessions("true") else 2)
        thread, answers = self.ask(host, "pair", budget, "key", 5, 15 * self.WAIT_MS)  # it has to connect first
        self.wait_until(lambda: self.proxy.accepted == own)
        self.wait_for_sessions(1)
        self.wait_for_sessions(1, "wait_event_type = 'Lock'")
        unlock()
        thread.join()
        self.assert_error(answers[0], "deadline", True)
        self.assertEqual(answers[0]["other"], "ok")
        self.assertEqual(self.used(budget), 5)
        self.ok(host.ask("report", budget, "key", 5))
        self.assertEqual(self.used(budget), 10)

    def test_its_neighbour_is_decided(self):
        self.assert_neighbour_is_decided(self.patient_host(), "b")

    def test_so_it_is_where_the_connection_was_lost_before(self):
        host = self.patient_host()
        self.proxy.cut()
        self.wait_for_sessions(0)
        self.assert_neighbour_is_decided(host, "b")

    def test_a_queue_behind_others_that_wait(self):
        host = self.patient_host()
        unlock = self.lock()
        host.ask("start", "b", 1, "-")
        self.wait_for_sessions(1, "wait_event_type = 'Lock'")
        self.assert_error(host.ask("report", "b", "key", 5, self.WAIT_MS), "deadline", True)
        self.assertEqual(self.sessions("wait_event_type = 'Lock'"), 1)
        unlock()
        told = host.ask("stop")
        self.assertFalse(self.ok(host.ask("report", "b", "key", 5))["replayed"])
        self.assertEqual(self.used("b"), told["applied"] + 5)

    def test_a_network_that_goes_silent(self):
        host = self.patient_host()
        self.ok(host.ask("report", "warm", "-", 1))
        before = dict(self.proxy.counts)
        self.ok(host.ask("report", "warm", "key", 1))
        messages = {side: self.proxy.counts[side] - before[side] for side in SIDES}
        for side, at in [("client", at) for at in (1, 4)] + [("server", at) for at in (1, 4, 7)]:
            budget = f"b-{side}-{at}"
            with self.subTest(side=side, message=at, of=messages[side]):
                self.assertLess(at, messages[side])
                self.proxy.arm(side, at, "silence")
                told = host.ask("report", budget, "key", 5, self.WAIT_MS)
                self.assert_error(told, "deadline", True)
                self.wait_for_sessions(0)
                self.proxy.heal()
                self.assert_not_charged(host, budget)

    def test_a_server_that_does_not_let_in(self):
        host = self.patient_host()
        before = dict(self.proxy.counts)
        self.proxy.cut()
        self.ok(host.ask("report", "warm", "key", 1))
        messages = {side: self.proxy.counts[side] - before[side] for side in SIDES}
        for side, at in (("client", 1), ("client", 2), ("server", 1), ("server", 5)):
            budget = f"b-{side}-{at}"
            with self.subTest(side=side, message=at, of=messages[side]):
                self.proxy.cut()
                self.proxy.arm(side, at, "silence")
                told = host.ask("report", budget, "key", 5, self.WAIT_MS)
                self.assert_error(told, "deadline", True)
                self.proxy.heal()
                self.assert_not_charged(host, budget)

    def test_a_server_that_is_away_is_found_when_it_is_back(self):
        host = self.patient_host()
        self.proxy.refuse(-1)
        self.proxy.cut()
        codes = {host.ask("report", "b", "key", 5, 30)["code"] for _ in range(40)}
        self.assertEqual(codes, {"io", "deadline"})
        self.proxy.heal()
        while (told := host.ask("report", "b", "key", 5, 30))["code"] == "deadline":
            pass  # what is left of the pause
        self.assertFalse(self.ok(told)["replayed"])
        self.assertEqual(self.used("b"), 5)


class Idle(NetworkTest):
    def test_a_connection_that_was_lost_while_idle_is_made_again(self):
        host = self.host()
        for number in range(3):
            self.proxy.cut()
            self.assertTrue(self.ok(host.ask("report", "b", "-", 5))["applied"])
            self.assertEqual(self.used("b"), 5 * (number + 1))

    def test_a_server_that_was_restarted_while_it_was_idle(self):
        host = self.host()
        self.ok(host.ask("report", "b", "-", 5))
        self.server.restart()
        self.assertTrue(self.ok(host.ask("report", "b", "-", 5))["applied"])
        self.assertEqual(self.used("b"), 10)

    def test_connections_that_are_refused_for_a_while(self):
        host = self.host()
        self.ok(host.ask("report", "b", "-", 5))
        self.proxy.refuse(8)
        self.proxy.cut()
        begun = time.monotonic()
        for _ in range(8):
            self.assert_error(host.ask("report", "b", "-", 5), "io", True)
        self.assertGreater(time.monotonic() - begun, 1.27, "the pauses grow")
        self.ok(host.ask("report", "b", "-", 5))
        self.proxy.cut()
        self.ok(host.ask("report", "b", "-", 5, 1200))  # and there is none any more, which would be longer
        self.assertEqual(self.used("b"), 15)


class Errors(NetworkTest):
    """What the server says no to, each told by code and in words."""

    def failed(self, uri, *words):
        status, answer = self.ffctl(uri, *(words or ("report", "b", "n=1")))
        self.assertEqual(status, 1, answer)
        return answer["error"]

    def test_a_host_where_nobody_listens(self):
        self.assert_error(self.failed("postgresql://ff@127.0.0.1:1/postgres"), "io", True, "127.0.0.1")

    def test_a_host_that_is_off_in_front_of_one_that_serves(self):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as off:
            port = off.getsockname()[1]
            error = self.failed(self.uri(port, connect_timeout=1))  # it fills the queue, and who comes behind it is not heard
            self.assert_error(error, "io", True, "nobody answered")
            both = self.uri(f"{port},127.0.0.1:{self.server.port}", connect_timeout=1)
            self.assertEqual(self.ffctl(both, "report", "b", "n=1")[0], 0)
            neither = self.uri(f"{port},127.0.0.1:1", connect_timeout=1)
            self.assert_error(self.failed(neither), "io", True, "refused")
            begun = time.monotonic()
            with mock.patch.dict(os.environ, PGCONNECT_TIMEOUT="1"):
                error = self.failed(self.uri(port))
            self.assertLess(time.monotonic() - begun, 9)  # in place of 10
        self.assert_error(error, "io", True, "nobody answered")
        self.assertIn(f":{port}/", error["message"])
        with mock.patch.dict(os.environ, PGCONNECT_TIMEOUT="soon"):
            self.assert_error(self.failed(self.uri()), "invalid", False, "PGCONNECT_TIMEOUT")
        with mock.patch.dict(os.environ, PGCONNECT_TIMEOUT=""):
            self.assertEqual(self.ffctl(self.uri(), "report", "b", "n=1")[0], 0)

    def test_a_host_that_says_nothing_in_front_of_one_that_serves(self):
        """Its queue takes who comes, and nobody reads. The second has the port of the server, at another address."""
        serves = self.server.port
        with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.2", serves)) as second:
            silent = f"127.0.0.1:{first.getsockname()[1]}"
            for hosts, mode in ((f"{silent},127.0.0.1:{serves}", "disable"),
                                (f"127.0.0.1:1,{silent},127.0.0.1:{serves}", "prefer"),
                                (f"{silent},127.0.0.2:{serves},127.0.0.1:{serves}", "prefer")):
                uri = f"postgresql://ff@{hosts}/postgres?schema={self.schema}&connect_timeout=2&sslmode={mode}"
                self.assertEqual(self.ffctl(uri, "report", "b", "n=1")[0], 0, hosts)
            with mock.patch.dict(os.environ, PGHOST="127.0.0.3,127.0.0.2,127.0.0.1", PGPORT=str(serves)):
                uri = f"postgresql://ff@/postgres?schema={self.schema}&connect_timeout=2"
                self.assertEqual(self.ffctl(uri, "report", "b", "n=1")[0], 0)
            self.assertEqual(self.used("b"), 4)
            for hosts, why in ((silent, "nobody answered"), (f"{silent},127.0.0.1:1", "refused"),
                               (f"127.0.0.1:1,{silent}", "nobody answered"), (f"{silent},127.0.0.3", "refused"),
                               (f"{silent},%2Fnowhere", "No such file")):
                error = self.failed(f"postgresql://ff@{hosts}/postgres?connect_timeout=1")
                self.assert_error(error, "io", True, why)
            for listener, count in ((first, 8), (second, 2)):
                listener.setblocking(False)
                for _ in range(count):  # once by each that named it
                    listener.accept()[0].close()
                self.assertRaises(BlockingIOError, listener.accept)

    def test_a_wrong_password(self):
        self.psql().ask("CREATE ROLE locked LOGIN PASSWORD 'secret'")
        wrong = self.server.uri(user="locked:wrong", schema=self.schema)
        error = self.failed(wrong)
        self.assert_error(error, "io", False, "password authentication failed")
        self.assertEqual(error["native_code"], "28P01")
        self.assertNotIn("wrong", error["message"])
        self.assert_error(self.failed(self.server.uri(user="locked")), "io", True, "no password supplied")

    def test_a_database_that_is_not_there(self):
        error = self.failed(self.server.uri(database="nothing"))
        self.assert_error(error, "io", False, "nothing")

    def test_a_database_that_lets_nobody_in(self):
        self.psql().ask("CREATE DATABASE shut ALLOW_CONNECTIONS false")
        self.assert_error(self.failed(self.server.uri(database="shut")), "io", False, "not currently accepting")

    def test_a_database_that_a_role_may_not_connect_to(self):
        person = self.psql()
        person.ask("CREATE ROLE stranger LOGIN; CREATE DATABASE private")
        person.ask("REVOKE CONNECT ON DATABASE private FROM PUBLIC")
        error = self.failed(self.server.uri(user="stranger", database="private"))
        self.assert_error(error, "io", False, "permission denied for database")

    def test_settings_that_the_server_does_not_take(self):
        for option, words in (("nonsense=1", "unrecognized"), ("work_mem=much", "invalid value")):
            with mock.patch.dict(os.environ, PGOPTIONS=f"-c {option}"):
                self.assert_error(self.failed(self.uri()), "io", False, words)

    def test_encryption_that_the_server_does_not_have(self):
        self.assert_error(self.failed(self.uri(sslmode="require")), "io", False, "SSL")

    def test_a_schema_that_somebody_makes_at_the_same_time(self):
        person, other = self.psql(), self.psql()
        person.ask(f"BEGIN; CREATE SCHEMA {self.schema}")
        errors = []
        thread = threading.Thread(target=lambda: errors.append(self.failed(self.uri())))
        thread.start()
        waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ff' AND wait_event_type = 'Lock'"
        self.wait_until(lambda: other.ask(waits) == ["1"])
        person.ask("COMMIT")
        thread.join()
        self.assert_error(errors[0], "busy", True, "cannot open")
        self.assertEqual(self.ffctl(self.uri(), "report", "b", "n=1")[0], 0)

    def test_too_many_connections(self):
        self.host().close()
        person = self.psql()
        person.ask(f"CREATE ROLE few LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA {self.schema} TO few;"
                   f" GRANT ALL ON ALL TABLES IN SCHEMA {self.schema} TO few")
        uri = self.server.uri(self.proxy.port, user="few", schema=self.schema)
        holder = Host(uri)
        self.addCleanup(holder.close)
        self.ok(holder.ask("open"))
        error = self.failed(uri)
        self.assert_error(error, "busy", True, "too many connections")
        self.assertEqual(error["native_code"], "53300")
        self.ok(holder.ask("report", "b", "-", 5))

    def test_privileges_that_are_lacking(self):
        self.ok(self.host().ask("create", "b", 0))
        person = self.psql()
        person.ask(f"CREATE ROLE weak LOGIN; GRANT USAGE ON SCHEMA {self.schema} TO weak;"
                   f" GRANT SELECT ON ALL TABLES IN SCHEMA {self.schema} TO weak")
        weak = self.server.uri(user="weak", schema=self.schema)
        person.ask("REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, bytea) FROM PUBLIC")  # not ours
        self.assert_error(self.failed(weak), "io", False, "permission denied")
        self.forbid_to_emit()
        self.assert_error(self.failed(weak), "unavailable", False, "pg_logical_emit_message")
        self.assert_error(self.failed(f"{weak}&durability=normal"), "io", False, "permission denied")
        self.assertEqual(self.ffctl(weak, "budget", "status", "b")[0], 0)

    def test_a_schema_that_may_not_be_used(self):
        self.host().close()
        person = self.psql()
        self.let_in("guest")
        uri = self.uri(user="guest")
        host = self.host(user="guest")
        self.ok(host.ask("report", "b", "-", 1))
        person.ask(f"REVOKE USAGE ON SCHEMA {self.schema} FROM guest")
        for error in (host.ask("report", "b", "-", 1), self.failed(uri), self.failed(uri, "budget", "status", "b")):
            self.assert_error(error, "io", False, f"permission denied for schema {self.schema}")
            self.assertEqual(error["native_code"], "42501")
        person.ask(f"CREATE SCHEMA {self.schema}_new")
        self.assert_error(self.failed(f"{uri}_new"), "io", False, f"permission denied for schema {self.schema}_new")
        person.ask(f"GRANT USAGE ON SCHEMA {self.schema} TO guest")
        self.ok(host.ask("report", "b", "-", 1))
        self.assertEqual(self.used("b"), 2)

    def test_values_that_no_core_wrote(self):
        self.ok(self.host().ask("create", "b", 0))
        person = self.psql()
        table = f"{self.schema}.ff_budget_policy"
        # The last is followed by a NULL that may be.
        for change in ("ALTER breach_count TYPE int", "ALTER breach_count TYPE bigint, ALTER scope_id TYPE varchar",
                       "ALTER scope_id TYPE text, ALTER breach_count DROP NOT NULL"):
            with self.subTest(change=change):
                person.ask(f"ALTER TABLE {table} {change}")
                if "NULL" in change:
                    self.assertEqual(self.ffctl(self.uri(), "budget", "status", "b")[0], 0)
                    person.ask(f"UPDATE {table} SET breach_count = NULL")
                self.assertEqual(self.failed(self.uri(), "budget", "status", "b")["code"], "corrupt")

    def test_a_key_of_another_type(self):
        self.ok(self.host().ask("report", "b", "-", 5))
        self.psql().ask(f"ALTER TABLE {self.schema}.ff_budget_usage ALTER budget_id TYPE varchar")
        self.assert_error(self.failed(self.uri(), "report", "b", "n=1"), "corrupt", False, "'budget_id'")
        status, found = self.ffctl(self.uri(), "check")
        self.assertEqual(status, 1)
        self.assertIn("'budget_id'", "".join(found["problems"]))

    def lock_usage(self):
        person = self.psql()
        person.ask(f"BEGIN; LOCK TABLE {self.schema}.ff_budget_usage IN ACCESS EXCLUSIVE MODE")
        return person

    def test_a_statement_that_takes_too_long(self):
        self.host().close()  # the schema is made without a hurry
        host = self.host(statement_timeout_ms=300)
        person = self.lock_usage()
        told = host.ask("report", "b", "key", 5)
        self.assert_error(told, "io", True)
        self.assertEqual(told["native_code"], "57014")
        person.ask("ROLLBACK")
        self.assertFalse(self.ok(host.ask("report", "b", "key", 5))["replayed"])

    def test_a_lock_that_is_waited_for_too_long(self):
        self.host().close()
        host = self.host(busy_timeout_ms=20)
        person = self.lock_usage()
        self.assert_error(host.ask("report", "b", "key", 5), "busy", True)
        person.ask("ROLLBACK")
        self.assertFalse(self.ok(host.ask("report", "b", "key", 5))["replayed"])

    def test_an_export_that_nobody_reads_on(self):
        self.ok(self.host().ask("report", "b", "-", 5))
        person = self.psql()
        columns = "period, updated_at_ms, current_value, budget_id, dimensions_key"
        usage = f"{self.schema}.ff_budget_usage"
        person.ask(f"INSERT INTO {usage} ({columns}) SELECT period, updated_at_ms, 1, 'b', i FROM {usage},"
                   " generate_series(1, 5000) i")
        with subprocess.Popen([os.environ["FFCTL"], "--store", self.uri(statement_timeout_ms=200), "export"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as export:
            export.stdout.readline()
            begun = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ff' AND xact_start IS NOT NULL"
            self.wait_until(lambda: person.ask(begun) == ["0"])
            _, told = export.communicate()
        self.assertEqual(export.returncode, 1)
        self.assertIn("terminating connection due to idle-in-transaction timeout (busy; postgres 25P03", told)

    def test_a_deadline_that_passes_in_the_queue(self):
        host = self.host(busy_timeout_ms=100)
        person = self.lock_usage()
        host.ask("start", "b", 1, "-")
        host.ask("wait", 1)
        told = host.ask("report", "b", "key", 5, 1)
        self.assert_error(told, "deadline", True)
        person.ask("ROLLBACK")
        host.ask("stop")
        self.assertFalse(self.ok(host.ask("report", "b", "key", 5))["replayed"])


class Sealer:
    """Encrypts in front of a server, as a balancer or a pooler does: records have up to 16 KiB, where those of PostgreSQL
    15 itself have 8."""

    READY = b"Z\0\0\0\5"
    LAST = (b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0"
            b"RProcessInterrupts\0\0")

    def __init__(self, port, certificate):
        self.ends = False  # the next session that is in a transaction, behind the answers that tell so
        self.ended = None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self.server = ("127.0.0.1", port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        client.recv(8)  # it asks for encryption
        client.sendall(b"S")
        with self.context.wrap_socket(client, server_side=True) as sealed, socket.create_connection(self.server) as plain:
            threading.Thread(target=self.answer, args=(plain, sealed), daemon=True).start()
            while data := sealed.recv(PIECE):
                if self.ended is not sealed:
                    plain.sendall(data)
            plain.shutdown(socket.SHUT_RDWR)

    def end(self, sealed, answers):
        """What is said last comes along with the answers, in a record of its own."""
        self.ends, self.ended = False, sealed
        sealed.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        sealed.sendall(answers)
        sealed.sendall(b"E" + struct.pack("!i", 4 + len(self.LAST)) + self.LAST)
        socket.socket.shutdown(sealed, socket.SHUT_WR)

    def answer(self, plain, sealed):
        answers = b""
        with contextlib.suppress(OSError):
            while data := plain.recv(PIECE):
                answers += data
                if self.ends and answers[-6:] == self.READY + b"T":
                    self.end(sealed, answers)
                elif answers[-6:-1] == self.READY:
                    sealed.sendall(answers)
                    answers = b""

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@unittest.skipUnless(find_programs() and shutil.which("openssl"), f"{MISSING}, or no openssl (Debian's package)")
class Encryption(NetworkTest):
    """A server with a certificate that signs itself; its address is its name."""

    @classmethod
    def setUpClass(cls):
        cls.sealed = Server()
        cls.addClassCleanup(cls.sealed.close)
        cls.certificate, cls.other = cls.sealed.encrypt("127.0.0.1", "elsewhere.example")

    def setUp(self):
        super().setUp()
        self.server = self.sealed
        self.proxy = self.make_proxy()
        self.person = self.psql()

    def try_open(self, user="ff", **params):
        made = Host(self.server.uri(self.proxy.port, user=user, schema=self.schema, **params))
        self.addCleanup(made.close)
        return made, made.ask("open")

    def is_encrypted(self):
        sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'ff'"
        return self.person.ask(sql) == ["t"]

    def assert_serves(self, opened):
        host, told = opened
        self.ok(told)
        self.ok(host.ask("report", "b", "key", 5))
        self.assertTrue(self.is_encrypted())
        self.assertTrue(self.ok(host.ask("report", "b", "key", 5))["replayed"])
        self.assertEqual(self.used("b"), 5)
        return host

    def test_what_the_server_says_last_is_heard(self):
        host = self.assert_serves(self.try_open(sslmode="require", busy_timeout_ms=600000, statement_timeout_ms=0))
        locker = self.psql()
        locker.ask(f"BEGIN; LOCK TABLE {self.schema}.ff_budget_usage IN ACCESS EXCLUSIVE MODE")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(host.ask("report", "b", "-", 5)))
        thread.start()
        waiting = "FROM pg_stat_activity WHERE application_name = 'ff' AND wait_event_type = 'Lock'"
        while thread.is_alive():  # where a connection had lain idle, what it was lost with is asked once more
            self.person.ask(f"SELECT pg_terminate_backend(pid) {waiting}")
            thread.join(0.01)
        locker.ask("ROLLBACK")
        self.assert_error(answers[0], "io", True, "administrator command")

    def test_what_the_server_said_last_before_it_was_asked_is_heard(self):
        sealer = Sealer(self.server.port, self.certificate)
        self.addCleanup(sealer.close)
        host = self.host(sealer.port, sslmode="require")
        self.ok(host.ask("report", "b", "-", 5))
        sealer.ends = True
        self.assert_error(host.ask("report", "b", "-", 5), "io", True, "administrator command")
        self.assertEqual(self.used("b"), 5)

    def test_require_encrypts_and_asks_for_no_certificate(self):
        self.assert_serves(self.try_open(sslmode="require"))

    def test_many_calls_at_a_time(self):
        host = self.assert_serves(self.try_open(sslmode="require"))
        host.ask("start", "b", 8, "key")
        host.ask("wait", 2000)
        told = host.ask("stop")
        self.assertEqual((told["errors"], self.used("b")), ({}, 5 + told["applied"]))

    def test_verify_full_with_the_certificate_of_the_server(self):
        self.assert_serves(self.try_open(sslmode="verify-full", sslrootcert=self.certificate))

    def test_verify_full_with_another_certificate(self):
        _, told = self.try_open(sslmode="verify-full", sslrootcert=self.other)
        self.assert_error(told, "io", False, "certificate verify failed")

    def test_verify_full_without_a_certificate(self):
        _, told = self.try_open(sslmode="verify-full", sslrootcert=self.certificate.with_name("nothing.crt"))
        self.assert_error(told, "io", False, "nothing.crt")

    def test_verify_full_of_another_name(self):
        self.person.ask("SELECT 1")
        self.person.close()
        self.sealed.show("elsewhere.example")
        self.addCleanup(self.sealed.show, "127.0.0.1")
        self.person = self.psql()
        _, told = self.try_open(sslmode="verify-full", sslrootcert=self.other)
        self.assert_error(told, "io", False, "elsewhere.example")
        self.assert_serves(self.try_open(sslmode="verify-ca", sslrootcert=self.other))

    def test_a_server_that_wants_encryption(self):
        self.person.ask("CREATE ROLE sealed LOGIN; GRANT CREATE ON DATABASE postgres TO sealed")
        _, told = self.try_open("sealed", sslmode="disable")
        self.assert_error(told, "io", False, "no encryption")
        self.assertEqual(told["native_code"], "28000")
        self.assert_serves(self.try_open("sealed", sslmode="require"))

    def test_a_lost_connection_is_made_again_as_it_was(self):
        host = self.assert_serves(self.try_open(sslmode="verify-full", sslrootcert=self.certificate))
        for number in range(3):
            self.proxy.cut()
            self.ok(host.ask("report", "b", "-", 5))
            self.assertTrue(self.is_encrypted())
            self.assertEqual(self.used("b"), 10 + 5 * number)

    def test_records_longer_than_what_is_read_at_a_time(self):
        sealer = Sealer(self.server.port, self.certificate)
        self.addCleanup(sealer.close)
        limits = [f"--limit={'d' * 60}{number}=1" for number in range(10, 74)]
        for number in range(1, 6):
            self.assertEqual(self.ffctl(self.uri(), "budget", "create", f"b{number}", *limits)[0], 0)
            uri = self.uri(sealer.port, sslmode="require", statement_timeout_ms=1000)
            status, answer = self.ffctl(uri, "check")
            self.assertEqual(status, 0, answer)

    def test_a_connection_that_is_lost_while_it_is_negotiated(self):
        for side in SIDES:
            for at in (1, 2):
                for cut in CUTS:
                    with self.subTest(side=side, message=at, cut=cut):
                        self.proxy = self.make_proxy()  # so that none counts what is left of the connection before
                        self.proxy.arm(side, at, cut)
                        _, told = self.try_open(sslmode="verify-full", sslrootcert=self.certificate)
                        self.assert_error(told, "io", True)

    def test_a_deadline_while_it_is_negotiated(self):
        host = self.assert_serves(self.try_open(sslmode="require"))
        for side, at in (("client", 1), ("client", 2), ("server", 1), ("server", 2)):
            with self.subTest(side=side, message=at):
                self.proxy.cut()
                self.proxy.arm(side, at, "silence")
                self.assert_error(host.ask("report", f"{side}-{at}", "key", 5, 200), "deadline", True)
                self.proxy.heal()
                self.assertFalse(self.ok(host.ask("report", f"{side}-{at}", "key", 5))["replayed"])


class Spread(NetworkTest):
    """A store whose keys were changed to begin with the root, as docs/postgres.md has it."""

    def setUp(self):
        super().setUp()
        self.host().close()
        self.person = self.psql()
        recipe = re.search(r"```sql\n(SET search_path[^`]*PRIMARY KEY[^`]*)```", DOCS.read_text(encoding="utf-8"))[1]
        self.person.ask(recipe.replace("TO ff;", f"TO {self.schema};"))

    def report(self, budget, key):
        status, answer = self.ffctl(self.uri(), "--now", "1000", "report", budget, "n=1", "--key", key)
        self.assertEqual(status, 0, answer)
        return answer

    def test_every_key_begins_with_the_root(self):
        sql = ("SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indrelid JOIN pg_attribute ON attrelid ="
               " indrelid AND attnum = indkey[0] WHERE indisprimary AND relnamespace ="
               f" '{self.schema}'::regnamespace AND attname NOT IN ('budget_id', 'quota_policy_id')")
        self.assertEqual(self.person.ask(sql), ["ff_sweep"])

    def test_calls_and_the_purge(self):
        for budget in ("b", "a"):
            for key in ("2", "1", "3"):
                self.assertFalse(self.report(budget, key)["replayed"])
                self.assertTrue(self.report(budget, key)["replayed"])
        self.assertEqual(self.used("a"), 3)
        status, lines = self.ffctl(self.uri(), "--now", "1000", "check")
        self.assertEqual(status, 0, lines)
        left = f"SELECT dedup_key || budget_id FROM {self.schema}.ff_budget_usage_dedup ORDER BY dedup_key, budget_id"
        late = str(2 * 86400000)
        status, answer = self.ffctl(self.uri(), "--now", late, "tick", "--limit", "4")
        self.assertEqual((status, self.person.ask(left)), (0, ["3a", "3b"]), answer)
        status, answer = self.ffctl(self.uri(), "--now", late, "tick")
        self.assertEqual((status, self.person.ask(left)), (0, []), answer)

    def test_the_purge_sorts_nothing(self):
        self.person.ask("SET enable_seqscan TO off; SET enable_sort TO off")  # as the engine does
        plan = self.person.ask(f"EXPLAIN SELECT * FROM {self.schema}.ff_budget_usage_dedup WHERE (dedup_key, budget_id)"
                               " > ('k', 'b') ORDER BY dedup_key, budget_id LIMIT 1000")
        self.assertIn("using ff_budget_usage_dedup_by_key", plan[1])


class Tables(NetworkTest):
    """Tables that are changed while a host has the store open."""

    def setUp(self):
        super().setUp()
        self.open = self.host()
        self.ok(self.open.ask("report", "b", "first", 5))
        self.person = self.psql()

    def report_and_replay(self):
        for key, replayed in (("first", True), ("second", False), ("third", False), ("second", True)):
            self.assertEqual(self.ok(self.open.ask("report", "b", key, 5))["replayed"], replayed, key)

    def test_a_column_of_the_operators_own(self):
        for table in ("policy", "usage", "usage_dedup"):
            self.person.ask(f"ALTER TABLE {self.schema}.ff_budget_{table} ADD COLUMN mine int NOT NULL DEFAULT 7")
        self.report_and_replay()
        self.person.ask(f"ALTER TABLE {self.schema}.ff_budget_usage DROP COLUMN mine")
        self.report_and_replay_again()

    def report_and_replay_again(self):
        self.assertTrue(self.ok(self.open.ask("report", "b", "third", 5))["replayed"])
        self.assertTrue(self.ok(self.open.ask("report", "b", "-", 5))["applied"])
        self.assertEqual(self.used("b"), 20)
        mine = f"SELECT DISTINCT mine FROM {self.schema}.ff_budget_usage_dedup"
        self.assertEqual(self.person.ask(mine), ["7"])

    def test_a_column_that_comes_while_a_batch_is_under_way(self):
        """At each of its messages, but where it has locked the table."""
        self.person.ask("SET lock_timeout TO '50ms'")
        number = 0
        for deadline_ms in (0, 600000):
            messages = at = 1
            while at <= messages:
                for _ in range(2):
                    before = self.proxy.counts["client"]
                    number += 1
                    self.ok(self.open.ask("report", "b", number, 1, deadline_ms))
                messages = self.proxy.counts["client"] - before
                add = (f"DO $$BEGIN ALTER TABLE {self.schema}.ff_budget_usage_dedup ADD COLUMN mine{number} int;"
                       " EXCEPTION WHEN lock_not_available THEN NULL; END$$")
                self.proxy.arm("client", at, "call", call=lambda sql=add: self.person.ask(sql))
                number += 1
                with self.subTest(message=at, of=messages, deadline=deadline_ms):
                    self.assertFalse(self.ok(self.open.ask("report", "b", number, 1, deadline_ms))["replayed"])
                at += 1
        self.assertEqual(self.used("b"), 5 + number)
        came = self.person.ask("SELECT count(*) FROM pg_attribute WHERE attname LIKE 'mine%'"
                               f" AND attrelid = '{self.schema}.ff_budget_usage_dedup'::regclass")
        self.assertGreater(int(came[0]), 0)

    def test_a_schema_that_was_made_again(self):
        self.person.ask(f"DROP SCHEMA {self.schema} CASCADE")
        other = self.host()
        self.assertFalse(self.ok(self.open.ask("report", "b", "first", 5))["replayed"])
        self.assertTrue(self.ok(other.ask("report", "b", "first", 5))["replayed"])
        self.assertEqual(self.used("b"), 5)


class Commits(NetworkTest):
    """What is told of a commit that fails, where no key could tell what became of it."""

    END = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);"
    REFUSE = "RAISE 'no';"
    AT_COMMIT = "DEFERRABLE INITIALLY DEFERRED"

    def assert_told(self, code, retryable, body, when=""):
        host = self.host()
        self.ok(host.ask("report", "b", "-", 5))
        self.trigger(body, when)
        self.assert_error(host.ask("report", "b", "-", 5), code, retryable)
        self.assertEqual(self.used("b"), 5)

    def test_a_write_is_refused(self):
        self.assert_told("io", False, self.REFUSE)

    def test_a_commit_is_refused(self):
        self.assert_told("io", False, self.REFUSE, self.AT_COMMIT)

    def test_the_session_ends_in_front_of_it(self):
        self.assert_told("io", True, self.END)

    def test_the_session_ends_in_it(self):
        self.assert_told("commit_unknown", False, self.END, self.AT_COMMIT)

    def test_it_cannot_be_made_to_last(self):
        """Others see it by then."""
        self.host().close()
        person = self.psql()
        self.let_in("clerk")
        host, hasty = self.host(user="clerk"), self.host(user="clerk", durability="normal")
        for told in (host.ask("report", "b", "-", 5), hasty.ask("report", "b", "-", 5)):
            self.ok(told)
        self.forbid_to_emit()
        self.assert_error(host.ask("report", "b", "-", 5), "commit_unknown", False)
        self.ok(hasty.ask("report", "b", "-", 5))  # who does not wait for that needs no leave for it
        self.assertEqual(self.used("b"), 20)


class Prepared(NetworkTest):
    """Sessions that lose what was prepared, or have what was not: as behind a pooler that gives one out to many. Here a
    trigger does it to them."""

    ALL = "EXECUTE 'DEALLOCATE ALL';"
    NAMES = ("FOR i IN 0..99 LOOP BEGIN EXECUTE format('PREPARE ff%s_%s AS SELECT 1', current_setting('ff.session'), i);"
             " EXCEPTION WHEN duplicate_prepared_statement THEN NULL; END; END LOOP;")

    def setUp(self):
        super().setUp()
        self.open = self.host(durability="normal")
        self.person = self.psql()

    def test_none_is_there_any_more_between_two_transactions(self):
        self.trigger(self.ALL, "DEFERRABLE INITIALLY DEFERRED")
        for number, deadline in enumerate((0, 0, 600000, 600000, 0), 1):
            self.assertFalse(self.ok(self.open.ask("report", "b", f"key{number}", 5, deadline))["replayed"])
            self.assertEqual(self.used("b"), 5 * number)

    def assert_fails_once(self, native_code):
        used = self.used("b")
        told = self.open.ask("report", "b", "key", 5, 600000)
        self.assert_error(told, "io", True)
        self.assertEqual((told["native_code"], self.used("b")), (native_code, used))
        self.person.ask(f"DROP TRIGGER t ON {self.schema}.ff_budget_usage")
        self.assertFalse(self.ok(self.open.ask("report", "b", "key", 5, 600000))["replayed"])
        self.assertEqual(self.used("b"), used + 5)

    def test_none_is_there_any_more_within_a_transaction(self):
        for number in range(3):
            self.ok(self.open.ask("report", "b", f"key{number}", 5, 600000))
        self.trigger(self.ALL)
        self.assert_fails_once("26000")

    def test_a_name_is_taken(self):
        self.trigger(self.NAMES, "DEFERRABLE INITIALLY DEFERRED")
        self.ok(self.open.ask("report", "b", "key0", 5, 600000))
        self.assert_fails_once("42P05")  # an update of the usage, which was inserted


class Pooler:
    """Gives its one session to whoever asks, until a transaction is over: a pooler in transaction mode. Whatever a client
    leaves in the session stays there."""

    START = b"user\0ff\0database\0postgres\0client_encoding\0UTF8\0\0"
    ROLLBACK = HEAD.pack(b"Q", 4 + 9) + b"ROLLBACK\0"

    def __init__(self, port):
        self.session = socket.create_connection(("127.0.0.1", port))
        self.turn = threading.Lock()
        self.greeting = self.ask(struct.pack("!II", 8 + len(self.START), 196608) + self.START)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def ask(self, messages):
        """What the server answers until it is ready; the last byte tells whether a transaction is open."""
        self.session.sendall(messages)
        framing = Framing("server")
        answers = [b""]
        while answers[-1][:1] != b"Z":
            if not (data := self.session.recv(PIECE)):
                raise OSError("the session has ended")
            answers += framing.split(data)
        return b"".join(answers)

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        framing = Framing("client")
        framing.peer = Framing("server")
        asked, is_open = b"", False
        with client, contextlib.suppress(OSError):
            while data := client.recv(PIECE):
                for message in framing.split(data):
                    if message[0] == 0:  # it has no type, and begins: with encryption, which is refused
                        client.sendall(b"N" if len(message) == 8 else self.greeting)
                        continue
                    asked += message
                    if message[:1] in (b"Q", b"S"):
                        if not is_open:
                            is_open = self.turn.acquire()
                        answers, asked = self.ask(asked), b""
                        is_open = answers[-1:] != b"I"
                        if not is_open:
                            self.turn.release()
                        client.sendall(answers)
        if is_open:
            with contextlib.suppress(OSError):
                self.ask(self.ROLLBACK)
            self.turn.release()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.session.close()


class Shared(NetworkTest):
    """One session of the server for all hosts."""

    def setUp(self):
        super().setUp()
        self.pooler = Pooler(self.server.port)
        self.addCleanup(self.pooler.close)

    def test_what_was_left_in_it(self):
        for number in range(3):
            host = self.host(self.pooler.port)
            for deadline_ms in (0, 0, 600000):
                self.ok(host.ask("report", "b", "-", 5, deadline_ms))
            host.close()
            self.assertEqual(self.used("b"), 15 * (number + 1))

    def test_each_host_charges_its_own_store(self):
        schemas = [self.schema, f"{self.schema}_too"]
        hosts = [self.host(self.pooler.port, schema=schema) for schema in schemas]
        for number in range(4):
            for schema, host in zip(schemas, hosts):
                for key in (f"key{number}", f"key{number}", "-"):
                    self.ok(host.ask("report", schema, key, 5))
        person = self.psql()
        for schema in schemas:
            used = person.ask(f"SELECT budget_id, current_value FROM {schema}.ff_budget_usage")
            self.assertEqual(used, [f"{schema}|40"])

    def test_another_host_comes_in_between(self):
        """At each message of opening, and of the first report up to its transaction."""
        host, other = self.host(self.pooler.port), self.host(self.pooler.port, schema=f"{self.schema}_too")
        self.proxy.target = ("127.0.0.1", self.pooler.port)
        codes = []
        for at in range(1, 10):
            self.proxy.arm("client", at, "call", call=lambda: self.ok(other.ask("report", "theirs", "-", 5)))
            host = Host(self.uri())
            self.addCleanup(host.close)
            told = host.ask("open")
            codes.append(told["code"])
            if told["code"] != "ok":
                self.assert_error(told, "busy", True, "another client")
                self.ok(host.ask("open"))
            self.ok(host.ask("report", "b", f"key{at}", 5))
            self.assertEqual((self.proxy.fired, self.used("b")), (at, 5 * at))
            host.close()
        self.assertEqual(set(codes), {"ok", "busy"})


class Load:
    """Hosts that report on three budgets while something happens to the server."""

    HARD = 400

    def __init__(self, test):
        self.test = test
        plan = (("keyed", 4, "a"), ("keyed", 4, "b"), ("small", 4, "c"), ("small", 4, "d"), ("plain", 4, "-"))
        self.parts = [(budget, test.host(), threads, prefix) for budget, threads, prefix in plan]
        test.ok(self.parts[0][1].ask("create", "small", self.HARD))
        for budget, host, threads, prefix in self.parts:
            host.ask("start", budget, threads, prefix)
        self.wait(50)

    def wait(self, answers):
        for _, host, _, _ in self.parts:
            host.ask("wait", answers)

    def end(self):
        """The books are what the hosts were told."""
        told = [(budget, host.ask("stop")) for budget, host, _, _ in self.parts]
        NOTES.append(f"under load: {told}")
        test = self.test
        used = {budget: test.used(budget) for budget in ("keyed", "small", "plain")}
        applied = dict.fromkeys(used, 0)
        for budget, answer in told:
            applied[budget] += answer["applied"]
            test.assertLessEqual(set(answer["errors"]), {"io", "busy", "commit_unknown"})
        test.assertEqual(used["keyed"], applied["keyed"])
        test.assertEqual(used["small"], applied["small"])
        test.assertLessEqual(used["small"], self.HARD)
        unknown = told[-1][1]["errors"].get("commit_unknown", 0)
        test.assertLessEqual(applied["plain"], used["plain"])
        test.assertLessEqual(used["plain"], applied["plain"] + unknown)
        return told


class Restarts(NetworkTest):
    def test_a_server_that_crashes_under_load(self):
        load = Load(self)
        for _ in range(3):
            self.server.restart()
            load.wait(50)
        told = load.end()
        self.assertTrue(any(answer["errors"] for _, answer in told), "nobody noticed")

    def test_connections_that_are_cut_under_load(self):
        load = Load(self)
        for number in range(40):
            self.proxy.arm(SIDES[number % 2], 1 + 7 * number, CUTS[number % 3])
            load.wait(5)
            if number % 10 == 9:
                self.proxy.cut()
        load.end()


class Standby(NetworkTest):
    """A streaming standby that commits wait for takes over."""

    def setUp(self):
        primary = Server()
        self.addCleanup(primary.close)
        self.standby = Server(of=primary)
        self.addCleanup(self.standby.close)
        self.server = primary
        self.schema = "ff"
        self.proxy = self.make_proxy()
        self.reader = self.psql()
        self.reader.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.reader.ask("SELECT pg_reload_conf()")
        self.wait_for("sync_state = 'sync'")

    def wait_for(self, state):
        """Until the primary says so of the standby."""
        self.wait_until(lambda: self.reader.ask(f"SELECT {state} FROM pg_stat_replication") == ["t"])

    def test_the_standby_is_read_and_not_written(self):
        host = self.host()
        self.ok(host.ask("create", "b", 0))
        self.ok(host.ask("report", "b", "-", 5))
        self.wait_for("replay_lsn >= pg_current_wal_lsn()")
        uri = self.server.uri(self.standby.port)
        status, answer = self.ffctl(uri, "budget", "status", "b")
        self.assertEqual((status, answer["usage"]), (0, {"n": 5}), answer)
        status, answer = self.ffctl(uri, "report", "b", "n=1")
        self.assertEqual(status, 1)
        self.assert_error(answer["error"], "unavailable", False, "read-only standby")

    def test_a_replay_makes_last_what_it_replays(self):
        """What another has committed with less durability."""
        weak, host = self.host(durability="normal"), self.host()
        for number in range(2):
            self.ok(host.ask("report", "b", f"warm{number}", 5))
        self.stop_writers()
        self.ok(weak.ask("report", "b", "key", 5))
        self.assertFalse(self.all_lasts())
        self.assertTrue(self.ok(host.ask("report", "b", "key", 5))["replayed"])
        self.assertTrue(self.all_lasts())

    def test_one_that_was_led_to_the_standby_finds_back(self):
        host = self.host()
        self.ok(host.ask("report", "b", "-", 5))
        self.wait_for("replay_lsn >= pg_current_wal_lsn()")
        self.proxy.target = ("127.0.0.1", self.standby.port)
        self.proxy.cut()
        self.assert_error(host.ask("report", "b", "-", 5), "io", True, "during recovery")
        self.assert_error(host.ask("report", "b", "key", 5), "io", True, "during recovery")
        self.proxy.target = ("127.0.0.1", self.server.port)
        self.ok(host.ask("report", "b", "-", 5))
        self.assertEqual(self.used("b"), 10)

    def test_nothing_is_lost_where_the_standby_takes_over(self):
        load = Load(self)
        self.server.stop()
        self.standby.promote()
        self.proxy.target = ("127.0.0.1", self.standby.port)
        load.wait(50)
        self.server = self.standby
        self.reader = self.psql()
        told = load.end()
        self.assertTrue(any(answer["errors"] for _, answer in told), "nobody noticed")


if __name__ == "__main__":
    unittest.main()
