/*
 * What the tests of PostgreSQL have beside the suite's: tables of their own, transactions that want locks, and a person
 * at the server. Each case's store is a schema of its own.
 */
#ifndef FFP_POSTGRES_TEST_H
#define FFP_POSTGRES_TEST_H

#include <libpq-fe.h>

#include "postgres.h"
#include "store.h"
#include "test.h"

extern const ffp_family cases_fork, cases_locks, cases_refusals, cases_sessions, cases_waits;

typedef struct item {
	ff_row row;
	ff_text id;
	int64_t value;
} item;

/* A pair's root is its number, which is not what its key begins with. */
enum { ITEM, PAIR };

extern const ff_catalog items, next_items;

static inline const ff_table *item_table(void)
{
	return &items.tables[ITEM];
}

/* The case's store, by parameters more: "&pool=3". */
ffp_raw *open_with(ff_test *t, const char *params);
/* The same, whose sessions have the schema for a name. */
ffp_raw *open_named(ff_test *t, const char *params);

/* Who finds soon that a lock is taken, also where it is that of a rollback whose answer another did not wait for. */
#define HASTY "&busy_timeout_ms=50"

static inline item x_of(int64_t value)
{
	return (item){ .id = ffp_text_of("x"), .value = value };
}

/* Adds 1, by a load; *value is then what is there, where that is asked for. */
ff_code try_add(ff_test *t, ffp_raw *raw, int64_t *value);
/* Must add, and answers what is there then. */
int64_t add(ff_test *t, ffp_raw *raw);
/* Adds 1 in one round trip, without a load, by what is known. */
ff_code try_add_to(ff_test *t, ffp_raw *raw, int64_t known);
/* Writes it, and commits; what it was is known. */
ff_code change(ff_test *t, ffp_slots_txn *txn, int64_t from, int64_t to);
ff_code store_and_commit(ff_test *t, ffp_slots_txn *txn, const ff_write *writes, size_t count);

/* What a transaction may do with a root, or across all of them. Roots are letters; a pair's is the letter's number. The
 * locks of z, x and y come in this order. */
typedef enum way { ROAMS, GETS, GETS_PAIRS, WALKS, EXPECTS, PUTS, CLEARS, WAYS } way;

/* Loads rows of each letter, and holds their locks. */
ff_code load_each(ff_test *t, ffp_slots_txn *txn, const char *letters, way how);
/* A transaction that has. */
ffp_slots_txn *hold(ff_test *t, ffp_raw *raw, const char *letters, way how);
/* Does all of it in a transaction that has begun, or in a new one, and ends it. */
ff_code touch_in(ff_test *t, ffp_slots_txn *txn, const char *letters, way how);
ff_code touch(ff_test *t, ffp_raw *raw, const char *letters, way how);

/* What somebody at the server does in the case's schema, which must work. He stays until the case's end. */
void run_sql(ff_test *t, const char *sql);
/* Ends the sessions of stores that are named. */
void end_sessions(ff_test *t);
/* Waits until there are so many. */
void await_sessions(ff_test *t, int count);

#endif
