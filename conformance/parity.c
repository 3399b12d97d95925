/*
 * Episodes: some hundred random steps each, from fresh stores, so that every kind of policy has its turn and a
 * difference is found near to its cause. After each batch the answers and the statuses of what it touched are compared;
 * exports now and then and at the end. A sequence that shows a difference is cut down as long as what is left shows
 * one.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cases.h"
#include "parity.h"

enum { STORES_MAX = 16, EPISODE_STEPS = 500, BATCH_MAX = 301, REPLAYS_MAX = 4000 };

/* A store, and what it answered to the last batch. */
typedef struct party {
	const ff_harness *harness;
	char uri[FF_URI_SIZE];
	ff_engine *engine;
	ffp_string answer;
	ffp_string digests; /* of exported payloads, which the model does not know */
} party;

typedef struct world {
	party parties[STORES_MAX];
	size_t parties_count;
	ffp_model *model;
	ffp_string answer; /* the model's */
	ff_engine_options options;
	ff_clock clock;
	ff_random source;
	int64_t clock_ms;
	uint64_t random;
} world;

typedef struct steps {
	ffp_step *list;
	int64_t *times_ms; /* that each had */
	size_t count, capacity;
} steps;

/* ---- clock and random source -------------------------------------------------------------------------------- */

static int64_t read_clock(void *context)
{
	return ((const world *)context)->clock_ms;
}

static void sleep_not(void *context, uint32_t ms)
{
	(void)context;
	(void)ms;
}

static uint64_t next_random(void *context)
{
	return ((const world *)context)->random;
}

/* ---- answers as texts --------------------------------------------------------------------------------------- */

static void show_outcome(ffp_string *to, const ff_outcome *outcome)
{
	static const char *const kinds[] = { "ok", "soft_breach", "hard_breach", "already_applied" };
	ffp_string_add(to, "%s%s%s", kinds[outcome->kind], outcome->applied ? " applied" : " not applied",
	               outcome->replayed ? " replayed" : "");
	if (*outcome->dimension || outcome->current_usage || outcome->limit)
		ffp_string_add(to, " %s %" PRIu64 "/%" PRIu64, outcome->dimension, outcome->current_usage,
		               outcome->limit);
}

static void show_released(ffp_string *to, const ff_released *released)
{
	ffp_string_add(to, "released");
	for (size_t i = 0; i < released->amounts_count; i++)
		ffp_string_add(to, " %s=%" PRIu64, released->amounts[i].dimension, released->amounts[i].amount);
}

static void show_admission(ffp_string *to, const ff_admission_outcome *outcome)
{
	static const char *const kinds[] = { "admitted", "already_admitted", "rate_exceeded", "concurrency_exceeded" };
	ffp_string_add(to, "%s %" PRId64, kinds[outcome->kind], outcome->retry_after_ms);
}

static void show_budget(ffp_string *to, const ff_budget_status *of)
{
	ffp_string_add(to, "budget %s scope %s:%s mode %d hints %s %s every %" PRId64 " usage", of->budget_id,
	               of->scope_type, of->scope_id, (int)of->enforcement_mode, of->on_hard_limit, of->on_soft_limit,
	               of->reset_interval_ms);
	for (size_t i = 0; i < of->usage_count; i++)
		ffp_string_add(to, " %s=%" PRIu64, of->usage[i].dimension, of->usage[i].amount);
	ffp_string_add(to, " limits");
	for (size_t i = 0; i < of->limits_count; i++)
		ffp_string_add(to, " %s=%" PRIu64 ":%" PRIu64, of->limits[i].dimension, of->limits[i].hard,
		               of->limits[i].soft);
	ffp_string_add(to,
	               " breaches %" PRIu64 " soft %" PRIu64 " last %" PRId64 " %s next reset %" PRId64
	               " created %" PRId64 " updated %" PRId64,
	               of->breach_count, of->soft_breach_count, of->last_breach_at_ms,
	               of->last_breach_dim ? of->last_breach_dim : "none", of->next_reset_at_ms, of->created_at_ms,
	               of->updated_at_ms);
}

static void show_quota(ffp_string *to, const ff_quota_status *of)
{
	ffp_string_add(to,
	               "quota %s window %" PRIu64 " max %" PRIu64 " concurrency %" PRIu64 " in window %" PRIu64
	               " active %" PRIu64 " next %" PRId64 " created %" PRId64 " updated %" PRId64,
	               of->quota_policy_id, of->limits.window_seconds, of->limits.max_requests_per_window,
	               of->limits.max_concurrent, of->in_window, of->active, of->next_admission_at_ms,
	               of->created_at_ms, of->updated_at_ms);
}

/* ---- calls: a batch of steps, as the engine and the model take it -------------------------------------------- */

/* What calls point to while they are under way. */
typedef struct request {
	ff_amount amounts[FFP_STEP_DIMENSIONS + FFP_STEP_CROWD];
	ff_limit limits[FFP_STEP_DIMENSIONS + FFP_STEP_CROWD];
	ff_budget_spec budget;
	ff_spend spend;
	ff_quota_spec quota;
	ff_admission admission;
	union {
		ff_created created;
		ff_outcome outcome;
		const ff_released *released;
		ff_admission_outcome admission;
		int64_t next_reset_at_ms;
		bool held;
	} out;
} request;

