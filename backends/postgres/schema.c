/* The schema: looked at when a store is opened, created and brought up to date by whoever comes first. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/version.h"

static ff_code run(ff_txn *txn, const char *sql, PGresult **answer, ff_error *error)
{
	PGresult *result = ffp_run(txn, sql);
	ExecStatusType status = PQresultStatus(result);
	ff_code code = FF_OK;
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		code = ffp_postgres_fail(txn, result, "open", error);
		if (strcmp(error->native_code, "25006") == 0)
			code = error->code = FF_E_UNAVAILABLE;
	}
	if (code == FF_OK && answer)
		*answer = result;
	else
		PQclear(result);
	return code;
}

/* Runs what was written to the transaction's text, and empties it. */
static ff_code run_text(ff_txn *txn, PGresult **answer, ff_error *error)
{
	ff_code code = txn->sql.failed ? ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement")
	                               : run(txn, txn->sql.data, answer, error);
	ff_sql_clear(&txn->sql);
	return code;
}

/* What the server is, and does. */
static ff_code look_at_server(ff_txn *txn, ff_error *error)
{
	ff_store *store = txn->store;
	PGresult *result;
	ff_code code =
	    run(txn,
	        "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('server_encoding'),"
	        " current_setting('server_version'), (SELECT bool_and(has_function_privilege(oid, 'EXECUTE'))"
	        " FROM pg_proc WHERE proname = 'pg_logical_emit_message')",
	        &result, error);
	if (code != FF_OK)
		return code;
	store->standby = PQgetvalue(result, 0, 0)[0] == 't';
	store->syncs = strcmp(PQgetvalue(result, 0, 1), "on") == 0;
	snprintf(store->version, sizeof(store->version), "PostgreSQL %.40s", PQgetvalue(result, 0, 3));
	if (strcmp(PQgetvalue(result, 0, 2), "UTF8") != 0)
		code = ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is encoded in %s, which has to be UTF8", store->name,
		                    PQgetvalue(result, 0, 2));
	else if (PQserverVersion(txn->pg) < 120000)
		code = ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is %s, older than 12", store->name, store->version);
	else if (!store->read_only && store->durability == FF_DURABILITY_FULL && PQgetvalue(result, 0, 4)[0] != 't')
		code = ff_error_set(error, FF_E_UNAVAILABLE,
		                    "who writes to '%s' may not EXECUTE pg_logical_emit_message", store->name);
	PQclear(result);
	return code;
}

/* Whether the schema and its table ff_schema are there. The catalogs are read like any table: what resolves names may
 * not have heard yet of what another session has just committed. */
static ff_code look_for_schema(ff_txn *txn, bool *has_schema, bool *has_table, ff_error *error)
{
	PGresult *result = NULL;
	char *literal = PQescapeLiteral(txn->pg, txn->store->schema, strlen(txn->store->schema));
	ff_sql_clear(&txn->sql);
	ff_sql_append(&txn->sql,
	              "SELECT count(*), count(relname) FROM pg_namespace n LEFT JOIN pg_class ON relnamespace"
	              " = n.oid AND relname = 'ff_schema' WHERE nspname = ");
	ff_sql_append(&txn->sql, literal ? literal : "");
	txn->sql.failed |= !literal;
	PQfreemem(literal);
	ff_code code = run_text(txn, &result, error);
	if (code != FF_OK)
		return code;
	*has_schema = PQgetvalue(result, 0, 0)[0] == '1';
	*has_table = PQgetvalue(result, 0, 1)[0] == '1';
	PQclear(result);
	return FF_OK;
}

/* The stored schema's version, 0 where there is none. */
static ff_code look(ff_txn *txn, uint32_t *version, bool *has_schema, ff_error *error)
{
	PGresult *result = NULL;
	bool has_table = false;
	*version = 0;
	ff_code code = look_for_schema(txn, has_schema, &has_table, error);
	if (code == FF_OK && has_table)
		code = run(txn, "SELECT version FROM ff_schema", &result, error);
	if (code != FF_OK || !has_table)
		return code;
	long long value = PQntuples(result) == 1 ? atoll(PQgetvalue(result, 0, 0)) : 0;
	if (value < 1)
		code = ff_error_set(error, FF_E_CORRUPT, "the table 'ff_schema' of '%s' holds no version",
		                    txn->store->name);
	*version = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
	PQclear(result);
	return code;
}

static void write_version(ff_txn *txn, uint32_t from)
{
	char number[64];
	snprintf(number, sizeof(number),
	         from ? "UPDATE ff_schema SET version = %u" : "INSERT INTO ff_schema VALUES (%u)",
	         (unsigned)txn->store->catalog->version);
	if (!from)
		ff_sql_append(&txn->sql, "CREATE TABLE ff_schema (version bigint NOT NULL);\n");
	ff_sql_append(&txn->sql, number);
}

