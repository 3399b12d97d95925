/* What ff-bench makes of times that are known: percentiles, quartiles, and sides in turn. And that requests are what they are said
 * to be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../bench.h"
#include "check.h"

static bool is_near(double got, double want)
{
	return fabs(got - want) <= 1e-9 * fabs(want);
}

void *bench_allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	return memory ? memory : (abort(), NULL);
}

/* ---- latencies ---------------------------------------------------------------------------------------------- */

/* The median of a value and a larger one is that value, or up to 1/64 above it. */
static void test_buckets(void)
{
	static const uint64_t ends[] = { 0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 1000000, (UINT64_C(1) << 45) - 1 };
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		bench_histogram of = { 0 };
		double us = (double)ends[i] / 1000;
		bench_record(&of, ends[i]);
		CHECK(is_near(bench_percentile_us(&of, 0.5), us));
		bench_record(&of, UINT64_C(1) << 45); /* the first that has no bucket of its own */
		CHECK(bench_percentile_us(&of, 0.5) >= us && bench_percentile_us(&of, 0.5) <= us * (1 + 1.0 / 64));
		CHECK(ends[i] >= 128 || is_near(bench_percentile_us(&of, 0.5), us));
	}
}

/* Of 1 … 1,000 ns, in two parts. */
static void test_percentiles(void)
{
	static const double shares[] = { 0.01, 0.5, 0.99, 0.999 };
	bench_histogram odd = { 0 }, even = { 0 }, none = { 0 };
	for (uint64_t ns = 1; ns <= 1000; ns++)
		bench_record(ns % 2 ? &odd : &even, ns);
	bench_merge(&odd, &even);
	bench_merge(&odd, &none);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		double us = bench_percentile_us(&odd, shares[i]);
		CHECK(us >= shares[i] * (1 - 1e-9) && us <= shares[i] * (1 + 1.0 / 64));
	}
	CHECK(odd.count == 1000 && odd.max_ns == 1000);
	CHECK(is_near(bench_percentile_us(&odd, 1), 1));
	CHECK(is_near(bench_percentile_us(&odd, 0.0101), 0.011)); /* no less than the share are not above it */
	CHECK(isnan(bench_percentile_us(&none, 0.5)));
	bench_record(&even, 0);
	bench_merge(&none, &even);
	CHECK(none.max_ns == 1000 && bench_percentile_us(&none, 0.001) == 0);
}

static void test_quartiles(void)
{
	double five[] = { 5, 1, 4, 2, 3 }, four[] = { 40, 10, 20, 30 }, one[] = { 7, NAN };
	bench_spread of = bench_spread_of(five, 5);
	CHECK(of.min == 1 && of.q1 == 2 && of.median == 3 && of.q3 == 4 && of.max == 5);
	of = bench_spread_of(four, 4);
	CHECK(of.min == 10 && of.q1 == 17.5 && of.median == 25 && of.q3 == 32.5 && of.max == 40);
	of = bench_spread_of(one, 1);
	CHECK(of.min == 7 && of.q1 == 7 && of.median == 7 && of.q3 == 7 && of.max == 7);
	of = bench_spread_of(one, 0);
	CHECK(isnan(of.min) && isnan(of.q1) && isnan(of.median) && isnan(of.q3) && isnan(of.max));
}

/* ---- sides in turn ------------------------------------------------------------------------------------------ */

static char order[64];

/* A side that knows how fast it is in its next slices; the last one's rate stays. What an operation costs is its second. */
typedef struct fake {
	char name;
	const double *rates;
	double cost;
	uint64_t least, most; /* operations that it was asked for in a slice */
	bench_histogram latencies;
} fake;

static void fake_slice(void *context, uint64_t ops, bench_slice *slice)
{
	fake *of = context;
	size_t turn = strlen(order);
	order[turn] = of->name;
	of->least = of->least && of->least < ops ? of->least : ops;
	of->most = of->most > ops ? of->most : ops;
	bench_record(&of->latencies, 1000 + turn);
	bench_usage_add((bench_usage){ (double)ops * of->cost, (double)ops * of->cost });
	*slice = (bench_slice){ ops, (double)ops / *of->rates };
	if (of->rates[1] > 0)
		of->rates++;
}

