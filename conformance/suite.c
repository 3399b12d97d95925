/* The suite: the table of cases put together from its families, and how one case runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cases.h"

#define SLEEPS_KEPT 64

typedef struct deferred {
	struct deferred *next;
	void (*undo)(void *object);
	void *object;
} deferred;

struct ff_test {
	const ff_harness *harness;
	ff_case_result *result;
	uint64_t given;
	uint64_t random;
	deferred *deferred;
	size_t failure_used;
	ff_error error;
	ff_clock clock;
	_Atomic int64_t now_ms;
	_Atomic uint64_t sleeps;
	_Atomic uint32_t slept_ms[SLEEPS_KEPT];
	char uri[FF_URI_SIZE];
	char missing_uri[FF_URI_SIZE]; /* empty until it is asked for */
	char impatient_uri[FF_URI_SIZE];
	jmp_buf end;
};

/* ---- the table ---------------------------------------------------------------------------------------------- */

/* Those that ask the slots first: one fault fails dozens of the others. */
static const ffp_family *const families[] = {
	&ffp_cases_slots_reads,
	&ffp_cases_slots_values,
	&ffp_cases_slots_writes,
	&ffp_cases_slots_expect,
	&ffp_cases_slots_transactions,
	&ffp_cases_slots_store,
	&ffp_cases_slots_processes,
	&ffp_cases_slots_bulk,
	&ffp_cases_limits,
	&ffp_cases_errors,
	&ffp_cases_clock,
	&ffp_cases_create,
	&ffp_cases_report,
	&ffp_cases_period,
	&ffp_cases_status,
	&ffp_cases_concurrency,
	&ffp_cases_store,
	&ffp_cases_disk,
	&ffp_cases_ledger,
	&ffp_cases_quota,
	&ffp_cases_house,
	&ffp_cases_batch,
	NULL,
};

const ff_case *ffp_case_in(const ffp_family *const *of, size_t i)
{
	for (; *of; of++) {
		if (i < (*of)->count)
			return &(*of)->cases[i];
		i -= (*of)->count;
	}
	return NULL;
}

const ff_case *ff_case_at(size_t i)
{
	return ffp_case_in(families, i);
}

const char *ff_case_need_name(uint64_t need)
{
	switch (need) {
	case FF_CASE_SECOND_HANDLE:
		return "SECOND_HANDLE";
	case FF_CASE_MISSING_STORE:
		return "MISSING_STORE";
	case FF_CASE_NO_WAITING:
		return "NO_WAITING";
	case FF_CASE_FAULTS:
		return "FAULT_INJECTION";
	case FF_CASE_BULK:
		return "BULK";
	case FF_CASE_EXPECT:
		return "EXPECT";
	case FF_CASE_FILES:
		return "FILES";
	default:
		return ff_cap_name(need);
	}
}

/* ---- checks ------------------------------------------------------------------------------------------------- */

static void add_failure(ff_test *test, const char *format, va_list arguments)
{
	ff_case_result *result = test->result;
	size_t left = sizeof(result->failure) - test->failure_used;
	int length = vsnprintf(result->failure + test->failure_used, left, format, arguments);
	if (length > 0)
		test->failure_used += (size_t)length < left ? (size_t)length : left - 1;
}

static void fail(ff_test *test, const char *format, ...) FF_PRINTF(2, 3);

static void fail(ff_test *test, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_failure(test, format, arguments);
	va_end(arguments);
	test->result->status = FF_CASE_FAILED;
}

void ff_test_note(ff_test *test, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_failure(test, format, arguments);
	va_end(arguments);
	if (test->failure_used + 1 < sizeof(test->result->failure))
		strcpy(test->result->failure + test->failure_used++, "\n");
}

bool ff_test_check(ff_test *test, bool held, const char *file, int line, const char *expression)
{
	test->result->checks++;
	if (!held)
		fail(test, "%s:%d: not so: %s\n", file, line, expression);
	return held;
}

const char *ffp_failure(const ff_test *test)
{
	return test->result->failure;
}

