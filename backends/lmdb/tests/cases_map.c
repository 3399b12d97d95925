/* A map that is too small: it grows, whoever reads, whoever else writes, and nothing is lost. */
#include "lmdb_test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faulty.h"

/* Without syncs, which these cases do not need. */
static const char *const tiny[] = { "map_size", "1", "durability", "none", NULL };
static const char *const plain[] = { "durability", "none", NULL };

static ff_store *open_with(ff_test *t, const char *const *params)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, params, &store));
	return store;
}

enum { ROWS = 5000 };

/* Rows ("a", first …) in one store; about 100 bytes and four entries each. */
static ff_code put_many(ff_test *t, ff_store *store, int64_t first, size_t count)
{
	static ffp_odd_row rows[ROWS];
	static ff_write writes[ROWS];
	for (size_t i = 0; i < count; i++) {
		rows[i] = ffp_odd("a", first + (int64_t)i, "some words to fill a page with", first + (int64_t)i);
		writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	return write_once(t, store, writes, count);
}

static void one_batch_that_is_larger_than_the_map(ff_test *t)
{
	ff_store *store = open_with(t, tiny);
	FF_REQUIRE_OK(t, put_many(t, store, 0, ROWS));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), ROWS);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

/* Of every size, so that for some it is the commit that finds no room. */
static void batches_of_every_size(ff_test *t)
{
	for (size_t count = 500; count < 800; count++) {
		ff_store *store = open_with(t, tiny);
		FF_REQUIRE_OK(t, put_many(t, store, 0, count));
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), count);
		close_store(store);
		remove_store(path_of(t, "a.db"));
	}
}

/* A commit that finds no room is made again in a larger map, also where nobody could begin to read meanwhile. */
static void a_commit_finds_room_where_readers_have_every_slot(ff_test *t)
{
	enum { READERS_MAX = 2000 };
	static ff_txn *readers[READERS_MAX];
	for (size_t count = 690; count < 700; count++) {
		int reading = 0;
		ff_store *store = open_with(t, tiny);
		while (reading < READERS_MAX &&
		       subject.backend->begin(store, FF_TXN_READ, &readers[reading], ff_test_error(t)) == FF_OK)
			reading++;
		FF_REQUIRE_OK(t, put_many(t, store, 0, count));
		while (reading > 0)
			subject.backend->abort(readers[--reading]);
		close_store(store);
		remove_store(path_of(t, "a.db"));
	}
}

static void many_batches(ff_test *t)
{
	ff_store *store = open_with(t, tiny);
	for (int64_t i = 0; i < 600; i++)
		FF_REQUIRE_OK(t, put_many(t, store, i * 3, 3));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1800);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static size_t count_in(ff_test *t, ff_txn *txn, const ff_index *index)
{
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .index = index, .limit = UINT32_MAX };
	FF_REQUIRE_OK(t, subject.backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t)));
	for (size_t i = 0; i < read.rows_count; i++)
		FF_CHECK_EQ_INT(t, ffp_odd_of(read.rows[i])->v, i);
	return read.rows_count;
}

/* What LMDB's manual warns of: the map moves under read transactions, which here lie between two loads. */
static void readers_that_are_open_read_on(ff_test *t)
{
	enum { TURNS = 12 };
	ff_txn *readers[TURNS];
	ff_store *store = open_with(t, tiny);
	for (int64_t i = 0; i < TURNS; i++) {
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_READ, &readers[i], ff_test_error(t)));
		if (i % 2)
			FF_CHECK_EQ_INT(t, count_in(t, readers[i], NULL), 400 * i);
		FF_REQUIRE_OK(t, put_many(t, store, 400 * i, 400));
		for (int64_t j = 0; j <= i; j++)
			FF_CHECK_EQ_INT(t, count_in(t, readers[j], j % 3 ? &odd_v1()->indexes[1] : NULL), 400 * j);
	}
	for (int64_t i = 0; i < TURNS; i++)
		subject.backend->abort(readers[i]);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 400 * TURNS);
	close_store(store);
}

