/*
 * Whatever fails, and whenever: the N-th call of each slot and the N-th allocation, N rising until a run is clean.
 * After an error nothing is changed, the same call with the same key may be sent again, and in the end the books are
 * those of a run in which nothing failed (FF-ERR-2).
 */
#include <stdio.h>

#include "tests.h"

/* ---- the script --------------------------------------------------------------------------------------------- */

typedef struct act {
	ff_test *test;
	ff_engine *engine;
	ff_error error;
} act;

static ff_code send_report(act *on, const char *key, uint64_t a, uint64_t z)
{
	const ff_amount amounts[] = { { "z", z }, { "a", a } };
	const ff_report report = { .budget_id = "b", .amounts = amounts, .amounts_count = 2, .idempotency_key = key };
	return ff_engine_report_usage(on->engine, &report, NULL, &on->error);
}

static ff_code create_budget(act *on)
{
	const ff_limit limits[] = { { "z", 100, 0 }, { "a", 50, 10 } };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "b";
	spec.reset_interval_ms = 1000;
	spec.limits = limits;
	spec.limits_count = 2;
	return ff_engine_create_budget(on->engine, &spec, NULL, &on->error);
}

static ff_code report_ok(act *on)
{
	return send_report(on, "key 1", 5, 5);
}

static ff_code report_soft(act *on)
{
	return send_report(on, "key 2", 20, 0);
}

static ff_code report_hard(act *on)
{
	return send_report(on, "key 3", 40, 1);
}

static ff_code report_again(act *on)
{
	return send_report(on, "key 1", 5, 5);
}

static ff_code report_without_key(act *on)
{
	return send_report(on, NULL, 1, 1);
}

static ff_code spend(act *on)
{
	const ff_amount amounts[] = { { "a", 3 }, { "other", 4 } };
	const ff_spend spent = {
		.report = { .budget_id = "b", .amounts = amounts, .amounts_count = 2, .idempotency_key = "key 4" },
		.execution_id = "x"
	};
	return ff_engine_record_spend(on->engine, &spent, NULL, &on->error);
}

/* Not to be sent twice, for the second finds nothing: an answer that was lost would be lost for good. */
static ff_code release(act *on)
{
	const ff_released *released = NULL;
	ff_code code = ff_engine_release_budget(on->engine, "b", "x", &released, &on->error);
	if (code == FF_OK)
		FF_CHECK_STR(on->test, ffp_show_amounts(on->test, released->amounts, released->amounts_count),
		             "a=3 other=4");
	else
		FF_CHECK(on->test, released == NULL);
	ff_free(released);
	return code;
}

static ff_code reset(act *on)
{
	return ff_engine_reset_budget(on->engine, "b", FF_TEST_START_MS + 10, NULL, &on->error);
}

static ff_code create_quota(act *on)
{
	ff_quota_spec spec = FF_QUOTA_SPEC_INIT;
	spec.quota_policy_id = "q";
	spec.limits = (ff_quota_limits){ .window_seconds = 1, .max_requests_per_window = 3, .max_concurrent = 2 };
	return ff_engine_create_quota_policy(on->engine, &spec, NULL, &on->error);
}

static ff_code admit(act *on, const char *execution_id, int64_t lease_ms)
{
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = execution_id;
	admission.lease_ms = lease_ms;
	return ff_engine_admit(on->engine, &admission, NULL, &on->error);
}

static ff_code admit_x(act *on)
{
	return admit(on, "x", 0);
}

static ff_code admit_y(act *on)
{
	return admit(on, "y", 5);
}

static ff_code admit_z(act *on)
{
	return admit(on, "z", 5000); /* takes the slot of y, whose lease is over by then */
}

static ff_code release_x(act *on)
{
	bool held = false;
	ff_code code = ff_engine_release_admission(on->engine, "q", "x", 0, &held, &on->error);
	FF_CHECK(on->test, code != FF_OK || held);
	return code;
}

/* A list of a kind each; what fails as a whole is each call's error. */
static ff_code submit(act *on)
{
	const ff_amount amount = { "a", 2 };
	const ff_report good = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "key 5" };
	const ff_report bad = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "key 1" };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	const ff_limit limit = { "n", 5, 0 };
	spec.budget_id = "new";
	spec.limits = &limit;
	spec.limits_count = 1;
	ff_error errors[4];
	memset(errors, 0xff, sizeof(errors));
	ff_call calls[] = {
		{ .op = FF_OP_REPORT_USAGE, .in.report = &good, .error = &errors[0] },
		{ .op = FF_OP_REPORT_USAGE, .in.report = &bad, .error = &errors[1] },
		{ .op = FF_OP_CREATE_BUDGET, .in.create_budget = &spec, .error = &errors[2] },
		{ .op = FF_OP_RELEASE_BUDGET,
		  .in.target = { .id = "b", .execution_id = "nobody" },
		  .error = &errors[3] },
	};
	ff_code code = ff_engine_submit(on->engine, calls, COUNT_OF(calls), &on->error);
	ff_code worst = code;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		FF_CHECK(on->test, calls[i].code == FF_OK || errors[i].code == calls[i].code);
		if (i != 1 && code == FF_OK && calls[i].code != FF_OK) {
			worst = calls[i].code; /* its own: memory that was out before it was queued */
			on->error = errors[i];
		}
	}
	if (code == FF_OK && worst == FF_OK)
		FF_CHECK_EQ_INT(on->test, calls[1].code, FF_E_KEY_CONFLICT);
	return worst;
}

