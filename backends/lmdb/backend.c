/*
 * The LMDB backend's slots. Rows, ranges and indexes are the adapter's (<ff/kv.h>); here are opening and closing, the
 * one writer, and what is done when the map is too small.
 */
#include "store.h"

#include <errno.h>
#include <stdio.h>

#include "lmdb_backend.h"

/* Readers that are kept; each holds a reader slot, of LMDB's table that all processes share. */
#define IDLE_MAX 8

#define ALL_CAPS (FF_CAP_DURABLE_COMMIT | FF_CAP_MULTI_PROCESS | FF_CAP_SNAPSHOT_READ)

/* Address space, not memory and not disk: large, so that the map seldom moves. */
#if SIZE_MAX > UINT32_MAX
#define MAP_SIZE_DEFAULT (INT64_C(16) << 30)
#define MAP_MAX_DEFAULT (INT64_C(16) << 40)
#else
#define MAP_SIZE_DEFAULT (INT64_C(256) << 20)
#define MAP_MAX_DEFAULT (INT64_C(1) << 30)
#endif

/* The longest key of the contract is that of an idempotency key (FF-LIM-1); LMDB takes 511 bytes. */
#define KEY_MAX 511
_Static_assert(256 + 1 + FF_ID_MAX <= KEY_MAX, "the longest key of the contract does not fit");

static const ff_kv_ops ops;

/*
 * The map may not move while somebody reads it: from the begin of a read transaction to its end, but for the time
 * between two slots, when nothing points into the map. A writer needs no lock, since the map is moved only by who has
 * the writer's seat.
 */
static void enter(const ff_store *store)
{
	pthread_rwlock_rdlock(&store->environment->map);
}

static void leave(const ff_store *store)
{
	pthread_rwlock_unlock(&store->environment->map);
}

/* A handle that a fork has copied must not touch what it shares with the parent. */
static bool is_copy(const ff_store *store)
{
	return ff_kv_is_copy(store->shared);
}

static ff_code copied(const ff_store *store, ff_code code, ff_error *error)
{
	return ff_error_set(error, code, "'%s' was opened before a fork, by the parent", store->environment->path);
}

/* ---- the writer --------------------------------------------------------------------------------------------- */

/* Whoever writes has the seat among this process's stores, and then the turn among all processes. */
static ff_code take_turn(ff_store *store, ff_wait *wait, ff_error *error)
{
	ff_code code = ff_kv_take_seat(store->shared, wait, error);
	if (code != FF_OK)
		return code;
	int result = ffp_turn_take(&store->environment->turn, wait);
	if (result == 0)
		return FF_OK;
	ff_kv_give_seat(store->shared);
	return ffp_lmdb_fail(store->environment->path, result, "write to", error);
}

static void give_turn(ff_store *store)
{
	ffp_turn_give(&store->environment->turn);
	ff_kv_give_seat(store->shared);
}

/* What who moves the map has, and writes nothing. The file of a writable map is given its length then, which nobody may make
 * longer meanwhile. */
static ff_code take_map(ff_store *store, ff_wait *wait, ff_error *error)
{
	return store->environment->write_map ? take_turn(store, wait, error)
	                                     : ff_kv_take_seat(store->shared, wait, error);
}

static void give_map(ff_store *store)
{
	if (store->environment->write_map)
		give_turn(store);
	else
		ff_kv_give_seat(store->shared);
}

/* Begins LMDB's transaction, after the map was taken on where another process made it larger. */
static ff_code begin_writing(ff_store *store, ff_error *error)
{
	ff_txn *writer = &store->writer;
	MDB_env *env = store->environment->env;
	ff_code code = FF_OK;
	int result;
	while ((result = mdb_txn_begin(env, NULL, 0, &writer->txn)) == MDB_MAP_RESIZED && code == FF_OK)
		code = ffp_lmdb_environment_adopt(store->environment, store->map_max, error);
	if (result)
		return code ? code : ffp_lmdb_txn_fail(writer, result, "write to", error);
	/* These flags are looked at by commits only, and nobody else commits now. */
	if (store->environment->durability != store->durability) {
		mdb_env_set_flags(env, MDB_NOSYNC, store->durability == FF_DURABILITY_NONE);
		mdb_env_set_flags(env, MDB_NOMETASYNC, store->durability == FF_DURABILITY_NORMAL);
		store->environment->durability = store->durability;
	}
	writer->begin++;
	writer->id = mdb_txn_id(writer->txn);
	writer->result = 0;
	return FF_OK;
}

