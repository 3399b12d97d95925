/* Workloads of more than reports: status reads beside a writer, calls of several kinds, spending and releasing. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads.h"

/* ---- status reads beside a writer ------------------------------------------------------------------------------ */

typedef struct readers {
	bench_engine_side writer;
	pthread_t thread;
	_Atomic bool stops;
	uint64_t reads;
	double seconds;
	bench_histogram latencies; /* of the reads */
	bench_histogram written;   /* of the writer's calls beside them, and not of the other side's */
} readers;

static void *read_statuses(void *context)
{
	readers *of = context;
	const bench_stream *stream = &of->writer.reports->stream;
	uint64_t began = bench_now_ns(), before = began;
	while (!of->stops) {
		char id[24];
		const ff_budget_status *status;
		ff_error error;
		bench_budget_id(bench_mix(of->reads) % stream->budgets, id);
		if (ff_engine_get_budget_status(of->writer.subject->engine, id, &status, &error) != FF_OK)
			bench_die_of("read a status", &error);
		ff_free(status);
		uint64_t now = bench_now_ns();
		bench_record(&of->latencies, now - before);
		before = now;
		of->reads++;
	}
	of->seconds += (double)(before - began) / 1e9;
	return NULL;
}

/* Beside a thread that shares nothing with the writer but the machine: what cores that are shared cost it anyway. */
static void *count(void *context)
{
	readers *of = context;
	while (!of->stops)
		;
	return NULL;
}

static void beside(readers *of, void *thread(void *), uint64_t ops, bench_slice *slice)
{
	of->stops = false;
	if (pthread_create(&of->thread, NULL, thread, of) != 0)
		bench_die("cannot start a thread");
	bench_engine_slice(&of->writer, ops, slice);
	of->stops = true;
	pthread_join(of->thread, NULL);
}

static void read_slice(void *context, uint64_t ops, bench_slice *slice)
{
	readers *of = context;
	of->writer.reports->latencies = (bench_histogram){ 0 };
	beside(of, read_statuses, ops, slice);
	bench_merge(&of->written, &of->writer.reports->latencies);
}

static void count_slice(void *context, uint64_t ops, bench_slice *slice)
{
	beside(context, count, ops, slice);
}

static void tell_reads(bench_row *row, const readers *of)
{
	row->ops = of->reads;
	row->seconds = of->seconds;
	row->per_second = (double)of->reads / of->seconds;
	row->pairs = 0;
	bench_tell_latencies(row, &of->latencies);
}

/* Three rows: the reads, and the writer beside them against the writer alone, and beside a thread that counts. */
unsigned bench_run_status(const bench_workload *workload, const bench_store *store, const bench_options *options,
                          bench_row *rows)
{
	bench_shape shape = bench_shape_for(workload, store, options);
	bench_subject subject = { .store = store };
	bench_reports reports;
	readers of = { .writer = { &subject, &reports } };
	bench_row_begin(&rows[0], workload->name, store, &shape, options);
	bench_row_begin(&rows[1], workload->against, store, &shape, options);
	bench_row_begin(&rows[2], workload->against, store, &shape, options);
	bench_prepare(&subject, &reports, &shape, options->seed);
	bench_side a = { .slice = read_slice, .context = &of, .latencies = &of.written };
	bench_side alone = { .slice = bench_engine_slice, .context = &of.writer };
	bench_side counted = { .slice = count_slice, .context = &of };
	bench_pairs how = bench_pairs_for(options, shape.batch);
	rows[1].against = "the writer alone";
	bench_run_pairs(&how, &a, &alone, &rows[1]);
	rows[2].against = "the writer beside a thread that counts";
	bench_run_pairs(&how, &a, &counted, &rows[2]);
	tell_reads(&rows[0], &of);
	for (unsigned i = 0; i < 3; i++)
		bench_row_end(&rows[i], &subject);
	bench_reports_doctor(&reports, options->doctor);
	bench_subject_repeat(&subject, &reports, options);
	bool wrong = !bench_subject_books(&subject, &reports);
	wrong = !bench_reports_right(&reports, &shape, store->scheme) || wrong;
	for (unsigned i = 0; i < 3; i++)
		rows[i].books_wrong = wrong;
	bench_clear(&subject, &reports);
	return 3;
}

