#include "request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "budget.h"
#include "ledger.h"
#include "quota.h"
#include "report.h"

ff_code ffp_fail(ffp_request *request, ff_code code, const char *format, ...)
{
	if (!request->error)
		return code;
	char message[sizeof(request->error->message)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return ff_error_set(request->error, code, "%s", message);
}

bool ffp_fail_if_late(ffp_request *request, int64_t now_ms)
{
	if (!request->deadline_ms || now_ms < request->deadline_ms)
		return false;
	request->is_late = true;
	request->call->code =
	    ffp_fail(request, FF_E_DEADLINE, "deadline %" PRId64 " passed before a decision", request->deadline_ms);
	return true;
}

static const ffp_op *const ops[] = {
	[FF_OP_CREATE_BUDGET] = &ffp_op_create_budget,
	[FF_OP_REPORT_USAGE] = &ffp_op_report_usage,
	[FF_OP_RESET_BUDGET] = &ffp_op_reset_budget,
	[FF_OP_RECORD_SPEND] = &ffp_op_record_spend,
	[FF_OP_RELEASE_BUDGET] = &ffp_op_release_budget,
	[FF_OP_CREATE_QUOTA_POLICY] = &ffp_op_create_quota_policy,
	[FF_OP_ADMIT] = &ffp_op_admit,
	[FF_OP_RELEASE_ADMISSION] = &ffp_op_release_admission,
};

const ffp_op *ffp_op_of(ff_op op)
{
	size_t i = (size_t)op;
	return i < sizeof(ops) / sizeof(*ops) ? ops[i] : NULL;
}
