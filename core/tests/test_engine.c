/* The engine over the fakes: opening it, and what one batch costs. What it refuses at once is test_arguments.c. */
#include <stdio.h>

#include "engine.h"
#include "tests.h"

/* ---- opening ------------------------------------------------------------------------------------------------ */

static const char *try_open(ff_test *t, const char *uri, const ff_engine_options *options)
{
	ff_engine *engine = (ff_engine *)(void *)&engine; /* to be cleared */
	ff_code code = ff_engine_open(uri, options, &engine, ff_test_error(t));
	FF_CHECK(t, (code == FF_OK) == (engine != NULL));
	if (code == FF_OK)
		ff_engine_close(&engine);
	return code == FF_OK ? "ok" : ff_test_text(t, "!%s %s", ff_code_name(code), ff_test_error(t)->message);
}

static void check_option(ff_test *t, ff_engine_options options, const char *answer)
{
	const char *got = try_open(t, ff_test_uri(t), &options);
	if (!FF_CHECK(t, strncmp(got, answer, strlen(answer)) == 0))
		ff_test_note(t, "'%s', not '%s'", got, answer);
}

static void options_are_checked(ff_test *t)
{
#define WITH(...) ((ff_engine_options){ .size = sizeof(ff_engine_options), __VA_ARGS__ })
	check_option(t, WITH(.attempts = 100), "ok");
	check_option(t, WITH(.attempts = 101), "!invalid option 'attempts' is 101, it takes 1 to 100");
	check_option(t, WITH(.backoff_ms = 60000), "ok");
	check_option(t, WITH(.backoff_ms = 60001), "!invalid option 'backoff_ms'");
	check_option(t, WITH(.batch_calls_max = 1000000), "ok");
	check_option(t, WITH(.batch_calls_max = 1000001), "!invalid option 'batch_calls_max'");
	check_option(t, WITH(.purge_rows_max = 100000), "ok");
	check_option(t, WITH(.purge_rows_max = 100001), "!invalid option 'purge_rows_max'");
	check_option(t, WITH(.purge_slice_ms = 60000), "ok");
	check_option(t, WITH(.purge_slice_ms = 60001), "!invalid option 'purge_slice_ms'");
	check_option(t, WITH(.key_ttl_ms = INT64_MAX), "ok");
	check_option(t, WITH(.key_ttl_ms = -1), "!invalid option 'key_ttl_ms'");
	check_option(t, WITH(.flags = 16), "!invalid option 'flags' has unknown bits 0x10");
	check_option(t, WITH(.required_caps = 16), "!invalid option 'required_caps' has unknown bits 0x10");
	check_option(t, (ff_engine_options){ .size = 0 }, "!invalid options were not begun");
	check_option(t, (ff_engine_options){ .size = sizeof(ff_engine_options) + 8 },
	             "!invalid options were not begun");
	const ff_clock clock = { .now_ms = ff_test_clock(t)->now_ms },
		       timeless = { .sleep_ms = ff_test_clock(t)->sleep_ms };
	const ff_random random = { NULL, NULL };
	const ff_allocator allocator = { NULL, NULL };
	check_option(t, WITH(.clock = &clock), "!invalid a clock, random source or allocator lacks a function");
	check_option(t, WITH(.clock = &timeless), "!invalid a clock, random source or allocator lacks a function");
	check_option(t, WITH(.random = &random), "!invalid a clock, random source or allocator lacks a function");
	check_option(t, WITH(.allocator = &allocator), "!invalid a clock, random source or allocator lacks a function");
	FF_CHECK_CODE(t, ff_engine_open(ff_test_uri(t), NULL, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, strncmp(try_open(t, NULL, NULL), "!invalid ", 9) == 0);
}

static void fail_of_problem(void *context, const char *problem)
{
	ff_test_note(context, "%s", problem);
	FF_CHECK((ff_test *)context, false);
}

static void options_have_defaults(ff_test *t)
{
	const ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_EQ_INT(t, e->attempts, 3);
	FF_CHECK_EQ_INT(t, e->backoff_ms, 5);
	FF_CHECK_EQ_INT(t, e->batch_calls_max, 8192);
	FF_CHECK_EQ_INT(t, e->purge_rows_max, 1000);
	FF_CHECK_EQ_INT(t, e->purge_slice_ms, 5);
	FF_CHECK_EQ_INT(t, e->key_ttl_ms, DAY_MS);
}

static uint64_t no_chance(void *context)
{
	(void)context;
	return 0;
}

static void source_of_random_is_the_hosts(ff_test *t)
{
	const ff_random random = { .next = no_chance };
	ff_engine *e = ff_test_open(t, &WITH(.random = &random));
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=10 max=1"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "x", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "y", "jitter=1000000"), "rate_exceeded 10000");
}

/* So many arenas are kept for callers to come, however many came at once. */
static void spares_are_kept_up_to_a_bound(ff_test *t)
{
	enum { KEPT = 64, TAKEN = KEPT + 2 };
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, &WITH(.allocator = &memory->allocator));
	ffp_spare *spares[TAKEN];
	for (size_t i = 0; i < TAKEN; i++)
		FF_REQUIRE(t, (spares[i] = ffp_spare_take(e)) != NULL);
	for (size_t i = 0; i < TAKEN; i++)
		ffp_spare_give(e, spares[i]);
	FF_CHECK_EQ_INT(t, e->spares_count, KEPT);
	ff_test_undo(t, e);
	FF_CHECK_EQ_INT(t, memory->live, 0);
}

