/* Check: what cannot be, in the rows and in the store itself. Each row is looked at once, with its policy. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "budget.h"
#include "engine.h"
#include "ledger.h"
#include "move.h"
#include "quota.h"
#include "report.h"
#include "text.h"
#include "walk.h"

/* Who is told. */
typedef struct listener {
	ff_problem_fn *problem;
	void *context;
} listener;

typedef struct check_run {
	listener *to;
	ffp_table_id table_id; /* of which the rows are walked */
	uint64_t told;         /* problems; a second try would tell them again */
} check_run;

/* Every line of a check, a store's and ours, goes by here. What it quotes may be anything, and is cleaned as an error's
 * message is. */
static void tell_line(void *context, const char *problem)
{
	const listener *to = context;
	ff_error line;
	ff_error_set(&line, FF_E_CORRUPT, "%s", problem);
	to->problem(to->context, line.message);
}

static void tell(check_run *checking, const char *format, ...) FF_PRINTF(2, 3);

static void tell(check_run *checking, const char *format, ...)
{
	char text[2 * sizeof(((ff_error *)NULL)->message)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	checking->told++;
	tell_line(checking->to, text);
}

static ff_code check_budget(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	ffp_budget budget;
	const char *fault = "";
	const ffp_budget_row *checked = (const ffp_budget_row *)row;
	ff_code code = ffp_budget_at(checked, reading->now_ms, reading->policies, reading->arena, &budget, &fault);
	if (code == FF_E_CORRUPT)
		tell(context, "budget '%.*s' has %s", FFP_SHOWN(checked->budget_id), fault);
	else if (code != FF_OK)
		return ff_error_set(reading->error, code, "out of memory for a budget");
	return FF_OK;
}

/* The period that a budget is in by now; a budget whose own row is at fault was told of already. */
static ff_code find_period(ffp_reading *reading, const ff_row *policy, int64_t *period)
{
	ffp_budget budget;
	const char *fault;
	ff_code code = ffp_budget_at((const ffp_budget_row *)policy, reading->now_ms, reading->policies, reading->arena,
	                             &budget, &fault);
	*period = code == FF_OK ? budget.period.number : INT64_MAX;
	return code == FF_E_NO_MEMORY ? ff_error_set(reading->error, code, "out of memory for a budget") : FF_OK;
}

static ff_code check_usage(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	const ffp_usage_row *usage = (const ffp_usage_row *)row;
	int64_t period;
	int64_t value;
	ff_code code = find_period(reading, policy, &period);
	if (!ffp_usage_in(usage, period, &value))
		tell(context, "usage of budget '%.*s', dimension '%.*s' is below zero or of a period to come",
		     FFP_SHOWN(usage->budget_id), FFP_SHOWN(usage->dimensions_key));
	return code;
}

static ff_code check_ledger(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	const ffp_ledger_row *ledger = (const ffp_ledger_row *)row;
	int64_t period;
	int64_t total;
	ff_code code = find_period(reading, policy, &period);
	if (!ffp_ledger_in(ledger, period, &total))
		tell(context, "ledger of budget '%.*s', execution '%.*s' is below zero or of a period to come",
		     FFP_SHOWN(ledger->budget_id), FFP_SHOWN(ledger->execution_id));
	return code;
}

static ff_code check_key(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	const char *fault;
	const ffp_key_row *key = (const ffp_key_row *)row;
	ff_code code = ffp_key_check(key, &fault);
	if (code == FF_E_NO_MEMORY)
		return ff_error_set(reading->error, code, "out of memory for a key");
	if (code != FF_OK)
		tell(context, "idempotency key '%.*s' of budget '%.*s' has %s", FFP_SHOWN(key->dedup_key),
		     FFP_SHOWN(key->budget_id), fault);
	return FF_OK;
}

static ff_code check_quota(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	const ffp_quota_row *quota = (const ffp_quota_row *)row;
	const char *fault = ffp_quota_fault(quota);
	uint64_t slots;
	ff_code code = ffp_count_slots(reading, quota->quota_policy_id, &slots);
	if (fault)
		tell(context, "quota policy '%.*s' has %s", FFP_SHOWN(quota->quota_policy_id), fault);
	else if (code == FF_OK && slots != (uint64_t)quota->active_concurrency)
		tell(context, "quota policy '%.*s' counts %" PRId64 " slots and has %" PRIu64,
		     FFP_SHOWN(quota->quota_policy_id), quota->active_concurrency, slots);
	return code;
}

static ff_code check_entry(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)reading;
	const ffp_entry_row *entry = (const ffp_entry_row *)row;
	const ffp_quota_row *quota = (const ffp_quota_row *)policy;
	const char *fault = ffp_entry_fault(entry);
	if (!fault && !quota)
		fault = "a window entry without a policy";
	/* A policy whose own row is at fault was told of already. */
	if (!fault && !ffp_quota_fault(quota) && entry->entry >= quota->next_entry)
		fault = "a window entry whose number was never handed out";
	if (fault)
		tell(context, "quota policy '%.*s' has %s", FFP_SHOWN(entry->quota_policy_id), fault);
	return FF_OK;
}

