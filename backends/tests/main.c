/* The one runner, on the cases of the program's backend. */
#include <stdio.h>

#include "test.h"

static const ff_case *case_at(size_t i)
{
	return ffp_case_in(families, i);
}

int main(int argc, char **argv)
{
	char uri[FF_URI_SIZE];
	if (subject.prepare && !subject.prepare())
		return 2;
	snprintf(uri, sizeof(uri), "%s:/tmp/ff-%s-tests", subject.backend->name, subject.backend->name);
	const ff_harness *harness = ff_harness_for_files(uri);
	if (!harness)
		return 2;
	int status = ffp_cases_main(argc, argv, case_at, harness);
	ff_harness_free(harness);
	return status;
}
