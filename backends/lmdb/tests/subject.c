#include "faults.h"
#include "lmdb_test.h"

static const ff_code open_codes[] = { FF_E_IO, FF_E_FULL, FF_OK };

const test_subject subject = {
	.backend = &ffp_lmdb_backend,
	.data = "data.mdb",
	.faults = 1u << FAULT_OPEN | 1u << FAULT_STAT | 1u << FAULT_WRITE | 1u << FAULT_SHORT | 1u << FAULT_SYNC,
	.open_codes = open_codes,
};

const ff_engine_backend *const ffp_builtin_backends[] = { &ffp_lmdb_backend, NULL };

const ffp_family *const families[] = {
	&cases_kv,    &cases_versions, &cases_processes, &cases_stores, &cases_spoiled, &cases_open, &cases_map,
	&cases_share, &cases_openings, &cases_readers,   &cases_faults, &cases_disk,    NULL
};
