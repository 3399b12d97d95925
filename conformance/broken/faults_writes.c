/* Faults of writes: what is stored is less, more, or something else; indexes that do not follow their rows. */
#include "broken.h"

/* ---- writes that are lost ----------------------------------------------------------------------------------- */

static bool is_update(const ff_write *write)
{
	return write->kind == FF_WRITE_PUT && write->before;
}

static bool is_insert(const ff_write *write)
{
	return write->kind == FF_WRITE_PUT && !write->before;
}

static bool puts_are_dropped_at_times(ff_txn *txn, ff_write *write)
{
	return write->kind != FF_WRITE_PUT || !broken_every(txn, 97);
}

static bool inserts_are_dropped_at_times(ff_txn *txn, ff_write *write)
{
	return !is_insert(write) || !broken_every(txn, 1000);
}

static bool updates_are_dropped_at_times(ff_txn *txn, ff_write *write)
{
	return !is_update(write) || !broken_every(txn, 40);
}

static bool deletes_are_dropped_at_times(ff_txn *txn, ff_write *write)
{
	return write->kind != FF_WRITE_DELETE || !broken_every(txn, 9);
}

static bool range_deletes_are_dropped(ff_txn *txn, ff_write *write)
{
	(void)txn;
	return write->kind != FF_WRITE_DELETE_RANGE;
}

static ff_code last_write_is_dropped(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->store->inner->store(txn->inner, writes, count > 2 ? count - 1 : count, error);
}

static ff_code only_100_writes_are_done(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->store->inner->store(txn->inner, writes, count < 100 ? count : 100, error);
}

static ff_code only_4096_writes_are_done(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->store->inner->store(txn->inner, writes, count < 4096 ? count : 4096, error);
}

static ff_code only_one_table_is_written(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	size_t same = 0;
	while (same < count && writes[same].table == writes[0].table)
		same++;
	return txn->store->inner->store(txn->inner, writes, same, error);
}

static ff_code second_half_is_lost(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return txn->store->inner->store(txn->inner, writes, (count + 1) / 2, error);
}

static ff_code storing_nothing_fails(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	return count ? txn->store->inner->store(txn->inner, writes, count, error)
	             : ff_error_set(error, FF_E_IO, "there is nothing to store");
}

/* ---- updates that are wrong --------------------------------------------------------------------------------- */

static ff_row *own_after(ff_txn *txn, ff_write *write)
{
	ff_row *own = broken_take(&txn->arena.arena, write->table->row_size);
	memcpy(own, write->after, write->table->row_size);
	write->after = own;
	return own;
}

static void copy_cell(ff_row *to, const ff_row *from, const ff_table *table, unsigned column)
{
	size_t size = table->columns[column].type == FF_TYPE_TEXT ? sizeof(ff_text) : sizeof(int64_t);
	memcpy((char *)to + table->columns[column].offset, (const char *)from + table->columns[column].offset, size);
	to->nulls = (to->nulls & ~(1u << column)) | (from->nulls & 1u << column);
}

static bool last_column_is_not_updated(ff_txn *txn, ff_write *write)
{
	if (is_update(write))
		copy_cell(own_after(txn, write), write->before, write->table, write->table->columns_count - 1u);
	return true;
}

/* The mask of what changed is off by one: the column before the changed one is written. */
static bool the_mask_is_off_by_one(ff_txn *txn, ff_write *write)
{
	if (!is_update(write))
		return true;
	unsigned first = write->table->key_count;
	while (first < write->table->columns_count) {
		const ff_column *column = &write->table->columns[first];
		if (column->type == FF_TYPE_INT64 &&
		    *ff_row_int64(write->before, column) != *ff_row_int64(write->after, column))
			break;
		first++;
	}
	if (first < write->table->columns_count)
		copy_cell(own_after(txn, write), write->before, write->table, first);
	return true;
}

static bool null_is_not_written(ff_txn *txn, ff_write *write)
{
	for (unsigned i = 0; is_update(write) && i < write->table->columns_count; i++) {
		if (ff_row_is_null(write->after, i) && !ff_row_is_null(write->before, i))
			copy_cell(own_after(txn, write), write->before, write->table, i);
	}
	return true;
}

