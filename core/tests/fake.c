/*
 * A store in memory: a sorted array of rows a table, one transaction at a time, writes held back until commit. It is
 * small rather than fast, and strict: a core that breaks a rule of the seam is found out here.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "order.h"
#include "tests.h"

typedef struct rows {
	ff_row **rows; /* in key order */
	size_t count;
	size_t room;
} rows;

/* A row of a transaction that is on its way: it is expected, or is to be there (and is new), or replaces one. */
typedef struct late_row {
	const ff_table *table;
	ff_row *row;
	enum { LATE_EXPECTED, LATE_NEW, LATE_CHANGED } kind;
} late_row;

enum { LATE_MAX = 16 };

struct ffp_fake {
	char name[64];
	ffp_fake *next;
	rows tables[FFP_TABLES_COUNT];
	_Atomic uint64_t calls[FFP_SLOTS_COUNT];
	pthread_mutex_t lock; /* held by the transaction that is open */
	ff_txn_kind kind;     /* of it */
	const ff_write *writes;
	size_t writes_count;
	bool loaded;
	bool stored;
	const ff_read *expected;
	size_t expected_count;
	unsigned late_begins; /* so many write transactions begin before the late one comes; 0: there is none */
	bool delays;          /* the next commit is the late one */
	late_row late[LATE_MAX];
	size_t late_count;
	unsigned handles;
	uint64_t changes;       /* of its rows, by whomever */
	uint64_t left;          /* changes after the last commit of… */
	const ff_store *leaver; /* … this handle */
	const ff_store *writer; /* whose write transaction is open */
	unsigned meeting;       /* so many writers must have come to begin before one is let in */
	unsigned writers;       /* that came to begin and have not ended */
	pthread_mutex_t door;
	pthread_cond_t come;
	char broken[200];
};

struct ff_store {
	ffp_fake *fake;
	uint32_t lanes;
	bool read_only;
};

static pthread_mutex_t stores_lock = PTHREAD_MUTEX_INITIALIZER;
static ffp_fake *stores;

/* Transactions that this thread has open. */
static _Thread_local unsigned open_txns;

/* ---- rules -------------------------------------------------------------------------------------------------- */

static void require(ffp_fake *fake, bool held, const char *rule)
{
	if (!held && !*fake->broken)
		snprintf(fake->broken, sizeof(fake->broken), "%s", rule);
}

const char *ffp_fake_broken(const ffp_fake *fake)
{
	return fake->broken;
}

static void count(ffp_fake *fake, ffp_slot_id slot)
{
	atomic_fetch_add(&fake->calls[slot], 1);
}

