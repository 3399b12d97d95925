#include "text.h"

#include <stdint.h>
#include <string.h>

/* The length of the UTF-8 sequence that starts at `at`, 0 where there is none or it is a NUL. */
static size_t sequence(const unsigned char *at, const unsigned char *end)
{
	/* What the byte after the first may be keeps out overlong forms, surrogates, and what is above U+10FFFF. */
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t size;
	if (at[0] < 0x80)
		return at[0] != 0;
	if (at[0] >= 0xc2 && at[0] <= 0xdf) {
		size = 2;
	} else if (at[0] >= 0xe0 && at[0] <= 0xef) {
		size = 3;
		low = at[0] == 0xe0 ? 0xa0 : 0x80;
		high = at[0] == 0xed ? 0x9f : 0xbf;
	} else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		size = 4;
		low = at[0] == 0xf0 ? 0x90 : 0x80;
		high = at[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if ((size_t)(end - at) < size || at[1] < low || at[1] > high)
		return 0;
	for (size_t i = 2; i < size; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/* Whether eight bytes are ASCII and none of them NUL, as nearly all are. */
static bool is_plain(const unsigned char *at)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return ((word | (word - ones)) & 0x80 * ones) == 0; /* a borrow sets the high bit of the first NUL */
}

bool ffp_is_stored_text(const void *data, size_t size)
{
	const unsigned char *at = data;
	const unsigned char *end = size ? at + size : at; /* an empty text may be NULL */
	while (at < end) {
		if (end - at >= 8 && is_plain(at)) {
			at += 8;
			continue;
		}
		size_t length = sequence(at, end);
		if (length == 0)
			return false;
		at += length;
	}
	return true;
}
