"""ffctl on a PostgreSQL server: who may do what, what is told when the server is not as it should be, and that nothing
is lost or charged twice where it goes away. Runs beside the server of tools/with-postgres.sh."""
import json
import os
import shutil
import socket
import subprocess
from unittest import mock

from harness import Case


def sql(text, database="ff", user="ff"):
    """What psql answers, without headings."""
    done = subprocess.run([os.environ["FF_POSTGRES_BIN"] + "/psql", "-XqAtv", "ON_ERROR_STOP=1", "-U", user, "-d",
                           database, "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def as_owner(program, *arguments):
    """Runs a program of the server's as the user whose the server is."""
    subprocess.run([*os.environ["FF_POSTGRES_AS"].split(), f"{os.environ['FF_POSTGRES_BIN']}/{program}", *arguments],
                   check=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def server(*arguments, data="data"):
    """Starts, stops or restarts it."""
    folder = os.environ["FF_POSTGRES"]
    as_owner("pg_ctl", "-D", f"{folder}/{data}", "-l", f"{folder}/log", "-w", *arguments)


class Server(Case):
    def schema(self, name="store"):
        return f'"{self.dir.name}_{name}"'

    def fields(self, *arguments, **named):
        """The error that a command answers, and its message is one line."""
        fields = self.one(*arguments, status=1, **named)["error"]
        self.assertNotIn("\n", fields["message"])
        return fields


class Opening(Server):
    def test_a_person_sees_what_is_there(self):
        self.one("budget", "create", "b", "--limit", "x=10")
        self.one("report", "b", "x=7", "--key", "k")
        self.assertEqual(sql(f"SELECT budget_id, dimensions_key, current_value FROM {self.schema()}.ff_budget_usage"),
                         "b|x|7")
        self.assertEqual(sql(f"SELECT dedup_key FROM {self.schema()}.ff_budget_usage_dedup"), "k")
        self.assertEqual(sql(f"SELECT version FROM {self.schema()}.ff_schema"), "1")

    def test_the_uri(self):
        store = f"postgresql://{os.environ['PGUSER']}@127.0.0.1:{os.environ['PGPORT']}/ff?schema={self.dir.name}_uri"
        self.one("budget", "create", "b", store=store)
        folder = os.environ["FF_POSTGRES"].replace("/", "%2F")
        by_socket = f"postgres://ff@{folder}:{os.environ['PGPORT']}/ff?schema={self.dir.name}_uri&connect_timeout=5"
        self.assertEqual(self.one("budget", "list", store=by_socket)["budget_id"], "b")
        by_socket = f"postgres:///ff?host={folder}&schema={self.dir.name}_uri&application_name=a%20b"
        self.assertEqual(self.one("budget", "list", store=by_socket)["budget_id"], "b")

    def test_bad_uris(self):
        for wrong in ("postgres:ff", "postgres:///ff?schema=", "postgres:///ff?pool=0", "postgres:///ff?sslmode=x&pool=y",
                      "postgres:///ff?pool=1&pool=2", "postgres://[::1/ff", "postgres:///ff?schema=" + "x" * 64,
                      "postgres:///ff?schema=%C3"):
            self.assertEqual(self.fields("budget", "list", store=wrong)["code"], "invalid", wrong)
        self.assertNotIn("cret", self.fields("budget", "list", store="postgres://u:se%2Dcret@[::1/ff")["message"])
        message = self.fields("budget", "list", store="postgres:///ff?nonsense=1")["message"]
        for known in ("'nonsense'", "schema", "pool", "busy_timeout_ms", "statement_timeout_ms", "durability",
                      "partitions", "host", "port", "user", "dbname", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl",
                      "connect_timeout", "application_name", "target_session_attrs", "tcp_user_timeout", "channel_binding",
                      "gssencmode", "service"):
            self.assertRegex(message, rf"(^|\W){known}($|\W)")

    def test_values_that_libpq_would_refuse(self):
        """Nobody is asked, so sending the call again would not help; what may change meanwhile is another matter."""
        wrong = ("sslmode=bogus", "sslmode=prefe", "sslmode=prefer%20require", "target_session_attrs=bogus", "channel_binding=x",
                 "gssencmode=x", "port=0", "port=bogus", "port=1x", "port=65536", "port=99999999999999999999", "port=-1",
                 "host=a,b&port=1,0", "host=a,b&port=1,2,3", "connect_timeout=x", "connect_timeout=99999999999",
                 "tcp_user_timeout=1s", "pool=1001", "partitions=0", "partitions=1025", "busy_timeout_ms=-1",
                 "busy_timeout_ms=2147483648", "statement_timeout_ms=-1", "statement_timeout_ms=1073741824")
        for query in wrong:
            fields = self.fields("budget", "list", store=f"{self.store}&{query}")
            self.assertEqual((fields["code"], fields["retryable"]), ("invalid", False), (query, fields))
        for place in ("//127.0.0.1:0/", "//127.0.0.1:65536/", "//a:1,b:0/"):
            fields = self.fields("budget", "list", store=self.store.replace("///", place))
            self.assertEqual((fields["code"], fields["retryable"]), ("invalid", False), (place, fields))
        message = self.fields("budget", "list", store=f"{self.store}&sslmode=bogus")["message"]
        self.assertEqual(message, "parameter 'sslmode' is 'bogus', it takes one of: disable allow prefer require verify-ca"
                                  " verify-full")
        right = ("sslmode=disable", "sslmode=allow", "sslmode=prefer", "sslmode=", "target_session_attrs=any",
                 "target_session_attrs=read-write", "target_session_attrs=primary", "target_session_attrs=prefer-standby",
                 "channel_binding=disable", "channel_binding=prefer", "gssencmode=disable", "gssencmode=prefer",
                 f"port={os.environ['PGPORT']}", "port=", "connect_timeout=0", "connect_timeout=-1", "tcp_user_timeout=0",
                 "pool=1000", "partitions=1024", "busy_timeout_ms=0", "busy_timeout_ms=2147483647", "statement_timeout_ms=0",
                 "statement_timeout_ms=1073741823",
                 f"host=127.0.0.1,127.0.0.1&port={os.environ['PGPORT']},1", "host=127.0.0.1&port=" + os.environ["PGPORT"])
        self.one("budget", "create", "b")
        for query in right:
            self.assertEqual(self.one("budget", "list", store=f"{self.store}&{query}")["budget_id"], "b", query)
        for query in ("sslmode=verify-ca", "sslmode=verify-full", "sslmode=require", "target_session_attrs=read-only",
                      "target_session_attrs=standby", "channel_binding=require", "gssencmode=require"):
            self.assertEqual(self.fields("budget", "list", store=f"{self.store}&{query}")["code"], "io", query)

    def test_schemas_that_are_the_servers(self):
        for name in ("pg_x", "pg_catalog", "pg_temp", "%24user"):
            fields = self.fields("budget", "create", "b", store=f"postgres:///?schema={name}")
            self.assertEqual((fields["code"], fields["retryable"]), ("invalid", False), fields)
            self.assertIn("'schema'", fields["message"])
        for name in ("PG_x", "pgx", "$users", "x" * 63, "a%22b,%20C.d"):
            self.one("budget", "create", "b", store=f"postgres:///?schema={name}")

    def test_more_parts_than_the_server_has_locks_for(self):
        fields = self.fields("budget", "create", "b", store=f"{self.store}&partitions=1024")
        self.assertEqual((fields["code"], fields["native_code"], fields["retryable"]), ("io", "53200", False), fields)
        self.assertIn("max_locks_per_transaction", fields["message"])
        self.one("budget", "create", "b")  # nothing is left of it

    def test_where_nobody_answers(self):
        for host, port in (("127.0.0.1", 1), ("no-such-host.invalid", 5432)):
            store = f"postgres://u:se%2Dcret@{host}:{port}/ff?connect_timeout=0"  # for ever, but who refuses is not waited for
            fields = self.fields("budget", "create", "b", store=store)
            self.assertEqual((fields["code"], fields["retryable"]), ("io", True))
            self.assertIn(f"{host}:{port}/ff", fields["message"])
            self.assertFalse(fields["native_code"])
            self.assertNotIn("cret", json.dumps(fields))

    def test_what_the_server_refuses(self):
        for store, state, words in ((self.store.replace("///", "///nowhere"), "3D000", 'database "nowhere" does not exist'),
                                    (self.store.replace("///", "//nobody@/"), "28000", 'role "nobody" does not exist')):
            fields = self.fields("budget", "create", "b", store=store)
            self.assertEqual((fields["code"], fields["native_code"]), ("io", state), fields)
            self.assertTrue(fields["message"].endswith(f"': {words}"), fields)

    def test_a_wrong_password_is_told_and_not_repeated(self):
        folder = os.environ["FF_POSTGRES"]
        sql("CREATE ROLE locked LOGIN PASSWORD 'right'")
        with open(f"{folder}/data/pg_hba.conf", "r+") as file:
            rules = file.read()
            file.seek(0)
            file.write("host all locked 127.0.0.1/32 scram-sha-256\n" + rules)
        server("reload")
        store = self.store.replace("///", "//locked:Wr%20ong@/")
        done = self.run_raw("--json", "budget", "create", "b", store=store)
        fields = json.loads(done.stdout)["error"]
        self.assertEqual((done.returncode, fields["code"], fields["native_code"]), (1, "io", "28P01"), fields)
        self.assertNotIn("ong", done.stdout + done.stderr)
        self.one("budget", "create", "b")
        sql(f'GRANT USAGE ON SCHEMA {self.schema()} TO locked;'
            f'GRANT SELECT ON ALL TABLES IN SCHEMA {self.schema()} TO locked')
        self.one("budget", "list", store=self.store.replace("///", "//locked:right@/"))

    def test_too_many_connections(self):
        role = self.dir.name
        sql(f'CREATE ROLE "{role}" LOGIN CONNECTION LIMIT 0')
        fields = self.fields("budget", "create", "b", store=self.store.replace("///", f"//{role}@/"))
        self.assertEqual((fields["code"], fields["native_code"], fields["retryable"]), ("busy", "53300", True))

    def test_least_privileges(self):
        role = self.dir.name
        store = self.store.replace("///", f"//{role}@/")
        sql(f'CREATE ROLE "{role}" LOGIN')
        fields = self.fields("budget", "create", "b", store=store)
        self.assertEqual((fields["code"], fields["native_code"]), ("io", "42501"))
        self.one("budget", "create", "b")
        # What docs/postgres.md says is enough.
        sql(f'GRANT USAGE ON SCHEMA {self.schema()} TO "{role}";'
            f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {self.schema()} TO "{role}"')
        self.assertTrue(self.one("report", "b", "x=1", store=store)["applied"])
        self.one("tick", store=store)

    def test_a_schema_that_was_given(self):
        role = self.dir.name
        sql(f'CREATE ROLE "{role}" LOGIN; CREATE SCHEMA {self.schema()} AUTHORIZATION "{role}"')
        self.one("budget", "create", "b", store=self.store.replace("///", f"//{role}@/"))

    def test_a_newer_schema(self):
        self.one("budget", "create", "b")
        sql(f"UPDATE {self.schema()}.ff_schema SET version = 2")
        self.assertEqual(self.fields("budget", "list")["code"], "version")
        self.assertEqual(self.fields("report", "b", "x=1")["code"], "version")
        sql(f"UPDATE {self.schema()}.ff_schema SET version = {2**32 + 1}")
        self.assertEqual(self.fields("budget", "list")["code"], "version")
        sql(f"UPDATE {self.schema()}.ff_schema SET version = 0")
        self.assertEqual(self.fields("budget", "list")["code"], "corrupt")
        sql(f"UPDATE {self.schema()}.ff_schema SET version = 1; INSERT INTO {self.schema()}.ff_schema VALUES (1)")
        self.assertEqual(self.fields("budget", "list")["code"], "corrupt")
        sql(f"DELETE FROM {self.schema()}.ff_schema")
        self.assertEqual(self.fields("budget", "list")["code"], "corrupt")

    def test_a_database_of_bytes(self):
        sql(f'CREATE DATABASE "{self.dir.name}" TEMPLATE template0 ENCODING SQL_ASCII')
        for verb in (["list"], ["create", "b"]):
            fields = self.fields("budget", *verb, store=self.store.replace("///", f"///{self.dir.name}"))
            self.assertEqual((fields["code"], fields["retryable"]), ("unavailable", False), fields)
            self.assertIn("SQL_ASCII", fields["message"])

    def test_texts_are_utf_8_whatever_the_environment_says(self):
        with mock.patch.dict(os.environ, PGCLIENTENCODING="LATIN1"):
            self.one("budget", "create", "ü")
        self.assertEqual(sql(f"SELECT encode(budget_id::bytea, 'hex') FROM {self.schema()}.ff_budget_policy"), "c3bc")

    def test_nothing_is_printed_of_what_the_server_remarks(self):
        self.one("report", "b", "x=1")
        sql(f"CREATE FUNCTION {self.schema()}.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'no'; RETURN NEW;"
            f" END$$; CREATE TRIGGER t BEFORE UPDATE ON {self.schema()}.ff_budget_usage EXECUTE FUNCTION {self.schema()}.f()")
        self.assertEqual(self.run_raw("report", "b", "x=1").stderr, "")

    def capabilities(self, query=""):
        backends = {backend["name"]: backend for backend in self.lines("backends", store=self.store + query)}
        return backends["postgres"]["capabilities"]

    def test_what_a_store_claims(self):
        self.one("budget", "create", "b")
        always = ["MULTI_PROCESS", "SNAPSHOT_READ"]
        self.assertEqual(self.capabilities(), always, "the server does not sync")
        self.assertEqual(self.capabilities("&pool=2"), [*always, "CONCURRENT_WRITERS"])
        self.addCleanup(server, "reload")
        self.addCleanup(sql, "ALTER SYSTEM RESET fsync")
        sql("ALTER SYSTEM SET fsync TO on")
        server("reload")
        self.wait_until(lambda: sql("SHOW fsync") == "on")
        self.assertEqual(self.capabilities(), ["DURABLE_COMMIT", *always])
        self.assertEqual(self.capabilities("&durability=normal"), always)

    def wait_until(self, holds):
        for _ in range(600):
            if holds():
                return
            sql("SELECT pg_sleep(0.1)")
        self.fail("what was waited for did not come")

    def scans(self):
        """How often tables were read from end to end, and by an index, once the sessions that did so are gone."""
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{self.dir.name}'"
        self.wait_until(lambda: sql(sessions) == "0")
        counts = sql("SELECT sum(seq_scan), sum(idx_scan) FROM pg_stat_user_tables WHERE schemaname ="
                     f" '{self.dir.name}_store' AND relname <> 'ff_schema'")
        return [int(count) for count in counts.split("|")]

    def test_small_tables_are_read_by_their_indexes(self):
        self.store += f"&application_name={self.dir.name}"
        self.one("budget", "create", "b")
        self.one("report", "b", "x=1", "--key", "k")
        sql("ANALYZE")  # and the server knows how small they are
        made = self.scans()  # with the tables came indexes
        for key in "kkl":
            self.one("report", "b", "x=1", "--key", key)
        scans = self.scans()
        self.assertEqual(scans[0], made[0])
        self.assertGreater(scans[1], made[1])

    def test_a_table_that_is_gone(self):
        self.one("budget", "create", "b")
        sql(f"ALTER TABLE {self.schema()}.ff_budget_usage RENAME TO gone")
        fields = self.fields("report", "b", "x=1")
        self.assertEqual((fields["code"], fields["native_code"]), ("corrupt", "42704"))
        self.assertIn("ff_budget_usage", fields["message"])


class Losing(Server):
    """A replay reads lines from a pipe, and between two of them its connections go."""

    def start(self, *arguments):
        self.store += f"&application_name={self.dir.name}"
        self.one("budget", "create", "b")
        process = subprocess.Popen(self.command("--json", "replay", "-", "--budget", "b", "--dim", "x=n",
                                                "--key-prefix", "p", "--batch", 1, *arguments),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(process.communicate)
        self.send(process, "n")
        return process

    def send(self, process, *lines):
        process.stdin.write("".join(f"{line}\n" for line in lines))
        process.stdin.flush()

    def wait_for(self, value):
        """Until so much is charged: each look is a query, so there is no need to sleep."""
        for _ in range(100000):
            if sql(f"SELECT sum(current_value) FROM {self.schema()}.ff_budget_usage") == str(value):
                return
        self.fail(f"{value} was never charged")

    def test_idle_connections_are_replaced(self):
        process = self.start()
        for turn in range(1, 4):
            self.send(process, turn)
            self.wait_for(turn * (turn + 1) // 2)
            sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{self.dir.name}'")
        answer = json.loads(process.communicate()[0])
        self.assertEqual((process.returncode, answer["accepted"]), (0, 3), answer)

    def test_the_server_is_restarted(self):
        process = self.start()
        for turn in range(1, 3):
            self.send(process, turn)
            self.wait_for(turn * (turn + 1) // 2)
            server("-m", "immediate", "restart")
        self.send(process, 3)
        answer = json.loads(process.communicate()[0])
        self.assertEqual((process.returncode, answer["accepted"]), (0, 3), answer)
        self.assertEqual(self.one("budget", "status", "b")["usage"], {"x": 6})

    def test_the_server_is_down(self):
        process = self.start()
        self.send(process, 1)
        self.wait_for(1)
        server("-m", "fast", "stop")
        try:
            self.send(process, 2)
            error = json.loads(process.communicate()[0])["error"]
        finally:
            server("-o", f"-p {os.environ['PGPORT']}", "start")
        self.assertEqual((error["code"], error["retryable"], process.returncode), ("io", True, 1), error)
        log = self.write("log", "n\n1\n2\n")
        answer = self.one("replay", log, "--budget", "b", "--dim", "x=n", "--key-prefix", "p")
        self.assertEqual((answer["accepted"], answer["replayed"]), (1, 1))
        self.assertEqual(self.one("budget", "status", "b")["usage"], {"x": 3})


class Standby(Server):
    def setUp(self):
        super().setUp()
        self.one("budget", "create", "b")
        folder = os.environ["FF_POSTGRES"]
        as_owner("pg_basebackup", "-D", f"{folder}/standby", "-R", "-c", "fast", "-U", "ff")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.addCleanup(shutil.rmtree, f"{folder}/standby")
        server("-o", f"-p {self.port}", "start", data="standby")
        self.addCleanup(server, "-m", "immediate", "stop", data="standby")
        self.standby = self.store.replace("///", f"//127.0.0.1:{self.port}/ff")

    def test_a_standby_reads_and_says_that_it_does_not_write(self):
        self.assertEqual(self.one("budget", "list", store=self.standby)["budget_id"], "b")
        for arguments in (["report", "b", "x=1"], ["budget", "create", "c"]):
            fields = self.fields(*arguments, store=self.standby)
            self.assertEqual(fields["code"], "unavailable")
            self.assertIn("read-only standby", fields["message"])
        self.assertEqual(self.fields("budget", "list", store=self.standby + "x")["code"], "not_found")

    def test_a_standby_is_read_whatever_the_default_of_isolation_is(self):
        with mock.patch.dict(os.environ, PGOPTIONS="-c default_transaction_isolation=serializable"):
            self.assertEqual(self.one("budget", "list", store=self.standby)["budget_id"], "b")

    def test_a_standby_takes_over(self):
        both = f"postgres://127.0.0.1:{os.environ['PGPORT']},127.0.0.1:{self.port}/ff?target_session_attrs=read-write"
        self.store = f"{both}&{self.store.split('?')[1]}"
        self.assertTrue(self.one("report", "b", "x=1", "--key", "k")["applied"])
        server("-m", "fast", "stop")
        try:
            server("promote", data="standby")
            self.assertTrue(self.one("report", "b", "x=1", "--key", "k")["replayed"])
            self.assertTrue(self.one("report", "b", "x=2", "--key", "l")["applied"])
            self.assertEqual(self.one("budget", "status", "b")["usage"], {"x": 3})
        finally:
            server("-o", f"-p {os.environ['PGPORT']}", "start")
