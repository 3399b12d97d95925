/*
 * What a commit answers where the N-th write or sync fails. A crash is a copy of the file: what a commit answered must be
 * true of what is found in it.
 */
#include "lmdb_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"
#include "faulty.h"

/* What could not be looked at is not taken for what this open has made, and taken away again. */
static void a_store_that_cannot_be_looked_at(ff_test *t)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v2, 0, NULL, &store));
	close_store(store);
	uint64_t was = file_hash(path_of(t, "a.db/data.mdb"));
	fault_arm(FAULT_STAT, 1);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store), FF_E_IO);
	FF_CHECK(t, fault_disarm());
	FF_CHECK(t, file_exists(path_of(t, "a.db/data.mdb")) && file_hash(path_of(t, "a.db/data.mdb")) == was);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store), FF_E_VERSION);
}

/* ---- commit ----------------------------------------------------------------------------------------------------- */

/* What is found where the process stops now. */
static int64_t value_after_crash(ff_test *t)
{
	copy_store(t, path_of(t, "a.db"), path_of(t, "crash.db"));
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
	fault_arm_round(kind, n);
	ff_code code = put_row(t, store, odd_v1(), &before.row, &raised.row);
	*struck = fault_disarm();
	if (code != FF_OK)
		check_fault(t, code, write_codes, "commit", kind, n);
	if (code == FF_E_COMMIT_UNKNOWN) {
		ff_txn *txn;
		++*unknown;
		/* LMDB does not go on with an environment whose state it does not know. */
		FF_CHECK_CODE(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_IO);
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
	FOR_EACH_FAULT (kind) {
		if (kind < FAULT_WRITE)
			continue;
		bool struck = true;
		unsigned n = 0;
		ff_store *store = must_open(t, path_of(t, "a.db"));
		ffp_odd_row row = ffp_odd("a", 1, "c", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		close_store(store);
		for (int64_t value = 1; struck && n < FAULT_ROUNDS_MAX;) {
			value = add_one(t, value, kind, ++n, &struck, &unknown);
			FF_CHECK_EQ_INT(t, value_after_crash(t), value);
		}
		check_rounds(t, kind, n);
		FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
		remove_store(path_of(t, "a.db"));
	}
	FF_CHECK(t, unknown > 0);
}

static void a_failed_sync_changes_nothing(ff_test *t)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store *fast, *store = must_open(t, path_of(t, "a.db"));
	struct stat data;
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	ffp_odd_row raised = ffp_odd("a", 1, "c", 2);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	fault_arm(FAULT_SYNC, 1);
	FF_CHECK_CODE(t, put_row(t, store, odd_v1(), &row.row, &raised.row), FF_E_IO);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "5");
	FF_CHECK(t, fault_disarm());
	FF_CHECK(t, ffp_rows_equal(odd_v1(), get_row(t, store, odd_v1(), &row.row), &row.row));
	/* Without syncs there is nothing to fail; and no page is kept from being used again. */
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, none, &fast));
	fault_arm(FAULT_SYNC, 1);
	for (unsigned i = 0; i < 200; i++) {
		FF_REQUIRE_OK(t, put_row(t, fast, odd_v1(), &row.row, &raised.row));
		FF_REQUIRE_OK(t, put_row(t, fast, odd_v1(), &raised.row, &row.row));
	}
	FF_CHECK(t, !fault_disarm());
	FF_CHECK(t, stat(data_of(t, path_of(t, "a.db")), &data) == 0 && data.st_size <= 64 * sysconf(_SC_PAGESIZE));
	close_store(fast);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), &row.row, &raised.row));
	close_store(store);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static unsigned syncs_of_opening(ff_test *t, const char *path, const char *const *params)
{
	ff_store *store;
	unsigned before = faulty_directories_synced();
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, 0, params, &store));
	close_store(store);
	return faulty_directories_synced() - before;
}

/* A file that was synced is lost all the same where its directory was not. */
static void a_new_store_keeps_its_name(ff_test *t)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store *store;
	for (unsigned n = 1; n <= 4; n++) {
		fault_arm_round(FAULT_SYNC, n);
		FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, none, &store),
		              n % 2 ? FF_E_IO : FF_E_FULL);
		FF_CHECK(t, fault_disarm());
	}
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
	CASE(a_store_that_cannot_be_looked_at, "FF-MT-2", 0),
	CASE(a_commit_answers_the_truth, "FF-ERR-2", 0),
	CASE(a_failed_sync_changes_nothing, "FF-ERR-2", 0),
	CASE(a_new_store_keeps_its_name, "", 0),
};
FAMILY(cases_disk, cases);
