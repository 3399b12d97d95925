/*
 * Tests of a backend through its own slots, beside those that the conformance suite has for every backend: what is hard
 * to ask of a stranger's (files, migration by several at once), and the frame in which each backend has cases of its own. A case is a function in a table; it gets a directory of its own, which is removed after it.
 */
#ifndef FFP_BACKEND_TEST_H
#define FFP_BACKEND_TEST_H

#include <ff/backend.h>

typedef struct test_case {
	const char *name;
	const char *ids; /* the statements that it proves */
	void (*run)(void);
	bool
	    bulk; /* many turns, threads or processes: slow where each instruction costs, and --no-bulk leaves it out */
} test_case;

typedef struct test_family {
	const test_case *cases;
	size_t count;
} test_family;

/* Those of every backend. */
extern const test_family cases_versions, cases_processes;

/* What is tested, and what a case must know of it. Each backend's program has its own. */
typedef struct test_subject {
	const ff_engine_backend *backend;
	const char *memory;    /* the path of a store in memory, or NULL */
	const char *data;      /* the file with the rows, below a store's path, or "" where it is the path */
	bool (*prepare)(void); /* before the first case, or NULL */
} test_subject;

extern const test_subject subject;
extern const test_family *const families[]; /* NULL ends them */

#define CASE(function, ids_)                                        \
	{                                                           \
		.name = #function, .ids = (ids_), .run = (function) \
	}
#define BULK(function, ids_)                                                      \
	{                                                                         \
		.name = #function, .ids = (ids_), .run = (function), .bulk = true \
	}
#define FAMILY(family, table) const test_family family = { (table), sizeof(table) / sizeof(*(table)) }

/* ---- checks ------------------------------------------------------------------------------------------------- */

bool check(bool held, const char *file, int line, const char *format, ...) FF_PRINTF(4, 5);

/* Ends the case, which may leak what it holds: it has failed. */
_Noreturn void end_case(void);

/* For a forked child, whose parent looks at its exit status: whether a check has failed so far. */
bool case_failed(void);

#define CHECK(condition) check((condition), __FILE__, __LINE__, "%s", #condition)
#define REQUIRE(condition)             \
	do {                           \
		if (!CHECK(condition)) \
			end_case();    \
	} while (0)
#define CHECK_INT(got, want) check_int((got), (want), __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, want) check_text((got), (want), __FILE__, __LINE__, #got)
#define CHECK_CODE(call, want) check_code((call), (want), __FILE__, __LINE__, #call)
#define REQUIRE_OK(call)                      \
	do {                                  \
		if (!CHECK_CODE(call, FF_OK)) \
			end_case();           \
	} while (0)

bool check_int(int64_t got, int64_t want, const char *file, int line, const char *what);
bool check_text(const char *got, const char *want, const char *file, int line, const char *what);
/* `error`, below, is what the call filled. */
bool check_code(ff_code got, ff_code want, const char *file, int line, const char *what);

extern ff_error error;

/* Random numbers by the run's seed, which is printed. */
uint64_t random_bits(void);
unsigned random_below(unsigned below);

/* ---- the test's own tables ---------------------------------------------------------------------------------- */

/* Every type, nullable and not, in keys, indexes and values. */
typedef struct odd_row {
	ff_row row;
	ff_text a; /* the key: a, b, c */
	int64_t b;
	ff_text c;
	int64_t n; /* NULL */
	ff_text t; /* NULL */
	int64_t v;
	ff_text w;
	int64_t x; /* since version 2, as are those below */
	ff_text y; /* NULL */
	ff_text z;
} odd_row;

enum { ODD_KEY = 3 };

/* Columns of the first version, by place. */
enum { ODD_A, ODD_B, ODD_C, ODD_N, ODD_T, ODD_V, ODD_W, ODD_COLUMNS };

typedef struct late_row {
	ff_row row;
	int64_t id;
} late_row;

enum { TABLE_ODD, TABLE_LATE };

extern const ff_catalog catalog_v1;
extern const ff_catalog catalog_v2; /* three columns, an index and a table more */

static inline const ff_table *odd_v1(void)
{
	return &catalog_v1.tables[TABLE_ODD];
}

static inline ff_text text_of(const char *text)
{
	return (ff_text){ text, strlen(text) };
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

/* The case's directory, and a path in it, which holds until the 8th call from then. */
extern char directory[];
const char *path_of(const char *name);

extern const ff_allocator test_allocator;

/* An allocator that has memory for `left` more requests, and tells where it refused one. */
typedef struct stingy {
	unsigned left;
	bool struck;
} stingy;

ff_allocator stingy_allocator(stingy *of);

/* Opens by the backend's slots; the parameters are pairs of names and values, NULL ends them. */
ff_code open_store(const char *path, const ff_catalog *catalog, uint32_t flags, const char *const *params,
                   ff_store **store);
void close_store(ff_store *store);
ff_store *must_open(const char *path);
/* Opens, which must fail with `want` and an error that names the path. */
void refuse_open(const char *path, uint32_t flags, ff_code want);

/* An arena whose memory is given back after the case. */
ff_arena *arena(void);

/* Transactions of one call. Each answers the first error. */
ff_code write_once(ff_store *store, const ff_write *writes, size_t count);
ff_code read_once(ff_store *store, ff_txn_kind kind, ff_read *reads, size_t count);
ff_code put_row(ff_store *store, const ff_table *table, const ff_row *before, const ff_row *after);
ff_row *get_row(ff_store *store, const ff_table *table, const ff_row *key);
size_t count_rows(ff_store *store, const ff_table *table);

/* A row of the first version, all set: a, b, c, then n, t, v and w made of `v`. */
odd_row odd(const char *a, int64_t b, const char *c, int64_t v);

/* Equal in all columns of `table`. */
bool rows_equal(const ff_table *table, const ff_row *a, const ff_row *b);

typedef struct problems {
	unsigned count;
	char lines[1024];
} problems;

/* Adds one to the `problems` that context is. */
void note_problem(void *context, const char *problem);

/* Opens a store, runs its check, which must work, and closes it. */
problems check_store(const char *path);

/* The file with a store's rows, until the next call. */
const char *data_of(const char *path);
/* Runs `body` in processes of their own at the same time, as many as PROCESSES; each must end with success. */
enum { PROCESSES = 8 };
void in_processes(int count, int (*body)(int number));

bool file_exists(const char *path);
/* A number that changes when the file does: of its bytes. 0 where there is none. */
uint64_t file_hash(const char *path);
void copy_file(const char *from, const char *to);
void write_file(const char *path, const char *bytes, size_t size);
/* How many entries the case's directory has. */
int count_files(void);

#endif
