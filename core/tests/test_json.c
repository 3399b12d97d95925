/* JSON as the contract wants it (FF-LIM-6). */
#include "json.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "tests.h"
#include "text.h"

static bool parses(ff_text text)
{
	const char *fault = NULL;
	/* A copy without anything behind it, so that a sanitizer sees a step too far. */
	char *bytes = malloc(text.size ? text.size : 1);
	if (!bytes)
		return false;
	memcpy(bytes, text.data, text.size);
	cJSON *root = ffp_json_parse((ff_text){ bytes, text.size }, &fault);
	cJSON_Delete(root);
	free(bytes);
	return root && !fault;
}

static void check_texts(ff_test *t, const ff_text *texts, size_t count, bool good)
{
	for (size_t i = 0; i < count; i++)
		if (!FF_CHECK(t, parses(texts[i]) == good))
			ff_test_note(t, "text %zu: %.*s", i, (int)texts[i].size, texts[i].data);
}

static void json_takes(ff_test *t)
{
	static const ff_text texts[] = {
		BYTES("{}"),
		BYTES("[]"),
		BYTES("0"),
		BYTES("-5"),
		BYTES("9007199254740992"), /* 2^53 */
		BYTES("-9007199254740992"),
		BYTES("\"\""),
		BYTES("true"),
		BYTES("null"),
		BYTES(" \t\r\n{ \"a\" : [ 1 , \"x\" , { \"b\" : false } ] } \t\r\n"),
		BYTES("{\"a\":{\"x\":1},\"b\":{\"x\":1}}"), /* the same name in two objects */
		BYTES("{\"a\":1,\"A\":2}"),
		BYTES("\"\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0001 \\u00e9 \\ud83d\\ude00\""),
		BYTES("\"\\\\u0000\""), /* a backslash, and not a NUL */
		BYTES("\"\xc3\xa9\xf0\x9f\x98\x80\x7f\""),
		BYTES("\"1.5e9\""),
	};
	check_texts(t, texts, COUNT_OF(texts), true);
}

static void json_refuses(ff_test *t)
{
	static const ff_text texts[] = {
		BYTES(""),
		BYTES(" "),
		BYTES("{"),
		BYTES("}"),
		BYTES("[1"),
		BYTES("{\"a\"}"),
		BYTES("{\"a\":}"),
		BYTES("{\"a\":1,}"),
		BYTES("[1,]"),
		BYTES("{a:1}"),
		BYTES("tru"),
		BYTES("nulll"),
		BYTES("Infinity"),
		BYTES("'a'"),
		BYTES("/* */ {}"),
		BYTES("\xef\xbb\xbf{}"), /* a byte order mark */
		BYTES("\v{}"),
		BYTES("{}\f"),
		/* text after the end */
		BYTES("{} {}"),
		BYTES("{}x"),
		BYTES("{},"),
		BYTES("1 2"),
		BYTES("{}\0"),
		BYTES("{}\0 "),
		BYTES("\0{}"),
		/* numbers */
		BYTES("1.0"),
		BYTES("1.5"),
		BYTES("1e3"),
		BYTES("1E3"),
		BYTES(".5"),
		BYTES("1."),
		BYTES("+1"),
		BYTES("01"),
		BYTES("-01"),
		BYTES("00"),
		BYTES("-"),
		BYTES("--1"),
		BYTES("1-2"),
		BYTES("1+2"),
		BYTES("0x10"),
		BYTES("1\0"),
		BYTES("9007199254740993"), /* 2^53 + 1 */
		BYTES("-9007199254740993"),
		BYTES("9223372036854775807"),
		BYTES("99999999999999999999999999"),
		BYTES("[1,2.0]"),
		BYTES("{\"a\":{\"b\":[1e2]}}"),
		/* strings */
		BYTES("\""),
		BYTES("\"a"),
		BYTES("\"a\\"),
		BYTES("\"a\\\""),
		BYTES("\"\\x\""),
		BYTES("\"\\u12\""),
		BYTES("\"\\u0000\""),
		BYTES("{\"a\\u0000b\":1}"),
		BYTES("\"\\ud800\""), /* halves of a pair */
		BYTES("\"\\udc00\""),
		BYTES("\"\\ud83dx\""),
		BYTES("\"\\ud83d\\u0041\""),
		BYTES("\"a\nb\""),
		BYTES("\"a\tb\""),
		BYTES("\"a\x1f\""),
		BYTES("\"a\0b\""),
		BYTES("\"\xff\""),
		BYTES("\"\xc3\""),
		BYTES("\"\xc0\x80\""),
		BYTES("\"\xed\xa0\x80\""),
		/* duplicate members */
		BYTES("{\"a\":1,\"a\":1}"),
		BYTES("{\"a\":1,\"b\":2,\"c\":3,\"a\":4}"),
		BYTES("{\"a\":1,\"\\u0061\":2}"),
		BYTES("{\"x\":{\"a\":1,\"a\":2}}"),
		BYTES("[0,[{\"b\":{\"a\":[],\"a\":{}}}]]"),
	};
	check_texts(t, texts, COUNT_OF(texts), false);
}

