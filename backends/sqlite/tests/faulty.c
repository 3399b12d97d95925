/* A VFS and an allocator that pass everything on, but one operation. */
#include "faulty.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sqlite3.h>

#include "faults.h"

/* ---- files ------------------------------------------------------------------------------------------------------ */

typedef struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
} fault_file;

#define REAL(file) (((fault_file *)(void *)(file))->real)
#define PASS(file, method, ...) REAL(file)->pMethods->method(REAL(file), __VA_ARGS__)

static int file_close(sqlite3_file *file)
{
	return REAL(file)->pMethods->xClose(REAL(file));
}

static int file_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	return fault_strikes(FAULT_READ) ? SQLITE_IOERR_READ : PASS(file, xRead, data, size, offset);
}

/* As disks do, it writes a part before it fails, and says what SQLite's own files say. */
static int file_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	if (!fault_strikes(FAULT_WRITE))
		return PASS(file, xWrite, data, size, offset);
	int result = errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	PASS(file, xWrite, data, size / 2, offset);
	return result;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return PASS(file, xTruncate, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	return fault_strikes(FAULT_SYNC) ? SQLITE_IOERR_FSYNC : PASS(file, xSync, flags);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return PASS(file, xFileSize, size);
}

static int file_lock(sqlite3_file *file, int lock)
{
	return PASS(file, xLock, lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	return PASS(file, xUnlock, lock);
}

static int file_check_lock(sqlite3_file *file, int *reserved)
{
	return PASS(file, xCheckReservedLock, reserved);
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
	return PASS(file, xFileControl, operation, argument);
}

static int file_sector_size(sqlite3_file *file)
{
	return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int file_characteristics(sqlite3_file *file)
{
	return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int file_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **memory)
{
	return fault_strikes(FAULT_SHARE) ? SQLITE_IOERR_SHMMAP : PASS(file, xShmMap, region, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
	return PASS(file, xShmLock, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int file_shm_unmap(sqlite3_file *file, int remove)
{
	return PASS(file, xShmUnmap, remove);
}

/* No method of version 2, and none that could be called: what comes behind those that the version has. */
static int file_fetch(sqlite3_file *file, sqlite3_int64 offset, int size, void **page)
{
	(void)file;
	(void)offset;
	(void)size;
	(void)page;
	abort();
}

static sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
	.xFetch = file_fetch,
};

void faulty_set_version(int version)
{
	methods.iVersion = version;
}

static sqlite3_vfs *real_vfs;
static sqlite3_vfs faulty_vfs;

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	(void)vfs;
	fault_file *of = (fault_file *)(void *)file;
	of->base.pMethods = NULL;
	of->real = (sqlite3_file *)(void *)(of + 1);
	if (fault_strikes(FAULT_OPEN))
		return SQLITE_CANTOPEN;
	int result = real_vfs->xOpen(real_vfs, name, of->real, flags, flags_out);
	if (of->real->pMethods)
		of->base.pMethods = &methods;
	return result;
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static sqlite3_mem_methods real_memory;

static void *memory_take(int size)
{
	return fault_strikes(FAULT_MALLOC) ? NULL : real_memory.xMalloc(size);
}

static void *memory_resize(void *old, int size)
{
	return fault_strikes(FAULT_MALLOC) ? NULL : real_memory.xRealloc(old, size);
}

bool faulty_install(void)
{
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
		return false;
	sqlite3_mem_methods memory = real_memory;
	memory.xMalloc = memory_take;
	memory.xRealloc = memory_resize;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK || sqlite3_initialize() != SQLITE_OK)
		return false;
	real_vfs = sqlite3_vfs_find(NULL);
	faulty_vfs = *real_vfs;
	faulty_vfs.zName = "faulty";
	faulty_vfs.szOsFile = (int)sizeof(fault_file) + real_vfs->szOsFile;
	faulty_vfs.xOpen = vfs_open;
	return sqlite3_vfs_register(&faulty_vfs, 1) == SQLITE_OK;
}
