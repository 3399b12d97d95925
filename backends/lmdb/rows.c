/* Keys and values in LMDB's trees. */
#include "store.h"

#include <setjmp.h>

ff_code ffp_lmdb_txn_fail(ff_txn *txn, int result, const char *doing, ff_error *error)
{
	txn->result = result;
	return ffp_lmdb_fail(txn->kv.store->environment->path, result, doing, error);
}

static MDB_val val_of(ff_kv_bytes bytes)
{
	return (MDB_val){ bytes.size, (void *)(uintptr_t)bytes.data };
}

static ff_kv_bytes bytes_of(MDB_val value)
{
	return (ff_kv_bytes){ value.mv_data, value.mv_size };
}

/* ---- trees -------------------------------------------------------------------------------------------------- */

/* Whether the environment holds something, though no tree of ours. */
static bool holds_others(ff_txn *txn)
{
	MDB_dbi names;
	MDB_stat status;
	return mdb_dbi_open(txn->txn, NULL, 0, &names) == 0 && mdb_stat(txn->txn, names, &status) == 0 &&
	       status.ms_entries > 0;
}

ff_code ffp_lmdb_tree_open(ff_txn *txn, unsigned tree, const char *name, bool create, ff_error *error)
{
	ff_store *store = txn->kv.store;
	int result = mdb_dbi_open(txn->txn, name, 0, &store->trees[tree]);
	if (result == MDB_NOTFOUND && tree == 0 && holds_others(txn))
		return ff_error_set(error, FF_E_CORRUPT, "'%s' is an LMDB environment of something else",
		                    store->environment->path);
	if (result == MDB_NOTFOUND && create)
		result = mdb_dbi_open(txn->txn, name, MDB_CREATE, &store->trees[tree]);
	txn->opened = true;
	if (result == MDB_NOTFOUND)
		return FF_E_NOT_FOUND;
	return result ? ffp_lmdb_txn_fail(txn, result, "open", error) : FF_OK;
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* The writer's cursor on a tree: one that stands where the last key was finds the next one sooner. */
static int find_way(ff_txn *txn, unsigned tree, ffp_lmdb_way **way)
{
	ffp_lmdb_way *found = *way = &txn->ways[tree];
	if (found->begin == txn->begin)
		return 0;
	*found = (ffp_lmdb_way){ .cursor = NULL };
	int result = mdb_cursor_open(txn->txn, txn->kv.store->trees[tree], &found->cursor);
	if (result == 0)
		found->begin = txn->begin;
	return result;
}

ff_code ffp_lmdb_key_get(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes *value, ff_error *error)
{
	MDB_val sought = val_of(key);
	MDB_val found;
	ffp_lmdb_way *way;
	int result = 0;
	if (txn->kv.kind == FF_TXN_READ) {
		result = mdb_get(txn->txn, txn->kv.store->trees[tree], &sought, &found);
	} else {
		result = find_way(txn, tree, &way);
		if (result == 0)
			result = mdb_cursor_get(way->cursor, &sought, &found, MDB_SET);
	}
	if (result == MDB_NOTFOUND)
		return FF_E_NOT_FOUND;
	if (result)
		return ffp_lmdb_txn_fail(txn, result, "read", error);
	*value = bytes_of(found);
	return FF_OK;
}

/*
 * A key that comes behind all others, as those do that are made in the order of time, needs no search and fills its page,
 * where LMDB else leaves half of each behind. Whether it does, only the try tells; a few in vain cost little.
 */
#define TRIES_IN_VAIN_MAX 4

static int insert(ffp_lmdb_way *way, MDB_val *key, MDB_val *row)
{
	if (way->in_vain < TRIES_IN_VAIN_MAX) {
		int result = mdb_cursor_put(way->cursor, key, row, MDB_APPEND);
		way->in_vain = result == MDB_KEYEXIST ? way->in_vain + 1 : 0;
		if (result != MDB_KEYEXIST)
			return result;
	}
	return mdb_cursor_put(way->cursor, key, row, MDB_NOOVERWRITE);
}

/* The row must be there. */
static int update(ffp_lmdb_way *way, MDB_val *key, MDB_val *row)
{
	MDB_val old;
	int result = mdb_cursor_get(way->cursor, key, &old, MDB_SET);
	return result ? result : mdb_cursor_put(way->cursor, key, row, MDB_CURRENT);
}

ff_code ffp_lmdb_key_put(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind,
                         ff_error *error)
{
	MDB_val name = val_of(key);
	MDB_val row = val_of(value);
	ffp_lmdb_way *way;
	int result = find_way(txn, tree, &way);
	if (result == 0)
		result = (kind == FF_KV_UPDATE ? update : insert)(way, &name, &row);
	if (result == MDB_KEYEXIST || result == MDB_NOTFOUND)
		return FF_E_CONFLICT;
	return result ? ffp_lmdb_txn_fail(txn, result, "write to", error) : FF_OK;
}

ff_code ffp_lmdb_key_remove(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error)
{
	MDB_val name = val_of(key);
	MDB_val old;
	ffp_lmdb_way *way;
	int result = find_way(txn, tree, &way);
	if (result == 0)
		result = mdb_cursor_get(way->cursor, &name, &old, MDB_SET);
	if (result == 0)
		result = mdb_cursor_del(way->cursor, 0);
	if (result == MDB_NOTFOUND)
		return FF_E_CONFLICT;
	return result ? ffp_lmdb_txn_fail(txn, result, "write to", error) : FF_OK;
}

/* ---- cursors ------------------------------------------------------------------------------------------------ */

ff_code ffp_lmdb_cursor_open(ff_txn *txn, unsigned tree, ff_kv_cursor **cursor, ff_error *error)
{
	*cursor = &txn->cursor;
	txn->cursor.txn = txn;
	int result = mdb_cursor_open(txn->txn, txn->kv.store->trees[tree], &txn->cursor.cursor);
	return result ? ffp_lmdb_txn_fail(txn, result, "read", error) : FF_OK;
}

void ffp_lmdb_cursor_close(ff_kv_cursor *cursor)
{
	mdb_cursor_close(cursor->cursor);
	cursor->cursor = NULL;
}

/*
 * A page that is none is seen by LMDB where it comes to it from the root. Where a cursor goes on to it from its neighbour, an
 * assertion would end the process, unless whoever is told of it does not come back. Nothing is held within such a step, and
 * the transaction can only be ended then, as after any error.
 */
static _Thread_local jmp_buf *step_under_way;

void ffp_lmdb_assert(MDB_env *env, const char *words)
{
	(void)env;
	(void)words;
	if (step_under_way)
		longjmp(*step_under_way, 1);
}

static int move(ff_kv_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op where)
{
	jmp_buf before;
	int result = MDB_CORRUPTED;
	step_under_way = &before;
	if (setjmp(before) == 0)
		result = mdb_cursor_get(cursor->cursor, key, value, where);
	step_under_way = NULL;
	return result;
}

static ff_code answer(ff_kv_cursor *cursor, int result, MDB_val key, MDB_val value, ff_kv_entry *entry, ff_error *error)
{
	if (result == MDB_NOTFOUND)
		return FF_E_NOT_FOUND;
	if (result)
		return ffp_lmdb_txn_fail(cursor->txn, result, "read", error);
	*entry = (ff_kv_entry){ bytes_of(key), bytes_of(value) };
	return FF_OK;
}

ff_code ffp_lmdb_cursor_seek(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_bytes key, ff_kv_entry *entry, ff_error *error)
{
	MDB_val name = val_of(key);
	MDB_val value;
	bool up = way == FF_KV_UP;
	int result;
	if (key.size == 0) {
		result = move(cursor, &name, &value, up ? MDB_FIRST : MDB_LAST);
	} else {
		result = move(cursor, &name, &value, MDB_SET_RANGE);
		if (!up && result == 0)
			result = move(cursor, &name, &value, MDB_PREV);
		else if (!up && result == MDB_NOTFOUND)
			result = move(cursor, &name, &value, MDB_LAST);
	}
	return answer(cursor, result, name, value, entry, error);
}

ff_code ffp_lmdb_cursor_step(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_entry *entry, ff_error *error)
{
	MDB_val name;
	MDB_val value;
	int result = move(cursor, &name, &value, way == FF_KV_UP ? MDB_NEXT : MDB_PREV);
	return answer(cursor, result, name, value, entry, error);
}
