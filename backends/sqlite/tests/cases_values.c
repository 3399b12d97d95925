/* What the file says of columns that were written, and rows that somebody spoiled. */
#include "sqlite_test.h"

#include <stdio.h>

static void a_put_changes_only_columns_that_differ(void)
{
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	odd_row row = odd("a", 1, "c", 5);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	/* A trigger of the host's sees which columns an UPDATE names. */
	run_sql(path, "CREATE TABLE seen (name); CREATE TRIGGER see_v AFTER UPDATE OF v ON \"odd \"\"table\"\"\""
	              " BEGIN INSERT INTO seen VALUES ('v'); END;"
	              "CREATE TRIGGER see_n AFTER UPDATE OF n ON \"odd \"\"table\"\"\""
	              " BEGIN INSERT INTO seen VALUES ('n'); END;");
	odd_row after = row;
	REQUIRE_OK(put_row(store, odd_v1(), &row.row, &after.row));
	CHECK_TEXT(ask_sql(path, "SELECT count(*) FROM seen"), "0");
	after.v = 6;
	REQUIRE_OK(put_row(store, odd_v1(), &row.row, &after.row));
	CHECK_TEXT(ask_sql(path, "SELECT group_concat(name) FROM seen"), "v");
	odd_row null = after;
	null.row.nulls = 1u << ODD_N;
	REQUIRE_OK(put_row(store, odd_v1(), &after.row, &null.row));
	CHECK_TEXT(ask_sql(path, "SELECT group_concat(name) FROM seen"), "v,n");
	CHECK(rows_equal(odd_v1(), get_row(store, odd_v1(), &row.row), &null.row));
	/* NULL and NULL are equal, whatever the struct holds. */
	odd_row still_null = null;
	still_null.n = 99;
	REQUIRE_OK(put_row(store, odd_v1(), &null.row, &still_null.row));
	CHECK_TEXT(ask_sql(path, "SELECT count(*) FROM seen"), "2");
	close_store(store);
}

/* Answers the row with key ("k", 1, "c") after `sql` spoiled the file. */
static const odd_row *spoiled(const char *sql, bool by_range)
{
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	if (count_rows(store, odd_v1()) == 0) {
		odd_row row = odd("k", 1, "c", 5);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
		odd_row next = odd("l", 1, "c", 5);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &next.row));
	}
	close_store(store);
	run_sql(path, sql);
	store = must_open(path);
	odd_row key = odd("k", 1, "c", 0);
	ff_read read = { .table = odd_v1(),
		         .kind = by_range ? FF_READ_RANGE : FF_READ_GET,
		         .low = &key.row,
		         .equal_count = by_range ? 1 : 0,
		         .limit = 2 };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	odd_row other = odd("l", 1, "c", 0);
	ff_row *neighbour = get_row(store, odd_v1(), &other.row);
	CHECK(neighbour && neighbour->state == FF_ROW_OK);
	close_store(store);
	REQUIRE(by_range ? read.rows_count == 1 : read.row != NULL);
	return (const odd_row *)(const void *)(by_range ? read.rows[0] : read.row);
}

/* Drops STRICT and NOT NULL, as somebody with a shell can. */
static const char *const loosen =
    "PRAGMA writable_schema = ON;"
    "UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT, ', ''), 'NOT NULL', '') WHERE type = 'table'"
    " AND name LIKE 'odd%'; PRAGMA writable_schema = RESET;";

static void a_row_that_cannot_be_decoded_is_marked(void)
{
	static const char *const values[] = {
		"v = 'five'",
		"v = 5.5",
		"v = NULL",
		"v = x'00'",
		"\"select\" = CAST(x'ff' AS TEXT)",
		"\"select\" = CAST(x'c080' AS TEXT)",
		"\"select\" = CAST(x'eda080' AS TEXT)",
		"\"select\" = CAST(x'f4908080' AS TEXT)",
		"\"select\" = CAST(x'e282' AS TEXT)",
		"\"select\" = CAST(x'80' AS TEXT)",
		"\"select\" = CAST(x'610062' AS TEXT)",
		"\"select\" = x'6162'",
		"\"select\" = NULL",
		"t = CAST(x'00' AS TEXT)",
		"n = 'x'",
	};
	CHECK(spoiled(loosen, false)->row.state == FF_ROW_OK);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char sql[256];
		snprintf(sql, sizeof(sql),
		         "UPDATE \"odd \"\"table\"\"\" SET n = 5, t = 't', v = 5, \"select\" = 'w', %s"
		         " WHERE a = 'k'",
		         values[i]);
		/* A column set twice takes the later value in SQLite. */
		const odd_row *row = spoiled(sql, i % 2);
		check(row->row.state == FF_ROW_CORRUPT, __FILE__, __LINE__, "%s is not seen", values[i]);
		CHECK(ff_text_compare(row->a, text_of("k")) == 0);
		CHECK_INT(row->b, 1);
		CHECK(ff_text_compare(row->c, text_of("c")) == 0);
	}
	CHECK(spoiled("UPDATE \"odd \"\"table\"\"\" SET n = 5, t = 'é\U0010ffff', v = 5, \"select\" = 'w'", true)
	          ->row.state == FF_ROW_OK);
}

static void a_corrupt_row_can_be_written_over(void)
{
	spoiled(loosen, false);
	const odd_row *row = spoiled("UPDATE \"odd \"\"table\"\"\" SET v = 'five' WHERE a = 'k'", false);
	REQUIRE(row->row.state == FF_ROW_CORRUPT);
	ff_store *store = must_open(path_of("a.db"));
	odd_row after = odd("k", 1, "c", 0);
	REQUIRE_OK(put_row(store, odd_v1(), &row->row, &after.row));
	CHECK(rows_equal(odd_v1(), get_row(store, odd_v1(), &after.row), &after.row));
	close_store(store);
}

static const test_case cases[] = {
	CASE(a_put_changes_only_columns_that_differ, ""),
	CASE(a_row_that_cannot_be_decoded_is_marked, "FF-RU-8"),
	CASE(a_corrupt_row_can_be_written_over, ""),
};
FAMILY(cases_values, cases);
