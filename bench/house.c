/* Keeping house beside reports: budgets that are all due at one instant, and keys that are all over. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workloads.h"

#define DAY_MS INT64_C(86400000)

/* The system's time and a shift. */
typedef struct shifted {
	_Atomic int64_t shift_ms;
	ff_clock clock;
} shifted;

static int64_t shifted_now(void *context)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + ((shifted *)context)->shift_ms;
}

static void shifted_sleep(void *context, uint32_t ms)
{
	(void)context;
	struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	nanosleep(&pause, NULL);
}

/* A tick under way. */
typedef struct housekeeper {
	ff_engine *engine;
	pthread_t thread;
	_Atomic bool done;
	ff_tick_result result;
	double seconds;
} housekeeper;

static void *keep_house(void *context)
{
	housekeeper *of = context;
	ff_error error;
	uint64_t began = bench_now_ns();
	if (ff_engine_tick(of->engine, 0, 0, &of->result, &error) != FF_OK)
		bench_die_of("tick", &error);
	of->seconds = (double)(bench_now_ns() - began) / 1e9;
	of->done = true;
	return NULL;
}

/* ---- what is due ----------------------------------------------------------------------------------------------- */

typedef struct house {
	bench_shape shape;
	bench_shape filling; /* batches that bring the keys which are to be over */
	bench_subject subject;
	bench_reports reports;
	shifted time;
	uint64_t due;
	bool purges;         /* keys are over; else budgets are due */
	uint64_t over, gone; /* what a tick finds due; and the reports before it, whose keys are gone then */
	bool ticks_wrong;
	housekeeper keeper;
	bench_histogram before, beside;
	double rates[64], shares[64], alone;
	double longest_before_ms[64], longest_beside_ms[64]; /* reports */
} house;

static void report_for(house *of, double seconds)
{
	bench_engine_side side = { &of->subject, &of->reports };
	uint64_t end = bench_now_ns() + (uint64_t)(seconds * 1e9);
	bench_slice slice;
	do {
		bench_engine_slice(&side, 1, &slice);
	} while (bench_now_ns() < end);
}

static void bring_keys(house *of)
{
	bench_engine_side side = { &of->subject, &of->reports };
	bench_slice slice;
	of->reports.shape = &of->filling;
	bench_engine_slice(&side, of->due, &slice);
	of->reports.shape = &of->shape;
}

/* From here on everything is due: a day later, for keys that are honoured so long too. */
static void become_due(house *of)
{
	of->time.shift_ms += DAY_MS + 60000;
	of->over = of->purges ? of->reports.next - of->gone : of->due;
	of->gone = of->reports.next;
	if (of->purges)
		return;
	/* A new period: nothing is used yet. */
	of->reports.first = of->reports.next;
	for (uint64_t i = 0; i < of->shape.budgets; i++)
		of->reports.accepted[i] = 0;
}

static void start_keeper(house *of)
{
	of->keeper.engine = of->subject.engine;
	of->keeper.done = false;
	if (pthread_create(&of->keeper.thread, NULL, keep_house, &of->keeper) != 0)
		bench_die("cannot start a thread");
}

/* Waits for the tick's end and answers its rate. It has to have done all that was due, but a report moves the period of its
 * budget by itself. */
static double end_keeper(house *of)
{
	const ff_tick_result *result = &of->keeper.result;
	pthread_join(of->keeper.thread, NULL);
	uint64_t done = of->purges ? result->purged_keys : result->resets;
	uint64_t by_reports = of->purges ? 0 : of->reports.latencies.count;
	if (done > of->over || done + by_reports < of->over) {
		fprintf(stderr, "ff-bench: wrong books of %s: a tick did %" PRIu64 " of %" PRIu64 " that were due\n",
		        of->subject.store->scheme, done, of->over);
		of->ticks_wrong = true;
	}
	return (double)done / of->keeper.seconds;
}

