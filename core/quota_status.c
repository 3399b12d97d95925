/* get_quota_status and the list of quota policies, in one snapshot (FF-QA-8, FF-GS-2). */
#include "arena.h"
#include "engine.h"
#include "place.h"
#include "quota.h"
#include "result.h"
#include "text.h"
#include "walk.h"

/* What is asked for: a policy, or a page of them; and what was found. */
typedef struct inquiry {
	ffp_inquiry about;
	ff_quota_status *found; /* in the reading's arena, with texts to be copied */
	ff_text *ids;
	size_t count;
	bool more;
} inquiry;

/* When the window lets the next one in: the max-th newest entry's end, where that entry is alive. */
static ff_code find_next_admission(ffp_reading *reading, const ffp_quota_row *row, int64_t time_ms, int64_t *next_ms)
{
	*next_ms = FF_TIME_NONE;
	if (row->max_requests_per_window == 0 || row->next_entry < row->max_requests_per_window)
		return FF_OK;
	const ffp_entry_row key = { .quota_policy_id = row->quota_policy_id,
		                    .entry = row->next_entry - row->max_requests_per_window };
	ff_read read = { .table = ffp_table(FFP_QUOTA_WINDOW), .kind = FF_READ_GET, .low = &key.row };
	ff_code code = ffp_load(&reading->txn, reading->arena, &read, 1, reading->error);
	if (code != FF_OK || !read.row)
		return code;
	const ffp_entry_row *entry = (const ffp_entry_row *)read.row;
	const char *fault = ffp_entry_fault(entry);
	if (fault)
		return ffp_error_corrupt(reading->error, "quota_policy", row->quota_policy_id, fault);
	if (!ffp_is_over(entry->expires_at_ms, time_ms))
		*next_ms = entry->expires_at_ms;
	return FF_OK;
}

static ff_code view_quota(ffp_reading *reading, const ffp_quota_row *row, ff_quota_status *status)
{
	const char *fault = ffp_quota_fault(row);
	if (fault)
		return ffp_error_corrupt(reading->error, "quota_policy", row->quota_policy_id, fault);
	int64_t time_ms = ffp_quota_time(row, reading->now_ms);
	uint64_t over = 0;
	*status = (ff_quota_status){ .limits = ffp_quota_limits_of(row),
		                     .created_at_ms = row->created_at_ms,
		                     .updated_at_ms = row->updated_at_ms };
	ff_code code = ffp_count_alive(reading, row->quota_policy_id, time_ms, &status->in_window);
	if (code == FF_OK)
		code = ffp_count_over(reading, row->quota_policy_id, time_ms, &over);
	if (code == FF_OK)
		code = find_next_admission(reading, row, time_ms, &status->next_admission_at_ms);
	status->active = (uint64_t)row->active_concurrency > over ? (uint64_t)row->active_concurrency - over : 0;
	return code;
}

static ff_code view_quotas(ffp_reading *reading, ff_row *const *rows, size_t count, inquiry *asked)
{
	asked->found = ffp_arena_array(reading->arena, count, sizeof(*asked->found));
	asked->ids = ffp_arena_array(reading->arena, count, sizeof(*asked->ids));
	if (!asked->found || !asked->ids)
		return ff_error_set(reading->error, FF_E_NO_MEMORY, "out of memory for a quota's status");
	ff_code code = FF_OK;
	asked->count = count;
	for (size_t i = 0; code == FF_OK && i < count; i++) {
		const ffp_quota_row *row = (const ffp_quota_row *)rows[i];
		asked->ids[i] = row->quota_policy_id;
		code = view_quota(reading, row, &asked->found[i]);
	}
	return code;
}

static void pack_quota(ffp_packer *packer, const inquiry *found, size_t i, ff_quota_status *status)
{
	const char *id = ffp_pack_text(packer, found->ids[i]);
	if (!status)
		return;
	*status = found->found[i];
	status->quota_policy_id = id;
}

static ff_code pack_one(ffp_packer *packer, void *context, ff_error *error)
{
	(void)error;
	ff_quota_status *status = ffp_pack(packer, 1, sizeof(*status));
	pack_quota(packer, context, 0, status);
	return FF_OK;
}

