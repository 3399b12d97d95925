/* Budgets: their periods, create_budget, reset_budget, and the scheduled resets that tick writes down. */
#include "budget.h"

#include "arena.h"
#include "text.h"

/* ---- periods ------------------------------------------------------------------------------------------------ */

/*
 * The scheduled reset, exact without any sweeper (FF-RB-2) and on its grid (FF-RB-3): whoever looks at or after
 * next_reset_at sees the period that began at the last scheduled instant up to now. Where there is no next instant, it
 * is the last one (FF-RB-7).
 */
static ffp_period find_period(const ffp_budget_row *row, int64_t interval_ms, int64_t now_ms)
{
	bool scheduled = !ff_row_is_null(&row->row, FFP_BUDGET_NEXT_RESET_AT);
	ffp_period period = { .number = row->period,
		              .next_reset_at_ms = scheduled ? row->next_reset_at_ms : FF_TIME_NONE };
	if (!scheduled || now_ms < row->next_reset_at_ms)
		return period;
	int64_t passed = interval_ms ? (now_ms - row->next_reset_at_ms) / interval_ms : 0;
	period.moved = true;
	period.number++;
	period.began_at_ms = row->next_reset_at_ms + passed * interval_ms;
	if (!interval_ms || __builtin_add_overflow(period.began_at_ms, interval_ms, &period.next_reset_at_ms))
		period.next_reset_at_ms = FF_TIME_NONE;
	return period;
}

const char *ffp_budget_fault(const ffp_budget_row *row)
{
	if (row->row.state != FF_ROW_OK)
		return "a policy row that cannot be read";
	if (row->breach_count < 0 || row->soft_breach_count < 0)
		return "a breach counter below zero";
	bool scheduled = !ff_row_is_null(&row->row, FFP_BUDGET_NEXT_RESET_AT);
	if (scheduled && row->next_reset_at_ms < 0)
		return "a next reset below zero";
	if (row->period < 0 || row->period >= INT64_MAX - 1 || row->created_at_ms < 0 || row->updated_at_ms < 0)
		return "a period or a time out of range";
	return NULL;
}

ff_code ffp_budget_at(const ffp_budget_row *row, int64_t now_ms, ffp_policies *policies, ff_arena *arena,
                      ffp_budget *budget, const char **fault)
{
	*budget = (ffp_budget){ .row = row, .period = { .next_reset_at_ms = FF_TIME_NONE } };
	if (!row)
		return FF_OK;
	*fault = ffp_budget_fault(row);
	if (*fault)
		return FF_E_CORRUPT;
	ff_code code = policies
	                   ? ffp_policies_get(policies, row->policy_json, arena, &budget->policy, &budget->mark, fault)
	                   : ffp_policy_parse(row->policy_json, arena, &budget->policy, fault);
	if (code != FF_OK)
		return code;
	*fault = "an unknown enforcement mode";
	if (!ffp_mode_parse(row->enforcement_mode, &budget->mode))
		return FF_E_CORRUPT;
	budget->period = find_period(row, budget->policy.reset_interval_ms, now_ms);
	return FF_OK;
}

static void set_next_reset(ffp_budget_row *row, int64_t next_reset_at_ms)
{
	row->next_reset_at_ms = next_reset_at_ms;
	if (next_reset_at_ms == FF_TIME_NONE)
		row->row.nulls |= 1u << FFP_BUDGET_NEXT_RESET_AT;
	else
		row->row.nulls &= ~(1u << FFP_BUDGET_NEXT_RESET_AT);
}

static void clear_last_breach(ffp_budget_row *row)
{
	row->row.nulls |= 1u << FFP_BUDGET_LAST_BREACH_AT | 1u << FFP_BUDGET_LAST_BREACH_DIM;
}

void ffp_budget_move(ffp_budget_row *row, const ffp_period *period)
{
	if (!period->moved)
		return;
	row->period = period->number;
	row->updated_at_ms = period->began_at_ms;
	set_next_reset(row, period->next_reset_at_ms);
	clear_last_breach(row);
}

