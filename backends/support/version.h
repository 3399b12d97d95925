/* What the version of a stored schema means to who opens the store. */
#ifndef FFP_SUPPORT_VERSION_H
#define FFP_SUPPORT_VERSION_H

#include <ff/backend.h>

/* VERSION where it is newer than the catalog's; UNAVAILABLE where it is older and, for reading only, cannot be migrated. */
ff_code ffp_version_check(const ff_catalog *catalog, uint32_t version, bool read_only, const char *store,
                          ff_error *error);

#endif
