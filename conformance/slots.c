/* Awkward tables, rows, transactions and callers that add, for the cases that drive a backend by its own slots. */
#include <sched.h>

#include "slots.h"

/* ---- tables ------------------------------------------------------------------------------------------------- */

#define COLUMN(name_, field, type_, nullable_, since_)                                              \
	{                                                                                           \
		.name = (name_), .offset = (uint16_t)offsetof(ffp_odd_row, field), .type = (type_), \
		.nullable = (nullable_), .since = (since_)                                          \
	}
#define INT(name, field, nullable, since) COLUMN(name, field, FF_TYPE_INT64, nullable, since)
#define TEXT(name, field, nullable, since) COLUMN(name, field, FF_TYPE_TEXT, nullable, since)

/* Names that a query language may have taken. */
static const ff_column columns_1[] = {
	TEXT("a", a, 0, 1), INT("order", b, 0, 1), TEXT("key", c, 0, 1),    INT("n", n, 1, 1),
	TEXT("t", t, 1, 1), INT("v", v, 0, 1),     TEXT("select", w, 0, 1),
};

/* The new columns lie between the old ones. */
static const ff_column columns_2[] = {
	TEXT("a", a, 0, 1), INT("order", b, 0, 1), TEXT("key", c, 0, 1), INT("x", x, 0, 2),  INT("n", n, 1, 1),
	TEXT("t", t, 1, 1), TEXT("y", y, 1, 2),    INT("v", v, 0, 1),    TEXT("z", z, 0, 2), TEXT("select", w, 0, 1),
};

static const ff_column columns_3[] = {
	TEXT("a", a, 0, 1), INT("order", b, 0, 1), TEXT("key", c, 0, 1),    INT("late", late, 1, 3),
	INT("x", x, 0, 2),  INT("n", n, 1, 1),     TEXT("t", t, 1, 1),      TEXT("y", y, 1, 2),
	INT("v", v, 0, 1),  TEXT("z", z, 0, 2),    TEXT("select", w, 0, 1),
};

#define INDEX(name_, since_, count, ...)                                                                 \
	{                                                                                                \
		.name = (name_), .columns = { __VA_ARGS__ }, .columns_count = (count), .since = (since_) \
	}

static const ff_index indexes_1[] = {
	INDEX("odd_by_n", 1, 1, 3),
	INDEX("odd_by_v", 1, 1, 5),
	INDEX("odd_by_a_t", 1, 2, 0, 4),
	INDEX("odd_by_many", 1, 4, 5, 3, 2, 4),
};

static const ff_index indexes_2[] = {
	INDEX("odd_by_n", 1, 1, 4),      INDEX("odd_by_v", 1, 1, 7),
	INDEX("odd_by_a_t", 1, 2, 0, 5), INDEX("odd_by_many", 1, 4, 7, 4, 2, 5),
	INDEX("odd_by_y_x", 2, 2, 6, 3),
};

static const ff_index indexes_3[] = {
	INDEX("odd_by_n", 1, 1, 5),      INDEX("odd_by_v", 1, 1, 8),
	INDEX("odd_by_a_t", 1, 2, 0, 6), INDEX("odd_by_many", 1, 4, 8, 5, 2, 6),
	INDEX("odd_by_y_x", 2, 2, 7, 4), INDEX("odd_by_x", 3, 1, 4),
};

static const ff_column plain_columns[] = {
	{ .name = "id", .offset = offsetof(ffp_plain_row, id), .type = FF_TYPE_INT64, .since = 1 },
	{ .name = "name", .offset = offsetof(ffp_plain_row, name), .type = FF_TYPE_TEXT, .since = 1 },
};

static const ff_column late_columns[] = {
	{ .name = "id", .offset = offsetof(ffp_plain_row, id), .type = FF_TYPE_INT64, .since = 2 },
	{ .name = "name", .offset = offsetof(ffp_plain_row, name), .type = FF_TYPE_TEXT, .since = 2 },
};

