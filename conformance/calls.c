/* Short ways to call the engine, which take and answer texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* ---- compact forms of arguments ----------------------------------------------------------------------------- */

static uint64_t number_of(const char *text, const char **end)
{
	if (!strncmp(text, "max", 3)) {
		*end = text + 3;
		return MAX_AMOUNT;
	}
	char *after = NULL;
	uint64_t number = strtoull(text, &after, 10);
	*end = after;
	return number;
}

/* The next word of `text` in a copy, or NULL; the word's value begins behind its last equals sign. */
static char *next_word(ff_test *test, const char **text, const char **value)
{
	*text += strspn(*text, " ");
	size_t length = strcspn(*text, " ");
	if (!length)
		return NULL;
	char *word = ff_test_alloc(test, length + 1);
	memcpy(word, *text, length);
	*text += length;
	char *equals = strrchr(word, '=');
	FF_REQUIRE(test, equals != NULL);
	*equals = '\0';
	*value = equals + 1;
	return word;
}

const ffp_amounts *ffp_amounts_of(ff_test *test, const char *text)
{
	ffp_amounts *amounts = ff_test_alloc(test, sizeof(*amounts));
	const char *value = NULL;
	for (const char *word = next_word(test, &text, &value); word; word = next_word(test, &text, &value))
		amounts->list[amounts->count++] = (ff_amount){ word, number_of(value, &value) };
	return amounts;
}

static void set_option(ff_budget_spec *spec, const char *name, char *value)
{
	if (!strcmp(name, "@reset"))
		spec->reset_interval_ms = strtoll(value, NULL, 10);
	else if (!strcmp(name, "@mode"))
		spec->enforcement_mode = value;
	else if (!strcmp(name, "@hard"))
		spec->on_hard_limit = value;
	else if (!strcmp(name, "@soft"))
		spec->on_soft_limit = value;
	else if (!strcmp(name, "@now"))
		spec->now_ms = strtoll(value, NULL, 10);
	else if (!strcmp(name, "@scope")) {
		spec->scope_type = strsep(&value, ":");
		spec->scope_id = value;
	}
}

const ff_budget_spec *ffp_budget_of(ff_test *test, const char *budget_id, const char *text)
{
	ff_budget_spec *spec = ff_test_alloc(test, sizeof(*spec));
	ff_limit *limits = ff_test_alloc(test, 70 * sizeof(*limits));
	*spec = (ff_budget_spec)FF_BUDGET_SPEC_INIT;
	spec->budget_id = budget_id;
	spec->limits = limits;
	const char *value = NULL;
	for (const char *word = next_word(test, &text, &value); word; word = next_word(test, &text, &value)) {
		if (*word == '@') {
			set_option(spec, word, (char *)(uintptr_t)value);
			continue;
		}
		ff_limit *limit = &limits[spec->limits_count++];
		limit->dimension = word;
		limit->hard = number_of(value, &value);
		limit->soft = *value == ':' ? number_of(value + 1, &value) : 0;
	}
	return spec;
}

ffp_quota_args ffp_quota_of(ff_test *test, const char *text)
{
	ffp_quota_args args = { 0 };
	const char *value = NULL;
	for (const char *word = next_word(test, &text, &value); word; word = next_word(test, &text, &value)) {
		uint64_t number = number_of(value, &value);
		if (!strcmp(word, "window"))
			args.limits.window_seconds = number;
		else if (!strcmp(word, "max"))
			args.limits.max_requests_per_window = number;
		else if (!strcmp(word, "slots"))
			args.limits.max_concurrent = number;
		else if (!strcmp(word, "now"))
			args.now_ms = (int64_t)number;
		else if (!strcmp(word, "lease"))
			args.lease_ms = (int64_t)number;
		else if (!strcmp(word, "jitter"))
			args.jitter_ms = (int64_t)number;
		args.has_limits = args.has_limits || strchr("wms", *word);
	}
	return args;
}

const char *ffp_name_of_size(ff_test *test, char fill, size_t size)
{
	char *name = ff_test_alloc(test, size + 1);
	memset(name, fill, size);
	return name;
}

/* ---- answers as texts --------------------------------------------------------------------------------------- */

static const char *show_error(ff_test *test, ff_code code)
{
	return ff_test_text(test, "!%s", ff_code_name(code));
}

