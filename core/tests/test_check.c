/* What check finds in rows that were put into the store by hand, and what else is made of such rows. */
#include "quota.h"
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
	                               .period = 1,
	                               .last_breach_at_ms = 1,
	                               .last_breach_dim = BYTES("a"),
	                               .next_reset_at_ms = INT64_MAX - 1 };
static const ffp_usage_row usage = { .budget_id = BYTES("b"), .dimensions_key = BYTES("a"), .period = 1 };
static const ffp_key_row key = { .dedup_key = BYTES("k"),
	                         .budget_id = BYTES("b"),
	                         .outcome_json = BYTES("{\"kind\":\"Ok\"}"),
	                         .payload_digest = -1,
	                         .expires_at_ms = INT64_MAX };
static const ffp_ledger_row ledger = {
	.budget_id = BYTES("b"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a"), .period = 1
};
static const ffp_quota_row quota = { .quota_policy_id = BYTES("q"), .active_concurrency = 1, .next_entry = 1 };
static const ffp_entry_row entry = { .quota_policy_id = BYTES("q"),
	                             .execution_id = BYTES("x"),
	                             .expires_at_ms = INT64_MAX };
static const ffp_slot_row slot = { .quota_policy_id = BYTES("q"),
	                           .execution_id = BYTES("x"),
	                           .lease_until_ms = INT64_MAX };

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

/* Each column of each table: a name that no call takes, or a count below zero. Check tells it, and export
 * refuses it, or leaves a key out that is over by what the column says. */
static void impossible_columns_are_found(ff_test *t)
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
				bool exported = *ffp_export(t, e, 0) != '!';
				bool left_out =
				    i == FFP_BUDGET_USAGE_DEDUP && strcmp(column->name, "expires_at_ms") == 0;
				if (!FF_CHECK(t, exported == (any || left_out) && (problems_of(t, e) == 0) == any))
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
	/* Nor is of what period a budget's rows may be told where that is not known. */
	put_rows(t, &ffp_table(FFP_BUDGET_POLICY)->columns[1], FFP_BUDGET_POLICY, (ff_text)BYTES("x"), 0);
	FF_CHECK_EQ_INT(t, problems_of(t, e), 1);
	/* And which numbers a quota policy has handed out. */
	static const ffp_quota_row unread = { .row.state = FF_ROW_CORRUPT, .quota_policy_id = BYTES("unread") };
	static const ffp_entry_row numbered = { .quota_policy_id = BYTES("unread"),
		                                .entry = 3,
		                                .execution_id = BYTES("x") };
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_POLICY, &unread.row);
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_WINDOW, &numbered.row);
	FF_CHECK_EQ_INT(t, problems_of(t, e), 2);
}

/* Not after contention either: a check that has told of something does not begin again. */
static void check_tells_a_row_once_under_contention(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	unsigned busy = 0;
	put_rows(t, &ffp_table(FFP_BUDGET_USAGE)->columns[2], FFP_BUDGET_USAGE, (ff_text){ "", 0 }, -1);
	for (unsigned i = 0; i < 600; i++) { /* more than are read at a time */
		const char *dimension = ff_test_text(t, "d%03u", i);
		const ffp_usage_row more = { .budget_id = BYTES("b"),
			                     .dimensions_key = { dimension, strlen(dimension) },
			                     .period = 1 };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE, &more.row);
	}
	for (uint64_t at = 1; at == 1 || ffp_fault.hits; at++) {
		uint64_t problems = 0;
		ffp_fault_set(FFP_SLOT_LOAD, at, FF_E_BUSY);
		ff_code code = ff_engine_check(e, count_problem, &problems, ff_test_error(t));
		FF_CHECK(t, problems == 1 && (code == FF_OK || code == FF_E_BUSY));
		busy += code == FF_E_BUSY;
	}
	FF_CHECK(t, busy > 1);
	ffp_fault_set(FFP_SLOT_CHECK, 1, FF_E_IO); /* and nobody wants to know why */
	FF_CHECK_CODE(t, ff_engine_check(e, count_problem, &(uint64_t){ 0 }, NULL), FF_E_IO);
}

