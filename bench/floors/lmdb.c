/*
 * The floor on LMDB. Three trees, rows of plain integers:
 *
 *     policies   budget → refusals, and of each dimension its name and hard limit
 *     usage      budget 0 dimension → value
 *     keys       key 0 budget → digest, expiry, outcome
 *
 * A key that is later than the last one goes behind it, by MDB_APPEND. Keys are looked up and written by one cursor: where it
 * stands at the end, one that lies behind it is not found without a search.
 * Where keys are taken for fresh and one was there after all, the transaction begins anew and looks every key up first.
 */
#include "floor.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAP_SIZE ((size_t)16 << 30)
#define TRIES_IN_VAIN_MAX 4

/* Two texts with a 0 byte between them. */
typedef struct name {
	size_t size;
	char text[512];
} name;

static MDB_val join(name *joined, const char *first, size_t first_size, const char *second)
{
	size_t second_size = strlen(second);
	memcpy(joined->text, first, first_size);
	joined->text[first_size] = '\0';
	memcpy(joined->text + first_size + 1, second, second_size);
	return (MDB_val){ first_size + 1 + second_size, joined->text };
}

struct bench_floor {
	MDB_env *env;
	MDB_dbi policies;
	MDB_dbi usage;
	MDB_dbi keys;
	bool is_plain;
	bool look_first;
	MDB_txn *txn;
	MDB_cursor *keys_cursor;
	MDB_cursor *usage_cursor;
	unsigned in_vain; /* keys in a row that were not later than the last one */
	floor_batch batch;
};

typedef struct policy_row {
	uint64_t breaches;
	uint64_t dimensions_count;
	struct {
		char name[32];
		uint64_t hard;
	} dimensions[FLOOR_DIMENSIONS_MAX];
} policy_row;

typedef struct key_row {
	uint64_t digest;
	int64_t expires_at_ms;
	unsigned char outcome;
} key_row;

#define KEY_ROW_SIZE (offsetof(key_row, outcome) + 1)

