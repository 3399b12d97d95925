/* The engine as a side: its store, its budgets, threads that report, and its books. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench.h"

#define FILL_BATCH 8192

/* ---- the store ---------------------------------------------------------------------------------------------- */

void bench_subject_open(bench_subject *subject, ff_durability durability)
{
	bench_subject_close(subject);
	subject->memory = (bench_memory){ 0 }; /* and not what it took to fill the store */
	const bench_store *store = subject->store;
	size_t size = strlen(store->scheme) + strlen(store->path) + strlen(store->query) + 64;
	char *uri = bench_allocate(size, 1);
	/* A module's store need not know the parameter, unless it was given one. */
	bool takes_durability = store->floor->open || store->has_durability;
	snprintf(uri, size, "%s:%s%c%s%s%s%s", store->scheme, store->path, strchr(store->path, '?') ? '&' : '?',
	         takes_durability ? "durability=" : "", takes_durability ? bench_durability_name(durability) : "",
	         takes_durability && *store->query ? "&" : "", store->query);
	subject->allocator = bench_counting_allocator(&subject->memory);
	ff_engine_options options = FF_ENGINE_OPTIONS_INIT;
	options.allocator = &subject->allocator;
	options.clock = subject->clock;
	options.key_ttl_ms = subject->key_ttl_ms;
	ff_error error;
	if (ff_engine_open(uri, &options, &subject->engine, &error) != FF_OK)
		bench_die_of("open", &error);
	free(uri);
}

void bench_subject_close(bench_subject *subject)
{
	ff_engine_close(&subject->engine);
}

/* ---- reports ------------------------------------------------------------------------------------------------ */

uint64_t bench_hard_limit(const bench_shape *shape)
{
	return shape->refuse ? 1 : (uint64_t)INT64_MAX / 4;
}

void bench_reports_init(bench_reports *reports, const bench_shape *shape, uint64_t seed)
{
	memset(reports, 0, sizeof(*reports));
	reports->shape = shape;
	reports->stream = (bench_stream){ .seed = seed,
		                          .keys = shape->keys,
		                          .budgets = shape->budgets,
		                          .dimensions = shape->dimensions,
		                          .zipf = shape->zipf };
	reports->accepted = bench_share(shape->budgets * shape->dimensions, sizeof(*reports->accepted));
}

void bench_reports_free(bench_reports *reports)
{
	const bench_shape *shape = reports->shape;
	bench_unshare((void *)reports->accepted, shape->budgets * shape->dimensions, sizeof(*reports->accepted));
}

void bench_reports_accept(bench_reports *reports, const bench_texts *texts, size_t amounts_count)
{
	for (size_t i = 0; i < amounts_count; i++)
		atomic_fetch_add_explicit(&reports->accepted[texts->budget_number * amounts_count + i],
		                          texts->amounts[i].amount, memory_order_relaxed);
}

void bench_reports_doctor(bench_reports *reports, bool doctor)
{
	reports->accepted[reports->shape->budgets * reports->shape->dimensions - 1] += doctor;
}

/* What the requests so far ask, budget by budget. */
static uint64_t *asked_of(const bench_reports *reports, const bench_shape *shape)
{
	bench_stream stream = reports->stream;
	uint64_t end = stream.repeat ? stream.repeat : reports->next;
	uint64_t *asked = bench_allocate(shape->budgets * shape->dimensions, sizeof(*asked));
	stream.keys = BENCH_KEYS_NONE; /* of no matter, and what takes time to make */
	for (uint64_t number = reports->first; number < end; number++) {
		bench_texts texts;
		ff_report report;
		if (reports->is_other && reports->is_other(number))
			continue;
		bench_request(&stream, number, &texts, &report);
		for (unsigned i = 0; i < shape->dimensions; i++) {
			uint64_t *of = &asked[texts.budget_number * shape->dimensions + i];
			uint64_t amount = texts.amounts[i].amount;
			if (*of + amount <= bench_hard_limit(shape))
				*of += amount;
		}
	}
	return asked;
}

bool bench_reports_right(const bench_reports *reports, const bench_shape *shape, const char *whose)
{
	uint64_t *asked = asked_of(reports, shape);
	uint64_t count = shape->budgets * shape->dimensions, i = 0;
	while (i < count && reports->accepted[i] == asked[i])
		i++;
	if (i < count) {
		char id[24];
		bench_budget_id(i / shape->dimensions, id);
		fprintf(stderr,
		        "ff-bench: wrong books of %s: %" PRIu64 " %s were to be accepted of budget '%s', and %" PRIu64
		        " were\n",
		        whose, asked[i], bench_dimension((unsigned)(i % shape->dimensions)), id, reports->accepted[i]);
	}
	free(asked);
	return i == count;
}

