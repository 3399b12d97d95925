/* Quota policies and admissions (FF-QA). */
#ifndef FFP_MODEL_QUOTA_H
#define FFP_MODEL_QUOTA_H

#include "model_state.h"

typedef struct ffp_model_entry {
	char name[24]; /* the number, with zeros before it */
	char execution[ID_SIZE];
	int64_t number, admitted_ms, expires_ms;
} ffp_model_entry;

typedef struct ffp_model_slot {
	char execution[ID_SIZE];
	int64_t admitted_ms, expires_ms, lease_until_ms;
} ffp_model_slot;

typedef struct ffp_model_quota {
	char id[ID_SIZE];
	bool exists; /* has a policy; admissions with limits of their own may come before it (FF-QA-9) */
	ff_quota_limits limits;
	int64_t latest_ms, next_number, created_ms, updated_ms;
	ffp_model_list entries, slots;
} ffp_model_quota;

/* The arguments by themselves. */
bool ffp_model_are_quota_limits(const ff_quota_limits *asked);
bool ffp_model_is_admission(const ff_admission *asked);

ff_code ffp_model_create_quota(ffp_model *model, const ff_quota_spec *spec, int64_t now_ms, ff_created *created);
ff_code ffp_model_admit(ffp_model *model, const ff_admission *asked, int64_t now_ms, ff_admission_outcome *outcome);
ff_code ffp_model_release_admission(ffp_model *model, const char *id, const char *execution, int64_t now_ms,
                                    bool *held);

/* FF-CLK-4 */
int64_t ffp_model_quota_time(const ffp_model_quota *of, int64_t now_ms);

/* FF-QA-6: a slot whose lease is over is nobody's. */
bool ffp_model_is_held(const ffp_model_slot *of, int64_t time_ms);
uint64_t ffp_model_count_slots(const ffp_model_quota *of, int64_t time_ms);

/* Drops what is over at a time. As a quota's time never goes back, nothing that is over lives again. */
void ffp_model_drop_over(ffp_model_quota *of, int64_t time_ms);

#endif
