#include "version.h"

ff_code ffp_version_check(const ff_catalog *catalog, uint32_t version, bool read_only, const char *store,
                          ff_error *error)
{
	unsigned ours = catalog->version;
	if (version > ours)
		return ff_error_set(error, FF_E_VERSION, "'%s' has schema version %u, newer than %u, the library's",
		                    store, (unsigned)version, ours);
	if (version < ours && read_only)
		return ff_error_set(error, FF_E_UNAVAILABLE,
		                    "'%s' has schema version %u, which opening it for writing brings to %u", store,
		                    (unsigned)version, ours);
	return FF_OK;
}
