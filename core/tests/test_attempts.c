/* What is tried again after a failure, how often, and what is told of it in the end (FF-ERR-4). */
#include "tests.h"

#include <stdio.h>

static void say_which(ff_error *error)
{
	snprintf(error->native_code, sizeof(error->native_code), "40001");
	error->retryable = false;
}

static void contention_that_stays(ff_test *t)
{
	static const struct {
		ffp_slot_id slot;
		ff_code code;
	} cases[] = {
		{ FFP_SLOT_BEGIN, FF_E_BUSY },      { FFP_SLOT_LOAD, FF_E_BUSY },     { FFP_SLOT_STORE, FF_E_BUSY },
		{ FFP_SLOT_COMMIT, FF_E_BUSY },     { FFP_SLOT_LOAD, FF_E_CONFLICT }, { FFP_SLOT_STORE, FF_E_CONFLICT },
		{ FFP_SLOT_COMMIT, FF_E_CONFLICT },
	};
	ff_engine *e = ffp_open_faulty(t, NULL);
	uint64_t sleeps = 0;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ffp_fault_set(cases[i].slot, 1, cases[i].code);
		ffp_fault.repeat = true;
		ffp_fault.scribble = say_which;
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!busy");
		const ff_error *error = ff_test_error(t);
		FF_CHECK(t, error->code == FF_E_BUSY && error->retryable);
		FF_CHECK_STR(t, error->backend, "faulty");
		FF_CHECK_STR(t, error->operation, "report_usage");
		FF_CHECK_STR(t, error->id, "b");
		FF_CHECK_STR(t, error->native_code, "40001");
		FF_CHECK_STR(t, error->message, "contention outlived 3 attempts: a fault that was planned");
		FF_CHECK_EQ_INT(t, ffp_fault.hits, 3);
		FF_CHECK_EQ_INT(t, ff_test_sleeps(t), sleeps + 2);
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, sleeps), 5);
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, sleeps + 1), 10);
		sleeps += 2;
	}
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.retries, sleeps);
}

static void attempts_can_be_set(ff_test *t)
{
	ff_engine_options options = ffp_options_with(6);
	options.backoff_ms = 7;
	ff_engine *e = ffp_open_faulty(t, &options);
	ffp_fault_set(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "!busy");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 6);
	for (uint64_t i = 0; i < 5; i++)
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, i), 7u << i);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 5);
}

/* However many tries there are. Reads are tried again, too. */
static void longest_wait_is_kept(ff_test *t)
{
	ff_engine_options options = ffp_options_with(65);
	options.backoff_ms = 60000;
	ff_engine *e = ffp_open_faulty(t, &options);
	ffp_fault_set(FFP_SLOT_LOAD, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!busy");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 65);
	for (uint64_t i = 0; i < 64; i++)
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, i), 60000);
}

/* What is no contention comes back at once. */
static void other_errors_are_not_tried_again(ff_test *t)
{
	static const ff_code codes[] = { FF_E_IO, FF_E_FULL, FF_E_CORRUPT, FF_E_NO_MEMORY };
	ff_engine *e = ffp_open_faulty(t, NULL);
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		ffp_fault_set(FFP_SLOT_COMMIT, 1, codes[i]);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), ff_test_text(t, "!%s", ff_code_name(codes[i])));
		FF_CHECK_STR(t, ff_test_error(t)->message, "a fault that was planned");
		FF_CHECK(t, !ff_test_error(t)->retryable);
	}
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
}

