/*
 * ff: a budget and quota engine that a program embeds. For hosts.
 *
 *     ff_engine *engine = NULL;
 *     ff_error error;
 *     if (ff_engine_open("sqlite:usage.db", NULL, &engine, &error) != FF_OK) …
 *     ff_amount amounts[] = { { "tokens", 1200 }, { "cents", 3 } };
 *     ff_report report = { .budget_id = "team-42", .amounts = amounts, .amounts_count = 2, .idempotency_key = id };
 *     ff_outcome outcome;
 *     if (ff_engine_report_usage(engine, &report, &outcome, &error) == FF_OK && outcome.applied) …
 *     ff_engine_close(&engine);
 *
 * A refusal is an answer (FF_OK, with outcome.applied false); an error means that no decision was made and nothing was
 * changed. Two exceptions: after FF_E_COMMIT_UNKNOWN the change may have been made (FF-ERR-2), and a tick or an import
 * keeps the slices that it had committed before the error. After any error the same call with the same idempotency key may
 * be sent again; it charges at most once.
 *
 * Units: times are int64_t milliseconds since the Unix epoch, 0 … INT64_MAX, and what would end later (a key, a window
 * entry, a lease) ends at INT64_MAX; durations are milliseconds unless a name says otherwise; amounts are integers in the
 * caller's unit, 0 … INT64_MAX (FF-LIM-4).
 *
 * Names are NUL-terminated valid UTF-8 without control characters (FF-LIM-1), in bytes: budget, quota policy and
 * execution ids 1 … 128; dimensions 1 … 64; idempotency keys 1 … 256; scope types 0 … 64, scope ids 0 … 128, hints
 * 0 … 64. At most 64 dimensions in a policy or a report, none twice (FF-LIM-3). They compare and sort by bytes.
 *
 * Errors that every call can give, besides those listed with it: FF_E_INVALID for an argument outside its range
 * (nothing was read or written), FF_E_MISUSE for an engine that is NULL or was opened in another process, FF_E_BUSY,
 * FF_E_FULL, FF_E_IO, FF_E_CORRUPT, FF_E_NO_MEMORY; and for calls that write FF_E_COMMIT_UNKNOWN, FF_E_UNAVAILABLE on an
 * engine opened read only, and FF_E_MISUSE while an import is unfinished (FF-MT-5). Where several apply, the order is: a
 * dead handle, arguments, a store that is read only, a deadline that has passed, an import that is not finished, missing
 * entity, key (replay or conflict), corruption, breach, overflow (FF-ERR-3). `error` may be NULL everywhere.
 *
 * Threads: an engine serves any number of threads. Calls that write and wait at the same time share a commit and are
 * decided in the order of arrival; on a store with several lanes (PostgreSQL with pool=) that holds for the calls of one
 * lane, and single calls on one budget or quota policy are always in one. A call blocks until its answer is as durable as
 * the store was opened.
 *
 * Stability: functions and values are only ever appended. A struct may grow, so a host is compiled anew with each version
 * of this header. `size`, where a struct has one, tells where that was forgotten, and makes no two versions work together:
 * its INIT sets it to sizeof, and with any other the call is FF_E_INVALID and reads no more of it. That tells of a struct
 * that was never begun, too. What is begun cleared, such as ff_report, has none, nor has what the engine fills.
 *
 * Ownership: arguments are borrowed for the call. Answers go into the caller's memory; where a function hands out a
 * pointer to a result, ff_free gives it back. After an error nothing is left there that could be taken for an answer:
 * pointers are NULL, numbers 0, times FF_TIME_NONE, what says yes is false, and an admission is FF_RATE_EXCEEDED.
 */
#ifndef FF_FF_H
#define FF_FF_H

#include <ff/common.h>

typedef struct ff_engine ff_engine;

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Where the engine gets its time and does its waiting. Both functions are called from any thread, and within calls of the
 * engine: they call none of it. Nor do those of ff_random and of the allocator. */
typedef struct ff_clock {
	int64_t (*now_ms)(void *context);
	void (*sleep_ms)(void *context, uint32_t ms); /* between retries */
	void *context;
} ff_clock;