static void schemes_are_told(ff_test *t)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(ff_test_open(t, NULL), &info, ff_test_error(t)));
	FF_CHECK_STR(t, info.schemes, "fake");
	FF_REQUIRE_OK(t, ff_engine_get_info(ffp_open_faulty(t, NULL), &info, ff_test_error(t)));
	FF_CHECK_STR(t, info.schemes, "broken flaky");
}

/* The record of a call that works is left alone. */
static void what_works_tells_no_error(ff_test *t)
{
	ff_error error = { .operation = "before", .message = "as it was" };
	ff_engine *e = ff_test_open(t, NULL);
	const ff_budget_status *status;
	const ff_budget_page *page;
	ff_tick_result result;
	ff_engine_info info;
	ff_engine *another;
	FF_CHECK_CODE(t, ff_engine_open(ff_test_uri(t), NULL, &another, &error), FF_OK);
	ff_engine_close(&another);
	FF_CHECK_CODE(t, ff_engine_import(e, ffp_no_line, NULL, NULL, &error), FF_OK);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	FF_CHECK_CODE(t, ff_engine_get_budget_status(e, "b", &status, &error), FF_OK);
	FF_CHECK_CODE(t, ff_engine_list_budgets(e, NULL, 1, &page, &error), FF_OK);
	FF_CHECK_CODE(t, ff_engine_tick(e, 0, 0, &result, &error), FF_OK);
	FF_CHECK_CODE(t, ff_engine_get_info(e, &info, &error), FF_OK);
	FF_CHECK_CODE(t, ff_engine_check(e, fail_of_problem, t, &error), FF_OK);
	FF_CHECK_STR(t, error.operation, "before");
	FF_CHECK_STR(t, error.message, "as it was");
	FF_CHECK(t, error.code == FF_OK && !*error.entity && !*error.id && !*error.backend);
	ff_free(status);
	ff_free(page);
}

