/* One environment: shared by the stores of a process, and by processes, which take turns to write. */
#include "lmdb_test.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/seat.h"
#include "faulty.h"

static const ff_engine_backend *const lmdb = &ffp_lmdb_backend;

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
	/* It may be opened meanwhile, too, and the seat in this process is free again. */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &third));
	FF_CHECK_CODE(t, lmdb->begin(third, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_BUSY);
	kill_process(t, writer);
	FF_REQUIRE_OK(t, add_row(t, third, 2));
	FF_REQUIRE_OK(t, add_row(t, other, 3));
	FF_REQUIRE_OK(t, add_row(t, one, 4));
	close_store(third);
	close_store(other);
	close_store(one);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

/* Where the turn's file has the number that is counted up when the turn is given. */
enum { GIVES_AT = sizeof(uint32_t) };

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
	kill_process(t, writer);
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
	kill_process(t, first);
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
	CASE(a_writer_without_pause_lets_others_in, "FF-ERR-4", 0),
};
FAMILY(cases_share, cases);