/* Where jitter comes from: 64 random bits. Called from any thread. */
typedef struct ff_random {
	uint64_t (*next)(void *context);
	void *context;
} ff_random;

#define FF_OPEN_READ_ONLY 1u      /* nothing is written; a missing store is FF_E_NOT_FOUND (FF-MT-2) */
#define FF_OPEN_MUST_EXIST 2u     /* a missing store is FF_E_NOT_FOUND and is not created */
#define FF_OPEN_REQUIRE_BUDGET 4u /* a report to a budget without a policy is FF_E_NOT_FOUND (FF-RU-7) */
#define FF_OPEN_DATA_CLOCK 8u     /* requests bring their own time, raised to the last one seen (FF-CLK-2) */

/* Begin with FF_ENGINE_OPTIONS_INIT; 0 (or NULL) in a field is its default. Each wait between tries is twice as long as the
 * one before, at most 60,000 ms. At most 1,024 callers share a commit. A list is never split, even where it is longer than
 * batch_calls_max. */
typedef struct ff_engine_options {
	size_t size;                   /* sizeof(ff_engine_options) (Stability, above), as for all that have one */
	uint32_t flags;                /* FF_OPEN_… */
	uint32_t attempts;             /* 1 … 100 tries of a batch under contention; default 3 (FF-ERR-4) */
	uint32_t backoff_ms;           /* 1 … 60,000: the first wait between tries; default 5 */
	uint32_t batch_calls_max;      /* 1 … 1,000,000 waiting calls that share a commit; default 8,192 */
	uint32_t purge_rows_max;       /* 1 … 100,000 rows that a slice of tick looks at; default 1,000 (FF-MT-1) */
	uint32_t purge_slice_ms;       /* 1 … 60,000 that a slice of tick should take; default 5 (FF-MT-1) */
	int64_t key_ttl_ms;            /* 1 … INT64_MAX, how long a key is honoured; default 24 h (FF-RU-4) */
	uint64_t required_caps;        /* FF_CAP_…; FF_E_UNAVAILABLE names those that the store lacks */
	const ff_clock *clock;         /* default: the system's real-time clock. Copied */
	const ff_random *random;       /* default: the system's. Copied */
	const ff_allocator *allocator; /* default: libc's. Copied */
} ff_engine_options;

#define FF_ENGINE_OPTIONS_INIT                                                      \
	{                                                                           \
		sizeof(ff_engine_options), 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL \
	}

/*
 * Opens the store that `uri` names: SCHEME:PATH[?NAME=VALUE[&…]], percent-encoded where a path holds %, ? or #.
 *     sqlite:PATH  sqlite::memory:      ?durability=full|normal|none&busy_timeout_ms=N
 *     lmdb:DIR                          ?durability=full|normal|none&map_size=BYTES&… (docs/lmdb.md)
 *     postgres://USER@HOST/DATABASE     ?schema=NAME&durability=full|normal|none&… (docs/postgres.md)
 * A scheme that is not compiled in or registered is looked for in the folders of FF_BACKEND_PATH (ff/backend.h).
 * The schema of an empty store is created, an older one migrated in one transaction (FF-MT-2).
 * Errors: INVALID (malformed URI; unknown scheme or parameter: those known are listed), NOT_FOUND (missing store),
 * VERSION (written by a newer library; left untouched), CORRUPT (no store of this kind), UNAVAILABLE (a required
 * capability is lacking; an older schema, opened read only; a library, server or file system that cannot serve),
 * MISUSE (SQLite, in a process whose parent had such a store open when it forked).
 * On an error *engine is NULL and nothing is left open.
 */
FF_API ff_code ff_engine_open(const char *uri, const ff_engine_options *options, ff_engine **engine, ff_error *error);

/*
 * Stops the background tick, closes the store, frees the engine and sets *engine to NULL, so that a later call answers
 * FF_E_MISUSE. No other call may be under way. NULL is fine. In a process forked from the one that opened, it leaves
 * the store alone and frees nothing.
 */
FF_API void ff_engine_close(ff_engine **engine);

