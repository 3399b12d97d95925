/*
 * A host that a test drives through a pipe: each line of stdin is a command, answered by one line of JSON. It knows
 * nothing of the store but its URI.
 *
 *     open                               opens the engine anew
 *     create BUDGET HARD                 a budget with a hard limit on 'n' (0: none)
 *     report BUDGET KEY AMOUNT [MS]      one report; the key '-' is none; MS: its deadline, counted from now
 *     pair BUDGET KEY AMOUNT MS          the same, and one with the key KEY-too and no deadline, in one list
 *     start BUDGET THREADS PREFIX        threads that report 1 again and again, with keys (or '-') until 'stop'
 *     wait COUNT                         until so many more of their calls are answered
 *     stop                               ends them; answers what they were told
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ff/ff.h>

enum { THREADS_MAX = 16, CODES = FF_E_MISUSE + 1 };

typedef struct load {
	pthread_t threads[THREADS_MAX];
	unsigned threads_count;
	char budget[FF_ID_MAX + 1];
	char prefix[64];
	atomic_bool stops;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	uint64_t answers;
	uint64_t applied;
	uint64_t refused;
	uint64_t errors[CODES];
} load;

typedef struct worker {
	load *load;
	unsigned number;
} worker;

static const char *uri;
static ff_engine *engine;
static load running = { .lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER };
static worker workers[THREADS_MAX];

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_REALTIME, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void print_text(const char *name, const char *text)
{
	printf("\"%s\":\"", name);
	for (; *text; text++)
		printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	printf("\",");
}

static void answer(ff_code code, const ff_error *error)
{
	print_text("message", code == FF_OK ? "" : error->message);
	print_text("native_code", code == FF_OK ? "" : error->native_code);
	printf("\"retryable\":%s,", code != FF_OK && error->retryable ? "true" : "false");
	printf("\"code\":\"%s\"}\n", ff_code_name(code));
}

static ff_code report(const char *budget, const char *key, uint64_t amount, int64_t deadline_ms, ff_outcome *outcome,
                      ff_error *error)
{
	const ff_amount amounts[] = { { "n", amount } };
	const ff_report what = { .budget_id = budget,
		                 .amounts = amounts,
		                 .amounts_count = 1,
		                 .idempotency_key = strcmp(key, "-") == 0 ? NULL : key };
	ff_call call = { .op = FF_OP_REPORT_USAGE,
		         .deadline_ms = deadline_ms,
		         .in.report = &what,
		         .out.outcome = outcome,
		         .error = error };
	ff_code code = ff_engine_submit(engine, &call, 1, NULL);
	return code == FF_OK ? call.code : code;
}

/* The second call's code, and all of the first's. */
static void report_pair(const char *budget, const char *key, uint64_t amount, int64_t wait_ms)
{
	const ff_amount amounts[] = { { "n", amount } };
	char other[128];
	snprintf(other, sizeof(other), "%s-too", key);
	ff_report reports[] = {
		{ .budget_id = budget, .amounts = amounts, .amounts_count = 1, .idempotency_key = key },
		{ .budget_id = budget, .amounts = amounts, .amounts_count = 1, .idempotency_key = other }
	};
	ff_error error = { 0 };
	ff_call calls[] = { { .op = FF_OP_REPORT_USAGE,
		              .deadline_ms = now_ms() + wait_ms,
		              .in.report = &reports[0],
		              .error = &error },
		            { .op = FF_OP_REPORT_USAGE, .in.report = &reports[1] } };
	ff_code code = ff_engine_submit(engine, calls, 2, &error);
	printf("{\"other\":\"%s\",", ff_code_name(calls[1].code));
	answer(code == FF_OK ? calls[0].code : code, &error);
}

static void open_engine(void)
{
	ff_error error;
	ff_engine_close(&engine);
	printf("{");
	answer(ff_engine_open(uri, NULL, &engine, &error), &error);
}

static void create(const char *budget, uint64_t hard)
{
	const ff_limit limits[] = { { .dimension = "n", .hard = hard } };
	ff_budget_spec spec = FF_BUDGET_SPEC_INIT;
	ff_created created;
	ff_error error;
	spec.budget_id = budget;
	spec.limits = limits;
	spec.limits_count = 1;
	printf("{");
	answer(ff_engine_create_budget(engine, &spec, &created, &error), &error);
}

