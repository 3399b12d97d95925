/* The SQLite backend's slots: opening a store, its transactions, its check. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/full.h"
#include "../support/version.h"
#include "sqlite.h"

/* Readers that are kept open; each holds two of the process's descriptors. */
#define IDLE_MAX 8

#define FILE_CAPS (FF_CAP_DURABLE_COMMIT | FF_CAP_MULTI_PROCESS | FF_CAP_SNAPSHOT_READ)

/* ---- transactions ------------------------------------------------------------------------------------------- */

/* The connection that a transaction of `kind` gets, kept for it alone until release. */
static ff_code acquire_writer(ff_store *store, ff_txn **connection, ff_error *error)
{
	/* An in-memory store has one connection for everything, so a transaction may have to wait for another. */
	ff_wait wait = { .limit_us = store->memory ? store->busy_timeout_us : 0 };
	ff_wait_start(&wait);
	if (!ffp_seat_take(&store->seat, &wait))
		return store->memory
		           ? ff_error_set(error, FF_E_BUSY, "the in-memory store is held by another transaction")
		           : ff_error_set(error, FF_E_MISUSE, "a write transaction is under way already");
	*connection = store->writer;
	ff_wait_give_way(&store->writer->wait);
	/* SQLite's lock knows no queue. It is what counts, and is asked for in any case; who waits for the turn before it does
	 * not look for it in vain. */
	wait.limit_us = store->busy_timeout_us;
	store->has_turn = ffp_turn_take(&store->turn, &wait) == 0;
	store->writer->wait.limit_us = wait.limit_us - wait.slept_us;
	return FF_OK;
}

static ff_code acquire_reader(ff_store *store, ff_txn **connection, ff_error *error)
{
	pthread_mutex_lock(&store->mutex);
	ff_txn *idle = store->idle;
	if (idle) {
		store->idle = idle->next;
		store->idle_count--;
	}
	pthread_mutex_unlock(&store->mutex);
	if (!idle)
		return ffp_sqlite_connection_open(store, false, connection, error);
	*connection = idle;
	return FF_OK;
}

static void release(ff_txn *connection)
{
	ff_store *store = connection->store;
	bool kept = !connection->once;
	if (connection == store->writer) {
		if (store->has_turn)
			ffp_turn_give(&store->turn);
		ffp_seat_give(&store->seat);
		return;
	}
	pthread_mutex_lock(&store->mutex);
	if (kept && store->idle_count < IDLE_MAX) {
		connection->next = store->idle;
		store->idle = connection;
		store->idle_count++;
	} else {
		kept = false;
	}
	pthread_mutex_unlock(&store->mutex);
	if (!kept)
		ffp_sqlite_connection_close(connection);
}

static void roll_back(ff_txn *connection)
{
	ff_error ignored;
	sqlite3_stmt *statement;
	/* SQLite itself has rolled back after some errors. */
	if (!sqlite3_get_autocommit(connection->db) &&
	    ffp_sqlite_statement_get(connection, FFP_SQLITE_ROLLBACK, NULL, 0, NULL, &statement, &ignored) == FF_OK)
		ffp_sqlite_statement_run(statement);
}

/* A number that changes with each commit that a connection makes, or finds made by another. */
static uint32_t content_of(ff_txn *connection)
{
	uint32_t content = 0;
	sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_DATA_VERSION, &content);
	return content;
}

/* Takes the snapshot, and sees to it that no newer library has migrated the store meanwhile. */
static ff_code check_version(ff_txn *connection, ff_error *error)
{
	const ff_store *store = connection->store;
	sqlite3_stmt *statement;
	ff_code code = ffp_sqlite_statement_get(connection, FFP_SQLITE_VERSION, NULL, 0, NULL, &statement, error);
	if (code != FF_OK)
		return code;
	int result = sqlite3_step(statement);
	sqlite3_int64 version = result == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	if (result != SQLITE_ROW && result != SQLITE_DONE)
		code = ffp_sqlite_fail(connection->db, result, "read", store->path, error);
	else if (version != store->catalog->version)
		code = ff_error_set(error, FF_E_IO, "the schema of '%s' is now version %lld, it was %u when opened",
		                    store->path, (long long)version, (unsigned)store->catalog->version);
	ffp_sqlite_statement_done(statement);
	return code;
}

