/* UTF-8, and the names that the contract allows (FF-LIM-1). Pure. */
#ifndef FFP_TEXT_H
#define FFP_TEXT_H

#include <ff/backend.h>

/* The length of the well-formed UTF-8 sequence that `size` bytes begin with, or 0 (overlong forms, surrogates and what
 * lies above U+10FFFF are not well-formed). */
size_t ffp_utf8_length(const char *bytes, size_t size);

/* Whether the bytes are well-formed UTF-8 without control characters (C0, DEL, C1). */
bool ffp_text_is_clean(const char *bytes, size_t size);

static inline ff_text ffp_text(const char *text)
{
	return (ff_text){ text ? text : "", text ? strlen(text) : 0 };
}

/* A text for the "%.*s" of a message. */
#define FFP_SHOWN(text_) (int)(text_).size, (text_).data

static inline bool ffp_text_equal(ff_text a, ff_text b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* A field and its limit: what FF-LIM-1 says of each kind of name. */
typedef struct ffp_name_rule {
	const char *field;
	size_t min;
	size_t max;
} ffp_name_rule;

extern const ffp_name_rule ffp_name_budget_id;
extern const ffp_name_rule ffp_name_quota_policy_id;
extern const ffp_name_rule ffp_name_after; /* an id of either, or none */
extern const ffp_name_rule ffp_name_execution_id;
extern const ffp_name_rule ffp_name_dimension;
extern const ffp_name_rule ffp_name_key;
extern const ffp_name_rule ffp_name_given_key; /* as it is stored: never empty */
extern const ffp_name_rule ffp_name_scope_type;
extern const ffp_name_rule ffp_name_scope_id;
extern const ffp_name_rule ffp_name_on_hard_limit;
extern const ffp_name_rule ffp_name_on_soft_limit;

/* Whether a text is such a name. */
bool ffp_name_allows(const ffp_name_rule *rule, ff_text text);

/* Checks a name, where NULL is the empty one, and answers it as a text (which borrows it). FF_E_INVALID names the field
 * and the limit. */
ff_code ffp_name_check(const ffp_name_rule *rule, const char *name, ff_text *text, ff_error *error);

#endif