enum { MANY = 1500 };

/* Sends so many admissions as one list, and answers how many had this code. */
static uint64_t admit_many(ff_test *t, ff_engine *e, const char *id, ff_code code)
{
	ff_admission *admissions = ff_test_alloc(t, MANY * sizeof(*admissions));
	ff_call *calls = ff_test_alloc(t, MANY * sizeof(*calls));
	uint64_t count = 0;
	for (size_t i = 0; i < MANY; i++) {
		admissions[i] = (ff_admission)FF_ADMISSION_INIT;
		admissions[i].quota_policy_id = id;
		admissions[i].execution_id = ff_test_text(t, "%zu", i);
		calls[i] = (ff_call){ .op = FF_OP_ADMIT, .in.admission = &admissions[i] };
	}
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, MANY, ff_test_error(t)));
	for (size_t i = 0; i < MANY; i++)
		count += calls[i].code == code;
	return count;
}

/* A policy that has forgotten a number which it handed out: no contention, and no try is made in vain again and again. */
static void admission_on_a_number_in_use(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ffp_quota_row forgetful = { .quota_policy_id = BYTES("q"),
		                          .requests_per_window_seconds = 10,
		                          .max_requests_per_window = 5,
		                          .limits_stored = 1 };
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_POLICY, &forgetful.row);
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_WINDOW, &entry.row);
	const char *before = ffp_fake_dump(t, ffp_fake_of(t));
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "z", ""), "!corrupt");
	FF_CHECK_EQ_INT(t, admit_many(t, e, "q", FF_E_CORRUPT), MANY);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), before);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "fresh", "window=10 max=100000"), "created");
	FF_CHECK_EQ_INT(t, admit_many(t, e, "fresh", FF_OK), MANY); /* which looks each number up */
	/* Nor is one looked up behind the last that there is. */
	const ffp_quota_row at_the_end = { .quota_policy_id = BYTES("last"),
		                           .requests_per_window_seconds = 10,
		                           .next_entry = INT64_MAX - 3,
		                           .limits_stored = 1 };
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_POLICY, &at_the_end.row);
	FF_CHECK_EQ_INT(t, admit_many(t, e, "last", FF_OK), 3);
}

/* Each number of the rows of a quota at fault by itself, and at its ends where it is not. */
static void rows_of_a_quota_at_fault(ff_test *t)
{
	static const int64_t longest = INT64_C(1000000000000);
	const ffp_quota_row sound = { .requests_per_window_seconds = longest,
		                      .max_requests_per_window = INT64_MAX,
		                      .active_concurrency_cap = INT64_MAX,
		                      .active_concurrency = INT64_MAX - 1,
		                      .next_entry = INT64_MAX - 1,
		                      .latest_ms = INT64_MAX };
	FF_CHECK(t, !ffp_quota_fault(&sound));
	FF_CHECK(t, !ffp_quota_fault(&(const ffp_quota_row){ .limits_stored = 1 }));
	ffp_quota_row quotas[] = { sound, sound, sound, sound, sound, sound, sound, sound, sound, sound };
	quotas[0].row.state = FF_ROW_CORRUPT;
	quotas[1].requests_per_window_seconds = -1;
	quotas[2].requests_per_window_seconds = longest + 1;
	quotas[3].max_requests_per_window = -1;
	quotas[4].active_concurrency_cap = -1;
	quotas[5].requests_per_window_seconds = 0; /* and there is a limit of requests */
	quotas[6].active_concurrency = -1;
	quotas[7].next_entry = -1;
	quotas[8].next_entry = INT64_MAX;
	quotas[9].latest_ms = -1;
	for (size_t i = 0; i < COUNT_OF(quotas); i++)
		if (!FF_CHECK(t, ffp_quota_fault(&quotas[i])))
			ff_test_note(t, "quota %zu", i);
	FF_CHECK(t, !ffp_entry_fault(&(const ffp_entry_row){ .entry = 0 }));
	FF_CHECK(t, ffp_entry_fault(&(const ffp_entry_row){ .row.state = FF_ROW_CORRUPT }));
	FF_CHECK(t, ffp_entry_fault(&(const ffp_entry_row){ .entry = -1 }));
	FF_CHECK(t, ffp_entry_fault(&(const ffp_entry_row){ .admitted_at_ms = -1 }));
	FF_CHECK(t, ffp_entry_fault(&(const ffp_entry_row){ .expires_at_ms = -1 }));
	const uint32_t no_lease = 1u << FFP_SLOT_LEASE_UNTIL;
	FF_CHECK(t, !ffp_slot_fault(&(const ffp_slot_row){ .lease_until_ms = 0 }));
	FF_CHECK(t, !ffp_slot_fault(&(const ffp_slot_row){ .row.nulls = no_lease, .lease_until_ms = -1 }));
	FF_CHECK(t, ffp_slot_fault(&(const ffp_slot_row){ .row.state = FF_ROW_CORRUPT }));
	FF_CHECK(t, ffp_slot_fault(&(const ffp_slot_row){ .admitted_at_ms = -1 }));
	FF_CHECK(t, ffp_slot_fault(&(const ffp_slot_row){ .expires_at_ms = -1 }));
	FF_CHECK(t, ffp_slot_fault(&(const ffp_slot_row){ .lease_until_ms = -1 }));
}

