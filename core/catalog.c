/* The catalog: ties each row struct of catalog.h to the names and types by which a store keeps it. */
#include "catalog.h"

#define COLUMN(struct_, field, type_, nullable_)                                               \
	{                                                                                      \
		.name = #field, .offset = (uint16_t)offsetof(struct_, field), .type = (type_), \
		.nullable = (nullable_), .since = 1                                            \
	}
#define INT(struct_, field) COLUMN(struct_, field, FF_TYPE_INT64, 0)
#define INT_OR_NULL(struct_, field) COLUMN(struct_, field, FF_TYPE_INT64, 1)
#define TEXT(struct_, field) COLUMN(struct_, field, FF_TYPE_TEXT, 0)
#define TEXT_OR_NULL(struct_, field) COLUMN(struct_, field, FF_TYPE_TEXT, 1)

static const ff_column budget_policy[] = {
	TEXT(ffp_budget_row, budget_id),
	TEXT(ffp_budget_row, policy_json),
	TEXT(ffp_budget_row, scope_type),
	TEXT(ffp_budget_row, scope_id),
	TEXT(ffp_budget_row, enforcement_mode),
	INT(ffp_budget_row, breach_count),
	INT(ffp_budget_row, soft_breach_count),
	INT_OR_NULL(ffp_budget_row, last_breach_at_ms),
	TEXT_OR_NULL(ffp_budget_row, last_breach_dim),
	INT_OR_NULL(ffp_budget_row, next_reset_at_ms),
	INT(ffp_budget_row, created_at_ms),
	INT(ffp_budget_row, updated_at_ms),
	INT(ffp_budget_row, period),
};

static const ff_index budget_policy_indexes[] = {
	[FFP_BUDGET_BY_NEXT_RESET] = { .name = "ff_budget_policy_by_next_reset",
	                               .columns = { FFP_BUDGET_NEXT_RESET_AT },
	                               .columns_count = 1,
	                               .since = 1 },
};

static const ff_column budget_usage[] = {
	TEXT(ffp_usage_row, budget_id),    TEXT(ffp_usage_row, dimensions_key), INT(ffp_usage_row, current_value),
	INT(ffp_usage_row, updated_at_ms), INT(ffp_usage_row, period),
};

static const ff_column budget_usage_dedup[] = {
	TEXT(ffp_key_row, dedup_key),     TEXT(ffp_key_row, budget_id),    TEXT(ffp_key_row, outcome_json),
	INT(ffp_key_row, payload_digest), INT(ffp_key_row, applied_at_ms), INT(ffp_key_row, expires_at_ms),
};

static const ff_column budget_usage_by_exec[] = {
	TEXT(ffp_ledger_row, budget_id),  TEXT(ffp_ledger_row, execution_id), TEXT(ffp_ledger_row, dimensions_key),
	INT(ffp_ledger_row, delta_total), INT(ffp_ledger_row, updated_at_ms), INT(ffp_ledger_row, period),
};

static const ff_column quota_policy[] = {
	TEXT(ffp_quota_row, quota_policy_id),
	INT(ffp_quota_row, requests_per_window_seconds),
	INT(ffp_quota_row, max_requests_per_window),
	INT(ffp_quota_row, active_concurrency_cap),
	INT(ffp_quota_row, active_concurrency),
	INT(ffp_quota_row, next_entry),
	INT(ffp_quota_row, latest_ms),
	INT(ffp_quota_row, created_at_ms),
	INT(ffp_quota_row, updated_at_ms),
	INT(ffp_quota_row, limits_stored),
};

static const ff_column quota_window[] = {
	TEXT(ffp_entry_row, quota_policy_id), INT(ffp_entry_row, entry),         TEXT(ffp_entry_row, execution_id),
	INT(ffp_entry_row, admitted_at_ms),   INT(ffp_entry_row, expires_at_ms),
};

static const ff_column quota_admitted[] = {
	TEXT(ffp_slot_row, quota_policy_id),       TEXT(ffp_slot_row, execution_id),
	INT(ffp_slot_row, admitted_at_ms),         INT(ffp_slot_row, expires_at_ms),
	INT_OR_NULL(ffp_slot_row, lease_until_ms),
};

static const ff_index quota_admitted_indexes[] = {
	[FFP_SLOT_BY_LEASE] = { .name = "ff_quota_admitted_by_lease",
	                        .columns = { 0, FFP_SLOT_LEASE_UNTIL },
	                        .columns_count = 2,
	                        .since = 1 },
};

static const ff_column sweep[] = {
	TEXT(ffp_sweep_row, work),
	TEXT(ffp_sweep_row, last_text_1),
	TEXT(ffp_sweep_row, last_text_2),
	INT(ffp_sweep_row, last_number),
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define TABLE(id_, name_, struct_, columns_, key_count_)                                                       \
	.name = (name_), .columns = (columns_), .row_size = sizeof(struct_), .columns_count = COUNT(columns_), \
	.key_count = (key_count_), .id = (id_), .since = 1
#define INDEXES(indexes_) .indexes = (indexes_), .indexes_count = COUNT(indexes_)

static const ff_table tables[FFP_TABLES_COUNT] = {
	[FFP_BUDGET_POLICY] = { TABLE(FFP_BUDGET_POLICY, "ff_budget_policy", ffp_budget_row, budget_policy, 1),
	                        INDEXES(budget_policy_indexes) },
	[FFP_BUDGET_USAGE] = { TABLE(FFP_BUDGET_USAGE, "ff_budget_usage", ffp_usage_row, budget_usage, 2) },
	[FFP_BUDGET_USAGE_DEDUP] = { TABLE(FFP_BUDGET_USAGE_DEDUP, "ff_budget_usage_dedup", ffp_key_row,
	                                   budget_usage_dedup, 2),
	                             .root = 1 },
	[FFP_BUDGET_USAGE_BY_EXEC] = { TABLE(FFP_BUDGET_USAGE_BY_EXEC, "ff_budget_usage_by_exec", ffp_ledger_row,
	                                     budget_usage_by_exec, 3) },
	[FFP_QUOTA_POLICY] = { TABLE(FFP_QUOTA_POLICY, "ff_quota_policy", ffp_quota_row, quota_policy, 1) },
	[FFP_QUOTA_WINDOW] = { TABLE(FFP_QUOTA_WINDOW, "ff_quota_window", ffp_entry_row, quota_window, 2) },
	[FFP_QUOTA_ADMITTED] = { TABLE(FFP_QUOTA_ADMITTED, "ff_quota_admitted", ffp_slot_row, quota_admitted, 2),
	                         INDEXES(quota_admitted_indexes) },
	[FFP_SWEEP] = { TABLE(FFP_SWEEP, "ff_sweep", ffp_sweep_row, sweep, 1) },
};

_Static_assert(FFP_TABLES_COUNT <= FF_TABLES_MAX, "backends keep tables in masks");

const ff_catalog ffp_catalog = { .tables = tables, .tables_count = FFP_TABLES_COUNT, .version = 1 };
