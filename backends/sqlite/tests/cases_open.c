/* Opening: what is not a store, what cannot be written, and that a failed open leaves nothing. */
#include "sqlite_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faulty.h"
#include "store.h"

static const ff_engine_backend *const sqlite = &ffp_sqlite_backend;

static void what_is_no_store(ff_test *t)
{
	static const char zeros[8192];
	static const char text[] = "budget,tokens\na,1\n";
	write_file(t, path_of(t, "text"), text, sizeof(text) - 1);
	write_file(t, path_of(t, "zeros"), zeros, sizeof(zeros));
	write_file(t, path_of(t, "byte"), text, 1);
	run_sql(t, path_of(t, "utf16"), "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)");
	uint64_t text_was = file_hash(path_of(t, "text"));
	uint64_t byte_was = file_hash(path_of(t, "byte"));
	uint64_t utf16_was = file_hash(path_of(t, "utf16"));
	mkdir(path_of(t, "directory"), 0700);
	mkfifo(path_of(t, "fifo"), 0600);
	refuse_open(t, path_of(t, "text"), 0, FF_E_CORRUPT);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "26");
	refuse_open(t, path_of(t, "text"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "zeros"), 0, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "byte"), 0, FF_E_CORRUPT);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "26");
	refuse_open(t, path_of(t, "byte"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "byte"), FF_STORE_MUST_EXIST, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "utf16"), 0, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "directory"), 0, FF_E_INVALID);
	refuse_open(t, path_of(t, "directory"), FF_STORE_READ_ONLY, FF_E_INVALID);
	refuse_open(t, path_of(t, "fifo"), 0, FF_E_INVALID);
	refuse_open(t, path_of(t, "no/such/directory"), 0, FF_E_IO);
	refuse_open(t, path_of(t, "text/a"), 0, FF_E_IO);
	FF_CHECK(t, file_hash(path_of(t, "text")) == text_was);
	FF_CHECK(t, file_hash(path_of(t, "byte")) == byte_was);
	FF_CHECK(t, file_hash(path_of(t, "utf16")) == utf16_was);
	FF_CHECK_EQ_INT(t, count_files(t), 6);
}

static void what_is_missing(ff_test *t)
{
	refuse_open(t, path_of(t, "a.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "a.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
	/* A file without the tables is no store yet. */
	write_file(t, path_of(t, "empty.db"), "", 0);
	run_sql(t, path_of(t, "other.db"), "CREATE TABLE theirs (a)");
	refuse_open(t, path_of(t, "empty.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "empty.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "other.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	FF_CHECK_EQ_INT(t, count_files(t), 2);
	FF_CHECK(t, file_hash(path_of(t, "empty.db")) == UINT64_C(0xcbf29ce484222325));
	ff_store *store;
	FF_CHECK_CODE(t, open_store(t, ":memory:", &catalog_v1, FF_STORE_MUST_EXIST, NULL, &store), FF_E_NOT_FOUND);
	close_store(must_open(t, path_of(t, "empty.db")));
	close_store(must_open(t, path_of(t, "other.db")));
	FF_CHECK_STR(t, ask_sql(t, path_of(t, "other.db"), "SELECT name FROM sqlite_schema WHERE name = 'theirs'"),
	             "theirs");
}

static void parameters(ff_test *t)
{
	static const char *const wrong[][3] = {
		{ "durability", "sometimes", NULL },
		{ "busy_timeout_ms", "soon", NULL },
		{ "busy_timeout_ms", "-1", NULL },
		{ "map_size", "1", NULL },
	};
	ff_store *store;
	ff_store_limits limits;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, wrong[i], &store), FF_E_INVALID);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
	FF_REQUIRE_OK(t, open_store(t, ":memory:", &catalog_v1, 0, NULL, &store));
	FF_REQUIRE_OK(t, sqlite->limits(store, &limits, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, limits.caps, 0);
	FF_CHECK_EQ_INT(t, limits.durability, FF_DURABILITY_NONE);
	close_store(store);
}

static void two_memory_stores_are_two(ff_test *t)
{
	ff_store *one = must_open(t, ":memory:");
	ff_store *other = must_open(t, ":memory:");
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, one, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, one, odd_v1()), 1);
	FF_CHECK_EQ_INT(t, count_rows(t, other, odd_v1()), 0);
	close_store(one);
	close_store(other);
	FF_CHECK(t, !file_exists(":memory:"));
}

/* What links answer, for everyone in this program; 0: what the system does. */
static int link_error;

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int link(const char *from, const char *to)
{
	errno = link_error;
	return link_error ? -1 : linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* Where a file can have no second name a new store is made in its place; other errors are the open's. */
static void a_file_system_without_links(ff_test *t)
{
	static const struct {
		int error;
		ff_code code;
	} ways[] = { { EPERM, FF_OK }, { EOPNOTSUPP, FF_OK }, { ENOSYS, FF_OK },
		     { EIO, FF_E_IO }, { ENOSPC, FF_E_FULL }, { EDQUOT, FF_E_FULL } };
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		ff_store *store;
		link_error = ways[i].error;
		FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store), ways[i].code);
		link_error = 0;
		if (store)
			close_store(store);
		FF_CHECK_EQ_INT(t, count_files(t), ways[i].code == FF_OK);
		remove_store(path_of(t, "a.db"));
	}
}

