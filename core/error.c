/* The error record: words for codes, and texts that are always one clean line. */
#include <stdarg.h>
#include <stdio.h>

#include "text.h"

const char *ff_version(void)
{
	return FF_VERSION;
}

static const char *const code_names[] = {
	[FF_OK] = "ok",
	[FF_E_INVALID] = "invalid",
	[FF_E_NOT_FOUND] = "not_found",
	[FF_E_KEY_CONFLICT] = "key_conflict",
	[FF_E_OVERFLOW] = "overflow",
	[FF_E_CORRUPT] = "corrupt",
	[FF_E_BUSY] = "busy",
	[FF_E_FULL] = "full",
	[FF_E_IO] = "io",
	[FF_E_UNAVAILABLE] = "unavailable",
	[FF_E_VERSION] = "version",
	[FF_E_NO_MEMORY] = "no_memory",
	[FF_E_COMMIT_UNKNOWN] = "commit_unknown",
	[FF_E_DEADLINE] = "deadline",
	[FF_E_MISUSE] = "misuse",
	[FF_E_CONFLICT] = "conflict",
};

const char *ff_code_name(ff_code code)
{
	size_t i = (size_t)code;
	return i < sizeof(code_names) / sizeof(*code_names) && code_names[i] ? code_names[i] : "unknown";
}

/* Copies as much of `text` as fits, whole characters only, and '?' for each byte that is no clean UTF-8. */
static void copy_clean(char *to, size_t room, const char *text)
{
	size_t size = strlen(text);
	size_t used = 0;
	for (size_t i = 0; i < size;) {
		size_t length = ffp_utf8_length(text + i, size - i);
		bool clean = length > 0 && ffp_text_is_clean(text + i, length);
		if (used + (clean ? length : 1) >= room)
			break;
		if (clean) {
			memcpy(to + used, text + i, length);
			used += length;
			i += length;
		} else {
			to[used++] = '?';
			i++;
		}
	}
	to[used] = '\0';
}

ff_code ff_error_set(ff_error *error, ff_code code, const char *format, ...)
{
	if (!error)
		return code;
	char text[2 * sizeof(error->message)];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	*error = (ff_error){
		.code = code,
		.retryable = code == FF_E_BUSY || code == FF_E_DEADLINE || code == FF_E_CONFLICT,
	};
	copy_clean(error->message, sizeof(error->message), text);
	return code;
}

void ff_error_set_entity(ff_error *error, const char *entity, const char *id)
{
	if (!error)
		return;
	copy_clean(error->entity, sizeof(error->entity), entity ? entity : "");
	copy_clean(error->id, sizeof(error->id), id ? id : "");
}

void ff_error_prefix(ff_error *error, const char *format, ...)
{
	if (!error)
		return;
	char text[2 * sizeof(error->message)];
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(text, sizeof(error->message), format, arguments);
	va_end(arguments);
	size_t used = size < 0 ? 0 : (size_t)size < sizeof(error->message) ? (size_t)size : sizeof(error->message) - 1;
	snprintf(text + used, sizeof(text) - used, "%s%s", error->message[0] ? ": " : "", error->message);
	copy_clean(error->message, sizeof(error->message), text);
}
