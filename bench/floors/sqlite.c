/*
 * The floor on SQLite. Two tables without rowids: keys, and of each budget's dimensions the limit beside what was used, so
 * that one row is read for both. Where keys are taken for fresh and one was there after all, the transaction begins anew and
 * looks every key up first.
 */
#include "floor.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS budgets(budget TEXT, dimension TEXT, hard INTEGER, value INTEGER, breaches INTEGER,"
    " PRIMARY KEY(budget, dimension)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS keys(key TEXT, budget TEXT, digest INTEGER, outcome INTEGER, expires_at_ms INTEGER,"
    " PRIMARY KEY(key, budget)) WITHOUT ROWID";

enum {
	BEGIN,
	COMMIT,
	ROLLBACK,
	READ_BUDGET,
	WRITE_USAGE,
	WRITE_BREACHES,
	READ_KEY,
	WRITE_KEY,
	CREATE_BUDGET,
	STATEMENTS_COUNT
};

static const char *const statements[STATEMENTS_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[READ_BUDGET] = "SELECT dimension, hard, value FROM budgets WHERE budget = ?1",
	[WRITE_USAGE] = "UPDATE budgets SET value = ?3 WHERE budget = ?1 AND dimension = ?2",
	[WRITE_BREACHES] = "UPDATE budgets SET breaches = breaches + ?2 WHERE budget = ?1",
	[READ_KEY] = "SELECT digest, outcome FROM keys WHERE key = ?1 AND budget = ?2",
	[WRITE_KEY] = "INSERT OR IGNORE INTO keys VALUES(?1, ?2, ?3, ?4, ?5)",
	[CREATE_BUDGET] = "INSERT INTO budgets VALUES(?1, ?2, ?3, 0, 0)",
};

struct bench_floor {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS_COUNT];
	bool is_plain;
	bool look_first;
	floor_batch batch;
};

static void must(const bench_floor *floor, int result, const char *doing)
{
	if (result != SQLITE_OK && result != SQLITE_DONE && result != SQLITE_ROW)
		floor_die(doing, sqlite3_errmsg(floor->db));
}

static void bind_text(sqlite3_stmt *statement, int parameter, const char *text, size_t size)
{
	sqlite3_bind_text(statement, parameter, text, (int)size, SQLITE_STATIC);
}

