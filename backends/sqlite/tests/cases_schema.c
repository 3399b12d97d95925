/* The schema: its versions, moving from one to the next, and the check of what is there. */
#include "sqlite_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "faults.h"

static const ff_engine_backend *const sqlite = &ffp_sqlite_backend;

static void a_new_store_reads_well(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	close_store(must_open(t, path));
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT version FROM ff_schema"), "1");
	FF_CHECK_STR(t, ask_sql(t, path, "PRAGMA journal_mode"), "wal");
	FF_CHECK_STR(t, ask_sql(t, path, "PRAGMA encoding"), "UTF-8");
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT strict || wr FROM pragma_table_list WHERE name = 'odd \"table\"'"),
	             "11");
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT count(*) FROM pragma_index_list('odd \"table\"') WHERE origin = 'c'"),
	             "4");
}

static void a_migration_happens_whole_or_not_at_all(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	close_store(must_open(t, path));
	run_sql(t, path, "CREATE TABLE late (theirs TEXT)");
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v2, 0, NULL, &store), FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "late") != NULL);
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT version FROM ff_schema"), "1");
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT count(*) FROM pragma_table_info('odd \"table\"')"), "7");
	close_store(must_open(t, path));
}

static void refuse_newer(ff_test *t, const char *path, uint32_t flags)
{
	ff_store *store;
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, flags, NULL, &store), FF_E_VERSION);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "version 2") && strstr(ff_test_error(t)->message, "1") &&
	                strstr(ff_test_error(t)->message, path));
}

static void a_newer_store_is_left_untouched(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &store));
	close_store(store);
	uint64_t was = file_hash(path);
	refuse_newer(t, path, 0);
	refuse_newer(t, path, FF_STORE_READ_ONLY);
	FF_CHECK(t, file_hash(path) == was);
	FF_CHECK(t, !file_exists(path_of(t, "a.db-wal")) && !file_exists(path_of(t, "a.db-shm")));
	/* In another journal mode, too. */
	run_sql(t, path, "PRAGMA journal_mode = DELETE");
	was = file_hash(path);
	refuse_newer(t, path, 0);
	FF_CHECK(t, file_hash(path) == was);
	/* And with a log that its last user left behind. */
	run_sql(t, path, "PRAGMA journal_mode = WAL");
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &store));
	ffp_plain_row late = { .id = 3 };
	FF_REQUIRE_OK(t, put_row(t, store, &catalog_v2.tables[TABLE_LATE], NULL, &late.row));
	copy_file(t, path, path_of(t, "a.db.copy"));
	copy_file(t, path_of(t, "a.db-wal"), path_of(t, "a.db.copy-wal"));
	close_store(store);
	was = file_hash(path_of(t, "a.db.copy"));
	uint64_t log_was = file_hash(path_of(t, "a.db.copy-wal"));
	FF_CHECK(t, log_was != 0);
	refuse_newer(t, path_of(t, "a.db.copy"), 0);
	refuse_newer(t, path_of(t, "a.db.copy"), FF_STORE_READ_ONLY);
	FF_CHECK(t, file_hash(path_of(t, "a.db.copy")) == was);
	FF_CHECK(t, file_hash(path_of(t, "a.db.copy-wal")) == log_was);
}

static void a_version_that_is_none(ff_test *t)
{
	static const char *const spoils[] = {
		"DELETE FROM ff_schema",
		"INSERT INTO ff_schema VALUES (1)",
		"UPDATE ff_schema SET version = 0",
		"UPDATE ff_schema SET version = -1",
		"DROP TABLE ff_schema; CREATE TABLE ff_schema (version); INSERT INTO ff_schema VALUES ('1')",
		"DROP TABLE ff_schema; CREATE TABLE ff_schema (other)",
	};
	ff_store *store;
	for (size_t i = 0; i < sizeof(spoils) / sizeof(*spoils); i++) {
		const char *path = path_of(t, "a.db");
		close_store(must_open(t, path));
		run_sql(t, path, spoils[i]);
		FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
		FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store), FF_E_CORRUPT);
		remove(path);
	}
	const char *path = path_of(t, "a.db");
	close_store(must_open(t, path));
	run_sql(t, path, "UPDATE ff_schema SET version = 9223372036854775807");
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_VERSION);
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

