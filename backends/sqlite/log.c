/*
 * The write-ahead log, and who folds it into the file (a checkpoint): the tick, in bites between its slices, or else the commit that
 * made it long.
 *
 * SQLite's own 4 MiB hold up a call in a hundred while many rows change; 16 MiB do so less often, and a page that changed
 * often is written once. Where no commit waits for the disk, it is memory that costs, and a small log stays in the
 * processor's cache.
 *
 * The log begins anew only where all of it is in the file and nobody reads it any more; SQLite by itself waits for no
 * reader, so that beside one that reads all the time the log would grow, and be folded and synced again after each commit.
 * So readers are waited for, a moment, and where that was in vain the next try comes after as many pages again. That takes
 * the write lock, which other processes want: what can be done without it is done before. Failing costs nothing
 * but room: the commit was made.
 *
 * A disk may have no room for so long a log, though it has for the rows. So a commit that finds it full has the log folded
 * then, and is made again at its beginning. And since what is in the log must have room in the file, it is folded while
 * there is: every some pages a commit looks at what is free. Either way the log's own file is cut off, or what a batch
 * wrote there that had no room, and was undone, would be kept from the rows for ever.
 */
#include "store.h"

#include <sys/statvfs.h>

#define PAGE_BYTES 4096
#define PAGES_MAX 1000
#define PAGES_MAX_DURABLE 4000
#define LOOK_PAGES 128
#define READERS_WAIT_US 1000
#define ROOM_WAIT_US 100000

/* After so many pages a commit folds. */
static int pages_max(const ff_store *store)
{
	return store->durability == FF_DURABILITY_FULL ? PAGES_MAX_DURABLE : PAGES_MAX;
}

/* ---- at commits --------------------------------------------------------------------------------------------- */

/* Folds what is left, and lets the next commit begin the log anew; where it shrinks, what it took of the disk is free then.
 * The write lock is taken meanwhile. */
static ffp_sqlite_room restart(ff_txn *writer, const char *schema, bool shrinks, int64_t limit_us)
{
	int pages;
	int mode = shrinks ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART;
	ff_wait wait = { .limit_us = limit_us };
	sqlite3_busy_handler(writer->db, ffp_sqlite_on_busy, &wait);
	int result = sqlite3_wal_checkpoint_v2(writer->db, schema, mode, &pages, NULL);
	sqlite3_busy_handler(writer->db, ffp_sqlite_on_busy, &writer->wait);
	if (result == SQLITE_BUSY && pages < 0)
		return FFP_SQLITE_ROOM_BY_OTHERS;
	return result == SQLITE_OK || result == SQLITE_BUSY ? FFP_SQLITE_ROOM_MADE : FFP_SQLITE_ROOM_NONE;
}

/* Whether the file might not have room for the log, were it folded at the next look only. */
static bool is_tight(ff_txn *writer, int unfolded)
{
	struct statvfs disk;
	uint64_t pages = 2 * ((uint64_t)unfolded + LOOK_PAGES);
	if (unfolded < writer->looked_pages)
		writer->looked_pages = 0;
	if (unfolded - writer->looked_pages < LOOK_PAGES)
		return false;
	writer->looked_pages = unfolded;
	bool is_known = statvfs(writer->store->path, &disk) == 0 && disk.f_blocks > 0;
	return is_known && (uint64_t)disk.f_bavail * disk.f_frsize < pages * PAGE_BYTES;
}

static int after_commit(void *context, sqlite3 *db, const char *schema, int pages)
{
	ff_txn *writer = context;
	ff_store *store = writer->store;
	bool kept = atomic_exchange(&store->log_kept, false);
	if (pages < writer->folded_pages)
		writer->folded_pages = 0;
	int unfolded = pages - writer->folded_pages;
	bool tight = is_tight(writer, unfolded);
	bool is_long = tight || unfolded >= pages_max(store);
	if (kept || is_long) {
		writer->folded_pages = pages;
		if (!kept)
			sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		restart(writer, schema, tight, READERS_WAIT_US);
	}
	atomic_store(&store->unfolded_pages, pages - writer->folded_pages);
	return SQLITE_OK;
}

static ffp_sqlite_room make_room(ff_txn *writer, int64_t limit_us)
{
	int pages;
	sqlite3_wal_checkpoint_v2(writer->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, NULL);
	ffp_sqlite_room room = restart(writer, "main", true, limit_us);
	return pages == 0 && room == FFP_SQLITE_ROOM_MADE ? FFP_SQLITE_ROOM_NO_LOG : room;
}

ffp_sqlite_room ffp_sqlite_log_make_room(ff_txn *writer)
{
	int64_t limit_us = writer->store->busy_timeout_us;
	ff_wait wait = { .limit_us = limit_us < ROOM_WAIT_US ? limit_us : ROOM_WAIT_US };
	ffp_sqlite_room room;
	ff_wait_start(&wait);
	do {
		room = make_room(writer, wait.limit_us);
	} while (room == FFP_SQLITE_ROOM_BY_OTHERS && ff_wait_pause(&wait));
	return room;
}

void ffp_sqlite_log_watch(ff_txn *writer)
{
	sqlite3_wal_hook(writer->db, after_commit, writer);
}

/* ---- the keeper --------------------------------------------------------------------------------------------- */

/* A connection that may change no row may fold the log all the same, and syncs as it does so. */
static bool open_keeper(ff_store *store)
{
	ff_error ignored;
	if (ffp_sqlite_connection_open(store, false, &store->keeper, &ignored) != FF_OK)
		return false;
	sqlite3_exec(store->keeper->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	ffp_sqlite_file_sync_in_bites(store->keeper);
	return true;
}

/* Twice, since commits come meanwhile: the next one, which lets the log begin anew, then has little left to do. */
static void fold(const ff_store *store)
{
	for (int i = 0; i < 2; i++)
		sqlite3_wal_checkpoint_v2(store->keeper->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

/* Before a commit would, so that none does. Where nothing is synced, a commit does it as fast. */
void ffp_sqlite_log_keep(ff_store *store)
{
	bool is_long = atomic_load(&store->unfolded_pages) >= pages_max(store) / 4 * 3;
	if (store->durability == FF_DURABILITY_NONE || !is_long || atomic_exchange(&store->keeping, true))
		return;
	if (store->keeper || open_keeper(store)) {
		fold(store);
		atomic_store(&store->unfolded_pages, 0);
		atomic_store(&store->log_kept, true);
	}
	atomic_store(&store->keeping, false);
}
