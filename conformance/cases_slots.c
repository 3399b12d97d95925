/* Rows in and out by a backend's own slots: every kind of read and write, against a plain list of rows. */
#include <stdlib.h>

#include "slots.h"

/* ---- a list of rows, the model ------------------------------------------------------------------------------ */

enum { MODEL_MAX = 600 };

typedef struct model {
	ffp_odd_row rows[MODEL_MAX];
	size_t count;
} model;

/* Few values each, so that ties, equal bounds and empty ranges are common; in no order. Some are such as somebody on the
 * way may decode, fold or strip. */
static const char *const texts[] = {
	"",         "a",     "b",    "aa",  "ab",   "a\x7f", "A",  "é",  "\xef\xbf\xbf", "\xf0\x90\x80\x80",
	"a\x01b",   "'",     "\"",   "%",   "_",    "z",     "a ", " ",  "e\xcc\x81",    "%41",
	"%%",       "\\",    "\\\\", "\\n", "a  b", " a",    "\t", "\n", "a\r\nb",       "\xef\xbb\xbfz",
	"\xc2\xa0", "&amp;", "${a}"
};
static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, 2, 9, 10, INT64_MAX, (INT64_C(1) << 53) + 1 };

static ff_text random_text(ff_test *t)
{
	return ffp_text_of(texts[ff_test_random_below(t, COUNT(texts))]);
}

static int64_t random_number(ff_test *t)
{
	return numbers[ff_test_random_below(t, COUNT(numbers))];
}

static ffp_odd_row random_row(ff_test *t)
{
	ffp_odd_row row = { .a = random_text(t),
		            .b = random_number(t),
		            .c = random_text(t),
		            .n = random_number(t),
		            .t = random_text(t),
		            .v = random_number(t),
		            .w = random_text(t) };
	if (ff_test_random_below(t, 3) == 0)
		row.row.nulls |= 1u << FFP_ODD_N;
	if (ff_test_random_below(t, 3) == 0)
		row.row.nulls |= 1u << FFP_ODD_T;
	return row;
}

static int compare_values(const ff_column *column, const ff_row *a, const ff_row *b)
{
	if (column->type == FF_TYPE_INT64) {
		int64_t x = *ff_row_int64(a, column), y = *ff_row_int64(b, column);
		return x < y ? -1 : x > y;
	}
	ff_text x = *ff_row_text(a, column), y = *ff_row_text(b, column);
	size_t common = x.size < y.size ? x.size : y.size;
	int order = common ? memcmp(x.data, y.data, common) : 0;
	return order ? order : x.size < y.size ? -1 : x.size > y.size;
}

/* Compares columns first … end of the read's order. */
static int compare_part(const ff_read *read, const ff_row *a, const ff_row *b, unsigned first, unsigned end)
{
	int order = 0;
	for (unsigned i = first; order == 0 && i < end; i++) {
		unsigned column = ff_order_column(read->table, read->index, i);
		order = compare_values(&read->table->columns[column], a, b);
	}
	return order;
}

static bool is_in_range(const ff_read *read, const ff_row *row)
{
	for (unsigned i = 0; read->index && i < read->index->columns_count; i++) {
		if (ff_row_is_null(row, read->index->columns[i]))
			return false;
	}
	if (read->equal_count && compare_part(read, row, read->low, 0, read->equal_count) != 0)
		return false;
	if (read->low_count > read->equal_count) {
		int order = compare_part(read, row, read->low, read->equal_count, read->low_count);
		if (order < 0 || (order == 0 && (read->flags & FF_READ_LOW_EXCLUSIVE)))
			return false;
	}
	if (read->high_count > read->equal_count) {
		int order = compare_part(read, row, read->high, read->equal_count, read->high_count);
		if (order > 0 || (order == 0 && (read->flags & FF_READ_HIGH_EXCLUSIVE)))
			return false;
	}
	return true;
}

static int compare_rows(const void *a, const void *b, void *context)
{
	const ff_read *by = context;
	unsigned count = ff_order_count(by->table, by->index);
	int order = compare_part(by, *(ff_row *const *)a, *(ff_row *const *)b, 0, count);
	return by->flags & FF_READ_DESCENDING ? -order : order;
}

/* What a range must answer: rows of the model, in order. */
static size_t expect(const model *of, const ff_read *read, const ff_row **expected)
{
	size_t count = 0;
	for (size_t i = 0; i < of->count; i++) {
		if (is_in_range(read, &of->rows[i].row))
			expected[count++] = &of->rows[i].row;
	}
	qsort_r(expected, count, sizeof(*expected), compare_rows, (void *)(uintptr_t)read);
	return count < read->limit ? count : read->limit;
}

static void check_range(ff_test *t, const model *of, const ff_read *read)
{
	const ff_row *expected[MODEL_MAX];
	size_t count = expect(of, read, expected);
	bool same = count == read->rows_count;
	size_t i = 0;
	while (same && i < count && (same = ffp_rows_equal(read->table, expected[i], read->rows[i])))
		i++;
	if (FF_CHECK(t, same))
		return;
	ff_test_note(t, "index %s, equal %u, low %u, high %u, flags %u, limit %u: %zu rows for %zu, row %zu differs",
	             read->index ? read->index->name : "(key)", read->equal_count, read->low_count, read->high_count,
	             (unsigned)read->flags, (unsigned)read->limit, read->rows_count, count, i);
	ff_test_note(t, "low:  %s", ffp_show_row(t, read->table, read->low));
	ff_test_note(t, "high: %s", ffp_show_row(t, read->table, read->high));
	ff_test_note(t, "got:  %s", ffp_show_row(t, read->table, i < read->rows_count ? read->rows[i] : NULL));
	ff_test_note(t, "want: %s", ffp_show_row(t, read->table, i < count ? expected[i] : NULL));
	ff_test_end(t);
}

