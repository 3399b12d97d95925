/* The one runner, on PostgreSQL's cases, and what these share: tables, stores, transactions, and what people do to them. */
#include "postgres_test.h"

const test_subject subject = { .backend = &ffp_postgres_backend };

const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_postgres_backend, NULL };

const ffp_family *const families[] = {
	&cases_fork, &cases_locks, &cases_refusals, &cases_sessions, &cases_waits, NULL,
};

static const ff_case *case_at(size_t i)
{
	return ffp_case_in(families, i);
}

int main(int argc, char **argv)
{
	/* Of the server that libpq's variables name. */
	const ff_harness *harness = ff_harness_for_files("postgres:///?schema=tests_{}");
	if (!harness)
		return 2;
	int status = ffp_cases_main(argc, argv, case_at, harness);
	ff_harness_free(harness);
	return status;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

static const ff_column columns[] = {
	{ .name = "id", .offset = offsetof(item, id), .type = FF_TYPE_TEXT, .since = 1 },
	{ .name = "value", .offset = offsetof(item, value), .type = FF_TYPE_INT64, .since = 1 },
};

#define TABLE(name_, id_, key_count_, root_)                                                                    \
	{                                                                                                       \
		.name = (name_), .columns = columns, .row_size = sizeof(item), .columns_count = COUNT(columns), \
		.key_count = (key_count_), .id = (id_), .root = (root_), .since = 1                             \
	}

static const ff_table tables[] = { TABLE("item", ITEM, 1, 0), TABLE("pair", PAIR, 2, 1) };
const ff_catalog items = { .tables = tables, .tables_count = COUNT(tables), .version = 1 };
const ff_catalog next_items = { .tables = tables, .tables_count = COUNT(tables), .version = 2 };

/* ---- stores ------------------------------------------------------------------------------------------------- */

static const char *schema_of(ff_test *t)
{
	return strrchr(ff_test_uri(t), '=') + 1;
}

ffp_raw *open_with(ff_test *t, const char *params)
{
	ffp_raw *raw;
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_text(t, "%s%s", ff_test_uri(t), params), &items, 0, &raw));
	return raw;
}

ffp_raw *open_named(ff_test *t, const char *params)
{
	return open_with(t, ff_test_text(t, "&application_name=%s%s", schema_of(t), params));
}

/* ---- the row x ---------------------------------------------------------------------------------------------- */

ff_code store_and_commit(ff_test *t, ffp_slots_txn *txn, const ff_write *writes, size_t count)
{
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, count));
	return ffp_slots_commit(t, txn);
}

static ff_code put(ff_test *t, ffp_slots_txn *txn, const ff_row *before, int64_t value)
{
	const item after = x_of(value);
	const ff_write write = { .table = item_table(), .kind = FF_WRITE_PUT, .before = before, .after = &after.row };
	return store_and_commit(t, txn, &write, 1);
}

ff_code change(ff_test *t, ffp_slots_txn *txn, int64_t from, int64_t to)
{
	const item before = x_of(from);
	return put(t, txn, &before.row, to);
}

ff_code try_add(ff_test *t, ffp_raw *raw, int64_t *value)
{
	const item key = x_of(0);
	ff_read read = { .table = item_table(), .kind = FF_READ_GET, .low = &key.row };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ff_code code = ffp_slots_try_load(t, txn, &read, 1);
	if (code != FF_OK) {
		ffp_slots_abort(t, txn);
		return code;
	}
	int64_t after = 1 + (read.row ? ((const item *)(const void *)read.row)->value : 0);
	if (value)
		*value = after;
	return put(t, txn, read.row, after);
}

int64_t add(ff_test *t, ffp_raw *raw)
{
	int64_t value;
	FF_REQUIRE_OK(t, try_add(t, raw, &value));
	return value;
}

