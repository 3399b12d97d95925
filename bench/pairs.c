/* Two sides in turn: engine, floor, floor, engine, … so that what changes with time falls on both alike. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"

static void begin_slice(bench_side *side, uint64_t ops)
{
	if (side->before)
		side->before(side->context, ops);
}

static void run_slice(bench_side *side, uint64_t ops, bench_slice *slice)
{
	begin_slice(side, ops);
	bench_usage before = bench_usage_now();
	side->slice(side->context, ops, slice);
	bench_usage after = bench_usage_now();
	side->ops += slice->ops;
	side->seconds += slice->seconds;
	side->used.cpu_seconds += after.cpu_seconds - before.cpu_seconds;
	side->used.written_bytes += after.written_bytes - before.written_bytes;
}

static void warm_up(bench_side *side, uint64_t ops, bench_slice *slice)
{
	if (!side)
		return;
	begin_slice(side, ops);
	side->slice(side->context, ops, slice);
}

/* How many operations side `a` does in a slice. Side `b` does the same ones meanwhile, so that the stores stay alike. */
static uint64_t find_ops(const bench_pairs *how, bench_side *a, bench_side *b)
{
	bench_slice slice, other;
	for (uint64_t ops = how->unit;; ops *= 2) {
		warm_up(a, ops, &slice);
		warm_up(b, ops, &other);
		bool is_most = how->ops_max && 2 * ops > how->ops_max;
		if (slice.seconds < how->slice_seconds / 4 && !is_most)
			continue;
		double wanted = (double)ops * how->slice_seconds / slice.seconds / (double)how->unit;
		uint64_t most = how->ops_max / how->unit;
		if (most && wanted > (double)most)
			wanted = (double)most;
		return (wanted > 1 ? (uint64_t)wanted : 1) * how->unit;
	}
}

static void begin(bench_side *side, unsigned pairs)
{
	if (!side)
		return;
	side->rates = bench_allocate(pairs, sizeof(*side->rates));
	side->ops = 0;
	side->seconds = 0;
	side->used = (bench_usage){ 0 };
	if (side->latencies)
		*side->latencies = (bench_histogram){ 0 };
}

void bench_tell_latencies(bench_row *row, const bench_histogram *latencies)
{
	row->p1 = bench_percentile_us(latencies, 0.01);
	row->p50 = bench_percentile_us(latencies, 0.5);
	row->p99 = bench_percentile_us(latencies, 0.99);
	row->p999 = bench_percentile_us(latencies, 0.999);
	row->p100 = bench_percentile_us(latencies, 1);
}

static void tell_ratio(bench_row *row, const bench_side *a, bench_side *b, unsigned pairs)
{
	double *ratios = bench_allocate(pairs, sizeof(*ratios));
	for (unsigned i = 0; i < pairs; i++)
		ratios[i] = a->rates[i] / b->rates[i];
	row->ratio = bench_spread_of(ratios, pairs);
	row->against_per_second = bench_spread_of(b->rates, pairs).median;
	row->floor_cpu_us_per_op = 1e6 * b->used.cpu_seconds / (double)b->ops;
	row->floor_bytes_per_op = b->used.written_bytes / (double)b->ops;
	free(ratios);
	free(b->rates);
}

static void tell(bench_row *row, bench_side *a, bench_side *b, unsigned pairs)
{
	row->ops = a->ops;
	row->seconds = a->seconds;
	row->pairs = pairs;
	row->cpu_us_per_op = 1e6 * a->used.cpu_seconds / (double)a->ops;
	row->bytes_per_op = a->used.written_bytes / (double)a->ops;
	if (b)
		tell_ratio(row, a, b, pairs);
	row->per_second = bench_spread_of(a->rates, pairs).median;
	free(a->rates);
	if (a->latencies)
		bench_tell_latencies(row, a->latencies);
}

void bench_run_pairs(const bench_pairs *how, bench_side *a, bench_side *b, bench_row *row)
{
	uint64_t ops = find_ops(how, a, b);
	begin(a, how->pairs);
	begin(b, how->pairs);
	for (unsigned i = 0; i < how->pairs; i++)
		for (unsigned turn = 0; turn < 2; turn++) {
			bench_side *side = (i + turn) % 2 ? b : a;
			bench_slice slice;
			if (!side)
				continue;
			run_slice(side, ops, &slice);
			side->rates[i] = (double)slice.ops / slice.seconds;
		}
	tell(row, a, b, how->pairs);
}