/* Runs a statement that answers no rows. */
static void run(const bench_floor *floor, int which, const char *doing)
{
	must(floor, sqlite3_step(floor->statements[which]), doing);
	sqlite3_reset(floor->statements[which]);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Without it every statement of every thread takes the lock over the count of memory (docs/sqlite.md). */
static void set_up(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* Floors of other processes have the lock for a commit each. SQLite's own handler sleeps for up to 100 ms at a time. */
static int sleep_a_little(void *context, int times)
{
	(void)context;
	usleep(times < 5 ? 50u << times : 2000u);
	return times < 60000;
}

static bench_floor *open_floor(const char *path, const char *query, ff_durability durability, bench_floor_kind kind)
{
	(void)query;
	static const char *const synchronous[] = {
		[FF_DURABILITY_FULL] = "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000",
		[FF_DURABILITY_NORMAL] = "PRAGMA synchronous = NORMAL",
		[FF_DURABILITY_NONE] = "PRAGMA synchronous = OFF",
	};
	bench_floor *floor = calloc(1, sizeof(*floor));
	if (!floor)
		floor_die("open", "memory is out");
	floor->is_plain = kind == BENCH_FLOOR_PLAIN;
	floor->look_first = kind != BENCH_FLOOR_UNSEEN;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	must(floor, sqlite3_open_v2(path, &floor->db, flags, NULL), "open");
	sqlite3_busy_handler(floor->db, sleep_a_little, NULL);
	must(floor, sqlite3_exec(floor->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), "open");
	must(floor, sqlite3_exec(floor->db, "PRAGMA journal_size_limit = 67108864", NULL, NULL, NULL), "open");
	must(floor, sqlite3_exec(floor->db, synchronous[durability], NULL, NULL, NULL), "open");
	must(floor, sqlite3_exec(floor->db, schema, NULL, NULL, NULL), "open");
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		must(floor,
		     sqlite3_prepare_v3(floor->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &floor->statements[i],
		                        NULL),
		     "open");
	return floor;
}

static void close_floor(bench_floor *floor)
{
	for (int i = 0; i < STATEMENTS_COUNT; i++)
		sqlite3_finalize(floor->statements[i]);
	sqlite3_close(floor->db);
	floor_batch_free(&floor->batch);
	free(floor);
}

static void remove_store(const char *path)
{
	static const char *const ends[] = { "-wal", "-shm", "-turn", "-journal", "" };
	floor_remove_files(path, ends, sizeof(ends) / sizeof(*ends));
}

static void create(bench_floor *floor, const ff_budget_spec *budgets, size_t count)
{
	run(floor, BEGIN, "create budgets");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < budgets[i].limits_count; j++) {
			const ff_limit *limit = &budgets[i].limits[j];
			sqlite3_stmt *statement = floor->statements[CREATE_BUDGET];
			bind_text(statement, 1, budgets[i].budget_id, strlen(budgets[i].budget_id));
			bind_text(statement, 2, limit->dimension, strlen(limit->dimension));
			sqlite3_bind_int64(statement, 3, (sqlite3_int64)limit->hard);
			run(floor, CREATE_BUDGET, "create budgets");
		}
	run(floor, COMMIT, "create budgets");
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

static void read_budget(bench_floor *floor, floor_budget *budget)
{
	sqlite3_stmt *statement = floor->statements[READ_BUDGET];
	bind_text(statement, 1, budget->id, budget->id_size);
	int result;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		unsigned i = budget->dimensions_count++;
		memcpy(budget->dimensions[i].name, sqlite3_column_text(statement, 0),
		       (size_t)sqlite3_column_bytes(statement, 0) + 1);
		budget->dimensions[i].hard = (uint64_t)sqlite3_column_int64(statement, 1);
		budget->dimensions[i].used = (uint64_t)sqlite3_column_int64(statement, 2);
		budget->dimensions[i].changed = false;
	}
	must(floor, result, "read a budget");
	sqlite3_reset(statement);
}

static void write_budget(bench_floor *floor, const floor_budget *budget)
{
	sqlite3_stmt *statement = floor->statements[WRITE_USAGE];
	for (unsigned i = 0; i < budget->dimensions_count; i++) {
		if (!budget->dimensions[i].changed)
			continue;
		bind_text(statement, 1, budget->id, budget->id_size);
		bind_text(statement, 2, budget->dimensions[i].name, strlen(budget->dimensions[i].name));
		sqlite3_bind_int64(statement, 3, (sqlite3_int64)budget->dimensions[i].used);
		run(floor, WRITE_USAGE, "write usage");
	}
	if (!budget->breaches)
		return;
	bind_text(floor->statements[WRITE_BREACHES], 1, budget->id, budget->id_size);
	sqlite3_bind_int64(floor->statements[WRITE_BREACHES], 2, (sqlite3_int64)budget->breaches);
	run(floor, WRITE_BREACHES, "write a policy");
}

/* Whether the key is known; then the outcome is the recorded one. */
static bool look_up(bench_floor *floor, const ff_report *report, uint64_t digest, unsigned char *applied)
{
	sqlite3_stmt *statement = floor->statements[READ_KEY];
	bind_text(statement, 1, report->idempotency_key, strlen(report->idempotency_key));
	bind_text(statement, 2, report->budget_id, strlen(report->budget_id));
	int result = sqlite3_step(statement);
	must(floor, result, "read a key");
	bool found = result == SQLITE_ROW;
	if (found && (uint64_t)sqlite3_column_int64(statement, 0) != digest)
		floor_die("replay", "the key was used with another payload");
	if (found)
		*applied = sqlite3_column_int(statement, 1) == FLOOR_OK;
	sqlite3_reset(statement);
	return found;
}

static void decide(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	floor_batch *batch = &floor->batch;
	for (size_t i = 0; i < count; i++) {
		const ff_report *report = &reports[i];
		bool has_key = report->idempotency_key != NULL;
		bool fresh;
		if (has_key)
			batch->digests[i] = floor_digest(report);
		if (has_key && floor->look_first && look_up(floor, report, batch->digests[i], &applied[i])) {
			batch->outcomes[i] = FLOOR_REFUSED + 1; /* nothing is to be written */
			continue;
		}
		floor_budget *budget = floor_batch_budget(batch, report->budget_id, &fresh);
		if (fresh)
			read_budget(floor, budget);
		batch->outcomes[i] = floor_decide(budget, report);
		applied[i] = batch->outcomes[i] == FLOOR_OK;
	}
}

/* False where a key was no fresh one. */
static bool write_keys(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms)
{
	floor_batch *batch = &floor->batch;
	sqlite3_stmt *statement = floor->statements[WRITE_KEY];
	floor_batch_sort(batch, reports, count);
	int before = sqlite3_total_changes(floor->db);
	for (size_t i = 0; i < batch->keys_count; i++) {
		uint32_t at = batch->keys[i].report;
		bind_text(statement, 1, reports[at].idempotency_key, strlen(reports[at].idempotency_key));
		bind_text(statement, 2, reports[at].budget_id, strlen(reports[at].budget_id));
		sqlite3_bind_int64(statement, 3, (sqlite3_int64)batch->digests[at]);
		sqlite3_bind_int(statement, 4, batch->outcomes[at]);
		sqlite3_bind_int64(statement, 5, expires_at_ms);
		run(floor, WRITE_KEY, "write a key");
	}
	return sqlite3_total_changes(floor->db) - before == (int)batch->keys_count;
}

/* False where a key was no fresh one. */
static bool report_some(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms,
                        unsigned char *applied)
{
	floor_batch_begin(&floor->batch, count);
	decide(floor, reports, count, applied);
	if (!write_keys(floor, reports, count, expires_at_ms))
		return false;
	for (size_t i = 0; i < floor->batch.budgets_count; i++)
		write_budget(floor, &floor->batch.budgets[i]);
	return true;
}

static void report(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	int64_t expires_at_ms = floor_now_ms() + FLOOR_KEY_TTL_MS;
	size_t step = floor->is_plain ? 1 : count;
	run(floor, BEGIN, "begin");
	for (size_t i = 0; i < count; i += step) {
		while (!report_some(floor, reports + i, step, expires_at_ms, applied + i)) {
			if (floor->look_first)
				floor_die("write a key", "a batch has a key twice");
			run(floor, ROLLBACK, "roll back");
			floor->look_first = true;
			run(floor, BEGIN, "begin");
		}
	}
	run(floor, COMMIT, "commit");
}

static uint64_t read_usage(bench_floor *floor, const char *budget_id, const char *dimension)
{
	floor_budget budget = { .id = budget_id, .id_size = strlen(budget_id) };
	read_budget(floor, &budget);
	for (unsigned i = 0; i < budget.dimensions_count; i++)
		if (strcmp(budget.dimensions[i].name, dimension) == 0)
			return budget.dimensions[i].used;
	floor_die("read usage", "there is no such dimension");
}

static void usage_of(bench_floor *floor, const char *const *budget_ids, size_t count, const char *dimension,
                     uint64_t *used)
{
	for (size_t i = 0; i < count; i++)
		used[i] = read_usage(floor, budget_ids[i], dimension);
}

const bench_floor_ops bench_floor_sqlite = {
	.scheme = "sqlite",
	.exists = floor_file_exists,
	.remove = remove_store,
	.set_up = set_up,
	.open = open_floor,
	.close = close_floor,
	.create = create,
	.report = report,
	.usage = usage_of,
};