/* ---- threads -------------------------------------------------------------------------------------------------- */

typedef struct load {
	ff_store *store;
	const char *path;
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
	do { /* at least once, however late this thread is */
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
			self->faults += ffp_odd_of(read.rows[i])->v + (int64_t)i != ffp_odd_of(read.rows[0])->v;
		self->reads++;
	} while (!*self->done && self->code == FF_OK);
	return NULL;
}

enum { THREADS = 4 };

/* Puts so many batches of so many rows while threads do what `body` does with the store, until that is done. */
static void put_beside(ff_test *t, ff_store *store, int64_t batches, size_t rows, void *(*body)(void *), load *loads)
{
	_Atomic bool done = false;
	pthread_t threads[THREADS];
	for (unsigned i = 0; i < THREADS; i++) {
		loads[i] = (load){ .store = store, .path = path_of(t, "a.db"), .done = &done };
		FF_REQUIRE(t, pthread_create(&threads[i], NULL, body, &loads[i]) == 0);
	}
	ff_code code = FF_OK;
	for (int64_t i = 0; code == FF_OK && i < batches; i++)
		code = put_many(t, store, i * (int64_t)rows, rows);
	done = true;
	FF_CHECK_CODE(t, code, FF_OK);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		FF_CHECK_CODE(t, loads[i].code, FF_OK);
	}
}

static void readers_on_other_threads(ff_test *t)
{
	load loads[THREADS];
	ff_store *store = open_with(t, tiny);
	put_beside(t, store, 300, 20, read_last, loads);
	for (unsigned i = 0; i < THREADS; i++) {
		FF_CHECK_EQ_INT(t, loads[i].faults, 0);
		FF_CHECK(t, loads[i].reads > 0);
	}
	close_store(store);
}

/* Opens the store and closes it again and again, for which the map is looked at. */
static void *open_again(void *context)
{
	load *self = context;
	ff_param durability = { "durability", "none" };
	const ff_store_config config = { .uri = "",
		                         .scheme = subject.backend->name,
		                         .path = self->path,
		                         .params = &durability,
		                         .params_count = 1,
		                         .catalog = &catalog_v1,
		                         .allocator = &test_allocator };
	ff_store *store = calloc(1, subject.backend->instance_size);
	ff_error own;
	while (store && !*self->done && self->code == FF_OK) {
		self->code = subject.backend->open(store, &config, &own);
		if (self->code == FF_OK)
			subject.backend->close(store);
		memset(store, 0, subject.backend->instance_size);
		self->reads++;
	}
	free(store);
	return NULL;
}

static void a_store_is_opened_while_its_map_grows(ff_test *t)
{
	for (unsigned turn = 0; turn < 500; turn++) {
		load openers[THREADS];
		ff_store *store = open_with(t, tiny);
		put_beside(t, store, 40, 50, open_again, openers);
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 2000);
		close_store(store);
		remove_store(path_of(t, "a.db"));
	}
}

