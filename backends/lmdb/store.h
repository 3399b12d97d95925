/* The LMDB backend inside: a store is a share of an environment, a transaction is one of LMDB's. */
#ifndef FFP_LMDB_STORE_H
#define FFP_LMDB_STORE_H

#include "environment.h"

#include <ff/kv.h>

struct ff_kv_cursor {
	MDB_cursor *cursor;
	ff_txn *txn;
};

/* The writer's way into a tree. LMDB frees the cursor with the transaction. */
typedef struct ffp_lmdb_way {
	MDB_cursor *cursor;
	size_t begin;     /* the transaction's that it was opened in; 0: none */
	unsigned in_vain; /* keys in a row that were taken for the tree's last, and were not */
} ffp_lmdb_way;

struct ff_txn {
	ff_kv_txn kv;
	ff_txn *next; /* in the store's list of idle readers */
	MDB_txn *txn; /* of an idle reader: reset */
	int result;   /* of LMDB's last failure in it */
	bool opened;  /* a reader that has opened trees, which a commit keeps */
	ff_kv_cursor cursor;

	/* Of the writer. */
	size_t id;
	size_t begin;           /* its number, for no two that are begun have the same */
	bool overtaken;         /* another process wrote since it was begun the first time */
	ffp_lmdb_way *ways;     /* one a tree */
	const ff_write *writes; /* for when the map has to grow */
	size_t writes_count;
};

struct ff_store {
	ff_kv kv;
	ff_kv_shared *shared;
	ffp_lmdb_environment *environment; /* its handle */
	MDB_dbi *trees;
	size_t trees_count;
	ff_durability durability;
	uint64_t map_max;
	ff_wait wait;   /* the writer's */
	size_t last_id; /* of the writer's last commit that was made; 0: none, and the first of all made the schema */
	bool has_room;  /* the map had, behind it */
	ff_txn writer;
	bool writing; /* the writer's transaction is under way */
	ff_txn *idle; /* guarded by the environment's mutex, as is their number */
	unsigned idle_count;
};

/* rows.c: the calls of ff_kv_ops on keys. */

ff_code ffp_lmdb_txn_fail(ff_txn *txn, int result, const char *doing, ff_error *error);
ff_code ffp_lmdb_tree_open(ff_txn *txn, unsigned tree, const char *name, bool create, ff_error *error);
ff_code ffp_lmdb_key_get(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes *value, ff_error *error);
ff_code ffp_lmdb_key_put(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind,
                         ff_error *error);
ff_code ffp_lmdb_key_remove(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error);
ff_code ffp_lmdb_cursor_open(ff_txn *txn, unsigned tree, ff_kv_cursor **cursor, ff_error *error);
void ffp_lmdb_cursor_close(ff_kv_cursor *cursor);
ff_code ffp_lmdb_cursor_seek(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_bytes key, ff_kv_entry *entry, ff_error *error);
ff_code ffp_lmdb_cursor_step(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_entry *entry, ff_error *error);

#endif
