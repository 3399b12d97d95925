/* The statement builder: its words in two dialects, and that SQLite's planner takes the order that is meant. */
#include "sqlite_test.h"

#include <stdio.h>

#include <ff/sql.h>

static const ff_sql_dialect postgres = {
	.placeholder = '$',
	.quote = '"',
	.type_int64 = "bigint",
	.type_text = "text COLLATE \"C\"",
};

static const ff_sql_dialect sqlite = {
	.placeholder = '?',
	.quote = '"',
	.type_int64 = "INTEGER",
	.type_text = "TEXT",
	.table_suffix = " STRICT, WITHOUT ROWID",
	.index_hint = " INDEXED BY ",
};

static void statements_of_a_dialect(ff_test *t)
{
	const ff_table *table = odd_v1();
	ff_sql_text text = { .allocator = &test_allocator };
	ff_sql_create_table(&text, &postgres, table);
	FF_CHECK_STR(t, text.data,
	             "CREATE TABLE \"odd \"\"table\"\"\" (\n"
	             "\t\"a\" text COLLATE \"C\" NOT NULL,\n"
	             "\t\"order\" bigint NOT NULL,\n"
	             "\t\"the \"\"third\"\"\" text COLLATE \"C\" NOT NULL,\n"
	             "\t\"n\" bigint,\n"
	             "\t\"t\" text COLLATE \"C\",\n"
	             "\t\"v\" bigint NOT NULL,\n"
	             "\t\"select\" text COLLATE \"C\" NOT NULL,\n"
	             "\tPRIMARY KEY (\"a\", \"order\", \"the \"\"third\"\"\")\n)");
	ff_sql_clear(&text);
	ff_sql_create_index(&text, &postgres, table, &table->indexes[3]);
	FF_CHECK_STR(t, text.data,
	             "CREATE INDEX \"odd_by_many\" ON \"odd \"\"table\"\"\" (\"v\", \"n\", \"the \"\"third\"\"\","
	             " \"t\", \"a\", \"order\") WHERE \"n\" IS NOT NULL AND \"t\" IS NOT NULL");
	ff_sql_clear(&text);
	ff_sql_create_index(&text, &postgres, table, &table->indexes[1]);
	FF_CHECK_STR(t, text.data,
	             "CREATE INDEX \"odd_by_v\" ON \"odd \"\"table\"\"\" (\"v\", \"a\", \"order\","
	             " \"the \"\"third\"\"\")");
	ff_sql_clear(&text);
	ff_sql_add_column(&text, &postgres, table, &table->columns[FFP_ODD_W]);
	FF_CHECK_STR(t, text.data,
	             "ALTER TABLE \"odd \"\"table\"\"\" ADD COLUMN \"select\" text COLLATE \"C\" NOT NULL DEFAULT ''");
	ff_sql_clear(&text);
	ff_sql_update(&text, &postgres, table, 1u << FFP_ODD_N | 1u << FFP_ODD_V);
	FF_CHECK_STR(t, text.data,
	             "UPDATE \"odd \"\"table\"\"\" SET \"n\" = $1, \"v\" = $2 WHERE \"a\" = $3 AND \"order\" = $4"
	             " AND \"the \"\"third\"\"\" = $5");
	ff_sql_clear(&text);
	ff_sql_insert(&text, &postgres, table);
	FF_CHECK_STR(t, text.data,
	             "INSERT INTO \"odd \"\"table\"\"\" (\"a\", \"order\", \"the \"\"third\"\"\", \"n\", \"t\", \"v\","
	             " \"select\") VALUES ($1, $2, $3, $4, $5, $6, $7)");
	ff_sql_clear(&text);
	ff_sql_delete_key(&text, &postgres, table);
	FF_CHECK_STR(t, text.data,
	             "DELETE FROM \"odd \"\"table\"\"\" WHERE \"a\" = $1 AND \"order\" = $2"
	             " AND \"the \"\"third\"\"\" = $3");
	ff_sql_free(&text);
}

