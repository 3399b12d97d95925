/*
 * What fails: the N-th read, write, sync, open or allocation, N rising until a run is clean, and a disk that is full.
 * A crash is a copy of the files: what a commit answered must be true of what recovery finds in them.
 */
#include "sqlite_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "store.h"

static const ff_engine_backend *const sqlite = &ffp_sqlite_backend;

enum { ROUNDS_MAX = 3000 };

static bool is_one_of(ff_code code, const ff_code *codes)
{
	while (*codes != FF_OK && *codes != code)
		codes++;
	return *codes == code;
}

static void check_error(ff_code code, const ff_code *allowed, const char *doing, fault_kind kind, unsigned n)
{
	check(is_one_of(code, allowed) && error.code == code && error.message[0] != '\0', __FILE__, __LINE__,
	      "%s, %s fault %u: answers %s: %s [%s]", doing, fault_name(kind), n, ff_code_name(code), error.message,
	      error.native_code);
}

/* The next round's number: allocations are many, and alike. */
static unsigned after(unsigned n)
{
	return n + 1 + n / 32;
}

/* ---- open ------------------------------------------------------------------------------------------------------ */

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_E_NO_MEMORY, FF_E_CORRUPT, FF_E_BUSY, FF_OK };

/* Whether nothing is there, or an empty store that is whole: what was made is not taken from others who may use it. */
static bool is_clean(unsigned *stores)
{
	if (count_files() == 0)
		return true;
	if (count_files() != 1 || !file_exists(path_of("a.db")))
		return false;
	++*stores;
	bool whole = strcmp(ask_sql(path_of("a.db"), "SELECT version FROM ff_schema"), "1") == 0 &&
	             strcmp(ask_sql(path_of("a.db"), "PRAGMA journal_mode"), "wal") == 0 &&
	             strcmp(ask_sql(path_of("a.db"), "SELECT count(*) FROM \"odd \"\"table\"\"\""), "0") == 0;
	unlink(path_of("a.db"));
	return whole;
}

/* Opens a new store while the n-th operation fails. False when none failed. */
static bool create_with_fault(fault_kind kind, unsigned n, unsigned *stores)
{
	ff_store *store;
	fault_arm(kind, n);
	ff_code code = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK) {
		odd_row row = odd("a", 1, "c", 1);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
		close_store(store);
		unlink(path_of("a.db"));
		return struck;
	}
	check_error(code, open_codes, "open", kind, n);
	check(is_clean(stores), __FILE__, __LINE__, "open, %s fault %u: leaves %d files: %s", fault_name(kind), n,
	      count_files(), error.message);
	return struck;
}

static void a_failed_open_leaves_nothing(void)
{
	unsigned stores = 0;
	unsigned rounds = 0;
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		unsigned n = 1;
		for (; n < ROUNDS_MAX && create_with_fault(kind, n, &stores); n = after(n))
			rounds++;
		check(n > 1 && n < ROUNDS_MAX, __FILE__, __LINE__, "%s: ends at %u", fault_name(kind), n);
	}
	check(stores < rounds / 4, __FILE__, __LINE__, "%u of %u failed opens left a store", stores, rounds);
}

/* Migrates a copy of the older store while the n-th operation fails. False when none failed. */
static bool migrate_with_fault(fault_kind kind, unsigned n)
{
	ff_store *store;
	const char *path = path_of("a.db");
	unlink(path_of("a.db-wal"));
	copy_file(path_of("old.db"), path);
	fault_arm(kind, n);
	ff_code code = open_store(path, &catalog_v2, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK)
		close_store(store);
	else
		check_error(code, open_codes, "migration", kind, n);
	/* The whole migration happened, or nothing, and it can be done again. */
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_ODD]), 1);
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_LATE]), 0);
	close_store(store);
	return struck;
}

static void a_failed_open_leaves_what_was_there(void)
{
	ff_store *store = must_open(path_of("old.db"));
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	close_store(store);
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		unsigned n = 1;
		while (n < ROUNDS_MAX && migrate_with_fault(kind, n))
			n = after(n);
		check(n > 1 && n < ROUNDS_MAX, __FILE__, __LINE__, "%s: ends at %u", fault_name(kind), n);
	}
}

/* ---- the host's allocator --------------------------------------------------------------------------------------- */

static void an_allocator_that_has_nothing(void)
{
	unsigned stores = 0;
	for (unsigned n = 0; n < ROUNDS_MAX; n++) {
		stingy host = { .left = n };
		ff_allocator allocator = stingy_allocator(&host);
		ff_store *store = calloc(1, sqlite->instance_size);
		ff_store_config config = { .uri = "",
			                   .scheme = "sqlite",
			                   .path = path_of("a.db"),
			                   .catalog = &catalog_v1,
			                   .allocator = &allocator };
		ff_code code = sqlite->open(store, &config, &error);
		if (code != FF_OK) {
			CHECK_INT(code, FF_E_NO_MEMORY);
			CHECK(is_clean(&stores));
			free(store);
			continue;
		}
		odd_row row = odd("a", 1, "c", 1);
		ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row };
		code = put_row(store, odd_v1(), NULL, &row.row);
		if (code == FF_OK)
			code = read_once(store, FF_TXN_READ, &read, 1);
		CHECK(code == FF_OK || code == FF_E_NO_MEMORY);
		CHECK(code == FF_OK || host.struck);
		close_store(store);
		unlink(path_of("a.db"));
		if (!host.struck) {
			CHECK(n > 3);
			return;
		}
	}
	CHECK(false);
}