static ff_code tick(act *on)
{
	return ff_engine_tick(on->engine, FF_TEST_START_MS + 90000000, 0, NULL, &on->error);
}

static ff_code get_status(act *on)
{
	const ff_budget_status *status = NULL;
	ff_code code = ff_engine_get_budget_status(on->engine, "b", &status, &on->error);
	FF_CHECK(on->test, (code == FF_OK) == (status != NULL));
	ff_free(status);
	return code;
}

static ff_code list_budgets(act *on)
{
	const ff_budget_page *page = NULL;
	ff_code code = ff_engine_list_budgets(on->engine, NULL, 10, &page, &on->error);
	FF_CHECK(on->test, (code == FF_OK) == (page != NULL));
	ff_free(page);
	return code;
}

static ff_code get_quota(act *on)
{
	const ff_quota_status *status = NULL;
	ff_code code = ff_engine_get_quota_status(on->engine, "q", &status, &on->error);
	ff_free(status);
	return code;
}

static ff_code list_quotas(act *on)
{
	const ff_quota_page *page = NULL;
	ff_code code = ff_engine_list_quotas(on->engine, NULL, 10, &page, &on->error);
	ff_free(page);
	return code;
}

static ff_code drop_line(void *context, const char *line, size_t size, ff_error *error)
{
	(void)line;
	(void)error;
	*(size_t *)context += size;
	return FF_OK;
}

static ff_code export(act *on)
{
	size_t size = 0;
	return ff_engine_export(on->engine, 0, drop_line, &size, &on->error);
}

static void note_problem(void *context, const char *problem)
{
	act *on = context;
	FF_CHECK_STR(on->test, problem, "none");
}

static ff_code check(act *on)
{
	return ff_engine_check(on->engine, note_problem, on, &on->error);
}

static const struct {
	const char *name;
	ff_code (*run)(act *on);
	int64_t at_ms; /* the time that it is done at, after the start */
	bool in_parts; /* of several transactions, so that what came before the error stays */
	bool gives;    /* lines away as it reads them, so that it cannot begin again after contention */
} script[] = {
	{ "create_budget", create_budget, 0, false, false },
	{ "report_ok", report_ok, 1, false, false },
	{ "report_soft", report_soft, 2, false, false },
	{ "report_hard", report_hard, 3, false, false },
	{ "report_again", report_again, 4, false, false },
	{ "spend", spend, 5, false, false },
	{ "release", release, 6, false, false },
	{ "reset", reset, 10, false, false },
	{ "report_without_key", report_without_key, 11, false, false },
	{ "create_quota", create_quota, 12, false, false },
	{ "admit_x", admit_x, 13, false, false },
	{ "admit_y", admit_y, 14, false, false },
	{ "admit_z", admit_z, 40, false, false },
	{ "release_x", release_x, 41, false, false },
	{ "submit", submit, 42, false, false },
	{ "get_status", get_status, 43, false, false },
	{ "list_budgets", list_budgets, 43, false, false },
	{ "get_quota", get_quota, 43, false, false },
	{ "list_quotas", list_quotas, 43, false, false },
	{ "export", export, 43, false, true },
	{ "check", check, 43, false, false },
	{ "report_in_a_new_period", report_without_key, 3000, false, false },
	{ "tick", tick, 3001, true, false },
	{ "report_after_the_tick", report_ok, 90000001, false, false },
};

/* Whether an error is one that may come of a fault of this code. */
typedef bool expect_fn(ff_code got, ff_code fault);

static bool same_code(ff_code got, ff_code fault)
{
	return got == fault;
}

static bool busy_for_conflict(ff_code got, ff_code fault)
{
	return got == (fault == FF_E_CONFLICT ? FF_E_BUSY : fault);
}

/* How often calls of a script failed. */
typedef struct failures {
	unsigned all;
	unsigned giving; /* of those that give lines away */
} failures;

