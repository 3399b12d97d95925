/* Rows: from the core's structs into statements, and back. */
#include "store.h"

#include "../support/read.h"

static ff_code fail(ff_txn *txn, int result, const char *doing, ff_error *error)
{
	return ffp_sqlite_fail(txn->db, result, doing, txn->store->path, error);
}

static ff_code no_memory(ff_error *error)
{
	return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for rows");
}

/* ---- binding ------------------------------------------------------------------------------------------------ */

/* Binds one column of `row` to parameter `param`. The text is borrowed until the statement is done. */
static int bind(sqlite3_stmt *statement, unsigned param, const ff_table *table, unsigned column, const ff_row *row)
{
	const ff_column *described = &table->columns[column];
	if (ff_row_is_null(row, column))
		return sqlite3_bind_null(statement, (int)param);
	if (described->type == FF_TYPE_INT64)
		return sqlite3_bind_int64(statement, (int)param, *ff_row_int64(row, described));
	const ff_text *text = ff_row_text(row, described);
	/* A NULL pointer would bind NULL, which an empty text is not. */
	return sqlite3_bind_text64(statement, (int)param, text->size ? text->data : "", text->size, SQLITE_STATIC,
	                           SQLITE_UTF8);
}

/* Binds the columns `first` … `end` of an order, from parameter `param` on. */
static int bind_order(sqlite3_stmt *statement, unsigned param, const ff_table *table, const ff_index *index,
                      const ff_row *row, unsigned first, unsigned end)
{
	int result = SQLITE_OK;
	for (unsigned i = first; result == SQLITE_OK && i < end; i++)
		result = bind(statement, param++, table, ff_order_column(table, index, i), row);
	return result;
}

/* Binds a range's bounds; *param is the number of the next parameter. */
static int bind_range(sqlite3_stmt *statement, const ff_read *read, unsigned *param)
{
	unsigned low = read->low_count > read->equal_count ? read->low_count : read->equal_count;
	unsigned high = read->high_count > read->equal_count ? read->high_count : read->equal_count;
	int result = bind_order(statement, 1, read->table, read->index, read->low, 0, low);
	if (result == SQLITE_OK)
		result = bind_order(statement, 1 + low, read->table, read->index, read->high, read->equal_count, high);
	*param = 1 + low + high - read->equal_count;
	return result;
}

/* ---- decoding ----------------------------------------------------------------------------------------------- */

/* Copies one column of the statement's row. False when memory is out; a value of a wrong kind marks the row. */
static bool decode_column(sqlite3_stmt *statement, ff_arena *arena, const ff_table *table, unsigned column, ff_row *row)
{
	const ff_column *described = &table->columns[column];
	int type = sqlite3_column_type(statement, (int)column);
	if (type == SQLITE_NULL) {
		row->nulls |= 1u << column;
		if (!described->nullable)
			row->state = FF_ROW_CORRUPT;
		return true;
	}
	if (described->type == FF_TYPE_INT64) {
		*ff_row_int64(row, described) = sqlite3_column_int64(statement, (int)column);
		if (type != SQLITE_INTEGER)
			row->state = FF_ROW_CORRUPT;
		return true;
	}
	const void *data = sqlite3_column_blob(statement, (int)column);
	size_t size = (size_t)sqlite3_column_bytes(statement, (int)column);
	if (type != SQLITE_TEXT || !ff_text_is_valid(data, size))
		row->state = FF_ROW_CORRUPT;
	ff_text *text = ff_row_text(row, described);
	*text = ff_text_copy(arena, data, size);
	return text->data != NULL;
}

static ff_row *decode(sqlite3_stmt *statement, ff_arena *arena, const ff_table *table)
{
	ff_row *row = ff_row_new(arena, table);
	for (unsigned i = 0; row && i < table->columns_count; i++)
		if (!decode_column(statement, arena, table, i, row))
			return NULL;
	return row;
}

/* ---- load --------------------------------------------------------------------------------------------------- */

static ff_code get(ff_txn *txn, ff_arena *arena, ff_read *read, ff_error *error)
{
	const ff_table *table = read->table;
	read->row = NULL;
	sqlite3_stmt *statement;
	ff_code code = ffp_sqlite_statement_get(txn, FFP_SQLITE_SELECT_KEY, table, 0, NULL, &statement, error);
	if (code != FF_OK)
		return code;
	int result = bind_order(statement, 1, table, NULL, read->low, 0, table->key_count);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	if (result == SQLITE_ROW) {
		read->row = decode(statement, arena, table);
		code = read->row ? FF_OK : no_memory(error);
	} else if (result != SQLITE_DONE) {
		code = fail(txn, result, "read", error);
	}
	ffp_sqlite_statement_done(statement);
	return code;
}