static void open_names_what_is_wrong(ff_test *t)
{
	const char *answer = try_open(t, "nosuch:store", NULL);
	FF_CHECK(t, strncmp(answer, "!invalid no backend for the scheme 'nosuch', there are: fake, faulty", 68) == 0);
	const ff_error *error = ff_test_error(t);
	FF_CHECK_STR(t, error->operation, "open");
	FF_CHECK_STR(t, error->entity, "store");
	FF_CHECK_STR(t, error->id, "nosuch:store");
	FF_CHECK_STR(t, try_open(t, "fake:x?speed=9", NULL), "!invalid unknown parameter 'speed', known are: lanes");
	FF_CHECK_STR(t, error->backend, "fake");
	const char *missing = ff_test_missing_uri(t);
	FF_CHECK(t, strncmp(try_open(t, missing, &WITH(.flags = FF_OPEN_READ_ONLY)), "!not_found ", 11) == 0);
	FF_CHECK(t, strncmp(try_open(t, missing, &WITH(.flags = FF_OPEN_MUST_EXIST)), "!not_found ", 11) == 0);
	FF_CHECK_STR(t, error->id, missing);
	FF_CHECK_STR(t, error->backend, "fake");
	/* whatever is wrong, and before a scheme was found, too */
	try_open(t, "fake://u:secret@h/%zz", NULL);
	FF_CHECK_STR(t, error->id, "fake://u:***@h/%zz");
	try_open(t, "fake://u:secret@h", &WITH(.attempts = 101));
	FF_CHECK_STR(t, error->id, "fake://u:***@h");
	/* an id is cut to what the record holds, between characters */
	const char *longest = ff_test_text(t, "nosuch:%s\xc3\xa9", ffp_name_of_size(t, 'x', 120));
	try_open(t, longest, NULL);
	FF_CHECK_STR(t, error->id, ff_test_text(t, "%.127s", longest));
	try_open(t, longest, &WITH(.attempts = 101));
	FF_CHECK_STR(t, error->id, ff_test_text(t, "%.127s", longest));
}

static void open_that_fails_leaves_nothing(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	const char *uri = ff_test_text(t, "faulty:%s", strchr(ff_test_uri(t), ':') + 1);
	ff_engine_options options = WITH(.allocator = &memory->allocator);
	FF_CHECK_STR(t, try_open(t, uri, &options), "ok"); /* so that the fake is there */
	ffp_fake *fake = ffp_fake_of(t);
	for (int slot = FFP_SLOT_OPEN; slot <= FFP_SLOT_LIMITS; slot += FFP_SLOT_LIMITS) {
		ffp_fault_clear();
		ffp_fault.slot = (ffp_slot_id)slot;
		ffp_fault.at = 1;
		ffp_fault.code = FF_E_IO;
		FF_CHECK_STR(t, try_open(t, uri, &options), "!io a fault that was planned");
		FF_CHECK_EQ_INT(t, ffp_fault.hits, 1);
	}
	ffp_fault_clear();
	for (uint64_t at = 1;; at++) {
		memory->at = memory->taken + at;
		const char *answer = try_open(t, uri, &options);
		if (strcmp(answer, "ok") == 0)
			break;
		FF_CHECK(t, strncmp(answer, "!no_memory ", 11) == 0);
		FF_REQUIRE(t, at < 100);
	}
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_OPEN), ffp_fake_calls(fake, FFP_SLOT_CLOSE));
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

static ff_code durable_limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ff_code code = ffp_fake_backend.limits(store, limits, error);
	limits->caps = FF_CAP_DURABLE_COMMIT | FF_CAP_SNAPSHOT_READ;
	memset(limits->version, 'v', sizeof(limits->version)); /* which ends nowhere */
	return code;
}

static void capabilities_are_required(ff_test *t)
{
	static ff_engine_backend capable;
	capable = ffp_fake_backend;
	capable.name = "capable";
	capable.caps = FF_CAP_DURABLE_COMMIT | FF_CAP_SNAPSHOT_READ | FF_CAP_MULTI_PROCESS;
	capable.limits = durable_limits;
	FF_REQUIRE_OK(t, ff_backend_register(&capable, ff_test_error(t)));
	const char *uri = ff_test_text(t, "capable:%s", strchr(ff_test_uri(t), ':') + 1);
	FF_CHECK_STR(t, try_open(t, uri, &WITH(.required_caps = FF_CAP_DURABLE_COMMIT | FF_CAP_SNAPSHOT_READ)), "ok");
	FF_CHECK_STR(t, try_open(t, uri, &WITH(.required_caps = FF_CAP_DURABLE_COMMIT | FF_CAP_MULTI_PROCESS)),
	             "!unavailable store lacks the capability 'MULTI_PROCESS'");
	FF_CHECK_STR(t, ff_test_error(t)->backend, "capable");
	FF_CHECK_STR(t, ff_test_error(t)->entity, "store");
	ffp_fake *fake = ffp_fake_of(t);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_OPEN), ffp_fake_calls(fake, FFP_SLOT_CLOSE));
	ff_engine *e = ff_test_open_uri(t, uri, NULL);
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.caps, FF_CAP_DURABLE_COMMIT | FF_CAP_SNAPSHOT_READ);
	FF_CHECK_STR(t, info.backend, "capable");
	FF_CHECK_EQ_INT(t, strlen(info.version), sizeof((ff_store_limits){ 0 }.version) - 1);
}

