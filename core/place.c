#include "place.h"

_Static_assert(sizeof(ffp_budget_row) <= sizeof(((ffp_place *)0)->row), "a place holds the largest row");

/*
 * Keeps a text; one that is longer than any name (put there by hand) is cut, and the highest character put behind, so
 * that the place lies after the row and a walk gets past it.
 */
static size_t keep_text(char kept[FFP_PLACE_TEXT_MAX], const ff_text *text)
{
	static const char highest[] = "\xf4\x8f\xbf\xbf";
	size_t size = text->size;
	if (size > FFP_PLACE_TEXT_MAX) {
		size = FFP_PLACE_TEXT_MAX - (sizeof(highest) - 1);
		while (size && ((unsigned char)text->data[size] & 0xc0) == 0x80)
			size--;
		memcpy(kept + size, highest, sizeof(highest) - 1);
	}
	if (size)
		memcpy(kept, text->data, size);
	return text->size > FFP_PLACE_TEXT_MAX ? size + sizeof(highest) - 1 : size;
}

void ffp_place_set(ffp_place *place, const ff_table *table, const ff_index *index, const ff_row *row)
{
	ff_row *kept = (ff_row *)(void *)place->row;
	unsigned texts = 0;
	place->is_set = true;
	memset(place->row, 0, sizeof(place->row));
	for (unsigned i = 0; i < ff_order_count(table, index); i++) {
		const ff_column *column = &table->columns[ff_order_column(table, index, i)];
		if (column->type == FF_TYPE_INT64) {
			*ff_row_int64(kept, column) = *ff_row_int64(row, column);
		} else {
			size_t size = keep_text(place->texts[texts], ff_row_text(row, column));
			*ff_row_text(kept, column) = (ff_text){ place->texts[texts++], size };
		}
	}
}

bool ffp_place_advance(ffp_place *place, const ff_table *table, const ff_index *index, const ff_row *row)
{
	unsigned columns = ff_order_count(table, index);
	bool is_behind = !place->is_set || ff_row_compare(table, index, ffp_place_row(place), row, columns) < 0;
	if (is_behind)
		ffp_place_set(place, table, index, row);
	return is_behind;
}