bool ff_test_check_int(ff_test *test, int64_t got, int64_t want, const char *file, int line, const char *expression)
{
	test->result->checks++;
	if (got != want)
		fail(test, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", file, line, expression, got, want);
	return got == want;
}

/* Of an answer that is an error's name, such as "!busy": what the error says, if it is the last one. */
static const char *message_of(const ff_test *test, const char *got)
{
	bool is_error = got && *got == '!' && !strcmp(got + 1, ff_code_name(test->error.code));
	return is_error ? test->error.message : "";
}

bool ff_test_check_text(ff_test *test, const char *got, const char *want, const char *file, int line,
                        const char *expression)
{
	test->result->checks++;
	bool held = got && want ? !strcmp(got, want) : got == want;
	if (!held) {
		const char *message = message_of(test, got);
		fail(test, "%s:%d: %s is \"%s\", not \"%s\"%s%s\n", file, line, expression, got ? got : "(null)",
		     want ? want : "(null)", *message ? ": " : "", message);
	}
	return held;
}

bool ff_test_check_code(ff_test *test, ff_code got, ff_code want, const char *file, int line, const char *expression)
{
	test->result->checks++;
	if (got != want)
		fail(test, "%s:%d: %s answers %s, not %s%s%.*s\n", file, line, expression, ff_code_name(got),
		     ff_code_name(want), got ? ": " : "", got ? (int)sizeof(test->error.message) : 0,
		     test->error.message);
	return got == want;
}

void ff_test_end(ff_test *test)
{
	longjmp(test->end, 1);
}

/* ---- what a case holds -------------------------------------------------------------------------------------- */

void ff_test_defer(ff_test *test, void (*undo)(void *object), void *object)
{
	deferred *entry = malloc(sizeof(*entry));
	if (!entry) {
		undo(object);
		fail(test, "no memory\n");
		ff_test_end(test);
	}
	*entry = (deferred){ .next = test->deferred, .undo = undo, .object = object };
	test->deferred = entry;
}

static void undo_at(deferred **at)
{
	deferred entry = **at;
	free(*at);
	*at = entry.next;
	entry.undo(entry.object);
}

void ff_test_undo(ff_test *test, void *object)
{
	for (deferred **at = &test->deferred; *at; at = &(*at)->next) {
		if ((*at)->object == object) {
			undo_at(at);
			return;
		}
	}
	fail(test, "nothing was deferred for %p\n", object);
	ff_test_end(test);
}

void *ff_test_alloc(ff_test *test, size_t size)
{
	void *memory = calloc(1, size ? size : 1);
	if (!memory) {
		fail(test, "no memory for %zu bytes\n", size);
		ff_test_end(test);
	}
	ff_test_defer(test, free, memory);
	return memory;
}

const char *ff_test_text(ff_test *test, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = NULL;
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0) {
		fail(test, "no memory for a text\n");
		ff_test_end(test);
	}
	ff_test_defer(test, free, text);
	return text;
}

static void give_back(void *result)
{
	ff_free(result);
}

void ff_test_keep(ff_test *test, const void *result)
{
	ff_test_defer(test, give_back, (void *)(uintptr_t)result);
}

static void close_engine(void *object)
{
	ff_engine *engine = object;
	ff_engine_close(&engine);
}

ff_engine *ff_test_open_uri(ff_test *test, const char *uri, const ff_engine_options *options)
{
	ff_engine_options with_clock = FF_ENGINE_OPTIONS_INIT;
	if (options)
		with_clock = *options;
	if (!with_clock.clock)
		with_clock.clock = &test->clock;
	ff_engine *engine = NULL;
	ff_code code = ff_engine_open(uri, &with_clock, &engine, &test->error);
	if (code != FF_OK) {
		fail(test, "'%s' cannot be opened: %s: %s\n", uri, ff_code_name(code), test->error.message);
		ff_test_end(test);
	}
	ff_test_defer(test, close_engine, engine);
	return engine;
}

ff_engine *ff_test_open(ff_test *test, const ff_engine_options *options)
{
	return ff_test_open_uri(test, test->uri, options);
}

/* ---- what a case is given ----------------------------------------------------------------------------------- */

ff_error *ff_test_error(ff_test *test)
{
	return &test->error;
}

const char *ff_test_uri(ff_test *test)
{
	return test->uri;
}

const char *ff_test_missing_uri(ff_test *test)
{
	const ff_harness *harness = test->harness;
	if (!*test->missing_uri && !harness->missing(harness->context, test->missing_uri)) {
		*test->missing_uri = '\0';
		fail(test, "the harness has no URI of a missing store\n");
		ff_test_end(test);
	}
	return test->missing_uri;
}

const char *ff_test_impatient_uri(ff_test *test)
{
	const ff_harness *harness = test->harness;
	if (!harness->impatient(harness->context, test->uri, test->impatient_uri)) {
		fail(test, "the harness has no impatient URI\n");
		ff_test_end(test);
	}
	return test->impatient_uri;
}

const char *ff_test_path(ff_test *test, const char *uri)
{
	const ff_harness *harness = test->harness;
	char *path = ff_test_alloc(test, FF_URI_SIZE);
	if (!harness->path(harness->context, uri, path)) {
		fail(test, "the harness has no path of '%s'\n", uri);
		ff_test_end(test);
	}
	return path;
}

uint64_t ff_test_given(ff_test *test)
{
	return test->given;
}

static int64_t clock_now(void *context)
{
	ff_test *test = context;
	return atomic_load(&test->now_ms);
}

static void clock_sleep(void *context, uint32_t ms)
{
	ff_test *test = context;
	uint64_t i = atomic_fetch_add(&test->sleeps, 1);
	if (i < SLEEPS_KEPT)
		atomic_store(&test->slept_ms[i], ms);
}

const ff_clock *ff_test_clock(ff_test *test)
{
	return &test->clock;
}

int64_t ff_test_time(ff_test *test)
{
	return atomic_load(&test->now_ms);
}

void ff_test_set_time(ff_test *test, int64_t now_ms)
{
	atomic_store(&test->now_ms, now_ms);
}

