/*
 * What fails: the N-th open, stat, write or sync, N rising until a run is clean. A crash is a copy of the file: what a commit
 * answered must be true of what is found in it.
 */
#include "lmdb_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

enum { ROUNDS_MAX = 200 };

static void check_error(ff_test *t, ff_code code, const ff_code *allowed, const char *doing, fault_kind kind,
                        unsigned n)
{
	bool known = false;
	for (; *allowed != FF_OK; allowed++)
		known |= *allowed == code;
	if (!FF_CHECK(t, known && ff_test_error(t)->code == code && ff_test_error(t)->message[0] &&
	                     ff_test_error(t)->native_code[0]))
		ff_test_note(t, "%s, %s fault %u: answers %s: %s [%s]", doing, fault_name(kind), n, ff_code_name(code),
		             ff_test_error(t)->message, ff_test_error(t)->native_code);
}

static const int reasons[] = { EIO, ENOSPC };

/* ---- open ------------------------------------------------------------------------------------------------------ */

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_OK };

static void a_failed_open_leaves_nothing(ff_test *t)
{
	int descriptors = count_descriptors();
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		bool struck = true;
		unsigned n = 0;
		while (struck && n++ < ROUNDS_MAX) {
			ff_store *store;
			fault_arm(kind, n, reasons[n % 2]);
			ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
			struck = fault_disarm();
			if (code == FF_OK) {
				ffp_odd_row row = ffp_odd("a", 1, "c", 1);
				FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
				close_store(store);
				remove_store(path_of(t, "a.db"));
				/* There is no file that a store could do without. */
				if (!FF_CHECK(t, !struck || kind != FAULT_OPEN))
					ff_test_note(t, "open fault %u goes unnoticed", n);
				continue;
			}
			check_error(t, code, open_codes, "open", kind, n);
			if (!FF_CHECK(t, count_files(t) == 0 && count_descriptors() == descriptors))
				ff_test_note(t, "open, %s fault %u: leaves %d files, %d descriptors: %s",
				             fault_name(kind), n, count_files(t), count_descriptors() - descriptors,
				             ff_test_error(t)->message);
		}
		if (!FF_CHECK(t, n > 1 && n < ROUNDS_MAX))
			ff_test_note(t, "%s: ends at %u", fault_name(kind), n);
	}
}

/* What could not be looked at is not taken for what this open has made, and taken away again. */
static void a_store_that_cannot_be_looked_at(ff_test *t)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v2, 0, NULL, &store));
	close_store(store);
	uint64_t was = file_hash(path_of(t, "a.db/data.mdb"));
	fault_arm(FAULT_STAT, 1, EIO);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store), FF_E_IO);
	FF_CHECK(t, fault_disarm());
	FF_CHECK(t, file_exists(path_of(t, "a.db/data.mdb")) && file_hash(path_of(t, "a.db/data.mdb")) == was);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store), FF_E_VERSION);
}

/* Migrates a copy of the older store while the n-th call fails. False when none failed. */
static bool migrate_with_fault(ff_test *t, fault_kind kind, unsigned n)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	mkdir(path, 0700);
	copy_file(t, path_of(t, "old.db/data.mdb"), path_of(t, "a.db/data.mdb"));
	fault_arm(kind, n, reasons[n % 2]);
	ff_code code = open_store(t, path, &catalog_v2, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK)
		close_store(store);
	else
		check_error(t, code, open_codes, "migration", kind, n);
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
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		unsigned n = 1;
		while (n < ROUNDS_MAX && migrate_with_fault(t, kind, n))
			n++;
		if (!FF_CHECK(t, n > 1 && n < ROUNDS_MAX))
			ff_test_note(t, "%s: ends at %u", fault_name(kind), n);
	}
}

/* ---- the host's allocator --------------------------------------------------------------------------------------- */

