/* The wrapper: forwards every slot, with the hooks of its fault on the way. */
#include "broken.h"

#include <stdlib.h>

pid_t broken_home;

/* ---- memory ------------------------------------------------------------------------------------------------- */

typedef struct block {
	struct block *next;
	max_align_t start[];
} block;

static void *grow(ff_arena *arena, size_t size)
{
	broken_arena *of = (broken_arena *)arena;
	block *taken = malloc(sizeof(*taken) + size);
	if (!taken)
		abort();
	taken->next = of->blocks;
	of->blocks = taken;
	return taken->start;
}

static void make_arena(broken_arena *arena)
{
	static char nothing[1];
	*arena = (broken_arena){ .arena = { .at = nothing, .end = nothing, .grow = grow } };
}

static void free_arena(broken_arena *arena)
{
	for (block *at = arena->blocks, *next; at; at = next) {
		next = at->next;
		free(at);
	}
}

void *broken_take(ff_arena *arena, size_t size)
{
	void *taken = ff_arena_take(arena, size);
	if (!taken)
		abort();
	return memset(taken, 0, size);
}

ff_row *broken_copy(ff_arena *arena, const ff_table *table, const ff_row *row)
{
	ff_row *copy = broken_take(arena, table->row_size);
	memcpy(copy, row, table->row_size);
	for (unsigned i = 0; i < table->columns_count; i++) {
		if (table->columns[i].type != FF_TYPE_TEXT || ff_row_is_null(row, i))
			continue;
		ff_text *text = ff_row_text(copy, &table->columns[i]);
		*text = ff_text_copy(arena, text->data, text->size);
	}
	return copy;
}

/* ---- what faults share -------------------------------------------------------------------------------------- */

bool broken_every(ff_txn *txn, unsigned n)
{
	pthread_mutex_lock(&txn->store->lock);
	unsigned turn = ++txn->store->turn;
	pthread_mutex_unlock(&txn->store->lock);
	return turn % n == 0;
}

ff_code broken_inner_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	return txn->store->inner->load(txn->inner, arena, reads, count, error);
}

ff_code broken_inner_begin(ff_txn *txn, ff_txn_kind kind, ff_txn **inner, ff_error *error)
{
	return txn->store->inner->begin(txn->store->inner_store, kind, inner, error);
}

void broken_inner_abort(ff_txn *txn, ff_txn *inner)
{
	txn->store->inner->abort(inner);
}

