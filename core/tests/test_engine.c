/* The engine over the fakes: opening, dead handles, and what one batch costs. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

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

static ff_code no_line(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	(void)size;
	(void)error;
	*line = NULL;
	return FF_OK;
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
	FF_CHECK_CODE(t, ff_engine_import(e, no_line, NULL, NULL, &error), FF_OK);
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

/* ---- dead handles ------------------------------------------------------------------------------------------- */

static ff_code drop_line(void *context, const char *line, size_t size, ff_error *error)
{
	(void)context;
	(void)line;
	(void)size;
	(void)error;
	return FF_OK;
}

static void drop_problem(void *context, const char *problem)
{
	(void)context;
	(void)problem;
}

/* Calls every function with a handle; the bits of those that answer anything but MISUSE. */
static unsigned calls_that_live(ff_engine *e)
{
	const ff_amount amount = { "a", 1 };
	const char *const dimension[] = { "a" };
	const uint64_t one[] = { 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_report bare = { .budget_id = "b" };
	ff_spend spend = { .report = report, .execution_id = "x" };
	ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
	ff_quota_spec quota = FF_QUOTA_SPEC_INIT;
	ff_admission admission = FF_ADMISSION_INIT;
	ff_limit_arrays limits = { dimension, 1, one, 1, one, 1 };
	ff_amount_arrays amounts = { dimension, 1, one, 1 };
	budget.budget_id = "b";
	quota.quota_policy_id = "q";
	admission.quota_policy_id = "q";
	admission.execution_id = "x";
	ff_call call = { .op = FF_OP_REPORT_USAGE, .in.report = &report };
	ff_report_result result;
	ff_engine_info info;
	const ff_budget_status *status;
	const ff_budget_page *page;
	const ff_quota_status *quota_status;
	const ff_quota_page *quota_page;
	const ff_code codes[] = {
		ff_engine_get_info(e, &info, NULL),
		ff_engine_create_budget(e, &budget, NULL, NULL),
		ff_engine_create_budget_arrays(e, &budget, &limits, NULL, NULL),
		ff_engine_report_usage(e, &report, NULL, NULL),
		ff_engine_report_usage_admin(e, &bare, &amounts, NULL, NULL),
		ff_engine_reset_budget(e, "b", 0, NULL, NULL),
		ff_engine_record_spend(e, &spend, NULL, NULL),
		ff_engine_release_budget(e, "b", "x", NULL, NULL),
		ff_engine_get_budget_status(e, "b", &status, NULL),
		ff_engine_list_budgets(e, NULL, 1, &page, NULL),
		ff_engine_create_quota_policy(e, &quota, NULL, NULL),
		ff_engine_admit(e, &admission, NULL, NULL),
		ff_engine_release_admission(e, "q", "x", 0, NULL, NULL),
		ff_engine_get_quota_status(e, "q", &quota_status, NULL),
		ff_engine_list_quotas(e, NULL, 1, &quota_page, NULL),
		ff_engine_submit(e, &call, 1, NULL),
		ff_engine_report_usage_batch(e, &report, 1, &result, NULL, NULL),
		ff_engine_tick(e, 0, 0, NULL, NULL),
		ff_engine_tick_every(e, 1000, NULL),
		ff_engine_tick_every(e, 0, NULL),
		ff_engine_export(e, 0, drop_line, NULL, NULL),
		ff_engine_import(e, no_line, NULL, NULL, NULL),
		ff_engine_check(e, drop_problem, NULL, NULL),
	};
	unsigned alive = 0;
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		alive |= (codes[i] != FF_E_MISUSE ? 1u : 0u) << i;
	return alive;
}

static void closed_engine_is_misuse(ff_test *t)
{
	FF_CHECK_EQ_INT(t, calls_that_live(NULL), 0);
	FF_CHECK_STR(t, ffp_report(t, NULL, "b", "", "a=1"), "!misuse");
	FF_CHECK_STR(t, ff_test_error(t)->message, "engine is closed");
	ff_engine *none = NULL;
	ff_engine_close(&none);
	ff_engine_close(NULL);
}

/* What a child that got so far exits with, before the code: no sanitizer and no shell does. */
#define CHILD_ANSWERS 100

/* Runs `body` in a forked process: what it returns, or -1 where it dies of a signal. */
static int in_child(ff_test *t, int (*body)(void *context), void *context)
{
	pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0)
		_exit(body(context));
	int status = 0;
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int use_in_child(void *context)
{
	ff_engine *engine = context;
	if (calls_that_live(engine) != 0)
		return 1;
	ff_error error;
	ff_engine_info info;
	ff_engine_get_info(engine, &info, &error);
	if (!strstr(error.message, "another process"))
		return 2;
	ff_engine_close(&engine); /* leaves the parent's store alone */
	return engine ? 3 : CHILD_ANSWERS;
}

static void forked_engine_is_misuse(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_EQ_INT(t, in_child(t, use_in_child, e), CHILD_ANSWERS);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
}

/* ---- arguments that are not there --------------------------------------------------------------------------- */

static ff_code report_without_arrays(ff_engine *e)
{
	ff_report report = { .budget_id = "b" };
	ff_amount_arrays amounts = { .dimensions_count = 1, .amounts_count = 1 };
	return ff_engine_report_usage_admin(e, &report, &amounts, NULL, NULL);
}

static ff_code create_without_arrays(ff_engine *e)
{
	ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
	ff_limit_arrays limits = { .dimensions_count = 1, .hard_limits_count = 1, .soft_limits_count = 1 };
	budget.budget_id = "b";
	return ff_engine_create_budget_arrays(e, &budget, &limits, NULL, NULL);
}

static ff_code call_without_structs(ff_engine *e)
{
	ff_report report = { .budget_id = "b", .amounts_count = 1 };
	const ff_code codes[] = {
		ff_engine_report_usage(e, NULL, NULL, NULL),
		ff_engine_report_usage(e, &report, NULL, NULL),
		ff_engine_report_usage_admin(e, NULL, NULL, NULL, NULL),
		ff_engine_record_spend(e, NULL, NULL, NULL),
		ff_engine_create_budget(e, NULL, NULL, NULL),
		ff_engine_create_budget_arrays(e, NULL, NULL, NULL, NULL),
		ff_engine_create_quota_policy(e, NULL, NULL, NULL),
		ff_engine_admit(e, NULL, NULL, NULL),
		ff_engine_release_budget(e, NULL, NULL, NULL, NULL),
		ff_engine_release_admission(e, NULL, NULL, 0, NULL, NULL),
		ff_engine_reset_budget(e, NULL, 0, NULL, NULL),
		ff_engine_submit(e, NULL, 1, NULL),
		ff_engine_report_usage_batch(e, NULL, 1, NULL, NULL, NULL),
		ff_engine_get_info(e, NULL, NULL),
		ff_engine_get_budget_status(e, "b", NULL, NULL),
		ff_engine_get_quota_status(e, "b", NULL, NULL),
		ff_engine_list_budgets(e, NULL, 1, NULL, NULL),
		ff_engine_list_quotas(e, NULL, 1, NULL, NULL),
		ff_engine_export(e, 0, NULL, NULL, NULL),
		ff_engine_import(e, NULL, NULL, NULL, NULL),
		ff_engine_check(e, NULL, NULL, NULL),
	};
	for (size_t i = 0; i < COUNT_OF(codes); i++)
		if (codes[i] != FF_E_INVALID)
			return codes[i];
	return FF_E_INVALID;
}

typedef struct child_call {
	const char *uri;
	ff_code (*body)(ff_engine *engine);
} child_call;

static int call_in_child(void *context)
{
	const child_call *call = context;
	ff_engine *engine = NULL;
	if (ff_engine_open(call->uri, NULL, &engine, NULL) != FF_OK)
		return 0;
	ff_code code = call->body(engine);
	ff_engine_close(&engine);
	return CHILD_ANSWERS + (int)code;
}

/* What was not begun with its INIT, or is another library's, is not read. */
static void structs_of_another_size_are_invalid(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_error *error = ff_test_error(t);
	ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
	ff_quota_spec quota = FF_QUOTA_SPEC_INIT;
	ff_admission admission = FF_ADMISSION_INIT;
	const ff_limit_arrays limits = { 0 };
	budget.budget_id = quota.quota_policy_id = admission.quota_policy_id = admission.execution_id = "x";
	for (int larger = 0; larger <= 1; larger++) {
		budget.size = larger ? sizeof(budget) + 8 : 0;
		quota.size = larger ? sizeof(quota) + 8 : 0;
		admission.size = larger ? sizeof(admission) + 8 : 0;
		FF_CHECK_CODE(t, ff_engine_create_budget(e, &budget, NULL, error), FF_E_INVALID);
		FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &budget, &limits, NULL, error), FF_E_INVALID);
		FF_CHECK_CODE(t, ff_engine_create_quota_policy(e, &quota, NULL, error), FF_E_INVALID);
		FF_CHECK_CODE(t, ff_engine_admit(e, &admission, NULL, error), FF_E_INVALID);
	}
	FF_CHECK_STR(t, ffp_fake_dump(t, ffp_fake_of(t)), "");
}

