/* Stores that somebody spoiled: what is seen when it is read, what check finds, and that writing goes on. */
#include "lmdb_test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The key ("k", 1, "c"), and its entry in odd_by_n, where n is 5. */
#define ROW_KEY                   \
	"k\0\x80\0\0\0\0\0\0\x01" \
	"c"
#define ROW_KEY_SIZE 11
#define PLACE                     \
	"\x80\0\0\0\0\0\0\x05"    \
	"k\0\x80\0\0\0\0\0\0\x01" \
	"c"
#define PLACE_SIZE 19
#define ODD "odd \"table\""

static const ff_index *by_n(void)
{
	return &odd_v1()->indexes[0];
}

/* A store with rows ("k", 1, "c") and ("l", 1, "c"). */
static const char *make_store(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("k", 1, "c", 5);
	ffp_odd_row next = ffp_odd("l", 1, "c", 6);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &next.row));
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path).lines, "");
	return path;
}

static ff_read all_by(const ff_index *index)
{
	return (ff_read){ .table = odd_v1(), .kind = FF_READ_RANGE, .index = index, .limit = 9 };
}

static void an_entry_is_missing(ff_test *t)
{
	const char *path = make_store(t);
	raw_remove(t, path, "odd_by_n", raw_text(PLACE, PLACE_SIZE, "", 0));
	FF_CHECK_STR(t, check_store(t, path).lines, "index 'odd_by_n', row ('k', 1, 'c'): its entry is missing|");
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("k", 1, "c", 5);
	ffp_odd_row after = ffp_odd("k", 1, "c", 7);
	FF_CHECK_CODE(t, put_row(t, store, odd_v1(), &row.row, &after.row), FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "odd_by_n") != NULL);
	close_store(store);
}

static void an_entry_without_a_row(ff_test *t)
{
	const char *path = make_store(t);
	raw_remove(t, path, ODD, raw_text(ROW_KEY, ROW_KEY_SIZE, "", 0));
	problems found = check_store(t, path);
	FF_CHECK_EQ_INT(t, found.count, 4); /* one an index */
	FF_CHECK(t, strstr(found.lines, "index 'odd_by_n', row ('k', 1, 'c'): its row is not there|") != NULL);
	ff_store *store = must_open(t, path);
	ff_read read = all_by(by_n());
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &read, 1), FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "odd_by_n") != NULL);
	read = all_by(NULL);
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	FF_CHECK_EQ_INT(t, read.rows_count, 1);
	close_store(store);
}

static void an_entry_that_is_old(ff_test *t)
{
	const char *path = make_store(t);
	raw_put(t, path, "odd_by_n",
	        raw_text("\x80\0\0\0\0\0\0\x04"
	                 "k\0\x80\0\0\0\0\0\0\x01"
	                 "c",
	                 PLACE_SIZE, "", 0));
	FF_CHECK_STR(t, check_store(t, path).lines,
	             "index 'odd_by_n', row ('k', 1, 'c'): an entry that its row does not have|");
	ff_store *store = must_open(t, path);
	ff_read read = all_by(by_n());
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &read, 1), FF_E_CORRUPT);
	close_store(store);
}

static void an_entry_with_a_value(ff_test *t)
{
	const char *path = make_store(t);
	raw_put(t, path, "odd_by_n", raw_text(PLACE, PLACE_SIZE, "x", 1));
	FF_CHECK_STR(t, check_store(t, path).lines,
	             "index 'odd_by_n', row ('k', 1, 'c'): an entry that its row does not have|");
}

static void an_entry_of_a_null(ff_test *t)
{
	const char *path = make_store(t);
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("m", 1, "c", 0);
	row.row.nulls = 1u << FFP_ODD_N;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	raw_put(t, path, "odd_by_n",
	        raw_text("\x80\0\0\0\0\0\0\0"
	                 "m\0\x80\0\0\0\0\0\0\x01"
	                 "c",
	                 PLACE_SIZE, "", 0));
	FF_CHECK_STR(t, check_store(t, path).lines,
	             "index 'odd_by_n', row ('m', 1, 'c'): an entry that its row does not have|");
	store = must_open(t, path);
	ff_read read = all_by(by_n());
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &read, 1), FF_E_CORRUPT);
	close_store(store);
}