/* ---- others that have it ------------------------------------------------------------------------------------- */

static _Atomic int sleeps;      /* how often somebody in this program has slept */
static _Atomic int interrupted; /* so many sleeps more a signal ends at once */

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (interrupted > 0) {
		interrupted--;
		if (left)
			*left = *time;
		errno = EINTR;
		return -1;
	}
	sleeps++;
	errno = clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
	return errno ? -1 : 0;
}

static void *end_soon(void *db)
{
	usleep(50000);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return NULL;
}

/* To change the journal's mode wants the file alone: who reads it meanwhile is waited for, as long as was told and no
 * longer. All but the first few sleeps are of one to two milliseconds. */
static void a_file_that_is_read_while_it_is_opened(ff_test *t)
{
	static const char *const soon[] = { "busy_timeout_ms", "20", NULL };
	const char *path = path_of(t, "a.db");
	ff_store *store;
	pthread_t thread;
	sqlite3 *db;
	close_store(must_open(t, path));
	run_sql(t, path, "PRAGMA journal_mode = DELETE");
	FF_REQUIRE(t, sqlite3_open(path, &db) == SQLITE_OK);
	FF_REQUIRE(t, sqlite3_exec(db, "BEGIN; SELECT * FROM ff_schema", NULL, NULL, NULL) == SQLITE_OK);
	sleeps = 0;
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, soon, &store), FF_E_BUSY);
	FF_CHECK(t, sleeps > 10 && sleeps < 40);
	FF_REQUIRE(t, pthread_create(&thread, NULL, end_soon, db) == 0);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_OK);
	pthread_join(thread, NULL);
	sqlite3_close(db);
	if (store)
		close_store(store);
	FF_CHECK_STR(t, ask_sql(t, path, "PRAGMA journal_mode"), "wal");
}

/* What a signal has ended is no wait. */
static void a_wait_among_signals(ff_test *t)
{
	ff_wait wait = { .limit_us = 1 };
	ff_wait_start(&wait);
	sleeps = 0;
	interrupted = 3;
	FF_CHECK(t, ff_wait_pause(&wait));
	FF_CHECK_EQ_INT(t, interrupted, 0);
	FF_CHECK_EQ_INT(t, sleeps, 1);
	FF_CHECK(t, !ff_wait_pause(&wait));
}

/* Processes that write take turns, by whatever name they know the file. But SQLite's own lock is what counts: who has the
 * turn and does not move keeps nobody out. */
static void writers_take_turns(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "30", NULL };
	const char *path = path_of(t, "a.db");
	struct stat file;
	ffp_turn turn = { 0 };
	ff_wait none = { .limit_us = 0 };
	ff_store *store;
	ff_txn *txn;
	mkdir(path_of(t, "links"), 0700);
	close_store(must_open(t, path));
	FF_REQUIRE(t, symlink(path, path_of(t, "links/b.db")) == 0 && stat(path, &file) == 0);
	FF_REQUIRE(t, ffp_turn_open(&turn, AT_FDCWD, path_of(t, "a.db-turn"), &file) == 0 && turn.memory);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "links/b.db"), &catalog_v1, 0, params, &store));
	FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, ffp_turn_take(&turn, &none), EBUSY);
	sqlite->abort(txn);
	FF_CHECK_EQ_INT(t, ffp_turn_take(&turn, &none), 0);
	int64_t began_us = ffp_monotonic_us();
	FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	FF_CHECK(t, ffp_monotonic_us() - began_us >= 30000);
	sqlite->abort(txn);
	FF_CHECK_EQ_INT(t, ffp_turn_take(&turn, &none), EBUSY); /* it was not given for us */
	ffp_turn_give(&turn);
	ffp_turn_close(&turn);
	close_store(store);
	FF_CHECK(t, !file_exists(path_of(t, "a.db-turn")));
}

