/* Where faults strike SQLite: in its files and its memory. */
#ifndef FFP_SQLITE_FAULTY_H
#define FFP_SQLITE_FAULTY_H

#include <stdbool.h>

/* Puts itself below SQLite; before anything else is done with it. */
bool faulty_install(void);

/* Which version of SQLite's methods the files say they have that are opened from here on; 2 is what they have. */
void faulty_set_version(int version);

#endif
