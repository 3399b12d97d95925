/*
 * What fails: the N-th open, write or sync, N rising until a run is clean. A crash is a copy of the file: what a commit
 * answered must be true of what is found in it.
 */
#include "lmdb_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faults.h"

enum { ROUNDS_MAX = 200 };

static void check_error(ff_code code, const ff_code *allowed, const char *doing, fault_kind kind, unsigned n)
{
	bool known = false;
	for (; *allowed != FF_OK; allowed++)
		known |= *allowed == code;
	check(known && error.code == code && error.message[0] && error.native_code[0], __FILE__, __LINE__,
	      "%s, %s fault %u: answers %s: %s [%s]", doing, fault_name(kind), n, ff_code_name(code), error.message,
	      error.native_code);
}

static const int reasons[] = { EIO, ENOSPC };

/* ---- open ------------------------------------------------------------------------------------------------------ */

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_OK };

static void a_failed_open_leaves_nothing(void)
{
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		bool struck = true;
		unsigned n = 0;
		while (struck && n++ < ROUNDS_MAX) {
			ff_store *store;
			fault_arm(kind, n, reasons[n % 2]);
			ff_code code = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store);
			struck = fault_disarm();
			if (code == FF_OK) {
				odd_row row = odd("a", 1, "c", 1);
				REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
				close_store(store);
				remove_store(path_of("a.db"));
				continue;
			}
			check_error(code, open_codes, "open", kind, n);
			check(count_files() == 0, __FILE__, __LINE__, "open, %s fault %u: leaves %d files: %s",
			      fault_name(kind), n, count_files(), error.message);
		}
		check(n > 1 && n < ROUNDS_MAX, __FILE__, __LINE__, "%s: ends at %u", fault_name(kind), n);
	}
}

/* Migrates a copy of the older store while the n-th call fails. False when none failed. */
static bool migrate_with_fault(fault_kind kind, unsigned n)
{
	ff_store *store;
	const char *path = path_of("a.db");
	mkdir(path, 0700);
	copy_file(path_of("old.db/data.mdb"), path_of("a.db/data.mdb"));
	fault_arm(kind, n, reasons[n % 2]);
	ff_code code = open_store(path, &catalog_v2, 0, NULL, &store);
	bool struck = fault_disarm();
	if (code == FF_OK)
		close_store(store);
	else
		check_error(code, open_codes, "migration", kind, n);
	/* The whole migration happened, or nothing, and it can be done again. */
	REQUIRE_OK(open_store(path, &catalog_v2, 0, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_ODD]), 1);
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_LATE]), 0);
	close_store(store);
	remove_store(path);
	return struck;
}

static void a_failed_open_leaves_what_was_there(void)
{
	ff_store *store = must_open(path_of("old.db"));
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	close_store(store);
	for (fault_kind kind = 0; kind < FAULT_KINDS; kind++) {
		unsigned n = 1;
		while (n < ROUNDS_MAX && migrate_with_fault(kind, n))
			n++;
		check(n > 1 && n < ROUNDS_MAX, __FILE__, __LINE__, "%s: ends at %u", fault_name(kind), n);
	}
}

/* ---- the host's allocator --------------------------------------------------------------------------------------- */

static void an_allocator_that_has_nothing(void)
{
	static char words[20000];
	memset(words, 'w', sizeof(words));
	for (unsigned n = 0; n < ROUNDS_MAX; n++) {
		stingy host = { .left = n };
		ff_allocator allocator = stingy_allocator(&host);
		ff_store *store = calloc(1, subject.backend->instance_size);
		ff_store_config config = { .uri = "",
			                   .scheme = "lmdb",
			                   .path = path_of("a.db"),
			                   .catalog = &catalog_v1,
			                   .allocator = &allocator };
		ff_code code = subject.backend->open(store, &config, &error);
		if (code != FF_OK) {
			CHECK_INT(code, FF_E_NO_MEMORY);
			CHECK_INT(count_files(), 0);
			free(store);
			continue;
		}
		odd_row row = odd("a", 1, "c", 1);
		row.w = (ff_text){ words, sizeof(words) };
		ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row };
		code = put_row(store, odd_v1(), NULL, &row.row);
		if (code == FF_OK)
			code = read_once(store, FF_TXN_READ, &read, 1);
		CHECK(code == FF_OK || code == FF_E_NO_MEMORY);
		CHECK(code == FF_OK || host.struck);
		close_store(store);
		remove_store(path_of("a.db"));
		if (!host.struck) {
			CHECK(n > 3);
			return;
		}
	}
	CHECK(false);
}

/* ---- commit ----------------------------------------------------------------------------------------------------- */

