/* The rows that a batch works on, and the orders that they come in. */
#include "rows.h"

#include "arena.h"
#include "order.h"
#include "tests.h"
#include "text.h"

/* ---- orders ------------------------------------------------------------------------------------------------- */

static const char *show_order(ff_test *t, const ff_table *table, const ff_index *index)
{
	const char *text = "";
	for (unsigned i = 0; i < ff_order_count(table, index); i++)
		text = ff_test_text(t, "%s%u ", text, ff_order_column(table, index, i));
	return text;
}

static void order_columns(ff_test *t)
{
	const ff_table *budgets = ffp_table(FFP_BUDGET_POLICY);
	const ff_table *slots = ffp_table(FFP_QUOTA_ADMITTED);
	FF_CHECK_STR(t, show_order(t, ffp_table(FFP_BUDGET_USAGE_BY_EXEC), NULL), "0 1 2 ");
	FF_CHECK_STR(t, show_order(t, budgets, &budgets->indexes[FFP_BUDGET_BY_NEXT_RESET]), "9 0 ");
	FF_CHECK_STR(t, show_order(t, slots, &slots->indexes[FFP_SLOT_BY_LEASE]), "0 4 1 ");
	static const struct {
		ff_index index;
		const char *order;
	} cases[] = {
		{ { .columns = { 3 }, .columns_count = 1 }, "3 0 1 2 " },
		{ { .columns = { 5, 3 }, .columns_count = 2 }, "5 3 0 1 2 " },
		{ { .columns = { 2 }, .columns_count = 1 }, "2 0 1 " },
		{ { .columns = { 1, 4 }, .columns_count = 2 }, "1 4 0 2 " },
		{ { .columns = { 2, 1, 0 }, .columns_count = 3 }, "2 1 0 " },
		{ { .columns = { 3, 4, 1 }, .columns_count = 1 }, "3 0 1 2 " }, /* what lies behind the last is none */
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		FF_CHECK_STR(t, show_order(t, ffp_table(FFP_BUDGET_USAGE_BY_EXEC), &cases[i].index), cases[i].order);
}

static int compare(const ffp_table_id table, const void *a, const void *b, unsigned count)
{
	return ff_row_compare(ffp_table(table), NULL, a, b, count);
}

static void order_compares(ff_test *t)
{
	const ffp_entry_row a = { .quota_policy_id = BYTES("q"), .entry = 9 };
	const ffp_entry_row b = { .quota_policy_id = BYTES("q"), .entry = 10 };
	const ffp_entry_row c = { .quota_policy_id = BYTES("q\x01"), .entry = -1 };
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &a, &b, 2) < 0);
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &b, &a, 2) > 0);
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &a, &b, 1) == 0);
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &a, &c, 2) < 0); /* a text ends before it goes on, whatever follows */
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &a, &c, 0) == 0);
	const ffp_entry_row low = { .quota_policy_id = BYTES("q"), .entry = INT64_MIN };
	const ffp_entry_row high = { .quota_policy_id = BYTES("q"), .entry = INT64_MAX };
	FF_CHECK(t, compare(FFP_QUOTA_WINDOW, &low, &high, 2) < 0);
	const ff_table *budgets = ffp_table(FFP_BUDGET_POLICY);
	const ff_index *by_reset = &budgets->indexes[FFP_BUDGET_BY_NEXT_RESET];
	const ffp_budget_row early = { .budget_id = BYTES("z"), .next_reset_at_ms = 1 };
	const ffp_budget_row late = { .budget_id = BYTES("a"), .next_reset_at_ms = 2 };
	FF_CHECK(t, ff_row_compare(budgets, by_reset, &early.row, &late.row, 2) < 0);
	FF_CHECK(t, ff_row_compare(budgets, NULL, &early.row, &late.row, 1) > 0);
}

static bool holds(const ff_index *index, unsigned equal, unsigned low, unsigned high, uint32_t flags,
                  const ffp_slot_row *row)
{
	static const ffp_slot_row below = { .quota_policy_id = BYTES("q"),
		                            .execution_id = BYTES("c"),
		                            .lease_until_ms = 5 };
	/* What is equal is named by the low bound alone. */
	static const ffp_slot_row above = { .quota_policy_id = BYTES("x"),
		                            .execution_id = BYTES("e"),
		                            .lease_until_ms = 7 };
	const ff_read range = { .table = ffp_table(FFP_QUOTA_ADMITTED),
		                .index = index,
		                .kind = FF_READ_RANGE,
		                .equal_count = (uint8_t)equal,
		                .low_count = (uint8_t)low,
		                .high_count = (uint8_t)high,
		                .flags = flags,
		                .low = &below.row,
		                .high = &above.row };
	return ffp_range_holds(&range, &row->row);
}

