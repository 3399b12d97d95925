/* Rows in and out: each kind of read and write, against a plain list of rows. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- a list of rows, the model ------------------------------------------------------------------------------- */

enum { MODEL_MAX = 1600 };

typedef struct model {
	odd_row rows[MODEL_MAX];
	size_t count;
} model;

/* Few values each, so that ties, equal bounds and empty ranges are common; in no order. */
static const char *const texts[] = {
	"", "a", "b", "aa", "ab", "a\x7f", "Z", "é", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "a b", "'", "\"", "%", "_", "z"
};
static const int64_t numbers[] = { INT64_MIN, -1, 0, 1, 2, 9, 10, INT64_MAX, (INT64_C(1) << 53) + 1 };

static ff_text random_text(void)
{
	return text_of(texts[random_below(sizeof(texts) / sizeof(*texts))]);
}

static int64_t random_number(void)
{
	return numbers[random_below(sizeof(numbers) / sizeof(*numbers))];
}

static void randomize_values(odd_row *row)
{
	row->row.nulls = 0;
	row->n = random_number();
	row->t = random_text();
	row->v = random_number();
	row->w = random_text();
	if (random_below(3) == 0)
		row->row.nulls |= 1u << ODD_N;
	if (random_below(3) == 0)
		row->row.nulls |= 1u << ODD_T;
}

static odd_row random_row(void)
{
	odd_row row = { .a = random_text(), .b = random_number(), .c = random_text() };
	randomize_values(&row);
	return row;
}

static int compare_values(const ff_column *column, const ff_row *a, const ff_row *b)
{
	if (column->type == FF_TYPE_INT64) {
		int64_t x = *ff_row_int64(a, column);
		int64_t y = *ff_row_int64(b, column);
		return x < y ? -1 : x > y;
	}
	ff_text x = *ff_row_text(a, column);
	ff_text y = *ff_row_text(b, column);
	size_t common = x.size < y.size ? x.size : y.size;
	int order = memcmp(x.data, y.data, common);
	return order ? order : x.size < y.size ? -1 : x.size > y.size;
}

/* Compares columns first … end of the read's order. */
static int compare_part(const ff_read *read, const ff_row *a, const ff_row *b, unsigned first, unsigned end)
{
	int order = 0;
	for (unsigned i = first; order == 0 && i < end; i++) {
		unsigned column = ff_order_column(read->table, read->index, i);
		order = compare_values(&read->table->columns[column], a, b);
	}
	return order;
}

static bool is_in_range(const ff_read *read, const ff_row *row)
{
	for (unsigned i = 0; read->index && i < read->index->columns_count; i++)
		if (ff_row_is_null(row, read->index->columns[i]))
			return false;
	if (read->equal_count && compare_part(read, row, read->low, 0, read->equal_count) != 0)
		return false;
	if (read->low_count > read->equal_count) {
		int order = compare_part(read, row, read->low, read->equal_count, read->low_count);
		if (order < 0 || (order == 0 && (read->flags & FF_READ_LOW_EXCLUSIVE)))
			return false;
	}
	if (read->high_count > read->equal_count) {
		int order = compare_part(read, row, read->high, read->equal_count, read->high_count);
		if (order > 0 || (order == 0 && (read->flags & FF_READ_HIGH_EXCLUSIVE)))
			return false;
	}
	return true;
}

static const ff_read *sorting;

static int compare_rows(const void *a, const void *b)
{
	unsigned count = ff_order_count(sorting->table, sorting->index);
	int order = compare_part(sorting, *(ff_row *const *)a, *(ff_row *const *)b, 0, count);
	return sorting->flags & FF_READ_DESCENDING ? -order : order;
}

/* What a range must answer: rows of the model, in order. */
static size_t expect(const model *of, const ff_read *read, const ff_row **expected)
{
	size_t count = 0;
	for (size_t i = 0; i < of->count; i++)
		if (is_in_range(read, &of->rows[i].row))
			expected[count++] = &of->rows[i].row;
	sorting = read;
	qsort(expected, count, sizeof(*expected), compare_rows);
	return count < read->limit ? count : read->limit;
}

