/* Deadlines that pass while a load waits for others, or for a network: who is told, when, and what becomes of the rest. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "engine.h"
#include "tests.h"

/* One at a time, as the plan of faults. */
static struct {
	_Atomic int64_t now_ms;
	_Atomic int64_t leap_ms;  /* so far it goes on once it was looked at */
	_Atomic uint64_t looks;   /* how often it was looked at */
	int64_t answer_ms;        /* a load is answered then, and each time that it asks a millisecond passes */
	_Atomic uint64_t passes;  /* so many loads are answered; the others wait */
	_Atomic uint64_t waiting; /* how often one asked */
} world;

static int64_t now_of_world(void *context)
{
	(void)context;
	int64_t now_ms = world.now_ms;
	world.looks++;
	world.now_ms += atomic_exchange(&world.leap_ms, 0);
	return now_ms;
}

static void sleep_in_world(void *context, uint32_t ms)
{
	(void)context;
	world.now_ms += ms;
}

static ff_engine *open_in_world_with(ff_test *t, uint32_t flags)
{
	static const ff_clock clock = { .now_ms = now_of_world, .sleep_ms = sleep_in_world };
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags |= flags;
	options.clock = &clock;
	world.now_ms = T0;
	world.leap_ms = 0;
	world.passes = world.waiting = 0;
	return ffp_open_faulty(t, &options);
}

static ff_engine *open_in_world(ff_test *t)
{
	return open_in_world_with(t, 0);
}

/* ---- a list of calls ---------------------------------------------------------------------------------------- */

static bool stalls_until_the_answer(void)
{
	return world.now_ms++ < world.answer_ms;
}

enum { CALLS = 3 };

/* Sends a list; each call has a key of its own. The answers are words. */
static const char *submit(ff_test *t, ff_engine *e, const int64_t deadlines[CALLS])
{
	const ff_amount amount = { "a", 1 };
	ff_report reports[CALLS];
	ff_call calls[CALLS];
	ff_error errors[CALLS];
	const char *answers = "";
	for (size_t i = 0; i < CALLS; i++) {
		reports[i] = (ff_report){ .budget_id = "b",
			                  .amounts = &amount,
			                  .amounts_count = 1,
			                  .idempotency_key = ff_test_text(t, "%zu", i) };
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE,
			              .deadline_ms = deadlines[i],
			              .in.report = &reports[i],
			              .error = &errors[i] };
	}
	ff_code code = ff_engine_submit(e, calls, CALLS, ff_test_error(t));
	if (code != FF_OK)
		return ff_test_text(t, "!%s", ff_code_name(code));
	for (size_t i = 0; i < CALLS; i++) {
		answers = ff_test_text(t, "%s%s%s", answers, i ? " " : "", ff_code_name(calls[i].code));
		if (calls[i].code == FF_E_DEADLINE)
			FF_CHECK(t, errors[i].code == FF_E_DEADLINE && errors[i].retryable &&
			                strcmp(errors[i].operation, "report_usage") == 0);
	}
	return answers;
}

static const char *counts(ff_test *t, ff_engine *e)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	const ffp_fake *fake = ffp_fake_of(t);
	return ff_test_text(
	    t, "begun=%llu committed=%llu retries=%llu", (unsigned long long)ffp_fake_calls(fake, FFP_SLOT_BEGIN),
	    (unsigned long long)ffp_fake_calls(fake, FFP_SLOT_COMMIT), (unsigned long long)info.retries);
}

