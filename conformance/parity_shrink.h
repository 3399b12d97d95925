/* The shrinking of a sequence that shows a difference. */
#ifndef FFP_PARITY_SHRINK_H
#define FFP_PARITY_SHRINK_H

#include "parity_compare.h"

/* Cuts the steps down and simplifies them as long as what is left shows a difference, from fresh stores each time. Where
 * they show none in a replay they stay as they are. */
void ffp_steps_shrink(ffp_comparison *comparison, const ffp_setting *setting, ffp_steps *steps);

#endif
