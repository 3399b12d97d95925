/*
 * Whatever fails, and whenever: the N-th call of each slot and the N-th allocation, N rising until a run is clean.
 * After an error nothing is changed, the same call with the same key may be sent again, and in the end the books are
 * those of a run in which nothing failed (FF-ERR-2).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "engine.h"
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
	ff_created created;
	ff_code code = ff_engine_create_budget(on->engine, &spec, &created, &on->error);
	FF_CHECK(on->test, code != FF_OK || created.same);
	return code;
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
	const ff_released *released[2] = { NULL };
	ff_error errors[5];
	memset(errors, 0xff, sizeof(errors));
	ff_call calls[] = {
		{ .op = FF_OP_REPORT_USAGE, .in.report = &good, .error = &errors[0] },
		{ .op = FF_OP_REPORT_USAGE, .in.report = &bad, .error = &errors[1] },
		{ .op = FF_OP_CREATE_BUDGET, .in.create_budget = &spec, .error = &errors[2] },
		{ .op = FF_OP_RELEASE_BUDGET,
		  .in.target = { .id = "b", .execution_id = "nobody" },
		  .out.released = &released[0],
		  .error = &errors[3] },
		{ .op = FF_OP_RELEASE_BUDGET,
		  .in.target = { .id = "b", .execution_id = "nobody else" },
		  .out.released = &released[1],
		  .error = &errors[4] },
	};
	ff_code code = ff_engine_submit(on->engine, calls, COUNT_OF(calls), &on->error);
	ff_code worst = code;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		FF_CHECK(on->test, calls[i].code == FF_OK || errors[i].code == calls[i].code);
		bool is_conflict = i == 1 && calls[i].code == FF_E_KEY_CONFLICT;
		if (code == FF_OK && calls[i].code != FF_OK && !is_conflict) {
			worst = calls[i].code; /* its own: memory that was out before it was queued */
			on->error = errors[i];
		}
	}
	if (worst == FF_OK)
		FF_CHECK_EQ_INT(on->test, calls[1].code, FF_E_KEY_CONFLICT);
	for (size_t i = 0; i < COUNT_OF(released); i++) {
		FF_CHECK(on->test, (calls[3 + i].code == FF_OK) == (released[i] != NULL));
		ff_free(released[i]);
	}
	return worst;
}

/* Of many kinds at once: more rows than there is room for at first, slots whose leases are over by the second time, and
 * spends of more dimensions than are asked for one by one. */
static ff_code submit_many(act *on, const char *key, const char *execution_id)
{
	enum { ADMISSIONS = 12, SPENDS = 2 };
	static const ff_quota_limits limits = { 1, 2 * ADMISSIONS, ADMISSIONS };
	static const ff_amount amounts[] = { { "a", 1 }, { "m", 1 }, { "n", 1 } };
	ff_admission admissions[ADMISSIONS];
	ff_spend spends[SPENDS];
	ff_call calls[ADMISSIONS + SPENDS + 1];
	ff_error errors[COUNT_OF(calls)];
	for (size_t i = 0; i < ADMISSIONS; i++) {
		admissions[i] = (ff_admission)FF_ADMISSION_INIT;
		admissions[i].quota_policy_id = "many";
		admissions[i].execution_id = ff_test_text(on->test, "%s %zu", execution_id, i);
		admissions[i].lease_ms = 5;
		admissions[i].limits = &limits;
		calls[i] = (ff_call){ .op = FF_OP_ADMIT, .in.admission = &admissions[i], .error = &errors[i] };
	}
	for (size_t i = 0; i < SPENDS; i++) {
		spends[i] = (ff_spend){ .report = { .budget_id = "many",
			                            .amounts = amounts,
			                            .amounts_count = COUNT_OF(amounts),
			                            .idempotency_key = ff_test_text(on->test, "%s-%zu", key, i) },
			                .execution_id = "x" };
		calls[ADMISSIONS + i] =
		    (ff_call){ .op = FF_OP_RECORD_SPEND, .in.spend = &spends[i], .error = &errors[ADMISSIONS + i] };
	}
	calls[ADMISSIONS + SPENDS] = (ff_call){ .op = FF_OP_RELEASE_BUDGET,
		                                .in.target = { .id = "many", .execution_id = "x" },
		                                .error = &errors[ADMISSIONS + SPENDS] };
	ff_code code = ff_engine_submit(on->engine, calls, COUNT_OF(calls), &on->error);
	for (size_t i = 0; i < COUNT_OF(calls) && code == FF_OK; i++) {
		code = calls[i].code; /* its own, as above */
		if (code != FF_OK)
			on->error = errors[i];
	}
	return code;
}