#define ODD(columns_, indexes_)                                                                              \
	{                                                                                                    \
		.name = "odd", .columns = (columns_), .indexes = (indexes_), .id = FFP_TABLE_ODD,            \
		.row_size = sizeof(ffp_odd_row), .columns_count = COUNT(columns_), .key_count = FFP_ODD_KEY, \
		.indexes_count = COUNT(indexes_), .since = 1                                                 \
	}
#define PLAIN(name_, columns_, id_, since_)                                                             \
	{                                                                                               \
		.name = (name_), .columns = (columns_), .row_size = sizeof(ffp_plain_row), .id = (id_), \
		.columns_count = COUNT(columns_), .key_count = 2, .since = (since_)                     \
	}

static const ff_table tables_1[] = {
	ODD(columns_1, indexes_1),
	PLAIN("plain", plain_columns, FFP_TABLE_PLAIN, 1),
};
static const ff_table tables_2[] = {
	ODD(columns_2, indexes_2),
	PLAIN("plain", plain_columns, FFP_TABLE_PLAIN, 1),
	PLAIN("late", late_columns, FFP_TABLE_LATE, 2),
};
static const ff_table tables_3[] = {
	ODD(columns_3, indexes_3),
	PLAIN("plain", plain_columns, FFP_TABLE_PLAIN, 1),
	PLAIN("late", late_columns, FFP_TABLE_LATE, 2),
};

const ff_catalog ffp_odd_catalog_1 = { .tables = tables_1, .tables_count = COUNT(tables_1), .version = 1 };
const ff_catalog ffp_odd_catalog_2 = { .tables = tables_2, .tables_count = COUNT(tables_2), .version = 2 };
const ff_catalog ffp_odd_catalog_3 = { .tables = tables_3, .tables_count = COUNT(tables_3), .version = 3 };

/* ---- rows --------------------------------------------------------------------------------------------------- */

ffp_odd_row ffp_odd(const char *a, int64_t b, const char *c, int64_t v)
{
	return (ffp_odd_row){ .a = ffp_text_of(a),
		              .b = b,
		              .c = ffp_text_of(c),
		              .n = v,
		              .t = ffp_text_of("t"),
		              .v = v,
		              .w = ffp_text_of("w") };
}

ff_text ffp_text_of_size(ff_test *test, size_t size)
{
	char *bytes = ff_test_alloc(test, size + 1);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('!' + (i + i / 94) % 94);
	return (ff_text){ bytes, size };
}

static bool cells_equal(const ff_column *column, const ff_row *a, const ff_row *b)
{
	if (column->type == FF_TYPE_INT64)
		return *ff_row_int64(a, column) == *ff_row_int64(b, column);
	ff_text x = *ff_row_text(a, column), y = *ff_row_text(b, column);
	return x.size == y.size && (!x.size || (x.data && !memcmp(x.data, y.data, x.size)));
}

bool ffp_rows_equal(const ff_table *table, const ff_row *a, const ff_row *b)
{
	bool equal = a->state == b->state;
	for (unsigned i = 0; equal && i < table->columns_count; i++) {
		bool null = ff_row_is_null(a, i);
		equal = null == ff_row_is_null(b, i) && (null || cells_equal(&table->columns[i], a, b));
	}
	return equal;
}

static const char *show_cell(ff_test *test, const ff_column *column, const ff_row *row)
{
	if (column->type == FF_TYPE_INT64)
		return ff_test_text(test, "%" PRId64, *ff_row_int64(row, column));
	ff_text text = *ff_row_text(row, column);
	int shown = text.size < 40 && text.data ? (int)text.size : 0;
	return ff_test_text(test, "'%.*s'(%zu)", shown, shown ? text.data : "", text.size);
}

const char *ffp_show_row(ff_test *test, const ff_table *table, const ff_row *row)
{
	if (!row)
		return "(none)";
	const char *shown = row->state == FF_ROW_OK ? "" : "corrupt";
	for (unsigned i = 0; i < table->columns_count; i++) {
		const char *cell = ff_row_is_null(row, i) ? "NULL" : show_cell(test, &table->columns[i], row);
		shown = ff_test_text(test, "%s %s=%s", shown, table->columns[i].name, cell);
	}
	return shown;
}

