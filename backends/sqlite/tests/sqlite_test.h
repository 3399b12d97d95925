/* What the tests of SQLite have beside those of every backend. */
#ifndef FFP_SQLITE_TEST_H
#define FFP_SQLITE_TEST_H

#include <sqlite3.h>

#include "sqlite.h"
#include "test.h"

extern const ffp_family cases_sql, cases_turn, cases_values, cases_open, cases_schema, cases_disk, cases_log;

/* Runs SQL on a file by a connection of its own, which must work. */
void run_sql(ff_test *t, const char *path, const char *sql);
/* The first column of a query's first row, until the next call. */
const char *ask_sql(ff_test *t, const char *path, const char *sql);

#endif
