/* The adapter's bytes: keys in the order of rows, and rows that come back, or are seen not to be rows. */
#include "test.h"

#include <stdlib.h>

#include "../kv_bytes.h"

static const char *const texts[] = {
	"", "a", "b", "aa", "ab", "a\x01", "é", "\xf0\x90\x80\x80", FF_KV_COMMON_TEXT, "zz"
};
static const int64_t numbers[] = { INT64_MIN,
	                           INT64_MIN + 1,
	                           -256,
	                           -1,
	                           0,
	                           1,
	                           63,
	                           64,
	                           255,
	                           256,
	                           INT64_C(1) << 40,
	                           (INT64_C(1) << 41) - 1,
	                           INT64_C(1) << 41,
	                           INT64_C(1) << 55,
	                           (INT64_C(1) << 62) - 1,
	                           INT64_MAX };

static ff_text some_text(ff_test *t)
{
	return ffp_text_of(texts[ff_test_random_below(t, sizeof(texts) / sizeof(*texts))]);
}

static int64_t some_number(ff_test *t)
{
	uint64_t bits = ff_test_random(t);
	return ff_test_random_below(t, 2) ? numbers[ff_test_random_below(t, sizeof(numbers) / sizeof(*numbers))]
	                                  : (int64_t)(bits >> ff_test_random_below(t, 64));
}

static ffp_odd_row some_row(ff_test *t, const ff_table *table)
{
	ffp_odd_row row = { .a = some_text(t),
		            .b = some_number(t),
		            .c = some_text(t),
		            .n = some_number(t),
		            .t = some_text(t),
		            .v = some_number(t),
		            .w = some_text(t),
		            .x = some_number(t),
		            .y = some_text(t),
		            .z = some_text(t) };
	for (unsigned i = 0; i < table->columns_count; i++)
		if (table->columns[i].nullable && ff_test_random_below(t, 3) == 0)
			row.row.nulls |= 1u << i;
	return row;
}

