/* Budgets: policies (FF-CB), periods (FF-RB) and statuses (FF-GS). */
#ifndef FFP_MODEL_BUDGET_H
#define FFP_MODEL_BUDGET_H

#include "model_state.h"

typedef struct ffp_model_usage {
	char dimension[WORD_SIZE];
	int64_t value, updated_ms;
} ffp_model_usage;

typedef struct ffp_model_ledger {
	char name[ID_SIZE + WORD_SIZE]; /* execution and dimension */
	int64_t value, updated_ms;
} ffp_model_ledger;

typedef struct ffp_model_limits {
	char dimension[WORD_SIZE];
	uint64_t hard, soft;
} ffp_model_limits;

typedef struct ffp_model_budget {
	char id[ID_SIZE];
	bool exists;       /* has a policy; usage may come before it (FF-CB-7) */
	char *policy_text; /* FF-CB-5 */
	ffp_model_list limits;
	int64_t interval_ms;
	bool advisory;
	char scope_type[WORD_SIZE], scope_id[ID_SIZE], on_hard[WORD_SIZE], on_soft[WORD_SIZE];
	int64_t breaches, soft_breaches, last_breach_ms, next_reset_ms, created_ms, updated_ms;
	char last_breach_dimension[WORD_SIZE];
	ffp_model_list usages, ledgers;
} ffp_model_budget;

/* The arguments by themselves. */
bool ffp_model_is_budget_spec(const ff_budget_spec *spec);

ff_code ffp_model_create_budget(ffp_model *model, const ff_budget_spec *spec, int64_t now_ms, ff_created *created);
ff_code ffp_model_reset_budget(ffp_model *model, const char *id, int64_t now_ms, int64_t *next_reset_ms);

/* The budget of an id, made without a policy where there is none. Pointers to others are no longer good. */
ffp_model_budget *ffp_model_make_budget(ffp_model *model, const char *id);
void ffp_model_free_budget(ffp_model_budget *of);

/* FF-RB-2: a reset is due, written down or not. */
bool ffp_model_is_due(const ffp_model_budget *of, int64_t now_ms);

/* FF-RB-3, FF-RB-7: a reset that is due is written down: the last instant of the grid up to now, and the one after it. */
void ffp_model_settle(ffp_model_budget *of, int64_t now_ms);

/* The budget as it is in the period of now; its lists of usage and ledger are empty. */
ffp_model_budget ffp_model_settled(const ffp_model_budget *of, int64_t now_ms);

uint64_t ffp_model_usage_at(const ffp_model_budget *of, const char *dimension, int64_t now_ms);

#endif
