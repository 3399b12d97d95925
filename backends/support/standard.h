/* The numbers of a process's standard input, output and error, where others choose the number of a file that is opened. */
#ifndef FFP_SUPPORT_STANDARD_H
#define FFP_SUPPORT_STANDARD_H

#include <fcntl.h>
#include <unistd.h>

/*
 * Where one of the three is closed, /dev/null takes its number, opened with these flags, so that no file or socket of a
 * store does: what is printed would go into the store, to its server, or into the locks of all who use it. They are not
 * given back, since another thread may rely on them, which opens another store, and what is there by then may be the host's.
 */
static inline void ffp_hold_standard(int input_flags, int output_flags)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
		int flags = i == STDIN_FILENO ? input_flags : output_flags;
		int file = fcntl(i, F_GETFD) < 0 ? open("/dev/null", flags) : -1;
		if (file > STDERR_FILENO) /* another thread was faster */
			close(file);
	}
}

/* For a program, first of all: what holds a stream fails as a closed one does, so that nothing is lost unsaid. */
static inline void ffp_hold_standard_closed(void)
{
	ffp_hold_standard(O_WRONLY, O_RDONLY);
}

#endif
