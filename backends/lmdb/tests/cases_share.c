/* One environment in one process: shared by stores, left alone after a fork, and its table of readers. */
#include "lmdb_test.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/seat.h"
#include "faulty.h"

static const ff_engine_backend *const lmdb = &ffp_lmdb_backend;

static ff_code add_row(ff_test *t, ff_store *store, int64_t number)
{
	ffp_odd_row row = ffp_odd("a", number, "c", number);
	return put_row(t, store, odd_v1(), NULL, &row.row);
}

/* ---- shared ---------------------------------------------------------------------------------------------------- */

static void a_second_open_shares_the_first(ff_test *t)
{
	ff_store *one = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE(t, symlink("a.db", path_of(t, "other")) == 0);
	ff_store *other = must_open(t, path_of(t, "other"));
	ff_store *reader;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "./a.db/"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &reader));
	FF_REQUIRE_OK(t, add_row(t, one, 1));
	FF_REQUIRE_OK(t, add_row(t, other, 2));
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), 2);
	close_store(one);
	FF_REQUIRE_OK(t, add_row(t, other, 3));
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), 3);
	close_store(other);
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), 3);
	close_store(reader);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static void one_writer_in_a_process(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *one = must_open(t, path_of(t, "a.db"));
	ff_store *other, *third;
	ff_txn *writer, *second;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &other));
	FF_REQUIRE_OK(t, lmdb->begin(one, FF_TXN_WRITE, &writer, ff_test_error(t)));
	FF_CHECK_CODE(t, lmdb->begin(one, FF_TXN_WRITE, &second, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, lmdb->begin(other, FF_TXN_WRITE, &second, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, ff_test_error(t)->retryable && ff_test_error(t)->native_code[0]);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v2, 0, params, &third), FF_E_BUSY);
	/* One more can be opened meanwhile, and waits as long as it was told. */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &third));
	FF_CHECK_CODE(t, lmdb->begin(third, FF_TXN_WRITE, &second, ff_test_error(t)), FF_E_BUSY);
	lmdb->abort(writer);
	FF_REQUIRE_OK(t, lmdb->begin(third, FF_TXN_WRITE, &second, ff_test_error(t)));
	lmdb->abort(second);
	close_store(third);
	close_store(other);
	close_store(one);
}

/* Begins to write, tells the parent, and waits to be killed. */
static int hold_the_turn(ff_test *t, int told)
{
	ff_txn *writer;
	FF_REQUIRE_OK(t, lmdb->begin(must_open(t, path_of(t, "a.db")), FF_TXN_WRITE, &writer, ff_test_error(t)));
	FF_REQUIRE(t, write(told, "!", 1) == 1);
	pause();
	return 1;
}

static pid_t start_writer(ff_test *t)
{
	int ends[2];
	char byte;
	FF_REQUIRE(t, pipe(ends) == 0);
	pid_t child = start_process(t, hold_the_turn, ends[1]);
	close(ends[1]);
	FF_CHECK(t, child > 0 && read(ends[0], &byte, 1) == 1);
	close(ends[0]);
	return child;
}

static void end_writer(ff_test *t, pid_t writer)
{
	int status = 0;
	FF_CHECK(t, kill(writer, SIGKILL) == 0 && waitpid(writer, &status, 0) == writer);
	FF_CHECK(t, WIFSIGNALED(status));
}

