/*
 * ff-bench: what its files share. It is a client of the public headers; only floors/ knows a storage library.
 *
 * A workload has two sides, mostly the engine and the floor, which do the same operations in turn, slice by slice
 * (pairs.c). Request number i is a function of i and the seed (stream.c), so both sides get the same ones, and the books
 * can be checked without having kept them.
 */
#ifndef FF_BENCH_H
#define FF_BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include <ff/ff.h>

#include "floors/floor.h"

/* Exit statuses. */
enum { BENCH_DONE = 0, BENCH_FAILED = 1, BENCH_USAGE = 2 };

/* ---- memory and texts: main.c ------------------------------------------------------------------------------- */

/* Memory, cleared, or the end of the program. */
void *bench_allocate(size_t count, size_t size);

/* Ends the program with one line on stderr. */
_Noreturn void bench_die(const char *format, ...) FF_PRINTF(1, 2);

/* The same, for an error of the engine. */
_Noreturn void bench_die_of(const char *doing, const ff_error *error);

/* Says what is wrong with the command line, and how it is used. Answers BENCH_USAGE. */
int bench_refuse(const char *format, ...) FF_PRINTF(1, 2);

/* ---- stream.c: requests by number --------------------------------------------------------------------------- */

typedef enum bench_keys { BENCH_KEYS_NONE, BENCH_KEYS_RANDOM, BENCH_KEYS_ORDERED } bench_keys;

#define BENCH_DIMENSIONS_MAX 2

typedef struct bench_stream {
	uint64_t seed;
	bench_keys keys;
	uint64_t budgets;    /* requests go to so many */
	unsigned dimensions; /* of a budget and of a request, 1 or 2 */
	bool zipf;           /* the budgets' popularity; else all are alike */
	uint64_t repeat;     /* 0, or from so many on the requests begin again */
} bench_stream;

/* The texts of a request; its report points into them. */
typedef struct bench_texts {
	char budget[24];
	char key[40];
	ff_amount amounts[BENCH_DIMENSIONS_MAX];
	uint64_t budget_number;
} bench_texts;

/* 64 bits of a number, mixed well. */
uint64_t bench_mix(uint64_t number);

void bench_budget_id(uint64_t number, char id[24]);
const char *bench_dimension(unsigned dimension);

/* Makes request `number`. The amounts are 1 … 100. */
void bench_request(const bench_stream *stream, uint64_t number, bench_texts *texts, ff_report *report);

/* Room for the requests of a batch. */
typedef struct bench_batch {
	bench_texts *texts;
	ff_report *reports;
	ff_report_result *results;
} bench_batch;

void bench_batch_init(bench_batch *batch, size_t count);
void bench_batch_free(bench_batch *batch);

/* ---- measure.c ---------------------------------------------------------------------------------------------- */

uint64_t bench_now_ns(void);

/* Latencies in buckets that are 1/64 of their value wide. */
#define BENCH_BUCKETS (64 * 40)
typedef struct bench_histogram {
	uint64_t counts[BENCH_BUCKETS];
	uint64_t count;
	uint64_t max_ns;
} bench_histogram;

void bench_record(bench_histogram *histogram, uint64_t ns);
void bench_merge(bench_histogram *into, const bench_histogram *from);
/* The value that `share` (0 … 1) of all are not above; the bucket's upper end, but never more than the maximum. */
double bench_percentile_us(const bench_histogram *histogram, double share);

/* What the process has used up so far, and its workers. */
typedef struct bench_usage {
	double cpu_seconds;
	double written_bytes;
} bench_usage;

bench_usage bench_usage_now(void);
/* Counts in what another process has used up for this one. */
void bench_usage_add(bench_usage more);
/* Begins to look for the peak anew, where the kernel lets us. */
void bench_peak_restart(void);
double bench_peak_bytes(void);

/* An allocator for engines that counts. */
typedef struct bench_memory {
	_Atomic int64_t bytes;
	_Atomic int64_t peak;
} bench_memory;

ff_allocator bench_counting_allocator(bench_memory *memory);

/* The name of the file system that a folder lies on; NULL where it cannot be told. */
const char *bench_filesystem(const char *directory);
/* Whether that is one in memory, where durability costs nothing. */
bool bench_is_in_memory(const char *filesystem);
cJSON *bench_machine(const char *filesystem);

