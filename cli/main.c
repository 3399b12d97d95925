/* ffctl: the commands as data, the command line, and the store that it names. */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../backends/support/standard.h"
#include "ffctl.h"

typedef struct option_text {
	const char *name;
	const char *value; /* as usage shows it; NULL for a flag */
	const char *help;
} option_text;

static const option_text options[OPT_COUNT] = {
	[OPT_STORE] = { "store", "URI", "the store; default $FF_STORE, then sqlite:ff.db" },
	[OPT_JSON] = { "json", NULL, "answers and errors as JSON, one object a line" },
	[OPT_NOW] = { "now", "MS", "sets the engine's clock, in milliseconds since 1970" },
	[OPT_REQUIRE_BUDGET] = { "require-budget", NULL, "usage of a budget that does not exist is an error" },
	[OPT_KEY_TTL] = { "key-ttl", "DURATION", "how long idempotency keys are honoured; default 24h" },
	[OPT_HELP] = { "help", NULL, "this help, or that of the command" },
	[OPT_VERSION] = { "version", NULL, "the version" },
	[OPT_AFTER] = { "after", "ID", "begin behind this id" },
	[OPT_BATCH] = { "batch", "N", "so many lines share a commit, 1 to 65536; default 256" },
	[OPT_BUDGET] = { "budget", "ID", "the budget that every line is charged to" },
	[OPT_BUDGET_FROM] = { "budget-from", "COL", "the column that names a line's budget" },
	[OPT_CONCURRENCY] = { "concurrency", "N", "at most so many executions at a time; 0 = any number" },
	[OPT_DIM] = { "dim", "NAME=COL", "charge the amount in a column to a dimension; may be repeated" },
	[OPT_EXECUTION] = { "execution", "E", "the execution's id" },
	[OPT_EXECUTION_FROM] = { "execution-from", "COL", "the column that names a line's execution" },
	[OPT_JITTER] = { "jitter", "MS", "add up to so much to retry_after" },
	[OPT_KEY] = { "key", "K", "the idempotency key" },
	[OPT_KEY_FROM] = { "key-from", "COL", "the column that holds a line's idempotency key" },
	[OPT_KEY_PREFIX] = { "key-prefix", "P", "a line's idempotency key is P and the data line's number" },
	[OPT_LEASE] = { "lease", "DURATION",
	                "a slot is free again after so long without another admission; 0s: never" },
	[OPT_LIMIT] = { "limit", "N|DIM=HARD[:SOFT]", "at most so many; of a new budget, a dimension's limits" },
	[OPT_MAX] = { "max", "N", "at most so many requests a window; 0 = any number" },
	[OPT_MODE] = { "mode", "strict|advisory", "advisory refuses nothing, and counts what would have been" },
	[OPT_ON_HARD] = { "on-hard", "S", "a hint for the host, given back by status" },
	[OPT_ON_SOFT] = { "on-soft", "S", "a hint for the host, given back by status" },
	[OPT_POLICY] = { "policy", "FILE.json", "budgets and quotas to create first" },
	[OPT_QUOTA] = { "quota", "ID", "each line asks this quota policy for admission first" },
	[OPT_RESET_EVERY] = { "reset-every", "DURATION", "usage begins anew every so often" },
	[OPT_RETRY_REFUSED] = { "retry-refused", NULL, "decide anew where the key's outcome was a refusal" },
	[OPT_SCOPE] = { "scope", "TYPE:ID", "what the budget is for" },
	[OPT_THREADS] = { "threads", "N", "so many batches at a time, 1 to 64; default 1" },
	[OPT_TIME_FROM] = { "time-from", "COL", "the column that holds a line's time" },
	[OPT_WINDOW] = { "window", "DURATION", "the sliding window, in whole seconds" },
};

#define BIT(option) (UINT64_C(1) << (option))
#define LIST_OPTIONS (BIT(OPT_AFTER) | BIT(OPT_LIMIT))
#define QUOTA_LIMITS (BIT(OPT_WINDOW) | BIT(OPT_MAX) | BIT(OPT_CONCURRENCY))
#define ANY SIZE_MAX

