/*
 * ff: the conformance suite. For authors of backends, and for anyone who wants to see the contract hold.
 *
 * A case is a plain function that drives the public engine over an empty store and checks what it answers. The suite is
 * one table of cases; a harness tells how stores of one kind are made and destroyed; a runner goes through the table.
 * No framework is needed: ff_case_run runs one case, prints nothing and never exits, so the same table serves the
 * program ff-conformance, a sanitizer's build without fork, and any test framework.
 *
 * Cases never sleep and never read a clock of the system: the engine's clock is the case's own (ff_test_set_time).
 * What is random comes from a seed that is reported. What a case allocates is given back by its end, after a failure
 * too, so that a leak that a sanitizer reports is real.
 */
#ifndef FF_CONFORMANCE_H
#define FF_CONFORMANCE_H

#include <inttypes.h>

#include <ff/ff.h>

#if defined(__GNUC__)
#define FF_NORETURN __attribute__((__noreturn__))
#else
#define FF_NORETURN
#endif

/* Once it is released, goes up with every case that is added or changed. */
#define FF_CONFORMANCE_VERSION 1u

/* ---- cases -------------------------------------------------------------------------------------------------- */

typedef struct ff_test ff_test;

/* What a case needs of its store: FF_CAP_… that the store claims, and this of its harness. */
#define FF_CASE_SECOND_HANDLE (UINT64_C(1) << 32) /* ff_harness.shared */
#define FF_CASE_MISSING_STORE (UINT64_C(1) << 33) /* ff_harness.missing */
#define FF_CASE_NO_WAITING (UINT64_C(1) << 34)    /* ff_harness.impatient */

#define FF_CASE_FAULTS (UINT64_C(1) << 35) /* the library has the backend fault, which wraps any other */
#define FF_CASE_BULK (UINT64_C(1) << 36)   /* many rows, so it takes long: not with --no-bulk */
#define FF_CASE_EXPECT (UINT64_C(1) << 37) /* the backend has the slot expect */
#define FF_CASE_FILES (UINT64_C(1) << 38)  /* ff_harness.path, where a store that is open lies there */

typedef struct ff_case {
	const char *name; /* a C identifier, different for each case */
	const char *ids;  /* of the statements of docs/semantics.md that it proves, separated by spaces */
	uint64_t needs;   /* FF_CAP_… and FF_CASE_…; where one is lacking the case is skipped */
	void (*run)(ff_test *test);
} ff_case;

/* The i-th case, or NULL past the last. */
FF_API const ff_case *ff_case_at(size_t i);

/* The word for one bit of `needs`: "SNAPSHOT_READ", "SECOND_HANDLE". NULL where it is not known. */
FF_API const char *ff_case_need_name(uint64_t need);

/* ---- the harness -------------------------------------------------------------------------------------------- */

/* Longest URI of a store, with its NUL. */
#define FF_URI_SIZE 1024

/*
 * How stores of one kind are made. Functions that write a URI answer false where they cannot; the case then fails.
 * Called from one thread at a time.
 */
typedef struct ff_harness {
	const char *name; /* of the kind of store, for reports: "sqlite:/tmp/store?durability=none" */
	void *context;

	/* Writes the URI of an empty store that no other case has used. The store need not exist: an engine that opens
	 * it for writing creates it. */
	bool (*make)(void *context, char uri[FF_URI_SIZE]);

	/* The URI opens the same store again, beside the handles that are open and after all are closed. */
	bool shared;

	/* Writes the URI of a store that does not exist; NULL where there is no such thing. The store may come to exist
	 * and is then destroyed. */
	bool (*missing)(void *context, char uri[FF_URI_SIZE]);

	/* Writes a URI of the store at `uri` by which a call that finds the store busy gives up at once; NULL where
	 * there is no such thing. */
	bool (*impatient)(void *context, const char *uri, char impatient[FF_URI_SIZE]);

	/* Writes the path of the file or directory that the store at `uri` is; what else is the store's begins with this
	 * path, too. NULL where stores are no such thing. */
	bool (*path)(void *context, const char *uri, char path[FF_URI_SIZE]);

	/* Removes the store that make or missing named, where there is one. No handle on it is open. */
	void (*destroy)(void *context, const char *uri);
} ff_harness;