/* What the open store is and gives, and what the engine did so far. */
typedef struct ff_engine_info {
	const char *backend; /* lives as long as the engine, as do all texts here */
	const char *schemes; /* separated by spaces */
	const char *version; /* of the storage library or server */
	uint64_t caps;       /* FF_CAP_… of this open store */
	ff_durability durability;
	uint64_t calls; /* calls of batches that were decided; those among them whose deadline had passed count, too */
	uint64_t batches; /* commits, and batches that had nothing to commit */
	uint64_t loads;   /* round trips to load */
	uint64_t retries; /* batches run again after contention */
} ff_engine_info;

/* What is open, and what the engine has done since. No I/O; each count is of its own moment. */
FF_API ff_code ff_engine_get_info(ff_engine *engine, ff_engine_info *info, ff_error *error);

/* Gives back a result that the engine handed out. NULL is fine. Any thread; the engine may be closed by then. */
FF_API void ff_free(const void *result);

/* ---- budgets ------------------------------------------------------------------------------------------------ */

/* Where there is no such time. */
#define FF_TIME_NONE INT64_C(-1)

typedef enum ff_mode {
	FF_MODE_STRICT = 0,  /* hard limits refuse */
	FF_MODE_ADVISORY = 1 /* nothing is refused; what would have been is applied and counted (FF-CB-4) */
} ff_mode;

/* The limits of one dimension; 0 is no limit (FF-CB-2). Usage may equal a limit. */
typedef struct ff_limit {
	const char *dimension;
	uint64_t hard;
	uint64_t soft; /* ≤ hard where both are set */
} ff_limit;

/* Begin with FF_BUDGET_SPEC_INIT. A text that is NULL is empty. */
typedef struct ff_budget_spec {
	size_t size;
	const char *budget_id;
	const char *scope_type;
	const char *scope_id;
	const char *enforcement_mode; /* "strict" (the default, also for an empty text) or "advisory" */
	const char *on_hard_limit;    /* hints for the host: stored and given back, never interpreted */
	const char *on_soft_limit;
	int64_t reset_interval_ms; /* 0 = never; else now + interval ≤ INT64_MAX (FF-CB-3) */
	const ff_limit *limits;    /* limits_count of them, 0 … 64 (FF-LIM-5) */
	size_t limits_count;
	int64_t now_ms; /* 0 = the engine's clock (FF-CLK-2) */
} ff_budget_spec;

#define FF_BUDGET_SPEC_INIT                                                               \
	{                                                                                 \
		sizeof(ff_budget_spec), NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0 \
	}

/* The answer of a create. */
typedef struct ff_created {
	bool created; /* false: already satisfied, and nothing was changed (FF-CB-1) */
	bool same;    /* the stored policy equals the one asked for; true where created */
} ff_created;

/* Creates a budget's policy (FF-CB-1 … 7). One commit; a constant number of rows. */
FF_API ff_code ff_engine_create_budget(ff_engine *engine, const ff_budget_spec *spec, ff_created *created,
                                       ff_error *error);

/* Parallel arrays, each with its own count; INVALID where the counts differ (FF-CB-6, FF-RU). */
typedef struct ff_limit_arrays {
	const char *const *dimensions;
	size_t dimensions_count;
	const uint64_t *hard_limits;
	size_t hard_limits_count;
	const uint64_t *soft_limits;
	size_t soft_limits_count;
} ff_limit_arrays;

/* ff_engine_create_budget with the limits in parallel arrays; spec->limits_count must be 0 (FF-CB-6). */
FF_API ff_code ff_engine_create_budget_arrays(ff_engine *engine, const ff_budget_spec *spec,
                                              const ff_limit_arrays *limits, ff_created *created, ff_error *error);

/* An amount of one dimension. */
typedef struct ff_amount {
	const char *dimension;
	uint64_t amount;
} ff_amount;

/* Usage to charge to a budget, all of it or none (FF-RU-12). Clear it before use: every field's 0 is its default. */
typedef struct ff_report {
	const char *budget_id;
	const ff_amount *amounts; /* 1 … 64, in any order */
	size_t amounts_count;
	const char *idempotency_key; /* NULL or "" = none */
	bool retry_refused;          /* decide anew where the key's recorded outcome was not applied (FF-RU-5) */
	int64_t now_ms;              /* 0, but on an engine with the data clock (FF-CLK-2) */
} ff_report;