/* Whether the map has some room, so that a small transaction need not begin twice. */
static bool has_room(const ff_store *store)
{
	MDB_envinfo info;
	mdb_env_info(store->environment->env, &info);
	return ffp_lmdb_environment_has_room(store->environment, &info, store->map_max);
}

static void keep_room(ff_store *store)
{
	ff_error ignored; /* where there is none, the transaction says so */
	while (!has_room(store) && ffp_lmdb_environment_grow(store->environment, store->map_max, &ignored) == FF_OK)
		;
}

static ff_code begin_writer(ff_store *store, ff_txn **txn, ff_error *error)
{
	if (store->writing)
		return ff_error_set(error, FF_E_MISUSE, "a write transaction is under way already");
	ff_code code = take_turn(store, &store->wait, error);
	if (code != FF_OK)
		return code;
	if (!store->has_room)
		keep_room(store);
	store->writer.kv.store = store;
	store->writer.writes_count = 0;
	store->writer.overtaken = false;
	code = begin_writing(store, error);
	store->writing = code == FF_OK;
	if (code != FF_OK)
		give_turn(store);
	*txn = &store->writer;
	return code;
}

static void end_writer(ff_store *store)
{
	mdb_txn_abort(store->writer.txn);
	store->writer.txn = NULL;
	store->writing = false;
	give_turn(store);
}

/* ---- readers ------------------------------------------------------------------------------------------------ */

static ff_txn *take_reader(ff_store *store)
{
	pthread_mutex_lock(&store->environment->mutex);
	ff_txn *idle = store->idle;
	if (idle) {
		store->idle = idle->next;
		store->idle_count--;
	}
	pthread_mutex_unlock(&store->environment->mutex);
	if (idle)
		return idle;
	idle = store->kv.allocator->resize(store->kv.allocator->context, NULL, 0, sizeof(*idle));
	if (idle)
		*idle = (ff_txn){ .kv = { .store = store, .kind = FF_TXN_READ } };
	return idle;
}

static void free_reader(ff_txn *reader)
{
	const ff_allocator *allocator = reader->kv.store->kv.allocator;
	allocator->resize(allocator->context, reader, sizeof(*reader), 0);
}

/* Keeps a reader that was reset, with its reader slot; one that has none is freed. */
static void give_reader(ff_txn *reader)
{
	ff_store *store = reader->kv.store;
	if (!reader->txn) {
		free_reader(reader);
		return;
	}
	pthread_mutex_lock(&store->environment->mutex);
	bool kept = store->idle_count < IDLE_MAX;
	if (kept) {
		reader->next = store->idle;
		store->idle = reader;
		store->idle_count++;
	}
	pthread_mutex_unlock(&store->environment->mutex);
	if (!kept) {
		mdb_txn_abort(reader->txn);
		free_reader(reader);
	}
}

static int start_reader(ff_txn *reader)
{
	return reader->txn ? mdb_txn_renew(reader->txn)
	                   : mdb_txn_begin(reader->kv.store->environment->env, NULL, MDB_RDONLY, &reader->txn);
}

/* Takes the map on as another process has made it. */
static ff_code follow_map(ff_store *store, ff_error *error)
{
	ff_wait wait = { .limit_us = store->wait.limit_us };
	leave(store);
	ff_code code = take_map(store, &wait, error);
	if (code == FF_OK) {
		code = ffp_lmdb_environment_adopt(store->environment, store->map_max, error);
		give_map(store);
	}
	enter(store);
	return code;
}

static ff_code start_in_map(ff_txn *reader, ff_error *error)
{
	ff_store *store = reader->kv.store;
	for (;;) {
		int dead = 0;
		int result = start_reader(reader);
		if (result == 0)
			return FF_OK;
		/* The reader slots of those who died without giving them back. */
		if (result == MDB_READERS_FULL && mdb_reader_check(store->environment->env, &dead) == 0 && dead)
			continue;
		ff_code code = result == MDB_MAP_RESIZED ? follow_map(store, error)
		                                         : ffp_lmdb_txn_fail(reader, result, "read", error);
		if (result == EAGAIN) /* LMDB tells processes apart by their numbers */
			ff_error_prefix(error, "another process has it open, whose number in its PID namespace is that"
			                       " of this one");
		if (code != FF_OK)
			return code;
	}
}

