/*
 * ffctl: data lines from CSV (by libcsv) or JSON lines, in memory that does not grow with the input.
 *
 * One buffer holds the lines of the present record. CSV goes to libcsv a line at a time, until it has a whole record.
 * Where it cannot be read, reading goes on behind it, never inside: what stands in a quoted cell is no record. A record
 * ends with the line in which a quote stands wrong, with the file where a quote is not closed, and where it is too long
 * with the line end that is in no quoted cell.
 */
#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ffctl.h"

/* No record is longer, its line ends counted. A fuzzer has less. */
#ifndef RECORD_MAX
#define RECORD_MAX ((size_t)1 << 20)
#endif

/* By so much libcsv's buffer grows for a long cell, over and over: by 128 bytes, unless it is told. */
#define CELL_STEP ((size_t)1 << 16)

static const char unclosed[] = "a quote is not closed";

struct ctl_source {
	int file;
	const char *path;
	bool json;
	bool file_over;
	char *buffer;
	size_t capacity;
	size_t first; /* of the present record */
	size_t next;  /* the next line */
	size_t end;
	uint64_t line; /* lines before `next` */
	ctl_record record;
	ctl_field *fields;
	const char *const *columns; /* those asked for */
	size_t columns_count;

	/* CSV */
	struct csv_parser parser;
	size_t *places;      /* where the header has each of them */
	size_t header_cells; /* columns of the header */
	bool in_header;      /* the callbacks see its cells */
	size_t cells;        /* of the present record so far */
	bool record_over;    /* its end was seen */
	bool duplicate;      /* the header has a column twice that was asked for */
	bool has_nul;        /* a cell that was asked for has */
	char *text;          /* the cells that were asked for, each with a NUL behind */
	size_t text_size;
	size_t text_capacity;
	size_t *offsets; /* of each in `text` */

	/* JSON lines */
	cJSON *document; /* the present line */
};

/* ---- lines -------------------------------------------------------------------------------------------------- */

typedef enum line_kind { LINE_OK, LINE_OVER, LINE_TOO_LONG, LINE_FAILED } line_kind;

/* Makes room behind `end`: moves the record to the front, or takes a larger buffer. */
static bool make_room(ctl_source *source)
{
	if (source->first > 0) {
		memmove(source->buffer, source->buffer + source->first, source->end - source->first);
		source->next -= source->first;
		source->end -= source->first;
		source->first = 0;
	}
	if (source->end < source->capacity)
		return true;
	if (source->capacity >= RECORD_MAX)
		return false;
	source->capacity = source->capacity ? source->capacity * 2 : RECORD_MAX / 16;
	source->buffer = ctl_resize(source->buffer, source->capacity, 1);
	return true;
}

/* Reads what is there behind `end`: a pipe's lines are not kept waiting until the buffer is full. */
static bool fill(ctl_source *source)
{
	ssize_t count;
	do
		count = read(source->file, source->buffer + source->end, source->capacity - source->end);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return false;
	source->end += (size_t)count;
	source->file_over = count == 0;
	return true;
}

/* The next line, without its end; valid until the next one is asked for. */
static line_kind next_line(ctl_source *source, const char **line, size_t *size)
{
	size_t searched = source->next;
	for (;;) {
		char *from = source->buffer + source->next;
		char *end =
		    searched < source->end ? memchr(source->buffer + searched, '\n', source->end - searched) : NULL;
		if (end || (source->file_over && source->next < source->end)) {
			*line = from;
			*size = end ? (size_t)(end - from) : source->end - source->next;
			source->next += *size + (end ? 1 : 0);
			source->line++;
			if (*size && from[*size - 1] == '\r')
				--*size;
			return LINE_OK;
		}
		if (source->file_over)
			return LINE_OVER;
		searched = source->end;
		size_t moved = source->first;
		if (!make_room(source))
			return LINE_TOO_LONG;
		searched -= moved;
		if (!fill(source))
			return LINE_FAILED;
	}
}

/* Where a byte of a record stands. */
typedef enum place { CELL_BEGINS, IN_CELL, IN_QUOTES, BEHIND_QUOTE, IN_LAST_LINE, RECORD_OVER } place;

