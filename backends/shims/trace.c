/*
 * trace: a backend that writes down what is asked of the one that it wraps. A line a call, appended to trace_file:
 *
 *     load 12 write ok in=3 out=2 get:ff_budget_policy=1 get:ff_budget_usage=2 range:ff_budget_usage=1
 *     store 7 write ok in=2 out=0 put:ff_budget_usage=1 put:ff_budget_usage_dedup=1
 *     commit 7 write ok in=0 out=0
 *
 * that is: the slot, which call of the slot it is, the kind of the transaction (- where there is none), the code's
 * word, the reads or writes that went in, the rows that came out, and how many of each kind and table (neighbours of
 * one kind are counted together). When the store is closed, a line a slot follows:
 *
 *     total load calls=12 failed=0 in=40 out=31
 *
 * Several stores may share a file: each line is written whole. A line that cannot be written is dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "shims.h"
#include "wrap.h"

typedef struct trace_totals {
	uint64_t calls;
	uint64_t failed;
	uint64_t in;
	uint64_t out;
} trace_totals;

typedef struct trace_store {
	ff_store wrap;
	int file;
	pthread_mutex_t lock; /* over the totals, so that lines of a slot come in the order of their numbers */
	trace_totals totals[FFP_WRAP_SLOTS_COUNT];
} trace_store;

/* ---- lines -------------------------------------------------------------------------------------------------- */

/* A line being written; what does not fit is cut. */
typedef struct trace_line {
	size_t size;
	char text[2048];
} trace_line;

FF_PRINTF(2, 3)
static void add(trace_line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - 1 - line->size; /* one byte is kept for the newline */
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(line->text + line->size, room, format, arguments);
	va_end(arguments);
	if (size > 0)
		line->size += (size_t)size < room ? (size_t)size : room - 1;
}

static void write_line(const trace_store *trace, trace_line *line)
{
	line->text[line->size++] = '\n';
	ssize_t written = write(trace->file, line->text, line->size);
	(void)written;
}

static const char *read_name(const ff_read *read)
{
	return read->kind == FF_READ_GET ? "get" : read->index ? "index" : "range";
}

static const char *write_name(const ff_write *write)
{
	switch (write->kind) {
	case FF_WRITE_PUT:
		return "put";
	case FF_WRITE_DELETE:
		return "delete";
	default:
		return "delete_range";
	}
}

/* What the i-th read or write is, and on which table. */
static const char *describe(const ffp_wrap_call *call, size_t i, const char **table)
{
	*table = (call->reads ? call->reads[i].table : call->writes[i].table)->name;
	return call->reads ? read_name(&call->reads[i]) : write_name(&call->writes[i]);
}

static void add_details(trace_line *line, const ffp_wrap_call *call)
{
	for (size_t i = 0, same; i < call->count; i += same) {
		const char *table, *next_table;
		const char *kind = describe(call, i, &table);
		for (same = 1; i + same < call->count; same++)
			if (describe(call, i + same, &next_table) != kind || next_table != table)
				break;
		add(line, " %s:%s=%zu", kind, table, same);
	}
}

/* Rows that a load answered. */
static size_t count_rows(const ffp_wrap_call *call)
{
	size_t rows = 0;
	if (!call->reads || call->code != FF_OK)
		return 0;
	for (size_t i = 0; i < call->count; i++)
		rows += call->reads[i].kind == FF_READ_GET ? call->reads[i].row != NULL : call->reads[i].rows_count;
	return rows;
}

static const char *kind_name(ff_txn_kind kind)
{
	return kind == FF_TXN_WRITE ? "write" : kind == FF_TXN_READ ? "read" : "-";
}

static ff_code after_call(ff_store *self, const ffp_wrap_call *call, ff_error *error)
{
	(void)error;
	trace_store *trace = (trace_store *)self;
	trace_totals *totals = &trace->totals[call->slot];
	size_t rows = count_rows(call);
	trace_line line = { 0 };

	pthread_mutex_lock(&trace->lock);
	totals->calls++;
	totals->failed += call->code != FF_OK;
	totals->in += call->count;
	totals->out += rows;
	add(&line, "%s %llu %s %s in=%zu out=%zu", ffp_wrap_slot_names[call->slot], (unsigned long long)totals->calls,
	    kind_name(call->kind), ff_code_name(call->code), call->count, rows);
	add_details(&line, call);
	write_line(trace, &line);
	pthread_mutex_unlock(&trace->lock);
	return call->code;
}

/* ---- open and close ----------------------------------------------------------------------------------------- */

static const char *const params[] = { "trace_file", NULL };

static ff_code open_trace(ff_store *self, const ff_store_config *config, ff_error *error)
{
	trace_store *trace = (trace_store *)self;
	const char *name = ff_config_param(config, "trace_file");
	if (!name || !*name)
		return ff_error_set(error, FF_E_INVALID, "'trace_file' is missing");
	trace->file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (trace->file < 0) {
		int native = errno;
		ff_code code = ff_error_set(error, FF_E_IO, "cannot open trace file '%s': %s", name, strerror(native));
		snprintf(error->native_code, sizeof(error->native_code), "%d", native);
		return code;
	}
	pthread_mutex_init(&trace->lock, NULL);
	return FF_OK;
}

static void close_trace(ff_store *self)
{
	trace_store *trace = (trace_store *)self;
	for (int slot = 0; slot < FFP_WRAP_SLOTS_COUNT; slot++) {
		const trace_totals *totals = &trace->totals[slot];
		trace_line line = { 0 };
		add(&line, "total %s calls=%llu failed=%llu in=%llu out=%llu", ffp_wrap_slot_names[slot],
		    (unsigned long long)totals->calls, (unsigned long long)totals->failed,
		    (unsigned long long)totals->in, (unsigned long long)totals->out);
		write_line(trace, &line);
	}
	pthread_mutex_destroy(&trace->lock);
	close(trace->file);
}

static const ffp_wrap_shim shim = {
	.name = "trace", .params = params, .open = open_trace, .close = close_trace, .after = after_call
};

static ff_code open_slot(ff_store *store, const ff_store_config *config, ff_error *error)
{
	return ffp_wrap_open(store, &shim, config, error);
}

const ff_engine_backend ffp_trace_backend = { FFP_WRAP_BACKEND, .name = "trace", .instance_size = sizeof(trace_store),
	                                      .open = open_slot };