/* Sends each call until it answers. */
static failures run_script(ff_test *t, ff_engine *e, ff_code fault, expect_fn *expected)
{
	ffp_fake *fake = ffp_fake_of(t);
	act on = { .test = t, .engine = e };
	failures failed = { 0, 0 };
	for (size_t i = 0; i < COUNT_OF(script); i++) {
		ff_test_set_time(t, FF_TEST_START_MS + script[i].at_ms);
		ff_code code = FF_E_IO;
		for (int attempt = 0; code != FF_OK && attempt < 3; attempt++) {
			const char *before = ffp_fake_dump(t, fake);
			memset(&on.error, 0xff, sizeof(on.error));
			code = script[i].run(&on);
			if (code == FF_OK)
				break;
			failed.all++;
			failed.giving += script[i].gives;
			bool good = FF_CHECK(t, expected(code, fault));
			good = FF_CHECK_EQ_INT(t, on.error.code, code) && good;
			good = FF_CHECK(t, *on.error.message && *on.error.operation) && good;
			if (!script[i].in_parts)
				good = FF_CHECK_STR(t, ffp_fake_dump(t, fake), before) && good;
			if (!good)
				ff_test_note(t, "%s: %s: %s", script[i].name, ff_code_name(code), on.error.message);
		}
		if (!FF_CHECK_EQ_INT(t, code, FF_OK))
			ff_test_note(t, "%s did not recover", script[i].name);
	}
	return failed;
}

/* The books of a run in which nothing fails. */
static const char *clean_books(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_EQ_INT(t, run_script(t, e, FF_OK, same_code).all, 0);
	const char *books = ffp_fake_dump(t, ffp_fake_of(t));
	ff_test_undo(t, e);
	ffp_fake_wipe(ffp_fake_of(t));
	return books;
}

static ff_engine_options options_with(uint32_t attempts)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.attempts = attempts;
	options.purge_rows_max = 2;
	return options;
}

static void plan_fault(ffp_slot_id slot, uint64_t at, ff_code code)
{
	ffp_fault_clear();
	ffp_fault.slot = slot;
	ffp_fault.code = code;
	ffp_fault.at = at;
}

/* Fails the N-th call of a slot with a code, N = 1 … until there is none; how many runs that took. */
static unsigned sweep(ff_test *t, const char *books, ffp_slot_id slot, ff_code code, uint32_t attempts)
{
	ffp_fake *fake = ffp_fake_of(t);
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = options_with(attempts);
	options.allocator = &memory->allocator;
	unsigned runs = 0;
	for (bool hit = true; hit; runs++) {
		ff_engine *e = ffp_open_faulty(t, &options);
		ff_test_set_time(t, FF_TEST_START_MS);
		plan_fault(slot, runs + 1, code);
		failures failed = run_script(t, e, code, busy_for_conflict);
		hit = ffp_fault.hits > 0;
		/* A key that was taken for fresh is looked up after a conflict, which takes no attempt. */
		bool fails = hit && attempts == 1 && (code != FF_E_CONFLICT || failed.all);
		FF_CHECK_EQ_INT(t, failed.all, fails ? 1 : failed.giving);
		FF_CHECK_STR(t, ffp_fake_dump(t, fake), books);
		if (!FF_CHECK_STR(t, ffp_fake_broken(fake), ""))
			ff_test_note(t, "slot %d, call %u, code %s", (int)slot, runs + 1, ff_code_name(code));
		ff_test_undo(t, e);
		FF_CHECK_EQ_INT(t, memory->live, 0);
		ffp_fake_wipe(fake);
		FF_REQUIRE(t, runs < 1000);
	}
	return runs;
}

static void every_slot_fails_once(ff_test *t)
{
	static const struct {
		ffp_slot_id slot;
		ff_code codes[8];
	} cases[] = {
		{ FFP_SLOT_BEGIN, { FF_E_BUSY, FF_E_IO, FF_E_NO_MEMORY } },
		{ FFP_SLOT_LOAD, { FF_E_BUSY, FF_E_CONFLICT, FF_E_CORRUPT, FF_E_IO, FF_E_NO_MEMORY } },
		{ FFP_SLOT_STORE, { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT, FF_E_IO, FF_E_NO_MEMORY } },
		{ FFP_SLOT_COMMIT, { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT, FF_E_IO, FF_E_NO_MEMORY } },
		{ FFP_SLOT_CHECK, { FF_E_BUSY, FF_E_CORRUPT, FF_E_IO } },
	};
	const char *books = clean_books(t);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (const ff_code *code = cases[i].codes; *code; code++)
			FF_CHECK(t,
			         sweep(t, books, cases[i].slot, *code, 1) > (cases[i].slot == FFP_SLOT_CHECK ? 1 : 15));
}

/* With the default attempts the caller sees nothing of contention that goes by. */
static void contention_goes_by(ff_test *t)
{
	const char *books = clean_books(t);
	for (int slot = FFP_SLOT_BEGIN; slot <= FFP_SLOT_COMMIT; slot++)
		sweep(t, books, (ffp_slot_id)slot, FF_E_BUSY, 3);
	for (int slot = FFP_SLOT_LOAD; slot <= FFP_SLOT_COMMIT; slot++)
		sweep(t, books, (ffp_slot_id)slot, FF_E_CONFLICT, 3);
	FF_CHECK(t, ff_test_sleeps(t) > 50);
}

/* ---- allocations -------------------------------------------------------------------------------------------- */

