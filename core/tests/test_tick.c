/* The tick: the thread that runs it by itself, its slices, which share the queue with calls, and where it goes on. */
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "budget.h"
#include "engine.h"
#include "purge.h"
#include "tests.h"
#include "tick.h"

/* ---- the background tick ------------------------------------------------------------------------------------ */

static void add_expired_keys(ff_test *t, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const ffp_key_row row = { .dedup_key = { ff_test_text(t, "%05u", i), 5 },
			                  .budget_id = BYTES("b"),
			                  .outcome_json = BYTES("{\"kind\":\"Ok\"}"),
			                  .expires_at_ms = 1 };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
}

/* Waits until the thread has come so far; false after ten seconds. */
static bool wait_for_calls(ff_test *t, ffp_slot_id slot, uint64_t count)
{
	const ffp_fake *fake = ffp_fake_of(t);
	for (int i = 0; i < 10000 && ffp_fake_calls(fake, slot) < count; i++)
		usleep(1000);
	return ffp_fake_calls(fake, slot) >= count;
}

static void tick_runs_by_itself(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	add_expired_keys(t, 3);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400001, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK); /* nothing runs yet */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 1, ff_test_error(t)), FF_OK);
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_COMMIT, 1));
	/* starting twice changes nothing: it goes on at its interval */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)), FF_OK);
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_BEGIN, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) + 20));
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 0);
	uint64_t begins = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN);
	usleep(5000);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN), begins); /* it has stopped */
	/* it can be started again, and close stops it */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)), FF_OK);
	ff_test_undo(t, e);
}

/* What was stopped begins again, and is stopped again. */
static void tick_runs_again(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t keeps = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP);
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
		FF_REQUIRE(t, wait_for_calls(t, FFP_SLOT_HOUSEKEEP, keeps + 10)); /* those of two ticks */
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	}
}

static void tick_stops_at_once(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < 50; i++) {
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)));
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nor is its interval waited for, where it waits for that. */
static void tick_stops_while_it_waits(ff_test *t)
{
	enum { INTERVAL_MS = 30000 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, INTERVAL_MS, ff_test_error(t)));
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_BEGIN, 1));
	usleep(50000);
	int64_t began_ms = monotonic_ms();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	FF_CHECK(t, monotonic_ms() - began_ms < INTERVAL_MS / 2);
	FF_CHECK(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) < 20); /* those of one tick */
}

/* However many rows there are to look at, the thread leaves four fifths of its time to others. */
static void tick_rests_longer_behind_a_long_one(ff_test *t)
{
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 0), 60000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 15000000), 60000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 15000001), 60001);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(1, 900), 4);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(1, INT64_C(3600000000)), 3600000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(86400000, INT64_C(3600000000)), 86400000);
	/* The thread's first tick takes a tenth of a second: in the rest behind it nothing begins for a while. */
	ff_engine *e = ffp_open_faulty(t, NULL);
	bool rests = false;
	ffp_shut_gate();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
	ffp_wait_until_one_waits();
	usleep(100000);
	ffp_gate.shut = false;
	for (int i = 0; i < 40 && !rests; i++) {
		uint64_t begins = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN);
		usleep(50000);
		rests = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) == begins;
	}
	FF_CHECK(t, rests);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	ffp_fault_clear();
}

static bool is_to_stop(ff_engine *engine)
{
	pthread_mutex_lock(&engine->tick_lock);
	bool stops = engine->tick_stops;
	pthread_mutex_unlock(&engine->tick_lock);
	return stops;
}

/* One stops the thread while a slice of it is under way, and the other lets the slice go on once it is to stop. */
static void stop_at_gate(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
	ffp_wait_until_one_waits();
	if (thread) {
		while (!is_to_stop(shared->engine))
			sched_yield();
		ffp_gate.shut = false;
	} else {
		shared->errors += ff_engine_tick_every(shared->engine, 0, NULL) != FF_OK;
	}
}