static request requests[BATCH_MAX];
static ff_call calls[BATCH_MAX];

static void fill_dimensions(const ffp_step *step, request *to)
{
	for (unsigned i = 0; i < step->dimensions_count + step->crowd; i++) {
		bool own = i < step->dimensions_count;
		const char *dimension = own ? step->dimensions[i] : ffp_crowd_dimension(i - step->dimensions_count);
		to->amounts[i] = (ff_amount){ dimension, own ? step->amounts[i] : 1 };
		to->limits[i] = (ff_limit){ dimension, own ? step->amounts[i] : 5, own ? step->soft[i] : 2 };
	}
}

static void fill_request(const ffp_step *step, request *to)
{
	size_t count = step->dimensions_count + step->crowd;
	fill_dimensions(step, to);
	to->budget = (ff_budget_spec){ .size = sizeof(to->budget),
		                       .budget_id = step->id,
		                       .scope_type = step->scope_type,
		                       .scope_id = step->scope_id,
		                       .enforcement_mode = step->mode,
		                       .on_hard_limit = step->on_hard,
		                       .on_soft_limit = step->on_soft,
		                       .reset_interval_ms = step->interval_ms,
		                       .limits = to->limits,
		                       .limits_count = count,
		                       .now_ms = step->now_ms };
	to->spend = (ff_spend){ .report = { .budget_id = step->id,
		                            .amounts = to->amounts,
		                            .amounts_count = count,
		                            .idempotency_key = step->key,
		                            .retry_refused = step->retry_refused,
		                            .now_ms = step->now_ms },
		                .execution_id = step->execution };
	to->quota = (ff_quota_spec){ sizeof(to->quota), step->id, step->limits, step->now_ms };
	to->admission = (ff_admission){ .size = sizeof(to->admission),
		                        .quota_policy_id = step->id,
		                        .execution_id = step->execution,
		                        .lease_ms = step->lease_ms,
		                        .jitter_ms = step->jitter_ms,
		                        .limits = step->has_limits ? &step->limits : NULL,
		                        .now_ms = step->now_ms };
	memset(&to->out, 0, sizeof(to->out));
}

static void fill_call(const ffp_step *step, request *with, ff_call *call)
{
	*call = (ff_call){ .op = step->op, .deadline_ms = step->deadline_ms };
	switch (step->op) {
	case FF_OP_CREATE_BUDGET:
		call->in.create_budget = &with->budget;
		call->out.created = &with->out.created;
		break;
	case FF_OP_REPORT_USAGE:
		call->in.report = &with->spend.report;
		call->out.outcome = &with->out.outcome;
		break;
	case FF_OP_RECORD_SPEND:
		call->in.spend = &with->spend;
		call->out.outcome = &with->out.outcome;
		break;
	case FF_OP_CREATE_QUOTA_POLICY:
		call->in.create_quota = &with->quota;
		call->out.created = &with->out.created;
		break;
	case FF_OP_ADMIT:
		call->in.admission = &with->admission;
		call->out.admission = &with->out.admission;
		break;
	default:
		call->in.target.id = step->id;
		call->in.target.execution_id = step->execution;
		call->in.target.now_ms = step->now_ms;
		if (step->op == FF_OP_RESET_BUDGET)
			call->out.next_reset_at_ms = &with->out.next_reset_at_ms;
		else if (step->op == FF_OP_RELEASE_BUDGET)
			call->out.released = &with->out.released;
		else
			call->out.held = &with->out.held;
	}
}

static void fill_batch(const ffp_step *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fill_request(&batch[i], &requests[i]);
		fill_call(&batch[i], &requests[i], &calls[i]);
	}
}

static void show_call(ffp_string *to, const ff_call *call, const request *with)
{
	if (call->code != FF_OK) {
		ffp_string_add(to, "!%s\n", ff_code_name(call->code));
		return;
	}
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
	case FF_OP_CREATE_QUOTA_POLICY:
		ffp_string_add(to, "%s", with->out.created.created ? "created" : "already_satisfied");
		ffp_string_add(to, "%s", with->out.created.same ? " same" : " another");
		break;
	case FF_OP_REPORT_USAGE:
	case FF_OP_RECORD_SPEND:
		show_outcome(to, &with->out.outcome);
		break;
	case FF_OP_RESET_BUDGET:
		ffp_string_add(to, "reset, next %" PRId64, with->out.next_reset_at_ms);
		break;
	case FF_OP_RELEASE_BUDGET:
		show_released(to, with->out.released);
		break;
	case FF_OP_ADMIT:
		show_admission(to, &with->out.admission);
		break;
	case FF_OP_RELEASE_ADMISSION:
		ffp_string_add(to, "released, %s", with->out.held ? "held" : "not held");
		break;
	}
	ffp_string_add(to, "\n");
}