ffp_budget_row *ffp_budget_change(ffp_rows *rows, ffp_item *item, const ffp_budget *budget)
{
	ffp_budget_row *row = (ffp_budget_row *)ffp_rows_change(rows, item);
	if (row)
		ffp_budget_move(row, &budget->period);
	return row;
}

bool ffp_usage_in(const ffp_usage_row *row, int64_t period, int64_t *usage)
{
	*usage = row && row->period == period ? row->current_value : 0;
	return !row ||
	       (row->row.state == FF_ROW_OK && row->current_value >= 0 && row->period >= 0 && row->period <= period);
}

/* ---- what the operations share ------------------------------------------------------------------------------ */

ffp_item *ffp_budget_item(ffp_batch *batch, ff_text budget_id)
{
	ffp_budget_row key = { .budget_id = budget_id };
	return ffp_rows_get(&batch->rows, FFP_BUDGET_POLICY, &key.row);
}

ffp_item *ffp_usage_item(ffp_batch *batch, ff_text budget_id, ff_text dimension)
{
	ffp_usage_row key = { .budget_id = budget_id, .dimensions_key = dimension };
	return ffp_rows_get(&batch->rows, FFP_BUDGET_USAGE, &key.row);
}

/* What was made of a budget's row, for further requests of the batch, and of later ones where the row is remembered. It
 * holds for this row, in this place. */
typedef struct budget_memo {
	const ff_row *row;
	ffp_policy_mark mark;
	ff_mode mode;
} budget_memo;

/* What it is where the policy is the batch's own (mark.is_own), and goes with it. */
typedef struct own_memo {
	budget_memo base;
	ffp_policy policy;
} own_memo;

_Static_assert(sizeof(budget_memo) <= FFP_RECALL_MEMO_SIZE, "there is no room for it beside the row");

static void remember_budget(ffp_batch *batch, const ffp_request *request, const ffp_budget *budget)
{
	ffp_item *item = request->root;
	const budget_memo made = { item->after, budget->mark, budget->mode };
	bool has_room = item->memo && item->after == item->before;
	bool is_asked_again = item->asker && item->asker != request;
	if (made.mark.is_own) {
		/* What had to be parsed is worth it in any case: a long policy is not kept, and of two in one place neither
		 * is. */
		own_memo *own = item->memo = ff_arena_take(batch->arena, sizeof(*own));
		if (own)
			*own = (own_memo){ made, budget->policy };
		return;
	}
	if (!has_room)
		item->memo = is_asked_again && made.mark.number ? ff_arena_take(batch->arena, sizeof(made)) : NULL;
	if (item->memo)
		*(budget_memo *)item->memo = made;
}

static bool recall_budget(const ffp_batch *batch, const ffp_item *item, int64_t now_ms, ffp_budget *budget)
{
	const budget_memo *memo = item->memo;
	if (!memo || memo->row != item->after)
		return false;
	if (memo->mark.is_own)
		budget->policy = ((const own_memo *)memo)->policy;
	else if (!ffp_policies_find(batch->policies, memo->mark, &budget->policy))
		return false;
	budget->row = (const ffp_budget_row *)item->after;
	if (ffp_budget_fault(budget->row)) /* its numbers are others by now, as after a reset */
		return false;
	budget->mark = memo->mark;
	budget->mode = memo->mode;
	budget->period = find_period(budget->row, budget->policy.reset_interval_ms, now_ms);
	return true;
}

ff_code ffp_request_budget(ffp_batch *batch, ffp_request *request, ffp_budget *budget)
{
	const char *fault = "";
	ffp_item *item = request->root;
	if (recall_budget(batch, item, request->now_ms, budget))
		return FF_OK;
	const ffp_budget_row *row = (const ffp_budget_row *)item->after;
	ff_code code = ffp_budget_at(row, request->now_ms, batch->policies, batch->arena, budget, &fault);
	if (code == FF_E_CORRUPT)
		ffp_fail(request, code, "budget '%.*s' has %s", FFP_SHOWN(request->id), fault);
	if (code == FF_OK)
		remember_budget(batch, request, budget);
	return code;
}

