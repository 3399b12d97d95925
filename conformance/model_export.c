/* The export (FF-MT-3): the logical state at an instant, one line for each row, and one that says how many. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_budget.h"
#include "model_json.h"
#include "model_quota.h"
#include "model_report.h"
#include "text.h"

typedef struct exporting {
	int64_t now_ms;
	ff_line_fn *line;
	void *context;
	ffp_string text;
	int64_t lines;
	ff_code code;
} exporting;

static void export_row(exporting *to, const char *names, ...)
{
	va_list arguments;
	if (to->code != FF_OK)
		return;
	ffp_string_clear(&to->text);
	va_start(arguments, names);
	ffp_json_add_members(&to->text, names, arguments);
	va_end(arguments);
	to->code = to->line(to->context, to->text.data, to->text.size, NULL);
	to->lines++;
}

static void export_budget(exporting *to, const ffp_model_budget *of)
{
	const ffp_model_budget now = ffp_model_settled(of, to->now_ms);
	const char *last = now.last_breach_ms == FF_TIME_NONE ? NULL : of->last_breach_dimension;
	export_row(to,
	           "nbreach_count sbudget_id ncreated_at_ms senforcement_mode nlast_breach_at_ms slast_breach_dim "
	           "nnext_reset_at_ms nperiod spolicy_json sscope_id sscope_type nsoft_breach_count stable "
	           "nupdated_at_ms",
	           of->breaches, of->id, of->created_ms, of->advisory ? "advisory" : "strict", now.last_breach_ms, last,
	           now.next_reset_ms, INT64_C(0), of->policy_text, of->scope_id, of->scope_type, of->soft_breaches,
	           "ff_budget_policy", now.updated_ms);
}

static void export_usage(exporting *to, const ffp_model_budget *of)
{
	foreach (ffp_model_usage, charged, &of->usages)
		export_row(to, "sbudget_id ncurrent_value sdimensions_key nperiod stable nupdated_at_ms", of->id,
		           ffp_model_is_due(of, to->now_ms) ? 0 : charged->value, charged->dimension, INT64_C(0),
		           "ff_budget_usage", charged->updated_ms);
}

static void export_ledger(exporting *to, const ffp_model_budget *of)
{
	foreach (ffp_model_ledger, recorded, &of->ledgers) {
		char execution[ID_SIZE];
		size_t length = strcspn(recorded->name, "\n");
		snprintf(execution, sizeof(execution), "%.*s", (int)length, recorded->name);
		if (!ffp_model_is_due(of, to->now_ms))
			export_row(
			    to, "sbudget_id ndelta_total sdimensions_key sexecution_id nperiod stable nupdated_at_ms",
			    of->id, recorded->value, recorded->name + length + 1, execution, INT64_C(0),
			    "ff_budget_usage_by_exec", recorded->updated_ms);
	}
}

static void export_key(exporting *to, const ffp_model_key *used)
{
	char name[KEY_SIZE];
	size_t length = strcspn(used->name, "\n");
	snprintf(name, sizeof(name), "%.*s", (int)length, used->name);
	char *text = ffp_model_outcome_text(&used->outcome);
	export_row(to, "napplied_at_ms sbudget_id sdedup_key nexpires_at_ms soutcome_json npayload_digest stable",
	           used->applied_ms, used->name + length + 1, name, used->expires_ms, text, INT64_C(0),
	           "ff_budget_usage_dedup");
	free(text);
}

static void export_quota(exporting *to, const ffp_model_quota *of)
{
	export_row(to,
	           "nactive_concurrency nactive_concurrency_cap ncreated_at_ms nlatest_ms nlimits_stored "
	           "nmax_requests_per_window nnext_entry squota_policy_id nrequests_per_window_seconds stable "
	           "nupdated_at_ms",
	           (int64_t)ffp_model_count_slots(of, ffp_model_quota_time(of, to->now_ms)),
	           (int64_t)of->limits.max_concurrent, of->created_ms, of->latest_ms, (int64_t)of->exists,
	           (int64_t)of->limits.max_requests_per_window, of->next_number, of->id,
	           (int64_t)of->limits.window_seconds, "ff_quota_policy", of->updated_ms);
}

static void export_entries(exporting *to, const ffp_model_quota *of)
{
	foreach (ffp_model_entry, taken, &of->entries) {
		if (ffp_model_quota_time(of, to->now_ms) < taken->expires_ms)
			export_row(to, "nadmitted_at_ms nentry sexecution_id nexpires_at_ms squota_policy_id stable",
			           taken->admitted_ms, taken->number, taken->execution, taken->expires_ms, of->id,
			           "ff_quota_window");
	}
}

static void export_slots(exporting *to, const ffp_model_quota *of)
{
	foreach (ffp_model_slot, held, &of->slots) {
		if (ffp_model_is_held(held, ffp_model_quota_time(of, to->now_ms)))
			export_row(
			    to, "nadmitted_at_ms sexecution_id nexpires_at_ms nlease_until_ms squota_policy_id stable",
			    held->admitted_ms, held->execution, held->expires_ms, held->lease_until_ms, of->id,
			    "ff_quota_admitted");
	}
}

ff_code ffp_model_export(ffp_model *model, int64_t now_ms, ff_line_fn *line, void *context)
{
	exporting to = { .now_ms = now_ms ? now_ms : ffp_model_time(model), .line = line, .context = context };
	if (now_ms < 0)
		return FF_E_INVALID;
	foreach (ffp_model_budget, of, &model->budgets) {
		if (of->exists)
			export_budget(&to, of);
	}
	foreach (ffp_model_budget, of, &model->budgets)
		export_usage(&to, of);
	foreach (ffp_model_key, used, &model->keys) {
		if (to.now_ms < used->expires_ms)
			export_key(&to, used);
	}
	foreach (ffp_model_budget, of, &model->budgets)
		export_ledger(&to, of);
	foreach (ffp_model_quota, of, &model->quotas)
		export_quota(&to, of);
	foreach (ffp_model_quota, of, &model->quotas)
		export_entries(&to, of);
	foreach (ffp_model_quota, of, &model->quotas)
		export_slots(&to, of);
	export_row(&to, "nlines stable", to.lines, "end");
	ffp_string_free(&to.text);
	return to.code;
}
