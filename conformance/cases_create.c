/* create_budget (FF-CB). */
#include <string.h>

#include "cases.h"

/* T22: create-if-absent that tells whether what is there is what was asked for. */
static void create_once(ff_test *t)
{
	static const char *const spec = "a=10:5 b=0:7 @reset=1000 @mode=advisory @scope=team:7 @hard=stop @soft=warn";
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", spec), "created");
	const char *before = ffp_show_status(t, ffp_status(t, e, "x"));
	FF_CHECK_STR(t, before,
	             "x @scope=team:7 @mode=advisory @hard=stop @soft=warn @reset=1000 a=10:5 b=0:7 |  | "
	             "hard=0 soft=0 last=none | next=1001000 created=1000000 updated=1000000");
	ff_test_set_time(t, T0 + 500);
	FF_CHECK_STR(t, ffp_create(t, e, "x", spec), "same");
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=1"), "differs");
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "x")), before);
}

/* Each part of a policy counts in the comparison, and the order of its dimensions does not. */
static void create_compares_the_whole_policy(ff_test *t)
{
	static const char *const other[] = {
		"a=11:5 b=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=warn",
		"a=10:6 b=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 @reset=1000 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 b=0:7 c=0:0 @reset=1000 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 B=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 b=0:7 @reset=1001 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 b=0:7 @scope=team:7 @hard=stop @soft=warn",
		"a=10:5 b=0:7 @reset=1000 @scope=Team:7 @hard=stop @soft=warn",
		"a=10:5 b=0:7 @reset=1000 @scope=team:8 @hard=stop @soft=warn",
		"a=10:5 b=0:7 @reset=1000 @scope=team:7 @hard=warn @soft=warn",
		"a=10:5 b=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=stop",
		"a=10:5 b=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=warn @mode=advisory",
	};
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:5 b=0:7 @reset=1000 @scope=team:7 @hard=stop @soft=warn"),
	             "created");
	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
		if (!FF_CHECK_STR(t, ffp_create(t, e, "x", other[i]), "differs"))
			ff_test_note(t, "asked for: %s", other[i]);
	}
	FF_CHECK_STR(t,
	             ffp_create(t, e, "x", "b=0:7 a=10:5 @soft=warn @hard=stop @scope=team:7 @reset=1000 @mode=strict"),
	             "same");
	FF_CHECK_STR(
	    t, ffp_create(t, e, "x", "b=0:7 a=10:5 @soft=warn @hard=stop @scope=team:7 @reset=1000 @mode= @now=5"),
	    "same");
}

/* What happened to a budget since does not make its policy another one. */
static void create_compares_the_policy_alone(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:5 @reset=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=11"), "hard a 0/10");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=6"), "soft a 6/5");
	ff_test_set_time(t, T0 + 250);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:5 @reset=100"), "same");
	FF_CHECK_STR(t, ffp_reset(t, e, "x", 0), "1000350");
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:5 @reset=100"), "same");
}

static void create_with_limits_of_zero(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=0:0 b=0:5 c=5:0"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=max"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "b=max"), "soft b 9223372036854775807/5");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "c=5"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "c=1"), "hard c 5/5");
}

static void create_with_soft_above_hard(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "ok=5:5 a=5:6"), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "'a'") != NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=9223372036854775806:max"), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=5:5 b=0:6 c=6:0 d=6:5"), "created");
}

static void create_schedules_the_first_reset(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "never", "a=1"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "never")->next_reset_at_ms, FF_TIME_NONE);
	FF_CHECK_STR(t, ffp_create(t, e, "soon", "a=1 @reset=1"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "soon")->next_reset_at_ms, T0 + 1);
	FF_CHECK_STR(t, ffp_create(t, e, "own", "a=1 @reset=10 @now=500"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "no", "@reset=-1"), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "no"), "!not_found");
}

/* D19. */
static void create_with_a_reset_past_the_end_of_time(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", ff_test_text(t, "@reset=%" PRId64, INT64_MAX - T0 + 1)), "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "x", ff_test_text(t, "@reset=%" PRId64, INT64_MAX)), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "x", ff_test_text(t, "@reset=%" PRId64, INT64_MAX - T0)), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "x")->next_reset_at_ms, INT64_MAX);
	FF_CHECK_STR(t, ffp_create(t, e, "x", ff_test_text(t, "@reset=%" PRId64, INT64_MAX)), "!invalid");
	FF_CHECK_STR(t, ffp_reset(t, e, "x", T0 + 1), "!invalid");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "x")->next_reset_at_ms, INT64_MAX);
	FF_CHECK_STR(t, ffp_reset(t, e, "x", T0), ff_test_text(t, "%" PRId64, INT64_MAX));
}

static void create_takes_two_modes(ff_test *t)
{
	static const char *const unknown[] = { "warn", "Strict", "STRICT", "strict_", "advisor", "advisory!", "fail" };
	ff_engine *e = ff_test_open(t, NULL);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++)
		FF_CHECK_STR(t, ffp_create(t, e, "x", ff_test_text(t, "@mode=%s", unknown[i])), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "default", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "empty", "@mode="), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "strict", "@mode=strict"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "advisory", "@mode=advisory"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "default")->enforcement_mode, FF_MODE_STRICT);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "empty")->enforcement_mode, FF_MODE_STRICT);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "strict")->enforcement_mode, FF_MODE_STRICT);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "advisory")->enforcement_mode, FF_MODE_ADVISORY);
}

