/* ffctl: budgets, and usage charged to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffctl.h"

/* ---- create ------------------------------------------------------------------------------------------------- */

typedef struct limit_list {
	ff_limit *limits;
	char **copies; /* what the dimensions point into */
	size_t count;
} limit_list;

/* DIM=HARD[:SOFT]. The number of limits is bounded by the length of the command line. */
static bool read_limit(const char *text, ff_limit *limit, char **copy)
{
	const char *amounts;
	*copy = ctl_split(text, '=', true, &limit->dimension, &amounts);
	if (!*copy)
		return false;
	const char *hard, *soft;
	char *pair = ctl_split(amounts, ':', false, &hard, &soft);
	bool read =
	    ctl_read_number(pair ? hard : amounts, &limit->hard) && (!pair || ctl_read_number(soft, &limit->soft));
	free(pair);
	return read;
}

static int read_limits(const ctl_session *session, limit_list *to)
{
	to->limits = ctl_allocate(session->given_count, sizeof *to->limits);
	to->copies = ctl_allocate(session->given_count, sizeof *to->copies);
	for (size_t i = 0; i < session->given_count; i++) {
		if (session->given[i].option != OPT_LIMIT)
			continue;
		size_t place = to->count++;
		if (!read_limit(session->given[i].value, &to->limits[place], &to->copies[place]))
			return ctl_usage(session, "--limit '%s' is no DIM=HARD[:SOFT]", session->given[i].value);
	}
	return CTL_DONE;
}

static void free_limits(limit_list *limits)
{
	for (size_t i = 0; i < limits->count; i++)
		free(limits->copies[i]);
	free(limits->copies);
	free(limits->limits);
}

static int create(ctl_session *session, const ff_budget_spec *spec)
{
	ff_error error;
	ff_created created;
	if (ctl_open(session, 0, &error) || ff_engine_create_budget(session->engine, spec, &created, &error))
		return ctl_fail(session, &error);
	return ctl_print_created(session, &created, "budget", "budget_id");
}

int ctl_budget_create(ctl_session *session)
{
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	const char *scope = ctl_value(session, OPT_SCOPE), *interval = ctl_value(session, OPT_RESET_EVERY);
	spec.budget_id = session->arguments[0];
	spec.enforcement_mode = ctl_value(session, OPT_MODE);
	spec.on_hard_limit = ctl_value(session, OPT_ON_HARD);
	spec.on_soft_limit = ctl_value(session, OPT_ON_SOFT);
	char *copy = scope ? ctl_split(scope, ':', false, &spec.scope_type, &spec.scope_id) : NULL;
	limit_list limits = { 0 };
	int status = read_limits(session, &limits);
	spec.limits = limits.limits;
	spec.limits_count = limits.count;
	if (!status && scope && !copy)
		status = ctl_usage(session, "--scope '%s' is no TYPE:ID", scope);
	if (!status && interval && !ctl_read_duration(interval, &spec.reset_interval_ms))
		status = ctl_usage(session, "--reset-every '%s' is no duration such as 60s, 5m, 1h or 1d", interval);
	if (!status)
		status = create(session, &spec);
	free_limits(&limits);
	free(copy);
	return status;
}

int ctl_print_created(const ctl_session *session, const ff_created *created, const char *thing, const char *id_name)
{
	const char *id = session->arguments[0];
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_text(object, "result", created->created ? "created" : "already_satisfied");
		ctl_json_bool(object, "same", created->same);
		ctl_json_text(object, id_name, id);
		return ctl_json_print(object);
	}
	printf("%s '%s' %s\n", thing, id,
	       created->created ? "created"
	       : created->same  ? "exists already, with the same policy"
	                        : "exists already, with another policy, and stays as it is");
	return CTL_DONE;
}

/* ---- status and list ---------------------------------------------------------------------------------------- */

static cJSON *amounts_json(const ff_amount *amounts, size_t count)
{
	cJSON *object = ctl_json_object();
	for (size_t i = 0; i < count; i++)
		ctl_json_integer(object, amounts[i].dimension, amounts[i].amount);
	return object;
}

static const char *mode_word(ff_mode mode)
{
	return mode == FF_MODE_ADVISORY ? "advisory" : "strict";
}

