/* The model and the stores that are compared with it, step by step. */
#include "parity_compare.h"

#include <inttypes.h>
#include <string.h>

#include "parity_answers.h"
#include "parity_calls.h"

/* ---- clock and random source ------------------------------------------------------------------------------------ */

static int64_t read_clock(void *context)
{
	return ((const ffp_comparison *)context)->clock_ms;
}

static void sleep_not(void *context, uint32_t ms)
{
	(void)context;
	(void)ms;
}

static uint64_t next_random(void *context)
{
	return ((const ffp_comparison *)context)->random;
}

/* ---- opening and closing ---------------------------------------------------------------------------------------- */

static bool open_subject(const ffp_comparison *of, ffp_subject *store)
{
	ff_error error;
	if (ff_engine_open(store->uri, &of->options, &store->engine, &error) == FF_OK)
		return true;
	ffp_string_add(&store->answer, "cannot open: %s\n", error.message);
	return false;
}

static bool make_subject(const ffp_comparison *of, ffp_subject *store)
{
	return store->harness->make(store->harness->context, store->uri) && open_subject(of, store);
}

static void destroy_subject(ffp_subject *store)
{
	ff_engine_close(&store->engine);
	store->harness->destroy(store->harness->context, store->uri);
}

bool ffp_comparison_open(ffp_comparison *of, const ffp_setting *setting)
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
	for (size_t i = 0; opened && i < of->subjects_count; i++)
		opened = make_subject(of, &of->subjects[i]);
	return opened;
}

void ffp_comparison_close(ffp_comparison *of)
{
	for (size_t i = 0; i < of->subjects_count; i++) {
		if (of->subjects[i].engine)
			destroy_subject(&of->subjects[i]);
	}
	ffp_model_free(of->model);
	of->model = NULL;
}

void ffp_comparison_free(ffp_comparison *of)
{
	for (size_t i = 0; i < of->subjects_count; i++) {
		ffp_subject *store = &of->subjects[i];
		ff_harness_free(store->harness);
		ffp_string_free(&store->answer);
		ffp_string_free(&store->digests);
	}
	ffp_string_free(&of->answer);
}

/* ---- exports and imports ---------------------------------------------------------------------------------------- */

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
	ffp_subject *to = context;
	const char *found = strstr(line, member);
	if (!found)
		return add_line(&to->answer, line, size, error);
	const char *digest = found + strlen(member);
	size_t length = strcspn(digest, ",}");
	ffp_string_add(&to->answer, "%.*s0%s\n", (int)(digest - line), line, digest + length);
	ffp_string_add(&to->digests, "%.*s\n", (int)length, digest);
	return FF_OK;
}

static void export_subject(ffp_subject *of, int64_t now_ms)
{
	ff_code code = ff_engine_export(of->engine, now_ms, add_masked_line, of, NULL);
	ffp_string_add(&of->answer, "exported %s\n", ff_code_name(code));
}

static void export_model(ffp_comparison *of, int64_t now_ms)
{
	ff_code code = ffp_model_export(of->model, now_ms, add_line, &of->answer);
	ffp_string_add(&of->answer, "exported %s\n", ff_code_name(code));
}

/* The lines of a text. */
static ff_code next_line(void *context, const char **line, size_t *size, ff_error *error)
{
	const char **rest = context;
	(void)error;
	*line = **rest ? *rest : NULL;
	*size = strcspn(*rest, "\n");
	*rest += *size + ((*rest)[*size] == '\n');
	return FF_OK;
}

/* The export becomes a fresh store's; the old store goes. */
static void move_subject(ffp_comparison *of, ffp_subject *store)
{
	ffp_string text = { .data = NULL };
	ff_error error = { .message = "" };
	ff_code code = ff_engine_export(store->engine, 0, add_line, &text, &error);
	ffp_subject fresh = { .harness = store->harness };
	const char *rest = text.data ? text.data : "";
	if (code == FF_OK && make_subject(of, &fresh))
		code = ff_engine_import(fresh.engine, next_line, &rest, NULL, &error);
	ffp_string_add(&store->answer, "moved %s %s\n", ff_code_name(code), code == FF_OK ? "" : error.message);
	ffp_string_free(&text);
	ffp_string_free(&fresh.answer);
	destroy_subject(store);
	store->engine = fresh.engine;
	memcpy(store->uri, fresh.uri, sizeof(store->uri));
}