#define OUTCOME_FIELDS \
	"outcome (ok, soft_breach, hard_breach, already_applied), applied, replayed, dimension,\ncurrent_usage, limit"
#define BUDGET_FIELDS                                                                                           \
	"budget_id, scope_type, scope_id, enforcement_mode, on_hard_limit, on_soft_limit,\n"                    \
	"reset_interval_ms, usage, hard_limits, soft_limits (by dimension), breach_count, soft_breach_count,\n" \
	"last_breach_at, last_breach_dim, next_reset_at, created_at, updated_at"
#define QUOTA_FIELDS                                                                             \
	"quota_policy_id, window_seconds, max_requests_per_window, max_concurrent, in_window,\n" \
	"active, next_admission_at"

static int help(ctl_session *session);

static const ctl_command commands[] = {
	{ .name = "budget create",
	  .arguments = "ID [--scope TYPE:ID] [--mode strict|advisory] [--limit DIM=HARD[:SOFT]]… "
	               "[--reset-every DURATION] [--on-hard S] [--on-soft S]",
	  .summary = "creates a budget, where there is none of that id",
	  .run = ctl_budget_create,
	  .fields = "result (created, already_satisfied), same, budget_id",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = BIT(OPT_SCOPE) | BIT(OPT_MODE) | BIT(OPT_LIMIT) | BIT(OPT_RESET_EVERY) | BIT(OPT_ON_HARD) |
	             BIT(OPT_ON_SOFT),
	  .repeatable = BIT(OPT_LIMIT),
	  .notes = "--limit splits at its last '='; a limit of 0 is none. --scope splits at its first ':'." },
	{ .name = "budget status",
	  .arguments = "ID",
	  .summary = "shows a budget's limits, usage and breaches",
	  .run = ctl_budget_status,
	  .fields = BUDGET_FIELDS,
	  .arguments_min = 1,
	  .arguments_max = 1 },
	{ .name = "budget list",
	  .arguments = "[--after ID] [--limit N]",
	  .summary = "shows the budgets, in order of id",
	  .run = ctl_budget_list,
	  .fields = BUDGET_FIELDS,
	  .options = LIST_OPTIONS,
	  .notes = "--limit N shows at most N of them." },
	{ .name = "budget reset",
	  .arguments = "ID",
	  .summary = "begins a new period of a budget: its usage is 0",
	  .run = ctl_budget_reset,
	  .fields = "result (reset), next_reset_at",
	  .arguments_min = 1,
	  .arguments_max = 1 },
	{ .name = "report",
	  .arguments = "ID DIM=N… [--key K] [--retry-refused]",
	  .summary = "charges usage to a budget",
	  .run = ctl_report,
	  .fields = OUTCOME_FIELDS,
	  .arguments_min = 2,
	  .arguments_max = ANY,
	  .options = BIT(OPT_KEY) | BIT(OPT_RETRY_REFUSED) },
	{ .name = "spend",
	  .arguments = "ID --execution E DIM=N… [--key K] [--retry-refused]",
	  .summary = "charges usage to a budget, and records it for an execution",
	  .run = ctl_report,
	  .fields = OUTCOME_FIELDS,
	  .arguments_min = 2,
	  .arguments_max = ANY,
	  .options = BIT(OPT_EXECUTION) | BIT(OPT_KEY) | BIT(OPT_RETRY_REFUSED),
	  .required = BIT(OPT_EXECUTION) },
	{ .name = "release",
	  .arguments = "ID --execution E",
	  .summary = "takes an execution's usage back out of a budget",
	  .run = ctl_release,
	  .fields = "result (released), released (by dimension)",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = BIT(OPT_EXECUTION),
	  .required = BIT(OPT_EXECUTION) },
	{ .name = "quota create",
	  .arguments = "ID --window DURATION --max N --concurrency N",
	  .summary = "creates a quota policy, where there is none of that id",
	  .run = ctl_quota_create,
	  .fields = "result (created, already_satisfied), same, quota_policy_id",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = QUOTA_LIMITS,
	  .required = QUOTA_LIMITS },
	{ .name = "quota status",
	  .arguments = "ID",
	  .summary = "shows a quota policy's limits and what of them is in use",
	  .run = ctl_quota_status,
	  .fields = QUOTA_FIELDS,
	  .arguments_min = 1,
	  .arguments_max = 1 },
	{ .name = "quota list",
	  .arguments = "[--after ID] [--limit N]",
	  .summary = "shows the quota policies, in order of id",
	  .run = ctl_quota_list,
	  .fields = QUOTA_FIELDS,
	  .options = LIST_OPTIONS,
	  .notes = "--limit N shows at most N of them." },
	{ .name = "quota admit",
	  .arguments = "ID --execution E [--lease DURATION] [--jitter MS] "
	               "[--window DURATION --max N --concurrency N]",
	  .summary = "asks whether an execution may begin",
	  .run = ctl_quota_admit,
	  .fields = "outcome (admitted, already_admitted, rate_exceeded, concurrency_exceeded),\nretry_after_ms",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = BIT(OPT_EXECUTION) | BIT(OPT_LEASE) | BIT(OPT_JITTER) | QUOTA_LIMITS,
	  .required = BIT(OPT_EXECUTION),
	  .notes = "With limits of its own (all three) the call does not look at those of the policy." },
	{ .name = "quota release",
	  .arguments = "ID --execution E",
	  .summary = "frees an execution's slot",
	  .run = ctl_quota_release,
	  .fields = "result (released), held",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = BIT(OPT_EXECUTION),
	  .required = BIT(OPT_EXECUTION) },
	{ .name = "replay",
	  .arguments = "FILE [--policy FILE.json] (--budget ID | --budget-from COL) --dim NAME=COL… [--time-from COL] "
	               "[--key-prefix P | --key-from COL] [--quota ID --execution-from COL [--lease DURATION]] "
	               "[--batch N] [--threads N]",
	  .summary = "reports every line of a log of usage",
	  .run = ctl_replay,
	  .fields = "lines, accepted, soft_breaches, refused, replayed, invalid, amounts (by dimension),\nseconds, "
	            "per_second",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .options = BIT(OPT_POLICY) | BIT(OPT_BUDGET) | BIT(OPT_BUDGET_FROM) | BIT(OPT_DIM) | BIT(OPT_TIME_FROM) |
	             BIT(OPT_KEY_PREFIX) | BIT(OPT_KEY_FROM) | BIT(OPT_QUOTA) | BIT(OPT_EXECUTION_FROM) |
	             BIT(OPT_LEASE) | BIT(OPT_BATCH) | BIT(OPT_THREADS),
	  .required = BIT(OPT_DIM),
	  .repeatable = BIT(OPT_DIM),
	  .notes =
	      "FILE is CSV with a header, or JSON lines; '-' is stdin. Which of them, the name tells (.csv; .jsonl or\n"
	      ".ndjson), or else the first character: '{' is JSON. --dim splits at its first '='.\n"
	      "A record at fault, and one longer than 1 MiB, is told, skipped to its end, and not charged.\n"
	      "Times are milliseconds since 1970, YYYY-MM-DD HH:MM:SS.fraction in UTC, or RFC 3339, with an offset. "
	      "With\n"
	      "--time-from the data's own time decides, and a policy's budgets begin at that of the first line without "
	      "a fault.\n"
	      "With keys, run it again after whatever happened: what was charged is not charged twice. But a tick\n"
	      "deletes the keys that are over by its own clock, so between runs of old data it wants --now. And a\n"
	      "quota keeps no keys: every line asks it again, takes a new entry where its old one is gone, and may be\n"
	      "let in, and charged, where it was not before. And each line is then a commit of its own, whatever\n"
	      "--batch.\n"
	      "With more than one thread the lines are not decided in the file's order." },
	{ .name = "tick",
	  .arguments = "[--limit N]",
	  .summary = "makes due resets visible in the tables, and deletes what has expired",
	  .run = ctl_tick,
	  .fields = "resets, failed, purged_keys, purged_admissions, purged_ledger_rows",
	  .options = BIT(OPT_LIMIT),
	  .notes = "--limit N moves or deletes at most N rows; 0 = any number." },
	{ .name = "export",
	  .arguments = "[FILE]",
	  .summary = "writes the store's state as JSON lines",
	  .run = ctl_export,
	  .notes =
	      "It is written to a new file, FILE.N.part, which takes the place of FILE once it is whole. A FILE that\n"
	      "is there is replaced where it is empty or its first line is one of an export, else left. Of a link it\n"
	      "is what the link leads to.",
	  .arguments_max = 1 },
	{ .name = "import",
	  .arguments = "FILE",
	  .summary = "reads what export wrote into an empty store ('-': stdin)",
	  .run = ctl_import,
	  .fields = "imported",
	  .arguments_min = 1,
	  .arguments_max = 1,
	  .notes =
	      "One that failed, or was killed, is run again, and begins anew; until then the store takes no other\n"
	      "writes. `import /dev/null` gives it up, and leaves the store empty. A file or a pipe without a line is\n"
	      "refused, as one that was cut off." },
	{ .name = "check",
	  .arguments = "",
	  .summary = "looks for damage in the store",
	  .run = ctl_check,
	  .fields = "ok, problems" },
	{ .name = "backends",
	  .arguments = "",
	  .summary = "shows the backends, and what the open store gives",
	  .run = ctl_backends,
	  .fields = "name, schemes, capabilities, version",
	  .notes = "Backends are compiled in, or modules ff_backend_NAME.so in the folders of $FF_BACKEND_PATH." },
	{ .name = "help",
	  .arguments = "[COMMAND]",
	  .summary = "shows this, or more of a command",
	  .run = help,
	  .arguments_max = 2 },
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(*commands))

