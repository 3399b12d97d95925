/* Whether this process is a copy that fork made: told by a page that the system wipes in copies, without a call of it. */
#include <ff/backend.h>

#include <sys/mman.h>
#include <unistd.h>

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

ff_fork_guard ff_fork_guard_open(void)
{
	ff_fork_guard guard = { .process = getpid() };
#ifdef MADV_WIPEONFORK
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return guard;
	if (madvise(page, page_size(), MADV_WIPEONFORK) == 0) {
		guard.page = page;
		*guard.page = 1;
	} else {
		munmap(page, page_size()); /* a kernel before 4.14 */
	}
#endif
	return guard;
}

void ff_fork_guard_close(ff_fork_guard *guard)
{
	if (guard->page)
		munmap((void *)(uintptr_t)guard->page, page_size());
	guard->page = NULL;
}

bool ff_fork_guard_ask(const ff_fork_guard *guard)
{
	return guard->process != getpid();
}