/* Each in a process of its own, for what is wrong here ends in a signal. */
static void null_is_invalid(ff_test *t)
{
	child_call call = { ff_test_uri(t), call_without_structs };
	FF_CHECK_EQ_INT(t, in_child(t, call_in_child, &call), CHILD_ANSWERS + FF_E_INVALID);
}

static void null_arrays_are_invalid(ff_test *t)
{
	child_call report = { ff_test_uri(t), report_without_arrays };
	FF_CHECK_EQ_INT(t, in_child(t, call_in_child, &report), CHILD_ANSWERS + FF_E_INVALID);
	child_call create = { ff_test_uri(t), create_without_arrays };
	FF_CHECK_EQ_INT(t, in_child(t, call_in_child, &create), CHILD_ANSWERS + FF_E_INVALID);
}

/* Whichever of the arrays it is that is missing or too many; and one more dimension than a call takes has its own error. */
static void arrays_are_looked_at_one_by_one(ff_test *t)
{
	enum { MANY = 65 };
	ff_engine *e = ff_test_open(t, NULL);
	const char *names[MANY];
	uint64_t ones[MANY];
	for (unsigned i = 0; i < MANY; i++) {
		names[i] = ff_test_text(t, "d%u", i);
		ones[i] = 1;
	}
	ff_report report = { .budget_id = "b" }, both = { .budget_id = "b", .amounts_count = 1 };
	const ff_amount_arrays amounts[] = { { NULL, 1, ones, 1 }, { names, 1, NULL, 1 }, { names, MANY, ones, MANY } };
	for (size_t i = 0; i < COUNT_OF(amounts); i++)
		FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, &report, &amounts[i], NULL, ff_test_error(t)),
		              FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "64"));
	const ff_amount_arrays good = { names, 1, ones, 1 };
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, NULL, &good, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message, "report is NULL");
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, &report, NULL, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message, "amounts are NULL");
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, &both, &good, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "already"));
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT, older = FF_BUDGET_SPEC_INIT;
	spec.budget_id = older.budget_id = "b";
	older.size--;
	const ff_limit_arrays limits[] = { { NULL, 1, ones, 1, ones, 1 },
		                           { names, 1, NULL, 1, ones, 1 },
		                           { names, 1, ones, 1, NULL, 1 },
		                           { names, MANY, ones, MANY, ones, MANY } };
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &spec, &limits[i], NULL, ff_test_error(t)),
		              FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "64"));
	const ff_limit_arrays two = { names, 1, ones, 1, ones, 1 }, none = { NULL, 0, NULL, 0, NULL, 0 };
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, NULL, &two, NULL, NULL), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &spec, NULL, NULL, NULL), FF_E_INVALID);
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &older, &two, NULL, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK_STR(t, ff_test_error(t)->message, "budget spec was not begun with FF_BUDGET_SPEC_INIT of this ff.h");
	FF_REQUIRE_OK(t, ff_engine_create_budget_arrays(e, &spec, &none, NULL, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->limits_count, 0);
}