bool ffp_check_row(ff_test *test, const ff_table *table, const ff_row *got, const ff_row *want, const char *file,
                   int line)
{
	bool held = got && ffp_rows_equal(table, got, want);
	if (!ff_test_check(test, held, file, line, "the row is as it was written")) {
		ff_test_note(test, "got:  %s", ffp_show_row(test, table, got));
		ff_test_note(test, "want: %s", ffp_show_row(test, table, want));
	}
	return held;
}

/* ---- transactions ------------------------------------------------------------------------------------------- */

ffp_raw *ffp_odd_open(ff_test *test)
{
	ffp_raw *raw = NULL;
	FF_REQUIRE_OK(test, ffp_raw_open(test, &ffp_odd_catalog_1, 0, &raw));
	return raw;
}

static void abort_if_open(void *object)
{
	ffp_slots_txn *txn = object;
	if (txn->txn)
		txn->raw->backend->abort(txn->txn);
}

ff_code ffp_slots_try_begin(ff_test *test, ffp_raw *raw, ff_txn_kind kind, ff_txn **txn)
{
	ff_code code = raw->backend->begin(raw->store, kind, txn, ffp_raw_error(test));
	ffp_raw_check_told(test, code);
	return code;
}

ffp_slots_txn *ffp_slots_begin(ff_test *test, ffp_raw *raw, ff_txn_kind kind)
{
	ffp_slots_txn *txn = ff_test_alloc(test, sizeof(*txn));
	txn->raw = raw;
	FF_REQUIRE_OK(test, ffp_slots_try_begin(test, raw, kind, &txn->txn));
	FF_REQUIRE(test, txn->txn != NULL);
	ff_test_defer(test, abort_if_open, txn);
	return txn;
}

/* A load fills in the answer, and leaves the question as it was. */
static bool is_asked(const ff_read *read, const ff_read *asked)
{
	return read->table == asked->table && read->index == asked->index && read->kind == asked->kind &&
	       read->equal_count == asked->equal_count && read->low_count == asked->low_count &&
	       read->high_count == asked->high_count && read->flags == asked->flags && read->limit == asked->limit &&
	       read->low == asked->low && read->high == asked->high;
}

/* What is asked and what is answered fit together. */
static void check_answers(ff_test *test, const ff_read *asked, const ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const ff_read *read = &reads[i];
		FF_REQUIRE(test, is_asked(read, &asked[i]));
		if (read->kind != FF_READ_RANGE)
			continue;
		FF_REQUIRE(test, read->rows_count <= read->limit);
		FF_REQUIRE(test, !read->rows_count || read->rows);
		for (size_t j = 0; j < read->rows_count; j++)
			FF_REQUIRE(test, read->rows[j] != NULL);
	}
}

ff_code ffp_slots_try_load(ff_test *test, ffp_slots_txn *txn, ff_read *reads, size_t count)
{
	ff_code code = txn->raw->backend->load(txn->txn, ffp_raw_arena(test), reads, count, ffp_raw_error(test));
	ffp_raw_check_told(test, code);
	return code;
}

void ffp_slots_load(ff_test *test, ffp_slots_txn *txn, ff_read *reads, size_t count)
{
	ff_read *asked = ff_test_alloc(test, count * sizeof(*asked));
	if (count)
		memcpy(asked, reads, count * sizeof(*asked));
	FF_REQUIRE_OK(test, ffp_slots_try_load(test, txn, reads, count));
	check_answers(test, asked, reads, count);
}

ff_code ffp_slots_store(ff_test *test, ffp_slots_txn *txn, const ff_write *writes, size_t count)
{
	ff_code code = txn->raw->backend->store(txn->txn, writes, count, ffp_raw_error(test));
	ffp_raw_check_told(test, code);
	return code;
}

ff_code ffp_slots_commit(ff_test *test, ffp_slots_txn *txn)
{
	ff_code code = txn->raw->backend->commit(txn->txn, ffp_raw_error(test));
	txn->txn = NULL;
	ffp_raw_check_told(test, code);
	return code;
}

void ffp_slots_abort(ff_test *test, ffp_slots_txn *txn)
{
	ff_test_undo(test, txn);
}

