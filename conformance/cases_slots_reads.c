/* Rows out by a backend's own slots: every kind of range against a plain list of rows, and what load answers. */
#include "slots.h"

/* ---- ranges ------------------------------------------------------------------------------------------------- */

static void slots_ranges_equal_a_filter(ff_test *t)
{
	enum { ROUNDS = 50, READS = 12 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 300);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ffp_odd_row bounds[READS][2];
		ff_read reads[READS];
		for (unsigned j = 0; j < READS; j++) {
			uint64_t index = ff_test_random_below(t, table->indexes_count + 1u);
			reads[j] = ffp_odd_random_range(t, index ? &table->indexes[index - 1] : NULL, &bounds[j][0],
			                                &bounds[j][1]);
		}
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, i % 2 ? FF_TXN_READ : FF_TXN_WRITE);
		ffp_slots_load(t, txn, reads, READS);
		for (unsigned j = 0; j < READS; j++)
			ffp_odd_list_check(t, rows, &reads[j]);
		ffp_slots_abort(t, txn);
	}
}

/* Every combination of counts and flags, with bounds taken from rows that are there: edges and ties. */
static void slots_ranges_of_every_shape(ff_test *t)
{
	enum { READS = 50 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 60);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	for (unsigned index = 0; index <= table->indexes_count; index++) {
		ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = 7 };
		read.index = index ? &table->indexes[index - 1] : NULL;
		unsigned counts = ff_order_count(table, read.index) + 1;
		unsigned shapes = counts * counts * counts * 8;
		for (unsigned shape = 0; shape < shapes;) {
			ffp_odd_row bounds[READS][2];
			ff_read reads[READS];
			unsigned count = 0;
			for (; count < READS && shape < shapes; count++, shape++) {
				read.equal_count = (uint8_t)(shape / 8 % counts);
				read.low_count = (uint8_t)(shape / 8 / counts % counts);
				read.high_count = (uint8_t)(shape / 8 / counts / counts);
				read.flags = shape % 8;
				for (unsigned end = 0; end < 2; end++) {
					bounds[count][end] = rows->rows[ff_test_random_below(t, rows->count)];
					bounds[count][end].row.nulls = 0;
				}
				read.low = &bounds[count][0].row;
				read.high = &bounds[count][1].row;
				reads[count] = read;
			}
			ffp_slots_load(t, txn, reads, count);
			for (unsigned i = 0; i < count; i++)
				ffp_odd_list_check(t, rows, &reads[i]);
		}
	}
}

static void slots_an_empty_store_answers_nothing(ff_test *t)
{
	const ff_table *table = ffp_odd_table();
	ffp_odd_row key = ffp_odd("a", 1, "c", 1);
	ff_row *not_null = &key.row;
	ff_read reads[] = {
		{ .table = table, .kind = FF_READ_GET, .low = &key.row, .row = not_null },
		{ .table = table, .kind = FF_READ_RANGE, .limit = 5, .rows_count = 9 },
		{ .table = table,
		  .kind = FF_READ_RANGE,
		  .index = &table->indexes[FFP_ODD_BY_N],
		  .flags = FF_READ_DESCENDING,
		  .limit = 5,
		  .rows_count = 9 },
		{ .table = table, .kind = FF_READ_RANGE, .low = &key.row, .equal_count = 3, .limit = 1 },
	};
	ffp_slots_read(t, ffp_odd_open(t), reads, COUNT(reads));
	FF_CHECK(t, reads[0].row == NULL);
	for (size_t i = 1; i < COUNT(reads); i++)
		FF_CHECK_EQ_INT(t, reads[i].rows_count, 0);
}

/* Each text as a key, in an index and as a value: it comes back byte by byte, and in its place. */
static void slots_texts_sort_by_bytes(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (size_t i = 0; i < COUNT(ffp_odd_texts); i++) {
		ffp_odd_row row = ffp_odd(ffp_odd_texts[i], 0, ffp_odd_texts[i], 0);
		row.t = row.w = row.a;
		ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
		FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &row.row), &row.row);
	}
	ff_read all = ffp_slots_all(t, raw, ffp_odd_table(), NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(ffp_odd_texts));
	for (size_t i = 1; i < all.rows_count; i++)
		FF_CHECK(t, ff_text_compare(ffp_odd_of(all.rows[i - 1])->a, ffp_odd_of(all.rows[i])->a) < 0);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* Walks an index page by page, each page from the row where the one before ended, and counts what it meets. */
