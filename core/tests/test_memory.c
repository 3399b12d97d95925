/* The arena, results that are handed out, and the texts of errors. */
#include "arena.h"

#include "result.h"
#include "tests.h"
#include "text.h"

/* ---- the arena ---------------------------------------------------------------------------------------------- */

static void free_arena(void *arena)
{
	ffp_arena_free(arena);
}

static ffp_arena *new_arena(ff_test *t, ffp_memory *memory)
{
	ffp_arena *arena = ff_test_alloc(t, sizeof(*arena));
	ffp_arena_init(arena, &memory->allocator);
	ff_test_defer(t, free_arena, arena);
	return arena;
}

/* Pieces of many sizes do not overlap, and each is aligned for any type. */
static void arena_takes(ff_test *t)
{
	enum { PIECES = 2000 };
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	unsigned char *pieces[PIECES];
	size_t sizes[PIECES];
	unsigned wrong = 0;
	for (unsigned i = 0; i < PIECES; i++) {
		sizes[i] = 1 + ff_test_random_below(t, i % 100 ? 300 : 100000);
		pieces[i] = ff_arena_take(&arena->base, sizes[i]);
		FF_REQUIRE(t, pieces[i] != NULL);
		wrong += (uintptr_t)pieces[i] % 16 != 0;
		memset(pieces[i], (int)(i % 251), sizes[i]);
	}
	for (unsigned i = 0; i < PIECES; i++)
		wrong += pieces[i][0] != i % 251 || pieces[i][sizes[i] - 1] != i % 251;
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_CHECK(t, memory->taken < 20); /* few large blocks */
	ffp_arena_free(arena);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* What was taken once is taken again without a call of the allocator. */
static void arena_is_used_again(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 1000; i++)
			FF_REQUIRE(t, ff_arena_take(&arena->base, 1000) != NULL);
		ffp_arena_reset(arena);
	}
	uint64_t taken = memory->taken;
	FF_CHECK(t, taken < 10);
	for (int i = 0; i < 1000; i++)
		ff_arena_take(&arena->base, 1000);
	FF_CHECK_EQ_INT(t, memory->taken, taken);
}

