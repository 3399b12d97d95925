/* Policies that were read before, by their text: parsed once and kept while budgets have it. One thread at a time. */
#ifndef FFP_POLICIES_H
#define FFP_POLICIES_H

#include "policy.h"

#define FFP_POLICIES_COUNT 1024
/* Longer texts are parsed each time, so that the memory kept is bounded. */
#define FFP_POLICIES_TEXT_MAX 4096

typedef struct ffp_policies {
	const ff_allocator *allocator;
	uint32_t places;                                  /* how many are kept at the most; 0: as many as there are */
	struct ffp_kept_policy *kept[FFP_POLICIES_COUNT]; /* by the text's hash; a newcomer replaces */
} ffp_policies;

void ffp_policies_free(ffp_policies *policies);

/* As ffp_policy_parse. What *policy points to lives until the next call or as long as the arena, whichever ends first.
 */
ff_code ffp_policies_get(ffp_policies *policies, ff_text text, ff_arena *arena, ffp_policy *policy, const char **fault);

#endif
