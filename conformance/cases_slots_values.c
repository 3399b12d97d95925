/* Values by a backend's own slots: NULL, numbers and texts of every size, as keys, in indexes and beside them. */
#include <stdlib.h>

#include "slots.h"

/* Every way to have NULL, 0 or empty, or something else, in the columns that may be NULL and those that may not. */
static void slots_null_zero_and_empty_are_three(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	static const ff_text choices[] = { { "", 0 }, { NULL, 0 }, { "t", 1 }, { "0", 1 } };
	for (unsigned turn = 0; turn < 2; turn++) { /* made, then changed from one to another */
		for (unsigned i = 0; i < 64; i++) {
			unsigned kind = turn ? 63 - i : i;
			ffp_odd_row row = ffp_odd("a", (int64_t)i, kind % 2 ? "" : "c", kind / 2 % 2 ? 7 : 0);
			row.n = 0;
			row.row.nulls = (kind / 4 % 2 ? 1u << FFP_ODD_N : 0) | (kind / 8 % 2 ? 1u << FFP_ODD_T : 0);
			row.t = choices[kind / 16 % 4];
			row.w = choices[(kind / 16 + 1) % 4];
			if (turn)
				row.c = i % 2 ? ffp_text_of("") : ffp_text_of("c");
			ffp_slots_put(t, raw, table, &row.row);
			FF_REQUIRE(t, FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row));
		}
	}
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, 64);
	ffp_slots_check_indexes(t, raw, table);
}

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Around every power of two, above and below 0, in order, each once. */
static size_t every_size(int64_t numbers_of[64 * 6])
{
	size_t count = 0, different = 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (unsigned i = 0; i < 6; i++) {
			uint64_t bits = (UINT64_C(1) << bit) + i % 3 - 1;
			numbers_of[count++] = (int64_t)(i < 3 ? bits : ~bits);
		}
	}
	qsort(numbers_of, count, sizeof(*numbers_of), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		if (!i || numbers_of[i] != numbers_of[i - 1])
			numbers_of[different++] = numbers_of[i];
	}
	return different;
}

/* As a key, in indexes, as a value: made, and then changed from one to another. */
static void slots_numbers_of_every_size(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	int64_t sizes[64 * 6];
	size_t count = every_size(sizes);
	ffp_odd_row rows[COUNT(sizes)];
	ff_write writes[COUNT(sizes)];
	ff_read reads[COUNT(sizes)];
	for (unsigned turn = 0; turn < 2; turn++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		for (size_t i = 0; i < count; i++) {
			rows[i] = ffp_odd("a", sizes[i], "c", sizes[(i + turn) % count]);
			reads[i] = (ff_read){ .table = table, .kind = FF_READ_GET, .low = &rows[i].row };
		}
		ffp_slots_load(t, txn, reads, count);
		for (size_t i = 0; i < count; i++) {
			FF_REQUIRE(t, !reads[i].row == !turn);
			writes[i] = (ff_write){
				.table = table, .kind = FF_WRITE_PUT, .before = reads[i].row, .after = &rows[i].row
			};
		}
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, count));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		ffp_slots_read(t, raw, reads, count);
		for (size_t i = 0; i < count; i++)
			FF_REQUIRE(t, FFP_CHECK_ROW(t, table, reads[i].row, &rows[i].row));
		ff_read all = ffp_slots_all(t, raw, table, &table->indexes[FFP_ODD_BY_V]);
		FF_REQUIRE(t, all.rows_count == count);
		for (size_t i = 0; i < count; i++)
			FF_CHECK_EQ_INT(t, ffp_odd_of(all.rows[i])->v, sizes[i]);
		ffp_slots_check_indexes(t, raw, table);
	}
}

static void slots_texts_of_every_size(ff_test *t)
{
	static const size_t sizes[] = { 0,   1,   2,   31,  32,   63,   64,   65,    127,   128,   129,
		                        255, 256, 257, 511, 1023, 4095, 4096, 16383, 16384, 65536, 100000 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row rows[COUNT(sizes)];
	for (size_t i = 0; i < COUNT(sizes); i++) {
		rows[i] = ffp_odd("a", (int64_t)i, "c", 0);
		rows[i].w = ffp_text_of_size(t, sizes[i]);
		ffp_slots_put(t, raw, table, &rows[i].row);
	}
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(sizes));
	for (size_t i = 0; i < COUNT(sizes); i++)
		FFP_CHECK_ROW(t, table, all.rows[i], &rows[i].row);
	/* And the largest grows small, the smallest large. */
	rows[0].w = ffp_text_of_size(t, 70000);
	rows[COUNT(sizes) - 1].w = ffp_text_of("w");
	ffp_slots_put(t, raw, table, &rows[0].row);
	ffp_slots_put(t, raw, table, &rows[COUNT(sizes) - 1].row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &rows[0].row), &rows[0].row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &rows[COUNT(sizes) - 1].row), &rows[COUNT(sizes) - 1].row);
}

