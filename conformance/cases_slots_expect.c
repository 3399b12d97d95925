/* Rows that a transaction expects and has not loaded, by the backend's own slots: any that is not so is a CONFLICT. */
#include "slots.h"

static ff_read expected(const ff_table *table, const ff_row *row)
{
	return (ff_read){ .table = table, .kind = FF_READ_GET, .low = row, .row = (ff_row *)(uintptr_t)row };
}

/* A transaction that expects `reads`, loads nothing and writes `count` rows, which may be none. */
static ff_code commit_expecting(ff_test *t, ffp_raw *raw, const ff_read *reads, size_t reads_count,
                                const ff_write *writes, size_t count)
{
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	raw->backend->expect(txn->txn, reads, reads_count);
	ff_code code = count ? ffp_slots_store(t, txn, writes, count) : FF_OK;
	if (code == FF_OK)
		return ffp_slots_commit(t, txn);
	ffp_slots_abort(t, txn);
	return code;
}

/* The row that such a transaction brings, and which is there afterwards only where it was to be committed. */
static ff_code insert_expecting(ff_test *t, ffp_raw *raw, const ff_read *reads, size_t count)
{
	ffp_odd_row fresh = ffp_odd("fresh", 0, "c", 1);
	const ff_write insert = { .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &fresh.row };
	ff_code code = commit_expecting(t, raw, reads, count, &insert, 1);
	FF_CHECK_EQ_INT(t, ffp_slots_get(t, raw, ffp_odd_table(), &fresh.row) != NULL, code == FF_OK);
	if (code == FF_OK)
		ffp_slots_delete(t, raw, ffp_odd_table(), &fresh.row);
	return code;
}

static void check_expected(ff_test *t, ffp_raw *raw, const ff_read *reads, size_t count, ff_code want)
{
	FF_CHECK_EQ_INT(t, commit_expecting(t, raw, reads, count, NULL, 0), want);
	FF_CHECK_EQ_INT(t, insert_expecting(t, raw, reads, count), want);
}

/* Rows of every kind, and others that differ from the first one in one column each, as little as may be. */
enum { ALIKE = 18 };

static void make_alike(ffp_odd_row *rows)
{
	for (size_t i = 0; i < ALIKE; i++)
		rows[i] = ffp_odd("a", 1, "c", INT64_C(1) << 33);
	rows[1].v += INT64_C(1) << 32;
	rows[2].v = -rows[2].v;
	rows[3].v = 0;
	rows[4].n -= 1;
	rows[5].n = 0;
	rows[6].n = 0;
	rows[6].row.nulls = 1u << FFP_ODD_N;
	rows[7].t = ffp_text_of("");
	rows[8].t = ffp_text_of("");
	rows[8].row.nulls = 1u << FFP_ODD_T;
	rows[9].t = ffp_text_of("T");
	rows[10].t = ffp_text_of("t ");
	rows[11].t = ffp_text_of("tt");
	rows[12].w = ffp_text_of("");
	rows[13].w = ffp_text_of("W");
	rows[14].w = ffp_text_of("w ");
	rows[15].w = ffp_text_of("\xc3\xa4");
	rows[16].w = ffp_text_of("a\xcc\x88"); /* the same letter by other bytes */
	rows[17].row.nulls = 1u << FFP_ODD_N | 1u << FFP_ODD_T;
	rows[17].n = 0;
	rows[17].t = ffp_text_of("");
}

/* Each is what it is expected to be, and is no other. */
static void slots_expected_rows_are_compared_whole(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row rows[ALIKE];
	make_alike(rows);
	for (size_t there = 0; there < ALIKE; there++) {
		ffp_slots_put(t, raw, ffp_odd_table(), &rows[there].row);
		for (size_t i = 0; i < ALIKE; i++) {
			const ff_read read = expected(ffp_odd_table(), &rows[i].row);
			FF_CHECK_EQ_INT(t, commit_expecting(t, raw, &read, 1, NULL, 0),
			                i == there ? FF_OK : FF_E_CONFLICT);
		}
		FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &rows[0].row),
		              &rows[there].row);
	}
}

