/*
 * broken: a backend that wraps another and is wrong in one named way, so that the suite can be seen to fail it:
 *
 *     broken+sqlite:PATH?fault=put_dropped&durability=none
 *
 * A fault is a row of a table: hooks into what passes through the slots, where it has them, and else nothing. Without
 * hooks everything is forwarded as it is (fault=none).
 */
#ifndef BROKEN_H
#define BROKEN_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <ff/backend.h>

typedef struct ff_store broken_store; /* the instance of an open store */
typedef struct broken_fault broken_fault;

/* Slots whose errors a fault may change. */
typedef enum broken_slot { BROKEN_OPEN, BROKEN_BEGIN, BROKEN_LOAD, BROKEN_STORE, BROKEN_COMMIT } broken_slot;

struct broken_fault {
	const char *name;
	uint64_t claims; /* capabilities beyond those of the wrapped store */

	/* Changes what the wrapped store is opened with; `config` is a copy. */
	void (*configure)(broken_store *store, ff_store_config *config);
	/* In place of the wrapped open. */
	ff_code (*open)(broken_store *store, ff_store_config *config, ff_error *error);
	/* After an open that was done well, and before the wrapped close. */
	void (*opened)(broken_store *store);
	void (*closing)(broken_store *store);
	void (*limits)(broken_store *store, ff_store_limits *limits);

	/* In place of the wrapped slot. */
	ff_code (*begin)(ff_txn *txn, ff_error *error);
	ff_code (*load)(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
	ff_code (*store)(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error);
	ff_code (*commit)(ff_txn *txn, ff_error *error);
	void (*abort)(ff_txn *txn);
	bool (*is_untouched)(ff_txn *txn);
	/* Changes which rows are expected. */
	void (*expect)(ff_txn *txn);
	/* Whether a row (NULL: gone) is as it is expected to be, in place of a comparison of all columns. */
	bool (*as_expected)(const ff_read *expected, const ff_row *found);
	ff_code (*check)(broken_store *store, ff_problem_fn *problem, void *context, ff_error *error);

	/* Changes a read before it is passed on (a copy), and its answer before it is handed out. */
	void (*ask)(ff_txn *txn, ff_read *read);
	void (*answer)(ff_txn *txn, ff_arena *arena, ff_read *read);
	/* Changes each row that is handed out. */
	void (*row)(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row);
	/* Changes a write before it is passed on (a copy); false drops it. */
	bool (*write)(ff_txn *txn, ff_write *write);
	/* After a commit that was done well; txn->writes are those that were stored. */
	void (*committed)(ff_txn *txn);
	/* What a slot's error becomes. */
	ff_code (*failed)(broken_slot slot, ff_code code, ff_error *error);
};

/* Memory for as long as a store is open, or a transaction. */
typedef struct broken_arena {
	ff_arena arena; /* first: a pointer to it is one to the whole */
	void *blocks;
} broken_arena;

/* A row that an index answers though it should not, or hides. */
typedef struct broken_entry {
	struct broken_entry *next;
	const ff_table *table;
	ff_row *row;
} broken_entry;

struct ff_store {
	const ff_engine_backend *inner;
	ff_store *inner_store;
	const ff_allocator *allocator;
	const broken_fault *fault;
	pthread_mutex_t lock;
	unsigned turn;         /* counts what happens now and then */
	broken_entry *entries; /* of a fault's */
	ff_txn *kept;          /* a fault's transaction of the wrapped store */
	ff_txn *writer;        /* the write transaction under way */
	unsigned readers;      /* read transactions under way */
	atomic_bool locked;    /* by a fault, for writers */
	const ff_catalog *asked;
	uint32_t flags;
	ff_catalog catalog; /* a fault's changed one */
	void *memory;       /* a block of a fault's */
	int descriptor;     /* likewise */
	const ff_write *waiting;
	size_t waiting_count;
	broken_arena arena; /* of what lives as long as the store is open */
};

struct ff_txn {
	broken_store *store;
	ff_txn *inner;
	ff_txn_kind kind;
	ff_txn *side; /* a fault's second one */
	unsigned loads;
	bool failed; /* its load or store did */
	const ff_write *held;
	size_t held_count;
	const ff_read *expected; /* rows that are compared when it stores or else commits */
	size_t expected_count;
	bool looks_when_stored; /* and only then */
	const ff_write *writes; /* as stored */
	size_t writes_count;
	ff_read *answered; /* by the loads so far */
	size_t answered_count;
	broken_arena arena;
};

extern const ff_engine_backend broken_backend;

/* The process that runs the suite: faults between processes tell others by it. */
extern pid_t broken_home;

/* The faults, family by family; the i-th, or NULL past the last. */
typedef struct broken_family {
	const broken_fault *faults;
	size_t count;
} broken_family;

extern const broken_family broken_ranges, broken_rows, broken_memory, broken_writes, broken_transactions, broken_expect,
    broken_stores;

const broken_fault *broken_fault_at(size_t i);

#define FAULT(name_, ...)                    \
	{                                    \
		.name = (name_), __VA_ARGS__ \
	}
#define FAMILY(family, table) const broken_family family = { (table), sizeof(table) / sizeof(*(table)) }

/* ---- what faults share -------------------------------------------------------------------------------------- */

/* Memory in an arena, cleared, and a copy of a row with its texts. Ends the program where there is none: it is a test. */
void *broken_take(ff_arena *arena, size_t size);
ff_row *broken_copy(ff_arena *arena, const ff_table *table, const ff_row *row);

/* Whether two cells are the same; and all the columns of two rows. */
bool broken_same_cell(const ff_table *table, unsigned column, const ff_row *a, const ff_row *b);
bool broken_same_row(const ff_table *table, const ff_row *a, const ff_row *b);

/* A hook of more than one family. */
void broken_say_durable(broken_store *store, ff_store_limits *limits);

/* Whether this is the n-th time that it happens in this store, the 2n-th … */
bool broken_every(ff_txn *txn, unsigned n);

/* The wrapped slots. */
ff_code broken_open(broken_store *store, const ff_store_config *config, ff_error *error);
void broken_close(broken_store *store);
ff_code broken_inner_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
ff_code broken_inner_begin(ff_txn *txn, ff_txn_kind kind, ff_txn **inner, ff_error *error);
void broken_inner_abort(ff_txn *txn, ff_txn *inner);

/* All rows of a table in an order, by the wrapped store; whether it could. */
bool broken_load_all(ff_txn *txn, ff_arena *arena, const ff_table *table, const ff_index *index, ff_read *all);

/* The row of a key, by the wrapped store, or NULL. */
ff_row *broken_load_row(ff_txn *txn, ff_arena *arena, const ff_table *table, const ff_row *key);

/* Whether a range of its kind holds the row; by a plain comparison. */
bool broken_is_in_range(const ff_read *read, const ff_row *row);

/* Compares columns first … end of a read's order. */
int broken_compare(const ff_read *read, const ff_row *a, const ff_row *b, unsigned first, unsigned end);

/* Sorts a read's rows by `order`, stably. */
void broken_sort(ff_read *read, int (*order)(const ff_read *read, const ff_row *a, const ff_row *b));

bool broken_same_key(const ff_table *table, const ff_row *a, const ff_row *b);

/* Remembers a row in store->entries, and finds one by its key. Under the store's lock. */
void broken_entry_add(broken_store *store, const ff_table *table, const ff_row *row);
bool broken_entry_has(broken_store *store, const ff_table *table, const ff_row *row);

#endif
