/* An open engine, and how a call becomes part of a batch. */
#ifndef FFP_ENGINE_H
#define FFP_ENGINE_H

#include <pthread.h>
#include <semaphore.h>

#include "arena.h"
#include "request.h"
#include "seam.h"
#include "text.h"

/* One caller's calls, waiting in the queue until a batch has decided them. */
typedef struct ffp_ticket ffp_ticket;
struct ffp_ticket {
	ffp_request *requests;
	size_t count;
	ff_code code; /* of the batch as a whole */
	ff_error *error;
	bool queued;
	bool leads;   /* its thread is to lead until the ticket is done; woken without this, the ticket is done */
	bool is_done; /* all of its calls are decided, or failed */
	bool was_cut; /* a batch with it was given up, for the deadline of another */
	sem_t wake;
	ffp_ticket *next;
	ffp_ticket *before; /* in the queue */
};

/* Back-off of a guess that saves a batch its look. */
typedef struct ffp_doubt {
	uint32_t left; /* so many batches more look first */
	uint32_t last; /* how many it was after the last wrong guess, doubled; each right one halves it */
} ffp_doubt;

/*
 * One way to the store: its queue, and what its leader works with. There are as many as the store takes write
 * transactions at a time; calls on one root (a budget, a quota policy) go one way, in order of arrival.
 */
typedef struct ffp_lane {
	ffp_ticket *queue_first;
	ffp_ticket *queue_last;
	size_t queued;
	size_t expected; /* callers that the next batch may find: the last one's, and who waited behind it */
	bool is_led;

	/* The leader's alone. */
	ffp_arena arena;
	ffp_policies policies;
	ffp_recall recall;
	ffp_doubt keys; /* that they are fresh */
	ffp_doubt rows; /* that those which are remembered are unchanged */
} ffp_lane;

/* What one caller works with: an arena, and the policies that were read with it. Kept for the next when not in use. */
typedef struct ffp_spare ffp_spare;
struct ffp_spare {
	ffp_arena arena;
	ffp_policies policies;
	ffp_spare *next;
};

struct ff_engine {
	ff_fork_guard guard;
	uint32_t flags;
	uint32_t attempts;
	uint32_t backoff_ms;
	uint32_t batch_calls_max;
	uint32_t purge_rows_max;
	uint32_t purge_slice_ms;
	int64_t key_ttl_ms;
	ff_clock clock;
	ff_random random;
	ff_allocator allocator;
	uint64_t seed; /* of the hashes of keys; nobody can know it */
	ffp_store store;

	pthread_mutex_t queue_lock; /* of the queues and of what follows, up to latest_ms */
	pthread_cond_t queue_turn;  /* the store may be free for a batch that runs alone, or again for others */
	uint32_t batches_running;
	bool runs_alone; /* a batch that no other may run beside waits or runs */
	uint64_t calls;  /* that were decided, and the batches that they were in */
	uint64_t batches;
	int64_t latest_ms; /* the latest time that a request had (FF-CLK-1) */
	ffp_lane *lanes;
	uint32_t lanes_count;
	_Atomic bool watches_import; /* each batch looks whether an import is unfinished */

	pthread_mutex_t spares_lock;
	ffp_spare *spares;
	size_t spares_count;

	pthread_mutex_t tick_control; /* held while the thread is started or stopped */
	pthread_mutex_t tick_lock;    /* of tick_stops */
	pthread_cond_t tick_wake;
	pthread_t tick_thread;
	uint32_t tick_interval_ms; /* 0: no thread runs */
	bool tick_stops;

	_Atomic uint64_t retries;
};

/* Every public function begins here: FF_E_MISUSE for NULL and for an engine of another process. */
ff_code ffp_engine_check(const ff_engine *engine, ff_error *error);

/* Those that write look here behind their arguments: FF_E_UNAVAILABLE for an engine opened read only. */
ff_code ffp_engine_check_mode(const ff_engine *engine, ff_error *error);

/* 64 random bits of the system's, whatever source the host has for its jitter. */
uint64_t ffp_system_random(void *context);

/* The engine's time: its clock's, never less than the latest that a request had; with the data clock, the latest. */
int64_t ffp_engine_now(ff_engine *engine);