static void slots_an_expected_row_that_is_gone(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5), neighbour = ffp_odd("a", 1, "d", 5);
	const ff_read read = expected(ffp_odd_table(), &row.row);
	check_expected(t, raw, &read, 1, FF_E_CONFLICT);
	ffp_slots_put(t, raw, ffp_odd_table(), &neighbour.row);
	check_expected(t, raw, &read, 1, FF_E_CONFLICT);
	ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
	check_expected(t, raw, &read, 1, FF_OK);
	ffp_slots_delete(t, raw, ffp_odd_table(), &row.row);
	check_expected(t, raw, &read, 1, FF_E_CONFLICT);
}

/* Wherever among many, and in whichever table, one is not so. */
static void slots_one_of_many_expected_rows(ff_test *t)
{
	enum { MANY = 300, PLAIN = 20 };
	static const int64_t places[] = { 0, 1, 63, 64, 127, 255, 256, MANY - 1 };
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row *rows = ff_test_alloc(t, MANY * sizeof(*rows));
	ffp_plain_row *plain = ff_test_alloc(t, PLAIN * sizeof(*plain));
	ff_read *reads = ff_test_alloc(t, (MANY + PLAIN) * sizeof(*reads));
	ff_write *writes = ff_test_alloc(t, (MANY + PLAIN) * sizeof(*writes));
	for (int64_t i = 0; i < MANY; i++) {
		rows[i] = ffp_odd("a", i, "c", i);
		reads[i] = expected(ffp_odd_table(), &rows[i].row);
	}
	for (int64_t i = 0; i < PLAIN; i++) {
		plain[i] = (ffp_plain_row){ .id = i, .name = ffp_text_of("p") };
		reads[MANY + i] = expected(ffp_plain_table(), &plain[i].row);
	}
	for (size_t i = 0; i < MANY + PLAIN; i++)
		writes[i] = (ff_write){ .table = reads[i].table, .kind = FF_WRITE_PUT, .after = reads[i].row };
	FF_REQUIRE_OK(t, commit_expecting(t, raw, NULL, 0, writes, MANY + PLAIN));
	check_expected(t, raw, reads, MANY + PLAIN, FF_OK);
	for (size_t i = 0; i < COUNT(places); i++) {
		int64_t at = places[i];
		ffp_odd_row changed = ffp_odd("a", at, "c", at + 1);
		ffp_slots_put(t, raw, ffp_odd_table(), &changed.row);
		check_expected(t, raw, reads, MANY + PLAIN, FF_E_CONFLICT);
		ffp_slots_put(t, raw, ffp_odd_table(), &rows[at].row);
	}
	ffp_slots_delete(t, raw, ffp_plain_table(), &plain[PLAIN - 1].row);
	check_expected(t, raw, reads, MANY + PLAIN, FF_E_CONFLICT);
	check_expected(t, raw, reads, MANY + PLAIN - 1, FF_OK);
}

/* A row may be expected and written: it is as it was expected when it is written. */
static void slots_an_expected_row_is_written(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row rows[] = { ffp_odd("a", 1, "c", 5), ffp_odd("b", 1, "c", 5), ffp_odd("c", 1, "c", 5) };
	ffp_odd_row after = ffp_odd("a", 1, "c", 6);
	const ff_read reads[] = { expected(ffp_odd_table(), &rows[0].row), expected(ffp_odd_table(), &rows[1].row),
		                  expected(ffp_odd_table(), &rows[2].row) };
	const ff_write writes[] = {
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = &rows[0].row, .after = &after.row },
		{ .table = ffp_odd_table(), .kind = FF_WRITE_DELETE, .before = &rows[1].row },
	};
	for (size_t i = 0; i < COUNT(rows); i++)
		ffp_slots_put(t, raw, ffp_odd_table(), &rows[i].row);
	FF_CHECK_EQ_INT(t, commit_expecting(t, raw, reads, COUNT(reads), writes, COUNT(writes)), FF_OK);
	/* A second time none of it is so, and the one that is stays. */
	FF_CHECK_EQ_INT(t, commit_expecting(t, raw, reads, COUNT(reads), writes, COUNT(writes)), FF_E_CONFLICT);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &after.row), &after.row);
	FF_CHECK(t, ffp_slots_get(t, raw, ffp_odd_table(), &rows[1].row) == NULL);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &rows[2].row), &rows[2].row);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

/* ---- threads that add --------------------------------------------------------------------------------------- */

enum { ADDERS = 4, ADDS = 50, TRIES_MAX = 100000 };

typedef struct crowd {
	ffp_raw *raws[ADDERS];
	_Atomic unsigned failed;
} crowd;

