/* ffctl: quota policies, admission, and the paging that budgets and quotas share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffctl.h"

/* ---- lists -------------------------------------------------------------------------------------------------- */

#define PAGE_MAX 1000

int ctl_list(ctl_session *session, ctl_page_fn *print_page)
{
	const char *limit = ctl_value(session, OPT_LIMIT), *after = ctl_value(session, OPT_AFTER);
	uint64_t left = UINT64_MAX;
	if (limit && !ctl_read_range(limit, 1, UINT64_MAX, &left))
		return ctl_usage(session, "--limit '%s' is no number from 1 on", limit);
	ff_error error;
	if (ctl_open(session, FF_OPEN_READ_ONLY, &error))
		return ctl_fail(session, &error);
	char *last = after ? ctl_copy(after) : NULL;
	for (bool more = true; more && left;) {
		uint64_t count;
		char *next = NULL;
		ff_code code = print_page(session, last, left < PAGE_MAX ? (uint32_t)left : PAGE_MAX, &next, &count,
		                          &more, &error);
		free(last);
		last = next;
		if (code) {
			free(last);
			return ctl_fail(session, &error);
		}
		left -= count;
	}
	free(last);
	return CTL_DONE;
}

/* ---- policies ----------------------------------------------------------------------------------------------- */

static int read_limits(const ctl_session *session, ff_quota_limits *limits)
{
	const char *window = ctl_value(session, OPT_WINDOW), *max = ctl_value(session, OPT_MAX),
		   *concurrency = ctl_value(session, OPT_CONCURRENCY);
	if (!ctl_read_seconds(window, &limits->window_seconds))
		return ctl_usage(session, "--window '%s' is no duration of whole seconds such as 60s or 5m", window);
	if (!ctl_read_number(max, &limits->max_requests_per_window))
		return ctl_usage(session, "--max '%s' is no number", max);
	if (!ctl_read_number(concurrency, &limits->max_concurrent))
		return ctl_usage(session, "--concurrency '%s' is no number", concurrency);
	return CTL_DONE;
}

int ctl_quota_create(ctl_session *session)
{
	ff_quota_spec spec = FF_QUOTA_SPEC_INIT;
	spec.quota_policy_id = session->arguments[0];
	int status = read_limits(session, &spec.limits);
	if (status)
		return status;
	ff_error error;
	ff_created created;
	if (ctl_open(session, 0, &error) || ff_engine_create_quota_policy(session->engine, &spec, &created, &error))
		return ctl_fail(session, &error);
	return ctl_print_created(session, &created, "quota policy", "quota_policy_id");
}

static void print_status_json(const ff_quota_status *status)
{
	cJSON *object = ctl_json_object();
	ctl_json_text(object, "quota_policy_id", status->quota_policy_id);
	ctl_json_integer(object, "window_seconds", status->limits.window_seconds);
	ctl_json_integer(object, "max_requests_per_window", status->limits.max_requests_per_window);
	ctl_json_integer(object, "max_concurrent", status->limits.max_concurrent);
	ctl_json_integer(object, "in_window", status->in_window);
	ctl_json_integer(object, "active", status->active);
	ctl_json_time(object, "next_admission_at", status->next_admission_at_ms);
	ctl_json_print(object);
}

/* When the window lets the next one through, and that it wants a slot where all are held. */
static void describe_next(const ff_quota_status *quota, char *to, size_t size)
{
	bool full = quota->limits.max_concurrent && quota->active >= quota->limits.max_concurrent;
	if (quota->next_admission_at_ms == FF_TIME_NONE)
		snprintf(to, size, "%s", full ? "when a slot is free" : "now");
	else
		snprintf(to, size, "%s%s", ctl_time(quota->next_admission_at_ms, "").text,
		         full ? ", and a slot free" : "");
}

static void print_table(const ctl_session *session, const ff_quota_status *quotas, size_t count)
{
	static const ctl_column columns[] = { { "QUOTA", false }, { "WINDOW", true }, { "IN WINDOW", true },
		                              { "MAX", true },    { "", false },      { "ACTIVE", true },
		                              { "MAX", true },    { "", false },      { "NEXT ADMISSION", false } };
	struct libscols_table *table = ctl_table_new(session, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < count; i++) {
		const ff_quota_status *quota = &quotas[i];
		ff_limit requests = { .hard = quota->limits.max_requests_per_window };
		ff_limit slots = { .hard = quota->limits.max_concurrent };
		struct libscols_line *line = ctl_table_line(table);
		char next[128];
		ctl_table_set(line, 0, quota->quota_policy_id, NULL);
		ctl_table_set(line, 1, ctl_duration((int64_t)quota->limits.window_seconds * 1000, "-").text, NULL);
		ctl_table_set(line, 2, ctl_digits(quota->in_window).text, NULL);
		ctl_table_set(line, 3, ctl_limit_digits(requests.hard).text, NULL);
		ctl_table_set(line, 4, ctl_usage_bar(quota->in_window, &requests).text,
		              ctl_usage_colour(quota->in_window, &requests));
		ctl_table_set(line, 5, ctl_digits(quota->active).text, NULL);
		ctl_table_set(line, 6, ctl_limit_digits(slots.hard).text, NULL);
		ctl_table_set(line, 7, ctl_usage_bar(quota->active, &slots).text,
		              ctl_usage_colour(quota->active, &slots));
		describe_next(quota, next, sizeof next);
		ctl_table_set(line, 8, next, NULL);
	}
	ctl_table_print(table);
}

