#include "tick.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "budget.h"
#include "purge.h"

/* ---- slices ------------------------------------------------------------------------------------------------- */

/* What a slice costs whatever its rows are, a round trip or a sync, is not less for fewer of them: none is smaller than
 * this share of the largest, or a store that is far or slow would be purged row by row. */
#define SMALLEST_SHARE 16

/* How many rows the next slice looks at, so that it takes the time that it should: by the engine's own clock. */
static uint32_t next_rows(const ff_engine *engine, uint32_t rows, int64_t took_ms)
{
	uint32_t most = engine->purge_rows_max, least = (most + SMALLEST_SHARE - 1) / SMALLEST_SHARE;
	if (took_ms > (int64_t)engine->purge_slice_ms)
		return rows / 2 > least ? rows / 2 : least;
	return rows <= most / 2 ? 2 * rows : most;
}

static int64_t clock_ms(ff_engine *engine)
{
	return engine->clock.now_ms(engine->clock.context);
}

/* What a tick works with. */
typedef struct tick_work {
	ff_engine *engine;
	int64_t now_ms;
	int64_t purge_ms; /* never ahead of the engine's own time, by which calls tell what is over */
	uint64_t left;    /* of the limit */
	uint32_t rows;
	unsigned wary;      /* so many slices keep to what calls beside them can bear */
	bool finds;         /* the last slice changed something */
	bool is_background; /* it ends where the thread is to stop */
	ff_error error;     /* of what failed last, which may have been tried again */
} tick_work;

static bool is_stopped(const tick_work *work)
{
	if (!work->is_background)
		return false;
	pthread_mutex_lock(&work->engine->tick_lock);
	bool stops = work->engine->tick_stops;
	pthread_mutex_unlock(&work->engine->tick_lock);
	return stops;
}

/*
 * Slices of resets are shorter: they rewrite rows where a purge takes out whole pages. And they come all at once (budgets
 * fall due at midnight), so that each is shorter still while calls share its commit and wait for it; and for a few more,
 * since those calls commit alone while the store keeps house. A purge that finds nothing is in no hurry then either.
 */
#define RESETS_SHARE 4
#define RESETS_SHARE_BESIDE 12
#define SEARCH_SHARE_BESIDE 4
#define SLICES_WARY 32

static uint32_t slice_rows(const tick_work *work, const ffp_op *op)
{
	uint32_t share = 1;
	if (op == &ffp_op_reset_due)
		share = work->wary ? RESETS_SHARE_BESIDE : RESETS_SHARE;
	else if (work->wary && !work->finds)
		share = SEARCH_SHARE_BESIDE;
	uint32_t rows = work->rows / share;
	return rows ? rows : 1;
}

/*
 * Lets those go first whom the last slice's commit has answered. It takes them some microseconds to wake and to call
 * again, in which the next slice would begin without them, and they would wait for two commits.
 */
#define GIVE_WAY_US 100

static void give_way(tick_work *work)
{
	if (ffp_queue_has_company(work->engine))
		work->wary = SLICES_WARY;
	else if (work->wary)
		work->wary--;
	if (!work->wary)
		return;
	int64_t end_us = ffp_monotonic_now_us() + GIVE_WAY_US;
	do
		sched_yield();
	while (!ffp_queue_is_led(work->engine) && ffp_monotonic_now_us() < end_us);
}

/* One slice is one request in the queue, so that other calls share its commit or go between two of them. */
static ff_code run_op(tick_work *work, const ffp_op *op, ffp_slice *slice)
{
	ff_call call = { .error = &work->error };
	ffp_request request = { .op = op,
		                .call = &call,
		                .error = &work->error,
		                .own_now_ms = op == &ffp_op_purge ? work->purge_ms : work->now_ms,
		                .slice = slice };
	ffp_queue_run(work->engine, &request, 1, NULL);
	return call.code;
}

/* What a run of slices changed, and the rows that it had to pass over. */
typedef struct tick_tally {
	uint64_t *changed;
	uint64_t *failed;
} tick_tally;

/*
 * Runs slices along an order, from behind *place to `high` (NULL: to the end), until there are no more rows or the
 * limit is reached. *place goes with it.
 */
