/* Random rows, ranges of them, and a plain list of rows for a backend to be compared with. */
#include <stdlib.h>

#include "slots.h"

/* Few values each, so that ties, equal bounds and empty ranges are common. */
const char *const ffp_odd_texts[] = {
	"",         "a",     "b",    "aa",  "ab",   "a\x7f", "A",  "é",  "\xef\xbf\xbf", "\xf0\x90\x80\x80",
	"a\x01b",   "'",     "\"",   "%",   "_",    "z",     "a ", " ",  "e\xcc\x81",    "%41",
	"%%",       "\\",    "\\\\", "\\n", "a  b", " a",    "\t", "\n", "a\r\nb",       "\xef\xbb\xbfz",
	"\xc2\xa0", "&amp;", "${a}"
};
static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, 2, 9, 10, INT64_MAX, (INT64_C(1) << 53) + 1 };

static ff_text random_text(ff_test *test)
{
	return ffp_text_of(ffp_odd_texts[ff_test_random_below(test, COUNT(ffp_odd_texts))]);
}

static int64_t random_number(ff_test *test)
{
	return numbers[ff_test_random_below(test, COUNT(numbers))];
}

ffp_odd_row ffp_odd_random(ff_test *test)
{
	ffp_odd_row row = { .a = random_text(test),
		            .b = random_number(test),
		            .c = random_text(test),
		            .n = random_number(test),
		            .t = random_text(test),
		            .v = random_number(test),
		            .w = random_text(test) };
	if (ff_test_random_below(test, 3) == 0)
		row.row.nulls |= 1u << FFP_ODD_N;
	if (ff_test_random_below(test, 3) == 0)
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

bool ffp_odd_is_in_range(const ff_read *read, const ff_row *row)
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

/* What a range must answer: rows of the list, in order. */
static size_t expect(const ffp_odd_list *of, const ff_read *read, const ff_row **expected)
{
	size_t count = 0;
	for (size_t i = 0; i < of->count; i++) {
		if (ffp_odd_is_in_range(read, &of->rows[i].row))
			expected[count++] = &of->rows[i].row;
	}
	qsort_r(expected, count, sizeof(*expected), compare_rows, (void *)(uintptr_t)read);
	return count < read->limit ? count : read->limit;
}

void ffp_odd_list_check(ff_test *test, const ffp_odd_list *of, const ff_read *read)
{
	const ff_row *expected[FFP_ODD_LIST_MAX];
	size_t count = expect(of, read, expected);
	bool same = count == read->rows_count;
	size_t i = 0;
	while (same && i < count && (same = ffp_rows_equal(read->table, expected[i], read->rows[i])))
		i++;
	if (FF_CHECK(test, same))
		return;
	ff_test_note(test, "index %s, equal %u, low %u%s, high %u%s, %s, limit %u: %zu rows for %zu, row %zu differs",
	             read->index ? read->index->name : "(key)", read->equal_count, read->low_count,
	             read->flags & FF_READ_LOW_EXCLUSIVE ? " exclusive" : "", read->high_count,
	             read->flags & FF_READ_HIGH_EXCLUSIVE ? " exclusive" : "",
	             read->flags & FF_READ_DESCENDING ? "descending" : "ascending", (unsigned)read->limit,
	             read->rows_count, count, i);
	ff_test_note(test, "low:  %s", ffp_show_row(test, read->table, read->low));
	ff_test_note(test, "high: %s", ffp_show_row(test, read->table, read->high));
	ff_test_note(test, "got:  %s", ffp_show_row(test, read->table, i < read->rows_count ? read->rows[i] : NULL));
	ff_test_note(test, "want: %s", ffp_show_row(test, read->table, i < count ? expected[i] : NULL));
	ff_test_end(test);
}

void ffp_odd_list_check_all(ff_test *test, ffp_raw *raw, const ffp_odd_list *of)
{
	for (unsigned i = 0; i <= ffp_odd_table()->indexes_count; i++) {
		ff_read all = ffp_slots_all(test, raw, ffp_odd_table(), i ? &ffp_odd_table()->indexes[i - 1] : NULL);
		ffp_odd_list_check(test, of, &all);
	}
}

ffp_odd_row *ffp_odd_list_find(ffp_odd_list *in, const ffp_odd_row *key)
{
	const ff_read by_key = { .table = ffp_odd_table() };
	for (size_t i = 0; i < in->count; i++) {
		if (compare_part(&by_key, &in->rows[i].row, &key->row, 0, FFP_ODD_KEY) == 0)
			return &in->rows[i];
	}
	return NULL;
}

ffp_odd_list *ffp_odd_list_fill(ff_test *test, ffp_raw *raw, size_t count)
{
	ffp_odd_list *filled = ff_test_alloc(test, sizeof(*filled));
	while (filled->count < count) {
		ffp_odd_row row = ffp_odd_random(test);
		if (!ffp_odd_list_find(filled, &row))
			filled->rows[filled->count++] = row;
	}
	/* A store's writes come in the order of their keys. */
	const ff_read all = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	const ff_row *ordered[FFP_ODD_LIST_MAX];
	ff_write writes[FFP_ODD_LIST_MAX];
	expect(filled, &all, ordered);
	for (size_t i = 0; i < count; i++)
		writes[i] = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = ordered[i] };
	ffp_slots_txn *txn = ffp_slots_begin(test, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(test, ffp_slots_store(test, txn, writes, count));
	FF_REQUIRE_OK(test, ffp_slots_commit(test, txn));
	return filled;
}

ff_read ffp_odd_random_range(ff_test *test, const ff_index *index, ffp_odd_row *low, ffp_odd_row *high)
{
	ff_read read = { .table = ffp_odd_table(), .index = index, .kind = FF_READ_RANGE };
	unsigned count = ff_order_count(read.table, index);
	read.equal_count = (uint8_t)ff_test_random_below(test, ff_test_random_below(test, 2) ? 2 : count + 1);
	read.low_count = (uint8_t)ff_test_random_below(test, count + 1);
	read.high_count = (uint8_t)ff_test_random_below(test, count + 1);
	read.flags = (uint32_t)ff_test_random_below(test, 8);
	read.limit = ff_test_random_below(test, 3) ? UINT32_MAX : 1 + (uint32_t)ff_test_random_below(test, 5);
	*low = ffp_odd_random(test);
	*high = ffp_odd_random(test);
	low->row.nulls = high->row.nulls = 0;
	read.low = read.equal_count || read.low_count ? &low->row : NULL;
	read.high = read.high_count > read.equal_count ? &high->row : NULL;
	return read;
}
