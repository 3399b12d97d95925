#include "standard.h"

#include <fcntl.h>
#include <unistd.h>

void ffp_hold_standard(void)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		int file = fcntl(i, F_GETFD) < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
		if (file > STDERR_FILENO) /* another thread was faster */
			close(file);
	}
}
