/* ff-conformance: the suite on the stores that the command line names, and the parity of stores. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ff/conformance.h>

#include "../backends/support/standard.h"
#include "parity.h"

int main(int argc, char **argv)
{
	ffp_hold_standard_closed();
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
