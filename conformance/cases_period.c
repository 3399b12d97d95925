/* Periods, reset_budget, scheduled resets and tick (FF-RB). */
#include <string.h>

#include "cases.h"

/* ---- asked for ---------------------------------------------------------------------------------------------- */

static void reset_zeroes_usage_and_keeps_totals(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5 c=0"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6 c=9"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 6/10");
	ff_test_set_time(t, T0 + 50);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(
	    t, ffp_show_status(t, ffp_status(t, e, "b")),
	    "b @scope=: @mode=strict @hard= @soft= @reset=0 a=10:5 c=0:0 | a=0 c=0 | hard=1 soft=1 last=none | "
	    "next=-1 created=1000000 updated=1000050");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "soft a 10/5");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10 c=0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=2 last=a@1000050");
}

/* In the same millisecond too, again and again. */
static void reset_twice_in_one_millisecond(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=100"), "created");
	for (int i = 0; i < 3; i++) {
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
		FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1000100");
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
		FF_CHECK_STR(t, ffp_breaches(t, e, "b"), ff_test_text(t, "hard=%d soft=0 last=none", i + 1));
	}
}

/* D25, T21. */
static void reset_of_a_missing_budget(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "ghost", 0), "!not_found");
	FF_CHECK_STR(t, ff_test_error(t)->id, "ghost");
	FF_CHECK_STR(t, ffp_usage(t, e, "ghost"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "ghost", "a=10"), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "ghost"), "a=1");
}

/* D31: an admin's reset begins a new grid, at its own now where it brings one. */
static void reset_begins_a_new_grid(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	ff_test_set_time(t, T0 + 300);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1001300");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", T0 + 450), "1001450");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 450);
	ff_test_set_time(t, T0 + 1449);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
	ff_test_set_time(t, T0 + 1450);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, T0 + 2450);
}

/* A reset that comes late, after missed periods: the grid begins at the reset. */
static void reset_after_missed_periods(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
	ff_test_set_time(t, T0 + 5400);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1006400");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "ok");
	ff_test_set_time(t, T0 + 6399);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	ff_test_set_time(t, T0 + 6400);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
}

/* A reset touches its own budget only. */
static void reset_leaves_other_budgets(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b2", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b2", "", "a=4"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b2"), "a=4");
}

/* ---- scheduled ---------------------------------------------------------------------------------------------- */

/* D33, T14: exact to the millisecond, with no tick at all. */
static void scheduled_reset_needs_no_tick(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "soft a 10/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
	ff_test_set_time(t, T0 + 999);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=1 last=a@1000999");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")),
	             "b @scope=: @mode=strict @hard= @soft= @reset=1000 a=10:5 | a=0 | hard=2 soft=1 last=none | "
	             "next=1002000 created=1000000 updated=1001000");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")),
	             "b @scope=: @mode=strict @hard= @soft= @reset=1000 a=10:5 | a=5 | hard=2 soft=1 last=none | "
	             "next=1002000 created=1000000 updated=1001000");
}

/* A refusal as the first thing in a new period counts from 0, and is the period's own. */
static void scheduled_reset_before_a_refusal(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 z=5 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9 z=6"), "hard z 0/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	ff_test_set_time(t, T0 + 2200);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=11"), "hard a 0/10");
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")),
	             "b @scope=: @mode=strict @hard= @soft= @reset=1000 a=10:0 z=5:0 | a=0 | "
	             "hard=2 soft=0 last=a@1002200 | next=1003000 created=1000000 updated=1002200");
}

/* A late tick wipes nothing of the period that is under way. */
static void late_tick_wipes_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
	ff_test_set_time(t, T0 + 1100);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "ok");
	ff_test_set_time(t, T0 + 1900);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 500, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, T0 + 2000);
}

