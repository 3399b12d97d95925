/* A budget as the rules see it at an instant: its policy, and the period that the instant lies in (FF-RB). Pure. */
#ifndef FFP_BUDGET_H
#define FFP_BUDGET_H

#include "request.h"

/* Where an instant lies on a budget's grid of periods. */
typedef struct ffp_period {
	int64_t number;
	int64_t next_reset_at_ms; /* or FF_TIME_NONE */
	int64_t began_at_ms;      /* where `moved`: the scheduled instant that began it */
	bool moved;               /* later than the period that the row says */
} ffp_period;

typedef struct ffp_budget {
	const ffp_budget_row *row; /* NULL: there is no policy, and so there are no limits (FF-RU-7) */
	ffp_policy policy;
	ffp_policy_mark mark; /* of the policy, where it is kept */
	ff_mode mode;
	ffp_period period;
} ffp_budget;

/* Why a budget's row cannot be trusted, whatever its policy says; NULL: it can. */
const char *ffp_budget_fault(const ffp_budget_row *row);

/*
 * Looks at a budget's row (NULL: none) at `now_ms`. FF_E_CORRUPT, with *fault saying why, where the row or its policy
 * cannot be trusted. `policies` may be NULL: the policy is parsed into the arena.
 */
ff_code ffp_budget_at(const ffp_budget_row *row, int64_t now_ms, ffp_policies *policies, ff_arena *arena,
                      ffp_budget *budget, const char **fault);

/* The row of a budget that has one, to change, with the period that `budget` lies in written into it. */
ffp_budget_row *ffp_budget_change(ffp_rows *rows, ffp_item *item, const ffp_budget *budget);

/* Writes a period that the row does not show yet into it. */
void ffp_budget_move(ffp_budget_row *row, const ffp_period *period);

/* What a usage row (NULL: none) counts in a period. False: it cannot be trusted. */
bool ffp_usage_in(const ffp_usage_row *row, int64_t period, int64_t *usage);

/* As ffp_budget_at for the request's own budget, with the error filled in. */
ff_code ffp_request_budget(ffp_batch *batch, ffp_request *request, ffp_budget *budget);

/* The items of rows by their names. NULL: memory is out. */
ffp_item *ffp_budget_item(ffp_batch *batch, ff_text budget_id);
ffp_item *ffp_usage_item(ffp_batch *batch, ff_text budget_id, ff_text dimension);

/* The order in which budgets fall due. */
const ff_index *ffp_by_next_reset(void);

extern const ffp_op ffp_op_create_budget;
extern const ffp_op ffp_op_reset_budget;
extern const ffp_op ffp_op_reset_due; /* tick's, for a slice of budgets */

#endif
