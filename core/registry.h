/* The backends of this process: those compiled in, which the build lists so that the core names none, and
 * the others. */
#ifndef FFP_REGISTRY_H
#define FFP_REGISTRY_H

#include <ff/backend.h>

/* NULL ends it. */
extern const ff_engine_backend *const ffp_builtin_backends[];

/*
 * Registers a table. Where it was loaded from a module: FF_OK if that module's table is registered already. Where
 * `scheme` is not empty the backend must answer to it.
 */
ff_code ffp_backend_add(const ff_engine_backend *backend, const void *module, ff_text scheme, ff_error *error);

/* The backend that answers to a scheme, or NULL; nothing is loaded. */
const ff_engine_backend *ffp_backend_known(ff_text scheme);

/* The backend that answers to a URI's scheme, up to its first plus; loaded from FF_BACKEND_PATH where it is not known
 * yet. FF_E_INVALID for a scheme without a backend, or the error of a module that was refused. */
ff_code ffp_backend_find(const char *scheme, const ff_engine_backend **backend, ff_error *error);

#endif
