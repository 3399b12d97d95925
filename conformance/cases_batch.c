/* Batches (FF-RU-14, FF-CLK-3): many calls in one commit, each decided as if sent alone in that order. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "parts.h"

/* ---- calls and their answers as texts ------------------------------------------------------------------------ */

/* A call and the places where its answer goes. */
typedef struct slot {
	ff_call call;
	ff_error error;
	ffp_call_parts parts;
	ff_quota_limits limits;
} slot;

static const char *show_slot(ff_test *t, const slot *of)
{
	if (of->call.code)
		return ff_test_text(t, "!%s", ff_code_name(of->call.code));
	switch (of->call.op) {
	case FF_OP_CREATE_BUDGET:
	case FF_OP_CREATE_QUOTA_POLICY:
		return ffp_show_created(t, FF_OK, &of->parts.out.created);
	case FF_OP_REPORT_USAGE:
	case FF_OP_RECORD_SPEND:
		return ffp_show_outcome(t, FF_OK, &of->parts.out.outcome);
	case FF_OP_RELEASE_BUDGET:
		ff_test_keep(t, of->parts.out.released);
		return ffp_show_amounts(t, of->parts.out.released->amounts, of->parts.out.released->amounts_count);
	case FF_OP_ADMIT:
		return ffp_show_admission(t, FF_OK, &of->parts.out.admission);
	case FF_OP_RESET_BUDGET:
		return ff_test_text(t, "%" PRId64, of->parts.out.next_reset_at_ms);
	case FF_OP_RELEASE_ADMISSION:
		return of->parts.out.held ? "held" : "not held";
	}
	return "(unknown)";
}

static void set_call(slot *of, ff_op op)
{
	ffp_call_from(&of->parts, op, &of->call);
	of->call.error = &of->error;
}

/*
 * A call from a line: "create b a=10:5", "report b key a=5", "retry b key a=5", "spend b exec key a=5", "release b
 * exec", "reset b", "quota q window=1", "admit q exec lease=5", "free q exec". A key of - is none.
 */
static void set_report(ff_test *t, slot *of, const char *budget_id, const char *key, const char *amounts)
{
	const ffp_amounts *parsed = ffp_amounts_of(t, amounts);
	of->parts.spend.report = (ff_report){ .budget_id = budget_id,
		                              .amounts = parsed->list,
		                              .amounts_count = parsed->count,
		                              .idempotency_key = strcmp(key, "-") ? key : NULL };
}

static void set_admission(ff_test *t, slot *of, const char *quota_id, const char *execution_id, const char *args)
{
	ffp_quota_args parsed = ffp_quota_of(t, args);
	of->limits = parsed.limits;
	of->parts.admission = (ff_admission)FF_ADMISSION_INIT;
	of->parts.admission.quota_policy_id = quota_id;
	of->parts.admission.execution_id = execution_id;
	of->parts.admission.lease_ms = parsed.lease_ms;
	of->parts.admission.now_ms = parsed.now_ms;
	of->parts.admission.limits = parsed.has_limits ? &of->limits : NULL;
}

static void set_target(slot *of, ff_op op, const char *id, const char *execution_id)
{
	set_call(of, op);
	of->call.in.target.id = id;
	of->call.in.target.execution_id = execution_id;
}

