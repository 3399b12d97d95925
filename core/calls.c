/* The public calls: each is a list of one or more ff_calls, checked in the caller's thread and queued. */
#include <inttypes.h>

#include "arena.h"
#include "engine.h"
#include "report.h"

/* ---- submitting --------------------------------------------------------------------------------------------- */

static ff_code check_time(const ff_engine *engine, ffp_request *request)
{
	bool usage = request->op == ffp_op_of(FF_OP_REPORT_USAGE) || request->op == ffp_op_of(FF_OP_RECORD_SPEND);
	if (request->deadline_ms < 0)
		return ffp_fail(request, FF_E_INVALID, "deadline %" PRId64 " is before 1970", request->deadline_ms);
	if (request->own_now_ms < 0)
		return ffp_fail(request, FF_E_INVALID, "time %" PRId64 " is before 1970", request->own_now_ms);
	if (usage && request->own_now_ms && !(engine->flags & FF_OPEN_DATA_CLOCK))
		return ffp_fail(request, FF_E_INVALID, "usage cannot be back-dated, a report takes no time of its own");
	return FF_OK;
}

static ff_code check_call(const ff_engine *engine, ff_call *call, const ffp_request *before, ffp_request *request,
                          ff_arena *arena)
{
	*request = (ffp_request){ .op = ffp_op_of(call->op),
		                  .call = call,
		                  .error = call->error,
		                  .before = before,
		                  .deadline_ms = call->deadline_ms };
	if (!request->op)
		return ffp_fail(request, FF_E_INVALID, "operation %d is unknown", (int)call->op);
	ff_code code = request->op->check(request, arena);
	if (code == FF_OK)
		code = check_time(engine, request);
	return code == FF_OK ? ffp_engine_check_mode(engine, request->error) : code;
}

/* A call that failed answers nothing that could be taken for leave to go on, whatever was decided before it failed. */
static void clear_answer(ff_call *call)
{
	switch (call->op) {
	case FF_OP_REPORT_USAGE:
	case FF_OP_RECORD_SPEND:
		if (call->out.outcome)
			*call->out.outcome = (ff_outcome){ .applied = false };
		break;
	case FF_OP_ADMIT:
		if (call->out.admission)
			*call->out.admission = (ff_admission_outcome){ FF_RATE_EXCEEDED, FF_TIME_NONE };
		break;
	case FF_OP_RELEASE_BUDGET:
		if (call->out.released)
			*call->out.released = NULL;
		break;
	case FF_OP_CREATE_BUDGET:
	case FF_OP_CREATE_QUOTA_POLICY:
		if (call->out.created)
			*call->out.created = (ff_created){ false, false };
		break;
	case FF_OP_RESET_BUDGET:
		if (call->out.next_reset_at_ms)
			*call->out.next_reset_at_ms = FF_TIME_NONE;
		break;
	case FF_OP_RELEASE_ADMISSION:
		if (call->out.held)
			*call->out.held = false;
		break;
	}
}

static void finish_call(const ff_engine *engine, ff_call *call, const ffp_request *request)
{
	if (call->code == FF_OK)
		return;
	clear_answer(call);
	ffp_error_about(engine, call->error, request->op ? request->op->name : "submit",
	                request->op ? request->op->entity : "", request->id);
}

/* Completes the error of a list as a whole. */
static void about_list(const ff_engine *engine, ff_error *error)
{
	ffp_error_about(engine, error, "submit", "", (ff_text){ "", 0 });
}

/* Checks all in the caller's thread, queues those that passed, and completes the errors of those that failed. */
static ff_code submit(ff_engine *engine, ff_call *calls, size_t count, ffp_request *requests, ff_arena *arena,
                      ff_error *error)
{
	size_t passed = 0;
	for (size_t i = 0; i < count; i++) {
		ffp_request *request = &requests[passed];
		calls[i].code = check_call(engine, &calls[i], passed ? request - 1 : NULL, request, arena);
		if (calls[i].code == FF_OK)
			passed++;
		else
			finish_call(engine, &calls[i], request);
	}
	ff_code code = passed ? ffp_queue_run(engine, requests, passed, error) : FF_OK;
	for (size_t i = 0; i < passed; i++)
		finish_call(engine, requests[i].call, &requests[i]);
	if (code != FF_OK)
		about_list(engine, error);
	return code;
}

