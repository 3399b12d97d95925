/* Opening: what is not a store, what cannot be written, and that a failed open leaves nothing. */
#include "lmdb_test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void what_is_no_store(void)
{
	static const char text[] = "budget,tokens\na,1\n";
	static const char zeros[8192];
	write_file(path_of("file"), text, sizeof(text) - 1);
	refuse_open(path_of("file"), 0, FF_E_INVALID);
	refuse_open(path_of("file"), FF_STORE_READ_ONLY, FF_E_INVALID);
	CHECK(strstr(error.message, "is no directory") != NULL);
	mkfifo(path_of("fifo"), 0600);
	refuse_open(path_of("fifo"), 0, FF_E_INVALID);
	refuse_open(path_of("no/such/directory"), 0, FF_E_IO);
	refuse_open(path_of("file/a"), 0, FF_E_IO);
	CHECK_INT(count_files(), 2);
	mkdir(path_of("text"), 0700);
	write_file(path_of("text/data.mdb"), text, sizeof(text) - 1);
	refuse_open(path_of("text"), 0, FF_E_CORRUPT);
	CHECK_TEXT(error.native_code, "-30793");
	refuse_open(path_of("text"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	mkdir(path_of("zeros"), 0700);
	write_file(path_of("zeros/data.mdb"), zeros, sizeof(zeros));
	refuse_open(path_of("zeros"), 0, FF_E_CORRUPT);
	mkdir(path_of("deeper"), 0700);
	mkdir(path_of("deeper/data.mdb"), 0700);
	refuse_open(path_of("deeper"), 0, FF_E_IO);
	CHECK(file_hash(path_of("text/data.mdb")) == file_hash(path_of("file")));
}

static void an_environment_of_others(void)
{
	const char *data = path_of("theirs/data.mdb");
	ff_store *store;
	raw_put(path_of("theirs"), "accounts", raw_text("a", 1, "1", 1));
	uint64_t was = file_hash(data);
	refuse_open(path_of("theirs"), 0, FF_E_CORRUPT);
	CHECK(strstr(error.message, "something else") != NULL);
	refuse_open(path_of("theirs"), FF_STORE_MUST_EXIST, FF_E_CORRUPT);
	refuse_open(path_of("theirs"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	CHECK(file_hash(data) == was);
	raw_put(path_of("flat"), NULL, raw_text("a", 1, "1", 1));
	refuse_open(path_of("flat"), 0, FF_E_CORRUPT);
	/* One without anything in it is nobody's. */
	raw_put(path_of("empty"), "accounts", raw_text("a", 1, "1", 1));
	raw_drop(path_of("empty"), "accounts");
	refuse_open(path_of("empty"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	REQUIRE_OK(open_store(path_of("empty"), &catalog_v1, 0, NULL, &store));
	close_store(store);
}

/* The version of LMDB's file format, in both meta pages. */
static void set_format(const char *path, unsigned char version)
{
	FILE *file = fopen(path, "r+b");
	REQUIRE(file != NULL);
	for (long page = 0; page < 2; page++) {
		fseek(file, page * sysconf(_SC_PAGESIZE) + 16 + 4, SEEK_SET);
		putc(version, file);
	}
	fclose(file);
}

static void a_newer_lmdb(void)
{
	const char *path = path_of("a.db");
	const char *data = path_of("a.db/data.mdb");
	close_store(must_open(path));
	set_format(data, 2);
	uint64_t was = file_hash(data);
	refuse_open(path, 0, FF_E_VERSION);
	CHECK(strstr(error.message, "another version of LMDB") != NULL);
	CHECK_TEXT(error.native_code, "-30794");
	refuse_open(path, FF_STORE_READ_ONLY, FF_E_VERSION);
	CHECK(file_hash(data) == was);
	set_format(data, 1);
	close_store(must_open(path));
}

static void what_is_missing(void)
{
	refuse_open(path_of("a.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(path_of("a.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	refuse_open(path_of("no/such"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	CHECK_INT(count_files(), 0);
	mkdir(path_of("empty"), 0700);
	refuse_open(path_of("empty"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(path_of("empty"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	CHECK(!file_exists(path_of("empty/data.mdb")) && !file_exists(path_of("empty/lock.mdb")));
	close_store(must_open(path_of("empty")));
	CHECK(file_exists(path_of("empty/data.mdb")));
	/* What a process leaves that was killed as it began. */
	mkdir(path_of("begun"), 0700);
	write_file(path_of("begun/data.mdb"), "", 0);
	refuse_open(path_of("begun"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	close_store(must_open(path_of("begun")));
}

static void a_failed_open_removes_what_it_made(void)
{
	static const char *const params[] = { "map_max", "8192", NULL };
	ff_store *store;
	CHECK_CODE(open_store(path_of("new"), &catalog_v1, 0, params, &store), FF_E_FULL);
	CHECK_INT(count_files(), 0);
	mkdir(path_of("there"), 0700);
	CHECK_CODE(open_store(path_of("there"), &catalog_v1, 0, params, &store), FF_E_FULL);
	CHECK(file_exists(path_of("there")));
	CHECK_INT(rmdir(path_of("there")), 0); /* it is empty */
}

static void parameters(void)
{
	static const char *const wrong[][5] = {
		{ "durability", "sometimes", NULL },
		{ "map_size", "large", NULL },
		{ "map_size", "0", NULL },
		{ "map_size", "-1", NULL },
		{ "map_max", "0", NULL },
		{ "map_max", "4096", "map_size", "8192", NULL },
		{ "cache", "1", NULL },
		{ "write_map", "1", NULL },
		{ "write_map", "2", "durability", "none", NULL },
		{ "busy_timeout_ms", "-1", NULL },
	};
	static const char *const durabilities[][3] = {
		[FF_DURABILITY_FULL] = { "durability", "full", NULL },
		[FF_DURABILITY_NORMAL] = { "durability", "normal", NULL },
		[FF_DURABILITY_NONE] = { "durability", "none", NULL },
	};
	ff_store *store;
	ff_store_limits limits;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		CHECK_CODE(open_store(path_of("a.db"), &catalog_v1, 0, wrong[i], &store), FF_E_INVALID);
	CHECK(strstr(error.message, "busy_timeout_ms") != NULL);
	CHECK_INT(count_files(), 0);
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++) {
		REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, durabilities[i], &store));
		REQUIRE_OK(subject.backend->limits(store, &limits, &error));
		CHECK_INT(limits.durability, i);
		CHECK_INT((limits.caps & FF_CAP_DURABLE_COMMIT) != 0, i == FF_DURABILITY_FULL);
		CHECK((limits.caps & FF_CAP_MULTI_PROCESS) && (limits.caps & FF_CAP_SNAPSHOT_READ));
		CHECK(strncmp(limits.version, "LMDB 0.9.", 9) == 0);
		close_store(store);
	}
}

static void a_relative_path_stays_where_it_was(void)
{
	char before[4096];
	REQUIRE(getcwd(before, sizeof(before)) && chdir(directory) == 0);
	ff_store *store = must_open("a.db?x=%41");
	REQUIRE(chdir("/") == 0);
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
	CHECK(file_exists(path_of("a.db?x=%41/data.mdb")));
	CHECK(chdir(before) == 0);
}

/* ---- rights -------------------------------------------------------------------------------------------------- */

static int refuse_without_rights(int number)
{
	(void)number;
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 2;
	refuse_open(path_of("none"), 0, FF_E_IO);
	CHECK(strstr(error.message, "Permission denied") != NULL);
	refuse_open(path_of("sealed/new"), 0, FF_E_IO);
	refuse_open(path_of("data"), 0, FF_E_IO);
	CHECK(strstr(error.message, "Permission denied") != NULL);
	/* Readers have to write into the lock file. */
	refuse_open(path_of("lock"), FF_STORE_READ_ONLY, FF_E_IO);
	CHECK(strstr(error.message, "Permission denied") != NULL);
	/* But not into the data. */
	ff_store *store;
	ff_txn *txn;
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(open_store(path_of("data"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	CHECK_CODE(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error), FF_E_MISUSE);
	CHECK(get_row(store, odd_v1(), &row.row) != NULL);
	refuse_open(path_of("data"), 0, FF_E_IO); /* the environment is shared, and cannot be written */
	close_store(store);
	return case_failed();
}

static void files_that_may_not_be_written(void)
{
	static const char *const names[] = { "none", "data", "lock" };
	odd_row row = odd("a", 1, "c", 1);
	for (unsigned i = 0; i < 3; i++) {
		ff_store *store = must_open(path_of(names[i]));
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
		close_store(store);
		chmod(path_of(names[i]), 0777);
	}
	mkdir(path_of("sealed"), 0555);
	CHECK(chmod(path_of("none"), 0) == 0 && chmod(directory, 0777) == 0);
	CHECK(chmod(path_of("data/data.mdb"), 0444) == 0 && chmod(path_of("data/lock.mdb"), 0666) == 0);
	CHECK(chmod(path_of("lock/data.mdb"), 0444) == 0 && chmod(path_of("lock/lock.mdb"), 0444) == 0);
	uint64_t was = file_hash(path_of("data/data.mdb"));
	in_processes(1, refuse_without_rights);
	CHECK(file_hash(path_of("data/data.mdb")) == was);
	CHECK(chmod(path_of("none"), 0700) == 0);
}

static void reading_leaves_the_data_as_it_is(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	store = must_open(path);
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	close_store(store);
	uint64_t was = file_hash(data_of(path));
	REQUIRE_OK(open_store(path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
	CHECK(file_hash(data_of(path)) == was);
}

static const test_case cases[] = {
	CASE(what_is_no_store, "FF-ERR-1"),
	CASE(an_environment_of_others, "FF-ERR-1"),
	CASE(a_newer_lmdb, "FF-MT-2"),
	CASE(what_is_missing, "FF-MT-2"),
	CASE(a_failed_open_removes_what_it_made, "FF-ERR-2"),
	CASE(parameters, ""),
	CASE(a_relative_path_stays_where_it_was, ""),
	CASE(files_that_may_not_be_written, "FF-ERR-1"),
	CASE(reading_leaves_the_data_as_it_is, ""),
};
FAMILY(cases_open, cases);
