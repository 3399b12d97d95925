/* The model as its callers see it: calls and their times, ticks, and what becomes of it when its store moves. */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "model_budget.h"
#include "model_quota.h"
#include "model_report.h"
#include "text.h"

/* ---- the model itself ------------------------------------------------------------------------------------------- */

ffp_model *ffp_model_new(const ff_engine_options *options)
{
	ffp_model *model = memset(ffp_resize(NULL, sizeof(*model)), 0, sizeof(*model));
	model->options = *options;
	model->clock = *options->clock;
	model->random = *options->random;
	return model;
}

void ffp_model_free(ffp_model *model)
{
	if (!model)
		return;
	ffp_model_forget(model);
	foreach (ffp_model_budget, of, &model->budgets)
		ffp_model_free_budget(of);
	foreach (ffp_model_quota, of, &model->quotas) {
		free(of->entries.items);
		free(of->slots.items);
	}
	foreach (ffp_model_key, used, &model->keys)
		free(used->payload);
	free(model->budgets.items);
	free(model->quotas.items);
	free(model->keys.items);
	free(model->kept.items);
	free(model);
}

/* ---- times (FF-CLK) --------------------------------------------------------------------------------------------- */

static int64_t own_time(const ff_call *call)
{
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return call->in.create_budget->now_ms;
	case FF_OP_REPORT_USAGE:
		return call->in.report->now_ms;
	case FF_OP_RECORD_SPEND:
		return call->in.spend->report.now_ms;
	case FF_OP_CREATE_QUOTA_POLICY:
		return call->in.create_quota->now_ms;
	case FF_OP_ADMIT:
		return call->in.admission->now_ms;
	case FF_OP_RESET_BUDGET:
	case FF_OP_RELEASE_ADMISSION:
		return call->in.target.now_ms;
	default:
		return 0;
	}
}

int64_t ffp_model_time(const ffp_model *model)
{
	bool has_data_clock = model->options.flags & FF_OPEN_DATA_CLOCK;
	int64_t now_ms = has_data_clock ? 0 : model->clock.now_ms(model->clock.context);
	return now_ms > model->latest_ms ? now_ms : model->latest_ms;
}

static int64_t take_time(ffp_model *model, const ff_call *call)
{
	int64_t own_ms = own_time(call);
	model->latest_ms = ffp_model_time(model);
	if (!(model->options.flags & FF_OPEN_DATA_CLOCK))
		return own_ms ? own_ms : model->latest_ms;
	if (own_ms > model->latest_ms)
		model->latest_ms = own_ms;
	return model->latest_ms;
}

/* ---- calls ------------------------------------------------------------------------------------------------------ */

/* The arguments by themselves; a call whose arguments are wrong has no time. */
static bool is_well_formed(const ffp_model *model, const ff_call *call)
{
	if (own_time(call) < 0)
		return false;
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return ffp_model_is_budget_spec(call->in.create_budget);
	case FF_OP_REPORT_USAGE:
		return ffp_model_is_report(model, call->in.report);
	case FF_OP_RESET_BUDGET:
		return ffp_model_is_id(call->in.target.id);
	case FF_OP_RECORD_SPEND:
		return ffp_model_is_id(call->in.spend->execution_id) &&
		       ffp_model_is_report(model, &call->in.spend->report);
	case FF_OP_CREATE_QUOTA_POLICY:
		return ffp_model_is_id(call->in.create_quota->quota_policy_id) &&
		       ffp_model_are_quota_limits(&call->in.create_quota->limits);
	case FF_OP_ADMIT:
		return ffp_model_is_admission(call->in.admission);
	case FF_OP_RELEASE_BUDGET:
	case FF_OP_RELEASE_ADMISSION:
		return ffp_model_is_id(call->in.target.id) && ffp_model_is_id(call->in.target.execution_id);
	}
	return false;
}

/* FF-ERR-7 */
static bool is_late(const ffp_model *model, const ff_call *call)
{
	return call->deadline_ms && model->latest_ms >= call->deadline_ms;
}

