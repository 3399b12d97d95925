/*
 * ffctl: what its files share. It is a client of the public headers only.
 *
 * A command reads all its arguments before it opens the store, so that wrong usage changes nothing; then it makes one
 * call of the engine and prints the answer: a line or a table for people, one JSON object a line with --json.
 */
#ifndef FFCTL_H
#define FFCTL_H

#include <cjson/cJSON.h>
#include <libsmartcols/libsmartcols.h>

#include <ff/backend.h>
#include <ff/ff.h>

/* Exit statuses. */
enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_REFUSED = 3 };

typedef enum ctl_option {
	OPT_STORE,
	OPT_JSON,
	OPT_NOW,
	OPT_REQUIRE_BUDGET,
	OPT_KEY_TTL,
	OPT_HELP,
	OPT_VERSION,
	OPT_COMMON, /* those before it go with every command */
	OPT_AFTER = OPT_COMMON,
	OPT_BATCH,
	OPT_BUDGET,
	OPT_BUDGET_FROM,
	OPT_CONCURRENCY,
	OPT_DIM,
	OPT_EXECUTION,
	OPT_EXECUTION_FROM,
	OPT_JITTER,
	OPT_KEY,
	OPT_KEY_FROM,
	OPT_KEY_PREFIX,
	OPT_LEASE,
	OPT_LIMIT,
	OPT_MAX,
	OPT_MODE,
	OPT_ON_HARD,
	OPT_ON_SOFT,
	OPT_POLICY,
	OPT_QUOTA,
	OPT_RESET_EVERY,
	OPT_RETRY_REFUSED,
	OPT_SCOPE,
	OPT_THREADS,
	OPT_TIME_FROM,
	OPT_WINDOW,
	OPT_COUNT
} ctl_option;

typedef struct ctl_command ctl_command;

typedef struct ctl_given {
	ctl_option option;
	const char *value; /* "" for a flag */
} ctl_given;

/* One run of the program. */
typedef struct ctl_session {
	const ctl_command *command;
	const char *store;
	bool json;
	bool colours;       /* stdout is a terminal that wants them */
	int64_t now_ms;     /* --now, or FF_TIME_NONE: the system's clock */
	int64_t key_ttl_ms; /* --key-ttl, or 0: the engine's default */
	ctl_given *given;   /* in the order given */
	size_t given_count;
	const char **arguments; /* what follows the command's name */
	size_t arguments_count;
	ff_engine *engine; /* NULL until ctl_open */
} ctl_session;

struct ctl_command {
	const char *name;      /* one or two words */
	const char *arguments; /* as usage shows them */
	const char *summary;
	int (*run)(ctl_session *session);
	size_t arguments_min;
	size_t arguments_max;
	uint64_t options;    /* a bit for each ctl_option, beside the common ones */
	uint64_t required;   /* those of them that must be given */
	uint64_t repeatable; /* those of them that may be given more than once */
	const char *notes;   /* more for `help COMMAND`, or NULL */
	const char *fields;  /* of an object that --json prints, or NULL */
};

int ctl_budget_create(ctl_session *session);
int ctl_budget_status(ctl_session *session);
int ctl_budget_list(ctl_session *session);
int ctl_budget_reset(ctl_session *session);
int ctl_report(ctl_session *session);
int ctl_release(ctl_session *session);
int ctl_quota_create(ctl_session *session);
int ctl_quota_status(ctl_session *session);
int ctl_quota_list(ctl_session *session);
int ctl_quota_admit(ctl_session *session);
int ctl_quota_release(ctl_session *session);
int ctl_replay(ctl_session *session);
int ctl_tick(ctl_session *session);
int ctl_export(ctl_session *session);
int ctl_import(ctl_session *session);
int ctl_check(ctl_session *session);
int ctl_backends(ctl_session *session);

/* ---- main.c: the command line and the store ----------------------------------------------------------------- */

/* The value of an option, or NULL where it was not given. */
const char *ctl_value(const ctl_session *session, ctl_option option);

/* Says what is wrong with the command line, and how it should be. Answers CTL_USAGE. */
int ctl_usage(const ctl_session *session, const char *format, ...) FF_PRINTF(2, 3);

/* Tells an error as --json asks. Answers CTL_FAILED. */
int ctl_fail(const ctl_session *session, const ff_error *error);

/* Opens the store as `flags` (FF_OPEN_…) and the command line say. Where it is to be written and does not exist, the
 * last directory of its path is made too. */
