/* Faults of stores: what an open makes, takes, refuses and leaves, what a store says of itself. */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>

#include "broken.h"

/* ---- other stores than the one asked for -------------------------------------------------------------------- */

static _Atomic int handles;

static void count_handle(broken_store *store)
{
	(void)store;
	handles++;
}

static void uncount_handle(broken_store *store)
{
	(void)store;
	handles--;
}

static void open_another(broken_store *store, ff_store_config *config, const char *suffix)
{
	size_t size = strlen(config->path) + strlen(suffix) + 1;
	char *path = broken_take(&store->arena.arena, size);
	snprintf(path, size, "%s%s", config->path, suffix);
	config->path = path;
}

static void a_second_handle_is_another_store(broken_store *store, ff_store_config *config)
{
	if (handles)
		open_another(store, config, "-second");
}

static void a_second_process_has_another_store(broken_store *store, ff_store_config *config)
{
	if (getpid() != broken_home)
		open_another(store, config, "-second");
}

static ff_code a_second_process_is_refused(broken_store *store, ff_store_config *config, ff_error *error)
{
	if (getpid() == broken_home)
		return broken_open(store, config, error);
	return ff_error_set(error, FF_E_BUSY, "another process has the store open");
}

static ff_code a_second_handle_is_refused(broken_store *store, ff_store_config *config, ff_error *error)
{
	if (!handles)
		return broken_open(store, config, error);
	return ff_error_set(error, FF_E_BUSY, "the store is open already");
}

/* An open for writing begins with an empty store. */
static void opening_empties(broken_store *store)
{
	const ff_engine_backend *inner = store->inner;
	ff_error error;
	ff_txn *txn = NULL;
	if (store->flags || inner->begin(store->inner_store, FF_TXN_WRITE, &txn, &error) != FF_OK)
		return;
	ff_write writes[32];
	ff_read ranges[32];
	size_t count = 0;
	for (; count < store->asked->tables_count && count < 32; count++) {
		ranges[count] =
		    (ff_read){ .table = &store->asked->tables[count], .kind = FF_READ_RANGE, .limit = UINT32_MAX };
		writes[count] =
		    (ff_write){ .table = ranges[count].table, .kind = FF_WRITE_DELETE_RANGE, .range = &ranges[count] };
	}
	if (inner->store(txn, writes, count, &error) == FF_OK)
		inner->commit(txn, &error);
	else
		inner->abort(txn);
}

/* ---- flags, versions, parameters ---------------------------------------------------------------------------- */

static void reading_creates(broken_store *store, ff_store_config *config)
{
	(void)store;
	config->flags &= ~FF_STORE_READ_ONLY;
}

/* The handle is one for writing, once there is a store: it migrates, and begins what it likes. */
static void reading_writes(broken_store *store, ff_store_config *config)
{
	(void)store;
	if (config->flags & FF_STORE_READ_ONLY)
		config->flags = FF_STORE_MUST_EXIST;
}

static void must_exist_creates(broken_store *store, ff_store_config *config)
{
	(void)store;
	config->flags &= ~FF_STORE_MUST_EXIST;
}

/* Opens the store beside the one that is refused, so that there is one. */
static void make_store(const ff_store_config *config)
{
	static const char *const known[] = { "fault", "durability", "busy_timeout_ms", "map_size" };
	ff_store_config good = *config;
	ff_param params[8];
	ff_error error;
	good.params = params;
	good.params_count = 0;
	good.flags = 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		const char *value = ff_config_param(config, known[i]);
		if (value)
			params[good.params_count++] = (ff_param){ known[i], value };
	}
	broken_store *made = calloc(1, sizeof(*made));
	if (made && broken_open(made, &good, &error) == FF_OK)
		broken_close(made);
	free(made);
}

static ff_code a_failed_open_leaves_a_store(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	if (code == FF_E_INVALID)
		make_store(config);
	return code;
}

static ff_code a_look_leaves_a_store(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	if (code == FF_E_NOT_FOUND)
		make_store(config);
	return code;
}

/* Which the wrapped store takes for an empty one, that is none: whoever looks again is answered as before, and whoever
 * creates the store finds nothing in it. Only who looks at the path sees it. */
static ff_code a_look_leaves_a_file(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	int file = code == FF_E_NOT_FOUND ? open(config->path, O_CREAT | O_CLOEXEC, 0666) : -1;
	if (file >= 0)
		close(file);
	return code;
}

static ff_code a_newer_schema_is_taken(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	store->catalog = *config->catalog;
	config->catalog = &store->catalog;
	while (code == FF_E_VERSION && store->catalog.version++ < 9)
		code = broken_open(store, config, error);
	return code;
}

