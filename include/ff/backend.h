/*
 * ff: the seam between the engine and a store. For authors of backends; hosts need only <ff/ff.h>.
 *
 * A backend keeps rows and knows no rule. The core describes its tables once, in a catalog; it works on plain C row
 * structs, and a backend walks the descriptors to turn them into whatever its store keeps. A new table or column is
 * a change of the catalog and never of a backend.
 *
 *     begin ─ load … load ─ store ─ commit          a write transaction: any number of loads, then at most one store
 *     begin ─ expect ─ store ─ commit               one that rests on what earlier ones left (expect)
 *     begin ─ load … load ─ abort                   a read transaction (or a write transaction that changed nothing)
 *
 * Stability: the head of struct ff_engine_backend never changes. Its slots, the function pointers behind the head, are
 * only ever appended; a slot whose signature changes is a new slot. The structs that cross this seam (ff_read, ff_write,
 * ff_table, …) are frozen per abi_major.
 *
 * Threads: the core opens a store once and then calls it from many threads. At any time at most one write transaction
 * is under way (in a store that claims CONCURRENT_WRITERS: as many as it has lanes, ff_store_limits), and any number of
 * read transactions. A transaction is begun, used and ended by one thread. open and close run alone.
 *
 * Errors: a slot returns FF_OK or a code, and fills `error` (never NULL) by ff_error_set; it may set `native_code` and
 * `retryable` too (where COMMIT_UNKNOWN cannot be resolved the core says it, of calls with a key). The core adds the
 * operation, the entity and the backend's name. The codes that a slot may return are listed with it; FF_E_NO_MEMORY and
 * FF_E_IO are always allowed; any other is turned into FF_E_IO, with a message that says so. Nothing may be printed; a
 * backend's own code sets no signal handler, starts no thread and reads no clock, but to bound a wait.
 *
 * Memory: what is one open store's or one transaction's comes from the config's allocator, rows from the arena. What
 * several stores share may outlive each of them, and is of none's.
 */
#ifndef FF_BACKEND_H
#define FF_BACKEND_H

#include <string.h>

#include <ff/common.h>

/* ---- memory ------------------------------------------------------------------------------------------------- */

/*
 * Where a batch's rows live: memory is taken and never given back one by one; the core takes it all back at once.
 * Take with ff_arena_take. The fields belong to the core.
 */
typedef struct ff_arena ff_arena;
struct ff_arena {
	char *at;
	char *end;
	void *(*grow)(ff_arena *arena, size_t size); /* a fresh block's first `size` bytes, or NULL */
};

/* `size` bytes aligned for any type, not cleared, or NULL when memory is out. Amortised constant time. */
static inline void *ff_arena_take(ff_arena *arena, size_t size)
{
	const size_t rest = 15;
	size_t rounded = ((size ? size : 1) + rest) & ~rest; /* 0 bytes are some too: NULL says memory is out */
	if (rounded < size)
		return NULL;
	if (FF_CAST(size_t, arena->end - arena->at) < rounded)
		return arena->grow(arena, rounded);
	void *taken = arena->at;
	arena->at += rounded;
	return taken;
}

/* ---- fork --------------------------------------------------------------------------------------------------- */

/*
 * Tells a process from the copies that fork makes of it, in which handles are dead. Open it where a handle is made, and
 * look at it before each use: that costs a load, and no call of the system (but on kernels before 4.14). The core looks
 * before each of its calls; a backend needs one where closing in the copy would harm the parent.
 */
typedef struct ff_fork_guard {
	volatile unsigned char *page; /* NULL: the system cannot wipe one, and the process's number tells */
	int process;
} ff_fork_guard;

FF_API ff_fork_guard ff_fork_guard_open(void);
FF_API void ff_fork_guard_close(ff_fork_guard *guard);

/* By the number of the process alone. */
FF_API bool ff_fork_guard_ask(const ff_fork_guard *guard);