static const ff_table *engine_table(ff_test *t, const char *name)
{
	for (size_t i = 0; i < ffp_raw_catalog.tables_count; i++) {
		if (!strcmp(ffp_raw_catalog.tables[i].name, name))
			return &ffp_raw_catalog.tables[i];
	}
	FF_REQUIRE(t, false);
	return NULL;
}

/* A row of an engine's table whose key texts have the sizes given, the last one ending in `last`. */
static ff_row *long_key(ff_test *t, const ff_table *table, const size_t *sizes, char last)
{
	ff_row *row = ff_test_alloc(t, table->row_size);
	for (unsigned i = 0; i < table->key_count; i++) {
		const ff_column *column = &table->columns[i];
		if (column->type != FF_TYPE_TEXT)
			continue;
		char *bytes = (char *)(uintptr_t)ffp_name_of_size(t, '~', sizes[i]);
		if (i + 1 == table->key_count)
			bytes[sizes[i] - 1] = last;
		*ff_row_text(row, column) = (ff_text){ bytes, sizes[i] };
	}
	return row;
}

/* The longest keys that FF-LIM-1 allows, which differ in their last byte only. */
static void slots_longest_keys(ff_test *t)
{
	static const struct {
		const char *table;
		size_t sizes[3];
	} keys[] = { { "ff_budget_usage_dedup", { 256, 128 } },
		     { "ff_budget_usage_by_exec", { 128, 128, 64 } },
		     { "ff_quota_admitted", { 128, 128 } },
		     { "ff_budget_policy", { 128 } } };
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_raw_catalog, 0, &raw));
	for (size_t i = 0; i < COUNT(keys); i++) {
		const ff_table *table = engine_table(t, keys[i].table);
		ff_row *low = long_key(t, table, keys[i].sizes, 'a'), *high = long_key(t, table, keys[i].sizes, 'b');
		ffp_slots_put(t, raw, table, high);
		ffp_slots_put(t, raw, table, low);
		ff_read all = ffp_slots_all(t, raw, table, NULL);
		FF_REQUIRE(t, all.rows_count == 2);
		FFP_CHECK_ROW(t, table, all.rows[0], low);
		FFP_CHECK_ROW(t, table, all.rows[1], high);
		ffp_slots_delete(t, raw, table, low);
		FF_CHECK(t, ffp_slots_get(t, raw, table, low) == NULL);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, high), high);
		ffp_slots_check_indexes(t, raw, table);
	}
}

/* Puts a row whose w is no text; false where the store takes no such bytes. */
static bool put_no_text(ff_test *t, ffp_raw *raw, const ff_row *row)
{
	const ff_write write = { .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = row };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_CHECK(t, ffp_slots_load_row(t, txn, ffp_odd_table(), row) == NULL);
	if (!ffp_slots_store(t, txn, &write, 1))
		return !ffp_slots_commit(t, txn);
	ffp_slots_abort(t, txn);
	return false;
}

/* Others can write to a store, too. What no core can have written is told from a text, and another row takes its place. */
static void slots_bytes_that_are_no_text(ff_test *t)
{
	static const ff_text bytes[] = { { "\xff", 1 }, { "a\xc3", 2 }, { "\xc0\x80", 2 }, { "a\0b", 3 } };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row good = ffp_odd("a", COUNT(bytes), "c", 7);
	ffp_slots_put(t, raw, table, &good.row);
	for (size_t i = 0; i < COUNT(bytes); i++) {
		ffp_odd_row row = ffp_odd("a", (int64_t)i, "c", 7);
		row.w = bytes[i];
		if (!put_no_text(t, raw, &row.row))
			continue;
		const ff_row *got = ffp_slots_get(t, raw, table, &row.row);
		FF_REQUIRE(t, got != NULL);
		FF_CHECK_EQ_INT(t, got->state, FF_ROW_CORRUPT);
		FF_CHECK(t, ff_row_compare(table, NULL, got, &row.row, table->key_count) == 0);
		FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, 2);
		row.w = ffp_text_of("w");
		ffp_slots_put(t, raw, table, &row.row);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
		ffp_slots_delete(t, raw, table, &row.row);
	}
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &good.row), &good.row);
	ffp_slots_check_indexes(t, raw, table);
}

static const ff_case table[] = {
	CASE(slots_null_zero_and_empty_are_three, "FF-MT-2", 0), CASE(slots_numbers_of_every_size, "FF-LIM-4", 0),
	CASE(slots_texts_of_every_size, "FF-LIM-1", 0),          CASE(slots_longest_keys, "FF-LIM-1 FF-LIM-2", 0),
	CASE(slots_bytes_that_are_no_text, "FF-LIM-1", 0),
};

FAMILY(ffp_cases_slots_values, table);