/* The others are decided in a batch without the late one, which costs them no attempt and no back-off. */
static void load_is_cut_at_a_deadline(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t deadlines[CALLS] = { 0, T0 + 50, T0 + 100 };
	world.answer_ms = T0 + 80;
	ffp_fault.stalls = stalls_until_the_answer;
	FF_CHECK_STR(t, submit(t, e, deadlines), "ok deadline ok");
	FF_CHECK_STR(t, counts(t, e), "begun=2 committed=1 retries=0");
	ffp_fault_clear();
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!not_found");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 2);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "1", "a=1"), "ok"); /* its key was not used */
	FF_CHECK_STR(t, ffp_report(t, e, "b", "2", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Where nobody is left nothing is asked of the store any more. */
static void load_is_cut_until_nobody_waits(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t late[CALLS] = { T0, T0, 1 };
	FF_CHECK_STR(t, submit(t, e, late), "deadline deadline deadline");
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_LOAD), 0);
	const int64_t deadlines[CALLS] = { T0 + 60, T0 + 50, T0 + 60 };
	world.answer_ms = T0 + 1000;
	ffp_fault.stalls = stalls_until_the_answer;
	FF_CHECK_STR(t, submit(t, e, deadlines), "deadline deadline deadline");
	FF_CHECK_STR(t, counts(t, e), "begun=3 committed=0 retries=0");
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
}

/* Who was late before the load began, since the store was waited for, is not kept waiting for it. */
static void load_is_cut_where_one_was_late_before(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t deadlines[CALLS] = { 0, T0 + 50, 0 };
	world.leap_ms = 60; /* behind the look at the time when they are queued */
	world.answer_ms = T0 + 1000;
	ffp_fault.stalls = stalls_until_the_answer;
	FF_CHECK_STR(t, submit(t, e, deadlines), "ok deadline ok");
	FF_CHECK_STR(t, counts(t, e), "begun=2 committed=1 retries=0");
}

/* A store that does not ask answers late, and late is late. */
static void deadline_is_looked_at_before_the_decision(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t deadlines[CALLS] = { T0 + 50, 0, T0 + 81 };
	world.answer_ms = T0 + 80;
	ffp_fault.stalls = stalls_until_the_answer;
	ffp_fault.never_asks = true;
	FF_CHECK_STR(t, submit(t, e, deadlines), "deadline ok deadline");
	FF_CHECK_STR(t, counts(t, e), "begun=1 committed=1 retries=0");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 1);
}

/* None was set, or none has passed. */
static void store_that_invents_a_deadline(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t deadlines[CALLS] = { 0, T0 + 50, 0 };
	ffp_fault_clear(); /* which has counted the open */
	ffp_fault.slot = FFP_SLOT_LOAD;
	ffp_fault.at = 1;
	ffp_fault.code = FF_E_DEADLINE;
	FF_CHECK_STR(t, submit(t, e, deadlines), "!io");
	FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
}

/* The next time that it is looked at is the last one in time. */
static void leap_past_deadlines(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	world.leap_ms = 60;
}

/* What was decided in time is answered, however long its commit takes, and what went wrong in it is told. */
static void deadline_that_passes_in_a_commit(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t deadlines[CALLS] = { T0 + 50, 0, T0 + 50 };
	ffp_fault.mangle = leap_past_deadlines;
	FF_CHECK_STR(t, submit(t, e, deadlines), "ok ok ok");
	FF_CHECK_EQ_INT(t, world.now_ms, T0 + 60);
	ffp_fake_wipe(ffp_fake_of(t));
	world.now_ms = T0;
	e = open_in_world(t);
	ffp_fault_set(FFP_SLOT_COMMIT, 1, FF_E_IO);
	ffp_fault.mangle = leap_past_deadlines;
	FF_CHECK_STR(t, submit(t, e, deadlines), "!io");
	FF_CHECK_STR(t, counts(t, e), "begun=2 committed=1 retries=0");
}

static void pass_deadlines(ff_error *error)
{
	(void)error;
	world.now_ms = T0 + 50;
}

/* Nobody waits for another try once all are late, whichever contention it was. */
static void deadline_that_passes_in_contention(ff_test *t)
{
	static const ff_code codes[] = { FF_E_BUSY, FF_E_CONFLICT };
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	for (size_t i = 0; i < COUNT_OF(codes); i++) {
		ff_engine *e = open_in_world(t);
		ff_call call = { .op = FF_OP_REPORT_USAGE, .deadline_ms = T0 + 50, .in.report = &report };
		ffp_fault_set(FFP_SLOT_LOAD, 1, codes[i]);
		ffp_fault.scribble = pass_deadlines;
		FF_CHECK_CODE(t, ff_engine_submit(e, &call, 1, ff_test_error(t)), FF_OK);
		FF_CHECK_CODE(t, call.code, FF_E_DEADLINE);
		FF_CHECK_EQ_INT(t, world.now_ms, T0 + 50);
		FF_CHECK_STR(t, counts(t, e), ff_test_text(t, "begun=%zu committed=0 retries=0", i + 1));
	}
}