/* All rows by the key and by each index, and nothing else. */
static void check_all(ff_test *t, ffp_raw *raw, const model *of)
{
	for (unsigned i = 0; i <= ffp_odd_table()->indexes_count; i++) {
		ff_read all = ffp_slots_all(t, raw, ffp_odd_table(), i ? &ffp_odd_table()->indexes[i - 1] : NULL);
		check_range(t, of, &all);
	}
}

static ffp_odd_row *find(model *in, const ffp_odd_row *key)
{
	const ff_read by_key = { .table = ffp_odd_table() };
	for (size_t i = 0; i < in->count; i++) {
		if (compare_part(&by_key, &in->rows[i].row, &key->row, 0, FFP_ODD_KEY) == 0)
			return &in->rows[i];
	}
	return NULL;
}

/* `count` random rows, different by their keys, in the list and in the empty store. */
static model *fill(ff_test *t, ffp_raw *raw, size_t count)
{
	model *filled = ff_test_alloc(t, sizeof(*filled));
	while (filled->count < count) {
		ffp_odd_row row = random_row(t);
		if (!find(filled, &row))
			filled->rows[filled->count++] = row;
	}
	/* A store's writes come in the order of their keys. */
	const ff_read all = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	const ff_row *ordered[MODEL_MAX];
	ff_write writes[MODEL_MAX];
	expect(filled, &all, ordered);
	for (size_t i = 0; i < count; i++)
		writes[i] = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = ordered[i] };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, count));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	return filled;
}

/* ---- ranges ------------------------------------------------------------------------------------------------- */

static ff_read random_range(ff_test *t, const ff_index *index, ffp_odd_row *low, ffp_odd_row *high)
{
	ff_read read = { .table = ffp_odd_table(), .index = index, .kind = FF_READ_RANGE };
	unsigned count = ff_order_count(read.table, index);
	read.equal_count = (uint8_t)ff_test_random_below(t, ff_test_random_below(t, 2) ? 2 : count + 1);
	read.low_count = (uint8_t)ff_test_random_below(t, count + 1);
	read.high_count = (uint8_t)ff_test_random_below(t, count + 1);
	read.flags = (uint32_t)ff_test_random_below(t, 8);
	read.limit = ff_test_random_below(t, 3) ? UINT32_MAX : 1 + (uint32_t)ff_test_random_below(t, 5);
	*low = random_row(t);
	*high = random_row(t);
	low->row.nulls = high->row.nulls = 0;
	read.low = read.equal_count || read.low_count ? &low->row : NULL;
	read.high = read.high_count > read.equal_count ? &high->row : NULL;
	return read;
}

static void slots_ranges_equal_a_filter(ff_test *t)
{
	enum { ROUNDS = 50, READS = 12 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const model *rows = fill(t, raw, 300);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ffp_odd_row bounds[READS][2];
		ff_read reads[READS];
		for (unsigned j = 0; j < READS; j++) {
			uint64_t index = ff_test_random_below(t, table->indexes_count + 1u);
			reads[j] =
			    random_range(t, index ? &table->indexes[index - 1] : NULL, &bounds[j][0], &bounds[j][1]);
		}
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, i % 2 ? FF_TXN_READ : FF_TXN_WRITE);
		ffp_slots_load(t, txn, reads, READS);
		for (unsigned j = 0; j < READS; j++)
			check_range(t, rows, &reads[j]);
		ffp_slots_abort(t, txn);
	}
}

/* Every combination of counts and flags, with bounds taken from rows that are there: edges and ties. */
static void slots_ranges_of_every_shape(ff_test *t)
{
	enum { READS = 50 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const model *rows = fill(t, raw, 60);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	for (unsigned index = 0; index <= table->indexes_count; index++) {
		ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = 7 };
		read.index = index ? &table->indexes[index - 1] : NULL;
		unsigned counts = ff_order_count(table, read.index) + 1;
		unsigned shapes = counts * counts * counts * 8;
		for (unsigned shape = 0; shape < shapes;) {
			ffp_odd_row bounds[READS][2];
			ff_read reads[READS];
			unsigned count = 0;
			for (; count < READS && shape < shapes; count++, shape++) {
				read.equal_count = (uint8_t)(shape / 8 % counts);
				read.low_count = (uint8_t)(shape / 8 / counts % counts);
				read.high_count = (uint8_t)(shape / 8 / counts / counts);
				read.flags = shape % 8;
				for (unsigned end = 0; end < 2; end++) {
					bounds[count][end] = rows->rows[ff_test_random_below(t, rows->count)];
					bounds[count][end].row.nulls = 0;
				}
				read.low = &bounds[count][0].row;
				read.high = &bounds[count][1].row;
				reads[count] = read;
			}
			ffp_slots_load(t, txn, reads, count);
			for (unsigned i = 0; i < count; i++)
				check_range(t, rows, &reads[i]);
		}
	}
}

static void slots_an_empty_store_answers_nothing(ff_test *t)
{
	const ff_table *table = ffp_odd_table();
	ffp_odd_row key = ffp_odd("a", 1, "c", 1);
	ff_row *not_null = &key.row;
	ff_read reads[] = {
		{ .table = table, .kind = FF_READ_GET, .low = &key.row, .row = not_null },
		{ .table = table, .kind = FF_READ_RANGE, .limit = 5, .rows_count = 9 },
		{ .table = table,
		  .kind = FF_READ_RANGE,
		  .index = &table->indexes[FFP_ODD_BY_N],
		  .flags = FF_READ_DESCENDING,
		  .limit = 5,
		  .rows_count = 9 },
		{ .table = table, .kind = FF_READ_RANGE, .low = &key.row, .equal_count = 3, .limit = 1 },
	};
	ffp_slots_read(t, ffp_odd_open(t), reads, COUNT(reads));
	FF_CHECK(t, reads[0].row == NULL);
	for (size_t i = 1; i < COUNT(reads); i++)
		FF_CHECK_EQ_INT(t, reads[i].rows_count, 0);
}

