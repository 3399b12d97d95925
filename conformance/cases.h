/*
 * What the families of cases share: short ways to call the engine, which answer texts, so that a case reads as a list
 * of calls and answers:
 *
 *     FF_CHECK_STR(t, ffp_create(t, e, "b", "tokens=100:80"), "created");
 *     FF_CHECK_STR(t, ffp_report(t, e, "b", "key", "tokens=90"), "soft tokens 90/80");
 *     FF_CHECK_STR(t, ffp_report(t, e, "b", "", "tokens=11"), "hard tokens 90/100");
 *
 * An error answers an exclamation mark and the code's word: "!not_found". Answers live until the case's end.
 */
#ifndef FFP_CASES_H
#define FFP_CASES_H

#include <ftw.h>

#include <ff/backend.h>
#include <ff/conformance.h>

typedef struct ffp_family {
	const ff_case *cases;
	size_t count;
} ffp_family;

extern const ffp_family ffp_cases_limits, ffp_cases_errors, ffp_cases_clock, ffp_cases_create, ffp_cases_report,
    ffp_cases_period, ffp_cases_status, ffp_cases_concurrency, ffp_cases_store, ffp_cases_ledger, ffp_cases_quota,
    ffp_cases_house, ffp_cases_batch, ffp_cases_disk, ffp_cases_slots_bulk, ffp_cases_slots_reads,
    ffp_cases_slots_values, ffp_cases_slots_writes, ffp_cases_slots_expect, ffp_cases_slots_transactions,
    ffp_cases_slots_processes, ffp_cases_slots_store;

/* A row of a family's table, and the family itself. */
#define CASE(function, ids_, needs_)                                                   \
	{                                                                              \
		.name = #function, .ids = (ids_), .needs = (needs_), .run = (function) \
	}
#define FAMILY(family, table) const ffp_family family = { (table), sizeof(table) / sizeof(*(table)) }

#define T0 FF_TEST_START_MS
#define MAX_AMOUNT ((uint64_t)INT64_MAX)
#define DAY_MS INT64_C(86400000)
#define TWO_53 (UINT64_C(1) << 53)

/* The i-th case of families, which NULL ends, or NULL past the last. */
const ff_case *ffp_case_in(const ffp_family *const *of, size_t i);

/* What the case's checks told by now. */
const char *ffp_failure(const ff_test *test);

/* The runner as the main of a program with a table of its own: as ff_conformance_main, and --filter may be left out
 * before the filter. */
int ffp_cases_main(int argc, char **argv, const ff_case *(*case_at)(size_t i), const ff_harness *harness);

/* What --module names: loads it, and tells on stderr where that fails. *loaded is NULL where it was known before. And the
 * URI of its stores where no --store names one. */
bool ffp_load_module(const char *program, const char *path, const ff_engine_backend **loaded);
void ffp_uri_of_module(const ff_engine_backend *module, char uri[FF_URI_SIZE]);

/* An option's number from least to most, in digits alone. False: it is none of those, which is told on stderr. */
bool ffp_read_number(const char *program, const char *option, const char *text, uint64_t least, uint64_t most,
                     uint64_t *number);

/* False: there is an argument behind the options, which is told, or no store, likewise. */
bool ffp_is_complete(const char *program, int count, char **arguments, bool has_stores);

/* The exit status, where what was printed has arrived: a report that is cut off must not pass. */
int ffp_finish(const char *program, int status);

/* ---- compact forms of arguments ----------------------------------------------------------------------------- */

/* "tokens=5 cents=max": amounts (or limits) separated by spaces; max is INT64_MAX. */
typedef struct ffp_amounts {
	ff_amount list[70];
	size_t count;
} ffp_amounts;

const ffp_amounts *ffp_amounts_of(ff_test *test, const char *text);

/*
 * "tokens=100:80 cents=5 @reset=1000 @mode=advisory @scope=team:7 @hard=stop @soft=warn @now=5": dimensions with hard
 * and soft limit, and the other fields of a budget.
 */
const ff_budget_spec *ffp_budget_of(ff_test *test, const char *budget_id, const char *text);

/* "window=60 max=5 slots=2 now=5 lease=1000 jitter=10", each optional. */
typedef struct ffp_quota_args {
	ff_quota_limits limits;
	bool has_limits;
	int64_t now_ms, lease_ms, jitter_ms;
} ffp_quota_args;

ffp_quota_args ffp_quota_of(ff_test *test, const char *text);

/* `size` bytes of `fill`, and NUL. */
const char *ffp_name_of_size(ff_test *test, char fill, size_t size);

/* ---- calls that answer texts -------------------------------------------------------------------------------- */

/* The text of an outcome: "ok", "soft tokens 81/80", "hard tokens 90/100", "already"; then " applied" or " unapplied"
 * where that is not what the kind implies (a hard breach is not applied, all others are), and " replayed". */
const char *ffp_show_outcome(ff_test *test, ff_code code, const ff_outcome *outcome);
const char *ffp_show_created(ff_test *test, ff_code code, const ff_created *created); /* "created", "same", "differs" */
const char *ffp_show_admission(ff_test *test, ff_code code, const ff_admission_outcome *outcome);
const char *ffp_show_amounts(ff_test *test, const ff_amount *amounts, size_t count); /* "a=1 b=2" */