size_t bench_repeat(const bench_reports *reports, const bench_options *options, bench_batch *batch)
{
	uint64_t end = reports->next;
	size_t count = end < BENCH_REPEATED ? (size_t)end : BENCH_REPEATED;
	if (reports->shape->keys == BENCH_KEYS_NONE)
		return 0;
	for (size_t i = 0; i < count; i++)
		bench_request(&reports->stream, (options->lose_keys ? end : end - count) + i, &batch->texts[i],
		              &batch->reports[i]);
	return count;
}

/* ---- filling ------------------------------------------------------------------------------------------------ */

static void create_budgets(ff_engine *engine, const bench_shape *shape, int64_t now_ms, uint64_t from, size_t count)
{
	ff_call *calls = bench_allocate(count, sizeof(*calls));
	ff_budget_spec *specs = bench_allocate(count, sizeof(*specs));
	char(*ids)[24] = bench_allocate(count, sizeof(*ids));
	ff_created *created = bench_allocate(count, sizeof(*created));
	ff_limit limits[BENCH_DIMENSIONS_MAX];
	ff_error error;
	for (unsigned i = 0; i < shape->dimensions; i++)
		limits[i] = (ff_limit){ .dimension = bench_dimension(i), .hard = bench_hard_limit(shape) };
	for (size_t i = 0; i < count; i++) {
		bench_budget_id(from + i, ids[i]);
		specs[i] = (ff_budget_spec)FF_BUDGET_SPEC_INIT;
		specs[i].budget_id = ids[i];
		specs[i].limits = limits;
		specs[i].limits_count = shape->dimensions;
		specs[i].reset_interval_ms = shape->period_ms;
		specs[i].now_ms = now_ms;
		calls[i] = (ff_call){ .op = FF_OP_CREATE_BUDGET,
			              .in.create_budget = &specs[i],
			              .out.created = &created[i],
			              .error = &error };
	}
	ff_code code = ff_engine_submit(engine, calls, count, &error);
	for (size_t i = 0; code == FF_OK && i < count; i++)
		code = calls[i].code;
	if (code != FF_OK)
		bench_die_of("create budgets", &error);
	for (size_t i = 0; i < count; i++)
		if (!created[i].created)
			bench_die("the store was there already: it outlives what lies at its path, and can be "
			          "measured by one workload a run");
	free(created);
	free(calls);
	free(specs);
	free(ids);
}

static void make_batch(const bench_reports *reports, bench_batch *batch, uint64_t from, size_t count)
{
	for (size_t i = 0; i < count; i++)
		bench_request(&reports->stream, from + i, &batch->texts[i], &batch->reports[i]);
}

/* Reports what the batch holds in one call. Answers how long the call took. */
static uint64_t report_batch(ff_engine *engine, bench_reports *reports, bench_batch *batch, size_t count)
{
	ff_error error;
	uint64_t began = bench_now_ns();
	ff_code code = ff_engine_report_usage_batch(engine, batch->reports, count, batch->results, NULL, &error);
	uint64_t took = bench_now_ns() - began;
	if (code != FF_OK)
		bench_die_of("report", &error);
	for (size_t i = 0; i < count; i++) {
		if (batch->results[i].code != FF_OK)
			bench_die("a report of a batch failed: %s", ff_code_name(batch->results[i].code));
		if (batch->results[i].outcome.applied && !batch->results[i].outcome.replayed)
			bench_reports_accept(reports, &batch->texts[i], reports->stream.dimensions);
	}
	return took;
}

void bench_subject_fill(bench_subject *subject, bench_reports *reports)
{
	const bench_shape *shape = reports->shape;
	bench_batch batch;
	/* All at one moment, so that their periods end at one. */
	int64_t now_ms = subject->clock ? subject->clock->now_ms(subject->clock->context) : 0;
	for (uint64_t at = 0; at < shape->budgets; at += FILL_BATCH) {
		uint64_t left = shape->budgets - at;
		create_budgets(subject->engine, shape, now_ms, at, left < FILL_BATCH ? left : FILL_BATCH);
	}
	bench_batch_init(&batch, FILL_BATCH);
	while (reports->next < shape->existing) {
		uint64_t left = shape->existing - reports->next;
		size_t count = left < FILL_BATCH ? left : FILL_BATCH;
		make_batch(reports, &batch, reports->next, count);
		report_batch(subject->engine, reports, &batch, count);
		reports->next += count;
	}
	bench_batch_free(&batch);
	if (shape->replay)
		reports->stream.repeat = shape->existing;
}

void bench_subject_repeat(bench_subject *subject, const bench_reports *reports, const bench_options *options)
{
	bench_batch batch;
	ff_error error;
	bench_batch_init(&batch, BENCH_REPEATED);
	size_t count = bench_repeat(reports, options, &batch);
	if (count &&
	    ff_engine_report_usage_batch(subject->engine, batch.reports, count, batch.results, NULL, &error) != FF_OK)
		bench_die_of("report again", &error);
	bench_batch_free(&batch);
}