/* But not where it is too small. */
static void arena_block_that_is_too_small(ff_test *t)
{
	enum { FIRST = 64 << 10, SECOND = 128 << 10 };
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	ff_arena_take(&arena->base, 16);
	int64_t first = memory->live;
	FF_CHECK(t, first >= FIRST && first < FIRST + 64);
	ff_arena_take(&arena->base, FIRST);
	FF_CHECK(t, memory->live >= first + SECOND && memory->live < first + SECOND + 64);
	ffp_arena_reset(arena);
	ff_arena_take(&arena->base, 16);
	FF_REQUIRE(t, ff_arena_take(&arena->base, SECOND) != NULL); /* just as large */
	FF_CHECK_EQ_INT(t, memory->taken, 2);
	ffp_arena_reset(arena);
	ff_arena_take(&arena->base, 16);
	char *piece = ff_arena_take(&arena->base, SECOND + 16);
	FF_REQUIRE(t, piece && memory->taken == 3);
	memset(piece, 'x', SECOND + 16);
	ffp_arena_free(arena);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

/* A large batch does not keep its memory for ever. */
static void arena_keeps_4_mib(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	for (int i = 0; i < 64; i++)
		FF_REQUIRE(t, ff_arena_take(&arena->base, (size_t)1 << 20) != NULL);
	FF_CHECK(t, memory->live >= INT64_C(64) << 20 && memory->live < INT64_C(72) << 20);
	ffp_arena_reset(arena);
	FF_CHECK(t, memory->live <= (INT64_C(4) << 20) + 1024);
	FF_CHECK(t, memory->live > 0);
	FF_REQUIRE(t, ff_arena_take(&arena->base, (size_t)16 << 20) != NULL);
	ffp_arena_reset(arena);
	FF_CHECK(t, memory->live <= (INT64_C(4) << 20) + 1024);
	FF_CHECK(t, ff_arena_take(&arena->base, 100) != NULL);
	/* all together: each of these is less than half of it */
	ffp_arena_free(arena);
	for (size_t size = (size_t)640 << 10; size < (size_t)4 << 20; size *= 2)
		FF_REQUIRE(t, ff_arena_take(&arena->base, size) != NULL);
	FF_CHECK(t, memory->live > INT64_C(4) << 20);
	ffp_arena_reset(arena);
	FF_CHECK(t, memory->live <= (INT64_C(4) << 20) + 1024);
}

/* Where all of it was too much to keep, nothing of it is used again. */
static void arena_keeps_nothing(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	FF_REQUIRE(t, ff_arena_take(&arena->base, (size_t)16 << 20) != NULL);
	ffp_arena_reset(arena);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK(t, !arena->current && !arena->base.at && !arena->base.end);
	FF_CHECK(t, ff_arena_take(&arena->base, 100) != NULL);
	FF_CHECK_EQ_INT(t, memory->taken, 2);
}

static void arena_goes_back(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	ffp_arena_mark none = ffp_arena_stand(&arena->base);
	char *first = ff_arena_take(&arena->base, 100);
	ffp_arena_mark mark = ffp_arena_stand(&arena->base);
	char *second = ff_arena_take(&arena->base, 100);
	for (int i = 0; i < 100; i++)
		ff_arena_take(&arena->base, 10000); /* into other blocks */
	ffp_arena_back(&arena->base, mark);
	FF_CHECK(t, ff_arena_take(&arena->base, 100) == second);
	uint64_t taken = memory->taken;
	for (int i = 0; i < 100; i++)
		ff_arena_take(&arena->base, 10000);
	FF_CHECK_EQ_INT(t, memory->taken, taken);
	ffp_arena_back(&arena->base, none);
	FF_CHECK(t, ff_arena_take(&arena->base, 100) == first);
}

/* Nothing, taken from an arena that has nothing yet, is not memory that is out. */
static void arena_takes_nothing(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	FF_CHECK(t, ffp_arena_array(&arena->base, 0, 8) != NULL);
}

static void arena_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	FF_CHECK(t, ff_arena_take(&arena->base, SIZE_MAX) == NULL);
	FF_CHECK(t, ff_arena_take(&arena->base, SIZE_MAX - 15) == NULL); /* a block's head makes it little */
	FF_CHECK(t, ff_arena_take(&arena->base, SIZE_MAX - 31) == NULL);
	FF_CHECK(t, ffp_arena_array(&arena->base, SIZE_MAX / 8, 16) == NULL);
	FF_CHECK(t, ffp_arena_array(&arena->base, 16, SIZE_MAX / 8) == NULL);
	FF_CHECK(t, ffp_arena_array(&arena->base, SIZE_MAX / 16 + 2, 16) == NULL); /* as if it were 16 bytes */
	FF_CHECK_EQ_INT(t, memory->live, 0);
	memory->at = memory->taken + 1;
	FF_CHECK(t, ff_arena_take(&arena->base, 100) == NULL);
	FF_CHECK(t, ff_arena_take(&arena->base, 100) != NULL); /* it can be tried again */
	FF_CHECK(t, !ff_text_copy(&arena->base, "x", SIZE_MAX).data);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
}

static void arena_arrays_are_cleared(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_arena *arena = new_arena(t, memory);
	memset(ff_arena_take(&arena->base, 1000), 0xff, 1000);
	ffp_arena_reset(arena);
	const unsigned char *array = ffp_arena_array(&arena->base, 100, 10);
	unsigned set = 0;
	for (int i = 0; i < 1000; i++)
		set += array[i];
	FF_CHECK_EQ_INT(t, set, 0);
}

/* ---- results ------------------------------------------------------------------------------------------------ */

static ff_code pack_three(ffp_packer *packer, void *context, ff_error *error)
{
	(void)error;
	unsigned *passes = context;
	const char **texts = ffp_pack(packer, 3, sizeof(*texts));
	const char *one = ffp_pack_text(packer, ffp_text("one"));
	const char *none = ffp_pack_text(packer, (ff_text){ NULL, 0 });
	const char *aligned = ffp_pack(packer, 1, sizeof(int64_t)); /* whatever came before it */
	if (texts) {
		texts[0] = one;
		texts[1] = none;
		texts[2] = aligned;
	}
	++*passes;
	return FF_OK;
}