/* Where the next byte stands, by libcsv's rules for strict CSV: BEHIND_QUOTE is behind the cell, or amid two quotes that
 * are one. IN_LAST_LINE only a line feed counts. */
static place step(place at, char byte)
{
	if (byte == '\n' && at != IN_QUOTES)
		return RECORD_OVER;
	if (at == IN_QUOTES || at == IN_LAST_LINE)
		return byte == '"' && at == IN_QUOTES ? BEHIND_QUOTE : at;
	if (byte == ',')
		return CELL_BEGINS;
	if (byte == '"')
		return at == IN_CELL ? IN_LAST_LINE : IN_QUOTES;
	return at == BEHIND_QUOTE ? IN_LAST_LINE : IN_CELL;
}

/* The present record is too long to be held, and goes, a buffer at a time. `line` is its first. */
static line_kind skip_record(ctl_source *source, uint64_t line, const char **fault)
{
	place at = source->json ? IN_LAST_LINE : CELL_BEGINS;
	source->line = line;
	*fault = "it is longer than 1 MiB";
	source->next = source->first;
	for (;;) {
		while (source->next < source->end && at != RECORD_OVER) {
			char byte = source->buffer[source->next++];
			at = step(at, byte);
			source->line += byte == '\n' && at != RECORD_OVER;
		}
		source->first = source->next;
		if (at == RECORD_OVER || source->file_over)
			break;
		make_room(source);
		if (!fill(source))
			return LINE_FAILED;
	}
	if (at == IN_QUOTES)
		*fault = unclosed;
	return LINE_OK;
}

static bool is_blank(const char *line, size_t size)
{
	while (size && line[size - 1] && strchr(" \t\r\n", line[size - 1]))
		size--;
	return size == 0;
}

/* ---- CSV ---------------------------------------------------------------------------------------------------- */

static bool is_name(const char *name, const char *cell, size_t size)
{
	return strlen(name) == size && memcmp(name, cell, size) == 0;
}

static void note_header_cell(ctl_source *source, const char *cell, size_t size)
{
	for (size_t i = 0; i < source->columns_count; i++) {
		if (!is_name(source->columns[i], cell, size))
			continue;
		source->duplicate |= source->places[i] != SIZE_MAX;
		source->places[i] = source->cells;
	}
}

static void keep_cell(ctl_source *source, size_t column, const char *cell, size_t size)
{
	if (source->text_capacity - source->text_size <= size) {
		source->text_capacity = (source->text_capacity + size) * 2 + 64;
		source->text = ctl_resize(source->text, source->text_capacity, 1);
	}
	source->offsets[column] = source->text_size;
	memcpy(source->text + source->text_size, cell, size);
	source->text[source->text_size + size] = '\0';
	source->text_size += size + 1;
	source->has_nul |= memchr(cell, '\0', size) != NULL;
}

static void take_cell(void *cell, size_t size, void *context)
{
	ctl_source *source = context;
	if (source->in_header)
		note_header_cell(source, cell ? cell : "", size);
	else
		for (size_t i = 0; i < source->columns_count; i++)
			if (source->places[i] == source->cells)
				keep_cell(source, i, cell ? cell : "", size);
	source->cells++;
}

static void take_end(int end, void *context)
{
	(void)end;
	((ctl_source *)context)->record_over = true;
}

/* Only a line feed ends a record: a carriage return before it is gone by now, and blanks belong to a cell. */
static int ends_record(unsigned char byte)
{
	return byte == '\n';
}

static int is_space(unsigned char byte)
{
	(void)byte;
	return 0;
}

static void begin_parser(ctl_source *source)
{
	csv_free(&source->parser);
	if (csv_init(&source->parser, CSV_STRICT))
		ctl_no_memory();
	csv_set_blk_size(&source->parser, CELL_STEP);
	csv_set_term_func(&source->parser, ends_record);
	csv_set_space_func(&source->parser, is_space);
}