static bool no_memory(ff_code got, ff_code fault)
{
	(void)fault;
	return got == FF_E_NO_MEMORY;
}

/* The N-th allocation of the whole script fails, N = 1 … until there is none. */
static void every_allocation_fails_once(ff_test *t)
{
	const char *books = clean_books(t);
	ffp_fake *fake = ffp_fake_of(t);
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = options_with(1);
	options.allocator = &memory->allocator;
	unsigned failed = 0;
	for (uint64_t at = 1;; at++) {
		ff_test_set_time(t, FF_TEST_START_MS);
		memory->at = 0;
		ff_engine *e = ff_test_open(t, &options);
		memory->at = memory->taken + at;
		failed += run_script(t, e, FF_E_NO_MEMORY, no_memory).all;
		FF_CHECK_STR(t, ffp_fake_dump(t, fake), books);
		FF_CHECK_STR(t, ffp_fake_broken(fake), "");
		bool clean = memory->taken < memory->at;
		ff_test_undo(t, e);
		if (!FF_CHECK_EQ_INT(t, memory->live, 0) || !FF_CHECK_EQ_INT(t, memory->wrong, 0))
			ff_test_note(t, "allocation %" PRIu64, at);
		ffp_fake_wipe(fake);
		if (clean)
			break;
		FF_REQUIRE(t, at < 1000);
	}
	FF_CHECK(t, failed > 5);
}

/* All allocations fail from the N-th on, and then none: what was opened before goes on. */
static void memory_is_out_for_a_while(ff_test *t)
{
	ffp_fake *fake = ffp_fake_of((ff_test_open(t, NULL), t));
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = options_with(1);
	options.allocator = &memory->allocator;
	act on = { .test = t, .engine = ff_test_open(t, &options) };
	memory->repeat = true;
	memory->at = memory->taken + 1;
	for (size_t i = 0; i < COUNT_OF(script); i++) {
		if (script[i].run == check) /* which asks the store first, and that has nothing to say */
			continue;
		if (!FF_CHECK_EQ_INT(t, script[i].run(&on), FF_E_NO_MEMORY))
			ff_test_note(t, "%s", script[i].name);
	}
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), "");
	memory->at = 0;
	FF_CHECK_EQ_INT(t, run_script(t, on.engine, FF_OK, same_code).all, 0);
}

/* ---- attempts ----------------------------------------------------------------------------------------------- */

static void contention_that_stays(ff_test *t)
{
	static const struct {
		ffp_slot_id slot;
		ff_code code;
	} cases[] = {
		{ FFP_SLOT_BEGIN, FF_E_BUSY },      { FFP_SLOT_LOAD, FF_E_BUSY },     { FFP_SLOT_STORE, FF_E_BUSY },
		{ FFP_SLOT_COMMIT, FF_E_BUSY },     { FFP_SLOT_LOAD, FF_E_CONFLICT }, { FFP_SLOT_STORE, FF_E_CONFLICT },
		{ FFP_SLOT_COMMIT, FF_E_CONFLICT },
	};
	ff_engine *e = ffp_open_faulty(t, NULL);
	uint64_t sleeps = 0;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		plan_fault(cases[i].slot, 1, cases[i].code);
		ffp_fault.repeat = true;
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!busy");
		const ff_error *error = ff_test_error(t);
		FF_CHECK(t, error->code == FF_E_BUSY && error->retryable);
		FF_CHECK_STR(t, error->backend, "faulty");
		FF_CHECK_STR(t, error->operation, "report_usage");
		FF_CHECK_STR(t, error->id, "b");
		FF_CHECK_EQ_INT(t, ffp_fault.hits, 3);
		FF_CHECK_EQ_INT(t, ff_test_sleeps(t), sleeps + 2);
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, sleeps), 5);
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, sleeps + 1), 10);
		sleeps += 2;
	}
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.retries, sleeps);
}

static void attempts_can_be_set(ff_test *t)
{
	ff_engine_options options = options_with(6);
	options.backoff_ms = 7;
	ff_engine *e = ffp_open_faulty(t, &options);
	plan_fault(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "!busy");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 6);
	for (uint64_t i = 0; i < 5; i++)
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, i), 7u << i);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 5);
	ff_test_undo(t, e);
	options = options_with(40);
	options.backoff_ms = 60000;
	e = ffp_open_faulty(t, &options);
	plan_fault(FFP_SLOT_LOAD, 1, FF_E_BUSY);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!busy"); /* reads are tried again, too */
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 40);
	for (uint64_t i = 5; i < 5 + 39; i++)
		FF_CHECK_EQ_INT(t, ff_test_slept_ms(t, i), 60000); /* the longest */
}

/* What is no contention comes back at once. */
static void other_errors_are_not_tried_again(ff_test *t)
{
	static const ff_code codes[] = { FF_E_IO, FF_E_FULL, FF_E_CORRUPT, FF_E_NO_MEMORY };
	ff_engine *e = ffp_open_faulty(t, NULL);
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		plan_fault(FFP_SLOT_COMMIT, 1, codes[i]);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), ff_test_text(t, "!%s", ff_code_name(codes[i])));
		FF_CHECK_STR(t, ff_test_error(t)->message, "a fault that was planned");
		FF_CHECK(t, !ff_test_error(t)->retryable);
	}
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
}

