/* A connection in pipeline mode, whose statements take arrays. */
#include "pipeline.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void floor_pipeline_begin(floor_pipeline *pipeline, PGconn *pg, const char *const *statements, unsigned count)
{
	pipeline->pg = pg;
	for (unsigned i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%u", i);
		PGresult *result = PQprepare(pg, name, statements[i], 0, NULL);
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			floor_die("prepare", PQerrorMessage(pg));
		PQclear(result);
	}
	if (!PQenterPipelineMode(pg))
		floor_die("open", PQerrorMessage(pg));
}

void floor_pipeline_end(floor_pipeline *pipeline)
{
	for (unsigned i = 0; i < FLOOR_STATEMENTS_MAX; i++)
		PQclear(pipeline->answers[i]);
	PQfinish(pipeline->pg);
	free(pipeline->parameters.bytes);
}

/* ---- parameters --------------------------------------------------------------------------------------------- */

void floor_put_bytes(floor_pipeline *pipeline, const void *bytes, size_t size)
{
	floor_parameters *to = &pipeline->parameters;
	if (to->capacity - to->size < size) {
		to->capacity = 2 * to->capacity + size + 4096;
		to->bytes = realloc(to->bytes, to->capacity);
		if (!to->bytes)
			floor_die("go on", "memory is out");
	}
	memcpy(to->bytes + to->size, bytes, size);
	to->size += size;
}

static void put_int32(floor_pipeline *pipeline, uint32_t number)
{
	uint32_t wire = htonl(number);
	floor_put_bytes(pipeline, &wire, sizeof(wire));
}

void floor_put_int64(floor_pipeline *pipeline, uint64_t number)
{
	const uint32_t wire[2] = { htonl((uint32_t)(number >> 32)), htonl((uint32_t)number) };
	floor_put_bytes(pipeline, wire, sizeof(wire));
}

void floor_put_number(floor_pipeline *pipeline, uint64_t number)
{
	put_int32(pipeline, sizeof(number));
	floor_put_int64(pipeline, number);
}

void floor_put_text(floor_pipeline *pipeline, const char *text, size_t size)
{
	put_int32(pipeline, (uint32_t)size);
	floor_put_bytes(pipeline, text, size);
}

void floor_begin_row(floor_pipeline *pipeline, unsigned columns)
{
	pipeline->parameters.row_at = pipeline->parameters.size;
	put_int32(pipeline, 0); /* its size, at the end */
	put_int32(pipeline, columns);
}

void floor_put_number_column(floor_pipeline *pipeline, uint64_t number)
{
	put_int32(pipeline, FLOOR_NUMBERS);
	floor_put_number(pipeline, number);
}

void floor_put_text_column(floor_pipeline *pipeline, const char *text, size_t size)
{
	put_int32(pipeline, FLOOR_TEXTS);
	floor_put_text(pipeline, text, size);
}

void floor_end_row(floor_pipeline *pipeline)
{
	floor_parameters *of = &pipeline->parameters;
	uint32_t size = htonl((uint32_t)(of->size - of->row_at - sizeof(size)));
	memcpy(of->bytes + of->row_at, &size, sizeof(size));
}

void floor_begin_parameter(floor_pipeline *pipeline)
{
	pipeline->parameters.at[pipeline->parameters.count] = pipeline->parameters.size;
}

void floor_end_parameter(floor_pipeline *pipeline)
{
	floor_parameters *of = &pipeline->parameters;
	of->sizes[of->count] = (int)(of->size - of->at[of->count]);
	of->count++;
}

void floor_begin_array(floor_pipeline *pipeline, uint32_t type, size_t count)
{
	floor_begin_parameter(pipeline);
	put_int32(pipeline, 1); /* dimensions */
	put_int32(pipeline, 0); /* no nulls */
	put_int32(pipeline, type);
	put_int32(pipeline, (uint32_t)count);
	put_int32(pipeline, 1); /* the first element's number */
}

/* ---- the exchange ------------------------------------------------------------------------------------------- */

void floor_queue(floor_pipeline *pipeline, unsigned which)
{
	floor_parameters *of = &pipeline->parameters;
	const char *values[FLOOR_PARAMETERS_MAX];
	static const int formats[FLOOR_PARAMETERS_MAX] = { 1, 1, 1 };
	char name[16];
	for (int i = 0; i < of->count; i++)
		values[i] = of->bytes + of->at[i];
	snprintf(name, sizeof(name), "%u", which);
	if (!PQsendQueryPrepared(pipeline->pg, name, of->count, values, of->sizes, formats, 1))
		floor_die("send", PQerrorMessage(pipeline->pg));
	pipeline->sent[pipeline->sent_count++] = which;
	of->count = 0;
	of->size = 0;
}

/* False where a row was there already: what was sent behind its insert was not done. */
static bool take_answer(floor_pipeline *pipeline, unsigned which)
{
	PGresult *result = PQgetResult(pipeline->pg);
	ExecStatusType status = PQresultStatus(result);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool known = state && strcmp(state, "23505") == 0;
	if (status == PGRES_FATAL_ERROR && !known)
		floor_die("run a statement", PQresultErrorMessage(result));
	PQclear(pipeline->answers[which]);
	pipeline->answers[which] = result;
	PQclear(PQgetResult(pipeline->pg)); /* the end of this statement's */
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

bool floor_exchange(floor_pipeline *pipeline)
{
	bool done = true;
	if (!PQpipelineSync(pipeline->pg))
		floor_die("send", PQerrorMessage(pipeline->pg));
	for (unsigned i = 0; i < pipeline->sent_count; i++)
		done = take_answer(pipeline, pipeline->sent[i]) && done;
	pipeline->sent_count = 0;
	PGresult *result = PQgetResult(pipeline->pg);
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		floor_die("read answers", PQerrorMessage(pipeline->pg));
	PQclear(result);
	return done;
}

uint64_t floor_number_at(const PGresult *result, int row, int field)
{
	uint32_t wire[2];
	memcpy(wire, PQgetvalue(result, row, field), sizeof(wire));
	return (uint64_t)ntohl(wire[0]) << 32 | ntohl(wire[1]);
}
