/* Names and limits (FF-LIM): the same on every backend. */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

/* ---- names -------------------------------------------------------------------------------------------------- */

/* A call that takes a name in one field, everything else being fine. Those that make what others would find
 * come last. */
typedef enum field {
	BUDGET_OF_STATUS,
	BUDGET_OF_RESET,
	BUDGET_OF_RELEASE,
	BUDGET_OF_REPORT,
	BUDGET_OF_CREATE,
	DIMENSION_OF_CREATE,
	DIMENSION_OF_REPORT,
	KEY_OF_REPORT,
	EXECUTION_OF_RELEASE,
	EXECUTION_OF_SPEND,
	SCOPE_TYPE,
	SCOPE_ID,
	ON_HARD,
	ON_SOFT,
	QUOTA_OF_STATUS,
	QUOTA_OF_ADMIT,
	QUOTA_OF_CREATE,
	EXECUTION_OF_SLOT,
	EXECUTION_OF_ADMIT,
	FIELDS_COUNT
} field;

static const struct {
	size_t min;
	size_t max;
	const char *word;  /* that names the field in a message */
	const char *limit; /* that names the limit */
	const char *good;  /* the answer where the name is fine */
} fields[FIELDS_COUNT] = {
	[BUDGET_OF_CREATE] = { 1, 128, "budget", "128", "created" },
	[BUDGET_OF_REPORT] = { 1, 128, "budget", "128", "ok" },
	[BUDGET_OF_STATUS] = { 1, 128, "budget", "128", "!not_found" },
	[BUDGET_OF_RESET] = { 1, 128, "budget", "128", "!not_found" },
	[BUDGET_OF_RELEASE] = { 1, 128, "budget", "128", "" },
	[DIMENSION_OF_CREATE] = { 1, 64, "dimension", "64", "created" },
	[DIMENSION_OF_REPORT] = { 1, 64, "dimension", "64", "ok" },
	[KEY_OF_REPORT] = { 0, 256, "key", "256", "ok" },
	[EXECUTION_OF_SPEND] = { 1, 128, "execution", "128", "ok" },
	[EXECUTION_OF_RELEASE] = { 1, 128, "execution", "128", "" },
	[SCOPE_TYPE] = { 0, 64, "scope", "64", "created" },
	[SCOPE_ID] = { 0, 128, "scope", "128", "created" },
	[ON_HARD] = { 0, 64, "hard", "64", "created" },
	[ON_SOFT] = { 0, 64, "soft", "64", "created" },
	[QUOTA_OF_CREATE] = { 1, 128, "quota", "128", "created" },
	[QUOTA_OF_ADMIT] = { 1, 128, "quota", "128", "!not_found" },
	[QUOTA_OF_STATUS] = { 1, 128, "quota", "128", "!not_found" },
	[EXECUTION_OF_ADMIT] = { 1, 128, "execution", "128", "admitted" },
	[EXECUTION_OF_SLOT] = { 1, 128, "execution", "128", "not held" },
};

static const char *create_with(ff_test *t, ff_engine *e, field in, const char *name)
{
	ff_limit limit = { "tokens", 1, 1 };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = in == BUDGET_OF_CREATE ? name : ff_test_text(t, "b%" PRIu64, ff_test_random(t));
	spec.limits = &limit;
	spec.limits_count = 1;
	if (in == DIMENSION_OF_CREATE)
		limit.dimension = name;
	spec.scope_type = in == SCOPE_TYPE ? name : NULL;
	spec.scope_id = in == SCOPE_ID ? name : NULL;
	spec.on_hard_limit = in == ON_HARD ? name : NULL;
	spec.on_soft_limit = in == ON_SOFT ? name : NULL;
	ff_created created = { false, false };
	return ffp_show_created(t, ff_engine_create_budget(e, &spec, &created, ff_test_error(t)), &created);
}

static const char *report_with(ff_test *t, ff_engine *e, field in, const char *name)
{
	ff_amount amount = { in == DIMENSION_OF_REPORT ? name : "tokens", 1 };
	ff_spend spend = { .execution_id = name };
	spend.report = (ff_report){ .budget_id = in == BUDGET_OF_REPORT ? name : "none",
		                    .amounts = &amount,
		                    .amounts_count = 1,
		                    .idempotency_key = in == KEY_OF_REPORT ? name : NULL };
	ff_outcome outcome = { 0 };
	ff_code code = in == EXECUTION_OF_SPEND ? ff_engine_record_spend(e, &spend, &outcome, ff_test_error(t))
	                                        : ff_engine_report_usage(e, &spend.report, &outcome, ff_test_error(t));
	return ffp_show_outcome(t, code, &outcome);
}

