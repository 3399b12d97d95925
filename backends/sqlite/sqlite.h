/* The SQLite backend, the reference store: "sqlite:PATH" and "sqlite::memory:". */
#ifndef FFP_SQLITE_H
#define FFP_SQLITE_H

#include <ff/backend.h>

extern const ff_engine_backend ffp_sqlite_backend;

#endif
