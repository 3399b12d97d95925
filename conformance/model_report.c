/* Reports and spends into budgets, idempotency keys, and the release of what was spent. */
#include "model_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_budget.h"
#include "text.h"

#define DAY_MS INT64_C(86400000)

/* ---- arguments -------------------------------------------------------------------------------------------------- */

static int compare_amounts(const void *left, const void *right)
{
	return strcmp(((const ff_amount *)left)->dimension, ((const ff_amount *)right)->dimension);
}

static void sort_amounts(const ff_report *report, ff_amount *sorted)
{
	memcpy(sorted, report->amounts, report->amounts_count * sizeof(*sorted));
	qsort(sorted, report->amounts_count, sizeof(*sorted), compare_amounts);
}

/* FF-LIM-1, 3, 4, 5 */
static bool are_amounts(const ff_report *report)
{
	if (report->amounts_count < 1 || report->amounts_count > DIMENSIONS_MAX)
		return false;
	for (size_t i = 0; i < report->amounts_count; i++) {
		if (!ffp_model_is_name(report->amounts[i].dimension, 1, 64) || report->amounts[i].amount > AMOUNT_MAX)
			return false;
	}
	ff_amount sorted[DIMENSIONS_MAX];
	sort_amounts(report, sorted);
	for (size_t i = 1; i < report->amounts_count; i++) {
		if (!strcmp(sorted[i - 1].dimension, sorted[i].dimension))
			return false;
	}
	return true;
}

bool ffp_model_is_report(const ffp_model *model, const ff_report *report)
{
	bool is_backdated = report->now_ms && !(model->options.flags & FF_OPEN_DATA_CLOCK); /* FF-CLK-2 */
	return !is_backdated && ffp_model_is_id(report->budget_id) &&
	       ffp_model_is_name(report->idempotency_key, 0, KEY_SIZE - 1) && are_amounts(report);
}

/* ---- a charge --------------------------------------------------------------------------------------------------- */

/* A report, or a spend where there is an execution, with its amounts in byte order. */
typedef struct charge {
	const ff_report *report;
	const char *execution;
	ff_amount amounts[DIMENSIONS_MAX];
	size_t count;
	int64_t now_ms;
} charge;

static ff_outcome breach(ff_outcome_kind kind, bool applied, const char *dimension, uint64_t current, uint64_t limit)
{
	ff_outcome outcome = { .kind = kind, .applied = applied, .current_usage = current, .limit = limit };
	ffp_model_copy_name(outcome.dimension, sizeof(outcome.dimension), dimension);
	return outcome;
}

/* FF-RU-9: the first dimension over its hard limit. */
static bool find_breach(const ffp_model_budget *of, const charge *asked, ff_outcome *found)
{
	for (size_t i = 0; i < asked->count; i++) {
		const ff_amount *amount = &asked->amounts[i];
		const ffp_model_limits *limit = ffp_list_find(&of->limits, amount->dimension);
		uint64_t current = ffp_model_usage_at(of, amount->dimension, asked->now_ms);
		if (!limit || !limit->hard || (current <= limit->hard && amount->amount <= limit->hard - current))
			continue;
		*found = breach(FF_OUTCOME_HARD_BREACH, of->advisory, amount->dimension, current, limit->hard);
		return true;
	}
	return false;
}

/* FF-RU-10, FF-RU-15 */
static void count_breach(ffp_model_budget *of, const char *dimension, int64_t now_ms)
{
	ffp_model_settle(of, now_ms);
	of->breaches += of->breaches < INT64_MAX;
	of->last_breach_ms = of->updated_ms = now_ms;
	ffp_model_copy_name(of->last_breach_dimension, sizeof(of->last_breach_dimension), dimension);
}

static bool overflows(const ffp_model_budget *of, const charge *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		if (asked->amounts[i].amount >
		    AMOUNT_MAX - ffp_model_usage_at(of, asked->amounts[i].dimension, asked->now_ms))
			return true;
	}
	return false;
}

