/* Rows in a key-value store: reads by key and by range, writes, and the upkeep of indexes. */
#include "kv.h"

#include "read.h"

unsigned ff_kv_tree(const ff_table *table, const ff_index *index)
{
	unsigned first = 1 + table->id * (1u + FF_INDEXES_MAX);
	return index ? first + 1 + (unsigned)(index - table->indexes) : first;
}

unsigned ff_kv_tree_count(const ff_catalog *catalog)
{
	return 1 + catalog->tables_count * (1u + FF_INDEXES_MAX);
}

void ff_kv_flatten(ff_kv_flat *flat, unsigned tree, ff_kv_bytes key)
{
	flat->bytes[0] = (char)(tree >> 8);
	flat->bytes[1] = (char)tree;
	if (key.size)
		memcpy(flat->bytes + FF_KV_FLAT_PREFIX, key.data, key.size);
	flat->size = FF_KV_FLAT_PREFIX + key.size;
}

bool ff_kv_unflatten(ff_kv_bytes flat, unsigned tree, ff_kv_bytes *key)
{
	const char *bytes = flat.data;
	if (flat.size < FF_KV_FLAT_PREFIX || bytes[0] != (char)(tree >> 8) || bytes[1] != (char)tree)
		return false;
	*key = (ff_kv_bytes){ bytes + FF_KV_FLAT_PREFIX, flat.size - FF_KV_FLAT_PREFIX };
	return true;
}

/* Looks for the key, where the engine does not: CONFLICT where it is there and should not be, or the other way round. */
static ff_code look_before(ff_txn *txn, unsigned tree, ff_kv_bytes key, bool wanted, ff_error *error)
{
	ff_kv_bytes value;
	if (!ffp_kv_of(txn)->ops->blind)
		return FF_OK;
	ff_code code = ffp_kv_of(txn)->ops->get(txn, tree, key, &value, error);
	if (code != FF_OK && code != FF_E_NOT_FOUND)
		return code;
	return (code == FF_OK) == wanted ? FF_OK : FF_E_CONFLICT;
}

ff_code ffp_kv_put(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_kv_bytes value, ff_kv_put kind, ff_error *error)
{
	ff_code code = look_before(txn, tree, key, kind == FF_KV_UPDATE, error);
	return code == FF_OK ? ffp_kv_of(txn)->ops->put(txn, tree, key, value, kind, error) : code;
}

ff_code ffp_kv_remove(ff_txn *txn, unsigned tree, ff_kv_bytes key, ff_error *error)
{
	ff_code code = look_before(txn, tree, key, true, error);
	return code == FF_OK ? ffp_kv_of(txn)->ops->remove(txn, tree, key, error) : code;
}

/* ---- keys and rows ------------------------------------------------------------------------------------------ */

static ff_code check_key(ff_txn *txn, const ff_table *table, const ffp_kv_key *key, ff_error *error)
{
	uint32_t max = ffp_kv_of(txn)->ops->key_max;
	if (!key->too_long && (max == 0 || key->size <= max))
		return FF_OK;
	return ff_error_set(error, FF_E_IO, "a key of table '%s' is longer than the store takes, %u bytes", table->name,
	                    max ? (unsigned)max : FF_KV_KEY_MAX);
}

ff_code ffp_kv_key_of(ff_txn *txn, const ff_table *table, const ff_index *index, const ff_row *row, ffp_kv_key *key,
                      ff_error *error)
{
	key->size = 0;
	key->too_long = false;
	ffp_kv_append(key, table, index, row, 0, ff_order_count(table, index));
	return check_key(txn, table, key, error);
}

bool ffp_kv_is_indexed(const ff_index *index, const ff_row *row)
{
	for (unsigned i = 0; i < index->columns_count; i++)
		if (ff_row_is_null(row, index->columns[i]))
			return false;
	return true;
}