/* A request keeps its time over all attempts (FF-CLK-1), and a deadline that passes meanwhile is kept. */
static void sleep_past_the_deadline(void *context, uint32_t ms)
{
	ff_test *t = context;
	ff_test_set_time(t, ff_test_time(t) + ms);
}

static int64_t now_of(void *context)
{
	return ff_test_time(context);
}

static void time_passes_between_attempts(ff_test *t)
{
	ff_engine_options options = options_with(3);
	const ff_clock clock = { .now_ms = now_of, .sleep_ms = sleep_past_the_deadline, .context = t };
	options.clock = &clock;
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	plan_fault(FFP_SLOT_COMMIT, 1, FF_E_BUSY);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_EQ_INT(t, ff_test_time(t), FF_TEST_START_MS + 5);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->last_breach_at_ms, FF_TEST_START_MS);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call call = { .op = FF_OP_REPORT_USAGE, .deadline_ms = ff_test_time(t) + 5, .in.report = &report };
	plan_fault(FFP_SLOT_COMMIT, 1, FF_E_BUSY);
	FF_CHECK_CODE(t, ff_engine_submit(e, &call, 1, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, call.code, FF_E_DEADLINE);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
}

/* ---- commits whose fate is unknown -------------------------------------------------------------------------- */

static void plan_unknown(bool done, uint64_t at)
{
	plan_fault(FFP_SLOT_COMMIT, at, FF_E_COMMIT_UNKNOWN);
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

static void unknown_commit_until_attempts_are_out(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	plan_unknown(false, 1);
	ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "!io"); /* it is known that nothing was changed */
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 3);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=4"), "ok");
}

static void unknown_commit_without_a_key(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	for (int done = 0; done < 2; done++) {
		plan_unknown(done, 1);
		FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=4"), "!commit_unknown");
		FF_CHECK(t, !ff_test_error(t)->retryable);
		FF_CHECK_EQ_INT(t, ffp_fault.seen, 1);
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), done ? "a=4" : "");
	}
	plan_unknown(true, 1);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!commit_unknown");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
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

/* One key of a batch tells of all of it: a batch is one transaction. */
static void unknown_commit_of_a_batch(ff_test *t)
{
	for (int done = 0; done < 2; done++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		const ff_amount amount = { "a", 1 };
		ff_report reports[3];
		ff_report_result results[3];
		for (size_t i = 0; i < COUNT_OF(reports); i++)
			reports[i] = (ff_report){ .budget_id = "b",
				                  .amounts = &amount,
				                  .amounts_count = 1,
				                  .idempotency_key = i == 1 ? "k" : NULL };
		plan_unknown(done, 1);
		FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, reports, 3, results, NULL, ff_test_error(t)), FF_OK);
		for (size_t i = 0; i < COUNT_OF(reports); i++)
			FF_CHECK(t, results[i].code == FF_OK && results[i].outcome.applied &&
			                !results[i].outcome.replayed);
		FF_CHECK_EQ_INT(t, ffp_fault.seen, 2);
		FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
		ff_test_undo(t, e);
		ffp_fake_wipe(ffp_fake_of(t));
	}
}

/* ---- backends that break their word ------------------------------------------------------------------------- */