static void parse_call(ff_test *t, slot *of, const char *line)
{
	char *rest = (char *)(uintptr_t)ff_test_text(t, "%s", line);
	const char *word = strsep(&rest, " "), *id = strsep(&rest, " ");
	if (!strcmp(word, "create")) {
		of->parts.budget = *ffp_budget_of(t, id, rest ? rest : "");
		set_call(of, FF_OP_CREATE_BUDGET);
	} else if (!strcmp(word, "report") || !strcmp(word, "retry")) {
		const char *key = strsep(&rest, " ");
		set_report(t, of, id, key, rest ? rest : "");
		of->parts.spend.report.retry_refused = word[2] == 't';
		set_call(of, FF_OP_REPORT_USAGE);
	} else if (!strcmp(word, "spend")) {
		of->parts.spend.execution_id = strsep(&rest, " ");
		const char *key = strsep(&rest, " ");
		set_report(t, of, id, key, rest ? rest : "");
		set_call(of, FF_OP_RECORD_SPEND);
	} else if (!strcmp(word, "quota")) {
		of->parts.quota = (ff_quota_spec)FF_QUOTA_SPEC_INIT;
		of->parts.quota.quota_policy_id = id;
		of->parts.quota.limits = ffp_quota_of(t, rest ? rest : "").limits;
		set_call(of, FF_OP_CREATE_QUOTA_POLICY);
	} else if (!strcmp(word, "admit")) {
		const char *execution_id = strsep(&rest, " ");
		set_admission(t, of, id, execution_id, rest ? rest : "");
		set_call(of, FF_OP_ADMIT);
	} else if (!strcmp(word, "reset")) {
		set_target(of, FF_OP_RESET_BUDGET, id, NULL);
	} else {
		set_target(of, strcmp(word, "free") ? FF_OP_RELEASE_BUDGET : FF_OP_RELEASE_ADMISSION, id, rest);
	}
}

/* Submits slots in batches of `size`; what each answered is then in it. */
static void submit_slots(ff_test *t, ff_engine *e, slot *slots, size_t count, size_t size)
{
	ff_call *calls = ff_test_alloc(t, size * sizeof(*calls));
	for (size_t at = 0; at < count; at += size) {
		size_t some = count - at < size ? count - at : size;
		for (size_t i = 0; i < some; i++)
			calls[i] = slots[at + i].call;
		FF_REQUIRE_OK(t, ff_engine_submit(e, calls, some, ff_test_error(t)));
		for (size_t i = 0; i < some; i++)
			slots[at + i].call.code = calls[i].code;
	}
}

/* Lines and the answers that they should get, in one batch. */
static void check_batch(ff_test *t, ff_engine *e, const char *const (*lines)[2], size_t count)
{
	slot *slots = ff_test_alloc(t, count * sizeof(*slots));
	for (size_t i = 0; i < count; i++)
		parse_call(t, &slots[i], lines[i][0]);
	submit_slots(t, e, slots, count, count);
	for (size_t i = 0; i < count; i++) {
		if (!FF_CHECK_STR(t, show_slot(t, &slots[i]), lines[i][1]))
			ff_test_note(t, "call %zu: %s", i, lines[i][0]);
		FF_CHECK(t, slots[i].call.code == FF_OK || slots[i].error.code == slots[i].call.code);
	}
}

#define CHECK_BATCH(t, e, lines) check_batch((t), (e), (lines), sizeof(lines) / sizeof(*(lines)))

/* ---- what a batch sees of itself ----------------------------------------------------------------------------- */

