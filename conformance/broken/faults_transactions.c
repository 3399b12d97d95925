/* Faults of transactions: what is seen when, commits that are none, aborts that are none, locks, and errors. */
#include <stdio.h>
#include <unistd.h>

#include "broken.h"

static ff_code inner_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->store->inner->store(txn->inner, writes, count, error);
}

static ff_code inner_commit(ff_txn *txn, ff_error *error)
{
	return txn->store->inner->commit(txn->inner, error);
}

static void inner_abort(ff_txn *txn)
{
	broken_inner_abort(txn, txn->inner);
}

static ff_code inner_begin(ff_txn *txn, ff_error *error)
{
	return broken_inner_begin(txn, txn->kind, &txn->inner, error);
}

/* ---- snapshots ---------------------------------------------------------------------------------------------- */

/* Puts a transaction aside, and takes what lay there. */
static ff_txn *swap_kept(broken_store *store, ff_txn *kept)
{
	pthread_mutex_lock(&store->lock);
	ff_txn *older = store->kept;
	store->kept = kept;
	pthread_mutex_unlock(&store->lock);
	return older;
}

/* A read transaction gets the snapshot that the one before it began with. */
static ff_code reads_are_stale(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_begin(txn, error);
	if (code || txn->kind == FF_TXN_WRITE)
		return code;
	ff_txn *older = swap_kept(txn->store, txn->inner);
	txn->inner = older;
	return older ? FF_OK : inner_begin(txn, error);
}

/* So does a write transaction, for its loads. */
static ff_code writers_read_stale_rows(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_begin(txn, error);
	if (code || txn->kind == FF_TXN_READ)
		return code;
	ff_txn *fresh = NULL;
	code = broken_inner_begin(txn, FF_TXN_READ, &fresh, error);
	if (code) {
		inner_abort(txn);
		return code;
	}
	txn->side = swap_kept(txn->store, fresh);
	return FF_OK;
}

static ff_code load_aside(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	return txn->store->inner->load(txn->side ? txn->side : txn->inner, arena, reads, count, error);
}

static void end_side(ff_txn *txn)
{
	if (txn->side)
		broken_inner_abort(txn, txn->side);
	txn->side = NULL;
}

static ff_code commit_and_end_side(ff_txn *txn, ff_error *error)
{
	end_side(txn);
	return inner_commit(txn, error);
}

static void abort_and_end_side(ff_txn *txn)
{
	end_side(txn);
	inner_abort(txn);
}

/* A handle goes on reading what it read first, until it commits something itself. */
static ff_code a_handle_sees_its_own_commits_only(ff_txn *txn, ff_error *error)
{
	txn->inner = txn->kind == FF_TXN_READ ? swap_kept(txn->store, NULL) : NULL;
	return txn->inner ? FF_OK : inner_begin(txn, error);
}

static void keep_reader(ff_txn *txn)
{
	ff_txn *older = txn->kind == FF_TXN_READ ? swap_kept(txn->store, txn->inner) : txn->inner;
	if (older)
		broken_inner_abort(txn, older);
}

static ff_code commit_or_keep_reader(ff_txn *txn, ff_error *error)
{
	if (txn->kind == FF_TXN_READ) {
		keep_reader(txn);
		return FF_OK;
	}
	ff_txn *older = swap_kept(txn->store, NULL);
	if (older)
		broken_inner_abort(txn, older);
	return inner_commit(txn, error);
}

static ff_code commit_what_was_begun(ff_txn *txn, ff_error *error)
{
	return txn->inner ? inner_commit(txn, error) : FF_OK;
}

static void abort_what_was_begun(ff_txn *txn)
{
	if (txn->inner)
		inner_abort(txn);
}

static ff_code each_load_has_its_snapshot(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	if (txn->kind == FF_TXN_READ) {
		abort_what_was_begun(txn);
		txn->inner = NULL;
		ff_code code = inner_begin(txn, error);
		if (code)
			return code;
	}
	return broken_inner_load(txn, arena, reads, count, error);
}

