#include "environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../support/full.h"

/* Trees of a store, with room for later versions. */
#define TREES_MAX 126
/* Of a new lock file: it holds a reader slot of 64 bytes for each read transaction at a time, in all processes. */
#define LOCK_FILE_SIZE (64 << 10)

/* What a small transaction takes of the map, and more. */
#define ROOM (128 << 10)

/* ---- errors ------------------------------------------------------------------------------------------------- */

static ff_code code_of(int result)
{
	switch (result) {
	case ENOMEM:
		return FF_E_NO_MEMORY;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return FF_E_FULL;
	case MDB_READERS_FULL:
	case EAGAIN:
	case EBUSY:
		return FF_E_BUSY;
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_PAGE_NOTFOUND:
	case MDB_INCOMPATIBLE:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
		return FF_E_CORRUPT;
	case MDB_VERSION_MISMATCH:
		return FF_E_VERSION;
	default:
		return ffp_is_full(result) ? FF_E_FULL : FF_E_IO;
	}
}

ff_code ffp_lmdb_fail(const char *path, int result, const char *doing, ff_error *error)
{
	const char *text = mdb_strerror(result);
	if (result == MDB_PANIC)
		text = "an earlier failure left it unusable until all of this process have closed it";
	else if (result == MDB_VERSION_MISMATCH)
		text = "it was made by another version of LMDB";
	else if (result == MDB_INVALID)
		text = "its data.mdb is no file of LMDB";
	ff_code code = ff_error_set(error, code_of(result), "cannot %s '%s': %s", doing, path, text);
	snprintf(error->native_code, sizeof(error->native_code), "%d", result);
	return code;
}

/* ---- the map ------------------------------------------------------------------------------------------------ */

static size_t round_to_pages(uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t most = SIZE_MAX / 2;
	return (size_t)(((size < most ? size : most) + page - 1) / page * page);
}

/* Whether so much address space is to be had. LMDB lets go of the old map before it asks for the new one, and is lost
 * where it gets none. */
static bool has_space(size_t size)
{
	void *space = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return false;
	munmap(space, size);
	return true;
}

/* How far the file reaches, by what its newest meta page says. */
static uint64_t size_by_info(const ffp_lmdb_environment *environment, const MDB_envinfo *info)
{
	return ((uint64_t)info->me_last_pgno + 1) * environment->page_size;
}

static uint64_t size_by_meta(const ffp_lmdb_environment *environment)
{
	MDB_envinfo info;
	mdb_env_info(environment->env, &info);
	return size_by_info(environment, &info);
}

/* LMDB makes the file of a writable map as long as that map, and so would cut it off beneath processes whose map is
 * larger: there, a map is at least as large as the file. */
static size_t not_below_file(size_t size, const struct stat *file)
{
	return (uint64_t)file->st_size > size ? round_to_pages((uint64_t)file->st_size) : size;
}

/* The write side is held. */
static ff_code move_map(ffp_lmdb_environment *environment, size_t size, ff_error *error)
{
	struct stat file;
	int data;
	if (environment->write_map && mdb_env_get_fd(environment->env, &data) == 0 && fstat(data, &file) == 0)
		size = not_below_file(size, &file);
	int result = has_space(size) ? mdb_env_set_mapsize(environment->env, size) : ENOMEM;
	if (result == 0)
		return FF_OK;
	ff_code code = ff_error_set(error, FF_E_FULL, "'%s' is full: there is no address space for a map of %zu bytes",
	                            environment->path, size);
	snprintf(error->native_code, sizeof(error->native_code), "%d", result);
	return code;
}

bool ffp_lmdb_environment_has_room(const ffp_lmdb_environment *environment, const MDB_envinfo *info, uint64_t max)
{
	return info->me_mapsize >= max || info->me_mapsize >= size_by_info(environment, info) + ROOM;
}

ff_code ffp_lmdb_environment_grow(ffp_lmdb_environment *environment, uint64_t max, ff_error *error)
{
	MDB_envinfo info;
	int dead = 0;
	ff_code code = FF_OK;
	/* A reader that died kept pages from being used again. */
	if (mdb_reader_check(environment->env, &dead) == 0 && dead)
		return FF_OK;
	pthread_rwlock_wrlock(&environment->map);
	mdb_env_info(environment->env, &info);
	uint64_t twice = 2 * (uint64_t)info.me_mapsize;
	size_t size = round_to_pages(twice < max ? twice : max);
	if (size > info.me_mapsize) {
		code = move_map(environment, size, error);
	} else {
		code = ff_error_set(error, FF_E_FULL, "'%s' is full: its map has %zu bytes, and map_max allows no more",
		                    environment->path, info.me_mapsize);
		snprintf(error->native_code, sizeof(error->native_code), "%d", MDB_MAP_FULL);
	}
	pthread_rwlock_unlock(&environment->map);
	return code;
}

