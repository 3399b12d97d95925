/* What the tests of LMDB have beside those of every backend. */
#ifndef FFP_LMDB_TEST_H
#define FFP_LMDB_TEST_H

#include <lmdb.h>

#include "lmdb_backend.h"
#include "test.h"

extern const ffp_family cases_kv, cases_open, cases_spoiled, cases_map, cases_share, cases_openings, cases_readers,
    cases_disk;

/* Adds the number-th row, ("a", number, "c"). */
static inline ff_code add_row(ff_test *t, ff_store *store, int64_t number)
{
	ffp_odd_row row = ffp_odd("a", number, "c", number);
	return put_row(t, store, odd_v1(), NULL, &row.row);
}

/* An entry of a tree, by LMDB itself, where no store has the environment open. A tree that is not there is made. */
typedef struct raw_entry {
	MDB_val key, value;
} raw_entry;

raw_entry raw_text(const char *key, size_t key_size, const char *value, size_t value_size);
void raw_put(ff_test *t, const char *path, const char *tree, raw_entry entry);
void raw_remove(ff_test *t, const char *path, const char *tree, raw_entry entry);
void raw_drop(ff_test *t, const char *path, const char *tree);

typedef void edit_fn(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context);
void edit(ff_test *t, const char *path, const char *tree, edit_fn *each, void *context);

#endif
