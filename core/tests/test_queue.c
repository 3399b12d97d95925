/* Many threads in one queue: group commit, whose answer is whose, the times that calls get, and lanes. */
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "engine.h"
#include "tests.h"

enum { THREADS = 64, REPORTS = 100 };

/* A commit that takes a while, so that others come to wait behind it. */
static void dawdle(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	usleep(300);
}

/*
 * Each thread has a budget of its own whose usage nobody else changes, so that every answer is known beforehand; and
 * all share one budget with a limit.
 */
static void report_many(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
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

static void group_commit(ff_test *t)
{
	ff_engine *e = ffp_open_faulty(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	create_budgets(t, e);
	ff_engine_info before = ffp_info(t, e);
	ffp_crowd shared = { .engine = e };
	ffp_fault.mangle = dawdle;
	ffp_threads(t, THREADS, report_many, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.wrong, 0);
	FF_CHECK_EQ_INT(t, shared.errors, 0);
	FF_CHECK_EQ_INT(t, shared.accepted, 5000);
	FF_CHECK_EQ_INT(t, shared.refused, THREADS * REPORTS - 5000);
	FF_CHECK_STR(t, ffp_usage(t, e, "shared"), "common=5000");
	FF_CHECK_STR(t, ffp_breaches(t, e, "shared"), "hard=1400 soft=0 last=common@1000000");
	ff_engine_info after = ffp_info(t, e);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, 2 * THREADS * REPORTS);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* The first is alone with its load; the others come meanwhile, and the last lets it go on once they are queued. */
static void report_together(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
	if (thread)
		ffp_wait_until_one_waits();
	if (thread == THREADS) {
		shared->wrong += !ffp_is_queued(shared->engine, THREADS - 1);
		ffp_gate.shut = false;
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
	ff_engine_info before = ffp_info(t, e);
	ffp_crowd shared = { .engine = e };
	ffp_shut_gate();
	ffp_threads(t, THREADS + 1, report_together, &shared);
	ffp_fault_clear();
	ff_engine_info after = ffp_info(t, e);
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
	ff_engine_info before = ffp_info(t, e);
	ffp_crowd shared = { .engine = e };
	ffp_fault_set(FFP_SLOT_STORE, 2, FF_E_CORRUPT);
	ffp_shut_gate();
	ffp_threads(t, THREADS + 1, report_together, &shared);
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	ffp_fault_clear();
	ff_engine_info after = ffp_info(t, e);
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
	ff_engine_info before = ffp_info(t, e);
	ffp_crowd shared = { .engine = e };
	ffp_threads(t, THREADS, report_many, &shared);
	ff_engine_info after = ffp_info(t, e);
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, after.batches - before.batches, 2 * THREADS * REPORTS);
	FF_CHECK_EQ_INT(t, after.calls - before.calls, 2 * THREADS * REPORTS);
}

/* Half of the calls of a batch are wrong, each in its own way; the others go on as if they were alone. */
static void report_with_faults(void *context, unsigned thread)
{
	ffp_crowd *shared = context;
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
	ffp_crowd shared = { .engine = e };
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
	ffp_crowd *shared = context;
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
	ffp_crowd shared = { .engine = e };
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
	ffp_crowd shared = { .engine = e };
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
	ffp_crowd *shared = context;
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
	ffp_crowd shared = { .engine = open_lanes(t) };
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
	FF_CHECK_EQ_INT(t, ffp_info(t, e).batches, 2);
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
	ffp_wait_at_gate(NULL, 0);
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
	ffp_crowd crowd;
	ff_text id;
} meeting_place;

/* At the gate one of another lane; then one that is to be alone; the last thread sees that it waits, and opens the gate. */
static void wait_for_another_lane(void *context, unsigned thread)
{
	meeting_place *place = context;
	ffp_crowd *shared = &place->crowd;
	if (thread == 0)
		shared->errors += run_operation(shared->engine, &gated, place->id) != FF_OK;
	else
		ffp_wait_until_one_waits();
	if (thread == 1)
		shared->errors += run_operation(shared->engine, &alone, (ff_text){ "", 0 }) != FF_OK;
	for (bool waits = false; thread == 2 && !waits; sched_yield()) {
		pthread_mutex_lock(&shared->engine->queue_lock);
		waits = shared->engine->runs_alone;
		shared->wrong += waits && shared->engine->batches_running != 1;
		pthread_mutex_unlock(&shared->engine->queue_lock);
		ffp_gate.shut = !waits;
	}
}

static void one_waits_for_another_lane(ff_test *t)
{
	meeting_place place = { .crowd.engine = open_lanes(t) };
	meeting.engine = place.crowd.engine;
	place.id = id_of_another_lane(place.crowd.engine);
	FF_REQUIRE(t, *place.id.data);
	ffp_gate.shut = true;
	ffp_threads(t, 3, wait_for_another_lane, &place);
	FF_CHECK_EQ_INT(t, place.crowd.wrong + place.crowd.errors, 0);
}

/* Behind a report at the gate: one that is to be alone, between two others. The last thread opens the gate. */
static void queue_in_order(void *context, unsigned thread)
{
	static const ffp_op *const ops[] = { &other, &alone, &other };
	ffp_crowd *shared = context;
	if (thread == 0) {
		report_together(context, 0);
		return;
	}
	ffp_wait_until_one_waits();
	shared->wrong += !ffp_is_queued(shared->engine, thread - 1);
	if (thread > COUNT_OF(ops)) {
		ffp_gate.shut = false;
		return;
	}
	shared->errors += run_operation(shared->engine, ops[thread - 1], (ff_text){ "", 0 }) != FF_OK;
}

/* Nor does it share its batch with what waits in front of it or behind it. */
static void one_shares_no_batch(ff_test *t)
{
	ffp_crowd shared = { .engine = ffp_open_faulty(t, NULL) };
	meeting.engine = shared.engine;
	ff_engine_info before = ffp_info(t, shared.engine);
	ffp_shut_gate();
	ffp_threads(t, 5, queue_in_order, &shared);
	ffp_fault_clear();
	FF_CHECK_EQ_INT(t, shared.wrong + shared.errors, 0);
	FF_CHECK_EQ_INT(t, ffp_info(t, shared.engine).batches - before.batches, 4);
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
