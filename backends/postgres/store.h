/*
 * The PostgreSQL backend inside: a store is a pool of connections, and a transaction is a connection that the core
 * holds. Statements are queued and sent together (libpq's pipeline mode), so what a slot does is one round trip.
 */
#ifndef FFP_POSTGRES_STORE_H
#define FFP_POSTGRES_STORE_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <ff/backend.h>
#include <ff/sql.h>

extern const ff_sql_dialect ffp_postgres_dialect;

/* Roots are folded to so many locks; lock 0 stands for all of them. Part of what the schema's version means. */
#define FFP_POSTGRES_LOCKS 1024u

typedef enum ffp_postgres_statement_kind {
	FFP_POSTGRES_BEGIN = 1, /* shape: ff_txn_kind */
	/* These fail where the session is not the one that was set up. */
	FFP_POSTGRES_SESSION,   /* does nothing else */
	FFP_POSTGRES_LOCK,      /* shape: 1 where it must not wait */
	FFP_POSTGRES_LOCK_ROOT, /* of one, and nothing is loaded under it: needs no array */
	/* The others come behind one that has looked. */
	FFP_POSTGRES_VERSION,
	FFP_POSTGRES_EXPECT, /* shape: the mask of the tables, by id, that have rows which are expected */
	FFP_POSTGRES_SELECT_KEYS,
	FFP_POSTGRES_SELECT_RANGE, /* shape: ff_sql_range_shape */
	FFP_POSTGRES_INSERT,
	FFP_POSTGRES_UPDATE, /* shape: the mask of columns */
	FFP_POSTGRES_DELETE,
	FFP_POSTGRES_DELETE_RANGE, /* shape: ff_sql_range_shape */
	FFP_POSTGRES_LET_GO, /* the commit that follows shows its rows, and gives up its locks, before it is durable */
	FFP_POSTGRES_COMMIT,
	FFP_POSTGRES_ROLLBACK,
	FFP_POSTGRES_HARDEN,  /* waits, at the end of the pipeline, until all that was committed before is durable */
	FFP_POSTGRES_PREPARE, /* of another statement, by its place */
	FFP_POSTGRES_SYNC
} ffp_postgres_statement_kind;

/* What is sent, and then to be answered. */
typedef struct ffp_postgres_sent {
	ffp_postgres_statement_kind kind;
	uint32_t shape;
	size_t place; /* PREPARE: among those that are prepared */
	const ff_table *table;
	const ff_read *range; /* SELECT_RANGE, DELETE_RANGE */
	ff_read **reads;      /* SELECT_KEYS: whose keys, in the order of the arrays. SELECT_RANGE: the one */
} ffp_postgres_sent;

/* Memory that grows. */
typedef struct ffp_postgres_list {
	void *items;
	size_t count;    /* of items of one size */
	size_t capacity; /* in bytes */
} ffp_postgres_list;

/* A row as the server knows it: its table's columns in the order that they have there, which is not the catalog's where a
 * newer schema has added some. `column` is the place in the catalog, FF_COLUMNS_MAX where it has none. */
typedef struct ffp_postgres_attribute {
	Oid type;
	unsigned column;
} ffp_postgres_attribute;

typedef struct ffp_postgres_row_type {
	Oid type;
	size_t first, count; /* of its attributes */
} ffp_postgres_row_type;

enum { FFP_POSTGRES_OID_INT64 = 20, FFP_POSTGRES_OID_TEXT = 25 };

/* How far a transaction has come in the server, as far as is known. */
typedef enum ffp_postgres_stage {
	FFP_POSTGRES_NEW,        /* nothing was sent */
	FFP_POSTGRES_OPEN,       /* BEGIN was sent */
	FFP_POSTGRES_LOADED,     /* it has loaded, and holds its locks */
	FFP_POSTGRES_COMMITTING, /* COMMIT was sent */
	FFP_POSTGRES_HARDENING,  /* it is committed, and not known to last */
	FFP_POSTGRES_OVER
} ffp_postgres_stage;

/* Two bounds of a range and its limit. */
enum { FFP_POSTGRES_PARAMS_MAX = 2 * FF_COLUMNS_MAX + 1 };

struct ff_txn {
	/* The connection. */
	ff_store *store;
	PGconn *pg; /* NULL: not connected */
	pid_t process;
	bool silent;                  /* given up, since nothing came */
	char session[17];             /* what its session is called: digits that nobody else has */
	ff_txn *next;                 /* in the store's list of idle connections */
	ffp_postgres_list prepared;   /* uint64_t: the kind, table and shape of each statement */
	ffp_postgres_list types;      /* ffp_postgres_row_type: by table id */
	ffp_postgres_list attributes; /* ffp_postgres_attribute: of one type after the other */

	/* What is sent. */
	ffp_postgres_list sent;                     /* ffp_postgres_sent */
	ffp_postgres_list rows;                     /* const ff_row *: of the statement that is made */
	ffp_postgres_list bytes;                    /* of its parameters */
	size_t params_end[FFP_POSTGRES_PARAMS_MAX]; /* where in `bytes` each ends */
	unsigned params_count;
	ff_sql_text sql;
	bool no_memory; /* for something that was to be sent */

	/* The transaction. */
	ff_txn_kind kind;
	ffp_postgres_stage stage;
	bool lets_go;                   /* of its locks before its commit is durable, if it has loaded under them */
	bool behind;                    /* what it has loaded may not be durable yet */
	bool is_known;                  /* its connection, from an earlier transaction */
	bool late;                      /* nobody waits for its loads any more */
	bool (*goes_on)(void *context); /* whether anybody does; NULL: nobody need be asked */
	void *goes_on_context;
	bool locks[FFP_POSTGRES_LOCKS + 1]; /* that are held; or the first, which is all of them */
	const ff_write *writes;             /* held back until commit */
	size_t writes_count;
	const ff_read *expected; /* rows that it has not loaded */
	size_t expected_count;
};

