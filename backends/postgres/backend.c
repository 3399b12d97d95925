/* The PostgreSQL backend's slots: opening a store, the pool of connections, transactions. */
#include "store.h"

#include <poll.h>
#include <stdio.h>

#include "postgres.h"

#define BEST_CAPS (FF_CAP_DURABLE_COMMIT | FF_CAP_MULTI_PROCESS | FF_CAP_SNAPSHOT_READ | FF_CAP_CONCURRENT_WRITERS)

/* Connections beyond those of the lanes, which reads have opened, that are kept. */
#define READERS_KEPT 4

/* ---- the pool ----------------------------------------------------------------------------------------------- */

/* A connection that is not used, connected or not. Nothing is sent yet. */
static ff_txn *acquire(ff_store *store)
{
	pthread_mutex_lock(&store->mutex);
	ff_txn *txn = store->idle;
	if (txn) {
		store->idle = txn->next;
		store->idle_count--;
	}
	pthread_mutex_unlock(&store->mutex);
	if (!txn)
		return ffp_postgres_txn_new(store);
	if (txn->process != getpid())
		ffp_postgres_disconnect(txn);
	txn->process = getpid();
	return txn;
}

static void release(ff_txn *txn)
{
	ff_store *store = txn->store;
	txn->is_known = txn->pg != NULL;
	pthread_mutex_lock(&store->mutex);
	bool kept = store->idle_count < store->pool + READERS_KEPT;
	if (kept) {
		txn->next = store->idle;
		store->idle = txn;
		store->idle_count++;
	}
	pthread_mutex_unlock(&store->mutex);
	if (!kept)
		ffp_postgres_txn_free(txn);
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

static ff_code begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	if (kind == FF_TXN_WRITE && store->read_only)
		return ff_error_set(error, FF_E_MISUSE, "'%s' is open for reading only", store->name);
	ff_txn *begun = acquire(store); /* the core sees to it that no more than `pool` write */
	if (!begun)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a connection");
	begun->kind = kind;
	begun->stage = FFP_POSTGRES_NEW;
	begun->late = begun->behind = false;
	begun->goes_on = NULL;
	begun->writes_count = begun->expected_count = 0;
	memset(begun->locks, 0, sizeof(begun->locks));
	*txn = begun;
	return FF_OK;
}

static ff_code enter_pipeline(ff_txn *txn, ff_error *error)
{
	ff_code code = ffp_postgres_schema_types(txn, error);
	if (code != FF_OK) {
		ffp_postgres_disconnect(txn);
		return code;
	}
	PQsetnonblocking(txn->pg, 1);
	PQenterPipelineMode(txn->pg);
	return FF_OK;
}

static ff_code ready(ff_txn *txn, ff_error *error)
{
	if (txn->process != getpid())
		return ff_error_set(error, FF_E_IO, "the transaction belongs to a parent process");
	ff_code code = ffp_postgres_ask(txn, error);
	if (code == FF_OK && !txn->pg)
		code = ffp_postgres_connect(txn, error);
	if (code == FF_OK && PQpipelineStatus(txn->pg) == PQ_PIPELINE_OFF)
		code = enter_pipeline(txn, error);
	return code;
}

static void send_begin(ff_txn *txn)
{
	ffp_postgres_send_plain(txn, FFP_POSTGRES_BEGIN, txn->kind);
	if (txn->kind == FF_TXN_READ) /* else the locks tell */
		ffp_postgres_send_plain(txn, FFP_POSTGRES_SESSION, 0);
	txn->stage = FFP_POSTGRES_OPEN;
}

static ff_code load_once(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = ready(txn, error);
	if (code != FF_OK)
		return code;
	bool first = txn->stage == FFP_POSTGRES_NEW;
	if (first)
		send_begin(txn);
	if (txn->kind == FF_TXN_WRITE)
		ffp_postgres_lock(txn, reads, count);
	if (first)
		ffp_postgres_send_plain(txn, FFP_POSTGRES_VERSION, 0);
	ffp_postgres_rows_select(txn, arena, reads, count);
	code = ffp_postgres_exchange(txn, arena, txn->kind == FF_TXN_WRITE ? "write to" : "read", error);
	if (code == FF_OK)
		txn->stage = FFP_POSTGRES_LOADED;
	return code;
}

/*
 * A connection from an earlier transaction lay idle, and may have been lost since: the server was restarted, a firewall
 * forgot it. Where nothing has happened, and that is known, the transaction begins again on a new one.
 */
static bool may_have_been_lost(const ff_txn *txn)
{
	return txn->pg && txn->stage == FFP_POSTGRES_NEW;
}

static bool is_lost(const ff_txn *txn, ff_code code)
{
	bool is_known = code != FF_E_COMMIT_UNKNOWN && code != FF_E_DEADLINE && code != FF_E_NO_MEMORY;
	return code != FF_OK && is_known && !txn->pg;
}

static ff_code load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	bool again = may_have_been_lost(txn);
	ff_code code = load_once(txn, arena, reads, count, error);
	return again && is_lost(txn, code) ? load_once(txn, arena, reads, count, error) : code;
}

static ff_code store_writes(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	if (txn->kind != FF_TXN_WRITE)
		return ff_error_set(error, FF_E_IO, "a read transaction writes nothing");
	txn->writes = writes;
	txn->writes_count = count;
	return FF_OK;
}

static void expect(ff_txn *txn, const ff_read *reads, size_t count)
{
	txn->expected = reads;
	txn->expected_count = count;
}

/* What the server has said while the connection lay idle: that it is over, if anything. */
static void drop_where_lost(ff_txn *txn)
{
	struct pollfd socket = { .fd = PQsocket(txn->pg), .events = POLLIN };
	while (txn->pg && poll(&socket, 1, 0) > 0)
		if (!PQconsumeInput(txn->pg))
			ffp_postgres_disconnect(txn);
}

