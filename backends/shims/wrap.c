/*
 * Forwards every slot to a wrapped backend. The wrapped store is a store like any other to its backend: allocated by
 * the host's allocator, cleared, and opened with the URI's parameters that are not the shim's.
 *
 * A shim keeps the rules of the seam whatever it makes of a call: where begin fails after the wrapped begin, the
 * wrapped transaction is aborted; where commit fails before the wrapped commit, likewise; where open fails, nothing
 * stays open.
 */
#include "wrap.h"

struct ff_txn {
	ff_store *store;
	ff_txn *inner;
	ff_txn_kind kind;
};

const char *const ffp_wrap_slot_names[FFP_WRAP_SLOTS_COUNT] = {
	[FFP_WRAP_OPEN] = "open",   [FFP_WRAP_LIMITS] = "limits", [FFP_WRAP_BEGIN] = "begin",
	[FFP_WRAP_LOAD] = "load",   [FFP_WRAP_STORE] = "store",   [FFP_WRAP_COMMIT] = "commit",
	[FFP_WRAP_CHECK] = "check", [FFP_WRAP_ABORT] = "abort",   [FFP_WRAP_HOUSEKEEP] = "housekeep",
	[FFP_WRAP_CLOSE] = "close",
};

static void *take(const ff_allocator *allocator, size_t size, ff_error *error)
{
	void *taken = allocator->resize(allocator->context, NULL, 0, size);
	if (!taken) {
		ff_error_set(error, FF_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	return memset(taken, 0, size);
}

static void give_back(const ff_allocator *allocator, void *taken, size_t size)
{
	if (taken)
		allocator->resize(allocator->context, taken, size, 0);
}

static size_t instance_size(const ff_store *store)
{
	return store->inner->instance_size ? store->inner->instance_size : 1;
}

static ff_code before(ff_store *store, const ffp_wrap_call *call, ff_error *error)
{
	return store->shim->before ? store->shim->before(store, call, error) : FF_OK;
}

static ff_code after(ff_store *store, const ffp_wrap_call *call, ff_error *error)
{
	return store->shim->after ? store->shim->after(store, call, error) : call->code;
}

/* ---- open and close ----------------------------------------------------------------------------------------- */

static bool is_own(const ffp_wrap_shim *shim, const ff_param *param)
{
	for (const char *const *name = shim->params; *name; name++)
		if (!strcmp(*name, param->name))
			return true;
	return false;
}

/* Copies the parameters into `params`, the shim's own first, and answers how many those are. */
static size_t split_params(const ffp_wrap_shim *shim, const ff_store_config *config, ff_param *params)
{
	size_t count = 0;
	for (size_t i = 0; i < config->params_count; i++)
		if (is_own(shim, &config->params[i]))
			params[count++] = config->params[i];
	for (size_t i = 0, others = count; i < config->params_count; i++)
		if (!is_own(shim, &config->params[i]))
			params[others++] = config->params[i];
	return count;
}

static ff_code open_inner(ff_store *store, const ff_store_config *config, ff_error *error)
{
	const ffp_wrap_call call = { .slot = FFP_WRAP_OPEN };
	ff_code code = before(store, &call, error);
	if (code != FF_OK)
		return code;
	store->inner_store = (ff_store *)take(store->allocator, instance_size(store), error);
	if (!store->inner_store)
		return FF_E_NO_MEMORY;
	ff_code opened = store->inner->open(store->inner_store, config, error);
	code = after(store, &(ffp_wrap_call){ .slot = FFP_WRAP_OPEN, .code = opened }, error);
	if (code == FF_OK)
		return FF_OK;
	if (opened == FF_OK)
		store->inner->close(store->inner_store);
	give_back(store->allocator, store->inner_store, instance_size(store));
	store->inner_store = NULL;
	return code;
}

static ff_code open_with(ff_store *store, const ff_store_config *own, const ff_store_config *passed_on, ff_error *error)
{
	ff_code code = ff_config_check(own, store->shim->params, error);
	if (code == FF_OK)
		code = store->shim->open(store, own, error);
	if (code != FF_OK)
		return code;
	code = open_inner(store, passed_on, error);
	if (code != FF_OK)
		store->shim->close(store);
	return code;
}

ff_code ffp_wrap_open(ff_store *store, const ffp_wrap_shim *shim, const ff_store_config *config, ff_error *error)
{
	const char *plus = strchr(config->scheme, '+');
	if (!plus)
		return ff_error_set(error, FF_E_INVALID, "'%s' wraps another backend: %s+SCHEME:PATH", shim->name,
		                    shim->name);
	store->shim = shim;
	store->allocator = config->allocator;
	store->inner = ff_backend_find(plus + 1);
	if (!store->inner)
		return ff_error_set(error, FF_E_INVALID, "'%s' wraps an unknown backend: '%s'", shim->name, plus + 1);

	size_t params_size = config->params_count * sizeof(ff_param);
	ff_param *params = NULL;
	if (params_size && !(params = (ff_param *)take(config->allocator, params_size, error)))
		return FF_E_NO_MEMORY;
	ff_store_config own = *config;
	ff_store_config passed_on = *config;
	own.params = params;
	own.params_count = split_params(shim, config, params);
	passed_on.scheme = plus + 1;
	passed_on.params = params ? params + own.params_count : NULL;
	passed_on.params_count = config->params_count - own.params_count;
	ff_code code = open_with(store, &own, &passed_on, error);
	give_back(config->allocator, params, params_size);
	return code;
}

void ffp_wrap_close(ff_store *store)
{
	const ffp_wrap_call call = { .slot = FFP_WRAP_CLOSE };
	store->inner->close(store->inner_store);
	after(store, &call, NULL);
	give_back(store->allocator, store->inner_store, instance_size(store));
	store->shim->close(store);
}

ff_code ffp_wrap_limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	ffp_wrap_call call = { .slot = FFP_WRAP_LIMITS };
	ff_code code = before(store, &call, error);
	if (code != FF_OK)
		return code;
	call.code = store->inner->limits(store->inner_store, limits, error);
	return after(store, &call, error);
}

ff_code ffp_wrap_check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	ffp_wrap_call call = { .slot = FFP_WRAP_CHECK };
	ff_code code = before(store, &call, error);
	if (code != FF_OK)
		return code;
	if (store->inner->check)
		call.code = store->inner->check(store->inner_store, problem, context, error);
	return after(store, &call, error);
}

