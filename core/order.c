/* Orders of rows, as the catalog describes them. Pure; used by the core and by backends. */
#include "order.h"

static bool index_names(const ff_index *index, unsigned column)
{
	for (unsigned i = 0; i < index->columns_count; i++)
		if (index->columns[i] == column)
			return true;
	return false;
}

unsigned ff_order_column(const ff_table *table, const ff_index *index, unsigned i)
{
	(void)table;
	if (!index)
		return i;
	if (i < index->columns_count)
		return index->columns[i];
	unsigned left = i - index->columns_count;
	unsigned column = 0;
	while (index_names(index, column) || left-- > 0)
		column++;
	return column;
}

unsigned ff_order_count(const ff_table *table, const ff_index *index)
{
	unsigned count = table->key_count;
	for (unsigned i = 0; index && i < index->columns_count; i++)
		count += index->columns[i] >= table->key_count;
	return count;
}

/* Compares the columns first … end of an order. */
static int compare_columns(const ff_table *table, const ff_index *index, const ff_row *a, const ff_row *b,
                           unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		const ff_column *column = &table->columns[index ? ff_order_column(table, index, i) : i];
		int order;
		if (column->type == FF_TYPE_TEXT) {
			order = ff_text_compare(*ff_row_text(a, column), *ff_row_text(b, column));
		} else {
			int64_t x = *ff_row_int64(a, column);
			int64_t y = *ff_row_int64(b, column);
			order = (x > y) - (x < y);
		}
		if (order)
			return order;
	}
	return 0;
}

int ff_row_compare(const ff_table *table, const ff_index *index, const ff_row *a, const ff_row *b, unsigned count)
{
	return compare_columns(table, index, a, b, 0, count);
}

bool ffp_range_holds(const ff_read *read, const ff_row *row)
{
	const ff_table *table = read->table;
	const ff_index *index = read->index;
	unsigned equal = read->equal_count;
	for (unsigned i = 0; index && i < index->columns_count; i++)
		if (ff_row_is_null(row, index->columns[i]))
			return false;
	if (equal && compare_columns(table, index, row, read->low, 0, equal) != 0)
		return false;
	if (read->low_count > equal) {
		int order = compare_columns(table, index, row, read->low, equal, read->low_count);
		if (order < 0 || (order == 0 && read->flags & FF_READ_LOW_EXCLUSIVE))
			return false;
	}
	if (read->high_count > equal) {
		int order = compare_columns(table, index, row, read->high, equal, read->high_count);
		if (order > 0 || (order == 0 && read->flags & FF_READ_HIGH_EXCLUSIVE))
			return false;
	}
	return true;
}
