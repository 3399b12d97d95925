/*
 * The rows of a store, past the engine: the suite's own description of the tables, by which it reads and plants rows
 * through a backend's slots. Names, types and order are those that every store keeps; a row here is one generic struct.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

typedef union cell {
	ff_text text;
	int64_t int64;
} cell;

typedef struct any_row {
	ff_row row;
	cell cells[16];
} any_row;

#define COLUMN(i, name_, type_, nullable_)                                                                             \
	{                                                                                                              \
		.name = (name_), .offset = (uint16_t)(offsetof(any_row, cells) + (i) * sizeof(cell)), .type = (type_), \
		.nullable = (nullable_), .since = 1                                                                    \
	}
#define INT(i, name) COLUMN(i, name, FF_TYPE_INT64, 0)
#define INT_OR_NULL(i, name) COLUMN(i, name, FF_TYPE_INT64, 1)
#define TEXT(i, name) COLUMN(i, name, FF_TYPE_TEXT, 0)
#define TEXT_OR_NULL(i, name) COLUMN(i, name, FF_TYPE_TEXT, 1)

static const ff_column budget_policy[] = {
	TEXT(0, "budget_id"),
	TEXT(1, "policy_json"),
	TEXT(2, "scope_type"),
	TEXT(3, "scope_id"),
	TEXT(4, "enforcement_mode"),
	INT(5, "breach_count"),
	INT(6, "soft_breach_count"),
	INT_OR_NULL(7, "last_breach_at_ms"),
	TEXT_OR_NULL(8, "last_breach_dim"),
	INT_OR_NULL(9, "next_reset_at_ms"),
	INT(10, "created_at_ms"),
	INT(11, "updated_at_ms"),
	INT(12, "period"),
};
static const ff_index budget_policy_indexes[] = {
	{ .name = "ff_budget_policy_by_next_reset", .columns = { 9 }, .columns_count = 1, .since = 1 },
};
static const ff_column budget_usage[] = {
	TEXT(0, "budget_id"),    TEXT(1, "dimensions_key"), INT(2, "current_value"),
	INT(3, "updated_at_ms"), INT(4, "period"),
};
static const ff_column budget_usage_dedup[] = {
	TEXT(0, "dedup_key"),     TEXT(1, "budget_id"),    TEXT(2, "outcome_json"),
	INT(3, "payload_digest"), INT(4, "applied_at_ms"), INT(5, "expires_at_ms"),
};
static const ff_column budget_usage_by_exec[] = {
	TEXT(0, "budget_id"),  TEXT(1, "execution_id"), TEXT(2, "dimensions_key"),
	INT(3, "delta_total"), INT(4, "updated_at_ms"), INT(5, "period"),
};
static const ff_column quota_policy[] = {
	TEXT(0, "quota_policy_id"),
	INT(1, "requests_per_window_seconds"),
	INT(2, "max_requests_per_window"),
	INT(3, "active_concurrency_cap"),
	INT(4, "active_concurrency"),
	INT(5, "next_entry"),
	INT(6, "latest_ms"),
	INT(7, "created_at_ms"),
	INT(8, "updated_at_ms"),
	INT(9, "limits_stored"),
};
static const ff_column quota_window[] = {
	TEXT(0, "quota_policy_id"), INT(1, "entry"),         TEXT(2, "execution_id"),
	INT(3, "admitted_at_ms"),   INT(4, "expires_at_ms"),
};
static const ff_column quota_admitted[] = {
	TEXT(0, "quota_policy_id"), TEXT(1, "execution_id"),          INT(2, "admitted_at_ms"),
	INT(3, "expires_at_ms"),    INT_OR_NULL(4, "lease_until_ms"),
};
static const ff_index quota_admitted_indexes[] = {
	{ .name = "ff_quota_admitted_by_lease", .columns = { 0, 4 }, .columns_count = 2, .since = 1 },
};
static const ff_column sweep[] = {
	TEXT(0, "work"),
	TEXT(1, "last_text_1"),
	TEXT(2, "last_text_2"),
	INT(3, "last_number"),
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define TABLE(id_, name_, columns_, key_count_)                                                                \
	.name = (name_), .columns = (columns_), .row_size = sizeof(any_row), .columns_count = COUNT(columns_), \
	.key_count = (key_count_), .id = (id_), .since = 1
#define INDEXES(indexes_) .indexes = (indexes_), .indexes_count = COUNT(indexes_)

static const ff_table tables[] = {
	{ TABLE(0, "ff_budget_policy", budget_policy, 1), INDEXES(budget_policy_indexes) },
	{ TABLE(1, "ff_budget_usage", budget_usage, 2) },
	{ TABLE(2, "ff_budget_usage_dedup", budget_usage_dedup, 2) },
	{ TABLE(3, "ff_budget_usage_by_exec", budget_usage_by_exec, 3) },
	{ TABLE(4, "ff_quota_policy", quota_policy, 1) },
	{ TABLE(5, "ff_quota_window", quota_window, 2) },
	{ TABLE(6, "ff_quota_admitted", quota_admitted, 2), INDEXES(quota_admitted_indexes) },
	{ TABLE(7, "ff_sweep", sweep, 1) },
};

const ff_catalog ffp_raw_catalog = { .tables = tables, .tables_count = COUNT(tables), .version = 1 };

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* Counts bytes: what was taken is given back by close, with the size that it was taken with. */
static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	_Atomic int64_t *taken = context;
	*taken += (int64_t)size - (int64_t)old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

