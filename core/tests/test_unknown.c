/*
 * Commits whose fate is unknown: a call with a key reads it back and knows, what has none is told, and whatever is sent
 * again is charged once (FF-ERR-2).
 */
#include "tests.h"

static void plan_unknown(bool done, uint64_t at)
{
	ffp_fault_set(FFP_SLOT_COMMIT, at, FF_E_COMMIT_UNKNOWN);
	ffp_fault.done = done;
}

/* A keyed call reads its key back, and knows. */
static void unknown_commit_with_a_key(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5"), "created");
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok");
	FF_CHECK_EQ_INT(t, ffp_fault.seen, 2); /* what it found lasts */
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok replayed"); /* there was nothing to happen */
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	plan_unknown(false, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=4"), "soft a 8/5"); /* it did not happen, and was done again */
	FF_CHECK_EQ_INT(t, ffp_fault.seen, 2);
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "a=4"), "hard a 8/10");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "n", "c=1"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=8 c=1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=1 last=a@1000000");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok replayed");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static void say_retryable(ff_error *error)
{
	error->retryable = true;
}

/* It is known then that nothing was changed, and whether to try again the store says. */
static void unknown_commit_until_attempts_are_out(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	plan_unknown(false, 1);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "!io");
	FF_CHECK(t, !ff_test_error(t)->retryable);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 3);
	ffp_fault.scribble = say_retryable;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "!io");
	FF_CHECK(t, ff_test_error(t)->retryable);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok");
}

/* Sent again it could be charged twice, whatever the store says. */
static void unknown_commit_without_a_key(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	for (int done = 0; done < 2; done++) {
		plan_unknown(done, 1);
		ffp_fault.scribble = say_retryable;
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "!commit_unknown");
		FF_CHECK(t, !ff_test_error(t)->retryable);
		FF_CHECK_EQ_INT(t, ffp_fault.seen, 1);
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), done ? "a=4" : "");
	}
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!commit_unknown");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

/* What was remembered of the rows before such a commit is not what they are: what it did counts in the next call. */
static void unknown_commit_is_not_forgotten(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "ok");
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "!commit_unknown");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "hard a 4/10");
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=5"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=6");
}

/* A key that was used before its time was over tells nothing; the caller may send it again, and is charged once. */
static void unknown_commit_of_an_expired_key(ff_test *t)
{
	for (int done = 0; done < 2; done++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok");
		ff_test_set_time(t, ff_test_time(t) + DAY_MS);
		plan_unknown(done, 1);
		const char *answer = ffp_report(t, e, "b", "k", "a=4");
		if (strcmp(answer, "!commit_unknown") == 0) {
			FF_CHECK(t, ff_test_error(t)->retryable);
			answer = ffp_report(t, e, "b", "k", "a=4");
		}
		FF_CHECK(t, strncmp(answer, "ok", 2) == 0);
		FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=8");
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* Nor does a refusal that is decided anew: it is as before where nothing happened. */
static void unknown_commit_of_a_refusal_that_is_tried_again(ff_test *t)
{
	const ff_amount amounts[] = { { "a", 1 }, { "a", 9 } };
	ff_report_result results[2];
	const ff_report reports[] = { { .budget_id = "b", .amounts = &amounts[0], .amounts_count = 1 },
		                      { .budget_id = "b",
		                        .amounts = &amounts[1],
		                        .amounts_count = 1,
		                        .idempotency_key = "k",
		                        .retry_refused = true } };
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=3"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=9"), "hard a 0/3");
	plan_unknown(false, 1);
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, reports, 2, results, NULL, ff_test_error(t)),
	              FF_E_COMMIT_UNKNOWN);
	FF_CHECK(t, results[0].code == FF_E_COMMIT_UNKNOWN && results[1].code == FF_E_COMMIT_UNKNOWN);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
}

