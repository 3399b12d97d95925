/* The workloads as data, and the one that most of them are: reports beside the floor. */
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "workloads.h"

/* ---- what they share ---------------------------------------------------------------------------------------- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

bench_shape bench_shape_for(const bench_workload *workload, const bench_store *store, const bench_options *options)
{
	bench_shape shape = workload->shape;
	if (store->has_durability)
		shape.durability = store->durability;
	/* Other workloads have one process. */
	shape.processes = workload->run == bench_run_reports && options->processes ? (unsigned)options->processes : 1;
	if (options->threads)
		shape.threads = (unsigned)options->threads;
	if (options->batch)
		shape.batch = options->batch;
	bool needs_keys = shape.replay || workload->purges || workload->base_existing;
	if (options->has_keys && !(needs_keys && options->keys == BENCH_KEYS_NONE))
		shape.keys = options->keys;
	if (options->budgets)
		shape.budgets = options->budgets;
	if (options->quick) {
		shape.threads = (unsigned)least(shape.threads, 8);
		shape.batch = least(shape.batch, 256);
		shape.existing = least(shape.existing, 2000);
		shape.budgets = least(shape.budgets, 500);
	}
	/* A commit of the floor has what so many callers of a process can have in hand. */
	shape.floor_batch = shape.threads * shape.batch;
	return shape;
}

bench_pairs bench_pairs_for(const bench_options *options, uint64_t unit)
{
	return (
	    bench_pairs){ .pairs = options->pairs, .slice_seconds = options->seconds / options->pairs, .unit = unit };
}

void bench_row_begin(bench_row *row, const char *name, const bench_store *store, const bench_shape *shape,
                     const bench_options *options)
{
	*row = (bench_row){ .workload = name,
		            .size = options->quick ? "quick" : "full",
		            .filesystem = store->filesystem,
		            .durability = shape->durability,
		            .round_trip_ms = store->round_trip_ms,
		            .processes = shape->processes,
		            .threads = shape->threads,
		            .batch = shape->batch,
		            .keys = shape->keys,
		            .existing_keys = shape->existing,
		            .budgets = shape->budgets,
		            .dimensions = shape->dimensions };
	double *const measured[] = { &row->seconds,
		                     &row->per_second,
		                     &row->against_per_second,
		                     &row->ratio.min,
		                     &row->ratio.q1,
		                     &row->ratio.median,
		                     &row->ratio.q3,
		                     &row->ratio.max,
		                     &row->p1,
		                     &row->p50,
		                     &row->p99,
		                     &row->p999,
		                     &row->p100,
		                     &row->cpu_us_per_op,
		                     &row->bytes_per_op,
		                     &row->floor_cpu_us_per_op,
		                     &row->floor_bytes_per_op };
	for (size_t i = 0; i < sizeof(measured) / sizeof(*measured); i++)
		*measured[i] = NAN;
	snprintf(row->store, sizeof row->store, "%s%s%.30s", store->scheme, *store->query ? "?" : "", store->query);
	row->extra = cJSON_CreateObject();
	bench_peak_restart();
}

void bench_row_end(bench_row *row, bench_subject *subject)
{
	ff_engine_info info;
	ff_error error;
	if (ff_engine_get_info(subject->engine, &info, &error) != FF_OK)
		bench_die_of("ask", &error);
	snprintf(row->backend, sizeof row->backend, "%s", info.backend);
	snprintf(row->version, sizeof row->version, "%s", info.version);
	row->durability = info.durability;
	row->peak_memory_bytes = bench_peak_bytes();
	row->engine_memory_bytes = (double)subject->memory.peak;
	if (subject->store->floor->round_trip_ms) /* the server writes */
		row->bytes_per_op = row->floor_bytes_per_op = NAN;
}

/* What was written so far goes to the disk now, and not while something else is measured. It is the folder that is opened:
 * to close a file lets go of all locks that this process has on it, and SQLite's would be among them. */
void bench_settle(const bench_store *store)
{
	if (store->floor->round_trip_ms)
		return;
	char *path = bench_store_folder(store);
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0) {
		syncfs(folder);
		close(folder);
	}
	free(path);
}

void bench_prepare(bench_subject *subject, bench_reports *reports, const bench_shape *shape, uint64_t seed)
{
	bench_reports_init(reports, shape, seed);
	bench_subject_open(subject, FF_DURABILITY_NONE);
	bench_subject_fill(subject, reports);
	bench_subject_open(subject, shape->durability);
	bench_settle(subject->store);
}

