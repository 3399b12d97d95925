/*
 * The floor on PostgreSQL. Three tables in a schema of their own; a batch is two round trips, each of which sends its
 * statements together (pipeline mode), whatever their number of rows: they take arrays, and where they write arrays of
 * rows, which cost the server less than an array for each column. The first begins, locks and reads,
 * the second writes and commits. Report by report, what is written travels with the next report's reads.
 *
 * What locks is FOR UPDATE on the budgets' usage, in the order of their names: it is the statement that reads them anyhow,
 * and whoever waits in it goes on with what the holder has committed. Keys are read by a later statement, which therefore
 * sees the holder's, and a key is its budget's. Advisory locks are one statement more, and were slower by up to a tenth.
 *
 * Where keys are taken for fresh and one was there after all, the insert fails, the COMMIT behind it is not done, and the
 * transaction begins anew and looks every key up first.
 */
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS policy(budget text COLLATE \"C\", dimension text COLLATE \"C\", hard bigint,"
    " breaches bigint, PRIMARY KEY(budget, dimension));"
    "CREATE TABLE IF NOT EXISTS usage(budget text COLLATE \"C\", dimension text COLLATE \"C\", value bigint,"
    " PRIMARY KEY(budget, dimension)) WITH (fillfactor = 50);"
    "CREATE TABLE IF NOT EXISTS keys(key text COLLATE \"C\", budget text COLLATE \"C\", digest bigint, outcome bigint,"
    " expires_at_ms bigint, PRIMARY KEY(key, budget))";

/* The backend's settings, too: plans are made once, and are loops over indexes whatever a table holds. But sorting stays on,
 * for budgets are locked in the order of their names, and without it the server would walk all of an index. */
static const char settings[] =
    "SET plan_cache_mode TO force_generic_plan; SET enable_seqscan TO off; SET enable_hashjoin TO off;"
    "SET enable_mergejoin TO off; SET jit TO off; SET synchronous_commit TO ";

typedef enum statement {
	BEGIN,
	COMMIT,
	ROLLBACK,
	READ_BUDGETS,
	READ_KEYS,
	WRITE_KEYS,
	WRITE_USAGE,
	WRITE_BREACHES,
	CREATE_POLICIES,
	CREATE_USAGE,
	READ_USAGE,
	STATEMENTS_COUNT
} statement;

static const char *const statements[STATEMENTS_COUNT] = {
	[BEGIN] = "BEGIN ISOLATION LEVEL READ COMMITTED",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[READ_BUDGETS] = "SELECT i, dimension, hard, value FROM unnest($1::text[]) WITH ORDINALITY AS b(budget, i)"
			 " JOIN policy USING(budget) JOIN usage USING(budget, dimension)"
			 " ORDER BY usage.budget, usage.dimension FOR UPDATE OF usage",
	[READ_KEYS] =
	    "SELECT i, digest, outcome FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(key, budget, i)"
	    " JOIN keys USING(key, budget)",
	[WRITE_KEYS] = "INSERT INTO keys SELECT * FROM unnest($1::keys[])",
	[WRITE_USAGE] = "UPDATE usage SET value = n.value FROM unnest($1::usage[]) AS n"
			" WHERE usage.budget = n.budget AND usage.dimension = n.dimension",
	[WRITE_BREACHES] = "UPDATE policy SET breaches = breaches + n.more FROM unnest($1::text[], $2::bigint[])"
			   " AS n(budget, more) WHERE policy.budget = n.budget",
	[CREATE_POLICIES] = "INSERT INTO policy SELECT p.*, 0 FROM unnest($1::text[], $2::text[], $3::bigint[]) AS p",
	[CREATE_USAGE] = "INSERT INTO usage SELECT u.*, 0 FROM unnest($1::text[], $2::text[]) AS u",
	[READ_USAGE] = "SELECT value FROM unnest($1::text[]) WITH ORDINALITY AS b(budget, i) JOIN usage USING(budget)"
		       " WHERE dimension = $2 ORDER BY i",
};

struct bench_floor {
	floor_pipeline pipeline;
	bool is_plain;
	bool look_first;
	Oid keys, usage; /* the types of these tables' rows */
	floor_batch batch;
};

/* ---- connections and schemas -------------------------------------------------------------------------------- */

/* What of a URI is the engine's, and unknown to libpq. */
static bool is_the_engines(const char *parameter)
{
	static const char *const names[] = { "schema=", "pool=", "busy_timeout_ms=", "statement_timeout_ms=",
		                             "partitions=" };
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strncmp(parameter, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void must_run(PGconn *pg, const char *sql, const char *doing)
{
	PGresult *result = PQexec(pg, sql);
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && status != PGRES_EMPTY_QUERY)
		floor_die(doing, PQerrorMessage(pg));
	PQclear(result);
}

/* Connects to what the path says, whose last parameter is the schema. */
static PGconn *connect_to(const char *path, char **schema)
{
	size_t place_size = strcspn(path, "?");
	size_t size = strlen(path) + sizeof "postgresql:";
	char *uri = calloc(size, 1);
	char *query = strdup(path + place_size + (path[place_size] == '?')), *rest = query;
	if (!uri || !query)
		floor_die("connect", "memory is out");
	snprintf(uri, size, "postgresql:%.*s", (int)place_size, path);
	const char *join = "?";
	for (char *part; (part = strtok_r(rest, "&", &rest));) {
		if (is_the_engines(part))
			continue;
		strcat(uri, join);
		strcat(uri, part);
		join = "&";
	}
	PGconn *pg = PQconnectdb(uri);
	if (PQstatus(pg) != CONNECTION_OK)
		floor_die("connect", PQerrorMessage(pg));
	const char *name = strrchr(path, '=') + 1;
	*schema = PQescapeIdentifier(pg, name, strlen(name));
	if (!*schema)
		floor_die("connect", PQerrorMessage(pg));
	must_run(pg, "SET client_min_messages TO warning", "connect");
	free(uri);
	free(query);
	return pg;
}

static void run_on_schema(PGconn *pg, const char *before, const char *schema, const char *after, const char *doing)
{
	char sql[1024];
	snprintf(sql, sizeof(sql), "%s %s%s", before, schema, after);
	must_run(pg, sql, doing);
}

static bool schema_exists(const char *path)
{
	char *schema;
	PGconn *pg = connect_to(path, &schema);
	const char *name = strrchr(path, '=') + 1;
	PGresult *result =
	    PQexecParams(pg, "SELECT FROM pg_namespace WHERE nspname = $1", 1, NULL, &name, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		floor_die("look for a schema", PQerrorMessage(pg));
	bool exists = PQntuples(result) > 0;
	PQclear(result);
	PQfreemem(schema);
	PQfinish(pg);
	return exists;
}

static void drop_schema(const char *path)
{
	char *schema;
	PGconn *pg = connect_to(path, &schema);
	run_on_schema(pg, "DROP SCHEMA IF EXISTS", schema, " CASCADE", "drop a schema");
	PQfreemem(schema);
	PQfinish(pg);
}

static bench_floor *open_floor(const char *path, const char *query, ff_durability durability, bench_floor_kind kind)
{
	(void)query;
	bench_floor *floor = calloc(1, sizeof(*floor));
	char *schema;
	if (!floor)
		floor_die("open", "memory is out");
	floor->is_plain = kind == BENCH_FLOOR_PLAIN;
	floor->look_first = kind != BENCH_FLOOR_UNSEEN;
	PGconn *pg = connect_to(path, &schema);
	run_on_schema(pg, settings, durability == FF_DURABILITY_FULL ? "on" : "off", "", "open");
	run_on_schema(pg, "CREATE SCHEMA IF NOT EXISTS", schema, "", "open");
	run_on_schema(pg, "SET search_path TO", schema, "", "open");
	PQfreemem(schema);
	must_run(pg, tables, "open");
	PGresult *types = PQexec(pg, "SELECT NULL::keys, NULL::usage");
	floor->keys = PQftype(types, 0);
	floor->usage = PQftype(types, 1);
	PQclear(types);
	floor_pipeline_begin(&floor->pipeline, pg, statements, STATEMENTS_COUNT);
	return floor;
}

static void close_floor(bench_floor *floor)
{
	floor_pipeline_end(&floor->pipeline);
	floor_batch_free(&floor->batch);
	free(floor);
}

/* ---- budgets ------------------------------------------------------------------------------------------------ */

/* The first two columns of budgets that are created: their ids, and the names of their dimensions. */
static size_t put_names(bench_floor *floor, const ff_budget_spec *budgets, size_t count)
{
	size_t rows = 0;
	for (size_t i = 0; i < count; i++)
		rows += budgets[i].limits_count;
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, rows);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < budgets[i].limits_count; j++)
			floor_put_text(&floor->pipeline, budgets[i].budget_id, strlen(budgets[i].budget_id));
	floor_end_parameter(&floor->pipeline);
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, rows);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < budgets[i].limits_count; j++)
			floor_put_text(&floor->pipeline, budgets[i].limits[j].dimension,
			               strlen(budgets[i].limits[j].dimension));
	floor_end_parameter(&floor->pipeline);
	return rows;
}

