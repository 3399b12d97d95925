/*
 * Quotas: an exact sliding window at a constant cost, and owned concurrency slots with leases.
 *
 * Window entries are numbered by the policy's row. The window is full when the entry max places back is still alive,
 * so nothing is counted and nothing swept (FF-QA-7). A slot is a row; the policy's row counts them, those included
 * whose lease is over: they are freed one by one when an admission needs room, or by tick.
 */
#include "quota.h"

#include <inttypes.h>

#include "arena.h"
#include "leases.h"
#include "text.h"

#define WINDOW_SECONDS_MAX UINT64_C(1000000000000)
#define JITTER_MS_MAX INT64_C(1000000000000)
/* How many of the slots whose lease ended first are looked at, before more are asked for: a call wants one, as a rule. */
#define OVER_FIRST 8

/* ---- rows --------------------------------------------------------------------------------------------------- */

int64_t ffp_quota_time(const ffp_quota_row *row, int64_t now_ms)
{
	return row && row->latest_ms > now_ms ? row->latest_ms : now_ms;
}

bool ffp_quota_exists(const ffp_quota_row *row)
{
	return row && (row->row.state != FF_ROW_OK || row->limits_stored);
}

const char *ffp_quota_fault(const ffp_quota_row *row)
{
	if (row->row.state != FF_ROW_OK)
		return "a policy row that cannot be read";
	if (row->requests_per_window_seconds < 0 || (uint64_t)row->requests_per_window_seconds > WINDOW_SECONDS_MAX ||
	    row->max_requests_per_window < 0 || row->active_concurrency_cap < 0)
		return "a limit out of range";
	if (row->max_requests_per_window && !row->requests_per_window_seconds)
		return "a request limit without a window";
	if (row->active_concurrency < 0 || row->active_concurrency == INT64_MAX || row->next_entry < 0 ||
	    row->next_entry == INT64_MAX || row->latest_ms < 0)
		return "a counter out of range";
	return NULL;
}

const char *ffp_entry_fault(const ffp_entry_row *row)
{
	return row->row.state != FF_ROW_OK || row->entry < 0 || row->admitted_at_ms < 0 || row->expires_at_ms < 0
	           ? "a window entry that cannot be trusted"
	           : NULL;
}

const char *ffp_slot_fault(const ffp_slot_row *row)
{
	bool lease = !ff_row_is_null(&row->row, FFP_SLOT_LEASE_UNTIL);
	return row->row.state != FF_ROW_OK || row->admitted_at_ms < 0 || row->expires_at_ms < 0 ||
	               (lease && row->lease_until_ms < 0)
	           ? "a slot that cannot be trusted"
	           : NULL;
}

bool ffp_slot_is_over(const ffp_slot_row *row, int64_t time_ms)
{
	return !ff_row_is_null(&row->row, FFP_SLOT_LEASE_UNTIL) && ffp_is_over(row->lease_until_ms, time_ms);
}

ff_quota_limits ffp_quota_limits_of(const ffp_quota_row *row)
{
	return (ff_quota_limits){
		.window_seconds = (uint64_t)row->requests_per_window_seconds,
		.max_requests_per_window = (uint64_t)row->max_requests_per_window,
		.max_concurrent = (uint64_t)row->active_concurrency_cap,
	};
}

static ff_code corrupt(ffp_request *request, const char *fault)
{
	return ffp_fail(request, FF_E_CORRUPT, "quota policy '%.*s' has %s", FFP_SHOWN(request->id), fault);
}

/* What the calls of a batch on one policy share, so that a batch of many looks for slots once. */
typedef struct ffp_quota_calls {
	int64_t count;
	int64_t latest_ms; /* of the times that they are decided at */
	ffp_scan *over;    /* the slots whose lease ended first, up to a time and so many; NULL: nobody wanted any */
	uint32_t over_limit;
	bool gathered;     /* the scan's items are members of the policy's group */
	bool is_sorted;    /* `leases` has been made of that group, ... */
	unsigned reverts;  /* ... in this round of decisions */
	ffp_leases leases; /* of the group's slots, by their ends */
} ffp_quota_calls;

