/* Opening and closing, and what the rest of the core asks of an engine: its time, memory, retries. */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
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

uint64_t ffp_system_random(void *context)
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
static const ff_random system_source = { .next = ffp_system_random };
static const ff_allocator libc_allocator = { .resize = libc_resize };

#define DAY_MS INT64_C(86400000)
/* Arenas that are kept for callers to come; a burst of more gives its own back. */
#define SPARES_MAX 64
/* Policies that each keeps: there may be many, and most programs look at a few budgets. */
#define SPARE_POLICIES 16
#define LANES_MAX 64

/* ---- opening ------------------------------------------------------------------------------------------------ */

static ff_code check_options(const ff_engine_options *options, ff_error *error)
{
	const uint32_t known = FF_OPEN_READ_ONLY | FF_OPEN_MUST_EXIST | FF_OPEN_REQUIRE_BUDGET | FF_OPEN_DATA_CLOCK;
	if (options->size != sizeof(*options))
		return ff_error_set(error, FF_E_INVALID,
		                    "options were not begun with FF_ENGINE_OPTIONS_INIT of this ff.h");
	if (options->flags & ~known)
		return ff_error_set(error, FF_E_INVALID, "option 'flags' has unknown bits 0x%x",
		                    options->flags & ~known);
	if (options->required_caps & ~FF_CAPS_KNOWN)
		return ff_error_set(error, FF_E_INVALID, "option 'required_caps' has unknown bits 0x%" PRIx64,
		                    options->required_caps & ~FF_CAPS_KNOWN);
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
	char list[128] = "";
	size_t used = 0;
	for (uint64_t cap = 1; cap & FF_CAPS_KNOWN; cap <<= 1)
		if (required & cap & ~store->limits.caps)
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "",
			                         ff_cap_name(cap));
	if (!used)
		return FF_OK;
	ff_error_set(error, FF_E_UNAVAILABLE, "store lacks the capability '%s'", list);
	memcpy(error->backend, store->backend->name, strlen(store->backend->name) + 1);
	return FF_E_UNAVAILABLE;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

