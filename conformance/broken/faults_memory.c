/* Faults of lifetimes: answers that do not stand until the transaction's end, and what is taken and not given back. */
#include "broken.h"

#include <stdlib.h>

/* ---- answers that die --------------------------------------------------------------------------------------- */

/* Overwrites what is not needed to walk the rows: the bytes of texts, and numbers. */
static void overwrite_texts(const ff_table *table, ff_row *row)
{
	for (unsigned i = 0; i < table->columns_count; i++) {
		if (table->columns[i].type != FF_TYPE_TEXT || ff_row_is_null(row, i))
			continue;
		const ff_text *text = ff_row_text(row, &table->columns[i]);
		if (text->size)
			memset((char *)(uintptr_t)text->data, 'x', text->size);
	}
}

static void overwrite_numbers(const ff_table *table, ff_row *row)
{
	for (unsigned i = 0; i < table->columns_count; i++) {
		if (table->columns[i].type == FF_TYPE_INT64)
			*ff_row_int64(row, &table->columns[i]) = INT64_C(0x5a5a5a5a5a5a5a5a);
	}
}

static void overwrite_nulls(const ff_table *table, ff_row *row)
{
	(void)table;
	row->nulls = 0;
}

typedef void change_row(const ff_table *table, ff_row *row);

static void for_each_answer(ff_txn *txn, change_row *change)
{
	for (size_t i = 0; i < txn->answered_count; i++) {
		const ff_read *read = &txn->answered[i];
		if (read->kind == FF_READ_GET && read->row)
			change(read->table, read->row);
		for (size_t j = 0; read->kind == FF_READ_RANGE && j < read->rows_count; j++)
			change(read->table, read->rows[j]);
	}
}

/* Answers of ranges in an array that the next load uses again. */
static void forget_ranges(ff_txn *txn)
{
	for (size_t i = 0; i < txn->answered_count; i++) {
		const ff_read *read = &txn->answered[i];
		for (size_t j = 1; read->kind == FF_READ_RANGE && j < read->rows_count; j++)
			read->rows[j] = read->rows[0];
	}
}

static ff_code texts_die_at_the_next_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	for_each_answer(txn, overwrite_texts);
	return broken_inner_load(txn, arena, reads, count, error);
}

static ff_code numbers_die_at_the_next_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	for_each_answer(txn, overwrite_numbers);
	return broken_inner_load(txn, arena, reads, count, error);
}

static ff_code ranges_die_at_the_next_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	forget_ranges(txn);
	return broken_inner_load(txn, arena, reads, count, error);
}

static ff_code store_then(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error, change_row *change)
{
	ff_code code = txn->store->inner->store(txn->inner, writes, count, error);
	for_each_answer(txn, change);
	return code;
}

static ff_code texts_die_at_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return store_then(txn, writes, count, error, overwrite_texts);
}

static ff_code numbers_die_at_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return store_then(txn, writes, count, error, overwrite_numbers);
}

static ff_code nulls_die_at_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return store_then(txn, writes, count, error, overwrite_nulls);
}

/* Rows lie in the pages of the store, and change with them. */
static ff_code rows_change_with_the_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_code code = txn->store->inner->store(txn->inner, writes, count, error);
	for (size_t i = 0; i < count; i++) {
		const ff_write *write = &writes[i];
		if (write->kind == FF_WRITE_PUT && write->before)
			memcpy((void *)(uintptr_t)write->before, write->after, write->table->row_size);
	}
	return code;
}

/* Reads of the same place in one load share one buffer: the last one is in all of them. */
static ff_code a_load_has_one_buffer(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = broken_inner_load(txn, arena, reads, count, error);
	const ff_table *table = NULL;
	ff_row *last = NULL;
	for (size_t i = count; !code && i-- > 0;) {
		if (reads[i].kind != FF_READ_GET || !reads[i].row)
			continue;
		if (last && table == reads[i].table)
			reads[i].row = last;
		last = reads[i].row;
		table = reads[i].table;
	}
	return code;
}

/* The key of an answer is that of the question: it points to where the caller had it. */
static void keys_point_to_the_question(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_row *row)
{
	(void)txn;
	(void)arena;
	unsigned known = read->kind == FF_READ_GET ? read->table->key_count : read->index ? 0 : read->equal_count;
	for (unsigned i = 0; i < known; i++) {
		if (read->table->columns[i].type == FF_TYPE_TEXT)
			*ff_row_text(row, &read->table->columns[i]) = *ff_row_text(read->low, &read->table->columns[i]);
	}
}

/* ---- what is not given back --------------------------------------------------------------------------------- */

static void take_from_the_host(broken_store *store)
{
	const ff_allocator *allocator = store->allocator;
	store->memory = allocator->resize(allocator->context, NULL, 0, 100);
}

static void free_past_the_host(broken_store *store)
{
	free(store->memory);
}

static ff_code failed_open_leaks(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	if (code) {
		store->memory = config->allocator->resize(config->allocator->context, NULL, 0, 100);
		free(store->memory); /* to the host it is lost; a leak checker has nothing to say here */
	}
	return code;
}

static void aborts_leak(ff_txn *txn)
{
	take_from_the_host(txn->store);
	free_past_the_host(txn->store);
	txn->store->inner->abort(txn->inner);
}

static void gives_back_a_wrong_size(broken_store *store)
{
	const ff_allocator *allocator = store->allocator;
	allocator->resize(allocator->context, store->memory, 1, 0);
}

#define LOAD(name_) FAULT(#name_, .load = name_)
#define STORE(name_) FAULT(#name_, .store = name_)

static const broken_fault table[] = {
	LOAD(texts_die_at_the_next_load),
	LOAD(numbers_die_at_the_next_load),
	LOAD(ranges_die_at_the_next_load),
	STORE(texts_die_at_store),
	STORE(numbers_die_at_store),
	STORE(nulls_die_at_store),
	STORE(rows_change_with_the_store),
	LOAD(a_load_has_one_buffer),
	FAULT("keys_point_to_the_question", .row = keys_point_to_the_question),
	FAULT("close_leaks", .opened = take_from_the_host, .closing = free_past_the_host),
	FAULT("close_gives_back_a_wrong_size", .opened = take_from_the_host, .closing = gives_back_a_wrong_size),
	FAULT("failed_open_leaks", .open = failed_open_leaks),
	FAULT("aborts_leak", .abort = aborts_leak),
};

FAMILY(broken_memory, table);
