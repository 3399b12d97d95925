/* Keeping house (FF-MT): purging, export and import, check. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* ---- purging ------------------------------------------------------------------------------------------------ */

static ff_tick_result tick(ff_test *t, ff_engine *e, uint64_t limit)
{
	ff_tick_result did = { 0 };
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, limit, &did, ff_test_error(t)));
	return did;
}

/* D7: what is over is purged, to the millisecond, and nothing else. */
static void tick_purges_expired_keys(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = 1000;
	options.purge_rows_max = 4;
	ff_engine *e = ff_test_open(t, &options);
	for (int i = 0; i < 20; i++) {
		ff_test_set_time(t, T0 + i * 10);
		FF_CHECK_STR(t, ffp_report(t, e, ff_test_text(t, "b%d", i % 3), ff_test_text(t, "k%02d", i), "a=1"),
		             "ok");
	}
	ff_test_set_time(t, T0 + 999);
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_keys, 0);
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_keys, 1);
	ff_test_set_time(t, T0 + 1100);
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_keys, 10);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_dedup"), 9);
	FF_CHECK_STR(t, ffp_report(t, e, "b2", "k11", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b0", "k09", "a=2"), "ok");
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_keys, 0);
}

/* An unbounded tick leaves none that is over, wherever the walk of a bounded one stood. */
static void tick_unbounded_leaves_none_that_is_over(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = 1000;
	options.purge_rows_max = 5;
	ff_engine *e = ff_test_open(t, &options);
	for (int i = 0; i < 60; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "k%02d", i), "a=1"), "ok");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK(t, tick(t, e, 7).purged_keys <= 7);
	/* Keys that sort before and after where the walk stands. */
	FF_CHECK_STR(t, ffp_report(t, e, "b", "a-new", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "z-new", "a=1"), "ok");
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_dedup"), 2);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "a-new", "a=1"), "ok replayed");
	ff_test_set_time(t, T0 + 2000);
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_dedup"), 0);
}

/* A bounded tick purges at most so many, and in the end all. */
static void tick_bounded_comes_to_an_end(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = 1000;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=100"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "s", "a=100 @reset=1000"), "created");
	for (int i = 0; i < 25; i++) {
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "k%02d", i), "a=1"), "ok");
		FF_CHECK_STR(t, ffp_spend(t, e, "s", ff_test_text(t, "x%d", i / 10), "", ff_test_text(t, "a%02d=1", i)),
		             "ok");
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "x%02d", i), "lease=10"), "admitted");
	}
	ff_test_set_time(t, T0 + 1000);
	for (int i = 0; i < 200; i++) {
		ff_tick_result did = tick(t, e, 4);
		FF_REQUIRE(t, did.resets + did.purged_keys + did.purged_admissions + did.purged_ledger_rows <= 4);
	}
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_dedup"), 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_window"), 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_admitted"), 0);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=0 next=now");
}

/* What executions spent goes with its period, once their budget's row shows the next one, and nothing else does. */
static void tick_purges_the_ledger_of_past_periods(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 4;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "manual", "a=100"), "created");
	for (int i = 0; i < 10; i++)
		FF_CHECK_STR(t, ffp_spend(t, e, "b", ff_test_text(t, "x%d", i), "", "a=1 c=2"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "manual", "x", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "no policy", "x", "", "a=4"), "ok");
	ff_test_set_time(t, T0 + 999);
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_ledger_rows, 0);
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x5", "", "c=7"), "ok");
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_ledger_rows, 19);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 3);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x4"), "");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x5"), "c=7");
	FF_CHECK_STR(t, ffp_release(t, e, "no policy", "x"), "a=4");
	/* A reset that somebody asks for ends a period, too. */
	FF_CHECK_STR(t, ffp_reset(t, e, "manual", 0), "none");
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_ledger_rows, 1);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 0);
}

/* A row that cannot be trusted is left for check. */
static void tick_leaves_a_ledger_row_that_is_corrupt(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 c=2 d=3"), "ok");
	ffp_row_set(t, "ff_budget_usage_by_exec", "b\nx\na", "delta_total", "-8");
	ffp_row_set(t, "ff_budget_usage_by_exec", "b\nx\nc", "period", "-1");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_EQ_INT(t, tick(t, e, 0).purged_ledger_rows, 1);
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage_by_exec", "b\nx\na", "delta_total"), "-8");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage_by_exec", "b\nx\nc", "delta_total"), "2");
}

/* D54: entries and leases that are over go; what is alive stays. */
static void tick_purges_entries_and_leases(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=9 slots=5"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "held", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "leased", "lease=100"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "long", "lease=5000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "released", ""), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "released", 0), "held");
	ff_test_set_time(t, T0 + 999);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "late", ""), "admitted");
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_window"), 5);
	ff_test_set_time(t, T0 + 1000);
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_window"), 1);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_admitted"), 3);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=1 active=3 next=now");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_quota_policy", "q", "active_concurrency"), "3");
	ff_test_set_time(t, T0 + 5000);
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_window"), 0);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=2 next=now");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "held", 0), "held");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "late", 0), "held");
	tick(t, e, 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_quota_admitted"), 0);
}

