/* The command line: its arguments, the episodes that it asks for, and the report of a difference. */
#include "parity.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cases.h"
#include "parity_episode.h"
#include "parity_generate.h"
#include "parity_print.h"
#include "parity_shrink.h"

typedef struct command {
	ffp_comparison compared;
	uint64_t operations;
	uint64_t seed;
	const ff_engine_backend *module; /* of the last --module, where it was not known before */
	bool help;
} command;

/* ---- arguments -------------------------------------------------------------------------------------------------- */

static void print_usage(FILE *out)
{
	fputs("usage: ff-conformance parity [--module FILE]… --store URI… [--ops N] [--seed N] [--help]\n"
	      "Drives the same random operations into each store and into a model of the contract, and compares "
	      "outcomes,\n"
	      "statuses and exports. On a difference: the shortest sequence that shows it, as ffctl commands.\n"
	      "  --module  loads the backend in a shared object; without --store it runs on NAME:/tmp/NAME\n"
	      "  --store   SCHEME:PATH[?PARAMETERS]; each episode gets a store of its own, at PATH-PID-N;\n"
	      "            on a server a URI with {}, where PID_N is put: postgres:///?schema=case_{};\n"
	      "            none is named twice\n"
	      "  --ops     at least so many operations; 100000 where it is not given\n"
	      "  --seed    of what is random; 1 where it is not given\n"
	      "  --help    prints this\n"
	      "exit status: 0 no difference; 1 a difference; 2 usage\n",
	      out);
}

static int help(void)
{
	print_usage(stdout);
	return 0;
}

static int usage(void)
{
	print_usage(stderr);
	return 2;
}

/* The path of a URI; or behind the question mark, the parameter that has a {}, which may be none. */
static const char *part_of(const char *uri, bool of_query, size_t *size)
{
	const char *path = strchr(uri, ':') + 1;
	const char *query = path + strcspn(path, "?");
	const char *place = strstr(query, "{}");
	const char *part = of_query ? place : path;
	while (of_query && part && !strchr("?&", part[-1]))
		part--;
	*size = part ? strcspn(part, of_query ? "&" : "?") : 0;
	return part;
}

/* Whether the stores of both would get the same names, whatever else the URIs say. */
static bool is_same_place(const char *left, const char *right)
{
	bool same = true;
	for (int of_query = 0; same && of_query <= 1; of_query++) {
		size_t size, other_size;
		const char *part = part_of(left, of_query, &size);
		const char *other = part_of(right, of_query, &other_size);
		same = size == other_size && (!size || !memcmp(part, other, size));
	}
	return same;
}

/* Each in memory is one of its own. */
static bool is_there(const ffp_comparison *of, const ff_harness *harness)
{
	size_t i = 0;
	while (i < of->subjects_count &&
	       !(harness->shared && is_same_place(of->subjects[i].harness->name, harness->name)))
		i++;
	return i < of->subjects_count;
}

static bool add_store(ffp_comparison *to, const char *uri)
{
	const ff_harness *harness = to->subjects_count < FFP_SUBJECTS_MAX ? ff_harness_for_files(uri) : NULL;
	bool there = harness && is_there(to, harness);
	if (there)
		fprintf(stderr, "ff-conformance: '%s' is where another store is to be\n", uri);
	else if (harness)
		to->subjects[to->subjects_count++].harness = harness;
	else
		fprintf(stderr, "ff-conformance: '%s' is no URI of a store, or one too many\n", uri);
	if (there)
		ff_harness_free(harness);
	return harness && !there;
}

static bool take_option(command *given, int option)
{
	switch (option) {
	case 'm':
		return ffp_load_module("ff-conformance", optarg, &given->module);
	case 's':
		return add_store(&given->compared, optarg);
	case 'o':
		return ffp_read_number("ff-conformance", "ops", optarg, 1, UINT64_MAX, &given->operations);
	case 'n':
		return ffp_read_number("ff-conformance", "seed", optarg, 0, UINT64_MAX, &given->seed);
	case 'h':
		return given->help = true;
	default:
		return false;
	}
}

/* The stores that were named, or those of the module. */
static bool choose_stores(command *given)
{
	char uri[FF_URI_SIZE];
	if (!given->compared.subjects_count && given->module) {
		ffp_uri_of_module(given->module, uri);
		return add_store(&given->compared, uri);
	}
	return true;
}

