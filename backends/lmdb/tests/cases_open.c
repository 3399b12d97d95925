/* Opening: what is not a store, what cannot be written, and that a failed open leaves nothing. */
#include "lmdb_test.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faulty.h"

static void what_is_no_store(ff_test *t)
{
	static const char text[] = "budget,tokens\na,1\n";
	static const char zeros[8192];
	write_file(t, path_of(t, "file"), text, sizeof(text) - 1);
	refuse_open(t, path_of(t, "file"), 0, FF_E_INVALID);
	refuse_open(t, path_of(t, "file"), FF_STORE_READ_ONLY, FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "is no directory") != NULL);
	mkfifo(path_of(t, "fifo"), 0600);
	refuse_open(t, path_of(t, "fifo"), 0, FF_E_INVALID);
	refuse_open(t, path_of(t, "no/such/directory"), 0, FF_E_IO);
	refuse_open(t, path_of(t, "file/a"), 0, FF_E_IO);
	refuse_open(t, path_of(t, "file/a"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	FF_CHECK_EQ_INT(t, count_files(t), 2);
	mkdir(path_of(t, "text"), 0700);
	write_file(t, path_of(t, "text/data.mdb"), text, sizeof(text) - 1);
	refuse_open(t, path_of(t, "text"), 0, FF_E_CORRUPT);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "-30793");
	refuse_open(t, path_of(t, "text"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	mkdir(path_of(t, "zeros"), 0700);
	write_file(t, path_of(t, "zeros/data.mdb"), zeros, sizeof(zeros));
	refuse_open(t, path_of(t, "zeros"), 0, FF_E_CORRUPT);
	mkdir(path_of(t, "deeper"), 0700);
	mkdir(path_of(t, "deeper/data.mdb"), 0700);
	refuse_open(t, path_of(t, "deeper"), 0, FF_E_IO);
	mkdir(path_of(t, "turnless"), 0700);
	mkdir(path_of(t, "turnless/ff.lock"), 0700);
	refuse_open(t, path_of(t, "turnless"), 0, FF_E_IO);
	FF_CHECK(t, file_hash(path_of(t, "text/data.mdb")) == file_hash(path_of(t, "file")));
}

static void an_environment_of_others(ff_test *t)
{
	const char *data = path_of(t, "theirs/data.mdb");
	ff_store *store;
	raw_put(t, path_of(t, "theirs"), "accounts", raw_text("a", 1, "1", 1));
	uint64_t was = file_hash(data);
	refuse_open(t, path_of(t, "theirs"), 0, FF_E_CORRUPT);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "something else") != NULL);
	refuse_open(t, path_of(t, "theirs"), FF_STORE_MUST_EXIST, FF_E_CORRUPT);
	refuse_open(t, path_of(t, "theirs"), FF_STORE_READ_ONLY, FF_E_CORRUPT);
	FF_CHECK(t, file_hash(data) == was);
	raw_put(t, path_of(t, "flat"), NULL, raw_text("a", 1, "1", 1));
	refuse_open(t, path_of(t, "flat"), 0, FF_E_CORRUPT);
	/* One without anything in it is nobody's. */
	raw_put(t, path_of(t, "empty"), "accounts", raw_text("a", 1, "1", 1));
	raw_drop(t, path_of(t, "empty"), "accounts");
	refuse_open(t, path_of(t, "empty"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "empty"), &catalog_v1, 0, NULL, &store));
	close_store(store);
}

/* The version of LMDB's file format, in both meta pages. */
static void set_format(ff_test *t, const char *path, unsigned char version)
{
	FILE *file = fopen(path, "r+b");
	FF_REQUIRE(t, file != NULL);
	for (long page = 0; page < 2; page++) {
		fseek(file, page * sysconf(_SC_PAGESIZE) + 16 + 4, SEEK_SET);
		putc(version, file);
	}
	fclose(file);
}

static void a_newer_lmdb(ff_test *t)
{
	const char *path = path_of(t, "a.db");
	const char *data = path_of(t, "a.db/data.mdb");
	close_store(must_open(t, path));
	set_format(t, data, 2);
	uint64_t was = file_hash(data);
	refuse_open(t, path, 0, FF_E_VERSION);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "another version of LMDB") != NULL);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "-30794");
	refuse_open(t, path, FF_STORE_READ_ONLY, FF_E_VERSION);
	FF_CHECK(t, file_hash(data) == was);
	set_format(t, data, 1);
	close_store(must_open(t, path));
}

