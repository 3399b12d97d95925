/* Faults of reads: bounds, orders and limits of ranges, and rows that are found or missed. */
#include "broken.h"

/* ---- bounds ------------------------------------------------------------------------------------------------- */

static bool has_low(const ff_read *read)
{
	return read->kind == FF_READ_RANGE && read->low_count > read->equal_count;
}

static bool has_high(const ff_read *read)
{
	return read->kind == FF_READ_RANGE && read->high_count > read->equal_count;
}

static bool is_partial(const ff_read *read, unsigned count)
{
	return count < ff_order_count(read->table, read->index);
}

static void low_exclusive_is_inclusive(ff_txn *txn, ff_read *read)
{
	(void)txn;
	read->flags &= ~FF_READ_LOW_EXCLUSIVE;
}

static void high_exclusive_is_inclusive(ff_txn *txn, ff_read *read)
{
	(void)txn;
	read->flags &= ~FF_READ_HIGH_EXCLUSIVE;
}

static void low_inclusive_is_exclusive(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_low(read))
		read->flags |= FF_READ_LOW_EXCLUSIVE;
}

static void high_inclusive_is_exclusive(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_high(read))
		read->flags |= FF_READ_HIGH_EXCLUSIVE;
}

/* What begins with the bound is cut off, as where the bound is taken for a whole key. */
static void partial_high_cuts_its_prefix(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_high(read) && is_partial(read, read->high_count))
		read->flags |= FF_READ_HIGH_EXCLUSIVE;
}

static void partial_low_exclusive_keeps_its_prefix(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_low(read) && is_partial(read, read->low_count))
		read->flags &= ~FF_READ_LOW_EXCLUSIVE;
}

static void partial_high_exclusive_keeps_its_prefix(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_high(read) && is_partial(read, read->high_count))
		read->flags &= ~FF_READ_HIGH_EXCLUSIVE;
}

static void low_is_ignored(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_low(read))
		read->low_count = read->equal_count;
}

static void high_is_ignored(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_high(read))
		read->high_count = read->equal_count;
}

static void high_is_ignored_going_up(ff_txn *txn, ff_read *read)
{
	if (!(read->flags & FF_READ_DESCENDING))
		high_is_ignored(txn, read);
}

static void low_is_ignored_going_down(ff_txn *txn, ff_read *read)
{
	if (read->flags & FF_READ_DESCENDING)
		low_is_ignored(txn, read);
}

/* The scan begins at the prefix, and does not stop behind it. */
static void equal_is_a_low_bound(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->kind != FF_READ_RANGE || !read->equal_count)
		return;
	if (read->low_count <= read->equal_count) {
		read->low_count = read->equal_count;
		read->flags &= ~FF_READ_LOW_EXCLUSIVE;
	}
	read->high_count = 0;
	read->equal_count = 0;
}

static void equal_is_ignored(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->kind != FF_READ_RANGE || !read->equal_count)
		return;
	read->equal_count = read->low_count = read->high_count = 0;
}

/* Only the first of the equal columns is looked at. */
static void equal_is_of_one_column(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->kind != FF_READ_RANGE || read->equal_count < 2)
		return;
	read->equal_count = read->low_count = read->high_count = 1;
}

/* Only the first column of a bound is looked at. */
static void bounds_are_of_one_column(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_low(read))
		read->low_count = (uint8_t)(read->equal_count + 1);
	if (has_high(read))
		read->high_count = (uint8_t)(read->equal_count + 1);
}

static void high_is_read_from_low(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (has_high(read) && read->low)
		read->high = read->low;
}

/* A bound of 0 or of an empty text passes for none. */
static void zero_is_no_bound(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (!has_low(read))
		return;
	const ff_column *column = &read->table->columns[ff_order_column(read->table, read->index, read->equal_count)];
	if (column->type == FF_TYPE_TEXT ? !ff_row_text(read->low, column)->size : !*ff_row_int64(read->low, column))
		read->low_count = read->equal_count;
}

/* Each column of a bound is compared for itself: a >= x AND b >= y. */
static void bounds_are_no_tuples(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	size_t left = 0;
	for (size_t i = 0; has_low(read) && i < read->rows_count; i++) {
		bool above = true;
		for (unsigned c = read->equal_count; c < read->low_count; c++)
			above = above && broken_compare(read, read->rows[i], read->low, c, c + 1) >= 0;
		if (above)
			read->rows[left++] = read->rows[i];
	}
	if (has_low(read))
		read->rows_count = left;
}