static void undocumented_codes_are_io(ff_test *t)
{
	static const struct {
		ffp_slot_id slot;
		const char *name;
		ff_code allowed[10];
	} slots[] = {
		{ FFP_SLOT_BEGIN, "begin", { FF_E_BUSY, FF_E_FULL, FF_E_MISUSE } },
		{ FFP_SLOT_LOAD, "load", { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT } },
		{ FFP_SLOT_STORE, "store", { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT } },
		{ FFP_SLOT_COMMIT,
		  "commit",
		  { FF_E_BUSY, FF_E_CONFLICT, FF_E_FULL, FF_E_CORRUPT, FF_E_COMMIT_UNKNOWN } },
	};
	static const ff_code codes[] = { FF_E_INVALID,     FF_E_NOT_FOUND, FF_E_KEY_CONFLICT, FF_E_OVERFLOW,
		                         FF_E_CORRUPT,     FF_E_BUSY,      FF_E_FULL,         FF_E_IO,
		                         FF_E_UNAVAILABLE, FF_E_VERSION,   FF_E_NO_MEMORY,    FF_E_COMMIT_UNKNOWN,
		                         FF_E_DEADLINE,    FF_E_MISUSE,    FF_E_CONFLICT,     (ff_code)-1,
		                         (ff_code)15,      (ff_code)99,    (ff_code)101 };
	ff_engine_options options = options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	for (size_t s = 0; s < COUNT_OF(slots); s++) {
		for (size_t c = 0; c < COUNT_OF(codes); c++) {
			ff_code want = codes[c] == FF_E_IO || codes[c] == FF_E_NO_MEMORY ? codes[c] : FF_E_IO;
			for (size_t a = 0; slots[s].allowed[a]; a++)
				if (slots[s].allowed[a] == codes[c])
					want = codes[c] == FF_E_CONFLICT ? FF_E_BUSY : codes[c];
			plan_fault(slots[s].slot, 1, codes[c]);
			if (!FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"),
			                  ff_test_text(t, "!%s", ff_code_name(want))))
				ff_test_note(t, "%s answers %d", slots[s].name, (int)codes[c]);
			if (want == FF_E_IO && codes[c] != FF_E_IO)
				FF_CHECK_STR(
				    t, ff_test_error(t)->message,
				    ff_test_text(t,
				                 "backend 'faulty' answered %d, which is none of the codes of %s: "
				                 "a fault that was planned",
				                 (int)codes[c], slots[s].name));
		}
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A backend that says nothing about its error is spoken for. */
static void silent_errors_get_a_message(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	plan_fault(FFP_SLOT_LOAD, 1, FF_E_CORRUPT);
	ffp_fault.silent = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->message, "load failed");
	FF_CHECK_STR(t, ff_test_error(t)->backend, "faulty");
	plan_fault(FFP_SLOT_BEGIN, 1, FF_E_BUSY);
	ffp_fault.silent = ffp_fault.repeat = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!busy");
	FF_CHECK(t, ff_test_error(t)->retryable);
	plan_fault(FFP_SLOT_LOAD, 1, FF_E_VERSION);
	ffp_fault.silent = true;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!io");
	FF_CHECK_STR(t, ff_test_error(t)->message, "backend 'faulty' answered 10, which is none of the codes of load");
}

static void scribble_lines(ff_error *error)
{
	strcpy(error->message, "two\nlines\xff");
	strcpy(error->native_code, "\x1b[1m");
}

static void scribble_without_end(ff_error *error)
{
	memset(error->message, 'm', sizeof(error->message));
	memset(error->native_code, 'n', sizeof(error->native_code));
	memset(error->id, 'i', sizeof(error->id));
	memset(error->entity, 'e', sizeof(error->entity));
	error->retryable = true;
}

/* Whatever a backend wrote into the record: its texts end, and are lines. */
static void scribbled_errors_are_cleaned(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	const ff_error *error = ff_test_error(t);
	plan_fault(FFP_SLOT_LOAD, 1, FF_E_FULL);
	ffp_fault.scribble = scribble_lines;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!full");
	FF_CHECK_STR(t, error->message, "two?lines?");
	FF_CHECK_STR(t, error->native_code, "?[1m");
	plan_fault(FFP_SLOT_COMMIT, 1, FF_E_FULL);
	ffp_fault.scribble = scribble_without_end;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!full");
	FF_CHECK_EQ_INT(t, strnlen(error->message, sizeof(error->message)), sizeof(error->message) - 1);
	FF_CHECK_EQ_INT(t, strnlen(error->native_code, sizeof(error->native_code)), sizeof(error->native_code) - 1);
	FF_CHECK_STR(t, error->backend, "faulty");
	FF_CHECK(t, error->retryable);
	plan_fault(FFP_SLOT_STORE, 1, FF_E_VERSION); /* none of its codes: the message gets a prefix */
	ffp_fault.scribble = scribble_lines;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!io");
	FF_CHECK_STR(t, error->message,
	             "backend 'faulty' answered 10, which is none of the codes of store: two?lines?");
}

static void answer_too_many(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (reads[i].kind == FF_READ_RANGE && reads[i].limit != UINT32_MAX)
			reads[i].rows_count = (size_t)reads[i].limit + 1;
}

/* More rows than were asked for would make a bounded call unbounded. */
static void too_many_rows_are_io(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	const ff_budget_page *page = NULL;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	ffp_fault.mangle = answer_too_many;
	FF_CHECK_CODE(t, ff_engine_list_budgets(e, NULL, 1, &page, ff_test_error(t)), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->message, "backend 'faulty' answered 3 rows of at most 2");
	FF_CHECK_STR(t, ff_test_error(t)->backend, "faulty");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "!io");
	FF_CHECK_STR(t, ff_test_error(t)->operation, "tick");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- rows that cannot be trusted ---------------------------------------------------------------------------- */

/* A row of which the key holds, and the rest is what a backend left there. */
static void put_corrupt_budget(ff_test *t, const char *id, int64_t next_reset_at_ms)
{
	const ffp_budget_row row = { .row.state = FF_ROW_CORRUPT,
		                     .budget_id = { id, strlen(id) },
		                     .next_reset_at_ms = next_reset_at_ms };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_POLICY, &row.row);
}

