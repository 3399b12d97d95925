/*
 * What fails while a store is opened or worked with: the N-th operation of each kind, N rising until a run is clean, and
 * memory of the host's. What a commit answers then is each backend's own to test.
 */
#include <limits.h>
#include <stddef.h>

#include "faults.h"

/* ---- open ------------------------------------------------------------------------------------------------------ */

/* Whether nothing is there, or else an empty store that is whole, where others may use it already. */
static bool is_clean(ff_test *t, unsigned *stores)
{
	if (count_files(t) == 0)
		return true;
	++*stores;
	bool whole = count_files(t) == 1 && subject.is_new && subject.is_new(t, path_of(t, "a.db"));
	remove_store(path_of(t, "a.db"));
	return whole;
}

/* Opens a new store while the n-th operation fails. False when none failed. */
static bool create_with_fault(ff_test *t, fault_kind kind, unsigned n, unsigned *stores)
{
	int descriptors = count_descriptors();
	ff_store *store;
	fault_arm_round(kind, n);
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK) {
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		close_store(store);
		FF_CHECK_EQ_INT(t, count_files(t), 1);
		remove_store(path_of(t, "a.db"));
		/* There is no file that a store could do without. */
		if (!FF_CHECK(t, !struck || kind != FAULT_OPEN))
			ff_test_note(t, "open fault %u goes unnoticed", n);
		return struck;
	}
	check_fault(t, code, subject.open_codes, "open", kind, n);
	FF_CHECK_EQ_INT(t, count_descriptors(), descriptors);
	if (!FF_CHECK(t, is_clean(t, stores)))
		ff_test_note(t, "open, %s fault %u: leaves %d files: %s", fault_name(kind), n, count_files(t),
		             ff_test_error(t)->message);
	return struck;
}

static void a_failed_open_leaves_nothing(ff_test *t)
{
	unsigned stores = 0;
	unsigned rounds = 0;
	FOR_EACH_FAULT (kind) {
		unsigned n = 1;
		for (; n < FAULT_ROUNDS_MAX && create_with_fault(t, kind, n, &stores); n = fault_round_after(n))
			rounds++;
		check_rounds(t, kind, n);
	}
	if (!FF_CHECK(t, stores < rounds / 4))
		ff_test_note(t, "%u of %u failed opens left a store", stores, rounds);
}

/* Migrates a copy of the older store while the n-th operation fails. False when none failed. */
static bool migrate_with_fault(ff_test *t, fault_kind kind, unsigned n)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	copy_store(t, path_of(t, "old.db"), path);
	fault_arm_round(kind, n);
	ff_code code = open_store(t, path, &catalog_v2, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK)
		close_store(store);
	else
		check_fault(t, code, subject.open_codes, "migration", kind, n);
	/* The whole migration happened, or nothing, and it can be done again. */
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v2, 0, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, &catalog_v2.tables[TABLE_ODD]), 1);
	FF_CHECK_EQ_INT(t, count_rows(t, store, &catalog_v2.tables[TABLE_LATE]), 0);
	close_store(store);
	remove_store(path);
	return struck;
}

static void a_failed_open_leaves_what_was_there(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "old.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	FOR_EACH_FAULT (kind) {
		unsigned n = 1;
		while (n < FAULT_ROUNDS_MAX && migrate_with_fault(t, kind, n))
			n = fault_round_after(n);
		check_rounds(t, kind, n);
	}
}

/* ---- the host's memory ----------------------------------------------------------------------------------------- */

/* With an allocator that lives longer than the store. */
static ff_code open_by(ff_test *t, const ff_allocator *allocator, ff_store **store)
{
	const ff_store_config config = { .uri = "",
		                         .scheme = subject.backend->name,
		                         .path = path_of(t, "a.db"),
		                         .catalog = &catalog_v1,
		                         .allocator = allocator };
	*store = ff_test_alloc(t, subject.backend->instance_size);
	return subject.backend->open(*store, &config, ff_test_error(t));
}