uint64_t ffp_fake_calls(const ffp_fake *fake, ffp_slot_id slot)
{
	return atomic_load(&fake->calls[slot]);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static bool is_text(const ff_table *table, const ff_row *row, unsigned column)
{
	return table->columns[column].type == FF_TYPE_TEXT && !ff_row_is_null(row, column);
}

/* A row and its texts in one piece, for `row` is copied from memory that goes. */
static ff_row *copy_row(const ff_table *table, const ff_row *row)
{
	size_t size = table->row_size;
	for (unsigned i = 0; i < table->columns_count; i++)
		size += is_text(table, row, i) ? ff_row_text(row, &table->columns[i])->size : 0;
	ff_row *copy = malloc(size);
	if (!copy)
		abort();
	memcpy(copy, row, table->row_size);
	char *at = (char *)copy + table->row_size;
	for (unsigned i = 0; i < table->columns_count; i++) {
		ff_text *text = ff_row_text(copy, &table->columns[i]);
		if (!is_text(table, row, i))
			continue;
		if (text->size)
			memcpy(at, text->data, text->size);
		text->data = at;
		at += text->size;
	}
	return copy;
}

static ff_row *answer_row(ff_arena *arena, const ff_table *table, const ff_row *row)
{
	ff_row *copy = ff_row_new(arena, table);
	if (!copy)
		return NULL;
	memcpy(copy, row, table->row_size);
	for (unsigned i = 0; i < table->columns_count; i++) {
		ff_text *text = ff_row_text(copy, &table->columns[i]);
		if (!is_text(table, row, i))
			continue;
		*text = ff_text_copy(arena, text->data, text->size);
		if (!text->data)
			return NULL;
	}
	return copy;
}

static bool same_row(const ff_table *table, const ff_row *a, const ff_row *b)
{
	bool same = a->nulls == b->nulls && a->state == b->state;
	for (unsigned i = 0; same && i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		if (ff_row_is_null(a, i))
			continue;
		same = column->type == FF_TYPE_TEXT
		           ? ff_text_compare(*ff_row_text(a, column), *ff_row_text(b, column)) == 0
		           : *ff_row_int64(a, column) == *ff_row_int64(b, column);
	}
	return same;
}

/* Where a key stands, or would. */
static size_t place_of(const rows *of, const ff_table *table, const ff_row *key, bool *found)
{
	size_t low = 0;
	size_t high = of->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ff_row_compare(table, NULL, of->rows[middle], key, table->key_count) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < of->count && ff_row_compare(table, NULL, of->rows[low], key, table->key_count) == 0;
	return low;
}

static const ff_row *find(const ffp_fake *fake, const ff_table *table, const ff_row *key)
{
	bool found;
	size_t at = place_of(&fake->tables[table->id], table, key, &found);
	return found ? fake->tables[table->id].rows[at] : NULL;
}

static void put_row(ffp_fake *fake, const ff_table *table, const ff_row *row)
{
	rows *of = &fake->tables[table->id];
	bool found;
	size_t at = place_of(of, table, row, &found);
	ff_row *copy = copy_row(table, row);
	if (found) {
		free(of->rows[at]);
		of->rows[at] = copy;
		return;
	}
	if (of->count == of->room) {
		of->room = of->room ? 2 * of->room : 16;
		of->rows = realloc(of->rows, of->room * sizeof(*of->rows));
		if (!of->rows)
			abort();
	}
	memmove(of->rows + at + 1, of->rows + at, (of->count - at) * sizeof(*of->rows));
	of->rows[at] = copy;
	of->count++;
}

static void drop_row(ffp_fake *fake, const ff_table *table, const ff_row *key)
{
	rows *of = &fake->tables[table->id];
	bool found;
	size_t at = place_of(of, table, key, &found);
	if (!found)
		return;
	free(of->rows[at]);
	of->count--;
	memmove(of->rows + at, of->rows + at + 1, (of->count - at) * sizeof(*of->rows));
}

void ffp_fake_put(ffp_fake *fake, ffp_table_id table, const ff_row *row)
{
	pthread_mutex_lock(&fake->lock);
	put_row(fake, ffp_table(table), row);
	fake->changes++;
	pthread_mutex_unlock(&fake->lock);
}

size_t ffp_fake_count(const ffp_fake *fake, ffp_table_id table)
{
	return fake->tables[table].count;
}

uint64_t ffp_fake_changes(const ffp_fake *fake)
{
	return fake->changes;
}

void ffp_fake_wipe(ffp_fake *fake)
{
	for (; fake->late_count; fake->late_count--)
		free(fake->late[fake->late_count - 1].row);
	fake->changes++;
	for (unsigned t = 0; t < FFP_TABLES_COUNT; t++) {
		for (size_t i = 0; i < fake->tables[t].count; i++)
			free(fake->tables[t].rows[i]);
		free(fake->tables[t].rows);
		fake->tables[t] = (rows){ 0 };
	}
}

/* ---- what a case sees --------------------------------------------------------------------------------------- */

static ffp_fake *named(const char *name)
{
	pthread_mutex_lock(&stores_lock);
	ffp_fake *fake = stores;
	while (fake && strcmp(fake->name, name) != 0)
		fake = fake->next;
	pthread_mutex_unlock(&stores_lock);
	return fake;
}

ffp_fake *ffp_fake_of(ff_test *test)
{
	ffp_fake *fake = named(strchr(ff_test_uri(test), ':') + 1);
	FF_REQUIRE(test, fake != NULL);
	return fake;
}

static void print_row(FILE *out, const ff_table *table, const ff_row *row)
{
	fprintf(out, "%s%s", table->name + sizeof("ff_") - 1, row->state == FF_ROW_OK ? "" : " (corrupt)");
	for (unsigned i = 0; i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		if (ff_row_is_null(row, i))
			fputs(" -", out);
		else if (column->type == FF_TYPE_TEXT)
			fprintf(out, " '%.*s'", (int)ff_row_text(row, column)->size, ff_row_text(row, column)->data);
		else
			fprintf(out, " %" PRId64, *ff_row_int64(row, column));
	}
	fputs("\n", out);
}

const char *ffp_fake_dump(ff_test *test, ffp_fake *fake)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	FF_REQUIRE(test, out != NULL);
	for (unsigned t = 0; t < FFP_TABLES_COUNT; t++)
		for (size_t i = 0; i < fake->tables[t].count; i++)
			print_row(out, ffp_table((ffp_table_id)t), fake->tables[t].rows[i]);
	fclose(out);
	ff_test_defer(test, free, text);
	return text;
}