static odd_row *find(model *in, const odd_row *key)
{
	const ff_read by_key = { .table = odd_v1() };
	for (size_t i = 0; i < in->count; i++)
		if (compare_part(&by_key, &in->rows[i].row, &key->row, 0, ODD_KEY) == 0)
			return &in->rows[i];
	return NULL;
}

static void fill(ff_store *store, model *with, size_t count)
{
	static ff_write writes[MODEL_MAX];
	size_t writes_count = 0;
	with->count = 0;
	while (with->count < count) {
		odd_row row = random_row();
		if (find(with, &row))
			continue;
		with->rows[with->count] = row;
		writes[writes_count++] =
		    (ff_write){ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &with->rows[with->count++].row };
	}
	REQUIRE_OK(write_once(store, writes, writes_count));
}

static void check_range(const model *of, const ff_read *read)
{
	static const ff_row *expected[MODEL_MAX];
	size_t count = expect(of, read, expected);
	bool same = count == read->rows_count;
	for (size_t i = 0; same && i < count; i++)
		same = rows_equal(read->table, expected[i], read->rows[i]);
	check(same, __FILE__, __LINE__, "index %s, equal %u, low %u, high %u, flags %u, limit %u: %zu rows for %zu",
	      read->index ? read->index->name : "(key)", read->equal_count, read->low_count, read->high_count,
	      (unsigned)read->flags, (unsigned)read->limit, read->rows_count, count);
}

/* ---- ranges -------------------------------------------------------------------------------------------------- */

static ff_read random_range(odd_row *low, odd_row *high)
{
	const ff_table *table = odd_v1();
	unsigned index = random_below(table->indexes_count + 1u);
	ff_read read = { .table = table, .kind = FF_READ_RANGE, .low = &low->row, .high = &high->row };
	read.index = index ? &table->indexes[index - 1] : NULL;
	unsigned count = ff_order_count(table, read.index);
	read.equal_count = (uint8_t)random_below(random_below(2) ? 2 : count + 1);
	read.low_count = (uint8_t)random_below(count + 1);
	read.high_count = (uint8_t)random_below(count + 1);
	read.flags = random_below(8);
	read.limit = random_below(3) ? 1000 : 1 + random_below(5);
	*low = random_row();
	*high = random_row();
	low->row.nulls = high->row.nulls = 0;
	if (read.low_count <= read.equal_count && read.equal_count == 0)
		read.low = NULL;
	if (read.high_count <= read.equal_count)
		read.high = NULL;
	return read;
}

static void ranges_equal_a_filter(void)
{
	static model rows;
	ff_store *store = must_open(path_of("a.db"));
	fill(store, &rows, 300);
	for (unsigned i = 0; i < 300; i++) {
		odd_row bounds[16][2];
		ff_read reads[16];
		for (unsigned j = 0; j < 16; j++)
			reads[j] = random_range(&bounds[j][0], &bounds[j][1]);
		REQUIRE_OK(read_once(store, i % 2 ? FF_TXN_READ : FF_TXN_WRITE, reads, 16));
		for (unsigned j = 0; j < 16; j++)
			check_range(&rows, &reads[j]);
	}
	close_store(store);
}

/* Every combination of counts and flags once, with bounds taken from a row that is there: edges and ties. */
static void ranges_of_every_shape(void)
{
	static model rows;
	const ff_table *table = odd_v1();
	ff_store *store = must_open(path_of("a.db"));
	fill(store, &rows, 60);
	for (unsigned index = 0; index <= table->indexes_count; index++) {
		ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = 7 };
		read.index = index ? &table->indexes[index - 1] : NULL;
		unsigned count = ff_order_count(table, read.index) + 1;
		for (unsigned shape = 0; shape < count * count * count * 8; shape++) {
			read.equal_count = (uint8_t)(shape / 8 % count);
			read.low_count = (uint8_t)(shape / 8 / count % count);
			read.high_count = (uint8_t)(shape / 8 / count / count);
			read.flags = shape % 8;
			odd_row low = rows.rows[random_below(60)];
			odd_row high = rows.rows[random_below(60)];
			low.row.nulls = high.row.nulls = 0;
			read.low = &low.row;
			read.high = &high.row;
			REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
			check_range(&rows, &read);
		}
	}
	close_store(store);
}