/* A load is told of deadlines where there are any, and has no reason to ask elsewhere. */
static void loads_without_deadlines_are_not_told(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	const int64_t none[CALLS] = { 0 }, one[CALLS] = { 0, T0 + 50, 0 };
	FF_CHECK_STR(t, submit(t, e, one), "ok ok ok");
	FF_CHECK_EQ_INT(t, ffp_fault.told, 1);
	FF_CHECK_STR(t, submit(t, e, none), "ok ok ok");
	FF_CHECK_EQ_INT(t, ffp_fault.told, 1);
}

/* ---- callers on threads of their own ------------------------------------------------------------------------ */

typedef struct caller {
	ff_engine *engine;
	const char *key;
	int64_t deadline_ms;
	int64_t second_ms; /* the deadline of another call of its list; 0: there is none */
	int64_t own_ms;    /* where time is the data's */
	ff_error *error;   /* of its list; or NULL */
	pthread_t thread;
	ff_code code;
	_Atomic bool answered;
} caller;

static void *call_once(void *context)
{
	caller *self = context;
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b",
		                   .amounts = &amount,
		                   .amounts_count = 1,
		                   .idempotency_key = self->key,
		                   .now_ms = self->own_ms };
	ff_call calls[] = { { .op = FF_OP_REPORT_USAGE, .deadline_ms = self->deadline_ms, .in.report = &report },
		            { .op = FF_OP_REPORT_USAGE, .deadline_ms = self->second_ms, .in.report = &report } };
	ff_code code = ff_engine_submit(self->engine, calls, self->second_ms ? 2 : 1, self->error);
	self->code = code == FF_OK ? calls[0].code : code;
	self->answered = true;
	return NULL;
}

static void start(ff_test *t, caller *one)
{
	FF_REQUIRE(t, pthread_create(&one->thread, NULL, call_once, one) == 0);
}

static const char *end(caller *one)
{
	pthread_join(one->thread, NULL);
	return ff_code_name(one->code);
}

/* Stalls until main lets it pass. */
static bool stalls_at_the_gate(void)
{
	world.waiting++;
	for (uint64_t left = world.passes; left;)
		if (atomic_compare_exchange_weak(&world.passes, &left, left - 1))
			return false;
	sched_yield();
	return true;
}

static bool is_answered(const caller *one)
{
	for (int i = 0; i < 10000 && !one->answered; i++)
		usleep(1000);
	return one->answered;
}

/* A load stalls that had not begun when `waiting` was looked at. */
static bool stalls_anew(uint64_t waiting)
{
	for (int i = 0; i < 10000 && world.waiting == waiting; i++)
		usleep(1000);
	return world.waiting != waiting;
}

/* Where none may, leaders wait for their turn. */
static void let_batches_begin(ff_engine *e, bool begin)
{
	pthread_mutex_lock(&e->queue_lock);
	e->runs_alone = !begin;
	pthread_cond_broadcast(&e->queue_turn);
	pthread_mutex_unlock(&e->queue_lock);
}

/* The first has a batch that stalls at the gate, and two wait behind it: the second leads the next. */
static void line_up(ff_test *t, caller *first, caller *second, caller *third)
{
	ffp_fault.stalls = stalls_at_the_gate;
	start(t, first);
	FF_CHECK(t, stalls_anew(0));
	start(t, second);
	FF_CHECK(t, ffp_is_queued(second->engine, 1));
	start(t, third);
	FF_CHECK(t, ffp_is_queued(third->engine, 2));
}

/* Behind a batch that has no deadline. */
static void late_caller_leaves_the_queue(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 50 };
	caller last = { .engine = e, .key = "last", .deadline_ms = T0 + 51 };
	line_up(t, &first, &late, &last);
	world.now_ms = T0 + 50;
	FF_CHECK(t, is_answered(&late));
	FF_CHECK(t, !first.answered && !last.answered);
	FF_CHECK(t, ffp_is_queued(e, 1));
	world.passes = 2;
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK_STR(t, end(&last), "ok");
	FF_CHECK_STR(t, counts(t, e), "begun=2 committed=2 retries=0");
}

