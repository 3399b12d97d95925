/* A batch of steps as calls: into an engine, by whichever functions the steps ask for, and into the model. */
#ifndef FFP_PARITY_CALLS_H
#define FFP_PARITY_CALLS_H

#include "model.h"
#include "parity_step.h"
#include "text.h"

/* The answers are added to `to`. At most FFP_BATCH_MAX; one thread. */
void ffp_calls_submit(ffp_string *to, ff_engine *engine, const ffp_step *batch, size_t count);
void ffp_calls_submit_to_model(ffp_string *to, ffp_model *model, const ffp_step *batch, size_t count);

#endif