/* cJSON reads four digits that are none as U+0000, and a text would end there. */
static void json_refuses_escapes_without_digits(ff_test *t)
{
	static const ff_text texts[] = {
		BYTES("\"\\u004g\""), BYTES("\"\\uzzzz\""),           BYTES("\"a\\u00g0b\""),      BYTES("\"\\u 041\""),
		BYTES("\"\\u+041\""), BYTES("{\"tokens\\u-001\":5}"), BYTES("\"\\ud83d\\uzzzz\""),
	};
	check_texts(t, texts, COUNT_OF(texts), false);
}

/* So that a small stack is enough for any text: cJSON alone would go down a thousand levels. */
static void json_is_bounded_in_depth(ff_test *t)
{
	enum { DEEP = 100000 };
	char *text = ff_test_alloc(t, 2 * DEEP);
	memset(text, '[', DEEP);
	memset(text + DEEP, ']', DEEP);
	FF_CHECK(t, !parses((ff_text){ text, 2 * DEEP }));
	FF_CHECK(t, !parses((ff_text){ text, DEEP }));
	FF_CHECK(t, parses((ff_text){ text + DEEP - 128, 256 }));
	FF_CHECK(t, !parses((ff_text){ text + DEEP - 129, 258 }));
	for (size_t i = 0; i < 200; i++) /* side by side they are not deep */
		memcpy(text + 1 + 3 * i, "{},", 3);
	text[3 * 200] = ']';
	FF_CHECK(t, parses((ff_text){ text, 3 * 200 + 1 }));
}

static void json_reads_big_strings(ff_test *t)
{
	enum { SIZE = 1 << 20 };
	char *text = ff_test_alloc(t, SIZE);
	memset(text, 'x', SIZE);
	text[0] = text[SIZE - 1] = '"';
	const char *fault = NULL;
	cJSON *root = ffp_json_parse((ff_text){ text, SIZE }, &fault);
	FF_REQUIRE(t, root != NULL);
	FF_CHECK_EQ_INT(t, strlen(root->valuestring), SIZE - 2);
	cJSON_Delete(root);
}

static void json_says_what_is_wrong(ff_test *t)
{
	static const struct {
		ff_text text;
		const char *fault;
	} cases[] = {
		{ BYTES("{} x"), "a character that is not JSON" },
		{ BYTES("{}{}"), "text after the end" },
		{ BYTES("{\"a\":1,\"a\":1}"), "a duplicate member" },
		{ BYTES("[1.5]"), "a number that is no integer up to 2^53" },
		{ BYTES("[\"\\u0000\"]"), "a malformed string" },
		{ BYTES("["), "text that is not JSON" },
		{ BYTES(""), "text that is not JSON" },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *fault = NULL;
		errno = ENOMEM; /* which somebody else has left */
		FF_CHECK(t, ffp_json_parse(cases[i].text, &fault) == NULL);
		FF_CHECK_STR(t, fault, cases[i].fault);
	}
}

/* Members are found by their exact names; cJSON's own look-up ignores case. */
static void json_members_by_exact_name(ff_test *t)
{
	const char *fault = NULL;
	cJSON *root = ffp_json_parse(ffp_text("{\"Tokens\":1,\"tokens\":2}"), &fault);
	int64_t value = 0;
	FF_REQUIRE(t, root != NULL);
	FF_CHECK(t, ffp_json_int64(ffp_json_member(root, "tokens"), &value));
	FF_CHECK_EQ_INT(t, value, 2);
	FF_CHECK(t, ffp_json_member(root, "TOKENS") == NULL);
	cJSON_Delete(root);
}

