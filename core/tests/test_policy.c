/* A policy's text, there and back (FF-CB-5, FF-RU-8), and the policies that are kept parsed. */
#include "policies.h"

#include <stdio.h>

#include "arena.h"
#include "tests.h"
#include "text.h"

/* "a=5:3 b=0:0 reset=7 hard=stop soft=warn": what was read, or an exclamation mark and the error. */
static const char *show(ff_test *t, ff_code code, const ffp_policy *policy)
{
	if (code != FF_OK)
		return ff_test_text(t, "!%s", ff_code_name(code));
	const char *text = "";
	for (size_t i = 0; i < policy->limits_count; i++) {
		const ffp_policy_limit *limit = &policy->limits[i];
		text = ff_test_text(t, "%s%.*s=%" PRId64 ":%" PRId64 " ", text, (int)limit->dimension.size,
		                    limit->dimension.data, limit->hard, limit->soft);
	}
	return ff_test_text(t, "%sreset=%" PRId64 " hard=%.*s soft=%.*s", text, policy->reset_interval_ms,
	                    (int)policy->on_hard_limit.size, policy->on_hard_limit.data,
	                    (int)policy->on_soft_limit.size, policy->on_soft_limit.data);
}

static const char *parse(ff_test *t, const char *text)
{
	ffp_policy policy;
	const char *fault = NULL;
	ff_code code = ffp_policy_parse(ffp_text(text), ffp_raw_arena(t), &policy, &fault);
	FF_CHECK(t, code == FF_OK || (fault && *fault));
	return show(t, code, &policy);
}

static void policy_parses(ff_test *t)
{
	FF_CHECK_STR(t, parse(t, ""), "reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{}"), "reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{\"hard_limits\":{},\"soft_limits\":{}}"), "reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{\"hard_limits\":{\"b\":2,\"a\":1}}"), "a=1:0 b=2:0 reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{\"soft_limits\":{\"b\":2,\"a\":1}}"), "a=0:1 b=0:2 reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{\"hard_limits\":{\"a\":9,\"b\":8},\"soft_limits\":{\"c\":1,\"a\":7}}"),
	             "a=9:7 b=8:0 c=0:1 reset=0 hard= soft=");
	FF_CHECK_STR(t, parse(t, "{\"hard_limits\":{\"a\":\"9223372036854775807\"},\"soft_limits\":{\"a\":\"5\"}}"),
	             "a=9223372036854775807:5 reset=0 hard= soft=");
	FF_CHECK_STR(t,
	             parse(t, " { \"reset_interval_ms\" : \"9223372036854775807\" , \"on_hard_limit\" : \"stop\" ,\n"
	                      " \"on_soft_limit\" : \"warn\" } "),
	             "reset=9223372036854775807 hard=stop soft=warn");
	/* what is unknown is passed over, whatever it is */
	FF_CHECK_STR(t, parse(t, "{\"more\":{\"x\":[null,-1,true]},\"hard_limits\":{\"a\":1},\"Hard_Limits\":7}"),
	             "a=1:0 reset=0 hard= soft=");
}