static ff_code submit_many_at_once(act *on)
{
	return submit_many(on, "key 6", "first");
}

static ff_code submit_many_in_their_place(act *on)
{
	return submit_many(on, "key 7", "second");
}

static ff_code tick(act *on)
{
	ff_tick_result result;
	ffp_policies_free(&on->engine->lanes[0].policies);
	ff_code code = ff_engine_tick(on->engine, FF_TEST_START_MS + 90000000, 0, &result, &on->error);
	FF_CHECK_EQ_INT(on->test, result.failed, 0);
	return code;
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
	FF_CHECK(on->test, !page || page->budgets_count == 2);
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
	FF_CHECK(on->test, (code == FF_OK) == (page != NULL));
	FF_CHECK(on->test, !page || page->quotas_count == 1);
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

/* Where it does not fail it gives all, as in the first run. */
static ff_code export(act *on)
{
	static size_t whole;
	size_t size = 0;
	ff_code code = ff_engine_export(on->engine, 0, drop_line, &size, &on->error);
	if (code == FF_OK && !whole)
		whole = size;
	FF_CHECK(on->test, code != FF_OK || size == whole);
	return code;
}

/* A table that cannot be read to its end is told, and fails no check; here it counts as one. */
static void note_problem(void *context, const char *problem)
{
	act *on = context;
	ff_error_set(&on->error, FF_E_CORRUPT, "%s", problem);
	snprintf(on->error.operation, sizeof(on->error.operation), "check");
}

/* What the parser has taken, and which piece it is not to have, from 1; 0: none. */
static struct {
	uint64_t taken, at;
} parser;

/* By policies that are parsed for it, and where one cannot be it does not tell of a sound store. */
static ff_code check(act *on)
{
	uint64_t taken = parser.taken;
	ffp_spare *spare = ffp_spare_take(on->engine);
	if (spare) {
		ffp_policies_free(&spare->policies);
		ffp_spare_give(on->engine, spare);
	}
	ff_code code = ff_engine_check(on->engine, note_problem, on, &on->error);
	if (on->error.code == FF_E_CORRUPT)
		code = FF_E_CORRUPT;
	FF_CHECK(on->test, code != FF_OK || parser.at <= taken || parser.at > parser.taken);
	return code;
}

static const struct {
	const char *name;
	ff_code (*run)(act *on);
	int64_t at_ms; /* the time that it is done at, after the start */
	bool in_parts; /* of several transactions, so that what came before the error stays */
	bool gives;    /* lines away as it reads them, so that it cannot begin again after contention */
	bool is_list;  /* whose calls fail each for itself where memory is out before they are queued */
} script[] = {
	{ "create_budget", create_budget, 0, false, false, false },
	{ "create_budget_again", create_budget, 0, false, false, false },
	{ "report_ok", report_ok, 1, false, false, false },
	{ "report_soft", report_soft, 2, false, false, false },
	{ "report_hard", report_hard, 3, false, false, false },
	{ "report_again", report_again, 4, false, false, false },
	{ "report_soft_again", report_soft, 4, false, false, false },
	{ "spend", spend, 5, false, false, false },
	{ "release", release, 6, false, false, false },
	{ "reset", reset, 10, false, false, false },
	{ "report_without_key", report_without_key, 11, false, false, false },
	{ "create_quota", create_quota, 12, false, false, false },
	{ "admit_x", admit_x, 13, false, false, false },
	{ "admit_y", admit_y, 14, false, false, false },
	{ "admit_z", admit_z, 40, false, false, false },
	{ "release_x", release_x, 41, false, false, false },
	{ "submit", submit, 42, false, false, true },
	{ "submit_many_at_once", submit_many_at_once, 42, false, false, true },
	{ "submit_many_in_their_place", submit_many_in_their_place, 62, false, false, true },
	{ "get_status", get_status, 63, false, false, false },
	{ "list_budgets", list_budgets, 63, false, false, false },
	{ "get_quota", get_quota, 63, false, false, false },
	{ "list_quotas", list_quotas, 63, false, false, false },
	{ "export", export, 63, false, true, false },
	{ "check", check, 63, false, false, false },
	{ "report_in_a_new_period", report_without_key, 3000, false, false, false },
	{ "tick", tick, 3001, true, false, false },
	{ "report_after_the_tick", report_ok, 90000001, false, false, false },
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

/* ---- arenas that are taken from piece by piece --------------------------------------------------------------- */

typedef struct piece piece;
struct piece {
	piece *next;
	_Alignas(16) char bytes[];
};

static struct {
	piece *first;
	uint64_t taken;  /* by one call of the script */
	uint64_t at;     /* the piece that is not to be had, from 1; 0: none */
	uint64_t failed; /* so often it was wanted */
} pieces;

static void *take_piece(ff_arena *arena, size_t size)
{
	(void)arena;
	if (++pieces.taken == pieces.at) {
		pieces.failed++;
		return NULL;
	}
	piece *taken = malloc(sizeof(*taken) + size);
	if (!taken)
		abort();
	taken->next = pieces.first;
	pieces.first = taken;
	return taken->bytes;
}

static void free_pieces(void *unused)
{
	(void)unused;
	while (pieces.first) {
		piece *next = pieces.first->next;
		free(pieces.first);
		pieces.first = next;
	}
	pieces.at = 0;
}

/* What batches, and lists or reads of one caller, work with, of an engine that has not worked yet. */
static void take_by_pieces(ff_engine *e)
{
	ffp_spare *spare = ffp_spare_take(e), *other = ffp_spare_take(e);
	e->lanes[0].arena.base.grow = spare->arena.base.grow = other->arena.base.grow = take_piece;
	ffp_spare_give(e, other); /* for a check while an import has the first */
	ffp_spare_give(e, spare);
}

/* ---- running it ---------------------------------------------------------------------------------------------- */

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
	static const ff_error untouched = { .code = FF_E_BUSY, .message = "untouched" };
	for (size_t i = 0; i < COUNT_OF(script); i++) {
		ff_test_set_time(t, FF_TEST_START_MS + script[i].at_ms);
		ff_code code = FF_E_IO;
		pieces.taken = 0;
		for (int attempt = 0; code != FF_OK && attempt < 3; attempt++) {
			uint64_t before = ffp_fake_changes(fake);
			on.error = untouched;
			code = script[i].run(&on);
			if (code == FF_OK) {
				bool same =
				    on.error.code == untouched.code && strcmp(on.error.message, untouched.message) == 0;
				if (!FF_CHECK(t, same))
					ff_test_note(t, "%s", script[i].name);
				break;
			}
			failed.all++;
			failed.giving += script[i].gives;
			bool good = FF_CHECK(t, expected(code, fault));
			good = FF_CHECK_EQ_INT(t, on.error.code, code) && good;
			good = FF_CHECK(t, *on.error.message && *on.error.operation) && good;
			if (!script[i].in_parts && !(script[i].is_list && pieces.at))
				good = FF_CHECK_EQ_INT(t, ffp_fake_changes(fake), before) && good;
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

/* Fails the N-th call of a slot with a code, N = 1 … until there is none; how many runs that took. */
static unsigned sweep(ff_test *t, const char *books, ffp_slot_id slot, ff_code code, uint32_t attempts)
{
	ffp_fake *fake = ffp_fake_of(t);
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = ffp_options_with(attempts);
	options.allocator = &memory->allocator;
	unsigned runs = 0;
	for (bool hit = true; hit; runs++) {
		ff_engine *e = ffp_open_faulty(t, &options);
		ff_test_set_time(t, FF_TEST_START_MS);
		ffp_fault_set(slot, runs + 1, code);
		failures failed = run_script(t, e, code, busy_for_conflict);
		hit = ffp_fault.hits > 0;
		/* A key that was taken for fresh is looked up after a conflict, which takes no attempt; and resets that
		 * found the store full are tried again. */
		bool may_pass = code == FF_E_CONFLICT || code == FF_E_FULL;
		bool fails = hit && attempts == 1 && (!may_pass || failed.all);
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
	ff_engine_options options = ffp_options_with(1);
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

/* Allocations are few, since an arena takes large blocks. The N-th piece of them that a call takes fails, of each call of the
 * script, N = 1 … until no call takes so many. */
static void every_piece_fails_once(ff_test *t)
{
	const char *books = clean_books(t);
	ffp_fake *fake = ffp_fake_of(t);
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = ffp_options_with(1);
	options.allocator = &memory->allocator;
	ff_test_defer(t, free_pieces, NULL);
	unsigned failed = 0;
	bool clean = false;
	for (uint64_t at = 1; !clean; at++) {
		ff_test_set_time(t, FF_TEST_START_MS);
		ff_engine *e = ff_test_open(t, &options);
		take_by_pieces(e);
		pieces.failed = 0;
		pieces.at = at;
		failed += run_script(t, e, FF_E_NO_MEMORY, no_memory).all;
		clean = pieces.failed == 0;
		if (!FF_CHECK_STR(t, ffp_fake_dump(t, fake), books) || !FF_CHECK_STR(t, ffp_fake_broken(fake), ""))
			ff_test_note(t, "piece %" PRIu64, at);
		ff_test_undo(t, e);
		free_pieces(NULL);
		FF_CHECK_EQ_INT(t, memory->live, 0);
		ffp_fake_wipe(fake);
		FF_REQUIRE(t, at < 10000);
	}
	FF_CHECK(t, failed > 300);
}

/* All allocations fail from the N-th on, and then none: what was opened before goes on. */
static void memory_is_out_for_a_while(ff_test *t)
{
	ffp_fake *fake = ffp_fake_of((ff_test_open(t, NULL), t));
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = ffp_options_with(1);
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

/* A release that fails has no result, and keeps none. */
static void release_that_fails_keeps_nothing(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = ffp_options_with(1);
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, &options);
	const ffp_ledger_row bad = {
		.budget_id = BYTES("b"), .execution_id = BYTES("x"), .dimensions_key = BYTES("a"), .delta_total = -1
	};
	ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_BY_EXEC, &bad.row);
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	ff_test_undo(t, e);
	FF_CHECK_EQ_INT(t, memory->live, 0);
}

/* A batch that failed is none of those that the engine tells of, and neither are its calls. */
static void what_failed_is_not_counted(ff_test *t)
{
	const ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	ff_engine_info before, after;
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &before, ff_test_error(t)));
	ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_IO);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!io");
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &after, ff_test_error(t)));
	FF_CHECK(t, after.batches == before.batches && after.calls == before.calls);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &after, ff_test_error(t)));
	FF_CHECK(t, after.batches == before.batches + 1 && after.calls == before.calls + 1);
}