/* Each row and text is a block of the test's own, so that a sanitizer sees every overrun. */
typedef struct test_arena {
	ff_arena arena;
	ff_test *test;
} test_arena;

static void *grow(ff_arena *arena, size_t size)
{
	return ff_test_alloc(((test_arena *)arena)->test, size);
}

ff_arena *ffp_raw_arena(ff_test *test)
{
	static char nothing[1];
	test_arena *made = ff_test_alloc(test, sizeof(*made));
	*made = (test_arena){ .arena = { .at = nothing, .end = nothing, .grow = grow }, .test = test };
	return &made->arena;
}

/* ---- the store, opened by its backend alone ----------------------------------------------------------------- */

/* Takes SCHEME:PATH?NAME=VALUE&… apart; no harness of ours percent-encodes. */
static void split_uri(ff_test *test, ff_store_config *config)
{
	char *text = (char *)(uintptr_t)ff_test_text(test, "%s", config->uri);
	ff_param *params = ff_test_alloc(test, 8 * sizeof(*params));
	config->params = params;
	config->scheme = strsep(&text, ":");
	FF_REQUIRE(test, text != NULL);
	config->path = strsep(&text, "?");
	while (text && config->params_count < 8) {
		char *value = strsep(&text, "&");
		const char *name = strsep(&value, "=");
		params[config->params_count++] = (ff_param){ name, value ? value : "" };
	}
}

/* An open store with what it needs until its end. */
typedef struct opened {
	ffp_raw raw; /* first: a pointer to it is one to the whole */
	ff_test *test;
	ff_allocator allocator;
	_Atomic int64_t taken;
} opened;

static void free_opened(opened *of)
{
	if (!FF_CHECK(of->test, of->taken == 0))
		ff_test_note(of->test, "the backend holds %" PRId64 " bytes of its host", (int64_t)of->taken);
	free(of->raw.store);
	free(of);
}

static void close_raw(void *object)
{
	opened *of = object;
	of->raw.backend->close(of->raw.store);
	free_opened(of);
}

ff_code ffp_raw_open_at(ff_test *test, const char *uri, const ff_catalog *catalog, uint32_t flags, ffp_raw **raw)
{
	ff_store_config config = { .uri = uri, .catalog = catalog, .flags = flags };
	*raw = NULL;
	split_uri(test, &config);
	const ff_engine_backend *backend = ff_backend_find(config.scheme);
	FF_REQUIRE(test, backend != NULL);
	opened *of = calloc(1, sizeof(*of));
	FF_REQUIRE(test, of != NULL);
	*of = (opened){ .raw = { .backend = backend, .store = calloc(1, backend->instance_size) }, .test = test };
	of->allocator = (ff_allocator){ .resize = resize, .context = &of->taken };
	config.allocator = &of->allocator;
	FF_REQUIRE(test, of->raw.store != NULL);
	ff_code code = backend->open(of->raw.store, &config, ffp_raw_error(test));
	if (code) {
		ffp_raw_check_told(test, code);
		free_opened(of);
		return code;
	}
	ff_test_defer(test, close_raw, of);
	*raw = &of->raw;
	return FF_OK;
}

