/* Workloads whose other side is the engine too: with fewer rows, or with fewer entries in a window. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads.h"

/* A store beside the workload's own. */
static bench_store beside(const bench_store *store)
{
	bench_store other = *store;
	other.path = bench_store_beside(store, BENCH_BASE_END);
	return other;
}

/* ---- reports among more, or fewer ------------------------------------------------------------------------------ */

/* The engine with a store that is filled and waits. */
typedef struct filled {
	bench_store store;
	bench_shape shape;
	bench_subject subject;
	bench_reports reports;
	bench_engine_side side;
	const bench_options *options;
	uint64_t keys_max; /* that it has held */
	bool wrong;        /* books of a store that was made anew since */
} filled;

static void fill(filled *of)
{
	of->subject.store = &of->store;
	bench_prepare(&of->subject, &of->reports, &of->shape, of->options->seed);
	of->side = (bench_engine_side){ &of->subject, &of->reports };
}

static bool are_right(filled *of)
{
	bench_subject_repeat(&of->subject, &of->reports, of->options);
	bool right = bench_subject_books(&of->subject, &of->reports);
	return bench_reports_right(&of->reports, &of->shape, of->store.scheme) && right && !of->wrong;
}

/* How many keys may come to those that a store is named for: half as many, or a batch. */
static uint64_t growth_max(const bench_shape *shape)
{
	return shape->existing / 2 > shape->batch ? shape->existing / 2 : shape->batch;
}

/* A batch of its own warms up a store that was made anew, where that is few beside what it holds. */
static uint64_t warm_up_of(const bench_shape *shape)
{
	return shape->batch <= shape->existing / 10 ? shape->batch : 0;
}

/* Each report brings a key. A store that would have too many more by then is made anew. Not a module's, which may outlive what
 * lies at its path. */
static void keep_size(void *context, uint64_t ops)
{
	filled *of = context;
	bench_histogram latencies = of->reports.latencies;
	bench_slice ignored;
	if (!of->shape.existing || !of->store.floor->open ||
	    of->reports.next - of->shape.existing + ops <= growth_max(&of->shape))
		return;
	of->wrong = !are_right(of);
	bench_clear(&of->subject, &of->reports);
	fill(of);
	if (warm_up_of(&of->shape))
		bench_engine_slice(&of->side, warm_up_of(&of->shape), &ignored);
	of->reports.latencies = latencies;
}

static void report_slice(void *context, uint64_t ops, bench_slice *slice)
{
	filled *of = context;
	bench_engine_slice(&of->side, ops, slice);
	of->keys_max = of->reports.next > of->keys_max ? of->reports.next : of->keys_max;
}

unsigned bench_run_against(const bench_workload *workload, const bench_store *store, const bench_options *options,
                           bench_row *rows)
{
	filled large = { .store = *store, .options = options, .shape = bench_shape_for(workload, store, options) };
	filled small = { .store = beside(store), .options = options, .shape = large.shape };
	if (workload->base_budgets)
		small.shape.budgets = workload->base_budgets;
	small.shape.existing = workload->base_existing;
	if (options->quick) {
		small.shape.budgets = small.shape.budgets < 100 ? small.shape.budgets : 100;
		small.shape.existing = small.shape.existing < 100 ? small.shape.existing : 100;
	}
	bench_row_begin(rows, workload->name, store, &large.shape, options);
	fill(&large);
	fill(&small);
	bench_side a = { .slice = report_slice, .before = keep_size, .context = &large };
	bench_side b = { .slice = report_slice, .before = keep_size, .context = &small };
	a.latencies = &large.reports.latencies;
	bench_pairs how = bench_pairs_for(options, large.shape.batch);
	if (small.shape.existing) {
		bool is_small = small.shape.existing < large.shape.existing;
		const bench_shape *smaller = is_small ? &small.shape : &large.shape;
		how.ops_max = growth_max(smaller) - warm_up_of(smaller);
	}
	rows->against = workload->against;
	bench_run_pairs(&how, &a, &b, rows);
	bench_row_end(rows, &large.subject);
	bench_reports_doctor(&large.reports, options->doctor);
	bench_reports_doctor(&small.reports, options->doctor_floor);
	if (small.shape.existing) {
		cJSON_AddNumberToObject(rows->extra, "keys_max", (double)large.keys_max);
		cJSON_AddNumberToObject(rows->extra, "against_keys_max", (double)small.keys_max);
	}
	rows->books_wrong = !are_right(&large);
	rows->books_wrong = !are_right(&small) || rows->books_wrong;
	bench_clear(&large.subject, &large.reports);
	bench_clear(&small.subject, &small.reports);
	free(small.store.path);
	return 1;
}

/* ---- admissions ------------------------------------------------------------------------------------------------ */

/* Each admission comes a millisecond after the one before, into a window of as many milliseconds as it may hold: it is
 * always full, and its oldest entry is over at the moment that the next one asks. */
typedef struct door {
	bench_store store;
	bench_subject subject;
	_Atomic int64_t now_ms;
	ff_clock clock;
	uint64_t places;
	uint64_t admitted;
	bench_histogram latencies;
} door;

#define DOOR_BEGAN_MS INT64_C(1700000000000)

static int64_t door_now(void *context)
{
	return ((door *)context)->now_ms;
}

static void door_sleep(void *context, uint32_t ms)
{
	((door *)context)->now_ms += ms;
}

void bench_create_quota(ff_engine *engine, uint64_t window_seconds, uint64_t places)
{
	ff_quota_spec spec = FF_QUOTA_SPEC_INIT;
	ff_created created;
	ff_error error;
	spec.quota_policy_id = BENCH_QUOTA;
	spec.limits = (ff_quota_limits){ .window_seconds = window_seconds, .max_requests_per_window = places };
	if (ff_engine_create_quota_policy(engine, &spec, &created, &error) != FF_OK)
		bench_die_of("create a quota", &error);
}

