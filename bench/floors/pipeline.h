/* Statements of PostgreSQL that are sent together and answered together: a round trip. */
#ifndef FF_BENCH_PIPELINE_H
#define FF_BENCH_PIPELINE_H

#include <libpq-fe.h>

#include "floor.h"

#define FLOOR_STATEMENTS_MAX 16
#define FLOOR_PARAMETERS_MAX 3

/* Parameters in the server's binary form. */
typedef struct floor_parameters {
	char *bytes;
	size_t size, capacity;
	size_t at[FLOOR_PARAMETERS_MAX];
	int sizes[FLOOR_PARAMETERS_MAX];
	int count;
	size_t row_at; /* where the row begins that is put */
} floor_parameters;

typedef struct floor_pipeline {
	PGconn *pg;
	floor_parameters parameters;         /* of the statement that is sent next */
	unsigned sent[FLOOR_STATEMENTS_MAX]; /* and not answered yet */
	unsigned sent_count;
	PGresult *answers[FLOOR_STATEMENTS_MAX]; /* the last one of each statement */
} floor_pipeline;

/* Prepares statements, which are known by their places from then on. */
void floor_pipeline_begin(floor_pipeline *pipeline, PGconn *pg, const char *const *statements, unsigned count);
void floor_pipeline_end(floor_pipeline *pipeline);

/* What the elements of an array are, by the server's numbers of types. */
enum { FLOOR_NUMBERS = 20, FLOOR_TEXTS = 25 };

/* A parameter: begun, as an array of so many elements or as one value, then what was said, then ended. */
void floor_begin_array(floor_pipeline *pipeline, uint32_t type, size_t count);
void floor_put_number(floor_pipeline *pipeline, uint64_t number);
void floor_put_text(floor_pipeline *pipeline, const char *text, size_t size);
/* An element that is a row of a table: its number of columns, then each of them. */
void floor_begin_row(floor_pipeline *pipeline, unsigned columns);
void floor_put_number_column(floor_pipeline *pipeline, uint64_t number);
void floor_put_text_column(floor_pipeline *pipeline, const char *text, size_t size);
void floor_end_row(floor_pipeline *pipeline);
void floor_begin_parameter(floor_pipeline *pipeline);
void floor_put_int64(floor_pipeline *pipeline, uint64_t number);
void floor_put_bytes(floor_pipeline *pipeline, const void *bytes, size_t size);
void floor_end_parameter(floor_pipeline *pipeline);

/* Sends a statement with the parameters that were put. */
void floor_queue(floor_pipeline *pipeline, unsigned which);
/* The round trip, after which `answers` hold what was asked. False where a row was to be new and was there already. */
bool floor_exchange(floor_pipeline *pipeline);
uint64_t floor_number_at(const PGresult *result, int row, int field);

#endif