static ff_code begin_reader(ff_store *store, ff_txn **txn, ff_error *error)
{
	ff_txn *reader = take_reader(store);
	if (!reader)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a transaction");
	enter(store);
	ff_code code = start_in_map(reader, error);
	if (code != FF_OK) {
		leave(store);
		give_reader(reader);
	}
	*txn = reader;
	return code;
}

/* ---- transactions, as the adapter wants them ---------------------------------------------------------------- */

static ff_code begin_txn(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	return kind == FF_TXN_WRITE ? begin_writer(store, txn, error) : begin_reader(store, txn, error);
}

static void abort_txn(ff_txn *txn)
{
	const ff_store *store = txn->kv.store;
	if (txn->kv.kind == FF_TXN_WRITE) {
		end_writer(txn->kv.store);
	} else {
		mdb_txn_reset(txn->txn);
		give_reader(txn);
		leave(store);
	}
}

/*
 * What a failed commit leaves. Pages are written before the meta page that makes them count, so nothing has changed,
 * but where it was the meta page that failed: LMDB then puts the old one back, does not know which of them is on the
 * disk, and answers PANIC from now on.
 */
static ff_code failed_commit(ff_txn *txn, int result, ff_error *error)
{
	ffp_lmdb_environment *environment = txn->kv.store->environment;
	MDB_txn *probe;
	int alive = mdb_txn_begin(environment->env, NULL, MDB_RDONLY, &probe);
	if (alive == 0)
		mdb_txn_abort(probe);
	ff_code code = ffp_lmdb_txn_fail(txn, result, "commit to", error);
	/* It panics, or that cannot be told. A full map is met before anything is written, and LMDB lives. */
	if (alive != 0 && result != MDB_MAP_FULL)
		code = FF_E_COMMIT_UNKNOWN;
	else if (result == EIO &&
	         ffp_lmdb_environment_is_full(environment)) /* LMDB says so of a write that was cut short */
		code = FF_E_FULL;
	return error->code = code;
}

/* An answer that changes nothing may rest on a commit of a store with less durability, and is to be as durable as ours. */
static ff_code sync_what_was_read(ff_txn *writer, ff_error *error)
{
	const ff_store *store = writer->kv.store;
	const ffp_lmdb_environment *environment = store->environment;
	if (store->durability != FF_DURABILITY_FULL || !ffp_turn_is_loose(&environment->turn))
		return FF_OK;
	int result = mdb_env_sync(environment->env, 1);
	if (result)
		return ffp_lmdb_txn_fail(writer, result, "sync", error);
	ffp_turn_set_loose(&environment->turn, false);
	return FF_OK;
}

static ff_code commit_writing(ff_txn *writer, ff_error *error)
{
	ff_store *store = writer->kv.store;
	MDB_envinfo info;
	if (store->durability != FF_DURABILITY_FULL)
		ffp_turn_set_loose(&store->environment->turn, true);
	int result = mdb_txn_commit(writer->txn);
	writer->txn = NULL;
	store->last_id = 0;
	if (result)
		return failed_commit(writer, result, error);
	mdb_env_info(store->environment->env, &info);
	store->has_room = ffp_lmdb_environment_has_room(store->environment, &info, store->map_max);
	if (info.me_last_txnid != writer->id) /* it changed nothing */
		return sync_what_was_read(writer, error);
	store->last_id = writer->id;
	if (store->durability == FF_DURABILITY_FULL)
		ffp_turn_set_loose(&store->environment->turn, false);
	return FF_OK;
}

static ff_code commit_txn(ff_txn *txn, ff_error *error)
{
	const ff_store *store = txn->kv.store;
	ff_code code = txn->kv.kind == FF_TXN_WRITE ? commit_writing(txn, error) : FF_OK;
	if (txn->kv.kind == FF_TXN_READ && txn->opened) {
		mdb_txn_commit(txn->txn);
		free_reader(txn);
		leave(store);
	} else {
		abort_txn(txn);
	}
	return code;
}

/* Lets the map grow in the middle of a check. */
static void rest(ff_txn *txn)
{
	leave(txn->kv.store);
	enter(txn->kv.store);
}