static void policy_refuses(ff_test *t)
{
	static const char *const texts[] = {
		" ",
		"nonsense",
		"null",
		"[]",
		"\"text\"",
		"5",
		"[{\"hard_limits\":{}}]",
		"{\"hard_limits\":[]}",
		"{\"hard_limits\":null}",
		"{\"hard_limits\":5}",
		"{\"soft_limits\":\"a\"}",
		"{\"hard_limits\":{\"a\":-1}}",
		"{\"hard_limits\":{\"a\":1.5}}",
		"{\"hard_limits\":{\"a\":1e3}}",
		"{\"hard_limits\":{\"a\":null}}",
		"{\"hard_limits\":{\"a\":true}}",
		"{\"hard_limits\":{\"a\":{}}}",
		"{\"hard_limits\":{\"a\":\"\"}}",
		"{\"hard_limits\":{\"a\":\"x\"}}",
		"{\"hard_limits\":{\"a\":\"9223372036854775808\"}}",
		"{\"hard_limits\":{\"a\":9007199254740993}}",
		"{\"soft_limits\":{\"a\":-1}}",
		"{\"soft_limits\":{\"a\":\"1.0\"}}",
		"{\"hard_limits\":{\"a\":1,\"a\":2}}",
		"{\"hard_limits\":{\"a\":1},\"hard_limits\":{\"a\":2}}",
		"{\"soft_limits\":{\"a\":1,\"b\":2,\"a\":1}}",
		"{\"reset_interval_ms\":-1}",
		"{\"reset_interval_ms\":null}",
		"{\"reset_interval_ms\":\"soon\"}",
		"{\"on_hard_limit\":5}",
		"{\"on_soft_limit\":null}",
		"{} {}",
		"{\"hard_limits\":{\"a\":1}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (!FF_CHECK_STR(t, parse(t, texts[i]), "!corrupt"))
			ff_test_note(t, "%s", texts[i]);
}

static void policy_says_what_is_wrong(ff_test *t)
{
	static const struct {
		const char *text, *fault;
	} cases[] = {
		{ "{\"hard_limits\":5}", "a policy text that is not an object with objects of limits" },
		{ "{\"on_hard_limit\":5}", "a reset interval or a hint that is malformed" },
		{ "{\"soft_limits\":{\"a\":-1}}", "a limit that is no integer 0 to 2^63-1" },
		{ "{", "text that is not JSON" },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ffp_policy policy;
		const char *fault = NULL;
		FF_CHECK_EQ_INT(t, ffp_policy_parse(ffp_text(cases[i].text), ffp_raw_arena(t), &policy, &fault),
		                FF_E_CORRUPT);
		FF_CHECK_STR(t, fault, cases[i].fault);
	}
}

static void policy_parses_into_an_empty_arena(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena arena;
	ffp_policy policy;
	const char *fault = "";
	ffp_arena_init(&arena, &memory->allocator);
	FF_CHECK_STR(t, show(t, ffp_policy_parse(ffp_text("{}"), &arena.base, &policy, &fault), &policy),
	             "reset=0 hard= soft=");
	ffp_arena_free(&arena);
}

/* Whatever piece of it there is no memory for, it is no policy without that piece. */
static void policy_without_memory(ff_test *t)
{
	const ff_text text = BYTES("{\"hard_limits\":{\"a\":5},\"on_hard_limit\":\"stop\",\"on_soft_limit\":\"warn\"}");
	ffp_policy policy;
	ff_code code = FF_E_NO_MEMORY;
	uint64_t takes = 0;
	for (; code == FF_E_NO_MEMORY && takes < 10; takes++) {
		const char *fault = "";
		code = ffp_policy_parse(text, ffp_scarce_arena(t, takes), &policy, &fault);
	}
	FF_CHECK_EQ_INT(t, takes, 4 + 1); /* two hints, the limits, and a dimension */
	FF_CHECK_STR(t, show(t, code, &policy), "a=5:0 reset=0 hard=stop soft=warn");
}

/* Nor where there is memory for all that comes behind it. */
static void policy_without_memory_once(ff_test *t)
{
	const char *hint = ffp_name_of_size(t, 'h', 100000); /* each takes a block of its own */
	const ff_text text =
	    ffp_text(ff_test_text(t, "{\"on_hard_limit\":\"%s\",\"on_soft_limit\":\"%s\"}", hint, hint));
	for (uint64_t at = 1; at <= 3; at++) {
		ffp_memory *memory = ffp_memory_new(t);
		ffp_arena arena;
		ffp_policy policy;
		const char *fault = "";
		ffp_arena_init(&arena, &memory->allocator);
		memory->at = at;
		FF_CHECK_EQ_INT(t, ffp_policy_parse(text, &arena.base, &policy, &fault),
		                at <= 2 ? FF_E_NO_MEMORY : FF_OK);
		ffp_arena_free(&arena);
	}
}

/* Writes a policy, reads it back, and writes it once more. */
static void check_round_trip(ff_test *t, ffp_policy *policy, const char *want)
{
	ffp_policy back;
	const char *fault = "";
	ff_text text = ffp_policy_write(policy, ffp_raw_arena(t));
	FF_REQUIRE(t, text.data != NULL);
	if (want)
		FF_CHECK_STR(t, text.data, want);
	FF_CHECK_EQ_INT(t, ffp_policy_parse(text, ffp_raw_arena(t), &back, &fault), FF_OK);
	FF_CHECK_STR(t, show(t, FF_OK, &back), show(t, FF_OK, policy));
	FF_CHECK(t, ffp_text_equal(ffp_policy_write(&back, ffp_raw_arena(t)), text));
}

static void policy_round_trips(ff_test *t)
{
	ffp_policy policy = { .on_hard_limit = { "", 0 }, .on_soft_limit = { "", 0 } };
	check_round_trip(t, &policy,
	                 "{\"hard_limits\":{},\"on_hard_limit\":\"\",\"on_soft_limit\":\"\",\"reset_interval_ms\":0,"
	                 "\"soft_limits\":{}}");
	ffp_policy_limit limits[] = {
		{ BYTES("\"quoted\\"), 0, 0 },
		{ BYTES("cents"), INT64_MAX, (INT64_C(1) << 53) + 1 },
		{ BYTES("tokens"), INT64_C(1) << 53, 1 },
		{ BYTES("\xc3\xa9"), 7, 0 },
	};
	policy = (ffp_policy){ .limits = limits,
		               .limits_count = COUNT_OF(limits),
		               .reset_interval_ms = INT64_MAX,
		               .on_hard_limit = BYTES("stop \"all\""),
		               .on_soft_limit = BYTES("warn") };
	check_round_trip(t, &policy,
	                 "{\"hard_limits\":{\"\\\"quoted\\\\\":0,\"cents\":\"9223372036854775807\","
	                 "\"tokens\":9007199254740992,\"\xc3\xa9\":7},\"on_hard_limit\":\"stop \\\"all\\\"\","
	                 "\"on_soft_limit\":\"warn\",\"reset_interval_ms\":\"9223372036854775807\",\"soft_limits\":{"
	                 "\"\\\"quoted\\\\\":0,\"cents\":\"9007199254740993\",\"tokens\":1,\"\xc3\xa9\":0}}");
}

static void policy_of_64_dimensions(ff_test *t)
{
	ffp_policy_limit limits[64];
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		size_t n = COUNT_OF(limits) - 1 - i; /* handed over in the wrong order */
		const char *name = ff_test_text(t, "%02zu%s", n, ffp_name_of_size(t, 'd', 62));
		limits[i] = (ffp_policy_limit){ ffp_text(name), INT64_MAX - (int64_t)n, (int64_t)n };
	}
	ffp_policy_sort(limits, COUNT_OF(limits));
	ffp_policy policy = { .limits = limits,
		              .limits_count = COUNT_OF(limits),
		              .on_hard_limit = { "", 0 },
		              .on_soft_limit = { "", 0 } };
	check_round_trip(t, &policy, NULL);
	for (size_t i = 0; i < COUNT_OF(limits); i++)
		FF_CHECK(t, ffp_policy_limit_of(&policy, limits[i].dimension) == &limits[i]);
	FF_CHECK(t, ffp_policy_limit_of(&policy, ffp_text("")) == NULL);
	FF_CHECK(t, ffp_policy_limit_of(&policy, ffp_text("00")) == NULL);
	FF_CHECK(t, ffp_policy_limit_of(&policy, ffp_text("zz")) == NULL);
	policy.limits_count = 0;
	FF_CHECK(t, ffp_policy_limit_of(&policy, limits[0].dimension) == NULL);
}

