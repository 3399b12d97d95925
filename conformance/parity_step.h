/* Steps, sequences of them, and what a sequence's engines are opened with. */
#ifndef FFP_PARITY_STEP_H
#define FFP_PARITY_STEP_H

#include <ff/ff.h>

typedef enum ffp_step_kind {
	FFP_STEP_CALL,
	FFP_STEP_STATUS, /* of a budget and a quota policy that no call may have named yet */
	FFP_STEP_LIST,   /* budgets and quota policies */
	FFP_STEP_TICK,
	FFP_STEP_EXPORT,
	FFP_STEP_CHECK,
	FFP_STEP_REOPEN,
	FFP_STEP_MOVE /* an export is imported into a fresh store, which takes the place of the old one */
} ffp_step_kind;

enum {
	FFP_STEP_DIMENSIONS = 4, /* that a step names */
	FFP_STEP_CROWD = 66,     /* that it may have besides */
	FFP_BATCH_MAX = 300      /* calls */
};

/* One step; all that it says is in here, so that a sequence of them can be cut anywhere. Texts live for ever. */
typedef struct ffp_step {
	ffp_step_kind kind;
	ff_op op;         /* CALL */
	bool joins;       /* CALL: in one batch with the call before it */
	bool is_direct;   /* CALL: by the function of the operation, where it is alone, not by ff_engine_submit */
	bool has_arrays;  /* CALL, direct: by the function that takes parallel arrays, where there is one */
	int64_t clock_ms; /* the engine's clock */
	uint64_t random;  /* what the random source answers */
	int64_t now_ms;   /* the call's own time, or 0 */
	int64_t deadline_ms;
	const char *id, *execution, *key; /* LIST: the page after id */
	bool retry_refused;
	unsigned dimensions_count;
	unsigned crowd; /* not 0: so many dimensions more */
	const char *dimensions[FFP_STEP_DIMENSIONS];
	uint64_t amounts[FFP_STEP_DIMENSIONS]; /* of a report; hard limits of a budget */
	uint64_t soft[FFP_STEP_DIMENSIONS];
	const char *mode, *scope_type, *scope_id, *on_hard, *on_soft;
	int64_t interval_ms;
	bool has_limits; /* an admission brings its own */
	ff_quota_limits limits;
	int64_t lease_ms, jitter_ms;
	uint32_t limit; /* TICK: 0 = unbounded; LIST: of a page */
} ffp_step;

/* Its dimensions, first those that it names, then its crowd: how many, and the i-th as in a report and in a budget. */
unsigned ffp_step_dimensions_count(const ffp_step *step);
ff_amount ffp_step_amount(const ffp_step *step, unsigned i);
ff_limit ffp_step_limit(const ffp_step *step, unsigned i);

/* Whether it is a call to a quota policy; others are to a budget. */
bool ffp_step_is_quota(const ffp_step *step);

/* What a sequence's engines are opened with. */
typedef struct ffp_setting {
	uint64_t seed;
	uint32_t flags; /* FF_OPEN_… */
	int64_t key_ttl_ms;
	uint32_t purge_rows_max;
	int64_t start_ms;
	bool all_reopen; /* every store can be opened again: none is in memory */
} ffp_setting;

/* A sequence. Begin with zeros. */
typedef struct ffp_steps {
	ffp_step *list;
	int64_t *times_ms; /* that each had when it was last replayed */
	size_t count, capacity;
} ffp_steps;

void ffp_steps_add(ffp_steps *to, const ffp_step *step);
void ffp_steps_copy(ffp_steps *to, const ffp_steps *from);
void ffp_steps_free(ffp_steps *steps);

/* The steps but for `count` from `at` on. Calls that are left stay in batches with those that they were in one with. */
void ffp_steps_without(ffp_steps *to, const ffp_steps *from, size_t at, size_t count);

/* How many steps the batch has that begins at `from`. */
size_t ffp_steps_batch(const ffp_steps *of, size_t from);

#endif