/* A tick whose own time lies behind the engine's purges by its own. */
static void tick_purges_by_its_own_time(ff_test *t)
{
	ff_tick_result did = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ff_test_set_time(t, T0 + 2 * DAY_MS);
	FF_REQUIRE_OK(t, ff_engine_tick(e, T0 + DAY_MS - 1, 0, &did, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, did.purged_keys, 0);
	FF_REQUIRE_OK(t, ff_engine_tick(e, T0 + DAY_MS, 0, &did, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, did.purged_keys, 1);
}

/* ---- export and import -------------------------------------------------------------------------------------- */

/* A state with something of everything, some of it over at T0 + 2500. */
static void fill(ff_test *t, ff_engine *e)
{
	FF_CHECK_STR(t, ffp_create(t, e, "plain", "a=10:5"), "created");
	FF_CHECK_STR(t,
	             ffp_create(t, e, "é \"'%\\",
	                        "a=max:9007199254740993 Z=0:1 @reset=1000 @scope=team:\xc3\xa9 @hard=h "
	                        "@soft=s @mode=advisory"),
	             "created");
	FF_CHECK_STR(t, ffp_create(t, e, "idle", "a=1 @reset=700"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "plain", "soft", "a=6"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "plain", "hard", "a=6"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_spend(t, e, "plain", "run", "spend", "a=1 big=9007199254740993"), "soft a 7/5");
	FF_CHECK_STR(t, ffp_report(t, e, "é \"'%\\", "", "a=3 zero=0"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "no policy", "k\"k", "a=max"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "idle", "past", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=3 slots=5"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q0", ""), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "brief", "window=1 max=9"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "leased", "lease=2000"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "held", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "none", "own", "window=10 max=9"), "admitted");
	ff_test_set_time(t, T0 + 2500);
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "late", "lease=9000"), "admitted");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "held", 0), "held");
	FF_CHECK_STR(t, ffp_report(t, e, "é \"'%\\", "x", "a=4"), "ok");
}

static ff_engine *open_beside(ff_test *t)
{
	return ff_test_open_uri(t, ff_test_missing_uri(t), NULL);
}

/* What was exported and read in again answers as the first does. */
static void export_and_import(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *lines = ffp_export(t, e, 0);
	FF_CHECK(t, *lines == '{' && strchr(lines, '\n') != NULL);
	FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
	ff_engine *copy = open_beside(t);
	FF_REQUIRE(t, FF_CHECK_STR(t, ffp_import(t, copy, lines), ff_test_text(t, "%zu", ffp_lines_in(lines))));
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
	static const char *const budgets[] = { "plain", "é \"'%\\", "idle" };
	for (int i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, copy, budgets[i])),
		             ffp_show_status(t, ffp_status(t, e, budgets[i])));
	FF_CHECK_STR(t, ffp_quota(t, copy, "q"), ffp_quota(t, e, "q"));
	FF_CHECK_STR(t, ffp_quota(t, copy, "q0"), ffp_quota(t, e, "q0"));
	FF_CHECK_STR(t, ffp_quota(t, copy, "none"), "!not_found");
	ff_engine *both[] = { e, copy };
	for (int i = 0; i < 2; i++) {
		FF_CHECK_STR(t, ffp_create(t, both[i], "plain", "a=10:5"), "same");
		FF_CHECK_STR(t, ffp_report(t, both[i], "plain", "soft", "a=6"), "soft a 6/5 replayed");
		FF_CHECK_STR(t, ffp_report(t, both[i], "plain", "hard", "a=6"), "hard a 6/10 replayed");
		FF_CHECK_STR(t, ffp_report(t, both[i], "plain", "hard", "a=7"), "!key_conflict");
		FF_CHECK_STR(t, ffp_spend(t, both[i], "plain", "run", "spend", "a=1 big=9007199254740993"),
		             "already replayed");
		FF_CHECK_STR(t, ffp_report(t, both[i], "no policy", "", "a=1"), "!overflow");
		FF_CHECK_STR(t, ffp_release(t, both[i], "plain", "run"), "a=1 big=9007199254740993");
		FF_CHECK_STR(t, ffp_release(t, both[i], "idle", "past"), "");
		FF_CHECK_STR(t, ffp_admit(t, both[i], "q", "late", ""), "already_admitted");
		FF_CHECK_STR(t, ffp_admit(t, both[i], "q", "held", ""), "rate_exceeded 7500");
		FF_CHECK_STR(t, ffp_admit(t, both[i], "none", "own", "window=10 max=9"), "already_admitted");
		FF_CHECK_STR(t, ffp_create_quota(t, both[i], "none", "window=5 max=1"), "created");
		FF_CHECK_STR(t, ffp_quota(t, both[i], "none"), "in_window=1 active=1 next=1010000");
	}
	FF_CHECK_STR(t, ffp_export(t, copy, 0), ffp_export(t, e, 0));
}