static const char *call_with(ff_test *t, ff_engine *e, field in, const char *name)
{
	switch (in) {
	case BUDGET_OF_STATUS:
		return ffp_usage(t, e, name);
	case BUDGET_OF_RESET:
		return ffp_reset(t, e, name, 0);
	case BUDGET_OF_RELEASE:
		return ffp_release(t, e, name, "x");
	case EXECUTION_OF_RELEASE:
		return ffp_release(t, e, "none", name);
	case BUDGET_OF_REPORT:
	case DIMENSION_OF_REPORT:
	case KEY_OF_REPORT:
	case EXECUTION_OF_SPEND:
		return report_with(t, e, in, name);
	case QUOTA_OF_CREATE:
		return ffp_create_quota(t, e, name, "");
	case QUOTA_OF_ADMIT:
		return ffp_admit(t, e, name, "x", "");
	case QUOTA_OF_STATUS:
		return ffp_quota(t, e, name);
	case EXECUTION_OF_ADMIT:
		return ffp_admit(t, e, "q", name, "");
	case EXECUTION_OF_SLOT:
		return ffp_release_slot(t, e, "q", name, 0);
	default:
		return create_with(t, e, in, name);
	}
}

static ff_engine *open_with_quota(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create_quota(t, e, "q", ""), "created");
	return e;
}

static void check_field(ff_test *t, ff_engine *e, field in, const char *name, const char *want)
{
	if (!FF_CHECK_STR(t, call_with(t, e, in, name), want))
		ff_test_note(t, "field %d (%s), name of %zu bytes: '%s'", (int)in, fields[in].word, strlen(name), name);
}

static void names_at_their_longest(ff_test *t)
{
	ff_engine *e = open_with_quota(t);
	for (field in = 0; in < FIELDS_COUNT; in++) {
		check_field(t, e, in, ffp_name_of_size(t, 'n', fields[in].max), fields[in].good);
		check_field(t, e, in, ffp_name_of_size(t, 'n', fields[in].max + 1), "!invalid");
		const char *message = ff_test_error(t)->message;
		if (!FF_CHECK(t, strstr(message, fields[in].word) && strstr(message, fields[in].limit)))
			ff_test_note(t, "field %d, message: %s", (int)in, message);
		check_field(t, e, in, ffp_name_of_size(t, 'n', 100000), "!invalid");
	}
}

static void names_at_their_shortest(ff_test *t)
{
	ff_engine *e = open_with_quota(t);
	for (field in = 0; in < FIELDS_COUNT; in++) {
		check_field(t, e, in, "", fields[in].min ? "!invalid" : fields[in].good);
		check_field(t, e, in, "s", fields[in].good);
	}
}

static void names_that_must_be_there(ff_test *t)
{
	ff_engine *e = open_with_quota(t);
	for (field in = 0; in < FIELDS_COUNT; in++)
		FF_CHECK_STR(t, call_with(t, e, in, NULL), fields[in].min ? "!invalid" : fields[in].good);
}

/* A name at its longest is counted in bytes, not in characters. */
static void names_are_counted_in_bytes(ff_test *t)
{
	ff_engine *e = open_with_quota(t);
	for (field in = 0; in < FIELDS_COUNT; in++) {
		const char *full = ffp_name_of_size(t, 'n', fields[in].max - 2);
		check_field(t, e, in, ff_test_text(t, "%sé", full), fields[in].good);
		check_field(t, e, in, ff_test_text(t, "%sné", full), "!invalid");
	}
}

