/*
 * Any bytes as what ffctl reads: a log, a policy file, values of the command line. The first byte says what the rest is, so
 * that seeds can be read: CSV, JSON lines, data whose format is to be found out, a policy, values. What ffctl's readers
 * make of them is held against plain ones that have the whole text before them.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#include "ffctl.h"

#define BLANKS " \t\r\n"

/* ---- what main.c has for the readers ---------------------------------------------------------------------------- */

_Noreturn void ctl_no_memory(void)
{
	fputs("memory is out, or so it was said\n", stderr);
	abort();
}

void *ctl_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	MUST(memory);
	return memory;
}

void *ctl_resize(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count, size);
	MUST(memory);
	return memory;
}

ff_code ctl_open_scratch(ff_engine **engine, ff_error *error)
{
	(void)error;
	*engine = fuzz_open();
	return FF_OK;
}

/* ---- the file that is read: CMakeLists.txt has the readers call these in place of the system's --------------------- */

static struct {
	char *bytes;
	size_t size;
	size_t at;
	size_t step;     /* no read answers more */
	size_t fails_at; /* from there on reads fail */
	bool interrupted;
} file;

int fuzz_open_file(const char *path, int flags, ...);
ssize_t fuzz_read(int descriptor, void *to, size_t size);
FILE *fuzz_fopen(const char *path, const char *mode);

int fuzz_open_file(const char *path, int flags, ...)
{
	(void)path;
	(void)flags;
	file.at = 0;
	return STDIN_FILENO; /* which is not closed */
}

/* Every second read is interrupted. */
ssize_t fuzz_read(int descriptor, void *to, size_t size)
{
	MUST(descriptor == STDIN_FILENO && size > 0);
	file.interrupted = !file.interrupted;
	if (file.interrupted || file.at == file.fails_at) {
		errno = file.interrupted ? EINTR : EIO;
		return -1;
	}
	size_t end = file.size < file.fails_at ? file.size : file.fails_at;
	size = size < file.step ? size : file.step;
	size = size < end - file.at ? size : end - file.at;
	memcpy(to, file.bytes + file.at, size);
	file.at += size;
	return (ssize_t)size;
}

FILE *fuzz_fopen(const char *path, const char *mode)
{
	(void)path;
	return fmemopen(file.bytes, file.size, mode);
}

/* ---- JSON by the letter of RFC 8259 ------------------------------------------------------------------------------- */

#define DEPTH_MAX 1000 /* cJSON's */

/* An older cJSON has room for so many characters of a number. */
#define NUMBER_MAX 63

typedef struct piece {
	const char *text;
	size_t size;
} piece;

typedef struct json {
	const char *at;
	const char *end;
	piece *numbers; /* in the order of the text */
	size_t numbers_count;
	size_t depth;
	bool long_number;
} json;

static bool json_take(json *in, const char *word)
{
	size_t size = strlen(word);
	bool there = (size_t)(in->end - in->at) >= size && memcmp(in->at, word, size) == 0;
	in->at += there ? size : 0;
	return there;
}

static void json_blanks(json *in)
{
	while (in->at < in->end && *in->at && strchr(BLANKS, *in->at))
		in->at++;
}

static size_t json_digits(json *in)
{
	const char *from = in->at;
	while (in->at < in->end && isdigit((unsigned char)*in->at))
		in->at++;
	return (size_t)(in->at - from);
}

static bool json_number(json *in)
{
	const char *from = in->at;
	json_take(in, "-");
	if (!json_take(in, "0") && !json_digits(in))
		return false;
	if (json_take(in, ".") && !json_digits(in))
		return false;
	if (json_take(in, "e") || json_take(in, "E")) {
		if (!json_take(in, "+"))
			json_take(in, "-");
		if (!json_digits(in))
			return false;
	}
	piece number = { from, (size_t)(in->at - from) };
	in->numbers[in->numbers_count++] = number;
	in->long_number |= number.size > NUMBER_MAX;
	return true;
}

