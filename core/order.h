/* Orders of rows, and what lies in them, beside what backend.h has of it. */
#ifndef FFP_ORDER_H
#define FFP_ORDER_H

#include <ff/backend.h>

/* Whether a row belongs to a range, by its columns alone. */
bool ffp_range_holds(const ff_read *read, const ff_row *row);

#endif
