/*
 * A backend in memory, to be copied from: memory:NAME[?busy_timeout_ms=N] is a store of this process, which lives until
 * memory_destroy. It is a key-value store of the simplest kind, one sorted array of entries, over which the adapter of
 * <ff/kv.h> keeps tables, indexes and the schema.
 *
 * A transaction holds the store's lock from begin to its end, readers together and a writer alone, so nothing can
 * conflict. The writer changes the array as it goes and notes what was there, which abort puts back. No capability is
 * claimed: what is in memory is lost with the process, and a reader waits for the writer.
 */
#include "memory.h"

#include <pthread.h>
#include <stdlib.h>

/* ---- entries ------------------------------------------------------------------------------------------------ */

/* A key and its value, which never changes. The keys of all trees lie in one array, behind the trees' numbers. */
typedef struct entry {
	size_t key_size;
	size_t value_size;
	unsigned char bytes[]; /* the key's and then the value's */
} entry;

typedef struct memory memory;
struct memory {
	memory *next;
	pthread_rwlock_t lock;
	entry **at; /* in order of their keys */
	size_t count;
	size_t room;
	char name[];
};

static ff_kv_bytes key_of(const entry *of)
{
	return (ff_kv_bytes){ of->bytes, of->key_size };
}

static ff_kv_bytes value_of(const entry *of)
{
	return (ff_kv_bytes){ of->bytes + of->key_size, of->value_size };
}

static entry *entry_of(ff_kv_bytes key, ff_kv_bytes value)
{
	entry *made = malloc(sizeof(*made) + key.size + value.size);
	if (!made)
		return NULL;
	*made = (entry){ .key_size = key.size, .value_size = value.size };
	memcpy(made->bytes, key.data, key.size);
	if (value.size)
		memcpy(made->bytes + key.size, value.data, value.size);
	return made;
}

static int compare(const entry *of, ff_kv_bytes key)
{
	size_t common = of->key_size < key.size ? of->key_size : key.size;
	int order = memcmp(of->bytes, key.data, common);
	return order ? order : (of->key_size > key.size) - (of->key_size < key.size);
}