static void names_are_utf8_without_controls(ff_test *t)
{
	static const char *const bad[] = {
		"\x80",             /* a continuation alone */
		"a\xc3",            /* cut off */
		"\xe2\x82",         /* cut off */
		"\xf0\x9f\x92",     /* cut off */
		"\xc3(",            /* no continuation */
		"\xc0\x80",         /* NUL in two bytes */
		"\xc1\xbf",         /* too long */
		"\xe0\x80\xaf",     /* too long */
		"\xe0\x9f\xbf",     /* too long */
		"\xf0\x80\x80\xaf", /* too long */
		"\xf0\x8f\xbf\xbf", /* too long */
		"\xed\xa0\x80",     /* a surrogate */
		"\xed\xbf\xbf",     /* a surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xf5\x80\x80\x80", /* above U+10FFFF */
		"\xc2\x80",         /* a control character, too */
		"\xc2\x85",         /* next line */
		"\xc2\x9f",         /* the last of them */
		"\xfe",
		"\xff",
		"\x01",
		"a\x1f",
		"a\nb",
		"a\tb",
		"\x7f",
	};
	static const char *const good[] = {
		"\xc2\xa0",         /* U+00A0 */
		"\xdf\xbf",         /* U+07FF */
		"\xe0\xa0\x80",     /* U+0800 */
		"\xed\x9f\xbf",     /* U+D7FF */
		"\xee\x80\x80",     /* U+E000 */
		"\xef\xbf\xbd",     /* U+FFFD */
		"\xf0\x90\x80\x80", /* U+10000 */
		"\xf4\x8f\xbf\xbf", /* U+10FFFF */
		" ",
		"'; DROP TABLE ff_budget_policy; --",
		"100%",
		"a\"b",
		"\\",
		"{}",
	};
	ff_engine *e = open_with_quota(t);
	for (field in = 0; in < FIELDS_COUNT; in++) {
		for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
			check_field(t, e, in, bad[i], "!invalid");
		for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
			check_field(t, e, in, good[i], fields[in].good);
	}
}

static void bad_names_change_nothing(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=10"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", ffp_name_of_size(t, 'k', 257), "tokens=1"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", ff_test_text(t, "tokens=1 %s=1", ffp_name_of_size(t, 'd', 65))),
	             "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "c", ff_test_text(t, "tokens=1 %s=1", ffp_name_of_size(t, 'd', 65))),
	             "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_usage(t, e, "c"), "!not_found");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "tokens=1"), "ok");
}

/* ---- order -------------------------------------------------------------------------------------------------- */

/* In byte order; no locale, no case, no length has a say. */
static const char *const ordered[] = {
	" ",
	"!",
	"'",
	"100%",
	"1000",
	"9",
	"A",
	"B",
	"Z",
	"a",
	"a ",
	"a!",
	"aa",
	"aaa",
	"a~",
	"aé",
	"b",
	"z",
	"~",
	"\xc2\xa0",
	"\xc3\xa9",
	"\xdf\xbf",
	"\xe2\x82\xac",
	"\xef\xbf\xbd",
	"\xf0\x9f\x92\xa9",
};

enum { ORDERED = sizeof(ordered) / sizeof(*ordered) };

/* 0 … ORDERED - 1 in an order by the seed. */
static void shuffle(ff_test *t, size_t order[ORDERED])
{
	for (size_t i = 0; i < ORDERED; i++) {
		size_t j = ff_test_random_below(t, i + 1);
		order[i] = order[j];
		order[j] = i;
	}
}

static void names_sort_by_bytes(ff_test *t)
{
	size_t order[ORDERED];
	ff_engine *e = ff_test_open(t, NULL);
	shuffle(t, order);
	for (size_t i = 0; i < ORDERED; i++) {
		const char *name = ordered[order[i]];
		ff_amount amount = { name, order[i] };
		ff_report report = { .budget_id = "b", .amounts = &amount, .amounts_count = 1 };
		FF_REQUIRE_OK(t, ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, ff_test_error(t)));
		FF_CHECK_STR(t, ffp_create(t, e, name, ""), "created");
	}
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "same");
	const ff_budget_status *status = ffp_status(t, e, "b");
	FF_REQUIRE(t, status->usage_count == ORDERED);
	const ff_budget_page *page = NULL;
	FF_REQUIRE_OK(t, ff_engine_list_budgets(e, NULL, 1000, &page, ff_test_error(t)));
	ff_test_keep(t, page);
	FF_REQUIRE(t, page->budgets_count == ORDERED);
	for (size_t i = 0; i < ORDERED; i++) {
		FF_CHECK_STR(t, status->usage[i].dimension, ordered[i]);
		FF_CHECK_EQ_INT(t, status->usage[i].amount, i);
		FF_CHECK_STR(t, page->budgets[i].budget_id, ordered[i]);
	}
}