ff_code ffp_raw_open(ff_test *test, const ff_catalog *catalog, uint32_t flags, ffp_raw **raw)
{
	return ffp_raw_open_at(test, ff_test_uri(test), catalog, flags, raw);
}

void ffp_raw_close(ff_test *test, ffp_raw *raw)
{
	ff_test_undo(test, raw);
}

/* ---- what a slot tells of a failure ------------------------------------------------------------------------- */

ff_error *ffp_raw_error(ff_test *test)
{
	return memset(ff_test_error(test), 0, sizeof(ff_error));
}

/* The length of the UTF-8 character at `at`, which is no control character, or 0. Bytes end with a NUL. */
static size_t character_length(const unsigned char *at)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
	if (length > 1 && (*at < 0xc2 || *at > 0xf4))
		return 0;
	uint32_t code = length == 1 ? *at : *at & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
	bool is_surrogate = code >= 0xd800 && code < 0xe000;
	return code < least[length] || code > 0x10ffff || is_control || is_surrogate ? 0 : length;
}

static void check_line(ff_test *test, const char *field, const char *text, size_t size)
{
	if (!FF_CHECK(test, memchr(text, '\0', size) != NULL)) {
		ff_test_note(test, "'%s' of the error has no end", field);
		return;
	}
	size_t i = 0, length = 0;
	while (text[i] && (length = character_length((const unsigned char *)text + i)))
		i += length;
	if (!FF_CHECK(test, !text[i]))
		ff_test_note(test, "'%s' of the error is no line of UTF-8, at byte %zu", field, i);
}

/* What is wrong for good is not to be sent again. */
static bool is_for_good(ff_code code)
{
	return code == FF_E_INVALID || code == FF_E_VERSION || code == FF_E_UNAVAILABLE || code == FF_E_MISUSE;
}