static size_t walk(ff_test *t, ffp_raw *raw, const ff_index *index, uint32_t flags, uint32_t limit)
{
	const ff_table *table = ffp_odd_table();
	uint8_t count = (uint8_t)ff_order_count(table, index);
	bool down = flags & FF_READ_DESCENDING;
	ff_read page = { .table = table, .index = index, .kind = FF_READ_RANGE, .limit = limit };
	page.flags = flags | (down ? FF_READ_HIGH_EXCLUSIVE : FF_READ_LOW_EXCLUSIVE);
	size_t met = 0;
	for (unsigned pages = 0; pages < 100; pages++) {
		const ff_row *from = down ? page.high : page.low;
		ffp_slots_read(t, raw, &page, 1);
		for (size_t i = 0; i < page.rows_count; i++) {
			int order = from ? ff_row_compare(table, index, from, page.rows[i], count) : 0;
			FF_REQUIRE(t, !from || (down ? order > 0 : order < 0));
			from = page.rows[i];
		}
		met += page.rows_count;
		if (page.rows_count < limit)
			return met;
		if (down) {
			page.high = from;
			page.high_count = count;
		} else {
			page.low = from;
			page.low_count = count;
		}
	}
	return met;
}

/* Rows that are equal in the index's columns come by their keys, up and down, and no page loses one. */
static void slots_ties_come_by_key(ff_test *t)
{
	enum { ROWS = 41 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	for (int64_t i = 0; i < ROWS; i++) {
		ffp_odd_row row = ffp_odd(i % 2 ? "a" : "b", i * 7 % ROWS, "c", i % 3);
		ffp_slots_put(t, raw, table, &row.row);
	}
	for (unsigned i = 0; i <= table->indexes_count; i++) {
		const ff_index *index = i ? &table->indexes[i - 1] : NULL;
		FF_CHECK_EQ_INT(t, walk(t, raw, index, 0, 4), ROWS);
		FF_CHECK_EQ_INT(t, walk(t, raw, index, FF_READ_DESCENDING, 4), ROWS);
		FF_CHECK_EQ_INT(t, walk(t, raw, index, 0, 1), ROWS);
	}
}

/* More rows than a page of anybody's: each is had by its key, and the range has them all. */
static void slots_many_rows(ff_test *t)
{
	enum { ROWS = 2300 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_plain_table();
	ffp_plain_row *rows = ff_test_alloc(t, ROWS * sizeof(*rows));
	ff_write *writes = ff_test_alloc(t, ROWS * sizeof(*writes));
	ff_read *reads = ff_test_alloc(t, ROWS * sizeof(*reads));
	for (size_t i = 0; i < ROWS; i++) {
		rows[i] = (ffp_plain_row){ .id = (int64_t)i * 3 - ROWS,
			                   .name = ffp_text_of(ffp_odd_texts[i % COUNT(ffp_odd_texts)]) };
		writes[i] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &rows[i].row };
		reads[i] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows[i].row };
	}
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, reads, ROWS);
	for (size_t i = 0; i < ROWS; i++)
		FF_REQUIRE(t, reads[i].row == NULL);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, ROWS));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	ffp_slots_read(t, raw, reads, ROWS);
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == ROWS);
	for (size_t i = 0; i < ROWS; i++) {
		FF_REQUIRE(t, FFP_CHECK_ROW(t, table, reads[i].row, &rows[i].row));
		FF_REQUIRE(t, FFP_CHECK_ROW(t, table, all.rows[i], &rows[i].row));
	}
	all.flags = FF_READ_DESCENDING;
	ffp_slots_read(t, raw, &all, 1);
	FF_REQUIRE(t, all.rows_count == ROWS);
	FFP_CHECK_ROW(t, table, all.rows[0], &rows[ROWS - 1].row);
	FFP_CHECK_ROW(t, table, all.rows[ROWS - 1], &rows[0].row);
}

static void slots_tables_do_not_mix(ff_test *t)
{
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, 0, &raw));
	const ff_table *plain = &ffp_odd_catalog_2.tables[FFP_TABLE_PLAIN];
	const ff_table *late = &ffp_odd_catalog_2.tables[FFP_TABLE_LATE];
	ffp_plain_row in_plain = { .id = 1, .name = ffp_text_of("plain") };
	ffp_plain_row in_late = { .id = 1, .name = ffp_text_of("late") };
	const ff_write both[] = { { .table = plain, .kind = FF_WRITE_PUT, .after = &in_plain.row },
		                  { .table = late, .kind = FF_WRITE_PUT, .after = &in_late.row } };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, both, 2));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FF_CHECK(t, ffp_slots_get(t, raw, plain, &in_late.row) == NULL);
	FF_CHECK(t, ffp_slots_get(t, raw, late, &in_plain.row) == NULL);
	ffp_slots_delete(t, raw, plain, &in_plain.row);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, plain, NULL).rows_count, 0);
	FFP_CHECK_ROW(t, late, ffp_slots_get(t, raw, late, &in_late.row), &in_late.row);
}

/* ---- what load answers -------------------------------------------------------------------------------------- */

