#include "recall.h"

struct ffp_recalled {
	const ff_table *table;
	uint64_t era;     /* 0: forgotten */
	uint64_t refused; /* the hash of the last row that wanted the place and did not get it; or its own */
	size_t room;      /* for the row and then its texts, behind this head */
	uint32_t texts;   /* bit i: column i is one */
	_Alignas(16) char memo[FFP_RECALL_MEMO_SIZE];
	_Alignas(16) char bytes[];
};

struct ffp_recall_place {
	uint64_t hash; /* of the row that has the place */
	ffp_recalled *kept;
};

/* Set-associative: with one place a hash a few thousand rows would drive out each other. */
#define WAYS 8

static ffp_recall_place *ways_of(const ffp_recall *recall, uint64_t hash)
{
	return &recall->places[hash % (recall->places_count / WAYS) * WAYS];
}

/* Where a row of this hash is; NULL: nowhere. */
static ffp_recall_place *place_of(const ffp_recall *recall, uint64_t hash)
{
	ffp_recall_place *ways = recall->places ? ways_of(recall, hash) : NULL;
	for (unsigned i = 0; ways && i < WAYS; i++)
		if (ways[i].kept && ways[i].hash == hash)
			return &ways[i];
	return NULL;
}

static ff_row *row_of(ffp_recalled *kept)
{
	return (ff_row *)(void *)kept->bytes;
}

static void release(const ffp_recall *recall, ffp_recalled *kept)
{
	if (kept)
		recall->allocator->resize(recall->allocator->context, kept, sizeof(*kept) + kept->room, 0);
}

void ffp_recall_free(ffp_recall *recall)
{
	if (!recall->places)
		return;
	for (size_t i = 0; i < recall->places_count; i++)
		release(recall, recall->places[i].kept);
	recall->allocator->resize(recall->allocator->context, recall->places,
	                          recall->places_count * sizeof(*recall->places), 0);
	recall->places = NULL;
}

bool ffp_recall_keeps(const ff_table *table)
{
	return table->id == FFP_BUDGET_POLICY || table->id == FFP_BUDGET_USAGE || table->id == FFP_QUOTA_POLICY;
}

/* The columns of a row that are texts, and not NULL: bit i for column i. */
static uint32_t texts_of(const ff_table *table, const ff_row *row)
{
	uint32_t texts = 0;
	for (unsigned i = 0; i < table->columns_count; i++)
		texts |= (uint32_t)(table->columns[i].type == FF_TYPE_TEXT) << i;
	return texts & ~row->nulls;
}

/* The next of them in a row; it is taken out. */
static ff_text *next_text(const ff_table *table, const ff_row *row, uint32_t *texts)
{
	unsigned column = (unsigned)__builtin_ctz(*texts);
	*texts &= *texts - 1;
	return ff_row_text(row, &table->columns[column]);
}

static size_t size_of(const ff_table *table, const ff_row *row, uint32_t texts)
{
	size_t size = table->row_size;
	while (texts)
		size += next_text(table, row, &texts)->size;
	return size;
}

/* A row and its texts in one piece, from wherever else they lie. */
static void gather(ffp_recalled *kept, const ff_row *row)
{
	uint32_t texts = kept->texts;
	memcpy(kept->bytes, row, kept->table->row_size);
	char *at = kept->bytes + kept->table->row_size;
	while (texts) {
		ff_text *text = next_text(kept->table, row_of(kept), &texts);
		if (text->size)
			memcpy(at, text->data, text->size);
		text->data = at;
		at += text->size;
	}
}

/* Whether a row is the one that is kept, but for its numbers: all of its texts are those of the piece. */
static bool has_texts_of(ffp_recalled *kept, const ff_table *table, const ff_row *row)
{
	uint32_t texts = kept->texts;
	const char *at = kept->bytes + table->row_size;
	bool same = kept->table == table && row_of(kept)->nulls == row->nulls;
	while (same && texts) {
		const ff_text *text = next_text(table, row, &texts);
		same = text->data == at;
		at += text->size;
	}
	return same;
}

