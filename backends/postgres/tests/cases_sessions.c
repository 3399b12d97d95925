/* What becomes of sessions that are many, end or lie idle. */
#include "postgres_test.h"

static void there_are_as_many_lanes_as_connections_in_the_pool(ff_test *t)
{
	ff_store_limits limits = { 0 };
	ffp_raw *raw = open_with(t, "&pool=3");
	FF_REQUIRE_OK(t, raw->backend->limits(raw->store, &limits, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, limits.lanes, 3);
}

/* Many read at the same time, as long as they do. */
static void of_many_sessions_some_are_kept_until_the_store_is_closed(ff_test *t)
{
	enum { MANY = 9, KEPT = 1 + 4 };
	ffp_raw *raw = open_named(t, "");
	ffp_slots_txn *txns[MANY];
	for (int i = 0; i < MANY; i++) {
		txns[i] = ffp_slots_begin(t, raw, FF_TXN_READ);
		ffp_slots_load(t, txns[i], NULL, 0);
	}
	await_sessions(t, MANY);
	for (int i = 0; i < MANY; i++)
		ffp_slots_abort(t, txns[i]);
	await_sessions(t, KEPT);
	ffp_raw_close(t, raw);
	await_sessions(t, 0);
}

/* They go with the session, which somebody ends, or the server where it lies idle for too long. */
static void a_batch_that_has_lost_its_locks_writes_nothing(ff_test *t)
{
	ffp_raw *other = open_with(t, "");
	for (int idles = 0; idles < 2; idles++) {
		int64_t was = add(t, other);
		ffp_raw *raw = open_named(t, idles ? "&statement_timeout_ms=2000" : "");
		ffp_slots_txn *txn = hold(t, raw, "x", GETS);
		if (!idles)
			end_sessions(t);
		await_sessions(t, 0);
		FF_CHECK_EQ_INT(t, add(t, other), was + 1);
		FF_CHECK_CODE(t, change(t, txn, was, was + 100), idles ? FF_E_CONFLICT : FF_E_IO);
		FF_CHECK(t, ff_test_error(t)->retryable);
		FF_CHECK(t, !idles || strcmp(ff_test_error(t)->native_code, "25P03") == 0);
		FF_CHECK_CODE(t, try_add_to(t, other, was + 1), FF_OK);
	}
}

/* What it has loaded may be otherwise by then. */
static void a_batch_that_has_lost_its_locks_loads_nothing(ff_test *t)
{
	ffp_slots_txn *txn = hold(t, open_named(t, ""), "x", GETS);
	end_sessions(t);
	FF_CHECK_CODE(t, ffp_slots_try_load(t, txn, NULL, 0), FF_E_IO);
	FF_CHECK(t, ff_test_error(t)->retryable);
}

/* It would have come before the connection was lost. */
static void the_answer_to_a_rollback_is_not_waited_for(ff_test *t)
{
	ffp_raw *raw = open_named(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	ffp_slots_abort(t, hold(t, raw, "x", GETS));
	end_sessions(t);
	FF_CHECK_CODE(t, try_add_to(t, raw, 1), FF_OK);
}

/* Where it was lost while it was idle. */
static void a_lost_connection_is_replaced_by_one_that_holds_the_locks(ff_test *t)
{
	ffp_raw *raw = open_named(t, ""), *hasty = open_with(t, HASTY);
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	end_sessions(t);
	hold(t, raw, "x", GETS);
	FF_CHECK_CODE(t, touch(t, hasty, "x", GETS), FF_E_BUSY);
}

/* Who is given the session sets it up, and there `item` is another table. */
static void what_a_session_of_another_client_shows_is_not_read(ff_test *t)
{
	const item key = x_of(0);
	ff_read read = { .table = item_table(), .kind = FF_READ_GET, .low = &key.row };
	ffp_raw *raw = open_with(t, "");
	FF_CHECK_EQ_INT(t, add(t, raw), 1);
	run_sql(t, "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN CREATE TEMP TABLE item (LIKE item);"
	           " PERFORM set_config('ff.session', 'theirs', false); RETURN NULL; END$$;"
	           "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON item INITIALLY DEFERRED FOR EACH ROW"
	           " EXECUTE FUNCTION f()");
	FF_CHECK_EQ_INT(t, add(t, raw), 2);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, txn, &read, 1);
	FF_CHECK(t, read.row && ((const item *)(const void *)read.row)->value == 2);
	ffp_slots_abort(t, txn);
	FF_CHECK_EQ_INT(t, add(t, raw), 3);
	FF_CHECK_CODE(t, try_add_to(t, raw, 3), FF_OK);
}

static const ff_case cases[] = {
	CASE(there_are_as_many_lanes_as_connections_in_the_pool, "", 0),
	CASE(of_many_sessions_some_are_kept_until_the_store_is_closed, "", 0),
	CASE(a_batch_that_has_lost_its_locks_writes_nothing, "FF-ERR-2", 0),
	CASE(a_batch_that_has_lost_its_locks_loads_nothing, "", 0),
	CASE(the_answer_to_a_rollback_is_not_waited_for, "", 0),
	CASE(a_lost_connection_is_replaced_by_one_that_holds_the_locks, "", 0),
	CASE(what_a_session_of_another_client_shows_is_not_read, "", 0),
};
FAMILY(cases_sessions, cases);