/* What a range has: of rows ("q", a letter) by their key, or ("q", a number, a letter) by their lease. */
static void ranges_hold(ff_test *t)
{
	enum { LOW_OUT = FF_READ_LOW_EXCLUSIVE, HIGH_OUT = FF_READ_HIGH_EXCLUSIVE };
	static const struct {
		unsigned equal, low, high, flags;
		const char *held; /* of the letters b to f */
	} cases[] = {
		{ 0, 0, 0, 0, "bcdef" },  { 1, 0, 0, 0, "bcdef" },
		{ 1, 2, 0, 0, "cdef" },   { 1, 2, 0, LOW_OUT, "def" },
		{ 1, 0, 2, 0, "bcde" },   { 1, 0, 2, HIGH_OUT, "bcd" },
		{ 1, 2, 2, 0, "cde" },    { 1, 2, 2, LOW_OUT | HIGH_OUT, "d" },
		{ 2, 0, 0, 0, "c" },      { 0, 1, 0, 0, "bcdef" },
		{ 0, 1, 0, LOW_OUT, "" }, { 0, 2, 0, LOW_OUT, "def" },
		{ 0, 0, 1, 0, "bcdef" },
	};
	const ff_table *table = ffp_table(FFP_QUOTA_ADMITTED);
	const ff_index *by_lease = &table->indexes[FFP_SLOT_BY_LEASE];
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char by_key[8] = "", leases[8] = "";
		for (const char *letter = "bcdef"; *letter; letter++) {
			const ffp_slot_row row = { .quota_policy_id = BYTES("q"),
				                   .execution_id = { letter, 1 },
				                   .lease_until_ms = *letter - 'b' + 4 };
			if (holds(NULL, cases[i].equal, cases[i].low, cases[i].high, cases[i].flags, &row))
				by_key[strlen(by_key)] = *letter;
			if (holds(by_lease, cases[i].equal, cases[i].low, cases[i].high, cases[i].flags, &row))
				leases[strlen(leases)] = *letter;
		}
		FF_CHECK_STR(t, by_key, cases[i].held);
		FF_CHECK_STR(t, leases, cases[i].held);
	}
	const ffp_slot_row other = { .quota_policy_id = BYTES("r"), .execution_id = BYTES("d"), .lease_until_ms = 6 };
	const ffp_slot_row unleased = { .row.nulls = 1u << FFP_SLOT_LEASE_UNTIL, .quota_policy_id = BYTES("q") };
	FF_CHECK(t, !holds(NULL, 1, 0, 0, 0, &other) && !holds(by_lease, 1, 2, 2, 0, &other));
	FF_CHECK(t, holds(NULL, 1, 0, 0, 0, &unleased) && !holds(by_lease, 1, 0, 0, 0, &unleased));
}

/* ---- what the cases share ----------------------------------------------------------------------------------- */

static ffp_rows *new_rows(ff_test *t)
{
	ffp_rows *rows = ff_test_alloc(t, sizeof(*rows));
	FF_REQUIRE(t, ffp_rows_init(rows, ffp_raw_arena(t), 0, 0));
	return rows;
}

static ffp_item *get_budget(ffp_rows *rows, const char *id)
{
	const ffp_budget_row key = { .budget_id = ffp_text(id) };
	return ffp_rows_get(rows, FFP_BUDGET_POLICY, &key.row);
}

static ffp_item *get_usage(ffp_rows *rows, const char *id, const char *dimension)
{
	const ffp_usage_row key = { .budget_id = ffp_text(id), .dimensions_key = ffp_text(dimension) };
	return ffp_rows_get(rows, FFP_BUDGET_USAGE, &key.row);
}

static const ffp_ledger_row *ledger_key(ff_test *t, const char *id, const char *execution, const char *dimension)
{
	ffp_ledger_row *row = ff_test_alloc(t, sizeof(*row));
	*row = (ffp_ledger_row){ .budget_id = ffp_text(id),
		                 .execution_id = ffp_text(execution),
		                 .dimensions_key = ffp_text(dimension) };
	return row;
}

/* The stored row that a read is answered with. */
static ff_row *stored_usage(ff_test *t, const char *id, const char *dimension, int64_t value)
{
	ffp_usage_row *row = ff_test_alloc(t, sizeof(*row));
	*row =
	    (ffp_usage_row){ .budget_id = ffp_text(id), .dimensions_key = ffp_text(dimension), .current_value = value };
	return &row->row;
}

static ff_row *stored_ledger(ff_test *t, const char *dimension, int64_t total)
{
	ffp_ledger_row *row = ff_test_alloc(t, sizeof(*row));
	*row = *ledger_key(t, "b", "x", dimension);
	row->delta_total = total;
	return &row->row;
}

static ff_row **row_list(ff_test *t, size_t count, ff_row **rows)
{
	ff_row **list = ff_test_alloc(t, (count + 1) * sizeof(*list));
	memcpy(list, rows, count * sizeof(*list));
	return list;
}

#define ROW_LIST(t, ...) row_list((t), COUNT_OF(((ff_row *[]){ __VA_ARGS__ })), (ff_row *[]){ __VA_ARGS__ })

static ff_read *reads_of(ff_test *t, ffp_rows *rows, size_t want)
{
	ff_read *reads = NULL;
	size_t count = 0;
	FF_REQUIRE(t, ffp_rows_reads(rows, &reads, &count));
	FF_CHECK_EQ_INT(t, count, want);
	FF_REQUIRE(t, count == want);
	return reads;
}

