/* The allocator that counts what is out, checks the sizes that it is told, and fails where it should. */
#include <stdlib.h>

#include "tests.h"

typedef struct block {
	size_t size;
	_Alignas(16) char bytes[];
} block;

static bool fails(ffp_memory *memory)
{
	uint64_t number = atomic_fetch_add(&memory->taken, 1) + 1;
	uint64_t at = atomic_load(&memory->at);
	return at && (number == at || (number > at && atomic_load(&memory->repeat)));
}

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	ffp_memory *memory = context;
	block *before = old ? (block *)(void *)((char *)old - offsetof(block, bytes)) : NULL;
	if (old_size != (before ? before->size : 0) || (!before && !size))
		atomic_fetch_add(&memory->wrong, 1);
	if (size && (fails(memory) || size > SIZE_MAX / 4))
		return NULL;
	int64_t had = before ? (int64_t)before->size : 0;
	atomic_fetch_add(&memory->live, (int64_t)size - had);
	if (size == 0) {
		free(before);
		return NULL;
	}
	block *after = realloc(before, sizeof(block) + size);
	if (!after)
		abort();
	after->size = size;
	return after->bytes;
}

ffp_memory *ffp_memory_new(ff_test *test)
{
	ffp_memory *memory = ff_test_alloc(test, sizeof(*memory));
	memory->allocator = (ff_allocator){ .resize = resize, .context = memory };
	return memory;
}

/* ---- the arena that runs out -------------------------------------------------------------------------------- */

typedef struct scarce_arena {
	ff_arena base;
	ff_test *test;
	uint64_t left;
} scarce_arena;

static void *grow_scarcely(ff_arena *base, size_t size)
{
	scarce_arena *arena = (scarce_arena *)base;
	if (arena->left == 0)
		return NULL;
	arena->left--;
	return ff_test_alloc(arena->test, size);
}

ff_arena *ffp_scarce_arena(ff_test *test, uint64_t takes)
{
	static char nothing[1];
	scarce_arena *arena = ff_test_alloc(test, sizeof(*arena));
	*arena = (scarce_arena){ { nothing, nothing, grow_scarcely }, test, takes };
	return &arena->base;
}