static ff_code check_slot(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)reading;
	const ffp_slot_row *slot = (const ffp_slot_row *)row;
	const char *fault = ffp_slot_fault(slot);
	if (!fault && !policy)
		fault = "a slot without a policy";
	if (fault)
		tell(context, "quota policy '%.*s' has %s, of execution '%.*s'", FFP_SHOWN(slot->quota_policy_id),
		     fault, FFP_SHOWN(slot->execution_id));
	return FF_OK;
}

static ff_code check_sweep(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)reading;
	(void)policy;
	if (ffp_text_equal(((const ffp_sweep_row *)row)->work, ffp_text(FFP_IMPORT_WORK)))
		tell(context, "an import was left unfinished; run it again");
	return FF_OK;
}

static ffp_walk_fn *const checks[FFP_TABLES_COUNT] = {
	[FFP_BUDGET_POLICY] = check_budget,   [FFP_BUDGET_USAGE] = check_usage,
	[FFP_BUDGET_USAGE_DEDUP] = check_key, [FFP_BUDGET_USAGE_BY_EXEC] = check_ledger,
	[FFP_QUOTA_POLICY] = check_quota,     [FFP_QUOTA_WINDOW] = check_entry,
	[FFP_QUOTA_ADMITTED] = check_slot,    [FFP_SWEEP] = check_sweep,
};

/* What is told of a row is what its table's check finds, and else a column that no call can have written so. */
static ff_code check_row(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	check_run *checking = context;
	uint64_t told = checking->told;
	ff_error found;
	ff_code code = checks[checking->table_id](reading, row, policy, checking);
	if (code == FF_OK && checking->told == told &&
	    ffp_check_columns(ffp_table(checking->table_id), row, &found) != FF_OK)
		tell(checking, "%s", found.message);
	return code;
}

static ff_code read_table(ffp_reading *reading, void *context)
{
	check_run *checking = context;
	if (checking->told)
		return ff_error_set(reading->error, FF_E_BUSY, "contention in the middle of a check");
	return ffp_walk_table(reading, checking->table_id, check_row, checking);
}

static ff_code check_table(ff_engine *engine, ffp_table_id table, listener *to, ff_error *error)
{
	check_run checking = { .to = to, .table_id = table };
	return ffp_engine_read(engine, "check", 0, read_table, &checking, error);
}

ff_code ffp_check_rows(ff_engine *engine, ff_problem_fn *problem, void *context, ff_error *error)
{
	listener to = { problem, context };
	ff_code code = FF_OK;
	for (ffp_table_id i = 0; code == FF_OK && i < FFP_SWEEP; i++)
		code = check_table(engine, i, &to, error);
	return code;
}

/* Where a table cannot be read to its end, the others can. */
static ff_code check_tables(ff_engine *engine, listener *to, ff_error *error)
{
	ff_code code = FF_OK;
	for (ffp_table_id i = 0; code == FF_OK && i < FFP_TABLES_COUNT; i++) {
		code = check_table(engine, i, to, error);
		if (code == FF_E_CORRUPT) {
			tell_line(to, error->message);
			code = FF_OK;
		}
	}
	return code;
}

ff_code ff_engine_check(ff_engine *engine, ff_problem_fn *problem, void *context, ff_error *error)
{
	ff_error own;
	listener to = { problem, context };
	ff_code code = ffp_engine_check(engine, &own);
	if (code == FF_OK && !problem)
		code = ff_error_set(&own, FF_E_INVALID, "problem is NULL");
	if (code == FF_OK)
		code = ffp_store_check(&engine->store, tell_line, &to, &own);
	if (code == FF_OK)
		code = check_tables(engine, &to, &own);
	if (code != FF_OK)
		ffp_error_about(engine, &own, "check", "store", (ff_text){ "", 0 });
	if (code != FF_OK && error)
		*error = own;
	return code;
}