ff_code ffp_slots_end_write(const ffp_raw *raw, ff_txn *txn, ff_code stored, ff_error *error)
{
	if (!stored)
		return raw->backend->commit(txn, error);
	raw->backend->abort(txn);
	return stored;
}

bool ffp_is_contention(ff_code code)
{
	return code == FF_E_BUSY || code == FF_E_CONFLICT;
}

ff_row *ffp_slots_load_row(ff_test *test, ffp_slots_txn *txn, const ff_table *table, const ff_row *key)
{
	ff_read read = { .table = table, .kind = FF_READ_GET, .low = key };
	ffp_slots_load(test, txn, &read, 1);
	return read.row;
}

/* As the engine does it: the row is loaded, then stored. */
static void write_row(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *key, const ff_row *after)
{
	ffp_slots_txn *txn = ffp_slots_begin(test, raw, FF_TXN_WRITE);
	ff_write write = { .table = table,
		           .kind = after ? FF_WRITE_PUT : FF_WRITE_DELETE,
		           .before = ffp_slots_load_row(test, txn, table, key),
		           .after = after };
	FF_REQUIRE(test, after || write.before);
	FF_REQUIRE_OK(test, ffp_slots_store(test, txn, &write, 1));
	FF_REQUIRE_OK(test, ffp_slots_commit(test, txn));
}

void ffp_slots_put(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *after)
{
	write_row(test, raw, table, after, after);
}

void ffp_slots_delete(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *key)
{
	write_row(test, raw, table, key, NULL);
}

void ffp_slots_read(ff_test *test, ffp_raw *raw, ff_read *reads, size_t count)
{
	ffp_slots_txn *txn = ffp_slots_begin(test, raw, FF_TXN_READ);
	ffp_slots_load(test, txn, reads, count);
	ffp_slots_abort(test, txn);
}

ff_row *ffp_slots_get(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_row *key)
{
	ff_read read = { .table = table, .kind = FF_READ_GET, .low = key };
	ffp_slots_read(test, raw, &read, 1);
	return read.row;
}

