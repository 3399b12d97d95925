/*
 * The hot path. In order (FF-RU): arguments, require_budget, idempotency key, policy, period, hard limits, increments,
 * soft limits. Everything is computed before the first row is changed, so that an error changes nothing.
 */
#include "report.h"

#include <endian.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena.h"
#include "budget.h"
#include "ledger.h"
#include "outcome.h"
#include "text.h"

/* ---- arguments ---------------------------------------------------------------------------------------------- */

int ffp_amounts_compare(const void *a, const void *b)
{
	return ff_text_compare(((const ffp_amount *)a)->dimension, ((const ffp_amount *)b)->dimension);
}

/* Reports of one list name their dimensions by the same strings as a rule, and then those of the one before are good. */
static ff_code check_dimension(const ffp_request *request, size_t i, const char *name, ff_text *dimension)
{
	const ffp_request *before = request->before;
	if (before && before->op == request->op && i < before->amounts_count &&
	    before->amounts[i].dimension.data == name) {
		*dimension = before->amounts[i].dimension;
		return FF_OK;
	}
	return ffp_name_check(&ffp_name_dimension, name, dimension, request->error);
}

static ff_code check_amounts(ffp_request *request, const ff_report *report, ff_arena *arena)
{
	size_t count = report->amounts_count;
	if (count && !report->amounts)
		return ffp_fail(request, FF_E_INVALID, "amounts are NULL");
	if (count < 1 || count > FFP_DIMENSIONS_MAX)
		return ffp_fail(request, FF_E_INVALID, "report has %zu dimensions, it takes 1 to %d", count,
		                FFP_DIMENSIONS_MAX);
	ffp_amount *amounts = ff_arena_take(arena, count * sizeof(*amounts));
	if (!amounts)
		return ffp_fail(request, FF_E_NO_MEMORY, "out of memory for a report");
	bool sorted = true;
	for (size_t i = 0; i < count; i++) {
		const ff_amount *given = &report->amounts[i];
		ff_code code = check_dimension(request, i, given->dimension, &amounts[i].dimension);
		if (code != FF_OK)
			return code;
		if (given->amount > INT64_MAX)
			return ffp_fail(request, FF_E_INVALID, "amount of dimension '%s' is above 2^63-1",
			                given->dimension);
		amounts[i].amount = (int64_t)given->amount;
		sorted = sorted && (i == 0 || ffp_amounts_compare(&amounts[i - 1], &amounts[i]) < 0);
	}
	if (!sorted)
		qsort(amounts, count, sizeof(*amounts), ffp_amounts_compare);
	for (size_t i = 1; !sorted && i < count; i++)
		if (ffp_amounts_compare(&amounts[i - 1], &amounts[i]) == 0)
			return ffp_fail(request, FF_E_INVALID, "dimension '%.*s' is named twice",
			                FFP_SHOWN(amounts[i].dimension));
	request->amounts = amounts;
	request->amounts_count = count;
	return FF_OK;
}

static char *append(char *at, ff_text text)
{
	memcpy(at, text.data, text.size);
	at[text.size] = '\0';
	return at + text.size + 1;
}

/* Tells one payload from another under a key: 64 bits, the same on every machine. */
static int64_t digest(const ffp_request *request)
{
	char bytes[1 + FF_ID_MAX + 1 + FFP_DIMENSIONS_MAX * (64 + 1 + 8)];
	char *at = bytes;
	*at++ = request->is_spend ? 's' : 'r';
	if (request->is_spend)
		at = append(at, request->execution_id);
	for (size_t i = 0; i < request->amounts_count; i++) {
		at = append(at, request->amounts[i].dimension);
		uint64_t amount = htole64((uint64_t)request->amounts[i].amount);
		memcpy(at, &amount, sizeof(amount));
		at += sizeof(amount);
	}
	return (int64_t)XXH3_64bits(bytes, (size_t)(at - bytes));
}

