/*
 * For the cases that drive a backend by its own slots: tables made to be awkward, rows of them, transactions that are
 * aborted by the case's end where the case did not end them, callers that add, and a plain list of rows to compare a
 * store with.
 */
#ifndef FFP_SLOTS_H
#define FFP_SLOTS_H

#include "cases.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* ---- tables ------------------------------------------------------------------------------------------------- */

/* Every type, nullable and not, in keys, indexes and values. */
typedef struct ffp_odd_row {
	ff_row row;
	ff_text a; /* the key: a, b, c */
	int64_t b;
	ff_text c;
	int64_t n; /* or NULL */
	ff_text t; /* or NULL */
	int64_t v;
	ff_text w;
	int64_t x; /* since version 2, as are those below */
	ff_text y; /* or NULL */
	ff_text z;
	int64_t late; /* or NULL; since version 3 */
} ffp_odd_row;

/* Columns of version 1, by place. */
enum { FFP_ODD_A, FFP_ODD_B, FFP_ODD_C, FFP_ODD_N, FFP_ODD_T, FFP_ODD_V, FFP_ODD_W, FFP_ODD_COLUMNS };
enum { FFP_ODD_KEY = 3 };

/* Its indexes, by place. The last one is since version 2. */
enum { FFP_ODD_BY_N, FFP_ODD_BY_V, FFP_ODD_BY_A_T, FFP_ODD_BY_MANY, FFP_ODD_BY_Y_X };

/* A table whose rows are their keys, keyed by a number. */
typedef struct ffp_plain_row {
	ff_row row;
	int64_t id;
	ff_text name;
} ffp_plain_row;

enum { FFP_TABLE_ODD, FFP_TABLE_PLAIN, FFP_TABLE_LATE };

/* Version 2 brings columns between the old ones, an index and a table; version 3 a column and an index more. */
extern const ff_catalog ffp_odd_catalog_1, ffp_odd_catalog_2, ffp_odd_catalog_3;

static inline const ff_table *ffp_odd_table(void)
{
	return &ffp_odd_catalog_1.tables[FFP_TABLE_ODD];
}

