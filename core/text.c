#include "text.h"

size_t ffp_utf8_length(const char *bytes, size_t size)
{
	const unsigned char *b = (const unsigned char *)bytes;
	if (size == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	size_t length = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
	if (b[0] < 0xc2 || b[0] > 0xf4 || size < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
	bool surrogate = b[0] == 0xed && b[1] > 0x9f;
	bool too_high = b[0] == 0xf4 && b[1] > 0x8f;
	return overlong || surrogate || too_high ? 0 : length;
}

static uint64_t load_eight(const char *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

/* The bytes of a shorter text, not none, as eight: some of them twice, in any order. */
static uint64_t load_few(const char *at, size_t size)
{
	uint32_t ends[2] = { 0, 0 };
	if (size < 4) {
		const char four[] = { at[0], at[size / 2], at[size - 1], at[0] };
		memcpy(&ends[0], four, sizeof(four));
		ends[1] = ends[0];
	} else {
		memcpy(&ends[0], at, sizeof(ends[0]));
		memcpy(&ends[1], at + size - sizeof(ends[1]), sizeof(ends[1]));
	}
	return (uint64_t)ends[1] << 32 | ends[0];
}

/* Whether eight bytes are printable ASCII. Where no byte has its high bit, a difference sets that of the first byte which
 * is below the other. */
static bool is_printable(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	return ((word | (word - 0x20 * ones) | (word + ones)) & 0x80 * ones) == 0;
}

/* Whether all bytes are printable ASCII, as nearly all are. The last ones are looked at again rather than one by one. */
static bool is_plain(const char *bytes, size_t size)
{
	if (size < 8)
		return size == 0 || is_printable(load_few(bytes, size));
	bool plain = is_printable(load_eight(bytes + size - 8));
	for (size_t i = 0; plain && i + 8 < size; i += 8)
		plain = is_printable(load_eight(bytes + i));
	return plain;
}

bool ffp_text_is_clean(const char *bytes, size_t size)
{
	const unsigned char *b = (const unsigned char *)bytes;
	if (is_plain(bytes, size))
		return true;
	for (size_t i = 0; i < size;) {
		if (b[i] >= 0x20 && b[i] < 0x7f) {
			i++;
			continue;
		}
		size_t length = ffp_utf8_length(bytes + i, size - i);
		if (length < 2 || (b[i] == 0xc2 && b[i + 1] < 0xa0))
			return false;
		i += length;
	}
	return true;
}

bool ff_text_is_valid(const void *data, size_t size)
{
	const char *bytes = data;
	size_t length;
	for (size_t i = is_plain(bytes, size) ? size : 0; i < size; i += length) {
		length = ffp_utf8_length(bytes + i, size - i);
		if (length == 0 || bytes[i] == '\0')
			return false;
	}
	return true;
}

const ffp_name_rule ffp_name_budget_id = { "budget id", 1, FF_ID_MAX };
const ffp_name_rule ffp_name_quota_policy_id = { "quota policy id", 1, FF_ID_MAX };
const ffp_name_rule ffp_name_after = { "after", 0, FF_ID_MAX };
const ffp_name_rule ffp_name_execution_id = { "execution id", 1, FF_ID_MAX };
const ffp_name_rule ffp_name_dimension = { "dimension", 1, 64 };
const ffp_name_rule ffp_name_key = { "idempotency key", 0, 256 };
const ffp_name_rule ffp_name_given_key = { "idempotency key", 1, 256 };
const ffp_name_rule ffp_name_scope_type = { "scope type", 0, 64 };
const ffp_name_rule ffp_name_scope_id = { "scope id", 0, 128 };
const ffp_name_rule ffp_name_on_hard_limit = { "on_hard_limit", 0, 64 };
const ffp_name_rule ffp_name_on_soft_limit = { "on_soft_limit", 0, 64 };

bool ffp_name_allows(const ffp_name_rule *rule, ff_text text)
{
	return text.size >= rule->min && text.size <= rule->max && ffp_text_is_clean(text.data, text.size);
}

ff_code ffp_name_check(const ffp_name_rule *rule, const char *name, ff_text *text, ff_error *error)
{
	const char *bytes = name ? name : "";
	size_t size = strnlen(bytes, rule->max + 1);
	if (size < rule->min)
		return ff_error_set(error, FF_E_INVALID, "%s is empty, it takes %zu to %zu bytes", rule->field,
		                    rule->min, rule->max);
	if (size > rule->max)
		return ff_error_set(error, FF_E_INVALID, "%s '%.*s...' is longer than %zu bytes", rule->field, 24,
		                    bytes, rule->max);
	if (!ffp_text_is_clean(bytes, size))
		return ff_error_set(error, FF_E_INVALID, "%s '%s' is not UTF-8 without control characters", rule->field,
		                    bytes);
	*text = (ff_text){ bytes, size };
	return FF_OK;
}
