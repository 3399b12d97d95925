/*
 * ff-conformance parity: random steps into the model and into stores, whose answers must be the same. What its files
 * share: steps, how they are made up, and how they are printed.
 */
#ifndef FFP_PARITY_H
#define FFP_PARITY_H

#include "model.h"
#include "text.h"

/* The program's command, with its name as the first argument. Answers the exit status. */
int ffp_parity(int count, char **arguments);

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

enum { FFP_STEP_DIMENSIONS = 4, FFP_STEP_CROWD = 66 };

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

/* A sequence's engines: what they are opened with, and what stands still in it. */
typedef struct ffp_setting {
	uint64_t seed;
	uint32_t flags; /* FF_OPEN_… */
	int64_t key_ttl_ms;
	uint32_t purge_rows_max;
	int64_t start_ms;
	bool all_reopen; /* every store can be opened again */
} ffp_setting;

/* Random numbers (splitmix64). */
uint64_t ffp_random_next(uint64_t *state);

/* ---- making up ---------------------------------------------------------------------------------------------- */

typedef struct ffp_inventor {
	uint64_t random;
	const ffp_setting *setting;
	ffp_model *model;    /* as it is before the step that is to come */
	int64_t *clock_ms;   /* the model's */
	int64_t floor_ms;    /* the clock never goes back behind it: what a tick has purged is gone */
	unsigned batch_left; /* calls that the batch under way is yet to get */
	ffp_step created;    /* the last budget that there was not before */
	const char *budgets[3], *quotas[2], *executions[3], *keys[6], *dimensions[4];
} ffp_inventor;

void ffp_setting_invent(ffp_setting *setting, uint64_t seed);
void ffp_inventor_begin(ffp_inventor *inventor, const ffp_setting *setting, ffp_model *model, int64_t *clock_ms);
ffp_step ffp_step_invent(ffp_inventor *inventor);

/* The name of the i-th dimension of a crowd. */
const char *ffp_crowd_dimension(unsigned i);

/* ---- printing ----------------------------------------------------------------------------------------------- */

/* The steps as a shell script of ffctl commands, as far as there are such. `times_ms` are the times that they had. */
void ffp_steps_print(const ffp_setting *setting, const ffp_step *steps, const int64_t *times_ms, size_t count);

#endif