/* The second version has the indexes, which take more room than the rows. */
static void a_migration_that_is_larger_than_the_map(ff_test *t)
{
	static ffp_odd_row rows[ROWS];
	static ff_write writes[ROWS];
	ff_store *store;
	ff_index indexes[FF_INDEXES_MAX];
	ff_table bare = *odd_v1(), table = bare;
	const ff_catalog less = { .tables = &bare, .tables_count = 1, .version = 1 };
	const ff_catalog more = { .tables = &table, .tables_count = 1, .version = 2 };
	bare.indexes_count = 0;
	memcpy(indexes, table.indexes, table.indexes_count * sizeof(*indexes));
	for (unsigned i = 0; i < table.indexes_count; i++)
		indexes[i].since = 2;
	table.indexes = indexes;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &less, 0, tiny, &store));
	for (int64_t i = 0; i < ROWS; i++) {
		rows[i] = ffp_odd("a", i, "c", i);
		writes[i] = (ff_write){ .table = &bare, .kind = FF_WRITE_PUT, .after = &rows[i].row };
	}
	FF_REQUIRE_OK(t, write_once(t, store, writes, ROWS));
	close_store(store);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &more, 0, tiny, &store));
	ff_read read = { .table = &table, .kind = FF_READ_RANGE, .index = &indexes[1], .limit = 2 * ROWS };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	FF_CHECK_EQ_INT(t, read.rows_count, ROWS);
	ffp_odd_row row = ffp_odd("b", 1, "c", 1);
	FF_REQUIRE_OK(t, put_row(t, store, &table, NULL, &row.row));
	close_store(store);
}

typedef struct answering {
	ff_test *test;
	ff_store *store;
	unsigned told;
} answering;

static void write_when_told(void *context, const char *problem)
{
	answering *of = context;
	(void)problem;
	if (of->told++ == 0)
		FF_CHECK_CODE(of->test, put_many(of->test, of->store, ROWS, ROWS), FF_OK);
}

/* Who is told of a problem may write, and the map grows meanwhile. */
static void a_check_whose_host_writes(ff_test *t)
{
	ff_store *store = open_with(t, tiny);
	FF_REQUIRE_OK(t, put_many(t, store, 0, 10));
	close_store(store);
	raw_put(t, path_of(t, "a.db"), odd_v1()->indexes[0].name, raw_text("zzzzzzzz", 8, "", 0));
	store = open_with(t, tiny);
	answering host = { .test = t, .store = store };
	FF_CHECK_CODE(t, subject.backend->check(store, write_when_told, &host, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, host.told, 1);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), ROWS + 10);
	close_store(store);
}

/* ---- other processes ------------------------------------------------------------------------------------------- */

static int put_all(ff_test *t, int number)
{
	ff_store *store = open_with(t, plain);
	FF_REQUIRE_OK(t, put_many(t, store, number * ROWS, ROWS));
	close_store(store);
	return 0;
}

static void another_process_made_the_store_larger(ff_test *t)
{
	ff_txn *early;
	ff_store *reader = open_with(t, tiny);
	FF_REQUIRE_OK(t, subject.backend->begin(reader, FF_TXN_READ, &early, ff_test_error(t)));
	in_processes(t, 1, put_all);
	FF_CHECK_EQ_INT(t, count_in(t, early, NULL), 0);
	FF_CHECK_EQ_INT(t, count_rows(t, reader, odd_v1()), ROWS);
	FF_CHECK_EQ_INT(t, count_in(t, early, NULL), 0);
	subject.backend->abort(early);
	FF_REQUIRE_OK(t, put_many(t, reader, ROWS, 10));
	close_store(reader);
}

static void a_writer_sees_a_larger_map(ff_test *t)
{
	ff_store *writer = open_with(t, tiny);
	in_processes(t, 1, put_all);
	FF_REQUIRE_OK(t, put_many(t, writer, ROWS, 10));
	FF_CHECK_EQ_INT(t, count_rows(t, writer, odd_v1()), ROWS + 10);
	close_store(writer);
}

static int put_one(ff_test *t, int number)
{
	ff_store *store = open_with(t, plain);
	FF_REQUIRE_OK(t, put_many(t, store, 1000000 + number, 1));
	close_store(store);
	return 0;
}

static int change_one(ff_test *t, int number)
{
	ff_store *store = open_with(t, plain);
	ffp_odd_row before = ffp_odd("a", 0, "", 0);
	ffp_odd_row after = ffp_odd("a", 0, "some words to fill a page with", 1000 + number);
	before.c = after.c;
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), get_row(t, store, odd_v1(), &before.row), &after.row));
	close_store(store);
	return 0;
}