ff_admission bench_admission_of(uint64_t number, char execution[32])
{
	ff_admission admission = FF_ADMISSION_INIT;
	snprintf(execution, 32, "execution-%012" PRIu64, number);
	admission.quota_policy_id = BENCH_QUOTA;
	admission.execution_id = execution;
	return admission;
}

/* Many at once; each brings the moment that it comes at. */
static void fill_window(door *of)
{
	enum { BATCH = 1000 };
	ff_call *calls = bench_allocate(BATCH, sizeof(*calls));
	ff_admission *admissions = bench_allocate(BATCH, sizeof(*admissions));
	ff_admission_outcome *outcomes = bench_allocate(BATCH, sizeof(*outcomes));
	char(*names)[32] = bench_allocate(BATCH, sizeof(*names));
	ff_error error;
	while (of->admitted < of->places) {
		for (size_t i = 0; i < BATCH; i++) {
			admissions[i] = bench_admission_of(of->admitted + i, names[i]);
			admissions[i].now_ms = of->now_ms + 1 + (int64_t)i;
			calls[i] = (ff_call){ .op = FF_OP_ADMIT,
				              .in.admission = &admissions[i],
				              .out.admission = &outcomes[i] };
		}
		if (ff_engine_submit(of->subject.engine, calls, BATCH, &error) != FF_OK)
			bench_die_of("admit", &error);
		for (size_t i = 0; i < BATCH; i++)
			if (calls[i].code != FF_OK || outcomes[i].kind != FF_ADMITTED)
				bench_die("an admission into a window with room was refused");
		of->admitted += BATCH;
		of->now_ms += BATCH;
	}
	free(calls);
	free(admissions);
	free(outcomes);
	free(names);
}

static void open_door(door *of, const bench_shape *shape)
{
	of->now_ms = DOOR_BEGAN_MS;
	of->clock = (ff_clock){ .now_ms = door_now, .sleep_ms = door_sleep, .context = of };
	of->subject = (bench_subject){ .store = &of->store, .clock = &of->clock };
	bench_subject_open(&of->subject, FF_DURABILITY_NONE);
	bench_create_quota(of->subject.engine, of->places / 1000, of->places);
	fill_window(of);
	bench_subject_open(&of->subject, shape->durability);
}

static void admit_slice(void *context, uint64_t ops, bench_slice *slice)
{
	door *of = context;
	uint64_t took = 0;
	for (uint64_t i = 0; i < ops; i++) {
		char name[32];
		ff_admission admission = bench_admission_of(of->admitted, name);
		ff_admission_outcome outcome;
		ff_error error;
		of->now_ms++;
		uint64_t began = bench_now_ns();
		if (ff_engine_admit(of->subject.engine, &admission, &outcome, &error) != FF_OK)
			bench_die_of("admit", &error);
		uint64_t ns = bench_now_ns() - began;
		took += ns;
		bench_record(&of->latencies, ns);
		of->admitted += outcome.kind == FF_ADMITTED;
	}
	*slice = (bench_slice){ ops, (double)took / 1e9 };
}

/* Whether the window is full of those that came last. */
static bool check_door(door *of, uint64_t asked)
{
	const ff_quota_status *status;
	ff_error error;
	if (ff_engine_get_quota_status(of->subject.engine, BENCH_QUOTA, &status, &error) != FF_OK)
		bench_die_of("read the books", &error);
	bool right = of->admitted == asked && status->in_window == of->places;
	if (!right)
		fprintf(stderr,
		        "ff-bench: wrong books of %s: %" PRIu64 " of %" PRIu64 " were admitted, and %" PRIu64
		        " are in the window, which has %" PRIu64 " places and is full\n",
		        of->store.scheme, of->admitted, asked, status->in_window, of->places);
	ff_free(status);
	return right;
}

unsigned bench_run_admission(const bench_workload *workload, const bench_store *store, const bench_options *options,
                             bench_row *rows)
{
	bench_shape shape = workload->shape; /* admissions have no other */
	shape.durability = bench_shape_for(workload, store, options).durability;
	shape.processes = 1;
	door large = { .store = *store, .places = options->quick ? 2000 : workload->size };
	door small = { .store = beside(store), .places = 1000 };
	bench_row_begin(rows, workload->name, store, &shape, options);
	open_door(&large, &shape);
	open_door(&small, &shape);
	bench_settle(store);
	uint64_t before_large = large.admitted, before_small = small.admitted;
	int64_t began_large = large.now_ms, began_small = small.now_ms;
	bench_side a = { .slice = admit_slice, .context = &large, .latencies = &large.latencies };
	bench_side b = { .slice = admit_slice, .context = &small };
	bench_pairs how = bench_pairs_for(options, 1);
	rows->against = workload->against;
	bench_run_pairs(&how, &a, &b, rows);
	bench_row_end(rows, &large.subject);
	cJSON_AddNumberToObject(rows->extra, "window_entries", (double)large.places);
	bool right = check_door(&large, before_large + (uint64_t)(large.now_ms - began_large) + options->doctor);
	rows->books_wrong =
	    !check_door(&small, before_small + (uint64_t)(small.now_ms - began_small) + options->doctor_floor) ||
	    !right;
	bench_subject_close(&large.subject);
	bench_subject_close(&small.subject);
	store->floor->remove(store->path);
	store->floor->remove(small.store.path);
	free(small.store.path);
	return 1;
}