void bench_clear(bench_subject *subject, bench_reports *reports)
{
	bench_subject_close(subject);
	subject->store->floor->remove(subject->store->path);
	bench_reports_free(reports);
}

/* ---- reports beside the floor --------------------------------------------------------------------------------- */

/* Engine and floor, and what they are to do, in this process or in others. */
typedef struct contest {
	bench_subject subject;
	bench_engine_side engine;
	bench_floor_side floor;
	bool has_floor;
	bench_workers *engines, *floors; /* NULL: none but this process */
} contest;

static bench_reports *share_reports(const bench_shape *shape, const bench_options *options)
{
	bench_reports *reports = bench_share(1, sizeof(*reports));
	bench_reports_init(reports, shape, options->seed);
	reports->rate = options->rate;
	return reports;
}

/* One that is for one process alone would be another in each, with wrong books. */
static void check_processes(const bench_subject *subject, const bench_shape *shape)
{
	ff_engine_info info;
	ff_error error;
	if (ff_engine_get_info(subject->engine, &info, &error) != FF_OK)
		bench_die_of("ask", &error);
	if (shape->processes > 1 && !(info.caps & FF_CAP_MULTI_PROCESS))
		bench_die("a store of '%s' is for one process, and not for %u", info.backend, shape->processes);
}

/* Fills both stores, and opens them, here and in the processes that share them. */
static void start(contest *of, const bench_shape *shape)
{
	bench_subject_open(&of->subject, FF_DURABILITY_NONE);
	check_processes(&of->subject, shape);
	bench_subject_fill(&of->subject, of->engine.reports);
	bench_subject_close(&of->subject);
	if (of->has_floor)
		bench_floor_side_fill(&of->floor);
	if (shape->processes > 1) {
		of->engines = bench_workers_start(&bench_engine_hand, &of->engine, of->engine.reports);
		if (of->has_floor)
			of->floors = bench_workers_start(&bench_floor_hand, &of->floor, of->floor.reports);
	}
	bench_subject_open(&of->subject, shape->durability);
	if (of->has_floor)
		bench_floor_side_open(&of->floor);
	bench_settle(of->subject.store);
}

static bench_side side_of(bench_workers *workers, bench_slice_fn *slice, void *context)
{
	return workers ? (bench_side){ .slice = bench_workers_slice, .context = workers }
	               : (bench_side){ .slice = slice, .context = context };
}

/* The floors' memory is theirs, and not told. */
static void end_workers(contest *of, bench_row *row)
{
	double peak_bytes, engine_peak_bytes;
	if (of->floors)
		bench_workers_end(of->floors, &peak_bytes, &engine_peak_bytes);
	if (!of->engines)
		return;
	bench_workers_end(of->engines, &peak_bytes, &engine_peak_bytes);
	row->peak_memory_bytes += peak_bytes;
	row->engine_memory_bytes = engine_peak_bytes; /* the one here has done nothing */
}

unsigned bench_run_reports(const bench_workload *workload, const bench_store *store, const bench_options *options,
                           bench_row *rows)
{
	static const char *const against[] = { [BENCH_FLOOR_LOOKS] = "floor",
		                               [BENCH_FLOOR_UNSEEN] = "unseen floor",
		                               [BENCH_FLOOR_PLAIN] = "plain floor" };
	bench_shape shape = bench_shape_for(workload, store, options), given = shape;
	given.refuse = given.refuse || options->refuse;
	bench_reports *reports = share_reports(&given, options);
	bench_reports *floor_reports = share_reports(&given, options);
	contest of = { .subject = { .store = store },
		       .engine = { &of.subject, reports },
		       .floor = { .store = store, .kind = options->floor, .reports = floor_reports },
		       /* In an open loop there is nothing that a floor could be better at. */
		       .has_floor = store->floor->open && !(options->rate > 0) };
	bench_row_begin(rows, workload->name, store, &shape, options);
	rows->rate = options->rate;
	start(&of, &shape);
	bench_side a = side_of(of.engines, bench_engine_slice, &of.engine);
	bench_side b = side_of(of.floors, bench_floor_slice, &of.floor);
	a.latencies = &reports->latencies;
	bench_pairs how = bench_pairs_for(options, shape.processes * shape.floor_batch);
	if (of.has_floor)
		rows->against = against[options->floor];
	bench_run_pairs(&how, &a, of.has_floor ? &b : NULL, rows);

	bench_row_end(rows, &of.subject);
	end_workers(&of, rows);
	bench_reports_doctor(reports, options->doctor);
	bench_reports_doctor(floor_reports, options->doctor_floor);
	bench_subject_repeat(&of.subject, reports, options);
	rows->books_wrong = !bench_subject_books(&of.subject, reports);
	rows->books_wrong = !bench_reports_right(reports, &shape, store->scheme) || rows->books_wrong;
	if (of.has_floor) {
		bench_floor_repeat(&of.floor, options);
		rows->books_wrong = !bench_floor_books(&of.floor) || rows->books_wrong;
		rows->books_wrong = !bench_reports_right(floor_reports, &shape, "the floor") || rows->books_wrong;
		bench_floor_side_clear(&of.floor);
	}
	bench_clear(&of.subject, reports);
	bench_reports_free(floor_reports);
	bench_unshare(reports, 1, sizeof(*reports));
	bench_unshare(floor_reports, 1, sizeof(*floor_reports));
	return 1;
}

