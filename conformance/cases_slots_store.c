/* Stores and transactions by a backend's own slots: what is seen when, by whom, and what is left after an end. */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slots.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static size_t count_rows(ff_test *t, ffp_slots_txn *txn)
{
	ff_read all = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	ffp_slots_load(t, txn, &all, 1);
	return all.rows_count;
}

static size_t count_committed(ff_test *t, ffp_raw *raw)
{
	return ffp_slots_all(t, raw, ffp_odd_table(), NULL).rows_count;
}

static void put_numbered(ff_test *t, ffp_raw *raw, int64_t number)
{
	ffp_odd_row row = ffp_odd("n", number, "c", number);
	ffp_slots_put(t, raw, ffp_odd_table(), &row.row);
}

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
		FF_CHECK_EQ_INT(t, count_committed(t, raw), 3);
		FF_CHECK(t, ffp_slots_get(t, raw, table, &fresh.row) == NULL);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &changed.row), &changed.row);
		FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &gone.row), &gone.row);
		ffp_slots_check_indexes(t, raw, table);
	}
	ffp_slots_put(t, raw, table, &after.row);
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 3);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &changed.row), &after.row);
}

/* Transactions that end in every way, many times over, leave nothing that the next one could meet. */
static void slots_ends_leave_nothing_open(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 120; i++) {
		ffp_slots_txn *txn = ffp_slots_begin(t, raw, i % 3 ? FF_TXN_READ : FF_TXN_WRITE);
		if (i % 4)
			FF_REQUIRE(t, count_rows(t, txn) == (size_t)(i + 19) / 20);
		if (i % 2)
			ffp_slots_abort(t, txn);
		else
			FF_REQUIRE_OK(t, ffp_slots_commit(t, txn));
		if (i % 20 == 0)
			put_numbered(t, raw, i);
	}
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 6);
}

static void slots_many_readers_at_once(ff_test *t)
{
	enum { READERS = 64 };
	ffp_raw *raw = ffp_odd_open(t);
	ffp_slots_txn *readers[READERS];
	put_numbered(t, raw, 1);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = ffp_slots_begin(t, raw, FF_TXN_READ);
	for (unsigned i = 0; i < READERS; i++)
		FF_CHECK_EQ_INT(t, count_rows(t, readers[i]), 1);
	for (unsigned i = 0; i < READERS; i++)
		ffp_slots_abort(t, readers[i]);
	put_numbered(t, raw, 2);
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 2);
}

/* ---- what is seen when -------------------------------------------------------------------------------------- */

/* Each snapshot is that of its first load, and stays it. */
static void slots_two_snapshots_across_a_commit(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	put_numbered(t, raw, 0);
	ffp_odd_row row = ffp_odd("a", 1, "c", 5);
	const ff_write put = { .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &row.row };
	ffp_slots_txn *early = ffp_slots_begin(t, raw, FF_TXN_READ);
	ffp_slots_load(t, early, NULL, 0); /* begin may have sent nothing yet */
	ffp_slots_txn *writer = ffp_slots_begin(t, raw, FF_TXN_WRITE);
	FF_REQUIRE_OK(t, ffp_slots_store(t, writer, &put, 1));
	ffp_slots_txn *late = ffp_slots_begin(t, raw, FF_TXN_READ);
	FF_CHECK_EQ_INT(t, count_rows(t, late), 1);
	FF_REQUIRE_OK(t, ffp_slots_commit(t, writer));
	FF_CHECK_EQ_INT(t, count_rows(t, early), 1);
	FF_CHECK_EQ_INT(t, count_rows(t, late), 1);
	FF_CHECK(t, ffp_slots_load_row(t, early, ffp_odd_table(), &row.row) == NULL);
	ffp_slots_txn *after = ffp_slots_begin(t, raw, FF_TXN_READ);
	FF_CHECK_EQ_INT(t, count_rows(t, after), 2);
	ffp_slots_delete(t, raw, ffp_odd_table(), &row.row);
	FF_CHECK_EQ_INT(t, count_rows(t, after), 2);
	FFP_CHECK_ROW(t, ffp_odd_table(), ffp_slots_load_row(t, after, ffp_odd_table(), &row.row), &row.row);
	FF_CHECK_EQ_INT(t, count_rows(t, early), 1);
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
	size_t there = count_committed(t, reader);
	for (int64_t i = 0; i < 12; i++) {
		put_numbered(t, i % 2 ? writer : reader, (int64_t)there);
		there++;
		FF_CHECK_EQ_INT(t, count_committed(t, reader), there);
		FF_CHECK_EQ_INT(t, count_committed(t, writer), there);
		ffp_slots_txn *txn = ffp_slots_begin(t, i % 3 ? writer : reader, FF_TXN_WRITE);
		FF_CHECK_EQ_INT(t, count_rows(t, txn), there);
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
		FF_CHECK_EQ_INT(t, count_committed(t, reader), i);
		put_numbered(t, writer, i);
	}
	ffp_slots_check_indexes(t, reader, ffp_odd_table());
}

