/* Stores by a backend's own slots: their limits, what opens and what does not, and schemas that grow. */
#include "slots.h"

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void slots_limits_are_kept_to(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (unsigned turn = 0; turn < 2; turn++) {
		ff_store_limits limits;
		memset(&limits, 0xff, sizeof(limits));
		FF_REQUIRE_OK(t, raw->backend->limits(raw->store, &limits, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, limits.caps & ~raw->backend->caps, 0);
		FF_CHECK_EQ_INT(t, limits.caps & ~FF_CAPS_KNOWN, 0);
		FF_CHECK_EQ_INT(t, limits.caps, ff_test_given(t) & FF_CAPS_KNOWN);
		FF_CHECK(t, (unsigned)limits.durability <= FF_DURABILITY_NONE);
		/* What only another handle can disprove needs a harness that has one. */
		bool shared = ff_test_given(t) & FF_CASE_SECOND_HANDLE;
		FF_CHECK(t, shared || !(limits.caps & (FF_CAP_DURABLE_COMMIT | FF_CAP_MULTI_PROCESS)));
		/* What survives loss of power is what both words mean. */
		FF_CHECK_EQ_INT(t, (limits.caps & FF_CAP_DURABLE_COMMIT) != 0, limits.durability == FF_DURABILITY_FULL);
		FF_CHECK(t, memchr(limits.version, 0, sizeof(limits.version)) != NULL);
		FF_CHECK(t, *limits.version);
		ffp_odd_put_numbered(t, raw, turn);
	}
}

static void refuse(ff_test *t, const char *uri, const ff_catalog *catalog, uint32_t flags, ff_code want)
{
	ffp_raw *raw = NULL;
	FF_CHECK_CODE(t, ffp_raw_open_at(t, uri, catalog, flags, &raw), want);
}

static const char *with_parameter(ff_test *t, const char *uri)
{
	return ff_test_text(t, "%s%cno_such_parameter=1", uri, strchr(uri, '?') ? '&' : '?');
}

/* The name of the parameter by which the harness makes a store impatient: one that the store knows. */
static const char *known_parameter(ff_test *t)
{
	const char *uri = ff_test_impatient_uri(t), *last = strrchr(uri, '&');
	last = last ? last : strrchr(uri, '?');
	return last ? ff_test_text(t, "%.*s", (int)strcspn(last + 1, "="), last + 1) : "";
}

/* The error names it, and lists those that there are. */
static void slots_an_unknown_parameter_is_refused(ff_test *t)
{
	refuse(t, with_parameter(t, ff_test_uri(t)), &ffp_odd_catalog_1, 0, FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "no_such_parameter") != NULL);
	bool knows_one = ff_test_given(t) & FF_CASE_NO_WAITING;
	if (knows_one && !FF_CHECK(t, strstr(ff_test_error(t)->message, known_parameter(t)) != NULL))
		ff_test_note(t, "'%s' is not listed: %s", known_parameter(t), ff_test_error(t)->message);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, ffp_odd_open(t)), 0);
}

static _Thread_local unsigned entries;

static int count_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)path;
	(void)status;
	(void)kind;
	(void)walk;
	entries++;
	return 0;
}

/* Where a store can be looked for past its backend, which may take what it left for no store. */
static void refuse_and_leave_nothing(ff_test *t, const char *uri, uint32_t flags, ff_code want)
{
	refuse(t, uri, &ffp_odd_catalog_1, flags, want);
	if (!(ff_test_given(t) & FF_CASE_FILES))
		return;
	entries = 0;
	ffp_files_walk(ff_test_path(t, uri), count_entry);
	if (!FF_CHECK_EQ_INT(t, entries, 0))
		ff_test_note(t, "files or directories, left by an open that answered %s", ff_code_name(want));
}

static void slots_a_failed_open_leaves_nothing(ff_test *t)
{
	const char *uri = ff_test_missing_uri(t);
	for (unsigned turn = 0; turn < 3; turn++) {
		refuse_and_leave_nothing(t, uri, FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
		refuse_and_leave_nothing(t, uri, FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
		refuse_and_leave_nothing(t, with_parameter(t, uri), 0, FF_E_INVALID);
		refuse_and_leave_nothing(t, with_parameter(t, uri), FF_STORE_READ_ONLY, FF_E_INVALID);
	}
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, 0, &raw));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 0);
	ffp_odd_put_numbered(t, raw, 1);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 1);
}