/* T25: the mode acts. */
static void advisory_applies_and_counts(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:1 b=10:1 c=0:1 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=10"), "soft a 10/1");
	ff_test_set_time(t, T0 + 5);
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "c=9 b=11 a=1"), "hard a 10/10 applied");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "a=11 b=11 c=9");
	FF_CHECK_STR(t, ffp_breaches(t, e, "x"), "hard=1 soft=1 last=a@1000005");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "b=1"), "hard b 11/10 applied");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "c=1"), "soft c 10/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "x"), "hard=2 soft=2 last=b@1000005");
	/* An amount of 0 exceeds a limit that usage has passed: 0 > limit - current. */
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=0"), "hard a 11/10 applied");
	FF_CHECK_STR(t, ffp_spend(t, e, "x", "run", "", "a=2"), "hard a 11/10 applied");
	FF_CHECK_STR(t, ffp_release(t, e, "x", "run"), "a=2");
}

static void stored_mode_that_is_unknown(ff_test *t)
{
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "x", .amounts = &amount, .amounts_count = 1 };
	const ff_report twice[] = { report, report };
	ff_report_result results[2];
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10"), "created");
	ffp_row_set(t, "ff_budget_policy", "x", "enforcement_mode", "warn");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "!corrupt");
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, twice, 2, results, NULL, ff_test_error(t)));
	FF_CHECK(t, results[0].code == FF_E_CORRUPT && results[1].code == FF_E_CORRUPT);
	ffp_row_set(t, "ff_budget_policy", "x", "enforcement_mode", "strict");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=1"), "ok");
}

static void create_round_trips_to_int64_max(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(
	    t, ffp_create(t, e, "x", "a=max:max b=9007199254740993:9007199254740992 c=9007199254740992 d=0:max z=0:0"),
	    "created");
	const ff_budget_status *status = ffp_status(t, e, "x");
	FF_REQUIRE(t, status->limits_count == 5);
	FF_CHECK_STR(t, status->limits[0].dimension, "a");
	FF_CHECK(t, status->limits[0].hard == MAX_AMOUNT && status->limits[0].soft == MAX_AMOUNT);
	FF_CHECK(t, status->limits[1].hard == TWO_53 + 1 && status->limits[1].soft == TWO_53);
	FF_CHECK(t, status->limits[2].hard == TWO_53 && status->limits[2].soft == 0);
	FF_CHECK(t, status->limits[3].hard == 0 && status->limits[3].soft == MAX_AMOUNT);
	FF_CHECK(t, status->limits[4].hard == 0 && status->limits[4].soft == 0);
	FF_CHECK_STR(t, status->limits[4].dimension, "z");
}

static ff_code create_arrays(ff_test *t, ff_engine *e, size_t dimensions, size_t hard, size_t soft)
{
	static const char *const names[] = { "z", "a" };
	static const uint64_t hards[] = { 5, 10 }, softs[] = { 0, 8 };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "x";
	ff_limit_arrays limits = { names, dimensions, hards, hard, softs, soft };
	return ff_engine_create_budget_arrays(e, &spec, &limits, &(ff_created){ 0 }, ff_test_error(t));
}

static void create_from_parallel_arrays(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, create_arrays(t, e, 2, 2, 1), FF_E_INVALID);
	FF_CHECK_CODE(t, create_arrays(t, e, 2, 1, 2), FF_E_INVALID);
	FF_CHECK_CODE(t, create_arrays(t, e, 1, 2, 2), FF_E_INVALID);
	FF_CHECK_CODE(t, create_arrays(t, e, 0, 2, 2), FF_E_INVALID);
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "!not_found");
	FF_CHECK_CODE(t, create_arrays(t, e, 2, 2, 2), FF_OK);
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10:8 z=5:0"), "same");
	ff_limit limit = { "a", 1, 0 };
	ff_budget_spec both = FF_BUDGET_SPEC_INIT;
	both.budget_id = "y";
	both.limits = &limit;
	both.limits_count = 1;
	ff_limit_arrays none = { 0 };
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &both, &none, &(ff_created){ 0 }, ff_test_error(t)),
	              FF_E_INVALID);
}

/* D24, T21: usage that came first makes no ghost and is not lost. */
static void usage_before_the_policy_counts(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "x", "k", "a=7 b=1"), "ok");
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "a=7 b=1");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=4"), "hard a 7/10");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "k", "a=7 b=1"), "ok replayed");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_usage(t, e, "x"), "a=0 b=0");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=10"), "ok");
}

/* Usage may be over the limit from before: then only 0 … nothing more fits. */
static void usage_before_the_policy_may_be_over(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=max"), "ok");
	FF_CHECK_STR(t, ffp_create(t, e, "x", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=1"), "hard a 9223372036854775807/10");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "a=0"), "hard a 9223372036854775807/10");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "", "b=1"), "ok");
}

static const ff_case table[] = {
	CASE(create_once, "FF-CB-1 FF-GS-1", 0),
	CASE(create_compares_the_whole_policy, "FF-CB-1 FF-CB-4", 0),
	CASE(create_compares_the_policy_alone, "FF-CB-1", 0),
	CASE(create_with_limits_of_zero, "FF-CB-2", 0),
	CASE(create_with_soft_above_hard, "FF-CB-2", 0),
	CASE(create_schedules_the_first_reset, "FF-CB-3", 0),
	CASE(create_with_a_reset_past_the_end_of_time, "FF-CB-3 FF-CB-8", 0),
	CASE(create_takes_two_modes, "FF-CB-4", 0),
	CASE(advisory_applies_and_counts, "FF-CB-4", 0),
	CASE(stored_mode_that_is_unknown, "FF-CB-4 FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(create_round_trips_to_int64_max, "FF-CB-5", 0),
	CASE(create_from_parallel_arrays, "FF-CB-6", 0),
	CASE(usage_before_the_policy_counts, "FF-CB-7", 0),
	CASE(usage_before_the_policy_may_be_over, "FF-CB-7 FF-RU-9", 0),
};

FAMILY(ffp_cases_create, table);
