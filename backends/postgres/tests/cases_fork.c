/* Forked children: they may begin, end and close, and their parent's connections go on as if nothing were. */
#include "postgres_test.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

/* The parent's. */
static ffp_raw *inherited;
static ffp_slots_txn *held;

static int add_and_close(ff_test *t, int times)
{
	FF_CHECK(t, close(STDIN_FILENO) == 0);
	for (int i = 0; i < times; i++)
		FF_CHECK_EQ_INT(t, add(t, inherited), 2);
	inherited->backend->close(inherited->store);
	return 0;
}

static void a_child_has_connections_of_its_own(ff_test *t)
{
	inherited = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, inherited), 1);
	FF_CHECK_EQ_INT(t, in_process(t, add_and_close, 1), 0);
	FF_CHECK_EQ_INT(t, add(t, inherited), 3);
	FF_CHECK_EQ_INT(t, in_process(t, add_and_close, 0), 0);
	FF_CHECK_EQ_INT(t, add(t, inherited), 4);
}

/* Its files have numbers below `files`: with 1 it can open one, and put none in the place of a socket. */
static int drop_held(ff_test *t, int files)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)files < limit.rlim_cur ? (rlim_t)files : limit.rlim_cur;
	FF_REQUIRE(t, setrlimit(RLIMIT_NOFILE, &limit) == 0);
	close(STDIN_FILENO);
	FF_CHECK_CODE(t, ffp_slots_try_load(t, held, NULL, 0), FF_E_IO);
	inherited->backend->abort(held->txn);
	inherited->backend->close(inherited->store);
	return 0;
}

/* By what wants more locks. */
static int commit_held(ff_test *t, int number)
{
	(void)number;
	FF_CHECK_CODE(t, touch_in(t, held, "yz", PUTS), FF_E_IO);
	inherited->backend->close(inherited->store);
	return 0;
}

/* Who goes on with it, by a statement that the connection has not had yet. What a child without files has of the connection
 * is lost to it, as valgrind would say. */
static void what_a_parent_began_a_child_can_only_drop(ff_test *t)
{
	static const int files[] = { INT_MAX, 0, 1 };
	const item before = x_of(1);
	const ff_write gone = { .table = item_table(), .kind = FF_WRITE_DELETE, .before = &before.row };
	inherited = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, inherited), 1);
	held = hold(t, inherited, "x", GETS);
	for (size_t i = 0; i < COUNT(files); i++)
		FF_CHECK_EQ_INT(t, in_process(t, drop_held, files[i]), 0);
	ffp_slots_load(t, held, NULL, 0);
	FF_CHECK_EQ_INT(t, in_process(t, commit_held, 0), 0);
	FF_CHECK_CODE(t, store_and_commit(t, held, &gone, 1), FF_OK);
	FF_CHECK_EQ_INT(t, add(t, inherited), 1);
}

/* What it prints reaches nobody's socket: where it printed are files, of nothing. */
static int add_as_daemon(ff_test *t, int number)
{
	(void)number;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		close(i);
	FF_CHECK_EQ_INT(t, add(t, inherited), 2);
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		FF_CHECK(t, fcntl(i, F_GETFD) >= 0);
	FF_CHECK_EQ_INT(t, files_at_standard(), 0);
	inherited->backend->close(inherited->store);
	return 0;
}

static void a_daemon_has_no_socket_where_it_prints(ff_test *t)
{
	inherited = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, inherited), 1);
	FF_CHECK_EQ_INT(t, in_process(t, add_as_daemon, 0), 0);
	FF_CHECK_EQ_INT(t, add(t, inherited), 3);
}

static const ff_case cases[] = {
	CASE(a_child_has_connections_of_its_own, "FF-ERR-6", 0),
	CASE(what_a_parent_began_a_child_can_only_drop, "FF-ERR-6", FF_CASE_BULK),
	CASE(a_daemon_has_no_socket_where_it_prints, "", 0),
};
FAMILY(cases_fork, cases);