/* Where there is nothing to be called, nothing is told. */
void ffp_wrap_housekeep(ff_store *store)
{
	const ffp_wrap_call call = { .slot = FFP_WRAP_HOUSEKEEP };
	if (!store->inner->housekeep)
		return;
	store->inner->housekeep(store->inner_store);
	after(store, &call, NULL);
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

static void free_txn(ff_txn *txn)
{
	give_back(txn->store->allocator, txn, sizeof(*txn));
}

static ff_code begin_inner(ff_txn *txn, ff_error *error)
{
	ff_store *store = txn->store;
	ffp_wrap_call call = { .slot = FFP_WRAP_BEGIN, .kind = txn->kind };
	ff_code code = before(store, &call, error);
	if (code != FF_OK)
		return code;
	call.code = store->inner->begin(store->inner_store, txn->kind, &txn->inner, error);
	code = after(store, &call, error);
	if (code != FF_OK && call.code == FF_OK)
		store->inner->abort(txn->inner);
	return code;
}

ff_code ffp_wrap_begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	ff_txn *begun = (ff_txn *)take(store->allocator, sizeof(*begun), error);
	if (!begun)
		return FF_E_NO_MEMORY;
	begun->store = store;
	begun->kind = kind;
	ff_code code = begin_inner(begun, error);
	if (code == FF_OK)
		*txn = begun;
	else
		free_txn(begun);
	return code;
}

ff_code ffp_wrap_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ffp_wrap_call call = { .slot = FFP_WRAP_LOAD, .kind = txn->kind, .reads = reads, .count = count };
	ff_code code = before(txn->store, &call, error);
	if (code != FF_OK)
		return code;
	call.code = txn->store->inner->load(txn->inner, arena, reads, count, error);
	return after(txn->store, &call, error);
}

ff_code ffp_wrap_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ffp_wrap_call call = { .slot = FFP_WRAP_STORE, .kind = txn->kind, .writes = writes, .count = count };
	ff_code code = before(txn->store, &call, error);
	if (code != FF_OK)
		return code;
	call.code = txn->store->inner->store(txn->inner, writes, count, error);
	return after(txn->store, &call, error);
}

ff_code ffp_wrap_commit(ff_txn *txn, ff_error *error)
{
	ffp_wrap_call call = { .slot = FFP_WRAP_COMMIT, .kind = txn->kind };
	ff_code code = before(txn->store, &call, error);
	if (code == FF_OK) {
		call.code = txn->store->inner->commit(txn->inner, error);
		code = after(txn->store, &call, error);
	} else {
		txn->store->inner->abort(txn->inner);
	}
	free_txn(txn);
	return code;
}

/* The shims are not asked: it is no work of the store. */
void ffp_wrap_wait_while(ff_txn *txn, bool (*goes_on)(void *context), void *context)
{
	if (txn->store->inner->wait_while)
		txn->store->inner->wait_while(txn->inner, goes_on, context);
}

void ffp_wrap_abort(ff_txn *txn)
{
	const ffp_wrap_call call = { .slot = FFP_WRAP_ABORT, .kind = txn->kind };
	txn->store->inner->abort(txn->inner);
	after(txn->store, &call, NULL);
	free_txn(txn);
}