/* Reports alone, and then beside a tick that finds all of it due. */
static void run_round(house *of, unsigned round, double seconds)
{
	if (of->purges)
		bring_keys(of);
	of->reports.latencies = (bench_histogram){ 0 };
	report_for(of, seconds);
	double p99 = bench_percentile_us(&of->reports.latencies, 0.99);
	of->longest_before_ms[round] = bench_percentile_us(&of->reports.latencies, 1) / 1e3;
	bench_merge(&of->before, &of->reports.latencies);
	of->reports.latencies = (bench_histogram){ 0 };
	become_due(of);
	start_keeper(of);
	while (!of->keeper.done)
		report_for(of, 0);
	of->rates[round] = end_keeper(of);
	bench_merge(&of->beside, &of->reports.latencies);
	of->shares[round] = p99 / bench_percentile_us(&of->reports.latencies, 0.99);
	of->longest_beside_ms[round] = bench_percentile_us(&of->reports.latencies, 1) / 1e3;
}

static void run_alone(house *of)
{
	if (of->purges)
		bring_keys(of);
	of->reports.latencies = (bench_histogram){ 0 };
	become_due(of);
	start_keeper(of);
	of->alone = end_keeper(of);
}

static void tell(bench_row *row, house *of, unsigned rounds)
{
	row->per_second = bench_spread_of(of->rates, rounds).median;
	row->ratio = bench_spread_of(of->shares, rounds);
	row->against = "p99 of reports: before, to beside the tick";
	row->pairs = rounds;
	row->ops = of->beside.count;
	bench_tell_latencies(row, &of->beside);
	cJSON_AddNumberToObject(row->extra, "due", (double)of->due);
	cJSON_AddNumberToObject(row->extra, "per_second_alone", round(of->alone));
	cJSON_AddNumberToObject(row->extra, "p99_before_us", bench_percentile_us(&of->before, 0.99));
	cJSON_AddNumberToObject(row->extra, "p100_before_us", bench_percentile_us(&of->before, 1));
	cJSON_AddNumberToObject(row->extra, "longest_before_ms", bench_spread_of(of->longest_before_ms, rounds).median);
	cJSON_AddNumberToObject(row->extra, "longest_beside_ms", bench_spread_of(of->longest_beside_ms, rounds).median);
}

static void open_house(house *of)
{
	of->time.clock = (ff_clock){ shifted_now, shifted_sleep, &of->time };
	of->subject.clock = &of->time.clock;
	/* Keys are honoured a day where they are to be over, and else longer than the run goes on. */
	of->subject.key_ttl_ms = of->purges ? DAY_MS : 1000 * DAY_MS;
	bench_subject_open(&of->subject, FF_DURABILITY_NONE);
	bench_subject_fill(&of->subject, &of->reports);
	bench_subject_open(&of->subject, of->shape.durability);
}

unsigned bench_run_house(const bench_workload *workload, const bench_store *store, const bench_options *options,
                         bench_row *rows)
{
	house *of = bench_allocate(1, sizeof(*of));
	of->shape = bench_shape_for(workload, store, options);
	of->shape.threads = 1;
	of->shape.batch = 1;
	of->purges = workload->purges;
	of->due = options->quick ? 1024 : workload->size;
	if (!of->purges) {
		of->shape.budgets = of->due;
		of->shape.period_ms = DAY_MS;
	}
	of->filling = of->shape;
	of->filling.batch = options->quick ? 256 : 8192;
	of->subject.store = store;
	bench_reports_init(&of->reports, &of->shape, options->seed);
	bench_row_begin(rows, workload->name, store, &of->shape, options);
	open_house(of);
	bench_settle(store);
	unsigned rounds = options->pairs < 64 ? options->pairs : 64;
	for (unsigned i = 0; i < rounds; i++)
		run_round(of, i, options->seconds / rounds / 2);
	bench_row_end(rows, &of->subject);
	bench_reports_doctor(&of->reports, options->doctor);
	if (!of->purges) /* else some of those keys are gone */
		bench_subject_repeat(&of->subject, &of->reports, options);
	bool right = bench_subject_books(&of->subject, &of->reports);
	right = bench_reports_right(&of->reports, &of->shape, store->scheme) && right;
	run_alone(of); /* of budgets it leaves zeros */
	tell(rows, of, rounds);
	rows->books_wrong = !bench_subject_books(&of->subject, &of->reports) || of->ticks_wrong || !right;
	bench_subject_close(&of->subject);
	store->floor->remove(store->path);
	bench_reports_free(&of->reports);
	free(of);
	return 1;
}
