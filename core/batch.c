/*
 * The way of a batch: plan → load → decide → store → commit. One transaction for all of its requests; after contention
 * it begins again at plan, with the times that the requests have. Where a deadline passes in a load, the batch is given
 * up, and what is left of it is the queue's again.
 */
#include "engine.h"
#include "move.h"
#include "text.h"

/* More rounds of load and decide than any rule needs. */
#define ROUNDS_MAX 1000

/* After a wrong guess, which cost a whole try, so many batches look first (ffp_doubt). */
#define DOUBT_MIN 8
#define DOUBT_MAX 512

typedef struct batch_run {
	ff_engine *engine;
	ffp_lane *lane;
	ffp_ticket *const *tickets;
	size_t tickets_count;
	ffp_batch batch;
	ffp_txn txn;
	ffp_item *import;    /* the row that says that an import is unfinished, where the batch looks for it */
	bool is_idle;        /* no request is left to be decided */
	bool changes;        /* it writes */
	bool expects;        /* what it remembers is taken for so, and the store verifies it */
	int64_t deadline_ms; /* the first of those that are left; 0: none has one */
	ff_error *error;     /* of the batch as a whole */
} batch_run;

static ff_code no_memory(batch_run *run)
{
	return ff_error_set(run->error, FF_E_NO_MEMORY, "out of memory for a batch");
}

/* ---- plan and load ------------------------------------------------------------------------------------------ */

/* Fails all whose deadline has passed by now, for which the clock is asked once, if at all. Where time is the data's, each
 * request has its own, and it does not pass (FF-CLK-3). True: there were any. */
static bool fail_late(batch_run *run)
{
	bool data_clock = run->engine->flags & FF_OPEN_DATA_CLOCK;
	int64_t now_ms = -1;
	bool found = false;
	run->is_idle = true;
	run->deadline_ms = 0;
	for (size_t t = 0; t < run->tickets_count; t++) {
		for (size_t i = 0; i < run->tickets[t]->count; i++) {
			ffp_request *request = &run->tickets[t]->requests[i];
			if (request->is_late)
				continue;
			if (request->deadline_ms && now_ms < 0 && !data_clock)
				now_ms = ffp_engine_now(run->engine);
			if (ffp_fail_if_late(request, data_clock ? request->now_ms : now_ms)) {
				found = true;
				continue;
			}
			run->is_idle = false;
			if (request->deadline_ms && (!run->deadline_ms || request->deadline_ms < run->deadline_ms))
				run->deadline_ms = request->deadline_ms;
		}
	}
	return found;
}

static bool has_deadlines(const batch_run *run)
{
	return run->deadline_ms != 0;
}

/* Whether a load may go on: as long as nobody is kept waiting whose call is late. */
static bool goes_on(void *context)
{
	batch_run *run = context;
	run->txn.is_late |= fail_late(run);
	return !run->txn.is_late;
}

/* Plans what is not late by now, which begin may have made it: the store was waited for. */
static bool plan(batch_run *run)
{
	run->txn.is_late = fail_late(run);
	for (size_t t = 0; t < run->tickets_count; t++) {
		for (size_t i = 0; i < run->tickets[t]->count; i++) {
			ffp_request *request = &run->tickets[t]->requests[i];
			if (!request->is_late && !request->op->plan(&run->batch, request))
				return false;
		}
	}
	return true;
}

/* Asks the store for what would be expected. */
static void doubt_recalled(batch_run *run)
{
	if (run->expects)
		ffp_rows_doubt_recalled(&run->batch.rows);
	run->expects = false;
}

/* Loads what is pending; and what is remembered as well, since it costs no further round trip. */
static ff_code load(batch_run *run)
{
	ff_read *reads;
	size_t count;
	doubt_recalled(run);
	if (!ffp_rows_reads(&run->batch.rows, &reads, &count))
		return no_memory(run);
	ff_code code = ffp_load(&run->txn, run->batch.arena, reads, count, run->error);
	if (code == FF_OK && !ffp_rows_loaded(&run->batch.rows, reads))
		code = no_memory(run);
	if (code == FF_OK && has_deadlines(run))
		fail_late(run);
	return code;
}

/* ---- decide ------------------------------------------------------------------------------------------------- */