static void what_is_missing(ff_test *t)
{
	refuse_open(t, path_of(t, "a.db"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "a.db"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "no/such"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
	mkdir(path_of(t, "empty"), 0700);
	refuse_open(t, path_of(t, "empty"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	refuse_open(t, path_of(t, "empty"), FF_STORE_MUST_EXIST, FF_E_NOT_FOUND);
	FF_CHECK(t, !file_exists(path_of(t, "empty/data.mdb")) && !file_exists(path_of(t, "empty/lock.mdb")));
	close_store(must_open(t, path_of(t, "empty")));
	FF_CHECK(t, file_exists(path_of(t, "empty/data.mdb")));
	/* What a process leaves that was killed as it began. */
	mkdir(path_of(t, "begun"), 0700);
	write_file(t, path_of(t, "begun/data.mdb"), "", 0);
	uint64_t was = file_hash(path_of(t, "begun/data.mdb"));
	refuse_open(t, path_of(t, "begun"), FF_STORE_READ_ONLY, FF_E_NOT_FOUND);
	FF_CHECK(t, file_hash(path_of(t, "begun/data.mdb")) == was);
	close_store(must_open(t, path_of(t, "begun")));
}

static void a_failed_open_removes_what_it_made(ff_test *t)
{
	static const char *const params[] = { "map_max", "8192", NULL };
	ff_store *store;
	FF_CHECK_CODE(t, open_store(t, path_of(t, "new"), &catalog_v1, 0, params, &store), FF_E_FULL);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
	mkdir(path_of(t, "there"), 0700);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "there"), &catalog_v1, 0, params, &store), FF_E_FULL);
	FF_CHECK(t, file_exists(path_of(t, "there")));
	FF_CHECK_EQ_INT(t, rmdir(path_of(t, "there")), 0); /* it is empty */
	/* Locks that were there may be those of who has another file open. */
	mkdir(path_of(t, "locked"), 0700);
	write_file(t, path_of(t, "locked/lock.mdb"), "", 0);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "locked"), &catalog_v1, 0, params, &store), FF_E_FULL);
	FF_CHECK(t, file_exists(path_of(t, "locked/lock.mdb")) && !file_exists(path_of(t, "locked/data.mdb")));
}

static void take_away(void *context)
{
	ff_test *t = context;
	FF_CHECK(t, rmdir(path_of(t, "a.db")) == 0);
}

static void make_it(void *context)
{
	ff_test *t = context;
	FF_CHECK(t, mkdir(path_of(t, "a.db"), 0700) == 0);
}

static void make_anew(void *context)
{
	take_away(context);
	make_it(context);
}

static void take_away_again(void *context)
{
	take_away(context);
	faulty_before_lock(take_away_again, context);
}

/* Another process makes it as well, or takes it away, since its opening failed; whose it is then is that process's. */
static void a_directory_comes_and_goes(ff_test *t)
{
	static const char *const params[] = { "map_max", "8192", NULL };
	ff_store *store;
	const char *path = path_of(t, "a.db");
	faulty_before_mkdir(make_it, t);
	close_store(must_open(t, path));
	remove_store(path);
	faulty_before_lock(take_away, t);
	store = must_open(t, path);
	FF_CHECK(t, file_exists(path_of(t, "a.db/data.mdb")));
	close_store(store);
	remove_store(path);
	faulty_before_lock(make_anew, t);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, params, &store), FF_E_FULL);
	FF_CHECK(t, file_exists(path));
	faulty_before_lock(take_away_again, t);
	FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, 0, NULL, &store), FF_E_BUSY);
	faulty_before_lock(NULL, NULL);
}

static void parameters(ff_test *t)
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
	ff_store *store;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		FF_CHECK_CODE(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, wrong[i], &store), FF_E_INVALID);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "busy_timeout_ms") != NULL);
	FF_CHECK_EQ_INT(t, count_files(t), 0);
}

/* ---- rights -------------------------------------------------------------------------------------------------- */

static int refuse_without_rights(ff_test *t, int number)
{
	(void)number;
	drop_rights(t);
	refuse_open(t, path_of(t, "none"), 0, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	refuse_open(t, path_of(t, "sealed/new"), 0, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	refuse_open(t, path_of(t, "data"), 0, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	/* A new name is synced by its directory, where that may be read. */
	close_store(must_open(t, path_of(t, "unlisted/new")));
	/* Without the turn to write LMDB's own lock is waited for. */
	close_store(must_open(t, path_of(t, "turn")));
	/* Readers have to write into the lock file. */
	refuse_open(t, path_of(t, "lock"), FF_STORE_READ_ONLY, FF_E_IO);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "Permission denied") != NULL);
	/* But not into the data. */
	ff_store *store;
	ff_txn *txn;
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "data"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	FF_CHECK_CODE(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)), FF_E_MISUSE);
	FF_CHECK(t, get_row(t, store, odd_v1(), &row.row) != NULL);
	refuse_open(t, path_of(t, "data"), 0, FF_E_IO); /* the environment is shared, and cannot be written */
	close_store(store);
	return 0;
}

