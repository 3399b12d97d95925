/*
 * A place in an order of a table's rows: the order's columns of the row that a walk saw last, copied, from where its next
 * slice goes on though that row be gone. A cursor is an open transaction's and a position in it; a place needs neither.
 */
#ifndef FFP_PLACE_H
#define FFP_PLACE_H

#include "catalog.h"

#define FFP_PLACE_TEXTS 3
#define FFP_PLACE_TEXT_MAX 256

typedef struct ffp_place {
	bool is_set;
	_Alignas(16) char row[256];
	char texts[FFP_PLACE_TEXTS][FFP_PLACE_TEXT_MAX];
} ffp_place;

/* Sets the place to that of `row` in an order (index NULL: of the key). */
void ffp_place_set(ffp_place *place, const ff_table *table, const ff_index *index, const ff_row *row);

/* Moves the place to that of a row behind it. False: the row lies before it, or there, which it does only in a tree that is
 * out of order; who goes on from there might do so without end. */
bool ffp_place_advance(ffp_place *place, const ff_table *table, const ff_index *index, const ff_row *row);

/* A row with the order's columns set, as long as the place is not moved, changed or gone. */
static inline const ff_row *ffp_place_row(const ffp_place *place)
{
	return (const ff_row *)(const void *)place->row;
}

#endif
