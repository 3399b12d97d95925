/* Prints steps as a script of ffctl commands. */
#include "parity_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* One word of a shell's command line (bash). */
static void print_word(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,+-";
	if (*text && text[strspn(text, plain)] == '\0') {
		printf("%s", text);
		return;
	}
	bool is_odd = false;
	for (const char *byte = text; *byte; byte++)
		is_odd = is_odd || (unsigned char)*byte < ' ' || (unsigned char)*byte > '~' || *byte == '\'';
	printf(is_odd ? "$'" : "'");
	for (const char *byte = text; *byte; byte++) {
		if ((unsigned char)*byte < ' ' || (unsigned char)*byte > '~')
			printf("\\x%02x", (unsigned char)*byte);
		else
			printf(is_odd && strchr("'\\", *byte) ? "\\%c" : "%c", *byte);
	}
	printf("'");
}

static void print_option(const char *option, const char *value)
{
	if (!value)
		return;
	printf(" %s ", option);
	print_word(value);
}

/* DIM=AMOUNT, or DIM=HARD:SOFT behind --limit. */
static void print_dimensions(const ffp_step *step, bool are_limits)
{
	for (unsigned i = 0; i < ffp_step_dimensions_count(step); i++) {
		const ff_amount amount = ffp_step_amount(step, i);
		const ff_limit limit = ffp_step_limit(step, i);
		const char *name = limit.dimension ? limit.dimension : "";
		ffp_string word = { .data = NULL };
		if (are_limits)
			ffp_string_add(&word, "%s=%" PRIu64 ":%" PRIu64, name, limit.hard, limit.soft);
		else
			ffp_string_add(&word, "%s=%" PRIu64, name, amount.amount);
		printf(are_limits ? " --limit " : " ");
		print_word(word.data);
		ffp_string_free(&word);
	}
}

static void print_quota_limits(const ff_quota_limits *limits)
{
	printf(" --window %" PRIu64 "s --max %" PRIu64 " --concurrency %" PRIu64, limits->window_seconds,
	       limits->max_requests_per_window, limits->max_concurrent);
}

static void print_create(const ffp_step *step)
{
	const char *type = step->scope_type ? step->scope_type : "";
	const char *id = step->scope_id ? step->scope_id : "";
	print_option("--mode", step->mode);
	print_option("--on-hard", step->on_hard);
	print_option("--on-soft", step->on_soft);
	if (*type || *id) {
		ffp_string scope = { .data = NULL };
		ffp_string_add(&scope, "%s:%s", type, id);
		print_option("--scope", scope.data);
		ffp_string_free(&scope);
	}
	if (step->interval_ms)
		printf(" --reset-every %" PRId64 "ms", step->interval_ms);
	print_dimensions(step, true);
}

static void print_admission(const ffp_step *step)
{
	if (step->lease_ms)
		printf(" --lease %" PRId64 "ms", step->lease_ms);
	if (step->jitter_ms)
		printf(" --jitter %" PRId64, step->jitter_ms);
	if (step->has_limits)
		print_quota_limits(&step->limits);
	if (step->jitter_ms)
		printf(" # here the random source answers %" PRIu64, step->random);
}

static void print_call(const ffp_step *step)
{
	static const char *const commands[] = {
		[FF_OP_CREATE_BUDGET] = "budget create", [FF_OP_REPORT_USAGE] = "report",
		[FF_OP_RESET_BUDGET] = "budget reset",   [FF_OP_RECORD_SPEND] = "spend",
		[FF_OP_RELEASE_BUDGET] = "release",      [FF_OP_CREATE_QUOTA_POLICY] = "quota create",
		[FF_OP_ADMIT] = "quota admit",           [FF_OP_RELEASE_ADMISSION] = "quota release",
	};
	bool is_charge = step->op == FF_OP_REPORT_USAGE || step->op == FF_OP_RECORD_SPEND;
	bool has_execution = step->op != FF_OP_CREATE_BUDGET && step->op != FF_OP_REPORT_USAGE &&
	                     step->op != FF_OP_RESET_BUDGET && step->op != FF_OP_CREATE_QUOTA_POLICY;
	printf("%s ", commands[step->op]);
	print_word(step->id ? step->id : "");
	if (has_execution)
		print_option("--execution", step->execution ? step->execution : "");
	if (step->op == FF_OP_CREATE_BUDGET)
		print_create(step);
	else if (step->op == FF_OP_CREATE_QUOTA_POLICY)
		print_quota_limits(&step->limits);
	else if (step->op == FF_OP_ADMIT)
		print_admission(step);
	if (!is_charge)
		return;
	print_dimensions(step, false);
	print_option("--key", step->key && *step->key ? step->key : NULL);
	printf("%s", step->retry_refused ? " --retry-refused" : "");
}

