/* Transactions by a backend's own slots: what is seen when, by whom, and what is left after an end. */
#include <sched.h>
#include <stdatomic.h>

#include "slots.h"

/* ---- what an abort leaves ----------------------------------------------------------------------------------- */

static void slots_abort_undoes_everything(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row changed = ffp_odd("b", 1, "c", 5), gone = ffp_odd("c", 1, "c", 5),
		    in_range = ffp_odd("d", 1, "c", 5);
	ffp_odd_row fresh = ffp_odd("a", 1, "c", 7), after = changed;
	ffp_slots_put(t, raw, table, &changed.row);
	ffp_slots_put(t, raw, table, &gone.row);
	ffp_slots_put(t, raw, table, &in_range.row);
	after.n = after.v = 6;
	const ff_read range = {
		.table = table, .kind = FF_READ_RANGE, .equal_count = 1, .low = &in_range.row, .limit = 1
	};
	for (unsigned turn = 0; turn < 2; turn++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, FF_TXN_WRITE);
		const ff_write writes[] = {
			{ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row },
			{ .table = table,
			  .kind = FF_WRITE_PUT,
			  .before = ffp_slots_load_row(t, txn, table, &changed.row),
			  .after = &after.row },
			{ .table = table,
			  .kind = FF_WRITE_DELETE,
			  .before = ffp_slots_load_row(t, txn, table, &gone.row) },
			{ .table = table, .kind = FF_WRITE_DELETE_RANGE, .range = &range },
		};
		FF_REQUIRE(t, writes[1].before && writes[2].before);
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, COUNT(writes)));
		ffp_slots_abort(t, txn);
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 3);
		FF_CHECK(t, ffp_slots_get(t, raw, table, &fresh.row) == NULL);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &changed.row), &changed.row);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &gone.row), &gone.row);
		ffp_slots_check_indexes(t, raw, table);
	}
	ffp_slots_put(t, raw, table, &after.row);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 3);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &changed.row), &after.row);
}

/* Transactions that end in every way, many times over, leave nothing that the next one could meet. */
static void slots_ends_leave_nothing_open(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 120; i++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, i % 3 ? FF_TXN_READ : FF_TXN_WRITE);
		if (i % 4)
			FF_REQUIRE(t, ffp_odd_count_in(t, txn) == (size_t)(i + 19) / 20);
		if (i % 2)
			ffp_slots_abort(t, txn);
		else
			FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		if (i % 20 == 0)
			ffp_odd_put_numbered(t, raw, i);
	}
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 6);
}

static void slots_many_readers_at_once(ff_test *t)
{
	enum { READERS = 64 };
	ffp_raw *raw = ffp_odd_open(t);
	ffp_slots_txn *readers[READERS];
	ffp_odd_put_numbered(t, raw, 1);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = ffp_slots_begin(t, raw, FF_TXN_READ);
	for (unsigned i = 0; i < READERS; i++)
		FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, readers[i]), 1);
	for (unsigned i = 0; i < READERS; i++)
		ffp_slots_abort(t, readers[i]);
	ffp_odd_put_numbered(t, raw, 2);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 2);
}

/* ---- what is seen when -------------------------------------------------------------------------------------- */

/* Each snapshot is that of its first load, and stays it. */
static void slots_two_snapshots_across_a_commit(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_put_numbered(t, raw, 0);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	const ff_write put = { .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &row.row };
	ffp_slots_txn *early = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, early, NULL, 0); /* begin may have sent nothing yet */
	ffp_slots_txn *writer = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, writer, &put, 1));
	ffp_slots_txn *late = ffp_slots_begin(t, raw, FF_TXN_READ);
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, late), 1);
	FF_REQUIRE_OK(t, ffp_slots_commit(t, writer));
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, early), 1);
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, late), 1);
	FF_CHECK(t, ffp_slots_load_row(t, early, ffp_odd_table(), &row.row) == NULL);
	ffp_slots_txn *after = ffp_slots_begin(t, raw, FF_TXN_READ);
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, after), 2);
	ffp_slots_delete(t, raw, ffp_odd_table(), &row.row);
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, after), 2);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_load_row(t, after, ffp_odd_table(), &row.row), &row.row);
	FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, early), 1);
	ff_read by_v = { .table = ffp_odd_table(),
		         .index = &ffp_odd_table()->indexes[FFP_ODD_BY_V],
		         .kind = FF_READ_RANGE,
		         .limit = 9 };
	ffp_slots_load(t, after, &by_v, 1);
	FF_CHECK_EQ_INT(t, by_v.rows_count, 2);
}