/* ---- the list ------------------------------------------------------------------------------------------------- */

#define REPORTS(name_, summary_, ...)                                                                      \
	{                                                                                                  \
		.name = (name_), .summary = (summary_), .run = bench_run_reports, .shape = { __VA_ARGS__ } \
	}
#define ORDERED .keys = BENCH_KEYS_ORDERED
#define RANDOM .keys = BENCH_KEYS_RANDOM
#define FULL .durability = FF_DURABILITY_FULL
#define NONE .durability = FF_DURABILITY_NONE
#define ALONE .threads = 1, .batch = 1

/* Growth: the other side has the same engine with 100,000 keys, or 1,000 budgets. */
#define KEYS(name_, summary_, keys_, existing_)                                                              \
	{                                                                                                    \
		.name = (name_), .summary = (summary_), .run = bench_run_against, .against = "100,000 keys", \
		.base_existing = 100000, .shape = {                                                          \
			.threads = 1,                                                                        \
			.batch = 8192,                                                                       \
			keys_,                                                                               \
			FULL,                                                                                \
			.existing = (existing_),                                                             \
			.budgets = 100,                                                                      \
			.dimensions = 1                                                                      \
		}                                                                                            \
	}
#define BUDGETS(name_, summary_, budgets_)                                                                    \
	{                                                                                                     \
		.name = (name_), .summary = (summary_), .run = bench_run_against, .against = "1,000 budgets", \
		.base_budgets = 1000, .shape = {                                                              \
			ALONE,                                                                                \
			ORDERED,                                                                              \
			NONE,                                                                                 \
			.budgets = (budgets_),                                                                \
			.dimensions = 1                                                                       \
		}                                                                                             \
	}
#define ADMISSION(name_, summary_, size_)                                                                       \
	{                                                                                                       \
		.name = (name_), .summary = (summary_), .run = bench_run_admission, .against = "1,000 entries", \
		.size = (size_), .shape = {                                                                     \
			ALONE,                                                                                  \
			NONE                                                                                    \
		}                                                                                               \
	}