static void check_int64(ff_test *t, const char *text, bool good, int64_t want)
{
	const char *fault = NULL;
	cJSON *root = ffp_json_parse(ffp_text(text), &fault);
	int64_t value = 0;
	FF_REQUIRE(t, root != NULL);
	bool read = ffp_json_int64(root, &value);
	cJSON_Delete(root);
	if (!FF_CHECK(t, read == good && (!good || value == want)))
		ff_test_note(t, "%s", text);
}

static void json_integers(ff_test *t)
{
	check_int64(t, "0", true, 0);
	check_int64(t, "\"0\"", true, 0);
	check_int64(t, "9007199254740992", true, INT64_C(1) << 53);
	check_int64(t, "\"9007199254740993\"", true, (INT64_C(1) << 53) + 1);
	check_int64(t, "\"9223372036854775807\"", true, INT64_MAX);
	check_int64(t, "\"9223372036854775808\"", false, 0);
	check_int64(t, "\"99999999999999999999\"", false, 0);
	check_int64(t, "-1", false, 0);
	check_int64(t, "\"-1\"", false, 0);
	check_int64(t, "\"+1\"", false, 0);
	check_int64(t, "\"01\"", false, 0);
	check_int64(t, "\"\"", false, 0);
	check_int64(t, "\" 1\"", false, 0);
	check_int64(t, "\"1 \"", false, 0);
	check_int64(t, "\"1e3\"", false, 0);
	check_int64(t, "\"1.0\"", false, 0);
	check_int64(t, "\"0x1\"", false, 0);
	check_int64(t, "true", false, 0);
	check_int64(t, "null", false, 0);
	check_int64(t, "[]", false, 0);
	check_int64(t, "{}", false, 0);
	int64_t value;
	FF_CHECK(t, !ffp_json_int64(NULL, &value));
}

static void check_signed(ff_test *t, const char *text, bool good, int64_t want)
{
	const char *fault = NULL;
	cJSON *root = ffp_json_parse(ffp_text(text), &fault);
	int64_t value = 0;
	FF_REQUIRE(t, root != NULL);
	bool read = ffp_json_signed(root, &value);
	cJSON_Delete(root);
	if (!FF_CHECK(t, read == good && (!good || value == want)))
		ff_test_note(t, "%s", text);
}

static void json_signed_integers(ff_test *t)
{
	check_signed(t, "0", true, 0);
	check_signed(t, "-5", true, -5);
	check_signed(t, "-9007199254740992", true, -(INT64_C(1) << 53));
	check_signed(t, "\"0\"", true, 0);
	check_signed(t, "\"-5\"", true, -5);
	check_signed(t, "\"9223372036854775807\"", true, INT64_MAX);
	check_signed(t, "\"-9223372036854775808\"", true, INT64_MIN);
	static const char *const refused[] = {
		"\"9223372036854775808\"",
		"\"-9223372036854775809\"",
		"\"-0\"",
		"\"01\"",
		"\"+1\"",
		"\" 1\"",
		"\"1 \"",
		"\"1.0\"",
		"\"0x1\"",
		"\"-\"",
		"\"\"",
		"true",
		"null",
		"[]",
		"{}",
	};
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		check_signed(t, refused[i], false, 0);
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void json_writes_integers(ff_test *t)
{
	static const struct {
		int64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ INT64_C(9007199254740992), "9007199254740992" },
		{ INT64_C(9007199254740993), "\"9007199254740993\"" },
		{ INT64_MAX, "\"9223372036854775807\"" },
		{ -1, "-1" },
		{ INT64_C(-9007199254740992), "-9007199254740992" },
		{ INT64_C(-9007199254740993), "\"-9007199254740993\"" },
		{ INT64_MIN, "\"-9223372036854775808\"" },
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		ffp_writer writer = { .arena = ffp_raw_arena(t) };
		ffp_write_int64(&writer, cases[i].value);
		FF_CHECK_STR(t, ffp_written(&writer).data, cases[i].text);
		check_int64(t, cases[i].text, cases[i].value >= 0, cases[i].value);
		check_signed(t, cases[i].text, true, cases[i].value);
	}
}

