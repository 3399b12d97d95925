/* A person's way into a file: SQL on a connection of its own. */
#include "sqlite_test.h"

#include <stdio.h>

void run_sql(ff_test *t, const char *path, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;
	FF_REQUIRE(t, sqlite3_open(path, &db) == SQLITE_OK);
	int result = sqlite3_exec(db, sql, NULL, NULL, &message);
	if (!FF_CHECK(t, result == SQLITE_OK))
		ff_test_note(t, "%s: %s", sql, message ? message : "");
	sqlite3_free(message);
	sqlite3_close(db);
}

const char *ask_sql(ff_test *t, const char *path, const char *sql)
{
	static char answer[1024];
	sqlite3 *db;
	sqlite3_stmt *statement = NULL;
	FF_REQUIRE(t, sqlite3_open(path, &db) == SQLITE_OK);
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (!FF_CHECK(t, result == SQLITE_OK))
		ff_test_note(t, "%s: %s", sql, sqlite3_errmsg(db));
	bool found = statement && sqlite3_step(statement) == SQLITE_ROW;
	snprintf(answer, sizeof(answer), "%s", found ? (const char *)sqlite3_column_text(statement, 0) : "");
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return answer;
}