/* Where there can be no turn a store does without. */
static void a_store_without_a_turn(ff_test *t)
{
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	mkdir(path_of(t, "a.db-turn"), 0700);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	FF_CHECK(t, file_exists(path_of(t, "a.db-turn")));
}

static void a_few_readers_are_kept(ff_test *t)
{
	enum { AT_ONCE = 20, KEPT = 8 };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ff_txn *readers[AT_ONCE];
	for (unsigned turn = 0; turn < 2; turn++) {
		unsigned kept = 0;
		for (unsigned i = 0; i < AT_ONCE; i++)
			FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_READ, &readers[i], ff_test_error(t)));
		for (unsigned i = 0; i < AT_ONCE; i++)
			sqlite->abort(readers[i]);
		for (const ff_txn *idle = store->idle; idle; idle = idle->next)
			kept++;
		FF_CHECK_EQ_INT(t, kept, KEPT);
	}
	close_store(store);
}

/* A writer's connection has one transaction, and so has a store in memory. */
static void one_transaction_at_a_time(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "20", NULL };
	const char *const paths[] = { path_of(t, "a.db"), ":memory:" };
	for (unsigned memory = 0; memory < 2; memory++) {
		ff_store *store;
		ff_txn *txn, *second;
		FF_REQUIRE_OK(t, open_store(t, paths[memory], &catalog_v1, 0, params, &store));
		FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		FF_CHECK_CODE(t, sqlite->begin(store, FF_TXN_WRITE, &second, ff_test_error(t)),
		              memory ? FF_E_BUSY : FF_E_MISUSE);
		sqlite->abort(txn);
		close_store(store);
	}
}

/* ---- rights -------------------------------------------------------------------------------------------------- */

/* Runs `body` in a process that may read and write the case's directory; it drops root's rights. */
static void without_rights(ff_test *t, process_fn *body)
{
	FF_CHECK(t, chmod(directory(t), 0777) == 0);
	in_processes(t, 1, body);
}