static void *no_room(ff_arena *of, size_t size)
{
	(void)of;
	(void)size;
	return NULL;
}

static void an_arena_that_has_nothing(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	ff_read reads[] = { { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row },
		            { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 9 } };
	for (unsigned kind = 0; kind < 2; kind++) {
		ff_code code = FF_E_NO_MEMORY;
		for (size_t room = 0; code != FF_OK && room < 1024; room += 16) {
			static max_align_t memory[64];
			ff_arena small = { (char *)memory, (char *)memory + room, no_room };
			ff_txn *txn;
			REQUIRE_OK(sqlite->begin(store, FF_TXN_READ, &txn, &error));
			code = sqlite->load(txn, &small, &reads[kind], 1, &error);
			CHECK(code == FF_OK || code == FF_E_NO_MEMORY);
			CHECK(room > 0 || code == FF_E_NO_MEMORY);
			sqlite->abort(txn);
		}
		CHECK_INT(code, FF_OK);
	}
	close_store(store);
}

static void an_abort_needs_nothing(void)
{
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		ff_store *store = must_open(path_of("a.db"));
		odd_row row = odd("a", 1, "c", 1);
		ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
		ff_txn *txn;
		REQUIRE_OK(sqlite->begin(store, FF_TXN_WRITE, &txn, &error));
		REQUIRE_OK(sqlite->store(txn, &put, 1, &error));
		fault_arm_for_ever(kind, 1);
		sqlite->abort(txn);
		fault_disarm();
		CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
		REQUIRE_OK(sqlite->begin(store, FF_TXN_WRITE, &txn, &error));
		sqlite->abort(txn);
		close_store(store);
	}
}

/* ---- commit ----------------------------------------------------------------------------------------------------- */

static int64_t value_in(const char *path)
{
	ff_store *store = must_open(path);
	odd_row key = odd("a", 1, "c", 0);
	const odd_row *row = (const odd_row *)(const void *)get_row(store, odd_v1(), &key.row);
	int64_t value = row ? row->v : -1;
	close_store(store);
	return value;
}

/* What recovery finds where the machine stops now. */
static int64_t value_after_crash(void)
{
	copy_file(path_of("a.db"), path_of("crash.db"));
	copy_file(path_of("a.db-wal"), path_of("crash.db-wal"));
	int64_t value = value_in(path_of("crash.db"));
	unlink(path_of("crash.db"));
	return value;
}

static const ff_code write_codes[] = { FF_E_IO,   FF_E_FULL,           FF_E_NO_MEMORY, FF_E_CORRUPT,
	                               FF_E_BUSY, FF_E_COMMIT_UNKNOWN, FF_OK };

typedef struct tally {
	unsigned unknown, brought_back;
} tally;

/* Raises the row's value by one while the n-th operation fails. False when none failed. */
static bool add_one(ff_store *store, int64_t value, fault_kind kind, unsigned n, tally *seen, int64_t *now)
{
	odd_row before = odd("a", 1, "c", value);
	odd_row raised = odd("a", 1, "c", value + 1);
	fault_arm(kind, n);
	ff_code code = put_row(store, odd_v1(), &before.row, &raised.row);
	bool struck = fault_disarm();
	int64_t crashed = value_after_crash();
	ff_row *row = get_row(store, odd_v1(), &before.row);
	REQUIRE(row != NULL);
	*now = ((odd_row *)(void *)row)->v;
	int64_t want = code == FF_OK ? value + 1 : value;
	if (code == FF_E_COMMIT_UNKNOWN) {
		seen->unknown++;
		seen->brought_back += crashed == value + 1;
		CHECK(crashed == value || crashed == value + 1);
		CHECK(*now == value || *now == value + 1);
	} else {
		check(crashed == want && *now == want, __FILE__, __LINE__,
		      "%s fault %u answers %s; %d is seen, and %d after a crash, for %d", fault_name(kind), n,
		      ff_code_name(code), (int)*now, (int)crashed, (int)want);
	}
	if (code != FF_OK)
		check_error(code, write_codes, "commit", kind, n);
	return struck;
}