#define USAGE_COLUMNS 100

/* ---- help --------------------------------------------------------------------------------------------------- */

static void print_options(FILE *to, uint64_t which)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (which & BIT(i) && options[i].help) {
			char name[48];
			snprintf(name, sizeof name, "--%s%s%s", options[i].name, options[i].value ? " " : "",
			         options[i].value ? options[i].value : "");
			fprintf(to, "  %-24s %s\n", name, options[i].help);
		}
}

/* The usage of a command, broken between words. */
static void print_usage(FILE *to, const ctl_command *command)
{
	const char *word = command->arguments;
	size_t column = (size_t)fprintf(to, "usage: ffctl [OPTION]… %s", command->name);
	while (*word) {
		size_t size = strcspn(word, " ");
		if (column + size >= USAGE_COLUMNS)
			column = (size_t)fprintf(to, "\n            ") - 1;
		column += (size_t)fprintf(to, " %.*s", (int)size, word);
		word += size + (word[size] == ' ');
	}
	putc('\n', to);
}

static void print_overview(FILE *to)
{
	fputs("usage: ffctl [OPTION]… COMMAND …\n\ncommands:\n", to);
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		fprintf(to, "  %-16s %s\n", commands[i].name, commands[i].summary);
	fputs("\noptions of every command, before it or behind:\n", to);
	print_options(to, BIT(OPT_COMMON) - 1);
	fputs("\nDURATION: 1500ms, 60s, 5m, 1h, 1d. What follows '--' is no option.\n"
	      "exit status: 0 done, 1 an error, 2 wrong usage, 3 refused\n"
	      "with --json integers above 2^53 are strings, and an error is an object 'error' with the fields code,\n"
	      "entity, message, retryable, backend, native_code\n",
	      to);
}