void ffp_raw_check_told(ff_test *test, ff_code code)
{
	const ff_error *error = ff_test_error(test);
	if (!code)
		return;
	FF_CHECK_EQ_INT(test, error->code, code);
	FF_CHECK(test, *error->message);
	check_line(test, "message", error->message, sizeof(error->message));
	check_line(test, "native_code", error->native_code, sizeof(error->native_code));
	check_line(test, "entity", error->entity, sizeof(error->entity));
	check_line(test, "id", error->id, sizeof(error->id));
	if (code == FF_E_BUSY || code == FF_E_CONFLICT)
		FF_CHECK(test, error->retryable);
	else if (is_for_good(code))
		FF_CHECK(test, !error->retryable);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static const ff_table *table_named(ff_test *test, const char *name)
{
	for (size_t i = 0; i < COUNT(tables); i++) {
		if (!strcmp(tables[i].name, name))
			return &tables[i];
	}
	ff_test_note(test, "no table is named '%s'", name);
	FF_REQUIRE(test, false);
	return NULL;
}

static unsigned column_named(ff_test *test, const ff_table *table, const char *name)
{
	for (unsigned i = 0; i < table->columns_count; i++) {
		if (!strcmp(table->columns[i].name, name))
			return i;
	}
	ff_test_note(test, "table '%s' has no column '%s'", table->name, name);
	FF_REQUIRE(test, false);
	return 0;
}

static void set_cell(ff_test *test, const ff_table *table, any_row *row, unsigned column, const char *value)
{
	row->row.nulls &= ~(1u << column);
	if (!value)
		row->row.nulls |= 1u << column;
	else if (table->columns[column].type == FF_TYPE_INT64)
		row->cells[column].int64 = strtoll(value, NULL, 10);
	else
		row->cells[column].text = (ff_text){ ff_test_text(test, "%s", value), strlen(value) };
}

static any_row *row_of_key(ff_test *test, const ff_table *table, const char *key)
{
	any_row *row = ff_test_alloc(test, sizeof(*row));
	char *rest = (char *)(uintptr_t)ff_test_text(test, "%s", key);
	for (unsigned i = 0; i < table->key_count; i++) {
		FF_REQUIRE(test, rest != NULL);
		set_cell(test, table, row, i, strsep(&rest, "\n"));
	}
	for (unsigned i = table->key_count; i < table->columns_count; i++)
		set_cell(test, table, row, i, table->columns[i].nullable ? NULL : "");
	return row;
}

typedef struct transaction {
	ffp_raw *raw;
	ff_txn *txn;
	const ff_table *table;
	any_row *row; /* as it is stored, or NULL */
	any_row *key;
} transaction;

/* Begins and loads one row. */
static transaction begin_at(ff_test *test, ff_txn_kind kind, const char *table, const char *key)
{
	transaction at = { .table = table_named(test, table) };
	at.key = row_of_key(test, at.table, key);
	uint32_t flags = kind == FF_TXN_READ ? FF_STORE_READ_ONLY : FF_STORE_MUST_EXIST;
	FF_REQUIRE_OK(test, ffp_raw_open(test, &ffp_raw_catalog, flags, &at.raw));
	const ff_engine_backend *backend = at.raw->backend;
	FF_REQUIRE_OK(test, backend->begin(at.raw->store, kind, &at.txn, ff_test_error(test)));
	ff_read read = { .table = at.table, .kind = FF_READ_GET, .low = &at.key->row };
	ff_code code = backend->load(at.txn, ffp_raw_arena(test), &read, 1, ff_test_error(test));
	if (code)
		backend->abort(at.txn);
	FF_REQUIRE_OK(test, code);
	at.row = (any_row *)read.row;
	return at;
}

ff_txn *ffp_row_hold(ff_test *test, const char *table, const char *key, ffp_raw **raw)
{
	transaction at = begin_at(test, FF_TXN_WRITE, table, key);
	if (!at.row)
		at.raw->backend->abort(at.txn);
	FF_REQUIRE(test, at.row != NULL);
	*raw = at.raw;
	return at.txn;
}

const char *ffp_row_get(ff_test *test, const char *table, const char *key, const char *column)
{
	unsigned wanted = column_named(test, table_named(test, table), column);
	transaction at = begin_at(test, FF_TXN_READ, table, key);
	at.raw->backend->abort(at.txn);
	ffp_raw_close(test, at.raw);
	if (!at.row)
		return "(absent)";
	if (ff_row_is_null(&at.row->row, wanted))
		return NULL;
	const cell *value = &at.row->cells[wanted];
	if (at.table->columns[wanted].type == FF_TYPE_INT64)
		return ff_test_text(test, "%" PRId64, value->int64);
	return ff_test_text(test, "%.*s", (int)value->text.size, value->text.data);
}

void ffp_row_set(ff_test *test, const char *table, const char *key, const char *column, const char *value)
{
	unsigned wanted = column_named(test, table_named(test, table), column);
	transaction at = begin_at(test, FF_TXN_WRITE, table, key);
	any_row *after = at.row ? ff_test_alloc(test, sizeof(*after)) : at.key;
	if (at.row)
		*after = *at.row;
	set_cell(test, at.table, after, wanted, value);
	ff_write write = {
		.table = at.table, .kind = FF_WRITE_PUT, .before = at.row ? &at.row->row : NULL, .after = &after->row
	};
	const ff_engine_backend *backend = at.raw->backend;
	ff_code code = backend->store(at.txn, &write, 1, ff_test_error(test));
	if (code)
		backend->abort(at.txn);
	else
		code = backend->commit(at.txn, ff_test_error(test));
	FF_REQUIRE_OK(test, code);
	ffp_raw_close(test, at.raw);
}

uint64_t ffp_row_count(ff_test *test, const char *table)
{
	const ff_table *counted = table_named(test, table);
	ffp_raw *raw = NULL;
	ff_txn *txn = NULL;
	FF_REQUIRE_OK(test, ffp_raw_open(test, &ffp_raw_catalog, FF_STORE_READ_ONLY, &raw));
	FF_REQUIRE_OK(test, raw->backend->begin(raw->store, FF_TXN_READ, &txn, ff_test_error(test)));
	ff_read read = { .table = counted, .kind = FF_READ_RANGE, .limit = 100000 };
	ff_code code = raw->backend->load(txn, ffp_raw_arena(test), &read, 1, ff_test_error(test));
	raw->backend->abort(txn);
	FF_REQUIRE_OK(test, code);
	ffp_raw_close(test, raw);
	return read.rows_count;
}