/* Nobody waits longer than it was told for a writer in another process, whose turn ends when it dies. */
static void one_writer_in_all_processes(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *one = must_open(t, path_of(t, "a.db"));
	ff_store *other, *third;
	ff_txn *txn;
	FF_REQUIRE_OK(t, add_row(t, one, 1));
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &other));
	pid_t writer = start_writer(t);
	FF_CHECK_CODE(t, lmdb->begin(other, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, ff_test_error(t)->retryable && ff_test_error(t)->native_code[0]);
	FF_CHECK_EQ_INT(t, count_rows(t, other, odd_v1()), 1);
	/* It may be opened meanwhile, too, and the place in this process is free again. */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &third));
	FF_CHECK_CODE(t, lmdb->begin(third, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_BUSY);
	end_writer(t, writer);
	FF_REQUIRE_OK(t, add_row(t, third, 2));
	FF_REQUIRE_OK(t, add_row(t, other, 3));
	FF_REQUIRE_OK(t, add_row(t, one, 4));
	close_store(third);
	close_store(other);
	close_store(one);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

/* Where the turn's file has the number that is counted up when the turn is given. */
enum { GIVES_AT = sizeof(pthread_mutex_t) };

typedef struct waker {
	_Atomic uint32_t *gives;
	atomic_bool ends;
} waker;

static void *wake_in_vain(void *context)
{
	waker *self = context;
	while (!self->ends) {
		atomic_fetch_add(self->gives, 1);
		syscall(SYS_futex, self->gives, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
	return NULL;
}

/* Nor less long, though others take the turn and give it all the time. */
static void a_turn_that_others_are_given(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "200", NULL };
	waker other = { .ends = false };
	pthread_t thread;
	ff_store *store;
	ff_txn *txn;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	pid_t writer = start_writer(t);
	int turn = open(path_of(t, "a.db/ff.lock"), O_RDWR);
	char *memory = mmap(NULL, GIVES_AT + sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, turn, 0);
	FF_REQUIRE(t, memory != MAP_FAILED);
	other.gives = (_Atomic uint32_t *)(void *)(memory + GIVES_AT);
	FF_REQUIRE(t, pthread_create(&thread, NULL, wake_in_vain, &other) == 0);
	int64_t began_us = ffp_monotonic_us();
	FF_CHECK_CODE(t, lmdb->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, ffp_monotonic_us() - began_us >= 200000);
	other.ends = true;
	pthread_join(thread, NULL);
	end_writer(t, writer);
	munmap(memory, GIVES_AT + sizeof(uint32_t));
	close(turn);
	close_store(store);
}

static int find_the_turn_taken(ff_test *t, int number)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	ff_store *store;
	ff_txn *txn;
	(void)number;
	alarm(20); /* LMDB's own lock knows no end of waiting */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	FF_CHECK_CODE(t, lmdb->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_BUSY);
	close_store(store);
	return 0;
}

/* Who comes later leaves the turn to who has it, though the process that made it is gone. */
static void a_turn_outlives_who_opened_first(ff_test *t)
{
	ff_txn *txn;
	pid_t first = start_writer(t);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	end_writer(t, first);
	FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, in_process(t, find_the_turn_taken, 0), 0);
	lmdb->abort(txn);
	FF_REQUIRE_OK(t, add_row(t, store, 1));
	close_store(store);
}

/* As a machine leaves it that lost power in the middle of a commit: taken, by nobody. */
static void a_turn_that_nobody_gives_back(ff_test *t)
{
	close_store(must_open(t, path_of(t, "a.db")));
	FILE *turn = fopen(path_of(t, "a.db/ff.lock"), "r+");
	FF_REQUIRE(t, turn != NULL);
	FF_CHECK(t, fseek(turn, 0, SEEK_END) == 0);
	long size = ftell(turn);
	FF_CHECK(t, size > 0 && fseek(turn, 0, SEEK_SET) == 0);
	for (long i = 0; i < size; i++)
		FF_CHECK(t, fputc(1, turn) == 1);
	FF_CHECK(t, fclose(turn) == 0);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, add_row(t, store, 1));
	close_store(store);
}

/* Each store's commits are as durable as it was opened. */
static void each_store_has_its_durability(ff_test *t)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store_limits limits;
	ff_store *full = must_open(t, path_of(t, "a.db"));
	ff_store *fast;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, none, &fast));
	FF_REQUIRE_OK(t, lmdb->limits(full, &limits, ff_test_error(t)));
	FF_CHECK(t, limits.durability == FF_DURABILITY_FULL && (limits.caps & FF_CAP_DURABLE_COMMIT));
	FF_REQUIRE_OK(t, lmdb->limits(fast, &limits, ff_test_error(t)));
	FF_CHECK(t, limits.durability == FF_DURABILITY_NONE && !(limits.caps & FF_CAP_DURABLE_COMMIT));
	for (int64_t i = 0; i < 10; i++)
		FF_REQUIRE_OK(t, add_row(t, i % 2 ? full : fast, i));
	close_store(full);
	FF_CHECK_EQ_INT(t, count_rows(t, fast, odd_v1()), 10);
	close_store(fast);
}

