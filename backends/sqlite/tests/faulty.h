/* Where faults strike SQLite: in its files and its memory. */
#ifndef FFP_SQLITE_FAULTY_H
#define FFP_SQLITE_FAULTY_H

#include <stdbool.h>

/* Puts itself below SQLite; before anything else is done with it. */
bool faulty_install(void);

#endif
