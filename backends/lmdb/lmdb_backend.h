/* The LMDB backend: "lmdb:DIR". */
#ifndef FFP_LMDB_BACKEND_H
#define FFP_LMDB_BACKEND_H

#include <ff/backend.h>

extern const ff_engine_backend ffp_lmdb_backend;

#endif