/* From the middle, the front and the end of the queue, in whatever order: those that stay are decided in theirs. */
static void late_callers_leave_from_any_place(ff_test *t)
{
	enum { CALLERS = 6 };
	static const int places[][4] = { { 2, 0, 5, 3 }, { 5, 4, 0, 1 }, { 1, 2, 3, 4 } };
	for (size_t round = 0; round < COUNT_OF(places); round++) {
		ff_engine *e = open_in_world(t);
		caller first = { .engine = e, .key = ff_test_text(t, "%zu", round) };
		caller queued[CALLERS];
		bool leaves[CALLERS] = { false };
		ffp_fault.stalls = stalls_at_the_gate;
		start(t, &first);
		FF_CHECK(t, stalls_anew(0));
		for (size_t i = 0; i < CALLERS; i++)
			queued[i] = (caller){ .engine = e, .key = ff_test_text(t, "%zu %zu", round, i) };
		for (int i = 0; i < 4; i++) {
			queued[places[round][i]].deadline_ms = T0 + 50 + i;
			leaves[places[round][i]] = true;
		}
		for (size_t i = 0; i < CALLERS; i++) {
			start(t, &queued[i]);
			FF_CHECK(t, ffp_is_queued(e, i + 1));
		}
		for (int i = 0; i < 4; i++) {
			world.now_ms = T0 + 50 + i;
			FF_CHECK(t, is_answered(&queued[places[round][i]]));
			FF_CHECK(t, ffp_is_queued(e, (size_t)(CALLERS - 1 - i)));
		}
		caller last = { .engine = e, .key = ff_test_text(t, "%zu last", round) };
		start(t, &last);
		FF_CHECK(t, ffp_is_queued(e, 3));
		world.passes = 2;
		FF_CHECK_STR(t, end(&first), "ok");
		FF_CHECK_STR(t, end(&last), "ok");
		for (size_t i = 0; i < CALLERS; i++)
			FF_CHECK_STR(t, end(&queued[i]), leaves[i] ? "deadline" : "ok");
		FF_CHECK(t, ffp_is_queued(e, 0)); /* and nobody twice */
		ff_test_undo(t, e);
	}
}

/*
 * The leader is late: it is told so while the neighbour goes on waiting. Who comes later with a deadline of its own does
 * not share the neighbour's batch, and cannot cut it short again.
 */
static void late_leader_leaves_its_neighbour(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 50 };
	caller neighbour = { .engine = e, .key = "neighbour" };
	caller second = { .engine = e, .key = "second" };
	caller later = { .engine = e, .key = "later", .deadline_ms = T0 + 60 };
	caller last = { .engine = e, .key = "last" };
	line_up(t, &first, &late, &neighbour);
	start(t, &second);
	FF_CHECK(t, ffp_is_queued(e, 3));
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK(t, ffp_is_queued(e, 0));
	start(t, &later);
	FF_CHECK(t, ffp_is_queued(e, 1));
	start(t, &last);
	FF_CHECK(t, ffp_is_queued(e, 2));
	FF_CHECK(t, !late.answered);
	world.now_ms = T0 + 50;
	FF_CHECK(t, is_answered(&late));
	FF_CHECK(t, stalls_anew(world.waiting)); /* the neighbour's */
	world.now_ms = T0 + 60;
	FF_CHECK(t, is_answered(&later));
	FF_CHECK(t, !neighbour.answered && !second.answered && !last.answered);
	world.passes = 2;
	FF_CHECK_STR(t, end(&neighbour), "ok");
	FF_CHECK_STR(t, end(&second), "ok");
	FF_CHECK_STR(t, end(&last), "ok");
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, end(&later), "deadline");
	FF_CHECK_STR(t, counts(t, e), "begun=4 committed=3 retries=0");
	FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_BUDGET_USAGE_DEDUP), 4);
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* Nor does a late neighbour wait for its leader. */
static void late_neighbour_leaves_its_leader(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller leader = { .engine = e, .key = "leader" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 50 };
	line_up(t, &first, &leader, &late);
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK(t, ffp_is_queued(e, 0));
	world.now_ms = T0 + 50;
	FF_CHECK(t, is_answered(&late));
	FF_CHECK(t, !leader.answered);
	world.passes = 1;
	FF_CHECK_STR(t, end(&leader), "ok");
	FF_CHECK_STR(t, end(&late), "deadline");
}

