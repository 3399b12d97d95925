/* Several processes and threads on one store: nobody is lost, nobody starves. */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Adds 1 to a row that all share, and a row of its own. */
static ff_code add_one(ff_store *store, int number, int64_t turn)
{
	char name[16];
	snprintf(name, sizeof(name), "p%d", number);
	odd_row key = odd("all", 0, "", 0);
	odd_row own = odd(name, turn, "", 0);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row };
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, &error);
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, arena(), &read, 1, &error);
	if (code == FF_OK) {
		odd_row after = key;
		after.v = read.row ? ((odd_row *)(void *)read.row)->v + 1 : 1;
		after.n = after.v;
		const ff_write writes[] = {
			{ .table = odd_v1(), .kind = FF_WRITE_PUT, .before = read.row, .after = &after.row },
			{ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &own.row },
		};
		code = subject.backend->store(txn, writes, 2, &error);
	}
	if (code == FF_OK)
		return subject.backend->commit(txn, &error);
	subject.backend->abort(txn);
	return code;
}

enum { TURNS = 200, ADDED = PROCESSES * TURNS };

static int add_many(int number)
{
	ff_store *store;
	ff_code code = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store);
	for (int64_t i = 0; code == FF_OK && i < TURNS; i++)
		code = add_one(store, number, i);
	if (code != FF_OK)
		printf("# process %d: %s %s\n", number, ff_code_name(code), error.message);
	else
		close_store(store);
	fflush(stdout);
	return (int)code;
}

static void processes_that_add(void)
{
	in_processes(PROCESSES, add_many);
	ff_store *store = must_open(path_of("a.db"));
	odd_row key = odd("all", 0, "", 0);
	const odd_row *sum = (const odd_row *)(const void *)get_row(store, odd_v1(), &key.row);
	CHECK(sum && sum->v == ADDED);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), ADDED + 1);
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

static int open_empty(int number)
{
	ff_store *store;
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		ff_code code = open_store(path_of(name), &catalog_v1, 0, NULL, &store);
		if (code != FF_OK) {
			printf("# process %d: %s %s [%s]\n", number, ff_code_name(code), error.message,
			       error.native_code);
			fflush(stdout);
			return (int)code;
		}
		close_store(store);
	}
	return 0;
}

static void processes_that_open_one_new_file(void)
{
	in_processes(PROCESSES, open_empty);
	for (int i = 0; i < 20; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		CHECK_TEXT(check_store(path_of(name)).lines, "");
	}
}

enum { ROUNDS = 25 };

/* Every other process has no room for the tables, so that its open fails, wherever the others are. */
static int open_with_or_without_room(int number)
{
	struct rlimit limit = { 8192, 8192 };
	bool small = number % 2;
	signal(SIGXFSZ, SIG_IGN);
	if (small && setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	for (int64_t i = 0; i < ROUNDS; i++) {
		char name[16];
		ff_store *store;
		odd_row row = odd("a", number, "", i);
		snprintf(name, sizeof(name), "%d.db", (int)i);
		ff_code code = open_store(path_of(name), &catalog_v1, 0, NULL, &store);
		if (code == FF_OK && !small)
			code = put_row(store, odd_v1(), NULL, &row.row);
		if (store)
			close_store(store);
		if (code != FF_OK && !small) {
			printf("# process %d, file %d: %s %s\n", number, (int)i, ff_code_name(code), error.message);
			fflush(stdout);
			return 1;
		}
	}
	return 0;
}

static void a_failed_open_takes_nothing_from_others(void)
{
	in_processes(PROCESSES, open_with_or_without_room);
	for (int i = 0; i < ROUNDS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d.db", i);
		ff_store *store = must_open(path_of(name));
		CHECK_INT((int64_t)count_rows(store, odd_v1()), PROCESSES / 2);
		close_store(store);
	}
}

static int migrate(int number)
{
	ff_store *store;
	ff_code code = open_store(path_of("a.db"), &catalog_v2, 0, NULL, &store);
	if (code == FF_OK)
		close_store(store);
	(void)number;
	return (int)code;
}

static void processes_that_migrate_one_file(void)
{
	close_store(must_open(path_of("a.db")));
	in_processes(PROCESSES, migrate);
	ff_store *store;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v2, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_INT((int64_t)count_rows(store, &catalog_v2.tables[TABLE_LATE]), 0);
	close_store(store);
}

static int die_in_transaction(int number)
{
	ff_store *store;
	ff_txn *txn;
	odd_row row = odd("dead", number, "", 0);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	bool there = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store) == FF_OK &&
	             subject.backend->begin(store, FF_TXN_WRITE, &txn, &error) == FF_OK &&
	             subject.backend->store(txn, &put, 1, &error) == FF_OK;
	_exit(there ? 0 : 1);
}

