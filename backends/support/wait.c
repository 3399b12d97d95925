/*
 * Waiting for locks that know no queue: whoever looks at the right moment has them. So each waiter looks often, and at
 * moments of its own, which keeps a process that commits without pause from shutting the others out. And who had to wait
 * for a lock leaves it alone for a moment before wanting it again.
 */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <ff/backend.h>

#define SLEEP_US_MIN 50u
#define SLEEP_US_MAX 2000u

void ff_wait_start(ff_wait *wait)
{
	wait->slept_us = 0;
	wait->sleeps = 0;
	if (wait->random)
		return;
	/* Threads differ by the address, processes that were forked by their number. */
	wait->random = (uint32_t)((uintptr_t)wait >> 4) * UINT32_C(2246822519);
	wait->random ^= (uint32_t)getpid() * UINT32_C(2654435761);
	wait->random |= 1u;
}

static uint32_t next_random(ff_wait *wait)
{
	wait->random ^= wait->random << 13;
	wait->random ^= wait->random >> 17;
	wait->random ^= wait->random << 5;
	return wait->random;
}

/* Sleeps between half of `longest_us` and all of it, and answers how long. */
static uint32_t sleep_up_to(ff_wait *wait, uint32_t longest_us)
{
	uint32_t sleep_us = longest_us - next_random(wait) % (longest_us / 2);
	struct timespec time = { .tv_nsec = sleep_us * 1000L };
	while (nanosleep(&time, &time) != 0 && errno == EINTR)
		;
	return sleep_us;
}

bool ff_wait_pause(ff_wait *wait)
{
	if (wait->slept_us >= wait->limit_us)
		return false;
	wait->slept_us += sleep_up_to(wait, wait->sleeps < 6 ? SLEEP_US_MIN << wait->sleeps : SLEEP_US_MAX);
	wait->sleeps++;
	return true;
}

void ff_wait_give_way(ff_wait *wait)
{
	uint32_t slept_us = wait->slept_us < 2 * SLEEP_US_MAX ? (uint32_t)wait->slept_us : 2 * SLEEP_US_MAX;
	ff_wait_start(wait);
	if (slept_us >= SLEEP_US_MIN)
		sleep_up_to(wait, slept_us);
}