/* Where the key cannot be read back, it stays unknown. */
static void unknown_commit_that_cannot_be_read_back(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	plan_unknown(true, 1);
	ffp_fault.then = FFP_SLOT_LOAD;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "!commit_unknown");
	FF_CHECK(t, ff_test_error(t)->retryable);
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok replayed");
	plan_unknown(false, 1);
	ffp_fault.then = FFP_SLOT_BEGIN;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=4"), "!commit_unknown");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "a=4"), "ok");
	plan_unknown(true, 1);
	ffp_fault.then = FFP_SLOT_COMMIT; /* it is found, and may not last */
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "a=4"), "!commit_unknown");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "a=4"), "ok replayed");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* One key of a batch tells of all of it: a batch is one transaction. That of a call which fails is not used. */
static void unknown_commit_of_a_batch(ff_test *t)
{
	for (int done = 0; done < 2; done++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		const ff_amount amount = { "a", 1 }, too_much = { "a", MAX_AMOUNT };
		ff_report reports[4];
		ff_report_result results[4];
		for (size_t i = 0; i < COUNT_OF(reports); i++)
			reports[i] = (ff_report){ .budget_id = "b",
				                  .amounts = i == 3 ? &too_much : &amount,
				                  .amounts_count = 1,
				                  .idempotency_key = i == 1   ? "k"
				                                     : i == 3 ? "l"
				                                              : NULL };
		plan_unknown(done, 1);
		FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, reports, 4, results, NULL, ff_test_error(t)), FF_OK);
		for (size_t i = 0; i < 3; i++)
			FF_CHECK(t, results[i].code == FF_OK && results[i].outcome.applied &&
			                !results[i].outcome.replayed);
		FF_CHECK_CODE(t, results[3].code, FF_E_OVERFLOW);
		FF_CHECK_EQ_INT(t, ffp_fault.seen, 2);
		FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* What another has written under the first key meanwhile: the row of this batch, but for one column. */
enum { DIGEST, OUTCOME, APPLIED_AT, EXPIRES_AT, COLUMNS };
static int changed;

static void change_key(ff_read *reads, size_t count)
{
	ffp_key_row *row = count && reads[0].table->id == FFP_BUDGET_USAGE_DEDUP ? (ffp_key_row *)reads[0].row : NULL;
	if (!row)
		return;
	row->payload_digest += changed == DIGEST;
	if (changed == OUTCOME)
		row->outcome_json = (ff_text)BYTES("{}");
	row->applied_at_ms -= changed == APPLIED_AT;
	row->expires_at_ms += changed == EXPIRES_AT;
	ffp_fault.mangle = NULL;
}