/* Each call sees what the ones before it did. */
static void batch_is_decided_in_order(ff_test *t)
{
	static const char *const lines[][2] = {
		{ "report b - a=3", "ok" },
		{ "create b a=10:5 @reset=1000", "created" },
		{ "create b a=10:5 @reset=1000", "same" },
		{ "create b a=11", "differs" },
		{ "report b k a=7", "soft a 10/5" },
		{ "report b - a=1", "hard a 10/10" },
		{ "report b k a=7", "soft a 10/5 replayed" },
		{ "report b k a=8", "!key_conflict" },
		{ "reset b", "1001000" },
		{ "spend b x s a=4 c=1", "ok" },
		{ "spend b y - a=4 c=1", "soft a 8/5" },
		{ "spend b x s a=4 c=1", "already replayed" },
		{ "release b x", "a=4 c=1" },
		{ "release b x", "" },
		{ "report b - a=6", "soft a 10/5" },
		{ "quota q window=10 max=2 slots=1", "created" },
		{ "admit q x", "admitted" },
		{ "admit q x", "already_admitted" },
		{ "admit q y", "concurrency_exceeded" },
		{ "free q x", "held" },
		{ "free q x", "not held" },
		{ "admit q y", "admitted" },
		{ "admit q z", "rate_exceeded 10000" },
		{ "reset ghost", "!not_found" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	CHECK_BATCH(t, e, lines);
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")),
	             "b @scope=: @mode=strict @hard= @soft= @reset=1000 a=10:5 | a=10 c=1 | hard=1 soft=3 last=none | "
	             "next=1001000 created=1000000 updated=1000000");
	FF_CHECK_STR(t, ffp_quota(t, e, "q"), "in_window=2 active=1 next=1010000");
}

/* A call that is wrong or refused touches nothing, and disturbs no neighbour. */
static void batch_with_calls_that_fail(ff_test *t)
{
	static const char *const lines[][2] = {
		{ "create b a=10", "created" },
		{ "report b - a=1 a=1", "!invalid" },
		{ "report b - a=4", "ok" },
		{ "reset ghost", "!not_found" },
		{ "report b k a=7", "hard a 4/10" },
		{ "report b - z=max", "ok" },
		{ "report b l z=1 a=1", "!overflow" },
		{ "report b l a=1", "ok" },
		{ "create c a=1:2", "!invalid" },
		{ "create c a=2:1", "created" },
		{ "admit q x", "!not_found" },
		{ "spend b x - a=6", "hard a 5/10" },
		{ "release b x", "" },
		{ "retry b k a=7", "hard a 5/10" },
		{ "report b k a=7", "hard a 5/10 replayed" },
		{ "report b - a=5", "ok" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	CHECK_BATCH(t, e, lines);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10 z=9223372036854775807");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=3 soft=0 last=a@1000000");
}

/* Over the end of a period, by each call's own time. */
static void batch_over_the_end_of_a_period(ff_test *t)
{
	static const char *const lines[][2] = {
		{ "create b a=10 @reset=1000 @now=5000", "created" },
		{ "quota q window=1 max=1", "created" },
		{ "admit q x now=5000", "admitted" },
		{ "admit q y now=5999", "rate_exceeded 1" },
		{ "admit q y now=6000", "admitted" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	ff_test_set_time(t, 4000);
	CHECK_BATCH(t, e, lines);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->next_reset_at_ms, 6000);
}

static void batch_of_none_and_of_nonsense(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_CODE(t, ff_engine_submit(e, NULL, 0, ff_test_error(t)), FF_OK);
	FF_CHECK_CODE(t, ff_engine_report_usage_batch(e, NULL, 0, NULL, NULL, ff_test_error(t)), FF_OK);
	ff_call calls[2] = { { .op = (ff_op)99 }, { .op = FF_OP_REPORT_USAGE } };
	ff_amount amount = { "a", 1 };
	ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
	calls[1].in.report = &report;
	FF_CHECK_CODE(t, ff_engine_submit(e, calls, 2, ff_test_error(t)), FF_OK);
	FF_CHECK_STR(t, ff_code_name(calls[0].code), "invalid");
	FF_CHECK_STR(t, ff_code_name(calls[1].code), "ok");
	FF_CHECK_CODE(t, ff_engine_submit(NULL, calls, 2, ff_test_error(t)), FF_E_MISUSE);
}

/* Its cost: one commit, and one round of loads or two, whatever the count. */
static void batch_is_one_commit(ff_test *t)
{
	enum { MANY = 1000 };
	ff_report *reports = ff_test_alloc(t, MANY * sizeof(*reports));
	ff_amount *amounts = ff_test_alloc(t, MANY * sizeof(*amounts));
	ff_report_result *results = ff_test_alloc(t, MANY * sizeof(*results));
	ff_error *errors = ff_test_alloc(t, MANY * sizeof(*errors));
	ff_engine_info before = { 0 }, after = { 0 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=600"), "created");
	for (unsigned i = 0; i < MANY; i++) {
		amounts[i] = (ff_amount){ "a", 1 };
		reports[i] = (ff_report){ .budget_id = i % 2 ? "b" : "c",
			                  .amounts = &amounts[i],
			                  .amounts_count = i == 500 ? 0 : 1,
			                  .idempotency_key = ff_test_text(t, "k%u", i % 900) };
	}
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &before, ff_test_error(t)));
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, MANY, results, errors, ff_test_error(t)));
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &after, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, after.batches - before.batches, 1);
	FF_CHECK(t, after.loads - before.loads <= 2);
	FF_CHECK_EQ_INT(t, results[500].code, FF_E_INVALID);
	FF_CHECK_EQ_INT(t, errors[500].code, FF_E_INVALID);
	unsigned replayed = 0;
	for (unsigned i = 0; i < MANY; i++)
		replayed += results[i].code == FF_OK && results[i].outcome.replayed;
	FF_CHECK_EQ_INT(t, replayed, 100);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=450");
}