static void apply(ffp_model_budget *of, const charge *asked)
{
	ffp_model_settle(of, asked->now_ms);
	for (size_t i = 0; i < asked->count; i++) {
		ffp_model_usage *charged = ffp_list_make(&of->usages, asked->amounts[i].dimension, sizeof(*charged));
		charged->value += (int64_t)asked->amounts[i].amount;
		charged->updated_ms = asked->now_ms;
		if (!asked->execution)
			continue;
		char name[ID_SIZE + WORD_SIZE];
		snprintf(name, sizeof(name), "%s\n%s", asked->execution, asked->amounts[i].dimension);
		ffp_model_ledger *recorded = ffp_list_make(&of->ledgers, name, sizeof(*recorded)); /* FF-SP-1 */
		recorded->value += (int64_t)asked->amounts[i].amount;
		recorded->updated_ms = asked->now_ms;
	}
}

/* FF-RU-11 */
static ff_outcome look_at_soft_limits(ffp_model_budget *of, const charge *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		const char *dimension = asked->amounts[i].dimension;
		const ffp_model_limits *limit = ffp_list_find(&of->limits, dimension);
		uint64_t after = ffp_model_usage_at(of, dimension, asked->now_ms);
		if (!limit || !limit->soft || after <= limit->soft)
			continue;
		of->soft_breaches += of->soft_breaches < INT64_MAX;
		of->updated_ms = asked->now_ms;
		return breach(FF_OUTCOME_SOFT_BREACH, true, dimension, after, limit->soft);
	}
	return (ff_outcome){ .kind = FF_OUTCOME_OK, .applied = true };
}

/* FF-RU-7 … 11, FF-CB-4 */
static ff_code decide_charge(ffp_model_budget *of, const charge *asked, ff_outcome *outcome)
{
	bool breached = find_breach(of, asked, outcome);
	bool applies = !breached || of->advisory;
	if (applies && overflows(of, asked))
		return FF_E_OVERFLOW;
	if (applies)
		apply(of, asked);
	if (breached)
		count_breach(of, outcome->dimension, asked->now_ms);
	else
		*outcome = look_at_soft_limits(of, asked);
	return FF_OK;
}

/* ---- idempotency keys ------------------------------------------------------------------------------------------- */

/* FF-RU-2: what a key stands for. */
static char *payload_of(const charge *of)
{
	ffp_string payload = { .data = NULL };
	ffp_string_add(&payload, "%s\n%s\n", of->execution ? "spend" : "report", of->execution ? of->execution : "");
	for (size_t i = 0; i < of->count; i++)
		ffp_string_add(&payload, "%s\n%" PRIu64 "\n", of->amounts[i].dimension, of->amounts[i].amount);
	return payload.data;
}

/* FF-RU-1, FF-SP-1 */
static ff_outcome replay(const ffp_model_key *recorded, bool is_spend)
{
	ff_outcome outcome = recorded->outcome;
	if (is_spend && outcome.applied)
		outcome = (ff_outcome){ .kind = FF_OUTCOME_ALREADY_APPLIED, .applied = true };
	outcome.replayed = true;
	return outcome;
}

void ffp_model_drop_key(ffp_model *model, ffp_model_key *dropped)
{
	free(dropped->payload);
	ffp_list_drop(&model->keys, dropped);
}

/* FF-RU-4, 5: what is decided anew under a key does not make it last longer. */
static void record_key(ffp_model *model, const char *name, const charge *asked, const ff_outcome *outcome,
                       bool is_first)
{
	ffp_model_key *recorded = ffp_list_make(&model->keys, name, sizeof(*recorded));
	if (is_first)
		recorded->expires_ms =
		    ffp_model_later(asked->now_ms, model->options.key_ttl_ms ? model->options.key_ttl_ms : DAY_MS);
	free(recorded->payload);
	recorded->payload = payload_of(asked);
	recorded->applied_ms = asked->now_ms;
	recorded->outcome = *outcome;
}