static bool plan_policy(ffp_batch *batch, ffp_request *request)
{
	ffp_quota_row key = { .quota_policy_id = request->id };
	request->root = ffp_rows_get(&batch->rows, FFP_QUOTA_POLICY, &key.row);
	if (request->root && !request->root->calls)
		request->root->calls = ffp_arena_array(batch->arena, 1, sizeof(*request->root->calls));
	if (!request->root || !request->root->calls)
		return false;
	ffp_quota_calls *calls = request->root->calls;
	calls->count++;
	calls->latest_ms = request->now_ms > calls->latest_ms ? request->now_ms : calls->latest_ms;
	return true;
}

static bool plan_policy_and_slot(ffp_batch *batch, ffp_request *request)
{
	ffp_slot_row key = { .quota_policy_id = request->id, .execution_id = request->execution_id };
	request->group = ffp_rows_group(&batch->rows, FFP_QUOTA_ADMITTED, &key.row, 1, 0);
	request->held = request->group ? ffp_rows_get_member(&batch->rows, request->group, &key.row) : NULL;
	return request->held && plan_policy(batch, request);
}

/* ---- create_quota_policy (FF-QA-1) -------------------------------------------------------------------------- */

static ff_code check_limits(ffp_request *request, const ff_quota_limits *limits)
{
	if (limits->window_seconds > WINDOW_SECONDS_MAX)
		return ffp_fail(request, FF_E_INVALID, "window of %" PRIu64 " s is longer than 10^12 s",
		                limits->window_seconds);
	if (limits->max_requests_per_window > INT64_MAX)
		return ffp_fail(request, FF_E_INVALID, "max_requests_per_window is above 2^63-1");
	if (limits->max_concurrent > INT64_MAX)
		return ffp_fail(request, FF_E_INVALID, "max_concurrent is above 2^63-1");
	if (limits->max_requests_per_window && !limits->window_seconds)
		return ffp_fail(request, FF_E_INVALID, "a request limit needs a window");
	request->quota = *limits;
	return FF_OK;
}

static ff_code check_create(ffp_request *request, ff_arena *arena)
{
	(void)arena;
	const ff_quota_spec *spec = request->call->in.create_quota;
	if (!spec || spec->size != sizeof(*spec))
		return ffp_fail(request, FF_E_INVALID, "quota spec was not begun with FF_QUOTA_SPEC_INIT of this ff.h");
	request->own_now_ms = spec->now_ms;
	ff_code code = ffp_name_check(&ffp_name_quota_policy_id, spec->quota_policy_id, &request->id, request->error);
	return code == FF_OK ? check_limits(request, &spec->limits) : code;
}

static bool same_limits(const ff_quota_limits *a, const ff_quota_limits *b)
{
	return a->window_seconds == b->window_seconds && a->max_requests_per_window == b->max_requests_per_window &&
	       a->max_concurrent == b->max_concurrent;
}

static ff_code decide_create(ffp_batch *batch, ffp_request *request)
{
	const ffp_quota_row *stored = (const ffp_quota_row *)request->root->after;
	const char *fault = stored ? ffp_quota_fault(stored) : NULL;
	if (fault)
		return corrupt(request, fault);
	ff_created created = { .created = !ffp_quota_exists(stored), .same = true };
	if (created.created) {
		ffp_quota_row *row = (ffp_quota_row *)ffp_rows_change(&batch->rows, request->root);
		if (!row)
			return FF_E_NO_MEMORY;
		row->requests_per_window_seconds = (int64_t)request->quota.window_seconds;
		row->max_requests_per_window = (int64_t)request->quota.max_requests_per_window;
		row->active_concurrency_cap = (int64_t)request->quota.max_concurrent;
		row->created_at_ms = row->updated_at_ms = request->now_ms;
		row->limits_stored = 1;
	} else {
		ff_quota_limits limits = ffp_quota_limits_of(stored);
		created.same = same_limits(&limits, &request->quota);
	}
	if (request->call->out.created)
		*request->call->out.created = created;
	return FF_OK;
}

const ffp_op ffp_op_create_quota_policy = {
	.name = "create_quota_policy",
	.entity = "quota_policy",
	.check = check_create,
	.plan = plan_policy,
	.decide = decide_create,
};

/* ---- admit (FF-QA-2 … 6) ------------------------------------------------------------------------------------ */

