/*
 * What rows say of runs whose times are known, and that lies are noticed. It is ff-bench but for its command line, on a store of
 * SQLite; what it calls of the engine, of the floor and of the clock goes through here. Each thread has a clock of its own, which
 * goes on in those calls, by what each of them costs, and where requests are made.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../workloads.h"
#include "check.h"

static void check_number(const char *what, double got, double want)
{
	if (fabs(got - want) <= 1e-6 * fabs(want) || (isnan(got) && isnan(want)))
		return;
	fprintf(stderr, "%s: %s is %g and not %g\n", running, what, got, want);
	failed++;
}

/* ---- what main.c has ----------------------------------------------------------------------------------------- */

_Noreturn void bench_die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "%s: ", running);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

_Noreturn void bench_die_of(const char *doing, const ff_error *error)
{
	bench_die("cannot %s: %s", doing, error->message);
}

int bench_refuse(const char *format, ...)
{
	bench_die("refused: %s", format);
}

void *bench_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	return memory ? memory : (abort(), NULL);
}

/* ---- the clock, and what calls cost -------------------------------------------------------------------------- */

/* In nanoseconds. Of an engine whose store is the one beside it is twice as much, and beside a thread three times. */
enum {
	REPORT = 1000,
	FLOOR_REPORT = 4000,
	SPEND = 3000,
	RELEASE = 5000,
	ADMIT = 7000,
	STATUS = 11000,
	TICK = 1 << 24,
	MAKE = 100000
};

typedef enum lie {
	NONE,
	LOST,        /* some reports are not done, and said to be refused */
	KEYLESS,     /* keys are not kept */
	FEWER,       /* a budget is not listed, on one page */
	USED,        /* a budget is said to have used more, on one page of the list */
	ADMITTED,    /* an admission is not done, and said to be refused */
	IN_WINDOW,   /* a window is said to hold more, at one look */
	TICKED_LESS, /* the last tick says that it did less */
	TICKED_MORE, /* or more */
	FLOOR_LOST,
	FLOOR_KEYLESS,
	FLOOR_USED,
} lie;

/* What came in a run, and what is wrong in it. */
static struct run {
	lie lie;
	unsigned lie_at; /* the page, look or tick, from 1 */
	_Atomic uint64_t reports, popular, statuses, admissions, pages, looks, ticks;
	uint64_t beside_budgets, in_window, beside_in_window;
	uint64_t floor_reports, floor_commits, floor_batch_max, engines;
	ff_durability floor_durability;
	bench_floor_kind floor_kind;
	ff_engine *beside;
} now;

static _Thread_local uint64_t now_ns;
static _Thread_local unsigned depth; /* in calls of the engine */
static _Atomic unsigned threads;     /* that the bench has started */

#define WRAP(answer, name, ...)            \
	answer __real_##name(__VA_ARGS__); \
	answer __wrap_##name(__VA_ARGS__); \
	answer __wrap_##name(__VA_ARGS__)

WRAP(uint64_t, bench_now_ns, void)
{
	return now_ns;
}

WRAP(void, bench_request, const bench_stream *stream, uint64_t number, bench_texts *texts, ff_report *report)
{
	__real_bench_request(stream, number, texts, report);
	now_ns += MAKE;
}

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *start(void *), void *context)
{
	threads += depth == 0;
	return __real_pthread_create(thread, attributes, start, context);
}

WRAP(int, pthread_join, pthread_t thread, void **answer)
{
	int result = __real_pthread_join(thread, answer);
	threads -= depth == 0;
	return result;
}

static uint64_t cost_of(const ff_engine *engine, uint64_t ns)
{
	return ns * (engine == now.beside ? 2 : 1) * (threads ? 3 : 1);
}

static bool is_lost(const ff_report *report)
{
	return report->amounts[0].amount % 4 == 0;
}

/* ---- the engine ---------------------------------------------------------------------------------------------- */

#define MEMORY ((size_t)64 << 20)

static void take_memory(const ff_allocator *from, size_t size)
{
	void *memory = from->resize(from->context, NULL, 0, size);
	from->resize(from->context, memory, size, 0);
}

