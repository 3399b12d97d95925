/* A map that is too small: it grows, whoever reads, whoever else writes, and nothing is lost. */
#include "lmdb_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

/* Without syncs, which these cases do not need. */
static const char *const tiny[] = { "map_size", "1", "durability", "none", NULL };
static const char *const plain[] = { "durability", "none", NULL };

static ff_store *open_with(const char *const *params)
{
	ff_store *store;
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, 0, params, &store));
	return store;
}

enum { ROWS = 5000 };

/* Rows ("a", first …) in one store; about 100 bytes and four entries each. */
static ff_code put_many(ff_store *store, int64_t first, size_t count)
{
	static odd_row rows[ROWS];
	static ff_write writes[ROWS];
	for (size_t i = 0; i < count; i++) {
		rows[i] = odd("a", first + (int64_t)i, "some words to fill a page with", first + (int64_t)i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	return write_once(store, writes, count);
}

static void one_batch_that_is_larger_than_the_map(void)
{
	ff_store *store = open_with(tiny);
	REQUIRE_OK(put_many(store, 0, ROWS));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), ROWS);
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

/* Of every size, so that for some it is the commit that finds no room. */
static void batches_of_every_size(void)
{
	for (size_t count = 500; count < 800; count++) {
		ff_store *store = open_with(tiny);
		REQUIRE_OK(put_many(store, 0, count));
		CHECK_INT((int64_t)count_rows(store, odd_v1()), (int64_t)count);
		close_store(store);
		remove_store(path_of("a.db"));
	}
}

static void many_batches(void)
{
	ff_store *store = open_with(tiny);
	for (int64_t i = 0; i < 600; i++)
		REQUIRE_OK(put_many(store, i * 3, 3));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1800);
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

static size_t count_in(ff_txn *txn, const ff_index *index)
{
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .index = index, .limit = UINT32_MAX };
	REQUIRE_OK(subject.backend->load(txn, arena(), &read, 1, &error));
	for (size_t i = 0; i < read.rows_count; i++)
		CHECK_INT(((odd_row *)(void *)read.rows[i])->v, (int64_t)i);
	return read.rows_count;
}

/* What LMDB's manual warns of: the map moves under read transactions, which here lie between two loads. */
static void readers_that_are_open_read_on(void)
{
	enum { TURNS = 12 };
	ff_txn *readers[TURNS];
	ff_store *store = open_with(tiny);
	for (int64_t i = 0; i < TURNS; i++) {
		REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &readers[i], &error));
		if (i % 2)
			CHECK_INT((int64_t)count_in(readers[i], NULL), 400 * i);
		REQUIRE_OK(put_many(store, 400 * i, 400));
		for (int64_t j = 0; j <= i; j++)
			CHECK_INT((int64_t)count_in(readers[j], j % 3 ? &odd_v1()->indexes[1] : NULL), 400 * j);
	}
	for (int64_t i = 0; i < TURNS; i++)
		subject.backend->abort(readers[i]);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 400 * TURNS);
	close_store(store);
}

/* ---- threads -------------------------------------------------------------------------------------------------- */

typedef struct load {
	ff_store *store;
	_Atomic bool *done;
	ff_code code;
	uint64_t reads, faults;
} load;

static void *no_more(ff_arena *of, size_t size)
{
	(void)of;
	(void)size;
	return NULL;
}

/* Reads the last rows again and again, which are numbered without a gap. */
static void *read_last(void *context)
{
	load *self = context;
	static _Thread_local max_align_t room[1024];
	ff_error own;
	while (!*self->done && self->code == FF_OK) {
		ff_arena memory = { (char *)room, (char *)room + sizeof(room), no_more };
		ff_read read = { .table = odd_v1(),
			         .kind = FF_READ_RANGE,
			         .index = self->reads % 2 ? &odd_v1()->indexes[1] : NULL,
			         .flags = FF_READ_DESCENDING,
			         .limit = 20 };
		ff_txn *txn;
		self->code = subject.backend->begin(self->store, FF_TXN_READ, &txn, &own);
		if (self->code != FF_OK)
			break;
		self->code = subject.backend->load(txn, &memory, &read, 1, &own);
		subject.backend->abort(txn);
		for (size_t i = 1; i < read.rows_count; i++)
			self->faults +=
			    ((odd_row *)(void *)read.rows[i])->v + (int64_t)i != ((odd_row *)(void *)read.rows[0])->v;
		self->reads++;
	}
	return NULL;
}

