/* Quotas: their policies, admissions and statuses. */
#include "model_quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- arguments -------------------------------------------------------------------------------------------------- */

bool ffp_model_are_quota_limits(const ff_quota_limits *asked)
{
	return asked->window_seconds <= UINT64_C(1000000000000) && asked->max_requests_per_window <= AMOUNT_MAX &&
	       asked->max_concurrent <= AMOUNT_MAX && (!asked->max_requests_per_window || asked->window_seconds);
}

bool ffp_model_is_admission(const ff_admission *asked)
{
	return ffp_model_is_id(asked->quota_policy_id) && ffp_model_is_id(asked->execution_id) &&
	       asked->lease_ms >= 0 && asked->jitter_ms >= 0 && asked->jitter_ms <= INT64_C(1000000000000) &&
	       (!asked->limits || ffp_model_are_quota_limits(asked->limits));
}

/* ---- window entries and slots ----------------------------------------------------------------------------------- */

int64_t ffp_model_quota_time(const ffp_model_quota *of, int64_t now_ms)
{
	return now_ms > of->latest_ms ? now_ms : of->latest_ms;
}

bool ffp_model_is_held(const ffp_model_slot *of, int64_t time_ms)
{
	return of->lease_until_ms == FF_TIME_NONE || time_ms < of->lease_until_ms;
}

static ffp_model_slot *find_held(const ffp_model_quota *of, const char *execution, int64_t time_ms)
{
	ffp_model_slot *found = ffp_list_find(&of->slots, execution);
	return found && ffp_model_is_held(found, time_ms) ? found : NULL;
}

uint64_t ffp_model_count_slots(const ffp_model_quota *of, int64_t time_ms)
{
	uint64_t held = 0;
	foreach (ffp_model_slot, taken, &of->slots)
		held += ffp_model_is_held(taken, time_ms);
	return held;
}

static uint64_t count_entries(const ffp_model_quota *of, int64_t time_ms)
{
	uint64_t alive = 0;
	foreach (ffp_model_entry, taken, &of->entries)
		alive += time_ms < taken->expires_ms;
	return alive;
}

/* FF-QA-2: the entry max places back, where it is alive. */
static const ffp_model_entry *find_full(const ffp_model_quota *of, uint64_t max, int64_t time_ms)
{
	foreach (ffp_model_entry, taken, &of->entries) {
		if (max && (uint64_t)(of->next_number - taken->number) == max && time_ms < taken->expires_ms)
			return taken;
	}
	return NULL;
}

void ffp_model_drop_over(ffp_model_quota *of, int64_t time_ms)
{
	for (size_t i = of->entries.count; i-- > 0;) {
		ffp_model_entry *taken = ffp_list_at(&of->entries, i);
		if (time_ms >= taken->expires_ms)
			ffp_list_drop(&of->entries, taken);
	}
	for (size_t i = of->slots.count; i-- > 0;) {
		ffp_model_slot *taken = ffp_list_at(&of->slots, i);
		if (!ffp_model_is_held(taken, time_ms))
			ffp_list_drop(&of->slots, taken);
	}
}

/* ---- create_quota_policy, ffp_model_admit, ffp_model_release_admission -------------------------------------------------------------- */

/* FF-QA-1 */
ff_code ffp_model_create_quota(ffp_model *model, const ff_quota_spec *spec, int64_t now_ms, ff_created *created)
{
	ffp_model_quota *of = ffp_list_make(&model->quotas, spec->quota_policy_id, sizeof(*of));
	bool same = of->limits.window_seconds == spec->limits.window_seconds &&
	            of->limits.max_requests_per_window == spec->limits.max_requests_per_window &&
	            of->limits.max_concurrent == spec->limits.max_concurrent;
	*created = (ff_created){ .created = !of->exists, .same = !of->exists || same };
	if (of->exists)
		return FF_OK;
	of->exists = true;
	of->limits = spec->limits;
	of->created_ms = of->updated_ms = now_ms;
	return FF_OK;
}

/* FF-QA-4: after waiting so long from now exactly, one more is admitted. */
static int64_t retry_after(ffp_model *model, const ffp_model_entry *full, const ff_admission *asked, int64_t now_ms)
{
	int64_t wait_ms = full->expires_ms - now_ms;
	if (!asked->jitter_ms)
		return wait_ms;
	uint64_t random = model->random.next(model->random.context);
	return ffp_model_later(wait_ms, (int64_t)(random % ((uint64_t)asked->jitter_ms + 1)));
}