/* Nothing is written by a handle that was opened to read. */
static void slots_a_reading_handle_begins_no_write(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	put_numbered(t, raw, 0);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	for (unsigned turn = 0; turn < 2; turn++) { /* and it reads on */
		ff_txn *txn = NULL;
		ff_code code = ffp_slots_try_begin(t, raw, FF_TXN_WRITE, &txn);
		if (!code)
			raw->backend->abort(txn);
		FF_CHECK_CODE(t, code, FF_E_MISUSE);
		FF_CHECK_EQ_INT(t, count_committed(t, raw), 1);
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
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 1);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &before.row), &before.row);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, table, &table->indexes[FFP_ODD_BY_V]).rows_count, 1);
	FF_REQUIRE_OK(t, ffp_slots_commit(t, writer));
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 2);
	FFP_CHECK_ROW(t, table, ffp_slots_get(t, raw, table, &before.row), &after.row);
}

/* ---- threads ------------------------------------------------------------------------------------------------ */

/* A thread's own arena, of a size that what it loads fits into. */
typedef struct own_arena {
	ff_arena arena;
	max_align_t room[512];
} own_arena;

static void *grow_no_further(ff_arena *arena, size_t size)
{
	(void)arena;
	(void)size;
	return NULL;
}

static ff_arena *clear_arena(own_arena *own)
{
	own->arena = (ff_arena){ (char *)own->room, (char *)own->room + sizeof(own->room), grow_no_further };
	return &own->arena;
}

enum { ADDERS = 8, ADDS = 25, PAIRS = 60 };

/* What threads share. Each has a handle of its own, or all have one. */
typedef struct crowd {
	ffp_raw *raws[ADDERS];
	_Atomic unsigned torn, failed, looks;
	_Atomic bool done;
} crowd;

/* Adds 1 to a row that all share, by what it loaded, and a row of its own. */
static ff_code add_one(const ffp_raw *raw, const char *name, int64_t turn, ff_error *error)
{
	own_arena own;
	ffp_odd_row sum = ffp_odd("all", 0, "c", 1), mine = ffp_odd(name, turn, "c", turn);
	ff_read read = { .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &sum.row };
	ff_txn *txn = NULL;
	ff_code code = raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, error);
	if (code)
		return code;
	code = raw->backend->load(txn, clear_arena(&own), &read, 1, error);
	if (!code && read.row)
		sum.v = sum.n = ffp_odd_of(read.row)->v + 1;
	sched_yield();
	const ff_write writes[] = {
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = read.row, .after = &sum.row },
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &mine.row },
	};
	if (!code)
		code = raw->backend->store(txn, writes, 2, error);
	return ffp_slots_end_write(raw, txn, code, error);
}

static ff_code add_many(const ffp_raw *raw, const char *name)
{
	ff_error error;
	ff_code code = FF_OK;
	for (int64_t i = 0; !code && i < ADDS; i++) {
		unsigned tries = 0;
		do
			code = add_one(raw, name, i, &error);
		while (ffp_is_contention(code) && ++tries < 1000);
	}
	return code;
}

static const char *const names[ADDERS] = { "p", "q", "r", "s", "t", "u", "v", "w" };