/* It does not wait for its turn, since what it finds is another file: as a program that is not ff. */
static void by_another_process(ff_test *t, process_fn *body)
{
	FF_CHECK(t, unlink(path_of(t, "a.db/ff.lock")) == 0);
	in_processes(t, 1, body);
}

static void another_process_writes(void *context)
{
	by_another_process(context, put_one);
}

static void another_process_changes(void *context)
{
	by_another_process(context, change_one);
}

static void forget_the_other(void *context)
{
	(void)context;
	faulty_meanwhile(NULL, NULL);
}

/* What was loaded may not be so any more. */
static void another_process_writes_while_the_map_grows(ff_test *t)
{
	ff_store *store = open_with(t, tiny);
	FF_REQUIRE_OK(t, put_many(t, store, 0, 10));
	ff_test_defer(t, forget_the_other, t);
	faulty_meanwhile(another_process_writes, t);
	FF_CHECK_CODE(t, put_many(t, store, 10, 1000), FF_E_CONFLICT);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 11);
	FF_REQUIRE_OK(t, put_many(t, store, 10, 1000));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 1011);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

/* The entries of an index that are to be taken out went with the row as it was: no fault of the store. */
static void another_process_changes_a_row_while_the_map_grows(ff_test *t)
{
	static char words[1 << 20];
	ff_store *store = open_with(t, tiny);
	FF_REQUIRE_OK(t, put_many(t, store, 0, 10));
	ffp_odd_row after = ffp_odd("a", 0, "some words to fill a page with", 5);
	ff_row *before = get_row(t, store, odd_v1(), &after.row);
	memset(words, 'w', sizeof(words));
	after.w = (ff_text){ words, sizeof(words) };
	ff_test_defer(t, forget_the_other, t);
	faulty_meanwhile(another_process_changes, t);
	FF_CHECK_CODE(t, put_row(t, store, odd_v1(), before, &after.row), FF_E_CONFLICT);
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), get_row(t, store, odd_v1(), &after.row), &after.row));
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static void another_process_writes_while_a_commit_makes_the_map_grow(ff_test *t)
{
	bool met = false;
	ff_test_defer(t, forget_the_other, t);
	for (int64_t rows = 500; !met && rows < 800; rows++) {
		static ffp_odd_row row[800];
		static ff_write writes[800];
		ff_txn *txn;
		ff_store *store = open_with(t, tiny);
		for (int64_t i = 0; i < rows; i++) {
			row[i] = ffp_odd("a", i, "some words to fill a page with", i);
			writes[i] = (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row[i].row };
		}
		FF_REQUIRE_OK(t, subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t)));
		FF_REQUIRE_OK(t, subject.backend->store(txn, writes, (size_t)rows, ff_test_error(t)));
		faulty_meanwhile(another_process_writes, t);
		met = subject.backend->commit(txn, ff_test_error(t)) != FF_OK;
		faulty_meanwhile(NULL, NULL);
		FF_CHECK(t, !met || ff_test_error(t)->code == FF_E_CONFLICT);
		FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), met ? 1 : rows);
		close_store(store);
		remove_store(path_of(t, "a.db"));
	}
	FF_CHECK(t, met);
}

enum { TURNS = 60, ADDED = PROCESSES * TURNS };

/* Adds 1 to a row that all share, with 20 rows of its own; the map is too small for them again and again. */
static ff_code add_with_others(ff_test *t, ff_store *store, int64_t first)
{
	static ffp_odd_row rows[21];
	ff_write writes[21];
	ffp_odd_row key = ffp_odd("", 0, "", 0);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &key.row };
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t));
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, ffp_raw_arena(t), &read, 1, ff_test_error(t));
	int64_t before = read.row ? ffp_odd_of(read.row)->v : 0;
	for (int64_t i = 0; i <= 20; i++) {
		rows[i] =
		    i ? ffp_odd("a", first + i, "some words to fill a page with", i) : ffp_odd("", 0, "", before + 1);
		writes[i] = (ff_write){
			.table = odd_v1(), .kind = FF_WRITE_PUT, .before = i ? NULL : read.row, .after = &rows[i].row
		};
	}
	if (code == FF_OK)
		code = subject.backend->store(txn, writes, 21, ff_test_error(t));
	if (code == FF_OK)
		return subject.backend->commit(txn, ff_test_error(t));
	subject.backend->abort(txn);
	return code;
}