static inline bool ff_fork_guard_is_copy(const ff_fork_guard *guard)
{
	return guard->page ? *guard->page == 0 : ff_fork_guard_ask(guard);
}

/* ---- the catalog: tables as data ---------------------------------------------------------------------------- */

typedef enum ff_type {
	FF_TYPE_INT64 = 1, /* int64_t in the row struct */
	FF_TYPE_TEXT = 2   /* ff_text in the row struct */
} ff_type;

/* Bytes with a length. In a row they are UTF-8 without NUL (what a core wrote), need no NUL after them, and sort by
 * bytes (FF-LIM-2). An empty text has size 0; data may then be NULL. A text in a key or an index has 256 bytes at the most,
 * as an idempotency key (FF-LIM-1), and those of one order less than 1,024; others, such as a policy, may be long. */
typedef struct ff_text {
	const char *data;
	size_t size;
} ff_text;

/* The head of every row struct; columns lie behind it at the offsets that the table says. */
typedef struct ff_row {
	uint32_t nulls; /* bit i: column i is NULL, and its bytes in the struct mean nothing */
	uint32_t state; /* FF_ROW_OK, or FF_ROW_CORRUPT: the key columns hold, the others cannot be trusted */
} ff_row;

#define FF_ROW_OK 0u
#define FF_ROW_CORRUPT 1u

/* At most this many tables a catalog, columns a table, key columns included, and indexes a table. */
#define FF_TABLES_MAX 32
#define FF_COLUMNS_MAX 32
#define FF_INDEXES_MAX 8

typedef struct ff_column {
	const char *name;
	uint16_t offset;  /* of the value in the row struct */
	uint8_t type;     /* ff_type */
	uint8_t nullable; /* 0 or 1; key columns never are */
	uint32_t since; /* the schema version that added it; an older row reads NULL where nullable, else 0 or empty */
} ff_column;

/*
 * An order of a table's rows beside that of the key: the index's columns, then the key columns that are not among them.
 * Rows with NULL in any of the index's columns are not in it.
 */
typedef struct ff_index {
	const char *name;
	uint8_t columns[6]; /* positions in ff_table.columns */
	uint8_t columns_count;
	uint32_t since;
} ff_index;

typedef struct ff_table {
	const char *name;
	const ff_column *columns; /* the key columns first, in key order */
	const ff_index *indexes;
	uint16_t row_size; /* sizeof the row struct */
	uint8_t columns_count;
	uint8_t key_count;
	uint8_t indexes_count;
	uint8_t id; /* this table's place in the catalog */
	uint8_t
	    root; /* the key column that says which root a row belongs to: a call on one budget or quota touches one */
	uint32_t since;
} ff_table;

/* Every table of a store. Lives as long as the process. `version` is the schema version, 1 … INT32_MAX. */
typedef struct ff_catalog {
	const ff_table *tables;
	uint32_t tables_count;
	uint32_t version;
} ff_catalog;

static inline int64_t *ff_row_int64(const ff_row *row, const ff_column *column)
{
	void *value = FF_CAST(char *, FF_WITHOUT_CONST(row)) + column->offset;
	return FF_CAST(int64_t *, value);
}

static inline ff_text *ff_row_text(const ff_row *row, const ff_column *column)
{
	void *value = FF_CAST(char *, FF_WITHOUT_CONST(row)) + column->offset;
	return FF_CAST(ff_text *, value);
}

static inline bool ff_row_is_null(const ff_row *row, unsigned column)
{
	return (row->nulls >> column & 1u) != 0;
}

/* A cleared row of `table` in `arena`, or NULL when memory is out. */
static inline ff_row *ff_row_new(ff_arena *arena, const ff_table *table)
{
	void *row = ff_arena_take(arena, table->row_size);
	return row ? FF_CAST(ff_row *, memset(row, 0, table->row_size)) : NULL;
}

