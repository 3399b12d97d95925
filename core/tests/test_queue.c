/* Many threads in one queue: group commit, whose answer is whose, and the background tick. */
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "budget.h"
#include "engine.h"
#include "purge.h"
#include "tests.h"
#include "tick.h"

enum { THREADS = 64, REPORTS = 100 };

/* A commit that takes a while, so that others come to wait behind it. */
static void dawdle(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	usleep(300);
}

typedef struct crowd {
	ff_engine *engine;
	_Atomic uint64_t wrong; /* answers that were not the caller's own */
	_Atomic uint64_t accepted;
	_Atomic uint64_t refused;
	_Atomic uint64_t errors;
} crowd;

/*
 * Each thread has a budget of its own whose usage nobody else changes, so that every answer is known beforehand; and
 * all share one budget with a limit.
 */
static void report_many(void *context, unsigned thread)
{
	crowd *shared = context;
	char own[16];
	char dimension[16];
	snprintf(own, sizeof(own), "own %u", thread);
	snprintf(dimension, sizeof(dimension), "d%u", thread);
	ff_amount amount = { dimension, 1 };
	const ff_amount common = { "common", 1 };
	for (unsigned i = 0; i < REPORTS; i++) {
		ff_outcome outcome = { 0 };
		char key[16]; /* for which each batch asks the store, which takes a while */
		snprintf(key, sizeof(key), "%u", i);
		ff_report report = { .budget_id = own, .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		ff_code code = ff_engine_report_usage(shared->engine, &report, &outcome, NULL);
		bool over = i >= REPORTS / 2;
		shared->wrong +=
		    code != FF_OK || outcome.kind != (over ? FF_OUTCOME_HARD_BREACH : FF_OUTCOME_OK) ||
		    (over && (outcome.current_usage != REPORTS / 2 || strcmp(outcome.dimension, dimension) != 0));
		report = (ff_report){ .budget_id = "shared", .amounts = &common, .amounts_count = 1 };
		code = ff_engine_report_usage(shared->engine, &report, &outcome, NULL);
		shared->errors += code != FF_OK;
		shared->accepted += code == FF_OK && outcome.applied;
		shared->refused += code == FF_OK && !outcome.applied;
	}
}

static void create_budgets(ff_test *t, ff_engine *e)
{
	for (unsigned i = 0; i < THREADS; i++)
		FF_CHECK_STR(t,
		             ffp_create(t, e, ff_test_text(t, "own %u", i), ff_test_text(t, "d%u=%d", i, REPORTS / 2)),
		             "created");
	FF_CHECK_STR(t, ffp_create(t, e, "shared", "common=5000"), "created");
}

static ff_engine_info info_of(ff_test *t, ff_engine *e)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	return info;
}

static void group_commit(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	create_budgets(t, e);
	ff_engine_info before = info_of(t, e);
	crowd shared = { .engine = e };
	ffp_fault.mangle = dawdle;
	ffp_threads(t, THREADS, report_many, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.wrong, 0);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.accepted, 5000);
	FF_CHECK_EQ_INT(t, shared.refused, THREADS * REPORTS - 5000);
	FF_CHECK_STR(t, ffp_usage(t, e, "shared"), "common=5000");
	FF_CHECK_STR(t, ffp_breaches(t, e, "shared"), "hard=1400 soft=0 last=common@1000000");
	ff_engine_info after = info_of(t, e);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, 2 * THREADS * REPORTS);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* Loads of the next cases wait here while it is shut. */
static struct {
	_Atomic bool shut;
	_Atomic unsigned waiting;
} gate;

static void wait_at_gate(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	gate.waiting++;
	while (gate.shut)
		sched_yield();
	gate.waiting--;
}

static void shut_gate(void)
{
	gate.shut = true;
	ffp_fault.mangle = wait_at_gate;
}

static void wait_until_one_waits(void)
{
	while (!gate.waiting)
		sched_yield();
}

bool ffp_is_queued(ff_engine *engine, size_t count)
{
	size_t queued = SIZE_MAX;
	for (int i = 0; i < 10000 && queued != count; i++) {
		usleep(1000);
		pthread_mutex_lock(&engine->queue_lock);
		queued = engine->lanes[0].queued;
		pthread_mutex_unlock(&engine->queue_lock);
	}
	return queued == count;
}

/* The first is alone with its load; the others come meanwhile, and the last lets it go on once they are queued. */
static void report_together(void *context, unsigned thread)
{
	crowd *shared = context;
	if (thread)
		wait_until_one_waits();
	if (thread == THREADS) {
		shared->wrong += !ffp_is_queued(shared->engine, THREADS - 1);
		gate.shut = false;
		return;
	}
	const ff_amount amount = { "common", 1 };
	char key[16];
	snprintf(key, sizeof(key), "%u", thread);
	ff_report report = { .budget_id = "shared", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
	shared->errors += ff_engine_report_usage(shared->engine, &report, NULL, NULL) != FF_OK;
}

static void check_that_commits_are_shared(ff_test *t, uint32_t calls_max, uint64_t batches)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.batch_calls_max = calls_max;
	ff_engine *e = ffp_open_faulty(t, &options);
	create_budgets(t, e);
	ff_engine_info before = info_of(t, e);
	crowd shared = { .engine = e };
	shut_gate();
	ffp_threads(t, THREADS + 1, report_together, &shared);
	ffp_fault_clear();
	ff_engine_info after = info_of(t, e);
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, THREADS);
	FF_CHECK_EQ_INT(t, after.batches - before.batches, batches);
	FF_CHECK_STR(t, ffp_usage(t, e, "shared"), "common=64");
}

