/*
 * The leases of a quota policy's slots, as far as a batch knows them, by their ends. Calls of a batch may each have a time
 * of their own, so each must find what is over without a look at what is not.
 */
#ifndef FFP_LEASES_H
#define FFP_LEASES_H

#include "rows.h"

/* One that a slot was given. It counts while its slot has no other (slot->lease) and is there. */
typedef struct ffp_lease ffp_lease;
struct ffp_lease {
	int64_t until_ms;
	ffp_item *slot;
	ffp_lease *next; /* while it is put aside */
};

typedef struct ffp_leases {
	ff_arena *arena;
	ffp_lease **heap; /* a binary one, by until_ms: the children of i are 2i + 1 and 2i + 2 */
	size_t count;
	size_t room;
} ffp_leases;

/* Begins anew with none. */
void ffp_leases_clear(ffp_leases *leases, ff_arena *arena);

/* Gives a slot a lease, in place of the one that it may have. False: memory is out. */
bool ffp_leases_give(ffp_leases *leases, ffp_item *slot, int64_t until_ms);

/* How many are over by then, without that of `except`; no more than `enough` are counted, and none where all
 * together are fewer, over or not. */
uint64_t ffp_leases_count_over(ffp_leases *leases, int64_t time_ms, const ffp_item *except, uint64_t enough);

/* Takes out the one that ended first, likewise, and answers its slot; NULL: none is over. */
ffp_item *ffp_leases_take_over(ffp_leases *leases, int64_t time_ms, const ffp_item *except);

#endif
