/* Rows as JSON and as a table. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "bench.h"

const char *bench_durability_name(ff_durability durability)
{
	static const char *const names[] = { "full", "normal", "none" };
	return names[durability];
}

const char *bench_keys_name(bench_keys keys)
{
	static const char *const names[] = { "none", "random", "ordered" };
	return names[keys];
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

/* A number as short as it can be without losing what was measured; NaN is null. */
static void add_number(cJSON *object, const char *name, double number)
{
	char digits[64];
	if (isnan(number) || isinf(number)) {
		cJSON_AddNullToObject(object, name);
		return;
	}
	snprintf(digits, sizeof digits, number == floor(number) && fabs(number) < 1e15 ? "%.0f" : "%.6g", number);
	cJSON_AddRawToObject(object, name, digits);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
	if (text)
		cJSON_AddStringToObject(object, name, text);
	else
		cJSON_AddNullToObject(object, name);
}

static void add_count(cJSON *object, const char *name, uint64_t count)
{
	char digits[32];
	snprintf(digits, sizeof digits, "%" PRIu64, count);
	cJSON_AddRawToObject(object, name, digits);
}

/* What was measured of the other side, where that is the floor. */
static double of_floor(const bench_row *row, double number)
{
	return row->against && strstr(row->against, "floor") ? number : NAN;
}

static void add_ratio(cJSON *object, const bench_row *row)
{
	add_text(object, "against", row->against);
	add_number(object, "against_per_second", row->against_per_second);
	add_number(object, "floor_per_second", of_floor(row, row->against_per_second));
	add_number(object, "ratio", row->ratio.median);
	add_number(object, "ratio_min", row->ratio.min);
	add_number(object, "ratio_q1", row->ratio.q1);
	add_number(object, "ratio_q3", row->ratio.q3);
	add_number(object, "ratio_max", row->ratio.max);
	add_count(object, "pairs", row->pairs);
}

static void add_build(cJSON *object)
{
	char date[32];
	time_t now = time(NULL);
	struct tm parts;
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
	add_text(object, "date", date);
	add_text(object, "ff_version", FF_VERSION);
}

cJSON *bench_row_json(const bench_row *row)
{
	cJSON *object = cJSON_CreateObject();
	add_build(object);
	add_text(object, "workload", row->workload);
	add_text(object, "store", row->store);
	add_text(object, "backend", row->backend);
	add_text(object, "version", row->version);
	cJSON_AddBoolToObject(object, "peer", false);
	add_text(object, "size", row->size);
	add_text(object, "filesystem", row->filesystem);
	add_text(object, "durability", bench_durability_name(row->durability));
	add_number(object, "round_trip_ms", row->round_trip_ms);
	add_count(object, "processes", row->processes);
	add_count(object, "threads", row->threads);
	add_count(object, "batch", row->batch);
	add_text(object, "keys", bench_keys_name(row->keys));
	add_count(object, "existing_keys", row->existing_keys);
	add_count(object, "budgets", row->budgets);
	add_count(object, "dimensions", row->dimensions);
	add_text(object, "loop", row->rate > 0 ? "open" : "closed");
	add_number(object, "rate", row->rate > 0 ? row->rate : NAN);
	add_count(object, "ops", row->ops);
	add_number(object, "seconds", row->seconds);
	add_number(object, "per_second", row->per_second);
	add_ratio(object, row);
	cJSON *latency = cJSON_AddObjectToObject(object, "latency_us");
	add_number(latency, "p1", row->p1);
	add_number(latency, "p50", row->p50);
	add_number(latency, "p99", row->p99);
	add_number(latency, "p999", row->p999);
	add_number(latency, "p100", row->p100);
	add_number(object, "cpu_us_per_op", row->cpu_us_per_op);
	add_number(object, "bytes_written_per_op", row->bytes_per_op);
	add_number(object, "floor_cpu_us_per_op", of_floor(row, row->floor_cpu_us_per_op));
	add_number(object, "floor_bytes_written_per_op", of_floor(row, row->floor_bytes_per_op));
	add_number(object, "peak_memory_bytes", row->peak_memory_bytes);
	add_number(object, "engine_memory_bytes", row->engine_memory_bytes);
	add_text(object, "books", row->books_wrong ? "wrong" : "ok");
	cJSON_AddItemToObject(object, "extra", row->extra ? row->extra : cJSON_CreateObject());
	return object;
}