/* Who meets damage is to fail alone: those who share his batch are strangers. */
static void damage_fails_no_strangers_call(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	create_budgets(t, e);
	ff_engine_info before = info_of(t, e);
	crowd shared = { .engine = e };
	ffp_fault_set(FFP_SLOT_STORE, 2, FF_E_CORRUPT);
	shut_gate();
	ffp_threads(t, THREADS + 1, report_together, &shared);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	ffp_fault_clear();
	ff_engine_info after = info_of(t, e);
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, THREADS);
	FF_CHECK_EQ_INT(t, after.batches - before.batches, 3); /* the first, alone, and two parts of the other */
	FF_CHECK_STR(t, ffp_usage(t, e, "shared"), "common=64");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* All that waits is the next batch, */
static void those_that_wait_share_a_commit(ff_test *t)
{
	check_that_commits_are_shared(t, 0, 2);
}

/* or as much of it as a batch may take. */
static void those_that_wait_share_a_few_commits(ff_test *t)
{
	check_that_commits_are_shared(t, 9, 1 + (THREADS - 1) / 9);
}

/* batch_calls_max bounds how many callers share a commit. */
static void group_commit_is_bounded(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.batch_calls_max = 1;
	ff_engine *e = ff_test_open(t, &options);
	create_budgets(t, e);
	ff_engine_info before = info_of(t, e);
	crowd shared = { .engine = e };
	ffp_threads(t, THREADS, report_many, &shared);
	ff_engine_info after = info_of(t, e);
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, after.batches - before.batches, 2 * THREADS * REPORTS);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, 2 * THREADS * REPORTS);
}

/* Half of the calls of a batch are wrong, each in its own way; the others go on as if they were alone. */
static void report_with_faults(void *context, unsigned thread)
{
	crowd *shared = context;
	char key[16];
	snprintf(key, sizeof(key), "key %u", thread / 2);
	for (unsigned i = 0; i < REPORTS; i++) {
		ff_error error = { .code = FF_OK };
		ff_outcome outcome = { 0 };
		const ff_amount amount = { "a", 1 + thread % 2 };
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		ff_code code = ff_engine_report_usage(shared->engine, &report, &outcome, &error);
		shared->accepted += code == FF_OK && !outcome.replayed ? amount.amount : 0;
		shared->wrong += code != FF_OK && (code != FF_E_KEY_CONFLICT || error.code != code ||
		                                   !strstr(error.message, key) || strcmp(error.id, "b") != 0);
		shared->errors += code == FF_E_KEY_CONFLICT;
	}
}

static void group_commit_with_faults(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	crowd shared = { .engine = e };
	ffp_fault.mangle = dawdle;
	ffp_threads(t, THREADS, report_with_faults, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.wrong, 0);
	/* of each pair of threads that share a key, the one that came first is right and the other always wrong */
	FF_CHECK_EQ_INT(t, shared.errors, THREADS / 2 * REPORTS);
	const ff_budget_status *status = NULL;
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_REQUIRE_OK(t, ff_engine_get_budget_status(e, "b", &status, ff_test_error(t)));
	ff_test_keep(t, status);
	FF_CHECK_EQ_INT(t, status->usage[0].amount, shared.accepted);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* A commit that fails is everybody's error, and nobody is charged. */
static void report_once(void *context, unsigned thread)
{
	crowd *shared = context;
	const ff_amount amount = { "a", 1 };
	char id[16];
	snprintf(id, sizeof(id), "%u", thread);
	ff_error error = { .code = FF_OK };
	ff_report report = { .budget_id = id, .amounts = &amount, .amounts_count = 1 };
	ff_code code = ff_engine_report_usage(shared->engine, &report, NULL, &error);
	shared->errors += code == FF_E_FULL;
	shared->wrong += error.code != code || strcmp(error.id, id) != 0 ||
	                 strcmp(error.operation, "report_usage") != 0 || strcmp(error.backend, "faulty") != 0 ||
	                 strcmp(error.entity, "budget") != 0;
}

static void group_commit_that_fails(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	crowd shared = { .engine = e };
	ffp_fault.slot = FFP_SLOT_COMMIT;
	ffp_fault.at = 1;
	ffp_fault.repeat = true;
	ffp_fault.code = FF_E_FULL;
	ffp_fault.mangle = dawdle;
	ffp_threads(t, THREADS, report_once, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, THREADS);
	FF_CHECK_EQ_INT(t, shared.wrong, 0);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

/* Times are given in the order of arrival, and never go back, whatever the clock does. */
static void times_never_go_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	ff_test_set_time(t, FF_TEST_START_MS - 500);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=0 last=a@1000000");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 5),
	             "none"); /* a time of its own is taken as it is, and moves no other's */
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->updated_at_ms, 5);
	ff_test_set_time(t, FF_TEST_START_MS + 500);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@1000500");
}