/* D31, T16: after several missed periods the grid still holds, at its edges too. */
static void scheduled_resets_keep_their_grid(ff_test *t)
{
	static const struct {
		int64_t at, next;
	} steps[] = { { 999, 1000 },    { 1000, 2000 },   { 4999, 5000 },   { 5000, 6000 },
		      { 17500, 18000 }, { 18000, 19000 }, { 18001, 19000 }, { 1000000999, 1000001000 } };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "reported", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "read", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "ticked", "a=10 @reset=1000"), "created");
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		ff_test_set_time(t, T0 + steps[i].at);
		FF_CHECK_STR(t, ffp_report(t, e, "reported", "", "a=0"), "ok");
		ff_tick_result did;
		FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, &did, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, ffp_status(t, e, "reported")->next_reset_at_ms, T0 + steps[i].next);
		FF_CHECK_EQ_INT(t, ffp_status(t, e, "read")->next_reset_at_ms, T0 + steps[i].next);
		FF_CHECK_EQ_INT(t, ffp_status(t, e, "ticked")->next_reset_at_ms, T0 + steps[i].next);
		int64_t last = steps[i].at < 1000 ? 0 : steps[i].next - 1000;
		FF_CHECK_EQ_INT(t, ffp_status(t, e, "read")->updated_at_ms, T0 + last);
		FF_CHECK_EQ_INT(t, ffp_status(t, e, "reported")->updated_at_ms, T0 + last);
	}
}

/* Reading alone keeps the grid without a write between. */
static void scheduled_reset_read_after_missed_periods(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=7"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	ff_test_set_time(t, T0 + 7 * 1000 + 6);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, T0 + 7 * 1001);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 7 * 1000);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "next_reset_at_ms"), "1000007");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "0");
}

/* The last reset that time has room for takes place; after it there is none. */
static void scheduled_reset_at_the_end_of_time(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ff_test_text(t, "a=10 @reset=%" PRId64, INT64_MAX - T0 - 5)), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	ff_test_set_time(t, INT64_MAX - 5);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, FF_TIME_NONE);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, FF_TIME_NONE);
}

/* ---- tick --------------------------------------------------------------------------------------------------- */

static void tick_makes_due_resets_visible(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=11"), "hard a 0/10");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 999, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "0");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 3000, 0), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "next_reset_at_ms"), "1004000");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "last_breach_at_ms"), NULL);
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "last_breach_dim"), NULL);
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "breach_count"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "updated_at_ms"), "1003000");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 3000, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "period"), "1");
}

/* In order of their instants, so many at a time. */
static void tick_is_bounded_and_in_order(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "a3", "@reset=300"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b1", "@reset=100"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c2", "@reset=200"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "d4", "@reset=400"), "created");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 350, 1), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b1", "period"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "c2", "period"), "0");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 350, 1), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "c2", "period"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "a3", "period"), "0");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 350, 5), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "a3", "period"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "d4", "period"), "0");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 350, 5), "resets=0 failed=0 keys=0 admissions=0");
}

/* More than one slice, each budget once (D32: a ceiling of 20 a tick would take hours). */
static void tick_takes_any_number(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 7;
	ff_engine *e = ff_test_open(t, &options);
	for (int i = 0; i < 50; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%02d", i), "a=1 @reset=100"), "created");
	ff_test_set_time(t, T0 + 100);
	FF_CHECK_STR(t, ffp_report(t, e, "b07", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=49 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b07"), "a=1");
}

/* D29, T15: whatever moved the budget first, tick looks again. */
static void tick_looks_again_before_it_resets(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_tick(t, other, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1002000");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "ok");
	FF_CHECK_STR(t, ffp_tick(t, other, T0 + 1999, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
}

/* One that cannot be moved holds up no other, and is not counted twice. */
static void tick_goes_on_after_one_that_fails(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "a-bad", "@reset=100"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b-good", "@reset=200"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c-good", "@reset=300"), "created");
	ffp_row_set(t, "ff_budget_policy", "a-bad", "policy_json", "x");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 1000, 0), "resets=2 failed=1 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "a-bad", "period"), "0");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 1000, 0), "resets=0 failed=1 keys=0 admissions=0");
	ffp_row_set(t, "ff_budget_policy", "a-bad", "policy_json", "{\"reset_interval_ms\":100}");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 1000, 0), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "a-bad", "next_reset_at_ms"), "1001100");
	ffp_row_set(t, "ff_budget_policy", "a-bad", "next_reset_at_ms", "-1");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + 1000, 0), "resets=0 failed=1 keys=0 admissions=0");
}

/* A bounded tick is not stopped for ever by bad ones at the head. */
static void tick_bounded_passes_over_bad_ones(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < 5; i++) {
		const char *id = ff_test_text(t, "bad%d", i);
		FF_CHECK_STR(t, ffp_create(t, e, id, "@reset=100"), "created");
		ffp_row_set(t, "ff_budget_policy", id, "policy_json", "x");
	}
	FF_CHECK_STR(t, ffp_create(t, e, "good", "@reset=200"), "created");
	ff_tick_result did = { 0 };
	uint64_t resets = 0;
	for (int i = 0; i < 10; i++) {
		FF_REQUIRE_OK(t, ff_engine_tick(e, T0 + 1000, 2, &did, ff_test_error(t)));
		resets += did.resets;
	}
	FF_CHECK_EQ_INT(t, resets, 1);
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "good", "period"), "1");
}