WRAP(ff_code, ff_engine_open, const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error)
{
	depth++;
	ff_code code = __real_ff_engine_open(uri, options, engine, error);
	depth--;
	now.engines++;
	if (code == FF_OK) /* the engine holds so much for a moment, and more than that while its store is filled */
		take_memory(options->allocator, now.engines == 1 ? 4 * MEMORY : MEMORY);
	if (strstr(uri, BENCH_BASE_END))
		now.beside = *engine;
	return code;
}

WRAP(void, ff_engine_close, ff_engine **engine)
{
	depth++;
	__real_ff_engine_close(engine);
	depth--;
}

WRAP(ff_code, ff_engine_report_usage, ff_engine *engine, const ff_report *report, ff_outcome *outcome, ff_error *error)
{
	ff_report given = *report;
	ff_code code = FF_OK;
	if (now.lie == KEYLESS)
		given.idempotency_key = NULL;
	*outcome = (ff_outcome){ .applied = false };
	now.popular += strcmp(report->budget_id, "budget-0000000") == 0;
	depth++;
	if (now.lie != LOST || !is_lost(report))
		code = __real_ff_engine_report_usage(engine, &given, outcome, error);
	depth--;
	if (depth)
		return code;
	now.reports++;
	now_ns += cost_of(engine, REPORT);
	return code;
}

WRAP(ff_code, ff_engine_report_usage_batch, ff_engine *engine, const ff_report *reports, size_t count,
     ff_report_result *results, ff_error *errors, ff_error *error)
{
	ff_code code = FF_OK;
	depth++;
	if (now.lie == LOST || now.lie == KEYLESS)
		for (size_t i = 0; i < count && code == FF_OK; i++)
			code = results[i].code =
			    __wrap_ff_engine_report_usage(engine, &reports[i], &results[i].outcome, error);
	else
		code = __real_ff_engine_report_usage_batch(engine, reports, count, results, errors, error);
	depth--;
	now.reports += count;
	now_ns += count * cost_of(engine, REPORT);
	return code;
}

WRAP(ff_code, ff_engine_submit, ff_engine *engine, ff_call *calls, size_t count, ff_error *error)
{
	depth++;
	ff_code code = __real_ff_engine_submit(engine, calls, count, error);
	depth--;
	for (size_t i = 0; i < count && !depth; i++)
		now_ns += cost_of(engine, calls[i].op == FF_OP_RECORD_SPEND     ? SPEND
		                          : calls[i].op == FF_OP_RELEASE_BUDGET ? RELEASE
		                                                                : 0);
	return code;
}

WRAP(ff_code, ff_engine_admit, ff_engine *engine, const ff_admission *admission, ff_admission_outcome *outcome,
     ff_error *error)
{
	ff_code code = FF_OK;
	depth++;
	if (++now.admissions == 5 && now.lie == ADMITTED)
		outcome->kind = FF_RATE_EXCEEDED;
	else
		code = __real_ff_engine_admit(engine, admission, outcome, error);
	depth--;
	now_ns += cost_of(engine, ADMIT);
	return code;
}

WRAP(ff_code, ff_engine_get_budget_status, ff_engine *engine, const char *budget_id, const ff_budget_status **status,
     ff_error *error)
{
	depth++;
	ff_code code = __real_ff_engine_get_budget_status(engine, budget_id, status, error);
	depth--;
	now.statuses++;
	now_ns += STATUS;
	return code;
}

WRAP(ff_code, ff_engine_get_quota_status, ff_engine *engine, const char *quota_policy_id,
     const ff_quota_status **status, ff_error *error)
{
	ff_code code = __real_ff_engine_get_quota_status(engine, quota_policy_id, status, error);
	*(engine == now.beside ? &now.beside_in_window : &now.in_window) = (*status)->in_window;
	if (++now.looks == now.lie_at && now.lie == IN_WINDOW)
		((ff_quota_status *)(uintptr_t)*status)->in_window++;
	return code;
}

WRAP(ff_code, ff_engine_list_budgets, ff_engine *engine, const char *after, uint32_t limit, const ff_budget_page **page,
     ff_error *error)
{
	ff_code code = __real_ff_engine_list_budgets(engine, after, limit, page, error);
	const ff_budget_page *of = *page;
	size_t i = of->budgets_count;
	now.beside_budgets += engine == now.beside ? i : 0;
	while (i > 0 && !of->budgets[i - 1].usage_count)
		i--;
	if (++now.pages != now.lie_at)
		return code;
	if (now.lie == USED && i > 0)
		((ff_amount *)(uintptr_t)of->budgets[i - 1].usage)->amount++;
	if (now.lie == FEWER)
		((ff_budget_page *)(uintptr_t)of)->budgets_count--;
	return code;
}

