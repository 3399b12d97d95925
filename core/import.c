/*
 * Import: reads what export wrote, a slice of lines a transaction. While it is under way a row of ff_sweep says so; an
 * import that finds it there was left unfinished, and begins by emptying the store.
 */
#include <inttypes.h>

#include "arena.h"
#include "budget.h"
#include "engine.h"
#include "json.h"
#include "move.h"
#include "quota.h"
#include "report.h"
#include "text.h"

#define SLICE_LINES 500
/* The last period or entry that is taken in: no number of calls leads from there to one that cannot be counted on. */
#define NUMBERED_MAX (INT64_MAX / 2)

/* ---- a line ------------------------------------------------------------------------------------------------- */

static const ff_table *table_named(const cJSON *name)
{
	for (unsigned i = 0; cJSON_IsString(name) && i < FFP_SWEEP; i++)
		if (strcmp(ffp_table((ffp_table_id)i)->name, name->valuestring) == 0)
			return ffp_table((ffp_table_id)i);
	return NULL;
}

static ff_code read_text(const cJSON *item, ff_arena *arena, ff_text *text)
{
	if (!cJSON_IsString(item))
		return FF_E_INVALID;
	*text = ff_text_copy(arena, item->valuestring, strlen(item->valuestring));
	return text->data ? FF_OK : FF_E_NO_MEMORY;
}

static ff_code read_column(const cJSON *object, const ff_table *table, unsigned i, ff_arena *arena, ff_row *row)
{
	const ff_column *column = &table->columns[i];
	const cJSON *item = ffp_json_member(object, column->name);
	if (column->nullable && cJSON_IsNull(item)) {
		row->nulls |= 1u << i;
		return FF_OK;
	}
	if (column->type == FF_TYPE_TEXT)
		return read_text(item, arena, ff_row_text(row, column));
	return ffp_json_signed(item, ff_row_int64(row, column)) ? FF_OK : FF_E_INVALID;
}

static ff_code check_budget(const ffp_budget_row *row, ff_arena *arena, const char **fault)
{
	ffp_budget budget;
	ff_code code = ffp_budget_at(row, 0, NULL, arena, &budget, fault);
	if (code != FF_OK || row->period <= NUMBERED_MAX)
		return code;
	*fault = "a period that leaves too few behind it";
	return FF_E_CORRUPT;
}

static ff_code check_quota(const ffp_quota_row *row, const char **fault)
{
	*fault = ffp_quota_fault(row);
	if (!*fault && row->next_entry > NUMBERED_MAX)
		*fault = "a next entry that leaves too few behind it";
	return *fault ? FF_E_CORRUPT : FF_OK;
}

/* What a rule would call corrupt, or could after further calls, is not taken in: CORRUPT, and why, or NO_MEMORY. Of the
 * other tables' rows the columns tell all. */
static ff_code check_row(const ff_table *table, const ff_row *row, ff_arena *arena, const char **fault)
{
	switch ((ffp_table_id)table->id) {
	case FFP_BUDGET_POLICY:
		return check_budget((const ffp_budget_row *)row, arena, fault);
	case FFP_BUDGET_USAGE_DEDUP:
		return ffp_key_check((const ffp_key_row *)row, fault);
	case FFP_QUOTA_POLICY:
		return check_quota((const ffp_quota_row *)row, fault);
	default:
		return FF_OK;
	}
}

static bool is_end(const cJSON *table)
{
	return cJSON_IsString(table) && strcmp(table->valuestring, FFP_EXPORT_END) == 0;
}

/* The last line of an export. It stands for no row, and *table stays NULL. */
static ff_code read_end(const cJSON *object, uint64_t number, ff_error *error)
{
	int64_t lines;
	if (ffp_json_signed(ffp_json_member(object, "lines"), &lines) && lines == (int64_t)number - 1 &&
	    cJSON_GetArraySize(object) == 2)
		return FF_OK;
	return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " ends an export of another number of lines", number);
}

