/* The write-ahead log. */
#include "faults.h"
#include "sqlite_test.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void the_log_does_not_grow_for_ever(void)
{
	ff_store *store = must_open(path_of("a.db"));
	char *bytes = calloc(1, 100000);
	REQUIRE(bytes != NULL);
	memset(bytes, 'x', 100000);
	odd_row row = odd("a", 1, "c", 1);
	row.w = (ff_text){ bytes, 100000 };
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	for (int64_t i = 1; i < 400; i++) {
		odd_row after = row;
		after.v = i + 1;
		bytes[i] = 'y';
		ff_row *loaded = get_row(store, odd_v1(), &row.row);
		REQUIRE_OK(put_row(store, odd_v1(), loaded, &after.row));
	}
	/* 40 MB went through it; a statement left un-reset would keep every page of them. */
	FILE *log = fopen(path_of("a.db-wal"), "rb");
	REQUIRE(log != NULL);
	fseek(log, 0, SEEK_END);
	CHECK(ftell(log) < (8 << 20));
	fclose(log);
	free(bytes);
	close_store(store);
}

/* ---- who folds it --------------------------------------------------------------------------------------------- */

enum { PAGE = 4096 };

static int64_t size_of(const char *name)
{
	struct stat status;
	REQUIRE(stat(path_of(name), &status) == 0);
	return status.st_size;
}

/* A number in the log's header that grows when the log begins anew. */
static unsigned times_begun(void)
{
	unsigned char number[4] = { 0 };
	FILE *log = fopen(path_of("a.db-wal"), "rb");
	REQUIRE(log != NULL);
	CHECK(fseek(log, 12, SEEK_SET) == 0 && fread(number, sizeof(number), 1, log) == 1);
	fclose(log);
	return (unsigned)number[2] << 8 | number[3];
}

/* Puts rows of some 25 pages, until so many pages of the log wait to be folded. */
static void put_pages(ff_store *store, int pages)
{
	static int64_t number;
	static char bytes[100000];
	memset(bytes, 'x', sizeof(bytes));
	while (store->unfolded_pages < pages) {
		odd_row row = odd("a", number++, "c", 1);
		row.w = (ff_text){ bytes, sizeof(bytes) };
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	}
}

static void put_small(ff_store *store, int64_t number)
{
	odd_row row = odd("small", number, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
}

static void keep_house(ff_store *store)
{
	subject.backend->housekeep(store);
}

static void housekeeping_folds_before_a_commit_would(void)
{
	ff_store *store = must_open(path_of("a.db"));
	put_pages(store, 2900);
	keep_house(store); /* not yet */
	CHECK(size_of("a.db") < 100 * PAGE);
	put_pages(store, 3000);
	keep_house(store);
	CHECK(size_of("a.db") > 2000 * PAGE);
	put_small(store, 1);
	CHECK(store->unfolded_pages < 10);
	close_store(store);
	CHECK_INT(check_store(path_of("a.db")).count, 0);
}

/* By itself the log begins anew only where no commit came since it was folded. */
static void a_commit_ends_what_housekeeping_began(void)
{
	ff_store *store = must_open(path_of("a.db"));
	put_small(store, 1);
	put_small(store, 2);
	unsigned begun = times_begun();
	store->log_kept = true;
	put_small(store, 3);
	CHECK_INT(times_begun(), begun);
	CHECK_INT(store->unfolded_pages, 0);
	put_small(store, 4);
	CHECK_INT(times_begun(), begun + 1);
	put_small(store, 5);
	put_small(store, 6);
	CHECK_INT(times_begun(), begun + 1);
	close_store(store);
}

/* Where nobody keeps house, or nothing is synced. */
static void commits_fold_by_themselves(void)
{
	static const char *const params[] = { "durability", "none", NULL };
	ff_store *store = must_open(path_of("a.db"));
	put_pages(store, 3900);
	CHECK(size_of("a.db") < 100 * PAGE);
	for (int i = 0; store->unfolded_pages && i < 1000; i++)
		put_small(store, i);
	CHECK(size_of("a.db") > 2000 * PAGE);
	close_store(store);
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	int64_t size = size_of("a.db");
	put_pages(store, 900);
	keep_house(store);
	CHECK_INT(size_of("a.db"), size);
	close_store(store);
}

/* A reader sees what it saw, and a write transaction that is open goes on. */
static void housekeeping_beside_transactions(void)
{
	ff_store *store = must_open(path_of("a.db"));
	ff_txn *reader, *writer;
	put_small(store, 1);
	odd_row old = odd("small", 1, "c", 1), new = odd("small", 2, "c", 1);
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &reader, &error));
	ff_read look = { .table = odd_v1(), .kind = FF_READ_GET, .low = &new.row };
	REQUIRE_OK(subject.backend->load(reader, arena(), &look, 1, &error));
	put_pages(store, 3000);
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &writer, &error));
	ff_write write = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &new.row };
	REQUIRE_OK(subject.backend->store(writer, &write, 1, &error));
	keep_house(store);
	CHECK(size_of("a.db") < 100 * PAGE); /* the reader still needs what the file has */
	REQUIRE_OK(subject.backend->commit(writer, &error));
	REQUIRE_OK(subject.backend->load(reader, arena(), &look, 1, &error));
	CHECK(look.row == NULL);
	subject.backend->abort(reader);
	CHECK(get_row(store, odd_v1(), &old.row) != NULL);
	CHECK(get_row(store, odd_v1(), &new.row) != NULL);
	put_pages(store, 3000);
	keep_house(store);
	CHECK(size_of("a.db") > 4000 * PAGE);
	close_store(store);
}

/* SQLite syncs the log and the file once each; bites sync the file more often. */
static void housekeeping_syncs_in_bites(void)
{
	enum { BITES = 2000 / 64 };
	ff_store *store = must_open(path_of("a.db"));
	put_pages(store, 3000);
	fault_arm(FAULT_SYNC, BITES);
	keep_house(store);
	CHECK(fault_disarm());
	CHECK_INT(check_store(path_of("a.db")).count, 0);
	close_store(store);
}

/* It may fail wherever it will: what was committed stays, and the next time does it. */
static void housekeeping_that_fails(void)
{
	static const fault_kind kinds[] = { FAULT_OPEN, FAULT_MALLOC, FAULT_READ, FAULT_WRITE, FAULT_SYNC };
	ff_store *store = must_open(path_of("a.db"));
	int64_t number = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (unsigned n = 1; n < 4; n += 2) {
			put_pages(store, 3000);
			fault_arm(kinds[i], n);
			keep_house(store);
			fault_disarm();
			put_small(store, number++);
			odd_row last = odd("small", number - 1, "c", 1);
			CHECK(get_row(store, odd_v1(), &last.row) != NULL);
		}
	}
	put_pages(store, 3000);
	keep_house(store);
	size_t rows = count_rows(store, odd_v1());
	close_store(store);
	CHECK_INT(check_store(path_of("a.db")).count, 0);
	store = must_open(path_of("a.db"));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), (int64_t)rows);
	close_store(store);
}

static const test_case cases[] = {
	CASE(the_log_does_not_grow_for_ever, ""),          CASE(housekeeping_folds_before_a_commit_would, "FF-MT-1"),
	CASE(a_commit_ends_what_housekeeping_began, ""),   CASE(commits_fold_by_themselves, ""),
	CASE(housekeeping_beside_transactions, "FF-MT-1"), CASE(housekeeping_syncs_in_bites, ""),
	BULK(housekeeping_that_fails, "FF-MT-1"),
};
FAMILY(cases_log, cases);
