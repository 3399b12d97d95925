/*
 * Waiting for SQLite's locks, which know no queue: whoever looks at the right moment has them. So each waiter looks
 * often, and at moments of its own, which keeps a process that commits without pause from shutting the others out.
 */
#include "store.h"

#include <time.h>

#define SLEEP_US_MIN 50u
#define SLEEP_US_MAX 2000u

void ffp_wait_start(ffp_wait *wait)
{
	wait->slept_us = 0;
	wait->sleeps = 0;
	if (!wait->random)
		sqlite3_randomness(sizeof(wait->random), &wait->random);
	wait->random |= 1u;
}

static uint32_t next_random(ffp_wait *wait)
{
	wait->random ^= wait->random << 13;
	wait->random ^= wait->random >> 17;
	wait->random ^= wait->random << 5;
	return wait->random;
}

bool ffp_wait_pause(ffp_wait *wait)
{
	if (wait->slept_us >= wait->limit_us)
		return false;
	uint32_t longest = wait->sleeps < 6 ? SLEEP_US_MIN << wait->sleeps : SLEEP_US_MAX;
	uint32_t sleep_us = longest / 2 + next_random(wait) % (longest / 2);
	struct timespec time = { .tv_nsec = (long)sleep_us * 1000 };
	nanosleep(&time, NULL);
	wait->slept_us += sleep_us;
	wait->sleeps++;
	return true;
}