static ff_code read_object(const cJSON *object, uint64_t number, ff_arena *arena, const ff_table **table,
                           const ff_row **row, ff_error *error)
{
	const cJSON *name = cJSON_IsObject(object) ? ffp_json_member(object, "table") : NULL;
	*table = table_named(name);
	if (is_end(name))
		return read_end(object, number, error);
	if (!*table)
		return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " is no row of a known table", number);
	ff_row *read = ff_row_new(arena, *table);
	if (!read)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a row");
	const ff_column *malformed = NULL;
	ff_code code = FF_OK;
	for (unsigned i = 0; i < (*table)->columns_count && !malformed; i++) {
		code = read_column(object, *table, i, arena, read);
		if (code != FF_OK)
			malformed = &(*table)->columns[i];
	}
	if (code == FF_E_NO_MEMORY)
		return ff_error_set(error, code, "out of memory for a row");
	malformed = malformed ? malformed : ffp_impossible_column(*table, read);
	if (malformed)
		return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " has no or a malformed '%s'", number,
		                    malformed->name);
	if (cJSON_GetArraySize(object) != (*table)->columns_count + 1)
		return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " has members that table '%s' does not know",
		                    number, (*table)->name);
	const char *fault;
	code = check_row(*table, read, arena, &fault);
	if (code == FF_E_NO_MEMORY)
		return ff_error_set(error, code, "out of memory for a row");
	if (code != FF_OK)
		return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " has %s", number, fault);
	*row = read;
	return FF_OK;
}

static ff_code read_line(ff_text line, uint64_t number, ff_arena *arena, const ff_table **table, const ff_row **row,
                         ff_error *error)
{
	const char *fault;
	cJSON *object = ffp_json_parse(line, &fault);
	if (!object && !fault)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a line");
	if (!object)
		return ff_error_set(error, FF_E_INVALID, "line %" PRIu64 " has %s", number, fault);
	ff_code code = read_object(object, number, arena, table, row, error);
	cJSON_Delete(object);
	return code;
}

/* ---- a slice ------------------------------------------------------------------------------------------------ */

static bool plan_import(ffp_batch *batch, ffp_request *request)
{
	const ffp_import_slice *slice = request->import;
	ffp_sweep_row work = { .work = ffp_text(FFP_IMPORT_WORK) };
	request->root = ffp_rows_get(&batch->rows, FFP_SWEEP, &work.row);
	request->items = ffp_arena_array(batch->arena, slice->count, sizeof(*request->items));
	request->scans = ffp_arena_array(batch->arena, FFP_SWEEP, sizeof(*request->scans));
	bool planned = request->root && request->items && request->scans;
	for (size_t i = 0; planned && i < slice->count; i++) {
		request->items[i] = ffp_rows_get(&batch->rows, (ffp_table_id)slice->tables[i]->id, slice->rows[i]);
		planned = request->items[i] != NULL;
	}
	for (unsigned i = 0; planned && slice->begins && i < FFP_SWEEP; i++) {
		ff_read any = { .table = ffp_table((ffp_table_id)i), .kind = FF_READ_RANGE, .limit = 1 };
		request->scans[i] = ffp_rows_scan(&batch->rows, &any);
		planned = request->scans[i] != NULL;
	}
	return planned;
}

/* Nothing is left of another import's row, which may be one that cannot be read. */
static ff_code set_mark(ffp_batch *batch, const ffp_request *request)
{
	ffp_sweep_row *row = (ffp_sweep_row *)ffp_rows_change(&batch->rows, request->root);
	if (!row)
		return FF_E_NO_MEMORY;
	*row = (ffp_sweep_row){ .work = row->work, .last_number = request->import->mark };
	return FF_OK;
}

/* Another import that finds this one unfinished empties the store, and this one, if it lives, must not go on. */
static ff_code look_at_mark(ffp_request *request)
{
	const ffp_sweep_row *row = (const ffp_sweep_row *)request->root->after;
	bool goes_on = row ? row->last_number == request->import->mark : request->import->may_have_ended;
	return goes_on ? FF_OK : ffp_fail(request, FF_E_MISUSE, "another import has begun in the store meanwhile");
}