/*
 * A harness for stores that are files or directories, from a URI SCHEME:PATH[?PARAMETERS] without percent signs: each
 * store lies at PATH-PID-N, the last directory of PATH is created, and all that begins with PATH-PID-N is removed.
 * Where PATH begins with a colon (sqlite::memory:) the URI is used as it is, and each handle is a store of its own.
 * Where there is {} in the URI (postgres://HOST/DATABASE?schema=case_{}) each store has PID_N in its place, and nothing
 * is created beside it or removed: stores of a server that is there for the tests are removed with the server. The
 * harness is handed out; ff_harness_free. NULL where the URI has no such form or is longer than FF_URI_SIZE / 2, or memory
 * is out.
 */
FF_API const ff_harness *ff_harness_for_files(const char *uri);
FF_API void ff_harness_free(const ff_harness *harness);

/* ---- running ------------------------------------------------------------------------------------------------ */

typedef enum ff_case_status { FF_CASE_PASSED = 0, FF_CASE_FAILED = 1, FF_CASE_SKIPPED = 2 } ff_case_status;

typedef struct ff_case_result {
	ff_case_status status;
	uint64_t lacking;   /* SKIPPED: those of the case's needs that are not given */
	uint64_t checks;    /* that were made */
	char failure[4096]; /* FAILED: a line for each check that failed, and then a newline; what is too long is cut */
} ff_case_result;

/* What the stores of a harness give: opens one, asks it, destroys it. `given` gets FF_CAP_… and FF_CASE_…; `backend`
 * and `version` are filled as far as they reach. */
typedef struct ff_harness_info {
	uint64_t given;
	char backend[32];
	char version[64];
} ff_harness_info;

FF_API ff_code ff_harness_probe(const ff_harness *harness, ff_harness_info *info, ff_error *error);

/*
 * Runs one case on a store of its own, which it then destroys. `given` is what ff_harness_probe found. A case that made
 * no check at all has failed. Cases may run at the same time, where the harness allows it.
 */
FF_API void ff_case_run(const ff_case *of, const ff_harness *harness, uint64_t given, uint64_t seed,
                        ff_case_result *result);

/*
 * The runner as a program's main: every case on the stores of each harness, reported by TAP on stdout, with the options
 * of ff-conformance: --module, --store, --filter, --seed, --no-bulk, --case-timeout, --junit, --list, --help. Stores named
 * by --store take the place of the harnesses. Answers the exit status: 0 all passed, 1 a case failed or fewer ran than the
 * stores' capabilities imply, 2 wrong usage. A case that takes longer than it may ends the process, with status 1, by
 * SIGALRM.
 */
FF_API int ff_conformance_main(int argc, char **argv, const ff_harness *const *harnesses, size_t count);

/* ---- for those who write cases ------------------------------------------------------------------------------ */

/*
 * Checks. Each takes the case's ff_test; arguments are evaluated once; a failure is told with file, line, expression
 * and values. FF_CHECK… go on after a failure and answer whether it held; FF_REQUIRE ends the case. They belong to the
 * case's own thread: what other threads saw is checked after they were joined.
 */