/* All that are lacking are named, so that a host need not ask again and again. */
static void capabilities_that_are_lacking_are_named(ff_test *t)
{
	const char *answer = try_open(t, ff_test_uri(t), &WITH(.required_caps = FF_CAPS_KNOWN));
	for (uint64_t cap = 1; cap & FF_CAPS_KNOWN; cap <<= 1)
		if (!FF_CHECK(t, strstr(answer, ff_cap_name(cap)) != NULL))
			ff_test_note(t, "%s", answer);
	FF_CHECK(t, strstr(answer, ", "));
}

static void capabilities_beyond_the_table(ff_test *t)
{
	static ff_engine_backend boastful;
	boastful = ffp_fake_backend;
	boastful.name = "boastful";
	boastful.limits = durable_limits;
	FF_REQUIRE_OK(t, ff_backend_register(&boastful, ff_test_error(t)));
	const char *uri = ff_test_text(t, "boastful:%s", strchr(ff_test_uri(t), ':') + 1);
	FF_CHECK_STR(t, try_open(t, uri, NULL), "!io backend 'boastful' claims capabilities that its table lacks");
	ffp_fake *fake = ffp_fake_of(t);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_OPEN), ffp_fake_calls(fake, FFP_SLOT_CLOSE));
}

/* What a backend need not provide is done without. */
static void store_of_bare_slots(ff_test *t)
{
	static ff_engine_backend bare;
	bare = ffp_fake_backend;
	bare.name = "bare";
	bare.check = NULL;
	bare.is_untouched = NULL;
	bare.housekeep = NULL;
	bare.expect = NULL;
	FF_REQUIRE_OK(t, ff_backend_register(&bare, ff_test_error(t)));
	ff_engine *e = ff_test_open_uri(t, ff_test_text(t, "bare:%s", strchr(ff_test_uri(t), ':') + 1), NULL);
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call call = { .op = FF_OP_REPORT_USAGE, .deadline_ms = INT64_MAX, .in.report = &report };
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_REQUIRE_OK(t, ff_engine_submit(e, &call, 1, ff_test_error(t)));
	FF_CHECK_CODE(t, call.code, FF_OK);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_REQUIRE_OK(t, ff_engine_check(e, fail_of_problem, t, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=2");
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static void open_read_only(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	ff_engine *reader = ff_test_open(t, &WITH(.flags = FF_OPEN_READ_ONLY));
	FF_CHECK_STR(t, ffp_usage(t, reader, "b"), "a=1");
	FF_CHECK_STR(t, ffp_report(t, reader, "b", "", "a=1"), "!unavailable");
	FF_CHECK_STR(t, ffp_create(t, reader, "b", ""), "!unavailable");
	FF_CHECK_STR(t, ffp_reset(t, reader, "b", 0), "!unavailable");
	FF_CHECK_STR(t, ffp_admit(t, reader, "q", "x", ""), "!unavailable");
	FF_CHECK_STR(t, ffp_tick(t, reader, 0, 0), "!unavailable");
	FF_CHECK_STR(t, ffp_import(t, reader, ""), "!unavailable");
	FF_CHECK_CODE(t, ff_engine_tick_every(reader, 1000, ff_test_error(t)), FF_E_UNAVAILABLE);
	FF_CHECK_STR(t, ffp_report(t, reader, "", "", "a=1"), "!invalid"); /* arguments come first */
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

/* ---- what a batch costs ------------------------------------------------------------------------------------- */

static void empty_batches_are_fine(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, NULL, 0, NULL, NULL, ff_test_error(t)), FF_OK);
	FF_CHECK_CODE(t, ff_engine_submit(e, NULL, 0, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_BEGIN), 0);
}

static void empty_stores_are_listed(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ff_budget_page *budgets = NULL;
	const ff_quota_page *quotas = NULL;
	FF_REQUIRE_OK(t, ff_engine_list_budgets(e, NULL, 10, &budgets, ff_test_error(t)));
	FF_CHECK(t, budgets->budgets_count == 0 && !budgets->more);
	ff_free(budgets);
	FF_REQUIRE_OK(t, ff_engine_list_quotas(e, NULL, 10, &quotas, ff_test_error(t)));
	FF_CHECK(t, quotas->quotas_count == 0 && !quotas->more);
	ff_free(quotas);
	FF_CHECK_STR(t, ffp_export(t, e, 0), "{\"lines\":0,\"table\":\"end\"}\n");
}

typedef struct report_list {
	ff_report reports[1000];
	ff_report_result results[1000];
	ff_error errors[1000];
	ff_amount amounts[1000];
} report_list;

/* Reports of 1 each; to `budgets` budgets in turn, each with a key of its own. */
static report_list *list_reports(ff_test *t, unsigned budgets)
{
	report_list *list = ff_test_alloc(t, sizeof(*list));
	for (unsigned i = 0; i < COUNT_OF(list->reports); i++) {
		list->amounts[i] = (ff_amount){ "tokens", 1 };
		list->reports[i] = (ff_report){ .budget_id = ff_test_text(t, "budget %u", i % budgets),
			                        .amounts = &list->amounts[i],
			                        .amounts_count = 1,
			                        .idempotency_key = ff_test_text(t, "key %u", i) };
	}
	return list;
}

/* A thousand reports are one load, one store and one commit (FF-RU-14). */
static void batch_is_one_round(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	for (unsigned i = 0; i < 10; i++)
		ffp_create(t, e, ff_test_text(t, "budget %u", i), "tokens=90:50");
	static const ffp_slot_id slots[] = { FFP_SLOT_BEGIN, FFP_SLOT_LOAD, FFP_SLOT_STORE, FFP_SLOT_COMMIT };
	uint64_t before[FFP_SLOTS_COUNT];
	for (int slot = 0; slot < FFP_SLOTS_COUNT; slot++)
		before[slot] = ffp_fake_calls(fake, (ffp_slot_id)slot);
	report_list *list = list_reports(t, 10);
	FF_REQUIRE_OK(
	    t, ff_engine_report_usage_batch(e, list->reports, 1000, list->results, list->errors, ff_test_error(t)));
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, slots[i]) - before[slots[i]], 1);
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_ABORT), before[FFP_SLOT_ABORT]);
	unsigned kinds[4] = { 0 };
	for (unsigned i = 0; i < 1000; i++) {
		FF_REQUIRE(t, list->results[i].code == FF_OK);
		kinds[list->results[i].outcome.kind]++;
	}
	FF_CHECK_EQ_INT(t, kinds[FF_OUTCOME_OK], 10 * 50);
	FF_CHECK_EQ_INT(t, kinds[FF_OUTCOME_SOFT_BREACH], 10 * 40);
	FF_CHECK_EQ_INT(t, kinds[FF_OUTCOME_HARD_BREACH], 10 * 10);
	FF_CHECK_STR(t, ffp_usage(t, e, "budget 3"), "tokens=90");
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_BUDGET_USAGE_DEDUP), 1000);
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.calls, 1010);
	FF_CHECK_EQ_INT(t, info.batches, 11);
	FF_CHECK_EQ_INT(t, info.retries, 0);
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* A batch that changes nothing stores nothing, and commits, so that what it answers by lasts (backend.h). The first one
 * takes its key for fresh, which the store refuses. */