/* What is wrong with a list as a whole is also each call's error. */
static ff_code refuse_all(const ff_engine *engine, ff_call *calls, size_t count, ff_code code, const char *message,
                          ff_error *error)
{
	for (size_t i = 0; i < count; i++) {
		const ffp_request refused = { .op = ffp_op_of(calls[i].op) };
		calls[i].code = ff_error_set(calls[i].error, code, "%s", message);
		finish_call(engine, &calls[i], &refused);
	}
	ff_error_set(error, code, "%s", message);
	about_list(engine, error);
	return code;
}

/* As ff_engine_submit, with memory. */
static ff_code submit_with(ff_engine *engine, ff_call *calls, size_t count, ff_arena *arena, ff_error *error)
{
	ffp_request *requests = arena ? ffp_arena_room(arena, count, sizeof(*requests)) : NULL;
	return requests ? submit(engine, calls, count, requests, arena, error)
	                : refuse_all(engine, calls, count, FF_E_NO_MEMORY, "out of memory for a batch", error);
}

/* What a call of its own needs is on the stack, so that no other is waited for: a request, and a report's amounts. */
#define ROOM_OF_ONE (sizeof(ffp_request) + FFP_DIMENSIONS_MAX * sizeof(ffp_amount))

static ff_code submit_alone(ff_engine *engine, ff_call *call, ff_error *error)
{
	_Alignas(max_align_t) char room[ROOM_OF_ONE];
	ffp_arena arena;
	ffp_arena_init(&arena, &engine->allocator);
	ffp_arena_lend(&arena, room, sizeof(room));
	ff_code code = submit_with(engine, call, 1, &arena.base, error);
	ffp_arena_free(&arena);
	return code;
}

ff_code ff_engine_submit(ff_engine *engine, ff_call *calls, size_t count, ff_error *error)
{
	ff_error own;
	if (ffp_engine_check(engine, &own) != FF_OK)
		return refuse_all(NULL, calls, calls ? count : 0, own.code, own.message, error);
	if (count && !calls)
		return refuse_all(engine, NULL, 0, FF_E_INVALID, "calls is NULL", error);
	if (count == 0)
		return FF_OK;
	if (count == 1)
		return submit_alone(engine, calls, error);
	ffp_spare *spare = ffp_spare_take(engine);
	ff_code code = submit_with(engine, calls, count, spare ? &spare->arena.base : NULL, error);
	if (spare)
		ffp_spare_give(engine, spare);
	return code;
}

/* A batch of one, whose error is the call's. */
static ff_code submit_one(ff_engine *engine, ff_call *call, ff_error *error)
{
	call->error = error;
	ff_engine_submit(engine, call, 1, NULL);
	return call->code;
}

/* ---- the public calls --------------------------------------------------------------------------------------- */

ff_code ff_engine_create_budget(ff_engine *engine, const ff_budget_spec *spec, ff_created *created, ff_error *error)
{
	ff_call call = { .op = FF_OP_CREATE_BUDGET, .in.create_budget = spec, .out.created = created };
	return submit_one(engine, &call, error);
}

/* A call whose parallel arrays do not go together is refused before it is one (FF-CB-6), after a look at its id. */
static ff_code refuse_arrays(const ff_engine *engine, ff_call call, const char *budget_id, const char *message,
                             ff_error *error)
{
	ffp_request refused = { .op = ffp_op_of(call.op) };
	call.error = error;
	call.code = ffp_engine_check(engine, error);
	if (call.code == FF_OK)
		call.code = ffp_name_check(&ffp_name_budget_id, budget_id, &refused.id, error);
	if (call.code == FF_OK)
		call.code = ff_error_set(error, FF_E_INVALID, "%s", message);
	finish_call(engine, &call, &refused);
	return call.code;
}

static const char *limit_arrays_fault(const ff_budget_spec *spec, const ff_limit_arrays *limits)
{
	if (!limits)
		return "limits are NULL";
	if (spec->limits_count)
		return "spec has limits already, beside those of the arrays";
	if (limits->hard_limits_count != limits->dimensions_count ||
	    limits->soft_limits_count != limits->dimensions_count)
		return "dimensions, hard limits and soft limits are not equally many";
	bool has_arrays = limits->dimensions && limits->hard_limits && limits->soft_limits;
	return limits->dimensions_count && !has_arrays ? "an array of limits is NULL" : NULL;
}