/* Goes on for as long as it takes to report beside it, where there are rounds of that. */
WRAP(ff_code, ff_engine_tick, ff_engine *engine, int64_t now_ms, uint64_t limit, ff_tick_result *result,
     ff_error *error)
{
	uint64_t reports = now.reports;
	while (now.ticks < 2 && now.reports < reports + 64)
		usleep(100);
	depth++;
	ff_code code = __real_ff_engine_tick(engine, now_ms, limit, result, error);
	depth--;
	now_ns += TICK;
	if (++now.ticks != now.lie_at)
		return code;
	/* What reports have done of a tick's work is not known: so many, at the most. */
	if (now.lie == TICKED_LESS)
		*result = (ff_tick_result){ 0 };
	if (now.lie == TICKED_MORE)
		*result = (ff_tick_result){ .resets = 1025, .purged_keys = result->purged_keys + 1 };
	return code;
}

/* ---- the floor ----------------------------------------------------------------------------------------------- */

static bench_floor *floor_open(const char *path, const char *query, ff_durability durability, bench_floor_kind kind)
{
	now.floor_durability = durability;
	now.floor_kind = kind;
	now.floor_batch_max = now.floor_commits = 0;
	return bench_floor_sqlite.open(path, query, durability, kind);
}

static void floor_report(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	ff_report given;
	for (size_t i = 0; i < count && (now.lie == FLOOR_LOST || now.lie == FLOOR_KEYLESS); i++) {
		given = reports[i];
		if (now.lie == FLOOR_KEYLESS)
			given.idempotency_key = NULL;
		applied[i] = 0;
		if (now.lie != FLOOR_LOST || !is_lost(&given))
			bench_floor_sqlite.report(floor, &given, 1, &applied[i]);
	}
	if (now.lie != FLOOR_LOST && now.lie != FLOOR_KEYLESS)
		bench_floor_sqlite.report(floor, reports, count, applied);
	now.floor_reports += count;
	if (now.floor_commits++ == 0) /* and not when it is asked again, in the end */
		now.floor_batch_max = count;
	now_ns += count * FLOOR_REPORT;
}

static void floor_usage(bench_floor *floor, const char *const *budget_ids, size_t count, const char *dimension,
                        uint64_t *used)
{
	bench_floor_sqlite.usage(floor, budget_ids, count, dimension, used);
	used[count - 1] += now.lie == FLOOR_USED && strcmp(dimension, bench_dimension(0)) == 0;
}

/* ---- runs ---------------------------------------------------------------------------------------------------- */

static bench_floor_ops counted;
static bench_store store = { .scheme = "sqlite", .query = "", .floor = &counted, .round_trip_ms = NAN };
static const bench_options quick = { .seconds = 3 * 20.5e-6, .pairs = 3, .quick = true, .seed = 1 };
static bench_row rows[BENCH_ROWS_MAX];

/* What is long and not about durability is quicker without. */
static void without_syncs(bool without)
{
	store.has_durability = without;
	store.durability = FF_DURABILITY_NONE;
}

static const bench_workload *find(const char *name)
{
	const bench_workload *workload = bench_workloads;
	while (strcmp(workload->name, name) != 0)
		workload++;
	return workload;
}

static unsigned run_workload(const bench_workload *workload, const bench_options *options, lie told, unsigned at)
{
	static char words[64];
	snprintf(words, sizeof(words), "%s, lie %d at %u", workload->name, told, at);
	running = words;
	for (unsigned i = 0; i < BENCH_ROWS_MAX; i++)
		cJSON_Delete(rows[i].extra);
	memset(rows, 0, sizeof(rows));
	memset(&now, 0, sizeof(now));
	now.lie = told;
	now.lie_at = at;
	return workload->run(workload, &store, options, rows);
}

static unsigned run(const char *name, const bench_options *options, lie told, unsigned at)
{
	return run_workload(find(name), options, told, at);
}

