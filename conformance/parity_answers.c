/* What engines and the model answer, as texts. */
#include "parity_answers.h"

#include <inttypes.h>
#include <string.h>

/* ---- calls ------------------------------------------------------------------------------------------------------ */

static void show_outcome(ffp_string *to, const ff_outcome *outcome)
{
	static const char *const kinds[] = { "ok", "soft_breach", "hard_breach", "already_applied" };
	ffp_string_add(to, "%s%s%s", kinds[outcome->kind], outcome->applied ? " applied" : " not applied",
	               outcome->replayed ? " replayed" : "");
	if (*outcome->dimension || outcome->current_usage || outcome->limit)
		ffp_string_add(to, " %s %" PRIu64 "/%" PRIu64, outcome->dimension, outcome->current_usage,
		               outcome->limit);
}

static void show_released(ffp_string *to, const ff_released *released)
{
	ffp_string_add(to, "released");
	for (size_t i = 0; i < released->amounts_count; i++)
		ffp_string_add(to, " %s=%" PRIu64, released->amounts[i].dimension, released->amounts[i].amount);
}

static void show_admission(ffp_string *to, const ff_admission_outcome *outcome)
{
	static const char *const kinds[] = { "admitted", "already_admitted", "rate_exceeded", "concurrency_exceeded" };
	ffp_string_add(to, "%s %" PRId64, kinds[outcome->kind], outcome->retry_after_ms);
}

void ffp_answer_call(ffp_string *to, const ff_call *call)
{
	if (call->code != FF_OK) {
		ffp_string_add(to, "!%s\n", ff_code_name(call->code));
		return;
	}
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
	case FF_OP_CREATE_QUOTA_POLICY:
		ffp_string_add(to, "%s %s", call->out.created->created ? "created" : "already_satisfied",
		               call->out.created->same ? "same" : "another");
		break;
	case FF_OP_REPORT_USAGE:
	case FF_OP_RECORD_SPEND:
		show_outcome(to, call->out.outcome);
		break;
	case FF_OP_RESET_BUDGET:
		ffp_string_add(to, "reset, next %" PRId64, *call->out.next_reset_at_ms);
		break;
	case FF_OP_RELEASE_BUDGET:
		show_released(to, *call->out.released);
		break;
	case FF_OP_ADMIT:
		show_admission(to, call->out.admission);
		break;
	case FF_OP_RELEASE_ADMISSION:
		ffp_string_add(to, "released, %s", *call->out.held ? "held" : "not held");
		break;
	}
	ffp_string_add(to, "\n");
}

/* ---- statuses --------------------------------------------------------------------------------------------------- */

static void show_budget(ffp_string *to, const ff_budget_status *of)
{
	ffp_string_add(to, "budget %s scope %s:%s mode %d hints %s %s every %" PRId64 " usage", of->budget_id,
	               of->scope_type, of->scope_id, (int)of->enforcement_mode, of->on_hard_limit, of->on_soft_limit,
	               of->reset_interval_ms);
	for (size_t i = 0; i < of->usage_count; i++)
		ffp_string_add(to, " %s=%" PRIu64, of->usage[i].dimension, of->usage[i].amount);
	ffp_string_add(to, " limits");
	for (size_t i = 0; i < of->limits_count; i++)
		ffp_string_add(to, " %s=%" PRIu64 ":%" PRIu64, of->limits[i].dimension, of->limits[i].hard,
		               of->limits[i].soft);
	ffp_string_add(to,
	               " breaches %" PRIu64 " soft %" PRIu64 " last %" PRId64 " %s next reset %" PRId64
	               " created %" PRId64 " updated %" PRId64,
	               of->breach_count, of->soft_breach_count, of->last_breach_at_ms,
	               of->last_breach_dim ? of->last_breach_dim : "none", of->next_reset_at_ms, of->created_at_ms,
	               of->updated_at_ms);
}

static void show_quota(ffp_string *to, const ff_quota_status *of)
{
	ffp_string_add(to,
	               "quota %s window %" PRIu64 " max %" PRIu64 " concurrency %" PRIu64 " in window %" PRIu64
	               " active %" PRIu64 " next %" PRId64 " created %" PRId64 " updated %" PRId64,
	               of->quota_policy_id, of->limits.window_seconds, of->limits.max_requests_per_window,
	               of->limits.max_concurrent, of->in_window, of->active, of->next_admission_at_ms,
	               of->created_at_ms, of->updated_at_ms);
}