static bool null_stays_null(ff_txn *txn, ff_write *write)
{
	for (unsigned i = 0; is_update(write) && i < write->table->columns_count; i++) {
		if (!ff_row_is_null(write->after, i) && ff_row_is_null(write->before, i))
			own_after(txn, write)->nulls |= 1u << i;
	}
	return true;
}

static bool null_is_stored_as_0(ff_txn *txn, ff_write *write)
{
	if (write->kind != FF_WRITE_PUT || !write->after->nulls)
		return true;
	ff_row *after = own_after(txn, write);
	for (unsigned i = 0; i < write->table->columns_count; i++) {
		if (!ff_row_is_null(after, i))
			continue;
		if (write->table->columns[i].type == FF_TYPE_TEXT)
			*ff_row_text(after, &write->table->columns[i]) = (ff_text){ "", 0 };
		else
			*ff_row_int64(after, &write->table->columns[i]) = 0;
	}
	after->nulls = 0;
	return true;
}

/* Values longer than a page are kept as they were. */
static bool long_texts_are_not_updated(ff_txn *txn, ff_write *write)
{
	for (unsigned i = 0; is_update(write) && i < write->table->columns_count; i++) {
		const ff_column *column = &write->table->columns[i];
		if (column->type == FF_TYPE_TEXT && !ff_row_is_null(write->after, i) &&
		    ff_row_text(write->after, column)->size > 4096)
			copy_cell(own_after(txn, write), write->before, write->table, i);
	}
	return true;
}

/* ---- inserts over what is there ----------------------------------------------------------------------------- */

/* Where the row is there after all, it is overwritten. */
static bool an_insert_overwrites(ff_txn *txn, ff_write *write)
{
	if (is_insert(write))
		write->before = broken_load_row(txn, &txn->store->arena.arena, write->table, write->after);
	return true;
}

/* Where the row is there after all, nothing is done, and all is said to be well. */
static bool an_insert_gives_way(ff_txn *txn, ff_write *write)
{
	if (!is_insert(write))
		return true;
	an_insert_overwrites(txn, write);
	bool there = write->before;
	write->before = NULL;
	return !there;
}

/* ---- writes of what is gone --------------------------------------------------------------------------------- */

static bool is_of_what_is_gone(ff_txn *txn, const ff_write *write)
{
	return write->before && !broken_load_row(txn, &txn->arena.arena, write->table, write->before);
}

static bool an_update_of_what_is_gone_inserts(ff_txn *txn, ff_write *write)
{
	if (is_update(write) && is_of_what_is_gone(txn, write))
		write->before = NULL;
	return true;
}

static bool an_update_of_what_is_gone_is_dropped(ff_txn *txn, ff_write *write)
{
	return !is_update(write) || !is_of_what_is_gone(txn, write);
}

static bool a_delete_of_what_is_gone_is_dropped(ff_txn *txn, ff_write *write)
{
	return write->kind != FF_WRITE_DELETE || !is_of_what_is_gone(txn, write);
}

/* ---- deletes of ranges -------------------------------------------------------------------------------------- */

static ff_read *own_range(ff_txn *txn, ff_write *write)
{
	ff_read *own = broken_take(&txn->arena.arena, sizeof(*own));
	*own = *write->range;
	write->range = own;
	return own;
}

static bool range_deletes_take_their_edges(ff_txn *txn, ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE)
		own_range(txn, write)->flags &= ~(FF_READ_LOW_EXCLUSIVE | FF_READ_HIGH_EXCLUSIVE);
	return true;
}

static bool range_deletes_leave_their_low_edge(ff_txn *txn, ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE && write->range->low_count > write->range->equal_count)
		own_range(txn, write)->flags |= FF_READ_LOW_EXCLUSIVE;
	return true;
}

static bool range_deletes_leave_their_high_edge(ff_txn *txn, ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE && write->range->high_count > write->range->equal_count)
		own_range(txn, write)->flags |= FF_READ_HIGH_EXCLUSIVE;
	return true;
}