bool broken_load_all(ff_txn *txn, ff_arena *arena, const ff_table *table, const ff_index *index, ff_read *all)
{
	ff_error error;
	*all = (ff_read){ .table = table, .index = index, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	return broken_inner_load(txn, arena, all, 1, &error) == FF_OK;
}

ff_row *broken_load_row(ff_txn *txn, ff_arena *arena, const ff_table *table, const ff_row *key)
{
	ff_error error;
	ff_read read = { .table = table, .kind = FF_READ_GET, .low = key };
	return broken_inner_load(txn, arena, &read, 1, &error) == FF_OK ? read.row : NULL;
}

static int compare_cells(const ff_column *column, const ff_row *a, const ff_row *b)
{
	if (column->type == FF_TYPE_TEXT)
		return ff_text_compare(*ff_row_text(a, column), *ff_row_text(b, column));
	int64_t x = *ff_row_int64(a, column), y = *ff_row_int64(b, column);
	return (x > y) - (x < y);
}

bool broken_same_cell(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b)
{
	bool is_null = ff_row_is_null(a, column);
	return is_null == ff_row_is_null(b, column) && (is_null || compare_cells(&table->columns[column], a, b) == 0);
}

bool broken_same_row(const ff_table *table, const ff_row *a, const ff_row *b)
{
	for (unsigned i = 0; i < table->columns_count; i++)
		if (!broken_same_cell(table, i, a, b))
			return false;
	return true;
}

int broken_compare(const ff_read *read, const ff_row *a, const ff_row *b, unsigned first, unsigned end)
{
	int order = 0;
	for (unsigned i = first; !order && i < end; i++)
		order = compare_cells(&read->table->columns[ff_order_column(read->table, read->index, i)], a, b);
	return order;
}

bool broken_is_in_range(const ff_read *read, const ff_row *row)
{
	for (unsigned i = 0; read->index && i < read->index->columns_count; i++) {
		if (ff_row_is_null(row, read->index->columns[i]))
			return false;
	}
	if (read->equal_count && broken_compare(read, row, read->low, 0, read->equal_count))
		return false;
	if (read->low_count > read->equal_count) {
		int order = broken_compare(read, row, read->low, read->equal_count, read->low_count);
		if (order < 0 || (!order && read->flags & FF_READ_LOW_EXCLUSIVE))
			return false;
	}
	if (read->high_count > read->equal_count) {
		int order = broken_compare(read, row, read->high, read->equal_count, read->high_count);
		if (order > 0 || (!order && read->flags & FF_READ_HIGH_EXCLUSIVE))
			return false;
	}
	return true;
}

void broken_sort(ff_read *read, int (*order)(const ff_read *read, const ff_row *a, const ff_row *b))
{
	for (size_t i = 1; i < read->rows_count; i++) {
		ff_row *row = read->rows[i];
		size_t at = i;
		for (; at && order(read, read->rows[at - 1], row) > 0; at--)
			read->rows[at] = read->rows[at - 1];
		read->rows[at] = row;
	}
}

bool broken_same_key(const ff_table *table, const ff_row *a, const ff_row *b)
{
	return !ff_row_compare(table, NULL, a, b, table->key_count);
}

void broken_entry_add(broken_store *store, const ff_table *table, const ff_row *row)
{
	broken_entry *entry = broken_take(&store->arena.arena, sizeof(*entry));
	*entry = (broken_entry){ .next = store->entries,
		                 .table = table,
		                 .row = broken_copy(&store->arena.arena, table, row) };
	store->entries = entry;
}

static bool is_entry_of(const broken_entry *entry, const ff_table *table, const ff_row *row)
{
	return entry->table->id == table->id && broken_same_key(table, entry->row, row);
}

bool broken_entry_has(broken_store *store, const ff_table *table, const ff_row *row)
{
	for (const broken_entry *at = store->entries; at; at = at->next) {
		if (is_entry_of(at, table, row))
			return true;
	}
	return false;
}

/* ---- faults by name ----------------------------------------------------------------------------------------- */

static const broken_fault no_fault = { .name = "none" };

static const broken_family *const families[] = {
	&broken_ranges,       &broken_rows,   &broken_memory, &broken_writes,
	&broken_transactions, &broken_expect, &broken_stores,
};

const broken_fault *broken_fault_at(size_t i)
{
	for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
		if (i < families[f]->count)
			return &families[f]->faults[i];
		i -= families[f]->count;
	}
	return NULL;
}