static void create(bench_floor *floor, const ff_budget_spec *budgets, size_t count)
{
	floor_queue(&floor->pipeline, BEGIN);
	size_t rows = put_names(floor, budgets, count);
	floor_begin_array(&floor->pipeline, FLOOR_NUMBERS, rows);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < budgets[i].limits_count; j++)
			floor_put_number(&floor->pipeline, budgets[i].limits[j].hard);
	floor_end_parameter(&floor->pipeline);
	floor_queue(&floor->pipeline, CREATE_POLICIES);
	put_names(floor, budgets, count);
	floor_queue(&floor->pipeline, CREATE_USAGE);
	floor_queue(&floor->pipeline, COMMIT);
	floor_exchange(&floor->pipeline);
}

static void usage_of(bench_floor *floor, const char *const *budget_ids, size_t count, const char *dimension,
                     uint64_t *used)
{
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, count);
	for (size_t i = 0; i < count; i++)
		floor_put_text(&floor->pipeline, budget_ids[i], strlen(budget_ids[i]));
	floor_end_parameter(&floor->pipeline);
	floor_begin_parameter(&floor->pipeline);
	floor_put_bytes(&floor->pipeline, dimension, strlen(dimension));
	floor_end_parameter(&floor->pipeline);
	floor_queue(&floor->pipeline, READ_USAGE);
	floor_exchange(&floor->pipeline);
	const PGresult *result = floor->pipeline.answers[READ_USAGE];
	if ((size_t)PQntuples(result) != count)
		floor_die("read usage", "budgets or dimensions are missing");
	for (size_t i = 0; i < count; i++)
		used[i] = floor_number_at(result, (int)i, 0);
}

