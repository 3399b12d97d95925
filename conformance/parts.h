/* What a call of any operation points to: its arguments, and where its answer goes. */
#ifndef FFP_CONFORMANCE_PARTS_H
#define FFP_CONFORMANCE_PARTS_H

#include <ff/ff.h>

typedef struct ffp_call_parts {
	ff_budget_spec budget;
	ff_spend spend; /* a report is its own */
	ff_quota_spec quota;
	ff_admission admission;
	union {
		ff_created created;
		ff_outcome outcome;
		const ff_released *released;
		ff_admission_outcome admission;
		int64_t next_reset_at_ms;
		bool held;
	} out;
} ffp_call_parts;

/* Makes the call of an operation from its parts, which have to outlive it. True: it has a target, which is for the caller to
 * say. */
bool ffp_call_from(ffp_call_parts *parts, ff_op op, ff_call *call);

#endif