static int refuse_without_rights(ff_test *t, int number)
{
	(void)number;
	drop_rights(t);
	refuse_open(t, path_of(t, "none.db"), 0, FF_E_IO);
	refuse_open(t, path_of(t, "none.db"), FF_STORE_READ_ONLY, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	refuse_open(t, path_of(t, "read.db"), 0, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	refuse_open(t, path_of(t, "sealed/write.db"), 0, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "directory") != NULL);
	refuse_open(t, path_of(t, "sealed/new.db"), 0, FF_E_IO);
	return 0;
}

static int read_without_rights(ff_test *t, int number)
{
	static const char *const names[] = { "read.db", "sealed/read?%41#.db", "sealed/write.db" };
	ffp_odd_row key = ffp_odd("a", 1, "c", 1);
	(void)number;
	drop_rights(t);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ff_store *store;
		FF_REQUIRE_OK(t, open_store(t, path_of(t, names[i]), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
		FF_CHECK(t, get_row(t, store, odd_v1(), &key.row) != NULL);
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
		close_store(store);
	}
	FF_CHECK(t, !file_exists(path_of(t, "read.db-wal")));
	return 0;
}

static void make_one_row(ff_test *t, const char *path)
{
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
}

static void files_that_may_not_be_written(ff_test *t)
{
	static const char *const names[] = { "none.db", "read.db", "sealed/read?%41#.db", "sealed/write.db" };
	static const mode_t modes[] = { 0, 0444, 0444, 0666 };
	mkdir(path_of(t, "sealed"), 0700);
	for (size_t i = 0; i < 4; i++) {
		make_one_row(t, path_of(t, names[i]));
		FF_CHECK(t, chmod(path_of(t, names[i]), modes[i]) == 0);
	}
	FF_CHECK(t, chmod(path_of(t, "sealed"), 0555) == 0);
	uint64_t was = file_hash(path_of(t, "read.db"));
	without_rights(t, refuse_without_rights);
	without_rights(t, read_without_rights);
	FF_CHECK(t, file_hash(path_of(t, "read.db")) == was);
	FF_CHECK(t, chmod(path_of(t, "sealed"), 0700) == 0);
	FF_CHECK(t, unlink(path_of(t, names[2])) == 0 && unlink(path_of(t, names[3])) == 0);
	FF_CHECK_EQ_INT(t, rmdir(path_of(t, "sealed")), 0); /* nothing else is in it */
}

/* ---- reading only --------------------------------------------------------------------------------------------- */

/* A store as a crash leaves it: with a log that nobody has folded into the file. */
static void make_crashed(ff_test *t, const char *path, const char *log)
{
	ff_store *store = must_open(t, path_of(t, "scratch.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	copy_file(t, path_of(t, "scratch.db"), path);
	copy_file(t, path_of(t, "scratch.db-wal"), log);
	close_store(store);
	FF_CHECK(t, unlink(path_of(t, "scratch.db")) == 0);
}

/* What was in the log of a store that somebody removed is not in a new one of its name. */
static void a_log_without_its_store(ff_test *t)
{
	make_crashed(t, path_of(t, "a.db"), path_of(t, "a.db-wal"));
	FF_CHECK(t, unlink(path_of(t, "a.db")) == 0);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 0);
	close_store(store);
	FF_CHECK_EQ_INT(t, check_store(t, path_of(t, "a.db")).count, 0);
	FF_CHECK_EQ_INT(t, count_files(t), 1);
}

static int read_with_its_log(ff_test *t, int number)
{
	ff_store *store;
	(void)number;
	drop_rights(t);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	return 0;
}

/* What lies in the log alone is read by who may write neither it nor the file. */
static void a_log_that_may_not_be_written(ff_test *t)
{
	make_crashed(t, path_of(t, "a.db"), path_of(t, "a.db-wal"));
	FF_CHECK(t, chmod(path_of(t, "a.db"), 0444) == 0 && chmod(path_of(t, "a.db-wal"), 0444) == 0);
	uint64_t was = file_hash(path_of(t, "a.db")), log_was = file_hash(path_of(t, "a.db-wal"));
	without_rights(t, read_with_its_log);
	FF_CHECK(t, file_hash(path_of(t, "a.db")) == was && file_hash(path_of(t, "a.db-wal")) == log_was);
}

static int gates[2][2]; /* by which a process and its child take turns */

/* Reads a file that it may not write and that has no log, before and after another process wrote to it. */
static int read_before_and_after(ff_test *t, int number)
{
	ff_store *store;
	char byte = '!';
	(void)number;
	close(gates[1][1]); /* so that it is told where the other has ended */
	drop_rights(t);
	int descriptors = count_descriptors();
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	FF_REQUIRE(t, write(gates[0][1], &byte, 1) == 1 && read(gates[1][0], &byte, 1) == 1);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 2);
	close_store(store);
	FF_CHECK_EQ_INT(t, count_descriptors(), descriptors);
	return 0;
}

static void who_may_only_read_sees_what_others_write(ff_test *t)
{
	int status = -1;
	char byte = '!';
	ffp_odd_row row = ffp_odd("b", 1, "c", 1);
	make_one_row(t, path_of(t, "a.db"));
	FF_CHECK(t, chmod(path_of(t, "a.db"), 0444) == 0 && chmod(directory(t), 0755) == 0);
	FF_REQUIRE(t, pipe(gates[0]) == 0 && pipe(gates[1]) == 0);
	pid_t reader = start_process(t, read_before_and_after, 0);
	close(gates[0][1]);
	if (FF_CHECK(t, read(gates[0][0], &byte, 1) == 1)) {
		FF_CHECK(t, chmod(path_of(t, "a.db"), 0644) == 0); /* root would not need it */
		ff_store *store = must_open(t, path_of(t, "a.db"));
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		close_store(store);
	}
	FF_CHECK(t, write(gates[1][1], &byte, 1) == 1);
	FF_CHECK(t, waitpid(reader, &status, 0) == reader && status == 0);
	close(gates[0][0]);
	close(gates[1][0]);
	close(gates[1][1]);
}

static void reading_leaves_the_files_as_they_are(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	make_one_row(t, path);
	uint64_t was = file_hash(path);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK(t, file_hash(path) == was);
	FF_CHECK_EQ_INT(t, count_files(t), 1);
	FF_CHECK(t, unlink(path) == 0);
	make_crashed(t, path, path_of(t, "a.db-wal"));
	was = file_hash(path);
	uint64_t log_was = file_hash(path_of(t, "a.db-wal"));
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK(t, file_hash(path) == was);
	FF_CHECK(t, file_hash(path_of(t, "a.db-wal")) == log_was);
	close_store(must_open(t, path));
	FF_CHECK_EQ_INT(t, count_files(t), 1);
}

/* What has no log is read without one where none can be made, whatever the reason. */
static void reading_where_no_log_can_be_made(ff_test *t)
{
	ff_store *store;
	make_one_row(t, path_of(t, "a.db"));
	FF_REQUIRE(t, symlink("none", path_of(t, "a.db-wal")) == 0); /* which SQLite does not follow */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	char twice[512]; /* as of sqlite://tmp/a.db, which is no URI of SQLite's with a host */
	snprintf(twice, sizeof(twice), "/%s", path_of(t, "a.db"));
	FF_REQUIRE_OK(t, open_store(t, twice, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
}

/* Such a store, open to be read. It was last written long ago: file times may be coarse. */
static ff_store *open_without_log(ff_test *t)
{
	static const struct timespec long_ago[] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	ff_store *store;
	FF_REQUIRE(t, symlink("none", path_of(t, "a.db-wal")) == 0);
	FF_REQUIRE(t, utimensat(AT_FDCWD, path_of(t, "a.db"), long_ago, 0) == 0);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	return store;
}

static void write_meanwhile(ff_test *t)
{
	ffp_odd_row row = ffp_odd("b", 1, "c", 1);
	FF_REQUIRE(t, unlink(path_of(t, "a.db-wal")) == 0);
	ff_store *writer = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, put_row(t, writer, odd_v1(), NULL, &row.row));
	close_store(writer);
}

/* Nothing keeps others from writing to such a file: where they did, what was read is of no one state. */
static void a_file_that_is_written_while_it_is_read_without_a_log(ff_test *t)
{
	ff_txn *txn;
	ffp_odd_row key = ffp_odd("a", 1, "c", 1);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row };
	make_one_row(t, path_of(t, "a.db"));
	ff_store *store = open_without_log(t);
	FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_READ, &txn, ff_test_error(t)));
	FF_REQUIRE_OK(t, sqlite->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t)));
	FF_REQUIRE_OK(t, sqlite->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t)));
	FF_CHECK(t, read.row != NULL);
	write_meanwhile(t);
	FF_CHECK_CODE(t, sqlite->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, ff_test_error(t)->retryable);
	sqlite->abort(txn);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 2);
	close_store(store);
}