/* ---- the slots ---------------------------------------------------------------------------------------------- */

static ffp_fake *create(const char *name)
{
	ffp_fake *fake = calloc(1, sizeof(*fake));
	if (!fake)
		abort();
	snprintf(fake->name, sizeof(fake->name), "%s", name);
	pthread_mutex_init(&fake->lock, NULL);
	pthread_mutex_init(&fake->door, NULL);
	pthread_cond_init(&fake->come, NULL);
	pthread_mutex_lock(&stores_lock);
	fake->next = stores;
	stores = fake;
	pthread_mutex_unlock(&stores_lock);
	return fake;
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	static const char *const known[] = { "lanes", NULL };
	int64_t lanes = 0;
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK)
		code = ff_config_int64(config, "lanes", 1, UINT32_MAX, &lanes, error);
	if (code != FF_OK)
		return code;
	ffp_fake *fake = named(config->path);
	if (!fake && config->flags)
		return ff_error_set(error, FF_E_NOT_FOUND, "there is no store '%s'", config->path);
	store->fake = fake ? fake : create(config->path);
	store->lanes = (uint32_t)lanes;
	store->read_only = config->flags & FF_STORE_READ_ONLY;
	store->fake->handles++;
	count(store->fake, FFP_SLOT_OPEN);
	require(store->fake, config->catalog == &ffp_catalog, "another catalog");
	return FF_OK;
}

static void close_store(ff_store *store)
{
	count(store->fake, FFP_SLOT_CLOSE);
	require(store->fake, store->fake->handles-- > 0, "closed twice");
}

static ff_code get_limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)error;
	count(store->fake, FFP_SLOT_LIMITS);
	*limits = (ff_store_limits){ .caps = store->lanes ? FF_CAP_CONCURRENT_WRITERS : 0,
		                     .durability = FF_DURABILITY_NONE,
		                     .version = "fake 1",
		                     .lanes = store->lanes };
	return FF_OK;
}

void ffp_fake_meet(ffp_fake *fake, unsigned writers)
{
	fake->meeting = writers;
}

static void come_in(ffp_fake *fake)
{
	pthread_mutex_lock(&fake->door);
	if (++fake->writers >= fake->meeting) {
		fake->meeting = 0;
		pthread_cond_broadcast(&fake->come);
	}
	while (fake->meeting)
		pthread_cond_wait(&fake->come, &fake->door);
	pthread_mutex_unlock(&fake->door);
}

static void end(ffp_fake *fake)
{
	open_txns--;
	if (fake->kind == FF_TXN_WRITE) {
		pthread_mutex_lock(&fake->door);
		fake->writers--;
		pthread_mutex_unlock(&fake->door);
	}
	pthread_mutex_unlock(&fake->lock);
}

void ffp_fake_delay(ffp_fake *fake, unsigned begins)
{
	fake->delays = true;
	fake->late_begins = begins;
}

static void keep_late(ffp_fake *fake, const ff_table *table, const ff_row *row, unsigned kind)
{
	require(fake, fake->late_count < LATE_MAX, "a late transaction of too many rows");
	if (fake->late_count < LATE_MAX)
		fake->late[fake->late_count++] = (late_row){ table, copy_row(table, row), kind };
}