static ff_code pack_page(ffp_packer *packer, void *context, ff_error *error)
{
	(void)error;
	const inquiry *found = context;
	ff_quota_page *page = ffp_pack(packer, 1, sizeof(*page));
	ff_quota_status *quotas = ffp_pack(packer, found->count, sizeof(*quotas));
	for (size_t i = 0; i < found->count; i++)
		pack_quota(packer, found, i, quotas ? &quotas[i] : NULL);
	if (page)
		*page = (ff_quota_page){ quotas, found->count, found->more };
	return FF_OK;
}

static ff_code read_status(ffp_reading *reading, void *context)
{
	inquiry *asked = context;
	const ffp_quota_row key = { .quota_policy_id = asked->about.id };
	ff_read read = { .table = ffp_table(FFP_QUOTA_POLICY), .kind = FF_READ_GET, .low = &key.row };
	ff_code code = ffp_load(&reading->txn, reading->arena, &read, 1, reading->error);
	if (code == FF_OK && !ffp_quota_exists((const ffp_quota_row *)read.row))
		code = ff_error_set(reading->error, FF_E_NOT_FOUND, "there is no quota policy '%.*s'",
		                    FFP_SHOWN(asked->about.id));
	if (code == FF_OK)
		code = view_quotas(reading, &read.row, 1, asked);
	if (code != FF_OK)
		return code;
	return ffp_result_pack(&reading->engine->allocator, pack_one, asked, &asked->about.result, reading->error);
}

ff_code ff_engine_get_quota_status(ff_engine *engine, const char *quota_policy_id, const ff_quota_status **status,
                                   ff_error *error)
{
	static const ffp_question one = { "get_quota_status", "quota_policy", "status", &ffp_name_quota_policy_id,
		                          read_status };
	inquiry asked = { 0 };
	ff_code code = ffp_engine_ask(engine, &one, quota_policy_id, status, &asked.about, error);
	if (status)
		*status = asked.about.result;
	return code;
}

/* How many rows are read at a time where some were passed over. */
#define SEARCH_ROWS 500

/* A page of policies; rows that hold only what admissions with limits of their own left are passed over (FF-QA-9). There
 * may be any number of them in front of one, and what was read of them is let go. */
static ff_code read_page(ffp_reading *reading, void *context)
{
	inquiry *asked = context;
	ff_row **kept = ffp_arena_array(reading->arena, (size_t)asked->about.limit + 1, sizeof(*kept));
	const ffp_quota_row after = { .quota_policy_id = asked->about.id };
	ffp_place last = { .is_set = false };
	uint32_t rows = asked->about.limit + 1;
	size_t count = 0;
	bool more = kept != NULL;
	ff_code code = kept ? FF_OK : ff_error_set(reading->error, FF_E_NO_MEMORY, "out of memory for a page");
	while (more && count <= asked->about.limit) {
		ffp_arena_mark mark = ffp_arena_stand(reading->arena);
		size_t kept_before = count;
		ff_read read = { .table = ffp_table(FFP_QUOTA_POLICY),
			         .kind = FF_READ_RANGE,
			         .low_count = 1,
			         .flags = FF_READ_LOW_EXCLUSIVE,
			         .limit = rows,
			         .low = last.is_set ? ffp_place_row(&last) : &after.row };
		code = ffp_load(&reading->txn, reading->arena, &read, 1, reading->error);
		more = code == FF_OK && read.rows_count == rows;
		for (size_t i = 0; code == FF_OK && i < read.rows_count && count <= asked->about.limit; i++)
			if (ffp_quota_exists((const ffp_quota_row *)read.rows[i]))
				kept[count++] = read.rows[i];
		if (more)
			more = ffp_place_advance(&last, read.table, NULL, read.rows[rows - 1]);
		if (count == kept_before)
			ffp_arena_back(reading->arena, mark);
		rows = SEARCH_ROWS;
	}
	asked->more = count > asked->about.limit;
	if (code == FF_OK)
		code = view_quotas(reading, kept, asked->more ? asked->about.limit : count, asked);
	if (code != FF_OK)
		return code;
	return ffp_result_pack(&reading->engine->allocator, pack_page, asked, &asked->about.result, reading->error);
}

ff_code ff_engine_list_quotas(ff_engine *engine, const char *after, uint32_t limit, const ff_quota_page **page,
                              ff_error *error)
{
	static const ffp_question list = { "list_quotas", "", "page", &ffp_name_after, read_page };
	inquiry asked = { .about.limit = limit };
	ff_code code = ffp_engine_ask(engine, &list, after, page, &asked.about, error);
	if (page)
		*page = asked.about.result;
	return code;
}