static int print_command_help(const ctl_command *command)
{
	print_usage(stdout, command);
	printf("\n%c%s\n", command->summary[0] & ~0x20, command->summary + 1);
	if (command->options) {
		fputs("\noptions:\n", stdout);
		print_options(stdout, command->options);
	}
	if (command->notes)
		printf("\n%s\n", command->notes);
	if (command->fields)
		printf("\nfields with --json: %s\n", command->fields);
	fputs("\noptions of every command:\n", stdout);
	print_options(stdout, BIT(OPT_COMMON) - 1);
	return CTL_DONE;
}

/* The command that the leading words name, and how many words that takes; NULL where they name none. */
static const ctl_command *find_command(const char *const *words, size_t count, size_t *used)
{
	for (size_t i = 0; i < COMMANDS_COUNT; i++) {
		const char *second = strchr(commands[i].name, ' ');
		size_t first_size = second ? (size_t)(second - commands[i].name) : strlen(commands[i].name);
		*used = second ? 2 : 1;
		if (count >= *used && strlen(words[0]) == first_size &&
		    memcmp(words[0], commands[i].name, first_size) == 0 &&
		    (!second || strcmp(words[1], second + 1) == 0))
			return &commands[i];
	}
	return NULL;
}

static int help(ctl_session *session)
{
	size_t used;
	if (!session->arguments_count) {
		print_overview(stdout);
		return CTL_DONE;
	}
	const ctl_command *command = find_command(session->arguments, session->arguments_count, &used);
	if (!command) {
		session->command = NULL;
		return ctl_usage(session, "there is no command '%s%s%s'", session->arguments[0],
		                 session->arguments_count > 1 ? " " : "",
		                 session->arguments_count > 1 ? session->arguments[1] : "");
	}
	return print_command_help(command);
}

