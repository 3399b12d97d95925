/* ffctl: counts what became of a replay's lines, by budget, and prints it. */
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay.h"

/* Memory must not grow with the data: the budgets after so many are counted together. */
#define BUDGETS_MAX 1000

/* What became of the lines of one budget, or of all. Each line counts in exactly one of the first four. */
typedef struct line_counts {
	uint64_t accepted;
	uint64_t refused;
	uint64_t replayed;
	uint64_t invalid;
	uint64_t soft; /* of those accepted: over a soft limit */
	uint64_t over; /* of those accepted: over an advisory budget's hard limit */
} line_counts;

typedef struct budget_entry {
	char *budget_id;
	line_counts counts;
	uint64_t *why; /* hard limits hit, by dimension, then refusals by the quota */
} budget_entry;

struct ctl_tally {
	const char *const *dimensions;
	size_t dimensions_count;
	uint64_t *amounts; /* applied in this run, by dimension */
	line_counts total;
	void *budgets; /* a tree of entries, in order of id */
	size_t budgets_count;
	budget_entry *others; /* NULL until there are too many */
};

static budget_entry *new_entry(const ctl_tally *tally, const char *budget_id)
{
	budget_entry *made = ctl_allocate(1, sizeof *made);
	made->budget_id = ctl_copy(budget_id);
	made->why = ctl_allocate(tally->dimensions_count + 1, sizeof *made->why);
	return made;
}

static void free_entry(void *context)
{
	budget_entry *old = context;
	free(old->budget_id);
	free(old->why);
	free(old);
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const budget_entry *)a)->budget_id, ((const budget_entry *)b)->budget_id);
}

static budget_entry *find_entry(ctl_tally *tally, const char *budget_id)
{
	budget_entry key = { .budget_id = (char *)(uintptr_t)budget_id };
	budget_entry *const *found = tfind(&key, &tally->budgets, compare_entries);
	if (found)
		return *found;
	if (tally->budgets_count == BUDGETS_MAX) {
		if (!tally->others)
			tally->others = new_entry(tally, "(others)");
		return tally->others;
	}
	budget_entry *made = new_entry(tally, budget_id);
	if (!tsearch(made, &tally->budgets, compare_entries))
		ctl_no_memory();
	tally->budgets_count++;
	return made;
}

static size_t find_dimension(const ctl_tally *tally, const char *name)
{
	size_t i = 0;
	while (i < tally->dimensions_count && strcmp(tally->dimensions[i], name) != 0)
		i++;
	return i;
}

ctl_tally *ctl_tally_new(const char *const *dimensions, size_t dimensions_count)
{
	ctl_tally *tally = ctl_allocate(1, sizeof *tally);
	tally->dimensions = dimensions;
	tally->dimensions_count = dimensions_count;
	tally->amounts = ctl_allocate(dimensions_count, sizeof *tally->amounts);
	return tally;
}

/* Adds what one line was answered to a sum. */
static void count(line_counts *counts, const ff_outcome *outcome)
{
	if (outcome->replayed) {
		counts->replayed++;
		return;
	}
	counts->accepted += outcome->applied;
	counts->refused += !outcome->applied;
	counts->soft += outcome->kind == FF_OUTCOME_SOFT_BREACH;
	counts->over += outcome->kind == FF_OUTCOME_HARD_BREACH && outcome->applied;
}

void ctl_tally_outcome(ctl_tally *tally, const ff_report *report, const ff_outcome *outcome)
{
	budget_entry *budget = find_entry(tally, report->budget_id);
	count(&budget->counts, outcome);
	count(&tally->total, outcome);
	if (outcome->replayed)
		return;
	if (outcome->kind == FF_OUTCOME_HARD_BREACH)
		budget->why[find_dimension(tally, outcome->dimension)]++;
	for (size_t i = 0; outcome->applied && i < tally->dimensions_count; i++) {
		uint64_t amount = report->amounts[i].amount, *sum = &tally->amounts[i];
		*sum = amount > UINT64_MAX - *sum ? UINT64_MAX : *sum + amount;
	}
}

void ctl_tally_not_admitted(ctl_tally *tally, const char *budget_id)
{
	budget_entry *budget = find_entry(tally, budget_id);
	budget->counts.refused++;
	budget->why[tally->dimensions_count]++;
	tally->total.refused++;
}

void ctl_tally_invalid(ctl_tally *tally, const char *budget_id)
{
	tally->total.invalid++;
	if (budget_id)
		find_entry(tally, budget_id)->counts.invalid++;
}

void ctl_tally_free(ctl_tally *tally)
{
	if (!tally)
		return;
	tdestroy(tally->budgets, free_entry);
	if (tally->others)
		free_entry(tally->others);
	free(tally->amounts);
	free(tally);
}

/* ---- printing ----------------------------------------------------------------------------------------------- */

static uint64_t lines_of(const line_counts *counts)
{
	return counts->accepted + counts->refused + counts->replayed + counts->invalid;
}