/* Readers see what the writer of their handle has stored and not committed. */
static ff_code reads_are_dirty(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	const ff_txn *by = txn->store->writer ? txn->store->writer : txn;
	ff_code code = txn->store->inner->load(by->inner, arena, reads, count, error);
	pthread_mutex_unlock(&txn->store->lock);
	return code;
}

static ff_code store_under_lock(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	ff_code code = inner_store(txn, writes, count, error);
	pthread_mutex_unlock(&txn->store->lock);
	return code;
}

static void leave_writer(ff_txn *txn)
{
	if (txn->store->writer == txn)
		txn->store->writer = NULL;
}

static ff_code commit_under_lock(ff_txn *txn, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	leave_writer(txn);
	ff_code code = inner_commit(txn, error);
	pthread_mutex_unlock(&txn->store->lock);
	return code;
}

static void abort_under_lock(ff_txn *txn)
{
	pthread_mutex_lock(&txn->store->lock);
	leave_writer(txn);
	inner_abort(txn);
	pthread_mutex_unlock(&txn->store->lock);
}

/* ---- commits and aborts ------------------------------------------------------------------------------------- */

static ff_code commits_abort(ff_txn *txn, ff_error *error)
{
	(void)error;
	inner_abort(txn);
	return FF_OK;
}

static ff_code commits_abort_at_times(ff_txn *txn, ff_error *error)
{
	return txn->kind == FF_TXN_WRITE && broken_every(txn, 25) ? commits_abort(txn, error)
	                                                          : inner_commit(txn, error);
}

static void aborts_commit(ff_txn *txn)
{
	ff_error error;
	if (txn->kind == FF_TXN_WRITE)
		inner_commit(txn, &error);
	else
		inner_abort(txn);
}

/* What was stored before the store failed is committed by its abort. */
static void failed_stores_leave_half(ff_txn *txn)
{
	if (txn->failed)
		aborts_commit(txn);
	else
		inner_abort(txn);
}

/* An abort undoes what was put, and not what was deleted. */
static void aborts_keep_deletes(ff_txn *txn)
{
	ff_error error;
	broken_store *store = txn->store;
	inner_abort(txn);
	ff_txn *again = NULL;
	if (!txn->writes_count || broken_inner_begin(txn, FF_TXN_WRITE, &again, &error) != FF_OK)
		return;
	ff_code code = FF_OK;
	for (size_t i = 0; !code && i < txn->writes_count; i++) {
		if (txn->writes[i].kind == FF_WRITE_DELETE)
			code = store->inner->store(again, &txn->writes[i], 1, &error);
	}
	if (code)
		broken_inner_abort(txn, again);
	else
		store->inner->commit(again, &error);
}

/* An abort undoes 64 changes, and leaves the others. */
static void aborts_undo_64(ff_txn *txn)
{
	ff_error error;
	ff_txn *again = NULL;
	inner_abort(txn);
	if (txn->writes_count <= 64 || broken_inner_begin(txn, FF_TXN_WRITE, &again, &error) != FF_OK)
		return;
	if (txn->store->inner->store(again, txn->writes, txn->writes_count - 64, &error) != FF_OK)
		broken_inner_abort(txn, again);
	else
		txn->store->inner->commit(again, &error);
}

static ff_code hold_writes(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	(void)error;
	txn->held = writes;
	txn->held_count = count;
	return FF_OK;
}

/* Half of the writes, and a moment later the rest. */
static ff_code commits_come_in_two(ff_txn *txn, ff_error *error)
{
	size_t half = txn->held_count / 2;
	ff_code code = FF_OK;
	if (half) {
		code = inner_store(txn, txn->held, half, error);
		if (code)
			inner_abort(txn);
		else
			code = inner_commit(txn, error);
		if (code)
			return code;
		usleep(1000);
		code = broken_inner_begin(txn, FF_TXN_WRITE, &txn->inner, error);
		if (code)
			return code;
	}
	if (txn->held)
		code = inner_store(txn, txn->held + half, txn->held_count - half, error);
	if (!code)
		return inner_commit(txn, error);
	inner_abort(txn);
	return code;
}