/* And of a batch, which of the two it is. */
static void lists_of_reports_are_looked_at(ff_test *t)
{
	const ff_report report = { .budget_id = "b" };
	ff_report_result result;
	ff_error *error = ff_test_error(t);
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, NULL, 1, &result, NULL, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message, "reports is NULL");
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, &report, 1, NULL, NULL, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message, "results is NULL");
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(NULL, NULL, 1, NULL, NULL, error), FF_E_MISUSE);
}

/* Arguments that are refused before there is a call: the error names the operation and the backend all the same. */
static void every_error_names_its_operation(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_error *error = ff_test_error(t);
	const char *const dimension[] = { "a" };
	const uint64_t one[] = { 1 };
	ff_report report = { .budget_id = "b" };
	ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
	const ff_amount_arrays amounts = { dimension, 1, one, 0 };
	const ff_limit_arrays limits = { dimension, 1, one, 1, one, 0 };
	const ff_budget_page *budgets;
	const ff_quota_page *quotas;
	budget.budget_id = "b";
	ff_engine_report_usage_admin(e, &report, &amounts, NULL, error);
	FF_CHECK_STR(t, error->operation, "report_usage");
	ff_engine_create_budget_arrays(e, &budget, &limits, NULL, error);
	FF_CHECK_STR(t, error->operation, "create_budget");
	ff_engine_list_budgets(e, NULL, 0, &budgets, error);
	FF_CHECK_STR(t, error->operation, "list_budgets");
	ff_engine_list_quotas(e, "\n", 1, &quotas, error);
	FF_CHECK_STR(t, error->operation, "list_quotas");
	ff_engine_export(e, -1, drop_line, NULL, error);
	FF_CHECK_STR(t, error->operation, "export");
	ff_engine_tick(e, -1, 0, NULL, error);
	FF_CHECK_STR(t, error->operation, "tick");
	FF_CHECK_STR(t, error->backend, "fake");
	ff_engine_report_usage(NULL, &report, NULL, error);
	FF_CHECK_STR(t, error->operation, "report_usage");
	ff_engine_get_budget_status(e, "b", NULL, error);
	FF_CHECK_STR(t, error->operation, "get_budget_status");
	FF_CHECK_STR(t, error->backend, "fake");
	ff_engine_get_quota_status(e, "q", NULL, error);
	FF_CHECK_STR(t, error->operation, "get_quota_status");
	ff_engine_export(e, 0, NULL, NULL, error);
	FF_CHECK_STR(t, error->operation, "export");
	uint64_t imported = 7;
	ff_engine_import(e, NULL, NULL, &imported, error);
	FF_CHECK_EQ_INT(t, imported, 0);
	FF_CHECK_STR(t, error->operation, "import");
	ff_engine_check(e, NULL, NULL, error);
	FF_CHECK_STR(t, error->operation, "check");
	ff_engine_tick_every(NULL, 1, error);
	FF_CHECK_STR(t, error->operation, "tick");
	ff_engine_report_usage_batch(e, NULL, 1, NULL, NULL, error);
	FF_CHECK_STR(t, error->operation, "report_usage");
	ff_engine_get_info(e, NULL, error);
	FF_CHECK_STR(t, error->operation, "get_info");
	FF_CHECK_STR(t, error->backend, "fake");
	ff_engine *none;
	ff_engine_open(NULL, NULL, &none, error);
	FF_CHECK_STR(t, error->operation, "open");
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	memory->at = 1;
	FF_CHECK_CODE(t, ff_engine_open(ff_test_uri(t), &options, &none, error), FF_E_NO_MEMORY);
	FF_CHECK_STR(t, error->operation, "open");
	FF_CHECK_STR(t, error->entity, "store");
}