static ff_code call_with_arrays(ff_engine *engine, const ff_call *call, const request *with)
{
	const char *names[FFP_STEP_DIMENSIONS + FFP_STEP_CROWD];
	uint64_t hard[FFP_STEP_DIMENSIONS + FFP_STEP_CROWD];
	uint64_t soft[FFP_STEP_DIMENSIONS + FFP_STEP_CROWD];
	bool is_report = call->op == FF_OP_REPORT_USAGE;
	size_t count = is_report ? with->spend.report.amounts_count : with->budget.limits_count;
	for (size_t i = 0; i < count; i++) {
		names[i] = with->limits[i].dimension;
		hard[i] = is_report ? with->amounts[i].amount : with->limits[i].hard;
		soft[i] = with->limits[i].soft;
	}
	if (is_report) {
		ff_report report = with->spend.report;
		report.amounts_count = 0;
		const ff_amount_arrays arrays = { names, count, hard, count };
		return ff_engine_report_usage_admin(engine, &report, &arrays, call->out.outcome, NULL);
	}
	ff_budget_spec spec = with->budget;
	spec.limits_count = 0;
	const ff_limit_arrays arrays = { names, count, hard, count, soft, count };
	return ff_engine_create_budget_arrays(engine, &spec, &arrays, call->out.created, NULL);
}

/* By the operation's own function. */
static ff_code call_directly(ff_engine *engine, const ffp_step *step, const ff_call *call, const request *with)
{
	switch (call->op) {
	case FF_OP_CREATE_BUDGET:
		return step->has_arrays
		           ? call_with_arrays(engine, call, with)
		           : ff_engine_create_budget(engine, call->in.create_budget, call->out.created, NULL);
	case FF_OP_REPORT_USAGE:
		return step->has_arrays ? call_with_arrays(engine, call, with)
		                        : ff_engine_report_usage(engine, call->in.report, call->out.outcome, NULL);
	case FF_OP_RESET_BUDGET:
		return ff_engine_reset_budget(engine, step->id, step->now_ms, call->out.next_reset_at_ms, NULL);
	case FF_OP_RECORD_SPEND:
		return ff_engine_record_spend(engine, call->in.spend, call->out.outcome, NULL);
	case FF_OP_RELEASE_BUDGET:
		return ff_engine_release_budget(engine, step->id, step->execution, call->out.released, NULL);
	case FF_OP_CREATE_QUOTA_POLICY:
		return ff_engine_create_quota_policy(engine, call->in.create_quota, call->out.created, NULL);
	case FF_OP_ADMIT:
		return ff_engine_admit(engine, call->in.admission, call->out.admission, NULL);
	case FF_OP_RELEASE_ADMISSION:
		return ff_engine_release_admission(engine, step->id, step->execution, step->now_ms, call->out.held,
		                                   NULL);
	}
	return FF_E_MISUSE;
}

static void show_batch(ffp_string *to, size_t count)
{
	for (size_t i = 0; i < count; i++)
		show_call(to, &calls[i], &requests[i]);
}

static void submit(party *to, const ffp_step *batch, size_t count)
{
	ff_code code = FF_OK;
	fill_batch(batch, count);
	if (count == 1 && batch->is_direct && !batch->deadline_ms)
		calls->code = call_directly(to->engine, batch, calls, requests);
	else
		code = ff_engine_submit(to->engine, calls, count, NULL);
	if (code != FF_OK)
		ffp_string_add(&to->answer, "the batch as a whole: !%s\n", ff_code_name(code));
	show_batch(&to->answer, count);
	for (size_t i = 0; i < count; i++) {
		if (calls[i].op == FF_OP_RELEASE_BUDGET)
			ff_free(requests[i].out.released);
	}
}

/* ---- reading: of an engine, or of the model where there is no engine ------------------------------------------ */

static void show_budget_status(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id)
{
	const ff_budget_status *status = NULL;
	ff_code code = engine ? ff_engine_get_budget_status(engine, id, &status, NULL)
	                      : ffp_model_get_budget_status(model, id, &status);
	if (code == FF_OK)
		show_budget(to, status);
	ffp_string_add(to, "%s\n", code == FF_OK ? "" : ff_code_name(code));
	if (engine)
		ff_free(status);
}

static void show_quota_status(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id)
{
	const ff_quota_status *status = NULL;
	ff_code code = engine ? ff_engine_get_quota_status(engine, id, &status, NULL)
	                      : ffp_model_get_quota_status(model, id, &status);
	if (code == FF_OK)
		show_quota(to, status);
	ffp_string_add(to, "%s\n", code == FF_OK ? "" : ff_code_name(code));
	if (engine)
		ff_free(status);
}

/* The statuses of all that the batch touched, each once. */
static void show_touched(ffp_string *to, ff_engine *engine, ffp_model *model, const ffp_step *batch, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool is_quota = batch[i].op >= FF_OP_CREATE_QUOTA_POLICY;
		size_t j = 0;
		while (j < i && (batch[j].id != batch[i].id || (batch[j].op >= FF_OP_CREATE_QUOTA_POLICY) != is_quota))
			j++;
		if (j < i)
			continue;
		if (is_quota)
			show_quota_status(to, engine, model, batch[i].id);
		else
			show_budget_status(to, engine, model, batch[i].id);
	}
}

