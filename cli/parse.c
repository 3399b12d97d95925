/* ffctl: numbers, durations and times from texts. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ffctl.h"

/* Reads the digits at `text`; answers what follows them, or NULL where there is none. */
static const char *read_digits(const char *text, uint64_t *number)
{
	const char *at = text;
	for (*number = 0; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		*number = *number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *number * 10 + digit;
	}
	return at > text ? at : NULL;
}

bool ctl_read_number(const char *text, uint64_t *number)
{
	const char *rest = read_digits(text, number);
	return rest && !*rest;
}

bool ctl_read_range(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
	return ctl_read_number(text, number) && *number >= min && *number <= max;
}

bool ctl_read_duration(const char *text, int64_t *ms)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	uint64_t number;
	const char *unit = read_digits(text, &number);
	for (size_t i = 0; unit && i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(unit, units[i].name) == 0) {
			bool fits = number <= (uint64_t)INT64_MAX / units[i].ms;
			*ms = fits ? (int64_t)(number * units[i].ms) : INT64_MAX;
			return true;
		}
	return false;
}

bool ctl_read_seconds(const char *text, uint64_t *seconds)
{
	int64_t ms;
	if (!ctl_read_duration(text, &ms) || (ms % 1000 != 0 && ms != INT64_MAX))
		return false;
	*seconds = (uint64_t)ms / 1000;
	return true;
}

/* Reads exactly `count` digits of a value from `min` to `max`, and moves *text behind them. */
static bool read_part(const char **text, int count, int min, int max, int *value)
{
	*value = 0;
	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*value = *value * 10 + (**text - '0');
	}
	return *value >= min && *value <= max;
}

static bool read_mark(const char **text, const char *marks)
{
	return **text && strchr(marks, **text) && (*text)++;
}

/* Z, z, ±HH:MM; or nothing, where that may be. */
static bool read_offset(const char *text, bool may_be_none, int64_t *ms)
{
	int hours, minutes;
	*ms = 0;
	if (!*text)
		return may_be_none;
	if (read_mark(&text, "Zz"))
		return !*text;
	int64_t sign = *text == '-' ? -1 : 1;
	if (!read_mark(&text, "+-") || !read_part(&text, 2, 0, 23, &hours) || !read_mark(&text, ":") ||
	    !read_part(&text, 2, 0, 59, &minutes))
		return false;
	*ms = sign * (hours * 60 + minutes) * 60000;
	return !*text;
}

static int read_milliseconds(const char **text)
{
	int ms = 0, scale = 100;
	for (; **text >= '0' && **text <= '9'; (*text)++, scale /= 10)
		ms += (**text - '0') * scale;
	return ms;
}

static bool read_calendar(const char *text, int64_t *ms)
{
	struct tm date = { 0 };
	int year, month, second_ms = 0;
	int64_t offset_ms;
	if (!read_part(&text, 4, 0, 9999, &year) || !read_mark(&text, "-") || !read_part(&text, 2, 1, 12, &month) ||
	    !read_mark(&text, "-") || !read_part(&text, 2, 1, 31, &date.tm_mday))
		return false;
	/* RFC 3339 wants an offset: a time that has lost it may be a local one. */
	bool is_rfc_3339 = read_mark(&text, "Tt");
	if ((!is_rfc_3339 && !read_mark(&text, " ")) || !read_part(&text, 2, 0, 23, &date.tm_hour) ||
	    !read_mark(&text, ":") || !read_part(&text, 2, 0, 59, &date.tm_min) || !read_mark(&text, ":") ||
	    !read_part(&text, 2, 0, 60, &date.tm_sec))
		return false;
	if (read_mark(&text, ".")) {
		if (*text < '0' || *text > '9')
			return false;
		second_ms = read_milliseconds(&text);
	}
	if (!read_offset(text, !is_rfc_3339, &offset_ms))
		return false;
	date.tm_year = year - 1900;
	date.tm_mon = month - 1;
	int day = date.tm_mday, second = date.tm_sec;
	date.tm_sec = 0; /* a leap second must not move the day that is compared below */
	int64_t minute_s = timegm(&date);
	*ms = (minute_s + second) * 1000 + second_ms - offset_ms;
	return date.tm_mday == day && *ms >= 0; /* timegm turns 30 February into a day in March */
}

bool ctl_read_time(const char *text, int64_t *ms)
{
	uint64_t number;
	if (!ctl_read_range(text, 0, INT64_MAX, &number))
		return read_calendar(text, ms);
	*ms = (int64_t)number;
	return true;
}

char *ctl_split(const char *text, char mark, bool last, const char **left, const char **right)
{
	const char *at = last ? strrchr(text, mark) : strchr(text, mark);
	if (!at)
		return NULL;
	size_t size = strlen(text) + 1;
	char *copy = ctl_allocate(size, 1);
	memcpy(copy, text, size);
	copy[at - text] = '\0';
	*left = copy;
	*right = copy + (at - text) + 1;
	return copy;
}
