/* What a write changes, for stores that write columns. */
#ifndef FFP_CHANGES_H
#define FFP_CHANGES_H

#include <ff/backend.h>

/* The value columns that differ between `before` and `after`, as a mask; all where the stored row cannot be trusted. */
uint32_t ffp_changed_columns(const ff_write *write);

#endif
