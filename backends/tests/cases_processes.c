/* Several processes and threads on one store: nobody is lost, nobody starves. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

/* Adds 1 to a row that all share, and a row of its own. */
static ff_code add_one(ff_test *t, ff_store *store, int number, int64_t turn)
{
	char name[16];
	snprintf(name, sizeof(name), "p%d", number);
	ffp_odd_row key = ffp_odd("all", 0, "", 0);
	ffp_odd_row own = ffp_odd(name, turn, "", 0);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row };
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t));
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t));
	if (code == FF_OK) {
		ffp_odd_row after = key;
		after.v = read.row ? ffp_odd_of(read.row)->v + 1 : 1;
		after.n = after.v;
		const ff_write writes[] = {
			{ .table = odd_v1(), .kind = FF_WRITE_PUT, .before = read.row, .after = &after.row },
			{ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &own.row },
		};
		code = subject.backend->store(txn, writes, 2, ff_test_error(t));
	}
	if (code == FF_OK)
		return subject.backend->commit(txn, ff_test_error(t));
	subject.backend->abort(txn);
	return code;
}

enum { TURNS = 200, ADDED = PROCESSES * TURNS };

static int add_many(ff_test *t, int number)
{
	ff_store *store;
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
	for (int64_t i = 0; code == FF_OK && i < TURNS; i++)
		code = add_one(t, store, number, i);
	FF_REQUIRE_OK(t, code);
	close_store(store);
	return 0;
}

static void processes_that_add(ff_test *t)
{
	in_processes(t, PROCESSES, add_many);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	ffp_odd_row key = ffp_odd("all", 0, "", 0);
	const ffp_odd_row *sum = ffp_odd_of(get_row(t, store, odd_v1(), &key.row));
	FF_CHECK(t, sum && sum->v == ADDED);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), ADDED + 1);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static int open_empty(ff_test *t, int number)
{
	ff_store *store;
	(void)number;
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		FF_REQUIRE_OK(t, open_store(t, path_of(t, name), &catalog_v1, 0, NULL, &store));
		close_store(store);
	}
	return 0;
}

static void processes_that_open_one_new_file(ff_test *t)
{
	in_processes(t, PROCESSES, open_empty);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		FF_CHECK_STR(t, check_store(t, path_of(t, name)).lines, "");
	}
}

enum { ROUNDS = 25 };

/* Every other process has no room for the tables, so that its open fails, wherever the others are. */
static int open_with_or_without_room(ff_test *t, int number)
{
	struct rlimit limit = { 8192, 8192 };
	bool small = number % 2;
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, !small || setrlimit(RLIMIT_FSIZE, &limit) == 0);
	for (int64_t i = 0; i < ROUNDS; i++) {
		char name[16];
		ff_store *store;
		ffp_odd_row row = ffp_odd("a", number, "", i);
		snprintf(name, sizeof(name), "%d.db", (int)i);
		ff_code code = open_store(t, path_of(t, name), &catalog_v1, 0, NULL, &store);
		if (code == FF_OK && !small)
			code = put_row(t, store, odd_v1(), NULL, &row.row);
		if (store)
			close_store(store);
		if (!small)
			FF_REQUIRE_OK(t, code);
	}
	return 0;
}

static void a_failed_open_takes_nothing_from_others(ff_test *t)
{
	in_processes(t, PROCESSES, open_with_or_without_room);
	for (int i = 0; i < ROUNDS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		ff_store *store = must_open(t, path_of(t, name));
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), PROCESSES / 2);
		close_store(store);
	}
}

static int migrate(ff_test *t, int number)
{
	ff_store *store;
	(void)number;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v2, 0, NULL, &store));
	close_store(store);
	return 0;
}

static void processes_that_migrate_one_file(ff_test *t)
{
	close_store(must_open(t, path_of(t, "a.db")));
	in_processes(t, PROCESSES, migrate);
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v2, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, &catalog_v2.tables[TABLE_LATE]), 0);
	close_store(store);
}

static int die_in_transaction(ff_test *t, int number)
{
	ff_store *store;
	ff_txn *txn;
	ffp_odd_row row = ffp_odd("dead", number, "", 0);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store));
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
	FF_REQUIRE_OK(t, subject.backend->store(txn, &put, 1, ff_test_error(t)));
	end_process(0);
}