static ffp_kv_key key_of(ff_test *t, const ff_table *table, const ff_index *index, const ffp_odd_row *row,
                         unsigned count)
{
	ffp_kv_key key = { .size = 0 };
	ffp_kv_append(&key, table, index, &row->row, 0, count);
	FF_CHECK(t, !key.too_long);
	return key;
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void keys_sort_as_rows_do(ff_test *t)
{
	const ff_table *table = odd_v1();
	for (unsigned n = 0; n < 3000; n++) {
		unsigned which = (unsigned)ff_test_random_below(t, table->indexes_count + 1u);
		const ff_index *index = which ? &table->indexes[which - 1] : NULL;
		ffp_odd_row rows[2] = { some_row(t, table), some_row(t, table) };
		unsigned count = (unsigned)ff_test_random_below(t, ff_order_count(table, index) + 1);
		ffp_kv_key a = key_of(t, table, index, &rows[0], count);
		ffp_kv_key b = key_of(t, table, index, &rows[1], count);
		FF_CHECK_EQ_INT(t, sign(ffp_kv_compare(ffp_kv_bytes_of(&a), ffp_kv_bytes_of(&b))),
		                sign(ff_row_compare(table, index, &rows[0].row, &rows[1].row, count)));
	}
}

/* Of the last column of an order: what its text takes at the end of a key. */
static unsigned last_text_size(const ff_table *table, const ff_index *index, const ffp_odd_row *row)
{
	unsigned last = ff_order_column(table, index, ff_order_count(table, index) - 1);
	const ff_column *column = &table->columns[last];
	return column->type == FF_TYPE_TEXT ? (unsigned)ff_row_text(&row->row, column)->size : 0;
}

static void keys_are_read_back(ff_test *t)
{
	const ff_table *table = odd_v1();
	for (unsigned n = 0; n < 1000; n++) {
		unsigned which = (unsigned)ff_test_random_below(t, table->indexes_count + 1u);
		const ff_index *index = which ? &table->indexes[which - 1] : NULL;
		ffp_odd_row row = some_row(t, table);
		ffp_odd_row got = { .row = { 0, 0 } };
		unsigned count = ff_order_count(table, index);
		ffp_kv_key key = key_of(t, table, index, &row, count);
		FF_CHECK(t, ffp_kv_read_key(table, index, ffp_kv_bytes_of(&key), &got.row));
		FF_CHECK_EQ_INT(t, got.row.state, FF_ROW_OK);
		FF_CHECK_EQ_INT(t, ff_row_compare(table, index, &row.row, &got.row, count), 0);
		/* A piece of it that ends before its last text is no key. */
		unsigned least = (unsigned)key.size - last_text_size(table, index, &row);
		ff_kv_bytes piece = { key.bytes, ff_test_random_below(t, least) };
		FF_CHECK(t, !ffp_kv_read_key(table, index, piece, &got.row));
		/* Nor is more than it, where that is no text. */
		key.bytes[key.size] = '\0';
		bool read = ffp_kv_read_key(table, index, (ff_kv_bytes){ key.bytes, key.size + 1 }, &got.row);
		FF_CHECK(t, !read || got.row.state == FF_ROW_CORRUPT);
	}
	ffp_odd_row got = { .row = { 0, 0 } };
	FF_CHECK(t, ffp_kv_read_key(table, NULL, (ff_kv_bytes){ "\xff\0\0\0\0\0\0\0\0\0c", 11 }, &got.row));
	FF_CHECK_EQ_INT(t, got.row.state, FF_ROW_CORRUPT); /* no UTF-8 */
}

static void what_lies_behind_a_prefix(ff_test *t)
{
	ffp_kv_key key = { .size = 3, .bytes = "a\xff\xff" };
	FF_CHECK(t, ffp_kv_after(&key));
	FF_CHECK(t, key.size == 1 && key.bytes[0] == 'b');
	key = (ffp_kv_key){ .size = 2, .bytes = "\xff\xff" };
	FF_CHECK(t, !ffp_kv_after(&key));
	key = (ffp_kv_key){ .size = 0 };
	FF_CHECK(t, !ffp_kv_after(&key));
	/* An int64 that ends in ff: the next one is what follows. */
	ffp_odd_row low = ffp_odd("a", 255, "c", 0);
	ffp_odd_row next = ffp_odd("a", 256, "", 0);
	key = key_of(t, odd_v1(), NULL, &low, 2);
	ffp_kv_key want = key_of(t, odd_v1(), NULL, &next, 2);
	FF_CHECK(t, ffp_kv_after(&key));
	FF_CHECK(t, ffp_kv_compare(ffp_kv_bytes_of(&key), ffp_kv_bytes_of(&want)) <= 0);
}

static void a_key_that_is_too_long(ff_test *t)
{
	char bytes[FF_KV_KEY_MAX + 1];
	memset(bytes, 'x', sizeof(bytes));
	ffp_odd_row row = ffp_odd("", 1, "c", 0);
	for (size_t size = FF_KV_KEY_MAX - 12; size <= FF_KV_KEY_MAX; size++) {
		ffp_kv_key key = { .size = 0 };
		row.a = (ff_text){ bytes, size };
		ffp_kv_append(&key, odd_v1(), NULL, &row.row, 0, FFP_ODD_KEY);
		FF_CHECK_EQ_INT(t, key.too_long, size + 1 + 8 + 1 > FF_KV_KEY_MAX);
		FF_CHECK(t, key.size <= FF_KV_KEY_MAX);
	}
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static size_t write_row(ff_test *t, const ff_table *table, const ffp_odd_row *row, unsigned char *value, size_t room)
{
	FF_REQUIRE(t, ffp_kv_value_room(table, &row->row) <= room);
	return ffp_kv_write_value(table, &row->row, value);
}

/* Reads a value beside the key of `key`. */
static ffp_odd_row read_row(const ff_table *table, const ffp_odd_row *key, const unsigned char *value, size_t size)
{
	ffp_odd_row row = { .a = key->a, .b = key->b, .c = key->c };
	ffp_kv_read_value(table, (ff_kv_bytes){ value, size }, &row.row);
	return row;
}

static void rows_come_back(ff_test *t)
{
	const ff_table *tables[] = { odd_v1(), &catalog_v2.tables[TABLE_ODD] };
	for (unsigned n = 0; n < 2000; n++) {
		unsigned char value[512];
		const ff_table *table = tables[n % 2];
		ffp_odd_row row = some_row(t, table);
		size_t size = write_row(t, table, &row, value, sizeof(value));
		ffp_odd_row got = read_row(table, &row, value, size);
		FF_CHECK(t, got.row.state == FF_ROW_OK && ffp_rows_equal(table, &row.row, &got.row));
	}
}

static void what_is_common_costs_nothing(ff_test *t)
{
	unsigned char value[512];
	ffp_odd_row row = ffp_odd("a", 1, "c", 0);
	row.w = ffp_text_of(FF_KV_COMMON_TEXT);
	row.row.nulls = 1u << FFP_ODD_N | 1u << FFP_ODD_T;
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 2);
	row.v = 127;
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 3);
	row.v = INT64_C(1700000000000); /* a time */
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 7);
	row.v = INT64_C(1) << 41; /* one too late */
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 8);
	row.v = (INT64_C(1) << 40) - 1; /* one too early */
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 8);
	row.v = -1;
	FF_CHECK_EQ_INT(t, write_row(t, odd_v1(), &row, value, sizeof(value)), 11);
}

