#include "place.h"

_Static_assert(sizeof(ffp_budget_row) <= sizeof(((ffp_place *)0)->row), "a place holds the largest row");

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
			const ff_text *text = ff_row_text(row, column);
			size_t size = text->size < FFP_PLACE_TEXT_MAX ? text->size : FFP_PLACE_TEXT_MAX;
			if (size)
				memcpy(place->texts[texts], text->data, size);
			*ff_row_text(kept, column) = (ff_text){ place->texts[texts++], size };
		}
	}
}