/* ---- ticks ------------------------------------------------------------------------------------------------------ */

static uint64_t rows_of(const ff_tick_result *did)
{
	return did->resets + did->purged_keys + did->purged_admissions + did->purged_ledger_rows;
}

/* An unbounded tick leaves nothing for a second one. */
static void tick_subject(ffp_subject *of, const ffp_step *step)
{
	ff_tick_result result = { 0 };
	ff_code code = ff_engine_tick(of->engine, step->now_ms, step->limit, &result, NULL);
	ffp_string_add(&of->answer, "tick %s failed %" PRIu64, ff_code_name(code), result.failed);
	if (step->limit && rows_of(&result) > step->limit)
		ffp_string_add(&of->answer, ", more than its limit");
	if (code == FF_OK && !step->limit)
		code = ff_engine_tick(of->engine, step->now_ms, 0, &result, NULL);
	bool left = code == FF_OK && !step->limit && rows_of(&result) > 0;
	ffp_string_add(&of->answer, "%s\n", left ? ", something left" : "");
	export_subject(of, 0);
}

static void tick_model(ffp_comparison *of, const ffp_step *step)
{
	bool is_good = step->now_ms >= 0;
	if (is_good)
		ffp_model_tick(of->model, step->now_ms, step->limit);
	ffp_string_add(&of->answer, "tick %s failed 0\n", ff_code_name(is_good ? FF_OK : FF_E_INVALID));
	export_model(of, 0);
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

static void note_problem(void *context, const char *problem)
{
	ffp_string_add(context, "problem: %s\n", problem);
}

static void step_subject(ffp_comparison *of, ffp_subject *store, const ffp_step *batch, size_t count)
{
	switch (batch->kind) {
	case FFP_STEP_CALL:
		ffp_calls_submit(&store->answer, store->engine, batch, count);
		ffp_answer_touched(&store->answer, store->engine, NULL, batch, count);
		break;
	case FFP_STEP_STATUS:
		ffp_answer_statuses(&store->answer, store->engine, NULL, batch->id);
		break;
	case FFP_STEP_LIST:
		ffp_answer_lists(&store->answer, store->engine, NULL, batch);
		break;
	case FFP_STEP_TICK:
		tick_subject(store, batch);
		break;
	case FFP_STEP_EXPORT:
		export_subject(store, batch->now_ms);
		break;
	case FFP_STEP_CHECK:
		ffp_string_add(&store->answer, "checked %s\n",
		               ff_code_name(ff_engine_check(store->engine, note_problem, &store->answer, NULL)));
		break;
	case FFP_STEP_REOPEN:
		if (store->harness->shared) {
			ff_engine_close(&store->engine);
			open_subject(of, store);
		}
		break;
	case FFP_STEP_MOVE:
		move_subject(of, store);
		break;
	}
}

static void step_model(ffp_comparison *of, const ffp_step *batch, size_t count)
{
	switch (batch->kind) {
	case FFP_STEP_CALL:
		ffp_calls_submit_to_model(&of->answer, of->model, batch, count);
		ffp_answer_touched(&of->answer, NULL, of->model, batch, count);
		break;
	case FFP_STEP_STATUS:
		ffp_answer_statuses(&of->answer, NULL, of->model, batch->id);
		break;
	case FFP_STEP_LIST:
		ffp_answer_lists(&of->answer, NULL, of->model, batch);
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

bool ffp_comparison_step(ffp_comparison *of, const ffp_step *batch, size_t count)
{
	bool same = true;
	of->clock_ms = batch->clock_ms;
	of->random = batch->random;
	ffp_string_clear(&of->answer);
	step_model(of, batch, count);
	for (size_t i = 0; i < of->subjects_count; i++) {
		ffp_subject *store = &of->subjects[i];
		ffp_string_clear(&store->answer);
		ffp_string_clear(&store->digests);
		step_subject(of, store, batch, count);
		same = same && store->engine && ffp_string_is_same(&store->answer, &of->answer) &&
		       ffp_string_is_same(&store->digests, &of->subjects[0].digests);
	}
	return same;
}