/* ---- documents ---------------------------------------------------------------------------------------------- */

cJSON *bench_document(const char *filesystem, const char *label, cJSON *rows)
{
	cJSON *document = cJSON_CreateObject();
	cJSON_AddNumberToObject(document, "version", 1);
	add_text(document, "label", label);
	add_build(document);
	cJSON_AddItemToObject(document, "machine", bench_machine(filesystem));
	cJSON_AddItemToObject(document, "rows", rows);
	return document;
}

static char *read_text(const char *path)
{
	char *text = NULL;
	size_t capacity = 0;
	FILE *file = fopen(path, "r");
	ssize_t size = file ? getdelim(&text, &capacity, '\0', file) : -1;
	if (!file || (size < 0 && ferror(file)))
		bench_die("cannot read '%s': %s", path, strerror(errno));
	if (size > 0 && text[size - 1] == '\0')
		bench_die("'%s' is no JSON: byte %zd is zero", path, size);
	fclose(file);
	if (size > 0)
		return text;
	free(text);
	return bench_allocate(1, 1);
}

/* Ends the program where one of these fields is there and neither null nor what it has to be. */
static void check_fields(const char *path, size_t number, const cJSON *object, const char *const *names, size_t count,
                         cJSON_bool is_right(const cJSON *), const char *kind)
{
	for (size_t i = 0; i < count; i++) {
		const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, names[i]);
		if (field && !cJSON_IsNull(field) && !is_right(field))
			bench_die("'%s' of row %zu in '%s' is no %s", names[i], number, path, kind);
	}
}

/* Rows of other programs, and of older versions, need not have every field. */
static void check_row(const char *path, size_t number, const cJSON *row)
{
	static const char *const texts[] = { "workload",   "store",      "backend",   "version", "size",
		                             "filesystem", "durability", "keys",      "loop",    "against",
		                             "books",      "date",       "ff_version" };
	static const char *const numbers[] = { "round_trip_ms", "processes",        "threads",    "batch",
		                               "existing_keys", "budgets",          "dimensions", "rate",
		                               "per_second",    "floor_per_second", "ratio",      "ratio_min",
		                               "ratio_q1",      "ratio_q3",         "ratio_max",  "pairs" };
	static const char *const objects[] = { "latency_us" };
	static const char *const latencies[] = { "p1", "p50", "p99", "p999", "p100" };
	const cJSON *latency = cJSON_GetObjectItemCaseSensitive(row, objects[0]);
#define CHECK(of, names, is_right, kind) \
	check_fields(path, number, of, names, sizeof(names) / sizeof(*(names)), is_right, kind)
	CHECK(row, texts, cJSON_IsString, "text");
	CHECK(row, numbers, cJSON_IsNumber, "number");
	CHECK(row, objects, cJSON_IsObject, "object");
	CHECK(latency, latencies, cJSON_IsNumber, "number");
#undef CHECK
	if (!*bench_text(row, "workload") || !*bench_text(row, "store"))
		bench_die("row %zu in '%s' names no workload, or no store", number, path);
}

/* What a row does not say of itself, its file does. */
static void complete(cJSON *row, const char *name, const cJSON *of)
{
	const cJSON *field = cJSON_GetObjectItemCaseSensitive(of, name);
	if (field && !cJSON_GetObjectItemCaseSensitive(row, name))
		cJSON_AddItemToObject(row, name, cJSON_Duplicate(field, true));
}