static ff_code try_to_add(const ffp_raw *raw, int64_t from)
{
	ffp_odd_row sum = ffp_odd("all", 0, "c", from), next = ffp_odd("all", 0, "c", from + 1);
	const ff_read read = expected(ffp_odd_table(), &sum.row);
	const ff_write write = {
		.table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = &sum.row, .after = &next.row
	};
	ff_error error;
	ff_txn *txn = NULL;
	ff_code code = raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, &error);
	if (code)
		return code;
	raw->backend->expect(txn, &read, 1);
	return ffp_slots_end_write(raw, txn, raw->backend->store(txn, &write, 1, &error), &error);
}

/* Expects each number in turn, until it is right. The numbers only grow. */
static void add_by_expectation(void *context, unsigned thread)
{
	crowd *shared = context;
	int64_t from = 0;
	unsigned added = 0;
	for (unsigned tries = 0; added < ADDS && tries < TRIES_MAX; tries++) {
		ff_code code = try_to_add(shared->raws[thread], from);
		if (code && !ffp_is_contention(code))
			break;
		from = code == FF_E_CONFLICT ? (from + 1) % (ADDERS * ADDS) : from + !code;
		added += !code;
	}
	shared->failed += added < ADDS;
}

/* Nothing commits between the look and the commit: no addition is lost. */
static void slots_expecting_handles_that_add(ff_test *t)
{
	crowd shared = { 0 };
	ffp_odd_row sum = ffp_odd("all", 0, "c", 0);
	for (unsigned i = 0; i < ADDERS; i++)
		shared.raws[i] = ffp_odd_open(t);
	ffp_slots_put(t, shared.raws[0], ffp_odd_table(), &sum.row);
	ffp_threads(t, ADDERS, add_by_expectation, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	sum = ffp_odd("all", 0, "c", ADDERS * ADDS);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, shared.raws[0], ffp_odd_table(), &sum.row), &sum.row);
}

/* Nor does another commit it between the store and the commit of who expects it, whatever that writes. */
static void slots_an_expected_row_stays_until_commit(ff_test *t)
{
	ffp_raw *one = NULL, *other = NULL;
	ffp_odd_row x = ffp_odd("x", 0, "c", 0), y = ffp_odd("y", 0, "c", 0), later = ffp_odd("x", 0, "c", 1);
	ffp_odd_open(t); /* to make a store may be to wait */
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_impatient_uri(t), &ffp_odd_catalog_1, 0, &one));
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_impatient_uri(t), &ffp_odd_catalog_1, 0, &other));
	ffp_slots_put(t, one, ffp_odd_table(), &x.row);
	const ff_read read = expected(ffp_odd_table(), &x.row);
	const ff_write insert = { .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &y.row };
	const ff_write change = {
		.table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = &x.row, .after = &later.row
	};
	ffp_slots_txn *txn = ffp_slots_begin(t, one, FF_TXN_WRITE);
	one->backend->expect(txn->txn, &read, 1);
	FF_REQUIRE_OK(t, ffp_slots_store(t, txn, &insert, 1));
	ff_txn *begun = NULL;
	ff_code theirs = ffp_slots_try_begin(t, other, FF_TXN_WRITE, &begun);
	if (!theirs) {
		other->backend->abort(begun);
		theirs = commit_expecting(t, other, NULL, 0, &change, 1);
	}
	ff_code ours = ffp_slots_commit(t, txn);
	FF_CHECK(t, !theirs || ffp_is_contention(theirs));
	FF_CHECK(t, !ours || ffp_is_contention(ours));
	FF_CHECK(t, !theirs != !ours);
}

static const ff_case table[] = {
	CASE(slots_expected_rows_are_compared_whole, "FF-RU-13 FF-ERR-4", FF_CASE_EXPECT),
	CASE(slots_an_expected_row_that_is_gone, "FF-RU-13 FF-ERR-4", FF_CASE_EXPECT),
	CASE(slots_one_of_many_expected_rows, "FF-RU-13 FF-ERR-4", FF_CASE_EXPECT),
	CASE(slots_an_expected_row_is_written, "FF-RU-13 FF-ERR-4", FF_CASE_EXPECT),
	CASE(slots_an_expected_row_stays_until_commit, "FF-RU-13 FF-ERR-4",
	     FF_CASE_EXPECT | FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING),
	CASE(slots_expecting_handles_that_add, "FF-RU-13 FF-ERR-4", FF_CASE_EXPECT | FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_slots_expect, table);
