/* release_budget (FF-SP-2, 3). Pure. record_spend, which fills the ledger, is report.c's. */
#ifndef FFP_LEDGER_H
#define FFP_LEDGER_H

#include "request.h"

extern const ffp_op ffp_op_release_budget;

#endif
