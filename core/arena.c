#include "arena.h"

#define BLOCK_MIN ((size_t)64 << 10)
#define BLOCK_MAX ((size_t)4 << 20)
#define KEPT_MAX ((size_t)4 << 20)

struct ffp_block {
	ffp_block *next;
	size_t size; /* of the bytes behind the head */
	_Alignas(16) char bytes[];
};

static void enter_block(ffp_arena *arena, ffp_block *block)
{
	arena->current = block;
	arena->base.at = block->bytes;
	arena->base.end = block->bytes + block->size;
}

/* Uses the next kept block where it is large enough, else puts a new one before it. */
static void *grow(ff_arena *base, size_t size)
{
	ffp_arena *arena = (ffp_arena *)base;
	ffp_block **link = arena->current ? &arena->current->next : &arena->first;
	if (!*link || (*link)->size < size) {
		size_t least = arena->current ? 2 * arena->current->size : BLOCK_MIN;
		least = least < BLOCK_MAX ? least : BLOCK_MAX;
		size_t room = size > least ? size : least;
		if (room > SIZE_MAX - sizeof(ffp_block))
			return NULL;
		ffp_block *block =
		    arena->allocator->resize(arena->allocator->context, NULL, 0, sizeof(ffp_block) + room);
		if (!block)
			return NULL;
		block->next = *link;
		block->size = room;
		*link = block;
	}
	enter_block(arena, *link);
	base->at += size;
	return base->at - size;
}

void ffp_arena_init(ffp_arena *arena, const ff_allocator *allocator)
{
	*arena = (ffp_arena){ .base = { .grow = grow }, .allocator = allocator };
}

void ffp_arena_lend(ffp_arena *arena, char *room, size_t size)
{
	arena->base.at = room;
	arena->base.end = room + size;
}

static void free_blocks(ffp_arena *arena, ffp_block *block)
{
	while (block) {
		ffp_block *next = block->next;
		arena->allocator->resize(arena->allocator->context, block, sizeof(ffp_block) + block->size, 0);
		block = next;
	}
}

void ffp_arena_reset(ffp_arena *arena)
{
	size_t kept = 0;
	ffp_block **link = &arena->first;
	while (*link && kept + (*link)->size <= KEPT_MAX) {
		kept += (*link)->size;
		link = &(*link)->next;
	}
	free_blocks(arena, *link);
	*link = NULL;
	arena->current = NULL;
	arena->base.at = arena->base.end = NULL;
	if (arena->first)
		enter_block(arena, arena->first);
}

void ffp_arena_free(ffp_arena *arena)
{
	free_blocks(arena, arena->first);
	ffp_arena_init(arena, arena->allocator);
}

ffp_arena_mark ffp_arena_stand(const ff_arena *arena)
{
	return (ffp_arena_mark){ ((const ffp_arena *)arena)->current, arena->at };
}

void ffp_arena_back(ff_arena *arena, ffp_arena_mark mark)
{
	ffp_arena *whole = (ffp_arena *)arena;
	if (!mark.current) {
		ffp_arena_reset(whole);
		return;
	}
	enter_block(whole, mark.current);
	arena->at = mark.at;
}

void *ffp_arena_room(ff_arena *arena, size_t count, size_t size)
{
	return size && count > SIZE_MAX / size ? NULL : ff_arena_take(arena, count * size);
}

void *ffp_arena_array(ff_arena *arena, size_t count, size_t size)
{
	void *array = ffp_arena_room(arena, count, size);
	return array ? memset(array, 0, count * size) : NULL;
}