/* Answers all that is pending as absent. */
static void load_nothing(ff_test *t, ffp_rows *rows)
{
	ff_read *reads = NULL;
	size_t count = 0;
	FF_REQUIRE(t, ffp_rows_reads(rows, &reads, &count));
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_CHECK(t, !ffp_rows_are_pending(rows));
}

/* "put usage 'b' 'a' 5, delete …": the writes in their order. */
static const char *show_writes(ff_test *t, ffp_rows *rows)
{
	ff_write *writes = NULL;
	size_t count = 0;
	FF_REQUIRE(t, ffp_rows_writes(rows, &writes, &count));
	const char *text = "";
	for (size_t i = 0; i < count; i++) {
		const ff_write *write = &writes[i];
		const ff_row *row = write->after ? write->after : write->before;
		const char *kind = write->kind == FF_WRITE_DELETE_RANGE ? "empty"
		                   : write->kind == FF_WRITE_DELETE     ? "delete"
		                   : write->before                      ? "update"
		                                                        : "insert";
		text = ff_test_text(t, "%s%s%s %s", text, i ? ", " : "", kind, write->table->name + sizeof("ff_") - 1);
		for (unsigned k = 0; row && k < write->table->key_count; k++) {
			const ff_text *key = ff_row_text(row, &write->table->columns[k]);
			text = ff_test_text(t, "%s %.*s", text, (int)key->size, key->data);
		}
	}
	return text;
}

/* ---- items -------------------------------------------------------------------------------------------------- */

static void rows_are_there_once(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *a = get_budget(rows, "a");
	FF_CHECK(t, a && a == get_budget(rows, ff_test_text(t, "a")));
	FF_CHECK(t, a != get_budget(rows, "b"));
	FF_CHECK(t, get_usage(rows, "a", "b") != get_usage(rows, "ab", ""));
	FF_CHECK(t, get_usage(rows, "a", "bc") != get_usage(rows, "ab", "c"));
	const ffp_quota_row quota = { .quota_policy_id = BYTES("a") };
	FF_CHECK(t, a != ffp_rows_get(rows, FFP_QUOTA_POLICY, &quota.row)); /* another table's row of that name */
	FF_CHECK_EQ_INT(t, rows->items_count, 7);
	FF_CHECK(t, !a->loaded && ffp_rows_are_pending(rows));
}

/* The key is copied; of the struct that it came in nothing is kept. */
static void rows_copy_their_keys(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_budget_row key = { .budget_id = BYTES("a"), .breach_count = 77 };
	ffp_item *item = ffp_rows_get(rows, FFP_BUDGET_POLICY, &key.row);
	memset(&key, 0xff, sizeof(key));
	FF_CHECK(t, item == get_budget(rows, "a"));
	load_nothing(t, rows);
	const ffp_budget_row *made = (const ffp_budget_row *)ffp_rows_change(rows, item);
	FF_REQUIRE(t, made != NULL);
	FF_CHECK(t, ffp_text_equal(made->budget_id, ffp_text("a")));
	FF_CHECK_EQ_INT(t, made->breach_count, 0);
	FF_CHECK_EQ_INT(t, made->row.nulls, 0);
}

static void rows_grow(ff_test *t)
{
	enum { ROWS = 1000 };
	ffp_rows *rows = new_rows(t);
	ffp_item **items = ff_test_alloc(t, ROWS * sizeof(ffp_item *));
	const char **names = ff_test_alloc(t, ROWS * sizeof(char *));
	for (int i = 0; i < ROWS; i++) {
		names[i] = ff_test_text(t, "%d", i * 7919 % ROWS);
		items[i] = get_budget(rows, names[i]);
	}
	unsigned wrong = 0;
	for (int i = 0; i < ROWS; i++)
		wrong += items[i] != get_budget(rows, names[i]);
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_CHECK_EQ_INT(t, rows->items_count, ROWS);
	const ff_read *reads = reads_of(t, rows, ROWS);
	for (int i = 1; i < ROWS; i++)
		wrong += ff_row_compare(reads[i].table, NULL, reads[i - 1].low, reads[i].low, 1) >= 0;
	FF_CHECK_EQ_INT(t, wrong, 0);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	for (int i = 0; i < ROWS; i++)
		FF_REQUIRE(t, items[i]->loaded && ffp_rows_change(rows, items[i]));
	ff_write *writes = NULL;
	size_t count = 0;
	FF_REQUIRE(t, ffp_rows_writes(rows, &writes, &count));
	FF_CHECK_EQ_INT(t, count, ROWS);
	for (size_t i = 1; i < count; i++)
		wrong += ff_row_compare(writes[i].table, NULL, writes[i - 1].after, writes[i].after, 1) >= 0;
	FF_CHECK_EQ_INT(t, wrong, 0);
}

