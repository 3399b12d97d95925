/* JSON as the model writes it, and the texts that are stored. */
#ifndef FFP_MODEL_JSON_H
#define FFP_MODEL_JSON_H

#include <stdarg.h>

#include "model_budget.h"
#include "text.h"

/* Members of an object from their names, each behind the type of its argument: n, an int64_t, FF_TIME_NONE being null;
 * s, a text or NULL. "nfirst ssecond". */
void ffp_json_add_members(ffp_string *to, const char *names, va_list arguments);

/* FF-CB-5; members in byte order and no spaces. To be freed. */
char *ffp_model_policy_text(const ffp_model_budget *of);

/* FF-RU-6. To be freed. */
char *ffp_model_outcome_text(const ff_outcome *of);

#endif