ff_code ffp_kv_entries_of(ff_txn *txn, const ff_table *table, const ff_row *row, ffp_kv_entries *entries,
                          ff_error *error)
{
	ff_code code = FF_OK;
	for (unsigned i = 0; code == FF_OK && i < table->indexes_count; i++) {
		const ff_index *index = &table->indexes[i];
		entries->has[i] = row && ffp_kv_is_indexed(index, row);
		if (entries->has[i])
			code = ffp_kv_key_of(txn, table, index, row, &entries->keys[i], error);
	}
	return code;
}

static ff_code bad_key(const ff_table *table, const ff_index *index, ff_error *error)
{
	return ff_error_set(error, FF_E_CORRUPT, "%s '%s' has a key that cannot be read", index ? "index" : "table",
	                    index ? index->name : table->name);
}

ff_code ffp_kv_read_row(const ff_table *table, const ff_kv_entry *entry, ffp_kv_row *row, ff_error *error)
{
	memset(row, 0, table->row_size);
	if (!ffp_kv_read_key(table, NULL, entry->key, &row->row))
		return bad_key(table, NULL, error);
	ffp_kv_read_value(table, entry->value, &row->row);
	return FF_OK;
}

static ff_code no_memory(ff_error *error)
{
	return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for rows");
}

/* As ffp_kv_read_row, into one piece of the arena that holds the row and the bytes that it borrows. */
static ff_code copy_row(const ff_table *table, const ff_kv_entry *entry, ff_arena *arena, ff_row **row, ff_error *error)
{
	size_t head = (table->row_size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	unsigned char *piece = ff_arena_take(arena, head + entry->key.size + entry->value.size);
	if (!piece)
		return no_memory(error);
	unsigned char *key = piece + head;
	unsigned char *value = key + entry->key.size;
	memcpy(key, entry->key.data, entry->key.size);
	if (entry->value.size)
		memcpy(value, entry->value.data, entry->value.size);
	const ff_kv_entry copy = { { key, entry->key.size }, { value, entry->value.size } };
	*row = (ff_row *)(void *)piece;
	return ffp_kv_read_row(table, &copy, (ffp_kv_row *)(void *)piece, error);
}

/* ---- load --------------------------------------------------------------------------------------------------- */

static ff_code get(ff_txn *txn, ff_arena *arena, ff_read *read, ff_error *error)
{
	const ff_table *table = read->table;
	read->row = NULL;
	ffp_kv_key key;
	ff_code code = ffp_kv_key_of(txn, table, NULL, read->low, &key, error);
	if (code != FF_OK)
		return code;
	ff_kv_entry entry = { .key = ffp_kv_bytes_of(&key) };
	code = ffp_kv_of(txn)->ops->get(txn, ff_kv_tree(table, NULL), entry.key, &entry.value, error);
	if (code == FF_E_NOT_FOUND)
		return FF_OK;
	return code == FF_OK ? copy_row(table, &entry, arena, &read->row, error) : code;
}

/* A range as keys: from `low` on, and below `high`. */
typedef struct span {
	bool empty;
	bool open; /* there is no `high`, which is empty */
	ffp_kv_key low;
	ffp_kv_key high;
} span;

/* Makes the key of the first `count` columns the least above all rows that begin with them. One of all columns is one
 * row's alone, though other keys may begin with its bytes. */
static bool pass_rows(ffp_kv_key *key, const ff_read *read, unsigned count)
{
	if (count < ff_order_count(read->table, read->index))
		return ffp_kv_after(key);
	key->bytes[key->size++] = 0;
	return true;
}

static ff_code span_of(ff_txn *txn, const ff_read *read, span *of, ff_error *error)
{
	const ff_table *table = read->table;
	unsigned equal = read->equal_count;
	of->low.size = of->high.size = 0;
	of->low.too_long = of->high.too_long = of->empty = false;
	ffp_kv_append(&of->low, table, read->index, read->low, 0, equal);
	ffp_kv_append(&of->high, table, read->index, read->low, 0, equal);
	if (read->low_count > equal) {
		ffp_kv_append(&of->low, table, read->index, read->low, equal, read->low_count);
		of->empty = (read->flags & FF_READ_LOW_EXCLUSIVE) && !pass_rows(&of->low, read, read->low_count);
	}
	bool bounded = read->high_count > equal;
	if (bounded)
		ffp_kv_append(&of->high, table, read->index, read->high, equal, read->high_count);
	of->open = !(bounded && (read->flags & FF_READ_HIGH_EXCLUSIVE)) &&
	           !pass_rows(&of->high, read, bounded ? read->high_count : equal);
	ff_code code = check_key(txn, table, &of->low, error);
	return code == FF_OK ? check_key(txn, table, &of->high, error) : code;
}

static bool is_inside(const span *of, ff_kv_bytes key)
{
	return ffp_kv_compare(key, ffp_kv_bytes_of(&of->low)) >= 0 &&
	       (of->open || ffp_kv_compare(key, ffp_kv_bytes_of(&of->high)) < 0);
}

/* A row that cannot be read still tells why it was found: its columns of the index are those of the entry. */
static ff_code keep_place(ff_arena *arena, const ff_read *read, ff_kv_bytes place, ff_row *row, ff_error *error)
{
	ff_text copy = ff_text_copy(arena, place.data, place.size);
	if (!copy.data)
		return no_memory(error);
	ffp_kv_read_key(read->table, read->index, (ff_kv_bytes){ copy.data, copy.size }, row);
	for (unsigned i = 0; i < read->index->columns_count; i++)
		row->nulls &= ~(1u << read->index->columns[i]);
	return FF_OK;
}

/* Whether the entry of an index is what a row has there. */
static ff_code check_place(ff_txn *txn, const ff_read *read, ff_kv_bytes place, const ff_row *row, ff_error *error)
{
	ffp_kv_key key;
	if (!ffp_kv_is_indexed(read->index, row))
		return FF_E_NOT_FOUND;
	ff_code code = ffp_kv_key_of(txn, read->table, read->index, row, &key, error);
	return code == FF_OK && ffp_kv_compare(ffp_kv_bytes_of(&key), place) != 0 ? FF_E_NOT_FOUND : code;
}

/* The row that an entry of an index stands for. */
static ff_code follow(ff_txn *txn, ff_arena *arena, const ff_read *read, ff_kv_bytes place, ff_row **row,
                      ff_error *error)
{
	const ff_table *table = read->table;
	ffp_kv_row names;
	ffp_kv_key key;
	memset(&names, 0, table->row_size);
	if (!ffp_kv_read_key(table, read->index, place, &names.row))
		return bad_key(table, read->index, error);
	ff_code code = ffp_kv_key_of(txn, table, NULL, &names.row, &key, error);
	if (code != FF_OK)
		return code;
	ff_kv_entry entry = { .key = ffp_kv_bytes_of(&key) };
	code = ffp_kv_of(txn)->ops->get(txn, ff_kv_tree(table, NULL), entry.key, &entry.value, error);
	if (code == FF_OK)
		code = copy_row(table, &entry, arena, row, error);
	if (code == FF_OK)
		code = (*row)->state == FF_ROW_OK ? check_place(txn, read, place, *row, error)
		                                  : keep_place(arena, read, place, *row, error);
	if (code == FF_E_NOT_FOUND)
		code = ff_error_set(error, FF_E_CORRUPT, "index '%s' has an entry that no row of '%s' made",
		                    read->index->name, table->name);
	return code;
}

static ff_code collect(ff_txn *txn, ff_kv_cursor *cursor, ff_arena *arena, ff_read *read, const span *of,
                       ff_error *error)
{
	const ff_kv_ops *ops = ffp_kv_of(txn)->ops;
	bool down = read->flags & FF_READ_DESCENDING;
	ff_kv_way way = down ? FF_KV_DOWN : FF_KV_UP;
	ff_kv_bytes start = ffp_kv_bytes_of(down ? &of->high : &of->low);
	size_t capacity = 0;
	ff_kv_entry entry;
	ff_code code = ops->seek(cursor, way, start, &entry, error);
	while (code == FF_OK && read->rows_count < read->limit && is_inside(of, entry.key)) {
		if (!ffp_read_reserve(arena, read, &capacity))
			return no_memory(error);
		ff_row **row = &read->rows[read->rows_count];
		code = read->index ? follow(txn, arena, read, entry.key, row, error)
		                   : copy_row(read->table, &entry, arena, row, error);
		if (code != FF_OK)
			return code;
		if (++read->rows_count < read->limit)
			code = ops->step(cursor, way, &entry, error);
	}
	return code == FF_E_NOT_FOUND ? FF_OK : code;
}

static ff_code range(ff_txn *txn, ff_arena *arena, ff_read *read, ff_error *error)
{
	const ff_kv_ops *ops = ffp_kv_of(txn)->ops;
	span of;
	read->rows = NULL;
	read->rows_count = 0;
	ff_code code = span_of(txn, read, &of, error);
	if (code != FF_OK || of.empty)
		return code;
	ff_kv_cursor *cursor;
	code = ops->open_cursor(txn, ff_kv_tree(read->table, read->index), &cursor, error);
	if (code != FF_OK)
		return code;
	code = collect(txn, cursor, arena, read, &of, error);
	ops->close_cursor(cursor);
	return code;
}

ff_code ff_kv_load(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count, ff_error *error)
{
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < count; i++)
		code = reads[i].kind == FF_READ_GET ? get(txn, arena, &reads[i], error)
		                                    : range(txn, arena, &reads[i], error);
	return code;
}

