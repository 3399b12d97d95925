/* Opening and closing, the engine's time, and the public calls: each is a list of one or more ff_calls submitted. */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "text.h"
#include "tick.h"

/* ---- defaults ----------------------------------------------------------------------------------------------- */

static int64_t system_now_ms(void *context)
{
	(void)context;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void system_sleep_ms(void *context, uint32_t ms)
{
	(void)context;
	struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

static uint64_t system_random(void *context)
{
	(void)context;
	uint64_t bits = 0;
	return getrandom(&bits, sizeof(bits), 0) == (ssize_t)sizeof(bits) ? bits : 0;
}

static void *libc_resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

static const ff_clock system_clock = { .now_ms = system_now_ms, .sleep_ms = system_sleep_ms };
static const ff_random system_source = { .next = system_random };
static const ff_allocator libc_allocator = { .resize = libc_resize };

#define DAY_MS INT64_C(86400000)

/* ---- opening ------------------------------------------------------------------------------------------------ */

static ff_code check_options(const ff_engine_options *options, ff_error *error)
{
	const uint32_t known = FF_OPEN_READ_ONLY | FF_OPEN_MUST_EXIST | FF_OPEN_REQUIRE_BUDGET | FF_OPEN_DATA_CLOCK;
	if (options->size != sizeof(*options))
		return ff_error_set(error, FF_E_INVALID, "options were not begun with FF_ENGINE_OPTIONS_INIT");
	if (options->flags & ~known)
		return ff_error_set(error, FF_E_INVALID, "option 'flags' has unknown bits 0x%x",
		                    options->flags & ~known);
	if (options->required_caps & ~FF_CAPS_KNOWN)
		return ff_error_set(error, FF_E_INVALID, "option 'required_caps' has unknown bits");
	const struct {
		const char *name;
		int64_t value;
		int64_t max;
	} ranges[] = {
		{ "attempts", options->attempts, 100 },
		{ "backoff_ms", options->backoff_ms, 60000 },
		{ "batch_calls_max", options->batch_calls_max, 1000000 },
		{ "purge_rows_max", options->purge_rows_max, 100000 },
		{ "purge_slice_ms", options->purge_slice_ms, 60000 },
		{ "key_ttl_ms", options->key_ttl_ms, INT64_MAX },
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (ranges[i].value < 0 || ranges[i].value > ranges[i].max)
			return ff_error_set(error, FF_E_INVALID,
			                    "option '%s' is %" PRId64 ", it takes 1 to %" PRId64
			                    ", or 0 for its default",
			                    ranges[i].name, ranges[i].value, ranges[i].max);
	if ((options->clock && (!options->clock->now_ms || !options->clock->sleep_ms)) ||
	    (options->random && !options->random->next) || (options->allocator && !options->allocator->resize))
		return ff_error_set(error, FF_E_INVALID, "a clock, random source or allocator lacks a function");
	return FF_OK;
}

static ff_code require_caps(const ffp_store *store, uint64_t required, ff_error *error)
{
	for (uint64_t cap = 1; cap & FF_CAPS_KNOWN; cap <<= 1)
		if (required & cap & ~store->limits.caps) {
			ff_code code =
			    ff_error_set(error, FF_E_UNAVAILABLE, "store lacks the capability '%s'", ff_cap_name(cap));
			if (error)
				memcpy(error->backend, store->backend->name, strlen(store->backend->name) + 1);
			return code;
		}
	return FF_OK;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static void set_up(ff_engine *engine, const ff_engine_options *options)
{
	engine->process = getpid();
	engine->flags = options->flags;
	engine->attempts = or_default(options->attempts, 3);
	engine->backoff_ms = or_default(options->backoff_ms, 5);
	engine->batch_calls_max = or_default(options->batch_calls_max, 8192);
	engine->purge_rows_max = or_default(options->purge_rows_max, 1000);
	engine->purge_slice_ms = or_default(options->purge_slice_ms, 5);
	engine->key_ttl_ms = options->key_ttl_ms ? options->key_ttl_ms : DAY_MS;
	engine->clock = options->clock ? *options->clock : system_clock;
	engine->random = options->random ? *options->random : system_source;
	engine->policies.allocator = &engine->allocator;
	ffp_arena_init(&engine->batch_arena, &engine->allocator);
	pthread_mutex_init(&engine->queue_lock, NULL);
	pthread_mutex_init(&engine->spares_lock, NULL);
	pthread_mutex_init(&engine->tick_control, NULL);
	pthread_mutex_init(&engine->tick_lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&engine->tick_wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void tear_down(ff_engine *engine)
{
	while (engine->spares) {
		ffp_spare *spare = engine->spares;
		engine->spares = spare->next;
		ffp_arena_free(&spare->arena);
		engine->allocator.resize(engine->allocator.context, spare, sizeof(*spare), 0);
	}
	ffp_policies_free(&engine->policies);
	ffp_arena_free(&engine->batch_arena);
	pthread_cond_destroy(&engine->tick_wake);
	pthread_mutex_destroy(&engine->tick_lock);
	pthread_mutex_destroy(&engine->tick_control);
	pthread_mutex_destroy(&engine->spares_lock);
	pthread_mutex_destroy(&engine->queue_lock);
	ff_allocator allocator = engine->allocator;
	allocator.resize(allocator.context, engine, sizeof(*engine), 0);
}

static ff_code open_store(ff_engine *engine, const char *uri, uint64_t required, ff_error *error)
{
	uint32_t flags = (engine->flags & FF_OPEN_READ_ONLY ? FF_STORE_READ_ONLY : 0) |
	                 (engine->flags & FF_OPEN_MUST_EXIST ? FF_STORE_MUST_EXIST : 0);
	ff_error own;
	ff_code code = ffp_store_open(&engine->store, uri, flags, &ffp_catalog, &engine->allocator, &own);
	if (code == FF_OK) {
		code = require_caps(&engine->store, required, &own);
		if (code != FF_OK)
			ffp_store_close(&engine->store);
	}
	if (code != FF_OK && error)
		*error = own;
	return code;
}

ff_code ff_engine_open(const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error)
{
	const ff_engine_options defaults = FF_ENGINE_OPTIONS_INIT;
	if (!options)
		options = &defaults;
	if (!engine || !uri)
		return ff_error_set(error, FF_E_INVALID, "%s is NULL", engine ? "uri" : "engine");
	*engine = NULL;
	ff_code code = check_options(options, error);
	if (code != FF_OK)
		return code;
	ff_allocator allocator = options->allocator ? *options->allocator : libc_allocator;
	ff_engine *opened = allocator.resize(allocator.context, NULL, 0, sizeof(*opened));
	if (!opened)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for an engine");
	memset(opened, 0, sizeof(*opened));
	opened->allocator = allocator;
	set_up(opened, options);
	code = open_store(opened, uri, options->required_caps, error);
	if (code == FF_OK)
		*engine = opened;
	else
		tear_down(opened);
	ffp_error_about(NULL, code == FF_OK ? NULL : error, "open", "store", ffp_text(uri));
	return code;
}

void ff_engine_close(ff_engine **engine)
{
	if (!engine || !*engine)
		return;
	ff_engine *closed = *engine;
	*engine = NULL;
	if (closed->process != getpid())
		return;
	ffp_tick_stop(closed);
	ffp_store_close(&closed->store);
	tear_down(closed);
}

ff_code ffp_engine_check(const ff_engine *engine, ff_error *error)
{
	if (!engine)
		return ff_error_set(error, FF_E_MISUSE, "engine is closed");
	if (engine->process != getpid())
		return ff_error_set(error, FF_E_MISUSE, "engine was opened in another process, open one after fork");
	return FF_OK;
}

ff_code ffp_engine_check_writable(const ff_engine *engine, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && (engine->flags & FF_OPEN_READ_ONLY))
		code = ff_error_set(error, FF_E_UNAVAILABLE, "store was opened read only");
	return code;
}

ff_code ff_engine_get_info(ff_engine *engine, ff_engine_info *info, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && !info)
		code = ff_error_set(error, FF_E_INVALID, "info is NULL");
	if (code != FF_OK)
		return code;
	const ff_engine_backend *backend = engine->store.backend;
	*info = (ff_engine_info){
		.backend = backend->name,
		.schemes = backend->schemes ? backend->schemes : backend->name,
		.version = engine->store.limits.version,
		.caps = engine->store.limits.caps,
		.durability = engine->store.limits.durability,
		.calls = atomic_load(&engine->calls),
		.batches = atomic_load(&engine->batches),
		.loads = atomic_load(&engine->store.loads),
		.retries = atomic_load(&engine->retries),
	};
	return FF_OK;
}

/* ---- what the rest of the core asks of the engine ----------------------------------------------------------- */

int64_t ffp_engine_now(ff_engine *engine)
{
	bool data_clock = engine->flags & FF_OPEN_DATA_CLOCK;
	pthread_mutex_lock(&engine->queue_lock);
	int64_t now_ms = data_clock ? 0 : engine->clock.now_ms(engine->clock.context);
	if (now_ms < engine->latest_ms)
		now_ms = engine->latest_ms;
	pthread_mutex_unlock(&engine->queue_lock);
	return now_ms;
}

ffp_spare *ffp_spare_take(ff_engine *engine)
{
	pthread_mutex_lock(&engine->spares_lock);
	ffp_spare *spare = engine->spares;
	if (spare)
		engine->spares = spare->next;
	pthread_mutex_unlock(&engine->spares_lock);
	if (spare)
		return spare;
	spare = engine->allocator.resize(engine->allocator.context, NULL, 0, sizeof(*spare));
	if (spare)
		ffp_arena_init(&spare->arena, &engine->allocator);
	return spare;
}

void ffp_spare_give(ff_engine *engine, ffp_spare *spare)
{
	ffp_arena_reset(&spare->arena);
	pthread_mutex_lock(&engine->spares_lock);
	spare->next = engine->spares;
	engine->spares = spare;
	pthread_mutex_unlock(&engine->spares_lock);
}

bool ffp_engine_retries(ff_engine *engine, ff_code code, uint32_t attempt)
{
	if ((code != FF_E_BUSY && code != FF_E_CONFLICT) || attempt + 1 >= engine->attempts)
		return false;
	uint64_t wait_ms = (uint64_t)engine->backoff_ms << (attempt < 16 ? attempt : 16);
	engine->clock.sleep_ms(engine->clock.context, wait_ms < 60000 ? (uint32_t)wait_ms : 60000);
	atomic_fetch_add_explicit(&engine->retries, 1, memory_order_relaxed);
	return true;
}

static void set_field(char *field, size_t room, const char *text)
{
	size_t size = strnlen(text, room - 1);
	memcpy(field, text, size);
	field[size] = '\0';
}

void ffp_error_about(const ff_engine *engine, ff_error *error, const char *operation, const char *entity, ff_text id)
{
	if (!error)
		return;
	if (operation[0])
		set_field(error->operation, sizeof(error->operation), operation);
	if (engine && !error->backend[0])
		set_field(error->backend, sizeof(error->backend), engine->store.backend->name);
	if (error->entity[0])
		return;
	char name[FF_ID_MAX + 1];
	size_t size = id.size < sizeof(name) ? id.size : sizeof(name) - 1;
	if (size)
		memcpy(name, id.data, size);
	name[size] = '\0';
	ff_error_set_entity(error, entity, name);
}

/* ---- submitting --------------------------------------------------------------------------------------------- */

static ff_code check_time(const ff_engine *engine, ffp_request *request)
{
	bool usage = request->op == ffp_op_of(FF_OP_REPORT_USAGE) || request->op == ffp_op_of(FF_OP_RECORD_SPEND);
	if (request->own_now_ms < 0)
		return ffp_fail(request, FF_E_INVALID, "time %" PRId64 " is before 1970", request->own_now_ms);
	if (usage && request->own_now_ms && !(engine->flags & FF_OPEN_DATA_CLOCK))
		return ffp_fail(request, FF_E_INVALID, "usage cannot be back-dated, a report takes no time of its own");
	return FF_OK;
}

static ff_code check_call(const ff_engine *engine, ff_call *call, ffp_request *request, ff_arena *arena)
{
	*request = (ffp_request){ .op = ffp_op_of(call->op), .call = call, .error = call->error };
	if (!request->op)
		return ffp_fail(request, FF_E_INVALID, "operation %d is unknown", (int)call->op);
	ff_code code = request->op->check(request, arena);
	if (code == FF_OK)
		code = check_time(engine, request);
	if (code == FF_OK && (engine->flags & FF_OPEN_READ_ONLY))
		code = ffp_fail(request, FF_E_UNAVAILABLE, "store was opened read only");
	return code;
}

static void finish_call(const ff_engine *engine, ff_call *call, const ffp_request *request)
{
	if (call->code != FF_OK)
		ffp_error_about(engine, call->error, request->op ? request->op->name : "submit",
		                request->op ? request->op->entity : "", request->id);
}

/* Checks all in the caller's thread, queues those that passed, and completes the errors of those that failed. */
static ff_code submit(ff_engine *engine, ff_call *calls, size_t count, ff_arena *arena, ff_error *error)
{
	ffp_request *requests = arena ? ffp_arena_array(arena, count, sizeof(*requests)) : NULL;
	for (size_t i = 0; !requests && i < count; i++)
		calls[i].code = ff_error_set(calls[i].error, FF_E_NO_MEMORY, "out of memory for a call");
	if (!requests)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a batch");
	size_t passed = 0;
	for (size_t i = 0; i < count; i++) {
		ffp_request *request = &requests[passed];
		calls[i].code = check_call(engine, &calls[i], request, arena);
		if (calls[i].code == FF_OK)
			passed++;
		else
			finish_call(engine, &calls[i], request);
	}
	ff_code code = passed ? ffp_queue_run(engine, requests, passed, error) : FF_OK;
	for (size_t i = 0; i < passed; i++)
		finish_call(engine, requests[i].call, &requests[i]);
	if (code != FF_OK)
		ffp_error_about(engine, error, "submit", "", (ff_text){ "", 0 });
	return code;
}

ff_code ff_engine_submit(ff_engine *engine, ff_call *calls, size_t count, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && count && !calls)
		code = ff_error_set(error, FF_E_INVALID, "calls is NULL");
	if (code != FF_OK || count == 0)
		return code;
	ffp_spare *spare = ffp_spare_take(engine);
	code = submit(engine, calls, count, spare ? &spare->arena.base : NULL, error);
	if (spare)
		ffp_spare_give(engine, spare);
	return code;
}

/* A batch of one, whose error is the call's. */
static ff_code submit_one(ff_engine *engine, ff_call *call, ff_error *error)
{
	call->error = error;
	ff_code code = ffp_engine_check(engine, error);
	if (code != FF_OK)
		return code;
	ff_engine_submit(engine, call, 1, NULL);
	return call->code;
}

/* ---- the public calls --------------------------------------------------------------------------------------- */

ff_code ff_engine_create_budget(ff_engine *engine, const ff_budget_spec *spec, ff_created *created, ff_error *error)
{
	ff_call call = { .op = FF_OP_CREATE_BUDGET, .in.create_budget = spec, .out.created = created };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_create_budget_arrays(ff_engine *engine, const ff_budget_spec *spec, const ff_limit_arrays *limits,
                                       ff_created *created, ff_error *error)
{
	if (!spec || spec->size != sizeof(*spec) || !limits || spec->limits_count)
		return ff_error_set(error, FF_E_INVALID, "spec and limits do not go together");
	size_t count = limits->dimensions_count;
	if (limits->hard_limits_count != count || limits->soft_limits_count != count)
		return ff_error_set(error, FF_E_INVALID, "%zu dimensions have %zu hard and %zu soft limits", count,
		                    limits->hard_limits_count, limits->soft_limits_count);
	ff_limit joined[FFP_DIMENSIONS_MAX];
	for (size_t i = 0; i < count && i < FFP_DIMENSIONS_MAX; i++)
		joined[i] = (ff_limit){ limits->dimensions[i], limits->hard_limits[i], limits->soft_limits[i] };
	ff_budget_spec with_limits = *spec;
	with_limits.limits = joined;
	with_limits.limits_count = count; /* more than the array holds is refused by its number alone */
	return ff_engine_create_budget(engine, &with_limits, created, error);
}

ff_code ff_engine_report_usage(ff_engine *engine, const ff_report *report, ff_outcome *outcome, ff_error *error)
{
	ff_call call = { .op = FF_OP_REPORT_USAGE, .in.report = report, .out.outcome = outcome };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_report_usage_admin(ff_engine *engine, const ff_report *report, const ff_amount_arrays *amounts,
                                     ff_outcome *outcome, ff_error *error)
{
	if (!report || !amounts || report->amounts_count)
		return ff_error_set(error, FF_E_INVALID, "report and amounts do not go together");
	size_t count = amounts->dimensions_count;
	if (amounts->amounts_count != count)
		return ff_error_set(error, FF_E_INVALID, "%zu dimensions have %zu amounts", count,
		                    amounts->amounts_count);
	ff_amount joined[FFP_DIMENSIONS_MAX];
	for (size_t i = 0; i < count && i < FFP_DIMENSIONS_MAX; i++)
		joined[i] = (ff_amount){ amounts->dimensions[i], amounts->amounts[i] };
	ff_report with_amounts = *report;
	with_amounts.amounts = joined;
	with_amounts.amounts_count = count;
	return ff_engine_report_usage(engine, &with_amounts, outcome, error);
}

ff_code ff_engine_reset_budget(ff_engine *engine, const char *budget_id, int64_t now_ms, int64_t *next_reset_at_ms,
                               ff_error *error)
{
	ff_call call = { .op = FF_OP_RESET_BUDGET,
		         .in.target = { .id = budget_id, .now_ms = now_ms },
		         .out.next_reset_at_ms = next_reset_at_ms };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_record_spend(ff_engine *engine, const ff_spend *spend, ff_outcome *outcome, ff_error *error)
{
	ff_call call = { .op = FF_OP_RECORD_SPEND, .in.spend = spend, .out.outcome = outcome };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_release_budget(ff_engine *engine, const char *budget_id, const char *execution_id,
                                 const ff_released **released, ff_error *error)
{
	ff_call call = { .op = FF_OP_RELEASE_BUDGET,
		         .in.target = { .id = budget_id, .execution_id = execution_id },
		         .out.released = released };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_create_quota_policy(ff_engine *engine, const ff_quota_spec *spec, ff_created *created,
                                      ff_error *error)
{
	ff_call call = { .op = FF_OP_CREATE_QUOTA_POLICY, .in.create_quota = spec, .out.created = created };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_admit(ff_engine *engine, const ff_admission *admission, ff_admission_outcome *outcome,
                        ff_error *error)
{
	ff_call call = { .op = FF_OP_ADMIT, .in.admission = admission, .out.admission = outcome };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_release_admission(ff_engine *engine, const char *quota_policy_id, const char *execution_id,
                                    int64_t now_ms, bool *held, ff_error *error)
{
	ff_call call = { .op = FF_OP_RELEASE_ADMISSION,
		         .in.target = { .id = quota_policy_id, .execution_id = execution_id, .now_ms = now_ms },
		         .out.held = held };
	return submit_one(engine, &call, error);
}

ff_code ff_engine_report_usage_batch(ff_engine *engine, const ff_report *reports, size_t count,
                                     ff_report_result *results, ff_error *errors, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && count && (!reports || !results))
		code = ff_error_set(error, FF_E_INVALID, "%s is NULL", reports ? "results" : "reports");
	if (code != FF_OK)
		return code;
	ffp_spare *spare = ffp_spare_take(engine);
	ff_call *calls = spare ? ffp_arena_array(&spare->arena.base, count, sizeof(*calls)) : NULL;
	if (!calls)
		code = ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a batch");
	for (size_t i = 0; calls && i < count; i++)
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE,
			              .in.report = &reports[i],
			              .out.outcome = &results[i].outcome,
			              .error = errors ? &errors[i] : NULL };
	if (calls)
		code = ff_engine_submit(engine, calls, count, error);
	for (size_t i = 0; calls && i < count; i++)
		results[i].code = calls[i].code;
	if (spare)
		ffp_spare_give(engine, spare);
	return code;
}
