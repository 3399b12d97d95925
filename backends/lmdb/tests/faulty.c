/* The calls that LMDB and the backend make of the C library come here first, since the program's symbols go before a library's. */
#include "faulty.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "faults.h"

/* What is called once, when a call comes by. */
typedef struct hook {
	void (*other)(void *context);
	void *context;
} hook;

static hook meanwhile, before_length, before_mkdir, before_lock;

void faulty_meanwhile(void (*other)(void *context), void *context)
{
	meanwhile = (hook){ other, context };
}

void faulty_before_length(void (*other)(void *context), void *context)
{
	before_length = (hook){ other, context };
}

void faulty_before_mkdir(void (*other)(void *context), void *context)
{
	before_mkdir = (hook){ other, context };
}

void faulty_before_lock(void (*other)(void *context), void *context)
{
	before_lock = (hook){ other, context };
}

static void run_hook(hook *of)
{
	const hook once = *of;
	if (!once.other)
		return;
	of->other = NULL;
	once.other(once.context);
}

#define EXPORT __attribute__((visibility("default")))

/* The library's own function; a pointer to data is not one to code in C, but for dlsym it is. Any thread may look first. */
#define REAL(name)                                 \
	static _Atomic(void *) found;              \
	void *address = found;                     \
	if (!address)                              \
		address = dlsym(RTLD_NEXT, #name); \
	found = address;                           \
	__typeof__(&(name)) real;                  \
	memcpy(&real, &address, sizeof(real));

static atomic_uint directories_synced, files_synced, writes_synced;

unsigned faulty_directories_synced(void)
{
	return directories_synced;
}

unsigned faulty_files_synced(void)
{
	return files_synced;
}

unsigned faulty_writes_synced(void)
{
	return writes_synced;
}

/* glibc's own names for parameters are reserved. NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
EXPORT ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
	REAL(pwrite)
	if (fault_strikes(FAULT_WRITE))
		return -1;
	writes_synced += (fcntl(file, F_GETFL) & O_DSYNC) != 0;
	return real(file, data, fault_strikes(FAULT_SHORT) ? size / 2 : size, offset);
}

EXPORT ssize_t writev(int file, const struct iovec *parts, int count)
{
	REAL(writev)
	if (fault_strikes(FAULT_WRITE))
		return -1;
	return real(file, parts, fault_strikes(FAULT_SHORT) ? count / 2 : count);
}

EXPORT int fdatasync(int file)
{
	REAL(fdatasync)
	files_synced++;
	return fault_strikes(FAULT_SYNC) ? -1 : real(file);
}

EXPORT int fsync(int file)
{
	REAL(fsync)
	struct stat status;
	if (fstat(file, &status) == 0 && S_ISDIR(status.st_mode))
		directories_synced++;
	return fault_strikes(FAULT_SYNC) ? -1 : real(file);
}

EXPORT int open(const char *path, int flags, ...)
{
	REAL(open)
	va_list more;
	va_start(more, flags);
	mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
	va_end(more);
	return fault_strikes(FAULT_OPEN) ? -1 : real(path, flags, mode);
}

EXPORT int fstatat(int directory, const char *path, struct stat *status, int flags)
{
	REAL(fstatat)
	return fault_strikes(FAULT_STAT) ? -1 : real(directory, path, status, flags);
}

EXPORT int ftruncate(int file, off_t size)
{
	REAL(ftruncate)
	run_hook(&before_length);
	return real(file, size);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir)
	run_hook(&before_mkdir);
	return real(path, mode);
}

EXPORT int flock(int file, int operation)
{
	REAL(flock)
	run_hook(&before_lock);
	return real(file, operation);
}

EXPORT int mdb_reader_check(MDB_env *env, int *dead)
{
	REAL(mdb_reader_check)
	run_hook(&meanwhile);
	return real(env, dead);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