static bool range_deletes_take_all_that_is_equal(ff_txn *txn, ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE && write->range->equal_count) {
		ff_read *own = own_range(txn, write);
		own->low_count = own->high_count = own->equal_count;
	}
	return true;
}

static bool range_deletes_look_at_one_column(ff_txn *txn, ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE_RANGE && write->range->equal_count > 1) {
		ff_read *own = own_range(txn, write);
		own->equal_count = own->low_count = own->high_count = 1;
	}
	return true;
}

/* The limit of a range is looked at: the rows beyond it stay. */
static ff_code range_deletes_are_limited(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_arena *arena = &txn->store->arena.arena;
	for (size_t i = 0; i < count; i++) {
		if (writes[i].kind != FF_WRITE_DELETE_RANGE)
			continue;
		ff_read found = *writes[i].range;
		ff_write *own = broken_take(&txn->arena.arena, (i + 1000) * sizeof(*own));
		if (broken_inner_load(txn, arena, &found, 1, error) != FF_OK)
			return error->code;
		memcpy(own, writes, i * sizeof(*own));
		for (size_t j = 0; j < found.rows_count && j < 1000; j++)
			own[i + j] =
			    (ff_write){ .table = found.table, .kind = FF_WRITE_DELETE, .before = found.rows[j] };
		return txn->store->inner->store(txn->inner, own, i + found.rows_count, error);
	}
	return txn->store->inner->store(txn->inner, writes, count, error);
}

/* The range ends at its 1,000th row, as where a statement takes so many. */
static bool range_deletes_end_at_1000(ff_txn *txn, ff_write *write)
{
	ff_error error;
	if (write->kind != FF_WRITE_DELETE_RANGE)
		return true;
	ff_read *found = own_range(txn, write);
	found->limit = 1001;
	if (broken_inner_load(txn, &txn->arena.arena, found, 1, &error) == FF_OK && found->rows_count > 1000) {
		found->high = found->rows[1000];
		found->high_count = write->table->key_count;
		found->flags |= FF_READ_HIGH_EXCLUSIVE;
	}
	return true;
}

/* A delete takes every row of the key's first column. */
static bool deletes_take_their_siblings(ff_txn *txn, ff_write *write)
{
	if (write->kind != FF_WRITE_DELETE || write->table->key_count < 2)
		return true;
	ff_read *range = broken_take(&txn->arena.arena, sizeof(*range));
	*range = (ff_read){
		.table = write->table, .kind = FF_READ_RANGE, .equal_count = 1, .low = write->before, .limit = 1
	};
	write->kind = FF_WRITE_DELETE_RANGE;
	write->range = range;
	return true;
}

/* ---- indexes that do not follow ----------------------------------------------------------------------------- */

/* store->entries are rows whose entries stayed, as they were then: what an index answers beside what it should. */
static void answer_stale_entries(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	ff_error error;
	broken_store *store = txn->store;
	ff_read all = *read;
	all.limit = UINT32_MAX;
	if (!read->index || !store->entries || broken_inner_load(txn, arena, &all, 1, &error) != FF_OK)
		return;
	pthread_mutex_lock(&store->lock);
	size_t stale = 0;
	for (const broken_entry *at = store->entries; at; at = at->next)
		stale++;
	ff_row **rows = broken_take(arena, (all.rows_count + stale) * sizeof(*rows));
	for (size_t i = 0; i < all.rows_count; i++)
		rows[i] = all.rows[i];
	for (const broken_entry *at = store->entries; at; at = at->next) {
		if (at->table->id == read->table->id && broken_is_in_range(read, at->row))
			rows[all.rows_count++] = broken_copy(arena, at->table, at->row);
	}
	pthread_mutex_unlock(&store->lock);
	read->rows = rows;
	read->rows_count = all.rows_count < read->limit ? all.rows_count : read->limit;
}

static void deletes_keep_their_entries(ff_txn *txn)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		if (txn->writes[i].kind == FF_WRITE_DELETE && txn->writes[i].table->indexes_count)
			broken_entry_add(txn->store, txn->writes[i].table, txn->writes[i].before);
	}
}

