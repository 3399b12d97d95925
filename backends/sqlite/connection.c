/* Connections: opening them, the statements that they keep, and what SQLite's result codes mean. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/full.h"

const ff_sql_dialect ffp_sqlite_dialect = {
	.placeholder = '?',
	.quote = '"',
	.type_int64 = "INTEGER",
	.type_text = "TEXT",
	.table_suffix = " STRICT, WITHOUT ROWID",
	.index_hint = " INDEXED BY ",
};

/* ---- errors ------------------------------------------------------------------------------------------------- */

static ff_code code_of(int result, int system_error)
{
	switch (result & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL: /* lost too many races for the WAL's index */
		return FF_E_BUSY;
	case SQLITE_FULL:
		return FF_E_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* all statements are ours, so a table or column must be gone, or not ours */
		return FF_E_CORRUPT;
	case SQLITE_NOMEM:
		return FF_E_NO_MEMORY;
	case SQLITE_IOERR:
		if (result == SQLITE_IOERR_NOMEM)
			return FF_E_NO_MEMORY;
		if (result == SQLITE_IOERR_DELETE_NOENT) /* of two who make a store, one has removed the old log */
			return FF_E_BUSY;
		return ffp_is_full(system_error) ? FF_E_FULL : FF_E_IO;
	default:
		return FF_E_IO;
	}
}

ff_code ffp_sqlite_fail(sqlite3 *db, int result, const char *doing, const char *path, ff_error *error)
{
	int last_error = errno; /* SQLite does not keep that of a failed COMMIT */
	int primary = result & 0xff;
	bool from_system = db && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN);
	int system_error = from_system ? sqlite3_system_errno(db) : 0;
	if (primary == SQLITE_IOERR && ffp_is_full(last_error))
		system_error = last_error;
	const char *text = db && (sqlite3_errcode(db) & 0xff) == primary ? sqlite3_errmsg(db) : sqlite3_errstr(result);
	if (result == SQLITE_READONLY_DIRECTORY)
		text = "its directory cannot be written";
	ff_code code = ff_error_set(error, code_of(result, system_error), "cannot %s '%s': %s%s%s", doing, path, text,
	                            system_error ? ": " : "", system_error ? strerror(system_error) : "");
	snprintf(error->native_code, sizeof(error->native_code), "%d", result);
	return code;
}

/* ---- statements --------------------------------------------------------------------------------------------- */

static size_t place_of(const ffp_sqlite_statement *statements, size_t capacity, uint64_t key)
{
	size_t mask = capacity - 1;
	size_t place = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
	while (statements[place].statement && statements[place].key != key)
		place = (place + 1) & mask;
	return place;
}

static bool grow(ff_txn *connection)
{
	const ff_allocator *allocator = connection->store->allocator;
	size_t old = connection->statements_capacity;
	size_t capacity = old ? 2 * old : 64;
	ffp_sqlite_statement *statements =
	    allocator->resize(allocator->context, NULL, 0, capacity * sizeof(*statements));
	if (!statements)
		return false;
	memset(statements, 0, capacity * sizeof(*statements));
	for (size_t i = 0; i < old; i++)
		if (connection->statements[i].statement)
			statements[place_of(statements, capacity, connection->statements[i].key)] =
			    connection->statements[i];
	if (old)
		allocator->resize(allocator->context, connection->statements, old * sizeof(*statements), 0);
	connection->statements = statements;
	connection->statements_capacity = capacity;
	return true;
}

static void write_sql(ff_sql_text *sql, ffp_sqlite_statement_kind kind, const ff_table *table, uint32_t shape,
                      const ff_read *range)
{
	const ff_sql_dialect *dialect = &ffp_sqlite_dialect;
	switch (kind) {
	case FFP_SQLITE_SELECT_KEY:
		ff_sql_select_key(sql, dialect, table);
		break;
	case FFP_SQLITE_SELECT_RANGE:
		ff_sql_select_range(sql, dialect, range);
		break;
	case FFP_SQLITE_INSERT:
		ff_sql_insert(sql, dialect, table);
		break;
	case FFP_SQLITE_UPDATE:
		ff_sql_update(sql, dialect, table, shape);
		break;
	case FFP_SQLITE_DELETE_KEY:
		ff_sql_delete_key(sql, dialect, table);
		break;
	case FFP_SQLITE_DELETE_RANGE:
		ff_sql_delete_range(sql, dialect, range);
		break;
	case FFP_SQLITE_BEGIN:
		ff_sql_append(sql, shape == FF_TXN_WRITE ? "BEGIN IMMEDIATE" : "BEGIN");
		break;
	case FFP_SQLITE_COMMIT:
		ff_sql_append(sql, "COMMIT");
		break;
	case FFP_SQLITE_ROLLBACK:
		ff_sql_append(sql, "ROLLBACK");
		break;
	case FFP_SQLITE_VERSION:
		ff_sql_append(sql, "SELECT version FROM ff_schema");
		break;
	}
}