/* An empty store, or one to be emptied. */
static ff_code begin_import(ffp_batch *batch, ffp_request *request)
{
	bool unfinished = request->root->after != NULL;
	for (unsigned i = 0; i < FFP_SWEEP; i++) {
		if (request->scans[i]->items_count == 0)
			continue;
		if (!unfinished)
			return ffp_fail(request, FF_E_INVALID, "store is not empty, it has rows in '%s'",
			                ffp_table((ffp_table_id)i)->name);
		if (!ffp_rows_delete_table(&batch->rows, (ffp_table_id)i))
			return FF_E_NO_MEMORY;
	}
	return set_mark(batch, request);
}

static ff_code decide_import(ffp_batch *batch, ffp_request *request)
{
	const ffp_import_slice *slice = request->import;
	ff_code code = slice->begins ? begin_import(batch, request) : look_at_mark(request);
	for (size_t i = 0; code == FF_OK && i < slice->count; i++) {
		if (request->items[i]->after)
			return ffp_fail(request, FF_E_INVALID, "line %" PRIu64 " repeats a row",
			                slice->first_line + (uint64_t)i);
		ff_row *row = ffp_rows_change(&batch->rows, request->items[i]);
		if (!row)
			return FF_E_NO_MEMORY;
		memcpy(row, slice->rows[i], slice->tables[i]->row_size);
	}
	if (code == FF_OK && slice->ends)
		ffp_rows_delete(request->root);
	return code;
}

const ffp_op ffp_op_import = {
	.name = "import",
	.entity = "",
	.is_alone = true,
	.plan = plan_import,
	.decide = decide_import,
};

/* ---- the whole ---------------------------------------------------------------------------------------------- */

typedef struct importing {
	ff_engine *engine;
	ff_next_line_fn *next;
	void *context;
	ff_arena *arena;
	uint64_t lines;
	bool is_whole; /* the last line was the one that says so */
	bool ended;
	ff_error *error;
} importing;

/* Takes a line in: a row of the slice, or the end. */
static ff_code take_line(importing *import, ffp_import_slice *slice, ff_text line)
{
	const uint64_t number = ++import->lines;
	if (import->is_whole)
		return ff_error_set(import->error, FF_E_INVALID, "line %" PRIu64 " comes behind the end of an export",
		                    number);
	const size_t at = slice->count;
	ff_code code = read_line(line, number, import->arena, &slice->tables[at], &slice->rows[at], import->error);
	import->is_whole = code == FF_OK && !slice->tables[at];
	slice->count += code == FF_OK && slice->tables[at];
	return code;
}

/* There are no more lines. None at all give an unfinished import up. */
static ff_code end_lines(importing *import)
{
	import->ended = true;
	if (import->is_whole || !import->lines)
		return FF_OK;
	return ff_error_set(import->error, FF_E_INVALID,
	                    "the lines were cut off: behind line %" PRIu64
	                    " there is none that says how many there are",
	                    import->lines);
}

/* Reads the next lines into the slice. */
static ff_code read_slice(importing *import, ffp_import_slice *slice)
{
	ff_code code = FF_OK;
	slice->first_line = import->lines + 1;
	while (code == FF_OK && slice->count < SLICE_LINES) {
		const char *line = NULL;
		size_t size = 0;
		import->error->code = FF_OK; /* what is said of a success means nothing */
		code = import->next(import->context, &line, &size, import->error);
		if (code != FF_OK && import->error->code != code)
			ff_error_set(import->error, code, "reading line %" PRIu64 " failed", import->lines + 1);
		if (code == FF_OK && !line)
			return end_lines(import);
		if (code == FF_OK)
			code = take_line(import, slice, (ff_text){ line, size });
	}
	return code;
}