static void statements_on_many_rows(ff_test *t)
{
	static const ff_column columns[] = {
		{ .name = "a", .type = FF_TYPE_TEXT },
		{ .name = "b", .type = FF_TYPE_INT64 },
		{ .name = "v", .type = FF_TYPE_INT64, .nullable = 1 },
		{ .name = "w", .type = FF_TYPE_TEXT, .since = 2 },
	};
	static const ff_table table = {
		.name = "t", .columns = columns, .columns_count = 4, .key_count = 2, .root = 1, .since = 1
	};
	const ff_catalog catalog = { .tables = &table, .tables_count = 1, .version = 2 };
	ff_sql_dialect parts = postgres;
	parts.partitions = 2;
	ff_sql_text text = { .allocator = &test_allocator };
	ff_sql_select_keys(&text, &postgres, &table);
	FF_CHECK_STR(t, text.data,
	             "SELECT k.ordinality, \"t\".\"a\", \"t\".\"b\", \"t\".\"v\", \"t\".\"w\" FROM"
	             " unnest($1::\"t\"[]) WITH ORDINALITY AS k JOIN \"t\" ON \"t\".\"a\" = k.\"a\" AND"
	             " \"t\".\"b\" = k.\"b\"");
	ff_sql_clear(&text);
	ff_sql_insert_rows(&text, &postgres, &table);
	FF_CHECK_STR(t, text.data,
	             "INSERT INTO \"t\" (\"a\", \"b\", \"v\", \"w\") SELECT k.\"a\", k.\"b\", k.\"v\", k.\"w\" FROM"
	             " unnest($1::\"t\"[]) AS k");
	ff_sql_clear(&text);
	ff_sql_update_rows(&text, &postgres, &table, 1u << 3);
	FF_CHECK_STR(t, text.data,
	             "WITH w AS (UPDATE \"t\" SET \"w\" = k.\"w\" FROM unnest($1::\"t\"[]) AS k WHERE"
	             " \"t\".\"a\" = k.\"a\" AND \"t\".\"b\" = k.\"b\" RETURNING 1) SELECT 1 /"
	             " (count(*) = cardinality($1))::int FROM w");
	ff_sql_clear(&text);
	ff_sql_delete_keys(&text, &postgres, &table);
	FF_CHECK_STR(t, text.data,
	             "WITH w AS (DELETE FROM \"t\" USING unnest($1::\"t\"[]) AS k WHERE"
	             " \"t\".\"a\" = k.\"a\" AND \"t\".\"b\" = k.\"b\" RETURNING 1) SELECT 1 /"
	             " (count(*) = cardinality($1))::int FROM w");
	ff_sql_clear(&text);
	ff_sql_expect_rows(&text, &postgres, &table, 2);
	FF_CHECK_STR(t, text.data,
	             "(SELECT count(*) = cardinality($2) FROM unnest($2::\"t\"[]) AS k JOIN \"t\" ON"
	             " \"t\".\"a\" = k.\"a\" AND \"t\".\"b\" = k.\"b\" AND \"t\".\"v\" IS NOT DISTINCT"
	             " FROM k.\"v\" AND \"t\".\"w\" IS NOT DISTINCT FROM k.\"w\")");
	ff_sql_clear(&text);
	ff_sql_migrate(&text, &parts, &catalog, 0);
	FF_CHECK_STR(t, text.data,
	             "CREATE TABLE \"t\" (\n\t\"a\" text COLLATE \"C\" NOT NULL,\n\t\"b\" bigint NOT NULL,\n"
	             "\t\"v\" bigint,\n\t\"w\" text COLLATE \"C\" NOT NULL,\n\tPRIMARY KEY (\"a\", \"b\")\n)"
	             " PARTITION BY HASH (\"b\");\n"
	             "CREATE TABLE \"t_0\" PARTITION OF \"t\" FOR VALUES WITH (MODULUS 2, REMAINDER 0);\n"
	             "CREATE TABLE \"t_1\" PARTITION OF \"t\" FOR VALUES WITH (MODULUS 2, REMAINDER 1);\n");
	ff_sql_clear(&text);
	ff_sql_migrate(&text, &postgres, &catalog, 1);
	FF_CHECK_STR(t, text.data, "ALTER TABLE \"t\" ADD COLUMN \"w\" text COLLATE \"C\" NOT NULL DEFAULT '';\n");
	/* A table that may be there already may be one that version 1 made, and did not get to its end. */
	ff_sql_dialect again = postgres;
	again.if_not_exists = true;
	ff_sql_clear(&text);
	ff_sql_migrate(&text, &again, &catalog, 0);
	FF_CHECK_STR(t, text.data,
	             "CREATE TABLE IF NOT EXISTS \"t\" (\n\t\"a\" text COLLATE \"C\" NOT NULL,\n"
	             "\t\"b\" bigint NOT NULL,\n\t\"v\" bigint,\n\t\"w\" text COLLATE \"C\" NOT NULL,\n"
	             "\tPRIMARY KEY (\"a\", \"b\")\n);\n"
	             "ALTER TABLE \"t\" ADD COLUMN IF NOT EXISTS \"w\" text COLLATE \"C\" NOT NULL DEFAULT '';\n");
	ff_sql_free(&text);
}