ff_code ctl_open(ctl_session *session, uint32_t flags, ff_error *error);

/* Opens an empty store in memory, to try on it what the engine takes. ff_engine_close, also after an error. */
ff_code ctl_open_scratch(ff_engine **engine, ff_error *error);

/* Memory, cleared where it is new, or the end of the program. `size` is that of one element. */
void *ctl_allocate(size_t count, size_t size);
void *ctl_resize(void *old, size_t count, size_t size);
_Noreturn void ctl_no_memory(void);

char *ctl_copy(const char *text);

/* Tells what a create answered; the first argument is the id. Answers CTL_DONE. */
int ctl_print_created(const ctl_session *session, const ff_created *created, const char *thing, const char *id_name);

/* Prints the page behind `after` (NULL: the first) of at most `limit`, and how many that were; where *more follow,
 * *last is a copy of the last id. */
typedef ff_code ctl_page_fn(ctl_session *session, const char *after, uint32_t limit, char **last, uint64_t *count,
                            bool *more, ff_error *error);

/* Goes through a list page by page, as --after and --limit say. */
int ctl_list(ctl_session *session, ctl_page_fn *print_page);

/* ---- parse.c: texts to values. All answer false where the text does not have the form ------------------------- */

/* Decimal digits. What passes UINT64_MAX reads as UINT64_MAX, which every call refuses. */
bool ctl_read_number(const char *text, uint64_t *number);