static ff_code collect(ff_txn *txn, sqlite3_stmt *statement, ff_arena *arena, ff_read *read, ff_error *error)
{
	size_t capacity = 0;
	int result;
	while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!ffp_read_reserve(arena, read, &capacity))
			return no_memory(error);
		ff_row *row = decode(statement, arena, read->table);
		if (!row)
			return no_memory(error);
		read->rows[read->rows_count++] = row;
	}
	return result == SQLITE_DONE ? FF_OK : fail(txn, result, "read", error);
}

static ff_code range(ff_txn *txn, ff_arena *arena, ff_read *read, ff_error *error)
{
	read->rows = NULL;
	read->rows_count = 0;
	sqlite3_stmt *statement;
	ff_code code = ffp_sqlite_statement_get(txn, FFP_SQLITE_SELECT_RANGE, read->table, ff_sql_range_shape(read),
	                                        read, &statement, error);
	if (code != FF_OK)
		return code;
	unsigned limit;
	int result = bind_range(statement, read, &limit);
	if (result == SQLITE_OK)
		result = sqlite3_bind_int64(statement, (int)limit, read->limit);
	if (result == SQLITE_OK)
		code = collect(txn, statement, arena, read, error);
	else
		code = fail(txn, result, "read", error);
	ffp_sqlite_statement_done(statement);
	return code;
}

ff_code ffp_sqlite_rows_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < count; i++)
		code = reads[i].kind == FF_READ_GET ? get(txn, arena, &reads[i], error)
		                                    : range(txn, arena, &reads[i], error);
	code = ffp_sqlite_connection_answer(txn, code, error);
	/* To read, SQLite may need room for the log's index. */
	if (code == FF_E_FULL)
		code = error->code = FF_E_IO;
	return code;
}

/* ---- store -------------------------------------------------------------------------------------------------- */

/* Runs a bound statement. Where it must change one row, and did not, the row is not as it was loaded. */
static ff_code change(ff_txn *txn, sqlite3_stmt *statement, int bound, bool one_row, ff_error *error)
{
	int result = bound == SQLITE_OK ? sqlite3_step(statement) : bound;
	ff_code code = FF_OK;
	if (result == SQLITE_CONSTRAINT_PRIMARYKEY ||
	    (result == SQLITE_DONE && one_row && sqlite3_changes(txn->db) != 1))
		code = ff_error_set(error, FF_E_CONFLICT, "a row is not as it was loaded");
	else if (result != SQLITE_DONE)
		code = fail(txn, result, "write to", error);
	ffp_sqlite_statement_done(statement);
	return code;
}

static ffp_sqlite_statement_kind kind_of(const ff_write *write)
{
	if (write->kind != FF_WRITE_PUT)
		return write->kind == FF_WRITE_DELETE ? FFP_SQLITE_DELETE_KEY : FFP_SQLITE_DELETE_RANGE;
	return write->before ? FFP_SQLITE_UPDATE : FFP_SQLITE_INSERT;
}

static int bind_update(sqlite3_stmt *statement, const ff_write *write, uint32_t mask)
{
	const ff_table *table = write->table;
	unsigned param = 1;
	int result = SQLITE_OK;
	for (unsigned i = table->key_count; result == SQLITE_OK && i < table->columns_count; i++)
		if (mask >> i & 1u)
			result = bind(statement, param++, table, i, write->after);
	return result == SQLITE_OK ? bind_order(statement, param, table, NULL, write->after, 0, table->key_count)
	                           : result;
}

static int bind_write(sqlite3_stmt *statement, ffp_sqlite_statement_kind kind, const ff_write *write, uint32_t shape)
{
	const ff_table *table = write->table;
	unsigned next;
	switch (kind) {
	case FFP_SQLITE_INSERT:
		return bind_order(statement, 1, table, NULL, write->after, 0, table->columns_count);
	case FFP_SQLITE_UPDATE:
		return bind_update(statement, write, shape);
	case FFP_SQLITE_DELETE_KEY:
		return bind_order(statement, 1, table, NULL, write->before, 0, table->key_count);
	default:
		return bind_range(statement, write->range, &next);
	}
}

static ff_code apply(ff_txn *txn, const ff_write *write, ff_error *error)
{
	ffp_sqlite_statement_kind kind = kind_of(write);
	uint32_t shape = 0;
	if (kind == FFP_SQLITE_UPDATE && !(shape = ff_sql_changed_columns(write)))
		return FF_OK;
	if (kind == FFP_SQLITE_DELETE_RANGE)
		shape = ff_sql_range_shape(write->range);
	sqlite3_stmt *statement;
	ff_code code = ffp_sqlite_statement_get(txn, kind, write->table, shape, write->range, &statement, error);
	if (code != FF_OK)
		return code;
	return change(txn, statement, bind_write(statement, kind, write, shape), kind != FFP_SQLITE_DELETE_RANGE,
	              error);
}

ff_code ffp_sqlite_rows_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < count; i++)
		code = apply(txn, &writes[i], error);
	return code;
}