/* Stopping waits for the slice that is under way, and not for all the work that there may be. */
static void tick_stops_between_slices(ff_test *t)
{
	enum { KEYS = 20 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	add_expired_keys(t, KEYS);
	ff_tick_result result;
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 3, &result, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, result.purged_keys, 3);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 1);
	ffp_crowd shared = { .engine = e };
	ffp_shut_gate();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)));
	ffp_threads(t, 2, stop_at_gate, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), KEYS - 3);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 1); /* where the next one goes on */
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, &result, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 0);
}

static ffp_request checked(ff_test *t, ff_call *call)
{
	ffp_request request = { .op = ffp_op_of(call->op), .call = call, .error = ff_test_error(t) };
	FF_REQUIRE_OK(t, request.op->check(&request, ffp_raw_arena(t)));
	return request;
}

/* Runs a call and a slice of tick's work as one batch. */
static void run_before_a_slice(ff_test *t, ff_engine *e, ff_call *call, const ffp_op *op, ffp_slice *slice)
{
	static const ffp_place start = { .is_set = false };
	ff_call tick = { .error = ff_test_error(t) };
	ffp_request requests[] = { checked(t, call), { .op = op, .call = &tick, .slice = slice } };
	slice->rows_max = 100;
	slice->changes_max = 100;
	slice->low = &start;
	FF_CHECK_CODE(t, ffp_queue_run(e, requests, 2, ff_test_error(t)), FF_OK);
	FF_CHECK(t, call->code == FF_OK && tick.code == FF_OK);
}

/* A slice that shares its batch with calls goes by what they have done: a period that they have begun, slots that they have
 * renewed or taken over, and a key that they have used again. */
static void slices_see_what_their_batch_has_done(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "c", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" };
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "c", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=3"), "created");
	for (int i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "%d", i), ff_test_text(t, "lease=%d", 5 + i)),
		             "admitted");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	ff_call reset = { .op = FF_OP_RESET_BUDGET, .in.target = { .id = "b" } };
	ffp_slice due = { .table = FFP_BUDGET_POLICY, .index = ffp_by_next_reset() };
	run_before_a_slice(t, e, &reset, &ffp_op_reset_due, &due);
	FF_CHECK(t, due.looked_at == 1 && due.changed == 0 && due.failed == 0);
	ff_call again = { .op = FF_OP_REPORT_USAGE, .in.report = &report };
	ffp_slice keys = { .table = FFP_BUDGET_USAGE_DEDUP };
	run_before_a_slice(t, e, &again, &ffp_op_purge, &keys);
	FF_CHECK(t, keys.looked_at == 1 && keys.changed == 0);
	FF_CHECK_STR(t, ffp_report(t, e, "c", "k", "a=1"), "ok replayed");
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = "new"; /* in the place of the one that was over first */
	ff_call admit = { .op = FF_OP_ADMIT, .in.admission = &admission };
	ffp_slice slots = { .table = FFP_QUOTA_ADMITTED };
	run_before_a_slice(t, e, &admit, &ffp_op_purge, &slots);
	FF_CHECK(t, slots.looked_at == 3 && slots.changed == 2);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_QUOTA_ADMITTED), 1);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* How many rows the slices ask for: those of resets, and of keys. The first of them waits until a call has come behind it,
 * and that call, unless it shares a batch with the second, until that one has come behind it. */
static struct {
	ff_engine *engine;
	uint32_t limits[16];
	_Atomic unsigned count;
	uint32_t keys_limits[16];
	unsigned keys_count;
} slices;

static _Thread_local bool reports_beside;

static void note_keys(const ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reads[i].kind == FF_READ_RANGE && reads[i].table->id == FFP_BUDGET_USAGE_DEDUP &&
		    slices.keys_count < COUNT_OF(slices.keys_limits))
			slices.keys_limits[slices.keys_count++] = reads[i].limit;
}

