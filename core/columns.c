/* What a column can hold, whoever wrote it: a store may have been edited by hand, and an export too. */
#include "move.h"
#include "text.h"

/* The columns that hold names, which calls must be able to give again (FF-LIM-1). */
static const struct {
	const char *column;
	const ffp_name_rule *rule;
} names[] = {
	{ "budget_id", &ffp_name_budget_id },
	{ "dimensions_key", &ffp_name_dimension },
	{ "dedup_key", &ffp_name_given_key },
	{ "execution_id", &ffp_name_execution_id },
	{ "quota_policy_id", &ffp_name_quota_policy_id },
	{ "scope_type", &ffp_name_scope_type },
	{ "scope_id", &ffp_name_scope_id },
	{ "last_breach_dim", &ffp_name_dimension },
};

static bool is_text_possible(const ff_column *column, ff_text text)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(names[i].column, column->name) == 0)
			return ffp_name_allows(names[i].rule, text);
	return true;
}

/* Every integer but a digest counts something, or says yes or no. */
static bool is_number_possible(const ff_column *column, int64_t number)
{
	if (strcmp(column->name, "limits_stored") == 0)
		return number == 0 || number == 1;
	return number >= 0 || strcmp(column->name, "payload_digest") == 0;
}

const ff_column *ffp_impossible_column(const ff_table *table, const ff_row *row)
{
	for (unsigned i = 0; i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		if (ff_row_is_null(row, i))
			continue;
		if (column->type == FF_TYPE_TEXT ? !is_text_possible(column, *ff_row_text(row, column))
		                                 : !is_number_possible(column, *ff_row_int64(row, column)))
			return column;
	}
	return NULL;
}

ff_code ffp_check_columns(const ff_table *table, const ff_row *row, ff_error *error)
{
	const ff_column *impossible = ffp_impossible_column(table, row);
	const ff_text *root = ff_row_text(row, &table->columns[table->root]);
	if (!impossible)
		return FF_OK;
	return ff_error_set(error, FF_E_CORRUPT, "a row of '%.*s' in table '%s' has a malformed '%s'", FFP_SHOWN(*root),
	                    table->name, impossible->name);
}