static void keys_that_are_none(ff_test *t)
{
	const char *path = make_store(t);
	raw_put(t, path, ODD, raw_text("kk", 2, "", 0));
	raw_put(t, path, "odd_by_n", raw_text("kk", 2, "", 0));
	problems found = check_store(t, path);
	FF_CHECK(t, strstr(found.lines, "table 'odd \"table\"': a row cannot be read|") != NULL);
	FF_CHECK(t, strstr(found.lines, "index 'odd_by_n': an entry cannot be read|") != NULL);
	FF_CHECK_EQ_INT(t, found.count, 2);
	ff_store *store = must_open(t, path);
	ffp_odd_row row = ffp_odd("k", 1, "c", 5);
	const ff_index *orders[] = { NULL, by_n() };
	for (unsigned i = 0; i < 2; i++) { /* the read behind it does not make it good */
		ff_read reads[] = { all_by(orders[i]), { .table = odd_v1(), .kind = FF_READ_GET, .low = &row.row } };
		FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, reads, 2), FF_E_CORRUPT);
	}
	ff_read everything = all_by(NULL);
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &everything };
	FF_CHECK_CODE(t, write_once(t, store, &gone, 1), FF_E_CORRUPT);
	close_store(store);
}

static void keys_that_are_no_text(ff_test *t)
{
	const char *path = make_store(t);
	raw_put(t, path, ODD,
	        raw_text("\x1b[\xff\0\x80\0\0\0\0\0\0\x01"
	                 "c",
	                 13, "", 0));
	FF_CHECK_STR(t, check_store(t, path).lines,
	             "table 'odd \"table\"', row ('\x1b[\xff', 1, 'c'): a row cannot be read|");
}

/* A store whose first row's value cannot be read. */
static const char *make_corrupt(ff_test *t)
{
	const char *path = make_store(t);
	raw_put(t, path, ODD, raw_text(ROW_KEY, ROW_KEY_SIZE, "\xd5\x41\x01", 3));
	return path;
}

static void a_row_that_cannot_be_read(ff_test *t)
{
	const char *path = make_corrupt(t);
	FF_CHECK_STR(t, check_store(t, path).lines, "table 'odd \"table\"', row ('k', 1, 'c'): a row cannot be read|");
	ff_store *store = must_open(t, path);
	ffp_odd_row key = ffp_odd("k", 1, "c", 0);
	ff_read reads[] = { { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row }, all_by(NULL), all_by(by_n()) };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, reads, 3));
	FF_REQUIRE(t, reads[0].row && reads[1].rows_count == 2 && reads[2].rows_count == 2);
	const ff_row *rows[] = { reads[0].row, reads[1].rows[0], reads[2].rows[0] };
	for (unsigned i = 0; i < 3; i++) {
		FF_CHECK_EQ_INT(t, rows[i]->state, FF_ROW_CORRUPT);
		FF_CHECK_EQ_INT(t, ff_row_compare(odd_v1(), NULL, rows[i], &key.row, FFP_ODD_KEY), 0);
	}
	/* By which index it was found is known, too. */
	FF_CHECK_EQ_INT(t, ffp_odd_of(rows[2])->n, 5);
	FF_CHECK(t, !ff_row_is_null(rows[2], FFP_ODD_N));
	FF_CHECK_EQ_INT(t, reads[1].rows[1]->state, FF_ROW_OK);
	close_store(store);
}