/* ---- indexes ------------------------------------------------------------------------------------------------ */

ff_code ffp_kv_first(ff_txn *txn, unsigned tree, const ffp_kv_key *from, ffp_kv_look *look, void *context,
                     ff_error *error)
{
	const ff_kv_ops *ops = ffp_kv_of(txn)->ops;
	ff_kv_cursor *cursor;
	ff_kv_entry entry;
	ff_code code = ops->open_cursor(txn, tree, &cursor, error);
	if (code != FF_OK)
		return code;
	code = ops->seek(cursor, FF_KV_UP, ffp_kv_bytes_of(from), &entry, error);
	if (code == FF_OK)
		code = look(txn, &entry, context, error);
	ops->close_cursor(cursor);
	return code;
}

ff_code ffp_kv_spoiled(const ff_index *index, ff_code code, ff_error *error)
{
	if (code != FF_E_CONFLICT)
		return code;
	return ff_error_set(error, FF_E_CORRUPT, "index '%s' does not agree with its table", index->name);
}

/* Takes entries out and puts others in (none, where `after` is NULL), where the two differ. */
static ff_code reindex(ff_txn *txn, const ff_table *table, const ffp_kv_entries *before, const ffp_kv_entries *after,
                       ff_error *error)
{
	ff_code code = FF_OK;
	for (unsigned i = 0; code == FF_OK && i < table->indexes_count; i++) {
		const ff_index *index = &table->indexes[i];
		unsigned tree = ff_kv_tree(table, index);
		bool goes = before->has[i];
		bool comes = after && after->has[i];
		ff_kv_bytes old = ffp_kv_bytes_of(&before->keys[i]);
		ff_kv_bytes fresh = comes ? ffp_kv_bytes_of(&after->keys[i]) : old;
		if (goes && comes && ffp_kv_compare(old, fresh) == 0)
			continue;
		if (goes)
			code = ffp_kv_spoiled(index, ffp_kv_remove(txn, tree, old, error), error);
		if (code == FF_OK && comes)
			code = ffp_kv_spoiled(
			    index, ffp_kv_put(txn, tree, fresh, (ff_kv_bytes){ "", 0 }, FF_KV_INSERT, error), error);
	}
	return code;
}

