/*
 * What the tests of the core share. Cases, checks and short calls are those of the conformance suite; what is added
 * here are the stores that only tests want: one in memory that counts calls and watches the core, one that wraps it and
 * fails the calls that it is told to, and an allocator that counts and fails.
 */
#ifndef FFP_TESTS_H
#define FFP_TESTS_H

#include <stdatomic.h>

#include "cases.h"
#include "catalog.h"

extern const ffp_family ffp_tests_guard, ffp_tests_recall, ffp_tests_text, ffp_tests_json, ffp_tests_policy,
    ffp_tests_outcome, ffp_tests_rows, ffp_tests_config, ffp_tests_registry, ffp_tests_budget, ffp_tests_rules,
    ffp_tests_memory, ffp_tests_engine, ffp_tests_arguments, ffp_tests_queue, ffp_tests_tick, ffp_tests_deadlines,
    ffp_tests_faults, ffp_tests_attempts, ffp_tests_unknown, ffp_tests_distrust, ffp_tests_move, ffp_tests_load,
    ffp_tests_check, ffp_tests_cost;

/* The i-th case, or NULL past the last. */
const ff_case *ffp_core_case_at(size_t i);

#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

/* Initializes a text whose length is known, NUL bytes in the middle and all. */
#define BYTES(literal)                         \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

/* ---- the store in memory ------------------------------------------------------------------------------------ */

typedef enum ffp_slot_id {
	FFP_SLOT_OPEN,
	FFP_SLOT_CLOSE,
	FFP_SLOT_LIMITS,
	FFP_SLOT_BEGIN,
	FFP_SLOT_LOAD,
	FFP_SLOT_STORE,
	FFP_SLOT_COMMIT,
	FFP_SLOT_ABORT,
	FFP_SLOT_CHECK,
	FFP_SLOT_HOUSEKEEP,
	FFP_SLOT_EXPECT,
	FFP_SLOTS_COUNT
} ffp_slot_id;

/*
 * fake:NAME keeps its rows in this process from the first open until its harness destroys it. It takes nothing from the
 * engine's allocator but the instance. With ?lanes=N it claims CONCURRENT_WRITERS, and lets one in after the
 * other. far:NAME is the same store to who expects rows (ff_engine_backend.expect). What the core does against the rules
 * of the seam is told in `broken`.
 */
typedef struct ffp_fake ffp_fake;

extern const ff_engine_backend ffp_fake_backend, ffp_fake_far_backend;
extern const ff_harness ffp_fake_harness;

/* The case's own store, which an engine must have opened. Its calls so far, and what was wrong with one; empty:
 * nothing.
 */
ffp_fake *ffp_fake_of(ff_test *test);
uint64_t ffp_fake_calls(const ffp_fake *fake, ffp_slot_id slot);
const char *ffp_fake_broken(const ffp_fake *fake);

/* The next `writers` write transactions begin together: each waits until the last of them has come. */
void ffp_fake_meet(ffp_fake *fake, unsigned writers);

/* The next commit is answered COMMIT_UNKNOWN, and comes to the store when so many more write transactions begin. */
void ffp_fake_delay(ffp_fake *fake, unsigned begins);

/* Every row, a line each; two dumps are equal where the stores are. */
const char *ffp_fake_dump(ff_test *test, ffp_fake *fake);
size_t ffp_fake_count(const ffp_fake *fake, ffp_table_id table);
/* How often its rows were changed: by each commit, and by the calls here. */
uint64_t ffp_fake_changes(const ffp_fake *fake);

/* Deletes every row; no transaction is open. */
void ffp_fake_wipe(ffp_fake *fake);

/* Puts a row as it is, state and all, past the engine. */
void ffp_fake_put(ffp_fake *fake, ffp_table_id table, const ff_row *row);

/* ---- the store that fails ----------------------------------------------------------------------------------- */