static void note_and_write(void *context, const char *problem)
{
	problems *found = context;
	note_problem(found, problem);
	if (found->count == 1)
		write_meanwhile(found->test);
}

/* Nor is what a check finds then. */
static void a_file_that_is_written_while_it_is_checked_without_a_log(ff_test *t)
{
	problems found = { .test = t };
	make_one_row(t, path_of(t, "a.db"));
	run_sql(t, path_of(t, "a.db"), "DROP INDEX odd_by_many; DROP INDEX \"odd by \"\"a\"\" and t\"");
	ff_store *store = open_without_log(t);
	FF_CHECK_CODE(t, sqlite->check(store, note_and_write, &found, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK_EQ_INT(t, found.count, 1);
	FF_CHECK_CODE(t, sqlite->check(store, note_problem, &found, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, found.count, 3);
	close_store(store);
}

/* Nor does a reader make one where somebody took the store away. */
static void a_reader_makes_no_store(ff_test *t)
{
	ff_txn *txn;
	ff_store *store = must_open(t, path_of(t, "a.db"));
	remove_store(path_of(t, "a.db"));
	FF_CHECK_CODE(t, sqlite->begin(store, FF_TXN_READ, &txn, ff_test_error(t)), FF_E_IO);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
	close_store(store);
}

static void a_reader_sees_what_a_writer_commits(ff_test *t)
{
	ff_store *reader;
	const char *path = path_of(t, "a.db");
	ff_store *writer = must_open(t, path);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &reader));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), 0);
	FF_REQUIRE_OK(t, put_row(t, writer, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), 1);
	close_store(reader);
	close_store(writer);
}

