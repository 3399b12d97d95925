#include "seam.h"

#include <stdio.h>

#include "config.h"
#include "order.h"
#include "registry.h"

#define BIT(code) (UINT64_C(1) << ((code) == FF_E_CONFLICT ? 63 : (code)))
#define ALWAYS (BIT(FF_E_NO_MEMORY) | BIT(FF_E_IO))
#define CONTENTION (BIT(FF_E_BUSY) | BIT(FF_E_CONFLICT))

static const uint64_t open_codes = ALWAYS | BIT(FF_E_INVALID) | BIT(FF_E_NOT_FOUND) | BIT(FF_E_VERSION) |
                                   BIT(FF_E_CORRUPT) | BIT(FF_E_BUSY) | BIT(FF_E_FULL) | BIT(FF_E_UNAVAILABLE) |
                                   BIT(FF_E_MISUSE);
static const uint64_t limits_codes = ALWAYS;
static const uint64_t begin_codes = ALWAYS | BIT(FF_E_BUSY) | BIT(FF_E_FULL) | BIT(FF_E_MISUSE);
static const uint64_t load_codes = ALWAYS | CONTENTION | BIT(FF_E_FULL) | BIT(FF_E_CORRUPT);
static const uint64_t store_codes = ALWAYS | CONTENTION | BIT(FF_E_FULL) | BIT(FF_E_CORRUPT);
static const uint64_t commit_codes =
    ALWAYS | CONTENTION | BIT(FF_E_FULL) | BIT(FF_E_CORRUPT) | BIT(FF_E_COMMIT_UNKNOWN);
static const uint64_t check_codes = ALWAYS | BIT(FF_E_BUSY) | BIT(FF_E_CORRUPT);

/* What a backend wrote into the record, as one clean line in each field, whether it went by ff_error_set or not. */
static void clean(ff_error *error)
{
	ff_error said = *error, native;
	said.entity[sizeof(said.entity) - 1] = said.id[sizeof(said.id) - 1] = '\0';
	ff_error_set(error, said.code, "%.*s", (int)sizeof(said.message), said.message);
	ff_error_set_entity(error, said.entity, said.id);
	error->retryable = said.retryable;
	ff_error_set(&native, said.code, "%.*s", (int)sizeof(said.native_code) - 1, said.native_code);
	memcpy(error->native_code, native.message, sizeof(error->native_code)); /* which is no longer than it was */
}

/* Keeps a slot's answer to the codes that are documented for it. */
static ff_code answer(const ff_engine_backend *backend, const char *slot, uint64_t allowed, ff_code code,
                      ff_error *error)
{
	if (code == FF_OK)
		return FF_OK;
	clean(error);
	bool known = (code > 0 && code <= FF_E_MISUSE) || code == FF_E_CONFLICT;
	if (!known || !(BIT(code) & allowed)) {
		ff_error_prefix(error, "backend '%s' answered %d, which is none of the codes of %s", backend->name,
		                (int)code, slot);
		code = FF_E_IO;
	}
	if (error->message[0] == '\0')
		snprintf(error->message, sizeof(error->message), "%s failed", slot);
	error->code = code;
	snprintf(error->backend, sizeof(error->backend), "%s", backend->name);
	return code;
}

/* Makes it empty, which takes less than to clear all of it. */
static void empty(ff_error *error)
{
	error->code = FF_OK;
	error->retryable = false;
	error->operation[0] = error->entity[0] = error->id[0] = '\0';
	error->backend[0] = error->native_code[0] = error->message[0] = '\0';
}

static ff_code open_instance(ffp_store *store, const ff_store_config *config, ff_error *error)
{
	const ff_engine_backend *backend = store->backend;
	const ff_allocator *allocator = &store->allocator;
	size_t size = backend->instance_size ? backend->instance_size : 1;
	void *instance = allocator->resize(allocator->context, NULL, 0, size);
	if (!instance)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store");
	memset(instance, 0, size);
	empty(error);
	ff_code code = answer(backend, "open", open_codes, backend->open(instance, config, error), error);
	if (code == FF_OK) {
		store->instance = instance;
		code = answer(backend, "limits", limits_codes, backend->limits(store->instance, &store->limits, error),
		              error);
		store->limits.version[sizeof(store->limits.version) - 1] = '\0';
		if (code == FF_OK && (store->limits.caps & ~backend->caps))
			code = ff_error_set(error, FF_E_IO, "backend '%s' claims capabilities that its table lacks",
			                    backend->name);
		if (code != FF_OK)
			ffp_store_close(store);
	} else {
		allocator->resize(allocator->context, instance, size, 0);
	}
	return code;
}

ff_code ffp_store_open(ffp_store *store, const char *uri, uint32_t flags, const ff_catalog *catalog,
                       const ff_allocator *allocator, ff_error *error)
{
	ffp_uri parsed;
	ff_code code = ffp_uri_parse(uri, &parsed, error);
	if (code != FF_OK)
		return code;
	store->allocator = *allocator;
	ff_store_config config = {
		.uri = uri,
		.scheme = parsed.scheme,
		.path = parsed.path,
		.params = parsed.params,
		.params_count = parsed.params_count,
		.catalog = catalog,
		.allocator = &store->allocator,
		.flags = flags,
	};
	code = ffp_backend_find(parsed.scheme, &store->backend, error);
	if (code == FF_OK)
		code = open_instance(store, &config, error);
	ffp_uri_free(&parsed);
	return code;
}