/* ---- calls of several kinds ------------------------------------------------------------------------------------ */

/* Of 100 calls 80 report, 15 ask for admission, 5 read a status. */
static uint64_t kind_of(uint64_t number)
{
	return bench_mix(~number) % 100;
}

static bool is_other(uint64_t number)
{
	return kind_of(number) >= 80;
}

static bool is_admission(uint64_t number)
{
	return is_other(number) && kind_of(number) < 95;
}

/* True where the call was none that reports. */
static bool call_other(bench_subject *subject, bench_reports *reports, const ff_report *report, uint64_t number,
                       uint64_t *ns)
{
	ff_error error;
	ff_code code;
	if (!is_other(number))
		return false;
	uint64_t began = bench_now_ns();
	if (is_admission(number)) {
		char execution[32];
		ff_admission admission = bench_admission_of(number, execution);
		ff_admission_outcome outcome = { FF_ADMITTED, 0 };
		code = ff_engine_admit(subject->engine, &admission, &outcome, &error);
		reports->admitted += outcome.kind == FF_ADMITTED;
	} else {
		const ff_budget_status *status = NULL;
		code = ff_engine_get_budget_status(subject->engine, report->budget_id, &status, &error);
		ff_free(status);
	}
	*ns = bench_now_ns() - began;
	if (code != FF_OK)
		bench_die_of("call", &error);
	return true;
}

static bool check_quota(ff_engine *engine, const bench_reports *reports)
{
	const ff_quota_status *status;
	ff_error error;
	uint64_t asked = 0;
	for (uint64_t number = 0; number < reports->next; number++)
		asked += is_admission(number);
	if (ff_engine_get_quota_status(engine, BENCH_QUOTA, &status, &error) != FF_OK)
		bench_die_of("read the books", &error);
	bool right = reports->admitted == asked && status->in_window == asked;
	if (!right)
		fprintf(stderr,
		        "ff-bench: wrong books: %" PRIu64 " of %" PRIu64 " were admitted, and %" PRIu64
		        " are in the window\n",
		        reports->admitted, asked, status->in_window);
	ff_free(status);
	return right;
}

unsigned bench_run_mixed(const bench_workload *workload, const bench_store *store, const bench_options *options,
                         bench_row *rows)
{
	bench_shape shape = bench_shape_for(workload, store, options);
	bench_subject subject = { .store = store };
	bench_reports reports;
	shape.batch = 1;
	bench_row_begin(rows, workload->name, store, &shape, options);
	rows->rate = options->rate;
	bench_prepare(&subject, &reports, &shape, options->seed);
	bench_create_quota(subject.engine, 86400, 1000000000);
	reports.other = call_other;
	reports.is_other = is_other;
	reports.rate = options->rate;
	bench_engine_side side = { &subject, &reports };
	bench_side a = { .slice = bench_engine_slice, .context = &side, .latencies = &reports.latencies };
	bench_pairs how = bench_pairs_for(options, shape.threads);
	bench_run_pairs(&how, &a, NULL, rows);
	bench_row_end(rows, &subject);
	bench_reports_doctor(&reports, options->doctor);
	rows->books_wrong = !check_quota(subject.engine, &reports);
	rows->books_wrong = !bench_subject_books(&subject, &reports) || rows->books_wrong;
	rows->books_wrong = !bench_reports_right(&reports, &shape, store->scheme) || rows->books_wrong;
	bench_clear(&subject, &reports);
	return 1;
}

/* ---- spending and releasing ------------------------------------------------------------------------------------ */

typedef struct spender {
	bench_subject *subject;
	bench_reports *reports;
	bench_batch batch;
	ff_spend *spends;
	ff_call *calls;
	ff_outcome *outcomes;
	char (*executions)[32];
	bench_histogram latencies;
} spender;

