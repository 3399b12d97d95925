/* Checks of a test program, which ends by how many did not hold. */
#ifndef BENCH_TESTS_CHECK_H
#define BENCH_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static int failed;
static const char *running = ""; /* what the checks are of */

#define CHECK(condition) check((condition), __LINE__, #condition)

static void check(bool passed, int line, const char *condition)
{
	if (passed)
		return;
	fprintf(stderr, "line %d: not so%s%s: %s\n", line, *running ? " of " : "", running, condition);
	failed++;
}

#endif
