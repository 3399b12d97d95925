/*
 * The tables of a store, once: a C struct a row for the rules, and the descriptors by which a backend keeps it. The two
 * are tied by offsetof in catalog.c. Columns that begin a struct are its key, in key order.
 *
 * Every key contains its root (a budget id or a quota policy id), so that a store can be partitioned by it.
 */
#ifndef FFP_CATALOG_H
#define FFP_CATALOG_H

#include <ff/backend.h>

typedef enum ffp_table_id {
	FFP_BUDGET_POLICY,
	FFP_BUDGET_USAGE,
	FFP_BUDGET_USAGE_DEDUP,
	FFP_BUDGET_USAGE_BY_EXEC,
	FFP_QUOTA_POLICY,
	FFP_QUOTA_WINDOW,
	FFP_QUOTA_ADMITTED,
	FFP_SWEEP,
	FFP_TABLES_COUNT
} ffp_table_id;

extern const ff_catalog ffp_catalog;

static inline const ff_table *ffp_table(ffp_table_id id)
{
	return &ffp_catalog.tables[id];
}

/* ff_budget_policy: a budget's limits and state. */
typedef struct ffp_budget_row {
	ff_row row;
	ff_text budget_id;
	ff_text policy_json;
	ff_text scope_type;
	ff_text scope_id;
	ff_text enforcement_mode;
	int64_t breach_count;
	int64_t soft_breach_count;
	int64_t last_breach_at_ms; /* NULL: none in this period */
	ff_text last_breach_dim;   /* NULL: none in this period */
	int64_t next_reset_at_ms;  /* NULL: never */
	int64_t created_at_ms;
	int64_t updated_at_ms;
	int64_t period; /* 0, then one more at each reset, scheduled or asked for */
} ffp_budget_row;

enum { FFP_BUDGET_LAST_BREACH_AT = 7, FFP_BUDGET_LAST_BREACH_DIM = 8, FFP_BUDGET_NEXT_RESET_AT = 9 };

/* The orders beside the keys', by their place in the table's indexes. */
enum { FFP_BUDGET_BY_NEXT_RESET = 0, FFP_SLOT_BY_LEASE = 0 };

/* ff_budget_usage: counts in its period only; in any other it reads 0. */
typedef struct ffp_usage_row {
	ff_row row;
	ff_text budget_id;
	ff_text dimensions_key;
	int64_t current_value;
	int64_t updated_at_ms;
	int64_t period;
} ffp_usage_row;

/* ff_budget_usage_dedup: an idempotency key and the outcome that it answers. The key comes first, so that keys in order
 * of time append, however many budgets there are. */
typedef struct ffp_key_row {
	ff_row row;
	ff_text dedup_key;
	ff_text budget_id;
	ff_text outcome_json;
	int64_t payload_digest;
	int64_t applied_at_ms;
	int64_t expires_at_ms; /* from this instant on the row is as if it were not there; 0: it never was (fate.c) */
} ffp_key_row;

/* ff_budget_usage_by_exec: the ledger; counts in its period only. */
typedef struct ffp_ledger_row {
	ff_row row;
	ff_text budget_id;
	ff_text execution_id;
	ff_text dimensions_key;
	int64_t delta_total;
	int64_t updated_at_ms;
	int64_t period;
} ffp_ledger_row;

/* ff_quota_policy */
typedef struct ffp_quota_row {
	ff_row row;
	ff_text quota_policy_id;
	int64_t requests_per_window_seconds; /* the window */
	int64_t max_requests_per_window;
	int64_t active_concurrency_cap;
	int64_t active_concurrency; /* slots in ff_quota_admitted, also those whose lease is over */
	int64_t next_entry;         /* the number that the next window entry gets, from 0 */
	int64_t latest_ms;          /* the latest time that an admission or release had (FF-CLK-4) */
	int64_t created_at_ms;
	int64_t updated_at_ms;
	int64_t limits_stored; /* 0: admissions brought their own limits, and no policy was ever created */
} ffp_quota_row;

/* ff_quota_window: an admission in its sliding window. */
typedef struct ffp_entry_row {
	ff_row row;
	ff_text quota_policy_id;
	int64_t entry;
	ff_text execution_id;
	int64_t admitted_at_ms;
	int64_t expires_at_ms; /* the window of the call that admitted it */
} ffp_entry_row;

/* ff_quota_admitted: the concurrency slot that an execution holds. The row is the slot. */
typedef struct ffp_slot_row {
	ff_row row;
	ff_text quota_policy_id;
	ff_text execution_id;
	int64_t admitted_at_ms;
	int64_t expires_at_ms;  /* of the window entry that came with it */
	int64_t lease_until_ms; /* from this instant on the slot is free; NULL: it is held until it is released */
} ffp_slot_row;

enum { FFP_SLOT_LEASE_UNTIL = 4 };

/* ff_sweep: where work that goes on from one transaction to the next stands: tick's walk over a table's keys, and an
 * import that is under way. */
typedef struct ffp_sweep_row {
	ff_row row;
	ff_text work;        /* the table's name, or "import" */
	ff_text last_text_1; /* the key of the last row that was looked at: its first text, its second, its number */
	ff_text last_text_2;
	int64_t last_number;
} ffp_sweep_row;

/* What would end later than there is time ends with it. */
static inline int64_t ffp_add_saturated(int64_t a, int64_t b)
{
	int64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* What ends at an instant is over from it on: a key, a window entry, a lease. */
static inline bool ffp_is_over(int64_t end_ms, int64_t time_ms)
{
	return end_ms <= time_ms;
}

#endif
