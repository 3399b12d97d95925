/*
 * Group commit. Callers queue, in the lane of what they touch; the one that finds nobody leading there takes all that
 * waits as one batch, decides and commits it, hands the lead to the first that came since, and wakes the others. A lone
 * caller waits for nobody, and there are no timers.
 */
#include <errno.h>
#include <sched.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine.h"

/* A request's time (FF-CLK-1, 2): from the call, or from the engine's clock, which never goes back. */
static void set_times(ff_engine *engine, ffp_request *requests, size_t count)
{
	bool data_clock = engine->flags & FF_OPEN_DATA_CLOCK;
	int64_t now_ms = data_clock ? 0 : engine->clock.now_ms(engine->clock.context);
	for (size_t i = 0; i < count; i++) {
		ffp_request *request = &requests[i];
		int64_t time = data_clock ? request->own_now_ms : now_ms;
		if (time > engine->latest_ms)
			engine->latest_ms = time;
		bool own = request->own_now_ms && !data_clock;
		request->now_ms = own ? request->own_now_ms : engine->latest_ms;
	}
}

/* The lane of a ticket: that of the first root that it touches. In a store with one writer, the only one. */
static ffp_lane *lane_of(const ff_engine *engine, const ffp_ticket *ticket)
{
	const ff_text root = ticket->requests[0].id;
	if (engine->lanes_count == 1 || root.size == 0)
		return engine->lanes;
	return &engine->lanes[XXH3_64bits(root.data, root.size) % engine->lanes_count];
}

static void enqueue(ffp_lane *lane, ffp_ticket *ticket)
{
	if (lane->queue_last)
		lane->queue_last->next = ticket;
	else
		lane->queue_first = ticket;
	lane->queue_last = ticket;
	lane->queued++;
}

#define TICKETS_MAX 1024
#define YIELDS_IN_VAIN_MAX 2

static bool is_alone(const ffp_ticket *ticket)
{
	return ticket->requests[0].op->is_alone;
}

/* Takes the next batch out of the queue: as many tickets as may share a commit, and always one. */
static size_t dequeue(ffp_lane *lane, uint32_t calls_max, ffp_ticket **tickets)
{
	size_t count = 0;
	size_t calls = 0;
	while (lane->queue_first && count < TICKETS_MAX) {
		ffp_ticket *ticket = lane->queue_first;
		bool alone = is_alone(ticket) || (count && is_alone(tickets[0]));
		if (count && (alone || calls + ticket->count > calls_max))
			break;
		calls += ticket->count;
		tickets[count++] = ticket;
		lane->queued--;
		lane->queue_first = ticket->next;
	}
	if (!lane->queue_first)
		lane->queue_last = NULL;
	return count;
}

/* Waits until the batch may run: beside those of other lanes, but an import beside none. With the lock held. */
static void wait_for_turn(ff_engine *engine, bool alone)
{
	while (engine->runs_alone)
		pthread_cond_wait(&engine->queue_turn, &engine->queue_lock);
	engine->runs_alone = alone;
	while (alone && engine->batches_running)
		pthread_cond_wait(&engine->queue_turn, &engine->queue_lock);
	engine->batches_running++;
}

static void end_turn(ff_engine *engine, bool alone)
{
	engine->batches_running--;
	bool waited_for = engine->runs_alone; /* by an import that waits, or by the others while one ran */
	if (alone)
		engine->runs_alone = false;
	if (waited_for)
		pthread_cond_broadcast(&engine->queue_turn);
}

/*
 * Lets those come back whom the last batch answered, and their next calls join this one: two threads then share each
 * commit, where they would take turns. Yields, never sleeps, and gives up when nobody came. With the lock held.
 */
static void wait_for_company(ff_engine *engine, const ffp_lane *lane)
{
	unsigned in_vain = 0;
	while (lane->queued < lane->expected && in_vain < YIELDS_IN_VAIN_MAX) {
		size_t queued = lane->queued;
		pthread_mutex_unlock(&engine->queue_lock);
		sched_yield();
		pthread_mutex_lock(&engine->queue_lock);
		in_vain = lane->queued > queued ? 0 : in_vain + 1;
	}
}

static void wake(ffp_ticket *ticket)
{
	sem_post(&ticket->wake);
}

static void lead(ff_engine *engine, ffp_lane *lane, const ffp_ticket *own)
{
	ffp_ticket *tickets[TICKETS_MAX];
	pthread_mutex_lock(&engine->queue_lock);
	wait_for_company(engine, lane);
	size_t count = dequeue(lane, engine->batch_calls_max, tickets);
	bool alone = is_alone(tickets[0]);
	wait_for_turn(engine, alone);
	pthread_mutex_unlock(&engine->queue_lock);
	ffp_batch_run(engine, lane, tickets, count);
	pthread_mutex_lock(&engine->queue_lock);
	end_turn(engine, alone);
	lane->expected = count + lane->queued;
	ffp_ticket *next = lane->queue_first;
	lane->is_led = next != NULL;
	if (next)
		next->leads = true;
	pthread_mutex_unlock(&engine->queue_lock);
	/* The next batch begins before this one's callers are told. Whom we wake may be gone the moment after. */
	if (next)
		wake(next);
	for (size_t i = 0; i < count; i++)
		if (tickets[i] != own)
			wake(tickets[i]);
}

ff_code ffp_queue_run(ff_engine *engine, ffp_request *requests, size_t count, ff_error *error)
{
	ffp_ticket ticket = { .requests = requests, .count = count, .error = error };
	sem_init(&ticket.wake, 0, 0);
	pthread_mutex_lock(&engine->queue_lock);
	set_times(engine, requests, count);
	ffp_lane *lane = lane_of(engine, &ticket);
	enqueue(lane, &ticket);
	bool waits = lane->is_led;
	lane->is_led = true;
	pthread_mutex_unlock(&engine->queue_lock);
	while (waits && sem_wait(&ticket.wake) != 0 && errno == EINTR)
		;
	if (!waits || ticket.leads)
		lead(engine, lane, &ticket);
	sem_destroy(&ticket.wake);
	return ticket.code;
}

bool ffp_queue_has_company(ff_engine *engine)
{
	bool found = false;
	pthread_mutex_lock(&engine->queue_lock);
	for (uint32_t i = 0; i < engine->lanes_count; i++)
		found |= engine->lanes[i].expected > 1;
	pthread_mutex_unlock(&engine->queue_lock);
	return found;
}
