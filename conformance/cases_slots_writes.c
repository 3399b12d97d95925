/* Rows in by a backend's own slots: every kind of write, against a plain list of rows, and conflicts. */
#include "slots.h"

/* ---- writes ------------------------------------------------------------------------------------------------- */

/* One write to a random row: of a new one, of random columns of an old one, or its end. */
static void random_write(ff_test *t, ffp_odd_list *rows, ff_write *write, ffp_odd_row *after)
{
	ffp_odd_row fresh = ffp_odd_random(t);
	if (rows->count && ff_test_random_below(t, 3)) { /* most of them meet a row that is there */
		const ffp_odd_row *key = &rows->rows[ff_test_random_below(t, rows->count)];
		fresh.a = key->a;
		fresh.b = key->b;
		fresh.c = key->c;
	}
	const ffp_odd_row *before = ffp_odd_list_find(rows, &fresh);
	*after = fresh;
	*write = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &after->row };
	if (before && ff_test_random_below(t, 4) == 0) {
		write->kind = FF_WRITE_DELETE;
		write->after = NULL;
	} else if (before) {
		uint64_t changed = ff_test_random_below(t, 16);
		uint32_t nulls = (changed & 1 ? 1u << FFP_ODD_N : 0) | (changed & 2 ? 1u << FFP_ODD_T : 0);
		*after = *before;
		after->row.nulls = (before->row.nulls & ~nulls) | (fresh.row.nulls & nulls);
		after->n = changed & 1 ? fresh.n : before->n;
		after->t = changed & 2 ? fresh.t : before->t;
		after->v = changed & 4 ? fresh.v : before->v;
		after->w = changed & 8 ? fresh.w : before->w;
	}
}

static void apply(ffp_odd_list *rows, const ff_write *write, const ffp_odd_row *after)
{
	ffp_odd_row *before = ffp_odd_list_find(rows, after);
	if (write->kind == FF_WRITE_DELETE)
		*before = rows->rows[--rows->count];
	else if (before)
		*before = *after;
	else
		rows->rows[rows->count++] = *after;
}

static void slots_writes_equal_a_list(ff_test *t)
{
	enum { WRITES = 400 }; /* of which each may add a row to the first 120 */
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_list *rows = ff_test_alloc(t, sizeof(*rows));
	const ffp_odd_list *first = ffp_odd_list_fill(t, raw, 120);
	*rows = *first;
	for (unsigned i = 0; i < WRITES; i++) {
		ff_write write;
		ffp_odd_row after;
		random_write(t, rows, &write, &after);
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		write.before = ffp_slots_load_row(t, txn, write.table, &after.row);
		const ffp_odd_row *before = ffp_odd_list_find(rows, &after);
		FF_REQUIRE(t, !before == !write.before);
		FF_REQUIRE(t, !before || FFP_CHECK_ROW(t, write.table, write.before, &before->row));
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		if (ff_test_random_below(t, 5) == 0) {
			ffp_slots_abort(t, txn);
		} else {
			FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
			apply(rows, &write, &after);
		}
		if (i % 50 == 49)
			ffp_odd_list_check_all(t, raw, rows);
	}
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* What was committed is there when all handles were closed; what was aborted is not. */
static void slots_reopen_and_read_back(ff_test *t)
{
	static const uint32_t flags[] = { FF_STORE_READ_ONLY, FF_STORE_MUST_EXIST, 0 };
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 100);
	for (unsigned turn = 0; turn < COUNT(flags); turn++) {
		ffp_odd_row gone = rows->rows[turn], changed = rows->rows[turn + 50];
		changed.v ^= 1;
		ffp_slots_delete(t, raw, ffp_odd_table(), &gone.row);
		ffp_slots_put(t, raw, ffp_odd_table(), &changed.row);
		rows->rows[turn + 50] = changed;
		rows->rows[turn] = rows->rows[--rows->count];
		ffp_raw_close(t, raw);
		FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, flags[turn], &raw));
		ffp_odd_list_check_all(t, raw, rows);
		ffp_raw_close(t, raw);
		raw = ffp_odd_open(t);
	}
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* Each column alone: it changes, and no other does. */
static void slots_each_column_changes_alone(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row row = ffp_odd("a", 1, "c", 5), neighbour = ffp_odd("a", 2, "c", 5);
	ffp_slots_put(t, raw, table, &row.row);
	ffp_slots_put(t, raw, table, &neighbour.row);
	for (unsigned turn = 0; turn < 3; turn++) { /* another value, NULL where that may be, and back */
		for (unsigned i = FFP_ODD_KEY; i < FFP_ODD_COLUMNS; i++) {
			const ff_column *column = &table->columns[i];
			row.row.nulls &= ~(1u << i);
			if (turn == 1 && column->nullable)
				row.row.nulls |= 1u << i;
			else if (column->type == FF_TYPE_INT64)
				*ff_row_int64(&row.row, column) = 10 * (turn + 1) + i;
			else
				*ff_row_text(&row.row, column) = ffp_text_of(ffp_odd_texts[turn * 4 + i]);
			ffp_slots_put(t, raw, table, &row.row);
			FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
			FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &neighbour.row), &neighbour.row);
			ffp_slots_check_indexes(t, raw, table);
		}
	}
	/* And none at all. */
	ffp_slots_put(t, raw, table, &row.row);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
}