/* An arena for one caller, from those kept; NULL where memory is out. */
ffp_spare *ffp_spare_take(ff_engine *engine);
void ffp_spare_give(ff_engine *engine, ffp_spare *spare);

/* Queues requests that have passed their checks and blocks until a batch has decided them, or leads that batch. */
ff_code ffp_queue_run(ff_engine *engine, ffp_request *requests, size_t count, ff_error *error);

/* Whether the last batch of some lane had several callers, or others waited behind it. */
bool ffp_queue_has_company(ff_engine *engine);

/* Whether a call leads in some lane: it wants the store, or has it. */
bool ffp_queue_is_led(ff_engine *engine);

/* What was decided, and in how many transactions. */
typedef struct ffp_decided {
	uint64_t calls;
	uint64_t batches;
} ffp_decided;

/* Decides tickets in one transaction (batch.c), or in several where one of them meets damage, which is to fail no stranger's
 * call. Each ticket's code, FF_OK until then, is set where its batch failed, and is_done: not where a deadline cut the batch
 * short, and the ticket has calls that can wait longer. The thread of the lane's leader only. */
ffp_decided ffp_batch_run(ff_engine *engine, ffp_lane *lane, ffp_ticket *const *tickets, size_t count);

/* What has become of a batch that wrote, after COMMIT_UNKNOWN (fate.c). FF_OK: it happened, and lasts. CONFLICT: it did not
 * and will not, and the batch may run again. Else it stays unknown, as where a key that is not there is over by now.
 * `held_store`: the batch kept others from its rows before its commit was sent. */
ff_code ffp_fate(ff_engine *engine, ffp_batch *batch, bool held_store);

/* What goes by, so that a batch or a read is tried again (FF-ERR-4). */
static inline bool ffp_is_contention(ff_code code)
{
	return code == FF_E_BUSY || code == FF_E_CONFLICT;
}

/* Waits before the try after `attempt` (from 0), no longer than `left_ms`. False: there is none left, or the code is not
 * contention. */
bool ffp_engine_retries(ff_engine *engine, ff_code code, uint32_t attempt, int64_t left_ms);

/* What the last try's code is told as: contention is BUSY, and the store's words say of what kind. */
ff_code ffp_engine_gives_up(const ff_engine *engine, ff_code code, ff_error *error);

/* Completes an error record (NULL: there is none) of an operation: what is not told yet of the backend and the entity.
 * `engine` may be NULL; an empty operation leaves it open. */
void ffp_error_about(const ff_engine *engine, ff_error *error, const char *operation, const char *entity, ff_text id);

/* Fills in, and answers, that something of a budget or a quota policy cannot be trusted. */
ff_code ffp_error_corrupt(ff_error *error, const char *entity, ff_text id, const char *fault);

/* CLOCK_MONOTONIC, by which waits are bounded: now, and so long from now. */
int64_t ffp_monotonic_now_us(void);
struct timespec ffp_monotonic_in(int64_t ms);

/* Reads in one snapshot: calls `read` within a read transaction, again after contention. Errors are about `entity`. */
typedef struct ffp_reading {
	ff_engine *engine;
	ffp_txn txn;
	ff_arena *arena;
	ffp_policies *policies;
	int64_t now_ms;
	ff_error *error; /* never NULL */
} ffp_reading;

typedef ff_code ffp_read_fn(ffp_reading *reading, void *context);

ff_code ffp_engine_read(ff_engine *engine, const char *operation, int64_t now_ms, ffp_read_fn *read, void *context,
                        ff_error *error);

/* A call that answers a block: what it read of one entity, or a page of many. */
typedef struct ffp_question {
	const char *operation;
	const char *entity;        /* "": a list */
	const char *answer;        /* what the caller's place for the block is called */
	const ffp_name_rule *name; /* of the entity's id, or of the one that the page comes after */
	ffp_read_fn *read;         /* its context begins with an ffp_inquiry */
} ffp_question;

typedef struct ffp_inquiry {
	ff_text id;
	uint32_t limit;     /* of a page; set by the caller */
	const void *result; /* the block; NULL: none */
} ffp_inquiry;

/* Checks the arguments, and reads; `answer` is the caller's place, of which is only seen whether it is NULL. */
ff_code ffp_engine_ask(ff_engine *engine, const ffp_question *question, const char *id, const void *answer,
                       ffp_inquiry *asked, ff_error *error);

#endif
