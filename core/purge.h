/* Purging what is over, slice by slice along a table's keys (FF-MT-1). Pure. */
#ifndef FFP_PURGE_H
#define FFP_PURGE_H

#include "request.h"

/* One slice: deletes rows of slice->table that are over at the request's time. */
extern const ffp_op ffp_op_purge;

/* Reads into slice->next where the walk over slice->table stands, and writes it (or forgets it, where it is
 * not set). */
extern const ffp_op ffp_op_sweep_begin;
extern const ffp_op ffp_op_sweep_end;

#endif
