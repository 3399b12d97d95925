/*
 * ffctl: JSON in and out, by cJSON, with what cJSON leaves open: it keeps numbers as doubles, prints large ones with
 * an exponent, takes text after the end, members twice and control characters, and cuts a text at an escaped NUL, which
 * \u with anything but hex digits behind is to it, too.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ffctl.h"

/* What every reader of JSON holds exactly. */
#define EXACT_MAX (UINT64_C(1) << 53)

/* Comparing members pair by pair must stay cheap, whatever a line holds. */
#define MEMBERS_MAX 1024

/* What is wrong with the escape that begins at `at`, or NULL. */
static const char *escape_fault(const char *at, const char *end)
{
	if (end - at < 6 || at[1] != 'u')
		return NULL;
	for (int i = 2; i < 6; i++)
		if (!isxdigit((unsigned char)at[i]))
			return "it is no JSON";
	return memcmp(at + 2, "0000", 4) == 0 ? "a text has a NUL in it" : NULL;
}

/* Moves *at behind a string that begins there. Answers what is wrong with it, or NULL. */
static const char *skip_string(const char **at, const char *end)
{
	for ((*at)++; *at < end && **at != '"'; (*at)++) {
		if (**at != '\\')
			continue;
		const char *fault = escape_fault(*at, end);
		if (fault)
			return fault;
		(*at)++;
	}
	(*at)++;
	return NULL;
}

/* The next number of a valid JSON text from *at on, outside of strings; NULL where there is none. */
static const char *next_number(const char **at, const char *end, size_t *size)
{
	while (*at < end && !strchr("-0123456789", **at))
		if (**at != '"')
			(*at)++;
		else
			skip_string(at, end);
	const char *number = *at;
	while (*at < end && strchr("+-.0123456789eE", **at))
		(*at)++;
	*size = (size_t)(*at - number);
	return *size ? number : NULL;
}

/* Moves *at behind the digits there. False where there are none. */
static bool skip_digits(const char **at)
{
	size_t count = strspn(*at, "0123456789");
	*at += count;
	return count > 0;
}

/* Whether a number has the form that JSON gives numbers: cJSON takes 007, 1. and -.5 too. */
static bool is_json_number(const char *number)
{
	const char *at = number + (*number == '-');
	if (*at == '0')
		at++;
	else if (!skip_digits(&at))
		return false;
	if (*at == '.') {
		at++;
		if (!skip_digits(&at))
			return false;
	}
	if (*at == 'e' || *at == 'E') {
		at += 1 + (at[1] == '+' || at[1] == '-');
		if (!skip_digits(&at))
			return false;
	}
	return *at == '\0';
}

static const char *check_members(const cJSON *object)
{
	size_t count = 0;
	for (const cJSON *member = object->child; member; member = member->next) {
		if (++count > MEMBERS_MAX)
			return "an object has more than 1,024 members";
		for (const cJSON *other = object->child; other != member; other = other->next)
			if (strcmp(other->string, member->string) == 0)
				return "an object has a member twice";
	}
	return NULL;
}

/* Goes through the tree in the order of the text, and gives each number its text. cJSON bounds the depth. */
static const char *finish_tree(cJSON *item, const char **at, const char *end)
{
	const char *fault = cJSON_IsObject(item) ? check_members(item) : NULL;
	if (!fault && cJSON_IsNumber(item)) {
		size_t size = 0;
		const char *number = next_number(at, end, &size);
		item->valuestring = cJSON_malloc(size + 1);
		if (!item->valuestring)
			return "memory is out";
		if (number)
			memcpy(item->valuestring, number, size);
		item->valuestring[size] = '\0';
		if (!is_json_number(item->valuestring))
			return "it is no JSON";
	}
	for (cJSON *child = item->child; child && !fault; child = child->next)
		fault = finish_tree(child, at, end);
	return fault;
}

/* cJSON takes control characters in texts, and any of them for a blank. */
static const char *check_bytes(const char *text, const char *end)
{
	for (const char *at = text; at < end; at++)
		if ((unsigned char)*at < ' ' && !strchr("\t\r\n", *at))
			return "it is no JSON";
	while (text < end) {
		const char *from = text, *fault = NULL;
		if (*text != '"')
			text++;
		else
			fault = skip_string(&text, end);
		if (fault)
			return fault;
		for (; from + 1 < text; from++)
			if ((unsigned char)*from < ' ')
				return "it is no JSON";
	}
	return NULL;
}

cJSON *ctl_json_parse(const char *text, size_t size, const char **fault)
{
	const char *end = text;
	cJSON *tree = memchr(text, '\0', size) ? NULL : cJSON_ParseWithLengthOpts(text, size, &end, 0);
	*fault = tree ? NULL : "it is no JSON";
	for (; !*fault && end < text + size; end++)
		if (!strchr(" \t\r\n", *end))
			*fault = "there is text after its end";
	if (!*fault)
		*fault = check_bytes(text, text + size);
	if (!*fault) {
		const char *at = text;
		*fault = finish_tree(tree, &at, text + size);
	}
	if (!*fault)
		return tree;
	cJSON_Delete(tree);
	return NULL;
}

ctl_bare ctl_json_bare(const char *number)
{
	uint64_t value;
	if (!ctl_read_number(number + (*number == '-'), &value))
		return CTL_BARE_OTHER;
	return value <= EXACT_MAX ? CTL_BARE_EXACT : CTL_BARE_LARGE;
}

bool ctl_json_number(const cJSON *item, uint64_t *number)
{
	if (!cJSON_IsString(item) && (!cJSON_IsNumber(item) || ctl_json_bare(item->valuestring) != CTL_BARE_EXACT))
		return false;
	return ctl_read_number(item->valuestring, number);
}

cJSON *ctl_json_object(void)
{
	cJSON *object = cJSON_CreateObject();
	if (!object)
		ctl_no_memory();
	return object;
}

void ctl_json_add(cJSON *object, const char *name, cJSON *item)
{
	if (!item || !cJSON_AddItemToObject(object, name, item))
		ctl_no_memory();
}

void ctl_json_integer(cJSON *object, const char *name, uint64_t number)
{
	char digits[32];
	snprintf(digits, sizeof digits, "%" PRIu64, number);
	ctl_json_add(object, name, number <= EXACT_MAX ? cJSON_CreateRaw(digits) : cJSON_CreateString(digits));
}

void ctl_json_time(cJSON *object, const char *name, int64_t ms)
{
	if (ms == FF_TIME_NONE)
		ctl_json_add(object, name, cJSON_CreateNull());
	else
		ctl_json_integer(object, name, (uint64_t)ms);
}

void ctl_json_text(cJSON *object, const char *name, const char *text)
{
	ctl_json_add(object, name, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void ctl_json_bool(cJSON *object, const char *name, bool value)
{
	ctl_json_add(object, name, cJSON_CreateBool(value));
}

void ctl_json_seconds(cJSON *object, const char *name, double value)
{
	char digits[64];
	snprintf(digits, sizeof digits, "%.3f", value);
	ctl_json_add(object, name, cJSON_CreateRaw(digits));
}

int ctl_json_print(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);
	if (!text)
		ctl_no_memory();
	puts(text);
	cJSON_free(text);
	cJSON_Delete(object);
	return CTL_DONE;
}