/* A conflict is what the core runs again. */
static int grow_beside_others(ff_test *t, int number)
{
	ff_store *store = open_with(t, tiny);
	unsigned conflicts = 0;
	for (int64_t i = 0; i < TURNS;) {
		ff_code code = add_with_others(t, store, number * 1000000 + i * 20);
		if (code == FF_E_CONFLICT && ++conflicts < 10000)
			continue;
		FF_REQUIRE_OK(t, code);
		i++;
	}
	close_store(store);
	return 0;
}

static void processes_that_grow_one_store(ff_test *t)
{
	in_processes(t, PROCESSES, grow_beside_others);
	ff_store *store = open_with(t, tiny);
	ffp_odd_row key = ffp_odd("", 0, "", 0);
	const ffp_odd_row *sum = ffp_odd_of(get_row(t, store, odd_v1(), &key.row));
	FF_CHECK(t, sum && sum->v == ADDED);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 20 * ADDED + 1);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static long address_space(ff_test *t)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	FF_REQUIRE(t, file != NULL);
	FF_CHECK_EQ_INT(t, fscanf(file, "%ld", &pages), 1);
	fclose(file);
	return pages;
}

/* Whether so many pages are a sanitizer's, which asks for more as it goes. */
static bool has_shadow(long pages)
{
	return pages > (INT64_C(1) << 40) / sysconf(_SC_PAGESIZE);
}

/* A map's, and what was asked for to see whether it is to be had. */
static void a_closed_store_holds_no_address_space(ff_test *t)
{
	const long map = (16L << 30) / sysconf(_SC_PAGESIZE);
	close_store(must_open(t, path_of(t, "a.db")));
	long before = address_space(t);
	for (int i = 0; i < 64; i++) {
		ff_store *store = must_open(t, path_of(t, "a.db"));
		if (i < 4)
			FF_CHECK(t, address_space(t) - before < 2 * map);
		close_store(store);
	}
	FF_CHECK(t, address_space(t) - before < (has_shadow(before) ? map : 64)); /* not a page each time */
}

/* ---- no room ---------------------------------------------------------------------------------------------------- */

static void a_map_that_may_not_grow(ff_test *t)
{
	static const char *const params[] = { "map_max", "400000", "durability", "none", NULL };
	ff_store *store = open_with(t, params);
	ff_code code = FF_OK;
	int64_t rows = 0;
	while (code == FF_OK && rows < 10000) {
		code = put_many(t, store, rows, 10);
		rows += code == FF_OK ? 10 : 0;
	}
	FF_CHECK_EQ_INT(t, code, FF_E_FULL);
	FF_CHECK_STR(t, ff_test_error(t)->native_code, "-30792");
	FF_CHECK(t,
	         strstr(ff_test_error(t)->message, path_of(t, "a.db")) && strstr(ff_test_error(t)->message, "map_max"));
	FF_CHECK(t, rows > 100);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows);
	FF_CHECK_CODE(t, put_many(t, store, rows, 10), FF_E_FULL);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows);
	/* What is full can be emptied, and is then not full. */
	ff_read everything = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &everything };
	FF_REQUIRE_OK(t, write_once(t, store, &gone, 1));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), 0);
	for (int64_t i = 0; i < 5; i++)
		FF_REQUIRE_OK(t, put_many(t, store, i * 10, 10));
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static const char *const small[] = { "map_size", "1", "map_max", "400000", "durability", "none", NULL };

