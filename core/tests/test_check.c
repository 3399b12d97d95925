/* What check finds in rows that were put into the store by hand. */
#include "tests.h"

static void count_problem(void *context, const char *problem)
{
	(void)problem;
	++*(uint64_t *)context;
}

static uint64_t problems_of(ff_test *t, ff_engine *e)
{
	uint64_t problems = 0;
	FF_REQUIRE_OK(t, ff_engine_check(e, count_problem, &problems, ff_test_error(t)));
	return problems;
}

/* A row of each table, as calls write them. */
static const ffp_budget_row budget = { .budget_id = BYTES("b"),
	                               .policy_json = BYTES("{}"),
	                               .scope_type = BYTES("team"),
	                               .scope_id = BYTES("42"),
	                               .enforcement_mode = BYTES("strict"),
	                               .last_breach_at_ms = 1,
	                               .last_breach_dim = BYTES("a"),
	                               .next_reset_at_ms = INT64_MAX - 1 };
static const ffp_usage_row usage = { .budget_id = BYTES("b"), .dimensions_key = BYTES("a") };
static const ffp_key_row key = { .dedup_key = BYTES("k"),
	                         .budget_id = BYTES("b"),
	                         .outcome_json = BYTES("{\"kind\":\"Ok\"}"),
	                         .payload_digest = -1,
	                         .expires_at_ms = INT64_MAX };
static const ffp_ledger_row ledger = { .budget_id = BYTES("b"),
	                               .execution_id = BYTES("x"),
	                               .dimensions_key = BYTES("a") };
static const ffp_quota_row quota = { .quota_policy_id = BYTES("q"), .active_concurrency = 1, .next_entry = 1 };
static const ffp_entry_row entry = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("x") };
static const ffp_slot_row slot = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("x") };

static const ff_row *const rows[] = {
	[FFP_BUDGET_POLICY] = &budget.row,        [FFP_BUDGET_USAGE] = &usage.row, [FFP_BUDGET_USAGE_DEDUP] = &key.row,
	[FFP_BUDGET_USAGE_BY_EXEC] = &ledger.row, [FFP_QUOTA_POLICY] = &quota.row, [FFP_QUOTA_WINDOW] = &entry.row,
	[FFP_QUOTA_ADMITTED] = &slot.row,
};

/* All of them, but one column of one table as it is given; a row that another belongs to is there in any case. */
static void put_rows(ff_test *t, const ff_column *spoiled, ffp_table_id of, ff_text text, int64_t number)
{
	ffp_fake_wipe(ffp_fake_of(t));
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const ff_table *table = ffp_table((ffp_table_id)i);
		ff_row *row = ff_test_alloc(t, table->row_size);
		memcpy(row, rows[i], table->row_size);
		if (i == of && spoiled && spoiled->type == FF_TYPE_TEXT)
			*ff_row_text(row, spoiled) = text;
		else if (i == of && spoiled)
			*ff_row_int64(row, spoiled) = number;
		ffp_fake_put(ffp_fake_of(t), (ffp_table_id)i, row);
	}
}

/* Each column of each table: a name that no call takes, or a count below zero. */
static void check_finds_impossible_columns(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *endless = ffp_name_of_size(t, 'n', 300);
	const ff_text texts[] = { BYTES("a\nb"), BYTES("\xff"), BYTES("a\0b"), { endless, 300 } };
	put_rows(t, NULL, FFP_TABLES_COUNT, texts[0], 0);
	FF_CHECK_EQ_INT(t, problems_of(t, e), 0);
	for (unsigned i = 0; i < COUNT_OF(rows); i++) {
		const ff_table *table = ffp_table((ffp_table_id)i);
		for (unsigned c = 0; c < table->columns_count; c++) {
			const ff_column *column = &table->columns[c];
			bool any = strcmp(column->name, "payload_digest") == 0;
			for (unsigned b = 0; b < (column->type == FF_TYPE_TEXT ? COUNT_OF(texts) : 1); b++) {
				put_rows(t, column, (ffp_table_id)i, texts[b], -1);
				if (!FF_CHECK(t, (problems_of(t, e) != 0) == !any))
					ff_test_note(t, "%s.%s, value %u", table->name, column->name, b);
			}
		}
	}
}

/* What else is told of a row is told once. */
static void check_tells_a_row_once(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	put_rows(t, &ffp_table(FFP_BUDGET_USAGE)->columns[2], FFP_BUDGET_USAGE, (ff_text){ "", 0 }, -1);
	FF_CHECK_EQ_INT(t, problems_of(t, e), 1);
}

static const ff_case cases[] = {
	CASE(check_finds_impossible_columns, "FF-MT-4 FF-LIM-1", 0),
	CASE(check_tells_a_row_once, "FF-MT-4", 0),
};

FAMILY(ffp_tests_check, cases);