static void print_status_json(const ff_budget_status *status)
{
	cJSON *object = ctl_json_object(), *hard = ctl_json_object(), *soft = ctl_json_object();
	for (size_t i = 0; i < status->limits_count; i++) {
		ctl_json_integer(hard, status->limits[i].dimension, status->limits[i].hard);
		ctl_json_integer(soft, status->limits[i].dimension, status->limits[i].soft);
	}
	ctl_json_text(object, "budget_id", status->budget_id);
	ctl_json_text(object, "scope_type", status->scope_type);
	ctl_json_text(object, "scope_id", status->scope_id);
	ctl_json_text(object, "enforcement_mode", mode_word(status->enforcement_mode));
	ctl_json_text(object, "on_hard_limit", status->on_hard_limit);
	ctl_json_text(object, "on_soft_limit", status->on_soft_limit);
	ctl_json_integer(object, "reset_interval_ms", (uint64_t)status->reset_interval_ms);
	ctl_json_add(object, "usage", amounts_json(status->usage, status->usage_count));
	ctl_json_add(object, "hard_limits", hard);
	ctl_json_add(object, "soft_limits", soft);
	ctl_json_integer(object, "breach_count", status->breach_count);
	ctl_json_integer(object, "soft_breach_count", status->soft_breach_count);
	ctl_json_time(object, "last_breach_at", status->last_breach_at_ms);
	ctl_json_text(object, "last_breach_dim", status->last_breach_dim);
	ctl_json_time(object, "next_reset_at", status->next_reset_at_ms);
	ctl_json_time(object, "created_at", status->created_at_ms);
	ctl_json_time(object, "updated_at", status->updated_at_ms);
	ctl_json_print(object);
}

enum { DIMENSION_CELLS = 5 };

static void set_dimension(struct libscols_line *line, size_t first, uint64_t usage, const ff_limit *limit)
{
	ctl_table_set(line, first, limit->dimension, NULL);
	ctl_table_set(line, first + 1, ctl_digits(usage).text, NULL);
	ctl_table_set(line, first + 2, ctl_limit_digits(limit->hard).text, NULL);
	ctl_table_set(line, first + 3, ctl_limit_digits(limit->soft).text, NULL);
	ctl_table_set(line, first + 4, ctl_usage_bar(usage, limit).text, ctl_usage_colour(usage, limit));
}

/* Calls `row` for every dimension that has usage or a limit, in byte order. Both lists are sorted. */
static void each_dimension(const ff_budget_status *status,
                           void (*row)(void *context, uint64_t usage, const ff_limit *limit), void *context)
{
	size_t used = 0, limited = 0;
	while (used < status->usage_count || limited < status->limits_count) {
		int order = used == status->usage_count ? 1
		            : limited == status->limits_count
		                ? -1
		                : strcmp(status->usage[used].dimension, status->limits[limited].dimension);
		ff_limit limit = { 0 };
		if (order >= 0)
			limit = status->limits[limited++];
		if (order <= 0)
			limit.dimension = status->usage[used].dimension;
		row(context, order <= 0 ? status->usage[used++].amount : 0, &limit);
	}
}

static void status_row(void *context, uint64_t usage, const ff_limit *limit)
{
	set_dimension(ctl_table_line(context), 0, usage, limit);
}

static void print_status(const ctl_session *session, const ff_budget_status *status)
{
	printf("budget      %s\n", status->budget_id);
	if (*status->scope_type || *status->scope_id)
		printf("scope       %s:%s\n", status->scope_type, status->scope_id);
	printf("mode        %s\n", mode_word(status->enforcement_mode));
	if (*status->on_hard_limit || *status->on_soft_limit)
		printf("hints       hard '%s', soft '%s'\n", status->on_hard_limit, status->on_soft_limit);
	printf("resets      %s, next %s\n", ctl_duration(status->reset_interval_ms, "never").text,
	       ctl_time(status->next_reset_at_ms, "never").text);
	printf("breaches    %s hard, %s soft", ctl_digits(status->breach_count).text,
	       ctl_digits(status->soft_breach_count).text);
	if (status->last_breach_dim)
		printf("; last hard one of '%s' at %s", status->last_breach_dim,
		       ctl_time(status->last_breach_at_ms, "").text);
	printf("\ncreated     %s\nupdated     %s\n", ctl_time(status->created_at_ms, "").text,
	       ctl_time(status->updated_at_ms, "").text);
	static const ctl_column columns[] = {
		{ "DIMENSION", false }, { "USAGE", true }, { "HARD LIMIT", true }, { "SOFT LIMIT", true }, { "", false }
	};
	struct libscols_table *table = ctl_table_new(session, columns, DIMENSION_CELLS);
	each_dimension(status, status_row, table);
	ctl_table_print(table);
}