/* A walk that looks for the entries of one row. */
typedef struct search {
	const ff_table *table;
	const ff_index *index;
	const ff_row *row;
	ffp_kv_key at;
	bool found;
} search;

static ff_code look_for_row(ff_txn *txn, const ff_kv_entry *entry, void *context, ff_error *error)
{
	search *of = context;
	ffp_kv_row names;
	(void)txn;
	memset(&names, 0, of->table->row_size);
	if (entry->key.size > FF_KV_KEY_MAX || !ffp_kv_read_key(of->table, of->index, entry->key, &names.row))
		return bad_key(of->table, of->index, error);
	memcpy(of->at.bytes, entry->key.data, entry->key.size);
	of->at.size = entry->key.size;
	of->found = ff_row_compare(of->table, NULL, &names.row, of->row, of->table->key_count) == 0;
	return FF_OK;
}

/* Takes out the entries of a row that cannot be read, so that nothing but a look at each tells which they are. */
static ff_code unindex(ff_txn *txn, const ff_table *table, const ff_row *row, ff_error *error)
{
	search of = { .table = table, .row = row };
	ff_code code = FF_OK;
	for (unsigned i = 0; code == FF_OK && i < table->indexes_count; i++) {
		unsigned tree = ff_kv_tree(table, &table->indexes[i]);
		of.index = &table->indexes[i];
		of.at.size = 0;
		while ((code = ffp_kv_first(txn, tree, &of.at, look_for_row, &of, error)) == FF_OK) {
			if (of.found)
				code = ffp_kv_remove(txn, tree, ffp_kv_bytes_of(&of.at), error);
			if (code != FF_OK)
				return code;
			of.at.bytes[of.at.size++] = 0; /* the least key above it */
		}
		if (code == FF_E_NOT_FOUND)
			code = FF_OK;
	}
	return code;
}

