/*
 * Group commit. Callers queue; the one that finds nobody leading takes all that waits as one batch, decides and commits
 * it, wakes the others, and hands the lead to the first that came since. A lone caller waits for nobody, and there are
 * no timers.
 */
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

static void enqueue(ff_engine *engine, ffp_ticket *ticket)
{
	if (engine->queue_last)
		engine->queue_last->next = ticket;
	else
		engine->queue_first = ticket;
	engine->queue_last = ticket;
}

#define TICKETS_MAX 1024

/* Takes the next batch out of the queue: as many tickets as may share a commit, and always one. */
static size_t dequeue(ff_engine *engine, ffp_ticket **tickets)
{
	size_t count = 0;
	size_t calls = 0;
	while (engine->queue_first && count < TICKETS_MAX) {
		ffp_ticket *ticket = engine->queue_first;
		bool alone = ticket->requests[0].op->is_alone || (count && tickets[0]->requests[0].op->is_alone);
		if (count && (alone || calls + ticket->count > engine->batch_calls_max))
			break;
		calls += ticket->count;
		tickets[count++] = ticket;
		engine->queue_first = ticket->next;
	}
	if (!engine->queue_first)
		engine->queue_last = NULL;
	return count;
}

/* With the lock held, which is let go while the batch runs. */
static void lead(ff_engine *engine, ffp_ticket *own)
{
	ffp_ticket *tickets[TICKETS_MAX];
	size_t count = dequeue(engine, tickets);
	pthread_mutex_unlock(&engine->queue_lock);
	ffp_batch_run(engine, tickets, count);
	pthread_mutex_lock(&engine->queue_lock);
	for (size_t i = 0; i < count; i++) {
		tickets[i]->done = true;
		if (tickets[i] != own)
			pthread_cond_signal(&tickets[i]->wake);
	}
	engine->is_led = engine->queue_first != NULL;
	if (engine->is_led) {
		engine->queue_first->leads = true;
		pthread_cond_signal(&engine->queue_first->wake);
	}
}

ff_code ffp_queue_run(ff_engine *engine, ffp_request *requests, size_t count, ff_error *error)
{
	ffp_ticket ticket = { .requests = requests, .count = count, .error = error };
	pthread_cond_init(&ticket.wake, NULL);
	pthread_mutex_lock(&engine->queue_lock);
	set_times(engine, requests, count);
	enqueue(engine, &ticket);
	ticket.leads = !engine->is_led;
	engine->is_led = true;
	while (!ticket.done && !ticket.leads)
		pthread_cond_wait(&ticket.wake, &engine->queue_lock);
	if (!ticket.done)
		lead(engine, &ticket);
	pthread_mutex_unlock(&engine->queue_lock);
	pthread_cond_destroy(&ticket.wake);
	return ticket.code;
}