static void must(int result, const char *doing)
{
	if (result)
		floor_die(doing, mdb_strerror(result));
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static bench_floor *open_floor(const char *path, const char *query, ff_durability durability, bench_floor_kind kind)
{
	static const unsigned flags[] = {
		[FF_DURABILITY_FULL] = 0,
		[FF_DURABILITY_NORMAL] = MDB_NOMETASYNC,
		[FF_DURABILITY_NONE] = MDB_NOSYNC,
	};
	bench_floor *floor = calloc(1, sizeof(*floor));
	if (!floor)
		floor_die("open", "memory is out");
	floor->is_plain = kind == BENCH_FLOOR_PLAIN;
	floor->look_first = kind != BENCH_FLOOR_UNSEEN;
	mkdir(path, 0777);
	must(mdb_env_create(&floor->env), "open");
	must(mdb_env_set_maxdbs(floor->env, 3), "open");
	must(mdb_env_set_mapsize(floor->env, MAP_SIZE), "open");
	unsigned map = strstr(query, "write_map=1") ? MDB_WRITEMAP : 0;
	must(mdb_env_open(floor->env, path, MDB_NOTLS | map | flags[durability], 0644), "open");
	must(mdb_txn_begin(floor->env, NULL, 0, &floor->txn), "open");
	must(mdb_dbi_open(floor->txn, "policies", MDB_CREATE, &floor->policies), "open");
	must(mdb_dbi_open(floor->txn, "usage", MDB_CREATE, &floor->usage), "open");
	must(mdb_dbi_open(floor->txn, "keys", MDB_CREATE, &floor->keys), "open");
	must(mdb_txn_commit(floor->txn), "open");
	return floor;
}

static void close_floor(bench_floor *floor)
{
	mdb_env_close(floor->env);
	floor_batch_free(&floor->batch);
	free(floor);
}

static void remove_store(const char *path)
{
	static const char *const ends[] = { "/data.mdb", "/lock.mdb", "/ff.lock", "" };
	floor_remove_files(path, ends, sizeof(ends) / sizeof(*ends));
}

static void create(bench_floor *floor, const ff_budget_spec *budgets, size_t count)
{
	must(mdb_txn_begin(floor->env, NULL, 0, &floor->txn), "create budgets");
	for (size_t i = 0; i < count; i++) {
		const ff_budget_spec *spec = &budgets[i];
		policy_row policy = { .dimensions_count = spec->limits_count };
		size_t id_size = strlen(spec->budget_id);
		for (size_t j = 0; j < spec->limits_count; j++) {
			uint64_t zero = 0;
			name joined;
			MDB_val key = join(&joined, spec->budget_id, id_size, spec->limits[j].dimension);
			MDB_val value = { sizeof(zero), &zero };
			must(mdb_put(floor->txn, floor->usage, &key, &value, 0), "create budgets");
			snprintf(policy.dimensions[j].name, sizeof(policy.dimensions[j].name), "%s",
			         spec->limits[j].dimension);
			policy.dimensions[j].hard = spec->limits[j].hard;
		}
		MDB_val key = { id_size, (void *)(uintptr_t)spec->budget_id };
		MDB_val value = { offsetof(policy_row, dimensions) + spec->limits_count * sizeof(policy.dimensions[0]),
			          &policy };
		must(mdb_put(floor->txn, floor->policies, &key, &value, 0), "create budgets");
	}
	must(mdb_txn_commit(floor->txn), "create budgets");
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

static uint64_t read_usage(bench_floor *floor, const char *id, size_t id_size, const char *dimension)
{
	name joined;
	MDB_val key = join(&joined, id, id_size, dimension);
	MDB_val value;
	uint64_t used;
	must(mdb_get(floor->txn, floor->usage, &key, &value), "read usage");
	memcpy(&used, value.mv_data, sizeof(used));
	return used;
}

static void read_budget(bench_floor *floor, floor_budget *budget)
{
	MDB_val key = { budget->id_size, (void *)(uintptr_t)budget->id };
	MDB_val value;
	must(mdb_get(floor->txn, floor->policies, &key, &value), "read a policy");
	policy_row policy;
	memcpy(&policy, value.mv_data, value.mv_size);
	budget->dimensions_count = (unsigned)policy.dimensions_count;
	for (unsigned i = 0; i < budget->dimensions_count; i++) {
		memcpy(budget->dimensions[i].name, policy.dimensions[i].name, sizeof(policy.dimensions[i].name));
		budget->dimensions[i].hard = policy.dimensions[i].hard;
		budget->dimensions[i].changed = false;
		budget->dimensions[i].used = read_usage(floor, budget->id, budget->id_size, policy.dimensions[i].name);
	}
}

static void write_budget(bench_floor *floor, const floor_budget *budget)
{
	for (unsigned i = 0; i < budget->dimensions_count; i++) {
		if (!budget->dimensions[i].changed)
			continue;
		name joined;
		uint64_t used = budget->dimensions[i].used;
		MDB_val key = join(&joined, budget->id, budget->id_size, budget->dimensions[i].name);
		MDB_val value = { sizeof(used), &used };
		must(mdb_cursor_put(floor->usage_cursor, &key, &value, 0), "write usage");
	}
	if (!budget->breaches)
		return;
	MDB_val key = { budget->id_size, (void *)(uintptr_t)budget->id };
	MDB_val value;
	must(mdb_get(floor->txn, floor->policies, &key, &value), "read a policy");
	policy_row policy;
	size_t size = value.mv_size;
	memcpy(&policy, value.mv_data, size);
	policy.breaches += budget->breaches;
	value = (MDB_val){ size, &policy };
	must(mdb_put(floor->txn, floor->policies, &key, &value, 0), "write a policy");
}

/* Whether the key is known; then the outcome is the recorded one. */
static bool look_up(bench_floor *floor, const ff_report *report, uint64_t digest, unsigned char *applied)
{
	name joined;
	MDB_val key = join(&joined, report->idempotency_key, strlen(report->idempotency_key), report->budget_id);
	MDB_val value;
	int result = mdb_cursor_get(floor->keys_cursor, &key, &value, MDB_SET);
	if (result == MDB_NOTFOUND)
		return false;
	must(result, "read a key");
	key_row row;
	memcpy(&row, value.mv_data, KEY_ROW_SIZE);
	if (row.digest != digest)
		floor_die("replay", "the key was used with another payload");
	*applied = row.outcome == FLOOR_OK;
	return true;
}

static void decide(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	floor_batch *batch = &floor->batch;
	for (size_t i = 0; i < count; i++) {
		const ff_report *report = &reports[i];
		bool has_key = report->idempotency_key != NULL;
		bool fresh;
		if (has_key)
			batch->digests[i] = floor_digest(report);
		if (has_key && floor->look_first && look_up(floor, report, batch->digests[i], &applied[i])) {
			batch->outcomes[i] = FLOOR_REFUSED + 1; /* nothing is to be written */
			continue;
		}
		floor_budget *budget = floor_batch_budget(batch, report->budget_id, &fresh);
		if (fresh)
			read_budget(floor, budget);
		batch->outcomes[i] = floor_decide(budget, report);
		applied[i] = batch->outcomes[i] == FLOOR_OK;
	}
}

/* Behind the last key there is, where the new one is later, which only the try tells. MDB_KEYEXIST where it is no fresh one. */
static int write_key(bench_floor *floor, const ff_report *report, const key_row *row)
{
	name joined;
	MDB_val key = join(&joined, report->idempotency_key, strlen(report->idempotency_key), report->budget_id);
	MDB_val value = { KEY_ROW_SIZE, (void *)(uintptr_t)row };
	if (floor->in_vain < TRIES_IN_VAIN_MAX) {
		int result = mdb_cursor_put(floor->keys_cursor, &key, &value, MDB_APPEND);
		floor->in_vain = result == MDB_KEYEXIST ? floor->in_vain + 1 : 0;
		if (result != MDB_KEYEXIST)
			return result;
	}
	return mdb_cursor_put(floor->keys_cursor, &key, &value, MDB_NOOVERWRITE);
}

/* False where a key was no fresh one. */
static bool write_keys(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms)
{
	floor_batch *batch = &floor->batch;
	floor_batch_sort(batch, reports, count);
	for (size_t i = 0; i < batch->keys_count; i++) {
		uint32_t at = batch->keys[i].report;
		key_row row = { batch->digests[at], expires_at_ms, batch->outcomes[at] };
		int result = write_key(floor, &reports[at], &row);
		if (result == MDB_KEYEXIST)
			return false;
		must(result, "write a key");
	}
	return true;
}

static void begin(bench_floor *floor)
{
	must(mdb_txn_begin(floor->env, NULL, 0, &floor->txn), "begin");
	must(mdb_cursor_open(floor->txn, floor->keys, &floor->keys_cursor), "begin");
	must(mdb_cursor_open(floor->txn, floor->usage, &floor->usage_cursor), "begin");
	floor->in_vain = 0;
}

/* False where a key was no fresh one. */
static bool report_some(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms,
                        unsigned char *applied)
{
	floor_batch_begin(&floor->batch, count);
	decide(floor, reports, count, applied);
	if (!write_keys(floor, reports, count, expires_at_ms))
		return false;
	for (size_t i = 0; i < floor->batch.budgets_count; i++)
		write_budget(floor, &floor->batch.budgets[i]);
	return true;
}

static void report(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	int64_t expires_at_ms = floor_now_ms() + FLOOR_KEY_TTL_MS;
	size_t step = floor->is_plain ? 1 : count;
	begin(floor);
	for (size_t i = 0; i < count; i += step) {
		while (!report_some(floor, reports + i, step, expires_at_ms, applied + i)) {
			if (floor->look_first)
				floor_die("write a key", "a batch has a key twice");
			mdb_txn_abort(floor->txn);
			floor->look_first = true;
			begin(floor);
		}
	}
	must(mdb_txn_commit(floor->txn), "commit");
}

static void usage_of(bench_floor *floor, const char *const *budget_ids, size_t count, const char *dimension,
                     uint64_t *used)
{
	must(mdb_txn_begin(floor->env, NULL, MDB_RDONLY, &floor->txn), "read");
	for (size_t i = 0; i < count; i++)
		used[i] = read_usage(floor, budget_ids[i], strlen(budget_ids[i]), dimension);
	mdb_txn_abort(floor->txn);
}

const bench_floor_ops bench_floor_lmdb = {
	.scheme = "lmdb",
	.exists = floor_file_exists,
	.remove = remove_store,
	.open = open_floor,
	.close = close_floor,
	.create = create,
	.report = report,
	.usage = usage_of,
};
