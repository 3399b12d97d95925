/* The tests' own tables, stores and rows. */
#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char directory[] = "/tmp/ff-backend-tests-XXXXXX";
ff_error error;

/* ---- tables ------------------------------------------------------------------------------------------------- */

#define COLUMN(name_, field, type_, nullable_, since_)                                          \
	{                                                                                       \
		.name = (name_), .offset = (uint16_t)offsetof(odd_row, field), .type = (type_), \
		.nullable = (nullable_), .since = (since_)                                      \
	}
#define INT(name, field, nullable, since) COLUMN(name, field, FF_TYPE_INT64, nullable, since)
#define TEXT(name, field, nullable, since) COLUMN(name, field, FF_TYPE_TEXT, nullable, since)

/* Names that need their quotes. */
static const ff_column odd_columns_v1[] = {
	TEXT("a", a, 0, 1), INT("order", b, 0, 1), TEXT("the \"third\"", c, 0, 1), INT("n", n, 1, 1),
	TEXT("t", t, 1, 1), INT("v", v, 0, 1),     TEXT("select", w, 0, 1),
};

/* The new columns lie between the old ones. */
static const ff_column odd_columns_v2[] = {
	TEXT("a", a, 0, 1),      INT("order", b, 0, 1), TEXT("the \"third\"", c, 0, 1),
	INT("x", x, 0, 2),       INT("n", n, 1, 1),     TEXT("t", t, 1, 1),
	TEXT("y", y, 1, 2),      INT("v", v, 0, 1),     TEXT("z", z, 0, 2),
	TEXT("select", w, 0, 1),
};

static const ff_index odd_indexes_v1[] = {
	{ .name = "odd_by_n", .columns = { 3 }, .columns_count = 1, .since = 1 },
	{ .name = "odd_by_v", .columns = { 5 }, .columns_count = 1, .since = 1 },
	{ .name = "odd by \"a\" and t", .columns = { 0, 4 }, .columns_count = 2, .since = 1 },
	{ .name = "odd_by_many", .columns = { 5, 3, 2, 4 }, .columns_count = 4, .since = 1 },
};

static const ff_index odd_indexes_v2[] = {
	{ .name = "odd_by_n", .columns = { 4 }, .columns_count = 1, .since = 1 },
	{ .name = "odd_by_v", .columns = { 7 }, .columns_count = 1, .since = 1 },
	{ .name = "odd by \"a\" and t", .columns = { 0, 5 }, .columns_count = 2, .since = 1 },
	{ .name = "odd_by_many", .columns = { 7, 4, 2, 5 }, .columns_count = 4, .since = 1 },
	{ .name = "odd_by_y", .columns = { 6, 3 }, .columns_count = 2, .since = 2 },
};

static const ff_column late_columns[] = {
	{ .name = "id", .offset = offsetof(late_row, id), .type = FF_TYPE_INT64, .since = 2 },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define ODD(columns_, indexes_)                                                                                     \
	{                                                                                                           \
		.name = "odd \"table\"", .columns = (columns_), .indexes = (indexes_), .row_size = sizeof(odd_row), \
		.columns_count = COUNT(columns_), .key_count = ODD_KEY, .indexes_count = COUNT(indexes_),           \
		.id = TABLE_ODD, .since = 1                                                                         \
	}

static const ff_table tables_v1[] = { ODD(odd_columns_v1, odd_indexes_v1) };
static const ff_table tables_v2[] = {
	ODD(odd_columns_v2, odd_indexes_v2),
	{ .name = "late",
	  .columns = late_columns,
	  .row_size = sizeof(late_row),
	  .columns_count = 1,
	  .key_count = 1,
	  .id = TABLE_LATE,
	  .since = 2 },
};

const ff_catalog catalog_v1 = { .tables = tables_v1, .tables_count = COUNT(tables_v1), .version = 1 };
const ff_catalog catalog_v2 = { .tables = tables_v2, .tables_count = COUNT(tables_v2), .version = 2 };

odd_row odd(const char *a, int64_t b, const char *c, int64_t v)
{
	return (
	    odd_row){ .a = text_of(a), .b = b, .c = text_of(c), .n = v, .t = text_of("t"), .v = v, .w = text_of("w") };
}

bool rows_equal(const ff_table *table, const ff_row *a, const ff_row *b)
{
	bool equal = a->nulls == b->nulls && a->state == b->state;
	for (unsigned i = 0; equal && i < table->columns_count; i++) {
		const ff_column *column = &table->columns[i];
		if (ff_row_is_null(a, i))
			continue;
		if (column->type == FF_TYPE_INT64)
			equal = *ff_row_int64(a, column) == *ff_row_int64(b, column);
		else
			equal = ff_text_compare(*ff_row_text(a, column), *ff_row_text(b, column)) == 0;
	}
	return equal;
}

/* ---- memory ------------------------------------------------------------------------------------------------- */

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
	(void)context;
	(void)old_size;
	if (size)
		return realloc(old, size);
	free(old);
	return NULL;
}

const ff_allocator test_allocator = { resize, NULL };

static void *resize_until(void *context, void *old, size_t old_size, size_t size)
{
	stingy *of = context;
	if (size && of->left == 0)
		of->struck = true;
	if (size && of->left-- == 0)
		return NULL;
	return test_allocator.resize(NULL, old, old_size, size);
}

ff_allocator stingy_allocator(stingy *of)
{
	return (ff_allocator){ resize_until, of };
}

typedef struct block {
	struct block *next;
	max_align_t start[];
} block;

static block *blocks;