typedef enum ff_outcome_kind {
	FF_OUTCOME_OK = 0,
	FF_OUTCOME_SOFT_BREACH = 1, /* applied; `dimension` is over its soft limit (FF-RU-11) */
	FF_OUTCOME_HARD_BREACH = 2, /* refused, or applied under the advisory mode (FF-RU-9, 10) */
	/* the key was used before, by a spend or by an older engine (FF-RU-6, FF-SP-1) */
	FF_OUTCOME_ALREADY_APPLIED = 3
} ff_outcome_kind;

typedef struct ff_outcome {
	ff_outcome_kind kind;
	bool applied;           /* the amounts were charged, now or when the key was first used */
	bool replayed;          /* the outcome recorded under the key; nothing was changed (FF-RU-1) */
	uint64_t current_usage; /* breaches: soft, usage after; hard, usage before. Else 0 */
	uint64_t limit;         /* breaches: the soft or the hard limit. Else 0 */
	char dimension[65];     /* breaches: the first such dimension in byte order. Else empty */
} ff_outcome;

/*
 * Charges usage to a budget: the hot path (FF-RU). Reads the policy, the key and a row a dimension; writes the key and
 * a row a dimension, in one commit that it may share with calls of other threads. Errors: NOT_FOUND (require_budget),
 * KEY_CONFLICT, CORRUPT (policy, usage or outcome that cannot be trusted), OVERFLOW.
 */
FF_API ff_code ff_engine_report_usage(ff_engine *engine, const ff_report *report, ff_outcome *outcome, ff_error *error);

/* The amounts of a report as parallel arrays, each with its own count. */
typedef struct ff_amount_arrays {
	const char *const *dimensions;
	size_t dimensions_count;
	const uint64_t *amounts;
	size_t amounts_count;
} ff_amount_arrays;

/* ff_engine_report_usage with the amounts in parallel arrays; report->amounts_count must be 0. One operation with it:
 * the same key and payload replay across both (FF-RU-2). */
FF_API ff_code ff_engine_report_usage_admin(ff_engine *engine, const ff_report *report, const ff_amount_arrays *amounts,
                                            ff_outcome *outcome, ff_error *error);

/* Zeroes a budget's usage and begins a new grid of periods at now (FF-RB-1). now_ms: 0 = the engine's clock.
 * *next_reset_at_ms (which may be NULL) gets the next scheduled reset or FF_TIME_NONE. Errors: NOT_FOUND. One row. */
FF_API ff_code ff_engine_reset_budget(ff_engine *engine, const char *budget_id, int64_t now_ms,
                                      int64_t *next_reset_at_ms, ff_error *error);

/* ---- the ledger by execution -------------------------------------------------------------------------------- */

/* A report whose applied amounts are also recorded for an execution (FF-SP-1). */
typedef struct ff_spend {
	ff_report report;
	const char *execution_id;
} ff_spend;

/* As ff_engine_report_usage, with another row a dimension; where three or more are named, up to 65 of the execution's rows
 * are read besides. A replayed key that was applied answers ALREADY_APPLIED. */
FF_API ff_code ff_engine_record_spend(ff_engine *engine, const ff_spend *spend, ff_outcome *outcome, ff_error *error);

/* What was taken out of usage, in byte order of dimension. */
typedef struct ff_released {
	const ff_amount *amounts;
	size_t amounts_count;
} ff_released;

/*
 * Takes what an execution spent in the present period back out of usage, and forgets it (FF-SP-2, 3). Nothing recorded
 * is FF_OK with nothing released. *released (`released` may be NULL) is handed out; ff_free. Work: a row or two a
 * dimension that the execution has spent.
 */
FF_API ff_code ff_engine_release_budget(ff_engine *engine, const char *budget_id, const char *execution_id,
                                        const ff_released **released, ff_error *error);

/* ---- status ------------------------------------------------------------------------------------------------- */

