/*
 * The runner, for ff-conformance, for the programs of authors, and for tests with a table of their own: goes through
 * the table on one store or several, one case after the other in this process, and reports by TAP. It forks nothing, so
 * that sanitizers and valgrind see everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"

enum { EXIT_PASSED = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, STORES_MAX = 16, CASE_SECONDS = 300 };

typedef struct settings {
	const char *program;
	const ff_case *(*case_at)(size_t i);
	const ff_harness *const *harnesses; /* those of --store where there are any, else those given */
	size_t harnesses_count;
	const ff_harness *stores[STORES_MAX];
	size_t stores_count;
	const ff_engine_backend *module; /* of the last --module, where it was not known before */
	const char *filter;
	const char *canary;
	FILE *junit;
	const char *junit_path;
	uint64_t seed;
	uint64_t left_out;     /* needs of cases that do not run */
	unsigned case_seconds; /* that a case may take; 0: any */
	bool list;
	bool help;
} settings;

static bool is_suite(const settings *set)
{
	return set->case_at == ff_case_at;
}

typedef struct counts {
	unsigned implied, run, passed, failed, skipped;
	uint64_t lacking; /* that made cases be skipped */
} counts;

/* ---- TAP ---------------------------------------------------------------------------------------------------- */

static void print_needs(FILE *out, uint64_t needs)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		if (needs >> bit & 1)
			fprintf(out, " %s", ff_case_need_name(UINT64_C(1) << bit));
	}
}