static void replays_are_not_stored(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	uint64_t stores = ffp_fake_calls(fake, FFP_SLOT_STORE);
	uint64_t commits = ffp_fake_calls(fake, FFP_SLOT_COMMIT);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_COMMIT), commits + 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!key_conflict");
	FF_CHECK_STR(t, ffp_release_slot(t, e, "q", "x", 0), "not held");
	FF_CHECK_STR(t, ffp_tick(t, e, 0, 0), "resets=0 failed=0 keys=0 admissions=0");
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_STORE), stores + 1);
}

/* Each batch of a hundred is decided as if sent one by one, with members in it that fail in every way. */
static void batch_is_as_if_sent_alone(ff_test *t)
{
	enum { COUNT = 100 };
	static const char *const names[] = { "b", "c", "", "advisory", "missing" };
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	report_list *list = ff_test_alloc(t, sizeof(*list));
	const char *dumps[2];
	const char *answers[2];
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t amount = ff_test_random_below(t, 20);
		list->amounts[i] = (ff_amount){ i % 7 ? "a" : "z", amount == 13 ? INT64_MAX : amount };
		list->reports[i] = (ff_report){
			.budget_id = names[ff_test_random_below(t, COUNT_OF(names))],
			.amounts = &list->amounts[i],
			.amounts_count = 1,
			.idempotency_key = ff_test_text(t, "%u", (unsigned)ff_test_random_below(t, COUNT / 2)),
		};
	}
	for (unsigned way = 0; way < 2; way++) {
		ffp_fake_wipe(fake);
		ffp_create(t, e, "b", "a=100:50");
		ffp_create(t, e, "c", "a=100 @reset=5");
		ffp_create(t, e, "advisory", "a=50 z=5 @mode=advisory");
		answers[way] = "";
		if (way == 0)
			ff_engine_report_usage_batch(e, list->reports, COUNT, list->results, list->errors, NULL);
		for (unsigned i = 0; i < COUNT; i++) {
			ff_report_result *result = &list->results[i];
			if (way == 1)
				result->code =
				    ff_engine_report_usage(e, &list->reports[i], &result->outcome, &list->errors[i]);
			answers[way] = ff_test_text(t, "%s%s %s\n", answers[way],
			                            ffp_show_outcome(t, result->code, &result->outcome),
			                            result->code ? list->errors[i].message : "");
		}
		dumps[way] = ffp_fake_dump(t, fake);
	}
	FF_CHECK_STR(t, answers[0], answers[1]);
	FF_CHECK_STR(t, dumps[0], dumps[1]);
	FF_CHECK(t, strstr(answers[0], "!key_conflict") && strstr(answers[0], "!overflow") &&
	                strstr(answers[0], "!invalid") && strstr(answers[0], "hard") && strstr(answers[0], "replayed"));
	FF_CHECK_STR(t, ffp_fake_broken(fake), "");
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* A report's path takes nothing from the allocator, once its arenas have been filled for the first time. */
static void warm_reports_take_no_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, &WITH(.allocator = &memory->allocator));
	ffp_create(t, e, "b", "a=5000:3 c=7 d=0:9 @reset=100");
	ff_amount amounts[] = { { "d", 1 }, { "a", 1 }, { "c", 0 } };
	ff_report report = { .budget_id = "b", .amounts = amounts, .amounts_count = 3 };
	ff_spend spend = { .execution_id = "x" };
	uint64_t taken = 0;
	for (unsigned i = 0; i < 1000; i++) {
		char key[16];
		ff_outcome outcome;
		snprintf(key, sizeof(key), "%u", i - i % 5); /* a new key, and four that are replayed */
		report.idempotency_key = i % 10 ? key : NULL;
		ff_test_set_time(t, FF_TEST_START_MS + i);
		FF_REQUIRE_OK(t, ff_engine_report_usage(e, &report, &outcome, ff_test_error(t)));
		spend.report = report;
		spend.report.idempotency_key = NULL;
		FF_REQUIRE_OK(t, ff_engine_record_spend(e, &spend, &outcome, ff_test_error(t)));
		if (i == 10)
			taken = memory->taken;
	}
	FF_CHECK_EQ_INT(t, memory->taken, taken);
	FF_CHECK(t, taken > 0 && taken < 20);
	ff_test_undo(t, e);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* ---- deadlines ---------------------------------------------------------------------------------------------- */

