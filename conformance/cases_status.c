/* get_budget_status and the lists (FF-GS-1, 2). */
#include <string.h>

#include "cases.h"

static void status_of_a_missing_budget(ff_test *t)
{
	const ff_budget_status *status = NULL;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "", "a=1"), "ok");
	FF_CHECK_CODE(t, ff_engine_get_budget_status(e, "ghost", &status, ff_test_error(t)), FF_E_NOT_FOUND);
	FF_CHECK(t, status == NULL);
}

static void status_tells_everything(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=100:80 idle=5 @reset=5000 @scope=team:a:b @hard=page @soft=mail"),
	             "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=81 zero=0"), "soft tokens 81/80");
	ff_test_set_time(t, T0 + 20);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=20"), "hard tokens 81/100");
	const char *want = "b @scope=team:a:b @mode=strict @hard=page @soft=mail @reset=5000 idle=5:0 tokens=100:80 | "
			   "tokens=81 zero=0 | hard=1 soft=1 last=tokens@1000020 | "
			   "next=1005000 created=1000000 updated=1000020";
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")), want);
	/* A result outlives its engine. */
	const ff_budget_status *status = ffp_status(t, e, "b");
	ff_test_undo(t, e);
	FF_CHECK_STR(t, ffp_show_status(t, status), want);
}

/* Only dimensions that an applied report has named, with 0 after a reset or a release. */
static void status_lists_what_was_used(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "limited=10 used=10"), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "refused=1 limited=11"), "hard limited 0/10");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "used=3 other=4"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "nought=0"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "nought=0 other=4 used=3");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "other=4 used=3");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "nought=0 other=0 used=0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "used=1"), "ok");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "nought=0 other=0 used=0");
}

static void status_tells_when_it_changed(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5 @reset=1000"), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0);
	ff_test_set_time(t, T0 + 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0);
	ff_test_set_time(t, T0 + 2);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "soft a 6/5");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 2);
	ff_test_set_time(t, T0 + 3);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=5"), "hard a 6/10");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 3);
	ff_test_set_time(t, T0 + 4);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok replayed");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "differs");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 3);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1001004");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 4);
	ff_test_set_time(t, T0 + 1500);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 1004);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, T0 + 1004);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->created_at_ms, T0);
}

/* ---- lists -------------------------------------------------------------------------------------------------- */

static const char *page_of_budgets(ff_test *t, ff_engine *e, const char *after, uint32_t limit)
{
	const ff_budget_page *page = NULL;
	ff_code code = ff_engine_list_budgets(e, after, limit, &page, ff_test_error(t));
	if (code)
		return ff_test_text(t, "!%s", ff_code_name(code));
	ff_test_keep(t, page);
	const char *text = "";
	for (size_t i = 0; i < page->budgets_count; i++)
		text = ff_test_text(t, "%s%s ", text, page->budgets[i].budget_id);
	return ff_test_text(t, "%s%s", text, page->more ? "…" : ".");
}

static void budgets_page_by_page(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 10), ".");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "aa", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "B", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "a", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "é", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "", "a=1"), "ok");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 1000), "B a aa b é .");
	FF_CHECK_STR(t, page_of_budgets(t, e, "", 5), "B a aa b é .");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 4), "B a aa b …");
	FF_CHECK_STR(t, page_of_budgets(t, e, "b", 4), "é .");
	FF_CHECK_STR(t, page_of_budgets(t, e, "é", 4), ".");
	FF_CHECK_STR(t, page_of_budgets(t, e, "a", 1), "aa …");
	/* A cursor need not be a budget that is still there. */
	FF_CHECK_STR(t, page_of_budgets(t, e, "ab", 9), "b é .");
	FF_CHECK_STR(t, page_of_budgets(t, e, "Z", 2), "a aa …");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 0), "!invalid");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 1001), "!invalid");
	FF_CHECK_STR(t, page_of_budgets(t, e, ffp_name_of_size(t, 'a', 129), 1), "!invalid");
}

static const char *id_of(ff_test *t, unsigned i)
{
	return ff_test_text(t, "%c", 'a' + (int)i);
}