static void set_up(ff_engine *engine, const ff_engine_options *options)
{
	engine->guard = ff_fork_guard_open();
	engine->flags = options->flags;
	engine->attempts = or_default(options->attempts, 3);
	engine->backoff_ms = or_default(options->backoff_ms, 5);
	engine->batch_calls_max = or_default(options->batch_calls_max, 8192);
	engine->purge_rows_max = or_default(options->purge_rows_max, 1000);
	engine->purge_slice_ms = or_default(options->purge_slice_ms, 5);
	engine->key_ttl_ms = options->key_ttl_ms ? options->key_ttl_ms : DAY_MS;
	engine->clock = options->clock ? *options->clock : system_clock;
	engine->random = options->random ? *options->random : system_source;
	engine->seed = ffp_system_random(NULL);
	engine->watches_import = true;
	pthread_mutex_init(&engine->queue_lock, NULL);
	pthread_cond_init(&engine->queue_turn, NULL);
	pthread_mutex_init(&engine->spares_lock, NULL);
	pthread_mutex_init(&engine->tick_control, NULL);
	pthread_mutex_init(&engine->tick_lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&engine->tick_wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void free_spare(ff_engine *engine, ffp_spare *spare)
{
	ffp_policies_free(&spare->policies);
	ffp_arena_free(&spare->arena);
	engine->allocator.resize(engine->allocator.context, spare, sizeof(*spare), 0);
}

static void tear_down(ff_engine *engine)
{
	while (engine->spares) {
		ffp_spare *spare = engine->spares;
		engine->spares = spare->next;
		free_spare(engine, spare);
	}
	for (uint32_t i = 0; i < engine->lanes_count; i++) {
		ffp_policies_free(&engine->lanes[i].policies);
		ffp_recall_free(&engine->lanes[i].recall);
		ffp_arena_free(&engine->lanes[i].arena);
	}
	if (engine->lanes)
		engine->allocator.resize(engine->allocator.context, engine->lanes,
		                         engine->lanes_count * sizeof(*engine->lanes), 0);
	pthread_cond_destroy(&engine->tick_wake);
	pthread_mutex_destroy(&engine->tick_lock);
	pthread_mutex_destroy(&engine->tick_control);
	pthread_mutex_destroy(&engine->spares_lock);
	pthread_cond_destroy(&engine->queue_turn);
	pthread_mutex_destroy(&engine->queue_lock);
	ff_fork_guard_close(&engine->guard);
	ff_allocator allocator = engine->allocator;
	allocator.resize(allocator.context, engine, sizeof(*engine), 0);
}

/* As many lanes as the store takes write transactions at a time. */
static ff_code open_lanes(ff_engine *engine, ff_error *error)
{
	const ff_store_limits *limits = &engine->store.limits;
	uint32_t count = limits->caps & FF_CAP_CONCURRENT_WRITERS && limits->lanes ? limits->lanes : 1;
	count = count < LANES_MAX ? count : LANES_MAX;
	engine->lanes = engine->allocator.resize(engine->allocator.context, NULL, 0, count * sizeof(*engine->lanes));
	if (!engine->lanes)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for an engine");
	memset(engine->lanes, 0, count * sizeof(*engine->lanes));
	for (engine->lanes_count = 0; engine->lanes_count < count; engine->lanes_count++) {
		ffp_lane *lane = &engine->lanes[engine->lanes_count];
		lane->policies.allocator = lane->recall.allocator = &engine->allocator;
		/* The first takes the lists as well that have roots of several. */
		lane->recall.places_count = engine->lanes_count ? FFP_RECALL_PLACES / count : FFP_RECALL_PLACES;
		ffp_arena_init(&lane->arena, &engine->allocator);
	}
	return FF_OK;
}

static ff_code open_store(ff_engine *engine, const char *uri, uint64_t required, ff_error *error)
{
	uint32_t flags = (engine->flags & FF_OPEN_READ_ONLY ? FF_STORE_READ_ONLY : 0) |
	                 (engine->flags & FF_OPEN_MUST_EXIST ? FF_STORE_MUST_EXIST : 0);
	ff_error own;
	ff_code code = ffp_store_open(&engine->store, uri, flags, &ffp_catalog, &engine->allocator, &own);
	if (code == FF_OK) {
		code = require_caps(&engine->store, required, &own);
		if (code == FF_OK)
			code = open_lanes(engine, &own);
		if (code != FF_OK)
			ffp_store_close(&engine->store);
	}
	if (code != FF_OK && error)
		*error = own;
	return code;
}

static ff_code check_open(const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error)
{
	if (!engine)
		return ff_error_set(error, FF_E_INVALID, "engine is NULL");
	if (!uri)
		return ff_error_set(error, FF_E_INVALID, "uri is NULL");
	return check_options(options, error);
}

static ff_code open_engine(const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error)
{
	ff_allocator allocator = options->allocator ? *options->allocator : libc_allocator;
	ff_engine *opened = allocator.resize(allocator.context, NULL, 0, sizeof(*opened));
	if (!opened)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for an engine");
	memset(opened, 0, sizeof(*opened));
	opened->allocator = allocator;
	set_up(opened, options);
	ff_code code = open_store(opened, uri, options->required_caps, error);
	if (code == FF_OK)
		*engine = opened;
	else
		tear_down(opened);
	return code;
}

ff_code ff_engine_open(const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error)
{
	const ff_engine_options defaults = FF_ENGINE_OPTIONS_INIT;
	if (!options)
		options = &defaults;
	if (engine)
		*engine = NULL;
	ff_code code = check_open(uri, options, engine, error);
	if (code == FF_OK)
		code = open_engine(uri, options, engine, error);
	char shown[FFP_URI_SHOWN];
	if (code != FF_OK) {
		ff_error_set_entity(error, "store", ffp_uri_show(uri, shown)); /* whatever the backend says */
		ffp_error_about(NULL, error, "open", "store", (ff_text){ "", 0 });
	}
	return code;
}

void ff_engine_close(ff_engine **engine)
{
	if (!engine || !*engine)
		return;
	ff_engine *closed = *engine;
	*engine = NULL;
	if (ff_fork_guard_is_copy(&closed->guard))
		return;
	ffp_tick_stop(closed);
	ffp_store_close(&closed->store);
	tear_down(closed);
}

ff_code ffp_engine_check(const ff_engine *engine, ff_error *error)
{
	if (!engine)
		return ff_error_set(error, FF_E_MISUSE, "engine is closed");
	if (ff_fork_guard_is_copy(&engine->guard))
		return ff_error_set(error, FF_E_MISUSE, "engine was opened in another process, open one after fork");
	return FF_OK;
}

ff_code ffp_engine_check_mode(const ff_engine *engine, ff_error *error)
{
	return engine->flags & FF_OPEN_READ_ONLY ? ff_error_set(error, FF_E_UNAVAILABLE, "store was opened read only")
	                                         : FF_OK;
}

ff_code ff_engine_get_info(ff_engine *engine, ff_engine_info *info, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && !info)
		code = ff_error_set(error, FF_E_INVALID, "info is NULL");
	if (code != FF_OK) {
		if (info)
			*info = (ff_engine_info){ .backend = NULL };
		ffp_error_about(engine, error, "get_info", "", (ff_text){ "", 0 });
		return code;
	}
	const ff_engine_backend *backend = engine->store.backend;
	pthread_mutex_lock(&engine->queue_lock);
	*info = (ff_engine_info){
		.backend = backend->name,
		.schemes = backend->schemes ? backend->schemes : backend->name,
		.version = engine->store.limits.version,
		.caps = engine->store.limits.caps,
		.durability = engine->store.limits.durability,
		.calls = engine->calls,
		.batches = engine->batches,
		.loads = atomic_load(&engine->store.loads),
		.retries = atomic_load(&engine->retries),
	};
	pthread_mutex_unlock(&engine->queue_lock);
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
	if (spare) {
		engine->spares = spare->next;
		engine->spares_count--;
	}
	pthread_mutex_unlock(&engine->spares_lock);
	if (spare)
		return spare;
	spare = engine->allocator.resize(engine->allocator.context, NULL, 0, sizeof(*spare));
	if (spare) {
		*spare = (ffp_spare){ .policies = { .allocator = &engine->allocator, .places = SPARE_POLICIES } };
		ffp_arena_init(&spare->arena, &engine->allocator);
	}
	return spare;
}

void ffp_spare_give(ff_engine *engine, ffp_spare *spare)
{
	ffp_arena_reset(&spare->arena);
	pthread_mutex_lock(&engine->spares_lock);
	bool kept = engine->spares_count < SPARES_MAX;
	if (kept) {
		spare->next = engine->spares;
		engine->spares = spare;
		engine->spares_count++;
	}
	pthread_mutex_unlock(&engine->spares_lock);
	if (!kept)
		free_spare(engine, spare);
}

#define BACKOFF_MAX_MS 60000

bool ffp_engine_retries(ff_engine *engine, ff_code code, uint32_t attempt, int64_t left_ms)
{
	if (!ffp_is_contention(code) || attempt + 1 >= engine->attempts)
		return false;
	int64_t wait_ms = (int64_t)engine->backoff_ms << (attempt < 16 ? attempt : 16);
	wait_ms = wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS;
	wait_ms = wait_ms < left_ms ? wait_ms : left_ms;
	engine->clock.sleep_ms(engine->clock.context, (uint32_t)(wait_ms > 0 ? wait_ms : 0));
	atomic_fetch_add_explicit(&engine->retries, 1, memory_order_relaxed);
	return true;
}

ff_code ffp_engine_gives_up(const ff_engine *engine, ff_code code, ff_error *error)
{
	if (!ffp_is_contention(code))
		return code;
	ff_error_prefix(error, "contention outlived %u attempts", engine->attempts);
	error->retryable = true;
	return error->code = FF_E_BUSY;
}

void ffp_error_about(const ff_engine *engine, ff_error *error, const char *operation, const char *entity, ff_text id)
{
	if (!error)
		return;
	if (operation[0])
		snprintf(error->operation, sizeof(error->operation), "%s", operation);
	if (engine && !error->backend[0])
		snprintf(error->backend, sizeof(error->backend), "%s", engine->store.backend->name);
	if (error->entity[0])
		return;
	char name[FF_ID_MAX + 5]; /* one character more than there is room for, so that it is cut behind a whole one */
	size_t size = id.size < sizeof(name) ? id.size : sizeof(name) - 1;
	if (size)
		memcpy(name, id.data, size);
	name[size] = '\0';
	ff_error_set_entity(error, entity, name);
}

ff_code ffp_error_corrupt(ff_error *error, const char *entity, ff_text id, const char *fault)
{
	const char *words = strcmp(entity, "quota_policy") == 0 ? "quota policy" : entity;
	ff_error_set(error, FF_E_CORRUPT, "%s '%.*s' has %s", words, FFP_SHOWN(id), fault);
	ffp_error_about(NULL, error, "", entity, id);
	return FF_E_CORRUPT;
}

int64_t ffp_monotonic_now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

struct timespec ffp_monotonic_in(int64_t ms)
{
	int64_t at_us = ffp_monotonic_now_us() + ms * 1000;
	return (struct timespec){ .tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000 };
}
