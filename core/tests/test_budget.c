/* Budgets and quota policies at an instant, and the places that walks keep. Pure. */
#include "budget.h"

#include "ledger.h"
#include "place.h"
#include "quota.h"
#include "report.h"
#include "tests.h"
#include "text.h"

#define SCHEDULED "{\"reset_interval_ms\":100}"

static ffp_budget_row budget_row(const char *policy, int64_t next_reset_at_ms)
{
	ffp_budget_row row = { .budget_id = BYTES("b"),
		               .policy_json = ffp_text(policy),
		               .next_reset_at_ms = next_reset_at_ms,
		               .period = 7 };
	if (next_reset_at_ms == FF_TIME_NONE)
		row.row.nulls |= 1u << FFP_BUDGET_NEXT_RESET_AT;
	return row;
}

/* "period 7 next 1000" and, where it moved, " began 900"; or an exclamation mark and the fault. */
static const char *look(ff_test *t, const ffp_budget_row *row, int64_t now_ms)
{
	ffp_budget budget;
	const char *fault = NULL;
	ff_code code = ffp_budget_at(row, now_ms, NULL, ffp_raw_arena(t), &budget, &fault);
	if (code != FF_OK)
		return ff_test_text(t, "!%s %s", ff_code_name(code), fault ? fault : "(none)");
	const ffp_period *period = &budget.period;
	const char *text =
	    ff_test_text(t, "period %" PRId64 " next %" PRId64, period->number, period->next_reset_at_ms);
	return period->moved ? ff_test_text(t, "%s began %" PRId64, text, period->began_at_ms) : text;
}

static const char *look_at(ff_test *t, int64_t next_reset_at_ms, int64_t now_ms)
{
	ffp_budget_row row = budget_row(SCHEDULED, next_reset_at_ms);
	return look(t, &row, now_ms);
}

static void period_is_exact(ff_test *t)
{
	FF_CHECK_STR(t, look_at(t, 1000, 0), "period 7 next 1000");
	FF_CHECK_STR(t, look_at(t, 1000, 999), "period 7 next 1000");
	FF_CHECK_STR(t, look_at(t, 1000, 1000), "period 8 next 1100 began 1000");
	FF_CHECK_STR(t, look_at(t, 1000, 1001), "period 8 next 1100 began 1000");
	FF_CHECK_STR(t, look_at(t, 1000, 1099), "period 8 next 1100 began 1000");
	FF_CHECK_STR(t, look_at(t, 1000, 1100), "period 8 next 1200 began 1100");
	FF_CHECK_STR(t, look_at(t, 1000, 1250), "period 8 next 1300 began 1200");
	FF_CHECK_STR(t, look_at(t, 0, 0), "period 8 next 100 began 0");
}

static void period_without_a_schedule(ff_test *t)
{
	FF_CHECK_STR(t, look_at(t, FF_TIME_NONE, INT64_MAX), "period 7 next -1");
	ffp_budget_row row = budget_row("", FF_TIME_NONE);
	FF_CHECK_STR(t, look(t, &row, INT64_MAX), "period 7 next -1");
	FF_CHECK_STR(t, look(t, NULL, 5), "period 0 next -1");
}

static void period_at_the_end_of_time(ff_test *t)
{
	int64_t last = INT64_MAX - 50;
	FF_CHECK_STR(t, look_at(t, last, INT64_MAX), ff_test_text(t, "period 8 next -1 began %" PRId64, last));
	FF_CHECK_STR(t, look_at(t, INT64_MAX - 100, INT64_MAX - 1),
	             ff_test_text(t, "period 8 next %" PRId64 " began %" PRId64, INT64_MAX, INT64_MAX - 100));
	FF_CHECK_STR(t, look_at(t, INT64_MAX - 100, INT64_MAX),
	             ff_test_text(t, "period 8 next -1 began %" PRId64, INT64_MAX));
	ffp_budget_row row = budget_row("{\"reset_interval_ms\":1}", 0);
	row.period = 0;
	FF_CHECK_STR(t, look(t, &row, INT64_MAX - 2),
	             ff_test_text(t, "period 1 next %" PRId64 " began %" PRId64, INT64_MAX - 1, INT64_MAX - 2));
	FF_CHECK_STR(t, look(t, &row, INT64_MAX - 1),
	             ff_test_text(t, "period 1 next %" PRId64 " began %" PRId64, INT64_MAX, INT64_MAX - 1));
}