/* What else was asked for, and how often all was undone, does not go with the smaller arrays. */
static void rows_keep_all_when_they_grow(ff_test *t)
{
	const ff_read any = { .table = ffp_table(FFP_BUDGET_USAGE), .kind = FF_READ_RANGE, .limit = 1 };
	const ffp_recall recall = { 0 };
	ffp_rows *rows = new_rows(t);
	rows->recall = &recall;
	rows->seed = 77;
	ffp_rows_revert(rows);
	const ffp_scan *scan = ffp_rows_scan(rows, &any);
	FF_REQUIRE(t, scan && ffp_rows_delete_table(rows, FFP_BUDGET_USAGE));
	size_t room = rows->room;
	for (int i = 0; rows->room == room; i++)
		FF_REQUIRE(t, get_budget(rows, ff_test_text(t, "%d", i)));
	FF_CHECK(t, rows->recall == &recall && rows->seed == 77 && rows->pending_scans == scan);
	FF_CHECK_EQ_INT(t, rows->reverts, 1);
	FF_CHECK_EQ_INT(t, rows->pending_count, rows->items_count);
	ff_write *writes = NULL;
	size_t count = 0;
	FF_REQUIRE(t, ffp_rows_writes(rows, &writes, &count));
	FF_CHECK(t, count == 1 && writes[0].kind == FF_WRITE_DELETE_RANGE);
}

/* ---- changes ------------------------------------------------------------------------------------------------ */

static void rows_change_and_revert(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *item = get_usage(rows, "b", "a");
	ff_read *reads = reads_of(t, rows, 1);
	reads[0].row = stored_usage(t, "b", "a", 5);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_CHECK(t, item->before == reads[0].row && item->after == item->before);
	FF_CHECK_STR(t, show_writes(t, rows), "");
	ffp_usage_row *changed = (ffp_usage_row *)ffp_rows_change(rows, item);
	changed->current_value = 6;
	FF_CHECK(t, ffp_rows_change(rows, item) == &changed->row); /* one copy a batch */
	FF_CHECK_EQ_INT(t, ((const ffp_usage_row *)item->before)->current_value, 5);
	FF_CHECK_STR(t, show_writes(t, rows), "update budget_usage b a");
	ffp_rows_revert(rows);
	FF_CHECK(t, item->after == item->before && !item->changed);
	FF_CHECK_STR(t, show_writes(t, rows), "");
	/* what is changed after that begins from the row as it was loaded */
	FF_CHECK_EQ_INT(t, ((ffp_usage_row *)ffp_rows_change(rows, item))->current_value, 5);
}

static void rows_delete_and_put_back(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *stored = get_usage(rows, "b", "stored");
	ffp_item *absent = get_usage(rows, "b", "absent");
	ff_read *reads = reads_of(t, rows, 2);
	reads[1].row = stored_usage(t, "b", "stored", 5);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_CHECK(t, absent->loaded && !absent->after);
	ffp_rows_delete(stored);
	ffp_rows_delete(absent);
	FF_CHECK(t, !stored->after);
	FF_CHECK_STR(t, show_writes(t, rows), "delete budget_usage b stored");
	const ffp_usage_row *again = (const ffp_usage_row *)ffp_rows_change(rows, stored);
	FF_CHECK_EQ_INT(t, again->current_value, 0); /* a new row, not the one that was deleted */
	FF_CHECK(t, ffp_text_equal(again->dimensions_key, ffp_text("stored")));
	FF_CHECK_STR(t, show_writes(t, rows), "update budget_usage b stored");
	ffp_rows_change(rows, absent);
	FF_CHECK_STR(t, show_writes(t, rows), "insert budget_usage b absent, update budget_usage b stored");
	ffp_rows_delete(absent);
	FF_CHECK_STR(t, show_writes(t, rows), "update budget_usage b stored");
}

static void rows_write_in_order(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	static const char *const names[] = { "c", "a", "b" };
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		get_usage(rows, names[i], "z");
		get_usage(rows, names[i], "y");
		get_budget(rows, names[i]);
	}
	load_nothing(t, rows);
	for (size_t i = 0; i < rows->items_count; i++)
		ffp_rows_change(rows, rows->items[i]);
	FF_CHECK_STR(t, show_writes(t, rows),
	             "insert budget_policy a, insert budget_policy b, insert budget_policy c, insert budget_usage a y, "
	             "insert budget_usage a z, insert budget_usage b y, insert budget_usage b z, "
	             "insert budget_usage c y, insert budget_usage c z");
}

/* A row that is taken for absent needs no read. */
static void rows_taken_for_absent(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	const ffp_usage_row key = { .budget_id = BYTES("b"), .dimensions_key = BYTES("a") };
	ffp_item *item = ffp_rows_trust(rows, FFP_BUDGET_USAGE, &key.row);
	FF_CHECK(t, item && item->loaded && !item->after && !ffp_rows_are_pending(rows));
	FF_CHECK(t, item == get_usage(rows, "b", "a"));
	ffp_rows_change(rows, item);
	FF_CHECK_STR(t, show_writes(t, rows), "insert budget_usage b a");
}