/* faulty:NAME is fake:NAME, but for the calls that the plan names. One plan for the process: cases run one by one. */
typedef struct ffp_fault_plan {
	ffp_slot_id slot;
	uint64_t at; /* the call of the slot that fails, from 1; 0: none */
	bool repeat; /* and all after it */
	bool done;   /* COMMIT, LOAD: it is made nevertheless */
	ff_code code;
	bool silent;                       /* the error record is left alone */
	void (*scribble)(ff_error *error); /* into it, past ff_error_set; or NULL */
	ffp_slot_id then; /* once the call has failed this slot fails, too, with IO; FFP_SLOT_OPEN: none */
	void (*mangle)(ff_read *reads, size_t count); /* of a load that worked; or NULL */
	const char *problem;                          /* that a check which works tells; or NULL */
	bool (*stalls)(void);                         /* a load waits for as long as this says so; or NULL */
	bool never_asks;                              /* and not whether it is waited for */
	_Atomic uint64_t seen;                        /* calls of the slot since the plan was made */
	_Atomic uint64_t hits;                        /* those that failed */
	_Atomic uint64_t told;                        /* transactions whose loads were told that they may be cut */
} ffp_fault_plan;

extern const ff_engine_backend ffp_faulty_backend;
extern ffp_fault_plan ffp_fault;

/* Clears the plan; and makes one by which a call of the slot fails, as counted from now. */
void ffp_fault_clear(void);
void ffp_fault_set(ffp_slot_id slot, uint64_t at, ff_code code);

/* Options by which a call is tried so often, and a purge takes two rows at a time. */
ff_engine_options ffp_options_with(uint32_t attempts);

/* An engine on the case's store through faulty:. */
ff_engine *ffp_open_faulty(ff_test *test, const ff_engine_options *options);

/* ---- calls -------------------------------------------------------------------------------------------------- */

ff_engine_info ffp_info(ff_test *test, ff_engine *engine);

/* Gives an import no lines. */
ff_code ffp_no_line(void *context, const char **line, size_t *size, ff_error *error);
/* Takes an export's, and keeps none. */
ff_code ffp_drop_line(void *context, const char *line, size_t size, ff_error *error);

/* What the threads of a case share, and how their calls came out. */
typedef struct ffp_crowd {
	ff_engine *engine;
	_Atomic uint64_t wrong; /* answers that were not the caller's own */
	_Atomic uint64_t accepted;
	_Atomic uint64_t refused;
	_Atomic uint64_t errors;
} ffp_crowd;

/* A gate at which loads wait while it is shut; and how many do. ffp_fault_clear takes it away. */
typedef struct ffp_gate_state {
	_Atomic bool shut;
	_Atomic unsigned waiting;
} ffp_gate_state;

extern ffp_gate_state ffp_gate;

/* Shuts it for the loads of faulty:. */
void ffp_shut_gate(void);
/* What such a load does: waits until it is open. */
void ffp_wait_at_gate(ff_read *reads, size_t count);
void ffp_wait_until_one_waits(void);

/* Waits until so many are queued in the first lane, behind a batch that does not end; false after ten seconds. */
bool ffp_is_queued(ff_engine *engine, size_t count);

/* ---- memory ------------------------------------------------------------------------------------------------- */

typedef struct ffp_memory {
	ff_allocator allocator;
	_Atomic uint64_t taken; /* allocations so far, those that failed too */
	_Atomic int64_t live;   /* bytes that are out */
	_Atomic uint64_t at;    /* the allocation that fails, from 1; 0: none */
	_Atomic bool repeat;    /* and all after it */
	_Atomic uint64_t wrong; /* calls that named another size than the block has */
} ffp_memory;

/* A counting allocator that lives until the case's end. */
ffp_memory *ffp_memory_new(ff_test *test);

/* An arena that can be taken from so often, each piece a block of its own, until the case's end. */
ff_arena *ffp_scarce_arena(ff_test *test, uint64_t takes);

#endif