static void check_finds_what_is_missing(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	FF_CHECK_STR(t, check_store(t, path).lines, "");
	FF_CHECK_STR(t, check_store(t, ":memory:").lines, "");
	run_sql(t, path,
	        "DROP INDEX odd_by_many; DROP INDEX \"odd by \"\"a\"\" and t\";"
	        "ALTER TABLE \"odd \"\"table\"\"\" DROP COLUMN t");
	problems found = check_store(t, path);
	FF_CHECK(t, strstr(found.lines, "column 't' of table 'odd \"table\"' is missing|") != NULL);
	FF_CHECK(t, strstr(found.lines, "index 'odd_by_many' of table 'odd \"table\"' is missing|") != NULL);
	FF_CHECK_EQ_INT(t, found.count, 3);
	run_sql(t, path, "DROP TABLE \"odd \"\"table\"\"\"");
	found = check_store(t, path);
	FF_CHECK_STR(t, found.lines, "table 'odd \"table\"' is missing|");
	/* And what is missing is no reason to fall. */
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	FF_CHECK_CODE(t, put_row(t, store, odd_v1(), NULL, &row.row), FF_E_CORRUPT);
	close_store(store);
}

/* Makes a store of one row, whose index odd_by_n has the empty page of another one. */
static void make_spoiled(ff_test *t, const char *path)
{
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	run_sql(t, path,
	        "PRAGMA writable_schema = ON; CREATE TABLE empty (a TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;"
	        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'empty')"
	        " WHERE name = 'odd_by_n'; PRAGMA writable_schema = RESET");
}

static void check_finds_a_spoiled_index(ff_test *t)
{
	make_spoiled(t, path_of(t, "a.db"));
	problems found = check_store(t, path_of(t, "a.db"));
	if (!FF_CHECK(t, found.count > 0 && strstr(found.lines, "odd_by_n")))
		ff_test_note(t, "found only: %s", found.lines);
}

static void check_finds_broken_pages(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	for (int i = 0; i < 300; i++) {
		ffp_odd_row row = ffp_odd("a", i, "c", i);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	}
	close_store(store);
	long page = atol(ask_sql(t, path, "SELECT rootpage FROM sqlite_schema WHERE name = 'odd \"table\"'"));
	FILE *file = fopen(path, "r+b");
	FF_REQUIRE(t, file != NULL && page > 1);
	fseek(file, (page - 1) * 4096 + 8, SEEK_SET);
	for (int i = 0; i < 500; i++)
		putc(0xa5, file);
	fclose(file);
	FF_CHECK(t, check_store(t, path).count > 0);
	store = must_open(t, path);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1000 };
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &read, 1), FF_E_CORRUPT);
	FF_CHECK(t, ff_test_error(t)->native_code[0] != '\0');
	close_store(store);
}