static void print_looks(const ffp_step *step, int64_t time_ms)
{
	static const char *const lists[] = { "budget", "quota" };
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		printf("f --now %" PRId64 " %s ", time_ms, lists[i]);
		if (step->kind == FFP_STEP_STATUS) {
			printf("status ");
			print_word(step->id ? step->id : "");
		} else {
			printf("list --limit %" PRIu32, step->limit);
			print_option("--after", step->id);
		}
		printf("\n");
	}
}

static void print_command(const ffp_step *step, int64_t time_ms)
{
	if (step->kind == FFP_STEP_STATUS || step->kind == FFP_STEP_LIST) {
		print_looks(step, time_ms);
		return;
	}
	if (step->kind == FFP_STEP_REOPEN) {
		printf("# here the store was closed and opened again, as each ffctl does\n");
		return;
	}
	if (step->kind == FFP_STEP_MOVE) {
		printf("f --now %" PRId64 " export moved.jsonl && store=$store-moved && f import moved.jsonl\n",
		       time_ms);
		return;
	}
	printf("f --now %" PRId64 " ", time_ms);
	if (step->kind == FFP_STEP_CALL)
		print_call(step);
	else if (step->kind == FFP_STEP_TICK)
		printf("tick --limit %" PRIu32, step->limit);
	else
		printf("%s", step->kind == FFP_STEP_EXPORT ? "export" : "check");
	printf("\n");
}

/* What a command cannot say. */
static void print_remarks(const ffp_setting *setting, const ffp_steps *steps, size_t i)
{
	const ffp_step *step = &steps->list[i];
	bool has_data_clock = setting->flags & FF_OPEN_DATA_CLOCK;
	bool is_charge =
	    step->kind == FFP_STEP_CALL && (step->op == FF_OP_REPORT_USAGE || step->op == FF_OP_RECORD_SPEND);
	if (!step->joins && i + 1 < steps->count && steps->list[i + 1].joins)
		printf("# one batch (ff_engine_submit); ffctl sends its calls one by one:\n");
	if (i && !step->joins && steps->list[i - 1].joins)
		printf("# the batch ends\n");
	if (step->deadline_ms)
		printf("# with a deadline at %" PRId64 ", which ffctl cannot give; the engine's clock is at %" PRId64
		       ":\n",
		       step->deadline_ms, step->clock_ms);
	if (step->now_ms && is_charge && !has_data_clock)
		printf("# with a time of its own, %" PRId64 ", which ffctl cannot give to a report:\n", step->now_ms);
	else if (step->now_ms && !has_data_clock)
		printf("# by a time of its own; the engine's clock is at %" PRId64 ":\n", step->clock_ms);
}

void ffp_steps_print(const ffp_setting *setting, const ffp_steps *steps)
{
	printf("store=sqlite:parity.db # or another; bash\nf() { ffctl --store \"$store\" --json%s",
	       setting->flags & FF_OPEN_REQUIRE_BUDGET ? " --require-budget" : "");
	if (setting->key_ttl_ms)
		printf(" --key-ttl %" PRId64 "ms", setting->key_ttl_ms);
	printf(" \"$@\"; }\n");
	if (setting->flags & FF_OPEN_DATA_CLOCK)
		printf("# the engine had the data clock: calls brought the times that --now gives\n");
	for (size_t i = 0; i < steps->count; i++) {
		print_remarks(setting, steps, i);
		print_command(&steps->list[i], steps->times_ms[i]);
	}
}
