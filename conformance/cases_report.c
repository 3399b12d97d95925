/* report_usage (FF-RU): the hot path. */
#include <string.h>

#include "cases.h"

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void report_up_to_the_hard_limit(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=99"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=2"), "hard tokens 99/100");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=1"), "hard tokens 100/100");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=0"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "tokens=100");
	FF_CHECK_STR(t, ffp_create(t, e, "one", "tokens=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "one", "", "tokens=101"), "hard tokens 0/100");
	FF_CHECK_STR(t, ffp_report(t, e, "one", "", "tokens=100"), "ok");
}

/* D20: whatever order the caller gave, the first in byte order is told; upper case sorts before lower case. */
static void report_names_the_first_dimension_in_byte_order(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "b=1 aa=1 a=1 Z=1 é=1 free=0"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "é=2 b=2 aa=2 a=2 Z=2 free=9"), "hard Z 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "é=2 b=2 aa=2 a=2 free=9"), "hard a 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "b=2 aa=2 a=1"), "hard aa 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "é=2 b=2 aa=1"), "hard b 0/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "é=2 b=1"), "hard é 0/1");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=5 soft=0 last=é@1000000");
	FF_CHECK_STR(t, ffp_create(t, e, "s", "b=9:1 aa=9:1 a=9:1 Z=9:3"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "s", "", "b=2 aa=2 a=2 Z=2"), "soft a 2/1");
	FF_CHECK_STR(t, ffp_report(t, e, "s", "", "b=1 aa=1 Z=2"), "soft Z 4/3");
}

/* D23, T5: a refusal leaves nothing but its count. */
static void report_refused_applies_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 z=5:1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=3"), "ok");
	ff_test_set_time(t, T0 + 7);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1 m=4 z=6"), "hard z 0/5");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=0 last=z@1000007");
	ff_test_set_time(t, T0 + 9);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=8 z=6"), "hard a 3/10");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@1000009");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=7 z=1"), "ok");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@1000009");
}

static void report_refused_leaves_no_rows(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 z=5"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1 m=4 z=6"), "hard z 0/5");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1 m=4 z=6"), "hard z 0/5");
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage"), 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_by_exec"), 0);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage_dedup"), 1);
}

static void report_soft_limit_edges(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=100:80"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=79"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=1"), "soft tokens 81/80");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=19"), "soft tokens 100/80");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=1"), "hard tokens 100/100");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=2 last=tokens@1000000");
}

/* The count grows by one a call, however many dimensions are over, and for an amount of 0 too, but only for those that
 * the call names. */
static void report_soft_breaches_count_calls(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0:5 c=0:5 free=0"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10 c=10"), "soft a 10/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "c=0"), "soft c 10/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "free=1"), "ok");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=0 soft=2 last=none");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10 c=10 free=1");
}

/* D11 … D13: nothing passes through a double. */
static void report_is_exact_beyond_2_to_53(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "n=9007199254740993:9007199254740992"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "n=9007199254740994"), "hard n 0/9007199254740993");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "n=9007199254740994"), "hard n 0/9007199254740993 replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=9007199254740992"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "n=1"), "soft n 9007199254740993/9007199254740992");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "n=1"), "soft n 9007199254740993/9007199254740992 replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "n=1"), "hard n 9007199254740993/9007199254740993");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "m", "n=1"), "hard n 9007199254740993/9007199254740993 replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "n=2"), "!key_conflict");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "n=9007199254740993");
}

static void report_is_exact_at_int64_max(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "n=max:9223372036854775806"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=9223372036854775806"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=2"), "hard n 9223372036854775806/9223372036854775807");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=max"), "hard n 9223372036854775806/9223372036854775807");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=1"), "soft n 9223372036854775807/9223372036854775806");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "n=1"), "hard n 9223372036854775807/9223372036854775807");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "n=9223372036854775807");
}

/* T4: a dimension that the policy does not name has no limit. */
static void report_of_an_undeclared_dimension(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=1 zero=0:0"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "token=1000 zero=1000"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "token=1000 zero=1000");
}

static void report_without_a_policy(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "tokens=max"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "tokens=max"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "", "tokens=1"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "ghost"), "!not_found");
}

