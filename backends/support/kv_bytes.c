#include "kv_bytes.h"

#include <endian.h>

#include "text.h"

/* ---- keys --------------------------------------------------------------------------------------------------- */

int ffp_kv_compare(ff_kv_bytes a, ff_kv_bytes b)
{
	return ff_text_compare((ff_text){ a.data, a.size }, (ff_text){ b.data, b.size });
}

static void append_int64(ffp_kv_key *key, int64_t value)
{
	uint64_t bits = (uint64_t)value ^ UINT64_C(1) << 63;
	key->too_long |= FF_KV_KEY_MAX - key->size < 8;
	for (unsigned i = 0; !key->too_long && i < 8; i++)
		key->bytes[key->size++] = (unsigned char)(bits >> (56 - 8 * i));
}

static void append_text(ffp_kv_key *key, ff_text text)
{
	key->too_long |= FF_KV_KEY_MAX - key->size <= text.size;
	if (key->too_long)
		return;
	if (text.size)
		memcpy(key->bytes + key->size, text.data, text.size);
	key->size += text.size;
	key->bytes[key->size++] = '\0';
}

void ffp_kv_append(ffp_kv_key *key, const ff_table *table, const ff_index *index, const ff_row *row, unsigned first,
                   unsigned end)
{
	for (unsigned i = first; i < end; i++) {
		const ff_column *column = &table->columns[index ? ff_order_column(table, index, i) : i];
		if (column->type == FF_TYPE_INT64)
			append_int64(key, *ff_row_int64(row, column));
		else
			append_text(key, *ff_row_text(row, column));
	}
}

bool ffp_kv_after(ffp_kv_key *key)
{
	while (key->size && key->bytes[key->size - 1] == 0xff)
		key->size--;
	if (key->size)
		key->bytes[key->size - 1]++;
	return key->size > 0;
}

/* Reads one column and answers how many bytes it took, 0 where it is none. */
static size_t read_key_column(const ff_column *column, const unsigned char *at, size_t left, ff_row *row)
{
	if (column->type == FF_TYPE_INT64) {
		uint64_t bits = 0;
		for (unsigned i = 0; left >= 8 && i < 8; i++)
			bits = bits << 8 | at[i];
		*ff_row_int64(row, column) = (int64_t)(bits ^ UINT64_C(1) << 63);
		return left >= 8 ? 8 : 0;
	}
	const unsigned char *end = left ? memchr(at, '\0', left) : NULL;
	if (!end)
		return 0;
	*ff_row_text(row, column) = (ff_text){ (const char *)at, (size_t)(end - at) };
	if (!ffp_is_stored_text(at, (size_t)(end - at)))
		row->state = FF_ROW_CORRUPT;
	return (size_t)(end - at) + 1;
}

bool ffp_kv_read_key(const ff_table *table, const ff_index *index, ff_kv_bytes key, ff_row *row)
{
	const unsigned char *at = key.data;
	size_t left = key.size;
	for (unsigned i = 0; i < ff_order_count(table, index); i++) {
		size_t took = read_key_column(&table->columns[ff_order_column(table, index, i)], at, left, row);
		if (took == 0)
			return false;
		at += took;
		left -= took;
	}
	return left == 0;
}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

/* Seven bits a byte, the highest first, and a bit that says that more follow; a ninth byte has eight. */
enum { VARINT_MAX = 9 };

static size_t varint_size(uint64_t number)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(number | 1);
	return bits > 7 * VARINT_MAX - 7 ? VARINT_MAX : (bits + 6) / 7;
}

/* The 56 low bits of a number, seven in each of eight bytes. */
static uint64_t spread(uint64_t number)
{
	number = (number & UINT64_C(0x000000000fffffff)) | (number & UINT64_C(0x00fffffff0000000)) << 4;
	number = (number & UINT64_C(0x00003fff00003fff)) | (number & UINT64_C(0x0fffc0000fffc000)) << 2;
	return (number & UINT64_C(0x007f007f007f007f)) | (number & UINT64_C(0x3f803f803f803f80)) << 1;
}

/* Takes VARINT_MAX bytes of room, of which the last may be left as they come. */
static unsigned char *write_varint(unsigned char *at, uint64_t number)
{
	const uint64_t more = UINT64_C(0x8080808080808080);
	size_t size = varint_size(number);
	bool longest = size == VARINT_MAX;
	uint64_t bytes = longest ? spread(number >> 8) | more : (spread(number) | (more - 0x80)) << 8 * (8 - size);
	bytes = htobe64(bytes);
	memcpy(at, &bytes, sizeof(bytes));
	if (longest)
		at[VARINT_MAX - 1] = (unsigned char)number;
	return at + size;
}

/* The bytes that are left of a value; `at` is NULL from the first on that is not as it should be. */
typedef struct reader {
	const unsigned char *at;
	const unsigned char *end;
} reader;