static bool json_hex(json *in, unsigned *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, in->at++) {
		if (in->at == in->end || !isxdigit((unsigned char)*in->at))
			return false;
		const char digit[] = { *in->at, '\0' };
		*code = *code * 16 + (unsigned)strtoul(digit, NULL, 16);
	}
	return true;
}

/* No NUL, and of surrogates only pairs. */
static bool json_escape(json *in)
{
	unsigned code, second;
	if (in->at < in->end && *in->at && strchr("\"\\/bfnrt", *in->at))
		return in->at++;
	if (!json_take(in, "u") || !json_hex(in, &code) || code == 0 || (code >= 0xdc00 && code < 0xe000))
		return false;
	if (code < 0xd800 || code >= 0xe000)
		return true;
	return json_take(in, "\\u") && json_hex(in, &second) && second >= 0xdc00 && second < 0xe000;
}

static bool json_string(json *in)
{
	if (!json_take(in, "\""))
		return false;
	while (!json_take(in, "\"")) {
		if (in->at == in->end || (unsigned char)*in->at < ' ')
			return false;
		if (*in->at++ == '\\' && !json_escape(in))
			return false;
	}
	return true;
}

static bool json_value(json *in);

/* The members of an object or the elements of an array, behind what opens it. */
static bool json_list(json *in, bool named, const char *end)
{
	if (++in->depth > DEPTH_MAX)
		return false;
	json_blanks(in);
	bool over = json_take(in, end);
	while (!over) {
		json_blanks(in);
		if (named) {
			if (!json_string(in))
				return false;
			json_blanks(in);
			if (!json_take(in, ":"))
				return false;
		}
		if (!json_value(in))
			return false;
		over = json_take(in, end);
		if (!over && !json_take(in, ","))
			return false;
	}
	in->depth--;
	return true;
}

static bool json_value(json *in)
{
	json_blanks(in);
	bool valid = json_take(in, "null") || json_take(in, "true") || json_take(in, "false");
	if (!valid && in->at < in->end && *in->at == '"')
		valid = json_string(in);
	else if (!valid && json_take(in, "{"))
		valid = json_list(in, true, "}");
	else if (!valid && json_take(in, "["))
		valid = json_list(in, false, "]");
	else if (!valid)
		valid = json_number(in);
	json_blanks(in);
	return valid;
}

static bool has_twice(const cJSON *item)
{
	for (const cJSON *child = item->child; child; child = child->next) {
		for (const cJSON *other = item->child; cJSON_IsObject(item) && other != child; other = other->next)
			if (strcmp(other->string, child->string) == 0)
				return true;
		if (has_twice(child))
			return true;
	}
	return false;
}

/* Each number has its own text; answers how many there are from `numbers` on. */
static size_t check_numbers(const cJSON *item, const piece *numbers)
{
	size_t count = 0;
	if (cJSON_IsNumber(item)) {
		MUST(strlen(item->valuestring) == numbers->size);
		MUST(memcmp(item->valuestring, numbers->text, numbers->size) == 0);
		count++;
	}
	for (const cJSON *child = item->child; child; child = child->next)
		count += check_numbers(child, numbers + count);
	return count;
}

/* Answers whether it is an object. */
static bool try_json(const char *text, size_t size)
{
	json in = { .at = text, .end = text + size, .numbers = ctl_allocate(size + 1, sizeof(piece)) };
	const char *fault;
	cJSON *tree = ctl_json_parse(text, size, &fault);
	MUST((tree == NULL) == (fault != NULL));
	json_take(&in, "\xEF\xBB\xBF"); /* which cJSON takes off where there is a text behind */
	bool marked = in.at > text && size < 5;
	bool valid = json_value(&in) && in.at == in.end && !marked;
	if (tree) {
		MUST(valid && !has_twice(tree));
		MUST(check_numbers(tree, in.numbers) == in.numbers_count);
	} else if (valid && !in.long_number) {
		cJSON *plain = cJSON_ParseWithLength(text, size);
		MUST(plain && has_twice(plain));
		cJSON_Delete(plain);
	}
	bool is_object = cJSON_IsObject(tree);
	cJSON_Delete(tree);
	free(in.numbers);
	return is_object;
}

