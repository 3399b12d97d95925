/* Forks and openings: what is open is the parent's alone, and of openings beside one another each waits for the other. */
#include "lmdb_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../support/seat.h"
#include "faulty.h"

static const ff_engine_backend *const lmdb = &ffp_lmdb_backend;

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
		kill_process(t, child);
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

/* None waits longer for another one than it was told, nor less than one takes. */
static void an_opening_that_does_not_end(ff_test *t)
{
	static const char *const patient[] = { "busy_timeout_ms", "20", NULL };
	ff_store *store;
	mkdir(path_of(t, "a.db"), 0700);
	int held = open(path_of(t, "a.db"), O_RDONLY | O_DIRECTORY);
	FF_REQUIRE(t, flock(held, LOCK_EX) == 0);
	int64_t began_us = ffp_monotonic_us();
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, patient, &store), FF_E_BUSY);
	FF_CHECK(t, ffp_monotonic_us() - began_us >= 100000);
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
	CASE(a_fork_takes_nothing_away, "", 0),
	CASE(a_fork_leaves_idle_readers_alone, "FF-ERR-6", FF_CASE_BULK),
	CASE(a_fork_while_another_thread_opens, "FF-ERR-6", 0),
	CASE(a_child_of_an_opening_keeps_no_lock, "FF-ERR-6", 0),
	CASE(two_openings_without_standard_files, "", 0),
	CASE(an_opening_that_does_not_end, "FF-ERR-4", 0),
	CASE(an_opening_that_signals_interrupt, "", 0),
};
FAMILY(cases_openings, cases);