/* The entries of the row as it was, or none of them, where they had to be sought and are gone now. */
static ff_code old_entries(ff_txn *txn, const ff_table *table, const ff_row *before, ffp_kv_entries *entries,
                           ff_error *error)
{
	bool readable = !before || before->state == FF_ROW_OK;
	ff_code code = readable ? FF_OK : unindex(txn, table, before, error);
	return code == FF_OK ? ffp_kv_entries_of(txn, table, readable ? before : NULL, entries, error) : code;
}

static ff_code reindex_row(ff_txn *txn, const ff_table *table, const ff_row *before, const ff_row *after,
                           ff_error *error)
{
	ffp_kv_entries old, fresh;
	if (table->indexes_count == 0)
		return FF_OK;
	ff_code code = old_entries(txn, table, before, &old, error);
	if (code == FF_OK)
		code = ffp_kv_entries_of(txn, table, after, &fresh, error);
	return code == FF_OK ? reindex(txn, table, &old, &fresh, error) : code;
}

/* ---- store -------------------------------------------------------------------------------------------------- */

static ff_code changed_meanwhile(ff_code code, ff_error *error)
{
	if (code != FF_E_CONFLICT)
		return code;
	return ff_error_set(error, code, "a row is not as it was loaded");
}

/* Writes a row's value on the stack, or in memory of its own, where it does not fit. */
static ff_code put_value(ff_txn *txn, const ff_write *write, ff_kv_bytes key, ff_error *error)
{
	const ff_kv *kv = ffp_kv_of(txn);
	unsigned char small[4096];
	unsigned char *bytes = small;
	size_t room = ffp_kv_value_room(write->table, write->after);
	if (room > sizeof(small))
		bytes = kv->allocator->resize(kv->allocator->context, NULL, 0, room);
	if (!bytes)
		return no_memory(error);
	ff_kv_bytes value = { bytes, ffp_kv_write_value(write->table, write->after, bytes) };
	ff_code code = ffp_kv_put(txn, ff_kv_tree(write->table, NULL), key, value,
	                          write->before ? FF_KV_UPDATE : FF_KV_INSERT, error);
	if (bytes != small)
		kv->allocator->resize(kv->allocator->context, bytes, room, 0);
	return changed_meanwhile(code, error);
}

