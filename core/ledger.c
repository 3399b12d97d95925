#include "ledger.h"

#include <stdlib.h>

#include "arena.h"
#include "budget.h"
#include "report.h"
#include "result.h"
#include "text.h"

ffp_item *ffp_ledger_group(ffp_batch *batch, ff_text budget_id, ff_text execution_id, uint32_t limit)
{
	ffp_ledger_row key = { .budget_id = budget_id, .execution_id = execution_id };
	return ffp_rows_group(&batch->rows, FFP_BUDGET_USAGE_BY_EXEC, &key.row, 2, limit);
}

bool ffp_ledger_in(const ffp_ledger_row *row, int64_t period, int64_t *total)
{
	*total = row && row->period == period ? row->delta_total : 0;
	return !row ||
	       (row->row.state == FF_ROW_OK && row->delta_total >= 0 && row->period >= 0 && row->period <= period);
}

static ff_code check_release(ffp_request *request, ff_arena *arena)
{
	(void)arena;
	ff_code code = ffp_name_check(&ffp_name_budget_id, request->call->in.target.id, &request->id, request->error);
	if (code != FF_OK)
		return code;
	return ffp_name_check(&ffp_name_execution_id, request->call->in.target.execution_id, &request->execution_id,
	                      request->error);
}

static bool plan_release(ffp_batch *batch, ffp_request *request)
{
	request->root = ffp_budget_item(batch, request->id);
	request->group = ffp_ledger_group(batch, request->id, request->execution_id, UINT32_MAX);
	return request->root && request->group;
}

/* What a release has found out before it changes anything: an execution's rows that count, with their usage. */
typedef struct releasable {
	const ffp_ledger_row *ledger;
	ffp_item *usage_item;
	int64_t usage;
	int64_t taken; /* never more than there is (FF-SP-3) */
} releasable;

static ff_code corrupt(ffp_request *request, ff_text dimension)
{
	return ffp_fail(request, FF_E_CORRUPT, "budget '%.*s' has a row of dimension '%.*s' that cannot be trusted",
	                FFP_SHOWN(request->id), FFP_SHOWN(dimension));
}

/* Looks at one ledger row, and at the usage that it counts in. */
static ff_code look_at(ffp_batch *batch, ffp_request *request, int64_t period, const ffp_ledger_row *ledger,
                       releasable *found)
{
	int64_t total;
	if (!ffp_ledger_in(ledger, period, &total))
		return corrupt(request, ledger->dimensions_key);
	*found = (releasable){ .ledger = ledger };
	if (total == 0)
		return FF_OK;
	found->usage_item = ffp_usage_item(batch, request->id, ledger->dimensions_key);
	if (!found->usage_item)
		return FF_E_NO_MEMORY;
	if (!found->usage_item->loaded)
		return FFP_PENDING;
	if (!ffp_usage_in((const ffp_usage_row *)found->usage_item->after, period, &found->usage))
		return corrupt(request, ledger->dimensions_key);
	found->taken = total < found->usage ? total : found->usage;
	return FF_OK;
}

/* Looks at all of them, so that the usage of every dimension is asked for in one round. */
static ff_code look_at_all(ffp_batch *batch, ffp_request *request, int64_t period, releasable **found, size_t *count)
{
	size_t members = 0;
	for (const ffp_item *item = request->group->members; item; item = item->next_member)
		members += item->after != NULL;
	*found = ffp_arena_array(batch->arena, members, sizeof(**found));
	*count = 0;
	ff_code code = *found ? FF_OK : FF_E_NO_MEMORY;
	for (const ffp_item *item = request->group->members; item; item = item->next_member) {
		if (!item->after || (code != FF_OK && code != FFP_PENDING))
			continue;
		ff_code one =
		    look_at(batch, request, period, (const ffp_ledger_row *)item->after, &(*found)[(*count)++]);
		code = one == FF_OK ? code : one;
	}
	return code;
}

static ff_code take_out(ffp_batch *batch, ffp_request *request, const releasable *found, size_t count)
{
	request->released = ffp_arena_array(batch->arena, count, sizeof(*request->released));
	request->released_count = 0;
	if (!request->released)
		return FF_E_NO_MEMORY;
	for (size_t i = 0; i < count; i++) {
		if (found[i].taken == 0)
			continue;
		ffp_usage_row *usage = (ffp_usage_row *)ffp_rows_change(&batch->rows, found[i].usage_item);
		if (!usage)
			return FF_E_NO_MEMORY;
		usage->current_value = found[i].usage - found[i].taken;
		usage->updated_at_ms = request->now_ms;
		request->released[request->released_count++] =
		    (ffp_amount){ found[i].ledger->dimensions_key, found[i].taken };
	}
	for (ffp_item *item = request->group->members; item; item = item->next_member)
		ffp_rows_delete(item);
	ffp_rows_let_go(request->group);
	qsort(request->released, request->released_count, sizeof(*request->released), ffp_amounts_compare);
	return FF_OK;
}

static ff_code decide_release(ffp_batch *batch, ffp_request *request)
{
	ffp_budget budget;
	releasable *found;
	size_t count;
	request->released_count = 0;
	ff_code code = ffp_request_budget(batch, request, &budget);
	if (code != FF_OK || budget.period.moved) /* nothing was spent yet in a period that no row shows */
		return code;
	code = look_at_all(batch, request, budget.period.number, &found, &count);
	if (code == FFP_PENDING) /* all that is wanted was asked for, and this round is undone: no other looks again */
		ffp_rows_let_go(request->group);
	return code == FF_OK ? take_out(batch, request, found, count) : code;
}

static ff_code pack_released(ffp_packer *packer, void *context, ff_error *error)
{
	(void)error;
	const ffp_request *request = context;
	ff_released *released = ffp_pack(packer, 1, sizeof(*released));
	ff_amount *amounts = ffp_pack(packer, request->released_count, sizeof(*amounts));
	for (size_t i = 0; i < request->released_count; i++) {
		const char *dimension = ffp_pack_text(packer, request->released[i].dimension);
		if (amounts)
			amounts[i] = (ff_amount){ dimension, (uint64_t)request->released[i].amount };
	}
	if (released)
		*released = (ff_released){ amounts, request->released_count };
	return FF_OK;
}

static ff_code prepare_release(const ff_allocator *allocator, ffp_request *request)
{
	if (!request->call->out.released)
		return FF_OK;
	return ffp_result_pack(allocator, pack_released, request, &request->result, NULL);
}

const ffp_op ffp_op_release_budget = {
	.name = "release_budget",
	.entity = "budget",
	.check = check_release,
	.plan = plan_release,
	.decide = decide_release,
	.prepare = prepare_release,
};
