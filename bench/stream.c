/* Requests by number: what request i asks is a function of i and the seed alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* The finisher of SplitMix64. */
uint64_t bench_mix(uint64_t number)
{
	number += UINT64_C(0x9e3779b97f4a7c15);
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

void bench_budget_id(uint64_t number, char id[24])
{
	memcpy(id, "budget-0000000", 15);
	for (char *to = id + 13; number; number /= 10)
		*to-- = (char)('0' + number % 10);
}

const char *bench_dimension(unsigned dimension)
{
	static const char *const names[BENCH_DIMENSIONS_MAX] = { "tokens", "cents" };
	return names[dimension];
}

static char *hex(char *to, uint64_t bits, unsigned digits)
{
	for (unsigned i = 0; i < digits; i++)
		*to++ = "0123456789abcdef"[bits >> 4 * (digits - 1 - i) & 15];
	return to;
}

/* A UUID, as text: of version 4 all random, of version 7 in the order of `number`, which counts within the millisecond. */
static void make_key(const bench_stream *stream, uint64_t number, char key[40])
{
	const uint64_t base_ms = UINT64_C(0x19b00000000); /* a day in 2025 */
	bool ordered = stream->keys == BENCH_KEYS_ORDERED;
	uint64_t high = bench_mix(stream->seed ^ number), low = bench_mix(high);
	uint64_t time = ordered ? base_ms + number / 4096 : high >> 16;
	uint64_t counter = ordered ? number % 4096 : high & 0xfff;
	char *to = hex(key, time >> 16, 8);
	*to++ = '-';
	to = hex(to, time & 0xffff, 4);
	*to++ = '-';
	*to++ = ordered ? '7' : '4';
	to = hex(to, counter, 3);
	*to++ = '-';
	to = hex(to, 0x8000 | (low >> 48 & 0x3fff), 4);
	*to++ = '-';
	to = hex(to, low & 0xffffffffffff, 12);
	*to = '\0';
}

static double unit(uint64_t bits)
{
	return (double)(bits >> 11) * 0x1p-53;
}

/* Rank r comes with a probability of log(1 + 1/r), which is Zipf's 1/r but for the first few; popular budgets do not lie
 * beside each other. */
static uint64_t choose_budget(const bench_stream *stream, uint64_t bits)
{
	const uint64_t prime = 2654435761u;
	if (!stream->zipf)
		return bits % stream->budgets;
	uint64_t rank = (uint64_t)exp(unit(bits) * log((double)stream->budgets + 1)) - 1;
	return rank * prime % stream->budgets;
}

void bench_request(const bench_stream *stream, uint64_t number, bench_texts *texts, ff_report *report)
{
	if (stream->repeat)
		number %= stream->repeat;
	uint64_t bits = bench_mix(stream->seed * UINT64_C(0x2545f4914f6cdd1d) + number);
	texts->budget_number = choose_budget(stream, bits);
	bench_budget_id(texts->budget_number, texts->budget);
	for (unsigned i = 0; i < stream->dimensions; i++)
		texts->amounts[i] = (ff_amount){ bench_dimension(i), 1 + (bits >> (44 + 8 * i) & 0xff) % 100 };
	*report =
	    (ff_report){ .budget_id = texts->budget, .amounts = texts->amounts, .amounts_count = stream->dimensions };
	if (stream->keys == BENCH_KEYS_NONE)
		return;
	make_key(stream, number, texts->key);
	report->idempotency_key = texts->key;
}

void bench_batch_init(bench_batch *batch, size_t count)
{
	batch->texts = bench_allocate(count, sizeof(*batch->texts));
	batch->reports = bench_allocate(count, sizeof(*batch->reports));
	batch->results = bench_allocate(count, sizeof(*batch->results));
}

void bench_batch_free(bench_batch *batch)
{
	free(batch->texts);
	free(batch->reports);
	free(batch->results);
}