static void report_once(const char *budget, const char *key, uint64_t amount, int64_t wait_ms)
{
	ff_outcome outcome = { 0 };
	ff_error error;
	ff_code code = report(budget, key, amount, wait_ms ? now_ms() + wait_ms : 0, &outcome, &error);
	printf("{\"applied\":%s,\"replayed\":%s,", outcome.applied ? "true" : "false",
	       outcome.replayed ? "true" : "false");
	answer(code, &error);
}

/* ---- load --------------------------------------------------------------------------------------------------- */

static void count(load *to, ff_code code, bool applied)
{
	pthread_mutex_lock(&to->lock);
	to->answers++;
	if (code == FF_OK)
		*(applied ? &to->applied : &to->refused) += 1;
	else
		to->errors[code]++;
	pthread_cond_broadcast(&to->answered);
	pthread_mutex_unlock(&to->lock);
}

/* A call with a key is sent until it is answered; one without is sent once. */
static void *work(void *context)
{
	const worker *self = context;
	load *shared = self->load;
	bool keyed = strcmp(shared->prefix, "-") != 0;
	char key[128] = "-";
	for (uint64_t number = 0; !atomic_load(&shared->stops); number++) {
		if (keyed)
			snprintf(key, sizeof(key), "%s-%u-%" PRIu64, shared->prefix, self->number, number);
		ff_outcome outcome;
		ff_error error;
		ff_code code;
		do {
			code = report(shared->budget, key, 1, 0, &outcome, &error);
			count(shared, code, code == FF_OK && outcome.applied);
		} while (keyed && code != FF_OK);
	}
	return NULL;
}

static void start(const char *budget, unsigned threads, const char *prefix)
{
	snprintf(running.budget, sizeof(running.budget), "%s", budget);
	snprintf(running.prefix, sizeof(running.prefix), "%s", prefix);
	running.threads_count = threads < THREADS_MAX ? threads : THREADS_MAX;
	running.answers = running.applied = running.refused = 0;
	memset(running.errors, 0, sizeof(running.errors));
	atomic_store(&running.stops, false);
	for (unsigned i = 0; i < running.threads_count; i++) {
		workers[i] = (worker){ .load = &running, .number = i };
		if (pthread_create(&running.threads[i], NULL, work, &workers[i]) != 0)
			abort();
	}
	printf("{\"threads\":%u}\n", running.threads_count);
}

static void wait_for(uint64_t more)
{
	pthread_mutex_lock(&running.lock);
	uint64_t until = running.answers + more;
	while (running.answers < until)
		pthread_cond_wait(&running.answered, &running.lock);
	printf("{\"answers\":%" PRIu64 "}\n", running.answers);
	pthread_mutex_unlock(&running.lock);
}

static void stop(void)
{
	atomic_store(&running.stops, true);
	for (unsigned i = 0; i < running.threads_count; i++)
		pthread_join(running.threads[i], NULL);
	running.threads_count = 0;
	printf("{\"applied\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"errors\":{", running.applied, running.refused);
	const char *join = "";
	for (int code = 1; code < CODES; code++) {
		if (running.errors[code])
			printf("%s\"%s\":%" PRIu64, join, ff_code_name((ff_code)code), running.errors[code]);
		join = running.errors[code] ? "," : join;
	}
	printf("}}\n");
}

/* ---- commands ----------------------------------------------------------------------------------------------- */

static uint64_t number(const char *word)
{
	return strtoull(word, NULL, 10);
}

static void obey(char *words[5])
{
	const char *verb = words[0];
	if (strcmp(verb, "open") == 0)
		open_engine();
	else if (strcmp(verb, "create") == 0)
		create(words[1], number(words[2]));
	else if (strcmp(verb, "report") == 0)
		report_once(words[1], words[2], number(words[3]), (int64_t)number(words[4]));
	else if (strcmp(verb, "pair") == 0)
		report_pair(words[1], words[2], number(words[3]), (int64_t)number(words[4]));
	else if (strcmp(verb, "start") == 0)
		start(words[1], (unsigned)number(words[2]), words[3]);
	else if (strcmp(verb, "wait") == 0)
		wait_for(number(words[1]));
	else if (strcmp(verb, "stop") == 0)
		stop();
	else
		printf("{\"code\":\"no such command\"}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[1024];
	static char none[] = "";
	if (argc != 2)
		return 2;
	uri = argv[1];
	while (fgets(line, sizeof(line), stdin)) {
		char *words[5] = { none, none, none, none, none };
		char *rest = NULL;
		unsigned found = 0;
		for (char *word = strtok_r(line, " \n", &rest); word && found < 5; word = strtok_r(NULL, " \n", &rest))
			words[found++] = word;
		obey(words);
	}
	ff_engine_close(&engine);
	return 0;
}
