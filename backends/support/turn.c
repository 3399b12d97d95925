/*
 * The turn of a process among those that write to one store, as the seat (seat.c) is that of a transaction within its process.
 *
 * A mutex in memory that processes share, as LMDB's own is: the system gives back what a process held that died. What a
 * machine held that lost power is given back by who opens the file first and alone; each who has it open holds a shared
 * lock on it, by which that is seen.
 *
 * Who finds it taken sleeps on a number that is counted up when it is given, and for a moment at most: a holder that dies
 * counts nothing.
 */
#include "turn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "seat.h"

/* The longest sleep. */
#define SLEEP_US 1000

/* Of a file that others remove and make meanwhile. */
#define OPENS_MAX 100
#define OPEN_WAIT_US 100000

/* No such file is longer, and every database is. */
#define FILE_MAX 256

typedef struct ffp_turn_memory {
	_Atomic uint32_t kind; /* KIND; 0: of one that is new */
	_Atomic uint32_t gives;
	_Atomic uint32_t waiting; /* somebody may be */
	_Atomic uint32_t loose;   /* the last commit is not synced, or not all of it */
	pthread_mutex_t mutex;
} ffp_turn_memory;

/* Whose file it is, and how long this is, which it is not for a process of another word size. */
#define KIND_OF_FF UINT32_C(0xff7e)
#define KIND (KIND_OF_FF << 16 | (uint32_t)sizeof(ffp_turn_memory))

static int init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;
	int result = pthread_mutexattr_init(&attributes);
	if (result)
		return result;
	result = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (result == 0)
		result = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	if (result == 0)
		result = pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return result;
}

static int lock_file(int file, int kind)
{
	int result;
	while ((result = flock(file, kind)) != 0 && errno == EINTR)
		;
	return result ? errno : 0;
}

/* The room is taken on the disk, or a disk that is full later would end the process. */
static int map_memory(ffp_turn *turn)
{
	struct stat status;
	int result = fstat(turn->file, &status) != 0 ? errno : 0;
	if (result == 0 && status.st_size < (off_t)sizeof(ffp_turn_memory))
		while ((result = posix_fallocate(turn->file, 0, (off_t)sizeof(ffp_turn_memory))) == EINTR)
			;
	if (result)
		return result;
	void *memory = mmap(NULL, sizeof(ffp_turn_memory), PROT_READ | PROT_WRITE, MAP_SHARED, turn->file, 0);
	if (memory == MAP_FAILED)
		return errno;
	turn->memory = memory;
	return 0;
}

/* Others have it for themselves for a moment at most, unless they are stopped, or none of ours. */
static int share_file(int file)
{
	ff_wait wait = { .limit_us = OPEN_WAIT_US };
	int result;
	ff_wait_start(&wait);
	do {
		result = lock_file(file, LOCK_SH | LOCK_NB);
	} while (result == EWOULDBLOCK && ff_wait_pause(&wait));
	return result == EWOULDBLOCK ? EBUSY : result;
}

/* Takes a share of the file. Where two are alone with it one after the other, the first has not begun to use it. */
static int share(ffp_turn *turn)
{
	bool alone = lock_file(turn->file, LOCK_EX | LOCK_NB) == 0;
	int result = alone ? 0 : share_file(turn->file);
	if (result == 0)
		result = map_memory(turn);
	ffp_turn_memory *memory = turn->memory;
	if (memory && alone) {
		result = init_mutex(&memory->mutex);
		if (memory->kind != KIND)
			memory->loose = true;
		memory->kind = KIND;
		if (result == 0)
			result = share_file(turn->file);
	}
	return result == 0 && memory && memory->kind != KIND ? EEXIST : result;
}

/* Whether the file that is open still has the name. */
static bool is_named(const ffp_turn *turn, int directory, const char *name)
{
	struct stat ours, named;
	return fstat(turn->file, &ours) == 0 && fstatat(directory, name, &named, 0) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/*
 * Whether what has the name beside a store is one of ours, and not somebody's own. It is not opened else: were it a
 * database that this process has open, closing it would end the locks on that. And who may write to it, but not to the
 * store, could do harm by it: the system's mutexes trust the memory that they lie in.
 */
static bool may_be_opened(const struct stat *file, const struct stat *like)
{
	bool is_trusted = file->st_uid == like->st_uid || file->st_uid == geteuid() || file->st_uid == 0;
	return S_ISREG(file->st_mode) && file->st_nlink <= 1 && file->st_size <= FILE_MAX && is_trusted &&
	       !(file->st_mode & ~like->st_mode & (S_IWGRP | S_IWOTH));
}

static bool is_turn(int file)
{
	uint32_t kind = 0;
	return pread(file, &kind, sizeof(kind), 0) >= 0 && (kind == 0 || kind >> 16 == KIND_OF_FF);
}

static int open_beside(int directory, const char *name, const struct stat *like)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	mode_t mode = like->st_mode & 0666;
	struct stat status;
	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !may_be_opened(&status, like)) {
		errno = EEXIST;
		return -1;
	}
	int file = openat(directory, name, flags | O_CREAT | O_EXCL, mode);
	if (file >= 0) {
		/* As SQLite does for its own: root's are for who has the store. Who may not open it goes without a turn. */
		bool is_like =
		    fchmod(file, mode) == 0 && (geteuid() != 0 || fchown(file, like->st_uid, like->st_gid) == 0);
		(void)is_like;
		return file;
	}
	file = errno == EEXIST ? openat(directory, name, flags) : -1;
	if (file >= 0 && !is_turn(file)) {
		close(file);
		errno = EEXIST;
		return -1;
	}
	return file;
}