/*
 * Copies `size` bytes into the arena and answers them as a text, with a NUL after them that is not counted. Where
 * memory is out: data is NULL although size is not 0.
 */
static inline ff_text ff_text_copy(ff_arena *arena, const void *data, size_t size)
{
	ff_text copy = { NULL, size };
	char *bytes = size < SIZE_MAX ? FF_CAST(char *, ff_arena_take(arena, size + 1)) : NULL;
	if (bytes) {
		if (size)
			memcpy(bytes, data, size);
		bytes[size] = '\0';
		copy.data = bytes;
	}
	return copy;
}

/* Whether bytes are well-formed UTF-8 without NUL, as a core writes every text. A store asks before it answers a row, and
 * answers it CORRUPT where they are not: others may have changed its bytes. Pure, in time linear in `size`; `data` may be
 * NULL where there are none. */
FF_API bool ff_text_is_valid(const void *data, size_t size);

/* < 0, 0, > 0 as a sorts before, with or after b, by bytes. */
static inline int ff_text_compare(ff_text a, ff_text b)
{
	size_t common = a.size < b.size ? a.size : b.size;
	int order = common ? memcmp(a.data, b.data, common) : 0;
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

/*
 * The i-th column (a position in table->columns) of an order: of the key where `index` is NULL, else of the index.
 * An order has ff_order_count columns, of which `i` is one, and together they tell any two rows apart.
 */
FF_API unsigned ff_order_column(const ff_table *table, const ff_index *index, unsigned i);
FF_API unsigned ff_order_count(const ff_table *table, const ff_index *index);

/* Compares the first `count` columns of an order, all of them at the most, in two rows of `table` that are in it. */
FF_API int ff_row_compare(const ff_table *table, const ff_index *index, const ff_row *a, const ff_row *b,
                          unsigned count);

/* ---- load --------------------------------------------------------------------------------------------------- */

typedef enum ff_read_kind {
	FF_READ_GET = 1,  /* the row whose key columns equal those of `low` */
	FF_READ_RANGE = 2 /* rows in an order, between bounds, at most `limit` */
} ff_read_kind;

#define FF_READ_DESCENDING 1u     /* RANGE: from the high end down */
#define FF_READ_LOW_EXCLUSIVE 2u  /* RANGE: rows that equal the low bound are left out */
#define FF_READ_HIGH_EXCLUSIVE 4u /* RANGE: rows that equal the high bound are left out */

/*
 * One read of a load. A range is bounded in the columns of its order (ff_order_column): the first `equal_count` columns
 * equal those of `low`; then, where low_count > equal_count, the columns up to low_count, compared together as a tuple,
 * lie at or above those of `low`; where high_count > equal_count, those up to high_count at or below those of `high`.
 * A bound may name a part of the order's columns only: a low bound of ("a") takes every row that begins with "a" or
 * lies above, a high bound of ("a") every row that begins with "a" or lies below. low_count = 0, high_count = 0 is the
 * whole table (or index).
 */
typedef struct ff_read {
	const ff_table *table;
	const ff_index *index; /* RANGE: the order, NULL = the key's. GET: NULL */
	uint8_t kind;          /* ff_read_kind */
	uint8_t equal_count;
	uint8_t low_count;
	uint8_t high_count;
	uint32_t flags;
	uint32_t limit;     /* RANGE: at most so many rows, 1 … */
	const ff_row *low;  /* GET: the key. RANGE: the equal columns and the low bound; NULL where there are none */
	const ff_row *high; /* RANGE: the high bound; NULL where high_count <= equal_count */

	/* The answer, set by load. A row that is there but cannot be decoded is answered with state FF_ROW_CORRUPT and
	 * its key columns set. */
	ff_row *row;   /* GET: the row, or NULL where there is none */
	ff_row **rows; /* RANGE: rows_count of them, in order */
	size_t rows_count;
} ff_read;

/* ---- store -------------------------------------------------------------------------------------------------- */

typedef enum ff_write_kind {
	/* before: the row as it was loaded, NULL where absent; where that is corrupt all its columns are written anew.
	 * after: the row as it will be. Where the row is there although before is NULL, or is gone: CONFLICT. */
	FF_WRITE_PUT = 1,
	/* before: the row as it was loaded. Where it is gone: CONFLICT. */
	FF_WRITE_DELETE = 2,
	/* Every row of a range in key order, unseen; it never carries a decision. */
	FF_WRITE_DELETE_RANGE = 3
} ff_write_kind;

/*
 * One write of a store. `before` lets a backend keep indexes and verify optimistically without reading again. A store
 * names each row at most once; rows come ordered by table id and then by key, deletes of ranges last.
 */
typedef struct ff_write {
	const ff_table *table;
	uint8_t kind; /* ff_write_kind */
	const ff_row *before;
	const ff_row *after;
	const ff_read *range; /* DELETE_RANGE: a RANGE in key order; its limit is not looked at */
} ff_write;

/* ---- waiting ------------------------------------------------------------------------------------------------ */

/*
 * Waiting for a lock that is not given in turn, up to a limit and without a clock: short sleeps of random length, which
 * are counted. `limit_us` is the caller's, and the rest begins as 0.
 *
 *     ff_wait_give_way(&wait);
 *     while (!try_to_lock(…))
 *         if (!ff_wait_pause(&wait))
 *             return ff_error_set(error, FF_E_BUSY, …);
 *
 * Who had to wait the last time leaves the lock alone for a moment, so that processes that commit without pause do not
 * shut each other out.
 */
typedef struct ff_wait {
	int64_t limit_us;
	int64_t slept_us;
	uint32_t sleeps;
	uint32_t random; /* kept from one wait to the next */
} ff_wait;

/* Starts, at once: for a lock that is not wanted again and again. */
FF_API void ff_wait_start(ff_wait *wait);
/* Starts, after a sleep of up to 4 ms where the wait before this one had any. */
FF_API void ff_wait_give_way(ff_wait *wait);
/* Sleeps a little, 2 ms at most; false, at once, when the limit was slept. */
FF_API bool ff_wait_pause(ff_wait *wait);

/* ---- descriptors -------------------------------------------------------------------------------------------- */

/*
 * Where a process has closed its standard input, output or error, /dev/null takes its number, for good, so that none of a
 * store's files and sockets does: what is printed would go there. Called before a library opens one; SQLite needs it not.
 * Any thread.
 */
FF_API void ff_standard_hold(void);

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* What a backend may want of the core. None is defined yet; a core refuses a backend that needs what it does
 * not know. */
#define FF_NEEDS_KNOWN UINT64_C(0)

#define FF_STORE_READ_ONLY 1u  /* nothing will be written; a missing store is FF_E_NOT_FOUND and is not created */
#define FF_STORE_MUST_EXIST 2u /* for writing, but a missing store is FF_E_NOT_FOUND */

typedef struct ff_param {
	const char *name;
	const char *value;
} ff_param;

/* What open gets. Everything is borrowed for the call, but catalog and allocator, which outlive the store. */
typedef struct ff_store_config {
	const char *uri;    /* as the host gave it */
	const char *scheme; /* "sqlite" */
	const char *path;   /* between the scheme's colon and the question mark, percent-decoded, 1 byte or more */
	const ff_param *params;
	size_t params_count;
	const ff_catalog *catalog;
	const ff_allocator *allocator;
	uint32_t flags;
} ff_store_config;

/* The value of a parameter of the URI, or NULL where it was not given. */
FF_API const char *ff_config_param(const ff_store_config *config, const char *name);

/* FF_E_INVALID, listing the known, where the URI has a parameter that is none of `known` (NULL-terminated), or one
 * twice. */
FF_API ff_code ff_config_check(const ff_store_config *config, const char *const *known, ff_error *error);

/* Reads a parameter that is an integer min … max into *value, which keeps its default where the parameter was not
 * given. FF_E_INVALID names the parameter and the range. */
FF_API ff_code ff_config_int64(const ff_store_config *config, const char *name, int64_t min, int64_t max,
                               int64_t *value, ff_error *error);

/* Reads durability=full|normal|none; full where it was not given. FF_E_INVALID for any other word. */
FF_API ff_code ff_config_durability(const ff_store_config *config, ff_durability *durability, ff_error *error);

/* Makes a wait of busy_timeout_ms, 0 to INT32_MAX; 5,000 where it was not given. */
FF_API ff_code ff_config_wait(const ff_store_config *config, ff_wait *wait, ff_error *error);

/* What the open store gives. */
typedef struct ff_store_limits {
	uint64_t caps; /* a subset of the backend's */
	ff_durability durability;
	char version[64]; /* of the storage library or server, with its NUL: "SQLite 3.40.1" */
	/* CONCURRENT_WRITERS: how many write transactions may be under way, 1 … 64; 0 counts as 1, more than 64 as 64. Two on
	 * different roots (ff_table.root) do not wait for each other, unless both roots hash to one lock (the suite's roots "a"
	 * and "b" must not). Of two on one root one waits, or is told CONFLICT, even where neither has found a row. */
	uint32_t lanes;
} ff_store_limits;

/* An open store and a transaction: the backend's own structs behind these names. */
typedef struct ff_store ff_store;
typedef struct ff_txn ff_txn;

typedef enum ff_txn_kind { FF_TXN_READ = 1, FF_TXN_WRITE = 2 } ff_txn_kind;

/* ---- the backend -------------------------------------------------------------------------------------------- */

#define FF_BACKEND_ABI 1u

/* A `static const` table; an open store is another, opaque object. */
typedef struct ff_engine_backend {
	/* The head, for ever. */
	uint32_t size;        /* sizeof(ff_engine_backend) where the backend was compiled */
	uint32_t abi_major;   /* FF_BACKEND_ABI where the backend was compiled */
	uint64_t caps;        /* the best that it can give; `limits` tells what an open store gives */
	uint64_t needs;       /* what it wants of the core; 0 */
	const char *name;     /* "sqlite": 1 … 31 of a-z 0-9 -, beginning with a letter; also the URI's scheme */
	const char *schemes;  /* more schemes that it answers to, separated by spaces, or NULL */
	size_t instance_size; /* bytes of an open store, which the core allocates, cleared */
	uint64_t reserved;    /* 0 */

	/*
	 * Must provide. Opens or creates the store, creates the schema where it is empty, migrates an older one in one
	 * transaction (where DDL commits by itself: in steps that may be made twice, the version last). `store` is
	 * instance_size cleared bytes. A failed open leaves nothing behind: no handle, no memory, and no store that was
	 * not there before (or an empty, whole one, where others may have opened it).
	 * Errors: INVALID (path or parameter), NOT_FOUND (read-only or must-exist, and there is none), VERSION (a newer
	 * schema; the store is left untouched), CORRUPT (no store of this kind), BUSY, FULL, UNAVAILABLE (an older
	 * schema opened read only: it would have to be migrated; or a library, server or place that cannot serve),
	 * MISUSE (a parent of this process had a store open when it forked, and the storage library cannot begin anew
	 * in the child).
	 */
	ff_code (*open)(ff_store *store, const ff_store_config *config, ff_error *error);

	/* Must provide. No transaction is open. Frees everything but the instance itself. Cannot fail. */
	void (*close)(ff_store *store);

	/* Must provide. No I/O. */
	ff_code (*limits)(ff_store *store, ff_store_limits *limits, ff_error *error);

	/*
	 * Must provide. Begins a transaction, which belongs to the backend and ends with commit or abort.
	 * A write transaction sees every commit that was acknowledged before, anywhere, and nothing else may commit
	 * between its loads and its commit, or its store or commit answers CONFLICT. A read transaction sees one
	 * committed state, that of its begin or of its first load (where SNAPSHOT_READ is not claimed it may wait for
	 * writers and hold them up). Where a round trip is dear, begin sends nothing, and what it would have waited for
	 * or failed with comes from the first load.
	 * Errors: BUSY (after the backend's own waiting), FULL, MISUSE (a write transaction of a store that was opened
	 * read only; a handle that is dead). IO where a newer library has migrated the store since it was opened.
	 */
	ff_code (*begin)(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error);

	/*
	 * Must provide. Answers all of `reads` (count may be 0), taking rows and texts from `arena`; they are copies
	 * that no later call disturbs; from then on they are the core's. What was asked is left as it was. One round trip
	 * over a network. Rows that were not asked for, or that are out of order, the core takes for corrupt.
	 * Errors, after which the core aborts: BUSY, CONFLICT, FULL, CORRUPT (the store as a whole; one bad row is
	 * answered by its state); DEADLINE where nobody waits for it any more (wait_while).
	 */
	ff_code (*load)(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);

	/*
	 * Must provide. Takes all of `writes` (count may be 0). They stay valid until commit or abort: a backend may
	 * hold them back, and their errors may then come from commit. Write transactions only, at most once, after the
	 * last load.
	 * Errors, after which the core aborts: BUSY, CONFLICT, FULL, CORRUPT.
	 */
	ff_code (*store)(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error);

	/*
	 * Must provide. Makes the transaction's writes visible together and as durable as the store was opened. A write
	 * transaction that writes nothing may come here without store. Where others can see a commit before it is
	 * durable, FF_OK says that what this transaction has loaded is durable, too. The transaction is over, whatever
	 * is answered.
	 * Errors: BUSY, CONFLICT, FULL, CORRUPT: nothing was changed. COMMIT_UNKNOWN: it may have been, and the core
	 * looks by a write transaction, whose begin answers IO where the store itself cannot tell yet (what it shows is
	 * not what its log may bring back). IO: nothing was.
	 */
	ff_code (*commit)(ff_txn *txn, ff_error *error);

	/* Must provide. Ends the transaction and undoes its writes. Always legal, after any error too. Cannot fail. */
	void (*abort)(ff_txn *txn);

	/*
	 * May provide. Verifies the store's own structure and calls `problem` for each fault, with `context` and a text
	 * that names the place and the fault, and ends with NUL. It may quote what it found, of any bytes and length:
	 * the core passes it on as ff_error_set would keep it, printable UTF-8 on one line. Several lines are several
	 * calls. FF_OK where the check itself could be made. Errors: BUSY, CORRUPT. NULL: the core checks only what it
	 * can read through load.
	 */
	ff_code (*check)(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error);

	/*
	 * May provide. Whether nobody, in this process or another, has committed to the store between the last commit
	 * of this open store and the begin of this write transaction, so that rows which the core remembers from there
	 * are unchanged. Asked once, right behind begin; no I/O. False where in doubt. On an open store with several
	 * lanes the core does not rely on it, since one lane may write what another remembers. NULL: the core trusts no
	 * remembered row, unless the store verifies it (expect).
	 */
	bool (*is_untouched)(ff_txn *txn);

	/*
	 * May provide, and should where a load waits for a network. Called right behind begin where calls of a write
	 * transaction have deadlines: a load then asks `goes_on(context)`, on its own thread, before each wait and
	 * every 20 ms or so while it waits. Where it answers false the load gives up at once, takes back what it asked
	 * of the store, and answers DEADLINE. Not asked once commit has begun. NULL: deadlines are looked at between
	 * the slots.
	 */
	void (*wait_while)(ff_txn *txn, bool (*goes_on)(void *context), void *context);

	/*
	 * May provide. Work that a store needs now and then and that no caller should wait for, such as folding a log.
	 * A tick calls it between its slices, on its own thread, where that has no transaction open; those of other
	 * threads go on meanwhile, and what it does must keep no writer out for longer than a commit of its own
	 * would. Nobody need ever call it, and several threads may at once. It changes no row. What fails is left for
	 * the next time.
	 */
	void (*housekeep)(ff_store *store);

	/*
	 * May provide, and should where a round trip is dear. The core has decided by rows that it remembers from an
	 * earlier transaction of this open store, and loads nothing in this one: `reads` are GETs, each with its answer
	 * (`row`, never NULL), ordered by table id and then by key. Where at commit one of them is not so any more, in
	 * any of its columns, or is gone, store or commit answers CONFLICT, and nothing was changed. At most once, in a
	 * write transaction, behind begin; then store, where anything is written, and commit. They stay valid until
	 * commit or abort. No I/O: what was not loaded is looked at along with what is stored. Not called where the
	 * backend has is_untouched, which says the same before a decision. NULL: the core loads each row anew.
	 */
	void (*expect)(ff_txn *txn, const ff_read *reads, size_t count);
} ff_engine_backend;

/*
 * Makes a backend known by its name and schemes. The table must outlive the process's use of the library. Checked:
 * equal abi_major, every mandatory slot, caps and needs known, the name's form; FF_E_INVALID names what is missing.
 * A name or scheme that is taken is FF_E_INVALID. Any thread.
 */
FF_API ff_code ff_backend_register(const ff_engine_backend *backend, ff_error *error);

/* The backend that answers to a scheme (up to its first plus), or NULL: built in, registered, loaded, or else loaded
 * now from FF_BACKEND_PATH. For shims that wrap another. Any thread. */
FF_API const ff_engine_backend *ff_backend_find(const char *scheme);

/* The i-th backend, built-in ones first, or NULL past the last. Any thread. */
FF_API const ff_engine_backend *ff_backend_at(size_t i);

/* ---- plug-ins ----------------------------------------------------------------------------------------------- */

/*
 * A backend as a shared object. Its one entry symbol is data, the table itself:
 *
 *     FF_BACKEND_PLUGIN = { .size = sizeof(ff_engine_backend), .abi_major = FF_BACKEND_ABI, .name = "mine", … };
 *
 * The functions of this header that it calls are those of the program that loads it, where that exports them (as ffctl,
 * ff-conformance and ff-bench do), or else of the libff that it is linked with; either will do.
 */
#define FF_BACKEND_PLUGIN                                 \
	FF_API const ff_engine_backend ff_backend_plugin; \
	const ff_engine_backend ff_backend_plugin

/*
 * Loads the backend in the shared object at `path`, which is taken as a file's name and never searched for. It is
 * registered and stays loaded for ever; to load it again is FF_OK. A file that is called ff_backend_NAME.so must hold a
 * backend that answers to NAME. What was not registered is unloaded. Any thread. Errors: NOT_FOUND (no such file), IO
 * (it cannot be read), INVALID (no shared object, cut off, no such symbol, a table shorter than it says, and all that
 * ff_backend_register refuses; the message says which).
 *
 * Nobody needs to call it for a store whose URI has an unknown scheme NAME: ff_engine_open then loads
 * ff_backend_NAME.so from the first folder of the environment's FF_BACKEND_PATH (folders separated by colons) that
 * holds one. The variable is read at each such open, and ignored in a process that runs with more rights than its user
 * (secure_getenv).
 */
FF_API ff_code ff_backend_load(const char *path, ff_error *error);

/* Loads every ff_backend_NAME.so in the folders of FF_BACKEND_PATH to whose NAME no backend answers yet. `problem`,
 * which may be NULL, is told of each that is refused and each folder that cannot be read. Any thread. */
FF_API void ff_backend_load_all(ff_problem_fn *problem, void *context);

#endif