cJSON *bench_read_document(const char *path)
{
	size_t number = 0;
	const char *end;
	char *text = read_text(path);
	cJSON *document = cJSON_ParseWithOpts(text, &end, true);
	if (!document)
		bench_die("'%s' is no JSON, or not the whole of it: byte %zu", path, (size_t)(end - text) + 1);
	free(text);
	const cJSON *version = cJSON_GetObjectItemCaseSensitive(document, "version");
	cJSON *rows = cJSON_GetObjectItemCaseSensitive(document, "rows");
	if (!cJSON_IsNumber(version) || version->valuedouble != 1 || !cJSON_IsArray(rows))
		bench_die("'%s' holds no rows of ff-bench, version 1", path);
	for (cJSON *row = rows->child; row; row = row->next) {
		check_row(path, ++number, row);
		complete(row, "date", document);
		complete(row, "ff_version", document);
		if (isnan(bench_number(row, "round_trip_ms"))) /* else the server's, which the file does not know */
			complete(row, "filesystem", cJSON_GetObjectItemCaseSensitive(document, "machine"));
	}
	return document;
}

/* Of what is said of all rows only what is so in both files stays. */
static void keep_common(cJSON *object, const cJSON *other)
{
	for (cJSON *item = object->child, *next; item; item = next) {
		const cJSON *like = cJSON_GetObjectItemCaseSensitive(other, item->string);
		next = item->next;
		if (cJSON_IsObject(item) && cJSON_IsObject(like))
			keep_common(item, like);
		else if (!cJSON_IsArray(item) && !cJSON_Compare(item, like, true))
			cJSON_ReplaceItemInObjectCaseSensitive(object, item->string, cJSON_CreateNull());
	}
}

void bench_merge_document(cJSON *into, cJSON *other)
{
	cJSON *rows = cJSON_GetObjectItemCaseSensitive(into, "rows");
	cJSON *more = cJSON_GetObjectItemCaseSensitive(other, "rows");
	keep_common(into, other);
	while (more->child) {
		cJSON *row = cJSON_DetachItemViaPointer(more, more->child);
		const cJSON *same = rows->child;
		while (same && !cJSON_Compare(same, row, true))
			same = same->next;
		if (same)
			cJSON_Delete(row);
		else
			cJSON_AddItemToArray(rows, row);
	}
	cJSON_Delete(other);
}

/* A file that is made by that is taken away again. What is no file may mind that it is opened twice. */
bool bench_check_place(const char *path)
{
	struct stat there;
	bool exists = stat(path, &there) == 0;
	if (strcmp(path, "-") == 0 || (exists && !S_ISREG(there.st_mode)))
		return false;
	int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (file < 0)
		bench_die("cannot write '%s': %s", path, strerror(errno));
	close(file);
	char *made = exists ? NULL : realpath(path, NULL); /* behind a link that led to nothing */
	if (made)
		unlink(made);
	free(made);
	return true;
}

/* A file that is there is replaced, and else stays as it was. What is none, or is not there yet, is written as it is. */
void bench_write_document(const cJSON *document, const char *path)
{
	struct stat there;
	char *text = cJSON_Print(document), part[PATH_MAX];
	bool to_stdout = strcmp(path, "-") == 0;
	char *old = !to_stdout && stat(path, &there) == 0 && S_ISREG(there.st_mode) ? realpath(path, NULL) : NULL;
	bool replaces = old && snprintf(part, sizeof part, "%s.part", old) < (int)sizeof part;
	FILE *file = to_stdout ? stdout : fopen(replaces ? part : path, "w");
	bool written = text && file && fputs(text, file) >= 0 && putc('\n', file) != EOF;
	if (file && !to_stdout)
		written = fclose(file) == 0 && written;
	if (!written || (replaces && rename(part, old) != 0))
		bench_die("cannot write '%s': %s", path, strerror(errno));
	free(old);
	cJSON_free(text);
}