ff_code ffp_lmdb_environment_adopt(ffp_lmdb_environment *environment, uint64_t max, ff_error *error)
{
	MDB_envinfo info;
	ff_code code = FF_OK;
	pthread_rwlock_wrlock(&environment->map);
	mdb_env_info(environment->env, &info);
	uint64_t size = info.me_mapsize, least = size_by_info(environment, &info);
	while (size < least)
		size *= 2;
	if (size > max) /* deletes, and others with another maximum, have passed it */
		size = least > max ? least : max;
	if (size > info.me_mapsize)
		code = move_map(environment, round_to_pages(size), error);
	pthread_rwlock_unlock(&environment->map);
	return code;
}

/* ---- the file ----------------------------------------------------------------------------------------------- */

bool ffp_lmdb_environment_is_complete(const ffp_lmdb_environment *environment)
{
	struct stat file;
	int data;
	return mdb_env_get_fd(environment->env, &data) == 0 && fstat(data, &file) == 0 &&
	       (uint64_t)file.st_size >= size_by_meta(environment);
}

int ffp_lmdb_environment_complete(ffp_lmdb_environment *environment)
{
	int data;
	MDB_txn *writer;
	int result = mdb_env_get_fd(environment->env, &data);
	/* Nobody writes while we do. */
	if (result == 0)
		result = mdb_txn_begin(environment->env, NULL, 0, &writer);
	if (result)
		return result == MDB_MAP_RESIZED ? 0 : result;
	if (!ffp_lmdb_environment_is_complete(environment) && ftruncate(data, (off_t)size_by_meta(environment)) != 0)
		result = errno;
	mdb_txn_abort(writer);
	return result;
}

bool ffp_lmdb_environment_is_full(const ffp_lmdb_environment *environment)
{
	const uint64_t little = 1 << 20;
	struct statvfs disk;
	struct stat file;
	struct rlimit limit;
	int data;
	if (mdb_env_get_fd(environment->env, &data) || fstat(data, &file))
		return false;
	if (!fstatvfs(data, &disk) && (uint64_t)disk.f_bavail * disk.f_frsize < little)
		return true;
	return !getrlimit(RLIMIT_FSIZE, &limit) && (uint64_t)file.st_size + little > limit.rlim_cur;
}

/* ---- the directory ------------------------------------------------------------------------------------------ */

static ff_code no_directory(const char *path, int reason, const char *doing, ff_error *error)
{
	struct stat status;
	if (reason == ENOTDIR && stat(path, &status) == 0)
		return ff_error_set(error, FF_E_INVALID, "'%s' is no directory", path);
	ff_code code = ff_error_set(error, ffp_is_full(reason) ? FF_E_FULL : FF_E_IO, "cannot %s '%s': %s", doing, path,
	                            strerror(reason));
	snprintf(error->native_code, sizeof(error->native_code), "%d", reason);
	return code;
}

/* Others may make and remove it meanwhile, whose opening fails. */
#define TRIES_MAX 10

/* Opens the directory, which is made where it may be. */
static ff_code open_directory(const char *path, bool must_exist, ffp_lmdb_opening *opening, ff_error *error)
{
	opening->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (opening->lock >= 0)
		return FF_OK;
	if (must_exist && (errno == ENOENT || (errno == ENOTDIR && access(path, F_OK) != 0)))
		return ff_error_set(error, FF_E_NOT_FOUND, "cannot find a store at '%s': %s", path, strerror(errno));
	if (errno != ENOENT)
		return no_directory(path, errno, "open", error);
	for (int tries = 1; opening->lock < 0; tries++) {
		opening->made_directory = mkdir(path, 0777) == 0;
		if (!opening->made_directory && errno != EEXIST)
			return no_directory(path, errno, "create", error);
		opening->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Whose it was may have taken it away again. */
		if (opening->lock < 0 && (errno != ENOENT || tries == TRIES_MAX))
			return no_directory(path, errno, "open", error);
	}
	return FF_OK;
}

/* Whether the path still names the directory that is locked: its last user may have taken it away before we had it. */
static bool is_there(const char *path, int directory)
{
	struct stat named, locked;
	return stat(path, &named) == 0 && fstat(directory, &locked) == 0 && named.st_dev == locked.st_dev &&
	       named.st_ino == locked.st_ino;
}

