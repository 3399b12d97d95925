/*
 * Items in the order in which backends want reads and writes: by table, and then by key. Batches are large and keys
 * begin alike, so what decides is looked for once: the eight bytes behind what all keys of a table have in common make
 * a number, and numbers are sorted by their digits. Keys that are in order already, as those made in order of time are,
 * cost one look.
 */
#include <stdlib.h>

#include "rows.h"

typedef struct entry {
	uint64_t head;
	ffp_item *item;
} entry;

static int compare_items(const ffp_item *a, const ffp_item *b)
{
	uint8_t columns = a->columns < b->columns ? a->columns : b->columns;
	int order = ff_row_compare(a->table, NULL, a->key, b->key, columns);
	return order ? order : a->columns - b->columns;
}

static int compare_any(const ffp_item *a, const ffp_item *b)
{
	return a->table == b->table ? compare_items(a, b) : a->table->id - b->table->id;
}

static int compare_entries(const void *a, const void *b)
{
	return compare_items(((const entry *)a)->item, ((const entry *)b)->item);
}

/* ---- heads -------------------------------------------------------------------------------------------------- */

/* Every key begins with one. */
static ff_text first_text(const ffp_item *item)
{
	return *ff_row_text(item->key, &item->table->columns[0]);
}

/* How many bytes the first texts of all of them have in common. */
static size_t common_size(const entry *entries, size_t count)
{
	ff_text first = first_text(entries[0].item);
	size_t common = first.size;
	for (size_t i = 1; i < count && common; i++) {
		ff_text text = first_text(entries[i].item);
		if (text.size < common)
			common = text.size;
		size_t same = common && memcmp(first.data, text.data, common) == 0 ? common : 0;
		while (same < common && first.data[same] == text.data[same])
			same++;
		common = same;
	}
	return common;
}

/* Eight bytes of a text as a number, the first the highest; what is missing counts as 0, which no text holds. */
static uint64_t head_of(ff_text text, size_t from)
{
	uint64_t head = 0;
	size_t size = text.size - from < 8 ? text.size - from : 8;
	for (size_t i = 0; i < size; i++)
		head |= (uint64_t)(unsigned char)text.data[from + i] << (56 - 8 * i);
	return head;
}

static void set_heads(entry *entries, size_t count)
{
	size_t common = common_size(entries, count);
	for (size_t i = 0; i < count; i++)
		entries[i].head = head_of(first_text(entries[i].item), common);
}

/* ---- sorting ------------------------------------------------------------------------------------------------ */

static bool is_sorted(const entry *entries, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (entries[i - 1].head > entries[i].head ||
		    (entries[i - 1].head == entries[i].head && compare_entries(&entries[i - 1], &entries[i]) > 0))
			return false;
	return true;
}

static void sort_by_digit(const entry *from, entry *to, size_t count, unsigned shift)
{
	size_t starts[257] = { 0 };
	for (size_t i = 0; i < count; i++)
		starts[(from[i].head >> shift & 0xff) + 1]++;
	for (unsigned i = 1; i < 256; i++)
		starts[i] += starts[i - 1];
	for (size_t i = 0; i < count; i++)
		to[starts[from[i].head >> shift & 0xff]++] = from[i];
}

/* By the heads, the lowest digit first; digits that are the same in all are left out. */
static void sort_by_heads(entry *entries, entry *spare, size_t count)
{
	uint64_t differs = 0;
	for (size_t i = 1; i < count; i++)
		differs |= entries[i].head ^ entries[0].head;
	entry *from = entries;
	entry *to = spare;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		if (!(differs >> shift & 0xff))
			continue;
		sort_by_digit(from, to, count, shift);
		entry *sorted = to;
		to = from;
		from = sorted;
	}
	if (from != entries)
		memcpy(entries, from, count * sizeof(*entries));
}

/* Those of one table. */
static void sort_table(entry *entries, entry *spare, size_t count)
{
	const size_t few = 32; /* qsort takes no memory for so many */
	if (count < 2)
		return;
	set_heads(entries, count);
	if (is_sorted(entries, count))
		return;
	if (count <= few) {
		qsort(entries, count, sizeof(*entries), compare_entries);
		return;
	}
	sort_by_heads(entries, spare, count);
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && entries[end].head == entries[i].head;)
			end++;
		if (end - i > 1)
			qsort(entries + i, end - i, sizeof(*entries), compare_entries);
	}
}

/* Those of one call or two: each goes down to its place. */
#define FEW 8

static void sort_few(ffp_item **items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		ffp_item *item = items[i];
		size_t place = i;
		for (; place > 0 && compare_any(items[place - 1], item) > 0; place--)
			items[place] = items[place - 1];
		items[place] = item;
	}
}

bool ffp_items_sort(ffp_item **items, size_t count, ff_arena *arena)
{
	if (count <= FEW) {
		sort_few(items, count);
		return true;
	}
	size_t starts[FFP_TABLES_COUNT + 1] = { 0 };
	size_t places[FFP_TABLES_COUNT];
	entry *entries = ff_arena_take(arena, 2 * count * sizeof(*entries));
	if (!entries)
		return false;
	for (size_t i = 0; i < count; i++)
		starts[items[i]->table->id + 1]++;
	for (unsigned id = 0; id < FFP_TABLES_COUNT; id++)
		places[id] = starts[id + 1] += starts[id];
	for (size_t i = count; i-- > 0;)
		entries[--places[items[i]->table->id]].item = items[i];
	for (unsigned id = 0; id < FFP_TABLES_COUNT; id++)
		sort_table(entries + starts[id], entries + count, starts[id + 1] - starts[id]);
	for (size_t i = 0; i < count; i++)
		items[i] = entries[i].item;
	return true;
}
