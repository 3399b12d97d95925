/* Many threads and processes at once (FF-RU-13, FF-GS-3), and batches against one report at a time (FF-RU-14). */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

enum { THREADS = 8, REPORTS = 60, PROCESSES = 4 };

/* What the threads of a case share. Failures are counted here and checked after they were joined. */
typedef struct crowd {
	ff_engine *engines[THREADS];
	_Atomic uint64_t accepted, refused, replayed, errors;
	_Atomic bool stop;
} crowd;

static void count_outcome(crowd *shared, ff_code code, const ff_outcome *outcome, uint64_t amount)
{
	if (code)
		shared->errors++;
	else if (outcome->replayed)
		shared->replayed++;
	else if (outcome->applied)
		shared->accepted += amount;
	else
		shared->refused++;
}

/* Amounts 1 … 5, so that what is refused depends on what came before. */
static void report_many(void *context, unsigned thread)
{
	crowd *shared = context;
	for (unsigned i = 0; i < REPORTS; i++) {
		ff_amount amounts[] = { { "a", 1 + (i + thread) % 5 }, { "free", 1 } };
		ff_report report = { .budget_id = "b", .amounts = amounts, .amounts_count = 2 };
		ff_outcome outcome = { 0 };
		ff_code code = ff_engine_report_usage(shared->engines[thread], &report, &outcome, NULL);
		count_outcome(shared, code, &outcome, amounts[0].amount);
	}
}

static void check_limit_held(ff_test *t, ff_engine *e, const crowd *shared, uint64_t limit)
{
	FF_CHECK_EQ_INT(t, shared->errors, 0);
	const ff_budget_status *status = ffp_status(t, e, "b");
	FF_REQUIRE(t, status->usage_count == 2);
	FF_CHECK_EQ_INT(t, status->usage[0].amount, shared->accepted);
	/* An amount of 1 was among the last, so the limit was reached exactly. */
	FF_CHECK_EQ_INT(t, shared->accepted, limit);
	FF_CHECK_EQ_INT(t, status->breach_count, shared->refused);
	FF_CHECK_EQ_INT(t, status->usage[1].amount + status->breach_count, THREADS * REPORTS);
}

static void threads_at_a_limit(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < THREADS; i++)
		shared.engines[i] = e;
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1001"), "created");
	ffp_threads(t, THREADS, report_many, &shared);
	check_limit_held(t, e, &shared, 1001);
}

/* Each thread with a handle of its own, as processes have. */
static void engines_at_a_limit(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1001"), "created");
	for (int i = 0; i < THREADS; i++)
		shared.engines[i] = ff_test_open(t, NULL);
	ffp_threads(t, THREADS, report_many, &shared);
	check_limit_held(t, e, &shared, 1001);
}

/* What a process was told, through a pipe. */
typedef struct told {
	uint64_t accepted, refused, errors;
} told;

static void report_as_a_process(ff_test *t, int answers)
{
	crowd shared = { 0 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.clock = ff_test_clock(t);
	if (ff_engine_open(ff_test_uri(t), &options, &shared.engines[0], NULL) != FF_OK)
		shared.errors = 1000;
	else
		report_many(&shared, 0);
	ff_engine_close(&shared.engines[0]);
	told answer = { shared.accepted, shared.refused, shared.errors };
	_exit(write(answers, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
}

static void processes_at_a_limit(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=501"), "created");
	ff_test_undo(t, e);
	int ends[2];
	FF_REQUIRE(t, pipe(ends) == 0);
	unsigned started = 0;
	for (; started < PROCESSES; started++) {
		pid_t child = fork();
		if (child < 0)
			break;
		if (child == 0)
			report_as_a_process(t, ends[1]);
	}
	close(ends[1]);
	told all = { 0, 0, 0 }, one;
	while (read(ends[0], &one, sizeof(one)) == sizeof(one)) {
		all.accepted += one.accepted;
		all.refused += one.refused;
		all.errors += one.errors;
	}
	close(ends[0]);
	for (unsigned i = 0; i < started; i++)
		wait(NULL);
	FF_CHECK_EQ_INT(t, started, PROCESSES);
	FF_CHECK_EQ_INT(t, all.errors, 0);
	FF_CHECK_EQ_INT(t, all.accepted, 501);
	e = ff_test_open(t, NULL);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->usage[0].amount, 501);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->breach_count, all.refused);
}

/* One key from every thread at once: charged once, and everyone gets the answer. */
static void report_one_key(void *context, unsigned thread)
{
	crowd *shared = context;
	for (unsigned i = 0; i < 20; i++) {
		char key[16] = { 'k', (char)('a' + i) };
		ff_amount amount = { "a", 1 };
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		ff_outcome outcome = { 0 };
		ff_code code = ff_engine_report_usage(shared->engines[thread], &report, &outcome, NULL);
		count_outcome(shared, code, &outcome, 1);
	}
}

static void threads_with_the_same_keys(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < THREADS; i++)
		shared.engines[i] = e;
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	ffp_threads(t, THREADS, report_one_key, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.accepted, 20);
	FF_CHECK_EQ_INT(t, shared.replayed, 20 * (THREADS - 1));
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=20");
}