/* ---- records, out of the whole text ------------------------------------------------------------------------------- */

static const char *const columns[] = { "a", "b", "a" };

/* A file, and what is to be found in it. */
typedef struct expected {
	const char *at;
	const char *end;
	uint64_t number;
	uint64_t line; /* where `at` is */
	size_t columns_count;
	fuzz_lines records;
	ff_code code;

	/* The present record. */
	uint64_t first_line;
	piece *cells;
	size_t cells_count;
	char *text; /* of the cells */
	bool fault;
} expected;

static void tell_record(fuzz_lines *to, uint64_t number, uint64_t line, bool fault)
{
	char words[96];
	int size =
	    snprintf(words, sizeof(words), "%" PRIu64 " in line %" PRIu64 "%s", number, line, fault ? ": fault" : "");
	fuzz_add_line(to, words, (size_t)size, NULL);
}

static const char *line_end(const char *at, const char *end)
{
	const char *feed = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	return feed ? feed : end;
}

static bool is_blank(const char *at, const char *end)
{
	while (at < end && *at && strchr(BLANKS, *at))
		at++;
	return at == end;
}

/* Too long counts the line feed, though it may be missing at the file's end. */
static bool is_too_long(const char *at, const char *end)
{
	return (size_t)(end - at) + (end == at || end[-1] != '\n') > RECORD_MAX;
}

/* Behind the present record, which ends there. */
static void end_record(expected *in, const char *end)
{
	in->fault |= is_too_long(in->at, end);
	in->first_line = in->line;
	for (; in->at < end; in->at++)
		in->line += *in->at == '\n';
}

static const char *behind_line(const expected *in, const char *at)
{
	const char *end = line_end(at, in->end);
	return end + (end < in->end);
}

/* To the next line that is not blank; false where there is none. */
static bool find_line(expected *in)
{
	for (;;) {
		const char *end = behind_line(in, in->at);
		if (in->at == in->end)
			return false;
		if (!is_blank(in->at, end) || is_too_long(in->at, end))
			break;
		end_record(in, end);
	}
	in->fault = false;
	return true;
}

/* How many bytes end a line here: a carriage return does before a line feed and before the end. */
static size_t feed_size(const expected *in, const char *at)
{
	size_t returns = at < in->end && *at == '\r';
	if (at + returns == in->end)
		return returns;
	return at[returns] == '\n' ? returns + 1 : 0;
}

/* A cell's text goes to `to`; answers what follows it, or NULL where its quote is not closed. */
static const char *read_cell(const expected *in, const char *at, char **to)
{
	if (at == in->end || *at != '"') {
		while (at < in->end && *at != ',' && *at != '"' && !feed_size(in, at))
			*(*to)++ = *at++;
		return at;
	}
	for (at++; at < in->end; at++) {
		bool doubled = at + 1 < in->end && at[1] == '"';
		if (*at == '"' && !doubled)
			return at + 1;
		at += *at == '"';
		if (*at != '\r' || !feed_size(in, at))
			*(*to)++ = *at;
	}
	return NULL;
}

static void read_csv(expected *in)
{
	char *to = in->text;
	const char *at = in->at;
	in->cells_count = 0;
	do {
		char *from = to;
		at = read_cell(in, at + (in->cells_count > 0), &to);
		in->cells[in->cells_count++] = (piece){ from, (size_t)(to - from) };
	} while (at && at < in->end && *at == ',');
	in->fault |= !at || (at < in->end && !feed_size(in, at));
	end_record(in, at ? behind_line(in, at) : in->end);
}

/* ---- a log -------------------------------------------------------------------------------------------------------- */

