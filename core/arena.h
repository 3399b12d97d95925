/* A batch's memory: blocks that are taken from the engine's allocator once and used again. */
#ifndef FFP_ARENA_H
#define FFP_ARENA_H

#include <ff/backend.h>

typedef struct ffp_block ffp_block;

typedef struct ffp_arena {
	ff_arena base; /* first, so that the two convert */
	const ff_allocator *allocator;
	ffp_block *first;
	ffp_block *current;
} ffp_arena;

void ffp_arena_init(ffp_arena *arena, const ff_allocator *allocator);

/* Takes everything back at once and keeps the first few MiB of blocks for the next use. */
void ffp_arena_reset(ffp_arena *arena);

/* Gives everything to the allocator. */
void ffp_arena_free(ffp_arena *arena);

/* `count` cleared elements of `size` bytes, or NULL. */
void *ffp_arena_array(ff_arena *arena, size_t count, size_t size);

#endif