/* Only where all rows are those that the commit would have written has it happened: else the batch is decided again. */
static void unknown_commit_beside_another_of_a_key(ff_test *t)
{
	const ff_amount amount = { "a", 1 };
	const ff_report reports[] = {
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" },
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "l" },
	};
	for (changed = 0; changed <= COLUMNS; changed++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		ff_report_result results[2];
		plan_unknown(true, 1);
		ffp_fault.mangle = change_key;
		FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, reports, 2, results, NULL, ff_test_error(t)), FF_OK);
		FF_CHECK(t, !ffp_fault.mangle);
		for (size_t i = 0; i < COUNT_OF(results); i++) {
			FF_CHECK_CODE(t, results[i].code, FF_OK);
			FF_CHECK(t, results[i].outcome.replayed == (changed != COLUMNS));
		}
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* An import whose end may have come about, and which cannot find out: what is wrong then is not that nothing happened. */
static void unknown_end_of_an_import(ff_test *t)
{
	static const ffp_slot_id then[] = { FFP_SLOT_BEGIN, FFP_SLOT_LOAD };
	const char *lines = "{\"budget_id\":\"b\",\"current_value\":7,\"dimensions_key\":\"a\",\"period\":0,"
			    "\"table\":\"ff_budget_usage\",\"updated_at_ms\":5}\n"
			    "{\"lines\":1,\"table\":\"end\"}\n";
	for (size_t i = 0; i < COUNT_OF(then); i++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		plan_unknown(true, 3); /* behind the beginning, and the line */
		ffp_fault.then = then[i];
		FF_CHECK_STR(t, ffp_import(t, e, lines), "!commit_unknown");
		FF_CHECK_CODE(t, ff_test_error(t)->code, FF_E_COMMIT_UNKNOWN);
		ffp_fault_clear();
		FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* Where the end is looked for another has begun. */
static void begin_another(ff_read *reads, size_t count)
{
	for (size_t i = 0; ffp_fault.hits && i < count; i++)
		if (reads[i].table->id == FFP_SWEEP && reads[i].row)
			((ffp_sweep_row *)reads[i].row)->last_number ^= 1;
}

/* Which is what is told then: it is known that this one has not ended. */
static void unknown_end_of_an_import_before_another(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	plan_unknown(false, 3); /* behind the beginning, and no lines */
	ffp_fault.mangle = begin_another;
	FF_CHECK_STR(t, ffp_import(t, e, ""), "!misuse");
	FF_CHECK_STR(t, ff_test_error(t)->message, "another import has begun in the store meanwhile");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
}

/* Another process sends a refused call again and has it decided anew, before this one has read its key back; by its own
 * clock, which may be behind. */
static int64_t anew_later_ms;

static void decide_anew(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ffp_key_row *row = (ffp_key_row *)reads[i].row;
		if (reads[i].table->id != FFP_BUDGET_USAGE_DEDUP || !row || row->dedup_key.data[0] != 'r')
			continue;
		row->outcome_json = (ff_text)BYTES("{\"kind\":\"Ok\"}");
		row->applied_at_ms += anew_later_ms;
		ffp_fault.mangle = NULL;
	}
}

/* A refusal that was decided anew since is still this batch's, by its first use; the charges beside it were made. */
static void unknown_commit_of_a_refusal_that_is_replaced(ff_test *t)
{
	const ff_amount amounts[] = { { "a", 1 }, { "a", 9 } };
	ff_report_result results[2];
	const ff_report reports[] = {
		{ .budget_id = "b", .amounts = &amounts[0], .amounts_count = 1 },
		{ .budget_id = "b", .amounts = &amounts[1], .amounts_count = 1, .idempotency_key = "r" },
	};
	for (anew_later_ms = -1; anew_later_ms <= 1; anew_later_ms++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		FF_CHECK_STR(t, ffp_create(t, e, "b", "a=9"), "created");
		plan_unknown(true, 1);
		ffp_fault.mangle = decide_anew;
		FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, reports, 2, results, NULL, ff_test_error(t)), FF_OK);
		FF_CHECK(t, !ffp_fault.mangle);
		FF_CHECK(t, results[0].code == FF_OK && results[0].outcome.applied);
		FF_CHECK(t, results[1].code == FF_OK && !results[1].outcome.applied && !results[1].outcome.replayed);
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1");
		FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=0 last=a@1000000");
		FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* By the time that the key is read back it is over, and another process has purged it. */
static ff_test *slow;

static void purge_key(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (reads[i].table->id != FFP_BUDGET_USAGE_DEDUP || !reads[i].row)
			continue;
		reads[i].row = NULL;
		ff_test_set_time(slow, ff_test_time(slow) + 10);
		ffp_fault.mangle = NULL;
	}
}

/* A key that is not there, and would not be if the batch had happened, tells nothing. */
static void unknown_commit_of_a_key_that_is_over(ff_test *t)
{
	ff_engine_options options = ffp_options_with(3);
	options.key_ttl_ms = 10;
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	plan_unknown(true, 1);
	ffp_fault.mangle = purge_key;
	slow = t;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "!commit_unknown");
	FF_CHECK(t, !ffp_fault.mangle);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static const ff_case cases[] = {
	CASE(unknown_commit_with_a_key, "FF-ERR-2", 0),
	CASE(unknown_commit_until_attempts_are_out, "FF-ERR-2", 0),
	CASE(unknown_commit_without_a_key, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_is_not_forgotten, "FF-ERR-2 FF-RU-13", 0),
	CASE(unknown_commit_of_an_expired_key, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_of_a_refusal_that_is_tried_again, "FF-ERR-5 FF-RU-5", 0),
	CASE(unknown_commit_that_cannot_be_read_back, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_of_a_batch, "FF-ERR-2", 0),
	CASE(unknown_commit_beside_another_of_a_key, "FF-ERR-5", 0),
	CASE(unknown_end_of_an_import, "FF-ERR-2 FF-ERR-5", 0),
	CASE(unknown_end_of_an_import_before_another, "FF-MT-5 FF-ERR-5", 0),
	CASE(unknown_commit_of_a_key_that_is_over, "FF-ERR-5 FF-RU-4", 0),
	CASE(unknown_commit_of_a_refusal_that_is_replaced, "FF-ERR-5 FF-RU-5", 0),
};

FAMILY(ffp_tests_unknown, cases);