static bool plan_budget(ffp_batch *batch, ffp_request *request)
{
	request->root = ffp_budget_item(batch, request->id);
	return request->root != NULL;
}

/* ---- create_budget (FF-CB) ---------------------------------------------------------------------------------- */

static ff_code check_limit(ffp_request *request, const ff_limit *limit, ffp_policy_limit *checked)
{
	ff_code code = ffp_name_check(&ffp_name_dimension, limit->dimension, &checked->dimension, request->error);
	if (code != FF_OK)
		return code;
	if (limit->hard > INT64_MAX || limit->soft > INT64_MAX)
		return ffp_fail(request, FF_E_INVALID, "a limit of dimension '%s' is above 2^63-1", limit->dimension);
	if (limit->hard && limit->soft > limit->hard)
		return ffp_fail(request, FF_E_INVALID, "soft limit of dimension '%s' is above its hard limit",
		                limit->dimension);
	checked->hard = (int64_t)limit->hard;
	checked->soft = (int64_t)limit->soft;
	return FF_OK;
}

static ff_code check_limits(ffp_request *request, const ff_budget_spec *spec, ff_arena *arena)
{
	if (spec->limits_count > FFP_DIMENSIONS_MAX)
		return ffp_fail(request, FF_E_INVALID, "policy has %zu dimensions, it takes at most %d",
		                spec->limits_count, FFP_DIMENSIONS_MAX);
	if (spec->limits_count && !spec->limits)
		return ffp_fail(request, FF_E_INVALID, "limits are NULL");
	ffp_policy_limit *limits = ffp_arena_array(arena, spec->limits_count, sizeof(*limits));
	if (!limits)
		return ffp_fail(request, FF_E_NO_MEMORY, "out of memory for a budget");
	for (size_t i = 0; i < spec->limits_count; i++) {
		ff_code code = check_limit(request, &spec->limits[i], &limits[i]);
		if (code != FF_OK)
			return code;
	}
	ffp_policy_sort(limits, spec->limits_count);
	for (size_t i = 1; i < spec->limits_count; i++)
		if (ffp_text_equal(limits[i - 1].dimension, limits[i].dimension))
			return ffp_fail(request, FF_E_INVALID, "dimension '%.*s' is named twice",
			                FFP_SHOWN(limits[i].dimension));
	request->wanted->policy.limits = limits;
	request->wanted->policy.limits_count = spec->limits_count;
	return FF_OK;
}

static ff_code check_create(ffp_request *request, ff_arena *arena)
{
	const ff_budget_spec *spec = request->call->in.create_budget;
	if (!spec || spec->size != sizeof(*spec))
		return ffp_fail(request, FF_E_INVALID,
		                "budget spec was not begun with FF_BUDGET_SPEC_INIT of this ff.h");
	ffp_new_budget *wanted = request->wanted = ffp_arena_array(arena, 1, sizeof(*wanted));
	if (!wanted)
		return ffp_fail(request, FF_E_NO_MEMORY, "out of memory for a budget");
	const struct {
		const ffp_name_rule *rule;
		const char *given;
		ff_text *checked;
	} names[] = {
		{ &ffp_name_budget_id, spec->budget_id, &request->id },
		{ &ffp_name_scope_type, spec->scope_type, &wanted->scope_type },
		{ &ffp_name_scope_id, spec->scope_id, &wanted->scope_id },
		{ &ffp_name_on_hard_limit, spec->on_hard_limit, &wanted->policy.on_hard_limit },
		{ &ffp_name_on_soft_limit, spec->on_soft_limit, &wanted->policy.on_soft_limit },
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ff_code code = ffp_name_check(names[i].rule, names[i].given, names[i].checked, request->error);
		if (code != FF_OK)
			return code;
	}
	if (!ffp_mode_parse(ffp_text(spec->enforcement_mode), &wanted->mode))
		return ffp_fail(request, FF_E_INVALID, "enforcement mode '%s' is neither strict nor advisory",
		                spec->enforcement_mode);
	if (spec->reset_interval_ms < 0)
		return ffp_fail(request, FF_E_INVALID, "reset interval is below zero");
	wanted->policy.reset_interval_ms = spec->reset_interval_ms;
	request->own_now_ms = spec->now_ms;
	return check_limits(request, spec, arena);
}