static ff_code commits_of_readers_fail(ff_txn *txn, ff_error *error)
{
	if (txn->kind == FF_TXN_WRITE)
		return inner_commit(txn, error);
	inner_abort(txn);
	return ff_error_set(error, FF_E_IO, "a read transaction has nothing to commit");
}

static ff_code empty_commits_fail(ff_txn *txn, ff_error *error)
{
	if (txn->kind == FF_TXN_READ || txn->writes_count)
		return inner_commit(txn, error);
	inner_abort(txn);
	return ff_error_set(error, FF_E_IO, "there is nothing to commit");
}

/* The commit is done, and said to have failed. */
static ff_code commits_fail_when_done(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_commit(txn, error);
	if (!code && txn->kind == FF_TXN_WRITE && txn->writes_count && broken_every(txn, 5))
		code = ff_error_set(error, FF_E_BUSY, "the store is busy");
	return code;
}

/* ---- commits that are kept back ------------------------------------------------------------------------------ */

/* Acknowledged, held in memory, and written when the handle is used next, or closed. */
static ff_code commits_wait(ff_txn *txn, ff_error *error)
{
	broken_store *store = txn->store;
	if (txn->kind == FF_TXN_READ || !txn->held_count)
		return inner_commit(txn, error);
	/* What can be told is told now, so that a conflict is one. */
	ff_code code = inner_store(txn, txn->held, txn->held_count, error);
	inner_abort(txn);
	if (code)
		return code;
	ff_write *kept = broken_take(&store->arena.arena, txn->held_count * sizeof(*kept));
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < txn->held_count; i++) {
		kept[i] = txn->held[i];
		if (kept[i].before)
			kept[i].before = broken_copy(&store->arena.arena, kept[i].table, kept[i].before);
		if (kept[i].after)
			kept[i].after = broken_copy(&store->arena.arena, kept[i].table, kept[i].after);
	}
	store->waiting = kept;
	store->waiting_count = txn->held_count;
	pthread_mutex_unlock(&store->lock);
	return FF_OK;
}

static void write_what_waits(broken_store *store)
{
	const ff_engine_backend *inner = store->inner;
	ff_error error;
	ff_txn *txn = NULL;
	pthread_mutex_lock(&store->lock);
	if (store->waiting_count && inner->begin(store->inner_store, FF_TXN_WRITE, &txn, &error) == FF_OK) {
		if (inner->store(txn, store->waiting, store->waiting_count, &error) == FF_OK)
			inner->commit(txn, &error);
		else
			inner->abort(txn);
		store->waiting_count = 0;
	}
	pthread_mutex_unlock(&store->lock);
}

static ff_code write_what_waits_first(ff_txn *txn, ff_error *error)
{
	write_what_waits(txn->store);
	return inner_begin(txn, error);
}

/* ---- locks -------------------------------------------------------------------------------------------------- */

/* A write transaction is a snapshot to read and a list of writes: nobody looks whether the rows are what they were. */
static ff_code begin_unlocked(ff_txn *txn, ff_error *error)
{
	return broken_inner_begin(txn, FF_TXN_READ, &txn->inner, error);
}

