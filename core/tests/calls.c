/* What several families want of calls: a gate that holds them up, and a look at who waits. */
#include <sched.h>
#include <unistd.h>

#include "engine.h"
#include "tests.h"

ff_engine_info ffp_info(ff_test *t, ff_engine *e)
{
	ff_engine_info info;
	FF_REQUIRE_OK(t, ff_engine_get_info(e, &info, ff_test_error(t)));
	return info;
}

ff_code ffp_no_line(void *context, const char **line, size_t *size, ff_error *error)
{
	(void)context;
	(void)size;
	(void)error;
	*line = NULL;
	return FF_OK;
}

ff_code ffp_drop_line(void *context, const char *line, size_t size, ff_error *error)
{
	(void)context;
	(void)line;
	(void)size;
	(void)error;
	return FF_OK;
}

ffp_gate_state ffp_gate;

void ffp_wait_at_gate(ff_read *reads, size_t count)
{
	(void)reads;
	(void)count;
	ffp_gate.waiting++;
	while (ffp_gate.shut)
		sched_yield();
	ffp_gate.waiting--;
}

void ffp_shut_gate(void)
{
	ffp_gate.shut = true;
	ffp_fault.mangle = ffp_wait_at_gate;
}

void ffp_wait_until_one_waits(void)
{
	while (!ffp_gate.waiting)
		sched_yield();
}

bool ffp_is_queued(ff_engine *engine, size_t count)
{
	size_t queued = SIZE_MAX;
	for (int i = 0; i < 10000 && queued != count; i++) {
		usleep(1000);
		pthread_mutex_lock(&engine->queue_lock);
		queued = engine->lanes[0].queued;
		pthread_mutex_unlock(&engine->queue_lock);
	}
	return queued == count;
}