static int die_beside_a_writer(ff_test *t, int number)
{
	return number ? add_many(t, number) : die_in_transaction(t, number);
}

static void a_process_that_dies_holds_nobody_up(ff_test *t)
{
	in_processes(t, 2, die_beside_a_writer);
	ff_store *store = must_open(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), TURNS + 1);
	close_store(store);
}

/* ---- threads -------------------------------------------------------------------------------------------------- */

enum { READERS = 4, COMMITS = 150 };

typedef struct reader {
	ff_store *store;
	const ff_engine_backend *backend;
	ff_code code;
	uint64_t torn;
	uint64_t reads;
	_Atomic bool *done;
} reader;

static void *grow_own(ff_arena *of, size_t size)
{
	(void)of;
	(void)size;
	return NULL;
}

/* Two rows are always written together, so a snapshot holds equal ones. */
static void *read_pairs(void *context)
{
	reader *self = context;
	static _Thread_local max_align_t room[256];
	ffp_odd_row keys[2] = { ffp_odd("x", 0, "", 0), ffp_odd("y", 0, "", 0) };
	ff_error own;
	while (!*self->done && self->code == FF_OK) {
		ff_arena memory = { (char *)room, (char *)room + sizeof(room), grow_own };
		ff_read reads[] = { { .table = odd_v1(), .kind = FF_READ_GET, .low = &keys[0].row },
			            { .table = odd_v1(), .kind = FF_READ_GET, .low = &keys[1].row } };
		ff_txn *txn;
		self->code = self->backend->begin(self->store, FF_TXN_READ, &txn, &own);
		if (self->code != FF_OK)
			break;
		for (unsigned i = 0; self->code == FF_OK && i < 2; i++)
			self->code = self->backend->load(txn, &memory, &reads[i], 1, &own);
		if (self->code == FF_OK)
			self->torn += !reads[0].row || !reads[1].row ||
			              ffp_odd_of(reads[0].row)->v != ffp_odd_of(reads[1].row)->v;
		self->backend->abort(txn);
		self->reads++;
	}
	return NULL;
}

static ff_code write_pair(ff_test *t, ff_store *store, int64_t from, int64_t to)
{
	ffp_odd_row before[2] = { ffp_odd("x", 0, "", from), ffp_odd("y", 0, "", from) };
	ffp_odd_row after[2] = { ffp_odd("x", 0, "", to), ffp_odd("y", 0, "", to) };
	ff_write writes[2];
	for (unsigned i = 0; i < 2; i++)
		writes[i] = (ff_write){ .table = odd_v1(),
			                .kind = FF_WRITE_PUT,
			                .before = from ? &before[i].row : NULL,
			                .after = &after[i].row };
	return write_once(t, store, writes, 2);
}

static void read_while_writing(ff_test *t, const char *path)
{
	_Atomic bool done = false;
	pthread_t threads[READERS];
	reader readers[READERS];
	ff_store *store = must_open(t, path);
	FF_REQUIRE_OK(t, write_pair(t, store, 0, 1));
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (reader){ .store = store, .backend = subject.backend, .done = &done };
		FF_REQUIRE(t, pthread_create(&threads[i], NULL, read_pairs, &readers[i]) == 0);
	}
	ff_code code = FF_OK;
	for (int64_t i = 1; code == FF_OK && i < COMMITS; i++)
		code = write_pair(t, store, i, i + 1);
	done = true;
	FF_CHECK_CODE(t, code, FF_OK);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		FF_CHECK_EQ_INT(t, readers[i].code, FF_OK);
		FF_CHECK_EQ_INT(t, readers[i].torn, 0);
	}
	close_store(store);
}

static void threads_that_read_see_whole_commits(ff_test *t)
{
	read_while_writing(t, path_of(t, "a.db"));
	FF_CHECK_EQ_INT(t, count_files(t), 1);
}

static void threads_share_a_memory_store(ff_test *t)
{
	if (FF_CHECK(t, subject.backend != NULL) && subject.memory)
		read_while_writing(t, subject.memory);
}