void ffp_store_close(ffp_store *store)
{
	const ff_engine_backend *backend = store->backend;
	backend->close(store->instance);
	store->allocator.resize(store->allocator.context, store->instance,
	                        backend->instance_size ? backend->instance_size : 1, 0);
	store->instance = NULL;
}

ff_code ffp_store_check(ffp_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	const ff_engine_backend *backend = store->backend;
	if (!backend->check)
		return FF_OK;
	empty(error);
	return answer(backend, "check", check_codes, backend->check(store->instance, problem, context, error), error);
}

ff_code ffp_begin(ffp_store *store, ff_txn_kind kind, ffp_txn *txn, ff_error *error)
{
	*txn = (ffp_txn){ .store = store };
	empty(error);
	ff_code code = answer(store->backend, "begin", begin_codes,
	                      store->backend->begin(store->instance, kind, &txn->txn, error), error);
	if (code != FF_OK)
		txn->txn = NULL;
	return code;
}

bool ffp_tells_untouched(const ffp_store *store)
{
	return store->backend->is_untouched != NULL;
}

bool ffp_is_untouched(const ffp_txn *txn)
{
	return txn->store->backend->is_untouched(txn->txn);
}

bool ffp_takes_expected(const ffp_store *store)
{
	return store->backend->expect && !ffp_tells_untouched(store);
}

void ffp_expect(ffp_txn *txn, const ff_read *reads, size_t count)
{
	txn->store->backend->expect(txn->txn, reads, count);
}

void ffp_wait_while(ffp_txn *txn, bool (*goes_on)(void *context), void *context)
{
	if (txn->store->backend->wait_while)
		txn->store->backend->wait_while(txn->txn, goes_on, context);
}

void ffp_housekeep(ffp_store *store)
{
	if (store->backend->housekeep)
		store->backend->housekeep(store->instance);
}

/* A row that stands where another one's key leads is the damaged row of that key, so that it fails who asked for it. */
static void check_row(const ff_read *get)
{
	const ff_table *table = get->table;
	ff_row *row = get->row;
	if (!row || ff_row_compare(table, NULL, row, get->low, table->key_count) == 0)
		return;
	row->state = FF_ROW_CORRUPT;
	for (unsigned i = 0; i < table->key_count; i++) {
		const ff_column *column = &table->columns[i];
		if (column->type == FF_TYPE_TEXT)
			*ff_row_text(row, column) = *ff_row_text(get->low, column);
		else
			*ff_row_int64(row, column) = *ff_row_int64(get->low, column);
	}
}

/* Rows that do not belong to a range, or do not ascend, as all ranges of ours do. */
static void check_rows(const ff_read *range)
{
	unsigned columns = ff_order_count(range->table, range->index);
	const ff_row *last = NULL;
	for (size_t i = 0; i < range->rows_count; i++) {
		ff_row *row = range->rows[i];
		if (!ffp_range_holds(range, row) ||
		    (last && ff_row_compare(range->table, range->index, last, row, columns) >= 0))
			row->state = FF_ROW_CORRUPT;
		if (row->state != FF_ROW_CORRUPT)
			last = row;
	}
}

/*
 * What a store answers is looked at before it is believed. A range that holds more than was asked for would make a bounded
 * call unbounded. And where a bit of a key has turned over, a look for another one may end at that row, in stores that do
 * not compare what they have found, and rows are not where they belong: such ones are taken for rows that cannot be read.
 */
static ff_code check_answers(const ff_read *reads, size_t count, ff_error *error)
{
	for (size_t i = 0; i < count; i++) {
		if (reads[i].kind == FF_READ_GET)
			check_row(&reads[i]);
		else if (reads[i].rows_count > reads[i].limit)
			return ff_error_set(error, FF_E_IO, "%zu rows were answered, of at most %u",
			                    reads[i].rows_count, reads[i].limit);
		else
			check_rows(&reads[i]);
	}
	return FF_OK;
}

ff_code ffp_load(ffp_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	const ff_engine_backend *backend = txn->store->backend;
	atomic_fetch_add_explicit(&txn->store->loads, 1, memory_order_relaxed);
	ff_code code = backend->load(txn->txn, arena, reads, count, error);
	if (code == FF_OK)
		code = check_answers(reads, count, error);
	return answer(backend, "load", load_codes | (txn->is_late ? BIT(FF_E_DEADLINE) : 0), code, error);
}

ff_code ffp_put(ffp_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	const ff_engine_backend *backend = txn->store->backend;
	return answer(backend, "store", store_codes, backend->store(txn->txn, writes, count, error), error);
}

ff_code ffp_commit(ffp_txn *txn, ff_error *error)
{
	const ff_engine_backend *backend = txn->store->backend;
	ff_code code = answer(backend, "commit", commit_codes, backend->commit(txn->txn, error), error);
	txn->txn = NULL;
	return code;
}

void ffp_abort(ffp_txn *txn)
{
	if (txn->txn)
		txn->store->backend->abort(txn->txn);
	txn->txn = NULL;
}