/* Bytes are a row only where the row would be written as these bytes. */
static void check_strict(ff_test *t, const ff_table *table, const ffp_odd_row *key, const unsigned char *value,
                         size_t size)
{
	unsigned char again[1024];
	ffp_odd_row got = read_row(table, key, value, size);
	if (got.row.state == FF_ROW_CORRUPT)
		return;
	size_t same = write_row(t, table, &got, again, sizeof(again));
	FF_CHECK(t, same == size && memcmp(again, value, size) == 0);
}

static void spoiled_rows_are_seen(ff_test *t)
{
	const ff_table *table = odd_v1();
	unsigned corrupt = 0;
	for (unsigned n = 0; n < 400; n++) {
		unsigned char value[512];
		ffp_odd_row row = some_row(t, table);
		size_t size = write_row(t, table, &row, value, sizeof(value));
		for (size_t cut = 0; cut < size; cut++) {
			unsigned char *piece = malloc(cut + 1); /* so that a sanitizer sees a step too far */
			memcpy(piece, value, cut);
			corrupt += read_row(table, &row, cut ? piece : NULL, cut).row.state == FF_ROW_CORRUPT;
			FF_CHECK_EQ_INT(t, read_row(table, &row, piece, cut).row.state, FF_ROW_CORRUPT);
			free(piece);
		}
		value[size] = 0;
		FF_CHECK_EQ_INT(t, read_row(table, &row, value, size + 1).row.state, FF_ROW_CORRUPT);
		for (size_t i = 0; i < size * 8; i++) {
			value[i / 8] ^= (unsigned char)(1u << i % 8);
			check_strict(t, table, &row, value, size);
			value[i / 8] ^= (unsigned char)(1u << i % 8);
		}
	}
	FF_CHECK(t, corrupt > 1000);
}

static void random_bytes_are_read_safely(ff_test *t)
{
	ffp_odd_row key = ffp_odd("a", 1, "c", 0);
	for (unsigned n = 0; n < 20000; n++) {
		size_t size = ff_test_random_below(t, 40);
		unsigned char *value = malloc(size + 1);
		for (size_t i = 0; i < size; i++)
			value[i] = (unsigned char)ff_test_random(t);
		if (size && ff_test_random_below(t, 2))
			value[0] |= 0x40; /* as our rows begin */
		check_strict(t, odd_v1(), &key, value, size);
		free(value);
	}
	FF_CHECK(t, true);
}

static void rows_of_other_schemas(ff_test *t)
{
	unsigned char value[512];
	const ff_table *newer = &catalog_v2.tables[TABLE_ODD];
	for (unsigned n = 0; n < 200; n++) {
		ffp_odd_row row = some_row(t, odd_v1());
		size_t size = write_row(t, odd_v1(), &row, value, sizeof(value));
		ffp_odd_row got = read_row(newer, &row, value, size);
		FF_CHECK_EQ_INT(t, got.row.state, FF_ROW_OK);
		bool n_is_null = ff_row_is_null(&row.row, FFP_ODD_N);
		FF_CHECK_EQ_INT(t, ff_row_is_null(&got.row, 4), n_is_null);
		FF_CHECK(t, n_is_null || got.n == row.n);
		FF_CHECK(t, got.v == row.v && ff_text_compare(got.w, row.w) == 0);
		FF_CHECK(t, got.x == 0 && ff_row_is_null(&got.row, 6) && got.z.size == 0);
		/* A library of the first version never reads a row of the second. */
		ffp_odd_row late = some_row(t, newer);
		size = write_row(t, newer, &late, value, sizeof(value));
		FF_CHECK_EQ_INT(t, read_row(odd_v1(), &late, value, size).row.state, FF_ROW_CORRUPT);
	}
}

