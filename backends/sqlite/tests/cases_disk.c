/*
 * What a commit answers where the N-th operation fails, what a read does, and a disk that is full. A crash is a copy of the
 * files: what a commit answered must be true of what recovery finds in them.
 */
#include "sqlite_test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "store.h"

static const ff_engine_backend *const sqlite = &ffp_sqlite_backend;

/* ---- commit ----------------------------------------------------------------------------------------------------- */

/* What recovery finds where the machine stops now. */
static int64_t value_after_crash(ff_test *t)
{
	copy_file(t, path_of(t, "a.db"), path_of(t, "crash.db"));
	copy_file(t, path_of(t, "a.db-wal"), path_of(t, "crash.db-wal"));
	int64_t value = value_in(t, path_of(t, "crash.db"));
	unlink(path_of(t, "crash.db"));
	return value;
}

static const ff_code write_codes[] = { FF_E_IO, FF_E_FULL, FF_E_NO_MEMORY, FF_E_CONFLICT, FF_E_COMMIT_UNKNOWN, FF_OK };

typedef struct tally {
	unsigned unknown, brought_back;
} tally;

/* Raises the row's value by one while the n-th operation fails. False when none failed. */
static bool add_one(ff_test *t, ff_store *store, int64_t value, fault_kind kind, unsigned n, tally *seen, int64_t *now)
{
	ffp_odd_row before = ffp_odd("a", 1, "c", value);
	ffp_odd_row raised = ffp_odd("a", 1, "c", value + 1);
	fault_arm_round(kind, n);
	ff_code code = put_row(t, store, odd_v1(), &before.row, &raised.row);
	bool struck = fault_disarm();
	int64_t crashed = value_after_crash(t);
	ff_row *row = get_row(t, store, odd_v1(), &before.row);
	FF_REQUIRE(t, row != NULL);
	*now = ffp_odd_of(row)->v;
	int64_t want = code == FF_OK ? value + 1 : value;
	if (code == FF_E_COMMIT_UNKNOWN) {
		seen->unknown++;
		seen->brought_back += crashed == value + 1;
		FF_CHECK(t, crashed == value || crashed == value + 1);
		FF_CHECK(t, *now == value || *now == value + 1);
		/* Who may write from then on has found what a crash would leave. */
		ff_txn *txn;
		FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		sqlite->abort(txn);
		FF_CHECK_EQ_INT(t, value_after_crash(t), *now);
	} else {
		if (!FF_CHECK(t, crashed == want && *now == want))
			ff_test_note(t, "%s fault %u answers %s; %d is seen, and %d after a crash, for %d",
			             fault_name(kind), n, ff_code_name(code), (int)*now, (int)crashed, (int)want);
	}
	if (code != FF_OK)
		check_fault(t, code, write_codes, "commit", kind, n);
	/* What had no room was not written. */
	FF_CHECK(t, kind != FAULT_WRITE || n % 2 || code != FF_E_COMMIT_UNKNOWN);
	return struck;
}

static void a_commit_answers_the_truth(ff_test *t)
{
	tally seen = { 0 };
	FOR_EACH_FAULT (kind) {
		int64_t value = 1;
		unsigned n = 1;
		/* A store of its own each time: nothing is cached, and the log is new. */
		for (bool struck = true; struck && n < FAULT_ROUNDS_MAX; n++) {
			ff_store *store = must_open(t, path_of(t, "a.db"));
			ffp_odd_row row = ffp_odd("a", 1, "c", value);
			if (n == 1)
				FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
			struck = add_one(t, store, value, kind, n, &seen, &value);
			/* And once more on the same handle, which must have recovered. */
			row.v = value;
			row.n = value;
			ffp_odd_row next = ffp_odd("a", 1, "c", value + 1);
			FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row.row, &next.row));
			value++;
			FF_CHECK_EQ_INT(t, value_after_crash(t), value);
			close_store(store);
			FF_CHECK_EQ_INT(t, value_in(t, path_of(t, "a.db")), value);
		}
		check_rounds(t, kind, n);
		FF_CHECK_STR(t, ask_sql(t, path_of(t, "a.db"), "PRAGMA integrity_check"), "ok");
		unlink(path_of(t, "a.db"));
	}
	/* Without any, and without one that recovery brings back to life, this would prove nothing. */
	FF_CHECK(t, seen.unknown > 0);
	FF_CHECK(t, seen.brought_back > 0);
}