static void budget_that_contradicts_itself(ff_test *t)
{
	ffp_budget_row row = budget_row("", 1000); /* a schedule without an interval: one reset, the last */
	FF_CHECK_STR(t, look(t, &row, 999), "period 7 next 1000");
	FF_CHECK_STR(t, look(t, &row, 5000), "period 8 next -1 began 1000");
	row = budget_row("{\"reset_interval_ms\":0}", 1000);
	FF_CHECK_STR(t, look(t, &row, 1000), "period 8 next -1 began 1000");
	row = budget_row(SCHEDULED, -5);
	FF_CHECK_STR(t, look(t, &row, 0), "!corrupt a next reset below zero");
	row = budget_row("nonsense", FF_TIME_NONE);
	FF_CHECK(t, strncmp(look(t, &row, 0), "!corrupt ", 9) == 0);
	row = budget_row("", FF_TIME_NONE);
	row.enforcement_mode = ffp_text("warn");
	FF_CHECK_STR(t, look(t, &row, 0), "!corrupt an unknown enforcement mode");
	row = budget_row("", FF_TIME_NONE);
	row.row.state = FF_ROW_CORRUPT;
	FF_CHECK_STR(t, look(t, &row, 0), "!corrupt a policy row that cannot be read");
}

static void budget_out_of_range(ff_test *t)
{
	static const struct {
		size_t field;
		int64_t value;
		const char *fault;
	} cases[] = {
		{ offsetof(ffp_budget_row, breach_count), -1, "!corrupt a breach counter below zero" },
		{ offsetof(ffp_budget_row, soft_breach_count), -1, "!corrupt a breach counter below zero" },
		{ offsetof(ffp_budget_row, period), -1, "!corrupt a period or a time out of range" },
		{ offsetof(ffp_budget_row, period), INT64_MAX, "!corrupt a period or a time out of range" },
		{ offsetof(ffp_budget_row, created_at_ms), -1, "!corrupt a period or a time out of range" },
		{ offsetof(ffp_budget_row, updated_at_ms), -1, "!corrupt a period or a time out of range" },
		{ offsetof(ffp_budget_row, breach_count), INT64_MAX, "period 7 next -1" },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ffp_budget_row row = budget_row("", FF_TIME_NONE);
		memcpy((char *)&row + cases[i].field, &cases[i].value, sizeof(int64_t));
		FF_CHECK_STR(t, look(t, &row, 0), cases[i].fault);
	}
}

/* A period that has begun is written into the row, once. */
static void budget_moves(ff_test *t)
{
	ffp_budget_row row = budget_row(SCHEDULED, 1000);
	row.last_breach_at_ms = 950;
	row.updated_at_ms = 950;
	ffp_budget_move(&row, &(ffp_period){ .number = 7, .next_reset_at_ms = 1000 });
	FF_CHECK_EQ_INT(t, row.updated_at_ms, 950);
	FF_CHECK(t, !ff_row_is_null(&row.row, FFP_BUDGET_LAST_BREACH_AT));
	ffp_budget_move(&row,
	                &(ffp_period){ .number = 9, .next_reset_at_ms = 1200, .began_at_ms = 1100, .moved = true });
	FF_CHECK_EQ_INT(t, row.period, 9);
	FF_CHECK_EQ_INT(t, row.next_reset_at_ms, 1200);
	FF_CHECK_EQ_INT(t, row.updated_at_ms, 1100);
	FF_CHECK(t, ff_row_is_null(&row.row, FFP_BUDGET_LAST_BREACH_AT));
	FF_CHECK(t, ff_row_is_null(&row.row, FFP_BUDGET_LAST_BREACH_DIM));
	FF_CHECK(t, !ff_row_is_null(&row.row, FFP_BUDGET_NEXT_RESET_AT));
	ffp_budget_move(&row, &(ffp_period){ .number = 10, .next_reset_at_ms = FF_TIME_NONE, .moved = true });
	FF_CHECK(t, ff_row_is_null(&row.row, FFP_BUDGET_NEXT_RESET_AT));
}