static void readers_on_other_threads(void)
{
	enum { THREADS = 4 };
	_Atomic bool done = false;
	pthread_t threads[THREADS];
	load loads[THREADS];
	ff_store *store = open_with(tiny);
	for (unsigned i = 0; i < THREADS; i++) {
		loads[i] = (load){ .store = store, .done = &done };
		REQUIRE(pthread_create(&threads[i], NULL, read_last, &loads[i]) == 0);
	}
	ff_code code = FF_OK;
	for (int64_t i = 0; code == FF_OK && i < 300; i++)
		code = put_many(store, i * 20, 20);
	done = true;
	CHECK_CODE(code, FF_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		CHECK_INT(loads[i].code, FF_OK);
		CHECK_INT((int64_t)loads[i].faults, 0);
		CHECK(loads[i].reads > 0);
	}
	close_store(store);
}

/* ---- other processes ------------------------------------------------------------------------------------------- */

static int put_all(int number)
{
	ff_store *store = open_with(plain);
	ff_code code = put_many(store, number * ROWS, ROWS);
	close_store(store);
	return (int)code;
}

static void another_process_made_the_store_larger(void)
{
	ff_txn *early;
	ff_store *reader = open_with(tiny);
	REQUIRE_OK(subject.backend->begin(reader, FF_TXN_READ, &early, &error));
	in_processes(1, put_all);
	CHECK_INT((int64_t)count_in(early, NULL), 0);
	CHECK_INT((int64_t)count_rows(reader, odd_v1()), ROWS);
	CHECK_INT((int64_t)count_in(early, NULL), 0);
	subject.backend->abort(early);
	close_store(reader);
}

static void a_writer_sees_a_larger_map(void)
{
	ff_store *writer = open_with(tiny);
	in_processes(1, put_all);
	REQUIRE_OK(put_many(writer, ROWS, 10));
	CHECK_INT((int64_t)count_rows(writer, odd_v1()), ROWS + 10);
	close_store(writer);
}

static int put_one(int number)
{
	ff_store *store = open_with(plain);
	ff_code code = put_many(store, 1000000 + number, 1);
	close_store(store);
	return (int)code;
}

/* It does not wait for its turn, since what it finds is another file: as a program that is not ff. */
static void another_process_writes(void)
{
	CHECK(unlink(path_of("a.db/ff.lock")) == 0);
	in_processes(1, put_one);
}

/* What was loaded may not be so any more. */
static void another_process_writes_while_the_map_grows(void)
{
	ff_store *store = open_with(tiny);
	REQUIRE_OK(put_many(store, 0, 10));
	fault_meanwhile(another_process_writes);
	CHECK_CODE(put_many(store, 10, 1000), FF_E_CONFLICT);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 11);
	REQUIRE_OK(put_many(store, 10, 1000));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1011);
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

enum { TURNS = 60, ADDED = PROCESSES * TURNS };

/* Adds 1 to a row that all share, with 20 rows of its own; the map is too small for them again and again. */
static ff_code add_with_others(ff_store *store, int64_t first)
{
	static odd_row rows[21];
	ff_write writes[21];
	odd_row key = odd("", 0, "", 0);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row };
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, &error);
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, arena(), &read, 1, &error);
	int64_t before = read.row ? ((odd_row *)(void *)read.row)->v : 0;
	for (int64_t i = 0; i <= 20; i++) {
		rows[i] = i ? odd("a", first + i, "some words to fill a page with", i) : odd("", 0, "", before + 1);
		writes[i] = (ff_write){
			.table = odd_v1(), .kind = FF_WRITE_PUT, .before = i ? NULL : read.row, .after = &rows[i].row
		};
	}
	if (code == FF_OK)
		code = subject.backend->store(txn, writes, 21, &error);
	if (code == FF_OK)
		return subject.backend->commit(txn, &error);
	subject.backend->abort(txn);
	return code;
}

/* A conflict is what the core runs again. */
static int grow_beside_others(int number)
{
	ff_store *store = open_with(tiny);
	unsigned conflicts = 0;
	for (int64_t i = 0; i < TURNS;) {
		ff_code code = add_with_others(store, number * 1000000 + i * 20);
		if (code == FF_E_CONFLICT && ++conflicts < 10000)
			continue;
		if (!CHECK_CODE(code, FF_OK))
			return 1;
		i++;
	}
	close_store(store);
	return 0;
}