static int64_t value_in(const char *path)
{
	ff_store *store = must_open(path);
	odd_row key = odd("a", 1, "c", 0);
	const odd_row *row = (const odd_row *)(const void *)get_row(store, odd_v1(), &key.row);
	int64_t value = row ? row->v : -1;
	close_store(store);
	return value;
}

/* What is found where the process stops now. */
static int64_t value_after_crash(void)
{
	mkdir(path_of("crash.db"), 0700);
	copy_file(path_of("a.db/data.mdb"), path_of("crash.db/data.mdb"));
	int64_t value = value_in(path_of("crash.db"));
	CHECK_TEXT(check_store(path_of("crash.db")).lines, "");
	remove_store(path_of("crash.db"));
	return value;
}

static const ff_code write_codes[] = { FF_E_IO, FF_E_FULL, FF_E_COMMIT_UNKNOWN, FF_OK };

/* Raises the row's value by one while the n-th call fails, and answers what it is then. */
static int64_t add_one(int64_t value, fault_kind kind, unsigned n, bool *struck, unsigned *unknown)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row before = odd("a", 1, "c", value);
	odd_row raised = odd("a", 1, "c", value + 1);
	fault_arm(kind, n, reasons[n % 2]);
	ff_code code = put_row(store, odd_v1(), &before.row, &raised.row);
	*struck = fault_disarm();
	if (code != FF_OK)
		check_error(code, write_codes, "commit", kind, n);
	if (code == FF_E_COMMIT_UNKNOWN) {
		ff_txn *txn;
		++*unknown;
		/* LMDB does not go on with an environment whose state it does not know. */
		CHECK_CODE(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error), FF_E_IO);
		CHECK_TEXT(error.native_code, "-30795");
		CHECK(strstr(error.message, "closed it") != NULL);
	} else {
		ff_row *row = get_row(store, odd_v1(), &before.row);
		REQUIRE(row != NULL);
		CHECK_INT(((odd_row *)(void *)row)->v, value + (code == FF_OK));
	}
	close_store(store);
	int64_t now = value_in(path_of("a.db"));
	check(code == FF_E_COMMIT_UNKNOWN ? now == value || now == value + 1 : now == value + (code == FF_OK), __FILE__,
	      __LINE__, "%s fault %u answers %s; %d is found for %d", fault_name(kind), n, ff_code_name(code), (int)now,
	      (int)value);
	return now;
}

static void a_commit_answers_the_truth(void)
{
	unsigned unknown = 0;
	for (fault_kind kind = FAULT_WRITE; kind < FAULT_KINDS; kind++) {
		bool struck = true;
		unsigned n = 0;
		ff_store *store = must_open(path_of("a.db"));
		odd_row row = odd("a", 1, "c", 1);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
		close_store(store);
		for (int64_t value = 1; struck && n < ROUNDS_MAX;) {
			value = add_one(value, kind, ++n, &struck, &unknown);
			CHECK_INT(value_after_crash(), value);
		}
		check(n > 1 && n < ROUNDS_MAX, __FILE__, __LINE__, "%s: ends at %u", fault_name(kind), n);
		CHECK_TEXT(check_store(path_of("a.db")).lines, "");
		remove_store(path_of("a.db"));
	}
	CHECK(unknown > 0);
}

static void a_failed_sync_changes_nothing(void)
{
	static const char *const none[] = { "durability", "none", NULL };
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 1);
	odd_row raised = odd("a", 1, "c", 2);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	fault_arm(FAULT_SYNC, 1, EIO);
	CHECK_CODE(put_row(store, odd_v1(), &row.row, &raised.row), FF_E_IO);
	CHECK_TEXT(error.native_code, "5");
	CHECK(fault_disarm());
	CHECK(rows_equal(odd_v1(), get_row(store, odd_v1(), &row.row), &row.row));
	REQUIRE_OK(put_row(store, odd_v1(), &row.row, &raised.row));
	close_store(store);
	/* Without syncs there is nothing to fail. */
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, none, &store));
	fault_arm(FAULT_SYNC, 1, EIO);
	REQUIRE_OK(put_row(store, odd_v1(), &raised.row, &row.row));
	CHECK(!fault_disarm());
	close_store(store);
}

static const test_case cases[] = {
	CASE(a_failed_open_leaves_nothing, "FF-ERR-2"),  CASE(a_failed_open_leaves_what_was_there, "FF-MT-2"),
	CASE(an_allocator_that_has_nothing, ""),         CASE(a_commit_answers_the_truth, "FF-ERR-2"),
	CASE(a_failed_sync_changes_nothing, "FF-ERR-2"),
};
FAMILY(cases_faults, cases);