static ff_code check_report_fields(ffp_request *request, const ff_report *report, ff_arena *arena)
{
	ff_code code = ffp_name_check(&ffp_name_budget_id, report->budget_id, &request->id, request->error);
	if (code == FF_OK && request->is_spend)
		code = ffp_name_check(&ffp_name_execution_id, request->call->in.spend->execution_id,
		                      &request->execution_id, request->error);
	if (code == FF_OK)
		code = ffp_name_check(&ffp_name_key, report->idempotency_key, &request->key, request->error);
	if (code == FF_OK)
		code = check_amounts(request, report, arena);
	request->own_now_ms = report->now_ms;
	if (code == FF_OK && request->key.size)
		request->digest = digest(request);
	return code;
}

static ff_code check_report(ffp_request *request, ff_arena *arena)
{
	if (!request->call->in.report)
		return ffp_fail(request, FF_E_INVALID, "report is NULL");
	return check_report_fields(request, request->call->in.report, arena);
}

static ff_code check_spend(ffp_request *request, ff_arena *arena)
{
	const ff_spend *spend = request->call->in.spend;
	if (!spend)
		return ffp_fail(request, FF_E_INVALID, "spend is NULL");
	request->is_spend = true;
	return check_report_fields(request, &spend->report, arena);
}

static const ff_report *report_of(const ffp_request *request)
{
	return request->is_spend ? &request->call->in.spend->report : request->call->in.report;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

ff_code ffp_key_check(const ffp_key_row *row, const char **fault)
{
	ff_outcome outcome;
	*fault = "a row that cannot be read";
	return row->row.state == FF_ROW_OK ? ffp_outcome_parse(row->outcome_json, &outcome, fault) : FF_E_CORRUPT;
}

static bool has_same_dimensions(const ffp_request *a, const ffp_request *b)
{
	bool same = a->amounts_count == b->amounts_count;
	for (size_t i = 0; same && i < a->amounts_count; i++)
		same = a->amounts[i].dimension.data == b->amounts[i].dimension.data ||
		       ffp_text_equal(a->amounts[i].dimension, b->amounts[i].dimension);
	return same;
}

/* Reports on one budget name the same dimensions as a rule, and then the items of the one before are at hand. */
static bool plan_usage(ffp_batch *batch, ffp_request *request)
{
	const ffp_request *before = request->root->asker;
	request->root->asker = request;
	if (before && has_same_dimensions(before, request)) {
		request->usage = before->usage;
		return true;
	}
	request->usage = ff_arena_take(batch->arena, request->amounts_count * sizeof(ffp_item *));
	for (size_t i = 0; request->usage && i < request->amounts_count; i++) {
		request->usage[i] = ffp_usage_item(batch, request->id, request->amounts[i].dimension);
		if (!request->usage[i])
			return false;
	}
	return request->usage != NULL;
}

static bool find_ledger_row(ffp_batch *batch, ffp_request *request, size_t i)
{
	ffp_ledger_row key = { .budget_id = request->id,
		               .execution_id = request->execution_id,
		               .dimensions_key = request->amounts[i].dimension };
	request->ledger[i] = ffp_rows_get_member(&batch->rows, request->group, &key.row);
	return request->ledger[i] != NULL;
}

/* A spend of so many dimensions asks for each row. */
#define LEDGER_FEW 2

/*
 * The rows of the spend's own dimensions. Its execution may have spent any number of others, but has as a rule spent few:
 * so those of many dimensions are asked for by one look at all that it has, which ends where there are more than a
 * report can name. What that did not bring is asked for then.
 */
static bool plan_ledger(ffp_batch *batch, ffp_request *request)
{
	bool few = request->amounts_count <= LEDGER_FEW;
	request->group = ffp_ledger_group(batch, request->id, request->execution_id, few ? 0 : FFP_DIMENSIONS_MAX + 1);
	request->ledger = ffp_arena_array(batch->arena, request->amounts_count, sizeof(ffp_item *));
	bool planned = request->group && request->ledger;
	for (size_t i = 0; planned && few && i < request->amounts_count; i++)
		planned = find_ledger_row(batch, request, i);
	return planned;
}

static bool plan_report(ffp_batch *batch, ffp_request *request)
{
	request->root = ffp_budget_item(batch, request->id);
	if (!request->root || !plan_usage(batch, request))
		return false;
	if (request->key.size) {
		ffp_key_row key = { .dedup_key = request->key, .budget_id = request->id };
		request->key_item = batch->trusts_keys ? ffp_rows_trust(&batch->rows, FFP_BUDGET_USAGE_DEDUP, &key.row)
		                                       : ffp_rows_get(&batch->rows, FFP_BUDGET_USAGE_DEDUP, &key.row);
		if (!request->key_item)
			return false;
		batch->trusted |= batch->trusts_keys;
	}
	return !request->is_spend || plan_ledger(batch, request);
}

/* What a report has found out before it changes anything. */
typedef struct assessment {
	ffp_budget budget;
	int64_t usage[FFP_DIMENSIONS_MAX];  /* before */
	int64_t ledger[FFP_DIMENSIONS_MAX]; /* before */
	const ffp_policy_limit *limits[FFP_DIMENSIONS_MAX];
	int64_t key_expires_at_ms; /* of the key's first use, where it is used again; else 0 */
	ff_outcome outcome;
} assessment;

static ff_code corrupt(ffp_request *request, const char *what, size_t i)
{
	return ffp_fail(request, FF_E_CORRUPT, "budget '%.*s' has %s of dimension '%.*s' that cannot be trusted",
	                FFP_SHOWN(request->id), what, FFP_SHOWN(request->amounts[i].dimension));
}

static ff_code read_ledger(ffp_batch *batch, ffp_request *request, assessment *found)
{
	bool pending = false;
	for (size_t i = 0; i < request->amounts_count; i++) {
		if (!request->ledger[i] && !find_ledger_row(batch, request, i))
			return FF_E_NO_MEMORY;
		pending |= !request->ledger[i]->loaded;
	}
	for (size_t i = 0; !pending && i < request->amounts_count; i++) {
		const ffp_ledger_row *row = (const ffp_ledger_row *)request->ledger[i]->after;
		if (!ffp_ledger_in(row, found->budget.period.number, &found->ledger[i]))
			return corrupt(request, "a ledger row", i);
	}
	return pending ? FFP_PENDING : FF_OK;
}

static ff_code read_usage(ffp_batch *batch, ffp_request *request, assessment *found)
{
	for (size_t i = 0; i < request->amounts_count; i++) {
		const ffp_usage_row *row = (const ffp_usage_row *)request->usage[i]->after;
		if (!ffp_usage_in(row, found->budget.period.number, &found->usage[i]))
			return corrupt(request, "usage", i);
	}
	return request->is_spend ? read_ledger(batch, request, found) : FF_OK;
}

/* ---- the key (FF-RU-1 … 6) ---------------------------------------------------------------------------------- */

/* Whether the key answers: *answered, with the outcome; else the report is to be decided. */
static ff_code look_up_key(ffp_request *request, assessment *found, bool *answered)
{
	const ffp_key_row *row = request->key_item ? (const ffp_key_row *)request->key_item->after : NULL;
	*answered = false;
	if (row && row->row.state != FF_ROW_OK)
		return ffp_fail(request, FF_E_CORRUPT, "idempotency key '%.*s' has a row that cannot be read",
		                FFP_SHOWN(request->key));
	if (!row || ffp_is_over(row->expires_at_ms, request->now_ms))
		return FF_OK;
	if (row->payload_digest != request->digest)
		return ffp_fail(request, FF_E_KEY_CONFLICT, "idempotency key '%.*s' was used with another payload",
		                FFP_SHOWN(request->key));
	const char *fault = "";
	ff_code code = ffp_outcome_parse(row->outcome_json, &found->outcome, &fault);
	if (code == FF_E_NO_MEMORY)
		return code;
	if (code != FF_OK)
		return ffp_fail(request, FF_E_CORRUPT, "idempotency key '%.*s' has %s", FFP_SHOWN(request->key), fault);
	if (!found->outcome.applied && report_of(request)->retry_refused) {
		found->key_expires_at_ms = row->expires_at_ms;
		return FF_OK;
	}
	if (request->is_spend && found->outcome.applied) /* FF-SP-1 */
		found->outcome = (ff_outcome){ .kind = FF_OUTCOME_ALREADY_APPLIED, .applied = true, .replayed = true };
	*answered = true;
	return FF_OK;
}

static bool record_key(ffp_batch *batch, const ffp_request *request, const assessment *found)
{
	ffp_key_row *row = (ffp_key_row *)ffp_rows_change(&batch->rows, request->key_item);
	if (!row)
		return false;
	row->outcome_json = ffp_outcome_write(&found->outcome, batch->arena);
	row->payload_digest = request->digest;
	row->applied_at_ms = request->now_ms;
	row->expires_at_ms = found->key_expires_at_ms;
	if (!row->expires_at_ms)
		row->expires_at_ms = ffp_add_saturated(request->now_ms, batch->key_ttl_ms);
	return row->outcome_json.data != NULL;
}

/* ---- the rules ---------------------------------------------------------------------------------------------- */

static void set_breach(ff_outcome *outcome, ff_outcome_kind kind, ff_text dimension, int64_t usage, int64_t limit)
{
	outcome->kind = kind;
	outcome->current_usage = (uint64_t)usage;
	outcome->limit = (uint64_t)limit;
	memcpy(outcome->dimension, dimension.data, dimension.size);
	outcome->dimension[dimension.size] = '\0';
}

/* The hard limits (FF-RU-9): the first dimension in byte order with delta > limit - current. */
static void look_at_hard_limits(const ffp_request *request, assessment *found)
{
	for (size_t i = 0; i < request->amounts_count; i++) {
		const ffp_policy_limit *limit = found->limits[i];
		if (!limit || limit->hard == 0 || request->amounts[i].amount <= limit->hard - found->usage[i])
			continue;
		set_breach(&found->outcome, FF_OUTCOME_HARD_BREACH, limit->dimension, found->usage[i], limit->hard);
		found->outcome.applied = found->budget.mode == FF_MODE_ADVISORY; /* FF-CB-4 */
		return;
	}
}

/* The soft limits (FF-RU-11): the first dimension in byte order whose usage is over its limit now. */
static void look_at_soft_limits(const ffp_request *request, assessment *found)
{
	for (size_t i = 0; i < request->amounts_count; i++) {
		const ffp_policy_limit *limit = found->limits[i];
		int64_t after = found->usage[i] + request->amounts[i].amount;
		if (!limit || limit->soft == 0 || after <= limit->soft)
			continue;
		set_breach(&found->outcome, FF_OUTCOME_SOFT_BREACH, limit->dimension, after, limit->soft);
		return;
	}
}

/* Sums that would pass INT64_MAX (FF-LIM-4), looked for only where the increments are to apply (FF-ERR-3). */
static ff_code look_for_overflow(ffp_request *request, const assessment *found)
{
	for (size_t i = 0; i < request->amounts_count; i++) {
		int64_t amount = request->amounts[i].amount;
		if (amount > INT64_MAX - found->usage[i] ||
		    (request->is_spend && amount > INT64_MAX - found->ledger[i]))
			return ffp_fail(request, FF_E_OVERFLOW, "usage of dimension '%.*s' would pass 2^63-1",
			                FFP_SHOWN(request->amounts[i].dimension));
	}
	return FF_OK;
}

static ff_code assess(ffp_request *request, assessment *found)
{
	found->outcome = (ff_outcome){ .applied = true };
	for (size_t i = 0; i < request->amounts_count; i++)
		found->limits[i] = ffp_policy_limit_of(&found->budget.policy, request->amounts[i].dimension);
	look_at_hard_limits(request, found);
	if (!found->outcome.applied)
		return FF_OK;
	ff_code code = look_for_overflow(request, found);
	if (code == FF_OK && found->outcome.kind == FF_OUTCOME_OK)
		look_at_soft_limits(request, found);
	return code;
}

/* ---- the changes (FF-RU-10 … 12) ---------------------------------------------------------------------------- */

static bool add_usage(ffp_batch *batch, const ffp_request *request, const assessment *found, size_t i)
{
	ffp_usage_row *row = (ffp_usage_row *)ffp_rows_change(&batch->rows, request->usage[i]);
	if (!row)
		return false;
	row->current_value = found->usage[i] + request->amounts[i].amount;
	row->updated_at_ms = request->now_ms;
	row->period = found->budget.period.number;
	return true;
}

static bool add_to_ledger(ffp_batch *batch, const ffp_request *request, const assessment *found, size_t i)
{
	ffp_ledger_row *row = (ffp_ledger_row *)ffp_rows_change(&batch->rows, request->ledger[i]);
	if (!row)
		return false;
	ffp_rows_join(request->group, request->ledger[i]); /* which a release in front of it has left */
	row->delta_total = found->ledger[i] + request->amounts[i].amount;
	row->updated_at_ms = request->now_ms;
	row->period = found->budget.period.number;
	return true;
}

/* Counts a breach on the policy's row, and writes a period that has begun since it was written. */
static bool change_budget(ffp_batch *batch, const ffp_request *request, const assessment *found)
{
	ff_outcome_kind kind = found->outcome.kind;
	if (!found->budget.row || (kind == FF_OUTCOME_OK && !found->budget.period.moved))
		return true;
	ffp_budget_row *row = ffp_budget_change(&batch->rows, request->root, &found->budget);
	if (!row || kind == FF_OUTCOME_OK)
		return row != NULL;
	int64_t *counter = kind == FF_OUTCOME_HARD_BREACH ? &row->breach_count : &row->soft_breach_count;
	*counter += *counter < INT64_MAX; /* FF-RU-15 */
	row->updated_at_ms = request->now_ms;
	if (kind != FF_OUTCOME_HARD_BREACH)
		return true;
	row->last_breach_at_ms = request->now_ms;
	/* A text that is as it was keeps its place, and the row that is remembered its own. */
	const ff_text dimension = ffp_text(found->outcome.dimension);
	if (ff_row_is_null(&row->row, FFP_BUDGET_LAST_BREACH_DIM) || !ffp_text_equal(row->last_breach_dim, dimension))
		row->last_breach_dim = ff_text_copy(batch->arena, dimension.data, dimension.size);
	row->row.nulls &= ~(1u << FFP_BUDGET_LAST_BREACH_AT | 1u << FFP_BUDGET_LAST_BREACH_DIM);
	return row->last_breach_dim.data != NULL;
}

static bool change_rows(ffp_batch *batch, const ffp_request *request, const assessment *found)
{
	if (!change_budget(batch, request, found) || (request->key_item && !record_key(batch, request, found)))
		return false;
	for (size_t i = 0; found->outcome.applied && i < request->amounts_count; i++)
		if (!add_usage(batch, request, found, i) ||
		    (request->is_spend && !add_to_ledger(batch, request, found, i)))
			return false;
	return true;
}

static ff_code decide_report(ffp_batch *batch, ffp_request *request)
{
	assessment found;
	found.key_expires_at_ms = 0;
	if (batch->require_budget && !request->root->after)
		return ffp_fail(request, FF_E_NOT_FOUND, "there is no budget '%.*s'", FFP_SHOWN(request->id));
	bool answered;
	ff_code code = look_up_key(request, &found, &answered);
	if (code == FF_OK && !answered) {
		code = ffp_request_budget(batch, request, &found.budget);
		if (code == FF_OK)
			code = read_usage(batch, request, &found);
		if (code == FF_OK)
			code = assess(request, &found);
		if (code == FF_OK && !change_rows(batch, request, &found))
			code = FF_E_NO_MEMORY;
	}
	/* Nothing is stored under the key that would tell whether it is fresh, and a replay goes before this error. */
	bool failed = code != FF_OK && code != FFP_PENDING;
	if (failed && request->key_item && ffp_rows_doubt(&batch->rows, request->key_item))
		return FFP_PENDING;
	if (code == FF_OK && request->call->out.outcome)
		*request->call->out.outcome = found.outcome;
	return code;
}

const ffp_op ffp_op_report_usage = {
	.name = "report_usage",
	.entity = "budget",
	.check = check_report,
	.plan = plan_report,
	.decide = decide_report,
};

const ffp_op ffp_op_record_spend = {
	.name = "record_spend",
	.entity = "budget",
	.check = check_spend,
	.plan = plan_report,
	.decide = decide_report,
};
