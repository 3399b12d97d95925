/* The schema: looked at when a store is opened, created and brought up to date by whoever comes first. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/version.h"

static ff_code run(ff_txn *txn, const char *sql, PGresult **answer, ff_error *error)
{
	return ffp_postgres_run(txn, sql, "open", answer, error);
}

/* In no session but the one that was set up. */
static ff_code ask(ff_txn *txn, const char *sql, PGresult **answer, ff_error *error)
{
	ff_sql_clear(&txn->sql);
	ff_sql_append(&txn->sql, "SELECT");
	ffp_postgres_write_session(txn, &txn->sql);
	ff_sql_append(&txn->sql, "; ");
	ff_sql_append(&txn->sql, sql);
	return ffp_postgres_run_text(txn, "open", answer, error);
}

/* What the server is, and does. */
static ff_code look_at_server(ff_txn *txn, ff_error *error)
{
	ff_store *store = txn->store;
	PGresult *result;
	ff_code code =
	    ask(txn,
	        "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('server_encoding'),"
	        " current_setting('server_version'), (SELECT bool_and(has_function_privilege(oid, 'EXECUTE'))"
	        " FROM pg_proc WHERE proname = 'pg_logical_emit_message' AND proargtypes[2] = 'text'::regtype)",
	        &result, error);
	if (code != FF_OK)
		return code;
	bool is_standby = PQgetvalue(result, 0, 0)[0] == 't';
	store->syncs = strcmp(PQgetvalue(result, 0, 1), "on") == 0;
	snprintf(store->version, sizeof(store->version), "PostgreSQL %.40s", PQgetvalue(result, 0, 3));
	if (strcmp(PQgetvalue(result, 0, 2), "UTF8") != 0)
		code = ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is encoded in %s, which has to be UTF8", store->name,
		                    PQgetvalue(result, 0, 2));
	else if (PQserverVersion(txn->pg) < 120000)
		code = ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is %s, older than 12", store->name, store->version);
	else if (!store->read_only && is_standby)
		code = ff_error_set(error, FF_E_UNAVAILABLE, "'%s' is a read-only standby", store->name);
	else if (!store->read_only && store->durability == FF_DURABILITY_FULL && PQgetvalue(result, 0, 4)[0] != 't')
		code = ff_error_set(error, FF_E_UNAVAILABLE,
		                    "who writes to '%s' may not EXECUTE pg_logical_emit_message", store->name);
	PQclear(result);
	return code;
}

enum { NO_SCHEMA = -1, NO_STORE = 0 };

/* The stored schema's version, or that there is none. The catalogs are read like any table: what resolves names may not
 * have heard yet of what another session has just committed. */
static ff_code look(ff_txn *txn, int64_t *version, ff_error *error)
{
	PGresult *result;
	ff_code code = ask(txn,
	                   "SELECT relname IS NOT NULL FROM pg_namespace n LEFT JOIN pg_class ON relnamespace = n.oid"
	                   " AND relname = 'ff_schema' WHERE nspname ="
	                   " (parse_ident(current_setting('search_path')))[1]",
	                   &result, error);
	if (code != FF_OK)
		return code;
	bool has_schema = PQntuples(result) == 1;
	bool has_table = has_schema && PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	*version = has_schema ? NO_STORE : NO_SCHEMA;
	if (has_table)
		code = ask(txn, "SELECT version FROM ff_schema", &result, error);
	if (code != FF_OK || !has_table)
		return code;
	*version = PQntuples(result) == 1 ? atoll(PQgetvalue(result, 0, 0)) : 0;
	PQclear(result);
	if (*version < 1)
		return ff_error_set(error, FF_E_CORRUPT, "the table 'ff_schema' of '%s' holds no version",
		                    txn->store->name);
	return FF_OK;
}