const char *ffp_show_outcome(ff_test *test, ff_code code, const ff_outcome *outcome)
{
	if (code)
		return show_error(test, code);
	static const char *const kinds[] = { "ok", "soft", "hard", "already" };
	const char *kind = (unsigned)outcome->kind < 4 ? kinds[outcome->kind] : "(unknown)";
	bool breach = outcome->kind == FF_OUTCOME_SOFT_BREACH || outcome->kind == FF_OUTCOME_HARD_BREACH;
	bool implied = outcome->kind != FF_OUTCOME_HARD_BREACH;
	const char *values = "";
	if (breach || *outcome->dimension || outcome->current_usage || outcome->limit)
		values = ff_test_text(test, " %s %" PRIu64 "/%" PRIu64, outcome->dimension, outcome->current_usage,
		                      outcome->limit);
	const char *applied = "";
	if (outcome->applied != implied)
		applied = outcome->applied ? " applied" : " unapplied";
	return ff_test_text(test, "%s%s%s%s", kind, values, applied, outcome->replayed ? " replayed" : "");
}

const char *ffp_show_created(ff_test *test, ff_code code, const ff_created *created)
{
	if (code)
		return show_error(test, code);
	if (created->created)
		return created->same ? "created" : "created, but not the same";
	return created->same ? "same" : "differs";
}

const char *ffp_show_admission(ff_test *test, ff_code code, const ff_admission_outcome *outcome)
{
	if (code)
		return show_error(test, code);
	static const char *const kinds[] = { "admitted", "already_admitted", "rate_exceeded", "concurrency_exceeded" };
	const char *kind = (unsigned)outcome->kind < 4 ? kinds[outcome->kind] : "(unknown)";
	if (outcome->retry_after_ms == FF_TIME_NONE)
		return kind;
	return ff_test_text(test, "%s %" PRId64, kind, outcome->retry_after_ms);
}