static void policy_modes(ff_test *t)
{
	ff_mode mode = FF_MODE_ADVISORY;
	FF_CHECK(t, ffp_mode_parse(ffp_text(""), &mode) && mode == FF_MODE_STRICT);
	FF_CHECK(t, ffp_mode_parse(ffp_text("advisory"), &mode) && mode == FF_MODE_ADVISORY);
	FF_CHECK(t, ffp_mode_parse(ffp_text("strict"), &mode) && mode == FF_MODE_STRICT);
	FF_CHECK(t, !ffp_mode_parse(ffp_text("Strict"), &mode));
	FF_CHECK(t, !ffp_mode_parse(ffp_text("strict "), &mode));
	FF_CHECK(t, !ffp_mode_parse(ffp_text("stric"), &mode));
	FF_CHECK_STR(t, ffp_mode_text(FF_MODE_STRICT).data, "strict");
	FF_CHECK_STR(t, ffp_mode_text(FF_MODE_ADVISORY).data, "advisory");
}

/* ---- the policies that are kept ----------------------------------------------------------------------------- */

static void free_policies(void *policies)
{
	ffp_policies_free(policies);
}

static ffp_policies *new_policies(ff_test *t, ffp_memory *memory)
{
	ffp_policies *policies = ff_test_alloc(t, sizeof(*policies));
	policies->allocator = &memory->allocator;
	ff_test_defer(t, free_policies, policies);
	return policies;
}