/* Nobody has to have written a row for the store to be there. */
static void slots_an_empty_store_outlives_its_handle(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_MUST_EXIST, &raw));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 0);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 0);
}

/* ---- schemas ------------------------------------------------------------------------------------------------ */

enum { OLD_ROWS = 40 };

/* A row of version 1 as a later version reads it. */
static ffp_odd_row migrated(const ff_table *table, const ffp_odd_row *old)
{
	ffp_odd_row row = *old;
	row.row.nulls = 0;
	for (unsigned i = 0; i < table->columns_count; i++) {
		bool was_null =
		    (table->columns[i].offset == offsetof(ffp_odd_row, n) && ff_row_is_null(&old->row, FFP_ODD_N)) ||
		    (table->columns[i].offset == offsetof(ffp_odd_row, t) && ff_row_is_null(&old->row, FFP_ODD_T));
		if (was_null || (table->columns[i].since > 1 && table->columns[i].nullable))
			row.row.nulls |= 1u << i;
	}
	return row;
}

static ffp_odd_row old_row(int64_t i)
{
	ffp_odd_row row = ffp_odd(i % 2 ? "a" : "b", i, "c", i % 5);
	row.row.nulls = (i % 3 ? 0 : 1u << FFP_ODD_N) | (i % 4 ? 0 : 1u << FFP_ODD_T);
	return row;
}

static void fill_old(ff_test *t, ffp_raw *raw)
{
	for (int64_t i = 0; i < OLD_ROWS; i++) {
		ffp_odd_row row = old_row(i);
		ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
	}
}

static void check_migrated(ff_test *t, ffp_raw *raw, const ff_table *table)
{
	for (int64_t i = 0; i < OLD_ROWS; i++) {
		ffp_odd_row old = old_row(i), want = migrated(table, &old);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &old.row), &want.row);
	}
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, OLD_ROWS);
	ffp_slots_check_indexes(t, raw, table);
}

/* The new columns take values, in the new index too; so does the new table. */
static void use_what_is_new(ff_test *t, ffp_raw *raw, const ff_catalog *catalog)
{
	const ff_table *table = &catalog->tables[FFP_TABLE_ODD], *late = &catalog->tables[FFP_TABLE_LATE];
	ffp_odd_row old = old_row(1), after = migrated(table, &old);
	after.row.nulls = 0;
	after.x = -7;
	after.y = ffp_text_of("y");
	after.z = ffp_text_of("z");
	after.late = INT64_MIN;
	ffp_slots_put(t, raw, table, &after.row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &old.row), &after.row);
	ff_read by_y = ffp_slots_all(t, raw, table, &table->indexes[FFP_ODD_BY_Y_X]);
	FF_REQUIRE(t, by_y.rows_count == 1);
	FFP_CHECK_ROW(t, table, by_y.rows[0], &after.row);
	ffp_slots_check_indexes(t, raw, table);
	ffp_plain_row row = { .id = 3, .name = ffp_text_of("late") };
	FF_CHECK(t, ffp_slots_get(t, raw, late, &row.row) == NULL);
	ffp_slots_put(t, raw, late, &row.row);
	FFP_CHECK_ROW(t, late, ffp_slots_get(t, raw, late, &row.row), &row.row);
	after = migrated(table, &old);
	ffp_slots_put(t, raw, table, &after.row);
	ffp_slots_delete(t, raw, late, &row.row);
}

static void migrate_to(ff_test *t, const ff_catalog *catalog)
{
	ffp_raw *raw = ffp_odd_open(t);
	fill_old(t, raw);
	ffp_raw_close(t, raw);
	for (unsigned turn = 0; turn < 2; turn++) { /* the second time there is nothing to do */
		FF_REQUIRE_OK(t, ffp_raw_open(t, catalog, FF_STORE_MUST_EXIST, &raw));
		check_migrated(t, raw, &catalog->tables[FFP_TABLE_ODD]);
		use_what_is_new(t, raw, catalog);
		ffp_raw_close(t, raw);
	}
	FF_REQUIRE_OK(t, ffp_raw_open(t, catalog, FF_STORE_READ_ONLY, &raw));
	check_migrated(t, raw, &catalog->tables[FFP_TABLE_ODD]);
}