int ctl_quota_status(ctl_session *session)
{
	ff_error error;
	const ff_quota_status *status;
	if (ctl_open(session, FF_OPEN_READ_ONLY, &error) ||
	    ff_engine_get_quota_status(session->engine, session->arguments[0], &status, &error))
		return ctl_fail(session, &error);
	if (session->json)
		print_status_json(status);
	else
		print_table(session, status, 1);
	ff_free(status);
	return CTL_DONE;
}

static ff_code list_page(ctl_session *session, const char *after, uint32_t limit, char **last, uint64_t *count,
                         bool *more, ff_error *error)
{
	const ff_quota_page *page;
	ff_code code = ff_engine_list_quotas(session->engine, after, limit, &page, error);
	if (code)
		return code;
	*count = page->quotas_count;
	*more = page->more;
	if (*more)
		*last = ctl_copy(page->quotas[page->quotas_count - 1].quota_policy_id);
	if (!session->json)
		print_table(session, page->quotas, page->quotas_count);
	for (size_t i = 0; session->json && i < page->quotas_count; i++)
		print_status_json(&page->quotas[i]);
	ff_free(page);
	return FF_OK;
}

int ctl_quota_list(ctl_session *session)
{
	return ctl_list(session, list_page);
}

/* ---- admission ---------------------------------------------------------------------------------------------- */

static int read_admission(const ctl_session *session, ff_admission *admission, ff_quota_limits *limits)
{
	const char *lease = ctl_value(session, OPT_LEASE), *jitter = ctl_value(session, OPT_JITTER);
	int given =
	    !!ctl_value(session, OPT_WINDOW) + !!ctl_value(session, OPT_MAX) + !!ctl_value(session, OPT_CONCURRENCY);
	uint64_t jitter_ms = 0;
	if (lease && !ctl_read_duration(lease, &admission->lease_ms))
		return ctl_usage(session, "--lease '%s' is no duration such as 60s or 5m", lease);
	if (jitter && !ctl_read_range(jitter, 0, INT64_MAX, &jitter_ms))
		return ctl_usage(session, "--jitter '%s' is no number of milliseconds", jitter);
	if (given != 0 && given != 3)
		return ctl_usage(session, "--window, --max and --concurrency go together");
	admission->jitter_ms = (int64_t)jitter_ms;
	admission->limits = given ? limits : NULL;
	return given ? read_limits(session, limits) : CTL_DONE;
}

static void print_admission(const ff_admission_outcome *outcome)
{
	switch (outcome->kind) {
	case FF_ADMITTED:
		puts("admitted");
		break;
	case FF_ALREADY_ADMITTED:
		puts("admitted already");
		break;
	case FF_RATE_EXCEEDED:
		printf("not admitted; the window is full, try again in %s ms\n",
		       ctl_digits((uint64_t)outcome->retry_after_ms).text);
		break;
	case FF_CONCURRENCY_EXCEEDED:
		puts("not admitted; every slot is held");
		break;
	}
}

int ctl_quota_admit(ctl_session *session)
{
	static const char *const words[] = { [FF_ADMITTED] = "admitted",
		                             [FF_ALREADY_ADMITTED] = "already_admitted",
		                             [FF_RATE_EXCEEDED] = "rate_exceeded",
		                             [FF_CONCURRENCY_EXCEEDED] = "concurrency_exceeded" };
	ff_admission admission = FF_ADMISSION_INIT;
	ff_quota_limits limits;
	admission.quota_policy_id = session->arguments[0];
	admission.execution_id = ctl_value(session, OPT_EXECUTION);
	int status = read_admission(session, &admission, &limits);
	if (status)
		return status;
	ff_error error;
	ff_admission_outcome outcome;
	if (ctl_open(session, 0, &error) || ff_engine_admit(session->engine, &admission, &outcome, &error))
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_text(object, "outcome", words[outcome.kind]);
		ctl_json_time(object, "retry_after_ms", outcome.retry_after_ms);
		ctl_json_print(object);
	} else {
		print_admission(&outcome);
	}
	return outcome.kind == FF_ADMITTED || outcome.kind == FF_ALREADY_ADMITTED ? CTL_DONE : CTL_REFUSED;
}

int ctl_quota_release(ctl_session *session)
{
	ff_error error;
	bool held;
	if (ctl_open(session, 0, &error) ||
	    ff_engine_release_admission(session->engine, session->arguments[0], ctl_value(session, OPT_EXECUTION), 0,
	                                &held, &error))
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_text(object, "result", "released");
		ctl_json_bool(object, "held", held);
		return ctl_json_print(object);
	}
	puts(held ? "released" : "it held no slot");
	return CTL_DONE;
}