/* The logical state: what is over or past is left out, purged or not, written or not. */
static void export_does_not_mind_a_tick(ff_test *t)
{
	static const int64_t times[] = { 2500, 2600, 2999, 3000, 9999, 10000, 11500, DAY_MS, DAY_MS + 2500 };
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		ff_test_set_time(t, T0 + times[i]);
		const char *before = ffp_export(t, e, 0);
		tick(t, e, 0);
		if (!FF_CHECK_STR(t, ffp_export(t, e, 0), before))
			ff_test_note(t, "at %" PRId64, times[i]);
	}
	FF_CHECK(t, !strstr(ffp_export(t, e, 0), "\"hard\",") && !strstr(ffp_export(t, e, 0), "spend"));
}

/* At a time of its own the state of that time. */
static void export_at_its_own_time(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "ok");
	const char *now = ffp_export(t, e, 0);
	FF_CHECK_STR(t, ffp_export(t, e, T0), now);
	const char *later = ffp_export(t, e, T0 + 1000);
	FF_CHECK(t, strcmp(later, now) != 0);
	FF_CHECK_STR(t, ffp_export(t, e, -1), "!invalid");
	ff_test_set_time(t, T0 + 1000);
	FF_CHECK_STR(t, ffp_export(t, e, 0), later);
}

/* Two stores after the same calls, one of them ticked at every turn: the same bytes. */
static void export_is_the_same_after_the_same_calls(ff_test *t)
{
	const char *exports[2];
	for (int i = 0; i < 2; i++) {
		ff_engine *e = i ? open_beside(t) : ff_test_open(t, NULL);
		ff_test_set_time(t, T0);
		fill(t, e);
		if (i)
			tick(t, e, 0);
		ff_test_set_time(t, T0 + 10000);
		if (i)
			tick(t, e, 2);
		FF_CHECK_STR(t, ffp_report(t, e, "é \"'%\\", "y", "a=4"), "ok");
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "more", ""), "admitted");
		exports[i] = ffp_export(t, e, 0);
		ff_test_undo(t, e);
	}
	FF_CHECK_STR(t, exports[1], exports[0]);
}

/* Canonical: one object a line, no spaces outside texts, exact integers. */
static void export_writes_exact_numbers(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=9007199254740992 o=9007199254740993 m=max"), "ok");
	const char *lines = ffp_export(t, e, 0);
	FF_CHECK(t, strstr(lines, "\"9007199254740993\"") && strstr(lines, "\"9223372036854775807\""));
	FF_CHECK(t, strstr(lines, ":9007199254740992") && !strstr(lines, "\"9007199254740992\""));
	FF_CHECK(t, !strstr(lines, ": ") && !strstr(lines, ", ") && !strstr(lines, "\r"));
	FF_CHECK(t, !strstr(lines, ":9007199254740993") && !strstr(lines, "e+"));
}

static void import_wants_an_empty_store(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	const char *lines = ffp_export(t, e, 0);
	FF_CHECK_STR(t, ffp_import(t, e, lines), "!invalid");
	FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
}

/* One row of any kind makes a store not empty. */
static void import_looks_for_any_row(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	FF_CHECK_STR(t, ffp_report(t, copy, "other", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_import(t, copy, lines), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, copy, "b"), "!not_found");
}

static void import_of_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	FF_CHECK(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
}

/* Bad lines are refused by number; after a failure the same import, mended, can be run again. */
static void import_can_be_run_again(ff_test *t)
{
	static const char *const bad[] = { "x\n", "{}\n", "[]\n", "{\"table\":\"nosuch\"}\n", "{\"a\":1}{\n" };
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *lines = ffp_export(t, e, 0);
	const char *rows = ffp_rows_of(t, lines);
	ff_engine *copy = open_beside(t);
	size_t number = ffp_lines_in(rows) + 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		const char *with = ffp_export_of(t, ff_test_text(t, "%s%s", rows, bad[i]));
		FF_CHECK_STR(t, ffp_import(t, copy, with), "!invalid");
		if (!FF_CHECK(t, strstr(ff_test_error(t)->message, ff_test_text(t, "line %zu ", number)) != NULL))
			ff_test_note(t, "line %zu: %s", number, ff_test_error(t)->message);
	}
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
}