static void check_sum(ff_test *t, ffp_raw *raw)
{
	ffp_odd_row key = ffp_odd("all", 0, "c", 0);
	const ff_row *sum = ffp_slots_get(t, raw, ffp_odd_table(), &key.row);
	FF_REQUIRE(t, sum != NULL);
	FF_CHECK_EQ_INT(t, ffp_odd_of(sum)->v, ADDERS * ADDS);
	FF_CHECK_EQ_INT(t, count_committed(t, raw), ADDERS * ADDS + 1);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

static void add_by_thread(void *context, unsigned thread)
{
	crowd *shared = context;
	shared->failed += add_many(shared->raws[thread], names[thread]) != FF_OK;
}

/* Nothing commits between another's loads and its commit. */
static void slots_handles_that_add(ff_test *t)
{
	crowd shared = { 0 };
	for (unsigned i = 0; i < ADDERS; i++)
		shared.raws[i] = ffp_odd_open(t);
	ffp_threads(t, ADDERS, add_by_thread, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	check_sum(t, shared.raws[0]);
}

static void add_or_keep_house(void *context, unsigned thread)
{
	crowd *shared = context;
	const ffp_raw *raw = shared->raws[0];
	if (thread == 0)
		shared->failed += add_many(raw, names[0]) != FF_OK;
	for (unsigned i = 0; thread && raw->backend->housekeep && i < ADDS; i++)
		raw->backend->housekeep(raw->store);
}

/* What a store does for itself beside a writer changes no row, and keeps nobody from writing. */
static void slots_housekeeping_disturbs_nobody(ff_test *t)
{
	crowd shared = { .raws = { ffp_odd_open(t) } };
	ffp_threads(t, 3, add_or_keep_house, &shared);
	FF_CHECK_EQ_INT(t, shared.failed, 0);
	FF_CHECK_EQ_INT(t, count_committed(t, shared.raws[0]), ADDS + 1);
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
	own_arena own;
	ff_arena *arena = clear_arena(&own);
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
	ffp_threads(t, ADDERS, write_or_look, &shared);
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
	put_numbered(t, one, 0);
	ffp_odd_row key = ffp_odd("n", 0, "c", 0);
	int64_t done = 0;
	for (unsigned turn = 0; turn < 4; turn++) {
		ffp_raw *first = turn % 2 ? one : other, *second = turn % 2 ? other : one;
		ffp_slots_txn *held = ffp_slots_begin(t, first, FF_TXN_WRITE);
		const ff_row *seen = ffp_slots_load_row(t, held, ffp_odd_table(), &key.row);
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

/* ---- processes ---------------------------------------------------------------------------------------------- */

/* A process of the case's and the pipes to and from it. It is begun before the case opens anything. */
typedef struct process {
	pid_t id;
	int to, from;
	unsigned number;
} process;

static void leave(void *object)
{
	(void)object;
	_exit(1);
}

static void kill_process(void *object)
{
	process *of = object;
	if (of->id > 0) {
		kill(of->id, SIGKILL);
		waitpid(of->id, NULL, 0);
	}
	close(of->to);
	close(of->from);
}

static bool say(const process *to)
{
	return write(to->to, "!", 1) == 1;
}

static bool hear(const process *from)
{
	char byte;
	return read(from->from, &byte, 1) == 1;
}

/* A check that fails in a process ends it, with status 1. */
static process *start(ff_test *t, void (*body)(ff_test *t, const process *parent), unsigned number)
{
	int down[2], up[2];
	process *child = ff_test_alloc(t, sizeof(*child));
	FF_REQUIRE(t, pipe(down) == 0);
	FF_REQUIRE(t, pipe(up) == 0);
	*child = (process){ .id = fork(), .to = down[1], .from = up[0], .number = number };
	FF_REQUIRE(t, child->id >= 0);
	if (child->id == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the runner gives a case up nothing is left running */
		const process parent = { .to = up[1], .from = down[0], .number = number };
		close(down[1]);
		close(up[0]);
		ff_test_defer(t, leave, child);
		FF_REQUIRE(t, hear(&parent));
		body(t, &parent);
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	ff_test_defer(t, kill_process, child);
	return child;
}

static void finish(ff_test *t, process *child)
{
	int status = -1;
	FF_REQUIRE(t, waitpid(child->id, &status, 0) == child->id);
	child->id = 0;
	FF_CHECK_EQ_INT(t, status, 0);
}

static void murder(ff_test *t, process *child)
{
	FF_REQUIRE(t, kill(child->id, SIGKILL) == 0);
	FF_REQUIRE(t, waitpid(child->id, NULL, 0) == child->id);
	child->id = 0;
}

static void in_processes(ff_test *t, void (*body)(ff_test *t, const process *parent))
{
	process *children[ADDERS];
	for (unsigned i = 0; i < ADDERS; i++)
		children[i] = start(t, body, i);
	for (unsigned i = 0; i < ADDERS; i++)
		FF_REQUIRE(t, say(children[i]));
	for (unsigned i = 0; i < ADDERS; i++)
		finish(t, children[i]);
}

/* Opens, also where others that open the store at once hold it. */
static ffp_raw *open_among_others(ff_test *t, const ff_catalog *catalog)
{
	ffp_raw *raw = NULL;
	ff_code code;
	unsigned tries = 0;
	do
		code = ffp_raw_open(t, catalog, 0, &raw);
	while (code == FF_E_BUSY && ++tries < 100);
	FF_REQUIRE_OK(t, code);
	return raw;
}

static void put_and_look(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 3; i++) {
		FF_REQUIRE(t, count_committed(t, raw) == (size_t)i * 2);
		put_numbered(t, raw, i * 2);
		FF_REQUIRE(t, say(parent) && hear(parent));
	}
}

static void slots_processes_see_each_others_commits(ff_test *t)
{
	process *child = start(t, put_and_look, 0);
	ffp_raw *raw = ffp_odd_open(t);
	for (int64_t i = 0; i < 3; i++) {
		FF_CHECK_EQ_INT(t, count_committed(t, raw), i * 2);
		FF_REQUIRE(t, say(child) && hear(child));
		FF_CHECK_EQ_INT(t, count_committed(t, raw), i * 2 + 1);
		put_numbered(t, raw, i * 2 + 1);
	}
	FF_REQUIRE(t, say(child));
	finish(t, child);
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
}

static void add_as_a_process(ff_test *t, const process *parent)
{
	FF_REQUIRE(t, add_many(open_among_others(t, &ffp_odd_catalog_1), names[parent->number]) == FF_OK);
}

/* From a store that none of them has made yet. */
static void slots_processes_that_add(ff_test *t)
{
	in_processes(t, add_as_a_process);
	check_sum(t, ffp_odd_open(t));
}

static void migrate(ff_test *t, const process *parent)
{
	ffp_raw *raw = open_among_others(t, &ffp_odd_catalog_2);
	ffp_plain_row row = { .id = parent->number, .name = ffp_text_of("late") };
	ffp_slots_put(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_LATE], &row.row);
}

static void slots_processes_that_migrate(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	put_numbered(t, raw, 1);
	ffp_raw_close(t, raw);
	in_processes(t, migrate);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_2, FF_STORE_MUST_EXIST, &raw));
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_LATE], NULL).rows_count, ADDERS);
	FF_CHECK_EQ_INT(t, ffp_slots_all(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD], NULL).rows_count, 1);
	ffp_slots_check_indexes(t, raw, &ffp_odd_catalog_2.tables[FFP_TABLE_ODD]);
}

