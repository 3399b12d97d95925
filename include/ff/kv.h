/*
 * ff: for authors of backends that keep rows in a key-value store: the slots begin, load, store and check of
 * <ff/backend.h>, and the schema, over a handful of calls on ordered keys. open, close, limits, commit, abort are yours.
 *
 * A store is some number of trees: one a table, one an index, and tree 0 for the schema's version. A tree maps keys to
 * values, both plain bytes, and walks its keys in the order of memcmp. An engine with named databases gives each tree
 * its own (ops.open_tree tells the names); one with a single keyspace puts the tree's number before each key
 * (ff_kv_flatten).
 *
 *     struct ff_store { ff_kv kv; … };       the first member is the adapter's
 *     struct ff_txn { ff_kv_txn kv; … };     likewise
 *
 *     static const ff_engine_backend backend = { …, .open = own, .close = own, .limits = own,
 *         .begin = ff_kv_begin, .load = ff_kv_load, .store = ff_kv_store, .check = ff_kv_check,
 *         .commit = the engine's, .abort = the engine's };
 *
 * An engine that a process may open only once is opened by ff_kv_share, at the end of this header.
 *
 * What is stored. A key is the columns of its order one behind the other: a text as its bytes and a 0 byte, which the
 * last of several columns lacks, an int64 as 8 bytes, the highest first, with the sign bit flipped; so memcmp gives the
 * catalog's order, and a prefix of columns is a prefix of bytes. A row is two bits for each value column, three columns a
 * byte, beside those of the format, and then what is not plain (NULL, 0, or FF_KV_COMMON_TEXT): int64s as varints, but
 * the times from 2004 to 2039 as five bytes, and texts as length and bytes. Columns come by `since`, and then as in the
 * table, so that a row of an older schema lacks the last ones and need not be rewritten. An index's entry is a key alone.
 *
 * Stability: as <ff/backend.h>; functions are only ever appended to ff_kv_ops.
 */
#ifndef FF_KV_H
#define FF_KV_H

#include <ff/backend.h>

/* A column of text that may not be NULL and holds this costs no byte: nearly all rows of outcomes do, as the core writes
 * them. It is part of the rows' format, so it stays what it is whatever the core writes. */
#define FF_KV_COMMON_TEXT "{\"kind\":\"Ok\"}"

/* Longest key that is stored; ff_kv_ops.key_max may ask for less. What a cursor seeks may be longer by one byte. */
#define FF_KV_KEY_MAX 1024

typedef struct ff_kv_bytes {
	const void *data;
	size_t size;
} ff_kv_bytes;

typedef struct ff_kv_entry {
	ff_kv_bytes key;
	ff_kv_bytes value;
} ff_kv_entry;

typedef enum ff_kv_way { FF_KV_UP = 1, FF_KV_DOWN = 2 } ff_kv_way;

typedef enum ff_kv_put {
	FF_KV_INSERT = 1, /* CONFLICT where the key is there */
	FF_KV_UPDATE = 2  /* CONFLICT where it is not */
} ff_kv_put;

/* The engine's own. */
typedef struct ff_kv_cursor ff_kv_cursor;

/*
 * The calls, each of which must be provided unless it says otherwise. They may answer what the slot that is under way
 * may answer, besides the codes that are named here; NOT_FOUND stays between engine and adapter and needs no message.
 *
 * Bytes that a call takes are borrowed for the call. Bytes that `get` answers hold until the transaction's next `get`
 * or write or its end, and those of a cursor until it moves or is closed. The adapter has at most one cursor open in a
 * transaction, writes only while it has none, and has none between two slots.
 *
 * A cursor of a write transaction sees what that transaction has put and removed by then: ranges are deleted last. So
 * must `get`, though the adapter seldom asks: never for a key that was removed, and for one that was put only where the
 * engine is blind and a range to be deleted holds the row.
 */
typedef struct ff_kv_ops {
	uint32_t size;    /* sizeof(ff_kv_ops) */
	uint32_t key_max; /* longest key that the engine takes; 0: at least FF_KV_KEY_MAX */

	/* As the slots of the same name, and commit is called for read transactions, too. */
	ff_code (*begin)(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error);
	ff_code (*commit)(ff_txn *txn, ff_error *error);
	void (*abort)(ff_txn *txn);

	/* May provide. Makes a tree ready for use, in this transaction and later ones; NOT_FOUND where it is not there
	 * and `create` is not set. Each tree is opened once, from ff_kv_open, before it is used. */
	ff_code (*open_tree)(ff_txn *txn, unsigned tree, const char *name, bool create, ff_error *error);

	/* NOT_FOUND where the key is not there. */
	ff_code (*get)(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes *value, ff_error *error);
	ff_code (*put)(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind, ff_error *error);
	/* CONFLICT where the key is not there. */
	ff_code (*remove)(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error);

	ff_code (*open_cursor)(ff_txn *txn, unsigned tree, ff_kv_cursor **cursor, ff_error *error);
	void (*close_cursor)(ff_kv_cursor *cursor);
	/* UP: the first entry at or above `key`. DOWN: the last below it; the last of all where key.size is 0.
	 * NOT_FOUND where there is none; the cursor is then not stepped. */
	ff_code (*seek)(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_bytes key, ff_kv_entry *entry, ff_error *error);
	/* The next entry in the way that the cursor was sought. NOT_FOUND past the last. */
	ff_code (*step)(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_entry *entry, ff_error *error);

	/* May provide. A long walk of ff_kv_check rests: no cursor is open, and nothing that was answered is held. The
	 * read transaction may let go of what keeps others waiting or old states alive, and take it anew; it may then
	 * read a newer state, for entries are compared with others only between two rests. Cannot fail. */
	void (*rest)(ff_txn *txn);

	/* put and remove do not look whether the key is there and answer no CONFLICT: the adapter gets it before. */
	bool blind;

	/* May provide. As the slot of the same name, which must be set in the backend's table, too. Where nobody wrote, the
	 * schema's version is not read again. */
	bool (*is_untouched)(ff_txn *txn);
} ff_kv_ops;