static void an_allocator_that_has_nothing(ff_test *t)
{
	static char words[20000];
	memset(words, 'w', sizeof(words));
	for (unsigned n = 0; n < ROUNDS_MAX; n++) {
		stingy host = { .left = n };
		ff_allocator allocator = stingy_allocator(&host);
		ff_store *store = ff_test_alloc(t, subject.backend->instance_size);
		ff_store_config config = { .uri = "",
			                   .scheme = "lmdb",
			                   .path = path_of(t, "a.db"),
			                   .catalog = &catalog_v1,
			                   .allocator = &allocator };
		ff_code code = subject.backend->open(store, &config, ff_test_error(t));
		if (code != FF_OK) {
			FF_CHECK_EQ_INT(t, code, FF_E_NO_MEMORY);
			FF_CHECK_EQ_INT(t, count_files(t), 0);
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
		remove_store(path_of(t, "a.db"));
		if (!host.struck) {
			FF_CHECK(t, n > 3);
			return;
		}
	}
	FF_CHECK(t, false);
}

/* ---- commit ----------------------------------------------------------------------------------------------------- */

static int64_t value_in(ff_test *t, const char *path)
{
	ff_store *store = must_open(t, path);
	ffp_odd_row key = ffp_odd("a", 1, "c", 0);
	const ffp_odd_row *row = ffp_odd_of(get_row(t, store, odd_v1(), &key.row));
	int64_t value = row ? row->v : -1;
	close_store(store);
	return value;
}

/* What is found where the process stops now. */
static int64_t value_after_crash(ff_test *t)
{
	mkdir(path_of(t, "crash.db"), 0700);
	copy_file(t, path_of(t, "a.db/data.mdb"), path_of(t, "crash.db/data.mdb"));
	int64_t value = value_in(t, path_of(t, "crash.db"));
	FF_CHECK_STR(t, check_store(t, path_of(t, "crash.db")).lines, "");
	remove_store(path_of(t, "crash.db"));
	return value;
}

static const ff_code write_codes[] = { FF_E_IO, FF_E_FULL, FF_E_COMMIT_UNKNOWN, FF_OK };

/* Raises the row's value by one while the n-th call fails, and answers what it is then. */
static int64_t add_one(ff_test *t, int64_t value, fault_kind kind, unsigned n, bool *struck, unsigned *unknown)
{
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row before = ffp_odd("a", 1, "c", value);
	ffp_odd_row raised = ffp_odd("a", 1, "c", value + 1);
	fault_arm(kind, n, reasons[n % 2]);
	ff_code code = put_row(t, store, odd_v1(), &before.row, &raised.row);
	*struck = fault_disarm();
	if (code != FF_OK)
		check_error(t, code, write_codes, "commit", kind, n);
	if (code == FF_E_COMMIT_UNKNOWN) {
		ff_txn *txn;
		++*unknown;
		/* LMDB does not go on with an environment whose state it does not know. */
		FF_CHECK_CODE(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_IO);
		FF_CHECK_STR(t, ff_test_error(t)->native_code, "-30795");
		FF_CHECK(t, strstr(ff_test_error(t)->message, "closed it") != NULL);
	} else {
		ff_row *row = get_row(t, store, odd_v1(), &before.row);
		FF_REQUIRE(t, row != NULL);
		FF_CHECK_EQ_INT(t, ffp_odd_of(row)->v, value + (code == FF_OK));
	}
	close_store(store);
	int64_t now = value_in(t, path_of(t, "a.db"));
	if (!FF_CHECK(t,
	              code == FF_E_COMMIT_UNKNOWN ? now == value || now == value + 1 : now == value + (code == FF_OK)))
		ff_test_note(t, "%s fault %u answers %s; %d is found for %d", fault_name(kind), n, ff_code_name(code),
		             (int)now, (int)value);
	return now;
}

static void a_commit_answers_the_truth(ff_test *t)
{
	unsigned unknown = 0;
	for (fault_kind kind = FAULT_WRITE; kind < FAULT_KINDS; kind++) {
		bool struck = true;
		unsigned n = 0;
		ff_store *store = must_open(t, path_of(t, "a.db"));
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		close_store(store);
		for (int64_t value = 1; struck && n < ROUNDS_MAX;) {
			value = add_one(t, value, kind, ++n, &struck, &unknown);
			FF_CHECK_EQ_INT(t, value_after_crash(t), value);
		}
		if (!FF_CHECK(t, n > 1 && n < ROUNDS_MAX))
			ff_test_note(t, "%s: ends at %u", fault_name(kind), n);
		FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
		remove_store(path_of(t, "a.db"));
	}
	FF_CHECK(t, unknown > 0);
}

static void a_failed_sync_changes_nothing(ff_test *t)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	ffp_odd_row raised = ffp_odd("a", 1, "c", 2);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	fault_arm(FAULT_SYNC, 1, EIO);
	FF_CHECK_CODE(t, put_row(t, store, odd_v1(), &row.row, &raised.row), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "5");
	FF_CHECK(t, fault_disarm());
	FF_CHECK(t, ffp_rows_equal(odd_v1(), get_row(t, store, odd_v1(), &row.row), &row.row));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row.row, &raised.row));
	close_store(store);
	/* Without syncs there is nothing to fail. */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, none, &store));
	fault_arm(FAULT_SYNC, 1, EIO);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &raised.row, &row.row));
	FF_CHECK(t, !fault_disarm());
	close_store(store);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static unsigned syncs_of_opening(ff_test *t, const char *path, const char *const *params)
{
	ff_store *store;
	unsigned before = fault_directories_synced();
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, 0, params, &store));
	close_store(store);
	return fault_directories_synced() - before;
}

/* A file that was synced is lost all the same where its directory was not. */
static void a_new_store_keeps_its_name(ff_test *t)
{
	static const char *const none[] = { "durability", "none", NULL };
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "a.db"), NULL), 2);
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "a.db"), NULL), 0);
	mkdir(path_of(t, "b.db"), 0700);
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "b.db"), NULL), 1);
	/* Who opens it later may rely on it. */
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "c.db"), none), 2);
	/* Whose process ended while it made a store has synced nothing. */
	mkdir(path_of(t, "d.db"), 0700);
	close(open(ff_test_text(t, "%s/data.mdb", path_of(t, "d.db")), O_WRONLY | O_CREAT, 0600));
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "d.db"), NULL), 2);
	FF_CHECK_EQ_INT(t, syncs_of_opening(t, path_of(t, "d.db"), NULL), 0);
}

static const ff_case cases[] = {
	CASE(a_failed_open_leaves_nothing, "FF-ERR-2", 0),
	CASE(a_store_that_cannot_be_looked_at, "FF-MT-2", 0),
	CASE(a_failed_open_leaves_what_was_there, "FF-MT-2", 0),
	CASE(an_allocator_that_has_nothing, "", 0),
	CASE(a_commit_answers_the_truth, "FF-ERR-2", 0),
	CASE(a_failed_sync_changes_nothing, "FF-ERR-2", 0),
	CASE(a_new_store_keeps_its_name, "", 0),
};
FAMILY(cases_faults, cases);