/* Names that a lesser comparison would take for the same. */
static void names_differ_by_their_bytes(ff_test *t)
{
	static const char *const names[] = { "a",  "A",  "a ", " a",   "\xc3\xa9", "e\xcc\x81", "\xc3\x89",
		                             "ss", "ß",  "1",  "01",   "1.0",      "%",         "_",
		                             "*",  "a%", "a_", "null", "NULL",     "aa" };
	ff_engine *e = ff_test_open(t, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		FF_CHECK_STR(t, ffp_create(t, e, names[i], "n=100"), "created");
		FF_CHECK_STR(t, ffp_report(t, e, names[i], names[i], ff_test_text(t, "n=%zu", i)), "ok");
		FF_CHECK_STR(t, ffp_report(t, e, "keys", names[i], ff_test_text(t, "n=%zu", i)), "ok");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		FF_CHECK_STR(t, ffp_usage(t, e, names[i]), ff_test_text(t, "n=%zu", i));
		FF_CHECK_STR(t, ffp_status(t, e, names[i])->budget_id, names[i]);
	}
}

/* ---- how many ----------------------------------------------------------------------------------------------- */

static const char *dimensions(ff_test *t, unsigned count, const char *value)
{
	const char *text = "";
	for (unsigned i = 0; i < count; i++)
		text = ff_test_text(t, "%s d%02u=%s", text, i, value);
	return text;
}

/* D22. */
static void dimensions_64_and_no_more(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", dimensions(t, 65, "2:1")), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "64") != NULL);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "b", dimensions(t, 64, "2:1")), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", dimensions(t, 65, "1")), "!invalid");
	FF_CHECK(t, strstr(ff_test_error(t)->message, "64") != NULL);
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", dimensions(t, 65, "1")), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", dimensions(t, 64, "1")), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", dimensions(t, 64, "1")), "ok replayed");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", dimensions(t, 64, "1")), "soft d00 2/1");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "d63=1"), "hard d63 2/2");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->usage_count, 64);
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->limits_count, 64);
	/* Usage is not bound by it: other reports may name others. */
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "e=1"), "ok");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->usage_count, 65);
}

/* D21, T2: 60 + 60 under a limit of 100 would be 120. */
static void dimension_named_twice(ff_test *t)
{
	static const char *const twice[] = { "a", "a" };
	static const uint64_t sixty[] = { 60, 60 };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "no", "a=1 b=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_create(t, e, "no", "a=1 a=2"), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "no"), "!not_found");
	FF_CHECK_STR(t, ffp_create(t, e, "b", "a=100"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=60 a=60"), "!invalid");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1 b=1 a=1"), "!invalid");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "z=0 a=1 z=0"), "!invalid");
	ff_report report = { .budget_id = "b", .idempotency_key = "k" };
	ff_amount_arrays arrays = { twice, 2, sixty, 2 };
	FF_CHECK_CODE(t, ff_engine_report_usage_admin(e, &report, &arrays, &(ff_outcome){ 0 }, ff_test_error(t)),
	              FF_E_INVALID);
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "no";
	ff_limit_arrays limits = { twice, 2, sixty, 2, sixty, 2 };
	FF_CHECK_CODE(t, ff_engine_create_budget_arrays(e, &spec, &limits, &(ff_created){ 0 }, ff_test_error(t)),
	              FF_E_INVALID);
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_usage(t, e, "no"), "!not_found");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=60 A=60"), "ok");
}

/* ---- amounts ------------------------------------------------------------------------------------------------ */

/* D14, D15, D19: no cast wraps. */
static void amounts_up_to_int64_max(ff_test *t)
{
	static const char *const above[] = { "a=9223372036854775808", "a=18446744073709551615",
		                             "z=1 a=9223372036854775808" };
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=10"), "ok");
	for (size_t i = 0; i < sizeof(above) / sizeof(*above); i++) {
		FF_CHECK_STR(t, ffp_report(t, e, "b", "k", above[i]), "!invalid");
		FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", above[i]), "!invalid");
		FF_CHECK_STR(t, ffp_create(t, e, "no", above[i]), "!invalid");
	}
	FF_CHECK_STR(t, ffp_create(t, e, "no", "a=0:9223372036854775808"), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "no"), "!not_found");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=10");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "c=max"), "ok");
	FF_CHECK_STR(t, ffp_create(t, e, "most", "a=max:max"), "created");
}

/* D16. */
static void sums_up_to_int64_max(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", "soft=0:1"), "created");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=9223372036854775806 soft=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=2"), "!overflow");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=max"), "!overflow");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "soft=1 a=2"), "!overflow");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", "soft=1 a=2"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9223372036854775806 soft=1");
	FF_CHECK_STR(t, ffp_breaches(t, e, "b"), "hard=0 soft=0 last=none");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=1"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=1"), "!overflow");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "", "a=0"), "ok");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=9223372036854775807 soft=1");
}

