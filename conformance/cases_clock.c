/* The clock (FF-CLK): one an engine, injectable, never going back. */
#include "cases.h"

/* T19: a clock that goes back frees nothing and moves nothing back. */
static void clock_never_goes_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	ff_test_set_time(t, T0 + 500);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "hard a 0/1");
	ff_test_set_time(t, T0 + 100);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@1000500");
	FF_CHECK_STR(t, ffp_create(t, e, "later", ""), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "later")->created_at_ms, T0 + 500);
	ff_test_set_time(t, T0 + 501);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=3 soft=0 last=a@1000501");
}

static void clock_is_the_one_that_was_given(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_test_set_time(t, 7);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1 @reset=10"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->created_at_ms, 7);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, 17);
	ff_test_set_time(t, INT64_C(9007199254740993));
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=0 last=a@9007199254740993");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

/* The engine's own clock is the system's where none was given; the case only wants one that is not absurd. */
static void clock_of_the_system(ff_test *t)
{
	ff_engine *e = NULL;
	FF_REQUIRE_OK(t, ff_engine_open(ff_test_uri(t), NULL, &e, ff_test_error(t)));
	const char *created = ffp_create(t, e, "b", "");
	const ff_budget_status *status = NULL;
	ff_code code = ff_engine_get_budget_status(e, "b", &status, ff_test_error(t));
	int64_t created_at_ms = code ? 0 : status->created_at_ms;
	ff_free(status);
	ff_engine_close(&e);
	FF_CHECK_STR(t, created, "created");
	FF_CHECK(t, created_at_ms > INT64_C(1600000000000) && created_at_ms < INT64_C(4100000000000));
}

/* D44: usage cannot be back-dated. */
static void report_brings_no_time_of_its_own(ff_test *t)
{
	ff_amount amount = { "a", 1 };
	ff_spend spend = { .execution_id = "x" };
	spend.report = (ff_report){ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .now_ms = T0 };
	ff_outcome outcome = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &spend.report, &outcome, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_record_spend(e, &spend, &outcome, ff_test_error(t)), FF_E_INVALID);
	spend.report.now_ms = -1;
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &spend.report, &outcome, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	spend.report.now_ms = 0;
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &spend.report, &outcome, ff_test_error(t)), FF_OK);
}

static void calls_that_bring_their_own_time(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1 @reset=100 @now=5000"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->created_at_ms, 5000);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", T0 + 30), "1000130");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 30);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1 now=5000"), "created");
	const ff_quota_status *quota = NULL;
	FF_REQUIRE_OK(t, ff_engine_get_quota_status(e, "q", &quota, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, quota->created_at_ms, 5000);
	ff_free(quota);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "now=6000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "now=6999"), "rate_exceeded 1");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "now=7000"), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "y", 7000), "held");
	ff_tick_result did = { 0 };
	FF_CHECK_CODE(t, ff_engine_tick(e, T0 + 129, 0, &did, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, did.resets, 0);
	FF_CHECK_CODE(t, ff_engine_tick(e, T0 + 130, 0, &did, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, did.resets, 1);
}

static void times_before_1970(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "@now=-1"), "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", -1), "!invalid");
	FF_CHECK_STR(t, ffp_tick(t, e, -1, 0), "!invalid");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", ""), "created");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", -1), "!invalid");
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = "x";
	admission.now_ms = INT64_MIN;
	FF_CHECK_CODE(t, ff_engine_admit(e, &admission, &(ff_admission_outcome){ 0 }, ff_test_error(t)), FF_E_INVALID);
}

/* ---- the data clock ----------------------------------------------------------------------------------------- */

static ff_engine *open_with_data_clock(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_DATA_CLOCK;
	return ff_test_open(t, &options);
}

static const char *report_at(ff_test *t, ff_engine *e, const char *key, uint64_t amount, int64_t now_ms)
{
	ff_amount amounts = { "a", amount };
	ff_report report = {
		.budget_id = "b", .amounts = &amounts, .amounts_count = 1, .idempotency_key = key, .now_ms = now_ms
	};
	ff_outcome outcome = { 0 };
	ff_code code = ff_engine_report_usage(e, &report, &outcome, ff_test_error(t));
	return ffp_show_outcome(t, code, &outcome);
}

