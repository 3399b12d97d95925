/* What the system says where a file has no room to grow. */
#ifndef FFP_SUPPORT_FULL_H
#define FFP_SUPPORT_FULL_H

#include <errno.h>
#include <stdbool.h>

/* The disk is full, the quota is, or the file is as long as the process may make one. */
static inline bool ffp_is_full(int system_error)
{
	return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

#endif