/* D59, T21. */
static void report_where_a_budget_is_required(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.flags = FF_OPEN_REQUIRE_BUDGET;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "tokens=1"), "!not_found");
	FF_CHECK_STR(t, ff_test_error(t)->entity, "budget");
	FF_CHECK_STR(t, ff_test_error(t)->id, "ghost");
	FF_CHECK_STR(t, ffp_spend(t, e, "ghost", "x", "", "tokens=1"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "ghost", ""), "created");
	FF_CHECK_STR(t, ffp_usage(t, e, "ghost"), "");
	FF_CHECK_STR(t, ffp_report(t, e, "ghost", "k", "tokens=1"), "ok");
}

/* ---- keys --------------------------------------------------------------------------------------------------- */

/* D1: each kind of outcome comes back as it was. */
static void key_replays_each_outcome(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "adv", "a=10:5 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "ok", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "soft", "a=1"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "hard", "a=5"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_report(t, e, "adv", "adv", "a=11"), "hard a 0/10 applied");
	ff_test_set_time(t, T0 + 1000);
	const char *before = ffp_show_status(t, ffp_status(t, e, "b"));
	const char *advisory_before = ffp_show_status(t, ffp_status(t, e, "adv"));
	for (int i = 0; i < 2; i++) {
		FF_CHECK_STR(t, ffp_report(t, e, "b", "ok", "a=5"), "ok replayed");
		FF_CHECK_STR(t, ffp_report(t, e, "b", "soft", "a=1"), "soft a 6/5 replayed");
		FF_CHECK_STR(t, ffp_report(t, e, "b", "hard", "a=5"), "hard a 6/10 replayed");
		FF_CHECK_STR(t, ffp_report(t, e, "adv", "adv", "a=11"), "hard a 0/10 applied replayed");
	}
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")), before);
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "adv")), advisory_before);
}

/* D8. */
static void key_with_another_payload_conflicts(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5 c=7"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=6 c=7"), "!key_conflict");
	FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, false);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5 c=7 d=0"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5 d=7"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=7 c=5"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "ac=57"), "!key_conflict");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "k", "a=6 c=7"), "!key_conflict");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "a=5 c=7"), "!key_conflict");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=5 c=7");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=0 soft=0 last=none");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5 c=7"), "ok replayed");
}

/* A digest that runs its parts together would take these for the same. */
static void key_payloads_are_not_run_together(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k1", "a=1 b=23"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k1", "a=12 b=3"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k2", "ab=1 c=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k2", "a=1 bc=1"), "!key_conflict");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k3", "ya=1"), "ok");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "xy", "k3", "a=1"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k4", "a=0"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k4", "a=9007199254740992"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k5", "a=9007199254740992"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k5", "a=9007199254740993"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k6", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k6", "a=4294967297"), "!key_conflict");
}

static void key_does_not_mind_the_order_of_dimensions(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "z=1 a=2 m=3"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2 m=3 z=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "m=3 z=1 a=2"), "ok replayed");
}

static const char *report_admin(ff_test *t, ff_engine *e, const char *key, const char *const *dimensions,
                                size_t dimensions_count, const uint64_t *amounts, size_t amounts_count)
{
	ff_report report = { .budget_id = "b", .idempotency_key = key };
	ff_amount_arrays arrays = { dimensions, dimensions_count, amounts, amounts_count };
	ff_outcome outcome = { 0 };
	ff_code code = ff_engine_report_usage_admin(e, &report, &arrays, &outcome, ff_test_error(t));
	return ffp_show_outcome(t, code, &outcome);
}

/* D20, T29: the second route holds the same rule, and is the same operation. */
static void report_admin_is_the_same_operation(ff_test *t)
{
	static const char *const dimensions[] = { "z", "a" };
	static const uint64_t amounts[] = { 6, 11 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10 z=5:3"), "created");
	FF_CHECK_STR(t, report_admin(t, e, "k", dimensions, 2, amounts, 2), "hard a 0/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=11 z=6"), "hard a 0/10 replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "l", "z=4"), "soft z 4/3");
	static const uint64_t four[] = { 4 };
	FF_CHECK_STR(t, report_admin(t, e, "l", dimensions, 1, four, 1), "soft z 4/3 replayed");
	FF_CHECK_STR(t, report_admin(t, e, "l", dimensions, 1, amounts, 1), "!key_conflict");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "z=4");
}