/* Each text as a key, in an index and as a value: it comes back byte by byte, and in its place. */
static void slots_texts_sort_by_bytes(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (size_t i = 0; i < COUNT(texts); i++) {
		ffp_odd_row row = ffp_odd(texts[i], 0, texts[i], 0);
		row.t = row.w = row.a;
		ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
		FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &row.row), &row.row);
	}
	ff_read all = ffp_slots_all(t, raw, ffp_odd_table(), NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(texts));
	for (size_t i = 1; i < all.rows_count; i++)
		FF_CHECK(t, ff_text_compare(ffp_odd_of(all.rows[i - 1])->a, ffp_odd_of(all.rows[i])->a) < 0);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* Walks an index page by page, each page from the row where the one before ended, and counts what it meets. */
static size_t walk(ff_test *t, ffp_raw *raw, const ff_index *index, uint32_t flags, uint32_t limit)
{
	const ff_table *table = ffp_odd_table();
	uint8_t count = (uint8_t)ff_order_count(table, index);
	bool down = flags & FF_READ_DESCENDING;
	ff_read page = { .table = table, .index = index, .kind = FF_READ_RANGE, .limit = limit };
	page.flags = flags | (down ? FF_READ_HIGH_EXCLUSIVE : FF_READ_LOW_EXCLUSIVE);
	size_t met = 0;
	for (unsigned pages = 0; pages < 100; pages++) {
		const ff_row *from = down ? page.high : page.low;
		ffp_slots_read(t, raw, &page, 1);
		for (size_t i = 0; i < page.rows_count; i++) {
			int order = from ? ff_row_compare(table, index, from, page.rows[i], count) : 0;
			FF_REQUIRE(t, !from || (down ? order > 0 : order < 0));
			from = page.rows[i];
		}
		met += page.rows_count;
		if (page.rows_count < limit)
			return met;
		if (down) {
			page.high = from;
			page.high_count = count;
		} else {
			page.low = from;
			page.low_count = count;
		}
	}
	return met;
}

/* Rows that are equal in the index's columns come by their keys, up and down, and no page loses one. */
static void slots_ties_come_by_key(ff_test *t)
{
	enum { ROWS = 41 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	for (int64_t i = 0; i < ROWS; i++) {
		ffp_odd_row row = ffp_odd(i % 2 ? "a" : "b", i * 7 % ROWS, "c", i % 3);
		ffp_slots_put(t, raw, table, &row.row);
	}
	for (unsigned i = 0; i <= table->indexes_count; i++) {
		const ff_index *index = i ? &table->indexes[i - 1] : NULL;
		FF_CHECK_EQ_INT(t, walk(t, raw, index, 0, 4), ROWS);
		FF_CHECK_EQ_INT(t, walk(t, raw, index, FF_READ_DESCENDING, 4), ROWS);
		FF_CHECK_EQ_INT(t, walk(t, raw, index, 0, 1), ROWS);
	}
}

/* More rows than a page of anybody's: each is had by its key, and the range has them all. */
static void slots_many_rows(ff_test *t)
{
	enum { ROWS = 2300 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_plain_table();
	ffp_plain_row *rows = ff_test_alloc(t, ROWS * sizeof(*rows));
	ff_write *writes = ff_test_alloc(t, ROWS * sizeof(*writes));
	ff_read *reads = ff_test_alloc(t, ROWS * sizeof(*reads));
	for (size_t i = 0; i < ROWS; i++) {
		rows[i] = (ffp_plain_row){ .id = (int64_t)i * 3 - ROWS, .name = ffp_text_of(texts[i % COUNT(texts)]) };
		writes[i] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &rows[i].row };
		reads[i] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows[i].row };
	}
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, reads, ROWS);
	for (size_t i = 0; i < ROWS; i++)
		FF_REQUIRE(t, reads[i].row == NULL);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, ROWS));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	ffp_slots_read(t, raw, reads, ROWS);
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == ROWS);
	for (size_t i = 0; i < ROWS; i++) {
		FF_REQUIRE(t, FFP_CHECK_ROW(t, table, reads[i].row, &rows[i].row));
		FF_REQUIRE(t, FFP_CHECK_ROW(t, table, all.rows[i], &rows[i].row));
	}
	all.flags = FF_READ_DESCENDING;
	ffp_slots_read(t, raw, &all, 1);
	FF_REQUIRE(t, all.rows_count == ROWS);
	FFP_CHECK_ROW(t, table, all.rows[0], &rows[ROWS - 1].row);
	FFP_CHECK_ROW(t, table, all.rows[ROWS - 1], &rows[0].row);
}

static void slots_tables_do_not_mix(ff_test *t)
{
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, 0, &raw));
	const ff_table *plain = &ffp_odd_catalog_2.tables[FFP_TABLE_PLAIN];
	const ff_table *late = &ffp_odd_catalog_2.tables[FFP_TABLE_LATE];
	ffp_plain_row in_plain = { .id = 1, .name = ffp_text_of("plain") };
	ffp_plain_row in_late = { .id = 1, .name = ffp_text_of("late") };
	const ff_write both[] = { { .table = plain, .kind = FF_WRITE_PUT, .after = &in_plain.row },
		                  { .table = late, .kind = FF_WRITE_PUT, .after = &in_late.row } };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, both, 2));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FF_CHECK(t, ffp_slots_get(t, raw, plain, &in_late.row) == NULL);
	FF_CHECK(t, ffp_slots_get(t, raw, late, &in_plain.row) == NULL);
	ffp_slots_delete(t, raw, plain, &in_plain.row);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, plain, NULL).rows_count, 0);
	FFP_CHECK_ROW(t, late, ffp_slots_get(t, raw, late, &in_late.row), &in_late.row);
}