/* Whoever wrote before: the pages are synced but by `none`, and the meta page that makes them count by `full` alone. */
static void a_commit_is_synced_as_its_store_wants(ff_test *t)
{
	static const char *const params[][3] = {
		[FF_DURABILITY_FULL] = { "durability", "full", NULL },
		[FF_DURABILITY_NORMAL] = { "durability", "normal", NULL },
		[FF_DURABILITY_NONE] = { "durability", "none", NULL },
	};
	static const ff_durability order[] = { FF_DURABILITY_FULL,   FF_DURABILITY_NONE,   FF_DURABILITY_FULL,
		                               FF_DURABILITY_NORMAL, FF_DURABILITY_FULL,   FF_DURABILITY_FULL,
		                               FF_DURABILITY_NONE,   FF_DURABILITY_NORMAL, FF_DURABILITY_NONE };
	ff_store *stores[FF_DURABILITY_NONE + 1];
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++)
		FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params[i], &stores[i]));
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		unsigned files = faulty_files_synced(), writes = faulty_writes_synced();
		FF_REQUIRE_OK(t, add_row(t, stores[order[i]], (int64_t)i));
		if (!FF_CHECK(t, faulty_files_synced() - files == (order[i] != FF_DURABILITY_NONE) &&
		                     faulty_writes_synced() - writes == (order[i] == FF_DURABILITY_FULL)))
			ff_test_note(t, "write %zu, %s", i, params[order[i]][1]);
	}
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++)
		close_store(stores[i]);
}

static int add_loosely(ff_test *t, int number)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, none, &store));
	FF_REQUIRE_OK(t, add_row(t, store, number));
	close_store(store);
	return 0;
}

static unsigned syncs_of_an_answer(ff_test *t, ff_store *store)
{
	unsigned before = faulty_files_synced();
	FF_REQUIRE_OK(t, write_once(t, store, NULL, 0));
	return faulty_files_synced() - before;
}

/* An answer that writes nothing, such as that of a key that is known, is as durable as one that does. */
static void an_answer_is_as_durable_as_its_store(ff_test *t)
{
	const ffp_odd_row key = ffp_odd("none", 0, "", 0);
	const ff_read rows = { .table = odd_v1(), .kind = FF_READ_RANGE, .equal_count = 1, .low = &key.row };
	const ff_write none = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &rows };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, add_row(t, store, 0));
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 0);
	FF_CHECK_EQ_INT(t, add_loosely(t, 1), 0);
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 1);
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 0);
	FF_CHECK_EQ_INT(t, in_process(t, add_loosely, 2), 0);
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 1);
	FF_CHECK_EQ_INT(t, add_loosely(t, 3), 0);
	FF_REQUIRE_OK(t, add_row(t, store, 4));
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 0);
	FF_CHECK_EQ_INT(t, add_loosely(t, 5), 0);
	unsigned before = faulty_files_synced();
	FF_REQUIRE_OK(t, write_once(t, store, &none, 1));
	FF_CHECK_EQ_INT(t, faulty_files_synced() - before, 1);
	FF_CHECK_EQ_INT(t, syncs_of_an_answer(t, store), 0);
	close_store(store);
}

static int add_elsewhere(ff_test *t, int number)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, add_row(t, store, number));
	close_store(store);
	return 0;
}

static bool begins_untouched(ff_test *t, ff_store *store)
{
	ff_txn *txn;
	FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	bool untouched = lmdb->is_untouched(txn);
	lmdb->abort(txn);
	return untouched;
}

/* A commit that changed nothing takes no number, which is then another's. */
static void what_another_process_wrote_is_noticed(ff_test *t)
{
	ff_read nothing = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &nothing };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, write_once(t, store, &gone, 1));
	FF_CHECK_EQ_INT(t, in_process(t, add_elsewhere, 1), 0);
	FF_CHECK(t, !begins_untouched(t, store));
	FF_REQUIRE_OK(t, add_row(t, store, 2));
	FF_CHECK(t, begins_untouched(t, store));
	FF_CHECK_EQ_INT(t, in_process(t, add_elsewhere, 3), 0);
	FF_CHECK(t, !begins_untouched(t, store));
	close_store(store);
}