static void usage_counts_in_its_period(ff_test *t)
{
	int64_t value = -1;
	ffp_usage_row row = { .current_value = 5, .period = 3 };
	FF_CHECK(t, ffp_usage_in(NULL, 3, &value) && value == 0);
	FF_CHECK(t, ffp_usage_in(&row, 3, &value) && value == 5);
	FF_CHECK(t, ffp_usage_in(&row, 4, &value) && value == 0);
	FF_CHECK(t, !ffp_usage_in(&row, 2, &value)); /* of a period to come */
	row.current_value = -1;
	FF_CHECK(t, !ffp_usage_in(&row, 3, &value));
	FF_CHECK(t, !ffp_usage_in(&row, 4, &value)); /* never to be trusted, in a past period either */
	row = (ffp_usage_row){ .row.state = FF_ROW_CORRUPT };
	FF_CHECK(t, !ffp_usage_in(&row, 0, &value));
	row = (ffp_usage_row){ .period = -1 };
	FF_CHECK(t, !ffp_usage_in(&row, 0, &value));
	ffp_ledger_row ledger = { .delta_total = 5, .period = 3 };
	FF_CHECK(t, ffp_ledger_in(NULL, 3, &value) && value == 0);
	FF_CHECK(t, ffp_ledger_in(&ledger, 3, &value) && value == 5);
	FF_CHECK(t, ffp_ledger_in(&ledger, 4, &value) && value == 0);
	FF_CHECK(t, !ffp_ledger_in(&ledger, 2, &value));
	ledger.delta_total = -1;
	FF_CHECK(t, !ffp_ledger_in(&ledger, 3, &value));
}

/* ---- quotas ------------------------------------------------------------------------------------------------- */

static void quota_time_is_the_latest(ff_test *t)
{
	ffp_quota_row row = { .latest_ms = 100 };
	FF_CHECK_EQ_INT(t, ffp_quota_time(NULL, 5), 5);
	FF_CHECK_EQ_INT(t, ffp_quota_time(&row, 99), 100);
	FF_CHECK_EQ_INT(t, ffp_quota_time(&row, 100), 100);
	FF_CHECK_EQ_INT(t, ffp_quota_time(&row, 101), 101);
}

static void slot_ends_with_its_lease(ff_test *t)
{
	ffp_slot_row row = { .lease_until_ms = 100 };
	FF_CHECK(t, !ffp_slot_is_over(&row, 99));
	FF_CHECK(t, ffp_slot_is_over(&row, 100));
	row.row.nulls = 1u << FFP_SLOT_LEASE_UNTIL;
	FF_CHECK(t, !ffp_slot_is_over(&row, INT64_MAX));
}

static void quota_rows_out_of_range(ff_test *t)
{
	static const struct {
		size_t field;
		int64_t value;
		bool good;
	} cases[] = {
		{ offsetof(ffp_quota_row, requests_per_window_seconds), -1, false },
		{ offsetof(ffp_quota_row, requests_per_window_seconds), INT64_C(1000000000000), true },
		{ offsetof(ffp_quota_row, requests_per_window_seconds), INT64_C(1000000000001), false },
		{ offsetof(ffp_quota_row, max_requests_per_window), -1, false },
		{ offsetof(ffp_quota_row, max_requests_per_window), 1, false }, /* without a window */
		{ offsetof(ffp_quota_row, active_concurrency_cap), -1, false },
		{ offsetof(ffp_quota_row, active_concurrency), -1, false },
		{ offsetof(ffp_quota_row, active_concurrency), INT64_MAX, false },
		{ offsetof(ffp_quota_row, active_concurrency), INT64_MAX - 1, true },
		{ offsetof(ffp_quota_row, next_entry), -1, false },
		{ offsetof(ffp_quota_row, next_entry), INT64_MAX, false },
		{ offsetof(ffp_quota_row, next_entry), INT64_MAX - 1, true },
		{ offsetof(ffp_quota_row, latest_ms), -1, false },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ffp_quota_row row = { .quota_policy_id = BYTES("q") };
		memcpy((char *)&row + cases[i].field, &cases[i].value, sizeof(int64_t));
		if (!FF_CHECK(t, !ffp_quota_fault(&row) == cases[i].good))
			ff_test_note(t, "case %zu", i);
	}
	ffp_quota_row quota = { .row.state = FF_ROW_CORRUPT };
	FF_CHECK(t, ffp_quota_fault(&quota) != NULL);
	ffp_entry_row entry = { .entry = 1 };
	FF_CHECK(t, ffp_entry_fault(&entry) == NULL);
	entry.expires_at_ms = -1;
	FF_CHECK(t, ffp_entry_fault(&entry) != NULL);
	entry = (ffp_entry_row){ .row.state = FF_ROW_CORRUPT };
	FF_CHECK(t, ffp_entry_fault(&entry) != NULL);
	ffp_slot_row slot = { .lease_until_ms = -1, .row.nulls = 1u << FFP_SLOT_LEASE_UNTIL };
	FF_CHECK(t, ffp_slot_fault(&slot) == NULL);
	slot.row.nulls = 0;
	FF_CHECK(t, ffp_slot_fault(&slot) != NULL);
}