double bench_number(const cJSON *row, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, name);
	if (cJSON_IsRaw(item)) /* made here, not read */
		return strtod(item->valuestring, NULL);
	return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

const char *bench_text(const cJSON *row, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, name));
	return text ? text : "";
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

bench_words bench_title(const cJSON *row)
{
	bench_words title;
	char processes[32] = "", way[32] = "", due[32] = "";
	if (bench_number(row, "processes") > 1)
		snprintf(processes, sizeof processes, ", %.0f processes", bench_number(row, "processes"));
	if (bench_number(row, "round_trip_ms") >= 0.5)
		snprintf(way, sizeof way, ", %.0f ms away", bench_number(row, "round_trip_ms"));
	if (bench_number(row, "rate") > 0)
		snprintf(due, sizeof due, ", %.6g/s due", bench_number(row, "rate"));
	snprintf(title.text, sizeof title.text, "%.30s%.30s%.30s%.30s%s", bench_text(row, "workload"), processes, way,
	         due, bench_is_in_memory(bench_text(row, "filesystem")) ? ", in memory" : "");
	return title;
}

/* 1234567 as 1,234,567; small numbers with their decimals. */
static bench_words digits(double number)
{
	bench_words answer = { "" };
	char plain[48];
	if (isnan(number))
		return answer;
	if (number < 100) {
		snprintf(answer.text, sizeof answer.text, number < 10 ? "%.2f" : "%.1f", number);
		return answer;
	}
	int count = snprintf(plain, sizeof plain, "%.0f", number);
	char *to = answer.text;
	for (int i = 0; i < count; i++) {
		if (i && (count - i) % 3 == 0)
			*to++ = ',';
		*to++ = plain[i];
	}
	*to = '\0';
	return answer;
}

static bench_words ratio_words(const cJSON *row)
{
	bench_words answer = { "" };
	double ratio = bench_number(row, "ratio");
	if (!isnan(ratio))
		snprintf(answer.text, sizeof answer.text, "%.2f (%.2f–%.2f)", ratio, bench_number(row, "ratio_q1"),
		         bench_number(row, "ratio_q3"));
	return answer;
}

static void set(struct libscols_line *line, size_t column, const char *text)
{
	if (scols_line_set_data(line, column, text))
		bench_die("memory is out");
}

static void add_line(struct libscols_table *table, const cJSON *row)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	if (!line)
		bench_die("memory is out");
	const cJSON *latency = cJSON_GetObjectItemCaseSensitive(row, "latency_us");
	set(line, 0, bench_title(row).text);
	set(line, 1, bench_text(row, "store"));
	set(line, 2, bench_text(row, "durability"));
	set(line, 3, digits(bench_number(row, "per_second")).text);
	set(line, 4, digits(bench_number(row, "against_per_second")).text);
	set(line, 5, ratio_words(row).text);
	set(line, 6, digits(bench_number(latency, "p50")).text);
	set(line, 7, digits(bench_number(latency, "p99")).text);
	set(line, 8, digits(bench_number(latency, "p100")).text);
	set(line, 9, digits(bench_number(row, "cpu_us_per_op")).text);
	set(line, 10, digits(bench_number(row, "bytes_written_per_op")).text);
	set(line, 11, bench_text(row, "against"));
}

void bench_table(const cJSON *rows)
{
	static const char *const names[] = { "WORKLOAD", "STORE", "DURABLE", "PER SECOND", "OTHER SIDE", "RATIO",
		                             "P50 µs",   "P99",   "P100",    "CPU µs",     "BYTES",      "TO" };
	struct libscols_table *table = scols_new_table();
	if (!table || scols_table_set_column_separator(table, "  "))
		bench_die("memory is out");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!scols_table_new_column(table, names[i], 0, i >= 3 && i <= 10 ? SCOLS_FL_RIGHT : 0))
			bench_die("memory is out");
	for (const cJSON *row = rows->child; row; row = row->next)
		add_line(table, row);
	scols_print_table(table);
	scols_unref_table(table);
}
