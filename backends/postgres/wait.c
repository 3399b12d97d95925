/*
 * Waiting for the server, within what a statement may take and as long as somebody waits for its answer. No clock is
 * read: what is counted is how often nothing came.
 */
#include "store.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <sys/socket.h>

/* How often whoever waits is asked whether he still does, and hears of signals. */
#define SLICE_MS 20

static bool is_late(ff_txn *txn)
{
	txn->late = txn->late || (txn->goes_on && !txn->goes_on(txn->goes_on_context));
	return txn->late;
}

/*
 * Of an encrypted record libpq reads what it has room for, 8 KiB at least of 16, and of the rest the socket says nothing:
 * who misses more looks for it before he waits, and at the end of each slice. But not sooner: behind what the server says
 * last comes the end of the connection, and who has read that hears no more of it.
 */
static bool has_rest(const ff_txn *txn)
{
	return (PQsslInUse(txn->pg) || PQgssEncInUse(txn->pg)) && PQstatus(txn->pg) == CONNECTION_OK &&
	       (!PQconsumeInput(txn->pg) || !PQisBusy(txn->pg));
}

/* Signals are let in between the slices: who is interrupted knows nothing of how long he has waited. */
bool ffp_postgres_wait(ff_txn *txn, short events, int64_t limit_ms)
{
	sigset_t all;
	sigfillset(&all);
	for (int64_t left_ms = limit_ms; left_ms != 0 && !is_late(txn);) {
		struct pollfd socket = { .fd = PQsocket(txn->pg), .events = events };
		int64_t slice_ms = left_ms < 0 || left_ms > SLICE_MS ? SLICE_MS : left_ms;
		const struct timespec slice = { .tv_nsec = (long)slice_ms * 1000000 };
		int ready = ppoll(&socket, 1, &slice, &all);
		if (ready > 0 || (ready == 0 && events == POLLIN && has_rest(txn)))
			return true;
		if (ready == 0 && left_ms > 0)
			left_ms -= slice_ms;
		else if (ready < 0 && errno != EINTR)
			break;
	}
	return false;
}

ff_code ffp_postgres_ask(ff_txn *txn, ff_error *error)
{
	return is_late(txn) ? ff_error_set(error, FF_E_DEADLINE, "nobody waits for '%s' any more", txn->store->name)
	                    : FF_OK;
}

/* Nothing comes for longer than any statement may take. */
static int64_t silence_ms(const ff_txn *txn)
{
	int64_t statement_ms = txn->store->statement_timeout_ms;
	return statement_ms ? statement_ms + 5000 : -1;
}

bool ffp_postgres_flush(ff_txn *txn)
{
	int more;
	while ((more = PQflush(txn->pg)) > 0)
		/* A server whose answers nobody reads stops reading, too. */
		if (!ffp_postgres_wait(txn, POLLIN | POLLOUT, silence_ms(txn)) || !PQconsumeInput(txn->pg))
			return false;
	return more == 0;
}

/* A server that says nothing has to be given up by us: libpq notices the end of the socket, and nothing waits again. */
static void give_up(ff_txn *txn)
{
	txn->silent = true;
	shutdown(PQsocket(txn->pg), SHUT_RDWR);
	PQconsumeInput(txn->pg);
}

PGresult *ffp_postgres_next_result(ff_txn *txn, bool *lost)
{
	while (PQisBusy(txn->pg)) {
		bool silent = !has_rest(txn) && !ffp_postgres_wait(txn, POLLIN, silence_ms(txn));
		if (silent)
			give_up(txn);
		/* Where the rest has told all, a further read would meet the end of the connection. */
		if (silent || (PQisBusy(txn->pg) && !PQconsumeInput(txn->pg))) {
			*lost = true;
			return NULL;
		}
	}
	PGresult *result = PQgetResult(txn->pg);
	*lost = PQstatus(txn->pg) == CONNECTION_BAD;
	return result;
}

ff_code ffp_postgres_run(ff_txn *txn, const char *sql, const char *doing, PGresult **answer, ff_error *error)
{
	bool lost = !PQsendQuery(txn->pg, sql) || !ffp_postgres_flush(txn);
	PGresult *last = NULL;
	PGresult *next;
	while (!lost && (next = ffp_postgres_next_result(txn, &lost)) != NULL) {
		PQclear(last);
		last = next;
	}
	ExecStatusType status = PQresultStatus(last);
	bool done = !lost && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
	ff_code code = done ? FF_OK : ffp_postgres_fail(txn, last, doing, error);
	if (done && answer)
		*answer = last;
	else
		PQclear(last);
	return code;
}

ff_code ffp_postgres_run_text(ff_txn *txn, const char *doing, PGresult **answer, ff_error *error)
{
	return txn->sql.failed ? ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement")
	                       : ffp_postgres_run(txn, txn->sql.data, doing, answer, error);
}