static bool parse(command *given, int count, char **arguments)
{
	static const struct option options[] = {
		{ "module", required_argument, NULL, 'm' }, { "store", required_argument, NULL, 's' },
		{ "ops", required_argument, NULL, 'o' },    { "seed", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	bool good = true;
	for (int option; good && (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
		good = take_option(given, option);
	return good && choose_stores(given) &&
	       ffp_is_complete("ff-conformance", count, arguments, given->help || given->compared.subjects_count);
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static bool probe(const ffp_comparison *of, bool *all_reopen)
{
	*all_reopen = true;
	for (size_t i = 0; i < of->subjects_count; i++) {
		ff_harness_info info;
		ff_error error;
		if (ff_harness_probe(of->subjects[i].harness, &info, &error) != FF_OK) {
			printf("Bail out! %s: %s\n", of->subjects[i].harness->name, error.message);
			return false;
		}
		*all_reopen = *all_reopen && of->subjects[i].harness->shared;
	}
	return true;
}

/* Behind a mark where a line differs from the other answer. */
static void print_answer(const char *who, const char *text, const char *other)
{
	printf("# %s answers:\n", who);
	for (size_t length; text && *text; text += length + (text[length] == '\n')) {
		length = strcspn(text, "\n");
		size_t other_length = other ? strcspn(other, "\n") : 0;
		bool same = other && length == other_length && !strncmp(text, other, length);
		printf("# %c %.*s\n", same ? ' ' : '>', (int)length, text);
		other = other && other[other_length] ? other + other_length + 1 : NULL;
	}
}

static void report_difference(ffp_comparison *of, const ffp_setting *setting, ffp_steps *found)
{
	printf("not ok 1 - parity\n# a difference in the episode of seed %" PRIu64 "; the shortest sequence found, %zu "
	       "steps:\n",
	       setting->seed, found->count);
	bool shows = ffp_episode_differs(of, setting, found, false);
	ffp_steps_print(setting, found);
	if (!shows)
		printf("# in a replay from fresh stores it did not show again\n");
	for (size_t i = 0; shows && i < of->subjects_count; i++) {
		const ffp_subject *store = &of->subjects[i];
		print_answer(store->harness->name, store->answer.data, of->answer.data);
		if (!ffp_string_is_same(&store->digests, &of->subjects[0].digests))
			printf("# and other payload digests than %s\n", of->subjects[0].harness->name);
	}
	print_answer("the model", of->answer.data, of->subjects[0].answer.data);
	ffp_comparison_close(of);
}

static void print_summary(const command *given, uint64_t done, uint64_t episodes, clock_t began)
{
	printf("# parity: %" PRIu64 " operations in %" PRIu64 " episodes, %zu stores (", done, episodes,
	       given->compared.subjects_count);
	for (size_t i = 0; i < given->compared.subjects_count; i++)
		printf("%s%s", i ? " " : "", given->compared.subjects[i].harness->name);
	double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
	printf("), seed %" PRIu64 ", %.0f operations a second of processor time\n", given->seed,
	       seconds > 0 ? (double)done / seconds : 0);
}

static int run(command *given)
{
	ffp_steps made = { .list = NULL };
	ffp_setting setting;
	uint64_t done = 0;
	uint64_t episodes = 0;
	uint64_t seed = given->seed;
	clock_t began = clock();
	bool same = true;
	printf("TAP version 13\n1..1\n");
	if (!probe(&given->compared, &setting.all_reopen))
		return 1;
	for (; same && done < given->operations; done += made.count, episodes++) {
		ffp_setting_generate(&setting, seed);
		same = ffp_episode_run(&given->compared, &setting, &made);
		seed = ffp_seed_next(seed);
	}
	if (!same) {
		ffp_steps_shrink(&given->compared, &setting, &made);
		report_difference(&given->compared, &setting, &made);
	} else {
		printf("ok 1 - parity\n");
	}
	print_summary(given, done, episodes, began);
	ffp_steps_free(&made);
	return same ? 0 : 1;
}

int ffp_parity(int count, char **arguments)
{
	static command given = { .operations = 100000, .seed = 1 };
	int status;
	if (!parse(&given, count, arguments))
		status = usage();
	else
		status = given.help ? help() : run(&given);
	ffp_comparison_free(&given.compared);
	return ffp_finish("ff-conformance", status);
}