static void an_empty_store_answers_nothing(void)
{
	const ff_table *table = odd_v1();
	odd_row key = odd("a", 1, "c", 1);
	ff_read reads[] = {
		{ .table = table, .kind = FF_READ_GET, .low = &key.row },
		{ .table = table, .kind = FF_READ_RANGE, .limit = 5 },
		{ .table = table,
		  .kind = FF_READ_RANGE,
		  .index = &table->indexes[0],
		  .flags = FF_READ_DESCENDING,
		  .limit = 5 },
	};
	ff_store *store = must_open(path_of("a.db"));
	REQUIRE_OK(read_once(store, FF_TXN_READ, reads, 3));
	CHECK(reads[0].row == NULL);
	CHECK_INT((int64_t)reads[1].rows_count, 0);
	CHECK_INT((int64_t)reads[2].rows_count, 0);
	close_store(store);
}

static void texts_sort_by_bytes(void)
{
	ff_store *store = must_open(path_of("a.db"));
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		odd_row row = odd(texts[i], 0, "", 0);
		REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	}
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 100 };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	CHECK_INT((int64_t)read.rows_count, sizeof(texts) / sizeof(*texts));
	for (size_t i = 1; i < read.rows_count; i++)
		CHECK(ff_text_compare(((odd_row *)read.rows[i - 1])->a, ((odd_row *)read.rows[i])->a) < 0);
	close_store(store);
}

/* ---- writes -------------------------------------------------------------------------------------------------- */

/* One write to a random row: of a new one, of random columns of an old one, or its end. */
static bool random_write(model *rows, ff_write *write)
{
	odd_row *after = malloc(sizeof(*after));
	*after = random_row();
	odd_row *before = find(rows, after);
	*write = (ff_write){
		.table = odd_v1(), .kind = FF_WRITE_PUT, .before = before ? &before->row : NULL, .after = &after->row
	};
	if (before && random_below(4) == 0) {
		write->kind = FF_WRITE_DELETE;
	} else if (before) {
		odd_row changed = *before;
		odd_row fresh = *after;
		for (unsigned i = ODD_KEY; i < ODD_COLUMNS; i++)
			if (random_below(2) == 0)
				fresh.row.nulls = (fresh.row.nulls & ~(1u << i)) | (before->row.nulls & 1u << i);
		changed.row.nulls = fresh.row.nulls;
		changed.n = random_below(2) ? fresh.n : before->n;
		changed.t = random_below(2) ? fresh.t : before->t;
		changed.v = random_below(2) ? fresh.v : before->v;
		changed.w = random_below(2) ? fresh.w : before->w;
		*after = changed;
	}
	return before != NULL;
}

static void apply(model *rows, const ff_write *write)
{
	odd_row *before = find(rows, (const odd_row *)(const void *)(write->before ? write->before : write->after));
	if (write->kind == FF_WRITE_DELETE)
		*before = rows->rows[--rows->count];
	else if (before)
		*before = *(const odd_row *)(const void *)write->after;
	else
		rows->rows[rows->count++] = *(const odd_row *)(const void *)write->after;
}

static void writes_equal_a_list(void)
{
	static model rows;
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	rows.count = 0;
	unsigned updates = 0;
	for (unsigned i = 0; i < 1500; i++) {
		ff_write write;
		updates += random_write(&rows, &write);
		if (random_below(5) == 0) {
			ff_txn *txn;
			REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error));
			REQUIRE_OK(subject.backend->store(txn, &write, 1, &error));
			subject.backend->abort(txn);
		} else {
			REQUIRE_OK(write_once(store, &write, 1));
			apply(&rows, &write);
		}
		free((void *)(uintptr_t)write.after);
		if (i % 500 == 499) {
			close_store(store);
			store = must_open(path);
		}
	}
	CHECK(updates > 100);
	ff_read all = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 10000 };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &all, 1));
	check_range(&rows, &all);
	for (unsigned i = 0; i < odd_v1()->indexes_count; i++) {
		all.index = &odd_v1()->indexes[i];
		REQUIRE_OK(read_once(store, FF_TXN_READ, &all, 1));
		check_range(&rows, &all);
	}
	close_store(store);
	CHECK_TEXT(check_store(path).lines, "");
}