/* What begin answers is true: a writer has the store to itself, or nobody has it. */
static void a_begin_that_fails(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	ff_store *other;
	unsigned refused = 0;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &other));
	FOR_EACH_FAULT (kind) {
		unsigned n = 1;
		for (bool struck = true; struck && n < FAULT_ROUNDS_MAX; n++) {
			ff_store *store = must_open(t, path_of(t, "a.db"));
			ff_txn *txn, *second;
			fault_arm_round(kind, n);
			ff_code code = sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t));
			struck = fault_disarm();
			if (code != FF_OK)
				check_fault(t, code, write_codes, "begin", kind, n);
			ff_code want = code == FF_OK ? FF_E_BUSY : FF_OK;
			if (FF_CHECK_CODE(t, sqlite->begin(other, FF_TXN_WRITE, &second, ff_test_error(t)), want) &&
			    want == FF_OK)
				sqlite->abort(second);
			refused += code != FF_OK;
			if (code == FF_OK)
				sqlite->abort(txn);
			close_store(store);
		}
		check_rounds(t, kind, n);
	}
	FF_CHECK(t, refused > 10); /* else this would prove nothing */
	close_store(other);
}

static void a_failed_sync_leaves_the_commit_unknown(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	ffp_odd_row raised = ffp_odd("a", 1, "c", 2);
	for (unsigned round = 1; round <= 2; round++) { /* whatever the system gives as the reason */
		fault_arm_round(FAULT_SYNC, round);
		FF_CHECK_CODE(t, put_row(t, store, odd_v1(), &row.row, &raised.row), FF_E_COMMIT_UNKNOWN);
		FF_CHECK_STR(t, ff_test_error(t)->native_code, "1034"); /* SQLITE_IOERR_FSYNC */
		/* While that goes on, nobody can be told what became of it. */
		ff_txn *txn;
		fault_arm_round(FAULT_SYNC, round);
		FF_CHECK_CODE(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_IO);
		fault_disarm();
		FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		sqlite->abort(txn);
	}
	close_store(store);
	/* Without syncs there is nothing to fail, but where the log is folded, as it is at the end. */
	static const char *const params[][3] = { { "durability", "normal", NULL }, { "durability", "none", NULL } };
	for (int i = 0; i < 2; i++) {
		FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params[i], &store));
		ffp_odd_row more = ffp_odd("b", i, "c", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &more.row));
		more.b = i + 2;
		fault_arm(FAULT_SYNC, 1);
		FF_CHECK_CODE(t, put_row(t, store, odd_v1(), NULL, &more.row), FF_OK);
		FF_CHECK(t, !fault_disarm());
		fault_arm(FAULT_SYNC, 1);
		close_store(store);
		FF_CHECK_EQ_INT(t, fault_disarm(), i == 0);
	}
}

/* Commits nothing, while a sync fails: whether there was one, by which the answer would be as durable as its store. */
static bool syncs_what_it_read(ff_test *t, ff_store *store, unsigned n)
{
	fault_arm(FAULT_SYNC, n);
	ff_code code = write_once(t, store, NULL, 0);
	bool synced = fault_disarm();
	FF_CHECK_CODE(t, code, synced ? FF_E_IO : FF_OK);
	return synced;
}

/* Of the log and of the file, where another handle, which does not, has written since. */
static void an_answer_is_as_durable_as_its_store(ff_test *t)
{
	static const char *const params[] = { "durability", "none", NULL };
	ff_store *loose, *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &loose));
	for (int64_t i = 0; i < 2; i++) {
		ffp_odd_row ours = ffp_odd("a", i, "c", 1), theirs = ffp_odd("b", i, "c", 1);
		fault_arm(FAULT_SYNC, 3); /* two may be the commit's own, with that of a new log's header */
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &ours.row));
		FF_CHECK(t, !fault_disarm());
		FF_CHECK(t, !syncs_what_it_read(t, store, 1));
		FF_CHECK(t, !syncs_what_it_read(t, loose, 1));
		FF_REQUIRE_OK(t, put_row(t, loose, odd_v1(), NULL, &theirs.row));
		FF_CHECK(t, syncs_what_it_read(t, store, 1));
		FF_CHECK(t, syncs_what_it_read(t, store, 2));
		FF_CHECK(t, !syncs_what_it_read(t, store, 3));
		FF_CHECK(t, !syncs_what_it_read(t, store, 1));
		theirs.a = ffp_text_of("c");
		FF_REQUIRE_OK(t, put_row(t, loose, odd_v1(), NULL, &theirs.row));
	}
	close_store(loose);
	close_store(store);
}

/* ---- reads ------------------------------------------------------------------------------------------------------ */

static const ff_code read_codes[] = { FF_E_IO, FF_E_NO_MEMORY, FF_OK };