static const broken_fault *find(const char *name)
{
	const broken_fault *fault = &no_fault;
	for (size_t i = 0; name && fault && strcmp(fault->name, name) != 0; i++)
		fault = broken_fault_at(i);
	return fault;
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

static ff_code pass_on(const broken_store *store, broken_slot slot, ff_code code, ff_error *error)
{
	return code && store->fault->failed ? store->fault->failed(slot, code, error) : code;
}

/* The wrapped store is a store like any other to its backend; the parameter `fault` is not passed on. */
static ff_code open_inner(broken_store *store, const ff_store_config *config, ff_error *error)
{
	ff_param params[8];
	ff_store_config inner = *config;
	inner.params = params;
	inner.params_count = 0;
	for (size_t i = 0; i < config->params_count && inner.params_count < 8; i++) {
		if (strcmp(config->params[i].name, "fault") != 0)
			params[inner.params_count++] = config->params[i];
	}
	inner.scheme = strchr(config->scheme, '+') + 1;
	store->inner_store = calloc(1, store->inner->instance_size);
	if (!store->inner_store)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory");
	ff_code code = store->inner->open(store->inner_store, &inner, error);
	if (code)
		free(store->inner_store);
	return code;
}

ff_code broken_open(broken_store *store, const ff_store_config *config, ff_error *error)
{
	const char *plus = strchr(config->scheme, '+');
	store->inner = plus ? ff_backend_find(plus + 1) : NULL;
	store->allocator = config->allocator;
	return store->inner ? open_inner(store, config, error)
	                    : ff_error_set(error, FF_E_INVALID, "'%s' wraps no backend", config->scheme);
}

void broken_close(broken_store *store)
{
	store->inner->close(store->inner_store);
	free(store->inner_store);
}

static ff_code open_with_fault(broken_store *store, const ff_store_config *config, ff_error *error)
{
	ff_store_config changed = *config;
	if (store->fault->configure)
		store->fault->configure(store, &changed);
	return store->fault->open ? store->fault->open(store, &changed, error) : broken_open(store, &changed, error);
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	const char *name = ff_config_param(config, "fault");
	store->fault = find(name);
	if (!store->fault)
		return ff_error_set(error, FF_E_INVALID, "no fault is named '%s'", name);
	pthread_mutex_init(&store->lock, NULL);
	make_arena(&store->arena);
	store->asked = config->catalog;
	store->flags = config->flags;
	ff_code code = open_with_fault(store, config, error);
	if (code) {
		free_arena(&store->arena);
		pthread_mutex_destroy(&store->lock);
	} else if (store->fault->opened) {
		store->fault->opened(store);
	}
	return pass_on(store, BROKEN_OPEN, code, error);
}

static void close_store(ff_store *store)
{
	if (store->fault->closing)
		store->fault->closing(store);
	if (store->kept)
		store->inner->abort(store->kept);
	broken_close(store);
	free_arena(&store->arena);
	pthread_mutex_destroy(&store->lock);
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ff_code code = store->inner->limits(store->inner_store, limits, error);
	limits->caps |= store->fault->claims;
	if (!code && store->fault->limits)
		store->fault->limits(store, limits);
	return code;
}

static ff_code check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	if (store->fault->check)
		return store->fault->check(store, problem, context, error);
	return store->inner->check ? store->inner->check(store->inner_store, problem, context, error) : FF_OK;
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

static void end(ff_txn *txn)
{
	broken_store *store = txn->store;
	pthread_mutex_lock(&store->lock);
	store->readers -= txn->kind == FF_TXN_READ;
	if (store->writer == txn)
		store->writer = NULL;
	pthread_mutex_unlock(&store->lock);
	free_arena(&txn->arena);
	free(txn->answered);
	free(txn);
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	ff_txn *begun = calloc(1, sizeof(*begun));
	if (!begun)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory");
	*begun = (ff_txn){ .store = store, .kind = kind };
	make_arena(&begun->arena);
	ff_code code = store->fault->begin ? store->fault->begin(begun, error)
	                                   : broken_inner_begin(begun, kind, &begun->inner, error);
	if (code) {
		free_arena(&begun->arena);
		free(begun);
		return pass_on(store, BROKEN_BEGIN, code, error);
	}
	pthread_mutex_lock(&store->lock);
	store->readers += kind == FF_TXN_READ;
	if (kind == FF_TXN_WRITE)
		store->writer = begun;
	pthread_mutex_unlock(&store->lock);
	*txn = begun;
	return FF_OK;
}

static void remember(ff_txn *txn, const ff_read *reads, size_t count)
{
	ff_read *answered = realloc(txn->answered, (txn->answered_count + count) * sizeof(*answered));
	if (!answered)
		abort();
	memcpy(answered + txn->answered_count, reads, count * sizeof(*reads));
	txn->answered = answered;
	txn->answered_count += count;
}

static void change_rows(ff_txn *txn, ff_arena *arena, const ff_read *read)
{
	if (read->kind == FF_READ_GET && read->row)
		txn->store->fault->row(txn, arena, read, read->row);
	for (size_t i = 0; read->kind == FF_READ_RANGE && i < read->rows_count; i++)
		txn->store->fault->row(txn, arena, read, read->rows[i]);
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	const broken_fault *fault = txn->store->fault;
	ff_read *asked = broken_take(&txn->arena.arena, count * sizeof(*asked));
	for (size_t i = 0; i < count; i++) {
		asked[i] = reads[i];
		if (fault->ask)
			fault->ask(txn, &asked[i]);
	}
	ff_code code = fault->load ? fault->load(txn, arena, asked, count, error)
	                           : broken_inner_load(txn, arena, asked, count, error);
	txn->failed = code != FF_OK;
	if (code)
		return pass_on(txn->store, BROKEN_LOAD, code, error);
	for (size_t i = 0; i < count; i++) {
		reads[i].row = asked[i].row;
		reads[i].rows = asked[i].rows;
		reads[i].rows_count = asked[i].rows_count;
		if (fault->answer)
			fault->answer(txn, arena, &reads[i]);
		if (fault->row)
			change_rows(txn, arena, &reads[i]);
	}
	if (count)
		remember(txn, reads, count);
	txn->loads++;
	return FF_OK;
}

static bool as_expected(const ff_read *expected, const ff_row *found)
{
	return found && broken_same_row(expected->table, expected->row, found);
}

/* For a backend that can only load, which is right all the same: nobody else writes meanwhile. */
static ff_code compare_expected(ff_txn *txn, ff_error *error)
{
	const broken_fault *fault = txn->store->fault;
	for (size_t i = 0; i < txn->expected_count; i++) {
		ff_read read = txn->expected[i];
		ff_code code = broken_inner_load(txn, &txn->arena.arena, &read, 1, error);
		if (code)
			return code;
		bool same = fault->as_expected ? fault->as_expected(&txn->expected[i], read.row)
		                               : as_expected(&txn->expected[i], read.row);
		if (!same)
			return ff_error_set(error, FF_E_CONFLICT, "a row is not as it was expected");
	}
	txn->expected_count = 0;
	return FF_OK;
}

static void expect(ff_txn *txn, const ff_read *reads, size_t count)
{
	txn->expected = reads;
	txn->expected_count = count;
	if (txn->store->fault->expect)
		txn->store->fault->expect(txn);
}

static ff_code store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	const broken_fault *fault = txn->store->fault;
	ff_write *passed_on = broken_take(&txn->arena.arena, count * sizeof(*passed_on));
	size_t left = 0;
	for (size_t i = 0; i < count; i++) {
		passed_on[left] = writes[i];
		left += !fault->write || fault->write(txn, &passed_on[left]);
	}
	txn->writes = writes;
	txn->writes_count = count;
	ff_code code = compare_expected(txn, error);
	if (!code)
		code = fault->store ? fault->store(txn, passed_on, left, error)
		                    : txn->store->inner->store(txn->inner, passed_on, left, error);
	txn->failed = code != FF_OK;
	return pass_on(txn->store, BROKEN_STORE, code, error);
}