static void make_calls(spender *of, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t number = of->reports->next + i;
		bench_request(&of->reports->stream, number, &of->batch.texts[i], &of->batch.reports[i]);
		snprintf(of->executions[i], sizeof of->executions[i], "execution-%012" PRIu64, number);
		of->spends[i] = (ff_spend){ of->batch.reports[i], of->executions[i] };
		of->calls[i] =
		    (ff_call){ .op = FF_OP_RECORD_SPEND, .in.spend = &of->spends[i], .out.outcome = &of->outcomes[i] };
		of->calls[count + i] =
		    (ff_call){ .op = FF_OP_RELEASE_BUDGET,
			       .in.target = { .id = of->batch.texts[i].budget, .execution_id = of->executions[i] } };
	}
}

/* The spends in one call, the releases in the next. */
static uint64_t submit(spender *of, ff_call *calls, size_t count)
{
	ff_error error;
	uint64_t began = bench_now_ns();
	if (ff_engine_submit(of->subject->engine, calls, count, &error) != FF_OK)
		bench_die_of("spend", &error);
	uint64_t took = bench_now_ns() - began;
	for (size_t i = 0; i < count; i++)
		if (calls[i].code != FF_OK)
			bench_die("a spend or a release failed: %s", ff_code_name(calls[i].code));
	bench_record(&of->latencies, took);
	return took;
}

static void spend_slice(void *context, uint64_t ops, bench_slice *slice)
{
	spender *of = context;
	size_t half = of->reports->shape->batch;
	uint64_t took = 0;
	for (uint64_t done = 0; done < ops; done += 2 * half) {
		make_calls(of, half);
		took += submit(of, of->calls, half);
		for (size_t i = 0; i < half; i++)
			if (!of->outcomes[i].applied)
				bench_die("a spend was refused");
		took += submit(of, of->calls + half, half);
		of->reports->next += half;
	}
	*slice = (bench_slice){ ops, (double)took / 1e9 };
}

/* What was spent was released: the books are all zeros. And they are not while something is spent and not released. */
static bool are_spends_right(spender *of)
{
	bench_reports *reports = of->reports;
	size_t half = reports->shape->batch;
	bool right = bench_subject_books(of->subject, reports);
	make_calls(of, half);
	submit(of, of->calls, half);
	for (size_t i = 0; i < half; i++)
		bench_reports_accept(reports, &of->batch.texts[i], reports->stream.dimensions);
	right = bench_subject_books(of->subject, reports) && right;
	submit(of, of->calls + half, half);
	return right;
}

unsigned bench_run_spend(const bench_workload *workload, const bench_store *store, const bench_options *options,
                         bench_row *rows)
{
	bench_shape shape = bench_shape_for(workload, store, options);
	bench_subject subject = { .store = store };
	bench_reports reports;
	shape.threads = 1;
	bench_row_begin(rows, workload->name, store, &shape, options);
	bench_prepare(&subject, &reports, &shape, options->seed);
	spender *of = bench_allocate(1, sizeof(*of));
	of->subject = &subject;
	of->reports = &reports;
	of->spends = bench_allocate(shape.batch, sizeof(*of->spends));
	of->calls = bench_allocate(2 * shape.batch, sizeof(*of->calls));
	of->outcomes = bench_allocate(shape.batch, sizeof(*of->outcomes));
	of->executions = bench_allocate(shape.batch, sizeof(*of->executions));
	bench_batch_init(&of->batch, shape.batch);
	bench_side a = { .slice = spend_slice, .context = of, .latencies = &of->latencies };
	bench_pairs how = bench_pairs_for(options, 2 * shape.batch);
	bench_run_pairs(&how, &a, NULL, rows);
	bench_row_end(rows, &subject);
	bench_reports_doctor(&reports, options->doctor);
	rows->books_wrong = !are_spends_right(of);
	bench_batch_free(&of->batch);
	free(of->spends);
	free(of->calls);
	free(of->outcomes);
	free(of->executions);
	free(of);
	bench_clear(&subject, &reports);
	return 1;
}
