/* Rows: which locks they want, the statements that read and write them, and what the server answers. */
#include "store.h"

#include <endian.h>

#include <xxhash.h>

/* ---- locks -------------------------------------------------------------------------------------------------- */

static unsigned lock_of(const ff_table *table, const ff_row *row)
{
	const ff_column *root = &table->columns[table->root];
	XXH64_hash_t hash;
	if (root->type == FF_TYPE_TEXT) {
		const ff_text *text = ff_row_text(row, root);
		hash = XXH64(text->size ? text->data : "", text->size, 0);
	} else {
		const uint64_t number =
		    htole64((uint64_t)*ff_row_int64(row, root)); /* for hosts of either byte order */
		hash = XXH64(&number, sizeof(number), 0);
	}
	return 1 + (unsigned)(hash % FFP_POSTGRES_LOCKS);
}

/* Whether a range lies within one root. */
static bool has_root(const ff_read *range)
{
	for (unsigned i = 0; i < range->equal_count; i++)
		if (ff_order_column(range->table, range->index, i) == range->table->root)
			return true;
	return false;
}

/* Adds the lock of a read's root, or lock 0 where it may reach into any. */
static void want(bool *wanted, const ff_read *read)
{
	bool all = read->kind == FF_READ_RANGE && !has_root(read);
	wanted[all ? 0 : lock_of(read->table, read->low)] = true;
}

static void find_wanted(const ff_txn *txn, bool *wanted, const ff_read *reads, size_t count)
{
	for (size_t i = 0; i < count; i++)
		want(wanted, &reads[i]);
	for (size_t i = 0; i < txn->expected_count; i++)
		want(wanted, &txn->expected[i]);
	for (size_t i = 0; i < txn->writes_count; i++) {
		const ff_write *write = &txn->writes[i];
		if (write->kind == FF_WRITE_DELETE_RANGE)
			want(wanted, write->range);
		else
			wanted[lock_of(write->table, write->after ? write->after : write->before)] = true;
	}
}

/* Those that are wanted and not held yet, as keys in ascending order; *in_order where all lie above those held. */
static size_t list_new(ff_txn *txn, const bool *wanted, int64_t *keys, bool *in_order)
{
	size_t count = 0;
	*in_order = true;
	for (unsigned lock = 1; lock <= FFP_POSTGRES_LOCKS; lock++) {
		if (txn->locks[lock]) {
			*in_order &= count == 0;
		} else if (wanted[lock]) {
			txn->locks[lock] = true;
			keys[count++] = (int64_t)(txn->store->lock_base + lock);
		}
	}
	return count;
}

/*
 * Who works on some roots shares lock 0 and holds theirs; who reads across roots holds lock 0 alone. Locks are waited
 * for in ascending order only. What comes late and out of order is tried: where it is taken, the batch runs again.
 */
bool ffp_postgres_lock(ff_txn *txn, const ff_read *reads, size_t count)
{
	const int64_t lock_0 = (int64_t)txn->store->lock_base;
	int64_t keys[FFP_POSTGRES_LOCKS + 1];
	bool wanted[FFP_POSTGRES_LOCKS + 1] = { false };
	bool first = txn->stage != FFP_POSTGRES_LOADED;
	bool waits = first;
	size_t keys_count = 0;
	if (txn->locks[0])
		return false;
	find_wanted(txn, wanted, reads, count);
	if (first)
		wanted[0] |= atomic_exchange(&txn->store->lock_all, false);
	if (first || wanted[0])
		keys[keys_count++] = lock_0;
	if (wanted[0])
		txn->locks[0] = true;
	else
		keys_count += list_new(txn, wanted, keys + keys_count, &waits);
	if (keys_count == 0)
		return false;
	ffp_postgres_params_begin(txn);
	if (first && !reads && keys_count == 2) {
		ffp_postgres_param_int64(txn, keys[0]);
		ffp_postgres_param_int64(txn, keys[1]);
		ffp_postgres_send(txn, (ffp_postgres_sent){ .kind = FFP_POSTGRES_LOCK_ROOT });
		return true;
	}
	ffp_postgres_param_locks(txn, keys, keys_count);
	ffp_postgres_param_int64(txn, wanted[0] ? 0 : lock_0); /* the one that is shared; 0: none */
	ffp_postgres_send(txn, (ffp_postgres_sent){ .kind = FFP_POSTGRES_LOCK, .shape = !waits });
	return true;
}