/* Stores and does not commit, or reads, and waits to be killed. */
static void hold_a_transaction(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_odd_row there = ffp_odd("n", 0, "c", 0), fresh = ffp_odd("dead", 0, "c", 0);
	ffp_slots_txn *txn = ffp_slots_begin(t, raw, parent->number ? FF_TXN_READ : FF_TXN_WRITE);
	FF_REQUIRE(t, count_rows(t, txn) > 0);
	const ff_write writes[] = {
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &fresh.row },
		{ .table = ffp_odd_table(),
		  .kind = FF_WRITE_DELETE,
		  .before = ffp_slots_load_row(t, txn, ffp_odd_table(), &there.row) },
	};
	if (!parent->number)
		FF_REQUIRE_OK(t, ffp_slots_store(t, txn, writes, 2));
	say(parent);
	hear(parent);
}

static void slots_a_killed_process_holds_nobody_up(ff_test *t)
{
	process *children[ADDERS];
	for (unsigned i = 0; i < ADDERS; i++)
		children[i] = start(t, hold_a_transaction, i % 2);
	ffp_raw *raw = ffp_odd_open(t);
	put_numbered(t, raw, 0);
	for (int64_t i = 0; i < ADDERS; i++) {
		FF_REQUIRE(t, say(children[i]) && hear(children[i]));
		murder(t, children[i]);
		FF_CHECK_EQ_INT(t, count_committed(t, raw), i + 1);
		put_numbered(t, raw, i + 1);
		FF_CHECK_EQ_INT(t, count_committed(t, raw), i + 2);
		ffp_slots_check_indexes(t, raw, ffp_odd_table());
	}
	ffp_raw_close(t, raw);
	raw = ffp_odd_open(t);
	FF_CHECK_EQ_INT(t, count_committed(t, raw), ADDERS + 1);
}