/* A line twice, or cut in the middle, is no state; nor is one that lacks a column, which is named. */
static void import_refuses_what_was_tampered_with(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *lines = ffp_export(t, e, 0);
	const char *rows = ffp_rows_of(t, lines);
	const char *cut = ff_test_text(t, "%.*s\n", (int)strlen(rows) - 3, rows);
	ff_engine *copy = open_beside(t);
	FF_CHECK_STR(t, ffp_import(t, copy, ffp_export_of(t, ff_test_text(t, "%s%s", rows, rows))), "!invalid");
	FF_CHECK_STR(t, ffp_import(t, copy, ffp_export_of(t, cut)), "!invalid");
	FF_CHECK_STR(t, ffp_import(t, copy, "{\"table\":\"ff_budget_usage\"}\n"), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "'budget_id'") != NULL);
	/* Where work stands is none of an export's. */
	static const char *const stands = "{\"last_number\":0,\"last_text_1\":\"\",\"last_text_2\":\"\","
					  "\"table\":\"ff_sweep\",\"work\":\"x\"}\n";
	FF_CHECK_STR(t, ffp_import(t, copy, ffp_export_of(t, stands)), "!invalid");
	static const char *const null =
	    "{\"budget_id\":\"b\",\"current_value\":null,\"dimensions_key\":\"a\",\"period\":0,"
	    "\"table\":\"ff_budget_usage\",\"updated_at_ms\":5}\n";
	FF_CHECK_STR(t, ffp_import(t, copy, ffp_export_of(t, null)), "!invalid");
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
}

/* However many lines are missing: fewer rows would be a smaller store, which spends again what it no longer knows of. */
static void import_refuses_what_was_cut_off(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *lines = ffp_export(t, e, 0);
	const char *rows = ffp_rows_of(t, lines);
	ff_engine *copy = open_beside(t);
	for (const char *at = strchr(lines, '\n'); at[1]; at = strchr(at + 1, '\n')) {
		FF_CHECK_STR(t, ffp_import(t, copy, ff_test_text(t, "%.*s", (int)(at + 1 - lines), lines)), "!invalid");
		FF_CHECK(t, strstr(ff_test_error(t)->message, "cut off") != NULL);
		FF_CHECK_STR(t, ffp_report(t, copy, "b", "", "a=1"), "!misuse"); /* it is to be run again */
	}
	const char *const wrong[] = { "{\"lines\":0,\"table\":\"end\"}\n", "{\"lines\":-1,\"table\":\"end\"}\n",
		                      "{\"lines\":\"x\",\"table\":\"end\"}\n", "{\"lines\":null,\"table\":\"end\"}\n",
		                      ff_test_text(t, "{\"lines\":%zu,\"table\":\"end\"}\n", strlen(rows)) };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		FF_CHECK_STR(t, ffp_import(t, copy, ff_test_text(t, "%s%s", rows, wrong[i])), "!invalid");
		FF_CHECK(t, strstr(ff_test_error(t)->message, "another number") != NULL);
	}
	FF_CHECK_STR(t, ffp_import(t, copy, "{\"lines\":0,\"more\":1,\"table\":\"end\"}\n"), "!invalid");
	FF_CHECK_STR(t, ffp_import(t, copy, ff_test_text(t, "%s{\"lines\":0,\"table\":\"end\"}\n", lines)), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "behind the end") != NULL);
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
}

/* More rows than any page that a backend reads at once. */
static void export_and_import_of_many(ff_test *t)
{
	enum { MANY = 2500 };
	ff_report *reports = ff_test_alloc(t, MANY * sizeof(*reports));
	ff_amount *amounts = ff_test_alloc(t, MANY * sizeof(*amounts));
	ff_report_result *results = ff_test_alloc(t, MANY * sizeof(*results));
	ff_engine *e = ff_test_open(t, NULL);
	for (unsigned i = 0; i < MANY; i++) {
		amounts[i] = (ff_amount){ ff_test_text(t, "d%u", i % 7), i };
		reports[i] = (ff_report){ .budget_id = ff_test_text(t, "b%u", i % 900),
			                  .amounts = &amounts[i],
			                  .amounts_count = 1,
			                  .idempotency_key = ff_test_text(t, "k%u", i * 7919u) };
	}
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, MANY, results, NULL, ff_test_error(t)));
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK(t, !strcmp(ffp_export(t, copy, 0), lines));
	FF_CHECK_STR(t, ffp_report(t, copy, "b0", "k0", "d0=0"), "ok replayed");
}

static ff_code stop_at_second(void *context, const char *line, size_t size, ff_error *error)
{
	unsigned *calls = context;
	if (strlen(line) != size || ++*calls == 2)
		return ff_error_set(error, FF_E_FULL, "no room for '%s'", "the second line");
	return FF_OK;
}

static ff_code fail_to_read(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	*line = NULL;
	*size = 0;
	return ff_error_set(error, FF_E_IO, "the lines cannot be read");
}

static void export_stops_where_its_reader_does(ff_test *t)
{
	unsigned calls = 0;
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	FF_CHECK_CODE(t, ff_engine_export(e, 0, stop_at_second, &calls, ff_test_error(t)), FF_E_FULL);
	FF_CHECK_EQ_INT(t, calls, 2);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "the second line") != NULL);
	ff_engine *copy = open_beside(t);
	FF_CHECK_CODE(t, ff_engine_import(copy, fail_to_read, NULL, NULL, ff_test_error(t)), FF_E_IO);
	FF_REQUIRE(t, *ffp_import(t, copy, ffp_export(t, e, 0)) != '!');
}

/* ---- check -------------------------------------------------------------------------------------------------- */