static bool parse_bytes(ctl_source *source, const char *bytes, size_t size)
{
	bool parsed = csv_parse(&source->parser, bytes, size, take_cell, take_end, source) == size;
	if (!parsed && csv_error(&source->parser) == CSV_ENOMEM)
		ctl_no_memory();
	return parsed;
}

/* Reads a record that begins with `line`, over as many lines as it takes. Sets *fault where it cannot be read. */
static line_kind read_record(ctl_source *source, const char *line, size_t size, const char **fault)
{
	uint64_t first_line = source->line;
	line_kind kind = LINE_OK;
	source->cells = source->text_size = 0;
	source->record_over = source->has_nul = false;
	while (kind == LINE_OK) {
		if (!parse_bytes(source, line, size) || !parse_bytes(source, "\n", 1)) {
			*fault = "it has a quote in the wrong place";
			break;
		}
		if (source->record_over)
			return LINE_OK;
		kind = next_line(source, &line, &size);
	}
	if (kind == LINE_FAILED)
		return kind;
	begin_parser(source);
	if (kind == LINE_TOO_LONG)
		return skip_record(source, first_line, fault);
	if (kind == LINE_OVER)
		*fault = unclosed;
	return LINE_OK;
}

static const char *finish_cells(ctl_source *source)
{
	if (source->cells < source->header_cells)
		return "it has fewer cells than the header";
	if (source->cells > source->header_cells)
		return "it has more cells than the header";
	if (source->has_nul)
		return "it has a NUL";
	for (size_t i = 0; i < source->columns_count; i++)
		source->fields[i] = (ctl_field){ source->text + source->offsets[i], CTL_FIELD_TEXT };
	return NULL;
}

/* ---- JSON lines --------------------------------------------------------------------------------------------- */

static ctl_field json_field(const cJSON *item)
{
	if (!item || cJSON_IsNull(item))
		return (ctl_field){ "", CTL_FIELD_ABSENT };
	if (cJSON_IsNumber(item) && ctl_json_bare(item->valuestring) != CTL_BARE_EXACT)
		return (ctl_field){ item->valuestring, CTL_FIELD_INEXACT };
	if (cJSON_IsString(item) || cJSON_IsNumber(item))
		return (ctl_field){ item->valuestring, CTL_FIELD_TEXT };
	return (ctl_field){ "", CTL_FIELD_OTHER };
}

static const char *read_json(ctl_source *source, const char *line, size_t size)
{
	const char *fault;
	cJSON_Delete(source->document);
	source->document = ctl_json_parse(line, size, &fault);
	if (fault)
		return fault;
	if (!cJSON_IsObject(source->document))
		return "it is no JSON object";
	for (size_t i = 0; i < source->columns_count; i++)
		source->fields[i] = json_field(cJSON_GetObjectItemCaseSensitive(source->document, source->columns[i]));
	return NULL;
}

/* ---- the source --------------------------------------------------------------------------------------------- */

bool ctl_source_would_wait(const ctl_source *source)
{
	struct pollfd readable = { .fd = source->file, .events = POLLIN };
	bool has_line = memchr(source->buffer + source->next, '\n', source->end - source->next) != NULL;
	return !has_line && !source->file_over && poll(&readable, 1, 0) == 0;
}

static ff_code read_failed(const ctl_source *source, ff_error *error)
{
	return ff_error_set(error, FF_E_IO, "cannot read '%s': %s", source->path, strerror(errno));
}

ff_code ctl_source_next(ctl_source *source, const ctl_record **record, ff_error *error)
{
	const char *line = NULL, *fault = NULL;
	size_t size = 0;
	line_kind kind;
	do {
		source->first = source->next;
		kind = next_line(source, &line, &size);
	} while (kind == LINE_OK && is_blank(line, size));
	*record = NULL;
	if (kind == LINE_OVER)
		return FF_OK;
	source->record.number++;
	source->record.line = source->line + (kind == LINE_TOO_LONG);
	if (kind == LINE_TOO_LONG) {
		kind = skip_record(source, source->record.line, &fault);
	} else if (kind == LINE_OK && source->json) {
		fault = read_json(source, line, size);
	} else if (kind == LINE_OK) {
		kind = read_record(source, line, size, &fault);
		fault = fault ? fault : finish_cells(source);
	}
	if (kind == LINE_FAILED)
		return read_failed(source, error);
	source->record.fault = fault;
	*record = &source->record;
	return FF_OK;
}

