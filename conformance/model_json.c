/* JSON as it is written, and the texts that are stored: policies and outcomes. */
#include "model_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- values and objects ----------------------------------------------------------------------------------------- */

static void add_text(ffp_string *to, const char *text)
{
	ffp_string_add(to, "\"");
	while (*text) {
		size_t plain = strcspn(text, "\"\\");
		ffp_string_add(to, "%.*s", (int)plain, text);
		text += plain;
		if (*text)
			ffp_string_add(to, "\\%c", *text++);
	}
	ffp_string_add(to, "\"");
}

/* FF-LIM-6 */
static void add_number(ffp_string *to, int64_t number)
{
	ffp_string_add(to, number > INT64_C(1) << 53 ? "\"%" PRId64 "\"" : "%" PRId64, number);
}

void ffp_json_add_members(ffp_string *to, const char *names, va_list arguments)
{
	for (const char *separator = "{"; *names; separator = ",") {
		size_t length = strcspn(names, " ");
		ffp_string_add(to, "%s\"%.*s\":", separator, (int)length - 1, names + 1);
		const char *text = *names == 's' ? va_arg(arguments, const char *) : NULL;
		int64_t number = *names == 'n' ? va_arg(arguments, int64_t) : FF_TIME_NONE;
		if (text)
			add_text(to, text);
		else if (number == FF_TIME_NONE)
			ffp_string_add(to, "null");
		else
			add_number(to, number);
		names += length + (names[length] == ' ');
	}
	ffp_string_add(to, "}");
}

static void add_object(ffp_string *to, const char *names, ...)
{
	va_list arguments;
	va_start(arguments, names);
	ffp_json_add_members(to, names, arguments);
	va_end(arguments);
}

/* ---- texts that are stored -------------------------------------------------------------------------------------- */

static void add_limits(ffp_string *to, const char *name, const ffp_model_list *of, bool hard)
{
	const char *separator = "";
	ffp_string_add(to, "\"%s\":{", name);
	foreach (ffp_model_limits, limit, of) {
		ffp_string_add(to, "%s", separator);
		add_text(to, limit->dimension);
		ffp_string_add(to, ":");
		add_number(to, (int64_t)(hard ? limit->hard : limit->soft));
		separator = ",";
	}
	ffp_string_add(to, "}");
}

char *ffp_model_policy_text(const ffp_model_budget *of)
{
	ffp_string text = { .data = NULL };
	ffp_string_add(&text, "{");
	add_limits(&text, "hard_limits", &of->limits, true);
	ffp_string_add(&text, ",\"on_hard_limit\":");
	add_text(&text, of->on_hard);
	ffp_string_add(&text, ",\"on_soft_limit\":");
	add_text(&text, of->on_soft);
	ffp_string_add(&text, ",\"reset_interval_ms\":");
	add_number(&text, of->interval_ms);
	ffp_string_add(&text, ",");
	add_limits(&text, "soft_limits", &of->limits, false);
	ffp_string_add(&text, "}");
	return text.data;
}

char *ffp_model_outcome_text(const ff_outcome *of)
{
	ffp_string text = { .data = NULL };
	int64_t current = (int64_t)of->current_usage;
	int64_t limit = (int64_t)of->limit;
	if (of->kind == FF_OUTCOME_SOFT_BREACH)
		add_object(&text, "ncurrent_usage sdimension skind nsoft_limit", current, of->dimension, "SoftBreach",
		           limit);
	else if (of->kind == FF_OUTCOME_HARD_BREACH)
		add_object(&text, "ncurrent_usage sdimension nhard_limit skind", current, of->dimension, limit,
		           "HardBreach");
	else
		add_object(&text, "skind", "Ok");
	if (of->kind != FF_OUTCOME_HARD_BREACH || !of->applied)
		return text.data;
	ffp_string applied = { .data = NULL };
	ffp_string_add(&applied, "{\"applied\":true,%s", text.data + 1);
	free(text.data);
	return applied.data;
}