static void low_loses_one(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (has_low(read) && !(read->flags & FF_READ_DESCENDING) && read->rows_count) {
		read->rows++;
		read->rows_count--;
	}
}

static void high_loses_one(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (has_high(read) && !(read->flags & FF_READ_DESCENDING) && read->rows_count && read->rows_count < read->limit)
		read->rows_count--;
}

/* One row before the range comes along, as a cursor brings it that steps back once too often. */
static void bring_one_more(ff_txn *txn, ff_arena *arena, ff_read *read, bool above)
{
	ff_read all;
	if (read->rows_count >= read->limit || !broken_load_all(txn, arena, read->table, read->index, &all))
		return;
	ff_row **rows = broken_take(arena, (read->rows_count + 1) * sizeof(*rows));
	const ff_row *edge = read->rows_count ? read->rows[above ? read->rows_count - 1 : 0] : NULL;
	unsigned count = ff_order_count(read->table, read->index);
	for (size_t i = 0; edge && i < all.rows_count; i++) {
		size_t at = above ? all.rows_count - 1 - i : i;
		if (broken_compare(read, all.rows[at], edge, 0, count))
			continue;
		if (at == (above ? all.rows_count - 1 : 0))
			return;
		memcpy(rows + !above, read->rows, read->rows_count * sizeof(*rows));
		rows[above ? read->rows_count : 0] = all.rows[above ? at + 1 : at - 1];
		read->rows = rows;
		read->rows_count++;
		return;
	}
}

static void low_brings_one_more(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	if (has_low(read) && !(read->flags & FF_READ_DESCENDING))
		bring_one_more(txn, arena, read, false);
}

static void high_brings_one_more(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	if (has_high(read) && !(read->flags & FF_READ_DESCENDING))
		bring_one_more(txn, arena, read, true);
}

static void empty_range_answers_one(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_read all;
	if (read->kind != FF_READ_RANGE || read->rows_count || !(has_low(read) && has_high(read)))
		return;
	if (broken_load_all(txn, arena, read->table, read->index, &all) && all.rows_count) {
		read->rows = all.rows;
		read->rows_count = 1;
	}
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void limit_is_one_more(ff_txn *txn, ff_read *read)
{
	(void)txn;
	read->limit += read->limit != UINT32_MAX;
}

static void limit_is_one_less(ff_txn *txn, ff_read *read)
{
	(void)txn;
	read->limit -= read->limit > 1;
}

static void limit_is_ignored_by_index(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->index)
		read->limit = UINT32_MAX;
}

static void pages_end_at_1000(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->limit > 1000)
		read->limit = 1000;
}

static void pages_end_at_5000(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->limit > 5000)
		read->limit = 5000;
}

static void limits_have_16_bits(ff_txn *txn, ff_read *read)
{
	(void)txn;
	if (read->limit > UINT16_MAX)
		read->limit = UINT16_MAX;
}

static void long_ranges_lose_one(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->rows_count >= 3000)
		read->rows_count--;
}

/* What was asked is not what it was. */
static void the_limit_becomes_the_count(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind == FF_READ_RANGE)
		read->limit = (uint32_t)read->rows_count;
}

/* ---- order -------------------------------------------------------------------------------------------------- */

static void descending_is_ignored(ff_txn *txn, ff_read *read)
{
	(void)txn;
	read->flags &= ~FF_READ_DESCENDING;
}

static void reverse(ff_read *read)
{
	for (size_t i = 0; i < read->rows_count / 2; i++) {
		ff_row *row = read->rows[i];
		read->rows[i] = read->rows[read->rows_count - 1 - i];
		read->rows[read->rows_count - 1 - i] = row;
	}
}

/* The limit is applied from the low end, and what it left is turned around. */
static void descending_limits_the_wrong_end(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->flags & FF_READ_DESCENDING)
		reverse(read);
}

static int by_key(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return ff_row_compare(read->table, NULL, a, b, read->table->key_count);
}

static void index_answers_in_key_order(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->index)
		broken_sort(read, by_key);
}

