/* Steps and sequences of them. */
#include "parity_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- a step ----------------------------------------------------------------------------------------------------- */

/* The name of the i-th dimension of a crowd. */
static const char *crowd_dimension(unsigned i)
{
	static char names[FFP_STEP_CROWD][8];
	if (!*names[0]) {
		for (unsigned n = 0; n < FFP_STEP_CROWD; n++)
			snprintf(names[n], sizeof(names[n]), "d%02u", n % 100);
	}
	return names[i];
}

unsigned ffp_step_dimensions_count(const ffp_step *step)
{
	return step->dimensions_count + step->crowd;
}

ff_amount ffp_step_amount(const ffp_step *step, unsigned i)
{
	if (i >= step->dimensions_count)
		return (ff_amount){ crowd_dimension(i - step->dimensions_count), 1 };
	return (ff_amount){ step->dimensions[i], step->amounts[i] };
}

ff_limit ffp_step_limit(const ffp_step *step, unsigned i)
{
	if (i >= step->dimensions_count)
		return (ff_limit){ crowd_dimension(i - step->dimensions_count), 5, 2 };
	return (ff_limit){ step->dimensions[i], step->amounts[i], step->soft[i] };
}

bool ffp_step_is_quota(const ffp_step *step)
{
	return step->op >= FF_OP_CREATE_QUOTA_POLICY;
}

/* ---- a sequence ------------------------------------------------------------------------------------------------- */

void ffp_steps_add(ffp_steps *to, const ffp_step *step)
{
	if (to->count == to->capacity) {
		to->capacity = 2 * to->capacity + 512;
		to->list = ffp_resize(to->list, to->capacity * sizeof(*to->list));
		to->times_ms = ffp_resize(to->times_ms, to->capacity * sizeof(*to->times_ms));
	}
	to->list[to->count++] = *step;
}

void ffp_steps_copy(ffp_steps *to, const ffp_steps *from)
{
	to->count = 0;
	for (size_t i = 0; i < from->count; i++)
		ffp_steps_add(to, &from->list[i]);
	if (from->count)
		memcpy(to->times_ms, from->times_ms, from->count * sizeof(*to->times_ms));
}

void ffp_steps_free(ffp_steps *steps)
{
	free(steps->list);
	free(steps->times_ms);
	*steps = (ffp_steps){ .list = NULL };
}

void ffp_steps_without(ffp_steps *to, const ffp_steps *from, size_t at, size_t count)
{
	bool begins = false; /* a batch's first call is gone: the next that is left begins it */
	to->count = 0;
	for (size_t i = 0; i < from->count; i++) {
		if (i >= at && i < at + count) {
			begins = begins || !from->list[i].joins;
			continue;
		}
		ffp_steps_add(to, &from->list[i]);
		if (begins)
			to->list[to->count - 1].joins = false;
		begins = false;
	}
}

size_t ffp_steps_batch(const ffp_steps *of, size_t from)
{
	size_t count = 1;
	while (from + count < of->count && of->list[from + count].joins)
		count++;
	return count;
}