/* A tick whose limit is used up by the purge that makes room for its resets tells that they are left undone. */
static void resets_that_are_left_undone_are_told(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	ffp_fault_set(FFP_SLOT_STORE, 1, FF_E_FULL);
	ff_tick_result result;
	FF_CHECK_CODE(t, ff_engine_tick(e, 0, 1, &result, ff_test_error(t)), FF_E_FULL);
	FF_CHECK_STR(t, ff_test_error(t)->message, "a fault that was planned");
	FF_CHECK_STR(t, ff_test_error(t)->operation, "tick");
	FF_CHECK(t, result.resets == 0 && result.purged_keys == 1);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 1), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static void resets_that_were_made_later_are_no_error(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=1000"), "created");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	ffp_fault_set(FFP_SLOT_STORE, 1, FF_E_FULL);
	ff_error error = { .message = "as it was" };
	ff_tick_result result;
	FF_CHECK_CODE(t, ff_engine_tick(e, 0, 0, &result, &error), FF_OK);
	FF_CHECK_EQ_INT(t, result.resets, 1);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	FF_CHECK_STR(t, error.message, "as it was");
	FF_CHECK_STR(t, error.operation, "");
}

/* What cannot be moved is counted once, however often the resets were begun: here it comes first, in a slice of its own. */
static void failed_resets_are_counted_once(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	const ffp_budget_row corrupt = { .row.state = FF_ROW_CORRUPT, .budget_id = BYTES("a"), .next_reset_at_ms = 1 };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_POLICY, &corrupt.row);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=1000"), "created");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	ffp_fault_set(FFP_SLOT_STORE, 1, FF_E_FULL);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=1 failed=1 keys=0 admissions=0");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
}

/* The second load from now fails as well. */
static void plan_a_load(ff_error *error)
{
	(void)error;
	ffp_fault.scribble = NULL;
	ffp_fault.slot = FFP_SLOT_LOAD;
	ffp_fault.at = ffp_fault.seen + 2;
}

/* Whatever goes well behind it, a purge that failed is told. */
static void purge_that_fails_is_told(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	for (unsigned i = 0; i < 6; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "%u", i), "a=1"), "ok");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 2), "resets=0 failed=0 keys=2 admissions=0");
	ffp_fault_set(FFP_SLOT_LOAD, 3, FF_E_IO); /* of those that the walk goes on with; it has begun behind two */
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "!io");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	ffp_fault_set(FFP_SLOT_LOAD, 3, FF_E_IO);
	FF_CHECK_CODE(t, ff_engine_tick(e, 0, 0, NULL, NULL), FF_E_IO);
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=5 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 1);
	ffp_fault_set(FFP_SLOT_STORE, 1, FF_E_FULL); /* of the resets, which would be tried again */
	ffp_fault.scribble = plan_a_load;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "!full");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 2);
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=1 failed=0 keys=4 admissions=0");
}

/* A request keeps its time over all attempts (FF-CLK-1), and a deadline that passes meanwhile is kept. */
static void sleep_past_the_deadline(void *context, uint32_t ms)
{
	ff_test *t = context;
	ff_test_set_time(t, ff_test_time(t) + ms);
}

static int64_t now_of(void *context)
{
	return ff_test_time(context);
}

static void time_passes_between_attempts(ff_test *t)
{
	ff_engine_options options = ffp_options_with(3);
	const ff_clock clock = { .now_ms = now_of, .sleep_ms = sleep_past_the_deadline, .context = t };
	options.clock = &clock;
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_BUSY);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_EQ_INT(t, ff_test_time(t), FF_TEST_START_MS + 5);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->last_breach_at_ms, FF_TEST_START_MS);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call call = { .op = FF_OP_REPORT_USAGE, .deadline_ms = ff_test_time(t) + 5, .in.report = &report };
	ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_BUSY);
	FF_CHECK_CODE(t, ff_engine_submit(e, &call, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, call.code, FF_E_DEADLINE);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
}

static ff_test *momentary;

static void take_a_moment(ff_error *error)
{
	(void)error;
	if (ffp_fault.hits == 3) /* the last */
		ff_test_set_time(momentary, ff_test_time(momentary) + 1);
}