static void abort_txn(ff_txn *txn)
{
	if (txn->store->fault->abort)
		txn->store->fault->abort(txn);
	else
		txn->store->inner->abort(txn->inner);
	end(txn);
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	const broken_fault *fault = txn->store->fault;
	ff_code code = txn->looks_when_stored ? FF_OK : compare_expected(txn, error);
	if (code) {
		abort_txn(txn);
		return code;
	}
	code = fault->commit ? fault->commit(txn, error) : txn->store->inner->commit(txn->inner, error);
	if (!code && fault->committed) {
		pthread_mutex_lock(&txn->store->lock);
		fault->committed(txn);
		pthread_mutex_unlock(&txn->store->lock);
	}
	code = pass_on(txn->store, BROKEN_COMMIT, code, error);
	end(txn);
	return code;
}

static bool is_untouched(ff_txn *txn)
{
	const ff_engine_backend *inner = txn->store->inner;
	if (txn->store->fault->is_untouched)
		return txn->store->fault->is_untouched(txn);
	return inner->is_untouched && inner->is_untouched(txn->inner);
}

static void wait_while(ff_txn *txn, bool (*goes_on)(void *context), void *context)
{
	if (txn->store->inner->wait_while)
		txn->store->inner->wait_while(txn->inner, goes_on, context);
}

static void housekeep(ff_store *store)
{
	if (store->inner->housekeep)
		store->inner->housekeep(store->inner_store);
}

const ff_engine_backend broken_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = FF_CAPS_KNOWN,
	.name = "broken",
	.instance_size = sizeof(broken_store),
	.open = open_store,
	.close = close_store,
	.limits = limits,
	.begin = begin,
	.load = load,
	.store = store,
	.commit = commit,
	.abort = abort_txn,
	.check = check,
	.is_untouched = is_untouched,
	.wait_while = wait_while,
	.housekeep = housekeep,
	.expect = expect,
};
