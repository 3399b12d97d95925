/* A person's way into a file: SQL on a connection of its own. */
#include "sqlite_test.h"

#include <stdio.h>

void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;
	char *message = NULL;
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	int result = sqlite3_exec(db, sql, NULL, NULL, &message);
	check(result == SQLITE_OK, __FILE__, __LINE__, "%s: %s", sql, message ? message : "");
	sqlite3_free(message);
	sqlite3_close(db);
}

const char *ask_sql(const char *path, const char *sql)
{
	static char answer[1024];
	sqlite3 *db;
	sqlite3_stmt *statement = NULL;
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	check(result == SQLITE_OK, __FILE__, __LINE__, "%s: %s", sql, sqlite3_errmsg(db));
	bool found = statement && sqlite3_step(statement) == SQLITE_ROW;
	snprintf(answer, sizeof(answer), "%s", found ? (const char *)sqlite3_column_text(statement, 0) : "");
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return answer;
}
