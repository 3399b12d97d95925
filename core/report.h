/* report_usage and record_spend: one rule, the second with a ledger (FF-RU, FF-SP-1). Pure. */
#ifndef FFP_REPORT_H
#define FFP_REPORT_H

#include "request.h"

extern const ffp_op ffp_op_report_usage;
extern const ffp_op ffp_op_record_spend;

/* Two ffp_amounts by their dimensions, for qsort. */
int ffp_amounts_compare(const void *a, const void *b);

/* Whether a row of an idempotency key is sound: CORRUPT, and in *fault what is wrong with it, or NO_MEMORY. */
ff_code ffp_key_check(const ffp_key_row *row, const char **fault);

#endif