static void keep_problem(void *context, const char *problem)
{
	char(*problems)[512] = context;
	size_t used = strlen(*problems);
	size_t length = strlen(problem);
	if (used + length + 2 < sizeof(*problems)) {
		memcpy(*problems + used, problem, length);
		memcpy(*problems + used + length, "\n", 2);
	}
}

static const char *problems_of(ff_test *t, ff_engine *e)
{
	char(*problems)[512] = ff_test_alloc(t, sizeof(*problems));
	FF_REQUIRE_OK(t, ff_engine_check(e, keep_problem, problems, ff_test_error(t)));
	return *problems;
}

static void check_finds_nothing_in_a_sound_store(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, problems_of(t, e), "");
	fill(t, e);
	FF_CHECK_STR(t, problems_of(t, e), "");
	ff_test_set_time(t, T0 + 2 * DAY_MS);
	FF_CHECK_STR(t, problems_of(t, e), "");
	for (uint32_t limit = 4; limit-- > 0;) { /* some that are not done, and the rest */
		tick(t, e, limit);
		FF_CHECK_STR(t, problems_of(t, e), "");
	}
}

/* Each fault by itself, told in one line that names what it is about; mended, it is gone. */
static void check_finds_what_cannot_be(ff_test *t)
{
	static const struct {
		const char *table, *key, *column, *value, *named;
	} faults[] = {
		{ "ff_budget_policy", "plain", "policy_json", "{\"hard_limits\":{\"a\":-1}}", "plain" },
		{ "ff_budget_policy", "plain", "enforcement_mode", "warn", "plain" },
		{ "ff_budget_policy", "plain", "breach_count", "-1", "plain" },
		{ "ff_budget_policy", "plain", "soft_breach_count", "-1", "plain" },
		{ "ff_budget_policy", "plain", "period", "-1", "plain" },
		{ "ff_budget_usage", "plain\na", "current_value", "-1", "plain" },
		{ "ff_budget_usage", "plain\na", "period", "1", "plain" },
		{ "ff_budget_usage_dedup", "soft\nplain", "outcome_json", "{\"kind\":\"Maybe\"}", "plain" },
		{ "ff_budget_usage_by_exec", "plain\nrun\na", "delta_total", "-1", "plain" },
		{ "ff_budget_usage_by_exec", "plain\nrun\na", "period", "7", "plain" },
		{ "ff_quota_policy", "q", "active_concurrency", "-1", "q" },
		{ "ff_quota_policy", "q", "max_requests_per_window", "-1", "q" },
		{ "ff_quota_policy", "q", "requests_per_window_seconds", "0", "q" }, /* with a limit of requests */
	};
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const char *sound = ffp_row_get(t, faults[i].table, faults[i].key, faults[i].column);
		ffp_row_set(t, faults[i].table, faults[i].key, faults[i].column, faults[i].value);
		const char *problems = problems_of(t, e);
		if (!FF_CHECK(t, strstr(problems, faults[i].named) != NULL))
			ff_test_note(t, "%s.%s = %s: %s", faults[i].table, faults[i].column, faults[i].value, problems);
		/* And an export ends there, and names it. */
		FF_CHECK_STR(t, ffp_export(t, e, 0), "!corrupt");
		FF_CHECK_STR(t, ff_test_error(t)->id, faults[i].named);
		ffp_row_set(t, faults[i].table, faults[i].key, faults[i].column, sound);
	}
	FF_CHECK_STR(t, problems_of(t, e), "");
	/* More slots that are over than are counted: an export has none, and not fewer. */
	ffp_row_set(t, "ff_quota_policy", "q", "active_concurrency", "0");
	FF_CHECK(t, strstr(ffp_export(t, e, 0), "\"active_concurrency\":0,") != NULL);
	/* A slot whose policy is not there. */
	ffp_row_set(t, "ff_quota_admitted", "lost\nx", "admitted_at_ms", "1");
	FF_CHECK(t, strstr(problems_of(t, e), "lost") != NULL);
}

/* What calls could not give again is not taken in. */
static void import_refuses_names_that_are_too_long(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, ffp_name_of_size(t, 'i', 128), "a=5"), "created");
	const char *lines = ffp_export(t, e, 0);
	const char *id = strstr(lines, "iii");
	const char *longer = ff_test_text(t, "%.*si%s", (int)(id - lines), lines, id);
	ff_engine *copy = open_beside(t);
	FF_CHECK_STR(t, ffp_import(t, copy, longer), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "line 1") != NULL);
	FF_CHECK_STR(t, ffp_import(t, copy, lines), "2");
}

/* The lines with the first `old` behind `from` as `new`. */
static const char *changed(ff_test *t, const char *lines, const char *from, const char *old, const char *new)
{
	const char *start = strstr(lines, from);
	const char *at = start ? strstr(start, old) : NULL;
	FF_REQUIRE(t, at != NULL);
	return ff_test_text(t, "%.*s%s%s", (int)(at - lines), lines, new, at + strlen(old));
}