/* The next reset of a grid that begins now (FF-CB-3); FF_E_INVALID where there is no such time. */
static ff_code begin_grid(ffp_request *request, int64_t interval_ms, int64_t *next_reset_at_ms)
{
	*next_reset_at_ms = FF_TIME_NONE;
	if (interval_ms && __builtin_add_overflow(request->now_ms, interval_ms, next_reset_at_ms))
		return ffp_fail(request, FF_E_INVALID, "reset interval passes the end of time, 2^63-1 ms");
	return FF_OK;
}

/* Whether what is stored is what was asked for (FF-CB-1), however its text is written. */
static ff_code compare_policies(ffp_batch *batch, ffp_request *request, ff_text asked, bool *same)
{
	ffp_budget stored;
	ff_code code = ffp_request_budget(batch, request, &stored);
	if (code != FF_OK)
		return code;
	ff_text text = ffp_policy_write(&stored.policy, batch->arena);
	if (!text.data)
		return FF_E_NO_MEMORY;
	*same = ffp_text_equal(text, asked) && stored.mode == request->wanted->mode &&
	        ffp_text_equal(stored.row->scope_type, request->wanted->scope_type) &&
	        ffp_text_equal(stored.row->scope_id, request->wanted->scope_id);
	return FF_OK;
}

static ff_code decide_create(ffp_batch *batch, ffp_request *request)
{
	ff_created *answer = request->call->out.created;
	ff_text text = ffp_policy_write(&request->wanted->policy, batch->arena);
	if (!text.data)
		return FF_E_NO_MEMORY;
	int64_t next_reset_at_ms;
	ff_code code = begin_grid(request, request->wanted->policy.reset_interval_ms, &next_reset_at_ms);
	if (code != FF_OK)
		return code;
	ff_created created = { .created = !request->root->after, .same = true };
	if (!created.created) {
		code = compare_policies(batch, request, text, &created.same);
	} else {
		ffp_budget_row *row = (ffp_budget_row *)ffp_rows_change(&batch->rows, request->root);
		if (!row)
			return FF_E_NO_MEMORY;
		row->policy_json = text;
		row->scope_type = request->wanted->scope_type;
		row->scope_id = request->wanted->scope_id;
		row->enforcement_mode = ffp_mode_text(request->wanted->mode);
		row->created_at_ms = row->updated_at_ms = request->now_ms;
		set_next_reset(row, next_reset_at_ms);
		clear_last_breach(row);
	}
	if (answer) /* which is cleared of a call that failed */
		*answer = created;
	return code;
}

const ffp_op ffp_op_create_budget = {
	.name = "create_budget",
	.entity = "budget",
	.check = check_create,
	.plan = plan_budget,
	.decide = decide_create,
};

/* ---- reset_budget (FF-RB-1) --------------------------------------------------------------------------------- */

static ff_code check_reset(ffp_request *request, ff_arena *arena)
{
	(void)arena;
	request->own_now_ms = request->call->in.target.now_ms;
	return ffp_name_check(&ffp_name_budget_id, request->call->in.target.id, &request->id, request->error);
}