/* Reads of one load that name the same rows, in no order, each answered by itself. */
static void slots_many_reads_in_one_load(ff_test *t)
{
	enum { READS = 90 };
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 30);
	ffp_odd_row absent = ffp_odd("nobody", 1, "c", 1), low = rows->rows[3];
	low.row.nulls = 0;
	const ffp_odd_row *wanted[READS];
	ff_read reads[READS];
	for (unsigned i = 0; i < READS; i++) {
		wanted[i] = i % 7 == 0 ? NULL : &rows->rows[ff_test_random_below(t, rows->count)];
		reads[i] = (ff_read){ .table = ffp_odd_table(), .kind = FF_READ_GET };
		reads[i].low = wanted[i] ? &wanted[i]->row : &absent.row;
		if (i % 11 == 5)
			reads[i] = (ff_read){ .table = ffp_odd_table(),
				              .kind = FF_READ_RANGE,
				              .limit = 3,
				              .low = &low.row,
				              .low_count = 1 };
	}
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, reads, READS);
	for (unsigned i = 0; i < READS; i++) {
		if (reads[i].kind == FF_READ_RANGE)
			ffp_odd_list_check(t, rows, &reads[i]);
		else if (wanted[i])
			FFP_CHECK_ROW(t, ffp_odd_table(), reads[i].row, &wanted[i]->row);
		else
			FF_CHECK(t, reads[i].row == NULL);
	}
}

/* What load was given may be gone when it has answered. */
static void slots_answers_hold_no_arguments(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row there = ffp_odd("key", 1, "c", 5);
	ffp_slots_put(t, raw, ffp_odd_table(), &there.row);
	char a[] = "key", c[] = "c";
	ffp_odd_row key = { .a = { a, 3 }, .b = 1, .c = { c, 1 } };
	ff_read reads[] = {
		{ .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &key.row },
		{ .table = ffp_odd_table(), .kind = FF_READ_RANGE, .low = &key.row, .equal_count = 3, .limit = 2 },
	};
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, txn, reads, 2);
	memset(a, '?', 3);
	memset(c, '?', 1);
	memset(&key, 0, sizeof(key));
	FFP_CHECK_ROW(t, ffp_odd_table(), reads[0].row, &there.row);
	FF_REQUIRE(t, reads[1].rows_count == 1);
	FFP_CHECK_ROW(t, ffp_odd_table(), reads[1].rows[0], &there.row);
}

/* The answers of every load stand unchanged until the transaction's end, whatever else is loaded and stored. */
static void slots_rows_hold_until_the_end(ff_test *t)
{
	enum { LOADS = 6 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	const ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 80);
	for (unsigned kind = FF_TXN_READ; kind <= FF_TXN_WRITE; kind++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, (ff_txn_kind)kind);
		ff_read loads[LOADS][3];
		for (unsigned i = 0; i < LOADS; i++) {
			loads[i][0] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows->rows[i].row };
			loads[i][1] = (ff_read){ .table = table, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
			loads[i][2] = (ff_read){
				.table = table, .index = &table->indexes[i % 4], .kind = FF_READ_RANGE, .limit = 5 + i
			};
			ffp_slots_load(t, txn, loads[i], 3);
		}
		ffp_odd_row after = rows->rows[0], fresh = ffp_odd("fresh", 1, "c", 1);
		after.v++;
		after.w = ffp_text_of_size(t, 3000);
		bool in_order = ff_row_compare(table, NULL, &after.row, &fresh.row, FFP_ODD_KEY) < 0;
		ff_write writes[2];
		writes[!in_order] =
		    (ff_write){ .table = table, .kind = FF_WRITE_PUT, .before = loads[0][0].row, .after = &after.row };
		writes[in_order] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row };
		if (kind == FF_TXN_WRITE)
			FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, 2));
		for (unsigned i = 0; i < LOADS; i++) {
			FFP_CHECK_ROW(t, table, loads[i][0].row, &rows->rows[i].row);
			ffp_odd_list_check(t, rows, &loads[i][1]);
			ffp_odd_list_check(t, rows, &loads[i][2]);
		}
		ffp_slots_abort(t, txn);
	}
}

static const ff_case table[] = {
	CASE(slots_ranges_equal_a_filter, "FF-LIM-2", 0),
	CASE(slots_ranges_of_every_shape, "FF-LIM-2", 0),
	CASE(slots_an_empty_store_answers_nothing, "FF-MT-2", 0),
	CASE(slots_texts_sort_by_bytes, "FF-LIM-2", 0),
	CASE(slots_ties_come_by_key, "FF-LIM-2 FF-GS-2", 0),
	CASE(slots_many_rows, "FF-RU-12", 0),
	CASE(slots_tables_do_not_mix, "FF-MT-2", 0),
	CASE(slots_many_reads_in_one_load, "FF-RU-14", 0),
	CASE(slots_answers_hold_no_arguments, "FF-RU-14", 0),
	CASE(slots_rows_hold_until_the_end, "FF-RU-14", 0),
};

FAMILY(ffp_cases_slots_reads, table);