static ff_code fill(ff_test *t, ff_store *store, int64_t first)
{
	ff_code code = FF_OK;
	for (int64_t row = 0; code == FF_OK && row < 10000; row += 10)
		code = put_many(t, store, first + row, 10);
	return code;
}

static int fill_elsewhere(ff_test *t, int number)
{
	ff_store *store = open_with(t, small);
	(void)number;
	FF_CHECK_CODE(t, fill(t, store, 0), FF_E_FULL);
	close_store(store);
	return 0;
}

/* Who takes on what another process has filled gets no more room by it. */
static void a_map_that_another_process_has_filled(ff_test *t)
{
	struct stat data;
	ff_store *store = open_with(t, small);
	in_processes(t, 1, fill_elsewhere);
	FF_CHECK_CODE(t, fill(t, store, ROWS * 10), FF_E_FULL);
	FF_CHECK(t, stat(path_of(t, "a.db/data.mdb"), &data) == 0 && data.st_size < 400000 + sysconf(_SC_PAGESIZE));
	close_store(store);
}

/* Whose map may be no larger takes on what another process had more room for, and adds nothing. */
static void a_map_that_is_larger_than_may_be(ff_test *t)
{
	ff_store *store = open_with(t, small);
	FF_CHECK_CODE(t, fill(t, store, 0), FF_E_FULL);
	size_t rows = count_rows(t, store, odd_v1());
	FF_CHECK_EQ_INT(t, in_process(t, put_all, 2), 0);
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows + ROWS);
	FF_CHECK_CODE(t, put_many(t, store, ROWS, 10), FF_E_FULL);
	close_store(store);
}

static int fill_a_small_address_space(ff_test *t, int number)
{
	static char words[1 << 20];
	const long pages = address_space(t);
	const rlim_t most = (rlim_t)(pages * sysconf(_SC_PAGESIZE)) + (60 << 20);
	ff_code code = FF_OK;
	if (has_shadow(pages))
		return 0;
	int64_t rows = 0;
	(void)number;
	memset(words, 'w', sizeof(words));
	FF_REQUIRE(t, setrlimit(RLIMIT_AS, &(struct rlimit){ most, most }) == 0);
	ff_store *store = open_with(t, plain);
	while (code == FF_OK && rows < 64) {
		ffp_odd_row row = ffp_odd("a", rows, "c", 1);
		row.w = (ff_text){ words, sizeof(words) };
		code = put_row(t, store, odd_v1(), NULL, &row.row);
		rows += code == FF_OK;
	}
	FF_CHECK_EQ_INT(t, code, FF_E_FULL);
	FF_CHECK(t, strstr(ff_test_error(t)->message, "address space") != NULL);
	FF_CHECK(t, rows > 8);
	ffp_odd_row last = ffp_odd("a", rows - 1, "c", 1);
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .low = &last.row };
	FF_CHECK_CODE(t, read_once(t, store, FF_TXN_READ, &read, 1), FF_OK);
	FF_CHECK(t, read.row != NULL);
	close_store(store);
	return 0;
}

/* A map begins as large as may be, and where it may be no larger, what is there can still be read. */
static void an_address_space_that_is_small(ff_test *t)
{
	FF_CHECK_EQ_INT(t, in_process(t, fill_a_small_address_space, 0), 0);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

/* Opens and writes where no file may grow past `size`, in a process of its own. Answers 0 where all went well, 1 where
 * it ran out of room as it should. */
static int use_small_disk(ff_test *t, int size)
{
	struct rlimit limit = { (rlim_t)size, (rlim_t)size };
	ff_store *store;
	signal(SIGXFSZ, SIG_IGN);
	FF_REQUIRE(t, setrlimit(RLIMIT_FSIZE, &limit) == 0);
	ff_code code = open_store(t, path_of(t, "a.db"), &catalog_v1, 0, NULL, &store);
	if (code != FF_OK) {
		FF_CHECK_CODE(t, code, FF_E_FULL);
		FF_CHECK_EQ_INT(t, count_files(t), 0);
		return 1;
	}
	int64_t rows = 0;
	while (code == FF_OK && rows < 400) {
		code = put_many(t, store, rows, 40);
		rows += code == FF_OK ? 40 : 0;
	}
	FF_CHECK(t, code == FF_OK || FF_CHECK_CODE(t, code, FF_E_FULL));
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), rows);
	close_store(store);
	return code != FF_OK;
}

