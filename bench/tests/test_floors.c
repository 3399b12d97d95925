/*
 * That a floor does the work it is said to do (bench/README.md), and no other: test_floors SCHEME. What it asks of its library is
 * counted, and what the engine's own connection is set to is compared with it.
 */
#include <lmdb.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef FF_BENCH_POSTGRES
#include <arpa/inet.h>
#include <libpq-fe.h>
#endif

#include "../floors/floor.h"
#include "check.h"

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", running, what);
	exit(EXIT_FAILURE);
}

/* ---- what is asked of the library ----------------------------------------------------------------------------- */

static struct asked {
	unsigned commits, round_trips, keys_read, budgets_read, keys_written, usage_written, refusals_written;
	unsigned behind_the_last; /* of the keys: by MDB_APPEND, also in vain */
	bool out_of_order;        /* keys were not written in their order */
	char key[128];            /* the last one that was */
} asked;

static void see_key(const char *key, size_t size)
{
	size = size < sizeof(asked.key) ? size : sizeof(asked.key) - 1;
	asked.out_of_order = asked.out_of_order || strncmp(asked.key, key, size) > 0;
	memcpy(asked.key, key, size);
	asked.key[size] = '\0';
}

static int see_statement(unsigned event, void *context, void *statement, void *text)
{
	static const struct {
		const char *begins;
		unsigned *count;
	} kinds[] = {
		{ "COMMIT", &asked.commits },
		{ "SELECT digest", &asked.keys_read },
		{ "SELECT dimension", &asked.budgets_read },
		{ "INSERT OR IGNORE INTO keys", &asked.keys_written },
		{ "UPDATE budgets SET value", &asked.usage_written },
		{ "UPDATE budgets SET breaches", &asked.refusals_written },
	};
	(void)event, (void)context;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(text, kinds[i].begins, strlen(kinds[i].begins)) == 0)
			++*kinds[i].count;
	char *whole = sqlite3_expanded_sql(statement);
	const char *key = whole ? strstr(whole, "keys VALUES('") : NULL;
	if (key)
		see_key(key + 13, strcspn(key + 13, "'"));
	sqlite3_free(whole);
	return 0;
}

#define WRAP(answer, name, ...)            \
	answer __real_##name(__VA_ARGS__); \
	answer __wrap_##name(__VA_ARGS__); \
	answer __wrap_##name(__VA_ARGS__)

/* The connections that there are; NULL: closed. */
static sqlite3 *opened[64];
static size_t opened_count;

static int see_connection(sqlite3 *db, char **message, const struct sqlite3_api_routines *routines)
{
	(void)message, (void)routines;
	if (opened_count < sizeof(opened) / sizeof(*opened))
		opened[opened_count++] = db;
	return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, see_statement, NULL);
}

static void see_end(const sqlite3 *db)
{
	for (size_t i = 0; i < opened_count; i++)
		opened[i] = opened[i] == db ? NULL : opened[i];
}

WRAP(int, sqlite3_close, sqlite3 *db)
{
	see_end(db);
	return __real_sqlite3_close(db);
}

WRAP(int, sqlite3_close_v2, sqlite3 *db)
{
	see_end(db);
	return __real_sqlite3_close_v2(db);
}

static unsigned flags; /* of the environment of the last commit */

WRAP(int, mdb_txn_commit, MDB_txn *txn)
{
	mdb_env_get_flags(mdb_txn_env(txn), &flags);
	asked.commits++;
	return __real_mdb_txn_commit(txn);
}

WRAP(int, mdb_cursor_get, MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
	asked.keys_read++;
	return __real_mdb_cursor_get(cursor, key, value, op);
}

/* A budget's policy; of each dimension the usage, which has two texts in its key. */
WRAP(int, mdb_get, MDB_txn *txn, MDB_dbi tree, MDB_val *key, MDB_val *value)
{
	asked.budgets_read += memchr(key->mv_data, '\0', key->mv_size) != NULL;
	return __real_mdb_get(txn, tree, key, value);
}

WRAP(int, mdb_put, MDB_txn *txn, MDB_dbi tree, MDB_val *key, MDB_val *value, unsigned how)
{
	asked.refusals_written++;
	return __real_mdb_put(txn, tree, key, value, how);
}

WRAP(int, mdb_cursor_put, MDB_cursor *cursor, MDB_val *key, MDB_val *value, unsigned how)
{
	int result = __real_mdb_cursor_put(cursor, key, value, how);
	asked.behind_the_last += how == MDB_APPEND;
	if (result == MDB_KEYEXIST)
		return result;
	if (how) {
		asked.keys_written++;
		see_key(key->mv_data, key->mv_size);
	} else {
		asked.usage_written++;
	}
	return result;
}