/* ---- places ------------------------------------------------------------------------------------------------- */

/* A place outlives the row, and holds texts as long as a key may be. */
static void place_outlives_its_row(ff_test *t)
{
	ffp_place place;
	memset(&place, 0xff, sizeof(place)); /* and nothing of what it held before */
	const ff_table *keys = ffp_table(FFP_BUDGET_USAGE_DEDUP);
	char *key = ff_test_alloc(t, 257);
	memset(key, 'k', 256);
	ffp_key_row row = { .dedup_key = { key, 256 }, .budget_id = BYTES("b"), .expires_at_ms = 5 };
	ffp_place_set(&place, keys, NULL, &row.row);
	memset(key, 'x', 256);
	row.budget_id = (ff_text){ NULL, 0 };
	const ffp_key_row *kept = (const ffp_key_row *)ffp_place_row(&place);
	FF_CHECK(t, place.is_set);
	FF_CHECK(t, ffp_text_equal(kept->dedup_key, ffp_text(ffp_name_of_size(t, 'k', 256))));
	FF_CHECK(t, ffp_text_equal(kept->budget_id, ffp_text("b")));
	FF_CHECK_EQ_INT(t, kept->expires_at_ms, 0); /* no part of the order */
	FF_CHECK(t, kept->row.state == FF_ROW_OK && kept->row.nulls == 0);
}

/* A text that is longer than a place holds is cut before a character, and stands for one that lies behind it. */
static void place_after_a_text_that_is_too_long(ff_test *t)
{
	static const struct {
		size_t plain;
		const char *then;
		size_t kept;
	} texts[] = {
		{ 257, "", 252 },
		{ 252, "\xc3\xa9xxx", 252 },
		{ 251, "\xc3\xa9xxxx", 251 },
		{ 249, "\xc3\xa9xxxxxx", 252 },
		{ 250, "\xe2\x82\xacxxxx", 250 },
		{ 249, "\xf0\x9f\x98\x80xxxx", 249 },
	};
	const ff_table *keys = ffp_table(FFP_BUDGET_USAGE_DEDUP);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		ffp_place place;
		const char *text = ff_test_text(t, "%s%s", ffp_name_of_size(t, 'k', texts[i].plain), texts[i].then);
		const ffp_key_row row = { .dedup_key = ffp_text(text), .budget_id = BYTES("b") };
		ffp_place_set(&place, keys, NULL, &row.row);
		const ffp_key_row *kept = (const ffp_key_row *)ffp_place_row(&place);
		const char *want = ff_test_text(t, "%.*s\xf4\x8f\xbf\xbf", (int)texts[i].kept, text);
		FF_CHECK(t, ffp_text_equal(kept->dedup_key, ffp_text(want)));
		FF_CHECK(t, ffp_text_equal(kept->budget_id, ffp_text("b")));
		FF_CHECK(t, ff_row_compare(keys, NULL, &kept->row, &row.row, 2) > 0);
	}
	ffp_place place; /* no characters at all */
	char *bytes = ff_test_alloc(t, 300);
	memset(bytes, 0x80, 300);
	const ffp_key_row row = { .dedup_key = { bytes, 300 }, .budget_id = BYTES("b") };
	ffp_place_set(&place, keys, NULL, &row.row);
	FF_CHECK(t,
	         ffp_text_equal(((const ffp_key_row *)ffp_place_row(&place))->dedup_key, ffp_text("\xf4\x8f\xbf\xbf")));
}