/* ---- slices ------------------------------------------------------------------------------------------------- */

/* A request; its report points into its texts. */
typedef struct made_request {
	bench_texts texts;
	ff_report report;
} made_request;

/* Threads of a slice. */
typedef struct crew {
	bench_subject *subject;
	bench_reports *reports;
	bench_histogram *latencies;
	pthread_barrier_t start;
	pthread_mutex_t lock; /* over the latencies */
	made_request *made;   /* all of the slice's requests, made before it begins; NULL: each when it is sent */
	uint64_t began_at;    /* the number of the slice's first request */
	uint64_t end;
	_Atomic uint64_t started_ns;
	uint64_t calls_ns; /* that the calls of one thread alone took */
} crew;

/* Waits for the moment that a request is due in an open loop, and answers it. */
static uint64_t wait_until_due(const crew *of, uint64_t number)
{
	double after_ns = (double)(number - of->began_at) / of->reports->rate * 1e9;
	uint64_t due = of->started_ns + (uint64_t)after_ns;
	struct timespec at = { .tv_sec = (time_t)(due / 1000000000), .tv_nsec = (long)(due % 1000000000) };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
	return due;
}

static void add_time(crew *of, uint64_t ns)
{
	if (of->reports->shape->threads == 1)
		of->calls_ns += ns;
}

static void report_one(crew *of, uint64_t number, bench_histogram *latencies)
{
	bench_reports *reports = of->reports;
	made_request own;
	made_request *request = of->made ? &of->made[number - of->began_at] : &own;
	ff_outcome outcome;
	ff_error error;
	if (request == &own)
		bench_request(&reports->stream, number, &own.texts, &own.report);
	uint64_t due = reports->rate > 0 ? wait_until_due(of, number) : 0;
	uint64_t other_ns;
	if (reports->other && reports->other(of->subject, reports, &request->report, number, &other_ns)) {
		bench_record(latencies, due ? bench_now_ns() - due : other_ns);
		add_time(of, other_ns);
		return;
	}
	uint64_t began = bench_now_ns();
	if (ff_engine_report_usage(of->subject->engine, &request->report, &outcome, &error) != FF_OK)
		bench_die_of("report", &error);
	uint64_t ended = bench_now_ns();
	bench_record(latencies, ended - (due ? due : began));
	add_time(of, ended - began);
	if (outcome.applied && !outcome.replayed)
		bench_reports_accept(reports, &request->texts, reports->stream.dimensions);
}

static void report_some(crew *of, bench_batch *batch, uint64_t from, size_t count, bench_histogram *latencies)
{
	make_batch(of->reports, batch, from, count);
	/* A batch is due with its last report. */
	uint64_t due = of->reports->rate > 0 ? wait_until_due(of, from + count - 1) : 0;
	uint64_t late = due ? bench_now_ns() - due : 0;
	uint64_t took = report_batch(of->subject->engine, of->reports, batch, count);
	bench_record(latencies, late + took);
	add_time(of, took);
}

static void work(crew *of)
{
	bench_reports *reports = of->reports;
	size_t unit = reports->shape->batch;
	bench_histogram *latencies = bench_allocate(1, sizeof(*latencies));
	bench_batch batch;
	bench_batch_init(&batch, unit);
	if (reports->shape->threads > 1)
		pthread_barrier_wait(&of->start);
	uint64_t now = bench_now_ns(), unset = 0;
	atomic_compare_exchange_strong(&of->started_ns, &unset, now);
	for (;;) {
		uint64_t from = atomic_fetch_add(&reports->next, unit);
		if (from >= of->end)
			break;
		if (unit == 1)
			report_one(of, from, latencies);
		else
			report_some(of, &batch, from, unit, latencies);
	}
	pthread_mutex_lock(&of->lock);
	bench_merge(of->latencies, latencies);
	pthread_mutex_unlock(&of->lock);
	free(latencies);
	bench_batch_free(&batch);
}

static void *work_in_thread(void *context)
{
	work(context);
	return NULL;
}

static void work_in_threads(crew *of, unsigned threads)
{
	pthread_t *ids = bench_allocate(threads, sizeof(*ids));
	pthread_barrier_init(&of->start, NULL, threads);
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work_in_thread, of) != 0)
			bench_die("cannot start %u threads", threads);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	pthread_barrier_destroy(&of->start);
	free(ids);
}