/* Who does not want to wait for a writer in another process does not. */
static void slots_a_writer_elsewhere_is_busy(ff_test *t)
{
	process *child = start(t, hold_a_transaction, 0);
	ffp_raw *raw = ffp_odd_open(t), *hasty = NULL;
	put_numbered(t, raw, 0);
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, ff_test_impatient_uri(t), &ffp_odd_catalog_1, 0, &hasty));
	FF_REQUIRE(t, say(child) && hear(child));
	ff_txn *txn = NULL;
	ff_code code = ffp_slots_try_begin(t, hasty, FF_TXN_WRITE, &txn);
	FF_CHECK(t, !code || ffp_is_contention(code));
	if (!code) /* it lets several begin, and tells one of them later */
		hasty->backend->abort(txn);
	FF_CHECK_EQ_INT(t, count_committed(t, hasty), 1);
	murder(t, child);
	put_numbered(t, raw, 1); /* a server may take a moment to see that a process is dead */
	FF_CHECK_EQ_INT(t, count_committed(t, hasty), 2);
}

static void commit_and_wait(ff_test *t, const process *parent)
{
	ffp_raw *raw = ffp_odd_open(t);
	put_numbered(t, raw, 0);
	put_numbered(t, raw, 1);
	say(parent);
	hear(parent);
}

/* A kill takes no commit that was acknowledged, but where the store says that it keeps nothing. */
static void slots_commits_outlive_their_process(ff_test *t)
{
	process *child = start(t, commit_and_wait, 0);
	FF_REQUIRE(t, say(child) && hear(child));
	murder(t, child);
	ffp_raw *raw = ffp_odd_open(t);
	ff_store_limits limits = { 0 };
	FF_REQUIRE_OK(t, raw->backend->limits(raw->store, &limits, ff_test_error(t)));
	size_t kept = count_committed(t, raw);
	FF_CHECK(t, kept == 2 || (limits.durability == FF_DURABILITY_NONE && kept < 2));
	ffp_slots_check_indexes(t, raw, ffp_odd_table());
	put_numbered(t, raw, 2);
}

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
		put_numbered(t, raw, turn);
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
	FF_CHECK_EQ_INT(t, count_committed(t, ffp_odd_open(t)), 0);
}

static void slots_a_failed_open_leaves_nothing(ff_test *t)
{
	const char *uri = ff_test_missing_uri(t);
	for (unsigned turn = 0; turn < 3; turn++) {
		refuse(t, uri, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
		refuse(t, uri, &ffp_odd_catalog_1, FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
		refuse(t, with_parameter(t, uri), &ffp_odd_catalog_1, 0, FF_E_INVALID);
		refuse(t, with_parameter(t, uri), &ffp_odd_catalog_1, FF_STORE_READ_ONLY, FF_E_INVALID);
	}
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, 0, &raw));
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 0);
	put_numbered(t, raw, 1);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open_at(t, uri, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 1);
}

/* Nobody has to have written a row for the store to be there. */
static void slots_an_empty_store_outlives_its_handle(ff_test *t)
{
	ffp_raw *raw = ffp_odd_open(t);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_MUST_EXIST, &raw));
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 0);
	ffp_raw_close(t, raw);
	FF_REQUIRE_OK(t, ffp_raw_open(t, &ffp_odd_catalog_1, FF_STORE_READ_ONLY, &raw));
	FF_CHECK_EQ_INT(t, count_committed(t, raw), 0);
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
	CASE(slots_processes_see_each_others_commits, "FF-RU-12", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_processes_that_add, "FF-RU-13 FF-ERR-4", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_processes_that_migrate, "FF-MT-2", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_a_killed_process_holds_nobody_up, "FF-ERR-2", FF_CASE_SECOND_HANDLE | FF_CAP_MULTI_PROCESS),
	CASE(slots_a_writer_elsewhere_is_busy, "FF-ERR-4 FF-GS-3",
	     FF_CASE_SECOND_HANDLE | FF_CASE_NO_WAITING | FF_CAP_MULTI_PROCESS),
	CASE(slots_commits_outlive_their_process, "FF-RU-12", FF_CASE_SECOND_HANDLE),
	CASE(slots_limits_are_kept_to, "FF-MT-2", 0),
	CASE(slots_an_unknown_parameter_is_refused, "FF-ERR-1", 0),
	CASE(slots_a_failed_open_leaves_nothing, "FF-MT-2 FF-ERR-2", FF_CASE_MISSING_STORE),
	CASE(slots_an_empty_store_outlives_its_handle, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_an_older_schema_is_migrated, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_much_older_schema_is_migrated, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_an_older_schema_is_not_read, "FF-MT-2", FF_CASE_SECOND_HANDLE),
	CASE(slots_a_newer_schema_is_left_untouched, "FF-MT-2", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_slots_store, table);