/* ---- the parser's memory, which is libc's -------------------------------------------------------------------- */

static void *take_for_parser(size_t size)
{
	if (++parser.taken != parser.at)
		return malloc(size);
	errno = ENOMEM;
	return NULL;
}

static void restore_parser(void *unused)
{
	(void)unused;
	cJSON_InitHooks(NULL);
}

static void watch_parser(ff_test *t)
{
	cJSON_Hooks hooks = { .malloc_fn = take_for_parser, .free_fn = free };
	cJSON_InitHooks(&hooks);
	ff_test_defer(t, restore_parser, NULL);
}

static void fail_parser(uint64_t at)
{
	parser.taken = 0;
	parser.at = at;
}

/* It is no fault of what was to be read. */
static void a_parser_without_memory(ff_test *t)
{
	const char *books = clean_books(t);
	ffp_fake *fake = ffp_fake_of(t);
	const ff_engine_options options = ffp_options_with(1);
	unsigned failed = 0;
	watch_parser(t);
	for (uint64_t at = 1;; at++) {
		fail_parser(0);
		ff_test_set_time(t, FF_TEST_START_MS);
		ff_engine *e = ff_test_open(t, &options);
		fail_parser(at);
		failed += run_script(t, e, FF_E_NO_MEMORY, no_memory).all;
		bool clean = parser.taken < at;
		FF_CHECK_STR(t, ffp_fake_dump(t, fake), books);
		ff_test_undo(t, e);
		ffp_fake_wipe(fake);
		if (clean)
			break;
		FF_REQUIRE(t, at < 1000);
	}
	FF_CHECK(t, failed > 5);
}