/* The place of the first entry at or above a key; whether it is the key's own. */
static size_t find(const memory *in, ff_kv_bytes key, bool *found)
{
	size_t low = 0, high = in->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(in->at[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < in->count && compare(in->at[low], key) == 0;
	return low;
}

/* Puts `now`, for which there is room, at a key, or nothing where it is NULL. Answers what was there, or NULL. */
static entry *swap(memory *in, ff_kv_bytes key, entry *now)
{
	bool found;
	size_t at = find(in, key, &found);
	size_t out = found ? 1 : 0, put = now ? 1 : 0;
	entry *was = found ? in->at[at] : NULL;
	if (in->count > at + out)
		memmove(in->at + at + put, in->at + at + out, (in->count - at - out) * sizeof(*in->at));
	if (now)
		in->at[at] = now;
	in->count = in->count - out + put;
	return was;
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

struct ff_store {
	ff_kv kv; /* the adapter's, first */
	memory *memory;
	ff_wait wait; /* as it begins */
};

typedef struct change {
	entry *was;
	entry *now;
} change;

struct ff_kv_cursor {
	const memory *memory;
	unsigned tree;
	size_t at;
};

struct ff_txn {
	ff_kv_txn kv; /* the adapter's, first */
	memory *memory;
	change *changes; /* the latest last */
	size_t count;
	size_t room;
	ff_kv_cursor cursor;
};

/* Of what is one transaction's. The entries are all stores' of one name, and outlive each: they are of no one's. */
static const ff_allocator *allocator_of(const ff_txn *txn)
{
	return txn->kv.store->kv.allocator;
}

static ff_code no_memory(ff_error *error)
{
	return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for rows");
}

/* Waits in short steps, for nobody may be there to let go; the clock is not looked at. */
static ff_code take_lock(ff_store *store, ff_txn_kind kind, ff_error *error)
{
	ff_wait wait = store->wait; /* readers wait beside each other */
	pthread_rwlock_t *lock = &store->memory->lock;
	ff_wait_start(&wait);
	while ((kind == FF_TXN_WRITE ? pthread_rwlock_trywrlock(lock) : pthread_rwlock_tryrdlock(lock)) != 0)
		if (!ff_wait_pause(&wait))
			return ff_error_set(error, FF_E_BUSY, "'%s' is in use", store->memory->name);
	return FF_OK;
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	const ff_allocator *of = store->kv.allocator;
	ff_txn *begun = of->resize(of->context, NULL, 0, sizeof(*begun));
	if (!begun)
		return no_memory(error);
	ff_code code = take_lock(store, kind, error);
	if (code != FF_OK) {
		of->resize(of->context, begun, sizeof(*begun), 0);
		return code;
	}
	*begun = (ff_txn){ .memory = store->memory };
	*txn = begun;
	return FF_OK;
}

static void end(ff_txn *txn)
{
	const ff_allocator *of = allocator_of(txn);
	pthread_rwlock_unlock(&txn->memory->lock);
	if (txn->changes)
		of->resize(of->context, txn->changes, txn->room * sizeof(*txn->changes), 0);
	of->resize(of->context, txn, sizeof(*txn), 0);
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	(void)error;
	for (size_t i = 0; i < txn->count; i++)
		free(txn->changes[i].was);
	end(txn);
	return FF_OK;
}

/* The array does not shrink, so there is room for what was taken out. */
static void undo(ff_txn *txn)
{
	while (txn->count > 0) {
		change last = txn->changes[--txn->count];
		const entry *either = last.was ? last.was : last.now;
		swap(txn->memory, key_of(either), last.was);
		free(last.now);
	}
	end(txn);
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* What the stores of one name share. */
static void *resize_shared(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	return realloc(old, size);
}

static const ff_allocator shared = { resize_shared, NULL };

/* An array with room for one more, or NULL. */
static void *reserve(const ff_allocator *from, void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	size_t wanted = *room ? 2 * *room : 64;
	void *larger = from->resize(from->context, array, *room * size, wanted * size);
	if (larger)
		*room = wanted;
	return larger;
}

/* Swaps an entry in, which is now the store's, and notes it. */
static ff_code write_entry(ff_txn *txn, ff_kv_bytes key, entry *now, ff_error *error)
{
	memory *in = txn->memory;
	entry **at = reserve(&shared, in->at, in->count, &in->room, sizeof(*at));
	if (at)
		in->at = at;
	change *changes = reserve(allocator_of(txn), txn->changes, txn->count, &txn->room, sizeof(*changes));
	if (changes)
		txn->changes = changes;
	if (!at || !changes) {
		free(now);
		return no_memory(error);
	}
	txn->changes[txn->count++] = (change){ swap(in, key, now), now };
	return FF_OK;
}

static ff_kv_bytes flatten(ff_kv_flat *flat, unsigned tree, ff_kv_bytes key)
{
	ff_kv_flatten(flat, tree, key);
	return (ff_kv_bytes){ flat->bytes, flat->size };
}

static ff_code get(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes *value, ff_error *error)
{
	(void)error;
	bool found;
	ff_kv_flat flat;
	size_t at = find(txn->memory, flatten(&flat, tree, key), &found);
	if (!found)
		return FF_E_NOT_FOUND;
	*value = value_of(txn->memory->at[at]);
	return FF_OK;
}

static ff_code put(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind, ff_error *error)
{
	(void)kind; /* the adapter has looked */
	ff_kv_flat flat;
	ff_kv_bytes whole = flatten(&flat, tree, key);
	entry *now = entry_of(whole, value);
	return now ? write_entry(txn, whole, now, error) : no_memory(error);
}

static ff_code take_out(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error)
{
	ff_kv_flat flat;
	return write_entry(txn, flatten(&flat, tree, key), NULL, error);
}

/* ---- cursors ------------------------------------------------------------------------------------------------ */

static ff_code open_cursor(ff_txn *txn, unsigned tree, ff_kv_cursor **cursor, ff_error *error)
{
	(void)error;
	txn->cursor = (ff_kv_cursor){ .memory = txn->memory, .tree = tree };
	*cursor = &txn->cursor;
	return FF_OK;
}

static void close_cursor(ff_kv_cursor *cursor)
{
	(void)cursor;
}

/* Before the first place lies the largest of all, which is none, too. */
static ff_code answer(const ff_kv_cursor *cursor, ff_kv_entry *found)
{
	const memory *in = cursor->memory;
	const entry *at = cursor->at < in->count ? in->at[cursor->at] : NULL;
	if (!at || !ff_kv_unflatten(key_of(at), cursor->tree, &found->key))
		return FF_E_NOT_FOUND;
	found->value = value_of(at);
	return FF_OK;
}

static ff_code seek(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_bytes key, ff_kv_entry *found, ff_error *error)
{
	(void)error;
	bool same;
	bool from_the_end = way == FF_KV_DOWN && key.size == 0;
	ff_kv_flat flat;
	cursor->at = find(cursor->memory, flatten(&flat, from_the_end ? cursor->tree + 1 : cursor->tree, key), &same);
	if (way == FF_KV_DOWN)
		cursor->at--;
	return answer(cursor, found);
}

static ff_code step(ff_kv_cursor *cursor, ff_kv_way way, ff_kv_entry *found, ff_error *error)
{
	(void)error;
	cursor->at += way == FF_KV_UP ? 1 : SIZE_MAX;
	return answer(cursor, found);
}

static const ff_kv_ops ops = {
	.size = sizeof(ff_kv_ops),
	.begin = begin,
	.commit = commit,
	.abort = undo,
	.get = get,
	.put = put,
	.remove = take_out,
	.open_cursor = open_cursor,
	.close_cursor = close_cursor,
	.seek = seek,
	.step = step,
	.blind = true,
};

/* ---- open, close, limits ------------------------------------------------------------------------------------ */

static pthread_mutex_t memories_lock = PTHREAD_MUTEX_INITIALIZER;
static memory *memories;

static memory **named(const char *name)
{
	memory **at = &memories;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

/* The store of a name; made where there is none, but not for those who want one that is there. */
static memory *find_memory(const char *name, bool must_exist)
{
	size_t size = strlen(name) + 1;
	pthread_mutex_lock(&memories_lock);
	memory **at = named(name);
	if (!*at && !must_exist && (*at = calloc(1, sizeof(**at) + size))) {
		memcpy((*at)->name, name, size);
		pthread_rwlock_init(&(*at)->lock, NULL);
	}
	memory *found = *at;
	pthread_mutex_unlock(&memories_lock);
	return found;
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	static const char *const known[] = { "busy_timeout_ms", NULL };
	const bool must_exist = (config->flags & (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST)) != 0;
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK)
		code = ff_config_wait(config, &store->wait, error);
	if (code != FF_OK)
		return code;
	store->memory = find_memory(config->path, must_exist);
	if (!store->memory)
		return must_exist ? ff_error_set(error, FF_E_NOT_FOUND, "there is no store '%s'", config->path)
		                  : no_memory(error);
	return ff_kv_open(store, &ops, config, error);
}

static void close_store(ff_store *store)
{
	(void)store; /* the entries stay where they are */
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)store;
	(void)error;
	*limits = (ff_store_limits){ .durability = FF_DURABILITY_NONE, .version = "memory 1" };
	return FF_OK;
}

void memory_destroy(const char *name)
{
	pthread_mutex_lock(&memories_lock);
	memory **at = named(name), *gone = *at;
	if (gone)
		*at = gone->next;
	pthread_mutex_unlock(&memories_lock);
	if (!gone)
		return;
	for (size_t i = 0; i < gone->count; i++)
		free(gone->at[i]);
	free(gone->at);
	pthread_rwlock_destroy(&gone->lock);
	free(gone);
}

FF_BACKEND_PLUGIN = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.name = "memory",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = limits,
	.begin = ff_kv_begin,
	.load = ff_kv_load,
	.store = ff_kv_store,
	.commit = commit,
	.abort = undo,
	.check = ff_kv_check,
};