/* Where the header has each column, or that it is no such header. */
static bool find_columns(expected *in, size_t *places)
{
	if (!find_line(in))
		return false;
	read_csv(in);
	for (size_t i = 0; i < in->columns_count; i++) {
		size_t found = 0;
		for (size_t k = 0; k < in->cells_count; k++)
			if (in->cells[k].size == 1 && *in->cells[k].text == *columns[i]) {
				places[i] = k;
				found++;
			}
		in->fault |= found != 1;
	}
	return !in->fault;
}

static void expect_csv(expected *in)
{
	size_t places[3];
	if (!find_columns(in, places)) {
		in->code = FF_E_INVALID;
		return;
	}
	size_t header = in->cells_count;
	while (find_line(in)) {
		read_csv(in);
		in->fault |= in->cells_count != header;
		for (size_t i = 0; !in->fault && i < in->columns_count; i++)
			in->fault |= memchr(in->cells[places[i]].text, '\0', in->cells[places[i]].size) != NULL;
		tell_record(&in->records, ++in->number, in->first_line, in->fault);
		for (size_t i = 0; !in->fault && i < in->columns_count; i++)
			fuzz_add_line(&in->records, in->cells[places[i]].text, in->cells[places[i]].size, NULL);
	}
}

static void expect_json(expected *in)
{
	while (find_line(in)) {
		const char *from = in->at;
		end_record(in, behind_line(in, from));
		size_t size = (size_t)(in->at - from);
		size -= from[size - 1] == '\n';
		size -= size && from[size - 1] == '\r';
		in->fault |= !try_json(from, size);
		tell_record(&in->records, ++in->number, in->first_line, in->fault);
	}
}

/* Tells the records, of CSV with the cells that were asked for; those of JSON are in `fields`. */
static ff_code read_log(const char *path, size_t columns_count, bool json, fuzz_lines *records, fuzz_lines *fields)
{
	ctl_source *source;
	const ctl_record *record;
	ff_error error;
	uint64_t line = 0;
	ff_code code = ctl_source_open(path, columns, columns_count, &source, &error);
	MUST((source == NULL) == (code != FF_OK));
	while (!code && !(code = ctl_source_next(source, &record, &error)) && record) {
		MUST(record->line > line);
		line = record->line;
		tell_record(records, record->number, record->line, record->fault != NULL);
		for (size_t i = 0; !record->fault && i < columns_count; i++) {
			const ctl_field *field = &record->fields[i];
			MUST(json || field->kind == CTL_FIELD_TEXT);
			MUST(field->kind != CTL_FIELD_INEXACT || *field->text);
			fuzz_add_line(json ? fields : records, field->text, strlen(field->text), NULL);
		}
	}
	MUST(code == FF_OK || error.message[0]);
	ctl_source_close(source);
	return code;
}

static bool begins_with(const fuzz_lines *whole, const fuzz_lines *part)
{
	return part->size <= whole->size && (!part->size || memcmp(whole->text, part->text, part->size) == 0);
}

static void must_be_same(const fuzz_lines *want, const fuzz_lines *got)
{
	if (want->size == got->size && begins_with(want, got))
		return;
	fprintf(stderr, "expected:\n%.*sread:\n%.*s", (int)want->size, want->text, (int)got->size, got->text);
	abort();
}

/* The whole log, whatever the reads answer; and what comes before a read that fails. */
static void read_thrice(const expected *in, const char *path, bool json, size_t step, size_t fails_at)
{
	fuzz_lines records[3] = { 0 }, fields[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		file.step = i == 0 ? SIZE_MAX : step;
		file.fails_at = i == 2 ? fails_at : SIZE_MAX;
		ff_code code = read_log(path, in->columns_count, json, &records[i], &fields[i]);
		MUST(code == in->code || (i == 2 && code == FF_E_IO));
		MUST(i != 2 || code != FF_OK);
	}
	must_be_same(&in->records, &records[0]);
	must_be_same(&in->records, &records[1]);
	must_be_same(&fields[0], &fields[1]);
	MUST(begins_with(&records[0], &records[2]) && begins_with(&fields[0], &fields[2]));
	for (int i = 0; i < 3; i++) {
		free(records[i].text);
		free(fields[i].text);
	}
}

