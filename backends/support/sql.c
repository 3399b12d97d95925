/* Statements for SQL stores, from the descriptors of tables. Knows no store: what differs is in the dialect. */
#include <ff/sql.h>

#include <stdarg.h>
#include <stdio.h>

/* A statement under way: where it goes, and the number of the last parameter that it named. */
typedef struct statement {
	ff_sql_text *text;
	const ff_sql_dialect *dialect;
	unsigned params;
} statement;

static bool reserve(ff_sql_text *text, size_t size)
{
	if (text->failed || text->capacity - text->size > size)
		return !text->failed;
	size_t capacity = text->capacity ? text->capacity : 512;
	while (capacity - text->size <= size)
		capacity *= 2;
	const ff_allocator *allocator = text->allocator;
	char *data = allocator->resize(allocator->context, text->data, text->capacity, capacity);
	if (data) {
		text->data = data;
		text->capacity = capacity;
	}
	text->failed = !data;
	return data != NULL;
}

static void append_bytes(ff_sql_text *text, const char *bytes, size_t size)
{
	if (!reserve(text, size))
		return;
	memcpy(text->data + text->size, bytes, size);
	text->size += size;
	text->data[text->size] = '\0';
}

void ff_sql_clear(ff_sql_text *text)
{
	text->size = 0;
	text->failed = false;
}

void ff_sql_free(ff_sql_text *text)
{
	if (text->data)
		text->allocator->resize(text->allocator->context, text->data, text->capacity, 0);
	*text = (ff_sql_text){ .allocator = text->allocator };
}

void ff_sql_append(ff_sql_text *text, const char *words)
{
	append_bytes(text, words, strlen(words));
}

void ff_sql_append_name(ff_sql_text *text, const ff_sql_dialect *dialect, const char *name)
{
	append_bytes(text, &dialect->quote, 1);
	for (; *name; name++) {
		if (*name == dialect->quote)
			append_bytes(text, name, 1);
		append_bytes(text, name, 1);
	}
	append_bytes(text, &dialect->quote, 1);
}

static void param(statement *s)
{
	char number[16];
	int size = snprintf(number, sizeof(number), "%c%u", s->dialect->placeholder, ++s->params);
	append_bytes(s->text, number, (size_t)size);
}

/* Each @ among the words stands for a name, and each # for the next parameter. */
static void words(statement *s, const char *text, ...)
{
	va_list names;
	va_start(names, text);
	for (; *text; text += *text != '\0') {
		size_t size = strcspn(text, "@#");
		append_bytes(s->text, text, size);
		text += size;
		if (*text == '@')
			ff_sql_append_name(s->text, s->dialect, va_arg(names, const char *));
		else if (*text == '#')
			param(s);
	}
	va_end(names);
}

/* Whether a column is of the key or of an index. */
static bool is_ordered(const ff_table *table, unsigned column)
{
	for (unsigned i = 0; i < table->indexes_count; i++)
		if (memchr(table->indexes[i].columns, (int)column, table->indexes[i].columns_count))
			return true;
	return column < table->key_count;
}

static void type(statement *s, const ff_table *table, const ff_column *column)
{
	const ff_sql_dialect *dialect = s->dialect;
	const char *type = dialect->type_int64;
	if (column->type == FF_TYPE_TEXT) {
		bool ordered = dialect->type_text_key && is_ordered(table, (unsigned)(column - table->columns));
		type = ordered ? dialect->type_text_key : dialect->type_text;
	}
	words(s, " ");
	ff_sql_append(s->text, type);
}

/* Words that create something, and say so where it may be there. */
static void create(statement *s, const char *text)
{
	ff_sql_append(s->text, text);
	ff_sql_append(s->text, s->dialect->if_not_exists ? " IF NOT EXISTS " : " ");
}

/* "a", "b", "c": the columns first … end of an order. */
static void order_names(statement *s, const ff_table *table, const ff_index *index, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		words(s, i > first ? ", @" : "@", table->columns[ff_order_column(table, index, i)].name);
	}
}