static ff_code migrate_from(ff_txn *txn, int64_t from, ff_error *error)
{
	char version[64];
	ff_sql_text *sql = &txn->sql;
	ff_sql_dialect dialect = ffp_postgres_dialect;
	dialect.partitions = (uint32_t)txn->store->partitions;
	ff_sql_clear(sql);
	/* Who may not create schemas in this database may have been given one. */
	if (from == NO_SCHEMA) {
		ff_sql_append(sql, "CREATE SCHEMA IF NOT EXISTS "); /* somebody may make it just now */
		ff_sql_append_name(sql, &dialect, txn->store->schema);
		ff_sql_append(sql, ";\n");
	}
	if (from <= NO_STORE)
		ff_sql_append(sql, "CREATE TABLE ff_schema (version bigint NOT NULL);\n");
	ff_sql_migrate(sql, &dialect, txn->store->catalog, from > 0 ? (uint32_t)from : 0);
	snprintf(version, sizeof(version),
	         from > 0 ? "UPDATE ff_schema SET version = %u" : "INSERT INTO ff_schema VALUES (%u)",
	         (unsigned)txn->store->catalog->version);
	ff_sql_append(sql, version);
	return ffp_postgres_run_text(txn, "open", NULL, error);
}

/* In one transaction, which waits for whoever came first, and for every batch that is under way. */
static ff_code migrate(ff_txn *txn, ff_error *error)
{
	char begin[128];
	int64_t version;
	ff_error ignored;
	snprintf(begin, sizeof(begin),
	         "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(%lld)",
	         (long long)(int64_t)txn->store->lock_base);
	ff_sql_clear(&txn->sql);
	ff_sql_append(&txn->sql, begin);
	ffp_postgres_write_session(txn, &txn->sql);
	ff_code code = ffp_postgres_run_text(txn, "open", NULL, error);
	if (code == FF_OK)
		code = look(txn, &version, error);
	if (code == FF_OK && version < txn->store->catalog->version)
		code = migrate_from(txn, version, error);
	if (code == FF_OK)
		return run(txn, "COMMIT", NULL, error);
	run(txn, "ROLLBACK", NULL, &ignored);
	return code;
}

ff_code ffp_postgres_schema_open(ff_txn *txn, bool must_exist, ff_error *error)
{
	const ff_store *store = txn->store;
	int64_t version;
	ff_code code = look_at_server(txn, error);
	if (code == FF_OK)
		code = look(txn, &version, error);
	if (code != FF_OK)
		return code;
	if (version <= NO_STORE && must_exist)
		return ff_error_set(error, FF_E_NOT_FOUND, "the schema '%s' of '%s' holds no store", store->schema,
		                    store->name);
	if (version < store->catalog->version && !store->read_only) {
		code = migrate(txn, error);
		if (code == FF_OK)
			code = look(txn, &version, error);
	}
	if (code != FF_OK)
		return code;
	return ffp_version_check(store->catalog, version > UINT32_MAX ? UINT32_MAX : (uint32_t)version,
	                         store->read_only, store->name, error);
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
	ffp_postgres_row_type *types = ffp_postgres_list_add(txn, &txn->types, catalog->tables_count, sizeof(*types));
	if (!types)
		return false;
	memset(types, 0, catalog->tables_count * sizeof(*types));
	for (int i = 0; i < PQntuples(result); i++) {
		const ff_table *table = table_of(catalog, PQgetvalue(result, i, 0));
		if (!table)
			continue;
		ffp_postgres_row_type *type = &types[table->id];
		if (type->count++ == 0)
			*type = (ffp_postgres_row_type){ oid_at(result, i, 1), txn->attributes.count, 1 };
		ffp_postgres_attribute *attribute = ffp_postgres_list_add(txn, &txn->attributes, 1, sizeof(*attribute));
		if (!attribute)
			return false;
		*attribute =
		    (ffp_postgres_attribute){ oid_at(result, i, 3), column_of(table, PQgetvalue(result, i, 2)) };
	}
	return true;
}

ff_code ffp_postgres_schema_types(ff_txn *txn, ff_error *error)
{
	PGresult *result = NULL;
	ff_code code =
	    ask(txn,
	        "SELECT relname, reltype, attname, atttypid FROM pg_namespace n JOIN pg_class c ON relnamespace"
	        " = n.oid JOIN pg_attribute ON attrelid = c.oid WHERE nspname = current_schema() AND attnum"
	        " > 0 AND NOT attisdropped AND relkind IN ('r', 'p') ORDER BY c.oid, attnum",
	        &result, error);
	if (code == FF_OK && !read_types(txn, result))
		code = ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a connection");
	PQclear(result);
	return code;
}
