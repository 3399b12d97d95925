/* ff-bench: the command line. */
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ff/backend.h>

#include "../backends/support/standard.h"
#include "bench.h"

#define STORES_MAX 16
#define WORKLOADS_MAX 64
#define FILES_MAX 64
#define MODULES_MAX 16
#define KEPT_UP 0.95

/* ---- what every file uses ------------------------------------------------------------------------------------- */

_Noreturn void bench_die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("ff-bench: ", stderr);
	vfprintf(stderr, format, arguments);
	putc('\n', stderr);
	va_end(arguments);
	exit(BENCH_FAILED);
}

_Noreturn void bench_die_of(const char *doing, const ff_error *error)
{
	bench_die("cannot %s: %s (%s)", doing, error->message, ff_code_name(error->code));
}

void *bench_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	if (!memory)
		bench_die("memory is out");
	return memory;
}

/* ---- help ----------------------------------------------------------------------------------------------------- */

static const char help_text[] =
    "usage: ff-bench run [OPTION]…\n"
    "       ff-bench list\n"
    "       ff-bench compare A.json B.json\n"
    "       ff-bench merge FILE.json… -o FILE.json\n"
    "       ff-bench plot FILE.json -o FILE.svg\n"
    "\n"
    "run measures workloads on stores, each beside the floor: the same durable work by hand.\n"
    "  --store URI        a store: a scheme alone (in a folder of its own, here), or with the path of a store that "
    "does\n"
    "                     not exist; may be repeated. Default: sqlite and lmdb. durability= replaces the workload's.\n"
    "                     On a server the store is a schema, one of its own or schema= of none that exists, which is\n"
    "                     dropped at the end; postgres alone is the server that libpq's environment names\n"
    "  --module FILE      loads a backend; its stores have no floor, and are removed as a file or a folder at their\n"
    "                     path; may be repeated\n"
    "  --workload NAME    may be repeated; default: all\n"
    "  --quick            small and short: shows that it works, measures nothing\n"
    "  --seconds S        that the engine is measured for in each workload; default 6, quick 0.05\n"
    "  --pairs N          turns of engine and floor; default 15, quick 2\n"
    "  --threads N  --batch N  --budgets N  --keys none|random|ordered    in place of the workload's own\n"
    "  --processes N      that report, each with as many threads and an engine of its own, where the other side is the "
    "floor\n"
    "  --rate N           an open loop: N reports a second are due, and latency counts from when they were\n"
    "  --floor looks|unseen|plain    the floor reads each key before it writes it (default); or only where one turns "
    "out\n"
    "                     to be known, as the engine does; or takes report by report within a batch\n"
    "  --seed N           of the requests; default 1\n"
    "  --label TEXT       is written into the JSON\n"
    "  --json FILE        writes the rows ('-': to stdout, in place of the table)\n"
    "\n"
    "compare prints B's rates in proportion to A's, row by row. Exit status: 0, or 1 where a row of B is slower by "
    "more\n"
    "than the spread of both, or it cannot be told; 2 wrong usage.\n"
    "exit status of run: 0 done, 1 an error or wrong books, 2 wrong usage\n";

int bench_refuse(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("ff-bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n%s", help_text);
	va_end(arguments);
	return BENCH_USAGE;
}

/* ---- the command line ----------------------------------------------------------------------------------------- */

typedef struct command_line {
	bench_options options;
	bool has_seconds, has_pairs;
	const char *stores[STORES_MAX];
	size_t stores_count;
	const char *modules[MODULES_MAX];
	size_t modules_count;
	const bench_workload *workloads[WORKLOADS_MAX];
	size_t workloads_count;
	const char *json;
	const char *label;
	const char *output;
	const char *files[FILES_MAX];
	size_t files_count;
} command_line;

static bool read_count(const char *text, uint64_t most, uint64_t *count)
{
	char *end;
	errno = 0;
	*count = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && *count >= 1 && *count <= most;
}

static bool read_real(const char *text, double *number)
{
	char *end;
	*number = strtod(text, &end);
	return *text >= '0' && *text <= '9' && !*end && *number > 0 && *number < 1e9;
}

static bool read_keys(const char *text, bench_keys *keys)
{
	for (int i = BENCH_KEYS_NONE; i <= BENCH_KEYS_ORDERED; i++)
		if (strcmp(text, bench_keys_name((bench_keys)i)) == 0) {
			*keys = (bench_keys)i;
			return true;
		}
	return false;
}

static bool read_floor(const char *text, bench_floor_kind *kind)
{
	static const char *const names[] = {
		[BENCH_FLOOR_LOOKS] = "looks", [BENCH_FLOOR_UNSEEN] = "unseen", [BENCH_FLOOR_PLAIN] = "plain"
	};
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(text, names[i]) == 0) {
			*kind = (bench_floor_kind)i;
			return true;
		}
	return false;
}

static bool add_workload(command_line *line, const char *name)
{
	for (size_t i = 0; i < bench_workloads_count; i++)
		if (strcmp(bench_workloads[i].name, name) == 0 && line->workloads_count < WORKLOADS_MAX) {
			line->workloads[line->workloads_count++] = &bench_workloads[i];
			return true;
		}
	return false;
}