struct ff_store {
	const ff_catalog *catalog;
	const ff_allocator *allocator;
	PQconninfoOption *options;
	char schema[64];
	char name[128]; /* "host:port/database", for messages */
	char version[64];
	uint64_t lock_base; /* of this schema's advisory locks; the number of the lock is added */
	int64_t pool;
	int64_t partitions;
	int64_t statement_timeout_ms;
	int64_t busy_timeout_ms;
	ff_durability durability;
	bool read_only;
	bool syncs;                /* the server writes to its disk before it says so */
	_Atomic unsigned failures; /* to connect, one after the other */
	_Atomic bool lock_all;     /* the next write transaction takes all locks at once */
	pthread_mutex_t mutex;     /* guards what is below */
	ff_txn *idle;
	int64_t idle_count;
};

/* Room for more items of a size, or NULL, and the transaction is marked. */
void *ffp_postgres_list_add(ff_txn *txn, ffp_postgres_list *list, size_t count, size_t size);

/* wait.c */

/* Waits until the socket, if there is one, is ready. False: nothing came for so long (negative: however long), or nobody
 * waits any more. */
bool ffp_postgres_wait(ff_txn *txn, short events, int64_t limit_ms);
/* DEADLINE where nobody waits for the transaction any more. */
ff_code ffp_postgres_ask(ff_txn *txn, ff_error *error);
/* Runs statements outside of a pipeline. The result of the last one is the caller's, where one is asked for. */
ff_code ffp_postgres_run(ff_txn *txn, const char *sql, const char *doing, PGresult **answer, ff_error *error);
/* Likewise those of the transaction's own text (`sql`). */
ff_code ffp_postgres_run_text(ff_txn *txn, const char *doing, PGresult **answer, ff_error *error);
/* The next result; NULL at the end of those of a statement, and where the connection is lost. */
PGresult *ffp_postgres_next_result(ff_txn *txn, bool *lost);
bool ffp_postgres_flush(ff_txn *txn);

/* connection.c */

ff_code ffp_postgres_settings_read(ff_store *store, const ff_store_config *config, ff_error *error);
ff_code ffp_postgres_connect(ff_txn *txn, ff_error *error);
/* Drops the connection, and the server then drops what it was asked; one of a parent process is left as it is. */
void ffp_postgres_disconnect(ff_txn *txn);
ff_txn *ffp_postgres_txn_new(ff_store *store);
void ffp_postgres_txn_free(ff_txn *txn);
/* Fills `error` from what a statement answered, or from the connection, where `result` is NULL; or says that it was we who
 * waited no longer. */
ff_code ffp_postgres_fail(ff_txn *txn, const PGresult *result, const char *doing, ff_error *error);

/* Whether a statement failed because the session is not what it is taken for: a new connection finds that out. */
bool ffp_postgres_is_outdated(const PGresult *result);

/* pipeline.c */

/* Queues a statement, prepared where it is not yet. Parameters lie in txn->bytes. False: the exchange will fail. */
bool ffp_postgres_send(ff_txn *txn, ffp_postgres_sent what);
/* The same for a statement without parameters. */
bool ffp_postgres_send_plain(ff_txn *txn, ffp_postgres_statement_kind kind, uint32_t shape);
/* Begins the parameters of a statement, and adds one. */
void ffp_postgres_params_begin(ff_txn *txn);
void ffp_postgres_param_value(ff_txn *txn, const ff_table *table, unsigned column, const ff_row *row);
void ffp_postgres_param_int64(ff_txn *txn, int64_t value);
/* `count` of txn->rows; of the columns that are not in `mask` nothing. */
void ffp_postgres_param_rows(ff_txn *txn, const ff_table *table, uint32_t mask, size_t first, size_t count);
void ffp_postgres_param_locks(ff_txn *txn, const int64_t *locks, size_t count);
/* Sends what is queued, and reads every answer. */
ff_code ffp_postgres_exchange(ff_txn *txn, ff_arena *arena, const char *doing, ff_error *error);
/* Lets a SELECT fail, with this in the message, in a session that was not set up for this connection, or for another one
 * since. */
#define FFP_POSTGRES_NOT_OURS "the session was given to another client, as by a pooler in transaction mode"
void ffp_postgres_write_session(const ff_txn *txn, ff_sql_text *sql);
/* Sends a rollback where a transaction is open; its answer is read by the next exchange. */
void ffp_postgres_roll_back(ff_txn *txn);

/* rows.c */

ff_code ffp_postgres_answer(ff_txn *txn, ff_arena *arena, const ffp_postgres_sent *sent, const PGresult *result,
                            ff_error *error);
void ffp_postgres_rows_select(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count);
/* Queues what fails, by CONFLICT, unless the schema is the one that was opened, and rows are as they are expected. */
void ffp_postgres_rows_expect(ff_txn *txn);
void ffp_postgres_rows_write(ff_txn *txn);
/* Queues the locks that the reads want, and what is expected and written, beyond those that are held. False: there are
 * none. */
bool ffp_postgres_lock(ff_txn *txn, const ff_read *reads, size_t count);
/* Who finds late that it wants all locks has only tried; the next one begins with them. */
void ffp_postgres_lock_failed(ff_txn *txn);

/* schema.c */

ff_code ffp_postgres_schema_open(ff_txn *txn, bool must_exist, ff_error *error);
/* Asks over a new connection what the rows of the tables are made of. */
ff_code ffp_postgres_schema_types(ff_txn *txn, ff_error *error);

#endif