/* No schema has had some of the new columns only. */
static void rows_of_no_schema(ff_test *t)
{
	unsigned char value[512];
	const ff_table *newer = &catalog_v2.tables[TABLE_ODD];
	ff_column some[FF_COLUMNS_MAX];
	ff_table between = *newer;
	between.columns = some;
	between.columns_count = 0;
	for (unsigned i = 0; i < newer->columns_count; i++)
		if (newer->columns[i].offset != offsetof(ffp_odd_row, z))
			some[between.columns_count++] = newer->columns[i];
	ffp_odd_row row = some_row(t, &between);
	size_t size = write_row(t, &between, &row, value, sizeof(value));
	FF_CHECK_EQ_INT(t, read_row(&between, &row, value, size).row.state, FF_ROW_OK);
	FF_CHECK_EQ_INT(t, read_row(newer, &row, value, size).row.state, FF_ROW_CORRUPT);
}

/* ---- calls ---------------------------------------------------------------------------------------------------- */

/* Opens with calls that nobody may make, but for the one that is missing. */
static void refuse_calls(ff_test *t, size_t missing, uint32_t size, const char *named)
{
	const ff_store_config config = { .path = "x", .catalog = &catalog_v1 };
	ff_kv store;
	ff_kv_ops ops;
	memset(&ops, 1, sizeof(ops));
	memset((char *)&ops + missing, 0, sizeof(ops.begin));
	ops.size = size;
	FF_CHECK_CODE(t, ff_kv_open((ff_store *)(void *)&store, &ops, &config, ff_test_error(t)), FF_E_INVALID);
	if (!FF_CHECK(t, strstr(ff_test_error(t)->message, named) != NULL))
		ff_test_note(t, "'%s' is not named: %s", named, ff_test_error(t)->message);
}

static void calls_that_are_missing(ff_test *t)
{
	static const struct {
		const char *name;
		size_t offset;
	} calls[] = {
		{ "'begin'", offsetof(ff_kv_ops, begin) },
		{ "'commit'", offsetof(ff_kv_ops, commit) },
		{ "'abort'", offsetof(ff_kv_ops, abort) },
		{ "'get'", offsetof(ff_kv_ops, get) },
		{ "'put'", offsetof(ff_kv_ops, put) },
		{ "'remove'", offsetof(ff_kv_ops, remove) },
		{ "'open_cursor'", offsetof(ff_kv_ops, open_cursor) },
		{ "'close_cursor'", offsetof(ff_kv_ops, close_cursor) },
		{ "'seek'", offsetof(ff_kv_ops, seek) },
		{ "'step'", offsetof(ff_kv_ops, step) },
	};
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		refuse_calls(t, calls[i].offset, sizeof(ff_kv_ops), calls[i].name);
	refuse_calls(t, offsetof(ff_kv_ops, is_untouched), 0, "size");
}

/* ---- sharing -------------------------------------------------------------------------------------------------- */

static ff_kv_shared *shared;
static int closed;

static ff_code open_handle(const ff_store_config *config, void *context, void **handle, ff_error *error)
{
	(void)config;
	(void)error;
	*handle = context;
	return FF_OK;
}

static void close_handle(void *handle)
{
	++*(int *)handle;
}

static int give_back_a_copy(ff_test *t, int number)
{
	(void)number;
	FF_CHECK(t, ff_kv_is_copy(shared));
	ff_kv_unshare(shared);
	return closed;
}

static void a_copy_is_never_closed(ff_test *t)
{
	const ff_store_config config = { .path = directory(t) };
	closed = 0;
	FF_REQUIRE_OK(t, ff_kv_share(&config, open_handle, close_handle, &closed, &shared, ff_test_error(t)));
	FF_CHECK_EQ_INT(t, in_process(t, give_back_a_copy, 0), 0);
	ff_kv_unshare(shared);
	FF_CHECK_EQ_INT(t, closed, 1);
}

static const ff_case cases[] = {
	CASE(keys_sort_as_rows_do, "FF-LIM-2", 0),
	CASE(keys_are_read_back, "", 0),
	CASE(what_lies_behind_a_prefix, "", 0),
	CASE(a_key_that_is_too_long, "", 0),
	CASE(rows_come_back, "", 0),
	CASE(what_is_common_costs_nothing, "", 0),
	CASE(spoiled_rows_are_seen, "", 0),
	CASE(random_bytes_are_read_safely, "", 0),
	CASE(rows_of_other_schemas, "FF-MT-2", 0),
	CASE(rows_of_no_schema, "", 0),
	CASE(calls_that_are_missing, "", 0),
	CASE(a_copy_is_never_closed, "FF-ERR-6", 0),
};
extern const ffp_family cases_kv;
FAMILY(cases_kv, cases);
