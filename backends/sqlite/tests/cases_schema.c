/* The schema: its versions, moving from one to the next, and the check of what is there. */
#include "sqlite_test.h"

#include <stdio.h>
#include <stdlib.h>

static void a_new_store_reads_well(void)
{
	const char *path = path_of("a.db");
	close_store(must_open(path));
	CHECK_TEXT(ask_sql(path, "SELECT version FROM ff_schema"), "1");
	CHECK_TEXT(ask_sql(path, "PRAGMA journal_mode"), "wal");
	CHECK_TEXT(ask_sql(path, "PRAGMA encoding"), "UTF-8");
	CHECK_TEXT(ask_sql(path, "SELECT strict || wr FROM pragma_table_list WHERE name = 'odd \"table\"'"), "11");
	CHECK_TEXT(ask_sql(path, "SELECT count(*) FROM pragma_index_list('odd \"table\"') WHERE origin = 'c'"), "4");
}

static void a_migration_happens_whole_or_not_at_all(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	close_store(must_open(path));
	run_sql(path, "CREATE TABLE late (theirs TEXT)");
	CHECK_CODE(open_store(path, &catalog_v2, 0, NULL, &store), FF_E_CORRUPT);
	CHECK(strstr(error.message, "late") != NULL);
	CHECK_TEXT(ask_sql(path, "SELECT version FROM ff_schema"), "1");
	CHECK_TEXT(ask_sql(path, "SELECT count(*) FROM pragma_table_info('odd \"table\"')"), "7");
	close_store(must_open(path));
}

static void refuse_newer(const char *path, uint32_t flags)
{
	ff_store *store;
	CHECK_CODE(open_store(path, &catalog_v1, flags, NULL, &store), FF_E_VERSION);
	CHECK(strstr(error.message, "version 2") && strstr(error.message, "1") && strstr(error.message, path));
}

static void a_newer_store_is_left_untouched(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	close_store(store);
	uint64_t was = file_hash(path);
	refuse_newer(path, 0);
	refuse_newer(path, FF_STORE_READ_ONLY);
	CHECK(file_hash(path) == was);
	CHECK(!file_exists(path_of("a.db-wal")) && !file_exists(path_of("a.db-shm")));
	/* In another journal mode, too. */
	run_sql(path, "PRAGMA journal_mode = DELETE");
	was = file_hash(path);
	refuse_newer(path, 0);
	CHECK(file_hash(path) == was);
	/* And with a log that its last user left behind. */
	run_sql(path, "PRAGMA journal_mode = WAL");
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	late_row late = { .id = 3 };
	REQUIRE_OK(put_row(store, &catalog_v2.tables[TABLE_LATE], NULL, &late.row));
	copy_file(path, path_of("a.db.copy"));
	copy_file(path_of("a.db-wal"), path_of("a.db.copy-wal"));
	close_store(store);
	was = file_hash(path_of("a.db.copy"));
	uint64_t log_was = file_hash(path_of("a.db.copy-wal"));
	CHECK(log_was != 0);
	refuse_newer(path_of("a.db.copy"), 0);
	refuse_newer(path_of("a.db.copy"), FF_STORE_READ_ONLY);
	CHECK(file_hash(path_of("a.db.copy")) == was);
	CHECK(file_hash(path_of("a.db.copy-wal")) == log_was);
}

static void a_version_that_is_none(void)
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
		const char *path = path_of("a.db");
		close_store(must_open(path));
		run_sql(path, spoils[i]);
		CHECK_CODE(open_store(path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
		remove(path);
	}
	const char *path = path_of("a.db");
	close_store(must_open(path));
	run_sql(path, "UPDATE ff_schema SET version = 9223372036854775807");
	CHECK_CODE(open_store(path, &catalog_v1, 0, NULL, &store), FF_E_VERSION);
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

static void check_finds_what_is_missing(void)
{
	const char *path = path_of("a.db");
	CHECK_TEXT(check_store(path).lines, "");
	CHECK_TEXT(check_store(":memory:").lines, "");
	run_sql(path, "DROP INDEX odd_by_many; DROP INDEX \"odd by \"\"a\"\" and t\";"
	              "ALTER TABLE \"odd \"\"table\"\"\" DROP COLUMN t");
	problems found = check_store(path);
	CHECK(strstr(found.lines, "column 't' of table 'odd \"table\"' is missing|") != NULL);
	CHECK(strstr(found.lines, "index 'odd_by_many' of table 'odd \"table\"' is missing|") != NULL);
	CHECK_INT(found.count, 3);
	run_sql(path, "DROP TABLE \"odd \"\"table\"\"\"");
	found = check_store(path);
	CHECK_TEXT(found.lines, "table 'odd \"table\"' is missing|");
	/* And what is missing is no reason to fall. */
	ff_store *store = must_open(path);
	odd_row row = odd("a", 1, "c", 5);
	CHECK_CODE(put_row(store, odd_v1(), NULL, &row.row), FF_E_CORRUPT);
	close_store(store);
}

static void check_finds_a_spoiled_index(void)
{
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	odd_row row = odd("a", 1, "c", 5);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	close_store(store);
	/* The index odd_by_n gets the empty page of another one. */
	run_sql(path, "PRAGMA writable_schema = ON; CREATE TABLE empty (a TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;"
	              "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'empty')"
	              " WHERE name = 'odd_by_n'; PRAGMA writable_schema = RESET");
	problems found = check_store(path);
	check(found.count > 0 && strstr(found.lines, "odd_by_n"), __FILE__, __LINE__, "found only: %s", found.lines);
}

static void check_finds_broken_pages(void)
{
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	for (int i = 0; i < 300; i++) {
		odd_row row = odd("a", i, "c", i);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	}
	close_store(store);
	long page = atol(ask_sql(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'odd \"table\"'"));
	FILE *file = fopen(path, "r+b");
	REQUIRE(file != NULL && page > 1);
	fseek(file, (page - 1) * 4096 + 8, SEEK_SET);
	for (int i = 0; i < 500; i++)
		putc(0xa5, file);
	fclose(file);
	CHECK(check_store(path).count > 0);
	store = must_open(path);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1000 };
	CHECK_CODE(read_once(store, FF_TXN_READ, &read, 1), FF_E_CORRUPT);
	CHECK(error.native_code[0] != '\0');
	close_store(store);
}

/* Whoever has the store open sees that a newer library has migrated it, also where the last commit was its own. */
static void a_store_that_is_migrated_while_open(void)
{
	ff_txn *txn;
	ff_store *newer;
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	odd_row row = { .a = text_of("a") };
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &newer));
	close_store(newer);
	for (ff_txn_kind kind = FF_TXN_READ; kind <= FF_TXN_WRITE; kind++) {
		CHECK_CODE(subject.backend->begin(store, kind, &txn, &error), FF_E_IO);
		CHECK(strstr(error.message, "is now version 2") != NULL);
	}
	close_store(store);
}

static const test_case cases[] = {
	CASE(a_store_that_is_migrated_while_open, "FF-MT-2"),
	CASE(a_new_store_reads_well, "FF-MT-2"),
	CASE(a_migration_happens_whole_or_not_at_all, "FF-MT-2"),
	CASE(a_newer_store_is_left_untouched, "FF-MT-2"),
	CASE(a_version_that_is_none, "FF-MT-2"),
	CASE(check_finds_what_is_missing, ""),
	CASE(check_finds_a_spoiled_index, ""),
	CASE(check_finds_broken_pages, ""),
};
FAMILY(cases_schema, cases);
