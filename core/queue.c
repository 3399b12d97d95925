/*
 * Group commit. Callers queue, in the lane of what they touch; the one that finds nobody leading there takes all that
 * waits as one batch, decides and commits it, hands the lead to the first that came since, and wakes the others. A lone
 * caller waits for nobody, and there are no timers but those of deadlines.
 */
#include <sched.h>
#include <time.h>

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

static size_t lane_of_root(const ff_engine *engine, ff_text root)
{
	bool is_one_of_many = engine->lanes_count > 1 && root.size;
	return is_one_of_many ? XXH3_64bits(root.data, root.size) % engine->lanes_count : 0;
}

/* The lane of a ticket: that of the roots that it touches. The first one takes those that touch roots of several: all of
 * them in one lane find what the others left remembered, which another lane would change behind its back. */
static ffp_lane *lane_of(const ff_engine *engine, const ffp_ticket *ticket)
{
	size_t lane = lane_of_root(engine, ticket->requests[0].id);
	for (size_t i = 1; lane && i < ticket->count; i++)
		if (lane_of_root(engine, ticket->requests[i].id) != lane)
			lane = 0;
	return &engine->lanes[lane];
}

static void enqueue(ffp_lane *lane, ffp_ticket *ticket)
{
	ticket->before = lane->queue_last;
	if (lane->queue_last)
		lane->queue_last->next = ticket;
	else
		lane->queue_first = ticket;
	lane->queue_last = ticket;
	lane->queued++;
	ticket->queued = true;
}

static void take_out(ffp_lane *lane, ffp_ticket *ticket)
{
	if (ticket->before)
		ticket->before->next = ticket->next;
	else
		lane->queue_first = ticket->next;
	if (ticket->next)
		ticket->next->before = ticket->before;
	else
		lane->queue_last = ticket->before;
	ticket->queued = false;
	lane->queued--;
}

/* Puts those of a batch that are not done in front of the queue, in their order; answers how many are, and those come
 * first in `tickets` then. */
static size_t put_back(ffp_lane *lane, ffp_ticket **tickets, size_t count)
{
	size_t done = 0;
	for (size_t i = count; i-- > 0;) {
		ffp_ticket *ticket = tickets[i];
		if (ticket->is_done)
			continue;
		ticket->before = NULL;
		ticket->next = lane->queue_first;
		if (lane->queue_first)
			lane->queue_first->before = ticket;
		else
			lane->queue_last = ticket;
		lane->queue_first = ticket;
		lane->queued++;
		ticket->queued = ticket->was_cut = true;
	}
	for (size_t i = 0; i < count; i++)
		if (tickets[i]->is_done)
			tickets[done++] = tickets[i];
	return done;
}

#define TICKETS_MAX 1024
#define YIELDS_IN_VAIN_MAX 8

static bool is_alone(const ffp_ticket *ticket)
{
	return ticket->requests[0].op->is_alone;
}

/* Takes the next batch out of the queue: as many tickets as may share a commit, and always one. Those that a deadline
 * has cut short stay among themselves, or a stream of deadlines could keep them from ever being decided. */