static ff_code run_slices(tick_work *work, const ffp_op *op, ffp_table_id table, const ff_index *index,
                          ffp_place *place, const ffp_place *high, tick_tally tally)
{
	ff_code code = FF_OK;
	bool more = true;
	work->finds = false;
	while (code == FF_OK && more && work->left && !is_stopped(work)) {
		give_way(work);
		ffp_slice slice = { .table = table,
			            .index = index,
			            .rows_max = slice_rows(work, op),
			            .changes_max = work->left,
			            .low = place,
			            .high = high };
		int64_t began_ms = clock_ms(work->engine);
		code = run_op(work, op, &slice);
		if (code != FF_OK)
			break;
		work->rows = next_rows(work->engine, work->rows, clock_ms(work->engine) - began_ms);
		ffp_housekeep(&work->engine->store);
		more = slice.looked_at == slice.rows_max;
		if (slice.looked_at)
			more &= ffp_place_advance(place, ffp_table(table), index, ffp_place_row(&slice.next));
		work->finds = slice.changed > 0;
		*tally.changed += slice.changed;
		*tally.failed += slice.failed;
		work->left -= slice.changed;
	}
	return code;
}

/* Walks a table once: from where the last walk was ended to the end, and from the beginning to there. */
static ff_code purge(tick_work *work, ffp_table_id table, uint64_t *purged)
{
	ffp_slice stood = { .table = table };
	uint64_t failed = 0;
	tick_tally tally = { purged, &failed };
	ff_code code = run_op(work, &ffp_op_sweep_begin, &stood);
	if (code != FF_OK)
		return code;
	ffp_place place = { .is_set = false };
	if (stood.next.is_set)
		ffp_place_set(&place, ffp_table(table), NULL, ffp_place_row(&stood.next));
	code = run_slices(work, &ffp_op_purge, table, NULL, &place, NULL, tally);
	if (code == FF_OK && work->left && !is_stopped(work) && stood.next.is_set) {
		place.is_set = false;
		code = run_slices(work, &ffp_op_purge, table, NULL, &place, &stood.next, tally);
	}
	ffp_slice stands = { .table = table };
	if ((!work->left || is_stopped(work)) && place.is_set)
		ffp_place_set(&stands.next, ffp_table(table), NULL, ffp_place_row(&place));
	if (code == FF_OK && (stood.next.is_set || stands.next.is_set))
		code = run_op(work, &ffp_op_sweep_end, &stands);
	return code;
}

static ff_code move_due(tick_work *work, ff_tick_result *result)
{
	ffp_place place = { .is_set = false };
	tick_tally tally = { &result->resets, &result->failed };
	result->failed = 0;
	return run_slices(work, &ffp_op_reset_due, FFP_BUDGET_POLICY, ffp_by_next_reset(), &place, NULL, tally);
}

/* Resets come first. Where the store has no room for them, what is purged may make some; and where the purge has used up
 * the limit, they are left undone, and that is told. */
static ff_code keep_house(tick_work *work, ff_tick_result *result)
{
	ff_code code = move_due(work, result);
	bool was_full = code == FF_E_FULL;
	if (was_full)
		code = FF_OK;
	if (code == FF_OK && work->left)
		code = purge(work, FFP_BUDGET_USAGE_DEDUP, &result->purged_keys);
	if (code == FF_OK && work->left)
		code = purge(work, FFP_BUDGET_USAGE_BY_EXEC, &result->purged_ledger_rows);
	if (code == FF_OK && work->left)
		code = purge(work, FFP_QUOTA_WINDOW, &result->purged_admissions);
	if (code == FF_OK && work->left)
		code = purge(work, FFP_QUOTA_ADMITTED, &result->purged_admissions);
	if (code == FF_OK && was_full)
		code = work->left ? move_due(work, result) : FF_E_FULL;
	return code;
}

static ff_code tick(ff_engine *engine, int64_t now_ms, uint64_t limit, bool is_background, ff_tick_result *result,
                    ff_error *error)
{
	ff_tick_result ignored;
	if (!result)
		result = &ignored;
	*result = (ff_tick_result){ 0 };
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && now_ms < 0)
		code = ff_error_set(error, FF_E_INVALID, "time is before 1970");
	if (code == FF_OK)
		code = ffp_engine_check_mode(engine, error);
	if (code == FF_OK) {
		int64_t engine_ms = ffp_engine_now(engine);
		tick_work work = { .engine = engine,
			           .now_ms = now_ms ? now_ms : engine_ms,
			           .purge_ms = now_ms && now_ms < engine_ms ? now_ms : engine_ms,
			           .left = limit ? limit : UINT64_MAX,
			           .rows = engine->purge_rows_max,
			           .is_background = is_background };
		code = keep_house(&work, result);
		if (code != FF_OK && error)
			*error = work.error;
	}
	if (code != FF_OK)
		ffp_error_about(engine, error, "tick", "", (ff_text){ "", 0 });
	return code;
}