static ff_code migrate_from(ff_txn *txn, uint32_t from, bool has_schema, ff_error *error)
{
	/* Who may not create schemas in this database may have been given one. */
	if (!has_schema) {
		ff_sql_append(&txn->sql, "CREATE SCHEMA ");
		ff_sql_append_name(&txn->sql, &ffp_postgres_dialect, txn->store->schema);
		ff_sql_append(&txn->sql, ";\n");
	}
	ff_sql_dialect dialect = ffp_postgres_dialect;
	dialect.partitions = (uint32_t)txn->store->partitions;
	ff_sql_migrate(&txn->sql, &dialect, txn->store->catalog, from);
	write_version(txn, from);
	return run_text(txn, NULL, error);
}

/* In one transaction, which waits for whoever came first, and for every batch that is under way. */
static ff_code migrate(ff_txn *txn, ff_error *error)
{
	char begin[128];
	uint32_t version;
	bool has_schema;
	snprintf(begin, sizeof(begin),
	         "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(%lld)",
	         (long long)(int64_t)txn->store->lock_base);
	ff_sql_clear(&txn->sql);
	ff_code code = run(txn, begin, NULL, error);
	if (code == FF_OK)
		code = look(txn, &version, &has_schema, error);
	if (code == FF_OK && version < txn->store->catalog->version)
		code = migrate_from(txn, version, has_schema, error);
	if (code == FF_OK)
		code = run(txn, "COMMIT", NULL, error);
	else
		PQclear(ffp_run(txn, "ROLLBACK"));
	return code;
}

ff_code ffp_schema_open(ff_txn *txn, bool must_exist, ff_error *error)
{
	const ff_store *store = txn->store;
	uint32_t version;
	bool has_schema;
	ff_code code = look_at_server(txn, error);
	if (code == FF_OK)
		code = look(txn, &version, &has_schema, error);
	if (code != FF_OK)
		return code;
	if (version == 0 && must_exist)
		return ff_error_set(error, FF_E_NOT_FOUND, "the schema '%s' of '%s' holds no store", store->schema,
		                    store->name);
	if (store->standby && !store->read_only)
		return ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is a read-only standby", store->name);
	if (version < store->catalog->version && !store->read_only) {
		code = migrate(txn, error);
		if (code == FF_OK)
			code = look(txn, &version, &has_schema, error);
	}
	return code == FF_OK ? ffp_version_check(store->catalog, version, store->read_only, store->name, error) : code;
}

/* ---- the types of rows --------------------------------------------------------------------------------------- */

static const ff_table *table_of(const ff_catalog *catalog, const char *name)
{
	for (uint32_t i = 0; i < catalog->tables_count; i++)
		if (strcmp(catalog->tables[i].name, name) == 0)
			return &catalog->tables[i];
	return NULL;
}

static unsigned column_of(const ff_table *table, const char *name)
{
	for (unsigned i = 0; i < table->columns_count; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return i;
	return FF_COLUMNS_MAX;
}

static Oid oid_at(const PGresult *result, int row, int field)
{
	return (Oid)strtoul(PQgetvalue(result, row, field), NULL, 10);
}

/* Each row of the result is a column, behind those in front of it. False: memory is out. */
static bool read_types(ff_txn *txn, const PGresult *result)
{
	const ff_catalog *catalog = txn->store->catalog;
	txn->types.count = txn->attributes.count = 0;
	ffp_row_type *types = ffp_list_add(txn, &txn->types, catalog->tables_count, sizeof(*types));
	if (!types)
		return false;
	memset(types, 0, catalog->tables_count * sizeof(*types));
	for (int i = 0; i < PQntuples(result); i++) {
		const ff_table *table = table_of(catalog, PQgetvalue(result, i, 0));
		if (!table)
			continue;
		ffp_row_type *type = &types[table->id];
		if (type->count++ == 0)
			*type = (ffp_row_type){ oid_at(result, i, 1), txn->attributes.count, 1 };
		ffp_attribute *attribute = ffp_list_add(txn, &txn->attributes, 1, sizeof(*attribute));
		if (!attribute)
			return false;
		*attribute = (ffp_attribute){ oid_at(result, i, 3), column_of(table, PQgetvalue(result, i, 2)) };
	}
	return true;
}

ff_code ffp_schema_types(ff_txn *txn, ff_error *error)
{
	PGresult *result = NULL;
	ff_code code =
	    run(txn,
	        "SELECT relname, reltype, attname, atttypid FROM pg_namespace n JOIN pg_class c ON relnamespace"
	        " = n.oid JOIN pg_attribute ON attrelid = c.oid WHERE nspname = current_schema() AND attnum"
	        " > 0 AND NOT attisdropped AND relkind IN ('r', 'p') ORDER BY c.oid, attnum",
	        &result, error);
	if (code == FF_OK && !read_types(txn, result))
		code = ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a connection");
	PQclear(result);
	return code;
}