/* ---- reports: reading --------------------------------------------------------------------------------------- */

static void ask_for_budgets(bench_floor *floor, const ff_report *reports, size_t count)
{
	floor_batch *batch = &floor->batch;
	bool fresh;
	for (size_t i = 0; i < count; i++)
		floor_batch_budget(batch, reports[i].budget_id, &fresh);
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, batch->budgets_count);
	for (size_t i = 0; i < batch->budgets_count; i++)
		floor_put_text(&floor->pipeline, batch->budgets[i].id, batch->budgets[i].id_size);
	floor_end_parameter(&floor->pipeline);
	floor_queue(&floor->pipeline, READ_BUDGETS);
}

/* The columns that keys are named by, of those in batch->keys. */
static void put_keys(bench_floor *floor, const ff_report *reports)
{
	const floor_batch *batch = &floor->batch;
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, batch->keys_count);
	for (size_t i = 0; i < batch->keys_count; i++) {
		const char *key = reports[batch->keys[i].report].idempotency_key;
		floor_put_text(&floor->pipeline, key, strlen(key));
	}
	floor_end_parameter(&floor->pipeline);
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, batch->keys_count);
	for (size_t i = 0; i < batch->keys_count; i++) {
		const char *budget = reports[batch->keys[i].report].budget_id;
		floor_put_text(&floor->pipeline, budget, strlen(budget));
	}
	floor_end_parameter(&floor->pipeline);
}