/* ---- telling errors ----------------------------------------------------------------------------------------- */

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static void print_error_json(const ff_error *error)
{
	cJSON *fields = ctl_json_object(), *object = ctl_json_object();
	ctl_json_text(fields, "code", ff_code_name(error->code));
	ctl_json_text(fields, "entity", text_or_null(error->entity));
	ctl_json_text(fields, "message", error->message);
	ctl_json_bool(fields, "retryable", error->retryable);
	ctl_json_text(fields, "backend", text_or_null(error->backend));
	ctl_json_text(fields, "native_code", text_or_null(error->native_code));
	ctl_json_add(object, "error", fields);
	ctl_json_print(object);
}

int ctl_fail(const ctl_session *session, const ff_error *error)
{
	if (session->json) {
		print_error_json(error);
		return CTL_FAILED;
	}
	fprintf(stderr, "ffctl: %s (%s", error->message, ff_code_name(error->code));
	if (*error->backend && *error->native_code)
		fprintf(stderr, "; %s %s", error->backend, error->native_code);
	fprintf(stderr, "%s)\n", error->retryable ? "; the same call may succeed if sent again" : "");
	return CTL_FAILED;
}

int ctl_usage(const ctl_session *session, const char *format, ...)
{
	char message[sizeof((ff_error *)0)->message];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	ff_error error;
	ff_error_set(&error, FF_E_INVALID, "%s", message);
	if (session->json)
		print_error_json(&error);
	fprintf(stderr, "ffctl: %s\n", error.message);
	if (!session->command) {
		print_overview(stderr);
		return CTL_USAGE;
	}
	print_usage(stderr, session->command);
	print_options(stderr, session->command->options | (BIT(OPT_COMMON) - 1));
	return CTL_USAGE;
}

_Noreturn void ctl_no_memory(void)
{
	fputs("ffctl: memory is out\n", stderr);
	exit(CTL_FAILED);
}

void *ctl_allocate(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	if (!memory)
		ctl_no_memory();
	return memory;
}

char *ctl_copy(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		ctl_no_memory();
	return copy;
}

void *ctl_resize(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count, size);
	if (!memory)
		ctl_no_memory();
	return memory;
}

/* ---- the store ---------------------------------------------------------------------------------------------- */

static int64_t fixed_now(void *context)
{
	return *(const int64_t *)context;
}

static void sleep_really(void *context, uint32_t ms)
{
	(void)context;
	struct timespec rest = { ms / 1000, (long)(ms % 1000) * 1000000 };
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
}

static int hex(char digit)
{
	const char *digits = "0123456789abcdef", *at = digit ? strchr(digits, digit | 0x20) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* The directory that the path of a file or a directory in `uri` lies in; the caller frees it. NULL where that is the
 * present one or the root, and where the URI is a server's address. */
static char *folder_of(const char *uri)
{
	const char *colon = strchr(uri, ':');
	if (!colon || (strncmp(colon, "://", 3) == 0 && colon[3] != '/'))
		return NULL;
	char *path = ctl_allocate(strlen(colon) + 1, 1), *to = path;
	for (const char *at = colon + 1; *at && *at != '?' && *at != '#'; at++)
		if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
			*to++ = (char)(hex(at[1]) * 16 + hex(at[2]));
			at += 2;
		} else {
			*to++ = *at;
		}
	char *slash = strrchr(path, '/');
	if (slash && slash > path) {
		*slash = '\0';
		return path;
	}
	free(path);
	return NULL;
}