#ifdef FF_BENCH_POSTGRES
static unsigned *kinds[16]; /* what a statement counts as, by its name, which is a number */
static bool waits_for_disk;

WRAP(int, PQpipelineSync, PGconn *pg)
{
	asked.round_trips++;
	return __real_PQpipelineSync(pg);
}

WRAP(PGresult *, PQexec, PGconn *pg, const char *sql)
{
	if (strstr(sql, "synchronous_commit TO"))
		waits_for_disk = strstr(sql, "synchronous_commit TO  on") != NULL;
	return __real_PQexec(pg, sql);
}

WRAP(PGresult *, PQprepare, PGconn *pg, const char *name, const char *sql, int parameters, const Oid *types)
{
	static const struct {
		const char *begins;
		unsigned *count;
	} known[] = {
		{ "COMMIT", &asked.commits },
		{ "SELECT i, digest", &asked.keys_read },
		{ "SELECT i, dimension", &asked.budgets_read },
		{ "INSERT INTO keys", &asked.keys_written },
		{ "UPDATE usage", &asked.usage_written },
		{ "UPDATE policy", &asked.refusals_written },
	};
	unsigned number = (unsigned)atoi(name);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known) && number < 16; i++)
		if (strncmp(sql, known[i].begins, strlen(known[i].begins)) == 0)
			kinds[number] = known[i].count;
	return __real_PQprepare(pg, name, sql, parameters, types);
}

/* A statement counts for each element of the array that it takes. */
WRAP(int, PQsendQueryPrepared, PGconn *pg, const char *name, int count, const char *const *values, const int *sizes,
     const int *formats, int format)
{
	unsigned number = (unsigned)atoi(name);
	uint32_t elements = htonl(1);
	if (count)
		memcpy(&elements, values[0] + 12, sizeof(elements));
	if (number < 16 && kinds[number])
		*kinds[number] += ntohl(elements);
	return __real_PQsendQueryPrepared(pg, name, count, values, sizes, formats, format);
}
#endif

/* ---- batches -------------------------------------------------------------------------------------------------- */

#define COUNT 8

static const bench_floor_ops *ops;
static char path[256];
static unsigned char applied[COUNT];

/* Eight reports for two budgets, in the order of their keys or not; the last one's amount is its own. What begins a key says which
 * batch it is of, and in which order they are. */
static void report(bench_floor *floor, char first, bool in_order, uint64_t last)
{
	static char keys[COUNT][32];
	static ff_amount amounts[COUNT];
	ff_report reports[COUNT];
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned place = in_order ? i : i * 5 % COUNT;
		/* Two of the first eight bytes tell them apart. */
		snprintf(keys[i], sizeof(keys[i]), "%c%ukey-0%u-%u", first, place / 2, place % 2, i);
		amounts[i] = (ff_amount){ "tokens", i + 1 < COUNT ? 1 + i : last };
		reports[i] = (ff_report){ .budget_id = i % 2 ? "odd" : "even",
			                  .idempotency_key = keys[i],
			                  .amounts = &amounts[i],
			                  .amounts_count = 1 };
	}
	memset(&asked, 0, sizeof(asked));
	memset(applied, 7, sizeof(applied));
	ops->report(floor, reports, COUNT, applied);
}

static bool all_are(unsigned char wanted, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (applied[i] != wanted)
			return false;
	return true;
}

static bool is(const char *scheme)
{
	return strcmp(ops->scheme, scheme) == 0;
}

/* A server is asked for budgets before it is known that they are not wanted. */
static void check_work(unsigned keys_read, unsigned budgets, unsigned keys_written, unsigned usage,
                       unsigned round_trips)
{
	CHECK(asked.commits == 1);
	CHECK(asked.keys_read == keys_read);
	CHECK(asked.budgets_read == budgets || (is("postgres") && !budgets));
	CHECK(asked.keys_written == keys_written);
	CHECK(asked.usage_written == usage);
	CHECK(!is("postgres") || asked.round_trips == round_trips);
}

static void check_used(bench_floor *floor, uint64_t even, uint64_t odd)
{
	const char *const names[] = { "even", "odd" };
	uint64_t used[2];
	ops->usage(floor, names, 2, "tokens", used);
	CHECK(used[0] == even && used[1] == odd);
}

