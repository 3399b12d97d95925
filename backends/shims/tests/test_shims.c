/*
 * The shims around a store that keeps nothing and counts. TAP on stdout; exit 1 where a check failed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shims.h"

/* ---- the wrapped store: counts what is open, and can fail its open ------------------------------------------- */

static struct {
	int stores;
	int txns;
	int commits;
	int calls; /* of load and store */
	int housekeeps;
	int checks;
	int waits;
	size_t params;
	char scheme[32];
} inner;

struct ff_txn {
	int unused;
};

static struct ff_txn the_txn;
static ff_row the_row;

static ff_code inner_open(ff_store *store, const ff_store_config *config, ff_error *error)
{
	static const char *const known[] = { "fail", NULL };
	(void)store;
	ff_code code = ff_config_check(config, known, error);
	if (code == FF_OK && ff_config_param(config, "fail"))
		code = ff_error_set(error, FF_E_IO, "cannot be opened");
	inner.params = config->params_count;
	snprintf(inner.scheme, sizeof(inner.scheme), "%s", config->scheme);
	inner.stores += code == FF_OK;
	return code;
}

static void inner_close(ff_store *store)
{
	(void)store;
	inner.stores--;
}

static ff_code inner_limits(ff_store *store, ff_store_limits *limits, ff_error *error)
{
	(void)store;
	(void)error;
	limits->caps = FF_CAP_SNAPSHOT_READ;
	return FF_OK;
}

static ff_code inner_begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	(void)store;
	(void)kind;
	(void)error;
	inner.txns++;
	*txn = &the_txn;
	return FF_OK;
}

static ff_code inner_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	(void)txn;
	(void)arena;
	(void)error;
	for (size_t i = 0; i < count; i++) {
		reads[i].row = &the_row;
		reads[i].rows_count = 2;
	}
	inner.calls++;
	return FF_OK;
}

static ff_code inner_store_rows(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	(void)txn;
	(void)writes;
	(void)error;
	inner.calls++;
	return count > 8 ? ff_error_set(error, FF_E_FULL, "too many rows") : FF_OK;
}

static ff_code inner_commit(ff_txn *txn, ff_error *error)
{
	(void)txn;
	(void)error;
	inner.txns--;
	inner.commits++;
	return FF_OK;
}

static void inner_abort(ff_txn *txn)
{
	(void)txn;
	inner.txns--;
}

static void inner_housekeep(ff_store *store)
{
	(void)store;
	inner.housekeeps++;
}

static ff_code inner_check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	(void)store;
	(void)problem;
	(void)context;
	inner.checks++;
	return ff_error_set(error, FF_E_CORRUPT, "cannot be checked");
}

static void inner_wait_while(ff_txn *txn, bool (*goes_on)(void *context), void *context)
{
	(void)txn;
	inner.waits += goes_on(context);
}

/* What every backend has, but its name. */
#define INNER_SLOTS                                                                                                 \
	.size = sizeof(ff_engine_backend), .abi_major = FF_BACKEND_ABI, .caps = FF_CAP_SNAPSHOT_READ,               \
	.open = inner_open, .close = inner_close, .limits = inner_limits, .begin = inner_begin, .load = inner_load, \
	.store = inner_store_rows, .commit = inner_commit, .abort = inner_abort

static const ff_engine_backend inner_backend = { INNER_SLOTS, .name = "counting", .check = inner_check,
	                                         .wait_while = inner_wait_while, .housekeep = inner_housekeep };

/* The same, without what a backend need not have. */
static const ff_engine_backend bare_backend = { INNER_SLOTS, .name = "bare" };

/* The build's list of backends, which this program is linked without. */
const ff_engine_backend *const ffp_builtin_backends[] = { &inner_backend, &bare_backend, &ffp_fault_backend,
	                                                  &ffp_trace_backend, NULL };

/* ---- opening by hand ---------------------------------------------------------------------------------------- */

static size_t memory_in_use;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	memory_in_use += size - old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

static const ff_allocator allocator = { .resize = resize };
static ff_error error;

typedef struct opened {
	const ff_engine_backend *backend;
	ff_store *store;
} opened;

/* Opens a store by a scheme and parameters in the order of names and values. */
static ff_code open_store(opened *to, const char *scheme, const ff_param *params, size_t count)
{
	ff_store_config config = { .uri = "test:",
		                   .scheme = scheme,
		                   .path = "x",
		                   .params = params,
		                   .params_count = count,
		                   .allocator = &allocator };
	ff_error_set(&error, FF_OK, "%s", "");
	to->backend = ff_backend_find(scheme);
	to->store = resize(NULL, NULL, 0, to->backend->instance_size);
	memset(to->store, 0, to->backend->instance_size);
	ff_code code = to->backend->open(to->store, &config, &error);
	if (code != FF_OK)
		resize(NULL, to->store, to->backend->instance_size, 0);
	return code;
}