static void deadlines_are_kept(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ffp_fake *fake = ffp_fake_of(t);
	int64_t now_ms = ff_test_time(t);
	const int64_t deadlines[] = { 0, now_ms - 1, now_ms, now_ms + 1, INT64_MAX, 1 };
	const ff_amount amount = { "a", 1 };
	ff_call calls[COUNT_OF(deadlines)];
	ff_error errors[COUNT_OF(deadlines)];
	ff_outcome outcomes[COUNT_OF(deadlines)] = { { 0 } };
	ff_report reports[COUNT_OF(deadlines)];
	for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
		reports[i] = (ff_report){ .budget_id = "b",
			                  .amounts = &amount,
			                  .amounts_count = 1,
			                  .idempotency_key = ff_test_text(t, "%zu", i) };
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE,
			              .deadline_ms = deadlines[i],
			              .in.report = &reports[i],
			              .out.outcome = &outcomes[i],
			              .error = &errors[i] };
	}
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, COUNT_OF(calls), ff_test_error(t)));
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		bool late = deadlines[i] && deadlines[i] <= now_ms;
		FF_CHECK_EQ_INT(t, calls[i].code, late ? FF_E_DEADLINE : FF_OK);
		FF_CHECK_EQ_INT(t, outcomes[i].applied, !late);
		if (late)
			FF_CHECK(t, errors[i].code == FF_E_DEADLINE && errors[i].retryable &&
			                !strcmp(errors[i].operation, "report_usage") && !strcmp(errors[i].id, "b"));
	}
	FF_CHECK_EQ_INT(t, ffp_fake_count(fake, FFP_BUDGET_USAGE_DEDUP), 3); /* nothing of those that were late */
	calls[1].deadline_ms = now_ms;
	FF_REQUIRE_OK(t, ff_engine_submit(e, &calls[1], 1, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, ffp_fake_calls(fake, FFP_SLOT_COMMIT), 1);
	calls[1].deadline_ms = 0;
	FF_REQUIRE_OK(t, ff_engine_submit(e, &calls[1], 1, ff_test_error(t)));
	FF_CHECK(t, calls[1].code == FF_OK && !outcomes[1].replayed);
}

