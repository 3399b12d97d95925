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

/* Empty arrays for so many slots, a power of two; what they had stays in the arena until the batch ends. */
static bool take_room(ffp_rows *rows, size_t room)
{
	rows->buckets = ffp_arena_array(rows->arena, room, sizeof(ffp_slot *));
	rows->slots = ff_arena_take(rows->arena, room * sizeof(ffp_slot *));
	rows->pending = ff_arena_take(rows->arena, room * sizeof(ffp_slot *));
	rows->room = room;
	return rows->buckets && rows->slots && rows->pending;
}

bool ffp_rows_init(ffp_rows *rows, ff_arena *arena, uint64_t seed, size_t expected)
{
	size_t room = 16;
	while (room < expected)
		room *= 2;
	*rows = (ffp_rows){ .arena = arena, .seed = seed };
	return take_room(rows, room);
}

static void put_in_bucket(ffp_rows *rows, ffp_slot *slot)
{
	ffp_slot **bucket = &rows->buckets[slot->hash & (rows->room - 1)];
	slot->next_in_bucket = *bucket;
	*bucket = slot;
}

static bool grow(ffp_rows *rows)
{
	const ffp_rows old = *rows;
	if (!take_room(rows, 2 * old.room)) {
		*rows = old;
		return false;
	}
	memcpy(rows->slots, old.slots, old.slots_count * sizeof(ffp_slot *));
	memcpy(rows->pending, old.pending, old.pending_count * sizeof(ffp_slot *));
	for (size_t i = 0; i < old.slots_count; i++)
		put_in_bucket(rows, old.slots[i]);
	return true;
}

/* The head of a row and its key columns, which come first. */
static size_t key_size(const ff_table *table)
{
	const ff_column *last = &table->columns[table->key_count - 1];
	return last->offset + (last->type == FF_TYPE_TEXT ? sizeof(ff_text) : sizeof(int64_t));
}

/* A slot, and behind it the key columns of `row`, and no others. */
static ffp_slot *new_slot(ff_arena *arena, const ff_table *table, const ff_row *row)
{
	size_t size = key_size(table);
	ffp_slot *slot = ff_arena_take(arena, sizeof(*slot) + size);
	if (!slot)
		return NULL;
	ff_row *key = memcpy(slot + 1, row, size);
	*key = (ff_row){ .state = FF_ROW_OK };
	*slot = (ffp_slot){ .table = table, .key = key };
	return slot;
}

static ffp_slot *find(const ffp_rows *rows, const ff_table *table, const ff_row *key, uint8_t columns, uint64_t hash)
{
	ffp_slot *slot = rows->buckets[hash & (rows->room - 1)];
	while (slot && (slot->hash != hash || slot->table != table || slot->columns != columns ||
	                ff_row_compare(table, NULL, slot->key, key, columns) != 0))
		slot = slot->next_in_bucket;
	return slot;
}

static bool is_kept(const ffp_slot *slot)
{
	return slot->columns == slot->table->key_count && ffp_recall_keeps(slot->table);
}

/* Whether a slot's row is remembered and need not be loaded. */
static bool recall(const ffp_rows *rows, ffp_slot *slot)
{
	if (rows->recall && is_kept(slot))
		slot->before = slot->after =
		    ffp_recall_find(rows->recall, slot->table, slot->key, slot->hash, &slot->memo);
	slot->loaded = slot->recalled = slot->after != NULL;
	return slot->loaded;
}

/* The slot of a key, which a new one is given as `loaded` or leaves pending. */
static ffp_slot *get(ffp_rows *rows, const ff_table *table, const ff_row *key, uint8_t columns, bool loaded)
{
	uint64_t hash = hash_key(table, key, columns, rows->seed);
	ffp_slot *slot = find(rows, table, key, columns, hash);
	if (slot)
		return slot;
	if (rows->slots_count == rows->room && !grow(rows))
		return NULL;
	slot = new_slot(rows->arena, table, key);
	if (!slot)
		return NULL;
	slot->columns = columns;
	slot->hash = hash;
	slot->loaded = loaded;
	put_in_bucket(rows, slot);
	rows->slots[rows->slots_count++] = slot;
	if (!loaded && !recall(rows, slot))
		rows->pending[rows->pending_count++] = slot;
	return slot;
}

ffp_slot *ffp_rows_get(ffp_rows *rows, ffp_table_id table, const ff_row *key)
{
	return get(rows, ffp_table(table), key, ffp_table(table)->key_count, false);
}