/* Nor where nothing was parsed yet by the engine that exports, or is again for each row, since it is long. */
static void an_export_without_memory(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	run_script(t, e, FF_OK, same_code);
	const char *spec = "";
	for (int i = 0; i < 32; i++)
		spec = ff_test_text(t, "%s %s%d=100", spec, ffp_name_of_size(t, 'n', 62), i);
	FF_CHECK_STR(t, ffp_create(t, e, "long", spec), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "long", "x", "", "a=1"), "ok");
	const char *lines = ffp_export(t, e, 0);
	watch_parser(t);
	bool clean = false;
	for (uint64_t at = 1; !clean && at < 1000; at++) {
		e = ff_test_open(t, NULL);
		fail_parser(at);
		const char *answer = ffp_export(t, e, 0);
		clean = parser.taken < at;
		FF_CHECK_STR(t, answer, clean ? lines : "!no_memory");
		ff_test_undo(t, e);
	}
	FF_CHECK(t, clean && parser.taken > 1);
}

static void an_import_without_memory(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	run_script(t, e, FF_OK, same_code);
	const char *lines = ffp_export(t, e, 0);
	watch_parser(t);
	for (uint64_t at = 1;; at++) {
		ffp_fake_wipe(ffp_fake_of(t));
		fail_parser(at);
		const char *answer = ffp_import(t, e, lines);
		if (parser.taken < at)
			break;
		FF_CHECK_STR(t, answer, "!no_memory");
		FF_CHECK(t, ffp_import(t, e, lines)[0] != '!');
		FF_REQUIRE(t, at < 1000);
	}
	fail_parser(0);
	FF_CHECK_STR(t, ffp_export(t, e, 0), lines);
}