static ffp_recalled *find(const ffp_recall *recall, const ff_table *table, const ff_row *key, uint64_t hash)
{
	const ffp_recall_place *place = place_of(recall, hash);
	ffp_recalled *kept = place ? place->kept : NULL;
	if (!kept || kept->era != recall->era || kept->table != table ||
	    ff_row_compare(table, NULL, row_of(kept), key, table->key_count) != 0)
		return NULL;
	return kept;
}

const ff_row *ffp_recall_find(const ffp_recall *recall, const ff_table *table, const ff_row *key, uint64_t hash,
                              void **memo)
{
	ffp_recalled *kept = find(recall, table, key, hash);
	*memo = kept ? kept->memo : NULL;
	return kept ? row_of(kept) : NULL;
}

/* An entry with room for so much; NULL where memory is out. */
static ffp_recalled *new_entry(const ffp_recall *recall, size_t size)
{
	size_t room = (size + 63) / 64 * 64;
	ffp_recalled *kept = recall->allocator->resize(recall->allocator->context, NULL, 0, sizeof(*kept) + room);
	if (kept)
		kept->room = room;
	return kept;
}

static bool has_places(ffp_recall *recall)
{
	const ff_allocator *allocator = recall->allocator;
	const size_t size = recall->places_count * sizeof(*recall->places);
	if (recall->places)
		return true;
	recall->places = allocator->resize(allocator->context, NULL, 0, size);
	if (recall->places)
		memset(recall->places, 0, size);
	recall->era = 1;
	return recall->places != NULL;
}

/*
 * The place that a row gets, its own or one that is free; NULL: none yet. Where others have them all it takes over one,
 * always the same, and only when it comes again before a third one does. So rows that are many more than the places, and
 * come back when they are long gone, are not copied in vain.
 */
static ffp_recall_place *place_for(const ffp_recall *recall, uint64_t hash)
{
	ffp_recall_place *place = place_of(recall, hash);
	ffp_recall_place *ways = ways_of(recall, hash);
	for (unsigned i = 0; !place && i < WAYS; i++)
		if (!ways[i].kept || ways[i].kept->era != recall->era)
			place = &ways[i];
	if (place)
		return place;
	place = &ways[(hash >> 32) % WAYS];
	if (place->kept->refused == hash)
		return place;
	place->kept->refused = hash;
	return NULL;
}

/* What the place has, to be written over, or a new one where that is too small, or may hold what is to be written. */
static ffp_recalled *entry_for(const ffp_recall *recall, ffp_recall_place *place, uint64_t hash, size_t size)
{
	ffp_recalled *kept = place->kept;
	bool is_read = kept && place->hash == hash && kept->era == recall->era;
	if (kept && kept->room >= size && !is_read)
		return kept;
	place->kept = new_entry(recall, size);
	return place->kept;
}

static void keep_anew(ffp_recall *recall, const ff_table *table, const ff_row *row, uint64_t hash)
{
	uint32_t texts = texts_of(table, row);
	size_t size = size_of(table, row, texts);
	if (size > FFP_RECALL_SIZE_MAX || !has_places(recall)) {
		ffp_recall_forget(recall, hash);
		return;
	}
	ffp_recall_place *place = place_for(recall, hash);
	if (!place)
		return;
	ffp_recalled *old = place->kept;
	ffp_recalled *kept = entry_for(recall, place, hash, size);
	if (kept) {
		place->hash = kept->refused = hash;
		kept->table = table;
		kept->era = recall->era;
		kept->texts = texts;
		memset(kept->memo, 0, sizeof(kept->memo));
		gather(kept, row);
	}
	if (old != kept)
		release(recall, old);
}

void ffp_recall_keep(ffp_recall *recall, const ff_table *table, const ff_row *row, uint64_t hash)
{
	ffp_recall_place *place = place_of(recall, hash);
	if (row->state != FF_ROW_OK) {
		ffp_recall_forget(recall, hash);
	} else if (place && has_texts_of(place->kept, table, row)) {
		memcpy(place->kept->bytes, row, table->row_size);
		place->kept->refused = hash;
	} else {
		keep_anew(recall, table, row, hash);
	}
}

void ffp_recall_forget(ffp_recall *recall, uint64_t hash)
{
	ffp_recall_place *place = place_of(recall, hash);
	if (place)
		place->kept->era = 0;
}

void ffp_recall_clear(ffp_recall *recall)
{
	recall->era++;
}