ff_read ffp_slots_all(ff_test *test, ffp_raw *raw, const ff_table *table, const ff_index *index)
{
	ff_read all = { .table = table, .index = index, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	ffp_slots_read(test, raw, &all, 1);
	return all;
}

/* ---- indexes ------------------------------------------------------------------------------------------------ */

static bool is_indexed(const ff_index *index, const ff_row *row)
{
	for (unsigned i = 0; i < index->columns_count; i++) {
		if (ff_row_is_null(row, index->columns[i]))
			return false;
	}
	return true;
}

/* The rows come in the order of their keys, or else what is looked for is not found. */
static const ff_row *find_row(const ff_table *table, const ff_read *in, const ff_row *key)
{
	size_t low = 0, high = in->rows_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = ff_row_compare(table, NULL, in->rows[middle], key, table->key_count);
		if (!order)
			return in->rows[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void check_index(ff_test *test, const ff_table *table, const ff_read *rows, const ff_read *entries)
{
	size_t expected = 0;
	for (size_t i = 0; i < rows->rows_count; i++)
		expected += is_indexed(entries->index, rows->rows[i]);
	bool held = entries->rows_count == expected;
	for (size_t i = 0; held && i < entries->rows_count; i++) {
		const ff_row *row = find_row(table, rows, entries->rows[i]);
		held = row && ffp_rows_equal(table, row, entries->rows[i]);
		if (held && i)
			held = ff_row_compare(table, entries->index, entries->rows[i - 1], entries->rows[i],
			                      ff_order_count(table, entries->index)) < 0;
	}
	if (!FF_CHECK(test, held))
		ff_test_note(test, "index '%s' has %zu entries for %zu rows", entries->index->name, entries->rows_count,
		             expected);
}

static void note_problem(void *context, const char *problem)
{
	ff_test *test = context;
	FF_CHECK(test, false);
	ff_test_note(test, "check: %s", problem);
}

void ffp_slots_check_indexes(ff_test *test, ffp_raw *raw, const ff_table *table)
{
	ff_read reads[1 + FF_INDEXES_MAX];
	for (unsigned i = 0; i <= table->indexes_count; i++)
		reads[i] = (ff_read){ .table = table,
			              .index = i ? &table->indexes[i - 1] : NULL,
			              .kind = FF_READ_RANGE,
			              .limit = UINT32_MAX };
	ffp_slots_read(test, raw, reads, 1u + table->indexes_count);
	for (unsigned i = 1; i <= table->indexes_count; i++)
		check_index(test, table, &reads[0], &reads[i]);
	if (raw->backend->check)
		FF_CHECK_CODE(test, raw->backend->check(raw->store, note_problem, test, ff_test_error(test)), FF_OK);
}

/* ---- rows that are counted ---------------------------------------------------------------------------------- */

void ffp_odd_put_numbered(ff_test *test, ffp_raw *raw, int64_t number)
{
	ffp_odd_row row = ffp_odd("n", number, "c", number);
	ffp_slots_put(test, raw, ffp_odd_table(), &row.row);
}

size_t ffp_odd_count_in(ff_test *test, ffp_slots_txn *txn)
{
	ff_read all = { .table = ffp_odd_table(), .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	ffp_slots_load(test, txn, &all, 1);
	return all.rows_count;
}

size_t ffp_odd_count(ff_test *test, ffp_raw *raw)
{
	return ffp_slots_all(test, raw, ffp_odd_table(), NULL).rows_count;
}

/* ---- threads and processes that add ------------------------------------------------------------------------- */

static void *grow_no_further(ff_arena *arena, size_t size)
{
	(void)arena;
	(void)size;
	return NULL;
}

ff_arena *ffp_own_arena_clear(ffp_own_arena *own)
{
	own->arena = (ff_arena){ (char *)own->room, (char *)own->room + sizeof(own->room), grow_no_further };
	return &own->arena;
}

static const char *const names[FFP_ADDERS] = { "p", "q", "r", "s", "t", "u", "v", "w" };

/* Adds 1 to a row that all share, by what it loaded, and a row of its own. */
static ff_code add_one(const ffp_raw *raw, const char *name, int64_t turn, ff_error *error)
{
	ffp_own_arena own;
	ffp_odd_row sum = ffp_odd("all", 0, "c", 1), mine = ffp_odd(name, turn, "c", turn);
	ff_read read = { .table = ffp_odd_table(), .kind = FF_READ_GET, .low = &sum.row };
	ff_txn *txn = NULL;
	ff_code code = raw->backend->begin(raw->store, FF_TXN_WRITE, &txn, error);
	if (code)
		return code;
	code = raw->backend->load(txn, ffp_own_arena_clear(&own), &read, 1, error);
	if (!code && read.row)
		sum.v = sum.n = ffp_odd_of(read.row)->v + 1;
	sched_yield();
	const ff_write writes[] = {
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .before = read.row, .after = &sum.row },
		{ .table = ffp_odd_table(), .kind = FF_WRITE_PUT, .after = &mine.row },
	};
	if (!code)
		code = raw->backend->store(txn, writes, 2, error);
	return ffp_slots_end_write(raw, txn, code, error);
}

ff_code ffp_odd_add_many(const ffp_raw *raw, unsigned adder)
{
	ff_error error;
	ff_code code = FF_OK;
	for (int64_t i = 0; !code && i < FFP_ADDS; i++) {
		unsigned tries = 0;
		do
			code = add_one(raw, names[adder], i, &error);
		while (ffp_is_contention(code) && ++tries < 1000);
	}
	return code;
}

void ffp_odd_check_sum(ff_test *test, ffp_raw *raw)
{
	ffp_odd_row key = ffp_odd("all", 0, "c", 0);
	const ff_row *sum = ffp_slots_get(test, raw, ffp_odd_table(), &key.row);
	FF_REQUIRE(test, sum != NULL);
	FF_CHECK_EQ_INT(test, ffp_odd_of(sum)->v, FFP_ADDERS * FFP_ADDS);
	FF_CHECK_EQ_INT(test, ffp_odd_count(test, raw), FFP_ADDERS * FFP_ADDS + 1);
	ffp_slots_check_indexes(test, raw, ffp_odd_table());
}
