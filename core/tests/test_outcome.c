/* The outcome under an idempotency key, as text and back (FF-RU-6). */
#include "outcome.h"

#include <ff/kv.h>

#include "tests.h"
#include "text.h"

/* "hard tokens 5/7 applied": what the text says, or an exclamation mark and the error. */
static const char *parse(ff_test *t, const char *text)
{
	ff_outcome outcome;
	const char *fault = NULL;
	ff_code code = ffp_outcome_parse(ffp_text(text), &outcome, &fault);
	FF_CHECK(t, code == FF_OK || (fault && *fault));
	return ffp_show_outcome(t, code, &outcome);
}

static void outcome_parses(ff_test *t)
{
	FF_CHECK_STR(t, parse(t, "{\"kind\":\"Ok\"}"), "ok replayed");
	FF_CHECK_STR(t, parse(t, " { \"kind\" : \"Ok\" , \"more\" : [1] } "), "ok replayed");
	FF_CHECK_STR(t, parse(t, "{\"kind\":\"AlreadyApplied\"}"), "already replayed");
	FF_CHECK_STR(t, parse(t, "{}"), "already replayed");
	FF_CHECK_STR(t, parse(t, " {\n} "), "already replayed");
	FF_CHECK_STR(t,
	             parse(t, "{\"kind\":\"SoftBreach\",\"dimension\":\"d\",\"current_usage\":81,\"soft_limit\":80}"),
	             "soft d 81/80 replayed");
	FF_CHECK_STR(
	    t, parse(t, "{\"kind\":\"HardBreach\",\"dimension\":\"d\",\"current_usage\":\"90\",\"hard_limit\":100}"),
	    "hard d 90/100 replayed");
	FF_CHECK_STR(t,
	             parse(t, "{\"kind\":\"HardBreach\",\"applied\":false,\"dimension\":\"d\",\"current_usage\":0,"
	                      "\"hard_limit\":\"9223372036854775807\"}"),
	             "hard d 0/9223372036854775807 replayed");
	FF_CHECK_STR(t,
	             parse(t, "{\"kind\":\"HardBreach\",\"applied\":true,\"dimension\":\"d\",\"current_usage\":1,"
	                      "\"hard_limit\":2}"),
	             "hard d 1/2 applied replayed");
	const char *longest = ffp_name_of_size(t, 'd', 64);
	FF_CHECK_STR(t,
	             parse(t, ff_test_text(t,
	                                   "{\"kind\":\"SoftBreach\",\"dimension\":\"%s\",\"current_usage\":2,"
	                                   "\"soft_limit\":1}",
	                                   longest)),
	             ff_test_text(t, "soft %s 2/1 replayed", longest));
}

static void outcome_refuses(ff_test *t)
{
	static const char *const texts[] = {
		"",
		"Ok",
		"[]",
		"null",
		"\"Ok\"",
		"{\"kind\":\"Ok\"",
		"{\"kind\":\"Ok\"}}",
		"{\"kind\":\"Ok\",\"kind\":\"Ok\"}",
		"{\"kind\":\"ok\"}",
		"{\"kind\":\"\"}",
		"{\"kind\":\"OkButNew\"}",
		"{\"kind\":5}",
		"{\"kind\":null}",
		"{\"Kind\":\"Ok\"}",
		"{\"more\":1}",
		"{\"kind\":\"HardBreach\"}",
		"{\"kind\":\"HardBreach\",\"dimension\":\"d\",\"current_usage\":1}",
		"{\"kind\":\"HardBreach\",\"dimension\":\"d\",\"current_usage\":1,\"soft_limit\":2}",
		"{\"kind\":\"SoftBreach\",\"dimension\":\"d\",\"current_usage\":1,\"hard_limit\":2}",
		"{\"kind\":\"SoftBreach\",\"dimension\":5,\"current_usage\":1,\"soft_limit\":2}",
		"{\"kind\":\"SoftBreach\",\"dimension\":\"d\",\"current_usage\":-1,\"soft_limit\":2}",
		"{\"kind\":\"SoftBreach\",\"dimension\":\"d\",\"current_usage\":1,\"soft_limit\":1.5}",
		"{\"kind\":\"SoftBreach\",\"dimension\":\"d\",\"current_usage\":9007199254740993,\"soft_limit\":1}",
		"{\"kind\":\"HardBreach\",\"applied\":1,\"dimension\":\"d\",\"current_usage\":1,\"hard_limit\":2}",
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (!FF_CHECK_STR(t, parse(t, texts[i]), "!corrupt"))
			ff_test_note(t, "%s", texts[i]);
	FF_CHECK_STR(t,
	             parse(t, ff_test_text(t,
	                                   "{\"kind\":\"SoftBreach\",\"dimension\":\"%s\",\"current_usage\":2,"
	                                   "\"soft_limit\":1}",
	                                   ffp_name_of_size(t, 'd', 65))),
	             "!corrupt");
}

static void check_round_trip(ff_test *t, ff_outcome outcome, const char *want)
{
	ff_outcome back;
	const char *fault = "";
	ff_text text = ffp_outcome_write(&outcome, ffp_raw_arena(t));
	FF_CHECK_STR(t, text.data, want);
	FF_CHECK_EQ_INT(t, ffp_outcome_parse(text, &back, &fault), FF_OK);
	outcome.replayed = true;
	FF_CHECK_STR(t, ffp_show_outcome(t, FF_OK, &back), ffp_show_outcome(t, FF_OK, &outcome));
}

static void outcome_round_trips(ff_test *t)
{
	check_round_trip(t, (ff_outcome){ .kind = FF_OUTCOME_OK, .applied = true }, "{\"kind\":\"Ok\"}");
	check_round_trip(t, (ff_outcome){ .kind = FF_OUTCOME_OK, .applied = true }, FF_KV_COMMON_TEXT);
	check_round_trip(t, (ff_outcome){ .kind = FF_OUTCOME_ALREADY_APPLIED, .applied = true },
	                 "{\"kind\":\"AlreadyApplied\"}");
	check_round_trip(t,
	                 (ff_outcome){ .kind = FF_OUTCOME_SOFT_BREACH,
	                               .applied = true,
	                               .current_usage = (UINT64_C(1) << 53) + 1,
	                               .limit = UINT64_C(1) << 53,
	                               .dimension = "to\"kens" },
	                 "{\"current_usage\":\"9007199254740993\",\"dimension\":\"to\\\"kens\",\"kind\":\"SoftBreach\","
	                 "\"soft_limit\":9007199254740992}");
	ff_outcome hard = { .kind = FF_OUTCOME_HARD_BREACH, .current_usage = 0, .limit = INT64_MAX, .dimension = "d" };
	check_round_trip(t, hard,
	                 "{\"current_usage\":0,\"dimension\":\"d\",\"hard_limit\":\"9223372036854775807\","
	                 "\"kind\":\"HardBreach\"}");
	hard.applied = true;
	check_round_trip(t, hard,
	                 "{\"applied\":true,\"current_usage\":0,\"dimension\":\"d\","
	                 "\"hard_limit\":\"9223372036854775807\",\"kind\":\"HardBreach\"}");
}

static const ff_case cases[] = {
	CASE(outcome_parses, "FF-RU-6", 0),
	CASE(outcome_refuses, "FF-RU-6 FF-LIM-6", 0),
	CASE(outcome_round_trips, "FF-RU-6 FF-CB-4", 0),
};

FAMILY(ffp_tests_outcome, cases);