/* ---- values ------------------------------------------------------------------------------------------------- */

/* Every way to have NULL, 0 or empty, or something else, in the columns that may be NULL and those that may not. */
static void slots_null_zero_and_empty_are_three(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	static const ff_text choices[] = { { "", 0 }, { NULL, 0 }, { "t", 1 }, { "0", 1 } };
	for (unsigned turn = 0; turn < 2; turn++) { /* made, then changed from one to another */
		for (unsigned i = 0; i < 64; i++) {
			unsigned kind = turn ? 63 - i : i;
			ffp_odd_row row = ffp_odd("a", (int64_t)i, kind % 2 ? "" : "c", kind / 2 % 2 ? 7 : 0);
			row.n = 0;
			row.row.nulls = (kind / 4 % 2 ? 1u << FFP_ODD_N : 0) | (kind / 8 % 2 ? 1u << FFP_ODD_T : 0);
			row.t = choices[kind / 16 % 4];
			row.w = choices[(kind / 16 + 1) % 4];
			if (turn)
				row.c = i % 2 ? ffp_text_of("") : ffp_text_of("c");
			ffp_slots_put(t, raw, table, &row.row);
			FF_REQUIRE(t, FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row));
		}
	}
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, 64);
	ffp_slots_check_indexes(t, raw, table);
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Around every power of two, above and below 0, in order, each once. */
static size_t every_size(int64_t numbers_of[64 * 6])
{
	size_t count = 0, different = 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned i = 0; i < 6; i++) {
			uint64_t bits = (UINT64_C(1) << bit) + i % 3 - 1;
			numbers_of[count++] = (int64_t)(i < 3 ? bits : ~bits);
		}
	}
	qsort(numbers_of, count, sizeof(*numbers_of), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		if (!i || numbers_of[i] != numbers_of[i - 1])
			numbers_of[different++] = numbers_of[i];
	}
	return different;
}

/* As a key, in indexes, as a value: made, and then changed from one to another. */
static void slots_numbers_of_every_size(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	int64_t sizes[64 * 6];
	size_t count = every_size(sizes);
	ffp_odd_row rows[COUNT(sizes)];
	ff_write writes[COUNT(sizes)];
	ff_read reads[COUNT(sizes)];
	for (unsigned turn = 0; turn < 2; turn++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		for (size_t i = 0; i < count; i++) {
			rows[i] = ffp_odd("a", sizes[i], "c", sizes[(i + turn) % count]);
			reads[i] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows[i].row };
		}
		ffp_slots_load(t, txn, reads, count);
		for (size_t i = 0; i < count; i++) {
			FF_REQUIRE(t, !reads[i].row == !turn);
			writes[i] = (ff_write){
				.table = table, .kind = FF_WRITE_PUT, .before = reads[i].row, .after = &rows[i].row
			};
		}
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, count));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		ffp_slots_read(t, raw, reads, count);
		for (size_t i = 0; i < count; i++)
			FF_REQUIRE(t, FFP_CHECK_ROW(t, table, reads[i].row, &rows[i].row));
		ff_read all = ffp_slots_all(t, raw, table, &table->indexes[FFP_ODD_BY_V]);
		FF_REQUIRE(t, all.rows_count == count);
		for (size_t i = 0; i < count; i++)
			FF_CHECK_EQ_INT(t, ffp_odd_of(all.rows[i])->v, sizes[i]);
		ffp_slots_check_indexes(t, raw, table);
	}
}

/* A text of `size` bytes in which no two places look alike from near. */
static ff_text text_of_size(ff_test *t, size_t size)
{
	char *bytes = ff_test_alloc(t, size + 1);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('!' + (i + i / 94) % 94);
	return (ff_text){ bytes, size };
}

static void slots_texts_of_every_size(ff_test *t)
{
	static const size_t sizes[] = { 0,   1,   2,   31,  32,   63,   64,   65,    127,   128,   129,
		                        255, 256, 257, 511, 1023, 4095, 4096, 16383, 16384, 65536, 100000 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row rows[COUNT(sizes)];
	for (size_t i = 0; i < COUNT(sizes); i++) {
		rows[i] = ffp_odd("a", (int64_t)i, "c", 0);
		rows[i].w = text_of_size(t, sizes[i]);
		ffp_slots_put(t, raw, table, &rows[i].row);
	}
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(sizes));
	for (size_t i = 0; i < COUNT(sizes); i++)
		FFP_CHECK_ROW(t, table, all.rows[i], &rows[i].row);
	/* And the largest grows small, the smallest large. */
	rows[0].w = text_of_size(t, 70000);
	rows[COUNT(sizes) - 1].w = ffp_text_of("w");
	ffp_slots_put(t, raw, table, &rows[0].row);
	ffp_slots_put(t, raw, table, &rows[COUNT(sizes) - 1].row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &rows[0].row), &rows[0].row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &rows[COUNT(sizes) - 1].row), &rows[COUNT(sizes) - 1].row);
}

static const ff_table *engine_table(ff_test *t, const char *name)
{
	for (size_t i = 0; i < ffp_raw_catalog.tables_count; i++) {
		if (!strcmp(ffp_raw_catalog.tables[i].name, name))
			return &ffp_raw_catalog.tables[i];
	}
	FF_REQUIRE(t, false);
	return NULL;
}

