#include "walk.h"

#include "arena.h"
#include "place.h"
#include "quota.h"
#include "text.h"

#define PAGE_ROWS 500

static ff_code no_memory(ffp_reading *reading)
{
	return ff_error_set(reading->error, FF_E_NO_MEMORY, "out of memory for a page of rows");
}

/* ---- pages -------------------------------------------------------------------------------------------------- */

typedef ff_code page_fn(ffp_reading *reading, const ff_read *page, void *context);

/* Reads a range, ascending, in pages; each goes on behind the last row of the one before. */
static ff_code read_pages(ffp_reading *reading, const ff_read *range, page_fn *each, void *context)
{
	ffp_place last = { .is_set = false };
	ff_code code = FF_OK;
	size_t rows = PAGE_ROWS;
	while (code == FF_OK && rows == PAGE_ROWS) {
		ffp_arena_mark mark = ffp_arena_stand(reading->arena);
		ff_read page = *range;
		page.limit = PAGE_ROWS;
		if (last.is_set) {
			page.low = ffp_place_row(&last);
			page.low_count = (uint8_t)ff_order_count(page.table, page.index);
			page.flags |= FF_READ_LOW_EXCLUSIVE;
		}
		code = ffp_load(&reading->txn, reading->arena, &page, 1, reading->error);
		rows = code == FF_OK ? page.rows_count : 0;
		/* Those that can be read ascend, so the last of them is the highest. */
		bool goes_on = false, is_read = false;
		for (size_t i = rows; i-- > 0 && !is_read;) {
			goes_on |= ffp_place_advance(&last, page.table, page.index, page.rows[i]);
			is_read = page.rows[i]->state == FF_ROW_OK;
		}
		if (rows)
			code = each(reading, &page, context);
		if (!goes_on)
			rows = 0;
		ffp_arena_back(reading->arena, mark);
	}
	return code;
}

/* ---- tables ------------------------------------------------------------------------------------------------- */

typedef struct table_walk {
	ffp_walk_fn *each;
	void *context;
} table_walk;

/* Which table has the policies that a table's rows belong to; false: they belong to none. */
static bool policies_of(const ff_table *table, const ff_table **policies)
{
	bool budgets = table->id == FFP_BUDGET_USAGE || table->id == FFP_BUDGET_USAGE_BY_EXEC;
	bool quotas = table->id == FFP_QUOTA_WINDOW || table->id == FFP_QUOTA_ADMITTED;
	*policies = ffp_table(budgets ? FFP_BUDGET_POLICY : FFP_QUOTA_POLICY);
	return budgets || quotas;
}

/* A row's first key column, which names its policy. */
static ff_text root_of(const ff_read *page, size_t i)
{
	return *ff_row_text(page->rows[i], &page->table->columns[0]);
}

static bool begins_root(const ff_read *page, size_t i)
{
	return i == 0 || !ffp_text_equal(root_of(page, i - 1), root_of(page, i));
}

/* Loads the policies of a page's rows, one for each run of rows with one root: policies[i] is that of row i. */
static ff_code load_policies(ffp_reading *reading, const ff_read *page, const ff_row **policies)
{
	const ff_table *table;
	if (!policies_of(page->table, &table))
		return FF_OK;
	ff_read *reads = ffp_arena_array(reading->arena, page->rows_count, sizeof(*reads));
	size_t count = 0;
	for (size_t i = 0; reads && i < page->rows_count; i++) {
		ff_row *key = begins_root(page, i) ? ff_row_new(reading->arena, table) : NULL;
		if (begins_root(page, i) && !key)
			return no_memory(reading);
		if (key) {
			*ff_row_text(key, &table->columns[0]) = root_of(page, i);
			reads[count++] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = key };
		}
	}
	if (!reads)
		return no_memory(reading);
	ff_code code = ffp_load(&reading->txn, reading->arena, reads, count, reading->error);
	size_t runs = 0;
	for (size_t i = 0; i < page->rows_count; i++) {
		runs += begins_root(page, i);
		policies[i] = reads[runs - 1].row;
	}
	return code;
}

