/* The backends compiled in: the build defines the list, so that the core names none. */
#ifndef FFP_REGISTRY_H
#define FFP_REGISTRY_H

#include <ff/backend.h>

/* NULL ends it. */
extern const ff_engine_backend *const ffp_builtin_backends[];

#endif
