/* The ledger's rows, and release_budget (FF-SP-2, 3). Pure. record_spend, which fills the ledger, is report.c's. */
#ifndef FFP_LEDGER_H
#define FFP_LEDGER_H

#include "request.h"

extern const ffp_op ffp_op_release_budget;

/* The group of the ledger rows of an execution in a budget. NULL: memory is out. */
ffp_item *ffp_ledger_group(ffp_batch *batch, ff_text budget_id, ff_text execution_id, uint32_t limit);

/* What a ledger row (NULL: none) counts in a period. False: it cannot be trusted. */
bool ffp_ledger_in(const ffp_ledger_row *row, int64_t period, int64_t *total);

#endif
