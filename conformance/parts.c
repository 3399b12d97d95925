/* Calls, made from what they point to. */
#include "parts.h"

bool ffp_call_from(ffp_call_parts *parts, ff_op op, ff_call *call)
{
	*call = (ff_call){ .op = op };
	switch (op) {
	case FF_OP_CREATE_BUDGET:
		call->in.create_budget = &parts->budget;
		call->out.created = &parts->out.created;
		return false;
	case FF_OP_REPORT_USAGE:
		call->in.report = &parts->spend.report;
		call->out.outcome = &parts->out.outcome;
		return false;
	case FF_OP_RECORD_SPEND:
		call->in.spend = &parts->spend;
		call->out.outcome = &parts->out.outcome;
		return false;
	case FF_OP_CREATE_QUOTA_POLICY:
		call->in.create_quota = &parts->quota;
		call->out.created = &parts->out.created;
		return false;
	case FF_OP_ADMIT:
		call->in.admission = &parts->admission;
		call->out.admission = &parts->out.admission;
		return false;
	case FF_OP_RESET_BUDGET:
		call->out.next_reset_at_ms = &parts->out.next_reset_at_ms;
		break;
	case FF_OP_RELEASE_BUDGET:
		call->out.released = &parts->out.released;
		break;
	case FF_OP_RELEASE_ADMISSION:
		call->out.held = &parts->out.held;
		break;
	}
	return true;
}
