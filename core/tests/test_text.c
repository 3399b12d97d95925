/* UTF-8, and names at their limits (FF-LIM-1). */
#include "text.h"

#include "tests.h"

static void utf8_lengths(ff_test *t)
{
	static const struct {
		const char *bytes;
		size_t size;
		size_t length;
	} cases[] = {
		{ "", 0, 0 },
		{ "a", 1, 1 },
		{ "\0", 1, 1 },
		{ "\x7f", 1, 1 },
		{ "\x80", 1, 0 }, /* a continuation alone */
		{ "\xbf", 1, 0 },
		{ "\xc0\x80", 2, 0 }, /* overlong forms */
		{ "\xc1\xbf", 2, 0 },
		{ "\xc2\x80", 2, 2 }, /* the first of two bytes */
		{ "\xc2", 1, 0 },     /* cut off */
		{ "\xc2\x7f", 2, 0 },
		{ "\xc2\xc0", 2, 0 },
		{ "\xdf\xbf", 2, 2 },
		{ "\xe0\x9f\xbf", 3, 0 },
		{ "\xe0\xa0\x80", 3, 3 },
		{ "\xe0\xa0", 2, 0 },
		{ "\xed\x9f\xbf", 3, 3 }, /* U+D7FF */
		{ "\xed\xa0\x80", 3, 0 }, /* U+D800, a surrogate */
		{ "\xed\xbf\xbf", 3, 0 },
		{ "\xee\x80\x80", 3, 3 },
		{ "\xef\xbf\xbf", 3, 3 },
		{ "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "\xf0\x90\x80\x80", 4, 4 },
		{ "\xf0\x90\x80", 3, 0 },
		{ "\xf0\x90\x80\x41", 4, 0 },
		{ "\xf4\x8f\xbf\xbf", 4, 4 }, /* U+10FFFF */
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf5\x80\x80\x80", 4, 0 },
		{ "\xff", 1, 0 },
		{ "\xe2\x82\xac and more", 12, 3 },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (!FF_CHECK_EQ_INT(t, ffp_utf8_length(cases[i].bytes, cases[i].size), cases[i].length))
			ff_test_note(t, "case %zu", i);
}

/* Every character of Unicode: those without control characters are clean, surrogates and controls are not. */
static void utf8_every_character(ff_test *t)
{
	unsigned wrong = 0;
	for (uint32_t c = 1; c < 0x110000; c++) {
		char b[4];
		size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		if (size == 1) {
			b[0] = (char)c;
		} else {
			b[0] = (char)((0xf00u >> size) | c >> (6 * (size - 1)));
			for (size_t i = 1; i < size; i++)
				b[i] = (char)(0x80 | (c >> (6 * (size - 1 - i)) & 0x3f));
		}
		bool surrogate = c >= 0xd800 && c <= 0xdfff;
		bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);
		wrong += ffp_utf8_length(b, size) != (surrogate ? 0 : size);
		wrong += ffp_text_is_clean(b, size) != (!surrogate && !control);
		wrong += ff_text_is_valid(b, size) == surrogate;
		wrong += size > 1 && ffp_text_is_clean(b, size - 1); /* cut off */
	}
	FF_CHECK_EQ_INT(t, wrong, 0);
}

static void clean_texts(ff_test *t)
{
	FF_CHECK(t, ffp_text_is_clean("", 0));
	FF_CHECK(t, ffp_text_is_clean(" ~", 2));
	FF_CHECK(t, ffp_text_is_clean("a'\"%s\\\xc3\xa9\xf0\x9f\x98\x80", 12));
	FF_CHECK(t, !ffp_text_is_clean("a\0b", 3));
	FF_CHECK(t, !ffp_text_is_clean("a\tb", 3));
	FF_CHECK(t, !ffp_text_is_clean("a\x1f", 2));
	FF_CHECK(t, !ffp_text_is_clean("\x7f", 1));
	FF_CHECK(t, !ffp_text_is_clean("\xc2\x80", 2));
	FF_CHECK(t, !ffp_text_is_clean("\xc2\x9f", 2));
	FF_CHECK(t, ffp_text_is_clean("\xc2\xa0", 2));
	FF_CHECK(t, !ffp_text_is_clean("ok\xc2", 3));
}

/* Every byte at every place of texts that are looked at by eight bytes at a time. */
static void valid_at_every_place(ff_test *t)
{
	unsigned wrong = 0;
	for (size_t size = 1; size <= 17; size++) {
		for (size_t place = 0; place < size; place++) {
			for (unsigned byte = 0; byte < 256; byte++) {
				char text[17];
				memset(text, 1 + (int)place * 7, sizeof(text));
				text[place] = (char)byte;
				wrong += ff_text_is_valid(text, size) != (byte > 0 && byte < 0x80);
			}
		}
	}
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_CHECK(t, ff_text_is_valid("", 0));
	FF_CHECK(t, ff_text_is_valid("1234567\xc3\xa9"
	                             "2345678",
	                             16));
	FF_CHECK(t, !ff_text_is_valid("1234567\xc3", 8));
}

static void check_rule(ff_test *t, const ffp_name_rule *rule, size_t min, size_t max)
{
	ff_error *error = ff_test_error(t);
	ff_text text;
	FF_CHECK_EQ_INT(t, rule->min, min);
	FF_CHECK_EQ_INT(t, rule->max, max);
	FF_CHECK_CODE(t, ffp_name_check(rule, ffp_name_of_size(t, 'n', min), &text, error), FF_OK);
	FF_CHECK_EQ_INT(t, text.size, min);
	FF_CHECK_CODE(t, ffp_name_check(rule, ffp_name_of_size(t, 'n', max), &text, error), FF_OK);
	FF_CHECK_EQ_INT(t, text.size, max);
	FF_CHECK_CODE(t, ffp_name_check(rule, ffp_name_of_size(t, 'n', max + 1), &text, error), FF_E_INVALID);
	FF_CHECK(t, strstr(error->message, rule->field) != NULL);
	FF_CHECK(t, strstr(error->message, ff_test_text(t, "%zu", max)) != NULL);
	FF_CHECK_CODE(t, ffp_name_check(rule, NULL, &text, error), min ? FF_E_INVALID : FF_OK);
	FF_CHECK_CODE(t, ffp_name_check(rule, "", &text, error), min ? FF_E_INVALID : FF_OK);
	FF_CHECK_CODE(t, ffp_name_check(rule, "a\nb", &text, error), FF_E_INVALID);
	FF_CHECK_STR(t, error->message,
	             ff_test_text(t, "%s 'a?b' is not UTF-8 without control characters", rule->field));
	FF_CHECK_EQ_INT(t, ffp_name_allows(rule, ffp_text("")), min == 0);
	FF_CHECK(t, ffp_name_allows(rule, ffp_text(ffp_name_of_size(t, 'n', max))));
	FF_CHECK(t, !ffp_name_allows(rule, ffp_text(ffp_name_of_size(t, 'n', max + 1))));
	FF_CHECK(t, !ffp_name_allows(rule, ffp_text("a\nb")));
}

static void names_at_their_limits(ff_test *t)
{
	check_rule(t, &ffp_name_budget_id, 1, 128);
	check_rule(t, &ffp_name_quota_policy_id, 1, 128);
	check_rule(t, &ffp_name_execution_id, 1, 128);
	check_rule(t, &ffp_name_dimension, 1, 64);
	check_rule(t, &ffp_name_key, 0, 256);
	check_rule(t, &ffp_name_given_key, 1, 256);
	check_rule(t, &ffp_name_after, 0, 128);
	check_rule(t, &ffp_name_scope_type, 0, 64);
	check_rule(t, &ffp_name_scope_id, 0, 128);
	check_rule(t, &ffp_name_on_hard_limit, 0, 64);
	check_rule(t, &ffp_name_on_soft_limit, 0, 64);
}

/* Limits are in bytes: 32 characters of two bytes fit a dimension, 33 do not, and neither do 63 bytes and one
 * of them. */
static void names_count_bytes(ff_test *t)
{
	char name[2 * 33 + 1] = "";
	ff_text text;
	for (int i = 0; i < 32; i++)
		strcat(name, "\xc3\xa9");
	FF_CHECK_CODE(t, ffp_name_check(&ffp_name_dimension, name, &text, ff_test_error(t)), FF_OK);
	FF_CHECK_EQ_INT(t, text.size, 64);
	strcat(name, "\xc3\xa9");
	FF_CHECK_CODE(t, ffp_name_check(&ffp_name_dimension, name, &text, ff_test_error(t)), FF_E_INVALID);
	const char *uneven = ff_test_text(t, "%s\xc3\xa9", ffp_name_of_size(t, 'n', 63));
	FF_CHECK_CODE(t, ffp_name_check(&ffp_name_dimension, uneven, &text, ff_test_error(t)), FF_E_INVALID);
}

/* Every byte at every place of texts that are looked at by eight bytes at a time. */
static void clean_at_every_place(ff_test *t)
{
	unsigned wrong = 0;
	for (size_t size = 1; size <= 17; size++) {
		for (size_t place = 0; place < size; place++) {
			for (unsigned byte = 0; byte < 256; byte++) {
				char text[17];
				memset(text, ' ' + (int)place, sizeof(text));
				text[place] = (char)byte;
				wrong += ffp_text_is_clean(text, size) != (byte >= 0x20 && byte < 0x7f);
			}
		}
	}
	FF_CHECK_EQ_INT(t, wrong, 0);
}

static void texts_compare_by_bytes(ff_test *t)
{
	FF_CHECK(t, ff_text_compare(ffp_text("a"), ffp_text("b")) < 0);
	FF_CHECK(t, ff_text_compare(ffp_text("ab"), ffp_text("a")) > 0);
	FF_CHECK(t, ff_text_compare(ffp_text(""), ffp_text(NULL)) == 0);
	FF_CHECK(t, ff_text_compare(ffp_text("a"), ffp_text("a")) == 0);
	FF_CHECK(t, ff_text_compare(ffp_text("z"), ffp_text("\xc3\xa9")) < 0); /* bytes are unsigned */
	FF_CHECK(t, ff_text_compare(ffp_text("Z"), ffp_text("a")) < 0);
	FF_CHECK(t, ffp_text_equal(ffp_text(""), (ff_text){ NULL, 0 }));
	FF_CHECK(t, ffp_text_equal(ffp_text("a"), ffp_text("a")));
	FF_CHECK(t, !ffp_text_equal(ffp_text("a"), ffp_text("b")));
	FF_CHECK(t, !ffp_text_equal(ffp_text("a"), ffp_text("ab")));
}

static const ff_case cases[] = {
	CASE(utf8_lengths, "FF-LIM-1", 0),         CASE(utf8_every_character, "FF-LIM-1", 0),
	CASE(clean_texts, "FF-LIM-1", 0),          CASE(clean_at_every_place, "FF-LIM-1", 0),
	CASE(valid_at_every_place, "FF-LIM-1", 0), CASE(names_at_their_limits, "FF-LIM-1", 0),
	CASE(names_count_bytes, "FF-LIM-1", 0),    CASE(texts_compare_by_bytes, "FF-LIM-2", 0),
};

FAMILY(ffp_tests_text, cases);