static bool is_untouched(ff_txn *txn)
{
	const ff_store *store = txn->kv.store;
	return store->last_id && txn->id == store->last_id + 1;
}

static const ff_kv_ops ops = {
	.size = sizeof(ff_kv_ops),
	.key_max = KEY_MAX,
	.begin = begin_txn,
	.commit = commit_txn,
	.abort = abort_txn,
	.open_tree = ffp_lmdb_tree_open,
	.get = ffp_lmdb_key_get,
	.put = ffp_lmdb_key_put,
	.remove = ffp_lmdb_key_remove,
	.open_cursor = ffp_lmdb_cursor_open,
	.close_cursor = ffp_lmdb_cursor_close,
	.seek = ffp_lmdb_cursor_seek,
	.step = ffp_lmdb_cursor_step,
	.rest = rest,
	.is_untouched = is_untouched,
};

/* ---- a map that is full ------------------------------------------------------------------------------------- */

/* Taking rows out needs pages, too, so it may bring the map a little further. */
static uint64_t map_max(const ff_txn *writer)
{
	uint64_t max = writer->kv.store->map_max;
	bool deletes = false;
	for (size_t i = 0; i < writer->writes_count; i++)
		deletes |= writer->writes[i].kind != FF_WRITE_PUT;
	return deletes ? max + max / 8 + (1 << 20) : max;
}

static bool is_map_full(const ff_txn *writer, ff_code code)
{
	return code == FF_E_FULL && writer->result == MDB_MAP_FULL;
}

/* Makes the map larger and begins the write transaction anew, with the same id where no other process wrote in
 * between. */
static ff_code begin_again(ff_txn *writer, ff_error *error)
{
	ff_store *store = writer->kv.store;
	size_t id = writer->id;
	mdb_txn_abort(writer->txn);
	writer->txn = NULL;
	writer->result = 0;
	ff_code code = ffp_lmdb_environment_grow(store->environment, map_max(writer), error);
	if (code == FF_OK)
		code = begin_writing(store, error);
	writer->overtaken |= writer->id != id;
	return code;
}

/* Writes all of it, in as many tries as the map has to grow. Where another process wrote in between, what was loaded may
 * be no longer so, and an index may not have what is to be taken out; but the map has room for the core's next try. */
static ff_code store_all(ff_txn *writer, ff_error *error)
{
	ff_code code = ff_kv_store(writer, writer->writes, writer->writes_count, error);
	while (is_map_full(writer, code)) {
		code = begin_again(writer, error);
		if (code == FF_OK)
			code = ff_kv_store(writer, writer->writes, writer->writes_count, error);
	}
	if (writer->overtaken && (code == FF_OK || code == FF_E_CORRUPT))
		code = ff_error_set(error, FF_E_CONFLICT, "another process wrote while the map grew");
	return code;
}

static ff_code commit_all(ff_txn *writer, ff_error *error)
{
	ff_code code = commit_writing(writer, error);
	while (is_map_full(writer, code)) {
		code = begin_again(writer, error);
		if (code == FF_OK)
			code = store_all(writer, error);
		if (code != FF_OK)
			break;
		code = commit_writing(writer, error);
	}
	return code;
}

/* ---- slots -------------------------------------------------------------------------------------------------- */

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	if (is_copy(store))
		return copied(store, FF_E_MISUSE, error);
	ff_code code = ff_kv_begin(store, kind, txn, error);
	if (code == FF_OK && kind == FF_TXN_READ)
		leave(store);
	return code;
}

/*
 * Where the file system is mounted read-only there are no locks, and a reader has no reader slot. Who writes by another
 * mount knows nothing of it, and what it sees may be written over from the third commit behind it on: that one begins after
 * the second.
 */
static bool is_overtaken(const ff_store *store, size_t id)
{
	MDB_envinfo info;
	if (!store->environment->read_only)
		return false;
	mdb_env_info(store->environment->env, &info);
	return info.me_numreaders == 0 && info.me_last_txnid > id + 1;
}

static ff_code overtaken(const ff_store *store, ff_error *error)
{
	return ff_error_set(error, FF_E_BUSY, "'%s' was written to while it was read without locks",
	                    store->environment->path);
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	bool reader = txn->kv.kind == FF_TXN_READ;
	if (reader)
		enter(txn->kv.store);
	ff_code code = ff_kv_load(txn, arena, reads, count, error);
	if (reader && is_overtaken(txn->kv.store, mdb_txn_id(txn->txn)))
		code = overtaken(txn->kv.store, error);
	if (reader)
		leave(txn->kv.store);
	return code;
}