/* Nobody waits for another attempt on behalf of a call whose deadline has passed, and what it is told is that. */
static void deadlines_pass_while_the_store_is_busy(ff_test *t)
{
	ff_engine_options options = ffp_options_with(3);
	const ff_clock clock = { .now_ms = now_of, .sleep_ms = sleep_past_the_deadline, .context = t };
	options.clock = &clock;
	ff_engine *e = ffp_open_faulty(t, &options);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call calls[] = { { .op = FF_OP_REPORT_USAGE, .deadline_ms = T0 + 5, .in.report = &report },
		            { .op = FF_OP_REPORT_USAGE, .in.report = &report } };
	ffp_fault_set(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	FF_CHECK_CODE(t, ff_engine_submit(e, calls, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, calls[0].code, FF_E_DEADLINE);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	FF_CHECK_EQ_INT(t, ff_test_time(t), T0 + 5);
	momentary = t;
	calls[0].deadline_ms = ff_test_time(t) + 16; /* a moment behind the last of three attempts */
	ffp_fault_set(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	ffp_fault.scribble = take_a_moment;
	FF_CHECK_CODE(t, ff_engine_submit(e, calls, 2, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK_EQ_INT(t, calls[0].code, FF_E_DEADLINE);
	FF_CHECK_EQ_INT(t, calls[1].code, FF_E_BUSY);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 3 + 3); /* it costs the other no attempt */
}

/* Nor does the wait for the next attempt outlast a deadline: who is late is told then, and it costs the others no attempt. */
static void waits_end_with_a_deadline(ff_test *t)
{
	ff_engine_options options = ffp_options_with(3);
	const ff_clock clock = { .now_ms = now_of, .sleep_ms = sleep_past_the_deadline, .context = t };
	options.clock = &clock;
	options.backoff_ms = 1000;
	ff_engine *e = ffp_open_faulty(t, &options);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call calls[] = { { .op = FF_OP_REPORT_USAGE, .deadline_ms = T0 + 1300, .in.report = &report },
		            { .op = FF_OP_REPORT_USAGE, .in.report = &report } };
	for (size_t count = 1; count <= COUNT_OF(calls); count++) {
		ff_test_set_time(t, T0);
		ffp_fault_set(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
		ffp_fault.repeat = true;
		FF_CHECK_CODE(t, ff_engine_submit(e, calls, count, ff_test_error(t)), count == 1 ? FF_OK : FF_E_BUSY);
		FF_CHECK_EQ_INT(t, calls[0].code, FF_E_DEADLINE);
		/* Two attempts with a wait of 1,000 ms, and one of what is left; then as many as there are without it. */
		FF_CHECK_EQ_INT(t, ffp_fault.hits, count == 1 ? 2 : 2 + 3);
		FF_CHECK_EQ_INT(t, ff_test_time(t), count == 1 ? T0 + 1300 : T0 + 1300 + 3000);
	}
	FF_CHECK_EQ_INT(t, calls[1].code, FF_E_BUSY);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
}

static const ff_case cases[] = {
	CASE(contention_that_stays, "FF-ERR-1 FF-ERR-4", 0),
	CASE(attempts_can_be_set, "FF-ERR-4", 0),
	CASE(longest_wait_is_kept, "FF-ERR-4", 0),
	CASE(other_errors_are_not_tried_again, "FF-ERR-1 FF-ERR-4", 0),
	CASE(resets_that_are_left_undone_are_told, "FF-RB-4", 0),
	CASE(resets_that_were_made_later_are_no_error, "FF-RB-4", 0),
	CASE(failed_resets_are_counted_once, "FF-RB-4", 0),
	CASE(purge_that_fails_is_told, "FF-MT-1", 0),
	CASE(time_passes_between_attempts, "FF-CLK-1 FF-ERR-4", 0),
	CASE(deadlines_pass_while_the_store_is_busy, "FF-ERR-4 FF-ERR-7", 0),
	CASE(waits_end_with_a_deadline, "FF-ERR-4 FF-ERR-7", 0),
};

FAMILY(ffp_tests_attempts, cases);