static uint64_t read_varint(reader *from)
{
	uint64_t number = 0;
	for (size_t size = 1; from->at && from->at < from->end; size++) {
		unsigned char byte = *from->at++;
		if (size == VARINT_MAX)
			number = number << 8 | byte;
		else
			number = number << 7 | (byte & 0x7f);
		if (size == VARINT_MAX || !(byte & 0x80)) {
			if (varint_size(number) != size)
				break;
			return number;
		}
	}
	from->at = NULL;
	return 0;
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

/* The first byte: the format in its three high bits, the number of value columns in the others. */
enum { FORMAT = 1, FORMAT_SHIFT = 5 };

static const ff_text common = { FF_KV_COMMON_TEXT, sizeof(FF_KV_COMMON_TEXT) - 1 };

/* The value columns as they are stored: by `since`, and then by place, which most tables have them in. Answers how many
 * there are. */
static unsigned stored_order(const ff_table *table, uint8_t order[FF_COLUMNS_MAX])
{
	const ff_column *columns = table->columns;
	const unsigned end = table->columns_count;
	unsigned count = 0;
	bool sorted = true;
	for (unsigned i = table->key_count; i < end; i++) {
		sorted &= count == 0 || columns[i - 1].since <= columns[i].since;
		order[count++] = (uint8_t)i;
	}
	for (unsigned i = 1; !sorted && i < count; i++) {
		uint8_t column = order[i];
		unsigned place = i;
		for (; place > 0 && columns[order[place - 1]].since > columns[column].since; place--)
			order[place] = order[place - 1];
		order[place] = column;
	}
	return count;
}

/* What a column holds that costs no byte. */
static inline bool is_plain(const ff_table *table, unsigned i, const ff_row *row)
{
	const ff_column *column = &table->columns[i];
	if (column->nullable)
		return ff_row_is_null(row, i);
	if (column->type == FF_TYPE_INT64)
		return *ff_row_int64(row, column) == 0;
	return ff_text_compare(*ff_row_text(row, column), common) == 0;
}

size_t ffp_kv_value_room(const ff_table *table, const ff_row *row)
{
	size_t room = 1 + FF_COLUMNS_MAX / 8;
	for (unsigned i = table->key_count; i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		bool text = column->type == FF_TYPE_TEXT && !ff_row_is_null(row, i);
		room += VARINT_MAX + (text ? ff_row_text(row, column)->size : 0);
	}
	return room;
}

static unsigned char *write_column(unsigned char *at, const ff_column *column, const ff_row *row)
{
	if (column->type == FF_TYPE_INT64) {
		int64_t value = *ff_row_int64(row, column);
		return write_varint(at, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
	}
	const ff_text *text = ff_row_text(row, column);
	at = write_varint(at, text->size);
	if (text->size)
		memcpy(at, text->data, text->size);
	return at + text->size;
}

size_t ffp_kv_write_value(const ff_table *table, const ff_row *row, unsigned char *value)
{
	uint8_t order[FF_COLUMNS_MAX];
	unsigned count = stored_order(table, order);
	unsigned char *at = value + 1 + (count + 7) / 8;
	uint32_t plain = 0;
	for (unsigned i = 0; i < count; i++) {
		if (is_plain(table, order[i], row))
			plain |= 1u << i;
		else
			at = write_column(at, &table->columns[order[i]], row);
	}
	value[0] = (unsigned char)(FORMAT << FORMAT_SHIFT | count);
	for (unsigned i = 0; i < count; i += 8)
		value[1 + i / 8] = (unsigned char)(plain >> i);
	return (size_t)(at - value);
}

/* What a column holds whose value is not stored: plain, or added by a later schema. */
static void set_unstored(const ff_table *table, unsigned i, bool plain, ff_row *row)
{
	const ff_column *column = &table->columns[i];
	if (column->nullable)
		row->nulls |= 1u << i;
	else if (column->type == FF_TYPE_INT64)
		*ff_row_int64(row, column) = 0;
	else
		*ff_row_text(row, column) = plain ? common : (ff_text){ "", 0 };
}

static void read_column(reader *from, const ff_table *table, unsigned i, ff_row *row)
{
	const ff_column *column = &table->columns[i];
	uint64_t number = read_varint(from);
	if (column->type == FF_TYPE_INT64) {
		*ff_row_int64(row, column) = (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
	} else if (from->at && number <= (size_t)(from->end - from->at)) {
		*ff_row_text(row, column) = (ff_text){ (const char *)from->at, (size_t)number };
		from->at = ffp_is_stored_text(from->at, (size_t)number) ? from->at + number : NULL;
	} else {
		from->at = NULL;
	}
	if (from->at && !column->nullable && is_plain(table, i, row))
		from->at = NULL; /* it would not have been written so */
}

/* Whether some schema had just the first `stored` of these columns. */
static bool is_schema(const ff_table *table, const uint8_t *order, unsigned count, unsigned stored)
{
	if (stored >= count)
		return stored == count;
	uint32_t last = stored ? table->columns[order[stored - 1]].since : table->since;
	return table->columns[order[stored]].since > last;
}

void ffp_kv_read_value(const ff_table *table, ff_kv_bytes value, ff_row *row)
{
	uint8_t order[FF_COLUMNS_MAX];
	unsigned count = stored_order(table, order);
	const unsigned char *bytes = value.data;
	unsigned stored = value.size ? bytes[0] & ((1u << FORMAT_SHIFT) - 1) : 0;
	size_t head = 1 + (stored + 7) / 8;
	uint32_t state = row->state; /* of the key */
	row->state = FF_ROW_CORRUPT;
	if (value.size < head || bytes[0] >> FORMAT_SHIFT != FORMAT || !is_schema(table, order, count, stored) ||
	    (stored % 8 && bytes[head - 1] >> stored % 8))
		return;
	reader from = { bytes + head, bytes + value.size };
	for (unsigned i = 0; from.at && i < count; i++) {
		bool plain = i < stored && (bytes[1 + i / 8] >> i % 8 & 1);
		if (i >= stored || plain)
			set_unstored(table, order[i], plain, row);
		else
			read_column(&from, table, order[i], row);
	}
	if (from.at == from.end)
		row->state = state;
}
