/*
 * Every call from the core to a backend goes through these wrappers: they keep a backend to its documented codes, fill
 * in whose error it is, and count.
 */
#ifndef FFP_SEAM_H
#define FFP_SEAM_H

#include <stdatomic.h>

#include <ff/backend.h>

typedef struct ffp_store {
	const ff_engine_backend *backend;
	ff_store *instance;
	ff_allocator allocator;
	ff_store_limits limits;
	_Atomic uint64_t loads;
} ffp_store;

typedef struct ffp_txn {
	ffp_store *store;
	ff_txn *txn;  /* NULL: none is open */
	bool is_late; /* the backend was told that nobody waits any more */
} ffp_txn;

ff_code ffp_store_open(ffp_store *store, const char *uri, uint32_t flags, const ff_catalog *catalog,
                       const ff_allocator *allocator, ff_error *error);
void ffp_store_close(ffp_store *store);
ff_code ffp_store_check(ffp_store *store, ff_problem_fn *problem, void *context, ff_error *error);

/* On an error no transaction is open. After commit, or an error of load or store followed by abort, neither. */
ff_code ffp_begin(ffp_store *store, ff_txn_kind kind, ffp_txn *txn, ff_error *error);
/* Whether what the last commit of this store left is still so; and whether the store can ever tell. */
bool ffp_is_untouched(const ffp_txn *txn);
bool ffp_tells_untouched(const ffp_store *store);
/* Rows that were remembered, and not loaded: where one is not so any more, store or commit answers CONFLICT. And whether
 * the store can see to that. */
void ffp_expect(ffp_txn *txn, const ff_read *reads, size_t count);
bool ffp_takes_expected(const ffp_store *store);
/* Lets loads of this transaction give up once `goes_on` answers false, which then has set is_late. */
void ffp_wait_while(ffp_txn *txn, bool (*goes_on)(void *context), void *context);
/* What the store does for itself, with no transaction of this thread open. */
void ffp_housekeep(ffp_store *store);
ff_code ffp_load(ffp_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
ff_code ffp_put(ffp_txn *txn, const ff_write *writes, size_t count, ff_error *error);
ff_code ffp_commit(ffp_txn *txn, ff_error *error);
void ffp_abort(ffp_txn *txn);

#endif