/* ---- batches against one call at a time ---------------------------------------------------------------------- */

enum { RANDOM_OPS = 600 };

/* Random calls over few budgets, keys and executions, so that they meet; each with its own time, some of them back. */
static const char *random_line(ff_test *t, const char *prefix, int64_t now)
{
	uint64_t id = ff_test_random_below(t, 4);
	uint64_t x = ff_test_random_below(t, 5);
	uint64_t n = ff_test_random_below(t, 30);
	uint64_t key = ff_test_random_below(t, 40);
	switch (ff_test_random_below(t, 14)) {
	case 0:
		return ff_test_text(t, "create %sb%" PRIu64 " a=100:60 c=50 @reset=%" PRIu64 " @mode=%s @now=%" PRId64,
		                    prefix, id, id * 500, id == 3 ? "advisory" : "strict", now);
	case 1:
		return ff_test_text(t, "reset %sb%" PRIu64, prefix, id);
	case 2:
	case 3:
		return ff_test_text(t, "spend %sb%" PRIu64 " x%" PRIu64 " s%" PRIu64 " a=%" PRIu64, prefix, id, x, key,
		                    n);
	case 4:
		return ff_test_text(t, "release %sb%" PRIu64 " x%" PRIu64, prefix, id, x);
	case 5:
		return ff_test_text(t, "quota %sq%" PRIu64 " window=1 max=4 slots=3", prefix, id);
	case 6:
	case 7:
		return ff_test_text(t, "admit %sq%" PRIu64 " x%" PRIu64 " lease=%" PRIu64 " now=%" PRId64, prefix, id,
		                    x, n * 20 + 1, now);
	case 8:
		return ff_test_text(t, "free %sq%" PRIu64 " x%" PRIu64, prefix, id, x);
	case 9:
		return ff_test_text(t, "retry %sb%" PRIu64 " k%" PRIu64 " a=%" PRIu64, prefix, id, key, key + 20);
	case 10:
	case 11:
		return ff_test_text(t, "report %sb%" PRIu64 " k%" PRIu64 " a=%" PRIu64, prefix, id, key, key + 20);
	default:
		return ff_test_text(t, "report %sb%" PRIu64 " - c=%" PRIu64 " a=%" PRIu64, prefix, id, n, x);
	}
}

/* Runs the same random calls under ids of their own; answers all answers and the states at the end. */
static const char **run_random(ff_test *t, uint64_t seed_of_run, const char *prefix, size_t batch, int64_t *ended)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_DATA_CLOCK;
	options.key_ttl_ms = 3000;
	ff_engine *e = ff_test_open(t, &options);
	slot *slots = ff_test_alloc(t, RANDOM_OPS * sizeof(*slots));
	const char **answers = ff_test_alloc(t, (RANDOM_OPS + 8) * sizeof(*answers));
	int64_t now = T0;
	uint64_t steps = seed_of_run;
	for (size_t i = 0; i < RANDOM_OPS; i++) {
		steps = steps * UINT64_C(6364136223846793005) + 1;
		now += (int64_t)(steps >> 58);
		int64_t own = steps >> 32 & 7 ? now : now - 300;
		parse_call(t, &slots[i], random_line(t, prefix, own));
		if (slots[i].call.op == FF_OP_REPORT_USAGE || slots[i].call.op == FF_OP_RECORD_SPEND)
			slots[i].parts.spend.report.now_ms = own;
		else if (slots[i].call.op == FF_OP_RESET_BUDGET || slots[i].call.op == FF_OP_RELEASE_ADMISSION)
			slots[i].call.in.target.now_ms = own;
	}
	submit_slots(t, e, slots, RANDOM_OPS, batch);
	for (size_t i = 0; i < RANDOM_OPS; i++)
		answers[i] = show_slot(t, &slots[i]);
	ff_test_set_time(t, now);
	for (size_t i = 0; i < 4; i++) {
		answers[RANDOM_OPS + i] = ffp_usage(t, e, ff_test_text(t, "%sb%zu", prefix, i));
		answers[RANDOM_OPS + 4 + i] = ffp_quota(t, e, ff_test_text(t, "%sq%zu", prefix, i));
	}
	*ended = now;
	ff_test_undo(t, e);
	return answers;
}