/* Only a directory whose lack is all that is wrong is made: none stays behind where the store cannot be opened. */
ff_code ctl_open(ctl_session *session, uint32_t flags, ff_error *error)
{
	ff_engine_options engine = FF_ENGINE_OPTIONS_INIT;
	ff_clock clock = { fixed_now, sleep_really, &session->now_ms };
	engine.flags = flags | (ctl_value(session, OPT_REQUIRE_BUDGET) ? FF_OPEN_REQUIRE_BUDGET : 0);
	engine.key_ttl_ms = session->key_ttl_ms;
	engine.clock = session->now_ms == FF_TIME_NONE ? NULL : &clock;
	char *folder = flags & FF_OPEN_READ_ONLY ? NULL : folder_of(session->store);
	bool made = folder && mkdir(folder, 0777) == 0;
	ff_code code = ff_engine_open(session->store, &engine, &session->engine, error);
	if (code && made)
		rmdir(folder);
	free(folder);
	return code;
}

ff_code ctl_open_scratch(ff_engine **engine, ff_error *error)
{
	return ff_engine_open("sqlite::memory:", NULL, engine, error);
}

/* ---- the command line --------------------------------------------------------------------------------------- */

const char *ctl_value(const ctl_session *session, ctl_option option)
{
	for (size_t i = 0; i < session->given_count; i++)
		if (session->given[i].option == option)
			return session->given[i].value;
	return NULL;
}

static int find_option(const char *name, size_t size)
{
	for (int i = 0; i < OPT_COUNT; i++)
		if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
			return i;
	return -1;
}

/* Takes the option at argv[*at], and its value. Answers CTL_DONE or CTL_USAGE. */
static int take_option(ctl_session *session, char **argv, int *at)
{
	const char *name = argv[*at][1] == '-' ? argv[*at] + 2 : strcmp(argv[*at], "-h") == 0 ? "help" : "";
	const char *equals = strchr(name, '=');
	int option = find_option(name, equals ? (size_t)(equals - name) : strlen(name));
	if (option < 0)
		return ctl_usage(session, "there is no option '%s'", argv[*at]);
	const char *value = equals ? equals + 1 : "";
	if (equals && !options[option].value)
		return ctl_usage(session, "option '--%s' takes no value", options[option].name);
	if (!equals && options[option].value && !(value = argv[++*at]))
		return ctl_usage(session, "option '--%s' lacks its value", options[option].name);
	session->json |= option == OPT_JSON; /* at once: what is wrong behind it is told as it asks */
	session->given[session->given_count++] = (ctl_given){ (ctl_option)option, value };
	return CTL_DONE;
}

/* Parts the words from the options. The command is known as soon as its words are, so that what is wrong behind them is
 * told with the command's usage. */
