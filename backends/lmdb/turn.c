/*
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

#include "../support/seat.h"

/* The longest sleep. */
#define SLEEP_US 1000

typedef struct ffp_turn_memory {
	pthread_mutex_t mutex;
	_Atomic uint32_t gives;
	_Atomic uint32_t waiting; /* somebody may be */
	_Atomic uint32_t loose;   /* the last commit is not synced, or not all of it */
} ffp_turn_memory;

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
		result = posix_fallocate(turn->file, 0, (off_t)sizeof(ffp_turn_memory));
	if (result)
		return result;
	void *memory = mmap(NULL, sizeof(ffp_turn_memory), PROT_READ | PROT_WRITE, MAP_SHARED, turn->file, 0);
	if (memory == MAP_FAILED)
		return errno;
	turn->memory = memory;
	return 0;
}

int ffp_turn_open(ffp_turn *turn, int directory)
{
	turn->memory = NULL;
	turn->file = openat(directory, FFP_TURN_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (turn->file < 0)
		return errno == EACCES || errno == EROFS ? 0 : errno;
	bool alone = lock_file(turn->file, LOCK_EX | LOCK_NB) == 0;
	int result = map_memory(turn);
	if (alone && turn->memory)
		result = init_mutex(&turn->memory->mutex);
	if (result == 0)
		result = lock_file(turn->file, LOCK_SH);
	return result;
}

void ffp_turn_close(ffp_turn *turn)
{
	if (turn->memory)
		munmap(turn->memory, sizeof(ffp_turn_memory));
	if (turn->file >= 0)
		close(turn->file);
	*turn = (ffp_turn){ .file = -1 };
}

static int try_to_take(ffp_turn_memory *memory)
{
	int result = pthread_mutex_trylock(&memory->mutex);
	return result == EOWNERDEAD ? pthread_mutex_consistent(&memory->mutex) : result;
}

static void sleep_until_given(ffp_turn_memory *memory, uint32_t gives)
{
	const struct timespec longest = { .tv_nsec = SLEEP_US * 1000L };
	syscall(SYS_futex, &memory->gives, FUTEX_WAIT, gives, &longest, NULL, 0);
}

int ffp_turn_take(const ffp_turn *turn, int64_t limit_us)
{
	ffp_turn_memory *memory = turn->memory;
	int result = memory ? try_to_take(memory) : 0;
	int64_t end_us = result == EBUSY ? ffp_monotonic_us() + limit_us : 0;
	while (result == EBUSY && ffp_monotonic_us() < end_us) {
		uint32_t gives = atomic_load(&memory->gives);
		atomic_store(&memory->waiting, 1); /* also for those who still wait when we have it */
		result = try_to_take(memory);
		if (result == EBUSY) {
			sleep_until_given(memory, gives);
			result = try_to_take(memory);
		}
	}
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
	atomic_store(&memory->waiting, 0);
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