static ff_code decide(ffp_model *model, const ff_call *call, int64_t now_ms)
{
	const char *id = call->in.target.id;
	const char *execution = call->in.target.execution_id;
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return ffp_model_create_budget(model, call->in.create_budget, now_ms, call->out.created);
	case FF_OP_REPORT_USAGE:
		return ffp_model_charge(model, NULL, call->in.report, now_ms, call->out.outcome);
	case FF_OP_RESET_BUDGET:
		return ffp_model_reset_budget(model, id, now_ms, call->out.next_reset_at_ms);
	case FF_OP_RECORD_SPEND:
		return ffp_model_charge(model, call->in.spend->execution_id, &call->in.spend->report, now_ms,
		                        call->out.outcome);
	case FF_OP_RELEASE_BUDGET:
		return ffp_model_release_budget(model, id, execution, now_ms, call->out.released);
	case FF_OP_CREATE_QUOTA_POLICY:
		return ffp_model_create_quota(model, call->in.create_quota, now_ms, call->out.created);
	case FF_OP_ADMIT:
		return ffp_model_admit(model, call->in.admission, now_ms, call->out.admission);
	case FF_OP_RELEASE_ADMISSION:
		return ffp_model_release_admission(model, id, execution, now_ms, call->out.held);
	}
	return FF_E_INVALID;
}

/* FF-RU-14, FF-CLK-3: a batch is one call after the other. */
void ffp_model_submit(ffp_model *model, ff_call *calls, size_t count)
{
	ffp_model_forget(model);
	for (size_t i = 0; i < count; i++) {
		calls[i].code = FF_E_INVALID;
		if (!is_well_formed(model, &calls[i]))
			continue;
		int64_t now_ms = take_time(model, &calls[i]);
		calls[i].code = is_late(model, &calls[i]) ? FF_E_DEADLINE : decide(model, &calls[i], now_ms);
	}
}

/* ---- ticks and moves (FF-MT) ------------------------------------------------------------------------------------ */

void ffp_model_tick(ffp_model *model, int64_t now_ms, uint64_t limit)
{
	model->latest_ms = ffp_model_time(model);
	if (limit)
		return;
	foreach (ffp_model_budget, of, &model->budgets)
		ffp_model_settle(of, now_ms ? now_ms : model->latest_ms);
}

void ffp_model_reopen(ffp_model *model)
{
	model->latest_ms = 0;
}

void ffp_model_move(ffp_model *model)
{
	int64_t now_ms = ffp_model_time(model);
	ffp_model_tick(model, now_ms, 0);
	for (size_t i = model->keys.count; i-- > 0;) {
		ffp_model_key *used = ffp_list_at(&model->keys, i);
		if (now_ms >= used->expires_ms)
			ffp_model_drop_key(model, used);
	}
	foreach (ffp_model_quota, of, &model->quotas)
		ffp_model_drop_over(of, ffp_model_quota_time(of, now_ms));
	ffp_model_reopen(model);
}

/* ---- what ends when --------------------------------------------------------------------------------------------- */

static size_t add_edge(int64_t *edges_ms, size_t count, size_t max, int64_t edge_ms)
{
	if (count < max && edge_ms != FF_TIME_NONE)
		edges_ms[count++] = edge_ms;
	return count;
}

size_t ffp_model_edges(const ffp_model *model, int64_t *edges_ms, size_t max)
{
	size_t count = 0;
	foreach (ffp_model_budget, of, &model->budgets)
		count = add_edge(edges_ms, count, max, of->next_reset_ms);
	foreach (ffp_model_key, used, &model->keys)
		count = add_edge(edges_ms, count, max, used->expires_ms);
	foreach (ffp_model_quota, of, &model->quotas) {
		foreach (ffp_model_entry, taken, &of->entries)
			count = add_edge(edges_ms, count, max, taken->expires_ms);
		foreach (ffp_model_slot, held, &of->slots)
			count = add_edge(edges_ms, count, max, held->lease_until_ms);
	}
	return count;
}
