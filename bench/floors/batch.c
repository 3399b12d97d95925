/* What a floor remembers within a batch: budgets that were read, in a hash table, and keys in the order of writing. */
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xxhash.h>

_Noreturn void floor_die(const char *doing, const char *why)
{
	fprintf(stderr, "ff-bench: the floor cannot %s: %.*s\n", doing, (int)strcspn(why, "\n"), why);
	exit(1);
}

int64_t floor_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *room(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count, size);
	if (!memory)
		floor_die("go on", "memory is out");
	return memory;
}

void floor_batch_begin(floor_batch *batch, size_t count)
{
	if (count > batch->capacity) {
		size_t places = 4;
		while (places < 2 * count)
			places *= 2;
		batch->places = room(batch->places, places, sizeof(*batch->places));
		batch->places_count = places;
		batch->budgets = room(batch->budgets, count, sizeof(*batch->budgets));
		batch->digests = room(batch->digests, count, sizeof(*batch->digests));
		batch->outcomes = room(batch->outcomes, count, sizeof(*batch->outcomes));
		batch->keys = room(batch->keys, count, sizeof(*batch->keys));
		batch->spare = room(batch->spare, count, sizeof(*batch->spare));
		batch->capacity = count;
	}
	memset(batch->places, 0, batch->places_count * sizeof(*batch->places));
	batch->budgets_count = 0;
	batch->keys_count = 0;
}

void floor_batch_free(floor_batch *batch)
{
	free(batch->places);
	free(batch->budgets);
	free(batch->digests);
	free(batch->outcomes);
	free(batch->keys);
	free(batch->spare);
}

floor_budget *floor_batch_budget(floor_batch *batch, const char *id, bool *fresh)
{
	size_t size = strlen(id);
	size_t mask = batch->places_count - 1;
	size_t place = (size_t)XXH3_64bits(id, size) & mask;
	for (; batch->places[place]; place = (place + 1) & mask) {
		floor_budget *budget = &batch->budgets[batch->places[place] - 1];
		if (budget->id_size == size && memcmp(budget->id, id, size) == 0) {
			*fresh = false;
			return budget;
		}
	}
	floor_budget *budget = &batch->budgets[batch->budgets_count++];
	batch->places[place] = (uint32_t)batch->budgets_count;
	budget->id = id;
	budget->id_size = size;
	budget->dimensions_count = 0;
	budget->breaches = 0;
	*fresh = true;
	return budget;
}

static unsigned find_dimension(const floor_budget *budget, const char *name)
{
	for (unsigned i = 0; i < budget->dimensions_count; i++)
		if (strcmp(budget->dimensions[i].name, name) == 0)
			return i;
	floor_die("charge a dimension without a limit", name);
}

unsigned char floor_decide(floor_budget *budget, const ff_report *report)
{
	unsigned places[FLOOR_DIMENSIONS_MAX];
	for (size_t i = 0; i < report->amounts_count; i++) {
		places[i] = find_dimension(budget, report->amounts[i].dimension);
		if (budget->dimensions[places[i]].used + report->amounts[i].amount >
		    budget->dimensions[places[i]].hard) {
			budget->breaches++;
			return FLOOR_REFUSED;
		}
	}
	for (size_t i = 0; i < report->amounts_count; i++) {
		budget->dimensions[places[i]].used += report->amounts[i].amount;
		budget->dimensions[places[i]].changed = true;
	}
	return FLOOR_OK;
}

uint64_t floor_digest(const ff_report *report)
{
	uint64_t digest = 0;
	for (size_t i = 0; i < report->amounts_count; i++) {
		const ff_amount *amount = &report->amounts[i];
		digest = XXH3_64bits_withSeed(amount->dimension, strlen(amount->dimension), digest + amount->amount);
	}
	return digest;
}

static uint64_t first_bytes(const char *key)
{
	uint64_t first = 0;
	for (unsigned i = 0; i < 8; i++) {
		first = first << 8 | (unsigned char)*key;
		key += *key != '\0';
	}
	return first;
}

void floor_batch_sort(floor_batch *batch, const ff_report *reports, size_t count)
{
	size_t keys = 0;
	bool in_order = true;
	const char *last = "";
	for (size_t i = 0; i < count; i++) {
		const char *key = reports[i].idempotency_key;
		if (!key || batch->outcomes[i] > FLOOR_REFUSED)
			continue;
		batch->keys[keys++] = (floor_key){ first_bytes(key), (uint32_t)i };
		in_order = in_order && strcmp(last, key) < 0;
		last = key;
	}
	batch->keys_count = keys;
	/* By the lowest byte first; the order of keys that begin alike is of no matter. */
	for (unsigned shift = 0; !in_order && shift < 64; shift += 8) {
		size_t starts[257] = { 0 };
		for (size_t i = 0; i < keys; i++)
			starts[(batch->keys[i].first >> shift & 0xff) + 1]++;
		for (unsigned i = 1; i < 257; i++)
			starts[i] += starts[i - 1];
		for (size_t i = 0; i < keys; i++)
			batch->spare[starts[batch->keys[i].first >> shift & 0xff]++] = batch->keys[i];
		floor_key *sorted = batch->spare;
		batch->spare = batch->keys;
		batch->keys = sorted;
	}
}