static ff_code write_slice(importing *import, ffp_import_slice *slice)
{
	ff_call call = { .error = import->error };
	ffp_request request = { .op = &ffp_op_import, .call = &call, .error = import->error, .import = slice };
	ffp_queue_run(import->engine, &request, 1, NULL);
	return call.code;
}

/* Keeps the first problem that is told as the import's error. */
static void refuse(void *context, const char *problem)
{
	const importing *import = context;
	if (import->error->code == FF_OK)
		ff_error_set(import->error, FF_E_INVALID, "the lines contradict each other: %s", problem);
}

/* Rows that are good each for itself may still not belong together. The store is left as an unfinished import. */
static ff_code check_all(importing *import)
{
	ff_error own = { .code = FF_OK };
	ff_error_set(import->error, FF_OK, "%s", "");
	ff_code code = ffp_check_rows(import->engine, refuse, import, &own);
	if (import->error->code != FF_OK)
		return import->error->code;
	if (code != FF_OK)
		*import->error = own;
	return code;
}

/* Where nobody knows of the last commit, the mark tells: an import that has ended cannot be run again, since it would find
 * its own rows. */
static ff_code end_import(importing *import, int64_t mark)
{
	ffp_import_slice slice = { .ends = true, .mark = mark };
	ff_code code = write_slice(import, &slice);
	if (code != FF_E_COMMIT_UNKNOWN)
		return code;
	ff_error unknown = *import->error;
	slice.may_have_ended = true;
	code = write_slice(import, &slice);
	if (code == FF_OK || code == FF_E_MISUSE)
		return code;
	*import->error = unknown;
	return unknown.code;
}

/* No other import that began in the store, before this one or after, has its mark. Time would not do: several begin in one
 * instant, also of one engine's, and clocks go back. */
static ff_code import_all(importing *import)
{
	const int64_t mark = (int64_t)(ffp_system_random(NULL) >> 1);
	ffp_import_slice slice = { .begins = true, .mark = mark };
	ff_code code = write_slice(import, &slice);
	while (code == FF_OK && !import->ended) {
		ffp_arena_reset((ffp_arena *)import->arena);
		slice =
		    (ffp_import_slice){ .mark = mark,
			                .rows = ffp_arena_array(import->arena, SLICE_LINES, sizeof(*slice.rows)),
			                .tables = ffp_arena_array(import->arena, SLICE_LINES, sizeof(*slice.tables)) };
		if (!slice.rows || !slice.tables)
			return ff_error_set(import->error, FF_E_NO_MEMORY, "out of memory for an import");
		code = read_slice(import, &slice);
		if (code == FF_OK)
			code = write_slice(import, &slice);
	}
	if (code == FF_OK)
		code = check_all(import);
	return code == FF_OK ? end_import(import, mark) : code;
}

ff_code ff_engine_import(ff_engine *engine, ff_next_line_fn *next, void *context, uint64_t *imported, ff_error *error)
{
	ff_error own = { .code = FF_OK };
	if (imported)
		*imported = 0;
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && !next)
		code = ff_error_set(error, FF_E_INVALID, "next is NULL");
	if (code == FF_OK)
		code = ffp_engine_check_mode(engine, error);
	ffp_spare *spare = code == FF_OK ? ffp_spare_take(engine) : NULL;
	if (code == FF_OK && !spare)
		code = ff_error_set(error, FF_E_NO_MEMORY, "out of memory for an import");
	if (code != FF_OK) {
		ffp_error_about(engine, error, "import", "", (ff_text){ "", 0 });
		return code;
	}
	importing import = {
		.engine = engine, .next = next, .context = context, .arena = &spare->arena.base, .error = &own
	};
	code = import_all(&import);
	ffp_spare_give(engine, spare);
	if (imported)
		*imported = import.lines;
	if (code != FF_OK && error) {
		*error = own;
		ffp_error_about(engine, error, "import", "", (ff_text){ "", 0 });
	}
	return code;
}