static const ff_case cases[] = {
	CASE(options_are_checked, "", 0),
	CASE(options_have_defaults, "", 0),
	CASE(source_of_random_is_the_hosts, "FF-QA-4", 0),
	CASE(spares_are_kept_up_to_a_bound, "", 0),
	CASE(schemes_are_told, "", 0),
	CASE(what_works_tells_no_error, "FF-ERR-1", 0),
	CASE(open_names_what_is_wrong, "FF-ERR-1", FF_CASE_MISSING_STORE),
	CASE(open_that_fails_leaves_nothing, "FF-ERR-2", 0),
	CASE(capabilities_are_required, "", 0),
	CASE(capabilities_that_are_lacking_are_named, "", 0),
	CASE(capabilities_beyond_the_table, "", 0),
	CASE(store_of_bare_slots, "", 0),
	CASE(open_read_only, "", 0),
	CASE(empty_batches_are_fine, "FF-RU-14", 0),
	CASE(empty_stores_are_listed, "FF-GS-2", 0),
	CASE(batch_is_one_round, "FF-RU-14", 0),
	CASE(replays_are_not_stored, "FF-RU-1", 0),
	CASE(batch_is_as_if_sent_alone, "FF-RU-14", 0),
	CASE(warm_reports_take_no_memory, "", 0),
	CASE(deadlines_are_kept, "FF-ERR-1", 0),
};

FAMILY(ffp_tests_engine, cases);