/* Longest lists want more than a call has on the stack. */
static void memory_that_is_out_for_a_list_is_told(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ff_engine *e = ff_test_open(t, &WITH(.allocator = &memory->allocator));
	ff_limit limits[64];
	ff_amount amounts[64];
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		limits[i] = (ff_limit){ ff_test_text(t, "d%zu", i), 2, 1 };
		amounts[i] = (ff_amount){ limits[i].dimension, 1 };
	}
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "b";
	spec.limits = limits;
	spec.limits_count = COUNT_OF(limits);
	ff_report report = { .budget_id = "b", .amounts = amounts, .amounts_count = COUNT_OF(amounts) };
	memory->repeat = true;
	memory->at = memory->taken + 1;
	ff_error error;
	for (int i = 0; i < 2; i++) {
		memset(&error, 0xff, sizeof(error));
		FF_CHECK_CODE(t,
		              i == 0 ? ff_engine_create_budget(e, &spec, NULL, &error)
		                     : ff_engine_report_usage(e, &report, NULL, &error),
		              FF_E_NO_MEMORY);
		FF_CHECK_EQ_INT(t, error.code, FF_E_NO_MEMORY);
		FF_CHECK_STR(t, error.operation, i == 0 ? "create_budget" : "report_usage");
		FF_CHECK_STR(t, error.entity, "budget");
		FF_CHECK_STR(t, error.id, "b");
	}
}