static void an_abort_undoes_everything(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 5);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	ff_txn *txn;
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error));
	REQUIRE_OK(subject.backend->store(txn, &put, 1, &error));
	subject.backend->abort(txn);
	CHECK(get_row(store, odd_v1(), &row.row) == NULL);
	REQUIRE_OK(write_once(store, &put, 1));
	CHECK(get_row(store, odd_v1(), &row.row) != NULL);
	close_store(store);
}

static void nothing_to_load_or_store(void)
{
	ff_store *store = must_open(path_of("a.db"));
	REQUIRE_OK(read_once(store, FF_TXN_READ, NULL, 0));
	REQUIRE_OK(write_once(store, NULL, 0));
	ff_txn *txn;
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &txn, &error));
	CHECK_CODE(subject.backend->commit(txn, &error), FF_OK);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
	close_store(store);
}

static void delete_range_takes_its_range_only(void)
{
	static model rows;
	const char *path = path_of("a.db");
	ff_store *store = must_open(path);
	for (unsigned i = 0; i < 40; i++) {
		fill(store, &rows, 50);
		odd_row bounds[2];
		ff_read range;
		do
			range = random_range(&bounds[0], &bounds[1]);
		while (range.index);
		range.limit = 1; /* is not looked at */
		ff_write write = { .table = odd_v1(), .kind = FF_WRITE_DELETE_RANGE, .range = &range };
		REQUIRE_OK(write_once(store, &write, 1));
		for (size_t j = 0; j < rows.count;) {
			if (is_in_range(&range, &rows.rows[j].row))
				rows.rows[j] = rows.rows[--rows.count];
			else
				j++;
		}
		ff_read all = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 10000 };
		REQUIRE_OK(read_once(store, FF_TXN_READ, &all, 1));
		check_range(&rows, &all);
		ff_read everything = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 1 };
		write.range = &everything;
		REQUIRE_OK(write_once(store, &write, 1));
		CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
	}
	close_store(store);
}

/* ---- conflicts ----------------------------------------------------------------------------------------------- */

static void a_likely_absent_row_that_is_there_is_a_conflict(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 5);
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	odd_row other = odd("b", 1, "c", 5);
	ff_write writes[] = {
		{ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row },
		{ .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &other.row },
	};
	ff_read read = { .table = odd_v1(), .kind = FF_READ_GET, .flags = FF_READ_LIKELY_ABSENT, .low = &row.row };
	ff_txn *txn;
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error));
	REQUIRE_OK(subject.backend->load(txn, arena(), &read, 1, &error));
	CHECK(read.row == NULL);
	CHECK_CODE(subject.backend->store(txn, writes, 2, &error), FF_E_CONFLICT);
	CHECK(error.retryable);
	subject.backend->abort(txn);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 1);
	/* No write follows in a read transaction, so there it must look. */
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	CHECK(read.row != NULL);
	close_store(store);
}

static void a_row_that_is_gone_is_a_conflict(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 5);
	odd_row after = row;
	after.v = 6;
	CHECK_CODE(put_row(store, odd_v1(), &row.row, &after.row), FF_E_CONFLICT);
	ff_write gone = { .table = odd_v1(), .kind = FF_WRITE_DELETE, .before = &row.row };
	CHECK_CODE(write_once(store, &gone, 1), FF_E_CONFLICT);
	CHECK_INT((int64_t)count_rows(store, odd_v1()), 0);
	close_store(store);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static void largest_keys_and_values(void)
{
	enum { BIG = 3 << 20 };
	ff_store *store = must_open(path_of("a.db"));
	char *bytes = malloc(BIG);
	REQUIRE(bytes != NULL);
	for (size_t i = 0; i < BIG; i++)
		bytes[i] = (char)('a' + i % 26);
	odd_row row = odd("", INT64_MIN, "", INT64_MAX);
	row.a = (ff_text){ bytes, subject.key_text_max };
	row.c = (ff_text){ bytes + 1, subject.key_text_max };
	row.w = (ff_text){ bytes, BIG };
	row.t = (ff_text){ NULL, 0 };
	REQUIRE_OK(put_row(store, odd_v1(), NULL, &row.row));
	ff_row *got = get_row(store, odd_v1(), &row.row);
	REQUIRE(got != NULL);
	row.t.data = "";
	CHECK(rows_equal(odd_v1(), got, &row.row));
	CHECK_INT((int64_t)ff_row_text(got, &odd_v1()->columns[ODD_W])->size, BIG);
	free(bytes);
	close_store(store);
}