static void create_by_thread(void *context, unsigned thread)
{
	crowd *shared = context;
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "raced";
	spec.scope_id = thread % 2 ? "odd" : "even";
	ff_created created = { false, false };
	ff_code code = ff_engine_create_budget(shared->engines[thread], &spec, &created, NULL);
	shared->errors += code != FF_OK;
	shared->accepted += created.created;
	shared->refused += !created.same;
}

static void threads_that_create_the_same_budget(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < THREADS; i++)
		shared.engines[i] = e;
	ffp_threads(t, THREADS, create_by_thread, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.accepted, 1);
	FF_CHECK_EQ_INT(t, shared.refused, THREADS / 2);
}

/* D37, D38, T26: spends and releases of one execution against each other, from every thread, lose nothing. */
static void spend_and_release(void *context, unsigned thread)
{
	crowd *shared = context;
	for (unsigned i = 0; i < 30; i++) {
		ff_amount amounts[] = { { "a", 1 + i % 3 }, { i % 2 ? "odd" : "even", 2 } };
		ff_spend spend = { .report = { .budget_id = "b", .amounts = amounts, .amounts_count = 2 },
			           .execution_id = "x" };
		ff_outcome outcome = { 0 };
		const ff_released *released = NULL;
		shared->errors += ff_engine_record_spend(shared->engines[thread], &spend, &outcome, NULL) != FF_OK;
		if (i % 4 == thread % 4) {
			ff_code code = ff_engine_release_budget(shared->engines[thread], "b", "x", &released, NULL);
			shared->errors += code != FF_OK;
			ff_free(released);
		}
	}
}

static void threads_that_spend_and_release(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < THREADS; i++)
		shared.engines[i] = e;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	ffp_threads(t, THREADS, spend_and_release, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	ffp_release(t, e, "b", "x");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0 even=0 odd=0");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "");
}

/* A reader never sees half of a report: both of its dimensions move together. */
static void read_or_write(void *context, unsigned thread)
{
	crowd *shared = context;
	if (thread % 2) {
		for (unsigned i = 0; i < 100; i++) {
			ff_amount amounts[] = { { "a", 1 }, { "z", 1 } };
			ff_report report = { .budget_id = "b", .amounts = amounts, .amounts_count = 2 };
			shared->errors +=
			    ff_engine_report_usage(shared->engines[0], &report, &(ff_outcome){ 0 }, NULL) != FF_OK;
		}
		return;
	}
	for (unsigned i = 0; i < 100; i++) {
		const ff_budget_status *status = NULL;
		if (ff_engine_get_budget_status(shared->engines[0], "b", &status, NULL) != FF_OK ||
		    status->usage_count != 2)
			shared->errors++;
		else if (status->usage[0].amount != status->usage[1].amount)
			shared->refused++;
		ff_free(status);
	}
}

static void readers_see_whole_reports(ff_test *t)
{
	crowd shared = { 0 };
	shared.engines[0] = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, shared.engines[0], "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, shared.engines[0], "b", "", "a=1 z=1"), "ok");
	ffp_threads(t, 6, read_or_write, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.refused, 0);
	FF_CHECK_STR(t, ffp_usage(t, shared.engines[0], "b"), "a=301 z=301");
}