static void list_store(party *of, const char *after, uint32_t limit)
{
	const ff_budget_page *budgets = NULL;
	const ff_quota_page *quotas = NULL;
	ff_code code = ff_engine_list_budgets(of->engine, after, limit, &budgets, NULL);
	ffp_string_add(&of->answer, "budgets %s %s\n", ff_code_name(code), budgets && budgets->more ? "more" : "");
	for (size_t i = 0; budgets && i < budgets->budgets_count; i++) {
		show_budget(&of->answer, &budgets->budgets[i]);
		ffp_string_add(&of->answer, "\n");
	}
	code = ff_engine_list_quotas(of->engine, after, limit, &quotas, NULL);
	ffp_string_add(&of->answer, "quotas %s %s\n", ff_code_name(code), quotas && quotas->more ? "more" : "");
	for (size_t i = 0; quotas && i < quotas->quotas_count; i++) {
		show_quota(&of->answer, &quotas->quotas[i]);
		ffp_string_add(&of->answer, "\n");
	}
	ff_free(budgets);
	ff_free(quotas);
}

typedef const char *next_fn(const ffp_model *model, const char *after);
typedef void show_fn(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id);

static void list_page(world *of, const char *name, const ffp_step *step, next_fn *next, show_fn *show)
{
	const char *after = step->id ? step->id : "";
	const char *last = after;
	/* The name is checked as any other: by asking for it. */
	const ff_budget_status *ignored;
	bool is_name = !*after || ffp_model_get_budget_status(of->model, after, &ignored) != FF_E_INVALID;
	bool good = is_name && step->limit >= 1 && step->limit <= 1000;
	for (uint32_t i = 0; good && i < step->limit && next(of->model, last); i++)
		last = next(of->model, last);
	ffp_string_add(&of->answer, "%s %s %s\n", name, ff_code_name(good ? FF_OK : FF_E_INVALID),
	               good && next(of->model, last) ? "more" : "");
	for (const char *id = good ? next(of->model, after) : NULL; id && strcmp(id, last) <= 0;
	     id = next(of->model, id))
		show(&of->answer, NULL, of->model, id);
}

/* ---- exports ------------------------------------------------------------------------------------------------ */

static ff_code add_line(void *context, const char *line, size_t size, ff_error *error)
{
	(void)error;
	ffp_string_add(context, "%.*s\n", (int)size, line);
	return FF_OK;
}

/* An engine's line as the model would write it; the digest goes elsewhere. */
static ff_code add_masked_line(void *context, const char *line, size_t size, ff_error *error)
{
	static const char member[] = ",\"payload_digest\":";
	party *to = context;
	const char *found = strstr(line, member);
	if (!found)
		return add_line(&to->answer, line, size, error);
	const char *digest = found + strlen(member);
	size_t length = strcspn(digest, ",}");
	ffp_string_add(&to->answer, "%.*s0%s\n", (int)(digest - line), line, digest + length);
	ffp_string_add(&to->digests, "%.*s\n", (int)length, digest);
	return FF_OK;
}

typedef struct lines {
	const char *rest;
} lines;

static ff_code next_line(void *context, const char **line, size_t *size, ff_error *error)
{
	lines *of = context;
	(void)error;
	*line = *of->rest ? of->rest : NULL;
	*size = strcspn(of->rest, "\n");
	of->rest += *size + (of->rest[*size] == '\n');
	return FF_OK;
}