static void batch_size_makes_no_difference(ff_test *t)
{
	static const size_t sizes[] = { 1, 2, 7, 256, RANDOM_OPS };
	uint64_t seed = ff_test_random(t);
	const char **first = NULL;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		int64_t ended = 0;
		ff_test_seed(t, seed);
		ff_test_set_time(t, T0);
		const char **answers = run_random(t, seed, ff_test_text(t, "%zu-", i), sizes[i], &ended);
		if (!first)
			first = answers;
		for (size_t n = 0; n < RANDOM_OPS + 8; n++) {
			if (!FF_CHECK_STR(t, answers[n], first[n])) {
				ff_test_note(t, "in batches of %zu, call %zu", sizes[i], n);
				ff_test_end(t);
			}
		}
	}
}

/* A call of a batch may move a policy's time; those after it go by the time that it has then. */
static void batch_moves_a_policys_time(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=1 slots=1 now=2000"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "f", "lease=100 now=2000"), "admitted");
	ff_quota_limits own = { 1, 1, 0 };
	ff_admission later = FF_ADMISSION_INIT, earlier = FF_ADMISSION_INIT;
	later.quota_policy_id = earlier.quota_policy_id = "q";
	later.execution_id = "g";
	later.limits = &own;
	later.now_ms = 5000;
	earlier.execution_id = "h";
	earlier.now_ms = 1500;
	ff_admission_outcome outcomes[2];
	ff_call calls[] = {
		{ .op = FF_OP_ADMIT, .in.admission = &later, .out.admission = &outcomes[0] },
		{ .op = FF_OP_RELEASE_ADMISSION, .in.target = { "q", "g", 5000 } },
		{ .op = FF_OP_ADMIT, .in.admission = &earlier, .out.admission = &outcomes[1] },
	};
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 3, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_show_admission(t, calls[0].code, &outcomes[0]), "admitted");
	FF_CHECK_EQ_INT(t, calls[1].code, FF_OK);
	FF_CHECK_STR(t, ffp_show_admission(t, calls[2].code, &outcomes[1]), "admitted");
}

enum { MANY_ADMISSIONS = 300 };

/* Admits so many executions of their own in one batch, all of them let in; answers how often rows were loaded. */
static uint64_t admit_many(ff_test *t, ff_engine *e, unsigned round, int64_t lease_ms)
{
	ff_call *calls = ff_test_alloc(t, MANY_ADMISSIONS * sizeof(*calls));
	ff_admission *admissions = ff_test_alloc(t, MANY_ADMISSIONS * sizeof(*admissions));
	ff_admission_outcome *outcomes = ff_test_alloc(t, MANY_ADMISSIONS * sizeof(*outcomes));
	ff_engine_info before = { 0 }, after = { 0 };
	for (unsigned i = 0; i < MANY_ADMISSIONS; i++) {
		admissions[i] = (ff_admission){ .size = sizeof(ff_admission),
			                        .quota_policy_id = "q",
			                        .execution_id = ff_test_text(t, "x%u-%u", round, i),
			                        .lease_ms = lease_ms };
		calls[i] =
		    (ff_call){ .op = FF_OP_ADMIT, .in.admission = &admissions[i], .out.admission = &outcomes[i] };
	}
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &before, ff_test_error(t)));
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, MANY_ADMISSIONS, ff_test_error(t)));
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &after, ff_test_error(t)));
	for (unsigned i = 0; i < MANY_ADMISSIONS; i++)
		FF_CHECK_STR(t, ffp_show_admission(t, calls[i].code, &outcomes[i]), "admitted");
	return after.loads - before.loads;
}

/* Which entry an admission goes by hangs on those before it; a batch of them is a few rounds all the same. */
static void batch_of_admissions_is_a_few_rounds(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "window=60 max=300"), "created");
	for (unsigned round = 0; round < 2; round++) {
		FF_CHECK(t, admit_many(t, e, round, 0) <= 3);
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "late", ""), "rate_exceeded 60000");
		ff_test_set_time(t, T0 + 60000);
	}
}