/* How many rows an index has at one value of its first column. */
static size_t count_at(ff_test *t, ffp_raw *raw, unsigned index, const ffp_odd_row *at)
{
	ff_read read = { .table = ffp_odd_table(),
		         .index = &ffp_odd_table()->indexes[index],
		         .kind = FF_READ_RANGE,
		         .equal_count = 1,
		         .limit = 9,
		         .low = &at->row };
	ffp_slots_read(t, raw, &read, 1);
	return read.rows_count;
}

/* An entry goes where its row goes: to another value, to NULL and out, back in, and away with its row. */
static void slots_index_entries_follow_their_rows(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row at_5 = ffp_odd("a", 1, "c", 5), at_6 = at_5, gone = at_5;
	at_6.n = at_6.v = 6;
	gone.row.nulls = 1u << FFP_ODD_N;
	ffp_slots_put(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 1);
	ffp_slots_put(t, raw, table, &at_6.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_V, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 1);
	ffp_slots_put(t, raw, table, &gone.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_V, &at_5), 1);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_MANY, &at_5), 0);
	ffp_slots_put(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 1);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_MANY, &at_5), 1);
	ffp_slots_delete(t, raw, table, &at_5.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_A_T, &at_5), 0);
	/* The same key comes back, elsewhere. */
	ffp_slots_put(t, raw, table, &at_6.row);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_5), 0);
	FF_CHECK_EQ_INT(t, count_at(t, raw, FFP_ODD_BY_N, &at_6), 1);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &at_5.row), &at_6.row);
}

static void slots_a_deleted_key_can_come_back(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	for (int64_t i = 0; i < 4; i++) {
		ffp_odd_row row = ffp_odd("a", 1, "c", i);
		if (i % 2)
			row.row.nulls = 1u << FFP_ODD_T;
		FF_CHECK(t, ffp_slots_get(t, raw, table, &row.row) == NULL);
		ffp_slots_put(t, raw, table, &row.row);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &row.row), &row.row);
		ffp_slots_delete(t, raw, table, &row.row);
		ffp_slots_check_indexes(t, raw, table);
	}
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, NULL).rows_count, 0);
}

static void slots_nothing_to_load_or_store(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, txn, NULL, 0);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_load(t, txn, NULL, 0);
	FF_CHECK_CODE(t, ffp_slots_store(t, txn, NULL, 0), FF_OK);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_CHECK_CODE(t, ffp_slots_commit(t, txn), FF_OK);
	txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ffp_slots_abort(t, txn);
	ff_read all = ffp_slots_all(t, raw, ffp_odd_table(), NULL);
	FF_REQUIRE(t, all.rows_count == 1);
	FFP_CHECK_ROW(t, ffp_odd_table(), all.rows[0], &row.row);
}