static void a_corrupt_row_can_be_written_over(ff_test *t)
{
	const char *path = make_corrupt(t);
	ff_store *store = must_open(t, path);
	ffp_odd_row after = ffp_odd("k", 1, "c", 9);
	ff_row *before = get_row(t, store, odd_v1(), &after.row);
	FF_REQUIRE(t, before && before->state == FF_ROW_CORRUPT);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), before, &after.row));
	FF_CHECK(t, ffp_rows_equal(odd_v1(), get_row(t, store, odd_v1(), &after.row), &after.row));
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path).lines, "");
}

static void a_corrupt_row_can_be_deleted(ff_test *t)
{
	for (unsigned by_range = 0; by_range < 2; by_range++) {
		const char *path = path_of(t, "a.db");
		if (by_range == 0) {
			make_corrupt(t);
		} else {
			ff_store *again = must_open(t, path);
			ffp_odd_row row = ffp_odd("k", 1, "c", 5);
			FF_REQUIRE_OK(t, put_row(t, again, odd_v1(), NULL, &row.row));
			close_store(again);
			raw_put(t, path, ODD, raw_text(ROW_KEY, ROW_KEY_SIZE, "\xd5\x41\x01", 3));
		}
		ff_store *store = must_open(t, path);
		ffp_odd_row key = ffp_odd("k", 1, "c", 0);
		ff_read range = {
			.table = odd_v1(), .kind = FF_READ_RANGE, .equal_count = 1, .low = &key.row, .limit = 1
		};
		ff_write gone = { .table = odd_v1(),
			          .kind = by_range ? FF_WRITE_DELETE_RANGE : FF_WRITE_DELETE,
			          .before = by_range ? NULL : get_row(t, store, odd_v1(), &key.row),
			          .range = &range };
		FF_REQUIRE_OK(t, write_once(t, store, &gone, 1));
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
		close_store(store);
		FF_CHECK_STR(t, check_store(t, path).lines, "");
	}
}

static void empty_tree(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context)
{
	(void)context;
	FF_CHECK_EQ_INT(t, mdb_drop(txn, dbi, 0), 0);
}

/* More problems than are told at once, in more rows than are looked at at once. */
static void all_problems_are_told(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	ff_store *store = must_open(t, path);
	static ffp_odd_row rows[3000];
	static ff_write writes[3000];
	for (int i = 0; i < 3000; i++) {
		rows[i] = ffp_odd("a", i, "c", i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, 3000));
	close_store(store);
	FF_CHECK_EQ_INT(t, check_store(t, path).count, 0);
	for (unsigned i = 0; i < 3; i++)
		edit(t, path, odd_v1()->indexes[i].name, empty_tree, NULL);
	FF_CHECK_EQ_INT(t, check_store(t, path).count, 3 * 3000);
}

static off_t cut_to;

static int use_what_was_cut(ff_test *t, int number)
{
	ff_store *store;
	(void)number;
	FF_REQUIRE(t, truncate(path_of(t, "a.db/data.mdb"), cut_to) == 0);
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_MUST_EXIST, NULL, &store);
	if (code == FF_OK) {
		problems found = { .test = t };
		ff_read read = all_by(NULL);
		ffp_odd_row row = ffp_odd("z", 1, "c", 1);
		read.limit = 10000;
		ff_code seen = read_once(t, store, FF_TXN_READ, &read, 1);
		ff_code checked = subject.backend->check(store, note_problem, &found, ff_test_error(t));
		FF_CHECK(t, seen == FF_E_CORRUPT || checked == FF_E_CORRUPT || found.count > 0);
		put_row(t, store, odd_v1(), NULL, &row.row); /* whatever it answers */
		close_store(store);
	} else {
		FF_CHECK_CODE(t, code, FF_E_CORRUPT);
	}
	return 0;
}

