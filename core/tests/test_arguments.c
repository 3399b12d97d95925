/*
 * What is refused before there is a batch: calls with handles that are dead and arguments that are not there, of another
 * size, or too many; which operation the error then names, and that no answer is left.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

/* ---- dead handles ------------------------------------------------------------------------------------------- */

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
		ff_engine_export(e, 0, ffp_drop_line, NULL, NULL),
		ff_engine_import(e, ffp_no_line, NULL, NULL, NULL),
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

/* Arguments that are refused before there is a call: the error names the operation, the budget and the backend all the
 * same. */
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
	FF_CHECK_STR(t, error->id, "b");
	ff_engine_create_budget_arrays(e, &budget, &limits, NULL, error);
	FF_CHECK_STR(t, error->operation, "create_budget");
	FF_CHECK_STR(t, error->id, "b");
	budget.budget_id = report.budget_id = ""; /* which is told first */
	ff_engine_report_usage_admin(e, &report, &amounts, NULL, error);
	FF_CHECK_STR(t, error->message, "budget id is empty, it takes 1 to 128 bytes");
	ff_engine_create_budget_arrays(e, &budget, &limits, NULL, error);
	FF_CHECK_STR(t, error->message, "budget id is empty, it takes 1 to 128 bytes");
	ff_engine_list_budgets(e, NULL, 0, &budgets, error);
	FF_CHECK_STR(t, error->operation, "list_budgets");
	ff_engine_list_quotas(e, "\n", 1, &quotas, error);
	FF_CHECK_STR(t, error->operation, "list_quotas");
	ff_engine_export(e, -1, ffp_drop_line, NULL, error);
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
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &memory->allocator;
	ff_engine *e = ff_test_open(t, &options);
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
	budget.budget_id = "b";
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

static const ff_case cases[] = {
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
};

FAMILY(ffp_tests_arguments, cases);