/* The adapter's parts of a store and of a transaction; the engine clears them with the rest. */
typedef struct ff_kv {
	const ff_kv_ops *ops;
	const ff_catalog *catalog;
	const ff_allocator *allocator;
	bool read_only; /* write transactions are MISUSE */
} ff_kv;

typedef struct ff_kv_txn {
	ff_store *store;
	ff_txn_kind kind;
} ff_kv_txn;

/* Trees are numbered from 0 to below the count; the numbers of a table and its indexes never change. */
FF_API unsigned ff_kv_tree(const ff_table *table, const ff_index *index);
FF_API unsigned ff_kv_tree_count(const ff_catalog *catalog);

/* For engines with a single keyspace: a tree's key there, behind the tree's number; the way back is false where a key is
 * of another tree. The end of a tree is the empty key of the next number. */
#define FF_KV_FLAT_PREFIX 2

typedef struct ff_kv_flat {
	size_t size;
	char bytes[FF_KV_FLAT_PREFIX + FF_KV_KEY_MAX + 1];
} ff_kv_flat;

/* `key` is one that the adapter gives: FF_KV_KEY_MAX + 1 bytes at the most. */
FF_API void ff_kv_flatten(ff_kv_flat *flat, unsigned tree, ff_kv_bytes key);
FF_API bool ff_kv_unflatten(ff_kv_bytes flat, unsigned tree, ff_kv_bytes *key);

/*
 * The last step of the engine's open, when transactions can be begun: looks at the schema's version, and creates or
 * migrates it in one transaction. Errors: INVALID (a call that must be provided is not, which it names), NOT_FOUND
 * (read-only or must-exist, and there is no schema), VERSION, UNAVAILABLE (an older schema, to be read only), CORRUPT,
 * and those of the calls.
 */
FF_API ff_code ff_kv_open(ff_store *store, const ff_kv_ops *ops, const ff_store_config *config, ff_error *error);

/* Slots of the backend. */
FF_API ff_code ff_kv_begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error);
FF_API ff_code ff_kv_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
FF_API ff_code ff_kv_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error);
/* Tells problems only while it rests. */
FF_API ff_code ff_kv_check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error);

/* ---- an engine that a process opens once ---------------------------------------------------------------------- */

/*
 * For engines that a process may open only once on a file or directory, since their locks are the process's: what is
 * open, so that the stores on one share its handle, by whatever path they name it. They may differ in flags,
 * parameters and durability: the handle is opened by the first one's config and must serve all, so that what differs is
 * the store's own, or is set when it has the writer's seat; a handle that the first one needs for reading only must
 * write for a later one, where the store can be written. What a commit of less durability did not sync, one of full
 * durability has to.
 *
 * A child after a fork shares nothing with its parent, opens its own, and leaves the parent's alone: what was copied is
 * never closed.
 */
typedef struct ff_kv_shared {
	void *handle; /* as `open` answered it */
} ff_kv_shared;

/*
 * Opens what lies at config->path, which is there from then on. Nothing else of this process is shared, opened or
 * closed by these functions meanwhile, and a fork of another thread waits: it may wait for another process, up to
 * busy_timeout_ms, but not for a store of this one, and may not fork. `context` is that of ff_kv_share. Errors: as the
 * slot open.
 */
typedef ff_code ff_kv_open_fn(const ff_store_config *config, void *context, void **handle, ff_error *error);
/* Closes it, when the last store gives it back; under the same lock, and not in a copy that a fork made. */
typedef void ff_kv_close_fn(void *handle);

/* Answers what is open at config->path in this process, or opens it. Errors: those of `open`, IO, NO_MEMORY. Give it
 * back by ff_kv_unshare. Any thread. */
FF_API ff_code ff_kv_share(const ff_store_config *config, ff_kv_open_fn *open, ff_kv_close_fn *close, void *context,
                           ff_kv_shared **shared, ff_error *error);
FF_API void ff_kv_unshare(ff_kv_shared *shared);

/* Whether a parent opened it, before a fork. */
FF_API bool ff_kv_is_copy(const ff_kv_shared *shared);

/* The writer's seat, which one of the stores that share a handle has at a time. Waits up to the limit of `wait`, the
 * store's own, and then answers BUSY. Who has waited for some milliseconds is let in before those who have not. */
FF_API ff_code ff_kv_take_seat(ff_kv_shared *shared, ff_wait *wait, ff_error *error);
FF_API void ff_kv_give_seat(ff_kv_shared *shared);

#endif