static void take_budgets(bench_floor *floor)
{
	const PGresult *result = floor->pipeline.answers[READ_BUDGETS];
	for (int row = 0; row < PQntuples(result); row++) {
		floor_budget *budget = &floor->batch.budgets[floor_number_at(result, row, 0) - 1];
		unsigned i = budget->dimensions_count++;
		size_t size = (size_t)PQgetlength(result, row, 1);
		memcpy(budget->dimensions[i].name, PQgetvalue(result, row, 1), size);
		budget->dimensions[i].name[size] = '\0';
		budget->dimensions[i].hard = floor_number_at(result, row, 2);
		budget->dimensions[i].used = floor_number_at(result, row, 3);
		budget->dimensions[i].changed = false;
	}
}

/* Those that were there: their outcomes are the recorded ones, and nothing of them is to be written. */
static void take_keys(bench_floor *floor, unsigned char *applied)
{
	floor_batch *batch = &floor->batch;
	const PGresult *result = floor->pipeline.answers[READ_KEYS];
	for (int row = 0; row < PQntuples(result); row++) {
		uint32_t at = batch->keys[floor_number_at(result, row, 0) - 1].report;
		if (floor_number_at(result, row, 1) != batch->digests[at])
			floor_die("replay", "the key was used with another payload");
		applied[at] = floor_number_at(result, row, 2) == FLOOR_OK;
		batch->outcomes[at] = FLOOR_REFUSED + 1;
	}
}

/* The first round trip. */
static void read_all(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	floor_batch *batch = &floor->batch;
	ask_for_budgets(floor, reports, count);
	for (size_t i = 0; i < count; i++) {
		batch->outcomes[i] = FLOOR_OK;
		if (!reports[i].idempotency_key)
			continue;
		batch->digests[i] = floor_digest(&reports[i]);
		batch->keys[batch->keys_count++].report = (uint32_t)i;
	}
	bool looks = floor->look_first && batch->keys_count;
	if (looks) {
		put_keys(floor, reports);
		floor_queue(&floor->pipeline, READ_KEYS);
	}
	/* Report by report, the one before writes in this round trip, too. */
	if (!floor_exchange(&floor->pipeline))
		floor_die("write a key", "a batch has a key twice");
	take_budgets(floor);
	if (looks)
		take_keys(floor, applied);
}

/* ---- reports: writing --------------------------------------------------------------------------------------- */

static void write_keys(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms)
{
	floor_batch *batch = &floor->batch;
	floor_pipeline *pipeline = &floor->pipeline;
	floor_batch_sort(batch, reports, count);
	if (!batch->keys_count)
		return;
	floor_begin_array(pipeline, floor->keys, batch->keys_count);
	for (size_t i = 0; i < batch->keys_count; i++) {
		uint32_t at = batch->keys[i].report;
		const ff_report *report = &reports[at];
		floor_begin_row(pipeline, 5);
		floor_put_text_column(pipeline, report->idempotency_key, strlen(report->idempotency_key));
		floor_put_text_column(pipeline, report->budget_id, strlen(report->budget_id));
		floor_put_number_column(pipeline, batch->digests[at]);
		floor_put_number_column(pipeline, batch->outcomes[at]);
		floor_put_number_column(pipeline, (uint64_t)expires_at_ms);
		floor_end_row(pipeline);
	}
	floor_end_parameter(pipeline);
	floor_queue(pipeline, WRITE_KEYS);
}

static void put_usage(floor_pipeline *pipeline, const floor_budget *budget)
{
	for (unsigned i = 0; i < budget->dimensions_count; i++) {
		const char *name = budget->dimensions[i].name;
		if (!budget->dimensions[i].changed)
			continue;
		floor_begin_row(pipeline, 3);
		floor_put_text_column(pipeline, budget->id, budget->id_size);
		floor_put_text_column(pipeline, name, strlen(name));
		floor_put_number_column(pipeline, budget->dimensions[i].used);
		floor_end_row(pipeline);
	}
}

