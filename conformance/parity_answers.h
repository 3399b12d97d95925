/* What engines and the model answer, as texts that can be compared. Each is added to `to`. */
#ifndef FFP_PARITY_ANSWERS_H
#define FFP_PARITY_ANSWERS_H

#include "model.h"
#include "parity_step.h"
#include "text.h"

void ffp_answer_call(ffp_string *to, const ff_call *call);

/* The statuses, of an engine, or of the model where the engine is NULL: of the budget and of the quota policy of an id. */
void ffp_answer_statuses(ffp_string *to, ff_engine *engine, ffp_model *model, const char *id);

/* Of all that a batch of calls touched, each once. */
void ffp_answer_touched(ffp_string *to, ff_engine *engine, ffp_model *model, const ffp_step *batch, size_t count);

/* The page that a step asks for, of budgets and of quota policies. */
void ffp_answer_lists(ffp_string *to, ff_engine *engine, ffp_model *model, const ffp_step *step);

#endif