/* A purge takes what is over and leaves what cannot be trusted, for check to tell of: rows that cannot be read, slots
 * whose policy is not there, is at fault, or counts none, and what was spent of a budget that is not there or at fault. */
static void purge_leaves_what_cannot_be_trusted(ff_test *t)
{
	static const ffp_quota_row quotas[] = {
		{ .quota_policy_id = BYTES("at fault"), .active_concurrency = 1, .next_entry = -1 },
		{ .quota_policy_id = BYTES("counts none"), .limits_stored = 1 },
		{ .quota_policy_id = BYTES("sound"), .active_concurrency = 2 },
	};
	static const ffp_slot_row slots[] = {
		{ .quota_policy_id = BYTES("at fault"), .execution_id = BYTES("x"), .lease_until_ms = 1 },
		{ .quota_policy_id = BYTES("counts none"), .execution_id = BYTES("x"), .lease_until_ms = 1 },
		{ .quota_policy_id = BYTES("no policy"), .execution_id = BYTES("x"), .lease_until_ms = 1 },
		{ .quota_policy_id = BYTES("sound"), .execution_id = BYTES("x"), .lease_until_ms = 1 },
		{ .row.state = FF_ROW_CORRUPT,
		  .quota_policy_id = BYTES("sound"),
		  .execution_id = BYTES("y"),
		  .lease_until_ms = 1 },
	};
	static const ffp_budget_row budgets[] = {
		{ .row.nulls = 1u << FFP_BUDGET_NEXT_RESET_AT,
		  .budget_id = BYTES("no period"),
		  .period = INT64_MAX - 1 },
		{ .row = { .state = FF_ROW_CORRUPT, .nulls = 1u << FFP_BUDGET_NEXT_RESET_AT },
		  .budget_id = BYTES("not read"),
		  .period = 2 },
		{ .row.nulls = 1u << FFP_BUDGET_NEXT_RESET_AT, .budget_id = BYTES("sound"), .period = 2 },
	};
	static const ffp_ledger_row ledgers[] = {
		{ .budget_id = BYTES("no budget"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a") },
		{ .budget_id = BYTES("no period"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a") },
		{ .budget_id = BYTES("not read"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a") },
		{ .budget_id = BYTES("sound"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a") },
	};
	static const ffp_entry_row unread_entry = { .row.state = FF_ROW_CORRUPT, .quota_policy_id = BYTES("sound") };
	static const ffp_key_row unread_key = { .row.state = FF_ROW_CORRUPT,
		                                .dedup_key = BYTES("k"),
		                                .budget_id = BYTES("b") };
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	for (size_t i = 0; i < COUNT_OF(quotas); i++)
		ffp_fake_put(fake, FFP_QUOTA_POLICY, &quotas[i].row);
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &slots[i].row);
	for (size_t i = 0; i < COUNT_OF(budgets); i++)
		ffp_fake_put(fake, FFP_BUDGET_POLICY, &budgets[i].row);
	for (size_t i = 0; i < COUNT_OF(ledgers); i++)
		ffp_fake_put(fake, FFP_BUDGET_USAGE_BY_EXEC, &ledgers[i].row);
	FF_CHECK_STR(t, ffp_quota(t, e, "counts none"), "in_window=0 active=0 next=now");
	ffp_fake_put(fake, FFP_QUOTA_WINDOW, &unread_entry.row);
	ffp_fake_put(fake, FFP_BUDGET_USAGE_DEDUP, &unread_key.row);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=1");
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_BUDGET_USAGE_BY_EXEC), COUNT_OF(ledgers) - 1);
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_QUOTA_ADMITTED), COUNT_OF(slots) - 1);
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_QUOTA_WINDOW), 1);
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_BUDGET_USAGE_DEDUP), 1);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* Nor does a release take what its policy does not count, or a count go below zero. */
static void release_of_a_slot_that_is_not_counted(ff_test *t)
{
	static const ffp_quota_row counts_none = { .quota_policy_id = BYTES("q"), .limits_stored = 1 };
	static const ffp_slot_row held = { .row.nulls = 1u << FFP_SLOT_LEASE_UNTIL,
		                           .quota_policy_id = BYTES("q"),
		                           .execution_id = BYTES("x"),
		                           .expires_at_ms = INT64_MAX };
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &held.row);
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "!corrupt"); /* there is no policy */
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &counts_none.row);
	const char *before = ffp_fake_dump(t, fake);
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), before);
}