static void note_problem(void *context, const char *problem)
{
	ffp_string_add(context, "problem: %s\n", problem);
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

static bool open_party(const world *of, party *store)
{
	ff_error error;
	if (ff_engine_open(store->uri, &of->options, &store->engine, &error) == FF_OK)
		return true;
	ffp_string_add(&store->answer, "cannot open: %s\n", error.message);
	return false;
}

static bool make_party(const world *of, party *store)
{
	return store->harness->make(store->harness->context, store->uri) && open_party(of, store);
}

static void destroy_party(party *store)
{
	ff_engine_close(&store->engine);
	store->harness->destroy(store->harness->context, store->uri);
}

/* The export becomes a fresh store's; the old store goes. */
static void move_party(world *of, party *store)
{
	ffp_string text = { .data = NULL };
	ff_error error = { .message = "" };
	ff_code code = ff_engine_export(store->engine, 0, add_line, &text, &error);
	party fresh = { .harness = store->harness };
	lines from = { text.data ? text.data : "" };
	if (code == FF_OK && make_party(of, &fresh))
		code = ff_engine_import(fresh.engine, next_line, &from, NULL, &error);
	ffp_string_add(&store->answer, "moved %s %s\n", ff_code_name(code), code == FF_OK ? "" : error.message);
	ffp_string_free(&text);
	ffp_string_free(&fresh.answer);
	destroy_party(store);
	store->engine = fresh.engine;
	memcpy(store->uri, fresh.uri, sizeof(store->uri));
}

static void export_store(party *of, int64_t now_ms)
{
	ff_code code = ff_engine_export(of->engine, now_ms, add_masked_line, of, NULL);
	ffp_string_add(&of->answer, "exported %s\n", ff_code_name(code));
}

static void export_model(world *of, int64_t now_ms)
{
	ff_code code = ffp_model_export(of->model, now_ms, add_line, &of->answer);
	ffp_string_add(&of->answer, "exported %s\n", ff_code_name(code));
}

/* An unbounded tick leaves nothing for a second one. */
static void tick_store(party *of, const ffp_step *step)
{
	ff_tick_result result = { 0 };
	ff_code code = ff_engine_tick(of->engine, step->now_ms, step->limit, &result, NULL);
	ffp_string_add(&of->answer, "tick %s failed %" PRIu64, ff_code_name(code), result.failed);
	if (step->limit && result.resets + result.purged_keys + result.purged_admissions > step->limit)
		ffp_string_add(&of->answer, ", more than its limit");
	if (code == FF_OK && !step->limit)
		code = ff_engine_tick(of->engine, step->now_ms, 0, &result, NULL);
	bool left = code == FF_OK && !step->limit && result.resets + result.purged_keys + result.purged_admissions > 0;
	ffp_string_add(&of->answer, "%s\n", left ? ", something left" : "");
	export_store(of, 0);
}

static void tick_model(world *of, const ffp_step *step)
{
	bool is_good = step->now_ms >= 0;
	if (is_good)
		ffp_model_tick(of->model, step->now_ms, step->limit);
	ffp_string_add(&of->answer, "tick %s failed 0\n", ff_code_name(is_good ? FF_OK : FF_E_INVALID));
	export_model(of, 0);
}

static void close_world(world *of)
{
	for (size_t i = 0; i < of->parties_count; i++) {
		if (of->parties[i].engine)
			destroy_party(&of->parties[i]);
	}
	ffp_model_free(of->model);
	of->model = NULL;
}

static bool open_world(world *of, const ffp_setting *setting)
{
	of->clock = (ff_clock){ .now_ms = read_clock, .sleep_ms = sleep_not, .context = of };
	of->source = (ff_random){ .next = next_random, .context = of };
	of->options = (ff_engine_options){ .size = sizeof(of->options),
		                           .flags = setting->flags,
		                           .purge_rows_max = setting->purge_rows_max,
		                           .key_ttl_ms = setting->key_ttl_ms,
		                           .clock = &of->clock,
		                           .random = &of->source };
	of->clock_ms = setting->start_ms;
	of->model = ffp_model_new(&of->options);
	bool opened = true;
	for (size_t i = 0; opened && i < of->parties_count; i++)
		opened = make_party(of, &of->parties[i]);
	return opened;
}

/* ---- a step, or a batch of calls, into all ------------------------------------------------------------------- */

static void step_store(world *of, party *store, const ffp_step *batch, size_t count)
{
	switch (batch->kind) {
	case FFP_STEP_CALL:
		submit(store, batch, count);
		show_touched(&store->answer, store->engine, NULL, batch, count);
		break;
	case FFP_STEP_STATUS:
		show_budget_status(&store->answer, store->engine, NULL, batch->id);
		show_quota_status(&store->answer, store->engine, NULL, batch->id);
		break;
	case FFP_STEP_LIST:
		list_store(store, batch->id, batch->limit);
		break;
	case FFP_STEP_TICK:
		tick_store(store, batch);
		break;
	case FFP_STEP_EXPORT:
		export_store(store, batch->now_ms);
		break;
	case FFP_STEP_CHECK:
		ffp_string_add(&store->answer, "checked %s\n",
		               ff_code_name(ff_engine_check(store->engine, note_problem, &store->answer, NULL)));
		break;
	case FFP_STEP_REOPEN:
		if (store->harness->shared) {
			ff_engine_close(&store->engine);
			open_party(of, store);
		}
		break;
	case FFP_STEP_MOVE:
		move_party(of, store);
		break;
	}
}

static void step_model(world *of, const ffp_step *batch, size_t count)
{
	switch (batch->kind) {
	case FFP_STEP_CALL:
		fill_batch(batch, count);
		ffp_model_submit(of->model, calls, count);
		show_batch(&of->answer, count);
		show_touched(&of->answer, NULL, of->model, batch, count);
		break;
	case FFP_STEP_STATUS:
		show_budget_status(&of->answer, NULL, of->model, batch->id);
		show_quota_status(&of->answer, NULL, of->model, batch->id);
		break;
	case FFP_STEP_LIST:
		list_page(of, "budgets", batch, ffp_model_next_budget, show_budget_status);
		list_page(of, "quotas", batch, ffp_model_next_quota, show_quota_status);
		break;
	case FFP_STEP_TICK:
		tick_model(of, batch);
		break;
	case FFP_STEP_EXPORT:
		export_model(of, batch->now_ms);
		break;
	case FFP_STEP_CHECK:
		ffp_string_add(&of->answer, "checked ok\n");
		break;
	case FFP_STEP_REOPEN:
		ffp_model_reopen(of->model);
		break;
	case FFP_STEP_MOVE:
		ffp_model_move(of->model);
		ffp_string_add(&of->answer, "moved ok \n");
		break;
	}
}

static bool is_same_text(const ffp_string *left, const ffp_string *right)
{
	return left->size == right->size && (!left->size || !memcmp(left->data, right->data, left->size));
}

/* True where all answered the same. */
static bool step_all(world *of, const ffp_step *batch, size_t count)
{
	bool same = true;
	of->clock_ms = batch->clock_ms;
	of->random = batch->random;
	ffp_string_clear(&of->answer);
	step_model(of, batch, count);
	for (size_t i = 0; i < of->parties_count; i++) {
		party *store = &of->parties[i];
		ffp_string_clear(&store->answer);
		ffp_string_clear(&store->digests);
		step_store(of, store, batch, count);
		same = same && store->engine && is_same_text(&store->answer, &of->answer) &&
		       is_same_text(&store->digests, &of->parties[0].digests);
	}
	return same;
}

/* ---- episodes ----------------------------------------------------------------------------------------------- */

static void add_step(steps *to, const ffp_step *step)
{
	if (to->count == to->capacity) {
		to->capacity = 2 * to->capacity + EPISODE_STEPS;
		to->list = ffp_resize(to->list, to->capacity * sizeof(*to->list));
		to->times_ms = ffp_resize(to->times_ms, to->capacity * sizeof(*to->times_ms));
	}
	to->list[to->count++] = *step;
}

static size_t batch_at(const steps *of, size_t from)
{
	size_t count = 1;
	while (from + count < of->count && of->list[from + count].joins)
		count++;
	return count;
}

static ffp_step last_export(const ffp_step *last)
{
	return (ffp_step){ .kind = FFP_STEP_EXPORT, .clock_ms = last->clock_ms };
}

/* Makes up an episode while it runs; true where no difference showed. The steps so far are in `made`. */
static bool run_episode(world *of, ffp_setting *setting, steps *made)
{
	ffp_inventor inventor;
	made->count = 0;
	bool same = open_world(of, setting);
	ffp_inventor_begin(&inventor, setting, of->model, &of->clock_ms);
	while (same && made->count < EPISODE_STEPS) {
		size_t from = made->count;
		do {
			ffp_step step = ffp_step_invent(&inventor);
			add_step(made, &step);
		} while (inventor.batch_left);
		same = step_all(of, &made->list[from], made->count - from);
		of->clock_ms = *inventor.clock_ms;
	}
	if (same && made->count) {
		ffp_step last = last_export(&made->list[made->count - 1]);
		add_step(made, &last);
		same = step_all(of, &made->list[made->count - 1], 1);
	}
	if (same && made->count) {
		ffp_step last = { .kind = FFP_STEP_CHECK, .clock_ms = of->clock_ms };
		add_step(made, &last);
		same = step_all(of, &made->list[made->count - 1], 1);
	}
	close_world(of);
	return same;
}

/* ---- shrinking ---------------------------------------------------------------------------------------------- */

/* The time of each call of a batch that is to come, as its model will see it. */
static void note_times(const world *of, const ffp_setting *setting, steps *what, size_t from, size_t count)
{
	int64_t time_ms = ffp_model_time(of->model);
	bool has_data_clock = setting->flags & FF_OPEN_DATA_CLOCK && what->list[from].kind == FFP_STEP_CALL;
	for (size_t i = from; i < from + count; i++) {
		int64_t own_ms = what->list[i].now_ms;
		if (has_data_clock && own_ms > time_ms)
			time_ms = own_ms;
		what->times_ms[i] = own_ms > 0 && !has_data_clock ? own_ms : time_ms;
	}
}

/* Replays from fresh stores, with an export after every batch where `thorough`; true where a difference shows, behind
 * whose step the sequence is then cut off. The world is left open for who wants to see the answers. */
static bool differs(world *of, const ffp_setting *setting, steps *what, bool thorough)
{
	bool same = open_world(of, setting);
	for (size_t from = 0, count; same && from < what->count; from += count) {
		count = batch_at(what, from);
		of->clock_ms = what->list[from].clock_ms;
		note_times(of, setting, what, from, count);
		same = step_all(of, &what->list[from], count);
		const ffp_step look = last_export(&what->list[from]);
		bool looked = same && thorough && what->list[from].kind != FFP_STEP_EXPORT;
		if (looked)
			same = step_all(of, &look, 1);
		if (same)
			continue;
		what->count = from + count;
		if (!looked)
			break;
		add_step(what, &look);
		what->times_ms[what->count - 1] = ffp_model_time(of->model);
		break;
	}
	return !same;
}

static void copy_steps(steps *to, const steps *from)
{
	to->count = 0;
	for (size_t i = 0; i < from->count; i++)
		add_step(to, &from->list[i]);
	if (from->count)
		memcpy(to->times_ms, from->times_ms, from->count * sizeof(*to->times_ms));
}

/* `candidate` takes the place of `best` where it shows a difference, too. */
static bool try_steps(world *of, const ffp_setting *setting, steps *best, steps *candidate, unsigned *replays)
{
	if (!candidate->count || ++*replays > REPLAYS_MAX)
		return false;
	candidate->list[0].joins = false;
	bool shows = differs(of, setting, candidate, true);
	close_world(of);
	if (shows && candidate->count <= best->count)
		copy_steps(best, candidate);
	return shows;
}

static void without(steps *to, const steps *from, size_t at, size_t count)
{
	to->count = 0;
	for (size_t i = 0; i < from->count; i++) {
		if (i >= at && i < at + count)
			continue;
		add_step(to, &from->list[i]);
		/* A call whose batch lost its first one begins it. */
		ffp_step *added = &to->list[to->count - 1];
		if (added->joins && i == at + count && (at == 0 || !from->list[at].joins))
			added->joins = false;
	}
}

/* Drops halves, then quarters, and so on to single steps, as often as it helps. */
static void drop_steps(world *of, const ffp_setting *setting, steps *best, steps *candidate, unsigned *replays)
{
	for (size_t size = best->count / 2; size >= 1;) {
		bool helped = false;
		for (size_t at = best->count; at > 0;) {
			at = at > size ? at - size : 0;
			size_t count = best->count;
			without(candidate, best, at, size);
			try_steps(of, setting, best, candidate, replays);
			helped = helped || best->count < count;
			if (at > best->count)
				at = best->count;
		}
		if (size > 1 || !helped)
			size /= 2;
	}
}

/* Simpler steps: no batches, plain functions, no key, one dimension less. */
static void simplify_steps(world *of, const ffp_setting *setting, steps *best, steps *candidate, unsigned *replays)
{
	copy_steps(candidate, best);
	for (size_t i = 0; i < candidate->count; i++)
		candidate->list[i].joins = false;
	try_steps(of, setting, best, candidate, replays);
	for (size_t i = 0; i < best->count; i++) {
		for (unsigned change = 0; change < 6 && i < best->count; change++) {
			copy_steps(candidate, best);
			ffp_step *step = &candidate->list[i];
			if (change == 0 && step->dimensions_count > 1)
				step->dimensions_count--;
			else if (change == 1 && step->crowd)
				step->crowd = 0;
			else if (change == 2 && step->key && *step->key)
				step->key = NULL;
			else if (change == 3 && step->dimensions_count > 1)
				memmove(step->dimensions, step->dimensions + 1,
				        --step->dimensions_count * sizeof(*step->dimensions));
			else if (change == 4 && (step->now_ms || step->deadline_ms))
				step->now_ms = step->deadline_ms = 0;
			else if (change == 5 && (step->on_hard || step->on_soft || step->scope_type || step->scope_id))
				step->on_hard = step->on_soft = step->scope_type = step->scope_id = NULL;
			else
				continue;
			try_steps(of, setting, best, candidate, replays);
		}
	}
}

static void shrink(world *of, const ffp_setting *setting, steps *best)
{
	steps candidate = { .list = NULL };
	unsigned replays = 0;
	copy_steps(&candidate, best);
	if (try_steps(of, setting, best, &candidate, &replays)) {
		drop_steps(of, setting, best, &candidate, &replays);
		simplify_steps(of, setting, best, &candidate, &replays);
		drop_steps(of, setting, best, &candidate, &replays);
	}
	free(candidate.list);
	free(candidate.times_ms);
}

/* ---- the report --------------------------------------------------------------------------------------------- */

static void print_answer(const char *who, const char *text, const char *other)
{
	printf("# %s answers:\n", who);
	for (size_t length; text && *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		size_t other_length = other ? strcspn(other, "\n") : 0;
		bool same = other && length == other_length && !strncmp(text, other, length);
		printf("# %c %.*s\n", same ? ' ' : '>', (int)length, text);
		other = other && other[other_length] ? other + other_length + 1 : NULL;
	}
}

static void tell(world *of, const ffp_setting *setting, steps *found)
{
	printf("not ok 1 - parity\n# a difference in the episode of seed %" PRIu64 "; the shortest sequence found, %zu "
	       "steps:\n",
	       setting->seed, found->count);
	bool shows = differs(of, setting, found, false);
	ffp_steps_print(setting, found->list, found->times_ms, found->count);
	if (!shows)
		printf("# in a replay from fresh stores it did not show again\n");
	for (size_t i = 0; shows && i < of->parties_count; i++) {
		const party *store = &of->parties[i];
		print_answer(store->harness->name, store->answer.data, of->answer.data);
		if (!is_same_text(&store->digests, &of->parties[0].digests))
			printf("# and other payload digests than %s\n", of->parties[0].harness->name);
	}
	print_answer("the model", of->answer.data, of->parties[0].answer.data);
	close_world(of);
}

/* ---- the command -------------------------------------------------------------------------------------------- */

typedef struct settings {
	world all;
	uint64_t operations;
	uint64_t seed;
} settings;

static int usage(void)
{
	fputs("usage: ff-conformance parity --store URI… [--ops N] [--seed N]\n"
	      "Drives the same random operations into each store and into a model of the contract, and compares "
	      "outcomes,\n"
	      "statuses and exports. On a difference: the shortest sequence that shows it, as ffctl commands.\n"
	      "  --store  SCHEME:PATH[?PARAMETERS]; each episode gets a store of its own, at PATH-PID-N;\n"
	      "           none is named twice\n"
	      "  --ops    at least so many operations; 100000 where it is not given\n"
	      "  --seed   of what is random; 1 where it is not given\n"
	      "exit status: 0 no difference; 1 a difference; 2 usage\n",
	      stderr);
	return 2;
}

/* The path of a URI; or behind the question mark, the parameter that has a {}, which may be none. */
static const char *part_of(const char *uri, bool of_query, size_t *size)
{
	const char *path = strchr(uri, ':') + 1;
	const char *query = path + strcspn(path, "?");
	const char *place = strstr(query, "{}");
	const char *part = of_query ? place : path;
	while (of_query && part && !strchr("?&", part[-1]))
		part--;
	*size = part ? strcspn(part, of_query ? "&" : "?") : 0;
	return part;
}

/* Whether the stores of both would get the same names, whatever else the URIs say. */
static bool is_same_place(const char *left, const char *right)
{
	bool same = true;
	for (int of_query = 0; same && of_query <= 1; of_query++) {
		size_t size, other_size;
		const char *part = part_of(left, of_query, &size);
		const char *other = part_of(right, of_query, &other_size);
		same = size == other_size && (!size || !memcmp(part, other, size));
	}
	return same;
}

/* Each in memory is one of its own. */
static bool is_there(const world *of, const ff_harness *harness)
{
	size_t i = 0;
	while (i < of->parties_count &&
	       !(harness->shared && is_same_place(of->parties[i].harness->name, harness->name)))
		i++;
	return i < of->parties_count;
}

static bool add_store(world *to, const char *uri)
{
	const ff_harness *harness = to->parties_count < STORES_MAX ? ff_harness_for_files(uri) : NULL;
	bool there = harness && is_there(to, harness);
	if (there)
		fprintf(stderr, "ff-conformance: '%s' is where another store is to be\n", uri);
	else if (harness)
		to->parties[to->parties_count++].harness = harness;
	else
		fprintf(stderr, "ff-conformance: '%s' is no URI of a store, or one too many\n", uri);
	if (there)
		ff_harness_free(harness);
	return harness && !there;
}

static bool parse(settings *set, int count, char **arguments)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },
		{ "seed", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	bool good = true;
	for (int option; good && (option = getopt_long(count, arguments, "", options, NULL)) != -1;) {
		if (option == 's')
			good = add_store(&set->all, optarg);
		else
			good = option != '?' && ffp_read_number(optarg, option == 'o' ? &set->operations : &set->seed);
	}
	return good && optind == count && set->all.parties_count;
}