/* A handle sees every commit that was acknowledged, its own and those of another, at its next begin of either kind. */
static void commit_and_look(ff_test *t, ffp_raw *writer, ffp_raw *reader)
{
	size_t there = ffp_odd_count(t, reader);
	for (int64_t i = 0; i < 12; i++) {
		ffp_odd_put_numbered(t, i % 2 ? writer : reader, (int64_t)there);
		there++;
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, reader), there);
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, writer), there);
		ffp_slots_txn *txn = ffp_slots_begin(t, i % 3 ? writer : reader, FF_TXN_WRITE);
		FF_CHECK_EQ_INT(t, ffp_odd_count_in(t, txn), there);
		ffp_slots_abort(t, txn);
	}
	ffp_odd_row row = ffp_odd("passing", 0, "c", 77);
	ffp_slots_put(t, writer, ffp_odd_table(), &row.row);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, reader, ffp_odd_table(), &row.row), &row.row);
	ffp_slots_delete(t, reader, ffp_odd_table(), &row.row);
	FF_CHECK(t, ffp_slots_get(t, writer, ffp_odd_table(), &row.row) == NULL);
	ffp_slots_check_indexes(t, writer, ffp_odd_table());
	ffp_slots_check_indexes(t, reader, ffp_odd_table());
}

static void slots_commits_are_seen_at_once(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	commit_and_look(t, raw, raw);
}

static void slots_two_handles_are_one_store(ff_test *t)
{
	ffp_raw *one = ffp_odd_open(t), *other = ffp_odd_open(t);
	commit_and_look(t, one, other);
	ffp_raw_close(t, one);
	ffp_raw *third = ffp_odd_open(t);
	commit_and_look(t, third, other);
}

static void slots_a_reading_handle_follows_the_store(ff_test *t)
{
	ffp_raw *writer = ffp_odd_open(t), *reader = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &reader));
	for (int64_t i = 0; i < 5; i++) {
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, reader), i);
		ffp_odd_put_numbered(t, writer, i);
	}
	ffp_slots_check_indexes(t, reader, ffp_odd_table());
}

/* Nothing is written by a handle that was opened to read. */
static void slots_a_reading_handle_begins_no_write(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_put_numbered(t, raw, 0);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	for (unsigned turn = 0; turn < 2; turn++) { /* and it reads on */
		ff_txn *txn = NULL;
		ff_code code = ffp_slots_try_begin(t, raw, FF_TXN_WRITE, &txn);
		if (!code)
			raw->backend->abort(txn);
		FF_CHECK_CODE(t, code, FF_E_MISUSE);
		FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 1);
	}
}

/* What is stored and not yet committed is seen by nobody else. */
static void slots_uncommitted_writes_are_unseen(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	const ff_table *table = ffp_odd_table();
	ffp_odd_row before = ffp_odd("a", 1, "c", 5), after = before, fresh = ffp_odd("b", 1, "c", 5);
	ffp_slots_put(t, raw, table, &before.row);
	after.v = 6;
	ffp_slots_txn *writer = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	const ff_row *loaded = ffp_slots_load_row(t, writer, table, &before.row);
	FF_REQUIRE(t, loaded != NULL);
	const ff_write writes[] = {
		{ .table = table, .kind = FF_WRITE_PUT, .before = loaded, .after = &after.row },
		{ .table = table, .kind = FF_WRITE_PUT, .after = &fresh.row },
	};
	FF_REQUIRE_OK(t, ffp_slots_store(t, writer, writes, 2));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 1);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &before.row), &before.row);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, &table->indexes[FFP_ODD_BY_V]).rows_count, 1);
	FF_REQUIRE_OK(t, ffp_slots_commit(t, writer));
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, raw), 2);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &before.row), &after.row);
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

enum { PAIRS = 60 };

/* What threads share. Each has a handle of its own, or all have one. */
typedef struct crowd {
	ffp_raw *raws[FFP_ADDERS];
	_Atomic unsigned torn, failed, looks;
	_Atomic bool done;
} crowd;

