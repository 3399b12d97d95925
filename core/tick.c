#include "tick.h"

#include <errno.h>
#include <time.h>

#include "budget.h"

/* ---- slices ------------------------------------------------------------------------------------------------- */

/* How many rows the next slice looks at, so that it takes the time that it should: by the engine's own clock. */
static uint32_t next_rows(const ff_engine *engine, uint32_t rows, int64_t took_ms)
{
	if (took_ms > (int64_t)engine->purge_slice_ms && rows > 1)
		return rows / 2;
	return rows <= engine->purge_rows_max / 2 ? 2 * rows : engine->purge_rows_max;
}

static int64_t clock_ms(ff_engine *engine)
{
	return engine->clock.now_ms(engine->clock.context);
}

/* One slice is one request in the queue, so that reports share its commit or go between two of them. */
static ff_code run_slice(ff_engine *engine, int64_t now_ms, ffp_reset_slice *slice, ff_error *error)
{
	ff_call call = { .error = error };
	ffp_request request = {
		.op = &ffp_op_reset_due, .call = &call, .error = error, .own_now_ms = now_ms, .slice = slice
	};
	ffp_queue_run(engine, &request, 1, NULL);
	return call.code;
}

static ff_code reset_due(ff_engine *engine, int64_t now_ms, uint64_t limit, ff_tick_result *result, ff_error *error)
{
	ffp_reset_slice slice = { 0 };
	uint32_t rows = engine->purge_rows_max;
	ff_code code = FF_OK;
	do {
		uint64_t left = limit - result->resets;
		slice.rows_max = limit && left < rows ? (uint32_t)left : rows;
		int64_t began_ms = clock_ms(engine);
		code = run_slice(engine, now_ms, &slice, error);
		rows = next_rows(engine, rows, clock_ms(engine) - began_ms);
		if (code == FF_OK) {
			result->resets += slice.moved;
			result->failed += slice.failed;
		}
	} while (code == FF_OK && slice.looked_at == slice.rows_max && (!limit || result->resets < limit));
	return code;
}

ff_code ff_engine_tick(ff_engine *engine, int64_t now_ms, uint64_t limit, ff_tick_result *result, ff_error *error)
{
	ff_tick_result ignored;
	if (!result)
		result = &ignored;
	*result = (ff_tick_result){ 0 };
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && now_ms < 0)
		code = ff_error_set(error, FF_E_INVALID, "time is before 1970");
	if (code == FF_OK && (engine->flags & FF_OPEN_READ_ONLY))
		code = ff_error_set(error, FF_E_UNAVAILABLE, "store was opened read only");
	if (code == FF_OK)
		code = reset_due(engine, now_ms ? now_ms : ffp_engine_now(engine), limit, result, error);
	if (code != FF_OK)
		ffp_error_about(error, "tick", "", (ff_text){ "", 0 });
	return code;
}

/* ---- the background thread ---------------------------------------------------------------------------------- */

/* Waits for the interval or for the stop; with the lock held. */
static void wait_interval(ff_engine *engine)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += engine->tick_interval_ms / 1000;
	until.tv_nsec += (long)(engine->tick_interval_ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
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
		ff_engine_tick(engine, 0, 0, NULL, NULL);
		pthread_mutex_lock(&engine->tick_lock);
		wait_interval(engine);
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
	int failed = pthread_create(&engine->tick_thread, NULL, tick_thread, engine);
	if (!failed)
		return FF_OK;
	engine->tick_interval_ms = 0;
	return ff_error_set(error, FF_E_NO_MEMORY, "no thread for tick, error %d", failed);
}

ff_code ff_engine_tick_every(ff_engine *engine, uint32_t interval_ms, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code != FF_OK)
		return code;
	if (interval_ms > 86400000)
		return ff_error_set(error, FF_E_INVALID, "tick interval is %u ms, it takes at most a day", interval_ms);
	pthread_mutex_lock(&engine->tick_control);
	if (interval_ms)
		code = start(engine, interval_ms, error);
	else
		stop(engine);
	pthread_mutex_unlock(&engine->tick_control);
	return code;
}
