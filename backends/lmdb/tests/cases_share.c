/* One environment in one process: shared by stores, left alone after a fork, and its table of readers. */
#include "lmdb_test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const ff_engine_backend *const lmdb = &ffp_lmdb_backend;

static ff_code add_row(ff_store *store, int64_t number)
{
	odd_row row = odd("a", number, "c", number);
	return put_row(store, odd_v1(), NULL, &row.row);
}

/* ---- shared ---------------------------------------------------------------------------------------------------- */

static void a_second_open_shares_the_first(void)
{
	ff_store *one = must_open(path_of("a.db"));
	REQUIRE(symlink("a.db", path_of("other")) == 0);
	ff_store *other = must_open(path_of("other"));
	ff_store *reader;
	REQUIRE_OK(open_store(path_of("./a.db/"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &reader));
	REQUIRE_OK(add_row(one, 1));
	REQUIRE_OK(add_row(other, 2));
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), 2);
	close_store(one);
	REQUIRE_OK(add_row(other, 3));
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), 3);
	close_store(other);
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), 3);
	close_store(reader);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

static void one_writer_in_a_process(void)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *one = must_open(path_of("a.db"));
	ff_store *other, *third;
	ff_txn *writer, *second;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &other));
	REQUIRE_OK(lmdb->begin(one, FF_TXN_WRITE, &writer, &error));
	CHECK_CODE(lmdb->begin(one, FF_TXN_WRITE, &second, &error), FF_E_MISUSE);
	CHECK_CODE(lmdb->begin(other, FF_TXN_WRITE, &second, &error), FF_E_BUSY);
	CHECK(error.retryable && error.native_code[0]);
	/* One more can be opened meanwhile, and waits as long as it was told. */
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, patient, &third));
	CHECK_CODE(lmdb->begin(third, FF_TXN_WRITE, &second, &error), FF_E_BUSY);
	lmdb->abort(writer);
	REQUIRE_OK(lmdb->begin(third, FF_TXN_WRITE, &second, &error));
	lmdb->abort(second);
	close_store(third);
	close_store(other);
	close_store(one);
}

/* Begins to write, tells the parent, and waits to be killed. */
static int hold_the_turn(ff_store *store, int told)
{
	ff_txn *writer;
	ff_code code = lmdb->begin(store, FF_TXN_WRITE, &writer, &error);
	if (write(told, "!", 1) == 1)
		pause();
	return (int)code;
}

static pid_t start_writer(void)
{
	int ends[2];
	char byte;
	REQUIRE(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(hold_the_turn(must_open(path_of("a.db")), ends[1]));
	CHECK(child > 0 && read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	close(ends[1]);
	return child;
}

static void end_writer(pid_t writer)
{
	int status = 0;
	CHECK(kill(writer, SIGKILL) == 0 && waitpid(writer, &status, 0) == writer);
	CHECK(WIFSIGNALED(status));
}

/* Nobody waits longer than it was told for a writer in another process, whose turn ends when it dies. */
static void one_writer_in_all_processes(void)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *one = must_open(path_of("a.db"));
	ff_store *other, *third;
	ff_txn *txn;
	REQUIRE_OK(add_row(one, 1));
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &other));
	pid_t writer = start_writer();
	CHECK_CODE(lmdb->begin(other, FF_TXN_WRITE, &txn, &error), FF_E_BUSY);
	CHECK(error.retryable && error.native_code[0]);
	CHECK_INT((int64_t)count_rows(other, odd_v1()), 1);
	/* It may be opened meanwhile, too, and the place in this process is free again. */
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, patient, &third));
	CHECK_CODE(lmdb->begin(third, FF_TXN_WRITE, &txn, &error), FF_E_BUSY);
	end_writer(writer);
	REQUIRE_OK(add_row(third, 2));
	REQUIRE_OK(add_row(other, 3));
	REQUIRE_OK(add_row(one, 4));
	close_store(third);
	close_store(other);
	close_store(one);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

/* As a machine leaves it that lost power in the middle of a commit: taken, by nobody. */
static void a_turn_that_nobody_gives_back(void)
{
	close_store(must_open(path_of("a.db")));
	FILE *turn = fopen(path_of("a.db/ff.lock"), "r+");
	REQUIRE(turn != NULL);
	CHECK(fseek(turn, 0, SEEK_END) == 0);
	long size = ftell(turn);
	CHECK(size > 0 && fseek(turn, 0, SEEK_SET) == 0);
	for (long i = 0; i < size; i++)
		CHECK(fputc(1, turn) == 1);
	CHECK(fclose(turn) == 0);
	ff_store *store = must_open(path_of("a.db"));
	REQUIRE_OK(add_row(store, 1));
	close_store(store);
}