static ff_code prepare(ff_txn *connection, ffp_sqlite_statement_kind kind, const ff_table *table, uint32_t shape,
                       const ff_read *range, sqlite3_stmt **statement, ff_error *error)
{
	ff_sql_text *sql = &connection->sql;
	ff_sql_clear(sql);
	write_sql(sql, kind, table, shape, range);
	if (sql->failed)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement");
	int result = sqlite3_prepare_v3(connection->db, sql->data, (int)sql->size + 1, SQLITE_PREPARE_PERSISTENT,
	                                statement, NULL);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(connection->db, result, "use", connection->store->path, error);
	return FF_OK;
}

/* The place of a statement, whether it is there or not; NULL where there are no places yet. */
static ffp_sqlite_statement *find(const ff_txn *connection, uint64_t key)
{
	size_t capacity = connection->statements_capacity;
	return capacity ? &connection->statements[place_of(connection->statements, capacity, key)] : NULL;
}

ff_code ffp_sqlite_statement_get(ff_txn *connection, ffp_sqlite_statement_kind kind, const ff_table *table,
                                 uint32_t shape, const ff_read *range, sqlite3_stmt **statement, ff_error *error)
{
	uint64_t key = (uint64_t)kind << 48 | (uint64_t)(table ? table->id : 0) << 32 | shape;
	ffp_sqlite_statement *kept = find(connection, key);
	if (kept && kept->statement) { /* which no memory is needed for, however many there are */
		*statement = kept->statement;
		return FF_OK;
	}
	if (2 * connection->statements_count >= connection->statements_capacity) {
		if (!grow(connection))
			return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a statement");
		kept = find(connection, key);
	}
	ff_code code = prepare(connection, kind, table, shape, range, &kept->statement, error);
	if (code != FF_OK)
		return code;
	kept->key = key;
	connection->statements_count++;
	*statement = kept->statement;
	return FF_OK;
}

void ffp_sqlite_statement_done(sqlite3_stmt *statement)
{
	sqlite3_reset(statement); /* each use binds every parameter anew */
}