static ff_code check_header(const ctl_source *source, ff_error *error)
{
	if (source->duplicate)
		return ff_error_set(error, FF_E_INVALID, "the header of '%s' has a column twice that is to be read",
		                    source->path);
	for (size_t i = 0; i < source->columns_count; i++)
		if (source->places[i] == SIZE_MAX)
			return ff_error_set(error, FF_E_INVALID, "the header of '%s' has no column '%s'", source->path,
			                    source->columns[i]);
	return FF_OK;
}

/* Reads the first line that is not blank as the header. */
static ff_code read_header(ctl_source *source, ff_error *error)
{
	const char *line = NULL, *fault = NULL;
	size_t size = 0;
	line_kind kind;
	begin_parser(source);
	do {
		source->first = source->next;
		kind = next_line(source, &line, &size);
	} while (kind == LINE_OK && is_blank(line, size));
	source->in_header = true;
	if (kind == LINE_OK)
		kind = read_record(source, line, size, &fault);
	source->in_header = false;
	if (kind == LINE_FAILED)
		return read_failed(source, error);
	if (kind != LINE_OK || fault)
		return ff_error_set(error, FF_E_INVALID, "'%s' has no header: %s", source->path,
		                    kind == LINE_OVER ? "it is empty"
		                    : fault           ? fault
		                                      : "its first line is longer than 1 MiB");
	source->header_cells = source->cells;
	return check_header(source, error);
}

static bool ends_with(const char *text, const char *end)
{
	size_t text_size = strlen(text), end_size = strlen(end);
	return text_size >= end_size && strcasecmp(text + text_size - end_size, end) == 0;
}

/* Takes off a byte order mark, and tells the format by the file's ending or, where that says nothing, by the first byte
 * that is not blank. */
static ff_code detect_format(ctl_source *source, ff_error *error)
{
	size_t at = 0;
	while (!source->file_over && (source->end < 3 || at == source->end) && make_room(source)) {
		if (!fill(source))
			return read_failed(source, error);
		bool marked = source->end >= 3 && memcmp(source->buffer, "\xEF\xBB\xBF", 3) == 0;
		source->next = marked ? 3 : 0;
		for (at = source->next; at < source->end && is_blank(source->buffer + at, 1); at++)
			;
	}
	source->json = ends_with(source->path, ".jsonl") || ends_with(source->path, ".ndjson") ||
	               (!ends_with(source->path, ".csv") && at < source->end && source->buffer[at] == '{');
	return FF_OK;
}

ff_code ctl_source_open(const char *path, const char *const *columns, size_t columns_count, ctl_source **source,
                        ff_error *error)
{
	int file = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	*source = NULL;
	if (file < 0)
		return ff_error_set(error, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO, "cannot read '%s': %s", path,
		                    strerror(errno));
	ctl_source *opened = ctl_allocate(1, sizeof *opened);
	opened->file = file;
	opened->path = path;
	opened->columns = columns;
	opened->columns_count = columns_count;
	opened->fields = ctl_allocate(columns_count, sizeof *opened->fields);
	opened->offsets = ctl_allocate(columns_count, sizeof *opened->offsets);
	opened->places = ctl_allocate(columns_count, sizeof *opened->places);
	for (size_t i = 0; i < columns_count; i++)
		opened->places[i] = SIZE_MAX;
	opened->record.fields = opened->fields;
	ff_code code = detect_format(opened, error);
	if (!code && !opened->json)
		code = read_header(opened, error);
	if (code)
		ctl_source_close(opened);
	else
		*source = opened;
	return code;
}

void ctl_source_close(ctl_source *source)
{
	if (!source)
		return;
	if (source->file != STDIN_FILENO)
		close(source->file);
	csv_free(&source->parser);
	cJSON_Delete(source->document);
	free(source->text);
	free(source->buffer);
	free(source->fields);
	free(source->offsets);
	free(source->places);
	free(source);
}