static void note_slices(ff_read *reads, size_t count)
{
	note_keys(reads, count);
	for (size_t i = 0; i < count; i++) {
		if (reads[i].kind != FF_READ_RANGE || reads[i].table->id != FFP_BUDGET_POLICY ||
		    slices.count == COUNT_OF(slices.limits))
			continue;
		slices.limits[slices.count++] = reads[i].limit;
		if (slices.count == 1)
			ffp_is_queued(slices.engine, 1);
	}
	if (reports_beside && slices.count == 1)
		ffp_is_queued(slices.engine, 1);
}

static void tick_or_report_behind_it(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
	const ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "0", .amounts = &amount, .amounts_count = 1 };
	for (int i = 0; thread && i < 10000 && !slices.count; i++)
		usleep(1000);
	reports_beside = thread;
	ff_code code = thread ? ff_engine_report_usage(shared->engine, &report, NULL, NULL)
	                      : ff_engine_tick(shared->engine, 0, 0, NULL, NULL);
	shared->errors += code != FF_OK;
}

static void tick_takes_less_where_calls_wait(ff_test *t)
{
	enum { ROWS = 48, ALONE = ROWS / 4, BESIDE = ROWS / 12, DUE = ALONE + 5 * BESIDE + 1, SEARCH = ROWS / 4 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = ROWS;
	ff_engine *e = ffp_open_faulty(t, &options);
	for (unsigned i = 0; i < DUE; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "%u", i), "a=0 @reset=1"), "created");
	ff_test_set_time(t, FF_TEST_START_MS + 1000);
	ffp_crowd shared = { .engine = e };
	slices.engine = e;
	slices.count = slices.keys_count = 0;
	add_expired_keys(t, SEARCH + 1);
	ffp_fault.mangle = note_slices;
	ffp_threads(t, 2, tick_or_report_behind_it, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, slices.count, 7);
	FF_CHECK_EQ_INT(t, slices.limits[0], ALONE);
	for (unsigned i = 1; i < slices.count; i++)
		FF_CHECK_EQ_INT(t, slices.limits[i], BESIDE);
	FF_CHECK_EQ_INT(t, slices.keys_count, 2);
	FF_CHECK_EQ_INT(t, slices.keys_limits[0], SEARCH);
	FF_CHECK_EQ_INT(t, slices.keys_limits[1], ROWS); /* where there is something to purge */
}

/* So long takes each slice of keys, whose limits are noted. */
static struct {
	ff_test *test;
	int64_t took_ms;
	unsigned long_ones; /* so many take a millisecond more */
} pace;

static void note_and_pace(ff_read *reads, size_t count)
{
	unsigned before = slices.keys_count;
	note_keys(reads, count);
	if (slices.keys_count == before)
		return;
	bool is_long = slices.keys_count <= pace.long_ones;
	ff_test_set_time(pace.test, ff_test_time(pace.test) + pace.took_ms + is_long);
}

/* A slice that took longer than it should is followed by one of half its rows, down to a sixteenth of the most, and any
 * other by one of twice as many. */
static void slices_take_the_time_that_they_should(ff_test *t)
{
	static const uint32_t limits[] = { 40, 20, 10, 5, 3, 3, 3, 6, 12, 24, 40, 40 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 40;
	options.purge_slice_ms = 7;
	ff_engine *e = ffp_open_faulty(t, &options);
	add_expired_keys(t, 180);
	pace.test = t;
	pace.took_ms = 7;
	pace.long_ones = 6;
	slices.keys_count = 0;
	ffp_fault.mangle = note_and_pace;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=180 admissions=0");
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, slices.keys_count, COUNT_OF(limits));
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		FF_CHECK_EQ_INT(t, slices.keys_limits[i], limits[i]);
}