static void close_store(opened *store)
{
	store->backend->close(store->store);
	resize(NULL, store->store, store->backend->instance_size, 0);
}

#define OPEN(to, scheme, ...)                                     \
	open_store(to, scheme, (const ff_param[]){ __VA_ARGS__ }, \
	           sizeof((const ff_param[]){ __VA_ARGS__ }) / sizeof(ff_param))

/* One write transaction: answers the first code that is not FF_OK. */
static ff_code run_txn(const opened *store, ff_read *reads, size_t reads_count, const ff_write *writes,
                       size_t writes_count)
{
	const ff_engine_backend *backend = store->backend;
	ff_txn *txn;
	ff_code code = backend->begin(store->store, FF_TXN_WRITE, &txn, &error);
	if (code != FF_OK)
		return code;
	code = backend->load(txn, NULL, reads, reads_count, &error);
	if (code == FF_OK)
		code = backend->store(txn, writes, writes_count, &error);
	if (code == FF_OK)
		return backend->commit(txn, &error);
	backend->abort(txn);
	return code;
}

/* ---- checks ------------------------------------------------------------------------------------------------- */

static int cases, failures;
static bool case_failed;

#define CHECK(condition)                                                                                        \
	do {                                                                                                    \
		if (!(condition)) {                                                                             \
			printf("# %s:%d: %s (message: '%s')\n", __FILE__, __LINE__, #condition, error.message); \
			case_failed = true;                                                                     \
		}                                                                                               \
	} while (0)

static void run(const char *name, void (*body)(void))
{
	memset(&inner, 0, sizeof(inner));
	case_failed = false;
	body();
	CHECK(inner.stores == 0);
	CHECK(inner.txns == 0);
	CHECK(memory_in_use == 0);
	failures += case_failed;
	printf("%sok %d - shims: %s\n", case_failed ? "not " : "", ++cases, name);
}

/* ---- fault -------------------------------------------------------------------------------------------------- */

static const char *const txn_slots[] = { "begin", "load", "store", "commit" };

static void nth_call_fails_once(void)
{
	for (size_t i = 0; i < 4; i++) {
		opened store;
		CHECK(OPEN(&store, "fault+counting", { "slot", txn_slots[i] }, { "nth", "2" }, { "error", "busy" },
		           { "native_code", "5" }) == FF_OK);
		CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_OK);
		CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_BUSY);
		CHECK(error.code == FF_E_BUSY && error.retryable && !strcmp(error.native_code, "5"));
		CHECK(strstr(error.message, txn_slots[i]) != NULL);
		CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_OK);
		close_store(&store);
	}
	CHECK(inner.commits == 8);
}

static void every_call_fails_from_the_nth(void)
{
	for (size_t i = 0; i < 4; i++) {
		opened store;
		CHECK(OPEN(&store, "fault+counting", { "slot", txn_slots[i] }, { "nth", "2" }, { "mode", "always" },
		           { "error", "conflict" }) == FF_OK);
		CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_OK);
		for (int again = 0; again < 3; again++)
			CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_CONFLICT);
		close_store(&store);
	}
	CHECK(inner.commits == 4);
}

static void fails_after_the_call(void)
{
	for (size_t i = 0; i < 3; i++) {
		opened store;
		CHECK(OPEN(&store, "fault+counting", { "slot", txn_slots[i] }, { "when", "after" }, { "error", "io" },
		           { "retryable", "1" }) == FF_OK);
		int calls = inner.calls;
		CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_IO);
		CHECK(error.retryable);
		CHECK(inner.calls - calls == (int)i);
		close_store(&store);
	}
	CHECK(inner.commits == 0);
}

static void commit_unknown_both_ways(void)
{
	opened store;
	CHECK(OPEN(&store, "fault+counting", { "slot", "commit" }, { "error", "commit_unknown" }) == FF_OK);
	CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_COMMIT_UNKNOWN);
	CHECK(inner.commits == 0);
	close_store(&store);
	CHECK(OPEN(&store, "fault+counting", { "slot", "commit" }, { "when", "after" },
	           { "error", "commit_unknown" }) == FF_OK);
	CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_COMMIT_UNKNOWN);
	CHECK(inner.commits == 1);
	close_store(&store);
}

