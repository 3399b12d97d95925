/*
 * The seat of a writer among the transactions of one process: a condition in its own memory, since with a plain
 * mutex a waiter may be passed over for ever. The turn (turn.c) is the same among processes: who has the seat waits for that
 * next, with what is left of the wait.
 */
#include "seat.h"

#include <time.h>

void ffp_seat_init(ffp_seat *seat)
{
	*seat = (ffp_seat){ .taken = false };
	pthread_mutex_init(&seat->lock, NULL);
	pthread_cond_init(&seat->given, NULL);
}

void ffp_seat_destroy(ffp_seat *seat)
{
	pthread_cond_destroy(&seat->given);
	pthread_mutex_destroy(&seat->lock);
}

int64_t ffp_monotonic_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * Who has given the seat back may want it again before a waiter is awake, and again: that costs less than to take turns,
 * but nobody is passed over for longer than this.
 */
#define STARVES_US 4000

/* Until the seat is given back, or so long. */
static void wait_for(ffp_seat *seat, ff_wait *wait, int64_t until_us)
{
	int64_t began_us = ffp_monotonic_us();
	int64_t end_us = began_us + until_us - wait->slept_us;
	const struct timespec end = { .tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000 };
	pthread_cond_clockwait(&seat->given, &seat->lock, CLOCK_MONOTONIC, &end);
	wait->slept_us += ffp_monotonic_us() - began_us + 1;
}

/* With the lock held. */
static bool take(ffp_seat *seat, ff_wait *wait)
{
	bool starves = false;
	while ((seat->taken || (seat->starving && !starves)) && wait->slept_us < wait->limit_us) {
		bool soon = !starves && wait->limit_us > STARVES_US;
		wait_for(seat, wait, soon ? STARVES_US : wait->limit_us);
		if (!starves && wait->slept_us >= STARVES_US) {
			starves = true;
			seat->starving++;
		}
	}
	seat->starving -= starves;
	bool got = !seat->taken;
	seat->taken = true;
	return got;
}

bool ffp_seat_take(ffp_seat *seat, ff_wait *wait)
{
	pthread_mutex_lock(&seat->lock);
	bool got = take(seat, wait);
	pthread_mutex_unlock(&seat->lock);
	return got;
}

void ffp_seat_give(ffp_seat *seat)
{
	pthread_mutex_lock(&seat->lock);
	seat->taken = false;
	if (seat->starving) /* which of the waiters are is not known here */
		pthread_cond_broadcast(&seat->given);
	else
		pthread_cond_signal(&seat->given);
	pthread_mutex_unlock(&seat->lock);
}
