/*
 * Export: the logical state at an instant. What is expired or of a past period is left out or reads 0, and periods
 * count from 0 again, so that neither a purge nor a tick shows. A line is one row: its table and its columns, in byte
 * order. The last one is none, and says how many there were: without it an export that was cut off would look like one of
 * a smaller store.
 */
#include <inttypes.h>

#include "arena.h"
#include "budget.h"
#include "engine.h"
#include "json.h"
#include "ledger.h"
#include "move.h"
#include "quota.h"
#include "report.h"
#include "text.h"
#include "walk.h"

typedef struct exporting {
	ff_line_fn *line;
	void *context;
	const ff_table *table;
	unsigned order[FF_COLUMNS_MAX]; /* the table's columns by name */
	uint64_t lines;
	ff_code ended; /* for good, with this code; FF_OK: not */
} exporting;

static void sort_columns(exporting *export)
{
	const ff_column *columns = export->table->columns;
	for (unsigned i = 0; i < export->table->columns_count; i++) {
		unsigned at = i;
		for (; at && strcmp(columns[export->order[at - 1]].name, columns[i].name) > 0; at--)
			export->order[at] = export->order[at - 1];
		export->order[at] = i;
	}
}

/* The row as one object; "table" stands where its name belongs among the columns'. */
static ff_text write_row(const exporting *export, const ff_row *row, ff_arena *arena)
{
	ffp_writer writer = { .arena = arena };
	bool named = false;
	for (unsigned i = 0; i <= export->table->columns_count; i++) {
		bool last = i == export->table->columns_count;
		unsigned column = last ? 0 : export->order[i];
		if (!named && (last || strcmp(export->table->columns[column].name, "table") > 0)) {
			ffp_write_raw(&writer, i ? ",\"table\":" : "{\"table\":");
			ffp_write_string(&writer, ffp_text(export->table->name));
			named = true;
		}
		if (last)
			break;
		const ff_column *written = &export->table->columns[column];
		ffp_write_raw(&writer, writer.size ? ",\"" : "{\"");
		ffp_write_raw(&writer, written->name);
		ffp_write_raw(&writer, "\":");
		if (ff_row_is_null(row, column))
			ffp_write_raw(&writer, "null");
		else if (written->type == FF_TYPE_TEXT)
			ffp_write_string(&writer, *ff_row_text(row, written));
		else
			ffp_write_int64(&writer, *ff_row_int64(row, written));
	}
	ffp_write_raw(&writer, "}");
	return ffp_written(&writer);
}

static ff_code hand_out(ffp_reading *reading, exporting *export, ff_text line)
{
	if (!line.data)
		return ff_error_set(reading->error, FF_E_NO_MEMORY, "out of memory for a line");
	export->lines++;
	reading->error->code = FF_OK; /* what is said of a success means nothing */
	ff_code code = export->line(export->context, line.data, line.size, reading->error);
	if (code != FF_OK && reading->error->code != code)
		ff_error_set(reading->error, code, "writing line %" PRIu64 " failed", export->lines);
	export->ended = code;
	return code == FF_OK ? FF_OK : FF_E_IO; /* no code that would be tried again, as one of the store's is */
}

static ff_code emit(ffp_reading *reading, exporting *export, const ff_row *row)
{
	if (ffp_check_columns(export->table, row, reading->error) != FF_OK)
		return FF_E_CORRUPT;
	return hand_out(reading, export, write_row(export, row, reading->arena));
}

static ff_code emit_end(ffp_reading *reading, exporting *export)
{
	ffp_writer writer = { .arena = reading->arena };
	ffp_write_raw(&writer, "{\"lines\":");
	ffp_write_int64(&writer, (int64_t) export->lines);
	ffp_write_raw(&writer, ",\"table\":\"" FFP_EXPORT_END "\"}");
	return hand_out(reading, export, ffp_written(&writer));
}

/* ---- what each table shows ---------------------------------------------------------------------------------- */

static ff_code period_at(ffp_reading *reading, const ff_row *row, ffp_budget *budget)
{
	const char *fault = "";
	ff_code code = ffp_budget_at((const ffp_budget_row *)row, reading->now_ms, reading->policies, reading->arena,
	                             budget, &fault);
	if (code == FF_E_CORRUPT)
		return ffp_error_corrupt(reading->error, "budget", ((const ffp_budget_row *)row)->budget_id, fault);
	return code == FF_OK ? FF_OK : ff_error_set(reading->error, code, "out of memory for a budget");
}

static ff_code export_budget(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	ffp_budget budget;
	ff_code code = period_at(reading, row, &budget);
	if (code != FF_OK)
		return code;
	ffp_budget_row shown = *(const ffp_budget_row *)row;
	ffp_budget_move(&shown, &budget.period);
	shown.period = 0;
	return emit(reading, context, &shown.row);
}

static ff_code export_usage(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	ffp_budget budget;
	ffp_usage_row shown = *(const ffp_usage_row *)row;
	ff_code code = period_at(reading, policy, &budget);
	if (code != FF_OK)
		return code;
	if (!ffp_usage_in((const ffp_usage_row *)row, budget.period.number, &shown.current_value))
		return ffp_error_corrupt(reading->error, "budget", shown.budget_id, "usage that cannot be trusted");
	shown.period = 0;
	return emit(reading, context, &shown.row);
}

