/* Opening: what is not a store, what cannot be written, and that a failed open leaves nothing. */
#include "sqlite_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const ff_engine_backend *const sqlite = &ffp_sqlite_backend;

static void what_is_no_store(void)
{
	static const char zeros[8192];
	static const char text[] = "budget,tokens\na,1\n";
	write_file(path_of("text"), text, sizeof(text) - 1);
	write_file(path_of("zeros"), zeros, sizeof(zeros));
	write_file(path_of("byte"), text, 1);
	run_sql(path_of("utf16"), "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)");
	uint64_t text_was = file_hash(path_of("text"));
	uint64_t byte_was = file_hash(path_of("byte"));
	uint64_t utf16_was = file_hash(path_of("utf16"));
	mkdir(path_of("directory"), 0700);
	mkfifo(path_of("fifo"), 0600);
	refuse_open(path_of("text"), 0, FF_E_CORRUPT);
	CHECK_TEXT(error.native_code, "26");
	refuse_open(path_of("text"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	refuse_open(path_of("zeros"), 0, FF_E_CORRUPT);
	refuse_open(path_of("byte"), 0, FF_E_CORRUPT);
	CHECK_TEXT(error.native_code, "26");
	refuse_open(path_of("byte"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	refuse_open(path_of("byte"), FF_STORE_MUST_EXIST, FF_E_CORRUPT);
	refuse_open(path_of("utf16"), 0, FF_E_CORRUPT);
	refuse_open(path_of("directory"), 0, FF_E_INVALID);
	refuse_open(path_of("directory"), FF_STORE_READ_ONLY, FF_E_INVALID);
	refuse_open(path_of("fifo"), 0, FF_E_INVALID);
	refuse_open(path_of("no/such/directory"), 0, FF_E_IO);
	refuse_open(path_of("text/a"), 0, FF_E_IO);
	CHECK(file_hash(path_of("text")) == text_was);
	CHECK(file_hash(path_of("byte")) == byte_was);
	CHECK(file_hash(path_of("utf16")) == utf16_was);
	CHECK_INT(count_files(), 6);
}

static void what_is_missing(void)
{
	refuse_open(path_of("a.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(path_of("a.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	CHECK_INT(count_files(), 0);
	/* A file without the tables is no store yet. */
	write_file(path_of("empty.db"), "", 0);
	run_sql(path_of("other.db"), "CREATE TABLE theirs (a)");
	refuse_open(path_of("empty.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(path_of("empty.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	refuse_open(path_of("other.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	CHECK_INT(count_files(), 2);
	CHECK(file_hash(path_of("empty.db")) == UINT64_C(0xcbf29ce484222325));
	ff_store *store;
	CHECK_CODE(open_store(":memory:", &catalog_v1, FF_STORE_MUST_EXIST, NULL, &store), FF_E_NOT_FOUND);
	close_store(must_open(path_of("empty.db")));
	close_store(must_open(path_of("other.db")));
	CHECK_TEXT(ask_sql(path_of("other.db"), "SELECT name FROM sqlite_schema WHERE name = 'theirs'"), "theirs");
}

static void parameters(void)
{
	static const char *const wrong[][3] = {
		{ "durability", "sometimes", NULL },
		{ "busy_timeout_ms", "soon", NULL },
		{ "busy_timeout_ms", "-1", NULL },
		{ "map_size", "1", NULL },
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
	CHECK_INT(count_files(), 0);
	for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++) {
		REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, durabilities[i], &store));
		REQUIRE_OK(sqlite->limits(store, &limits, &error));
		CHECK_INT(limits.durability, i);
		CHECK_INT((limits.caps & FF_CAP_DURABLE_COMMIT) != 0, i == FF_DURABILITY_FULL);
		CHECK((limits.caps & FF_CAP_MULTI_PROCESS) && (limits.caps & FF_CAP_SNAPSHOT_READ));
		CHECK(strncmp(limits.version, "SQLite 3.", 9) == 0);
		close_store(store);
	}
	REQUIRE_OK(open_store(":memory:", &catalog_v1, 0, NULL, &store));
	REQUIRE_OK(sqlite->limits(store, &limits, &error));
	CHECK_INT((int64_t)limits.caps, 0);
	CHECK_INT(limits.durability, FF_DURABILITY_NONE);
	close_store(store);
}

static void a_relative_path_stays_where_it_was(void)
{
	char before[4096];
	REQUIRE(getcwd(before, sizeof(before)) && chdir(directory) == 0);
	ff_store *store = must_open("file:a.db?mode=ro");
	REQUIRE(chdir("/") == 0);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
	close_store(store);
	CHECK(file_exists(path_of("file:a.db?mode=ro")));
	CHECK_INT(count_files(), 1);
	CHECK(chdir(before) == 0);
}

static void two_memory_stores_are_two(void)
{
	ff_store *one = must_open(":memory:");
	ff_store *other = must_open(":memory:");
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(one, odd_v1(), NULL, &row.row));
	CHECK_INT((int64_t)count_rows(one, odd_v1()), 1);
	CHECK_INT((int64_t)count_rows(other, odd_v1()), 0);
	close_store(one);
	close_store(other);
	CHECK(!file_exists(":memory:"));
}

/* ---- rights -------------------------------------------------------------------------------------------------- */

/* Runs `body` in a process without root's rights, which may read and write the case's directory; its checks count
 * here as one. */
static void without_rights(void (*body)(void))
{
	CHECK(chmod(directory, 0777) == 0);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(2);
		body();
		fflush(stdout);
		_exit(case_failed());
	}
	int status = -1;
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK_INT(status, 0);
}

static void refuse_without_rights(void)
{
	refuse_open(path_of("none.db"), 0, FF_E_IO);
	refuse_open(path_of("none.db"), FF_STORE_READ_ONLY, FF_E_IO);
	CHECK(strstr(error.message, "Permission denied") != NULL);
	refuse_open(path_of("read.db"), 0, FF_E_IO);
	CHECK(strstr(error.message, "Permission denied") != NULL);
	refuse_open(path_of("sealed/write.db"), 0, FF_E_IO);
	CHECK(strstr(error.message, "directory") != NULL);
	refuse_open(path_of("sealed/new.db"), 0, FF_E_IO);
}

static void read_without_rights(void)
{
	static const char *const names[] = { "read.db", "sealed/read?%41#.db", "sealed/write.db" };
	odd_row key = odd("a", 1, "c", 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		ff_store *store;
		REQUIRE_OK(open_store(path_of(names[i]), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
		CHECK(get_row(store, odd_v1(), &key.row) != NULL);
		CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
		close_store(store);
	}
	CHECK(!file_exists(path_of("read.db-wal")));
}

static void make_one_row(const char *path)
{
	ff_store *store = must_open(path);
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	close_store(store);
}

static void files_that_may_not_be_written(void)
{
	static const char *const names[] = { "none.db", "read.db", "sealed/read?%41#.db", "sealed/write.db" };
	static const mode_t modes[] = { 0, 0444, 0444, 0666 };
	mkdir(path_of("sealed"), 0700);
	for (size_t i = 0; i < 4; i++) {
		make_one_row(path_of(names[i]));
		CHECK(chmod(path_of(names[i]), modes[i]) == 0);
	}
	CHECK(chmod(path_of("sealed"), 0555) == 0);
	uint64_t was = file_hash(path_of("read.db"));
	without_rights(refuse_without_rights);
	without_rights(read_without_rights);
	CHECK(file_hash(path_of("read.db")) == was);
	CHECK(chmod(path_of("sealed"), 0700) == 0);
	CHECK(unlink(path_of(names[2])) == 0 && unlink(path_of(names[3])) == 0);
	CHECK_INT(rmdir(path_of("sealed")), 0); /* nothing else is in it */
}

/* ---- reading only --------------------------------------------------------------------------------------------- */

/* A store as a crash leaves it: with a log that nobody has folded into the file. */
static void make_crashed(const char *path, const char *log)
{
	ff_store *store = must_open(path_of("scratch.db"));
	odd_row row = odd("a", 1, "c", 1);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	copy_file(path_of("scratch.db"), path);
	copy_file(path_of("scratch.db-wal"), log);
	close_store(store);
	CHECK(unlink(path_of("scratch.db")) == 0);
}

static void reading_leaves_the_files_as_they_are(void)
{
	ff_store *store;
	const char *path = path_of("a.db");
	make_one_row(path);
	uint64_t was = file_hash(path);
	REQUIRE_OK(open_store(path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
	CHECK(file_hash(path) == was);
	CHECK_INT(count_files(), 1);
	CHECK(unlink(path) == 0);
	make_crashed(path, path_of("a.db-wal"));
	was = file_hash(path);
	uint64_t log_was = file_hash(path_of("a.db-wal"));
	REQUIRE_OK(open_store(path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	close_store(store);
	CHECK(file_hash(path) == was);
	CHECK(file_hash(path_of("a.db-wal")) == log_was);
	close_store(must_open(path));
	CHECK_INT(count_files(), 1);
}

static void a_reader_sees_what_a_writer_commits(void)
{
	ff_store *reader;
	const char *path = path_of("a.db");
	ff_store *writer = must_open(path);
	REQUIRE_OK(open_store(path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &reader));
	odd_row row = odd("a", 1, "c", 1);
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), 0);
	REQUIRE_OK(put_row(writer, odd_v1(), NULL, &row.row));
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), 1);
	close_store(reader);
	close_store(writer);
}

static const test_case cases[] = {
	CASE(what_is_no_store, "FF-ERR-1"),
	CASE(what_is_missing, "FF-MT-2"),
	CASE(parameters, ""),
	CASE(a_relative_path_stays_where_it_was, ""),
	CASE(two_memory_stores_are_two, ""),
	CASE(files_that_may_not_be_written, "FF-ERR-1"),
	CASE(reading_leaves_the_files_as_they_are, ""),
	CASE(a_reader_sees_what_a_writer_commits, ""),
};
FAMILY(cases_open, cases);