static void corrupt_rows_fail_their_calls(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	put_corrupt_budget(t, "b", 1);
	const ffp_usage_row usage = { .row.state = FF_ROW_CORRUPT,
		                      .budget_id = BYTES("u"),
		                      .dimensions_key = BYTES("a") };
	const ffp_key_row key = { .row.state = FF_ROW_CORRUPT, .dedup_key = BYTES("k"), .budget_id = BYTES("u") };
	const ffp_ledger_row ledger = { .row.state = FF_ROW_CORRUPT,
		                        .budget_id = BYTES("u"),
		                        .execution_id = BYTES("x"),
		                        .dimensions_key = BYTES("c") };
	const ffp_quota_row quota = { .row.state = FF_ROW_CORRUPT, .quota_policy_id = BYTES("q") };
	ffp_fake_put(fake, FFP_BUDGET_USAGE, &usage.row);
	ffp_fake_put(fake, FFP_BUDGET_USAGE_DEDUP, &key.row);
	ffp_fake_put(fake, FFP_BUDGET_USAGE_BY_EXEC, &ledger.row);
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &quota.row);
	FF_CHECK_STR(t, ffp_create(t, e, "u", "a=5"), "created");
	const char *before = ffp_fake_dump(t, fake);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ff_test_error(t)->id, "b");
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "!corrupt");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!corrupt");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "u", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "u"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "u", "k", "z=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_spend(t, e, "u", "x", "", "c=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_release(t, e, "u", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "!corrupt");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", "window=1 max=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "!corrupt");
	FF_CHECK_STR(t, ffp_export(t, e, 0), "!corrupt");
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), before);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* Fails all loads from the 200th on, so that a tick that never ends does end. */
static void end_what_does_not_end(void)
{
	plan_fault(FFP_SLOT_LOAD, 200, FF_E_IO);
	ffp_fault.repeat = true;
}

/*
 * A row that cannot be read has nothing that can be trusted but its key: the time that it is due at is not among it,
 * and tick must get past it all the same, however small its slices are.
 */
static void tick_passes_over_corrupt_budgets(ff_test *t)
{
	ff_engine_options options = options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "a", "a=5 @reset=1"), "created");
	put_corrupt_budget(t, "b", 0);
	put_corrupt_budget(t, "c", 0);
	FF_CHECK_STR(t, ffp_create(t, e, "d", "a=5 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	end_what_does_not_end();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=2 keys=0 admissions=0");
}

/* What load answers of a row that it found by an index: its key and the index's columns, and no more. */
static void forget_the_time(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t r = 0; r < reads[i].rows_count; r++) {
			ffp_budget_row *row = (ffp_budget_row *)reads[i].rows[r];
			if (reads[i].table->id != FFP_BUDGET_POLICY || row->budget_id.data[0] != 'c')
				continue;
			*row = (ffp_budget_row){ .row.state = FF_ROW_CORRUPT,
				                 .budget_id = row->budget_id,
				                 .next_reset_at_ms = row->next_reset_at_ms };
		}
	}
}

static void tick_passes_over_unreadable_budgets(ff_test *t)
{
	ff_engine_options options = options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	for (char id[] = "a"; id[0] < 'f'; id[0]++)
		FF_CHECK_STR(t, ffp_create(t, e, id, "a=5 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	end_what_does_not_end();
	ffp_fault.mangle = forget_the_time;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=4 failed=1 keys=0 admissions=0");
}

/* A purge leaves a policy that cannot be read as it is, for check to find. */
static void purge_leaves_corrupt_policies_alone(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_quota_row policy = { .row.state = FF_ROW_CORRUPT,
		                       .quota_policy_id = BYTES("q"),
		                       .active_concurrency = 5 };
	const ffp_slot_row slot = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("x"), .lease_until_ms = 1 };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &policy.row);
	ffp_fake_put(fake, FFP_QUOTA_ADMITTED, &slot.row);
	ffp_tick(t, e, 0, 0);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK(t, strstr(ffp_fake_dump(t, fake), "quota_policy (corrupt)") != NULL);
}

/* A key that no call could have made, put into the store by hand: tick gets past it. */
static void tick_passes_over_endless_keys(ff_test *t)
{
	ff_engine_options options = options_with(1);
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	const char *endless = ffp_name_of_size(t, 'k', 300);
	ffp_key_row row = { .dedup_key = { endless, 300 }, .budget_id = BYTES("b"), .expires_at_ms = INT64_MAX };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	row = (ffp_key_row){ .dedup_key = BYTES("z"), .budget_id = BYTES("b"), .expires_at_ms = 1 };
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	end_what_does_not_end();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=1 admissions=0");
}

