/* The schema of a key-value store: its version, the way from one to the next, and the check of all that is there. */
#include "kv.h"

#include <inttypes.h>
#include <stdio.h>

#include "version.h"

/* Tree 0 holds one entry: the version, as four bytes, the highest first. */
enum { SCHEMA_TREE = 0, VERSION_SIZE = 4 };

static const ff_kv_bytes version_key = { "version", 7 };

/* ---- the version -------------------------------------------------------------------------------------------- */

/* 0 where there is none. */
static ff_code read_version(ff_txn *txn, uint32_t *version, ff_error *error)
{
	ff_kv_bytes value = { NULL, 0 };
	*version = 0;
	ff_code code = ffp_kv_of(txn)->ops->get(txn, SCHEMA_TREE, version_key, &value, error);
	if (code != FF_OK)
		return code == FF_E_NOT_FOUND ? FF_OK : code;
	const unsigned char *bytes = value.data;
	for (unsigned i = 0; value.size == VERSION_SIZE && i < VERSION_SIZE; i++)
		*version = *version << 8 | bytes[i];
	return *version ? FF_OK : ff_error_set(error, FF_E_CORRUPT, "the schema's version cannot be read");
}

static ff_code write_version(ff_txn *txn, uint32_t before, ff_error *error)
{
	const ff_kv *kv = ffp_kv_of(txn);
	unsigned char bytes[VERSION_SIZE];
	for (unsigned i = 0; i < VERSION_SIZE; i++)
		bytes[i] = (unsigned char)(kv->catalog->version >> (24 - 8 * i));
	return ffp_kv_put(txn, SCHEMA_TREE, version_key, (ff_kv_bytes){ bytes, VERSION_SIZE },
	                  before ? FF_KV_UPDATE : FF_KV_INSERT, error);
}

/* ---- trees -------------------------------------------------------------------------------------------------- */

static ff_code open_tree(ff_txn *txn, unsigned tree, const char *name, bool create, ff_error *error)
{
	const ff_kv_ops *ops = ffp_kv_of(txn)->ops;
	return ops->open_tree ? ops->open_tree(txn, tree, name, create, error) : FF_OK;
}

/* Opens every table and index of the catalog; creates those that are younger than the store. */
static ff_code open_trees(ff_txn *txn, uint32_t version, ff_error *error)
{
	const ff_catalog *catalog = ffp_kv_of(txn)->catalog;
	const char *name = "";
	ff_code code = FF_OK;
	for (uint32_t i = 0; code == FF_OK && i < catalog->tables_count; i++) {
		const ff_table *table = &catalog->tables[i];
		name = table->name;
		code = open_tree(txn, ff_kv_tree(table, NULL), name, table->since > version, error);
		for (unsigned j = 0; code == FF_OK && j < table->indexes_count; j++) {
			const ff_index *index = &table->indexes[j];
			name = index->name;
			code = open_tree(txn, ff_kv_tree(table, index), name, index->since > version, error);
		}
	}
	return code == FF_E_NOT_FOUND ? ff_error_set(error, FF_E_CORRUPT, "'%s' is missing", name) : code;
}

/* ---- migration ---------------------------------------------------------------------------------------------- */

/* A walk over a table for an index that is new. */
typedef struct filling {
	const ff_table *table;
	const ff_index *index;
	ffp_kv_key at;
	bool has;
	ffp_kv_key place;
} filling;

static ff_code look_at_row(ff_txn *txn, const ff_kv_entry *entry, void *context, ff_error *error)
{
	filling *of = context;
	ffp_kv_row row;
	ff_code code = ffp_kv_read_row(of->table, entry, &row, error);
	if (code == FF_OK)
		code = ffp_kv_key_of(txn, of->table, NULL, &row.row, &of->at, error);
	of->has = code == FF_OK && row.row.state == FF_ROW_OK && ffp_kv_is_indexed(of->index, &row.row);
	return of->has ? ffp_kv_key_of(txn, of->table, of->index, &row.row, &of->place, error) : code;
}