/* Before the clock runs, as a floor's are. Several processes share the numbers, and none knows which it will send. */
static void make_requests(crew *of)
{
	const bench_shape *shape = of->reports->shape;
	if (shape->batch > 1 || shape->processes > 1)
		return;
	of->made = bench_allocate(of->end - of->began_at, sizeof(*of->made));
	for (uint64_t i = 0; i < of->end - of->began_at; i++)
		bench_request(&of->reports->stream, of->began_at + i, &of->made[i].texts, &of->made[i].report);
}

void bench_engine_report(void *context, uint64_t from, uint64_t end, bench_histogram *latencies, bench_stretch *took)
{
	const bench_engine_side *side = context;
	const bench_reports *reports = side->reports;
	crew of = { side->subject, side->reports, latencies, .began_at = from, .end = end };
	if (reports->rate > 0)
		prctl(PR_SET_TIMERSLACK, 1UL); /* else who waits wakes 50 µs late, which would count as latency */
	pthread_mutex_init(&of.lock, NULL);
	if (reports->shape->threads == 1) {
		work(&of); /* of which only the calls are timed */
	} else {
		make_requests(&of);
		work_in_threads(&of, reports->shape->threads);
		free(of.made);
	}
	*took = (bench_stretch){ of.started_ns, bench_now_ns(), of.calls_ns };
	pthread_mutex_destroy(&of.lock);
}

void bench_engine_slice(void *context, uint64_t ops, bench_slice *slice)
{
	bench_engine_side *side = context;
	bench_reports *reports = side->reports;
	bench_stretch took;
	uint64_t from = reports->next;
	bench_engine_report(side, from, from + ops, &reports->latencies, &took);
	reports->next = from + ops;
	slice->ops = ops;
	bool closed_alone = reports->shape->threads == 1 && !(reports->rate > 0);
	slice->seconds = (double)(closed_alone ? took.calls_ns : took.ended_ns - took.began_ns) / 1e9;
}

/* ---- in a process of several ----------------------------------------------------------------------------------- */

static void open_side(void *context)
{
	const bench_engine_side *side = context;
	bench_subject_open(side->subject, side->reports->shape->durability);
}

static void close_side(void *context)
{
	bench_subject_close(((const bench_engine_side *)context)->subject);
}

static const bench_memory *memory_of(void *context)
{
	return &((const bench_engine_side *)context)->subject->memory;
}

const bench_hand bench_engine_hand = { open_side, bench_engine_report, close_side, memory_of };

/* ---- the books ---------------------------------------------------------------------------------------------- */

static bool check_amount(const bench_subject *subject, const bench_reports *reports, const ff_budget_status *status,
                         const ff_amount *amount, uint64_t accepted)
{
	if (amount->amount == accepted && amount->amount <= bench_hard_limit(reports->shape))
		return true;
	fprintf(stderr,
	        "ff-bench: wrong books of %s: budget '%s' has used %" PRIu64 " %s, but %" PRIu64
	        " were accepted; the limit is %" PRIu64 "\n",
	        subject->store->scheme, status->budget_id, amount->amount, amount->dimension, accepted,
	        bench_hard_limit(reports->shape));
	return false;
}

/* What of a dimension a status says was used; 0 where it names none. */
static ff_amount usage_of(const ff_budget_status *status, const char *dimension)
{
	for (size_t i = 0; i < status->usage_count; i++)
		if (strcmp(status->usage[i].dimension, dimension) == 0)
			return status->usage[i];
	return (ff_amount){ dimension, 0 };
}

static bool check_page(bench_subject *subject, const bench_reports *reports, const ff_budget_page *page, uint64_t from)
{
	unsigned dimensions = reports->stream.dimensions;
	for (size_t i = 0; i < page->budgets_count; i++)
		for (unsigned j = 0; j < dimensions; j++) {
			ff_amount amount = usage_of(&page->budgets[i], bench_dimension(j));
			uint64_t accepted = reports->accepted[(from + i) * dimensions + j];
			if (!check_amount(subject, reports, &page->budgets[i], &amount, accepted))
				return false;
		}
	return true;
}

bool bench_subject_books(bench_subject *subject, const bench_reports *reports)
{
	char after[24] = "";
	uint64_t seen = 0;
	for (bool more = true; more;) {
		const ff_budget_page *page;
		ff_error error;
		if (ff_engine_list_budgets(subject->engine, after, 1000, &page, &error) != FF_OK)
			bench_die_of("read the books", &error);
		bool right = check_page(subject, reports, page, seen);
		seen += page->budgets_count;
		more = page->more;
		if (page->budgets_count)
			bench_budget_id(seen - 1, after);
		ff_free(page);
		if (!right)
			return false;
	}
	if (seen != reports->shape->budgets)
		fprintf(stderr, "ff-bench: wrong books of %s: %" PRIu64 " budgets instead of %" PRIu64 "\n",
		        subject->store->scheme, seen, reports->shape->budgets);
	return seen == reports->shape->budgets;
}
