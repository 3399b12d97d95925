/*
 * The backend's slots, called as the core calls them. A forked child and its parent's connections: it may begin, end
 * and close, and the parent goes on as if nothing were. And whose turn it is where a transaction wants every lane,
 * what a rollback that fails has to say, what a refusal means, and what becomes of sessions that end, wait or are many.
 * And a wait that signals interrupt.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#include <libpq-fe.h>

#include "postgres.h"

typedef struct item {
	ff_row row;
	ff_text id;
	int64_t value;
} item;

static const ff_column columns[] = {
	{ .name = "id", .offset = offsetof(item, id), .type = FF_TYPE_TEXT, .since = 1 },
	{ .name = "value", .offset = offsetof(item, value), .type = FF_TYPE_INT64, .since = 1 },
};
static const ff_table table = {
	.name = "item", .columns = columns, .row_size = sizeof(item), .columns_count = 2, .key_count = 1, .since = 1
};
static const ff_catalog catalog = { .tables = &table, .tables_count = 1, .version = 1 };
static const ff_catalog next_catalog = { .tables = &table, .tables_count = 1, .version = 2 };

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

static void *grow(ff_arena *arena, size_t size)
{
	(void)arena;
	(void)size;
	return NULL;
}

static const ff_engine_backend *const backend = &ffp_postgres_backend;
static ff_error error;
static char schema[32];

/* Adds 1, and answers what is there then, or -1. With `hold` the transaction is left open. */
static int64_t add(ff_store *store, ff_txn **hold)
{
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	item after = { .id = { "x", 1 }, .value = 1 };
	ff_read read = { .table = &table, .kind = FF_READ_GET, .low = &after.row };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error) || backend->load(txn, &arena, &read, 1, &error))
		return -1;
	if (read.row)
		after.value = ((const item *)(const void *)read.row)->value + 1;
	const ff_write write = { .table = &table, .kind = FF_WRITE_PUT, .before = read.row, .after = &after.row };
	if (hold) {
		*hold = txn;
		return after.value;
	}
	return backend->store(txn, &write, 1, &error) || backend->commit(txn, &error) ? -1 : after.value;
}

static unsigned number, failed;

static void told(bool held, const char *what)
{
	printf("%sok %u - %s\n", held ? "" : "not ", ++number, what);
	if (!held)
		printf("# %s [%s]\n", error.message, error.native_code);
	failed += !held;
	fflush(stdout);
}

static bool ends_well(pid_t child)
{
	int status = -1;
	return waitpid(child, &status, 0) == child && status == 0;
}

/* Whether what is printed reaches nobody's socket. */
static bool standard_are_null(void)
{
	struct stat null, there;
	bool are = stat("/dev/null", &null) == 0;
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		are = are && fstat(i, &there) == 0 && there.st_rdev == null.st_rdev;
	return are;
}

/* A daemon closes its standard input, output and error, and its store connects then. */
static bool in_daemon(ff_store *store)
{
	pid_t child = fork();
	if (child == 0) {
		for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
			close(i);
		bool good = add(store, NULL) > 0 && standard_are_null();
		backend->close(store);
		_exit(good ? 0 : 1);
	}
	return ends_well(child);
}

/* What the child does ends with status 0 where all of it could be done. */
static bool in_child(ff_store *store, ff_txn *held, bool closes)
{
	pid_t child = fork();
	if (child == 0) {
		ff_read none = { .table = &table };
		bool good = !held || backend->load(held, NULL, &none, 0, &error) == FF_E_IO;
		if (held)
			backend->abort(held);
		else if (!closes)
			good = add(store, NULL) > 0;
		backend->close(store);
		_exit(good ? 0 : 1);
	}
	return ends_well(child);
}

/* Commits in a child what its parent has begun, and what wants more locks. */
static bool commits_in_child(ff_store *store, ff_txn *held)
{
	enum { COUNT = 8 };
	pid_t child = fork();
	if (child == 0) {
		static const char ids[] = "abcdefgh";
		item others[COUNT];
		ff_write writes[COUNT];
		for (int i = 0; i < COUNT; i++) {
			others[i] = (item){ .id = { &ids[i], 1 }, .value = 1 };
			writes[i] = (ff_write){ .table = &table, .kind = FF_WRITE_PUT, .after = &others[i].row };
		}
		bool refused = !backend->store(held, writes, COUNT, &error) && backend->commit(held, &error) == FF_E_IO;
		backend->close(store);
		_exit(refused ? 0 : 1);
	}
	return ends_well(child);
}