/* A row that cannot be read is not one that is not there: a key would be taken for fresh. */
static void a_failed_read_is_no_answer(ff_test *t)
{
	enum { COUNT = 300 };
	static ffp_odd_row rows[COUNT];
	static ff_write writes[COUNT];
	ff_store *store = must_open(t, path_of(t, "a.db"));
	for (int i = 0; i < COUNT; i++) {
		rows[i] = ffp_odd("a", i, "some words to fill a page with", 1);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, COUNT));
	close_store(store);
	ff_read reads[] = { { .table = odd_v1(), .kind = FF_READ_GET, .low = &rows[COUNT / 2].row },
		            { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = UINT32_MAX } };
	for (unsigned i = 0; i < 4; i++) {
		const fault_kind kind = i / 2 ? FAULT_MALLOC : FAULT_READ;
		unsigned n = 0;
		for (bool struck = true; struck && n < FAULT_ROUNDS_MAX;) {
			ff_read read = reads[i % 2];
			store = must_open(t, path_of(t, "a.db"));
			n = fault_round_after(n);
			fault_arm_round(kind, n);
			ff_code code = read_once(t, store, FF_TXN_READ, &read, 1);
			struck = fault_disarm();
			bool whole = code == FF_OK && (i % 2 ? read.rows_count == COUNT : read.row != NULL);
			if (!whole)
				check_fault(t, code, read_codes, "read", kind, n);
			close_store(store);
		}
		check_rounds(t, kind, n);
	}
}

/* ---- a full disk --------------------------------------------------------------------------------------------------
 */

/* Puts, and once more where the log was in the way. */
static ff_code put_again(ff_test *t, ff_store *store, const ff_row *before, const ff_row *after, unsigned *conflicts)
{
	ff_code code = put_row(t, store, odd_v1(), before, after);
	if (code != FF_E_CONFLICT)
		return code;
	++*conflicts;
	return put_row(t, store, odd_v1(), before, after);
}

static void a_full_disk(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ff_code code = FF_OK;
	int64_t rows = 0;
	unsigned conflicts = 0;
	FF_REQUIRE(t, sqlite3_exec(store->writer->db, "PRAGMA max_page_count = 40", NULL, NULL, NULL) == SQLITE_OK);
	while (code == FF_OK && rows < 10000) {
		ffp_odd_row row = ffp_odd("a", rows, "some words to fill a page with", 1);
		code = put_again(t, store, NULL, &row.row, &conflicts);
		rows += code == FF_OK;
	}
	FF_CHECK_CODE(t, code, FF_E_FULL);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "13");
	FF_CHECK(t, strstr(ff_test_error(t)->message, path_of(t, "a.db")) != NULL);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows);
	ffp_odd_row row = ffp_odd("a", 0, "some words to fill a page with", 1);
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE, .before = &row.row };
	FF_CHECK_CODE(t, write_once(t, store, &gone, 1), FF_OK);
	close_store(store);
}

/* Opens and writes where no file may grow past `size`, in a process of its own. Exits with 0 where all went well, 1
 * where it ran out of room as it should, and leaves the files as they are. */
static int use_small_disk(ff_test *t, int size)
{
	struct rlimit limit = { (rlim_t)size, (rlim_t)size };
	ff_store *store;
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, setrlimit(RLIMIT_FSIZE, &limit) == 0);
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
	FF_CHECK(t, code == FF_OK || count_files(t) == 0);
	if (code == FF_OK) {
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		code = put_row(t, store, odd_v1(), NULL, &row.row);
	}
	FF_CHECK(t, code == FF_OK || FF_CHECK_CODE(t, code, FF_E_FULL));
	end_process(code != FF_OK);
}

static void a_disk_that_is_full_from_the_start(ff_test *t)
{
	unsigned full = 0;
	int answer = 1;
	for (int size = 0; answer == 1 && size < (1 << 20); size += 1024) {
		answer = in_process(t, use_small_disk, size);
		if (!FF_CHECK(t, answer != PROCESS_FAILED))
			ff_test_note(t, "%d bytes", size);
		full += answer == 1;
		remove_store(path_of(t, "a.db"));
	}
	FF_CHECK_EQ_INT(t, answer, 0);
	FF_CHECK(t, full > 10);
}