static bool probe(const world *of, bool *all_reopen)
{
	*all_reopen = true;
	for (size_t i = 0; i < of->parties_count; i++) {
		ff_harness_info info;
		ff_error error;
		if (ff_harness_probe(of->parties[i].harness, &info, &error) != FF_OK) {
			printf("Bail out! %s: %s\n", of->parties[i].harness->name, error.message);
			return false;
		}
		*all_reopen = *all_reopen && of->parties[i].harness->shared;
	}
	return true;
}

static void print_summary(const settings *set, uint64_t done, uint64_t episodes, clock_t began)
{
	printf("# parity: %" PRIu64 " operations in %" PRIu64 " episodes, %zu stores (", done, episodes,
	       set->all.parties_count);
	for (size_t i = 0; i < set->all.parties_count; i++)
		printf("%s%s", i ? " " : "", set->all.parties[i].harness->name);
	double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
	printf("), seed %" PRIu64 ", %.0f operations a second of processor time\n", set->seed,
	       seconds > 0 ? (double)done / seconds : 0);
}

/* Each episode's seed makes the next one's, so that a run with a later episode's seed begins with that episode. It is a
 * number that was drawn, not the generator's state: streams that begin at states in a row are one stream. */
static uint64_t next_seed(uint64_t seed)
{
	return ffp_random_next(&seed);
}