/* An opening is waited for so long whatever busy_timeout_ms is, since it is soon over unless something is wrong with it. */
#define OPENING_WAIT_US 100000

static ff_code lock_directory(const char *path, bool must_exist, ff_wait *wait, ffp_lmdb_opening *opening,
                              ff_error *error)
{
	wait->limit_us = wait->limit_us > OPENING_WAIT_US ? wait->limit_us : OPENING_WAIT_US;
	ff_wait_start(wait);
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		ff_code code = open_directory(path, must_exist, opening, error);
		if (code != FF_OK)
			return code;
		while (flock(opening->lock, LOCK_EX | LOCK_NB) != 0) {
			if (errno != EWOULDBLOCK && errno != EINTR)
				return no_directory(path, errno, "lock", error);
			if (ff_wait_pause(wait))
				continue;
			opening->made_directory = false; /* somebody else uses it */
			return ffp_lmdb_fail(path, EBUSY, "open", error);
		}
		if (is_there(path, opening->lock))
			return FF_OK;
		close(opening->lock);
		opening->lock = -1;
		opening->made_directory = false;
	}
	return ff_error_set(error, FF_E_BUSY, "'%s' is made and removed again and again", path);
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

/* Room for the readers' table is taken now: it is memory that is mapped, and a disk that is full later would end the
 * process. Called where this process has the environment not open, since closing a descriptor drops LMDB's locks. */
static int make_lock_file(ffp_lmdb_opening *opening)
{
	struct stat status;
	opening->made_locks = fstatat(opening->lock, "lock.mdb", &status, 0) != 0 && errno == ENOENT;
	int file = openat(opening->lock, "lock.mdb", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0)
		return 0; /* LMDB says why, where it matters */
	int result = 0;
	if (fstat(file, &status) == 0 && status.st_size == 0)
		do
			result = posix_fallocate(file, 0, LOCK_FILE_SIZE);
		while (result == EINTR);
	close(file);
	return result;
}