/* A fault that a run must notice. */
static bool read_canary(command_line *line, const char *kind)
{
	line->options.doctor = strcmp(kind, "books") == 0;
	line->options.doctor_floor = strcmp(kind, "floor-books") == 0;
	line->options.lose_keys = strcmp(kind, "keys") == 0;
	line->options.refuse = strcmp(kind, "refusals") == 0;
	return line->options.doctor || line->options.doctor_floor || line->options.lose_keys || line->options.refuse;
}

/* False where the option's value is none. */
static bool take_value(command_line *line, const char *name, const char *value, bool *known)
{
	bench_options *options = &line->options;
	uint64_t pairs;
	*known = true;
	if (strcmp(name, "--store") == 0) {
		if (line->stores_count == STORES_MAX)
			return false;
		line->stores[line->stores_count++] = value;
		return true;
	}
	if (strcmp(name, "--module") == 0) {
		if (line->modules_count == MODULES_MAX)
			return false;
		line->modules[line->modules_count++] = value;
		return true;
	}
	if (strcmp(name, "--workload") == 0)
		return add_workload(line, value);
	if (strcmp(name, "--seconds") == 0)
		return line->has_seconds = read_real(value, &options->seconds);
	if (strcmp(name, "--pairs") == 0) {
		line->has_pairs = read_count(value, 10000, &pairs);
		options->pairs = line->has_pairs ? (unsigned)pairs : 0;
		return line->has_pairs;
	}
	if (strcmp(name, "--threads") == 0)
		return read_count(value, 4096, &options->threads);
	if (strcmp(name, "--processes") == 0)
		return read_count(value, 256, &options->processes);
	if (strcmp(name, "--batch") == 0)
		return read_count(value, 1000000, &options->batch);
	if (strcmp(name, "--budgets") == 0)
		return read_count(value, 9999999, &options->budgets);
	if (strcmp(name, "--keys") == 0)
		return options->has_keys = read_keys(value, &options->keys);
	if (strcmp(name, "--rate") == 0)
		return read_real(value, &options->rate);
	if (strcmp(name, "--seed") == 0)
		return read_count(value, UINT64_MAX, &options->seed);
	if (strcmp(name, "--floor") == 0)
		return read_floor(value, &options->floor);
	if (strcmp(name, "--canary") == 0)
		return read_canary(line, value);
	const char **text = strcmp(name, "--json") == 0    ? &line->json
	                    : strcmp(name, "--label") == 0 ? &line->label
	                    : strcmp(name, "-o") == 0      ? &line->output
	                                                   : NULL;
	*known = text != NULL;
	if (text)
		*text = value;
	return true;
}

/* Answers BENCH_USAGE where the command line is wrong. */
static int read_line(command_line *line, int count, char **words)
{
	for (int i = 0; i < count; i++) {
		bool known;
		if (strcmp(words[i], "--quick") == 0) {
			line->options.quick = true;
			continue;
		}
		if (words[i][0] != '-' || !words[i][1]) {
			if (line->files_count == FILES_MAX)
				return bench_refuse("more than %d files", FILES_MAX);
			line->files[line->files_count++] = words[i];
			continue;
		}
		bool valid = take_value(line, words[i], i + 1 < count ? words[i + 1] : "", &known);
		if (!known)
			return bench_refuse("there is no option '%s'", words[i]);
		if (i + 1 == count)
			return bench_refuse("'%s' wants a value", words[i]);
		if (!valid)
			return bench_refuse("'%s' is no value of '%s'", words[i + 1], words[i]);
		i++;
	}
	if (!line->has_seconds)
		line->options.seconds = line->options.quick ? 0.05 : 6;
	if (!line->has_pairs)
		line->options.pairs = line->options.quick ? 2 : 15;
	return BENCH_DONE;
}

/* ---- commands ------------------------------------------------------------------------------------------------- */

/* Whether an open loop took longer than until its last call was due, and an answer came that nothing had held up. */
static bool fell_behind(const bench_row *row)
{
	double due_s = (double)row->ops / row->rate + (double)row->pairs * row->p1 / 1e6;
	return row->rate > 0 && KEPT_UP * row->seconds > due_s;
}

/* One workload on one store, into the rows. False where the books are wrong. */
static bool run_one(const bench_workload *workload, const bench_store *store, const bench_options *options, cJSON *rows)
{
	bench_row measured[BENCH_ROWS_MAX];
	bool right = true;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s on %s …", workload->name, store->scheme);
	unsigned count = workload->run(workload, store, options, measured);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	for (unsigned i = 0; i < count; i++) {
		if (measured[i].books_wrong)
			fprintf(stderr, "ff-bench: the books of '%s' on %s are wrong\n", measured[i].workload,
			        store->scheme);
		right = right && !measured[i].books_wrong;
		if (fell_behind(&measured[i]) && !options->quick)
			fprintf(stderr,
			        "ff-bench: WARNING: '%s' on %s did not keep up: %.0f a second were due, and %.0f were "
			        "done: its latencies are those of slices that began anew, and would grow without end\n",
			        measured[i].workload, store->scheme, measured[i].rate, measured[i].per_second);
		cJSON_AddItemToArray(rows, bench_row_json(&measured[i]));
	}
	return right;
}