static ff_code charge_keyed(ffp_model *model, const char *name, const charge *asked, ff_outcome *outcome)
{
	ffp_model_key *used = ffp_list_find(&model->keys, name);
	if (used && asked->now_ms >= used->expires_ms)
		used = NULL;
	char *payload = payload_of(asked);
	bool conflicts = used && strcmp(used->payload, payload) != 0;
	free(payload);
	if (conflicts)
		return FF_E_KEY_CONFLICT;
	if (used && (used->outcome.applied || !asked->report->retry_refused)) {
		*outcome = replay(used, asked->execution != NULL);
		return FF_OK;
	}
	ff_code code = decide_charge(ffp_model_make_budget(model, asked->report->budget_id), asked, outcome);
	if (code == FF_OK)
		record_key(model, name, asked, outcome, !used);
	return code;
}

/* ---- report_usage, record_spend --------------------------------------------------------------------------------- */

ff_code ffp_model_charge(ffp_model *model, const char *execution, const ff_report *report, int64_t now_ms,
                         ff_outcome *outcome)
{
	charge asked = { .report = report, .execution = execution, .count = report->amounts_count, .now_ms = now_ms };
	sort_amounts(report, asked.amounts);
	const ffp_model_budget *known = ffp_list_find(&model->budgets, report->budget_id);
	if (model->options.flags & FF_OPEN_REQUIRE_BUDGET && !(known && known->exists))
		return FF_E_NOT_FOUND;
	if (!report->idempotency_key || !*report->idempotency_key)
		return decide_charge(ffp_model_make_budget(model, report->budget_id), &asked, outcome);
	char name[KEY_SIZE + ID_SIZE]; /* FF-RU-3 */
	snprintf(name, sizeof(name), "%s\n%s", report->idempotency_key, report->budget_id);
	return charge_keyed(model, name, &asked, outcome);
}

/* ---- giving back what was spent (FF-SP) ------------------------------------------------------------------------- */

/* The dimension of what an execution recorded; NULL: another recorded it. */
static const char *dimension_of(const ffp_model_ledger *recorded, const char *execution)
{
	size_t length = strlen(execution);
	bool is_own = !strncmp(recorded->name, execution, length) && recorded->name[length] == '\n';
	return is_own ? recorded->name + length + 1 : NULL;
}

/* How much of it: no more than there is. */
static uint64_t give_back(ffp_model_budget *of, const char *dimension, int64_t recorded, int64_t now_ms)
{
	ffp_model_usage *charged = ffp_list_find(&of->usages, dimension);
	int64_t back = recorded < charged->value ? recorded : charged->value;
	if (!back)
		return 0;
	charged->value -= back;
	charged->updated_ms = now_ms;
	return (uint64_t)back;
}

static void drop_ledger(ffp_model_budget *of, const char *execution)
{
	for (size_t i = of->ledgers.count; i-- > 0;) {
		ffp_model_ledger *recorded = ffp_list_at(&of->ledgers, i);
		if (dimension_of(recorded, execution))
			ffp_list_drop(&of->ledgers, recorded);
	}
}

/* FF-SP-2, 3 */
ff_code ffp_model_release_budget(ffp_model *model, const char *id, const char *execution, int64_t now_ms,
                                 const ff_released **released)
{
	ff_released *taken = ffp_model_keep(model, sizeof(*taken));
	*released = taken;
	ffp_model_budget *of = ffp_list_find(&model->budgets, id);
	if (!of || ffp_model_is_due(of, now_ms))
		return FF_OK;
	ff_amount *amounts = ffp_model_keep(model, of->ledgers.count * sizeof(*amounts));
	taken->amounts = amounts;
	foreach (ffp_model_ledger, recorded, &of->ledgers) {
		const char *dimension = dimension_of(recorded, execution);
		uint64_t back = dimension ? give_back(of, dimension, recorded->value, now_ms) : 0;
		if (!back)
			continue;
		char *kept = ffp_model_keep(model, WORD_SIZE);
		ffp_model_copy_name(kept, WORD_SIZE, dimension);
		amounts[taken->amounts_count++] = (ff_amount){ kept, back };
	}
	drop_ledger(of, execution);
	return FF_OK;
}