/* What a call of so many operations costs on the side that is told of, and an operation of the other: NAN: there is none. */
static void check_times(const bench_row *row, double call_ns, double batch, double other_ns)
{
	double op_ns = call_ns / batch;
	check_number("seconds", row->seconds, (double)row->ops * op_ns / 1e9);
	check_number("per_second", row->per_second, 1e9 / op_ns);
	check_number("against_per_second", row->against_per_second, 1e9 / other_ns);
	check_number("ratio", row->ratio.median, other_ns / op_ns);
	check_number("p50", row->p50, call_ns / 1e3);
	check_number("p100", row->p100, call_ns / 1e3);
	CHECK(row->ops && row->batch == (uint64_t)batch && row->pairs == quick.pairs && !row->books_wrong);
}

static double extra(const char *name)
{
	return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(rows[0].extra, name));
}

static void test_reports(void)
{
	static const struct {
		const char *name;
		double batch;
	} cases[] = { { "single", 1 },          { "single-none", 1 }, { "batch-1", 256 }, { "batch-random", 256 },
		      { "batch-no-keys", 256 }, { "replays", 256 },   { "refusals", 256 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run(cases[i].name, &quick, NONE, 0);
		check_times(&rows[0], REPORT * cases[i].batch, cases[i].batch, FLOOR_REPORT);
		CHECK(now.reports == now.floor_reports && now.floor_batch_max == (uint64_t)cases[i].batch);
		CHECK(now.floor_durability == rows[0].durability && now.floor_kind == BENCH_FLOOR_LOOKS);
	}
	run("single", &quick, NONE, 0);
	CHECK(rows[0].ops == 60); /* as many as come in the seconds that are asked for */
	CHECK(rows[0].engine_memory_bytes >= MEMORY && rows[0].engine_memory_bytes < 2 * MEMORY);
	run("crowd-64", &quick, NONE, 0);
	check_number("against_per_second", rows[0].against_per_second, 1e9 / FLOOR_REPORT);
	CHECK(now.reports == now.floor_reports && now.floor_batch_max == rows[0].threads && rows[0].threads == 8);
}

/* More budgets and keys than a batch that fills a store has. */
static void test_large(void)
{
	bench_workload large = *find("batch-random");
	bench_options whole = quick;
	large.shape.existing = 20000;
	large.shape.budgets = 10000;
	large.shape.batch = 64;
	whole.quick = false;
	run_workload(&large, &whole, NONE, 0);
	check_times(&rows[0], REPORT * 64, 64, FLOOR_REPORT);
	CHECK(now.reports == now.floor_reports && now.reports > 20000 + rows[0].ops);
	CHECK(rows[0].existing_keys == 20000 && rows[0].budgets == 10000 && strcmp(rows[0].size, "full") == 0);
	run("hot", &quick, NONE, 0);
	CHECK(rows[0].budgets == 1);
	whole = quick;
	whole.threads = 1;
	whole.keys = BENCH_KEYS_NONE;
	whole.has_keys = true;
	whole.seconds = 3 * 1e-3;
	without_syncs(true);
	run("zipf", &whole, NONE, 0); /* of 500 the first has a share of ln 2 / ln 501 */
	without_syncs(false);
	CHECK(now.popular * 20 > now.reports && now.popular * 5 < now.reports);
}

/* What a server writes is not seen here. */
static double no_round_trip(const char *path)
{
	(void)path;
	return 0;
}

static void test_server(void)
{
	run("single", &quick, NONE, 0);
	CHECK(isnan(bench_usage_now().written_bytes) || (rows[0].bytes_per_op >= 0 && rows[0].floor_bytes_per_op >= 0));
	counted.round_trip_ms = no_round_trip;
	run("single", &quick, NONE, 0);
	counted.round_trip_ms = NULL;
	CHECK(isnan(rows[0].bytes_per_op) && isnan(rows[0].floor_bytes_per_op) && rows[0].cpu_us_per_op > 0);
}

static void touch_memory(void)
{
	char *memory = malloc(2 * MEMORY);
	if (!memory)
		bench_die("memory is out");
	for (size_t i = 0; i < 2 * MEMORY; i += 4096)
		((volatile char *)memory)[i] = 1;
	free(memory);
}

/* A peak is that of a workload, and not of those before it, where the kernel and the allocator forget it. */
static void test_peak(void)
{
	touch_memory();
	double high = bench_peak_bytes();
	bench_peak_restart();
	double low = bench_peak_bytes();
	touch_memory();
	run("single", &quick, NONE, 0);
	CHECK(rows[0].peak_memory_bytes < low + MEMORY || low > high - MEMORY);
}

static void test_engine_beside_itself(void)
{
	bench_options small = quick;
	small.batch = 8;
	run("keys-1k", &small, NONE, 0);
	check_times(&rows[0], REPORT * 8, 8, 2 * REPORT);
	run("budgets-1k", &quick, NONE, 0);
	check_times(&rows[0], REPORT, 1, 2 * REPORT);
	run("admission-1k", &quick, NONE, 0);
	check_times(&rows[0], ADMIT, 1, 2 * ADMIT);
	CHECK(extra("window_entries") == 2000 && now.in_window == 2000 && now.beside_in_window == 1000);
	/* In earnest they are as large as they are said to be. */
	bench_workload other = *find("admission-1k");
	small.quick = false;
	other.size = 3000;
	run_workload(&other, &small, NONE, 0);
	CHECK(extra("window_entries") == 3000 && now.in_window == 3000 && now.beside_in_window == 1000);
	other = *find("keys-1k");
	other.base_existing = 300;
	run_workload(&other, &small, NONE, 0);
	check_times(&rows[0], REPORT * 8, 8, 2 * REPORT);
	CHECK(extra("keys_max") > 1000 && extra("keys_max") <= 1500);
	CHECK(extra("against_keys_max") > 300 && extra("against_keys_max") <= 450);
	other = *find("budgets-1k");
	other.base_budgets = 10;
	small.batch = 1;
	run_workload(&other, &small, NONE, 0);
	check_times(&rows[0], REPORT, 1, 2 * REPORT);
	CHECK(rows[0].budgets == 1000 && now.beside_budgets == 10);
}

/* The writer's latencies are those beside the reader, and not those of the other side. */
static void test_status(void)
{
	CHECK(run("status", &quick, NONE, 0) == 3);
	check_number("status per_second", rows[0].per_second, 1e9 / STATUS);
	check_number("status p50", rows[0].p50, STATUS / 1e3);
	CHECK(rows[0].ops == now.statuses);
	check_times(&rows[1], 3 * REPORT, 1, REPORT);
	check_number("p1", rows[1].p1, 3 * REPORT / 1e3);
	check_times(&rows[2], 3 * REPORT, 1, 3 * REPORT);
}

static void test_mixed(void)
{
	bench_options long_one = quick;
	long_one.threads = 1;
	long_one.seconds = 3 * 0.005;
	without_syncs(true);
	long_one.rate = 1e8;
	long_one.seconds = 3 * 0.1;
	run("mixed", &long_one, NONE, 0);
	/* All is due when a slice begins, and of each kind of call it is the wait that is told. */
	CHECK(rows[0].p1 > 2 * STATUS / 1e3 && !rows[0].books_wrong);
	long_one.rate = 0;
	long_one.seconds = 3 * 0.005;
	run("mixed", &long_one, NONE, 0);
	without_syncs(false);
	double all = (double)(now.reports + now.admissions + now.statuses);
	CHECK(fabs((double)now.admissions / all - 0.15) < 0.02 && fabs((double)now.statuses / all - 0.05) < 0.02);
	check_number("p50", rows[0].p50, 1.007); /* the end of the bucket that a report's time is in */
	check_number("p100", rows[0].p100, STATUS / 1e3);
	/* Eighty reports, 15 admissions and 5 reads take so long. */
	CHECK(fabs(rows[0].seconds / (double)rows[0].ops * 1e9 / (0.8 * REPORT + 0.15 * ADMIT + 0.05 * STATUS) - 1) <
	      0.1);
	CHECK(rows[0].ops > 1000 && !rows[0].books_wrong);
}

static void test_spend(void)
{
	bench_options small = quick;
	small.batch = 8;
	small.seconds = 3 * 300e-6; /* of several calls a slice */
	run("spend", &small, NONE, 0);
	check_number("per_second", rows[0].per_second, 2e9 / (SPEND + RELEASE));
	check_number("seconds", rows[0].seconds, (double)rows[0].ops * (SPEND + RELEASE) / 2e9);
	CHECK(rows[0].p1 >= 8 * SPEND / 1e3 && rows[0].p1 < 8 * SPEND / 1e3 * (1 + 1.0 / 64));
	check_number("p100", rows[0].p100, 8 * RELEASE / 1e3);
	CHECK(!rows[0].books_wrong);
}

static void test_house(void)
{
	static const char *const names[] = { "day", "purge" };
	bench_options two = quick;
	two.pairs = 2;
	for (size_t i = 0; i < 2; i++) {
		run(names[i], &two, NONE, 0);
		double least = floor(1024e9 / TICK); /* keys of what was reported meanwhile are over, too */
		CHECK(extra("per_second_alone") >= least && extra("per_second_alone") <= (i ? 1.1 : 1.001) * least);
		CHECK(rows[0].per_second > 900e9 / TICK && rows[0].per_second < 1100e9 / TICK);
		check_number("ratio", rows[0].ratio.median, 1.0 / 3);
		check_number("p1", rows[0].p1, 3 * REPORT / 1e3);
		check_number("p99", rows[0].p99, 3 * REPORT / 1e3);
		check_number("p99_before_us", extra("p99_before_us"), REPORT / 1e3);
		check_number("p100_before_us", extra("p100_before_us"), REPORT / 1e3);
		check_number("longest_before_ms", extra("longest_before_ms"), REPORT / 1e6);
		check_number("longest_beside_ms", extra("longest_beside_ms"), 3 * REPORT / 1e6);
		CHECK(rows[0].ops >= 8 && rows[0].pairs == 2 && !rows[0].books_wrong);
	}
}

/* ---- lies ---------------------------------------------------------------------------------------------------- */

static void test_lies(void)
{
	static const struct {
		const char *name;
		lie told;
		unsigned at;
	} cases[] = {
		{ "single", LOST, 0 },
		{ "single", KEYLESS, 0 },
		{ "single", USED, 1 },
		{ "single", FEWER, 1 },
		{ "single", FLOOR_LOST, 0 },
		{ "single", FLOOR_KEYLESS, 0 },
		{ "single", FLOOR_USED, 0 },
		{ "batch-no-keys", LOST, 0 },
		{ "batch-no-keys", USED, 1 },
		{ "batch-no-keys", FLOOR_USED, 0 },
		{ "replays", KEYLESS, 0 },
		{ "refusals", USED, 1 },
		{ "refusals", FLOOR_USED, 0 },
		{ "keys-1k", LOST, 0 },
		{ "keys-1k", KEYLESS, 0 },
		{ "keys-1k", USED, 1 },
		{ "keys-1k", USED, 2 },
		{ "keys-1k", USED, 3 },
		{ "budgets-1k", LOST, 0 },
		{ "budgets-1k", USED, 1 },
		{ "budgets-1k", USED, 2 },
		{ "admission-1k", ADMITTED, 0 },
		{ "admission-1k", IN_WINDOW, 1 },
		{ "admission-1k", IN_WINDOW, 2 },
		{ "status", LOST, 0 },
		{ "status", KEYLESS, 0 },
		{ "status", USED, 1 },
		{ "mixed", LOST, 0 },
		{ "mixed", USED, 1 },
		{ "mixed", ADMITTED, 0 },
		{ "mixed", IN_WINDOW, 1 },
		{ "spend", USED, 1 },
		{ "spend", USED, 2 },
		{ "day", LOST, 0 },
		{ "day", KEYLESS, 0 },
		{ "day", USED, 1 },
		{ "day", USED, 3 },
		{ "day", TICKED_LESS, 3 }, /* which no reports are beside: they do a part of a tick's work */
		{ "day", TICKED_MORE, 1 },
		{ "purge", LOST, 0 },
		{ "purge", USED, 1 },
		{ "purge", USED, 2 },
		{ "purge", TICKED_LESS, 2 },
		{ "purge", TICKED_MORE, 3 },
	};
	bench_options options = quick;
	options.threads = 1;
	options.seconds = 2 * 200e-6; /* long enough that every one comes */
	options.pairs = 2;
	without_syncs(true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned count = run(cases[i].name, &options, cases[i].told, cases[i].at);
		for (unsigned j = 0; j < count; j++)
			CHECK(rows[j].books_wrong);
	}
	without_syncs(false);
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

/* Each field of a row in JSON is the number that it is called by. */
static void test_fields(void)
{
	bench_row row = {
		.workload = "w", .store = "s", .backend = "b", .version = "v", .size = "full", .filesystem = "xfs"
	};
	running = "fields";
	row.against = "plain floor";
	row.durability = FF_DURABILITY_NORMAL;
	row.keys = BENCH_KEYS_RANDOM;
	row.extra = cJSON_CreateObject();
	uint64_t *const counts[] = { &row.processes, &row.threads,    &row.batch, &row.existing_keys,
		                     &row.budgets,   &row.dimensions, &row.ops,   &row.pairs };
	static const char *const count_names[] = { "processes", "threads",    "batch", "existing_keys",
		                                   "budgets",   "dimensions", "ops",   "pairs" };
	double *const reals[] = { &row.round_trip_ms,
		                  &row.rate,
		                  &row.seconds,
		                  &row.per_second,
		                  &row.against_per_second,
		                  &row.ratio.median,
		                  &row.ratio.min,
		                  &row.ratio.q1,
		                  &row.ratio.q3,
		                  &row.ratio.max,
		                  &row.cpu_us_per_op,
		                  &row.bytes_per_op,
		                  &row.floor_cpu_us_per_op,
		                  &row.floor_bytes_per_op,
		                  &row.peak_memory_bytes,
		                  &row.engine_memory_bytes };
	static const char *const real_names[] = { "round_trip_ms",
		                                  "rate",
		                                  "seconds",
		                                  "per_second",
		                                  "against_per_second",
		                                  "ratio",
		                                  "ratio_min",
		                                  "ratio_q1",
		                                  "ratio_q3",
		                                  "ratio_max",
		                                  "cpu_us_per_op",
		                                  "bytes_written_per_op",
		                                  "floor_cpu_us_per_op",
		                                  "floor_bytes_written_per_op",
		                                  "peak_memory_bytes",
		                                  "engine_memory_bytes" };
	double *const latencies[] = { &row.p1, &row.p50, &row.p99, &row.p999, &row.p100 };
	static const char *const latency_names[] = { "p1", "p50", "p99", "p999", "p100" };
	for (size_t i = 0; i < 8; i++)
		*counts[i] = 1000 + i;
	for (size_t i = 0; i < 16; i++)
		*reals[i] = 0.5 + (double)i;
	for (size_t i = 0; i < 5; i++)
		*latencies[i] = 100.5 + (double)i;
	cJSON *json = bench_row_json(&row);
	const cJSON *latency = cJSON_GetObjectItemCaseSensitive(json, "latency_us");
	for (size_t i = 0; i < 8; i++)
		check_number(count_names[i], bench_number(json, count_names[i]), 1000 + (double)i);
	for (size_t i = 0; i < 16; i++)
		check_number(real_names[i], bench_number(json, real_names[i]), 0.5 + (double)i);
	for (size_t i = 0; i < 5; i++)
		check_number(latency_names[i], bench_number(latency, latency_names[i]), 100.5 + (double)i);
	check_number("floor_per_second", bench_number(json, "floor_per_second"), row.against_per_second);
	CHECK(strcmp(bench_text(json, "durability"), "normal") == 0 && strcmp(bench_text(json, "keys"), "random") == 0);
	CHECK(strcmp(bench_text(json, "loop"), "open") == 0 && strcmp(bench_text(json, "books"), "ok") == 0);
	CHECK(strcmp(bench_text(json, "size"), "full") == 0 && strcmp(bench_text(json, "filesystem"), "xfs") == 0);
	cJSON_Delete(json);
}

int main(void)
{
	char folder[] = "./ff-bench-rows-XXXXXX", path[64];
	if (!mkdtemp(folder))
		bench_die("cannot make a folder");
	snprintf(path, sizeof(path), "%s/store", folder);
	counted = bench_floor_sqlite;
	counted.open = floor_open;
	counted.report = floor_report;
	counted.usage = floor_usage;
	counted.set_up();
	store.path = path;
	test_reports();
	test_large();
	test_server();
	test_peak();
	test_engine_beside_itself();
	test_status();
	test_mixed();
	test_spend();
	test_house();
	test_lies();
	test_fields();
	for (unsigned i = 0; i < BENCH_ROWS_MAX; i++)
		cJSON_Delete(rows[i].extra);
	rmdir(folder);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