/* Each store's commits are as durable as it was opened. */
static void each_store_has_its_durability(void)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store_limits limits;
	ff_store *full = must_open(path_of("a.db"));
	ff_store *fast;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, none, &fast));
	REQUIRE_OK(lmdb->limits(full, &limits, &error));
	CHECK(limits.durability == FF_DURABILITY_FULL && (limits.caps & FF_CAP_DURABLE_COMMIT));
	REQUIRE_OK(lmdb->limits(fast, &limits, &error));
	CHECK(limits.durability == FF_DURABILITY_NONE && !(limits.caps & FF_CAP_DURABLE_COMMIT));
	for (int64_t i = 0; i < 10; i++)
		REQUIRE_OK(add_row(i % 2 ? full : fast, i));
	close_store(full);
	CHECK_INT((int64_t)count_rows(fast, odd_v1()), 10);
	close_store(fast);
}

/* A directory that was removed and made anew is another one, though its inode's number may be the same. */
static void a_directory_made_anew(void)
{
	ff_store *old = must_open(path_of("a.db"));
	REQUIRE_OK(add_row(old, 1));
	CHECK(unlink(path_of("a.db/data.mdb")) == 0 && unlink(path_of("a.db/lock.mdb")) == 0);
	CHECK(unlink(path_of("a.db/ff.lock")) == 0);
	CHECK(rmdir(path_of("a.db")) == 0);
	ff_store *fresh = must_open(path_of("a.db"));
	CHECK_INT((int64_t)count_rows(fresh, odd_v1()), 0);
	CHECK_INT((int64_t)count_rows(old, odd_v1()), 1);
	close_store(fresh);
	close_store(old);
}

/* ---- fork ------------------------------------------------------------------------------------------------------ */

static ff_store *inherited;
static ff_txn *inherited_reader, *inherited_writer;

static int use_what_the_parent_opened(int number)
{
	ff_txn *txn;
	(void)number;
	CHECK_CODE(lmdb->begin(inherited, FF_TXN_READ, &txn, &error), FF_E_MISUSE);
	CHECK(strstr(error.message, "fork") != NULL);
	CHECK_CODE(lmdb->begin(inherited, FF_TXN_WRITE, &txn, &error), FF_E_MISUSE);
	if (inherited_writer)
		CHECK_CODE(lmdb->commit(inherited_writer, &error), FF_E_IO);
	lmdb->abort(inherited_reader);
	close_store(inherited);
	return case_failed();
}

static int open_for_itself(int number)
{
	ff_store *store = must_open(path_of("a.db"));
	REQUIRE_OK(add_row(store, 100 + number));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 11);
	close_store(store);
	close_store(inherited);
	return case_failed();
}

static void a_fork_takes_nothing_away(void)
{
	inherited = must_open(path_of("a.db"));
	for (int64_t i = 0; i < 10; i++)
		REQUIRE_OK(add_row(inherited, i));
	REQUIRE_OK(lmdb->begin(inherited, FF_TXN_READ, &inherited_reader, &error));
	inherited_writer = NULL;
	in_processes(1, use_what_the_parent_opened);
	in_processes(1, open_for_itself);
	/* The parent's reader is still in LMDB's table: what it sees is not written over. */
	for (int64_t i = 10; i < 60; i++)
		REQUIRE_OK(add_row(inherited, i));
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 100 };
	REQUIRE_OK(lmdb->load(inherited_reader, arena(), &read, 1, &error));
	CHECK_INT((int64_t)read.rows_count, 10);
	lmdb->abort(inherited_reader);
	CHECK_INT((int64_t)count_rows(inherited, odd_v1()), 61);
	/* And a write transaction goes on. */
	odd_row row = odd("b", 1, "c", 1);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	REQUIRE_OK(lmdb->begin(inherited, FF_TXN_READ, &inherited_reader, &error));
	REQUIRE_OK(lmdb->begin(inherited, FF_TXN_WRITE, &inherited_writer, &error));
	REQUIRE_OK(lmdb->store(inherited_writer, &put, 1, &error));
	in_processes(1, use_what_the_parent_opened);
	REQUIRE_OK(lmdb->commit(inherited_writer, &error));
	lmdb->abort(inherited_reader);
	CHECK_INT((int64_t)count_rows(inherited, odd_v1()), 62);
	close_store(inherited);
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

enum { READERS_MAX = 2000 };