/* Likewise for each piece that it takes. */
static void an_import_whose_pieces_fail(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = ffp_options_with(1);
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, NULL);
	run_script(t, e, FF_OK, same_code);
	const char *lines = ffp_export(t, e, 0);
	ff_test_undo(t, e);
	ff_test_defer(t, free_pieces, NULL);
	unsigned failed = 0;
	pieces.failed = 1;
	for (uint64_t at = 1; pieces.failed; at++) {
		ffp_fake_wipe(ffp_fake_of(t));
		e = ff_test_open(t, &options);
		take_by_pieces(e);
		pieces.failed = pieces.taken = 0;
		pieces.at = at;
		const char *answer = ffp_import(t, e, lines);
		bool has_failed = *answer == '!';
		FF_CHECK(t, !has_failed || strcmp(answer, "!no_memory") == 0);
		pieces.at = 0;
		if (has_failed)
			FF_CHECK(t, *ffp_import(t, e, lines) != '!');
		if (!FF_CHECK_STR(t, ffp_export(t, e, 0), lines))
			ff_test_note(t, "piece %" PRIu64, at);
		failed += has_failed;
		ff_test_undo(t, e);
		free_pieces(NULL);
		FF_CHECK_EQ_INT(t, memory->live, 0);
		FF_REQUIRE(t, at < 10000);
	}
	FF_CHECK(t, failed > 100);
}

/* Where a piece fails that is wanted to read a key back, it stays unknown. */
static void unknown_commit_whose_pieces_fail(ff_test *t)
{
	ff_test_defer(t, free_pieces, NULL);
	unsigned unknown = 0;
	pieces.failed = 1;
	for (uint64_t at = 1; pieces.failed; at++) {
		ff_engine *e = ffp_open_faulty(t, NULL);
		take_by_pieces(e);
		ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_COMMIT_UNKNOWN);
		ffp_fault.done = true;
		pieces.failed = pieces.taken = 0;
		pieces.at = at;
		unknown += strcmp(ffp_report(t, e, "b", "k", "a=1"), "!commit_unknown") == 0;
		ffp_fault_clear();
		pieces.at = 0;
		FF_CHECK(t, strncmp(ffp_report(t, e, "b", "k", "a=1"), "ok", 2) == 0);
		FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
		FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1");
		ff_test_undo(t, e);
		free_pieces(NULL);
		ffp_fake_wipe(ffp_fake_of(t));
	}
	FF_CHECK(t, unknown >= 2);
}

/* ---- import ------------------------------------------------------------------------------------------------- */

/* An import that fails anywhere can be run again, and ends as if it had not failed. */
static void import_fails_anywhere_and_is_run_again(ff_test *t)
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
			ffp_fault_set((ffp_slot_id)slot, at, FF_E_IO);
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
	CASE(release_that_fails_keeps_nothing, "FF-SP-2", 0),
	CASE(what_failed_is_not_counted, "", 0),
	CASE(every_allocation_fails_once, "FF-ERR-2", 0),
	CASE(every_piece_fails_once, "FF-ERR-2", 0),
	CASE(memory_is_out_for_a_while, "FF-ERR-2", 0),
	CASE(a_parser_without_memory, "FF-ERR-2 FF-MT-4", 0),
	CASE(an_export_without_memory, "FF-MT-3", 0),
	CASE(an_import_without_memory, "FF-MT-3", 0),
	CASE(an_import_whose_pieces_fail, "FF-MT-3", 0),
	CASE(unknown_commit_whose_pieces_fail, "FF-ERR-2", 0),
	CASE(import_fails_anywhere_and_is_run_again, "FF-MT-3", 0),
};

FAMILY(ffp_tests_faults, cases);
