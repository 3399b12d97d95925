/*
 * Expired keys have no index, which every report would pay for: tick walks the keys in order and deletes what is over.
 * A walk that its limit ends leaves its place in ff_sweep, and the next one goes on from there.
 */
#include "purge.h"

#include "budget.h"
#include "ledger.h"
#include "quota.h"
#include "text.h"

/* ---- where a walk stands ------------------------------------------------------------------------------------ */

static bool plan_sweep(ffp_batch *batch, ffp_request *request)
{
	ffp_sweep_row key = { .work = ffp_text(ffp_table(request->slice->table)->name) };
	request->root = ffp_rows_get(&batch->rows, FFP_SWEEP, &key.row);
	return request->root != NULL;
}

/* Of a table's key ff_sweep keeps two texts, in order, and the number; a third text begins anew, and the rows that share
 * the two before it are looked at again. */
static ff_text *text_of_sweep(ffp_sweep_row *sweep, unsigned number)
{
	return number == 0 ? &sweep->last_text_1 : number == 1 ? &sweep->last_text_2 : NULL;
}

static void place_from_sweep(ffp_place *place, const ff_table *table, ffp_sweep_row sweep)
{
	ffp_place key = { .is_set = true };
	ff_row *row = (ff_row *)(void *)key.row;
	unsigned texts = 0;
	for (unsigned i = 0; i < table->key_count; i++) {
		if (table->columns[i].type == FF_TYPE_INT64) {
			*ff_row_int64(row, &table->columns[i]) = sweep.last_number;
			continue;
		}
		const ff_text *kept = text_of_sweep(&sweep, texts++);
		*ff_row_text(row, &table->columns[i]) = kept ? *kept : ffp_text("");
	}
	ffp_place_set(place, table, NULL, row);
}

static void sweep_from_place(ffp_sweep_row *sweep, const ff_table *table, const ffp_place *place)
{
	unsigned texts = 0;
	for (unsigned i = 0; i < table->key_count; i++) {
		if (table->columns[i].type == FF_TYPE_INT64) {
			sweep->last_number = *ff_row_int64(ffp_place_row(place), &table->columns[i]);
			continue;
		}
		ff_text *kept = text_of_sweep(sweep, texts++);
		if (kept)
			*kept = *ff_row_text(ffp_place_row(place), &table->columns[i]);
	}
}

static ff_code decide_sweep_begin(ffp_batch *batch, ffp_request *request)
{
	(void)batch;
	ffp_slice *slice = request->slice;
	const ffp_sweep_row *row = (const ffp_sweep_row *)request->root->after;
	slice->next.is_set = false;
	if (row && row->row.state == FF_ROW_OK)
		place_from_sweep(&slice->next, ffp_table(slice->table), *row);
	return FF_OK;
}

static ff_code decide_sweep_end(ffp_batch *batch, ffp_request *request)
{
	const ffp_slice *slice = request->slice;
	if (!slice->next.is_set) {
		ffp_rows_delete(request->root);
		return FF_OK;
	}
	ffp_sweep_row *row = (ffp_sweep_row *)ffp_rows_change(&batch->rows, request->root);
	if (!row)
		return FF_E_NO_MEMORY;
	/* Nothing is left of one that cannot be read. */
	*row = (ffp_sweep_row){ .work = row->work };
	sweep_from_place(row, ffp_table(slice->table), &slice->next);
	return FF_OK;
}

const ffp_op ffp_op_sweep_begin = {
	.name = "tick",
	.entity = "",
	.plan = plan_sweep,
	.decide = decide_sweep_begin,
};

const ffp_op ffp_op_sweep_end = {
	.name = "tick",
	.entity = "",
	.plan = plan_sweep,
	.decide = decide_sweep_end,
};

/* ---- a slice ------------------------------------------------------------------------------------------------ */

static bool plan_purge(ffp_batch *batch, ffp_request *request)
{
	const ffp_slice *slice = request->slice;
	const ff_table *table = ffp_table(slice->table);
	ff_read read = { .table = table,
		         .kind = FF_READ_RANGE,
		         .low_count = slice->low->is_set ? table->key_count : 0,
		         .high_count = slice->high ? table->key_count : 0,
		         .flags = FF_READ_LOW_EXCLUSIVE,
		         .limit = slice->rows_max,
		         .low = ffp_place_row(slice->low),
		         .high = slice->high ? ffp_place_row(slice->high) : NULL };
	request->scan = ffp_rows_scan(&batch->rows, &read);
	return request->scan != NULL;
}