/* A page tells of each budget what its status tells. */
static void list_tells_what_status_tells(ff_test *t)
{
	enum { BUDGETS = 20 };
	const char *told[BUDGETS];
	const ff_budget_page *page = NULL;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "a", "n=10:5 @reset=100 @scope=team:1 @hard=h @soft=s"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "@mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "m=1 z=1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "a", "", "n=6 x=1"), "soft n 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "c", "", "m=1 z=2"), "hard z 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "c", "", "m=1"), "ok");
	for (unsigned i = 3; i < BUDGETS; i++)
		FF_CHECK_STR(t, ffp_create(t, e, id_of(t, i), ff_test_text(t, "n=%u", i)), "created");
	ff_test_set_time(t, T0 + 150);
	for (unsigned i = BUDGETS; i-- > 0;) /* more policies than a reader keeps: those that the list comes to first */
		told[i] = ffp_show_status(t, ffp_status(t, e, id_of(t, i)));
	FF_REQUIRE_OK(t, ff_engine_list_budgets(e, NULL, BUDGETS, &page, ff_test_error(t)));
	ff_test_keep(t, page);
	FF_REQUIRE(t, page->budgets_count == BUDGETS && !page->more);
	for (unsigned i = 0; i < BUDGETS; i++)
		FF_CHECK_STR(t, ffp_show_status(t, &page->budgets[i]), told[i]);
	FF_CHECK_EQ_INT(t, page->budgets[0].next_reset_at_ms, T0 + 200);
}

/* A corrupt budget fails its page, by name, and no other. */
static void list_with_a_corrupt_budget(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "a", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", ""), "created");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "[");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 3), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->id, "b");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 1), "a …");
	FF_CHECK_STR(t, page_of_budgets(t, e, "b", 3), "c .");
	FF_CHECK_STR(t, ffp_report(t, e, "a", "", "n=1"), "ok");
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "");
	ffp_row_set(t, "ff_budget_usage", "a\nn", "current_value", "-1");
	FF_CHECK_STR(t, page_of_budgets(t, e, NULL, 3), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->id, "a");
}

static const char *page_of_quotas(ff_test *t, ff_engine *e, const char *after, uint32_t limit)
{
	const ff_quota_page *page = NULL;
	ff_code code = ff_engine_list_quotas(e, after, limit, &page, ff_test_error(t));
	if (code)
		return ff_test_text(t, "!%s", ff_code_name(code));
	ff_test_keep(t, page);
	const char *text = "";
	for (size_t i = 0; i < page->quotas_count; i++)
		text = ff_test_text(t, "%s%s:%" PRIu64 " ", text, page->quotas[i].quota_policy_id,
		                    page->quotas[i].in_window);
	return ff_test_text(t, "%s%s", text, page->more ? "…" : ".");
}

static void quotas_page_by_page(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, page_of_quotas(t, e, NULL, 10), ".");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "b", "window=1 max=5"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "aa", "window=1 max=5"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "B", ""), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "a", ""), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "aa", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "aa", "y", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "b", "y", ""), "admitted");
	FF_CHECK_STR(t, page_of_quotas(t, e, NULL, 4), "B:0 a:0 aa:2 b:1 .");
	FF_CHECK_STR(t, page_of_quotas(t, e, "", 3), "B:0 a:0 aa:2 …");
	FF_CHECK_STR(t, page_of_quotas(t, e, "a", 3), "aa:2 b:1 .");
	FF_CHECK_STR(t, page_of_quotas(t, e, "b", 3), ".");
	FF_CHECK_STR(t, page_of_quotas(t, e, NULL, 0), "!invalid");
	FF_CHECK_STR(t, page_of_quotas(t, e, NULL, 1001), "!invalid");
}

static void list_with_a_corrupt_quota(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "a", ""), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "b", ""), "created");
	ffp_row_set(t, "ff_quota_policy", "a", "next_entry", "-1");
	FF_CHECK_STR(t, page_of_quotas(t, e, NULL, 2), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->id, "a");
	FF_CHECK_STR(t, page_of_quotas(t, e, "a", 2), "b:0 .");
}

static const ff_case table[] = {
	CASE(status_of_a_missing_budget, "FF-GS-1", 0),
	CASE(status_tells_everything, "FF-GS-1", 0),
	CASE(status_lists_what_was_used, "FF-GS-1", 0),
	CASE(status_tells_when_it_changed, "FF-GS-1", 0),
	CASE(budgets_page_by_page, "FF-GS-2", 0),
	CASE(list_tells_what_status_tells, "FF-GS-2", 0),
	CASE(list_with_a_corrupt_budget, "FF-GS-2 FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(quotas_page_by_page, "FF-GS-2", 0),
	CASE(list_with_a_corrupt_quota, "FF-GS-2", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_status, table);
