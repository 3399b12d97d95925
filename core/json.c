#include "json.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "text.h"

#define EXACT_MAX (INT64_C(1) << 53)
/* Far more than the contract's texts have; find_fault tells the number. Whoever goes over a text recurses with it, and a
 * host's thread may have a small stack. */
#define DEPTH_MAX 128

/* ---- reading ------------------------------------------------------------------------------------------------ */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits at `at`, up to `end`, as an integer 0 … INT64_MAX without a leading zero; NULL where they are none. */
static const char *read_digits(const char *at, const char *end, int64_t *value)
{
	if (at == end || !is_digit(*at) || (*at == '0' && at + 1 < end && is_digit(at[1])))
		return NULL;
	for (*value = 0; at < end && is_digit(*at); at++)
		if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *at - '0', value))
			return NULL;
	return at;
}

/* The length of the escape that begins here, or 0 where there is none that JSON knows and the contract takes
 * (no NUL). */
static size_t escape_length(const char *at, const char *end)
{
	if (end - at < 2 || at[1] == '\0' || !strchr("\"\\/bfnrtu", at[1]))
		return 0;
	if (at[1] != 'u')
		return 2;
	if (end - at < 6 || memcmp(at + 2, "0000", 4) == 0)
		return 0;
	for (unsigned i = 2; i < 6; i++)
		if (!isxdigit((unsigned char)at[i]))
			return 0;
	return 6;
}

/* Steps over a string whose opening quote was read; NULL where it holds what JSON or the contract forbids. */
static const char *skip_string(const char *at, const char *end)
{
	while (at < end && *at != '"') {
		if ((unsigned char)*at < 0x20)
			return NULL;
		size_t length = *at == '\\' ? escape_length(at, end) : ffp_utf8_length(at, (size_t)(end - at));
		if (length == 0)
			return NULL;
		at += length;
	}
	return at < end ? at + 1 : NULL;
}

static const char *skip_number(const char *at, const char *end)
{
	int64_t value;
	at = read_digits(*at == '-' ? at + 1 : at, end, &value);
	bool exact = at && value <= EXACT_MAX;
	return exact && (at == end || !strchr(".eE+-", *at)) ? at : NULL;
}

/* What cJSON would take although the contract refuses it; NULL where there is nothing. */
static const char *find_fault(ff_text text)
{
	const char *at = text.data;
	const char *end = at + text.size;
	int64_t depth = 0;
	while (at < end) {
		if (*at == '"') {
			at = skip_string(at + 1, end);
			if (!at)
				return "a malformed string";
		} else if (is_digit(*at) || *at == '-') {
			at = skip_number(at, end);
			if (!at)
				return "a number that is no integer up to 2^53";
		} else if (*at && strchr("{}[]:,truefalsn \t\r\n", *at)) {
			depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
			if (depth > DEPTH_MAX)
				return "more than 128 levels of nesting";
			at++;
		} else {
			return "a character that is not JSON";
		}
	}
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const cJSON *const *)a)->string, (*(const cJSON *const *)b)->string);
}

/* Whether a member of one object stands twice in it. */
static bool has_duplicate(const cJSON *object, bool *no_memory)
{
	size_t count = (size_t)cJSON_GetArraySize(object);
	if (count < 2)
		return false;
	const cJSON **members = cJSON_malloc(count * sizeof(*members));
	bool duplicate = false;
	*no_memory |= !members;
	size_t i = 0;
	for (const cJSON *at = object->child; members && at; at = at->next)
		members[i++] = at;
	if (members)
		qsort(members, count, sizeof(*members), compare_names);
	for (i = 1; members && i < count; i++)
		duplicate |= strcmp(members[i - 1]->string, members[i]->string) == 0;
	cJSON_free(members);
	return duplicate;
}

/* As deep as the text is nested. */
static bool has_duplicate_below(const cJSON *item, bool *no_memory) /* NOLINT(misc-no-recursion) */
{
	if (cJSON_IsObject(item) && has_duplicate(item, no_memory))
		return true;
	for (const cJSON *at = item->child; at; at = at->next)
		if (has_duplicate_below(at, no_memory))
			return true;
	return false;
}

cJSON *ffp_json_parse(ff_text text, const char **fault)
{
	*fault = find_fault(text);
	if (*fault)
		return NULL;
	const char *end = NULL;
	errno = 0; /* cJSON says no more than that it failed; malloc says so, too */
	cJSON *value = text.size ? cJSON_ParseWithLengthOpts(text.data, text.size, &end, false) : NULL;
	bool no_memory = !value && errno == ENOMEM;
	if (!value) {
		*fault = no_memory ? NULL : "text that is not JSON";
		return NULL;
	}
	while (end < text.data + text.size && *end && strchr(" \t\r\n", *end))
		end++;
	if (end != text.data + text.size)
		*fault = "text after the end";
	else if (has_duplicate_below(value, &no_memory))
		*fault = "a duplicate member";
	if (*fault || no_memory) {
		cJSON_Delete(value);
		value = NULL;
	}
	return value;
}

const cJSON *ffp_json_member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A number is exact: ffp_json_parse let no other pass. */
bool ffp_json_signed(const cJSON *item, int64_t *value)
{
	if (cJSON_IsNumber(item)) {
		*value = (int64_t)item->valuedouble;
		return true;
	}
	if (!cJSON_IsString(item))
		return false;
	*value = strtoll(item->valuestring, NULL, 10);
	char digits[32];
	snprintf(digits, sizeof(digits), "%" PRId64, *value);
	return strcmp(digits, item->valuestring) == 0; /* all of it, in range, and in its one canonical form */
}

bool ffp_json_int64(const cJSON *item, int64_t *value)
{
	return ffp_json_signed(item, value) && *value >= 0;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void write_bytes(ffp_writer *writer, const char *bytes, size_t size)
{
	if (writer->room - writer->size <= size && !writer->failed) {
		size_t room = 2 * (writer->size + size) + 64;
		char *data = ff_arena_take(writer->arena, room);
		writer->failed = !data;
		if (data && writer->size)
			memcpy(data, writer->data, writer->size);
		writer->data = data;
		writer->room = room;
	}
	if (writer->failed)
		return;
	memcpy(writer->data + writer->size, bytes, size);
	writer->size += size;
}

void ffp_write_raw(ffp_writer *writer, const char *text)
{
	write_bytes(writer, text, strlen(text));
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

void ffp_write_string(ffp_writer *writer, ff_text text)
{
	write_bytes(writer, "\"", 1);
	for (size_t i = 0; i < text.size;) {
		size_t run = i;
		while (run < text.size && is_plain(text.data[run]))
			run++;
		write_bytes(writer, text.data + i, run - i);
		i = run;
		if (i == text.size)
			break;
		char escaped[8];
		if (text.data[i] == '"' || text.data[i] == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", text.data[i]);
		else
			snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned)text.data[i]);
		write_bytes(writer, escaped, strlen(escaped));
		i++;
	}
	write_bytes(writer, "\"", 1);
}

void ffp_write_int64(ffp_writer *writer, int64_t value)
{
	char digits[32];
	snprintf(digits, sizeof(digits), value > EXACT_MAX || value < -EXACT_MAX ? "\"%" PRId64 "\"" : "%" PRId64,
	         value);
	ffp_write_raw(writer, digits);
}

ff_text ffp_written(ffp_writer *writer)
{
	write_bytes(writer, "", 1);
	if (writer->failed)
		return (ff_text){ NULL, 0 };
	return (ff_text){ writer->data, writer->size - 1 };
}
