/* The pipeline: statements with their parameters are queued, sent in one go, and answered in order. */
#include "store.h"

#include <stdio.h>

#include <endian.h>

/* ---- parameters, in the server's binary format ----------------------------------------------------------------- */

static void add_bytes(ff_txn *txn, const void *bytes, size_t size)
{
	char *at = size ? ffp_postgres_list_add(txn, &txn->bytes, size, 1) : NULL;
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

void ffp_postgres_params_begin(ff_txn *txn)
{
	txn->bytes.count = 0;
	txn->params_count = 0;
}

static void end_param(ff_txn *txn)
{
	txn->params_end[txn->params_count++] = txn->bytes.count;
}

void ffp_postgres_param_value(ff_txn *txn, const ff_table *table, unsigned column, const ff_row *row)
{
	add_value(txn, &table->columns[column], row);
	end_param(txn);
}

void ffp_postgres_param_int64(ff_txn *txn, int64_t value)
{
	add_int64(txn, value);
	end_param(txn);
}

/* None is empty. */
static void begin_array(ff_txn *txn, uint32_t type, size_t count)
{
	add_int32(txn, 1); /* dimension */
	add_int32(txn, 0); /* no element is NULL */
	add_int32(txn, type);
	add_int32(txn, (uint32_t)count);
	add_int32(txn, 1); /* the first element's number */
}

void ffp_postgres_param_locks(ff_txn *txn, const int64_t *locks, size_t count)
{
	begin_array(txn, FFP_POSTGRES_OID_INT64, count);
	for (size_t i = 0; i < count; i++) {
		add_int32(txn, sizeof(int64_t));
		add_int64(txn, locks[i]);
	}
	end_param(txn);
}

static void add_cell(ff_txn *txn, const ffp_postgres_attribute *attribute, const ff_table *table, uint32_t mask,
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
	const ffp_postgres_row_type *type = (const ffp_postgres_row_type *)txn->types.items + table->id;
	const ffp_postgres_attribute *attributes = (const ffp_postgres_attribute *)txn->attributes.items + type->first;
	size_t at = txn->bytes.count;
	add_int32(txn, 0); /* its size, below */
	add_int32(txn, (uint32_t)type->count);
	for (size_t i = 0; i < type->count; i++)
		add_cell(txn, &attributes[i], table, mask, row);
	uint32_t size = htobe32((uint32_t)(txn->bytes.count - at - sizeof(size)));
	if (!txn->no_memory)
		memcpy((char *)txn->bytes.items + at, &size, sizeof(size));
}

void ffp_postgres_param_rows(ff_txn *txn, const ff_table *table, uint32_t mask, size_t first, size_t count)
{
	const ff_row *const *rows = txn->rows.items;
	const ffp_postgres_row_type *types = txn->types.items;
	begin_array(txn, types[table->id].type, count);
	for (size_t i = 0; i < count; i++)
		add_row(txn, table, mask, rows[first + i]);
	end_param(txn);
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

/* What LOCK adds, for answer_lock: whether its locks may be let go before the commit is durable, and whether there may be
 * such commits by then. With standbys they are kept: a session that waits for one that is gone notices nothing any more,
 * and by the lock it is one a root that does. */
#define LOCK_TELLS                                                                            \
	", current_setting('synchronous_standby_names') = '', pg_current_wal_insert_lsn() > " \
	"pg_current_wal_flush_lsn() "

/* Those that name no table, by kind and shape. A write transaction must see what the holder of its locks before it has
 * committed, so each of its statements has a snapshot of its own. LOCK: $1 are keys in ascending order, $2 is the one
 * among them that is only shared. LOCK_ROOT: that one is $1, and the root's is $2. */
static const char *const plain_sql[][3] = {
	[FFP_POSTGRES_BEGIN] = { [FF_TXN_READ] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	                         [FF_TXN_WRITE] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" },
	[FFP_POSTGRES_SESSION] = { "SELECT" },
	[FFP_POSTGRES_LOCK] = { "SELECT count(CASE k WHEN $2 THEN pg_advisory_xact_lock_shared(k)"
	                        " ELSE pg_advisory_xact_lock(k) END)" LOCK_TELLS "FROM unnest($1::bigint[]) k",
	                        "SELECT 1 / bool_and(CASE k WHEN $2 THEN pg_try_advisory_xact_lock_shared(k)"
	                        " ELSE pg_try_advisory_xact_lock(k) END)::int" LOCK_TELLS
	                        "FROM unnest($1::bigint[]) k" },
	[FFP_POSTGRES_LOCK_ROOT] = { "SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)" },
	[FFP_POSTGRES_VERSION] = { "SELECT version FROM ff_schema" },
	[FFP_POSTGRES_LET_GO] = { "SET LOCAL synchronous_commit TO off" },
	[FFP_POSTGRES_COMMIT] = { "COMMIT" },
	[FFP_POSTGRES_ROLLBACK] = { "ROLLBACK" },
	/* A record in the log, whose own commit is waited for, and so all that is in front of it. */
	[FFP_POSTGRES_HARDEN] = { "SELECT pg_logical_emit_message(true, 'ff', '')" },
};

/* The version is $1, and the rows of each table are one parameter more. */
static void write_expectation(ff_sql_text *sql, const ff_catalog *catalog, uint32_t tables)
{
	unsigned number = 1;
	ff_sql_append(sql, "SELECT 1 / ((SELECT count(*) = 1 AND min(version) = $1 FROM ff_schema)");
	for (uint32_t i = 0; i < catalog->tables_count; i++) {
		if (!(tables >> i & 1u))
			continue;
		ff_sql_append(sql, " AND ");
		ff_sql_expect_rows(sql, &ffp_postgres_dialect, &catalog->tables[i], ++number);
	}
	ff_sql_append(sql, ")::int");
}

/* Looked at before the rest is done: one of the two texts is no number (22P02). */
void ffp_postgres_write_session(const ff_txn *txn, ff_sql_text *sql)
{
	ff_sql_append(sql, " WHERE (CASE current_setting('ff.session', true) WHEN '");
	ff_sql_append(sql, txn->session);
	ff_sql_append(sql, "' THEN '0' ELSE '" FFP_POSTGRES_NOT_OURS "' END)::int = 0");
}

static void write_sql(const ff_txn *txn, ff_sql_text *sql, const ffp_postgres_sent *what)
{
	const ff_catalog *catalog = txn->store->catalog;
	const ff_sql_dialect *dialect = &ffp_postgres_dialect;
	ff_sql_clear(sql);
	switch (what->kind) {
	case FFP_POSTGRES_SELECT_KEYS:
		ff_sql_select_keys(sql, dialect, what->table);
		break;
	case FFP_POSTGRES_SELECT_RANGE:
		ff_sql_select_range(sql, dialect, what->range);
		break;
	case FFP_POSTGRES_EXPECT:
		write_expectation(sql, catalog, what->shape);
		break;
	case FFP_POSTGRES_INSERT:
		ff_sql_insert_rows(sql, dialect, what->table);
		break;
	case FFP_POSTGRES_UPDATE:
		ff_sql_update_rows(sql, dialect, what->table, what->shape);
		break;
	case FFP_POSTGRES_DELETE:
		ff_sql_delete_keys(sql, dialect, what->table);
		break;
	case FFP_POSTGRES_DELETE_RANGE:
		ff_sql_delete_range(sql, dialect, what->range);
		break;
	default:
		ff_sql_append(sql, plain_sql[what->kind][what->shape]);
		if (what->kind >= FFP_POSTGRES_SESSION && what->kind <= FFP_POSTGRES_LOCK_ROOT)
			ffp_postgres_write_session(txn, sql);
	}
}

static bool note_sent(ff_txn *txn, ffp_postgres_sent what)
{
	ffp_postgres_sent *place = ffp_postgres_list_add(txn, &txn->sent, 1, sizeof(*place));
	if (place)
		*place = what;
	return place != NULL;
}

static bool prepare(ff_txn *txn, const ffp_postgres_sent *what, uint64_t key, const char *name)
{
	const ffp_postgres_sent preparation = { .kind = FFP_POSTGRES_PREPARE, .place = txn->prepared.count };
	uint64_t *added = ffp_postgres_list_add(txn, &txn->prepared, 1, sizeof(*added));
	if (added)
		*added = key;
	write_sql(txn, &txn->sql, what);
	return added && !txn->sql.failed && note_sent(txn, preparation) &&
	       PQsendPrepare(txn->pg, name, txn->sql.data, 0, NULL);
}

static bool execute(ff_txn *txn, const char *name)
{
	const char *values[FFP_POSTGRES_PARAMS_MAX];
	int sizes[FFP_POSTGRES_PARAMS_MAX];
	int formats[FFP_POSTGRES_PARAMS_MAX];
	for (unsigned i = 0; i < txn->params_count; i++) {
		size_t at = i ? txn->params_end[i - 1] : 0;
		values[i] = (const char *)txn->bytes.items + at;
		sizes[i] = (int)(txn->params_end[i] - at);
		formats[i] = 1;
	}
	return PQsendQueryPrepared(txn->pg, name, (int)txn->params_count, values, sizes, formats, 1);
}

bool ffp_postgres_send(ff_txn *txn, ffp_postgres_sent what)
{
	uint64_t table = what.table ? what.table->id : 0;
	uint64_t key = (uint64_t)what.kind << 48 | table << 32 | what.shape;
	const uint64_t *keys = txn->prepared.items;
	size_t place = 0;
	char name[48];
	while (place < txn->prepared.count && keys[place] != key)
		place++;
	/* A pooler may leave in the session what others have prepared. */
	snprintf(name, sizeof(name), "ff%s_%zu", txn->session, place);
	bool sent = !txn->no_memory && (place < txn->prepared.count || prepare(txn, &what, key, name)) &&
	            note_sent(txn, what) && execute(txn, name);
	txn->no_memory |= !sent && PQstatus(txn->pg) == CONNECTION_OK;
	return sent;
}

bool ffp_postgres_send_plain(ff_txn *txn, ffp_postgres_statement_kind kind, uint32_t shape)
{
	ffp_postgres_params_begin(txn);
	return ffp_postgres_send(txn, (ffp_postgres_sent){ .kind = kind, .shape = shape });
}

/* ---- the exchange ---------------------------------------------------------------------------------------------- */

/* What came for one of the things that were sent. From ENDED on the connection is of no use. */
typedef enum reply {
	DONE,
	SKIPPED, /* one in front of it FAILED, and the server has not looked at it */
	FAILED,  /* the server says why, and the session goes on */
	ENDED,   /* the server says why, and the session is over */
	NOTHING /* the connection was lost, on this side of a pooler or behind it, or libpq had no memory for what came */
} reply;

/* Whether these are the server's own words, where a pooler may say as much in the place of one that it has lost, which may go
 * on: of an error of the connection or the system, or the session's end. The server names the place in its source. */
static bool is_servers_own(const PGresult *result, const char *state)
{
	static const char *const poolers[] = { "08", "25P", "57P", "58" };
	bool is_poolers = !state;
	for (size_t i = 0; !is_poolers && i < sizeof(poolers) / sizeof(*poolers); i++)
		is_poolers = strncmp(state, poolers[i], strlen(poolers[i])) == 0;
	return !is_poolers || PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
}

static bool is_end_of_session(const char *state)
{
	return state && (strncmp(state, "57P", 3) == 0 || strncmp(state, "25P", 3) == 0);
}

static reply reply_of(const ffp_postgres_sent *sent, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_PIPELINE_SYNC:
		return DONE;
	case PGRES_PIPELINE_ABORTED:
		return SKIPPED;
	default: /* what libpq says by itself has neither severity nor state */
		if (!severity || !is_servers_own(result, state))
			return NOTHING;
		if (strcmp(severity, "ERROR") == 0 && sent->kind != FFP_POSTGRES_SYNC)
			return FAILED;
		return is_end_of_session(state) ? ENDED : NOTHING;
	}
}

/* COMMIT was answered. Where more comes behind it than the end, that is what makes it last. */
static ff_code answer_commit(ff_txn *txn, const ffp_postgres_sent *sent, PGresult *result, const char *doing,
                             ff_error *error)
{
	bool committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
	txn->stage = committed && sent[1].kind != FFP_POSTGRES_SYNC ? FFP_POSTGRES_HARDENING : FFP_POSTGRES_OVER;
	if (!committed)
		return ff_error_set(error, FF_E_IO, "cannot %s '%s': it was rolled back", doing, txn->store->name);
	return FF_OK;
}

/* The connection is over, or an answer is missing. Where COMMIT was on its way, or what it did may not last, nobody knows
 * what has become of the transaction. */
static ff_code lose(ff_txn *txn, const PGresult *result, const char *doing, ff_error *error)
{
	ff_code code = txn->no_memory ? ff_error_set(error, FF_E_NO_MEMORY, "out of memory for statements")
	                              : ffp_postgres_fail(txn, result, doing, error);
	if (txn->stage >= FFP_POSTGRES_COMMITTING && txn->writes_count)
		code = error->code = FF_E_COMMIT_UNKNOWN;
	else if (code != FF_E_NO_MEMORY && code != FF_E_CONFLICT && code != FF_E_DEADLINE)
		code = error->code = FF_E_IO;
	error->retryable = code != FF_E_NO_MEMORY;
	return code;
}

#define STATEMENT_TIMEOUT "57014"

static bool is_lock(const ffp_postgres_sent *sent)
{
	return sent->kind == FFP_POSTGRES_LOCK || sent->kind == FFP_POSTGRES_LOCK_ROOT;
}

/* lock_timeout is for each of the locks of a statement, and what ends the wait for all of them is statement_timeout. */
static ff_code timed_out(ff_error *error)
{
	error->retryable = true;
	return error->code = FF_E_BUSY;
}

/*
 * What came means for a transaction that has gone well so far and is not over:
 *
 *              in front of COMMIT        for COMMIT                 behind it
 *     DONE     an answer                 committed, or rolled back  an answer
 *     FAILED   COMMIT is not reached     nothing was committed      unknown
 *     ENDED    COMMIT is not reached     unknown                    unknown
 *     NOTHING  unknown                   unknown                    unknown
 */
static ff_code heed(ff_txn *txn, ff_arena *arena, const ffp_postgres_sent *sent, reply came, PGresult *result,
                    const char *doing, ff_error *error)
{
	if (came == DONE)
		return sent->kind == FFP_POSTGRES_COMMIT ? answer_commit(txn, sent, result, doing, error)
		                                         : ffp_postgres_answer(txn, arena, sent, result, error);
	if ((came == FAILED || came == ENDED) && txn->stage == FFP_POSTGRES_COMMITTING &&
	    sent->kind != FFP_POSTGRES_COMMIT)
		txn->stage = FFP_POSTGRES_OPEN;
	if (came == FAILED && sent->kind == FFP_POSTGRES_LOCK)
		ffp_postgres_lock_failed(txn);
	if (came != FAILED || txn->stage == FFP_POSTGRES_HARDENING)
		return lose(txn, result, doing, error);
	ff_code code = ffp_postgres_fail(txn, result, doing, error);
	return is_lock(sent) && strcmp(error->native_code, STATEMENT_TIMEOUT) == 0 ? timed_out(error) : code;
}

/* What ends the transaction before. Where that fails, and there is something to end, the server refuses BEGIN; and where
 * there is nothing, what comes behind it is done all the same. */
static bool is_rollback(const ffp_postgres_sent *sent)
{
	return sent[sent->kind == FFP_POSTGRES_PREPARE].kind == FFP_POSTGRES_ROLLBACK;
}

/* Reads every answer, up to the last one or where the connection is lost: what libpq still holds then answers nobody
 * knows which of the others. */
static ff_code read_all(ff_txn *txn, ff_arena *arena, const char *doing, bool *lost, ff_error *error)
{
	ff_code code = FF_OK;
	const ffp_postgres_sent *sent = txn->sent.items;
	for (const ffp_postgres_sent *end = sent + txn->sent.count; sent < end && !*lost; sent++) {
		PGresult *result = ffp_postgres_next_result(txn, lost);
		reply came = reply_of(sent, result);
		bool tells = came >= ENDED || !is_rollback(sent);
		if (tells && code == FF_OK && txn->stage != FFP_POSTGRES_OVER)
			code = heed(txn, arena, sent, came, result, doing, error);
		if (sent->kind == FFP_POSTGRES_PREPARE && came != DONE && sent->place < txn->prepared.count)
			txn->prepared.count = sent->place; /* nor is any behind it */
		*lost |= came >= ENDED || (tells && ffp_postgres_is_outdated(result));
		do
			PQclear(result);
		while (sent->kind != FFP_POSTGRES_SYNC && !*lost &&
		       (result = ffp_postgres_next_result(txn, lost)) != NULL);
	}
	return code;
}

/* The end of a pipeline: what failed holds up no more than what lies in front of it. */
static bool send_sync(ff_txn *txn)
{
	return note_sent(txn, (ffp_postgres_sent){ .kind = FFP_POSTGRES_SYNC }) && !txn->no_memory &&
	       PQpipelineSync(txn->pg);
}

ff_code ffp_postgres_exchange(ff_txn *txn, ff_arena *arena, const char *doing, ff_error *error)
{
	ff_code code = FF_OK;
	bool lost = !send_sync(txn) || PQstatus(txn->pg) != CONNECTION_OK || !ffp_postgres_flush(txn);
	if (!lost)
		code = read_all(txn, arena, doing, &lost, error);
	if (lost && code == FF_OK && txn->stage != FFP_POSTGRES_OVER)
		code = lose(txn, NULL, doing, error);
	txn->sent.count = 0;
	if (lost)
		ffp_postgres_disconnect(txn);
	return code;
}

void ffp_postgres_roll_back(ff_txn *txn)
{
	bool open = txn->stage >= FFP_POSTGRES_OPEN && txn->stage <= FFP_POSTGRES_COMMITTING;
	if (txn->pg && open &&
	    !(ffp_postgres_send_plain(txn, FFP_POSTGRES_ROLLBACK, 0) && send_sync(txn) && PQflush(txn->pg) == 0))
		ffp_postgres_disconnect(txn);
	txn->stage = FFP_POSTGRES_NEW;
}
