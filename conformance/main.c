/* ff-conformance: the suite on the stores that the command line names, and the parity of stores. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ff/conformance.h>

#include "parity.h"

/* A standard stream that is closed is not left to a store: it would be sent the report. What holds it fails as it does. */
static void hold_standard_streams(void)
{
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (fcntl(i, F_GETFD) < 0 && open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
}

int main(int argc, char **argv)
{
	hold_standard_streams();
	if (argc > 1 && !strcmp(argv[1], "parity")) {
		argv[1] = argv[0]; /* which getopt calls the program */
		return ffp_parity(argc - 1, argv + 1);
	}
	int status = ff_conformance_main(argc, argv, NULL, 0);
	bool helps = !status && argc > 1 && !strcmp(argv[argc - 1], "--help");
	if (status == 2 || helps)
		fputs("or: ff-conformance parity [--module FILE]… --store URI… [--ops N] [--seed N] [--help]\n",
		      helps ? stdout : stderr);
	return status;
}
