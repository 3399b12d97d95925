/* ffctl: the policy file. Which members an object may have is data. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffctl.h"

/* Larger files are no policy: 10,000 budgets take a few megabytes. */
#define FILE_MAX ((size_t)64 << 20)

typedef enum form_kind { FORM_TEXT, FORM_NUMBER, FORM_DURATION, FORM_SECONDS, FORM_OBJECT, FORM_LIST } form_kind;

/* A member that an object may have, and where its value goes. */
typedef struct member {
	const char *name;
	form_kind form;
	size_t offset;
} member;

static const char *const form_words[] = { [FORM_TEXT] = "text",
	                                  [FORM_NUMBER] = "integer",
	                                  [FORM_DURATION] = "duration such as \"1h\"",
	                                  [FORM_SECONDS] = "duration of whole seconds such as \"60s\"",
	                                  [FORM_OBJECT] = "object",
	                                  [FORM_LIST] = "list" };

static bool read_value(const cJSON *item, form_kind form, void *to)
{
	switch (form) {
	case FORM_TEXT:
		*(const char **)to = item->valuestring;
		return cJSON_IsString(item);
	case FORM_NUMBER:
		return ctl_json_number(item, to);
	case FORM_DURATION:
		return cJSON_IsString(item) && ctl_read_duration(item->valuestring, to);
	case FORM_SECONDS:
		return cJSON_IsString(item) && ctl_read_seconds(item->valuestring, to);
	case FORM_OBJECT:
	case FORM_LIST:
		*(const cJSON **)to = item;
		return form == FORM_LIST ? cJSON_IsArray(item) : cJSON_IsObject(item);
	}
	return false;
}

/* Reads an object's members into the struct `to`; those that it lacks stay as they are. `where` names the object. */
static ff_code read_object(const cJSON *object, const member *members, void *to, const char *where, ff_error *error)
{
	if (!cJSON_IsObject(object))
		return ff_error_set(error, FF_E_INVALID, "%s is no object", where);
	for (const cJSON *item = object->child; item; item = item->next) {
		const member *known = members;
		while (known->name && strcmp(known->name, item->string) != 0)
			known++;
		if (!known->name)
			return ff_error_set(error, FF_E_INVALID, "%s has an unknown field '%s'", where, item->string);
		if (read_value(item, known->form, (char *)to + known->offset))
			continue;
		if (known->form == FORM_NUMBER && cJSON_IsNumber(item) &&
		    ctl_json_bare(item->valuestring) == CTL_BARE_LARGE)
			return ff_error_set(error, FF_E_INVALID, "field '%s' of %s " CTL_BARE_LARGE_FAULT, item->string,
			                    where);
		return ff_error_set(error, FF_E_INVALID, "field '%s' of %s is no %s", item->string, where,
		                    form_words[known->form]);
	}
	return FF_OK;
}

/* ---- budgets ------------------------------------------------------------------------------------------------ */

static const member limit_members[] = { { "hard", FORM_NUMBER, offsetof(ff_limit, hard) },
	                                { "soft", FORM_NUMBER, offsetof(ff_limit, soft) },
	                                { 0 } };

typedef struct budget_entry {
	ff_budget_spec spec;
	const char *scope;
	const cJSON *limits;
} budget_entry;

static const member budget_members[] = { { "budget_id", FORM_TEXT, offsetof(budget_entry, spec.budget_id) },
	                                 { "scope", FORM_TEXT, offsetof(budget_entry, scope) },
	                                 { "mode", FORM_TEXT, offsetof(budget_entry, spec.enforcement_mode) },
	                                 { "reset_every", FORM_DURATION,
	                                   offsetof(budget_entry, spec.reset_interval_ms) },
	                                 { "on_hard_limit", FORM_TEXT, offsetof(budget_entry, spec.on_hard_limit) },
	                                 { "on_soft_limit", FORM_TEXT, offsetof(budget_entry, spec.on_soft_limit) },
	                                 { "limits", FORM_OBJECT, offsetof(budget_entry, limits) },
	                                 { 0 } };

/* Reads the limits of a budget to where the budget's begin. */
static ff_code read_limits(const budget_entry *entry, ff_limit *limit, ff_error *error)
{
	char where[256];
	for (const cJSON *item = entry->limits ? entry->limits->child : NULL; item; item = item->next, limit++) {
		limit->dimension = item->string;
		snprintf(where, sizeof where, "limit '%s' of budget '%s'", item->string, entry->spec.budget_id);
		ff_code code = read_object(item, limit_members, limit, where, error);
		if (code)
			return code;
	}
	return FF_OK;
}

