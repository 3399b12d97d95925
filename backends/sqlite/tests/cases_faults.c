#include "test.h"
static void nothing(void)
{
	CHECK(true);
}
static const test_case cases[] = {
	CASE(nothing, ""),
};
FAMILY(cases_faults, cases);
