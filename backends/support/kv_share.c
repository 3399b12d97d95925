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
#include <unistd.h>

#include <ff/kv.h>

#include "seat.h"

typedef struct sharing {
	ff_kv_shared shared; /* first: a pointer to it is one to the whole */
	struct sharing *next;
	ff_kv_close_fn *close;
	int file; /* keeps the inode */
	dev_t device;
	ino_t inode;
	ff_fork_guard guard;
	unsigned users;
	ffp_seat seat; /* the writer's */
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
	ffp_seat_destroy(&of->seat);
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
	ffp_seat_init(&(*made)->seat);
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

/* ---- the writer's seat -------------------------------------------------------------------------------------- */

ff_code ff_kv_take_seat(ff_kv_shared *shared, ff_wait *wait, ff_error *error)
{
	ff_wait_start(wait);
	if (ffp_seat_take(&((sharing *)shared)->seat, wait))
		return FF_OK;
	ff_code code = ff_error_set(error, FF_E_BUSY, "another write transaction of this process is under way");
	snprintf(error->native_code, sizeof(error->native_code), "%d", EBUSY);
	return code;
}

void ff_kv_give_seat(ff_kv_shared *shared)
{
	ffp_seat_give(&((sharing *)shared)->seat);
}