static bench_floor *open_floor_with(const char *query, bench_floor_kind kind, ff_durability durability)
{
	const ff_limit limits[] = { { .dimension = "tokens", .hard = 1000 } };
	ff_budget_spec specs[2] = { FF_BUDGET_SPEC_INIT, FF_BUDGET_SPEC_INIT };
	bench_floor *floor = ops->open(path, query, durability, kind);
	for (unsigned i = 0; i < 2; i++) {
		specs[i].budget_id = i ? "odd" : "even";
		specs[i].limits = limits;
		specs[i].limits_count = 1;
	}
	ops->create(floor, specs, 2);
	return floor;
}

static bench_floor *open_floor(bench_floor_kind kind, ff_durability durability)
{
	return open_floor_with("", kind, durability);
}

/* Whether so many keys were tried behind the last one, which only LMDB can be told. */
static bool were_behind(unsigned count)
{
	return !is("lmdb") || asked.behind_the_last == count;
}

static void test_looks(void)
{
	running = "looks";
	bench_floor *floor = open_floor(BENCH_FLOOR_LOOKS, FF_DURABILITY_NONE);
	report(floor, 'b', true, 8);
	check_work(COUNT, 2, COUNT, 2, 2);
	CHECK(all_are(1, COUNT) && !asked.out_of_order && were_behind(COUNT));
	report(floor, 'c', false, 8);
	check_work(COUNT, 2, COUNT, 2, 2);
	CHECK(all_are(1, COUNT) && !asked.out_of_order && were_behind(COUNT));
	report(floor, 'a', false, 8);
	check_work(COUNT, 2, COUNT, 2, 2);
	CHECK(all_are(1, COUNT) && !asked.out_of_order && were_behind(4)); /* and then no more */
	check_used(floor, 3 * (1 + 3 + 5 + 7), 3 * (2 + 4 + 6 + 8));
	/* Once more: it is known, and nothing is to be written. */
	report(floor, 'a', false, 8);
	check_work(COUNT, 0, 0, 0, 2);
	CHECK(all_are(1, COUNT));
	/* What is past the limit is not charged, but its key is kept, and the refusal counted. */
	report(floor, 'd', true, 1000);
	check_work(COUNT, 2, COUNT, 2, 2);
	CHECK(all_are(1, COUNT - 1) && applied[COUNT - 1] == 0 && were_behind(COUNT));
	CHECK(asked.refusals_written == 1);
	report(floor, 'd', true, 1000);
	check_work(COUNT, 0, 0, 0, 2);
	CHECK(all_are(1, COUNT - 1) && applied[COUNT - 1] == 0);
	check_used(floor, 4 * (1 + 3 + 5 + 7), 4 * (2 + 4 + 6) + 3 * 8);
	ops->close(floor);
	ops->remove(path);
}

static void test_unseen(void)
{
	running = "unseen";
	bench_floor *floor = open_floor(BENCH_FLOOR_UNSEEN, FF_DURABILITY_NONE);
	report(floor, 'a', true, 8);
	check_work(0, 2, COUNT, 2, 2);
	report(floor, 'b', false, 8);
	check_work(0, 2, COUNT, 2, 2);
	CHECK(all_are(1, COUNT) && !asked.out_of_order);
	report(floor, 'a', true, 8);
	CHECK(all_are(1, COUNT) && (is("postgres") || asked.usage_written == 0));
	check_used(floor, 2 * (1 + 3 + 5 + 7), 2 * (2 + 4 + 6 + 8));
	ops->close(floor);
	ops->remove(path);
}

static void test_plain(void)
{
	running = "plain";
	bench_floor *floor = open_floor(BENCH_FLOOR_PLAIN, FF_DURABILITY_NONE);
	report(floor, 'a', true, 8);
	check_work(COUNT, COUNT, COUNT, COUNT, COUNT + 1);
	CHECK(all_are(1, COUNT));
	report(floor, 'a', true, 8);
	check_work(COUNT, 0, 0, 0, COUNT + 1);
	/* Where nothing is charged, no usage is written. */
	report(floor, 'b', true, 1000);
	check_work(COUNT, COUNT, COUNT, COUNT - 1, COUNT + 1);
	check_used(floor, 2 * (1 + 3 + 5 + 7), 2 * (2 + 4 + 6) + 8);
	ops->close(floor);
	ops->remove(path);
}

/* A known key with other amounts is no replay, which is why the digest is read. In a process of its own, for it ends it. */
static void test_another_payload(void)
{
	running = "another payload";
	int status = 0;
	pid_t process = fork();
	if (process == 0) {
		bench_floor *floor = open_floor(BENCH_FLOOR_LOOKS, FF_DURABILITY_NONE);
		report(floor, 'a', true, 8);
		report(floor, 'a', true, 9);
		_exit(EXIT_SUCCESS);
	}
	if (process < 0 || waitpid(process, &status, 0) < 0)
		die("cannot start a process");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	ops->remove(path);
}