static void check_string(ff_test *t, const char *text, const char *want)
{
	ffp_writer writer = { .arena = ffp_raw_arena(t) };
	const char *fault = NULL;
	ffp_write_string(&writer, ffp_text(text));
	ff_text written = ffp_written(&writer);
	FF_CHECK_STR(t, written.data, want);
	cJSON *root = ffp_json_parse(written, &fault);
	FF_REQUIRE(t, root != NULL);
	FF_CHECK_STR(t, root->valuestring, text);
	cJSON_Delete(root);
}

static void json_writes_strings(ff_test *t)
{
	check_string(t, "", "\"\"");
	check_string(t, "plain / text", "\"plain / text\"");
	check_string(t, "\"q\" \\ %s", "\"\\\"q\\\" \\\\ %s\"");
	check_string(t, "\x01\n\x1f", "\"\\u0001\\u000a\\u001f\"");
	check_string(t, "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

/* The text moves as it grows; nothing of it is lost, and a NUL stands behind it. */
static void json_writer_grows(ff_test *t)
{
	enum { TIMES = 3000 };
	ffp_writer writer = { .arena = ffp_raw_arena(t) };
	for (int i = 0; i < TIMES; i++)
		ffp_write_raw(&writer, "0123456789");
	ff_text written = ffp_written(&writer);
	FF_REQUIRE(t, written.data != NULL);
	FF_CHECK_EQ_INT(t, written.size, 10 * TIMES);
	FF_CHECK_EQ_INT(t, strlen(written.data), 10 * TIMES);
	unsigned wrong = 0;
	for (size_t i = 0; i < written.size; i++)
		wrong += written.data[i] != (char)('0' + i % 10);
	FF_CHECK_EQ_INT(t, wrong, 0);
}

static void *no_more(ff_arena *arena, size_t size)
{
	(void)arena;
	(void)size;
	return NULL;
}

static void json_writer_without_memory(ff_test *t)
{
	static _Alignas(16) char room[256];
	ff_arena arena = { .at = room, .end = room + sizeof(room), .grow = no_more };
	ffp_writer writer = { .arena = &arena };
	for (int i = 0; i < 100; i++)
		ffp_write_string(&writer, ffp_text("0123456789"));
	FF_CHECK(t, writer.failed);
	FF_CHECK(t, ffp_written(&writer).data == NULL && ffp_written(&writer).size == 0);
}

/* What once had no memory is not a text with a hole in it, however much there is later. */
static void json_writer_without_memory_once(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena arena;
	ffp_arena_init(&arena, &memory->allocator);
	ffp_writer writer = { .arena = &arena.base };
	ffp_write_raw(&writer, "0123456789");
	memory->at = memory->taken + 1;
	ffp_write_raw(&writer, ffp_name_of_size(t, 'x', 100000));
	FF_CHECK(t, writer.failed);
	ffp_write_raw(&writer, ffp_name_of_size(t, 'x', 1000000));
	FF_CHECK(t, ffp_written(&writer).data == NULL);
	ffp_arena_free(&arena);
}

static const ff_case cases[] = {
	CASE(json_takes, "FF-LIM-6", 0),
	CASE(json_refuses, "FF-LIM-6", 0),
	CASE(json_refuses_escapes_without_digits, "FF-LIM-6", 0),
	CASE(json_is_bounded_in_depth, "FF-LIM-6", 0),
	CASE(json_reads_big_strings, "FF-LIM-6", 0),
	CASE(json_says_what_is_wrong, "FF-LIM-6", 0),
	CASE(json_members_by_exact_name, "FF-LIM-6", 0),
	CASE(json_integers, "FF-LIM-6", 0),
	CASE(json_signed_integers, "FF-LIM-6", 0),
	CASE(json_writes_integers, "FF-LIM-6", 0),
	CASE(json_writes_strings, "FF-LIM-6", 0),
	CASE(json_writer_grows, "", 0),
	CASE(json_writer_without_memory, "", 0),
	CASE(json_writer_without_memory_once, "", 0),
};

FAMILY(ffp_tests_json, cases);
