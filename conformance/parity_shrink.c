/* Shrinking: delta debugging by replays, first of which steps there are, then of what each says. */
#include "parity_shrink.h"

#include <string.h>

#include "parity_episode.h"

enum { REPLAYS_MAX = 4000 };

typedef struct shrinking {
	ffp_comparison *comparison;
	const ffp_setting *setting;
	ffp_steps *best; /* the shortest that shows a difference, so far */
	ffp_steps candidate;
	unsigned replays;
} shrinking;

/* The candidate takes the place of the best where it shows a difference, too. */
static bool try_candidate(shrinking *of)
{
	ffp_steps *candidate = &of->candidate;
	if (!candidate->count || ++of->replays > REPLAYS_MAX)
		return false;
	candidate->list[0].joins = false;
	bool shows = ffp_episode_differs(of->comparison, of->setting, candidate, true);
	ffp_comparison_close(of->comparison);
	if (shows && candidate->count <= of->best->count)
		ffp_steps_copy(of->best, candidate);
	return shows;
}

/* Drops halves, then quarters, and so on to single steps, as often as it helps. */
static void drop_steps(shrinking *of)
{
	ffp_steps *best = of->best;
	for (size_t size = best->count / 2; size >= 1;) {
		bool helped = false;
		for (size_t at = best->count; at > 0;) {
			at = at > size ? at - size : 0;
			size_t count = best->count;
			ffp_steps_without(&of->candidate, best, at, size);
			try_candidate(of);
			helped = helped || best->count < count;
			if (at > best->count)
				at = best->count;
		}
		if (size > 1 || !helped)
			size /= 2;
	}
}

enum { SIMPLIFICATIONS = 6 };

/* False: it says that no more. */
static bool simplify(ffp_step *step, unsigned how)
{
	if (how == 0 && step->dimensions_count > 1)
		step->dimensions_count--;
	else if (how == 1 && step->crowd)
		step->crowd = 0;
	else if (how == 2 && step->key && *step->key)
		step->key = NULL;
	else if (how == 3 && step->dimensions_count > 1)
		memmove(step->dimensions, step->dimensions + 1, --step->dimensions_count * sizeof(*step->dimensions));
	else if (how == 4 && (step->now_ms || step->deadline_ms))
		step->now_ms = step->deadline_ms = 0;
	else if (how == 5 && (step->on_hard || step->on_soft || step->scope_type || step->scope_id))
		step->on_hard = step->on_soft = step->scope_type = step->scope_id = NULL;
	else
		return false;
	return true;
}

/* No batches; then of each step one dimension less, no key, no time of its own, no hints. */
static void simplify_steps(shrinking *of)
{
	ffp_steps *best = of->best;
	ffp_steps *candidate = &of->candidate;
	ffp_steps_copy(candidate, best);
	for (size_t i = 0; i < candidate->count; i++)
		candidate->list[i].joins = false;
	try_candidate(of);
	for (size_t i = 0; i < best->count; i++) {
		for (unsigned how = 0; how < SIMPLIFICATIONS && i < best->count; how++) {
			ffp_steps_copy(candidate, best);
			if (simplify(&candidate->list[i], how))
				try_candidate(of);
		}
	}
}

void ffp_steps_shrink(ffp_comparison *comparison, const ffp_setting *setting, ffp_steps *steps)
{
	shrinking of = { .comparison = comparison, .setting = setting, .best = steps };
	ffp_steps_copy(&of.candidate, steps);
	if (try_candidate(&of)) {
		drop_steps(&of);
		simplify_steps(&of);
		drop_steps(&of);
	}
	ffp_steps_free(&of.candidate);
}
