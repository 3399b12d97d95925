#include "rows.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena.h"

/* Keys come from callers, so where they go must not be known to them: names made to share a bucket would make each look
 * for one a walk over all. */
static uint64_t hash_key(const ff_table *table, const ff_row *key, uint8_t columns, uint64_t seed)
{
	uint64_t hash = seed ^ ((uint64_t)table->id << 8 | columns);
	for (unsigned i = 0; i < columns; i++) {
		const ff_column *column = &table->columns[i];
		if (column->type == FF_TYPE_TEXT) {
			const ff_text *text = ff_row_text(key, column);
			hash = XXH3_64bits_withSeed(text->data, text->size, hash);
		} else {
			hash = XXH3_64bits_withSeed(ff_row_int64(key, column), sizeof(int64_t), hash);
		}
	}
	return hash;
}

/* Empty arrays for so many items, a power of two; what they had stays in the arena until the batch ends. */
static bool take_room(ffp_rows *rows, size_t room)
{
	rows->buckets = ffp_arena_array(rows->arena, room, sizeof(ffp_item *));
	rows->items = ff_arena_take(rows->arena, room * sizeof(ffp_item *));
	rows->pending = ff_arena_take(rows->arena, room * sizeof(ffp_item *));
	rows->room = room;
	return rows->buckets && rows->items && rows->pending;
}

bool ffp_rows_init(ffp_rows *rows, ff_arena *arena, uint64_t seed, size_t expected)
{
	size_t room = 16;
	while (room < expected)
		room *= 2;
	*rows = (ffp_rows){ .arena = arena, .seed = seed };
	return take_room(rows, room);
}

static void put_in_bucket(ffp_rows *rows, ffp_item *item)
{
	ffp_item **bucket = &rows->buckets[item->hash & (rows->room - 1)];
	item->next_in_bucket = *bucket;
	*bucket = item;
}

static bool grow(ffp_rows *rows)
{
	const ffp_rows old = *rows;
	if (!take_room(rows, 2 * old.room)) {
		*rows = old;
		return false;
	}
	memcpy(rows->items, old.items, old.items_count * sizeof(ffp_item *));
	memcpy(rows->pending, old.pending, old.pending_count * sizeof(ffp_item *));
	for (size_t i = 0; i < old.items_count; i++)
		put_in_bucket(rows, old.items[i]);
	return true;
}

/* The head of a row and its key columns, which come first. */
static size_t key_size(const ff_table *table)
{
	const ff_column *last = &table->columns[table->key_count - 1];
	return last->offset + (last->type == FF_TYPE_TEXT ? sizeof(ff_text) : sizeof(int64_t));
}

/* An item, and behind it the key columns of `row`, and no others. */
static ffp_item *new_item(ff_arena *arena, const ff_table *table, const ff_row *row)
{
	size_t size = key_size(table);
	ffp_item *item = ff_arena_take(arena, sizeof(*item) + size);
	if (!item)
		return NULL;
	ff_row *key = memcpy(item + 1, row, size);
	*key = (ff_row){ .state = FF_ROW_OK };
	*item = (ffp_item){ .table = table, .key = key };
	return item;
}

static ffp_item *find(const ffp_rows *rows, const ff_table *table, const ff_row *key, uint8_t columns, uint64_t hash)
{
	ffp_item *item = rows->buckets[hash & (rows->room - 1)];
	while (item && (item->hash != hash || item->table != table || item->columns != columns ||
	                ff_row_compare(table, NULL, item->key, key, columns) != 0))
		item = item->next_in_bucket;
	return item;
}

static bool is_kept(const ffp_item *item)
{
	return item->columns == item->table->key_count && ffp_recall_keeps(item->table);
}

/* Whether an item's row is remembered and need not be loaded. */
static bool recall(const ffp_rows *rows, ffp_item *item)
{
	if (rows->recall && is_kept(item))
		item->before = item->after =
		    ffp_recall_find(rows->recall, item->table, item->key, item->hash, &item->memo);
	item->loaded = item->recalled = item->after != NULL;
	return item->loaded;
}