static void add_by_thread(void *context, unsigned thread)
{
	crowd *shared = context;
	shared->failed += ffp_odd_add_many(shared->raws[thread], thread) != FF_OK;
}

/* Nothing commits between another's loads and its commit. */
static void slots_handles_that_add(ff_test *t)
{
	crowd shared = { 0 };
	for (unsigned i = 0; i < FFP_ADDERS; i++)
		shared.raws[i] = ffp_odd_open(t);
	ffp_threads(t, FFP_ADDERS, add_by_thread, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	ffp_odd_check_sum(t, shared.raws[0]);
}

static void add_or_keep_house(void *context, unsigned thread)
{
	crowd *shared = context;
	const ffp_raw *raw = shared->raws[0];
	if (thread == 0)
		shared->failed += ffp_odd_add_many(raw, 0) != FF_OK;
	for (unsigned i = 0; thread && raw->backend->housekeep && i < FFP_ADDS; i++)
		raw->backend->housekeep(raw->store);
}

/* What a store does for itself beside a writer changes no row, and keeps nobody from writing. */
static void slots_housekeeping_disturbs_nobody(ff_test *t)
{
	crowd shared = { .raws = { ffp_odd_open(t) } };
	ffp_threads(t, 3, add_or_keep_house, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	FF_CHECK_EQ_INT(t, ffp_odd_count(t, shared.raws[0]), FFP_ADDS + 1);
	ffp_slots_check_indexes(t, shared.raws[0], ffp_odd_table());
}

/* Writes two rows together, over and over. */
static void write_pairs(crowd *shared)
{
	const ffp_raw *raw = shared->raws[0];
	for (int64_t i = 1, tries = 0; i < PAIRS && tries < 1000; tries++) {
		ffp_odd_row before[] = { ffp_odd("x", 0, "c", i - 1), ffp_odd("y", 0, "c", i - 1) };
		ffp_odd_row after[] = { ffp_odd("x", 0, "c", i), ffp_odd("y", 0, "c", i) };
		const ff_write writes[] = {
			{ .table = ffp_odd_table(),
			  .kind = FF_WRITE_PUT,
			  .before = &before[0].row,
			  .after = &after[0].row },
			{ .table = ffp_odd_table(),
			  .kind = FF_WRITE_PUT,
			  .before = &before[1].row,
			  .after = &after[1].row },
		};
		ff_txn *txn = NULL;
		ff_error error;
		ff_code code = raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, &error);
		if (!code)
			code = ffp_slots_end_write(raw, txn, raw->backend->store(txn, writes, 2, &error), &error);
		if (code && !ffp_is_contention(code))
			break;
		i += !code;
		shared->failed = i < PAIRS;
	}
	shared->done = true;
}

/* Whether one transaction finds both rows, and finds them equal in each of its loads. */
static ff_code look_at_pair(crowd *shared)
{
	const ffp_raw *raw = shared->raws[0];
	ffp_own_arena own;
	ff_arena *arena = ffp_own_arena_clear(&own);
	ffp_odd_row keys[] = { ffp_odd("x", 0, "c", 0), ffp_odd("y", 0, "c", 0) };
	ff_read reads[4];
	ff_txn *txn = NULL;
	ff_error error;
	ff_code code = raw->backend->begin(raw->store, FF_TXN_READ, &txn, &error);
	if (code)
		return code;
	for (unsigned i = 0; !code && i < COUNT(reads); i++) {
		reads[i] = (ff_read){ .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &keys[i % 2].row };
		code = raw->backend->load(txn, arena, &reads[i], 1, &error);
		sched_yield();
	}
	for (unsigned i = 0; !code && i < COUNT(reads); i++)
		shared->torn += !reads[i].row || ffp_odd_of(reads[i].row)->v != ffp_odd_of(reads[0].row)->v;
	raw->backend->abort(txn);
	shared->looks++;
	return code;
}

static void write_or_look(void *context, unsigned thread)
{
	crowd *shared = context;
	if (!thread)
		write_pairs(shared);
	/* So many looks at most: where readers hold up writers, they must not do so for ever. */
	for (unsigned i = 0; thread && !shared->done && i < 500; i++) {
		ff_code code = look_at_pair(shared);
		if (code && !ffp_is_contention(code)) {
			shared->failed = 1000;
			return;
		}
		sched_yield();
	}
}

/* With snapshots or without: a read transaction sees one committed state, whole. */
static void slots_readers_see_one_state(ff_test *t)
{
	crowd shared = { 0 };
	shared.raws[0] = ffp_odd_open(t);
	ffp_odd_row x = ffp_odd("x", 0, "c", 0), y = ffp_odd("y", 0, "c", 0);
	ffp_slots_put(t, shared.raws[0], ffp_odd_table(), &x.row);
	ffp_slots_put(t, shared.raws[0], ffp_odd_table(), &y.row);
	ffp_threads(t, FFP_ADDERS, write_or_look, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	FF_CHECK_EQ_INT(t, shared.torn, 0);
	FF_REQUIRE_OK(t, look_at_pair(&shared));
	FF_CHECK_EQ_INT(t, shared.torn, 0);
}

/* ---- writers ------------------------------------------------------------------------------------------------ */

/* Stores a row as it was loaded, with one more in v, and ends the transaction. */
static ff_code add_at(ff_test *t, ffp_slots_txn *txn, const ff_row *loaded)
{
	FF_REQUIRE(t, loaded != NULL);
	ffp_odd_row after = *ffp_odd_of(loaded);
	after.v++;
	const ff_write write = {
		.table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = loaded, .after = &after.row
	};
	ff_code code = ffp_slots_store(t, txn, &write, 1);
	if (!code)
		return ffp_slots_commit(t, txn);
	ffp_slots_abort(t, txn);
	return code;
}

/* Of two writers that begin before the other's end, one waits, or one is told. None is lost. */
static void slots_writers_exclude_each_other(ff_test *t)
{
	ffp_raw *one = NULL, *other = NULL;
	const char *uri = ff_test_impatient_uri(t);
	ffp_odd_open(t); /* to make a store may be to wait */
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, 0, &one));
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, 0, &other));
	ffp_odd_put_numbered(t, one, 0);
	ffp_odd_row key = ffp_odd("n", 0, "c", 0);
	int64_t done = 0;
	for (unsigned turn = 0; turn < 4; turn++) {
		ffp_raw *first = turn % 2 ? one : other, *second = turn % 2 ? other : one;
		ffp_slots_txn *held = ffp_slots_begin(t, first, FF_TXN_WRITE);
		/* By its key, or as one of a range of all roots. */
		ff_read all = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = 2 };
		if (turn >= 2)
			ffp_slots_load(t, held, &all, 1);
		FF_REQUIRE(t, turn < 2 || all.rows_count == 1);
		const ff_row *seen = turn < 2 ? ffp_slots_load_row(t, held, ffp_odd_table(), &key.row) : all.rows[0];
		ff_txn *begun = NULL;
		ff_code code = ffp_slots_try_begin(t, second, FF_TXN_WRITE, &begun);
		if (!code) {
			second->backend->abort(begun);
			ffp_slots_txn *late = ffp_slots_begin(t, second, FF_TXN_WRITE);
			ff_read read = { .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &key.row };
			/* Where begin sends nothing, it is load that finds the row taken. */
			code = ffp_slots_try_load(t, late, &read, 1);
			if (code)
				ffp_slots_abort(t, late);
			else
				code = add_at(t, late, read.row);
		}
		done += !code;
		FF_CHECK(t, !code || ffp_is_contention(code));
		bool lost = !code;
		code = add_at(t, held, seen);
		done += !code;
		FF_CHECK(t, !code || ffp_is_contention(code));
		FF_CHECK(t, lost == (code != FF_OK));
	}
	const ff_row *row = ffp_slots_get(t, one, ffp_odd_table(), &key.row);
	FF_REQUIRE(t, row != NULL);
	FF_CHECK_EQ_INT(t, ffp_odd_of(row)->v, done);
	FF_CHECK_EQ_INT(t, done, 4);
}