static void an_allocator_that_has_nothing(ff_test *t)
{
	static char words[20000];
	unsigned stores = 0;
	memset(words, 'w', sizeof(words));
	for (unsigned n = 0; n < FAULT_ROUNDS_MAX; n++) {
		stingy host = { .left = n };
		ff_allocator allocator = stingy_allocator(&host);
		ff_store *store;
		ff_code code = open_by(t, &allocator, &store);
		if (code != FF_OK) {
			FF_CHECK_EQ_INT(t, code, FF_E_NO_MEMORY);
			FF_CHECK_EQ_INT(t, host.held, 0);
			FF_CHECK(t, is_clean(t, &stores));
			continue;
		}
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		row.w = (ff_text){ words, sizeof(words) };
		ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row };
		code = put_row(t, store, odd_v1(), NULL, &row.row);
		if (code == FF_OK)
			code = read_once(t, store, FF_TXN_READ, &read, 1);
		FF_CHECK(t, code == FF_OK || code == FF_E_NO_MEMORY);
		FF_CHECK(t, code == FF_OK || host.struck);
		subject.backend->close(store);
		FF_CHECK_EQ_INT(t, host.held, 0);
		FF_CHECK_EQ_INT(t, count_files(t), 1);
		remove_store(path_of(t, "a.db"));
		if (!host.struck) {
			FF_CHECK(t, n > 3);
			return;
		}
	}
	FF_CHECK(t, false);
}

static void *no_room(ff_arena *of, size_t size)
{
	(void)of;
	(void)size;
	return NULL;
}

static void an_arena_that_has_nothing(ff_test *t)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1), more = row;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	for (more.b = 2; more.b < 40; more.b++) /* more than a first array of them holds */
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &more.row));
	ff_read reads[] = { { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row },
		            { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 99 } };
	static max_align_t memory[1024];
	for (unsigned kind = 0; kind < 2; kind++) {
		ff_code code = FF_E_NO_MEMORY;
		for (size_t room = 0; code != FF_OK && room < sizeof(memory); room += 16) {
			ff_arena small = { (char *)memory, (char *)memory + room, no_room };
			ff_txn *txn;
			FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &txn, ff_test_error(t)));
			code = subject.backend->load(txn, &small, &reads[kind], 1, ff_test_error(t));
			FF_CHECK(t, code == FF_OK || code == FF_E_NO_MEMORY);
			FF_CHECK(t, room > 0 || code == FF_E_NO_MEMORY);
			if (code == FF_OK)
				FF_CHECK(t, ffp_rows_equal(odd_v1(), kind ? reads[1].rows[0] : reads[0].row, &row.row));
			subject.backend->abort(txn);
		}
		FF_CHECK_EQ_INT(t, code, FF_OK);
	}
	close_store(store);
}

/* ---- ends ------------------------------------------------------------------------------------------------------- */

static void an_abort_needs_nothing(ff_test *t)
{
	FOR_EACH_FAULT (kind) {
		ff_store *store = must_open(t, path_of(t, "a.db"));
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
		ff_txn *txn;
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		FF_REQUIRE_OK(t, subject.backend->store(txn, &put, 1, ff_test_error(t)));
		fault_arm_for_ever(kind, 1);
		subject.backend->abort(txn);
		fault_disarm();
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 0);
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		subject.backend->abort(txn);
		close_store(store);
	}
}

/* The host's memory may be out at any number of shapes of reads that a backend keeps something of by then. */
static void an_end_needs_nothing_of_the_host(ff_test *t)
{
	stingy host = { .left = UINT_MAX };
	ff_allocator allocator = stingy_allocator(&host);
	ff_store *store;
	FF_REQUIRE_OK(t, open_by(t, &allocator, &store));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	for (unsigned shape = 0; shape < 64; shape++) {
		ff_read read = { .table = odd_v1(),
			         .kind = FF_READ_RANGE,
			         .low_count = shape % 4,
			         .high_count = shape / 4 % 4,
			         .flags = shape / 16,
			         .limit = 1,
			         .low = &row.row,
			         .high = &row.row };
		ff_txn *txn;
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		host.left = 0;
		ff_code code = subject.backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t));
		FF_CHECK(t, code == FF_OK || code == FF_E_NO_MEMORY);
		subject.backend->abort(txn);
		host.left = UINT_MAX;
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		FF_CHECK_CODE(t, subject.backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t)), FF_OK);
		host.left = 0;
		if (shape % 2)
			subject.backend->abort(txn);
		else
			FF_CHECK_CODE(t, subject.backend->commit(txn, ff_test_error(t)), FF_OK);
		host.left = UINT_MAX;
	}
	subject.backend->close(store);
	FF_CHECK_EQ_INT(t, host.held, 0);
	FF_CHECK_EQ_INT(t, count_files(t), 1);
}

static const ff_case cases[] = {
	CASE(a_failed_open_leaves_nothing, "FF-ERR-2", 0), CASE(a_failed_open_leaves_what_was_there, "FF-MT-2", 0),
	CASE(an_allocator_that_has_nothing, "", 0),        CASE(an_arena_that_has_nothing, "", 0),
	CASE(an_abort_needs_nothing, "FF-ERR-2", 0),       CASE(an_end_needs_nothing_of_the_host, "FF-ERR-2", 0),
};
FAMILY(cases_faults, cases);