/* Writes over what a commit that failed has left in the log, with one that changes nothing. Whoever then looks what became of
 * it finds what a crash would leave, too. */
static ff_code overwrite_lost(ff_txn *writer, ff_error *error)
{
	int result = sqlite3_exec(writer->db,
	                          "BEGIN IMMEDIATE; UPDATE ff_schema SET version = version + 1;"
	                          "UPDATE ff_schema SET version = version - 1; COMMIT",
	                          NULL, NULL, NULL);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(writer->db, result, "write to", writer->store->path, error);
	writer->in_doubt = false;
	return FF_OK;
}

static ff_code start(ff_txn *connection, ff_txn_kind kind, ff_error *error)
{
	sqlite3_stmt *statement;
	ff_code code = connection->in_doubt ? overwrite_lost(connection, error) : FF_OK;
	if (code == FF_OK)
		code = ffp_sqlite_statement_get(connection, FFP_SQLITE_BEGIN, NULL, kind, NULL, &statement, error);
	if (code != FF_OK)
		return code;
	int result = ffp_sqlite_statement_run(statement);
	if (result != SQLITE_OK)
		return ffp_sqlite_fail(connection->db, result, kind == FF_TXN_WRITE ? "write to" : "read",
		                       connection->store->path, error);
	/* A writer has its snapshot now. Where the store is as it was left by our last commit, its version is, too. */
	connection->untouched =
	    kind == FF_TXN_WRITE && connection->content_left && content_of(connection) == connection->content_left;
	connection->changes_seen = sqlite3_total_changes(connection->db);
	return connection->untouched
	           ? FF_OK
	           : ffp_sqlite_connection_answer(connection, check_version(connection, error), error);
}

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	if (kind == FF_TXN_WRITE && !store->writer)
		return ff_error_set(error, FF_E_MISUSE, "'%s' is open for reading only", store->path);
	ff_txn *connection = NULL;
	bool one_for_all = kind == FF_TXN_WRITE || store->memory;
	ff_code code =
	    one_for_all ? acquire_writer(store, &connection, error) : acquire_reader(store, &connection, error);
	if (code == FF_OK) {
		code = start(connection, kind, error);
		if (code != FF_OK) {
			roll_back(connection);
			release(connection);
		}
	}
	if (code == FF_OK) {
		connection->kind = kind;
		*txn = connection;
	} else if (code != FF_E_BUSY && code != FF_E_MISUSE && code != FF_E_NO_MEMORY) {
		code = error->code = FF_E_IO;
	}
	return code;
}

/*
 * What a failed COMMIT leaves. Where there was no room, the commit's record was not completed, and nothing was changed.
 * After other failures it may lie in the log, where a crash would bring it to life: a sync may fail, and so may what
 * follows it.
 */
static ff_code commit_code(int result, ff_code code)
{
	int primary = result & 0xff;
	if (code == FF_E_BUSY || primary == SQLITE_FULL || (result == SQLITE_IOERR_WRITE && code == FF_E_FULL))
		return code;
	return FF_E_COMMIT_UNKNOWN;
}

/*
 * Undoes a transaction that had no room, and makes some where it is the log that takes it: the core then runs the batch
 * again. Once, until something is committed: a log that has begun anew is not what is in the way. Undoing what was in the
 * log before its commit counts the content up; but that log is empty then.
 */
static ff_code undo_full(ff_txn *txn, bool commits, ff_error *error)
{
	uint32_t content = content_of(txn);
	roll_back(txn);
	ffp_sqlite_room room = txn->store->memory ? FFP_SQLITE_ROOM_NONE : ffp_sqlite_log_make_room(txn);
	bool is_again =
	    content == txn->content_full || (room == FFP_SQLITE_ROOM_NO_LOG && txn->content_full && !commits);
	if (room == FFP_SQLITE_ROOM_NONE || is_again) {
		txn->content_full = 0;
		return FF_E_FULL;
	}
	if (room != FFP_SQLITE_ROOM_BY_OTHERS)
		txn->content_full = content;
	return ff_error_set(error, FF_E_CONFLICT, "the log of '%s' had no room, and begins anew", txn->store->path);
}

