/*
 * The stores that a run makes: what the command line says of them, and that they go with the run, however that ends. A
 * store on a server is a schema. Beside each store others may be made, whose names are its own with an end.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ff/backend.h>

#include "bench.h"

static const bench_floor_ops *const floors[] = {
	&bench_floor_sqlite,
	&bench_floor_lmdb,
#ifdef FF_BENCH_POSTGRES
	&bench_floor_postgres,
#endif
};

static int not_removed; /* why the first entry of a tree that stays does */

/* Where one stays, the others go all the same. */
static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status, (void)kind, (void)place;
	if (remove(path) != 0 && errno != ENOENT && !not_removed)
		not_removed = errno;
	return 0;
}

static void remove_tree(const char *path)
{
	not_removed = 0;
	if (nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		not_removed = errno;
	if (not_removed)
		bench_die("cannot remove '%s': %s", path, strerror(not_removed));
}

/* What is known of a module's stores: a file or a folder lies at the path. */
static const bench_floor_ops no_floor = { .exists = floor_file_exists, .remove = remove_tree };

/* The folder that files are made in where none is named; removed at the end. */
static char scratch[] = "./ff-bench-XXXXXX";
static bool has_scratch;
static pid_t sweeper; /* removes what is there at the end */
static int held;      /* for as long as the stores are wanted */

/* ---- what the command line says ------------------------------------------------------------------------------- */

/* By the backend's name, of which a scheme may be another. What a shim wraps cannot be seen, and would be left behind. */
static const bench_floor_ops *floor_of(const char *scheme)
{
	const ff_engine_backend *backend = strchr(scheme, '+') ? NULL : ff_backend_find(scheme);
	for (size_t i = 0; backend && i < sizeof(floors) / sizeof(*floors); i++)
		if (strcmp(floors[i]->scheme, backend->name) == 0)
			return floors[i];
	return backend ? &no_floor : NULL;
}

/* Takes durability= out of the query, and a server's schema=. */
static bool read_query(bench_store *store, const char *query, const char **schema)
{
	size_t size = strlen(query) + 1;
	char *copy = bench_allocate(size, 1), *rest = copy;
	store->query = bench_allocate(size + 1, 1);
	strcpy(copy, query);
	bool valid = true;
	for (char *part; (part = strtok_r(rest, "&", &rest));) {
		if (store->floor->round_trip_ms && strncmp(part, "schema=", 7) == 0) {
			*schema = query + (part - copy) + 7;
			continue;
		}
		if (strncmp(part, "durability=", 11) != 0) {
			if (*store->query)
				strcat(store->query, "&");
			strcat(store->query, part);
			continue;
		}
		store->has_durability = false;
		for (int i = FF_DURABILITY_FULL; i <= FF_DURABILITY_NONE; i++)
			if (strcmp(part + 11, bench_durability_name((ff_durability)i)) == 0) {
				store->durability = (ff_durability)i;
				store->has_durability = true;
			}
		valid = valid && store->has_durability;
	}
	free(copy);
	return valid;
}

/* A name that needs no escapes in a URI, and leaves room for an end. */
static bool is_schema(const char *name, size_t size)
{
	static const char taken[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	return size && size < 48 && strspn(name, taken) >= size;
}

/* All that the URI says becomes the path, with the schema behind the rest. */
static void set_server_path(bench_store *store, const char *place, size_t place_size, const char *schema)
{
	char made[24];
	unsigned number;
	if (!schema) {
		if (getrandom(&number, sizeof number, 0) != sizeof number)
			bench_die("cannot draw a name: %s", strerror(errno));
		snprintf(made, sizeof made, "ff_bench_%08x", number);
		schema = made;
	}
	size_t schema_size = strcspn(schema, "&");
	size_t size = place_size + strlen(store->query) + schema_size + sizeof "///?&schema=";
	store->path = bench_allocate(size, 1);
	snprintf(store->path, size, "%.*s?%s%sschema=%.*s", (int)(place_size ? place_size : 3),
	         place_size ? place : "///", store->query, *store->query ? "&" : "", (int)schema_size, schema);
	store->query[0] = '\0';
}

static int read_store(const char *uri, bench_store *store)
{
	size_t scheme_size = strcspn(uri, ":");
	const char *schema = NULL;
	if (scheme_size == 0 || scheme_size >= sizeof store->scheme)
		return bench_refuse("'%s' names no store", uri);
	memcpy(store->scheme, uri, scheme_size);
	store->floor = floor_of(store->scheme);
	if (!store->floor)
		return bench_refuse("'%s' is no store that ff-bench can make", uri);
	if (store->floor->set_up)
		store->floor->set_up();
	const char *path = uri[scheme_size] ? uri + scheme_size + 1 : "";
	size_t path_size = strcspn(path, "?");
	if (store->floor == &bench_floor_sqlite && path_size == strlen(":memory:") &&
	    !strncmp(path, ":memory:", path_size))
		return bench_refuse("'%s' is in memory, and ff-bench opens its stores more than once", uri);
	if (!store->floor->round_trip_ms && memchr(path, '%', path_size))
		return bench_refuse("'%s' has a percent sign in its path", uri);
	if (!read_query(store, path[path_size] ? path + path_size + 1 : "", &schema))
		return bench_refuse("'%s' has a durability that is none", uri);
	if (schema && !is_schema(schema, strcspn(schema, "&")))
		return bench_refuse("'%s' has a schema that is no name of letters, digits, '_', '-' and '.'", uri);
	if (store->floor->round_trip_ms) {
		set_server_path(store, path, path_size, schema);
	} else if (path_size) {
		store->path = bench_allocate(path_size + 1, 1);
		memcpy(store->path, path, path_size);
	}
	return BENCH_DONE;
}

/* ---- those beside --------------------------------------------------------------------------------------------- */

static const char *const ends[] = { "", BENCH_FLOOR_END, BENCH_BASE_END };
#define ENDS_COUNT (sizeof(ends) / sizeof(*ends))

char *bench_store_beside(const bench_store *store, const char *end)
{
	size_t size = strlen(store->path) + strlen(end) + 1;
	char *path = bench_allocate(size, 1);
	snprintf(path, size, "%s%s", store->path, end);
	return path;
}

char *bench_store_folder(const bench_store *store)
{
	char *path = bench_store_beside(store, "");
	char *name = store->floor->round_trip_ms ? NULL : strrchr(path, '/');
	strcpy(name ? name + (name == path) : path, name ? "" : ".");
	return path;
}

static bool is_free(const bench_store *store)
{
	bool exists = false;
	for (size_t i = 0; i < ENDS_COUNT && !exists; i++) {
		char *path = bench_store_beside(store, ends[i]);
		exists = store->floor->exists(path);
		/* The rest of a server's may hold a password. */
		if (exists)
			bench_refuse("'%s' exists, and ff-bench measures on stores of its own",
			             store->floor->round_trip_ms ? strrchr(path, '=') + 1 : path);
		free(path);
	}
	return !exists;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

/* In a process of its own, since one that cannot be removed ends its process, and the others are to go all the same. */
static void remove_apart(void remove(const char *path), const char *path)
{
	pid_t process = fork();
	if (process <= 0)
		remove(path);
	if (process == 0)
		_exit(0);
	while (process > 0 && waitpid(process, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What a terminal or a session sends to all, and what comes of a stderr that nobody reads any more. */
static const int not_for_sweepers[] = { SIGINT, SIGQUIT, SIGTSTP, SIGTERM, SIGHUP, SIGPIPE };
#define NOT_FOR_SWEEPERS_COUNT (sizeof(not_for_sweepers) / sizeof(*not_for_sweepers))

/* Waits until nobody holds the other end, and then takes away what is there. */
static _Noreturn void sweep(int end, const bench_store *stores, size_t count)
{
	char nothing;
	for (size_t i = 0; i < NOT_FOR_SWEEPERS_COUNT; i++)
		signal(not_for_sweepers[i], SIG_IGN);
	while (read(end, &nothing, 1) < 0 && errno == EINTR)
		;
	if (has_scratch)
		remove_apart(remove_tree, scratch);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < ENDS_COUNT; j++)
			remove_apart(stores[i].floor->remove, bench_store_beside(&stores[i], ends[j]));
	_exit(0);
}

/* A child sees to it that the stores go with this process. */
static void start_sweeper(const bench_store *stores, size_t count)
{
	int pair[2];
	sigset_t held_back, before;
	if (pipe2(pair, O_CLOEXEC) != 0)
		bench_die("cannot make a pipe: %s", strerror(errno));
	/* It may come to run when there are stores already, and is to be safe from the first moment. */
	sigemptyset(&held_back);
	for (size_t i = 0; i < NOT_FOR_SWEEPERS_COUNT; i++)
		sigaddset(&held_back, not_for_sweepers[i]);
	sigprocmask(SIG_BLOCK, &held_back, &before);
	sweeper = fork();
	if (sweeper != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	if (sweeper < 0)
		bench_die("cannot start a process: %s", strerror(errno));
	if (sweeper == 0) {
		close(pair[1]);
		sweep(pair[0], stores, count);
	}
	close(pair[0]);
	held = pair[1];
}

static void wait_for_sweeper(void)
{
	if (sweeper <= 0)
		return;
	close(held);
	waitpid(sweeper, NULL, 0);
}

/* ---- all of them ---------------------------------------------------------------------------------------------- */

static void set_scratch_path(bench_store *store)
{
	if (!has_scratch && !mkdtemp(scratch))
		bench_die("cannot make a folder here: %s", strerror(errno));
	has_scratch = true;
	size_t size = sizeof scratch + sizeof store->scheme;
	store->path = bench_allocate(size, 1);
	snprintf(store->path, size, "%s/%s", scratch, store->scheme);
}

int bench_stores_read(const char *const *uris, size_t count, bench_store *stores)
{
	for (size_t i = 0; i < count; i++) {
		int status = read_store(uris[i], &stores[i]);
		if (status != BENCH_DONE)
			return status;
	}
	for (size_t i = 0; i < count; i++)
		if (stores[i].path && !is_free(&stores[i]))
			return BENCH_USAGE;
	for (size_t i = 0; i < count; i++)
		if (!stores[i].path)
			set_scratch_path(&stores[i]);
	atexit(wait_for_sweeper);
	start_sweeper(stores, count);
	for (size_t i = 0; i < count; i++) {
		bool is_far = stores[i].floor->round_trip_ms != NULL;
		char *folder = bench_store_folder(&stores[i]);
		stores[i].round_trip_ms = is_far ? stores[i].floor->round_trip_ms(stores[i].path) : NAN;
		stores[i].filesystem = is_far ? NULL : bench_filesystem(folder);
		free(folder);
	}
	return BENCH_DONE;
}

void bench_stores_free(bench_store *stores, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(stores[i].path);
		free(stores[i].query);
	}
}
