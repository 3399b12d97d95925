/*
 * Many rows by a backend's own slots: more than a page, a batch of statements or 16 bits hold, in one store, one load and
 * one transaction. All of it is bulk, which --no-bulk leaves out.
 */
#include "slots.h"

/* Rows by the hundred thousand are not worth a block each. */
typedef struct bulk_arena {
	ff_arena arena;
	ff_test *test;
} bulk_arena;

static void *grow(ff_arena *arena, size_t size)
{
	enum { BLOCK = 1 << 20 };
	size_t block = size < BLOCK ? BLOCK : size;
	char *taken = ff_test_alloc(((bulk_arena *)arena)->test, block);
	arena->at = taken + size;
	arena->end = taken + block;
	return taken;
}

static bulk_arena arena_of(ff_test *t)
{
	static char nothing[1];
	return (bulk_arena){ .arena = { .at = nothing, .end = nothing, .grow = grow }, .test = t };
}

static void load_in_bulk(ff_test *t, ffp_raw *raw, ff_read *reads, size_t count)
{
	bulk_arena arena = arena_of(t);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_READ);
	FF_REQUIRE_OK(t, raw->backend->load(txn->txn, &arena.arena, reads, count, ff_test_error(t)));
	ffp_slots_abort(t, txn);
}

static void store_and_commit(ff_test *t, ffp_raw *raw, const ff_write *writes, size_t count)
{
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, count));
	FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
}

/* ---- a table longer than 16 bits count ---------------------------------------------------------------------- */

enum { LONG_ROWS = 70001, LONG_LEFT = 30000 };

static ffp_plain_row *long_list(ff_test *t)
{
	static const char *const names[] = { "", "a", "row", "another" };
	ffp_plain_row *rows = ff_test_alloc(t, LONG_ROWS * sizeof(*rows));
	for (size_t i = 0; i < LONG_ROWS; i++)
		rows[i] = (ffp_plain_row){ .id = (int64_t)i * 3 - 9, .name = ffp_text_of(names[i % 4]) };
	return rows;
}

/* A range of the whole table has the first `read->limit` of the rows, from its own end. */
static void check_long(ff_test *t, const ff_read *read, const ffp_plain_row *rows)
{
	bool down = read->flags & FF_READ_DESCENDING;
	size_t count = read->limit < LONG_ROWS ? read->limit : LONG_ROWS;
	FF_CHECK_EQ_INT(t, read->rows_count, count);
	for (size_t i = 0; i < read->rows_count && i < count; i++) {
		const ffp_plain_row *want = &rows[down ? LONG_ROWS - 1 - i : i];
		FF_REQUIRE(t, read->rows[i] && ffp_rows_equal(read->table, read->rows[i], &want->row));
	}
}

