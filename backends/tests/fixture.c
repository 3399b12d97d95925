/* The tests' own tables, stores, processes and files. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- tables ------------------------------------------------------------------------------------------------- */

#define COLUMN(name_, field, type_, nullable_, since_)                                              \
	{                                                                                           \
		.name = (name_), .offset = (uint16_t)offsetof(ffp_odd_row, field), .type = (type_), \
		.nullable = (nullable_), .since = (since_)                                          \
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
	{ .name = "id", .offset = offsetof(ffp_plain_row, id), .type = FF_TYPE_INT64, .since = 2 },
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define ODD(columns_, indexes_)                                                                              \
	{                                                                                                    \
		.name = "odd \"table\"", .columns = (columns_), .indexes = (indexes_),                       \
		.row_size = sizeof(ffp_odd_row), .columns_count = COUNT(columns_), .key_count = FFP_ODD_KEY, \
		.indexes_count = COUNT(indexes_), .id = TABLE_ODD, .since = 1                                \
	}

static const ff_table tables_v1[] = { ODD(odd_columns_v1, odd_indexes_v1) };
static const ff_table tables_v2[] = {
	ODD(odd_columns_v2, odd_indexes_v2),
	{ .name = "late",
	  .columns = late_columns,
	  .row_size = sizeof(ffp_plain_row),
	  .columns_count = 1,
	  .key_count = 1,
	  .id = TABLE_LATE,
	  .since = 2 },
};

const ff_catalog catalog_v1 = { .tables = tables_v1, .tables_count = COUNT(tables_v1), .version = 1 };
const ff_catalog catalog_v2 = { .tables = tables_v2, .tables_count = COUNT(tables_v2), .version = 2 };

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
	of->held += size - old_size;
	return test_allocator.resize(NULL, old, old_size, size);
}

