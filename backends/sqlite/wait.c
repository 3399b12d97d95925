/*
 * Waiting for SQLite's locks, which know no queue: whoever looks at the right moment has them. So each waiter looks
 * often, and at moments of its own, which keeps a process that commits without pause from shutting the others out. And
 * who had to wait for a lock leaves it alone for a moment before wanting it again.
 */
#include "store.h"

#include <time.h>
#include <unistd.h>

#define SLEEP_US_MIN 50u
#define SLEEP_US_MAX 2000u

void ffp_wait_start(ffp_wait *wait)
{
	wait->slept_us = 0;
	wait->sleeps = 0;
	if (wait->random)
		return;
	/* Processes that were forked have the same random numbers of SQLite. */
	sqlite3_randomness(sizeof(wait->random), &wait->random);
	wait->random ^= (uint32_t)getpid() * UINT32_C(2654435761);
	wait->random |= 1u;
}

static uint32_t next_random(ffp_wait *wait)
{
	wait->random ^= wait->random << 13;
	wait->random ^= wait->random >> 17;
	wait->random ^= wait->random << 5;
	return wait->random;
}

/* Sleeps between half of `longest_us` and all of it, and answers how long. */
static uint32_t sleep_up_to(ffp_wait *wait, uint32_t longest_us)
{
	uint32_t sleep_us = longest_us - next_random(wait) % (longest_us / 2);
	struct timespec time = { .tv_nsec = sleep_us * 1000L };
	nanosleep(&time, NULL);
	return sleep_us;
}

bool ffp_wait_pause(ffp_wait *wait)
{
	if (wait->slept_us >= wait->limit_us)
		return false;
	wait->slept_us += sleep_up_to(wait, wait->sleeps < 6 ? SLEEP_US_MIN << wait->sleeps : SLEEP_US_MAX);
	wait->sleeps++;
	return true;
}

void ffp_wait_give_way(ffp_wait *wait)
{
	uint32_t slept_us = wait->slept_us < 2 * SLEEP_US_MAX ? (uint32_t)wait->slept_us : 2 * SLEEP_US_MAX;
	ffp_wait_start(wait);
	if (slept_us >= SLEEP_US_MIN)
		sleep_up_to(wait, slept_us);
}