/* Calls that were together are given way for 32 slices behind the last of which that is known, and no longer. */
static void tick_is_wary_for_a_while(ff_test *t)
{
	enum { ROWS = 8, KEYS = 32 * (ROWS / 4) + 2 * ROWS };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = ROWS;
	ff_engine *e = ff_test_open(t, &options);
	for (unsigned i = 0; i < KEYS; i++) {
		const ffp_key_row row = { .dedup_key = { ff_test_text(t, "%05u", i), 5 },
			                  .budget_id = BYTES("b"),
			                  .expires_at_ms = INT64_MAX };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
	for (unsigned together = 0; together < 2; together++) {
		e->lanes[0].expected = 2 * together;
		const uint64_t keeps = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP);
		FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
		/* one of resets, those of the keys, the last of which finds none, the ledger, window entries, slots */
		const uint64_t of_keys = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP) - keeps - 4;
		FF_CHECK_EQ_INT(t, of_keys, together ? 31 + 3 : KEYS / ROWS + 1);
	}
}

static void pass_time(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	if (pace.long_ones) {
		pace.long_ones--;
		ff_test_set_time(pace.test, ff_test_time(pace.test) + 1);
	}
}

/* What falls due while it is under way is left to the next one, or there would be no end to budgets of short periods. */
static void tick_goes_by_one_time(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0 @reset=1"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=0 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	pace.test = t;
	pace.long_ones = 20;
	ffp_fault.mangle = pass_time;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=0 keys=0 admissions=0");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=0 keys=0 admissions=0");
}

/* A tick that finds nothing looks at each table once, and notes nothing. */
static void idle_tick_is_short(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_EQ_INT(t, ffp_info(t, e).batches,
	                1 + 4 * 2); /* resets; and each place to begin at, and a look from there */
}

/* Behind each slice, the last one of a table too, which finds less than it asked for. */
static void tick_lets_the_store_keep_house(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 2;
	ff_engine *e = ff_test_open(t, &options);
	add_expired_keys(t, 5);
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
	/* resets, keys three times, the ledger, window entries, slots */
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP), 7);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Slices go through the same queue as everybody's calls. */
static void report_while_ticking(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
	const ff_amount amount = { "a", 1 };
	for (unsigned i = 0; i < 100; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%u %u", thread, i);
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		shared->errors += ff_engine_report_usage(shared->engine, &report, NULL, NULL) != FF_OK;
		if (i % 10 == 0)
			shared->errors += ff_engine_tick(shared->engine, 0, 0, NULL, NULL) != FF_OK;
	}
}

static void tick_among_reports(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 50;
	ff_engine *e = ff_test_open(t, &options);
	add_expired_keys(t, 1000);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0 @reset=1"), "created");
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
	ffp_crowd shared = { .engine = e };
	ffp_threads(t, 8, report_while_ticking, &shared);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=800");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 800);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- where a walk stands ------------------------------------------------------------------------------------ */

/* Puts one of rows that are over, of which one part of the key differs: the first, or one that follows. */
static void put_over(ff_test *t, ffp_table_id table, bool first, int i)
{
	const ff_text own = { ff_test_text(t, "x%d", i), 2 }, same = BYTES("same");
	const ff_text one = first ? own : same, two = first ? same : own;
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_key_row key = { .dedup_key = one, .budget_id = two, .expires_at_ms = 1 };
	const ffp_ledger_row spent = {
		.budget_id = one, .execution_id = two, .dimensions_key = BYTES("a"), .delta_total = INT64_MAX
	};
	const ffp_entry_row entry = { .quota_policy_id = one, .entry = i + 1, .execution_id = own, .expires_at_ms = 1 };
	const ffp_slot_row slot = { .quota_policy_id = one, .execution_id = two, .lease_until_ms = 1 };
	ffp_fake_put(fake, table,
	             table == FFP_BUDGET_USAGE_DEDUP     ? &key.row
	             : table == FFP_BUDGET_USAGE_BY_EXEC ? &spent.row
	             : table == FFP_QUOTA_WINDOW         ? &entry.row
	                                                 : &slot.row);
	const ffp_budget_row budget = { .row.nulls = 1u << FFP_BUDGET_NEXT_RESET_AT, .budget_id = one, .period = 1 };
	ffp_fake_put(fake, FFP_BUDGET_POLICY, &budget.row);
	const ffp_quota_row quota = { .quota_policy_id = one, .active_concurrency = 9 };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &quota.row);
}