static ff_code read_budget(ctl_policy *policy, const cJSON *item, ff_limit *limits, ff_error *error)
{
	char where[64];
	budget_entry entry = { .spec = FF_BUDGET_SPEC_INIT };
	snprintf(where, sizeof where, "budgets[%zu]", policy->budgets_count);
	ff_code code = read_object(item, budget_members, &entry, where, error);
	if (code)
		return code;
	if (!entry.spec.budget_id)
		return ff_error_set(error, FF_E_INVALID, "%s has no 'budget_id'", where);
	if (entry.scope) {
		char *copy = ctl_split(entry.scope, ':', false, &entry.spec.scope_type, &entry.spec.scope_id);
		if (!copy)
			return ff_error_set(error, FF_E_INVALID, "field 'scope' of %s is no TYPE:ID", where);
		policy->scopes[policy->budgets_count] = copy;
	}
	entry.spec.limits = limits;
	entry.spec.limits_count = (size_t)cJSON_GetArraySize(entry.limits);
	policy->budgets[policy->budgets_count++] = entry.spec;
	return read_limits(&entry, limits, error);
}

/* The limits of all budgets lie in one array. */
static ff_code read_budgets(ctl_policy *policy, const cJSON *list, ff_error *error)
{
	size_t budgets = 0, limits = 0;
	for (const cJSON *item = list->child; item; item = item->next, budgets++)
		limits += (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(item, "limits"));
	policy->budgets = ctl_allocate(budgets, sizeof *policy->budgets);
	policy->scopes = ctl_allocate(budgets, sizeof *policy->scopes);
	policy->limits = ctl_allocate(limits, sizeof *policy->limits);
	limits = 0;
	for (const cJSON *item = list->child; item; item = item->next) {
		ff_code code = read_budget(policy, item, policy->limits + limits, error);
		if (code)
			return code;
		limits += policy->budgets[policy->budgets_count - 1].limits_count;
	}
	return FF_OK;
}

/* ---- quotas ------------------------------------------------------------------------------------------------- */

static const member quota_members[] = {
	{ "quota_policy_id", FORM_TEXT, offsetof(ff_quota_spec, quota_policy_id) },
	{ "window", FORM_SECONDS, offsetof(ff_quota_spec, limits.window_seconds) },
	{ "max_requests", FORM_NUMBER, offsetof(ff_quota_spec, limits.max_requests_per_window) },
	{ "max_concurrent", FORM_NUMBER, offsetof(ff_quota_spec, limits.max_concurrent) },
	{ 0 }
};

static ff_code read_quotas(ctl_policy *policy, const cJSON *list, ff_error *error)
{
	policy->quotas = ctl_allocate((size_t)cJSON_GetArraySize(list), sizeof *policy->quotas);
	for (const cJSON *item = list->child; item; item = item->next) {
		char where[64];
		ff_quota_spec *quota = &policy->quotas[policy->quotas_count];
		*quota = (ff_quota_spec)FF_QUOTA_SPEC_INIT;
		snprintf(where, sizeof where, "quotas[%zu]", policy->quotas_count++);
		ff_code code = read_object(item, quota_members, quota, where, error);
		if (code)
			return code;
		if (!quota->quota_policy_id)
			return ff_error_set(error, FF_E_INVALID, "%s has no 'quota_policy_id'", where);
	}
	return FF_OK;
}

/* ---- the file ----------------------------------------------------------------------------------------------- */

typedef struct lists {
	const cJSON *budgets;
	const cJSON *quotas;
} lists;

static const member policy_members[] = { { "budgets", FORM_LIST, offsetof(lists, budgets) },
	                                 { "quotas", FORM_LIST, offsetof(lists, quotas) },
	                                 { 0 } };

static ff_code read_document(ctl_policy *policy, ff_error *error)
{
	lists found = { NULL, NULL };
	ff_code code = read_object(policy->document, policy_members, &found, "the document", error);
	if (!code && found.budgets)
		code = read_budgets(policy, found.budgets, error);
	if (!code && found.quotas)
		code = read_quotas(policy, found.quotas, error);
	return code;
}

static ff_code read_failed(const char *path, ff_error *error)
{
	return ff_error_set(error, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "cannot read '%s': %s", path,
	                    strerror(errno));
}

static ff_code read_file(const char *path, char **text, size_t *size, ff_error *error)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return read_failed(path, error);
	size_t capacity = 0;
	for (*size = 0; !feof(file) && !ferror(file) && *size < FILE_MAX;) {
		if (*size == capacity)
			*text = ctl_resize(*text, capacity = capacity ? capacity * 2 : 4096, 1);
		*size += fread(*text + *size, 1, capacity - *size, file);
	}
	ff_code code = FF_OK;
	if (ferror(file))
		code = read_failed(path, error);
	else if (!feof(file))
		code = ff_error_set(error, FF_E_INVALID, "'%s' is too large for a policy", path);
	fclose(file);
	return code;
}