/* FF-QA-5: a slot in any case, an entry where there is a window. */
static void take(ffp_model_quota *of, const char *execution, uint64_t window_seconds, int64_t time_ms,
                 int64_t lease_until_ms)
{
	int64_t expires_ms = ffp_model_later(time_ms, (int64_t)window_seconds * 1000);
	of->latest_ms = time_ms;
	ffp_model_drop_over(of, time_ms);
	if (window_seconds) {
		char name[24];
		snprintf(name, sizeof(name), "%020" PRId64, of->next_number);
		ffp_model_entry *taken = ffp_list_make(&of->entries, name, sizeof(*taken));
		ffp_model_copy_name(taken->execution, sizeof(taken->execution), execution);
		taken->number = of->next_number++;
		taken->admitted_ms = time_ms;
		taken->expires_ms = expires_ms;
	}
	ffp_model_slot *held = ffp_list_make(&of->slots, execution, sizeof(*held));
	held->admitted_ms = time_ms;
	held->expires_ms = expires_ms;
	held->lease_until_ms = lease_until_ms;
}

/* FF-QA-3 */
static ff_admission_outcome decide_admission(ffp_model *model, ffp_model_quota *of, const ff_admission *asked,
                                             int64_t now_ms)
{
	const ff_quota_limits *bounds = asked->limits ? asked->limits : &of->limits;
	int64_t time_ms = ffp_model_quota_time(of, now_ms);
	int64_t lease_until_ms = asked->lease_ms ? ffp_model_later(time_ms, asked->lease_ms) : FF_TIME_NONE;
	ff_admission_outcome outcome = { .kind = FF_ADMITTED, .retry_after_ms = FF_TIME_NONE };
	ffp_model_slot *held = find_held(of, asked->execution_id, time_ms);
	const ffp_model_entry *full = find_full(of, bounds->max_requests_per_window, time_ms);
	if (held && time_ms < held->expires_ms) {
		if (asked->lease_ms)
			held->lease_until_ms = lease_until_ms;
		outcome.kind = FF_ALREADY_ADMITTED;
	} else if (full) {
		outcome.kind = FF_RATE_EXCEEDED;
		outcome.retry_after_ms = retry_after(model, full, asked, now_ms);
	} else if (!held && bounds->max_concurrent && ffp_model_count_slots(of, time_ms) >= bounds->max_concurrent) {
		outcome.kind = FF_CONCURRENCY_EXCEEDED;
	} else {
		take(of, asked->execution_id, bounds->window_seconds, time_ms, lease_until_ms);
	}
	return outcome;
}

/* FF-QA-2, 9 */
ff_code ffp_model_admit(ffp_model *model, const ff_admission *asked, int64_t now_ms, ff_admission_outcome *outcome)
{
	const ffp_model_quota *known = ffp_list_find(&model->quotas, asked->quota_policy_id);
	if (!(known && known->exists) && !asked->limits)
		return FF_E_NOT_FOUND;
	*outcome = decide_admission(
	    model, ffp_list_make(&model->quotas, asked->quota_policy_id, sizeof(ffp_model_quota)), asked, now_ms);
	return FF_OK;
}

/* FF-QA-5, 10 */
ff_code ffp_model_release_admission(ffp_model *model, const char *id, const char *execution, int64_t now_ms, bool *held)
{
	ffp_model_quota *of = ffp_list_find(&model->quotas, id);
	ffp_model_slot *freed = of ? find_held(of, execution, ffp_model_quota_time(of, now_ms)) : NULL;
	*held = freed != NULL;
	if (!freed)
		return FF_OK;
	of->latest_ms = ffp_model_quota_time(of, now_ms);
	ffp_list_drop(&of->slots, freed);
	return FF_OK;
}

/* ---- statuses (FF-QA-8) ----------------------------------------------------------------------------------------- */

ff_code ffp_model_get_quota_status(ffp_model *model, const char *quota_id, const ff_quota_status **status)
{
	ffp_model_forget(model);
	if (!ffp_model_is_id(quota_id))
		return FF_E_INVALID;
	const ffp_model_quota *of = ffp_list_find(&model->quotas, quota_id);
	if (!of || !of->exists)
		return FF_E_NOT_FOUND;
	int64_t time_ms = ffp_model_quota_time(of, ffp_model_time(model));
	const ffp_model_entry *full = find_full(of, of->limits.max_requests_per_window, time_ms);
	ff_quota_status *shown = ffp_model_keep(model, sizeof(*shown));
	*shown = (ff_quota_status){
		.quota_policy_id = of->id,
		.limits = of->limits,
		.in_window = count_entries(of, time_ms),
		.active = ffp_model_count_slots(of, time_ms),
		.next_admission_at_ms = full ? full->expires_ms : FF_TIME_NONE,
		.created_at_ms = of->created_ms,
		.updated_at_ms = of->updated_ms,
	};
	*status = shown;
	return FF_OK;
}

const char *ffp_model_next_quota(const ffp_model *model, const char *after)
{
	foreach (ffp_model_quota, next, &model->quotas) {
		if (next->exists && strcmp(next->id, after) > 0)
			return next->id;
	}
	return NULL;
}
