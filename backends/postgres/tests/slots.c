/*
 * The backend's slots, called as the core calls them:
 * - a forked child may begin, end and close, and its parent's connections go on as if nothing were;
 * - which locks are waited for, by whom and in which order;
 * - what a refusal means, and what a rollback that fails has to say;
 * - what becomes of sessions that end, wait or are many;
 * - a wait that signals interrupt.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
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
/* A pair's root is its number, which is not what its key begins with. */
enum { ITEM, PAIR };

static const ff_table tables[] = {
	{ .name = "item",
	  .columns = columns,
	  .row_size = sizeof(item),
	  .columns_count = 2,
	  .key_count = 1,
	  .since = 1 },
	{ .name = "pair",
	  .columns = columns,
	  .row_size = sizeof(item),
	  .columns_count = 2,
	  .key_count = 2,
	  .id = 1,
	  .root = 1,
	  .since = 1 },
};
static const ff_catalog catalog = { .tables = tables, .tables_count = 2, .version = 1 };
static const ff_catalog next_catalog = { .tables = tables, .tables_count = 2, .version = 2 };

/* So many times there is memory, and then once there is none; < 0: there always is. */
static int64_t memory_left = -1;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size)
		return memory_left >= 0 && memory_left-- == 0 ? NULL : realloc(old, size);
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
	ff_read read = { .table = &tables[ITEM], .kind = FF_READ_GET, .low = &after.row };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return -1;
	if (backend->load(txn, &arena, &read, 1, &error)) {
		backend->abort(txn);
		return -1;
	}
	if (read.row)
		after.value = ((const item *)(const void *)read.row)->value + 1;
	const ff_write write = {
		.table = &tables[ITEM], .kind = FF_WRITE_PUT, .before = read.row, .after = &after.row
	};
	if (hold) {
		*hold = txn;
		return after.value;
	}
	return backend->store(txn, &write, 1, &error) || backend->commit(txn, &error) ? -1 : after.value;
}

/* Ends it, where it began. */
static void drop(ff_txn *txn)
{
	if (txn)
		backend->abort(txn);
}