/* By the index's own columns, as read; rows that are equal in these come by their keys, turned around. */
static int by_index_ties_down(const ff_read *read, const ff_row *a, const ff_row *b)
{
	int order = broken_compare(read, a, b, 0, read->index->columns_count);
	return order ? (read->flags & FF_READ_DESCENDING ? -order : order)
	             : (read->flags & FF_READ_DESCENDING ? by_key(read, a, b) : -by_key(read, a, b));
}

static void ties_are_reversed(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->index)
		broken_sort(read, by_index_ties_down);
}

static void ties_go_up_when_going_down(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	if (read->flags & FF_READ_DESCENDING)
		ties_are_reversed(txn, arena, read);
}

static void neighbours_are_swapped(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->rows_count > 2 && broken_every(txn, 3)) {
		ff_row *row = read->rows[1];
		read->rows[1] = read->rows[2];
		read->rows[2] = row;
	}
}

/* Compares the order's columns by a wrong comparison of texts or numbers. */
typedef int compare_text(ff_text a, ff_text b);
typedef int compare_number(int64_t a, int64_t b);

static int compare_wrongly(const ff_read *read, const ff_row *a, const ff_row *b, compare_text *texts,
                           compare_number *numbers)
{
	int order = 0;
	unsigned count = ff_order_count(read->table, read->index);
	for (unsigned i = 0; !order && i < count; i++) {
		const ff_column *column = &read->table->columns[ff_order_column(read->table, read->index, i)];
		if (column->type == FF_TYPE_TEXT && texts)
			order = texts(*ff_row_text(a, column), *ff_row_text(b, column));
		else if (column->type == FF_TYPE_INT64 && numbers)
			order = numbers(*ff_row_int64(a, column), *ff_row_int64(b, column));
		else
			order = broken_compare(read, a, b, i, i + 1);
	}
	return read->flags & FF_READ_DESCENDING ? -order : order;
}

static int fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int ignore_case(ff_text a, ff_text b)
{
	int order = 0;
	for (size_t i = 0; !order && i < a.size && i < b.size; i++)
		order = fold(a.data[i]) - fold(b.data[i]);
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int signed_bytes(ff_text a, ff_text b)
{
	int order = 0;
	for (size_t i = 0; !order && i < a.size && i < b.size; i++)
		order = (signed char)a.data[i] - (signed char)b.data[i];
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int length_first(ff_text a, ff_text b)
{
	return a.size == b.size ? ff_text_compare(a, b) : a.size > b.size ? 1 : -1;
}

static int unsigned_numbers(int64_t a, int64_t b)
{
	return ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b);
}

static int numbers_by_32_bits(int64_t a, int64_t b)
{
	return ((int32_t)(uint32_t)a > (int32_t)(uint32_t)b) - ((int32_t)(uint32_t)a < (int32_t)(uint32_t)b);
}

static int by_folded_text(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return compare_wrongly(read, a, b, ignore_case, NULL);
}

static int by_signed_bytes(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return compare_wrongly(read, a, b, signed_bytes, NULL);
}

static int by_length(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return compare_wrongly(read, a, b, length_first, NULL);
}

static int by_unsigned_number(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return compare_wrongly(read, a, b, NULL, unsigned_numbers);
}

static int by_32_bits(const ff_read *read, const ff_row *a, const ff_row *b)
{
	return compare_wrongly(read, a, b, NULL, numbers_by_32_bits);
}

#define SORTED(name, order)                                           \
	static void name(ff_txn *txn, ff_arena *arena, ff_read *read) \
	{                                                             \
		(void)txn;                                            \
		(void)arena;                                          \
		if (read->kind == FF_READ_RANGE)                      \
			broken_sort(read, order);                     \
	}

SORTED(texts_sort_without_case, by_folded_text)
SORTED(texts_sort_by_signed_bytes, by_signed_bytes)
SORTED(texts_sort_by_length, by_length)
SORTED(numbers_sort_unsigned, by_unsigned_number)
SORTED(numbers_sort_by_32_bits, by_32_bits)

/* ---- rows that are missed, or come twice -------------------------------------------------------------------- */

static void first_row_is_missing(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->rows_count > 1 && broken_every(txn, 4)) {
		read->rows++;
		read->rows_count--;
	}
}

static void last_row_is_missing(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->rows_count > 1 && read->rows_count < read->limit)
		read->rows_count--;
}