static void report_admin_wants_equal_counts(ff_test *t)
{
	static const char *const dimensions[] = { "a", "z" };
	static const uint64_t amounts[] = { 1, 2 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, report_admin(t, e, "", dimensions, 2, amounts, 1), "!invalid");
	FF_CHECK_STR(t, report_admin(t, e, "", dimensions, 1, amounts, 2), "!invalid");
	FF_CHECK_STR(t, report_admin(t, e, "", dimensions, 0, amounts, 0), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, report_admin(t, e, "", dimensions, 2, amounts, 2), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1 z=2");
}

/* D6, T7. */
static void keys_belong_to_their_budget(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b1", "a=10"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "b2", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b1", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b2", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b3", "k", "a=2"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b1", "k", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b2", "k", "a=2"), "!key_conflict");
	FF_CHECK_STR(t, ffp_report(t, e, "b3", "k", "a=2"), "ok replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b1"), "a=1");
	FF_CHECK_STR(t, ffp_usage(t, e, "b2"), "a=1");
	/* The two parts of a key do not run together. */
	FF_CHECK_STR(t, ffp_report(t, e, "xy", "z", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "x", "yz", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "yz", "x", "a=1"), "ok");
}

static void no_key_is_no_key(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", NULL, "a=1"), "ok");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", NULL, "a=1"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4");
}

/* D7, T10: over at the instant that was fixed at first use, purged or not. */
static void key_ends_after_24_hours_to_the_millisecond(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ff_test_set_time(t, T0 + DAY_MS - 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!key_conflict");
	ff_test_set_time(t, T0 + DAY_MS);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=3");
	ff_test_set_time(t, T0 + 2 * DAY_MS - 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok replayed");
	ff_test_set_time(t, T0 + 2 * DAY_MS);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok");
}

static void key_time_is_settable(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = 10;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	ff_test_set_time(t, T0 + 9);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	ff_test_set_time(t, T0 + 10);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=2");
}

/* A time so long that its end would pass INT64_MAX is for ever, and does not wrap. */
static void key_time_may_be_for_ever(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = INT64_MAX;
	ff_engine *e = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
	ff_test_set_time(t, INT64_MAX - 1);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok replayed");
}

/* The end is fixed at first use: an engine that honours keys shorter or longer does not move it. */
static void key_end_is_stored(ff_test *t)
{
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.key_ttl_ms = 10;
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *brief = ff_test_open(t, &options);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "long", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, brief, "b", "brief", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage_dedup", "brief\nb", "expires_at_ms"), "1000010");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage_dedup", "long\nb", "expires_at_ms"), "87400000");
	ff_test_set_time(t, T0 + 10);
	FF_CHECK_STR(t, ffp_report(t, brief, "b", "long", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "brief", "a=1"), "ok");
}

/* D3 … D5, T8, T9. */
static void refusal_is_recorded_until_it_is_retried(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=8"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "hard a 8/10");
	FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "hard a 8/10 replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "k", "a=5"), "ok");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "k", "a=5"), "ok replayed");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=5"), "ok replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=5");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=0 last=none");
}

static void retry_of_a_refusal_keeps_the_first_use(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=11"), "hard a 0/10");
	ff_test_set_time(t, T0 + DAY_MS - 1);
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "k", "a=11"), "hard a 0/10");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=2 soft=0 last=a@87399999");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=11"), "hard a 0/10 replayed");
	ff_test_set_time(t, T0 + DAY_MS);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
}

/* The new outcome replaces the one that was recorded, a refusal by a refusal too. */
static void retry_of_a_refusal_replaces_it(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=8"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "hard a 8/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "hard a 8/10 replayed");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "k", "a=3"), "hard a 9/10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=3"), "hard a 9/10 replayed");
}