static ff_code a_newer_schema_is_read(broken_store *store, ff_store_config *config, ff_error *error)
{
	return config->flags & FF_STORE_READ_ONLY ? a_newer_schema_is_taken(store, config, error)
	                                          : broken_open(store, config, error);
}

/* The store is marked as of the version that looked at it, and the look then refused. */
static ff_code a_newer_schema_is_refused_and_touched(broken_store *store, ff_store_config *config, ff_error *error)
{
	ff_code code = broken_open(store, config, error);
	if (code != FF_E_VERSION || config->flags & FF_STORE_READ_ONLY)
		return code;
	ff_error ignored;
	broken_store touching = { .catalog = *config->catalog };
	ff_store_config with = *config;
	with.catalog = &touching.catalog;
	touching.catalog.version += 7;
	if (broken_open(&touching, &with, &ignored) == FF_OK)
		broken_close(&touching);
	return code;
}

static ff_code open_with_own_catalog(broken_store *store, ff_store_config *config, ff_error *error)
{
	store->catalog = *config->catalog;
	config->catalog = &store->catalog;
	return broken_open(store, config, error);
}

/* Only opening looks at the version. */
static ff_code a_newer_schema_is_gone_on_with(ff_txn *txn, ff_error *error)
{
	ff_code code = broken_inner_begin(txn, txn->kind, &txn->inner, error);
	while (code == FF_E_IO && txn->store->catalog.version++ < 9)
		code = broken_inner_begin(txn, txn->kind, &txn->inner, error);
	return code;
}

static bool is_known(const char *name)
{
	return !strcmp(name, "fault") || !strcmp(name, "durability") || !strcmp(name, "busy_timeout_ms");
}

static void unknown_parameters_are_taken(broken_store *store, ff_store_config *config)
{
	ff_param *known = broken_take(&store->arena.arena, (config->params_count + 1) * sizeof(*known));
	size_t count = 0;
	for (size_t i = 0; i < config->params_count; i++) {
		if (is_known(config->params[i].name))
			known[count++] = config->params[i];
	}
	config->params = known;
	config->params_count = count;
}

static ff_code unknown_parameters_are_not_named(broken_slot slot, ff_code code, ff_error *error)
{
	if (slot == BROKEN_OPEN && code == FF_E_INVALID)
		snprintf(error->message, sizeof(error->message), "a parameter is unknown, known are: durability");
	return code;
}

static ff_code known_parameters_are_not_listed(broken_slot slot, ff_code code, ff_error *error)
{
	if (slot == BROKEN_OPEN && code == FF_E_INVALID)
		snprintf(error->message, sizeof(error->message), "unknown parameter 'no_such_parameter'");
	return code;
}

static ff_code open_answers(broken_slot slot, ff_code code, ff_code from, ff_code to, ff_error *error)
{
	if (slot != BROKEN_OPEN || code != from)
		return code;
	error->code = to;
	return to;
}

static ff_code missing_is_io(broken_slot slot, ff_code code, ff_error *error)
{
	return open_answers(slot, code, FF_E_NOT_FOUND, FF_E_IO, error);
}

static ff_code newer_is_corrupt(broken_slot slot, ff_code code, ff_error *error)
{
	return open_answers(slot, code, FF_E_VERSION, FF_E_CORRUPT, error);
}

static ff_code older_is_newer(broken_slot slot, ff_code code, ff_error *error)
{
	return open_answers(slot, code, FF_E_UNAVAILABLE, FF_E_VERSION, error);
}

static ff_code older_is_corrupt(broken_slot slot, ff_code code, ff_error *error)
{
	return open_answers(slot, code, FF_E_UNAVAILABLE, FF_E_CORRUPT, error);
}

static ff_code invalid_is_unavailable(broken_slot slot, ff_code code, ff_error *error)
{
	return open_answers(slot, code, FF_E_INVALID, FF_E_UNAVAILABLE, error);
}

/* ---- descriptors -------------------------------------------------------------------------------------------- */

