/*
 * Any bytes as the rows of an export. What import takes is a sound store: check finds nothing, no call finds it corrupt, and
 * its own export can be imported again and is the same. What it refuses leaves a store that can be emptied.
 */
#include "fuzz.h"

/* The lines of a text, each in a piece of memory of its own, so that a read past it is seen; then, where there is to be
 * one, the line that ends an export. */
typedef struct source {
	const char *at;
	const char *end;
	char *line;
	char last[64];
	unsigned long count;
	bool wants_end;
} source;

static ff_code next_line(void *context, const char **line, size_t *size, ff_error *error)
{
	source *from = context;
	(void)error;
	free(from->line);
	from->line = NULL;
	*line = NULL;
	if (from->at < from->end) {
		const char *newline = memchr(from->at, '\n', (size_t)(from->end - from->at));
		*size = (size_t)((newline ? newline : from->end) - from->at);
		*line = from->line = malloc(*size ? *size : 1);
		MUST(from->line);
		memcpy(from->line, from->at, *size);
		from->at += *size + (newline != NULL);
		from->count++;
	} else if (from->wants_end) {
		*size =
		    (size_t)snprintf(from->last, sizeof(from->last), "{\"lines\":%lu,\"table\":\"end\"}", from->count);
		*line = from->last;
		from->wants_end = false;
	}
	return FF_OK;
}

static ff_code import(ff_engine *engine, const void *text, size_t size, bool wants_end)
{
	source from = { .at = text, .end = (const char *)text + size, .wants_end = wants_end };
	ff_code code = ff_engine_import(engine, next_line, &from, NULL, NULL);
	free(from.line);
	return code;
}

/* ---- other numbers in rows that else stay as they are ----------------------------------------------------------- */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);

static bool is_of_number(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || byte == '-';
}

/* Where the first number at or behind a place begins; `size` where there is none. */
static size_t find_number(const uint8_t *data, size_t size, size_t at)
{
	while (at < size && (!is_of_number(data[at]) || (at && is_of_number(data[at - 1]))))
		at++;
	return at;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
	static const char *const numbers[] = { "0",
		                               "1",
		                               "2",
		                               "-1",
		                               "1699999999999",
		                               "1700000000000",
		                               "1700000000001",
		                               "9007199254740992",
		                               "\"9007199254740993\"",
		                               "\"9223372036854775807\"",
		                               "\"-9223372036854775808\"" };
	const char *number = numbers[seed / 4 % (sizeof(numbers) / sizeof(*numbers))];
	const size_t length = strlen(number);
	const size_t at = size ? find_number(data, size, seed / 64 % size) : size;
	size_t end = at;
	while (end < size && is_of_number(data[end]))
		end++;
	if (seed % 4 == 0 || at == size || size - (end - at) + length > size_max)
		return LLVMFuzzerMutate(data, size, size_max);
	memmove(data + at + length, data + end, size - end);
	memcpy(data + at, number, length);
	return size - (end - at) + length;
}

/* ---- what is taken ---------------------------------------------------------------------------------------------- */

/* Calls may be refused, but not for what the store holds. */
static void must_be_usable(ff_code code)
{
	MUST(code == FF_OK || code == FF_E_OVERFLOW);
}

static void use_budget(ff_engine *engine, const ff_budget_status *status)
{
	const ff_amount amount = { status->limits_count ? status->limits[0].dimension : "tokens", 1 };
	const ff_spend spend = { .report = { .budget_id = status->budget_id, .amounts = &amount, .amounts_count = 1 },
		                 .execution_id = "e" };
	ff_outcome outcome;
	int64_t next_ms;
	must_be_usable(ff_engine_record_spend(engine, &spend, &outcome, NULL));
	must_be_usable(ff_engine_release_budget(engine, status->budget_id, "e", NULL, NULL));
	must_be_usable(ff_engine_reset_budget(engine, status->budget_id, 0, &next_ms, NULL));
}

static void use_quota(ff_engine *engine, const ff_quota_status *status)
{
	ff_admission admission = FF_ADMISSION_INIT;
	ff_admission_outcome outcome;
	bool held;
	admission.quota_policy_id = status->quota_policy_id;
	admission.execution_id = "e";
	must_be_usable(ff_engine_admit(engine, &admission, &outcome, NULL));
	must_be_usable(ff_engine_release_admission(engine, status->quota_policy_id, "e", 0, &held, NULL));
}

static void use(ff_engine *engine)
{
	const ff_budget_page *budgets = NULL;
	const ff_quota_page *quotas = NULL;
	ff_tick_result ticked;
	MUST(ff_engine_list_budgets(engine, NULL, 100, &budgets, NULL) == FF_OK);
	for (size_t i = 0; i < budgets->budgets_count; i++)
		use_budget(engine, &budgets->budgets[i]);
	ff_free(budgets);
	MUST(ff_engine_list_quotas(engine, NULL, 100, &quotas, NULL) == FF_OK);
	for (size_t i = 0; i < quotas->quotas_count; i++)
		use_quota(engine, &quotas->quotas[i]);
	ff_free(quotas);
	MUST(ff_engine_tick(engine, 0, 0, &ticked, NULL) == FF_OK && ticked.failed == 0);
	fuzz_must_be_sound(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_now_ms = 1700000000000;
	ff_engine *engine = fuzz_open();
	ff_engine *again = fuzz_open();
	ff_code code = import(engine, data, size, true);
	MUST(code == FF_OK || code == FF_E_INVALID);
	if (code == FF_OK) {
		fuzz_must_be_sound(engine);
		fuzz_lines lines = fuzz_export(engine);
		MUST(import(again, lines.text, lines.size, false) == FF_OK);
		free(lines.text);
	} else {
		MUST(import(engine, NULL, 0, false) == FF_OK);
	}
	fuzz_must_export_same(engine, again);
	use(engine);
	ff_engine_close(&engine);
	ff_engine_close(&again);
	return 0;
}