static ff_code put(ff_txn *txn, const ff_write *write, ff_error *error)
{
	ffp_kv_key key;
	ff_code code = ffp_kv_key_of(txn, write->table, NULL, write->after, &key, error);
	if (code == FF_OK)
		code = put_value(txn, write, ffp_kv_bytes_of(&key), error);
	return code == FF_OK ? reindex_row(txn, write->table, write->before, write->after, error) : code;
}

static ff_code delete_row(ff_txn *txn, const ff_write *write, ff_error *error)
{
	ffp_kv_key key;
	const ff_table *table = write->table;
	ff_code code = ffp_kv_key_of(txn, table, NULL, write->before, &key, error);
	if (code == FF_OK)
		code = ffp_kv_remove(txn, ff_kv_tree(table, NULL), ffp_kv_bytes_of(&key), error);
	code = changed_meanwhile(code, error);
	return code == FF_OK ? reindex_row(txn, table, write->before, NULL, error) : code;
}

/* The row that a range delete has come to. */
typedef struct victim {
	const ff_table *table;
	const span *of;
	ffp_kv_key key;
	bool inside;
	bool readable;
	ffp_kv_entries entries;
} victim;

static ff_code look_at_victim(ff_txn *txn, const ff_kv_entry *entry, void *context, ff_error *error)
{
	victim *next = context;
	ffp_kv_row row;
	next->inside = is_inside(next->of, entry->key);
	if (!next->inside)
		return FF_OK;
	ff_code code = ffp_kv_read_row(next->table, entry, &row, error);
	if (code == FF_OK)
		code = ffp_kv_key_of(txn, next->table, NULL, &row.row, &next->key, error);
	next->readable = row.row.state == FF_ROW_OK;
	if (code == FF_OK)
		code = ffp_kv_entries_of(txn, next->table, next->readable ? &row.row : NULL, &next->entries, error);
	return code;
}

static ff_code delete_victim(ff_txn *txn, const victim *next, ff_error *error)
{
	ffp_kv_row names;
	ff_kv_bytes key = ffp_kv_bytes_of(&next->key);
	ff_code code = changed_meanwhile(ffp_kv_remove(txn, ff_kv_tree(next->table, NULL), key, error), error);
	if (code == FF_OK && !next->readable) {
		memset(&names, 0, next->table->row_size);
		ffp_kv_read_key(next->table, NULL, key, &names.row);
		code = unindex(txn, next->table, &names.row, error);
	}
	return code == FF_OK ? reindex(txn, next->table, &next->entries, NULL, error) : code;
}

static ff_code delete_range(ff_txn *txn, const ff_write *write, ff_error *error)
{
	span of;
	ff_code code = span_of(txn, write->range, &of, error);
	if (code != FF_OK || of.empty)
		return code;
	victim next = { .table = write->table, .of = &of };
	unsigned tree = ff_kv_tree(write->table, NULL);
	/* And then from what was deleted last: an LSM tree steps over all that is gone behind where it begins. */
	ffp_kv_key at = of.low;
	while ((code = ffp_kv_first(txn, tree, &at, look_at_victim, &next, error)) == FF_OK && next.inside) {
		code = delete_victim(txn, &next, error);
		if (code != FF_OK)
			return code;
		at = next.key;
	}
	return code == FF_E_NOT_FOUND ? FF_OK : code;
}

static ff_code apply(ff_txn *txn, const ff_write *write, ff_error *error)
{
	if (write->kind == FF_WRITE_DELETE_RANGE)
		return delete_range(txn, write, error);
	return write->kind == FF_WRITE_DELETE ? delete_row(txn, write, error) : put(txn, write, error);
}

ff_code ff_kv_store(ff_txn *txn, const ff_write *writes, size_t count, ff_error *error)
{
	ff_code code = FF_OK;
	for (size_t i = 0; code == FF_OK && i < count; i++)
		code = apply(txn, &writes[i], error);
	return code;
}