static void a_disk_that_is_full(ff_test *t)
{
	unsigned full = 0;
	int answer = 1;
	for (int size = 0; answer == 1 && size < (4 << 20); size += size < (128 << 10) ? 2048 : 16384) {
		answer = in_process(t, use_small_disk, size);
		if (!FF_CHECK(t, answer != PROCESS_FAILED))
			ff_test_note(t, "%d bytes", size);
		full += answer == 1;
		if (file_exists(path_of(t, "a.db"))) {
			FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
			remove_store(path_of(t, "a.db"));
		}
	}
	FF_CHECK_EQ_INT(t, answer, 0);
	FF_CHECK(t, full > 40);
}

/* ---- a writable map -------------------------------------------------------------------------------------------- */

static const char *const writable[] = { "write_map", "1", "durability", "none", "map_size", "65536", NULL };

static int open_writable(ff_test *t, int number)
{
	ff_store *store;
	ffp_odd_row row = ffp_odd("b", number, "", 1);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, writable, &store));
	FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
	close_store(store);
	return 0;
}

/* LMDB makes the file as long as the map: a process whose map is smaller must not cut it off beneath the others. */
static void a_smaller_writable_map_leaves_the_larger_one(ff_test *t)
{
	enum { PUT = 4000 };
	ff_store *store;
	const char *name = "a.db/data.mdb";
	struct stat before, after;
	int number = 0;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, writable, &store));
	for (int64_t i = 0; i < PUT; i++) {
		ffp_odd_row row = ffp_odd("a", i, "some words to fill a page with", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		if (i % 100)
			continue;
		FF_REQUIRE(t, stat(path_of(t, name), &before) == 0);
		FF_CHECK_EQ_INT(t, in_process(t, open_writable, number++), 0);
		FF_REQUIRE(t, stat(path_of(t, name), &after) == 0);
		FF_REQUIRE(t, after.st_size >= before.st_size); /* what is beyond its end would end this process */
	}
	FF_CHECK_EQ_INT(t, count_rows(t, store, odd_v1()), PUT + number);
	close_store(store);
	FF_CHECK_STR(t, check_store(t, path_of(t, "a.db")).lines, "");
}

static struct {
	int to_reader[2], to_writer[2];
} pipes;

/* Lets the writer go on, which has that long to make the file longer. */
static void let_it_grow(void *context)
{
	ff_test *t = context;
	struct pollfd done = { .fd = pipes.to_reader[0], .events = POLLIN };
	FF_CHECK(t, write(pipes.to_writer[1], "g", 1) == 1);
	poll(&done, 1, 300);
}

static int read_in_a_small_map(ff_test *t, int number)
{
	ff_store *store;
	char byte;
	(void)number;
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, writable, &store));
	FF_REQUIRE(t, write(pipes.to_writer[1], "o", 1) == 1 && read(pipes.to_reader[0], &byte, 1) == 1);
	faulty_before_length(let_it_grow, t);
	FF_CHECK(t, count_rows(t, store, odd_v1()) > 0);
	close_store(store);
	return 0;
}