/* Loads a row, adds to it and commits; or what kept it from that. */
static ff_code load_and_add(ff_test *t, ffp_slots_txn *txn, const ffp_odd_row *key)
{
	ff_read read = { .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &key->row };
	ff_code code = ffp_slots_try_load(t, txn, &read, 1);
	if (!code)
		return add_at(t, txn, read.row);
	ffp_slots_abort(t, txn);
	return code;
}

/* A writer that goes on to another root, which somebody wrote since its first load, sees that, or is told. */
static void slots_a_later_load_is_as_new_as_its_lock(ff_test *t)
{
	ffp_raw *raws[2];
	ffp_odd_row x = ffp_odd("x", 0, "c", 0), y = ffp_odd("y", 0, "c", 0);
	ffp_slots_txn *writers[2];
	int64_t done = 0;
	ffp_odd_open(t); /* to make a store may be to wait */
	for (unsigned i = 0; i < 2; i++)
		FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_impatient_uri(t), &ffp_odd_catalog_1, 0, &raws[i]));
	ffp_slots_put(t, raws[0], ffp_odd_table(), &x.row);
	ffp_slots_put(t, raws[0], ffp_odd_table(), &y.row);
	for (unsigned i = 0; i < 2; i++)
		writers[i] = ffp_slots_begin(t, raws[i], FF_TXN_WRITE);
	FF_CHECK(t, ffp_slots_load_row(t, writers[0], ffp_odd_table(), &x.row) != NULL);
	for (unsigned i = 2; i-- > 0;) {
		ff_code code = load_and_add(t, writers[i], &y);
		FF_CHECK(t, !code || ffp_is_contention(code));
		done += !code;
	}
	const ff_row *row = ffp_slots_get(t, raws[0], ffp_odd_table(), &y.row);
	FF_REQUIRE(t, row != NULL);
	FF_CHECK_EQ_INT(t, ffp_odd_of(row)->v, done);
	FF_CHECK(t, done > 0);
}

