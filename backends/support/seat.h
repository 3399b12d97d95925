/* The writer's seat, which one transaction of a process has at a time: a mutex whose wait has a limit. */
#ifndef FFP_SUPPORT_SEAT_H
#define FFP_SUPPORT_SEAT_H

#include <pthread.h>

#include <ff/backend.h>

typedef struct ffp_seat {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t given;
	unsigned starving; /* so many wait for long, and are let go first */
	bool taken;
} ffp_seat;

void ffp_seat_init(ffp_seat *seat);
void ffp_seat_destroy(ffp_seat *seat);

/* False: it was taken by others up to the limit of `wait`, which has been started. */
bool ffp_seat_take(ffp_seat *seat, ff_wait *wait);
void ffp_seat_give(ffp_seat *seat);

/* To tell how long a wait took. */
int64_t ffp_monotonic_us(void);

#endif