/* What lies between two rows goes at once, and they stay. */
static void delete_most(ff_test *t, ffp_raw *raw, const ffp_plain_row *rows)
{
	const ff_table *table = ffp_plain_table();
	const ff_read range = { .table = table,
		                .kind = FF_READ_RANGE,
		                .low_count = 2,
		                .high_count = 2,
		                .flags = FF_READ_LOW_EXCLUSIVE | FF_READ_HIGH_EXCLUSIVE,
		                .limit = 1,
		                .low = &rows[LONG_LEFT - 1].row,
		                .high = &rows[LONG_ROWS - 1].row };
	const ff_write gone = { .table = table, .kind = FF_WRITE_DELETE_RANGE, .range = &range };
	store_and_commit(t, raw, &gone, 1);
	ff_read left = { .table = table, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	load_in_bulk(t, raw, &left, 1);
	FF_REQUIRE(t, left.rows_count == LONG_LEFT + 1);
	FFP_CHECK_ROW(t, table, left.rows[LONG_LEFT - 1], &rows[LONG_LEFT - 1].row);
	FFP_CHECK_ROW(t, table, left.rows[LONG_LEFT], &rows[LONG_ROWS - 1].row);
}

static void slots_more_rows_than_16_bits_count(ff_test *t)
{
	static const uint32_t limits[] = { UINT32_MAX, LONG_ROWS - 1, 65536 };
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_plain_table();
	ffp_plain_row *rows = long_list(t);
	ff_write *writes = ff_test_alloc(t, LONG_ROWS * sizeof(*writes));
	for (size_t i = 0; i < LONG_ROWS; i++)
		writes[i] = (ff_write){ .table = table, .kind = FF_WRITE_PUT, .after = &rows[i].row };
	store_and_commit(t, raw, writes, LONG_ROWS);
	for (unsigned i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		ff_read both[] = {
			{ .table = table, .kind = FF_READ_RANGE, .limit = limits[i] },
			{ .table = table, .kind = FF_READ_RANGE, .limit = limits[i], .flags = FF_READ_DESCENDING }
		};
		load_in_bulk(t, raw, both, 2);
		check_long(t, &both[0], rows);
		check_long(t, &both[1], rows);
	}
	delete_most(t, raw, rows);
}

/* ---- a transaction of thousands of changes ------------------------------------------------------------------ */

enum { MANY = 3000, MANY_PLAIN = 3000, MANY_WRITES = 2 * MANY + 1 };

/* Rows as they are, and as the transaction leaves them: both in order of their keys. */
typedef struct change {
	ffp_odd_row before[MANY];
	ffp_odd_row after[2 * MANY];
	ff_write writes[MANY_WRITES];
	size_t after_count, writes_count;
	ffp_plain_row plain[MANY_PLAIN];
	ff_read range;
} change;

static void write_one(change *of, const ffp_odd_row *before, const ffp_odd_row *after)
{
	of->writes[of->writes_count++] = (ff_write){ .table = ffp_odd_table(),
		                                     .kind = after ? FF_WRITE_PUT : FF_WRITE_DELETE,
		                                     .before = before ? &before->row : NULL,
		                                     .after = after ? &after->row : NULL };
}

/* Of three rows one changes in all its columns, one goes and one stays; behind each fourth a new one comes. */
static void plan(change *of)
{
	for (size_t i = 0; i < MANY; i++) {
		const ffp_odd_row *before = &of->before[i];
		ffp_odd_row *after = &of->after[of->after_count];
		*after = *before;
		if (i % 3 == 0) {
			after->n = after->v = -after->v - 1;
			after->t = after->w = ffp_text_of("changed");
			write_one(of, before, after);
		} else if (i % 3 == 1) {
			write_one(of, before, NULL);
		}
		of->after_count += i % 3 != 1;
		if (i % 4 == 0) {
			ffp_odd_row *fresh = &of->after[of->after_count++];
			*fresh = ffp_odd("many", before->b + 1, "c", before->v);
			write_one(of, NULL, fresh);
		}
	}
	of->range = (ff_read){
		.table = ffp_plain_table(), .kind = FF_READ_RANGE, .low_count = 1, .low = &of->plain[1].row, .limit = 1
	};
	of->writes[of->writes_count++] =
	    (ff_write){ .table = ffp_plain_table(), .kind = FF_WRITE_DELETE_RANGE, .range = &of->range };
}

static void fill(ff_test *t, ffp_raw *raw, change *of)
{
	ff_write *writes = ff_test_alloc(t, (MANY + MANY_PLAIN) * sizeof(*writes));
	for (size_t i = 0; i < MANY; i++) {
		of->before[i] = ffp_odd("many", (int64_t)i * 2, "c", (int64_t)(i * 7 % 1000));
		writes[i] = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &of->before[i].row };
	}
	for (size_t i = 0; i < MANY_PLAIN; i++) {
		of->plain[i] = (ffp_plain_row){ .id = (int64_t)i, .name = ffp_text_of("plain") };
		writes[MANY + i] =
		    (ff_write){ .table = ffp_plain_table(), .kind = FF_WRITE_PUT, .after = &of->plain[i].row };
	}
	store_and_commit(t, raw, writes, MANY + MANY_PLAIN);
}

static void check_many(ff_test *t, ffp_raw *raw, const ffp_odd_row *rows, size_t count, const ffp_plain_row *plain,
                       size_t plain_count)
{
	ff_read all[] = { { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX },
		          { .table = ffp_plain_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX } };
	load_in_bulk(t, raw, all, 2);
	FF_REQUIRE(t, all[0].rows_count == count);
	FF_REQUIRE(t, all[1].rows_count == plain_count);
	for (size_t i = 0; i < count; i++)
		FF_REQUIRE(t, FFP_CHECK_ROW(t, ffp_odd_table(), all[0].rows[i], &rows[i].row));
	for (size_t i = 0; i < plain_count; i++)
		FF_REQUIRE(t, FFP_CHECK_ROW(t, ffp_plain_table(), all[1].rows[i], &plain[i].row));
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* An abort takes all of it back, and what a commit makes of it is all of it. */
static void slots_a_transaction_of_thousands(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	change *of = ff_test_alloc(t, sizeof(*of));
	fill(t, raw, of);
	plan(of);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, of->writes, of->writes_count));
	ffp_slots_abort(t, txn);
	check_many(t, raw, of->before, MANY, of->plain, MANY_PLAIN);
	store_and_commit(t, raw, of->writes, of->writes_count);
	check_many(t, raw, of->after, of->after_count, of->plain, 1);
}

static const ff_case table[] = {
	CASE(slots_more_rows_than_16_bits_count, "FF-RU-12", FF_CASE_BULK),
	CASE(slots_a_transaction_of_thousands, "FF-RU-12 FF-ERR-2", FF_CASE_BULK),
};

FAMILY(ffp_cases_slots_bulk, table);