/* ---- readers and writers --------------------------------------------------------------------------------------- */

static void readers_never_wait(ff_test *t)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	ff_store *store, *other;
	ff_txn *writer, *readers[10];
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &other));
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &writer, ff_test_error(t)));
	FF_REQUIRE_OK(t, subject.backend->store(writer, &put, 1, ff_test_error(t)));
	for (unsigned i = 0; i < 10; i++) {
		ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 5 };
		FF_REQUIRE_OK(
		    t, subject.backend->begin(i % 2 ? store : other, FF_TXN_READ, &readers[i], ff_test_error(t)));
		FF_REQUIRE_OK(t, subject.backend->load(readers[i], ffp_raw_arena(t), &read, 1, ff_test_error(t)));
		FF_CHECK_EQ_INT(t, read.rows_count, 0);
	}
	/* And hold nobody up. */
	FF_REQUIRE_OK(t, subject.backend->commit(writer, ff_test_error(t)));
	FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &writer, ff_test_error(t)));
	/* A second writer has to wait, and 0 ms is no wait. */
	ff_txn *second;
	FF_CHECK_CODE(t, subject.backend->begin(other, FF_TXN_WRITE, &second, ff_test_error(t)), FF_E_BUSY);
	FF_CHECK(t, ff_test_error(t)->retryable);
	FF_CHECK(t, ff_test_error(t)->native_code[0] != '\0');
	subject.backend->abort(writer);
	for (unsigned i = 0; i < 10; i++)
		subject.backend->abort(readers[i]);
	FF_REQUIRE_OK(t, subject.backend->begin(other, FF_TXN_WRITE, &second, ff_test_error(t)));
	subject.backend->abort(second);
	close_store(other);
	close_store(store);
}

/* ---- descriptors ----------------------------------------------------------------------------------------------- */

/* A new store, more readers at once than it keeps, a writer, a check, and openings that fail. */
static void open_in_all_ways(ff_test *t, const char *path)
{
	enum { AT_ONCE = 20 };
	ff_store *store, *refused;
	ff_txn *txns[AT_ONCE];
	ffp_odd_row row = ffp_odd("a", 1, "c", 1);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, 0, NULL, &store));
	for (unsigned i = 0; i < AT_ONCE; i++)
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &txns[i], ff_test_error(t)));
	for (unsigned i = 0; i < AT_ONCE; i++)
		subject.backend->abort(txns[i]);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	FF_CHECK_EQ_INT(t, check_store(t, path).count, 0);
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1);
	close_store(store);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "none"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &refused),
	              FF_E_NOT_FOUND);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "newer"), &catalog_v1, 0, NULL, &refused), FF_E_VERSION);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "newer"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &refused),
	              FF_E_VERSION);
	FF_CHECK_CODE(t, open_store(t, path_of(t, "no/such"), &catalog_v1, 0, NULL, &refused), FF_E_IO);
}

static void no_descriptor_is_left_open(ff_test *t)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "newer"), &catalog_v2, 0, NULL, &store));
	close_store(store);
	open_in_all_ways(t, path_of(t, "a.db")); /* a library may keep some for the process's life */
	int before = count_descriptors();
	open_in_all_ways(t, path_of(t, "b.db"));
	FF_CHECK_EQ_INT(t, count_descriptors(), before);
}

static const ff_case cases[] = {
	CASE(processes_that_add, "FF-RU-13 FF-ERR-4", FF_CASE_BULK),
	CASE(processes_that_open_one_new_file, "FF-MT-2", FF_CASE_BULK),
	CASE(a_failed_open_takes_nothing_from_others, "FF-ERR-2", FF_CASE_BULK),
	CASE(processes_that_migrate_one_file, "FF-MT-2", 0),
	CASE(a_process_that_dies_holds_nobody_up, "", 0),
	CASE(threads_that_read_see_whole_commits, "FF-GS-1", FF_CASE_BULK),
	CASE(threads_share_a_memory_store, "", 0),
	CASE(readers_never_wait, "FF-GS-3", 0),
	CASE(no_descriptor_is_left_open, "FF-ERR-8", 0),
};
FAMILY(cases_processes, cases);