/* What is refused before there is a call leaves no answer of an earlier one. */
static void refused_calls_leave_no_answer(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const char *const dimension[] = { "a" };
	const uint64_t one[] = { 1 };
	const ff_amount_arrays amounts = { dimension, 1, one, 0 };
	const ff_limit_arrays limits = { dimension, 1, one, 1, one, 0 };
	ff_report report = { .budget_id = "b" };
	ff_budget_spec budget = FF_BUDGET_SPEC_INIT;
	ff_outcome outcome = { .applied = true };
	ff_created created = { .created = true };
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, &report, &amounts, &outcome, NULL), FF_E_INVALID);
	FF_CHECK(t, !outcome.applied);
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &budget, &limits, &created, NULL), FF_E_INVALID);
	FF_CHECK(t, !created.created);
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(NULL, &report, &amounts, &outcome, NULL), FF_E_MISUSE);
	ff_engine_info info = { .backend = "b", .caps = 1 };
	FF_CHECK_CODE(t, ff_engine_get_info(NULL, &info, NULL), FF_E_MISUSE);
	FF_CHECK(t, !info.backend && !info.caps);
	int64_t next_reset_at_ms = 77;
	FF_CHECK_CODE(t, ff_engine_reset_budget(e, "b", 0, &next_reset_at_ms, NULL), FF_E_NOT_FOUND);
	FF_CHECK_EQ_INT(t, next_reset_at_ms, FF_TIME_NONE);
	bool held = true;
	FF_CHECK_CODE(t, ff_engine_release_admission(e, "q", "", 0, &held, NULL), FF_E_INVALID);
	FF_CHECK(t, !held);
}

