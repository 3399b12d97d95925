/* The schema's versions, and the way from one to the next. */
#include "test.h"

static void an_older_store_is_migrated(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	store = must_open(t, path);
	ffp_odd_row old = ffp_odd("a", 1, "c", 5);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &old.row));
	close_store(store);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v2, FF_STORE_READ_ONLY, NULL, &store), FF_E_UNAVAILABLE);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, FF_STORE_MUST_EXIST, NULL, &store));
	const ff_table *table = &catalog_v2.tables[TABLE_ODD];
	ffp_odd_row want = old;
	want.z = ffp_text_of("");
	want.row.nulls = 1u << 6;
	const ff_row *got = get_row(t, store, table, &old.row);
	FF_CHECK(t, got && ffp_rows_equal(table, got, &want.row));
	/* The new columns, index and table work. */
	ffp_odd_row after = want;
	after.row.nulls = 0;
	after.x = -7;
	after.y = ffp_text_of("y");
	FF_REQUIRE_OK(t, put_row(t, store, table, &want.row, &after.row));
	ff_read by_y = { .table = table, .kind = FF_READ_RANGE, .index = &table->indexes[4], .limit = 9 };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &by_y, 1));
	FF_CHECK(t, by_y.rows_count == 1 && ffp_rows_equal(table, by_y.rows[0], &after.row));
	ffp_plain_row late = { .id = 3 };
	FF_REQUIRE_OK(t, put_row(t, store, &catalog_v2.tables[TABLE_LATE], NULL, &late.row));
	close_store(store);
	/* A second time there is nothing to do. */
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, &catalog_v2.tables[TABLE_LATE]), 1);
	close_store(store);
}

/* A catalog whose second version has one more index, of columns that were there. */
static void a_new_index_has_the_old_rows(ff_test *t)
{
	enum { COUNT = 50 };
	ff_index indexes[FF_INDEXES_MAX];
	ff_table table = *odd_v1();
	const ff_catalog more = { .tables = &table, .tables_count = 1, .version = 2 };
	memcpy(indexes, table.indexes, table.indexes_count * sizeof(*indexes));
	indexes[table.indexes_count] =
	    (ff_index){ .name = "odd_by_t_and_v", .columns = { FFP_ODD_T, FFP_ODD_V }, .columns_count = 2, .since = 2 };
	table.indexes = indexes;
	table.indexes_count++;
	ff_store *store = must_open(t, path_of(t, "a.db"));
	for (int64_t i = 0; i < COUNT; i++) {
		ffp_odd_row row = ffp_odd("a", i, "c", COUNT - i);
		row.row.nulls = i % 5 ? 0 : 1u << FFP_ODD_T;
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	}
	close_store(store);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &more, 0, NULL, &store));
	ff_read read = { .table = &table, .kind = FF_READ_RANGE, .index = &indexes[4], .limit = 2 * COUNT };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	FF_CHECK_EQ_INT(t, read.rows_count, COUNT * 4 / 5);
	for (size_t i = 1; i < read.rows_count; i++)
		FF_CHECK(t, ffp_odd_of(read.rows[i - 1])->v < ffp_odd_of(read.rows[i])->v);
	problems found = { .test = t };
	FF_CHECK_CODE(t, subject.backend->check(store, note_problem, &found, ff_test_error(t)), FF_OK);
	FF_CHECK_STR(t, found.lines, "");
	close_store(store);
}

/* Whether the library of the first version refuses the store, and leaves it as it is. */
static void refuse_newer(ff_test *t, const char *path, uint32_t flags)
{
	ff_store *store;
	uint64_t was = file_hash(data_of(t, path));
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, flags, NULL, &store), FF_E_VERSION);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "version 2") && strstr(ff_test_error(t)->message, "1") &&
	                strstr(ff_test_error(t)->message, path));
	FF_CHECK(t, file_hash(data_of(t, path)) == was);
}

static void a_newer_store_is_refused(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &store));
	close_store(store);
	refuse_newer(t, path, 0);
	refuse_newer(t, path, FF_STORE_MUST_EXIST);
	refuse_newer(t, path, FF_STORE_READ_ONLY);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, FF_STORE_READ_ONLY, NULL, &store));
	close_store(store);
}

static void a_store_that_is_migrated_under_us(ff_test *t)
{
	ff_store *older, *newer;
	ff_txn *txn;
	const char *path = path_of(t, "a.db");
	older = must_open(t, path);
	FF_CHECK_EQ_INT(t, count_rows(t, older, odd_v1()), 0);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &newer));
	FF_CHECK_CODE(t, subject.backend->begin(older, FF_TXN_READ, &txn, ff_test_error(t)), FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "version 2") != NULL);
	FF_CHECK_CODE(t, subject.backend->begin(older, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_IO);
	FF_REQUIRE_OK(t, subject.backend->begin(newer, FF_TXN_WRITE, &txn, ff_test_error(t)));
	subject.backend->abort(txn);
	close_store(newer);
	close_store(older);
}

static const ff_case cases[] = {
	CASE(an_older_store_is_migrated, "FF-MT-2", 0),
	CASE(a_new_index_has_the_old_rows, "FF-MT-2", 0),
	CASE(a_newer_store_is_refused, "FF-MT-2", 0),
	CASE(a_store_that_is_migrated_under_us, "FF-MT-2", 0),
};
FAMILY(cases_versions, cases);