/* A row of an engine's table whose key texts have the sizes given, the last one ending in `last`. */
static ff_row *long_key(ff_test *t, const ff_table *table, const size_t *sizes, char last)
{
	ff_row *row = ff_test_alloc(t, table->row_size);
	for (unsigned i = 0; i < table->key_count; i++) {
		const ff_column *column = &table->columns[i];
		if (column->type != FF_TYPE_TEXT)
			continue;
		char *bytes = (char *)(uintptr_t)ffp_name_of_size(t, '~', sizes[i]);
		if (i + 1 == table->key_count)
			bytes[sizes[i] - 1] = last;
		*ff_row_text(row, column) = (ff_text){ bytes, sizes[i] };
	}
	return row;
}

/* The longest keys that FF-LIM-1 allows, which differ in their last byte only. */
static void slots_longest_keys(ff_test *t)
{
	static const struct {
		const char *table;
		size_t sizes[3];
	} keys[] = { { "ff_budget_usage_dedup", { 256, 128 } },
		     { "ff_budget_usage_by_exec", { 128, 128, 64 } },
		     { "ff_quota_admitted", { 128, 128 } },
		     { "ff_budget_policy", { 128 } } };
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_raw_catalog, 0, &raw));
	for (size_t i = 0; i < COUNT(keys); i++) {
		const ff_table *table = engine_table(t, keys[i].table);
		ff_row *low = long_key(t, table, keys[i].sizes, 'a'), *high = long_key(t, table, keys[i].sizes, 'b');
		ffp_slots_put(t, raw, table, high);
		ffp_slots_put(t, raw, table, low);
		ff_read all = ffp_slots_all(t, raw, table, NULL);
		FF_REQUIRE(t, all.rows_count == 2);
		FFP_CHECK_ROW(t, table, all.rows[0], low);
		FFP_CHECK_ROW(t, table, all.rows[1], high);
		ffp_slots_delete(t, raw, table, low);
		FF_CHECK(t, ffp_slots_get(t, raw, table, low) == NULL);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, high), high);
		ffp_slots_check_indexes(t, raw, table);
	}
}

/* ---- writes ------------------------------------------------------------------------------------------------- */

/* One write to a random row: of a new one, of random columns of an old one, or its end. */
static void random_write(ff_test *t, model *rows, ff_write *write, ffp_odd_row *after)
{
	ffp_odd_row fresh = random_row(t);
	if (rows->count && ff_test_random_below(t, 3)) { /* most of them meet a row that is there */
		const ffp_odd_row *key = &rows->rows[ff_test_random_below(t, rows->count)];
		fresh.a = key->a;
		fresh.b = key->b;
		fresh.c = key->c;
	}
	const ffp_odd_row *before = find(rows, &fresh);
	*after = fresh;
	*write = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &after->row };
	if (before && ff_test_random_below(t, 4) == 0) {
		write->kind = FF_WRITE_DELETE;
		write->after = NULL;
	} else if (before) {
		uint64_t changed = ff_test_random_below(t, 16);
		uint32_t nulls = (changed & 1 ? 1u << FFP_ODD_N : 0) | (changed & 2 ? 1u << FFP_ODD_T : 0);
		*after = *before;
		after->row.nulls = (before->row.nulls & ~nulls) | (fresh.row.nulls & nulls);
		after->n = changed & 1 ? fresh.n : before->n;
		after->t = changed & 2 ? fresh.t : before->t;
		after->v = changed & 4 ? fresh.v : before->v;
		after->w = changed & 8 ? fresh.w : before->w;
	}
}

static void apply(model *rows, const ff_write *write, const ffp_odd_row *after)
{
	ffp_odd_row *before = find(rows, after);
	if (write->kind == FF_WRITE_DELETE)
		*before = rows->rows[--rows->count];
	else if (before)
		*before = *after;
	else
		rows->rows[rows->count++] = *after;
}

static void slots_writes_equal_a_list(ff_test *t)
{
	enum { WRITES = 400 }; /* of which each may add a row to the first 120 */
	ffp_raw *raw = ffp_odd_open(t);
	model *rows = ff_test_alloc(t, sizeof(*rows));
	const model *first = fill(t, raw, 120);
	*rows = *first;
	for (unsigned i = 0; i < WRITES; i++) {
		ff_write write;
		ffp_odd_row after;
		random_write(t, rows, &write, &after);
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		write.before = ffp_slots_load_row(t, txn, write.table, &after.row);
		const ffp_odd_row *before = find(rows, &after);
		FF_REQUIRE(t, !before == !write.before);
		FF_REQUIRE(t, !before || FFP_CHECK_ROW(t, write.table, write.before, &before->row));
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		if (ff_test_random_below(t, 5) == 0) {
			ffp_slots_abort(t, txn);
		} else {
			FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
			apply(rows, &write, &after);
		}
		if (i % 50 == 49)
			check_all(t, raw, rows);
	}
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* What was committed is there when all handles were closed; what was aborted is not. */
static void slots_reopen_and_read_back(ff_test *t)
{
	static const uint32_t flags[] = { FF_STORE_READ_ONLY, FF_STORE_MUST_EXIST, 0 };
	ffp_raw *raw = ffp_odd_open(t);
	model *rows = fill(t, raw, 100);
	for (unsigned turn = 0; turn < COUNT(flags); turn++) {
		ffp_odd_row gone = rows->rows[turn], changed = rows->rows[turn + 50];
		changed.v ^= 1;
		ffp_slots_delete(t, raw, ffp_odd_table(), &gone.row);
		ffp_slots_put(t, raw, ffp_odd_table(), &changed.row);
		rows->rows[turn + 50] = changed;
		rows->rows[turn] = rows->rows[--rows->count];
		ffp_raw_close(t, raw);
		FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, flags[turn], &raw));
		check_all(t, raw, rows);
		ffp_raw_close(t, raw);
		raw = ffp_odd_open(t);
	}
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* Each column alone: it changes, and no other does. */
static void slots_each_column_changes_alone(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row row = ffp_odd("a", 1, "c", 5), neighbour = ffp_odd("a", 2, "c", 5);
	ffp_slots_put(t, raw, table, &row.row);
	ffp_slots_put(t, raw, table, &neighbour.row);
	for (unsigned turn = 0; turn < 3; turn++) { /* another value, NULL where that may be, and back */
		for (unsigned i = FFP_ODD_KEY; i < FFP_ODD_COLUMNS; i++) {
			const ff_column *column = &table->columns[i];
			row.row.nulls &= ~(1u << i);
			if (turn == 1 && column->nullable)
				row.row.nulls |= 1u << i;
			else if (column->type == FF_TYPE_INT64)
				*ff_row_int64(&row.row, column) = 10 * (turn + 1) + i;
			else
				*ff_row_text(&row.row, column) = ffp_text_of(texts[turn * 4 + i]);
			ffp_slots_put(t, raw, table, &row.row);
			FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
			FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &neighbour.row), &neighbour.row);
			ffp_slots_check_indexes(t, raw, table);
		}
	}
	/* And none at all. */
	ffp_slots_put(t, raw, table, &row.row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
}