/* A host may let its connections share their pages; ours stay apart, or readers would see no snapshot of their own. */
static void stop_sharing(void *context)
{
	(void)context;
	sqlite3_enable_shared_cache(0);
}

static void a_host_that_shares_caches(ff_test *t)
{
	ff_txn *reader, *writer;
	ff_test_defer(t, stop_sharing, t);
	FF_REQUIRE(t, sqlite3_enable_shared_cache(1) == SQLITE_OK);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ff_store *other = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, sqlite->begin(store, FF_TXN_READ, &reader, ff_test_error(t)));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_REQUIRE_OK(t, sqlite->begin(other, FF_TXN_WRITE, &writer, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	sqlite->abort(writer);
	close_store(other);
	sqlite->abort(reader);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
}

/* ---- the file's methods ----------------------------------------------------------------------------------------- */

static void restore_version(void *context)
{
	(void)context;
	faulty_set_version(2);
}

/* A host's files may have fewer methods than what we were compiled with knows, or SQLite's library more. */
static void methods_of_other_versions(ff_test *t)
{
	ff_store *store;
	ff_test_defer(t, restore_version, t);
	for (int version = 2; version <= 4; version += 2) {
		faulty_set_version(version);
		store = must_open(t, path_of(t, "a.db"));
		const sqlite3_io_methods *methods = &store->writer->file.methods;
		FF_CHECK(t, methods->xShmLock && methods->xShmLock != store->writer->file.real->xShmLock);
		FF_CHECK(t, methods->iVersion <= 3);
		FF_CHECK_EQ_INT(t, methods->xFetch != NULL, version > 2);
		close_store(store);
	}
	/* Without what processes share there is no log. */
	faulty_set_version(1);
	refuse_open(t, path_of(t, "a.db"), 0, FF_E_IO);
	refuse_open(t, path_of(t, "new.db"), 0, FF_E_UNAVAILABLE);
	FF_CHECK(t, !file_exists(path_of(t, "new.db")));
}

/* Who is at a lock of the log's index may have lost its processor: nobody waits for that, and one alone finds it out. */
static void a_lock_is_asked_for_whoever_is_at_it(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	FF_CHECK(t, !store->locking);
	store->locking = true;
	row.b = 2;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 2);
	FF_CHECK(t, !store->locking);
	close_store(store);
}

static const ff_case cases[] = {
	CASE(what_is_no_store, "FF-ERR-1", 0),
	CASE(what_is_missing, "FF-MT-2", 0),
	CASE(parameters, "", 0),
	CASE(two_memory_stores_are_two, "", 0),
	CASE(a_file_system_without_links, "FF-ERR-8", 0),
	CASE(a_file_that_is_read_while_it_is_opened, "FF-ERR-4", 0),
	CASE(a_wait_among_signals, "FF-ERR-4", 0),
	CASE(writers_take_turns, "FF-ERR-4", 0),
	CASE(a_store_without_a_turn, "FF-ERR-4", 0),
	CASE(a_few_readers_are_kept, "", 0),
	CASE(one_transaction_at_a_time, "", 0),
	CASE(files_that_may_not_be_written, "FF-ERR-1", 0),
	CASE(a_log_without_its_store, "FF-MT-2", 0),
	CASE(a_log_that_may_not_be_written, "", 0),
	CASE(who_may_only_read_sees_what_others_write, "", 0),
	CASE(reading_leaves_the_files_as_they_are, "", 0),
	CASE(reading_where_no_log_can_be_made, "FF-ERR-1", 0),
	CASE(a_file_that_is_written_while_it_is_read_without_a_log, "FF-GS-1", 0),
	CASE(a_file_that_is_written_while_it_is_checked_without_a_log, "FF-MT-4", 0),
	CASE(a_reader_makes_no_store, "", 0),
	CASE(a_reader_sees_what_a_writer_commits, "", 0),
	CASE(a_host_that_shares_caches, "FF-GS-3", 0),
	CASE(methods_of_other_versions, "", 0),
	CASE(a_lock_is_asked_for_whoever_is_at_it, "", 0),
};
FAMILY(cases_open, cases);