typedef struct ff_budget_status {
	const char *budget_id;
	const char *scope_type;
	const char *scope_id;
	ff_mode enforcement_mode;
	const char *on_hard_limit;
	const char *on_soft_limit;
	int64_t reset_interval_ms;
	const ff_amount *usage; /* every dimension that an applied report has named, in byte order */
	size_t usage_count;
	const ff_limit *limits; /* every dimension that has a limit listed, in byte order */
	size_t limits_count;
	uint64_t breach_count; /* lifetime totals: a reset keeps them */
	uint64_t soft_breach_count;
	int64_t last_breach_at_ms;   /* hard breaches in this period, or FF_TIME_NONE */
	const char *last_breach_dim; /* or NULL */
	int64_t next_reset_at_ms;    /* or FF_TIME_NONE */
	int64_t created_at_ms;
	int64_t updated_at_ms;
} ff_budget_status;

/* One consistent snapshot of a budget (FF-GS-1), handed out; ff_free. Errors: NOT_FOUND, CORRUPT. */
FF_API ff_code ff_engine_get_budget_status(ff_engine *engine, const char *budget_id, const ff_budget_status **status,
                                           ff_error *error);

typedef struct ff_budget_page {
	const ff_budget_status *budgets;
	size_t budgets_count;
	bool more; /* there are budgets after the last one here */
} ff_budget_page;

/*
 * The budgets after id `after` (NULL or "" = from the first) in byte order, at most `limit` (1 … 1,000), handed out as
 * one consistent snapshot; ff_free (FF-GS-2). A corrupt budget fails the page; the error names it.
 */
FF_API ff_code ff_engine_list_budgets(ff_engine *engine, const char *after, uint32_t limit, const ff_budget_page **page,
                                      ff_error *error);

/* ---- quotas ------------------------------------------------------------------------------------------------- */

/* 0 = no limit. A request limit needs a window (FF-QA-1). */
typedef struct ff_quota_limits {
	uint64_t window_seconds;          /* 0 … 10^12 */
	uint64_t max_requests_per_window; /* 0 … INT64_MAX */
	uint64_t max_concurrent;          /* 0 … INT64_MAX */
} ff_quota_limits;

/* Begin with FF_QUOTA_SPEC_INIT. */
typedef struct ff_quota_spec {
	size_t size;
	const char *quota_policy_id;
	ff_quota_limits limits;
	int64_t now_ms; /* 0 = the engine's clock */
} ff_quota_spec;

#define FF_QUOTA_SPEC_INIT                                  \
	{                                                   \
		sizeof(ff_quota_spec), NULL, { 0, 0, 0 }, 0 \
	}

/* Creates a quota policy (FF-QA-1). One row. */
FF_API ff_code ff_engine_create_quota_policy(ff_engine *engine, const ff_quota_spec *spec, ff_created *created,
                                             ff_error *error);

/* Begin with FF_ADMISSION_INIT. */
typedef struct ff_admission {
	size_t size;
	const char *quota_policy_id;
	const char *execution_id;
	int64_t lease_ms;              /* 0 = none; how long the slot is held without another admission (FF-QA-6) */
	int64_t jitter_ms;             /* 0 … 10^12; at most so much is added to retry_after (FF-QA-4) */
	const ff_quota_limits *limits; /* NULL = those of the stored policy (FF-QA-2) */
	int64_t now_ms;                /* 0 = the engine's clock */
} ff_admission;

#define FF_ADMISSION_INIT                                       \
	{                                                       \
		sizeof(ff_admission), NULL, NULL, 0, 0, NULL, 0 \
	}

typedef enum ff_admission_kind {
	FF_ADMITTED = 0,
	FF_ALREADY_ADMITTED = 1,
	FF_RATE_EXCEEDED = 2,
	FF_CONCURRENCY_EXCEEDED = 3
} ff_admission_kind;

typedef struct ff_admission_outcome {
	ff_admission_kind kind;
	int64_t retry_after_ms; /* RATE_EXCEEDED: how long until one more is admitted, plus jitter. Else FF_TIME_NONE */
} ff_admission_outcome;

/* Admits an execution under a quota policy, or says why not (FF-QA-2 … 6). The work does not grow with the window
 * (FF-QA-7). Errors: NOT_FOUND (no policy, and the call brings no limits). */
FF_API ff_code ff_engine_admit(ff_engine *engine, const ff_admission *admission, ff_admission_outcome *outcome,
                               ff_error *error);