static ff_code store_rows(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	if (txn->kv.kind != FF_TXN_WRITE)
		return ff_error_set(error, FF_E_IO, "a read transaction cannot store");
	txn->writes = writes;
	txn->writes_count = count;
	return store_all(txn, error);
}

static void end_txn(ff_txn *txn)
{
	if (txn->kv.kind == FF_TXN_READ)
		enter(txn->kv.store);
	abort_txn(txn);
}

static void end(ff_txn *txn)
{
	if (!is_copy(txn->kv.store))
		end_txn(txn);
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	if (is_copy(txn->kv.store))
		return copied(txn->kv.store, FF_E_IO, error);
	/* One that changed nothing takes no number, and the next one of whoever it is has it. */
	ff_code code = FF_OK;
	if (txn->kv.kind == FF_TXN_WRITE)
		code = txn->writes_count ? commit_all(txn, error) : sync_what_was_read(txn, error);
	end_txn(txn);
	return code;
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	int major, minor, patch;
	(void)error;
	mdb_version(&major, &minor, &patch);
	limits->durability = store->durability;
	limits->caps = store->durability == FF_DURABILITY_FULL ? ALL_CAPS : ALL_CAPS & ~FF_CAP_DURABLE_COMMIT;
	snprintf(limits->version, sizeof(limits->version), "LMDB %d.%d.%d", major, minor, patch);
	return FF_OK;
}

typedef struct listener {
	const ff_store *store;
	size_t id; /* of what is checked, or an older one's */
	ff_problem_fn *problem;
	void *context;
} listener;

/* The host may do anything here, such as a report that makes the map grow. */
static void tell(void *context, const char *problem)
{
	const listener *to = context;
	if (is_overtaken(to->store, to->id))
		return;
	leave(to->store);
	to->problem(to->context, problem);
	enter(to->store);
}

static ff_code check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	listener to = { store, 0, problem, context };
	MDB_envinfo info;
	if (is_copy(store))
		return copied(store, FF_E_IO, error);
	enter(store);
	mdb_env_info(store->environment->env, &info);
	leave(store);
	to.id = info.me_last_txnid;
	ff_code code = ff_kv_check(store, tell, &to, error);
	enter(store);
	if (is_overtaken(store, to.id))
		code = overtaken(store, error);
	leave(store);
	return code;
}

/* Who died in the middle of a read keeps what it saw from being used again, and the file grows with each commit. */
static void free_dead_readers(ff_store *store)
{
	int dead;
	mdb_reader_check(store->environment->env, &dead);
}

/* ---- opening and closing ------------------------------------------------------------------------------------- */

/* A map that may be written saves a copy of each page; what it costs in safety only a store that may be lost can pay. */
static ff_code read_write_map(const ff_store *store, const ff_store_config *config, bool *write_map, ff_error *error)
{
	int64_t given = 0;
	ff_code code = ff_config_int64(config, "write_map", 0, 1, &given, error);
	*write_map = given == 1;
	if (code == FF_OK && *write_map && store->durability != FF_DURABILITY_NONE)
		code = ff_error_set(error, FF_E_INVALID, "parameter 'write_map' needs durability=none");
	return code;
}

static ff_code read_config(ff_store *store, const ff_store_config *config, int64_t *map_size, ff_error *error)
{
	static const char *const known[] = {
		"durability", "map_size", "map_max", "busy_timeout_ms", "write_map", NULL
	};
	int64_t map_max = MAP_MAX_DEFAULT;
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK)
		code = ff_config_durability(config, &store->durability, error);
	if (code == FF_OK)
		code = ff_config_wait(config, &store->wait, error);
	if (code == FF_OK)
		code = ff_config_int64(config, "map_max", 1, MAP_MAX_DEFAULT, &map_max, error);
	*map_size = map_max < MAP_SIZE_DEFAULT ? map_max : MAP_SIZE_DEFAULT;
	if (code == FF_OK)
		code = ff_config_int64(config, "map_size", 1, map_max, map_size, error);
	store->map_max = (uint64_t)map_max;
	return code;
}

