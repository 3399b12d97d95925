/* The schema's versions, and the way from one to the next. */
#include "test.h"

static void an_older_store_is_migrated(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	store = must_open(path);
	odd_row old = odd("a", 1, "c", 5);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &old.row));
	close_store(store);
	CHECK_CODE(open_store(path, &catalog_v2, FF_STORE_READ_ONLY, NULL, &store), FF_E_UNAVAILABLE);
	REQUIRE_OK(open_store(path, &catalog_v2, FF_STORE_MUST_EXIST, NULL, &store));
	const ff_table *table = &catalog_v2.tables[TABLE_ODD];
	odd_row want = old;
	want.z = text_of("");
	want.row.nulls = 1u << 6;
	const ff_row *got = get_row(store, table, &old.row);
	CHECK(got && rows_equal(table, got, &want.row));
	/* The new columns, index and table work. */
	odd_row after = want;
	after.row.nulls = 0;
	after.x = -7;
	after.y = text_of("y");
	REQUIRE_OK(put_row(store, table, &want.row, &after.row));
	ff_read by_y = { .table = table, .kind = FF_READ_RANGE, .index = &table->indexes[4], .limit = 9 };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &by_y, 1));
	CHECK(by_y.rows_count == 1 && rows_equal(table, by_y.rows[0], &after.row));
	late_row late = { .id = 3 };
	REQUIRE_OK(put_row(store, &catalog_v2.tables[TABLE_LATE], NULL, &late.row));
	close_store(store);
	/* A second time there is nothing to do. */
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_LATE]), 1);
	close_store(store);
}

/* A catalog whose second version has one more index, of columns that were there. */
static void a_new_index_has_the_old_rows(void)
{
	enum { COUNT = 50 };
	ff_index indexes[FF_INDEXES_MAX];
	ff_table table = *odd_v1();
	const ff_catalog more = { .tables = &table, .tables_count = 1, .version = 2 };
	memcpy(indexes, table.indexes, table.indexes_count * sizeof(*indexes));
	indexes[table.indexes_count] =
	    (ff_index){ .name = "odd_by_t_and_v", .columns = { ODD_T, ODD_V }, .columns_count = 2, .since = 2 };
	table.indexes = indexes;
	table.indexes_count++;
	ff_store *store = must_open(path_of("a.db"));
	for (int64_t i = 0; i < COUNT; i++) {
		odd_row row = odd("a", i, "c", COUNT - i);
		row.row.nulls = i % 5 ? 0 : 1u << ODD_T;
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	}
	close_store(store);
	REQUIRE_OK(open_store(path_of("a.db"), &more, 0, NULL, &store));
	ff_read read = { .table = &table, .kind = FF_READ_RANGE, .index = &indexes[4], .limit = 2 * COUNT };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	CHECK_INT((int64_t)read.rows_count, COUNT * 4 / 5);
	for (size_t i = 1; i < read.rows_count; i++)
		CHECK(((odd_row *)(void *)read.rows[i - 1])->v < ((odd_row *)(void *)read.rows[i])->v);
	problems found = { 0 };
	CHECK_CODE(subject.backend->check(store, note_problem, &found, &error), FF_OK);
	CHECK_TEXT(found.lines, "");
	close_store(store);
}

/* Whether the library of the first version refuses the store, and leaves it as it is. */
static void refuse_newer(const char *path, uint32_t flags)
{
	ff_store *store;
	uint64_t was = file_hash(data_of(path));
	CHECK_CODE(open_store(path, &catalog_v1, flags, NULL, &store), FF_E_VERSION);
	CHECK(strstr(error.message, "version 2") && strstr(error.message, "1") && strstr(error.message, path));
	CHECK(file_hash(data_of(path)) == was);
}

static void a_newer_store_is_refused(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	close_store(store);
	refuse_newer(path, 0);
	refuse_newer(path, FF_STORE_MUST_EXIST);
	refuse_newer(path, FF_STORE_READ_ONLY);
	REQUIRE_OK(open_store(path, &catalog_v2, FF_STORE_READ_ONLY, NULL, &store));
	close_store(store);
}

static void a_store_that_is_migrated_under_us(void)
{
	ff_store *older, *newer;
	ff_txn *txn;
	const char *path = path_of("a.db");
	older = must_open(path);
	CHECK_INT((int64_t)count_rows(older, odd_v1()), 0);
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &newer));
	CHECK_CODE(subject.backend->begin(older, FF_TXN_READ, &txn, &error), FF_E_IO);
	CHECK(strstr(error.message, "version 2") != NULL);
	CHECK_CODE(subject.backend->begin(older, FF_TXN_WRITE, &txn, &error), FF_E_IO);
	REQUIRE_OK(subject.backend->begin(newer, FF_TXN_WRITE, &txn, &error));
	subject.backend->abort(txn);
	close_store(newer);
	close_store(older);
}

static const test_case cases[] = {
	CASE(an_older_store_is_migrated, "FF-MT-2"),
	CASE(a_new_index_has_the_old_rows, "FF-MT-2"),
	CASE(a_newer_store_is_refused, "FF-MT-2"),
	CASE(a_store_that_is_migrated_under_us, "FF-MT-2"),
};
FAMILY(cases_versions, cases);