/* Quartiles of what `values` holds, which are put in order. */
typedef struct bench_spread {
	double min, q1, median, q3, max;
} bench_spread;

bench_spread bench_spread_of(double *values, size_t count);

/* ---- stores.c ----------------------------------------------------------------------------------------------- */

/* A store as the command line names it. */
typedef struct bench_store {
	char scheme[32];
	char *path;  /* of the engine's store, as floors/floor.h has it */
	char *query; /* what follows '?' besides, without durability; "" where there is none */
	bool has_durability;
	ff_durability durability;     /* where it has */
	const bench_floor_ops *floor; /* open is NULL for a module's: nobody has written its work by hand */
	double round_trip_ms;         /* to the server; NaN where there is none */
	const char *filesystem;       /* that it lies on; NULL: a server's, which is not seen */
} bench_store;

/* The ends of the names of stores beside: the floor's, and the engine's with fewer rows. */
#define BENCH_FLOOR_END ".floor"
#define BENCH_BASE_END ".base"

/* Reads what stores are to be made, none of which may be there. They will go with this process, however it ends. */
int bench_stores_read(const char *const *uris, size_t count, bench_store *stores);
void bench_stores_free(bench_store *stores, size_t count);

/* The path of a store beside. */
char *bench_store_beside(const bench_store *store, const char *end);

/* The folder that a store lies in; of one on a server the one that we are in. */
char *bench_store_folder(const bench_store *store);

typedef struct bench_options {
	double seconds; /* that the engine is measured for, in each workload */
	unsigned pairs;
	bool quick;
	bench_floor_kind floor;
	bool doctor;       /* the engine's expected books are made wrong */
	bool doctor_floor; /* the other side's */
	bool lose_keys;    /* keys that both sides are to know are not theirs */
	bool refuse;       /* budgets are full, and are not to be */
	uint64_t seed;
	double rate; /* 0 = closed loop */
	/* What replaces the workload's own, where it was given. */
	uint64_t threads, processes, batch, budgets;
	bool has_keys;
	bench_keys keys;
} bench_options;

/* ---- rows --------------------------------------------------------------------------------------------------- */

/* What was measured of one workload on one store. Numbers that are NaN are null in JSON. */
typedef struct bench_row {
	const char *workload;
	char store[64];
	char backend[32];
	char version[64];
	const char *size;
	const char *filesystem;
	ff_durability durability;
	double round_trip_ms;
	uint64_t processes, threads, batch; /* threads of each process */
	bench_keys keys;
	uint64_t existing_keys, budgets, dimensions;
	double rate;
	uint64_t ops;
	double seconds, per_second;
	const char *against;
	double against_per_second;
	bench_spread ratio;
	uint64_t pairs;
	double p1, p50, p99, p999, p100;
	double cpu_us_per_op, bytes_per_op;
	double floor_cpu_us_per_op, floor_bytes_per_op;
	double peak_memory_bytes, engine_memory_bytes;
	bool books_wrong;
	cJSON *extra;
} bench_row;

const char *bench_durability_name(ff_durability durability);
const char *bench_keys_name(bench_keys keys);

/* results.c */
cJSON *bench_row_json(const bench_row *row);
cJSON *bench_document(const char *filesystem, const char *label, cJSON *rows);
/* Reads a file of rows, and ends the program where it is none. */
cJSON *bench_read_document(const char *path);
/* Takes in the rows of another document, which goes; one that is there already stays one. */
void bench_merge_document(cJSON *into, cJSON *other);
/* Ends the program where no file can be written there: before the work, and not behind it. Whether it is or will be a file,
 * and not stdout or a pipe, and so can be written again. */
bool bench_check_place(const char *path);
void bench_write_document(const cJSON *document, const char *path);
void bench_table(const cJSON *rows);
double bench_number(const cJSON *row, const char *name);
const char *bench_text(const cJSON *row, const char *name);

/* The workload, and what of its surroundings is not as usual: "hot, 4 processes, 10 ms away", "mixed, 2000/s due",
 * "single, in memory". */
typedef struct bench_words {
	char text[144];
} bench_words;

bench_words bench_title(const cJSON *row);