/* A write transaction held open, by the backend's own slots, holds up no reader, and sees no half of it. */
static void readers_pass_a_held_writer(ff_test *t)
{
	ff_test_open(t, NULL); /* to make a store may be to wait */
	ff_engine *e = ff_test_open_uri(t, ff_test_impatient_uri(t), NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=3"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 max=2"), "created");
	const char *before = ffp_export(t, e, 0);
	ffp_raw *raw = NULL;
	ff_txn *held = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_raw_catalog, FF_STORE_MUST_EXIST, &raw));
	FF_REQUIRE_OK(t, raw->backend->begin(raw->store, FF_TXN_WRITE, &held, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=0 next=now");
	const ff_budget_page *page = NULL;
	FF_CHECK_CODE(t, ff_engine_list_budgets(e, NULL, 10, &page, ff_test_error(t)), FF_OK);
	ff_free(page);
	FF_CHECK_STR(t, ffp_export(t, e, 0), before);
	ff_engine *fresh =
	    ff_test_open_uri(t, ff_test_impatient_uri(t),
	                     &(ff_engine_options){ .size = sizeof(ff_engine_options), .flags = FF_OPEN_READ_ONLY });
	FF_CHECK_STR(t, ffp_usage(t, fresh, "b"), "a=3");
	raw->backend->abort(held);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7"), "ok");
}

/* And a read transaction held open holds up no writer, and goes on seeing what it saw. */
static void writers_pass_a_held_reader(ff_test *t)
{
	ff_test_open(t, NULL); /* to make a store may be to wait */
	ff_engine *e = ff_test_open_uri(t, ff_test_impatient_uri(t), NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=3"), "ok");
	ffp_raw *raw = NULL;
	ff_txn *held = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_raw_catalog, FF_STORE_READ_ONLY, &raw));
	FF_REQUIRE_OK(t, raw->backend->begin(raw->store, FF_TXN_READ, &held, ff_test_error(t)));
	ff_read all = { .table = &ffp_raw_catalog.tables[1], .kind = FF_READ_RANGE, .limit = 10 };
	ff_read again = all;
	ff_code first = raw->backend->load(held, ffp_raw_arena(t), &all, 1, ff_test_error(t));
	const char *answer = ffp_report(t, e, "b", "", "c=3");
	ff_code second = raw->backend->load(held, ffp_raw_arena(t), &again, 1, ff_test_error(t));
	raw->backend->abort(held);
	FF_CHECK_STR(t, answer, "ok");
	FF_CHECK(t, first == FF_OK && second == FF_OK);
	FF_CHECK_EQ_INT(t, all.rows_count, 1);
	FF_CHECK_EQ_INT(t, again.rows_count, 1);
}

/* Ticks, reports, resets and reads at once; nothing but the last word is checked, the sanitizers check the rest. */
static void do_everything(void *context, unsigned thread)
{
	crowd *shared = context;
	ff_engine *e = shared->engines[0];
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	for (unsigned i = 0; i < 30; i++) {
		const ff_budget_status *status = NULL;
		ff_tick_result did;
		ff_code code = FF_OK;
		if (thread % 4 == 0)
			code = ff_engine_tick(e, 0, 3, &did, NULL);
		else if (thread % 4 == 1)
			code = ff_engine_get_budget_status(e, "b", &status, NULL);
		else if (thread % 4 == 2)
			code = ff_engine_reset_budget(e, "b", 0, NULL, NULL);
		else
			code = ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, NULL);
		shared->errors += code != FF_OK;
		ff_free(status);
	}
}

static void everything_at_once(ff_test *t)
{
	crowd shared = { 0 };
	ff_engine *e = shared.engines[0] = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 @reset=1"), "created");
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
	ffp_threads(t, THREADS, do_everything, &shared);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "1000001");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 10/10");
}

static const ff_case table[] = {
	CASE(threads_at_a_limit, "FF-RU-13 FF-RU-10", 0),
	CASE(engines_at_a_limit, "FF-RU-13 FF-ERR-4", FF_CASE_SECOND_HANDLE),
	CASE(processes_at_a_limit, "FF-RU-13 FF-ERR-4", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(threads_with_the_same_keys, "FF-RU-1 FF-RU-12 FF-RU-13", 0),
	CASE(threads_that_create_the_same_budget, "FF-CB-1", 0),
	CASE(threads_that_spend_and_release, "FF-SP-1 FF-SP-2 FF-RU-12", 0),
	CASE(readers_see_whole_reports, "FF-GS-1 FF-RU-12", 0),
	CASE(readers_pass_a_held_writer, "FF-GS-3", FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING | FF_CAP_SNAPSHOT_READ),
	CASE(writers_pass_a_held_reader, "FF-GS-3", FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING | FF_CAP_SNAPSHOT_READ),
	CASE(everything_at_once, "FF-RB-6 FF-RU-13", 0),
};

FAMILY(ffp_cases_concurrency, table);
