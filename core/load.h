/* Backends in shared objects. */
#ifndef FFP_LOAD_H
#define FFP_LOAD_H

#include <ff/backend.h>

/* Loads the backend for a scheme from FF_BACKEND_PATH. FF_E_NOT_FOUND, without a message, where no folder holds one. */
ff_code ffp_load_scheme(ff_text scheme, ff_error *error);

#endif
