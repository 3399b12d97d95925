#include "leases.h"

#include "arena.h"

static bool counts(const ffp_lease *lease)
{
	return lease->slot->lease == lease && lease->slot->after;
}

void ffp_leases_clear(ffp_leases *leases, ff_arena *arena)
{
	leases->arena = arena;
	leases->count = 0;
}

/* ---- the heap ----------------------------------------------------------------------------------------------- */

static void swap(ffp_lease **heap, size_t a, size_t b)
{
	ffp_lease *lease = heap[a];
	heap[a] = heap[b];
	heap[b] = lease;
}

/* Into room that is there. */
static void push(ffp_leases *leases, ffp_lease *lease)
{
	size_t at = leases->count++;
	leases->heap[at] = lease;
	for (; at && leases->heap[(at - 1) / 2]->until_ms > lease->until_ms; at = (at - 1) / 2)
		swap(leases->heap, at, (at - 1) / 2);
}

static ffp_lease *pop(ffp_leases *leases)
{
	ffp_lease **heap = leases->heap;
	ffp_lease *first = heap[0];
	heap[0] = heap[--leases->count];
	for (size_t at = 0, next; (next = 2 * at + 1) < leases->count; at = next) {
		if (next + 1 < leases->count && heap[next + 1]->until_ms < heap[next]->until_ms)
			next++;
		if (heap[at]->until_ms <= heap[next]->until_ms)
			break;
		swap(heap, at, next);
	}
	return first;
}

/* The old array stays in the arena until the batch ends. */
static bool make_room(ffp_leases *leases)
{
	if (leases->count < leases->room)
		return true;
	size_t room = leases->room ? 2 * leases->room : 16;
	ffp_lease **heap = ffp_arena_room(leases->arena, room, sizeof(ffp_lease *));
	if (!heap)
		return false;
	if (leases->count)
		memcpy(heap, leases->heap, leases->count * sizeof(ffp_lease *));
	leases->heap = heap;
	leases->room = room;
	return true;
}

bool ffp_leases_give(ffp_leases *leases, ffp_item *slot, int64_t until_ms)
{
	ffp_lease *lease = ff_arena_take(leases->arena, sizeof(*lease));
	if (!lease || !make_room(leases))
		return false;
	*lease = (ffp_lease){ .until_ms = until_ms, .slot = slot };
	slot->lease = lease;
	push(leases, lease);
	return true;
}

/* ---- what is over ------------------------------------------------------------------------------------------- */

/* Takes out those that are over and do not count, which they never will again: so many there are, and so the first is one
 * that is over until the last of them is out. */
static void drop_gone(ffp_leases *leases, uint64_t gone)
{
	ffp_lease *kept = NULL;
	while (gone) {
		ffp_lease *lease = pop(leases);
		if (!counts(lease)) {
			gone--;
			continue;
		}
		lease->next = kept;
		kept = lease;
	}
	for (; kept; kept = kept->next)
		push(leases, kept);
}

/* So many more that do not count than that do are looked at again by the next call. */
#define GONE_FEW 8

/* Goes down from the first, and back where a lease is not over: what lies behind it is not, either. */
uint64_t ffp_leases_count_over(ffp_leases *leases, int64_t time_ms, const ffp_item *except, uint64_t enough)
{
	size_t places[2 * 64]; /* still to be looked at: one for each step down, and one more */
	size_t left = 1;
	uint64_t over = 0, gone = 0;
	if (leases->count < enough)
		return 0;
	places[0] = 0;
	while (left && over < enough) {
		size_t place = places[--left];
		if (place >= leases->count || !ffp_is_over(leases->heap[place]->until_ms, time_ms))
			continue;
		const ffp_lease *lease = leases->heap[place];
		over += counts(lease) && lease->slot != except;
		gone += !counts(lease);
		places[left++] = 2 * place + 2;
		places[left++] = 2 * place + 1;
	}
	if (gone > over + GONE_FEW)
		drop_gone(leases, gone);
	return over;
}

ffp_item *ffp_leases_take_over(ffp_leases *leases, int64_t time_ms, const ffp_item *except)
{
	ffp_lease *aside = NULL;
	ffp_item *found = NULL;
	while (!found && leases->count && ffp_is_over(leases->heap[0]->until_ms, time_ms)) {
		ffp_lease *lease = pop(leases);
		if (counts(lease) && lease->slot == except)
			aside = lease;
		else if (counts(lease))
			found = lease->slot;
	}
	if (aside)
		push(leases, aside);
	return found;
}