static void ranges_are_row_values(ff_test *t)
{
	const ff_table *table = odd_v1();
	ff_read read = { .table = table,
		         .kind = FF_READ_RANGE,
		         .index = &table->indexes[2],
		         .equal_count = 1,
		         .low_count = 3,
		         .high_count = 2,
		         .flags = FF_READ_LOW_EXCLUSIVE | FF_READ_DESCENDING };
	ff_sql_text text = { .allocator = &test_allocator };
	ff_sql_select_range(&text, &sqlite, &read);
	FF_CHECK_STR(t, text.data,
	             "SELECT \"a\", \"order\", \"the \"\"third\"\"\", \"n\", \"t\", \"v\", \"select\""
	             " FROM \"odd \"\"table\"\"\" INDEXED BY \"odd by \"\"a\"\" and t\""
	             " WHERE \"a\" = ?1 AND (\"t\", \"order\") > (?2, ?3) AND \"t\" <= ?4 AND \"t\" IS NOT NULL"
	             " ORDER BY \"a\" DESC, \"t\" DESC, \"order\" DESC, \"the \"\"third\"\"\" DESC LIMIT ?5");
	ff_sql_clear(&text);
	read = (ff_read){ .table = table, .kind = FF_READ_RANGE };
	ff_sql_delete_range(&text, &postgres, &read);
	FF_CHECK_STR(t, text.data, "DELETE FROM \"odd \"\"table\"\"\"");
	ff_sql_free(&text);
}

/* What MariaDB wants: texts of keys with a length, whole indexes, DDL that may be made twice, bounds that it can plan. */
static void what_else_a_dialect_says(ff_test *t)
{
	const ff_table *table = odd_v1();
	static const ff_column columns[] = { { .name = "a", .type = FF_TYPE_TEXT },
		                             { .name = "b", .type = FF_TYPE_TEXT } };
	static const ff_table without_index = { .name = "t", .columns = columns, .columns_count = 2, .key_count = 1 };
	const ff_sql_dialect odd = { .placeholder = '?',
		                     .quote = '`',
		                     .type_int64 = "BIGINT",
		                     .type_text = "MEDIUMBLOB",
		                     .table_suffix = " ENGINE=InnoDB",
		                     .type_text_key = "VARBINARY(256)",
		                     .full_indexes = true,
		                     .if_not_exists = true,
		                     .split_bounds = true };
	ff_read read = { .table = table,
		         .kind = FF_READ_RANGE,
		         .index = &table->indexes[3],
		         .equal_count = 1,
		         .low_count = 4,
		         .high_count = 3,
		         .flags = FF_READ_LOW_EXCLUSIVE };
	ff_sql_text text = { .allocator = &test_allocator };
	ff_sql_create_table(&text, &odd, table);
	FF_CHECK_STR(t, text.data,
	             "CREATE TABLE IF NOT EXISTS `odd \"table\"` (\n"
	             "\t`a` VARBINARY(256) NOT NULL,\n"
	             "\t`order` BIGINT NOT NULL,\n"
	             "\t`the \"third\"` VARBINARY(256) NOT NULL,\n"
	             "\t`n` BIGINT,\n"
	             "\t`t` VARBINARY(256),\n"
	             "\t`v` BIGINT NOT NULL,\n"
	             "\t`select` MEDIUMBLOB NOT NULL,\n"
	             "\tPRIMARY KEY (`a`, `order`, `the \"third\"`)\n) ENGINE=InnoDB");
	ff_sql_clear(&text);
	ff_sql_create_index(&text, &odd, table, &table->indexes[3]);
	FF_CHECK_STR(t, text.data,
	             "CREATE INDEX IF NOT EXISTS `odd_by_many` ON `odd \"table\"` (`v`, `n`, `the \"third\"`, `t`, `a`,"
	             " `order`)");
	ff_sql_clear(&text);
	ff_sql_add_column(&text, &odd, table, &table->columns[FFP_ODD_W]);
	FF_CHECK_STR(t, text.data,
	             "ALTER TABLE `odd \"table\"` ADD COLUMN IF NOT EXISTS `select` MEDIUMBLOB NOT NULL DEFAULT ''");
	ff_sql_clear(&text);
	ff_sql_delete_range(&text, &odd, &read);
	FF_CHECK_STR(t, text.data,
	             "DELETE FROM `odd \"table\"` WHERE `v` = ?1"
	             " AND (`n` > ?2 OR (`n` = ?2 AND (`the \"third\"` > ?3 OR (`the \"third\"` = ?3 AND (`t` > ?4)))))"
	             " AND (`n` < ?5 OR (`n` = ?5 AND (`the \"third\"` <= ?6)))"
	             " AND `n` IS NOT NULL AND `t` IS NOT NULL");
	ff_sql_clear(&text);
	read.low_count = 2;
	read.high_count = 0;
	ff_sql_delete_range(&text, &odd, &read);
	FF_CHECK_STR(t, text.data,
	             "DELETE FROM `odd \"table\"` WHERE `v` = ?1 AND `n` > ?2 AND `n` IS NOT NULL AND `t` IS NOT NULL");
	ff_sql_clear(&text);
	ff_sql_create_table(&text, &odd, &without_index);
	FF_CHECK_STR(t, text.data,
	             "CREATE TABLE IF NOT EXISTS `t` (\n\t`a` VARBINARY(256) NOT NULL,\n\t`b` MEDIUMBLOB NOT NULL,\n"
	             "\tPRIMARY KEY (`a`)\n) ENGINE=InnoDB");
	ff_sql_free(&text);
}

