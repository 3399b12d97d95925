/* Where faults strike LMDB and the backend: in what they call of the C library; and what else may happen meanwhile. */
#ifndef FFP_LMDB_FAULTY_H
#define FFP_LMDB_FAULTY_H

/* Calls other(context) once, when dead readers are next looked for, as they are before a map grows. */
void faulty_meanwhile(void (*other)(void *context), void *context);

/* Likewise when a file is next given a length, as that of a writable map is. */
void faulty_before_length(void (*other)(void *context), void *context);

/* Likewise when a directory is next made; and when a file is next locked, as a directory is that is opened. */
void faulty_before_mkdir(void (*other)(void *context), void *context);
void faulty_before_lock(void (*other)(void *context), void *context);

/* How many were synced so far: directories; files, after they were written; writes, each by the file that it went to. */
unsigned faulty_directories_synced(void);
unsigned faulty_files_synced(void);
unsigned faulty_writes_synced(void);

#endif