static void data_clock_takes_the_requests_time(ff_test *t)
{
	ff_engine *e = open_with_data_clock(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000 @now=5000"), "created");
	FF_CHECK_STR(t, report_at(t, e, "", 10, 5500), "ok");
	FF_CHECK_STR(t, report_at(t, e, "", 1, 5999), "hard a 10/10");
	FF_CHECK_STR(t, report_at(t, e, "", 4, 6000), "ok");
	/* Raised to the last one seen: a time before it is no way back into the old period. */
	FF_CHECK_STR(t, report_at(t, e, "", 4, 5000), "ok");
	FF_CHECK_STR(t, report_at(t, e, "", 4, 5000), "hard a 8/10");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@6000");
	FF_CHECK_STR(t, report_at(t, e, "", 4, -1), "!invalid");
}

static void data_clock_ends_keys(ff_test *t)
{
	ff_engine *e = open_with_data_clock(t);
	FF_CHECK_STR(t, report_at(t, e, "k", 1, 5000), "ok");
	FF_CHECK_STR(t, report_at(t, e, "k", 1, 5000 + DAY_MS - 1), "ok replayed");
	FF_CHECK_STR(t, report_at(t, e, "k", 1, 5000), "ok replayed");
	FF_CHECK_STR(t, report_at(t, e, "k", 1, 5000 + DAY_MS), "ok");
}

/* Each report of a batch at its own time, across the end of a period. */
static void batch_decides_each_at_its_own_time(ff_test *t)
{
	static const int64_t times[] = { 5000, 5999, 6000, 6001, 6500, 7000 };
	static const uint64_t amounts[] = { 9, 2, 9, 2, 1, 10 };
	static const char *const want[] = { "ok", "hard a 9/10", "ok", "hard a 9/10", "ok", "ok" };
	enum { COUNT = sizeof(times) / sizeof(*times) };
	ff_amount amount[COUNT];
	ff_report reports[COUNT];
	ff_report_result results[COUNT];
	ff_engine *e = open_with_data_clock(t);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000 @now=5000"), "created");
	for (size_t i = 0; i < COUNT; i++) {
		amount[i] = (ff_amount){ "a", amounts[i] };
		reports[i] =
		    (ff_report){ .budget_id = "b", .amounts = &amount[i], .amounts_count = 1, .now_ms = times[i] };
	}
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, COUNT, results, NULL, ff_test_error(t)));
	for (size_t i = 0; i < COUNT; i++)
		FF_CHECK_STR(t, ffp_show_outcome(t, results[i].code, &results[i].outcome), want[i]);
	ff_test_set_time(t, 7000);
	FF_CHECK_EQ_INT(t, ffp_row_get(t, "ff_budget_policy", "b", "period")[0], '2');
}

/* ---- before the present period ------------------------------------------------------------------------------ */

/* A time before the period's start counts in it, whatever other process brought the period there. */
static void time_before_the_period_counts_in_it(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", T0 + 50000), "1051000");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "hard a 4/10");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, T0 + 51000);
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "hard a 4/10");
	ff_test_set_time(t, T0 + 51000);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "ok");
}

/* Two engines whose clocks differ: the slow one does not bring the period back. */
static void period_never_goes_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	ff_test_set_time(t, T0 + 2500);
	ff_engine *fast = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, fast, "b", "", "a=3"), "ok");
	ff_test_set_time(t, T0 + 1);
	ff_engine *slow = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_usage(t, slow, "b"), "a=3");
	FF_CHECK_STR(t, ffp_report(t, slow, "b", "", "a=8"), "hard a 3/10");
	FF_CHECK_STR(t, ffp_report(t, slow, "b", "", "a=7"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, slow, "b")->next_reset_at_ms, T0 + 3000);
	/* One more for each time that it was moved, however many resets nobody saw. */
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "1");
	FF_CHECK_STR(t, ffp_reset(t, slow, "b", 0), "1001001");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "2");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
}

static void quota_time_never_goes_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=2"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "now=50000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "now=20000"), "admitted");
	/* y counts from 50,000: both leave at 60,000, which is 20,000 from the caller's own now. */
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "now=40000"), "rate_exceeded 20000");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "now=45000 window=10 max=1"), "rate_exceeded 15000");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "now=59999"), "rate_exceeded 1");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "now=60000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", "now=1"), "already_admitted");
}

static void lease_time_never_goes_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "now=50000 lease=500"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "now=20000 lease=1000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "now=50999"), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "now=51000"), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "y", 1), "held");
}

static const ff_case table[] = {
	CASE(clock_never_goes_back, "FF-CLK-1", 0),
	CASE(clock_is_the_one_that_was_given, "FF-CLK-1", 0),
	CASE(clock_of_the_system, "FF-CLK-1", 0),
	CASE(report_brings_no_time_of_its_own, "FF-CLK-2", 0),
	CASE(calls_that_bring_their_own_time, "FF-CLK-2", 0),
	CASE(times_before_1970, "FF-CLK-2 FF-LIM-1", 0),
	CASE(data_clock_takes_the_requests_time, "FF-CLK-2 FF-CLK-4", 0),
	CASE(data_clock_ends_keys, "FF-CLK-2 FF-RU-4", 0),
	CASE(batch_decides_each_at_its_own_time, "FF-CLK-3 FF-RB-2", FF_CASE_SECOND_HANDLE),
	CASE(time_before_the_period_counts_in_it, "FF-CLK-4", 0),
	CASE(period_never_goes_back, "FF-CLK-4", FF_CASE_SECOND_HANDLE),
	CASE(quota_time_never_goes_back, "FF-CLK-4", 0),
	CASE(lease_time_never_goes_back, "FF-CLK-4 FF-QA-6", 0),
};

FAMILY(ffp_cases_clock, table);