/* A map of a file that ends too soon faults; each cut is tried in a process of its own. */
static void a_file_that_was_cut_short(ff_test *t)
{
	enum { COUNT = 1000 };
	static ffp_odd_row rows[COUNT];
	static ff_write writes[COUNT];
	long page = sysconf(_SC_PAGESIZE);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	for (int i = 0; i < COUNT; i++) {
		rows[i] = ffp_odd("a", i, "some words", i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, COUNT));
	close_store(store);
	mkdir(path_of(t, "whole"), 0700);
	copy_file(t, path_of(t, "a.db/data.mdb"), path_of(t, "whole/data.mdb"));
	struct stat whole;
	FF_REQUIRE(t, stat(path_of(t, "whole/data.mdb"), &whole) == 0 && whole.st_size > 40 * page);
	for (cut_to = page; cut_to < whole.st_size; cut_to += 7 * page / 2) {
		copy_file(t, path_of(t, "whole/data.mdb"), path_of(t, "a.db/data.mdb"));
		in_processes(t, 1, use_what_was_cut);
	}
}

enum { PAGES_ROWS = 300 };

/* All rows in an order, or the store says that it is corrupt. Whether it does. */
static bool is_noticed_by(ff_test *t, ff_store *store, const ff_index *index, uint32_t flags)
{
	ff_read read = all_by(index);
	read.limit = 2 * PAGES_ROWS;
	read.flags = flags;
	ff_code code = read_once(t, store, flags ? FF_TXN_WRITE : FF_TXN_READ, &read, 1);
	FF_CHECK(t, code == FF_E_CORRUPT || (code == FF_OK && read.rows_count == PAGES_ROWS));
	return code == FF_E_CORRUPT;
}

static void go_through(ff_test *t, ff_store *store)
{
	problems found = { .test = t };
	bool noticed = is_noticed_by(t, store, NULL, 0);
	FF_CHECK(t, is_noticed_by(t, store, NULL, FF_READ_DESCENDING) == noticed);
	for (unsigned i = 0; i < odd_v1()->indexes_count; i++) {
		noticed |= is_noticed_by(t, store, &odd_v1()->indexes[i], 0);
		noticed |= is_noticed_by(t, store, &odd_v1()->indexes[i], FF_READ_DESCENDING);
	}
	ff_code code = subject.backend->check(store, note_problem, &found, ff_test_error(t));
	FF_CHECK(t, code == FF_OK || code == FF_E_CORRUPT);
	FF_CHECK(t, !noticed || code == FF_E_CORRUPT || found.count > 0);
}

/* Each page in turn is one of zeros: a row by its key is as it was, or cannot be read, and is not one that is not there; and
 * who reads from row to row is told. */
static void a_page_that_is_none(ff_test *t)
{
	enum { COUNT = PAGES_ROWS };
	static ffp_odd_row rows[COUNT];
	static ff_write writes[COUNT];
	static const char zeros[64 << 10];
	const char *path = path_of(t, "a.db");
	long page = sysconf(_SC_PAGESIZE);
	unsigned noticed = 0;
	struct stat whole;
	ff_store *store = must_open(t, path);
	for (int i = 0; i < COUNT; i++) {
		rows[i] = ffp_odd("a", i, "some words", i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, COUNT));
	close_store(store);
	copy_file(t, data_of(t, path), path_of(t, "whole"));
	FF_REQUIRE(t, stat(data_of(t, path), &whole) == 0 && page <= (long)sizeof(zeros));
	for (long at = 2 * page; at < whole.st_size; at += page) {
		copy_file(t, path_of(t, "whole"), data_of(t, path));
		FILE *file = fopen(data_of(t, path), "r+b");
		FF_REQUIRE(t, file && fseek(file, at, SEEK_SET) == 0);
		FF_CHECK(t, fwrite(zeros, (size_t)page, 1, file) == 1 && fclose(file) == 0);
		if (open_store(t, path, &catalog_v1, 0, NULL, &store) != FF_OK)
			continue;
		for (int i = 0; i < COUNT; i += 7) {
			ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &rows[i].row };
			ff_code code = read_once(t, store, i % 2 ? FF_TXN_READ : FF_TXN_WRITE, &read, 1);
			noticed += code == FF_E_CORRUPT;
			FF_CHECK(t, code == FF_E_CORRUPT || (code == FF_OK && read.row &&
			                                     ffp_rows_equal(odd_v1(), read.row, &rows[i].row)));
		}
		go_through(t, store);
		close_store(store);
	}
	FF_CHECK(t, noticed > 0);
}

