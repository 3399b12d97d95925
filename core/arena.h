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

/* Memory of the caller's, aligned for any type, to be used before any of the allocator's: behind init, and until free. */
void ffp_arena_lend(ffp_arena *arena, char *room, size_t size);

/* Takes everything back at once and keeps the first few MiB of blocks for the next use. */
void ffp_arena_reset(ffp_arena *arena);

/* Gives everything to the allocator. */
void ffp_arena_free(ffp_arena *arena);

/* Where an arena stands, and taking back what was taken since. */
typedef struct ffp_arena_mark {
	ffp_block *current;
	char *at;
} ffp_arena_mark;

ffp_arena_mark ffp_arena_stand(const ff_arena *arena);
void ffp_arena_back(ff_arena *arena, ffp_arena_mark mark);

/* Room for `count` elements of `size` bytes, or NULL; and the same cleared. */
void *ffp_arena_room(ff_arena *arena, size_t count, size_t size);
void *ffp_arena_array(ff_arena *arena, size_t count, size_t size);

#endif