/* Warm, both are a thousand a second fast. The slices of `a` are to take a second: 10, 20, … 320 operations warm it up. */
static void test_pairs(void)
{
#define WARM 1000, 1000, 1000, 1000, 1000, 1000
	static const double of_a[] = { WARM, 100, 300, 200, 0 }, of_b[] = { WARM, 200, 100, 400, 0 };
	fake first = { .name = 'a', .rates = of_a, .cost = 1 }, second = { .name = 'b', .rates = of_b, .cost = 3 };
	bench_side a = { .slice = fake_slice, .context = &first, .latencies = &first.latencies };
	bench_side b = { .slice = fake_slice, .context = &second };
	bench_pairs how = { .pairs = 3, .slice_seconds = 1.009, .unit = 10 };
	bench_row row = { 0 };
	bench_run_pairs(&how, &a, &b, &row);
	CHECK(strcmp(order, "abababababab"
	                    "abbaab") == 0);
	CHECK(first.least == 10 && first.most == 1000 && second.least == 10 && second.most == 1000);
	CHECK(row.ops == 3000 && row.pairs == 3 && is_near(row.seconds, 10 + 10.0 / 3 + 5));
	CHECK(row.per_second == 200 && row.against_per_second == 200);
	/* Of pairs, which is neither one of medians nor one of sums. */
	CHECK(row.ratio.min == 0.5 && row.ratio.median == 0.5 && row.ratio.max == 3);
	CHECK(row.cpu_us_per_op > 0.99e6 && row.cpu_us_per_op < 1.01e6);
	CHECK(row.floor_cpu_us_per_op > 2.99e6 && row.floor_cpu_us_per_op < 3.01e6);
	CHECK(isnan(row.bytes_per_op) || (row.bytes_per_op >= 1 && row.bytes_per_op < 2));
	CHECK(isnan(row.floor_bytes_per_op) || (row.floor_bytes_per_op >= 3 && row.floor_bytes_per_op < 4));
	/* Those of turns 12, 15 and 16: what warmed up is not told. Buckets are 8 ns wide here. */
	CHECK(is_near(row.p1, 1.015) && is_near(row.p50, 1.015) && is_near(row.p99, 1.016) && is_near(row.p100, 1.016));
}

static void test_one_side(void)
{
	static const double rates[] = { 100, 50, 0 };
	fake only = { .name = 'a', .rates = rates, .cost = 1 };
	bench_side a = { .slice = fake_slice, .context = &only };
	bench_pairs how = { .pairs = 2, .slice_seconds = 0.01, .unit = 7 };
	bench_row row = { .ratio.median = NAN, .against_per_second = NAN, .p50 = NAN };
	for (unsigned i = 0; i < 2; i++) { /* the second time as if there had been no first */
		memset(order, 0, sizeof order);
		bench_run_pairs(&how, &a, NULL, &row);
		CHECK(strcmp(order, "aaa") == 0 && only.most == 7); /* no less than the unit */
		CHECK(row.ops == 14 && is_near(row.seconds, 14 / 50.0) && is_near(row.per_second, 50));
		CHECK(row.cpu_us_per_op > 0.99e6 && row.cpu_us_per_op < 1.1e6);
	}
	CHECK(isnan(row.ratio.median) && isnan(row.against_per_second) && isnan(row.p50));
}

/* ---- requests ----------------------------------------------------------------------------------------------- */

/* How many of 100,000 requests are for the budget that most are for; of what budgets there are each has one. */
static uint64_t most_popular(const bench_stream *stream)
{
	uint64_t counts[1000] = { 0 }, most = 0, seen = 0;
	bench_texts texts;
	ff_report report;
	for (uint64_t i = 0; i < 100000; i++) {
		bench_request(stream, i, &texts, &report);
		seen += texts.budget_number < stream->budgets && counts[texts.budget_number]++ == 0;
	}
	for (size_t i = 0; i < 1000; i++)
		most = counts[i] > most ? counts[i] : most;
	CHECK(seen == stream->budgets);
	return most;
}