/* Nor is a slot that cannot be read given to another, alone or beside a call of its own execution: nobody knows that its
 * lease is over. */
static void admission_leaves_a_slot_that_cannot_be_read(ff_test *t)
{
	static const ffp_quota_row full = {
		.quota_policy_id = BYTES("q"), .active_concurrency_cap = 1, .active_concurrency = 1, .limits_stored = 1
	};
	static const ffp_slot_row unread = { .row.state = FF_ROW_CORRUPT,
		                             .quota_policy_id = BYTES("q"),
		                             .execution_id = BYTES("x") };
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_POLICY, &full.row);
	ffp_fake_put(ffp_fake_of(t), FFP_QUOTA_ADMITTED, &unread.row);
	const char *before = ffp_fake_dump(t, ffp_fake_of(t));
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", ""), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	ff_admission admissions[] = { FF_ADMISSION_INIT, FF_ADMISSION_INIT };
	ff_admission_outcome outcome = { FF_ADMITTED, 0 };
	admissions[0].quota_policy_id = admissions[1].quota_policy_id = "q";
	admissions[0].execution_id = "x";
	admissions[1].execution_id = "y";
	ff_call calls[] = { { .op = FF_OP_ADMIT, .in.admission = &admissions[0] },
		            { .op = FF_OP_ADMIT, .in.admission = &admissions[1], .out.admission = &outcome } };
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 2, ff_test_error(t)));
	FF_CHECK_CODE(t, calls[0].code, FF_E_CORRUPT);
	FF_CHECK_CODE(t, calls[1].code, FF_OK);
	FF_CHECK_EQ_INT(t, outcome.kind, FF_CONCURRENCY_EXCEEDED);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), before);
}

static const ff_case cases[] = {
	CASE(rows_of_a_quota_at_fault, "FF-MT-4", 0),
	CASE(purge_leaves_what_cannot_be_trusted, "FF-MT-1 FF-MT-4", 0),
	CASE(release_of_a_slot_that_is_not_counted, "FF-QA-5", 0),
	CASE(admission_leaves_a_slot_that_cannot_be_read, "FF-QA-5 FF-RU-14", 0),
	CASE(impossible_columns_are_found, "FF-MT-4 FF-LIM-1", 0),
	CASE(admission_on_a_number_in_use, "FF-ERR-4 FF-QA-7", 0),
	CASE(check_tells_a_row_once, "FF-MT-4", 0),
	CASE(check_tells_a_row_once_under_contention, "FF-MT-4 FF-ERR-4", 0),
};

FAMILY(ffp_tests_check, cases);