/* How many rows an index has at one value of its first column. */
static size_t count_at(ff_test *t, ffp_raw *raw, unsigned index, const ffp_odd_row *at)
{
	ff_read read = { .table = ffp_odd_table(),
		         .index = &ffp_odd_table()->indexes[index],
		         .kind = FF_READ_RANGE,
		         .equal_count = 1,
		         .limit = 9,
		         .low = &at->row };
	ffp_slots_read(t, raw, &read, 1);
	return read.rows_count;
}

/* An entry goes where its row goes: to another value, to NULL and out, back in, and away with its row. */
static void slots_index_entries_follow_their_rows(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row at_5 = ffp_odd("a", 1, "c", 5), at_6 = at_5, gone = at_5;
	at_6.n = at_6.v = 6;
	gone.row.nulls = 1u << FFP_ODD_N;
	ffp_slots_put(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 1);
	ffp_slots_put(t, raw, table, &at_6.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_V, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 1);
	ffp_slots_put(t, raw, table, &gone.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_V, &at_5), 1);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_MANY, &at_5), 0);
	ffp_slots_put(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 1);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_MANY, &at_5), 1);
	ffp_slots_delete(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_A_T, &at_5), 0);
	/* The same key comes back, elsewhere. */
	ffp_slots_put(t, raw, table, &at_6.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 1);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &at_5.row), &at_6.row);
}

static void slots_a_deleted_key_can_come_back(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	for (int64_t i = 0; i < 4; i++) {
		ffp_odd_row row = ffp_odd("a", 1, "c", i);
		if (i % 2)
			row.row.nulls = 1u << FFP_ODD_T;
		FF_CHECK(t, ffp_slots_get(t, raw, table, &row.row) == NULL);
		ffp_slots_put(t, raw, table, &row.row);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
		ffp_slots_delete(t, raw, table, &row.row);
		ffp_slots_check_indexes(t, raw, table);
	}
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, 0);
}

static void slots_nothing_to_load_or_store(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, txn, NULL, 0);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, NULL, 0);
	FF_CHECK_CODE(t, ffp_slots_store(t, txn, NULL, 0), FF_OK);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_abort(t, txn);
	ff_read all = ffp_slots_all(t, raw, ffp_odd_table(), NULL);
	FF_REQUIRE(t, all.rows_count == 1);
	FFP_CHECK_ROW(t, ffp_odd_table(), all.rows[0], &row.row);
}

static void slots_delete_range_takes_its_range_only(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (unsigned i = 0; i < 30; i++) {
		model *rows = fill(t, raw, 50);
		ffp_odd_row bounds[2];
		ff_read range = random_range(t, NULL, &bounds[0], &bounds[1]);
		range.flags &= ~FF_READ_DESCENDING;
		range.limit = 1; /* is not looked at */
		if (i % 3 == 0 && range.low)
			bounds[0] = rows->rows[ff_test_random_below(t, rows->count)]; /* an edge that is there */
		bounds[0].row.nulls = 0;
		ff_read everything = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = 1 };
		ff_write write = { .table = ffp_odd_table(), .kind = FF_WRITE_DELETE_RANGE, .range = &range };
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		for (size_t j = 0; j < rows->count;) {
			if (is_in_range(&range, &rows->rows[j].row))
				rows->rows[j] = rows->rows[--rows->count];
			else
				j++;
		}
		check_all(t, raw, rows);
		write.range = &everything;
		txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		rows->count = 0;
		check_all(t, raw, rows);
	}
}

