/*
 * Any bytes as a list of calls, on two engines. One gets them one by one, each keyed one twice, with ticks between; the
 * other gets them in batches and is never ticked. All answers, and what the two export in the end, must be the same: so
 * a batch decides like single calls, a replay changes nothing, and keeping house is not seen. Besides, usage never
 * passes a hard limit of a strict budget, and check finds nothing.
 */
#include "fuzz.h"

#define STEPS_MAX 16
#define DIMENSIONS 3
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

typedef struct input {
	const uint8_t *at;
	const uint8_t *end;
} input;

/* A call with everything that it borrows. */
typedef struct fuzz_step {
	ff_op op;
	ff_budget_spec budget;
	ff_limit limits[DIMENSIONS];
	ff_spend spend; /* its report serves report_usage, too */
	ff_amount amounts[DIMENSIONS];
	ff_quota_spec quota;
	ff_quota_limits own_limits;
	ff_admission admission;
} fuzz_step;

typedef union fuzz_answer {
	ff_created created;
	ff_outcome outcome;
	ff_admission_outcome admission;
	int64_t next_reset_at_ms;
	bool held;
} fuzz_answer;

static const uint64_t numbers[] = { 0,
	                            1,
	                            2,
	                            9,
	                            10,
	                            11,
	                            100,
	                            (UINT64_C(1) << 53) - 1,
	                            UINT64_C(1) << 53,
	                            (UINT64_C(1) << 53) + 1,
	                            INT64_MAX - 1,
	                            INT64_MAX,
	                            UINT64_MAX };
static const int64_t durations[] = { 0, 1, 9, 10, 11, 999, 1000, 1001, 86400000, -5 };
static const char *const budgets[] = { "a", "b" };
static const char *const quotas[] = { "q", "r" };
static const char *const executions[] = { "e", "f", "g" };
static const char *const dimensions[DIMENSIONS] = { "cents", "tokens", "\xc3\xa9t\xc3\xa9" };
static const char *const keys[] = { NULL, "k0", "k1", "k2", "k3", "k4" };
static const char *const modes[] = { "strict", "", "advisory", "other" };

/* ---- the calls, out of bytes ----------------------------------------------------------------------------------- */

static size_t take(input *in, size_t below)
{
	return in->at < in->end ? *in->at++ % below : 0;
}

#define PICK(in, array) ((array)[take((in), COUNT(array))])

static void take_limits(input *in, ff_budget_spec *spec, ff_limit *limits)
{
	spec->limits = limits;
	spec->limits_count = take(in, DIMENSIONS + 1);
	for (size_t i = 0; i < spec->limits_count; i++)
		limits[i] = (ff_limit){ PICK(in, dimensions), PICK(in, numbers), PICK(in, numbers) };
}

static void take_report(input *in, ff_report *report, ff_amount *amounts)
{
	report->budget_id = PICK(in, budgets);
	report->idempotency_key = PICK(in, keys);
	report->retry_refused = take(in, 4) == 0;
	report->amounts = amounts;
	report->amounts_count = take(in, DIMENSIONS + 1);
	for (size_t i = 0; i < report->amounts_count; i++)
		amounts[i] = (ff_amount){ PICK(in, dimensions), PICK(in, numbers) };
}

static ff_quota_limits take_quota_limits(input *in)
{
	return (ff_quota_limits){ take(in, 3), take(in, 4), take(in, 3) };
}

static void take_step(input *in, fuzz_step *step, ff_op op)
{
	*step = (fuzz_step){
		.op = op, .budget = FF_BUDGET_SPEC_INIT, .quota = FF_QUOTA_SPEC_INIT, .admission = FF_ADMISSION_INIT
	};
	step->budget.budget_id = PICK(in, budgets);
	step->quota.quota_policy_id = PICK(in, quotas);
	step->admission.quota_policy_id = step->quota.quota_policy_id;
	step->admission.execution_id = PICK(in, executions);
	step->spend.execution_id = step->admission.execution_id;
	if (op == FF_OP_CREATE_BUDGET) {
		step->budget.enforcement_mode = PICK(in, modes);
		step->budget.reset_interval_ms = PICK(in, durations);
		take_limits(in, &step->budget, step->limits);
	} else if (op == FF_OP_REPORT_USAGE || op == FF_OP_RECORD_SPEND) {
		take_report(in, &step->spend.report, step->amounts);
	} else if (op == FF_OP_CREATE_QUOTA_POLICY) {
		step->quota.limits = take_quota_limits(in);
	} else if (op == FF_OP_ADMIT) {
		step->admission.lease_ms = PICK(in, durations);
		step->own_limits = take_quota_limits(in);
		if (take(in, 3) == 0)
			step->admission.limits = &step->own_limits;
	}
}