/* retry_refused changes nothing where the outcome was applied; an advisory breach was. */
static void retry_of_what_was_applied_replays(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:1"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "adv", "a=10 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "ok", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "ok", "a=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "soft", "a=1"), "soft a 2/1");
	FF_CHECK_STR(t, ffp_retry(t, e, "b", "soft", "a=1"), "soft a 2/1 replayed");
	FF_CHECK_STR(t, ffp_retry(t, e, "adv", "k", "a=11"), "hard a 0/10 applied");
	FF_CHECK_STR(t, ffp_retry(t, e, "adv", "k", "a=11"), "hard a 0/10 applied replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "adv"), "a=11");
	FF_CHECK_STR(t, ffp_breaches(t, e, "adv"), "hard=1 soft=0 last=a@1000000");
}

/* An error is no outcome: the key stays free. */
/*
 * The engine need not look whether a key is fresh. Where one is not, storing it says so, and all of its batch is decided
 * again: no contention, and no answer is another for it. An error, under which nothing is stored, looks the key up.
 */
static void keys_taken_for_fresh(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	const ff_amount amount = { "a", 2 };
	const ff_amount too_much = { "z", INT64_MAX };
	ff_report reports[] = {
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "l" },
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "k" },
		{ .budget_id = "b", .amounts = &too_much, .amounts_count = 1, .idempotency_key = "z" },
		{ .budget_id = "b", .amounts = &too_much, .amounts_count = 1, .idempotency_key = "y" },
		{ .budget_id = "b", .amounts = &amount, .amounts_count = 1, .idempotency_key = "l" },
	};
	static const char *const answers[] = { "ok", "ok replayed", "ok replayed", "!overflow", "ok replayed" };
	ff_report_result results[5];
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "z", "z=max"), "ok");
	FF_REQUIRE_OK(t, ff_engine_report_usage_batch(e, reports, 5, results, NULL, ff_test_error(t)));
	for (size_t i = 0; i < 5; i++)
		FF_CHECK_STR(t, ffp_show_outcome(t, results[i].code, &results[i].outcome), answers[i]);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=4 z=9223372036854775807");
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, info.retries, 0);
	FF_CHECK_EQ_INT(t, ff_test_sleeps(t), 0);
}

static void error_leaves_its_key_unused(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=max z=1"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "z=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "z=1"), "ok replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1 z=1");
}

/* D61: what is kept beside usage never shows among it. */
static void key_row_is_kept_as_documented(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=10:5"), "created");
	FF_CHECK_STR(t, ffp_create(t, e, "adv", "a=10 @mode=advisory"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "ok", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "soft", "a=5"), "soft a 6/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "hard", "a=5"), "hard a 6/10");
	FF_CHECK_STR(t, ffp_report(t, e, "adv", "adv", "a=9007199254740993"), "hard a 0/10 applied");
	FF_CHECK_STR(t, ffp_report(t, e, "adv", "more", "a=1"), "hard a 9007199254740993/10 applied");
	static const char *const table = "ff_budget_usage_dedup";
	FF_CHECK(t, strstr(ffp_row_get(t, table, "ok\nb", "outcome_json"), "\"Ok\"") != NULL);
	const char *soft = ffp_row_get(t, table, "soft\nb", "outcome_json");
	FF_CHECK(t, strstr(soft, "\"SoftBreach\"") && strstr(soft, "\"dimension\":\"a\"") &&
	                strstr(soft, "\"current_usage\":6") && strstr(soft, "\"soft_limit\":5"));
	const char *hard = ffp_row_get(t, table, "hard\nb", "outcome_json");
	FF_CHECK(t, strstr(hard, "\"HardBreach\"") && strstr(hard, "\"hard_limit\":10") && !strstr(hard, "applied"));
	const char *advisory = ffp_row_get(t, table, "more\nadv", "outcome_json");
	FF_CHECK(t, strstr(advisory, "\"applied\":true") && strstr(advisory, "\"current_usage\":\"9007199254740993\""));
	FF_CHECK_STR(t, ffp_row_get(t, table, "ok\nb", "applied_at_ms"), "1000000");
}

/* D10: what cannot be read is never taken for ok. */
static void outcome_that_is_stored(ff_test *t)
{
	static const struct {
		const char *stored;
		const char *answer;
	} rows[] = {
		{ "{}", "already replayed" },
		{ " { } ", "already replayed" },
		{ "{\"kind\":\"AlreadyApplied\"}", "already replayed" },
		{ "{\"kind\":\"Ok\"}", "ok replayed" },
		{ "{\"kind\":\"Ok\",\"later\":[1,{}]}", "ok replayed" },
		{ "{\"kind\":\"SoftBreach\",\"dimension\":\"a\",\"current_usage\":\"7\",\"soft_limit\":5}",
		  "soft a 7/5 replayed" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":7,\"hard_limit\":"
		  "\"9007199254740993\"}",
		  "hard a 7/9007199254740993 replayed" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":7,\"hard_limit\":9,\"applied\":true}",
		  "hard a 7/9 applied replayed" },
		{ "", "!corrupt" },
		{ "null", "!corrupt" },
		{ "[]", "!corrupt" },
		{ "{\"kind\":\"Maybe\"}", "!corrupt" },
		{ "{\"kind\":\"ok\"}", "!corrupt" },
		{ "{\"Kind\":\"Ok\"}", "!corrupt" },
		{ "{\"kind\":1}", "!corrupt" },
		{ "{\"dimension\":\"a\"}", "!corrupt" },
		{ "{\"kind\":\"Ok\"", "!corrupt" },
		{ "{\"kind\":\"Ok\"} x", "!corrupt" },
		{ "{\"kind\":\"Ok\"}{}", "!corrupt" },
		{ "{\"kind\":\"Ok\"} 1", "!corrupt" },
		{ "{\"kind\":\"Ok\"},", "!corrupt" },
		{ "{\"kind\":\"Ok\"}}", "!corrupt" },
		{ "{\"kind\":\"Ok\",\"kind\":\"Ok\"}", "!corrupt" },
		{ "{\"kind\":\"SoftBreach\"}", "!corrupt" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":-1,\"hard_limit\":9}", "!corrupt" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":1.5,\"hard_limit\":9}", "!corrupt" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":9007199254740993,\"hard_limit\":9}",
		  "!corrupt" },
		{ "{\"kind\":\"HardBreach\",\"dimension\":\"a\",\"current_usage\":7,\"hard_limit\":9,\"applied\":1}",
		  "!corrupt" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ffp_row_set(t, "ff_budget_usage_dedup", "k\nb", "outcome_json", rows[i].stored);
		if (!FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), rows[i].answer))
			ff_test_note(t, "stored: %s", rows[i].stored);
	}
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=1");
}