ffp_slot *ffp_rows_new(ffp_rows *rows, ffp_table_id table, const ff_row *key)
{
	return get(rows, ffp_table(table), key, ffp_table(table)->key_count, true);
}

ffp_slot *ffp_rows_trust(ffp_rows *rows, ffp_table_id table, const ff_row *key)
{
	size_t known = rows->slots_count;
	ffp_slot *slot = ffp_rows_new(rows, table, key);
	if (slot && rows->slots_count > known)
		slot->trusted = true;
	return slot;
}

ffp_slot *ffp_rows_group(ffp_rows *rows, ffp_table_id table, const ff_row *key, uint8_t columns, uint32_t limit)
{
	ffp_slot *group = get(rows, ffp_table(table), key, columns, true);
	if (!group || limit <= group->limit)
		return group;
	group->limit = limit;
	if (group->loaded && !group->whole) {
		group->loaded = false;
		rows->pending[rows->pending_count++] = group;
	}
	return group;
}

ffp_slot *ffp_rows_get_member(ffp_rows *rows, ffp_slot *group, const ff_row *key)
{
	ffp_slot *slot = get(rows, group->table, key, group->table->key_count, group->whole);
	if (slot)
		ffp_rows_join(group, slot);
	return slot;
}

void ffp_rows_join(ffp_slot *group, ffp_slot *slot)
{
	if (slot->is_member)
		return;
	slot->is_member = true;
	slot->next_member = group->members;
	group->members = slot;
}