static ff_code pack_fault(ffp_packer *packer, void *context, ff_error *error)
{
	(void)context;
	ffp_pack(packer, 1, 1);
	return ff_error_set(error, FF_E_CORRUPT, "what is packed is bad");
}

static void result_is_one_piece(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	unsigned passes = 0;
	const void *result = NULL;
	FF_REQUIRE_OK(t, ffp_result_pack(&memory->allocator, pack_three, &passes, &result, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, passes, 2);
	FF_CHECK_EQ_INT(t, memory->taken, 1);
	const char *const *texts = result;
	FF_CHECK_STR(t, texts[0], "one");
	FF_CHECK_STR(t, texts[1], "");
	FF_CHECK_EQ_INT(t, (uintptr_t)texts[2] % 16, 0);
	ff_free(result);
	ff_free(NULL);
	FF_CHECK_EQ_INT(t, memory->live, 0);
	FF_CHECK_EQ_INT(t, memory->wrong, 0);
	memory->at = memory->taken + 1;
	FF_CHECK_CODE(t, ffp_result_pack(&memory->allocator, pack_three, &passes, &result, ff_test_error(t)),
	              FF_E_NO_MEMORY);
	FF_CHECK_CODE(t, ffp_result_pack(&memory->allocator, pack_fault, NULL, &result, ff_test_error(t)),
	              FF_E_CORRUPT);
	FF_CHECK_EQ_INT(t, memory->live, 0);
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

static void error_is_filled(ff_test *t)
{
	ff_error error;
	memset(&error, 0xff, sizeof(error));
	FF_CHECK_EQ_INT(t, ff_error_set(&error, FF_E_FULL, "disk '%s' is full at %d", "x", 5), FF_E_FULL);
	FF_CHECK_EQ_INT(t, error.code, FF_E_FULL);
	FF_CHECK_STR(t, error.message, "disk 'x' is full at 5");
	FF_CHECK(t, !error.retryable && !*error.operation && !*error.entity && !*error.id && !*error.backend &&
	                !*error.native_code);
	FF_CHECK_EQ_INT(t, ff_error_set(NULL, FF_E_IO, "%s", "x"), FF_E_IO);
	ff_error_prefix(NULL, "%s", "x");
	ff_error_set_entity(NULL, "budget", "b");
}

static void error_is_retryable_by_its_code(ff_test *t)
{
	ff_error error;
	for (int code = FF_OK; code <= FF_E_MISUSE; code++) {
		ff_error_set(&error, (ff_code)code, "%s", "x");
		FF_CHECK_EQ_INT(t, error.retryable, code == FF_E_BUSY || code == FF_E_DEADLINE);
	}
	ff_error_set(&error, FF_E_CONFLICT, "%s", "x");
	FF_CHECK(t, error.retryable);
}

static void error_codes_have_names(ff_test *t)
{
	static const char *const names[] = { "ok",      "invalid",   "not_found",      "key_conflict", "overflow",
		                             "corrupt", "busy",      "full",           "io",           "unavailable",
		                             "version", "no_memory", "commit_unknown", "deadline",     "misuse" };
	for (size_t i = 0; i < COUNT_OF(names); i++)
		FF_CHECK_STR(t, ff_code_name((ff_code)i), names[i]);
	FF_CHECK_STR(t, ff_code_name((ff_code)COUNT_OF(names)), "unknown");
	FF_CHECK_STR(t, ff_code_name((ff_code)-1), "unknown");
	FF_CHECK_STR(t, ff_code_name((ff_code)99), "unknown");
	FF_CHECK_STR(t, ff_code_name((ff_code)1000), "unknown");
	FF_CHECK_STR(t, ff_code_name(FF_E_CONFLICT), "conflict");
	FF_CHECK_STR(t, ff_version(), FF_VERSION);
}

static bool is_clean(const char *text)
{
	return ffp_text_is_clean(text, strlen(text));
}

/* Whatever is quoted, a message is one line of UTF-8. */
static void error_texts_are_clean(ff_test *t)
{
	ff_error error;
	ff_error_set(&error, FF_E_INVALID, "'%s'", "a\nb\tc\x01\x7f\xc2\x9f\xff\xc3");
	FF_CHECK_STR(t, error.message, "'a?b?c?\?\?\?\?\?'");
	ff_error_set(&error, FF_E_INVALID, "'%s'", "\xc3\xa9 \xf0\x9f\x98\x80");
	FF_CHECK_STR(t, error.message, "'\xc3\xa9 \xf0\x9f\x98\x80'");
	ff_error_set_entity(&error, "budget", "a\nb\xff");
	FF_CHECK_STR(t, error.id, "a?b?");
	ff_error_set_entity(&error, NULL, NULL);
	FF_CHECK(t, !*error.entity && !*error.id);
}

/* What is too long is cut between characters. */
static void error_texts_are_cut(ff_test *t)
{
	char *text = ff_test_alloc(t, 4 * 400 + 1);
	ff_error error;
	for (size_t shift = 0; shift < 4; shift++) {
		memset(text, 'x', shift);
		for (size_t i = 0; i < 390; i++)
			memcpy(text + shift + 4 * i, "\xf0\x9f\x98\x80", 4);
		text[shift + 4 * 390] = '\0';
		ff_error_set(&error, FF_E_INVALID, "%s", text);
		FF_CHECK(t, is_clean(error.message));
		FF_CHECK_EQ_INT(t, strlen(error.message), shift + (sizeof(error.message) - 1 - shift) / 4 * 4);
		ff_error_set_entity(&error, text, text);
		FF_CHECK(t, is_clean(error.entity) && is_clean(error.id));
		FF_CHECK_EQ_INT(t, strlen(error.entity), shift + (sizeof(error.entity) - 1 - shift) / 4 * 4);
		FF_CHECK_EQ_INT(t, strlen(error.id), shift + (sizeof(error.id) - 1 - shift) / 4 * 4);
		ff_error_set(&error, FF_E_INVALID, "%s", "the cause");
		ff_error_prefix(&error, "%s", text);
		FF_CHECK(t, is_clean(error.message));
	}
	memset(text, 0xff, 400); /* what is no character takes all of the room, and no more */
	text[400] = '\0';
	ff_error_set_entity(&error, text, "");
	FF_CHECK_EQ_INT(t, strlen(error.entity), sizeof(error.entity) - 1);
	FF_CHECK_STR(t, error.id, "");
	memset(text, 'x', 383);
	text[383] = '\0';
	ff_error_set(&error, FF_E_INVALID, "%s", text);
	FF_CHECK_STR(t, error.message, text);
	strcpy(text + 383, "y");
	ff_error_set(&error, FF_E_INVALID, "%s", text);
	text[383] = '\0';
	FF_CHECK_STR(t, error.message, text);
}

static void error_prefix_keeps_the_rest(ff_test *t)
{
	ff_error error;
	ff_error_set(&error, FF_E_BUSY, "%s", "locked");
	ff_error_set_entity(&error, "budget", "b");
	ff_error_prefix(&error, "commit %d", 3);
	FF_CHECK_STR(t, error.message, "commit 3: locked");
	FF_CHECK(t, error.code == FF_E_BUSY && error.retryable);
	FF_CHECK_STR(t, error.id, "b");
	ff_error_prefix(&error, "%s", "store\n'x'");
	FF_CHECK_STR(t, error.message, "store?'x': commit 3: locked");
}

static const ff_case cases[] = {
	CASE(arena_takes, "", 0),
	CASE(arena_is_used_again, "", 0),
	CASE(arena_block_that_is_too_small, "", 0),
	CASE(arena_keeps_4_mib, "", 0),
	CASE(arena_keeps_nothing, "", 0),
	CASE(arena_goes_back, "", 0),
	CASE(arena_takes_nothing, "", 0),
	CASE(arena_without_memory, "", 0),
	CASE(arena_arrays_are_cleared, "", 0),
	CASE(result_is_one_piece, "", 0),
	CASE(error_is_filled, "FF-ERR-1", 0),
	CASE(error_is_retryable_by_its_code, "FF-ERR-1", 0),
	CASE(error_codes_have_names, "FF-ERR-1", 0),
	CASE(error_texts_are_clean, "FF-ERR-1", 0),
	CASE(error_texts_are_cut, "FF-ERR-1", 0),
	CASE(error_prefix_keeps_the_rest, "FF-ERR-1", 0),
};

FAMILY(ffp_tests_memory, cases);