/* Begins readers until the table is full, and answers how many. */
static int fill_readers(ff_store *store, ff_txn **readers)
{
	int count = 0;
	ff_code code = FF_OK;
	while (code == FF_OK && count < READERS_MAX) {
		code = lmdb->begin(store, FF_TXN_READ, &readers[count], &error);
		count += code == FF_OK;
	}
	CHECK_INT(code, FF_E_BUSY);
	CHECK_TEXT(error.native_code, "-30790");
	CHECK(count > 500);
	return count;
}

static void readers_find_no_slot(void)
{
	static ff_txn *readers[READERS_MAX];
	ff_store *store = must_open(path_of("a.db"));
	int count = fill_readers(store, readers);
	REQUIRE_OK(add_row(store, 1)); /* a writer needs none */
	lmdb->abort(readers[--count]);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	while (count > 0)
		lmdb->abort(readers[--count]);
	/* They are kept, and used again. */
	for (count = fill_readers(store, readers); count > 0;)
		lmdb->abort(readers[--count]);
	close_store(store);
}

static int die_with_readers(int number)
{
	static ff_txn *readers[READERS_MAX];
	(void)number;
	fill_readers(must_open(path_of("a.db")), readers);
	fflush(stdout);
	_exit(case_failed());
}

static void slots_of_the_dead_are_freed(void)
{
	ff_txn *readers[2];
	ff_store *store = must_open(path_of("a.db"));
	in_processes(1, die_with_readers);
	REQUIRE_OK(add_row(store, 1));
	/* One may have had a slot, two have not. */
	REQUIRE_OK(lmdb->begin(store, FF_TXN_READ, &readers[0], &error));
	REQUIRE_OK(lmdb->begin(store, FF_TXN_READ, &readers[1], &error));
	lmdb->abort(readers[0]);
	lmdb->abort(readers[1]);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
	in_processes(1, die_with_readers);
	store = must_open(path_of("a.db"));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
}

static long pages_of(const char *path)
{
	struct stat status;
	return stat(data_of(path), &status) == 0 ? (long)(status.st_size / sysconf(_SC_PAGESIZE)) : -1;
}

static int die_with_one_reader(int number)
{
	ff_txn *txn;
	(void)number;
	_exit((int)lmdb->begin(must_open(path_of("a.db")), FF_TXN_READ, &txn, &error));
}

/* A reader that died keeps what it saw from being used again; the map would grow for ever. */
static void a_dead_reader_holds_no_pages(void)
{
	static const char *const params[] = { "map_size", "262144", "map_max", "262144", "durability", "none", NULL };
	ff_store *store;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	REQUIRE_OK(add_row(store, 0));
	in_processes(1, die_with_one_reader);
	for (int64_t i = 0; i < 400; i++) {
		odd_row before = odd("a", 0, "c", i);
		odd_row after = odd("a", 0, "c", i + 1);
		REQUIRE_OK(put_row(store, odd_v1(), &before.row, &after.row));
	}
	CHECK(pages_of(path_of("a.db")) <= 64);
	close_store(store);
}

static void idle_readers_hold_no_pages(void)
{
	ff_txn *readers[3];
	static const char *const params[] = { "durability", "none", NULL };
	ff_store *store;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	REQUIRE_OK(add_row(store, 0));
	for (unsigned i = 0; i < 3; i++)
		REQUIRE_OK(lmdb->begin(store, FF_TXN_READ, &readers[i], &error));
	for (unsigned i = 0; i < 3; i++)
		lmdb->abort(readers[i]);
	for (int64_t i = 0; i < 400; i++) {
		odd_row before = odd("a", 0, "c", i);
		odd_row after = odd("a", 0, "c", i + 1);
		REQUIRE_OK(put_row(store, odd_v1(), &before.row, &after.row));
	}
	CHECK(pages_of(path_of("a.db")) <= 64);
	close_store(store);
}

static const test_case cases[] = {
	CASE(a_second_open_shares_the_first, ""),      CASE(one_writer_in_a_process, "FF-ERR-4"),
	CASE(one_writer_in_all_processes, "FF-ERR-4"), CASE(a_turn_that_nobody_gives_back, ""),
	CASE(each_store_has_its_durability, ""),       CASE(a_directory_made_anew, ""),
	CASE(a_fork_takes_nothing_away, ""),           CASE(readers_find_no_slot, "FF-ERR-4"),
	CASE(slots_of_the_dead_are_freed, ""),         CASE(a_dead_reader_holds_no_pages, ""),
	CASE(idle_readers_hold_no_pages, ""),
};
FAMILY(cases_share, cases);
