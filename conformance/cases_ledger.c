/* The ledger by execution (FF-SP): record_spend and release_budget. */
#include <string.h>

#include "cases.h"

static void spend_is_a_report_that_is_remembered(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 c=7"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=4"), "soft a 10/5");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=1 c=1"), "hard a 10/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "c=1"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10 c=8");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=2 last=a@1000000");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=6 c=7");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4 c=1");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "y"), "a=4");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0 c=1");
}

/* D2, D5, T8: an applied key answers already applied; a refused one the refusal, and is never taken for applied. */
static void spend_replays(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "adv", "a=10 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "ok", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "soft", "a=1"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "hard", "a=5"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_spend(t, e, "adv", "x", "adv", "a=11"), "hard a 0/10 applied");
	for (int i = 0; i < 2; i++) {
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "ok", "a=5"), "already replayed");
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "soft", "a=1"), "already replayed");
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "hard", "a=5"), "hard a 6/10 replayed");
		FF_CHECK_STR(t, ffp_spend(t, e, "adv", "x", "adv", "a=11"), "already replayed");
	}
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=1 last=a@1000000");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=6");
	FF_CHECK_STR(t, ffp_release(t, e, "adv", "x"), "a=11");
}

/* The payload names the operation and the execution, too. */
static void spend_with_another_payload_conflicts(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "k", "a=5"), "!key_conflict");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=6"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "!key_conflict");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "y"), "");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=5");
}

static void spend_retried_after_a_refusal(ff_test *t)
{
	ff_amount amount = { "a", 5 };
	ff_spend spend = { .execution_id = "x" };
	spend.report = (ff_report){ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" };
	ff_outcome outcome = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=8"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "hard a 8/10");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "hard a 8/10 replayed");
	spend.report.retry_refused = true;
	FF_REQUIRE_OK(t, ff_engine_record_spend(e, &spend, &outcome, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_show_outcome(t, FF_OK, &outcome), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "already replayed");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=5");
}

/* D9, T12: a release frees no key; a new spend wants a new one. */
static void release_frees_no_key(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=5");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5"), "already replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k2", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=5");
}

static void release_of_what_is_not_there(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
	FF_CHECK_STR(t, ffp_release(t, e, "ghost", "x"), "");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=3 zero=0"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "y"), "");
	FF_CHECK_STR(t, ffp_release(t, e, "b2", "x"), "");
	/* Dimensions of which nothing was taken are left out. */
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=3");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=5 zero=0");
}

/* T31: each gives back its own, in its own budget, and executions whose names run together are kept apart. */
static void release_takes_only_its_own(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "xa", "", "a=2"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "X", "", "a=4"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "bx", "a", "", "a=8"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "c", "x", "", "a=16"), "ok");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", ""), "created");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=1");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=6");
	FF_CHECK_STR(t, ffp_usage(t, e, "c"), "a=16");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "X"), "a=4");
	FF_CHECK_STR(t, ffp_release(t, e, "bx", "a"), "a=8");
}

static void release_leaves_no_ledger_rows(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "z=1 a=1 m=0"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 4);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=1 z=1");
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 1);
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage_by_exec", "b\ny\na", "delta_total"), "1");
}

static void release_of_many_dimensions(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *want = "";
	for (int report = 0; report < 3; report++) {
		const char *amounts = "";
		for (int i = 0; i < 64; i++)
			amounts = ff_test_text(t, "%s d%d-%02d=%d", amounts, report, i, i + 1);
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", amounts), "ok");
		want = ff_test_text(t, "%s%s", want, amounts);
	}
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), want + 1);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
}

/* D34, T6: 80 spent, reset, 90 spent by another: releasing the first gives back nothing of the second's. */
static void release_after_a_reset(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "A", "", "a=80"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "B", "", "a=90"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "A"), "");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=90");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "C", "", "a=90"), "hard a 90/100");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "B"), "a=90");
}

/* The same by the schedule alone, with nobody having written the new period. */
static void release_after_a_scheduled_reset(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "A", "", "a=80"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "B", "", "a=5"), "ok");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "A"), "");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, T0 + 2000);
	/* A row of the past begins anew with the present period's amounts. */
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "B", "", "a=7"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "B"), "a=7");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1");
}

/* Usage that is lower than what the ledger says (a hand in the tables) goes to 0 and not below; what was taken
 * is told. */
static void release_never_goes_below_zero(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=80 c=3"), "ok");
	ffp_row_set(t, "ff_budget_usage", "b\na", "current_value", "30");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "a=30 c=3");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0 c=0");
	/* And where there is nothing to take, it is not looked at. */
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "old", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	ffp_row_set(t, "ff_budget_usage", "b\na", "current_value", "-1");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "old"), "");
}

static void negative_ledger_is_corrupt(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=8 c=3"), "ok");
	ffp_row_set(t, "ff_budget_usage_by_exec", "b\nx\na", "delta_total", "-8");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=8 c=3");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "c=1"), "ok");
}

static void spend_wants_an_execution(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", NULL, "", "a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "", "", "a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_release(t, e, "b", NULL), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	/* D40: any name will do. */
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "{fp:7}:not-a-uuid é", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "{fp:7}:not-a-uuid é"), "a=1");
	/* The answer may be left out. */
	FF_CHECK_CODE(t, ff_engine_release_budget(e, "b", "x", NULL, ff_test_error(t)), FF_OK);
}

/* A fast clock sees a period that no row shows yet: what it releases there leaves the ledger of the present one alone. */
static void release_before_the_period_is_written(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=100"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=8"), "ok");
	ff_test_set_time(t, T0 + 100);
	ff_engine *fast = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_release(t, fast, "b", "x"), "");
	ff_test_set_time(t, T0 + 60);
	ff_engine *slow = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_release(t, slow, "b", "x"), "a=8");
	FF_CHECK_STR(t, ffp_spend(t, slow, "b", "x", "", "a=10"), "ok");
}

static const ff_case table[] = {
	CASE(spend_is_a_report_that_is_remembered, "FF-SP-1 FF-SP-2", 0),
	CASE(spend_replays, "FF-SP-1", 0),
	CASE(spend_with_another_payload_conflicts, "FF-SP-1 FF-RU-2", 0),
	CASE(spend_retried_after_a_refusal, "FF-SP-1 FF-RU-5", 0),
	CASE(release_frees_no_key, "FF-SP-2", 0),
	CASE(release_of_what_is_not_there, "FF-SP-2", 0),
	CASE(release_takes_only_its_own, "FF-SP-2", 0),
	CASE(release_leaves_no_ledger_rows, "FF-SP-2", FF_CASE_SECOND_HANDLE),
	CASE(release_of_many_dimensions, "FF-SP-2", 0),
	CASE(release_after_a_reset, "FF-SP-3", 0),
	CASE(release_after_a_scheduled_reset, "FF-SP-3 FF-RB-2", 0),
	CASE(release_never_goes_below_zero, "FF-SP-3", FF_CASE_SECOND_HANDLE),
	CASE(negative_ledger_is_corrupt, "FF-RU-8 FF-SP-2", FF_CASE_SECOND_HANDLE),
	CASE(release_before_the_period_is_written, "FF-CLK-4 FF-SP-2 FF-SP-3", FF_CASE_SECOND_HANDLE),
	CASE(spend_wants_an_execution, "FF-SP-1 FF-SP-2 FF-LIM-1", 0),
};

FAMILY(ffp_cases_ledger, table);