/* A list that is refused as a whole tells each of its calls so, and itself which operation it was. */
static void refused_lists_tell_each_call(ff_test *t)
{
	const ff_amount amount = { "a", 1 };
	const ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	ff_call call = { .op = FF_OP_REPORT_USAGE, .in.report = &report };
	ff_report_result result = { .code = FF_OK, .outcome.applied = true };
	ff_error *error = ff_test_error(t), each = { 0 };
	FF_CHECK_CODE(t, ff_engine_submit(NULL, &call, 1, error), FF_E_MISUSE);
	FF_CHECK_STR(t, error->operation, "submit");
	FF_CHECK_EQ_INT(t, call.code, FF_E_MISUSE);
	FF_CHECK_CODE(t, ff_engine_submit(NULL, NULL, 1, error), FF_E_MISUSE);
	FF_CHECK_STR(t, error->operation, "submit");
	FF_CHECK_CODE(t, ff_engine_submit(ff_test_open(t, NULL), NULL, 1, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->operation, "submit");
	FF_CHECK_STR(t, error->backend, "fake");
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(NULL, &report, 1, &result, &each, error), FF_E_MISUSE);
	FF_CHECK_EQ_INT(t, result.code, FF_E_MISUSE);
	FF_CHECK(t, !result.outcome.applied);
	FF_CHECK_STR(t, each.operation, "report_usage");
	FF_CHECK_STR(t, error->operation, "report_usage");
	result = (ff_report_result){ .code = FF_OK };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, NULL, 1, &result, NULL, error), FF_E_INVALID);
	FF_CHECK_EQ_INT(t, result.code, FF_E_INVALID);
	FF_CHECK_STR(t, ffp_import(t, e, "x\n"), "!invalid"); /* which is left unfinished */
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, &report, 1, &result, &each, error), FF_E_MISUSE);
	FF_CHECK_STR(t, each.operation, "report_usage");
	FF_CHECK_STR(t, error->operation, "report_usage");
	FF_CHECK_STR(t, error->entity, "budget");
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

/* ---- where a walk stands ------------------------------------------------------------------------------------ */

/* Puts one of rows that are over, of which one part of the key differs: the first, or one that follows. */
static void put_over(ff_test *t, ffp_table_id table, bool first, int i)
{
	const ff_text own = { ff_test_text(t, "x%d", i), 2 }, same = BYTES("same");
	const ff_text one = first ? own : same, two = first ? same : own;
	ffp_fake *fake = ffp_fake_of(t);
	const ffp_key_row key = { .dedup_key = one, .budget_id = two, .expires_at_ms = 1 };
	const ffp_ledger_row spent = {
		.budget_id = one, .execution_id = two, .dimensions_key = BYTES("a"), .delta_total = INT64_MAX
	};
	const ffp_entry_row entry = { .quota_policy_id = one, .entry = i + 1, .execution_id = own, .expires_at_ms = 1 };
	const ffp_slot_row slot = { .quota_policy_id = one, .execution_id = two, .lease_until_ms = 1 };
	ffp_fake_put(fake, table,
	             table == FFP_BUDGET_USAGE_DEDUP     ? &key.row
	             : table == FFP_BUDGET_USAGE_BY_EXEC ? &spent.row
	             : table == FFP_QUOTA_WINDOW         ? &entry.row
	                                                 : &slot.row);
	const ffp_budget_row budget = { .row.nulls = 1u << FFP_BUDGET_NEXT_RESET_AT, .budget_id = one, .period = 1 };
	ffp_fake_put(fake, FFP_BUDGET_POLICY, &budget.row);
	const ffp_quota_row quota = { .quota_policy_id = one, .active_concurrency = 9 };
	ffp_fake_put(fake, FFP_QUOTA_POLICY, &quota.row);
}

/* The rows of a table that are there, by their numbers. */
static const char *numbers_of(ff_test *t, ffp_table_id table)
{
	const char *dump = ffp_fake_dump(t, ffp_fake_of(t)), *numbers = "";
	for (const char *at = dump; (at = strstr(at, ffp_table(table)->name + sizeof("ff_") - 1)); at++)
		if ((at == dump || at[-1] == '\n') && strstr(at, "'x"))
			numbers = ff_test_text(t, "%s%c", numbers, strstr(at, "'x")[2]);
	return numbers;
}

/* A tick that its limit ends is gone on with from there, whatever part of a key tells where that is, and what came before
 * is the next one's. */