static int run(settings *set)
{
	steps made = { .list = NULL };
	ffp_setting setting;
	uint64_t done = 0;
	uint64_t episodes = 0;
	uint64_t seed = set->seed;
	clock_t began = clock();
	bool same = true;
	printf("TAP version 13\n1..1\n");
	if (!probe(&set->all, &setting.all_reopen))
		return 1;
	for (; same && done < set->operations; done += made.count, episodes++) {
		ffp_setting_invent(&setting, seed);
		same = run_episode(&set->all, &setting, &made);
		seed = next_seed(seed);
	}
	if (!same) {
		shrink(&set->all, &setting, &made);
		tell(&set->all, &setting, &made);
	} else {
		printf("ok 1 - parity\n");
	}
	print_summary(set, done, episodes, began);
	free(made.list);
	free(made.times_ms);
	return same ? 0 : 1;
}

int ffp_parity(int count, char **arguments)
{
	static settings set = { .operations = 100000, .seed = 1 };
	int status = parse(&set, count, arguments) ? run(&set) : usage();
	for (size_t i = 0; i < set.all.parties_count; i++) {
		party *store = &set.all.parties[i];
		ff_harness_free(store->harness);
		ffp_string_free(&store->answer);
		ffp_string_free(&store->digests);
	}
	ffp_string_free(&set.all.answer);
	return status;
}