/* The term that keeps rows with NULL out of an index; nothing where no column of it is nullable. */
static void not_null(statement *s, const ff_table *table, const ff_index *index, const char *before)
{
	for (unsigned i = 0; index && i < index->columns_count; i++) {
		const ff_column *column = &table->columns[index->columns[i]];
		if (!column->nullable)
			continue;
		words(s, before, column->name);
		before = " AND @ IS NOT NULL";
	}
}

void ff_sql_create_table(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	create(&s, "CREATE TABLE");
	words(&s, "@ (\n", table->name);
	for (unsigned i = 0; i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		words(&s, "\t@", column->name);
		type(&s, table, column);
		words(&s, column->nullable ? ",\n" : " NOT NULL,\n");
	}
	words(&s, "\tPRIMARY KEY (");
	order_names(&s, table, NULL, 0, table->key_count);
	words(&s, ")\n)");
	ff_sql_append(text, dialect->table_suffix ? dialect->table_suffix : "");
	if (dialect->partitions > 1)
		words(&s, " PARTITION BY HASH (@)", table->columns[table->root].name);
}

void ff_sql_create_index(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, const ff_index *index)
{
	statement s = { .text = text, .dialect = dialect };
	create(&s, "CREATE INDEX");
	words(&s, "@ ON @ (", index->name, table->name);
	order_names(&s, table, index, 0, ff_order_count(table, index));
	words(&s, ")");
	if (!dialect->full_indexes)
		not_null(&s, table, index, " WHERE @ IS NOT NULL");
}

void ff_sql_add_column(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, const ff_column *column)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "ALTER TABLE @ ", table->name);
	create(&s, "ADD COLUMN");
	words(&s, "@", column->name);
	type(&s, table, column);
	if (!column->nullable)
		words(&s, column->type == FF_TYPE_TEXT ? " NOT NULL DEFAULT ''" : " NOT NULL DEFAULT 0");
}

/* The parts of a new table, named after it. */
static void create_partitions(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	for (uint32_t i = 0; dialect->partitions > 1 && i < dialect->partitions; i++) {
		char part[128];
		char range[64];
		snprintf(part, sizeof(part), "%s_%u", table->name, (unsigned)i);
		snprintf(range, sizeof(range), " FOR VALUES WITH (MODULUS %u, REMAINDER %u);\n",
		         (unsigned)dialect->partitions, (unsigned)i);
		create(&s, "CREATE TABLE");
		words(&s, "@ PARTITION OF @", part, table->name);
		words(&s, range);
	}
}

static void migrate_table(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, uint32_t from)
{
	bool is_new = table->since > from;
	/* Where what is created may be there already, it may be that of a version between, whose making was cut off. */
	uint32_t has = is_new && dialect->if_not_exists ? table->since : from;
	if (is_new) {
		ff_sql_create_table(text, dialect, table);
		ff_sql_append(text, ";\n");
		create_partitions(text, dialect, table);
	}
	for (unsigned i = 0; i < table->columns_count; i++) {
		if ((is_new && !dialect->if_not_exists) || table->columns[i].since <= has)
			continue;
		ff_sql_add_column(text, dialect, table, &table->columns[i]);
		ff_sql_append(text, ";\n");
	}
	for (unsigned i = 0; i < table->indexes_count; i++) {
		if (!is_new && table->indexes[i].since <= from)
			continue;
		ff_sql_create_index(text, dialect, table, &table->indexes[i]);
		ff_sql_append(text, ";\n");
	}
}

void ff_sql_migrate(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_catalog *catalog, uint32_t from)
{
	for (uint32_t i = 0; i < catalog->tables_count; i++)
		migrate_table(text, dialect, &catalog->tables[i], from);
}

static void select_columns(statement *s, const ff_table *table)
{
	words(s, "SELECT ");
	order_names(s, table, NULL, 0, table->columns_count);
	words(s, " FROM @", table->name);
}

static void where_equal(statement *s, const ff_table *table, const ff_index *index, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		words(s, i ? " AND " : " WHERE ");
		order_names(s, table, index, i, i + 1);
		words(s, " = #");
	}
}

