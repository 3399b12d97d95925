/*
 * Floors: what an expert would write by hand, against the storage library alone, for exactly the work of a report: read
 * the key, the policy and the usage; decide; write the key with the payload's digest, the outcome and the expiry, and the
 * usage; commit. No arguments are checked, no periods, no ledger, no retries; whatever fails ends the program.
 *
 * Durability and page size are those of ff's backend for the same library. Who finds the store taken by another process
 * waits for longer than a run could take, since a floor does not try again.
 */
#ifndef FF_BENCH_FLOOR_H
#define FF_BENCH_FLOOR_H

#include <ff/ff.h>

typedef struct bench_floor bench_floor;
typedef struct bench_floor_ops bench_floor_ops;

/* How a floor goes about a batch. */
typedef enum bench_floor_kind {
	/* Budgets are read and written once a batch. Each key is looked up, and keys are written in their order. */
	BENCH_FLOOR_LOOKS,
	/* The same, but keys are written without a look, until one of them turns out to be known. */
	BENCH_FLOOR_UNSEEN,
	/* Report by report: key, policy and usage are read, and key and usage written. */
	BENCH_FLOOR_PLAIN
} bench_floor_kind;

/*
 * What a floor does, and what there is to know of the stores of its library: of the floor's and of the engine's alike. A
 * `path` is a file or a folder; on a server it is all that the URI says behind the scheme, and ends with the name of a
 * schema: "//HOST/DATABASE?schema=NAME".
 */
struct bench_floor_ops {
	const char *scheme;
	bool (*exists)(const char *path);
	/* Takes the store away, if it is there. */
	void (*remove)(const char *path);
	/* How long a word to the server and back takes; NULL where there is no server. */
	double (*round_trip_ms)(const char *path);
	/* What a host sets once in its process, before the library is used; NULL where there is nothing. */
	void (*set_up)(void);
	/* Makes the store at `path`, or opens it again; `query` is what the engine's URI asks for besides. */
	bench_floor *(*open)(const char *path, const char *query, ff_durability durability, bench_floor_kind kind);
	void (*close)(bench_floor *floor);
	/* Creates budgets, all with the same limits, in one commit. */
	void (*create)(bench_floor *floor, const ff_budget_spec *budgets, size_t count);
	/* Decides reports in one commit. applied[i] says whether report i was charged, now or when its key was first used. */
	void (*report)(bench_floor *floor, const ff_report *reports, size_t count, unsigned char *applied);
	/* What of a dimension each of these budgets has used. */
	void (*usage)(bench_floor *floor, const char *const *budget_ids, size_t count, const char *dimension,
	              uint64_t *used);
};

extern const bench_floor_ops bench_floor_sqlite;
extern const bench_floor_ops bench_floor_lmdb;
extern const bench_floor_ops bench_floor_postgres;

/* ---- files.c: stores that are files -------------------------------------------------------------------------- */

bool floor_file_exists(const char *path);
/* Removes those files whose names are the path with one of these ends; where one stays, the others go all the same. */
void floor_remove_files(const char *path, const char *const *ends, size_t count);

/* ---- batch.c: what a floor remembers within a batch ---------------------------------------------------------- */

#define FLOOR_DIMENSIONS_MAX 4
#define FLOOR_KEY_TTL_MS INT64_C(86400000)

/* A budget that reports of the batch name: read once, written once. */
typedef struct floor_budget {
	const char *id;
	size_t id_size;
	unsigned dimensions_count;
	struct {
		char name[32];
		uint64_t hard;
		uint64_t used;
		bool changed;
	} dimensions[FLOOR_DIMENSIONS_MAX];
	uint64_t breaches; /* refusals of this batch */
} floor_budget;

/* Outcomes as a floor stores them. */
enum { FLOOR_OK = 0, FLOOR_REFUSED = 1 };

/* A key to be written, by the first bytes that it sorts by. */
typedef struct floor_key {
	uint64_t first;
	uint32_t report;
} floor_key;

typedef struct floor_batch {
	floor_budget *budgets;
	size_t budgets_count;
	uint32_t *places; /* a hash table of budgets, by 1 + their place; cleared for each batch */
	size_t places_count;
	uint64_t *digests;
	unsigned char *outcomes;
	floor_key *keys;
	floor_key *spare;
	size_t keys_count;
	size_t capacity;
} floor_batch;

void floor_batch_begin(floor_batch *batch, size_t count);
void floor_batch_free(floor_batch *batch);
/* The budget of this id; *fresh: it is empty, and has to be read. */
floor_budget *floor_batch_budget(floor_batch *batch, const char *id, bool *fresh);
/* Charges a report to its budget, or not: FLOOR_OK or FLOOR_REFUSED. */
unsigned char floor_decide(floor_budget *budget, const ff_report *report);
uint64_t floor_digest(const ff_report *report);
/* Puts the batch's keys in the order of their first bytes, unless the reports came in the order of their keys. */
void floor_batch_sort(floor_batch *batch, const ff_report *reports, size_t count);

/* Ends the program with the first line of `why`. */
_Noreturn void floor_die(const char *doing, const char *why);
int64_t floor_now_ms(void);

#endif
