/* The write-ahead log. */
#include "faults.h"
#include "sqlite_test.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static void the_log_does_not_grow_for_ever(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	char *bytes = calloc(1, 100000);
	FF_REQUIRE(t, bytes != NULL);
	memset(bytes, 'x', 100000);
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	row.w = (ff_text){ bytes, 100000 };
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	for (int64_t i = 1; i < 400; i++) {
		ffp_odd_row after = row;
		after.v = i + 1;
		bytes[i] = 'y';
		ff_row *loaded = get_row(t, store, odd_v1(), &row.row);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), loaded, &after.row));
	}
	/* 40 MB went through it; a statement left un-reset would keep every page of them. */
	FILE *log = fopen(path_of(t, "a.db-wal"), "rb");
	FF_REQUIRE(t, log != NULL);
	fseek(log, 0, SEEK_END);
	FF_CHECK(t, ftell(log) < (8 << 20));
	fclose(log);
	free(bytes);
	close_store(store);
}

/* ---- who folds it --------------------------------------------------------------------------------------------- */

enum { PAGE = 4096 };

static int64_t size_of(ff_test *t, const char *name)
{
	struct stat status;
	FF_REQUIRE(t, stat(path_of(t, name), &status) == 0);
	return status.st_size;
}

/* A number in the log's header that grows when the log begins anew. */
static unsigned times_begun(ff_test *t)
{
	unsigned char number[4] = { 0 };
	FILE *log = fopen(path_of(t, "a.db-wal"), "rb");
	FF_REQUIRE(t, log != NULL);
	FF_CHECK(t, fseek(log, 12, SEEK_SET) == 0 && fread(number, sizeof(number), 1, log) == 1);
	fclose(log);
	return (unsigned)number[2] << 8 | number[3];
}

/* Puts rows of some 25 pages, until so many pages of the log wait to be folded. */
static void put_pages(ff_test *t, ff_store *store, int pages)
{
	static int64_t number;
	static char bytes[100000];
	memset(bytes, 'x', sizeof(bytes));
	while (store->unfolded_pages < pages) {
		ffp_odd_row row = ffp_odd("a", number++, "c", 1);
		row.w = (ff_text){ bytes, sizeof(bytes) };
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	}
}

static void put_small(ff_test *t, ff_store *store, int64_t number)
{
	ffp_odd_row row = ffp_odd("small", number, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
}

static void keep_house(ff_store *store)
{
	subject.backend->housekeep(store);
}

static void housekeeping_folds_before_a_commit_would(ff_test *t)
{
	int descriptors = count_descriptors();
	ff_store *store = must_open(t, path_of(t, "a.db"));
	put_pages(t, store, 2900);
	keep_house(store); /* not yet */
	FF_CHECK(t, size_of(t, "a.db") < 100 * PAGE);
	put_pages(t, store, 3000);
	store->keeping = true; /* nor where another thread does */
	keep_house(store);
	FF_CHECK(t, size_of(t, "a.db") < 100 * PAGE);
	store->keeping = false;
	keep_house(store);
	FF_CHECK(t, size_of(t, "a.db") > 2000 * PAGE);
	put_small(t, store, 1);
	FF_CHECK(t, store->unfolded_pages < 10);
	/* And again, as often as it will. */
	int open_files = count_descriptors();
	put_pages(t, store, 3000);
	keep_house(store);
	FF_CHECK_EQ_INT(t, count_descriptors(), open_files);
	close_store(store);
	FF_CHECK_EQ_INT(t, count_descriptors(), descriptors);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
}

/* By itself the log begins anew only where no commit came since it was folded. */
static void a_commit_ends_what_housekeeping_began(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	put_small(t, store, 1);
	put_small(t, store, 2);
	unsigned begun = times_begun(t);
	store->log_kept = true;
	put_small(t, store, 3);
	FF_CHECK_EQ_INT(t, times_begun(t), begun);
	FF_CHECK_EQ_INT(t, store->unfolded_pages, 0);
	put_small(t, store, 4);
	FF_CHECK_EQ_INT(t, times_begun(t), begun + 1);
	put_small(t, store, 5);
	put_small(t, store, 6);
	FF_CHECK_EQ_INT(t, times_begun(t), begun + 1);
	close_store(store);
}

/* Who folds waits for readers, but no longer than a moment. */
static void a_reader_holds_no_commit_up(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "500", NULL };
	ff_store *store;
	ff_txn *reader;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	put_small(t, store, 1);
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &reader, ff_test_error(t)));
	put_small(t, store, 2);
	store->log_kept = true;
	put_small(t, store, 3);
	FF_CHECK_EQ_INT(t, store->writer->wait.slept_us, 0);
	subject.backend->abort(reader);
	close_store(store);
}