void ffp_postgres_lock_failed(ff_txn *txn)
{
	if (txn->stage == FFP_POSTGRES_LOADED && txn->locks[0])
		txn->store->lock_all = true;
}

/* ---- reads -------------------------------------------------------------------------------------------------- */

static void add_row(ff_txn *txn, const ff_row *row)
{
	const ff_row **place = ffp_postgres_list_add(txn, &txn->rows, 1, sizeof(*place));
	if (place)
		*place = row;
}

static void send_range(ff_txn *txn, ffp_postgres_statement_kind kind, const ff_read *range, ff_read **reads)
{
	unsigned low = range->low_count > range->equal_count ? range->low_count : range->equal_count;
	ffp_postgres_params_begin(txn);
	for (unsigned i = 0; i < low; i++)
		ffp_postgres_param_value(txn, range->table, ff_order_column(range->table, range->index, i), range->low);
	for (unsigned i = range->equal_count; i < range->high_count; i++)
		ffp_postgres_param_value(txn, range->table, ff_order_column(range->table, range->index, i),
		                         range->high);
	if (kind == FFP_POSTGRES_SELECT_RANGE)
		ffp_postgres_param_int64(txn, range->limit);
	ffp_postgres_send(txn, (ffp_postgres_sent){ .kind = kind,
	                                            .shape = ff_sql_range_shape(range),
	                                            .table = range->table,
	                                            .range = range,
	                                            .reads = reads });
}

static uint32_t mask_of(unsigned columns)
{
	return (uint32_t)((UINT64_C(1) << columns) - 1);
}

/* No statement takes so long for its rows that it is ended, nor a message for them that is longer than the server takes; and
 * the server is not silent until the last is done. */
#define STATEMENT_ROWS_MAX 8192u

/* Statements on all of txn->rows, which look at the columns of `mask`; an update sets those that are none of the key. */
static void send_rows(ff_txn *txn, ffp_postgres_statement_kind kind, const ff_table *table, uint32_t mask,
                      ff_read **reads)
{
	uint32_t shape = kind == FFP_POSTGRES_UPDATE ? mask & ~mask_of(table->key_count) : 0;
	for (size_t first = 0; first < txn->rows.count; first += STATEMENT_ROWS_MAX) {
		size_t left = txn->rows.count - first;
		ffp_postgres_params_begin(txn);
		ffp_postgres_param_rows(txn, table, mask, first, left < STATEMENT_ROWS_MAX ? left : STATEMENT_ROWS_MAX);
		ffp_postgres_send(
		    txn, (ffp_postgres_sent){
			     .kind = kind, .shape = shape, .table = table, .reads = reads ? reads + first : NULL });
		if (left > STATEMENT_ROWS_MAX && !txn->no_memory)
			PQsendFlushRequest(txn->pg);
	}
}

/* Asks for all the keys of a table. `members` gets the reads in the order of the arrays; answers how many. */
static size_t select_keys(ff_txn *txn, const ff_table *table, ff_read *reads, size_t count, ff_read **members)
{
	size_t found = 0;
	txn->rows.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (reads[i].kind != FF_READ_GET || reads[i].table->id != table->id)
			continue;
		members[found++] = &reads[i];
		add_row(txn, reads[i].low);
	}
	send_rows(txn, FFP_POSTGRES_SELECT_KEYS, table, mask_of(table->key_count), members);
	return found;
}