static ff_call call_of(const fuzz_step *step, fuzz_answer *answer)
{
	ff_call call = { .op = step->op };
	switch (step->op) {
	case FF_OP_CREATE_BUDGET:
		call.in.create_budget = &step->budget;
		call.out.created = &answer->created;
		break;
	case FF_OP_REPORT_USAGE:
		call.in.report = &step->spend.report;
		call.out.outcome = &answer->outcome;
		break;
	case FF_OP_RECORD_SPEND:
		call.in.spend = &step->spend;
		call.out.outcome = &answer->outcome;
		break;
	case FF_OP_CREATE_QUOTA_POLICY:
		call.in.create_quota = &step->quota;
		call.out.created = &answer->created;
		break;
	case FF_OP_ADMIT:
		call.in.admission = &step->admission;
		call.out.admission = &answer->admission;
		break;
	case FF_OP_RESET_BUDGET:
		call.in.target.id = step->budget.budget_id;
		call.out.next_reset_at_ms = &answer->next_reset_at_ms;
		break;
	case FF_OP_RELEASE_BUDGET:
		call.in.target.id = step->budget.budget_id;
		call.in.target.execution_id = step->spend.execution_id;
		break;
	case FF_OP_RELEASE_ADMISSION:
		call.in.target.id = step->quota.quota_policy_id;
		call.in.target.execution_id = step->admission.execution_id;
		call.out.held = &answer->held;
		break;
	}
	return call;
}

/* ---- what must hold -------------------------------------------------------------------------------------------- */

static void must_be_same_outcome(const ff_outcome *a, const ff_outcome *b)
{
	MUST(a->kind == b->kind && a->applied == b->applied && a->replayed == b->replayed);
	MUST(a->current_usage == b->current_usage && a->limit == b->limit);
	MUST(strcmp(a->dimension, b->dimension) == 0);
}

static void must_be_same_answer(ff_op op, const fuzz_answer *a, const fuzz_answer *b)
{
	switch (op) {
	case FF_OP_CREATE_BUDGET:
	case FF_OP_CREATE_QUOTA_POLICY:
		MUST(a->created.created == b->created.created && a->created.same == b->created.same);
		break;
	case FF_OP_REPORT_USAGE:
	case FF_OP_RECORD_SPEND:
		must_be_same_outcome(&a->outcome, &b->outcome);
		break;
	case FF_OP_ADMIT:
		MUST(a->admission.kind == b->admission.kind);
		MUST(a->admission.retry_after_ms == b->admission.retry_after_ms);
		break;
	case FF_OP_RESET_BUDGET:
		MUST(a->next_reset_at_ms == b->next_reset_at_ms);
		break;
	case FF_OP_RELEASE_ADMISSION:
		MUST(a->held == b->held);
		break;
	case FF_OP_RELEASE_BUDGET:
		break;
	}
}

/* A keyed report sent again answers as before, with `replayed` set. */
static void must_replay(ff_engine *engine, const fuzz_step *step, const fuzz_answer *first)
{
	bool report = step->op == FF_OP_REPORT_USAGE || step->op == FF_OP_RECORD_SPEND;
	if (!report || !step->spend.report.idempotency_key)
		return;
	fuzz_step again = *step;
	again.spend.report.retry_refused = false;
	fuzz_answer second;
	ff_call call = call_of(&again, &second);
	MUST(ff_engine_submit(engine, &call, 1, NULL) == FF_OK && call.code == FF_OK);
	ff_outcome expected = first->outcome;
	expected.replayed = true;
	if (step->op == FF_OP_RECORD_SPEND && expected.applied) {
		MUST(second.outcome.kind == FF_OUTCOME_ALREADY_APPLIED && second.outcome.applied);
		MUST(second.outcome.replayed);
	} else {
		must_be_same_outcome(&second.outcome, &expected);
	}
}

