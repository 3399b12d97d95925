/*
 * An SVG by gnuplot: throughput beside the floor as bars, latencies as curves, and growth. Data and commands are made
 * first, and go to a child's standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

typedef struct plotter {
	FILE *to;
	pid_t pid;
} plotter;

/* Text in a command's single quotes, where a quote is written twice. */
static void quote(FILE *to, const char *text)
{
	putc('\'', to);
	for (; *text; text++) {
		if (*text == '\'')
			putc('\'', to);
		putc(*text == '\n' ? ' ' : *text, to);
	}
	putc('\'', to);
}

static _Noreturn void become_gnuplot(int input)
{
	dup2(input, STDIN_FILENO);
	execlp("gnuplot", "gnuplot", "-", (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static plotter start(void)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		bench_die("cannot start gnuplot: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN); /* its status tells more */
	plotter of = { .pid = fork() };
	if (of.pid < 0)
		bench_die("cannot start gnuplot: %s", strerror(errno));
	if (of.pid == 0)
		become_gnuplot(ends[0]);
	close(ends[0]);
	of.to = fdopen(ends[1], "w");
	if (!of.to)
		bench_die("cannot start gnuplot: %s", strerror(errno));
	return of;
}

/* Whether the drawing has its end: gnuplot does not say that the disk was full. */
static bool is_whole(const char *path)
{
	char last[64] = "";
	struct stat there;
	if (stat(path, &there) != 0)
		return false;
	if (!S_ISREG(there.st_mode)) /* a pipe has handed it on */
		return true;
	FILE *file = fopen(path, "r");
	off_t from = there.st_size - (off_t)sizeof last + 1;
	bool whole = file && fseeko(file, from > 0 ? from : 0, SEEK_SET) == 0 &&
	             fread(last, 1, sizeof last - 1, file) && strstr(last, "</svg>");
	if (file)
		fclose(file);
	return whole;
}

static void finish(plotter *of, const char *path)
{
	int status;
	fclose(of->to);
	while (waitpid(of->pid, &status, 0) < 0)
		if (errno != EINTR)
			bench_die("cannot wait for gnuplot: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		bench_die("gnuplot is not installed (package gnuplot-nox)");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || access(path, F_OK) != 0)
		bench_die("gnuplot failed");
	if (!is_whole(path))
		bench_die("gnuplot could not write the whole of '%s'", path);
}

/* ---- what is drawn --------------------------------------------------------------------------------------------- */

/* Whether a row is a point of a growth curve, and does not stand for itself. */
static bool is_growth(const cJSON *row)
{
	static const char *const families[] = { "keys-", "random-", "budgets-" };
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (strncmp(bench_text(row, "workload"), families[i], strlen(families[i])) == 0)
			return true;
	return false;
}

static void write_number(FILE *to, double number)
{
	if (isnan(number) || number <= 0)
		fputs(" NaN", to);
	else
		fprintf(to, " %.6g", number);
}

/* A field of data: in double quotes, which it may not hold. */
static void write_field(FILE *to, const char *text)
{
	for (; *text; text++)
		putc(strchr("\"\\\n", *text) ? ' ' : *text, to);
}

static void write_name(FILE *to, const cJSON *row)
{
	putc('"', to);
	write_field(to, bench_title(row).text);
	fputs(", ", to);
	write_field(to, bench_text(row, "store"));
	putc('"', to);
}

/* What the floors of two rows are called together. `a`: NULL where there was none yet. */
static const char *floor_of_both(const char *a, const char *b)
{
	return *b && (!a || strcmp(a, b) == 0) ? b : "floor";
}

/* A block of data; false where there is nothing in it, and then it is not drawn. *floor: what its floors are, or NULL. */
static bool write_throughput(FILE *to, const cJSON *rows, const char **floor)
{
	size_t count = 0;
	*floor = NULL;
	fputs("$throughput << EOD\n", to);
	for (const cJSON *row = rows->child; row; row = row->next) {
		if (is_growth(row) || !(bench_number(row, "per_second") > 0))
			continue;
		write_name(to, row);
		write_number(to, bench_number(row, "per_second"));
		write_number(to, bench_number(row, "floor_per_second"));
		if (bench_number(row, "floor_per_second") > 0)
			*floor = floor_of_both(*floor, bench_text(row, "against"));
		putc('\n', to);
		count++;
	}
	fputs("EOD\n", to);
	return count > 0;
}

/* A block a row: the share of calls that took longer, and how long that is. Answers how many there are. */
static size_t write_latencies(FILE *to, const cJSON *rows)
{
	static const struct {
		const char *name;
		double longer;
	} points[] = { { "p1", 0.99 }, { "p50", 0.5 }, { "p99", 0.01 }, { "p999", 0.001 } };
	size_t count = 0;
	fputs("$latency << EOD\n", to);
	for (const cJSON *row = rows->child; row; row = row->next) {
		const cJSON *latency = cJSON_GetObjectItemCaseSensitive(row, "latency_us");
		if (is_growth(row) || bench_number(row, "batch") != 1 || !(bench_number(latency, "p50") > 0))
			continue;
		fprintf(to, "%s", count ? "\n\n" : "");
		write_name(to, row);
		putc('\n', to);
		for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
			fprintf(to, "%g", 1 / points[i].longer);
			write_number(to, bench_number(latency, points[i].name));
			putc('\n', to);
		}
		count++;
	}
	fputs("EOD\n", to);
	return count;
}

typedef struct curve {
	const char *family;
	const char *store;
	const char *size; /* the field that grows */
} curve;

/* Where a store grew while it was measured, it is told by what it held in the middle. */
static double size_of(const cJSON *row, const char *field)
{
	double size = bench_number(row, field);
	double most = bench_number(cJSON_GetObjectItemCaseSensitive(row, "extra"), "keys_max");
	return strcmp(field, "existing_keys") == 0 && most > size ? (size + most) / 2 : size;
}

/* The cost of a report by size. False where the file has no such rows. */
static bool write_curve(FILE *to, const cJSON *rows, const curve *of, unsigned number)
{
	size_t count = 0;
	fprintf(to, "$growth%u << EOD\n", number);
	for (const cJSON *row = rows->child; row; row = row->next) {
		if (strncmp(bench_text(row, "workload"), of->family, strlen(of->family)) != 0 ||
		    strcmp(bench_text(row, "store"), of->store) != 0 || !(size_of(row, of->size) > 0) ||
		    !(bench_number(row, "per_second") > 0))
			continue;
		fprintf(to, "%.0f", size_of(row, of->size));
		write_number(to, 1e6 / bench_number(row, "per_second"));
		putc('\n', to);
		count++;
	}
	fputs("EOD\n", to);
	return count > 1;
}

static const curve curves[] = {
	{ "keys-", "sqlite", "existing_keys" },   { "keys-", "lmdb", "existing_keys" },
	{ "random-", "sqlite", "existing_keys" }, { "random-", "lmdb", "existing_keys" },
	{ "budgets-", "sqlite", "budgets" },      { "budgets-", "lmdb", "budgets" },
};
#define CURVES_COUNT (sizeof(curves) / sizeof(*curves))

static void draw_throughput(FILE *to, const char *floor)
{
	fputs("set title 'Throughput beside the floor'\nset style data histogram\nset style fill solid 0.8\n"
	      "set logscale y\nset format y '%.0s%c'\nset ylabel 'operations a second'\n"
	      "set xtics rotate by -60 font ',8'\n"
	      "plot $throughput using 2:xtic(1) title 'engine or peer'",
	      to);
	if (floor) { /* a column of nothing would be an error */
		fputs(", '' using 3 title ", to);
		quote(to, floor);
	}
	putc('\n', to);
}

static void draw_latencies(FILE *to, size_t count)
{
	fputs("set title 'Latency of a call'\nset logscale xy\nset xlabel 'one call in so many took longer'\n"
	      "set ylabel 'µs'\nunset xtics\nset xtics norotate font ',10'\n",
	      to);
	fprintf(to, "plot for [i=0:%zu] $latency index i using 1:2 with linespoints title columnheader(1)\n",
	        count - 1);
}

static void draw_growth(FILE *to, const bool drawn[CURVES_COUNT])
{
	const char *before = "plot";
	fputs("set title 'Cost of a report, by what the store holds'\nset logscale xy\nset xrange [*:*] noextend\n"
	      "set xtics autofreq norotate\nset format xy '%.0s%c'\nset xlabel 'keys or budgets in the store'\nset "
	      "ylabel 'µs'\n",
	      to);
	for (unsigned i = 0; i < CURVES_COUNT; i++)
		if (drawn[i]) {
			fprintf(to, "%s $growth%u using 1:2 smooth unique with linespoints title '%s%s'", before, i,
			        curves[i].family, curves[i].store);
			before = ",";
		}
	putc('\n', to);
}

/* False where there is nothing. */
static bool draw(FILE *to, const cJSON *rows, const char *path)
{
	bool drawn[CURVES_COUNT], grows = false;
	const char *floor;
	fputs("set terminal svg size 1500,1800 background rgb 'white' noenhanced\nset encoding utf8\nset output ", to);
	quote(to, path);
	putc('\n', to);
	bool throughput = write_throughput(to, rows, &floor);
	size_t latencies = write_latencies(to, rows);
	for (unsigned i = 0; i < CURVES_COUNT; i++) {
		drawn[i] = write_curve(to, rows, &curves[i], i);
		grows = grows || drawn[i];
	}
	fprintf(to, "set multiplot layout %d,1\nset key outside right\nset grid y\n",
	        throughput + (latencies > 0) + grows);
	if (throughput)
		draw_throughput(to, floor);
	if (latencies)
		draw_latencies(to, latencies);
	if (grows)
		draw_growth(to, drawn);
	fputs("unset multiplot\n", to);
	return throughput || latencies || grows;
}

int bench_plot(const char *from, const char *to)
{
	cJSON *document = bench_read_document(from);
	char *commands;
	size_t size;
	FILE *made = open_memstream(&commands, &size);
	bool drawn = made && draw(made, cJSON_GetObjectItemCaseSensitive(document, "rows"), to);
	if (!made || fclose(made) != 0)
		bench_die("memory is out");
	if (!drawn)
		bench_die("'%s' has no rows to draw", from);
	bench_check_place(to); /* gnuplot would draw to stdout */
	plotter of = start();
	fwrite(commands, 1, size, of.to);
	free(commands);
	finish(&of, to);
	cJSON_Delete(document);
	return BENCH_DONE;
}