/* Frees an execution's slot, once; the window is not refunded (FF-QA-5). *held (which may be NULL) says whether there
 * was one. now_ms: 0 = the engine's clock. */
FF_API ff_code ff_engine_release_admission(ff_engine *engine, const char *quota_policy_id, const char *execution_id,
                                           int64_t now_ms, bool *held, ff_error *error);

typedef struct ff_quota_status {
	const char *quota_policy_id;
	ff_quota_limits limits;
	uint64_t in_window;           /* entries that are alive */
	uint64_t active;              /* slots that are held */
	int64_t next_admission_at_ms; /* when the next request would pass the window, or FF_TIME_NONE: now */
	int64_t created_at_ms;
	int64_t updated_at_ms;
} ff_quota_status;

/* A quota policy's status (FF-QA-8), handed out; ff_free. Reads the window's entries. Errors: NOT_FOUND. */
FF_API ff_code ff_engine_get_quota_status(ff_engine *engine, const char *quota_policy_id,
                                          const ff_quota_status **status, ff_error *error);

typedef struct ff_quota_page {
	const ff_quota_status *quotas;
	size_t quotas_count;
	bool more;
} ff_quota_page;

/* As ff_engine_list_budgets (FF-GS-2). Reads the windows' entries, and passes over ids without a policy under which there
 * were admissions (FF-QA-9). */
FF_API ff_code ff_engine_list_quotas(ff_engine *engine, const char *after, uint32_t limit, const ff_quota_page **page,
                                     ff_error *error);

/* ---- batches ------------------------------------------------------------------------------------------------ */

typedef enum ff_op {
	FF_OP_CREATE_BUDGET = 1,
	FF_OP_REPORT_USAGE = 2,
	FF_OP_RESET_BUDGET = 3,
	FF_OP_RECORD_SPEND = 4,
	FF_OP_RELEASE_BUDGET = 5,
	FF_OP_CREATE_QUOTA_POLICY = 6,
	FF_OP_ADMIT = 7,
	FF_OP_RELEASE_ADMISSION = 8
} ff_op;

/* One call of a batch: what is asked (`in`, borrowed), where its answer goes (`out`), and how it went. */
typedef struct ff_call {
	ff_op op;
	ff_code code; /* set: FF_OK, or this call's own error */
	/* Engine time (with the data clock: the call's own) from which it is no longer decided but fails with DEADLINE;
	 * 0 = none; INVALID below 0. */
	int64_t deadline_ms;
	union {
		const ff_budget_spec *create_budget;
		const ff_report *report;
		const ff_spend *spend;
		const ff_quota_spec *create_quota;
		const ff_admission *admission;
		struct {
			const char *id;           /* a budget's, or a quota policy's */
			const char *execution_id; /* not for RESET_BUDGET */
			int64_t now_ms;           /* not for RELEASE_BUDGET */
		} target;                         /* RESET_BUDGET, RELEASE_BUDGET, RELEASE_ADMISSION */
	} in;
	union { /* the pointers may be NULL: the answer is not wanted */
		ff_created *created;
		ff_outcome *outcome;
		const ff_released **released;
		ff_admission_outcome *admission;
		int64_t *next_reset_at_ms;
		bool *held;
	} out;
	ff_error *error; /* NULL, or gets this call's error in full */
} ff_call;

/*
 * Decides a mixed list of calls, each as if sent alone in that order (FF-RU-14), in one commit. Answers FF_OK where
 * every call has its own code and answer; the calls' codes tell which of them failed. An error of the batch as a whole
 * (BUSY, IO, COMMIT_UNKNOWN …) is also each call's code. Work: one load (now and then none, or two), one store, whatever
 * the count.
 */
FF_API ff_code ff_engine_submit(ff_engine *engine, ff_call *calls, size_t count, ff_error *error);

typedef struct ff_report_result {
	ff_code code;       /* FF_OK, or this report's own error */
	ff_outcome outcome; /* where code is FF_OK */
} ff_report_result;

/* ff_engine_submit for reports alone: results[i] answers reports[i]. `errors` is NULL or gets count error records. */
FF_API ff_code ff_engine_report_usage_batch(ff_engine *engine, const ff_report *reports, size_t count,
                                            ff_report_result *results, ff_error *errors, ff_error *error);

