/* A batch of steps as calls. */
#include "parity_calls.h"

#include <string.h>

#include "parity_answers.h"
#include "parts.h"

enum { DIMENSIONS_MAX = FFP_STEP_DIMENSIONS + FFP_STEP_CROWD };

/* What calls point to while they are under way. */
typedef struct request {
	ff_amount amounts[DIMENSIONS_MAX];
	ff_limit limits[DIMENSIONS_MAX];
	ffp_call_parts parts;
} request;

/* Of the batch under way. */
static request requests[FFP_BATCH_MAX];
static ff_call calls[FFP_BATCH_MAX];

/* ---- steps as calls --------------------------------------------------------------------------------------------- */

static void fill_request(const ffp_step *step, request *to)
{
	unsigned count = ffp_step_dimensions_count(step);
	for (unsigned i = 0; i < count; i++) {
		to->amounts[i] = ffp_step_amount(step, i);
		to->limits[i] = ffp_step_limit(step, i);
	}
	to->parts.budget = (ff_budget_spec){ .size = sizeof(to->parts.budget),
		                             .budget_id = step->id,
		                             .scope_type = step->scope_type,
		                             .scope_id = step->scope_id,
		                             .enforcement_mode = step->mode,
		                             .on_hard_limit = step->on_hard,
		                             .on_soft_limit = step->on_soft,
		                             .reset_interval_ms = step->interval_ms,
		                             .limits = to->limits,
		                             .limits_count = count,
		                             .now_ms = step->now_ms };
	to->parts.spend = (ff_spend){ .report = { .budget_id = step->id,
		                                  .amounts = to->amounts,
		                                  .amounts_count = count,
		                                  .idempotency_key = step->key,
		                                  .retry_refused = step->retry_refused,
		                                  .now_ms = step->now_ms },
		                      .execution_id = step->execution };
	to->parts.quota = (ff_quota_spec){ sizeof(to->parts.quota), step->id, step->limits, step->now_ms };
	to->parts.admission = (ff_admission){ .size = sizeof(to->parts.admission),
		                              .quota_policy_id = step->id,
		                              .execution_id = step->execution,
		                              .lease_ms = step->lease_ms,
		                              .jitter_ms = step->jitter_ms,
		                              .limits = step->has_limits ? &step->limits : NULL,
		                              .now_ms = step->now_ms };
	memset(&to->parts.out, 0, sizeof(to->parts.out));
}

static void fill_call(const ffp_step *step, request *with, ff_call *call)
{
	if (ffp_call_from(&with->parts, step->op, call)) {
		call->in.target.id = step->id;
		call->in.target.execution_id = step->execution;
		call->in.target.now_ms = step->now_ms;
	}
	call->deadline_ms = step->deadline_ms;
}

static void fill_batch(const ffp_step *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fill_request(&batch[i], &requests[i]);
		fill_call(&batch[i], &requests[i], &calls[i]);
	}
}

/* ---- calls into engines and the model --------------------------------------------------------------------------- */

static ff_code call_with_arrays(ff_engine *engine, const ff_call *call, const request *with)
{
	const char *names[DIMENSIONS_MAX];
	uint64_t hard[DIMENSIONS_MAX];
	uint64_t soft[DIMENSIONS_MAX];
	bool is_report = call->op == FF_OP_REPORT_USAGE;
	size_t count = is_report ? with->parts.spend.report.amounts_count : with->parts.budget.limits_count;
	for (size_t i = 0; i < count; i++) {
		names[i] = with->limits[i].dimension;
		hard[i] = is_report ? with->amounts[i].amount : with->limits[i].hard;
		soft[i] = with->limits[i].soft;
	}
	if (is_report) {
		ff_report report = with->parts.spend.report;
		report.amounts_count = 0;
		const ff_amount_arrays arrays = { names, count, hard, count };
		return ff_engine_report_usage_admin(engine, &report, &arrays, call->out.outcome, NULL);
	}
	ff_budget_spec spec = with->parts.budget;
	spec.limits_count = 0;
	const ff_limit_arrays arrays = { names, count, hard, count, soft, count };
	return ff_engine_create_budget_arrays(engine, &spec, &arrays, call->out.created, NULL);
}

/* By the operation's own function. */
static ff_code call_directly(ff_engine *engine, const ffp_step *step, const ff_call *call, const request *with)
{
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return step->has_arrays
		           ? call_with_arrays(engine, call, with)
		           : ff_engine_create_budget(engine, call->in.create_budget, call->out.created, NULL);
	case FF_OP_REPORT_USAGE:
		return step->has_arrays ? call_with_arrays(engine, call, with)
		                        : ff_engine_report_usage(engine, call->in.report, call->out.outcome, NULL);
	case FF_OP_RESET_BUDGET:
		return ff_engine_reset_budget(engine, step->id, step->now_ms, call->out.next_reset_at_ms, NULL);
	case FF_OP_RECORD_SPEND:
		return ff_engine_record_spend(engine, call->in.spend, call->out.outcome, NULL);
	case FF_OP_RELEASE_BUDGET:
		return ff_engine_release_budget(engine, step->id, step->execution, call->out.released, NULL);
	case FF_OP_CREATE_QUOTA_POLICY:
		return ff_engine_create_quota_policy(engine, call->in.create_quota, call->out.created, NULL);
	case FF_OP_ADMIT:
		return ff_engine_admit(engine, call->in.admission, call->out.admission, NULL);
	case FF_OP_RELEASE_ADMISSION:
		return ff_engine_release_admission(engine, step->id, step->execution, step->now_ms, call->out.held,
		                                   NULL);
	}
	return FF_E_MISUSE;
}

static void show_batch(ffp_string *to, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ffp_answer_call(to, &calls[i]);
}

void ffp_calls_submit(ffp_string *to, ff_engine *engine, const ffp_step *batch, size_t count)
{
	ff_code code = FF_OK;
	fill_batch(batch, count);
	if (count == 1 && batch->is_direct && !batch->deadline_ms)
		calls->code = call_directly(engine, batch, calls, requests);
	else
		code = ff_engine_submit(engine, calls, count, NULL);
	if (code != FF_OK)
		ffp_string_add(to, "the batch as a whole: !%s\n", ff_code_name(code));
	show_batch(to, count);
	for (size_t i = 0; i < count; i++) {
		if (calls[i].op == FF_OP_RELEASE_BUDGET)
			ff_free(requests[i].parts.out.released);
	}
}

void ffp_calls_submit_to_model(ffp_string *to, ffp_model *model, const ffp_step *batch, size_t count)
{
	fill_batch(batch, count);
	ffp_model_submit(model, calls, count);
	show_batch(to, count);
}