/* The moment is for readers; for another writer it waits as long as it was told. */
static void who_has_folded_waits_as_before(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "20", NULL };
	ff_store *store;
	ff_txn *second;
	sqlite3 *other;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	put_small(t, store, 1);
	store->log_kept = true;
	put_small(t, store, 2);
	FF_REQUIRE(t, sqlite3_open(path_of(t, "a.db"), &other) == SQLITE_OK);
	FF_REQUIRE(t, sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	FF_CHECK_CODE(t, subject.backend->begin(store, FF_TXN_WRITE, &second, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, store->writer->wait.slept_us > 0);
	sqlite3_close(other);
	put_small(t, store, 3);
	close_store(store);
}

/* Where nobody keeps house, or nothing is synced. */
static void commits_fold_by_themselves(ff_test *t)
{
	static const char *const params[] = { "durability", "none", NULL };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	put_pages(t, store, 3900);
	FF_CHECK(t, size_of(t, "a.db") < 100 * PAGE);
	for (int i = 0; store->unfolded_pages && i < 1000; i++)
		put_small(t, store, i);
	FF_CHECK(t, size_of(t, "a.db") > 2000 * PAGE);
	close_store(store);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	int64_t size = size_of(t, "a.db");
	put_pages(t, store, 900);
	keep_house(store);
	FF_CHECK_EQ_INT(t, size_of(t, "a.db"), size);
	/* As often as it becomes long again: what it takes of the disk is what it took the first time. */
	for (int i = 0; i < 3; i++) {
		put_pages(t, store, 900);
		for (int j = 0; store->unfolded_pages && j < 1000; j++)
			put_small(t, store, 1000 * (i + 1) + j);
	}
	FF_CHECK(t, size_of(t, "a.db-wal") < 1100 * (PAGE + 24));
	close_store(store);
}

/* A reader sees what it saw, and a write transaction that is open goes on. */
static void housekeeping_beside_transactions(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ff_txn *reader, *writer;
	put_small(t, store, 1);
	ffp_odd_row old = ffp_odd("small", 1, "c", 1), new = ffp_odd("small", 2, "c", 1);
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &reader, ff_test_error(t)));
	ff_read look = { .table = odd_v1(), .kind = FF_READ_GET, .low = &new.row };
	FF_REQUIRE_OK(t, subject.backend->load(reader, ffp_raw_arena(t), &look, 1, ff_test_error(t)));
	put_pages(t, store, 3000);
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &writer, ff_test_error(t)));
	ff_write write = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &new.row };
	FF_REQUIRE_OK(t, subject.backend->store(writer, &write, 1, ff_test_error(t)));
	keep_house(store);
	FF_CHECK(t, size_of(t, "a.db") < 100 * PAGE); /* the reader still needs what the file has */
	FF_REQUIRE_OK(t, subject.backend->commit(writer, ff_test_error(t)));
	FF_REQUIRE_OK(t, subject.backend->load(reader, ffp_raw_arena(t), &look, 1, ff_test_error(t)));
	FF_CHECK(t, look.row == NULL);
	subject.backend->abort(reader);
	FF_CHECK(t, get_row(t, store, odd_v1(), &old.row) != NULL);
	FF_CHECK(t, get_row(t, store, odd_v1(), &new.row) != NULL);
	put_pages(t, store, 3000);
	keep_house(store);
	FF_CHECK(t, size_of(t, "a.db") > 4000 * PAGE);
	close_store(store);
}

/* SQLite syncs the log and the file once each; bites sync the file more often, though not after each page. */
static void housekeeping_syncs_in_bites(ff_test *t)
{
	enum { BITES = 2000 / 64, TOO_MANY = 2 * 3000 / 64 };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	put_pages(t, store, 3000);
	fault_arm(FAULT_SYNC, BITES);
	keep_house(store);
	FF_CHECK(t, fault_disarm());
	put_pages(t, store, 3000);
	fault_arm(FAULT_SYNC, TOO_MANY);
	keep_house(store);
	FF_CHECK(t, !fault_disarm());
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
	close_store(store);
}

/* It may fail wherever it will: what was committed stays, and the next time does it. */
static void housekeeping_that_fails(ff_test *t)
{
	static const fault_kind kinds[] = { FAULT_OPEN, FAULT_MALLOC, FAULT_READ, FAULT_WRITE, FAULT_SYNC };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	int64_t number = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (unsigned n = 1; n < 4; n += 2) {
			put_pages(t, store, 3000);
			fault_arm(kinds[i], n);
			keep_house(store);
			fault_disarm();
			put_small(t, store, number++);
			ffp_odd_row last = ffp_odd("small", number - 1, "c", 1);
			FF_CHECK(t, get_row(t, store, odd_v1(), &last.row) != NULL);
		}
	}
	put_pages(t, store, 3000);
	keep_house(store);
	size_t rows = count_rows(t, store, odd_v1());
	close_store(store);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
	store = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows);
	close_store(store);
}