/* Three bytes come before the file: how many columns are asked for, how much a read answers, and where one fails. */
static void try_log(const char *path, uint8_t *bytes, size_t size)
{
	if (size < 3)
		return;
	file.bytes = (char *)bytes + 3;
	file.size = size - 3;
	expected in = { .at = file.bytes, .end = file.bytes + file.size, .line = 1 };
	in.columns_count = bytes[0] % 4;
	in.cells = ctl_allocate(file.size + 1, sizeof(*in.cells));
	in.text = ctl_allocate(file.size + 1, 1);
	if (file.size >= 3 && memcmp(in.at, "\xEF\xBB\xBF", 3) == 0)
		in.at += 3;
	const char *first = in.at;
	while (first < in.end && is_blank(first, first + 1))
		first++;
	bool json = strstr(path, ".jsonl") || (!strstr(path, ".csv") && first < in.end && *first == '{' &&
	                                       (size_t)(first - file.bytes) < RECORD_MAX);
	if (json)
		expect_json(&in);
	else
		expect_csv(&in);
	read_thrice(&in, path, json, 1 + bytes[1] % 64, bytes[2] * file.size / UINT8_MAX);
	free(in.records.text);
	free(in.text);
	free(in.cells);
}

/* ---- a policy ----------------------------------------------------------------------------------------------------- */

