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
	CASE(a_newer_store_is_refused, "FF-MT-2"),
	CASE(a_store_that_is_migrated_under_us, "FF-MT-2"),
};
FAMILY(cases_versions, cases);