ff_code ff_engine_create_budget_arrays(ff_engine *engine, const ff_budget_spec *spec, const ff_limit_arrays *limits,
                                       ff_created *created, ff_error *error)
{
	if (!spec || spec->size != sizeof(*spec))
		return ff_engine_create_budget(engine, spec, created, error); /* which says so */
	const char *fault = limit_arrays_fault(spec, limits);
	if (fault)
		return refuse_arrays(engine, (ff_call){ .op = FF_OP_CREATE_BUDGET, .out.created = created },
		                     spec->budget_id, fault, error);
	size_t count = limits->dimensions_count;
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

static const char *amount_arrays_fault(const ff_report *report, const ff_amount_arrays *amounts)
{
	if (!amounts)
		return "amounts are NULL";
	if (report->amounts_count)
		return "report has amounts already, beside those of the arrays";
	if (amounts->amounts_count != amounts->dimensions_count)
		return "dimensions and amounts are not equally many";
	bool has_arrays = amounts->dimensions && amounts->amounts;
	return amounts->dimensions_count && !has_arrays ? "an array of amounts is NULL" : NULL;
}

ff_code ff_engine_report_usage_admin(ff_engine *engine, const ff_report *report, const ff_amount_arrays *amounts,
                                     ff_outcome *outcome, ff_error *error)
{
	if (!report)
		return ff_engine_report_usage(engine, NULL, outcome, error); /* which says so */
	const char *fault = amount_arrays_fault(report, amounts);
	if (fault)
		return refuse_arrays(engine, (ff_call){ .op = FF_OP_REPORT_USAGE, .out.outcome = outcome },
		                     report->budget_id, fault, error);
	size_t count = amounts->dimensions_count;
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

/* Completes the error of a list of reports as a whole. */
static void about_reports(const ff_engine *engine, ff_error *error)
{
	ffp_error_about(engine, error, ffp_op_report_usage.name, ffp_op_report_usage.entity, (ff_text){ "", 0 });
}

/* What is wrong with a list of reports as a whole is each one's result and error. */
static void refuse_reports(const ff_engine *engine, ff_report_result *results, ff_error *errors, size_t count,
                           ff_error *own, ff_error *error)
{
	about_reports(engine, own);
	for (size_t i = 0; results && i < count; i++)
		results[i] = (ff_report_result){ .code = own->code };
	for (size_t i = 0; errors && i < count; i++)
		errors[i] = *own;
	if (error)
		*error = *own;
}

ff_code ff_engine_report_usage_batch(ff_engine *engine, const ff_report *reports, size_t count,
                                     ff_report_result *results, ff_error *errors, ff_error *error)
{
	ff_error own;
	ff_code code = ffp_engine_check(engine, &own);
	if (code == FF_OK && count && (!reports || !results))
		code = ff_error_set(&own, FF_E_INVALID, "%s is NULL", reports ? "results" : "reports");
	ffp_spare *spare = code == FF_OK ? ffp_spare_take(engine) : NULL;
	ff_call *calls = spare ? ffp_arena_room(&spare->arena.base, count, sizeof(*calls)) : NULL;
	if (code == FF_OK && !calls)
		code = ff_error_set(&own, FF_E_NO_MEMORY, "out of memory for a batch");
	if (code != FF_OK)
		refuse_reports(engine, results, errors, count, &own, error);
	for (size_t i = 0; calls && i < count; i++)
		calls[i] = (ff_call){ .op = FF_OP_REPORT_USAGE,
			              .in.report = &reports[i],
			              .out.outcome = &results[i].outcome,
			              .error = errors ? &errors[i] : NULL };
	if (calls)
		code = ff_engine_submit(engine, calls, count, error);
	if (calls && code != FF_OK)
		about_reports(engine, error);
	for (size_t i = 0; calls && i < count; i++)
		results[i].code = calls[i].code;
	if (spare)
		ffp_spare_give(engine, spare);
	return code;
}