static void write_usage(bench_floor *floor)
{
	const floor_batch *batch = &floor->batch;
	size_t rows = 0;
	for (size_t i = 0; i < batch->budgets_count; i++)
		for (unsigned j = 0; j < batch->budgets[i].dimensions_count; j++)
			rows += batch->budgets[i].dimensions[j].changed;
	if (!rows)
		return;
	floor_begin_array(&floor->pipeline, floor->usage, rows);
	for (size_t i = 0; i < batch->budgets_count; i++)
		put_usage(&floor->pipeline, &batch->budgets[i]);
	floor_end_parameter(&floor->pipeline);
	floor_queue(&floor->pipeline, WRITE_USAGE);
}

static void write_breaches(bench_floor *floor)
{
	const floor_batch *batch = &floor->batch;
	size_t rows = 0;
	for (size_t i = 0; i < batch->budgets_count; i++)
		rows += batch->budgets[i].breaches > 0;
	if (!rows)
		return;
	floor_begin_array(&floor->pipeline, FLOOR_TEXTS, rows);
	for (size_t i = 0; i < batch->budgets_count; i++)
		if (batch->budgets[i].breaches)
			floor_put_text(&floor->pipeline, batch->budgets[i].id, batch->budgets[i].id_size);
	floor_end_parameter(&floor->pipeline);
	floor_begin_array(&floor->pipeline, FLOOR_NUMBERS, rows);
	for (size_t i = 0; i < batch->budgets_count; i++)
		if (batch->budgets[i].breaches)
			floor_put_number(&floor->pipeline, batch->budgets[i].breaches);
	floor_end_parameter(&floor->pipeline);
	floor_queue(&floor->pipeline, WRITE_BREACHES);
}

static void report_some(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms,
                        unsigned char *applied)
{
	floor_batch *batch = &floor->batch;
	floor_batch_begin(batch, count);
	read_all(floor, reports, count, applied);
	for (size_t i = 0; i < count; i++) {
		bool fresh;
		if (batch->outcomes[i] != FLOOR_OK)
			continue;
		batch->outcomes[i] = floor_decide(floor_batch_budget(batch, reports[i].budget_id, &fresh), &reports[i]);
		applied[i] = batch->outcomes[i] == FLOOR_OK;
	}
	write_keys(floor, reports, count, expires_at_ms);
	write_usage(floor);
	write_breaches(floor);
}

/* False where a key was no fresh one. */
static bool report_all(bench_floor *floor, const ff_report *reports, size_t count, int64_t expires_at_ms,
                       unsigned char *applied)
{
	size_t step = floor->is_plain ? 1 : count;
	floor_queue(&floor->pipeline, BEGIN);
	for (size_t i = 0; i < count; i += step)
		report_some(floor, reports + i, step, expires_at_ms, applied + i);
	floor_queue(&floor->pipeline, COMMIT);
	return floor_exchange(&floor->pipeline);
}

static void report(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied)
{
	int64_t expires_at_ms = floor_now_ms() + FLOOR_KEY_TTL_MS;
	while (!report_all(floor, reports, count, expires_at_ms, applied)) {
		if (floor->look_first)
			floor_die("write a key", "a batch has a key twice");
		floor_queue(&floor->pipeline, ROLLBACK);
		floor->look_first = true;
	}
}

/* ---- the way to the server ---------------------------------------------------------------------------------- */

/* The least that an empty statement takes: what was more was no distance. */
static double round_trip_ms(const char *path)
{
	int64_t least_ns = INT64_MAX;
	char *schema;
	PGconn *pg = connect_to(path, &schema);
	for (size_t i = 0; i < 21; i++) {
		struct timespec before, after;
		clock_gettime(CLOCK_MONOTONIC, &before);
		must_run(pg, "", "ask nothing");
		clock_gettime(CLOCK_MONOTONIC, &after);
		int64_t took_ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
		least_ns = took_ns < least_ns ? took_ns : least_ns;
	}
	PQfreemem(schema);
	PQfinish(pg);
	return (double)least_ns / 1e6;
}

const bench_floor_ops bench_floor_postgres = {
	.scheme = "postgres",
	.exists = schema_exists,
	.remove = drop_schema,
	.round_trip_ms = round_trip_ms,
	.open = open_floor,
	.close = close_floor,
	.create = create,
	.report = report,
	.usage = usage_of,
};