/* It has loaded nothing, so it is what it expects and what it writes. */
static void send_late(ffp_fake *fake)
{
	require(fake, !fake->loaded, "a late transaction that has loaded");
	for (size_t i = 0; i < fake->expected_count; i++)
		keep_late(fake, fake->expected[i].table, fake->expected[i].row, LATE_EXPECTED);
	for (size_t i = 0; i < fake->writes_count; i++)
		keep_late(fake, fake->writes[i].table, fake->writes[i].after,
		          fake->writes[i].before ? LATE_CHANGED : LATE_NEW);
	fake->delays = false;
}

static bool may_arrive(const ffp_fake *fake)
{
	for (size_t i = 0; i < fake->late_count; i++) {
		const late_row *late = &fake->late[i];
		const ff_row *there = find(fake, late->table, late->row);
		if (late->kind == LATE_NEW ? there != NULL : !there)
			return false;
		if (late->kind == LATE_EXPECTED && !same_row(late->table, there, late->row))
			return false;
	}
	return true;
}

/* Carries it out, or not, as the store does with any. */
static void let_late_arrive(ffp_fake *fake)
{
	bool arrives = may_arrive(fake);
	for (size_t i = 0; i < fake->late_count; i++) {
		if (arrives && fake->late[i].kind != LATE_EXPECTED)
			put_row(fake, fake->late[i].table, fake->late[i].row);
		free(fake->late[i].row);
	}
	fake->changes += arrives;
	fake->late_count = 0;
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	(void)error;
	ffp_fake *fake = store->fake;
	if (kind == FF_TXN_WRITE)
		come_in(fake);
	pthread_mutex_lock(&fake->lock);
	count(fake, FFP_SLOT_BEGIN);
	if (kind == FF_TXN_WRITE && fake->late_count && --fake->late_begins == 0)
		let_late_arrive(fake);
	require(fake, !store->read_only || kind == FF_TXN_READ, "a write transaction of a store opened read only");
	fake->kind = kind;
	fake->writer = store;
	fake->writes = NULL;
	fake->writes_count = 0;
	fake->loaded = fake->stored = false;
	fake->expected_count = 0;
	*txn = (ff_txn *)fake;
	open_txns++;
	return FF_OK;
}

static int compare_in_order(const void *a, const void *b, void *context)
{
	const ff_read *read = context;
	int order = ff_row_compare(read->table, read->index, *(ff_row *const *)a, *(ff_row *const *)b,
	                           ff_order_count(read->table, read->index));
	return read->flags & FF_READ_DESCENDING ? -order : order;
}

static ff_code read_range(const ffp_fake *fake, ff_arena *arena, ff_read *read)
{
	const rows *of = &fake->tables[read->table->id];
	read->rows = NULL;
	read->rows_count = 0;
	if (of->count == 0)
		return FF_OK; /* and nothing is taken from the arena */
	const ff_row **found = ff_arena_take(arena, of->count * sizeof(*found));
	read->rows = ff_arena_take(arena, of->count * sizeof(*read->rows));
	if (!found || !read->rows)
		return FF_E_NO_MEMORY;
	size_t count_in = 0;
	for (size_t i = 0; i < of->count; i++)
		if (ffp_range_holds(read, of->rows[i]))
			found[count_in++] = of->rows[i];
	if (count_in > 1)
		qsort_r(found, count_in, sizeof(*found), compare_in_order, read);
	for (; read->rows_count < count_in && read->rows_count < read->limit; read->rows_count++) {
		read->rows[read->rows_count] = answer_row(arena, read->table, found[read->rows_count]);
		if (!read->rows[read->rows_count])
			return FF_E_NO_MEMORY;
	}
	return FF_OK;
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t reads_count, ff_error *error)
{
	ffp_fake *fake = (ffp_fake *)txn;
	ff_code code = FF_OK;
	count(fake, FFP_SLOT_LOAD);
	require(fake, !fake->stored, "a load after the store");
	require(fake, !fake->expected_count, "a load beside rows that are expected");
	fake->loaded = true;
	for (size_t i = 0; code == FF_OK && i < reads_count; i++) {
		ff_read *read = &reads[i];
		if (read->kind == FF_READ_RANGE) {
			require(fake, read->limit > 0, "a range without a limit");
			code = read_range(fake, arena, read);
			continue;
		}
		require(fake, read->kind == FF_READ_GET && !read->index, "a read that is neither GET nor RANGE");
		const ff_row *row = find(fake, read->table, read->low);
		read->row = row ? answer_row(arena, read->table, row) : NULL;
		code = row && !read->row ? FF_E_NO_MEMORY : FF_OK;
	}
	return code == FF_OK ? FF_OK : ff_error_set(error, code, "out of memory for rows");
}

