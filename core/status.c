/* get_budget_status and the list of budgets: one snapshot, laid out in one piece of memory (FF-GS). */
#include "arena.h"
#include "budget.h"
#include "engine.h"
#include "result.h"
#include "text.h"

/* A budget with its usage, as it was read. */
typedef struct budget_view {
	ffp_budget budget;
	ff_read usage;
} budget_view;

static ff_read usage_of(const ffp_budget_row *budget, ffp_usage_row *key)
{
	*key = (ffp_usage_row){ .budget_id = budget->budget_id };
	return (ff_read){ .table = ffp_table(FFP_BUDGET_USAGE),
		          .kind = FF_READ_RANGE,
		          .equal_count = 1,
		          .limit = UINT32_MAX,
		          .low = &key->row };
}

/* Reads the usage of `count` policy rows at once, and looks at each budget at the reading's time. */
static ff_code view_budgets(ffp_reading *reading, ff_row *const *rows, size_t count, budget_view **views)
{
	*views = ffp_arena_array(reading->arena, count, sizeof(**views));
	ffp_usage_row *keys = ffp_arena_array(reading->arena, count, sizeof(*keys));
	ff_read *reads = ffp_arena_array(reading->arena, count, sizeof(*reads));
	/* A kept policy holds until the next one is asked for, so those of a page are parsed into the arena. */
	ffp_policies *policies = count == 1 ? reading->policies : NULL;
	if (!*views || !keys || !reads)
		return ff_error_set(reading->error, FF_E_NO_MEMORY, "out of memory for a status");
	for (size_t i = 0; i < count; i++) {
		const ffp_budget_row *row = (const ffp_budget_row *)rows[i];
		const char *fault = "";
		budget_view *view = &(*views)[i];
		ff_code code = ffp_budget_at(row, reading->now_ms, policies, reading->arena, &view->budget, &fault);
		if (code == FF_E_CORRUPT)
			return ffp_error_corrupt(reading->error, "budget", row->budget_id, fault);
		if (code != FF_OK)
			return ff_error_set(reading->error, code, "out of memory for a status");
		reads[i] = usage_of(row, &keys[i]);
	}
	ff_code code = ffp_load(&reading->txn, reading->arena, reads, count, reading->error);
	for (size_t i = 0; i < count; i++)
		(*views)[i].usage = reads[i];
	return code;
}

/* ---- laying out --------------------------------------------------------------------------------------------- */

static ff_code pack_usage(ffp_packer *packer, const budget_view *view, ff_budget_status *status, ff_error *error)
{
	ff_amount *usage = ffp_pack(packer, view->usage.rows_count, sizeof(*usage));
	for (size_t i = 0; i < view->usage.rows_count; i++) {
		const ffp_usage_row *row = (const ffp_usage_row *)view->usage.rows[i];
		int64_t value;
		if (!ffp_usage_in(row, view->budget.period.number, &value))
			return ffp_error_corrupt(error, "budget", row->budget_id, "usage that cannot be trusted");
		const char *dimension = ffp_pack_text(packer, row->dimensions_key);
		if (usage)
			usage[i] = (ff_amount){ dimension, (uint64_t)value };
	}
	status->usage = usage;
	status->usage_count = view->usage.rows_count;
	return FF_OK;
}

static void pack_limits(ffp_packer *packer, const ffp_policy *policy, ff_budget_status *status)
{
	ff_limit *limits = ffp_pack(packer, policy->limits_count, sizeof(*limits));
	for (size_t i = 0; i < policy->limits_count; i++) {
		const ffp_policy_limit *limit = &policy->limits[i];
		const char *dimension = ffp_pack_text(packer, limit->dimension);
		if (limits)
			limits[i] = (ff_limit){ dimension, (uint64_t)limit->hard, (uint64_t)limit->soft };
	}
	status->limits = limits;
	status->limits_count = policy->limits_count;
}