/* All requests in order; *again where one of them wants rows that are not loaded. */
static ff_code decide_all(batch_run *run, bool *again)
{
	*again = false;
	for (size_t t = 0; t < run->tickets_count; t++) {
		for (size_t i = 0; i < run->tickets[t]->count; i++) {
			ffp_request *request = &run->tickets[t]->requests[i];
			if (request->is_late)
				continue;
			ff_code code = request->op->decide(&run->batch, request);
			if (code == FF_E_NO_MEMORY)
				return no_memory(run);
			*again |= code == FFP_PENDING;
			request->call->code = code;
		}
	}
	return FF_OK;
}

/* Rounds of load and decide until no request wants more. Each begins from the rows as they were loaded. */
static ff_code load_and_decide(batch_run *run)
{
	bool again = true;
	for (unsigned round = 0; again && round < ROUNDS_MAX; round++) {
		ff_code code = ffp_rows_are_pending(&run->batch.rows) ? load(run) : FF_OK;
		if (round)
			ffp_rows_revert(&run->batch.rows);
		if (code == FF_OK)
			code = decide_all(run, &again);
		if (code != FF_OK)
			return code;
	}
	return again ? ff_error_set(run->error, FF_E_IO, "a batch wants more than %d rounds of rows", ROUNDS_MAX)
	             : FF_OK;
}

/* ---- unfinished imports ------------------------------------------------------------------------------------- */

static bool is_import(const batch_run *run)
{
	return run->tickets[0]->requests[0].op->is_alone;
}

/* Asks whether one is unfinished, by the engine's first batch, and then for as long as one is. */
static bool plan_look(batch_run *run)
{
	run->import = NULL;
	if (is_import(run))
		run->engine->watches_import = true;
	if (is_import(run) || run->is_idle || !run->engine->watches_import)
		return true;
	const ffp_sweep_row key = { .work = ffp_text(FFP_IMPORT_WORK) };
	run->import = ffp_rows_get(&run->batch.rows, FFP_SWEEP, &key.row);
	return run->import != NULL;
}

/* Running it again would delete what is written now, so nothing is (FF-MT-5). */
static ff_code look_over(batch_run *run)
{
	if (!run->import)
		return FF_OK;
	run->engine->watches_import = run->import->before != NULL;
	return run->import->before
	           ? ff_error_set(run->error, FF_E_MISUSE,
	                          "an import is not finished, run it again first (one of no lines gives it up)")
	           : FF_OK;
}

/* ---- results that are handed out ---------------------------------------------------------------------------- */

/* Lays them out before the commit, so that memory that is out changes nothing. */
static ff_code prepare_results(batch_run *run)
{
	const ff_allocator *allocator = &run->engine->allocator;
	ff_code code = FF_OK;
	for (size_t t = 0; t < run->tickets_count; t++) {
		for (size_t i = 0; code == FF_OK && i < run->tickets[t]->count; i++) {
			ffp_request *request = &run->tickets[t]->requests[i];
			if (request->op->prepare && request->call->code == FF_OK)
				code = request->op->prepare(allocator, request);
		}
	}
	return code == FF_OK ? FF_OK : no_memory(run);
}

/* Hands them out, or takes them back where the batch failed. */
static void settle_results(batch_run *run, bool hand_out)
{
	for (size_t t = 0; t < run->tickets_count; t++) {
		for (size_t i = 0; i < run->tickets[t]->count; i++) {
			ffp_request *request = &run->tickets[t]->requests[i];
			if (request->result && hand_out)
				*request->call->out.released = request->result;
			else
				ff_free(request->result);
			request->result = NULL;
		}
	}
}

/* ---- store and commit --------------------------------------------------------------------------------------- */

/* Names the rows that were decided by unseen, if any. False: memory is out. */
static bool expect(batch_run *run)
{
	ff_read *reads;
	size_t count;
	if (!run->expects)
		return true;
	if (!ffp_rows_recalled(&run->batch.rows, &reads, &count))
		return false;
	run->expects = count > 0;
	if (count)
		ffp_expect(&run->txn, reads, count);
	return true;
}