static int open_env(ffp_lmdb_environment *environment, const ffp_lmdb_opening *opening, unsigned flags)
{
	size_t size = round_to_pages(opening->map_size);
	while (size > (1 << 20) && !has_space(size))
		size = round_to_pages(size / 2);
	int result = mdb_env_create(&environment->env);
	if (result)
		return result;
	struct stat file;
	if (opening->write_map && fstatat(opening->lock, "data.mdb", &file, 0) == 0)
		size = not_below_file(size, &file);
	mdb_env_set_assert(environment->env, ffp_lmdb_assert);
	mdb_env_set_maxdbs(environment->env, TREES_MAX);
	mdb_env_set_mapsize(environment->env, size);
	result = mdb_env_open(environment->env, environment->path,
	                      MDB_NOTLS | (opening->write_map ? MDB_WRITEMAP : 0) | flags, 0644);
	if (result) {
		mdb_env_close(environment->env);
		environment->env = NULL;
		return result;
	}
	/* LMDB sees to it for its other files, and leaves this one to programs that the host starts. */
	int data;
	if (mdb_env_get_fd(environment->env, &data) == 0)
		fcntl(data, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* Opens the files; for reading only, too, where they may not be written. */
static int open_files(ffp_lmdb_environment *environment, uint32_t flags, ffp_lmdb_opening *opening)
{
	MDB_stat status;
	int dead;
	int result = make_lock_file(opening);
	if (result == 0)
		result = ffp_turn_open(&environment->turn, opening->lock, FFP_LMDB_TURN_FILE, NULL);
	/* Nobody makes a writable map larger while this one is made, or it would cut off the file there, too. */
	bool has_turn = result == 0 && opening->write_map;
	ff_wait wait = { .limit_us = opening->turn_limit_us };
	if (has_turn && (result = ffp_turn_take(&environment->turn, &wait)) != 0)
		return result;
	if (result == 0)
		result = open_env(environment, opening, 0);
	if (has_turn)
		ffp_turn_give(&environment->turn);
	if ((result == EACCES || result == EROFS) && (flags & FF_STORE_READ_ONLY)) {
		environment->read_only = true;
		result = open_env(environment, opening, MDB_RDONLY);
	}
	if (result)
		return result;
	environment->write_map = opening->write_map && !environment->read_only;
	mdb_env_stat(environment->env, &status);
	environment->page_size = status.ms_psize;
	mdb_reader_check(environment->env, &dead);
	return 0;
}

static void init_locks(ffp_lmdb_environment *environment)
{
	pthread_rwlockattr_t attributes;
	pthread_rwlockattr_init(&attributes);
	/* Readers that come and go without pause must not keep the map from growing. */
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&environment->map, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	pthread_mutex_init(&environment->mutex, NULL);
}

static void discard(ffp_lmdb_environment *environment)
{
	pthread_rwlock_destroy(&environment->map);
	pthread_mutex_destroy(&environment->mutex);
	ffp_turn_close(&environment->turn);
	free(environment->path);
	free(environment);
}

static ff_code make_environment(const ff_store_config *config, void *context, void **handle, ff_error *error)
{
	ffp_lmdb_opening *opening = context;
	ffp_lmdb_environment *environment = calloc(1, sizeof(*environment));
	if (!environment)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for an environment");
	init_locks(environment);
	environment->path = strdup(config->path);
	int result = environment->path ? open_files(environment, config->flags, opening) : ENOMEM;
	if (result) {
		discard(environment);
		return ffp_lmdb_fail(config->path, result, "open", error);
	}
	*handle = environment;
	return FF_OK;
}

static void close_environment(void *handle)
{
	ffp_lmdb_environment *environment = handle;
	mdb_env_close(environment->env);
	discard(environment);
}

static ff_code find_data(const char *path, bool must_exist, ffp_lmdb_opening *opening, ff_error *error)
{
	struct stat status;
	bool there = fstatat(opening->lock, "data.mdb", &status, 0) == 0;
	/* What cannot be looked at may be there all the same, and is not ours to take away. */
	if (!there && errno != ENOENT)
		return no_directory(path, errno, "open", error);
	opening->made_data = !there;
	if (must_exist && (!there || status.st_size == 0))
		return ff_error_set(error, FF_E_NOT_FOUND, "'%s' holds no store", path);
	return FF_OK;
}

ff_code ffp_lmdb_environment_open(const ff_store_config *config, size_t map_size, bool write_map,
                                  ffp_lmdb_opening *opening, ff_error *error)
{
	bool must_exist = (config->flags & (FF_STORE_READ_ONLY | FF_STORE_MUST_EXIST)) != 0;
	ff_wait wait = { 0 };
	ff_code known = ff_config_wait(config, &wait, error);
	if (known != FF_OK)
		return known;
	*opening = (ffp_lmdb_opening){ .path = config->path,
		                       .turn_limit_us = wait.limit_us,
		                       .map_size = map_size,
		                       .write_map = write_map,
		                       .lock = -1 };
	ff_standard_hold();
	ff_code code = lock_directory(config->path, must_exist, &wait, opening, error);
	if (code == FF_OK)
		code = find_data(config->path, must_exist, opening, error);
	if (code == FF_OK)
		code = ff_kv_share(config, make_environment, close_environment, opening, &opening->shared, error);
	if (code != FF_OK)
		ffp_lmdb_environment_settle(opening, true);
	return code;
}

/* Where a directory may not be read, or its file system syncs none, nothing more can be done. */
static int sync_directory(int directory)
{
	return fsync(directory) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno;
}

static int sync_parent(int directory)
{
	int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == EACCES ? 0 : errno;
	int result = sync_directory(parent);
	close(parent);
	return result;
}

/* Whether nothing was ever written: who made the environment is not done with it, or its process ended at that. */
static bool is_empty(ffp_lmdb_environment *environment)
{
	MDB_envinfo info;
	pthread_rwlock_rdlock(&environment->map);
	mdb_env_info(environment->env, &info);
	pthread_rwlock_unlock(&environment->map);
	return info.me_last_txnid == 0;
}

ff_code ffp_lmdb_environment_keep_names(const ffp_lmdb_opening *opening, ff_error *error)
{
	bool is_left = !opening->made_data && is_empty(opening->shared->handle);
	int result = opening->made_data || is_left ? sync_directory(opening->lock) : 0;
	if (result == 0 && (opening->made_directory || is_left))
		result = sync_parent(opening->lock);
	return result ? no_directory(opening->path, result, "sync", error) : FF_OK;
}

void ffp_lmdb_environment_settle(ffp_lmdb_opening *opening, bool failed)
{
	if (failed && opening->shared)
		ff_kv_unshare(opening->shared);
	if (failed && opening->made_data)
		unlinkat(opening->lock, "data.mdb", 0);
	if (failed && opening->made_data && opening->made_locks) {
		unlinkat(opening->lock, "lock.mdb", 0);
		unlinkat(opening->lock, FFP_LMDB_TURN_FILE, 0);
	}
	if (failed && opening->made_directory)
		rmdir(opening->path);
	if (opening->lock >= 0) {
		flock(opening->lock, LOCK_UN);
		close(opening->lock);
	}
	opening->lock = -1;
}