static void slots_an_older_schema_is_migrated(ff_test *t)
{
	migrate_to(t, &ffp_odd_catalog_2);
}

static void slots_a_much_older_schema_is_migrated(ff_test *t)
{
	migrate_to(t, &ffp_odd_catalog_3);
}

/* Who opens it to read may not migrate it, and cannot read it as it is. */
static void slots_an_older_schema_is_not_read(ff_test *t)
{
	static const ff_catalog *const newer[] = { &ffp_odd_catalog_2, &ffp_odd_catalog_3 };
	static const uint32_t flags[] = { FF_STORE_READ_ONLY, FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST };
	ffp_raw *raw = ffp_odd_open(t);
	fill_old(t, raw);
	ffp_raw_close(t, raw);
	for (unsigned i = 0; i < 4; i++) {
		refuse(t, ff_test_uri(t), newer[i % 2], flags[i / 2], FF_E_UNAVAILABLE);
		FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, flags[i / 2], &raw));
		check_migrated(t, raw, ffp_odd_table());
		ffp_raw_close(t, raw);
	}
	/* And it is none the worse for it. */
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, FF_STORE_MUST_EXIST, &raw));
	check_migrated(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD]);
}

static void slots_a_newer_schema_is_left_untouched(ff_test *t)
{
	ffp_raw *raw = NULL;
	const ff_table *table = &ffp_odd_catalog_2.tables[FFP_TABLE_ODD];
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, 0, &raw));
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	row.x = 8;
	row.y = ffp_text_of("y");
	row.z = ffp_text_of("z");
	ffp_slots_put(t, raw, table, &row.row);
	ffp_raw_close(t, raw);
	for (uint32_t flags = 0; flags <= (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST); flags++)
		refuse(t, ff_test_uri(t), &ffp_odd_catalog_1, flags, FF_E_VERSION);
	/* It is not taken down to what the older library knew, either. */
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, FF_STORE_MUST_EXIST, &raw));
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
	ffp_slots_check_indexes(t, raw, table);
	refuse(t, ff_test_uri(t), &ffp_odd_catalog_1, 0, FF_E_VERSION);
}

/* Of a row that is not there. */
static ff_code begin_and_load(ff_test *t, ffp_raw *raw, ff_txn_kind kind)
{
	ffp_odd_row key = ffp_odd("none", 0, "", 0);
	ff_read read = { .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &key.row };
	ffp_slots_txn txn = { .raw = raw };
	ff_code code = ffp_slots_try_begin(t, raw, kind, &txn.txn);
	if (code != FF_OK)
		return code;
	code = ffp_slots_try_load(t, &txn, &read, 1);
	raw->backend->abort(txn.txn);
	return code;
}

/* By a newer library, in another process as a rule. */
static void slots_a_store_that_is_migrated_while_it_is_open(ff_test *t)
{
	ffp_raw *older = ffp_odd_open(t), *newer = NULL;
	fill_old(t, older);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, 0, &newer));
	FF_CHECK_CODE(t, begin_and_load(t, older, FF_TXN_READ), FF_E_IO);
	FF_CHECK_CODE(t, begin_and_load(t, older, FF_TXN_WRITE), FF_E_IO);
	check_migrated(t, newer, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD]);
	use_what_is_new(t, newer, &ffp_odd_catalog_2);
}

static const ff_case table[] = {
	CASE(slots_limits_are_kept_to, "FF-MT-2", 0),
	CASE(slots_an_unknown_parameter_is_refused, "FF-ERR-1", 0),
	CASE(slots_a_failed_open_leaves_nothing, "FF-MT-2 FF-ERR-2", FF_CASE_MISSING_STORE),
	CASE(slots_an_empty_store_outlives_its_handle, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_an_older_schema_is_migrated, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_much_older_schema_is_migrated, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_an_older_schema_is_not_read, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_newer_schema_is_left_untouched, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_store_that_is_migrated_while_it_is_open, "FF-MT-2", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_slots_store, table);