/* Nor do those of what only looks: a period that a call has seen begin does not come back. */
static void times_of_reads_never_go_back(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	ff_test_set_time(t, FF_TEST_START_MS + 20);
	FF_CHECK_STR(t, ffp_report(t, e, "c", "", "a=1"), "ok");
	ff_test_set_time(t, FF_TEST_START_MS);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
}

static const char *report_at(ff_test *t, ff_engine *e, int64_t now_ms)
{
	const ff_amount amount = { "a", 2 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .now_ms = now_ms };
	ff_outcome outcome = { 0 };
	ff_code code = ff_engine_report_usage(e, &report, &outcome, ff_test_error(t));
	const char *answer = ffp_show_outcome(t, code, &outcome);
	if (code != FF_OK)
		return answer;
	return ff_test_text(t, "%s @%" PRId64, answer, ffp_status(t, e, "b")->last_breach_at_ms);
}

static void times_of_the_data_clock(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1 @now=10"), "created");
	FF_CHECK_STR(t, report_at(t, e, 50), "!invalid"); /* usage cannot be back-dated */
	options.flags = FF_OPEN_DATA_CLOCK;
	ff_engine *replay = ff_test_open(t, &options);
	FF_CHECK_STR(t, report_at(t, replay, 50), "hard a 0/1 @50");
	FF_CHECK_STR(t, report_at(t, replay, 70), "hard a 0/1 @70");
	FF_CHECK_STR(t, report_at(t, replay, 60), "hard a 0/1 @70"); /* raised to the last one seen */
	FF_CHECK_STR(t, report_at(t, replay, 0), "hard a 0/1 @70");
	FF_CHECK_STR(t, report_at(t, replay, -1), "!invalid");
}

/* ---- the background tick ------------------------------------------------------------------------------------ */

static void add_expired_keys(ff_test *t, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const ffp_key_row row = { .dedup_key = { ff_test_text(t, "%05u", i), 5 },
			                  .budget_id = BYTES("b"),
			                  .outcome_json = BYTES("{\"kind\":\"Ok\"}"),
			                  .expires_at_ms = 1 };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
}

/* Waits until the thread has come so far; false after ten seconds. */
static bool wait_for_calls(ff_test *t, ffp_slot_id slot, uint64_t count)
{
	const ffp_fake *fake = ffp_fake_of(t);
	for (int i = 0; i < 10000 && ffp_fake_calls(fake, slot) < count; i++)
		usleep(1000);
	return ffp_fake_calls(fake, slot) >= count;
}

static void tick_runs_by_itself(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	add_expired_keys(t, 3);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400001, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK); /* nothing runs yet */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 1, ff_test_error(t)), FF_OK);
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_COMMIT, 1));
	/* starting twice changes nothing: it goes on at its interval */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)), FF_OK);
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_BEGIN, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) + 20));
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 0, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 0);
	uint64_t begins = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN);
	usleep(5000);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN), begins); /* it has stopped */
	/* it can be started again, and close stops it */
	FF_CHECK_CODE(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)), FF_OK);
	ff_test_undo(t, e);
}

/* What was stopped begins again, and is stopped again. */
static void tick_runs_again(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t keeps = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP);
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
		FF_REQUIRE(t, wait_for_calls(t, FFP_SLOT_HOUSEKEEP, keeps + 10)); /* those of two ticks */
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	}
}

static void tick_stops_at_once(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	for (int i = 0; i < 50; i++) {
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)));
		FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nor is its interval waited for, where it waits for that. */
static void tick_stops_while_it_waits(ff_test *t)
{
	enum { INTERVAL_MS = 30000 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, INTERVAL_MS, ff_test_error(t)));
	FF_CHECK(t, wait_for_calls(t, FFP_SLOT_BEGIN, 1));
	usleep(50000);
	int64_t began_ms = monotonic_ms();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	FF_CHECK(t, monotonic_ms() - began_ms < INTERVAL_MS / 2);
	FF_CHECK(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) < 20); /* those of one tick */
}

/* However many rows there are to look at, the thread leaves four fifths of its time to others. */
static void tick_rests_longer_behind_a_long_one(ff_test *t)
{
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 0), 60000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 15000000), 60000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(60000, 15000001), 60001);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(1, 900), 4);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(1, INT64_C(3600000000)), 3600000);
	FF_CHECK_EQ_INT(t, ffp_tick_rest_ms(86400000, INT64_C(3600000000)), 86400000);
	/* The thread's first tick takes a tenth of a second: in the rest behind it nothing begins for a while. */
	ff_engine *e = ffp_open_faulty(t, NULL);
	bool rests = false;
	shut_gate();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
	wait_until_one_waits();
	usleep(100000);
	gate.shut = false;
	for (int i = 0; i < 40 && !rests; i++) {
		uint64_t begins = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN);
		usleep(50000);
		rests = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN) == begins;
	}
	FF_CHECK(t, rests);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	ffp_fault_clear();
}