static ff_code write_blindly(ff_txn *txn, ff_error *error)
{
	if (txn->kind == FF_TXN_READ || !txn->held_count)
		return inner_commit(txn, error);
	inner_abort(txn);
	ff_code code = broken_inner_begin(txn, FF_TXN_WRITE, &txn->inner, error);
	if (code)
		return code;
	ff_write *writes = broken_take(&txn->arena.arena, txn->held_count * sizeof(*writes));
	size_t count = 0;
	for (size_t i = 0; i < txn->held_count; i++) {
		ff_write *write = &writes[count];
		*write = txn->held[i];
		if (write->kind != FF_WRITE_DELETE_RANGE)
			write->before = broken_load_row(txn, &txn->store->arena.arena, write->table,
			                                write->after ? write->after : write->before);
		count += write->kind != FF_WRITE_DELETE || write->before;
	}
	code = inner_store(txn, writes, count, error);
	if (!code)
		return inner_commit(txn, error);
	inner_abort(txn);
	return code;
}

static ff_code begin_unlocked_elsewhere(ff_txn *txn, ff_error *error)
{
	return getpid() == broken_home ? inner_begin(txn, error) : begin_unlocked(txn, error);
}

static ff_code hold_writes_elsewhere(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return getpid() == broken_home ? inner_store(txn, writes, count, error)
	                               : hold_writes(txn, writes, count, error);
}

static ff_code write_blindly_elsewhere(ff_txn *txn, ff_error *error)
{
	return getpid() == broken_home ? inner_commit(txn, error) : write_blindly(txn, error);
}

static ff_code readers_wait_for_writers(ff_txn *txn, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	bool taken = txn->kind == FF_TXN_READ && txn->store->writer;
	pthread_mutex_unlock(&txn->store->lock);
	return taken ? ff_error_set(error, FF_E_BUSY, "the store is being written") : inner_begin(txn, error);
}

static ff_code writers_wait_for_readers(ff_txn *txn, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	bool taken = txn->kind == FF_TXN_WRITE && txn->store->readers;
	pthread_mutex_unlock(&txn->store->lock);
	return taken ? ff_error_set(error, FF_E_BUSY, "the store is being read") : inner_begin(txn, error);
}

/* The lock of an aborted writer is given up when the store is closed. */
static void aborts_hold_the_lock(ff_txn *txn)
{
	ff_txn *older = txn->kind == FF_TXN_WRITE ? swap_kept(txn->store, txn->inner) : txn->inner;
	if (older)
		broken_inner_abort(txn, older);
}

static bool is_of_storage(ff_code code)
{
	return code == FF_E_FULL || code == FF_E_IO || code == FF_E_COMMIT_UNKNOWN;
}

static ff_code failed_commits_are_ok(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_commit(txn, error);
	return is_of_storage(code) ? FF_OK : code;
}

/* The lock of a commit that failed is given up when the store is closed. */
static ff_code failed_commits_hold_the_lock(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_commit(txn, error);
	if (is_of_storage(code))
		atomic_store(&txn->store->locked, true);
	return code;
}

static ff_code begin_where_none_failed(ff_txn *txn, ff_error *error)
{
	bool locked = txn->kind == FF_TXN_WRITE && atomic_load(&txn->store->locked);
	return locked ? ff_error_set(error, FF_E_BUSY, "another write transaction is under way")
	              : inner_begin(txn, error);
}

/* What a process found full is full to it for ever, whoever made room and however often it opens the store. */
static _Atomic bool was_full;

static ff_code full_for_ever(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_commit(txn, error);
	if (is_of_storage(code))
		was_full = true;
	return code;
}

static ff_code begin_where_none_was_full(ff_txn *txn, ff_error *error)
{
	bool full = txn->kind == FF_TXN_WRITE && was_full;
	return full ? ff_error_set(error, FF_E_FULL, "the disk is full") : inner_begin(txn, error);
}

static ff_code readers_are_16(ff_txn *txn, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	bool full = txn->kind == FF_TXN_READ && txn->store->readers >= 16;
	pthread_mutex_unlock(&txn->store->lock);
	return full ? ff_error_set(error, FF_E_BUSY, "16 transactions read the store") : inner_begin(txn, error);
}