/* LMDB may leave out the last pages, where nobody needs them: the file is made as long as it should be. */
static void a_file_without_its_last_pages(ff_test *t)
{
	static ffp_odd_row rows[1000];
	static ff_write writes[1000];
	const char *path = path_of(t, "a.db");
	struct stat whole, made;
	ff_store *store = must_open(t, path);
	for (int i = 0; i < 1000; i++) {
		rows[i] = ffp_odd("a", i, "some words", i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, 1000));
	ff_read everything = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &everything };
	FF_REQUIRE_OK(t, write_once(t, store, &gone, 1));
	for (int i = 0; i < 10; i++)
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &rows[i].row));
	close_store(store);
	FF_REQUIRE(t, stat(data_of(t, path), &whole) == 0);
	FF_REQUIRE(t, truncate(data_of(t, path), whole.st_size - 2 * sysconf(_SC_PAGESIZE)) == 0);
	store = must_open(t, path);
	FF_CHECK(t, stat(data_of(t, path), &made) == 0 && made.st_size == whole.st_size);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 10);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &rows[10].row));
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path).lines, "");
}

static void a_tree_that_is_missing(ff_test *t)
{
	ff_store *store;
	const char *path = make_store(t);
	raw_drop(t, path, "odd_by_n");
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "odd_by_n") != NULL);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store), FF_E_CORRUPT);
	raw_drop(t, path, ODD);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
}

static void a_version_that_is_none(ff_test *t)
{
	static const char *const values[] = { "", "1", "\0\0\0", "\0\0\0\0\x01" };
	static const size_t sizes[] = { 0, 1, 4, 5 };
	ff_store *store;
	for (unsigned i = 0; i < 4; i++) {
		const char *path = make_store(t);
		raw_put(t, path, "ff_schema", raw_text("version", 7, values[i], sizes[i]));
		FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
		raw_put(t, path, "ff_schema", raw_text("version", 7, "\xff\xff\xff\xff", 4));
		FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_VERSION);
		raw_put(t, path, "ff_schema", raw_text("version", 7, "\0\0\0\x01", 4));
		store = must_open(t, path);
		ff_read everything = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
		ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &everything };
		FF_REQUIRE_OK(t, write_once(t, store, &gone, 1));
		close_store(store);
	}
	/* Nor is a store new that has rows. */
	const char *path = make_store(t);
	raw_remove(t, path, "ff_schema", raw_text("version", 7, "", 0));
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "odd_by_n") != NULL);
}

static const ff_case cases[] = {
	CASE(an_entry_is_missing, "FF-MT-4", 0),        CASE(an_entry_without_a_row, "FF-MT-4", 0),
	CASE(an_entry_that_is_old, "FF-MT-4", 0),       CASE(an_entry_with_a_value, "FF-MT-4", 0),
	CASE(an_entry_of_a_null, "FF-MT-4", 0),         CASE(keys_that_are_none, "FF-MT-4", 0),
	CASE(keys_that_are_no_text, "FF-MT-4", 0),      CASE(a_row_that_cannot_be_read, "FF-RU-8", 0),
	CASE(a_corrupt_row_can_be_written_over, "", 0), CASE(a_corrupt_row_can_be_deleted, "", 0),
	CASE(all_problems_are_told, "FF-MT-4", 0),      CASE(a_file_that_was_cut_short, "FF-ERR-1", 0),
	CASE(a_tree_that_is_missing, "FF-MT-2", 0),     CASE(a_version_that_is_none, "FF-MT-2", 0),
	CASE(a_page_that_is_none, "FF-ERR-1", 0),       CASE(a_file_without_its_last_pages, "", 0),
};
FAMILY(cases_spoiled, cases);
