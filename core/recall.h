/*
 * The cache of rows: those that are remembered from one batch to the next, where the store says that nobody else has written
 * meanwhile, or will see to it that they are still so (ff_engine_backend.expect). They are policies and usage, which nearly
 * every call needs and which are few beside idempotency keys. One thread at a time.
 */
#ifndef FFP_RECALL_H
#define FFP_RECALL_H

#include "catalog.h"

/* Rows that an engine's first lane keeps at the most, and its others together, and the size of one. */
#define FFP_RECALL_PLACES 16384
#define FFP_RECALL_SIZE_MAX 2048
#define FFP_RECALL_MEMO_SIZE 32

typedef struct ffp_recalled ffp_recalled;
typedef struct ffp_recall_place ffp_recall_place;

typedef struct ffp_recall {
	const ff_allocator *allocator;
	ffp_recall_place *places; /* by the key's hash; NULL before the first row is kept */
	size_t places_count;      /* 8 at least; set with the allocator */
	uint64_t era;             /* of the rows that count; those of earlier ones are forgotten */
} ffp_recall;

void ffp_recall_free(ffp_recall *recall);

/* Whether rows of a table are worth it. */
bool ffp_recall_keeps(const ff_table *table);

/* The row with a key, which holds until the next is remembered; NULL where it is not. *memo is room beside it for what is
 * made of it, cleared, which stays as long as the row's texts do. */
const ff_row *ffp_recall_find(const ffp_recall *recall, const ff_table *table, const ff_row *key, uint64_t hash,
                              void **memo);

/* Remembers a row, which is copied; where memory is out or the row is too large, it forgets the key instead. The row's
 * texts may be those of the one that was found for the same key. */
void ffp_recall_keep(ffp_recall *recall, const ff_table *table, const ff_row *row, uint64_t hash);
void ffp_recall_forget(ffp_recall *recall, uint64_t hash);

/* Forgets everything. Constant time. */
void ffp_recall_clear(ffp_recall *recall);

#endif
