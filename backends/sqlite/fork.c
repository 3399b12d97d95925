/*
 * SQLite in a process that fork made. SQLite books the locks of a file once a process, in memory that a child has from its
 * parent without having the locks: its connections take for held what nobody holds, and two processes write at once. The
 * books cannot be cleared, nor can mutexes that another thread of the parent held. So where a parent had stores open, the
 * child opens none.
 */
#include "store.h"

#include <stdatomic.h>
#include <unistd.h>

static _Atomic pid_t owner; /* of the stores that are open */
static atomic_uint open_stores;

bool ffp_sqlite_fork_enter(void)
{
	pid_t process = getpid();
	if (atomic_load(&open_stores) && atomic_load(&owner) != process)
		return false;
	atomic_store(&owner, process);
	atomic_fetch_add(&open_stores, 1);
	return true;
}

void ffp_sqlite_fork_leave(void)
{
	atomic_fetch_sub(&open_stores, 1);
}
