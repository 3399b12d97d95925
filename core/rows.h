/*
 * The rows that a batch works on: each once, however many of its requests touch it. A request asks for a row and gets
 * its item (a transaction's data item): the row as it was loaded, and as it is now. What is pending is loaded for the
 * whole batch at once; the rules read and change rows in memory; what changed is stored. Every function that answers
 * NULL or false does so because memory is out, and for no other reason.
 */
#ifndef FFP_ROWS_H
#define FFP_ROWS_H

#include "catalog.h"
#include "recall.h"

typedef struct ffp_item ffp_item;
struct ffp_item {
	const ff_table *table;
	const ff_row *key;    /* the key columns alone; those that it is asked for by are set */
	const ff_row *before; /* as it was loaded; NULL: absent */
	const ff_row *after;  /* as it is now; NULL: absent */
	ffp_item *members;    /* of a group: its rows */
	ffp_item *next_member;
	ffp_item *next_in_bucket;
	uint64_t hash;
	void *memo; /* what a rule has made of the row; where it is remembered, room for that beside it */
	union {
		const void *asker;             /* of a budget: the last report of the batch that planned with it */
		struct ffp_quota_calls *calls; /* of a quota policy: what those of the batch share */
		ffp_item *group;               /* of one that was let go: whose member it was */
		const struct ffp_lease *lease; /* of a quota's slot: the one that it has, where leases are sorted */
	};
	uint8_t columns; /* of the key: all of them, or for a group fewer */
	bool whole;      /* of a group: all of its rows are loaded */
	bool loaded;
	bool changed; /* `after` is a copy of the batch's own, or the row was deleted */
	bool is_member;
	bool is_let_go;
	bool trusted;   /* taken for absent, unseen */
	bool recalled;  /* remembered from an earlier batch */
	uint32_t limit; /* of a group: so many of its rows are asked for */
};

/* A bounded look along an order, as the store has it; the items hold the rows as the batch has them by now. */
typedef struct ffp_scan ffp_scan;
struct ffp_scan {
	ff_read read; /* with what it brought, once it is loaded */
	ffp_item **items;
	size_t items_count;
	bool loaded;
	ffp_scan *next;
};

typedef struct ffp_rows {
	ff_arena *arena;
	const ffp_recall *recall; /* rows that need not be loaded; or NULL */
	uint64_t seed;            /* of the hashes of keys */
	ffp_item **buckets;
	ffp_item **items;
	ffp_item **pending; /* those that were asked for and are not loaded yet */
	size_t items_count;
	size_t pending_count;
	size_t room;      /* of each of the three arrays, a power of two */
	unsigned reverts; /* how often every change was undone */
	ffp_scan *pending_scans;
	ff_write *table_deletes; /* one for each table that is to be emptied */
	size_t table_deletes_count;
} ffp_rows;

/* Begins with none; room for `expected` items is there from the start. What is to be recalled was kept under the same
 * seed. */
bool ffp_rows_init(ffp_rows *rows, ff_arena *arena, uint64_t seed, size_t expected);

/* The item of the row with the key columns of `key`, which is copied; its texts must live as long as the batch. */
ffp_item *ffp_rows_get(ffp_rows *rows, ffp_table_id table, const ff_row *key);

/*
 * A group of rows that share the first `columns` key columns. Up to `limit` of its rows are loaded, or of the largest that
 * it was asked for with: UINT32_MAX is all, and with 0 it only gathers the items that are asked for through it. Where
 * there were no more than that it is whole, and a member that was not there is absent.
 */
ffp_item *ffp_rows_group(ffp_rows *rows, ffp_table_id table, const ff_row *key, uint8_t columns, uint32_t limit);
ffp_item *ffp_rows_get_member(ffp_rows *rows, ffp_item *group, const ff_row *key);

/* Lets all members go, so that nobody walks over them again before they join anew, each by itself. A revert brings them
 * back. */
void ffp_rows_let_go(ffp_item *group);
void ffp_rows_join(ffp_item *group, ffp_item *item);

/* A scan; its bounds must live as long as the batch. */
ffp_scan *ffp_rows_scan(ffp_rows *rows, const ff_read *read);

/* As ffp_rows_get for a row that is very likely absent: it is taken for so unseen, and where it is there after all the
 * store answers CONFLICT to its insert. */
ffp_item *ffp_rows_trust(ffp_rows *rows, ffp_table_id table, const ff_row *key);

/* Asks in earnest for a row that was taken for absent. False: it was not, and there is no doubt. */
bool ffp_rows_doubt(ffp_rows *rows, ffp_item *item);

/* The row to change: a copy of the one that is there, or a new one with its key set. */
ff_row *ffp_rows_change(ffp_rows *rows, ffp_item *item);
void ffp_rows_delete(ffp_item *item);

/* Deletes every row of a table that the store has, unseen. */
bool ffp_rows_delete_table(ffp_rows *rows, ffp_table_id table);

/* What is known of rows now that a batch is over, for the next: all of it holds. */
void ffp_rows_remember(const ffp_rows *rows, ffp_recall *recall);

/* Asks in earnest for the rows that were remembered. */
void ffp_rows_doubt_recalled(ffp_rows *rows);

/* Those rows, as reads with their answers, in key order. */
bool ffp_rows_recalled(ffp_rows *rows, ff_read **reads, size_t *count);

/* Undoes every change. */
void ffp_rows_revert(ffp_rows *rows);

/* Whether something was asked for that is not loaded yet. */
bool ffp_rows_are_pending(const ffp_rows *rows);

/* By table id and then by key (sort.c). */
bool ffp_items_sort(ffp_item **items, size_t count, ff_arena *arena);

/* The reads of all that is pending, rows in key order; and their answers put in place. */
bool ffp_rows_reads(ffp_rows *rows, ff_read **reads, size_t *count);
bool ffp_rows_loaded(ffp_rows *rows, const ff_read *reads);

/* The writes of all that changed, in the order that backends want. */
bool ffp_rows_writes(ffp_rows *rows, ff_write **writes, size_t *count);

#endif