static void test_budgets(void)
{
	bench_stream stream = { .seed = 1, .budgets = 1000, .dimensions = 1 };
	char id[24];
	CHECK(most_popular(&stream) < 200);
	stream.zipf = true; /* the first has a share of ln 2 / ln 1001, which is 0.1003 */
	CHECK(most_popular(&stream) > 9700 && most_popular(&stream) < 10400);
	bench_budget_id(1234567, id);
	CHECK(strcmp(id, "budget-1234567") == 0);
	bench_budget_id(0, id);
	CHECK(strcmp(id, "budget-0000000") == 0);
}

/* Whether each key is later than the one before; none is it again. */
static bool are_in_order(const bench_stream *stream)
{
	bench_texts before, now;
	ff_report report;
	bool in_order = true;
	bench_request(stream, 0, &before, &report);
	for (uint64_t i = 1; i < 10000; i++, before = now) {
		bench_request(stream, i, &now, &report);
		CHECK(strlen(now.key) == 36 && report.idempotency_key == now.key && strcmp(before.key, now.key) != 0);
		in_order = in_order && strcmp(before.key, now.key) < 0;
	}
	return in_order;
}

static void test_keys(void)
{
	bench_stream stream = { .seed = 1, .keys = BENCH_KEYS_ORDERED, .budgets = 10, .dimensions = 2 }, other = stream;
	bench_texts texts, again;
	ff_report report;
	CHECK(are_in_order(&stream));
	other.seed = 2;
	bench_request(&stream, 7, &texts, &report);
	bench_request(&other, 7, &again, &report);
	CHECK(strcmp(texts.key, again.key) != 0 && texts.key[14] == '7' && strchr("89ab", texts.key[19]));
	uint64_t alike = 0;
	for (uint64_t i = 0; i < 100; i++) {
		bench_request(&stream, i, &texts, &report);
		bench_request(&other, i, &again, &report);
		alike += texts.budget_number == again.budget_number;
	}
	CHECK(alike < 50);
	stream.repeat = 5;
	bench_request(&stream, 2, &again, &report);
	bench_request(&stream, 7, &texts, &report);
	CHECK(strcmp(texts.key, again.key) == 0 && texts.budget_number == again.budget_number);
	stream = (bench_stream){ .seed = 1, .keys = BENCH_KEYS_RANDOM, .budgets = 10, .dimensions = 1 };
	CHECK(!are_in_order(&stream));
	stream.keys = BENCH_KEYS_NONE;
	bench_request(&stream, 7, &texts, &report);
	CHECK(!report.idempotency_key && report.amounts_count == 1 && report.budget_id == texts.budget);
}

/* In each dimension 1 … 100, all of them. */
static void test_amounts(void)
{
	bench_stream stream = { .seed = 1, .budgets = 10, .dimensions = 2 };
	bool seen[2][102] = { { false } };
	bench_texts texts;
	ff_report report;
	for (uint64_t i = 0; i < 10000; i++) {
		bench_request(&stream, i, &texts, &report);
		for (size_t j = 0; j < 2; j++)
			seen[j][report.amounts[j].amount < 101 ? report.amounts[j].amount : 101] = true;
	}
	for (size_t j = 0; j < 2; j++)
		for (size_t i = 0; i < 102; i++)
			CHECK(seen[j][i] == (i >= 1 && i <= 100));
	CHECK(report.amounts_count == 2 && strcmp(report.amounts[0].dimension, report.amounts[1].dimension) != 0);
}

int main(void)
{
	test_buckets();
	test_percentiles();
	test_quartiles();
	test_pairs();
	test_one_side();
	test_budgets();
	test_keys();
	test_amounts();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