static void slots_delete_range_takes_its_range_only(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (unsigned i = 0; i < 30; i++) {
		ffp_odd_list *rows = ffp_odd_list_fill(t, raw, 50);
		ffp_odd_row bounds[2];
		ff_read range = ffp_odd_random_range(t, NULL, &bounds[0], &bounds[1]);
		range.flags &= ~FF_READ_DESCENDING;
		range.limit = 1; /* is not looked at */
		if (i % 3 == 0 && range.low)
			bounds[0] = rows->rows[ff_test_random_below(t, rows->count)]; /* an edge that is there */
		bounds[0].row.nulls = 0;
		ff_read everything = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = 1 };
		ff_write write = { .table = ffp_odd_table(), .kind = FF_WRITE_DELETE_RANGE, .range = &range };
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		for (size_t j = 0; j < rows->count;) {
			if (ffp_odd_is_in_range(&range, &rows->rows[j].row))
				rows->rows[j] = rows->rows[--rows->count];
			else
				j++;
		}
		ffp_odd_list_check_all(t, raw, rows);
		write.range = &everything;
		txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &write, 1));
		FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		rows->count = 0;
		ffp_odd_list_check_all(t, raw, rows);
	}
}

/* A new row, a changed one, one that goes, in two tables, and at the end a range, which takes a new row along: all in one
 * store. */
static void slots_one_store_writes_all_kinds(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *odd = ffp_odd_table(), *plain = ffp_plain_table();
	ffp_odd_row changed = ffp_odd("b", 1, "c", 5), gone = ffp_odd("c", 1, "c", 5), fresh = ffp_odd("a", 1, "c", 5);
	ffp_slots_put(t, raw, odd, &changed.row);
	ffp_slots_put(t, raw, odd, &gone.row);
	for (int64_t i = 0; i < 6; i++) {
		ffp_plain_row row = { .id = i, .name = ffp_text_of("p") };
		if (i != 3)
			ffp_slots_put(t, raw, plain, &row.row);
	}
	ffp_odd_row after = changed;
	after.v = 6;
	ffp_plain_row in_plain = { .id = 9, .name = ffp_text_of("p") };
	ffp_plain_row in_range = { .id = 3, .name = ffp_text_of("p") }, low = { .id = 1 }, high = { .id = 4 };
	const ff_read range = { .table = plain,
		                .kind = FF_READ_RANGE,
		                .low_count = 1,
		                .high_count = 1,
		                .low = &low.row,
		                .high = &high.row,
		                .flags = FF_READ_LOW_EXCLUSIVE,
		                .limit = 1 };
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	const ff_write writes[] = {
		{ .table = odd, .kind = FF_WRITE_PUT, .after = &fresh.row },
		{ .table = odd,
		  .kind = FF_WRITE_PUT,
		  .before = ffp_slots_load_row(t, txn, odd, &changed.row),
		  .after = &after.row },
		{ .table = odd, .kind = FF_WRITE_DELETE, .before = ffp_slots_load_row(t, txn, odd, &gone.row) },
		{ .table = plain, .kind = FF_WRITE_PUT, .after = &in_range.row },
		{ .table = plain, .kind = FF_WRITE_PUT, .after = &in_plain.row },
		{ .table = plain, .kind = FF_WRITE_DELETE_RANGE, .range = &range },
	};
	FF_REQUIRE(t, writes[1].before && writes[2].before);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, COUNT(writes)));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, odd, NULL).rows_count, 2);
	FFP_CHECK_ROW(t, odd, ffp_slots_get(t, raw, odd, &fresh.row), &fresh.row);
	FFP_CHECK_ROW(t, odd, ffp_slots_get(t, raw, odd, &changed.row), &after.row);
	static const int64_t left[] = { 0, 1, 5, 9 };
	ff_read all = ffp_slots_all(t, raw, plain, NULL);
	FF_REQUIRE(t, all.rows_count == COUNT(left));
	for (size_t i = 0; i < COUNT(left); i++)
		FF_CHECK_EQ_INT(t, ((const ffp_plain_row *)all.rows[i])->id, left[i]);
	ffp_slots_check_indexes(t, raw, odd);
}

/* ---- conflicts ---------------------------------------------------------------------------------------------- */