int ctl_budget_status(ctl_session *session)
{
	ff_error error;
	const ff_budget_status *status;
	if (ctl_open(session, FF_OPEN_READ_ONLY, &error) ||
	    ff_engine_get_budget_status(session->engine, session->arguments[0], &status, &error))
		return ctl_fail(session, &error);
	if (session->json)
		print_status_json(status);
	else
		print_status(session, status);
	ff_free(status);
	return CTL_DONE;
}

typedef struct list_rows {
	struct libscols_table *table;
	const ff_budget_status *budget;
	struct libscols_line *line; /* the budget's last, or NULL */
} list_rows;

/* A budget's first line names it; those of its other dimensions do not. */
static struct libscols_line *list_line(list_rows *rows)
{
	bool first = !rows->line;
	rows->line = ctl_table_line(rows->table);
	if (first) {
		ctl_table_set(rows->line, 0, rows->budget->budget_id, NULL);
		ctl_table_set(rows->line, 1, mode_word(rows->budget->enforcement_mode), NULL);
		ctl_table_set(rows->line, 2, ctl_duration(rows->budget->reset_interval_ms, "never").text, NULL);
		ctl_table_set(rows->line, 3, ctl_digits(rows->budget->breach_count).text, NULL);
		ctl_table_set(rows->line, 4, ctl_digits(rows->budget->soft_breach_count).text, NULL);
	}
	return rows->line;
}

static void list_row(void *context, uint64_t usage, const ff_limit *limit)
{
	set_dimension(list_line(context), 5, usage, limit);
}

static void print_page(const ctl_session *session, const ff_budget_page *page)
{
	static const ctl_column columns[] = { { "BUDGET", false },   { "MODE", false },      { "RESETS", true },
		                              { "HARD HITS", true }, { "SOFT HITS", true },  { "DIMENSION", false },
		                              { "USAGE", true },     { "HARD LIMIT", true }, { "SOFT LIMIT", true },
		                              { "", false } };
	list_rows rows = { .table = ctl_table_new(session, columns, sizeof(columns) / sizeof(*columns)) };
	for (size_t i = 0; i < page->budgets_count; i++) {
		rows.budget = &page->budgets[i];
		rows.line = NULL;
		each_dimension(rows.budget, list_row, &rows);
		if (!rows.line)
			list_line(&rows);
	}
	ctl_table_print(rows.table);
}

/* One page of a list, from behind *after on; *more tells whether another follows. *last is set to a copy. */
static ff_code list_page(ctl_session *session, const char *after, uint32_t limit, char **last, uint64_t *count,
                         bool *more, ff_error *error)
{
	const ff_budget_page *page;
	ff_code code = ff_engine_list_budgets(session->engine, after, limit, &page, error);
	if (code)
		return code;
	*count = page->budgets_count;
	*more = page->more;
	if (*more)
		*last = ctl_copy(page->budgets[page->budgets_count - 1].budget_id);
	if (session->json)
		for (size_t i = 0; i < page->budgets_count; i++)
			print_status_json(&page->budgets[i]);
	else
		print_page(session, page);
	ff_free(page);
	return FF_OK;
}

int ctl_budget_list(ctl_session *session)
{
	return ctl_list(session, list_page);
}

/* ---- charging ----------------------------------------------------------------------------------------------- */

static const char *outcome_word(const ff_outcome *outcome)
{
	static const char *const words[] = { [FF_OUTCOME_OK] = "ok",
		                             [FF_OUTCOME_SOFT_BREACH] = "soft_breach",
		                             [FF_OUTCOME_HARD_BREACH] = "hard_breach",
		                             [FF_OUTCOME_ALREADY_APPLIED] = "already_applied" };
	return words[outcome->kind];
}

static bool is_breach(const ff_outcome *outcome)
{
	return outcome->kind == FF_OUTCOME_SOFT_BREACH || outcome->kind == FF_OUTCOME_HARD_BREACH;
}

static void print_outcome_json(const ff_outcome *outcome)
{
	cJSON *object = ctl_json_object();
	ctl_json_text(object, "outcome", outcome_word(outcome));
	ctl_json_bool(object, "applied", outcome->applied);
	ctl_json_bool(object, "replayed", outcome->replayed);
	ctl_json_text(object, "dimension", is_breach(outcome) ? outcome->dimension : NULL);
	if (is_breach(outcome)) {
		ctl_json_integer(object, "current_usage", outcome->current_usage);
		ctl_json_integer(object, "limit", outcome->limit);
	} else {
		ctl_json_text(object, "current_usage", NULL);
		ctl_json_text(object, "limit", NULL);
	}
	ctl_json_print(object);
}

