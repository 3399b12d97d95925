/*
 * Two files, row by row. Noise is what the rows themselves say: where a row has a ratio, the ratios are compared, for a
 * machine that was slower slowed both sides; else the rates. A row has become slower, or faster, where the two spreads
 * between quartiles do not touch and the medians are more than 3 % apart. Where a spread says little, of fewer than 10
 * pairs (of 5, the quartiles of one row in ten lie below another's by chance) or of none, the ends must not touch, and
 * the medians be 20 % apart. Where the other side is the engine itself, or what the ratio is of is no rate, ratios may
 * stay as they are though all of it became slower: then the rates are compared, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <libsmartcols/libsmartcols.h>

#include "bench.h"

#define APART 0.03
#define APART_WITHOUT_SPREAD 0.2
#define PAIRS_MIN 10

/* One where a row was written before there were several. */
static double processes_of(const cJSON *row)
{
	double processes = bench_number(row, "processes");
	return isnan(processes) ? 1 : processes;
}

/* Whether two servers were equally far, as far as a measured distance can tell. */
static bool are_as_far(const cJSON *a, const cJSON *b)
{
	double x = bench_number(a, "round_trip_ms"), y = bench_number(b, "round_trip_ms");
	return (isnan(x) && isnan(y)) || fabs(x - y) <= 0.5 + 0.2 * fmax(x, y);
}

/* Whether two rows measured the same thing. */
static bool are_alike(const cJSON *a, const cJSON *b)
{
	static const char *const texts[] = { "workload", "store", "durability", "keys", "loop", "size", "against" };
	static const char *const numbers[] = { "threads", "batch", "existing_keys", "budgets", "dimensions", "rate" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(bench_text(a, texts[i]), bench_text(b, texts[i])) != 0)
			return false;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		double x = bench_number(a, numbers[i]), y = bench_number(b, numbers[i]);
		if (x != y && !(isnan(x) && isnan(y)))
			return false;
	}
	return processes_of(a) == processes_of(b) && are_as_far(a, b) &&
	       bench_is_in_memory(bench_text(a, "filesystem")) == bench_is_in_memory(bench_text(b, "filesystem"));
}

static const cJSON *find(const cJSON *rows, const cJSON *sought)
{
	for (const cJSON *row = rows->child; row; row = row->next)
		if (are_alike(row, sought))
			return row;
	return NULL;
}

typedef struct verdict {
	double change; /* b in proportion to a */
	const char *of;
	const char *word;
	bool is_slower; /* or may be */
} verdict;

static bool has_spread(const cJSON *row)
{
	return bench_number(row, "pairs") >= PAIRS_MIN &&
	       bench_number(row, "ratio_q1") <= bench_number(row, "ratio_q3");
}

/* Whether all that counts of x lies below all of y, as far as a spread was told. */
static bool is_below(const cJSON *x, const cJSON *y, bool sure)
{
	return !(bench_number(x, sure ? "ratio_q3" : "ratio_max") >= bench_number(y, sure ? "ratio_q1" : "ratio_min"));
}

static verdict judge_by(bool by_ratio, const cJSON *a, const cJSON *b)
{
	bool sure = by_ratio && has_spread(a) && has_spread(b);
	const char *field = by_ratio ? "ratio" : "per_second";
	double apart = sure ? APART : APART_WITHOUT_SPREAD;
	verdict answer = { .change = bench_number(b, field) / bench_number(a, field),
		           .of = by_ratio ? "ratio" : "rate",
		           .word = "same" };
	answer.is_slower = !(answer.change >= 1 - apart) && (!by_ratio || is_below(b, a, sure));
	if (isnan(answer.change))
		answer.word = "unknown";
	else if (answer.is_slower)
		answer.word = "slower";
	else if (answer.change > 1 + apart && (!by_ratio || is_below(a, b, sure)))
		answer.word = "faster";
	return answer;
}

static bool has_wrong_books(const cJSON *row)
{
	return strcmp(bench_text(row, "books"), "wrong") == 0;
}

