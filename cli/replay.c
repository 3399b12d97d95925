/*
 * ffctl replay: reports every line of a log.
 *
 * The main thread reads lines into batches; workers send each batch as one commit. Batches are used again and again, so
 * memory does not grow with the log. One worker keeps the log's order. A line at fault is told and counted, and the
 * rest goes on; an error of the store stops everything, and with keys a later run goes on where this one stopped.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "replay.h"

#define BATCH_DEFAULT 256
#define BATCH_MAX 65536
#define THREADS_MAX 64
#define KEY_TTL_DEFAULT_MS INT64_C(86400000)
#define NO_COLUMN SIZE_MAX
#define PROGRESS_EVERY_S 0.2

typedef struct log_line {
	uint64_t number;
	uint64_t file_line;
	const char *execution_id; /* with a quota */
	bool refused;             /* by the quota */
	char *text;               /* what the report points into */
	size_t text_capacity;
} log_line;

typedef struct log_batch {
	size_t count;
	log_line *lines;
	ff_report *reports;
	ff_amount *amounts; /* of all reports, one after another */
	ff_report_result *results;
	ff_error *errors;
	size_t decided; /* so many of its lines are, from the first on; the store failed at the next one */
	struct log_batch *next;
} log_batch;

/* A queue of batches between the reader and the workers. */
typedef struct batch_belt {
	log_batch *first;
	log_batch *last;
	pthread_cond_t more;
} batch_belt;

typedef struct replay_job {
	ctl_session *session;

	/* What is asked. */
	const char *budget;
	const char *key_prefix;
	const char *quota;
	int64_t lease_ms;
	uint64_t batch_max;
	uint64_t threads_count;
	char **copies; /* what the dimensions and their columns point into */
	const char **dimensions;
	size_t dimensions_count;
	const char **columns; /* those of the dimensions, then the others */
	size_t columns_count;
	size_t budget_column;
	size_t time_column;
	size_t key_column;
	size_t execution_column;
	ctl_policy policy;

	/* The reader's. */
	ctl_source *source;
	bool begun; /* the first line's time is known */
	int64_t first_ms;
	int64_t latest_ms;
	double started_s;
	double progress_s;
	bool shows_progress;

	/* Under the lock. */
	pthread_mutex_t lock;
	batch_belt full;
	batch_belt empty;
	bool over; /* no batch will follow */
	ff_code code;
	ff_error error;
	ctl_tally *tally;
} replay_job;

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- telling people ----------------------------------------------------------------------------------------- */

static const char *clear_progress(const replay_job *job)
{
	return job->shows_progress ? "\r\033[K" : "";
}

static void tell_fault(const replay_job *job, uint64_t number, uint64_t file_line, const char *fault)
{
	fprintf(stderr, "%sffctl: data line %" PRIu64 " (line %" PRIu64 " of the file): %s\n", clear_progress(job),
	        number, file_line, fault);
}