/* A new row, a changed one, one that goes, in two tables, and a range at the end: all in one store. */
static void slots_one_store_writes_all_kinds(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *odd = ffp_odd_table(), *plain = ffp_plain_table();
	ffp_odd_row changed = ffp_odd("b", 1, "c", 5), gone = ffp_odd("c", 1, "c", 5), fresh = ffp_odd("a", 1, "c", 5);
	ffp_slots_put(t, raw, odd, &changed.row);
	ffp_slots_put(t, raw, odd, &gone.row);
	for (int64_t i = 0; i < 6; i++) {
		ffp_plain_row row = { .id = i, .name = ffp_text_of("p") };
		ffp_slots_put(t, raw, plain, &row.row);
	}
	ffp_odd_row after = changed;
	after.v = 6;
	ffp_plain_row in_plain = { .id = 9, .name = ffp_text_of("p") }, low = { .id = 1 }, high = { .id = 4 };
	const ff_read range = { .table = plain,
		                .kind = FF_READ_RANGE,
		                .low_count = 1,
		                .high_count = 1,
		                .low = &low.row,
		                .high = &high.row,
		                .flags = FF_READ_LOW_EXCLUSIVE,
		                .limit = 1 };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	const ff_write writes[] = {
		{ .table = odd, .kind = FF_WRITE_PUT, .after = &fresh.row },
		{ .table = odd,
		  .kind = FF_WRITE_PUT,
		  .before = ffp_slots_load_row(t, txn, odd, &changed.row),
		  .after = &after.row },
		{ .table = odd, .kind = FF_WRITE_DELETE, .before = ffp_slots_load_row(t, txn, odd, &gone.row) },
		{ .table = plain, .kind = FF_WRITE_PUT, .after = &in_plain.row },
		{ .table = plain, .kind = FF_WRITE_DELETE_RANGE, .range = &range },
	};
	FF_REQUIRE(t, writes[1].before && writes[2].before);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, COUNT(writes)));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, odd, NULL).rows_count, 2);
	FFP_CHECK_ROW(t, odd, ffp_slots_get(t, raw, odd, &fresh.row), &fresh.row);
	FFP_CHECK_ROW(t, odd, ffp_slots_get(t, raw, odd, &changed.row), &after.row);
	static const int64_t left[] = { 0, 1, 5, 9 };
	ff_read all = ffp_slots_all(t, raw, plain, NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(left));
	for (size_t i = 0; i < COUNT(left); i++)
		FF_CHECK_EQ_INT(t, ((const ffp_plain_row *)all.rows[i])->id, left[i]);
	ffp_slots_check_indexes(t, raw, odd);
}

/* Stores what is not as the writes say: store or commit tells so, and nothing is changed. */
static void check_conflict(ff_test *t, ffp_raw *raw, const ff_write *writes, size_t count, const ffp_odd_row *there)
{
	const ff_table *table = ffp_odd_table();
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ff_code code = ffp_slots_store(t, txn, writes, count);
	if (code)
		ffp_slots_abort(t, txn);
	else
		code = ffp_slots_commit(t, txn);
	FF_CHECK_CODE(t, code, FF_E_CONFLICT);
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == 1);
	FFP_CHECK_ROW(t, table, all.rows[0], &there->row);
	ffp_slots_check_indexes(t, raw, table);
}

/* A row that was not looked for and is stored as new, although it is there. */
static void slots_insert_of_what_is_there_is_a_conflict(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row there = ffp_odd("b", 1, "c", 5), other = ffp_odd("a", 1, "c", 5), after = there;
	after.v = 6;
	ffp_slots_put(t, raw, table, &there.row);
	const ff_write writes[] = { { .table = table, .kind = FF_WRITE_PUT, .after = &other.row },
		                    { .table = table, .kind = FF_WRITE_PUT, .after = &after.row } };
	check_conflict(t, raw, writes, 2, &there);
	/* And what is absent indeed is put. */
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &writes[0], 1));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &other.row), &other.row);
}

/* A row that was loaded and is gone, among others that are as they were: alone, first and last. */
static void write_what_is_gone(ff_test *t, ff_write_kind kind)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	static const char *const gone_at[] = { "a", "d" };
	ffp_odd_row there = ffp_odd("b", 1, "c", 5), fresh = ffp_odd("c", 1, "c", 5), after[2];
	ffp_slots_put(t, raw, table, &there.row);
	for (unsigned i = 0; i < COUNT(gone_at); i++) {
		ffp_odd_row gone = ffp_odd(gone_at[i], 1, "c", 5);
		ffp_slots_put(t, raw, table, &gone.row);
		const ff_row *loaded[] = { ffp_slots_get(t, raw, table, &gone.row),
			                   ffp_slots_get(t, raw, table, &there.row) };
		FF_REQUIRE(t, loaded[0] && loaded[1]);
		ffp_slots_delete(t, raw, table, &gone.row);
		ff_write writes[3];
		for (unsigned j = 0; j < 2; j++) {
			after[j] = *ffp_odd_of(loaded[j]);
			after[j].v = after[j].n = 6;
			writes[j] = (ff_write){ .table = table, .kind = (uint8_t)kind, .before = loaded[j] };
			writes[j].after = kind == FF_WRITE_PUT ? &after[j].row : NULL;
		}
		check_conflict(t, raw, writes, 1, &there);
		writes[2] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row };
		if (i) {
			const ff_write last = writes[0];
			writes[0] = writes[1];
			writes[1] = writes[2];
			writes[2] = last;
		}
		check_conflict(t, raw, writes, 3, &there);
	}
}

static void slots_update_of_what_is_gone_is_a_conflict(ff_test *t)
{
	write_what_is_gone(t, FF_WRITE_PUT);
}

static void slots_delete_of_what_is_gone_is_a_conflict(ff_test *t)
{
	write_what_is_gone(t, FF_WRITE_DELETE);
}

/* ---- what load answers -------------------------------------------------------------------------------------- */

/* Reads of one load that name the same rows, in no order, each answered by itself. */
static void slots_many_reads_in_one_load(ff_test *t)
{
	enum { READS = 90 };
	ffp_raw *raw = ffp_odd_open(t);
	model *rows = fill(t, raw, 30);
	ffp_odd_row absent = ffp_odd("nobody", 1, "c", 1), low = rows->rows[3];
	low.row.nulls = 0;
	const ffp_odd_row *wanted[READS];
	ff_read reads[READS];
	for (unsigned i = 0; i < READS; i++) {
		wanted[i] = i % 7 == 0 ? NULL : &rows->rows[ff_test_random_below(t, rows->count)];
		reads[i] = (ff_read){ .table = ffp_odd_table(), .kind = FF_READ_GET };
		reads[i].low = wanted[i] ? &wanted[i]->row : &absent.row;
		if (i % 11 == 5)
			reads[i] = (ff_read){ .table = ffp_odd_table(),
				              .kind = FF_READ_RANGE,
				              .limit = 3,
				              .low = &low.row,
				              .low_count = 1 };
	}
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, reads, READS);
	for (unsigned i = 0; i < READS; i++) {
		if (reads[i].kind == FF_READ_RANGE)
			check_range(t, rows, &reads[i]);
		else if (wanted[i])
			FFP_CHECK_ROW(t, ffp_odd_table(), reads[i].row, &wanted[i]->row);
		else
			FF_CHECK(t, reads[i].row == NULL);
	}
}