int bench_compare(const char *a, const char *b);
int bench_plot(const char *from, const char *to);

/* ---- pairs.c: two sides in turn ----------------------------------------------------------------------------- */

/* What a slice took. */
typedef struct bench_slice {
	uint64_t ops;
	double seconds;
} bench_slice;

/* Does `ops` operations and says how long the calls took. */
typedef void bench_slice_fn(void *context, uint64_t ops, bench_slice *slice);

typedef struct bench_side {
	bench_slice_fn *slice;
	void (*before)(void *context, uint64_t ops); /* a slice of so many, and not in what it takes; NULL: nothing */
	void *context;
	bench_histogram *latencies; /* emptied after the warm-up; NULL: none */

	/* Measured. */
	double *rates;
	uint64_t ops;
	double seconds;
	bench_usage used;
} bench_side;

typedef struct bench_pairs {
	unsigned pairs;
	double slice_seconds;
	uint64_t unit;    /* slices are whole multiples of so many operations */
	uint64_t ops_max; /* that a slice has; 0: no limit */
} bench_pairs;

/*
 * Warms both sides up, finds how many operations a slice is, and lets the sides take turns. `b` may be NULL: one side
 * alone. Fills the row's throughput, ratio, latencies, CPU and bytes.
 */
void bench_run_pairs(const bench_pairs *how, bench_side *a, bench_side *b, bench_row *row);

void bench_tell_latencies(bench_row *row, const bench_histogram *latencies);

/* ---- subject.c: the engine as a side ------------------------------------------------------------------------ */

typedef struct bench_subject {
	const bench_store *store;
	ff_engine *engine;
	bench_memory memory;
	ff_allocator allocator;
	const ff_clock *clock; /* NULL = the system's */
	int64_t key_ttl_ms;    /* 0 = the default */
} bench_subject;

/* Opens, or opens anew, with this durability. */
void bench_subject_open(bench_subject *subject, ff_durability durability);
void bench_subject_close(bench_subject *subject);

/* What a workload is made of, where it reports. */
typedef struct bench_shape {
	unsigned processes; /* that call; 1 = this one */
	unsigned threads;   /* of each process */
	size_t batch;       /* reports a call; 1 = ff_engine_report_usage */
	size_t floor_batch; /* reports a commit of the floor */
	bench_keys keys;
	uint64_t existing; /* keys in the store when the run begins */
	uint64_t budgets;
	int64_t period_ms; /* of the budgets; 0: none */
	unsigned dimensions;
	ff_durability durability;
	bool zipf;
	bool refuse; /* budgets are full from the start */
	bool replay; /* every key is known */
} bench_shape;

/* Reports on one side's store: which come next, and what was accepted. Where other processes report, they see the same
 * one (bench_share); what was accepted they always do. */
typedef struct bench_reports bench_reports;
struct bench_reports {
	const bench_shape *shape;
	bench_stream stream;
	uint64_t first; /* that is in the books: earlier ones were reset */
	_Atomic uint64_t next;
	_Atomic uint64_t *accepted; /* by budget and dimension */
	double rate;                /* 0 = closed loop */
	bench_histogram latencies;
	/* Calls that are no reports, of which this makes some: NULL, or whether request `number` was one; *ns is what it
	 * took. */
	bool (*other)(bench_subject *subject, bench_reports *reports, const ff_report *report, uint64_t number,
	              uint64_t *ns);
	bool (*is_other)(uint64_t number);
	_Atomic uint64_t admitted;
};

void bench_reports_init(bench_reports *reports, const bench_shape *shape, uint64_t seed);
void bench_reports_free(bench_reports *reports);
/* Counts what was applied. */
void bench_reports_accept(bench_reports *reports, const bench_texts *texts, size_t amounts_count);

/* Makes the books wrong, where it is told to, in the last place that is looked at. */
void bench_reports_doctor(bench_reports *reports, bool doctor);

/*
 * Whether what was accepted is what was asked: of every budget all of it, or where budgets are to be full what fits. Work
 * that was refused or lost is no work. False where it is not: stderr says which, and on which side.
 */
bool bench_reports_right(const bench_reports *reports, const bench_shape *shape, const char *whose);

