/*
 * Tests of a backend through its own slots, beside those that the conformance suite has for every backend: what is hard
 * to ask of a stranger's (files, migration by several at once). Cases, checks and rows are the suite's; what is added
 * here are names that need their quotes, paths instead of URIs, files, and processes.
 */
#ifndef FFP_BACKEND_TEST_H
#define FFP_BACKEND_TEST_H

#include <sys/types.h>

#include "slots.h"

/* Those of every backend. */
extern const ffp_family cases_versions, cases_processes, cases_stores, cases_faults;

/* What is tested, and what a case must know of it. Each backend's program has its own. */
typedef struct test_subject {
	const ff_engine_backend *backend;
	const char *memory;        /* the path of a store in memory, or NULL */
	const char *data;          /* the file with the rows, below a store's path, or "" where it is the path */
	bool (*prepare)(void);     /* before the first case, or NULL */
	unsigned faults;           /* bit i: fault_kind i can strike it (faults.h) */
	const ff_code *open_codes; /* what an open answers then; FF_OK ends them */
	/* Whether a file that a failed open leaves is a new store that is whole. NULL: it leaves none. */
	bool (*is_new)(ff_test *t, const char *path);
	/* Turns the rows of a table that the engine made the wrong way round, by the last column of their key: who goes
	 * through it finds each, and who looks for one does not. Nobody has the store open. */
	void (*turn_round)(ff_test *t, const char *path, const char *table);
} test_subject;

extern const test_subject subject;
extern const ffp_family *const families[]; /* NULL ends them */

/* The core's: the runner asks the store by an engine what it gives. */
extern const ff_engine_backend *const ffp_builtin_backends[];

/* ---- the tests' own tables ---------------------------------------------------------------------------------- */

/*
 * The suite's awkward table by names with quotes in them: what a builder of SQL must write right, though no table of
 * ff's has such a name and no stranger's backend is asked for it. Its rows are ffp_odd_row; version 2 has three columns,
 * an index and a table more, whose rows are ffp_plain_row of which the id is stored.
 */
extern const ff_catalog catalog_v1, catalog_v2;

enum { TABLE_ODD, TABLE_LATE };

static inline const ff_table *odd_v1(void)
{
	return &catalog_v1.tables[TABLE_ODD];
}

/* ---- stores ------------------------------------------------------------------------------------------------- */

/* The case's directory, which is removed after it, and a path in it. */
const char *directory(ff_test *t);
const char *path_of(ff_test *t, const char *name);

extern const ff_allocator test_allocator;

/* An allocator that has memory for `left` more requests, and tells where it refused one, and what it was not given back. */
typedef struct stingy {
	unsigned left;
	bool struck;
	size_t held;
} stingy;

ff_allocator stingy_allocator(stingy *of);

/*
 * Opens by the backend's slots; the parameters are pairs of names and values, NULL ends them. *store is NULL where that
 * fails. A case that fails leaves it open: so may a transaction be, and a store that is closed before that is not safe.
 */
ff_code open_store(ff_test *t, const char *path, const ff_catalog *catalog, uint32_t flags, const char *const *params,
                   ff_store **store);
void close_store(ff_store *store);
ff_store *must_open(ff_test *t, const char *path);
/* Opens, which must fail with `want` and an error that names the path. */
void refuse_open(ff_test *t, const char *path, uint32_t flags, ff_code want);

/* Transactions of one call. Each answers the first error. */
ff_code write_once(ff_test *t, ff_store *store, const ff_write *writes, size_t count);
ff_code read_once(ff_test *t, ff_store *store, ff_txn_kind kind, ff_read *reads, size_t count);
ff_code put_row(ff_test *t, ff_store *store, const ff_table *table, const ff_row *before, const ff_row *after);
ff_row *get_row(ff_test *t, ff_store *store, const ff_table *table, const ff_row *key);
size_t count_rows(ff_test *t, ff_store *store, const ff_table *table);

typedef struct problems {
	ff_test *test;
	unsigned count;
	char lines[1024];
} problems;

/* Adds one to the `problems` that context is. */
void note_problem(void *context, const char *problem);

/* Opens a store, runs its check, which must work, and closes it. */
problems check_store(ff_test *t, const char *path);

/* ---- processes ---------------------------------------------------------------------------------------------- */

/*
 * What a process of its own does, as a case of its own on the same directory: a check that fails there fails the
 * process, and what FF_REQUIRE ends is that case. Answers the exit status.
 */
typedef int process_fn(ff_test *t, int number);

enum { PROCESSES = 8, PROCESS_FAILED = 2 };

/* Runs `body` in processes at the same time, as many as PROCESSES; each must end with success. */
void in_processes(ff_test *t, int count, process_fn *body);
/* In one process, whose exit status it answers: PROCESS_FAILED where a check failed. */
int in_process(ff_test *t, process_fn *body, int number);
/* Does not wait for it; the caller does. Negative where there is none. */
pid_t start_process(ff_test *t, process_fn *body, int number);
/* Kills such a process, which has not ended by itself. */
void kill_process(ff_test *t, pid_t process);
/* Ends one here, with all that it holds. */
_Noreturn void end_process(int status);
/* Takes root's rights from such a process; the case's directory has to be open to all. */
void drop_rights(ff_test *t);

/* ---- files -------------------------------------------------------------------------------------------------- */

/* What a store has of files; a copy is of its rows alone, as somebody who stopped in time would have it. */
void remove_store(const char *path);
void copy_store(ff_test *t, const char *from, const char *to);
/* The file with a store's rows. */
const char *data_of(ff_test *t, const char *path);
bool file_exists(const char *path);
/* A number that changes when the file does: of its bytes. 0 where there is none. */
uint64_t file_hash(const char *path);
void copy_file(ff_test *t, const char *from, const char *to);
void write_file(ff_test *t, const char *path, const char *bytes, size_t size);
/* How many entries the case's directory has. */
int count_files(ff_test *t);
/* How many descriptors this process has open. */
int count_descriptors(void);
/* Of descriptors 0 to 2, how many are open on more than /dev/null. */
unsigned files_at_standard(void);

#endif