const bench_workload bench_workloads[] = {
	REPORTS("single", "one caller, one report a commit, with keys", ALONE, ORDERED, FULL, .budgets = 100,
	        .dimensions = 1),
	REPORTS("single-none", "the same without durability", ALONE, ORDERED, NONE, .budgets = 100, .dimensions = 1),
	REPORTS("crowd-64", "64 threads, plain calls, ordered keys; the floor in batches of 64", .threads = 64,
	        .batch = 1, ORDERED, FULL, .budgets = 100, .dimensions = 1),
	REPORTS("crowd-512", "512 threads, likewise", .threads = 512, .batch = 1, ORDERED, FULL, .budgets = 100,
	        .dimensions = 1),
	REPORTS("hot", "64 threads, one budget; the floor in batches of 64", .threads = 64, .batch = 1, ORDERED, FULL,
	        .budgets = 1, .dimensions = 1),
	REPORTS("zipf", "64 threads, a million budgets, few of them popular", .threads = 64, .batch = 1, ORDERED, FULL,
	        .budgets = 1000000, .dimensions = 1, .zipf = true),
	REPORTS("batch-1", "batches of 8,192, ordered keys, one budget", .threads = 1, .batch = 8192, ORDERED, FULL,
	        .budgets = 1, .dimensions = 1),
	REPORTS("batch-100", "the same, 100 budgets", .threads = 1, .batch = 8192, ORDERED, FULL, .budgets = 100,
	        .dimensions = 1),
	REPORTS("batch-5000", "the same, 5,000 budgets", .threads = 1, .batch = 8192, ORDERED, FULL, .budgets = 5000,
	        .dimensions = 1),
	REPORTS("batch-random", "batches of 8,192, random keys, 2 million keys in the store", .threads = 1,
	        .batch = 8192, RANDOM, FULL, .existing = 2000000, .budgets = 100, .dimensions = 1),
	REPORTS("batch-no-keys", "batches of 65,536, no keys, 2 dimensions, 100 budgets", .threads = 1, .batch = 65536,
	        FULL, .budgets = 100, .dimensions = 2),
	REPORTS("replays", "batches of 8,192 of keys that are known", .threads = 1, .batch = 8192, RANDOM, FULL,
	        .existing = 100000, .budgets = 100, .dimensions = 1, .replay = true),
	REPORTS("refusals", "batches of 8,192 on budgets that are full, with keys", .threads = 1, .batch = 8192,
	        ORDERED, FULL, .budgets = 100, .dimensions = 1, .refuse = true),
	{ .name = "spend",
	  .summary = "batches of 4,096 spends, and of their releases",
	  .run = bench_run_spend,
	  .shape = { .threads = 1, .batch = 4096, ORDERED, FULL, .budgets = 100, .dimensions = 1 } },
	ADMISSION("admission-1k", "admissions into a full window of 1,000 entries", 1000),
	ADMISSION("admission-100k", "the same, 100,000 entries", 100000),
	ADMISSION("admission-1m", "the same, a million entries", 1000000),
	{ .name = "status",
	  .summary = "status reads by one thread, beside single durable reports",
	  .run = bench_run_status,
	  .against = "status-writer",
	  .shape = { ALONE, ORDERED, FULL, .budgets = 1000, .dimensions = 1 } },
	{ .name = "status-batch",
	  .summary = "the same beside batches of 8,192",
	  .run = bench_run_status,
	  .against = "status-batch-writer",
	  .shape = { .threads = 1, .batch = 8192, ORDERED, FULL, .budgets = 1000, .dimensions = 1 } },
	{ .name = "mixed",
	  .summary = "64 threads: 80 % reports, 15 % admissions, 5 % status reads",
	  .run = bench_run_mixed,
	  .shape = { .threads = 64, .batch = 1, ORDERED, FULL, .budgets = 1000, .dimensions = 1 } },
	{ .name = "day",
	  .summary = "100,000 budgets that are due at one instant; reports beside the tick",
	  .run = bench_run_house,
	  .size = 100000,
	  .shape = { ALONE, ORDERED, FULL, .budgets = 100000, .dimensions = 1 } },
	{ .name = "purge",
	  .summary = "a million keys that are over; reports beside the tick",
	  .run = bench_run_house,
	  .size = 1 << 20,
	  .purges = true,
	  .shape = { ALONE, ORDERED, FULL, .budgets = 100, .dimensions = 1 } },
	KEYS("keys-1k", "batches of 8,192, ordered keys, 1,000 keys in the store", ORDERED, 1000),
	KEYS("keys-10k", "the same, 10,000 keys", ORDERED, 10000),
	KEYS("keys-1m", "the same, a million", ORDERED, 1000000),
	KEYS("keys-10m", "the same, 10 million", ORDERED, 10000000),
	KEYS("random-1k", "the same, random keys, 1,000 keys in the store", RANDOM, 1000),
	KEYS("random-10k", "the same, 10,000 keys", RANDOM, 10000),
	KEYS("random-1m", "the same, a million", RANDOM, 1000000),
	BUDGETS("budgets-1k", "one report a commit, no durability, among 1,000 budgets", 1000),
	BUDGETS("budgets-10k", "the same, 10,000 budgets", 10000),
	BUDGETS("budgets-100k", "the same, 100,000 budgets", 100000),
	BUDGETS("budgets-1m", "the same, a million budgets", 1000000),
};

const size_t bench_workloads_count = sizeof(bench_workloads) / sizeof(*bench_workloads);
