/* The core's tests under Criterion: each case in a process of its own. */
#include <criterion/criterion.h>

#include "tests.h"

static void run(const char *name)
{
	const ff_case *of = NULL;
	for (size_t i = 0; (of = ffp_core_case_at(i)) && strcmp(of->name, name) != 0;)
		i++;
	cr_assert(of != NULL);
	ff_harness_info info;
	static ff_case_result result;
	cr_assert(ff_harness_probe(&ffp_fake_harness, &info, NULL) == FF_OK);
	ff_case_run(of, &ffp_fake_harness, info.given, 1, &result);
	cr_assert(result.status == FF_CASE_PASSED, "%s", result.failure);
}

#define TEST(configuration, uri, name, ids)           \
	Test(configuration, name, .description = ids) \
	{                                             \
		run(#name);                           \
	}

#include "core_criterion_tests.h"