static void let_go(ffp_turn *turn)
{
	if (turn->memory)
		munmap(turn->memory, sizeof(ffp_turn_memory));
	turn->memory = NULL;
	close(turn->file);
}

static int open_and_share(ffp_turn *turn, int directory, const char *name, const struct stat *like)
{
	turn->memory = NULL;
	turn->process = getpid();
	turn->file =
	    like ? open_beside(directory, name, like) : openat(directory, name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (turn->file < 0)
		return errno;
	int result = share(turn);
	if (result == 0 && !is_named(turn, directory, name))
		result = EAGAIN; /* it was removed just now */
	if (result)
		let_go(turn);
	return result;
}

int ffp_turn_open(ffp_turn *turn, int directory, const char *name, const struct stat *like)
{
	int result = EAGAIN;
	for (unsigned i = 0; i < OPENS_MAX && (result == EAGAIN || (result == ENOENT && like)); i++)
		result = open_and_share(turn, directory, name, like);
	return result == EACCES || result == EROFS ? 0 : result;
}

/* A child that was forked has its parent's lock, which stays when only one of the two closes the file. */
static bool is_ours(const ffp_turn *turn)
{
	return turn->memory && turn->process == getpid();
}

void ffp_turn_close(ffp_turn *turn)
{
	if (is_ours(turn))
		lock_file(turn->file, LOCK_UN);
	if (turn->memory)
		let_go(turn);
}

void ffp_turn_remove(ffp_turn *turn, int directory, const char *name)
{
	if (is_ours(turn) && lock_file(turn->file, LOCK_EX | LOCK_NB) == 0 && is_named(turn, directory, name))
		unlinkat(directory, name, 0);
	ffp_turn_close(turn);
}

static int try_to_take(ffp_turn_memory *memory)
{
	int result = pthread_mutex_trylock(&memory->mutex);
	if (result == EOWNERDEAD)
		result = pthread_mutex_consistent(&memory->mutex);
	if (result == 0)
		atomic_store(&memory->waiting, 0);
	return result;
}

static void sleep_until_given(ffp_turn_memory *memory, uint32_t gives)
{
	const struct timespec longest = { .tv_nsec = SLEEP_US * 1000L };
	syscall(SYS_futex, &memory->gives, FUTEX_WAIT, gives, &longest, NULL, 0);
}

int ffp_turn_take(const ffp_turn *turn, ff_wait *wait)
{
	ffp_turn_memory *memory = turn->memory;
	if (!memory)
		return 0;
	/* Who comes leaves it to those who wait; but not for long, since they may have died. */
	int64_t left_us = wait->limit_us - wait->slept_us;
	bool leaves = left_us > 0 && atomic_load(&memory->waiting);
	int result = leaves ? EBUSY : try_to_take(memory);
	if (result != EBUSY)
		return result;
	int64_t began_us = ffp_monotonic_us();
	if (leaves) {
		sleep_until_given(memory, atomic_load(&memory->gives));
		result = try_to_take(memory);
	}
	while (result == EBUSY && ffp_monotonic_us() - began_us < left_us) {
		uint32_t gives = atomic_load(&memory->gives);
		atomic_store(&memory->waiting, 1);
		result = try_to_take(memory);
		if (result == EBUSY) {
			sleep_until_given(memory, gives);
			result = try_to_take(memory);
		}
	}
	wait->slept_us += ffp_monotonic_us() - began_us;
	return result;
}

void ffp_turn_give(const ffp_turn *turn)
{
	ffp_turn_memory *memory = turn->memory;
	if (!memory)
		return;
	pthread_mutex_unlock(&memory->mutex);
	if (atomic_load_explicit(&memory->waiting, memory_order_relaxed) == 0)
		return;
	atomic_fetch_add(&memory->gives, 1);
	syscall(SYS_futex, &memory->gives, FUTEX_WAKE, 1, NULL, NULL, 0);
}

void ffp_turn_set_loose(const ffp_turn *turn, bool loose)
{
	if (turn->memory)
		atomic_store_explicit(&turn->memory->loose, loose, memory_order_relaxed);
}

bool ffp_turn_is_loose(const ffp_turn *turn)
{
	return !turn->memory || atomic_load_explicit(&turn->memory->loose, memory_order_relaxed);
}