static uint32_t changed(const ffp_odd_row *before, const ffp_odd_row *after)
{
	const ff_write write = {
		.table = odd_v1(), .kind = FF_WRITE_PUT, .before = &before->row, .after = &after->row
	};
	return ff_sql_changed_columns(&write);
}

static void what_a_put_changes(ff_test *t)
{
	ffp_odd_row before = ffp_odd("a", 1, "c", 7), after = before;
	const uint32_t n = 1u << FFP_ODD_N, text = 1u << FFP_ODD_T, v = 1u << FFP_ODD_V, w = 1u << FFP_ODD_W;
	FF_CHECK_EQ_INT(t, changed(&before, &after), 0);
	after.v++;
	FF_CHECK_EQ_INT(t, changed(&before, &after), v);
	before.row.nulls = n; /* NULL is not 0, and what lies under it is no value */
	before.n = after.n = 0;
	FF_CHECK_EQ_INT(t, changed(&before, &after), n | v);
	FF_CHECK_EQ_INT(t, changed(&after, &before), n | v);
	after.row.nulls = n;
	after.n = 1;
	after.w = ffp_text_of("longer");
	FF_CHECK_EQ_INT(t, changed(&before, &after), v | w);
	before.row.state = FF_ROW_CORRUPT;
	FF_CHECK_EQ_INT(t, changed(&before, &before), n | text | v | w);
}

static void *no_memory(void *context, void *old, size_t old_size, size_t size)
{
	size_t *left = context;
	if (size > *left)
		return NULL;
	return test_allocator.resize(NULL, old, old_size, size);
}

static void a_text_survives_lack_of_memory(ff_test *t)
{
	size_t left = 600;
	ff_allocator small = { no_memory, &left };
	ff_sql_text text = { .allocator = &small };
	ff_sql_insert(&text, &postgres, odd_v1());
	FF_CHECK(t, !text.failed);
	for (unsigned i = 0; i < 10; i++)
		ff_sql_insert(&text, &postgres, odd_v1());
	FF_CHECK(t, text.failed);
	left = 6000; /* too late */
	ff_sql_insert(&text, &postgres, odd_v1());
	FF_CHECK(t, text.failed);
	left = 0; /* and what it has is kept */
	ff_sql_clear(&text);
	ff_sql_append(&text, "COMMIT");
	FF_CHECK(t, !text.failed);
	FF_CHECK_STR(t, text.data, "COMMIT");
	ff_sql_free(&text);
}