const char *ffp_create(ff_test *test, ff_engine *engine, const char *budget_id, const char *spec);
const char *ffp_report(ff_test *test, ff_engine *engine, const char *budget_id, const char *key, const char *amounts);
const char *ffp_retry(ff_test *test, ff_engine *engine, const char *budget_id, const char *key, const char *amounts);
const char *ffp_spend(ff_test *test, ff_engine *engine, const char *budget_id, const char *execution_id,
                      const char *key, const char *amounts);
const char *ffp_release(ff_test *test, ff_engine *engine, const char *budget_id, const char *execution_id);
const char *ffp_reset(ff_test *test, ff_engine *engine, const char *budget_id,
                      int64_t now_ms); /* next reset, or "none" */

const char *ffp_create_quota(ff_test *test, ff_engine *engine, const char *quota_id, const char *args);
const char *
ffp_admit(ff_test *test, ff_engine *engine, const char *quota_id, const char *execution_id,
          const char *args); /* "admitted", "already_admitted", "rate_exceeded 50", "concurrency_exceeded" */
const char *ffp_release_slot(ff_test *test, ff_engine *engine, const char *quota_id, const char *execution_id,
                             int64_t now_ms);                                  /* "held", "not held" */
const char *ffp_quota(ff_test *test, ff_engine *engine, const char *quota_id); /* "in_window=1 active=1 next=now" */

/* What a tick did: "resets=1 failed=0 keys=2 admissions=3". */
const char *ffp_tick(ff_test *test, ff_engine *engine, int64_t now_ms, uint64_t limit);

/* A budget's status, which must be had; and parts of it as texts. */
const ff_budget_status *ffp_status(ff_test *test, ff_engine *engine, const char *budget_id);
const char *ffp_usage(ff_test *test, ff_engine *engine, const char *budget_id); /* "a=1 b=2", or "!not_found" */
const char *ffp_breaches(ff_test *test, ff_engine *engine,
                         const char *budget_id);                            /* "hard=1 soft=2 last=tokens@1000000" */
const char *ffp_show_status(ff_test *test, const ff_budget_status *status); /* all of it, on one line */

/* The lines of an export, each with its newline, or an error's word. And an import of such lines. */
const char *ffp_export(ff_test *test, ff_engine *engine, int64_t now_ms);
const char *ffp_import(ff_test *test, ff_engine *engine, const char *text); /* the number of lines */
size_t ffp_lines_in(const char *text);
/* An export's lines without the last; and such lines with the one that belongs behind them. */
const char *ffp_rows_of(ff_test *test, const char *text);
const char *ffp_export_of(ff_test *test, const char *rows);

/* ---- threads ------------------------------------------------------------------------------------------------ */

/* Runs body(context, i) on `count` threads, i = 0 … count - 1, which begin together, and waits for all. Bodies make no
 * checks. */
void ffp_threads(ff_test *test, unsigned count, void (*body)(void *context, unsigned i), void *context);

/* ---- files -------------------------------------------------------------------------------------------------- */

/* Calls `visit`, as nftw does, for all that lies at a path, in it, or beside it under a name that begins with the path's
 * and goes on with no digit: contents before their directory. */
void ffp_files_walk(const char *path,
                    int (*visit)(const char *path, const struct stat *status, int kind, struct FTW *walk));

/* ---- the rows themselves, past the engine (needs FF_CASE_SECOND_HANDLE) ------------------------------------------ */

/*
 * Tables and columns are named as they are stored; a key is its columns as texts, joined by newlines. A value is a
 * text: decimal for a number, NULL for none. Rows are read and written through the backend's own slots.
 */
const char *ffp_row_get(ff_test *test, const char *table, const char *key, const char *column); /* "(absent)" */
void ffp_row_set(ff_test *test, const char *table, const char *key, const char *column, const char *value);
uint64_t ffp_row_count(ff_test *test, const char *table);

/* The store opened by its backend alone. */
typedef struct ffp_raw {
	const ff_engine_backend *backend;
	ff_store *store;
} ffp_raw;

extern const ff_catalog ffp_raw_catalog;

/* Opens the case's store, or the one at `uri`; *raw is NULL where that fails. */
ff_code ffp_raw_open(ff_test *test, const ff_catalog *catalog, uint32_t flags, ffp_raw **raw);
ff_code ffp_raw_open_at(ff_test *test, const char *uri, const ff_catalog *catalog, uint32_t flags, ffp_raw **raw);
void ffp_raw_close(ff_test *test, ffp_raw *raw);

/* What a slot that answered `code` told of it in the case's error record: the same code, and clean texts. Before a slot
 * is called the record is cleared, so that nothing in it is another's. */
void ffp_raw_check_told(ff_test *test, ff_code code);
ff_error *ffp_raw_error(ff_test *test);

/* A write transaction that has loaded a row, and so holds the store's writer, or where there are several, that row, which
 * must be there: a store may have no lock for what is not. The caller ends it. */
ff_txn *ffp_row_hold(ff_test *test, const char *table, const char *key, ffp_raw **raw);

/* The arena that the slots take rows from, until the case's end. */
ff_arena *ffp_raw_arena(ff_test *test);

#endif