/* A directory that was removed and made anew is another one, though its inode's number may be the same. */
static void a_directory_made_anew(ff_test *t)
{
	ff_store *old = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, add_row(t, old, 1));
	FF_CHECK(t, unlink(path_of(t, "a.db/data.mdb")) == 0 && unlink(path_of(t, "a.db/lock.mdb")) == 0);
	FF_CHECK(t, unlink(path_of(t, "a.db/ff.lock")) == 0);
	FF_CHECK(t, rmdir(path_of(t, "a.db")) == 0);
	ff_store *fresh = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, fresh, odd_v1()), 0);
	FF_CHECK_EQ_INT(t, count_rows(t, old, odd_v1()), 1);
	close_store(fresh);
	close_store(old);
}

/* ---- fork ------------------------------------------------------------------------------------------------------ */

static ff_store *inherited;
static ff_txn *inherited_reader, *inherited_writer;

static int use_what_the_parent_opened(ff_test *t, int number)
{
	ff_txn *txn;
	(void)number;
	FF_CHECK_CODE(t, lmdb->begin(inherited, FF_TXN_READ, &txn, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "fork") != NULL);
	FF_CHECK_CODE(t, lmdb->begin(inherited, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_CODE(t, lmdb->check(inherited, note_problem, NULL, ff_test_error(t)), FF_E_IO);
	if (inherited_writer)
		FF_CHECK_CODE(t, lmdb->commit(inherited_writer, ff_test_error(t)), FF_E_IO);
	lmdb->abort(inherited_reader);
	close_store(inherited);
	return 0;
}

static int open_for_itself(ff_test *t, int number)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_REQUIRE_OK(t, add_row(t, store, 100 + number));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 11);
	close_store(store);
	close_store(inherited);
	return 0;
}

static void a_fork_takes_nothing_away(ff_test *t)
{
	inherited = must_open(t, path_of(t, "a.db"));
	for (int64_t i = 0; i < 10; i++)
		FF_REQUIRE_OK(t, add_row(t, inherited, i));
	FF_REQUIRE_OK(t, lmdb->begin(inherited, FF_TXN_READ, &inherited_reader, ff_test_error(t)));
	inherited_writer = NULL;
	in_processes(t, 1, use_what_the_parent_opened);
	in_processes(t, 1, open_for_itself);
	/* The parent's reader is still in LMDB's table: what it sees is not written over. */
	for (int64_t i = 10; i < 60; i++)
		FF_REQUIRE_OK(t, add_row(t, inherited, i));
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 100 };
	FF_REQUIRE_OK(t, lmdb->load(inherited_reader, ffp_raw_arena(t), &read, 1, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, read.rows_count, 10);
	lmdb->abort(inherited_reader);
	FF_CHECK_EQ_INT(t, count_rows(t, inherited, odd_v1()), 61);
	/* And a write transaction goes on. */
	ffp_odd_row row = ffp_odd("b", 1, "c", 1);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	FF_REQUIRE_OK(t, lmdb->begin(inherited, FF_TXN_READ, &inherited_reader, ff_test_error(t)));
	FF_REQUIRE_OK(t, lmdb->begin(inherited, FF_TXN_WRITE, &inherited_writer, ff_test_error(t)));
	FF_REQUIRE_OK(t, lmdb->store(inherited_writer, &put, 1, ff_test_error(t)));
	in_processes(t, 1, use_what_the_parent_opened);
	FF_REQUIRE_OK(t, lmdb->commit(inherited_writer, ff_test_error(t)));
	lmdb->abort(inherited_reader);
	FF_CHECK_EQ_INT(t, count_rows(t, inherited, odd_v1()), 62);
	close_store(inherited);
}

static int close_the_copy(ff_test *t, int number)
{
	ff_txn *txn;
	(void)number;
	FF_CHECK_CODE(t, lmdb->begin(inherited, FF_TXN_READ, &txn, ff_test_error(t)), FF_E_MISUSE);
	close_store(inherited);
	return 0;
}

/* The parent reads on by those that it kept. What they have of LMDB's is lost to the child, as valgrind would say. */
static void a_fork_leaves_idle_readers_alone(ff_test *t)
{
	inherited = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, inherited, odd_v1()), 0);
	FF_CHECK_EQ_INT(t, in_process(t, close_the_copy, 0), 0);
	FF_CHECK_EQ_INT(t, count_rows(t, inherited, odd_v1()), 0);
	close_store(inherited);
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */

enum { READERS_MAX = 2000 };