/* What is free on the disk, for everyone in this program. */
static uint64_t disk_size = UINT64_C(1) << 40, disk_room = UINT64_C(1) << 40;

/* glibc's own names for parameters are reserved. NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int statvfs(const char *restrict path, struct statvfs *restrict disk)
{
	(void)path;
	*disk = (struct statvfs){
		.f_bsize = PAGE, .f_frsize = PAGE, .f_blocks = disk_size / PAGE, .f_bavail = disk_room / PAGE
	};
	return 0;
}

/* What it holds must have room in the file. */
static void a_log_on_a_disk_that_is_nearly_full(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	static char bytes[100000];
	memset(bytes, 'x', sizeof(bytes));
	disk_room = 768 * PAGE;
	for (int64_t number = 0; number < 60; number++) {
		ffp_odd_row row = ffp_odd("a", number, "c", 1);
		row.w = (ff_text){ bytes, sizeof(bytes) };
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		FF_CHECK(t, store->unfolded_pages < 450);
	}
	disk_room = UINT64_C(1) << 40;
	FF_CHECK(t, size_of(t, "a.db") > 1000 * PAGE);
	FF_CHECK(t, size_of(t, "a.db-wal") < 450 * (PAGE + 24) + 32);
	close_store(store);
}

/* Some file systems of the network, or of a program, tell nothing. */
static void a_disk_of_which_nothing_is_known(ff_test *t)
{
	static char bytes[100000];
	ff_store *store = must_open(t, path_of(t, "a.db"));
	memset(bytes, 'x', sizeof(bytes));
	disk_size = disk_room = 0;
	for (int64_t number = 0; number < 60; number++) {
		ffp_odd_row row = ffp_odd("a", number, "c", 1);
		row.w = (ff_text){ bytes, sizeof(bytes) };
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	}
	disk_size = disk_room = UINT64_C(1) << 40;
	FF_CHECK(t, store->unfolded_pages > 1000);
	close_store(store);
}

/* ---- a log that begins anew while it is folded ----------------------------------------------------------------- */

static ff_test *meanwhile_test;
static ff_store *meanwhile_store;

/* SQLite calls it when it has read the index's header, if that has changed, and before it looks how much was folded. */
static int commit_meanwhile(sqlite3_file *file, sqlite3_int64 offset, void *page)
{
	(void)file;
	(void)offset;
	(void)page;
	ff_store *store = meanwhile_store;
	meanwhile_store = NULL;
	if (store)
		put_small(meanwhile_test, store, 1000);
	return SQLITE_OK;
}

/* SQLite before 3.51.3 would take the new log's commits for folded, and lose them when the log is removed. */
static void a_log_that_begins_anew_while_it_is_folded(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	store->unfolded_pages = 4000;
	keep_house(store); /* opens the keeper */
	FF_REQUIRE(t, store->keeper != NULL);
	store->keeper->file.methods.iVersion = 3;
	store->keeper->file.methods.xUnfetch = commit_meanwhile;
	for (int64_t number = 0; number < 50; number++)
		put_small(t, store, number);
	/* All of it is in the file, so that the next commit begins the log anew; it comes when the keeper looks at the log. */
	FF_REQUIRE(t, sqlite3_wal_checkpoint(store->writer->db, "main") == SQLITE_OK);
	unsigned begun = times_begun(t);
	meanwhile_test = t;
	meanwhile_store = store;
	store->unfolded_pages = 4000;
	keep_house(store);
	FF_CHECK(t, meanwhile_store == NULL);
	FF_CHECK_EQ_INT(t, times_begun(t), begun + 1);
	store->log_kept = false;
	put_small(t, store, 1001);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 52);
	close_store(store);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
	store = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 52);
	close_store(store);
}

static const ff_case cases[] = {
	CASE(the_log_does_not_grow_for_ever, "", 0),
	CASE(housekeeping_folds_before_a_commit_would, "FF-MT-1", 0),
	CASE(a_commit_ends_what_housekeeping_began, "", 0),
	CASE(a_reader_holds_no_commit_up, "FF-GS-3", 0),
	CASE(who_has_folded_waits_as_before, "FF-ERR-4", 0),
	CASE(commits_fold_by_themselves, "", 0),
	CASE(a_log_on_a_disk_that_is_nearly_full, "", 0),
	CASE(a_disk_of_which_nothing_is_known, "", 0),
	CASE(a_log_that_begins_anew_while_it_is_folded, "FF-RU-13", 0),
	CASE(housekeeping_beside_transactions, "FF-MT-1", 0),
	CASE(housekeeping_syncs_in_bites, "", 0),
	CASE(housekeeping_that_fails, "FF-MT-1", FF_CASE_BULK),
};
FAMILY(cases_log, cases);