static void delete_range(ffp_fake *fake, const ff_read *range)
{
	const rows *of = &fake->tables[range->table->id];
	for (size_t i = of->count; i-- > 0;)
		if (ffp_range_holds(range, of->rows[i]))
			drop_row(fake, range->table, of->rows[i]);
}

/* Whether two writes come in the order that the seam promises. */
static bool in_order(const ff_write *a, const ff_write *b)
{
	if (a->kind == FF_WRITE_DELETE_RANGE || b->kind == FF_WRITE_DELETE_RANGE)
		return b->kind == FF_WRITE_DELETE_RANGE; /* which come last */
	const ff_row *x = a->after ? a->after : a->before;
	const ff_row *y = b->after ? b->after : b->before;
	if (a->table != b->table)
		return a->table->id < b->table->id;
	return ff_row_compare(a->table, NULL, x, y, a->table->key_count) < 0;
}

static void check_write(ffp_fake *fake, const ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE) {
		require(fake, write->range && !write->range->index && write->range->table == write->table,
		        "a delete of a range that is none in key order");
		return;
	}
	const ff_row *row = write->after ? write->after : write->before;
	require(fake, row != NULL, "a write of nothing");
	require(fake, (write->kind == FF_WRITE_PUT) == (write->after != NULL), "a write whose kind and rows differ");
	const ff_row *stored = row ? find(fake, write->table, row) : NULL;
	require(fake, stored || !write->before, "a write whose row before is not what is stored");
	if (stored && write->before)
		require(fake, same_row(write->table, stored, write->before), "a row before that was changed");
	if (write->after)
		require(fake, write->after->state == FF_ROW_OK, "a put of a row that cannot be trusted");
}

/* A new row that is there already: the core takes idempotency keys for fresh, and nothing else. */
static bool is_there(ffp_fake *fake, const ff_write *write)
{
	bool found = write->kind == FF_WRITE_PUT && !write->before && find(fake, write->table, write->after);
	require(fake, !found || write->table->id == FFP_BUDGET_USAGE_DEDUP, "an insert of a row that is there");
	return found;
}

static void expect(ff_txn *txn, const ff_read *reads, size_t reads_count)
{
	ffp_fake *fake = (ffp_fake *)txn;
	count(fake, FFP_SLOT_EXPECT);
	require(fake, fake->kind == FF_TXN_WRITE, "rows that a read transaction expects");
	require(fake, !fake->loaded && !fake->stored && !fake->expected_count, "rows that are expected late");
	for (size_t i = 0; i < reads_count; i++) {
		require(fake, reads[i].kind == FF_READ_GET && reads[i].row, "an expected read without its answer");
		require(fake, reads[i].row->state == FF_ROW_OK, "an expected row that cannot be trusted");
		require(fake,
		        i == 0 || reads[i - 1].table->id < reads[i].table->id ||
		            (reads[i - 1].table == reads[i].table &&
		             ff_row_compare(reads[i].table, NULL, reads[i - 1].low, reads[i].low,
		                            reads[i].table->key_count) < 0),
		        "expected rows out of order");
	}
	fake->expected = reads;
	fake->expected_count = reads_count;
}

static ff_code look_at_expected(const ffp_fake *fake, ff_error *error)
{
	for (size_t i = 0; i < fake->expected_count; i++) {
		const ff_read *read = &fake->expected[i];
		const ff_row *row = find(fake, read->table, read->low);
		if (!row || !same_row(read->table, row, read->row))
			return ff_error_set(error, FF_E_CONFLICT, "a row that was expected is not so");
	}
	return FF_OK;
}