/* A statement that the connection has not had yet. */
static bool deletes(ff_txn *txn, int64_t value)
{
	const item before = { .id = { "x", 1 }, .value = value };
	const ff_write gone = { .table = &table, .kind = FF_WRITE_DELETE, .before = &before.row };
	return backend->store(txn, &gone, 1, &error) == FF_OK && backend->commit(txn, &error) == FF_OK;
}

/* A transaction that has loaded a row, and holds its lane; NULL where it could not. */
static ff_txn *load(ff_store *store, const char *id)
{
	const item key = { .id = { id, 1 } };
	ff_read read = { .table = &table, .kind = FF_READ_GET, .low = &key.row };
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return NULL;
	if (backend->load(txn, &arena, &read, 1, &error) == FF_OK)
		return txn;
	backend->abort(txn);
	return NULL;
}

/* A delete in every lane is tried at commit, while another holds one of them; the next one begins with all of them. */
static bool takes_all_next(ff_store *store, ff_store *other)
{
	const ff_read all = { .table = &table, .kind = FF_READ_RANGE };
	const ff_write gone = { .table = &table, .kind = FF_WRITE_DELETE_RANGE, .range = &all };
	ff_txn *theirs = load(other, "y");
	ff_txn *ours = load(store, "x");
	bool tried = theirs && ours && backend->store(ours, &gone, 1, &error) == FF_OK &&
	             backend->commit(ours, &error) == FF_E_CONFLICT;
	if (!tried)
		return false;
	backend->abort(theirs);
	ours = load(store, "x");
	theirs = load(other, "y");
	bool waits = ours && !theirs && error.code == FF_E_BUSY;
	if (theirs)
		backend->abort(theirs);
	return waits && backend->store(ours, &gone, 1, &error) == FF_OK && backend->commit(ours, &error) == FF_OK;
}

/* What a person does to the store. */
static bool is_done(const char *sql)
{
	PGconn *person = PQconnectdb("options='-c client_min_messages=error -c statement_timeout=10s'");
	PGresult *path = PQexecParams(person, "SELECT set_config('search_path', $1, false)", 1, NULL,
	                              (const char *[]){ schema }, NULL, NULL, 0);
	PGresult *result = PQexec(person, sql);
	bool done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!done)
		printf("# %s", PQerrorMessage(person));
	PQclear(path);
	PQclear(result);
	PQfinish(person);
	return done;
}

static bool rolls_back(ff_store *store)
{
	ff_txn *txn = load(store, "x");
	if (txn)
		backend->abort(txn);
	return txn != NULL;
}