/* A neighbour that goes back, where nobody waits, or in front of one who leaves before its turn: who comes then comes behind
 * it. */
static void neighbour_is_not_lost(ff_test *t)
{
	for (size_t one_leaves = 0; one_leaves < 2; one_leaves++) {
		ff_engine *e = open_in_world(t);
		caller first = { .engine = e, .key = ff_test_text(t, "first %zu", one_leaves) };
		caller late = { .engine = e, .key = ff_test_text(t, "late %zu", one_leaves), .deadline_ms = T0 + 50 };
		caller neighbour = { .engine = e, .key = ff_test_text(t, "neighbour %zu", one_leaves) };
		caller leaver = { .engine = e,
			          .key = ff_test_text(t, "leaver %zu", one_leaves),
			          .deadline_ms = T0 + 60 };
		caller later = { .engine = e, .key = ff_test_text(t, "later %zu", one_leaves) };
		line_up(t, &first, &late, &neighbour);
		world.passes = 1;
		FF_CHECK_STR(t, end(&first), "ok");
		FF_CHECK(t, ffp_is_queued(e, 0));
		let_batches_begin(e, false);
		if (one_leaves)
			start(t, &leaver);
		FF_CHECK(t, ffp_is_queued(e, one_leaves));
		world.now_ms = T0 + 50;
		FF_CHECK_STR(t, end(&late), "deadline");
		FF_CHECK(t, ffp_is_queued(e, 1 + one_leaves));
		world.now_ms = T0 + 60;
		if (one_leaves)
			FF_CHECK_STR(t, end(&leaver), "deadline");
		start(t, &later);
		FF_CHECK(t, ffp_is_queued(e, 2));
		world.passes = 2;
		let_batches_begin(e, true);
		FF_CHECK_STR(t, end(&neighbour), "ok"); /* who is lost waits for ever */
		FF_CHECK_STR(t, end(&later), "ok");
		ff_test_undo(t, e);
	}
}

/* Goes on to a time, and lets who waits find twice that it is late. */
static void pass_and_look(int64_t now_ms)
{
	world.now_ms = now_ms;
	const uint64_t looks = world.looks;
	for (int i = 0; i < 10000 && world.looks < looks + 2; i++)
		usleep(1000);
}

/* How many signals a thread was told of. */
static _Atomic unsigned signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static void restore_signal(void *before)
{
	sigaction(SIGUSR1, before, NULL);
}

/* A host's signal is no reason to go: neither for who waits for ever, nor for who has a deadline. */
static void signals_wake_nobody(ff_test *t)
{
	static const struct sigaction counting = { .sa_handler = count_signal }; /* and what it interrupts is told so */
	struct sigaction *before = ff_test_alloc(t, sizeof(*before));
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller second = { .engine = e, .key = "second" };
	caller third = { .engine = e, .key = "third", .deadline_ms = INT64_MAX - 1 };
	FF_REQUIRE(t, sigaction(SIGUSR1, &counting, before) == 0);
	ff_test_defer(t, restore_signal, before);
	signals = 0;
	line_up(t, &first, &second, &third);
	for (unsigned told = 0; told < 20; told += 2) {
		FF_REQUIRE(t, !second.answered && !third.answered);
		FF_CHECK(t, pthread_kill(second.thread, SIGUSR1) == 0 && pthread_kill(third.thread, SIGUSR1) == 0);
		for (int i = 0; i < 10000 && signals < told + 2; i++)
			usleep(1000);
	}
	FF_CHECK(t, ffp_is_queued(e, 2));
	world.passes = 2;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK_STR(t, end(&second), "ok");
	FF_CHECK_STR(t, end(&third), "ok");
}

/* A list waits as long as any of its calls. */
static void late_list_leaves_when_all_of_it_is_late(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 2, .second_ms = T0 + 1 };
	caller last = { .engine = e, .key = "last" };
	line_up(t, &first, &late, &last);
	pass_and_look(T0 + 1);
	FF_CHECK(t, !late.answered);
	FF_CHECK(t, ffp_is_queued(e, 2));
	world.now_ms = T0 + 2;
	FF_CHECK(t, is_answered(&late));
	world.passes = 2;
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK_STR(t, end(&last), "ok");
}