static void *grow(ff_arena *of, size_t size)
{
	size_t room = size > 4096 ? size : 4096;
	block *fresh = malloc(sizeof(*fresh) + room);
	if (!fresh)
		return NULL;
	fresh->next = blocks;
	blocks = fresh;
	of->at = (char *)fresh->start + size;
	of->end = (char *)fresh->start + room;
	return fresh->start;
}

static ff_arena shared_arena = { .grow = grow };

ff_arena *arena(void)
{
	return &shared_arena;
}

void forget_arena(void);
void forget_arena(void)
{
	while (blocks) {
		block *next = blocks->next;
		free(blocks);
		blocks = next;
	}
	shared_arena = (ff_arena){ .grow = grow };
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

const char *path_of(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

ff_code open_store(const char *path, const ff_catalog *catalog, uint32_t flags, const char *const *params,
                   ff_store **store)
{
	ff_param list[4];
	ff_store_config config = { .uri = "",
		                   .scheme = subject.backend->name,
		                   .path = path,
		                   .params = list,
		                   .catalog = catalog,
		                   .allocator = &test_allocator,
		                   .flags = flags };
	for (; params && *params; params += 2)
		list[config.params_count++] = (ff_param){ params[0], params[1] };
	*store = calloc(1, subject.backend->instance_size);
	ff_code code = subject.backend->open(*store, &config, &error);
	if (code != FF_OK) {
		free(*store);
		*store = NULL;
	}
	return code;
}

void close_store(ff_store *store)
{
	subject.backend->close(store);
	free(store);
}

ff_store *must_open(const char *path)
{
	ff_store *store;
	REQUIRE_OK(open_store(path, &catalog_v1, 0, NULL, &store));
	return store;
}

void refuse_open(const char *path, uint32_t flags, ff_code want)
{
	ff_store *store;
	error = (ff_error){ 0 };
	if (!CHECK_CODE(open_store(path, &catalog_v1, flags, NULL, &store), want)) {
		if (store)
			close_store(store);
	} else {
		check(strstr(error.message, path) != NULL, __FILE__, __LINE__, "'%s' does not name '%s'", error.message,
		      path);
	}
}

ff_code write_once(ff_store *store, const ff_write *writes, size_t count)
{
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, &error);
	if (code != FF_OK)
		return code;
	code = subject.backend->store(txn, writes, count, &error);
	if (code == FF_OK)
		return subject.backend->commit(txn, &error);
	subject.backend->abort(txn);
	return code;
}

ff_code read_once(ff_store *store, ff_txn_kind kind, ff_read *reads, size_t count)
{
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, kind, &txn, &error);
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, arena(), reads, count, &error);
	subject.backend->abort(txn);
	return code;
}

ff_code put_row(ff_store *store, const ff_table *table, const ff_row *before, const ff_row *after)
{
	ff_write write = { .table = table, .kind = FF_WRITE_PUT, .before = before, .after = after };
	return write_once(store, &write, 1);
}

ff_row *get_row(ff_store *store, const ff_table *table, const ff_row *key)
{
	ff_read read = { .table = table, .kind = FF_READ_GET, .low = key };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	return read.row;
}

size_t count_rows(ff_store *store, const ff_table *table)
{
	ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	REQUIRE_OK(read_once(store, FF_TXN_READ, &read, 1));
	return read.rows_count;
}

/* ---- check ---------------------------------------------------------------------------------------------------- */

void note_problem(void *context, const char *problem)
{
	problems *all = context;
	all->count++;
	CHECK(strchr(problem, '\n') == NULL);
	size_t used = strlen(all->lines);
	snprintf(all->lines + used, sizeof(all->lines) - used, "%s|", problem);
}

problems check_store(const char *path)
{
	problems found = { 0 };
	ff_store *store = must_open(path);
	CHECK_CODE(subject.backend->check(store, note_problem, &found, &error), FF_OK);
	close_store(store);
	return found;
}

/* ---- processes ------------------------------------------------------------------------------------------------ */

void in_processes(int count, int (*body)(int number))
{
	int gate[2];
	char byte;
	pid_t children[PROCESSES];
	REQUIRE(count <= PROCESSES && pipe(gate) == 0);
	fflush(stdout);
	for (int i = 0; i < count; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			close(gate[1]);
			bool open = read(gate[0], &byte, 1) == 0; /* until all are there */
			_exit(open ? body(i) : 9);
		}
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < count; i++) {
		int status = -1;
		CHECK(children[i] > 0 && waitpid(children[i], &status, 0) == children[i]);
		CHECK_INT(status, 0);
	}
}

/* ---- files -------------------------------------------------------------------------------------------------- */

const char *data_of(const char *path)
{
	static char data[512];
	snprintf(data, sizeof(data), "%s%s%s", path, *subject.data ? "/" : "", subject.data);
	return data;
}

bool file_exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

uint64_t file_hash(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return 0;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	int byte;
	while ((byte = getc(file)) != EOF)
		hash = (hash ^ (uint64_t)(unsigned)byte) * UINT64_C(0x100000001b3);
	fclose(file);
	return hash;
}

void copy_file(const char *from, const char *to)
{
	FILE *in = fopen(from, "rb");
	FILE *out = fopen(to, "wb");
	REQUIRE(in && out);
	int byte;
	while ((byte = getc(in)) != EOF)
		putc(byte, out);
	fclose(in);
	CHECK(fclose(out) == 0);
}

void write_file(const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	REQUIRE(file != NULL);
	CHECK(fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

int count_files(void)
{
	DIR *open = opendir(directory);
	REQUIRE(open != NULL);
	int count = 0;
	struct dirent *entry;
	while ((entry = readdir(open)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(open);
	return count;
}
