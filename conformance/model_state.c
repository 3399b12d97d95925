/* What the model's files share: results that live until the next call, names (FF-LIM-1), and sums of times. */
#include "model_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- results ---------------------------------------------------------------------------------------------------- */

void *ffp_model_keep(ffp_model *model, size_t size)
{
	ffp_model_list *kept = &model->kept;
	kept->size = sizeof(void *);
	kept->items = ffp_resize(kept->items, (kept->count + 1) * kept->size);
	void *memory = memset(ffp_resize(NULL, size), 0, size);
	memcpy(ffp_list_at(kept, kept->count++), &memory, sizeof(memory));
	return memory;
}

void ffp_model_forget(ffp_model *model)
{
	foreach (void *, kept, &model->kept)
		free(*kept);
	model->kept.count = 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

/* One character of UTF-8 at `text`, or -1; *length gets its bytes. */
static long decode(const unsigned char *text, size_t *length)
{
	static const long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	*length = text[0] < 0x80 ? 1 : text[0] >> 5 == 6 ? 2 : text[0] >> 4 == 14 ? 3 : text[0] >> 3 == 30 ? 4 : 0;
	if (*length == 0)
		return -1;
	long point = *length == 1 ? text[0] : text[0] & (0x7f >> *length);
	for (size_t i = 1; i < *length; i++) {
		if (text[i] >> 6 != 2)
			return -1;
		point = point << 6 | (text[i] & 0x3f);
	}
	bool surrogate = point >= 0xd800 && point <= 0xdfff;
	return point < least[*length] || point > 0x10ffff || surrogate ? -1 : point;
}

bool ffp_model_is_name(const char *name, size_t min, size_t max)
{
	size_t size = name ? strlen(name) : 0;
	if (size < min || size > max)
		return false;
	for (size_t at = 0, length; at < size; at += length) {
		long point = decode((const unsigned char *)name + at, &length);
		if (point < 0x20 || (point >= 0x7f && point < 0xa0))
			return false;
	}
	return true;
}

bool ffp_model_is_id(const char *id)
{
	return ffp_model_is_name(id, 1, FF_ID_MAX);
}

void ffp_model_copy_name(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

/* ---- times ------------------------------------------------------------------------------------------------------ */

int64_t ffp_model_later(int64_t time_ms, int64_t by_ms)
{
	return time_ms > INT64_MAX - by_ms ? INT64_MAX : time_ms + by_ms;
}