static void rows_empty_a_table(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *item = get_budget(rows, "b");
	load_nothing(t, rows);
	FF_CHECK(t, ffp_rows_delete_table(rows, FFP_BUDGET_USAGE));
	ffp_rows_change(rows, item);
	FF_CHECK_STR(t, show_writes(t, rows), "insert budget_policy b, empty budget_usage");
	ffp_rows_revert(rows);
	FF_CHECK_STR(t, show_writes(t, rows), "");
}

/* Two requests of a batch may both want a table to be empty. */
static void rows_empty_a_table_once(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	for (int i = 0; i < 20; i++)
		FF_REQUIRE(t, ffp_rows_delete_table(rows, FFP_BUDGET_USAGE) && rows->table_deletes_count == 1);
	FF_CHECK_STR(t, show_writes(t, rows), "empty budget_usage");
}

/* ---- groups and scans --------------------------------------------------------------------------------------- */

static void rows_of_a_whole_group(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	const ff_row *key = &ledger_key(t, "b", "x", "")->row;
	ffp_item *group = ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, UINT32_MAX);
	FF_CHECK(t, group && group == ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, UINT32_MAX));
	ff_read *reads = reads_of(t, rows, 1);
	FF_CHECK_EQ_INT(t, reads[0].kind, FF_READ_RANGE);
	FF_CHECK_EQ_INT(t, reads[0].equal_count, 2);
	FF_CHECK(t, reads[0].limit == UINT32_MAX && !reads[0].index && reads[0].high_count == 0);
	reads[0].rows = ROW_LIST(t, stored_ledger(t, "c", 3), stored_ledger(t, "d", 4));
	reads[0].rows_count = 2;
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	size_t members = 0;
	for (const ffp_item *item = group->members; item; item = item->next_member)
		members++;
	FF_CHECK_EQ_INT(t, members, 2);
	ffp_item *d = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "d")->row);
	FF_CHECK(t, d->loaded && d->after && ((const ffp_ledger_row *)d->after)->delta_total == 4);
	/* one that was not among them is absent, and nothing more is read */
	ffp_item *e = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "e")->row);
	FF_CHECK(t, e->loaded && !e->after && !ffp_rows_are_pending(rows));
	FF_CHECK(t, group->members == e && e->next_member);
	FF_CHECK(t, ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "e")->row) == e);
	/* the group itself is never written */
	ffp_rows_delete(d);
	FF_CHECK_STR(t, show_writes(t, rows), "delete budget_usage_by_exec b x d");
}

static void rows_of_a_gathering_group(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	const ffp_slot_row one = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("x") };
	const ffp_slot_row two = { .quota_policy_id = BYTES("q"), .execution_id = BYTES("y") };
	ffp_item *group = ffp_rows_group(rows, FFP_QUOTA_ADMITTED, &one.row, 1, 0);
	FF_CHECK(t, group && group->loaded && !ffp_rows_are_pending(rows));
	ffp_item *x = ffp_rows_get_member(rows, group, &one.row);
	ffp_item *y = ffp_rows_get(rows, FFP_QUOTA_ADMITTED, &two.row);
	FF_CHECK(t, group->members == x && !x->loaded);
	FF_CHECK(t, ffp_rows_get_member(rows, group, &two.row) == y); /* asked for before, and gathered now */
	FF_CHECK(t, group->members == y && y->next_member == x && !x->next_member);
	const ff_read *reads = reads_of(t, rows, 2);
	FF_CHECK(t, reads[0].kind == FF_READ_GET && reads[1].kind == FF_READ_GET);
}

/* One that gathered is asked for whole: what it has not gathered comes with it. */
static void rows_of_a_group_that_becomes_whole(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	const ff_row *key = &ledger_key(t, "b", "x", "")->row;
	ffp_item *group = ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, 0);
	ffp_item *c = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "c")->row);
	FF_CHECK(t, group == ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, UINT32_MAX));
	FF_CHECK(t, group == ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, 0));
	ffp_item *e = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "e")->row);
	FF_CHECK(t, !group->loaded && !c->loaded && !e->loaded);
	ff_read *reads = reads_of(t, rows, 3);
	FF_REQUIRE(t, reads[0].kind == FF_READ_RANGE && reads[1].kind == FF_READ_GET);
	reads[0].rows = ROW_LIST(t, stored_ledger(t, "c", 3), stored_ledger(t, "d", 4));
	reads[0].rows_count = 2;
	reads[1].row = stored_ledger(t, "c", 3);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_CHECK(t, c->after == reads[1].row && e->loaded && !e->after);
	ffp_item *d = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "d")->row);
	FF_CHECK(t, d->after && ((const ffp_ledger_row *)d->after)->delta_total == 4);
	FF_CHECK(t, !ffp_rows_are_pending(rows) && rows->items_count == 4);
}