static bool is_to_stop(ff_engine *engine)
{
	pthread_mutex_lock(&engine->tick_lock);
	bool stops = engine->tick_stops;
	pthread_mutex_unlock(&engine->tick_lock);
	return stops;
}

/* One stops the thread while a slice of it is under way, and the other lets the slice go on once it is to stop. */
static void stop_at_gate(void *context, unsigned thread)
{
	crowd *shared = context;
	wait_until_one_waits();
	if (thread) {
		while (!is_to_stop(shared->engine))
			sched_yield();
		gate.shut = false;
	} else {
		shared->errors += ff_engine_tick_every(shared->engine, 0, NULL) != FF_OK;
	}
}

/* Stopping waits for the slice that is under way, and not for all the work that there may be. */
static void tick_stops_between_slices(ff_test *t)
{
	enum { KEYS = 20 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 1;
	ff_engine *e = ffp_open_faulty(t, &options);
	add_expired_keys(t, KEYS);
	ff_tick_result result;
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 3, &result, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, result.purged_keys, 3);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 1);
	crowd shared = { .engine = e };
	shut_gate();
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 86400000, ff_test_error(t)));
	ffp_threads(t, 2, stop_at_gate, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), KEYS - 3);
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 1); /* where the next one goes on */
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, &result, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 0);
}

static ffp_request checked(ff_test *t, ff_call *call)
{
	ffp_request request = { .op = ffp_op_of(call->op), .call = call, .error = ff_test_error(t) };
	FF_REQUIRE_OK(t, request.op->check(&request, ffp_raw_arena(t)));
	return request;
}

/* Runs a call and a slice of tick's work as one batch. */
static void run_before_a_slice(ff_test *t, ff_engine *e, ff_call *call, const ffp_op *op, ffp_slice *slice)
{
	static const ffp_place start = { .is_set = false };
	ff_call tick = { .error = ff_test_error(t) };
	ffp_request requests[] = { checked(t, call), { .op = op, .call = &tick, .slice = slice } };
	slice->rows_max = 100;
	slice->changes_max = 100;
	slice->low = &start;
	FF_CHECK_CODE(t, ffp_queue_run(e, requests, 2, ff_test_error(t)), FF_OK);
	FF_CHECK(t, call->code == FF_OK && tick.code == FF_OK);
}

/* A slice that shares its batch with calls goes by what they have done: a period that they have begun, slots that they have
 * renewed or taken over, and a key that they have used again. */
static void slices_see_what_their_batch_has_done(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "c", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" };
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 @reset=1000"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "c", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=3"), "created");
	for (int i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_admit(t, e, "q", ff_test_text(t, "%d", i), ff_test_text(t, "lease=%d", 5 + i)),
		             "admitted");
	ff_test_set_time(t, ff_test_time(t) + DAY_MS);
	ff_call reset = { .op = FF_OP_RESET_BUDGET, .in.target = { .id = "b" } };
	ffp_slice due = { .table = FFP_BUDGET_POLICY, .index = ffp_by_next_reset() };
	run_before_a_slice(t, e, &reset, &ffp_op_reset_due, &due);
	FF_CHECK(t, due.looked_at == 1 && due.changed == 0 && due.failed == 0);
	ff_call again = { .op = FF_OP_REPORT_USAGE, .in.report = &report };
	ffp_slice keys = { .table = FFP_BUDGET_USAGE_DEDUP };
	run_before_a_slice(t, e, &again, &ffp_op_purge, &keys);
	FF_CHECK(t, keys.looked_at == 1 && keys.changed == 0);
	FF_CHECK_STR(t, ffp_report(t, e, "c", "k", "a=1"), "ok replayed");
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = "q";
	admission.execution_id = "new"; /* in the place of the one that was over first */
	ff_call admit = { .op = FF_OP_ADMIT, .in.admission = &admission };
	ffp_slice slots = { .table = FFP_QUOTA_ADMITTED };
	run_before_a_slice(t, e, &admit, &ffp_op_purge, &slots);
	FF_CHECK(t, slots.looked_at == 3 && slots.changed == 2);
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=0 active=1 next=now");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_QUOTA_ADMITTED), 1);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* How many rows the slices ask for: those of resets, and of keys. The first of them waits until a call has come behind it,
 * and that call, unless it shares a batch with the second, until that one has come behind it. */
static struct {
	ff_engine *engine;
	uint32_t limits[16];
	_Atomic unsigned count;
	uint32_t keys_limits[16];
	unsigned keys_count;
} slices;

static _Thread_local bool reports_beside;

