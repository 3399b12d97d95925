/* What every store asks of the texts that it reads back. */
#ifndef FFP_SUPPORT_TEXT_H
#define FFP_SUPPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are well-formed UTF-8 without NUL. */
bool ffp_is_stored_text(const void *data, size_t size);

#endif