/* ("a" > ?1 OR ("a" = ?1 AND ("b" >= ?2))) */
static void split_bound(statement *s, const ff_read *read, const char *comparison, unsigned end)
{
	const char strictly[] = { ' ', comparison[0], ' ', '#', '\0' };
	for (unsigned i = read->equal_count; i + 1 < end; i++) {
		words(s, "(");
		order_names(s, read->table, read->index, i, i + 1);
		words(s, strictly);
		words(s, " OR (");
		order_names(s, read->table, read->index, i, i + 1);
		s->params--; /* the same one again */
		words(s, " = # AND ");
	}
	words(s, "(");
	order_names(s, read->table, read->index, end - 1, end);
	words(s, " ");
	words(s, comparison);
	words(s, " #)");
	for (unsigned i = read->equal_count; i + 1 < end; i++)
		words(s, "))");
}

/* ("a", "b") >= (?1, ?2), as a row value where it has more than one column. */
static void bound(statement *s, const ff_read *read, const char *comparison, unsigned end)
{
	bool tuple = end - read->equal_count > 1;
	if (tuple && s->dialect->split_bounds) {
		split_bound(s, read, comparison, end);
		return;
	}
	words(s, tuple ? "(" : "");
	order_names(s, read->table, read->index, read->equal_count, end);
	words(s, tuple ? ") " : " ");
	words(s, comparison);
	words(s, tuple ? " (" : " ");
	for (unsigned i = read->equal_count; i < end; i++)
		words(s, i > read->equal_count ? ", #" : "#");
	words(s, tuple ? ")" : "");
}

static void where_range(statement *s, const ff_read *read)
{
	where_equal(s, read->table, read->index, read->equal_count);
	bool begun = read->equal_count > 0;
	if (read->low_count > read->equal_count) {
		words(s, begun ? " AND " : " WHERE ");
		bound(s, read, read->flags & FF_READ_LOW_EXCLUSIVE ? ">" : ">=", read->low_count);
		begun = true;
	}
	if (read->high_count > read->equal_count) {
		words(s, begun ? " AND " : " WHERE ");
		bound(s, read, read->flags & FF_READ_HIGH_EXCLUSIVE ? "<" : "<=", read->high_count);
		begun = true;
	}
	not_null(s, read->table, read->index, begun ? " AND @ IS NOT NULL" : " WHERE @ IS NOT NULL");
}

void ff_sql_select_key(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	select_columns(&s, table);
	where_equal(&s, table, NULL, table->key_count);
}

void ff_sql_select_range(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_read *read)
{
	statement s = { .text = text, .dialect = dialect };
	select_columns(&s, read->table);
	if (read->index && dialect->index_hint) {
		ff_sql_append(text, dialect->index_hint);
		words(&s, "@", read->index->name);
	}
	where_range(&s, read);
	words(&s, " ORDER BY ");
	unsigned count = ff_order_count(read->table, read->index);
	for (unsigned i = 0; i < count; i++) {
		words(&s, i ? ", " : "");
		order_names(&s, read->table, read->index, i, i + 1);
		words(&s, read->flags & FF_READ_DESCENDING ? " DESC" : "");
	}
	words(&s, " LIMIT #");
}

uint32_t ff_sql_range_shape(const ff_read *read)
{
	uint32_t index = read->index ? (uint32_t)(read->index - read->table->indexes) + 1 : 0;
	uint32_t low = read->low_count > read->equal_count ? read->low_count : 0;
	uint32_t high = read->high_count > read->equal_count ? read->high_count : 0;
	uint32_t flags = read->flags & (FF_READ_DESCENDING | FF_READ_LOW_EXCLUSIVE | FF_READ_HIGH_EXCLUSIVE);
	return index | (uint32_t)read->equal_count << 4 | low << 10 | high << 16 | flags << 22;
}

static void insert_into(statement *s, const ff_table *table)
{
	words(s, "INSERT INTO @ (", table->name);
	order_names(s, table, NULL, 0, table->columns_count);
	words(s, ")");
}

/* Sets columns to `value`, in which @ is the column's name. */
static void update_set(statement *s, const ff_table *table, uint32_t mask, const char *value)
{
	const char *join = " SET @ = ";
	words(s, "UPDATE @", table->name);
	for (unsigned i = 0; i < table->columns_count; i++) {
		if (!(mask >> i & 1u))
			continue;
		words(s, join, table->columns[i].name);
		words(s, value, table->columns[i].name);
		join = ", @ = ";
	}
}