static void files_that_may_not_be_written(ff_test *t)
{
	static const char *const names[] = { "none", "data", "lock", "turn" };
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	for (unsigned i = 0; i < 4; i++) {
		ff_store *store = must_open(t, path_of(t, names[i]));
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		close_store(store);
		chmod(path_of(t, names[i]), 0777);
	}
	mkdir(path_of(t, "sealed"), 0555);
	FF_CHECK(t, mkdir(path_of(t, "unlisted"), 0700) == 0 && chmod(path_of(t, "unlisted"), 0333) == 0);
	FF_CHECK(t, chmod(path_of(t, "none"), 0) == 0 && chmod(directory(t), 0777) == 0);
	FF_CHECK(t, chmod(path_of(t, "data/data.mdb"), 0444) == 0 && chmod(path_of(t, "data/lock.mdb"), 0666) == 0);
	FF_CHECK(t, chmod(path_of(t, "lock/data.mdb"), 0444) == 0 && chmod(path_of(t, "lock/lock.mdb"), 0444) == 0);
	FF_CHECK(t, chmod(path_of(t, "turn/data.mdb"), 0666) == 0 && chmod(path_of(t, "turn/lock.mdb"), 0666) == 0);
	FF_CHECK(t, chmod(path_of(t, "turn/ff.lock"), 0444) == 0);
	uint64_t was = file_hash(path_of(t, "data/data.mdb"));
	in_processes(t, 1, refuse_without_rights);
	FF_CHECK(t, file_hash(path_of(t, "data/data.mdb")) == was);
	FF_CHECK(t, chmod(path_of(t, "none"), 0700) == 0 && chmod(path_of(t, "unlisted"), 0700) == 0);
}

static void reading_leaves_the_data_as_it_is(ff_test *t)
{
	ff_store *store;
	const char *path = path_of(t, "a.db");
	store = must_open(t, path);
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	uint64_t was = file_hash(data_of(t, path));
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK(t, file_hash(data_of(t, path)) == was);
}

/* ---- mounted read-only ---------------------------------------------------------------------------------------- */

static int gates[2][2]; /* by which a process and its child take turns */

/* For this process alone; false where it may not. */
static bool mount_read_only(const char *path)
{
	return unshare(CLONE_NEWNS) == 0 && mount("", "/", "", MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(path, path, "", MS_BIND, NULL) == 0 &&
	       mount("", path, "", MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

/* Lets the parent commit, once. */
static void let_write(ff_test *t)
{
	char byte = '!';
	FF_REQUIRE(t, write(gates[0][1], &byte, 1) == 1 && read(gates[1][0], &byte, 1) == 1);
}

static void let_write_twice(void *context, const char *problem)
{
	note_problem(context, problem);
	let_write(((problems *)context)->test);
	let_write(((problems *)context)->test);
}

static int read_what_is_mounted(ff_test *t, int number)
{
	ff_store *store;
	ff_txn *txn;
	problems found = { .test = t };
	ff_read all = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 10 };
	(void)number;
	close(gates[1][1]);
	if (!FF_CHECK(t, true) || !mount_read_only(path_of(t, "a.db"))) {
		fputs("# no right to mount a directory read-only: nothing is tried\n", stderr);
		return 0;
	}
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &txn, ff_test_error(t)));
	for (int commits = 0; commits < 3; commits++) {
		bool is_old = commits == 2;
		FF_CHECK_CODE(t, subject.backend->load(txn, ffp_raw_arena(t), &all, 1, ff_test_error(t)),
		              is_old ? FF_E_BUSY : FF_OK);
		FF_CHECK(t, is_old ? ff_test_error(t)->retryable : all.rows_count == 1);
		let_write(t);
	}
	subject.backend->abort(txn);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 4);
	FF_CHECK_CODE(t, subject.backend->check(store, let_write_twice, &found, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK_EQ_INT(t, found.count, 1);
	close_store(store);
	return 0;
}

/* There LMDB has no locks, and who writes by another mount does not wait for those who read: they are told. */
static void a_directory_that_is_mounted_read_only(ff_test *t)
{
	int status = -1;
	char byte;
	close_store(must_open(t, path_of(t, "a.db")));
	raw_put(t, path_of(t, "a.db"), "odd_by_n", raw_text("none", 4, "", 0));
	raw_put(t, path_of(t, "a.db"), "odd_by_v", raw_text("none", 4, "", 0));
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	FF_REQUIRE(t, pipe(gates[0]) == 0 && pipe(gates[1]) == 0);
	pid_t reader = start_process(t, read_what_is_mounted, 0);
	close(gates[0][1]);
	for (row.b = 2; read(gates[0][0], &byte, 1) == 1; row.b++) {
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		FF_CHECK(t, write(gates[1][1], &byte, 1) == 1);
	}
	FF_CHECK(t, waitpid(reader, &status, 0) == reader && status == 0);
	close(gates[0][0]);
	close(gates[1][0]);
	close(gates[1][1]);
	close_store(store);
}

static const ff_case cases[] = {
	CASE(what_is_no_store, "FF-ERR-1", 0),
	CASE(an_environment_of_others, "FF-ERR-1", 0),
	CASE(a_newer_lmdb, "FF-MT-2", 0),
	CASE(what_is_missing, "FF-MT-2", 0),
	CASE(a_failed_open_removes_what_it_made, "FF-ERR-2", 0),
	CASE(a_directory_comes_and_goes, "FF-ERR-2", 0),
	CASE(parameters, "", 0),
	CASE(files_that_may_not_be_written, "FF-ERR-1", 0),
	CASE(a_directory_that_is_mounted_read_only, "FF-GS-1", 0),
	CASE(reading_leaves_the_data_as_it_is, "", 0),
};
FAMILY(cases_open, cases);