/* One that is asked for with a limit is whole where there are fewer rows than that; else what it did not bring is open. */
static void rows_of_a_group_up_to_a_limit(ff_test *t)
{
	for (uint32_t limit = 2; limit <= 3; limit++) {
		ffp_rows *rows = new_rows(t);
		const ff_row *key = &ledger_key(t, "b", "x", "")->row;
		ffp_item *group = ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, 1);
		FF_CHECK(t, group == ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, limit));
		ff_read *reads = reads_of(t, rows, 1);
		FF_CHECK_EQ_INT(t, reads[0].limit, limit);
		reads[0].rows = ROW_LIST(t, stored_ledger(t, "c", 3), stored_ledger(t, "d", 4));
		reads[0].rows_count = 2;
		FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
		ffp_item *d = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "d")->row);
		ffp_item *e = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "e")->row);
		FF_CHECK(t, d->loaded && d->after && !e->after && e->loaded == (limit == 3));
		FF_CHECK(t, ffp_rows_are_pending(rows) == (limit == 2));
		ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, UINT32_MAX); /* which a whole one is already */
		reads_of(t, rows, limit == 2 ? 2 : 0);
	}
}

/* Members that were let go are walked over no more, but for those that join again; a revert brings back all. */
static void rows_that_a_group_lets_go(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	const ff_row *key = &ledger_key(t, "b", "x", "")->row;
	ffp_item *group = ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, key, 2, UINT32_MAX);
	ff_read *reads = reads_of(t, rows, 1);
	reads[0].rows = ROW_LIST(t, stored_ledger(t, "c", 3), stored_ledger(t, "d", 4), stored_ledger(t, "e", 5));
	reads[0].rows_count = 3;
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	for (int round = 0; round < 3; round++) {
		ffp_rows_let_go(group);
		FF_CHECK(t, !group->members);
		ffp_item *d = ffp_rows_get_member(rows, group, &ledger_key(t, "b", "x", "d")->row);
		ffp_rows_join(group, d);
		FF_CHECK(t, group->members == d && !d->next_member);
		if (round == 1)
			ffp_rows_let_go(group);
		ffp_rows_revert(rows);
		size_t members = 0;
		for (const ffp_item *item = group->members; item; item = item->next_member)
			members++;
		FF_CHECK_EQ_INT(t, members, 3);
	}
}

/* A range brings rows that the batch knows: they stay as the batch has them. */
static void rows_that_a_range_brings_again(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *known = ffp_rows_get(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger_key(t, "b", "x", "c")->row);
	ff_read *reads = reads_of(t, rows, 1);
	reads[0].row = stored_ledger(t, "c", 3);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	((ffp_ledger_row *)ffp_rows_change(rows, known))->delta_total = 30;
	/* another, asked for in the same load as the range */
	ffp_item *pending = ffp_rows_get(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger_key(t, "b", "x", "d")->row);
	ffp_item *group =
	    ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger_key(t, "b", "x", "")->row, 2, UINT32_MAX);
	reads = reads_of(t, rows, 2);
	FF_REQUIRE(t, reads[0].kind == FF_READ_RANGE && reads[1].kind == FF_READ_GET); /* the shorter key first */
	reads[0].rows = ROW_LIST(t, stored_ledger(t, "c", 3), stored_ledger(t, "d", 4), stored_ledger(t, "e", 5));
	reads[0].rows_count = 3;
	reads[1].row = stored_ledger(t, "d", 4);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_CHECK_EQ_INT(t, ((const ffp_ledger_row *)known->after)->delta_total, 30);
	FF_CHECK_EQ_INT(t, ((const ffp_ledger_row *)known->before)->delta_total, 3);
	FF_CHECK(t, pending->before == reads[1].row && pending->after == pending->before);
	FF_CHECK_EQ_INT(t, rows->items_count, 4);
	size_t members = 0;
	for (const ffp_item *item = group->members; item; item = item->next_member)
		members++;
	FF_CHECK_EQ_INT(t, members, 3);
}

static void rows_scan_keeps_the_stores_order(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ffp_item *deleted = get_usage(rows, "b", "b");
	ff_read *reads = reads_of(t, rows, 1);
	reads[0].row = stored_usage(t, "b", "b", 1);
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	ffp_rows_delete(deleted);
	ff_read asked = { .table = ffp_table(FFP_BUDGET_USAGE), .kind = FF_READ_RANGE, .limit = 7 };
	ffp_scan *scan = ffp_rows_scan(rows, &asked);
	get_budget(rows, "b");
	FF_CHECK(t, scan && !scan->loaded && ffp_rows_are_pending(rows));
	reads = reads_of(t, rows, 2);
	FF_REQUIRE(t, reads[0].kind == FF_READ_GET && reads[1].kind == FF_READ_RANGE && reads[1].limit == 7);
	reads[1].rows = ROW_LIST(t, stored_usage(t, "b", "c", 3), stored_usage(t, "b", "b", 1));
	reads[1].rows_count = 2;
	FF_REQUIRE(t, ffp_rows_loaded(rows, reads));
	FF_REQUIRE(t, scan->loaded && scan->items_count == 2 && !ffp_rows_are_pending(rows));
	FF_CHECK(t, scan->items[0] == get_usage(rows, "b", "c"));
	FF_CHECK(t, scan->items[1] == deleted && !deleted->after);
}