static ff_code check_admit(ffp_request *request, ff_arena *arena)
{
	(void)arena;
	const ff_admission *admission = request->call->in.admission;
	if (!admission || admission->size != sizeof(*admission))
		return ffp_fail(request, FF_E_INVALID, "admission was not begun with FF_ADMISSION_INIT of this ff.h");
	request->own_now_ms = admission->now_ms;
	ff_code code =
	    ffp_name_check(&ffp_name_quota_policy_id, admission->quota_policy_id, &request->id, request->error);
	if (code == FF_OK)
		code = ffp_name_check(&ffp_name_execution_id, admission->execution_id, &request->execution_id,
		                      request->error);
	if (code == FF_OK && admission->lease_ms < 0)
		code = ffp_fail(request, FF_E_INVALID, "lease is below zero");
	if (code == FF_OK && (admission->jitter_ms < 0 || admission->jitter_ms > JITTER_MS_MAX))
		code = ffp_fail(request, FF_E_INVALID, "jitter is not 0 to 10^12 ms");
	if (code == FF_OK && admission->limits)
		code = check_limits(request, admission->limits);
	return code;
}

/* What an admission knows of its policy and of its own slot. */
typedef struct admission {
	const ffp_quota_row *policy; /* NULL: limits of its own, and nothing was admitted under the id yet */
	const ffp_slot_row *held;    /* its slot, whose lease may be over; or NULL */
	bool holds;                  /* it is not over */
	ff_quota_limits limits;
	int64_t time_ms;
	uint64_t freed; /* how many slots that are over make room for this one */
	ff_admission_outcome outcome;
} admission;

static ff_code look_at_policy(ffp_request *request, admission *found)
{
	found->policy = (const ffp_quota_row *)request->root->after;
	const ff_quota_limits *own = request->call->in.admission->limits;
	if (!own && !ffp_quota_exists(found->policy))
		return ffp_fail(request, FF_E_NOT_FOUND, "there is no quota policy '%.*s'", FFP_SHOWN(request->id));
	const char *fault = found->policy ? ffp_quota_fault(found->policy) : NULL;
	found->held = (const ffp_slot_row *)request->held->after;
	if (!fault && found->held)
		fault = ffp_slot_fault(found->held);
	if (fault)
		return corrupt(request, fault);
	found->limits = own ? *own : ffp_quota_limits_of(found->policy);
	found->time_ms = ffp_quota_time(found->policy, request->now_ms);
	found->holds = found->held && !ffp_slot_is_over(found->held, found->time_ms);
	found->outcome = (ff_admission_outcome){ FF_ADMITTED, FF_TIME_NONE };
	return FF_OK;
}

static int64_t jitter(const ffp_batch *batch, int64_t jitter_ms)
{
	if (jitter_ms == 0)
		return 0;
	uint64_t random = batch->random->next(batch->random->context);
	return (int64_t)(random % ((uint64_t)jitter_ms + 1));
}

static ffp_item *entry_item(ffp_batch *batch, ff_text quota_policy_id, int64_t number)
{
	ffp_entry_row key = { .quota_policy_id = quota_policy_id, .entry = number };
	return ffp_rows_get(&batch->rows, FFP_QUOTA_WINDOW, &key.row);
}

/* Asks for the entries that the admissions behind this one will want if it is let in, all in one round, as far as there are
 * numbers. Where one is asked for already, so are those after it. */
static ff_code ask_for_entries(ffp_batch *batch, ffp_request *request, int64_t first, int64_t max)
{
	int64_t count = request->root->calls->count < max ? request->root->calls->count : max;
	for (int64_t i = 1; i < count && first <= INT64_MAX - i; i++) {
		size_t known = batch->rows.items_count;
		if (!entry_item(batch, request->id, first + i))
			return FF_E_NO_MEMORY;
		if (batch->rows.items_count == known)
			break;
	}
	return FFP_PENDING;
}