static void must_keep_limits(ff_engine *engine, const char *budget_id)
{
	const ff_budget_status *status = NULL;
	ff_code code = ff_engine_get_budget_status(engine, budget_id, &status, NULL);
	MUST(code == FF_OK || code == FF_E_NOT_FOUND);
	if (code != FF_OK)
		return;
	for (size_t i = 0; i < status->usage_count; i++)
		for (size_t k = 0; k < status->limits_count; k++)
			if (strcmp(status->usage[i].dimension, status->limits[k].dimension) == 0 &&
			    status->limits[k].hard > 0 && status->enforcement_mode == FF_MODE_STRICT)
				MUST(status->usage[i].amount <= status->limits[k].hard);
	ff_free(status);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

static void run_steps(ff_engine *single, ff_engine *batched, const fuzz_step *steps, size_t count)
{
	fuzz_answer answers[STEPS_MAX] = { 0 };
	fuzz_answer batch_answers[STEPS_MAX] = { 0 };
	ff_call calls[STEPS_MAX];
	for (size_t i = 0; i < count; i++)
		calls[i] = call_of(&steps[i], &batch_answers[i]);
	MUST(ff_engine_submit(batched, calls, count, NULL) == FF_OK);
	for (size_t i = 0; i < count; i++) {
		ff_call call = call_of(&steps[i], &answers[i]);
		MUST(ff_engine_submit(single, &call, 1, NULL) == FF_OK);
		MUST(call.code == calls[i].code);
		if (call.code != FF_OK)
			continue;
		must_be_same_answer(call.op, &answers[i], &batch_answers[i]);
		must_replay(single, &steps[i], &answers[i]);
	}
	for (size_t i = 0; i < COUNT(budgets); i++)
		must_keep_limits(single, budgets[i]);
}

/* Budgets have their policy before the first report, so that usage below a limit is what must hold. */
static size_t first_steps(input *in, fuzz_step *steps)
{
	for (size_t i = 0; i < COUNT(budgets); i++) {
		take_step(in, &steps[i], FF_OP_CREATE_BUDGET);
		steps[i].budget.budget_id = budgets[i];
		steps[i].budget.enforcement_mode = modes[take(in, 3)];
		steps[i].budget.reset_interval_ms = durations[take(in, COUNT(durations) - 1)];
		for (size_t k = 0; k < DIMENSIONS; k++)
			steps[i].limits[k] = (ff_limit){ dimensions[k], 10 + take(in, 90), take(in, 10) };
	}
	return COUNT(budgets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input in = { data, data + size };
	fuzz_now_ms = 1700000000000;
	ff_engine *single = fuzz_open();
	ff_engine *batched = fuzz_open();
	fuzz_step steps[STEPS_MAX];
	size_t count = first_steps(&in, steps);
	while (in.at < in.end) {
		size_t op = take(&in, FF_OP_RELEASE_ADMISSION + 3);
		if (op >= FF_OP_CREATE_BUDGET && op <= FF_OP_RELEASE_ADMISSION)
			take_step(&in, &steps[count++], (ff_op)op);
		if (count == STEPS_MAX || (count && (op == 0 || op > FF_OP_RELEASE_ADMISSION))) {
			run_steps(single, batched, steps, count);
			count = 0;
		}
		if (op == 0)
			fuzz_now_ms += durations[take(&in, COUNT(durations) - 1)];
		ff_tick_result ticked;
		if (op > FF_OP_RELEASE_ADMISSION)
			MUST(ff_engine_tick(single, 0, take(&in, 4), &ticked, NULL) == FF_OK);
	}
	if (count)
		run_steps(single, batched, steps, count);
	fuzz_must_export_same(single, batched);
	fuzz_must_be_sound(single);
	ff_engine_close(&single);
	ff_engine_close(&batched);
	return 0;
}