static ff_code decide_reset(ffp_batch *batch, ffp_request *request)
{
	ffp_budget budget;
	int64_t next_reset_at_ms;
	if (!request->root->after)
		return ffp_fail(request, FF_E_NOT_FOUND, "there is no budget '%.*s'", FFP_SHOWN(request->id));
	ff_code code = ffp_request_budget(batch, request, &budget);
	if (code == FF_OK)
		code = begin_grid(request, budget.policy.reset_interval_ms, &next_reset_at_ms);
	if (code != FF_OK)
		return code;
	ffp_budget_row *row = ffp_budget_change(&batch->rows, request->root, &budget);
	if (!row)
		return FF_E_NO_MEMORY;
	row->period++;
	row->updated_at_ms = request->now_ms;
	set_next_reset(row, next_reset_at_ms);
	clear_last_breach(row);
	if (request->call->out.next_reset_at_ms)
		*request->call->out.next_reset_at_ms = next_reset_at_ms;
	return FF_OK;
}

const ffp_op ffp_op_reset_budget = {
	.name = "reset_budget",
	.entity = "budget",
	.check = check_reset,
	.plan = plan_budget,
	.decide = decide_reset,
};

/* ---- tick's resets (FF-RB-4) -------------------------------------------------------------------------------- */

const ff_index *ffp_by_next_reset(void)
{
	return &ffp_table(FFP_BUDGET_POLICY)->indexes[FFP_BUDGET_BY_NEXT_RESET];
}

static bool plan_reset_due(ffp_batch *batch, ffp_request *request)
{
	const ffp_slice *slice = request->slice;
	const ff_table *table = ffp_table(FFP_BUDGET_POLICY);
	ffp_budget_row *high = (ffp_budget_row *)ff_row_new(batch->arena, table);
	if (!high)
		return false;
	high->next_reset_at_ms = request->now_ms;
	ff_read read = { .table = table,
		         .index = slice->index,
		         .kind = FF_READ_RANGE,
		         .low_count = slice->low->is_set ? 2 : 0,
		         .high_count = 1,
		         .flags = FF_READ_LOW_EXCLUSIVE,
		         .limit = slice->rows_max,
		         .low = ffp_place_row(slice->low),
		         .high = &high->row };
	request->scan = ffp_rows_scan(&batch->rows, &read);
	return request->scan != NULL;
}

/* Looks again whether it is due: the batch may have moved it by now. False: memory is out. */
static bool reset_if_due(ffp_batch *batch, ffp_item *item, int64_t now_ms, ffp_slice *slice)
{
	ffp_budget budget;
	const char *fault;
	const ffp_budget_row *row = (const ffp_budget_row *)item->after;
	ff_code code = ffp_budget_at(row, now_ms, batch->policies, batch->arena, &budget, &fault);
	if (code == FF_E_NO_MEMORY)
		return false;
	slice->failed += code != FF_OK;
	if (!budget.period.moved) /* as of one that failed */
		return true;
	slice->changed++;
	return ffp_budget_change(&batch->rows, item, &budget) != NULL;
}

static ff_code decide_reset_due(ffp_batch *batch, ffp_request *request)
{
	ffp_slice *slice = request->slice;
	slice->looked_at = slice->changed = slice->failed = 0;
	slice->next.is_set = false;
	for (; slice->looked_at < request->scan->items_count && slice->changed < slice->changes_max;
	     slice->looked_at++) {
		ffp_item *item = request->scan->items[slice->looked_at];
		if (!reset_if_due(batch, item, request->now_ms, slice))
			return FF_E_NO_MEMORY;
		/* Where the scan found it: a call of the same batch may have loaded a row that cannot be read by its key, which
		 * does not tell when it falls due. */
		ffp_place_advance(&slice->next, item->table, slice->index, request->scan->read.rows[slice->looked_at]);
	}
	return FF_OK;
}

const ffp_op ffp_op_reset_due = {
	.name = "tick",
	.entity = "",
	.plan = plan_reset_due,
	.decide = decide_reset_due,
};