static void show_budget_status(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id)
{
	const ff_budget_status *status = NULL;
	ff_code code = engine ? ff_engine_get_budget_status(engine, id, &status, NULL)
	                      : ffp_model_get_budget_status(model, id, &status);
	if (code == FF_OK)
		show_budget(to, status);
	ffp_string_add(to, "%s\n", code == FF_OK ? "" : ff_code_name(code));
	if (engine)
		ff_free(status);
}

static void show_quota_status(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id)
{
	const ff_quota_status *status = NULL;
	ff_code code = engine ? ff_engine_get_quota_status(engine, id, &status, NULL)
	                      : ffp_model_get_quota_status(model, id, &status);
	if (code == FF_OK)
		show_quota(to, status);
	ffp_string_add(to, "%s\n", code == FF_OK ? "" : ff_code_name(code));
	if (engine)
		ff_free(status);
}

void ffp_answer_statuses(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id)
{
	show_budget_status(to, engine, model, id);
	show_quota_status(to, engine, model, id);
}

void ffp_answer_touched(ffp_string *to, ff_engine *engine, ffp_model *model, const ffp_step *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool is_quota = ffp_step_is_quota(&batch[i]);
		size_t j = 0;
		while (j < i && (batch[j].id != batch[i].id || ffp_step_is_quota(&batch[j]) != is_quota))
			j++;
		if (j < i)
			continue;
		if (is_quota)
			show_quota_status(to, engine, model, batch[i].id);
		else
			show_budget_status(to, engine, model, batch[i].id);
	}
}

/* ---- lists ------------------------------------------------------------------------------------------------------ */

static void list_engine(ffp_string *to, ff_engine *engine, const char *after, uint32_t limit)
{
	const ff_budget_page *budgets = NULL;
	const ff_quota_page *quotas = NULL;
	ff_code code = ff_engine_list_budgets(engine, after, limit, &budgets, NULL);
	ffp_string_add(to, "budgets %s %s\n", ff_code_name(code), budgets && budgets->more ? "more" : "");
	for (size_t i = 0; budgets && i < budgets->budgets_count; i++) {
		show_budget(to, &budgets->budgets[i]);
		ffp_string_add(to, "\n");
	}
	code = ff_engine_list_quotas(engine, after, limit, &quotas, NULL);
	ffp_string_add(to, "quotas %s %s\n", ff_code_name(code), quotas && quotas->more ? "more" : "");
	for (size_t i = 0; quotas && i < quotas->quotas_count; i++) {
		show_quota(to, &quotas->quotas[i]);
		ffp_string_add(to, "\n");
	}
	ff_free(budgets);
	ff_free(quotas);
}

typedef const char *next_fn(const ffp_model *model, const char *after);
typedef void show_fn(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id);

static void list_model(ffp_string *to, ffp_model *model, const char *name, const ffp_step *step, next_fn *next,
                       show_fn *show)
{
	const char *after = step->id ? step->id : "";
	const char *last = after;
	/* The name is checked as any other: by asking for it. */
	const ff_budget_status *ignored;
	bool is_name = !*after || ffp_model_get_budget_status(model, after, &ignored) != FF_E_INVALID;
	bool good = is_name && step->limit >= 1 && step->limit <= 1000;
	for (uint32_t i = 0; good && i < step->limit && next(model, last); i++)
		last = next(model, last);
	ffp_string_add(to, "%s %s %s\n", name, ff_code_name(good ? FF_OK : FF_E_INVALID),
	               good && next(model, last) ? "more" : "");
	for (const char *id = good ? next(model, after) : NULL; id && strcmp(id, last) <= 0; id = next(model, id))
		show(to, NULL, model, id);
}

void ffp_answer_lists(ffp_string *to, ff_engine *engine, ffp_model *model, const ffp_step *step)
{
	if (engine) {
		list_engine(to, engine, step->id, step->limit);
		return;
	}
	list_model(to, model, "budgets", step, ffp_model_next_budget, show_budget_status);
	list_model(to, model, "quotas", step, ffp_model_next_quota, show_quota_status);
}
