/* What holds a process's standard files for a library: nothing comes from them, and what is printed goes nowhere. */
#include "standard.h"

#include <ff/backend.h>

void ff_standard_hold(void)
{
	ffp_hold_standard(O_RDWR | O_CLOEXEC, O_RDWR | O_CLOEXEC);
}