/* Whether the window is full: the max-th newest entry is still alive. It leaves at the instant it is window old. */
static ff_code look_at_window(ffp_batch *batch, ffp_request *request, admission *found)
{
	int64_t max = (int64_t)found->limits.max_requests_per_window;
	int64_t next = found->policy ? found->policy->next_entry : 0;
	if (max == 0 || next < max)
		return FF_OK;
	request->entry = entry_item(batch, request->id, next - max);
	if (!request->entry)
		return FF_E_NO_MEMORY;
	if (!request->entry->loaded)
		return ask_for_entries(batch, request, next - max, max);
	const ffp_entry_row *entry = (const ffp_entry_row *)request->entry->after;
	const char *fault = entry ? ffp_entry_fault(entry) : NULL;
	if (fault)
		return corrupt(request, fault);
	if (!entry || ffp_is_over(entry->expires_at_ms, found->time_ms))
		return FF_OK;
	found->outcome.kind = FF_RATE_EXCEEDED;
	found->outcome.retry_after_ms = ffp_add_saturated(entry->expires_at_ms - request->now_ms,
	                                                  jitter(batch, request->call->in.admission->jitter_ms));
	return FF_OK;
}

/* Asks the store for the slots whose lease ended first, by the time of the last of the calls. */
static ff_code scan_over(ffp_batch *batch, ffp_request *request, const admission *found, uint32_t limit)
{
	ffp_quota_calls *calls = request->root->calls;
	int64_t time_ms = found->time_ms > calls->latest_ms ? found->time_ms : calls->latest_ms;
	const ff_table *table = ffp_table(FFP_QUOTA_ADMITTED);
	ffp_slot_row *low = (ffp_slot_row *)ff_row_new(batch->arena, table);
	ffp_slot_row *high = (ffp_slot_row *)ff_row_new(batch->arena, table);
	if (!low || !high)
		return FF_E_NO_MEMORY;
	low->quota_policy_id = high->quota_policy_id = request->id;
	high->lease_until_ms = time_ms;
	ff_read read = { .table = table,
		         .index = &table->indexes[FFP_SLOT_BY_LEASE],
		         .kind = FF_READ_RANGE,
		         .equal_count = 1,
		         .high_count = 2,
		         .limit = limit,
		         .low = &low->row,
		         .high = &high->row };
	calls->over = ffp_rows_scan(&batch->rows, &read);
	calls->over_limit = limit;
	calls->gathered = false;
	return calls->over ? FFP_PENDING : FF_E_NO_MEMORY;
}

static uint32_t first_limit(const ffp_quota_calls *calls)
{
	return (uint32_t)(calls->count > OVER_FIRST ? calls->count : OVER_FIRST);
}

/* Makes members of the slots that the scan brought. Leases that were sorted before are no longer: a scan ends its round. */
static bool gather(ffp_batch *batch, ffp_request *request)
{
	ffp_quota_calls *calls = request->root->calls;
	for (size_t i = 0; !calls->gathered && i < calls->over->items_count; i++)
		if (!ffp_rows_get_member(&batch->rows, request->group, calls->over->items[i]->key))
			return false;
	calls->gathered = true;
	return true;
}

static bool are_leases_sorted(const ffp_batch *batch, const ffp_quota_calls *calls)
{
	return calls->is_sorted && calls->reverts == batch->rows.reverts;
}

/* Sorts the leases of the members as they are by now. From then on each lease that is given is put among them. A slot that
 * cannot be read has none, and is left for check to find. */
static bool sort_leases(ffp_batch *batch, ffp_request *request)
{
	ffp_quota_calls *calls = request->root->calls;
	if (are_leases_sorted(batch, calls))
		return true;
	ffp_leases_clear(&calls->leases, batch->arena);
	for (ffp_item *slot = request->group->members; slot; slot = slot->next_member) {
		const ffp_slot_row *row = slot->loaded ? (const ffp_slot_row *)slot->after : NULL;
		slot->lease = NULL;
		if (row && row->row.state == FF_ROW_OK && !ff_row_is_null(&row->row, FFP_SLOT_LEASE_UNTIL) &&
		    !ffp_leases_give(&calls->leases, slot, row->lease_until_ms))
			return false;
	}
	calls->is_sorted = true;
	calls->reverts = batch->rows.reverts;
	return true;
}

/*
 * Whether there is a slot (FF-QA-5): one below the cap, or as many as stand above it whose lease is over. The batch's
 * own slots are looked at with those of the store, of which more are asked for until there are enough or no more.
 */
