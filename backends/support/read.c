#include "read.h"

bool ffp_read_reserve(ff_arena *arena, ff_read *read, size_t *capacity)
{
	if (read->rows_count < *capacity)
		return true;
	size_t grown = *capacity ? 2 * *capacity : 16;
	grown = grown < read->limit ? grown : read->limit;
	ff_row **rows = ff_arena_take(arena, grown * sizeof(*rows));
	if (!rows)
		return false;
	if (read->rows_count)
		memcpy(rows, read->rows, read->rows_count * sizeof(*rows));
	read->rows = rows;
	*capacity = grown;
	return true;
}
