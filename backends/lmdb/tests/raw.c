/* A person's way into an environment: LMDB itself, where no store has it open. */
#include "lmdb_test.h"

#include <sys/stat.h>

void edit(ff_test *t, const char *path, const char *tree, edit_fn *each, void *context)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	mkdir(path, 0700);
	FF_REQUIRE(t, mdb_env_create(&env) == 0);
	mdb_env_set_maxdbs(env, 4);
	FF_REQUIRE(t, mdb_env_open(env, path, 0, 0600) == 0);
	FF_REQUIRE(t, mdb_txn_begin(env, NULL, 0, &txn) == 0);
	FF_REQUIRE(t, mdb_dbi_open(txn, tree, tree ? MDB_CREATE : 0, &dbi) == 0);
	each(t, txn, dbi, context);
	FF_CHECK_EQ_INT(t, mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void put(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context)
{
	raw_entry *entry = context;
	FF_CHECK_EQ_INT(t, mdb_put(txn, dbi, &entry->key, &entry->value, 0), 0);
}

static void drop_entry(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context)
{
	raw_entry *entry = context;
	FF_CHECK_EQ_INT(t, mdb_del(txn, dbi, &entry->key, NULL), 0);
}

static void drop_tree(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context)
{
	(void)context;
	FF_CHECK_EQ_INT(t, mdb_drop(txn, dbi, 1), 0);
}

void raw_put(ff_test *t, const char *path, const char *tree, raw_entry entry)
{
	edit(t, path, tree, put, &entry);
}

void raw_remove(ff_test *t, const char *path, const char *tree, raw_entry entry)
{
	edit(t, path, tree, drop_entry, &entry);
}

void raw_drop(ff_test *t, const char *path, const char *tree)
{
	edit(t, path, tree, drop_tree, NULL);
}

raw_entry raw_text(const char *key, size_t key_size, const char *value, size_t value_size)
{
	return (raw_entry){ { key_size, (void *)(uintptr_t)key }, { value_size, (void *)(uintptr_t)value } };
}