/* ---- transactions -------------------------------------------------------------------------------------------- */

static size_t count_in(ff_txn *txn)
{
	ff_read read = { .table = odd_v1(), .kind = FF_READ_RANGE, .limit = 100 };
	REQUIRE_OK(subject.backend->load(txn, arena(), &read, 1, &error));
	return read.rows_count;
}

static void two_snapshots_across_a_commit(void)
{
	ff_store *store = must_open(path_of("a.db"));
	odd_row row = odd("a", 1, "c", 5);
	ff_write put = { .table = odd_v1(), .kind = FF_WRITE_PUT, .after = &row.row };
	ff_txn *early, *late, *writer;
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &early, &error));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &writer, &error));
	REQUIRE_OK(subject.backend->store(writer, &put, 1, &error));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &late, &error));
	REQUIRE_OK(subject.backend->commit(writer, &error));
	/* Neither had read anything before the commit: the snapshot is that of begin. */
	CHECK_INT((int64_t)count_in(early), 0);
	CHECK_INT((int64_t)count_in(late), 0);
	subject.backend->abort(early);
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &early, &error));
	CHECK_INT((int64_t)count_in(early), 1);
	CHECK_INT((int64_t)count_in(late), 0);
	subject.backend->abort(late);
	subject.backend->abort(early);
	close_store(store);
}

static void transactions_that_cannot_begin(void)
{
	static const char *const params[] = { "busy_timeout_ms", "1", NULL };
	ff_txn *txn, *second;
	ff_store *store = must_open(path_of("a.db"));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error));
	CHECK_CODE(subject.backend->begin(store, FF_TXN_WRITE, &second, &error), FF_E_MISUSE);
	subject.backend->abort(txn);
	close_store(store);
	REQUIRE_OK(open_store(path_of("a.db"), &catalog_v1, FF_STORE_READ_ONLY, NULL, &store));
	CHECK_CODE(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error), FF_E_MISUSE);
	close_store(store);
	if (!subject.memory)
		return;
	REQUIRE_OK(open_store(subject.memory, &catalog_v1, 0, params, &store));
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_READ, &txn, &error));
	CHECK_CODE(subject.backend->begin(store, FF_TXN_WRITE, &second, &error), FF_E_BUSY);
	CHECK(error.retryable);
	subject.backend->abort(txn);
	REQUIRE_OK(subject.backend->begin(store, FF_TXN_WRITE, &txn, &error));
	subject.backend->abort(txn);
	close_store(store);
}

static const test_case cases[] = {
	CASE(ranges_equal_a_filter, "FF-LIM-2"),
	CASE(ranges_of_every_shape, "FF-LIM-2"),
	CASE(an_empty_store_answers_nothing, ""),
	CASE(texts_sort_by_bytes, "FF-LIM-2"),
	CASE(writes_equal_a_list, "FF-RU-12"),
	CASE(an_abort_undoes_everything, "FF-ERR-2"),
	CASE(nothing_to_load_or_store, ""),
	CASE(delete_range_takes_its_range_only, ""),
	CASE(a_likely_absent_row_that_is_there_is_a_conflict, ""),
	CASE(a_row_that_is_gone_is_a_conflict, ""),
	CASE(largest_keys_and_values, ""),
	CASE(two_snapshots_across_a_commit, "FF-GS-3"),
	CASE(transactions_that_cannot_begin, ""),
};
FAMILY(cases_rows, cases);