void ff_sql_insert(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	insert_into(&s, table);
	for (unsigned i = 0; i < table->columns_count; i++)
		words(&s, i ? ", #" : " VALUES (#");
	words(&s, ")");
}

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

uint32_t ff_sql_changed_columns(const ff_write *write)
{
	const ff_table *table = write->table;
	uint32_t mask = 0;
	for (unsigned i = table->key_count; i < table->columns_count; i++)
		if (write->before->state == FF_ROW_CORRUPT || differs(table, i, write->before, write->after))
			mask |= 1u << i;
	return mask;
}

void ff_sql_update(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, uint32_t mask)
{
	statement s = { .text = text, .dialect = dialect };
	update_set(&s, table, mask, "#");
	where_equal(&s, table, NULL, table->key_count);
}

void ff_sql_delete_key(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "DELETE FROM @", table->name);
	where_equal(&s, table, NULL, table->key_count);
}

void ff_sql_delete_range(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_read *range)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "DELETE FROM @", range->table->name);
	where_range(&s, range);
}

/* ---- many rows at once -------------------------------------------------------------------------------------- */

/* unnest($1::"t"[]): the rows of a parameter, which may be named again. */
static void rows(statement *s, const ff_table *table, unsigned number)
{
	s->params = number - 1;
	words(s, "unnest(#::@[])", table->name);
}

/* "t"."a" = k."a" AND … */
static void where_key_is_in(statement *s, const ff_table *table, const char *before)
{
	for (unsigned i = 0; i < table->key_count; i++) {
		words(s, before);
		words(s, "@.@ = k.@", table->name, table->columns[i].name, table->columns[i].name);
		before = " AND ";
	}
}

void ff_sql_select_keys(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "SELECT k.ordinality");
	for (unsigned i = 0; i < table->columns_count; i++) {
		words(&s, ", @.@", table->name, table->columns[i].name);
	}
	words(&s, " FROM ");
	rows(&s, table, 1);
	words(&s, " WITH ORDINALITY AS k JOIN @", table->name);
	where_key_is_in(&s, table, " ON ");
}

void ff_sql_insert_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	insert_into(&s, table);
	for (unsigned i = 0; i < table->columns_count; i++) {
		words(&s, i ? ", k.@" : " SELECT k.@", table->columns[i].name);
	}
	words(&s, " FROM ");
	rows(&s, table, 1);
	words(&s, " AS k");
}

/* Each statement says how many rows it changed by a row a row, and fails unless they are as many as the parameter has. */
static void check_count(statement *s)
{
	s->params = 0;
	words(s, " RETURNING 1) SELECT 1 / (count(*) = cardinality(#))::int FROM w");
}

void ff_sql_update_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, uint32_t mask)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "WITH w AS (");
	update_set(&s, table, mask, "k.@");
	words(&s, " FROM ");
	rows(&s, table, 1);
	words(&s, " AS k");
	where_key_is_in(&s, table, " WHERE ");
	check_count(&s);
}

void ff_sql_delete_keys(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table)
{
	statement s = { .text = text, .dialect = dialect };
	words(&s, "WITH w AS (DELETE FROM @ USING ", table->name);
	rows(&s, table, 1);
	words(&s, " AS k");
	where_key_is_in(&s, table, " WHERE ");
	check_count(&s);
}

void ff_sql_expect_rows(ff_sql_text *text, const ff_sql_dialect *dialect, const ff_table *table, unsigned number)
{
	statement s = { .text = text, .dialect = dialect, .params = number - 1 };
	words(&s, "(SELECT count(*) = cardinality(#) FROM ");
	rows(&s, table, number);
	words(&s, " AS k JOIN @", table->name);
	where_key_is_in(&s, table, " ON ");
	for (unsigned i = table->key_count; i < table->columns_count; i++)
		words(&s, " AND @.@ IS NOT DISTINCT FROM k.@", table->name, table->columns[i].name,
		      table->columns[i].name);
	words(&s, ")");
}