static void note_slices(ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (reads[i].kind != FF_READ_RANGE)
			continue;
		if (reads[i].table->id == FFP_BUDGET_USAGE_DEDUP && slices.keys_count < COUNT_OF(slices.keys_limits))
			slices.keys_limits[slices.keys_count++] = reads[i].limit;
		if (reads[i].table->id != FFP_BUDGET_POLICY || slices.count == COUNT_OF(slices.limits))
			continue;
		slices.limits[slices.count++] = reads[i].limit;
		if (slices.count == 1)
			ffp_is_queued(slices.engine, 1);
	}
	if (reports_beside && slices.count == 1)
		ffp_is_queued(slices.engine, 1);
}

static void tick_or_report_behind_it(void *context, unsigned thread)
{
	crowd *shared = context;
	const ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "0", .amounts = &amount, .amounts_count = 1 };
	for (int i = 0; thread && i < 10000 && !slices.count; i++)
		usleep(1000);
	reports_beside = thread;
	ff_code code = thread ? ff_engine_report_usage(shared->engine, &report, NULL, NULL)
	                      : ff_engine_tick(shared->engine, 0, 0, NULL, NULL);
	shared->errors += code != FF_OK;
}

static void tick_takes_less_where_calls_wait(ff_test *t)
{
	enum { ROWS = 48, ALONE = ROWS / 4, BESIDE = ROWS / 12, DUE = ALONE + 5 * BESIDE + 1, SEARCH = ROWS / 4 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = ROWS;
	ff_engine *e = ffp_open_faulty(t, &options);
	for (unsigned i = 0; i < DUE; i++)
		FF_CHECK_STR(t, ffp_create(t, e, ff_test_text(t, "%u", i), "a=0 @reset=1"), "created");
	ff_test_set_time(t, FF_TEST_START_MS + 1000);
	crowd shared = { .engine = e };
	slices.engine = e;
	slices.count = slices.keys_count = 0;
	add_expired_keys(t, SEARCH + 1);
	ffp_fault.mangle = note_slices;
	ffp_threads(t, 2, tick_or_report_behind_it, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, slices.count, 7);
	FF_CHECK_EQ_INT(t, slices.limits[0], ALONE);
	for (unsigned i = 1; i < slices.count; i++)
		FF_CHECK_EQ_INT(t, slices.limits[i], BESIDE);
	FF_CHECK_EQ_INT(t, slices.keys_count, 2);
	FF_CHECK_EQ_INT(t, slices.keys_limits[0], SEARCH);
	FF_CHECK_EQ_INT(t, slices.keys_limits[1], ROWS); /* where there is something to purge */
}

/* So long takes each slice of keys, whose limits are noted. */
static struct {
	ff_test *test;
	int64_t took_ms;
	unsigned long_ones; /* so many take a millisecond more */
} pace;

static void note_and_pace(ff_read *reads, size_t count)
{
	unsigned before = slices.keys_count;
	note_slices(reads, count);
	if (slices.keys_count == before)
		return;
	bool is_long = slices.keys_count <= pace.long_ones;
	ff_test_set_time(pace.test, ff_test_time(pace.test) + pace.took_ms + is_long);
}

/* A slice that took longer than it should is followed by one of half its rows, and any other by one of twice as many. */
static void slices_take_the_time_that_they_should(ff_test *t)
{
	static const uint32_t limits[] = { 16, 8, 4, 2, 1, 1, 1, 2, 4, 8, 16, 16, 16 };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 16;
	options.purge_slice_ms = 7;
	ff_engine *e = ffp_open_faulty(t, &options);
	add_expired_keys(t, 90);
	pace.test = t;
	pace.took_ms = 7;
	pace.long_ones = 6;
	slices.engine = e;
	slices.count = slices.keys_count = 0;
	ffp_fault.mangle = note_and_pace;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=90 admissions=0");
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, slices.keys_count, COUNT_OF(limits));
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		FF_CHECK_EQ_INT(t, slices.keys_limits[i], limits[i]);
}

/* Calls that were together are given way for 32 slices behind the last of which that is known, and no longer. */
static void tick_is_wary_for_a_while(ff_test *t)
{
	enum { ROWS = 8, KEYS = 32 * (ROWS / 4) + 2 * ROWS };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = ROWS;
	ff_engine *e = ff_test_open(t, &options);
	for (unsigned i = 0; i < KEYS; i++) {
		const ffp_key_row row = { .dedup_key = { ff_test_text(t, "%05u", i), 5 },
			                  .budget_id = BYTES("b"),
			                  .expires_at_ms = INT64_MAX };
		ffp_fake_put(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP, &row.row);
	}
	for (unsigned together = 0; together < 2; together++) {
		e->lanes[0].expected = 2 * together;
		const uint64_t keeps = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP);
		FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
		/* one of resets, those of the keys, the last of which finds none, the ledger, window entries, slots */
		const uint64_t of_keys = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP) - keeps - 4;
		FF_CHECK_EQ_INT(t, of_keys, together ? 31 + 3 : KEYS / ROWS + 1);
	}
}

static void pass_time(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	if (pace.long_ones) {
		pace.long_ones--;
		ff_test_set_time(pace.test, ff_test_time(pace.test) + 1);
	}
}

