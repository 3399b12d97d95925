/* Whether a process sees that it is a copy (FF-ERR-6). */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

/* What a child makes of a guard of its parent's: by the page and by the number; and of one of its own. */
static int look_in_child(const ff_fork_guard *guard)
{
	ff_fork_guard numbered = { .process = guard->process };
	ff_fork_guard own = ff_fork_guard_open();
	int seen =
	    ff_fork_guard_is_copy(guard) | ff_fork_guard_is_copy(&numbered) << 1 | !ff_fork_guard_is_copy(&own) << 2;
	ff_fork_guard_close(&own);
	return seen;
}

static void copies_are_seen(ff_test *t)
{
	ff_fork_guard guard = ff_fork_guard_open();
	const ff_fork_guard numbered = { .process = guard.process };
	FF_CHECK(t, guard.page != NULL);
	FF_CHECK(t, !ff_fork_guard_is_copy(&guard) && !ff_fork_guard_is_copy(&numbered));
	pid_t child = fork();
	FF_REQUIRE(t, child >= 0);
	if (child == 0)
		_exit(look_in_child(&guard));
	int status = 0;
	FF_REQUIRE(t, waitpid(child, &status, 0) == child && WIFEXITED(status));
	FF_CHECK_EQ_INT(t, WEXITSTATUS(status), 7);
	FF_CHECK(t, !ff_fork_guard_is_copy(&guard)); /* still */
	void *page = (void *)(uintptr_t)guard.page;
	ff_fork_guard_close(&guard);
	FF_CHECK(t, guard.page == NULL);
	unsigned char is_there; /* which valgrind lets one ask of what is given back */
	FF_CHECK(t, mincore(page, 1, &is_there) < 0 && errno == ENOMEM);
}

static const ff_case cases[] = {
	CASE(copies_are_seen, "FF-ERR-6", 0),
};

FAMILY(ffp_tests_guard, cases);