/* Stores what is not as the writes say: store or commit tells so, and nothing is changed. */
static void check_conflict(ff_test *t, ffp_raw *raw, const ff_write *writes, size_t count, const ffp_odd_row *there)
{
	const ff_table *table = ffp_odd_table();
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	ff_code code = ffp_slots_store(t, txn, writes, count);
	if (code)
		ffp_slots_abort(t, txn);
	else
		code = ffp_slots_commit(t, txn);
	FF_CHECK_CODE(t, code, FF_E_CONFLICT);
	ff_read all = ffp_slots_all(t, raw, table, NULL);
	FF_REQUIRE(t, all.rows_count == 1);
	FFP_CHECK_ROW(t, table, all.rows[0], &there->row);
	ffp_slots_check_indexes(t, raw, table);
}

/* A row that was not looked for and is stored as new, although it is there. */
static void slots_insert_of_what_is_there_is_a_conflict(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row there = ffp_odd("b", 1, "c", 5), other = ffp_odd("a", 1, "c", 5), after = there;
	after.v = 6;
	ffp_slots_put(t, raw, table, &there.row);
	const ff_write writes[] = { { .table = table, .kind = FF_WRITE_PUT, .after = &other.row },
		                    { .table = table, .kind = FF_WRITE_PUT, .after = &after.row } };
	check_conflict(t, raw, writes, 2, &there);
	/* And what is absent indeed is put. */
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &writes[0], 1));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &other.row), &other.row);
}

/* A row that was loaded and is gone, among others that are as they were: alone, first and last. */
static void write_what_is_gone(ff_test *t, ff_write_kind kind)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	static const char *const gone_at[] = { "a", "d" };
	ffp_odd_row there = ffp_odd("b", 1, "c", 5), fresh = ffp_odd("c", 1, "c", 5), after[2];
	ffp_slots_put(t, raw, table, &there.row);
	for (unsigned i = 0; i < COUNT(gone_at); i++) {
		ffp_odd_row gone = ffp_odd(gone_at[i], 1, "c", 5);
		ffp_slots_put(t, raw, table, &gone.row);
		const ff_row *loaded[] = { ffp_slots_get(t, raw, table, &gone.row),
			                   ffp_slots_get(t, raw, table, &there.row) };
		FF_REQUIRE(t, loaded[0] && loaded[1]);
		ffp_slots_delete(t, raw, table, &gone.row);
		ff_write writes[3];
		for (unsigned j = 0; j < 2; j++) {
			after[j] = *ffp_odd_of(loaded[j]);
			after[j].v = after[j].n = 6;
			writes[j] = (ff_write){ .table = table, .kind = (uint8_t)kind, .before = loaded[j] };
			writes[j].after = kind == FF_WRITE_PUT ? &after[j].row : NULL;
		}
		check_conflict(t, raw, writes, 1, &there);
		writes[2] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row };
		if (i) {
			const ff_write last = writes[0];
			writes[0] = writes[1];
			writes[1] = writes[2];
			writes[2] = last;
		}
		check_conflict(t, raw, writes, 3, &there);
	}
}

static void slots_update_of_what_is_gone_is_a_conflict(ff_test *t)
{
	write_what_is_gone(t, FF_WRITE_PUT);
}

static void slots_delete_of_what_is_gone_is_a_conflict(ff_test *t)
{
	write_what_is_gone(t, FF_WRITE_DELETE);
}

static const ff_case table[] = {
	CASE(slots_writes_equal_a_list, "FF-RU-12 FF-ERR-2", 0),
	CASE(slots_reopen_and_read_back, "FF-MT-2 FF-RU-12", FF_CASE_SECOND_HANDLE),
	CASE(slots_each_column_changes_alone, "FF-RU-12", 0),
	CASE(slots_index_entries_follow_their_rows, "FF-RB-4", 0),
	CASE(slots_a_deleted_key_can_come_back, "FF-RU-12", 0),
	CASE(slots_nothing_to_load_or_store, "FF-RU-12", 0),
	CASE(slots_delete_range_takes_its_range_only, "FF-MT-1", 0),
	CASE(slots_one_store_writes_all_kinds, "FF-RU-12", 0),
	CASE(slots_insert_of_what_is_there_is_a_conflict, "FF-RU-1", 0),
	CASE(slots_update_of_what_is_gone_is_a_conflict, "FF-RU-13", 0),
	CASE(slots_delete_of_what_is_gone_is_a_conflict, "FF-RU-13", 0),
};

FAMILY(ffp_cases_slots_writes, table);