/* A place that cannot be read is as if there were none, and is written anew. */
static void tick_replaces_a_corrupt_place(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_sweep_row place = { .row.state = FF_ROW_CORRUPT, .work = BYTES("ff_budget_usage_dedup") };
	ffp_fake_put(fake, FFP_SWEEP, &place.row);
	for (char key[] = "a"; key[0] < 'e'; key[0]++) {
		const ffp_key_row row = { .dedup_key = { key, 1 }, .budget_id = BYTES("b"), .expires_at_ms = 1 };
		ffp_fake_put(fake, FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 2), "resets=0 failed=0 keys=2 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=2 admissions=0");
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* ---- import ------------------------------------------------------------------------------------------------- */

static ff_code fail_without_a_word(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	(void)line;
	(void)size;
	(void)error;
	return FF_E_IO;
}

static void import_whose_reader_fails(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	uint64_t imported = 77;
	memset(ff_test_error(t), 0xff, sizeof(ff_error));
	FF_CHECK_CODE(t, ff_engine_import(e, fail_without_a_word, NULL, &imported, ff_test_error(t)), FF_E_IO);
	FF_CHECK_EQ_INT(t, imported, 0);
	FF_CHECK_EQ_INT(t, ff_test_error(t)->code, FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->operation, "import");
}

static void import_refuses_a_row_twice(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	const char *lines = ffp_export(t, e, 0);
	ffp_fake_wipe(ffp_fake_of(t));
	FF_CHECK_STR(t, ffp_import(t, e, ff_test_text(t, "%s%s", lines, lines)), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "line 2 repeats a row");
	FF_CHECK_STR(t, ffp_import(t, e, lines), "1");
}

/* An import that fails anywhere can be run again, and ends as if it had not failed. */
static void import_can_be_run_again(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, &(ff_engine_options){ .size = sizeof(ff_engine_options), .attempts = 1 });
	ffp_fake *fake = ffp_fake_of(t);
	run_script(t, e, FF_OK, same_code);
	for (unsigned i = 0; i < 600; i++)
		ffp_report(t, e, ff_test_text(t, "more %u", i), "", "a=1");
	const char *lines = ffp_export(t, e, 0);
	ffp_fake_wipe(fake);
	FF_CHECK(t, ffp_import(t, e, lines)[0] != '!');
	const char *books = ffp_fake_dump(t, fake);
	FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
	for (int slot = FFP_SLOT_BEGIN; slot <= FFP_SLOT_COMMIT; slot++) {
		for (uint64_t at = 1;; at++) {
			ffp_fake_wipe(fake);
			plan_fault((ffp_slot_id)slot, at, FF_E_IO);
			const char *answer = ffp_import(t, e, lines);
			if (ffp_fault.hits == 0)
				break;
			FF_CHECK_STR(t, answer, "!io");
			FF_CHECK(t, ffp_import(t, e, lines)[0] != '!');
			FF_CHECK_STR(t, ffp_fake_dump(t, fake), books);
			FF_CHECK_STR(t, ffp_fake_broken(fake), "");
		}
	}
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_import(t, e, lines), "!invalid"); /* the store is not empty */
	FF_CHECK_STR(t, ffp_fake_dump(t, fake), books);
}

static const ff_case cases[] = {
	CASE(every_slot_fails_once, "FF-ERR-2 FF-RU-12", 0),
	CASE(contention_goes_by, "FF-ERR-4", 0),
	CASE(every_allocation_fails_once, "FF-ERR-2", 0),
	CASE(memory_is_out_for_a_while, "FF-ERR-2", 0),
	CASE(contention_that_stays, "FF-ERR-1 FF-ERR-4", 0),
	CASE(attempts_can_be_set, "FF-ERR-4", 0),
	CASE(other_errors_are_not_tried_again, "FF-ERR-1 FF-ERR-4", 0),
	CASE(time_passes_between_attempts, "FF-CLK-1 FF-ERR-4", 0),
	CASE(unknown_commit_with_a_key, "FF-ERR-2", 0),
	CASE(unknown_commit_until_attempts_are_out, "FF-ERR-2", 0),
	CASE(unknown_commit_without_a_key, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_of_an_expired_key, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_that_cannot_be_read_back, "FF-ERR-1 FF-ERR-2", 0),
	CASE(unknown_commit_of_a_batch, "FF-ERR-2", 0),
	CASE(undocumented_codes_are_io, "", 0),
	CASE(silent_errors_get_a_message, "FF-ERR-1", 0),
	CASE(scribbled_errors_are_cleaned, "FF-ERR-1", 0),
	CASE(too_many_rows_are_io, "", 0),
	CASE(corrupt_rows_fail_their_calls, "FF-RU-8", 0),
	CASE(tick_passes_over_corrupt_budgets, "FF-RB-4", 0),
	CASE(tick_passes_over_unreadable_budgets, "FF-RB-4", 0),
	CASE(purge_leaves_corrupt_policies_alone, "FF-MT-1", 0),
	CASE(tick_passes_over_endless_keys, "FF-MT-1", 0),
	CASE(tick_replaces_a_corrupt_place, "FF-MT-1", 0),
	CASE(import_whose_reader_fails, "FF-MT-3", 0),
	CASE(import_refuses_a_row_twice, "FF-MT-3", 0),
	CASE(import_can_be_run_again, "FF-MT-3", 0),
};

FAMILY(ffp_tests_faults, cases);