/* What its batch comes to is no error of a list that was late by then: it has none. */
static void late_list_has_no_error_of_its_batch(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	ff_error error = { .message = "as it was" };
	caller first = { .engine = e, .key = "first" };
	caller leader = { .engine = e, .key = "leader" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 1, .second_ms = T0 + 2, .error = &error };
	ffp_fault.never_asks = true;
	line_up(t, &first, &leader, &late);
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK(t, stalls_anew(world.waiting));
	world.now_ms = T0 + 2;
	ffp_fault.code = FF_E_IO;
	ffp_fault.at = ffp_fault.seen + 1;
	ffp_fault.slot = FFP_SLOT_STORE;
	world.passes = 1;
	FF_CHECK_STR(t, end(&leader), "io");
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, error.message, "as it was");
}

/* Where time is the data's it does not pass for who waits, whatever those behind it bring. */
static void no_time_passes_where_it_is_the_data_s(ff_test *t)
{
	ff_engine *e = open_in_world_with(t, FF_OPEN_DATA_CLOCK);
	caller first = { .engine = e, .key = "first", .own_ms = 1000 };
	caller second = { .engine = e, .key = "second", .own_ms = 1000, .deadline_ms = 1001 };
	caller third = { .engine = e, .key = "third", .own_ms = 5000 };
	line_up(t, &first, &second, &third);
	for (int i = 0; i < 20 && !second.answered; i++) /* it would look each millisecond */
		usleep(1000);
	world.passes = 2;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK_STR(t, end(&second), "ok");
	FF_CHECK_STR(t, end(&third), "ok");
}

/* Whom a batch has does not leave it. */
static void late_caller_stays_with_its_batch(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller leader = { .engine = e, .key = "leader" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 1 };
	ffp_fault.never_asks = true;
	line_up(t, &first, &leader, &late);
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK(t, ffp_is_queued(e, 0));
	pass_and_look(T0 + 1);
	FF_CHECK(t, !late.answered);
	world.passes = 1;
	FF_CHECK_STR(t, end(&leader), "ok");
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, counts(t, e), "begun=2 committed=2 retries=0");
}

/* The first of the batch takes so long that the deadline of the next one passes, and that one's thread sees it. */
static ff_code decide_past_the_deadline(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	(void)request;
	pass_and_look(T0 + 1);
	return FF_OK;
}

static bool plan_nothing(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	(void)request;
	return true;
}

static ff_code decide_nothing(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	(void)request;
	return FF_OK;
}

static const ffp_op slow = { .name = "slow", .plan = plan_nothing, .decide = decide_past_the_deadline };
static const ffp_op quick = { .name = "quick", .plan = plan_nothing, .decide = decide_nothing };

typedef struct operation {
	ff_engine *engine;
	const ffp_op *op;
	int64_t deadline_ms;
	pthread_t thread;
	ff_code code;
} operation;

static void *run_operation(void *context)
{
	operation *self = context;
	ff_call call = { .op = FF_OP_REPORT_USAGE };
	ffp_request request = { .op = self->op, .call = &call, .deadline_ms = self->deadline_ms };
	ffp_queue_run(self->engine, &request, 1, NULL);
	self->code = call.code;
	return NULL;
}

/* What was in time when its batch looked is decided, whenever its own thread finds that it is late. */
static void batch_answers_whom_it_has(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	operation both[] = { { .engine = e, .op = &slow }, { .engine = e, .op = &quick, .deadline_ms = T0 + 1 } };
	ffp_fault.stalls = stalls_at_the_gate;
	start(t, &first);
	FF_CHECK(t, stalls_anew(0));
	for (size_t i = 0; i < 2; i++) {
		FF_REQUIRE(t, pthread_create(&both[i].thread, NULL, run_operation, &both[i]) == 0);
		FF_CHECK(t, ffp_is_queued(e, i + 1));
	}
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	for (size_t i = 0; i < 2; i++) {
		pthread_join(both[i].thread, NULL);
		FF_CHECK_CODE(t, both[i].code, FF_OK);
	}
}