static void print_outcome(const ff_outcome *outcome)
{
	ctl_words usage = ctl_digits(outcome->current_usage), limit = ctl_digits(outcome->limit);
	if (outcome->kind == FF_OUTCOME_SOFT_BREACH)
		printf("charged; '%s' is at %s, over its soft limit of %s", outcome->dimension, usage.text, limit.text);
	else if (outcome->kind == FF_OUTCOME_HARD_BREACH)
		printf("%s; '%s' was at %s, and its hard limit is %s",
		       outcome->applied ? "charged over the limit (advisory)" : "refused", outcome->dimension,
		       usage.text, limit.text);
	else
		printf("charged");
	puts(outcome->replayed ? " (decided before, under this key; nothing was changed)" : "");
}

/* Reads the DIM=N arguments behind the id. The dimensions point into the copies. */
static int read_amounts(const ctl_session *session, ff_amount *amounts, char **copies)
{
	for (size_t i = 0; i + 1 < session->arguments_count; i++) {
		const char *text = session->arguments[i + 1], *number;
		copies[i] = ctl_split(text, '=', true, &amounts[i].dimension, &number);
		if (!copies[i] || !ctl_read_number(number, &amounts[i].amount))
			return ctl_usage(session, "'%s' is no DIM=N", text);
	}
	return CTL_DONE;
}

static int charge(ctl_session *session, const ff_spend *spend)
{
	ff_error error;
	ff_outcome outcome;
	if (ctl_open(session, 0, &error) ||
	    (spend->execution_id ? ff_engine_record_spend(session->engine, spend, &outcome, &error)
	                         : ff_engine_report_usage(session->engine, &spend->report, &outcome, &error)))
		return ctl_fail(session, &error);
	if (session->json)
		print_outcome_json(&outcome);
	else
		print_outcome(&outcome);
	return outcome.applied ? CTL_DONE : CTL_REFUSED;
}

int ctl_report(ctl_session *session)
{
	size_t count = session->arguments_count - 1;
	ff_amount *amounts = ctl_allocate(count, sizeof *amounts);
	char **copies = ctl_allocate(count, sizeof *copies);
	ff_spend spend = { .report = { .budget_id = session->arguments[0],
		                       .amounts = amounts,
		                       .amounts_count = count,
		                       .idempotency_key = ctl_value(session, OPT_KEY),
		                       .retry_refused = ctl_value(session, OPT_RETRY_REFUSED) != NULL },
		           .execution_id = ctl_value(session, OPT_EXECUTION) };
	/* Without one a call that is sent again is charged again, which a script whose variable is empty does not want. */
	const char *key = spend.report.idempotency_key;
	int status = key && !*key ? ctl_usage(session, "--key is empty") : read_amounts(session, amounts, copies);
	if (!status)
		status = charge(session, &spend);
	for (size_t i = 0; i < count; i++)
		free(copies[i]);
	free(copies);
	free(amounts);
	return status;
}

int ctl_release(ctl_session *session)
{
	ff_error error;
	const ff_released *released;
	if (ctl_open(session, 0, &error) ||
	    ff_engine_release_budget(session->engine, session->arguments[0], ctl_value(session, OPT_EXECUTION),
	                             &released, &error))
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_text(object, "result", "released");
		ctl_json_add(object, "released", amounts_json(released->amounts, released->amounts_count));
		ctl_json_print(object);
	} else {
		puts(released->amounts_count ? "released:" : "nothing was recorded in this period");
		for (size_t i = 0; i < released->amounts_count; i++)
			printf("  %s  %s\n", released->amounts[i].dimension,
			       ctl_digits(released->amounts[i].amount).text);
	}
	ff_free(released);
	return CTL_DONE;
}

int ctl_budget_reset(ctl_session *session)
{
	ff_error error;
	int64_t next_reset_at_ms;
	if (ctl_open(session, 0, &error) ||
	    ff_engine_reset_budget(session->engine, session->arguments[0], 0, &next_reset_at_ms, &error))
		return ctl_fail(session, &error);
	if (session->json) {
		cJSON *object = ctl_json_object();
		ctl_json_text(object, "result", "reset");
		ctl_json_time(object, "next_reset_at", next_reset_at_ms);
		return ctl_json_print(object);
	}
	printf("budget '%s' is reset; the next reset: %s\n", session->arguments[0],
	       ctl_time(next_reset_at_ms, "none").text);
	return CTL_DONE;
}
