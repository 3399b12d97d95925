/* Store URIs, and what backends ask about their parameters. */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "tests.h"

/* "scheme|path|a=1 b=2", or an exclamation mark and the error. */
static const char *parse(ff_test *t, const char *uri)
{
	ffp_uri parsed;
	ff_code code = ffp_uri_parse(uri, &parsed, ff_test_error(t));
	if (code != FF_OK)
		return ff_test_text(t, "!%s", ff_code_name(code));
	const char *text = ff_test_text(t, "%s|%s|", parsed.scheme, parsed.path);
	for (size_t i = 0; i < parsed.params_count; i++)
		text = ff_test_text(t, "%s%s%s=%s", text, i ? " " : "", parsed.params[i].name, parsed.params[i].value);
	ffp_uri_free(&parsed);
	ffp_uri_free(&parsed); /* nothing is left of it */
	return text;
}

static void uri_parts(ff_test *t)
{
	FF_CHECK_STR(t, parse(t, "sqlite:usage.db"), "sqlite|usage.db|");
	FF_CHECK_STR(t, parse(t, "sqlite:/a b/c'd.db"), "sqlite|/a b/c'd.db|");
	FF_CHECK_STR(t, parse(t, "sqlite::memory:"), "sqlite|:memory:|");
	FF_CHECK_STR(t, parse(t, "sqlite:c:\\x.db"), "sqlite|c:\\x.db|");
	FF_CHECK_STR(t, parse(t, "fault+sqlite:x"), "fault+sqlite|x|");
	FF_CHECK_STR(t, parse(t, "s:a%20b%3f%25%C3%A9"), "s|a b?%\xc3\xa9|");
	FF_CHECK_STR(t, parse(t, "s:%20b"), "s| b|");
	FF_CHECK_STR(t, parse(t, "s:p?"), "s|p|");
	FF_CHECK_STR(t, parse(t, "s:p?a"), "s|p|a=");
	FF_CHECK_STR(t, parse(t, "s:p?a=1"), "s|p|a=1");
	FF_CHECK_STR(t, parse(t, "s:p?a=1&b=&c"), "s|p|a=1 b= c=");
	FF_CHECK_STR(t, parse(t, "s:p?a=x%26y%3Dz&b%20c=1+2"), "s|p|a=x&y=z b c=1+2");
	FF_CHECK_STR(t, parse(t, "s:p?a=b=c"), "s|p|a=b=c");
	FF_CHECK_STR(t, parse(t, "s:p?a=1?b=2"), "s|p|a=1?b=2");
}

static void uri_refusals(ff_test *t)
{
	FF_CHECK_STR(t, parse(t, NULL), "!invalid");
	FF_CHECK_STR(t, parse(t, ""), "!invalid");
	FF_CHECK_STR(t, parse(t, "plain"), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "store 'plain' is no URI of the form SCHEME:PATH");
	FF_CHECK_STR(t, parse(t, ":x"), "!invalid");
	FF_CHECK_STR(t, parse(t, "sqlite:"), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "store 'sqlite:' names no path after 'sqlite:'");
	FF_CHECK_STR(t, parse(t, "sqlite:?a=1"), "!invalid");
}

static void uri_escapes(ff_test *t)
{
	static const char *const halves[] = {
		"s:a%zz",    "s:a%2",  "s:a%",      "s:a%g0",   "s:a%0",   "s:a%%20",
		"s:a%2?b=c", "s:%-1b", "s:p?a=%zz", "s:p?%b=1", "s:p?a=%", "s:p?a=%2&b=cd"
	};
	static const char *const fragments[] = { "s:x#frag", "s:#", "s:x#", "s:x?a=b#frag", "s:x?#", "s:x#y?a=b" };
	for (size_t i = 0; i < COUNT_OF(halves); i++)
		if (!FF_CHECK_STR(t, parse(t, halves[i]), "!invalid"))
			ff_test_note(t, "%s", halves[i]);
	FF_CHECK_STR(t, parse(t, "s:a%2"), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message,
	             "store 's:a%2' holds a '%' that no two hexadecimal digits follow; itself it is written %25");
	for (size_t i = 0; i < COUNT_OF(fragments); i++)
		if (!FF_CHECK_STR(t, parse(t, fragments[i]), "!invalid"))
			ff_test_note(t, "%s", fragments[i]);
	FF_CHECK_STR(t, parse(t, "s:x#frag"), "!invalid");
	FF_CHECK_STR(t, ff_test_error(t)->message, "store 's:x#frag' holds a '#', which is written %23");
	FF_CHECK_STR(t, parse(t, "s:a%23b%2525?c=%23d%25"), "s|a#b%25|c=#d%");
}