/* The item of a key, which a new one is given as `loaded` or leaves pending. */
static ffp_item *get(ffp_rows *rows, const ff_table *table, const ff_row *key, uint8_t columns, bool loaded)
{
	uint64_t hash = hash_key(table, key, columns, rows->seed);
	ffp_item *item = find(rows, table, key, columns, hash);
	if (item)
		return item;
	if (rows->items_count == rows->room && !grow(rows))
		return NULL;
	item = new_item(rows->arena, table, key);
	if (!item)
		return NULL;
	item->columns = columns;
	item->hash = hash;
	item->loaded = loaded;
	put_in_bucket(rows, item);
	rows->items[rows->items_count++] = item;
	if (!loaded && !recall(rows, item))
		rows->pending[rows->pending_count++] = item;
	return item;
}

ffp_item *ffp_rows_get(ffp_rows *rows, ffp_table_id table, const ff_row *key)
{
	return get(rows, ffp_table(table), key, ffp_table(table)->key_count, false);
}

ffp_item *ffp_rows_trust(ffp_rows *rows, ffp_table_id table, const ff_row *key)
{
	size_t known = rows->items_count;
	ffp_item *item = get(rows, ffp_table(table), key, ffp_table(table)->key_count, true);
	if (item && rows->items_count > known)
		item->trusted = true;
	return item;
}

ffp_item *ffp_rows_group(ffp_rows *rows, ffp_table_id table, const ff_row *key, uint8_t columns, uint32_t limit)
{
	ffp_item *group = get(rows, ffp_table(table), key, columns, true);
	if (!group || limit <= group->limit)
		return group;
	group->limit = limit;
	if (group->loaded && !group->whole) {
		group->loaded = false;
		rows->pending[rows->pending_count++] = group;
	}
	return group;
}

ffp_item *ffp_rows_get_member(ffp_rows *rows, ffp_item *group, const ff_row *key)
{
	ffp_item *item = get(rows, group->table, key, group->table->key_count, group->whole);
	if (item)
		ffp_rows_join(group, item);
	return item;
}

void ffp_rows_join(ffp_item *group, ffp_item *item)
{
	if (item->is_member)
		return;
	item->is_member = true;
	item->next_member = group->members;
	group->members = item;
}

void ffp_rows_let_go(ffp_item *group)
{
	for (ffp_item *item = group->members; item; item = item->next_member) {
		item->is_member = false;
		item->is_let_go = true;
		item->group = group;
	}
	group->members = NULL;
}

ffp_scan *ffp_rows_scan(ffp_rows *rows, const ff_read *read)
{
	ffp_scan *scan = ffp_arena_array(rows->arena, 1, sizeof(*scan));
	if (!scan)
		return NULL;
	scan->read = *read;
	scan->next = rows->pending_scans;
	rows->pending_scans = scan;
	return scan;
}

bool ffp_rows_doubt(ffp_rows *rows, ffp_item *item)
{
	if (!item->trusted || item->after)
		return false;
	item->trusted = item->loaded = false;
	rows->pending[rows->pending_count++] = item;
	return true;
}

void ffp_rows_doubt_recalled(ffp_rows *rows)
{
	rows->recall = NULL;
	for (size_t i = 0; i < rows->items_count; i++) {
		ffp_item *item = rows->items[i];
		if (!item->recalled)
			continue;
		item->recalled = item->loaded = false;
		item->before = item->after = item->memo = NULL;
		rows->pending[rows->pending_count++] = item;
	}
}