void ffp_rows_let_go(ffp_slot *group)
{
	for (ffp_slot *slot = group->members; slot; slot = slot->next_member) {
		slot->is_member = false;
		slot->is_let_go = true;
		slot->group = group;
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

bool ffp_rows_doubt(ffp_rows *rows, ffp_slot *slot)
{
	if (!slot->trusted || slot->after)
		return false;
	slot->trusted = slot->loaded = false;
	rows->pending[rows->pending_count++] = slot;
	return true;
}

void ffp_rows_doubt_recalled(ffp_rows *rows)
{
	rows->recall = NULL;
	for (size_t i = 0; i < rows->slots_count; i++) {
		ffp_slot *slot = rows->slots[i];
		if (!slot->recalled)
			continue;
		slot->recalled = slot->loaded = false;
		slot->before = slot->after = slot->memo = NULL;
		rows->pending[rows->pending_count++] = slot;
	}
}

ff_row *ffp_rows_change(ffp_rows *rows, ffp_slot *slot)
{
	if (slot->changed && slot->after)
		return (ff_row *)(uintptr_t)slot->after; /* the batch's own copy */
	ff_row *copy = ff_arena_take(rows->arena, slot->table->row_size);
	if (!copy)
		return NULL;
	if (slot->after) {
		memcpy(copy, slot->after, slot->table->row_size);
	} else {
		memset(copy, 0, slot->table->row_size);
		memcpy(copy, slot->key, key_size(slot->table));
	}
	slot->after = copy;
	slot->changed = true;
	return copy;
}

void ffp_rows_delete(ffp_slot *slot)
{
	slot->after = NULL;
	slot->changed = true;
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

static void remember(const ffp_slot *slot, ffp_recall *recall)
{
	if (!slot->after)
		ffp_recall_forget(recall, slot->hash);
	else if (slot->changed || !slot->recalled)
		ffp_recall_keep(recall, slot->table, slot->after, slot->hash);
}

void ffp_rows_remember(const ffp_rows *rows, ffp_recall *recall)
{
	if (rows->table_deletes_count) { /* which rows went is not known here */
		ffp_recall_clear(recall);
		return;
	}
	/* Those first whose texts lie where others may get their place. */
	for (size_t i = 0; i < rows->slots_count; i++)
		if (rows->slots[i]->recalled)
			remember(rows->slots[i], recall);
	for (size_t i = 0; i < rows->slots_count; i++)
		if (!rows->slots[i]->recalled && rows->slots[i]->loaded && is_kept(rows->slots[i]))
			remember(rows->slots[i], recall);
}

void ffp_rows_revert(ffp_rows *rows)
{
	for (size_t i = 0; i < rows->slots_count; i++) {
		ffp_slot *slot = rows->slots[i];
		slot->after = slot->before;
		slot->changed = false;
		if (slot->is_let_go)
			ffp_rows_join(slot->group, slot);
		slot->is_let_go = false;
	}
	rows->table_deletes_count = 0;
	rows->reverts++;
}

bool ffp_rows_are_pending(const ffp_rows *rows)
{
	return rows->pending_count || rows->pending_scans;
}

/* ---- loading ------------------------------------------------------------------------------------------------ */

static ff_read read_of(const ffp_slot *slot)
{
	if (slot->columns == slot->table->key_count)
		return (ff_read){ .table = slot->table, .kind = FF_READ_GET, .low = slot->key };
	return (ff_read){ .table = slot->table,
		          .kind = FF_READ_RANGE,
		          .equal_count = slot->columns,
		          .limit = slot->limit,
		          .low = slot->key };
}

bool ffp_rows_reads(ffp_rows *rows, ff_read **reads, size_t *count)
{
	*count = rows->pending_count;
	for (const ffp_scan *scan = rows->pending_scans; scan; scan = scan->next)
		++*count;
	*reads = ffp_arena_room(rows->arena, *count, sizeof(**reads));
	if (!*reads || !ffp_slots_sort(rows->pending, rows->pending_count, rows->arena))
		return false;
	if (rows->pending_count == rows->slots_count) /* the writes need not be sorted again */
		memcpy(rows->slots, rows->pending, rows->slots_count * sizeof(*rows->slots));
	ff_read *read = *reads;
	for (size_t i = 0; i < rows->pending_count; i++)
		*read++ = read_of(rows->pending[i]);
	for (const ffp_scan *scan = rows->pending_scans; scan; scan = scan->next)
		*read++ = scan->read;
	return true;
}

bool ffp_rows_recalled(ffp_rows *rows, ff_read **reads, size_t *count)
{
	ffp_slot **recalled = ffp_arena_room(rows->arena, rows->slots_count, sizeof(*recalled));
	size_t n = 0;
	for (size_t i = 0; recalled && i < rows->slots_count; i++)
		if (rows->slots[i]->recalled)
			recalled[n++] = rows->slots[i];
	*count = n;
	*reads = ffp_arena_room(rows->arena, n, sizeof(**reads));
	if (!recalled || !*reads || !ffp_slots_sort(recalled, n, rows->arena))
		return false;
	for (size_t i = 0; i < n; i++) {
		(*reads)[i] = read_of(recalled[i]);
		(*reads)[i].row = (ff_row *)(uintptr_t)recalled[i]->before;
	}
	return true;
}

/* Takes in a row that a range brought; one that the batch knows already stays as the batch has it. */
static ffp_slot *take_row(ffp_rows *rows, const ff_table *table, ffp_slot *group, const ff_row *row)
{
	size_t known = rows->slots_count;
	ffp_slot *slot = get(rows, table, row, table->key_count, true);
	if (slot && rows->slots_count > known)
		slot->before = slot->after = row;
	if (slot && group)
		ffp_rows_join(group, slot);
	return slot;
}

static bool take_scan(ffp_rows *rows, ffp_scan *scan, const ff_read *read)
{
	scan->slots = ffp_arena_array(rows->arena, read->rows_count, sizeof(*scan->slots));
	scan->read = *read;
	for (size_t i = 0; scan->slots && i < read->rows_count; i++) {
		ffp_slot *slot = take_row(rows, read->table, NULL, read->rows[i]);
		if (!slot)
			return false;
		scan->slots[scan->slots_count++] = slot;
	}
	scan->loaded = true;
	return scan->slots != NULL;
}

bool ffp_rows_loaded(ffp_rows *rows, const ff_read *reads)
{
	for (size_t i = 0; i < rows->pending_count; i++) { /* before the ranges, which may bring the same rows */
		ffp_slot *slot = rows->pending[i];
		slot->before = slot->after = reads[i].row; /* of a group none */
		slot->loaded = true;
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
	ffp_slot **changed = ffp_arena_room(rows->arena, rows->slots_count, sizeof(*changed));
	size_t n = 0;
	for (size_t i = 0; changed && i < rows->slots_count; i++) {
		ffp_slot *slot = rows->slots[i];
		if (slot->changed && (slot->before || slot->after))
			changed[n++] = slot;
	}
	*count = n + rows->table_deletes_count;
	*writes = ffp_arena_room(rows->arena, *count, sizeof(**writes));
	if (!changed || !*writes || !ffp_slots_sort(changed, n, rows->arena))
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