static ff_code look_at_slots(ffp_batch *batch, ffp_request *request, admission *found)
{
	uint64_t active = found->policy ? (uint64_t)found->policy->active_concurrency : 0;
	if (found->held && active)
		active--; /* its own, held or over */
	if (found->holds || !found->limits.max_concurrent || active < found->limits.max_concurrent)
		return FF_OK;
	ffp_quota_calls *calls = request->root->calls;
	if (!calls->over)
		return scan_over(batch, request, found, first_limit(calls));
	if (!calls->over->loaded)
		return FFP_PENDING;
	if (!gather(batch, request) || !sort_leases(batch, request))
		return FF_E_NO_MEMORY;
	uint64_t wanted = active - found->limits.max_concurrent + 1;
	uint64_t free = ffp_leases_count_over(&calls->leases, found->time_ms, request->held, wanted);
	if (free < wanted && calls->over->items_count == calls->over_limit && calls->over_limit < UINT32_MAX / 8)
		return scan_over(batch, request, found, calls->over_limit * 8);
	if (free < wanted)
		found->outcome.kind = FF_CONCURRENCY_EXCEEDED;
	else
		found->freed = wanted;
	return FF_OK;
}

static bool set_lease(const ffp_batch *batch, const ffp_request *request, ffp_slot_row *row, int64_t until_ms)
{
	ffp_quota_calls *calls = request->root->calls;
	row->lease_until_ms = until_ms;
	row->row.nulls &= ~(1u << FFP_SLOT_LEASE_UNTIL);
	return !are_leases_sorted(batch, calls) || ffp_leases_give(&calls->leases, request->held, until_ms);
}

static void clear_lease(const ffp_request *request, ffp_slot_row *row)
{
	row->row.nulls |= 1u << FFP_SLOT_LEASE_UNTIL;
	request->held->lease = NULL;
}

/* An admission that stands: only the end of its lease moves, where the call carries one. */
static ff_code renew(ffp_batch *batch, ffp_request *request, admission *found)
{
	int64_t lease_ms = request->call->in.admission->lease_ms;
	found->outcome.kind = FF_ALREADY_ADMITTED;
	if (lease_ms == 0)
		return FF_OK;
	ffp_slot_row *row = (ffp_slot_row *)ffp_rows_change(&batch->rows, request->held);
	if (!row)
		return FF_E_NO_MEMORY;
	return set_lease(batch, request, row, ffp_add_saturated(found->time_ms, lease_ms)) ? FF_OK : FF_E_NO_MEMORY;
}

static void free_slots(const ffp_request *request, const admission *found)
{
	for (uint64_t left = found->freed; left; left--)
		ffp_rows_delete(ffp_leases_take_over(&request->root->calls->leases, found->time_ms, request->held));
}

/* The row of the next entry, which nobody has numbered yet: taken for absent as a fresh key is, and looked up where that
 * turned out to be wrong. */
static ff_code next_entry(ffp_batch *batch, ffp_request *request, const admission *found, ffp_item **item)
{
	int64_t number = found->policy ? found->policy->next_entry : 0;
	ffp_entry_row key = { .quota_policy_id = request->id, .entry = number };
	*item = NULL;
	if (found->limits.window_seconds == 0)
		return FF_OK;
	*item = batch->trusts_keys ? ffp_rows_trust(&batch->rows, FFP_QUOTA_WINDOW, &key.row)
	                           : entry_item(batch, request->id, number);
	batch->trusted |= batch->trusts_keys;
	if (!*item)
		return FF_E_NO_MEMORY;
	if (!(*item)->loaded)
		return ask_for_entries(batch, request, number, INT64_MAX);
	return (*item)->after ? corrupt(request, "a window entry whose number was never handed out") : FF_OK;
}

static bool add_entry(ffp_batch *batch, const ffp_request *request, const admission *found, ffp_item *item,
                      int64_t expires_at_ms)
{
	ffp_entry_row *entry = (ffp_entry_row *)ffp_rows_change(&batch->rows, item);
	if (!entry)
		return false;
	entry->execution_id = request->execution_id;
	entry->admitted_at_ms = found->time_ms;
	entry->expires_at_ms = expires_at_ms;
	return true;
}