static void write_rows(const command_line *line, const char *filesystem, const cJSON *rows)
{
	cJSON *document = bench_document(filesystem, line->label, cJSON_Duplicate(rows, true));
	bench_write_document(document, line->json);
	cJSON_Delete(document);
}

static int run(command_line *line)
{
	static const char *const embedded[] = { "sqlite", "lmdb" };
	static bench_store stores[STORES_MAX]; /* static: what usage errors leave behind is not lost */
	size_t stores_count = line->stores_count ? line->stores_count : sizeof(embedded) / sizeof(*embedded);
	if (line->files_count)
		return bench_refuse("run takes no file '%s'", line->files[0]);
	for (size_t i = 0; i < line->modules_count; i++) {
		ff_error error;
		if (ff_backend_load(line->modules[i], &error) != FF_OK)
			return bench_refuse("%s", error.message);
	}
	int status = bench_stores_read(line->stores_count ? line->stores : embedded, stores_count, stores);
	if (status != BENCH_DONE)
		return status;
	bool is_kept = line->json && bench_check_place(line->json);
	for (size_t i = 0; i < stores_count && !line->options.quick; i++) /* which measures nothing */
		if (bench_is_in_memory(stores[i].filesystem))
			fprintf(
			    stderr,
			    "ff-bench: WARNING: the store '%s' lies in memory (%s), where durability costs nothing: "
			    "its figures say nothing of a disk\n",
			    stores[i].scheme, stores[i].filesystem);
	for (size_t i = 0; !line->workloads_count && i < bench_workloads_count; i++)
		line->workloads[i] = &bench_workloads[i];
	size_t workloads_count = line->workloads_count ? line->workloads_count : bench_workloads_count;
	cJSON *rows = cJSON_CreateArray();
	bool right = true;
	for (size_t i = 0; i < workloads_count; i++) {
		for (size_t j = 0; j < stores_count; j++)
			right = run_one(line->workloads[i], &stores[j], &line->options, rows) && right;
		if (is_kept) /* each time: what may go wrong in the next workload costs no row of this one */
			write_rows(line, stores[0].filesystem, rows);
	}
	if (!line->json || strcmp(line->json, "-") != 0)
		bench_table(rows);
	if (line->json && !is_kept)
		write_rows(line, stores[0].filesystem, rows);
	cJSON_Delete(rows);
	bench_stores_free(stores, stores_count);
	return right ? BENCH_DONE : BENCH_FAILED;
}

static int list(const command_line *line)
{
	if (line->files_count)
		return bench_refuse("list takes no file");
	for (size_t i = 0; i < bench_workloads_count; i++)
		printf("%-20s %s\n", bench_workloads[i].name, bench_workloads[i].summary);
	return BENCH_DONE;
}

static int merge(const command_line *line)
{
	if (!line->files_count || !line->output)
		return bench_refuse("merge takes files, and -o FILE");
	cJSON *document = bench_read_document(line->files[0]);
	for (size_t i = 1; i < line->files_count; i++)
		bench_merge_document(document, bench_read_document(line->files[i]));
	bench_write_document(document, line->output);
	cJSON_Delete(document);
	return BENCH_DONE;
}

static int obey(command_line *line, int count, char **words)
{
	const char *command = count > 1 ? words[1] : "";
	const char *last = count > 1 ? words[count - 1] : "";
	if (strcmp(command, "help") == 0 || strcmp(last, "--help") == 0 || strcmp(last, "-h") == 0) {
		fputs(help_text, stdout);
		return BENCH_DONE;
	}
	int status = count > 1 ? read_line(line, count - 2, words + 2) : bench_refuse("a command is missing");
	if (status != BENCH_DONE)
		return status;
	if (strcmp(command, "run") == 0)
		return run(line);
	if (strcmp(command, "list") == 0)
		return list(line);
	if (strcmp(command, "merge") == 0)
		return merge(line);
	if (strcmp(command, "compare") == 0)
		return line->files_count == 2 ? bench_compare(line->files[0], line->files[1])
		                              : bench_refuse("compare takes two files");
	if (strcmp(command, "plot") == 0)
		return line->files_count == 1 && line->output ? bench_plot(line->files[0], line->output)
		                                              : bench_refuse("plot takes a file, and -o FILE");
	return bench_refuse("there is no command '%s'", command);
}

int main(int count, char **words)
{
	command_line line = { .options.seed = 1 };
	ffp_hold_standard_closed();
	setlocale(LC_CTYPE, "C.UTF-8"); /* the words of the table are in UTF-8, as those of the help */
	int status = obey(&line, count, words);
	if (fflush(stdout) || ferror(stdout))
		bench_die("cannot write to stdout: %s", strerror(errno));
	return status;
}