/* Waits a while; how often so many threads looked at the clock beyond once, and once in so many milliseconds. */
static int64_t looks_too_many(int64_t threads, int64_t slice_ms)
{
	const int64_t began_us = ffp_monotonic_now_us(); /* around what is counted */
	const uint64_t looks = world.looks;
	usleep(100000);
	const uint64_t looked = world.looks - looks;
	const int64_t took_ms = (ffp_monotonic_now_us() - began_us) / 1000;
	return (int64_t)looked - threads * (1 + took_ms / slice_ms);
}

/* Who waits for its deadline sleeps, for a second at most; and where it is late and a batch has it, it looks again now and
 * then. */
static void who_waits_sleeps(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller leader = { .engine = e, .key = "leader", .deadline_ms = INT64_MAX - 1 };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 1000000 };
	ffp_fault.never_asks = true;
	line_up(t, &first, &leader, &late);
	FF_CHECK(t, looks_too_many(2, 1000) <= 0);
	world.passes = 1;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK(t, stalls_anew(world.waiting));
	pass_and_look(T0 + 1000000);
	FF_CHECK(t, looks_too_many(1, 20) <= 0);
	world.passes = 1;
	FF_CHECK_STR(t, end(&leader), "ok");
	FF_CHECK_STR(t, end(&late), "deadline");
}

/* Who is called to lead does so, late or not: the lead goes on from there. */
static void late_leader_leads(ff_test *t)
{
	ff_engine *e = open_in_world(t);
	caller first = { .engine = e, .key = "first" };
	caller late = { .engine = e, .key = "late", .deadline_ms = T0 + 1 };
	caller last = { .engine = e, .key = "last" };
	line_up(t, &first, &late, &last);
	pthread_mutex_lock(&e->queue_lock);
	e->lanes[0].queue_first->leads = true; /* it is woken only when the first is done */
	pthread_mutex_unlock(&e->queue_lock);
	pass_and_look(T0 + 1);
	FF_CHECK(t, ffp_is_queued(e, 2));
	world.passes = 2;
	FF_CHECK_STR(t, end(&first), "ok");
	FF_CHECK_STR(t, end(&late), "deadline");
	FF_CHECK_STR(t, end(&last), "ok");
}

static const ff_case cases[] = {
	CASE(load_is_cut_at_a_deadline, "FF-ERR-2 FF-ERR-7", 0),
	CASE(load_is_cut_until_nobody_waits, "FF-ERR-7", 0),
	CASE(load_is_cut_where_one_was_late_before, "FF-ERR-7", 0),
	CASE(deadline_is_looked_at_before_the_decision, "FF-ERR-7", 0),
	CASE(store_that_invents_a_deadline, "FF-ERR-1", 0),
	CASE(deadline_that_passes_in_a_commit, "FF-ERR-2 FF-ERR-7", 0),
	CASE(deadline_that_passes_in_contention, "FF-ERR-4 FF-ERR-7", 0),
	CASE(loads_without_deadlines_are_not_told, "", 0),
	CASE(late_caller_leaves_the_queue, "FF-ERR-7", 0),
	CASE(late_callers_leave_from_any_place, "FF-ERR-7", 0),
	CASE(late_leader_leaves_its_neighbour, "FF-ERR-7", 0),
	CASE(late_neighbour_leaves_its_leader, "FF-ERR-7", 0),
	CASE(neighbour_is_not_lost, "FF-ERR-7", 0),
	CASE(signals_wake_nobody, "", 0),
	CASE(late_list_leaves_when_all_of_it_is_late, "FF-ERR-7", 0),
	CASE(late_list_has_no_error_of_its_batch, "FF-ERR-7", 0),
	CASE(no_time_passes_where_it_is_the_data_s, "FF-ERR-7 FF-CLK-2", 0),
	CASE(late_caller_stays_with_its_batch, "FF-ERR-7", 0),
	CASE(batch_answers_whom_it_has, "FF-ERR-7", 0),
	CASE(who_waits_sleeps, "", 0),
	CASE(late_leader_leads, "FF-ERR-7", 0),
};

FAMILY(ffp_tests_deadlines, cases);
