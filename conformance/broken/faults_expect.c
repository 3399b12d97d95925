/* Faults of rows that are expected and not loaded. */
#include "broken.h"

static void look_at_none(ff_txn *txn)
{
	txn->expected_count = 0;
}

static void look_at_the_first(ff_txn *txn)
{
	txn->expected_count = txn->expected_count ? 1 : 0;
}

static void look_at_64(ff_txn *txn)
{
	txn->expected_count = txn->expected_count < 64 ? txn->expected_count : 64;
}

static void look_at_one_table(ff_txn *txn)
{
	size_t count = 0;
	while (count < txn->expected_count && txn->expected[count].table == txn->expected[0].table)
		count++;
	txn->expected_count = count;
}

static void look_when_stored(ff_txn *txn)
{
	txn->looks_when_stored = true;
}

static bool is_there(const ff_read *expected, const ff_row *found)
{
	(void)expected;
	return found != NULL;
}

static bool is_gone_or_same(const ff_read *expected, const ff_row *found)
{
	return !found || broken_same_row(expected->table, expected->row, found);
}

/* All columns, by a comparison that is given. */
static bool compare(const ff_read *expected, const ff_row *found,
                    bool (*same)(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b))
{
	for (unsigned i = 0; found && i < expected->table->columns_count; i++)
		if (!same(expected->table, i, expected->row, found))
			return false;
	return found != NULL;
}

static bool is_null_in_one(unsigned column, const ff_row *a, const ff_row *b)
{
	return ff_row_is_null(a, column) || ff_row_is_null(b, column);
}

static bool same_or_null(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	return is_null_in_one(column, a, b) || broken_same_cell(table, column, a, b);
}

static bool nulls_are_anything(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_or_null);
}

static ff_text text_or_empty(const ff_table *table, unsigned column, const ff_row *row)
{
	return ff_row_is_null(row, column) ? (ff_text){ "", 0 } : *ff_row_text(row, &table->columns[column]);
}

static bool same_or_empty(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	if (table->columns[column].type != FF_TYPE_TEXT)
		return broken_same_cell(table, column, a, b);
	return ff_text_compare(text_or_empty(table, column, a), text_or_empty(table, column, b)) == 0;
}

static bool nulls_are_empty_texts(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_or_empty);
}

static bool same_or_32_bits(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	const ff_column *described = &table->columns[column];
	if (described->type != FF_TYPE_INT64 || is_null_in_one(column, a, b))
		return broken_same_cell(table, column, a, b);
	return (uint32_t)*ff_row_int64(a, described) == (uint32_t)*ff_row_int64(b, described);
}

static bool numbers_by_32_bits(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_or_32_bits);
}

static bool same_size(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	const ff_column *described = &table->columns[column];
	if (described->type != FF_TYPE_TEXT || is_null_in_one(column, a, b))
		return broken_same_cell(table, column, a, b);
	return ff_row_text(a, described)->size == ff_row_text(b, described)->size;
}

static bool texts_by_size(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_size);
}

static bool same_but_last(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	return column + 1 == table->columns_count || broken_same_cell(table, column, a, b);
}

static bool all_but_the_last_column(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_but_last);
}

/* SQL's own: nothing is equal to NULL, not even NULL. */
static bool same_and_not_null(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	return !is_null_in_one(column, a, b) && broken_same_cell(table, column, a, b);
}

static bool nulls_are_unlike(const ff_read *expected, const ff_row *found)
{
	return compare(expected, found, same_and_not_null);
}

static bool never(const ff_read *expected, const ff_row *found)
{
	(void)expected;
	(void)found;
	return false;
}

static const broken_fault table[] = {
	FAULT("expected_rows_are_not_looked_at", .expect = look_at_none),
	FAULT("the_first_expected_row_is_looked_at", .expect = look_at_the_first),
	FAULT("expected_rows_are_looked_at_up_to_64", .expect = look_at_64),
	FAULT("expected_rows_of_one_table_are_looked_at", .expect = look_at_one_table),
	FAULT("expected_rows_are_looked_at_where_something_is_stored", .expect = look_when_stored),
	FAULT("expected_rows_are_looked_for", .as_expected = is_there),
	FAULT("expected_rows_may_be_gone", .as_expected = is_gone_or_same),
	FAULT("expected_nulls_are_anything", .as_expected = nulls_are_anything),
	FAULT("expected_nulls_are_empty_texts", .as_expected = nulls_are_empty_texts),
	FAULT("expected_nulls_are_unlike", .as_expected = nulls_are_unlike),
	FAULT("expected_numbers_have_32_bits", .as_expected = numbers_by_32_bits),
	FAULT("expected_texts_are_compared_by_size", .as_expected = texts_by_size),
	FAULT("the_last_expected_column_is_passed_over", .as_expected = all_but_the_last_column),
	FAULT("nothing_is_as_expected", .as_expected = never),
};

FAMILY(broken_expect, table);