/* ---- keeping house ------------------------------------------------------------------------------------------ */

typedef struct ff_tick_result {
	uint64_t resets;             /* budgets whose stored period was moved */
	uint64_t failed;             /* due budgets that could not be moved (corrupt), and were passed over */
	uint64_t purged_keys;        /* expired idempotency keys deleted */
	uint64_t purged_admissions;  /* expired window entries and leases deleted */
	uint64_t purged_ledger_rows; /* what executions spent in a period that is over, deleted */
} ff_tick_result;

/*
 * Makes due resets visible in the tables and purges what is over, in slices that other calls share the store with
 * (FF-RB-4, FF-MT-1). Nothing hangs on it: it may be late or never. At most `limit` rows are moved or purged; 0 = no
 * bound. Resets come first, then keys, ledger rows, window entries and slots: a limit that resets alone use up each time
 * leaves nothing to purge with. Resets that find the store full are tried again behind the purge; FULL where that has
 * used up the limit. now_ms: 0 = the engine's clock. On an error *result tells what was done before it. Work: all keys,
 * ledger rows, window entries and slots are looked at, whether they are over or not, unless the limit is reached.
 */
FF_API ff_code ff_engine_tick(ff_engine *engine, int64_t now_ms, uint64_t limit, ff_tick_result *result,
                              ff_error *error);

/*
 * Runs an unbounded tick on a thread of the engine's own, every interval_ms (1 … 86,400,000; 0 = off), the first at once.
 * While the thread runs, starting it again changes nothing, not even the interval: stop it first. After a tick the thread
 * rests for four times as long as that took, up to an hour, where that is more than the interval. Errors of a tick are
 * dropped; the next one tries again. Stopping (interval 0, or close) waits for a slice under way (FF-RB-6).
 */
FF_API ff_code ff_engine_tick_every(ff_engine *engine, uint32_t interval_ms, ff_error *error);

/* Takes one line (without its newline; size bytes, NUL after them). Any code but FF_OK ends the export with it. Called on
 * the caller's thread within the snapshot: what it asks of the engine itself may find the store BUSY, where that does not
 * have SNAPSHOT_READ. */
typedef ff_code ff_line_fn(void *context, const char *line, size_t size, ff_error *error);

/* Writes the logical state at now (0 = the engine's clock) as canonical JSON lines, of one snapshot, in constant memory
 * (FF-MT-3). The last one says how many are in front of it. Errors: CORRUPT names a row that import would refuse. */
FF_API ff_code ff_engine_export(ff_engine *engine, int64_t now_ms, ff_line_fn *line, void *context, ff_error *error);

/* Gives the next line, valid until the next call: *line = NULL past the last. Any code but FF_OK ends the import. */
typedef ff_code ff_next_line_fn(void *context, const char **line, size_t *size, ff_error *error);

/*
 * Reads what ff_engine_export wrote into an empty store (else INVALID), in constant memory. Can be run again after a
 * failure, or given up by an import of no lines, which leaves the store empty (FF-MT-3). *imported (which may be NULL)
 * gets the number of lines, and the export of an empty store has one; on an error, of those that were read until then.
 * Errors: INVALID names the line; or tells that the last one is missing; or, where each line is good and they contradict
 * each other (a check of all rows ends the import, FF-MT-4), what contradicts. MISUSE: another import has begun in the
 * store since; that one counts. Until it is finished other calls that write are MISUSE (FF-MT-5), but on PostgreSQL not
 * those of an engine that was open before and has written.
 */
FF_API ff_code ff_engine_import(ff_engine *engine, ff_next_line_fn *next, void *context, uint64_t *imported,
                                ff_error *error);

/* Looks for what cannot be, in the rows and in the store itself, and tells each to `problem` (FF-MT-4), also of a table
 * that cannot be read to its end. FF_OK where the check could be made; reads everything, in constant memory, each table in
 * a snapshot of its own. */
FF_API ff_code ff_engine_check(ff_engine *engine, ff_problem_fn *problem, void *context, ff_error *error);

#endif