/* When a key may go. One that keeps a lost commit from happening late (fate.c) was over from the start, and stays for as long
 * as others do. */
static int64_t end_of_key(const ffp_batch *batch, const ffp_key_row *key)
{
	return key->expires_at_ms ? key->expires_at_ms : ffp_add_saturated(key->applied_at_ms, batch->key_ttl_ms);
}

/* Whether a row is over, as far as it tells by itself. What cannot be read is left for check to find. */
static bool is_over(const ffp_batch *batch, const ff_row *row, ffp_table_id table, int64_t now_ms)
{
	if (!row || row->state != FF_ROW_OK)
		return false;
	if (table == FFP_BUDGET_USAGE_DEDUP)
		return ffp_is_over(end_of_key(batch, (const ffp_key_row *)row), now_ms);
	if (table == FFP_QUOTA_WINDOW)
		return ffp_is_over(((const ffp_entry_row *)row)->expires_at_ms, now_ms);
	return table == FFP_BUDGET_USAGE_BY_EXEC || ffp_slot_is_over((const ffp_slot_row *)row, now_ms);
}

/* The row of the policy that a slot or a ledger row belongs to, which is asked for as they are looked at. */
static ff_code load_policy(ffp_item *policy)
{
	if (!policy)
		return FF_E_NO_MEMORY;
	return policy->loaded ? FF_OK : FFP_PENDING;
}

/* A quota's slot goes with its policy's count; where that cannot be trusted, it stays for check. */
static ff_code uncount(ffp_batch *batch, const ffp_slot_row *held, bool *goes)
{
	const ffp_quota_row key = { .quota_policy_id = held->quota_policy_id };
	ffp_item *policy = ffp_rows_get(&batch->rows, FFP_QUOTA_POLICY, &key.row);
	ff_code code = load_policy(policy);
	if (code != FF_OK)
		return code;
	const ffp_quota_row *counting = (const ffp_quota_row *)policy->after;
	*goes = counting && !ffp_quota_fault(counting) && counting->active_concurrency > 0;
	if (!*goes)
		return FF_OK;
	ffp_quota_row *row = (ffp_quota_row *)ffp_rows_change(&batch->rows, policy);
	if (!row)
		return FF_E_NO_MEMORY;
	row->active_concurrency--;
	return FF_OK;
}

/* A ledger row goes once its budget's row shows a later period: no call sees it any more (FF-SP-3). Where that row cannot
 * be trusted, it stays for check: so long as it is not mended, nobody knows which period is the present one. */
static ff_code look_at_period(ffp_batch *batch, const ffp_ledger_row *ledger, bool *goes)
{
	int64_t total;
	ffp_item *policy = ffp_budget_item(batch, ledger->budget_id);
	ff_code code = load_policy(policy);
	if (code != FF_OK)
		return code;
	const ffp_budget_row *budget = (const ffp_budget_row *)policy->after;
	*goes = budget && !ffp_budget_fault(budget) && ledger->period < budget->period &&
	        ffp_ledger_in(ledger, budget->period, &total);
	return FF_OK;
}

static ff_code purge_row(ffp_batch *batch, ffp_item *item, ffp_slice *slice)
{
	ff_code code = FF_OK;
	bool goes = true;
	if (slice->table == FFP_QUOTA_ADMITTED)
		code = uncount(batch, (const ffp_slot_row *)item->after, &goes);
	else if (slice->table == FFP_BUDGET_USAGE_BY_EXEC)
		code = look_at_period(batch, (const ffp_ledger_row *)item->after, &goes);
	if (code == FF_OK && goes) {
		ffp_rows_delete(item);
		slice->changed++;
	}
	return code;
}

static ff_code decide_purge(ffp_batch *batch, ffp_request *request)
{
	ffp_slice *slice = request->slice;
	bool pending = false;
	slice->looked_at = slice->changed = 0;
	slice->next.is_set = false;
	for (; slice->looked_at < request->scan->items_count && slice->changed < slice->changes_max;
	     slice->looked_at++) {
		ffp_item *item = request->scan->items[slice->looked_at];
		ffp_place_advance(&slice->next, item->table, NULL, item->key);
		if (!is_over(batch, item->after, slice->table, request->now_ms))
			continue;
		ff_code code = purge_row(batch, item, slice);
		if (code == FF_E_NO_MEMORY)
			return code;
		pending |= code == FFP_PENDING;
	}
	return pending ? FFP_PENDING : FF_OK;
}

const ffp_op ffp_op_purge = {
	.name = "tick",
	.entity = "",
	.plan = plan_purge,
	.decide = decide_purge,
};
