/*
 * What the shims share: the slots, each of which tells the shim after the wrapped backend's slot ran, and asks it before
 * where the slot can fail.
 */
#ifndef FFP_WRAP_H
#define FFP_WRAP_H

#include <ff/backend.h>

typedef enum ffp_wrap_slot {
	FFP_WRAP_OPEN,
	FFP_WRAP_LIMITS,
	FFP_WRAP_BEGIN,
	FFP_WRAP_LOAD,
	FFP_WRAP_STORE,
	FFP_WRAP_COMMIT,
	FFP_WRAP_CHECK,
	FFP_WRAP_FALLIBLE_COUNT, /* the slots before this one can fail */
	FFP_WRAP_ABORT = FFP_WRAP_FALLIBLE_COUNT,
	FFP_WRAP_HOUSEKEEP,
	FFP_WRAP_CLOSE,
	FFP_WRAP_SLOTS_COUNT
} ffp_wrap_slot;

/* A slot's name as URIs and traces have it: "commit". */
extern const char *const ffp_wrap_slot_names[FFP_WRAP_SLOTS_COUNT];

/* One call of a slot. What does not belong to the slot is 0. */
typedef struct ffp_wrap_call {
	ffp_wrap_slot slot;
	ff_txn_kind kind; /* of the transaction */
	const ff_read *reads;
	const ff_write *writes;
	size_t count; /* of reads or writes */
	ff_code code; /* after: what the wrapped slot answered */
} ffp_wrap_call;

/* A shim. `self` is the shim's own state, which lies behind ff_store. */
typedef struct ffp_wrap_shim {
	const char *name;
	const char *const *params; /* its own, NULL-terminated */

	/* Reads its parameters. Runs before the wrapped store is opened; close undoes it, unless it failed. */
	ff_code (*open)(ff_store *self, const ff_store_config *config, ff_error *error);
	void (*close)(ff_store *self);

	/* Each may be NULL. Before: any code but FF_OK keeps the wrapped slot from being called, and is answered. */
	ff_code (*before)(ff_store *self, const ffp_wrap_call *call, ff_error *error);
	/* Runs where the wrapped slot did; answers what the slot answers. Its error is `error` already. */
	ff_code (*after)(ff_store *self, const ffp_wrap_call *call, ff_error *error);
} ffp_wrap_shim;

/* The head of a shim's instance. */
struct ff_store {
	const ffp_wrap_shim *shim;
	const ff_engine_backend *inner;
	ff_store *inner_store;
	const ff_allocator *allocator;
};

/* What a shim's open slot does. */
ff_code ffp_wrap_open(ff_store *store, const ffp_wrap_shim *shim, const ff_store_config *config, ff_error *error);

/* The other slots, the same for every shim. */
void ffp_wrap_close(ff_store *store);
ff_code ffp_wrap_limits(ff_store *store, ff_store_limits *limits, ff_error *error);
ff_code ffp_wrap_begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error);
ff_code ffp_wrap_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
ff_code ffp_wrap_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error);
ff_code ffp_wrap_commit(ff_txn *txn, ff_error *error);
void ffp_wrap_abort(ff_txn *txn);
void ffp_wrap_wait_while(ff_txn *txn, bool (*goes_on)(void *context), void *context);
ff_code ffp_wrap_check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error);
void ffp_wrap_housekeep(ff_store *store);

/* The table of a shim, but its name, instance_size and open. */
#define FFP_WRAP_BACKEND                                                                                      \
	.size = sizeof(ff_engine_backend), .abi_major = FF_BACKEND_ABI, .caps = FF_CAPS_KNOWN,                \
	.close = ffp_wrap_close, .limits = ffp_wrap_limits, .begin = ffp_wrap_begin, .load = ffp_wrap_load,   \
	.store = ffp_wrap_store, .commit = ffp_wrap_commit, .abort = ffp_wrap_abort, .check = ffp_wrap_check, \
	.wait_while = ffp_wrap_wait_while, .housekeep = ffp_wrap_housekeep

#endif
