#include "policies.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "text.h"

typedef struct ffp_kept_policy {
	size_t size; /* of this and of all that follows it in one piece */
	uint64_t number;
	ff_text text;
	ffp_policy policy;
	ffp_policy_limit limits[];
} ffp_kept_policy;

static void drop(ffp_policies *policies, ffp_kept_policy **kept)
{
	if (*kept)
		policies->allocator->resize(policies->allocator->context, *kept, (*kept)->size, 0);
	*kept = NULL;
}

void ffp_policies_free(ffp_policies *policies)
{
	for (size_t i = 0; i < FFP_POLICIES_COUNT; i++)
		drop(policies, &policies->kept[i]);
}

static ff_text move_text(char **at, ff_text text)
{
	ff_text moved = { *at, text.size };
	if (text.size)
		memcpy(*at, text.data, text.size);
	*at += text.size;
	return moved;
}

/* A copy in one piece; NULL where memory is out, which costs no more than parsing again. */
static ffp_kept_policy *keep(const ff_allocator *allocator, ff_text text, const ffp_policy *policy)
{
	size_t limits = policy->limits_count * sizeof(ffp_policy_limit);
	size_t size =
	    sizeof(ffp_kept_policy) + limits + text.size + policy->on_hard_limit.size + policy->on_soft_limit.size;
	for (size_t i = 0; i < policy->limits_count; i++)
		size += policy->limits[i].dimension.size;
	ffp_kept_policy *kept = allocator->resize(allocator->context, NULL, 0, size);
	if (!kept)
		return NULL;
	char *at = (char *)kept->limits + limits;
	kept->size = size;
	kept->text = move_text(&at, text);
	kept->policy = *policy;
	kept->policy.on_hard_limit = move_text(&at, policy->on_hard_limit);
	kept->policy.on_soft_limit = move_text(&at, policy->on_soft_limit);
	kept->policy.limits = kept->limits;
	for (size_t i = 0; i < policy->limits_count; i++) {
		kept->limits[i] = policy->limits[i];
		kept->limits[i].dimension = move_text(&at, policy->limits[i].dimension);
	}
	return kept;
}

ff_code ffp_policies_get(ffp_policies *policies, ff_text text, ff_arena *arena, ffp_policy *policy,
                         ffp_policy_mark *mark, const char **fault)
{
	uint32_t places = policies->places ? policies->places : FFP_POLICIES_COUNT;
	*mark = (ffp_policy_mark){ .place = (uint32_t)(XXH3_64bits(text.data, text.size) % places) };
	ffp_kept_policy **kept = &policies->kept[mark->place];
	if (*kept && ffp_text_equal((*kept)->text, text)) {
		*policy = (*kept)->policy;
		mark->number = (*kept)->number;
		return FF_OK;
	}
	ff_code code = ffp_policy_parse(text, arena, policy, fault);
	mark->is_own = code == FF_OK;
	if (code == FF_OK && text.size <= FFP_POLICIES_TEXT_MAX) {
		drop(policies, kept);
		*kept = keep(policies->allocator, text, policy);
		if (*kept)
			mark->number = (*kept)->number = ++policies->last_number;
	}
	return code;
}

bool ffp_policies_find(const ffp_policies *policies, ffp_policy_mark mark, ffp_policy *policy)
{
	const ffp_kept_policy *kept = policies->kept[mark.place];
	bool found = kept && kept->number == mark.number;
	if (found)
		*policy = kept->policy;
	return found;
}