static ff_code fill_index(ff_txn *txn, const ff_table *table, const ff_index *index, ff_error *error)
{
	filling of = { .table = table, .index = index };
	unsigned rows = ff_kv_tree(table, NULL);
	unsigned places = ff_kv_tree(table, index);
	ff_code code;
	while ((code = ffp_kv_first(txn, rows, &of.at, look_at_row, &of, error)) == FF_OK) {
		if (of.has)
			code = ffp_kv_put(txn, places, ffp_kv_bytes_of(&of.place), (ff_kv_bytes){ "", 0 }, FF_KV_INSERT,
			                  error);
		if (code != FF_OK)
			return ffp_kv_spoiled(index, code, error);
		of.at.bytes[of.at.size++] = 0; /* the least key above the row's */
	}
	return code == FF_E_NOT_FOUND ? FF_OK : code;
}

/* Rows of older versions are read as they are, so only what is new has to be made. */
static ff_code bring_up(ff_txn *txn, uint32_t version, ff_error *error)
{
	const ff_catalog *catalog = ffp_kv_of(txn)->catalog;
	ff_code code = open_trees(txn, version, error);
	for (uint32_t i = 0; code == FF_OK && i < catalog->tables_count; i++) {
		const ff_table *table = &catalog->tables[i];
		for (unsigned j = 0; code == FF_OK && j < table->indexes_count; j++)
			if (table->indexes[j].since > version)
				code = fill_index(txn, table, &table->indexes[j], error);
	}
	return code == FF_OK ? write_version(txn, version, error) : code;
}

static ff_code check_version(const ff_store_config *config, uint32_t version, ff_error *error)
{
	bool read_only = config->flags & FF_STORE_READ_ONLY;
	return ffp_version_check(config->catalog, version, read_only, config->path, error);
}