/* And so is one that looks for slots whose lease is over, each admission for one of its own. */
static void batch_of_admissions_frees_slots_in_a_few_rounds(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=300"), "created");
	for (unsigned round = 0; round < 3; round++) {
		FF_CHECK(t, admit_many(t, e, round, 100) <= 2);
		FF_CHECK_STR(t, ffp_admit(t, e, "q", "late", ""), "concurrency_exceeded");
		ff_test_set_time(t, T0 + 100 * (round + 1));
	}
}

/* What one admission of a batch passes over is free for another: a slot of its own that is over, and one whose lease a call
 * with an earlier time has set since. */
static void batch_of_admissions_that_share_slots(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ff_quota_limits one = { .max_concurrent = 1 }, two = { .max_concurrent = 2 };
	ff_admission own = { .size = sizeof(own), .quota_policy_id = "q", .execution_id = "over", .limits = &one };
	ff_admission other = { .size = sizeof(other), .quota_policy_id = "q", .execution_id = "new", .limits = &two };
	ff_admission_outcome outcomes[3];
	ff_call calls[] = { { .op = FF_OP_ADMIT, .in.admission = &own, .out.admission = &outcomes[0] },
		            { .op = FF_OP_ADMIT, .in.admission = &other, .out.admission = &outcomes[1] } };
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", "slots=9"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "over", "lease=1"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "q", "held", ""), "admitted");
	ff_test_set_time(t, T0 + 1000);
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 2, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_show_admission(t, calls[0].code, &outcomes[0]), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_show_admission(t, calls[1].code, &outcomes[1]), "admitted");

	ff_admission refused = { .size = sizeof(own), .quota_policy_id = "w", .execution_id = "x", .limits = &two };
	ff_admission earlier = {
		.size = sizeof(own), .quota_policy_id = "w", .execution_id = "b", .now_ms = T0 + 2000
	};
	ff_admission last = { .size = sizeof(own), .quota_policy_id = "w", .execution_id = "y", .limits = &two };
	earlier.lease_ms = 1;
	ff_call more[] = { { .op = FF_OP_ADMIT, .in.admission = &refused, .out.admission = &outcomes[0] },
		           { .op = FF_OP_ADMIT, .in.admission = &earlier, .out.admission = &outcomes[1] },
		           { .op = FF_OP_ADMIT, .in.admission = &last, .out.admission = &outcomes[2] } };
	FF_CHECK_STR(t, ffp_create_quota(t, e, "w", "window=60 max=9 slots=9"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "w", "a", ""), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "w", "b", ""), "admitted");
	ff_test_set_time(t, T0 + 3000);
	FF_REQUIRE_OK(t, ff_engine_submit(e, more, 3, ff_test_error(t)));
	FF_CHECK_STR(t, ffp_show_admission(t, more[0].code, &outcomes[0]), "concurrency_exceeded");
	FF_CHECK_STR(t, ffp_show_admission(t, more[1].code, &outcomes[1]), "already_admitted");
	FF_CHECK_STR(t, ffp_show_admission(t, more[2].code, &outcomes[2]), "admitted");
}

/* Where one admission of a batch wants more rows than were looked at, the others begin anew, and find what they found. */
static void batch_of_admissions_that_begins_anew(ff_test *t)
{
	enum { OVER = 20 };
	ff_engine *e = ff_test_open(t, NULL);
	const ff_quota_limits one = { .max_concurrent = 1 };
	ff_admission few = { .size = sizeof(few), .quota_policy_id = "few", .execution_id = "new 1" };
	ff_admission more = { .size = sizeof(more), .quota_policy_id = "few", .execution_id = "new 2" };
	ff_admission many = { .size = sizeof(many), .quota_policy_id = "many", .execution_id = "new", .limits = &one };
	ff_admission_outcome outcomes[3];
	ff_call calls[] = { { .op = FF_OP_ADMIT, .in.admission = &few, .out.admission = &outcomes[0] },
		            { .op = FF_OP_ADMIT, .in.admission = &more, .out.admission = &outcomes[1] },
		            { .op = FF_OP_ADMIT, .in.admission = &many, .out.admission = &outcomes[2] } };
	FF_CHECK_STR(t, ffp_create_quota(t, e, "few", "slots=2"), "created");
	FF_CHECK_STR(t, ffp_create_quota(t, e, "many", "slots=20"), "created");
	FF_CHECK_STR(t, ffp_admit(t, e, "few", "over 1", "lease=1"), "admitted");
	FF_CHECK_STR(t, ffp_admit(t, e, "few", "over 2", "lease=1"), "admitted");
	for (unsigned i = 0; i < OVER; i++)
		FF_CHECK_STR(t, ffp_admit(t, e, "many", ff_test_text(t, "over %u", i), "lease=1"), "admitted");
	ff_test_set_time(t, T0 + 1000);
	FF_REQUIRE_OK(t, ff_engine_submit(e, calls, 3, ff_test_error(t)));
	for (unsigned i = 0; i < 3; i++)
		FF_CHECK_STR(t, ffp_show_admission(t, calls[i].code, &outcomes[i]), "admitted");
}

