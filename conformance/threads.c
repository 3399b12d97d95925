/* Threads that begin together. */
#include <pthread.h>
#include <stdlib.h>

#include "cases.h"

typedef struct gang {
	void (*body)(void *context, unsigned i);
	void *context;
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool open;
} gang;

typedef struct member {
	gang *of;
	pthread_t thread;
	unsigned i;
} member;

static void *run_member(void *argument)
{
	member *self = argument;
	gang *of = self->of;
	pthread_mutex_lock(&of->lock);
	while (!of->open)
		pthread_cond_wait(&of->opened, &of->lock);
	pthread_mutex_unlock(&of->lock);
	of->body(of->context, self->i);
	return NULL;
}

void ffp_threads(ff_test *test, unsigned count, void (*body)(void *context, unsigned i), void *context)
{
	member *members = ff_test_alloc(test, count * sizeof(*members));
	gang of = {
		.body = body, .context = context, .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER
	};
	unsigned started = 0;
	for (; started < count; started++) {
		members[started] = (member){ .of = &of, .i = started };
		if (pthread_create(&members[started].thread, NULL, run_member, &members[started]))
			break;
	}
	pthread_mutex_lock(&of.lock);
	of.open = true;
	pthread_cond_broadcast(&of.opened);
	pthread_mutex_unlock(&of.lock);
	for (unsigned i = 0; i < started; i++)
		pthread_join(members[i].thread, NULL);
	FF_REQUIRE(test, started == count);
}
