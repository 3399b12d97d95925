/*
 * An SVG by gnuplot: throughput beside the floor as bars, latencies as curves, and growth. Data and commands go to a
 * child's standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

typedef struct plotter {
	FILE *to;
	pid_t pid;
} plotter;

/* Text in gnuplot's single quotes, where a quote is written twice. */
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
}

/* ---- what is drawn --------------------------------------------------------------------------------------------- */

/* Whether a row stands for itself, and is not a point of a growth curve. */
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

static void write_name(FILE *to, const cJSON *row)
{
	char name[128];
	snprintf(name, sizeof name, "%s %s", bench_text(row, "workload"), bench_text(row, "store"));
	quote(to, name);
}

/* A block of data; false where there is nothing in it, and then it is not drawn. */
static bool write_throughput(FILE *to, const cJSON *rows)
{
	size_t count = 0;
	fputs("$throughput << EOD\n", to);
	for (const cJSON *row = rows->child; row; row = row->next) {
		if (is_growth(row) || isnan(bench_number(row, "per_second")))
			continue;
		write_name(to, row);
		write_number(to, bench_number(row, "per_second"));
		write_number(to, bench_number(row, "floor_per_second"));
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
		if (is_growth(row) || bench_number(row, "batch") != 1 || isnan(bench_number(latency, "p50")))
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

/* The cost of a report by size. False where the file has no such rows. */
static bool write_curve(FILE *to, const cJSON *rows, const curve *of, unsigned number)
{
	size_t count = 0;
	fprintf(to, "$growth%u << EOD\n", number);
	for (const cJSON *row = rows->child; row; row = row->next) {
		if (strncmp(bench_text(row, "workload"), of->family, strlen(of->family)) != 0 ||
		    strcmp(bench_text(row, "store"), of->store) != 0)
			continue;
		fprintf(to, "%.0f", bench_number(row, of->size));
		write_number(to, 1e6 / bench_number(row, "per_second"));
		putc('\n', to);
		count++;
	}
	fputs("EOD\n", to);
	return count > 1;
}

static void draw_growth(FILE *to, const cJSON *rows)
{
	static const curve curves[] = {
		{ "keys-", "sqlite", "existing_keys" },   { "keys-", "lmdb", "existing_keys" },
		{ "random-", "sqlite", "existing_keys" }, { "random-", "lmdb", "existing_keys" },
		{ "budgets-", "sqlite", "budgets" },      { "budgets-", "lmdb", "budgets" },
	};
	enum { COUNT = sizeof(curves) / sizeof(*curves) };
	bool drawn[COUNT], any = false;
	for (unsigned i = 0; i < COUNT; i++)
		drawn[i] = write_curve(to, rows, &curves[i], i);
	fputs("set title 'Cost of a report, by what the store holds'\nset logscale xy\nunset xtics\nset xtics format '10^{%L}'\n"
	      "set xlabel 'keys or budgets in the store'\nset ylabel 'µs'\nplot",
	      to);
	for (unsigned i = 0; i < COUNT; i++)
		if (drawn[i]) {
			fprintf(to, "%s $growth%u using 1:2 smooth unique with linespoints title '%s%s'",
			        any ? "," : "", i, curves[i].family, curves[i].store);
			any = true;
		}
	fputs(any ? "\n" : " NaN notitle\n", to);
}

static void draw(FILE *to, const cJSON *rows, const char *path)
{
	fputs("set terminal svg size 1200,1800 background rgb 'white' noenhanced\nset output ", to);
	quote(to, path);
	fputs("\nset encoding utf8\n", to);
	bool throughput = write_throughput(to, rows);
	size_t latencies = write_latencies(to, rows);
	fputs("set multiplot layout 3,1\nset key outside right\nset grid y\n", to);
	fputs("set title 'Throughput beside the floor'\nset style data histogram\nset style fill solid 0.8\n"
	      "set logscale y\nset ylabel 'operations a second'\nset xtics rotate by -45 font ',9'\n",
	      to);
	fputs(throughput ? "plot $throughput using 2:xtic(1) title 'engine or peer', '' using 3 title 'floor'\n"
	                 : "plot NaN notitle\n",
	      to);
	fputs("set title 'Latency of a call'\nset logscale xy\nset xlabel 'one call in so many took longer'\n"
	      "set ylabel 'µs'\nunset xtics\nset xtics norotate font ',10'\n",
	      to);
	if (latencies)
		fprintf(to,
		        "plot for [i=0:%zu] $latency index i using 1:2 with linespoints title columnheader(1)\n",
		        latencies - 1);
	else
		fputs("plot NaN notitle\n", to);
	draw_growth(to, rows);
	fputs("unset multiplot\n", to);
}

int bench_plot(const char *from, const char *path)
{
	cJSON *document = bench_read_document(from);
	plotter of = start();
	draw(of.to, cJSON_GetObjectItemCaseSensitive(document, "rows"), path);
	finish(&of, path);
	cJSON_Delete(document);
	return BENCH_DONE;
}