static void rows_read_in_order(ff_test *t)
{
	ffp_rows *rows = new_rows(t);
	ff_read asked = { .table = ffp_table(FFP_BUDGET_POLICY), .kind = FF_READ_RANGE, .limit = 1 };
	ffp_rows_scan(rows, &asked);
	ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger_key(t, "b", "x", "")->row, 2, UINT32_MAX);
	ffp_rows_get(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger_key(t, "b", "w", "z")->row);
	get_usage(rows, "b", "b");
	get_usage(rows, "b", "a");
	get_usage(rows, "a", "z");
	get_budget(rows, "b");
	const ff_read *reads = reads_of(t, rows, 7);
	static const struct {
		ffp_table_id table;
		const char *key;
	} want[] = {
		{ FFP_BUDGET_POLICY, "b" }, { FFP_BUDGET_USAGE, "az" },          { FFP_BUDGET_USAGE, "ba" },
		{ FFP_BUDGET_USAGE, "bb" }, { FFP_BUDGET_USAGE_BY_EXEC, "bwz" }, { FFP_BUDGET_USAGE_BY_EXEC, "bx" },
		{ FFP_BUDGET_POLICY, "" },
	};
	for (size_t i = 0; i < COUNT_OF(want); i++) {
		const char *key = "";
		for (unsigned k = 0; reads[i].low && k < reads[i].table->key_count; k++) {
			const ff_text *text = ff_row_text(reads[i].low, &reads[i].table->columns[k]);
			key = ff_test_text(t, "%s%.*s", key, (int)text->size, text->data);
		}
		FF_CHECK_EQ_INT(t, reads[i].table->id, want[i].table);
		FF_CHECK_STR(t, key, want[i].key);
	}
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* Asks, loads, changes and writes 100 rows, with one that is remembered, a group and a scan among them; false where memory
 * is out. */
static bool work_on_rows(ffp_rows *rows, ff_arena *arena, const ffp_recall *recall)
{
	char names[100][4];
	ff_read asked = { .table = ffp_table(FFP_BUDGET_POLICY), .kind = FF_READ_RANGE, .limit = 1 };
	const ffp_ledger_row key = { .budget_id = BYTES("b"), .execution_id = BYTES("x") };
	ffp_budget_row scanned = { .budget_id = BYTES("scanned") };
	ff_row *list[] = { &scanned.row };
	ff_read *reads;
	ff_write *writes;
	size_t count;
	bool done = ffp_rows_init(rows, arena, 0, 0) && ffp_rows_scan(rows, &asked) &&
	            ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, &key.row, 2, UINT32_MAX);
	rows->recall = recall;
	for (unsigned i = 0; done && i < COUNT_OF(names); i++) {
		names[i][0] = (char)('a' + i % 10);
		names[i][1] = (char)('a' + i / 10);
		names[i][2] = '\0';
		done = get_budget(rows, names[i]) != NULL;
	}
	if (!done || !ffp_rows_reads(rows, &reads, &count))
		return false;
	reads[count - 1].rows = list;
	reads[count - 1].rows_count = 1;
	done = ffp_rows_loaded(rows, reads);
	for (size_t i = 0; done && i < rows->items_count; i++)
		done = rows->items[i]->columns == 2 || ffp_rows_change(rows, rows->items[i]);
	return done && ffp_rows_delete_table(rows, FFP_SWEEP) && ffp_rows_recalled(rows, &reads, &count) &&
	       count == 1 && ffp_rows_writes(rows, &writes, &count) && count == 102;
}

static void rows_without_memory(ff_test *t)
{
	ffp_memory *memory = ffp_memory_new(t);
	ffp_recall recall = { .allocator = &memory->allocator, .places_count = FFP_RECALL_PLACES };
	ffp_rows *known = new_rows(t);
	ffp_item *item = get_budget(known, "aa");
	load_nothing(t, known);
	FF_REQUIRE(t, ffp_rows_change(known, item));
	ffp_rows_remember(known, &recall);
	uint64_t takes = 0;
	for (bool done = false; !done && takes < 2000; takes++) {
		ffp_rows rows;
		done = work_on_rows(&rows, ffp_scarce_arena(t, takes), &recall);
	}
	ffp_recall_free(&recall);
	FF_CHECK(t, takes > 200 && takes < 2000);
}

/* ---- sorting ------------------------------------------------------------------------------------------------ */

/* A text of few letters, so that many begin alike, some are the beginning of others, and eight bytes seldom tell. */
static ff_text some_text(ff_test *t)
{
	size_t size = 1 + ff_test_random_below(t, 24);
	char *bytes = ff_test_alloc(t, size + 1);
	for (size_t i = 0; i < size; i++)
		bytes[i] = "aab\xff"[ff_test_random_below(t, i % 5 ? 2 : 4)];
	return (ff_text){ bytes, size };
}