static void bounded_ticks_go_on(ff_test *t)
{
	static const ffp_table_id tables[] = { FFP_BUDGET_USAGE_DEDUP, FFP_BUDGET_USAGE_BY_EXEC, FFP_QUOTA_WINDOW,
		                               FFP_QUOTA_ADMITTED };
	static const char *const left[] = { "023", "03", "0", "" };
	ff_engine *e = ff_test_open(t, NULL);
	for (size_t i = 0; i < 2 * COUNT_OF(tables); i++) {
		const ffp_table_id table = tables[i / 2];
		for (int number = 1; number < 4; number++)
			put_over(t, table, i % 2, number);
		for (size_t tick = 0; tick < COUNT_OF(left); tick++) {
			FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 1, NULL, ff_test_error(t)));
			if (tick == 0)
				put_over(t, table, i % 2, 0);
			if (!FF_CHECK_STR(t, numbers_of(t, table), left[tick]))
				ff_test_note(t, "%s, tick %zu", ffp_table(table)->name, tick);
		}
		FF_REQUIRE_OK(t, ff_engine_tick(e, 0, 0, NULL, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, ffp_fake_count(ffp_fake_of(t), FFP_SWEEP), 0);
	}
	FF_CHECK_STR(t, ffp_fake_broken(ffp_fake_of(t)), "");
}

static uint64_t loads_of_a_tick(ff_test *t, ff_engine *e, uint64_t limit)
{
	uint64_t before = ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_LOAD);
	FF_REQUIRE_OK(t, ff_engine_tick(e, 0, limit, NULL, ff_test_error(t)));
	return ffp_fake_calls(ffp_fake_of(t), FFP_SLOT_LOAD) - before;
}

/* Wherever it begins, a tick looks at each row once: besides, at where it stands, and at one slice that is cut in two. */
static void tick_looks_at_each_row_once(ff_test *t)
{
	const ff_engine_options options = ffp_options_with(1);
	ff_engine *e = ff_test_open(t, &options);
	put_over(t, FFP_BUDGET_USAGE_DEDUP, true, 0);
	for (int i = 10; i < 50; i++)
		FF_CHECK_STR(t, ffp_report(t, e, "b", ff_test_text(t, "x%d", i), "a=1"), "ok");
	loads_of_a_tick(t, e, 1);
	uint64_t from_there = loads_of_a_tick(t, e, 0);
	uint64_t from_the_beginning = loads_of_a_tick(t, e, 0);
	FF_CHECK(t, from_the_beginning > 20 && from_there <= from_the_beginning + 4);
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
	CASE(closed_engine_is_misuse, "", 0),
	CASE(forked_engine_is_misuse, "", 0),
	CASE(structs_of_another_size_are_invalid, "", 0),
	CASE(null_is_invalid, "", 0),
	CASE(null_arrays_are_invalid, "FF-CB-6", 0),
	CASE(arrays_are_looked_at_one_by_one, "FF-CB-6 FF-LIM-1", 0),
	CASE(lists_of_reports_are_looked_at, "FF-RU-14", 0),
	CASE(every_error_names_its_operation, "FF-ERR-1", 0),
	CASE(refused_lists_tell_each_call, "", 0),
	CASE(memory_that_is_out_for_a_list_is_told, "FF-ERR-1", 0),
	CASE(refused_calls_leave_no_answer, "FF-CB-6 FF-ERR-6", 0),
	CASE(empty_batches_are_fine, "FF-RU-14", 0),
	CASE(empty_stores_are_listed, "FF-GS-2", 0),
	CASE(batch_is_one_round, "FF-RU-14", 0),
	CASE(replays_are_not_stored, "FF-RU-1", 0),
	CASE(batch_is_as_if_sent_alone, "FF-RU-14", 0),
	CASE(warm_reports_take_no_memory, "", 0),
	CASE(deadlines_are_kept, "FF-ERR-1", 0),
	CASE(bounded_ticks_go_on, "FF-MT-1", 0),
	CASE(tick_looks_at_each_row_once, "FF-MT-1", 0),
};

FAMILY(ffp_tests_engine, cases);