static ff_code store_rows(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_code code = ffp_sqlite_rows_store(txn, writes, count, error);
	return code == FF_E_FULL ? undo_full(txn, false, error) : code;
}

static ff_code sync_file(ff_txn *txn, int which, ff_error *error)
{
	sqlite3_file *file = NULL;
	sqlite3_file_control(txn->db, "main", which, &file);
	int result = file && file->pMethods ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
	return result == SQLITE_OK ? FF_OK : ffp_sqlite_fail(txn->db, result, "sync", txn->store->path, error);
}

/* An answer that changes nothing may rest on a commit of a handle with less durability, in the log or folded by now, and is
 * to be as durable as ours. */
static ff_code sync_what_was_read(ff_txn *txn, ff_error *error)
{
	bool is_ours = txn->untouched || sqlite3_total_changes(txn->db) != txn->changes_seen;
	if (is_ours || txn->store->memory || txn->store->durability != FF_DURABILITY_FULL)
		return FF_OK;
	ff_code code = sync_file(txn, SQLITE_FCNTL_JOURNAL_POINTER, error);
	return code == FF_OK ? sync_file(txn, SQLITE_FCNTL_FILE_POINTER, error) : code;
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	const ff_store *store = txn->store;
	sqlite3_stmt *statement;
	ff_code code = ffp_sqlite_statement_get(txn, FFP_SQLITE_COMMIT, NULL, 0, NULL, &statement, error);
	if (code == FF_OK) {
		int result = ffp_sqlite_statement_run(statement);
		if (result != SQLITE_OK) {
			code = ffp_sqlite_fail(txn->db, result, "commit to", store->path, error);
			if (txn->kind == FF_TXN_WRITE && !store->memory)
				code = error->code = commit_code(result, code);
		}
	}
	if (code == FF_E_FULL)
		code = undo_full(txn, true, error);
	if (code == FF_OK && txn->kind == FF_TXN_WRITE)
		code = sync_what_was_read(txn, error);
	roll_back(txn);
	txn->in_doubt = code == FF_E_COMMIT_UNKNOWN;
	txn->content_left = code == FF_OK && txn->kind == FF_TXN_WRITE ? content_of(txn) : 0;
	if (txn->content_left)
		txn->content_full = 0;
	release(txn);
	return code;
}

static void abort_txn(ff_txn *txn)
{
	roll_back(txn);
	release(txn);
}

static bool is_untouched(ff_txn *txn)
{
	return txn->untouched;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Absolute, so that readers opened later find the file wherever the host has gone, and no path reads as a URI. */
static ff_code set_path(ff_store *store, const char *path, ff_error *error)
{
	const ff_allocator *allocator = store->allocator;
	char directory[PATH_MAX] = "";
	if (!store->memory && path[0] != '/' && !getcwd(directory, sizeof(directory)))
		return ff_error_set(error, FF_E_IO, "cannot find '%s': %s", path, strerror(errno));
	store->path_size = strlen(directory) + 1 + strlen(path) + 1;
	store->path = allocator->resize(allocator->context, NULL, 0, store->path_size);
	if (!store->path)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's path");
	snprintf(store->path, store->path_size, "%s%s%s", directory, directory[0] ? "/" : "", path);
	return FF_OK;
}

static ff_code read_config(ff_store *store, const ff_store_config *config, ff_error *error)
{
	static const char *const known[] = { "durability", "busy_timeout_ms", NULL };
	ff_wait wait = { 0 };
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK)
		code = ff_config_durability(config, &store->durability, error);
	if (code == FF_OK)
		code = ff_config_wait(config, &wait, error);
	store->catalog = config->catalog;
	store->allocator = config->allocator;
	store->busy_timeout_us = wait.limit_us;
	store->read_only = (config->flags & FF_STORE_READ_ONLY) != 0;
	store->memory = strcmp(config->path, ":memory:") == 0;
	if (store->memory)
		store->durability = FF_DURABILITY_NONE;
	return code == FF_OK ? set_path(store, config->path, error) : code;
}