/* Rows that are good each for itself, and that no store can hold together. */
static void import_refuses_lines_that_contradict_each_other(ff_test *t)
{
	static const struct {
		const char *from, *old, *new, *named;
	} changes[] = {
		{ "{\"budget_id\":\"b\",\"current_value\"", "\"period\":0", "\"period\":3", "'b'" },
		{ "{\"budget_id\":\"b\",\"delta_total\"", "\"period\":0", "\"period\":3", "'b'" },
		{ "{\"active_concurrency\"", "\"next_entry\":1", "\"next_entry\":0", "'q'" },
		{ "{\"active_concurrency\"", "\"active_concurrency\":1", "\"active_concurrency\":2", "'q'" },
		{ "{\"active_concurrency\"", "\"quota_policy_id\":\"q\"", "\"quota_policy_id\":\"r\"", "'r'" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=5"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		const char *wrong = changed(t, lines, changes[i].from, changes[i].old, changes[i].new);
		FF_CHECK_STR(t, ffp_import(t, copy, wrong), "!invalid");
		FF_CHECK(t, strstr(ff_test_error(t)->message, changes[i].named) != NULL);
		FF_CHECK_STR(t, ffp_report(t, copy, "b", "", "a=1"), "!misuse"); /* it is to be run again */
	}
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
}

/* An import of many lines, in whose middle another engine imports others. */
typedef struct torn_import {
	ff_test *test;
	ff_engine *other;
	const char *lines, *others, *answer;
	unsigned left;    /* lines until the other's turn */
	bool is_given_up; /* before that by one of no lines, which ends */
} torn_import;

static ff_code next_of_torn(void *context, const char **line, size_t *size, ff_error *error)
{
	torn_import *import = context;
	(void)error;
	if (import->left-- == 0) {
		if (import->is_given_up)
			FF_CHECK_STR(import->test, ffp_import(import->test, import->other, ""), "0");
		FF_CHECK_STR(import->test, ffp_import(import->test, import->other, import->others), import->answer);
	}
	const char *end = strchr(import->lines, '\n');
	*line = end ? import->lines : NULL;
	*size = end ? (size_t)(end - import->lines) : 0;
	import->lines = end ? end + 1 : import->lines;
	return FF_OK;
}

/* Of two imports at a time the one that began last is whole, and the other goes no further. */
static void import_gives_way_to_a_later_one(ff_test *t)
{
	enum { MANY = 1200 };
	ff_report *reports = ff_test_alloc(t, MANY * sizeof(*reports));
	ff_report_result *results = ff_test_alloc(t, MANY * sizeof(*results));
	const ff_amount amount = { "a", 1 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "one", "", "a=1"), "ok");
	const char *others = ffp_export(t, e, 0);
	for (unsigned i = 0; i < MANY; i++)
		reports[i] =
		    (ff_report){ .budget_id = ff_test_text(t, "b%u", i), .amounts = &amount, .amounts_count = 1 };
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, MANY, results, NULL, ff_test_error(t)));
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	const char *torn = ff_test_text(t, "%sx\n", others);
	torn_import given_up = { t, open_beside(t), lines, torn, "!invalid", MANY / 2, true }; /* in one instant */
	FF_CHECK_CODE(t, ff_engine_import(copy, next_of_torn, &given_up, NULL, ff_test_error(t)), FF_E_MISUSE);
	torn_import unfinished = { t, given_up.other, lines, torn, "!invalid", MANY / 2, false };
	FF_CHECK_CODE(t, ff_engine_import(copy, next_of_torn, &unfinished, NULL, ff_test_error(t)), FF_E_MISUSE);
	torn_import finished = { t, given_up.other, lines, others, "2", MANY / 2, false };
	FF_CHECK_CODE(t, ff_engine_import(copy, next_of_torn, &finished, NULL, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK_STR(t, ffp_export(t, copy, 0), others);
	FF_CHECK_STR(t, ffp_report(t, copy, "one", "", "a=1"), "ok");
}

/* Running an import again deletes what is there, so nothing is written while one is unfinished. */
static void import_unfinished_takes_no_writes(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *lines = ffp_export(t, e, 0);
	ff_engine *copy = open_beside(t);
	FF_CHECK_STR(t, ffp_import(t, copy, ff_test_text(t, "%sx\n", lines)), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, copy, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_tick(t, copy, 0, 0), "!misuse");
	FF_REQUIRE(t, *ffp_import(t, copy, lines) != '!');
	FF_CHECK_STR(t, ffp_export(t, copy, 0), lines);
	FF_CHECK_STR(t, ffp_create(t, copy, "fresh", ""), "created");
}

/* A tick whose own time is ahead purges nothing that calls would still go by. */
static void purge_is_not_ahead_of_the_clock(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=9"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_tick(t, e, T0 + INT64_C(100000000), 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok replayed");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "rate_exceeded 1000");
}

/* Who opened the store while an import was unfinished may write as soon as another has finished it. */
static void import_finished_by_another(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid");
	ff_engine *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "!misuse");
	FF_REQUIRE_OK(t, ff_engine_tick_every(other, 0, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_import(t, e, ""), "0");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
}

