/* Waits that end when nobody waits any more, and one that signals interrupt. */
#include "postgres_test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <netinet/in.h>

static bool nobody_waits(void *asked)
{
	++*(int *)asked;
	return false;
}

static bool waits_a_little(void *asked)
{
	return ++*(int *)asked < 5;
}

static void wait_while(ffp_slots_txn *txn, bool (*goes_on)(void *asked), int *asked)
{
	txn->raw->backend->wait_while(txn->txn, goes_on, asked);
}

/* Who waits no longer for a load is told so; a commit is waited for all the same, and whoever comes next asks nobody. */
static void who_waits_no_longer_is_told_so_and_asked_no_more(ff_test *t)
{
	ffp_raw *raw = open_with(t, "");
	int asked = 0;
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	ffp_slots_txn *txn = hold(t, raw, "x", GETS);
	wait_while(txn, nobody_waits, &asked);
	FF_CHECK_CODE(t, ffp_slots_try_load(t, txn, NULL, 0), FF_E_DEADLINE);
	FF_CHECK(t, asked > 0);
	ffp_slots_abort(t, txn);
	asked = 0;
	txn = hold(t, raw, "x", GETS);
	wait_while(txn, nobody_waits, &asked);
	FF_CHECK_CODE(t, change(t, txn, 1, 2), FF_OK);
	FF_CHECK_EQ_INT(t, asked, 0);
	FF_CHECK_EQ_INT(t, add(t, raw), 3);
}

/* The lock of another row, whose lock lies above that of the first. */
static void a_lock_is_waited_for_as_long_as_somebody_waits(ff_test *t)
{
	int asked = 0;
	hold(t, open_with(t, ""), "y", GETS);
	ffp_slots_txn *ours = hold(t, open_with(t, ""), "x", GETS);
	wait_while(ours, waits_a_little, &asked);
	FF_CHECK_CODE(t, load_each(t, ours, "y", GETS), FF_E_DEADLINE);
}

/* Its own limit is for each of the locks that a statement wants, so the statement's may end first. */
static void a_wait_for_locks_that_the_statements_limit_ends_is_busy(ff_test *t)
{
	hold(t, open_with(t, ""), "x", GETS);
	for (int roams = 0; roams < 2; roams++) {
		ffp_raw *raw = open_with(t, "&busy_timeout_ms=60000&statement_timeout_ms=1000");
		ffp_slots_txn *ours = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		FF_CHECK_CODE(t, load_each(t, ours, "x", roams ? ROAMS : GETS), FF_E_BUSY);
		FF_CHECK(t, ff_test_error(t)->retryable);
		FF_CHECK_STR(t, ff_test_error(t)->native_code, "57014");
		ffp_slots_abort(t, ours);
	}
}

/* More is to be sent than the server takes while it waits for a lock, for a minute, and than what lies between holds. */
static void what_the_server_does_not_take_is_sent_as_long_as_somebody_waits(ff_test *t)
{
	enum { READS = 32, SIZE = 1 << 20 };
	const item key = { .id = ffp_text_of_size(t, SIZE) };
	ff_read reads[READS];
	int asked = 0;
	for (int i = 0; i < READS; i++)
		reads[i] = (ff_read){ .table = item_table(), .kind = FF_READ_GET, .low = &key.row };
	ffp_raw *raw = open_with(t, "&busy_timeout_ms=60000&statement_timeout_ms=60000");
	hold(t, open_with(t, ""), "x", ROAMS);
	ffp_slots_txn *ours = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	wait_while(ours, waits_a_little, &asked);
	FF_CHECK_CODE(t, ffp_slots_try_load(t, ours, reads, READS), FF_E_DEADLINE);
	FF_CHECK_EQ_INT(t, asked, 5);
}

/* ---- signals ------------------------------------------------------------------------------------------------ */

/* Ten seconds of them. */
enum { SIGNALS_MAX = 1000 };

static volatile sig_atomic_t signals;
static int listener;

static void note_signal(int signal)
{
	(void)signal;
	if (++signals == SIGNALS_MAX)
		shutdown(listener, SHUT_RDWR);
}

/* A process of its own has a timer that is not the runner's. */
static int open_among_signals(ff_test *t, int number)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	const struct itimerval often = { { .tv_usec = 10000 }, { .tv_usec = 10000 } };
	ffp_raw *raw;
	(void)number;
	listener = socket(AF_INET, SOCK_STREAM, 0);
	FF_REQUIRE(t, bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0 &&
	                  getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	const char *uri =
	    ff_test_text(t, "postgres:///?host=127.0.0.1&port=%d&connect_timeout=1", ntohs(address.sin_port));
	signal(SIGALRM, note_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	FF_CHECK_CODE(t, ffp_raw_open_at(t, uri, &items, 0, &raw), FF_E_IO);
	FF_CHECK(t, ff_test_error(t)->retryable);
	FF_CHECK(t, signals > 0 && signals < SIGNALS_MAX);
	return 0;
}

static void a_server_that_says_nothing_is_given_up_in_time_among_signals(ff_test *t)
{
	FF_CHECK_EQ_INT(t, in_process(t, open_among_signals, 0), 0);
}

static const ff_case cases[] = {
	CASE(who_waits_no_longer_is_told_so_and_asked_no_more, "FF-ERR-7", 0),
	CASE(a_lock_is_waited_for_as_long_as_somebody_waits, "FF-ERR-7", 0),
	CASE(a_wait_for_locks_that_the_statements_limit_ends_is_busy, "FF-ERR-4", 0),
	CASE(what_the_server_does_not_take_is_sent_as_long_as_somebody_waits, "FF-ERR-7", 0),
	CASE(a_server_that_says_nothing_is_given_up_in_time_among_signals, "", 0),
};
FAMILY(cases_waits, cases);
