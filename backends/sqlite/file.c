/* What a connection's file does in its own way, below SQLite: locks on the log's index, a look at it, and syncs in bites. */
#include "store.h"

static ffp_sqlite_file *file_of(sqlite3_file *file)
{
	return (ffp_sqlite_file *)(uintptr_t)file->pMethods;
}

/*
 * SQLite before 3.51.3 (but 3.44.6 and 3.50.7) may fold a log that is no more: a checkpoint reads the index's header, and
 * then how much of the log is in the file, and where a commit begins the log anew between the two, it counts what the old
 * log held as folded of the new one, whose commits are lost (sqlite.org/wal.html, "the WAL-reset bug"). So when it has the
 * lock that keeps the log from beginning anew, we look whether that is the one that it was when it began, by the salts; if
 * not, the lock is not given, and the checkpoint does nothing, as beside a reader. One that waits for the write lock
 * reads the header behind that.
 */
enum { WRITE_LOCK = 0, CHECKPOINT_LOCK = 1, UNUSED_LOG_LOCK = 3, INDEX_REGION_SIZE = 32768, INDEX_SALTS = 8 };

static uint64_t salts_of(sqlite3_file *file)
{
	void volatile *region = NULL;
	if (file_of(file)->real->xShmMap(file, 0, INDEX_REGION_SIZE, 0, &region) != SQLITE_OK || !region)
		return 0;
	const uint32_t volatile *words = region;
	return (uint64_t)words[INDEX_SALTS] << 32 | words[INDEX_SALTS + 1];
}

/* With the lock taken for one alone; answers what the taking does. */
static int look_at_log(sqlite3_file *file, int offset)
{
	ffp_sqlite_file *of = file_of(file);
	of->folds = of->folds || offset == CHECKPOINT_LOCK;
	if (of->folds && offset <= CHECKPOINT_LOCK)
		of->salts = salts_of(file);
	if (offset != UNUSED_LOG_LOCK || of->salts == salts_of(file))
		return SQLITE_OK;
	of->real->xShmLock(file, offset, 1, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
	return SQLITE_BUSY;
}

/*
 * Every transaction takes and gives back locks on the log's index, and SQLite guards a process's own count of them by a
 * mutex. It holds that while it asks the system, and who finds it taken sleeps until it is woken, which takes longer than
 * that and happened twice a commit where a thread read all the time. So a thread of ours that comes while another is at it
 * waits awake, though not for long, for the other may have lost its processor, or sleep for that very mutex. Then it asks
 * for the lock all the same, and nobody is taken for being at it any more: else all that come would wait in vain until the
 * other runs again, which on one processor is the longer the more they wait.
 */
#define LOOKS_MAX 20000

static bool is_free(ff_store *store)
{
	return !atomic_load_explicit(&store->locking, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&store->locking, true, memory_order_acquire);
}

static int lock_index(sqlite3_file *file, int offset, int count, int flags)
{
	ffp_sqlite_file *of = file_of(file);
	for (unsigned looks = 0; looks < LOOKS_MAX && !is_free(of->store); looks++)
		;
	int result = of->real->xShmLock(file, offset, count, flags);
	if (result == SQLITE_OK && flags == (SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE))
		result = look_at_log(file, offset);
	else if (offset == CHECKPOINT_LOCK)
		of->folds = false;
	atomic_store_explicit(&of->store->locking, false, memory_order_release);
	return result;
}

/*
 * SQLite writes all pages and then syncs the file once; a commit of another thread, whose own sync comes behind that one on
 * the disk, waits for as long as if it had folded the log itself. So what the keeper writes is synced in bites, and
 * commits go between two of them.
 */
#define BITE_PAGES 64

static int write_in_bites(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	ffp_sqlite_file *of = file_of(file);
	int result = of->real->xWrite(file, data, size, at);
	if (result == SQLITE_OK && ++of->writes % BITE_PAGES == 0)
		result = of->real->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
	return result;
}

/* Of a version before xFetch the methods end there; of one that we do not know we have no place for what is more. */
static sqlite3_io_methods copy_of(const sqlite3_io_methods *real)
{
	enum { VERSION_FETCH = 3 };
	sqlite3_io_methods copy = { 0 };
	memcpy(&copy, real, real->iVersion < VERSION_FETCH ? offsetof(sqlite3_io_methods, xFetch) : sizeof(copy));
	if (copy.iVersion > VERSION_FETCH)
		copy.iVersion = VERSION_FETCH;
	return copy;
}

void ffp_sqlite_file_take(ff_txn *connection)
{
	ffp_sqlite_file *of = &connection->file;
	sqlite3_file *file = NULL;
	sqlite3_file_control(connection->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (!file || !file->pMethods || file->pMethods->iVersion < 2) /* a store in memory has none */
		return;
	*of =
	    (ffp_sqlite_file){ .methods = copy_of(file->pMethods), .real = file->pMethods, .store = connection->store };
	of->methods.xShmLock = lock_index;
	file->pMethods = &of->methods;
}

void ffp_sqlite_file_sync_in_bites(ff_txn *connection)
{
	connection->file.methods.xWrite = write_in_bites;
}