static ff_code walk_page(ffp_reading *reading, const ff_read *page, void *context)
{
	const table_walk *walk = context;
	const ff_row **policies = ffp_arena_array(reading->arena, page->rows_count, sizeof(*policies));
	ff_code code = policies ? load_policies(reading, page, policies) : no_memory(reading);
	for (size_t i = 0; code == FF_OK && i < page->rows_count; i++) {
		ffp_arena_mark mark = ffp_arena_stand(reading->arena);
		code = walk->each(reading, page->rows[i], policies[i], walk->context);
		ffp_arena_back(reading->arena, mark);
	}
	return code;
}

ff_code ffp_walk_table(ffp_reading *reading, ffp_table_id table, ffp_walk_fn *each, void *context)
{
	table_walk walk = { each, context };
	ff_read range = { .table = ffp_table(table), .kind = FF_READ_RANGE };
	return read_pages(reading, &range, walk_page, &walk);
}

/* ---- counting ----------------------------------------------------------------------------------------------- */

typedef struct row_count {
	int64_t time_ms;
	uint64_t count;
} row_count;

static ff_code count_alive(ffp_reading *reading, const ff_read *page, void *context)
{
	(void)reading;
	row_count *counting = context;
	for (size_t i = 0; i < page->rows_count; i++) {
		const ffp_entry_row *entry = (const ffp_entry_row *)page->rows[i];
		if (entry->row.state == FF_ROW_OK && !ffp_is_over(entry->expires_at_ms, counting->time_ms))
			counting->count++;
	}
	return FF_OK;
}

static ff_code count_page(ffp_reading *reading, const ff_read *page, void *context)
{
	(void)reading;
	((row_count *)context)->count += page->rows_count;
	return FF_OK;
}

static ff_code count_readable(ffp_reading *reading, const ff_read *page, void *context)
{
	(void)reading;
	for (size_t i = 0; i < page->rows_count; i++)
		((row_count *)context)->count += page->rows[i]->state == FF_ROW_OK;
	return FF_OK;
}

/* Counts among the rows of a quota policy, the first column of every order here; `low` names it. */
static ff_code count_rows(ffp_reading *reading, ff_read range, const ff_row *low, page_fn *each, int64_t time_ms,
                          uint64_t *count)
{
	row_count counting = { time_ms, 0 };
	range.kind = FF_READ_RANGE;
	range.equal_count = 1;
	range.low = low;
	ff_code code = read_pages(reading, &range, each, &counting);
	*count = counting.count;
	return code;
}

ff_code ffp_count_alive(ffp_reading *reading, ff_text quota_policy_id, int64_t time_ms, uint64_t *count)
{
	const ffp_entry_row low = { .quota_policy_id = quota_policy_id };
	const ff_read entries = { .table = ffp_table(FFP_QUOTA_WINDOW) };
	return count_rows(reading, entries, &low.row, count_alive, time_ms, count);
}

ff_code ffp_count_slots(ffp_reading *reading, ff_text quota_policy_id, uint64_t *count)
{
	const ffp_slot_row low = { .quota_policy_id = quota_policy_id };
	const ff_read slots = { .table = ffp_table(FFP_QUOTA_ADMITTED) };
	return count_rows(reading, slots, &low.row, count_page, 0, count);
}

ff_code ffp_count_over(ffp_reading *reading, ff_text quota_policy_id, int64_t time_ms, uint64_t *count)
{
	const ffp_slot_row low = { .quota_policy_id = quota_policy_id };
	const ffp_slot_row high = { .quota_policy_id = quota_policy_id, .lease_until_ms = time_ms };
	const ff_table *table = ffp_table(FFP_QUOTA_ADMITTED);
	const ff_read over = {
		.table = table, .index = &table->indexes[FFP_SLOT_BY_LEASE], .high_count = 2, .high = &high.row
	};
	return count_rows(reading, over, &low.row, count_readable, 0, count);
}
