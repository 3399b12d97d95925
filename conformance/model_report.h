/* What charges budgets: reports (FF-RU) with their idempotency keys, spends and their release (FF-SP). */
#ifndef FFP_MODEL_REPORT_H
#define FFP_MODEL_REPORT_H

#include "model_state.h"

typedef struct ffp_model_key {
	char name[KEY_SIZE + ID_SIZE]; /* key and budget */
	char *payload;
	ff_outcome outcome;
	int64_t applied_ms, expires_ms;
} ffp_model_key;

/* The arguments by themselves. */
bool ffp_model_is_report(const ffp_model *model, const ff_report *report);

/* A report, or a spend where there is an execution. */
ff_code ffp_model_charge(ffp_model *model, const char *execution, const ff_report *report, int64_t now_ms,
                         ff_outcome *outcome);
ff_code ffp_model_release_budget(ffp_model *model, const char *id, const char *execution, int64_t now_ms,
                                 const ff_released **released);

/* Frees the key's memory, and takes it out of the model. */
void ffp_model_drop_key(ffp_model *model, ffp_model_key *dropped);

#endif