void ffp_postgres_rows_select(ff_txn *txn, ff_arena *arena, ff_read *reads, size_t count)
{
	const ff_catalog *catalog = txn->store->catalog;
	ff_read **members = count ? ff_arena_take(arena, count * sizeof(*members)) : NULL;
	txn->no_memory |= count && !members;
	for (uint32_t i = 0; members && i < catalog->tables_count; i++)
		members += select_keys(txn, &catalog->tables[i], reads, count, members);
	for (size_t i = 0; members && i < count; i++) {
		reads[i].row = NULL;
		reads[i].rows = NULL;
		reads[i].rows_count = 0;
		if (reads[i].kind == FF_READ_RANGE) {
			*members = &reads[i];
			send_range(txn, FFP_POSTGRES_SELECT_RANGE, &reads[i], members++);
		}
	}
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static int64_t int64_at(const char *bytes)
{
	uint64_t wire;
	memcpy(&wire, bytes, sizeof(wire));
	return (int64_t)be64toh(wire);
}

static bool is_of_type(const PGresult *result, int field, const ff_column *column)
{
	return PQftype(result, field) ==
	       (column->type == FF_TYPE_TEXT ? FFP_POSTGRES_OID_TEXT : FFP_POSTGRES_OID_INT64);
}

/* Copies a cell. False when memory is out; a value of a wrong kind marks the row. */
static bool decode_cell(const PGresult *result, int at, int field, ff_arena *arena, const ff_table *table,
                        unsigned column, ff_row *row)
{
	const ff_column *described = &table->columns[column];
	const char *bytes = PQgetvalue(result, at, field);
	size_t size = (size_t)PQgetlength(result, at, field);
	if (PQgetisnull(result, at, field)) {
		row->nulls |= 1u << column;
		row->state |= described->nullable ? FF_ROW_OK : FF_ROW_CORRUPT;
		return true;
	}
	if (!is_of_type(result, field, described)) {
		row->state = FF_ROW_CORRUPT;
		return true;
	}
	if (described->type == FF_TYPE_TEXT) {
		ff_text *text = ff_row_text(row, described);
		*text = ff_text_copy(arena, bytes, size);
		return text->data != NULL;
	}
	*ff_row_int64(row, described) = int64_at(bytes);
	return true;
}

static ff_row *decode(const PGresult *result, int at, int first, ff_arena *arena, const ff_table *table)
{
	ff_row *row = ff_row_new(arena, table);
	for (unsigned i = 0; row && i < table->columns_count; i++)
		if (!decode_cell(result, at, first + (int)i, arena, table, i, row))
			return NULL;
	return row;
}

/* A row that cannot be trusted still has its key, or nobody could read on behind it. */
static ff_code check_key(const ff_txn *txn, const PGresult *result, int first, const ff_table *table, ff_error *error)
{
	for (int i = 0; i < table->key_count; i++)
		if (!is_of_type(result, first + i, &table->columns[i]))
			return ff_error_set(error, FF_E_CORRUPT,
			                    "column '%s' of the table '%s' of '%s' has another type",
			                    table->columns[i].name, table->name, txn->store->name);
	return FF_OK;
}

static ff_code no_memory(ff_error *error)
{
	return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for rows");
}

static ff_code answer_keys(ff_arena *arena, const ffp_postgres_sent *sent, const PGresult *result, ff_error *error)
{
	for (int i = 0; i < PQntuples(result); i++) {
		ff_read *read = sent->reads[int64_at(PQgetvalue(result, i, 0)) - 1];
		read->row = decode(result, i, 1, arena, sent->table);
		if (!read->row)
			return no_memory(error);
	}
	return FF_OK;
}

static ff_code answer_range(ff_arena *arena, const ffp_postgres_sent *sent, const PGresult *result, ff_error *error)
{
	ff_read *read = sent->reads[0];
	size_t count = (size_t)PQntuples(result);
	read->rows = count ? ff_arena_take(arena, count * sizeof(ff_row *)) : NULL;
	if (count && !read->rows)
		return no_memory(error);
	for (; read->rows_count < count; read->rows_count++) {
		ff_row *row = decode(result, (int)read->rows_count, 0, arena, sent->table);
		if (!row)
			return no_memory(error);
		read->rows[read->rows_count] = row;
	}
	return FF_OK;
}

/* Each begin looks, since a newer library may have migrated the store meanwhile. */
static ff_code answer_version(const ff_txn *txn, const PGresult *result, ff_error *error)
{
	int64_t version = PQntuples(result) == 1 && PQgetlength(result, 0, 0) == sizeof(int64_t)
	                      ? int64_at(PQgetvalue(result, 0, 0))
	                      : 0;
	if (version == txn->store->catalog->version)
		return FF_OK;
	return ff_error_set(error, FF_E_IO, "the schema of '%s' is now version %lld, it was %u when opened",
	                    txn->store->name, (long long)version, (unsigned)txn->store->catalog->version);
}

static void answer_lock(ff_txn *txn, const PGresult *result)
{
	bool told = PQntuples(result) == 1 && txn->store->durability == FF_DURABILITY_FULL;
	txn->lets_go = told && *PQgetvalue(result, 0, 1);
	txn->behind |= told && *PQgetvalue(result, 0, 2);
}

ff_code ffp_postgres_answer(ff_txn *txn, ff_arena *arena, const ffp_postgres_sent *sent, const PGresult *result,
                            ff_error *error)
{
	ff_code code;
	switch (sent->kind) {
	case FFP_POSTGRES_LOCK:
		answer_lock(txn, result);
		return FF_OK;
	case FFP_POSTGRES_SELECT_KEYS:
		code = check_key(txn, result, 1, sent->table, error);
		return code == FF_OK ? answer_keys(arena, sent, result, error) : code;
	case FFP_POSTGRES_SELECT_RANGE:
		code = check_key(txn, result, 0, sent->table, error);
		return code == FF_OK ? answer_range(arena, sent, result, error) : code;
	case FFP_POSTGRES_VERSION:
		return answer_version(txn, result, error);
	default:
		return FF_OK;
	}
}

/* ---- rows that were not loaded ------------------------------------------------------------------------------- */

void ffp_postgres_rows_expect(ff_txn *txn)
{
	const ff_read *reads = txn->expected;
	uint32_t tables = 0;
	ffp_postgres_params_begin(txn);
	ffp_postgres_param_int64(txn, txn->store->catalog->version);
	for (size_t first = 0, end = 0; first < txn->expected_count; first = end) {
		const ff_table *table = reads[first].table;
		for (txn->rows.count = 0; end < txn->expected_count && reads[end].table == table; end++)
			add_row(txn, reads[end].row);
		ffp_postgres_param_rows(txn, table, mask_of(table->columns_count), 0, txn->rows.count);
		tables |= UINT32_C(1) << table->id;
	}
	ffp_postgres_send(txn, (ffp_postgres_sent){ .kind = FFP_POSTGRES_EXPECT, .shape = tables });
}

/* ---- writes ------------------------------------------------------------------------------------------------- */

/* Of a write of one row. */
static ffp_postgres_statement_kind kind_of(const ff_write *write)
{
	if (write->kind == FF_WRITE_DELETE)
		return FFP_POSTGRES_DELETE;
	return write->before ? FFP_POSTGRES_UPDATE : FFP_POSTGRES_INSERT;
}

/* One statement for the writes of a kind among those of a table; an update sets what any of its rows changes. */
static void write_rows(ff_txn *txn, ffp_postgres_statement_kind kind, const ff_write *writes, size_t count)
{
	const ff_table *table = writes[0].table;
	uint32_t mask = kind == FFP_POSTGRES_INSERT ? mask_of(table->columns_count) : 0;
	txn->rows.count = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t changed = 0;
		if (kind_of(&writes[i]) != kind)
			continue;
		if (kind == FFP_POSTGRES_UPDATE && !(changed = ff_sql_changed_columns(&writes[i])))
			continue;
		mask |= changed;
		add_row(txn, kind == FFP_POSTGRES_DELETE ? writes[i].before : writes[i].after);
	}
	send_rows(txn, kind, table, mask | mask_of(table->key_count), NULL);
}

void ffp_postgres_rows_write(ff_txn *txn)
{
	const ff_write *writes = txn->writes;
	for (size_t first = 0, end = 0; first < txn->writes_count; first = end) {
		if (writes[first].kind == FF_WRITE_DELETE_RANGE) {
			send_range(txn, FFP_POSTGRES_DELETE_RANGE, writes[end++].range, NULL);
			continue;
		}
		while (end < txn->writes_count && writes[end].table == writes[first].table &&
		       writes[end].kind != FF_WRITE_DELETE_RANGE)
			end++;
		write_rows(txn, FFP_POSTGRES_DELETE, writes + first, end - first);
		write_rows(txn, FFP_POSTGRES_UPDATE, writes + first, end - first);
		write_rows(txn, FFP_POSTGRES_INSERT, writes + first, end - first);
	}
}