/* What load was given may be gone when it has answered. */
static void slots_answers_hold_no_arguments(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row there = ffp_odd("key", 1, "c", 5);
	ffp_slots_put(t, raw, ffp_odd_table(), &there.row);
	char a[] = "key", c[] = "c";
	ffp_odd_row key = { .a = { a, 3 }, .b = 1, .c = { c, 1 } };
	ff_read reads[] = {
		{ .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &key.row },
		{ .table = ffp_odd_table(), .kind = FF_READ_RANGE, .low = &key.row, .equal_count = 3, .limit = 2 },
	};
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, txn, reads, 2);
	memset(a, '?', 3);
	memset(c, '?', 1);
	memset(&key, 0, sizeof(key));
	FFP_CHECK_ROW(t, ffp_odd_table(), reads[0].row, &there.row);
	FF_REQUIRE(t, reads[1].rows_count == 1);
	FFP_CHECK_ROW(t, ffp_odd_table(), reads[1].rows[0], &there.row);
}

/* The answers of every load stand unchanged until the transaction's end, whatever else is loaded and stored. */
static void slots_rows_hold_until_the_end(ff_test *t)
{
	enum { LOADS = 6 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const model *rows = fill(t, raw, 80);
	for (unsigned kind = FF_TXN_READ; kind <= FF_TXN_WRITE; kind++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, (ff_txn_kind)kind);
		ff_read loads[LOADS][3];
		for (unsigned i = 0; i < LOADS; i++) {
			loads[i][0] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows->rows[i].row };
			loads[i][1] = (ff_read){ .table = table, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
			loads[i][2] = (ff_read){
				.table = table, .index = &table->indexes[i % 4], .kind = FF_READ_RANGE, .limit = 5 + i
			};
			ffp_slots_load(t, txn, loads[i], 3);
		}
		ffp_odd_row after = rows->rows[0], fresh = ffp_odd("fresh", 1, "c", 1);
		after.v++;
		after.w = text_of_size(t, 3000);
		bool in_order = ff_row_compare(table, NULL, &after.row, &fresh.row, FFP_ODD_KEY) < 0;
		ff_write writes[2];
		writes[!in_order] =
		    (ff_write){ .table = table, .kind = FF_WRITE_PUT, .before = loads[0][0].row, .after = &after.row };
		writes[in_order] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row };
		if (kind == FF_TXN_WRITE)
			FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, 2));
		for (unsigned i = 0; i < LOADS; i++) {
			FFP_CHECK_ROW(t, table, loads[i][0].row, &rows->rows[i].row);
			check_range(t, rows, &loads[i][1]);
			check_range(t, rows, &loads[i][2]);
		}
		ffp_slots_abort(t, txn);
	}
}

static const ff_case table[] = {
	CASE(slots_ranges_equal_a_filter, "FF-LIM-2", 0),
	CASE(slots_ranges_of_every_shape, "FF-LIM-2", 0),
	CASE(slots_an_empty_store_answers_nothing, "FF-MT-2", 0),
	CASE(slots_texts_sort_by_bytes, "FF-LIM-2", 0),
	CASE(slots_ties_come_by_key, "FF-LIM-2 FF-GS-2", 0),
	CASE(slots_many_rows, "FF-RU-12", 0),
	CASE(slots_tables_do_not_mix, "FF-MT-2", 0),
	CASE(slots_null_zero_and_empty_are_three, "FF-MT-2", 0),
	CASE(slots_numbers_of_every_size, "FF-LIM-4", 0),
	CASE(slots_texts_of_every_size, "FF-LIM-1", 0),
	CASE(slots_longest_keys, "FF-LIM-1 FF-LIM-2", 0),
	CASE(slots_writes_equal_a_list, "FF-RU-12 FF-ERR-2", 0),
	CASE(slots_reopen_and_read_back, "FF-MT-2 FF-RU-12", FF_CASE_SECOND_HANDLE),
	CASE(slots_each_column_changes_alone, "FF-RU-12", 0),
	CASE(slots_index_entries_follow_their_rows, "FF-RB-4", 0),
	CASE(slots_a_deleted_key_can_come_back, "FF-RU-12", 0),
	CASE(slots_nothing_to_load_or_store, "FF-RU-12", 0),
	CASE(slots_delete_range_takes_its_range_only, "FF-MT-1", 0),
	CASE(slots_one_store_writes_all_kinds, "FF-RU-12", 0),
	CASE(slots_insert_of_what_is_there_is_a_conflict, "FF-RU-1", 0),
	CASE(slots_update_of_what_is_gone_is_a_conflict, "FF-RU-13", 0),
	CASE(slots_delete_of_what_is_gone_is_a_conflict, "FF-RU-13", 0),
	CASE(slots_many_reads_in_one_load, "FF-RU-14", 0),
	CASE(slots_answers_hold_no_arguments, "FF-RU-14", 0),
	CASE(slots_rows_hold_until_the_end, "FF-RU-14", 0),
};

FAMILY(ffp_cases_slots, table);