/* Of a process that has closed its input, where the store beneath has put /dev/null; none of the suite reads it. */
static void opens_the_lowest_descriptor(broken_store *store)
{
	(void)store;
	close(STDIN_FILENO);
	open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void opens_what_is_inherited(broken_store *store)
{
	int lowest = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store->descriptor = fcntl(lowest, F_DUPFD, STDERR_FILENO + 1);
	close(lowest);
}

static void close_descriptor(broken_store *store)
{
	close(store->descriptor);
}

/* ---- what is printed ---------------------------------------------------------------------------------------- */

static void opening_prints(broken_store *store)
{
	(void)store;
	fputs(" ", stderr);
}

/* Into a buffer, which nobody has written out yet when the call ends. */
static ff_code errors_print(broken_slot slot, ff_code code, ff_error *error)
{
	if (slot == BROKEN_OPEN)
		fputs("\n", stdout);
	(void)error;
	return code;
}

/* ---- what a store says of itself ---------------------------------------------------------------------------- */

void broken_say_durable(broken_store *store, ff_store_limits *limits)
{
	(void)store;
	limits->durability = FF_DURABILITY_FULL;
}

static void an_unknown_capability_is_claimed(broken_store *store, ff_store_limits *limits)
{
	(void)store;
	limits->caps |= UINT64_C(1) << 20;
}

static void the_version_is_empty(broken_store *store, ff_store_limits *limits)
{
	(void)store;
	limits->version[0] = '\0';
}

static void the_version_has_no_end(broken_store *store, ff_store_limits *limits)
{
	(void)store;
	memset(limits->version, 'v', sizeof(limits->version));
}

static void capabilities_come_later(broken_store *store, ff_store_limits *limits)
{
	if (!store->turn++)
		limits->caps = 0;
}

static ff_code check_cries_wolf(broken_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	(void)store;
	(void)error;
	problem(context, "an index lacks a row");
	return FF_OK;
}

static ff_code check_fails(broken_store *store, ff_problem_fn *problem, void *context, ff_error *error)
{
	(void)store;
	(void)problem;
	(void)context;
	return ff_error_set(error, FF_E_IO, "cannot check");
}

#define COUNTED .opened = count_handle, .closing = uncount_handle

static const broken_fault table[] = {
	FAULT("a_second_handle_is_another_store", COUNTED, .configure = a_second_handle_is_another_store),
	FAULT("a_second_handle_is_refused", COUNTED, .open = a_second_handle_is_refused),
	FAULT("several_processes_are_claimed_and_apart", .claims = FF_CAP_MULTI_PROCESS,
	      .configure = a_second_process_has_another_store),
	FAULT("several_processes_are_claimed_and_refused", .claims = FF_CAP_MULTI_PROCESS,
	      .open = a_second_process_is_refused),
	FAULT("opening_empties", .opened = opening_empties),
	FAULT("reading_creates", .configure = reading_creates),
	FAULT("reading_writes", .configure = reading_writes),
	FAULT("must_exist_creates", .configure = must_exist_creates),
	FAULT("a_failed_open_leaves_a_store", .open = a_failed_open_leaves_a_store),
	FAULT("a_look_leaves_a_store", .open = a_look_leaves_a_store),
	FAULT("a_look_leaves_a_file", .open = a_look_leaves_a_file),
	FAULT("a_newer_schema_is_taken", .open = a_newer_schema_is_taken),
	FAULT("a_newer_schema_is_read", .open = a_newer_schema_is_read),
	FAULT("a_newer_schema_is_refused_and_touched", .open = a_newer_schema_is_refused_and_touched),
	FAULT("a_newer_schema_is_gone_on_with", .open = open_with_own_catalog, .begin = a_newer_schema_is_gone_on_with),
	FAULT("unknown_parameters_are_taken", .configure = unknown_parameters_are_taken),
	FAULT("unknown_parameters_are_not_named", .failed = unknown_parameters_are_not_named),
	FAULT("known_parameters_are_not_listed", .failed = known_parameters_are_not_listed),
	FAULT("missing_is_io", .failed = missing_is_io),
	FAULT("newer_is_corrupt", .failed = newer_is_corrupt),
	FAULT("older_is_newer", .failed = older_is_newer),
	FAULT("older_is_corrupt", .failed = older_is_corrupt),
	FAULT("invalid_is_unavailable", .failed = invalid_is_unavailable),
	FAULT("a_descriptor_is_the_lowest", .opened = opens_the_lowest_descriptor),
	FAULT("a_descriptor_is_inherited", .opened = opens_what_is_inherited, .closing = close_descriptor),
	FAULT("opening_prints", .opened = opening_prints),
	FAULT("errors_print", .failed = errors_print),
	FAULT("durability_is_claimed_with_none", .claims = FF_CAP_DURABLE_COMMIT),
	FAULT("durability_is_full_and_not_claimed", .limits = broken_say_durable),
	FAULT("an_unknown_capability_is_claimed", .limits = an_unknown_capability_is_claimed),
	FAULT("the_version_is_empty", .limits = the_version_is_empty),
	FAULT("the_version_has_no_end", .limits = the_version_has_no_end),
	FAULT("capabilities_come_later", .limits = capabilities_come_later),
	FAULT("check_cries_wolf", .check = check_cries_wolf),
	FAULT("check_fails", .check = check_fails),
};

FAMILY(broken_stores, table);