/* A path would end at a NUL, and the store be another than the one that was named. */
static void uri_without_nul(ff_test *t)
{
	FF_CHECK_STR(t, parse(t, "s:%00"), "!invalid");
	FF_CHECK_STR(t, parse(t, "s:usage.db%00.backup"), "!invalid");
	FF_CHECK_STR(t, parse(t, "s:p?a=1%002"), "!invalid");
	FF_CHECK_STR(t, parse(t, "s:a%09%0f%40b"), "s|a\t\x0f@b|");
}

/* ---- parameters --------------------------------------------------------------------------------------------- */

static const ff_store_config *config_of(ff_test *t, const ff_param *params, size_t count)
{
	ff_store_config *config = ff_test_alloc(t, sizeof(*config));
	config->params = params;
	config->params_count = count;
	return config;
}

static void uri_without_its_password(ff_test *t)
{
	static const struct {
		const char *uri, *shown;
	} uris[] = {
		{ "s:/path", "s:/path" },
		{ "s://host/db?a=u:p@h", "s://host/db?a=u:p@h" },
		{ "s://user@host:1/db", "s://user@host:1/db" },
		{ "s:///a:b@c", "s:///a:b@c" },
		{ "s://user:secret@host:1/db?a=b", "s://user:***@host:1/db?a=b" },
		{ "s://u:se:cr@et@host", "s://u:***@host" },
		{ "s://:secret@/db", "s://:***@/db" },
		{ "s://[::1]:1/db", "s://[::1]:1/db" },
		{ "s:x://u:p@h", "s:x://u:***@h" },
		{ "s://u@h/db?password=secret&a=b", "s://u@h/db?password=***&a=b" },
		{ "s://u:p@h/?a=b&password=pw", "s://u:***@h/?a=b&password=**" },
		{ "s:/password=x?a=b", "s:/password=x?a=b" },
		{ "s:/password=x?sslpassword=secret&a=b", "s:/password=x?sslpassword=***&a=b" },
		{ "s://u:se#cr@h/", "s://u:***@h/" },
		{ "s:/p?password=secr#et&a=b", "s:/p?password=***&a=b" },
		{ "s:/p?pass%77ord=secret&a=%62&b", "s:/p?pass%77ord=***&a=%62&b" },
		{ "s:/p?password&passwords=x&password=a=b?c&password=",
		  "s:/p?password&passwords=x&password=***&password=" },
		{ "s:/p?a=b?password=secret&c=d;password=secret", "s:/p?a=***&c=***" },
		{ NULL, "" },
	};
	char shown[FFP_URI_SHOWN];
	for (size_t i = 0; i < COUNT_OF(uris); i++)
		FF_CHECK_STR(t, ffp_uri_show(uris[i].uri, shown), uris[i].shown);
	ffp_uri parsed;
	FF_CHECK_CODE(t, ffp_uri_parse("s://u:secret@h/?a=%00", &parsed, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, !strstr(ff_test_error(t)->message, "secret"));
	FF_CHECK_CODE(t, ffp_uri_parse("s:?password=secret", &parsed, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, !strstr(ff_test_error(t)->message, "secret"));
	FF_CHECK_CODE(t, ffp_uri_parse("s://u:#secret@h/?password=%secret", &parsed, ff_test_error(t)), FF_E_INVALID);
	FF_CHECK(t, !strstr(ff_test_error(t)->message, "secret"));
}

static void params_are_found(ff_test *t)
{
	static const ff_param params[] = { { "a", "1" }, { "b", "" } };
	const ff_store_config *config = config_of(t, params, 2);
	FF_CHECK_STR(t, ff_config_param(config, "a"), "1");
	FF_CHECK_STR(t, ff_config_param(config, "b"), "");
	FF_CHECK(t, ff_config_param(config, "A") == NULL);
	FF_CHECK(t, ff_config_param(config_of(t, NULL, 0), "a") == NULL);
}

static void params_are_known(ff_test *t)
{
	static const ff_param params[] = { { "a", "1" }, { "c", "2" } };
	static const char *const all[] = { "a", "b", "c", NULL };
	static const char *const some[] = { "a", "b", NULL };
	static const char *const none[] = { NULL };
	const ff_store_config *config = config_of(t, params, 2);
	ff_error *error = ff_test_error(t);
	FF_CHECK_CODE(t, ff_config_check(config, all, error), FF_OK);
	FF_CHECK_CODE(t, ff_config_check(config_of(t, NULL, 0), none, error), FF_OK);
	FF_CHECK_CODE(t, ff_config_check(config, some, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message, "unknown parameter 'c', known are: a, b");
	FF_CHECK_CODE(t, ff_config_check(config, none, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message, "unknown parameter 'a', known are: none");
	/* a long one is cut between characters */
	const ff_param accented = { "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\xc3\xa9", "1" };
	FF_CHECK_CODE(t, ff_config_check(config_of(t, &accented, 1), none, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message,
	             ff_test_text(t, "unknown parameter '%s', known are: none", ffp_name_of_size(t, 'y', 39)));
	char bytes[51] = ""; /* and one without characters is not told */
	memset(bytes, 0x80, sizeof(bytes) - 1);
	const ff_param unclean = { bytes, "1" };
	FF_CHECK_CODE(t, ff_config_check(config_of(t, &unclean, 1), none, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message, "unknown parameter '', known are: none");
	/* as many as a network's store has */
	const char *many[100] = { NULL };
	for (size_t j = 0; j < 27; j++)
		many[j] = "parameter";
	many[27] = "last";
	FF_CHECK_CODE(t, ff_config_check(config, many, error), FF_E_INVALID);
	FF_CHECK(t, strstr(error->message, ", last") != NULL);
	/* and more than there is room for */
	for (size_t j = 27; j < COUNT_OF(many) - 1; j++)
		many[j] = "parameter";
	FF_CHECK_CODE(t, ff_config_check(config, many, error), FF_E_INVALID);
	FF_CHECK_EQ_INT(t, strlen(error->message), sizeof(error->message) - 1);
}

/* As many as the longest list of a backend's has, whatever name they are told beside. */
static void all_that_are_known_are_told(ff_test *t)
{
	enum { NAME = 15, COUNT = 18 };
	static char names[COUNT][NAME + 1];
	static char longest[500];
	const char *known[COUNT + 1] = { NULL };
	const ff_param params[] = { { longest, "1" } };
	memset(longest, 'y', sizeof(longest) - 1);
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "parameter_%05u", i);
		known[i] = names[i];
	}
	ff_error *error = ff_test_error(t);
	FF_CHECK_CODE(t, ff_config_check(config_of(t, params, 1), known, error), FF_E_INVALID);
	for (unsigned i = 0; i < COUNT; i++)
		FF_CHECK(t, strstr(error->message, names[i]) != NULL);
}

static void params_are_given_once(ff_test *t)
{
	static const char *const known[] = { "a", "b", NULL };
	static const char *const uris[] = { "s:p?a=1&b=2&a=3", "s:p?a=1&a=1", "s:p?a&b&a", "s:p?a=&a" };
	for (size_t i = 0; i < COUNT_OF(uris); i++) {
		ffp_uri parsed;
		FF_REQUIRE_OK(t, ffp_uri_parse(uris[i], &parsed, ff_test_error(t)));
		const ff_store_config *config = config_of(t, parsed.params, parsed.params_count);
		ff_code code = ff_config_check(config, known, ff_test_error(t));
		ffp_uri_free(&parsed);
		if (!FF_CHECK_EQ_INT(t, code, FF_E_INVALID))
			ff_test_note(t, "%s", uris[i]);
		else
			FF_CHECK_STR(t, ff_test_error(t)->message, "parameter 'a' is given twice");
	}
}

static void check_int64(ff_test *t, const char *text, ff_code want, int64_t value)
{
	ff_param param = { "n", text };
	int64_t read = -77;
	errno = ERANGE; /* which somebody else has left */
	ff_code code = ff_config_int64(config_of(t, &param, 1), "n", -5, 100, &read, ff_test_error(t));
	if (!FF_CHECK_EQ_INT(t, code, want) || !FF_CHECK_EQ_INT(t, read, want == FF_OK ? value : -77))
		ff_test_note(t, "'%s'", text);
}

static void params_that_are_integers(ff_test *t)
{
	int64_t kept = 7;
	FF_CHECK_CODE(t, ff_config_int64(config_of(t, NULL, 0), "n", 0, 1, &kept, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, kept, 7);
	check_int64(t, "0", FF_OK, 0);
	check_int64(t, "9", FF_OK, 9);
	check_int64(t, "100", FF_OK, 100);
	check_int64(t, "-5", FF_OK, -5);
	check_int64(t, "101", FF_E_INVALID, 0);
	FF_CHECK_STR(t, ff_test_error(t)->message, "parameter 'n' is '101', it takes an integer -5 to 100");
	check_int64(t, "-6", FF_E_INVALID, 0);
	check_int64(t, "", FF_E_INVALID, 0);
	check_int64(t, "-", FF_E_INVALID, 0);
	check_int64(t, " 5", FF_E_INVALID, 0);
	check_int64(t, "5 ", FF_E_INVALID, 0);
	check_int64(t, "+5", FF_E_INVALID, 0);
	check_int64(t, "5x", FF_E_INVALID, 0);
	check_int64(t, "0x5", FF_E_INVALID, 0);
	check_int64(t, "5.0", FF_E_INVALID, 0);
	check_int64(t, "9223372036854775808", FF_E_INVALID, 0);
	const ff_param beyond = { "n", "9223372036854775808" };
	FF_CHECK_CODE(t, ff_config_int64(config_of(t, &beyond, 1), "n", 0, INT64_MAX, &kept, ff_test_error(t)),
	              FF_E_INVALID);
	check_int64(t, "-99999999999999999999", FF_E_INVALID, 0);
}

static void params_that_are_durabilities(ff_test *t)
{
	static const struct {
		const char *word;
		ff_code code;
		ff_durability durability;
	} cases[] = {
		{ "full", FF_OK, FF_DURABILITY_FULL },    { "normal", FF_OK, FF_DURABILITY_NORMAL },
		{ "none", FF_OK, FF_DURABILITY_NONE },    { "Full", FF_E_INVALID, FF_DURABILITY_FULL },
		{ "", FF_E_INVALID, FF_DURABILITY_FULL }, { "nonee", FF_E_INVALID, FF_DURABILITY_FULL },
	};
	ff_durability durability = FF_DURABILITY_NONE;
	FF_CHECK_CODE(t, ff_config_durability(config_of(t, NULL, 0), &durability, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, durability, FF_DURABILITY_FULL);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ff_param param = { "durability", cases[i].word };
		FF_CHECK_CODE(t, ff_config_durability(config_of(t, &param, 1), &durability, ff_test_error(t)),
		              cases[i].code);
		FF_CHECK_EQ_INT(t, durability, cases[i].durability);
	}
}

static void the_wait_of_a_uri(ff_test *t)
{
	ff_param param = { "busy_timeout_ms", "20" };
	ff_wait wait = { .slept_us = 1 };
	FF_CHECK_CODE(t, ff_config_wait(config_of(t, NULL, 0), &wait, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, wait.limit_us, 5000000);
	FF_CHECK_EQ_INT(t, wait.slept_us, 0);
	FF_CHECK_CODE(t, ff_config_wait(config_of(t, &param, 1), &wait, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, wait.limit_us, 20000);
	param.value = "0";
	FF_CHECK_CODE(t, ff_config_wait(config_of(t, &param, 1), &wait, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, wait.limit_us, 0);
	param.value = "-1";
	FF_CHECK_CODE(t, ff_config_wait(config_of(t, &param, 1), &wait, ff_test_error(t)), FF_E_INVALID);
}

static const ff_case cases[] = {
	CASE(uri_parts, "", 0),
	CASE(uri_refusals, "FF-ERR-8", 0),
	CASE(uri_escapes, "FF-ERR-8", 0),
	CASE(uri_without_nul, "", 0),
	CASE(uri_without_its_password, "", 0),
	CASE(params_are_found, "", 0),
	CASE(params_are_known, "", 0),
	CASE(all_that_are_known_are_told, "", 0),
	CASE(params_are_given_once, "", 0),
	CASE(params_that_are_integers, "", 0),
	CASE(params_that_are_durabilities, "", 0),
	CASE(the_wait_of_a_uri, "FF-ERR-8", 0),
};

FAMILY(ffp_tests_config, cases);
