#include "faults.h"
#include "lmdb_test.h"

enum { TURNED_MAX = 16 };

static int down(const MDB_val *a, const MDB_val *b)
{
	size_t common = a->mv_size < b->mv_size ? a->mv_size : b->mv_size;
	int order = memcmp(b->mv_data, a->mv_data, common);
	return order ? order : (b->mv_size > a->mv_size) - (b->mv_size < a->mv_size);
}

static MDB_val copy_of(ff_test *t, MDB_val bytes)
{
	return (MDB_val){ bytes.mv_size, memcpy(ff_test_alloc(t, bytes.mv_size), bytes.mv_data, bytes.mv_size) };
}

/* Puts them in by a comparison by which they go down, which LMDB does not remember. */
static void turn_entries(ff_test *t, MDB_txn *txn, MDB_dbi dbi, void *context)
{
	raw_entry entries[TURNED_MAX], at;
	unsigned count = 0;
	MDB_cursor *cursor;
	(void)context;
	FF_REQUIRE(t, mdb_cursor_open(txn, dbi, &cursor) == 0);
	for (; mdb_cursor_get(cursor, &at.key, &at.value, MDB_NEXT) == 0; count++) {
		FF_REQUIRE(t, count < TURNED_MAX);
		entries[count] = (raw_entry){ copy_of(t, at.key), copy_of(t, at.value) };
	}
	mdb_cursor_close(cursor);
	FF_REQUIRE(t, mdb_drop(txn, dbi, 0) == 0 && mdb_set_compare(txn, dbi, down) == 0);
	for (unsigned i = 0; i < count; i++)
		FF_CHECK_EQ_INT(t, mdb_put(txn, dbi, &entries[i].key, &entries[i].value, 0), 0);
}

static void turn_round(ff_test *t, const char *path, const char *table)
{
	edit(t, path, table, turn_entries, NULL);
}

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_OK };

const test_subject subject = {
	.backend = &ffp_lmdb_backend,
	.data = "data.mdb",
	.faults = 1u << FAULT_OPEN | 1u << FAULT_STAT | 1u << FAULT_WRITE | 1u << FAULT_SHORT | 1u << FAULT_SYNC,
	.open_codes = open_codes,
	.turn_round = turn_round,
};

const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_lmdb_backend, NULL };

const ffp_family *const families[] = {
	&cases_kv,    &cases_versions, &cases_processes, &cases_stores, &cases_spoiled, &cases_open, &cases_map,
	&cases_share, &cases_openings, &cases_readers,   &cases_faults, &cases_disk,    NULL
};
