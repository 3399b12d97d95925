/* Steps as a script of ffctl commands. */
#ifndef FFP_PARITY_PRINT_H
#define FFP_PARITY_PRINT_H

#include "parity_step.h"

/* A shell script, as far as there are such commands: what is not one is a comment. The steps have times. */
void ffp_steps_print(const ffp_setting *setting, const ffp_steps *steps);

#endif