/* What could not be looked at is neither sound nor missing. */
static void a_check_that_fails(ff_test *t)
{
	static const ff_code codes[] = { FF_E_IO, FF_E_NO_MEMORY, FF_OK };
	static const fault_kind kinds[] = { FAULT_READ, FAULT_SHARE, FAULT_MALLOC };
	static const char *const want = "index 'odd_by_many' of table 'odd \"table\"' is missing|";
	const char *path = path_of(t, "a.db");
	make_spoiled(t, path);
	run_sql(t, path, "DROP INDEX odd_by_many");
	for (unsigned i = 0; i < 3; i++) {
		unsigned n = 0;
		for (bool struck = true; struck && n < FAULT_ROUNDS_MAX;) {
			problems found = { .test = t };
			ff_store *store = must_open(t, path);
			n = fault_round_after(n);
			fault_arm_round(kinds[i], n);
			ff_code code = sqlite->check(store, note_problem, &found, ff_test_error(t));
			struck = fault_disarm();
			const char *told = strstr(found.lines, want);
			const char *missing = strstr(found.lines, " is missing");
			bool alone = told ? missing > told && !strstr(missing + 1, " is missing") : !missing;
			bool both = told && strstr(found.lines, "odd_by_n");
			if (code != FF_OK)
				check_fault(t, code, codes, "check", kinds[i], n);
			if (!FF_CHECK(t, alone && (both || code != FF_OK)))
				ff_test_note(t, "%s fault %u: %s", fault_name(kinds[i]), n, found.lines);
			close_store(store);
		}
		check_rounds(t, kinds[i], n);
	}
}

/* Whoever has the store open sees that a newer library has migrated it, also where the last commit was its own. */
static void a_store_that_is_migrated_while_open(ff_test *t)
{
	ff_txn *txn;
	ff_store *newer;
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	ffp_odd_row row = { .a = ffp_text_of("a") };
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &newer));
	close_store(newer);
	for (ff_txn_kind kind = FF_TXN_READ; kind <= FF_TXN_WRITE; kind++) {
		FF_CHECK_CODE(t, subject.backend->begin(store, kind, &txn, ff_test_error(t)), FF_E_IO);
		FF_CHECK(t, strstr(ff_test_error(t)->message, "is now version 2") != NULL);
	}
	close_store(store);
}

/* What is wrong when a transaction begins is no word about a row. */
static void a_version_that_is_gone_while_open(ff_test *t)
{
	static const char *const ways[] = { "DELETE FROM ff_schema", "DROP TABLE ff_schema" };
	ff_txn *txn;
	for (unsigned i = 0; i < 2; i++) {
		ff_store *store = must_open(t, path_of(t, i ? "b.db" : "a.db"));
		run_sql(t, path_of(t, i ? "b.db" : "a.db"), ways[i]);
		for (ff_txn_kind kind = FF_TXN_READ; kind <= FF_TXN_WRITE; kind++) {
			FF_CHECK_CODE(t, subject.backend->begin(store, kind, &txn, ff_test_error(t)), FF_E_IO);
			FF_CHECK_EQ_INT(t, ff_test_error(t)->code, FF_E_IO);
		}
		close_store(store);
	}
}

/* Where there is no such column, SQLite may take its name in quotes for a text, which would be read from each row. */
static void a_column_that_is_gone(ff_test *t)
{
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	run_sql(t, path_of(t, "a.db"), "ALTER TABLE \"odd \"\"table\"\"\" RENAME COLUMN \"select\" TO words");
	ff_read get = { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row };
	ff_read all = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 10 };
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &get, 1), FF_E_CORRUPT);
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_WRITE, &all, 1), FF_E_CORRUPT);
	close_store(store);
}

static const ff_case cases[] = {
	CASE(a_store_that_is_migrated_while_open, "FF-MT-2", 0),
	CASE(a_new_store_reads_well, "FF-MT-2", 0),
	CASE(a_migration_happens_whole_or_not_at_all, "FF-MT-2", 0),
	CASE(a_newer_store_is_left_untouched, "FF-MT-2", 0),
	CASE(a_version_that_is_none, "FF-MT-2", 0),
	CASE(check_finds_what_is_missing, "", 0),
	CASE(check_finds_a_spoiled_index, "", 0),
	CASE(check_finds_broken_pages, "", 0),
	CASE(a_column_that_is_gone, "FF-ERR-1", 0),
	CASE(a_check_that_fails, "FF-MT-4", 0),
	CASE(a_version_that_is_gone_while_open, "FF-ERR-1", 0),
};
FAMILY(cases_schema, cases);