uint64_t ff_test_sleeps(ff_test *test)
{
	return atomic_load(&test->sleeps);
}

uint32_t ff_test_slept_ms(ff_test *test, uint64_t i)
{
	return i < SLEEPS_KEPT ? atomic_load(&test->slept_ms[i]) : 0;
}

void ff_test_seed(ff_test *test, uint64_t seed)
{
	test->random = seed;
}

/* SplitMix64: any seed will do, 0 too. */
uint64_t ff_test_random(ff_test *test)
{
	uint64_t z = test->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t ff_test_random_below(ff_test *test, uint64_t below)
{
	return ff_test_random(test) % below;
}

/* ---- running ------------------------------------------------------------------------------------------------ */

static uint64_t backend_gives(const char *name)
{
	const ff_engine_backend *backend = ff_backend_find(name);
	return backend && backend->expect ? FF_CASE_EXPECT : 0;
}

static uint64_t harness_gives(const ff_harness *harness)
{
	return FF_CASE_BULK | (harness->shared ? FF_CASE_SECOND_HANDLE : 0) |
	       (harness->missing ? FF_CASE_MISSING_STORE : 0) | (harness->impatient ? FF_CASE_NO_WAITING : 0) |
	       (harness->path ? FF_CASE_FILES : 0) | (ff_backend_find("fault") ? FF_CASE_FAULTS : 0);
}

/* A backend that never waits of its own accord may know no such parameter. */
static bool opens_impatiently(const ff_harness *harness, const char *uri)
{
	char impatient[FF_URI_SIZE];
	if (!harness->impatient || !harness->impatient(harness->context, uri, impatient))
		return false;
	ff_engine *engine = NULL;
	bool opened = ff_engine_open(impatient, NULL, &engine, NULL) == FF_OK;
	ff_engine_close(&engine);
	return opened;
}

/* A path may be a name only, to a backend in memory. */
static bool lies_in_files(const ff_harness *harness, const char *uri)
{
	char path[FF_URI_SIZE];
	struct stat status;
	return harness->path && harness->path(harness->context, uri, path) && lstat(path, &status) == 0;
}

ff_code ff_harness_probe(const ff_harness *harness, ff_harness_info *info, ff_error *error)
{
	*info = (ff_harness_info){ .given = harness_gives(harness) };
	char uri[FF_URI_SIZE];
	if (!harness->make(harness->context, uri))
		return ff_error_set(error, FF_E_IO, "the harness '%s' cannot make a store", harness->name);
	ff_engine *engine = NULL;
	ff_engine_info opened = { 0 };
	ff_code code = ff_engine_open(uri, NULL, &engine, error);
	if (code == FF_OK)
		code = ff_engine_get_info(engine, &opened, error);
	if (code == FF_OK) {
		info->given |= opened.caps | backend_gives(opened.backend);
		snprintf(info->backend, sizeof(info->backend), "%s", opened.backend);
		snprintf(info->version, sizeof(info->version), "%s", opened.version);
	}
	if (code == FF_OK && !lies_in_files(harness, uri))
		info->given &= ~FF_CASE_FILES;
	ff_engine_close(&engine);
	if (code == FF_OK && !opens_impatiently(harness, uri))
		info->given &= ~FF_CASE_NO_WAITING;
	harness->destroy(harness->context, uri);
	return code;
}

/* The case's own frame, so that nothing of ours lives in registers across its longjmp. */
static void run_to_end(const ff_case *of, ff_test *test)
{
	if (!setjmp(test->end))
		of->run(test);
	while (test->deferred)
		undo_at(&test->deferred);
}

static void run_on_store(const ff_case *of, ff_test *test, uint64_t seed)
{
	const ff_harness *harness = test->harness;
	run_to_end(of, test);
	harness->destroy(harness->context, test->uri);
	if (*test->missing_uri)
		harness->destroy(harness->context, test->missing_uri);
	if (!test->result->checks)
		fail(test, "the case made no check\n");
	if (test->result->status == FF_CASE_FAILED)
		ff_test_note(test, "seed %" PRIu64, seed);
	else
		*test->result->failure = '\0';
}

void ff_case_run(const ff_case *of, const ff_harness *harness, uint64_t given, uint64_t seed, ff_case_result *result)
{
	memset(result, 0, sizeof(*result));
	result->lacking = of->needs & ~given;
	if (result->lacking) {
		result->status = FF_CASE_SKIPPED;
		return;
	}
	ff_test *test = calloc(1, sizeof(*test));
	if (!test) {
		result->status = FF_CASE_FAILED;
		return;
	}
	test->harness = harness;
	test->result = result;
	test->given = given;
	test->random = seed;
	test->clock = (ff_clock){ .now_ms = clock_now, .sleep_ms = clock_sleep, .context = test };
	atomic_store(&test->now_ms, FF_TEST_START_MS);
	if (harness->make(harness->context, test->uri))
		run_on_store(of, test, seed);
	else
		fail(test, "the harness cannot make a store\n");
	free(test);
}
