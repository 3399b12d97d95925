/*
 * Any bytes as the texts that a store keeps: a policy, an outcome, JSON. What is taken must come back the same when it
 * is written and read again.
 */
#include "fuzz.h"

#include "arena.h"
#include "json.h"
#include "outcome.h"
#include "policy.h"
#include "text.h"

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

static const ff_allocator allocator = { .resize = resize };

static void try_policy(ff_text text, ff_arena *arena)
{
	ffp_policy policy;
	const char *fault = NULL;
	ff_code code = ffp_policy_parse(text, arena, &policy, &fault);
	MUST(code == FF_OK || (code == FF_E_CORRUPT && fault));
	if (code != FF_OK)
		return;
	for (size_t i = 0; i < policy.limits_count; i++) {
		const ffp_policy_limit *limit = &policy.limits[i];
		MUST(limit->hard >= 0 && limit->soft >= 0);
		MUST(i == 0 || ff_text_compare(limit[-1].dimension, limit->dimension) < 0);
		MUST(ffp_policy_limit_of(&policy, limit->dimension) == limit);
	}
	ffp_policy again;
	ff_text written = ffp_policy_write(&policy, arena);
	MUST(ffp_policy_parse(written, arena, &again, &fault) == FF_OK);
	MUST(again.limits_count == policy.limits_count && again.reset_interval_ms == policy.reset_interval_ms);
	MUST(ffp_text_equal(ffp_policy_write(&again, arena), written));
}

static void try_outcome(ff_text text, ff_arena *arena)
{
	ff_outcome outcome;
	const char *fault = NULL;
	ff_code code = ffp_outcome_parse(text, &outcome, &fault);
	MUST(code == FF_OK || (code == FF_E_CORRUPT && fault));
	if (code != FF_OK)
		return;
	ff_outcome again;
	ff_text written = ffp_outcome_write(&outcome, arena);
	MUST(ffp_outcome_parse(written, &again, &fault) == FF_OK);
	MUST(again.kind == outcome.kind && again.applied == outcome.applied);
	MUST(again.current_usage == outcome.current_usage && again.limit == outcome.limit);
	MUST(strcmp(again.dimension, outcome.dimension) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *bytes = malloc(size ? size : 1); /* exactly so many, so that a read past them is seen */
	MUST(bytes);
	if (size)
		memcpy(bytes, data, size);
	ff_text text = { bytes, size };
	ffp_arena arena;
	ffp_arena_init(&arena, &allocator);
	MUST(ff_arena_take(&arena.base, 1)); /* an arena that is in use, as the engine's are when they parse */

	const char *fault = NULL;
	cJSON *value = ffp_json_parse(text, &fault);
	MUST(value || fault);
	cJSON_Delete(value);
	try_policy(text, &arena.base);
	try_outcome(text, &arena.base);

	ffp_arena_free(&arena);
	free(bytes);
	return 0;
}