static void updates_keep_their_old_entries(ff_txn *txn)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		if (is_update(&txn->writes[i]) && txn->writes[i].table->indexes_count)
			broken_entry_add(txn->store, txn->writes[i].table, txn->writes[i].before);
	}
}

/* What goes to NULL stays in the index. */
static void null_keeps_its_entry(ff_txn *txn)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		const ff_write *write = &txn->writes[i];
		if (is_update(write) && write->table->indexes_count && write->after->nulls & ~write->before->nulls)
			broken_entry_add(txn->store, write->table, write->before);
	}
}

/* Rows that a range delete takes stay in the indexes: loaded before it. */
static bool range_deletes_keep_entries(ff_txn *txn, ff_write *write)
{
	ff_read found;
	if (write->kind != FF_WRITE_DELETE_RANGE || !write->table->indexes_count)
		return true;
	found = *write->range;
	found.limit = UINT32_MAX;
	ff_error error;
	if (broken_inner_load(txn, &txn->store->arena.arena, &found, 1, &error) != FF_OK)
		return true;
	pthread_mutex_lock(&txn->store->lock);
	for (size_t i = 0; i < found.rows_count; i++)
		broken_entry_add(txn->store, found.table, found.rows[i]);
	pthread_mutex_unlock(&txn->store->lock);
	return true;
}

/* store->entries are rows that no index knows. */
static void hide_entries(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)arena;
	size_t left = 0;
	pthread_mutex_lock(&txn->store->lock);
	for (size_t i = 0; read->index && i < read->rows_count; i++) {
		if (!broken_entry_has(txn->store, read->table, read->rows[i]))
			read->rows[left++] = read->rows[i];
	}
	pthread_mutex_unlock(&txn->store->lock);
	if (read->index)
		read->rows_count = left;
}

static void hide_written(ff_txn *txn, bool updates)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		const ff_write *write = &txn->writes[i];
		if (write->kind == FF_WRITE_PUT && (write->before != NULL) == updates && write->table->indexes_count)
			broken_entry_add(txn->store, write->table, write->after);
	}
}

static void inserts_make_no_entries(ff_txn *txn)
{
	hide_written(txn, false);
}

static void updates_make_no_entries(ff_txn *txn)
{
	hide_written(txn, true);
}

/* Rows that come from NULL are not put into the index. */
static void null_makes_no_entry_later(ff_txn *txn)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		const ff_write *write = &txn->writes[i];
		if (is_update(write) && write->table->indexes_count && write->before->nulls & ~write->after->nulls)
			broken_entry_add(txn->store, write->table, write->after);
	}
}

/* A new index is empty: it knows the rows that were written since its version only. */
static void a_new_index_has_no_old_rows(ff_txn *txn, ff_arena *arena, ff_read *read)
{
	(void)arena;
	size_t left = 0;
	if (!read->index || read->index->since < 2)
		return;
	pthread_mutex_lock(&txn->store->lock);
	for (size_t i = 0; i < read->rows_count; i++) {
		if (broken_entry_has(txn->store, read->table, read->rows[i]))
			read->rows[left++] = read->rows[i];
	}
	pthread_mutex_unlock(&txn->store->lock);
	read->rows_count = left;
}

static void remember_written(ff_txn *txn)
{
	hide_written(txn, false);
	hide_written(txn, true);
}

/* ---- a key that comes back ---------------------------------------------------------------------------------- */

/* A deleted row leaves a tomb: what is put there later has the old row's NULLs. */
static bool a_tomb_keeps_its_nulls(ff_txn *txn, ff_write *write)
{
	if (!is_insert(write))
		return true;
	pthread_mutex_lock(&txn->store->lock);
	for (const broken_entry *at = txn->store->entries; at; at = at->next) {
		if (at->table->id == write->table->id && broken_same_key(write->table, at->row, write->after) &&
		    at->row->nulls)
			own_after(txn, write)->nulls |= at->row->nulls;
	}
	pthread_mutex_unlock(&txn->store->lock);
	return true;
}