/* The rows of a table that are there, by their numbers. */
static const char *numbers_of(ff_test *t, ffp_table_id table)
{
	const char *dump = ffp_fake_dump(t, ffp_fake_of(t)), *numbers = "";
	for (const char *at = dump; (at = strstr(at, ffp_table(table)->name + sizeof("ff_") - 1)); at++)
		if ((at == dump || at[-1] == '\n') && strstr(at, "'x"))
			numbers = ff_test_text(t, "%s%c", numbers, strstr(at, "'x")[2]);
	return numbers;
}

/* A tick that its limit ends is gone on with from there, whatever part of a key tells where that is, and what came before
 * is the next one's. */
static void bounded_ticks_go_on(ff_test *t)
{
	static const ffp_table_id tables[] = { FFP_BUDGET_USAGE_DEDUP, FFP_BUDGET_USAGE_BY_EXEC, FFP_QUOTA_WINDOW,
		                               FFP_QUOTA_ADMITTED };
	static const char *const left[] = { "023", "03", "0", "" };
	ff_engine *e = ff_test_open(t, NULL);
	for (size_t i = 0; i < 2 * COUNT_OF(tables); i++) {
		const ffp_table_id table = tables[i / 2];
		for (int number = 1; number < 4; number++)
			put_over(t, table, i % 2, number);
		for (size_t tick = 0; tick < COUNT_OF(left); tick++) {
			FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 1, NULL, ff_test_error(t)));
			if (tick == 0)
				put_over(t, table, i % 2, 0);
			if (!FF_CHECK_STR(t, numbers_of(t, table), left[tick]))
				ff_test_note(t, "%s, tick %zu", ffp_table(table)->name, tick);
		}
		FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 0);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static uint64_t loads_of_a_tick(ff_test *t, ff_engine *e, uint64_t limit)
{
	uint64_t before = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_LOAD);
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, limit, NULL, ff_test_error(t)));
	return ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_LOAD) - before;
}

/* Wherever it begins, a tick looks at each row once: besides, at where it stands, and at one slice that is cut in two. */
static void tick_looks_at_each_row_once(ff_test *t)
{
	const ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ff_test_open(t, &options);
	put_over(t, FFP_BUDGET_USAGE_DEDUP, true, 0);
	for (int i = 10; i < 50; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "x%d", i), "a=1"), "ok");
	loads_of_a_tick(t, e, 1);
	uint64_t from_there = loads_of_a_tick(t, e, 0);
	uint64_t from_the_beginning = loads_of_a_tick(t, e, 0);
	FF_CHECK(t, from_the_beginning > 20 && from_there <= from_the_beginning + 4);
}

static const ff_case cases[] = {
	CASE(tick_runs_by_itself, "FF-RB-6", 0),
	CASE(tick_runs_again, "FF-RB-6", 0),
	CASE(tick_stops_at_once, "FF-RB-6", 0),
	CASE(tick_stops_while_it_waits, "FF-RB-6", 0),
	CASE(tick_rests_longer_behind_a_long_one, "FF-RB-6", 0),
	CASE(tick_stops_between_slices, "FF-RB-6", 0),
	CASE(slices_see_what_their_batch_has_done, "FF-RB-4 FF-MT-1", 0),
	CASE(tick_takes_less_where_calls_wait, "FF-MT-1", 0),
	CASE(slices_take_the_time_that_they_should, "FF-MT-1", 0),
	CASE(tick_is_wary_for_a_while, "FF-MT-1", 0),
	CASE(tick_goes_by_one_time, "FF-RB-4", 0),
	CASE(idle_tick_is_short, "", 0),
	CASE(tick_lets_the_store_keep_house, "FF-MT-1", 0),
	CASE(tick_among_reports, "FF-MT-1", 0),
	CASE(bounded_ticks_go_on, "FF-MT-1", 0),
	CASE(tick_looks_at_each_row_once, "FF-MT-1", 0),
};

FAMILY(ffp_tests_tick, cases);
