/* The pipeline: statements with their parameters are queued, sent in one go, and answered in order. */
#include "store.h"

#include <stdio.h>

#include <endian.h>

/* ---- parameters, in the server's binary format ----------------------------------------------------------------- */

static void add_bytes(ff_txn *txn, const void *bytes, size_t size)
{
	char *at = size ? ffp_list_add(txn, &txn->bytes, size, 1) : NULL;
	if (at)
		memcpy(at, bytes, size);
}

static void add_int32(ff_txn *txn, uint32_t value)
{
	uint32_t wire = htobe32(value);
	add_bytes(txn, &wire, sizeof(wire));
}

static void add_int64(ff_txn *txn, int64_t value)
{
	uint64_t wire = htobe64((uint64_t)value);
	add_bytes(txn, &wire, sizeof(wire));
}

static void add_value(ff_txn *txn, const ff_column *column, const ff_row *row)
{
	if (column->type == FF_TYPE_INT64) {
		add_int64(txn, *ff_row_int64(row, column));
		return;
	}
	const ff_text *text = ff_row_text(row, column);
	add_bytes(txn, text->data, text->size);
}

void ffp_params_begin(ff_txn *txn)
{
	txn->bytes.count = 0;
	txn->params_count = 0;
}

static void end_param(ff_txn *txn)
{
	txn->params_end[txn->params_count++] = txn->bytes.count;
}

void ffp_param_value(ff_txn *txn, const ff_table *table, unsigned column, const ff_row *row)
{
	add_value(txn, &table->columns[column], row);
	end_param(txn);
}

void ffp_param_int64(ff_txn *txn, int64_t value)
{
	add_int64(txn, value);
	end_param(txn);
}

static void begin_array(ff_txn *txn, uint32_t type, size_t count)
{
	add_int32(txn, count ? 1 : 0); /* dimensions */
	add_int32(txn, 0);             /* no element is NULL */
	add_int32(txn, type);
	if (count) {
		add_int32(txn, (uint32_t)count);
		add_int32(txn, 1); /* the first element's number */
	}
}

void ffp_param_lanes(ff_txn *txn, const int64_t *lanes, size_t count)
{
	begin_array(txn, FFP_OID_INT64, count);
	for (size_t i = 0; i < count; i++) {
		add_int32(txn, sizeof(int64_t));
		add_int64(txn, lanes[i]);
	}
	end_param(txn);
}

static void add_cell(ff_txn *txn, const ffp_attribute *attribute, const ff_table *table, uint32_t mask,
                     const ff_row *row)
{
	unsigned at = attribute->column;
	add_int32(txn, attribute->type);
	if (at == FF_COLUMNS_MAX || !(mask >> at & 1u) || ff_row_is_null(row, at)) {
		add_int32(txn, UINT32_MAX);
		return;
	}
	const ff_column *column = &table->columns[at];
	size_t size = column->type == FF_TYPE_TEXT ? ff_row_text(row, column)->size : sizeof(int64_t);
	add_int32(txn, (uint32_t)size);
	add_value(txn, column, row);
}

static void add_row(ff_txn *txn, const ff_table *table, uint32_t mask, const ff_row *row)
{
	const ffp_row_type *type = (const ffp_row_type *)txn->types.items + table->id;
	const ffp_attribute *attributes = (const ffp_attribute *)txn->attributes.items + type->first;
	size_t at = txn->bytes.count;
	add_int32(txn, 0); /* its size, below */
	add_int32(txn, (uint32_t)type->count);
	for (size_t i = 0; i < type->count; i++)
		add_cell(txn, &attributes[i], table, mask, row);
	uint32_t size = htobe32((uint32_t)(txn->bytes.count - at - sizeof(size)));
	if (!txn->no_memory)
		memcpy((char *)txn->bytes.items + at, &size, sizeof(size));
}

