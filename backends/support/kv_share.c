/*
 * Handles that stores of one process share. They are found by the inode of what they lie on, which is kept from being
 * used anew: a directory that was removed and made again is another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <ff/kv.h>

typedef struct sharing {
	ff_kv_shared shared; /* first: a pointer to it is one to the whole */
	struct sharing *next;
	ff_kv_close_fn *close;
	int file; /* keeps the inode */
	dev_t device;
	ino_t inode;
	ff_fork_guard guard;
	unsigned users;
	pthread_mutex_t place; /* guards what follows */
	pthread_cond_t given;
	unsigned starving; /* so many wait for long, and are let go first */
	bool taken;        /* the writer's place */
} sharing;

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the list and the numbers of users */
static sharing *list;

/*
 * Fork waits until nobody has the list, or a child would have it held by a thread that it has not, and wait for ever when
 * it opens a store of its own.
 */
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

static void hold_list(void)
{
	pthread_mutex_lock(&list_mutex);
}

static void give_list(void)
{
	pthread_mutex_unlock(&list_mutex);
}

static void watch_forks(void)
{
	pthread_atfork(hold_list, give_list, give_list);
}

/* What this process has open at a path, or NULL. */
static sharing *find(const char *path)
{
	struct stat status;
	sharing *found = stat(path, &status) == 0 ? list : NULL;
	while (found && (found->device != status.st_dev || found->inode != status.st_ino ||
	                 ff_fork_guard_is_copy(&found->guard)))
		found = found->next;
	return found;
}

static ff_code keep_inode(sharing *of, const char *path, ff_error *error)
{
	struct stat status;
	of->file = open(path, O_PATH | O_CLOEXEC);
	if (of->file < 0 || fstat(of->file, &status) != 0) {
		int reason = errno;
		ff_code code = ff_error_set(error, FF_E_IO, "cannot open '%s': %s", path, strerror(reason));
		snprintf(error->native_code, sizeof(error->native_code), "%d", reason);
		return code;
	}
	of->device = status.st_dev;
	of->inode = status.st_ino;
	return FF_OK;
}

static void discard(sharing *of)
{
	if (of->file >= 0)
		close(of->file);
	ff_fork_guard_close(&of->guard);
	pthread_cond_destroy(&of->given);
	pthread_mutex_destroy(&of->place);
	free(of);
}

static ff_code add(const ff_store_config *config, ff_kv_open_fn *open_handle, void *context, sharing *of,
                   ff_error *error)
{
	ff_code code = open_handle(config, context, &of->shared.handle, error);
	if (code != FF_OK)
		return code;
	code = keep_inode(of, config->path, error);
	if (code != FF_OK) {
		of->close(of->shared.handle);
		return code;
	}
	of->next = list;
	list = of;
	return FF_OK;
}

/* Others may use it after the store that opened it, so its memory is not of that store's allocator. */
static ff_code make(const ff_store_config *config, ff_kv_open_fn *open_handle, ff_kv_close_fn *close_handle,
                    void *context, sharing **made, ff_error *error)
{
	*made = calloc(1, sizeof(**made));
	if (!*made)
		return ff_error_set(error, FF_E_NO_MEMORY, "out of memory for the store");
	(*made)->close = close_handle;
	(*made)->file = -1;
	(*made)->guard = ff_fork_guard_open();
	pthread_mutex_init(&(*made)->place, NULL);
	pthread_cond_init(&(*made)->given, NULL);
	ff_code code = add(config, open_handle, context, *made, error);
	if (code != FF_OK)
		discard(*made);
	return code;
}

ff_code ff_kv_share(const ff_store_config *config, ff_kv_open_fn *open_handle, ff_kv_close_fn *close_handle,
                    void *context, ff_kv_shared **shared, ff_error *error)
{
	ff_code code = FF_OK;
	pthread_once(&watch_once, watch_forks);
	hold_list();
	sharing *found = find(config->path);
	if (!found)
		code = make(config, open_handle, close_handle, context, &found, error);
	if (code == FF_OK) {
		found->users++;
		*shared = &found->shared;
	}
	give_list();
	return code;
}

void ff_kv_unshare(ff_kv_shared *shared)
{
	sharing *of = (sharing *)shared;
	if (ff_kv_is_copy(shared))
		return; /* it stays in the list, where no search finds it */
	hold_list();
	sharing **at = &list;
	while (*at != of)
		at = &(*at)->next;
	if (--of->users == 0) {
		*at = of->next;
		of->close(shared->handle);
		discard(of);
	}
	give_list();
}

bool ff_kv_is_copy(const ff_kv_shared *shared)
{
	return ff_fork_guard_is_copy(&((const sharing *)shared)->guard);
}

/* ---- the writer's place ------------------------------------------------------------------------------------- */

static int64_t monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * Who has given the place back may want it again before a waiter is awake, and again: that costs less than to take turns,
 * but nobody is passed over for longer than this.
 */
#define STARVES_US 4000

/* Until the place is given back, or so long. */
static void wait_for_place(sharing *of, ff_wait *wait, int64_t until_us)
{
	int64_t began_us = monotonic_us();
	int64_t end_us = began_us + until_us - wait->slept_us;
	const struct timespec end = { .tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000 };
	pthread_cond_clockwait(&of->given, &of->place, CLOCK_MONOTONIC, &end);
	wait->slept_us += monotonic_us() - began_us + 1;
}

/* With the lock held. */
static bool take_place(sharing *of, ff_wait *wait)
{
	bool starves = false;
	while ((of->taken || (of->starving && !starves)) && wait->slept_us < wait->limit_us) {
		bool soon = !starves && wait->limit_us > STARVES_US;
		wait_for_place(of, wait, soon ? STARVES_US : wait->limit_us);
		if (!starves && wait->slept_us >= STARVES_US) {
			starves = true;
			of->starving++;
		}
	}
	of->starving -= starves;
	bool got = !of->taken;
	of->taken = true;
	return got;
}

ff_code ff_kv_take_place(ff_kv_shared *shared, ff_wait *wait, ff_error *error)
{
	sharing *of = (sharing *)shared;
	ff_wait_start(wait);
	pthread_mutex_lock(&of->place);
	bool got = take_place(of, wait);
	pthread_mutex_unlock(&of->place);
	if (got)
		return FF_OK;
	ff_code code = ff_error_set(error, FF_E_BUSY, "another write transaction of this process is under way");
	snprintf(error->native_code, sizeof(error->native_code), "%d", EBUSY);
	return code;
}

void ff_kv_give_place(ff_kv_shared *shared)
{
	sharing *of = (sharing *)shared;
	pthread_mutex_lock(&of->place);
	of->taken = false;
	if (of->starving) /* which of the waiters are is not known here */
		pthread_cond_broadcast(&of->given);
	else
		pthread_cond_signal(&of->given);
	pthread_mutex_unlock(&of->place);
}