static ffp_item *some_item(ff_test *t, ffp_rows *rows)
{
	const ffp_budget_row budget = { .budget_id = some_text(t) };
	const ffp_usage_row usage = { .budget_id = some_text(t), .dimensions_key = some_text(t) };
	const ffp_ledger_row ledger = { .budget_id = some_text(t), .execution_id = some_text(t) };
	const ffp_entry_row entry = { .quota_policy_id = BYTES("q"), .entry = (int64_t)ff_test_random(t) };
	switch (ff_test_random_below(t, 4)) {
	case 0:
		return ffp_rows_get(rows, FFP_BUDGET_POLICY, &budget.row);
	case 1:
		return ffp_rows_get(rows, FFP_BUDGET_USAGE, &usage.row);
	case 2:
		return ffp_rows_group(rows, FFP_BUDGET_USAGE_BY_EXEC, &ledger.row, 2, UINT32_MAX);
	default:
		return ffp_rows_get(rows, FFP_QUOTA_WINDOW, &entry.row);
	}
}

static bool in_order(const ffp_item *a, const ffp_item *b)
{
	if (a->table != b->table)
		return a->table->id < b->table->id;
	return ff_row_compare(a->table, NULL, a->key, b->key, a->columns) < 0;
}

/* Few and many, in any order, in order, and the other way round. */
static void items_are_sorted(ff_test *t)
{
	for (size_t wanted = 0; wanted < 2000; wanted += 1 + wanted / 2) {
		ffp_rows *rows = new_rows(t);
		while (rows->items_count < wanted)
			FF_REQUIRE(t, some_item(t, rows) != NULL);
		for (unsigned round = 0; round < 3; round++) {
			for (size_t i = 0; round == 2 && i < wanted / 2; i++) {
				ffp_item *item = rows->items[i];
				rows->items[i] = rows->items[wanted - 1 - i];
				rows->items[wanted - 1 - i] = item;
			}
			unsigned wrong = 0;
			FF_CHECK(t, ffp_items_sort(rows->items, wanted, ffp_raw_arena(t)));
			for (size_t i = 1; i < wanted; i++)
				wrong += !in_order(rows->items[i - 1], rows->items[i]);
			if (!FF_CHECK_EQ_INT(t, wrong, 0))
				ff_test_note(t, "%zu items, round %u", wanted, round);
		}
	}
}

/* What lies behind a text is none of it, where others go on and have much in common. */
static void texts_end_where_they_end(ff_test *t)
{
	enum { ITEMS = 50 };
	static const ffp_budget_row prefix = { .budget_id = { "the same\xff\xff\xff\xff\xff\xff\xff\xff", 3 } };
	ffp_item items[ITEMS], *sorted[ITEMS];
	for (size_t i = 0; i < ITEMS; i++) {
		ffp_budget_row *key = ff_test_alloc(t, sizeof(*key));
		key->budget_id = ffp_text(ff_test_text(t, "the same in all of them %zu", ITEMS - i));
		items[i] = (ffp_item){ .table = ffp_table(FFP_BUDGET_POLICY), .columns = 1, .key = &key->row };
		sorted[i] = &items[i];
	}
	items[ITEMS / 2].key = &prefix.row;
	FF_REQUIRE(t, ffp_items_sort(sorted, ITEMS, ffp_raw_arena(t)));
	FF_CHECK(t, sorted[0] == &items[ITEMS / 2]);
}

static void keys_begin_with_texts(ff_test *t)
{
	for (unsigned id = 0; id < FFP_TABLES_COUNT; id++)
		FF_CHECK_EQ_INT(t, ffp_table((ffp_table_id)id)->columns[0].type, FF_TYPE_TEXT);
}

static const ff_case cases[] = {
	CASE(order_columns, "FF-LIM-2", 0),
	CASE(order_compares, "FF-LIM-2", 0),
	CASE(ranges_hold, "FF-LIM-2", 0),
	CASE(rows_are_there_once, "", 0),
	CASE(rows_copy_their_keys, "", 0),
	CASE(rows_grow, "", 0),
	CASE(rows_keep_all_when_they_grow, "", 0),
	CASE(rows_change_and_revert, "", 0),
	CASE(rows_delete_and_put_back, "", 0),
	CASE(rows_write_in_order, "", 0),
	CASE(rows_taken_for_absent, "", 0),
	CASE(rows_empty_a_table, "", 0),
	CASE(rows_empty_a_table_once, "", 0),
	CASE(rows_of_a_whole_group, "", 0),
	CASE(rows_of_a_gathering_group, "", 0),
	CASE(rows_of_a_group_that_becomes_whole, "", 0),
	CASE(rows_of_a_group_up_to_a_limit, "", 0),
	CASE(rows_that_a_group_lets_go, "", 0),
	CASE(rows_that_a_range_brings_again, "", 0),
	CASE(rows_scan_keeps_the_stores_order, "", 0),
	CASE(rows_read_in_order, "", 0),
	CASE(rows_without_memory, "", 0),
	CASE(items_are_sorted, "", 0),
	CASE(texts_end_where_they_end, "", 0),
	CASE(keys_begin_with_texts, "", 0),
};

FAMILY(ffp_tests_rows, cases);
