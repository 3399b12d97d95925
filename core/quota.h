/* Quota policies and admission (FF-QA). Pure. */
#ifndef FFP_QUOTA_H
#define FFP_QUOTA_H

#include "request.h"

extern const ffp_op ffp_op_create_quota_policy;
extern const ffp_op ffp_op_admit;
extern const ffp_op ffp_op_release_admission;

/* The time that a call at `now_ms` has for a quota policy (NULL: none yet), whose time never goes back (FF-CLK-4). */
int64_t ffp_quota_time(const ffp_quota_row *row, int64_t now_ms);

/* Whether a row (NULL: none) is that of a policy, and not only what admissions with limits of their own left (FF-QA-9). One
 * that cannot be read may be. */
bool ffp_quota_exists(const ffp_quota_row *row);

/* Why a row cannot be trusted, or NULL. */
const char *ffp_quota_fault(const ffp_quota_row *row);
const char *ffp_entry_fault(const ffp_entry_row *row);
const char *ffp_slot_fault(const ffp_slot_row *row);

/* Whether a slot is free by now, its lease being over. */
bool ffp_slot_is_over(const ffp_slot_row *row, int64_t time_ms);

ff_quota_limits ffp_quota_limits_of(const ffp_quota_row *row);

#endif