static int split_line(ctl_session *session, int argc, char **argv)
{
	bool options_over = false;
	size_t used;
	for (int i = 1; i < argc; i++) {
		if (options_over || argv[i][0] != '-' || !argv[i][1]) /* a lone dash is stdin */
			session->arguments[session->arguments_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			options_over = true;
		else if (take_option(session, argv, &i))
			return CTL_USAGE;
		session->command = find_command(session->arguments, session->arguments_count, &used);
	}
	return CTL_DONE;
}

/* Which options were given, and whether the command takes them. */
static int check_options(const ctl_session *session)
{
	const ctl_command *command = session->command;
	uint64_t seen = 0, repeatable = command->repeatable | BIT(OPT_JSON) | BIT(OPT_REQUIRE_BUDGET);
	for (size_t i = 0; i < session->given_count; i++) {
		ctl_option option = session->given[i].option;
		if (option >= OPT_COMMON && !(command->options & BIT(option)))
			return ctl_usage(session, "'%s' has no option '--%s'", command->name, options[option].name);
		if (seen & BIT(option) & ~repeatable)
			return ctl_usage(session, "option '--%s' is given twice", options[option].name);
		seen |= BIT(option);
	}
	for (int i = 0; i < OPT_COUNT; i++)
		if (command->required & BIT(i) & ~seen)
			return ctl_usage(session, "'%s' needs --%s", command->name, options[i].name);
	return CTL_DONE;
}

static int read_common_options(ctl_session *session)
{
	const char *store = ctl_value(session, OPT_STORE), *now = ctl_value(session, OPT_NOW),
		   *ttl = ctl_value(session, OPT_KEY_TTL);
	uint64_t number;
	const char *usual = getenv("FF_STORE");
	session->store = store ? store : usual && *usual ? usual : "sqlite:ff.db";
	if (now && !ctl_read_range(now, 0, INT64_MAX, &number))
		return ctl_usage(session, "--now '%s' is no time in milliseconds", now);
	if (now)
		session->now_ms = (int64_t)number;
	if (ttl && (!ctl_read_duration(ttl, &session->key_ttl_ms) || !session->key_ttl_ms))
		return ctl_usage(session, "--key-ttl '%s' is no duration such as 24h", ttl);
	return CTL_DONE;
}

static int read_command(ctl_session *session)
{
	size_t used;
	if (!session->arguments_count)
		return ctl_usage(session, "there is no command");
	session->command = find_command(session->arguments, session->arguments_count, &used);
	if (!session->command)
		return ctl_usage(session, "there is no command '%s%s%s'", session->arguments[0],
		                 session->arguments_count > 1 ? " " : "",
		                 session->arguments_count > 1 ? session->arguments[1] : "");
	session->arguments += used;
	session->arguments_count -= used;
	if (ctl_value(session, OPT_HELP))
		return CTL_DONE;
	if (session->arguments_count < session->command->arguments_min)
		return ctl_usage(session, "'%s' lacks an argument", session->command->name);
	if (session->arguments_count > session->command->arguments_max)
		return ctl_usage(session, "'%s' is one argument too many",
		                 session->arguments[session->command->arguments_max]);
	int status = check_options(session);
	return status ? status : read_common_options(session);
}

static int run(ctl_session *session, int argc, char **argv)
{
	int status = split_line(session, argc, argv);
	if (status)
		return status;
	if (ctl_value(session, OPT_VERSION)) {
		printf("ffctl %s, library %s\n", FF_VERSION, ff_version());
		return CTL_DONE;
	}
	if (ctl_value(session, OPT_HELP) && !session->arguments_count)
		return help(session);
	status = read_command(session);
	if (status)
		return status;
	return ctl_value(session, OPT_HELP) ? print_command_help(session->command) : session->command->run(session);
}

/* Whether a locale's name says UTF-8: LANGUAGE_COUNTRY.UTF-8@MODIFIER. */
static bool names_utf8(const char *locale)
{
	const char *codeset = strchr(locale, '.');
	return codeset && (strncasecmp(codeset, ".UTF-8", 6) == 0 || strncasecmp(codeset, ".utf8", 5) == 0);
}

/* UTF-8 where the environment does not say otherwise: ids are UTF-8, and a container's shell has no locale, or that of
 * the machine it was reached from, which the container lacks. */
static void set_locale(void)
{
	bool known = setlocale(LC_CTYPE, "") != NULL;
	const char *set = getenv("LC_ALL");
	if (!set || !*set)
		set = getenv("LC_CTYPE");
	if (!set || !*set)
		set = getenv("LANG");
	if (!set || !*set || (!known && names_utf8(set)))
		setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
	ffp_hold_standard_closed();
	set_locale();
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is then an error like any full disk */
	const char *no_color = getenv("NO_COLOR");
	const char **words = ctl_allocate((size_t)argc, sizeof *words);
	ctl_session session = { .now_ms = FF_TIME_NONE, .arguments = words };
	session.colours = isatty(STDOUT_FILENO) && (!no_color || !*no_color);
	session.given = ctl_allocate((size_t)argc, sizeof *session.given);
	int status = run(&session, argc, argv);
	ff_engine_close(&session.engine);
	errno = 0; /* what stays so where it was an earlier write that failed, and the last one had nothing to do */
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "ffctl: cannot write to stdout%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
		status = CTL_FAILED;
	}
	free(session.given);
	free(words);
	return status;
}
