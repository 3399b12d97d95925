/* The schema: which version a database holds, and how it comes to the catalog's. */
#include "store.h"

static ff_code fail(ff_txn *connection, int result, const char *doing, ff_error *error)
{
	return ffp_sqlite_fail(connection->db, result, doing, connection->store->path, error);
}

/* Runs one statement and copies its first column's integer into *value; *found tells whether there was a row. */
static ff_code ask_int64(ff_txn *connection, const char *sql, bool *found, int64_t *value, ff_error *error)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	*found = result == SQLITE_ROW;
	*value = *found ? sqlite3_column_int64(statement, 0) : 0;
	ff_code code = FF_OK;
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		code = fail(connection, result, "read", error);
	sqlite3_finalize(statement);
	return code;
}

ff_code ffp_sqlite_schema_look(ff_txn *connection, uint32_t *version, ff_error *error)
{
	bool found;
	int64_t value;
	*version = 0;
	ff_code code =
	    ask_int64(connection, "SELECT 1 FROM pragma_encoding WHERE encoding = 'UTF-8'", &found, &value, error);
	if (code == FF_OK && !found)
		code = ff_error_set(error, FF_E_CORRUPT, "'%s' keeps texts in UTF-16, which sorts otherwise than UTF-8",
		                    connection->store->path);
	if (code != FF_OK)
		return code;
	code = ask_int64(connection, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'ff_schema'", &found,
	                 &value, error);
	if (code != FF_OK || !found)
		return code;
	/* Anything but one row with one integer is no version. */
	code = ask_int64(connection,
	                 "SELECT max(version) FROM ff_schema"
	                 " HAVING count(*) = 1 AND typeof(max(version)) = 'integer' AND max(version) > 0",
	                 &found, &value, error);
	if (code != FF_OK)
		return code;
	if (!found)
		return ff_error_set(error, FF_E_CORRUPT, "the table 'ff_schema' of '%s' holds no version",
		                    connection->store->path);
	*version = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
	return FF_OK;
}

/* Runs what was written to the connection's text. */
static ff_code run_sql(ff_txn *connection, ff_error *error)
{
	const ff_sql_text *sql = &connection->sql;
	if (sql->failed)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement");
	int result = sqlite3_exec(connection->db, sql->data, NULL, NULL, NULL);
	return result == SQLITE_OK ? FF_OK : fail(connection, result, "create the tables of", error);
}

static ff_code set_version(ff_txn *connection, uint32_t from, uint32_t version, ff_error *error)
{
	char number[16];
	ff_sql_text *sql = &connection->sql;
	sqlite3_snprintf((int)sizeof(number), number, "%u", version);
	ff_sql_append(sql, from ? "UPDATE ff_schema SET version = "
	                        : "CREATE TABLE ff_schema (\n\tversion INTEGER NOT NULL\n) STRICT;"
	                          "INSERT INTO ff_schema VALUES (");
	ff_sql_append(sql, number);
	ff_sql_append(sql, from ? "" : ")");
	return run_sql(connection, error);
}

static ff_code migrate_from(ff_txn *connection, uint32_t from, ff_error *error)
{
	const ff_catalog *catalog = connection->store->catalog;
	ff_sql_clear(&connection->sql);
	ff_sql_migrate(&connection->sql, &ffp_sqlite_dialect, catalog, from);
	return set_version(connection, from, catalog->version, error);
}

ff_code ffp_sqlite_schema_migrate(ff_txn *connection, ff_error *error)
{
	uint32_t version = 0;
	int result = sqlite3_exec(connection->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return fail(connection, result, "write to", error);
	/* Another process may have been here between the look and the lock. */
	ff_code code = ffp_sqlite_schema_look(connection, &version, error);
	if (code == FF_OK && version < connection->store->catalog->version)
		code = migrate_from(connection, version, error);
	if (code == FF_OK) {
		result = sqlite3_exec(connection->db, "COMMIT", NULL, NULL, NULL);
		if (result != SQLITE_OK)
			code = fail(connection, result, "write to", error);
	}
	if (!sqlite3_get_autocommit(connection->db))
		sqlite3_exec(connection->db, "ROLLBACK", NULL, NULL, NULL);
	return code;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

#define HAS_TABLE "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = %Q"
#define HAS_COLUMN "SELECT 1 FROM pragma_table_info(%Q) WHERE name = %Q"
#define HAS_INDEX "SELECT 1 FROM pragma_index_list(%Q) WHERE name = %Q"

/* Asks one of the questions above. */
static ff_code ask_has(ff_txn *connection, const char *question, const char *table, const char *name, bool *has,
                       ff_error *error)
{
	int64_t value;
	char *sql = sqlite3_mprintf(question, table, name);
	if (!sql)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement");
	ff_code code = ask_int64(connection, sql, has, &value, error);
	sqlite3_free(sql);
	return code;
}

static void tell_missing(const char *kind, const char *name, const char *table, ff_problem_fn *problem, void *context)
{
	char line[256];
	sqlite3_snprintf((int)sizeof(line), line, "%s '%s'%s%s%s is missing", kind, name, table ? " of table '" : "",
	                 table ? table : "", table ? "'" : "");
	problem(context, line);
}

static ff_code check_table(ff_txn *connection, const ff_table *table, ff_problem_fn *problem, void *context,
                           ff_error *error)
{
	bool has;
	ff_code code = ask_has(connection, HAS_TABLE, table->name, NULL, &has, error);
	if (code == FF_OK && !has) {
		tell_missing("table", table->name, NULL, problem, context);
		return FF_OK;
	}
	for (unsigned i = 0; code == FF_OK && i < table->columns_count; i++) {
		code = ask_has(connection, HAS_COLUMN, table->name, table->columns[i].name, &has, error);
		if (code == FF_OK && !has)
			tell_missing("column", table->columns[i].name, table->name, problem, context);
	}
	for (unsigned i = 0; code == FF_OK && i < table->indexes_count; i++) {
		code = ask_has(connection, HAS_INDEX, table->name, table->indexes[i].name, &has, error);
		if (code == FF_OK && !has)
			tell_missing("index", table->indexes[i].name, table->name, problem, context);
	}
	return code;
}

ff_code ffp_sqlite_schema_check(ff_txn *connection, ff_problem_fn *problem, void *context, ff_error *error)
{
	const ff_catalog *catalog = connection->store->catalog;
	ff_code code = FF_OK;
	for (uint32_t i = 0; code == FF_OK && i < catalog->tables_count; i++)
		code = check_table(connection, &catalog->tables[i], problem, context, error);
	return code;
}
