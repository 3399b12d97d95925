/* The PostgreSQL backend: "postgres://USER@HOST:PORT/DATABASE". */
#ifndef FFP_POSTGRES_H
#define FFP_POSTGRES_H

#include <ff/backend.h>

extern const ff_engine_backend ffp_postgres_backend;

#endif