ff_code ff_engine_tick(ff_engine *engine, int64_t now_ms, uint64_t limit, ff_tick_result *result, ff_error *error)
{
	return tick(engine, now_ms, limit, false, result, error);
}

/* ---- the background thread ---------------------------------------------------------------------------------- */

/* A tick looks at every row that may be over, so its time grows with the store. However many there are, and however short
 * the interval, the thread is at work for a fifth of the time at most. No store needs more than the last bound for that: what
 * took so long was a wait. */
#define REST_PARTS 4
#define REST_MS_MAX 3600000

int64_t ffp_tick_rest_ms(uint32_t interval_ms, int64_t took_us)
{
	int64_t rest_ms = (REST_PARTS * took_us + 999) / 1000;
	rest_ms = rest_ms < REST_MS_MAX ? rest_ms : REST_MS_MAX;
	return rest_ms > interval_ms ? rest_ms : interval_ms;
}

/* Rests for so long or until the stop; with the lock held. */
static void rest(ff_engine *engine, int64_t ms)
{
	const struct timespec until = ffp_monotonic_in(ms);
	while (!engine->tick_stops &&
	       pthread_cond_timedwait(&engine->tick_wake, &engine->tick_lock, &until) != ETIMEDOUT)
		;
}

static void *tick_thread(void *context)
{
	ff_engine *engine = context;
	pthread_mutex_lock(&engine->tick_lock);
	while (!engine->tick_stops) {
		pthread_mutex_unlock(&engine->tick_lock);
		const int64_t began_us = ffp_monotonic_now_us();
		tick(engine, 0, 0, true, NULL, NULL);
		const int64_t took_us = ffp_monotonic_now_us() - began_us;
		pthread_mutex_lock(&engine->tick_lock);
		rest(engine, ffp_tick_rest_ms(engine->tick_interval_ms, took_us));
	}
	pthread_mutex_unlock(&engine->tick_lock);
	return NULL;
}

static void stop(ff_engine *engine)
{
	if (engine->tick_interval_ms == 0)
		return;
	pthread_mutex_lock(&engine->tick_lock);
	engine->tick_stops = true;
	pthread_cond_signal(&engine->tick_wake);
	pthread_mutex_unlock(&engine->tick_lock);
	pthread_join(engine->tick_thread, NULL);
	engine->tick_interval_ms = 0;
}

void ffp_tick_stop(ff_engine *engine)
{
	pthread_mutex_lock(&engine->tick_control);
	stop(engine);
	pthread_mutex_unlock(&engine->tick_control);
}

static ff_code start(ff_engine *engine, uint32_t interval_ms, ff_error *error)
{
	if (engine->tick_interval_ms)
		return FF_OK;
	engine->tick_stops = false;
	engine->tick_interval_ms = interval_ms;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* the host's signals are for the host's threads */
	int failed = pthread_create(&engine->tick_thread, NULL, tick_thread, engine);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return FF_OK;
	engine->tick_interval_ms = 0;
	return ff_error_set(error, FF_E_NO_MEMORY, "no thread for tick, error %d", failed);
}

ff_code ff_engine_tick_every(ff_engine *engine, uint32_t interval_ms, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && interval_ms > 86400000)
		code = ff_error_set(error, FF_E_INVALID, "tick interval is %u ms, it takes at most a day", interval_ms);
	if (code == FF_OK && interval_ms)
		code = ffp_engine_check_mode(engine, error);
	if (code != FF_OK) {
		ffp_error_about(engine, error, "tick", "", (ff_text){ "", 0 });
		return code;
	}
	pthread_mutex_lock(&engine->tick_control);
	if (interval_ms)
		code = start(engine, interval_ms, error);
	else
		stop(engine);
	pthread_mutex_unlock(&engine->tick_control);
	return code;
}
