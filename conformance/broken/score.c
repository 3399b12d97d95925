/*
 * broken-score: runs the suite against every fault of the backend `broken`, each in a process of its own, until a case
 * fails. The report is TAP: a line a fault, with the case that caught it. A fault that no case catches is not ok, and so
 * is a case that fails where there is no fault ("none").
 *
 *     broken-score sqlite:PATH?durability=none [FAULT…]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ff/conformance.h>

#include "broken.h"

enum { SECONDS_MAX = 60, JOBS = 2 };

/* What a process tells of its run, in memory that it shares with this one. */
typedef struct outcome {
	char by[64];     /* the case that runs, or the one that failed */
	char words[256]; /* its first line */
	unsigned passed, skipped;
	bool failed;
} outcome;

typedef struct job {
	const char *fault;
	outcome *told;
	pid_t id;
} job;

/* ---- one fault, in its process ------------------------------------------------------------------------------ */

static void tell(outcome *told, const char *words)
{
	snprintf(told->words, sizeof(told->words), "%.*s", (int)strcspn(words, "\n"), words);
	told->failed = true;
}

static const ff_harness *harness_of(const char *store, const char *fault)
{
	char uri[FF_URI_SIZE];
	size_t path = strcspn(store, "?");
	bool in_memory = strstr(store, "::") != NULL; /* the name is not a file's */
	snprintf(uri, sizeof(uri), "broken+%.*s%s%s%s%cfault=%s", (int)path, store, in_memory ? "" : "-",
	         in_memory ? "" : fault, store + path, store[path] ? '&' : '?', fault);
	return ff_harness_for_files(uri);
}

/* Those of the slots come first, and say best what is wrong. */
static void run_cases(const ff_harness *harness, outcome *told)
{
	static ff_case_result result;
	ff_harness_info info;
	ff_error error = { 0 };
	snprintf(told->by, sizeof(told->by), "(opening)");
	if (ff_harness_probe(harness, &info, &error) != FF_OK) {
		tell(told, error.message);
		return;
	}
	for (size_t i = 0; ff_case_at(i) && !told->failed; i++) {
		snprintf(told->by, sizeof(told->by), "%s", ff_case_at(i)->name);
		ff_case_run(ff_case_at(i), harness, info.given, 1, &result);
		told->passed += result.status == FF_CASE_PASSED;
		told->skipped += result.status == FF_CASE_SKIPPED;
		if (result.status == FF_CASE_FAILED)
			tell(told, result.failure);
	}
}

static bool is_none(const char *fault)
{
	return strcmp(fault, "none") == 0;
}

/* Some faults print, and would do so in the middle of the table. What a sanitizer says of none is to be seen. */
static bool print_nowhere(void)
{
	return freopen("/dev/null", "w", stdout) && freopen("/dev/null", "w", stderr);
}

static void start(job *run, const char *store)
{
	fflush(stdout);
	run->id = fork();
	if (run->id)
		return;
	alarm(SECONDS_MAX);
	broken_home = getpid();
	const ff_harness *harness = harness_of(store, run->fault);
	if (!harness || (!is_none(run->fault) && !print_nowhere()))
		_exit(2);
	run_cases(harness, run->told);
	_exit(run->told->failed);
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

/* What became of a run; whether that is as it must be. */
static bool report(const job *run, int status)
{
	static unsigned number;
	const outcome *told = run->told;
	bool caught = told->failed || WIFSIGNALED(status); /* and not where a run could not begin */
	bool as_it_must = caught == !is_none(run->fault);
	printf("%sok %u - %s: ", as_it_must ? "" : "not ", ++number, run->fault);
	if (!caught)
		printf("no case fails, %u passed, %u skipped\n", told->passed, told->skipped);
	else if (WIFSIGNALED(status))
		printf("%s ends by signal %d\n", told->by, WTERMSIG(status));
	else
		printf("%s\n", told->by);
	if (caught && !as_it_must)
		printf("# %s\n", told->words);
	fflush(stdout);
	return as_it_must;
}

/* Waits for one of the runs and frees its place; whether it went as it must. */
static bool finish_one(job *runs)
{
	int status = 0;
	pid_t id = wait(&status);
	for (unsigned i = 0; i < JOBS; i++) {
		if (runs[i].id != id)
			continue;
		bool good = report(&runs[i], status);
		munmap(runs[i].told, sizeof(outcome));
		runs[i].id = 0;
		return good;
	}
	return false;
}

static void start_one(job *runs, const char *fault, const char *store)
{
	job *run = runs;
	while (run->id)
		run++;
	outcome *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		exit(2);
	*run = (job){ .fault = fault, .told = told };
	start(run, store);
}

static bool is_chosen(const char *fault, int count, char **names)
{
	bool chosen = count == 0;
	for (int i = 0; i < count; i++)
		chosen = chosen || !strcmp(fault, names[i]);
	return chosen;
}

static const char *name_at(size_t i)
{
	const broken_fault *fault = i ? broken_fault_at(i - 1) : NULL;
	return i ? fault ? fault->name : NULL : "none";
}

int main(int argc, char **argv)
{
	ff_error error;
	if (argc < 2 || ff_backend_register(&broken_backend, &error) != FF_OK) {
		fputs("usage: broken-score SCHEME:PATH[?PARAMETERS] [FAULT…]\n", stderr);
		return 2;
	}
	job runs[JOBS] = { 0 };
	unsigned running = 0, chosen = 0, good = 0;
	time_t begun = time(NULL);
	const char *fault;
	for (size_t i = 0; (fault = name_at(i)) != NULL; i++) {
		if (!is_chosen(fault, argc - 2, argv + 2))
			continue;
		if (running == JOBS)
			good += finish_one(runs);
		else
			running++;
		start_one(runs, fault, argv[1]);
		chosen++;
	}
	for (; running; running--)
		good += finish_one(runs);
	printf("1..%u\n# score: %u of %u, in %ld s\n", chosen, good, chosen, (long)(time(NULL) - begun));
	return good == chosen && chosen ? 0 : 1;
}