static ff_code store_and_commit(batch_run *run)
{
	ff_write *writes;
	size_t count;
	if (!ffp_rows_writes(&run->batch.rows, &writes, &count) || !expect(run))
		return no_memory(run);
	if (run->is_idle) { /* there is nobody to answer */
		ffp_abort(&run->txn);
		return FF_OK;
	}
	run->changes = count > 0;
	ff_code code = count ? ffp_put(&run->txn, writes, count, run->error) : FF_OK;
	return code == FF_OK ? ffp_commit(&run->txn, run->error) : code;
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static size_t count_requests(const batch_run *run)
{
	size_t count = 0;
	for (size_t t = 0; t < run->tickets_count; t++)
		count += run->tickets[t]->count;
	return count;
}

/* Whether the store can tell that all which is remembered is still so. Of several lanes each remembers for itself, and what
 * another of them writes is a commit of this store like its own. */
static bool can_tell(const ff_engine *engine)
{
	return ffp_tells_untouched(&engine->store) && engine->lanes_count == 1;
}

static ff_code begin_batch(batch_run *run)
{
	ff_engine *engine = run->engine;
	run->expects = false;
	ffp_arena_reset(&run->lane->arena);
	run->batch = (ffp_batch){
		.arena = &run->lane->arena.base,
		.policies = &run->lane->policies,
		.random = &engine->random,
		.key_ttl_ms = engine->key_ttl_ms,
		.require_budget = engine->flags & FF_OPEN_REQUIRE_BUDGET,
		.trusts_keys = run->lane->keys.left == 0,
	};
	if (!ffp_rows_init(&run->batch.rows, run->batch.arena, engine->seed, 2 * count_requests(run)))
		return no_memory(run);
	ff_code code = ffp_begin(&engine->store, FF_TXN_WRITE, &run->txn, run->error);
	if (code != FF_OK)
		return code;
	run->expects = run->lane->rows.left == 0 && ffp_takes_expected(&engine->store);
	if (ffp_tells_untouched(&engine->store) && !ffp_is_untouched(&run->txn)) {
		ffp_recall_clear(&run->lane->recall);
		engine->watches_import = true; /* another engine may have begun one */
	}
	if (run->expects || can_tell(engine))
		run->batch.rows.recall = &run->lane->recall;
	if (!plan(run) || !plan_look(run))
		return no_memory(run);
	if (run->txn.is_late || has_deadlines(run))
		ffp_wait_while(&run->txn, goes_on, run);
	/* A load can be given up, and a commit cannot, which would wait for locks as well. And where the answer of a commit
	 * that was all is lost, only a key tells of it (FF-ERR-5): without one, that happens as seldom as may be. */
	if (has_deadlines(run) || !run->batch.trusted)
		doubt_recalled(run);
	return FF_OK;
}

static bool remembers(const ff_engine *engine)
{
	return can_tell(engine) || ffp_takes_expected(&engine->store);
}

static ff_code try_once(batch_run *run)
{
	ff_code code = begin_batch(run);
	if (code == FF_OK)
		code = load_and_decide(run);
	if (code == FF_OK)
		code = look_over(run);
	if (code == FF_OK)
		code = prepare_results(run);
	if (code == FF_OK)
		code = store_and_commit(run);
	ffp_abort(&run->txn);
	if (code == FF_OK && remembers(run->engine))
		ffp_rows_remember(&run->batch.rows, &run->lane->recall);
	else
		ffp_recall_clear(&run->lane->recall);
	/* Where it writes nothing there was nothing to happen. What expects holds no lock before it is all sent. */
	if (code == FF_E_COMMIT_UNKNOWN)
		code = run->changes ? ffp_fate(run->engine, &run->batch, !run->expects) : FF_E_CONFLICT;
	settle_results(run, code == FF_OK);
	return code;
}

/* The error of the batch as a whole is each of its requests', but of those that were never to be decided; and that of a
 * ticket which has others. What is unknown may be sent again where a key tells of it, whatever the store says (FF-ERR-1). */
static void fail_ticket(const batch_run *run, ffp_ticket *ticket, ff_code code)
{
	bool unknown = code == FF_E_COMMIT_UNKNOWN;
	for (size_t i = 0; i < ticket->count; i++) {
		ffp_request *request = &ticket->requests[i];
		if (request->is_late)
			continue;
		request->call->code = ticket->code = code;
		if (request->error) {
			*request->error = *run->error;
			if (unknown)
				request->error->retryable = request->key.size > 0;
		}
	}
	if (ticket->code != FF_OK && ticket->error) {
		*ticket->error = *run->error;
		ticket->error->retryable &= !unknown;
	}
}

static bool is_late(const ffp_ticket *ticket)
{
	for (size_t i = 0; i < ticket->count; i++)
		if (!ticket->requests[i].is_late)
			return false;
	return true;
}

static void end_ticket(const batch_run *run, ffp_ticket *ticket, ff_code code)
{
	ticket->is_done = code != FF_E_DEADLINE || is_late(ticket);
	if (code != FF_OK && code != FF_E_DEADLINE)
		fail_ticket(run, ticket, code);
}

/* The store's own, not a commit that turned out not to have happened. */
static bool is_conflict(const batch_run *run, ff_code code)
{
	return code == FF_E_CONFLICT && run->error->code == code;
}

static void begin_doubt(ffp_doubt *doubt)
{
	uint32_t batches = 2 * doubt->last;
	batches = batches < DOUBT_MIN ? DOUBT_MIN : batches;
	doubt->left = doubt->last = batches > DOUBT_MAX ? DOUBT_MAX : batches;
}

static void lessen_doubt(ffp_doubt *doubt, bool was_right)
{
	if (was_right)
		doubt->last /= 2;
	if (doubt->left)
		doubt->left--;
}

/* Where rows were taken for unchanged, or keys for fresh, a conflict may tell of one that is not: no contention, and no
 * try is lost by it. Rows first, which other processes change all the time where there are any. */
static ff_code try_batch(batch_run *run)
{
	ffp_lane *lane = run->lane;
	ff_code code = try_once(run);
	if (is_conflict(run, code) && run->expects) {
		begin_doubt(&lane->rows);
		code = try_once(run);
	}
	if (is_conflict(run, code) && run->batch.trusted) {
		begin_doubt(&lane->keys);
		code = try_once(run);
	}
	lessen_doubt(&lane->rows, code == FF_OK && run->expects);
	lessen_doubt(&lane->keys, code == FF_OK && run->batch.trusted);
	return code;
}

/* How long until the first of those that are left is late. Where time is the data's it does not pass. */
static int64_t left_ms(const batch_run *run)
{
	bool passes = has_deadlines(run) && !(run->engine->flags & FF_OPEN_DATA_CLOCK);
	return passes ? run->deadline_ms - ffp_engine_now(run->engine) : INT64_MAX;
}

/* False: one of several has met damage, and nothing is decided. */
static bool run_batch(ff_engine *engine, ffp_lane *lane, ffp_ticket *const *tickets, size_t count, ffp_decided *decided)
{
	ff_error error; /* begin clears it */
	batch_run run = { .engine = engine, .lane = lane, .tickets = tickets, .tickets_count = count, .error = &error };
	ff_code code = try_batch(&run);
	/* Who is late by then is told at once, and the others are the queue's again; so the wait ends with a deadline. */
	for (uint32_t attempt = 0; ffp_is_contention(code); attempt++) {
		bool late = fail_late(&run);
		if (!late && !ffp_engine_retries(engine, code, attempt, left_ms(&run)))
			break;
		late = late || fail_late(&run);
		code = late ? FF_E_DEADLINE : try_batch(&run);
	}
	if (code == FF_E_CORRUPT && count > 1)
		return false;
	if (code == FF_E_CONFLICT && error.code == FF_E_COMMIT_UNKNOWN)
		code = error.code = FF_E_IO; /* it is known now: nothing was changed */
	else
		code = ffp_engine_gives_up(engine, code, &error);
	for (size_t t = 0; t < count; t++)
		end_ticket(&run, tickets[t], code);
	ffp_arena_reset(&lane->arena); /* now, and not when the next batch comes */
	if (code == FF_OK) {
		decided->calls += count_requests(&run);
		decided->batches++;
	}
	return true;
}

ffp_decided ffp_batch_run(ff_engine *engine, ffp_lane *lane, ffp_ticket *const *tickets, size_t count)
{
	ffp_decided decided = { 0 };
	size_t first = 0, size = count;
	while (first < count) {
		if (run_batch(engine, lane, tickets + first, size, &decided)) {
			first += size;
			size = count - first;
		} else {
			size /= 2;
		}
	}
	return decided;
}