/* A deleted key cannot be used again. */
static bool a_tomb_is_for_ever(ff_txn *txn, ff_write *write)
{
	bool buried = false;
	pthread_mutex_lock(&txn->store->lock);
	buried = is_insert(write) && broken_entry_has(txn->store, write->table, write->after);
	pthread_mutex_unlock(&txn->store->lock);
	return !buried;
}

static void bury(ff_txn *txn)
{
	for (size_t i = 0; i < txn->writes_count; i++) {
		if (txn->writes[i].kind == FF_WRITE_DELETE)
			broken_entry_add(txn->store, txn->writes[i].table, txn->writes[i].before);
	}
}

/* ---- tables that are one ------------------------------------------------------------------------------------ */

static const ff_table *first_like(const broken_store *store, const ff_table *table)
{
	(void)store;
	const ff_table *first = table;
	while (first->id && first[-1].row_size == table->row_size && first[-1].columns_count == table->columns_count &&
	       first[-1].key_count == table->key_count && !table->indexes_count &&
	       first[-1].columns[0].type == table->columns[0].type)
		first--;
	return first;
}

static void tables_alike_are_one_read(ff_txn *txn, ff_read *read)
{
	read->table = first_like(txn->store, read->table);
}

static bool tables_alike_are_one_write(ff_txn *txn, ff_write *write)
{
	write->table = first_like(txn->store, write->table);
	return true;
}

#define WRITE(name_) FAULT(#name_, .write = name_)
#define STORE(name_) FAULT(#name_, .store = name_)
#define STALE(name_) FAULT(#name_, .committed = name_, .answer = answer_stale_entries)
#define HIDDEN(name_) FAULT(#name_, .committed = name_, .answer = hide_entries)

static const broken_fault table[] = {
	WRITE(puts_are_dropped_at_times),
	WRITE(inserts_are_dropped_at_times),
	WRITE(updates_are_dropped_at_times),
	WRITE(deletes_are_dropped_at_times),
	WRITE(range_deletes_are_dropped),
	STORE(last_write_is_dropped),
	STORE(only_100_writes_are_done),
	STORE(only_4096_writes_are_done),
	STORE(only_one_table_is_written),
	STORE(second_half_is_lost),
	STORE(storing_nothing_fails),
	WRITE(last_column_is_not_updated),
	WRITE(the_mask_is_off_by_one),
	WRITE(null_is_not_written),
	WRITE(null_stays_null),
	WRITE(null_is_stored_as_0),
	WRITE(long_texts_are_not_updated),
	WRITE(an_insert_overwrites),
	WRITE(an_insert_gives_way),
	WRITE(an_update_of_what_is_gone_inserts),
	WRITE(an_update_of_what_is_gone_is_dropped),
	WRITE(a_delete_of_what_is_gone_is_dropped),
	WRITE(range_deletes_take_their_edges),
	WRITE(range_deletes_leave_their_low_edge),
	WRITE(range_deletes_leave_their_high_edge),
	WRITE(range_deletes_take_all_that_is_equal),
	WRITE(range_deletes_look_at_one_column),
	FAULT("range_deletes_are_limited", .store = range_deletes_are_limited),
	WRITE(range_deletes_end_at_1000),
	WRITE(deletes_take_their_siblings),
	STALE(deletes_keep_their_entries),
	STALE(updates_keep_their_old_entries),
	STALE(null_keeps_its_entry),
	FAULT("range_deletes_keep_entries", .write = range_deletes_keep_entries, .answer = answer_stale_entries),
	HIDDEN(inserts_make_no_entries),
	HIDDEN(updates_make_no_entries),
	HIDDEN(null_makes_no_entry_later),
	FAULT("a_new_index_has_no_old_rows", .committed = remember_written, .answer = a_new_index_has_no_old_rows),
	FAULT("a_tomb_keeps_its_nulls", .write = a_tomb_keeps_its_nulls, .committed = bury),
	FAULT("a_tomb_is_for_ever", .write = a_tomb_is_for_ever, .committed = bury),
	FAULT("tables_alike_are_one", .ask = tables_alike_are_one_read, .write = tables_alike_are_one_write),
};

FAMILY(broken_writes, table);