/* Two writers at once, of different roots: neither waits, both commit, and what they did is there. */
static void slots_writers_of_two_roots_at_once(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row rows[] = { ffp_odd("a", 1, "c", 5), ffp_odd("b", 1, "c", 5) };
	ff_write puts[2];
	ffp_slots_txn *writers[2];
	for (unsigned i = 0; i < 2; i++)
		writers[i] = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	for (unsigned i = 0; i < 2; i++) {
		puts[i] = (ff_write){ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
		FF_CHECK(t, ffp_slots_load_row(t, writers[i], ffp_odd_table(), &rows[i].row) == NULL);
		FF_REQUIRE_OK(t, ffp_slots_store(t, writers[i], &puts[i], 1));
	}
	for (unsigned i = 2; i-- > 0;)
		FF_REQUIRE_OK(t, ffp_slots_commit(t, writers[i]));
	for (unsigned i = 0; i < 2; i++)
		FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_get(t, raw, ffp_odd_table(), &rows[i].row), &rows[i].row);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

static const ff_case table[] = {
	CASE(slots_abort_undoes_everything, "FF-ERR-2", 0),
	CASE(slots_ends_leave_nothing_open, "FF-ERR-2", 0),
	CASE(slots_many_readers_at_once, "FF-GS-3", FF_CAP_SNAPSHOT_READ),
	CASE(slots_commits_are_seen_at_once, "FF-RU-12", 0),
	CASE(slots_two_handles_are_one_store, "FF-RU-12", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_reading_handle_follows_the_store, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_reading_handle_begins_no_write, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_two_snapshots_across_a_commit, "FF-GS-3", FF_CAP_SNAPSHOT_READ),
	CASE(slots_uncommitted_writes_are_unseen, "FF-GS-3 FF-RU-12", FF_CAP_SNAPSHOT_READ),
	CASE(slots_readers_see_one_state, "FF-GS-1 FF-RU-12", 0),
	CASE(slots_housekeeping_disturbs_nobody, "FF-MT-1", 0),
	CASE(slots_handles_that_add, "FF-RU-13", FF_CASE_SECOND_HANDLE),
	CASE(slots_writers_exclude_each_other, "FF-RU-13 FF-ERR-4", FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING),
	CASE(slots_writers_of_two_roots_at_once, "FF-RU-13", FF_CAP_CONCURRENT_WRITERS),
	CASE(slots_a_later_load_is_as_new_as_its_lock, "FF-RU-13",
	     FF_CAP_CONCURRENT_WRITERS | FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING),
};

FAMILY(ffp_cases_slots_transactions, table);