static bool take_memory(ff_store *store)
{
	const ff_allocator *allocator = store->kv.allocator;
	size_t count = ff_kv_tree_count(store->kv.catalog);
	store->trees = allocator->resize(allocator->context, NULL, 0, count * sizeof(*store->trees));
	store->writer.ways = allocator->resize(allocator->context, NULL, 0, count * sizeof(*store->writer.ways));
	store->trees_count = count;
	if (store->writer.ways)
		memset(store->writer.ways, 0, count * sizeof(*store->writer.ways));
	return store->trees && store->writer.ways;
}

static void free_memory(ff_store *store)
{
	const ff_allocator *allocator = store->kv.allocator;
	while (store->idle) {
		ff_txn *idle = store->idle;
		store->idle = idle->next;
		if (!is_copy(store))
			mdb_txn_abort(idle->txn);
		free_reader(idle);
	}
	if (store->trees)
		allocator->resize(allocator->context, store->trees, store->trees_count * sizeof(*store->trees), 0);
	if (store->writer.ways)
		allocator->resize(allocator->context, store->writer.ways,
		                  store->trees_count * sizeof(*store->writer.ways), 0);
}

/* Sees to a file that is as long as it says, where it may be written. */
static ff_code complete(ff_store *store, const ff_store_config *config, ff_error *error)
{
	if (config->flags & FF_STORE_READ_ONLY)
		return FF_OK;
	if (store->environment->read_only)
		return ffp_lmdb_fail(store->environment->path, EACCES, "write to", error);
	enter(store);
	bool is_complete = ffp_lmdb_environment_is_complete(store->environment);
	leave(store);
	if (is_complete)
		return FF_OK;
	ff_code code = take_turn(store, &store->wait, error);
	if (code != FF_OK)
		return code;
	int result = ffp_lmdb_environment_complete(store->environment);
	give_turn(store);
	return result ? ffp_lmdb_fail(store->environment->path, result, "open", error) : FF_OK;
}

static ff_code make_room(ff_store *store, ff_error *error)
{
	ff_code code = take_map(store, &store->wait, error);
	if (code != FF_OK)
		return code;
	code = ffp_lmdb_environment_grow(store->environment, store->map_max, error);
	give_map(store);
	return code;
}

static ff_code open_schema(ff_store *store, const ff_store_config *config, ff_error *error)
{
	ff_code code = complete(store, config, error);
	while (code == FF_OK) {
		code = ff_kv_open(store, &ops, config, error);
		if (!is_map_full(&store->writer, code))
			break;
		code = make_room(store, error);
	}
	/* Nobody can know of a schema whose commit is in doubt, and the next open sees which it is. */
	return code == FF_E_COMMIT_UNKNOWN || code == FF_E_CONFLICT ? (error->code = FF_E_IO) : code;
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	int64_t map_size;
	bool write_map;
	ffp_lmdb_opening opening;
	ff_code code = read_config(store, config, &map_size, error);
	if (code == FF_OK)
		code = read_write_map(store, config, &write_map, error);
	if (code != FF_OK)
		return code;
	code = ffp_lmdb_environment_open(config, (size_t)map_size, write_map, &opening, error);
	if (code != FF_OK)
		return code;
	store->shared = opening.shared;
	store->environment = opening.shared->handle;
	store->kv = (ff_kv){ .ops = &ops, .catalog = config->catalog, .allocator = config->allocator };
	code = take_memory(store) ? FF_OK : ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store");
	/* Whatever its durability: later commits may be of more. */
	if (code == FF_OK && !(config->flags & FF_STORE_READ_ONLY))
		code = ffp_lmdb_environment_keep_names(&opening, error);
	if (code == FF_OK)
		code = open_schema(store, config, error);
	if (code != FF_OK)
		free_memory(store);
	ffp_lmdb_environment_settle(&opening, code != FF_OK);
	return code;
}

static void close_store(ff_store *store)
{
	free_memory(store);
	ff_kv_unshare(store->shared);
}

const ff_engine_backend ffp_lmdb_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = ALL_CAPS,
	.name = "lmdb",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = limits,
	.begin = begin,
	.load = load,
	.store = store_rows,
	.commit = commit,
	.abort = end,
	.check = check,
	.is_untouched = is_untouched,
	.housekeep = free_dead_readers,
};