static int use_small_disk_for_long(ff_test *t, int size)
{
	struct rlimit limit = { (rlim_t)size, (rlim_t)size };
	unsigned conflicts = 0;
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 0);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int64_t i = 1; i <= 500; i++) {
		ffp_odd_row before = ffp_odd("a", 1, "c", i - 1);
		ffp_odd_row after = ffp_odd("a", 1, "c", i);
		FF_REQUIRE_OK(t, put_again(t, store, &before.row, &after.row, &conflicts));
	}
	FF_CHECK(t, conflicts > 2);
	/* What an empty log has no room for is too large, and does not go round for ever. */
	char *bytes = calloc(1, (size_t)size);
	FF_REQUIRE(t, bytes != NULL);
	memset(bytes, 'x', (size_t)size);
	ffp_odd_row large = ffp_odd("a", 2, "c", 1);
	large.w = (ff_text){ bytes, (size_t)size };
	FF_CHECK_CODE(t, put_again(t, store, NULL, &large.row, &conflicts), FF_E_FULL);
	FF_CHECK_CODE(t, put_again(t, store, NULL, &large.row, &conflicts), FF_E_FULL);
	free(bytes);
	/* Nor is one that a reader holds. */
	ff_txn *reader;
	FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_READ, &reader, ff_test_error(t)));
	ff_code code = FF_OK;
	int64_t last = 500;
	for (; code == FF_OK && last < 1000; last += code == FF_OK) {
		ffp_odd_row before = ffp_odd("a", 1, "c", last);
		ffp_odd_row after = ffp_odd("a", 1, "c", last + 1);
		code = put_again(t, store, &before.row, &after.row, &conflicts);
	}
	FF_CHECK_CODE(t, code, FF_E_FULL);
	sqlite->abort(reader);
	ffp_odd_row before = ffp_odd("a", 1, "c", last);
	ffp_odd_row after = ffp_odd("a", 1, "c", last + 1);
	FF_CHECK_CODE(t, put_again(t, store, &before.row, &after.row, &conflicts), FF_OK);
	close_store(store);
	end_process(0);
}

/* Pages that SQLite's cache has no room for go to the log before the commit does. */
static int use_small_disk_for_much(ff_test *t, int size)
{
	enum { COUNT = 6 };
	struct rlimit limit = { (rlim_t)size, (rlim_t)size };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	static ffp_odd_row rows[COUNT];
	static ff_write writes[COUNT];
	char *bytes = calloc(1, (size_t)size);
	FF_REQUIRE(t, bytes != NULL);
	memset(bytes, 'x', (size_t)size);
	for (int i = 0; i < COUNT; i++) {
		rows[i] = ffp_odd("a", i, "c", 1);
		rows[i].w = (ff_text){ bytes, (size_t)size / 4 };
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int i = 0; i < 3; i++) {
		FF_CHECK_CODE(t, write_once(t, store, writes, COUNT), FF_E_CONFLICT);
		FF_CHECK_CODE(t, write_once(t, store, writes, COUNT), FF_E_FULL);
	}
	/* What a log takes that holds nothing, the rows' file cannot have. */
	struct stat log;
	FF_CHECK(t, stat(path_of(t, "a.db-wal"), &log) == 0 && log.st_size == 0);
	FF_CHECK_CODE(t, write_once(t, store, writes, 1), FF_OK);
	free(bytes);
	close_store(store);
	end_process(0);
}

/* The log is not what fills a disk on which the rows have room. */
static void a_disk_with_little_room_for_the_log(ff_test *t)
{
	FF_CHECK_EQ_INT(t, in_process(t, use_small_disk_for_long, 300000), 0);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
}

static void a_disk_with_little_room_for_a_batch(ff_test *t)
{
	FF_CHECK_EQ_INT(t, in_process(t, use_small_disk_for_much, 8 << 20), 0);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
}

/* Whoever else writes folds the log as well, and may hold it at that moment. */
static int share_small_disk(ff_test *t, int number)
{
	struct rlimit limit = { 300000, 300000 };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int64_t i = 0; i < 300; i++) {
		ffp_odd_row before = ffp_odd("a", number, "c", i);
		ffp_odd_row after = ffp_odd("a", number, "c", i + 1);
		ff_code code = FF_E_CONFLICT;
		for (int tries = 0; code == FF_E_CONFLICT && tries < 100; tries++)
			code = put_row(t, store, odd_v1(), i ? &before.row : NULL, &after.row);
		FF_REQUIRE_OK(t, code);
	}
	close_store(store);
	end_process(0);
}

static void processes_on_a_disk_with_little_room(ff_test *t)
{
	close_store(must_open(t, path_of(t, "a.db")));
	in_processes(t, 4, share_small_disk);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
}

static const ff_case cases[] = {
	CASE(a_commit_answers_the_truth, "FF-ERR-2", 0),
	CASE(a_begin_that_fails, "FF-ERR-2", 0),
	CASE(a_failed_sync_leaves_the_commit_unknown, "FF-ERR-2", 0),
	CASE(an_answer_is_as_durable_as_its_store, "FF-ERR-2", 0),
	CASE(a_failed_read_is_no_answer, "FF-ERR-1", 0),
	CASE(a_full_disk, "FF-ERR-1", 0),
	CASE(a_disk_that_is_full_from_the_start, "FF-ERR-1", 0),
	CASE(a_disk_with_little_room_for_the_log, "FF-ERR-1", 0),
	CASE(a_disk_with_little_room_for_a_batch, "FF-ERR-1", 0),
	CASE(processes_on_a_disk_with_little_room, "FF-ERR-1", 0),
};
FAMILY(cases_disk, cases);