#define FF_CHECK(test, condition) ff_test_check((test), (condition), __FILE__, __LINE__, #condition)
#define FF_CHECK_EQ_INT(test, got, want) \
	ff_test_check_int((test), FF_CAST(int64_t, got), FF_CAST(int64_t, want), __FILE__, __LINE__, #got)
#define FF_CHECK_STR(test, got, want) ff_test_check_text((test), (got), (want), __FILE__, __LINE__, #got)
#define FF_REQUIRE(test, condition)             \
	do {                                    \
		if (!FF_CHECK(test, condition)) \
			ff_test_end(test);      \
	} while (0)

/* Calls the engine, which must answer FF_OK; else the case ends with the error's text. */
#define FF_REQUIRE_OK(test, call)                                                          \
	do {                                                                               \
		if (!ff_test_check_code((test), (call), FF_OK, __FILE__, __LINE__, #call)) \
			ff_test_end(test);                                                 \
	} while (0)

/* Calls the engine, which must answer the code `want`. */
#define FF_CHECK_CODE(test, call, want) ff_test_check_code((test), (call), (want), __FILE__, __LINE__, #call)

FF_API bool ff_test_check(ff_test *test, bool held, const char *file, int line, const char *expression);
FF_API bool ff_test_check_int(ff_test *test, int64_t got, int64_t want, const char *file, int line,
                              const char *expression);
FF_API bool ff_test_check_text(ff_test *test, const char *got, const char *want, const char *file, int line,
                               const char *expression);
FF_API bool ff_test_check_code(ff_test *test, ff_code got, ff_code want, const char *file, int line,
                               const char *expression);

/* Ends the case here. */
FF_API void ff_test_end(ff_test *test) FF_NORETURN;

/* A line about the case, shown where it fails. */
FF_API void ff_test_note(ff_test *test, const char *format, ...) FF_PRINTF(2, 3);

/* The error record of the case, for calls to fill and FF_CHECK_CODE to show. */
FF_API ff_error *ff_test_error(ff_test *test);

/* Runs undo(object) when the case ends, last come first. */
FF_API void ff_test_defer(ff_test *test, void (*undo)(void *object), void *object);

/* Runs now what was deferred for `object`. */
FF_API void ff_test_undo(ff_test *test, void *object);

/* Cleared memory, and formatted text, until the case's end. Ends the case where memory is out. */
FF_API void *ff_test_alloc(ff_test *test, size_t size);
FF_API const char *ff_test_text(ff_test *test, const char *format, ...) FF_PRINTF(2, 3);

/* The case's store, and those beside it by the harness, and where the store of a URI lies, until the case's end; the last
 * three only where the case says that it needs them, or looks whether they are given. */
FF_API const char *ff_test_uri(ff_test *test);
FF_API const char *ff_test_missing_uri(ff_test *test);
FF_API const char *ff_test_impatient_uri(ff_test *test);
FF_API const char *ff_test_path(ff_test *test, const char *uri);
FF_API uint64_t ff_test_given(ff_test *test);

/* The case's clock: stands still unless it is set. Begins at FF_TEST_START_MS. Waiting is counted, and not done. */
#define FF_TEST_START_MS INT64_C(1000000)
FF_API const ff_clock *ff_test_clock(ff_test *test);
FF_API int64_t ff_test_time(ff_test *test);
FF_API void ff_test_set_time(ff_test *test, int64_t now_ms);
FF_API uint64_t ff_test_sleeps(ff_test *test);
FF_API uint32_t ff_test_slept_ms(ff_test *test, uint64_t i); /* the i-th sleep, of the first 64; else 0 */

/* Random bits by the seed, and a number 0 … below - 1. The run's seed is reported where the case fails; a case may
 * begin again from one of its own. */
FF_API void ff_test_seed(ff_test *test, uint64_t seed);
FF_API uint64_t ff_test_random(ff_test *test);
FF_API uint64_t ff_test_random_below(ff_test *test, uint64_t below);

/* An engine on the case's store (or on `uri`), closed at the case's end; ff_test_undo closes it earlier. `options` may
 * be NULL; the clock is the case's where they name none. Ends the case where it cannot be opened. */
FF_API ff_engine *ff_test_open(ff_test *test, const ff_engine_options *options);
FF_API ff_engine *ff_test_open_uri(ff_test *test, const char *uri, const ff_engine_options *options);

/* Gives `result` back by ff_free at the case's end. */
FF_API void ff_test_keep(ff_test *test, const void *result);

#endif