/* A commit that the server refuses, and with it goes the statement that would roll back. */
static bool loses_rollback(ff_store *store)
{
	static const char trigger[] =
	    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE (SELECT 'DEALLOCATE ' || name"
	    " FROM pg_prepared_statements WHERE statement = 'ROLLBACK'); RAISE 'no'; END$$;"
	    "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON item INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()";
	return rolls_back(store) && is_done(trigger) && add(store, NULL) == -1 &&
	       strcmp(error.native_code, "P0001") == 0 && is_done("DROP TRIGGER t ON item");
}

/* Without a load, by what is known. */
static bool adds_in_one_round_trip(ff_store *store, int64_t value)
{
	item before = { .id = { "x", 1 }, .value = value };
	const item after = { .id = { "x", 1 }, .value = value + 1 };
	const ff_read read = { .table = &table, .kind = FF_READ_GET, .low = &before.row, .row = &before.row };
	const ff_write write = { .table = &table, .kind = FF_WRITE_PUT, .before = &before.row, .after = &after.row };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return false;
	backend->expect(txn, &read, 1);
	return !backend->store(txn, &write, 1, &error) && !backend->commit(txn, &error);
}

static bool sees_another_schema(ff_store *store, int64_t value)
{
	return is_done("UPDATE ff_schema SET version = 2") && !adds_in_one_round_trip(store, value) &&
	       error.code == FF_E_CONFLICT && is_done("UPDATE ff_schema SET version = 1");
}

/* A transaction that reads across roots, and holds every lane; NULL where it could not. */
static ff_txn *load_all(ff_store *store)
{
	ff_read all = { .table = &table, .kind = FF_READ_RANGE, .limit = 1 };
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return NULL;
	if (backend->load(txn, &arena, &all, 1, &error) == FF_OK)
		return txn;
	backend->abort(txn);
	return NULL;
}

static bool waits_for_every_lane(ff_store *store, ff_store *other, int64_t value)
{
	ff_txn *theirs = load_all(other);
	bool waits = theirs && !adds_in_one_round_trip(store, value) && error.code == FF_E_BUSY;
	if (theirs)
		backend->abort(theirs);
	return waits;
}

static const struct refusal {
	const char *state;
	ff_code code;
	bool retryable, anew;
} refusals[] = {
	{ "08006", FF_E_IO, true, false },       { "22012", FF_E_CONFLICT, true, false },
	{ "23505", FF_E_CONFLICT, true, false }, { "23502", FF_E_IO, false, false },
	{ "25006", FF_E_IO, false, false },      { "25P02", FF_E_IO, true, true },
	{ "25P03", FF_E_CONFLICT, true, false }, { "26000", FF_E_IO, true, true },
	{ "28000", FF_E_IO, false, false },      { "3D000", FF_E_IO, false, false },
	{ "3F000", FF_E_CORRUPT, false, false }, { "40001", FF_E_CONFLICT, true, false },
	{ "40P01", FF_E_CONFLICT, true, false }, { "42501", FF_E_IO, false, false },
	{ "42804", FF_E_CORRUPT, false, true },  { "42P05", FF_E_IO, true, true },
	{ "42P01", FF_E_CORRUPT, false, false }, { "53100", FF_E_FULL, false, false },
	{ "53200", FF_E_IO, false, false },      { "53300", FF_E_BUSY, true, false },
	{ "55P03", FF_E_BUSY, true, false },     { "57014", FF_E_IO, true, false },
	{ "57P01", FF_E_IO, true, false },       { "P0001", FF_E_IO, false, false },
	{ "XX000", FF_E_IO, false, true },       { "XX001", FF_E_CORRUPT, false, false },
	{ "XX002", FF_E_CORRUPT, false, false },
};

/* What a statement is refused with, by SQLSTATE: the code, whether to send the call again, and over which connection, which
 * the message tells apart. The hint is shown where memory is out. */
static bool is_told(ff_store *store, const struct refusal *refusal)
{
	char sql[512], first[sizeof(error.message)];
	snprintf(sql, sizeof(sql),
	         "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'pid %%',"
	         " pg_backend_pid() USING ERRCODE = '%s', HINT = 'the hint'; END$$;"
	         "CREATE TRIGGER refuse BEFORE UPDATE ON item EXECUTE FUNCTION refuse()",
	         refusal->state);
	bool refused = is_done(sql) && add(store, NULL) == -1;
	snprintf(first, sizeof(first), "%s", error.message);
	refused = refused && add(store, NULL) == -1 && is_done("DROP TRIGGER refuse ON item");
	bool is_standby = strcmp(refusal->state, "25006") == 0;
	return refused && error.code == refusal->code && error.retryable == refusal->retryable &&
	       strcmp(error.native_code, refusal->state) == 0 && (strcmp(error.message, first) != 0) == refusal->anew &&
	       (strstr(error.message, "read-only standby") != NULL) == is_standby &&
	       (strstr(error.message, ": the hint") != NULL) == (strcmp(refusal->state, "53200") == 0);
}

static ff_store *open_store(const ff_catalog *as, const ff_param *params, size_t count)
{
	static const ff_allocator allocator = { resize, NULL };
	const ff_store_config config = { .uri = "postgres:///",
		                         .scheme = "postgres",
		                         .path = "///",
		                         .params = params,
		                         .params_count = count,
		                         .catalog = as,
		                         .allocator = &allocator };
	ff_store *store = calloc(1, backend->instance_size);
	if (store && backend->open(store, &config, &error) == FF_OK)
		return store;
	free(store);
	return NULL;
}

/* ---- sessions in the server ---------------------------------------------------------------------------------- */

/* A store whose sessions have the schema for a name. */
static ff_store *open_named(const char *timeout_ms)
{
	const ff_param params[] = { { "schema", schema },
		                    { "application_name", schema },
		                    { "statement_timeout_ms", timeout_ms } };
	return open_store(&catalog, params, sizeof(params) / sizeof(*params));
}

static void close_store(ff_store *store)
{
	backend->close(store);
	free(store);
}

/* Waits until the server has so many of these. */
static bool are_sessions(int count)
{
	char sql[512];
	snprintf(sql, sizeof(sql),
	         "DO $$BEGIN WHILE (SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s') <> %d"
	         " LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END$$",
	         schema, count);
	return is_done(sql);
}

static bool end_sessions(void)
{
	char sql[256];
	snprintf(sql, sizeof(sql),
	         "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = '%s'", schema);
	return is_done(sql);
}

/* Many read at the same time, as long as they do. */
static bool keeps_few_sessions(void)
{
	enum { MANY = 9, KEPT = 1 + 4 };
	ff_store *store = open_named("30000");
	ff_txn *txns[MANY];
	ff_read none = { .table = &table };
	bool good = store != NULL;
	for (int i = 0; i < MANY && good; i++)
		good = backend->begin(store, FF_TXN_READ, &txns[i], &error) == FF_OK &&
		       backend->load(txns[i], NULL, &none, 0, &error) == FF_OK;
	good = good && are_sessions(MANY);
	for (int i = 0; i < MANY && good; i++)
		backend->abort(txns[i]);
	good = good && are_sessions(KEPT);
	if (store)
		close_store(store);
	return good && are_sessions(0);
}

/* A batch that has loaded and lost its locks writes nothing by what it has loaded. */
static bool commits_no_more(ff_store *other, int64_t value, bool idles)
{
	ff_store *store = open_named(idles ? "500" : "30000");
	ff_txn *txn = store ? load(store, "x") : NULL;
	const item before = { .id = { "x", 1 }, .value = value };
	const item after = { .id = { "x", 1 }, .value = value + 100 };
	const ff_write write = { .table = &table, .kind = FF_WRITE_PUT, .before = &before.row, .after = &after.row };
	bool good = txn && (idles || end_sessions()) && are_sessions(0) && add(other, NULL) == value + 1 &&
	            backend->store(txn, &write, 1, &error) == FF_OK &&
	            backend->commit(txn, &error) == (idles ? FF_E_CONFLICT : FF_E_IO) && error.retryable;
	if (store)
		close_store(store);
	return good && adds_in_one_round_trip(other, value + 1);
}

/* Nor does it load any more: what it has loaded may be otherwise by then. */
static bool loads_no_more(void)
{
	ff_store *store = open_named("30000");
	ff_txn *txn = store ? load(store, "x") : NULL;
	ff_read none = { .table = &table };
	bool refused =
	    txn && end_sessions() && backend->load(txn, NULL, &none, 0, &error) == FF_E_IO && error.retryable;
	if (txn)
		backend->abort(txn);
	if (store)
		close_store(store);
	return refused;
}

/* A rollback's answer is not waited for, and of a connection that was lost since none comes. */
static bool waits_for_no_rollback(int64_t value)
{
	ff_store *store = open_named("30000");
	bool done = store && rolls_back(store) && end_sessions() && adds_in_one_round_trip(store, value);
	if (store)
		close_store(store);
	return done;
}

static bool nobody_waits(void *asked)
{
	++*(int *)asked;
	return false;
}

/* Who waits no longer for a load is told so; a commit is waited for all the same, and whoever comes next asks nobody. */
static bool asks_who_waits(int64_t value)
{
	ff_store *store = open_named("30000");
	ff_txn *txn = store ? load(store, "x") : NULL;
	ff_read none = { .table = &table };
	const item before = { .id = { "x", 1 }, .value = value };
	const item after = { .id = { "x", 1 }, .value = value + 1 };
	const ff_write write = { .table = &table, .kind = FF_WRITE_PUT, .before = &before.row, .after = &after.row };
	int asked = 0;
	if (txn) {
		backend->wait_while(txn, nobody_waits, &asked);
		bool late = backend->load(txn, NULL, &none, 0, &error) == FF_E_DEADLINE && asked > 0;
		backend->abort(txn);
		asked = 0;
		txn = late && add(store, &txn) == value + 1 ? txn : NULL;
	}
	bool good = false;
	if (txn) {
		backend->wait_while(txn, nobody_waits, &asked);
		good = !backend->store(txn, &write, 1, &error) && !backend->commit(txn, &error) && asked == 0;
	}
	if (store)
		close_store(store);
	return good;
}

static bool waits_a_little(void *asked)
{
	return ++*(int *)asked < 5;
}

/* The lock of another row, whose lane lies above that of the first. */
static bool gives_up_while_it_waits(ff_store *other)
{
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	const item key = { .id = { "y", 1 } };
	ff_read read = { .table = &table, .kind = FF_READ_GET, .low = &key.row };
	int asked = 0;
	ff_store *store = open_named("30000");
	ff_txn *theirs = store ? load(other, "y") : NULL;
	ff_txn *ours = theirs ? load(store, "x") : NULL;
	bool late = false;
	if (ours) {
		backend->wait_while(ours, waits_a_little, &asked);
		late = backend->load(ours, &arena, &read, 1, &error) == FF_E_DEADLINE;
		backend->abort(ours);
	}
	if (theirs)
		backend->abort(theirs);
	if (store)
		close_store(store);
	return late;
}

/* More is to be sent than the server takes while it waits for a lock, for five seconds, and than what lies between holds. */
static bool gives_up_while_it_sends(ff_store *other)
{
	enum { COUNT = 32, SIZE = 1 << 20 };
	static char id[SIZE];
	memset(id, 'k', SIZE);
	const item key = { .id = { id, SIZE } };
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	ff_read reads[COUNT];
	int asked = 0;
	for (int i = 0; i < COUNT; i++)
		reads[i] = (ff_read){ .table = &table, .kind = FF_READ_GET, .low = &key.row };
	ff_store *store = open_named("30000");
	ff_txn *theirs = store ? load_all(other) : NULL;
	ff_txn *ours;
	bool late = false;
	const time_t begun = time(NULL);
	if (theirs && backend->begin(store, FF_TXN_WRITE, &ours, &error) == FF_OK) {
		backend->wait_while(ours, waits_a_little, &asked);
		late = backend->load(ours, &arena, reads, COUNT, &error) == FF_E_DEADLINE && time(NULL) - begun < 4;
		backend->abort(ours);
	}
	if (theirs)
		backend->abort(theirs);
	if (store)
		close_store(store);
	return late;
}

/* A connection that was lost while it was idle is replaced, with the locks that it would have. */
static bool locks_on_a_new_connection(ff_store *other)
{
	ff_store *store = open_named("30000");
	bool good = store && add(store, NULL) > 0 && end_sessions();
	ff_txn *ours = good ? load(store, "x") : NULL;
	ff_txn *theirs = ours ? load(other, "x") : NULL;
	good = ours && !theirs && error.code == FF_E_BUSY;
	if (theirs)
		backend->abort(theirs);
	if (ours)
		backend->abort(ours);
	if (store)
		close_store(store);
	return good;
}

/* Nobody is waited for, and least of all for ever. */
static bool waits_for_nobody(ff_store *other)
{
	const ff_param params[] = { { "schema", schema },
		                    { "busy_timeout_ms", "0" },
		                    { "statement_timeout_ms", "5000" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_txn *theirs = store ? load(other, "x") : NULL;
	bool busy = theirs && !load(store, "x") && error.code == FF_E_BUSY;
	if (theirs)
		backend->abort(theirs);
	if (store)
		close_store(store);
	return busy;
}

static bool has_lanes(void)
{
	const ff_param params[] = { { "schema", schema }, { "pool", "3" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_store_limits limits = { 0 };
	bool has = store && backend->limits(store, &limits, &error) == FF_OK && limits.lanes == 3;
	if (store)
		close_store(store);
	return has;
}

/* A newer library brings the store up to date when no batch is under way, and no batch of an older one comes then. */
static bool migrates_between_batches(ff_store *store)
{
	const ff_param params[] = { { "schema", schema }, { "busy_timeout_ms", "100" } };
	ff_txn *txn = load(store, "x");
	ff_store *newer = txn ? open_store(&next_catalog, params, 2) : NULL;
	bool waits = txn && !newer && error.code == FF_E_BUSY;
	if (txn)
		backend->abort(txn);
	newer = waits ? open_store(&next_catalog, params, 2) : newer;
	bool good = newer && !load(store, "x") && error.code == FF_E_IO;
	if (newer)
		close_store(newer);
	return waits && good;
}

/* Ten seconds of them. */
enum { SIGNALS_MAX = 1000 };

static volatile sig_atomic_t signals;
static int listener;

static void note_signal(int signal)
{
	(void)signal;
	if (++signals == SIGNALS_MAX)
		shutdown(listener, SHUT_RDWR);
}

/* A server that says nothing is waited for no longer by who is interrupted all the time. */
static bool gives_up_among_signals(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	const struct itimerval often = { { .tv_usec = 10000 }, { .tv_usec = 10000 } }, never = { 0 };
	char port[8];
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		return false;
	snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
	const ff_param params[] = { { "host", "127.0.0.1" }, { "port", port }, { "connect_timeout", "1" } };
	signal(SIGALRM, note_signal);
	setitimer(ITIMER_REAL, &often, NULL);
	bool refused =
	    !open_store(&catalog, params, sizeof(params) / sizeof(*params)) && error.code == FF_E_IO && error.retryable;
	setitimer(ITIMER_REAL, &never, NULL);
	close(listener);
	return refused && signals < SIGNALS_MAX;
}

int main(void)
{
	snprintf(schema, sizeof(schema), "slots_%ld", (long)getpid());
	const ff_param params[] = { { "schema", schema }, { "busy_timeout_ms", "100" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_store *other = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_txn *held = NULL;
	told(store && other, "a store is opened twice");
	if (store && other) {
		told(add(store, NULL) == 1, "the parent writes");
		told(in_child(store, NULL, false), "a child writes on a connection of its own, and closes the store");
		told(add(store, NULL) == 3, "the parent's connection was left alone");
		told(in_child(store, NULL, true), "a child closes the store at once");
		told(add(store, NULL) == 4, "that took the parent nothing, either");
		told(add(store, &held) == 5 && in_child(store, held, false),
		     "a child can only drop a transaction of its parent");
		ff_read read = { .table = &table };
		told(held && backend->load(held, NULL, &read, 0, &error) == FF_OK, "which goes on in the parent");
		told(held && commits_in_child(store, held), "nor can it commit that");
		told(held && deletes(held, 4), "which the parent can");
		told(add(store, NULL) == 1, "and ends there");
		told(in_daemon(store), "no socket is where a daemon prints");
		told(add(store, NULL) == 3, "which writes all the same");
		told(takes_all_next(store, other),
		     "who finds at commit that it wants every lane begins with them the next time");
		told(add(store, NULL) == 1 && loses_rollback(store) && adds_in_one_round_trip(store, 1),
		     "a rollback that fails, with nothing to roll back, is no failure of what is sent with it");
		told(add(store, NULL) == 3, "which was done, and once");
		told(rolls_back(store) && adds_in_one_round_trip(store, 3),
		     "where there is something to roll back, that has another connection");
		told(add(store, NULL) == 5, "on which it was done once, too");
		told(sees_another_schema(store, 5), "one round trip looks at the schema's version, too");
		told(waits_for_every_lane(store, other, 5), "and waits for who holds every lane");
		told(adds_in_one_round_trip(store, 5) && add(store, NULL) == 7, "and for nobody then");
		for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
			char what[64];
			snprintf(what, sizeof(what), "a statement refused with %s is told as that", refusals[i].state);
			told(is_told(store, &refusals[i]), what);
		}
		told(keeps_few_sessions(), "of many connections at a time some are kept, until the store is closed");
		told(commits_no_more(other, 7, false), "a batch that has lost its locks writes nothing");
		told(commits_no_more(other, 9, true), "nor does one that lay idle for too long");
		told(loads_no_more(), "and loads nothing");
		told(asks_who_waits(11), "who waits no longer is told so, and asked no more");
		told(waits_for_no_rollback(12), "what was sent over a connection that was lost is not waited for");
		told(gives_up_while_it_waits(other), "a lock is waited for as long as somebody waits for it");
		told(gives_up_while_it_sends(other), "also while it sends what the server does not take");
		told(locks_on_a_new_connection(other), "a lost connection is replaced by one that holds the locks");
		told(waits_for_nobody(other), "a timeout of 0 waits for nobody");
		told(has_lanes(), "there are as many lanes as the pool has connections");
		told(migrates_between_batches(store),
		     "a newer library waits for who is under way, and then for nobody");
		backend->close(store);
		backend->close(other);
	}
	free(store);
	free(other);
	told(gives_up_among_signals(), "a server that says nothing is given up in time, whatever interrupts the wait");
	printf("1..%u\n", number);
	return failed != 0;
}