static inline const ff_table *ffp_plain_table(void)
{
	return &ffp_odd_catalog_1.tables[FFP_TABLE_PLAIN];
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static inline ff_text ffp_text_of(const char *text)
{
	return (ff_text){ text, strlen(text) };
}

/* A text of `size` bytes in which no two places look alike from near. */
ff_text ffp_text_of_size(ff_test *test, size_t size);

static inline const ffp_odd_row *ffp_odd_of(const ff_row *row)
{
	return (const ffp_odd_row *)(const void *)row;
}

/* A row with key (a, b, c), n and v as given, t "t" and w "w". */
ffp_odd_row ffp_odd(const char *a, int64_t b, const char *c, int64_t v);

/* Equal in state and in all columns of `table`. */
bool ffp_rows_equal(const ff_table *table, const ff_row *a, const ff_row *b);

/* A row as a line of text, and a check that `got` is there and equal to `want`, which tells both. */
const char *ffp_show_row(ff_test *test, const ff_table *table, const ff_row *row);
bool ffp_check_row(ff_test *test, const ff_table *table, const ff_row *got, const ff_row *want, const char *file,
                   int line);
#define FFP_CHECK_ROW(test, table, got, want) ffp_check_row((test), (table), (got), (want), __FILE__, __LINE__)

/* ---- transactions ------------------------------------------------------------------------------------------- */

typedef struct ffp_slots_txn {
	ffp_raw *raw;
	ff_txn *txn;
} ffp_slots_txn;

/* The case's store by the catalog's version 1, for writing. */
ffp_raw *ffp_odd_open(ff_test *test);

ffp_slots_txn *ffp_slots_begin(ff_test *test, ffp_raw *raw, ff_txn_kind kind);        /* must begin */
void ffp_slots_load(ff_test *test, ffp_slots_txn *txn, ff_read *reads, size_t count); /* must load */

/* And those that may fail, whose error records are looked at where they do. */
ff_code ffp_slots_try_begin(ff_test *test, ffp_raw *raw, ff_txn_kind kind, ff_txn **txn);
ff_code ffp_slots_try_load(ff_test *test, ffp_slots_txn *txn, ff_read *reads, size_t count);
ff_code ffp_slots_store(ff_test *test, ffp_slots_txn *txn, const ff_write *writes, size_t count);
ff_code ffp_slots_commit(ff_test *test, ffp_slots_txn *txn); /* the transaction is over, and given back */
void ffp_slots_abort(ff_test *test, ffp_slots_txn *txn);

/* For threads, which have no test to fail: ends a write transaction, commits what was stored well; and whether it may be
 * tried again. */
ff_code ffp_slots_end_write(const ffp_raw *raw, ff_txn *txn, ff_code stored, ff_error *error);
bool ffp_is_contention(ff_code code);

/* One row by its key, within a transaction. */
ff_row *ffp_slots_load_row(ff_test *test, ffp_slots_txn *txn, const ff_table *table, const ff_row *key);

/* Whole transactions, which must succeed: `after` replaces what is there, or the row of that key goes. */
void ffp_slots_put(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *after);
void ffp_slots_delete(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *key);
void ffp_slots_read(ff_test *test, ffp_raw *raw, ff_read *reads, size_t count);
ff_row *ffp_slots_get(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *key);

/* Rows in an order (the key's where `index` is NULL), all of them. */
ff_read ffp_slots_all(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_index *index);

/* That every index holds the rows of its table that belong in it, in order, and `check` finds nothing. */
void ffp_slots_check_indexes(ff_test *test, ffp_raw *raw, const ff_table *table);

/* ---- rows that are counted ---------------------------------------------------------------------------------- */

/* Puts the row that has this number in its key, in n and in v. */
void ffp_odd_put_numbered(ff_test *test, ffp_raw *raw, int64_t number);

/* How many rows there are for a transaction, and how many are committed. */
size_t ffp_odd_count_in(ff_test *test, ffp_slots_txn *txn);
size_t ffp_odd_count(ff_test *test, ffp_raw *raw);

/* ---- threads and processes that add ------------------------------------------------------------------------- */

/* An arena for who has no test to take from, of a size that what it loads fits into. */
typedef struct ffp_own_arena {
	ff_arena arena;
	max_align_t room[512];
} ffp_own_arena;

ff_arena *ffp_own_arena_clear(ffp_own_arena *own);

enum { FFP_ADDERS = 8, FFP_ADDS = 25 };

/* As the adder of that number, of FFP_ADDERS: adds 1 to a row that all share and puts a row of its own, FFP_ADDS times.
 * Makes no checks. And the check that all of them have done so. */
ff_code ffp_odd_add_many(const ffp_raw *raw, unsigned adder);
void ffp_odd_check_sum(ff_test *test, ffp_raw *raw);

/* ---- a list of rows ----------------------------------------------------------------------------------------- */

enum { FFP_ODD_LIST_MAX = 600, FFP_ODD_TEXTS = 33 };

/* Texts in no order. Some are such as somebody on the way may decode, fold or strip. */
extern const char *const ffp_odd_texts[FFP_ODD_TEXTS];

/* A row of few different values, and a range of any shape between two of such rows, which it points to. */
ffp_odd_row ffp_odd_random(ff_test *test);
ff_read ffp_odd_random_range(ff_test *test, const ff_index *index, ffp_odd_row *low, ffp_odd_row *high);

/* What a store is compared with: its rows, in no order. */
typedef struct ffp_odd_list {
	ffp_odd_row rows[FFP_ODD_LIST_MAX];
	size_t count;
} ffp_odd_list;

/* `count` random rows, different by their keys, in the list and in the empty store. */
ffp_odd_list *ffp_odd_list_fill(ff_test *test, ffp_raw *raw, size_t count);

/* The row of that key, or NULL; and whether a row is in a range. */
ffp_odd_row *ffp_odd_list_find(ffp_odd_list *in, const ffp_odd_row *key);
bool ffp_odd_is_in_range(const ff_read *read, const ff_row *row);

/* That a range was answered the list's rows, in order. And all rows by the key and by each index, and nothing else. */
void ffp_odd_list_check(ff_test *test, const ffp_odd_list *of, const ff_read *read);
void ffp_odd_list_check_all(ff_test *test, ffp_raw *raw, const ffp_odd_list *of);

#endif
