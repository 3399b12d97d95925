/* Budgets: their policies, their periods and their statuses. */
#include "model_budget.h"

#include <stdlib.h>
#include <string.h>

#include "model_json.h"

/* ---- periods (FF-RB) -------------------------------------------------------------------------------------------- */

bool ffp_model_is_due(const ffp_model_budget *of, int64_t now_ms)
{
	return of->exists && of->next_reset_ms != FF_TIME_NONE && now_ms >= of->next_reset_ms;
}

uint64_t ffp_model_usage_at(const ffp_model_budget *of, const char *dimension, int64_t now_ms)
{
	const ffp_model_usage *found = ffp_list_find(&of->usages, dimension);
	return found && !ffp_model_is_due(of, now_ms) ? (uint64_t)found->value : 0;
}

static void begin_period(ffp_model_budget *of)
{
	foreach (ffp_model_usage, charged, &of->usages)
		charged->value = 0;
	of->ledgers.count = 0; /* FF-SP-3 */
	of->last_breach_ms = FF_TIME_NONE;
	*of->last_breach_dimension = '\0';
}

void ffp_model_settle(ffp_model_budget *of, int64_t now_ms)
{
	if (!ffp_model_is_due(of, now_ms))
		return;
	int64_t last_ms = of->next_reset_ms + (now_ms - of->next_reset_ms) / of->interval_ms * of->interval_ms;
	begin_period(of);
	of->updated_ms = last_ms;
	of->next_reset_ms = last_ms > INT64_MAX - of->interval_ms ? FF_TIME_NONE : last_ms + of->interval_ms;
}

ffp_model_budget ffp_model_settled(const ffp_model_budget *of, int64_t now_ms)
{
	ffp_model_budget now = *of;
	now.usages.count = now.ledgers.count = 0;
	ffp_model_settle(&now, now_ms);
	return now;
}

/* ---- policies (FF-CB) ------------------------------------------------------------------------------------------- */

ffp_model_budget *ffp_model_make_budget(ffp_model *model, const char *id)
{
	ffp_model_budget *of = ffp_list_make(&model->budgets, id, sizeof(*of));
	if (!of->exists)
		of->last_breach_ms = of->next_reset_ms = FF_TIME_NONE;
	return of;
}

void ffp_model_free_budget(ffp_model_budget *of)
{
	free(of->policy_text);
	free(of->limits.items);
	free(of->usages.items);
	free(of->ledgers.items);
}

static bool read_limits(const ff_budget_spec *spec, ffp_model_budget *to)
{
	if (spec->limits_count > DIMENSIONS_MAX)
		return false;
	for (size_t i = 0; i < spec->limits_count; i++) {
		const ff_limit *given = &spec->limits[i];
		bool crossed = given->hard && given->soft > given->hard; /* FF-CB-2 */
		if (!ffp_model_is_name(given->dimension, 1, 64) || given->hard > AMOUNT_MAX ||
		    given->soft > AMOUNT_MAX || crossed || ffp_list_find(&to->limits, given->dimension))
			return false;
		ffp_model_limits *limit = ffp_list_make(&to->limits, given->dimension, sizeof(*limit));
		limit->hard = given->hard;
		limit->soft = given->soft;
	}
	return true;
}

static bool read_policy(const ff_budget_spec *spec, ffp_model_budget *to)
{
	const char *mode = spec->enforcement_mode ? spec->enforcement_mode : "";
	to->advisory = !strcmp(mode, "advisory");
	if (*mode && !to->advisory && strcmp(mode, "strict") != 0)
		return false;
	if (!ffp_model_is_id(spec->budget_id) || !ffp_model_is_name(spec->scope_type, 0, 64) ||
	    !ffp_model_is_name(spec->scope_id, 0, 128) || !ffp_model_is_name(spec->on_hard_limit, 0, 64) ||
	    !ffp_model_is_name(spec->on_soft_limit, 0, 64) || spec->reset_interval_ms < 0)
		return false;
	ffp_model_copy_name(to->scope_type, sizeof(to->scope_type), spec->scope_type);
	ffp_model_copy_name(to->scope_id, sizeof(to->scope_id), spec->scope_id);
	ffp_model_copy_name(to->on_hard, sizeof(to->on_hard), spec->on_hard_limit);
	ffp_model_copy_name(to->on_soft, sizeof(to->on_soft), spec->on_soft_limit);
	to->interval_ms = spec->reset_interval_ms;
	if (!read_limits(spec, to))
		return false;
	to->policy_text = ffp_model_policy_text(to);
	return true;
}

bool ffp_model_is_budget_spec(const ff_budget_spec *spec)
{
	ffp_model_budget asked = { .exists = true };
	bool is_good = read_policy(spec, &asked);
	ffp_model_free_budget(&asked);
	return is_good;
}

