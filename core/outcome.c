#include "outcome.h"

#include "json.h"
#include "text.h"

/* FF_KV_COMMON_TEXT is the same text, kept apart: it is part of what key-value stores have written, and never changes. Where
 * this one changed, their rows would only grow. */
#define OK_TEXT "{\"kind\":\"Ok\"}"

/* How each kind is stored. Breaches name their limit's member. */
static const struct {
	const char *word;
	const char *limit_member;
} kinds[] = {
	[FF_OUTCOME_OK] = { "Ok", NULL },
	[FF_OUTCOME_SOFT_BREACH] = { "SoftBreach", "soft_limit" },
	[FF_OUTCOME_HARD_BREACH] = { "HardBreach", "hard_limit" },
	[FF_OUTCOME_ALREADY_APPLIED] = { "AlreadyApplied", NULL },
};

/* The one kind whose `applied` is not told by the kind itself. */
static bool is_advisory(const ff_outcome *outcome)
{
	return outcome->kind == FF_OUTCOME_HARD_BREACH && outcome->applied;
}

static void write_breach(ffp_writer *writer, const ff_outcome *outcome)
{
	bool soft = outcome->kind == FF_OUTCOME_SOFT_BREACH;
	ffp_write_raw(writer, is_advisory(outcome) ? "{\"applied\":true,\"current_usage\":" : "{\"current_usage\":");
	ffp_write_int64(writer, (int64_t)outcome->current_usage);
	ffp_write_raw(writer, ",\"dimension\":");
	ffp_write_string(writer, ffp_text(outcome->dimension));
	ffp_write_raw(writer, soft ? "" : ",\"hard_limit\":");
	if (!soft)
		ffp_write_int64(writer, (int64_t)outcome->limit);
	ffp_write_raw(writer, ",\"kind\":");
	ffp_write_string(writer, ffp_text(kinds[outcome->kind].word));
	ffp_write_raw(writer, soft ? ",\"soft_limit\":" : "");
	if (soft)
		ffp_write_int64(writer, (int64_t)outcome->limit);
	ffp_write_raw(writer, "}");
}

ff_text ffp_outcome_write(const ff_outcome *outcome, ff_arena *arena)
{
	if (outcome->kind == FF_OUTCOME_OK)
		return ffp_text(OK_TEXT);
	if (outcome->kind == FF_OUTCOME_ALREADY_APPLIED)
		return ffp_text("{\"kind\":\"AlreadyApplied\"}");
	ffp_writer writer = { .arena = arena };
	write_breach(&writer, outcome);
	return ffp_written(&writer);
}

static ff_code parse_breach(const cJSON *root, ff_outcome *outcome, const char **fault)
{
	const cJSON *dimension = ffp_json_member(root, "dimension");
	const cJSON *applied = ffp_json_member(root, "applied");
	int64_t usage;
	int64_t limit;
	*fault = "a breach that lacks its dimension, usage or limit";
	if (!ffp_json_int64(ffp_json_member(root, "current_usage"), &usage) ||
	    !ffp_json_int64(ffp_json_member(root, kinds[outcome->kind].limit_member), &limit) ||
	    !cJSON_IsString(dimension) || strlen(dimension->valuestring) >= sizeof(outcome->dimension) ||
	    (applied && !cJSON_IsBool(applied)))
		return FF_E_CORRUPT;
	outcome->applied = outcome->kind == FF_OUTCOME_SOFT_BREACH || cJSON_IsTrue(applied);
	outcome->current_usage = (uint64_t)usage;
	outcome->limit = (uint64_t)limit;
	memcpy(outcome->dimension, dimension->valuestring, strlen(dimension->valuestring) + 1);
	return FF_OK;
}

static ff_code parse_root(const cJSON *root, ff_outcome *outcome, const char **fault)
{
	*fault = "an outcome that is not an object";
	if (!cJSON_IsObject(root))
		return FF_E_CORRUPT;
	outcome->kind = FF_OUTCOME_ALREADY_APPLIED;
	if (!root->child)
		return FF_OK;
	const cJSON *kind = ffp_json_member(root, "kind");
	*fault = "an outcome of an unknown kind";
	for (unsigned i = 0; cJSON_IsString(kind) && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(kind->valuestring, kinds[i].word) == 0) {
			outcome->kind = (ff_outcome_kind)i;
			return kinds[i].limit_member ? parse_breach(root, outcome, fault) : FF_OK;
		}
	}
	return FF_E_CORRUPT;
}

ff_code ffp_outcome_parse(ff_text text, ff_outcome *outcome, const char **fault)
{
	*outcome = (ff_outcome){ .applied = true, .replayed = true };
	if (ffp_text_equal(text, ffp_text(OK_TEXT))) /* the common one, without a parser */
		return FF_OK;
	cJSON *root = ffp_json_parse(text, fault);
	if (!root)
		return *fault ? FF_E_CORRUPT : FF_E_NO_MEMORY;
	ff_code code = parse_root(root, outcome, fault);
	cJSON_Delete(root);
	return code;
}
