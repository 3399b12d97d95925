/* ffctl: tables, bars, and numbers and times as people read them. */
#include <inttypes.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ffctl.h"

#define BAR_CELLS 20

ctl_words ctl_digits(uint64_t number)
{
	ctl_words words;
	char digits[32];
	int count = snprintf(digits, sizeof digits, "%" PRIu64, number);
	char *to = words.text;
	for (int i = 0; i < count; i++) {
		if (i > 0 && (count - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return words;
}

ctl_words ctl_limit_digits(uint64_t limit)
{
	return limit ? ctl_digits(limit) : (ctl_words){ "-" };
}

ctl_words ctl_time(int64_t ms, const char *none)
{
	ctl_words words;
	struct tm date;
	time_t seconds = (time_t)(ms / 1000);
	char calendar[32];
	if (ms == FF_TIME_NONE)
		snprintf(words.text, sizeof words.text, "%s", none);
	else if (gmtime_r(&seconds, &date) && strftime(calendar, sizeof calendar, "%Y-%m-%d %H:%M:%SZ", &date))
		snprintf(words.text, sizeof words.text, "%s (%" PRId64 ")", calendar, ms);
	else
		snprintf(words.text, sizeof words.text, "%" PRId64, ms);
	return words;
}

ctl_words ctl_duration(int64_t ms, const char *none)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
	ctl_words words;
	snprintf(words.text, sizeof words.text, "%s", none);
	for (size_t i = 0; ms && i < sizeof(units) / sizeof(*units); i++)
		if (ms % units[i].ms == 0) {
			snprintf(words.text, sizeof words.text, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
			break;
		}
	return words;
}

struct libscols_table *ctl_table_new(const ctl_session *session, const ctl_column *columns, size_t columns_count)
{
	struct libscols_table *table = scols_new_table();
	if (!table)
		ctl_no_memory();
	scols_table_enable_colors(table, session->colours);
	if (scols_table_set_column_separator(table, "  "))
		ctl_no_memory();
	for (size_t i = 0; i < columns_count; i++)
		if (!scols_table_new_column(table, columns[i].name, 0, columns[i].right ? SCOLS_FL_RIGHT : 0))
			ctl_no_memory();
	return table;
}

struct libscols_line *ctl_table_line(struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	if (!line)
		ctl_no_memory();
	return line;
}

void ctl_table_set(struct libscols_line *line, size_t column, const char *text, const char *colour)
{
	if (scols_line_set_data(line, column, text) ||
	    (colour && scols_cell_set_color(scols_line_get_cell(line, column), colour)))
		ctl_no_memory();
}

void ctl_table_print(struct libscols_table *table)
{
	scols_print_table(table);
	scols_unref_table(table);
}

/* `part` of `whole` in cells of a bar, rounded down; a whole of 0 has none. */
static uint64_t cells(uint64_t part, uint64_t whole)
{
	while (whole > UINT64_MAX / BAR_CELLS) {
		whole >>= 1;
		part >>= 1;
	}
	if (part >= whole)
		return whole ? BAR_CELLS : 0;
	return part * BAR_CELLS / whole;
}

typedef struct shade_set {
	const char *parts[CTL_SHARES_MAX];
	const char *rest;
	const char *mark;
} shade_set;

static const shade_set *shades_of_terminal(void)
{
	static const shade_set blocks = { { "█", "▓", "░" }, "░", "┃" };
	static const shade_set ascii = { { "#", "+", "." }, ".", "|" };
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? &blocks : &ascii;
}

static void append(ctl_bar *bar, const char *cell)
{
	size_t used = strlen(bar->text);
	snprintf(bar->text + used, sizeof bar->text - used, "%s", cell);
}

ctl_bar ctl_usage_bar(uint64_t usage, const ff_limit *limit)
{
	const shade_set *shades = shades_of_terminal();
	ctl_bar bar = { "" };
	uint64_t whole = limit->hard ? limit->hard : limit->soft;
	uint64_t filled = cells(usage, whole), mark = cells(limit->soft, whole);
	for (uint64_t i = 0; whole && i < BAR_CELLS; i++)
		append(&bar, limit->soft && i == mark ? shades->mark : i < filled ? shades->parts[0] : shades->rest);
	if (whole && usage > whole)
		append(&bar, "+");
	return bar;
}

const char *ctl_usage_colour(uint64_t usage, const ff_limit *limit)
{
	if (limit->hard && usage >= limit->hard)
		return "red";
	return limit->soft && usage > limit->soft ? "yellow" : "green";
}

ctl_bar ctl_shares_bar(const uint64_t *shares, size_t count)
{
	const shade_set *shades = shades_of_terminal();
	ctl_bar bar = { "" };
	uint64_t whole = 0, sum = 0, drawn = 0, behind = 0;
	for (size_t i = 0; i < count; i++) {
		whole += shares[i];
		behind += shares[i] != 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (!shares[i])
			continue;
		/* A share shows, however small it is, and leaves room for those behind it. */
		sum += shares[i];
		behind--;
		uint64_t end = cells(sum, whole);
		end = end > drawn ? end : drawn + 1;
		end = end < BAR_CELLS - behind ? end : BAR_CELLS - behind;
		for (; drawn < end; drawn++)
			append(&bar, shades->parts[i]);
	}
	return bar;
}

ctl_bar ctl_shares_legend(void)
{
	const shade_set *shades = shades_of_terminal();
	ctl_bar bar;
	snprintf(bar.text, sizeof bar.text, "%sOK %sWARNED %sREFUSED", shades->parts[0], shades->parts[1],
	         shades->parts[2]);
	return bar;
}
