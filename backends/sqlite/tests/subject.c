#include "faults.h"
#include "sqlite_test.h"

const test_subject subject = {
	.backend = &ffp_sqlite_backend,
	.memory = ":memory:",
	.data = "",
	.prepare = fault_install,
};

const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_sqlite_backend, NULL };

const ffp_family *const families[] = {
	&cases_sql,    &cases_versions, &cases_processes, &cases_values, &cases_open,
	&cases_schema, &cases_faults,   &cases_log,       NULL,
};