ff_allocator stingy_allocator(stingy *of)
{
	return (ff_allocator){ resize_until, of };
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

/* It lies where the harness has the store of a case that opens one by its URI. */
const char *directory(ff_test *t)
{
	const char *path = strchr(ff_test_uri(t), ':') + 1;
	mkdir(path, 0700);
	return path;
}

const char *path_of(ff_test *t, const char *name)
{
	return ff_test_text(t, "%s/%s", directory(t), name);
}

ff_code open_store(ff_test *t, const char *path, const ff_catalog *catalog, uint32_t flags, const char *const *params,
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
	FF_REQUIRE(t, *store != NULL);
	ff_code code = subject.backend->open(*store, &config, ff_test_error(t));
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

ff_store *must_open(ff_test *t, const char *path)
{
	ff_store *store;
	FF_REQUIRE_OK(t, open_store(t, path, &catalog_v1, 0, NULL, &store));
	return store;
}

void refuse_open(ff_test *t, const char *path, uint32_t flags, ff_code want)
{
	ff_store *store;
	const ff_error *error = ffp_raw_error(t);
	if (!FF_CHECK_CODE(t, open_store(t, path, &catalog_v1, flags, NULL, &store), want)) {
		if (store)
			close_store(store);
	} else if (!FF_CHECK(t, strstr(error->message, path) != NULL)) {
		ff_test_note(t, "'%s' does not name '%s'", error->message, path);
	}
}

ff_code write_once(ff_test *t, ff_store *store, const ff_write *writes, size_t count)
{
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, FF_TXN_WRITE, &txn, ff_test_error(t));
	if (code != FF_OK)
		return code;
	code = subject.backend->store(txn, writes, count, ff_test_error(t));
	if (code == FF_OK)
		return subject.backend->commit(txn, ff_test_error(t));
	subject.backend->abort(txn);
	return code;
}

ff_code read_once(ff_test *t, ff_store *store, ff_txn_kind kind, ff_read *reads, size_t count)
{
	ff_txn *txn;
	ff_code code = subject.backend->begin(store, kind, &txn, ff_test_error(t));
	if (code != FF_OK)
		return code;
	code = subject.backend->load(txn, ffp_raw_arena(t), reads, count, ff_test_error(t));
	subject.backend->abort(txn);
	return code;
}

ff_code put_row(ff_test *t, ff_store *store, const ff_table *table, const ff_row *before, const ff_row *after)
{
	ff_write write = { .table = table, .kind = FF_WRITE_PUT, .before = before, .after = after };
	return write_once(t, store, &write, 1);
}

ff_row *get_row(ff_test *t, ff_store *store, const ff_table *table, const ff_row *key)
{
	ff_read read = { .table = table, .kind = FF_READ_GET, .low = key };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	return read.row;
}

size_t count_rows(ff_test *t, ff_store *store, const ff_table *table)
{
	ff_read read = { .table = table, .kind = FF_READ_RANGE, .limit = UINT32_MAX };
	FF_REQUIRE_OK(t, read_once(t, store, FF_TXN_READ, &read, 1));
	return read.rows_count;
}

/* ---- check -------------------------------------------------------------------------------------------------- */

void note_problem(void *context, const char *problem)
{
	problems *all = context;
	all->count++;
	FF_CHECK(all->test, strchr(problem, '\n') == NULL);
	size_t used = strlen(all->lines);
	snprintf(all->lines + used, sizeof(all->lines) - used, "%s|", problem);
}

problems check_store(ff_test *t, const char *path)
{
	problems found = { .test = t };
	ff_store *store = must_open(t, path);
	FF_CHECK_CODE(t, subject.backend->check(store, note_problem, &found, ff_test_error(t)), FF_OK);
	close_store(store);
	return found;
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

/* Of this process, where it is a case of its own. */
static struct {
	process_fn *body;
	int number;
	int status;
	ff_case_result result;
} own;

static void run_own(ff_test *t)
{
	own.status = own.body(t, own.number);
}

static bool make_same(void *context, char uri[FF_URI_SIZE])
{
	return snprintf(uri, FF_URI_SIZE, "%s", (const char *)context) < FF_URI_SIZE;
}

/* The directory is the parent's. */
static void destroy_nothing(void *context, const char *uri)
{
	(void)context;
	(void)uri;
}

void end_process(int status)
{
	char *rest = own.result.failure;
	for (char *line = strtok_r(rest, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		printf("# process %d: %s\n", own.number, line);
	fflush(stdout);
	_exit(own.result.status == FF_CASE_FAILED ? PROCESS_FAILED : status);
}

/* What ends a case must not end the parent's here, and go on with the next. */
pid_t start_process(ff_test *t, process_fn *body, int number)
{
	static const ff_case of = { .name = "process", .ids = "", .run = run_own };
	fflush(stdout);
	pid_t child = fork();
	if (child)
		return child;
	const ff_harness same = { .name = of.name,
		                  .context = (void *)(uintptr_t)ff_test_uri(t),
		                  .make = make_same,
		                  .destroy = destroy_nothing };
	own.body = body;
	own.number = number;
	ff_case_run(&of, &same, ff_test_given(t), ff_test_random(t), &own.result);
	end_process(own.status);
}

void kill_process(ff_test *t, pid_t process)
{
	int status = 0;
	FF_CHECK(t, kill(process, SIGKILL) == 0 && waitpid(process, &status, 0) == process);
	FF_CHECK(t, WIFSIGNALED(status));
}

int in_process(ff_test *t, process_fn *body, int number)
{
	int status = -1;
	pid_t child = start_process(t, body, number);
	FF_REQUIRE(t, child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static struct {
	process_fn *body;
	int gate[2];
} crew;

static int run_together(ff_test *t, int number)
{
	char byte;
	close(crew.gate[1]);
	FF_REQUIRE(t, read(crew.gate[0], &byte, 1) == 0); /* until all are there */
	return crew.body(t, number);
}

void in_processes(ff_test *t, int count, process_fn *body)
{
	pid_t children[PROCESSES];
	crew.body = body;
	FF_REQUIRE(t, count <= PROCESSES && pipe(crew.gate) == 0);
	for (int i = 0; i < count; i++)
		children[i] = start_process(t, run_together, i);
	close(crew.gate[0]);
	close(crew.gate[1]);
	for (int i = 0; i < count; i++) {
		int status = -1;
		FF_CHECK(t, children[i] > 0 && waitpid(children[i], &status, 0) == children[i]);
		FF_CHECK_EQ_INT(t, status, 0);
	}
}

void drop_rights(ff_test *t)
{
	FF_REQUIRE(t, geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
}

/* ---- files -------------------------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

/* SQLite has files beside that of the rows. Nothing else is removed, so that what should not be there is found. */
void remove_store(const char *path)
{
	static const char *const parts[] = { "", "-wal", "-shm", "-turn", "-journal" };
	char name[4096];
	for (size_t i = 0; i < COUNT(parts); i++)
		if ((size_t)snprintf(name, sizeof(name), "%s%s", path, parts[i]) < sizeof(name))
			nftw(name, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void copy_store(ff_test *t, const char *from, const char *to)
{
	if (*subject.data)
		mkdir(to, 0700);
	copy_file(t, data_of(t, from), data_of(t, to));
}

const char *data_of(ff_test *t, const char *path)
{
	return ff_test_text(t, "%s%s%s", path, *subject.data ? "/" : "", subject.data);
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

void copy_file(ff_test *t, const char *from, const char *to)
{
	FILE *in = fopen(from, "rb");
	FILE *out = fopen(to, "wb");
	FF_REQUIRE(t, in && out);
	int byte;
	while ((byte = getc(in)) != EOF)
		putc(byte, out);
	fclose(in);
	FF_CHECK(t, fclose(out) == 0);
}

void write_file(ff_test *t, const char *path, const char *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	FF_REQUIRE(t, file != NULL);
	FF_CHECK(t, fwrite(bytes, 1, size, file) == size);
	fclose(file);
}

int count_files(ff_test *t)
{
	DIR *open = opendir(directory(t));
	FF_REQUIRE(t, open != NULL);
	int count = 0;
	struct dirent *entry;
	while ((entry = readdir(open)))
		count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(open);
	return count;
}

int count_descriptors(void)
{
	enum { FILES_MAX = 1024 };
	int count = 0;
	for (int file = 0; file < FILES_MAX; file++)
		count += fcntl(file, F_GETFD) >= 0;
	return count;
}

unsigned files_at_standard(void)
{
	unsigned files = 0;
	for (int i = 0; i < 3; i++) {
		struct stat null, there;
		if (fstat(i, &there) == 0)
			files += stat("/dev/null", &null) != 0 || there.st_rdev != null.st_rdev;
	}
	return files;
}