/* A number of at least `min` and at most `max`. */
bool ctl_read_range(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* Digits and a unit: ms, s, m, h, d. What passes INT64_MAX reads as INT64_MAX. */
bool ctl_read_duration(const char *text, int64_t *ms);

/* A duration of whole seconds. */
bool ctl_read_seconds(const char *text, uint64_t *seconds);

/* Epoch milliseconds, or YYYY-MM-DD HH:MM:SS[.fraction] with T or a blank between and Z, ±HH:MM or nothing (UTC)
 * behind; what is finer than a millisecond is cut. */
bool ctl_read_time(const char *text, int64_t *ms);

/* Cuts `text` in two, in a copy that the caller frees: at the last `mark` or at the first. NULL where there is none. */
char *ctl_split(const char *text, char mark, bool last, const char **left, const char **right);

/* ---- json.c ------------------------------------------------------------------------------------------------- */

/*
 * Parses one JSON text. The valuestring of every number in it is the number as it was written, for cJSON's doubles do
 * not hold amounts. NULL with *fault set where it is no JSON, has text after its end, a member twice, more than 1,024
 * members in an object, or a NUL in a text. cJSON_Delete frees the answer.
 */
cJSON *ctl_json_parse(const char *text, size_t size, const char **fault);

/* What a bare number of a JSON text is (FF-LIM-6). Only an exact one is ever taken. */
typedef enum ctl_bare {
	CTL_BARE_EXACT, /* an integer up to 2^53 in digits alone */
	CTL_BARE_LARGE, /* an integer above: it has to be written as a string */
	CTL_BARE_OTHER  /* it has a fraction or an exponent */
} ctl_bare;

#define CTL_BARE_LARGE_FAULT "is above 2^53 and has to be written as a string"

ctl_bare ctl_json_bare(const char *number);

/* An integer in a JSON text: a number up to 2^53 in digits alone, or a string of digits (FF-LIM-6). */
bool ctl_json_number(const cJSON *item, uint64_t *number);

/* Members of an object that is to be printed. Integers above 2^53 become strings; FF_TIME_NONE and NULL become null. */
cJSON *ctl_json_object(void);
void ctl_json_add(cJSON *object, const char *name, cJSON *item);
void ctl_json_integer(cJSON *object, const char *name, uint64_t number);
void ctl_json_time(cJSON *object, const char *name, int64_t ms);
void ctl_json_text(cJSON *object, const char *name, const char *text);
void ctl_json_bool(cJSON *object, const char *name, bool value);
void ctl_json_seconds(cJSON *object, const char *name, double value);

/* Prints an object as one line, and deletes it. Answers CTL_DONE. */
int ctl_json_print(cJSON *object);

/* ---- table.c: for people ------------------------------------------------------------------------------------ */

typedef struct ctl_words {
	char text[64];
} ctl_words;

/* 1234567 as 1,234,567. */
ctl_words ctl_digits(uint64_t number);

/* A limit, where 0 is none. */
ctl_words ctl_limit_digits(uint64_t limit);

/* 2023-11-16 18:17:03Z, and in brackets the milliseconds; FF_TIME_NONE as the caller's word. */
ctl_words ctl_time(int64_t ms, const char *none);

/* 90000 as 90s; 0 as the caller's word. */
ctl_words ctl_duration(int64_t ms, const char *none);

typedef struct ctl_column {
	const char *name;
	bool right; /* aligned */
} ctl_column;

struct libscols_table *ctl_table_new(const ctl_session *session, const ctl_column *columns, size_t columns_count);
struct libscols_line *ctl_table_line(struct libscols_table *table);
void ctl_table_set(struct libscols_line *line, size_t column, const char *text, const char *colour);

/* Prints the table, and frees it. */
void ctl_table_print(struct libscols_table *table);

typedef struct ctl_bar {
	char text[128];
} ctl_bar;

/* Usage against its hard limit, the soft limit marked. Where there is no hard limit, against the soft one. */
ctl_bar ctl_usage_bar(uint64_t usage, const ff_limit *limit);
const char *ctl_usage_colour(uint64_t usage, const ff_limit *limit);

/* Shares of a whole, solid and then lighter: accepted, warned and refused. */
#define CTL_SHARES_MAX 3
ctl_bar ctl_shares_bar(const uint64_t *shares, size_t count);
ctl_bar ctl_shares_legend(void);

/* ---- source.c: data lines ----------------------------------------------------------------------------------- */

typedef enum ctl_field_kind {
	CTL_FIELD_ABSENT,
	CTL_FIELD_TEXT,    /* or a bare number of a JSON line that is exact */
	CTL_FIELD_INEXACT, /* a bare number that is not, as it was written */
	CTL_FIELD_OTHER    /* a JSON value that is neither */
} ctl_field_kind;

typedef struct ctl_field {
	const char *text;
	ctl_field_kind kind;
} ctl_field;

typedef struct ctl_record {
	uint64_t number; /* of the data line, from 1 */
	uint64_t line;   /* of the file, where it begins, from 1 */
	const ctl_field
	    *fields;       /* those of the columns that were asked for, in that order; valid until the next call */
	const char *fault; /* NULL, or why the line cannot be read: there are no fields then */
} ctl_record;

typedef struct ctl_source ctl_source;

/*
 * Opens CSV with a header or JSON lines ("-": stdin) and finds the named columns. Memory does not grow with the input.
 * Errors: NOT_FOUND, IO, INVALID (no header, or a column that it lacks or has twice).
 */
ff_code ctl_source_open(const char *path, const char *const *columns, size_t columns_count, ctl_source **source,
                        ff_error *error);

/* Whether the next line is not there yet, as with a pipe that somebody is still writing to. A guess: of a record's lines the
 * first may be there alone. */
bool ctl_source_would_wait(const ctl_source *source);

/* The next data line; *record = NULL past the last. Blank lines are none. Errors: IO. */
ff_code ctl_source_next(ctl_source *source, const ctl_record **record, ff_error *error);

/* NULL is fine. */
void ctl_source_close(ctl_source *source);

/* ---- policy.c ----------------------------------------------------------------------------------------------- */

typedef struct ctl_policy {
	ff_budget_spec *budgets;
	size_t budgets_count;
	ff_quota_spec *quotas;
	size_t quotas_count;
	ff_limit *limits; /* of all budgets, one after another */
	char **scopes;    /* the budgets' scopes, cut in two */
	cJSON *document;  /* holds the texts */
} ctl_policy;

/* Reads a policy file. Errors: NOT_FOUND, IO, INVALID (names the member). */
ff_code ctl_policy_read(const char *path, ctl_policy *policy, ff_error *error);

/* Whether the engine takes all that the policy lists, tried at now_ms (0 = the system's clock) on a store in memory, so
 * that a policy with a fault is refused whole. Errors: INVALID (names the budget or quota policy). */
ff_code ctl_policy_check(const ctl_policy *policy, int64_t now_ms, ff_error *error);

/* Creates what the policy lists, at now_ms (0 = the engine's clock), in one commit. What exists stays as it is; where it
 * differs, stderr says so. */
ff_code ctl_policy_apply(const ctl_policy *policy, ff_engine *engine, int64_t now_ms, ff_error *error);

void ctl_policy_free(ctl_policy *policy);

#endif