/* What is at the path, if anything, may be a database. */
static ff_code look_at_file(const ff_store *store, bool must_exist, bool *exists, ff_error *error)
{
	struct stat status;
	*exists = stat(store->path, &status) == 0;
	if (!*exists && !must_exist && errno == ENOENT)
		return FF_OK;
	if (!*exists)
		return ff_error_set(error, errno == ENOENT ? FF_E_NOT_FOUND : FF_E_IO,
		                    "cannot find a store at '%s': %s", store->path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return ff_error_set(error, FF_E_INVALID, "'%s' is a directory", store->path);
	if (!S_ISREG(status.st_mode))
		return ff_error_set(error, FF_E_INVALID, "'%s' is no regular file", store->path);
	/* SQLite takes a single byte, whatever it is, for an empty database, and writes over it. */
	if (status.st_size == 1)
		return ffp_sqlite_fail(NULL, SQLITE_NOTADB, "open", store->path, error);
	return FF_OK;
}

static ff_code check_schema(ff_store *store, uint32_t version, ff_error *error)
{
	ff_code code = ffp_version_check(store->catalog, version, store->read_only, store->path, error);
	if (code == FF_E_VERSION)
		store->read_only = true; /* leave it as it is on closing, too */
	return code;
}

/* Readers go on while a writer writes only in WAL mode. Changing to it wants the file alone for a moment. */
static ff_code use_wal(ff_txn *connection, ff_error *error)
{
	const char *path = connection->store->path;
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(connection->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
	ff_wait wait = { .limit_us = connection->store->busy_timeout_us };
	ff_wait_start(&wait);
	/* The wait is this one: the connection's would be waited through at each step. */
	sqlite3_busy_handler(connection->db, NULL, NULL);
	while (result == SQLITE_OK && (result = sqlite3_step(statement)) != SQLITE_ROW) {
		sqlite3_reset(statement);
		if ((result & 0xff) == SQLITE_BUSY && ff_wait_pause(&wait))
			result = SQLITE_OK;
	}
	sqlite3_busy_handler(connection->db, ffp_sqlite_on_busy, &connection->wait);
	ff_code code = FF_OK;
	if (result != SQLITE_ROW)
		code = ffp_sqlite_fail(connection->db, result, "open", path, error);
	else if (sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "wal") != 0)
		code =
		    ff_error_set(error, FF_E_UNAVAILABLE, "'%s' lies where SQLite cannot keep a write-ahead log", path);
	sqlite3_finalize(statement);
	return code;
}

static ff_code no_store(const ff_store *store, ff_error *error)
{
	return ff_error_set(error, FF_E_NOT_FOUND, "'%s' holds no store", store->path);
}

static ff_code open_writer(ff_store *store, bool must_exist, ff_error *error)
{
	uint32_t version = 0;
	ff_code code = ffp_sqlite_connection_open(store, true, &store->writer, error);
	if (code == FF_OK)
		code = ffp_sqlite_schema_look(store->writer, &version, error);
	if (code == FF_OK && version == 0 && must_exist)
		code = no_store(store, error);
	if (code == FF_OK)
		code = check_schema(store, version, error);
	if (code == FF_OK && version < store->catalog->version)
		code = ffp_sqlite_schema_migrate(store->writer, error);
	if (code == FF_OK && !store->memory)
		code = use_wal(store->writer, error);
	/* A second look, through the log, so that what keeps us from using one is known now. */
	if (code == FF_OK)
		code = ffp_sqlite_schema_look(store->writer, &version, error);
	return code == FF_OK ? check_schema(store, version, error) : code;
}

static ff_code open_reader(ff_store *store, ff_error *error)
{
	uint32_t version = 0;
	ff_txn *reader;
	ff_code code = ffp_sqlite_connection_open(store, false, &reader, error);
	if (code != FF_OK)
		return code;
	code = ffp_sqlite_schema_look(reader, &version, error);
	if (code == FF_OK && version == 0)
		code = no_store(store, error);
	if (code == FF_OK)
		code = check_schema(store, version, error);
	code = ffp_sqlite_connection_answer(reader, code, error);
	release(reader);
	return code;
}

static void close_connections(ff_store *store)
{
	while (store->idle) {
		ff_txn *next = store->idle->next;
		ffp_sqlite_connection_close(store->idle);
		store->idle = next;
	}
	if (store->keeper)
		ffp_sqlite_connection_close(store->keeper);
	if (store->writer)
		ffp_sqlite_connection_close(store->writer);
	store->keeper = store->writer = NULL;
}

/*
 * A new store is made under a name of its own and then given the one that was asked for, whole. Others see no half of
 * it, and a failure is taken away again. To unlink a database that others may have open would be no way: they go on
 * with journal and log by its name, which may be another's by then. So where a new store was made and then cannot be
 * opened, it stays, empty.
 */

static const char *const file_suffixes[] = { "-journal", "-wal", "-shm", "" };
enum { LOG_SUFFIXES = 2 }; /* the first */

/* A log of a store that somebody removed would be folded into the new one. SQLite removes it where it finds the file empty,
 * so there the store is created in its place. */
static bool has_old_log(const ff_store *store)
{
	bool has = false;
	for (size_t i = 0; i < LOG_SUFFIXES; i++) {
		char *file = sqlite3_mprintf("%s%s", store->path, file_suffixes[i]);
		has = has || !file || access(file, F_OK) == 0;
		sqlite3_free(file);
	}
	return has;
}

static void remove_draft(const char *path)
{
	for (size_t i = 0; i < sizeof(file_suffixes) / sizeof(*file_suffixes); i++) {
		char *file = sqlite3_mprintf("%s%s", path, file_suffixes[i]);
		if (file)
			unlink(file);
		sqlite3_free(file);
	}
}

static ff_code fail_to_create(const ff_store *store, int system_error, ff_error *error)
{
	ff_code code = ffp_is_full(system_error) ? FF_E_FULL : FF_E_IO;
	return ff_error_set(error, code, "cannot create '%s': %s", store->path, strerror(system_error));
}

/* Gives the finished draft the store's name, unless another process was faster. */
static ff_code publish(const ff_store *store, const char *draft, ff_error *error)
{
	if (link(draft, store->path) == 0 || errno == EEXIST)
		return FF_OK;
	/* On a file system without links the store is created in its place. */
	if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
		return FF_OK;
	return fail_to_create(store, errno, error);
}

static ff_code create_as(const ff_store *store, char *path, ff_error *error)
{
	ff_store draft = { .catalog = store->catalog,
		           .allocator = store->allocator,
		           .path = path,
		           .durability = store->durability,
		           .busy_timeout_us = store->busy_timeout_us };
	int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		return fail_to_create(store, errno, error);
	close(file);
	ff_code code = open_writer(&draft, false, error);
	close_connections(&draft);
	if (code == FF_OK)
		code = publish(store, path, error);
	remove_draft(path);
	return code;
}

static ff_code create(const ff_store *store, ff_error *error)
{
	unsigned random;
	sqlite3_randomness(sizeof(random), &random); /* which forked processes share */
	char *path = sqlite3_mprintf("%s.%ld-%08x.new", store->path, (long)getpid(), random);
	if (!path)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store's path");
	ff_code code = create_as(store, path, error);
	sqlite3_free(path);
	return code;
}

/* What has the turn to write lies beside the file itself, whatever links lead there, as the log does; NULL: memory is out. */
static char *turn_path(const ff_store *store)
{
	return sqlite3_mprintf("%s-turn", sqlite3_db_filename(store->writer->db, "main"));
}

/* Where that cannot be the store does without. */
static void open_turn(ff_store *store)
{
	struct stat file;
	char *path = turn_path(store);
	if (path && stat(store->path, &file) == 0)
		ffp_turn_open(&store->turn, AT_FDCWD, path, &file);
	sqlite3_free(path);
}

static void close_turn(ff_store *store)
{
	char *path = store->writer ? turn_path(store) : NULL;
	if (path)
		ffp_turn_remove(&store->turn, AT_FDCWD, path);
	ffp_turn_close(&store->turn);
	sqlite3_free(path);
}

static ff_code open_file(ff_store *store, bool must_exist, ff_error *error)
{
	bool exists;
	ff_code code = look_at_file(store, must_exist, &exists, error);
	if (code == FF_OK && !exists && !has_old_log(store))
		code = create(store, error);
	if (code == FF_OK)
		code = store->read_only ? open_reader(store, error) : open_writer(store, must_exist, error);
	if (code == FF_OK && store->writer)
		open_turn(store);
	return code;
}

static void close_store(ff_store *store)
{
	close_turn(store);
	close_connections(store);
	if (store->path)
		store->allocator->resize(store->allocator->context, store->path, store->path_size, 0);
	pthread_mutex_destroy(&store->mutex);
	ffp_seat_destroy(&store->seat);
	ffp_sqlite_fork_leave();
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	/* Tables are STRICT, and connections are used on any thread. */
	if (sqlite3_libversion_number() < 3037000 || !sqlite3_threadsafe())
		return ff_error_set(error, FF_E_UNAVAILABLE, "SQLite %s is older than 3.37, or built without threads",
		                    sqlite3_libversion());
	if (!ffp_sqlite_fork_enter())
		return ff_error_set(error, FF_E_MISUSE,
		                    "a parent of this process has SQLite stores open, which SQLite"
		                    " does not survive: fork first, or exec");
	pthread_mutex_init(&store->mutex, NULL);
	ffp_seat_init(&store->seat);
	bool must_exist = (config->flags & (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST)) != 0;
	ff_code code = read_config(store, config, error);
	if (code == FF_OK && store->memory && must_exist)
		code = ff_error_set(error, FF_E_NOT_FOUND, "an in-memory store is always a new one");
	if (code == FF_OK)
		code = store->memory ? open_writer(store, false, error) : open_file(store, must_exist, error);
	if (code != FF_OK)
		close_store(store);
	return code;
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)error;
	limits->durability = store->durability;
	limits->caps = store->memory ? 0 : FILE_CAPS;
	if (store->durability != FF_DURABILITY_FULL)
		limits->caps &= ~FF_CAP_DURABLE_COMMIT;
	snprintf(limits->version, sizeof(limits->version), "SQLite %s", sqlite3_libversion());
	return FF_OK;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

/* One answer of integrity_check may hold several lines, and a heading. */
static void tell_lines(const char *text, ff_problem_fn *problem, void *context)
{
	char line[512]; /* more than the core passes on */
	while (*text) {
		size_t size = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)size, text);
		if (size && strncmp(line, "*** ", 4) != 0 && strcmp(line, "ok") != 0)
			problem(context, line);
		text += size + (text[size] == '\n');
	}
}