static void place_in_each_order(ff_test *t)
{
	ffp_place place;
	const ff_table *window = ffp_table(FFP_QUOTA_WINDOW);
	const ffp_entry_row entry = { .quota_policy_id = BYTES("q"), .entry = INT64_MAX, .execution_id = BYTES("x") };
	ffp_place_set(&place, window, NULL, &entry.row);
	FF_CHECK(t, ff_row_compare(window, NULL, ffp_place_row(&place), &entry.row, 2) == 0);
	const ff_table *budgets = ffp_table(FFP_BUDGET_POLICY);
	const ff_index *by_reset = ffp_by_next_reset();
	const ffp_budget_row budget = { .budget_id = BYTES("b"), .next_reset_at_ms = 5 };
	ffp_place_set(&place, budgets, by_reset, &budget.row);
	FF_CHECK(t, ff_row_compare(budgets, by_reset, ffp_place_row(&place), &budget.row, 2) == 0);
	const ff_table *ledger = ffp_table(FFP_BUDGET_USAGE_BY_EXEC);
	const ffp_ledger_row row = { .budget_id = BYTES("b"), .execution_id = BYTES("x"), .dimensions_key = BYTES("") };
	ffp_place_set(&place, ledger, NULL, &row.row);
	FF_CHECK(t, ff_row_compare(ledger, NULL, ffp_place_row(&place), &row.row, 3) == 0);
}

/* A tick goes on behind a row that cannot be read, where the index has it: what a call of the same batch has loaded of that
 * row does not tell when it fell due. */
static void slice_goes_on_behind_an_unreadable_row(ff_test *t)
{
	ffp_batch batch = { .arena = ffp_raw_arena(t) };
	ffp_budget_row got = { .row.state = FF_ROW_CORRUPT, .budget_id = BYTES("b") };
	ffp_budget_row found = got;
	ff_row *due[] = { &found.row };
	ffp_place start = { .is_set = false };
	ffp_slice slice = { .index = ffp_by_next_reset(), .rows_max = 1, .changes_max = 1, .low = &start };
	ffp_request request = { .op = &ffp_op_reset_due, .now_ms = 2000, .slice = &slice };
	ff_read *reads;
	size_t count;
	found.next_reset_at_ms = 1000;
	FF_REQUIRE(t, ffp_rows_init(&batch.rows, batch.arena, 0, 0) && ffp_budget_item(&batch, got.budget_id) &&
	                  request.op->plan(&batch, &request) && ffp_rows_reads(&batch.rows, &reads, &count));
	FF_REQUIRE(t, count == 2 && reads[0].kind == FF_READ_GET);
	reads[0].row = &got.row;
	reads[1].rows = due;
	reads[1].rows_count = 1;
	FF_REQUIRE(t, ffp_rows_loaded(&batch.rows, reads));
	FF_CHECK_CODE(t, request.op->decide(&batch, &request), FF_OK);
	FF_CHECK_EQ_INT(t, slice.looked_at, 1);
	FF_CHECK_EQ_INT(t, slice.failed, 1);
	const ffp_budget_row *stands = (const ffp_budget_row *)ffp_place_row(&slice.next);
	FF_CHECK_EQ_INT(t, stands->next_reset_at_ms, 1000);
}

static const ff_case cases[] = {
	CASE(period_is_exact, "FF-RB-2 FF-RB-3", 0),
	CASE(period_without_a_schedule, "FF-RB-5", 0),
	CASE(period_at_the_end_of_time, "FF-RB-3", 0),
	CASE(budget_that_contradicts_itself, "FF-RU-8", 0),
	CASE(budget_out_of_range, "", 0),
	CASE(budget_moves, "FF-RB-2", 0),
	CASE(usage_counts_in_its_period, "FF-RB-2 FF-RU-8 FF-SP-3", 0),
	CASE(quota_time_is_the_latest, "FF-CLK-4", 0),
	CASE(slot_ends_with_its_lease, "FF-QA-6", 0),
	CASE(quota_rows_out_of_range, "", 0),
	CASE(place_outlives_its_row, "", 0),
	CASE(place_after_a_text_that_is_too_long, "", 0),
	CASE(place_in_each_order, "", 0),
	CASE(slice_goes_on_behind_an_unreadable_row, "FF-RB-4", 0),
};

FAMILY(ffp_tests_budget, cases);