static void processes_that_grow_one_store(void)
{
	in_processes(PROCESSES, grow_beside_others);
	ff_store *store = open_with(tiny);
	odd_row key = odd("", 0, "", 0);
	const odd_row *sum = (const odd_row *)(const void *)get_row(store, odd_v1(), &key.row);
	CHECK(sum && sum->v == ADDED);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 20 * ADDED + 1);
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

/* ---- no room ---------------------------------------------------------------------------------------------------- */

static void a_map_that_may_not_grow(void)
{
	static const char *const params[] = { "map_max", "400000", "durability", "none", NULL };
	ff_store *store = open_with(params);
	ff_code code = FF_OK;
	int64_t rows = 0;
	while (code == FF_OK && rows < 10000) {
		code = put_many(store, rows, 10);
		rows += code == FF_OK ? 10 : 0;
	}
	CHECK_INT(code, FF_E_FULL);
	CHECK_TEXT(error.native_code, "-30792");
	CHECK(strstr(error.message, path_of("a.db")) && strstr(error.message, "map_max"));
	CHECK(rows > 100);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), rows);
	CHECK_CODE(put_many(store, rows, 10), FF_E_FULL);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), rows);
	/* What is full can be emptied, and is then not full. */
	ff_read everything = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &everything };
	REQUIRE_OK(write_once(store, &gone, 1));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
	for (int64_t i = 0; i < 5; i++)
		REQUIRE_OK(put_many(store, i * 10, 10));
	close_store(store);
	CHECK_TEXT(check_store(path_of("a.db")).lines, "");
}

/* Opens and writes where no file may grow past `size`, in a process of its own. Exits with 0 where all went well, 1
 * where it ran out of room as it should, 2 where something else is wrong. */
static int use_small_disk(rlim_t size)
{
	struct rlimit limit = { size, size };
	ff_store *store;
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 2;
	ff_code code = open_store(path_of("a.db"), &catalog_v1, 0, NULL, &store);
	if (code != FF_OK) {
		CHECK_CODE(code, FF_E_FULL);
		CHECK_INT(count_files(), 0);
		return case_failed() ? 2 : 1;
	}
	int64_t rows = 0;
	while (code == FF_OK && rows < 400) {
		code = put_many(store, rows, 40);
		rows += code == FF_OK ? 40 : 0;
	}
	CHECK(code == FF_OK || CHECK_CODE(code, FF_E_FULL));
	CHECK_INT((int64_t)count_rows(store, odd_v1()), rows);
	close_store(store);
	return case_failed() ? 2 : code != FF_OK;
}

static void a_disk_that_is_full(void)
{
	unsigned full = 0;
	int answer = 1;
	for (rlim_t size = 0; answer == 1 && size < (4 << 20); size += size < (128 << 10) ? 2048 : 16384) {
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			answer = use_small_disk(size);
			fflush(stdout);
			_exit(answer);
		}
		int status = -1;
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
		answer = WEXITSTATUS(status);
		check(answer != 2, __FILE__, __LINE__, "%u bytes", (unsigned)size);
		full += answer == 1;
		if (file_exists(path_of("a.db"))) {
			CHECK_TEXT(check_store(path_of("a.db")).lines, "");
			remove_store(path_of("a.db"));
		}
	}
	CHECK_INT(answer, 0);
	CHECK(full > 40);
}

static const test_case cases[] = {
	CASE(one_batch_that_is_larger_than_the_map, ""),
	BULK(batches_of_every_size, ""),
	CASE(many_batches, ""),
	CASE(readers_that_are_open_read_on, "FF-GS-3"),
	CASE(readers_on_other_threads, "FF-GS-3"),
	CASE(another_process_made_the_store_larger, ""),
	CASE(a_writer_sees_a_larger_map, ""),
	CASE(another_process_writes_while_the_map_grows, "FF-RU-13"),
	BULK(processes_that_grow_one_store, "FF-RU-13"),
	CASE(a_map_that_may_not_grow, "FF-ERR-1"),
	CASE(a_disk_that_is_full, "FF-ERR-1"),
};
FAMILY(cases_map, cases);