static ff_code admit(ffp_batch *batch, ffp_request *request, const admission *found)
{
	int64_t lease_ms = request->call->in.admission->lease_ms;
	int64_t expires_at_ms = ffp_add_saturated(found->time_ms, (int64_t)found->limits.window_seconds * 1000);
	bool had_row = found->held != NULL;
	ffp_item *entry;
	ff_code code = next_entry(batch, request, found, &entry);
	if (code != FF_OK)
		return code;
	free_slots(request, found);
	ffp_quota_row *policy = (ffp_quota_row *)ffp_rows_change(&batch->rows, request->root);
	ffp_slot_row *slot = (ffp_slot_row *)ffp_rows_change(&batch->rows, request->held);
	if (!policy || !slot || (entry && !add_entry(batch, request, found, entry, expires_at_ms)))
		return FF_E_NO_MEMORY;
	policy->next_entry += entry != NULL;
	policy->active_concurrency += (had_row ? 0 : 1) - (int64_t)found->freed;
	policy->latest_ms = found->time_ms;
	slot->admitted_at_ms = found->time_ms;
	slot->expires_at_ms = expires_at_ms;
	if (lease_ms)
		return set_lease(batch, request, slot, ffp_add_saturated(found->time_ms, lease_ms)) ? FF_OK
		                                                                                    : FF_E_NO_MEMORY;
	clear_lease(request, slot);
	return FF_OK;
}

/* In order (FF-QA-3): a standing admission, the window, the slots. */
static ff_code decide_admit(ffp_batch *batch, ffp_request *request)
{
	admission found = { 0 };
	ff_code code = look_at_policy(request, &found);
	if (code != FF_OK)
		return code;
	if (found.holds && !ffp_is_over(found.held->expires_at_ms, found.time_ms)) {
		code = renew(batch, request, &found);
	} else {
		code = look_at_window(batch, request, &found);
		if (code == FF_OK && found.outcome.kind == FF_ADMITTED)
			code = look_at_slots(batch, request, &found);
		if (code == FF_OK && found.outcome.kind == FF_ADMITTED)
			code = admit(batch, request, &found);
	}
	if (code == FF_OK && request->call->out.admission)
		*request->call->out.admission = found.outcome;
	return code;
}

const ffp_op ffp_op_admit = {
	.name = "admit",
	.entity = "quota_policy",
	.check = check_admit,
	.plan = plan_policy_and_slot,
	.decide = decide_admit,
};

/* ---- release (FF-QA-5) -------------------------------------------------------------------------------------- */

static ff_code check_release(ffp_request *request, ff_arena *arena)
{
	(void)arena;
	request->own_now_ms = request->call->in.target.now_ms;
	ff_code code =
	    ffp_name_check(&ffp_name_quota_policy_id, request->call->in.target.id, &request->id, request->error);
	if (code != FF_OK)
		return code;
	return ffp_name_check(&ffp_name_execution_id, request->call->in.target.execution_id, &request->execution_id,
	                      request->error);
}

static ff_code decide_release(ffp_batch *batch, ffp_request *request)
{
	const ffp_quota_row *policy = (const ffp_quota_row *)request->root->after;
	const ffp_slot_row *slot = (const ffp_slot_row *)request->held->after;
	const char *fault = policy ? ffp_quota_fault(policy) : NULL;
	if (!fault && slot)
		fault = ffp_slot_fault(slot);
	if (!fault && slot && (!policy || policy->active_concurrency == 0))
		fault = "a slot that it does not count";
	if (fault)
		return corrupt(request, fault);
	int64_t time_ms = ffp_quota_time(policy, request->now_ms);
	bool held = slot && !ffp_slot_is_over(slot, time_ms);
	if (held) {
		ffp_quota_row *row = (ffp_quota_row *)ffp_rows_change(&batch->rows, request->root);
		if (!row)
			return FF_E_NO_MEMORY;
		row->active_concurrency--;
		row->latest_ms = time_ms;
		ffp_rows_delete(request->held);
	}
	if (request->call->out.held)
		*request->call->out.held = held;
	return FF_OK;
}

const ffp_op ffp_op_release_admission = {
	.name = "release_admission",
	.entity = "quota_policy",
	.check = check_release,
	.plan = plan_policy_and_slot,
	.decide = decide_release,
};