/* Who reads takes the larger map on, and does not cut off what is made longer at that moment. */
static void a_reader_takes_a_writable_map_on_while_it_grows(ff_test *t)
{
	ff_store *store;
	struct stat before, after;
	char byte;
	int64_t rows = 0;
	int status = -1;
	FF_REQUIRE(t, pipe(pipes.to_reader) == 0 && pipe(pipes.to_writer) == 0);
	close_store(must_open(t, path_of(t, "a.db")));
	pid_t child = start_process(t, read_in_a_small_map, 0);
	FF_REQUIRE(t, child > 0 && read(pipes.to_writer[0], &byte, 1) == 1);
	FF_REQUIRE_OK(t, open_store(t, path_of(t, "a.db"), &catalog_v1, 0, writable, &store));
	for (before.st_size = 0; before.st_size < 1 << 20; rows++) {
		ffp_odd_row row = ffp_odd("a", rows, "some words to fill a page with", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		FF_REQUIRE(t, stat(path_of(t, "a.db/data.mdb"), &before) == 0);
	}
	FF_REQUIRE(t, write(pipes.to_reader[1], "o", 1) == 1 && read(pipes.to_writer[0], &byte, 1) == 1);
	for (after = before; after.st_size == before.st_size; rows++) {
		ffp_odd_row row = ffp_odd("a", rows, "some words to fill a page with", 1);
		FF_REQUIRE_OK(t, put_row(t, store, odd_v1(), NULL, &row.row));
		FF_REQUIRE(t, stat(path_of(t, "a.db/data.mdb"), &after) == 0);
	}
	FF_CHECK(t, write(pipes.to_reader[1], "d", 1) == 1);
	FF_REQUIRE(t, waitpid(child, &status, 0) == child && status == 0);
	FF_REQUIRE(t, stat(path_of(t, "a.db/data.mdb"), &before) == 0 && before.st_size >= after.st_size);
	close_store(store);
	for (int i = 0; i < 2; i++) {
		close(pipes.to_reader[i]);
		close(pipes.to_writer[i]);
	}
}

static const ff_case cases[] = {
	CASE(one_batch_that_is_larger_than_the_map, "", 0),
	CASE(batches_of_every_size, "", FF_CASE_BULK),
	CASE(many_batches, "", 0),
	CASE(a_commit_finds_room_where_readers_have_every_slot, "FF-GS-3", 0),
	CASE(readers_that_are_open_read_on, "FF-GS-3", 0),
	CASE(readers_on_other_threads, "FF-GS-3", 0),
	CASE(a_migration_that_is_larger_than_the_map, "FF-MT-2", 0),
	CASE(a_check_whose_host_writes, "FF-MT-4", 0),
	CASE(another_process_made_the_store_larger, "", 0),
	CASE(a_writer_sees_a_larger_map, "", 0),
	CASE(a_store_is_opened_while_its_map_grows, "FF-RU-13", FF_CASE_BULK),
	CASE(another_process_writes_while_the_map_grows, "FF-RU-13", 0),
	CASE(another_process_changes_a_row_while_the_map_grows, "FF-RU-13", 0),
	CASE(another_process_writes_while_a_commit_makes_the_map_grow, "FF-RU-13", FF_CASE_BULK),
	CASE(processes_that_grow_one_store, "FF-RU-13", FF_CASE_BULK),
	CASE(a_closed_store_holds_no_address_space, "", FF_CASE_BULK),
	CASE(a_map_that_may_not_grow, "FF-ERR-1", 0),
	CASE(a_map_that_another_process_has_filled, "FF-ERR-1", 0),
	CASE(a_map_that_is_larger_than_may_be, "FF-ERR-1", 0),
	CASE(an_address_space_that_is_small, "FF-ERR-1", FF_CASE_BULK),
	CASE(a_disk_that_is_full, "FF-ERR-1", 0),
	CASE(a_smaller_writable_map_leaves_the_larger_one, "", 0),
	CASE(a_reader_takes_a_writable_map_on_while_it_grows, "", 0),
};
FAMILY(cases_map, cases);
