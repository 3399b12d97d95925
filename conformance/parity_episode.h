/* Episodes, as they are made up and as they are replayed. */
#ifndef FFP_PARITY_EPISODE_H
#define FFP_PARITY_EPISODE_H

#include "parity_compare.h"

/* Generates an episode while it runs; true where no difference showed. The steps so far are in `made`. */
bool ffp_episode_run(ffp_comparison *of, const ffp_setting *setting, ffp_steps *made);

/* Replays steps from fresh stores, with an export after every batch where `thorough`, and notes their times; true where
 * a difference shows, behind whose step the sequence is then cut off. The comparison is left open for who wants to see
 * the answers. */
bool ffp_episode_differs(ffp_comparison *of, const ffp_setting *setting, ffp_steps *steps, bool thorough);

#endif