/* Writes the row x, and commits; what it was is known. */
static ff_code change(ff_txn *txn, int64_t from, int64_t to)
{
	const item before = { .id = { "x", 1 }, .value = from };
	const item after = { .id = { "x", 1 }, .value = to };
	const ff_write write = {
		.table = &tables[ITEM], .kind = FF_WRITE_PUT, .before = &before.row, .after = &after.row
	};
	ff_code code = backend->store(txn, &write, 1, &error);
	return code == FF_OK ? backend->commit(txn, &error) : code;
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

/* What the child does ends with status 0 where all of it could be done. Its files have numbers below `files`: with 1 it can
 * open one, and put none in the place of a socket. */
static bool in_child(ff_store *store, ff_txn *held, bool closes, rlim_t files)
{
	pid_t child = fork();
	if (child == 0) {
		struct rlimit limit;
		getrlimit(RLIMIT_NOFILE, &limit);
		limit.rlim_cur = files < limit.rlim_cur ? files : limit.rlim_cur;
		if (setrlimit(RLIMIT_NOFILE, &limit))
			_exit(1);
		close(STDIN_FILENO);
		ff_read none = { .table = &tables[ITEM] };
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
			writes[i] = (ff_write){ .table = &tables[ITEM], .kind = FF_WRITE_PUT, .after = &others[i].row };
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
	const ff_write gone = { .table = &tables[ITEM], .kind = FF_WRITE_DELETE, .before = &before.row };
	return backend->store(txn, &gone, 1, &error) == FF_OK && backend->commit(txn, &error) == FF_OK;
}

/* What a transaction may do with a root, or across all of them. A pair's is the letter's number. */
typedef enum way { ROAMS, GETS, GETS_PAIRS, WALKS, EXPECTS, PUTS, CLEARS, WAYS } way;

enum { LETTERS_MAX = 2 };

/* A read of each letter's rows. */
static void list_reads(const char *letters, way how, item *rows, ff_read *reads)
{
	for (size_t i = 0; letters[i]; i++) {
		rows[i] = (item){ .id = { how == GETS_PAIRS ? "p" : &letters[i], 1 }, .value = letters[i] };
		reads[i] =
		    (ff_read){ .table = &tables[how == GETS_PAIRS ? PAIR : ITEM],
			       .kind = how == ROAMS || how == WALKS || how == CLEARS ? FF_READ_RANGE : FF_READ_GET,
			       .equal_count = how != ROAMS,
			       .limit = 1,
			       .low = &rows[i].row,
			       .row = &rows[i].row };
	}
}

static ff_code load_each(ff_txn *txn, const char *letters, way how)
{
	item rows[LETTERS_MAX];
	ff_read reads[LETTERS_MAX];
	static _Alignas(16) char room[4096];
	ff_arena arena = { room, room + sizeof(room), grow };
	list_reads(letters, how, rows, reads);
	return backend->load(txn, &arena, reads, strlen(letters), &error);
}

/* A transaction that has loaded rows, and holds their lanes; NULL where it could not. */
static ff_txn *load(ff_store *store, const char *letters, way how)
{
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return NULL;
	if (load_each(txn, letters, how) == FF_OK)
		return txn;
	backend->abort(txn);
	return NULL;
}

/* A delete in every lane is tried at commit, while another holds one of them; the next one begins with all of them. */
static bool takes_all_next(ff_store *store, ff_store *other)
{
	const ff_read all = { .table = &tables[ITEM], .kind = FF_READ_RANGE };
	const ff_write gone = { .table = &tables[ITEM], .kind = FF_WRITE_DELETE_RANGE, .range = &all };
	ff_txn *theirs = load(other, "y", GETS);
	ff_txn *ours = load(store, "x", GETS);
	bool tried = theirs && ours && backend->store(ours, &gone, 1, &error) == FF_OK &&
	             backend->commit(ours, &error) == FF_E_CONFLICT;
	if (!tried)
		return false;
	backend->abort(theirs);
	ours = load(store, "x", GETS);
	theirs = load(other, "y", GETS);
	bool waits = ours && !theirs && error.code == FF_E_BUSY;
	drop(theirs);
	return waits && backend->store(ours, &gone, 1, &error) == FF_OK && backend->commit(ours, &error) == FF_OK;
}

/* Does all of it in `txn`, or in a new transaction where that is NULL, and ends it. */
static ff_code touch(ff_store *store, ff_txn *txn, const char *letters, way how)
{
	size_t count = strlen(letters);
	item rows[LETTERS_MAX];
	ff_read reads[LETTERS_MAX];
	ff_write writes[LETTERS_MAX];
	ff_code code = txn ? FF_OK : backend->begin(store, FF_TXN_WRITE, &txn, &error);
	if (code != FF_OK)
		return code;
	list_reads(letters, how, rows, reads);
	for (size_t i = 0; i < count; i++)
		writes[i] = (ff_write){ .table = reads[i].table,
			                .kind = how == CLEARS ? FF_WRITE_DELETE_RANGE : FF_WRITE_PUT,
			                .before = &rows[i].row,
			                .after = &rows[i].row,
			                .range = &reads[i] };
	if (how == EXPECTS)
		backend->expect(txn, reads, count);
	else
		code = how <= WALKS ? load_each(txn, letters, how) : backend->store(txn, writes, count, &error);
	if (code == FF_OK)
		return backend->commit(txn, &error);
	backend->abort(txn);
	return code;
}

static bool is_let_in(ff_code code)
{
	return code == FF_OK || code == FF_E_CONFLICT;
}

/* Whatever is done with a root waits for who holds its lock, and for nobody else. */
static bool waits_for_its_root(ff_store *store, ff_store *other, way how)
{
	ff_txn *theirs = load(other, "y", how == GETS_PAIRS ? GETS_PAIRS : GETS);
	bool waits = theirs && touch(store, NULL, "y", how) == FF_E_BUSY &&
	             touch(store, NULL, "xy", how) == FF_E_BUSY && is_let_in(touch(store, NULL, "xz", how));
	drop(theirs);
	return waits;
}

/* What a transaction wants that has loaded x, while another holds `theirs`. */
static ff_code touch_late(ff_store *store, ff_store *other, const char *theirs, const char *letter, way how)
{
	ff_txn *holds = load(other, theirs, GETS);
	ff_txn *ours = load(store, "x", GETS);
	ff_code code = holds && ours ? touch(store, ours, letter, how) : FF_E_IO;
	drop(holds);
	return code;
}

/* The locks of z, x and y come in this order. */
static bool waits_in_order(ff_store *store, ff_store *other, way how)
{
	return touch_late(store, other, "y", "y", how) == FF_E_BUSY &&
	       touch_late(store, other, "z", "z", how) == FF_E_CONFLICT &&
	       touch_late(store, other, "z", "zy", how) == FF_E_CONFLICT &&
	       touch_late(store, other, "y", "z", how) == FF_OK && touch_late(store, other, "z", "y", how) == FF_OK;
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
	ff_txn *txn = load(store, "x", GETS);
	drop(txn);
	return txn != NULL;
}

static const char no_statement[] =
    "EXECUTE (SELECT 'DEALLOCATE ' || name FROM pg_prepared_statements WHERE statement = 'ROLLBACK');";
static const char no_name[] = "FOR i IN 0..99 LOOP BEGIN EXECUTE format('PREPARE ff%s AS SELECT 1', i); EXCEPTION WHEN"
			      " duplicate_prepared_statement THEN NULL; END; END LOOP;";

/* A commit that the server refuses, and with it goes the statement that would roll back, or the name that it would get. */
static bool loses_rollback(ff_store *store, const char *how)
{
	static const char made[] =
	    "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN %s RAISE 'no'; END$$;"
	    "CREATE CONSTRAINT TRIGGER t AFTER UPDATE ON item INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()";
	char trigger[512];
	snprintf(trigger, sizeof(trigger), made, how);
	return is_done(trigger) && add(store, NULL) == -1 && strcmp(error.native_code, "P0001") == 0 &&
	       is_done("DROP TRIGGER t ON item");
}

/* Without a load, by what is known. */
static bool adds_in_one_round_trip(ff_store *store, int64_t value)
{
	item before = { .id = { "x", 1 }, .value = value };
	const ff_read read = { .table = &tables[ITEM], .kind = FF_READ_GET, .low = &before.row, .row = &before.row };
	ff_txn *txn;
	if (backend->begin(store, FF_TXN_WRITE, &txn, &error))
		return false;
	backend->expect(txn, &read, 1);
	return change(txn, value, value + 1) == FF_OK;
}

/* With a load or without. */
static bool refuses_schema(ff_store *store, int64_t value, const char *change)
{
	return is_done(change) && !adds_in_one_round_trip(store, value) && error.code == FF_E_CONFLICT &&
	       add(store, NULL) == -1 && error.code == FF_E_IO;
}

static bool sees_another_schema(ff_store *store, int64_t value)
{
	return refuses_schema(store, value, "UPDATE ff_schema SET version = 2") &&
	       refuses_schema(store, value, "UPDATE ff_schema SET version = 1; INSERT INTO ff_schema VALUES (1)") &&
	       is_done("DELETE FROM ff_schema; INSERT INTO ff_schema VALUES (1)");
}

static bool waits_for_every_lane(ff_store *store, ff_store *other, int64_t value)
{
	ff_txn *theirs = load(other, "x", ROAMS);
	bool waits = theirs && !adds_in_one_round_trip(store, value) && error.code == FF_E_BUSY;
	drop(theirs);
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

/* Who wants every lane at once waits for each, and where that was in vain the next transaction wants no more than its own. */
static bool wants_every_lane_once(ff_store *store, ff_store *other)
{
	ff_txn *theirs = load(other, "y", GETS);
	bool waits = theirs && touch(store, NULL, "x", ROAMS) == FF_E_BUSY && touch(store, NULL, "x", GETS) == FF_OK;
	drop(theirs);
	return waits;
}

/* An arena that says once that memory is out. */
typedef struct scarce {
	ff_arena arena;
	unsigned left; /* takes until then */
	size_t taken;
	_Alignas(16) char room[1024];
} scarce;

static void *grow_scarce(ff_arena *arena, size_t size)
{
	scarce *of = (scarce *)(void *)arena;
	if (of->left-- == 0)
		return NULL;
	of->taken += size;
	return of->taken <= sizeof(of->room) ? of->room + of->taken - size : NULL;
}

/* Wherever memory is out in a load of the one row. */
static bool tells_lack_of_memory(ff_store *store, ff_read_kind kind)
{
	const item key = { .id = { "x", 1 } };
	ff_read read = { .table = &tables[ITEM], .kind = (uint8_t)kind, .low = &key.row, .limit = 1 };
	static scarce memory;
	unsigned lacked = 0;
	ff_code code = FF_E_NO_MEMORY;
	for (unsigned i = 0; code == FF_E_NO_MEMORY && i < 10; i++) {
		ff_txn *txn;
		memory = (scarce){ .arena = { .grow = grow_scarce }, .left = i };
		if (backend->begin(store, FF_TXN_READ, &txn, &error))
			return false;
		code = backend->load(txn, &memory.arena, &read, 1, &error);
		lacked += code == FF_E_NO_MEMORY;
		backend->abort(txn);
	}
	const ff_row *row = kind == FF_READ_GET || !read.rows_count ? read.row : read.rows[0];
	return lacked > 0 && code == FF_OK && row &&
	       ff_text_compare(((const item *)(const void *)row)->id, key.id) == 0;
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
	if (store)
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
	ff_read none = { .table = &tables[ITEM] };
	bool good = store != NULL;
	for (int i = 0; i < MANY && good; i++)
		good = backend->begin(store, FF_TXN_READ, &txns[i], &error) == FF_OK &&
		       backend->load(txns[i], NULL, &none, 0, &error) == FF_OK;
	good = good && are_sessions(MANY);
	for (int i = 0; i < MANY && good; i++)
		backend->abort(txns[i]);
	good = good && are_sessions(KEPT);
	close_store(store);
	return good && are_sessions(0);
}

/* A batch that has loaded and lost its locks writes nothing by what it has loaded. */
static bool commits_no_more(ff_store *other, int64_t value, bool idles)
{
	ff_store *store = open_named(idles ? "2000" : "30000");
	ff_txn *txn = store ? load(store, "x", GETS) : NULL;
	bool good = txn && (idles || end_sessions()) && are_sessions(0) && add(other, NULL) == value + 1 &&
	            change(txn, value, value + 100) == (idles ? FF_E_CONFLICT : FF_E_IO) && error.retryable &&
	            (!idles || strcmp(error.native_code, "25P03") == 0);
	close_store(store);
	return good && adds_in_one_round_trip(other, value + 1);
}

/* Nor does it load any more: what it has loaded may be otherwise by then. */
static bool loads_no_more(void)
{
	ff_store *store = open_named("30000");
	ff_txn *txn = store ? load(store, "x", GETS) : NULL;
	ff_read none = { .table = &tables[ITEM] };
	bool refused =
	    txn && end_sessions() && backend->load(txn, NULL, &none, 0, &error) == FF_E_IO && error.retryable;
	drop(txn);
	close_store(store);
	return refused;
}

/* A rollback's answer is not waited for, and of a connection that was lost since none comes. */
static bool waits_for_no_rollback(int64_t value)
{
	ff_store *store = open_named("30000");
	bool done = store && rolls_back(store) && end_sessions() && adds_in_one_round_trip(store, value);
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
	ff_txn *txn = store ? load(store, "x", GETS) : NULL;
	ff_read none = { .table = &tables[ITEM] };
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
		good = change(txn, value, value + 1) == FF_OK && asked == 0;
	}
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
	int asked = 0;
	ff_store *store = open_named("30000");
	ff_txn *theirs = store ? load(other, "y", GETS) : NULL;
	ff_txn *ours = theirs ? load(store, "x", GETS) : NULL;
	bool late = false;
	if (ours) {
		backend->wait_while(ours, waits_a_little, &asked);
		late = load_each(ours, "y", GETS) == FF_E_DEADLINE;
		backend->abort(ours);
	}
	drop(theirs);
	close_store(store);
	return late;
}

/* More is to be sent than the server takes while it waits for a lock, for a minute, and than what lies between holds. */
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
		reads[i] = (ff_read){ .table = &tables[ITEM], .kind = FF_READ_GET, .low = &key.row };
	const ff_param params[] = { { "schema", schema },
		                    { "busy_timeout_ms", "60000" },
		                    { "statement_timeout_ms", "60000" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_txn *theirs = store ? load(other, "x", ROAMS) : NULL;
	ff_txn *ours;
	bool late = false;
	if (theirs && backend->begin(store, FF_TXN_WRITE, &ours, &error) == FF_OK) {
		backend->wait_while(ours, waits_a_little, &asked);
		late = backend->load(ours, &arena, reads, COUNT, &error) == FF_E_DEADLINE && asked == 5;
		backend->abort(ours);
	}
	drop(theirs);
	close_store(store);
	return late;
}

/* A connection that was lost while it was idle is replaced, with the locks that it would have. */
static bool locks_on_a_new_connection(ff_store *other)
{
	ff_store *store = open_named("30000");
	bool good = store && add(store, NULL) > 0 && end_sessions();
	ff_txn *ours = good ? load(store, "x", GETS) : NULL;
	ff_txn *theirs = ours ? load(other, "x", GETS) : NULL;
	good = ours && !theirs && error.code == FF_E_BUSY;
	drop(theirs);
	drop(ours);
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
	ff_txn *theirs = store ? load(other, "x", GETS) : NULL;
	bool busy = theirs && !load(store, "x", GETS) && error.code == FF_E_BUSY;
	drop(theirs);
	close_store(store);
	return busy;
}

static bool has_lanes(void)
{
	const ff_param params[] = { { "schema", schema }, { "pool", "3" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_store_limits limits = { 0 };
	bool has = store && backend->limits(store, &limits, &error) == FF_OK && limits.lanes == 3;
	close_store(store);
	return has;
}

/* A newer library brings the store up to date when no batch is under way, and no batch of an older one comes then. */
static bool migrates_between_batches(ff_store *store)
{
	const ff_param params[] = { { "schema", schema }, { "busy_timeout_ms", "300" } };
	ff_txn *txn = load(store, "x", GETS);
	ff_store *newer = txn ? open_store(&next_catalog, params, 2) : NULL;
	bool waits = txn && !newer && error.code == FF_E_BUSY;
	drop(txn);
	newer = waits ? open_store(&next_catalog, params, 2) : newer;
	bool good = newer && !load(store, "x", GETS) && error.code == FF_E_IO;
	close_store(newer);
	return waits && good;
}

/* The keys that other versions of this library lock on the same server: of a schema of this name, and of x in it. */
static bool locks_what_others_do(void)
{
	static const char held[] =
	    "SELECT 1 / (count(*) = 2 AND bool_and(mode = CASE key - 6551424982217850880 WHEN 0 THEN 'ShareLock'"
	    " WHEN 292 THEN 'ExclusiveLock' ELSE '' END))::int FROM (SELECT classid::bigint << 32 | objid::bigint AS"
	    " key, mode FROM pg_locks WHERE locktype = 'advisory') k WHERE key >> 12 = 6551424982217850880 >> 12";
	const ff_param params[] = { { "schema", "lanes" } };
	ff_store *store = open_store(&catalog, params, 1);
	ff_txn *txn = store ? load(store, "x", GETS) : NULL;
	bool good = txn && is_done(held);
	drop(txn);
	close_store(store);
	return good;
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

/* Somebody shares the locks of all and of x: who works on another root shares the one, and nobody the other. */
static bool shares_the_lock_of_all_alone(void)
{
	static const char shared[] = "SELECT pg_advisory_lock_shared(6551424982217850880),"
				     " pg_advisory_lock_shared(6551424982217850880 + 292)";
	const ff_param params[] = { { "schema", "lanes" }, { "busy_timeout_ms", "100" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	PGconn *person = PQconnectdb("options='-c statement_timeout=10s'");
	PGresult *result = PQexec(person, shared);
	bool good = store && PQresultStatus(result) == PGRES_TUPLES_OK;
	for (way how = GETS; how <= PUTS; how++)
		good = good && (how == GETS_PAIRS || touch(store, NULL, "x", how) == FF_E_BUSY) &&
		       is_let_in(touch(store, NULL, "y", how));
	good = good && touch(store, NULL, "y", ROAMS) == FF_E_BUSY;
	PQclear(result);
	PQfinish(person);
	close_store(store);
	return good;
}

/* On a connection that has had nothing to roll back. */
static bool goes_on_without_rollback(int64_t value)
{
	const ff_param params[] = { { "schema", schema } };
	ff_store *store = open_store(&catalog, params, 1);
	bool good = store && add(store, NULL) == value + 1 && adds_in_one_round_trip(store, value + 1) &&
	            loses_rollback(store, no_name) && adds_in_one_round_trip(store, value + 2) &&
	            add(store, NULL) == value + 4;
	close_store(store);
	return good;
}

/* Wherever a connection's memory is out, once, nothing is written. What it has by then is kept, and what it lacked is what
 * it asks for first the next time. */
static bool bears_lack_of_memory(int64_t value)
{
	const ff_param params[] = { { "schema", schema } };
	ff_store *store = open_store(&catalog, params, 1);
	unsigned lacked = 0;
	int64_t added = store ? -1 : 0;
	for (unsigned i = 0; added == -1 && i < 100; i++) {
		memory_left = i > 0;
		added = add(store, NULL);
		if (added == -1 && error.code != FF_E_NO_MEMORY)
			break;
		lacked += added == -1;
	}
	memory_left = -1;
	close_store(store);
	return added == value + 1 && lacked > 0;
}

static const char *const ways[] = {
	[GETS] = "a row that is loaded waits for who holds its root, and for nobody else",
	[GETS_PAIRS] = "so does one whose root is a number",
	[WALKS] = "and a range within a root",
	[EXPECTS] = "and what is expected",
	[PUTS] = "and what is written",
	[CLEARS] = "and a range that is deleted",
};

int main(void)
{
	snprintf(schema, sizeof(schema), "slots_%ld", (long)getpid());
	/* Longer than a rollback takes whose answer nobody waits for. */
	const ff_param params[] = { { "schema", schema }, { "busy_timeout_ms", "300" } };
	ff_store *store = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_store *other = open_store(&catalog, params, sizeof(params) / sizeof(*params));
	ff_txn *held = NULL;
	told(store && other, "a store is opened twice");
	if (store && other) {
		told(add(store, NULL) == 1, "the parent writes");
		told(in_child(store, NULL, false, RLIM_INFINITY),
		     "a child writes on a connection of its own, and closes the store");
		told(add(store, NULL) == 3, "the parent's connection was left alone");
		told(in_child(store, NULL, true, RLIM_INFINITY), "a child closes the store at once");
		told(add(store, NULL) == 4, "that took the parent nothing, either");
		told(add(store, &held) == 5 && in_child(store, held, false, RLIM_INFINITY) &&
		         in_child(store, held, false, 0) && in_child(store, held, false, 1),
		     "a child can only drop a transaction of its parent, also without a file to spare");
		ff_read read = { .table = &tables[ITEM] };
		told(held && backend->load(held, NULL, &read, 0, &error) == FF_OK, "which goes on in the parent");
		told(held && commits_in_child(store, held), "nor can it commit that");
		told(held && deletes(held, 4), "which the parent can");
		told(add(store, NULL) == 1, "and ends there");
		told(in_daemon(store), "no socket is where a daemon prints");
		told(add(store, NULL) == 3, "which writes all the same");
		told(takes_all_next(store, other),
		     "who finds at commit that it wants every lane begins with them the next time");
		told(add(store, NULL) == 1 && rolls_back(store) && loses_rollback(store, no_statement) &&
		         adds_in_one_round_trip(store, 1),
		     "a rollback that fails, with nothing to roll back, is no failure of what is sent with it");
		told(add(store, NULL) == 3, "which was done, and once");
		told(rolls_back(store) && adds_in_one_round_trip(store, 3),
		     "where there is something to roll back, that has another connection");
		told(add(store, NULL) == 5, "on which it was done once, too");
		told(sees_another_schema(store, 5), "each transaction looks at the schema's version");
		told(waits_for_every_lane(store, other, 5), "and waits for who holds every lane");
		told(adds_in_one_round_trip(store, 5) && add(store, NULL) == 7, "and for nobody then");
		for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
			char what[64];
			snprintf(what, sizeof(what), "a statement refused with %s is told as that", refusals[i].state);
			told(is_told(store, &refusals[i]), what);
		}
		told(goes_on_without_rollback(7),
		     "a rollback that was never prepared, and cannot be, is no failure, either");
		told(bears_lack_of_memory(11), "memory for a connection may be out anywhere");
		told(tells_lack_of_memory(store, FF_READ_GET) && tells_lack_of_memory(store, FF_READ_RANGE),
		     "memory for rows may be out anywhere in a load");
		told(keeps_few_sessions(), "of many connections at a time some are kept, until the store is closed");
		told(commits_no_more(other, 12, false), "a batch that has lost its locks writes nothing");
		told(commits_no_more(other, 14, true), "nor does one that lay idle for too long");
		told(loads_no_more(), "and loads nothing");
		told(asks_who_waits(16), "who waits no longer is told so, and asked no more");
		told(waits_for_no_rollback(17), "what was sent over a connection that was lost is not waited for");
		told(gives_up_while_it_waits(other), "a lock is waited for as long as somebody waits for it");
		told(gives_up_while_it_sends(other), "also while it sends what the server does not take");
		told(locks_on_a_new_connection(other), "a lost connection is replaced by one that holds the locks");
		told(waits_for_nobody(other), "a timeout of 0 waits for nobody");
		told(has_lanes(), "there are as many lanes as the pool has connections");
		told(wants_every_lane_once(store, other), "who waits for them in vain leaves them to others");
		for (way how = GETS; how < WAYS; how++)
			told(waits_for_its_root(store, other, how), ways[how]);
		told(waits_in_order(store, other, GETS) && waits_in_order(store, other, PUTS) &&
		         waits_in_order(store, other, CLEARS),
		     "what is wanted late is waited for in order, and else tried");
		told(migrates_between_batches(store),
		     "a newer library waits for who is under way, and then for nobody");
	}
	close_store(store);
	close_store(other);
	told(locks_what_others_do(), "the locks are those of every version");
	told(shares_the_lock_of_all_alone(),
	     "and that of all is shared by those who work on a root, and that of no root");
	told(gives_up_among_signals(), "a server that says nothing is given up in time, whatever interrupts the wait");
	printf("1..%u\n", number);
	return failed != 0;
}