/* ---- stored policies and usage that cannot be trusted -------------------------------------------------------- */

/* D27, T23: never "no limits". */
static void malformed_policy_is_corrupt_everywhere(ff_test *t)
{
	static const char *const texts[] = {
		"x",
		"null",
		"[]",
		"\"\"",
		"1",
		"{",
		"{} {}",
		"{\"hard_limits\":{\"a\":5}} x",
		"{\"hard_limits\":[]}",
		"{\"hard_limits\":{\"a\":-1}}",
		"{\"hard_limits\":{\"a\":1.5}}",
		"{\"hard_limits\":{\"a\":1.0}}",
		"{\"hard_limits\":{\"a\":1e3}}",
		"{\"hard_limits\":{\"a\":\"1e3\"}}",
		"{\"hard_limits\":{\"a\":\"-1\"}}",
		"{\"hard_limits\":{\"a\":\"\"}}",
		"{\"hard_limits\":{\"a\":\" 1\"}}",
		"{\"hard_limits\":{\"a\":null}}",
		"{\"hard_limits\":{\"a\":true}}",
		"{\"hard_limits\":{\"a\":{}}}",
		"{\"hard_limits\":{\"a\":9007199254740993}}",
		"{\"hard_limits\":{\"a\":\"9223372036854775808\"}}",
		"{\"hard_limits\":{\"a\":5,\"a\":5}}",
		"{\"hard_limits\":{},\"hard_limits\":{\"a\":5}}",
		"{\"soft_limits\":{\"a\":\"many\"}}",
		"{\"soft_limits\":7}",
		"{\"reset_interval_ms\":-1}",
		"{\"reset_interval_ms\":\"soon\"}",
		"{\"reset_interval_ms\":1.5}",
		"{\"on_hard_limit\":5}",
		"{\"on_soft_limit\":{}}",
	};
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		ffp_row_set(t, "ff_budget_policy", "b", "policy_json", texts[i]);
		bool held = FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "other=1"), "!corrupt");
		held &= FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "!corrupt");
		held &= FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!corrupt");
		held &= FF_CHECK_STR(t, ffp_export(t, e, 0), "!corrupt");
		held &= FF_CHECK_STR(t, ff_test_error(t)->id, "b");
		held &= FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "!corrupt");
		if (!held)
			ff_test_note(t, "stored: %s", texts[i]);
	}
	FF_CHECK_STR(t, ff_test_error(t)->entity, "budget");
	FF_CHECK_STR(t, ff_test_error(t)->id, "b");
	FF_CHECK_EQ_INT(t, ff_test_error(t)->retryable, false);
	FF_CHECK_EQ_INT(t, ffp_row_count(t, "ff_budget_usage"), 0);
	ffp_row_set(t, "ff_budget_policy", "b", "policy_json", "{\"hard_limits\":{\"a\":5}}");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=6"), "hard a 0/5");
}

