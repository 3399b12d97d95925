/* Purging what is over, slice by slice along a table's keys (FF-MT-1). Pure. */
#ifndef FFP_PURGE_H
#define FFP_PURGE_H

#include "request.h"

/* One slice: deletes rows of slice->table that are over at the request's time. */
extern const ffp_op ffp_op_purge;

/* Reads into slice->low, and writes from there (or forgets, without has_low), where the walk over slice->table stands.
 */
extern const ffp_op ffp_op_sweep_begin;
extern const ffp_op ffp_op_sweep_end;

/* Copies a text of a row into a cursor's field. */
void ffp_cursor_set_text(char field[257], ff_text text);

/* A cursor at a row, and the row of key columns at a cursor. NULL: memory is out. The row borrows the cursor's texts.
 */
void ffp_cursor_set(ffp_cursor *cursor, const ff_table *table, const ff_row *row);
ff_row *ffp_cursor_row(const ffp_cursor *cursor, const ff_table *table, ff_arena *arena);

#endif
