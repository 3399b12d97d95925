/* Environments: a directory's LMDB files, which the stores of a process share (ff_kv_share), and their map, which grows. */
#ifndef FFP_LMDB_ENVIRONMENT_H
#define FFP_LMDB_ENVIRONMENT_H

#include <lmdb.h>
#include <pthread.h>

#include <ff/kv.h>

#include "../support/turn.h"

/* The turn to write, in the directory. */
#define FFP_LMDB_TURN_FILE "ff.lock"

typedef struct ffp_lmdb_environment {
	MDB_env *env;
	char *path;
	unsigned page_size;
	ff_durability durability; /* of the store that wrote last, by which LMDB's flags are set; at first full */
	ffp_turn turn;
	bool read_only; /* the files may not be written */
	bool write_map; /* the map may be: LMDB makes the file as long as it is */
	/*
	 * LMDB moves its map only while nothing points into it. Whoever reads holds the read side: for one slot, in which
	 * cursors and values live and die. Who moves it holds the write side and the writer's seat, so that no write
	 * transaction is open in this process; and, where the map is writable, the turn. A read transaction between two
	 * slots is numbers of pages, and reads on in the new map.
	 */
	pthread_rwlock_t map;
	pthread_mutex_t mutex; /* guards the stores' lists of idle readers */
} ffp_lmdb_environment;

/* Is told what LMDB has asserted, and that it does not hold; where it comes back, LMDB ends the process. In rows.c. */
void ffp_lmdb_assert(MDB_env *env, const char *words);

/* Fills `error` from what LMDB answered: "cannot DOING 'PATH': …". */
ff_code ffp_lmdb_fail(const char *path, int result, const char *doing, ff_error *error);

/* While a directory is being opened, and until `settle`: no other ff opens it, in any process. */
typedef struct ffp_lmdb_opening {
	ff_kv_shared *shared; /* its handle is an ffp_lmdb_environment */
	const char *path;
	size_t map_size;
	bool write_map;
	int64_t turn_limit_us; /* how long others may keep the turn to write */
	int lock;              /* a descriptor of the directory, with its lock */
	bool made_directory;
	bool made_data;
	bool made_locks;
} ffp_lmdb_opening;

/* Opens the environment of a directory, or shares it. Until ffp_lmdb_environment_settle nobody else opens it. */
ff_code ffp_lmdb_environment_open(const ff_store_config *config, size_t map_size, bool write_map,
                                  ffp_lmdb_opening *opening, ff_error *error);
/* Sees to it that what was made, now or by one whose process ended then, is found again after loss of power: LMDB syncs files,
 * not the names of new ones. Before anything is written, by which others know that it is done. */
ff_code ffp_lmdb_environment_keep_names(const ffp_lmdb_opening *opening, ff_error *error);
/* Ends the opening. Where it failed the environment is given back, and what it made is removed. */
void ffp_lmdb_environment_settle(ffp_lmdb_opening *opening, bool failed);

/* Whether there is some behind the last page, or the map may be no larger. The caller has the writer's seat. */
bool ffp_lmdb_environment_has_room(const ffp_lmdb_environment *environment, const MDB_envinfo *info, uint64_t max);

/* Makes room: by what readers that died held, or by a map twice as large, but not larger than `max`; FULL where it is.
 * The caller has the writer's seat, and no transaction. */
ff_code ffp_lmdb_environment_grow(ffp_lmdb_environment *environment, uint64_t max, ff_error *error);
/* Takes on the map's size after another process made it larger, with more room only up to `max`. Likewise. */
ff_code ffp_lmdb_environment_adopt(ffp_lmdb_environment *environment, uint64_t max, ff_error *error);

/* Whether the file goes as far as its last page. */
bool ffp_lmdb_environment_is_complete(const ffp_lmdb_environment *environment);
/* Makes it as long as it should be, with zeros, and answers LMDB's result. LMDB may leave out a last page that nobody needs;
 * but where the file was cut short, reading past its end would end the process. A page of zeros is seen to be none by who
 * reads. The caller has the turn to write. */
int ffp_lmdb_environment_complete(ffp_lmdb_environment *environment);

/* Whether the disk, or what the process may put on it, is used up. */
bool ffp_lmdb_environment_is_full(const ffp_lmdb_environment *environment);

#endif