/* Nor does an engine write that saw none unfinished, until one of its own was. */
static void import_unfinished_of_its_own(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ffp_import(t, e, ""), "0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
}

/* What was decided before a call failed is not answered. */
static void failed_calls_answer_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid");
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_outcome outcome = { .applied = true };
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &report, &outcome, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK(t, !outcome.applied);
	ff_admission admission = FF_ADMISSION_INIT;
	ff_quota_limits limits = { 0, 0, 5 };
	admission.quota_policy_id = "q";
	admission.execution_id = "x";
	admission.limits = &limits;
	ff_admission_outcome admitted = { FF_ADMITTED, FF_TIME_NONE };
	FF_CHECK_CODE(t, ff_engine_admit(e, &admission, &admitted, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK(t, admitted.kind != FF_ADMITTED);
	const ff_released *released = (const ff_released *)(const void *)&report;
	FF_CHECK_CODE(t, ff_engine_release_budget(e, "b", "x", &released, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK(t, released == NULL);
}

/* A line to the letter: members in byte order, no spaces, numbers as numbers; and the last one. */
static void export_line_to_the_letter(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_export(t, e, 0),
	             "{\"budget_id\":\"b\",\"current_value\":5,\"dimensions_key\":\"a\",\"period\":0,"
	             "\"table\":\"ff_budget_usage\",\"updated_at_ms\":1000000}\n"
	             "{\"lines\":1,\"table\":\"end\"}\n");
}

static void import_refuses_what_would_be_corrupt(ff_test *t)
{
	static const char *const bad[] = {
		"{\"budget_id\":\"b\",\"current_value\":5,\"dimensions_key\":\"a\",\"more\":1,\"period\":0,"
		"\"table\":\"ff_budget_usage\",\"updated_at_ms\":1}\n",
		"{\"breach_count\":0,\"budget_id\":\"b\",\"created_at_ms\":1,\"enforcement_mode\":\"strict\","
		"\"last_breach_at_ms\":null,\"last_breach_dim\":null,\"next_reset_at_ms\":null,\"period\":0,"
		"\"policy_json\":\"{\\\"hard_limits\\\":{\\\"a\\\":1.5}}\",\"scope_id\":\"\",\"scope_type\":\"\","
		"\"soft_breach_count\":0,\"table\":\"ff_budget_policy\",\"updated_at_ms\":1}\n",
		"{\"applied_at_ms\":1,\"budget_id\":\"b\",\"dedup_key\":\"k\",\"expires_at_ms\":5,\"outcome_json\":"
		"\"x\","
		"\"payload_digest\":1,\"table\":\"ff_budget_usage_dedup\"}\n",
		"{\"active_concurrency\":0,\"active_concurrency_cap\":0,\"created_at_ms\":1,\"latest_ms\":0,"
		"\"limits_stored\":1,\"max_requests_per_window\":5,\"next_entry\":0,\"quota_policy_id\":\"q\","
		"\"requests_per_window_seconds\":0,\"table\":\"ff_quota_policy\",\"updated_at_ms\":1}\n",
	};
	ff_engine *e = ff_test_open(t, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!FF_CHECK_STR(t, ffp_import(t, e, ffp_export_of(t, bad[i])), "!invalid") ||
		    !FF_CHECK(t, strstr(ff_test_error(t)->message, "line 1") != NULL))
			ff_test_note(t, "%s", bad[i]);
}

/* What is numbered leaves room for whatever calls may follow: the last that is taken in can be reset and admitted to. */
static void import_leaves_numbers_for_calls(ff_test *t)
{
	static const char budget[] =
	    "{\"breach_count\":0,\"budget_id\":\"b\",\"created_at_ms\":1,\"enforcement_mode\":\"strict\","
	    "\"last_breach_at_ms\":null,\"last_breach_dim\":null,\"next_reset_at_ms\":null,\"period\":%s,"
	    "\"policy_json\":\"{}\",\"scope_id\":\"\",\"scope_type\":\"\",\"soft_breach_count\":0,"
	    "\"table\":\"ff_budget_policy\",\"updated_at_ms\":1}\n";
	static const char quota[] =
	    "{\"active_concurrency\":0,\"active_concurrency_cap\":0,\"created_at_ms\":1,\"latest_ms\":0,"
	    "\"limits_stored\":%s,\"max_requests_per_window\":0,\"next_entry\":%s,\"quota_policy_id\":\"q\","
	    "\"requests_per_window_seconds\":1,\"table\":\"ff_quota_policy\",\"updated_at_ms\":1}\n";
	static const char last[] = "\"4611686018427387903\"", behind[] = "\"4611686018427387904\""; /* 2^62 */
	ff_engine *e = ff_test_open(t, NULL);
	const struct {
		const char *line, *said;
	} bad[] = {
		{ ff_test_text(t, budget, behind), "a period that leaves too few behind it" },
		{ ff_test_text(t, quota, "1", behind), "a next entry that leaves too few behind it" },
		{ ff_test_text(t, quota, "2", "0"), "malformed 'limits_stored'" },
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (!FF_CHECK_STR(t, ffp_import(t, e, ffp_export_of(t, bad[i].line)), "!invalid") ||
		    !FF_CHECK(t, strstr(ff_test_error(t)->message, bad[i].said) != NULL))
			ff_test_note(t, "%s: %s", bad[i].line, ff_test_error(t)->message);
	const char *good = ff_test_text(t, "%s%s", ff_test_text(t, budget, last), ff_test_text(t, quota, "1", last));
	FF_CHECK_STR(t, ffp_import(t, e, ffp_export_of(t, good)), "3"); /* with the end */
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, problems_of(t, e), "");
}

/* A count that is not that of the slots, and an import that was left unfinished, are told of. */
static void check_counts_slots_and_imports(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	fill(t, e);
	const char *counted = ffp_row_get(t, "ff_quota_policy", "q", "active_concurrency");
	ffp_row_set(t, "ff_quota_policy", "q", "active_concurrency", "77");
	FF_CHECK(t, strstr(problems_of(t, e), "77 slots") != NULL);
	ffp_row_set(t, "ff_quota_policy", "q", "active_concurrency", counted);
	ff_engine *copy = open_beside(t);
	FF_CHECK_STR(t, ffp_import(t, copy, ff_test_text(t, "%sx\n", ffp_export(t, e, 0))), "!invalid");
	FF_CHECK(t, strstr(problems_of(t, copy), "import") != NULL);
}

static const ff_case table[] = {
	CASE(tick_purges_expired_keys, "FF-MT-1 FF-RU-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_unbounded_leaves_none_that_is_over, "FF-MT-1", FF_CASE_SECOND_HANDLE),
	CASE(tick_bounded_comes_to_an_end, "FF-MT-1", FF_CASE_SECOND_HANDLE),
	CASE(tick_purges_the_ledger_of_past_periods, "FF-MT-1 FF-SP-3", FF_CASE_SECOND_HANDLE),
	CASE(tick_leaves_a_ledger_row_that_is_corrupt, "FF-MT-1 FF-MT-4", FF_CASE_SECOND_HANDLE),
	CASE(tick_purges_entries_and_leases, "FF-MT-1", FF_CASE_SECOND_HANDLE),
	CASE(tick_purges_by_its_own_time, "FF-MT-1 FF-CLK-2", 0),
	CASE(export_and_import, "FF-MT-3 FF-LIM-6", FF_CASE_MISSING_STORE),
	CASE(export_does_not_mind_a_tick, "FF-MT-3 FF-MT-1", 0),
	CASE(export_at_its_own_time, "FF-MT-3 FF-CLK-2", 0),
	CASE(export_is_the_same_after_the_same_calls, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(export_writes_exact_numbers, "FF-MT-3 FF-LIM-6", 0),
	CASE(import_wants_an_empty_store, "FF-MT-3", 0),
	CASE(import_looks_for_any_row, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(import_of_nothing, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(import_can_be_run_again, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(import_refuses_what_was_tampered_with, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(import_refuses_what_was_cut_off, "FF-MT-3 FF-MT-5", FF_CASE_MISSING_STORE),
	CASE(import_refuses_lines_that_contradict_each_other, "FF-MT-3 FF-MT-4", FF_CASE_MISSING_STORE),
	CASE(import_refuses_names_that_are_too_long, "FF-MT-3 FF-LIM-1", FF_CASE_MISSING_STORE),
	CASE(import_unfinished_takes_no_writes, "FF-MT-5", FF_CASE_MISSING_STORE),
	CASE(purge_is_not_ahead_of_the_clock, "FF-MT-6 FF-QA-2", 0),
	CASE(import_finished_by_another, "FF-MT-5", FF_CASE_SECOND_HANDLE),
	CASE(import_unfinished_of_its_own, "FF-MT-5", 0),
	CASE(failed_calls_answer_nothing, "FF-ERR-2 FF-MT-5", 0),
	CASE(export_line_to_the_letter, "FF-MT-3", 0),
	CASE(check_counts_slots_and_imports, "FF-MT-4 FF-MT-5", FF_CASE_SECOND_HANDLE | FF_CASE_MISSING_STORE),
	CASE(import_refuses_what_would_be_corrupt, "FF-MT-3 FF-RU-8", 0),
	CASE(import_leaves_numbers_for_calls, "FF-MT-3 FF-RB-1", 0),
	CASE(export_and_import_of_many, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(import_gives_way_to_a_later_one, "FF-MT-3", FF_CASE_MISSING_STORE | FF_CASE_SECOND_HANDLE),
	CASE(export_stops_where_its_reader_does, "FF-MT-3", FF_CASE_MISSING_STORE),
	CASE(check_finds_nothing_in_a_sound_store, "FF-MT-4", 0),
	CASE(check_finds_what_cannot_be, "FF-MT-4", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_house, table);