static const char *get(ff_test *t, ffp_policies *policies, ff_text text)
{
	ffp_policy policy;
	ffp_policy_mark mark;
	const char *fault = "";
	ff_code code = ffp_policies_get(policies, text, ffp_raw_arena(t), &policy, &mark, &fault);
	return show(t, code, &policy);
}

static size_t count_kept(const ffp_policies *policies)
{
	size_t kept = 0;
	for (size_t i = 0; i < FFP_POLICIES_COUNT; i++)
		kept += policies->kept[i] != NULL;
	return kept;
}

static void policies_are_kept(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_policies *policies = new_policies(t, memory);
	const char *text = "{\"hard_limits\":{\"b\":2,\"a\":1},\"soft_limits\":{\"b\":1},\"reset_interval_ms\":5,"
			   "\"on_hard_limit\":\"stop\",\"on_soft_limit\":\"warn\"}";
	const char *want = "a=1:0 b=2:1 reset=5 hard=stop soft=warn";
	FF_CHECK_STR(t, get(t, policies, ffp_text(text)), want);
	FF_CHECK_EQ_INT(t, count_kept(policies), 1);
	uint64_t taken = memory->taken;
	/* the same text from another place, and what it was copied from is gone */
	FF_CHECK_STR(t, get(t, policies, ffp_text(ff_test_text(t, "%s", text))), want);
	FF_CHECK_EQ_INT(t, memory->taken, taken);
	FF_CHECK_STR(t, get(t, policies, ffp_text("")), "reset=0 hard= soft=");
	FF_CHECK_STR(t, get(t, policies, ffp_text("")), "reset=0 hard= soft=");
	ffp_policies_free(policies);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* What is malformed is so each time, and not kept. */
static void policies_do_not_keep_faults(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_policies *policies = new_policies(t, memory);
	FF_CHECK_STR(t, get(t, policies, ffp_text("{\"hard_limits\":5}")), "!corrupt");
	FF_CHECK_STR(t, get(t, policies, ffp_text("{\"hard_limits\":5}")), "!corrupt");
	FF_CHECK_EQ_INT(t, count_kept(policies), 0);
	FF_CHECK_EQ_INT(t, memory->live, 0);
}

static const char *padded(ff_test *t, size_t size)
{
	const char *head = "{\"hard_limits\":{\"a\":5}}";
	char *text = ff_test_alloc(t, size + 1);
	memset(text, ' ', size);
	memcpy(text, head, strlen(head));
	return text;
}

static void policies_do_not_keep_long_texts(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_policies *policies = new_policies(t, memory);
	FF_CHECK_STR(t, get(t, policies, ffp_text(padded(t, FFP_POLICIES_TEXT_MAX + 1))), "a=5:0 reset=0 hard= soft=");
	FF_CHECK_EQ_INT(t, count_kept(policies), 0);
	FF_CHECK_STR(t, get(t, policies, ffp_text(padded(t, FFP_POLICIES_TEXT_MAX))), "a=5:0 reset=0 hard= soft=");
	FF_CHECK_EQ_INT(t, count_kept(policies), 1);
}

/* Many more texts than places: each is answered as itself, a newcomer takes the place, and memory is bounded. */
static void policies_replace_each_other(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_policies *policies = new_policies(t, memory);
	unsigned wrong = 0;
	ffp_policy_mark first = { .number = 0 };
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 4 * FFP_POLICIES_COUNT; i++) {
			char text[64];
			ffp_policy policy, again;
			ffp_policy_mark mark;
			const char *fault = "";
			int size = snprintf(text, sizeof(text), "{\"hard_limits\":{\"a\":%d}}", i + 1);
			ff_code code = ffp_policies_get(policies, (ff_text){ text, (size_t)size }, ffp_raw_arena(t),
			                                &policy, &mark, &fault);
			wrong += code != FF_OK || policy.limits_count != 1 || policy.limits[0].hard != i + 1;
			wrong += !ffp_policies_find(policies, mark, &again) || again.limits[0].hard != i + 1;
			wrong +=
			    first.number && ffp_policies_find(policies, first, &again) && again.limits[0].hard != 1;
			if (i == 0)
				first = mark;
		}
	}
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_CHECK(t, count_kept(policies) > FFP_POLICIES_COUNT / 2);
	FF_CHECK(t, memory->live < FFP_POLICIES_COUNT * 512);
	FF_CHECK(t, memory->taken > 4 * FFP_POLICIES_COUNT);
	ffp_policies_free(policies);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* Readers, of which there may be many, keep few. */
