/* A budget's policy: the text that is stored (FF-CB-5), and what the rules want of it (FF-RU-8). Pure. */
#ifndef FFP_POLICY_H
#define FFP_POLICY_H

#include <ff/backend.h>
#include <ff/ff.h>

typedef struct ffp_policy_limit {
	ff_text dimension;
	int64_t hard; /* 0: none */
	int64_t soft; /* 0: none */
} ffp_policy_limit;

typedef struct ffp_policy {
	const ffp_policy_limit *limits; /* in byte order of dimension, none twice */
	size_t limits_count;
	int64_t reset_interval_ms;
	ff_text on_hard_limit;
	ff_text on_soft_limit;
} ffp_policy;

/*
 * Reads a stored text; all that *policy points to is in the arena. FF_E_CORRUPT, with *fault saying why, where it is
 * malformed; FF_E_NO_MEMORY.
 */
ff_code ffp_policy_parse(ff_text text, ff_arena *arena, ffp_policy *policy, const char **fault);

/* The canonical text of a policy: members in byte order, no spaces. data is NULL where memory is out. */
ff_text ffp_policy_write(const ffp_policy *policy, ff_arena *arena);

/* Puts limits in byte order of dimension. */
void ffp_policy_sort(ffp_policy_limit *limits, size_t count);

/* The limits of a dimension, or NULL where the policy does not name it. */
const ffp_policy_limit *ffp_policy_limit_of(const ffp_policy *policy, ff_text dimension);

/* The word of a mode, as it is stored, and back. False for any other word. */
ff_text ffp_mode_text(ff_mode mode);
bool ffp_mode_parse(ff_text text, ff_mode *mode);

#endif