ff_row *ffp_rows_change(ffp_rows *rows, ffp_item *item)
{
	if (item->changed && item->after)
		return (ff_row *)(uintptr_t)item->after; /* the batch's own copy */
	ff_row *copy = ff_arena_take(rows->arena, item->table->row_size);
	if (!copy)
		return NULL;
	if (item->after) {
		memcpy(copy, item->after, item->table->row_size);
	} else {
		memset(copy, 0, item->table->row_size);
		memcpy(copy, item->key, key_size(item->table));
	}
	item->after = copy;
	item->changed = true;
	return copy;
}

void ffp_rows_delete(ffp_item *item)
{
	item->after = NULL;
	item->changed = true;
}

bool ffp_rows_delete_table(ffp_rows *rows, ffp_table_id table)
{
	for (size_t i = 0; i < rows->table_deletes_count; i++)
		if (rows->table_deletes[i].table == ffp_table(table))
			return true;
	ff_read *range = ffp_arena_array(rows->arena, 1, sizeof(*range));
	if (!rows->table_deletes)
		rows->table_deletes = ffp_arena_array(rows->arena, FFP_TABLES_COUNT, sizeof(ff_write));
	if (!range || !rows->table_deletes)
		return false;
	*range = (ff_read){ .table = ffp_table(table), .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	rows->table_deletes[rows->table_deletes_count++] =
	    (ff_write){ .table = range->table, .kind = FF_WRITE_DELETE_RANGE, .range = range };
	return true;
}

static void remember(const ffp_item *item, ffp_recall *recall)
{
	if (!item->after)
		ffp_recall_forget(recall, item->hash);
	else if (item->changed || !item->recalled)
		ffp_recall_keep(recall, item->table, item->after, item->hash);
}

void ffp_rows_remember(const ffp_rows *rows, ffp_recall *recall)
{
	if (rows->table_deletes_count) { /* which rows went is not known here */
		ffp_recall_clear(recall);
		return;
	}
	/* Those first whose texts lie where others may get their place. */
	for (size_t i = 0; i < rows->items_count; i++)
		if (rows->items[i]->recalled)
			remember(rows->items[i], recall);
	for (size_t i = 0; i < rows->items_count; i++)
		if (!rows->items[i]->recalled && rows->items[i]->loaded && is_kept(rows->items[i]))
			remember(rows->items[i], recall);
}

void ffp_rows_revert(ffp_rows *rows)
{
	for (size_t i = 0; i < rows->items_count; i++) {
		ffp_item *item = rows->items[i];
		item->after = item->before;
		item->changed = false;
		if (item->is_let_go)
			ffp_rows_join(item->group, item);
		item->is_let_go = false;
	}
	rows->table_deletes_count = 0;
	rows->reverts++;
}

bool ffp_rows_are_pending(const ffp_rows *rows)
{
	return rows->pending_count || rows->pending_scans;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static ff_read read_of(const ffp_item *item)
{
	if (item->columns == item->table->key_count)
		return (ff_read){ .table = item->table, .kind = FF_READ_GET, .low = item->key };
	return (ff_read){ .table = item->table,
		          .kind = FF_READ_RANGE,
		          .equal_count = item->columns,
		          .limit = item->limit,
		          .low = item->key };
}

bool ffp_rows_reads(ffp_rows *rows, ff_read **reads, size_t *count)
{
	*count = rows->pending_count;
	for (const ffp_scan *scan = rows->pending_scans; scan; scan = scan->next)
		++*count;
	*reads = ffp_arena_room(rows->arena, *count, sizeof(**reads));
	if (!*reads || !ffp_items_sort(rows->pending, rows->pending_count, rows->arena))
		return false;
	if (rows->pending_count == rows->items_count) /* the writes need not be sorted again */
		memcpy(rows->items, rows->pending, rows->items_count * sizeof(*rows->items));
	ff_read *read = *reads;
	for (size_t i = 0; i < rows->pending_count; i++)
		*read++ = read_of(rows->pending[i]);
	for (const ffp_scan *scan = rows->pending_scans; scan; scan = scan->next)
		*read++ = scan->read;
	return true;
}

bool ffp_rows_recalled(ffp_rows *rows, ff_read **reads, size_t *count)
{
	ffp_item **recalled = ffp_arena_room(rows->arena, rows->items_count, sizeof(*recalled));
	size_t n = 0;
	for (size_t i = 0; recalled && i < rows->items_count; i++)
		if (rows->items[i]->recalled)
			recalled[n++] = rows->items[i];
	*count = n;
	*reads = ffp_arena_room(rows->arena, n, sizeof(**reads));
	if (!recalled || !*reads || !ffp_items_sort(recalled, n, rows->arena))
		return false;
	for (size_t i = 0; i < n; i++) {
		(*reads)[i] = read_of(recalled[i]);
		(*reads)[i].row = (ff_row *)(uintptr_t)recalled[i]->before;
	}
	return true;
}

/* Takes in a row that a range brought; one that the batch knows already stays as the batch has it. */
static ffp_item *take_row(ffp_rows *rows, const ff_table *table, ffp_item *group, const ff_row *row)
{
	size_t known = rows->items_count;
	ffp_item *item = get(rows, table, row, table->key_count, true);
	if (item && rows->items_count > known)
		item->before = item->after = row;
	if (item && group)
		ffp_rows_join(group, item);
	return item;
}

static bool take_scan(ffp_rows *rows, ffp_scan *scan, const ff_read *read)
{
	scan->items = ffp_arena_array(rows->arena, read->rows_count, sizeof(*scan->items));
	scan->read = *read;
	for (size_t i = 0; scan->items && i < read->rows_count; i++) {
		ffp_item *item = take_row(rows, read->table, NULL, read->rows[i]);
		if (!item)
			return false;
		scan->items[scan->items_count++] = item;
	}
	scan->loaded = true;
	return scan->items != NULL;
}

bool ffp_rows_loaded(ffp_rows *rows, const ff_read *reads)
{
	for (size_t i = 0; i < rows->pending_count; i++) { /* before the ranges, which may bring the same rows */
		ffp_item *item = rows->pending[i];
		item->before = item->after = reads[i].row; /* of a group none */
		item->loaded = true;
	}
	for (size_t i = 0; i < rows->pending_count; i++) {
		if (reads[i].kind != FF_READ_RANGE)
			continue;
		for (size_t j = 0; j < reads[i].rows_count; j++)
			if (!take_row(rows, reads[i].table, rows->pending[i], reads[i].rows[j]))
				return false;
		rows->pending[i]->whole = reads[i].rows_count < reads[i].limit;
	}
	const ff_read *read = reads + rows->pending_count;
	for (ffp_scan *scan = rows->pending_scans; scan; scan = scan->next)
		if (!take_scan(rows, scan, read++))
			return false;
	rows->pending_scans = NULL;
	rows->pending_count = 0;
	return true;
}

/* ---- storing ------------------------------------------------------------------------------------------------ */

bool ffp_rows_writes(ffp_rows *rows, ff_write **writes, size_t *count)
{
	ffp_item **changed = ffp_arena_room(rows->arena, rows->items_count, sizeof(*changed));
	size_t n = 0;
	for (size_t i = 0; changed && i < rows->items_count; i++) {
		ffp_item *item = rows->items[i];
		if (item->changed && (item->before || item->after))
			changed[n++] = item;
	}
	*count = n + rows->table_deletes_count;
	*writes = ffp_arena_room(rows->arena, *count, sizeof(**writes));
	if (!changed || !*writes || !ffp_items_sort(changed, n, rows->arena))
		return false;
	for (size_t i = 0; i < n; i++)
		(*writes)[i] = (ff_write){ .table = changed[i]->table,
			                   .kind = changed[i]->after ? FF_WRITE_PUT : FF_WRITE_DELETE,
			                   .before = changed[i]->before,
			                   .after = changed[i]->after };
	if (rows->table_deletes_count)
		memcpy(*writes + n, rows->table_deletes, rows->table_deletes_count * sizeof(**writes));
	return true;
}