/* T36: no schedule is not "reset me". */
static void tick_leaves_budgets_without_a_schedule(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	ff_test_set_time(t, INT64_MAX - 1);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_tick(t, e, INT64_MAX, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0);
}

/* The work of a report is its own budget's, however many others fell due at the same instant. */
static void report_does_not_reset_others(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < 20; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "b%02d", i), "a=1 @reset=100"), "created");
	ff_test_set_time(t, T0 + 100);
	FF_CHECK_STR(t, ffp_report(t, e, "b11", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b11", "period"), "1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b10", "period"), "0");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b12", "period"), "0");
}

/* ---- the background thread ----------------------------------------------------------------------------------- */

static void background_tick_starts_and_stops(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
	for (int i = 0; i < 20; i++) {
		FF_CHECK_CODE(t, ff_engine_tick_every(e, 1000, ff_test_error(t)), FF_OK);
		FF_CHECK_CODE(t, ff_engine_tick_every(e, 1, ff_test_error(t)), FF_OK);
		FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
		FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
	}
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400001, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	/* Closing stops it. */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)), FF_OK);
	ff_test_undo(t, e);
}

/* It does move a budget: waited for by reading, not by sleeping; a run that waits for ever is stopped by its runner. */
static void background_tick_ticks(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1 @reset=100"), "created");
	ff_test_set_time(t, T0 + 100);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 1, ff_test_error(t)), FF_OK);
	bool moved = false;
	for (int i = 0; i < 20000 && !moved; i++)
		moved = !strcmp(ffp_row_get(t, "ff_budget_policy", "b", "period"), "1");
	FF_CHECK(t, moved);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
}

/* However far a tick was ahead, and however short the interval: no valid time makes a budget corrupt. */
static void periods_of_any_length(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=9 @reset=1 @now=1000"), "created");
	FF_CHECK_STR(t, ffp_tick(t, e, INT64_MAX - 1, 0), "resets=1 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 1000), "1001");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9");
}

/* A policy that lost its interval by hand is due once more, and never again. */
static void schedule_without_an_interval(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=9 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "ok");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "{\"hard_limits\":{\"a\":9}}");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 4/9");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, FF_TIME_NONE);
}

static const ff_case table[] = {
	CASE(reset_zeroes_usage_and_keeps_totals, "FF-RB-1 FF-GS-1", 0),
	CASE(reset_twice_in_one_millisecond, "FF-RB-1", 0),
	CASE(reset_of_a_missing_budget, "FF-RB-1", 0),
	CASE(reset_begins_a_new_grid, "FF-RB-1 FF-RB-3", 0),
	CASE(reset_after_missed_periods, "FF-RB-1 FF-RB-3", 0),
	CASE(reset_leaves_other_budgets, "FF-RB-1", 0),
	CASE(scheduled_reset_needs_no_tick, "FF-RB-2 FF-GS-1", 0),
	CASE(scheduled_reset_before_a_refusal, "FF-RB-2 FF-RU-10", 0),
	CASE(late_tick_wipes_nothing, "FF-RB-2 FF-RB-4", 0),
	CASE(scheduled_resets_keep_their_grid, "FF-RB-3 FF-GS-1", 0),
	CASE(scheduled_reset_read_after_missed_periods, "FF-RB-3 FF-RB-2", FF_CASE_SECOND_HANDLE),
	CASE(scheduled_reset_at_the_end_of_time, "FF-RB-7", 0),
	CASE(tick_makes_due_resets_visible, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_is_bounded_and_in_order, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(periods_of_any_length, "FF-RB-1 FF-RB-3", 0),
	CASE(schedule_without_an_interval, "FF-RB-7 FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(tick_takes_any_number, "FF-RB-4", 0),
	CASE(tick_looks_again_before_it_resets, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_goes_on_after_one_that_fails, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_bounded_passes_over_bad_ones, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_leaves_budgets_without_a_schedule, "FF-RB-5", 0),
	CASE(report_does_not_reset_others, "FF-RB-4", FF_CASE_SECOND_HANDLE),
	CASE(background_tick_starts_and_stops, "FF-RB-6", 0),
	CASE(background_tick_ticks, "FF-RB-6", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_period, table);