ff_code try_add_to(ff_test *t, ffp_raw *raw, int64_t known)
{
	item before = x_of(known);
	const ff_read read = { .table = item_table(), .kind = FF_READ_GET, .low = &before.row, .row = &before.row };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	raw->backend->expect(txn->txn, &read, 1);
	return change(t, txn, known, known + 1);
}

/* ---- locks -------------------------------------------------------------------------------------------------- */

enum { LETTERS_MAX = 2 };

/* A read of each letter's rows. */
static void list_reads(const char *letters, way how, item *rows, ff_read *reads)
{
	for (size_t i = 0; letters[i]; i++) {
		rows[i] = (item){ .id = { how == GETS_PAIRS ? "p" : &letters[i], 1 }, .value = letters[i] };
		reads[i] =
		    (ff_read){ .table = &items.tables[how == GETS_PAIRS ? PAIR : ITEM],
			       .kind = how == ROAMS || how == WALKS || how == CLEARS ? FF_READ_RANGE : FF_READ_GET,
			       .equal_count = how != ROAMS,
			       .limit = 1,
			       .low = &rows[i].row,
			       .row = &rows[i].row };
	}
}

ff_code load_each(ff_test *t, ffp_slots_txn *txn, const char *letters, way how)
{
	item rows[LETTERS_MAX];
	ff_read reads[LETTERS_MAX];
	list_reads(letters, how, rows, reads);
	return ffp_slots_try_load(t, txn, reads, strlen(letters));
}

ffp_slots_txn *hold(ff_test *t, ffp_raw *raw, const char *letters, way how)
{
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, load_each(t, txn, letters, how));
	return txn;
}

ff_code touch_in(ff_test *t, ffp_slots_txn *txn, const char *letters, way how)
{
	size_t count = strlen(letters);
	item rows[LETTERS_MAX];
	ff_read reads[LETTERS_MAX];
	ff_write writes[LETTERS_MAX];
	ff_code code = FF_OK;
	list_reads(letters, how, rows, reads);
	for (size_t i = 0; i < count; i++)
		writes[i] = (ff_write){ .table = reads[i].table,
			                .kind = how == CLEARS ? FF_WRITE_DELETE_RANGE : FF_WRITE_PUT,
			                .before = &rows[i].row,
			                .after = &rows[i].row,
			                .range = &reads[i] };
	if (how == EXPECTS)
		txn->raw->backend->expect(txn->txn, reads, count);
	else
		code = how <= WALKS ? load_each(t, txn, letters, how) : ffp_slots_store(t, txn, writes, count);
	if (code == FF_OK)
		return ffp_slots_commit(t, txn);
	ffp_slots_abort(t, txn);
	return code;
}

ff_code touch(ff_test *t, ffp_raw *raw, const char *letters, way how)
{
	return touch_in(t, ffp_slots_begin(t, raw, FF_TXN_WRITE), letters, how);
}

/* ---- people ------------------------------------------------------------------------------------------------- */

static PGconn *person;

static void leave(void *unused)
{
	(void)unused;
	PQfinish(person);
	person = NULL;
}

void run_sql(ff_test *t, const char *sql)
{
	if (!person) {
		const char *as = "options='-c client_min_messages=error -c statement_timeout=10s -c search_path=%s'";
		person = PQconnectdb(ff_test_text(t, as, schema_of(t)));
		ff_test_defer(t, leave, NULL);
	}
	PGresult *result = PQexec(person, sql);
	bool done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
	PQclear(result);
	if (!done)
		ff_test_note(t, "%s: %s", sql, PQerrorMessage(person));
	FF_REQUIRE(t, done);
}

void end_sessions(ff_test *t)
{
	run_sql(t, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
	           " WHERE application_name = current_schema()");
}

void await_sessions(ff_test *t, int count)
{
	run_sql(t, ff_test_text(t,
	                        "DO $$BEGIN WHILE (SELECT count(*) FROM pg_stat_activity"
	                        " WHERE application_name = current_schema()) <> %d"
	                        " LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END$$",
	                        count));
}