static void a_commit_answers_the_truth(void)
{
	tally seen = { 0 };
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		int64_t value = 1;
		unsigned n = 1;
		/* A store of its own each time: nothing is cached, and the log is new. */
		for (bool struck = true; struck && n < ROUNDS_MAX; n++) {
			ff_store *store = must_open(path_of("a.db"));
			odd_row row = odd("a", 1, "c", value);
			if (n == 1)
				REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
			struck = add_one(store, value, kind, n, &seen, &value);
			/* And once more on the same handle, which must have recovered. */
			row.v = value;
			row.n = value;
			odd_row next = odd("a", 1, "c", value + 1);
			REQUIRE_OK(put_row(store, odd_v1(), &row.row, &next.row));
			value++;
			CHECK_INT(value_after_crash(), value);
			close_store(store);
			CHECK_INT(value_in(path_of("a.db")), value);
		}
		check(n < ROUNDS_MAX, __FILE__, __LINE__, "%s does not end", fault_name(kind));
		CHECK_TEXT(ask_sql(path_of("a.db"), "PRAGMA integrity_check"), "ok");
		unlink(path_of("a.db"));
	}
	/* Without any, and without one that recovery brings back to life, this would prove nothing. */
	CHECK(seen.unknown > 0);
	CHECK(seen.brought_back > 0);
}

static void a_failed_sync_leaves_the_commit_unknown(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	odd_row raised = odd("a", 1, "c", 2);
	fault_arm(FAULT_SYNC, 1);
	CHECK_CODE(put_row(store, odd_v1(), &row.row, &raised.row), FF_E_COMMIT_UNKNOWN);
	CHECK_TEXT(error.native_code, "1034"); /* SQLITE_IOERR_FSYNC */
	fault_disarm();
	/* Without syncs there is nothing to fail. */
	static const char *const params[] = { "durability", "normal", NULL };
	close_store(store);
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	odd_row key = odd("b", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &key.row));
	odd_row more = odd("b", 1, "c", 2);
	fault_arm(FAULT_SYNC, 1);
	CHECK_CODE(put_row(store, odd_v1(), &key.row, &more.row), FF_OK);
	CHECK(!fault_disarm());
	close_store(store);
}

/* ---- a full disk --------------------------------------------------------------------------------------------------
 */

static void a_full_disk(void)
{
	ff_store *store = must_open(path_of("a.db"));
	ff_code code = FF_OK;
	int64_t rows = 0;
	REQUIRE(sqlite3_exec(store->writer->db, "PRAGMA max_page_count = 40", NULL, NULL, NULL) == SQLITE_OK);
	while (code == FF_OK && rows < 10000) {
		odd_row row = odd("a", rows, "some words to fill a page with", 1);
		code = put_row(store, odd_v1(), NULL, &row.row);
		rows += code == FF_OK;
	}
	CHECK_CODE(code, FF_E_FULL);
	CHECK_TEXT(error.native_code, "13");
	CHECK(strstr(error.message, path_of("a.db")) != NULL);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), rows);
	odd_row row = odd("a", 0, "some words to fill a page with", 1);
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE, .before = &row.row };
	CHECK_CODE(write_once(store, &gone, 1), FF_OK);
	close_store(store);
}

/* Opens and writes where no file may grow past `size`. Exits with 0 where all went well, 1 where it ran out of room as
 * it should, 2 where something else is wrong, which it writes to `complaints`. */
static void use_small_disk(rlim_t size, int complaints)
{
	struct rlimit limit = { size, size };
	ff_store *store;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		_exit(2);
	ff_code code = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store);
	bool clean = code == FF_OK || count_files() == 0;
	if (code == FF_OK) {
		odd_row row = odd("a", 1, "c", 1);
		code = put_row(store, odd_v1(), NULL, &row.row);
	}
	if (code == FF_OK || (code == FF_E_FULL && clean))
		_exit(code != FF_OK);
	dprintf(complaints, "%s%s: %s", clean ? "" : "it leaves files; ", ff_code_name(code), error.message);
	_exit(2);
}

static void a_disk_that_is_full_from_the_start(void)
{
	unsigned full = 0;
	int answer = 1;
	for (rlim_t size = 0; answer == 1 && size < (1 << 20); size += 1024) {
		int complaints[2];
		char text[512] = "";
		REQUIRE(pipe(complaints) == 0);
		fflush(stdout);
		pid_t child = fork();
		if (child == 0)
			use_small_disk(size, complaints[1]);
		close(complaints[1]);
		CHECK(read(complaints[0], text, sizeof(text) - 1) >= 0);
		close(complaints[0]);
		int status = -1;
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
		answer = WEXITSTATUS(status);
		check(answer != 2, __FILE__, __LINE__, "%u bytes: %s", (unsigned)size, text);
		full += answer == 1;
		unlink(path_of("a.db"));
		unlink(path_of("a.db-wal"));
		unlink(path_of("a.db-shm"));
	}
	CHECK_INT(answer, 0);
	CHECK(full > 10);
}

static const test_case cases[] = {
	CASE(a_failed_open_leaves_nothing, "FF-ERR-2"),
	CASE(a_failed_open_leaves_what_was_there, "FF-MT-2"),
	CASE(an_allocator_that_has_nothing, ""),
	CASE(an_arena_that_has_nothing, ""),
	CASE(an_abort_needs_nothing, "FF-ERR-2"),
	CASE(a_commit_answers_the_truth, "FF-ERR-2"),
	CASE(a_failed_sync_leaves_the_commit_unknown, "FF-ERR-2"),
	CASE(a_full_disk, "FF-ERR-1"),
	CASE(a_disk_that_is_full_from_the_start, "FF-ERR-1"),
};
FAMILY(cases_faults, cases);