static void print_lines(const char *lines)
{
	while (*lines) {
		size_t length = strcspn(lines, "\n");
		printf("# %.*s\n", (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void report(unsigned number, const ff_case *of, const ff_case_result *result)
{
	bool failed = result->status == FF_CASE_FAILED;
	printf("%s %u - %s [%s]", failed ? "not ok" : "ok", number, of->name, of->ids);
	if (result->status == FF_CASE_SKIPPED) {
		printf(" # SKIP");
		print_needs(stdout, result->lacking);
	}
	printf("\n");
	print_lines(result->failure);
	fflush(stdout);
}

/* ---- cases that do not end ----------------------------------------------------------------------------------- */

/* What is written where the case that runs takes too long, or ends the process: nothing but write may be called then. */
static char unfinished[512];
static size_t unfinished_size; /* 0: none runs */
static char overdue[64];
static pid_t watching;              /* this process: the children that cases fork tell nothing */
static int told_to = STDOUT_FILENO; /* and then a copy, for a case may have put a file in its place */

static const struct {
	int number;
	const char *words;
} deadly[] = {
	{ SIGABRT, "# ended by SIGABRT\n" }, { SIGSEGV, "# ended by SIGSEGV\n" }, { SIGBUS, "# ended by SIGBUS\n" },
	{ SIGFPE, "# ended by SIGFPE\n" },   { SIGILL, "# ended by SIGILL\n" },
};

static bool tell_unfinished(const char *words)
{
	return write(told_to, unfinished, unfinished_size) >= 0 && write(told_to, words, strlen(words)) >= 0;
}

static void end_overdue(int signal_number)
{
	(void)signal_number;
	_exit(tell_unfinished(overdue) ? EXIT_FAILED : EXIT_USAGE);
}

/* Behind it the signal does what it does. */
static void name_case(int signal_number)
{
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
		if (deadly[i].number == signal_number && unfinished_size && getpid() == watching)
			tell_unfinished(deadly[i].words);
	}
	raise(signal_number);
}

/* Leaves alone what a sanitizer has set, which tells more. The stack may be what has run out. */
static void watch_signals(void)
{
	static char stack[64 << 10];
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++) {
		struct sigaction set;
		if (sigaction(deadly[i].number, NULL, &set) == 0 && set.sa_handler == SIG_DFL)
			sigaction(deadly[i].number,
			          &(struct sigaction){ .sa_handler = name_case,
			                               .sa_flags = (int)SA_RESETHAND | SA_ONSTACK | SA_NODEFER },
			          NULL);
	}
}

static size_t clip(int length, size_t room)
{
	return length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

static void watch(const settings *set, unsigned number, const char *name, const char *ids)
{
	fflush(stdout);
	if (told_to == STDOUT_FILENO)
		told_to = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	watching = getpid();
	unfinished_size = clip(snprintf(unfinished, sizeof(unfinished), "not ok %u - %s [%s]\n", number, name, ids),
	                       sizeof(unfinished));
	watch_signals();
	if (!set->case_seconds)
		return;
	snprintf(overdue, sizeof(overdue), "# not ended after %u seconds\n", set->case_seconds);
	signal(SIGALRM, end_overdue);
	alarm(set->case_seconds);
}

static void stop_watching(void)
{
	alarm(0);
	unfinished_size = 0;
}

/* ---- canaries: what a job that looks for faults must find before its silence means anything ------------------ */

static void leak(void)
{
	void *volatile lost = malloc(64);
	lost = NULL;
	(void)lost;
}

static void overflow(void)
{
	volatile int most = 0x7fffffff;
	most = most + 1;
}

static int raced;

static void *race_once(void *argument)
{
	(void)argument;
	for (int i = 0; i < 1000; i++)
		raced++;
	return NULL;
}

static void race(void)
{
	pthread_t other;
	if (pthread_create(&other, NULL, race_once, NULL))
		return;
	race_once(NULL);
	pthread_join(other, NULL);
}

static void fail_a_check(ff_test *test)
{
	FF_CHECK_EQ_INT(test, 1 + 1, 3);
}

static bool make_nothing(void *context, char uri[FF_URI_SIZE])
{
	(void)context;
	*uri = '\0';
	return true;
}

static void destroy_nothing(void *context, const char *uri)
{
	(void)context;
	(void)uri;
}

static int fail(void)
{
	static const ff_case failing = { .name = "canary", .ids = "", .run = fail_a_check };
	static const ff_harness nowhere = { .name = "nowhere", .make = make_nothing, .destroy = destroy_nothing };
	static ff_case_result result;
	ff_case_run(&failing, &nowhere, 0, 1, &result);
	report(1, &failing, &result);
	return result.status == FF_CASE_FAILED ? EXIT_FAILED : EXIT_PASSED;
}

/* As if its time were over. */
static void hang(const settings *set)
{
	watch(set, 1, "canary", "");
	raise(SIGALRM);
}

/* As if the case had ended the process. */
static void crash(const settings *set)
{
	watch(set, 1, "canary", "");
	abort();
}

static int sing(const settings *set)
{
	const char *canary = set->canary;
	if (!strcmp(canary, "leak"))
		leak();
	else if (!strcmp(canary, "ub"))
		overflow();
	else if (!strcmp(canary, "race"))
		race();
	else if (!strcmp(canary, "hang"))
		hang(set);
	else if (!strcmp(canary, "crash"))
		crash(set);
	else
		return strcmp(canary, "fail") ? EXIT_USAGE : fail();
	return EXIT_PASSED;
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

/* A case is chosen by its name, by a part of it, or by one of its ids. */
static bool is_chosen(const ff_case *of, const char *filter)
{
	if (!filter || strstr(of->name, filter))
		return true;
	size_t length = strlen(filter);
	for (const char *id = of->ids; *id; id += strspn(id, " ")) {
		size_t id_length = strcspn(id, " ");
		if (id_length == length && !strncmp(id, filter, length))
			return true;
		id += id_length;
	}
	return false;
}

static void print_xml(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"", *text))
			fprintf(out, "&#%d;", *text);
		else
			fputc((unsigned char)*text < ' ' && *text != '\n' ? '?' : *text, out);
	}
}

static void report_junit(FILE *out, const ff_case *of, const ff_harness *harness, const ff_case_result *result)
{
	fputs("<testcase classname=\"", out);
	print_xml(out, harness->name);
	fprintf(out, "\" name=\"%s [%s]\">", of->name, of->ids);
	if (result->status == FF_CASE_SKIPPED)
		fputs("<skipped/>", out);
	if (result->status == FF_CASE_FAILED) {
		fputs("<failure>", out);
		print_xml(out, result->failure);
		fputs("</failure>", out);
	}
	fputs("</testcase>\n", out);
	fflush(out); /* what ends the process in a later case loses none that is told */
}

/* A file without a failure would pass for a run of nothing. */
static void report_junit_bail(FILE *out, const ff_harness *harness, const ff_error *error)
{
	fputs("<testcase classname=\"", out);
	print_xml(out, harness->name);
	fputs("\" name=\"a store can be opened\"><failure>", out);
	print_xml(out, error->message);
	fputs("</failure></testcase>\n", out);
}

static void count(counts *done, const ff_case_result *result)
{
	done->run += result->status != FF_CASE_SKIPPED;
	done->passed += result->status == FF_CASE_PASSED;
	done->failed += result->status == FF_CASE_FAILED;
	done->skipped += result->status == FF_CASE_SKIPPED;
	done->lacking |= result->lacking;
}

static void print_summary(const settings *set, const ff_harness_info *info, const counts *done)
{
	printf("# ");
	if (is_suite(set))
		printf("suite %u, ", FF_CONFORMANCE_VERSION);
	printf("backend %s (%s), capabilities", info->backend, info->version);
	print_needs(stdout, info->given & FF_CAPS_KNOWN);
	printf(", seed %" PRIu64 ", cases %u run / %u passed / %u failed / %u skipped", set->seed, done->run,
	       done->passed, done->failed, done->skipped);
	if (done->lacking) {
		printf(" (");
		print_needs(stdout, done->lacking);
		printf(" )");
	}
	printf("\n");
}

/* Every case on one kind of store; false where one failed, or fewer ran than the store's capabilities imply. */
static bool run_store(const settings *set, const ff_harness *harness, unsigned *number)
{
	ff_harness_info info;
	ff_error error;
	watch(set, *number + 1, "opening", "");
	ff_code code = ff_harness_probe(harness, &info, &error);
	stop_watching();
	if (code != FF_OK) {
		printf("Bail out! %s: %s\n", harness->name, error.message);
		if (set->junit)
			report_junit_bail(set->junit, harness, &error);
		return false;
	}
	info.given &= ~set->left_out;
	printf("# store %s\n", harness->name);
	counts done = { 0 };
	static ff_case_result result;
	for (size_t i = 0; set->case_at(i); i++) {
		const ff_case *of = set->case_at(i);
		if (!is_chosen(of, set->filter))
			continue;
		done.implied += !(of->needs & ~info.given);
		watch(set, *number + 1, of->name, of->ids);
		ff_case_run(of, harness, info.given, set->seed, &result);
		stop_watching();
		report(++*number, of, &result);
		if (set->junit)
			report_junit(set->junit, of, harness, &result);
		count(&done, &result);
	}
	print_summary(set, &info, &done);
	return done.failed == 0 && done.run >= done.implied;
}

/* How many cases are reported, and of those how many are left to run. */
static size_t count_chosen(const settings *set, size_t *left)
{
	size_t chosen = 0;
	for (size_t i = *left = 0; set->case_at(i); i++) {
		if (!is_chosen(set->case_at(i), set->filter))
			continue;
		chosen++;
		*left += !(set->case_at(i)->needs & set->left_out);
	}
	return chosen;
}

static int run(const settings *set)
{
	size_t left;
	size_t chosen = count_chosen(set, &left);
	if (!left) {
		fprintf(stderr, "%s: no case matches '%s'%s\n", set->program, set->filter,
		        chosen ? " but those that --no-bulk leaves out" : "");
		return EXIT_USAGE;
	}
	printf("TAP version 13\n1..%zu\n", chosen * set->harnesses_count);
	if (set->junit)
		fputs("<testsuite name=\"ff-conformance\">\n", set->junit);
	bool passed = true;
	unsigned number = 0;
	for (size_t i = 0; i < set->harnesses_count; i++)
		passed = run_store(set, set->harnesses[i], &number) && passed;
	if (set->junit)
		fputs("</testsuite>\n", set->junit);
	return passed ? EXIT_PASSED : EXIT_FAILED;
}

/* ---- the command line --------------------------------------------------------------------------------------- */

static int list(const settings *set)
{
	for (size_t i = 0; set->case_at(i); i++) {
		if (is_chosen(set->case_at(i), set->filter))
			printf("%s\t%s\n", set->case_at(i)->name, set->case_at(i)->ids);
	}
	return EXIT_PASSED;
}

static void print_usage(const settings *set, FILE *out)
{
	fprintf(out, "usage: %s ", set->program);
	fputs("[--module FILE]… --store URI… [--filter ID-OR-NAME] [--seed N] [--no-bulk]\n"
	      "       [--case-timeout SECONDS] [--junit FILE] [--list] [--help]\n"
	      "  --module        loads the backend in a shared object; without --store it runs on NAME:/tmp/NAME\n"
	      "  --store         SCHEME:PATH[?PARAMETERS]; each case gets a store of its own, at PATH-PID-N;\n"
	      "                  on a server a URI with {}, where PID_N is put: postgres:///?schema=case_{}\n"
	      "  --filter        only the cases that prove this id, or whose name contains this\n"
	      "  --seed          of what is random; 1 where it is not given\n"
	      "  --no-bulk       leaves out the cases of many rows: for valgrind, where each instruction costs\n"
	      "  --case-timeout  a case that takes longer fails and ends the run; 0: none; 300 where it is not given\n"
	      "  --junit         writes the results to FILE as JUnit XML, too\n"
	      "  --list          prints each case's name and ids, and runs nothing\n"
	      "  --help          prints this\n"
	      "exit status: 0 all passed; 1 one failed, or fewer ran than the store's capabilities imply; 2 usage\n",
	      out);
}

static int help(const settings *set)
{
	print_usage(set, stdout);
	return EXIT_PASSED;
}

static int usage(const settings *set)
{
	print_usage(set, stderr);
	return EXIT_USAGE;
}

bool ffp_read_number(const char *program, const char *option, const char *text, uint64_t least, uint64_t most,
                     uint64_t *number)
{
	char *end = NULL;
	errno = 0;
	*number = strtoull(text, &end, 10);
	bool good = *text >= '0' && *text <= '9' && !*end && !errno && *number >= least && *number <= most;
	if (!good)
		fprintf(stderr, "%s: --%s '%s' is no number from %" PRIu64 " to %" PRIu64 "\n", program, option, text,
		        least, most);
	return good;
}

bool ffp_is_complete(const char *program, int count, char **arguments, bool has_stores)
{
	if (optind < count)
		fprintf(stderr, "%s: '%s' is one argument too many\n", program, arguments[optind]);
	else if (!has_stores)
		fprintf(stderr, "%s: there is no store to run on, give --store\n", program);
	return optind == count && has_stores;
}

static bool set_case_seconds(settings *set, const char *text)
{
	uint64_t seconds;
	bool good = ffp_read_number(set->program, "case-timeout", text, 0, INT32_MAX, &seconds);
	set->case_seconds = (unsigned)seconds;
	return good;
}

static bool set_junit(settings *set, const char *path)
{
	if (set->junit)
		fclose(set->junit);
	set->junit = fopen(path, "w");
	set->junit_path = path;
	if (!set->junit)
		fprintf(stderr, "%s: cannot write '%s'\n", set->program, path);
	return set->junit != NULL;
}

static bool set_store(settings *set, const char *uri)
{
	const ff_harness *harness = set->stores_count < STORES_MAX ? ff_harness_for_files(uri) : NULL;
	if (harness)
		set->stores[set->stores_count++] = harness;
	else
		fprintf(stderr, "%s: '%s' is no URI of a store, or one too many\n", set->program, uri);
	return harness != NULL;
}

bool ffp_load_module(const char *program, const char *path, const ff_engine_backend **loaded)
{
	size_t known = 0;
	while (ff_backend_at(known))
		known++;
	ff_error error;
	if (ff_backend_load(path, &error) != FF_OK) {
		fprintf(stderr, "%s: %s\n", program, error.message);
		return false;
	}
	*loaded = ff_backend_at(known);
	return true;
}

void ffp_uri_of_module(const ff_engine_backend *module, char uri[FF_URI_SIZE])
{
	snprintf(uri, FF_URI_SIZE, "%s:/tmp/%s", module->name, module->name);
}

/* What runs: the stores that were named, or those of the module, or those of the program. */
static bool choose_stores(settings *set)
{
	char uri[FF_URI_SIZE];
	if (!set->stores_count && set->module) {
		ffp_uri_of_module(set->module, uri);
		if (!set_store(set, uri))
			return false;
	}
	if (set->stores_count) {
		set->harnesses = set->stores;
		set->harnesses_count = set->stores_count;
	}
	return true;
}

static bool take_option(settings *set, int option)
{
	switch (option) {
	case 'm':
		return ffp_load_module(set->program, optarg, &set->module);
	case 's':
		return set_store(set, optarg);
	case 'f':
		set->filter = optarg;
		return true;
	case 'n':
		return ffp_read_number(set->program, "seed", optarg, 0, UINT64_MAX, &set->seed);
	case 't':
		return set_case_seconds(set, optarg);
	case 'j':
		return set_junit(set, optarg);
	case 'c':
		set->canary = optarg;
		return true;
	case 'b':
		set->left_out = FF_CASE_BULK;
		return true;
	case 'l':
		return set->list = true;
	case 'h':
		return set->help = true;
	default:
		return false;
	}
}

static bool parse(settings *set, int count_of, char **arguments)
{
	static const struct option options[] = {
		{ "module", required_argument, NULL, 'm' },
		{ "store", required_argument, NULL, 's' },
		{ "filter", required_argument, NULL, 'f' },
		{ "seed", required_argument, NULL, 'n' },
		{ "case-timeout", required_argument, NULL, 't' },
		{ "junit", required_argument, NULL, 'j' },
		{ "canary", required_argument, NULL, 'c' },
		{ "no-bulk", no_argument, NULL, 'b' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool good = true;
	for (int option; good && (option = getopt_long(count_of, arguments, "", options, NULL)) != -1;)
		good = take_option(set, option);
	if (good && !is_suite(set) && optind < count_of)
		set->filter = arguments[optind++];
	if (!good || !choose_stores(set))
		return false;
	bool needs_none = set->list || set->canary || set->help;
	return ffp_is_complete(set->program, count_of, arguments, needs_none || set->harnesses_count);
}

int ffp_finish(const char *program, int status)
{
	errno = 0; /* what stays so where it was an earlier write that failed */
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: cannot write to stdout%s%s\n", program, errno ? ": " : "", errno ? strerror(errno) : "");
	return EXIT_FAILED;
}

static int finish_junit(const settings *set, int status)
{
	bool failed = ferror(set->junit);
	if (!fclose(set->junit) && !failed)
		return status;
	fprintf(stderr, "%s: cannot write '%s'\n", set->program, set->junit_path);
	return EXIT_FAILED;
}

static int run_program(int argc, char **argv, const ff_case *(*case_at)(size_t i), const ff_harness *const *harnesses,
                       size_t count_of)
{
	settings set = { .program = argv[0],
		         .case_at = case_at,
		         .harnesses = harnesses,
		         .harnesses_count = count_of,
		         .seed = 1,
		         .case_seconds = CASE_SECONDS };
	int status;
	if (!parse(&set, argc, argv))
		status = usage(&set);
	else if (set.help)
		status = help(&set);
	else if (set.canary)
		status = sing(&set);
	else
		status = set.list ? list(&set) : run(&set);
	for (size_t i = 0; i < set.stores_count; i++)
		ff_harness_free(set.stores[i]);
	if (set.junit)
		status = finish_junit(&set, status);
	return ffp_finish(set.program, status);
}

int ff_conformance_main(int argc, char **argv, const ff_harness *const *harnesses, size_t count_of)
{
	return run_program(argc, argv, ff_case_at, harnesses, count_of);
}

int ffp_cases_main(int argc, char **argv, const ff_case *(*case_at)(size_t i), const ff_harness *harness)
{
	return run_program(argc, argv, case_at, &harness, 1);
}
