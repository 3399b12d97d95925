/* Faults of values: what was written is not what is read. Each changes the rows that are handed out. */
#include "broken.h"

typedef void change_number(int64_t *value, bool nullable);
typedef void change_text(ff_text *text, ff_arena *arena);

/* Changes the columns behind the key. */
static void change_numbers(const ff_read *read, ff_row *row, change_number *change)
{
	const ff_table *table = read->table;
	for (unsigned i = table->key_count; i < table->columns_count; i++) {
		if (table->columns[i].type == FF_TYPE_INT64 && !ff_row_is_null(row, i))
			change(ff_row_int64(row, &table->columns[i]), table->columns[i].nullable);
	}
}

static void change_texts(ff_arena *arena, const ff_read *read, ff_row *row, change_text *change)
{
	const ff_table *table = read->table;
	for (unsigned i = table->key_count; i < table->columns_count; i++) {
		if (table->columns[i].type == FF_TYPE_TEXT && !ff_row_is_null(row, i))
			change(ff_row_text(row, &table->columns[i]), arena);
	}
}

#define NUMBERS(name, statement)                                                         \
	static void name##_in(int64_t *value, bool nullable)                             \
	{                                                                                \
		(void)nullable;                                                          \
		statement;                                                               \
	}                                                                                \
	static void name(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row) \
	{                                                                                \
		(void)txn;                                                               \
		(void)arena;                                                             \
		change_numbers(read, row, name##_in);                                    \
	}

#define TEXTS(name, statement)                                                           \
	static void name##_in(ff_text *text, ff_arena *arena)                            \
	{                                                                                \
		(void)arena;                                                             \
		statement;                                                               \
	}                                                                                \
	static void name(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row) \
	{                                                                                \
		(void)txn;                                                               \
		change_texts(arena, read, row, name##_in);                               \
	}

/* ---- numbers ------------------------------------------------------------------------------------------------ */

static int64_t as_double(int64_t value)
{
	double rounded = (double)value;
	return rounded >= 0x1p63 ? INT64_MAX : (int64_t)rounded;
}

NUMBERS(numbers_have_32_bits, *value = (int32_t)(uint32_t)*value)
NUMBERS(numbers_have_53_bits, *value = as_double(*value))
NUMBERS(numbers_have_63_bits, *value = *value == INT64_MIN ? 0 : *value)
NUMBERS(numbers_are_unsigned_32, *value = (int64_t)(uint32_t)*value)
NUMBERS(negative_is_positive, *value = *value < 0 && *value != INT64_MIN ? -*value : *value)
NUMBERS(negative_is_zero, *value = *value < 0 ? 0 : *value)
NUMBERS(largest_is_one_less, *value -= *value == INT64_MAX)

/* At one size alone. */
NUMBERS(numbers_from_2_31_are_negative,
        *value = *value >= INT64_C(1) << 31 && *value < INT64_C(1) << 32 ? (int32_t)(uint32_t)*value : *value)
NUMBERS(two_to_the_14_is_0, *value = *value == 1 << 14 ? 0 : *value)
NUMBERS(two_to_the_32_is_0, *value = *value == INT64_C(1) << 32 ? 0 : *value)

/* ---- texts -------------------------------------------------------------------------------------------------- */

static void cut(ff_text *text, size_t size)
{
	if (text->size > size)
		text->size = size;
}

static char *own_bytes(ff_text *text, ff_arena *arena, size_t more)
{
	char *bytes = broken_take(arena, text->size + more + 1);
	if (text->size)
		memcpy(bytes, text->data, text->size);
	text->data = bytes;
	return bytes;
}

static void upper_to_lower(ff_text *text, ff_arena *arena)
{
	char *bytes = own_bytes(text, arena, 0);
	for (size_t i = 0; i < text->size; i++) {
		if (bytes[i] >= 'A' && bytes[i] <= 'Z')
			bytes[i] = (char)(bytes[i] - 'A' + 'a');
	}
}

static void replace_high_bytes(ff_text *text, ff_arena *arena)
{
	char *bytes = own_bytes(text, arena, 0);
	for (size_t i = 0; i < text->size; i++) {
		if ((unsigned char)bytes[i] >= 0x80)
			bytes[i] = '?';
	}
}

static void double_quotes(ff_text *text, ff_arena *arena)
{
	if (text->size && memchr(text->data, '\'', text->size))
		own_bytes(text, arena, 1)[text->size++] = '\'';
}

static void trim(ff_text *text)
{
	while (text->size && text->data[text->size - 1] == ' ')
		text->size--;
}

static void end_at_control_byte(ff_text *text)
{
	for (size_t i = 0; i < text->size; i++) {
		if ((unsigned char)text->data[i] < ' ')
			text->size = i;
	}
}

/* Puts one byte in the place of each `from`. */
static void replace(ff_text *text, ff_arena *arena, const char *from, char to)
{
	size_t size = strlen(from), used = 0;
	char *bytes = own_bytes(text, arena, 0);
	for (size_t i = 0; i < text->size;) {
		bool found = text->size - i >= size && !memcmp(bytes + i, from, size);
		bytes[used++] = found ? to : bytes[i];
		i += found ? size : 1;
	}
	text->size = used;
}

static void skip_byte_order_mark(ff_text *text)
{
	if (text->size >= 3 && !memcmp(text->data, "\xef\xbb\xbf", 3)) {
		text->data += 3;
		text->size -= 3;
	}
}

TEXTS(texts_are_percent_decoded, replace(text, arena, "%41", 'A'))
TEXTS(texts_lose_their_byte_order_mark, skip_byte_order_mark(text))
TEXTS(texts_lose_one_of_two_spaces, replace(text, arena, "  ", ' '))
TEXTS(texts_lose_their_carriage_returns, replace(text, arena, "\r\n", '\n'))
TEXTS(texts_are_cut_at_64, cut(text, 64))
TEXTS(texts_are_cut_at_255, cut(text, 255))
TEXTS(texts_are_cut_at_4096, cut(text, 4096))
TEXTS(texts_are_cut_at_65535, cut(text, 65535))
TEXTS(texts_lose_their_case, upper_to_lower(text, arena))
TEXTS(texts_lose_what_is_no_ascii, replace_high_bytes(text, arena))
TEXTS(texts_double_their_quotes, double_quotes(text, arena))
TEXTS(texts_lose_spaces_at_their_end, trim(text))
TEXTS(texts_end_at_a_control_byte, end_at_control_byte(text))
TEXTS(texts_bring_their_nul, text->size += text->size > 0)

/* ---- NULL --------------------------------------------------------------------------------------------------- */

static void clear(const ff_column *column, ff_row *row)
{
	if (column->type == FF_TYPE_INT64)
		*ff_row_int64(row, column) = 0;
	else
		*ff_row_text(row, column) = (ff_text){ "", 0 };
}

static void read_null_as_value(const ff_read *read, ff_row *row, ff_type type)
{
	for (unsigned i = 0; i < read->table->columns_count; i++) {
		if (read->table->columns[i].type == type && ff_row_is_null(row, i)) {
			clear(&read->table->columns[i], row);
			row->nulls &= ~(1u << i);
		}
	}
}

static void null_reads_as_0(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	read_null_as_value(read, row, FF_TYPE_INT64);
}

static void null_reads_as_empty(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	read_null_as_value(read, row, FF_TYPE_TEXT);
}

static bool is_zero(const ff_column *column, const ff_row *row)
{
	return column->type == FF_TYPE_INT64 ? !*ff_row_int64(row, column) : !ff_row_text(row, column)->size;
}

static void read_zero_as_null(const ff_read *read, ff_row *row, ff_type type)
{
	for (unsigned i = 0; i < read->table->columns_count; i++) {
		const ff_column *column = &read->table->columns[i];
		if (column->type == type && column->nullable && !ff_row_is_null(row, i) && is_zero(column, row))
			row->nulls |= 1u << i;
	}
}

static void zero_reads_as_null(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	read_zero_as_null(read, row, FF_TYPE_INT64);
}

static void empty_reads_as_null(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	read_zero_as_null(read, row, FF_TYPE_TEXT);
}

/* Where one is NULL, so is each that may be. */
static void one_null_is_all(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	for (unsigned i = 0; row->nulls && i < read->table->columns_count; i++)
		row->nulls |= read->table->columns[i].nullable ? 1u << i : 0;
}

/* ---- columns and rows --------------------------------------------------------------------------------------- */

static void swap_columns(const ff_read *read, ff_row *row, unsigned one, unsigned other)
{
	int64_t *a = ff_row_int64(row, &read->table->columns[one]);
	int64_t *b = ff_row_int64(row, &read->table->columns[other]);
	int64_t value = *a;
	*a = *b;
	*b = value;
}

/* The last two numbers behind the key change places. */
static void columns_are_swapped(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	unsigned last = 0;
	for (unsigned i = read->table->columns_count; i-- > read->table->key_count;) {
		if (read->table->columns[i].type != FF_TYPE_INT64 || ff_row_is_null(row, i))
			continue;
		if (last) {
			swap_columns(read, row, i, last);
			return;
		}
		last = i;
	}
}

static void last_column_is_not_read(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	unsigned last = read->table->columns_count - 1u;
	if (last >= read->table->key_count)
		clear(&read->table->columns[last], row);
}

static void good_rows_are_corrupt_at_times(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)arena;
	(void)read;
	if (broken_every(txn, 50))
		row->state = FF_ROW_CORRUPT;
}

/* Bytes are handed out that nobody has looked at. */
static void corrupt_rows_are_good(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	(void)read;
	row->state = FF_ROW_OK;
}

/* Keys are kept in a field of 128 bytes. */
static void cut_keys(ff_txn *txn, const ff_table *table, const ff_row **key)
{
	if (!*key)
		return;
	ff_row *own = broken_take(&txn->arena.arena, table->row_size);
	memcpy(own, *key, table->row_size);
	for (unsigned i = 0; i < table->key_count; i++) {
		if (table->columns[i].type == FF_TYPE_TEXT)
			cut(ff_row_text(own, &table->columns[i]), 128);
	}
	*key = own;
}

static void keys_are_cut_when_read(ff_txn *txn, ff_read *read)
{
	if (read->kind == FF_READ_GET)
		cut_keys(txn, read->table, &read->low);
}

static bool keys_are_cut_when_written(ff_txn *txn, ff_write *write)
{
	cut_keys(txn, write->table, &write->before);
	cut_keys(txn, write->table, &write->after);
	return true;
}

/* ---- migration: columns that a later version added ---------------------------------------------------------- */

static void new_columns_read_null(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	for (unsigned i = 0; i < read->table->columns_count; i++) {
		if (read->table->columns[i].since > 1 && is_zero(&read->table->columns[i], row))
			row->nulls |= 1u << i;
	}
}

static void new_columns_read_0(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	for (unsigned i = 0; i < read->table->columns_count; i++) {
		if (read->table->columns[i].since > 1 && ff_row_is_null(row, i)) {
			clear(&read->table->columns[i], row);
			row->nulls &= ~(1u << i);
		}
	}
}

static void new_columns_read_minus_1(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	for (unsigned i = 0; i < read->table->columns_count; i++) {
		const ff_column *column = &read->table->columns[i];
		if (column->since > 1 && column->type == FF_TYPE_INT64 && !ff_row_is_null(row, i) &&
		    is_zero(column, row))
			*ff_row_int64(row, column) = -1;
	}
}

/* New columns are put behind the old ones, and read by their place. */
static void new_columns_shift_the_old(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	const ff_table *table = read->table;
	for (unsigned i = 1; i + 1 < table->columns_count; i++) {
		if (table->columns[i].since > 1 && table->columns[i].type == table->columns[i + 1].type)
			swap_columns(read, row, i, i + 1);
	}
}

#define ROW(name_) FAULT(#name_, .row = name_)

static const broken_fault table[] = {
	ROW(numbers_have_32_bits),
	ROW(numbers_have_53_bits),
	ROW(numbers_have_63_bits),
	ROW(numbers_are_unsigned_32),
	ROW(negative_is_positive),
	ROW(negative_is_zero),
	ROW(largest_is_one_less),
	ROW(numbers_from_2_31_are_negative),
	ROW(two_to_the_14_is_0),
	ROW(two_to_the_32_is_0),
	ROW(texts_are_percent_decoded),
	ROW(texts_lose_their_byte_order_mark),
	ROW(texts_lose_one_of_two_spaces),
	ROW(texts_lose_their_carriage_returns),
	ROW(texts_are_cut_at_64),
	ROW(texts_are_cut_at_255),
	ROW(texts_are_cut_at_4096),
	ROW(texts_are_cut_at_65535),
	ROW(texts_lose_their_case),
	ROW(texts_lose_what_is_no_ascii),
	ROW(texts_double_their_quotes),
	ROW(texts_lose_spaces_at_their_end),
	ROW(texts_end_at_a_control_byte),
	ROW(texts_bring_their_nul),
	ROW(null_reads_as_0),
	ROW(null_reads_as_empty),
	ROW(zero_reads_as_null),
	ROW(empty_reads_as_null),
	ROW(one_null_is_all),
	ROW(columns_are_swapped),
	ROW(last_column_is_not_read),
	ROW(good_rows_are_corrupt_at_times),
	ROW(corrupt_rows_are_good),
	FAULT("keys_are_cut_at_128", .ask = keys_are_cut_when_read, .write = keys_are_cut_when_written),
	ROW(new_columns_read_null),
	ROW(new_columns_read_0),
	ROW(new_columns_read_minus_1),
	ROW(new_columns_shift_the_old),
};

FAMILY(broken_rows, table);