/* Begins readers until the table is full, and answers how many. */
static int fill_readers(ff_test *t, ff_store *store, ff_txn **readers)
{
	int count = 0;
	ff_code code = FF_OK;
	while (code == FF_OK && count < READERS_MAX) {
		code = lmdb->begin(store, FF_TXN_READ, &readers[count], ff_test_error(t));
		count += code == FF_OK;
	}
	FF_CHECK_EQ_INT(t, code, FF_E_BUSY);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "-30790");
	FF_CHECK(t, count > 500);
	return count;
}

static void readers_find_no_slot(ff_test *t)
{
	static ff_txn *readers[READERS_MAX];
	static char words[200000];
	static const char *const params[] = { "map_size", "1", NULL };
	ff_store *store, *other;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	int count = fill_readers(t, store, readers);
	FF_CHECK(t, count == 1022 || count == 1021); /* as docs/lmdb.md has it */
	FF_REQUIRE_OK(t, add_row(t, store, 1));      /* a writer needs none */
	lmdb->abort(readers[--count]);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	while (count > 0)
		lmdb->abort(readers[--count]);
	/* A few are kept, and used again. */
	for (count = fill_readers(t, store, readers); count > 0;)
		lmdb->abort(readers[--count]);
	other = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, other, odd_v1()), 1);
	close_store(other);
	/* Who found none does not hold the map, which grows. */
	memset(words, 'w', sizeof(words));
	ffp_odd_row row = ffp_odd("b", 1, "c", 1);
	row.w = (ff_text){ words, sizeof(words) };
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
}

/* A store gives back the slots of the readers that it kept, beside another one of the same directory. */
static void stores_that_come_and_go_keep_no_slots(ff_test *t)
{
	enum { STORES = 200, AT_ONCE = 8 };
	ff_txn *readers[AT_ONCE];
	ff_store *stays = must_open(t, path_of(t, "a.db"));
	for (unsigned i = 0; i < STORES; i++) {
		ff_store *store = must_open(t, path_of(t, "a.db"));
		for (unsigned j = 0; j < AT_ONCE; j++)
			FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_READ, &readers[j], ff_test_error(t)));
		for (unsigned j = 0; j < AT_ONCE; j++)
			lmdb->abort(readers[j]);
		close_store(store);
	}
	FF_CHECK_EQ_INT(t, count_rows(t, stays, odd_v1()), 0);
	close_store(stays);
}

static int die_with_readers(ff_test *t, int number)
{
	static ff_txn *readers[READERS_MAX];
	(void)number;
	fill_readers(t, must_open(t, path_of(t, "a.db")), readers);
	end_process(0);
}

static void slots_of_the_dead_are_freed(ff_test *t)
{
	ff_txn *readers[2];
	ff_store *store = must_open(t, path_of(t, "a.db"));
	in_processes(t, 1, die_with_readers);
	FF_REQUIRE_OK(t, add_row(t, store, 1));
	/* One may have had a slot, two have not. */
	FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_READ, &readers[0], ff_test_error(t)));
	FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_READ, &readers[1], ff_test_error(t)));
	lmdb->abort(readers[0]);
	lmdb->abort(readers[1]);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	in_processes(t, 1, die_with_readers);
	store = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
}

static long pages_of(ff_test *t, const char *path)
{
	struct stat status;
	return stat(data_of(t, path), &status) == 0 ? (long)(status.st_size / sysconf(_SC_PAGESIZE)) : -1;
}

static int die_with_one_reader(ff_test *t, int number)
{
	ff_txn *txn;
	(void)number;
	FF_REQUIRE_OK(t, lmdb->begin(must_open(t, path_of(t, "a.db")), FF_TXN_READ, &txn, ff_test_error(t)));
	end_process(0);
}

/* Changes a row often behind a reader that died, which keeps what it saw from being used again. Answers the file's pages. */
static long pages_after_changes(ff_test *t, const char *const *params, bool keeps_house)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	FF_REQUIRE_OK(t, add_row(t, store, 0));
	in_processes(t, 1, die_with_one_reader);
	for (int64_t i = 0; i < 400; i++) {
		ffp_odd_row before = ffp_odd("a", 0, "c", i);
		ffp_odd_row after = ffp_odd("a", 0, "c", i + 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &before.row, &after.row));
		if (keeps_house && i % 10 == 0)
			lmdb->housekeep(store);
	}
	close_store(store);
	return pages_of(t, path_of(t, "a.db"));
}