static ff_code pack_status(ffp_packer *packer, const budget_view *view, ff_budget_status *status, ff_error *error)
{
	const ffp_budget_row *row = view->budget.row;
	const ffp_period *period = &view->budget.period;
	bool breached = !period->moved && !ff_row_is_null(&row->row, FFP_BUDGET_LAST_BREACH_AT);
	bool named = breached && !ff_row_is_null(&row->row, FFP_BUDGET_LAST_BREACH_DIM);
	*status = (ff_budget_status){
		.budget_id = ffp_pack_text(packer, row->budget_id),
		.scope_type = ffp_pack_text(packer, row->scope_type),
		.scope_id = ffp_pack_text(packer, row->scope_id),
		.enforcement_mode = view->budget.mode,
		.on_hard_limit = ffp_pack_text(packer, view->budget.policy.on_hard_limit),
		.on_soft_limit = ffp_pack_text(packer, view->budget.policy.on_soft_limit),
		.reset_interval_ms = view->budget.policy.reset_interval_ms,
		.breach_count = (uint64_t)row->breach_count,
		.soft_breach_count = (uint64_t)row->soft_breach_count,
		.last_breach_at_ms = breached ? row->last_breach_at_ms : FF_TIME_NONE,
		.last_breach_dim = named ? ffp_pack_text(packer, row->last_breach_dim) : NULL,
		.next_reset_at_ms = period->next_reset_at_ms,
		.created_at_ms = row->created_at_ms,
		.updated_at_ms = period->moved ? period->began_at_ms : row->updated_at_ms,
	};
	pack_limits(packer, &view->budget.policy, status);
	return pack_usage(packer, view, status, error);
}

/* ---- the two calls ------------------------------------------------------------------------------------------ */

/* What is asked for: a budget, or a page of them; and what was found. */
typedef struct inquiry {
	ffp_inquiry about;
	budget_view *views;
	size_t count;
	bool more;
} inquiry;

static ff_code pack_page(ffp_packer *packer, void *context, ff_error *error)
{
	const inquiry *found = context;
	ff_budget_page *page = ffp_pack(packer, 1, sizeof(*page));
	ff_budget_status *budgets = ffp_pack(packer, found->count, sizeof(*budgets));
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < found->count; i++) {
		ff_budget_status counted;
		code = pack_status(packer, &found->views[i], budgets ? &budgets[i] : &counted, error);
	}
	if (page)
		*page = (ff_budget_page){ budgets, found->count, found->more };
	return code;
}

static ff_code read_page(ffp_reading *reading, void *context)
{
	inquiry *asked = context;
	const ffp_budget_row low = { .budget_id = asked->about.id };
	ff_read read = { .table = ffp_table(FFP_BUDGET_POLICY),
		         .kind = FF_READ_RANGE,
		         .low_count = 1,
		         .flags = FF_READ_LOW_EXCLUSIVE,
		         .limit = asked->about.limit + 1, /* one more tells whether there is more */
		         .low = &low.row };
	ff_code code = ffp_load(&reading->txn, reading->arena, &read, 1, reading->error);
	if (code != FF_OK)
		return code;
	asked->more = read.rows_count > asked->about.limit;
	asked->count = asked->more ? asked->about.limit : read.rows_count;
	code = view_budgets(reading, read.rows, asked->count, &asked->views);
	if (code != FF_OK)
		return code;
	return ffp_result_pack(&reading->engine->allocator, pack_page, asked, &asked->about.result, reading->error);
}

ff_code ff_engine_list_budgets(ff_engine *engine, const char *after, uint32_t limit, const ff_budget_page **page,
                               ff_error *error)
{
	static const ffp_question list = { "list_budgets", "", "page", &ffp_name_after, read_page };
	inquiry asked = { .about.limit = limit };
	ff_code code = ffp_engine_ask(engine, &list, after, page, &asked.about, error);
	if (page)
		*page = asked.about.result;
	return code;
}

static ff_code pack_one(ffp_packer *packer, void *context, ff_error *error)
{
	const inquiry *found = context;
	ff_budget_status counted;
	ff_budget_status *status = ffp_pack(packer, 1, sizeof(*status));
	return pack_status(packer, found->views, status ? status : &counted, error);
}

static ff_code read_status(ffp_reading *reading, void *context)
{
	inquiry *asked = context;
	const ffp_budget_row key = { .budget_id = asked->about.id };
	ff_read read = { .table = ffp_table(FFP_BUDGET_POLICY), .kind = FF_READ_GET, .low = &key.row };
	ff_code code = ffp_load(&reading->txn, reading->arena, &read, 1, reading->error);
	if (code == FF_OK && !read.row)
		code = ff_error_set(reading->error, FF_E_NOT_FOUND, "there is no budget '%.*s'",
		                    FFP_SHOWN(asked->about.id));
	if (code == FF_OK)
		code = view_budgets(reading, &read.row, 1, &asked->views);
	if (code != FF_OK)
		return code;
	return ffp_result_pack(&reading->engine->allocator, pack_one, asked, &asked->about.result, reading->error);
}

ff_code ff_engine_get_budget_status(ff_engine *engine, const char *budget_id, const ff_budget_status **status,
                                    ff_error *error)
{
	static const ffp_question one = { "get_budget_status", "budget", "status", &ffp_name_budget_id, read_status };
	inquiry asked = { 0 };
	ff_code code = ffp_engine_ask(engine, &one, budget_id, status, &asked.about, error);
	if (status)
		*status = asked.about.result;
	return code;
}