ff_code ctl_policy_read(const char *path, ctl_policy *policy, ff_error *error)
{
	char *text = NULL;
	const char *fault;
	size_t size = 0;
	*policy = (ctl_policy){ 0 };
	ff_code code = read_file(path, &text, &size, error);
	if (!code && !(policy->document = ctl_json_parse(text, size, &fault)))
		code = ff_error_set(error, FF_E_INVALID, "%s", fault);
	if (!code)
		code = read_document(policy, error);
	free(text);
	if (code == FF_E_INVALID)
		ff_error_prefix(error, "cannot use '%s'", path);
	if (code)
		ctl_policy_free(policy);
	return code;
}

void ctl_policy_free(ctl_policy *policy)
{
	for (size_t i = 0; i < policy->budgets_count; i++)
		free(policy->scopes[i]);
	free(policy->scopes);
	free(policy->budgets);
	free(policy->quotas);
	free(policy->limits);
	cJSON_Delete(policy->document);
	*policy = (ctl_policy){ 0 };
}

/* ---- applying it -------------------------------------------------------------------------------------------- */

static void list_calls(const ctl_policy *policy, int64_t now_ms, ff_call *calls)
{
	for (size_t i = 0; i < policy->budgets_count; i++, calls++) {
		policy->budgets[i].now_ms = now_ms;
		calls->op = FF_OP_CREATE_BUDGET;
		calls->in.create_budget = &policy->budgets[i];
	}
	for (size_t i = 0; i < policy->quotas_count; i++, calls++) {
		policy->quotas[i].now_ms = now_ms;
		calls->op = FF_OP_CREATE_QUOTA_POLICY;
		calls->in.create_quota = &policy->quotas[i];
	}
}

static void name_call(const ff_call *call, ff_error *error)
{
	if (call->op == FF_OP_CREATE_BUDGET)
		ff_error_prefix(error, "budget '%s' of the policy", call->in.create_budget->budget_id);
	else
		ff_error_prefix(error, "quota policy '%s' of the policy", call->in.create_quota->quota_policy_id);
}

/* Creates everything in one commit. `created` is NULL or gets the answers: the budgets' first. The error is that of the
 * first that cannot be created; the others are. */
static ff_code create_all(const ctl_policy *policy, ff_engine *engine, int64_t now_ms, ff_created *created,
                          ff_error *error)
{
	size_t count = policy->budgets_count + policy->quotas_count;
	ff_call *calls = ctl_allocate(count, sizeof *calls);
	ff_error *errors = ctl_allocate(count, sizeof *errors);
	list_calls(policy, now_ms, calls);
	for (size_t i = 0; i < count; i++) {
		calls[i].out.created = created ? &created[i] : NULL;
		calls[i].error = &errors[i];
	}
	ff_code code = ff_engine_submit(engine, calls, count, error);
	for (size_t i = 0; !code && i < count; i++) {
		code = calls[i].code;
		if (code) {
			*error = errors[i];
			name_call(&calls[i], error);
		}
	}
	free(errors);
	free(calls);
	return code;
}

ff_code ctl_policy_check(const ctl_policy *policy, int64_t now_ms, ff_error *error)
{
	ff_engine *engine;
	ff_code code = ctl_open_scratch(&engine, error);
	if (!code)
		code = create_all(policy, engine, now_ms, NULL, error);
	ff_engine_close(&engine);
	error->backend[0] = '\0'; /* it is no store's */
	return code;
}

static void tell_different(const ff_created *created, const char *thing, const char *id)
{
	if (!created->same)
		fprintf(stderr, "ffctl: %s '%s' exists with another policy, and stays as it is\n", thing, id);
}

ff_code ctl_policy_apply(const ctl_policy *policy, ff_engine *engine, int64_t now_ms, ff_error *error)
{
	size_t budgets = policy->budgets_count;
	ff_created *created = ctl_allocate(budgets + policy->quotas_count, sizeof *created);
	ff_code code = create_all(policy, engine, now_ms, created, error);
	for (size_t i = 0; !code && i < budgets; i++)
		tell_different(&created[i], "budget", policy->budgets[i].budget_id);
	for (size_t i = 0; !code && i < policy->quotas_count; i++)
		tell_different(&created[budgets + i], "quota policy", policy->quotas[i].quota_policy_id);
	free(created);
	return code;
}