/* What falls due while it is under way is left to the next one, or there would be no end to budgets of short periods. */
static void tick_goes_by_one_time(ff_test *t)
{
	ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ffp_open_faulty(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0 @reset=1"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "c", "a=0 @reset=1"), "created");
	ff_test_set_time(t, ff_test_time(t) + 10);
	pace.test = t;
	pace.long_ones = 20;
	ffp_fault.mangle = pass_time;
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=0 keys=0 admissions=0");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=2 failed=0 keys=0 admissions=0");
}

/* A tick that finds nothing looks at each table once, and notes nothing. */
static void idle_tick_is_short(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_EQ_INT(t, info_of(t, e).batches,
	                1 + 4 * 2); /* resets; and each place to begin at, and a look from there */
}

/* Behind each slice, the last one of a table too, which finds less than it asked for. */
static void tick_lets_the_store_keep_house(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 2;
	ff_engine *e = ff_test_open(t, &options);
	add_expired_keys(t, 5);
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
	/* resets, keys three times, the ledger, window entries, slots */
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_HOUSEKEEP), 7);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Slices go through the same queue as everybody's calls. */
static void report_while_ticking(void *context, unsigned thread)
{
	crowd *shared = context;
	const ff_amount amount = { "a", 1 };
	for (unsigned i = 0; i < REPORTS; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%u %u", thread, i);
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = key };
		shared->errors += ff_engine_report_usage(shared->engine, &report, NULL, NULL) != FF_OK;
		if (i % 10 == 0)
			shared->errors += ff_engine_tick(shared->engine, 0, 0, NULL, NULL) != FF_OK;
	}
}