static void policies_are_kept_in_few_places(ff_test *t)
{
	ffp_policies *policies = new_policies(t, ffp_memory_new(t));
	policies->places = 4;
	for (int i = 1; i <= 64; i++)
		FF_CHECK_STR(t, get(t, policies, ffp_text(ff_test_text(t, "{\"hard_limits\":{\"a\":%d}}", i))),
		             ff_test_text(t, "a=%d:0 reset=0 hard= soft=", i));
	FF_CHECK_EQ_INT(t, count_kept(policies), 4);
}

/* Memory that is out costs another parse, and no more. */
static void policies_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_policies *policies = new_policies(t, memory);
	memory->at = 1;
	FF_CHECK_STR(t, get(t, policies, ffp_text("{\"hard_limits\":{\"a\":5}}")), "a=5:0 reset=0 hard= soft=");
	FF_CHECK_EQ_INT(t, count_kept(policies), 0);
	FF_CHECK(t, !ffp_policies_find(policies, (ffp_policy_mark){ .number = 0 }, &(ffp_policy){ .limits = NULL }));
	FF_CHECK_STR(t, get(t, policies, ffp_text("{\"hard_limits\":{\"a\":5}}")), "a=5:0 reset=0 hard= soft=");
	FF_CHECK_EQ_INT(t, count_kept(policies), 1);
}

static const ff_case cases[] = {
	CASE(policy_parses, "FF-CB-5 FF-RU-8", 0),
	CASE(policy_refuses, "FF-RU-8 FF-LIM-6", 0),
	CASE(policy_says_what_is_wrong, "FF-RU-8", 0),
	CASE(policy_parses_into_an_empty_arena, "", 0),
	CASE(policy_without_memory, "", 0),
	CASE(policy_without_memory_once, "", 0),
	CASE(policy_round_trips, "FF-CB-5 FF-LIM-6", 0),
	CASE(policy_of_64_dimensions, "FF-CB-5 FF-LIM-1", 0),
	CASE(policy_modes, "FF-CB-4", 0),
	CASE(policies_are_kept, "", 0),
	CASE(policies_do_not_keep_faults, "FF-RU-8", 0),
	CASE(policies_do_not_keep_long_texts, "", 0),
	CASE(policies_are_kept_in_few_places, "", 0),
	CASE(policies_replace_each_other, "", 0),
	CASE(policies_without_memory, "", 0),
};

FAMILY(ffp_tests_policy, cases);
