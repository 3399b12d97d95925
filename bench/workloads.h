/* What workloads share among themselves. */
#ifndef FF_BENCH_WORKLOADS_H
#define FF_BENCH_WORKLOADS_H

#include "bench.h"

typedef unsigned bench_run_fn(const bench_workload *workload, const bench_store *store, const bench_options *options,
                              bench_row *rows);

/* A workload's shape as the command line changes it. Who cannot do all of that puts its own back. */
bench_shape bench_shape_for(const bench_workload *workload, const bench_store *store, const bench_options *options);
bench_pairs bench_pairs_for(const bench_options *options, uint64_t unit);

void bench_row_begin(bench_row *row, const char *name, const bench_store *store, const bench_shape *shape,
                     const bench_options *options);
/* Adds what the engine is, and memory. */
void bench_row_end(bench_row *row, bench_subject *subject);

void bench_settle(const bench_store *store);

/* Opens the workload's store with the budgets and keys that are to be there; and takes everything away again. */
void bench_prepare(bench_subject *subject, bench_reports *reports, const bench_shape *shape, uint64_t seed);
void bench_clear(bench_subject *subject, bench_reports *reports);

/* The one quota of a workload that admits, and admission `number` to it. */
#define BENCH_QUOTA "quota"
void bench_create_quota(ff_engine *engine, uint64_t window_seconds, uint64_t places);
ff_admission bench_admission_of(uint64_t number, char execution[32]);

bench_run_fn bench_run_reports;
bench_run_fn bench_run_against;
bench_run_fn bench_run_admission;
bench_run_fn bench_run_status;
bench_run_fn bench_run_mixed;
bench_run_fn bench_run_spend;
bench_run_fn bench_run_house;

#endif