static ff_code export_ledger(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	ffp_budget budget;
	ffp_ledger_row shown = *(const ffp_ledger_row *)row;
	ff_code code = period_at(reading, policy, &budget);
	if (code != FF_OK)
		return code;
	if (!ffp_ledger_in((const ffp_ledger_row *)row, budget.period.number, &shown.delta_total))
		return ffp_error_corrupt(reading->error, "budget", shown.budget_id,
		                         "a ledger row that cannot be trusted");
	if (shown.period != budget.period.number)
		return FF_OK;
	shown.period = 0;
	return emit(reading, context, &shown.row);
}

static ff_code export_key(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	const ffp_key_row *key = (const ffp_key_row *)row;
	if (row->state == FF_ROW_OK && ffp_is_over(key->expires_at_ms, reading->now_ms))
		return FF_OK;
	const char *fault;
	ff_code code = ffp_key_check(key, &fault);
	if (code == FF_OK)
		return emit(reading, context, row);
	if (code == FF_E_NO_MEMORY)
		return ff_error_set(reading->error, code, "out of memory for a key");
	ff_error_set(reading->error, FF_E_CORRUPT, "idempotency key '%.*s' of budget '%.*s' has %s",
	             FFP_SHOWN(key->dedup_key), FFP_SHOWN(key->budget_id), fault);
	ffp_error_about(NULL, reading->error, "", "budget", key->budget_id);
	return FF_E_CORRUPT;
}

static ff_code export_quota(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	(void)policy;
	ffp_quota_row shown = *(const ffp_quota_row *)row;
	const char *fault = ffp_quota_fault(&shown);
	if (fault)
		return ffp_error_corrupt(reading->error, "quota_policy", shown.quota_policy_id, fault);
	uint64_t over;
	ff_code code = ffp_count_over(reading, shown.quota_policy_id, ffp_quota_time(&shown, reading->now_ms), &over);
	if (code != FF_OK)
		return code;
	shown.active_concurrency -= (int64_t)over < shown.active_concurrency ? (int64_t)over : shown.active_concurrency;
	return emit(reading, context, &shown.row);
}

static ff_code export_entry(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	const ffp_entry_row *entry = (const ffp_entry_row *)row;
	const char *fault = ffp_entry_fault(entry);
	if (fault)
		return ffp_error_corrupt(reading->error, "quota_policy", entry->quota_policy_id, fault);
	int64_t time_ms = ffp_quota_time((const ffp_quota_row *)policy, reading->now_ms);
	return ffp_is_over(entry->expires_at_ms, time_ms) ? FF_OK : emit(reading, context, row);
}

static ff_code export_slot(ffp_reading *reading, const ff_row *row, const ff_row *policy, void *context)
{
	const ffp_slot_row *slot = (const ffp_slot_row *)row;
	const char *fault = ffp_slot_fault(slot);
	if (fault)
		return ffp_error_corrupt(reading->error, "quota_policy", slot->quota_policy_id, fault);
	int64_t time_ms = ffp_quota_time((const ffp_quota_row *)policy, reading->now_ms);
	return ffp_slot_is_over(slot, time_ms) ? FF_OK : emit(reading, context, row);
}

static ffp_walk_fn *const shows[] = {
	[FFP_BUDGET_POLICY] = export_budget,   [FFP_BUDGET_USAGE] = export_usage,
	[FFP_BUDGET_USAGE_DEDUP] = export_key, [FFP_BUDGET_USAGE_BY_EXEC] = export_ledger,
	[FFP_QUOTA_POLICY] = export_quota,     [FFP_QUOTA_WINDOW] = export_entry,
	[FFP_QUOTA_ADMITTED] = export_slot,
};

static ff_code read_export(ffp_reading *reading, void *context)
{
	exporting *export = context;
	ff_code code = FF_OK;
	for (unsigned i = 0; code == FF_OK && i < sizeof(shows) / sizeof(*shows); i++) {
		export->table = ffp_table((ffp_table_id)i);
		sort_columns(export);
		code = ffp_walk_table(reading, (ffp_table_id)i, shows[i], export);
	}
	/* A second try would give the lines out again. */
	if (export->lines && ffp_is_contention(code)) {
		export->ended = reading->error->code = FF_E_BUSY;
		return FF_E_IO;
	}
	return code == FF_OK ? emit_end(reading, export) : code;
}

ff_code ff_engine_export(ff_engine *engine, int64_t now_ms, ff_line_fn *line, void *context, ff_error *error)
{
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && !line)
		code = ff_error_set(error, FF_E_INVALID, "line is NULL");
	if (code == FF_OK && now_ms < 0)
		code = ff_error_set(error, FF_E_INVALID, "time is before 1970");
	exporting export = { .line = line, .context = context };
	if (code == FF_OK) {
		code = ffp_engine_read(engine, "export", now_ms, read_export, &export, error);
		return export.ended ? export.ended : code;
	}
	ffp_error_about(engine, error, "export", "", (ff_text){ "", 0 });
	return code;
}
