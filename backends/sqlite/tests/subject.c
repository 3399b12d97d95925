#include "faults.h"
#include "faulty.h"
#include "sqlite_test.h"

static bool is_new(ff_test *t, const char *path)
{
	return strcmp(ask_sql(t, path, "SELECT version FROM ff_schema"), "1") == 0 &&
	       strcmp(ask_sql(t, path, "PRAGMA journal_mode"), "wal") == 0 &&
	       strcmp(ask_sql(t, path, "SELECT count(*) FROM \"odd \"\"table\"\"\""), "0") == 0;
}

/* Puts them in under a schema by which they go down, and the schema back. */
static void turn_round(ff_test *t, const char *path, const char *table)
{
	static const char *const down = "'\")' || char(10), '\" DESC)' || char(10)";
	static const char *const up = "'\" DESC)' || char(10), '\")' || char(10)";
	static const char *const schema = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, %s)"
					  " WHERE name = '%s'; PRAGMA writable_schema = RESET;";
	run_sql(t, path,
	        ff_test_text(t,
	                     "CREATE TABLE kept AS SELECT * FROM %s; DELETE FROM %s;%s"
	                     "INSERT INTO %s SELECT * FROM kept; DROP TABLE kept;%s",
	                     table, table, ff_test_text(t, schema, down, table), table,
	                     ff_test_text(t, schema, up, table)));
}

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_E_NO_MEMORY, FF_OK };

const test_subject subject = {
	.backend = &ffp_sqlite_backend,
	.memory = ":memory:",
	.data = "",
	.prepare = faulty_install,
	.faults = 1u << FAULT_OPEN | 1u << FAULT_READ | 1u << FAULT_WRITE | 1u << FAULT_SYNC | 1u << FAULT_SHARE |
	          1u << FAULT_MALLOC,
	.open_codes = open_codes,
	.is_new = is_new,
	.turn_round = turn_round,
};

const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_sqlite_backend, NULL };

const ffp_family *const families[] = {
	&cases_sql,  &cases_turn,   &cases_versions, &cases_processes, &cases_stores, &cases_values,
	&cases_open, &cases_schema, &cases_faults,   &cases_disk,      &cases_log,    NULL,
};
