/*
 * The fate of a commit that nobody answered. A batch is one transaction, so the keys that it used for the first time tell of
 * all of it (FF-ERR-5). All of them, since one that was taken for fresh unseen may have been there before, with the same
 * outcome and from the same millisecond. They are read under a write transaction, which a commit that is still under way
 * holds up; but one that was sent all at once may not even have begun.
 */
#include "engine.h"
#include "outcome.h"
#include "text.h"

/* Of an outcome that this batch wrote itself, so that nothing but memory that is out keeps it from being read. */
static bool is_refusal(ff_text outcome_json)
{
	ff_outcome outcome;
	const char *fault;
	return ffp_outcome_parse(outcome_json, &outcome, &fault) != FF_OK || !outcome.applied;
}

/* Whether a key's row is the one that this batch wrote, or what others have made of that since: a refusal may have been
 * decided anew, at whatever time their clocks showed, and its key still ends when it did (FF-RU-5). */
static bool is_of_batch(const ff_row *stored, const ff_row *written)
{
	const ffp_key_row *x = (const ffp_key_row *)stored;
	const ffp_key_row *y = (const ffp_key_row *)written;
	if (stored->state != FF_ROW_OK || x->payload_digest != y->payload_digest ||
	    x->expires_at_ms != y->expires_at_ms)
		return false;
	if (ffp_text_equal(x->outcome_json, y->outcome_json) && x->applied_at_ms == y->applied_at_ms)
		return true;
	return is_refusal(y->outcome_json);
}

/* The keys that the batch used for the first time, and the reads that tell what became of them. */
typedef struct evidence {
	const ff_row **rows;
	ff_read *reads;
	size_t count;
} evidence;

static bool is_evidence(const ffp_item *item)
{
	return item->after && !item->before && item->table->id == FFP_BUDGET_USAGE_DEDUP;
}

/* False: there is none, or memory is out. */
static bool gather(const ffp_batch *batch, evidence *keys)
{
	const ffp_rows *rows = &batch->rows;
	keys->rows = ffp_arena_array(batch->arena, rows->items_count, sizeof(*keys->rows));
	keys->reads = ffp_arena_array(batch->arena, rows->items_count, sizeof(*keys->reads));
	keys->count = 0;
	for (size_t i = 0; keys->rows && keys->reads && i < rows->items_count; i++) {
		const ffp_item *item = rows->items[i];
		if (!is_evidence(item))
			continue;
		keys->rows[keys->count] = item->after;
		keys->reads[keys->count++] = (ff_read){ .table = item->table, .kind = FF_READ_GET, .low = item->key };
	}
	return keys->count > 0;
}

/*
 * Sees to it that a commit which may still be on its way to the store does not happen any more: a key that it would
 * insert is there, as one that is over, which a tick leaves there for as long as a key lasts. True: so it is.
 */
static bool forestall(ffp_txn *txn, const evidence *keys)
{
	ff_error ignored;
	ffp_key_row over = *(const ffp_key_row *)keys->rows[0];
	const ff_write write = {
		.table = keys->reads[0].table, .kind = FF_WRITE_PUT, .before = keys->reads[0].row, .after = &over.row
	};
	over.expires_at_ms = 0;
	return ffp_put(txn, &write, 1, &ignored) == FF_OK && ffp_commit(txn, &ignored) == FF_OK;
}

/* Whether a key keeps a commit that would insert it from happening. One that is over does, too, but a tick may take it away. */
static bool is_there(const ff_row *row, int64_t now_ms)
{
	return row && (row->state != FF_ROW_OK || !ffp_is_over(((const ffp_key_row *)row)->expires_at_ms, now_ms));
}

ff_code ffp_fate(ff_engine *engine, ffp_batch *batch, bool held_store)
{
	ff_error ignored;
	ffp_txn txn;
	evidence keys;
	if (!gather(batch, &keys) || ffp_begin(&engine->store, FF_TXN_WRITE, &txn, &ignored) != FF_OK)
		return FF_E_COMMIT_UNKNOWN;
	ff_code code = ffp_load(&txn, batch->arena, keys.reads, keys.count, &ignored);
	int64_t now_ms = ffp_engine_now(engine);
	size_t there = 0, same = 0, over = 0;
	for (size_t i = 0; code == FF_OK && i < keys.count; i++) {
		there += is_there(keys.reads[i].row, now_ms);
		same += keys.reads[i].row && is_of_batch(keys.reads[i].row, keys.rows[i]);
		/* One that is over may have been and gone. */
		over += ffp_is_over(((const ffp_key_row *)keys.rows[i])->expires_at_ms, now_ms);
	}
	bool happened = same == keys.count;
	bool is_known = code == FF_OK && !over && (there || held_store || forestall(&txn, &keys));
	if (happened)
		is_known = ffp_commit(&txn, &ignored) == FF_OK;
	ffp_abort(&txn);
	if (!is_known)
		return FF_E_COMMIT_UNKNOWN;
	return happened ? FF_OK : FF_E_CONFLICT;
}