/* FF-CB-1 */
static bool is_same_policy(const ffp_model_budget *left, const ffp_model_budget *right)
{
	return left->advisory == right->advisory && !strcmp(left->policy_text, right->policy_text) &&
	       !strcmp(left->scope_type, right->scope_type) && !strcmp(left->scope_id, right->scope_id);
}

ff_code ffp_model_create_budget(ffp_model *model, const ff_budget_spec *spec, int64_t now_ms, ff_created *created)
{
	ffp_model_budget asked = { .exists = true, .last_breach_ms = FF_TIME_NONE, .next_reset_ms = FF_TIME_NONE };
	if (!read_policy(spec, &asked) || spec->reset_interval_ms > INT64_MAX - now_ms) { /* FF-CB-8 */
		ffp_model_free_budget(&asked);
		return FF_E_INVALID;
	}
	ffp_model_budget *of = ffp_model_make_budget(model, spec->budget_id);
	*created = (ff_created){ .created = !of->exists, .same = !of->exists || is_same_policy(of, &asked) };
	if (of->exists) {
		ffp_model_free_budget(&asked);
		return FF_OK;
	}
	if (asked.interval_ms)
		asked.next_reset_ms = now_ms + asked.interval_ms; /* FF-CB-3 */
	asked.created_ms = asked.updated_ms = now_ms;
	asked.usages = of->usages; /* FF-CB-7 */
	asked.ledgers = of->ledgers;
	ffp_model_copy_name(asked.id, sizeof(asked.id), of->id);
	*of = asked;
	return FF_OK;
}

/* FF-RB-1, 3 */
ff_code ffp_model_reset_budget(ffp_model *model, const char *id, int64_t now_ms, int64_t *next_reset_ms)
{
	ffp_model_budget *of = ffp_list_find(&model->budgets, id);
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	if (of->interval_ms > INT64_MAX - now_ms) /* FF-CB-8 */
		return FF_E_INVALID;
	begin_period(of);
	of->updated_ms = now_ms;
	*next_reset_ms = of->next_reset_ms = of->interval_ms ? now_ms + of->interval_ms : FF_TIME_NONE;
	return FF_OK;
}

/* ---- statuses (FF-GS) ------------------------------------------------------------------------------------------- */

static const ff_amount *show_usage(ffp_model *model, const ffp_model_budget *of, bool due)
{
	ff_amount *amounts = ffp_model_keep(model, of->usages.count * sizeof(*amounts));
	size_t count = 0;
	foreach (ffp_model_usage, charged, &of->usages)
		amounts[count++] = (ff_amount){ charged->dimension, due ? 0 : (uint64_t)charged->value };
	return amounts;
}

static const ff_limit *show_limits(ffp_model *model, const ffp_model_budget *of)
{
	ff_limit *shown = ffp_model_keep(model, of->limits.count * sizeof(*shown));
	size_t count = 0;
	foreach (ffp_model_limits, limit, &of->limits)
		shown[count++] = (ff_limit){ limit->dimension, limit->hard, limit->soft };
	return shown;
}

ff_code ffp_model_get_budget_status(ffp_model *model, const char *budget_id, const ff_budget_status **status)
{
	ffp_model_forget(model);
	if (!ffp_model_is_id(budget_id))
		return FF_E_INVALID;
	const ffp_model_budget *of = ffp_list_find(&model->budgets, budget_id);
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	int64_t now_ms = ffp_model_time(model);
	const ffp_model_budget now = ffp_model_settled(of, now_ms);
	ff_budget_status *shown = ffp_model_keep(model, sizeof(*shown));
	*shown = (ff_budget_status){
		.budget_id = of->id,
		.scope_type = of->scope_type,
		.scope_id = of->scope_id,
		.enforcement_mode = of->advisory ? FF_MODE_ADVISORY : FF_MODE_STRICT,
		.on_hard_limit = of->on_hard,
		.on_soft_limit = of->on_soft,
		.reset_interval_ms = of->interval_ms,
		.usage = show_usage(model, of, ffp_model_is_due(of, now_ms)),
		.usage_count = of->usages.count,
		.limits = show_limits(model, of),
		.limits_count = of->limits.count,
		.breach_count = (uint64_t)of->breaches,
		.soft_breach_count = (uint64_t)of->soft_breaches,
		.last_breach_at_ms = now.last_breach_ms,
		.last_breach_dim = now.last_breach_ms == FF_TIME_NONE ? NULL : of->last_breach_dimension,
		.next_reset_at_ms = now.next_reset_ms,
		.created_at_ms = of->created_ms,
		.updated_at_ms = now.updated_ms,
	};
	*status = shown;
	return FF_OK;
}

const char *ffp_model_next_budget(const ffp_model *model, const char *after)
{
	foreach (ffp_model_budget, next, &model->budgets) {
		if (next->exists && strcmp(next->id, after) > 0)
			return next->id;
	}
	return NULL;
}