static void tick_among_reports(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.purge_rows_max = 50;
	ff_engine *e = ff_test_open(t, &options);
	add_expired_keys(t, 1000);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0 @reset=1"), "created");
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 1, ff_test_error(t)));
	crowd shared = { .engine = e };
	ffp_threads(t, 8, report_while_ticking, &shared);
	FF_REQUIRE_OK(t, ff_engine_tick_every(e, 0, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=800");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 800);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- lanes -------------------------------------------------------------------------------------------------- */

enum { LANES = 4 };

static ff_engine *open_lanes(ff_test *t)
{
	return ff_test_open_uri(t, ff_test_text(t, "%s?lanes=%d", ff_test_uri(t), LANES), NULL);
}

static ff_code lanes_alone(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ff_code code = ffp_fake_backend.limits(store, limits, error);
	limits->caps = 0;
	return code;
}

static ff_code no_lanes(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ff_code code = ffp_fake_backend.limits(store, limits, error);
	limits->caps = FF_CAP_CONCURRENT_WRITERS;
	limits->lanes = 0;
	return code;
}

/* Who does not claim to take writers side by side gets one after the other, however many lanes it tells of. */
static void lanes_want_their_capability(ff_test *t)
{
	ff_engine_backend backend = ffp_fake_backend;
	backend.name = "lanes";
	backend.limits = lanes_alone;
	FF_REQUIRE_OK(t, ff_backend_register(&backend, ff_test_error(t)));
	const char *path = strchr(ff_test_uri(t), ':');
	FF_CHECK_EQ_INT(t, ff_test_open_uri(t, ff_test_text(t, "lanes%s?lanes=4", path), NULL)->lanes_count, 1);
	FF_CHECK_EQ_INT(t, ff_test_open_uri(t, ff_test_text(t, "fake%s?lanes=99", path), NULL)->lanes_count, 64);
	backend.name = "laneless";
	backend.limits = no_lanes;
	FF_REQUIRE_OK(t, ff_backend_register(&backend, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, ff_test_open_uri(t, ff_test_text(t, "laneless%s", path), NULL)->lanes_count, 1);
}

/* A store that takes four writers has four at a time, and every answer is as in one lane. */
static void lanes_run_side_by_side(ff_test *t)
{
	ff_engine *e = open_lanes(t);
	create_budgets(t, e);
	crowd shared = { .engine = e };
	ffp_fake_meet(ffp_fake_of(t), LANES); /* who waits in vain waits for ever */
	ffp_threads(t, THREADS, report_many, &shared);
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.accepted, 5000);
	FF_CHECK_STR(t, ffp_usage(t, e, "shared"), "common=5000");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* What the operations of the next case see of one another. */
static struct {
	ff_engine *engine;
	_Atomic unsigned beside; /* how often one was not alone that was to be */
	_Atomic unsigned ran;
} meeting;

static bool is_one_beside(void)
{
	pthread_mutex_lock(&meeting.engine->queue_lock);
	bool found = meeting.engine->batches_running != 1;
	pthread_mutex_unlock(&meeting.engine->queue_lock);
	return found;
}

/* The store lets one in after the other: those that wait there run, too. */
static bool plan_to_meet(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	for (unsigned i = 0; i < (request->op->is_alone ? 200 : 50); i++) {
		meeting.beside += request->op->is_alone && is_one_beside();
		sched_yield();
	}
	return true;
}

static ff_code decide_to_meet(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	(void)request;
	meeting.ran++;
	return FF_OK;
}

static const ffp_op alone = { .name = "alone", .is_alone = true, .plan = plan_to_meet, .decide = decide_to_meet };
static const ffp_op other = { .name = "other", .plan = plan_to_meet, .decide = decide_to_meet };

static ff_code run_operation(ff_engine *engine, const ffp_op *op, ff_text id)
{
	ff_call call = { .op = FF_OP_REPORT_USAGE };
	ffp_request request = { .op = op, .call = &call, .id = id };
	return ffp_queue_run(engine, &request, 1, NULL);
}

static void run_operations(void *context, unsigned thread)
{
	crowd *shared = context;
	char id[16];
	for (unsigned i = 0; i < 20; i++) {
		int size = snprintf(id, sizeof(id), "%u", i);
		const ff_text text = { id, (size_t)size };
		shared->errors += run_operation(shared->engine, thread ? &other : &alone, text) != FF_OK;
	}
}

/* An operation that is to be alone, as an import is, has no batch of another lane beside it. */
static void one_runs_alone(ff_test *t)
{
	crowd shared = { .engine = open_lanes(t) };
	meeting.engine = shared.engine;
	meeting.beside = meeting.ran = 0;
	ffp_threads(t, 8, run_operations, &shared);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, meeting.ran, 8 * 20);
	FF_CHECK_EQ_INT(t, meeting.beside, 0);
}

/* Which lane it is that has callers who come together, or a leader, is all one to a tick. */
static void company_of_any_lane_is_seen(ff_test *t)
{
	ff_engine *e = open_lanes(t);
	FF_CHECK(t, !ffp_queue_has_company(e) && !ffp_queue_is_led(e));
	for (unsigned i = 0; i < LANES; i++) {
		e->lanes[i].expected = 1;
		FF_CHECK(t, !ffp_queue_has_company(e));
		e->lanes[i].expected = 2;
		FF_CHECK(t, ffp_queue_has_company(e));
		e->lanes[i].expected = 0;
		e->lanes[i].is_led = true;
		FF_CHECK(t, ffp_queue_is_led(e));
		e->lanes[i].is_led = false;
	}
}

/* What touches no root, as a tick, goes to the first lane, as what touches several does. */
static void what_has_no_root_goes_to_the_first_lane(ff_test *t)
{
	ff_engine *e = open_lanes(t);
	FF_CHECK_CODE(t, run_operation(e, &other, (ff_text){ "", 0 }), FF_OK);
	FF_CHECK_EQ_INT(t, e->lanes[0].expected, 1); /* by which it is seen that it ran one */
}

/* More wait than a batch takes: here those of callers that are late and are only to be told so. */
static void more_wait_than_a_batch_takes(ff_test *t)
{
	enum { TICKETS = 1024 };
	ff_engine *e = ff_test_open(t, NULL);
	ffp_lane *lane = &e->lanes[0];
	ffp_ticket *tickets = ff_test_alloc(t, TICKETS * sizeof(*tickets));
	ffp_request late = { .op = &other, .is_late = true };
	for (size_t i = 0; i < TICKETS; i++) {
		tickets[i] = (ffp_ticket){ .requests = &late, .count = 1, .queued = true };
		tickets[i].before = i ? &tickets[i - 1] : NULL;
		tickets[i].next = i + 1 < TICKETS ? &tickets[i + 1] : NULL;
		sem_init(&tickets[i].wake, 0, 0);
	}
	lane->queue_first = tickets;
	lane->queue_last = &tickets[TICKETS - 1];
	lane->queued = TICKETS;
	FF_CHECK_CODE(t, run_operation(e, &other, (ff_text){ "", 0 }), FF_OK);
	FF_CHECK_EQ_INT(t, info_of(t, e).batches, 2);
	FF_CHECK_EQ_INT(t, lane->queued, 0);
	size_t woken = 0;
	for (size_t i = 0; i < TICKETS; i++) {
		woken += tickets[i].is_done && sem_trywait(&tickets[i].wake) == 0;
		sem_destroy(&tickets[i].wake);
	}
	FF_CHECK_EQ_INT(t, woken, TICKETS);
}

static bool plan_at_gate(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	(void)request;
	wait_at_gate(NULL, 0);
	return true;
}

static const ffp_op gated = { .name = "gated", .plan = plan_at_gate, .decide = decide_to_meet };

/* One whose calls do not go the first lane, as those without an id do. */
static ff_text id_of_another_lane(ff_engine *engine)
{
	static const char ids[] = "0123456789abcdef";
	ff_text id = { ids, 1 };
	for (; *id.data; id.data++) {
		engine->lanes[0].expected = 0; /* which the first lane sets when it has run one */
		if (run_operation(engine, &other, id) == FF_OK && !engine->lanes[0].expected)
			break;
	}
	return id;
}

typedef struct meeting_place {
	crowd crowd;
	ff_text id;
} meeting_place;

/* At the gate one of another lane; then one that is to be alone; the last thread sees that it waits, and opens the gate. */
static void wait_for_another_lane(void *context, unsigned thread)
{
	meeting_place *place = context;
	crowd *shared = &place->crowd;
	if (thread == 0)
		shared->errors += run_operation(shared->engine, &gated, place->id) != FF_OK;
	else
		wait_until_one_waits();
	if (thread == 1)
		shared->errors += run_operation(shared->engine, &alone, (ff_text){ "", 0 }) != FF_OK;
	for (bool waits = false; thread == 2 && !waits; sched_yield()) {
		pthread_mutex_lock(&shared->engine->queue_lock);
		waits = shared->engine->runs_alone;
		shared->wrong += waits && shared->engine->batches_running != 1;
		pthread_mutex_unlock(&shared->engine->queue_lock);
		gate.shut = !waits;
	}
}

static void one_waits_for_another_lane(ff_test *t)
{
	meeting_place place = { .crowd.engine = open_lanes(t) };
	meeting.engine = place.crowd.engine;
	place.id = id_of_another_lane(place.crowd.engine);
	FF_REQUIRE(t, *place.id.data);
	gate.shut = true;
	ffp_threads(t, 3, wait_for_another_lane, &place);
	FF_CHECK_EQ_INT(t, place.crowd.wrong + place.crowd.errors, 0);
}

/* Behind a report at the gate: one that is to be alone, between two others. The last thread opens the gate. */
static void queue_in_order(void *context, unsigned thread)
{
	static const ffp_op *const ops[] = { &other, &alone, &other };
	crowd *shared = context;
	if (thread == 0) {
		report_together(context, 0);
		return;
	}
	wait_until_one_waits();
	shared->wrong += !ffp_is_queued(shared->engine, thread - 1);
	if (thread > COUNT_OF(ops)) {
		gate.shut = false;
		return;
	}
	shared->errors += run_operation(shared->engine, ops[thread - 1], (ff_text){ "", 0 }) != FF_OK;
}

/* Nor does it share its batch with what waits in front of it or behind it. */
static void one_shares_no_batch(ff_test *t)
{
	crowd shared = { .engine = ffp_open_faulty(t, NULL) };
	meeting.engine = shared.engine;
	ff_engine_info before = info_of(t, shared.engine);
	shut_gate();
	ffp_threads(t, 5, queue_in_order, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, info_of(t, shared.engine).batches - before.batches, 4);
}

static const ff_case cases[] = {
	CASE(group_commit, "FF-RU-13 FF-RU-14", 0),
	CASE(those_that_wait_share_a_commit, "FF-RU-14", 0),
	CASE(those_that_wait_share_a_few_commits, "FF-RU-14", 0),
	CASE(damage_fails_no_strangers_call, "FF-RU-8", 0),
	CASE(group_commit_is_bounded, "FF-RU-14", 0),
	CASE(group_commit_with_faults, "FF-RU-2 FF-RU-14", 0),
	CASE(group_commit_that_fails, "FF-ERR-1 FF-ERR-2", 0),
	CASE(times_of_reads_never_go_back, "FF-CLK-1", 0),
	CASE(times_never_go_back, "FF-CLK-1 FF-CLK-2", 0),
	CASE(times_of_the_data_clock, "FF-CLK-2", 0),
	CASE(tick_runs_by_itself, "FF-RB-6", 0),
	CASE(tick_runs_again, "FF-RB-6", 0),
	CASE(tick_stops_at_once, "FF-RB-6", 0),
	CASE(tick_stops_while_it_waits, "FF-RB-6", 0),
	CASE(tick_rests_longer_behind_a_long_one, "FF-RB-6", 0),
	CASE(tick_stops_between_slices, "FF-RB-6", 0),
	CASE(slices_see_what_their_batch_has_done, "FF-RB-4 FF-MT-1", 0),
	CASE(tick_takes_less_where_calls_wait, "FF-MT-1", 0),
	CASE(slices_take_the_time_that_they_should, "FF-MT-1", 0),
	CASE(tick_is_wary_for_a_while, "FF-MT-1", 0),
	CASE(tick_goes_by_one_time, "FF-RB-4", 0),
	CASE(idle_tick_is_short, "", 0),
	CASE(tick_lets_the_store_keep_house, "FF-MT-1", 0),
	CASE(tick_among_reports, "FF-MT-1", 0),
	CASE(company_of_any_lane_is_seen, "", 0),
	CASE(what_has_no_root_goes_to_the_first_lane, "", 0),
	CASE(more_wait_than_a_batch_takes, "FF-RU-14", 0),
	CASE(lanes_want_their_capability, "", 0),
	CASE(lanes_run_side_by_side, "FF-RU-13 FF-RU-14", 0),
	CASE(one_runs_alone, "FF-MT-5", 0),
	CASE(one_waits_for_another_lane, "FF-MT-5", 0),
	CASE(one_shares_no_batch, "FF-MT-5", 0),
};

FAMILY(ffp_tests_queue, cases);