static void middle_row_is_missing(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind == FF_READ_RANGE && read->rows_count > 20) {
		read->rows_count--;
		memmove(read->rows + 10, read->rows + 11, (read->rows_count - 10) * sizeof(*read->rows));
	}
}

static void a_row_comes_twice(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)txn;
	(void)arena;
	if (read->kind != FF_READ_RANGE || read->rows_count < 2 || read->rows_count >= read->limit)
		return;
	ff_row **rows = broken_take(arena, (read->rows_count + 1) * sizeof(*rows));
	memcpy(rows, read->rows, read->rows_count * sizeof(*rows));
	rows[read->rows_count] = rows[read->rows_count - 1];
	read->rows = rows;
	read->rows_count++;
}

/* Rows with NULL in a column of the index come first, where the range has no low end. */
static void null_is_indexed(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_read all;
	if (!read->index || read->equal_count || read->low_count || read->flags & FF_READ_DESCENDING ||
	    !broken_load_all(txn, arena, read->table, NULL, &all))
		return;
	ff_row **rows = broken_take(arena, (all.rows_count + read->rows_count) * sizeof(*rows));
	size_t count = 0;
	for (size_t i = 0; i < all.rows_count; i++) {
		if (ff_row_is_null(all.rows[i], read->index->columns[0]))
			rows[count++] = all.rows[i];
	}
	if (!count)
		return;
	memcpy(rows + count, read->rows, read->rows_count * sizeof(*rows));
	count += read->rows_count;
	read->rows = rows;
	read->rows_count = count < read->limit ? count : read->limit;
}

static void a_get_is_absent_at_times(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)arena;
	if (read->kind == FF_READ_GET && read->row && broken_every(txn, 1000))
		read->row = NULL;
}

/* The last column of a key of several is not compared. */
static void get_finds_by_a_prefix(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_read all;
	if (read->kind != FF_READ_GET || read->row || read->table->key_count < 2 ||
	    !broken_load_all(txn, arena, read->table, NULL, &all))
		return;
	for (size_t i = 0; !read->row && i < all.rows_count; i++) {
		if (!ff_row_compare(read->table, NULL, all.rows[i], read->low, read->table->key_count - 1u))
			read->row = all.rows[i];
	}
}

static void get_ignores_case(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_read all;
	if (read->kind != FF_READ_GET || read->row || !broken_load_all(txn, arena, read->table, NULL, &all))
		return;
	const ff_column *first = &read->table->columns[0];
	for (size_t i = 0; first->type == FF_TYPE_TEXT && !read->row && i < all.rows_count; i++) {
		if (!ignore_case(*ff_row_text(all.rows[i], first), *ff_row_text(read->low, first)))
			read->row = all.rows[i];
	}
}

/* A miss is answered by the next row, as a seek does that is not checked. */
static void get_finds_the_next(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_error error;
	ff_read next = { .table = read->table,
		         .kind = FF_READ_RANGE,
		         .low_count = read->table->key_count,
		         .low = read->low,
		         .limit = 1 };
	if (read->kind == FF_READ_GET && !read->row && broken_inner_load(txn, arena, &next, 1, &error) == FF_OK &&
	    next.rows_count)
		read->row = next.rows[0];
}

/* ---- several reads in a load -------------------------------------------------------------------------------- */

static ff_code only_64_reads_are_answered(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	for (size_t i = 64; i < count; i++) {
		reads[i].row = NULL;
		reads[i].rows_count = 0;
	}
	return broken_inner_load(txn, arena, reads, count < 64 ? count : 64, error);
}

static ff_code a_key_asked_twice_is_found_once(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count,
                                               ff_error *error)
{
	ff_code code = broken_inner_load(txn, arena, reads, count, error);
	for (size_t i = 1; !code && i < count; i++) {
		for (size_t j = 0; j < i && reads[i].kind == FF_READ_GET; j++) {
			if (reads[j].kind == FF_READ_GET && reads[j].table == reads[i].table &&
			    broken_same_key(reads[i].table, reads[i].low, reads[j].low))
				reads[i].row = NULL;
		}
	}
	return code;
}

static ff_code a_load_ends_at_what_is_absent(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count,
                                             ff_error *error)
{
	ff_code code = broken_inner_load(txn, arena, reads, count, error);
	bool ended = false;
	for (size_t i = 0; !code && i < count; i++) {
		if (ended) {
			reads[i].row = NULL;
			reads[i].rows_count = 0;
		}
		ended = ended || (reads[i].kind == FF_READ_GET && !reads[i].row);
	}
	return code;
}

