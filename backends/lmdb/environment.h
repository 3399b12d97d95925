/*
 * Environments: a directory's LMDB files, open once in this process however many stores share them, and their map,
 * which grows.
 */
#ifndef FFP_LMDB_ENVIRONMENT_H
#define FFP_LMDB_ENVIRONMENT_H

#include <lmdb.h>
#include <pthread.h>
#include <sys/types.h>

#include <ff/backend.h>

typedef struct ffp_environment {
	struct ffp_environment *next; /* in the list of those that are open */
	MDB_env *env;
	char *path;    /* absolute */
	int directory; /* keeps the inode, by which the list finds the environment, from being used anew */
	dev_t device;
	ino_t inode;
	ff_fork_guard guard;
	unsigned users;
	bool read_only; /* the files may not be written */
	/*
	 * LMDB moves its map only while nothing points into it. Whoever reads holds the read side: for one slot, in which
	 * cursors and values live and die. Who moves it holds the write side and the writer's place, so that no write
	 * transaction is open in this process. A read transaction between two slots is numbers of pages, and reads on in
	 * the new map.
	 */
	pthread_rwlock_t map;
	pthread_mutex_t mutex; /* guards what is below */
	bool taken;            /* the writer's place */
} ffp_environment;

/* Fills `error` from what LMDB answered: "cannot DOING 'PATH': …". */
ff_code ffp_lmdb_fail(const char *path, int result, const char *doing, ff_error *error);

typedef struct ffp_environment_options {
	const char *path;
	uint32_t flags; /* FF_STORE_… */
	size_t map_size;
	bool write_map;
} ffp_environment_options;

/* While a directory is being opened, and until `settle`: no other ff opens it, in any process. */
typedef struct ffp_opening {
	ffp_environment *environment;
	const char *path;
	int lock; /* a descriptor of the directory, with its lock */
	bool made_directory;
	bool made_data;
	bool made_lock;
} ffp_opening;

/* Opens the environment of a directory, or shares it. Until ffp_environment_settle nobody else opens it. */
ff_code ffp_environment_open(const ffp_environment_options *options, ffp_opening *opening, ff_error *error);
/* Ends the opening. Where it failed the environment is released, and what it made is removed. */
void ffp_environment_settle(ffp_opening *opening, bool failed);
void ffp_environment_release(ffp_environment *environment);

/* The writer's place: at most one store of this process has it. False where it is taken. */
bool ffp_environment_take(ffp_environment *environment);
void ffp_environment_give(ffp_environment *environment);

/* Whether there is next to none behind the last page, and the map may be larger. The caller has the writer's place. */
bool ffp_environment_wants_room(const ffp_environment *environment, uint64_t max);

/* Makes room: by what readers that died held, or by a map twice as large, but not larger than `max`; FULL where it is.
 * The caller has the writer's place, and no transaction. */
ff_code ffp_environment_grow(ffp_environment *environment, uint64_t max, ff_error *error);
/* Takes on the map's size after another process made it larger. Likewise. */
ff_code ffp_environment_adopt(ffp_environment *environment, ff_error *error);

/* Makes a file that ends before its last page as long as it should be, with zeros, and answers LMDB's result. LMDB may
 * leave out a last page that nobody needs; but where the file was cut short, reading past its end would end the process,
 * and a page of zeros is seen to be none. The caller has the writer's place. */
int ffp_environment_complete(ffp_environment *environment);

/* Whether the disk, or what the process may put on it, is used up. */
bool ffp_environment_is_full(const ffp_environment *environment);

#endif