static void a_process_that_dies_holds_nobody_up(void)
{
	ff_store *store = must_open(path_of("a.db"));
	in_processes(1, die_in_transaction);
	REQUIRE_OK(add_one(store, 0, 0));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 2);
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
	odd_row keys[2] = { odd("x", 0, "", 0), odd("y", 0, "", 0) };
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
			              ((odd_row *)(void *)reads[0].row)->v != ((odd_row *)(void *)reads[1].row)->v;
		self->backend->abort(txn);
		self->reads++;
	}
	return NULL;
}

static ff_code write_pair(ff_store *store, int64_t from, int64_t to)
{
	odd_row before[2] = { odd("x", 0, "", from), odd("y", 0, "", from) };
	odd_row after[2] = { odd("x", 0, "", to), odd("y", 0, "", to) };
	ff_write writes[2];
	for (unsigned i = 0; i < 2; i++)
		writes[i] = (ff_write){ .table = odd_v1(),
			                .kind = FF_WRITE_PUT,
			                .before = from ? &before[i].row : NULL,
			                .after = &after[i].row };
	return write_once(store, writes, 2);
}

static void read_while_writing(const char *path)
{
	_Atomic bool done = false;
	pthread_t threads[READERS];
	reader readers[READERS];
	ff_store *store = must_open(path);
	REQUIRE_OK(write_pair(store, 0, 1));
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (reader){ .store = store, .backend = subject.backend, .done = &done };
		REQUIRE(pthread_create(&threads[i], NULL, read_pairs, &readers[i]) == 0);
	}
	ff_code code = FF_OK;
	for (int64_t i = 1; code == FF_OK && i < COMMITS; i++)
		code = write_pair(store, i, i + 1);
	done = true;
	CHECK_CODE(code, FF_OK);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_INT(readers[i].code, FF_OK);
		CHECK_INT((int64_t)readers[i].torn, 0);
	}
	close_store(store);
}

static void threads_that_read_see_whole_commits(void)
{
	read_while_writing(path_of("a.db"));
	CHECK_INT(count_files(), 1);
}

static void threads_share_a_memory_store(void)
{
	if (CHECK(subject.backend != NULL) && subject.memory)
		read_while_writing(subject.memory);
}

/* ---- readers and writers --------------------------------------------------------------------------------------- */

static void readers_never_wait(void)
{
	static const char *const params[] = { "busy_timeout_ms", "0", NULL };
	ff_store *store, *other;
	ff_txn *writer, *readers[10];
	odd_row row = odd("a", 1, "c", 1);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &other));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &writer, &error));
	REQUIRE_OK(subject.backend->store(writer, &put, 1, &error));
	for (unsigned i = 0; i < 10; i++) {
		ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 5 };
		REQUIRE_OK(subject.backend->begin(i % 2 ? store : other, FF_TXN_READ, &readers[i], &error));
		REQUIRE_OK(subject.backend->load(readers[i], arena(), &read, 1, &error));
		CHECK_INT((int64_t)read.rows_count, 0);
	}
	/* And hold nobody up. */
	REQUIRE_OK(subject.backend->commit(writer, &error));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &writer, &error));
	/* A second writer has to wait, and 0 ms is no wait. */
	ff_txn *second;
	CHECK_CODE(subject.backend->begin(other, FF_TXN_WRITE, &second, &error), FF_E_BUSY);
	CHECK(error.retryable);
	CHECK(error.native_code[0] != '\0');
	subject.backend->abort(writer);
	for (unsigned i = 0; i < 10; i++)
		subject.backend->abort(readers[i]);
	REQUIRE_OK(subject.backend->begin(other, FF_TXN_WRITE, &second, &error));
	subject.backend->abort(second);
	close_store(other);
	close_store(store);
}

static const test_case cases[] = {
	BULK(processes_that_add, "FF-RU-13 FF-ERR-4"),
	BULK(processes_that_open_one_new_file, "FF-MT-2"),
	BULK(a_failed_open_takes_nothing_from_others, "FF-ERR-2"),
	CASE(processes_that_migrate_one_file, "FF-MT-2"),
	CASE(a_process_that_dies_holds_nobody_up, ""),
	BULK(threads_that_read_see_whole_commits, "FF-GS-1"),
	CASE(threads_share_a_memory_store, ""),
	CASE(readers_never_wait, "FF-GS-3"),
};
FAMILY(cases_processes, cases);