/* One commit of more rows than a statement or a page takes: each budget has its report, whole. */
static void batch_of_thousands_of_rows(ff_test *t)
{
	enum { BUDGETS = 70, DIMENSIONS = 64 };
	ff_engine *e = ff_test_open(t, NULL);
	ff_amount *amounts = ff_test_alloc(t, DIMENSIONS * sizeof(*amounts));
	ff_report *reports = ff_test_alloc(t, BUDGETS * sizeof(*reports));
	ff_report_result *results = ff_test_alloc(t, BUDGETS * sizeof(*results));
	for (unsigned i = 0; i < DIMENSIONS; i++)
		amounts[i] = (ff_amount){ ff_test_text(t, "d%02u", i), i + 1 };
	for (unsigned i = 0; i < BUDGETS; i++) {
		reports[i] = (ff_report){ .budget_id = ff_test_text(t, "b%u", i),
			                  .amounts = amounts,
			                  .amounts_count = DIMENSIONS };
		FF_REQUIRE(t, FF_CHECK_STR(t, ffp_create(t, e, reports[i].budget_id, "d00=9"), "created"));
	}
	for (unsigned round = 1; round <= 2; round++) { /* rows that are new, and then rows that are there */
		FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, BUDGETS, results, NULL, ff_test_error(t)));
		for (unsigned i = 0; i < BUDGETS; i++) {
			FF_CHECK_STR(t, ffp_show_outcome(t, results[i].code, &results[i].outcome), "ok");
			const ff_budget_status *status = ffp_status(t, e, reports[i].budget_id);
			FF_REQUIRE(t, status->usage_count == DIMENSIONS);
			for (unsigned j = 0; j < DIMENSIONS; j++)
				FF_CHECK_EQ_INT(t, status->usage[j].amount, round * amounts[j].amount);
		}
	}
}

static const ff_case table[] = {
	CASE(batch_is_decided_in_order, "FF-RU-14 FF-SP-1 FF-SP-2 FF-QA-3", 0),
	CASE(batch_with_calls_that_fail, "FF-RU-14 FF-ERR-2", 0),
	CASE(batch_over_the_end_of_a_period, "FF-RU-14 FF-CLK-3", 0),
	CASE(batch_of_none_and_of_nonsense, "FF-RU-14 FF-ERR-6", 0),
	CASE(batch_is_one_commit, "FF-RU-14", 0),
	CASE(batch_moves_a_policys_time, "FF-CLK-3 FF-RU-14 FF-QA-6", 0),
	CASE(batch_of_admissions_frees_slots_in_a_few_rounds, "FF-QA-5 FF-QA-6 FF-RU-14", 0),
	CASE(batch_of_admissions_that_share_slots, "FF-QA-5 FF-QA-6 FF-CLK-3", 0),
	CASE(batch_of_admissions_that_begins_anew, "FF-QA-5 FF-QA-6 FF-RU-14", 0),
	CASE(batch_of_admissions_is_a_few_rounds, "FF-QA-7 FF-RU-14", 0),
	CASE(batch_of_thousands_of_rows, "FF-RU-12 FF-RU-14", FF_CASE_BULK),
	CASE(batch_size_makes_no_difference, "FF-RU-14 FF-CLK-3", 0),
};

FAMILY(ffp_cases_batch, table);
