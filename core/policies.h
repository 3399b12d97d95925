/* Policies that were read before, by their text: parsed once and kept while budgets have it. One thread at a time. */
#ifndef FFP_POLICIES_H
#define FFP_POLICIES_H

#include "policy.h"

#define FFP_POLICIES_COUNT 1024
/* Longer texts are parsed each time, so that the memory kept is bounded. */
#define FFP_POLICIES_TEXT_MAX 4096

/* Which of the kept policies it was; number 0: none of them. */
typedef struct ffp_policy_mark {
	uint32_t place;
	bool is_own; /* what the policy points to is not the kept one's, and lives as long as the arena */
	uint64_t number;
} ffp_policy_mark;

typedef struct ffp_policies {
	const ff_allocator *allocator;
	uint64_t last_number;                             /* no two that are kept have one, and none has 0 */
	uint32_t places;                                  /* how many are kept at the most; 0: as many as there are */
	struct ffp_kept_policy *kept[FFP_POLICIES_COUNT]; /* by the text's hash; a newcomer replaces */
} ffp_policies;

void ffp_policies_free(ffp_policies *policies);

/* As ffp_policy_parse. What *policy points to lives until the next call or as long as the arena, whichever ends first.
 * *mark finds it again without its text. */
ff_code ffp_policies_get(ffp_policies *policies, ff_text text, ff_arena *arena, ffp_policy *policy,
                         ffp_policy_mark *mark, const char **fault);

/* False where it is not kept any more. */
bool ffp_policies_find(const ffp_policies *policies, ffp_policy_mark mark, ffp_policy *policy);

#endif
