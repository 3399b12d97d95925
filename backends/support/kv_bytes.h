/* The bytes that a key-value store keeps: keys and rows, written and read back. Pure. */
#ifndef FFP_KV_BYTES_H
#define FFP_KV_BYTES_H

#include <ff/kv.h>

/* A key that is being built. What does not fit sets `too_long`, and is left out. */
typedef struct ffp_kv_key {
	size_t size;
	bool too_long;
	unsigned char bytes[FF_KV_KEY_MAX + 1]; /* one more, for the least key above the longest */
} ffp_kv_key;

static inline ff_kv_bytes ffp_kv_bytes_of(const ffp_kv_key *key)
{
	return (ff_kv_bytes){ key->bytes, key->size };
}

/* < 0, 0, > 0, as memcmp. */
int ffp_kv_compare(ff_kv_bytes a, ff_kv_bytes b);

/* Appends the columns first … end - 1 of an order (of the key, where `index` is NULL). */
void ffp_kv_append(ffp_kv_key *key, const ff_table *table, const ff_index *index, const ff_row *row, unsigned first,
                   unsigned end);

/* Makes `key` the least string above all that begin with it; false where there is none. */
bool ffp_kv_after(ffp_kv_key *key);

/* Sets the columns of an order from a key, whose bytes the row's texts borrow. False where it is no such key; a text
 * that is none marks the row as corrupt. */
bool ffp_kv_read_key(const ff_table *table, const ff_index *index, ff_kv_bytes key, ff_row *row);

/* The most bytes that a row's value takes; what it took. */
size_t ffp_kv_value_room(const ff_table *table, const ff_row *row);
size_t ffp_kv_write_value(const ff_table *table, const ff_row *row, unsigned char *value);

/* Sets the value columns, whose texts borrow the bytes; what is not exactly what ffp_kv_write_value wrote, at this
 * schema or an older one, marks the row as corrupt. */
void ffp_kv_read_value(const ff_table *table, ff_kv_bytes value, ff_row *row);

#endif
