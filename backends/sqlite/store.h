/*
 * The SQLite backend inside: a store is one connection that writes and a pool of connections that read, and a
 * transaction is a connection that the core holds. An in-memory store has one connection for both.
 */
#ifndef FFP_SQLITE_STORE_H
#define FFP_SQLITE_STORE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <time.h>

#include <ff/backend.h>
#include <ff/sql.h>

#include "../support/seat.h"
#include "../support/turn.h"

extern const ff_sql_dialect ffp_sqlite_dialect;

typedef enum ffp_sqlite_statement_kind {
	FFP_SQLITE_SELECT_KEY = 1,
	FFP_SQLITE_SELECT_RANGE, /* shape: ff_sql_range_shape */
	FFP_SQLITE_INSERT,
	FFP_SQLITE_UPDATE, /* shape: the mask of columns */
	FFP_SQLITE_DELETE_KEY,
	FFP_SQLITE_DELETE_RANGE, /* shape: ff_sql_range_shape */
	FFP_SQLITE_BEGIN,        /* shape: ff_txn_kind */
	FFP_SQLITE_COMMIT,
	FFP_SQLITE_ROLLBACK,
	FFP_SQLITE_VERSION
} ffp_sqlite_statement_kind;

/* What folding the log gives. */
typedef enum ffp_sqlite_room {
	FFP_SQLITE_ROOM_NONE,      /* it cannot be folded */
	FFP_SQLITE_ROOM_NO_LOG,    /* it was empty, or others have begun it anew */
	FFP_SQLITE_ROOM_BY_OTHERS, /* others fold it just now */
	FFP_SQLITE_ROOM_MADE       /* unless others have used it all the time */
} ffp_sqlite_room;

/* One place of a connection's hash table of statements; statement is NULL where it is free. */
typedef struct ffp_sqlite_statement {
	uint64_t key; /* kind, table and shape */
	sqlite3_stmt *statement;
} ffp_sqlite_statement;

/* What a connection's file does itself, and passes on else (file.c). */
typedef struct ffp_sqlite_file {
	sqlite3_io_methods methods;
	const sqlite3_io_methods *real; /* the system's; NULL: it has none */
	ff_store *store;
	bool folds;      /* the log */
	uint64_t salts;  /* of the log when this connection began to */
	unsigned writes; /* so far, where it is synced in bites */
} ffp_sqlite_file;

struct ff_txn {
	ff_store *store;
	sqlite3 *db;
	ffp_sqlite_file file;
	ff_txn *next; /* in the store's list of idle readers */
	ff_txn_kind kind;
	bool once;             /* reads a file without a log as it is; not kept after its transaction */
	struct timespec as_of; /* when such a file was written last, before it was opened */
	bool untouched;        /* since this writer's last commit nobody has written */
	bool in_doubt;         /* what its last commit has left in the log may come back after a crash */
	int folded_pages;      /* of the log, when this writer saw to it last */
	int looked_pages;      /* of those after them, when it looked at the disk's room last */
	uint32_t content_left; /* what the store's content was numbered after this writer's last commit; 0: none */
	uint32_t content_full; /* and where it last found no room, and is to be tried again; 0: no */
	int changes_seen;      /* of rows, by this writer until its present transaction began */
	ff_wait wait;
	ff_sql_text sql;
	ffp_sqlite_statement *statements; /* capacity is 0 or a power of two, never full */
	size_t statements_count;
	size_t statements_capacity;
};

struct ff_store {
	const ff_catalog *catalog;
	const ff_allocator *allocator;
	char *path; /* absolute, or ":memory:" */
	size_t path_size;
	bool memory;
	bool read_only;
	ff_durability durability;
	int64_t busy_timeout_us;
	_Atomic bool locking;       /* some thread takes or gives back a lock on the log's index */
	ff_txn *keeper;             /* has no transactions; NULL until a tick has folded the log */
	_Atomic bool keeping;       /* some thread has the keeper */
	_Atomic bool log_kept;      /* the keeper has folded since the last commit */
	_Atomic int unfolded_pages; /* of the log, as of the last commit */
	ff_txn *writer;             /* NULL: read-only */
	ffp_seat seat;              /* of whose transaction has the writer */
	ffp_turn turn;              /* and of which process */
	bool has_turn;              /* the writer's transaction; it may have begun without */
	pthread_mutex_t mutex;      /* guards what is below */
	ff_txn *idle;               /* readers for transactions to come */
	unsigned idle_count;
};

/* connection.c */

/* Fills `error` from what SQLite answered last on `db` (or from `result` alone, where that is NULL): "cannot DOING
 * 'PATH': …". */
ff_code ffp_sqlite_fail(sqlite3 *db, int result, const char *doing, const char *path, ff_error *error);

/* Opens a connection for writing, or one that never writes. */
ff_code ffp_sqlite_connection_open(ff_store *store, bool writes, ff_txn **connection, ff_error *error);
void ffp_sqlite_connection_close(ff_txn *connection);
/* Whether this reads a file as it is that was written meanwhile, so that what was read may be of no one state. */
bool ffp_sqlite_connection_is_overtaken(const ff_txn *connection);
/* What reading answered, or BUSY where it was overtaken. */
ff_code ffp_sqlite_connection_answer(const ff_txn *connection, ff_code code, ff_error *error);
/* The kept statement of a kind; `table` and `range` are NULL where the kind has none. On failure NULL, and a code. */
ff_code ffp_sqlite_statement_get(ff_txn *connection, ffp_sqlite_statement_kind kind, const ff_table *table,
                                 uint32_t shape, const ff_read *range, sqlite3_stmt **statement, ff_error *error);
/* Runs a statement that answers no row and takes no parameter, and answers SQLite's result. */
int ffp_sqlite_statement_run(sqlite3_stmt *statement);
void ffp_sqlite_statement_done(sqlite3_stmt *statement);

/* For sqlite3_busy_handler; the context is an ff_wait. */
int ffp_sqlite_on_busy(void *context, int count);

/* file.c */

/* Puts our own methods over the system's in a connection that was opened. */
void ffp_sqlite_file_take(ff_txn *connection);
/* From now on what it writes is synced in bites. */
void ffp_sqlite_file_sync_in_bites(ff_txn *connection);

/* fork.c */

/* Counts a store that is opened. False: this process is a copy of one that had stores open, and must open none. */
bool ffp_sqlite_fork_enter(void);
void ffp_sqlite_fork_leave(void);

/* log.c */

/* Lets the commits of a writer fold the log into the file when it has become long. */
void ffp_sqlite_log_watch(ff_txn *writer);
/* After a writer's transaction that found no room, so that the next one has more. */
ffp_sqlite_room ffp_sqlite_log_make_room(ff_txn *writer);
/* Folds the log ahead of them, beside other threads' transactions. */
void ffp_sqlite_log_keep(ff_store *store);

/* schema.c */

/* The stored schema's version, 0 where the database holds no store. */
ff_code ffp_sqlite_schema_look(ff_txn *connection, uint32_t *version, ff_error *error);
/* Brings the store to the catalog's version, in one transaction of its own. */
ff_code ffp_sqlite_schema_migrate(ff_txn *connection, ff_error *error);
/* Tells `problem` of tables, columns and indexes of the catalog that are not there. */
ff_code ffp_sqlite_schema_check(ff_txn *connection, ff_problem_fn *problem, void *context, ff_error *error);

/* rows.c */

ff_code ffp_sqlite_rows_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error);
ff_code ffp_sqlite_rows_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error);

#endif
