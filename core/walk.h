/* Walks over rows of any number, page by page, within one read transaction and in constant memory. */
#ifndef FFP_WALK_H
#define FFP_WALK_H

#include "engine.h"

/*
 * Told each row, with the policy that it belongs to: the budget's for usage and ledger rows, the quota's for entries
 * and slots; NULL where there is none. Both live until it returns. Any code but FF_OK ends the walk.
 */
typedef ff_code ffp_walk_fn(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context);

/* Every row of a table in key order. */
ff_code ffp_walk_table(ffp_reading *reading, ffp_table_id table, ffp_walk_fn *each, void *context);

/* A quota policy's window entries that are alive, all of its slots, and those whose lease is over, at a time. */
ff_code ffp_count_alive(ffp_reading *reading, ff_text quota_policy_id, int64_t time_ms, uint64_t *count);
ff_code ffp_count_slots(ffp_reading *reading, ff_text quota_policy_id, uint64_t *count);
ff_code ffp_count_over(ffp_reading *reading, ff_text quota_policy_id, int64_t time_ms, uint64_t *count);

#endif
