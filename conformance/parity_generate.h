/* The generator of steps: random, with few names, so that they meet, and near the edges of what the model holds. */
#ifndef FFP_PARITY_GENERATE_H
#define FFP_PARITY_GENERATE_H

#include "model.h"
#include "parity_step.h"

/* Each episode's seed makes the next one's, so that a run with a later episode's seed begins with that episode. */
uint64_t ffp_seed_next(uint64_t seed);

/* Sets all but all_reopen. */
void ffp_setting_generate(ffp_setting *setting, uint64_t seed);

typedef struct ffp_generator {
	uint64_t random;
	const ffp_setting *setting;
	ffp_model *model;    /* as it is before the step that is to come */
	int64_t *clock_ms;   /* the engines' and the model's */
	int64_t floor_ms;    /* the clock never goes back behind it: what a tick has purged is gone */
	unsigned batch_left; /* calls that the batch under way is yet to get */
	ffp_step created;    /* the last budget that there was not before */
	const char *budgets[3], *quotas[2], *executions[3], *keys[6], *dimensions[4];
} ffp_generator;

/* The clock, which it moves, stands at the setting's start. */
void ffp_generator_begin(ffp_generator *generator, const ffp_setting *setting, ffp_model *model, int64_t *clock_ms);

/* Adds the next step, or batch of calls. The model must have taken those before. */
void ffp_batch_generate(ffp_generator *generator, ffp_steps *to);

#endif
