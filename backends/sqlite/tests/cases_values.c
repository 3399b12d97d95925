/* What the file says of columns that were written, and rows that somebody spoiled. */
#include "sqlite_test.h"

#include <stdio.h>

static void a_put_changes_only_columns_that_differ(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	/* A trigger of the host's sees which columns an UPDATE names. */
	run_sql(t, path,
	        "CREATE TABLE seen (name); CREATE TRIGGER see_v AFTER UPDATE OF v ON \"odd \"\"table\"\"\""
	        " BEGIN INSERT INTO seen VALUES ('v'); END;"
	        "CREATE TRIGGER see_n AFTER UPDATE OF n ON \"odd \"\"table\"\"\""
	        " BEGIN INSERT INTO seen VALUES ('n'); END;");
	ffp_odd_row after = row;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row.row, &after.row));
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT count(*) FROM seen"), "0");
	after.v = 6;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row.row, &after.row));
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT group_concat(name) FROM seen"), "v");
	ffp_odd_row null = after;
	null.row.nulls = 1u << FFP_ODD_N;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &after.row, &null.row));
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT group_concat(name) FROM seen"), "v,n");
	FF_CHECK(t, ffp_rows_equal(odd_v1(), get_row(t, store, odd_v1(), &row.row), &null.row));
	/* NULL and NULL are equal, whatever the struct holds. */
	ffp_odd_row still_null = null;
	still_null.n = 99;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &null.row, &still_null.row));
	FF_CHECK_STR(t, ask_sql(t, path, "SELECT count(*) FROM seen"), "2");
	close_store(store);
}

/* Answers the row with key ("k", 1, "c") after `sql` spoiled the file. */
static const ffp_odd_row *spoiled(ff_test *t, const char *sql, bool by_range)
{
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	if (count_rows(t, store, odd_v1()) == 0) {
		ffp_odd_row row = ffp_odd("k", 1, "c", 5);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		ffp_odd_row next = ffp_odd("l", 1, "c", 5);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &next.row));
	}
	close_store(store);
	run_sql(t, path, sql);
	store = must_open(t, path);
	ffp_odd_row key = ffp_odd("k", 1, "c", 0);
	ff_read read = { .table = odd_v1(),
		         .kind = by_range ? FF_READ_RANGE : FF_READ_GET,
		         .low = &key.row,
		         .equal_count = by_range ? 1 : 0,
		         .limit = 2 };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	ffp_odd_row other = ffp_odd("l", 1, "c", 0);
	ff_row *neighbour = get_row(t, store, odd_v1(), &other.row);
	FF_CHECK(t, neighbour && neighbour->state == FF_ROW_OK);
	close_store(store);
	FF_REQUIRE(t, by_range ? read.rows_count == 1 : read.row != NULL);
	return (const ffp_odd_row *)(const void *)(by_range ? read.rows[0] : read.row);
}

/* Drops STRICT and NOT NULL, as somebody with a shell can. */
static const char *const loosen =
    "PRAGMA writable_schema = ON;"
    "UPDATE sqlite_schema SET sql = replace(replace(sql, 'STRICT, ', ''), 'NOT NULL', '') WHERE type = 'table'"
    " AND name LIKE 'odd%'; PRAGMA writable_schema = RESET;";

static void a_row_that_cannot_be_decoded_is_marked(ff_test *t)
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
	FF_CHECK(t, spoiled(t, loosen, false)->row.state == FF_ROW_OK);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		char sql[256];
		snprintf(sql, sizeof(sql),
		         "UPDATE \"odd \"\"table\"\"\" SET n = 5, t = 't', v = 5, \"select\" = 'w', %s"
		         " WHERE a = 'k'",
		         values[i]);
		/* A column set twice takes the later value in SQLite. */
		const ffp_odd_row *row = spoiled(t, sql, i % 2);
		if (!FF_CHECK(t, row->row.state == FF_ROW_CORRUPT))
			ff_test_note(t, "%s is not seen", values[i]);
		FF_CHECK(t, ff_text_compare(row->a, ffp_text_of("k")) == 0);
		FF_CHECK_EQ_INT(t, row->b, 1);
		FF_CHECK(t, ff_text_compare(row->c, ffp_text_of("c")) == 0);
	}
	FF_CHECK(t,
	         spoiled(t, "UPDATE \"odd \"\"table\"\"\" SET n = 5, t = 'é\U0010ffff', v = 5, \"select\" = 'w'", true)
	                 ->row.state == FF_ROW_OK);
}

static void a_corrupt_row_can_be_written_over(ff_test *t)
{
	spoiled(t, loosen, false);
	const ffp_odd_row *row = spoiled(t, "UPDATE \"odd \"\"table\"\"\" SET v = 'five' WHERE a = 'k'", false);
	FF_REQUIRE(t, row->row.state == FF_ROW_CORRUPT);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row after = ffp_odd("k", 1, "c", 0);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row->row, &after.row));
	FF_CHECK(t, ffp_rows_equal(odd_v1(), get_row(t, store, odd_v1(), &after.row), &after.row));
	close_store(store);
}

static const ff_case cases[] = {
	CASE(a_put_changes_only_columns_that_differ, "", 0),
	CASE(a_row_that_cannot_be_decoded_is_marked, "FF-RU-8", 0),
	CASE(a_corrupt_row_can_be_written_over, "", 0),
};
FAMILY(cases_values, cases);
