/* The floor as a side: it gets the requests that the engine gets, in batches of its own size, from one thread. */
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
	side->ops->create(side->floor, specs, count);
	free(specs);
	free(ids);
}

/* One commit. Answers how long it took. */
static uint64_t report_batch(bench_floor_side *side, size_t count)
{
	bench_reports *reports = side->reports;
	for (size_t i = 0; i < count; i++)
		bench_request(&reports->stream, reports->next + i, &side->batch.texts[i], &side->batch.reports[i]);
	uint64_t began = bench_now_ns();
	side->ops->report(side->floor, side->batch.reports, count, side->applied);
	uint64_t took = bench_now_ns() - began;
	/* What is replayed was counted when it was first accepted. */
	for (size_t i = 0; !reports->stream.repeat && i < count; i++)
		if (side->applied[i])
			bench_reports_accept(reports, &side->batch.texts[i], reports->stream.dimensions);
	reports->next += count;
	return took;
}

void bench_floor_side_fill(bench_floor_side *side, const bench_store *store, ff_durability durability)
{
	bench_reports *reports = side->reports;
	const bench_shape *shape = reports->shape;
	size_t room = shape->floor_batch > FILL_BATCH ? shape->floor_batch : FILL_BATCH;
	side->path = bench_store_beside(store, BENCH_FLOOR_END);
	side->ops = store->floor;
	side->floor = side->ops->open(side->path, store->query, FF_DURABILITY_NONE, BENCH_FLOOR_UNSEEN);
	side->applied = bench_allocate(room, 1);
	bench_batch_init(&side->batch, room);
	for (uint64_t at = 0; at < shape->budgets; at += FILL_BATCH) {
		uint64_t left = shape->budgets - at;
		create_budgets(side, at, left < FILL_BATCH ? left : FILL_BATCH);
	}
	while (reports->next < shape->existing) {
		uint64_t left = shape->existing - reports->next;
		report_batch(side, left < FILL_BATCH ? left : FILL_BATCH);
	}
	if (shape->replay)
		reports->stream.repeat = shape->existing;
	side->ops->close(side->floor);
	side->floor = side->ops->open(side->path, store->query, durability, side->kind);
}

void bench_floor_side_close(bench_floor_side *side)
{
	side->ops->close(side->floor);
	side->ops->remove(side->path);
	free(side->path);
	free(side->applied);
	bench_batch_free(&side->batch);
}

void bench_floor_slice(void *context, uint64_t ops, bench_slice *slice)
{
	bench_floor_side *side = context;
	uint64_t took = 0;
	for (uint64_t done = 0; done < ops;) {
		uint64_t left = ops - done;
		size_t count = left < side->reports->shape->floor_batch ? left : side->reports->shape->floor_batch;
		took += report_batch(side, count);
		done += count;
	}
	*slice = (bench_slice){ ops, (double)took / 1e9 };
}

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
	side->ops->usage(side->floor, names, count, bench_dimension(dimension), used);
	for (size_t i = 0; i < count && right; i++) {
		uint64_t accepted = reports->accepted[(from + i) * reports->stream.dimensions + dimension];
		right = used[i] == accepted && used[i] <= bench_hard_limit(reports->shape);
		if (!right)
			fprintf(stderr,
			        "ff-bench: wrong books of the floor on %s: budget '%s' has used %" PRIu64
			        " %s, but %" PRIu64 " were accepted; the limit is %" PRIu64 "\n",
			        side->ops->scheme, ids[i], used[i], bench_dimension(dimension), accepted,
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
