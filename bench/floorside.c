/* The floor as a side: it gets the requests that the engine gets, in batches of its own size, from one thread a process. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "floors/floor.h"

#define FILL_BATCH 8192

static void create_budgets(bench_floor_side *side, uint64_t from, size_t count)
{
	const bench_shape *shape = side->reports->shape;
	ff_budget_spec *specs = bench_allocate(count, sizeof(*specs));
	char(*ids)[24] = bench_allocate(count, sizeof(*ids));
	ff_limit limits[BENCH_DIMENSIONS_MAX];
	for (unsigned i = 0; i < shape->dimensions; i++)
		limits[i] = (ff_limit){ .dimension = bench_dimension(i), .hard = bench_hard_limit(shape) };
	for (size_t i = 0; i < count; i++) {
		bench_budget_id(from + i, ids[i]);
		specs[i].budget_id = ids[i];
		specs[i].limits = limits;
		specs[i].limits_count = shape->dimensions;
	}
	side->store->floor->create(side->floor, specs, count);
	free(specs);
	free(ids);
}

/* One commit. Answers how long it took. */
static uint64_t report_batch(bench_floor_side *side, uint64_t from, size_t count)
{
	bench_reports *reports = side->reports;
	for (size_t i = 0; i < count; i++)
		bench_request(&reports->stream, from + i, &side->batch.texts[i], &side->batch.reports[i]);
	uint64_t began = bench_now_ns();
	side->store->floor->report(side->floor, side->batch.reports, count, side->applied);
	uint64_t took = bench_now_ns() - began;
	/* What is replayed was counted when it was first accepted. */
	for (size_t i = 0; !reports->stream.repeat && i < count; i++)
		if (side->applied[i])
			bench_reports_accept(reports, &side->batch.texts[i], reports->stream.dimensions);
	return took;
}

void bench_floor_side_open(bench_floor_side *side)
{
	const bench_store *store = side->store;
	side->floor = store->floor->open(side->path, store->query, side->reports->shape->durability, side->kind);
}

static void close_side(bench_floor_side *side)
{
	side->store->floor->close(side->floor);
	side->floor = NULL;
}

void bench_floor_side_fill(bench_floor_side *side)
{
	bench_reports *reports = side->reports;
	const bench_shape *shape = reports->shape;
	const bench_store *store = side->store;
	size_t room = shape->floor_batch > FILL_BATCH ? shape->floor_batch : FILL_BATCH;
	side->path = bench_store_beside(store, BENCH_FLOOR_END);
	side->floor = store->floor->open(side->path, store->query, FF_DURABILITY_NONE, BENCH_FLOOR_UNSEEN);
	side->applied = bench_allocate(room, 1);
	bench_batch_init(&side->batch, room);
	for (uint64_t at = 0; at < shape->budgets; at += FILL_BATCH) {
		uint64_t left = shape->budgets - at;
		create_budgets(side, at, left < FILL_BATCH ? left : FILL_BATCH);
	}
	while (reports->next < shape->existing) {
		uint64_t left = shape->existing - reports->next;
		size_t count = left < FILL_BATCH ? left : FILL_BATCH;
		report_batch(side, reports->next, count);
		reports->next += count;
	}
	if (shape->replay)
		reports->stream.repeat = shape->existing;
	close_side(side);
}

void bench_floor_side_clear(bench_floor_side *side)
{
	close_side(side);
	side->store->floor->remove(side->path);
	free(side->path);
	free(side->applied);
	bench_batch_free(&side->batch);
}

void bench_floor_repeat(bench_floor_side *side, const bench_options *options)
{
	size_t count = bench_repeat(side->reports, options, &side->batch);
	if (count)
		side->store->floor->report(side->floor, side->batch.reports, count, side->applied);
}

static void report_until(void *context, uint64_t from, uint64_t end, bench_histogram *latencies, bench_stretch *took)
{
	bench_floor_side *side = context;
	size_t unit = side->reports->shape->floor_batch;
	(void)latencies; /* nobody waits for one report */
	(void)from;
	took->began_ns = bench_now_ns();
	for (uint64_t next; (next = atomic_fetch_add(&side->reports->next, unit)) < end;)
		took->calls_ns += report_batch(side, next, end - next < unit ? end - next : unit);
	took->ended_ns = bench_now_ns();
}

void bench_floor_slice(void *context, uint64_t ops, bench_slice *slice)
{
	bench_floor_side *side = context;
	bench_stretch took = { 0 };
	uint64_t end = side->reports->next + ops;
	report_until(side, side->reports->next, end, NULL, &took);
	side->reports->next = end;
	*slice = (bench_slice){ ops, (double)took.calls_ns / 1e9 };
}

static void open_hand(void *context)
{
	bench_floor_side_open(context);
}

static void close_hand(void *context)
{
	close_side(context);
}

const bench_hand bench_floor_hand = { .open = open_hand, .report = report_until, .close = close_hand };

/* Of so many budgets from this one on, in one dimension. */
static bool check_usage(bench_floor_side *side, uint64_t from, size_t count, unsigned dimension)
{
	const bench_reports *reports = side->reports;
	char(*ids)[24] = bench_allocate(count, sizeof(*ids));
	const char **names = bench_allocate(count, sizeof(*names));
	uint64_t *used = bench_allocate(count, sizeof(*used));
	bool right = true;
	for (size_t i = 0; i < count; i++) {
		bench_budget_id(from + i, ids[i]);
		names[i] = ids[i];
	}
	side->store->floor->usage(side->floor, names, count, bench_dimension(dimension), used);
	for (size_t i = 0; i < count && right; i++) {
		uint64_t accepted = reports->accepted[(from + i) * reports->stream.dimensions + dimension];
		right = used[i] == accepted && used[i] <= bench_hard_limit(reports->shape);
		if (!right)
			fprintf(stderr,
			        "ff-bench: wrong books of the floor on %s: budget '%s' has used %" PRIu64
			        " %s, but %" PRIu64 " were accepted; the limit is %" PRIu64 "\n",
			        side->store->scheme, ids[i], used[i], bench_dimension(dimension), accepted,
			        bench_hard_limit(reports->shape));
	}
	free(ids);
	free(names);
	free(used);
	return right;
}

bool bench_floor_books(bench_floor_side *side)
{
	const bench_shape *shape = side->reports->shape;
	for (uint64_t at = 0; at < shape->budgets; at += FILL_BATCH)
		for (unsigned i = 0; i < shape->dimensions; i++) {
			uint64_t left = shape->budgets - at;
			if (!check_usage(side, at, left < FILL_BATCH ? left : FILL_BATCH, i))
				return false;
		}
	return true;
}
