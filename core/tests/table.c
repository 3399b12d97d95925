/* The table of cases, put together from its families. */
#include "registry.h"

#include "tests.h"

/* The tests link the core without any real backend. */
const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_fake_backend, &ffp_faulty_backend, &ffp_fake_far_backend,
	                                                  NULL };

static const ffp_family *const families[] = {
	&ffp_tests_guard,     &ffp_tests_recall,
	&ffp_tests_text,      &ffp_tests_json,
	&ffp_tests_policy,    &ffp_tests_outcome,
	&ffp_tests_rows,      &ffp_tests_config,
	&ffp_tests_registry,  &ffp_tests_budget,
	&ffp_tests_rules,     &ffp_tests_memory,
	&ffp_tests_engine,    &ffp_tests_arguments,
	&ffp_tests_queue,     &ffp_tests_tick,
	&ffp_tests_deadlines, &ffp_tests_faults,
	&ffp_tests_attempts,  &ffp_tests_unknown,
	&ffp_tests_distrust,  &ffp_tests_move,
	&ffp_tests_load,      &ffp_tests_check,
	&ffp_tests_cost,      NULL,
};

const ff_case *ffp_core_case_at(size_t i)
{
	return ffp_case_in(families, i);
}