/*
 * Who has loaded under locks gives them up once the server has the commit in its log, and then waits for the disk without
 * them: others go on meanwhile, and their commits share the sync. Theirs come later in the log, so none of them outlives
 * this one; and who writes nothing, but answers by what it has loaded, waits for the disk as well.
 */
static void send_commit(ff_txn *txn)
{
	bool lets_go = txn->stage == FFP_POSTGRES_LOADED && txn->lets_go;
	if (lets_go)
		ffp_postgres_send_plain(txn, FFP_POSTGRES_LET_GO, 0);
	else if (txn->behind && !txn->writes_count) /* beside a standby, under the locks, as any commit there */
		ffp_postgres_send_plain(txn, FFP_POSTGRES_HARDEN, 0);
	if (ffp_postgres_send_plain(txn, FFP_POSTGRES_COMMIT, 0))
		txn->stage = FFP_POSTGRES_COMMITTING;
	if (lets_go)
		ffp_postgres_send_plain(txn, FFP_POSTGRES_HARDEN, 0);
}

static ff_code write_and_commit(ff_txn *txn, ff_error *error)
{
	if (may_have_been_lost(txn) && txn->process == getpid())
		drop_where_lost(txn);
	ff_code code = ready(txn, error);
	if (code != FF_OK)
		return code;
	if (txn->stage == FFP_POSTGRES_NEW) { /* nothing was loaded: all of it is one round trip */
		send_begin(txn);
		ffp_postgres_lock(txn, NULL, 0);
		ffp_postgres_rows_expect(txn);
	}
	ffp_postgres_rows_write(txn);
	send_commit(txn);
	return ffp_postgres_exchange(txn, NULL, "commit to", error);
}

static void abort_txn(ff_txn *txn)
{
	if (txn->process == getpid())
		ffp_postgres_roll_back(txn);
	release(txn); /* and who takes or frees a parent's connection drops it */
}

/* What a transaction writes and has not loaded, no root of it, is locked first, with a round trip of its own. */
static ff_code lock_rest(ff_txn *txn, ff_error *error)
{
	ff_code code = ready(txn, error);
	return code == FF_OK && ffp_postgres_lock(txn, NULL, 0) ? ffp_postgres_exchange(txn, NULL, "write to", error)
	                                                        : code;
}

static ff_code commit(ff_txn *txn, ff_error *error)
{
	bool has_work = txn->writes_count || txn->expected_count || txn->behind;
	bool again = may_have_been_lost(txn);
	txn->goes_on = NULL; /* it is decided */
	ff_code code = has_work && txn->stage == FFP_POSTGRES_LOADED ? lock_rest(txn, error) : FF_OK;
	if (code == FF_OK && has_work)
		code = write_and_commit(txn, error);
	if (again && is_lost(txn, code))
		code = write_and_commit(txn, error);
	abort_txn(txn);
	return code;
}

static void wait_while(ff_txn *txn, bool (*goes_on)(void *context), void *context)
{
	txn->goes_on = goes_on;
	txn->goes_on_context = context;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static void close_store(ff_store *store)
{
	while (store->idle) {
		ff_txn *next = store->idle->next;
		ffp_postgres_txn_free(store->idle);
		store->idle = next;
	}
	PQconninfoFree(store->options);
	pthread_mutex_destroy(&store->mutex);
}

static ff_code open_store(ff_store *store, const ff_store_config *config, ff_error *error)
{
	pthread_mutex_init(&store->mutex, NULL);
	store->catalog = config->catalog;
	store->allocator = config->allocator;
	store->read_only = (config->flags & FF_STORE_READ_ONLY) != 0;
	bool must_exist = (config->flags & (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST)) != 0;
	ff_code code = ffp_postgres_settings_read(store, config, error);
	ff_txn *txn = NULL;
	if (code == FF_OK && !(txn = ffp_postgres_txn_new(store)))
		code = ff_error_set(error, FF_E_NO_MEMORY, "out of memory for a connection");
	if (code == FF_OK)
		code = ffp_postgres_connect(txn, error);
	if (code == FF_OK)
		code = ffp_postgres_schema_open(txn, must_exist, error);
	/* Somebody makes the schema who knows none of our locks, or the session is another's. */
	if (code == FF_E_CONFLICT)
		code = error->code = FF_E_BUSY;
	if (txn)
		release(txn);
	if (code != FF_OK)
		close_store(store);
	return code;
}

static ff_code limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)error;
	limits->durability = store->syncs ? store->durability : FF_DURABILITY_NONE;
	limits->caps = BEST_CAPS;
	if (limits->durability != FF_DURABILITY_FULL)
		limits->caps &= ~FF_CAP_DURABLE_COMMIT;
	if (store->pool == 1)
		limits->caps &= ~FF_CAP_CONCURRENT_WRITERS;
	limits->lanes = (uint32_t)store->pool;
	snprintf(limits->version, sizeof(limits->version), "%s", store->version);
	return FF_OK;
}

const ff_engine_backend ffp_postgres_backend = {
	.size = sizeof(ff_engine_backend),
	.abi_major = FF_BACKEND_ABI,
	.caps = BEST_CAPS,
	.name = "postgres",
	.schemes = "postgresql",
	.instance_size = sizeof(ff_store),
	.open = open_store,
	.close = close_store,
	.limits = limits,
	.begin = begin,
	.load = load,
	.store = store_writes,
	.commit = commit,
	.abort = abort_txn,
	.wait_while = wait_while,
	.expect = expect,
};