/* What an execution spent in all may pass INT64_MAX where usage does not: a release by another came between. */
static void ledger_sums_up_to_int64_max(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=max"), "ok");
	ffp_row_set(t, "ff_budget_usage", "b\na", "current_value", "0");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "", "a=1"), "!overflow");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "y", "", "a=1"), "ok");
}

static void amounts_of_none_and_of_zero(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t, ffp_create(t, e, "b", ""), "created");
	FF_CHECK_EQ_INT(t, ffp_status(t, e, "b")->limits_count, 0);
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", ""), "!invalid");
	FF_CHECK_STR(t, ffp_spend(t, e, "b", "x", "k", ""), "!invalid");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=0"), "ok");
	FF_CHECK_STR(t, ffp_report(t, e, "b", "k", "a=0"), "ok replayed");
	FF_CHECK_STR(t, ffp_usage(t, e, "b"), "a=0");
	FF_CHECK_STR(t, ffp_report(t, e, "unknown", "k", ""), "!invalid");
}

/* A count without its array is refused, not followed. */
static void counts_without_arrays(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	ff_report report = { .budget_id = "b", .amounts_count = 1 };
	FF_CHECK_CODE(t, ff_engine_report_usage(e, &report, &(ff_outcome){ 0 }, ff_test_error(t)), FF_E_INVALID);
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	spec.budget_id = "b";
	spec.limits_count = 1;
	FF_CHECK_CODE(t, ff_engine_create_budget(e, &spec, &(ff_created){ 0 }, ff_test_error(t)), FF_E_INVALID);
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

/* The policy's own text: numbers up to 2^53, strings above, names as they are. */
static void policy_is_written_exactly(ff_test *t)
{
	ff_engine *e = ff_test_open(t, NULL);
	FF_CHECK_STR(t,
	             ffp_create(t, e, "b",
	                        "é=9007199254740993:9007199254740992 a=max:0 Z=0:1 @reset=9007199254740993 "
	                        "@hard=\"stop\\ @soft=wärn"),
	             "created");
	FF_CHECK_STR(t, ffp_row_get(t, "ff_budget_policy", "b", "policy_json"),
	             "{\"hard_limits\":{\"Z\":0,\"a\":\"9223372036854775807\",\"é\":\"9007199254740993\"},"
	             "\"on_hard_limit\":\"\\\"stop\\\\\",\"on_soft_limit\":\"wärn\","
	             "\"reset_interval_ms\":\"9007199254740993\","
	             "\"soft_limits\":{\"Z\":1,\"a\":0,\"é\":9007199254740992}}");
	FF_CHECK_STR(t, ffp_show_status(t, ffp_status(t, e, "b")),
	             "b @scope=: @mode=strict @hard=\"stop\\ @soft=wärn @reset=9007199254740993 Z=0:1 "
	             "a=9223372036854775807:0 é=9007199254740993:9007199254740992 |  | hard=0 soft=0 last=none | "
	             "next=9007199255740993 created=1000000 updated=1000000");
}

static const ff_case table[] = {
	CASE(names_at_their_longest, "FF-LIM-1", 0),
	CASE(names_at_their_shortest, "FF-LIM-1", 0),
	CASE(names_that_must_be_there, "FF-LIM-1", 0),
	CASE(names_are_counted_in_bytes, "FF-LIM-1", 0),
	CASE(names_are_utf8_without_controls, "FF-LIM-1", 0),
	CASE(bad_names_change_nothing, "FF-LIM-1", 0),
	CASE(names_sort_by_bytes, "FF-LIM-2 FF-GS-1 FF-GS-2", 0),
	CASE(names_differ_by_their_bytes, "FF-LIM-2 FF-RU-3", 0),
	CASE(dimensions_64_and_no_more, "FF-LIM-1", 0),
	CASE(dimension_named_twice, "FF-LIM-3", 0),
	CASE(amounts_up_to_int64_max, "FF-LIM-4", 0),
	CASE(sums_up_to_int64_max, "FF-LIM-4 FF-RU-12", 0),
	CASE(ledger_sums_up_to_int64_max, "FF-LIM-4 FF-SP-1", FF_CASE_SECOND_HANDLE),
	CASE(amounts_of_none_and_of_zero, "FF-LIM-5 FF-GS-1", 0),
	CASE(counts_without_arrays, "FF-LIM-5 FF-LIM-1", 0),
	CASE(policy_is_written_exactly, "FF-LIM-6 FF-CB-5 FF-CB-1", FF_CASE_SECOND_HANDLE),
};

FAMILY(ffp_cases_limits, table);