static ff_code check_integrity(ff_txn *connection, ff_problem_fn *problem, void *context, ff_error *error)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(connection->db, "PRAGMA integrity_check", -1, &statement, NULL);
	if (result == SQLITE_OK)
		while ((result = sqlite3_step(statement)) == SQLITE_ROW)
			tell_lines((const char *)sqlite3_column_text(statement, 0), problem, context);
	ff_code code = FF_OK;
	if ((result & 0xff) == SQLITE_CORRUPT)
		problem(context, sqlite3_errmsg(connection->db));
	else if (result != SQLITE_DONE)
		code = ffp_sqlite_fail(connection->db, result, "check", connection->store->path, error);
	sqlite3_finalize(statement);
	return code;
}

typedef struct listener {
	const ff_txn *connection;
	ff_problem_fn *problem;
	void *context;
} listener;

/* What was found where somebody wrote meanwhile may be none. */
static void tell(void *context, const char *problem)
{
	const listener *to = context;
	if (!ffp_sqlite_connection_is_overtaken(to->connection))
		to->problem(to->context, problem);
}

static ff_code check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	ff_txn *connection = NULL;
	ff_code code =
	    store->memory ? acquire_writer(store, &connection, error) : acquire_reader(store, &connection, error);
	if (code == FF_OK) {
		listener to = { connection, problem, context };
		code = check_integrity(connection, tell, &to, error);
		if (code == FF_OK)
			code = ffp_sqlite_schema_check(connection, tell, &to, error);
		code = ffp_sqlite_connection_answer(connection, code, error);
		release(connection);
	}
	if (code == FF_E_FULL)
		code = error->code = FF_E_IO;
	return code;
}

const ff_engine_backend ffp_sqlite_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = FILE_CAPS,
	.name = "sqlite",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = limits,
	.begin = begin,
	.load = ffp_sqlite_rows_load,
	.store = store_rows,
	.commit = commit,
	.abort = abort_txn,
	.check = check,
	.is_untouched = is_untouched,
	.housekeep = ffp_sqlite_log_keep,
};