static const char *member_text(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void check_budget(const ff_budget_spec *budget, const cJSON *item)
{
	const char *scope = member_text(item, "scope");
	const cJSON *limit = cJSON_GetObjectItemCaseSensitive(item, "limits");
	MUST(strcmp(budget->budget_id, member_text(item, "budget_id")) == 0 && budget->reset_interval_ms >= 0);
	if (scope) {
		size_t type = strlen(budget->scope_type);
		MUST(memcmp(scope, budget->scope_type, type) == 0 && strchr(scope, ':') == scope + type);
		MUST(strcmp(scope + type + 1, budget->scope_id) == 0);
	}
	limit = limit ? limit->child : NULL;
	for (size_t i = 0; i < budget->limits_count; i++, limit = limit->next) {
		uint64_t hard = 0, soft = 0;
		MUST(limit && strcmp(limit->string, budget->limits[i].dimension) == 0);
		ctl_json_number(cJSON_GetObjectItemCaseSensitive(limit, "hard"), &hard);
		ctl_json_number(cJSON_GetObjectItemCaseSensitive(limit, "soft"), &soft);
		MUST(budget->limits[i].hard == hard && budget->limits[i].soft == soft);
	}
	MUST(!limit);
}

static void check_document(const ctl_policy *policy)
{
	const cJSON *budget = cJSON_GetObjectItemCaseSensitive(policy->document, "budgets");
	const cJSON *quota = cJSON_GetObjectItemCaseSensitive(policy->document, "quotas");
	MUST((size_t)cJSON_GetArraySize(budget) == policy->budgets_count);
	MUST((size_t)cJSON_GetArraySize(quota) == policy->quotas_count);
	budget = budget ? budget->child : NULL;
	for (size_t i = 0; i < policy->budgets_count; i++, budget = budget->next)
		check_budget(&policy->budgets[i], budget);
	quota = quota ? quota->child : NULL;
	for (size_t i = 0; i < policy->quotas_count; i++, quota = quota->next)
		MUST(strcmp(policy->quotas[i].quota_policy_id, member_text(quota, "quota_policy_id")) == 0);
}

/* What the check takes can be applied, and again, which changes nothing; what it refuses cannot. */
static void apply(const ctl_policy *policy)
{
	ff_error error;
	ff_code code = ctl_policy_check(policy, fuzz_now_ms, &error);
	MUST(code == FF_OK || (code == FF_E_INVALID && error.message[0]));
	ff_engine *once = fuzz_open();
	ff_engine *twice = fuzz_open();
	MUST(ctl_policy_apply(policy, once, fuzz_now_ms, &error) == code);
	MUST(ctl_policy_apply(policy, twice, fuzz_now_ms, &error) == code);
	MUST(ctl_policy_apply(policy, twice, fuzz_now_ms, &error) == code);
	fuzz_must_export_same(once, twice);
	fuzz_must_be_sound(once);
	ff_engine_close(&once);
	ff_engine_close(&twice);
}

static void try_policy(uint8_t *bytes, size_t size)
{
	ctl_policy policy;
	ff_error error;
	file.bytes = (char *)bytes;
	file.size = size;
	bool is_object = try_json(file.bytes, size);
	ff_code code = ctl_policy_read("policy.json", &policy, &error);
	MUST(code == FF_OK || (code == FF_E_INVALID && error.message[0]));
	MUST(code || is_object);
	if (code)
		return;
	check_document(&policy);
	apply(&policy);
	ctl_policy_free(&policy);
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static bool is_digits(const char *text, size_t size)
{
	size_t i = 0;
	while (i < size && isdigit((unsigned char)text[i]))
		i++;
	return size > 0 && i == size;
}

static void try_number(const char *text)
{
	uint64_t number, within;
	bool taken = ctl_read_number(text, &number);
	MUST(taken == is_digits(text, strlen(text)));
	MUST(!taken || number == strtoull(text, NULL, 10)); /* that, too, saturates */
	for (uint64_t min = 0; min <= 1; min++) {
		bool in_range = taken && number >= min && number <= INT64_MAX;
		MUST(ctl_read_range(text, min, INT64_MAX, &within) == in_range);
		MUST(!in_range || within == number);
	}
	size_t sign = *text == '-';
	ctl_bare bare = ctl_json_bare(text);
	if (!is_digits(text + sign, strlen(text + sign)))
		MUST(bare == CTL_BARE_OTHER);
	else
		MUST((bare == CTL_BARE_LARGE) == (strtoull(text + sign, NULL, 10) > UINT64_C(1) << 53));
}

static void try_duration(const char *text)
{
	static const char *const units[] = { "ms", "s", "m", "h", "d" };
	static const uint64_t unit_ms[] = { 1, 1000, 60000, 3600000, 86400000 };
	int64_t ms, again;
	uint64_t seconds, factor = 0;
	size_t digits = strspn(text, "0123456789");
	for (size_t i = 0; i < 5; i++)
		factor = strcmp(text + digits, units[i]) == 0 ? unit_ms[i] : factor;
	bool taken = ctl_read_duration(text, &ms);
	bool whole = ctl_read_seconds(text, &seconds);
	MUST(taken == (digits > 0 && factor > 0));
	if (!taken) {
		MUST(!whole);
		return;
	}
	uint64_t product;
	if (__builtin_mul_overflow(strtoull(text, NULL, 10), factor, &product) || product > INT64_MAX)
		product = INT64_MAX;
	MUST(ms >= 0 && (uint64_t)ms == product);
	MUST(whole == (ms % 1000 == 0 || ms == INT64_MAX));
	MUST(!whole || seconds == (uint64_t)ms / 1000);
	char written[32];
	snprintf(written, sizeof(written), "%" PRId64 "ms", ms);
	MUST(ctl_read_duration(written, &again) && again == ms);
}

/* Whether a text begins as the form has it: 0 stands for any digit. */
static bool has_form(const char *text, const char *form)
{
	for (; *form; form++, text++)
		if (*form == '0' ? !isdigit((unsigned char)*text) : *form != *text)
			return false;
	return true;
}

/* By the algorithm of days from civil: years that begin with March. */
static int64_t days_since_1970(int year, int month, int day)
{
	int64_t from_march = month > 2 ? year : year - 1;
	int64_t days = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t era = (from_march >= 0 ? from_march : from_march - 399) / 400;
	int64_t of_era = from_march - era * 400;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + days - 719468;
}

static bool is_date(int year, int month, int day)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* What stands behind the seconds: their fraction, and the offset from UTC, which a T wants. */
static bool expect_rest(const char *text, bool may_end, int64_t *ms)
{
	size_t digits = *text == '.' ? strspn(text + 1, "0123456789") : 0;
	static const int scale[] = { 100, 10, 1 };
	for (size_t i = 0; i < 3 && i < digits; i++)
		*ms += (text[1 + i] - '0') * scale[i];
	text += digits ? digits + 1 : 0;
	if (!*text)
		return may_end;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (strlen(text) != 6 || (!has_form(text, "+00:00") && !has_form(text, "-00:00")))
		return false;
	int hours = atoi(text + 1), minutes = atoi(text + 4);
	*ms += (*text == '-' ? 1 : -1) * (hours * 60 + minutes) * 60000;
	return hours < 24 && minutes < 60;
}

static bool expect_time(const char *text, int64_t *ms)
{
	if (is_digits(text, strlen(text))) {
		*ms = (int64_t)strtoull(text, NULL, 10);
		return *ms >= 0 && strtoull(text, NULL, 10) != UINT64_MAX;
	}
	if (!has_form(text, "0000-00-00") || !text[10] || !strchr(" Tt", text[10]) || !has_form(text + 11, "00:00:00"))
		return false;
	int year = atoi(text), month = atoi(text + 5), day = atoi(text + 8);
	int hour = atoi(text + 11), minute = atoi(text + 14), second = (text[17] - '0') * 10 + text[18] - '0';
	if (!is_date(year, month, day) || hour > 23 || minute > 59 || second > 60)
		return false;
	*ms = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
	return expect_rest(text + 19, text[10] == ' ', ms) && *ms >= 0;
}

static void try_time(const char *text)
{
	int64_t ms, want = 0, again;
	bool taken = ctl_read_time(text, &ms);
	MUST(taken == expect_time(text, &want));
	if (!taken)
		return;
	MUST(ms >= 0 && ms == want);
	time_t seconds = (time_t)(ms / 1000);
	struct tm date;
	char day[32], written[48];
	if (seconds >= INT64_C(253402300800)) /* the year 10,000 */
		return;
	MUST(gmtime_r(&seconds, &date) && strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &date));
	snprintf(written, sizeof(written), "%s.%03dZ", day, (int)(ms % 1000));
	MUST(ctl_read_time(written, &again) && again == ms);
}

static void try_split(const char *text, char mark, bool last)
{
	const char *left, *right;
	char *copy = ctl_split(text, mark, last, &left, &right);
	MUST((copy == NULL) == (strchr(text, mark) == NULL));
	if (!copy)
		return;
	size_t size = strlen(left);
	MUST(size + 1 + strlen(right) == strlen(text) && text[size] == mark);
	MUST(memcmp(text, left, size) == 0 && strcmp(text + size + 1, right) == 0);
	MUST(!strchr(last ? right : left, mark));
	free(copy);
}

static void try_value(const char *text)
{
	try_number(text);
	try_duration(text);
	try_time(text);
	try_split(text, '=', true);
	try_split(text, ':', false);
}

/* One a line. */
static void try_values(const uint8_t *bytes, size_t size)
{
	const char *at = (const char *)bytes, *end = at + size;
	while (at < end) {
		size_t length = (size_t)(line_end(at, end) - at);
		char *text = ctl_allocate(length + 1, 1);
		memcpy(text, at, length);
		try_value(text);
		free(text);
		at += length + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	uint8_t *rest = ctl_allocate(size - 1, 1); /* exactly so many, so that a read past them is seen */
	memcpy(rest, data + 1, size - 1);
	fuzz_now_ms = 1700000000000;
	switch (data[0] % 5) {
	case 'c' % 5:
		try_log("log.csv", rest, size - 1);
		break;
	case 'j' % 5:
		try_log("log.jsonl", rest, size - 1);
		break;
	case 'd' % 5:
		try_log("log", rest, size - 1);
		break;
	case 'p' % 5:
		try_policy(rest, size - 1);
		break;
	case 'v' % 5:
		try_values(rest, size - 1);
		break;
	}
	free(rest);
	return 0;
}