int ffp_sqlite_statement_run(sqlite3_stmt *statement)
{
	int result = sqlite3_step(statement);
	sqlite3_reset(statement);
	return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void close_database(ff_txn *connection)
{
	for (size_t i = 0; i < connection->statements_capacity; i++) {
		sqlite3_finalize(connection->statements[i].statement);
		connection->statements[i].statement = NULL;
	}
	connection->statements_count = 0;
	sqlite3_close(connection->db);
	connection->db = NULL;
}

int ffp_sqlite_on_busy(void *context, int count)
{
	ff_wait *wait = context;
	if (count == 0)
		ff_wait_start(wait);
	return ff_wait_pause(wait);
}

static ff_code set_up(ff_txn *connection, bool writes, ff_error *error)
{
	/* In WAL mode FULL syncs the log at every commit, and its directory when the log is new: an acknowledged commit
	 * survives loss of power. EXTRA would add nothing there. fullfsync matters on macOS alone. */
	static const char *const synchronous[] = {
		[FF_DURABILITY_FULL] = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON",
		[FF_DURABILITY_NORMAL] = "PRAGMA synchronous = NORMAL",
		[FF_DURABILITY_NONE] = "PRAGMA synchronous = OFF",
	};
	const ff_store *store = connection->store;
	sqlite3_extended_result_codes(connection->db, 1);
	sqlite3_busy_handler(connection->db, ffp_sqlite_on_busy, &connection->wait);
	/* Else a column that is missing is read as a text, its own name. */
	sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	const char *pragma = writes ? synchronous[store->durability] : "PRAGMA query_only = ON";
	int result = sqlite3_exec(connection->db, pragma, NULL, NULL, NULL);
	/* A log that a slow reader made long gives its room back. */
	if (result == SQLITE_OK && writes)
		result = sqlite3_exec(connection->db, "PRAGMA journal_size_limit = 67108864", NULL, NULL, NULL);
	if (writes)
		ffp_sqlite_log_watch(connection);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(connection->db, result, "open", store->path, error);
	/* Ready before it is needed: where memory is out, a transaction must end all the same. */
	sqlite3_stmt *statement;
	return ffp_sqlite_statement_get(connection, FFP_SQLITE_ROLLBACK, NULL, 0, NULL, &statement, error);
}

/* Each transaction has its connection to itself, and its pages, whatever the host has enabled. */
#define OPEN_FLAGS (SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE)

static ff_code open_file(ff_txn *connection, bool writes, ff_error *error)
{
	const ff_store *store = connection->store;
	int flags = OPEN_FLAGS | SQLITE_OPEN_READWRITE | (writes ? SQLITE_OPEN_CREATE : 0);
	int result = sqlite3_open_v2(store->path, &connection->db, flags, NULL);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(connection->db, result, "open", store->path, error);
	ffp_sqlite_file_take(connection);
	/* SQLite opens for reading what it may not write. */
	if (writes && sqlite3_db_readonly(connection->db, "main"))
		return ff_error_set(error, FF_E_IO, "cannot write to '%s': %s", store->path,
		                    access(store->path, W_OK) ? strerror(errno) : "it is read-only");
	return set_up(connection, writes, error);
}

static const char *wal_path(const ff_txn *connection)
{
	return sqlite3_filename_wal(sqlite3_db_filename(connection->db, "main"));
}

/* Asked of the header's own byte, since a statement would open the log, and create it. */
static bool is_in_wal_mode(const ff_txn *connection)
{
	enum { WRITE_VERSION_AT = 18, WRITE_VERSION_WAL = 2 };
	unsigned char version = 0;
	sqlite3_file *file = NULL;
	sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	return file && file->pMethods &&
	       file->pMethods->xRead(file, &version, sizeof(version), WRITE_VERSION_AT) == SQLITE_OK &&
	       version == WRITE_VERSION_WAL;
}

/*
 * Whether a file in WAL mode has no log, and we could not make one, or not take it away again: who may only read a
 * file must not leave a log that its owner cannot write.
 */
static bool must_do_without_log(const ff_txn *connection)
{
	if (!is_in_wal_mode(connection) || access(wal_path(connection), F_OK) == 0)
		return false;
	if (sqlite3_db_readonly(connection->db, "main"))
		return true;
	int result = sqlite3_exec(connection->db, "PRAGMA schema_version", NULL, NULL, NULL) & 0xff;
	return result == SQLITE_CANTOPEN || result == SQLITE_READONLY;
}

static struct timespec written_at(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? status.st_mtim : (struct timespec){ 0 };
}

bool ffp_sqlite_connection_is_overtaken(const ff_txn *connection)
{
	if (!connection->once)
		return false;
	struct timespec now = written_at(connection->store->path), then = connection->as_of;
	return now.tv_sec != then.tv_sec || now.tv_nsec != then.tv_nsec;
}

ff_code ffp_sqlite_connection_answer(const ff_txn *connection, ff_code code, ff_error *error)
{
	return ffp_sqlite_connection_is_overtaken(connection)
	           ? ff_error_set(error, FF_E_BUSY, "'%s' was written to while it was read without a log",
	                          connection->store->path)
	           : code;
}

/* Opens the file once more, to read it as it is, for one transaction: a writer with more rights may come after it. */
static ff_code open_unchanging(ff_txn *connection, ff_error *error)
{
	const ff_store *store = connection->store;
	ff_sql_text *uri = &connection->sql;
	ff_sql_clear(uri);
	ff_sql_append(uri, "file://"); /* of no host, though the path may begin with two slashes */
	for (const char *at = store->path; *at; at++) {
		char escaped[4];
		bool plain = *at != '%' && *at != '?' && *at != '#';
		snprintf(escaped, sizeof(escaped), plain ? "%c" : "%%%02x", (unsigned)*at);
		ff_sql_append(uri, escaped);
	}
	ff_sql_append(uri, "?immutable=1");
	if (uri->failed)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's path");
	close_database(connection);
	connection->as_of = written_at(store->path);
	int result =
	    sqlite3_open_v2(uri->data, &connection->db, OPEN_FLAGS | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(connection->db, result, "open", store->path, error);
	connection->once = true;
	return set_up(connection, false, error);
}

ff_code ffp_sqlite_connection_open(ff_store *store, bool writes, ff_txn **connection, ff_error *error)
{
	const ff_allocator *allocator = store->allocator;
	ff_txn *opened = allocator->resize(allocator->context, NULL, 0, sizeof(*opened));
	if (!opened)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a connection");
	*opened = (ff_txn){ .store = store,
		            .wait = { .limit_us = store->busy_timeout_us },
		            .sql = { .allocator = allocator } };
	ff_code code = open_file(opened, writes, error);
	if (code == FF_OK && store->read_only && must_do_without_log(opened))
		code = open_unchanging(opened, error);
	if (code != FF_OK)
		ffp_sqlite_connection_close(opened);
	else
		*connection = opened;
	return code;
}

/* The last connection to a database folds the log into the file, which is no reader's business. */
static void keep_log(ff_txn *connection)
{
	struct stat status;
	const char *path = connection->once ? NULL : wal_path(connection);
	if (path && stat(path, &status) == 0 && status.st_size > 0)
		sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void ffp_sqlite_connection_close(ff_txn *connection)
{
	const ff_store *store = connection->store;
	const ff_allocator *allocator = store->allocator;
	if (store->read_only && connection->db)
		keep_log(connection);
	close_database(connection);
	if (connection->statements)
		allocator->resize(allocator->context, connection->statements,
		                  connection->statements_capacity * sizeof(*connection->statements), 0);
	ff_sql_free(&connection->sql);
	allocator->resize(allocator->context, connection, sizeof(*connection), 0);
}