/* Keys that come in their order are not moved. */
static void test_order(void)
{
	static const char *const keys[] = { "a", "b", "c" };
	ff_report reports[3] = { { 0 } };
	floor_batch batch = { 0 };
	running = "order";
	floor_batch_begin(&batch, 3);
	for (unsigned i = 0; i < 3; i++) {
		reports[i].idempotency_key = keys[i];
		batch.outcomes[i] = FLOOR_OK;
		batch.spare[i].report = 7;
	}
	floor_batch_sort(&batch, reports, 3);
	CHECK(batch.keys_count == 3 && batch.keys[0].report == 0 && batch.keys[2].report == 2);
	CHECK(batch.spare[0].report == 7 && batch.spare[2].report == 7);
	floor_batch_free(&batch);
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
		die(sqlite3_errmsg(db));
	int64_t answer = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return answer;
}

/* A key's row holds a digest of what was reported, the outcome and the end. */
static void test_rows_of_sqlite(void)
{
	running = "rows";
	bench_floor *floor = open_floor(BENCH_FLOOR_LOOKS, FF_DURABILITY_NONE);
	sqlite3 *db = opened[opened_count - 1];
	int64_t before_ms = floor_now_ms();
	report(floor, 'a', true, 1001);
	CHECK(ask(db, "SELECT count(DISTINCT digest) FROM keys") == COUNT);
	CHECK(ask(db, "SELECT sum(outcome) FROM keys") == 1);
	CHECK(ask(db, "SELECT outcome FROM keys ORDER BY key DESC LIMIT 1") == 1);
	CHECK(ask(db, "SELECT min(expires_at_ms) FROM keys") >= before_ms + FLOOR_KEY_TTL_MS);
	CHECK(ask(db, "SELECT max(expires_at_ms) FROM keys") <= floor_now_ms() + FLOOR_KEY_TTL_MS);
	CHECK(ask(db, "SELECT sum(breaches) FROM budgets") == 1);
	ops->close(floor);
	ops->remove(path);
}

static void test_rows_of_lmdb(void)
{
	running = "rows";
	bench_floor *floor = open_floor(BENCH_FLOOR_LOOKS, FF_DURABILITY_NONE);
	int64_t before_ms = floor_now_ms();
	report(floor, 'a', true, 1001);
	report(floor, 'b', true, 1001);
	int64_t after_ms = floor_now_ms();
	ops->close(floor);
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi keys, policies;
	MDB_cursor *cursor;
	MDB_val key = { 3, "odd" }, value;
	uint64_t digests[2 * COUNT], refusals;
	unsigned count = 0, refused = 0;
	if (mdb_env_create(&env) || mdb_env_set_maxdbs(env, 3) || mdb_env_open(env, path, MDB_RDONLY, 0644) ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || mdb_dbi_open(txn, "keys", 0, &keys) ||
	    mdb_dbi_open(txn, "policies", 0, &policies) || mdb_cursor_open(txn, keys, &cursor) ||
	    mdb_get(txn, policies, &key, &value))
		die("cannot read what was written");
	memcpy(&refusals, value.mv_data, sizeof(refusals));
	CHECK(refusals == 2);
	while (count < 2 * COUNT && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		int64_t end_ms;
		memcpy(&digests[count], value.mv_data, 8);
		memcpy(&end_ms, (char *)value.mv_data + 8, 8);
		CHECK(value.mv_size == 17);
		CHECK(end_ms >= before_ms + FLOOR_KEY_TTL_MS && end_ms <= after_ms + FLOOR_KEY_TTL_MS);
		CHECK(count % COUNT == 0 || digests[count] != digests[count - 1]);
		refused += ((unsigned char *)value.mv_data)[16];
		count++;
	}
	CHECK(count == 2 * COUNT && refused == 2 && digests[0] == digests[COUNT]);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	ops->remove(path);
}

/* ---- settings ------------------------------------------------------------------------------------------------- */

static void make_budget(ff_engine *engine)
{
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	ff_created created;
	ff_error error;
	spec.budget_id = "one";
	if (ff_engine_create_budget(engine, &spec, &created, &error) != FF_OK)
		die(error.message);
}