const char *ffp_show_amounts(ff_test *test, const ff_amount *amounts, size_t count)
{
	const char *text = "";
	for (size_t i = 0; i < count; i++)
		text =
		    ff_test_text(test, "%s%s%s=%" PRIu64, text, i ? " " : "", amounts[i].dimension, amounts[i].amount);
	return text;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

const char *ffp_create(ff_test *test, ff_engine *engine, const char *budget_id, const char *spec)
{
	ff_created created = { false, false };
	ff_code code =
	    ff_engine_create_budget(engine, ffp_budget_of(test, budget_id, spec), &created, ff_test_error(test));
	return ffp_show_created(test, code, &created);
}

static ff_report report_of(ff_test *test, const char *budget_id, const char *key, const char *amounts)
{
	const ffp_amounts *parsed = ffp_amounts_of(test, amounts);
	return (ff_report){
		.budget_id = budget_id, .amounts = parsed->list, .amounts_count = parsed->count, .idempotency_key = key
	};
}

static const char *send_report(ff_test *test, ff_engine *engine, const ff_report *report)
{
	ff_outcome outcome = { 0 };
	ff_code code = ff_engine_report_usage(engine, report, &outcome, ff_test_error(test));
	return ffp_show_outcome(test, code, &outcome);
}

const char *ffp_report(ff_test *test, ff_engine *engine, const char *budget_id, const char *key, const char *amounts)
{
	ff_report report = report_of(test, budget_id, key, amounts);
	return send_report(test, engine, &report);
}

const char *ffp_retry(ff_test *test, ff_engine *engine, const char *budget_id, const char *key, const char *amounts)
{
	ff_report report = report_of(test, budget_id, key, amounts);
	report.retry_refused = true;
	return send_report(test, engine, &report);
}

const char *ffp_spend(ff_test *test, ff_engine *engine, const char *budget_id, const char *execution_id,
                      const char *key, const char *amounts)
{
	ff_spend spend = { .report = report_of(test, budget_id, key, amounts), .execution_id = execution_id };
	ff_outcome outcome = { 0 };
	ff_code code = ff_engine_record_spend(engine, &spend, &outcome, ff_test_error(test));
	return ffp_show_outcome(test, code, &outcome);
}

const char *ffp_release(ff_test *test, ff_engine *engine, const char *budget_id, const char *execution_id)
{
	const ff_released *released = NULL;
	ff_code code = ff_engine_release_budget(engine, budget_id, execution_id, &released, ff_test_error(test));
	if (code)
		return show_error(test, code);
	ff_test_keep(test, released);
	return ffp_show_amounts(test, released->amounts, released->amounts_count);
}

const char *ffp_reset(ff_test *test, ff_engine *engine, const char *budget_id, int64_t now_ms)
{
	int64_t next = 0;
	ff_code code = ff_engine_reset_budget(engine, budget_id, now_ms, &next, ff_test_error(test));
	if (code)
		return show_error(test, code);
	return next == FF_TIME_NONE ? "none" : ff_test_text(test, "%" PRId64, next);
}

const char *ffp_create_quota(ff_test *test, ff_engine *engine, const char *quota_id, const char *args)
{
	ffp_quota_args parsed = ffp_quota_of(test, args);
	ff_quota_spec spec = FF_QUOTA_SPEC_INIT;
	spec.quota_policy_id = quota_id;
	spec.limits = parsed.limits;
	spec.now_ms = parsed.now_ms;
	ff_created created = { false, false };
	ff_code code = ff_engine_create_quota_policy(engine, &spec, &created, ff_test_error(test));
	return ffp_show_created(test, code, &created);
}

const char *ffp_admit(ff_test *test, ff_engine *engine, const char *quota_id, const char *execution_id,
                      const char *args)
{
	ffp_quota_args parsed = ffp_quota_of(test, args);
	ff_admission admission = FF_ADMISSION_INIT;
	admission.quota_policy_id = quota_id;
	admission.execution_id = execution_id;
	admission.lease_ms = parsed.lease_ms;
	admission.jitter_ms = parsed.jitter_ms;
	admission.limits = parsed.has_limits ? &parsed.limits : NULL;
	admission.now_ms = parsed.now_ms;
	ff_admission_outcome outcome = { FF_ADMITTED, FF_TIME_NONE };
	ff_code code = ff_engine_admit(engine, &admission, &outcome, ff_test_error(test));
	return ffp_show_admission(test, code, &outcome);
}

const char *ffp_release_slot(ff_test *test, ff_engine *engine, const char *quota_id, const char *execution_id,
                             int64_t now_ms)
{
	bool held = false;
	ff_code code = ff_engine_release_admission(engine, quota_id, execution_id, now_ms, &held, ff_test_error(test));
	if (code)
		return show_error(test, code);
	return held ? "held" : "not held";
}

const char *ffp_quota(ff_test *test, ff_engine *engine, const char *quota_id)
{
	const ff_quota_status *status = NULL;
	ff_code code = ff_engine_get_quota_status(engine, quota_id, &status, ff_test_error(test));
	if (code)
		return show_error(test, code);
	ff_test_keep(test, status);
	const char *next = "now";
	if (status->next_admission_at_ms != FF_TIME_NONE)
		next = ff_test_text(test, "%" PRId64, status->next_admission_at_ms);
	return ff_test_text(test, "in_window=%" PRIu64 " active=%" PRIu64 " next=%s", status->in_window, status->active,
	                    next);
}

const char *ffp_tick(ff_test *test, ff_engine *engine, int64_t now_ms, uint64_t limit)
{
	ff_tick_result did = { 0 };
	ff_code code = ff_engine_tick(engine, now_ms, limit, &did, ff_test_error(test));
	if (code)
		return show_error(test, code);
	return ff_test_text(test, "resets=%" PRIu64 " failed=%" PRIu64 " keys=%" PRIu64 " admissions=%" PRIu64,
	                    did.resets, did.failed, did.purged_keys, did.purged_admissions);
}

/* ---- status ------------------------------------------------------------------------------------------------- */

const ff_budget_status *ffp_status(ff_test *test, ff_engine *engine, const char *budget_id)
{
	const ff_budget_status *status = NULL;
	FF_REQUIRE_OK(test, ff_engine_get_budget_status(engine, budget_id, &status, ff_test_error(test)));
	ff_test_keep(test, status);
	return status;
}

const char *ffp_usage(ff_test *test, ff_engine *engine, const char *budget_id)
{
	const ff_budget_status *status = NULL;
	ff_code code = ff_engine_get_budget_status(engine, budget_id, &status, ff_test_error(test));
	if (code)
		return show_error(test, code);
	ff_test_keep(test, status);
	return ffp_show_amounts(test, status->usage, status->usage_count);
}

static const char *show_breaches(ff_test *test, const ff_budget_status *status)
{
	const char *last = "none";
	if (status->last_breach_dim || status->last_breach_at_ms != FF_TIME_NONE)
		last = ff_test_text(test, "%s@%" PRId64, status->last_breach_dim ? status->last_breach_dim : "(null)",
		                    status->last_breach_at_ms);
	return ff_test_text(test, "hard=%" PRIu64 " soft=%" PRIu64 " last=%s", status->breach_count,
	                    status->soft_breach_count, last);
}

const char *ffp_breaches(ff_test *test, ff_engine *engine, const char *budget_id)
{
	return show_breaches(test, ffp_status(test, engine, budget_id));
}

const char *ffp_show_status(ff_test *test, const ff_budget_status *status)
{
	const char *limits = "";
	for (size_t i = 0; i < status->limits_count; i++)
		limits = ff_test_text(test, "%s %s=%" PRIu64 ":%" PRIu64, limits, status->limits[i].dimension,
		                      status->limits[i].hard, status->limits[i].soft);
	return ff_test_text(test,
	                    "%s @scope=%s:%s @mode=%s @hard=%s @soft=%s @reset=%" PRId64 "%s | %s | %s | next=%" PRId64
	                    " created=%" PRId64 " updated=%" PRId64,
	                    status->budget_id, status->scope_type, status->scope_id,
	                    status->enforcement_mode == FF_MODE_ADVISORY ? "advisory" : "strict", status->on_hard_limit,
	                    status->on_soft_limit, status->reset_interval_ms, limits,
	                    ffp_show_amounts(test, status->usage, status->usage_count), show_breaches(test, status),
	                    status->next_reset_at_ms, status->created_at_ms, status->updated_at_ms);
}

/* ---- export and import -------------------------------------------------------------------------------------- */

typedef struct lines {
	char *text;
	size_t size;
	size_t at;
	char *line;
} lines;

static void free_lines(void *object)
{
	lines *held = object;
	free(held->text);
	free(held->line);
	free(held);
}

static lines *new_lines(ff_test *test)
{
	lines *held = calloc(1, sizeof(*held));
	FF_REQUIRE(test, held != NULL);
	ff_test_defer(test, free_lines, held);
	return held;
}

static ff_code add_line(void *stream, const char *line, size_t size, ff_error *error)
{
	return fwrite(line, 1, size, stream) == size && putc('\n', stream) == '\n'
	           ? FF_OK
	           : ff_error_set(error, FF_E_NO_MEMORY, "no memory for a line");
}

const char *ffp_export(ff_test *test, ff_engine *engine, int64_t now_ms)
{
	lines *held = new_lines(test);
	FILE *stream = open_memstream(&held->text, &held->size);
	FF_REQUIRE(test, stream != NULL);
	ff_code code = ff_engine_export(engine, now_ms, add_line, stream, ff_test_error(test));
	FF_REQUIRE(test, fclose(stream) == 0);
	return code ? show_error(test, code) : held->text;
}

/* Each is memory of its own, and has no NUL: who reads behind it is found out. */
static ff_code next_line(void *context, const char **line, size_t *size, ff_error *error)
{
	lines *held = context;
	const char *text = held->text + held->at;
	const char *end = memchr(text, '\n', held->size - held->at);
	size_t length = end ? (size_t)(end - text) : held->size - held->at;
	free(held->line);
	held->line = NULL;
	*line = NULL;
	if (!length)
		return FF_OK;
	held->line = malloc(length);
	if (!held->line)
		return ff_error_set(error, FF_E_NO_MEMORY, "no memory for a line");
	memcpy(held->line, text, length);
	held->at += length + (end != NULL);
	*line = held->line;
	*size = length;
	return FF_OK;
}

size_t ffp_lines_in(const char *text)
{
	size_t count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

const char *ffp_rows_of(ff_test *test, const char *text)
{
	const char *end = strstr(text, "{\"lines\":");
	FF_REQUIRE(test, end != NULL);
	return ff_test_text(test, "%.*s", (int)(end - text), text);
}

const char *ffp_export_of(ff_test *test, const char *rows)
{
	return ff_test_text(test, "%s{\"lines\":%zu,\"table\":\"end\"}\n", rows, ffp_lines_in(rows));
}

const char *ffp_import(ff_test *test, ff_engine *engine, const char *text)
{
	lines *held = new_lines(test);
	held->text = strdup(text);
	FF_REQUIRE(test, held->text != NULL);
	held->size = strlen(text);
	uint64_t imported = 0;
	ff_code code = ff_engine_import(engine, next_line, held, &imported, ff_test_error(test));
	if (code)
		return show_error(test, code);
	return ff_test_text(test, "%" PRIu64, imported);
}