uint64_t ctl_tally_lines(const ctl_tally *tally)
{
	return lines_of(&tally->total);
}

uint64_t ctl_tally_invalid_lines(const ctl_tally *tally)
{
	return tally->total.invalid;
}

static double rate(const line_counts *counts, double seconds)
{
	return seconds > 0 ? (double)lines_of(counts) / seconds : 0;
}

static void print_json(const ctl_tally *tally, double seconds)
{
	const line_counts *total = &tally->total;
	cJSON *object = ctl_json_object(), *amounts = ctl_json_object();
	for (size_t i = 0; i < tally->dimensions_count; i++)
		ctl_json_integer(amounts, tally->dimensions[i], tally->amounts[i]);
	ctl_json_integer(object, "lines", lines_of(total));
	ctl_json_integer(object, "accepted", total->accepted);
	ctl_json_integer(object, "soft_breaches", total->soft);
	ctl_json_integer(object, "refused", total->refused);
	ctl_json_integer(object, "replayed", total->replayed);
	ctl_json_integer(object, "invalid", total->invalid);
	ctl_json_add(object, "amounts", amounts);
	ctl_json_seconds(object, "seconds", seconds);
	ctl_json_seconds(object, "per_second", rate(total, seconds));
	ctl_json_print(object);
}

typedef struct row_context {
	const ctl_tally *tally;
	struct libscols_table *table;
} row_context;

/* "cost 12, tokens 3", the quota by that word. */
static void describe_why(const ctl_tally *tally, const budget_entry *budget, char *to, size_t size)
{
	size_t used = 0;
	*to = '\0';
	for (size_t i = 0; i <= tally->dimensions_count && used < size; i++)
		if (budget->why[i])
			used += (size_t)snprintf(to + used, size - used, "%s%s %s", used ? ", " : "",
			                         i < tally->dimensions_count ? tally->dimensions[i] : "not admitted",
			                         ctl_digits(budget->why[i]).text);
}

static void add_row(const void *node, VISIT visit, void *context)
{
	if (visit != postorder && visit != leaf)
		return;
	const row_context *rows = context;
	const budget_entry *budget = *(const budget_entry *const *)node;
	const line_counts *counts = &budget->counts;
	const uint64_t warned = counts->soft + counts->over;
	const uint64_t shares[] = { counts->accepted - warned, warned, counts->refused };
	struct libscols_line *line = ctl_table_line(rows->table);
	char why[256];
	describe_why(rows->tally, budget, why, sizeof why);
	ctl_table_set(line, 0, budget->budget_id, NULL);
	ctl_table_set(line, 1, ctl_digits(lines_of(counts)).text, NULL);
	ctl_table_set(line, 2, ctl_digits(counts->accepted).text, NULL);
	ctl_table_set(line, 3, ctl_digits(warned).text, warned ? "yellow" : NULL);
	ctl_table_set(line, 4, ctl_digits(counts->refused).text, counts->refused ? "red" : NULL);
	ctl_table_set(line, 5, ctl_digits(counts->replayed).text, NULL);
	ctl_table_set(line, 6, ctl_digits(counts->invalid).text, counts->invalid ? "red" : NULL);
	ctl_table_set(line, 7, ctl_shares_bar(shares, CTL_SHARES_MAX).text, NULL);
	ctl_table_set(line, 8, why, NULL);
}

static void print_budgets(const ctl_tally *tally, const ctl_session *session)
{
	const ctl_bar legend = ctl_shares_legend();
	const ctl_column columns[] = { { "BUDGET", false }, { "LINES", true },      { "ACCEPTED", true },
		                       { "WARNED", true },  { "REFUSED", true },    { "REPLAYED", true },
		                       { "INVALID", true }, { legend.text, false }, { "HARD LIMITS HIT", false } };
	row_context rows = { tally, ctl_table_new(session, columns, sizeof(columns) / sizeof(*columns)) };
	twalk_r(tally->budgets, add_row, &rows);
	if (tally->others)
		add_row(&tally->others, leaf, &rows);
	ctl_table_print(rows.table);
}

void ctl_tally_print(const ctl_tally *tally, const ctl_session *session, double seconds)
{
	const line_counts *total = &tally->total;
	if (session->json) {
		print_json(tally, seconds);
		return;
	}
	if (tally->budgets)
		print_budgets(tally, session);
	printf("%s lines in %.2f s (%s/s): %s accepted (%s warned), %s refused, %s replayed, %s invalid\n",
	       ctl_digits(lines_of(total)).text, seconds, ctl_digits((uint64_t)rate(total, seconds)).text,
	       ctl_digits(total->accepted).text, ctl_digits(total->soft + total->over).text,
	       ctl_digits(total->refused).text, ctl_digits(total->replayed).text, ctl_digits(total->invalid).text);
	printf("charged:");
	for (size_t i = 0; i < tally->dimensions_count; i++)
		printf("%s %s %s", i ? "," : "", tally->dimensions[i], ctl_digits(tally->amounts[i]).text);
	puts("");
}