static ff_code store_writes(ff_txn *txn, const ff_write *writes, size_t writes_count, ff_error *error)
{
	bool conflict = false;
	ffp_fake *fake = (ffp_fake *)txn;
	count(fake, FFP_SLOT_STORE);
	require(fake, fake->kind == FF_TXN_WRITE, "a store in a read transaction");
	require(fake, !fake->stored, "a second store");
	if (look_at_expected(fake, error) != FF_OK)
		return FF_E_CONFLICT;
	for (size_t i = 0; i < writes_count; i++) {
		check_write(fake, &writes[i]);
		require(fake, i == 0 || in_order(&writes[i - 1], &writes[i]), "writes out of order");
		conflict |= is_there(fake, &writes[i]);
	}
	if (conflict && !fake->delays) /* what is still under way nobody has looked at */
		return ff_error_set(error, FF_E_CONFLICT, "a row that is to be new is there");
	fake->stored = true;
	fake->writes = writes;
	fake->writes_count = writes_count;
	return FF_OK;
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	ffp_fake *fake = (ffp_fake *)txn;
	count(fake, FFP_SLOT_COMMIT);
	if (fake->delays) {
		send_late(fake);
		end(fake);
		return ff_error_set(error, FF_E_COMMIT_UNKNOWN, "the connection was lost");
	}
	if (look_at_expected(fake, error) != FF_OK) {
		end(fake);
		return FF_E_CONFLICT;
	}
	for (size_t i = 0; i < fake->writes_count; i++) {
		if (fake->writes[i].kind == FF_WRITE_DELETE_RANGE)
			delete_range(fake, fake->writes[i].range);
		else if (fake->writes[i].after)
			put_row(fake, fake->writes[i].table, fake->writes[i].after);
		else
			drop_row(fake, fake->writes[i].table, fake->writes[i].before);
	}
	fake->left = ++fake->changes;
	fake->leaver = fake->writer;
	end(fake);
	return FF_OK;
}

static void abort_txn(ff_txn *txn)
{
	ffp_fake *fake = (ffp_fake *)txn;
	count(fake, FFP_SLOT_ABORT);
	end(fake);
}

static bool is_untouched(ff_txn *txn)
{
	const ffp_fake *fake = (const ffp_fake *)txn;
	return fake->leaver == fake->writer && fake->left == fake->changes;
}

static ff_code check_store(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	(void)problem;
	(void)context;
	(void)error;
	count(store->fake, FFP_SLOT_CHECK);
	return FF_OK;
}

static void housekeep(ff_store *store)
{
	count(store->fake, FFP_SLOT_HOUSEKEEP);
	/* A thread that has one open holds the lock already; another's does not matter, and is not waited for. */
	require(store->fake, open_txns == 0, "housekeeping within a transaction");
}

static void expect_in_vain(ff_txn *txn, const ff_read *reads, size_t reads_count)
{
	(void)reads;
	(void)reads_count;
	require((ffp_fake *)txn, false, "rows that are expected of a store that tells whether it is untouched");
}

const ff_engine_backend ffp_fake_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = FF_CAP_CONCURRENT_WRITERS,
	.name = "fake",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = get_limits,
	.begin = begin,
	.load = load,
	.store = store_writes,
	.commit = commit,
	.abort = abort_txn,
	.check = check_store,
	.is_untouched = is_untouched,
	.housekeep = housekeep,
	.expect = expect_in_vain,
};

/* As one behind a network: it cannot tell who has written, and takes rows that are expected. */
const ff_engine_backend ffp_fake_far_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = FF_CAP_CONCURRENT_WRITERS,
	.name = "far",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = get_limits,
	.begin = begin,
	.load = load,
	.store = store_writes,
	.commit = commit,
	.abort = abort_txn,
	.expect = expect,
};

/* ---- the harness -------------------------------------------------------------------------------------------- */

static bool make(void *context, char uri[FF_URI_SIZE])
{
	static unsigned made;
	(void)context;
	snprintf(uri, FF_URI_SIZE, "fake:%u", ++made);
	return true;
}

static void destroy(void *context, const char *uri)
{
	(void)context;
	const char *name = strchr(uri, ':') + 1;
	ffp_fake **at = &stores;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	ffp_fake *fake = *at;
	if (!fake)
		return;
	*at = fake->next;
	ffp_fake_wipe(fake);
	pthread_mutex_destroy(&fake->lock);
	pthread_mutex_destroy(&fake->door);
	pthread_cond_destroy(&fake->come);
	free(fake);
}

const ff_harness ffp_fake_harness = {
	.name = "fake", .make = make, .shared = true, .missing = make, .destroy = destroy
};