static void policy_texts_that_are_read(ff_test *t)
{
	static const struct {
		const char *stored;
		const char *answer;
	} rows[] = {
		{ "", "ok" },
		{ "{}", "ok" },
		{ " {\n} ", "ok" },
		{ "{\"hard_limits\":{}}", "ok" },
		{ "{\"hard_limits\":{\"a\":0}}", "ok" },
		{ "{\"hard_limits\":{\"a\":\"5\"}}", "hard a 0/5" },
		{ "{\"hard_limits\":{\"a\":5}}", "hard a 0/5" },
		{ "{\"hard_limits\":{\"b\":1,\"\\u0061\":5}}", "hard a 0/5" },
		{ "{\"soft_limits\":{\"a\":5}}", "soft a 6/5" },
		{ "{\"later\":{\"a\":[15,null,true]},\"hard_limits\":{\"a\":5}}", "hard a 0/5" },
		/* cJSON would find these by cJSON_GetObjectItem. */
		{ "{\"Hard_Limits\":{\"a\":5}}", "ok" },
		{ "{\"hard_limits\":{\"A\":5}}", "ok" },
	};
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=1"), "created");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ffp_row_set(t, "ff_budget_policy", "b", "policy_json", rows[i].stored);
		if (!FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), rows[i].answer))
			ff_test_note(t, "stored: %s", rows[i].stored);
		FF_CHECK_STR(t, ffp_reset(t, e, "b", 0), "none");
		FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "policy_json"), rows[i].stored);
	}
}

/* D18. */
static void negative_usage_is_corrupt(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5 z=5"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1 z=1"), "ok");
	ffp_row_set(t, "ff_budget_usage", "b\na", "current_value", "-1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1 z=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!corrupt");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "z=1"), "ok");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage", "b\na", "current_value"), "-1");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_usage", "b\nz", "current_value"), "2");
}

static void usage_of_a_later_period_is_corrupt(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5"), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "ok");
	ffp_row_set(t, "ff_budget_usage_by_exec", "b\nx\na", "period", "1");
	FF_CHECK_STR(t, ffp_release(t, e, "b", "x"), "!corrupt");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "!corrupt");
	ffp_row_set(t, "ff_budget_usage_by_exec", "b\nx\na", "period", "0");
	ffp_row_set(t, "ff_budget_usage", "b\na", "period", "1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!corrupt");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!corrupt");
	ffp_row_set(t, "ff_budget_usage", "b\na", "period", "0");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "ok");
}

static void breach_counters_stop_at_int64_max(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=5:1"), "created");
	ffp_row_set(t, "ff_budget_policy", "b", "breach_count", "9223372036854775806");
	ffp_row_set(t, "ff_budget_policy", "b", "soft_breach_count", "9223372036854775807");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 0/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=6"), "hard a 0/5");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=2"), "soft a 2/1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=9223372036854775807 soft=9223372036854775807 last=a@1000000");
}

/* ---- atomic ------------------------------------------------------------------------------------------------- */

/* D16, T3: an error in the middle applies nothing, and a retry with the same key applies once. */
static void report_is_all_or_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=0:3"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "z=max"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=7 z=1"), "!overflow");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=7 z=1"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "z=9223372036854775807");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=0 soft=0 last=none");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=7 z=0"), "soft a 7/3");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=7 z=9223372036854775807");
}

/* What a report changes is there for another handle, all of it, when the call has answered. */
static void report_is_committed_when_it_answers(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_engine *other = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=9:3 z=9"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=7 z=1"), "soft a 7/3");
	FF_CHECK_STR(t, ffp_usage(t, other, "b"), "a=7 z=1");
	FF_CHECK_STR(t, ffp_breaches(t, other, "b"), "hard=0 soft=1 last=none");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "k", "a=7 z=1"), "soft a 7/3 replayed");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=3"), "hard a 7/9");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=1 soft=1 last=a@1000000");
	FF_CHECK_STR(t, ffp_report(t, other, "b", "", "a=2"), "soft a 9/3");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "hard a 9/9");
}