static ff_engine *open_engine(const char *query, const char *durability)
{
	char uri[512];
	ff_engine *engine;
	ff_error error;
	snprintf(uri, sizeof(uri), "%s:%s.engine?%s&durability=%s", ops->scheme, path, query, durability);
	if (ff_engine_open(uri, NULL, &engine, &error) != FF_OK)
		die(error.message);
	make_budget(engine);
	return engine;
}

/* The engine's connection that writes. */
static sqlite3 *writer_of(size_t from)
{
	for (size_t i = from; i < opened_count; i++)
		if (opened[i] && !ask(opened[i], "PRAGMA query_only"))
			return opened[i];
	die("the engine has no connection that writes");
}

/* But for who folds the log, which the engine does itself, after as many pages. */
static void check_settings_of_sqlite(size_t engine_from, ff_durability durability)
{
	static const char *const names[] = { "PRAGMA synchronous",
		                             "PRAGMA page_size",
		                             "PRAGMA journal_size_limit",
		                             "PRAGMA cache_size",
		                             "PRAGMA mmap_size",
		                             "PRAGMA temp_store",
		                             "PRAGMA auto_vacuum",
		                             "PRAGMA secure_delete",
		                             "PRAGMA foreign_keys",
		                             "PRAGMA cache_spill",
		                             "SELECT journal_mode = 'wal' FROM pragma_journal_mode" };
	sqlite3 *engine = writer_of(engine_from), *floor = opened[engine_from - 1];
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		running = names[i];
		CHECK(ask(engine, names[i]) == ask(floor, names[i]));
	}
	CHECK(ask(floor, "PRAGMA wal_autocheckpoint") == (durability == FF_DURABILITY_FULL ? 4000 : 1000));
}

/* From this durability on. */
static void test_settings(const char *query, ff_durability from)
{
	static const char *const names[] = { "full", "normal", "none" };
	char engine_path[sizeof(path) + 16];
	snprintf(engine_path, sizeof(engine_path), "%s.engine", path);
	for (int i = (int)from; i <= FF_DURABILITY_NONE; i++) {
		opened_count = 0;
		bench_floor *floor = open_floor_with(query, BENCH_FLOOR_LOOKS, (ff_durability)i);
		unsigned floor_flags = flags;
		size_t engine_from = opened_count;
		ff_engine *engine = open_engine(query, names[i]);
		if (is("sqlite"))
			check_settings_of_sqlite(engine_from, (ff_durability)i);
		running = names[i];
		CHECK(floor_flags == flags);
		ff_engine_close(&engine);
		ops->close(floor);
		ops->remove(path);
		ops->remove(engine_path);
	}
}

#ifdef FF_BENCH_POSTGRES
/* A commit waits for the disk where it is to be durable, as those of the engine do. */
static void test_commits_of_postgres(void)
{
	running = "commits";
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++) {
		bench_floor *floor = open_floor(BENCH_FLOOR_LOOKS, (ff_durability)i);
		CHECK(waits_for_disk == (i == FF_DURABILITY_FULL));
		ops->close(floor);
		ops->remove(path);
	}
}
#endif

int main(int count, char **words)
{
	const char *scheme = count == 2 ? words[1] : "";
	char folder[] = "./ff-bench-floors-XXXXXX";
	if (!mkdtemp(folder))
		die("cannot make a folder");
	snprintf(path, sizeof(path), "%s/floor", folder);
	if (!strcmp(scheme, "sqlite"))
		ops = &bench_floor_sqlite;
	else if (!strcmp(scheme, "lmdb"))
		ops = &bench_floor_lmdb;
#ifdef FF_BENCH_POSTGRES
	else if (!strcmp(scheme, "postgres"))
		ops = &bench_floor_postgres;
#endif
	else
		die("usage: ff-bench-floors-tests SCHEME");
	if (is("postgres"))
		snprintf(path, sizeof(path), "///?schema=ff_floors_%d", (int)getpid());
	if (ops->set_up)
		ops->set_up();
	sqlite3_auto_extension((void (*)(void))see_connection); /* which is a use of the library */
	test_looks();
	test_unseen();
	test_plain();
	test_another_payload();
	test_order();
	if (is("sqlite")) {
		test_rows_of_sqlite();
		test_settings("busy_timeout_ms=5000", FF_DURABILITY_FULL);
		CHECK(sqlite3_memory_used() == 0); /* nobody counts it, which would take a lock */
	} else if (is("lmdb")) {
		test_rows_of_lmdb();
		test_settings("write_map=0", FF_DURABILITY_FULL);
		test_settings("write_map=1", FF_DURABILITY_NONE);
	}
#ifdef FF_BENCH_POSTGRES
	if (is("postgres"))
		test_commits_of_postgres();
#endif
	rmdir(folder);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
