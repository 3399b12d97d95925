#include "kv_bytes.h"

#include <endian.h>

/* ---- keys --------------------------------------------------------------------------------------------------- */

int ffp_kv_compare(ff_kv_bytes a, ff_kv_bytes b)
{
	return ff_text_compare((ff_text){ a.data, a.size }, (ff_text){ b.data, b.size });
}

static void append(ffp_kv_key *key, const void *bytes, size_t size)
{
	key->too_long |= FF_KV_KEY_MAX - key->size < size;
	if (key->too_long || size == 0)
		return;
	memcpy(key->bytes + key->size, bytes, size);
	key->size += size;
}

static void append_int64(ffp_kv_key *key, int64_t value)
{
	uint64_t bits = htobe64((uint64_t)value ^ UINT64_C(1) << 63);
	append(key, &bits, sizeof(bits));
}

/* What follows tells where a text ends; behind the last of several columns nothing follows. */
static bool is_open(unsigned i, unsigned count)
{
	return i > 0 && i + 1 == count;
}

void ffp_kv_append(ffp_kv_key *key, const ff_table *table, const ff_index *index, const ff_row *row, unsigned first,
                   unsigned end)
{
	const unsigned count = ff_order_count(table, index);
	for (unsigned i = first; i < end; i++) {
		const ff_column *column = &table->columns[index ? ff_order_column(table, index, i) : i];
		if (column->type == FF_TYPE_INT64) {
			append_int64(key, *ff_row_int64(row, column));
			continue;
		}
		const ff_text *text = ff_row_text(row, column);
		append(key, text->data, text->size);
		if (!is_open(i, count))
			append(key, "", 1);
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

/* The bytes that are left of a key or a value; `at` is NULL from the first on that is not as it should be. */
typedef struct reader {
	const unsigned char *at;
	const unsigned char *end;
} reader;

static reader reader_of(ff_kv_bytes bytes)
{
	const unsigned char *at = bytes.data;
	return (reader){ at, bytes.size ? at + bytes.size : at };
}

static size_t left_of(const reader *from)
{
	return (size_t)(from->end - from->at);
}

static void read_key_int64(reader *from, int64_t *value)
{
	uint64_t bits = 0;
	if (left_of(from) < 8) {
		from->at = NULL;
		return;
	}
	for (unsigned i = 0; i < 8; i++)
		bits = bits << 8 | *from->at++;
	*value = (int64_t)(bits ^ UINT64_C(1) << 63);
}

/* False: the text is none that a core wrote. */
static bool read_key_text(reader *from, bool open, ff_text *text)
{
	const unsigned char *end = open ? from->end : memchr(from->at, '\0', left_of(from));
	*text = (ff_text){ (const char *)from->at, end ? (size_t)(end - from->at) : 0 };
	from->at = open || !end ? end : end + 1;
	return !end || ff_text_is_valid(text->data, text->size);
}

bool ffp_kv_read_key(const ff_table *table, const ff_index *index, ff_kv_bytes key, ff_row *row)
{
	const unsigned count = ff_order_count(table, index);
	reader from = reader_of(key);
	for (unsigned i = 0; from.at && i < count; i++) {
		const ff_column *column = &table->columns[ff_order_column(table, index, i)];
		if (column->type == FF_TYPE_INT64)
			read_key_int64(&from, ff_row_int64(row, column));
		else if (!read_key_text(&from, is_open(i, count), ff_row_text(row, column)))
			row->state = FF_ROW_CORRUPT;
	}
	return from.at && from.at == from.end;
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

/*
 * A row begins with what each column is, two bits a column, three columns a byte from its low bits on, and none behind the
 * last. Bit 6 is the format's, bit 7 says that another such byte follows.
 */
enum { KIND_NONE = 0, KIND_PLAIN = 1, KIND_BYTES = 2, KIND_TIME = 3 };
enum { KIND_BITS = 2, KIND_MASK = 3, KINDS_A_BYTE = 3, FORMAT = 0x40, MORE = 0x80 };

/* Numbers from 2^40 to below 2^41, which in milliseconds are the times from 2004 to 2039, are five bytes. */
enum { TIME_SIZE = 5 };

static bool is_time(int64_t number)
{
	return (uint64_t)number >> (8 * TIME_SIZE) == 1;
}

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

static inline unsigned kind_of(const ff_table *table, unsigned i, const ff_row *row)
{
	const ff_column *column = &table->columns[i];
	if (is_plain(table, i, row))
		return KIND_PLAIN;
	return column->type == FF_TYPE_INT64 && is_time(*ff_row_int64(row, column)) ? KIND_TIME : KIND_BYTES;
}

size_t ffp_kv_value_room(const ff_table *table, const ff_row *row)
{
	size_t room = 1 + FF_COLUMNS_MAX / KINDS_A_BYTE;
	for (unsigned i = table->key_count; i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		bool text = column->type == FF_TYPE_TEXT && !ff_row_is_null(row, i);
		room += VARINT_MAX + (text ? ff_row_text(row, column)->size : 0);
	}
	return room;
}

/* Has VARINT_MAX bytes of room at least, as have numbers in any column. */
static unsigned char *write_time(unsigned char *at, int64_t time)
{
	uint64_t bytes = htobe64((uint64_t)time << (64 - 8 * TIME_SIZE));
	memcpy(at, &bytes, sizeof(bytes));
	return at + TIME_SIZE;
}

static unsigned char *write_bytes(unsigned char *at, const ff_column *column, const ff_row *row)
{
	if (column->type == FF_TYPE_INT64)
		return write_varint(at, (uint64_t)*ff_row_int64(row, column));
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
	unsigned char *head = value;
	unsigned char *at = value + (count ? (count + KINDS_A_BYTE - 1) / KINDS_A_BYTE : 1);
	unsigned kinds = FORMAT;
	unsigned shift = 0;
	for (unsigned i = 0; i < count; i++) {
		if (shift == KIND_BITS * KINDS_A_BYTE) {
			*head++ = (unsigned char)(kinds | MORE);
			kinds = FORMAT;
			shift = 0;
		}
		const ff_column *column = &table->columns[order[i]];
		unsigned kind = kind_of(table, order[i], row);
		kinds |= kind << shift;
		shift += KIND_BITS;
		if (kind == KIND_TIME)
			at = write_time(at, *ff_row_int64(row, column));
		else if (kind == KIND_BYTES)
			at = write_bytes(at, column, row);
	}
	*head = (unsigned char)kinds;
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

static int64_t read_time(reader *from)
{
	uint64_t number = 1;
	if (left_of(from) < TIME_SIZE) {
		from->at = NULL;
		return 0;
	}
	for (unsigned i = 0; i < TIME_SIZE; i++)
		number = number << 8 | *from->at++;
	return (int64_t)number;
}

static void read_text(reader *from, ff_text *text)
{
	uint64_t size = read_varint(from);
	if (!from->at || size > left_of(from) || !ff_text_is_valid(from->at, (size_t)size)) {
		from->at = NULL;
		return;
	}
	*text = (ff_text){ (const char *)from->at, (size_t)size };
	from->at += size;
}

static void read_column(reader *from, const ff_table *table, unsigned i, unsigned kind, ff_row *row)
{
	const ff_column *column = &table->columns[i];
	if (column->type == FF_TYPE_TEXT)
		read_text(from, ff_row_text(row, column));
	else
		*ff_row_int64(row, column) = kind == KIND_TIME ? read_time(from) : (int64_t)read_varint(from);
	if (from->at && kind_of(table, i, row) != kind)
		from->at = NULL; /* it would not have been written so */
}

/* Reads what each column is, and answers how many there are. */
static unsigned read_kinds(reader *from, uint8_t kinds[FF_COLUMNS_MAX])
{
	unsigned count = 0;
	unsigned room = FF_COLUMNS_MAX;
	unsigned head = MORE;
	while (from->at && (head & MORE)) {
		bool begun = count > 0;
		head = left_of(from) ? *from->at++ : 0;
		unsigned left = head & (FORMAT - 1);
		bool full = left >> (KIND_BITS * (KINDS_A_BYTE - 1)) != KIND_NONE;
		for (; left & KIND_MASK && count < room; left >>= KIND_BITS)
			kinds[count++] = left & KIND_MASK;
		bool empty = begun && (head & KIND_MASK) == KIND_NONE;
		if (!(head & FORMAT) || left || empty || ((head & MORE) && !full))
			from->at = NULL;
	}
	return count;
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
	uint8_t kinds[FF_COLUMNS_MAX];
	unsigned count = stored_order(table, order);
	reader from = reader_of(value);
	unsigned stored = read_kinds(&from, kinds);
	uint32_t state = row->state; /* of the key */
	row->state = FF_ROW_CORRUPT;
	if (!is_schema(table, order, count, stored))
		return;
	for (unsigned i = 0; from.at && i < count; i++) {
		bool plain = i < stored && kinds[i] == KIND_PLAIN;
		if (i >= stored || plain)
			set_unstored(table, order[i], plain, row);
		else
			read_column(&from, table, order[i], kinds[i], row);
	}
	if (from.at && from.at == from.end)
		row->state = state;
}
