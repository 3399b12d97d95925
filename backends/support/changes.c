#include "changes.h"

static bool differs(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	const ff_column *described = &table->columns[column];
	bool a_is_null = ff_row_is_null(a, column);
	bool b_is_null = ff_row_is_null(b, column);
	if (a_is_null || b_is_null)
		return a_is_null != b_is_null;
	if (described->type == FF_TYPE_INT64)
		return *ff_row_int64(a, described) != *ff_row_int64(b, described);
	return ff_text_compare(*ff_row_text(a, described), *ff_row_text(b, described)) != 0;
}

uint32_t ffp_changed_columns(const ff_write *write)
{
	const ff_table *table = write->table;
	uint32_t mask = 0;
	for (unsigned i = table->key_count; i < table->columns_count; i++)
		if (write->before->state == FF_ROW_CORRUPT || differs(table, i, write->before, write->after))
			mask |= 1u << i;
	return mask;
}
