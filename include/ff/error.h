/*
 * ff: error codes and the error record, shared by hosts and by authors of backends.
 *
 * A refusal (hard breach, rate exceeded) is an answer. An error means that no decision was made (FF-ERR).
 */
#ifndef FF_ERROR_H
#define FF_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include <ff/version.h>

typedef enum ff_code {
	FF_OK = 0,
	FF_E_INVALID = 1,         /* an argument outside its documented range or form */
	FF_E_NOT_FOUND = 2,       /* no such budget, quota policy or store; the entity is named */
	FF_E_KEY_CONFLICT = 3,    /* an idempotency key reused with another payload */
	FF_E_OVERFLOW = 4,        /* a sum would pass INT64_MAX */
	FF_E_CORRUPT = 5,         /* stored data that cannot be trusted */
	FF_E_BUSY = 6,            /* contention outlived the retries */
	FF_E_FULL = 7,            /* disk, map or quota full */
	FF_E_IO = 8,              /* the store or the network failed */
	FF_E_UNAVAILABLE = 9,     /* a write to a read-only engine; a capability or a store that is lacking */
	FF_E_VERSION = 10,        /* the store's schema is newer than the library */
	FF_E_NO_MEMORY = 11,      /* the allocator had nothing to give */
	FF_E_COMMIT_UNKNOWN = 12, /* a commit reported failure and may have happened */
	FF_E_DEADLINE = 13,       /* the call's own deadline passed before a decision */
	FF_E_MISUSE = 14,         /* a dead handle (closed or forked), a call or an open in a wrong state */

	/* Between a backend and the core only: an optimistic check failed. The core runs the batch again; a host never
	 * sees this code. */
	FF_E_CONFLICT = 100
} ff_code;

/* Longest id that any call takes, in bytes without the NUL (FF-LIM-1). */
#define FF_ID_MAX 128

/*
 * What failed, in words and in fields (FF-ERR-1). The caller owns it; every function that takes one accepts NULL.
 * After success its content means nothing. All texts are NUL-terminated valid UTF-8 on one line; a longer text is
 * cut.
 */
typedef struct ff_error {
	ff_code code;
	bool retryable;         /* the same call may succeed if sent again */
	char operation[32];     /* "report_usage"; empty before an operation was known */
	char entity[16];        /* "budget", "quota_policy", "execution", "store", or empty */
	char id[FF_ID_MAX + 1]; /* the entity's id, or empty */
	char backend[32];       /* the backend's name; empty before a store was open */
	char native_code[32];   /* the backend's own code as text ("5", "57P01"), or empty */
	char message[384];      /* lower case, what failed first, the subject in single quotes, no full stop */
} ff_error;

/* The code's word as programs and scripts see it: "not_found". Never NULL; "unknown" for a value that is no code. */
FF_API const char *ff_code_name(ff_code code);

/*
 * Fills `error` (which may be NULL) with `code` and a formatted message, empties the other fields, sets `retryable` for
 * BUSY, DEADLINE and CONFLICT, and returns `code`, so that a failing path is one line: return ff_error_set(error, …).
 * Bytes of the message that are no printable UTF-8 are replaced, so any text may be quoted.
 */
FF_API ff_code ff_error_set(ff_error *error, ff_code code, const char *format, ...) FF_PRINTF(3, 4);

/* Names what the error is about. `error` may be NULL. Texts are cut to the fields' sizes. */
FF_API void ff_error_set_entity(ff_error *error, const char *entity, const char *id);

/* Puts "text: " before the message that is there. `error` may be NULL. */
FF_API void ff_error_prefix(ff_error *error, const char *format, ...) FF_PRINTF(2, 3);

#endif