static void open_fails_and_leaves_nothing(void)
{
	opened store;
	CHECK(OPEN(&store, "fault+counting", { "slot", "open" }, { "error", "full" }) == FF_E_FULL);
	CHECK(OPEN(&store, "fault+counting", { "slot", "open" }, { "error", "full" }, { "when", "after" }) ==
	      FF_E_FULL);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "fail", "1" }) == FF_E_IO);
	CHECK(!strcmp(error.message, "cannot be opened"));
	CHECK(OPEN(&store, "fault+counting", { "slot", "limits" }, { "error", "io" }) == FF_OK);
	ff_store_limits limits = { 0 };
	CHECK(store.backend->limits(store.store, &limits, &error) == FF_E_IO);
	CHECK(store.backend->limits(store.store, &limits, &error) == FF_OK);
	CHECK(limits.caps == FF_CAP_SNAPSHOT_READ);
	close_store(&store);
}

static bool once(void *context)
{
	return ++*(int *)context == 1;
}

static void what_may_be_absent(void)
{
	opened store;
	ff_txn *txn;
	int asked = 0;
	CHECK(OPEN(&store, "fault+bare", { "slot", "check" }, { "error", "io" }, { "nth", "2" }) == FF_OK);
	CHECK(store.backend->check(store.store, NULL, NULL, &error) == FF_OK);
	CHECK(store.backend->check(store.store, NULL, NULL, &error) == FF_E_IO);
	store.backend->housekeep(store.store);
	CHECK(store.backend->begin(store.store, FF_TXN_WRITE, &txn, &error) == FF_OK);
	store.backend->wait_while(txn, once, &asked);
	store.backend->abort(txn);
	close_store(&store);
	CHECK(inner.checks == 0 && inner.housekeeps == 0 && inner.waits == 0);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }) == FF_OK);
	CHECK(store.backend->check(store.store, NULL, NULL, &error) == FF_E_CORRUPT);
	store.backend->housekeep(store.store);
	CHECK(store.backend->begin(store.store, FF_TXN_WRITE, &txn, &error) == FF_OK);
	store.backend->wait_while(txn, once, &asked);
	store.backend->abort(txn);
	close_store(&store);
	CHECK(inner.checks == 1 && inner.housekeeps == 1 && inner.waits == 1);
}

static void refuses_what_it_does_not_know(void)
{
	opened store;
	CHECK(OPEN(&store, "fault", { "slot", "load" }, { "error", "io" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+nothing", { "slot", "load" }, { "error", "io" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "error", "io" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "abort" }, { "error", "io" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "ok" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "unknown" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "nth", "0" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "mode", "twice" }) ==
	      FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "slot", "store" }) ==
	      FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "commit" }, { "error", "io" }, { "when", "after" }) ==
	      FF_E_INVALID);
	char longest[sizeof(error.native_code) + 1] = "";
	memset(longest, 'x', sizeof(longest) - 1);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "native_code", longest }) ==
	      FF_E_INVALID);
	CHECK(OPEN(&store, "fault+counting", { "slot", "load" }, { "error", "io" }, { "other", "1" }) == FF_E_INVALID);
	CHECK(strstr(error.message, "other") != NULL);
	CHECK(OPEN(&store, "trace+counting", { "trace_file", "" }) == FF_E_INVALID);
	CHECK(OPEN(&store, "trace+counting", { "trace_file", "/" }) == FF_E_IO);
	/* What fails to open leaves its file closed. */
	int next = dup(STDERR_FILENO);
	close(next);
	CHECK(OPEN(&store, "trace+counting", { "trace_file", "/dev/null" }, { "fail", "1" }) == FF_E_IO);
	int again = dup(STDERR_FILENO);
	CHECK(again == next);
	close(again);
}

/* ---- trace -------------------------------------------------------------------------------------------------- */

/* Takes what was written to a trace, and the trace with it. */
static void take_trace(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t got = file ? fread(text, 1, size - 1, file) : 0;
	text[got] = '\0';
	if (file)
		fclose(file);
	unlink(path);
}

static const char *const expected_trace = "open 1 - ok in=0 out=0\n"
					  "begin 1 write ok in=0 out=0\n"
					  "load 1 write ok in=4 out=5 get:usage=2 get:policy=1 range:policy=1\n"
					  "store 1 write ok in=3 out=0 put:usage=2 delete:policy=1\n"
					  "commit 1 write ok in=0 out=0\n"
					  "begin 2 write ok in=0 out=0\n"
					  "load 2 write ok in=0 out=0\n"
					  "store 2 write full in=9 out=0 put:usage=9\n"
					  "abort 1 write ok in=0 out=0\n"
					  "housekeep 1 - ok in=0 out=0\n"
					  "close 1 - ok in=0 out=0\n"
					  "total open calls=1 failed=0 in=0 out=0\n"
					  "total limits calls=0 failed=0 in=0 out=0\n"
					  "total begin calls=2 failed=0 in=0 out=0\n"
					  "total load calls=2 failed=0 in=4 out=5\n"
					  "total store calls=2 failed=1 in=12 out=0\n"
					  "total commit calls=1 failed=0 in=0 out=0\n"
					  "total check calls=0 failed=0 in=0 out=0\n"
					  "total abort calls=1 failed=0 in=0 out=0\n"
					  "total housekeep calls=1 failed=0 in=0 out=0\n"
					  "total close calls=1 failed=0 in=0 out=0\n";