/* Or the map would grow for ever. */
static void a_dead_reader_holds_no_pages(ff_test *t)
{
	static const char *const params[] = { "map_size", "262144", "map_max", "262144", "durability", "none", NULL };
	FF_CHECK(t, pages_after_changes(t, params, false) <= 64);
}

/* Nor in a map with room for more than the disk has. */
static void housekeeping_frees_what_the_dead_held(ff_test *t)
{
	static const char *const params[] = { "durability", "none", NULL };
	FF_CHECK(t, pages_after_changes(t, params, true) <= 100);
}

typedef struct waiter {
	ff_store *store;
	pthread_t thread;
	atomic_bool waits;
	atomic_bool has_written;
	ff_code code;
} waiter;

static void *wait_to_write(void *context)
{
	waiter *self = context;
	ff_txn *writer;
	ff_error error;
	self->waits = true;
	self->code = lmdb->begin(self->store, FF_TXN_WRITE, &writer, &error);
	if (self->code == FF_OK)
		lmdb->abort(writer);
	self->has_written = true;
	return NULL;
}

/* One that writes without pause, and for long, does not keep another of the process from it. */
static void a_writer_without_pause_lets_others_in(ff_test *t)
{
	enum { TURNS_MAX = 20 };
	ff_store *busy = must_open(t, path_of(t, "a.db"));
	waiter other = { .store = must_open(t, path_of(t, "a.db")) };
	unsigned turns = 0;
	ff_txn *writer;
	FF_REQUIRE_OK(t, lmdb->begin(busy, FF_TXN_WRITE, &writer, ff_test_error(t)));
	FF_REQUIRE(t, pthread_create(&other.thread, NULL, wait_to_write, &other) == 0);
	while (!other.waits)
		usleep(1000);
	while (!other.has_written && turns < TURNS_MAX) {
		usleep(5000);
		lmdb->abort(writer);
		turns++;
		FF_REQUIRE_OK(t, lmdb->begin(busy, FF_TXN_WRITE, &writer, ff_test_error(t)));
	}
	lmdb->abort(writer);
	pthread_join(other.thread, NULL);
	FF_CHECK(t, turns < TURNS_MAX && other.code == FF_OK);
	close_store(other.store);
	close_store(busy);
}

/* Opens as process 1 of a namespace of its own, where there are such; tells where it could, or else it must say why not. */
static int open_as_number_one(ff_test *t, int told)
{
	int status = -1;
	if (unshare(CLONE_NEWPID) != 0) {
		fputs("# no right to make a PID namespace: nothing is tried\n", stderr);
		return 1;
	}
	pid_t one = fork();
	if (one == 0) {
		ff_store *store;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
		if (code == FF_OK && write(told, "!", 1) == 1)
			pause();
		_exit(code == FF_E_BUSY && strstr(ff_test_error(t)->message, "namespace") ? 0 : 1);
	}
	close(told);
	FF_CHECK(t, waitpid(one, &status, 0) == one && status == 0);
	return 0;
}

/* LMDB takes two processes of one number for one; the second is told so. */
static void processes_of_one_number(ff_test *t)
{
	int ends[2];
	char byte;
	close_store(must_open(t, path_of(t, "a.db")));
	FF_REQUIRE(t, pipe(ends) == 0);
	pid_t first = start_process(t, open_as_number_one, ends[1]);
	close(ends[1]);
	if (read(ends[0], &byte, 1) == 1)
		FF_CHECK_EQ_INT(t, in_process(t, open_as_number_one, -1), 0);
	close(ends[0]);
	FF_CHECK(t, kill(first, SIGKILL) == 0 && waitpid(first, NULL, 0) == first);
}

static void idle_readers_hold_no_pages(ff_test *t)
{
	ff_txn *readers[3];
	static const char *const params[] = { "durability", "none", NULL };
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	FF_REQUIRE_OK(t, add_row(t, store, 0));
	for (unsigned i = 0; i < 3; i++)
		FF_REQUIRE_OK(t, lmdb->begin(store, FF_TXN_READ, &readers[i], ff_test_error(t)));
	for (unsigned i = 0; i < 3; i++)
		lmdb->abort(readers[i]);
	for (int64_t i = 0; i < 400; i++) {
		ffp_odd_row before = ffp_odd("a", 0, "c", i);
		ffp_odd_row after = ffp_odd("a", 0, "c", i + 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &before.row, &after.row));
	}
	FF_CHECK(t, pages_of(t, path_of(t, "a.db")) <= 64);
	close_store(store);
}

