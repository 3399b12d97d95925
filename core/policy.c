#include "policy.h"

#include <stdlib.h>

#include "arena.h"
#include "json.h"
#include "text.h"

static int compare_limits(const void *a, const void *b)
{
	return ff_text_compare(((const ffp_policy_limit *)a)->dimension, ((const ffp_policy_limit *)b)->dimension);
}

void ffp_policy_sort(ffp_policy_limit *limits, size_t count)
{
	qsort(limits, count, sizeof(*limits), compare_limits);
}

/* Adds the members of one of the two limit objects; `soft` tells which. */
static bool add_limits(const cJSON *object, bool soft, ff_arena *arena, ffp_policy_limit *limits, size_t *count)
{
	for (const cJSON *at = object ? object->child : NULL; at; at = at->next) {
		int64_t value;
		if (!ffp_json_int64(at, &value))
			return false;
		ffp_policy_limit *limit = &limits[(*count)++];
		limit->dimension = ff_text_copy(arena, at->string, strlen(at->string));
		*(soft ? &limit->soft : &limit->hard) = value;
	}
	return true;
}

/* Sorts, and joins the hard and the soft limit of one dimension. */
static size_t join_limits(ffp_policy_limit *limits, size_t count)
{
	size_t kept = 0;
	ffp_policy_sort(limits, count);
	for (size_t i = 0; i < count; i++) {
		if (kept && ffp_text_equal(limits[kept - 1].dimension, limits[i].dimension)) {
			limits[kept - 1].hard |= limits[i].hard; /* one of the two is 0 */
			limits[kept - 1].soft |= limits[i].soft;
		} else {
			limits[kept++] = limits[i];
		}
	}
	return kept;
}

static bool parse_hint(const cJSON *item, ff_arena *arena, ff_text *hint)
{
	if (item && !cJSON_IsString(item))
		return false;
	*hint = item ? ff_text_copy(arena, item->valuestring, strlen(item->valuestring)) : (ff_text){ "", 0 };
	return true;
}

static ff_code parse_members(const cJSON *root, ff_arena *arena, ffp_policy *policy, const char **fault)
{
	const cJSON *hard = ffp_json_member(root, "hard_limits");
	const cJSON *soft = ffp_json_member(root, "soft_limits");
	const cJSON *interval = ffp_json_member(root, "reset_interval_ms");
	*fault = "a policy text that is not an object with objects of limits";
	if (!cJSON_IsObject(root) || (hard && !cJSON_IsObject(hard)) || (soft && !cJSON_IsObject(soft)))
		return FF_E_CORRUPT;
	*fault = "a reset interval or a hint that is malformed";
	if ((interval && !ffp_json_int64(interval, &policy->reset_interval_ms)) ||
	    !parse_hint(ffp_json_member(root, "on_hard_limit"), arena, &policy->on_hard_limit) ||
	    !parse_hint(ffp_json_member(root, "on_soft_limit"), arena, &policy->on_soft_limit))
		return FF_E_CORRUPT;
	size_t count = (size_t)cJSON_GetArraySize(hard) + (size_t)cJSON_GetArraySize(soft);
	ffp_policy_limit *limits = ffp_arena_array(arena, count, sizeof(*limits));
	if (!limits)
		return FF_E_NO_MEMORY;
	size_t added = 0;
	*fault = "a limit that is no integer 0 to 2^63-1";
	if (!add_limits(hard, false, arena, limits, &added) || !add_limits(soft, true, arena, limits, &added))
		return FF_E_CORRUPT;
	for (size_t i = 0; i < added; i++)
		if (!limits[i].dimension.data)
			return FF_E_NO_MEMORY;
	if (!policy->on_hard_limit.data || !policy->on_soft_limit.data)
		return FF_E_NO_MEMORY;
	policy->limits = limits;
	policy->limits_count = join_limits(limits, added);
	return FF_OK;
}

ff_code ffp_policy_parse(ff_text text, ff_arena *arena, ffp_policy *policy, const char **fault)
{
	*policy = (ffp_policy){ .on_hard_limit = { "", 0 }, .on_soft_limit = { "", 0 } };
	if (text.size == 0)
		return FF_OK;
	cJSON *root = ffp_json_parse(text, fault);
	if (!root)
		return *fault ? FF_E_CORRUPT : FF_E_NO_MEMORY;
	ff_code code = parse_members(root, arena, policy, fault);
	cJSON_Delete(root);
	return code;
}

static void write_limits(ffp_writer *writer, const ffp_policy *policy, bool soft)
{
	ffp_write_raw(writer, "{");
	for (size_t i = 0; i < policy->limits_count; i++) {
		ffp_write_raw(writer, i ? "," : "");
		ffp_write_string(writer, policy->limits[i].dimension);
		ffp_write_raw(writer, ":");
		ffp_write_int64(writer, soft ? policy->limits[i].soft : policy->limits[i].hard);
	}
	ffp_write_raw(writer, "}");
}

ff_text ffp_policy_write(const ffp_policy *policy, ff_arena *arena)
{
	ffp_writer writer = { .arena = arena };
	ffp_write_raw(&writer, "{\"hard_limits\":");
	write_limits(&writer, policy, false);
	ffp_write_raw(&writer, ",\"on_hard_limit\":");
	ffp_write_string(&writer, policy->on_hard_limit);
	ffp_write_raw(&writer, ",\"on_soft_limit\":");
	ffp_write_string(&writer, policy->on_soft_limit);
	ffp_write_raw(&writer, ",\"reset_interval_ms\":");
	ffp_write_int64(&writer, policy->reset_interval_ms);
	ffp_write_raw(&writer, ",\"soft_limits\":");
	write_limits(&writer, policy, true);
	ffp_write_raw(&writer, "}");
	return ffp_written(&writer);
}

const ffp_policy_limit *ffp_policy_limit_of(const ffp_policy *policy, ff_text dimension)
{
	size_t low = 0;
	size_t high = policy->limits_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = ff_text_compare(policy->limits[middle].dimension, dimension);
		if (order == 0)
			return &policy->limits[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const char *const mode_words[] = { [FF_MODE_STRICT] = "strict", [FF_MODE_ADVISORY] = "advisory" };

ff_text ffp_mode_text(ff_mode mode)
{
	return ffp_text(mode_words[mode]);
}

bool ffp_mode_parse(ff_text text, ff_mode *mode)
{
	*mode = FF_MODE_STRICT;
	if (text.size == 0)
		return true;
	for (unsigned i = 0; i < sizeof(mode_words) / sizeof(*mode_words); i++) {
		if (ffp_text_equal(text, ffp_text(mode_words[i]))) {
			*mode = (ff_mode)i;
			return true;
		}
	}
	return false;
}