/* Nobody ends a read transaction, and after 100 there is no more room for one. */
static ff_code readers_are_never_freed(ff_txn *txn, ff_error *error)
{
	pthread_mutex_lock(&txn->store->lock);
	bool full = txn->kind == FF_TXN_READ && ++txn->store->turn > 100;
	pthread_mutex_unlock(&txn->store->lock);
	return full ? ff_error_set(error, FF_E_IO, "the table of readers is full") : inner_begin(txn, error);
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* A busy store answers a transaction that does nothing. */
static ff_code busy_is_ok(ff_txn *txn, ff_error *error)
{
	ff_code code = inner_begin(txn, error);
	if (code != FF_E_BUSY)
		return code;
	txn->inner = NULL;
	return FF_OK;
}

static ff_code load_if_begun(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	if (txn->inner)
		return broken_inner_load(txn, arena, reads, count, error);
	for (size_t i = 0; i < count; i++) {
		reads[i].row = NULL;
		reads[i].rows_count = 0;
	}
	return FF_OK;
}

static ff_code store_if_begun(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->inner ? inner_store(txn, writes, count, error) : FF_OK;
}

static ff_code turn_into(ff_code code, ff_code from, ff_code to, ff_error *error)
{
	if (code != from)
		return code;
	error->code = to;
	error->retryable = to == FF_E_BUSY || to == FF_E_CONFLICT;
	return to;
}

static ff_code busy_is_io(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	return turn_into(code, FF_E_BUSY, FF_E_IO, error);
}

static ff_code conflict_is_io(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	return turn_into(code, FF_E_CONFLICT, FF_E_IO, error);
}

static ff_code full_is_corrupt(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	return turn_into(code, FF_E_FULL, FF_E_CORRUPT, error);
}

static ff_code conflict_is_corrupt(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	return turn_into(code, FF_E_CONFLICT, FF_E_CORRUPT, error);
}

static ff_code conflict_is_ok(broken_slot slot, ff_code code, ff_error *error)
{
	return slot == BROKEN_STORE ? turn_into(code, FF_E_CONFLICT, FF_OK, error) : code;
}

static ff_code nothing_is_retryable(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	error->retryable = false;
	return code;
}

static ff_code errors_have_no_words(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	error->message[0] = '\0';
	return code;
}

static ff_code errors_have_two_lines(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	snprintf(error->message, sizeof(error->message), "the server said:\nno");
	return code;
}

static ff_code errors_are_no_utf8(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	snprintf(error->message, sizeof(error->message), "not f\xfcr you");
	return code;
}

static ff_code errors_have_no_end(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	memset(error->message, 'x', sizeof(error->message));
	return code;
}

static ff_code everything_is_retryable(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	error->retryable = true;
	return code;
}

static ff_code errors_have_another_code(broken_slot slot, ff_code code, ff_error *error)
{
	(void)slot;
	error->code = FF_OK;
	return code;
}

#define HELD .store = hold_writes

static bool nobody_else_writes(ff_txn *txn)
{
	(void)txn;
	return true;
}

static const broken_fault table[] = {
	FAULT("reads_are_stale", .begin = reads_are_stale),
	FAULT("writers_read_stale_rows", .begin = writers_read_stale_rows, .load = load_aside,
	      .commit = commit_and_end_side, .abort = abort_and_end_side),
	FAULT("a_handle_sees_its_own_commits_only", .begin = a_handle_sees_its_own_commits_only,
	      .commit = commit_or_keep_reader, .abort = keep_reader),
	FAULT("each_load_has_its_snapshot", .load = each_load_has_its_snapshot, .commit = commit_what_was_begun,
	      .abort = abort_what_was_begun),
	FAULT("reads_are_dirty", .load = reads_are_dirty, .store = store_under_lock, .commit = commit_under_lock,
	      .abort = abort_under_lock),
	FAULT("others_write_and_are_not_told_of", .is_untouched = nobody_else_writes),
	FAULT("commits_abort", .commit = commits_abort),
	FAULT("commits_abort_at_times", .commit = commits_abort_at_times),
	FAULT("aborts_commit", .abort = aborts_commit),
	FAULT("failed_stores_leave_half", .abort = failed_stores_leave_half),
	FAULT("aborts_keep_deletes", .abort = aborts_keep_deletes),
	FAULT("aborts_undo_64", .abort = aborts_undo_64),
	FAULT("commits_come_in_two", .store = hold_writes, .commit = commits_come_in_two),
	FAULT("commits_of_readers_fail", .commit = commits_of_readers_fail),
	FAULT("empty_commits_fail", .commit = empty_commits_fail),
	FAULT("commits_fail_when_done", .commit = commits_fail_when_done),
	FAULT("commits_wait_for_the_next_begin", .store = hold_writes, .begin = write_what_waits_first,
	      .commit = commits_wait, .closing = write_what_waits),
	FAULT("the_last_commit_is_lost", .store = hold_writes, .begin = write_what_waits_first, .commit = commits_wait),
	FAULT("durability_is_claimed_and_not_kept", .claims = FF_CAP_DURABLE_COMMIT, .limits = broken_say_durable,
	      .store = hold_writes, .begin = write_what_waits_first, .commit = commits_wait,
	      .closing = write_what_waits),
	FAULT("writers_overlap", HELD, .begin = begin_unlocked, .commit = write_blindly),
	FAULT("several_processes_are_claimed_and_overlap", .claims = FF_CAP_MULTI_PROCESS,
	      .begin = begin_unlocked_elsewhere, .store = hold_writes_elsewhere, .commit = write_blindly_elsewhere),
	FAULT("snapshots_are_claimed_and_readers_wait", .claims = FF_CAP_SNAPSHOT_READ,
	      .begin = readers_wait_for_writers),
	FAULT("snapshots_are_claimed_and_writers_wait", .claims = FF_CAP_SNAPSHOT_READ,
	      .begin = writers_wait_for_readers),
	FAULT("concurrent_writers_are_claimed_and_excluded", .claims = FF_CAP_CONCURRENT_WRITERS),
	FAULT("concurrent_writers_are_claimed_and_overlap", .claims = FF_CAP_CONCURRENT_WRITERS, HELD,
	      .begin = begin_unlocked, .commit = write_blindly),
	FAULT("aborts_hold_the_lock", .abort = aborts_hold_the_lock),
	FAULT("failed_commits_are_ok", .commit = failed_commits_are_ok),
	FAULT("failed_commits_hold_the_lock", .begin = begin_where_none_failed, .commit = failed_commits_hold_the_lock),
	FAULT("full_for_ever", .begin = begin_where_none_was_full, .commit = full_for_ever),
	FAULT("readers_are_16", .begin = readers_are_16),
	FAULT("readers_are_never_freed", .begin = readers_are_never_freed),
	FAULT("busy_is_ok", .begin = busy_is_ok, .load = load_if_begun, .store = store_if_begun,
	      .commit = commit_what_was_begun, .abort = abort_what_was_begun),
	FAULT("busy_is_io", .failed = busy_is_io),
	FAULT("conflict_is_io", .failed = conflict_is_io),
	FAULT("conflict_is_corrupt", .failed = conflict_is_corrupt),
	FAULT("full_is_corrupt", .failed = full_is_corrupt),
	FAULT("conflict_is_ok", .failed = conflict_is_ok),
	FAULT("nothing_is_retryable", .failed = nothing_is_retryable),
	FAULT("errors_have_no_words", .failed = errors_have_no_words),
	FAULT("errors_have_two_lines", .failed = errors_have_two_lines),
	FAULT("errors_are_no_utf8", .failed = errors_are_no_utf8),
	FAULT("errors_have_no_end", .failed = errors_have_no_end),
	FAULT("everything_is_retryable", .failed = everything_is_retryable),
	FAULT("errors_have_another_code", .failed = errors_have_another_code),
};

FAMILY(broken_transactions, table);