void ffp_param_rows(ff_txn *txn, const ff_table *table, uint32_t mask)
{
	const ff_row *const *rows = txn->rows.items;
	const ffp_row_type *types = txn->types.items;
	begin_array(txn, types[table->id].type, txn->rows.count);
	for (size_t i = 0; i < txn->rows.count; i++)
		add_row(txn, table, mask, rows[i]);
	end_param(txn);
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

/* What a statement adds that waits for locks, for answer_lock: whether they may be let go before the commit is durable, and
 * whether there may be such commits by then. With standbys they are kept: a session that waits for one that is gone
 * notices nothing any more, and by the lock it is one a root that does. */
#define LOCK_TELLS                                                                            \
	", current_setting('synchronous_standby_names') = '', pg_current_wal_insert_lsn() > " \
	"pg_current_wal_flush_lsn() "

/* Those that name no table, by kind and shape. A write transaction must see what the holder of its locks before it has
 * committed, so each of its statements has a snapshot of its own. Locks: $1 are keys in ascending order, $2 is the one
 * among them that is only shared. */
static const char *const plain_sql[][3] = {
	[FFP_BEGIN] = { [FF_TXN_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	                [FF_TXN_WRITE] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" },
	[FFP_LOCK] = { "SELECT count(CASE k WHEN $2 THEN pg_advisory_xact_lock_shared(k)"
	               " ELSE pg_advisory_xact_lock(k) END)" LOCK_TELLS "FROM unnest($1::bigint[]) k",
	               "SELECT 1 / bool_and(CASE k WHEN $2 THEN pg_try_advisory_xact_lock_shared(k)"
	               " ELSE pg_try_advisory_xact_lock(k) END)::int" LOCK_TELLS "FROM unnest($1::bigint[]) k" },
	[FFP_VERSION] = { "SELECT version FROM ff_schema" },
	[FFP_EXPECT_VERSION] = { "SELECT 1 / (count(*) = 1 AND min(version) = $1)::int FROM ff_schema" },
	[FFP_LET_GO] = { "SET LOCAL synchronous_commit TO off" },
	[FFP_COMMIT] = { "COMMIT" },
	[FFP_ROLLBACK] = { "ROLLBACK" },
	/* A record in the log, whose own commit is waited for, and so all that is in front of it. */
	[FFP_HARDEN] = { "SELECT pg_logical_emit_message(true, 'ff', '')" },
};

static void write_sql(ff_sql_text *sql, const ffp_sent *what)
{
	const ff_sql_dialect *dialect = &ffp_postgres_dialect;
	ff_sql_clear(sql);
	switch (what->kind) {
	case FFP_SELECT_KEYS:
		ff_sql_select_keys(sql, dialect, what->table);
		break;
	case FFP_SELECT_RANGE:
		ff_sql_select_range(sql, dialect, what->range);
		break;
	case FFP_EXPECT:
		ff_sql_expect_rows(sql, dialect, what->table);
		break;
	case FFP_INSERT:
		ff_sql_insert_rows(sql, dialect, what->table);
		break;
	case FFP_UPDATE:
		ff_sql_update_rows(sql, dialect, what->table, what->shape);
		break;
	case FFP_DELETE:
		ff_sql_delete_keys(sql, dialect, what->table);
		break;
	case FFP_DELETE_RANGE:
		ff_sql_delete_range(sql, dialect, what->range);
		break;
	default:
		ff_sql_append(sql, plain_sql[what->kind][what->shape]);
	}
}

static bool note_sent(ff_txn *txn, ffp_sent what)
{
	ffp_sent *place = ffp_list_add(txn, &txn->sent, 1, sizeof(*place));
	if (place)
		*place = what;
	return place != NULL;
}

/* The place of a statement among those of the connection; a new one is not prepared yet. */
static bool place_of(ff_txn *txn, uint64_t key, size_t *place)
{
	ffp_statement *statements = txn->statements.items;
	for (*place = 0; *place < txn->statements.count; ++*place)
		if (statements[*place].key == key)
			return true;
	ffp_statement *added = ffp_list_add(txn, &txn->statements, 1, sizeof(*added));
	if (added)
		*added = (ffp_statement){ .key = key };
	return added != NULL;
}

static bool prepare(ff_txn *txn, const ffp_sent *what, size_t place, const char *name)
{
	const ffp_sent preparation = { .kind = FFP_PREPARE, .statement = place };
	write_sql(&txn->sql, what);
	return !txn->sql.failed && note_sent(txn, preparation) && PQsendPrepare(txn->pg, name, txn->sql.data, 0, NULL);
}

static bool execute(ff_txn *txn, const char *name)
{
	const char *values[FFP_PARAMS_MAX];
	int sizes[FFP_PARAMS_MAX];
	int formats[FFP_PARAMS_MAX];
	for (unsigned i = 0; i < txn->params_count; i++) {
		size_t at = i ? txn->params_end[i - 1] : 0;
		values[i] = (const char *)txn->bytes.items + at;
		sizes[i] = (int)(txn->params_end[i] - at);
		formats[i] = 1;
	}
	return PQsendQueryPrepared(txn->pg, name, (int)txn->params_count, values, sizes, formats, 1);
}

bool ffp_send(ff_txn *txn, ffp_sent what)
{
	uint64_t table = what.table ? what.table->id : 0;
	uint64_t key = (uint64_t)what.kind << 48 | table << 32 | what.shape;
	size_t place;
	char name[32];
	if (txn->no_memory || !place_of(txn, key, &place))
		return false;
	snprintf(name, sizeof(name), "ff%zu", place);
	bool *prepared = &((ffp_statement *)txn->statements.items)[place].prepared;
	*prepared = *prepared || prepare(txn, &what, place, name);
	bool sent = *prepared && note_sent(txn, what) && execute(txn, name);
	txn->no_memory |= !sent && PQstatus(txn->pg) == CONNECTION_OK;
	return sent;
}

bool ffp_send_plain(ff_txn *txn, ffp_statement_kind kind, uint32_t shape)
{
	ffp_params_begin(txn);
	return ffp_send(txn, (ffp_sent){ .kind = kind, .shape = shape });
}

/* ---- the exchange ---------------------------------------------------------------------------------------------- */

static ff_code answer(ff_txn *txn, ff_arena *arena, const ffp_sent *sent, const PGresult *result, const char *doing,
                      ff_error *error)
{
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		return ffp_postgres_fail(txn, result, doing, error);
	if (sent->kind != FFP_COMMIT)
		return ffp_postgres_answer(txn, arena, sent, result, error);
	bool committed = strcmp(PQcmdStatus((PGresult *)(uintptr_t)result), "COMMIT") == 0;
	txn->open = false;
	txn->committing &= committed && txn->hardens;
	if (!committed)
		return ff_error_set(error, FF_E_IO, "cannot %s '%s': it was rolled back", doing, txn->store->name);
	return FF_OK;
}

/* Where COMMIT was sent and not answered, or what it did may not last, nobody knows, unless a statement before it
 * failed. */
static ff_code lose(ff_txn *txn, const PGresult *result, const char *doing, ff_error *error)
{
	ff_code code = ffp_postgres_fail(txn, result, doing, error);
	if (txn->committing)
		code = error->code = FF_E_COMMIT_UNKNOWN;
	else if (txn->late)
		code = ffp_ask(txn, error);
	else if (code != FF_E_NO_MEMORY && code != FF_E_CONFLICT)
		code = error->code = FF_E_IO;
	/* A call with a key may be sent again all the same, and the core knows which those are. */
	error->retryable = code != FF_E_COMMIT_UNKNOWN;
	return code;
}

static bool has_failed(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_FATAL_ERROR && PQresultErrorField(result, PG_DIAG_SQLSTATE);
}

/* The server ends the session. */
static bool is_fatal(const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity && strcmp(severity, "ERROR") != 0;
}

/* The rows of a table are not made of what they were when the connection began, or the table is another: somebody has
 * changed it, and a new connection finds that out. */
static bool are_types_old(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	return strcmp(state, "42804") == 0 || strcmp(state, "XX000") == 0;
}

/* COMMIT was answered, and what it did may not last yet. */
static bool is_hardening(const ff_txn *txn)
{
	return txn->hardens && !txn->open;
}

/* The answer that says what the transaction did, and that it lasts, whatever is lost after it. */
static bool settles(const ff_txn *txn, const ffp_sent *sent)
{
	return sent->kind == FFP_COMMIT && !txn->hardens;
}

/* Reads what one of the things that were sent is answered. Where the connection is lost, or given up, on the way, what
 * libpq still holds answers nobody knows which of the others. */
static ff_code read_one(ff_txn *txn, ff_arena *arena, const ffp_sent *sent, const char *doing, bool *is_lost,
                        ff_error *error)
{
	bool lost = false;
	ff_code code = FF_OK;
	PGresult *result = ffp_next_result(txn, &lost);
	bool aborted = PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
	bool failed = result && has_failed(result);
	bool is_old = failed && are_types_old(result);
	/* What libpq says by itself, such as that memory is out, stands for an answer that nobody has. */
	lost |= result && !failed && PQresultStatus(result) == PGRES_FATAL_ERROR;
	/* An answer before that of COMMIT says that COMMIT was not reached. */
	if (sent->kind != FFP_COMMIT && (failed || aborted) && !is_hardening(txn))
		txn->committing = false;
	if (sent->kind == FFP_PREPARE && (failed || aborted))
		((ffp_statement *)txn->statements.items)[sent->statement].prepared = false;
	if (failed && (is_fatal(result) || is_hardening(txn)))
		code = lose(txn, result, doing, error);
	else if (result && !aborted && (failed || !lost) && sent->kind != FFP_SYNC)
		code = answer(txn, arena, sent, result, doing, error);
	PQclear(result);
	while (sent->kind != FFP_SYNC && !lost && (result = ffp_next_result(txn, &lost)) != NULL)
		PQclear(result);
	*is_lost = lost || is_old || PQstatus(txn->pg) == CONNECTION_BAD || (failed && sent->kind == FFP_SYNC);
	bool committed = settles(txn, sent) && !txn->committing;
	return code == FF_OK && lost && !committed ? lose(txn, NULL, doing, error) : code;
}

static ff_code read_all(ff_txn *txn, ff_arena *arena, const char *doing, bool *lost, ff_error *error)
{
	ff_code code = FF_OK;
	ff_error ignored;
	bool committed = false;
	for (size_t i = 0; i < txn->sent.count && !*lost; i++) {
		ffp_sent sent = ((const ffp_sent *)txn->sent.items)[i];
		bool tells = code == FF_OK && !committed;
		ff_code one = read_one(txn, arena, &sent, doing, lost, tells ? error : &ignored);
		code = tells ? one : code;
		committed |= settles(txn, &sent) && one == FF_OK;
	}
	txn->sent.count = 0;
	return code;
}

ff_code ffp_exchange(ff_txn *txn, ff_arena *arena, const char *doing, ff_error *error)
{
	if (!note_sent(txn, (ffp_sent){ .kind = FFP_SYNC }) || txn->no_memory) {
		ff_code memory = txn->committing ? FF_E_COMMIT_UNKNOWN : FF_E_NO_MEMORY;
		ffp_disconnect(txn); /* with half of a pipeline sent there is no other way back */
		return ff_error_set(error, memory, "out of memory for statements");
	}
	ff_code code = FF_OK;
	bool lost = PQstatus(txn->pg) != CONNECTION_OK || !PQpipelineSync(txn->pg) || !ffp_flush(txn);
	if (lost)
		code = lose(txn, NULL, doing, error);
	else
		code = read_all(txn, arena, doing, &lost, error);
	if (lost)
		ffp_disconnect(txn);
	return code;
}

void ffp_roll_back(ff_txn *txn)
{
	txn->no_memory = false;
	txn->begun = txn->committing = false;
	if (!txn->pg || !txn->open)
		return;
	bool sent = ffp_send_plain(txn, FFP_ROLLBACK, 0) && note_sent(txn, (ffp_sent){ .kind = FFP_SYNC }) &&
	            PQpipelineSync(txn->pg) && PQflush(txn->pg) == 0;
	txn->open = false;
	if (!sent)
		ffp_disconnect(txn);
}