static void traces_calls_and_rows(void)
{
	static const ff_table usage = { .name = "usage" }, policy = { .name = "policy" };
	ff_read reads[] = { { .table = &usage, .kind = FF_READ_GET },
		            { .table = &usage, .kind = FF_READ_GET },
		            { .table = &policy, .kind = FF_READ_GET },
		            { .table = &policy, .kind = FF_READ_RANGE } };
	ff_write writes[9] = { { .table = &usage, .kind = FF_WRITE_PUT },
		               { .table = &usage, .kind = FF_WRITE_PUT },
		               { .table = &policy, .kind = FF_WRITE_DELETE } };
	char path[] = "/tmp/ff-trace-XXXXXX", text[4096];
	int file = mkstemp(path);
	close(file);
	opened store;
	CHECK(OPEN(&store, "trace+counting", { "trace_file", path }) == FF_OK);
	CHECK(run_txn(&store, reads, 4, writes, 3) == FF_OK);
	for (int i = 0; i < 9; i++)
		writes[i] = (ff_write){ .table = &usage, .kind = FF_WRITE_PUT };
	CHECK(run_txn(&store, NULL, 0, writes, 9) == FF_E_FULL);
	CHECK(!strcmp(error.message, "too many rows"));
	inner.housekeeps = 0;
	store.backend->housekeep(store.store);
	CHECK(inner.housekeeps == 1);
	close_store(&store);
	take_trace(path, text, sizeof(text));
	CHECK(!strcmp(text, expected_trace));
}

static void shims_stack(void)
{
	char path[] = "/tmp/ff-trace-XXXXXX", text[4096];
	int file = mkstemp(path);
	close(file);
	opened store;
	CHECK(OPEN(&store, "trace+fault+counting", { "slot", "load" }, { "trace_file", path }, { "error", "busy" }) ==
	      FF_OK);
	CHECK(inner.params == 0);
	CHECK(!strcmp(inner.scheme, "counting"));
	CHECK(run_txn(&store, NULL, 0, NULL, 0) == FF_E_BUSY);
	close_store(&store);
	take_trace(path, text, sizeof(text));
	CHECK(strstr(text, "load 1 write busy in=0 out=0\nabort 1 write ok in=0 out=0\n") != NULL);
	CHECK(strstr(text, "total load calls=1 failed=1 ") != NULL);
}

static void a_trace_has_room_for_several(void)
{
	char path[] = "/tmp/ff-trace-XXXXXX", text[4096];
	int file = mkstemp(path);
	CHECK(write(file, "before\n", 7) == 7);
	close(file);
	opened stores[2];
	CHECK(OPEN(&stores[0], "trace+counting", { "trace_file", path }) == FF_OK);
	CHECK(OPEN(&stores[1], "trace+counting", { "trace_file", path }) == FF_OK);
	CHECK(run_txn(&stores[0], NULL, 0, NULL, 0) == FF_OK);
	close_store(&stores[1]);
	close_store(&stores[0]);
	take_trace(path, text, sizeof(text));
	CHECK(strstr(text, "before\nopen 1 - ok in=0 out=0\nopen 1 - ok in=0 out=0\nbegin 1 write ") == text);
	CHECK(strstr(text, "total begin calls=0 ") && strstr(text, "total begin calls=1 "));
}

int main(void)
{
	run("the n-th call of a slot fails, once", nth_call_fails_once);
	run("every call of a slot fails from the n-th on", every_call_fails_from_the_nth);
	run("a call fails after it was done", fails_after_the_call);
	run("commit_unknown, with and without the commit", commit_unknown_both_ways);
	run("a failed open leaves nothing", open_fails_and_leaves_nothing);
	run("check, housekeep and wait_while may be absent, and are passed on", what_may_be_absent);
	run("what it does not know is refused", refuses_what_it_does_not_know);
	run("a trace has a line a call, and totals", traces_calls_and_rows);
	run("several stores write one trace", a_trace_has_room_for_several);
	run("shims stack, and pass on what is not theirs", shims_stack);
	printf("1..%d\n", cases);
	return failures != 0;
}
