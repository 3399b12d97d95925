/* Who reads: the environment's table of readers, and the pages that they hold. */
#include "lmdb_test.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const ff_engine_backend *const lmdb = &ffp_lmdb_backend;

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

static void readers_find_no_reader_slot(ff_test *t)
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

/* A store gives back the reader slots that it kept, beside another one of the same directory. */
static void stores_that_come_and_go_keep_no_reader_slots(ff_test *t)
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

static void reader_slots_of_the_dead_are_freed(ff_test *t)
{
	ff_txn *readers[2];
	ff_store *store = must_open(t, path_of(t, "a.db"));
	in_processes(t, 1, die_with_readers);
	FF_REQUIRE_OK(t, add_row(t, store, 1));
	/* One may have had a reader slot, two have not. */
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

static const ff_case cases[] = {
	CASE(readers_find_no_reader_slot, "FF-ERR-4", 0),
	CASE(stores_that_come_and_go_keep_no_reader_slots, "", 0),
	CASE(reader_slots_of_the_dead_are_freed, "", 0),
	CASE(a_dead_reader_holds_no_pages, "", 0),
	CASE(housekeeping_frees_what_the_dead_held, "FF-MT-1", 0),
	CASE(processes_of_one_number, "FF-ERR-1", 0),
	CASE(idle_readers_hold_no_pages, "", 0),
};
FAMILY(cases_readers, cases);
