/* Reading: one read transaction, its own arena, again after contention. Nothing here waits for the queue. */
#include "engine.h"

static ff_code read_again(ffp_reading *reading, ffp_arena *arena, ffp_read_fn *read, void *context)
{
	ff_code code;
	uint32_t attempt = 0;
	do {
		ffp_arena_reset(arena);
		code = ffp_begin(&reading->engine->store, FF_TXN_READ, &reading->txn, reading->error);
		if (code == FF_OK)
			code = read(reading, context);
		ffp_abort(&reading->txn);
	} while (ffp_engine_retries(reading->engine, code, attempt++, INT64_MAX));
	return ffp_engine_gives_up(reading->engine, code, reading->error);
}

ff_code ffp_engine_read(ff_engine *engine, const char *operation, int64_t now_ms, ffp_read_fn *read, void *context,
                        ff_error *error)
{
	ff_error own;
	ffp_spare *spare = ffp_spare_take(engine);
	ff_code code = spare ? FF_OK : ff_error_set(&own, FF_E_NO_MEMORY, "out of memory for a read");
	if (spare) {
		ffp_reading reading = { .engine = engine,
			                .arena = &spare->arena.base,
			                .policies = &spare->policies,
			                .now_ms = now_ms ? now_ms : ffp_engine_now(engine),
			                .error = &own };
		code = read_again(&reading, &spare->arena, read, context);
		ffp_spare_give(engine, spare);
	}
	if (code != FF_OK && error) {
		*error = own;
		ffp_error_about(engine, error, operation, "", (ff_text){ "", 0 });
	}
	return code;
}

#define PAGE_MAX 1000

ff_code ffp_engine_ask(ff_engine *engine, const ffp_question *question, const char *id, const void *answer,
                       ffp_inquiry *asked, ff_error *error)
{
	bool is_list = !question->entity[0];
	ff_code code = ffp_engine_check(engine, error);
	if (code == FF_OK && !answer)
		code = ff_error_set(error, FF_E_INVALID, "%s is NULL", question->answer);
	if (code == FF_OK && is_list && (asked->limit < 1 || asked->limit > PAGE_MAX))
		code = ff_error_set(error, FF_E_INVALID, "limit is %u, it takes 1 to %d", asked->limit, PAGE_MAX);
	if (code == FF_OK)
		code = ffp_name_check(question->name, id, &asked->id, error);
	if (code == FF_OK)
		code = ffp_engine_read(engine, question->operation, 0, question->read, asked, error);
	if (code != FF_OK)
		ffp_error_about(engine, error, question->operation, question->entity, asked->id);
	return code;
}