static void show_progress(replay_job *job, uint64_t lines)
{
	double now = now_s();
	if (!job->shows_progress || now - job->progress_s < PROGRESS_EVERY_S)
		return;
	job->progress_s = now;
	double seconds = now - job->started_s;
	fprintf(stderr, "\r\033[K%s lines, %s/s", ctl_digits(lines).text,
	        ctl_digits((uint64_t)((double)lines / seconds)).text);
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

static log_batch *new_batch(const replay_job *job)
{
	log_batch *made = ctl_allocate(1, sizeof *made);
	made->lines = ctl_allocate(job->batch_max, sizeof *made->lines);
	made->reports = ctl_allocate(job->batch_max, sizeof *made->reports);
	made->amounts = ctl_allocate(job->batch_max * job->dimensions_count, sizeof *made->amounts);
	made->results = ctl_allocate(job->batch_max, sizeof *made->results);
	made->errors = ctl_allocate(job->batch_max, sizeof *made->errors);
	return made;
}

static void free_batch(const replay_job *job, log_batch *old)
{
	for (size_t i = 0; i < job->batch_max; i++)
		free(old->lines[i].text);
	free(old->lines);
	free(old->reports);
	free(old->amounts);
	free(old->results);
	free(old->errors);
	free(old);
}

/* With the lock held. */
static void put_batch(batch_belt *belt, log_batch *put)
{
	put->next = NULL;
	if (belt->first)
		belt->last->next = put;
	else
		belt->first = put;
	belt->last = put;
	pthread_cond_signal(&belt->more);
}

/* With the lock held: waits for a batch, or answers NULL once there will be none. */
static log_batch *take_batch(replay_job *job, batch_belt *belt)
{
	while (!belt->first && !job->over)
		pthread_cond_wait(&belt->more, &job->lock);
	log_batch *taken = belt->first;
	if (taken)
		belt->first = taken->next;
	return taken;
}

/* ---- deciding ----------------------------------------------------------------------------------------------- */

/* The call was at fault, not the store: the others go on. */
static bool is_line_fault(ff_code code)
{
	return code == FF_E_INVALID || code == FF_E_NOT_FOUND || code == FF_E_KEY_CONFLICT || code == FF_E_OVERFLOW ||
	       code == FF_E_CORRUPT;
}

/*
 * A report follows its own line's admission, and every admission the report before it: with the data's clock a call may
 * not be sent before one of an earlier time. So each commit takes a line's report with the next line's admission.
 */
static ff_code run_with_quota(replay_job *job, log_batch *batch, ff_error *error)
{
	ff_admission admission = FF_ADMISSION_INIT;
	ff_admission_outcome answer;
	admission.quota_policy_id = job->quota;
	admission.lease_ms = job->lease_ms;
	for (size_t i = 0; i <= batch->count; i++) {
		ff_call calls[2];
		size_t count = 0;
		if (i > 0 && batch->results[i - 1].code == FF_OK && !batch->lines[i - 1].refused)
			calls[count++] = (ff_call){ .op = FF_OP_REPORT_USAGE,
				                    .in.report = &batch->reports[i - 1],
				                    .out.outcome = &batch->results[i - 1].outcome,
				                    .error = &batch->errors[i - 1] };
		size_t reports = count;
		if (i < batch->count) {
			admission.execution_id = batch->lines[i].execution_id;
			admission.now_ms = batch->reports[i].now_ms;
			calls[count++] = (ff_call){ .op = FF_OP_ADMIT,
				                    .in.admission = &admission,
				                    .out.admission = &answer,
				                    .error = &batch->errors[i] };
		}
		batch->decided = reports ? i - 1 : i;
		ff_code code = ff_engine_submit(job->session->engine, calls, count, error);
		if (code)
			return code;
		if (reports)
			batch->results[i - 1].code = calls[0].code;
		if (i == batch->count)
			break;
		batch->results[i].code = calls[reports].code;
		batch->lines[i].refused =
		    calls[reports].code == FF_OK && answer.kind != FF_ADMITTED && answer.kind != FF_ALREADY_ADMITTED;
	}
	return FF_OK;
}

static ff_code run_batch(replay_job *job, log_batch *batch, ff_error *error)
{
	batch->decided = 0;
	ff_code code = job->quota ? run_with_quota(job, batch, error)
	                          : ff_engine_report_usage_batch(job->session->engine, batch->reports, batch->count,
	                                                         batch->results, batch->errors, error);
	if (!code)
		batch->decided = batch->count;
	for (size_t i = 0; i < batch->count && !code; i++)
		if (batch->results[i].code && !is_line_fault(batch->results[i].code)) {
			batch->decided = i;
			*error = batch->errors[i];
			code = error->code;
		}
	return code;
}

/* With the lock held. */
static void count_batch(replay_job *job, const log_batch *batch)
{
	for (size_t i = 0; i < batch->decided; i++) {
		const log_line *line = &batch->lines[i];
		const ff_report *report = &batch->reports[i];
		if (batch->results[i].code) {
			tell_fault(job, line->number, line->file_line, batch->errors[i].message);
			ctl_tally_invalid(job->tally, report->budget_id);
		} else if (line->refused) {
			ctl_tally_not_admitted(job->tally, report->budget_id);
		} else {
			ctl_tally_outcome(job->tally, report, &batch->results[i].outcome);
		}
	}
}

/* With the lock held: the first error stands. The reader, which sees it with its next batch, wakes the workers. */
static void stop(replay_job *job, ff_code code, const ff_error *error)
{
	if (job->code)
		return;
	job->code = code;
	job->error = *error;
	job->over = true;
}

static void *work(void *context)
{
	replay_job *job = context;
	log_batch *batch;
	ff_error error;
	pthread_mutex_lock(&job->lock);
	while ((batch = take_batch(job, &job->full))) {
		if (!job->code) {
			pthread_mutex_unlock(&job->lock);
			ff_code code = run_batch(job, batch, &error);
			pthread_mutex_lock(&job->lock);
			count_batch(job, batch);
			if (code) {
				ff_error_prefix(&error, "data line %" PRIu64, batch->lines[batch->decided].number);
				stop(job, code, &error);
			}
		}
		put_batch(&job->empty, batch);
	}
	pthread_mutex_unlock(&job->lock);
	return NULL;
}

/* ---- reading lines ------------------------------------------------------------------------------------------ */

/* The text without the blanks around it, in `to`; false where there is too much of it for a number or a time. */
static bool trim(const char *text, char *to, size_t size)
{
	text += strspn(text, " \t");
	size_t used = strlen(text);
	while (used && (text[used - 1] == ' ' || text[used - 1] == '\t'))
		used--;
	if (used >= size)
		return false;
	memcpy(to, text, used);
	to[used] = '\0';
	return true;
}

static ff_code bad_field(const replay_job *job, size_t column, const ctl_field *field, const char *form,
                         ff_error *error)
{
	if (field->kind == CTL_FIELD_ABSENT)
		return ff_error_set(error, FF_E_INVALID, "column '%s' is missing", job->columns[column]);
	if (field->kind == CTL_FIELD_OTHER)
		return ff_error_set(error, FF_E_INVALID, "column '%s' is no %s", job->columns[column], form);
	if (field->kind == CTL_FIELD_INEXACT && ctl_json_bare(field->text) == CTL_BARE_LARGE)
		return ff_error_set(error, FF_E_INVALID, "column '%s': %.64s " CTL_BARE_LARGE_FAULT,
		                    job->columns[column], field->text);
	return ff_error_set(error, FF_E_INVALID, "column '%s': '%.64s' is no %s", job->columns[column], field->text,
	                    form);
}

static ff_code read_amounts(const replay_job *job, const ctl_record *record, ff_amount *amounts, ff_error *error)
{
	for (size_t i = 0; i < job->dimensions_count; i++) {
		const ctl_field *field = &record->fields[i];
		char digits[64];
		amounts[i].dimension = job->dimensions[i];
		if (field->kind != CTL_FIELD_TEXT || !trim(field->text, digits, sizeof digits) ||
		    !ctl_read_number(digits, &amounts[i].amount))
			return bad_field(job, i, field, "whole number", error);
	}
	return FF_OK;
}

static ff_code read_time(const replay_job *job, const ctl_record *record, int64_t *ms, ff_error *error)
{
	const ctl_field *field = &record->fields[job->time_column];
	char text[64];
	if (field->kind != CTL_FIELD_TEXT || !trim(field->text, text, sizeof text) || !ctl_read_time(text, ms))
		return bad_field(job, job->time_column, field, "time", error);
	return FF_OK;
}

/* Appends a text to those that a line keeps, and moves *at behind it. */
static const char *keep(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	const char *kept = memcpy(*at, text, size);
	*at += size;
	return kept;
}

/* The text of a column, or NULL where that column is not asked for. */
static ff_code read_text(const replay_job *job, const ctl_record *record, size_t column, const char **text,
                         ff_error *error)
{
	*text = NULL;
	if (column == NO_COLUMN)
		return FF_OK;
	const ctl_field *field = &record->fields[column];
	if (field->kind != CTL_FIELD_TEXT)
		return bad_field(job, column, field, "text", error);
	*text = field->text;
	return FF_OK;
}

/* Copies what the report of a line points at, and makes its key. */
static ff_code read_names(const replay_job *job, const ctl_record *record, log_line *to, ff_report *report,
                          ff_error *error)
{
	const char *budget, *key, *execution;
	char numbered[32] = "";
	ff_code code = read_text(job, record, job->budget_column, &budget, error);
	if (!code)
		code = read_text(job, record, job->key_column, &key, error);
	if (!code && key && !*key)
		code =
		    ff_error_set(error, FF_E_INVALID, "column '%s', the key, is empty", job->columns[job->key_column]);
	if (!code)
		code = read_text(job, record, job->execution_column, &execution, error);
	if (code)
		return code;
	const char *prefix = job->key_prefix ? job->key_prefix : "";
	if (job->key_prefix)
		snprintf(numbered, sizeof numbered, "%" PRIu64, record->number);
	size_t size = strlen(budget ? budget : "") + strlen(key ? key : "") + strlen(execution ? execution : "") +
	              strlen(prefix) + strlen(numbered) + 4;
	if (size > to->text_capacity) {
		to->text_capacity = size * 2;
		to->text = ctl_resize(to->text, to->text_capacity, 1);
	}
	char *at = to->text;
	report->budget_id = budget ? keep(&at, budget) : job->budget;
	report->idempotency_key = key ? keep(&at, key) : NULL;
	to->execution_id = execution ? keep(&at, execution) : NULL;
	if (job->key_prefix) {
		report->idempotency_key = at;
		sprintf(at, "%s%s", prefix, numbered);
	}
	return FF_OK;
}

/* Makes the next report of a batch from a line of the log. */
static ff_code read_line(const replay_job *job, const ctl_record *record, log_batch *batch, ff_error *error)
{
	if (record->fault)
		return ff_error_set(error, FF_E_INVALID, "%s", record->fault);
	log_line *line = &batch->lines[batch->count];
	ff_report *report = &batch->reports[batch->count];
	ff_amount *amounts = &batch->amounts[batch->count * job->dimensions_count];
	*report = (ff_report){ .amounts = amounts, .amounts_count = job->dimensions_count };
	line->number = record->number;
	line->file_line = record->line;
	ff_code code = read_amounts(job, record, amounts, error);
	if (!code && job->time_column != NO_COLUMN)
		code = read_time(job, record, &report->now_ms, error);
	return code ? code : read_names(job, record, line, report, error);
}

/* ---- the data's time ---------------------------------------------------------------------------------------- */

static bool has_keys(const replay_job *job)
{
	return job->key_prefix || job->key_column != NO_COLUMN;
}

static int64_t key_ttl_ms(const replay_job *job)
{
	return job->session->key_ttl_ms ? job->session->key_ttl_ms : KEY_TTL_DEFAULT_MS;
}

/* The latest time in what is left of the log. */
static ff_code find_latest(const replay_job *job, int64_t *latest_ms, ff_error *error)
{
	const ctl_record *record;
	ff_code code;
	while (!(code = ctl_source_next(job->source, &record, error)) && record) {
		int64_t ms;
		ff_error fault;
		if (!record->fault && !read_time(job, record, &ms, &fault) && ms > *latest_ms)
			*latest_ms = ms;
	}
	return code;
}

static ff_code refuse_span(const replay_job *job, uint64_t number, ff_error *error)
{
	int64_t latest_ms = job->latest_ms;
	ff_code code = find_latest(job, &latest_ms, error);
	if (code)
		return code;
	return ff_error_set(error, FF_E_INVALID,
	                    "data line %" PRIu64
	                    " is later than the keys of the first are honoured (%s), and a second run "
	                    "would charge those again: give --key-ttl %" PRId64 "h, then run it again",
	                    number, ctl_duration(key_ttl_ms(job), "").text, (latest_ms - job->first_ms) / 3600000 + 1);
}

/* With the data's time the first line without a fault begins the budgets of the policy. */
static ff_code follow_time(replay_job *job, uint64_t number, int64_t ms, ff_error *error)
{
	if (!job->begun) {
		job->begun = true;
		job->first_ms = job->latest_ms = ms;
		return ctl_policy_apply(&job->policy, job->session->engine, ms, error);
	}
	if (ms > job->latest_ms)
		job->latest_ms = ms;
	if (has_keys(job) && job->latest_ms - job->first_ms >= key_ttl_ms(job))
		return refuse_span(job, number, error);
	return FF_OK;
}

/* ---- the reader --------------------------------------------------------------------------------------------- */

static void note_invalid(replay_job *job, const ctl_record *record, const char *fault)
{
	pthread_mutex_lock(&job->lock);
	tell_fault(job, record->number, record->line, fault);
	ctl_tally_invalid(job->tally, NULL);
	pthread_mutex_unlock(&job->lock);
}

/* Hands a batch to the workers. Answers an empty one, or NULL where the work has stopped. */
static log_batch *exchange(replay_job *job, log_batch *filled)
{
	pthread_mutex_lock(&job->lock);
	if (filled)
		put_batch(&job->full, filled);
	log_batch *next = take_batch(job, &job->empty);
	if (next && job->over) {
		put_batch(&job->empty, next);
		next = NULL;
	}
	pthread_mutex_unlock(&job->lock);
	if (next)
		next->count = 0;
	return next;
}

/* The batch to go on filling, NULL where the work has stopped. One that is full is handed over, and one that has something
 * where the next line of a pipe is still to come. */
static log_batch *hand_over(replay_job *job, log_batch *at)
{
	bool goes = at && (at->count == job->batch_max || (at->count && ctl_source_would_wait(job->source)));
	return goes ? exchange(job, at) : at;
}

/* Reads the log to its end, or to where the work stops. *at is the batch that is being filled, NULL where
 * it stopped. */
static ff_code read_log(replay_job *job, log_batch **at, ff_error *error)
{
	const ctl_record *record;
	ff_code code = FF_OK;
	while ((*at = hand_over(job, *at)) && !(code = ctl_source_next(job->source, &record, error)) && record) {
		ff_error fault;
		if (read_line(job, record, *at, &fault)) {
			note_invalid(job, record, fault.message);
			continue;
		}
		if (job->time_column != NO_COLUMN) {
			code = follow_time(job, record->number, (*at)->reports[(*at)->count].now_ms, error);
			if (code)
				return code;
		}
		(*at)->count++;
		show_progress(job, record->number);
	}
	return *at ? code : FF_OK;
}

static void read_all(replay_job *job)
{
	ff_error error;
	log_batch *at = exchange(job, NULL);
	ff_code code = read_log(job, &at, &error);
	pthread_mutex_lock(&job->lock);
	if (code)
		stop(job, code, &error);
	if (at)
		put_batch(!code && at->count ? &job->full : &job->empty, at);
	job->over = true;
	pthread_cond_broadcast(&job->full.more);
	pthread_mutex_unlock(&job->lock);
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

/* One batch more than there are workers, so that the reader fills one while they all work. */
static ff_code run_workers(replay_job *job)
{
	pthread_t workers[THREADS_MAX];
	size_t started = 0;
	for (uint64_t i = 0; i <= job->threads_count; i++)
		put_batch(&job->empty, new_batch(job));
	while (started < job->threads_count && pthread_create(&workers[started], NULL, work, job) == 0)
		started++;
	if (started)
		read_all(job);
	else
		job->code = ff_error_set(&job->error, FF_E_NO_MEMORY, "cannot start a thread");
	for (size_t i = 0; i < started; i++)
		pthread_join(workers[i], NULL);
	for (log_batch *old = job->empty.first, *next; old; old = next) {
		next = old->next;
		free_batch(job, old);
	}
	return job->code;
}

static ff_code prepare(replay_job *job, ff_error *error)
{
	const char *policy = ctl_value(job->session, OPT_POLICY);
	bool data_clock = job->time_column != NO_COLUMN;
	int64_t now_ms = job->session->now_ms;
	ff_code code = policy ? ctl_policy_read(policy, &job->policy, error) : FF_OK;
	if (!code && policy)
		code = ctl_policy_check(&job->policy, now_ms == FF_TIME_NONE ? 0 : now_ms, error);
	if (!code)
		code =
		    ctl_source_open(job->session->arguments[0], job->columns, job->columns_count, &job->source, error);
	if (!code)
		code = ctl_open(job->session, data_clock ? FF_OPEN_DATA_CLOCK : 0, error);
	if (!code && !data_clock)
		code = ctl_policy_apply(&job->policy, job->session->engine, 0, error);
	return code;
}

static int run(replay_job *job)
{
	ff_error error;
	ff_code code = prepare(job, &error);
	if (code)
		return ctl_fail(job->session, &error);
	job->tally = ctl_tally_new(job->dimensions, job->dimensions_count);
	job->shows_progress = isatty(STDERR_FILENO) && !job->session->json;
	job->started_s = job->progress_s = now_s();
	code = run_workers(job);
	double seconds = now_s() - job->started_s;
	fputs(clear_progress(job), stderr);
	if (!code || (!job->session->json && ctl_tally_lines(job->tally)))
		ctl_tally_print(job->tally, job->session, seconds);
	if (code)
		return ctl_fail(job->session, &job->error);
	return ctl_tally_invalid_lines(job->tally) ? CTL_FAILED : CTL_DONE;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

/* NAME=COL. */
static int read_dimensions(replay_job *job)
{
	const ctl_session *session = job->session;
	for (size_t i = 0; i < session->given_count; i++) {
		if (session->given[i].option != OPT_DIM)
			continue;
		size_t place = job->dimensions_count;
		job->copies[place] =
		    ctl_split(session->given[i].value, '=', false, &job->dimensions[place], &job->columns[place]);
		if (!job->copies[place])
			return ctl_usage(session, "--dim '%s' is no NAME=COL", session->given[i].value);
		for (size_t other = 0; other < place; other++)
			if (strcmp(job->dimensions[other], job->dimensions[place]) == 0)
				return ctl_usage(session, "--dim '%s' is given twice", job->dimensions[place]);
		job->dimensions_count++;
	}
	job->columns_count = job->dimensions_count;
	return CTL_DONE;
}

/* Dimensions that the engine refuses are wrong usage, of which no line can be charged: tried on a store in memory. */
static int check_dimensions(const replay_job *job)
{
	ff_engine *engine;
	ff_outcome outcome;
	ff_error error;
	ff_amount *amounts = ctl_allocate(job->dimensions_count, sizeof *amounts);
	ff_report report = { .budget_id = "any", .amounts = amounts, .amounts_count = job->dimensions_count };
	for (size_t i = 0; i < job->dimensions_count; i++)
		amounts[i].dimension = job->dimensions[i];
	ff_code code = ctl_open_scratch(&engine, &error);
	bool refused = !code && ff_engine_report_usage(engine, &report, &outcome, &error) == FF_E_INVALID;
	ff_engine_close(&engine);
	free(amounts);
	return refused ? ctl_usage(job->session, "--dim: %s", error.message) : CTL_DONE;
}

static size_t add_column(replay_job *job, ctl_option option)
{
	const char *column = ctl_value(job->session, option);
	if (!column)
		return NO_COLUMN;
	job->columns[job->columns_count] = column;
	return job->columns_count++;
}

static int read_numbers(replay_job *job)
{
	const char *batch_text = ctl_value(job->session, OPT_BATCH), *threads = ctl_value(job->session, OPT_THREADS),
		   *lease = ctl_value(job->session, OPT_LEASE);
	job->batch_max = BATCH_DEFAULT;
	job->threads_count = 1;
	if (batch_text && !ctl_read_range(batch_text, 1, BATCH_MAX, &job->batch_max))
		return ctl_usage(job->session, "--batch '%s' is no number from 1 to %d", batch_text, BATCH_MAX);
	if (threads && !ctl_read_range(threads, 1, THREADS_MAX, &job->threads_count))
		return ctl_usage(job->session, "--threads '%s' is no number from 1 to %d", threads, THREADS_MAX);
	if (lease && !ctl_read_duration(lease, &job->lease_ms))
		return ctl_usage(job->session, "--lease '%s' is no duration such as 60s or 5m", lease);
	return CTL_DONE;
}

static int read_options(replay_job *job)
{
	const ctl_session *session = job->session;
	int status = read_dimensions(job);
	if (!status)
		status = read_numbers(job);
	if (status)
		return status;
	job->budget = ctl_value(session, OPT_BUDGET);
	job->key_prefix = ctl_value(session, OPT_KEY_PREFIX);
	job->quota = ctl_value(session, OPT_QUOTA);
	job->budget_column = add_column(job, OPT_BUDGET_FROM);
	job->time_column = add_column(job, OPT_TIME_FROM);
	job->key_column = add_column(job, OPT_KEY_FROM);
	job->execution_column = add_column(job, OPT_EXECUTION_FROM);
	if (!job->budget == (job->budget_column == NO_COLUMN))
		return ctl_usage(session, "give one of --budget and --budget-from");
	if (job->key_prefix && job->key_column != NO_COLUMN)
		return ctl_usage(session, "give one of --key-prefix and --key-from");
	if (!job->quota != (job->execution_column == NO_COLUMN))
		return ctl_usage(session, "--quota and --execution-from go together");
	if (job->lease_ms && !job->quota)
		return ctl_usage(session, "--lease goes with --quota");
	return check_dimensions(job);
}

int ctl_replay(ctl_session *session)
{
	size_t columns_max = session->given_count;
	replay_job job = { .session = session,
		           .lock = PTHREAD_MUTEX_INITIALIZER,
		           .full.more = PTHREAD_COND_INITIALIZER,
		           .empty.more = PTHREAD_COND_INITIALIZER };
	job.copies = ctl_allocate(columns_max, sizeof *job.copies);
	job.dimensions = ctl_allocate(columns_max, sizeof *job.dimensions);
	job.columns = ctl_allocate(columns_max, sizeof *job.columns);
	int status = read_options(&job);
	if (!status)
		status = run(&job);
	ff_engine_close(&session->engine);
	ctl_source_close(job.source);
	ctl_policy_free(&job.policy);
	ctl_tally_free(job.tally);
	for (size_t i = 0; i < columns_max; i++)
		free(job.copies[i]);
	free(job.copies);
	free(job.dimensions);
	free(job.columns);
	return status;
}