/* Wherever it ends, also where that is what is allocated. */
static void a_text_has_room_for_its_end(ff_test *t)
{
	char words[1100];
	for (size_t size = 1; size < sizeof(words); size++) {
		ff_sql_text text = { .allocator = &test_allocator };
		memset(words, 'w', size);
		words[size] = '\0';
		for (size_t times = 1; times <= 2; times++) {
			ff_sql_append(&text, words);
			FF_CHECK(t, text.size == times * size && text.capacity > text.size);
		}
		ff_sql_free(&text);
	}
}

/* ---- plans --------------------------------------------------------------------------------------------------- */

/* What EXPLAIN QUERY PLAN says, all lines in one. */
static void explain(ff_test *t, sqlite3 *db, const char *sql, char *plan, size_t size)
{
	char *explained = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, explained, -1, &statement, NULL);
	if (!FF_CHECK(t, result == SQLITE_OK))
		ff_test_note(t, "%s: %s", sql, sqlite3_errmsg(db));
	plan[0] = '\0';
	while (statement && sqlite3_step(statement) == SQLITE_ROW)
		snprintf(plan + strlen(plan), size - strlen(plan), "%s; ",
		         (const char *)sqlite3_column_text(statement, 3));
	sqlite3_finalize(statement);
	sqlite3_free(explained);
}

/* The plan walks the order that the read names, sorts nothing, and is bounded on both sides where the read is. */
static void check_plan(ff_test *t, sqlite3 *db, const ff_read *read, bool deletes)
{
	char plan[512];
	char wanted[128];
	ff_sql_text text = { .allocator = &test_allocator };
	if (deletes)
		ff_sql_delete_range(&text, &sqlite, read);
	else
		ff_sql_select_range(&text, &sqlite, read);
	explain(t, db, text.data, plan, sizeof(plan));
	bool low = read->low_count > read->equal_count;
	bool high = read->high_count > read->equal_count;
	bool bounded = low || high || read->equal_count;
	if (read->index)
		snprintf(wanted, sizeof(wanted), " USING INDEX %s", read->index->name);
	else
		snprintf(wanted, sizeof(wanted), "%s", bounded ? " USING PRIMARY KEY" : "SCAN ");
	bool good = strstr(plan, wanted) && !strstr(plan, "TEMP") && (!bounded || strstr(plan, "SEARCH")) &&
	            (!low || strchr(plan, '>')) && (!high || strchr(plan, '<'));
	if (!FF_CHECK(t, good))
		ff_test_note(t, "%s\n#   is planned as %s", text.data, plan);
	ff_sql_free(&text);
}

static void check_plans(ff_test *t, const char *path)
{
	sqlite3 *db;
	const ff_table *table = odd_v1();
	FF_REQUIRE(t, sqlite3_open(path, &db) == SQLITE_OK);
	for (unsigned index = 0; index <= table->indexes_count; index++) {
		ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = 7 };
		read.index = index ? &table->indexes[index - 1] : NULL;
		unsigned count = ff_order_count(table, read.index) + 1;
		for (unsigned shape = 0; shape < count * count * count * 8; shape++) {
			read.equal_count = (uint8_t)(shape / 8 % count);
			read.low_count = (uint8_t)(shape / 8 / count % count);
			read.high_count = (uint8_t)(shape / 8 / count / count);
			read.flags = shape % 8;
			check_plan(t, db, &read, false);
			/* All rows of a table go by another way, without a plan. */
			if (!read.index && shape >= 8)
				check_plan(t, db, &read, true);
		}
	}
	sqlite3_close(db);
}

static void every_range_is_planned_by_its_order(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	close_store(must_open(t, path));
	check_plans(t, path);
	/* What a host's ANALYZE tells the planner must not turn it: here each index looks unique, and the key useless.
	 */
	run_sql(t, path,
	        "WITH RECURSIVE i(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 500)"
	        " INSERT INTO \"odd \"\"table\"\"\" SELECT 'a', 1, n, n, n, n, 'w' FROM i; ANALYZE;");
	check_plans(t, path);
}

static const ff_case cases[] = {
	CASE(statements_of_a_dialect, "", 0),     CASE(statements_on_many_rows, "", 0),
	CASE(what_else_a_dialect_says, "", 0),    CASE(what_a_put_changes, "", 0),
	CASE(ranges_are_row_values, "", 0),       CASE(a_text_survives_lack_of_memory, "", 0),
	CASE(a_text_has_room_for_its_end, "", 0), CASE(every_range_is_planned_by_its_order, "", FF_CASE_BULK),
};
FAMILY(cases_sql, cases);