static const ff_case table[] = {
	CASE(report_up_to_the_hard_limit, "FF-RU-9 FF-RU-10", 0),
	CASE(report_names_the_first_dimension_in_byte_order, "FF-RU-9 FF-RU-11 FF-LIM-2", 0),
	CASE(report_refused_applies_nothing, "FF-RU-10", 0),
	CASE(report_refused_leaves_no_rows, "FF-RU-10", FF_CASE_SECOND_HANDLE),
	CASE(report_soft_limit_edges, "FF-RU-11", 0),
	CASE(report_soft_breaches_count_calls, "FF-RU-11", 0),
	CASE(report_is_exact_beyond_2_to_53, "FF-RU-9 FF-RU-11 FF-RU-6 FF-LIM-6", 0),
	CASE(report_is_exact_at_int64_max, "FF-RU-9 FF-LIM-4", 0),
	CASE(report_of_an_undeclared_dimension, "FF-RU-9 FF-CB-2", 0),
	CASE(report_without_a_policy, "FF-RU-7", 0),
	CASE(report_where_a_budget_is_required, "FF-RU-7", 0),
	CASE(key_replays_each_outcome, "FF-RU-1 FF-RU-5 FF-RU-6 FF-CB-4", 0),
	CASE(key_with_another_payload_conflicts, "FF-RU-2", 0),
	CASE(key_payloads_are_not_run_together, "FF-RU-2", 0),
	CASE(key_does_not_mind_the_order_of_dimensions, "FF-RU-2", 0),
	CASE(report_admin_is_the_same_operation, "FF-RU-2 FF-RU-9", 0),
	CASE(report_admin_wants_equal_counts, "FF-CB-6 FF-LIM-5", 0),
	CASE(keys_belong_to_their_budget, "FF-RU-3", 0),
	CASE(no_key_is_no_key, "FF-LIM-1 FF-RU-1", 0),
	CASE(key_ends_after_24_hours_to_the_millisecond, "FF-RU-4", 0),
	CASE(key_time_is_settable, "FF-RU-4", 0),
	CASE(key_time_may_be_for_ever, "FF-RU-4", 0),
	CASE(key_end_is_stored, "FF-RU-4", FF_CASE_SECOND_HANDLE),
	CASE(refusal_is_recorded_until_it_is_retried, "FF-RU-5", 0),
	CASE(retry_of_a_refusal_keeps_the_first_use, "FF-RU-5 FF-RU-4", 0),
	CASE(retry_of_a_refusal_replaces_it, "FF-RU-5", 0),
	CASE(retry_of_what_was_applied_replays, "FF-RU-5 FF-CB-4", 0),
	CASE(keys_taken_for_fresh, "FF-ERR-9 FF-ERR-3 FF-RU-1", 0),
	CASE(error_leaves_its_key_unused, "FF-ERR-2 FF-RU-12", 0),
	CASE(key_row_is_kept_as_documented, "FF-RU-6 FF-LIM-6", FF_CASE_SECOND_HANDLE),
	CASE(outcome_that_is_stored, "FF-RU-6 FF-LIM-6", FF_CASE_SECOND_HANDLE),
	CASE(malformed_policy_is_corrupt_everywhere, "FF-RU-8 FF-LIM-6", FF_CASE_SECOND_HANDLE),
	CASE(policy_texts_that_are_read, "FF-RU-8 FF-LIM-6", FF_CASE_SECOND_HANDLE),
	CASE(negative_usage_is_corrupt, "FF-RU-8", FF_CASE_SECOND_HANDLE),
	CASE(usage_of_a_later_period_is_corrupt, "FF-RU-16", FF_CASE_SECOND_HANDLE),
	CASE(breach_counters_stop_at_int64_max, "FF-RU-15", FF_CASE_SECOND_HANDLE),
	CASE(report_is_all_or_nothing, "FF-RU-12 FF-LIM-4", 0),
	CASE(report_is_committed_when_it_answers, "FF-RU-12 FF-RU-10", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_report, table);