static verdict judge(const cJSON *a, const cJSON *b)
{
	if (has_wrong_books(a) || has_wrong_books(b))
		return (verdict){ NAN, "books", "wrong", true };
	bool has_ratios = !isnan(bench_number(a, "ratio")) && !isnan(bench_number(b, "ratio"));
	verdict answer = judge_by(has_ratios, a, b);
	if (answer.is_slower || strstr(bench_text(a, "against"), "floor"))
		return answer;
	verdict by_rate = judge_by(false, a, b);
	return by_rate.is_slower ? by_rate : answer;
}

static void set(struct libscols_line *line, size_t column, const char *text)
{
	if (!line || scols_line_set_data(line, column, text))
		bench_die("memory is out");
}

static void set_number(struct libscols_line *line, size_t column, double number)
{
	char text[32] = "";
	if (!isnan(number))
		snprintf(text, sizeof text, number < 100 ? "%.2f" : "%.0f", number);
	set(line, column, text);
}

static void add_line(struct libscols_table *table, const cJSON *a, const cJSON *b, const verdict *of)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	set(line, 0, bench_title(b).text);
	set(line, 1, bench_text(b, "store"));
	set_number(line, 2, bench_number(a, "per_second"));
	set_number(line, 3, bench_number(b, "per_second"));
	set_number(line, 4, bench_number(a, "ratio"));
	set_number(line, 5, bench_number(b, "ratio"));
	set_number(line, 6, of->change);
	set(line, 7, of->of);
	set(line, 8, of->word);
}

/* Which rows of `a` are not compared with one of `b`. */
static void tell_left_out(const cJSON *rows, const cJSON *others, const char *a, const char *b)
{
	size_t alone = 0, again = 0;
	for (const cJSON *row = rows->child; row; row = row->next) {
		alone += !find(others, row);
		again += find(rows, row) != row;
	}
	if (alone)
		fprintf(stderr, "ff-bench: %zu rows of '%s' have none like them in '%s'\n", alone, a, b);
	if (again)
		fprintf(stderr, "ff-bench: %zu rows of '%s' are left out, for earlier ones in it are like them\n",
		        again, a);
}

/* What sets two machines apart as far as a file tells. A merged one may have had several. */
static void tell_machines_apart(const cJSON *first, const cJSON *second)
{
	static const char *const parts[] = { "cpu", "cores", "memory_bytes", "kernel" };
	const cJSON *one = cJSON_GetObjectItemCaseSensitive(first, "machine"),
		    *other = cJSON_GetObjectItemCaseSensitive(second, "machine");
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const cJSON *a = cJSON_GetObjectItemCaseSensitive(one, parts[i]),
			    *b = cJSON_GetObjectItemCaseSensitive(other, parts[i]);
		if (!a || !b || cJSON_Compare(a, b, true))
			continue;
		fprintf(stderr,
		        "ff-bench: WARNING: these are two machines by their '%s': what has no floor is not compared as "
		        "it should be\n",
		        parts[i]);
		return;
	}
}

int bench_compare(const char *a, const char *b)
{
	static const char *const names[] = {
		"WORKLOAD", "STORE", "A/S", "B/S", "RATIO A", "RATIO B", "B : A", "OF", ""
	};
	cJSON *first = bench_read_document(a), *second = bench_read_document(b);
	const cJSON *rows = cJSON_GetObjectItemCaseSensitive(first, "rows");
	const cJSON *own = cJSON_GetObjectItemCaseSensitive(second, "rows");
	struct libscols_table *table = scols_new_table();
	bool slower = false, found = false;
	if (!table || scols_table_set_column_separator(table, "  "))
		bench_die("memory is out");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!scols_table_new_column(table, names[i], 0, i >= 2 && i <= 6 ? SCOLS_FL_RIGHT : 0))
			bench_die("memory is out");
	for (const cJSON *row = own->child; row; row = row->next) {
		const cJSON *other = find(rows, row);
		if (!other || find(own, row) != row)
			continue;
		verdict of = judge(other, row);
		slower = slower || of.is_slower;
		found = true;
		add_line(table, other, row, &of);
	}
	scols_print_table(table);
	scols_unref_table(table);
	tell_left_out(rows, own, a, b);
	tell_left_out(own, rows, b, a);
	tell_machines_apart(first, second);
	if (!found)
		bench_die("there is nothing to compare in '%s' and '%s'", a, b);
	cJSON_Delete(first);
	cJSON_Delete(second);
	return slower ? BENCH_FAILED : BENCH_DONE;
}
