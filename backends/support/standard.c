/* For a library: what is printed goes nowhere. */
#include "standard.h"

#include <ff/backend.h>

void ff_standard_hold(void)
{
	ffp_hold_standard(O_RDWR | O_CLOEXEC, O_RDWR | O_CLOEXEC);
}