static size_t dequeue(ffp_lane *lane, uint32_t calls_max, ffp_ticket **tickets)
{
	size_t count = 0;
	size_t calls = 0;
	while (lane->queue_first && count < TICKETS_MAX) {
		ffp_ticket *ticket = lane->queue_first;
		bool alone = is_alone(ticket) || (count && is_alone(tickets[0]));
		bool apart = count && ticket->was_cut != tickets[0]->was_cut;
		if (count && (alone || apart || calls + ticket->count > calls_max))
			break;
		calls += ticket->count;
		take_out(lane, ticket);
		tickets[count++] = ticket;
	}
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
	if (alone)
		engine->runs_alone = false;
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

/* Runs the next batch, in which the leader's own ticket is the first. False: that one is back in the queue. Comes with the
 * lock held, and lets go of it. */
static bool lead(ff_engine *engine, ffp_lane *lane, const ffp_ticket *own)
{
	ffp_ticket *tickets[TICKETS_MAX];
	wait_for_company(engine, lane);
	bool alone = is_alone(own);
	wait_for_turn(engine, alone);
	size_t count = dequeue(lane, engine->batch_calls_max, tickets); /* late callers may have left meanwhile */
	pthread_mutex_unlock(&engine->queue_lock);
	ffp_decided decided = ffp_batch_run(engine, lane, tickets, count);
	pthread_mutex_lock(&engine->queue_lock);
	engine->calls += decided.calls;
	engine->batches += decided.batches;
	end_turn(engine, alone);
	bool own_done = own->is_done;
	count = put_back(lane, tickets, count);
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
	return own_done;
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

/* When the last of its calls is late; INT64_MAX where one has no deadline. */
static int64_t last_deadline_ms(const ffp_ticket *ticket)
{
	int64_t last_ms = 0;
	for (size_t i = 0; i < ticket->count; i++) {
		int64_t deadline_ms = ticket->requests[i].deadline_ms;
		if (!deadline_ms)
			return INT64_MAX;
		last_ms = deadline_ms > last_ms ? deadline_ms : last_ms;
	}
	return last_ms;
}

/* Leaves the queue with all calls late, unless a batch has the ticket, which then sees to it. */
static bool leave(ff_engine *engine, ffp_lane *lane, ffp_ticket *ticket, int64_t now_ms)
{
	pthread_mutex_lock(&engine->queue_lock);
	bool leaves = ticket->queued && !ticket->leads;
	if (leaves)
		take_out(lane, ticket);
	pthread_mutex_unlock(&engine->queue_lock);
	for (size_t i = 0; leaves && i < ticket->count; i++)
		ffp_fail_if_late(&ticket->requests[i], now_ms);
	return leaves;
}

/* The engine's clock is the host's and may jump, so it is asked again after a slice at the latest; and after a short one by
 * who is late while a batch has the ticket. */
#define SLICE_MS 1000
#define LATE_SLICE_MS 20

/* False: time was up, or a signal came. */
static bool is_woken_within(ffp_ticket *ticket, int64_t ms)
{
	const struct timespec until = ffp_monotonic_in(ms);
	return sem_clockwait(&ticket->wake, CLOCK_MONOTONIC, &until) == 0;
}

/* Until the ticket is done, or is to lead; or until its deadlines have passed while it was queued, which they do not where
 * time is the data's. */
static void wait_for_wake(ff_engine *engine, ffp_lane *lane, ffp_ticket *ticket)
{
	int64_t last_ms = engine->flags & FF_OPEN_DATA_CLOCK ? INT64_MAX : last_deadline_ms(ticket);
	while (last_ms < INT64_MAX) {
		int64_t now_ms = ffp_engine_now(engine);
		int64_t left_ms = last_ms - now_ms;
		if (left_ms <= 0 && leave(engine, lane, ticket, now_ms))
			return;
		left_ms = left_ms > 0 ? left_ms : LATE_SLICE_MS;
		if (is_woken_within(ticket, left_ms < SLICE_MS ? left_ms : SLICE_MS)) {
			/* ThreadSanitizer does not know that call, and sees by the lock that what was written is read later. */
			pthread_mutex_lock(&engine->queue_lock);
			pthread_mutex_unlock(&engine->queue_lock);
			return;
		}
	}
	while (sem_wait(&ticket->wake) != 0) /* a signal came */
		;
}

/* Waits. True: with the lock held; false: the ticket is done. */
static bool is_called_to_lead(ff_engine *engine, ffp_lane *lane, ffp_ticket *ticket)
{
	wait_for_wake(engine, lane, ticket);
	if (ticket->leads)
		pthread_mutex_lock(&engine->queue_lock);
	return ticket->leads;
}

ff_code ffp_queue_run(ff_engine *engine, ffp_request *requests, size_t count, ff_error *error)
{
	ffp_ticket ticket = { .requests = requests, .count = count, .error = error };
	ffp_lane *lane = lane_of(engine, &ticket);
	sem_init(&ticket.wake, 0, 0);
	pthread_mutex_lock(&engine->queue_lock);
	set_times(engine, requests, count);
	enqueue(lane, &ticket);
	bool leads = !lane->is_led;
	lane->is_led = true;
	if (!leads)
		pthread_mutex_unlock(&engine->queue_lock);
	for (bool done = false; !done; leads = false) {
		if (!leads)
			leads = is_called_to_lead(engine, lane, &ticket);
		done = !leads || lead(engine, lane, &ticket);
	}
	sem_destroy(&ticket.wake);
	return ticket.code;
}

static bool has_company(const ffp_lane *lane)
{
	return lane->expected > 1;
}

static bool is_led(const ffp_lane *lane)
{
	return lane->is_led;
}

static bool is_any_lane(ff_engine *engine, bool (*holds)(const ffp_lane *lane))
{
	bool found = false;
	pthread_mutex_lock(&engine->queue_lock);
	for (uint32_t i = 0; i < engine->lanes_count; i++)
		found |= holds(&engine->lanes[i]);
	pthread_mutex_unlock(&engine->queue_lock);
	return found;
}

bool ffp_queue_has_company(ff_engine *engine)
{
	return is_any_lane(engine, has_company);
}

bool ffp_queue_is_led(ff_engine *engine)
{
	return is_any_lane(engine, is_led);
}