/* ---- a fork while another thread opens ----------------------------------------------------------------------- */

static sem_t opening;

/* In the middle of it. */
static void linger(void *context)
{
	(void)context;
	sem_post(&opening);
	usleep(100000);
}

typedef struct forker {
	ff_test *test;
	int status; /* of the child */
} forker;

static void *fork_and_open(void *context)
{
	forker *self = context;
	sem_wait(&opening);
	pid_t child = fork();
	if (child == 0) {
		alarm(20);
		close_store(must_open(self->test, path_of(self->test, "a.db")));
		_exit(0);
	}
	waitpid(child, &self->status, 0);
	return NULL;
}

/* The child has no thread that opens, and waits for nothing that it holds. */
static void a_fork_while_another_thread_opens(ff_test *t)
{
	forker other = { .test = t, .status = -1 };
	pthread_t thread;
	FF_REQUIRE(t, sem_init(&opening, 0, 0) == 0 && pthread_create(&thread, NULL, fork_and_open, &other) == 0);
	faulty_meanwhile(linger, NULL);
	close_store(must_open(t, path_of(t, "other.db")));
	pthread_join(thread, NULL);
	FF_CHECK_EQ_INT(t, other.status, 0);
	sem_destroy(&opening);
}

static void *fork_and_pause(void *context)
{
	pid_t *child = context;
	*child = fork();
	if (*child == 0) {
		pause();
		_exit(0);
	}
	return NULL;
}

static void fork_beside(void *context)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, fork_and_pause, context) == 0)
		pthread_join(thread, NULL);
}

/* When the map is to grow, for the second time that dead readers are looked for. */
static void fork_at_the_next(void *context)
{
	faulty_meanwhile(fork_beside, context);
}

/* The child has a copy of the descriptor by which the directory is locked. */
static void a_child_of_an_opening_keeps_no_lock(ff_test *t)
{
	static const char *const params[] = { "map_size", "1", NULL };
	ff_store *store;
	pid_t child = -1;
	faulty_meanwhile(fork_at_the_next, &child);
	bool opened = FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store), FF_OK);
	faulty_meanwhile(NULL, NULL);
	int directory_of_it = open(path_of(t, "a.db"), O_RDONLY | O_DIRECTORY);
	FF_CHECK_EQ_INT(t, flock(directory_of_it, LOCK_EX | LOCK_NB), 0);
	close(directory_of_it);
	if (FF_CHECK(t, child > 0))
		end_writer(t, child);
	if (opened)
		close_store(store);
}

/* ---- opening two at a time without standard input, output and error ------------------------------------------- */

typedef struct other_opening {
	const char *path;
	int lock; /* of the directory that the first one waits for */
	ff_code code;
} other_opening;

/* Begins before the other one, and has ended before that goes on. */
static void *open_another(void *context)
{
	other_opening *self = context;
	ff_error error;
	ff_store *store = calloc(1, lmdb->instance_size);
	const ff_store_config config = {
		.uri = "", .scheme = "lmdb", .path = self->path, .catalog = &catalog_v1, .allocator = &test_allocator
	};
	faulty_meanwhile(linger, NULL);
	self->code = store ? lmdb->open(store, &config, &error) : FF_E_NO_MEMORY;
	flock(self->lock, LOCK_UN);
	if (self->code == FF_OK)
		lmdb->close(store);
	free(store);
	return NULL;
}

/* In this process, for a child that starts threads is not for every sanitizer. */
static void two_openings_without_standard_files(ff_test *t)
{
	ff_store *store;
	pthread_t thread;
	const char *path = path_of(t, "a.db");
	mkdir(path, 0700);
	other_opening other = { .path = path_of(t, "other.db"), .lock = open(path, O_RDONLY | O_DIRECTORY) };
	FF_REQUIRE(t, flock(other.lock, LOCK_EX) == 0 && sem_init(&opening, 0, 0) == 0);
	int kept[3];
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
		close(i);
	}
	bool two = pthread_create(&thread, NULL, open_another, &other) == 0 && sem_wait(&opening) == 0;
	ff_code code = open_store(t, path, &catalog_v1, 0, NULL, &store);
	unsigned files = files_at_standard();
	pthread_join(thread, NULL);
	for (int i = 0; i < 3; i++) {
		dup2(kept[i], i);
		close(kept[i]);
	}
	FF_REQUIRE(t, two && other.code == FF_OK);
	FF_REQUIRE_OK(t, code);
	FF_CHECK_EQ_INT(t, files, 0);
	close_store(store);
	sem_destroy(&opening);
	close(other.lock);
}

