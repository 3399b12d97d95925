/* The answer of a RANGE, for stores that learn only on the way how many rows it has. */
#ifndef FFP_READ_H
#define FFP_READ_H

#include <ff/backend.h>

/* Makes room for one row more than `rows_count`, which is below the read's limit; *capacity begins as 0. False: memory is
 * out. */
bool ffp_read_reserve(ff_arena *arena, ff_read *read, size_t *capacity);

#endif