/* Makes the last requests anew, which a side is asked once more after the run: a key that it has not kept charges twice.
 * Answers how many there are, at most BENCH_REPEATED; none where there are no keys. */
size_t bench_repeat(const bench_reports *reports, const bench_options *options, bench_batch *batch);
#define BENCH_REPEATED 1024

/* The limit of every budget and dimension. */
uint64_t bench_hard_limit(const bench_shape *shape);

/* Creates the budgets, and reports the keys that are to exist, without durability. */
void bench_subject_fill(bench_subject *subject, bench_reports *reports);

typedef struct bench_engine_side {
	bench_subject *subject;
	bench_reports *reports;
} bench_engine_side;

bench_slice_fn bench_engine_slice;

/* From when to when a side reported. */
typedef struct bench_stretch {
	uint64_t began_ns, ended_ns;
	uint64_t calls_ns; /* that the calls took, where one thread alone made them */
} bench_stretch;

/* Reports until request `end`; the slice's first request is `from`. Who calls takes care of the side's `next`, from which
 * each thread takes one more to see the end. */
typedef void bench_report_fn(void *side, uint64_t from, uint64_t end, bench_histogram *latencies, bench_stretch *took);

/* By as many threads as the shape says. */
bench_report_fn bench_engine_report;

void bench_subject_repeat(bench_subject *subject, const bench_reports *reports, const bench_options *options);
/* Compares usage with what was accepted, and with the limits. False where the books are wrong: stderr says which. */
bool bench_subject_books(bench_subject *subject, const bench_reports *reports);

/* ---- processes.c: a side in several processes ---------------------------------------------------------------- */

/* Memory, cleared, that processes share which are forked later. */
void *bench_share(size_t count, size_t size);
void bench_unshare(void *memory, size_t count, size_t size);

/* What a process does with its copy of a side, whose store is there and not open. */
typedef struct bench_hand {
	void (*open)(void *side);
	bench_report_fn *report;
	void (*close)(void *side);
	const bench_memory *(*memory)(void *side); /* the engine's; NULL: none */
} bench_hand;

extern const bench_hand bench_engine_hand, bench_floor_hand;

/* Processes that report, as many as the shape says. This one must have nothing open, and have shared `reports`. */
typedef struct bench_workers bench_workers;

bench_workers *bench_workers_start(const bench_hand *hand, void *side, bench_reports *reports);
bench_slice_fn bench_workers_slice;
/* Waits for their end, and tells the sums of what each held at most in its last slice. */
void bench_workers_end(bench_workers *workers, double *peak_bytes, double *engine_peak_bytes);

/* ---- the floor as a side: floorside.c ------------------------------------------------------------------------ */

typedef struct bench_floor_side {
	const bench_store *store;
	bench_floor *floor; /* NULL: not open */
	bench_floor_kind kind;
	char *path;
	bench_reports *reports;
	bench_batch batch;
	unsigned char *applied;
} bench_floor_side;

/* Makes the floor's store, with the budgets and keys that are to exist, and leaves it closed. */
void bench_floor_side_fill(bench_floor_side *side);
/* Opens it with the shape's durability. */
void bench_floor_side_open(bench_floor_side *side);
/* Closes it and takes it away. */
void bench_floor_side_clear(bench_floor_side *side);
bench_slice_fn bench_floor_slice;
void bench_floor_repeat(bench_floor_side *side, const bench_options *options);
bool bench_floor_books(bench_floor_side *side);

/* ---- workloads.c -------------------------------------------------------------------------------------------- */

typedef struct bench_workload bench_workload;
struct bench_workload {
	const char *name;
	const char *summary;
	/* Measures on one store and fills the rows, of which there are at most BENCH_ROWS_MAX. Answers their number. */
	unsigned (*run)(const bench_workload *workload, const bench_store *store, const bench_options *options,
	                bench_row *rows);
	bench_shape shape;
	uint64_t size;       /* of the workload's own kind: entries in a window, budgets that are due, expired keys */
	bool purges;         /* expired keys, where house is kept */
	const char *against; /* where the engine is the other side too: what it does there */
	uint64_t base_budgets, base_existing; /* and with how many; budgets: 0 = as many */
};

#define BENCH_ROWS_MAX 8

extern const bench_workload bench_workloads[];
extern const size_t bench_workloads_count;

#endif
