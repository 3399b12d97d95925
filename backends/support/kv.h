/* Between the files of the adapter for key-value stores. */
#ifndef FFP_KV_H
#define FFP_KV_H

#include "kv_bytes.h"

/* A row on the stack, for tables of any shape: ff_kv_open refuses larger ones. */
typedef union ffp_kv_row {
	ff_row row;
	max_align_t align;
	unsigned char room[1024];
} ffp_kv_row;

/* The entries that a row has in the indexes of its table. */
typedef struct ffp_kv_entries {
	bool has[FF_INDEXES_MAX]; /* not where a column of the index is NULL */
	ffp_kv_key keys[FF_INDEXES_MAX];
} ffp_kv_entries;

static inline ff_kv *ffp_kv_of(ff_txn *txn)
{
	return (ff_kv *)(void *)((ff_kv_txn *)(void *)txn)->store;
}

/* The key of a row, or its place in an index. */
ff_code ffp_kv_key_of(ff_txn *txn, const ff_table *table, const ff_index *index, const ff_row *row, ffp_kv_key *key,
                      ff_error *error);
bool ffp_kv_is_indexed(const ff_index *index, const ff_row *row);
ff_code ffp_kv_entries_of(ff_txn *txn, const ff_table *table, const ff_row *row, ffp_kv_entries *entries,
                          ff_error *error);

/* The engine's calls, behind a look at the key where they are blind. */
ff_code ffp_kv_put(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind, ff_error *error);
ff_code ffp_kv_remove(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error);

/* What a call on an index's key answers: a conflict there is CORRUPT. */
ff_code ffp_kv_spoiled(const ff_index *index, ff_code code, ff_error *error);

/* Reads an entry of a table's tree into `row`, whose texts borrow its bytes. CORRUPT where its key is none. */
ff_code ffp_kv_read_row(const ff_table *table, const ff_kv_entry *entry, ffp_kv_row *row, ff_error *error);

/* The first entry at or above `from`, and one call more; NOT_FOUND past the last. For walks that write. */
typedef ff_code ffp_kv_look(ff_txn *txn, const ff_kv_entry *entry, void *context, ff_error *error);
ff_code ffp_kv_first(ff_txn *txn, unsigned tree, const ffp_kv_key *from, ffp_kv_look *look, void *context,
                     ff_error *error);

#endif