/* Brings the store to the catalog's version, if nobody else has done so by now. */
static ff_code migrate(ff_store *store, const ff_store_config *config, ff_error *error)
{
	const ff_kv *kv = (const ff_kv *)(const void *)store;
	ff_txn *txn;
	uint32_t version = 0;
	ff_code code = kv->ops->begin(store, FF_TXN_WRITE, &txn, error);
	if (code != FF_OK)
		return code;
	*(ff_kv_txn *)(void *)txn = (ff_kv_txn){ store, FF_TXN_WRITE };
	code = open_tree(txn, SCHEMA_TREE, "ff_schema", true, error);
	if (code == FF_OK)
		code = read_version(txn, &version, error);
	if (code == FF_OK)
		code = check_version(config, version, error);
	if (code == FF_OK)
		code = version < config->catalog->version ? bring_up(txn, version, error)
		                                          : open_trees(txn, version, error);
	if (code == FF_OK)
		return kv->ops->commit(txn, error);
	kv->ops->abort(txn);
	return code;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* The store's version, 0 where it has none; its trees are open where the version is ours. */
static ff_code look(ff_store *store, uint32_t *version, ff_error *error)
{
	const ff_kv *kv = (const ff_kv *)(const void *)store;
	ff_txn *txn;
	ff_code code = kv->ops->begin(store, FF_TXN_READ, &txn, error);
	if (code != FF_OK)
		return code;
	*(ff_kv_txn *)(void *)txn = (ff_kv_txn){ store, FF_TXN_READ };
	*version = 0;
	code = open_tree(txn, SCHEMA_TREE, "ff_schema", false, error);
	if (code == FF_OK)
		code = read_version(txn, version, error);
	if (code == FF_OK && *version == kv->catalog->version)
		code = open_trees(txn, *version, error);
	if (code == FF_OK)
		return kv->ops->commit(txn, error);
	kv->ops->abort(txn);
	return code == FF_E_NOT_FOUND ? FF_OK : code;
}

static ff_code check_tables(const ff_catalog *catalog, ff_error *error)
{
	for (uint32_t i = 0; i < catalog->tables_count; i++)
		if (catalog->tables[i].row_size > sizeof(ffp_kv_row))
			return ff_error_set(error, FF_E_UNAVAILABLE, "rows of table '%s' are too large for this store",
			                    catalog->tables[i].name);
	return FF_OK;
}

#define CALL(name_)                                \
	{                                          \
#name_, offsetof(ff_kv_ops, name_) \
	}

static const struct {
	const char *name;
	size_t offset;
} mandatory_calls[] = { CALL(begin),  CALL(commit),      CALL(abort),        CALL(get),  CALL(put),
	                CALL(remove), CALL(open_cursor), CALL(close_cursor), CALL(seek), CALL(step) };

/* As slots are looked at where a backend is registered: the first call of one that is missing would end the process. */
static ff_code check_calls(const ff_kv_ops *ops, ff_error *error)
{
	if (ops->size < offsetof(ff_kv_ops, is_untouched))
		return ff_error_set(error, FF_E_INVALID, "ff_kv_ops is of %u bytes: is its size set",
		                    (unsigned)ops->size);
	for (size_t i = 0; i < sizeof(mandatory_calls) / sizeof(*mandatory_calls); i++) {
		void (*call)(void);
		memcpy(&call, (const char *)ops + mandatory_calls[i].offset, sizeof(call));
		if (!call)
			return ff_error_set(error, FF_E_INVALID, "ff_kv_ops lacks the call '%s'",
			                    mandatory_calls[i].name);
	}
	return FF_OK;
}

ff_code ff_kv_open(ff_store *store, const ff_kv_ops *ops, const ff_store_config *config, ff_error *error)
{
	*(ff_kv *)(void *)store =
	    (ff_kv){ ops, config->catalog, config->allocator, (config->flags & FF_STORE_READ_ONLY) != 0 };
	uint32_t version = 0;
	ff_code code = check_calls(ops, error);
	if (code == FF_OK)
		code = check_tables(config->catalog, error);
	if (code == FF_OK)
		code = look(store, &version, error);
	if (code == FF_OK && version == 0 && (config->flags & (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST)))
		code = ff_error_set(error, FF_E_NOT_FOUND, "'%s' holds no store", config->path);
	if (code == FF_OK)
		code = check_version(config, version, error);
	return code == FF_OK && version < config->catalog->version ? migrate(store, config, error) : code;
}

/* An engine that was compiled with an older header has no such call. */
static bool is_untouched(const ff_kv_ops *ops, ff_txn *txn)
{
	const size_t needed = offsetof(ff_kv_ops, is_untouched) + sizeof(ops->is_untouched);
	return ops->size >= needed && ops->is_untouched && ops->is_untouched(txn);
}

ff_code ff_kv_begin(ff_store *store, ff_txn_kind kind, ff_txn **txn, ff_error *error)
{
	const ff_kv *kv = (const ff_kv *)(const void *)store;
	uint32_t version = 0;
	if (kind == FF_TXN_WRITE && kv->read_only)
		return ff_error_set(error, FF_E_MISUSE, "the store is open for reading only");
	ff_code code = kv->ops->begin(store, kind, txn, error);
	if (code != FF_OK)
		return code;
	*(ff_kv_txn *)(void *)*txn = (ff_kv_txn){ store, kind };
	if (kind == FF_TXN_WRITE && is_untouched(kv->ops, *txn))
		return FF_OK;
	code = read_version(*txn, &version, error);
	if (code == FF_OK && version == kv->catalog->version)
		return FF_OK;
	/* A newer library has migrated the store under us. */
	if (code == FF_OK)
		ff_error_set(error, FF_E_IO, "the store's schema is now version %u, it was %u when opened",
		             (unsigned)version, (unsigned)kv->catalog->version);
	kv->ops->abort(*txn);
	return error->code = code == FF_E_BUSY || code == FF_E_NO_MEMORY ? code : FF_E_IO;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

/* So many entries are looked at before the walk rests. */
enum { SLICE = 1000, LINES_AN_ENTRY = 1 + FF_INDEXES_MAX };

/* A walk over one tree. Problems are kept until the walk rests, since a host may do anything when it is told one. */
typedef struct checking {
	ff_txn *txn;
	const ff_table *table;
	const ff_index *index; /* NULL: the table's own tree */
	bool begun;
	ffp_kv_key last; /* that was looked at */
	char lines[16][sizeof(((ff_error *)NULL)->message)];
	unsigned lines_count;
	ff_error *error;
} checking;

/* Writes what fits of a row's key: 'a', 5. */
static void describe(const ff_table *table, const ff_row *row, char *text, size_t room)
{
	size_t used = 0;
	for (unsigned i = 0; i < table->key_count && used < room; i++) {
		const ff_column *column = &table->columns[i];
		const char *comma = i ? ", " : "";
		if (column->type == FF_TYPE_INT64)
			used +=
			    (size_t)snprintf(text + used, room - used, "%s%" PRId64, comma, *ff_row_int64(row, column));
		else
			used += (size_t)snprintf(text + used, room - used, "%s'%.*s'", comma,
			                         (int)ff_row_text(row, column)->size, ff_row_text(row, column)->data);
	}
}

/* What a spoiled key holds may be no text; the core makes one of it. */
static void tell(checking *of, const ff_index *index, const ff_row *row, const char *fault)
{
	char key[256] = "";
	if (row)
		describe(of->table, row, key, sizeof(key));
	snprintf(of->lines[of->lines_count++], sizeof(of->lines[0]), "%s '%s'%s%s%s: %s", index ? "index" : "table",
	         index ? index->name : of->table->name, row ? ", row (" : "", key, row ? ")" : "", fault);
}

/* Whether each index of the table has its entry of the row. */
static ff_code check_row(checking *of, const ff_kv_entry *entry)
{
	const ff_table *table = of->table;
	ffp_kv_row row;
	ffp_kv_entries entries;
	ff_code code = ffp_kv_read_row(table, entry, &row, of->error);
	if (code == FF_E_CORRUPT || row.row.state != FF_ROW_OK) {
		tell(of, NULL, code == FF_OK ? &row.row : NULL, "a row cannot be read");
		return FF_OK;
	}
	code = ffp_kv_entries_of(of->txn, table, &row.row, &entries, of->error);
	for (unsigned i = 0; code == FF_OK && i < table->indexes_count; i++) {
		const ff_index *index = &table->indexes[i];
		ff_kv_bytes value;
		if (entries.has[i])
			code = ffp_kv_of(of->txn)->ops->get(of->txn, ff_kv_tree(table, index),
			                                    ffp_kv_bytes_of(&entries.keys[i]), &value, of->error);
		if (code == FF_E_NOT_FOUND) {
			tell(of, index, &row.row, "its entry is missing");
			code = FF_OK;
		}
	}
	return code;
}

/* Whether an entry of an index is that of its row. */
static ff_code check_entry(checking *of, const ff_kv_entry *place)
{
	const ff_table *table = of->table;
	ffp_kv_row names, row;
	ffp_kv_key key, own;
	memset(&names, 0, table->row_size);
	if (!ffp_kv_read_key(table, of->index, place->key, &names.row)) {
		tell(of, of->index, NULL, "an entry cannot be read");
		return FF_OK;
	}
	ff_code code = ffp_kv_key_of(of->txn, table, NULL, &names.row, &key, of->error);
	ff_kv_entry entry = { .key = ffp_kv_bytes_of(&key) };
	if (code == FF_OK)
		code =
		    ffp_kv_of(of->txn)->ops->get(of->txn, ff_kv_tree(table, NULL), entry.key, &entry.value, of->error);
	if (code == FF_E_NOT_FOUND) {
		tell(of, of->index, &names.row, "its row is not there");
		return FF_OK;
	}
	if (code == FF_OK)
		code = ffp_kv_read_row(table, &entry, &row, of->error);
	if (code != FF_OK || row.row.state != FF_ROW_OK)
		return code; /* of which the table's own walk tells */
	code = ffp_kv_key_of(of->txn, table, of->index, &row.row, &own, of->error);
	if (code == FF_OK && (place->value.size || !ffp_kv_is_indexed(of->index, &row.row) ||
	                      ffp_kv_compare(ffp_kv_bytes_of(&own), place->key) != 0))
		tell(of, of->index, &names.row, "an entry that its row does not have");
	return code;
}

static ff_code check_next(checking *of, const ff_kv_entry *entry)
{
	const size_t max = FF_KV_KEY_MAX;
	if (of->begun && ffp_kv_compare(entry->key, ffp_kv_bytes_of(&of->last)) <= 0) {
		tell(of, of->index, NULL, "its keys are out of order");
		return FF_E_NOT_FOUND; /* going on could go round */
	}
	of->begun = true;
	of->last.size = entry->key.size < max ? entry->key.size : max;
	if (of->last.size)
		memcpy(of->last.bytes, entry->key.data, of->last.size);
	return of->index ? check_entry(of, entry) : check_row(of, entry);
}

static bool has_room(const checking *of)
{
	return of->lines_count + LINES_AN_ENTRY < sizeof(of->lines) / sizeof(*of->lines);
}

/* Looks at the next entries; NOT_FOUND past the last. */
static ff_code check_slice(checking *of, ff_kv_cursor *cursor)
{
	const ff_kv_ops *ops = ffp_kv_of(of->txn)->ops;
	ff_kv_entry entry;
	ff_code code = ops->seek(cursor, FF_KV_UP, ffp_kv_bytes_of(&of->last), &entry, of->error);
	if (code == FF_OK && of->begun && ffp_kv_compare(entry.key, ffp_kv_bytes_of(&of->last)) == 0)
		code = ops->step(cursor, FF_KV_UP, &entry, of->error);
	for (unsigned n = 0; code == FF_OK && n < SLICE && has_room(of); n++) {
		code = check_next(of, &entry);
		if (code == FF_OK)
			code = ops->step(cursor, FF_KV_UP, &entry, of->error);
	}
	return code;
}

static ff_code check_tree(checking *of, ff_problem_fn *problem, void *context)
{
	const ff_kv_ops *ops = ffp_kv_of(of->txn)->ops;
	ff_code code = FF_OK;
	of->begun = false;
	of->last.size = 0;
	while (code == FF_OK) {
		ff_kv_cursor *cursor;
		code = ops->open_cursor(of->txn, ff_kv_tree(of->table, of->index), &cursor, of->error);
		if (code != FF_OK)
			break;
		code = check_slice(of, cursor);
		ops->close_cursor(cursor);
		if (ops->rest)
			ops->rest(of->txn);
		for (unsigned i = 0; i < of->lines_count; i++)
			problem(context, of->lines[i]);
		of->lines_count = 0;
	}
	return code == FF_E_NOT_FOUND ? FF_OK : code;
}

ff_code ff_kv_check(ff_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	const ff_kv *kv = (const ff_kv *)(const void *)store;
	checking of = { .error = error };
	ff_code code = ff_kv_begin(store, FF_TXN_READ, &of.txn, error);
	if (code != FF_OK)
		return code;
	for (uint32_t i = 0; code == FF_OK && i < kv->catalog->tables_count; i++) {
		of.table = &kv->catalog->tables[i];
		of.index = NULL;
		code = check_tree(&of, problem, context);
		for (unsigned j = 0; code == FF_OK && j < of.table->indexes_count; j++) {
			of.index = &of.table->indexes[j];
			code = check_tree(&of, problem, context);
		}
	}
	kv->ops->abort(of.txn);
	return code;
}