/* Nor does an opening wait longer for another one. */
static void an_opening_that_does_not_end(ff_test *t)
{
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *store;
	mkdir(path_of(t, "a.db"), 0700);
	int held = open(path_of(t, "a.db"), O_RDONLY | O_DIRECTORY);
	FF_REQUIRE(t, flock(held, LOCK_EX) == 0);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &store), FF_E_BUSY);
	FF_CHECK(t, ff_test_error(t)->retryable && ff_test_error(t)->native_code[0]);
	FF_CHECK(t, file_exists(path_of(t, "a.db")));
	close(held);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &store));
	close_store(store);
}

/* ---- signals ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t came;

static void come(int number)
{
	(void)number;
	came = 1;
}

/* The host's signals come while an opening waits for another one, that of a process which sends them and ends. (A handler
 * cannot give the lock back: ThreadSanitizer calls none while it is waited for.) */
static int open_between_signals(ff_test *t, int number)
{
	(void)number;
	const struct sigaction action = { .sa_handler = come }; /* which begins no call again */
	int held = open(path_of(t, "a.db"), O_RDONLY | O_DIRECTORY);
	FF_REQUIRE(t, flock(held, LOCK_EX) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	pid_t opener = getpid(), other = fork();
	FF_REQUIRE(t, other >= 0);
	if (other == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(20000);
			kill(opener, SIGUSR1);
		}
		end_process(0);
	}
	close(held);
	close_store(must_open(t, path_of(t, "a.db")));
	FF_CHECK(t, waitpid(other, NULL, 0) == other && came);
	return 0;
}

static void an_opening_that_signals_interrupt(ff_test *t)
{
	mkdir(path_of(t, "a.db"), 0700);
	FF_CHECK_EQ_INT(t, in_process(t, open_between_signals, 0), 0);
}

static const ff_case cases[] = {
	CASE(a_second_open_shares_the_first, "", 0),
	CASE(one_writer_in_a_process, "FF-ERR-4", 0),
	CASE(one_writer_in_all_processes, "FF-ERR-4", 0),
	CASE(a_turn_that_others_are_given, "FF-ERR-4", 0),
	CASE(a_turn_outlives_who_opened_first, "FF-ERR-4", 0),
	CASE(a_turn_that_nobody_gives_back, "", 0),
	CASE(each_store_has_its_durability, "", 0),
	CASE(a_commit_is_synced_as_its_store_wants, "", 0),
	CASE(an_answer_is_as_durable_as_its_store, "FF-ERR-2", 0),
	CASE(what_another_process_wrote_is_noticed, "FF-RU-13", 0),
	CASE(a_directory_made_anew, "", 0),
	CASE(a_fork_takes_nothing_away, "", 0),
	CASE(a_fork_leaves_idle_readers_alone, "FF-ERR-6", FF_CASE_BULK),
	CASE(readers_find_no_slot, "FF-ERR-4", 0),
	CASE(stores_that_come_and_go_keep_no_slots, "", 0),
	CASE(slots_of_the_dead_are_freed, "", 0),
	CASE(a_dead_reader_holds_no_pages, "", 0),
	CASE(housekeeping_frees_what_the_dead_held, "FF-MT-1", 0),
	CASE(processes_of_one_number, "FF-ERR-1", 0),
	CASE(idle_readers_hold_no_pages, "", 0),
	CASE(a_fork_while_another_thread_opens, "FF-ERR-6", 0),
	CASE(a_child_of_an_opening_keeps_no_lock, "FF-ERR-6", 0),
	CASE(a_writer_without_pause_lets_others_in, "FF-ERR-4", 0),
	CASE(two_openings_without_standard_files, "", 0),
	CASE(an_opening_that_does_not_end, "FF-ERR-4", 0),
	CASE(an_opening_that_signals_interrupt, "", 0),
};
FAMILY(cases_share, cases);