/* Answers come in the order of keys, and are handed out in that of the questions. */
static ff_code answers_come_in_key_order(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = broken_inner_load(txn, arena, reads, count, error);
	for (size_t i = 1; !code && i < count; i++) {
		if (reads[i].kind == FF_READ_GET && reads[i - 1].kind == FF_READ_GET &&
		    reads[i].table == reads[i - 1].table &&
		    ff_row_compare(reads[i].table, NULL, reads[i].low, reads[i - 1].low, reads[i].table->key_count) <
		        0) {
			ff_row *row = reads[i].row;
			reads[i].row = reads[i - 1].row;
			reads[i - 1].row = row;
		}
	}
	return code;
}

static ff_code a_second_load_finds_nothing(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	if (!txn->loads)
		return broken_inner_load(txn, arena, reads, count, error);
	for (size_t i = 0; i < count; i++) {
		reads[i].row = NULL;
		reads[i].rows_count = 0;
	}
	return FF_OK;
}

static ff_code loading_nothing_fails(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	return count ? broken_inner_load(txn, arena, reads, count, error)
	             : ff_error_set(error, FF_E_IO, "there is nothing to load");
}

#define ASK(name_) FAULT(#name_, .ask = name_)
#define ANSWER(name_) FAULT(#name_, .answer = name_)
#define LOAD(name_) FAULT(#name_, .load = name_)

static const broken_fault table[] = {
	ASK(low_exclusive_is_inclusive),
	ASK(high_exclusive_is_inclusive),
	ASK(low_inclusive_is_exclusive),
	ASK(high_inclusive_is_exclusive),
	ASK(partial_high_cuts_its_prefix),
	ASK(partial_low_exclusive_keeps_its_prefix),
	ASK(partial_high_exclusive_keeps_its_prefix),
	ASK(low_is_ignored),
	ASK(high_is_ignored),
	ASK(high_is_ignored_going_up),
	ASK(low_is_ignored_going_down),
	ASK(equal_is_a_low_bound),
	ASK(equal_is_ignored),
	ASK(equal_is_of_one_column),
	ASK(bounds_are_of_one_column),
	ASK(high_is_read_from_low),
	ASK(zero_is_no_bound),
	ANSWER(bounds_are_no_tuples),
	ANSWER(low_loses_one),
	ANSWER(high_loses_one),
	ANSWER(low_brings_one_more),
	ANSWER(high_brings_one_more),
	ANSWER(empty_range_answers_one),
	ASK(limit_is_one_more),
	ASK(limit_is_one_less),
	ASK(limit_is_ignored_by_index),
	ASK(pages_end_at_1000),
	ASK(pages_end_at_5000),
	ASK(limits_have_16_bits),
	ANSWER(long_ranges_lose_one),
	ANSWER(the_limit_becomes_the_count),
	ASK(descending_is_ignored),
	FAULT("descending_limits_the_wrong_end", .ask = descending_is_ignored,
	      .answer = descending_limits_the_wrong_end),
	ANSWER(index_answers_in_key_order),
	ANSWER(ties_are_reversed),
	ANSWER(ties_go_up_when_going_down),
	ANSWER(neighbours_are_swapped),
	ANSWER(texts_sort_without_case),
	ANSWER(texts_sort_by_signed_bytes),
	ANSWER(texts_sort_by_length),
	ANSWER(numbers_sort_unsigned),
	ANSWER(numbers_sort_by_32_bits),
	ANSWER(first_row_is_missing),
	ANSWER(last_row_is_missing),
	ANSWER(middle_row_is_missing),
	ANSWER(a_row_comes_twice),
	ANSWER(null_is_indexed),
	ANSWER(a_get_is_absent_at_times),
	ANSWER(get_finds_by_a_prefix),
	ANSWER(get_ignores_case),
	ANSWER(get_finds_the_next),
	LOAD(only_64_reads_are_answered),
	LOAD(a_key_asked_twice_is_found_once),
	LOAD(a_load_ends_at_what_is_absent),
	LOAD(answers_come_in_key_order),
	LOAD(a_second_load_finds_nothing),
	LOAD(loading_nothing_fails),
};

FAMILY(broken_ranges, table);
